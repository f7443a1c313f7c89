"""What a picture is made of before it is SVG: boxes, texts and lines, plain values with their coordinates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import fsum

Point = tuple[float, float]
Bounds = tuple[float, float, float, float]  # left, top, right, bottom

STEP = 4.0  # from one plate of a stack to the next
SMALL, NORMAL, LARGE = 10.0, 11.0, 16.0

# Widths in units of the size, of the widest of the usual sans-serif fonts (DejaVu Sans, Verdana), a little up
NARROW = {0.30: "ijlI", 0.34: ",.:; |'·", 0.42: "tfr()[]/-", 0.54: "sczJ_"}
WIDE = {0.72: "ABCDEGHKNOPQRTUVXY&~", 0.86: "w+=<>×→", 1.02: "mMW%#@…"}
WIDTHS = {char: width for table in (NARROW, WIDE) for width, chars in table.items() for char in chars}
OTHERS = 0.65


def width_of(text: str, size: float = NORMAL, bold: bool = False) -> float:
    """How wide *text* is at most, in pixels.

    >>> width_of("ill") < width_of("conv") < width_of("conv", bold=True) < width_of("CONV", bold=True)
    True
    """
    letters = (WIDTHS.get(char, OTHERS if char.isascii() else 1.02) for char in text)
    return fsum(letters) * size * (1.1 if bold else 1)  # sum() rounds otherwise in Python 3.12 than before


@dataclass(frozen=True)
class Text:
    """A line of text; *y* is its baseline, *anchor* says which end of it (or its middle) is at *x*."""

    x: float
    y: float
    text: str
    size: float = NORMAL
    anchor: str = "middle"
    bold: bool = False
    tone: str = "ink"

    @property
    def width(self) -> float:
        return width_of(self.text, self.size, self.bold)

    @property
    def bounds(self) -> Bounds:
        left = self.x - self.width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        return left, self.y - 0.8 * self.size, left + self.width, self.y + 0.22 * self.size

    def moved(self, dx: float, dy: float) -> Text:
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Box:
    """A thing with an outline: a stack of plates, a cube, a bar, a box with words, a frame around others.

    The bounds hold all of it. Of plates, *count* stand one behind the other, ``STEP`` apart; a cube is *depth* deep.
    """

    x: float
    y: float
    width: float
    height: float
    kind: str
    look: str = "box"
    tip: str = ""
    fault: bool = False
    count: int = 1
    depth: float = 0.0

    @property
    def bounds(self) -> Bounds:
        return self.x, self.y, self.x + self.width, self.y + self.height

    @property
    def front(self) -> Bounds:
        """The front plate of a stack, or the whole of anything else."""
        shift = (self.count - 1) * STEP
        return self.x + shift, self.y + shift + self.depth, self.x + self.width - self.depth, self.y + self.height

    def moved(self, dx: float, dy: float) -> Box:
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Line:
    """A way through points: the ``flow`` between layers, a ``skip``, or one of the lines of a kernel's ``window``."""

    points: tuple[Point, ...]
    look: str = "flow"
    arrow: bool = False
    kind: str = ""

    @property
    def bounds(self) -> Bounds:
        xs, ys = zip(*self.points, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def moved(self, dx: float, dy: float) -> Line:
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


@dataclass(frozen=True)
class Mark:
    """What is painted upon a plate: the kernel's window, or one unit."""

    x: float
    y: float
    width: float
    height: float
    kind: str

    @property
    def bounds(self) -> Bounds:
        return self.x, self.y, self.x + self.width, self.y + self.height

    def moved(self, dx: float, dy: float) -> Mark:
        return replace(self, x=self.x + dx, y=self.y + dy)


Shape = Text | Box | Line | Mark
Shapes = tuple[Shape, ...]


@dataclass(frozen=True)
class Part:
    """A piece of a picture, as seen from where the flow enters it, the point (0, 0).

    It is *length* long in the direction of the flow (to the right, or down), and reaches *before* and *after*
    to its sides (up and down, or left and right). *forks*: it begins with lines of its own.
    """

    length: float
    before: float
    after: float
    shapes: Shapes = ()
    forks: bool = False


def moved(shapes: Iterable[Shape], dx: float, dy: float) -> Shapes:
    return tuple(shape.moved(dx, dy) for shape in shapes)


@dataclass(frozen=True)
class Picture:
    """A whole picture; ``svg`` renders it."""

    width: float
    height: float
    title: str
    description: str
    shapes: Shapes

    @property
    def texts(self) -> list[Text]:
        return [shape for shape in self.shapes if isinstance(shape, Text)]

    @property
    def boxes(self) -> list[Box]:
        """All but the frames, which hold others."""
        return [shape for shape in self.shapes if isinstance(shape, Box) and shape.look != "frame"]

    @property
    def frames(self) -> list[Box]:
        return [shape for shape in self.shapes if isinstance(shape, Box) and shape.look == "frame"]

    @property
    def lines(self) -> list[Line]:
        return [shape for shape in self.shapes if isinstance(shape, Line)]


def lines_of(text: str, width: float, size: float = SMALL, bold: bool = False) -> list[str]:
    """*text* in lines that are at most *width* wide, broken at spaces (and within a word that is wider alone).

    >>> lines_of("batch norm, leaky relu", 80)
    ['batch norm,', 'leaky relu']
    """
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if width_of(joined, size, bold) <= width:
            lines[-1] = joined
            continue
        while width_of(word, size, bold) > width and len(word) > 4:
            keep = next(n for n in range(len(word) - 1, 0, -1) if n <= 4 or width_of(word[:n], size, bold) <= width)
            lines, word = [*lines, word[:keep]], word[keep:]
        lines.append(word)
    return [line for line in lines if line]
