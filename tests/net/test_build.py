"""Built modules: known answers, names, memory, and exact gradients."""

from __future__ import annotations

import copy
import dataclasses
import weakref

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import RecipeError, ShapeError, SpecError
from striate.net import build
from striate.net.layers import layer
from striate.spec import (
    OPS,
    RBF,
    Conv,
    Embedding,
    Flatten,
    Linear,
    MaxPool,
    Pointwise,
    ReLU,
    Seq,
    Sum,
    SumPool,
    Upsample,
    parse,
)
from striate.spec.graph import RESERVED
from striate.zoo import lenet5

IMAGE = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
FILTER = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


# ------------------------------------------------------------------------------------------- known answers
def test_convolution_by_hand() -> None:
    """numbers.md ("Convolution by hand"; the UFLDL tutorial's picture): 5x5 image, 3x3 filter, stride 1, no padding."""
    net = build(parse("conv 1 3 bias=no"), (1, 5, 5))
    net.conv1.weight.data[:] = torch.tensor(FILTER, dtype=torch.float32)
    y = net(torch.tensor(IMAGE, dtype=torch.float32).view(1, 1, 5, 5))
    assert y.tolist() == [[[[4, 3, 4], [2, 4, 3], [2, 3, 4]]]]


def test_volumes_of_the_course_notes() -> None:
    """numbers.md: [56x56x3] with 32 filters 3x3, stride 1, padding 1 gives [56x56x32]."""
    assert build(parse("conv 32 3 padding=1"), (3, 56, 56))(torch.zeros(1, 3, 56, 56)).shape == (1, 32, 56, 56)


def test_lenet5_has_its_parameters() -> None:
    assert sum(p.numel() for p in build(lenet5(), (1, 32, 32)).parameters()) == 61_706


def test_convolution_does_not_flip() -> None:
    """seeing.md, pitfall 11: cross-correlation, as conv2d."""
    net = build(parse("conv 1 1x2 bias=no"), (1, 1, 3))
    net.conv1.weight.data[:] = torch.tensor([1.0, 10.0])
    assert net(torch.tensor([[[[1.0, 2.0, 3.0]]]])).flatten().tolist() == [21, 32]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil"), [(2, 2, 0, False), (3, 2, 1, True), (3, 1, 0, False)])
def test_sum_pooling_sums_each_window(rank: int, kernel: int, stride: int, padding: int, ceil: bool) -> None:
    x = torch.randn(2, 3, *(7, 6, 5)[:rank], dtype=torch.float64)
    y = layer(SumPool(kernel, stride, padding, ceil), tuple(x.shape[1:]))(x)
    padded = F.pad(x, [padding, padding + 2 * kernel] * rank)
    for axis in range(2, 2 + rank):
        padded = padded.unfold(axis, kernel, stride)
    sums = padded.sum(dim=list(range(-rank, 0)))
    assert torch.allclose(y, sums[(..., *(slice(0, n) for n in y.shape[2:]))])
    assert y.shape[2] == (x.shape[2] + 2 * padding - kernel + (stride - 1 if ceil else 0)) // stride + 1


def test_embedding_gives_channels_first() -> None:
    net = build(parse("embedding 5 3; conv 2 2"), (4,))
    words = torch.tensor([[0, 1, 4, 2]])
    assert torch.equal(net.embedding1(words)[0, :, 2], net.embedding1.weight[4])
    assert net(words).shape == (1, 2, 3)


def test_upsampling_repeats_or_blends() -> None:
    x = torch.tensor([[[0.0, 4.0]]])
    assert layer(Upsample(2), (1, 2))(x).tolist() == [[[0, 0, 4, 4]]]
    assert layer(Upsample(2, "linear"), (1, 2))(x).tolist() == [[[0, 1, 3, 4]]]


def test_joins_add_and_concatenate() -> None:
    x = torch.tensor([[[1.0, 2.0]]])
    assert build(parse("add <- input, input, input"), (1, 2))(x).tolist() == [[[3, 6]]]
    assert build(parse("concat <- input, input"), (1, 2))(x).tolist() == [[[1, 2], [1, 2]]]


