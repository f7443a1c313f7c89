"""Figures of arrays: panels with titles in rows, colours that say what they mean, a scale bar with numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin

from striate.files import write_safely
from striate.plotting.colours import contrasts_with_dark, diverging, sequential
from striate.plotting.text import (
    DENSITY,
    FAINT,
    INK,
    PAPER,
    SMALL,
    TEXT,
    TITLE,
    font_for,
    shorten,
    text_image,
    text_length,
    write,
)

GAP = 12
Colour = tuple[int, int, int]
Marks = tuple[tuple[float, float, float, float], ...]
MAX_NUMBERS = 12  # pixels a side, into which numbers are written
MIN_BOX = 8 * DENSITY  # pixels of the file that a box is wide and high at least
EDGE = (200, 200, 206)


@dataclass(frozen=True)
class ColourScale:
    """Which colour a number has: from ``-limit`` to ``limit`` where there are negative ones, else from 0."""

    limit: float
    signed: bool

    @classmethod
    def of(cls, *arrays: np.ndarray) -> ColourScale:
        """One scale for all of *arrays*, so that their colours can be compared; zero is always neutral.

        >>> ColourScale.of(np.array([-3.0, 1.0])), ColourScale.of(np.array([0.0, 2.0]))
        (ColourScale(limit=3.0, signed=True), ColourScale(limit=2.0, signed=False))
        """
        finite = [values[np.isfinite(values)] for values in map(np.asarray, arrays)]
        limit = max((float(np.abs(values).max()) for values in finite if values.size), default=0.0)
        return cls(limit, any((values < 0).any() for values in finite))

    def colours(self, values: np.ndarray) -> np.ndarray:
        """uint8 ``(..., 3)``."""
        return (diverging if self.signed else sequential)(np.asarray(values, np.float64), self.limit)


@dataclass(frozen=True)
class IntensityScale(ColourScale):
    """The scale of what is drawn as shares of a colour: no light for ``-limit``, mid grey for 0, all of it for
    ``limit``. Of ``(..., 3)`` each colour by itself.
    """

    signed: bool = True

    def colours(self, values: np.ndarray) -> np.ndarray:
        """uint8 ``(..., 3)``; what has no colours of its own is grey, NaN as well."""
        shares = np.asarray(values, np.float64) / (self.limit or 1.0)
        bytes_ = np.rint(127.5 + 127.5 * np.clip(np.nan_to_num(shares), -1, 1)).astype(np.uint8)
        return bytes_ if bytes_.ndim > 1 and bytes_.shape[-1] == 3 else np.repeat(bytes_[..., None], 3, axis=-1)


@dataclass(frozen=True, eq=False)
class Panel:
    """One image of a figure, uint8 ``(H, W, 3)``, with what stands above and below it.

    *numbers* are written into the pixels where these are few; *marks* are boxes ``(top, left, height, width)`` drawn
    over it, in pixels of the image; *crosses* are ``(x, y, colour)``, in shares of its width and height.
    """

    image: np.ndarray
    title: str = ""
    note: str = ""
    numbers: np.ndarray | None = None
    marks: Marks = ()
    side: int = 0  # of its longer side on the page; 0: by its own size
    crosses: tuple[tuple[float, float, Colour], ...] = ()
    frame: bool = False  # a thin one, for images that may be as white as the paper


# Of a figure: a ready image, or rows of panels that share their columns
Block = Image.Image | Sequence[Sequence[Panel]]


@dataclass(frozen=True, eq=False)
class Picture:
    """A finished figure. It shows itself in a notebook; ``save`` writes a PNG."""

    image: Image.Image
    alt: str = ""
    frames: tuple[Image.Image, ...] = field(default=())

    def png(self) -> bytes:
        """The file's bytes, at twice the page's pixels, and saying so."""
        about = PngImagePlugin.PngInfo()
        about.add_text("Description", self.alt)
        stream = io.BytesIO()
        self.image.save(stream, "PNG", dpi=(96 * DENSITY, 96 * DENSITY), pnginfo=about)
        return stream.getvalue()

    def save(self, path: str | Path) -> None:
        """Writes the picture as a PNG, whole or not at all."""
        write_safely(Path(path), self.png())

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict[str, object], dict[str, object]]:
        size = {"width": self.image.width // DENSITY, "height": self.image.height // DENSITY}
        return {"image/png": self.png(), "text/plain": self.alt or "a figure"}, {"image/png": size}


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Writes *pixels*, uint8 ``(H, W)`` or ``(H, W, 3)``, as a PNG of that size, whole or not at all.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.png")
    >>> write_image(path, np.zeros((2, 3), np.uint8))
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    write_safely(path, stream.getvalue())


class HasPicture:
    """What has a ``picture()`` shows it in a notebook, and its text where there are no images."""

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict[str, object], dict[str, object]]:
        picture: Picture = self.picture()  # type: ignore[attr-defined]  # every subclass has it
        bundle, about = picture._repr_mimebundle_()
        words = bundle["text/plain"] if type(self).__str__ is object.__str__ else str(self)
        return bundle | {"text/plain": words}, about


def value_panel(
    array: np.ndarray,
    scale: ColourScale | None = None,
    *,
    title: str = "",
    note: str = "",
    side: int = 0,
    marks: Marks = (),
) -> Panel:
    """A panel of numbers ``(H, W)``, coloured by *scale* (its own, if not given), and written where they are few.

    >>> value_panel(np.array([[-1.0, 0.0, 1.0]])).image.shape
    (1, 3, 3)
    """
    array = np.asarray(array, np.float64)
    return Panel((scale or ColourScale.of(array)).colours(array), title, note, array, marks, side)


def image_panel(array: np.ndarray, *, title: str = "", note: str = "", side: int = 0, marks: Marks = ()) -> Panel:
    """A panel of an image as it is: uint8 ``(H, W)`` or ``(H, W, 3)``.

    >>> image_panel(np.zeros((4, 6), np.uint8), title="black").image.shape
    (4, 6, 3)
    """
    array = np.asarray(array)
    image = np.repeat(array[..., None], 3, axis=2) if array.ndim == 2 else array
    return Panel(image, title, note, array if array.ndim == 2 else None, marks, side)


def panel_grid(
    panels: Sequence[Panel],
    *,
    columns: int = 4,
    title: str = "",
    scale: ColourScale | None = None,
    footer: str = "",
    lead: Sequence[Panel] = (),
) -> Picture:
    """*panels* in rows of *columns*, under a *title*; the bar of *scale*, and lines of a *footer*, below.

    *lead* are panels in a row of their own, above the others and as wide as they are.

    >>> panel_grid([value_panel(np.eye(2))] * 6, columns=3, title="identities").image.size
    (648, 504)
    """
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    return figure([[lead], rows] if lead else [rows], title=title, scale=scale, footer=footer)


def figure(
    blocks: Sequence[Block],
    *,
    title: str = "",
    note: str = "",
    scale: ColourScale | None = None,
    legend: Sequence[tuple[str, Colour]] = (),
    footer: str = "",
) -> Picture:
    """*blocks* below each other: rows of panels that share their columns, and ready images.

    Args:
        blocks: What it shows.
        title: In large letters, above.
        note: In small ones, under the title.
        scale: Its bar, below.
        legend: Names with their colours, below.
        footer: Lines at the end.

    >>> figure([[[value_panel(np.eye(2), title="two")]]], title="identities", legend=[("a class", (0, 114, 178))]).alt
    'identities'
    """
    rows: list[tuple[list[int], list[Image.Image]]] = []
    for block in blocks:
        if isinstance(block, Image.Image):
            rows.append(([block.width], [block]))
            continue
        drawn = [_row(panels) for panels in block]
        columns = range(max(map(len, drawn), default=0))
        widths = [max(row[i].width for row in drawn if i < len(row)) for i in columns]
        rows += [(widths, row) for row in drawn]
    gap = GAP * DENSITY
    room = max(420 * DENSITY, *(sum(widths) + gap * (len(widths) + 1) for widths, _ in rows)) - 2 * gap  # of the text
    head = [text_image([title], TITLE, INK, room)] if title else []
    head += [text_image([note], SMALL, FAINT, room)] if note else []
    foot = [_bar(scale)] if scale else []
    foot += [_swatches(legend, room)] if legend else []
    foot += [text_image(footer.splitlines(), SMALL, FAINT, room)] if footer else []
    rows = [*(([part.width], [part]) for part in head), *rows, *(([part.width], [part]) for part in foot)]
    width = max(sum(widths) + gap * (len(widths) + 1) for widths, _ in rows)
    canvas = Image.new("RGB", (width, gap + sum(max(i.height for i in row) + gap for _, row in rows)), PAPER)
    y = gap
    for widths, row in rows:
        x = gap
        for image, own in zip(row, widths, strict=False):
            canvas.paste(image, (x, y))
            x += own + gap
        y += max(image.height for image in row) + gap
    return Picture(canvas, title)


def short(number: float) -> str:
    """A number for a small place: three digits.

    >>> short(0.12345), short(-1234.5), short(0), short(1e-9)
    ('0.123', '-1234', '0', '1e-09')
    """
    number += 0.0  # of -0 the sign says nothing
    return f"{number:.0f}" if 100 <= abs(number) < 1e5 else f"{number:.3g}"


def range_text(values: np.ndarray) -> str:
    """The least and the largest number.

    >>> range_text(np.array([3.0, -1.25]))
    '-1.25 to 3'
    """
    return f"{short(float(values.min()))} to {short(float(values.max()))}"


def _row(panels: Sequence[Panel]) -> list[Image.Image]:
    """The panels of a row, their images side by side even where one title takes more lines."""
    titles = [_title(panel) for panel in panels]
    head = max((title.height for title in titles if title), default=0)
    return [_draw(panel, title, head) for panel, title in zip(panels, titles, strict=True)]


def _title(panel: Panel) -> Image.Image | None:
    return text_image([panel.title], TEXT, INK, max(_size(panel)[0], 96 * DENSITY)) if panel.title else None


def _factor(panel: Panel) -> float:
    """How many pixels of the file one of the panel's takes."""
    longer = max(panel.image.shape[:2])
    side = (panel.side or (46 * longer if _written(panel) else min(320, max(200, longer)))) * DENSITY
    return max(1, int(side / longer)) if side >= longer else side / longer  # whole steps: every pixel alike


