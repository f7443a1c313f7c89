"""Modules as people write them, with their slips: every fault in one pass, and fixes that make them run."""

from __future__ import annotations

import math

import pytest
import torch
from people import CLEAN, SLIPPED
from slips import SLIPS, Net
from torch import nn
from torch.nn import functional as F

import striate
from striate.analysis import analyse
from striate.net.read import read


class ViewWrong(nn.Module):
    """The tutorial's net on larger images."""

    def __init__(self, features=400, flat=lambda x: x.view(-1, 400)):
        super().__init__()
        self.c1, self.p, self.c2 = nn.Conv2d(3, 6, 5), nn.MaxPool2d(2, 2), nn.Conv2d(6, 16, 5)
        self.f1, self.f2, self.f3, self.flat = nn.Linear(features, 120), nn.Linear(120, 84), nn.Linear(84, 10), flat

    def forward(self, x):
        x = self.p(F.relu(self.c1(x)))
        x = self.flat(self.p(F.relu(self.c2(x))))
        return self.f3(F.relu(self.f2(F.relu(self.f1(x)))))


def fixes(module, input, **more):
    report = striate.check(module, input=input, **more)
    return {p.layer: p.fix for p in report.problems}


@pytest.mark.parametrize(("size", "features"), [(64, 2704), (52, 1600), (40, 784), (224, 44944)])
def test_view_of_another_number_of_features_mixes_the_batch(size, features):
    report = striate.check(ViewWrong(), input=(3, size, size))
    assert [(p.layer, p.fix) for p in report.problems] == [
        ("flatten1", "x.view(x.size(0), -1)"),
        ("f1", f"Linear({features}, 120)"),
    ]
    assert report.problems[0].message.startswith(f"view(-1, 400) mixes the batch: 16x{(size - 12) // 4}x")
    assert [layer.output for layer in report.layers][-6:] == [(features,), (120,), (120,), (84,), (84,), (10,)]
    mended = ViewWrong(features, lambda x: x.view(x.size(0), -1))
    assert mended(torch.rand(2, 3, size, size)).shape == (2, 10)
    assert not striate.check(mended, input=(3, size, size)).problems
    assert report.parameters == sum(p.numel() for p in mended.parameters())


@pytest.mark.parametrize(
    ("flat", "fix"),
    [
        (lambda x: x.flatten(), "x.flatten(1)"),
        (lambda x: torch.flatten(x), "x.flatten(1)"),
        (lambda x: x.view(-1), "x.view(x.size(0), -1)"),
        (lambda x: x.reshape(1, -1), "x.reshape(x.size(0), -1)"),
        (lambda x: x.view(32, -1), "x.view(x.size(0), -1)"),
        (lambda x: x.view(32, 400), "x.view(x.size(0), 400)"),
        (lambda x: x.reshape(-1, 200), "x.reshape(x.size(0), -1)"),
        (lambda x: x.view(x.size(0), 800), "x.view(x.size(0), -1)"),
        (nn.Flatten(0), "nn.Flatten()"),
    ],
)
def test_other_ways_to_take_the_batch_in(flat, fix):
    report = striate.check(ViewWrong(flat=flat), input=(3, 32, 32))
    assert [p.fix for p in report.problems] == [fix]
    assert report.layers[-1].output == (10,)
    assert max(layer.output[0] for layer in report.layers) == 400  # the batch is in no row


@pytest.mark.parametrize("flat", [lambda x: x.view(-1, 400), nn.Flatten(), lambda x: x.reshape(x.shape[0], -1)])
def test_what_does_not_mix_the_batch_is_no_fault(flat):
    assert not striate.check(ViewWrong(flat=flat), input=(3, 32, 32)).problems


class ListBlocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)]
        self.f = nn.Linear(8, 2)

    def forward(self, x):
        for c in self.convs:
            x = F.relu(c(x))
        return self.f(x.mean((2, 3)))


def test_layers_in_a_plain_list():
    module = ListBlocks()
    report = striate.check(module, input=(3, 32, 32))
    (problem,) = report.problems
    assert problem.message == "2 layers in a plain list: 808 parameters that no optimizer gets"
    assert problem.fix == "self.convs = nn.ModuleList([...])"
    assert report.parameters == 826
    assert [n for n, _ in module.named_modules()] == ["", "f"]  # as it was


