"""torchvision's weights: the key tables against a second witness, files good and bad, and the same answers after."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from safetensors.torch import save_file

import striate
from net.torchvision_style import NETS, GoogLeNet, made
from strategies import examples
from striate.errors import DataError, ModelError, SpecError
from striate.loading import open_network
from striate.loading.torchvision import from_torchvision, read_classes
from striate.net import assemble
from striate.net.weights import Stored, open_weights, take, wanted
from striate.net.weights_tables import TABLES, Rule, translate
from striate.spec import lower
from striate.zoo import ZOO

OLD = {"_use_new_zipfile_serialization": False}


def graph_of(name, sides=False):
    entry = ZOO[name]
    return lower(entry.make(sides=True), entry.input) if sides else open_network(name).description()


def listed(name):
    """torchvision's key-and-shape list."""
    return {key: tuple(value.shape) for key, value in made(name, device="meta").state_dict().items()}


def stored(shapes, read=None, path="file.pth"):
    """A file of those names and shapes, whose numbers must not be read unless *read* says how."""
    described = {k: ("int64" if k.endswith("tracked") else "float32", shape) for k, shape in shapes.items()}
    return Stored(Path(path), described, read or (lambda name: pytest.fail(f"{name} was read")))


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """torchvision's resnet18 with random weights, and the file of its state dict."""
    net, path = made("resnet18"), tmp_path_factory.mktemp("official") / "resnet18.pth"
    torch.save(net.state_dict(), path)
    return net, path


@pytest.fixture
def changed(resnet18, tmp_path):
    """``changed(change)``: a file with a changed copy of resnet18's state dict."""

    def write(change, **more):
        state = dict(resnet18[0].state_dict())
        result = change(state)
        torch.save(state if result is None else result, tmp_path / "changed.pth", **more)
        return tmp_path / "changed.pth"

    return write


def refusal(net, path, **more):
    with pytest.raises(ModelError) as caught:
        from_torchvision(net, path, **more)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


# ------------------------------------------------------------------------------------------------------ the tables
def test_every_table_has_its_witness():
    assert TABLES.keys() == NETS.keys()


SISTERS = (  # of nets that the fast tests have, by the same rules
    "vgg11_bn vgg13 vgg13_bn vgg16 vgg19 vgg19_bn resnet34 resnet101 resnet152 densenet161 densenet169 densenet201"
).split()


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SISTERS else ()) for n in NETS])
def test_keys_and_shapes_are_torchvisions(name):
    _, parameters, keys = NETS[name]
    net = made(name, device="meta")
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert len(net.state_dict()) == keys
    sides = TABLES[name].sides
    want = wanted(graph_of(name, sides), TABLES[name])
    assert {key: w.there for key, w in want.items()} == listed(name)
    ours = assemble(graph_of(name, sides)).state_dict()
    assert [w.ours for w in want.values()] == list(ours)
    assert all(w.here == tuple(ours[w.ours].shape) for w in want.values())


@pytest.mark.parametrize("name", [name for name in NETS if name.startswith(("alexnet", "vgg"))])
def test_layers_of_one_shape_are_not_mixed_up(name):
    """In a net without branches both sides list their layers in the order in which they run."""
    assert list(wanted(graph_of(name), TABLES[name])) == list(listed(name))


@pytest.mark.parametrize(
    ("net", "ours", "theirs"),
    [
        ("alexnet_owt", "conv3.bias", "features.6.bias"),
        ("alexnet_owt", "fc8.weight", "classifier.6.weight"),
        ("vgg16", "conv5_3.weight", "features.28.weight"),
        ("vgg16_bn", "bn5_3.running_mean", "features.41.running_mean"),
        ("resnet50", "conv5.block3.sum.body.bn3.weight", "layer4.2.bn3.weight"),
        ("resnet50", "conv2.block1.sum.skip.conv.weight", "layer1.0.downsample.0.weight"),
        ("densenet121", "dense4.layer16.new.conv2.weight", "features.denseblock4.denselayer16.conv2.weight"),
        ("googlenet_torchvision", "inception4b.branch5.conv.bn.bias", "inception4b.branch3.1.bn.bias"),
        ("googlenet_torchvision", "side4d.fc2.bias", "aux2.fc2.bias"),
        ("mobilenet_v2", "block17.project.bn.weight", "features.17.conv.3.weight"),
        ("mobilenet_v3_large", "block4.se.gate.fc2.bias", "features.4.block.2.fc2.bias"),
        ("efficientnet_b0", "block16.project.conv.weight", "features.7.0.block.3.0.weight"),
        ("convnext_tiny", "stage3.block9.body.scale.weight", "features.5.8.layer_scale"),
        ("convnext_tiny", "down2.conv.bias", "features.2.1.bias"),
    ],
)
def test_some_names_by_hand(net, ours, theirs):
    found = translate(ours, TABLES[net].rules)
    assert found
    assert found[0] == theirs


