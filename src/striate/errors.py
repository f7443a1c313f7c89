"""What striate raises when the person, and not the program, has to change something.

Every message says where, what came, what was expected and the fix.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from difflib import get_close_matches
from os.path import commonprefix
from unicodedata import combining, east_asian_width


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


class TaskError(DataError):
    """Data for another task than the one that was asked for."""


class SeeError(Error):
    """A question that the inside of a network has no answer to: no such layer or unit, a method that does not apply."""


class ModelError(Error):
    """A model file that is damaged, is not ours, or does not hold what it says."""


def closest(word: str, choices: Iterable[str]) -> str:
    """The one of *choices* that *word* is a slip of, or begins like; "" where none is near in spelling.

    One letter may be wrong, missing, too many or in its neighbour's place in a word of up to 5, two of up to 8, else
    three, or more behind five or more letters that are right; capitals, blanks and hyphens count nothing.

    >>> closest("cnov", ["conv", "relu"]), closest("pool", ["sumpool", "conv"]), closest("title", ["file"])
    ('conv', '', '')
    """
    given = _plain(word)
    allowed = 1 if len(given) <= 5 else 2 if len(given) <= 8 else 3
    found = []
    for choice in choices:
        plain = _plain(choice)
        shared = len(commonprefix([given, plain]))
        wrong = _slips(given, plain)
        wrong = min(wrong, 1) if 2 < len(given) == shared else wrong
        if wrong > allowed and shared > 4 and 5 * shared >= 3 * len(given):
            wrong = allowed
        if wrong <= allowed and wrong < len(given):
            found.append((wrong, _slips(word.lower(), choice.lower()), -shared, len(plain), choice))
    return min(found)[-1] if found else ""


def _plain(word: str) -> str:
    return "".join(character for character in word.lower() if character not in " _-")


def _slips(one: str, other: str) -> int:
    """How many letters must be changed, added, removed or swapped with the next; 9 for words of unlike lengths."""
    if abs(len(one) - len(other)) > 3:
        return 9
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


FEW = 12  # choices that a message lists whole


def did_you_mean(*names: str) -> str:
    """The end of an error message: the *names* that may have been meant, empty ones apart.

    >>> did_you_mean("conv", "", "conv1"), did_you_mean("")
    ("; did you mean 'conv' or 'conv1'?", '')
    """
    return f"; did you mean {' or '.join(repr(name) for name in names if name)}?" if any(names) else ""


def nearest(word: str, choices: Iterable[str], where: str = "", also: str = "") -> str:
    """The end of an error message about an unknown *word*: those that it begins, or the :func:`closest`, and what is
    *also* near; else all of a few choices; else *where* they are listed, or some of them.

    >>> nearest("cnov", ["conv", "relu"]), nearest("vgg", ["vgg11", "vgg16", "lenet5"])
    ("; did you mean 'conv'?", "; did you mean 'vgg11' or 'vgg16'?")
    >>> nearest("zzz", ["conv", "relu"])
    '; it is one of conv, relu'
    >>> nearest("zzz", map(str, range(20)), "striate zoo lists them")
    '; striate zoo lists them'
    """
    choices, word = [*map(str, choices)], str(word)
    begun = sorted((c for c in choices if c.startswith(word.lower())), key=len) if len(word) > 2 else []
    near = begun[:4] if len(begun) > 1 and word.lower() not in begun else [closest(word, choices)]
    if any((*near, also)):
        return did_you_mean(*near, also)
    if len(choices) > FEW:
        near = get_close_matches(word, choices, 3)
        some = f"the nearest of {len(choices)} are" if near else f"it is one of {len(choices)}, such as"
        return f"; {where or f'{some} ' + ', '.join(near or choices[:4])}"
    return f"; it is one of {', '.join(choices)}" if choices else ""


def printable(text: str, *, lines: bool = False) -> str:
    """*text* that cannot move the cursor, colour the screen or turn what is around it: names come from the data. With
    *lines* its line ends stay.

    >>> printable("a\\x1b[31m\\u202eb\\r")
    'a?[31m?b?'
    """
    return "".join(c if c.isprintable() or (lines and c == "\n") else "?" for c in text)


def shape_text(shape: Iterable[int]) -> str:
    """Sizes as the notation and every message write them; nothing for none.

    >>> shape_text((3, 32, 32))
    '3x32x32'
    """
    return "x".join(map(str, shape))


def counted(n: int, what: str) -> str:
    """So many of something.

    >>> counted(1, "image"), counted(2000, "image"), counted(2, "class"), counted(2, "batch"), counted(2, "epoch")
    ('1 image', '2,000 images', '2 classes', '2 batches', '2 epochs')
    """
    plural = "" if n == 1 else "es" if what.endswith(("s", "tch")) else "s"
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


def shortened(value: object, most: int = 60) -> str:
    """*value* in *most* letters.

    >>> shortened("a long name", 6)
    'a long...'
    """
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}..."


def align_columns(rows: Sequence[Sequence[str]], left: int | Container[int] = 1) -> list[str]:
    """The rows as lines with their columns under each other: the first *left*, or those with these numbers, to the
    left, the others to the right.

    >>> align_columns([("class", "n"), ("猫", "12")])
    ['class   n', '猫     12']
    """
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    words = range(left) if isinstance(left, int) else left
    lines = []
    for row in rows:
        blanks = [" " * (w - _width(cell)) for cell, w in zip(row, widths, strict=True)]
        cells = (cell + blanks[i] if i in words else blanks[i] + cell for i, cell in enumerate(row))
        lines.append("  ".join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)
