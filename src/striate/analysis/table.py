"""A report as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from striate.errors import align_columns, listed, shape_text
from striate.spec.op import Shape

if TYPE_CHECKING:
    from striate.analysis.report import Dropped, Layer, Report
    from striate.analysis.shapes import Problem

HEAD = ("layer", "op", "output", "parameters", "MACs", "receptive field", "stride", "memory")
LEFT = 2  # the columns that are words; the others are numbers, aligned to the right


def report_table(report: Report) -> str:
    """The layers, the totals, then every fault, what strides drop, and the sizes that fit.

    >>> from striate.analysis import analyse
    >>> print(report_table(analyse("conv 6 5; relu", "1x28x28")).splitlines()[0])
    layer  op         output  parameters    MACs  receptive field  stride   memory
    """
    faulty = {problem.layer for problem in report.problems}
    before = ["input", *(layer.name for layer in report.layers)]
    rows = [_row(layer, before[i], layer.name in faulty) for i, layer in enumerate(report.layers)]
    macs = f"{'at least ' * report.partial}{report.macs:,}"
    total = ("total", "", "", f"{report.parameters:,}", macs, "", "", format_bytes(report.memory))
    inputs = ("input", "", shape_text(report.input), "", "", "", "", "")
    return "\n".join([*align_columns([HEAD, inputs, *rows, total], LEFT), "", *_below(report)])


def format_bytes(count: int) -> str:
    """Bytes in the unit that suits them.

    >>> format_bytes(4704), format_bytes(150_000_000)
    ('4.7 kB', '150 MB')
    """
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def _row(layer: Layer, before: str, faulty: bool) -> tuple[str, ...]:
    source = "" if layer.inputs in ((before,), ()) else " <- " + ", ".join(layer.inputs)
    return (
        ("! " if faulty else "") + layer.name,
        layer.op + source,
        shape_text(layer.output),
        f"{layer.parameters:,}" if layer.parameters else "",
        "?" if layer.macs is None else f"{layer.macs:,}" if layer.macs else "",
        shape_text(layer.receptive_field) if layer.receptive_field else "",
        _stride(layer.stride),
        format_bytes(layer.memory),
    )


def _stride(stride: tuple[int | float, ...] | None) -> str:
    if stride is None:
        return ""
    return f"{stride[0]:g}" if len(set(stride)) == 1 else "x".join(f"{s:g}" for s in stride)


def _below(report: Report) -> list[str]:
    lines = [f"FLOPs (2 x MACs): {'at least ' * report.partial}{2 * report.macs:,}"]
    if uncounted := [layer.name for layer in report.layers if layer.macs is None]:
        lines.append(f"not counted: {listed(uncounted, 6)}")
    opaque = [layer for layer in report.layers if layer.op.startswith("opaque ") and layer.inputs]
    beyond = next((layer.name for layer in opaque if layer.receptive_field is None), None)
    if beyond and (len(report.input) > 1 or any(layer.receptive_field for layer in report.layers)):
        lines.append(f"receptive fields are unknown from {beyond} on: what it does inside is not known")
    lines += [f"note: {note}" for note in report.notes]
    if report.problems:
        count = len(report.problems)
        lines += ["", f"{count} error{'s' if count > 1 else ''}:"]
        lines += [f"  {p.layer}: {p.message}\n    fix: {p.fix}" for p in report.problems]
    lines += _dropped(report)
    lines += _merged(report.warnings)
    legal = report.legal_inputs
    if legal.asked and not report.problems:
        lines.append("input size OK: no rows or columns are dropped")
    near = [
        f"{word} {shape_text(shape)}"
        for word, shape in (
            ("nearest smaller", legal.below),
            ("nearest larger", legal.above),
            ("minimum", legal.smallest),
        )
        if shape
    ]
    if near:
        lines.append(f"valid input sizes: {', '.join(near)}" + _steps(legal.step))
    return lines


def _merged(warnings: Sequence[Problem]) -> list[str]:
    """A line for each warning; one for all layers that have the same."""
    layers: dict[tuple[str, str], list[str]] = {}
    for warning in warnings:
        layers.setdefault((warning.message, warning.fix), []).append(warning.layer)
    return [
        f"warning: {f'{len(names)} layers ({listed(names, 3)})' if len(names) > 1 else names[0]}: {message}; {fix}"
        for (message, fix), names in layers.items()
    ]


def _steps(step: Shape | None) -> str:
    return f", in steps of {step[0] if len(set(step)) == 1 else shape_text(step)}" if step else ""


def _dropped(report: Report) -> list[str]:
    """A line for every layer whose stride leaves something out."""
    names = {1: ("position",), 2: ("row", "column"), 3: ("slice", "row", "column")}
    lines = []
    for layer in report.layers:
        lost = [_lost(d, names[len(layer.output) - 1][d.axis]) for d in report.dropped if d.layer == layer.name]
        if lost:
            lines.append(
                f"note: {layer.name} leaves {' and '.join(lost)} of its input unused"
                " (use padding or another input size)"
            )
    return lines


def _lost(d: Dropped, name: str) -> str:
    if d.within == 1:
        return f"the last {name}"
    return f"the last {d.within} {name}s" if d.count == d.within else f"{d.count} of the last {d.within} {name}s"
