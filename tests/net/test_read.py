"""Reading somebody's module: more than thirty awkward ones, each compared with what torch itself says of it."""

import warnings
from itertools import product

import pytest
import torch
from awkward import AWKWARD
from hypothesis import given
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import striate
from laws import box, one_thread, reading_gives_it_back  # noqa: F401  (a fixture)
from strategies import examples, nets
from striate.analysis import infer, receptive
from striate.analysis.footprint import footprints
from striate.analysis.sizes import Sizes
from striate.analysis.windows import axis_rules
from striate.errors import SpecError
from striate.net import build
from striate.net.read import check_module, read
from striate.spec import Opaque, format, parse

# What a unit of the last map sees, worked out by hand; None: a part on the way does not tell.
FIELDS = {
    "functional": (16, 16),
    "in place": (5, 5),
    "reused": (5, 5),
    "squeeze and excitation, linear": (33, 33),
    "squeeze and excitation, convolutions": (33, 33),
    "u-net": (52, 52),
    "held weights": (3, 3),
    "depthwise": (8, 7),
    "padded": (9, 9),  # zeros on one side only
    "reflected": (5, 5),
    "channels last": (3, 3),
    "norms": (12, 12),  # statistics of the whole map
    "by batch": (12, 12),
    "attention": None,
    "by shape": (8, 8),
    "two heads": (3, 3),
    "shuffled": (7, 7),
    "standardised": (5, 5),
    "hidden": (5, 5),
    "written": (1, 1),
    "cropped": (3, 3),
    "volumes": (4, 4, 4),
    "scripted": None,
    "gated": (9, 9),
    "pyramid": (15, 15),
    "tokens": None,
    "compiled": None,
}
# What torch's own counter leaves out, by hand: 11 steps of an LSTM in two directions; two attentions of 17 tokens
UNCOUNTED_BY_TORCH = {"recurrent": 11 * 2 * 4 * 12 * (8 + 12), "tokens": 2 * 2 * 17 * 17 * 16}


def example(shape, batch=1):
    return torch.zeros(batch, *shape, dtype=torch.long) if len(shape) == 1 else torch.rand(batch, *shape)


