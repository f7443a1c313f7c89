"""The cells as a tree: one after the other, side by side between a fork and its join, side heads, groups, repeats.

Whatever is not of that kind (a cell in one branch that reads another's inside) is a ``Tangle``: a list with edges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from os.path import commonprefix

from striate.drawing.cells import Cell
from striate.spec.ops import StochasticDepth

Series = tuple["Item", ...]
Path = tuple[str, ...]
Key = tuple[object, ...]
MAX_UNIT = 6  # items that repeat together


@dataclass(frozen=True, eq=False)
class Fork:
    """Branches of one source, joined by a cell; an empty branch is the source itself (a skip)."""

    branches: tuple[Series, ...]
    join: Cell


@dataclass(frozen=True, eq=False)
class SideHead:
    """What goes off from here and does not come back."""

    branch: Series


@dataclass(frozen=True, eq=False)
class Tangle:
    """Cells in order, the first reading the source (number *entry*)."""

    cells: tuple[Cell, ...]
    entry: int


@dataclass(frozen=True, eq=False)
class NamedGroup:
    """Items that share the first part of their names."""

    name: str
    items: Series


@dataclass(frozen=True, eq=False)
class Repeat:
    """The same several times over: *unit* is the first of them, *copies* are all."""

    unit: Series
    copies: tuple[Series, ...]


Item = Cell | Fork | SideHead | Tangle | NamedGroup | Repeat


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
            case Tangle():
                yield from item.cells
            case _:
                for inner in inside(item):
                    yield from cells_in(inner)


def inside(item: Item) -> tuple[Series, ...]:
    """The series that *item* consists of; none of a cell and of a tangle."""
    match item:
        case Fork():
            return (*item.branches, (item.join,))
        case SideHead():
            return (item.branch,)
        case NamedGroup():
            return (item.items,)
        case Repeat():
            return item.copies
        case _:
            return ()


def is_tangled(items: Series) -> bool:
    """Whether there is a ``Tangle`` anywhere in *items*."""
    return any(isinstance(item, Tangle) or any(map(is_tangled, inside(item))) for item in items)


# ------------------------------------------------------------------------------------------------ from the edges
def _series(cells: list[Cell], entry: int, out: int) -> Series:
    """*cells* read each other and *entry* alone; the cell *out* gives their result."""
    live = {out}
    for cell in reversed(cells):
        if cell.index in live:
            live.update(cell.inputs)
    heads: dict[int, list[list[Cell]]] = {}
    for dead in _components([cell for cell in cells if cell.index not in live]):
        sources = {i for cell in dead for i in cell.inputs} - {cell.index for cell in dead}
        if len(sources) > 1:
            return (Tangle(tuple(sorted(cells, key=lambda cell: cell.index == out)), entry),)
        heads.setdefault(sources.pop(), []).append(dead)
    return (*_heads(heads, entry), *_between([cell for cell in cells if cell.index in live], entry, heads))


def _between(main: list[Cell], entry: int, heads: dict[int, list[list[Cell]]]) -> Iterator[Item]:
    """The items of the live cells, from one that all paths pass to the next: no edge jumps over it."""
    last_reader = {i: place for place, cell in enumerate(main) for i in cell.inputs}
    source, region, furthest = entry, list[Cell](), last_reader.get(entry, 0)
    for place, cell in enumerate(main):
        if furthest <= place:
            attached = [dead for inner in region for part in heads.get(inner.index, []) for dead in part]
            yield _item(sorted([*region, *attached], key=lambda c: c.index), source, cell)
            yield from _heads(heads, cell.index)
            source, region = cell.index, []
        else:
            region.append(cell)
        furthest = max(furthest, last_reader.get(cell.index, 0))


def _heads(heads: dict[int, list[list[Cell]]], source: int) -> Iterator[SideHead]:
    for dead in heads.get(source, []):
        yield SideHead(_series(dead, source, dead[-1].index))


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
        if part and len(set(join.inputs) & {cell.index for cell in part}) != 1:
            return Tangle((*region, join), source)
        branches.append(_series(part, source, end) if part else ())
    return Fork(tuple(branches), join)


def _components(cells: list[Cell]) -> list[list[Cell]]:
    """The parts of *cells* that no edge connects, in order."""
    home: dict[int, list[Cell]] = {}
    for cell in cells:
        home[cell.index] = [cell]
        for i in cell.inputs:
            if i in home and (part := home[cell.index]) is not home[i]:
                home[i] += part
                home.update((other.index, home[i]) for other in part)
    return [sorted(part, key=lambda cell: cell.index) for part in {id(part): part for part in home.values()}.values()]


# ------------------------------------------------------------------------------------------------ from the names
def fold(items: Series) -> Series:
    """*items* grouped by the beginnings of their names, and what repeats drawn once.

    >>> from striate.analysis import analyse
    >>> from striate.drawing.cells import cells
    >>> net = "input 1x9x9; a: conv 4 3; b: conv 8 3 padding=1; c: conv 8 3 padding=1; d: conv 8 3 padding=1"
    >>> [type(item).__name__ for item in fold(tree(cells(analyse(net))))]
    ['Cell', 'Repeat']
    """
    every = list(cells_in(items))
    for cell in every:
        cell.label = cell.name
    taken = Counter(path for cell in every for path in _prefixes(cell))
    return _folded(_grouped(items, len(shared_path(items)) if len(every) > 1 else 0, taken))


def shared_path(items: Series) -> Path:
    """What the names of the main layers in *items* begin with, all of them."""
    return tuple(commonprefix([cell.name.split(".") for cell in cells_in(items)]))


def _prefixes(cell: Cell) -> list[Path]:
    """What a name can be shortened to: its first part, its first two, and so on."""
    parts = cell.name.split(".")
    return [tuple(parts[:n]) for n in range(1, len(parts) + 1)]


def _grouped(items: Series, at: int, taken: Counter[Path]) -> Series:
    """Neighbours with the same part number *at* in their names become a group."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Cell):  # the shortest name that no other cell has
            prefixes = _prefixes(item)
            short = next((path for path in prefixes[at:] if taken[path] == 1), prefixes[-1])
            item.label = ".".join(short[at:]) or item.name
    for part, run in groupby(items, key=lambda item: (shared_path((item,))[at : at + 1] or (None,))[0]):
        same = tuple(run)
        if part is None or (len(same) == 1 and (isinstance(same[0], SideHead) or len(list(cells_in(same))) == 1)):
            found += map(_folded_inside, same)
        elif len(same) == 1:
            found.append(NamedGroup(part, (_folded_inside(same[0]),)))
        else:
            found.append(NamedGroup(part, _without_frames(_grouped(same, at + 1, taken))))
    return tuple(found)


