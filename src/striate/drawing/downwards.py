"""A block diagram, drawn downwards: one below the other, side by side between fork and join, frames in frames."""

from __future__ import annotations

from collections.abc import Iterable

from striate.drawing.blocks import path_of, shared_path
from striate.drawing.boxes import NODE, bar_of, box_of, frame, node
from striate.drawing.cells import Cell
from striate.drawing.scene import Line, Part, moved
from striate.drawing.scene import Shape as Drawn
from striate.drawing.tangle import tangle
from striate.drawing.tree import Fork, Group, Item, Repeat, Series, Side, Tangle, cells_in
from striate.drawing.words import size_of_map, word_of
from striate.spec.op import Shape

STEP_DOWN = 16.0  # from one box to the next
TURN = 20.0  # the height in which the lines of a fork turn


def column(items: Series, *, brief: bool = False) -> Part:
    """The *items* below each other; *brief* boxes have neither name nor size, where a frame around them says both."""
    parts: list[Part] = []
    sides: list[Side] = []
    for item in items:
        if isinstance(item, Side):
            sides.append(item)
            continue
        part = item_part(item, brief)
        parts.append(_beside(part, sides) if sides else part)
        sides = []
    return stack([*parts, _beside(Part(0, 0, 0), sides)] if sides else parts)


def stack(parts: list[Part]) -> Part:
    """*parts* below each other, with arrows between."""
    shapes: list[Drawn] = []
    y = 0.0
    for i, part in enumerate(parts):
        if i:
            shapes.append(Line(((0, y), (0, y + STEP_DOWN)), arrow=not part.forks))
            y += STEP_DOWN
        shapes += moved(part.shapes, 0, y)
        y += part.length
    return Part(y, max((p.before for p in parts), default=0), max((p.after for p in parts), default=0), tuple(shapes))


def item_part(item: Item, brief: bool) -> Part:
    match item:
        case Cell():
            return box_of(item, brief)
        case Fork():
            return _bar_fork(item, brief) if _needs_bar(item) else _fork(item, brief)
        case Side():
            return _side(item)
        case Group():
            return frame(item.name, size_of_map(_out(item.items)), column(item.items, brief=_one_block(item.items)))
        case Repeat():
            return _repeat(item)
        case Tangle():
            return tangle(item, box_of)


def _one_block(items: Series) -> bool:
    """Whether a frame around *items* says enough for the boxes in it."""
    return not any(isinstance(item, Group | Repeat) for item in items)


def _needs_bar(fork: Fork) -> bool:
    """Whether more comes together than a round join can show."""
    concat = fork.join.main is not None and word_of(fork.join.main) == "concat"
    return (
        len(fork.branches) != 2 or fork.join.kind != "join" or (concat and all(fork.branches)) or bool(fork.join.faults)
    )


def _fork(fork: Fork, brief: bool) -> Part:
    """Two branches: the longer one straight down, the other one (or nothing: a skip) at its right, a round join."""
    one, two = sorted(fork.branches, key=lambda branch: -len(list(cells_in(branch))))
    main, other = column(one, brief=brief), column(two, brief=brief)
    tall = max(main.length, other.length)
    bottom = TURN + tall + STEP_DOWN
    join = node(fork.join)
    x = max(main.after + 16 + other.before, join.after + 14)
    y = TURN + (tall - other.length) / 2
    shapes: list[Drawn] = [Line(((0, 0), (0, TURN)), arrow=bool(one)), *moved(main.shapes, 0, TURN)]
    shapes.append(Line(((0, TURN + main.length), (0, bottom)), arrow=True))
    if two:
        shapes += [Line(((0, 6), (x, 6), (x, y)), arrow=True), *moved(other.shapes, x, y)]
        shapes.append(Line(((x, y + other.length), (x, bottom + NODE), (join.after, bottom + NODE)), arrow=True))
    else:
        shapes.append(Line(((0, 6), (x, 6), (x, bottom + NODE), (join.after, bottom + NODE)), "skip", arrow=True))
    shapes += moved(join.shapes, 0, bottom)
    return Part(bottom + join.length, max(main.before, join.before), x + max(other.after, 4), tuple(shapes), forks=True)