FIELDS = {
    "conv 4 3x5 stride=2x1 padding=1x0 dilation=1x2 groups=2 bias=no": {
        "kernel_size": (3, 5), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2, "bias": None,
    },
    "convtranspose 4 3 stride=2 padding=1 output_padding=1 dilation=2 groups=2 bias=no": {
        "kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1), "output_padding": (1, 1), "dilation": (2, 2),
        "groups": 2, "bias": None,
    },
    "maxpool 3 stride=2 padding=1 dilation=2 ceil=yes": {
        "kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1), "dilation": (2, 2), "ceil_mode": True,
    },
    "avgpool 3 stride=2 padding=1 ceil=yes count_padding=no": {
        "kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1), "ceil_mode": True, "count_include_pad": False,
    },
    "avgpool 3": {"stride": (3, 3), "ceil_mode": False, "count_include_pad": True},
    "adaptiveavgpool 2x3": {"output_size": (2, 3)},
    "adaptivemaxpool 2x3": {"output_size": (2, 3)},
    "batchnorm eps=1e-3 momentum=0.3": {"eps": 1e-3, "momentum": 0.3, "affine": True},
    "lrn size=3 alpha=0.1 beta=0.5 k=2": {"size": 3, "alpha": 0.1, "beta": 0.5, "k": 2},
    "leakyrelu slope=0.3": {"negative_slope": 0.3},
    "dropout p=0.2": {"p": 0.2},
    "upsample 2 mode=linear": {"scale_factor": (2, 2), "mode": "bilinear"},
    "upsample 2x3": {"scale_factor": (2, 3), "mode": "nearest"},
}  # fmt: skip


@pytest.mark.parametrize("text", FIELDS)
def test_every_field_reaches_torch(text: str) -> None:
    (module,) = build(parse(text), (4, 9, 9)).children()
    assert {name: getattr(module, name) for name in FIELDS[text]} == FIELDS[text]


def test_batches_of_one_and_softmax_over_classes() -> None:
    y = build(parse("conv 4 3; flatten; linear 5; softmax"), (1, 4, 4))(torch.randn(1, 1, 4, 4))
    assert torch.allclose(y.sum(1), torch.ones(1))
    maps = build(parse("conv 4 3; softmax"), (1, 4, 4))(torch.randn(2, 1, 4, 4))
    assert torch.allclose(maps.sum(1), torch.ones(2, 2, 2))


# --------------------------------------------------------------------------------------------------- names
def test_every_node_is_a_module_of_its_name() -> None:
    net = build(Seq(conv1=Conv(4, 3), stage=Seq(Conv(4, 1), ReLU()), skip=Sum(Seq(ReLU()), Seq())), (1, 6, 6))
    for node in net.graph.nodes:
        assert isinstance(net.get_submodule(node.name), nn.Module)
    assert isinstance(net.stage.conv1, nn.Conv2d)
    leaves = [name for name, part in net.named_modules() if not any(part.children())]
    assert leaves == [node.name for node in net.graph.nodes]
    assert set(net.state_dict()) == {"conv1.weight", "conv1.bias", "stage.conv1.weight", "stage.conv1.bias"}
    assert "(conv1): Conv2d(1, 4, kernel_size=(3, 3)" in str(net)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_every_op_is_one_module(rank: int) -> None:
    """Nothing hides inside: a hook on a node's name sees its op, whatever the rank."""
    fields = {"out": 4, "kernel": 3, "scale": 2, "margin": 1, "p": 0.5, "words": 9, "table": ((0, 1), (1, 2))}
    for op in OPS.values():
        needed = [f.name for f in dataclasses.fields(op) if f.default is dataclasses.MISSING]
        made = op(**{name: fields[name] for name in needed})
        flat = isinstance(made, Linear | RBF | Embedding)
        if not isinstance(made, Pointwise) and flat != (rank == 0):
            continue
        assert not list(layer(made, (4, *[9] * rank)).children()), made


def test_the_same_op_twice_has_weights_of_its_own() -> None:
    same = Conv(2, 3)
    net = build(Seq(same, same), (2, 9, 9))
    assert net.conv1.weight is not net.conv2.weight
    assert not torch.equal(net.conv1.weight, net.conv2.weight)


def test_a_replaced_layer_is_the_one_that_runs() -> None:
    net = build(Seq(conv1=Conv(2, 3), stage=Seq(act=ReLU())), (1, 5, 5))
    x = torch.randn(1, 1, 5, 5)
    net.stage.act = nn.Tanh()
    assert torch.equal(net(x), torch.tanh(net.conv1(x)))
    net.set_submodule("conv1", nn.Identity())
    assert torch.equal(net(x), torch.tanh(x))