def test_how_a_rule_is_read():
    rules = (Rule("a{n+1}[.mid].b", "x{n}.{n+2}"), Rule("c{row}", "{row}", "linear"))
    assert translate("a1.b.weight", rules) == ("x0.2.weight", "same")
    assert translate("a3.mid.b", rules) == ("x2.4", "same")
    assert translate("c3a.w", rules) == ("3a.w", "linear")
    for other in ("a1.bb.weight", "xa1.b", "a1.mid", "c", "c3ab"):
        assert translate(other, rules) is None


def test_preparation_is_each_nets_own():
    """torchvision's documentation of each weights' transforms; googlenet's transform_input undoes the usual mean."""
    usual = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for name, table in TABLES.items():
        google = name == "googlenet_torchvision"
        assert (table.mean, table.std) == (((0.5,) * 3, (0.5,) * 3) if google else usual)
        assert table.scale_to == (236 if name == "convnext_tiny" else 256)
        assert table.interpolation == ("bicubic" if name == "efficientnet_b0" else "bilinear")


# ------------------------------------------------------------------------------------------ files that are good
def outputs(net, model):
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return net(x), model.module(x)


def same_answers(name, tmp_path):
    net = made(name)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    model = from_torchvision(name, tmp_path / "w.pth")
    theirs, ours = outputs(net, model)
    assert theirs.std() > 1e-3
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
    assert not model.module.training
    assert model.contract.classes == tuple(map(str, range(1000)))
    return model


@pytest.mark.parametrize(
    "name", ["mobilenet_v2", "efficientnet_b0", pytest.param("densenet121", marks=pytest.mark.slow)]
)
def test_the_same_answers_as_torchvisions_own_module(name, tmp_path):
    same_answers(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["alexnet_owt", "googlenet_torchvision", "resnet34", "resnet50", "resnet152", "resnext50", "densenet161",
     "densenet169", "densenet201", "mobilenet_v3_large", "convnext_tiny"],
)  # fmt: skip
def test_the_same_answers_as_torchvisions_own_module_the_larger(name, tmp_path):
    same_answers(name, tmp_path)


def test_resnet18_from_every_kind_of_file(resnet18, tmp_path):
    """Zip, the format of torch before 1.6, safetensors, and parameters in place of tensors: one model."""
    net, path = resnet18
    torch.save(net.state_dict(), tmp_path / "old.pth", **OLD)
    torch.save(dict(net.named_parameters()) | dict(net.named_buffers()), tmp_path / "parameters.pth")
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    theirs, ours = outputs(net, from_torchvision("resnet18", path))
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
    first = from_torchvision("resnet18", path).module.state_dict()
    assert first["bn1.num_batches_tracked"] == 7
    for other in ("old.pth", "parameters.pth", "w.safetensors"):
        state = from_torchvision("resnet18", tmp_path / other).module.state_dict()
        assert all(torch.equal(value, first[name]) for name, value in state.items())


def test_the_model_is_whole_without_the_file(resnet18, tmp_path):
    copy = tmp_path / "copy.pth"
    copy.write_bytes(resnet18[1].read_bytes())
    model = from_torchvision("resnet18", copy)
    copy.write_bytes(b"")  # a mapped tensor would now end the process
    model.save(tmp_path / "m.safetensors")
    again = striate.load(tmp_path / "m.safetensors")
    assert again.contract == model.contract
    assert again.contract.scale_to == 256
    value = torch.zeros(1, 3, 64, 64)
    assert torch.equal(again.module(value), model.module(value))
    text = refusal("resnet18", tmp_path / "m.safetensors")
    assert text == "is a model of striate already; give it to train --weights, evaluate or predict"