@pytest.fixture(scope="module")
def reports():
    """Every awkward module with its report, made once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.trace has had its day
        modules = {name: (make(), shape) for name, (make, shape) in AWKWARD.items()}
    return {name: (module, shape, striate.check(module, shape)) for name, (module, shape) in modules.items()}


@pytest.mark.parametrize("name", AWKWARD)
def test_parameters_and_macs_are_torchs(reports, name):
    module, shape, report = reports[name]
    total = sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:  # with gradients: without, attention runs in one piece uncounted
        module.eval()(example(shape))
    if name == "unused":
        assert report.parameters == total - 85  # two layers whose results nobody gets
        assert report.notes == ("85 parameters are not used for this output and not counted: aux, lost",)
        return
    assert report.parameters == total == sum(layer.parameters for layer in report.layers)
    assert not report.partial
    assert [layer.name for layer in report.layers if layer.macs is None] == []
    assert report.macs == counter.get_total_flops() / 2 + UNCOUNTED_BY_TORCH.get(name, 0)


@pytest.mark.parametrize("name", AWKWARD)
def test_shapes_are_those_that_come_out(reports, name):
    module, shape, report = reports[name]
    seen = {}

    def keep(part, args, out, name):
        if isinstance(out, torch.Tensor):
            seen.setdefault(name, tuple(out.shape[1:]))

    hooks = [
        part.register_forward_hook(lambda m, a, y, n=n: keep(m, a, y, n))
        for n, part in module.named_modules()
        if n and not isinstance(part, torch.jit.ScriptModule)
    ]
    with torch.no_grad():
        module.eval()(example(shape, 3))
    for hook in hooks:
        hook.remove()
    checked = [layer for layer in report.layers if layer.name in seen]
    assert checked or name in ("held weights",)
    for layer in checked:
        last = name in ("channels last", "recurrent", "sentences") and len(seen[layer.name]) == len(layer.output) > 1
        assert layer.output in (seen[layer.name], (seen[layer.name][-1], *seen[layer.name][:-1]) if last else None)


@pytest.mark.parametrize("name", FIELDS)
def test_receptive_fields_are_known_or_said_to_be_unknown(reports, name):
    assert reports[name][2].receptive_field == FIELDS[name]
    assert ("receptive fields are unknown from" in str(reports[name][2])) == (FIELDS[name] is None)


@pytest.mark.parametrize("name", [n for n, field in FIELDS.items() if field])
def test_no_gradient_reaches_beyond_the_field(reports, name):
    module, shape, report = reports[name]
    if name == "in place":
        return  # torch refuses its gradient
    x = example(shape).requires_grad_()
    y = module.eval()(x)
    y = y[0] if isinstance(y, tuple) else y["p0"] if isinstance(y, dict) else y
    if y.ndim < 4:
        return  # a head that sees all
    middle = (0, slice(None), *(n // 2 for n in y.shape[2:]))
    (grad,) = torch.autograd.grad(y[middle].sum(), x)
    for span, size in zip(box(grad), report.layers[-1].receptive_field, strict=True):
        assert span is None or span[1] - span[0] + 1 <= size


@pytest.mark.parametrize("name", AWKWARD)
def test_the_module_stays_as_it_was(reports, name):
    module, shape, _ = reports[name]
    module.train()
    vars(module).get("seen", []).clear()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    own = {id(m): (dict(vars(m)), m.training) for m in module.modules()}
    seeds = torch.get_rng_state()
    striate.check(module, shape)
    assert torch.equal(seeds, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert all((dict(vars(m)), m.training) == own[id(m)] for m in module.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    assert not getattr(module, "seen", None)
    module.eval()


@pytest.mark.parametrize("name", AWKWARD)
def test_the_table_and_the_json_can_be_shown(reports, name):
    _, _, report = reports[name]
    assert ("at least" in str(report)) == report.partial == report.as_dict()["partial"]


# ------------------------------------------------------------------------------------------------ names and kinds
def graph_of(name):
    make, shape = AWKWARD[name]
    return read(make(), shape)


def test_functions_are_named_by_kind_and_place():
    names = [node.name for node in graph_of("functional").nodes]
    assert names == "conv1 relu1 pool1 conv2 relu2 pool2 flatten1 fc1 relu3 dropout1 fc2 softmax1".split()
    assert [n.name for n in graph_of("in place").nodes] == ["a", "relu", "b", "add1", "relu1", "mul1", "relu2"]


def test_a_module_that_runs_twice_counts_once():
    graph = graph_of("reused")
    assert [n.name for n in graph.nodes][::4] == ["conv", "conv_2"]
    assert graph.counted == (("conv_2", 0), ("block.0_2", 0), ("block.1_2", 0))
    report = striate.check(graph)
    assert [layer.parameters for layer in report.layers] == [148, 16, 8, 0, 0, 0, 0, 0]
    assert report.layers[4].macs == report.layers[0].macs > 0


def test_somebodys_own_convolution_is_one():
    graph = graph_of("standardised")
    assert [(n.name, type(n.op).__name__) for n in graph.nodes] == [("conv", "Conv"), ("normed", "Conv")]
    assert graph.counted == (("normed", 592),)  # a length for each output, besides the directions


def test_channels_last_layers_are_the_words_for_them():
    ops = [type(node.op).__name__ for node in graph_of("channels last").nodes]
    assert ops == ["Conv", "LayerNorm", "Conv", "GELU", "Conv", "Opaque", "Add"]


def test_zeros_before_a_convolution_are_its_padding():
    graph = graph_of("padded")
    assert [n.op.padding for n in graph.nodes if n.name in "ab"] == [2, 1]
    assert [n.name for n in graph.nodes] == ["a", "b", "pad1", "c"]


def test_slices_are_crops_and_subsampling():
    ops = [str(n.op) for n in graph_of("cropped").nodes]
    assert "Crop(1)" in ops
    assert "MaxPool(1, stride=2)" in ops
    assert "PadChannels(8)" in ops
    assert ops[-1] == "Crop(2)"


def test_means_over_places_are_global_pooling():
    ops = [n.op for n in graph_of("means").nodes]
    assert sum(str(op) == "AdaptiveAvgPool(1)" for op in ops) == 4
    assert sum(str(op) == "AdaptiveMaxPool(1)" for op in ops) == 1


def test_further_outputs_are_taps():
    graph = graph_of("two heads")
    assert (graph.output, graph.taps) == ("a", ("b",))
    assert graph_of("structured") == graph
    graph = graph_of("many outputs")
    assert (graph.output, graph.taps) == ("a", ("body.1", "b"))  # the first is read by the others
    report = striate.check(AWKWARD["many outputs"][0](), (3, 8, 8))
    assert report.notes == (
        "the module has 3 outputs; analysed is heads, choose with --output; the others: features (body.1), b",
    )


def test_names_that_cannot_be_names_get_an_underscore():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU())
    net.add_module("graph", nn.ReLU())
    net.add_module("a-b", nn.Tanh())
    assert [n.name for n in read(net, (1, 4, 4)).nodes] == ["_0", "_1", "graph_", "a_b"]


RESIZES = [
    {"mode": mode, **how} | ({} if corners is None else {"align_corners": corners})
    for mode, corners in (("nearest", None), ("nearest-exact", None), *product(("bilinear", "bicubic"), (False, True)))
    for how in ({"scale_factor": 0.75}, {"scale_factor": 1.25}, {"scale_factor": 2.5}, {"size": 3}, {"size": 13})
]


@pytest.mark.parametrize("how", RESIZES, ids=lambda how: "-".join(map(str, how.values())))
@pytest.mark.parametrize("size", [2, 5, 9])
def test_a_resized_map_reads_the_positions_whose_gradient_is_not_zero(how, size):
    graph = read(Resized(**how), (1, size, size))
    if not isinstance(graph.nodes[0].op, Opaque):
        return  # a whole factor, which is a word
    x = torch.rand(1, 1, size, size, dtype=torch.double, requires_grad=True)
    y = Resized(**how)(x)
    rows = [
        torch.autograd.grad(y[0, 0, i].sum(), x, retain_graph=True)[0][0, 0].abs().sum(1) for i in range(y.shape[2])
    ]
    found = footprints(graph, infer(graph)[0], 0, 2)[graph.output]
    assert found == [sum(1 << j for j in range(size) if row[j] > 1e-9) for row in rows]
    axis = receptive(graph, infer(graph)[0])[0][graph.output][0]
    assert axis.spans == tuple((min(ones), max(ones)) for mask in found if (ones := bits(mask)))
    fits = Sizes(graph)
    (rule,) = axis_rules(graph.nodes[0].op, 2)[0]
    assert all(fits.fits((1, n, n)) == (rule.output(n) > 0) for n in range(1, 9))


def bits(mask):
    return [i for i in range(mask.bit_length()) if mask >> i & 1]


class Resized(nn.Module):
    def __init__(self, **how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return F.interpolate(x, **self.how)


@pytest.mark.parametrize(
    ("module", "kind", "reach", "macs"),
    [
        (nn.GroupNorm(2, 4), "GroupNorm", "map", 0),
        (nn.InstanceNorm2d(4), "InstanceNorm2d", "map", 0),
        (nn.LayerNorm([4, 6, 6]), "LayerNorm", "map", 0),
        (nn.CELU(), "CELU", "place", 0),
        (nn.PReLU(4), "PReLU", "place", 0),
        (nn.GELU("tanh"), "GELU", "place", 0),
        (nn.LogSoftmax(1), "LogSoftmax", "place", 0),
        (nn.Softmax(2), "Softmax", "unknown", 0),
        (nn.Upsample(scale_factor=1.5), "Upsample", "resize", 0),
        (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), "Upsample", "resize", 0),
        (nn.PixelShuffle(2), "PixelShuffle", "window", 0),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), "Conv2d", "window", 4 * 4 * 9 * 36),
        (nn.Conv2d(4, 4, 4, padding="same"), "Conv2d", "window", 4 * 4 * 16 * 36),
        (nn.Unfold(3), "Unfold", "unknown", 0),
        (nn.LPPool2d(2, 2), "LPPool2d", "unknown", 0),
    ],
)
def test_what_no_word_says_is_opaque(module, kind, reach, macs):
    (node,) = read(nn.Sequential(module), (4, 6, 6)).nodes
    assert isinstance(node.op, Opaque)
    assert (node.op.kind, node.op.reach, node.op.macs) == (kind, reach, macs)
    assert node.op.parameters == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (nn.ReLU6(), "relu6"),
        (nn.Hardtanh(0, 6), "relu6"),
        (nn.Hardswish(), "hardswish"),
        (nn.Hardsigmoid(), "hardsigmoid"),
        (nn.LeakyReLU(0.3), "leakyrelu slope=0.3"),
        (nn.Softmax(dim=1), "softmax"),
        (nn.Softmax2d(), "softmax"),
        (nn.LocalResponseNorm(3, 2e-4, 0.5, 2.0), "lrn size=3 alpha=0.0002 beta=0.5 k=2.0"),
        (nn.AvgPool2d(3, 2, 1, count_include_pad=False), "avgpool 3 stride=2 padding=1 count_padding=no"),
        (nn.AvgPool2d(2, divisor_override=1), "sumpool 2"),
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), "maxpool 3 stride=2 padding=1 ceil=yes"),
        (nn.AdaptiveMaxPool2d((None, 2)), "adaptivemaxpool 6x2"),
        (nn.Upsample(scale_factor=(2, 3)), "upsample 2x3"),
        (nn.UpsamplingNearest2d(size=18), "upsample 3"),
        (nn.Upsample(12, mode="bilinear"), "upsample 2 mode=linear"),
        (nn.Conv2d(4, 6, (3, 5), padding="same"), "conv 6 3x5 padding=1x2"),
        (nn.BatchNorm2d(4, eps=1e-3), "batchnorm eps=0.001"),
        (nn.Flatten(), "flatten"),
    ],
)
def test_torchs_modules_are_the_words_for_them(module, word):
    module.eval()
    (node,) = read(module, (4, 6, 6)).nodes
    assert node.op == parse(f"input 4x6x6; {word}").nodes[0].op


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda x: F.avg_pool2d(x, 3, 2, 1), "avgpool 3 stride=2 padding=1"),
        (lambda x: F.avg_pool2d(x, 2, count_include_pad=False), "avgpool 2 count_padding=no"),
        (lambda x: F.max_pool2d(x, 3, 1, 1), "maxpool 3 stride=1 padding=1"),
        (lambda x: F.max_pool2d(x, 2), "maxpool 2"),
        (lambda x: F.leaky_relu(x), "leakyrelu"),
        (lambda x: F.interpolate(x, scale_factor=2.0), "upsample 2"),
    ],
)
def test_torchs_functions_are_the_words_for_them(call, word):
    """With torch's own defaults where an argument is left out."""

    class Calls(nn.Module):
        def forward(self, x):
            return call(x)

    (node,) = read(Calls(), (4, 6, 6)).nodes
    assert node.op == parse(f"input 4x6x6; {word}").nodes[0].op