class DictOut(nn.Module):
    def __init__(self):
        super().__init__()
        self.b, self.h = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, x):
        f = self.b(x)
        return {"features": f, "logits": self.h(f.mean((2, 3)))}


def test_of_a_dict_the_logits_are_the_output():
    report = striate.check(DictOut(), input=(3, 32, 32))
    assert report.layers[-1].output == (4,)
    assert report.parameters == 260
    assert report.notes == (
        "the module has 2 outputs; analysed is logits, choose with --output; the others: features (b)",
    )


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.f = nn.Conv2d(3, 8, 3), nn.Conv2d(1, 8, 3), nn.Linear(16, 2)

    def forward(self, rgb, depth):
        x = torch.cat([self.a(rgb), self.b(depth)], 1)
        return self.f(F.adaptive_avg_pool2d(x, 1).flatten(1))


def test_several_inputs():
    module = TwoInputs()
    report = striate.check(module, input=[(3, 32, 32), (1, 32, 32)])
    assert report.layers[-1].output == (2,)
    assert report.parameters == sum(p.numel() for p in module.parameters())
    assert [layer.receptive_field for layer in report.layers if layer.name in ("a", "b", "concat1")] == [(3, 3)] * 3
    assert striate.check(module, input=["3x32x32", "1x32x32"]) == report
    with pytest.raises(striate.Error, match=r"TwoInputs takes 2 inputs \(rgb, depth\); give the size of each"):
        striate.check(module, input=(3, 32, 32))


class PadOdd(nn.Module):
    def __init__(self):
        super().__init__()
        self.d1, self.p, self.d2 = nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1)
        self.up, self.o = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(16, 2, 1)

    def forward(self, x):
        a = self.d1(x)
        u = self.up(self.d2(self.p(a)))
        dy, dx = a.size()[2] - u.size()[2], a.size()[3] - u.size()[3]
        return self.o(torch.cat([a, F.pad(u, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])], dim=1))


class NoPadOdd(PadOdd):
    def forward(self, x):
        a = self.d1(x)
        return self.o(torch.cat([a, self.up(self.d2(self.p(a)))], dim=1))


def test_padding_to_the_skip():
    report = striate.check(PadOdd(), input=(3, 33, 35))
    assert not report.problems
    assert report.layers[-1].output == (2, 33, 35)
    assert report.receptive_field == (8, 8)
    legal = report.legal_inputs
    assert (legal.below, legal.above, legal.smallest) == ((3, 32, 34), (3, 34, 36), (3, 2, 2))


def test_without_padding_the_sizes_that_fit_are_named():
    report = striate.check(NoPadOdd(), input=(3, 33, 35))
    (problem,) = report.problems
    assert problem.message.startswith("cannot concatenate 8x33x35 and 8x32x34: the sizes differ (test_nets.py line")
    fits = "or an input of 3x32x34 or 3x34x36, which fits"
    assert problem.fix == f"F.pad(x, [0, 1, 0, 1]) on the second tensor (8x32x34); {fits}"
    assert not striate.check(NoPadOdd(), input=(3, 34, 36)).problems


class SamePad(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 4, padding="same")
        self.b = nn.Conv2d(8, 8, 3, padding="same", dilation=2, padding_mode="reflect")
        self.c, self.f = nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.f(self.c(self.b(self.a(x))).mean((2, 3)))


def test_same_padding_of_even_kernels_and_other_modes(recwarn):
    report = striate.check(SamePad(), input=(3, 32, 32))
    assert [layer.receptive_field for layer in report.layers[:2]] == [(4, 4), (8, 8)]
    assert [layer.start for layer in report.layers[:2]] == [(-1, -1), (-3, -3)]
    assert not recwarn.list