def _size(panel: Panel) -> tuple[int, int]:
    """Width and height in the file."""
    factor, (height, width) = _factor(panel), panel.image.shape[:2]
    return max(1, round(width * factor)), max(1, round(height * factor))


def _written(panel: Panel) -> bool:
    """Whether the panel's pixels are so few that their numbers are written into them."""
    return panel.numbers is not None and max(panel.image.shape[:2]) <= MAX_NUMBERS


def _draw(panel: Panel, title: Image.Image | None, head: int) -> Image.Image:
    factor = _factor(panel)
    method = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.LANCZOS
    image = Image.fromarray(np.ascontiguousarray(panel.image, np.uint8)).resize(_size(panel), method)
    if _written(panel) and factor >= 22 * DENSITY:
        _write_numbers(image, panel, factor)
    for top, left, tall, wide in panel.marks:
        _box(image, (left * factor, top * factor, (left + wide) * factor, (top + tall) * factor))
    for x, y, colour in panel.crosses:
        _cross(image, x * image.width, y * image.height, colour)
    if panel.frame:
        ImageDraw.Draw(image).rectangle((0, 0, image.width - 1, image.height - 1), outline=EDGE)
    parts = [image]
    if head:
        above = Image.new("RGB", (title.width if title else 1, head), PAPER)
        if title:
            above.paste(title, (0, head - title.height))
        parts.insert(0, above)
    if panel.note:
        parts.append(text_image(panel.note.splitlines(), SMALL, FAINT, max(image.width, 96 * DENSITY)))
    room = max(part.width for part in parts)
    canvas = Image.new("RGB", (room, sum(part.height for part in parts) + 4 * DENSITY * (len(parts) - 1)), PAPER)
    y = 0
    for part in parts:
        canvas.paste(part, (0, y))
        y += part.height + 4 * DENSITY
    return canvas