def test_a_read_net_with_unknown_parts_is_neither_built_nor_parsed():
    graph = graph_of("norms")
    with pytest.raises(
        SpecError, match="group is not known inside: a net read from code is analysed, it cannot be built"
    ):
        build(graph)
    with pytest.raises(SpecError, match="GroupNorm was read from code and its inside is not known"):
        parse(format(graph))
    with pytest.raises(SpecError, match="group is known for the input alone that the net was read with"):
        striate.check(graph, (3, 14, 14))
    shared = graph_of("reused")
    with pytest.raises(SpecError, match="conv_2 has no weights of its own"):
        build(shared)
    with pytest.raises(SpecError, match="shares its weights"):
        parse(format(shared))


def test_a_read_net_of_words_alone_is_a_net():
    graph = graph_of("functional")
    assert parse(format(graph)) == graph
    assert sum(p.numel() for p in build(graph).parameters()) == 52_202


def test_other_inputs_are_named_only_where_the_module_takes_them():
    assert striate.check(AWKWARD["functional"][0](), (3, 32, 32)).legal_inputs.above is None  # 400 features, no other
    assert striate.check(AWKWARD["squeeze and excitation, linear"][0](), (3, 33, 33)).legal_inputs.above == (3, 35, 35)


@pytest.mark.filterwarnings("ignore")
def test_what_wraps_a_module_is_looked_through():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    assert read(torch.compile(net), (1, 6, 6)) == read(nn.DataParallel(net), (1, 6, 6)) == read(net, "1x6x6")


