"""Making a big network small: what shares a name becomes a group, what repeats is drawn once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from striate.drawing.cells import Cell
from striate.drawing.tree import Fork, Group, Item, Repeat, Series, Side, Tangle, cells_in
from striate.drawing.words import word_of

Path = tuple[str, ...]
Key = tuple[object, ...]
LONGEST_UNIT = 6  # items that repeat together


def blocks(items: Series) -> Series:
    """*items* grouped by their names, repeats folded.

    >>> from striate.analysis import check
    >>> from striate.drawing.cells import cells
    >>> from striate.drawing.tree import tree
    >>> net = "input 1x9x9; a: conv 4 3; b: conv 8 3 padding=1; c: conv 8 3 padding=1; d: conv 8 3 padding=1"
    >>> [type(item).__name__ for item in blocks(tree(cells(check(net))))]
    ['Cell', 'Repeat']
    """
    at = len(shared_path(items))
    for cell in (every := list(cells_in(items))):
        cell.label = cell.name
    taken = Counter(path for cell in every for path in _heads(cell))
    return _folded(_grouped(items, at if len(every) > 1 else 0, taken))


def path_of(item: Item) -> Path:
    """What the names of its main layers begin with, all of them."""
    return shared_path((item,))


def shared_path(items: Series) -> Path:
    paths = [cell.name.split(".") for cell in cells_in(items)]
    if not paths:
        return ()
    first, last = min(paths), max(paths)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return tuple(first[:same])


def _heads(cell: Cell) -> list[Path]:
    """What a name can be shortened to: its first part, its first two, and so on."""
    parts = cell.name.split(".")
    return [tuple(parts[:n]) for n in range(1, len(parts) + 1)]


def _grouped(items: Series, at: int, taken: Counter[Path]) -> Series:
    """Neighbours with the same part number *at* in their names become a group."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Cell):  # the shortest name that no other cell has
            head = next((head for head in _heads(item)[at:] if taken[head] == 1), tuple(item.name.split(".")))
            item.label = ".".join(head[at:]) or item.name
    for part, run in groupby(items, key=lambda item: (path_of(item)[at : at + 1] or (None,))[0]):
        same = tuple(run)
        if part is None or (len(same) == 1 and (isinstance(same[0], Side) or len(list(cells_in(same))) == 1)):
            found += [_inside(item) for item in same]
        elif len(same) == 1:
            found.append(Group(part, (_inside(same[0]),)))
        else:
            found.append(Group(part, _plain(_grouped(same, at + 1, taken))))
    return tuple(found)


def _plain(items: Series) -> Series:
    """A block of layers has no frames inside: only groups of blocks do."""
    if not any(isinstance(item, Cell) for item in items):
        return items
    forks = (item.items if isinstance(item, Group) and isinstance(item.items[0], Fork) else (item,) for item in items)
    return tuple(item for inner in forks for item in inner)


def _inside(item: Item) -> Item:
    """With the repeats in its branches folded (a block has no groups inside)."""
    match item:
        case Fork():
            return Fork(tuple(_folded(branch) for branch in item.branches), item.join)
        case Side():
            return Side(_folded(item.branch))
        case _:
            return item


def _folded(items: Series) -> Series:
    items = tuple(Group(i.name, _folded(i.items)) if isinstance(i, Group) else i for i in items)
    keys = [key(item) for item in items]
    found: list[Item] = []
    at = 0
    while at < len(items):
        length, count = _best(keys, at)
        if count == 1:
            found.append(items[at])
        else:
            copies = tuple(items[at + i * length : at + (i + 1) * length] for i in range(count))
            found.append(Repeat(copies[0], copies))
        at += length * count
    return tuple(found)


def _best(keys: list[Key], at: int) -> tuple[int, int]:
    """The length of the unit and the number of its repeats from *at* on that cover most."""
    best = (1, 1)
    for length in range(1, LONGEST_UNIT + 1):
        unit = keys[at : at + length]
        count = 1
        while keys[at + count * length : at + (count + 1) * length] == unit:
            count += 1
        if count > 1 and length * count > best[0] * best[1]:
            best = (length, count)
    return best


def key(item: Item) -> Key:
    """Equal for items that do the same on maps of the same size (channels that grow from copy to copy may differ)."""
    match item:
        case Cell():
            return (*_said(item), (item.shape or ())[1:]) if not item.faults else (item.index,)
        case Fork():
            return ("fork", *(tuple(key(i) for i in branch) for branch in item.branches), key(item.join))
        case Group():
            return ("group", *(key(i) for i in item.items))
        case Repeat():
            return ("repeat", len(item.copies), *(key(i) for i in item.unit))
        case Side() | Tangle():
            return (id(item),)


def _said(cell: Cell) -> Iterator[str]:
    for layer in cell.layers:
        yield "stochasticdepth" if word_of(layer) == "stochasticdepth" else layer.op
