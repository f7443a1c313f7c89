"""Paper for pictures: written on from the top down, as long as it gets."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from striate.evaluate.palette import Colour

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
        self.reach(2 * size).text((x, self.y), shortened(text, size, room), colour, font_of(size))

    def paragraph(self, text: str, size: int, colour: Colour) -> None:
        for line in in_lines(text.split(" "), size):
            self.line(" ".join(line), size, colour)

    def finished(self) -> Image.Image:
        return self.image.crop((0, 0, self.image.width, self.y + MARGIN))


@cache
def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def length_of(text: str, size: int) -> int:
    return round(font_of(size).getlength(text[:WIDTH]))  # more letters than pixels are never shown


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
