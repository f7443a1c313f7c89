"""A trained model as the beginning of another: the new head, the weights that come along, what is kept fixed."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import striate
from striate.analysis import infer
from striate.datasets import open_data
from striate.errors import ModelError, RecipeError, SpecError
from striate.learning import Epoch, Recipe, fixed_norms, freeze, training
from striate.loading import open_network
from striate.loading.transfer import head_of, with_classes, without_sides
from striate.model.contract import Contract
from striate.model.model import Model, load
from striate.net import build
from striate.run import measure, prepare
from striate.spec import lower, parse
from striate.zoo import ZOO
from unfitted import unfitted

NET = """input 1x8x8
conv1: conv 8 3 padding=1 bias=no
bn1: batchnorm
relu1: relu
stage2.conv: conv 16 3 padding=1 bias=no
stage2.bn: batchnorm
stage2.relu: relu
pool: maxpool 2
flat: flatten
fc: linear {}
"""
FROZEN = ("conv1", "bn1", "stage2.conv", "stage2.bn")


def write_digits(root, labels, most=60):
    """Handwritten digits as class folders under train/ and test/."""
    data = open_data("digits")
    for part in ("train", "test"):
        items = getattr(data, part)
        for label in labels:
            folder = root / part / f"digit {label}"
            folder.mkdir(parents=True)
            for i in np.flatnonzero(items.targets == label)[:most]:
                Image.fromarray(items.inputs[i]).save(folder / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A model of the digits 0 to 4, and its file."""
    root = tmp_path_factory.mktemp("transfer")
    write_digits(root / "low", range(5))
    run = prepare(root / "low", NET.format(5), settings={"epochs": 4, "lr": 0.01}, out=root / "run")
    list(run.events())
    assert run.finish().test.accuracy > 0.9
    return root / "run" / "model.safetensors"


def start(first, data="digits", net=None, stop=None, said=None, **more):
    settings = more.pop("settings", {"epochs": 2, "lr": 0.01})
    say = (said if said is not None else []).append
    run = prepare(data, net, more.pop("recipe", Recipe()), settings=settings, weights=first, say=say, **more)
    for event in run.events():
        if stop and not isinstance(event, Epoch) and (event.epoch, event.step) == stop:
            run.save_state()
            return run
    run.finish()
    return run


def states(run):
    """The state dicts of the run's last module and of its best model."""
    return run.model.module.state_dict(), load(run.folder / "model.safetensors").module.state_dict()


# ------------------------------------------------------------------------------------------------- what comes along
def test_a_frozen_beginning_and_a_new_head(first, in_folder):
    said = []
    run = start(first, freeze="stage2", said=said, out="here")
    before = load(first).module.state_dict()
    assert len(before) == 14
    for state in states(run):
        for name, value in before.items():
            if not name.startswith("fc"):  # the running statistics and their counters too
                assert torch.equal(state[name], value), name
        assert state["fc.weight"].shape == (10, 256)
    assert said[1:4] == [
        f"loaded the weights of 4 of 5 layers from {first}",
        "new layers: fc",
        "frozen up to stage2.relu: 1,272 parameters; trainable: 2,570",
    ]
    assert measure(run.model, run.held["test"]).accuracy > 0.8
    page = (run.folder / "report.html").read_text()
    assert "fine-tuned from" in page
    assert "frozen up to and including stage2" in page


def test_what_is_not_frozen_is_trained_from_where_it_was(first, in_folder):
    run = prepare("digits", recipe=Recipe(), weights=first)
    before, now = load(first).module.state_dict(), run.model.module.state_dict()
    assert all(torch.equal(now[name], before[name]) for name in now if not name.startswith("fc"))
    run = start(first, freeze="bn1")
    for state in states(run):
        for name, value in before.items():
            same = state[name].shape == value.shape and torch.equal(state[name], value)
            assert same == name.startswith(("conv1", "bn1")), name


def test_the_preparation_is_the_files(first, in_folder):
    known = unfitted(load(first).contract)
    run = start(first, out="here")
    assert run.model.contract == replace(known, classes=tuple("0123456789"))
    assert unfitted(load("here/model.safetensors").contract) == run.model.contract
    assert prepare("digits", NET.format(10)).model.contract.mean != known.mean


def test_the_same_classes_keep_their_head(first, in_folder):
    said = []
    data = write_digits(in_folder / "again", range(5), most=20)
    run = prepare(data, recipe=Recipe(), weights=first, say=said.append)
    now = run.model.module.state_dict()
    assert all(torch.equal(now[name], value) for name, value in load(first).module.state_dict().items())
    assert said[1:3] == [
        f"loaded the weights of 5 of 5 layers from {first}",
        "head kept: same classes",
    ]
    others = write_digits(in_folder / "others", range(5, 10), most=20)  # as many, but others
    run = prepare(others, recipe=Recipe(), weights=first, say=said.append)
    assert said[5] == "new layers: fc"
    assert not torch.equal(run.model.module.state_dict()["fc.weight"], now["fc.weight"])


