"""A block diagram, drawn downwards: boxes with words, round joins, frames around groups and around what repeats."""

from __future__ import annotations

from math import log

from striate.drawing.cells import Cell, map_size
from striate.drawing.flow import Flow, Piece
from striate.drawing.scene import (
    LINE,
    NORMAL,
    SMALL,
    Box,
    Element,
    Line,
    Text,
    moved,
    text_block,
    text_width,
    wrap_text,
)
from striate.drawing.tree import Fork, Item, NamedGroup, Repeat, Series, SideHead, Tangle, cells_in, shared_path
from striate.spec.op import Shape

PAD, NODE = 8.0, 9.0
MAX_LINE = 250.0  # the widest lines in a box
GAP, LANE = 16.0, 9.0  # between the cells of a tangle, and between the lines at its right
PAGE = 0.8  # width by height


class Boxes(Flow):
    """Boxes below each other, in columns."""

    down, side = True, 1
    turn, step, gap = 20.0, 16.0, 34.0
    max_width = 1060.0

    def cost(self, width: float, height: float) -> float:
        return abs(log(width / height / PAGE))

    def item(self, item: Item, brief: bool) -> Piece:
        match item:
            case Cell():
                return _box(item, brief)
            case Fork():
                return self.fork(item, brief)
            case SideHead():
                return self.head(item)
            case NamedGroup():
                inner = self.series(item.items, brief=_is_block(item.items))
                return _frame(item.name, map_size(_output(item.items)), inner)
            case Repeat():
                return self._repeat(item)
            case Tangle():
                return _tangle(item)

    def head(self, side: SideHead) -> Piece:
        path = shared_path((side,))
        return _frame(".".join(path), "side head", self.series(side.branch, brief=bool(path)), ends=True)

    def node(self, join: Cell) -> Piece:
        """The activation that follows stands at its left."""
        size = SMALL if len(join.symbol) > 1 else 14
        half = NODE if len(join.symbol) == 1 else text_width(join.symbol) / 2 + 7
        texts = [Text(0, NODE + size * 0.35, join.symbol, size)]
        before, words = half, ", ".join(join.words()[1:])
        if words:
            texts.append(Text(-half - 5, NODE + 3.5, words, anchor="end", tone="soft"))
            before += text_width(words) + 8
        box = Box(-half, 0, 2 * half, 2 * NODE, "join", "node", join.tip)
        return Piece(2 * NODE, before, half, (box, *texts))

    def bar(self, join: Cell, low: float, high: float, brief: bool) -> Piece:
        words = ", ".join(join.words()) + ("" if brief else f"  {join.size}")
        lines = [(words, "ink"), *join.messages(max(MAX_LINE, high - low - 12))]
        more = max(0.0, max(text_width(line) for line, _ in lines) + 16 - (high - low)) / 2
        low, high = low - more, high + more
        texts = text_block((low + high) / 2, 12.5, lines)
        height = 18 + (len(lines) - 1) * LINE
        box = Box(low, 0, high - low, height, join.kind, "box", join.tip, bool(join.faults))
        return Piece(height, -low, high, (box, *texts))

    def _repeat(self, repeat: Repeat) -> Piece:
        copies, unit = repeat.copies, repeat.unit
        paths = [shared_path(copy) for copy in (copies[0], copies[-1])]
        names = next((f"{a} to {b}" for a, b in zip(*paths, strict=False) if a != b), "")
        first, last = _output(copies[0]), _output(copies[-1])
        size = map_size(last) if first[:1] == last[:1] else f"{first[0]} to {map_size(last)}"
        layers = [layer for copy in copies for cell in cells_in(copy) for layer in cell.layers]
        total = sum(layer.parameters for layer in layers)
        tip = f"{len(copies)} times, {total:,} parameters in total: {', '.join(layer.name for layer in layers)}"
        items = unit[0].items if isinstance(unit[0], NamedGroup) and len(unit) == 1 else unit
        inner = self.series(items, brief=len(unit) == 1 and _is_block(items))
        return _frame(names, size, inner, times=len(copies), tip=tip)


def _is_block(items: Series) -> bool:
    """Whether a frame around *items* says enough for the boxes in it."""
    return not any(isinstance(item, NamedGroup | Repeat) for item in items)


def _output(items: Series) -> Shape:
    """The size of what comes out of *items*."""
    last = [cell for item in items if not isinstance(item, SideHead) for cell in cells_in((item,))]
    return last[-1].shape if last else ()


