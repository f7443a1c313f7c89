"""The layers of a network as the page lays them out: branches and their joins, named groups, what repeats."""

from __future__ import annotations

from typing import Any

from striate.analysis.report import Report
from striate.drawing.cells import Cell, cells
from striate.drawing.tree import Fork, Item, NamedGroup, Repeat, Series, SideHead, Tangle, fold, shared_path, tree


def blocks(report: Report) -> list[Any]:
    """The tree that ``check --svg`` draws, as JSON: a layer's name, or an object of one key, which says what it is.

    ``block`` is a group with its ``items``, ``run`` the copies of what repeats, ``branches`` lie side by side and end
    in ``join``, ``head`` goes off and does not come back, ``tangle`` is in order but of no such form.

    >>> from striate.analysis import analyse
    >>> from striate.spec import Conv, ReLU, Seq, Sum
    >>> blocks(analyse(Seq(Conv(4, 3), ReLU(), Sum(Conv(4, 3, padding=1), Seq())), input=(1, 9, 9)))
    ['conv1', 'relu1', {'block': 'block1', 'items': [{'branches': [['block1.conv1'], []], 'join': ['block1.add']}]}]
    """
    found = cells(report)
    return [*_names(found[0]), *_items(fold(tree(found)), 0)]  # what is done to the input first stands with it


def _items(items: Series, depth: int) -> list[Any]:
    return [entry for item in items for entry in _entries(item, depth)]


def _entries(item: Item, depth: int) -> list[Any]:
    """What *item* is in the list; *depth* parts of its layers' names are those of the group around it."""
    match item:
        case Cell():
            return _names(item)
        case Fork():
            return [{"branches": [_items(branch, depth) for branch in item.branches], "join": _names(item.join)}]
        case SideHead():
            return [{"head": _items(item.branch, depth)}]
        case Tangle():
            return [{"tangle": [name for cell in item.cells for name in _names(cell)]}]
        case NamedGroup():
            path = shared_path(item.items)
            end = path.index(item.name, depth) + 1 if item.name in path[depth:] else len(path)
            return [{"block": ".".join(path[:end]), "items": _items(item.items, end)}]
        case Repeat():
            return [{"run": [_items(copy, depth) for copy in item.copies]}]


def _names(cell: Cell) -> list[str]:
    return [layer.name for layer in cell.layers]
