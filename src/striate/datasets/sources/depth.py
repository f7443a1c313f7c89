"""What is lost or left out when files are read as images of 8 bits: more bits, floating point, further pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from striate.datasets.dataset import DataSet
from striate.errors import DataError, counted
from striate.model.opening import open_image

_SAMPLE = 16  # files that are opened; of deep ones the pixels are read
_DEEP = (".tif", ".tiff", ".png", ".pgm", ".ppm", ".pnm", ".dcm", "")  # formats of more than 8 bits
_WHOLE = 1 << 15  # a 16-bit file that goes beyond it uses all its bits
_BITS_PER_SAMPLE = 258  # the tag of a TIFF


def with_depth(where: Path, dataset: DataSet, value_range: tuple[float, float] | None = None) -> DataSet:
    """*dataset* read by the *value_range*, with notes about the depth of its image files.

    Raises:
        DataError: As :func:`depth_notes`; a range, but no image files.
    """
    if not dataset.train.files:
        if value_range:
            raise DataError(f"{where}: --range is for image files, and these are none; omit it")
        return dataset
    notes = depth_notes(where, dataset.train.files, value_range)
    return replace(dataset, value_range=value_range or (), notes=(*dataset.notes, *notes))


@dataclass
class _Sample:
    """What a sample of files has: how many were read, their pages, and the values of the grey ones by kind."""

    looked: int = 0
    pages: int = 0
    colours: int = 0  # of 16 bits a channel
    whole: tuple[float, ...] = ()
    floats: tuple[float, ...] = ()
    n_floats: int = 0

    def add(self, image: Image.Image) -> None:
        self.looked += 1
        if image.format in ("TIFF", "DICOM"):
            self.pages = max(self.pages, getattr(image, "n_frames", 1))
        self.colours += _is_deep_colour(image)
        if image.mode == "F":
            values = np.asarray(image)
            values = values[np.isfinite(values)]
            self.n_floats += 1
            self.floats = (*self.floats, float(values.min(initial=np.inf)), float(values.max(initial=-np.inf)))
        elif image.mode.startswith("I"):
            self.whole = (*self.whole, *map(float, cast("tuple[int, int]", image.getextrema())))


def _is_deep_colour(image: Image.Image) -> bool:
    if image.mode not in ("RGB", "RGBA"):
        return False
    if image.format == "TIFF":
        return bool(max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))) > 8)
    how = next((tile[3] for tile in getattr(image, "tile", ())), "")  # and not its size, which may be 160x416
    if image.format == "PPM":
        return isinstance(how, tuple) and how[-1] > 255
    return image.format == "PNG" and "16" in str(how)


def depth_notes(where: Path, images: Sequence[Path], value_range: tuple[float, float] | None = None) -> tuple[str, ...]:
    """Notes about an even sample of *images*: files of more than 8 bits and how many they use, several pages.

    Raises:
        DataError: Without a range: all are floating point, or whole numbers outside 0..65,535; the message has the
            range that was measured.
    """
    deep = [path for path in images if path.suffix.lower() in _DEEP]
    sample = _Sample()
    for path in deep[:: max(1, len(deep) // _SAMPLE)][:_SAMPLE]:
        try:
            with open_image(path) as image:
                sample.add(image)
        except DataError:  # it is named when it is read for good
            continue
    measured = (*sample.whole, *sample.floats)
    low, high = min(measured, default=0), max(measured, default=0)
    if value_range:
        return (*_range_notes(measured, value_range), *_other_notes(sample))
    several = len(sample.whole) // 2 + sample.n_floats
    beyond = bool(sample.whole) and not 0 <= min(sample.whole) <= max(sample.whole) < 1 << 16
    if several == sample.looked and len(deep) == len(images) and (beyond or (sample.floats and not sample.whole)):
        what = "floating point" if sample.floats else "whole numbers of more than 16 bits, or below 0,"
        raise DataError(
            f"{where}: the images are {what} (of a sample, {low:g} to {high:g}), and their range is unknown; "
            f"add --range {low:g}:{high:g}, or another LOW:HIGH, the values that become black and white; or save them "
            "as .npy, a file for each item in the same folders, which keeps every value"
        )
    notes = []
    if sample.floats:
        notes.append(
            f"{sample.n_floats} of a sample of {sample.looked} images are floating point and cannot be read without "
            f"--range {min(sample.floats):g}:{max(sample.floats):g}"
        )
    highest = int(max(sample.whole, default=0))
    if 0 < highest < _WHOLE:
        bits, levels = highest.bit_length(), max(2, (highest + 128) // 257 + 1)
        notes.append(
            f"the images have 16 bits and use {bits} of them (up to {highest:,}): as 8 bits {levels} levels are left; "
            f"with --range 0:{2**bits - 1} {min(256, 2**bits)} are; .npy keeps every level"
        )
    elif highest:
        notes.append("the images have 16 bits: 0 to 65,535 become 0 to 255")
    return (*notes, *_other_notes(sample))


def _range_notes(measured: Sequence[float], value_range: tuple[float, float]) -> list[str]:
    if not measured:
        return ["the images have 8 bits: --range changes nothing"]
    low, high = value_range
    notes = [f"values from {low:g} to {high:g} become 0 to 255 (of a sample: {min(measured):g} to {max(measured):g})"]
    if min(measured) < low or max(measured) > high:
        notes[0] += "; what is beyond is cut off"
    return notes


def _other_notes(sample: _Sample) -> list[str]:
    notes = []
    if sample.colours:
        notes.append(
            f"{counted(sample.colours, 'image')} of a sample of {sample.looked} have 16 bits a colour: the upper 8 are "
            "kept"
        )
    if sample.pages > 1:
        notes.append(f"TIFF files have up to {sample.pages} pages; the first of each is read")
    return notes