def test_old_files_have_no_counters(changed):
    def without(state):
        for key in [key for key in state if key.endswith("num_batches_tracked")]:
            del state[key]

    said = []
    model = from_torchvision("resnet18", changed(without), say=said.append)
    assert said[0] == "20 counters (num_batches_tracked) are not in the file, as in all old ones; they begin at 0"
    assert model.module.state_dict()["bn1.num_batches_tracked"].item() == 0


def old_name(key):
    for part in ("norm1", "norm2", "conv1", "conv2"):
        key = key.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")
    return key


def test_densenets_old_names():
    net, read = made("densenet121"), []
    state = {old_name(key): value for key, value in net.state_dict().items() if not key.endswith("tracked")}
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    old = stored({k: tuple(v.shape) for k, v in state.items()}, lambda name: read.append(name) or state[name])
    graph = graph_of("densenet121")
    result, (note,) = take(old, graph, TABLES["densenet121"])
    assert note.startswith("121 counters")
    assert sorted(read) == sorted(state)
    new = net.state_dict()
    for theirs, w in wanted(graph, TABLES["densenet121"]).items():
        if not theirs.endswith("tracked"):
            assert torch.equal(result[w.ours], new[theirs])
    both = stored({**listed("densenet121"), "features.denseblock1.denselayer1.norm.1.weight": (64,)})
    with pytest.raises(ModelError, match=r"1 fault:\n  extra      features.denseblock1.denselayer1.norm.1.weight"):
        take(both, graph, TABLES["densenet121"])


# --------------------------------------------------------------------------------------------------- side heads
def google(state):
    return stored({k: tuple(v.shape) for k, v in state.items()}, lambda name: state[name])


def test_googlenets_side_heads_are_left_out_by_name_and_said(tmp_path):
    name = "googlenet_torchvision"
    table, plain, whole = TABLES[name], graph_of(name), graph_of(name, True)
    with torch.device("meta"):
        without, sides = GoogLeNet(False).state_dict(), GoogLeNet(True).state_dict()
    zeros = {key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in sides.items()}
    state, notes = take(google(zeros), plain, table, whole)
    assert notes == ["left out: the side heads aux1 and aux2 (20 tensors)"]
    assert state.keys() == assemble(plain).state_dict().keys()
    state, notes = take(google({key: zeros[key] for key in without}), plain, table, whole)
    assert notes == []
    state, notes = take(google(zeros), whole, table)
    assert notes == []
    assert state["side4a.fc1.weight"].shape == (1024, 2048)
    for change, fault in [
        ({"aux2.fc2.bias": zeros["fc.weight"]}, "misshapen  aux2.fc2.bias is 1000x1024, expected 1000"),
        ({"aux3.fc2.bias": zeros["fc.bias"]}, "extra      aux3.fc2.bias"),
    ]:
        with pytest.raises(ModelError) as caught:
            take(google(zeros | change), plain, table, whole)
        assert str(caught.value).splitlines()[1:] == [f"  {fault}"]
    half = {key: value for key, value in zeros.items() if not key.startswith("aux1")}
    with pytest.raises(ModelError, match=r"missing    aux1.conv.bn.bias \(128\)"):
        take(google(half), plain, table, whole)
    with pytest.raises(SpecError, match="resnet18: torchvision's resnet18 has no auxiliary heads"):
        from_torchvision("resnet18", tmp_path / "x.pth", sides=True)


# ----------------------------------------------------------------------------------------------- strict both ways
def test_every_fault_is_listed_sorted(changed):
    def spoil(state):
        del state["layer1.0.conv1.weight"]
        state["bn1.weight"] = torch.zeros(65)
        state["aaa"] = torch.zeros(1)
        state["fc.bias"] = state["fc.bias"].double()

    assert refusal("resnet18", changed(spoil)).splitlines() == [
        "does not contain the weights of torchvision's resnet18, 4 faults:",
        "  extra      aaa",
        "  misshapen  bn1.weight is 65, expected 64",
        "  mistyped   fc.bias is float64, expected float32",
        "  missing    layer1.0.conv1.weight (64x64x3x3)",
        "save them as float32 first: {name: value.float() for name, value in state_dict.items()}",
    ]