def _bar_fork(fork: Fork, brief: bool) -> Part:
    """Branches side by side, joined by a bar below all of them."""
    branches = [column(branch, brief=brief) if branch else Part(0, 5, 5) for branch in fork.branches]
    tall = max(part.length for part in branches)
    total = sum(part.before + part.after for part in branches) + 12 * (len(branches) - 1)
    bottom = TURN + tall + STEP_DOWN
    shapes: list[Drawn] = []
    x, ports = -total / 2, list[float]()
    for part in branches:
        x += part.before
        y = TURN + (tall - part.length) / 2
        way = ((0, 0), (0, 8), (x, 8), (x, y)) if abs(x) > 0.5 else ((0, 0), (0, y))
        shapes += [Line(way, arrow=part.length > 0), *moved(part.shapes, x, y)]
        shapes.append(Line(((x, y + part.length), (x, bottom)), arrow=True))
        ports.append(x)
        x += part.after + 12
    bar = bar_of(fork.join, ports[0] - 12, ports[-1] + 12, brief)
    shapes += moved(bar.shapes, 0, bottom)
    return Part(bottom + bar.length, max(total / 2, bar.before), max(total / 2, bar.after), tuple(shapes), forks=True)


def _repeat(repeat: Repeat) -> Part:
    times, unit = len(repeat.copies), repeat.unit
    paths = [shared_path(copy) for copy in (repeat.copies[0], repeat.copies[-1])]
    first, last = next(((a, b) for a, b in zip(*paths, strict=False) if a != b), ("", ""))
    inner = column(unit[0].items if isinstance(unit[0], Group) and len(unit) == 1 else unit, brief=_named(unit))
    name = f"{first} to {last}" if first else ""
    return frame(name, _grown(repeat), inner, times=times, tip=_listed(repeat))


def _named(unit: Series) -> bool:
    return len(unit) == 1 and _one_block(unit[0].items if isinstance(unit[0], Group) else unit)


def _grown(repeat: Repeat) -> str:
    """The size of the output, from the first to the last of the copies."""
    first, last = _out(repeat.copies[0]), _out(repeat.copies[-1])
    return size_of_map(last) if first[:1] == last[:1] else f"{first[0]} to {size_of_map(last)}"


def _listed(repeat: Repeat) -> str:
    layers = [layer for copy in repeat.copies for cell in cells_in(copy) for layer in cell.layers]
    total = sum(layer.parameters for layer in layers)
    names = ", ".join(layer.name for layer in layers)
    return f"{len(repeat.copies)} times the same, {total:,} parameters in all: {names}"


def _out(items: Series) -> Shape:
    """The size of what comes out of *items*."""
    last = [cell for item in items if not isinstance(item, Side) for cell in cells_in((item,))]
    return (last[-1].shape or ()) if last else ()


def _side(side: Side) -> Part:
    path = path_of(side)
    inner = column(side.branch, brief=bool(path))
    return frame(".".join(path), "side head", inner, ends=True)


def _beside(part: Part, sides: Iterable[Side]) -> Part:
    """*part*, and right of it the side heads that go off before it."""
    shapes, length, after = list[Drawn](part.shapes), part.length, part.after
    top = 14.0
    shapes = [Line(((0, 0), (0, top)), arrow=bool(part.shapes) and not part.forks), *moved(part.shapes, 0, top)]
    for side in sides:
        head = _side(side)
        x = after + 18 + head.before
        shapes += [Line(((0, 4), (x, 4), (x, top)), arrow=True), *moved(head.shapes, x, top)]
        length, after = max(length, head.length), x + head.after
    if part.shapes and length > part.length:
        shapes.append(Line(((0, top + part.length), (0, top + length))))
    return Part(length + top, part.before, after, tuple(shapes), forks=True)