def _without_frames(items: Series) -> Series:
    """A block of layers has no frames inside: only groups of blocks do."""
    if not any(isinstance(item, Cell) for item in items):
        return items
    forks = (
        item.items if isinstance(item, NamedGroup) and isinstance(item.items[0], Fork) else (item,) for item in items
    )
    return tuple(item for inner in forks for item in inner)


def _folded_inside(item: Item) -> Item:
    """With the repeats in its branches folded (a block has no groups inside)."""
    match item:
        case Fork():
            return Fork(tuple(map(_folded, item.branches)), item.join)
        case SideHead():
            return SideHead(_folded(item.branch))
        case _:
            return item


def _folded(items: Series) -> Series:
    items = tuple(
        NamedGroup(item.name, _folded(item.items)) if isinstance(item, NamedGroup) else item for item in items
    )
    keys = [_key(item) for item in items]
    found: list[Item] = []
    at = 0
    while at < len(items):
        length, count = max(_repeats(keys, at), key=lambda unit: unit[0] * unit[1] * (unit[1] > 1))
        copies = tuple(items[i : i + length] for i in range(at, at + length * count, length))
        found += [Repeat(copies[0], copies)] if count > 1 else [items[at]]
        at += length * count if count > 1 else 1
    return tuple(found)


def _repeats(keys: list[Key], at: int) -> Iterator[tuple[int, int]]:
    """For units of each length from *at* on: how often they repeat."""
    for length in range(1, MAX_UNIT + 1):
        unit, count = keys[at : at + length], 1
        while keys[at + count * length : at + (count + 1) * length] == unit:
            count += 1
        yield length, count


def _key(item: Item) -> Key:
    """Equal for items that do the same on maps of the same size (channels that grow from copy to copy may differ)."""
    match item:
        case Cell() if item.faults:
            return (item.index,)
        case Cell():  # the probability of stochastic depth grows with it
            ops = (StochasticDepth if isinstance(layer.spec, StochasticDepth) else layer.op for layer in item.layers)
            return (*ops, item.shape[1:])
        case SideHead() | Tangle():
            return (id(item),)
        case _:
            return (type(item), *(tuple(map(_key, inner)) for inner in inside(item)))