RESNET18 = listed("resnet18")


@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.sampled_from([k for k in RESNET18 if not k.endswith("tracked")]), max_size=6),
    st.sets(st.from_regex(r"[a-z]{1,4}(\.[0-9a-z]{1,3}){0,2}", fullmatch=True), max_size=5),
    st.sets(st.sampled_from([*RESNET18]), max_size=6),
)
def test_what_is_missing_too_much_or_misshapen_is_refused_before_a_number_is_read(missing, extra, misshapen):
    shapes = {k: (*v, 2) if k in misshapen else v for k, v in RESNET18.items() if k not in missing}
    shapes |= dict.fromkeys(extra, (1,))
    wrong = missing | (misshapen - missing) | extra
    if not wrong:
        return
    with pytest.raises(ModelError) as caught:
        take(stored(shapes), graph_of("resnet18"), TABLES["resnet18"])
    lines = [line.split() for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert [line[1] for line in lines] == sorted(wrong)
    kinds = {"missing": missing, "extra": extra - RESNET18.keys(), "misshapen": misshapen - missing}
    assert all(line[1] in kinds[line[0]] for line in lines)


def test_the_largest_too():
    shapes = listed("vgg19") | {"features.34.weight": (512, 512, 5, 5)}
    with pytest.raises(ModelError) as caught:
        take(stored(shapes), graph_of("vgg19"), TABLES["vgg19"])
    assert "misshapen  features.34.weight is 512x512x5x5, expected 512x512x3x3" in str(caught.value)


def test_a_long_list_is_cut(changed):
    lines = refusal("resnet18", changed(lambda state: {f"x{i:03}": torch.zeros(1) for i in range(90)})).splitlines()
    assert lines[0].endswith("192 faults:")  # 102 missing (the counters may be), 90 too much
    assert len(lines) == 42
    assert lines[-1] == "  and 152 more"


@pytest.mark.parametrize(
    ("held", "asked", "text"),
    [
        ("resnet18", "resnet34", "the keys look like those of resnet18 (122 of its 122 are there and fit); use that"),
        ("resnet34", "resnet18", "the keys look like those of resnet34 (218 of its 218 are there and fit); use that"),
        ("resnext50", "resnet50", "the keys look like those of resnext50 (320 of its 320 are there and fit)"),
        ("vgg16", "alexnet_owt", "the keys look like those of vgg16 (32 of its 32 are there and fit)"),
        ("vgg16_bn", "vgg16", "the keys look like those of vgg16_bn (97 of its 97"),
    ],
)
def test_another_net_is_guessed(held, asked, text, monkeypatch):
    monkeypatch.setattr("striate.loading.torchvision.open_weights", lambda path: stored(listed(held), path=path))
    assert text in refusal(asked, "weights.pth")


def test_another_number_of_classes(changed, tmp_path):
    def five(state):
        state["fc.weight"], state["fc.bias"] = state["fc.weight"][:5].clone(), state["fc.bias"][:5].clone()

    path = changed(five)
    text = refusal("resnet18", path)
    assert "misshapen  fc.weight is 5x512, expected 1000x512" in text
    assert text.endswith("the file is for 5 classes; give --classes a file with its 5 class names, one per line")
    model = from_torchvision("resnet18", path, classes="abcde")
    assert model.contract.classes == ("a", "b", "c", "d", "e")
    assert model.module(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
    assert refusal("resnet18", path, classes="abcd").endswith("expected a file with its 5 class names, one per line")


def test_a_checkpoint_of_a_net_in_data_parallel(changed):
    plain = from_torchvision("resnet18", changed(lambda state: state)).module.state_dict()
    path = changed(lambda state: {"epoch": 3, "model": {f"module.{k}": v for k, v in state.items()}})
    found = from_torchvision("resnet18", path).module.state_dict()
    assert all(torch.equal(value, plain[name]) for name, value in found.items())


def test_numbers_that_are_none(changed):
    def spoil(state):
        state["fc.bias"] = state["fc.bias"].clone()
        state["fc.bias"][3] = float("nan")

    assert "fc.bias contains values that are no numbers" in refusal("resnet18", changed(spoil))


# -------------------------------------------------------------------------------------------- files that are bad
class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("more", [{}, OLD], ids=["zip", "before 1.6"])
def test_a_hostile_pickle_is_refused_by_name_and_does_not_run(changed, tmp_path, more):
    mark = tmp_path / "ran"
    path = changed(lambda state: state.update(evil=Evil(mark)), **more)
    text = refusal("resnet18", path)
    assert text.startswith(
        f"refused, nothing was run: its pickle asks for {os.system.__module__}.system, which weights"
    )
    assert not mark.exists()
    torch.load(path, weights_only=False)  # and it would have
    assert mark.exists()


def test_a_whole_module_is_refused_with_the_way_out(changed):
    text = refusal("resnet18", changed(lambda state: torch.nn.Linear(2, 2)))
    assert "asks for torch.nn.modules.linear.Linear" in text
    assert "torch.save(module.state_dict(), ...)" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([torch.zeros(1)], "contains a list; expected a state dict: torch.save(module.state_dict(), ...)"),
        (torch.zeros(1), "contains a Tensor; expected a state dict"),
        ({"a": 3}, "contains a int under 'a'; expected plain tensors under names (a state dict)"),
        ({4: torch.zeros(1)}, "contains a Tensor (torch.strided) under 4; expected plain tensors"),
        ({"a": torch.eye(2).to_sparse()}, "contains a Tensor (torch.sparse_coo) under 'a'; expected plain tensors"),
        ({"epoch": 3, "model": {"a": 3}}, "contains a int under 'a'; expected plain tensors under names"),
        ({}, "does not contain the weights of torchvision's resnet18, 102 faults:"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_state_dict(changed, value, text):
    assert text in refusal("resnet18", changed(lambda state: value))


def damaged(path, content):
    path.write_bytes(content)
    return path


def test_files_that_are_damaged_or_foreign(resnet18, tmp_path):
    content, path = resnet18[1].read_bytes(), tmp_path / "f.pth"
    for part in (5, 1000, len(content) // 2, len(content) - 1):
        assert "cut short" in refusal("resnet18", damaged(path, content[:part])) or part == 5
    for other in (b"", b"hello world, this is text", b"\x89PNG\r\n\x1a\n" + bytes(99), content[1:5000]):
        assert "not a file of weights" in refusal("resnet18", damaged(path, other))
    torch.save({"a": torch.zeros(9)}, path, **OLD)
    whole = path.read_bytes()
    for part in (15, 40, len(whole) - 4):
        assert "cannot be read as weights" in refusal("resnet18", damaged(path, whole[:part]))
    save_file({"a": torch.zeros(9)}, tmp_path / "f.safetensors")
    whole = (tmp_path / "f.safetensors").read_bytes()
    assert "a damaged safetensors file" in refusal("resnet18", damaged(tmp_path / "f.safetensors", whole[:-1]))
    assert refusal("resnet18", tmp_path / "none.pth") == "file not found"
    assert refusal("resnet18", tmp_path) == "Is a directory"


def test_zip_archives_that_torch_did_not_write(tmp_path):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    assert "not one that torch.save wrote (it has no data.pkl)" in refusal("resnet18", path)
    torch.save({"a": torch.ones(100)}, tmp_path / "b.pth")
    with zipfile.ZipFile(tmp_path / "b.pth") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in old.namelist():
            archive.writestr(name, old.read(name))
    assert "is compressed, which torch.save never does" in refusal("resnet18", path)  # mapped, it would be noise
    assert open_weights(tmp_path / "b.pth").read("a").tolist() == [1.0] * 100


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 2000), st.booleans())
def test_bytes_at_random_are_a_model_error(tmp_path, junk, at, old):
    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(20), "b": torch.zeros(3)}, path, **(OLD if old else {}))
    content = bytearray(path.read_bytes())
    content[at : at + len(junk)] = junk
    path.write_bytes(content)
    fault = f"{path}: none"
    try:
        opened = open_weights(path)
        for name in opened.tensors:
            opened.read(name)
    except ModelError as error:
        fault = str(error)
    assert fault.startswith(f"{path}: ")


