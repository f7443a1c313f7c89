"""Text in figures: its sizes, fonts that have its letters, lines that are wrapped or shortened."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache

from PIL import Image, ImageDraw, ImageFont

DENSITY = 2  # pixels of the file to one of the page, so that text is sharp on every screen
PAPER, INK, FAINT = (255, 255, 255), (28, 28, 30), (110, 110, 115)
TEXT, SMALL, TITLE = 12, 10, 15  # sizes on the page, in its pixels
FONTS = (  # of other systems, tried in turn for letters that Pillow's own font lacks, as it does all beyond ASCII
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "arial.ttf", "Arial.ttf",
    "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc", "msyh.ttc", "Hiragino Sans GB.ttc", "wqy-microhei.ttc",
)  # fmt: skip
MAX_LETTERS = 2000  # of a text that is measured

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def text_image(texts: Sequence[str], size: float, colour: tuple[int, int, int], width: int) -> Image.Image:
    """*texts*, a line each, wrapped to *width* pixels of the file.

    >>> text_image(["a title"], TITLE, INK, 200).height
    40
    """
    wrapped = [part for line in texts for part in wrap_words(line, lambda part: text_length(part, size), width)]
    step = round(size * 1.35 * DENSITY)
    room = max([1, *(text_length(line, size) + 1 for line in wrapped)])
    canvas = Image.new("RGB", (room, step * len(wrapped)), PAPER)
    for i, line in enumerate(wrapped):
        write(canvas, (0, i * step), line, size, colour)
    return canvas


def write(
    image: Image.Image,
    place: tuple[float, float],
    text: str,
    size: float,
    colour: tuple[int, int, int],
    anchor: str = "la",
) -> None:
    """Draws *text* on *image*, the *anchor* (as Pillow has it) at *place*; letters that no font has are replaced."""
    text = drawable(text, size)
    ImageDraw.Draw(image).text(place, text, fill=colour, font=font_for(size, text), anchor=anchor)


def wrap_words(line: str, length: Callable[[str], float], width: int) -> list[str]:
    """*line* cut between words so that each piece is *width* long at most, where words allow.

    >>> wrap_words("one two three", len, 7)
    ['one two', 'three']
    """
    pieces: list[str] = []
    for word in line.split(" "):
        if pieces and length(f"{pieces[-1]} {word}") <= width:
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    return pieces


def shorten(text: str, size: float, width: int, *, end: bool = False) -> str:
    """*text* in *width* pixels of the file: all of it, or its beginning (or its *end*) and three points.

    >>> shorten("a short text", TEXT, 500)
    'a short text'
    """
    text = " ".join(text.split())
    if len(text) <= MAX_LETTERS and text_length(text, size) <= width:
        return text
    counts = range(min(len(text), MAX_LETTERS))
    if end:
        keep = bisect_right(counts, width, key=lambda n: text_length("..." + text[len(text) - n :], size)) - 1
        return f"...{text[len(text) - max(0, keep) :]}"
    keep = bisect_right(counts, width, key=lambda n: text_length(text[:n] + "...", size)) - 1
    return f"{text[: max(0, keep)].rstrip()}..."


def text_length(text: str, size: float) -> int:
    """Pixels of the file that *text* is long.

    >>> text_length("ll", TEXT) < text_length("WW", TEXT)
    True
    """
    text = drawable(text[:MAX_LETTERS], size)
    return round(font_for(size, text).getlength(text))


def drawable(text: str, size: float) -> str:
    """*text*, where no font has an accented letter with the bare one in its place, and with ? for any other.

    >>> drawable("plain", TEXT)
    'plain'
    """
    font = font_for(size, text)
    if all(_has(font, letter) for letter in text):
        return text
    bare = ((letter, unicodedata.normalize("NFKD", letter)[:1]) for letter in text)
    return "".join(a if _has(font, a) else b if b.isascii() else "?" for a, b in bare)


def font_for(size: float, text: str = "") -> Font:
    """The first font that has the most letters of *text*: Pillow's own wherever that has them all."""
    letters = {letter for letter in text if not letter.isascii()}
    if not letters:
        return _own_font(size)
    return max((_own_font(size), *_other_fonts(size)), key=lambda font: sum(_has(font, letter) for letter in letters))


@cache
def _own_font(size: float) -> Font:
    return ImageFont.load_default(size * DENSITY)


@cache
def _other_fonts(size: float) -> tuple[Font, ...]:
    """Those of FONTS that this machine has."""
    found: list[Font] = []
    for name in FONTS:
        with suppress(OSError):
            found.append(ImageFont.truetype(name, size * DENSITY))
    return tuple(found)


@cache
def _has(font: Font, letter: str) -> bool:
    """Whether *font* draws *letter* as something else than the box of what it lacks."""
    if letter.isascii():
        return True
    return bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff"))  # which no font has
