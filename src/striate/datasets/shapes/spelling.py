"""How the shapes are asked for in a word of the command line: ``shapes:segmentation,size=64,grey``."""

from __future__ import annotations

import re
from typing import Any

from striate.datasets.dataset import DataSet
from striate.datasets.shapes.opening import open_shapes
from striate.datasets.shapes.planning import MOST
from striate.errors import DataError, nearest

_WORDS: dict[str, dict[str, Any]] = {
    **{task: {"task": task} for task in MOST},
    **{word: {"channels": 1} for word in ("grey", "gray")},
    **{word: {"channels": 3} for word in ("colour", "color")},
    "plain": {"plain": True},
}
_NUMBERS = ("n", "test", "size", "most", "seed")


def shapes_named(options: str = "") -> DataSet:
    """The shapes that *options* ask for: words and settings with commas between, in any order.

    Words: a task, ``grey``, ``plain``. Settings: ``n=5000``, ``test=500``, ``size=64`` or ``size=48x64`` (height and
    width), ``most=4``, ``seed=1``, ``kinds=circle+square``, ``task=count``; all as in :func:`open_shapes`.

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
        f"; write {word}=NUMBER" if word in _NUMBERS else nearest(word, [*MOST, "grey", "plain", "kinds=", "size="])
    )
    raise DataError(f"shapes: {word!r} is no task and no option{way_out}")


def _setting(name: str, value: str) -> dict[str, Any]:
    if name in ("task", "kinds"):
        return {name: value if name == "task" else tuple(kind.strip() for kind in value.split("+"))}
    if name not in _NUMBERS:
        raise DataError(f"shapes: there is no option {name!r}{nearest(name, [*_NUMBERS, 'task', 'kinds'])}")
    sides = re.fullmatch(r"(\d+)x(\d+)", value) if name == "size" else None
    if sides:
        return {name: (int(sides[1]), int(sides[2]))}
    if not re.fullmatch(r"[+-]?\d{1,18}", value):
        raise DataError(f"shapes: {name} is {value!r}, expected a whole number, such as {name}={_EXAMPLES[name]}")
    return {name: int(value)}


_EXAMPLES = {"n": "5000", "test": "500", "size": "64 or size=48x64", "most": "3", "seed": "1"}