def test_another_net_takes_what_is_alike(first, in_folder):
    said = []
    text = NET.format(10).replace("stage2.conv: conv 16", "stage2.conv: conv 24").replace("fc:", "out:")
    run = start(first, net=text.split("\n", 1)[1], said=said, out="here")  # and the input's size is the file's
    assert run.model.contract.input == (1, 8, 8)
    assert said[1:4] == [
        f"loaded the weights of 2 of 5 layers from {first}",
        "new layers: stage2.conv, stage2.bn, out",
        "not loaded (no layer with that name): fc",
    ]
    with pytest.raises(ModelError) as caught:
        prepare("digits", "lenet5", weights=first)
    assert str(caught.value) == (
        f"{first}: none of its layers has the name and shape of one of the network; it has conv1, bn1, stage2.conv, "
        f"stage2.bn, fc, the network has c1, c3, c5, f6, out; omit --net to use the file's own network"
    )


def colour(size, **more):
    return Contract(("a", "b"), (3, *size), "RGB", (0.4,) * 3, (0.3,) * 3, resize="crop", **more)


def test_another_size_sees_the_same_share_of_the_picture(in_folder):
    net = "conv 4 3; adaptiveavgpool 1; flatten; linear {}"
    contract = colour((28, 28), scale_to=32)
    Model(build(parse(net.format(2)), (3, 28, 28)), contract).save("a.safetensors")
    run = prepare("digits", "input 3x14x14; " + net.format(10), weights="a.safetensors")
    assert run.model.contract == replace(contract, classes=tuple("0123456789"), input=(3, 14, 14), scale_to=16)
    assert run.parts["train"].inputs.shape[1:] == (3, 14, 14)  # grey digits, as the file's net wants them
    with pytest.raises(SpecError) as caught:
        prepare("digits", "input 1x28x28; " + net.format(10), weights="a.safetensors")
    assert str(caught.value) == (
        "net: takes 1 channel(s), the weights of a.safetensors 3 (RGB); start the network with: input 3x28x28"
    )


def test_a_net_of_the_zoo_with_the_files_channels(in_folder):
    said = []
    Model(build(open_network("lenet5", classes=2, channels=3).description()), colour((32, 32))).save("a.safetensors")
    run = prepare("digits", "lenet5", Recipe(), weights="a.safetensors", say=said.append)
    assert run.model.contract.input == (3, 32, 32)
    assert said[1] == "loaded the weights of 4 of 5 layers from a.safetensors"


# --------------------------------------------------------------------------------------------------- by its recipe
def test_fine_tuning_trains_the_head_first_and_keeps_statistics(first, in_folder):
    said = []
    run = prepare("digits", weights=first, say=said.append, settings={"epochs": 1, "lr": 1e-3}, out="run")
    assert said[1].startswith("recipe: finetune, 1 epoch of batches of 32 (since it begins with trained weights;")
    assert re.fullmatch(
        r"head: trained on the features of 1,293 images, computed once, in \d+\.\d s; validation accuracy 9\d\.\d\d%",
        said[-1],
    )
    known, now = load(first).module.state_dict(), run.model.module.state_dict()
    assert [name for name, value in known.items() if not torch.equal(now[name], value)] == ["fc.weight", "fc.bias"]
    assert measure(run.model, run.held["test"]).accuracy > 0.85
    list(run.events())
    now = run.model.module.state_dict()
    assert all(torch.equal(now[name], known[name]) for name in known if "running" in name or "tracked" in name)
    assert not torch.equal(now["conv1.weight"], known["conv1.weight"])
    assert run.recipe.keep == "last"
    assert run.finish().test.accuracy > 0.9


def test_epochs_that_spoil_a_good_head_are_not_kept(first, in_folder):
    """With a rate far too high, or in too few steps: the fitted head on the weights as they came is the model then."""
    spoiling = {"epochs": 2, "lr": 0.3}
    run = prepare("digits", weights=first, say=[].append, settings=spoiling, out="run")
    head = {name: value.clone() for name, value in run.model.module.state_dict().items()}
    accuracy = measure(run.model, run.held["test"]).accuracy
    for event in run.events():
        assert not getattr(event, "kept", False)
        if isinstance(event, Epoch):
            break
    run.lock.release()
    run = prepare("digits", out="run", resume=True, say=[].append)  # stopped and gone on with, it is so too
    list(run.events())
    result = run.finish()
    kept = load(in_folder / "run" / "model.safetensors").module.state_dict()
    assert all(torch.equal(head[name], value) for name, value in kept.items())
    assert result.test.accuracy == accuracy > 0.85
    assert "model with the fitted head: no epoch after it was as good on validation (accuracy)" in result.effort()
    row = striate.runs("run").rows[0]
    found = result.as_dict()
    assert (found["best_epoch"], row.best_epoch) == (0, 0)
    assert found["val"]["accuracy"] == row.metric > 0.85
    assert run.verdict.val == row.metric
    assert "kept epoch" not in (in_folder / "run" / "report.html").read_text("utf-8")


