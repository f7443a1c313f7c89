"""What a drawing is made of (boxes, texts and lines: plain values with their coordinates), and how it becomes SVG.

The SVG is one self-contained text: nothing is fetched, every word is escaped, numbers have one decimal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import fsum, hypot
from typing import Self, TypeVar
from xml.sax.saxutils import escape, quoteattr

Point = tuple[float, float]
Bounds = tuple[float, float, float, float]  # left, top, right, bottom

FONTS = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
PAPER, FRAME, FRAME_EDGE = "#ffffff", '#33475b" fill-opacity="0.045', "#c3c9d1"
TONES = {"ink": "#16202b", "soft": "#465361", "fault": "#b3121f"}
FAULT, FLOW = "#c4141f", "#5a6673"
# fill and outline of each kind: blue, orange and green of Okabe and Ito (2008), which all eyes tell apart
COLOURS = {
    "input": ("#e9ecef", "#6b7885"),
    "conv": ("#cfe4f4", "#0072b2"),
    "up": ("#7fb3da", "#00446b"),
    "pool": ("#fbe0a6", "#b57a00"),
    "full": ("#c3e8d8", "#00805d"),
    "norm": ("#f3dcea", "#a64f81"),
    "join": ("#ffffff", "#16202b"),
    "embed": ("#efe2d0", "#8a6a3c"),
    "other": ("#e6e0d4", "#75684f"),
}
CORNERS = {"frame": 4.0, "box": 4.0}  # pixels of their radius
ROUND = 7.0  # the same, of lines

STEP = 4.0  # from one plate of a stack to the next
SMALL, NORMAL, LARGE = 10.0, 11.0, 16.0  # sizes of text
LINE = 13.0  # from one line of small text to the next

# Widths in units of the size, of the widest of the usual sans-serif fonts (DejaVu Sans, Verdana), a little up
NARROW = {0.30: "ijlI", 0.34: ",.:; |'·", 0.42: "tfr()[]/-", 0.54: "sczJ_"}
WIDE = {0.72: "ABCDEGHKNOPQRTUVXY&~", 0.86: "w+=<>×→", 1.02: "mMW%#@…"}
WIDTHS = {char: width for table in (NARROW, WIDE) for width, chars in table.items() for char in chars}
OTHERS = 0.65


@dataclass(frozen=True)
class _Placed:
    x: float
    y: float

    def moved(self, dx: float, dy: float) -> Self:
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Text(_Placed):
    """A line of text; *y* is its baseline, *anchor* says which end of it (or its middle) is at *x*."""

    text: str
    size: float = SMALL
    anchor: str = "middle"
    bold: bool = False
    tone: str = "ink"

    @property
    def bounds(self) -> Bounds:
        width = text_width(self.text, self.size, self.bold)
        left = self.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        return left, self.y - 0.8 * self.size, left + width, self.y + 0.22 * self.size


@dataclass(frozen=True)
class Box(_Placed):
    """A thing with an outline: a stack of plates, a cube, a bar, a box with words, a frame around others, or a mark
    upon a plate (the kernel's window, or one unit).

    The bounds contain all of it. Of plates, *count* stand one behind the other, ``STEP`` apart; a cube is *depth* deep.
    """

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


@dataclass(frozen=True)
class Line:
    """A path through points: between layers or, where it has a *kind* (of layer), from a kernel's window to a unit."""

    points: tuple[Point, ...]
    arrow: bool = False
    kind: str = ""

    @property
    def bounds(self) -> Bounds:
        xs, ys = zip(*self.points, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def moved(self, dx: float, dy: float) -> Line:
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


Element = Text | Box | Line
Elements = tuple[Element, ...]
T = TypeVar("T", Text, Box, Line)


@dataclass(frozen=True)
class Drawing:
    """A whole drawing; ``svg`` renders it."""

    width: float
    height: float
    title: str
    description: str
    elements: Elements

    def only(self, kind: type[T]) -> list[T]:
        """The elements of one *kind*: ``Text``, ``Box`` or ``Line``."""
        return [element for element in self.elements if isinstance(element, kind)]


def moved(elements: Iterable[Element], dx: float, dy: float) -> Elements:
    return tuple(element.moved(dx, dy) for element in elements)


def text_width(text: str, size: float = SMALL, bold: bool = False) -> float:
    """How wide *text* is at most, in pixels.

    >>> text_width("ill") < text_width("conv") < text_width("conv", bold=True) < text_width("CONV", bold=True)
    True
    """
    letters = (WIDTHS.get(char, OTHERS if char.isascii() else 1.02) for char in text)
    return fsum(letters) * size * (1.1 if bold else 1)  # sum() rounds otherwise in Python 3.12 than before


def wrap_text(text: str, width: float, size: float = SMALL, bold: bool = False) -> list[str]:
    """*text* in lines that are at most *width* wide, broken at spaces (and within a word that is wider alone).

    >>> wrap_text("batch norm, leaky relu", 80)
    ['batch norm,', 'leaky relu']
    """
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if text_width(joined, size, bold) <= width:
            lines[-1] = joined
            continue
        while text_width(word, size, bold) > width and len(word) > 4:
            keep = next(n for n in range(len(word) - 1, 0, -1) if n <= 4 or text_width(word[:n], size, bold) <= width)
            lines, word = [*lines, word[:keep]], word[keep:]
        lines.append(word)
    return [line for line in lines if line]


def text_block(x: float, y: float, lines: Iterable[tuple[str, str]], anchor: str = "middle") -> list[Text]:
    """Lines of small text below each other, each with its tone; *y* is the baseline of the first."""
    return [Text(x, y + i * LINE, line, SMALL, anchor, tone=tone) for i, (line, tone) in enumerate(lines)]


# --------------------------------------------------------------------------------------------------------- SVG
def svg(drawing: Drawing) -> str:
    """The text of an SVG file.

    >>> "<title>a &lt; b</title>" in svg(Drawing(10, 10, "a < b", "", ()))
    True
    """
    width, height = _number(drawing.width), _number(drawing.height)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label={quoteattr(_printable(drawing.title))} style="max-width:100%;height:auto" '
        f'font-family="{FONTS}" stroke-linejoin="round">'
    )
    about = f"<title>{_escaped(drawing.title)}</title>\n<desc>{_escaped(drawing.description)}</desc>"
    ground = f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>'
    return "\n".join([head, about, ground, *(_element(element) for element in drawing.elements), "</svg>"]) + "\n"


def _element(element: Element) -> str:
    match element:
        case Text():
            return _text(element)
        case Box(look="mark"):
            edge = COLOURS[element.kind][1]
            return _rect(*element.bounds, f' fill="{edge}" fill-opacity="0.35" stroke="{edge}"')
        case Box():
            tip = f"<title>{_escaped(element.tip)}</title>" if element.tip else ""
            return f"<g{_paint(element)}>{tip}{_outline(element)}</g>"
        case Line():
            return _line(element)


def _text(text: Text) -> str:
    weight = ' font-weight="bold"' if text.bold else ""
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    place = f'x="{_number(text.x)}" y="{_number(text.y)}" font-size="{_number(text.size)}"'
    return f'<text {place}{anchor}{weight} fill="{TONES[text.tone]}">{_escaped(text.text)}</text>'


def _paint(box: Box) -> str:
    fill, edge = (FRAME, FRAME_EDGE) if box.look == "frame" else COLOURS[box.kind]
    dashes = ' stroke-dasharray="3 2"' if box.look == "ghost" else ""
    return f' fill="{fill}" stroke="{FAULT if box.fault else edge}" stroke-width="{2 if box.fault else 1}"{dashes}'


def _outline(box: Box) -> str:
    left, top, right, bottom = box.front
    shifts = [i * STEP - (box.count - 1) * STEP for i in range(box.count)]
    if box.depth:
        return "".join(_cube(left + d, top + d, right + d, bottom + d, box.depth) for d in shifts)
    radius = min(box.width, box.height) / 2 if box.look == "node" else CORNERS.get(box.look, 0)
    rounded = f' rx="{_number(radius)}"' if radius else ""
    return "".join(_rect(left + d, top + d, right + d, bottom + d, rounded) for d in shifts)


def _cube(left: float, top: float, right: float, bottom: float, depth: float) -> str:
    """The front, the top and the right of a cube, the last two lighter."""
    roof = ((left, top), (left + depth, top - depth), (right + depth, top - depth), (right, top))
    wall = ((right, top), (right + depth, top - depth), (right + depth, bottom - depth), (right, bottom))
    faces = [_rect(left, top, right, bottom)]
    for points, light in ((roof, 0.75), (wall, 0.5)):
        faces += [_polygon(points, f'fill="{PAPER}"'), _polygon(points, f'fill-opacity="{light}"')]
    return "".join(faces)


def _line(line: Line) -> str:
    colour = COLOURS[line.kind][1] if line.kind else FLOW
    width = 0.8 if line.kind else 1.2
    path = f'<path d="{_path(line.points)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    return path + (_arrow_head(line.points[-2], line.points[-1], colour) if line.arrow else "")


def _path(points: tuple[Point, ...]) -> str:
    """Through the points, the corners rounded."""
    parts = [f"M{_point(points[0])}"]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(ROUND, _distance(before, at) / 2, _distance(at, after) / 2)
        parts.append(f"L{_point(_towards(at, before, radius))}Q{_point(at)} {_point(_towards(at, after, radius))}")
    return "".join([*parts, f"L{_point(points[-1])}"])


def _arrow_head(before: Point, end: Point, colour: str) -> str:
    back = _towards(end, before, 6)
    dx, dy = (end[0] - back[0]) / 2, (end[1] - back[1]) / 2
    return _polygon((end, (back[0] - dy, back[1] + dx), (back[0] + dy, back[1] - dx)), f'fill="{colour}"')


def _towards(start: Point, end: Point, distance: float) -> Point:
    part = distance / (_distance(start, end) or 1.0)
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part


def _distance(a: Point, b: Point) -> float:
    return hypot(b[0] - a[0], b[1] - a[1])


def _rect(left: float, top: float, right: float, bottom: float, paint: str = "") -> str:
    place = f'x="{_number(left)}" y="{_number(top)}" width="{_number(right - left)}" height="{_number(bottom - top)}"'
    return f"<rect {place}{paint}/>"


def _polygon(points: Iterable[Point], paint: str) -> str:
    return f'<polygon points="{" ".join(map(_point, points))}" {paint}/>'


def _point(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    return escape(_printable(text))


def _printable(text: str) -> str:
    """Without the characters that XML cannot contain."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
