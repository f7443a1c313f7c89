"""A run that was stopped goes on as if it had not been, to the last bit; a state that cannot be used is refused."""

import json
import struct

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from strategies import examples
from striate.datasets import Batches, channel_statistics, open_data, read_part
from striate.errors import ModelError
from striate.learning import Recipe, State, Step, load_state, save_state, training
from striate.model.contract import Contract
from striate.net import build
from striate.spec import parse

STEPS = 4  # an epoch
PLAIN = "input 1x8x8; flatten; linear 8; relu; linear 10"
DROPOUT = "input 1x8x8; conv 4 3; batchnorm; relu; flatten; dropout; linear 10"


@pytest.fixture(scope="module")
def pixels():
    contract = Contract(tuple("0123456789"), (1, 8, 8), "L", (0.5,), (0.5,))
    part = read_part(open_data("digits").train.take(range(64)), contract)
    mean, std = channel_statistics(part.inputs)
    return part, Contract(contract.classes, contract.input, "L", mean, std)


def batches_of(pixels, recipe, shuffle=True):
    part, contract = pixels
    return Batches(part, contract, batch_size=recipe.batch_size, seed=recipe.seed, shuffle=shuffle)


def go(net, recipe, pixels, state=None, stop=None):
    """Trains a new net, or on from *state*, until *stop* (epoch, step) is done; gives the module and the state."""
    module = state.module if state else build(parse(net), seed=recipe.seed)
    state = state or State.new(module, recipe)
    val = batches_of(pixels, recipe, shuffle=False)
    for event in training(module, batches_of(pixels, recipe), recipe, val=val, state=state):
        if stop == ((event.epoch, event.step) if isinstance(event, Step) else (event.epoch, None)):
            break
    return module, state


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def again(net, recipe, path):
    return load_state(path, build(parse(net), seed=123), recipe)


RECIPES = {
    "momentum": Recipe(epochs=3, batch_size=16, optimizer="momentum", lr=0.05),
    "adam": Recipe(epochs=3, batch_size=16, optimizer="adam"),
    "adamw": Recipe(epochs=3, batch_size=16),
    "sgd": Recipe(epochs=3, batch_size=16, optimizer="sgd", lr=0.1, l1=1e-4, clip=1.0),
}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("net", [PLAIN, DROPOUT])
@pytest.mark.parametrize(
    "stop", [(1, 1), (1, STEPS), (1, None), (2, 2), (2, None), (3, STEPS)], ids=lambda s: f"{s[0]}-{s[1] or 'end'}"
)
def test_stopped_anywhere_it_ends_the_same(tmp_path, pixels, name, net, stop):
    recipe = RECIPES[name]
    whole, whole_state = go(net, recipe, pixels)
    _, state = go(net, recipe, pixels, stop=stop)
    save_state(state, tmp_path / "state")
    torch.manual_seed(5)  # another process stands elsewhere
    state = again(net, recipe, tmp_path / "state")
    module, state = go(net, recipe, pixels, state)
    assert same(module, whole)
    assert (state.epoch, state.step, state.course) == (whole_state.epoch, 0, whole_state.course)


def test_the_weights_alone_would_not_be_enough(tmp_path, pixels):
    """The test above can fail: without the optimizer's memory, or without torch's generator, the end differs."""
    recipe = RECIPES["adam"]
    whole, _ = go(DROPOUT, recipe, pixels)
    for forget in ("memory", "rng"):
        module, state = go(DROPOUT, recipe, pixels, stop=(2, 2))
        if forget == "memory":
            state.optimizer = State.new(module, recipe).optimizer
        else:
            state.rng = None
        assert not same(go(DROPOUT, recipe, pixels, state)[0], whole), forget


def test_the_epochs_figures_go_on_too(tmp_path, pixels):
    recipe = RECIPES["adamw"]

    def rows(events):
        return [e.row() | {"seconds": 0} for e in events if not isinstance(e, Step)]

    module = build(parse(PLAIN))
    whole = rows(training(module, batches_of(pixels, recipe), recipe))
    _, state = go(PLAIN, recipe, pixels, stop=(1, 3))
    save_state(state, tmp_path / "state")
    state = again(PLAIN, recipe, tmp_path / "state")
    assert rows(training(state.module, batches_of(pixels, recipe), recipe, state=state)) == whole


def test_more_epochs_go_on_from_the_last(tmp_path, pixels):
    recipe = Recipe(epochs=2, batch_size=16, schedule="constant", warmup=0)
    longer = Recipe(epochs=3, batch_size=16, schedule="constant", warmup=0)
    _, state = go(DROPOUT, recipe, pixels)
    save_state(state, tmp_path / "state")
    state = again(DROPOUT, longer, tmp_path / "state")
    assert state.epoch == 2
    assert same(go(DROPOUT, longer, pixels, state)[0], go(DROPOUT, longer, pixels)[0])


