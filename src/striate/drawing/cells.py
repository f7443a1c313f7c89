"""The layers gathered into cells: one that makes a map, and the activations, norms and such that go with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod

from striate.analysis.report import Layer, Report
from striate.drawing.scene import wrap_text
from striate.errors import shape_text
from striate.spec import ops
from striate.spec.op import Base, Pointwise, Shape, Size, per_axis

KINDS = {  # of ops that make a map of their own: how they are coloured
    "conv": ops.Conv | ops.TableConv,
    "pool": ops.Pool | ops.AdaptiveAvgPool | ops.AdaptiveMaxPool,
    "full": ops.Linear | ops.RBF,
    "up": ops.ConvTranspose | ops.Upsample,
    "embed": ops.Embedding,
    "join": ops.Join,
}
LEGEND = {
    "conv": "convolution", "pool": "pooling", "full": "fully connected", "up": "upsampling", "norm": "activation, norm",
    "join": "join", "embed": "embedding", "other": "other",
}  # fmt: skip
# What has no map of its own to show: it is named beside the layer that it follows (or, before one, precedes)
LIGHT = (Pointwise, ops.LRN, ops.Flatten)
MAX_NAME = 28  # letters of the name of somebody's own layer


@dataclass
class Cell:
    """What is drawn as one thing. Cell 0 is the net's input; *inputs* are the numbers of the cells that it reads.

    *before* and *after* are light layers (``LIGHT``); *main* is None in the input, and where there are only those.
    """

    index: int
    inputs: tuple[int, ...]
    main: Layer | None = None
    before: list[Layer] = field(default_factory=list)
    after: list[Layer] = field(default_factory=list)
    input: Shape = ()
    faults: list[str] = field(default_factory=list)
    output: bool = False  # whether it gives the net's result
    label: str = ""  # its name where a group around it says the rest

    @property
    def layers(self) -> list[Layer]:
        return [*self.before, *([self.main] if self.main else []), *self.after]

    @property
    def name(self) -> str:
        """The name of its main layer."""
        return (self.main or self.layers[0]).name if self.index else "input"

    @property
    def op(self) -> Base | None:
        """Of its main layer."""
        return self.main.spec if self.main else None

    @property
    def shape(self) -> Shape:
        """What it shows: the map that its main layer makes, before anything flattens it."""
        return self.main.output if self.main else self.input or self.layers[-1].output

    @property
    def kind(self) -> str:
        if self.main is None:
            return "norm" if self.index else "input"
        return next((kind for kind, classes in KINDS.items() if isinstance(self.op, classes)), "other")

    @property
    def symbol(self) -> str:
        """Of a join, as it stands in a circle."""
        return "+" if isinstance(self.op, ops.Add) else "×" if isinstance(self.op, ops.Multiply) else self.words()[0]

    @property
    def kernel(self) -> tuple[int, ...]:
        """The sizes of its window, one per axis of its map; none where it has none."""
        match self.op:
            case ops.Conv() | ops.TableConv() | ops.ConvTranspose() | ops.MaxPool() | ops.AvgPool() | ops.SumPool():
                return _sizes(self.op.kernel, self.shape)
            case ops.Upsample():
                return _sizes(self.op.scale, self.shape)
        return ()

    @property
    def size(self) -> str:
        return map_size(self.shape)

    @property
    def tip(self) -> str:
        given = [f"input {map_size(self.input)}"] if self.input else []
        return "\n".join(given + [_tip(layer) for layer in self.layers] + self.faults)

    def messages(self, width: float) -> list[tuple[str, str]]:
        """Its faults in lines that are at most *width* wide, each with its tone."""
        return [(line, "fault") for fault in self.faults for line in wrap_text(fault, width)]

    def words(self, channels: bool = False) -> list[str]:
        """Its layers in a few words each, in order."""
        return [caption(layer, channels) for layer in self.layers]


def cells(report: Report) -> list[Cell]:
    """The cells in an order in which each reads only earlier ones.

    >>> from striate.analysis import analyse
    >>> [cell.words() for cell in cells(analyse("conv 6 5; relu; maxpool 2; flatten; linear 10", "1x28x28"))]
    [[], ['5x5 conv', 'relu'], ['2x2 max pool /2', 'flatten'], ['linear']]
    """
    readers = Counter(name for layer in report.layers for name in layer.inputs)
    found = [Cell(0, (), input=report.input)]
    owner = {"input": 0}
    for layer in report.layers:
        # what a mere listing of layers leaves open reads the one before
        inputs = tuple(owner[name] for name in layer.inputs if name in owner) or (found[-1].index,)
        cell = found[inputs[0]]
        if not _belongs(layer, cell, readers):
            cell = Cell(len(found), inputs)
            found.append(cell)
        if isinstance(layer.spec, LIGHT):
            cell.after.append(layer)
        else:
            cell.before, cell.main, cell.after = cell.after, layer, []
        owner[layer.name] = cell.index
    found[owner[report.layers[-1].name] if report.layers else 0].output = True
    for problem in report.problems:
        found[owner.get(problem.layer, 0)].faults.append(f"{problem.message}; fix: {problem.fix}")
    return found


def _belongs(layer: Layer, cell: Cell, readers: Counter[str]) -> bool:
    """Whether *layer* is drawn with the *cell* that it reads: nothing else reads in between."""
    last = cell.layers[-1].name if cell.layers else "input"
    if layer.inputs != (last,) or readers[last] > 1:
        return False
    if not isinstance(layer.spec, LIGHT):
        return cell.main is None and cell.index > 0
    # behind a join it may begin what follows: it is the join's where their names begin alike
    return cell.kind != "join" or layer.name.split(".")[:-1][:1] == cell.name.split(".")[:-1][:1]


def caption(layer: Layer, channels: bool = False) -> str:
    """What the layer does, in few words; with *channels*, how many it makes too.

    >>> from striate.analysis import analyse
    >>> [caption(layer, channels=True) for layer in analyse("conv 6 5 padding=2; maxpool 3 stride=2", "1x28x28").layers]
    ['5x5 conv 6', '3x3 max pool /2']
    """
    op, out = layer.spec, f" {layer.output[0]}" if channels else ""
    match op:
        case ops.Conv() | ops.TableConv():
            return _windowed(op.kernel, f"{_conv(op)}{out}{_factor('/', op.stride)}", layer.output)
        case ops.ConvTranspose():
            return _windowed(op.kernel, f"{op.label}{out}{_factor('×', op.stride)}", layer.output)
        case ops.MaxPool() | ops.AvgPool() | ops.SumPool():
            return _windowed(op.kernel, f"{op.label}{_factor('/', op.stride)}", layer.output)
        case ops.AdaptiveAvgPool() | ops.AdaptiveMaxPool():
            maps = layer.output[1:]
            return f"global {op.label}" if prod(maps) == 1 else f"{op.label} to {shape_text(maps)}"
        case ops.Linear() | ops.RBF() | ops.Embedding():
            return op.label + out
        case ops.Upsample():
            return op.label + _factor("×", op.scale)
        case ops.Crop():
            return f"{op.label} {_text(op.margin)}"
        case ops.PadChannels():
            return f"{op.label} {op.out}"
        case ops.Opaque():
            return op.kind if len(op.kind) <= MAX_NAME else op.kind[: MAX_NAME - 1] + "…"
        case _:
            return op.label


def map_size(shape: Shape) -> str:
    """A shape as the papers write it: maps, and the size of each.

    >>> map_size((6, 28, 28)), map_size((10,)), map_size(())
    ('6@28x28', '10', '?')
    """
    if not shape:
        return "?"
    return f"{shape[0]}@{shape_text(shape[1:])}" if len(shape) > 1 else f"{shape[0]:,}"


def _conv(op: ops.Conv | ops.TableConv) -> str:
    if isinstance(op, ops.TableConv):
        return op.label
    grouped = op.label if op.groups == 1 else f"depthwise {op.label}" if op.groups == op.out else ""
    name = grouped or f"{op.label} in {op.groups} groups"
    return name if op.dilation == 1 else f"dilated {name}"


def _windowed(kernel: Size, text: str, output: Shape) -> str:
    sizes = _sizes(kernel, output)
    return f"{text} over {sizes[0]}" if len(sizes) == 1 else f"{shape_text(sizes)} {text}".lstrip()


def _sizes(value: Size, output: Shape) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else per_axis(value, len(output) - 1)


def _factor(sign: str, value: Size | None) -> str:
    text = _text(value or 1)
    return "" if text == "1" else f" {sign}{text}"


def _text(value: Size) -> str:
    numbers = value if isinstance(value, tuple) else (value,)
    return shape_text(numbers if len(set(numbers)) > 1 else numbers[:1])


def _tip(layer: Layer) -> str:
    """All that is known of a layer, for who points at it."""
    lines = [f"{layer.name}: {layer.op}", f"output {shape_text(layer.output) or 'not known'}"]
    if layer.parameters:
        lines.append(f"{layer.parameters:,} parameters")
    if layer.macs:
        lines.append(f"{layer.macs:,} MACs")
    if layer.receptive_field:
        lines.append(f"receptive field {shape_text(layer.receptive_field)}")
    return "\n  ".join(lines)
