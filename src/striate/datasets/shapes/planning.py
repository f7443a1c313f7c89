"""What may be asked for: the ranges of everything that decides the images."""

from __future__ import annotations

import math

from striate.datasets.shapes.outlines import KINDS
from striate.datasets.shapes.scene import Plan
from striate.errors import DataError, nearest

# The largest number of shapes in an image, where nothing else is asked for.
MOST = {"classification": 1, "regression": 1, "count": 6, "multilabel": 2, "segmentation": 3}
DEFAULT_KINDS = tuple(KINDS)[:8]
SMALLEST_SHAPE = 4  # pixels
LARGEST_SIDE, LARGEST_BYTES, MOST_IMAGES = 4096, 2**32, 10_000_000


def planned(
    task: str,
    size: int | tuple[int, int],
    channels: int,
    kinds: tuple[str, ...] | None,
    most: int | None,
    plain: bool,
    seed: int,
) -> Plan:
    """The plan that the arguments of :func:`open_shapes` make; DataError where one is outside."""
    if task not in MOST:
        raise DataError(f"shapes: there is no task {task!r}{nearest(str(task), MOST)}")
    height, width = size if isinstance(size, tuple) and len(size) == 2 else (size, size)
    for side in (height, width):
        check_whole("size", side, 1, LARGEST_SIDE)
    if channels not in (1, 3):
        raise DataError(f"shapes: channels is {channels!r}, expected 3 (colour) or 1 (grey)")
    most = MOST[task] if most is None else most
    check_whole("most", most, 1, 32)
    if most > 1 and task in ("classification", "regression"):
        raise DataError(
            f"shapes: most is {most}, but {task} is of images with one shape; take count, multilabel or segmentation"
        )
    check_whole("seed", seed, 0, 2**63 - 1)
    plan = Plan(height, width, channels, _kinds(DEFAULT_KINDS if kinds is None else kinds, task), most, plain, seed)
    if plan.sizes[0] < SMALLEST_SHAPE:
        least = math.ceil(min(height, width) * SMALLEST_SHAPE / plan.sizes[0])
        raise DataError(
            f"shapes: images of {height}x{width} pixels are too small for {most} shape{'s' * (most > 1)}; take "
            f"size={least} or more" + (", or a smaller most" if most > 1 else "")
        )
    return plan


def _kinds(kinds: tuple[str, ...], task: str) -> tuple[str, ...]:
    for kind in kinds:
        if kind not in KINDS:
            raise DataError(f"shapes: there is no kind {kind!r}{nearest(str(kind), KINDS)}")
    if len(set(kinds)) < len(kinds):
        raise DataError(f"shapes: a kind is named twice: {', '.join(kinds)}")
    least = 2 if task == "classification" else 1
    if len(kinds) < least:
        raise DataError(f"shapes: {task} needs {least} kinds or more, of {', '.join(KINDS)}")
    return tuple(kinds)


def check_whole(name: str, number: object, low: int, high: int) -> None:
    """DataError where *number* is not a whole one from *low* to *high*."""
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise DataError(f"shapes: {name} is {number!r}, expected a whole number from {low} to {high:,}")