def _box(cell: Cell, brief: bool) -> Piece:
    """A box with what the layer is called, the size of its maps, and what it does."""
    lines = [(line, "ink") for line in wrap_text(", ".join(cell.words(channels=True)), MAX_LINE)]
    lines += cell.messages(MAX_LINE)
    name = cell.label or cell.name
    head = 0.0 if brief else text_width(name, NORMAL, bold=True) + text_width(cell.size) + 14
    half = max([head, *(text_width(line) for line, _ in lines), 40]) / 2 + PAD
    top = 4 + LINE
    texts: list[Text] = []
    if not brief:
        texts.append(Text(PAD - half, top, name, NORMAL, "start", bold=True))
        texts.append(Text(half - PAD, top, cell.size, anchor="end", tone="soft"))
        top += LINE
    texts += text_block(0, top, lines) if brief else text_block(PAD - half, top, lines, "start")
    height = top + (len(lines) - 1) * LINE + 7
    box = Box(-half, 0, 2 * half, height, cell.kind, "box", cell.tip, bool(cell.faults))
    return Piece(height, half, half, (box, *texts))


def _frame(name: str, size: str, inner: Piece, *, times: int = 1, tip: str = "", ends: bool = False) -> Piece:
    """A frame around *inner*: its name, the size of its output, and how many times it stands there."""
    count = f"× {times}" if times > 1 else ""
    right = text_width(count, NORMAL + 2, bold=True) + 8 if count else 0.0
    head = text_width(name, NORMAL, bold=True) + text_width(size) + right + 16
    more = max(0.0, head - inner.before - inner.after) / 2
    before, after = inner.before + 10 + more, inner.after + 10 + more
    top, height = 21.0, inner.length + 21 + 12
    elements: list[Element] = [
        Box(-before, 0, before + after, height, "join", "frame", tip),
        Text(after - 8 - right, 15, size, anchor="end", tone="soft"),
        *moved(inner.elements, 0, top),
    ]
    if name:
        elements.append(Text(-before + 8, 15, name, NORMAL, "start", bold=True))
    if count:
        elements.append(Text(after - 8, 15, count, NORMAL + 2, "end", bold=True))
    if not ends:
        elements.append(Line(((0, top + inner.leave), (0, height))))
    return Piece(height, before, after, tuple(elements))


def _tangle(tangle: Tangle) -> Piece:
    """Cells whose paths cross, in order, with lines at the right for what does not come from just above."""
    pieces = [_box(cell, False) for cell in tangle.cells]
    tops = [GAP]
    for piece in pieces:
        tops.append(tops[-1] + piece.length + GAP)
    place = {cell.index: i for i, cell in enumerate(tangle.cells)} | {tangle.entry: -1}
    elements: list[Element] = [e for piece, y in zip(pieces, tops, strict=False) for e in moved(piece.elements, 0, y)]
    edges: list[tuple[int, int, int]] = []
    for i, cell in enumerate(tangle.cells):
        direct = False
        for number, source in enumerate(cell.inputs):
            if place[source] == i - 1 and not direct:
                direct = True
                above = 0.0 if i == 0 else tops[i - 1] + pieces[i - 1].length
                elements.append(Line(((0, above), (0, tops[i])), arrow=True))
            else:
                edges.append((place[source], i, 1 + number))
    right = max(piece.after for piece in pieces) + 12
    lanes = _lanes([edge[:2] for edge in edges])
    for (a, b, number), lane in zip(edges, lanes, strict=True):
        x = right + LANE * lane
        end = (pieces[b].after, tops[b] + 4 + number * (pieces[b].length - 8) / (2 + len(tangle.cells[b].inputs)))
        start = (0.0, 3.0) if a < 0 else (pieces[a].after, tops[a] + pieces[a].length - 5)
        elements.append(Line((start, (x, start[1]), (x, end[1]), end), arrow=True))
    after = right + LANE * (max(lanes, default=-1) + 1)
    return Piece(tops[-1] - GAP, max(piece.before for piece in pieces), after, tuple(elements), forks=True)


def _lanes(spans: list[tuple[int, int]]) -> list[int]:
    """For each span the first lane that is free all along it."""
    taken: list[list[tuple[int, int]]] = []
    found = []
    for a, b in spans:
        lane = next((i for i, lane in enumerate(taken) if all(b < c or d < a for c, d in lane)), len(taken))
        taken += [[]] * (lane == len(taken))
        taken[lane] = [*taken[lane], (a, b)]
        found.append(lane)
    return found
