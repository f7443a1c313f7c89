"""Image files that Pillow cannot read, by packages that need not be there: DICOM by pydicom, other TIFF by tifffile."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from striate.errors import DataError

DICOM = ".dcm"
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # of TIFF, and of BigTIFF


def needed_package(suffix: str, module: str, package: str, otherwise: str, path: Path | None = None) -> ModuleType:
    """The module that reads files of a *suffix*, such as *path*.

    Raises:
        DataError: It is not installed; the message has the command.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        where = f"{path}: " if path else ""
        raise DataError(
            f"{where}reading {suffix} needs the package {package}; pip install {package}, or {otherwise}"
        ) from None


@contextmanager
def readable(path: Path, what: str = "it") -> Iterator[None]:
    """Whatever NumPy and the packages meet in a damaged file, of a dozen kinds, as a DataError; so are objects."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, ValueError) and "pickle" in reason:
            raise DataError(
                f"{path}: {what} contains Python objects, which may run code when they are read; make it one array of "
                "numbers (numpy.stack) and save again"
            ) from None
        raise DataError(f"{path}: damaged, cut short or not readable ({reason}); copy or write it again") from None


def open_dicom(path: Path | str) -> Image.Image:
    """The first frame of a DICOM file, its values as the device means them (Hounsfield units of a CT).

    Grey of 8 bits is ``L``, of more ``I`` or ``I;16``, of fractions ``F``; ``MONOCHROME1`` is turned, so that high is
    bright; colour is ``RGB``.

    Raises:
        DataError: pydicom is not installed, or the image is too large to open safely.
    """
    pydicom = needed_package(DICOM, "pydicom", "pydicom", "convert the images to PNG")
    pixels = importlib.import_module("pydicom.pixels")
    head = pydicom.dcmread(path, stop_before_pixels=True)
    if head.Rows * head.Columns > (Image.MAX_IMAGE_PIXELS or 1 << 40):
        raise Image.DecompressionBombError(f"{head.Columns}x{head.Rows} pixels")
    values = np.asarray(pixels.apply_modality_lut(pixels.pixel_array(path, index=0), head))
    if values.dtype.kind == "f" and (values == np.floor(values)).all():
        values = values.astype(np.int32)  # as the slope of most devices is 1
    if values.dtype.kind == "i" and values.size and values.min() >= 0 and values.max() < 1 << 16:
        values = values.astype(np.uint8 if head.BitsStored <= 8 else np.uint16)
    if head.get("PhotometricInterpretation") == "MONOCHROME1":
        values = values.max() - values
    image = _as_image(values)
    image.format = "DICOM"
    image.n_frames = int(head.get("NumberOfFrames", 1) or 1)  # type: ignore[attr-defined]
    return image


def open_other_tiff(path: Path | str) -> Image.Image | None:
    """The first page of a TIFF that Pillow does not know (bands of floating point, BigTIFF, rare compressions); None
    where it is no TIFF.

    Raises:
        DataError: tifffile is not installed, or it cannot read the file either.
    """
    with open(path, "rb") as stream:
        if stream.read(4) not in _MAGIC:
            return None
    tifffile = needed_package("such a TIFF", "tifffile", "tifffile", "save it with 8 or 16 bits")
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if page.nbytes > 4 * (Image.MAX_IMAGE_PIXELS or 1 << 40):
            raise Image.DecompressionBombError(f"{page.imagewidth}x{page.imagelength} pixels")
        values = page.asarray()
        frames = len(file.pages)
    image = _as_image(values)
    image.format = "TIFF"
    image.n_frames = frames  # type: ignore[attr-defined]
    return image


def _as_image(values: np.ndarray) -> Image.Image:
    """Numbers of any type ``(H, W)``, or colours ``(H, W, 3 or 4)``, as a Pillow image.

    >>> _as_image(np.zeros((2, 3), np.int16)).mode, _as_image(np.zeros((2, 3, 3), np.uint16)).mode
    ('I', 'RGB')
    """
    if values.ndim == 3 and values.shape[0] in (1, 3, 4) and values.shape[2] not in (1, 3, 4):
        values = np.moveaxis(values, 0, 2)
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.dtype in (np.uint8, np.uint16) and values.ndim == 3 and values.shape[2] in (3, 4):
        return Image.fromarray((values >> 8).astype(np.uint8) if values.dtype == np.uint16 else values)
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise DataError(f"it has the shape {values.shape} of {values.dtype}; expected grey, or colours of 8 or 16 bits")
    if values.dtype not in (np.uint8, np.uint16):
        values = values.astype({"b": np.uint8, "f": np.float32}.get(values.dtype.kind, np.int32))
    return Image.fromarray(np.ascontiguousarray(values))
