"""Modules that cannot be followed, and modules that do not run: which line, why, and what is known all the same."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import striate
from striate.errors import ShapeError, SpecError
from striate.net.read import read


class Body(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 3)


class Branches(Body):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if x.mean() > 100:
            x = -x
        return self.b(x)


class Item(Body):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        return self.b(x) * float(x.sum())


class Numpy(Body):
    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.from_numpy(self.a(x).numpy() * 2))


class Masked(Body):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        return x[x > 0].sum().reshape(1, 1)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (Branches, "if x.mean() > 100:"),
        (Item, "return self.b(x) * float(x.sum())"),
        (Numpy, "return self.b(torch.from_numpy(self.a(x).numpy() * 2))"),
        (Masked, "return x[x > 0].sum().reshape(1, 1)"),
    ],
)
def test_what_depends_on_numbers_is_listed_flat(make, line):
    module = make()
    report = striate.check(module, (3, 12, 12))
    assert report.notes[0].startswith("forward cannot be traced at test_read_faults.py line ")
    assert report.notes[0].endswith(f": {line} (depends on the tensors' values)")
    assert report.notes[1] == "the table shows the operations of one forward pass on random input"
    assert report.problems == ()
    rows = {layer.name: layer for layer in report.layers}
    assert (rows["a"].output, rows["a"].parameters, rows["a"].macs) == ((6, 10, 10), 168, 162 * 100)
    if make is not Masked:
        assert rows["b"].output == (4, 8, 8)
        assert report.parameters == sum(p.numel() for p in module.parameters())
    assert all(layer.inputs == () and layer.receptive_field is None for layer in report.layers)
    assert report.receptive_field is None
    assert "note: forward cannot be traced" in str(report)
    assert "<-" not in str(report)
    with pytest.raises(SpecError, match=r"cannot be traced at test_read_faults.py line .*striate.check lists its lay"):
        read(module, (3, 12, 12))


def test_on_the_meta_device_nothing_can_be_run_instead():
    with pytest.raises(SpecError, match=r"could not be traced: .*if x.mean"):
        striate.check(Branches().to("meta"), (3, 12, 12))


def test_running_in_earnest_leaves_no_trace():
    class Counts(Branches):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(x + torch.rand(1))

    module, seeds = Counts(), torch.get_rng_state()
    assert "cannot be traced" in striate.check(module, (3, 12, 12)).notes[0]
    assert module.calls.item() == 0
    assert torch.equal(seeds, torch.get_rng_state())


# --------------------------------------------------------------------------------------------- what does not run
class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 5), nn.Linear(400, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return self.fc(x.flatten(1))


class NotFlat(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x))


class Channels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3), nn.Sequential(nn.Conv2d(8, 4, 3), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


class Norm(Channels):
    def __init__(self) -> None:
        super().__init__()
        self.b = nn.BatchNorm2d(7)


class Join(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.a(x), self.b(x)], 1)


class Typo(Join):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        return self.bn(x)


@pytest.mark.parametrize(
    ("make", "layer", "message", "fix", "ran"),
    [
        (Net, "fc", "Linear(400, 10) expects 400 features, given 600 (", "Linear(600, 10)", 5),
        (
            NotFlat,
            "fc",
            "expects 400 features, given 6x20x20",
            "Linear(2400, 10) behind x.flatten(1), in place of 20",
            3,
        ),
        (Channels, "b.0", "Conv2d(8, 4, ...) expects 8 channels, given 6x22x22", "Conv2d(6, 4, ...)", 3),
        (Norm, "b", "BatchNorm2d(7) expects 7 channels, given 6x22x22", "BatchNorm2d(6)", 2),
        (
            Join,
            "concat1",
            "cannot concatenate 6x22x22 and 6x20x20: the sizes differ",
            "F.pad(x, [-1, -1, -1, -1]) on the",
            4,
        ),
        (Typo, "forward", "AttributeError: 'Typo' object has no attribute 'bn'", "correct this line", 1),
    ],
)
def test_a_forward_that_fails_says_where_with_the_shapes(make, layer, message, fix, ran, caplog):
    report = striate.check(make(), (3, 24, 24))
    (problem,) = report.problems
    assert problem.layer == layer
    assert message in problem.message
    assert "(test_read_faults.py line " in problem.message
    assert problem.fix.startswith(fix)
    assert len(report.layers) == ran  # what comes after the fault, too
    assert not report.legal_inputs.asked
    assert caplog.text == ""  # torch would log a traceback of its own
    with pytest.raises(ShapeError, match=layer):
        read(make(), (3, 24, 24))


def test_a_forward_that_fails_at_once():
    with pytest.raises(
        ShapeError, match=r"^conv: Conv2d\(3, 6, ...\) expects 3 channels, given 1x24x24 .*Conv2d\(1, 6"
    ):
        read(Net(), (1, 24, 24))
    report = striate.check(Net(), (1, 24, 24))
    assert [p.fix for p in report.problems] == ["Conv2d(1, 6, ...)", "Linear(600, 10)"]


def test_a_huge_input_that_fails_is_not_run_in_earnest():
    report = striate.check(Net(), (3, 20_000, 20_000))  # its activations would be 9 GB
    assert report.problems[0].layer == "fc"


# --------------------------------------------------------------------------------------------- what is refused
class Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor, z: int = 0) -> Tensor:
        return x + y


class Constant(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(3)


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> None:
        return None


@pytest.mark.parametrize(
    ("module", "input", "message"),
    [
        (
            Two(),
            (3, 8, 8),
            r"Two takes 2 inputs \(x, y\); give the size of each in this order: --input CxHxW --input CxHxW",
        ),
        (Net(), ((3, 8, 8), (3, 8, 8)), r"got 2 inputs; Net takes 1 \(x\)"),
        (Net(), None, "no input size given; a module needs one"),
        (Net(), (3, 0, 8), "the input is channels and 1 to 3 sizes"),
        (Net(), "3by8", "'3by8' is not a size"),
        (Constant(), (3, 8, 8), "Constant gives a tensor that does not come from its input"),
        (Nothing(), (3, 8, 8), "Nothing gives no tensor but None"),
        (
            nn.Sequential(nn.Linear(5, 4), nn.LazyConv2d(3, 1)),
            (3, 8, 8),
            r"1.weight has no size yet, and on this input the module does not come to it \(RuntimeError: mat1",
        ),
        (Net, (3, 8, 8), r"got a type for a network; .*make one of it first: Net\(\)"),
        (3, (3, 8, 8), "got an? int for a network; expected a name, a text, a file"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_what_cannot_be_read_is_refused_in_words(module, input, message):
    with pytest.raises(SpecError, match=message):
        striate.check(module, input)


class Shortcut(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.up = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.PixelShuffle(3)

    def forward(self, x):
        return self.up(self.a(x) + x)


def test_what_a_fix_would_add_is_named_and_in_no_total():
    report = striate.check(Shortcut(), (3, 16, 16))
    assert [p.fix.partition(" (")[0] for p in report.problems] == [
        "nn.Conv2d(3, 8, 1, stride=2) on the shortcut",
        "9 channels before it, in place of 8",
    ]
    assert [layer.op for layer in report.layers] == [
        "conv 8 3 stride=2 padding=1", "conv 8 1 stride=2", "add", "conv 9 1", "opaque PixelShuffle",
    ]  # fmt: skip
    assert report.notes == ("shown as the fixes would have it, but not in the module or the totals: conv1, conv2",)
    assert (report.parameters, report.macs) == (8 * 3 * 9 + 8, 8 * 3 * 9 * 64)
    assert report.memory == 4 * (8 * 64 + 8 * 64 + 24 * 24)


def test_one_input_in_a_tuple_is_one():
    assert read(nn.ReLU(), ((3, 8, 8),)).input == (3, 8, 8)
