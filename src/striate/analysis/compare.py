"""What differs between two networks: which layers, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from striate.analysis.report import Layer, Report
from striate.errors import shape_text

TOTALS = ("input", "parameters", "macs", "receptive_field")
Pair = tuple[Layer | None, Layer | None]  # the layer of the one and of the other; None: there is none


@dataclass(frozen=True)
class ReportDifference:
    """Two reports side by side; ``rows`` are the layers that differ, in order."""

    one: Report
    other: Report
    rows: tuple[Pair, ...]

    @property
    def same(self) -> bool:
        """Whether the two are one network on one input, but for the names of layers."""
        return not self.rows and self.one.input == self.other.input

    def as_dict(self) -> dict[str, Any]:
        """As ``striate check A --diff B --json`` prints it."""
        totals = {name: [getattr(self.one, name), getattr(self.other, name)] for name in TOTALS}
        layers = [{"a": _plain(a), "b": _plain(b)} for a, b in self.rows]
        return {"same": self.same, **totals, "layers": layers}

    def __str__(self) -> str:
        lines = []
        for a, b in self.rows:
            lines += [f"{sign} {_line(layer)}" for sign, layer in (("-", a), ("+", b)) if layer]
        totals = []
        for name in TOTALS:
            was, now = _total(self.one, name), _total(self.other, name)
            label = name.replace("_", " ").replace("macs", "MACs")
            totals.append(f"{label}: {was}" + ("" if was == now else f" -> {now}"))
        heading = "layers (- of the first network, + of the second):" if lines else "the layers are the same"
        return "\n".join([*totals, heading, *lines])


def compare_reports(one: Report, other: Report) -> ReportDifference:
    """The layers in which two networks differ: in what they do, what they read or the shape that comes out, not in
    their names.

    >>> from striate.analysis import analyse
    >>> print(compare_reports(analyse("conv 6 5; relu", "1x8x8"), analyse("conv 6 3; relu", "1x8x8")))
    input: 1x8x8
    parameters: 156 -> 60
    MACs: 2,400 -> 1,944
    receptive field: 5x5 -> 3x3
    layers (- of the first network, + of the second):
    - conv1: conv 6 5 -> 6x4x4
    + conv1: conv 6 3 -> 6x6x6
    - relu1: relu -> 6x4x4
    + relu1: relu -> 6x6x6
    """
    a, b = one.layers, other.layers
    rows: list[Pair] = []
    wires = _wires(a), _wires(b)
    one_key, other_key = ([(x.op, wire[x.name]) for x in side] for side, wire in zip((a, b), wires, strict=True))
    matcher = SequenceMatcher(None, one_key, other_key, autojunk=False)
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        count = max(i_end - i, j_end - j)
        left: list[Layer | None] = [*a[i:i_end]] + [None] * (count - (i_end - i))
        right: list[Layer | None] = [*b[j:j_end]] + [None] * (count - (j_end - j))
        rows += [(x, y) for x, y in zip(left, right, strict=True) if not _alike(x, y, *wires)]
    return ReportDifference(one, other, tuple(rows))


def _wires(layers: tuple[Layer, ...]) -> dict[str, tuple[int, ...]]:
    """How many layers back each layer reads: (1,) in a chain, whatever the layers are called."""
    place = {"input": -1} | {layer.name: i for i, layer in enumerate(layers)}
    return {layer.name: tuple(i - place[name] for name in layer.inputs) for i, layer in enumerate(layers)}


def _alike(
    x: Layer | None, y: Layer | None, of_x: dict[str, tuple[int, ...]], of_y: dict[str, tuple[int, ...]]
) -> bool:
    if x is None or y is None:
        return False
    return (x.op, x.output, x.parameters, of_x[x.name]) == (y.op, y.output, y.parameters, of_y[y.name])


def _total(report: Report, name: str) -> str:
    value = getattr(report, name)
    if value is None:
        return "unknown"
    return shape_text(value) if isinstance(value, tuple) else f"{value:,}"


def _line(layer: Layer) -> str:
    reads = f" <- {', '.join(layer.inputs)}" if len(layer.inputs) > 1 else ""
    return f"{layer.name}: {layer.op}{reads} -> {shape_text(layer.output)}"


def _plain(layer: Layer | None) -> dict[str, Any] | None:
    return None if layer is None else {"name": layer.name, "op": layer.op, "output": list(layer.output)}