class SelfAttention2d(nn.Module):
    def __init__(self, c=16):
        super().__init__()
        self.st = nn.Conv2d(3, c, 3, padding=1)
        self.q, self.k, self.v = nn.Conv2d(c, c // 8, 1), nn.Conv2d(c, c // 8, 1), nn.Conv2d(c, c, 1)
        self.g, self.f = nn.Parameter(torch.zeros(1)), nn.Linear(c, 5)

    def forward(self, x):
        x = self.st(x)
        b, c, h, w = x.shape
        q = self.q(x).view(b, -1, h * w).permute(0, 2, 1)
        k, v = self.k(x).view(b, -1, h * w), self.v(x).view(b, -1, h * w)
        a = torch.softmax(torch.bmm(q, k), -1)
        x = self.g * torch.bmm(v, a.permute(0, 2, 1)).view(b, c, h, w) + x
        return self.f(x.mean((2, 3)))


def test_attention_is_counted_and_gets_no_wrong_advice():
    report = striate.check(SelfAttention2d(), input=(3, 16, 16))
    assert report.macs == 1_372_240
    assert not report.partial
    assert report.warnings == ()
    assert not report.problems
    assert report.legal_inputs.asked is None  # nothing is known of what strides drop behind it


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.p = nn.Conv2d(1, 9, 3, padding=1), nn.PixelShuffle(3)

    def forward(self, x):
        return self.p(self.c(x))


def test_pixel_shuffle():
    report = striate.check(Shuffle(), input=(1, 8, 8))
    assert report.layers[-1].output == (1, 24, 24)
    assert report.receptive_field == (3, 3)
    back = striate.check(nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 8, 3)), input=(1, 8, 8))
    assert back.receptive_field == (6, 6)


class Conv1dText(nn.Module):
    def __init__(self, words=100, size=16):
        super().__init__()
        self.e = nn.Embedding(words, size)
        self.cs = nn.ModuleList([nn.Conv2d(1, 8, (k, size)) for k in (3, 4, 5)])
        self.f = nn.Linear(24, 2)

    def forward(self, x):
        x = self.e(x).unsqueeze(1)
        x = [F.relu(c(x)).squeeze(3) for c in self.cs]
        x = [F.max_pool1d(i, i.size(2)).squeeze(2) for i in x]
        return self.f(torch.cat(x, 1))


def test_convolutions_over_words():
    report = striate.check(Conv1dText(), input=20)
    rows = {layer.name: layer for layer in report.layers}
    assert [rows[f"cs.{i}"].receptive_field for i in range(3)] == [(3,), (4,), (5,)]
    assert report.parameters == sum(p.numel() for p in Conv1dText().parameters())
    assert report.legal_inputs == type(report.legal_inputs)(True, (19,), (21,), (5,), (1,))


def batch(module, shapes, count):
    words = any(isinstance(part, nn.Embedding) for part in module.modules())
    return [torch.zeros(count, *s, dtype=torch.long) if words else torch.rand(count, *s) for s in shapes]


def first(out):
    return out if isinstance(out, torch.Tensor) else out[0]


def takes(module, shapes):
    """Whether torch runs it, an output for each input."""
    try:
        with torch.no_grad():
            return len(first(module(*batch(module, shapes, 3)))) == 3
    except (RuntimeError, ValueError):
        return False


def together(shapes, by):
    """All sizes as much larger, the channels as they are."""
    return tuple((*s[:1], *(n + by for n in s[1:])) for s in shapes)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * n.startswith(("u-net", "mobile"))) for n in CLEAN]
)
def test_a_clean_module_has_no_fault_and_its_legal_inputs_are_those_of_trying_all(name):
    make, input = CLEAN[name]
    shapes = input if isinstance(input[0], tuple) else (input,)
    module = make().eval()
    report = striate.check(module, input=input)
    assert not report.problems
    with torch.no_grad():
        out = first(module(*batch(module, shapes, 3)))
    assert out.flatten(1).shape == (3, math.prod(report.layers[-1].output)) if out.ndim > 1 else len(out) == 3
    assert report.parameters == sum(p.numel() for p in module.parameters())
    assert not report.partial
    legal, own = report.legal_inputs, shapes[0][1:]
    if len(set(own)) != 1 or len(own) < 2 or own[0] < 2:
        return  # not square

    def whole(by):
        """Whether torch runs it, and no stride drops anything."""
        size = together(shapes, by)
        return takes(module, size) and not analyse(read(module, size)).dropped

    for shape, tried in ((legal.below, range(-1, -own[0], -1)), (legal.above, range(1, 9))):
        by = shape and shape[1] - own[0]
        others = tried if by is None else range(tried.start, by, tried.step)
        if legal.asked is not None:
            assert not any(whole(n) for n in others[:8])
        assert by is None or whole(by)
    if legal.smallest and name != "feature pyramid":  # of one pixel torch happens to broadcast its sums
        least = legal.smallest[1] - own[0]
        assert [by for by in range(1 - own[0], least + 1) if takes(module, together(shapes, by))] == [least]