def panel_image(panel: Panel) -> Image.Image:
    """The image of *panel* alone, with its numbers, marks and crosses: what a page shows whose text is its own.

    >>> panel_image(Panel(np.zeros((2, 3, 3), np.uint8), "black", side=30)).size
    (60, 40)
    """
    return _draw(replace(panel, title="", note=""), None, 0)


def _brief(number: float) -> str:
    """A number for a pixel: three figures, or fewer where they would take more than six characters.

    >>> _brief(-0.485), _brief(-0.00741), _brief(-0.000888)
    ('-0.485', '-0.007', '-9e-04')
    """
    ways = (short(number), f"{number:.2g}", f"{number:.1g}", f"{number:.0e}")
    return next((way for way in ways if len(way) <= 6), ways[-1])


def _write_numbers(image: Image.Image, panel: Panel, factor: float) -> None:
    assert panel.numbers is not None
    draw = ImageDraw.Draw(image)
    texts = [["" if number != number else _brief(number) for number in row] for row in panel.numbers.tolist()]
    longest = max(len(text) for row in texts for text in row)
    font = font_for(min(TEXT, 1.5 * factor / DENSITY / max(longest, 2)))
    for y, row in enumerate(texts):
        for x, text in enumerate(row):
            place = ((x + 0.5) * factor, (y + 0.5) * factor)
            draw.text(place, text, font=font, fill=_ink_on(panel.image[y, x]), anchor="mm")


