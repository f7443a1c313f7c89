"""Text in pictures: its sizes, and lines that are wrapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

DENSITY = 2  # pixels of the file to one of the page, so that text is sharp on every screen
PAPER, INK, FAINT = (255, 255, 255), (28, 28, 30), (110, 110, 115)
TEXT, SMALL, TITLE = 12, 10, 15  # sizes on the page, in its pixels


def lines(texts: Sequence[str], size: float, colour: tuple[int, int, int], width: int) -> Image.Image:
    """*texts*, a line each, wrapped to *width* pixels of the file."""
    font = font_of(size)
    wrapped = [part for line in texts for part in wrap(line, font.getlength, width)]
    step = round(size * 1.35 * DENSITY)
    room = max([1, *(int(font.getlength(line)) + 1 for line in wrapped)])
    canvas = Image.new("RGB", (room, step * len(wrapped)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for i, line in enumerate(wrapped):
        draw.text((0, i * step), line, font=font, fill=colour)
    return canvas


def wrap(line: str, length: Callable[[str], float], width: int) -> list[str]:
    """*line* cut between words so that each piece is *width* long at most, where words allow.

    >>> wrap("one two three", len, 7)
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
def font_of(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * DENSITY)