def test_another_kind_of_optimizer_begins_without_memory(tmp_path, pixels):
    _, state = go(PLAIN, RECIPES["momentum"], pixels, stop=(1, None))
    save_state(state, tmp_path / "state")
    state = again(PLAIN, RECIPES["adam"], tmp_path / "state")
    assert not state.optimizer.state_dict()["state"]
    go(PLAIN, RECIPES["adam"], pixels, state)


def fault(path, net=PLAIN, recipe=RECIPES["adamw"]):
    with pytest.raises(ModelError) as caught:
        again(net, recipe, path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "omit --resume" in text or "not the state of a striate run" in text
    return text.removeprefix(f"{path}: ")


@pytest.fixture(scope="module")
def saved(tmp_path_factory, pixels):
    path = tmp_path_factory.mktemp("saved") / "state"
    save_state(go(PLAIN, RECIPES["adamw"], pixels, stop=(1, 2))[1], path)
    return path.read_bytes()


def split(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join(header, weights):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + weights


def test_a_missing_state(tmp_path):
    assert fault(tmp_path / "state").startswith("file not found, so no run to resume")


@pytest.mark.parametrize("content", [b"", b"12345", b"\x89PNG\r\n\x1a\n" * 9, b"\xff" * 64], ids=repr)
def test_a_state_that_is_none(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    assert fault(tmp_path / "state").startswith("cannot resume from this state")


def test_a_folder(tmp_path):
    assert fault(tmp_path).startswith("cannot resume from this state")


def test_a_state_cut_short(tmp_path, saved):
    for length in (len(saved) - 1, len(saved) // 2, 100, 8):
        (tmp_path / "state").write_bytes(saved[:length])
        assert fault(tmp_path / "state").startswith("cannot resume from this state")


def test_a_model_file_is_no_state(trained):
    assert fault(trained / "model.safetensors") == "this is not the state of a striate run"


def test_a_state_of_another_net(tmp_path, saved):
    (tmp_path / "state").write_bytes(saved)
    text = fault(tmp_path / "state", "input 1x8x8; flatten; linear 9; relu; linear 10")
    assert "size mismatch for linear1.weight" in text
    assert "\n" not in text
    assert "Missing key" in fault(tmp_path / "state", DROPOUT)


def changed(saved, **numbers):
    header, weights = split(saved)
    about = header["__metadata__"]
    about["numbers"] = json.dumps(json.loads(about["numbers"]) | numbers)
    return join(header, weights)


@pytest.mark.parametrize(
    "numbers",
    [
        {"epoch": -1},
        {"epoch": 1.5},
        {"step": "2"},
        {"items": None},
        {"course": 3},
        {"course": [["a", 1]]},
        {"course": [1]},
        {"seconds": []},
    ],
    ids=str,
)
def test_numbers_that_are_none(tmp_path, saved, numbers):
    (tmp_path / "state").write_bytes(changed(saved, **numbers))
    fault(tmp_path / "state")


def test_a_part_of_the_memory_is_missing(tmp_path, saved):
    header, weights = split(saved)
    header["lost"] = header.pop("optimiser.0.exp_avg")
    (tmp_path / "state").write_bytes(join(header, weights))
    assert "some of the optimizer's memory is missing" in fault(tmp_path / "state")


def test_memory_of_another_shape(tmp_path, saved):
    header, weights = split(saved)
    header["optimiser.0.exp_avg"]["shape"].reverse()
    (tmp_path / "state").write_bytes(join(header, weights))
    assert "0.exp_avg has shape (64, 8), its weight (8, 64)" in fault(tmp_path / "state")


def test_a_generators_state_that_is_none(tmp_path, saved):
    header, weights = split(saved)
    header["rng"]["dtype"] = "I8"
    (tmp_path / "state").write_bytes(join(header, weights))
    fault(tmp_path / "state")


@given(place=st.floats(0, 1), bit=st.integers(0, 7))
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_is_refused_or_harmless(tmp_path, saved, pixels, place, bit):
    header = 8 + struct.unpack("<Q", saved[:8])[0]
    damaged = bytearray(saved)
    damaged[int(place * (header - 1))] ^= 1 << bit  # in the header: the weights are only numbers
    (tmp_path / "state").write_bytes(damaged)
    try:
        state = again(PLAIN, RECIPES["adamw"], tmp_path / "state")
    except ModelError as error:
        text = str(error)
    else:
        text = f"{tmp_path / 'state'}: good"
        state.epoch, state.step = 0, 0
        events = training(state.module, batches_of(pixels, RECIPES["adamw"]), RECIPES["adamw"], state=state)
        next(events)
    assert text.startswith(f"{tmp_path / 'state'}: ")
