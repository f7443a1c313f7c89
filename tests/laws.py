"""The laws: what must hold of every network, as plain functions. Each raises AssertionError where it does not.

    python tests/laws.py "conv 6 5; relu; flatten; linear 10" --input 1x28x28

runs them on a network of yours; the tests run them on every network of the zoo.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import striate.spec
from striate.analysis import Axis, analyse, infer, receptive
from striate.errors import Error, SpecError
from striate.exporters.source import source
from striate.exporters.write import compare_net
from striate.learning import Epoch, Recipe, training
from striate.model.contract import MODES, Contract
from striate.model.model import Model, load
from striate.net import build
from striate.net.layers import ChannelNorm, ChannelScale, FixedCodes, SampleDrop, ScaledTanhUnit
from striate.net.read import read
from striate.spec import (
    Conv,
    ConvTranspose,
    Embedding,
    Graph,
    Linear,
    Shape,
    Softmax,
    Spec,
    Upsample,
    format,
    lower,
    parse,
    read_shape,
)
from striate.spec.op import sizes
from striate.zoo import ZOO

Law = Callable[[Spec | Graph, Shape], None]
Span = tuple[int, int] | None


class NotApplicable(Exception):  # noqa: N818  (no error: the law has nothing to say of this network)
    """The network is none that the law is about."""


# ------------------------------------------------------------------------------------------------- the laws
def text_and_back(net: Spec | Graph, input: Shape) -> None:
    """The text of a network is the network."""
    graph = lower(net, input)
    text = format(graph)
    assert parse(text) == graph, text
    assert format(parse(text)) == text


def repr_and_back(net: Spec | Graph, input: Shape) -> None:
    """What Python prints of a network makes it again."""
    names = vars(striate.spec)
    assert eval(repr(net), names) == net, repr(net)
    assert eval(repr(lower(net, input)), names) == lower(net, input)


def no_faults(net: Spec | Graph, input: Shape) -> None:
    """It fits its input."""
    problems = analyse(net, input).problems
    assert not problems, "\n".join(map(str, problems))


def costs_are_torchs(net: Spec | Graph, input: Shape) -> None:
    """Shapes, parameters and MACs equal what torch itself finds, without running a number."""
    report = analyse(net, input)
    module = build(net, input, device="meta").eval()
    shapes: dict[str, Shape] = {}
    for name, part in _layers(module):
        part.register_forward_hook(lambda _, __, y, name=name: shapes.__setitem__(name, tuple(y.shape[1:])))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.taps(_example(module.graph, 1, "meta"))  # side heads too
    assert {layer.name: layer.output for layer in report.layers} == shapes
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in _layers(module)}
    assert {layer.name: layer.parameters for layer in report.layers} == counts
    assert report.parameters == sum(p.numel() for p in module.parameters())
    assert report.macs == counter.get_total_flops() / 2


def fields_are_footprints(net: Spec | Graph, input: Shape) -> None:
    """What a unit sees is what its gradient reaches when no path can hide: nothing beyond the field, in any layer
    for the first, the middle and the last unit; and for the middle one, where its field lies in the input, all of it.
    """
    graph = lower(net, input)
    for unit in footprints(thinned(graph), receptive(graph, infer(graph)[0])[0], most=24):
        assert unit.inside, unit
        if unit.middle and unit.field_in_input:
            assert unit.reached == unit.field, unit


@dataclass(frozen=True)
class Footprint:
    """One unit: the field that the analysis gives it, and what its gradient reached of *sides* pixels."""

    node: str
    unit: tuple[int, ...]
    middle: bool
    sides: tuple[int, ...]
    field: list[Span]
    reached: list[Span]

    @property
    def inside(self) -> bool:
        pairs = zip(self.reached, self.field, strict=True)
        return all(r is None or (f is not None and f[0] <= r[0] <= r[1] <= f[1]) for r, f in pairs)

    @property
    def field_in_input(self) -> bool:
        return all(f is not None and f[0] >= 0 and f[1] < n for f, n in zip(self.field, self.sides, strict=True))


def footprints(graph: Graph, known: dict[str, tuple[Axis, ...]], most: int = 1000) -> Iterator[Footprint]:
    """The first, the middle and the last unit of every layer (of deep networks, of *most* layers)."""
    shapes = infer(graph)[0]
    values, pixels = kept(without_hiding(build(graph)))
    for node in graph.nodes[:: -(-len(graph.nodes) // most)] + graph.nodes[-1:]:
        axes, extents = known[node.name], shapes[node.name][1:]
        if not extents and not all(axis.whole for axis in axes):
            continue  # a flattened unit has its place in all axes at once
        middles = tuple(n // 2 for n in extents)
        for unit in dict.fromkeys((middles, (0,) * len(extents), tuple(n - 1 for n in extents))):
            y = values[node.name][(0, slice(None), *unit)].sum()
            reached = box(torch.autograd.grad(y, pixels, retain_graph=True, allow_unused=True)[0], blends(graph))
            places = unit or (0,) * len(axes)
            field = [axis.spans[0] if axis.whole else axis.at(i) for axis, i in zip(axes, places, strict=True)]
            yield Footprint(node.name, unit, unit == middles, tuple(pixels.shape[2:]), field, reached)


def softmax_sums_to_one(net: Spec | Graph, input: Shape) -> None:
    """A network that ends in softmax gives probabilities; another gives finite numbers."""
    module = build(affordable(net, input)).eval()
    with torch.no_grad():
        y = module(_example(module.graph, 2, "cpu"))
    assert torch.isfinite(y).all()
    if isinstance(module.graph.nodes[-1].op, Softmax):
        assert torch.allclose(y.sum(1), torch.ones_like(y.sum(1)), atol=1e-5)


def seeds_decide(net: Spec | Graph, input: Shape) -> None:
    """The same seed gives the same weights, bit by bit; another gives others."""
    graph = affordable(net, input)
    one, two, other = (build(graph, seed=seed) for seed in (3, 3, 4))
    again, others = two.state_dict(), other.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in one.state_dict().items())
    drawn = [(name, p) for name, p in one.named_parameters() if p.std(correction=0) > 0]
    assert all(not torch.equal(p, others[name]) for name, p in drawn)


def source_is_bit_equal(net: Spec | Graph, input: Shape) -> None:
    """Written as a stand-alone PyTorch file it gives the same outputs, bit by bit, with the same weights."""
    graph = lower(net, input)
    text, name = source(graph)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "net.py"
        path.write_text(text, encoding="utf-8")
        found = compare_net(path, name, graph)
    assert found.max_difference == 0, found


def reading_gives_it_back(net: Spec | Graph, input: Shape) -> None:
    """What is built, and then read as if it were somebody's module, is the network: names, side heads and all."""
    graph = lower(net, input)
    back = read(build(graph, device="meta"), input)
    assert simplified(back) == simplified(graph), _first_difference(simplified(back), simplified(graph))