def test_new_layers_before_the_head_learn_their_statistics(first, in_folder):
    run = start(first, net=NET.format(10).replace("stage2.bn:", "norm:"), recipe=None, settings={"epochs": 1})
    assert (run.recipe.head_epochs, run.recipe.norm_statistics, run.recipe.layer_decay) == (0, "batch", 0.9)
    assert run.model.module.state_dict()["norm.num_batches_tracked"] > 0


# ------------------------------------------------------------------------------------------------------- the head
@pytest.mark.parametrize("name", [name for name, entry in ZOO.items() if entry.task == "classification"])
def test_every_classifier_of_the_zoo_gets_another_head(name):
    entry = ZOO[name]
    graph = lower(entry.make(), entry.input)
    assert with_classes(graph, 7, "f").nodes == without_sides(lower(entry.make(classes=7), entry.input)).nodes


def test_what_follows_the_head_is_new_too(in_folder):
    said = []
    text = "input 1x8x8; conv 4 3; relu; conv {} 1; batchnorm; adaptiveavgpool 1; flatten; softmax"
    assert head_of(parse(text.format(3))) == ("conv2", "batchnorm1", "pool1", "flatten1", "softmax1")
    contract = Contract(tuple("abcdefghij"), (1, 8, 8), "L", (0.5,), (0.5,))
    Model(build(parse(text.format(10))), contract).save("a.safetensors")
    prepare("digits", recipe=Recipe(), weights="a.safetensors", say=said.append)
    assert said[2] == "new layers: conv2, batchnorm1"


@pytest.mark.parametrize(
    "text",
    [
        "input 1x8x8; a: conv 3 1; b: conv 3 1 <- input; add <- a, b; adaptiveavgpool 1; flatten",
        "input 1x8x8; conv 3 8; padchannels 5; flatten",
        "input 2x1x1; flatten",
        "input 1x8x8; tableconv 0,0,0 8; flatten",
    ],
)
def test_an_end_that_takes_no_other_number(text):
    graph = parse(text)
    assert not infer(graph)[1]
    with pytest.raises(SpecError, match=r"f: the end of its network cannot be given 7 outputs; give a network"):
        with_classes(graph, 7, "f")


