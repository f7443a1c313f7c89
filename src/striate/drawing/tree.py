"""The cells as a tree: one after the other, side by side between a fork and its join, side heads, repeats.

Whatever is not of that kind (a cell in one branch that reads another's inside) is a ``Tangle``: a list with edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from striate.drawing.cells import Cell

Series = tuple["Item", ...]


@dataclass(frozen=True, eq=False)
class Fork:
    """Branches of one source, joined by a cell; an empty branch is the source itself (a skip)."""

    branches: tuple[Series, ...]
    join: Cell


@dataclass(frozen=True, eq=False)
class Side:
    """What goes off from here and does not come back: a side head."""

    branch: Series


@dataclass(frozen=True, eq=False)
class Tangle:
    """Cells in order, the first reading the source (number *entry*)."""

    cells: tuple[Cell, ...]
    entry: int


@dataclass(frozen=True, eq=False)
class Group:
    """Items that share the first part of their names."""

    name: str
    items: Series


@dataclass(frozen=True, eq=False)
class Repeat:
    """The same several times over: *unit* is the first of them, *copies* are all."""

    unit: Series
    copies: tuple[Series, ...]


Item = Cell | Fork | Side | Tangle | Group | Repeat


def tree(cells: list[Cell]) -> Series:
    """The items behind the input (cell 0), up to the net's output."""
    out = next(cell.index for cell in cells if cell.output)
    return _series(cells[1:], 0, out) if cells[1:] else ()


def cells_in(items: Series) -> Iterator[Cell]:
    """All cells, in order."""
    for item in items:
        match item:
            case Cell():
                yield item
            case Fork():
                for branch in item.branches:
                    yield from cells_in(branch)
                yield item.join
            case Side():
                yield from cells_in(item.branch)
            case Tangle():
                yield from item.cells
            case Group():
                yield from cells_in(item.items)
            case Repeat():
                for copy in item.copies:
                    yield from cells_in(copy)


def tangled(items: Series) -> bool:
    """Whether there is a ``Tangle`` anywhere in *items*."""
    for item in items:
        inside = item.branches if isinstance(item, Fork) else (item.branch,) if isinstance(item, Side) else ()
        if isinstance(item, Tangle) or any(map(tangled, inside)):
            return True
    return False


def _series(cells: list[Cell], entry: int, out: int) -> Series:
    """*cells* read each other and *entry* alone; the cell *out* gives their result."""
    live = _ancestors(cells, out)
    main = [cell for cell in cells if cell.index in live]
    sides: dict[int, list[list[Cell]]] = {}
    for dead in _components([cell for cell in cells if cell.index not in live]):
        inside = {cell.index for cell in dead}
        sources = {i for cell in dead for i in cell.inputs} - inside
        if len(sources) > 1:
            last = next(cell for cell in cells if cell.index == out)
            return (Tangle((*(cell for cell in cells if cell is not last), last), entry),)
        sides.setdefault(sources.pop(), []).append(dead)
    return (*_sides(sides, entry), *_between(main, entry, sides))


def _between(main: list[Cell], entry: int, sides: dict[int, list[list[Cell]]]) -> Iterator[Item]:
    """The items of the live cells, from one that all ways pass to the next."""
    source, region = entry, list[Cell]()
    cuts = _cuts(main, entry)
    for cell in main:
        if cell.index not in cuts:
            region.append(cell)
            continue
        attached = [dead for inner in region for dead in sides.get(inner.index, [])]
        inner = sorted([*region, *(c for dead in attached for c in dead)], key=lambda c: c.index)
        yield _item(inner, source, cell)
        yield from _sides(sides, cell.index)
        source, region = cell.index, []


def _sides(sides: dict[int, list[list[Cell]]], source: int) -> Iterator[Side]:
    for dead in sides.get(source, []):
        yield Side(_series(dead, source, dead[-1].index))


def _item(region: list[Cell], source: int, join: Cell) -> Item:
    """*join* alone, or the fork that it closes."""
    if not region and len(join.inputs) == 1:
        return join
    home = {cell.index: part for part in _components(region) for cell in part}
    branches: list[Series] = []
    for end in join.inputs:
        part = home.pop(end, None) if end != source else []
        if part is None or any(home.pop(cell.index, part) is not part for cell in part):
            return Tangle((*region, join), source)
        exits = [i for i in join.inputs if i in {cell.index for cell in part}]
        if part and len(exits) != 1:
            return Tangle((*region, join), source)
        branches.append(_series(part, source, end) if part else ())
    return Fork(tuple(branches), join)


def _ancestors(cells: list[Cell], out: int) -> set[int]:
    live = {out}
    for cell in reversed(cells):
        if cell.index in live:
            live.update(cell.inputs)
    return live


def _components(cells: list[Cell]) -> list[list[Cell]]:
    """The parts of *cells* that no edge connects, in order."""
    part = {cell.index: cell.index for cell in cells}

    def root(i: int) -> int:
        while part[i] != i:
            i = part[i]
        return i

    for cell in cells:
        for i in cell.inputs:
            if i in part:
                a, b = sorted((root(i), root(cell.index)))
                part[b] = a
    found: dict[int, list[Cell]] = {}
    for cell in cells:
        found.setdefault(root(cell.index), []).append(cell)
    return list(found.values())


def _cuts(main: list[Cell], entry: int) -> set[int]:
    """The cells that every way from *entry* to the last passes: no edge jumps over them."""
    reach: dict[int, int] = {}
    for place, cell in enumerate(main):
        for i in cell.inputs:
            reach[i] = place
    cuts, furthest = set(), reach.get(entry, 0)
    for place, cell in enumerate(main):
        if furthest <= place:
            cuts.add(cell.index)
        furthest = max(furthest, reach.get(cell.index, 0))
    return cuts