# ------------------------------------------------------------------------------------------- names, and the command
@pytest.mark.parametrize(
    ("net", "text"),
    [
        ("alexnet", "alexnet: torchvision's alexnet is 'alexnet_owt' here"),
        ("googlenet", "torchvision's googlenet is 'googlenet_torchvision' here"),
        ("resnext50_32x4d", "is 'resnext50' here"),
        ("lenet5", "lenet5: torchvision has no weights of it; it has those of alexnet_owt, vgg11"),
        ("resnet19", "resnet19: no network of the zoo; did you mean 'resnet1"),
    ],
)
def test_nets_that_have_no_official_weights(net, text, tmp_path):
    with pytest.raises(SpecError) as caught:
        from_torchvision(net, tmp_path / "w.pth")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"cat\n\ndog\n", "line 2 is empty"),
        (b"crane\ndog\ncrane\n", "line 3 repeats 'crane' of line 1; class names must be unique"),
        (b"cat", "contains 1 class names; expected two or more"),
        (b"", "contains 0 class names"),
        (b"\xff\xfe", "is not valid UTF-8 text"),
        (None, "No such file"),
    ],
)
def test_a_file_of_class_names(tmp_path, content, text):
    path = tmp_path / "names.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_classes(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert text in str(caught.value)
    path.write_text("tench, Tinca tinca\ngoldfish  \nž 猫\n\n", encoding="utf-8")
    assert read_classes(path) == ("tench, Tinca tinca", "goldfish", "ž 猫")


