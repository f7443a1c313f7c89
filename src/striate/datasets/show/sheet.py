"""A contact sheet: rows of pictures with their captions, on one page that a telephone shows too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from striate.datasets.show.page import (
    INK,
    MARGIN,
    PAPER,
    WIDTH,
    Page,
    drawable,
    font_of,
    in_lines,
    length_of,
    shortened,
)
from striate.datasets.show.shown import Cell, Row
from striate.errors import RecipeError
from striate.model.contract import IGNORE, Contract
from striate.report.palette import NOTHING, Colour, colours

GAP = 12  # pixels between pictures
COLUMNS = 5
ROOM = (WIDTH - (COLUMNS - 1) * GAP) // COLUMNS  # that a picture has
TALLEST = 2 * ROOM
LINES = 7  # of a text
FAINT, MARK = (110, 110, 118), (255, 221, 170)
TITLE, TEXT, SMALL = 34, 22, 18  # sizes of type
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WebP"}
COVER = 0.55  # how much of a picture its mask covers


def sheet(rows: Sequence[Row], contract: Contract, *, title: str, about: str) -> Image.Image:
    """The page of *rows* (what :func:`~striate.datasets.show.shown.shown` gave).

    Where each row has several pictures, they stand side by side under the names of their columns; items with one
    picture each fill the page in order. Small pictures are enlarged by whole factors, pixel by pixel; masks lie over
    them in colours, and positions are crosses.

    Args:
        rows: One item each.
        contract: What the masks' classes and the positions are called.
        title: In large letters.
        about: In small ones, under it.
    """
    page = Page()
    page.line(title, TITLE)
    page.paragraph(about, SMALL, FAINT)
    page.y += GAP
    if rows[0].words:
        _texts(page, rows)
    elif len(rows[0].cells) > 1:
        _versions(page, rows, contract)
    else:
        _grid(page, rows, contract)
    _legend(page, rows, contract)
    return page.finished()


def page_bytes(page: Image.Image, path: Path) -> bytes:
    """The page as a file of the format that *path* ends with.

    Raises:
        RecipeError: It ends with none that pictures are written in.
    """
    file = BytesIO()
    if path.suffix.lower() not in FORMATS:
        raise RecipeError(f"{path}: a sheet is a picture; let its name end with one of {', '.join(FORMATS)}")
    page.save(file, FORMATS[path.suffix.lower()], quality=90)
    return file.getvalue()


def _versions(page: Page, rows: Sequence[Row], contract: Contract) -> None:
    width = max(_size(cell)[0] for row in rows for cell in row.cells) + GAP
    for column in range(len(rows[0].cells)):
        page.write(MARGIN + column * width, f"epoch {column}" if column else "as it is", SMALL, FAINT, width)
    page.y += int(SMALL * 1.6)
    for row in rows:
        _captions(page, row)
        page.reach(TALLEST + 3 * TEXT)
        for column, cell in enumerate(row.cells):
            page.image.paste(_drawn(cell, contract), (MARGIN + column * width, page.y))
        page.y += _size(row.cells[0])[1] + 4
        for i in range(max(len(cell.caption.splitlines()) for cell in row.cells)):
            for column, cell in enumerate(row.cells):
                page.write(MARGIN + column * width, "".join(cell.caption.splitlines()[i : i + 1]), SMALL, FAINT, ROOM)
            page.y += SMALL + 4
        page.y += GAP


def _captions(page: Page, row: Row) -> None:
    """The answer, and the name after it: its end where there is no room for all."""
    answer = shortened(row.answer, TEXT, WIDTH * 2 // 3)
    x = MARGIN + (length_of(answer, TEXT) + GAP if answer else 0)
    if answer:
        page.write(MARGIN, answer, TEXT, INK, WIDTH)
    page.y += TEXT - SMALL
    page.write(x, shortened(row.name, SMALL, MARGIN + WIDTH - x, end=True), SMALL, FAINT, WIDTH)
    page.y += int(TEXT * 1.4) - (TEXT - SMALL)


def _grid(page: Page, rows: Sequence[Row], contract: Contract) -> None:
    width = ROOM + GAP
    for start in range(0, len(rows), COLUMNS):
        line = rows[start : start + COLUMNS]
        page.reach(TALLEST + 3 * TEXT)
        for column, row in enumerate(line):
            page.image.paste(_drawn(row.cells[0], contract), (MARGIN + column * width, page.y))
        page.y += max(_size(row.cells[0])[1] for row in line) + 4
        for column, row in enumerate(line):
            text = row.answer or shortened(row.name, SMALL, ROOM, end=True)
            page.write(MARGIN + column * width, text, SMALL, INK if row.answer else FAINT, ROOM)
        page.y += int(SMALL * 1.4) + GAP


def _texts(page: Page, rows: Sequence[Row]) -> None:
    for row in rows:
        _captions(page, row)
        lines = in_lines([word for word, _ in row.words], TEXT)
        marked = [not known for _, known in row.words]
        at = 0
        for line in lines[:LINES]:
            x = MARGIN
            for word in line:
                pen, text = page.reach(2 * TEXT), drawable(shortened(word, TEXT, WIDTH), TEXT)
                length = length_of(text, TEXT)
                if marked[at]:
                    pen.rounded_rectangle((x - 3, page.y - 1, x + length + 3, page.y + TEXT + 5), 5, MARK)
                pen.text((x, page.y), text, INK, font_of(TEXT, text))
                x, at = x + length + length_of(" ", TEXT), at + 1
            page.y += int(TEXT * 1.4)
        if at < len(row.words):
            page.line(f"... and {len(row.words) - at} more words", SMALL, FAINT)
        page.y += GAP


def _legend(page: Page, rows: Sequence[Row], contract: Contract) -> None:
    """What the colours mean: of the classes that are in the pictures, or of the positions; and of marked words."""
    cells = [cell for row in rows for cell in row.cells]
    if any(not known for row in rows for _, known in row.words):
        _swatches(page, [("a word that the network will not know", MARK)])
    if cells and cells[0].mask is not None:
        seen = np.unique(np.concatenate([np.unique(cell.mask) for cell in cells if cell.mask is not None]))
        palette = colours(len(contract.classes))
        named = [(contract.classes[k], palette[k]) for k in seen if k != IGNORE]
        _swatches(page, [*named, ("nothing is asked for here", NOTHING)] if IGNORE in seen else named)
    if len(contract.positions) > 1:
        palette = colours(len(contract.positions))
        names = [", ".join(contract.classes[k] for k in pair) for pair in contract.positions]
        _swatches(page, list(zip(names, palette, strict=True)))


def _swatches(page: Page, named: Iterable[tuple[str, Colour]]) -> None:
    x, side = MARGIN, SMALL
    for name, colour in named:
        name = shortened(name, SMALL, WIDTH - side - 8)
        length = side + 8 + length_of(name, SMALL) + 2 * GAP
        if x > MARGIN and x + length - 2 * GAP > MARGIN + WIDTH:
            x, page.y = MARGIN, page.y + int(SMALL * 1.7)
        page.reach(2 * side).rounded_rectangle((x, page.y + 3, x + side, page.y + 3 + side), 4, colour)
        page.write(x + side + 8, name, SMALL, INK, WIDTH)
        x += length
    page.y += int(SMALL * 1.7)


def _size(cell: Cell) -> tuple[int, int]:
    """Width and height of the picture on the page: enlarged by a whole factor, or what fits."""
    height, width = cell.pixels.shape[:2]
    scale = min(ROOM / width, TALLEST / height)
    scale = int(scale) if scale >= 2 else scale
    return max(1, round(width * scale)), max(1, round(height * scale))


def _drawn(cell: Cell, contract: Contract) -> Image.Image:
    size = _size(cell)
    nearest = Image.Resampling.NEAREST
    image = Image.fromarray(cell.pixels)
    image = image.resize(size, nearest if size[0] >= 2 * image.width else Image.Resampling.LANCZOS)
    if cell.mask is not None:
        table = np.zeros((IGNORE + 1, 3), np.uint8)
        table[: len(contract.classes)] = colours(len(contract.classes))
        image = Image.blend(image, Image.fromarray(table[cell.mask]).resize(size, nearest), COVER)
    pen = ImageDraw.Draw(image)
    if cell.points is not None:
        palette = colours(len(cell.points)) if len(cell.points) > 1 else [(220, 30, 60)]
        for (x, y), colour in zip(cell.points * size, palette, strict=True):
            for width, ink, arm in ((6, PAPER, 13), (2, colour, 11)):
                pen.line((x - arm, y, x + arm, y), ink, width)
                pen.line((x, y - arm, x, y + arm), ink, width)
    pen.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=(200, 200, 206))
    return image