def _ink_on(colour: np.ndarray) -> Colour:
    """The colour of text that can be read on *colour*."""
    return INK if contrasts_with_dark(colour) else PAPER


def _box(image: Image.Image, box: tuple[float, float, float, float]) -> None:
    """An outline that is seen on every colour, dark around light, and on the largest image."""
    draw = ImageDraw.Draw(image)
    more = (max(0.0, (MIN_BOX - box[2] + box[0]) / 2), max(0.0, (MIN_BOX - box[3] + box[1]) / 2))
    box = (box[0] - more[0], box[1] - more[1], box[2] + more[0], box[3] + more[1])
    for grow, colour in ((DENSITY, INK), (0, (255, 214, 10))):
        draw.rectangle(
            tuple(v + s * grow for v, s in zip(box, (-1, -1, 1, 1), strict=True)), outline=colour, width=DENSITY
        )


def _cross(image: Image.Image, x: float, y: float, colour: Colour) -> None:
    draw = ImageDraw.Draw(image)
    for width, ink, arm in ((6, PAPER, 13), (2, colour, 11)):
        draw.line((x - arm, y, x + arm, y), ink, width)
        draw.line((x, y - arm, x, y + arm), ink, width)


def _swatches(legend: Sequence[tuple[str, Colour]], width: int) -> Image.Image:
    """Patches of the colours, each with its name, in as many lines as it takes."""
    side, step = SMALL * DENSITY, 17 * DENSITY
    canvas, x, y = Image.new("RGB", (width, step), PAPER), 0, 0
    for text, colour in legend:
        name = shorten(text, SMALL, width - side - 8)
        length = side + 8 + text_length(name, SMALL)
        if x and x + length > width:
            x, y = 0, y + step
            canvas, upper = Image.new("RGB", (width, y + step), PAPER), canvas
            canvas.paste(upper)
        ImageDraw.Draw(canvas).rounded_rectangle((x, y + 3, x + side, y + 3 + side), 4, colour)
        write(canvas, (x + side + 8, y), name, SMALL, INK)
        x += length + GAP * DENSITY
    return canvas


def _bar(scale: ColourScale) -> Image.Image:
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
        draw.text((x, tall + 4 * DENSITY), text, font=font_for(SMALL), fill=INK, anchor="ma")
    return canvas


def word_panel(
    words: Sequence[str], array: np.ndarray, scale: ColourScale, *, title: str = "", side: int = 480
) -> Panel:
    """A panel of *words* one after the other, each on the colour of its number in *array*, the number below it.

    >>> word_panel(["good", "film"], np.array([0.9, 0.1]), ColourScale(1.0, True)).image.shape[0]
    80
    """
    pad = 5 * DENSITY
    high, width = 40 * DENSITY, side * DENSITY
    placed, x, y = [], 0, 0
    for word, value in zip(words, np.asarray(array, np.float64).ravel().tolist(), strict=False):
        wide = max(text_length(word, TEXT + 1), text_length(short(value), SMALL - 1)) + 2 * pad
        if x and x + wide > width:
            x, y = 0, y + high
        placed.append((x, y, wide, word, value))
        x += wide + DENSITY
    room = max([1, *(x + wide for x, _, wide, _, _ in placed)])
    canvas = Image.new("RGB", (room, y + high), PAPER)
    draw = ImageDraw.Draw(canvas)
    for x, y, wide, word, value in placed:
        colour = tuple(scale.colours(np.array(value)).tolist())
        draw.rectangle((x, y, x + wide - 1, y + 22 * DENSITY), fill=colour)
        write(canvas, (x + wide / 2, y + 11 * DENSITY), word, TEXT + 1, _ink_on(np.array(colour)), "mm")
        write(canvas, (x + wide / 2, y + 25 * DENSITY), short(value), SMALL - 1, FAINT, "ma")
    return Panel(np.asarray(canvas), title, side=max(canvas.size) // DENSITY)
