"""An image from a file or an array, as the network's eyes see it: upright, opaque, 8 bits a channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

# Registered here, with preinit's PNG, JPEG, BMP, GIF and PPM, so that opening a file never makes Pillow load
# its forty other decoders, and never from several threads at once.
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

from striate.errors import DataError

Image.preinit()
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_ORIENTATION = 0x0112  # the EXIF tag


def decode(source: Path | str, mode: str) -> Image.Image:
    """The image in a file, upright, 8 bits a channel, in *mode* (``"L"`` or ``"RGB"``).

    The first frame of an animation; otherwise as :func:`canonical` says.

    Raises:
        DataError: The file is missing, a folder, not ours to read, empty, no image, cut short, or so large
            that Pillow takes it for an attack.
    """
    with _opened(Path(source)) as image:
        image.load()
        return canonical(image, mode)


def decode_mask(source: Path | str) -> np.ndarray:
    """The values in a mask file: int32 ``(H, W)``, upright: grey or palette numbers, of colours ``0xRRGGBB``.

    Raises:
        DataError: As :func:`decode`; or floating-point pixels.
    """
    with _opened(Path(source)) as image:
        image.load()
        image = _upright(image)
        if image.mode == "F":
            raise DataError("the mask is floating point; save it as whole numbers, one for each class")
        if image.mode not in ("1", "L", "P", "LA", "PA") and not image.mode.startswith("I"):
            red, green, blue = np.asarray(image.convert("RGB")).astype(np.int32).transpose(2, 0, 1)
            return (red << 16) | (green << 8) | blue
        values = np.asarray(image).astype(np.int32)
        return values[..., 0] if values.ndim == 3 else values


def header(source: Path | str) -> tuple[str, tuple[int, int]]:
    """``("L" or "RGB", (height, width))`` of a file when upright, without decoding it; DataError as decode."""
    with _opened(Path(source)) as image:
        mode = "L" if image.mode in ("1", "L", "LA", "I") or image.mode.startswith("I;16") else "RGB"
        width, height = image.size
        return mode, (width, height) if _lies_on_its_side(image) else (height, width)


def _lies_on_its_side(image: Image.Image) -> bool:
    # Pillow gives the size of a TIFF as it stands upright, of other formats as it is stored.
    with suppress(Exception):  # damaged metadata
        return image.format != "TIFF" and image.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
    return False


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image file *path*, open; whatever goes wrong inside is a DataError that names it."""
    try:
        if path.is_dir():
            raise DataError("this is a folder; name the image files in it")
        with path.open("rb") as stream:
            if not stream.read(1):
                raise DataError("the file is empty (0 bytes); copy it again or remove it")
            stream.seek(0)
            with Image.open(stream, formats=FORMATS) as image:
                _check_area(image)
                yield image
    except Exception as error:
        # Pillow's decoders meet damage with a dozen kinds of exception (OSError, SyntaxError, struct.error,
        # IndexError, ...). One broken file must never end a run, so each of them becomes the file's reason.
        raise DataError(f"{path}: {_reason(error)}") from None


def _check_area(image: Image.Image) -> None:
    """Pillow only warns of a picture above its limit (and raises above twice that); here it is an error."""
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{image.width}x{image.height} pixels")


def _reason(error: Exception) -> str:
    """What is wrong with a file, and the way out, in words."""
    match error:
        case DataError():
            return str(error)
        case FileNotFoundError() | NotADirectoryError():
            return "there is no such file"
        case PermissionError():
            return "no permission to read it; change the file's permissions"
        case UnidentifiedImageError():
            return "not an image that can be read (PNG, JPEG, BMP, GIF, TIFF, WebP, PPM); convert or remove it"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return f"too large to open safely ({error}); make it smaller than {Image.MAX_IMAGE_PIXELS} pixels"
        case _:
            return (
                f"the image is damaged or cut short ({str(error) or type(error).__name__}); copy it again or remove it"
            )


def canonical(image: Image.Image, mode: str) -> Image.Image:
    """*image* as the network's eyes see it: upright, opaque, 8 bits a channel, in *mode*.

    Rotated as its EXIF orientation says; what is transparent shows black behind it; 16-bit grey (``I;16``,
    ``I``) is scaled so that 65,535 becomes 255. A canonical image stays as it is.

    Raises:
        DataError: Arrays that have no fixed range: floating point, or whole numbers outside 0..65,535.

    >>> canonical(Image.new("RGBA", (1, 1), (200, 100, 50, 0)), "RGB").getpixel((0, 0))
    (0, 0, 0)
    """
    image = _eight_bits(_upright(image))
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return image if image.mode == mode else image.convert(mode)


def _upright(image: Image.Image) -> Image.Image:
    # Damaged metadata says nothing about how the camera was held, and nothing against the pixels.
    with suppress(Exception):
        return ImageOps.exif_transpose(image)
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise DataError("the pixels are floating point and their range is unknown; save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)
    low, high = values.min(), values.max()
    if low < 0 or high > 65535:
        raise DataError(f"the pixels go from {low} to {high}, wanted 0 to 65535; save it with 8 or 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))  # value / 257, rounded


def from_array(array: np.ndarray) -> Image.Image:
    """One image from an array: ``(H, W)`` or ``(H, W, 1, 3 or 4)``, uint8 or floating point in 0..1.

    Raises:
        DataError: Another shape, type or range; the text says which and how to change it.

    >>> from_array(np.array([[0.0, 1.0]])).getpixel((1, 0))
    255
    """
    array = np.asarray(array)
    _check_shape(array)
    if np.issubdtype(array.dtype, np.floating):
        array = _bytes_from_floats(array)
    elif array.dtype != np.uint8:
        raise DataError(f"the array holds {array.dtype}, wanted uint8 or floats in 0..1; use array.astype('uint8')")
    return Image.fromarray(np.ascontiguousarray(array.squeeze(2) if array.shape[2:] == (1,) else array))


def _check_shape(array: np.ndarray) -> None:
    shape = array.shape
    if 0 not in shape and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))):
        return
    if 0 in shape:
        way_out = "it is empty"
    elif len(shape) == 3 and shape[0] in (1, 3, 4):
        way_out = "the channels come last: use array.transpose(1, 2, 0)"
    else:
        way_out = "give one image"
    raise DataError(f"the array's shape is {shape}, wanted (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); {way_out}")


def _bytes_from_floats(array: np.ndarray) -> np.ndarray:
    if not np.isfinite(array).all():
        raise DataError("the array holds NaN or infinity, wanted floats in 0..1")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        way_out = "divide by 255" if low >= 0 and high <= 255 else "scale it before"
        raise DataError(f"the array's floats go from {low:g} to {high:g}, wanted 0 to 1; {way_out}")
    return np.rint(array * 255).astype(np.uint8)
