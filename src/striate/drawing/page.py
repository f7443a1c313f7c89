"""The sheet: title, what is drawn, legend, margins; its size is that of what stands on it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from striate.analysis.report import Report
from striate.drawing.cells import Cell
from striate.drawing.scene import LARGE, SMALL, Box, Part, Picture, Shape, Text, lines_of, moved
from striate.drawing.words import LEGEND, size_of_map

MARGIN = 20.0
NARROWEST = 340.0
GLOSSARY = {  # what is explained where it occurs
    r"\bbn\b": "bn: batch normalisation.",
    r" /\d": "/2: a step of 2.",
    r"^× \d": "× 3: the same three times over.",
    r"@": "64@56x56: 64 maps of 56x56.",
}


def sheet(
    report: Report, cells: list[Cell], title: str, body: Part, entries: list[tuple[str, str]], note: str
) -> Picture:
    """The *body* (its left top corner at (0, 0)) below the title, with *entries* of the legend and a *note* below."""
    width = max(body.length, NARROWEST)
    summary = _summary(report)
    head: list[Shape] = [
        Text(0, LARGE, line, LARGE, "start", bold=True) for line in lines_of(title, width, LARGE, True)[:1]
    ]
    y = LARGE + 2
    for line in lines_of(summary, width):
        y += 14
        head.append(Text(0, y, line, SMALL, "start", tone="soft"))
    y += 16
    middle = moved(body.shapes, (width - body.length) / 2, y)
    y += body.after + 18
    foot = _legend(entries, width)
    last = max((shape.bounds[3] for shape in foot), default=0)
    foot = moved(foot, 0, y)
    y += last
    for line in lines_of(f"{_glossary(body)} {note}", width):
        y += 14
        foot = (*foot, Text(0, y, line, SMALL, "start", tone="soft"))
    shapes = moved([*head, *middle, *foot], MARGIN, MARGIN)
    return Picture(round(width + 2 * MARGIN), round(y + 2 * MARGIN), title, _described(report, cells), shapes)


def _glossary(body: Part) -> str:
    words = [shape.text for shape in body.shapes if isinstance(shape, Text)]
    return " ".join(said for sign, said in GLOSSARY.items() if any(re.search(sign, word) for word in words))


def kinds_in(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """The entries of a legend: kinds that occur, with their words."""
    kinds = {cell.kind for cell in cells}
    return [(kind, words) for kind, words in LEGEND.items() if kind in kinds]


def _legend(entries: list[tuple[str, str]], width: float) -> tuple[Shape, ...]:
    shapes: list[Shape] = []
    x, y = 0.0, 0.0
    for kind, words in entries:
        text = Text(x + 18, y + 9, words, SMALL, "start", tone="soft")
        if text.bounds[2] > width and x > 0:
            x, y = 0.0, y + 18
            text = Text(18, y + 9, words, SMALL, "start", tone="soft")
        shapes += [Box(x, y, 12, 11, kind, "swatch"), text]
        x = text.bounds[2] + 16
    return tuple(shapes)


def _summary(report: Report) -> str:
    least = "at least " if report.partial else ""
    parts = [f"input {size_of_map(report.input)}", f"{report.parameters:,} parameters", f"{least}{report.macs:,} MACs"]
    if report.problems:
        parts.append(f"{len(report.problems)} problem{'s' if len(report.problems) > 1 else ''}")
    return " · ".join(parts)


def _described(report: Report, cells: list[Cell]) -> str:
    """For who cannot see the picture."""
    steps = [f"{', '.join(cell.words())} to {cell.size}" for cell in cells[1:]]
    shown = steps if len(steps) <= 12 else [*steps[:6], f"{len(steps) - 9} more", *steps[-3:]]
    return f"A network of {len(report.layers)} layers: {_summary(report)}. In order: {'; '.join(shown)}."
