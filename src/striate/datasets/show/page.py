"""Paper for pictures: written on from the top down, as long as it gets."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from contextlib import suppress
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from striate.report.palette import Colour

FONTS = (  # of other systems, tried in turn for letters that Pillow's own font lacks, as it does all beyond ASCII
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "arial.ttf", "Arial.ttf",
    "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc", "msyh.ttc", "Hiragino Sans GB.ttc", "wqy-microhei.ttc",
)  # fmt: skip
WIDTH, MARGIN = 900, 28  # of what is on the page, and around it; in pixels
PAPER, INK = (255, 255, 255), (34, 34, 34)


class Page:
    """White paper; ``y`` is the line that comes next."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH + 2 * MARGIN, 1000), PAPER)
        self.y = MARGIN

    def reach(self, height: int) -> ImageDraw.ImageDraw:
        """A pen, with so much room below the present line."""
        wanted = self.y + height + MARGIN
        if wanted > self.image.height:
            longer = Image.new("RGB", (self.image.width, 2 * wanted), PAPER)
            longer.paste(self.image)
            self.image = longer
        return ImageDraw.Draw(self.image)

    def line(self, text: str, size: int, colour: Colour = INK) -> None:
        self.write(MARGIN, text, size, colour, WIDTH)
        self.y += int(size * 1.35)

    def write(self, x: int, text: str, size: int, colour: Colour, room: int) -> None:
        text = drawable(shortened(text, size, room), size)
        self.reach(2 * size).text((x, self.y), text, colour, font_of(size, text))

    def paragraph(self, text: str, size: int, colour: Colour) -> None:
        for line in in_lines(text.split(" "), size):
            self.line(" ".join(line), size, colour)

    def finished(self) -> Image.Image:
        return self.image.crop((0, 0, self.image.width, self.y + MARGIN))


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def _fonts(size: int) -> tuple[Font, ...]:
    """Pillow's own font, then those of FONTS that this machine has."""
    found: list[Font] = [ImageFont.load_default(size)]
    for name in FONTS:
        with suppress(OSError):
            found.append(ImageFont.truetype(name, size))
    return tuple(found)


@cache
def _has(font: Font, letter: str) -> bool:
    """Whether *font* draws *letter* as something else than the box of what it lacks."""
    if letter.isascii():
        return True
    return bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff"))  # which no font has


def font_of(size: int, text: str = "") -> Font:
    """The first font that has the most letters of *text*: Pillow's own wherever that has them all."""
    letters = {letter for letter in text if not letter.isascii()}
    if not letters:
        return _fonts(size)[0]
    return max(_fonts(size), key=lambda font: sum(_has(font, letter) for letter in letters))


def drawable(text: str, size: int) -> str:
    """*text*, where no font has an accented letter with the bare one in its place, and with ? for any other."""
    font = font_of(size, text)
    if all(_has(font, letter) for letter in text):
        return text
    bare = ((letter, unicodedata.normalize("NFKD", letter)[:1]) for letter in text)
    return "".join(a if _has(font, a) else b if b.isascii() else "?" for a, b in bare)


def length_of(text: str, size: int) -> int:
    text = drawable(text[:WIDTH], size)  # more letters than pixels are never shown
    return round(font_of(size, text).getlength(text))


def shortened(text: str, size: int, room: int, *, end: bool = False) -> str:
    """*text* in *room* pixels: all of it, or its beginning (or its *end*) and three points.

    >>> shortened("a short text", 20, 500)
    'a short text'
    """
    text = " ".join(text.split())
    if len(text) <= WIDTH and length_of(text, size) <= room:
        return text
    beginnings = range(min(len(text), WIDTH))
    if end:
        keep = bisect_right(beginnings, room, key=lambda n: length_of("..." + text[len(text) - n :], size)) - 1
        return f"...{text[len(text) - max(0, keep) :]}"
    keep = bisect_right(beginnings, room, key=lambda n: length_of(text[:n] + "...", size)) - 1
    return f"{text[: max(0, keep)].rstrip()}..."


def in_lines(words: list[str], size: int) -> list[list[str]]:
    """The words in lines that are no longer than the page is wide."""
    lines: list[list[str]] = [[]]
    room, space = WIDTH, length_of(" ", size)
    for word in words:
        length = min(length_of(word, size), WIDTH)
        if lines[-1] and length > room:
            lines.append([])
            room = WIDTH
        lines[-1].append(word)
        room -= length + space
    return lines
