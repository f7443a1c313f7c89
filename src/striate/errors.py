"""What striate raises when the person, and not the program, has to change something.

Every message says where, what came, what was wanted and the way out.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class Error(ValueError):
    """The root of striate's own errors."""


class SpecError(Error):
    """A description of a network that cannot be one: an unknown word, a bad field, a name used twice."""


class ShapeError(Error):
    """A network whose layers do not fit together, or do not fit what they are given."""


class RecipeError(Error):
    """A training setting outside its range."""


class DataError(Error):
    """Data that cannot be read, or that cannot be learned from as it stands."""


class SeeError(Error):
    """A question that the inside of a network has no answer to: no such layer or unit, a method that does not apply."""


class ModelError(Error):
    """A model file that is damaged, is not ours, or does not hold what it says."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """The end of an error message about an unknown *word*: the nearest choice, or all of them.

    >>> nearest("cnov", ["conv", "relu"])
    "; did you mean 'conv'?"
    >>> nearest("zzz", ["conv", "relu"])
    '; it is one of conv, relu'
    """
    choices = list(choices)
    near = get_close_matches(str(word).lower(), choices, 1)
    if not choices:
        return ""
    return f"; did you mean {near[0]!r}?" if near else f"; it is one of {', '.join(choices)}"


def shape_text(shape: Iterable[int]) -> str:
    """Sizes as the notation and every message write them; nothing for none.

    >>> shape_text((3, 32, 32))
    '3x32x32'
    """
    return "x".join(map(str, shape))


def counted(n: int, what: str) -> str:
    """So many of something.

    >>> counted(1, "image"), counted(2000, "image"), counted(2, "class")
    ('1 image', '2,000 images', '2 classes')
    """
    plural = "" if n == 1 else "es" if what.endswith("s") else "s"
    return f"{n:,} {what}{plural}"


def listed(names: Iterable[object], limit: int = 5) -> str:
    """The first few of *names*, and how many more there are.

    >>> listed("abcdefg", 3)
    'a, b, c and 4 more'
    """
    texts = [str(name) for name in names]
    return ", ".join(texts[:limit]) + (f" and {len(texts) - limit} more" if len(texts) > limit else "")


def listed_quoted(names: Iterable[object], limit: int = 5) -> str:
    """As :func:`listed`, each name in quotes.

    >>> listed_quoted(["cat", "dog"])
    "'cat', 'dog'"
    """
    return listed(map(repr, names), limit)
