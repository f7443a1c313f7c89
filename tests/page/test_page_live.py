"""Networks that PyTorch computes for the page: which layers there are, their values, and what a page may ask."""

import base64
import json
from contextlib import suppress
from threading import Event, Thread

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.errors import SeeError
from striate.inspect.models.inspected import inspected
from striate.net import build
from striate.page import live as live_module
from striate.page.answers import HEAD, Answers, AskError, cells_of, picture
from striate.page.live import LiveNetwork
from striate.page.scene import MAX_MACS, SERVED_MACS, NetworkScene, Sample
from striate.page.stored import stored_pictures
from striate.page.view import View
from striate.zoo import ZOO

SIZE = (1, 8, 8)


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3)
        self.last = nn.Linear(2 * 6 * 6, 3)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)).flatten(1))


class Twice(Own):
    def __init__(self):
        super().__init__()
        self.again = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        x = self.again(self.again(torch.relu(self.first(x))))
        return self.last(x.flatten(1))


class Odd(Own):
    def forward(self, x):
        return self.last(torch.fft.fft(torch.relu(self.first(x))).real.flatten(1))


class Leaves(Own):
    def forward(self, x):
        return self.last(torch.from_numpy(self.first(x).detach().numpy()).flatten(1))


class InPlace(Own):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        x = x.mul_(2)
        y = self.act(self.first(x))
        y += 1
        return self.last(torch.fft.fft(y).real.flatten(1))


class Depends(Own):
    """It runs a layer twice where the input is bright."""

    def __init__(self):
        super().__init__()
        self.more = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        y = self.first(x)
        for _ in range(2 if float(x.mean()) > 0.25 else 1):
            y = self.more(y)
        return self.last(y.flatten(1))


class Several(Own):
    def forward(self, x):
        y = torch.relu(self.first(x))
        return {"logits": self.last(y.flatten(1)), "maps": y}