def test_a_replaced_group_is_the_one_that_runs() -> None:
    net = build(Seq(conv1=Conv(2, 3), stage=Seq(act=ReLU())), (1, 5, 5))
    group = nn.Module()
    group.act = nn.Tanh()
    net.stage = group
    x = torch.randn(1, 1, 5, 5)
    assert torch.equal(net(x), torch.tanh(net.conv1(x)))


def test_a_copy_is_independent() -> None:
    net = build(Seq(conv1=Conv(2, 3), stage=Seq(c=Conv(2, 1))), (1, 5, 5))
    twin = copy.deepcopy(net)
    x = torch.randn(1, 1, 5, 5)
    assert torch.equal(twin(x), net(x))
    twin.stage.c.weight.data.zero_()
    twin.conv1.weight.data.zero_()
    assert not torch.equal(twin(x), net(x))


def test_names_that_torch_uses_are_refused_early() -> None:
    """spec knows no torch, so it has a list; this holds it to the torch that is installed."""
    public = {name for name in dir(nn.Module()) if not name.startswith("_")}
    assert public <= RESERVED, sorted(public - RESERVED)


@pytest.mark.parametrize(
    "name", ["graph", "_plan", "_place", "_modules", "_parameters", "__class__", "_apply", "__call__"]
)
def test_no_name_breaks_the_module_silently(name: str) -> None:
    """A name that a built net cannot give is refused in words, by the graph or by build; never by a KeyError."""
    for spec in (Seq(**{name: ReLU()}), Seq(**{name: Seq(a=ReLU())}), Seq(a=Seq(**{name: ReLU()}))):
        try:
            net = build(spec, (1, 4, 4))
        except SpecError as error:
            message = str(error)
            assert f"{name!r} themselves; use" in message
            continue
        assert isinstance(net.get_submodule(net.graph.nodes[0].name), nn.ReLU)
        assert torch.equal(net(-torch.ones(1, 1, 4, 4)), torch.zeros(1, 1, 4, 4))


# ------------------------------------------------------------------------------------------ what build asks
def test_build_lists_every_fault() -> None:
    with pytest.raises(ShapeError) as error:
        build(parse("conv 6 5; linear 10; conv 3 3"), (1, 28, 28))
    assert "linear1: needs a flat input" in str(error.value)
    assert "conv2: conv needs a map" in str(error.value)


def test_build_needs_an_input_and_a_known_init() -> None:
    with pytest.raises(SpecError, match=r"input=\(1, 28, 28\)"):
        build(parse("conv 6 5"))
    with pytest.raises(RecipeError, match="'glorrot'; did you mean 'glorot'"):
        build(parse("conv 6 5"), (1, 28, 28), init="glorrot")


def test_the_meta_device_allocates_nothing() -> None:
    net = build(parse("conv 100000 5; flatten; linear 100000"), (1000, 28, 28), device="meta")
    assert all(p.is_meta for p in net.parameters())
    assert next(build(parse("conv 6 5"), (1, 28, 28)).parameters()).device.type == "cpu"


# -------------------------------------------------------------------------------------------------- memory
class Alive:
    """Counts the outputs that live when each layer is done."""

    def __init__(self, net: nn.Module) -> None:
        self.refs: dict[str, weakref.ref[Tensor]] = {}
        self.after: dict[str, set[str]] = {}
        for name, part in net.named_modules():
            if not any(part.children()):
                part.register_forward_hook(lambda _, __, y, name=name: self.note(name, y))

    def note(self, name: str, y: Tensor) -> None:
        self.refs[name] = weakref.ref(y)
        self.after[name] = {n for n, ref in self.refs.items() if ref() is not None}


def test_a_tensor_is_freed_after_its_last_reader() -> None:
    net = build(parse("; ".join(["conv 2 3 padding=1; tanh"] * 15)), (2, 6, 6))
    alive = Alive(net)
    with torch.no_grad():
        net(torch.randn(1, 2, 6, 6))
    assert len(alive.after) == 30
    assert max(map(len, alive.after.values())) == 2  # what a layer reads and what it makes


def test_a_skip_lives_until_its_join() -> None:
    net = build(parse("a: tanh; b: tanh; c: tanh; d: tanh; j: add <- d, a; e: tanh; f: tanh"), (2,))
    alive = Alive(net)
    with torch.no_grad():
        net(torch.randn(1, 2))
    assert alive.after["c"] == {"a", "b", "c"}
    assert alive.after["d"] == {"a", "c", "d"}
    assert alive.after["j"] == {"a", "d", "j"}
    assert alive.after["e"] == {"j", "e"}


