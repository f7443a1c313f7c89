"""A mask that is not one file: several put together, one with a threshold, or one drawn from polygons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from striate.errors import DataError
from striate.model.image import decode_mask


@dataclass(frozen=True)
class OutlinedObject:
    """One object of a mask: polygons ``(x, y, x, y, ...)``, or lengths of runs down the columns, and its *value*."""

    value: int
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()


@dataclass(frozen=True)
class MaskRecipe:
    """A mask and how it is made.

    Args:
        files: What it is made of: mask files, put one over the other where they are not 0; or, with *size*, the files
            that its *shapes* were read from.
        values: What the pixels of each file that are not 0 become; as they are, if empty.
        threshold: Pixels below it become 0, the others 255; None: as they are.
        size: Height and width of a mask that is drawn.
        shapes: What is drawn, one over the other.
        numbered: What the values are the numbers of, in their order: the classes of all splits.

    >>> MaskRecipe((Path("a.json"),), size=(1, 3), shapes=(OutlinedObject(7, runs=(1, 2)),)).read()
    array([[0, 7, 7]], dtype=int32)
    """

    files: tuple[Path, ...]
    values: tuple[int, ...] = ()
    threshold: int | None = None
    size: tuple[int, int] | None = None
    shapes: tuple[OutlinedObject, ...] = ()
    numbered: tuple[object, ...] = ()

    @property
    def how(self) -> tuple[object, ...]:
        """What decides its pixels besides the files."""
        return self.values, self.threshold, self.size is not None, self.numbered

    @property
    def name(self) -> str:
        return self.files[0].name

    @property
    def parent(self) -> Path:
        return self.files[0].parent

    @property
    def suffix(self) -> str:
        return self.files[0].suffix

    def __str__(self) -> str:
        return str(self.files[0])

    def read(self) -> np.ndarray:
        """Its values: int32 ``(H, W)``.

        Raises:
            DataError: A file cannot be read, or they are not of one size.
        """
        if self.size is not None:
            height, width = self.size
            if min(self.size) < 1 or height * width > (Image.MAX_IMAGE_PIXELS or height * width):
                raise DataError(f"{self.files[0]}: says that an image has {width} x {height} pixels; correct it")
            return _drawn(self.size, self.shapes)
        found: np.ndarray | None = None
        for i, path in enumerate(self.files):
            mask = decode_mask(path)
            mask = mask if self.threshold is None else _thresholded(mask, self.threshold)
            mask = np.where(mask != 0, self.values[i], 0).astype(np.int32) if self.values else mask
            if found is not None and found.shape != mask.shape:
                raise DataError(f"{path}: not of the size of {self.files[0].name}, which is of the same image")
            found = mask if found is None else np.where(mask != 0, mask, found)
        assert found is not None
        return found


MaskFile = Path | MaskRecipe


def read_mask(mask: MaskFile) -> np.ndarray:
    """The values of a mask file, or of one that is made: int32 ``(H, W)``.

    Raises:
        DataError: It cannot be read.

    >>> read_mask(MaskRecipe((Path("a.json"),), size=(1, 2))).tolist()
    [[0, 0]]
    """
    return mask.read() if isinstance(mask, MaskRecipe) else decode_mask(mask)


def _thresholded(mask: np.ndarray, threshold: int) -> np.ndarray:
    """0 below and 255 from the *threshold* on; of colours, by their mean."""
    if mask.size and mask.max() > 65_535:
        mask = ((mask >> 16) + (mask >> 8 & 255) + (mask & 255)) // 3
    return np.where(mask >= threshold, 255, 0).astype(np.int32)


def _drawn(size: tuple[int, int], shapes: tuple[OutlinedObject, ...]) -> np.ndarray:
    height, width = size
    image = Image.new("I", (width, height), 0)
    pen = ImageDraw.Draw(image)
    runs = [shape for shape in shapes if shape.runs]
    for shape in shapes:
        for polygon in shape.polygons:
            if len(polygon) >= 6:
                pen.polygon(list(polygon), fill=shape.value)
    values = np.array(image, np.int32)
    for shape in runs:  # the odd ones are the object's
        ends = np.minimum(np.maximum(np.array(shape.runs, np.float64), 0).cumsum(), height * width).astype(np.int64)
        inside = np.repeat(np.arange(len(ends)) % 2, np.diff(ends, prepend=0))
        values[np.pad(inside, (0, height * width - len(inside))).reshape(width, height).T == 1] = shape.value
    return values