def test_another_number_type_and_the_meta_device():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    graph = read(net, (1, 6, 6))
    assert read(net.half(), (1, 6, 6)) == read(net.double(), (1, 6, 6)) == read(net.to("meta"), (1, 6, 6)) == graph


def test_a_fixed_batch_is_a_fault():
    class One(nn.Module):
        def forward(self, x):
            return x.reshape(1, -1)

    report = striate.check(One(), (2, 3, 3))
    assert [layer.op for layer in report.layers] == ["flatten"]
    assert report.problems[0].message.startswith("reshape(1, -1) is written for a batch of 1 (test_read.py line")
    assert report.problems[0].fix == "x.reshape(x.size(0), -1)"


def test_the_identity_is_a_net():
    assert [n.name for n in read(nn.Identity(), (1, 4, 4)).nodes] == ["output1"]


@given(nets())
@examples(25)
def test_any_net_that_is_built_is_read_back(made):
    reading_gives_it_back(*made)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_legal_sizes_of_lazy_layers_are_those_of_the_sizes_that_they_got():
    start = (nn.LazyConv2d(4, 3, padding=1), nn.MaxPool2d(2))
    for rest, above in (((nn.Flatten(), nn.LazyLinear(5)), None), ((nn.LazyConv2d(5, 1),), (1, 18, 18))):
        module = nn.Sequential(*start, *rest)
        assert check_module(module, (1, 16, 16)).legal_inputs.above == above
        assert isinstance(module[0].weight, nn.parameter.UninitializedParameter)  # the module itself is as it was