def test_the_command(cli, resnet18, in_folder, digit):
    answer = cli("weights", "resnet18", resnet18[1], "-o", "r.safetensors")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "r.safetensors: resnet18, 11,689,512 parameters, 1,000 classes",
        "images: shorter side resized to 256, then the centre 224x224",
    ]
    assert "the classes are named 0 to 999; give a file with their names" in answer.err
    assert "  striate train DATA --weights r.safetensors" in answer.err
    said = json.loads(cli("predict", "r.safetensors", digit, "--json").out)
    assert len(said[0]["top"]) == 1000
    (in_folder / "names.txt").write_text("\n".join(f"class {i}" for i in range(1000)))
    words = ("--classes", "names.txt", "--scale-to", 232, "--json")
    answer = cli("weights", "resnet18", resnet18[1], "-o", "named.safetensors", *words)
    assert json.loads(answer.out) == {
        "path": "named.safetensors", "net": "resnet18", "parameters": 11_689_512, "classes": 1000,
    }  # fmt: skip
    assert answer.err == ""
    header = striate.model.header.read_header(in_folder / "named.safetensors")
    assert header.contract.classes[7] == "class 7"
    assert header.contract.scale_to == 232
    assert replace(header.contract, classes=("a", "b")).interpolation == "bilinear"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["resnet34", "FILE", "-o", "a.safetensors"], 4, "the keys look like those of resnet18"),
        (["resnet18", "none.pth", "-o", "a.safetensors"], 4, "striate: none.pth: file not found"),
        (["resnet18", "FILE", "-o", "a.pth"], 2, "--out a.pth: a model file's name ends in .safetensors"),
        (["resnet18", "FILE", "-o", "no/a.safetensors"], 2, "no folder no; create it first"),
        (["alexnet", "FILE", "-o", "a.safetensors"], 2, "is 'alexnet_owt' here"),
        (["resnet18", "FILE", "-o", "a.safetensors", "--classes", "none.txt"], 3, "none.txt: No such file"),
        (["resnet18", "FILE", "-o", "a.safetensors", "--scale-to", "100"], 2, "scale_to is 100; expected 224 or more"),
        (["resnet18", "FILE"], 2, "Missing option '--out'"),
    ],
)
def test_mistakes_on_the_command_line(cli, resnet18, in_folder, words, code, text):
    answer = cli("weights", *(resnet18[1] if word == "FILE" else word for word in words))
    assert (answer.code, answer.out) == (code, "")
    assert text in answer.err
    assert not list(in_folder.iterdir())
