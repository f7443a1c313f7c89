"""The built-in shapes as a data set: for every task, of any size and number, from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.shapes.outlines import KINDS
from striate.datasets.shapes.pixels import painted
from striate.datasets.shapes.planning import LARGEST_BYTES, MOST_IMAGES, check_whole, planned
from striate.datasets.shapes.scene import STREAMS, Plan, Scene, arranged
from striate.errors import DataError, nearest

_AT_ONCE = 2**17  # pixels drawn together: they fit into the processor's cache


@dataclass(frozen=True)
class Shape:
    """One shape of an image, as it was drawn.

    Args:
        kind: Its name, such as ``"star"``.
        x: Of its centre of gravity, in pixels from the image's left edge; the first pixel's middle is at 0.5.
        y: Likewise, from the upper edge.
        size: The diameter in pixels of the circle around it.
        angle: How far it is turned, in whole degrees, clockwise; 0 where turning changes nothing.
        colour: One number (grey) or three (red, green, blue), 0 to 255.
    """

    kind: str
    x: float
    y: float
    size: float
    angle: int
    colour: tuple[int, ...]

    @property
    def area(self) -> float:
        """What it covers, in square pixels."""
        return KINDS[self.kind].area * (self.size / 2) ** 2


def open_shapes(
    task: str = "classification",
    n: int = 4000,
    *,
    test: int | None = None,
    size: int | tuple[int, int] = 32,
    channels: int = 3,
    kinds: tuple[str, ...] | None = None,
    most: int | None = None,
    plain: bool = False,
    seed: int = 0,
) -> DataSet:
    """Drawn shapes: the same images for ever from the same seed, whatever the machine and however many are asked for.

    Args:
        task: ``"classification"`` (which kind), ``"regression"`` (x, y and size of the one shape, in pixels),
            ``"count"`` (a regression: how many), ``"multilabel"`` (which kinds are there), ``"segmentation"``.
        n: Images in the training part.
        test: Images in the test part, which are none of these; a quarter of *n* if not given.
        size: Of the images, in pixels: a side, or ``(height, width)``.
        channels: 3, or 1 for grey.
        kinds: Of the shapes; if not given, the first eight of ``striate.datasets.shapes.KINDS``.
        most: The largest number of shapes in an image; they never touch. If not given, it goes by the task.
        plain: Backgrounds of one colour and no noise.
        seed: Another seed, other images.

    Raises:
        DataError: One of these is outside its range.

    >>> data = open_shapes(n=16)
    >>> data.classes
    ('circle', 'square', 'triangle', 'star', 'cross', 'ring', 'ellipse', 'heart')
    >>> data.train.inputs.shape, len(data.test)
    ((16, 32, 32, 3), 4)
    """
    check_whole("n", n, 1, MOST_IMAGES)
    test = max(1, n // 4) if test is None else test
    check_whole("test", test, 1, MOST_IMAGES)
    plan = planned(task, size, channels, kinds, most, plain, seed)
    gigabytes = (n + test) * plan.height * plan.width * (plan.channels + (task == "segmentation")) / 2**30
    if gigabytes > LARGEST_BYTES / 2**30:
        raise DataError(
            f"shapes: these images would take {gigabytes:.0f} GiB of memory, at most 4; take a smaller n or size"
        )
    parts = {name: _part(plan, task, name, count) for name, count in (("train", n), ("test", test))}
    return DataSet(
        "shapes" if task == "classification" else f"shapes-{task}",
        "regression" if task == "count" else task,
        _classes(task, plan.kinds),
        "L" if plan.channels == 1 else "RGB",
        (plan.channels, plan.height, plan.width),
        **parts,
        why="built in",
        positions=((0, 1),) if task == "regression" else (),
    )


def drawn(
    seed: int,
    index: int,
    *,
    part: str = "train",
    task: str = "classification",
    size: int | tuple[int, int] = 32,
    channels: int = 3,
    kinds: tuple[str, ...] | None = None,
    most: int | None = None,
    plain: bool = False,
) -> tuple[Shape, ...]:
    """Everything that is in the image *index* of a *part* of :func:`open_shapes`, which takes the other arguments too.

    >>> [shape.kind for shape in drawn(0, 3)]
    ['star']
    """
    if part not in STREAMS:
        raise DataError(f"shapes: there is no part {part!r}{nearest(str(part), STREAMS)}")
    plan = planned(task, size, channels, kinds, most, plain, seed)
    scene = arranged(plan, part, np.array([index]))
    return tuple(
        Shape(
            plan.kinds[scene.kind[0, m]],
            float(scene.x[0, m]),
            float(scene.y[0, m]),
            float(scene.size[0, m]),
            int(scene.angle[0, m]),
            tuple(math.floor(c + 0.5) for c in scene.colour[0, m].tolist()),
        )
        for m in np.flatnonzero(scene.kind[0] >= 0)
    )


def _classes(task: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    return {"regression": ("x", "y", "size"), "count": ("count",), "segmentation": ("background", *kinds)}.get(
        task, kinds
    )


def _part(plan: Plan, task: str, name: str, n: int) -> Part:
    shape = (n, plan.height, plan.width)
    images = np.empty(shape if plan.channels == 1 else (*shape, plan.channels), np.uint8)
    targets = []
    step = max(1, _AT_ONCE // (plan.height * plan.width))
    for start in range(0, n, step):
        scene = arranged(plan, name, np.arange(start, min(start + step, n)))
        images[start : start + step], masks = painted(plan, scene)
        targets.append(masks if task == "segmentation" else _targets(plan, task, scene))
    return Part(images, np.concatenate(targets), tuple(f"shapes {name} {i}" for i in range(n)))


def _targets(plan: Plan, task: str, scene: Scene) -> np.ndarray:
    """As :class:`~striate.datasets.Part` has them, for each task but segmentation."""
    match task:
        case "classification":
            return scene.kind[:, 0]
        case "regression":
            return np.stack([values[:, 0] for values in (scene.x, scene.y, scene.size)], axis=1).astype(np.float32)
        case "count":
            return (scene.kind >= 0).sum(axis=1, keepdims=True).astype(np.float32)
        case _:
            return (scene.kind[:, :, None] == np.arange(len(plan.kinds))).any(axis=1).astype(np.uint8)