LONG = (  # many sizes are tried
    "u-net without padding or crops", "causal, nothing cut off", "u-net, odd", "u-net, channels of the skip forgotten",
)  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in (*SLIPS, *SLIPPED)]
)
def test_a_slip_has_the_fix_that_makes_it_run(name):
    make, input, wanted, mended = (SLIPS | SLIPPED)[name]
    report = striate.check(make(), input=input)
    assert [p.fix for p in report.problems] == wanted
    assert not report.legal_inputs.asked
    right = mended()
    shapes = input if isinstance(input[0], tuple) else (input,)
    with torch.no_grad():
        out = right.eval()(*batch(right, shapes, 3))  # in torch itself
    assert first(out).shape == (3, *report.layers[-1].output)
    after = striate.check(right, input=input)
    assert not after.problems
    assert after.parameters == sum(p.numel() for p in right.parameters())


def test_a_forward_without_return_or_with_the_batch_in_its_input_is_told():
    silent = Net(lambda m, x: None, c=nn.Conv2d(3, 8, 3))
    with pytest.raises(
        striate.Error, match="Net gives no tensor but None: its forward has no return; expected a tensor"
    ):
        striate.check(silent, input=(3, 9, 9))
    with pytest.raises(striate.Error, match=r"takes an input of 3 numbers .* leave out the batch: --input 3x9x9"):
        striate.check(Net(lambda m, x: m.c(x), c=nn.Conv2d(3, 8, 3)), input=(1, 3, 9, 9))
    tupled = Net(lambda m, x: m.r(x).mean(1), r=nn.GRU(9, 4, batch_first=True))
    (problem,) = striate.check(tupled, input=(7, 9)).problems
    assert "recurrent layers and attention give a tuple, as in x, _ = self.rnn(x)" in problem.message


def test_dropout_that_does_not_ask_for_the_mode_is_a_warning():
    module = Net(lambda m, x: m.f(F.dropout(x.flatten(1))), f=nn.Linear(12, 2))
    report = striate.check(module, input=(3, 2, 2))
    assert not report.problems
    assert [w.fix for w in report.warnings] == ["F.dropout(x, training=self.training)"]
    asks = Net(lambda m, x: m.f(F.dropout(x.flatten(1), 0.2, m.training)), f=nn.Linear(12, 2))
    assert not striate.check(asks, input=(3, 2, 2)).warnings


def test_no_wrong_advice_between_layers_that_others_read_too():
    for name in ("feature pyramid", "shared weights"):
        make, input = CLEAN[name]
        assert not any("act as one linear layer" in w.message for w in striate.check(make(), input=input).warnings)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_note_says_what_a_scripted_module_hides():
    report = striate.check(torch.jit.script(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())), input=(3, 9, 9))
    assert (report.parameters, report.macs, report.layers[-1].output) == (224, 8 * 7 * 7 * 27, (8, 7, 7))
    assert report.notes == (
        "a scripted module is read as one part; check the module before torch.jit.script or trace for its layers",
    )


def test_squeeze_of_a_batch_of_one_is_a_warning():
    module = Net(lambda m, x: m.f(m.c(x).mean((2, 3), keepdim=True).squeeze()), c=nn.Conv2d(3, 8, 3), f=nn.Linear(8, 2))
    report = striate.check(module, input=(3, 9, 9))
    assert not report.problems
    assert [w.fix for w in report.warnings if "squeeze" in w.message] == ["x.squeeze((2, 3))"]
