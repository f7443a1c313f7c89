"""A picture as SVG: one self-contained text. Nothing is fetched, every word is escaped, numbers have one decimal."""

from __future__ import annotations

from math import hypot
from xml.sax.saxutils import escape, quoteattr

from striate.drawing.scene import STEP, Box, Line, Mark, Picture, Point, Shape, Text

FONTS = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
PAPER, FRAME, FRAME_EDGE = "#ffffff", '#33475b" fill-opacity="0.045', "#c3c9d1"
TONES = {"ink": "#16202b", "soft": "#465361", "fault": "#b3121f"}
FAULT = "#c4141f"
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
ROUND = 7.0  # pixels of the corners of lines


def svg(picture: Picture) -> str:
    """The text of an SVG file.

    >>> "<title>a &lt; b</title>" in svg(Picture(10, 10, "a < b", "", ()))
    True
    """
    size = f'width="{_n(picture.width)}" height="{_n(picture.height)}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_n(picture.width)} {_n(picture.height)}" '
        f'role="img" aria-label={quoteattr(_plain(picture.title))} style="max-width:100%;height:auto" '
        f'font-family="{FONTS}" stroke-linejoin="round">'
    )
    about = f"<title>{_t(picture.title)}</title>\n<desc>{_t(picture.description)}</desc>"
    ground = f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>'
    return "\n".join([head, about, ground, *(_drawn(shape) for shape in picture.shapes), "</svg>"]) + "\n"


def _drawn(shape: Shape) -> str:
    match shape:
        case Text():
            return _text(shape)
        case Box():
            tip = f"<title>{_t(shape.tip)}</title>" if shape.tip else ""
            return f"<g{_paint(shape)}>{tip}{_box(shape)}</g>"
        case Line():
            return _line(shape)
        case Mark():
            _, edge = COLOURS[shape.kind]
            return (
                _rect(shape.x, shape.y, shape.width, shape.height)
                + f' fill="{edge}" fill-opacity="0.35" stroke="{edge}"/>'
            )


def _text(text: Text) -> str:
    weight = ' font-weight="bold"' if text.bold else ""
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    place = f'x="{_n(text.x)}" y="{_n(text.y)}" font-size="{_n(text.size)}"'
    return f'<text {place}{anchor}{weight} fill="{TONES[text.tone]}">{_t(text.text)}</text>'


def _paint(box: Box) -> str:
    fill, edge = (FRAME, FRAME_EDGE) if box.look == "frame" else COLOURS[box.kind]
    width = 2 if box.fault else 1
    dashes = ' stroke-dasharray="3 2"' if box.look == "ghost" else ""
    fill, edge = PAPER if box.look == "ghost" else fill, FAULT if box.fault else edge
    return f' fill="{fill}" stroke="{edge}" stroke-width="{width}"{dashes}'


def _box(box: Box) -> str:
    match box.look:
        case "plates":
            shift = (box.count - 1) * STEP
            plates = (i * STEP for i in range(box.count))
            return "".join(_rect(box.x + d, box.y + d, box.width - shift, box.height - shift) + "/>" for d in plates)
        case "cubes":
            return _cubes(box)
        case "node":
            return _rect(box.x, box.y, box.width, box.height) + f' rx="{_n(min(box.width, box.height) / 2)}"/>'
        case "frame" | "box":
            return _rect(box.x, box.y, box.width, box.height) + ' rx="4"/>'
        case _:
            return _rect(box.x, box.y, box.width, box.height) + "/>"


def _cubes(box: Box) -> str:
    left, top, right, bottom = box.front
    shift = (box.count - 1) * STEP
    faces = []
    for i in range(box.count):
        d, deep = i * STEP - shift, box.depth
        x, y, x2, y2 = left + d, top + d, right + d, bottom + d
        roof = ((x, y), (x + deep, y - deep), (x2 + deep, y - deep), (x2, y))
        wall = ((x2, y), (x2 + deep, y - deep), (x2 + deep, y2 - deep), (x2, y2))
        faces.append(_rect(x, y, x2 - x, y2 - y) + "/>" + _polygon(roof, 0.75) + _polygon(wall, 0.5))
    return "".join(faces)


def _polygon(points: tuple[Point, ...], light: float) -> str:
    places = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    white = f'<polygon points="{places}" fill="{PAPER}"/>'
    return white + f'<polygon points="{places}" fill-opacity="{light}"/>'


def _line(line: Line) -> str:
    _, edge = COLOURS.get(line.kind, ("", ""))
    colour = edge or {"flow": "#5a6673", "skip": "#5a6673"}.get(line.look, TONES["soft"])
    width = 0.8 if line.look == "window" else 1.2
    path = f'<path d="{_path(line.points)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    return path + (_head(line.points[-2], line.points[-1], colour) if line.arrow else "")


def _path(points: tuple[Point, ...]) -> str:
    """Through the points, the corners rounded."""
    parts = [f"M{_p(points[0])}"]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(ROUND, _length(before, at) / 2, _length(at, after) / 2)
        parts.append(f"L{_p(_towards(at, before, radius))}Q{_p(at)} {_p(_towards(at, after, radius))}")
    return "".join([*parts, f"L{_p(points[-1])}"])


def _head(before: Point, end: Point, colour: str) -> str:
    """An arrowhead at *end*."""
    length = _length(before, end) or 1.0
    dx, dy = (end[0] - before[0]) / length, (end[1] - before[1]) / length
    back = (end[0] - 6 * dx, end[1] - 6 * dy)
    corners = (end, (back[0] - 3 * dy, back[1] + 3 * dx), (back[0] + 3 * dy, back[1] - 3 * dx))
    return f'<polygon points="{" ".join(_p(corner) for corner in corners)}" fill="{colour}"/>'


def _towards(start: Point, end: Point, distance: float) -> Point:
    length = _length(start, end) or 1.0
    return start[0] + (end[0] - start[0]) * distance / length, start[1] + (end[1] - start[1]) * distance / length


def _length(a: Point, b: Point) -> float:
    return hypot(b[0] - a[0], b[1] - a[1])


def _rect(x: float, y: float, width: float, height: float) -> str:
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'


def _p(point: Point) -> str:
    return f"{_n(point[0])},{_n(point[1])}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _t(text: str) -> str:
    """Escaped, without the characters that XML cannot hold."""
    return escape(_plain(text))


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