class Groups(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rows = nn.LSTM(8, 5, batch_first=True)
        self.last = nn.Linear(5, 3)

    def forward(self, x):
        return self.last(self.rows(x[:, 0])[0][:, -1])


class Ends(Own):
    """Its output is no layer's."""

    def forward(self, x):
        return torch.fft.fft(super().forward(x)).real


MODULES = [Own, Twice, Odd, Leaves, InPlace, Several, Groups, Recurrent, Ends, Depends]


def layers_of(module):
    return {layer.name: layer for layer in LiveNetwork.of(inspected(module, SIZE)).layers}


@pytest.mark.parametrize("cls", MODULES)
def test_any_module_has_layers_and_the_last_is_its_output(cls):
    torch.manual_seed(0)
    module = cls()
    live = LiveNetwork.of(inspected(module, SIZE))
    item = np.random.default_rng(1).integers(0, 256, SIZE, dtype=np.uint8)
    values = live.values(item)
    with torch.no_grad():
        output = module.eval()(torch.from_numpy(item.copy())[None] / 255)
    expected = output["logits"] if isinstance(output, dict) else output
    assert list(values) == [layer.name for layer in live.layers]
    assert all(tuple(values[layer.name].shape) == layer.shape for layer in live.layers)
    assert torch.allclose(values[live.layers[-1].name], expected[0], atol=1e-6)


def test_a_layer_that_runs_twice_is_two_with_the_same_weights():
    scene = NetworkScene.of(inspected(Twice(), SIZE))
    layers = {layer["name"]: layer for layer in scene.about["layers"]}
    assert list(layers) == ["first", "relu1", "again", "again_2", "flatten1", "last"]
    assert layers["again"]["weights"] == layers["again_2"]["weights"]
    assert "held" not in scene.about  # the page computes it
    assert scene.weights.size == 2 * 9 + 2 + 2 * 2 * 9 + 2 + 3 * 72 + 3


def test_what_is_not_followed_is_a_list_of_layers_and_of_what_they_were_given():
    layers = layers_of(Odd())
    assert [(name, layer.op.kind if layer.module is None else layer.op.stem) for name, layer in layers.items()] == [
        ("first", "conv"), ("last.given", "code"), ("last", "linear"),
    ]  # fmt: skip
    assert layers["first"].inputs == ("input",)
    assert layers["last"].inputs == ("last.given",)
    assert layers["last.given"].inputs == ("first",)
    scene = NetworkScene.of(inspected(Odd(), SIZE))
    assert scene.about["held"] == "server"
    assert scene.about["macs"] is None
    assert scene.about["parameters"] == 2 * 9 + 2 + 3 * 72 + 3
    assert [layer["op"] for layer in scene.about["layers"]] == ["conv", "opaque", "linear"]
    assert [layer["label"] for layer in scene.about["layers"]][1] == "own code"


def test_somebodys_own_output_is_a_layer_of_its_own():
    assert list(layers_of(Ends()))[-1] == "output"


def test_a_layer_of_torch_that_striate_has_no_word_for_stands_where_it_is():
    layers = layers_of(Groups())
    assert [layer.op.kind for layer in layers.values() if hasattr(layer.op, "kind")] == ["GroupNorm"]
    assert NetworkScene.of(inspected(Groups(), SIZE)).about["layers"][1]["label"] == "GroupNorm"


def test_a_layer_that_an_input_does_not_reach_has_no_values():
    torch.manual_seed(0)
    live = LiveNetwork.of(inspected(Depends(), SIZE))
    assert [layer.name for layer in live.layers] == ["first", "more_1", "more_2", "last.given", "last"]
    values = live.values(np.zeros(SIZE, np.uint8))
    assert torch.isnan(values["more_2"]).all()
    assert torch.isfinite(values["last"]).all()


def test_what_works_in_place_is_recorded_as_it_was():
    module = InPlace()
    live = LiveNetwork.of(inspected(module, SIZE))
    item = np.full(SIZE, 100, np.uint8)
    values = live.values(item)
    with torch.no_grad():
        first = module.first(torch.full((1, *SIZE), 200 / 255))[0]
    assert torch.allclose(values["first"], first, atol=1e-6)
    assert torch.allclose(values["act"], first.clamp(min=0), atol=1e-6)


def test_edits_and_channels_that_are_off_act_in_one_run_alone():
    live = LiveNetwork.of(inspected("conv 2 3; relu; flatten; linear 3", SIZE))
    item = live.random_item()
    before = live.values(item)
    start, bias = live.tensors["linear1"]["bias"]
    other = live.values(item, [(start + 1, 5.0)])
    assert torch.allclose(other["linear1"] - before["linear1"], torch.tensor([0, 5 - bias[1].item(), 0]), atol=1e-5)
    off = live.values(item, off=[("conv1", 1)])
    assert bool((off["conv1"][1] == 0).all())
    assert torch.equal(off["conv1"][0], before["conv1"][0])
    assert torch.equal(off["flatten1"][:36], before["flatten1"][:36])
    again = live.values(item)
    assert all(torch.equal(again[name], value) for name, value in before.items())


def test_too_many_activations(monkeypatch):
    monkeypatch.setattr(live_module, "MEMORY", 1 << 20)
    words = r"all activations for one 3x64x64 take 0\.0 GiB; the page holds up to 0 GiB\. Give a smaller --input"
    with pytest.raises(SeeError, match=words):
        LiveNetwork.of(inspected("vgg_small"))


def test_the_limits_of_the_page():
    assert "held" not in NetworkScene.of(inspected("vgg_small")).served().about
    small = NetworkScene.of(inspected("resnet56"))
    assert SERVED_MACS < small.about["macs"] < MAX_MACS
    assert "held" not in small.about
    assert small.filed() is small
    assert small.served().about["held"] == "server"
    assert small.served().weights.size == 0
    assert NetworkScene.of(inspected("resnet18", (3, 32, 32))).about["macs"] < MAX_MACS
    assert NetworkScene.of(inspected("alexnet")).about["held"] == "server"


# ------------------------------------------------------------------------------------------------------- the answers
@pytest.fixture(scope="module")
def answers():
    return Answers(LiveNetwork.of(inspected("conv 4 3 padding=1; relu; maxpool 2; flatten; linear 3", (1, 9, 8))))


BYTES = bytes(range(72))


def question(raw=BYTES, **parts):
    head = {"edits": [], "off": [], "pictures": [], "values": [], "weights": []} | parts
    return json.dumps(head).encode() + b"\n" + raw


def numbers(answers, **parts):
    return np.frombuffer(answers(question(**parts)), "<f4")


def test_values_and_weights_are_pytorchs(answers):
    live = answers.live
    values = live.values(np.frombuffer(BYTES, np.uint8).reshape(1, 9, 8))
    flat = np.concatenate([value.reshape(-1).numpy() for value in values.values()])
    runs = [0, 3, 280, 20, len(flat) - 3, 3]  # the second lies across two layers
    expected = np.concatenate([flat[a : a + n] for a, n in zip(runs[::2], runs[1::2], strict=True)])
    assert np.array_equal(numbers(answers, values=runs), expected)
    weights = torch.cat([t.detach().reshape(-1) for own in live.tensors.values() for _, t in own.values()]).numpy()
    assert np.array_equal(numbers(answers, weights=[0, len(weights)]), weights)
    assert np.array_equal(numbers(answers, weights=[34, 10, 0, 2]), np.concatenate([weights[34:44], weights[:2]]))


@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_a_picture_has_true_values(answers, step):
    value = answers.live.values(np.frombuffer(BYTES, np.uint8).reshape(1, 9, 8))["conv1"]
    found = numbers(answers, pictures=[[0, step]])
    assert np.array_equal(found[:4], value.abs().amax((1, 2)).numpy())
    assert np.array_equal(found[4:], value[:, ::step, ::step].reshape(-1).numpy())
    assert len(found) == 4 + cells_of((4, 9, 8), step)


@pytest.mark.parametrize("shape", [(5,), (3, 7), (3, 7, 5), (2, 3, 7, 5)])
def test_pictures_of_every_rank(shape):
    value = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = picture(value, 2)
    assert len(found) == shape[0] + cells_of(shape, 2)
    assert found[shape[0]] == value.flatten()[0].item()


def test_an_answer_knows_edits_and_channels_that_are_off(answers):
    size = sum(value.numel() for value in answers.live.values(answers.live.random_item()).values())
    last = answers.live.tensors["linear1"]["bias"][0]
    before, after = numbers(answers, values=[size - 3, 3]), numbers(answers, values=[size - 3, 3], edits=[[last, 9.5]])
    bias = numbers(answers, weights=[last, 1])
    assert after[0] - before[0] == pytest.approx(9.5 - bias[0], abs=1e-5)
    assert numbers(answers, pictures=[[0, 1]], off=[[0, 2]])[2] == 0


def test_runs_are_remembered_within_bounds(monkeypatch):
    live = LiveNetwork.of(inspected("conv 4 3 padding=1; relu; maxpool 2; flatten; linear 3", (1, 9, 8)))
    one, ran, values = Answers(live), [], LiveNetwork.values
    monkeypatch.setattr(LiveNetwork, "values", lambda *args: ran.append(args) or values(*args))
    for raw in [bytes([i] * 72) for i in (0, 1, 2)] * 2:
        one(question(raw, values=[0, 1]))
    assert len(ran) == 3
    one(question(bytes(72), weights=[0, 1]))
    assert len(ran) == 3  # weights need no run
    monkeypatch.setattr("striate.page.answers.KEPT", 2 * one._size)
    for raw in [bytes([i] * 72) for i in (3, 2, 3, 1)]:
        one(question(raw, values=[0, 1]))
    assert [args[1].ravel()[0] for args in ran[3:]] == [3, 1]  # 2 was among the last two, 1 no longer


def test_weights_are_those_without_edits_while_a_run_has_them(monkeypatch):
    live = LiveNetwork.of(inspected("conv 4 3 padding=1; relu; maxpool 2; flatten; linear 3", (1, 9, 8)))
    one, values, running, answered, found = Answers(live), LiveNetwork.values, Event(), Event(), []

    def slow(self, item, edits, off):
        with torch.no_grad(), self._edited(edits):
            running.set()
            answered.wait(0.3)  # the question of the weights comes in the middle, and waits
            return values(self, item)

    def ask():
        found.append(np.frombuffer(one(question(weights=[0, 1])), "<f4")[0])
        answered.set()

    ask()
    answered.clear()
    monkeypatch.setattr(LiveNetwork, "values", slow)
    run = Thread(target=lambda: one(question(values=[0, 1], edits=[[0, 9.0]])), daemon=True)
    run.start()
    assert running.wait(10)
    ask()
    run.join()
    assert found[1] == found[0] != 9


WRONG = {
    "nothing": b"",
    "no JSON": b"hello\n" + BYTES,
    "deep JSON": b"[" * 100_000 + b"\n" + BYTES,
    "deep objects": b'{"a":' * 50_000 + b"\n" + BYTES,
    "a list": b"[]\n" + BYTES,
    "a number": b"7\n" + BYTES,
    "no keys": b"{}\n" + BYTES,
    "a key more": question(__proto__=[]),
    "too long": b" " * (HEAD + 1) + question(),
    "bytes beyond UTF-8": b"\xff\xfe{}\n" + BYTES,
    "an input too short": question(BYTES[:-1], values=[0, 1]),
    "an input too long": question(BYTES + b"a", values=[0, 1]),
    "no input": question(b"", values=[0, 1]),
    "values beyond the end": question(values=[0, 10**9]),
    "values from beyond the end": question(values=[10**15, 1]),
    "values below 0": question(values=[-1, 1]),
    "no values": question(values=[0, 0]),
    "half a run": question(values=[0]),
    "values of words": question(values=["0", "1"]),
    "values of truth": question(values=[False, True]),
    "values of fractions": question(values=[0.0, 1.0]),
    "values as an object": question(values={"0": 1}),
    "weights beyond the end": question(weights=[0, 10**9]),
    "a picture of no layer": question(pictures=[[5, 1]]),
    "a picture of a layer below 0": question(pictures=[[-1, 1]]),
    "a picture without a step": question(pictures=[[0]]),
    "a picture of step 0": question(pictures=[[0, 0]]),
    "a picture of a step below 0": question(pictures=[[0, -3]]),
    "a picture of a name": question(pictures=[["conv1", 1]]),
    "pictures without end": question(pictures=[[0, 1]] * 10_001),
    "more numbers than are sent": question(values=[0, 600] * 120_000),
    "an edit of nothing": question(edits=[[10**9, 1.0]]),
    "an edit of a word": question(edits=[[0, "1"]]),
    "an edit of not a number": question(edits=[[0, float("nan")]]),
    "an edit beyond all numbers": question(edits=[[0, 1e300]]),
    "an edit to truth": question(edits=[[0, True]]),
    "edits without end": question(edits=[[0, 1.0]] * 1001),
    "a channel of no layer": question(off=[[9, 0]]),
    "a channel that there is not": question(off=[[0, 4]]),
    "a channel below 0": question(off=[[0, -1]]),
    "off as a word": question(off="conv1:0"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_question_that_no_page_asks_is_refused(answers, wrong):
    with pytest.raises(AskError):
        answers(WRONG[wrong])
    assert len(answers(question(values=[0, 1]))) == 4  # and goes on


def test_a_word_that_the_vocabulary_has_not_is_refused():
    answers = Answers(
        LiveNetwork.of(inspected("embedding 9 4; conv 3 3; relu; adaptivemaxpool 1; flatten; linear 2", (7,)))
    )
    good = np.array([0, 1, 2, 1, 0, 0, 1], "<f4")
    assert len(answers(question(good.tobytes(), values=[0, 2]))) == 8
    for bad in (3.0, -1.0, 0.5, float("nan"), 1e20):
        with pytest.raises(AskError, match="a word number that the vocabulary has not"):
            answers(question(np.array([bad, 1, 2, 1, 0, 0, 1], "<f4").tobytes(), values=[0, 2]))


def test_of_a_network_that_is_not_followed_no_channel_is_switched_off():
    with pytest.raises(AskError, match="off: no such channel"):
        Answers(LiveNetwork.of(inspected(Odd(), SIZE)))(question(bytes(64), values=[0, 1], off=[[0, 0]]))


# --------------------------------------------------------------------------------------------------------- the file
def test_what_a_file_has():
    """Shares of the layer's largest in half precision: three digits of each value."""
    model = inspected("conv 4 3 padding=1; batchnorm; relu; maxpool 2; flatten; linear 3", (1, 20, 20))
    answers = Answers(LiveNetwork.of(model))
    items = [answers.live.random_item(), np.zeros((1, 20, 20), np.uint8)]
    found, stored = stored_pictures(answers, items, 1 << 20)
    assert len(found) == 2
    assert list(found[0]) == ["relu1", "pool1", "linear1"]  # a column of conv, norm and relu shows the relu
    values = answers.live.values(items[0])
    for name, (step, offset) in found[0].items():
        value = values[name]
        assert offset % 4 == 0
        limits = np.frombuffer(stored, "<f4", len(value), offset)
        cells = value.numpy()[:, ::step, ::step] if value.ndim == 3 else value.numpy()
        halves = np.frombuffer(stored, "<f2", cells.size, offset + 4 * len(value)).astype(float) * limits.max()
        assert np.abs(halves - cells.reshape(-1)).max() <= 5e-4 * limits.max()


def test_a_file_keeps_within_its_room():
    scene = NetworkScene.of(inspected("resnet18"))
    for room in (8 << 20, 2 << 20, 1 << 19):
        file = scene.filed(room)
        assert file.weights.nbytes <= room
        assert file.about["held"] == "file"
        assert len(file.about["stored"]) == len(file.about["samples"]) == 1
    shown = set(scene.filed().about["stored"][0])
    assert "conv1" not in shown
    assert {"relu1", "pool1", "fc"} <= shown
    assert len(View(scene).html(1 << 20)) < 3_000_000


def test_a_file_has_the_first_samples():
    model = inspected("resnet18", (3, 96, 96))
    items = [Sample(str(i), np.full((3, 96, 96), 40 * i, np.uint8)) for i in range(5)]
    scene = NetworkScene.of(model, items)._held()
    file = scene.filed()
    assert [sample["name"] for sample in file.about["samples"]] == ["0", "1", "2", "3", "4"]
    assert len(scene.filed(scene.filed().weights.nbytes // 2).about["samples"]) == 2
    data = base64.b64decode(file.about["samples"][2]["data"])
    assert data == bytes([80] * 3 * 96 * 96)


def test_the_served_page_may_ask_and_the_file_may_not():
    page = striate.view("resnet18", input=(3, 64, 64))
    assert "connect-src" not in page.html(1 << 20)
    assert "striate/ask" not in page.html(1 << 20)
    with page.server() as server:
        text = server.page.decode()
        assert "; connect-src 'self'\"" in text
        assert "import { ask } from 'striate/ask'; start(ask)" in text
        assert server.limit == HEAD + 3 * 64 * 64
    with striate.view("lenet5").server() as server:
        assert server.answer is None
        assert b"connect-src" not in server.page


QUICK = ("lenet5_1998", "textcnn", "voxnet", "mobilenet_v2", "densenet_bc100", "unet_small")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in ZOO])
def test_every_net_of_the_zoo_has_a_scene(name):
    """With weights of 0, which are there at once, and at a smaller input where it takes one: all its layers run."""
    net = built(name).to_empty(device="cpu")
    with torch.no_grad():
        for value in net.state_dict().values():
            value.zero_()
    scene = NetworkScene.of(inspected(net))
    json.loads(scene.json())
    assert [layer["name"] for layer in scene.about["layers"]] == [node.name for node in net.graph.nodes]
    assert set(scene.filed(1 << 22).about.get("stored", [{}])[0]) <= {node.name for node in net.graph.nodes}
    assert scene.about.get("held") or scene.weights.size == sum(
        t.numel() for k, t in net.state_dict().items() if "num_batches" not in k
    )


def built(name):
    entry = ZOO[name]
    for side in (64, 96, 188, entry.input[-1]):
        with suppress(striate.Error):
            size = (entry.input[0], side, side) if len(entry.input) == 3 and side < entry.input[-1] else entry.input
            return build(entry.make(), size, device="meta")
    raise AssertionError(name)
