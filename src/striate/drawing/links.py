"""What leads from one map to the next: the kernel's window with its lines to one unit, or an arrow."""

from __future__ import annotations

from striate.drawing.cells import Cell
from striate.drawing.scene import Box, Line, Mark, Point, Shapes
from striate.drawing.words import kernel_of

HIGH, LOW, MIDDLE = (0.66, 0.36), (0.3, 0.66), (0.5, 0.5)  # where windows and units lie on a plate
UNIT, LEAST = 4.0, 4.0  # pixels of the mark of one unit, and of the smallest window


def link(source: Box, given: Cell, target: Box, cell: Cell) -> Shapes:
    """From *given*, drawn as *source*, to the *cell* that reads it, drawn as *target*."""
    if not cell.main or not given.shape or target.look == "node" or source.look == "node" or cell.kind == "other":
        return flow(source, target)
    kernel = kernel_of(cell.main)
    if cell.kind == "up" and kernel and len(cell.shape or ()) == len(kernel) + 1:
        window, unit = _window(target, cell.shape or (), kernel, LOW, cell.kind), _unit(source, HIGH, cell.kind)
        return (*_cone(unit, window, opens=True), window, unit)
    unit = _unit(target, LOW if len(cell.shape or ()) > 1 else MIDDLE, cell.kind)
    if kernel and len(given.shape) == len(kernel) + 1:
        window = _window(source, given.shape, kernel, HIGH, cell.kind)
        return (*_cone(unit, window), window, unit)
    left, top, right, bottom = source.front
    whole = Mark(left, top, right - left, bottom - top, cell.kind)
    return (*_cone(unit, whole), unit)


def flow(source: Box, target: Box) -> Shapes:
    """A plain arrow."""
    return (Line(((source.bounds[2] + 2, 0), (target.x - 1, 0)), arrow=True),)


def arrow_to(x: float, target: Box) -> Shapes:
    """An arrow from *x* on the line of the flow to the left of *target*."""
    return (Line(((x, 0), (target.x - 1, 0)), arrow=True),)


def _window(box: Box, shape: tuple[int, ...], kernel: tuple[int, ...], place: Point, kind: str) -> Mark:
    """The kernel's window upon the front plate of *box*, its centre at *place* (parts of the plate)."""
    left, top, right, bottom = box.front
    flat = len(shape) > 2  # a sequence has a length alone
    width = _part(right - left, kernel[-1] / max(1, shape[-1])) if flat else right - left
    height = _part(bottom - top, kernel[-2] / max(1, shape[-2]) if flat else kernel[-1] / max(1, shape[-1]))
    x = min(max(left + place[0] * (right - left) - width / 2, left), right - width)
    y = min(max(top + place[1] * (bottom - top) - height / 2, top), bottom - height)
    return Mark(x, y, width, height, kind)


def _part(side: float, share: float) -> float:
    return min(side, max(LEAST, side * share))


def _unit(box: Box, place: Point, kind: str) -> Mark:
    left, top, right, bottom = box.front
    side = min(UNIT, right - left, bottom - top)
    x, y = left + place[0] * (right - left), top + place[1] * (bottom - top)
    return Mark(x - side / 2, y - side / 2, side, side, kind)


def _cone(unit: Mark, window: Mark, *, opens: bool = False) -> Shapes:
    """The lines from the corners of the window that look towards the unit."""
    x = window.x if opens else window.x + window.width
    tip: Point = (unit.x + unit.width, unit.y + unit.height / 2) if opens else (unit.x, unit.y + unit.height / 2)
    ends = ((x, window.y), (x, window.y + window.height))
    return tuple(Line((end, tip), "window", kind=unit.kind) for end in ends)
