"""What is lost or left out when files are read as images of 8 bits: more bits, floating point, further pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.errors import DataError
from striate.model.opening import open_image

_SAMPLE = 16  # files that are opened; of deep ones the pixels are read
_DEEP = (".tif", ".tiff", ".png", ".pgm", ".ppm", ".pnm", "")  # formats of more than 8 bits
_WHOLE = 1 << 15  # a 16-bit file that goes beyond it uses all its bits


def depth_notes(where: Path, images: Sequence[Path]) -> tuple[str, ...]:
    """Notes about an even sample of *images*: grey files of 16 bits and how many of them they use, several pages.

    Raises:
        DataError: All are floating point, whose range nobody knows; the message has the range that was measured.
    """
    deep = [path for path in images if path.suffix.lower() in _DEEP]
    looked, highest, pages, floats = 0, 0, 0, []
    for path in deep[:: max(1, len(deep) // _SAMPLE)][:_SAMPLE]:
        try:
            with open_image(path) as image:
                looked += 1
                pages = max(pages, getattr(image, "n_frames", 1) if image.format == "TIFF" else 1)
                if image.mode == "F" or image.mode.startswith("I"):
                    values = np.asarray(image)
                    if image.mode == "F":
                        floats.append((float(np.nanmin(values)), float(np.nanmax(values))))
                    else:
                        highest = max(highest, int(values.max()))
        except DataError:  # it is named when it is read for good
            continue
    if floats and len(floats) == looked and len(deep) == len(images):
        low, high = min(low for low, _ in floats), max(high for _, high in floats)
        raise DataError(
            f"{where}: the images are floating point (of a sample, {low:g} to {high:g}), and their range is unknown; "
            "save them with 8 or 16 bits, or as .npy, a file for each item in the same folders, which keeps every value"
        )
    notes = []
    if floats:
        notes.append(f"{len(floats)} of a sample of {looked} images are floating point and cannot be read")
    if 0 < highest < _WHOLE:
        bits, levels = highest.bit_length(), max(2, (highest + 128) // 257 + 1)
        notes.append(
            f"the images have 16 bits and use {bits} of them (up to {highest:,}): as 8 bits {levels} levels are left; "
            f"multiply them by {2 ** (16 - bits)}, or save them as .npy, which keeps every level"
        )
    elif highest:
        notes.append("the images have 16 bits: 0 to 65,535 become 0 to 255")
    if pages > 1:
        notes.append(f"TIFF files have up to {pages} pages; the first of each is read")
    return tuple(notes)