def simplified(graph: Graph) -> Graph:
    """The same, with one number for a size where all axes have the same."""
    nodes = []
    for node in graph.nodes:
        same = {name: value[0] for name, value in sizes(node.op) if isinstance(value, tuple) and len(set(value)) == 1}
        nodes.append(replace(node, op=replace(node.op, **same)))
    return replace(graph, nodes=tuple(nodes))


def _first_difference(one: Graph, other: Graph) -> str:
    pairs = ((a, b) for a, b in zip(one.nodes, other.nodes, strict=False) if a != b)
    return str(next(pairs, (len(one.nodes), len(other.nodes), one.taps, other.taps, one.counted)))


def a_model_file_gives_it_back(net: Spec | Graph, input: Shape) -> None:
    """Saved and loaded it is the same: the net, the contract, and the answers, bit by bit."""
    graph = affordable(net, input)
    out = infer(graph)[0][graph.output]
    if len(input) != 3 or input[0] not in MODES.values() or len(out) != 1 or out[0] < 2:
        raise NotApplicable("a model file is for images and classes")
    mode = next(mode for mode, channels in MODES.items() if channels == input[0])
    classes = tuple(f"class {i}" for i in range(out[0]))
    contract = Contract(classes, input, mode, (0.4,) * input[0], (0.3,) * input[0])
    model = Model(build(graph, seed=5).eval(), contract)
    with TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.safetensors")
        again = load(Path(folder) / "model.safetensors")
    assert (again.graph, again.contract) == (graph, contract)
    pixels = (torch.arange(2 * math.prod(input)) % 251).reshape(2, *input).to(torch.uint8).numpy()
    assert (again.log_probabilities(pixels) == model.log_probabilities(pixels)).all()


