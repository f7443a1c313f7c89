"""A contact sheet: a few items of a split with their labels, on one page that a telephone shows too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from striate.datasets.show.items import SheetImage, SheetRow
from striate.errors import RecipeError
from striate.model.contract import IGNORE, Contract
from striate.plotting import Panel, figure
from striate.plotting.picture import GAP, Block, Colour
from striate.plotting.text import DENSITY, FAINT, INK, PAPER, SMALL, TEXT, drawable, shorten, text_length, write
from striate.report.pictures import NOTHING, class_colours, coloured_mask

WIDTH, COLUMNS = 450, 5  # pixels of the page
SIDE = (WIDTH - (COLUMNS - 1) * GAP) // COLUMNS  # that an image has, at most; twice that in its height
MAX_LINES = 7  # of a text
LINE = round(1.4 * TEXT * DENSITY)
MARK: Colour = (255, 221, 170)
POINT: Colour = (220, 30, 60)
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WebP"}
COVER = 0.55  # how much of an image its mask covers


def contact_sheet(rows: Sequence[SheetRow], contract: Contract, *, title: str, about: str) -> Image.Image:
    """The page of *rows* (what :func:`~striate.datasets.show.items.sheet_rows` returned).

    Where each row has several images, they stand side by side under the names of their columns; items with one
    image each fill the page in order. Small images are enlarged by whole factors, pixel by pixel; masks are overlaid
    in colours, and positions are crosses.

    Args:
        rows: One item each.
        contract: What the masks' classes and the positions are called.
        title: In large letters.
        about: In small ones, under it.

    >>> from striate.datasets import open_data
    >>> from striate.datasets.show.items import sheet_contract, sheet_rows
    >>> digits = open_data("digits")
    >>> contract = sheet_contract(digits)
    >>> contact_sheet(sheet_rows(digits, contract), contract, title="digits", about="").width
    944
    """
    blocks: list[Block] = []
    if rows[0].words:
        blocks = [block for row in rows for block in (_heading(row), _text(row.words))]
    elif len(rows[0].images) > 1:
        for number, row in enumerate(rows):
            names = ["original", *(f"epoch {i}" for i in range(1, len(row.images)))] if number == 0 else [""] * 99
            panels = [_panel(image, contract, image.caption) for image in row.images]
            blocks += [_heading(row), [[replace(p, title=name) for p, name in zip(panels, names, strict=False)]]]
    else:
        notes = [row.label or shorten(row.name, SMALL, SIDE * DENSITY, end=True) for row in rows]
        panels = [_panel(row.images[0], contract, note) for row, note in zip(rows, notes, strict=True)]
        blocks = [[panels[i : i + COLUMNS] for i in range(0, len(panels), COLUMNS)]]
    width = (WIDTH - 2 * GAP) * DENSITY
    about = " ".join(shorten(word, SMALL, width) for word in about.split(" "))
    return figure(blocks, title=shorten(title, 15, width), note=about, legend=_legend(rows, contract)).image


def image_bytes(image: Image.Image, path: Path) -> bytes:
    """The image as a file of the format that *path* ends with.

    Raises:
        RecipeError: It ends with none that images are written in.

    >>> image_bytes(Image.new("RGB", (4, 4)), Path("sheet.png"))[1:4]
    b'PNG'
    """
    file = BytesIO()
    if path.suffix.lower() not in FORMATS:
        raise RecipeError(f"{path}: the file must end in {' or '.join(FORMATS)}")
    image.save(file, FORMATS[path.suffix.lower()], quality=90)
    return file.getvalue()


def _heading(row: SheetRow) -> Image.Image:
    """The label, and the name after it: its end where there is no room for all."""
    width = WIDTH * DENSITY
    canvas = Image.new("RGB", (width, LINE), PAPER)
    label = shorten(row.label, TEXT, width * 2 // 3)
    write(canvas, (0, 0), label, TEXT, INK)
    x = text_length(label, TEXT) + GAP * bool(label)
    write(canvas, (x, (TEXT - SMALL) * DENSITY), shorten(row.name, SMALL, width - x, end=True), SMALL, FAINT)
    return canvas


def _text(words: Sequence[tuple[str, bool]]) -> Image.Image:
    """The words in lines, those that the network does not know on a colour."""
    width, space = WIDTH * DENSITY, text_length(" ", TEXT)
    canvas = Image.new("RGB", (width, MAX_LINES * LINE), PAPER)
    draw, x, y = ImageDraw.Draw(canvas), 4, 0
    for number, (word, known) in enumerate(words):
        text = drawable(shorten(word, TEXT, width - 8), TEXT)
        length = text_length(text, TEXT)
        if x > 4 and x + length > width - 4:
            x, y = 4, y + LINE
            if y == (MAX_LINES - 1) * LINE:
                write(canvas, (x, y), f"... and {len(words) - number} more words", SMALL, FAINT)
                break
        if not known:
            draw.rounded_rectangle((x - 3, y + 1, x + length + 3, y + LINE - 3), 5, MARK)
        write(canvas, (x, y), text, TEXT, INK)
        x += length + space
    return canvas.crop((0, 0, width, y + LINE))


def _panel(image: SheetImage, contract: Contract, note: str) -> Panel:
    pixels = image.pixels
    height, width = pixels.shape[:2]
    if image.mask is not None:
        mask = coloured_mask(image.mask, len(contract.classes))
        pixels = np.rint((1 - COVER) * pixels + COVER * mask).astype(np.uint8)
    points = image.points if image.points is not None else np.empty((0, 2))
    palette = class_colours(len(points)) if len(points) > 1 else (POINT,)
    crosses = tuple((x, y, colour) for (x, y), colour in zip(points.tolist(), palette, strict=False))
    side = int(min(SIDE / width, 2 * SIDE / height) * max(height, width))
    lines = "\n".join(shorten(line, SMALL, SIDE * DENSITY) for line in note.splitlines())
    return Panel(pixels, note=lines, side=side, crosses=crosses, frame=True)


def _legend(rows: Sequence[SheetRow], contract: Contract) -> list[tuple[str, Colour]]:
    """What the colours mean: of the classes that are in the images, or of the positions; and of marked words."""
    if any(not known for row in rows for _, known in row.words):
        return [("not in the vocabulary", MARK)]
    masks = [image.mask for row in rows for image in row.images if image.mask is not None]
    if masks:
        present = np.unique(np.concatenate([np.unique(mask) for mask in masks])).tolist()
        palette = class_colours(len(contract.classes))
        named = [(contract.classes[k], palette[k]) for k in present if k != IGNORE]
        return [*named, *[("ignored", NOTHING)] * (IGNORE in present)]
    if len(contract.positions) > 1:
        names = [", ".join(contract.classes[k] for k in pair) for pair in contract.positions]
        return list(zip(names, class_colours(len(names)), strict=True))
    return []
