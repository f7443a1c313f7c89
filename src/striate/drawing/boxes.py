"""The pieces of a block diagram: boxes with words, joins, frames. Each is entered from above, at (0, 0)."""

from __future__ import annotations

from striate.drawing.cells import Cell
from striate.drawing.scene import NORMAL, SMALL, Box, Line, Part, Text, lines_of, moved, width_of
from striate.drawing.words import SYMBOLS, word_of

LINE, PAD = 13.0, 8.0
NODE = 9.0
WORDS, MESSAGE = 250.0, 250.0  # the widest lines in a box


def box_of(cell: Cell, brief: bool) -> Part:
    """A box with what the layer is called, the size of its maps, and what it does."""
    lines = lines_of(", ".join(cell.words(channels=True)), WORDS)
    faults = [line for fault in cell.faults for line in lines_of(fault, MESSAGE)]
    name = cell.label or cell.name
    head = 0.0 if brief else width_of(name, NORMAL, bold=True) + width_of(cell.size, SMALL) + 14
    width = max([head, *(width_of(line, SMALL) for line in lines + faults), 40]) + 2 * PAD
    left, y = -width / 2 + PAD, 4.0
    texts: list[Text] = []
    if not brief:
        y += LINE
        texts.append(Text(left, y, name, NORMAL, "start", bold=True))
        texts.append(Text(-left, y, cell.size, SMALL, "end", tone="soft"))
    for line, tone in [(line, "ink") for line in lines] + [(line, "fault") for line in faults]:
        y += LINE
        texts.append(Text(0, y, line, SMALL, tone=tone) if brief else Text(left, y, line, SMALL, "start", tone=tone))
    box = Box(-width / 2, 0, width, y + 7, cell.kind, "box", cell.tip, bool(cell.faults))
    return Part(box.height, width / 2, width / 2, (box, *texts))


def node(join: Cell) -> Part:
    """The round join; the activation that follows stands at its left."""
    assert join.main
    symbol = SYMBOLS.get(word_of(join.main), word_of(join.main))
    size = SMALL if len(symbol) > 1 else 14
    half = NODE if len(symbol) == 1 else width_of(symbol, SMALL) / 2 + 7
    box = Box(-half, 0, 2 * half, 2 * NODE, "join", "node", join.tip)
    words = ", ".join(join.words()[1:])
    texts = [Text(0, NODE + size * 0.35, symbol, size)]
    if words:
        texts.append(Text(-half - 5, NODE + 3.5, words, SMALL, "end", tone="soft"))
    return Part(2 * NODE, half + (width_of(words, SMALL) + 8 if words else 0), half, (box, *texts))


def bar_of(join: Cell, left: float, right: float, brief: bool) -> Part:
    words = ", ".join(join.words()) + ("" if brief else f"  {join.size}")
    faults = [line for fault in join.faults for line in lines_of(fault, max(MESSAGE, right - left - 12))]
    need = max(width_of(line, SMALL) for line in [words, *faults]) + 16 - (right - left)
    left, right = left - max(0, need) / 2, right + max(0, need) / 2
    lines = [(words, "ink"), *((line, "fault") for line in faults)]
    texts = [Text((left + right) / 2, 12.5 + i * LINE, line, SMALL, tone=tone) for i, (line, tone) in enumerate(lines)]
    height = 18 + len(faults) * LINE
    box = Box(left, 0, right - left, height, join.kind, "box", join.tip, bool(join.faults))
    return Part(height, -left, right, (box, *texts))


def frame(name: str, size: str, inner: Part, *, times: int = 1, tip: str = "", ends: bool = False) -> Part:
    """A frame around *inner*: its name, the size of its output, and how many times it stands there."""
    count = f"× {times}" if times > 1 else ""
    right = width_of(count, NORMAL + 2, bold=True) + 8 if count else 0.0
    head = width_of(name, NORMAL, bold=True) + width_of(size, SMALL) + right + 16
    more = max(0.0, head - inner.before - inner.after) / 2
    before, after = inner.before + 10 + more, inner.after + 10 + more
    top, height = 21.0, inner.length + 21 + 12
    texts = [Text(-before + 8, 15, name, NORMAL, "start", bold=True)] if name else []
    texts.append(Text(after - 8 - right, 15, size, SMALL, "end", tone="soft"))
    if count:
        texts.append(Text(after - 8, 15, count, NORMAL + 2, "end", bold=True))
    box = Box(-before, 0, before + after, height, "join", "frame", tip)
    way: tuple[Line, ...] = () if ends else (Line(((0, height - 12), (0, height))),)
    return Part(height, before, after, (box, *texts, *moved(inner.shapes, 0, top), *way))