def ten_items_are_learned(net: Spec | Graph, input: Shape) -> None:
    """Trained on ten random items it tells all ten: gradients reach every layer, and nothing is in the way."""
    graph, report = lower(net, input), analyse(net, input)
    classes = report.layers[-1].output
    if len(classes) != 1 or classes[0] < 2 or report.macs > 3e7:
        raise NotApplicable("for small networks with classes")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10, *input, generator=generator)
    if isinstance(graph.nodes[0].op, Embedding):
        x = torch.randint(graph.nodes[0].op.words, (10, *input), generator=generator)
    batch = (x, torch.arange(10) % classes[0])
    recipe = Recipe(
        epochs=400, batch_size=10, lr=3e-3, schedule="constant", warmup=0.02, weight_decay=0, label_smoothing=0
    )
    accuracy = 0.0
    for event in training(build(graph, seed=1), [batch], recipe, val=[batch]):
        if isinstance(event, Epoch):
            accuracy = event.val_accuracy or 0
            if accuracy == 1:
                return
    raise AssertionError(f"{accuracy:.0%} of ten items after {recipe.epochs} steps")


LAWS: dict[str, Law] = {
    law.__name__.replace("_", " "): law
    for law in (
        text_and_back,
        repr_and_back,
        no_faults,
        costs_are_torchs,
        fields_are_footprints,
        softmax_sums_to_one,
        seeds_decide,
        source_is_bit_equal,
        a_model_file_gives_it_back,
        ten_items_are_learned,
        reading_gives_it_back,
    )
}