def test_side_heads_stay_behind(in_folder):
    said = []
    text = "input 1x8x8; a: conv 4 3; s1: flatten; s2: linear 3; f: flatten <- a; fc: linear 3\ntaps s2"
    graph = parse(text.replace("; ", "\n"))
    Model(build(graph), Contract(("a", "b", "c"), (1, 8, 8), "L", (0.5,), (0.5,))).save("a.safetensors")
    run = prepare("digits", recipe=Recipe(), weights="a.safetensors", say=said.append)
    assert run.model.graph.taps == ()
    assert said[1:4] == [
        "loaded the weights of 1 of 2 layers from a.safetensors", "new layers: fc",
        "not loaded (no layer with that name): s2",
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------------------- freezing
@pytest.mark.parametrize(
    ("layer", "kind", "text"),
    [
        ("stage3", SpecError, "--freeze stage3: no layer with that name; did you mean 'stage2'?"),
        ("bn2", SpecError, "--freeze bn2: no layer with that name; did you mean 'bn1'?"),
        ("zzzzzz", SpecError, "it is one of conv1, bn1, relu1, stage2, pool, flat, fc"),
        ("fc", RecipeError, "--freeze fc: leaves nothing to train; use an earlier layer"),
    ],
)
def test_a_layer_that_cannot_be_frozen_to(first, in_folder, layer, kind, text):
    with pytest.raises(kind) as caught:
        prepare("digits", weights=first, freeze=layer)
    assert text in str(caught.value)
    assert not list(in_folder.iterdir())


def test_frozen_at_random_is_said(first, in_folder):
    said = []
    prepare("digits", NET.format(10), freeze="bn1", say=said.append)
    assert said[1:] == [
        "frozen up to bn1: 88 parameters; trainable: 3,754",
        "warning: frozen with random weights: conv1, bn1; add --weights, or freeze less",
    ]
    text = NET.format(10).replace("conv1: conv 8 3", "conv1: conv 8 3 groups=1").replace("bn1:", "norm1:")
    prepare("digits", text, weights=first, freeze="stage2", say=said.append)
    assert said[-1] == "warning: frozen with random weights: norm1; add --weights, or freeze less"


def test_a_look_at_the_network_in_between_moves_no_statistics():
    """Whoever sets the module to train between two events: what is frozen stays."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    assert freeze(net, ["0", "1"]) == (24, 38)
    assert fixed_norms(net) == [net[1]]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x, y = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1] * 4)
    for _ in training(net, [(x, y)] * 3, Recipe(epochs=2), val=[(x, y)]):
        net.train()
    after = net.state_dict()
    for name, value in before.items():
        assert torch.equal(after[name], value) == name.startswith(("0.", "1.")), name


def test_norms_without_weights_of_their_own_are_not_taken_for_frozen():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, affine=False))
    freeze(net, ["0"])
    assert fixed_norms(net) == []


# --------------------------------------------------------------------------------------------------- stop and go on
@pytest.mark.parametrize("stop", [(1, 1), (2, 3)], ids=str)
def test_gone_on_with_it_ends_as_if_never_stopped(first, in_folder, stop):
    copy = in_folder / "start.safetensors"
    copy.write_bytes(first.read_bytes())
    whole = start(copy, freeze="bn1", out="whole")
    start(copy, freeze="bn1", out="stopped", stop=stop)
    about = json.loads((in_folder / "stopped" / "recipe.json").read_text())
    assert (about["weights"], about["freeze"]) == (str(copy), "bn1")
    copy.unlink()  # the run has all that it needs
    said = []
    run = prepare("digits", out="stopped", resume=True, say=said.append)
    assert said[1] == "frozen up to bn1: 88 parameters; trainable: 3,754"
    list(run.events())
    run.finish()
    for one, other in zip(states(whole), states(run), strict=True):
        assert all(torch.equal(one[name], value) for name, value in other.items())
    assert run.model.contract == whole.model.contract


def test_what_cannot_change_in_the_middle(first, in_folder):
    start(first, freeze="bn1", out="run", stop=(1, 1))
    with pytest.raises(RecipeError, match=r"run: was trained with another freeze \(bn1, now stage2\)"):
        prepare("digits", out="run", resume=True, freeze="stage2")
    with pytest.raises(RecipeError, match="run: was trained with other weights"):
        prepare("digits", out="run", resume=True, weights="other.safetensors")
    about = json.loads((in_folder / "run" / "recipe.json").read_text())
    about["contract"]["std"] = [0.0]
    (in_folder / "run" / "recipe.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match=r"run/recipe.json: contract: .* std above 0; omit --resume"):
        prepare("digits", out="run", resume=True)


def test_the_recipe_of_such_a_run_serves_another(first, in_folder, cli):
    start(first, freeze="bn1", out="run", stop=(1, 1))
    words = ("--net", "conv 4 3; relu; flatten; linear 10", "--recipe", "run/recipe.json", "-e", 1)
    assert cli("train", "digits", *words, "-o", "other").code == 0
    assert "weights" not in json.loads((in_folder / "other" / "recipe.json").read_text())


# ----------------------------------------------------------------------------------------------------- the two ways
def test_python(first, in_folder, capsys):
    model = striate.train(None, "digits", weights=first, freeze="bn1", epochs=1, out="here")
    assert model.module.fc.out_features == 10
    assert "new layers: fc\nfrozen up to bn1: 88 parameters" in capsys.readouterr().err


def test_the_command(first, in_folder, cli):
    answer = cli("train", "digits", "--weights", first, "--freeze", "stage2", "-e", 1)
    assert answer.code == 0
    assert f"loaded the weights of 4 of 5 layers from {first}\nnew layers: fc\nfrozen up to" in answer.err
    assert "runs/digits-model/model.safetensors" in answer.out


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--weights", "none.safetensors"], 4, "none.safetensors: file not found"),
        (["--weights", "w.pth"], 4, "or make a model file of one of the zoo: striate weights NET w.pth -o OUT"),
        (["--weights", "FIRST", "--freeze", "stage3"], 2, "did you mean 'stage2'?"),
        (["--weights", "FIRST", "--net", "flatten; linear 7"], 2, "output 7 does not match the 10 classes of digits"),
        (["--freeze", "conv9"], 2, "--freeze conv9: no layer with that name"),
    ],
)
def test_mistakes(first, in_folder, cli, words, code, text):
    torch.save({"a": torch.zeros(1)}, "w.pth")
    answer = cli("train", "digits", *(str(first) if word == "FIRST" else word for word in words))
    assert (answer.code, answer.out) == (code, "")
    assert text in answer.err
    assert [path.name for path in in_folder.iterdir()] == ["w.pth"]
