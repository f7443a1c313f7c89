"""The built-in shapes as a data set: for every task, of any size and number, from a seed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.shapes.outlines import KINDS
from striate.datasets.shapes.scene import STREAMS, Scene, ScenePlan, arrange_scene, render_scene
from striate.errors import DataError, nearest
from striate.tasks import CLASSIFICATION, MULTILABEL, REGRESSION, SEGMENTATION, Task

DEFAULT_KINDS = tuple(KINDS)[:8]
_AT_ONCE = 2**17  # pixels drawn together: they fit into the processor's cache
_SMALLEST_SHAPE = 4  # pixels
_MAX_SIDE, _MAX_BYTES, _MAX_IMAGES = 4096, 2**32, 10_000_000


@dataclass(frozen=True)
class _Exercise:
    """What is to be learned from the images.

    Args:
        task: Of the data set.
        classes: Its classes, from the kinds of shapes.
        targets: Those of a scene, as :class:`~striate.datasets.Part` has them; from the plan, the scene, the masks.
        max_shapes: The largest number of shapes in an image, if not given; where *single* is true there is always one.
        single: Likewise.
    """

    task: Task
    classes: Callable[[tuple[str, ...]], tuple[str, ...]]
    targets: Callable[[ScenePlan, Scene, np.ndarray], np.ndarray]
    max_shapes: int = 1
    single: bool = False


_EXERCISES = {
    CLASSIFICATION.name: _Exercise(
        CLASSIFICATION, lambda kinds: kinds, lambda plan, scene, masks: scene.kind[:, 0], single=True
    ),
    REGRESSION.name: _Exercise(
        REGRESSION,
        lambda kinds: ("x", "y", "size"),
        lambda plan, scene, masks: np.stack([v[:, 0] for v in (scene.x, scene.y, scene.size)], 1).astype(np.float32),
        single=True,
    ),
    "count": _Exercise(
        REGRESSION,
        lambda kinds: ("count",),
        lambda plan, scene, masks: (scene.kind >= 0).sum(axis=1, keepdims=True).astype(np.float32),
        max_shapes=6,
    ),
    MULTILABEL.name: _Exercise(
        MULTILABEL,
        lambda kinds: kinds,
        lambda plan, scene, masks: (scene.kind[:, :, None] == np.arange(len(plan.kinds))).any(axis=1).astype(np.uint8),
        max_shapes=2,
    ),
    SEGMENTATION.name: _Exercise(
        SEGMENTATION, lambda kinds: ("background", *kinds), lambda plan, scene, masks: masks, max_shapes=3
    ),
}
_DEFAULT = CLASSIFICATION.name


@dataclass(frozen=True)
class DrawnShape:
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
    task: str = _DEFAULT,
    n: int = 4000,
    *,
    test: int | None = None,
    size: int | tuple[int, int] = 32,
    channels: int = 3,
    kinds: tuple[str, ...] | None = None,
    max_shapes: int | None = None,
    plain: bool = False,
    seed: int = 0,
) -> DataSet:
    """Drawn shapes: the same images for ever from the same seed, whatever the machine and the number of images.

    Args:
        task: ``"classification"`` (which kind), ``"regression"`` (x, y and size of the one shape, in pixels),
            ``"count"`` (a regression: how many), ``"multilabel"`` (which kinds are there), ``"segmentation"``.
        n: Images in the training split.
        test: Images in the test split, which are none of these; a quarter of *n* if not given.
        size: Of the images, in pixels: a side, or ``(height, width)``.
        channels: 3, or 1 for grey.
        kinds: Of the shapes; if not given, the first eight of ``striate.datasets.shapes.KINDS``.
        max_shapes: The largest number of shapes in an image; they never touch. If not given, it depends on the task.
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
    _check_whole("n", n, 1, _MAX_IMAGES)
    test = max(1, n // 4) if test is None else test
    _check_whole("test", test, 1, _MAX_IMAGES)
    exercise, plan = _planned(task, size, channels, kinds, max_shapes, plain, seed)
    bytes_ = (n + test) * plan.height * plan.width * (plan.channels + exercise.task.per_pixel)
    if bytes_ > _MAX_BYTES:
        raise DataError(
            f"shapes: these images would take {bytes_ / 2**30:.0f} GiB of memory, at most {_MAX_BYTES >> 30}; use a "
            "smaller n or size"
        )
    return DataSet(
        "shapes" if task == _DEFAULT else f"shapes-{task}",
        exercise.task,
        exercise.classes(plan.kinds),
        "L" if plan.channels == 1 else "RGB",
        (plan.channels, plan.height, plan.width),
        _part(plan, exercise, "train", n),
        test=_part(plan, exercise, "test", test),
        why="built in",
        positions=((0, 1),) if exercise.task.has_positions and exercise.single else (),
    )


def shapes_in_image(
    seed: int,
    index: int,
    *,
    split: str = "train",
    task: str = _DEFAULT,
    size: int | tuple[int, int] = 32,
    channels: int = 3,
    kinds: tuple[str, ...] | None = None,
    max_shapes: int | None = None,
    plain: bool = False,
) -> tuple[DrawnShape, ...]:
    """Everything that is in the image *index* of a *split* of :func:`open_shapes`, which takes the other arguments too.

    Raises:
        DataError: As :func:`open_shapes`; there is no such split.

    >>> [shape.kind for shape in shapes_in_image(0, 3)]
    ['star']
    """
    if split not in STREAMS:
        raise DataError(f"shapes: no split named {split!r}{nearest(str(split), STREAMS)}")
    _, plan = _planned(task, size, channels, kinds, max_shapes, plain, seed)
    scene = arrange_scene(plan, split, np.array([index]))
    values = (scene.kind, scene.x, scene.y, scene.size, scene.angle, scene.colour)
    return tuple(
        DrawnShape(
            plan.kinds[kind], float(x), float(y), float(size), int(angle), tuple(math.floor(c + 0.5) for c in colour)
        )
        for kind, x, y, size, angle, colour in zip(*(value[0] for value in values), strict=True)
        if kind >= 0
    )


def _part(plan: ScenePlan, exercise: _Exercise, split: str, n: int) -> Part:
    shape = (n, plan.height, plan.width)
    images = np.empty(shape if plan.channels == 1 else (*shape, plan.channels), np.uint8)
    targets = []
    step = max(1, _AT_ONCE // (plan.height * plan.width))
    for start in range(0, n, step):
        scene = arrange_scene(plan, split, np.arange(start, min(start + step, n)))
        images[start : start + step], masks = render_scene(plan, scene)
        targets.append(exercise.targets(plan, scene, masks))
    return Part(images, np.concatenate(targets), tuple(f"shapes {split} {i}" for i in range(n)))


def _planned(
    task: str,
    size: int | tuple[int, int],
    channels: int,
    kinds: tuple[str, ...] | None,
    max_shapes: int | None,
    plain: bool,
    seed: int,
) -> tuple[_Exercise, ScenePlan]:
    """What the arguments of :func:`open_shapes` mean; DataError where one is outside its range."""
    if task not in _EXERCISES:
        raise DataError(f"shapes: no task named {task!r}{nearest(str(task), _EXERCISES)}")
    exercise = _EXERCISES[task]
    height, width = size if isinstance(size, tuple) and len(size) == 2 else (size, size)
    for side in (height, width):
        _check_whole("size", side, 1, _MAX_SIDE)
    if channels not in (1, 3):
        raise DataError(f"shapes: channels is {channels!r}, expected 3 (colour) or 1 (grey)")
    max_shapes = exercise.max_shapes if max_shapes is None else max_shapes
    _check_whole("max", max_shapes, 1, 32)
    if max_shapes > 1 and exercise.single:
        several = ", ".join(name for name, other in _EXERCISES.items() if not other.single)
        raise DataError(f"shapes: max is {max_shapes}, but {task} is of images with one shape; use one of {several}")
    _check_whole("seed", seed, 0, 2**63 - 1)
    kinds = _checked_kinds(DEFAULT_KINDS if kinds is None else kinds, task, exercise.task)
    plan = ScenePlan(height, width, channels, kinds, max_shapes, plain, seed)
    if plan.sizes[0] < _SMALLEST_SHAPE:
        least = math.ceil(min(height, width) * _SMALLEST_SHAPE / plan.sizes[0])
        raise DataError(
            f"shapes: images of {height}x{width} pixels are too small for {max_shapes} shape{'s' * (max_shapes > 1)}; "
            f"use size={least} or more" + (", or a smaller max" if max_shapes > 1 else "")
        )
    return exercise, plan


def _checked_kinds(kinds: tuple[str, ...], name: str, task: Task) -> tuple[str, ...]:
    for kind in kinds:
        if kind not in KINDS:
            raise DataError(f"shapes: no kind named {kind!r}{nearest(str(kind), KINDS)}")
    if len(set(kinds)) < len(kinds):
        raise DataError(f"shapes: a kind is named twice: {', '.join(kinds)}")
    least = 2 if task.exclusive else 1
    if len(kinds) < least:
        raise DataError(f"shapes: {name} needs {least} kinds or more, of {', '.join(KINDS)}")
    return tuple(kinds)


def _check_whole(name: str, number: object, low: int, high: int) -> None:
    """DataError where *number* is not a whole one from *low* to *high*."""
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise DataError(f"shapes: {name} is {number!r}, expected a whole number from {low} to {high:,}")


# ------------------------------------------------- in a word of the command line: ``shapes:segmentation,size=64,grey``
_WORDS: dict[str, dict[str, Any]] = {
    **{task: {"task": task} for task in _EXERCISES},
    **{word: {"channels": 1} for word in ("grey", "gray")},
    **{word: {"channels": 3} for word in ("colour", "color")},
    "plain": {"plain": True},
}
_NUMBERS = {  # option -> parameter of open_shapes, an example
    "n": ("n", "5000"),
    "test": ("test", "500"),
    "size": ("size", "64 or size=48x64"),
    "max": ("max_shapes", "3"),
    "most": ("max_shapes", "3"),  # as it was called before
    "seed": ("seed", "1"),
}


def shapes_named(options: str = "") -> DataSet:
    """The shapes that *options* describe: words and settings with commas between, in any order.

    Words: a task, ``grey``, ``plain``. Settings: ``n=5000``, ``test=500``, ``size=64`` or ``size=48x64`` (height and
    width), ``max=4``, ``seed=1``, ``kinds=circle+square``, ``task=count``; all as in :func:`open_shapes`.

    Raises:
        DataError: A word or a setting that there is not, or outside its range.

    >>> shapes_named("segmentation,n=8,size=48x64,grey").input
    (1, 48, 64)
    """
    settings: dict[str, Any] = {}
    for word in filter(None, (word.strip() for word in options.split(","))):
        name, equals, value = (side.strip() for side in word.partition("="))
        for key, meant in (_setting(name, value) if equals else _word(word)).items():
            if key in settings:
                raise DataError(f"shapes: {key} is given twice, as {settings[key]!r} and as {meant!r}")
            settings[key] = meant
    return open_shapes(**settings)


def _word(word: str) -> dict[str, Any]:
    if word in _WORDS:
        return _WORDS[word]
    way_out = (
        f"; write {word}=NUMBER"
        if word in _NUMBERS
        else nearest(word, [*_EXERCISES, "grey", "plain", "kinds=", "size="])
    )
    raise DataError(f"shapes: {word!r} is not a task or an option{way_out}")


def _setting(name: str, value: str) -> dict[str, Any]:
    if name in ("task", "kinds"):
        return {name: value if name == "task" else tuple(kind.strip() for kind in value.split("+"))}
    if name not in _NUMBERS:
        raise DataError(f"shapes: no option named {name!r}{nearest(name, [*_NUMBERS, 'task', 'kinds'])}")
    key, example = _NUMBERS[name]
    sides = re.fullmatch(r"(\d+)x(\d+)", value) if name == "size" else None
    if sides:
        return {key: (int(sides[1]), int(sides[2]))}
    if not re.fullmatch(r"[+-]?\d{1,18}", value):
        raise DataError(f"shapes: {name} is {value!r}, expected a whole number, such as {name}={example}")
    return {key: int(value)}