# ------------------------------------------------------------------------------------------ what they stand on
def _layers(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The module of every node; some have modules of torch inside."""
    return [(node.name, module.get_submodule(node.name)) for node in module.graph.nodes]


def _example(graph: Graph, batch: int, device: str) -> Tensor:
    assert graph.input is not None
    if isinstance(graph.nodes[0].op, Embedding):
        return torch.zeros(batch, *graph.input, dtype=torch.long, device=device)
    return torch.ones(batch, *graph.input, device=device) * 0.5


class _WindowSum(nn.Module):
    """In place of a max pooling: the sum of the window, so that the gradient reaches all of it."""

    def __init__(self, pool: nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        p, rank = self.pool, x.ndim - 2
        fields = (p.kernel_size, p.stride, p.padding, p.dilation)
        kernel, stride, padding, dilation = ((f,) * rank if isinstance(f, int) else f for f in fields)
        out = p(x.detach()).shape[2:]
        behind = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(out, stride, kernel, dilation, strict=True)]
        pads = [(pad, max(0, b - n - pad)) for pad, b, n in zip(padding, behind, x.shape[2:], strict=True)]
        x = nn.functional.pad(x, [n for pair in reversed(pads) for n in pair])
        convolve = (nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d)[rank - 1]
        y = convolve(x, x.new_ones(x.shape[1], 1, *kernel), None, stride, 0, dilation, x.shape[1])
        return y[(..., *(slice(0, n) for n in out))]


_KEPT = (nn.modules.conv._ConvNd, nn.Linear, nn.Embedding, nn.Flatten, nn.Upsample)
_MAX = nn.modules.pooling._MaxPoolNd
_ADAPTIVE_MAX = nn.modules.pooling._AdaptiveMaxPoolNd
_ALONE = (ChannelScale, ChannelNorm, ScaledTanhUnit, SampleDrop)  # striate's own that work on each place alone
_POOLS = (nn.modules.pooling._AvgPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd)


def thinned(graph: Graph) -> Graph:
    """The same layers with two channels or features each, where that fits: places do not depend on channels."""
    nodes = []
    for node in graph.nodes:
        if isinstance(node.op, Conv | ConvTranspose):
            node = replace(node, op=replace(node.op, out=2, groups=1))
        elif isinstance(node.op, Linear | Embedding):
            node = replace(node, op=replace(node.op, out=2))
        nodes.append(node)
    thin = replace(graph, nodes=tuple(nodes))
    return graph if infer(thin)[1] else thin


def affordable(net: Spec | Graph, input: Shape) -> Graph:
    """The network, or a thin one of its form where running it would take seconds."""
    graph, report = lower(net, input), analyse(net, input)
    return thinned(graph) if report.parameters > 5e6 or report.macs > 2e8 else graph


def without_hiding(module: nn.Module) -> nn.Module:
    """The network with nothing that hides a path from the gradient, in float64: positive weights, no biases,
    sums for maxima, and nothing at all for what works on each place alone.
    """
    module.double().eval()
    for name, p in module.named_parameters():
        if name.endswith("bias"):
            p.data = torch.zeros_like(p)
        else:
            p.data = torch.rand_like(p).add_(0.5).div_(max(1, p[0].numel()))
    for name, part in _layers(module):
        own = not type(part).__module__.startswith("torch.")  # striate's own: joins, sum pooling, embedding
        if isinstance(part, _MAX):
            module.set_submodule(name, _WindowSum(part))
        elif isinstance(part, _ADAPTIVE_MAX):
            average = type(part).__name__.replace("Max", "Avg")
            module.set_submodule(name, getattr(nn, average)(part.output_size))
        elif isinstance(part, FixedCodes):
            module.set_submodule(name, _positive(nn.Linear(part.codes.shape[1], part.codes.shape[0])))
        elif isinstance(part, _ALONE) or (not own and not isinstance(part, (*_KEPT, *_POOLS))):
            module.set_submodule(name, nn.Identity())
    return module


def _positive(module: nn.Module) -> nn.Module:
    module.double().eval()
    for p in module.parameters():
        p.data = torch.rand_like(p).add_(0.5).div_(p[0].numel()) if p.ndim > 1 else torch.zeros_like(p)
    return module


def kept(module: nn.Module) -> tuple[dict[str, Tensor], Tensor]:
    """Every layer's output, and the pixels (or a sentence's vectors) from which they came."""
    values: dict[str, Tensor] = {}
    pixels: list[Tensor] = []

    def keep(name: str, part: nn.Module, y: Tensor) -> Tensor:
        if isinstance(part, nn.Embedding):
            y = y.detach().requires_grad_()
            pixels.append(y)
        values[name] = y
        return y

    names = [node.name for node in module.graph.nodes]
    for name in names:
        module.get_submodule(name).register_forward_hook(lambda part, _, y, name=name: keep(name, part, y))
    x = _example(module.graph, 1, "cpu")
    if x.is_floating_point():
        x = x.double().requires_grad_()
        pixels.append(x)
    module.taps(x)
    return values, pixels[0]


def blends(graph: Graph) -> bool:
    return any(isinstance(node.op, Upsample) and node.op.mode == "linear" for node in graph.nodes)


def box(gradient: Tensor | None, linear: bool = False) -> list[Span]:
    """The first and last place along each axis that *gradient* (1, C, ...) reaches.

    *linear*: the network blends neighbours (upsampling), with weights that are 0 but for rounding.
    """
    if gradient is None:
        return []
    seen = gradient[0].abs().amax(0)
    seen = seen > (1e-11 * seen.max() if linear else 0)
    boxes: list[Span] = []
    for axis in range(seen.ndim):
        others = [a for a in range(seen.ndim) if a != axis]
        places = (seen.any(dim=others) if others else seen).nonzero().flatten().tolist()
        boxes.append((places[0], places[-1]) if places else None)
    return boxes


# ------------------------------------------------------------------------------------------------ who runs them
@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """On a busy machine torch's threads cost tiny tensors more than they bring. (Other tests import it.)"""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Deeper, wider and larger sisters of nets that the fast tests have: .ci/run has them all
SISTERS = (
    "vgg11 vgg11_bn vgg13 vgg13_bn vgg19 vgg19_bn vgg16_bn resnet34 resnet101 resnet152 resnet32 resnet44 resnet56 "
    "resnet110 densenet121 densenet161 densenet169 densenet201 unet unet_2015 fcn32 googlenet_torchvision resnet50 "
    "alexnet_owt densenet_bc100 resnext50 vgg16 zfnet efficientnet_b0 googlenet fcn8 alexnet resnet18 mobilenet_v2"
).split()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SISTERS else ()) for n in ZOO])
def test_law(name: str, law: str) -> None:
    try:
        LAWS[law](ZOO[name].make(), ZOO[name].input)
    except NotApplicable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("text", "input"),
    [
        ("a: conv 4 3 padding=1; relu; b: conv 4 3 padding=1; add <- a, b; maxpool 3 stride=2 ceil=yes", (2, 12, 9)),
        ("embedding 20 6; conv 4 3; relu; adaptivemaxpool 1; flatten; dropout; linear 2; softmax", (11,)),
        ("conv 2 3; batchnorm; convtranspose 2 2 stride=2; upsample 2 mode=linear; sumpool 2", (1, 5, 6, 7)),
        ("linear 8; tanh; linear 3; softmax", (5,)),
    ],
)
def test_law_on_other_kinds(text: str, input: Shape, law: str) -> None:
    try:
        LAWS[law](parse(text), input)
    except NotApplicable as reason:
        pytest.skip(str(reason))


