"""Pictures of arrays: panels with titles, colours that say what they mean, a scale bar with numbers on every one."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from striate.draw.colours import diverging, sequential
from striate.files import write_safely

DENSITY = 2  # pixels of the file to one of the page, so that text is sharp on every screen
PAPER, INK, FAINT = (255, 255, 255), (28, 28, 30), (110, 110, 115)
TEXT, SMALL, TITLE = 12, 10, 15  # sizes on the page, in its pixels
GAP = 12


@dataclass(frozen=True)
class Scale:
    """Which colour a number has: from ``-limit`` to ``limit`` where there are negative ones, else from 0."""

    limit: float
    signed: bool

    @classmethod
    def of(cls, *arrays: np.ndarray) -> Scale:
        """One scale for all of *arrays*, so that their colours can be compared; zero is always neutral.

        >>> Scale.of(np.array([-3.0, 1.0])), Scale.of(np.array([0.0, 2.0]))
        (Scale(limit=3.0, signed=True), Scale(limit=2.0, signed=False))
        """
        finite = [values[np.isfinite(values)] for values in map(np.asarray, arrays)]
        limit = max((float(np.abs(values).max()) for values in finite if values.size), default=0.0)
        return cls(limit, any((values < 0).any() for values in finite))

    def colours(self, values: np.ndarray) -> np.ndarray:
        """uint8 ``(..., 3)``."""
        return (diverging if self.signed else sequential)(np.asarray(values, np.float64), self.limit)


@dataclass(frozen=True, eq=False)
class Panel:
    """One image of a picture, uint8 ``(H, W, 3)``, with what stands above and below it.

    *numbers* are written into the pixels where these are few; *marks* are boxes ``(top, left, height, width)`` drawn
    over it, in pixels of the image.
    """

    image: np.ndarray
    title: str = ""
    note: str = ""
    numbers: np.ndarray | None = None
    marks: tuple[tuple[float, float, float, float], ...] = ()
    side: int = 0  # of its longer side on the page; 0: by its own size


@dataclass(frozen=True, eq=False)
class Picture:
    """A finished picture. It shows itself in a notebook; ``save`` writes a PNG."""

    image: Image.Image
    alt: str = ""
    frames: tuple[Image.Image, ...] = field(default=())

    def png(self) -> bytes:
        """The file's bytes, at twice the page's pixels, and saying so."""
        about = PngImagePlugin.PngInfo()
        about.add_text("Description", self.alt)
        stream = io.BytesIO()
        self.image.save(stream, "PNG", optimize=True, dpi=(96 * DENSITY, 96 * DENSITY), pnginfo=about)
        return stream.getvalue()

    def save(self, path: str | Path) -> None:
        """Writes the picture as a PNG, whole or not at all."""
        write_safely(Path(path), self.png())

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict[str, object], dict[str, object]]:
        size = {"width": self.image.width // DENSITY, "height": self.image.height // DENSITY}
        return {"image/png": self.png(), "text/plain": self.alt or "a picture"}, {"image/png": size}


def values(
    array: np.ndarray, scale: Scale | None = None, *, title: str = "", note: str = "", side: int = 0, marks: tuple = ()
) -> Panel:
    """A panel of numbers ``(H, W)``, coloured by *scale* (its own, if not given), and written where they are few."""
    array = np.asarray(array, np.float64)
    return Panel((scale or Scale.of(array)).colours(array), title, note, array, marks, side)


def photo(array: np.ndarray, *, title: str = "", note: str = "", side: int = 0, marks: tuple = ()) -> Panel:
    """A panel of an image as it is: uint8 ``(H, W)`` or ``(H, W, 3)``."""
    array = np.asarray(array)
    image = np.repeat(array[..., None], 3, axis=2) if array.ndim == 2 else array
    return Panel(image, title, note, array if array.ndim == 2 else None, marks, side)


def sheet(
    panels: Sequence[Panel], *, columns: int = 4, title: str = "", scale: Scale | None = None, footer: str = ""
) -> Picture:
    """*panels* in rows of *columns*, under a *title*; the bar of *scale*, and lines of a *footer*, below."""
    drawn = [_draw(panel) for panel in panels]
    rows = [drawn[i : i + columns] for i in range(0, len(drawn), columns)]
    widths = [max(row[i].width for row in rows if i < len(row)) for i in range(min(columns, len(drawn)))]
    gap = GAP * DENSITY
    width = sum(widths) + gap * (len(widths) + 1)
    head = _lines([title], TITLE, INK, width - 2 * gap) if title else None
    foot = _lines(footer.splitlines(), SMALL, FAINT, max(width, 420 * DENSITY) - 2 * gap) if footer else None
    bar = _bar(scale) if scale else None
    below = [part for part in (bar, foot) if part]
    width = max([width, *(part.width + 2 * gap for part in (head, *below) if part)])
    height = gap + sum(max(image.height for image in row) + gap for row in rows)
    height += sum(part.height + gap for part in (head, *below) if part)
    canvas = Image.new("RGB", (width, height), PAPER)
    y = gap
    if head:
        canvas.paste(head, (gap, y))
        y += head.height + gap
    for row in rows:
        x = gap
        for image, room in zip(row, widths, strict=False):
            canvas.paste(image, (x + (room - image.width) // 2, y))
            x += room + gap
        y += max(image.height for image in row) + gap
    for part in below:
        canvas.paste(part, (gap, y))
        y += part.height + gap
    return Picture(canvas, title)


def short(number: float) -> str:
    """A number for a small place: three figures.

    >>> short(0.12345), short(-1234.5), short(0), short(1e-9)
    ('0.123', '-1234', '0', '1e-09')
    """
    return f"{number:.0f}" if 100 <= abs(number) < 1e5 else f"{number:.3g}"


def _draw(panel: Panel) -> Image.Image:
    height, width = panel.image.shape[:2]
    numbers = panel.numbers is not None and max(height, width) <= 12
    side = (panel.side or (46 * max(height, width) if numbers else min(320, max(200, height, width)))) * DENSITY
    factor = side / max(height, width)
    factor = max(1, int(factor)) if factor >= 1 else factor  # whole steps: every pixel as large as the next
    size = max(1, round(width * factor)), max(1, round(height * factor))
    method = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.LANCZOS
    image = Image.fromarray(np.ascontiguousarray(panel.image, np.uint8)).resize(size, method)
    if numbers and factor >= 22 * DENSITY:
        _write_numbers(image, panel, factor)
    for top, left, tall, wide in panel.marks:
        _box(image, (left * factor, top * factor, (left + wide) * factor, (top + tall) * factor))
    parts = [image]
    if panel.title:
        parts.insert(0, _lines([panel.title], TEXT, INK, max(image.width, 96 * DENSITY)))
    if panel.note:
        parts.append(_lines(panel.note.splitlines(), SMALL, FAINT, max(image.width, 96 * DENSITY)))
    room = max(part.width for part in parts)
    canvas = Image.new("RGB", (room, sum(part.height for part in parts) + 4 * DENSITY * (len(parts) - 1)), PAPER)
    y = 0
    for part in parts:
        canvas.paste(part, (0, y))
        y += part.height + 4 * DENSITY
    return canvas


def _write_numbers(image: Image.Image, panel: Panel, factor: float) -> None:
    assert panel.numbers is not None
    draw = ImageDraw.Draw(image)
    texts = [["" if number != number else short(number) for number in row] for row in panel.numbers.tolist()]
    longest = max(len(text) for row in texts for text in row)
    font = _font(min(TEXT, 1.5 * factor / DENSITY / max(longest, 2)))
    for y, row in enumerate(texts):
        for x, text in enumerate(row):
            dark = panel.image[y, x] @ np.array([0.2126, 0.7152, 0.0722]) < 140
            place = ((x + 0.5) * factor, (y + 0.5) * factor)
            draw.text(place, text, font=font, fill=PAPER if dark else INK, anchor="mm")


def _box(image: Image.Image, box: tuple[float, float, float, float]) -> None:
    """An outline that is seen on every colour: dark around light."""
    draw = ImageDraw.Draw(image)
    for grow, colour in ((DENSITY, INK), (0, (255, 214, 10))):
        draw.rectangle(
            tuple(v + s * grow for v, s in zip(box, (-1, -1, 1, 1), strict=True)), outline=colour, width=DENSITY
        )


def _bar(scale: Scale) -> Image.Image:
    """The scale's colours from end to end, with the numbers under both ends and the middle."""
    wide, tall = 220 * DENSITY, 12 * DENSITY
    low = -scale.limit if scale.signed else 0.0
    ramp = scale.colours(np.linspace(low, scale.limit, wide))
    margin = 24 * DENSITY
    canvas = Image.new("RGB", (wide + 2 * margin, tall + 18 * DENSITY), PAPER)
    canvas.paste(Image.fromarray(np.repeat(ramp[None], tall, axis=0)), (margin, 0))
    draw = ImageDraw.Draw(canvas)
    for share in (0, 0.5, 1):
        x = margin + share * (wide - 1)
        draw.line((x, tall, x, tall + 3 * DENSITY), fill=FAINT, width=DENSITY)
        text = short(low + share * (scale.limit - low))
        draw.text((x, tall + 4 * DENSITY), text, font=_font(SMALL), fill=INK, anchor="ma")
    return canvas


def _lines(lines: Sequence[str], size: float, colour: tuple[int, int, int], width: int) -> Image.Image:
    """*lines* of text, wrapped to *width*."""
    font = _font(size)
    wrapped = [part for line in lines for part in _wrap(line, font.getlength, width)]
    step = round(size * 1.35 * DENSITY)
    room = max([1, *(int(font.getlength(line)) + 1 for line in wrapped)])
    canvas = Image.new("RGB", (room, step * len(wrapped)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for i, line in enumerate(wrapped):
        draw.text((0, i * step), line, font=font, fill=colour)
    return canvas


def _wrap(line: str, length: Callable[[str], float], width: int) -> list[str]:
    """*line* cut between words so that each piece is *width* long at most, where words allow.

    >>> _wrap("one two three", len, 7)
    ['one two', 'three']
    """
    pieces: list[str] = []
    for word in line.split(" "):
        if pieces and length(f"{pieces[-1]} {word}") <= width:
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    return pieces


@cache
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * DENSITY)