# ----------------------------------------------------------------------------------------------- gradients
SMALL = {
    "conv, tanh, avgpool, linear": ("conv 3 3; tanh; avgpool 2; flatten; linear 3", (2, 6, 6)),
    "groups, dilation, stride, padding": ("conv 4 3x2 stride=2x1 padding=1 dilation=1x2 groups=2; sigmoid", (2, 5, 5)),
    "branches": ("a: conv 2 3 padding=1; gelu; b: conv 2 1 <- a; add <- b, a; concat <- add1, gelu1; silu", (1, 4, 4)),
    "transposed, upsample": ("convtranspose 2 3 stride=2 padding=1 output_padding=1; upsample 2 mode=linear", (2, 3)),
    "norms": ("conv 3 2; batchnorm; lrn size=3 alpha=0.1; leakyrelu", (1, 4, 4)),
    "pools of volumes": ("conv 2 2; sumpool 2; maxpool 2 stride=1; adaptiveavgpool 1; softmax", (1, 6, 6, 6)),
    "1-D": ("conv 3 3 padding=1; maxpool 2; sumpool 2; flatten; linear 2; softmax", (1, 12)),
}


@pytest.mark.parametrize("kind", SMALL)
def test_gradients_equal_central_differences(kind: str) -> None:
    """In float64, for the input and for every weight (torch.autograd.gradcheck perturbs each number both ways)."""
    text, input = SMALL[kind]
    torch.manual_seed(0)
    net = build(parse(text), input, seed=1).double().eval()
    names = [name for name, _ in net.named_parameters()]
    weights = [torch.randn_like(p).requires_grad_() for p in net.parameters()]
    x = torch.randn(2, *input, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, *weights: Tensor) -> Tensor:
        return torch.func.functional_call(net, dict(zip(names, weights, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *weights))


def test_the_gradient_of_a_shared_kernel_is_the_sum_over_all_positions() -> None:
    """Each position gets a kernel of its own, all alike: their gradients add up to the shared kernel's."""
    net = build(parse("conv 3 3; tanh; flatten; linear 2"), (2, 6, 5)).double()
    x = torch.randn(4, 2, 6, 5, dtype=torch.float64)
    target = torch.randn(4, 2, dtype=torch.float64)
    F.mse_loss(net(x), target).backward()

    patches = F.unfold(x, 3).transpose(1, 2)  # N, positions, C*3*3
    positions = patches.shape[1]
    assert positions == 4 * 3
    own = net.conv1.weight.detach().flatten(1).repeat(positions, 1, 1).requires_grad_()  # positions, out, C*3*3
    maps = torch.einsum("npk,pok->nop", patches, own) + net.conv1.bias.detach().view(1, 3, 1)
    F.mse_loss(net.linear1(torch.tanh(maps).flatten(1)), target).backward()
    assert own.grad is not None
    assert len({tuple(g.flatten().tolist()) for g in own.grad}) == positions  # each position wants something else
    assert torch.allclose(net.conv1.weight.grad, own.grad.sum(0).view(3, 2, 3, 3), rtol=1e-12, atol=1e-14)


def test_a_net_written_by_hand_gives_the_same() -> None:
    net = build(Seq(Conv(4, 3, padding=1), ReLU(), MaxPool(2), Flatten(), Linear(5)), (1, 6, 6))
    by_hand = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5))
    by_hand.load_state_dict(dict(zip(by_hand.state_dict(), net.state_dict().values(), strict=True)))
    x = torch.randn(3, 1, 6, 6)
    assert torch.equal(net(x), by_hand(x))


def test_stochastic_depth_drops_whole_samples_and_makes_up_for_it() -> None:
    """Huang et al. 2016: what is kept is scaled so that the mean stays; in evaluation nothing happens."""
    net = build(parse("input 1x2x2; stochasticdepth 0.2"))
    x = torch.ones(4000, 1, 2, 2)
    torch.manual_seed(0)
    out = net.train()(x).flatten(1)
    assert (out == out[:, :1]).all()
    assert out.unique().tolist() == pytest.approx([0, 1.25])
    assert out.mean().item() == pytest.approx(1, abs=0.04)  # 5 standard errors
    assert torch.equal(net.eval()(x), x)
