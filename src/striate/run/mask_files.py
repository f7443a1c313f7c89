"""The masks that a model predicts, as PNG files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from striate.errors import DataError
from striate.files import write_safely
from striate.model.sources import Item
from striate.report.pictures import NOTHING, class_colours
from striate.tasks.answers import Mask


def mask_names(items: Iterable[Item | DataError]) -> Iterator[str]:
    """A name for each item's mask, without suffix; where several files have one name, ``name-2`` and so on. Names that
    differ in capitals alone are one: on Windows and macOS they are one file.

    >>> [*mask_names([Item("", "in/A.png"), Item("", "out/a.png"), Item("", "b.png")])]
    ['A', 'a-2', 'b']
    """
    taken: dict[str, int] = {}  # names in lower case
    for item in items:
        stem = name = "" if isinstance(item, DataError) else Path(str(item.file)).stem
        while name.casefold() in taken:
            taken[stem.casefold()] += 1
            name = f"{stem}-{taken[stem.casefold()]}"
        taken[name.casefold()] = 1
        yield name


def mask_png(answer: Mask, classes: int) -> bytes:
    """A mask of class numbers with a palette, so that it is seen as colours and read as numbers; 255 is no class.

    >>> import numpy as np
    >>> mask_png(Mask(np.zeros((2, 3), np.uint8), ()), 2)[1:4]
    b'PNG'
    """
    image = Image.fromarray(answer.mask)
    palette = (*class_colours(classes), *[NOTHING] * (256 - classes))  # all 256: Pillow would cut bits off
    image.putpalette([value for colour in palette for value in colour])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def write_mask(answer: Mask, folder: Path, name: str, classes: int) -> Path:
    """Writes :func:`mask_png` to *folder*; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_safely(folder / f"{name}.png", mask_png(answer, classes))
    return folder / f"{name}.png"