def test_the_narrow_laws_apply_where_they_should() -> None:
    """A law that held itself inapplicable everywhere would never fail."""

    def applies(law: Law, name: str) -> bool:
        try:
            law(ZOO[name].make(), ZOO[name].input)
        except NotApplicable:
            return False
        return True

    small = {"lenet5", "lenet5_1998", "harley", "boat4", "textcnn"}
    assert {name for name in (*small, "resnet18", "unet") if applies(ten_items_are_learned, name)} == small
    images = {"lenet5", "boat4", "googlenet", "mobilenet_v2"}
    assert {
        name for name in (*images, "textcnn", "voxnet", "unet") if applies(a_model_file_gives_it_back, name)
    } == images


def test_the_laws_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one line of the analysis wrong, the law about it says so."""
    from striate.analysis import cost

    net, input = parse("conv 2 3 padding=1; maxpool 2"), (1, 8, 8)
    with monkeypatch.context() as patch:
        patch.setattr(cost, "parameters", lambda *_: 1)
        with pytest.raises(AssertionError):
            costs_are_torchs(net, input)
    with monkeypatch.context() as patch:
        narrow = receptive(lower(parse("conv 2 1; maxpool 2"), input), {"input": input, "conv1": input, "pool1": input})
        patch.setitem(globals(), "receptive", lambda *_: narrow)
        with pytest.raises(AssertionError):
            fields_are_footprints(net, input)
    with pytest.raises(AssertionError, match="linear1: needs a flat input"):
        no_faults(parse("linear 3"), input)


def test_anyone_can_run_the_laws(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conv 6 5; relu; flatten; linear 10", "--input", "1x28x28"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"ok     {law}" for law in LAWS]
    assert main(["conv 6 5; relu; linear 10", "--input", "1x28x28"]) == 1
    out = capsys.readouterr().out
    assert "FAULT  no faults\n       linear1: needs a flat input" in out
    assert "ok     text and back" in out
    assert main(["lenet5"]) == 0
    assert main(["cnov 6 5"]) == 2
    assert "did you mean 'conv'?" in capsys.readouterr().err


def main(arguments: list[str] | None = None) -> int:
    """The laws on a network from the command line; 0 all hold, 1 some do not, 2 no network."""
    parser = argparse.ArgumentParser(description="Tests the laws of striate on one network.")
    parser.add_argument("net", help="a name of the zoo, a .net file, or the text of a network")
    parser.add_argument("--input", help="such as 1x28x28, where the network does not say it")
    given = parser.parse_args(arguments)
    try:
        net, input = _read(given.net, given.input)
    except (Error, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    faults = 0
    for name, law in LAWS.items():
        try:
            law(net, input)
        except NotApplicable as reason:
            print(f"-      {name} ({reason})")
        except (AssertionError, Error) as fault:
            faults += 1
            print(f"FAULT  {name}\n       " + str(fault).replace("\n", "\n       "))
        else:
            print(f"ok     {name}")
    return 1 if faults else 0


def _read(net: str, input: str | None) -> tuple[Spec | Graph, Shape]:
    if net in ZOO:
        return ZOO[net].make(), read_shape(input) if input else ZOO[net].input
    graph = parse(Path(net).read_text(encoding="utf-8") if net.endswith(".net") else net)
    shape = read_shape(input) if input else graph.input
    if shape is None:
        raise SpecError("say the input's size: --input 1x28x28")
    return graph, shape


if __name__ == "__main__":
    sys.exit(main())
