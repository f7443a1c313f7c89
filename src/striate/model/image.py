"""An image from a file or an array, as the network sees it: upright, 8 bits per channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from PIL import Image, TiffImagePlugin

from striate.errors import DataError
from striate.model.limits import overlapping_tags
from striate.model.opening import Encoded, has_metadata_behind, open_image, plain_jpeg

_BAND = 1 << 19  # pixels that are converted at a time
_ORIENTATION = 0x0112  # the EXIF tag: how the camera was held
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LEFT_IS_FAR, _TOP_IS_FAR, _ON_ITS_SIDE = (2, 3, 6, 7), (3, 4, 7, 8), (5, 6, 7, 8)  # of what is stored, when upright


ValueRange = tuple[float, ...]  # the lowest and the highest value; () where that is the format's matter


class Decoded(NamedTuple):
    """The image in a file, decoded, perhaps at reduced size.

    Args:
        image: As :func:`canonical` gives it.
        size: The width and height that the file's image has, upright.
        box: Where in *image* it lies: (0, 0, width, height), unless it is reduced and its last row or column of
            pixels is not covered in full.
    """

    image: Image.Image
    size: tuple[int, int]
    box: tuple[float, float, float, float]

    @classmethod
    def whole(cls, image: Image.Image) -> Decoded:
        """*image* at its own size."""
        return cls(image, image.size, (0, 0, *image.size))


def decode(source: Path | str, mode: str, value_range: ValueRange = ()) -> Image.Image:
    """The image in a file, upright, 8 bits a channel, in *mode* (``"L"``, ``"RGB"`` or ``"RGBA"``).

    The first frame of an animation, the first page of several; otherwise as :func:`canonical` says. What the file
    is, its content says and not its name. A file that is cut short is refused, never filled up.

    Raises:
        DataError: The file is missing, a folder, not ours to read, empty, no image, cut short, or so large
            that Pillow takes it for an attack.
    """
    return decode_reduced(source, mode, lambda _: 1, value_range).image


def decode_reduced(
    source: Encoded, mode: str, factor: Callable[[tuple[int, int]], int], value_range: ValueRange = ()
) -> Decoded:
    """As :func:`decode`, but 2, 4 or 8 times smaller where the format can, which saves most of the time.

    Only JPEG can: libjpeg reconstructs each block of 8x8 pixels as one of 4x4, 2x2 or 1x1.

    Args:
        source: The file, or its content.
        mode: As in :func:`decode`.
        factor: From the (width, height) of the upright image to 1, 2, 4 or 8, at most the shorter side.
        value_range: As in :func:`canonical`.

    Raises:
        DataError: As :func:`decode`.
    """
    if (plain := plain_jpeg(source, factor)) is not None:
        return Decoded.whole(canonical(plain, mode))
    with open_image(source) as file:
        # MPO: a JPEG with another behind it, as phones write them.
        if file.format not in ("JPEG", "MPO") or max(factor(file.size), factor(file.size[::-1])) == 1:
            return Decoded.whole(canonical(file, mode, value_range))
        orientation = _orientation(file)
        size = file.size[::-1] if orientation in _ON_ITS_SIDE else file.size
        n = factor(size)
        file.draft(None, (file.width // n, file.height // n))
        image = canonical(file, mode)  # 8 bits, as every JPEG
        width, height = size[0] / n, size[1] / n
        left = image.width - width if orientation in _LEFT_IS_FAR else 0
        top = image.height - height if orientation in _TOP_IS_FAR else 0
        return Decoded(image, size, (left, top, left + width, top + height))


def decode_mask(source: Encoded) -> np.ndarray:
    """The values in a mask file: int32 ``(H, W)``, upright: grey or palette numbers, of colours ``0xRRGGBB``.

    Raises:
        DataError: As :func:`decode`; or floating-point pixels.
    """
    with open_image(source) as file:
        file.load()
        if file.mode == "F":
            raise DataError("the mask is floating point; save it as whole numbers, one for each class")
        width, height = file.size[::-1] if _orientation(file) in _ON_ITS_SIDE else file.size
        found = np.empty((height, width), np.int32)
        for band, (left, top) in _bands(file):
            found[top : top + band.height, left : left + band.width] = _mask_values(band)
        return found


def _mask_values(image: Image.Image) -> np.ndarray:
    if image.mode not in ("1", "L", "P", "LA", "PA") and not image.mode.startswith("I"):
        red, green, blue = np.asarray(image.convert("RGB")).astype(np.int32).transpose(2, 0, 1)
        colours: np.ndarray = (red << 16) | (green << 8) | blue
        return colours
    values = np.asarray(image).astype(np.int32)
    return values[..., 0] if values.ndim == 3 else values


def header(source: Encoded) -> tuple[str, tuple[int, int]]:
    """``("L", "RGB" or "RGBA", (height, width))`` of a file when upright, without decoding it.

    ``"RGBA"`` where there is an alpha channel or a transparent colour, used or not (:func:`alpha_is_used` knows).

    Raises:
        DataError: As :func:`decode`, but for damage behind the header.
    """
    with open_image(source) as image:
        if has_metadata_behind(image):  # the one case where the pixels must be passed to know more
            image.load()
        width, height = image.size
        if _orientation(image) in _ON_ITS_SIDE and not _is_upright_by_tag(image):
            width, height = height, width
        grey = image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16")
        return "RGBA" if image.has_transparency_data else "L" if grey else "RGB", (height, width)


def _is_upright_by_tag(image: Image.Image) -> bool:
    """Pillow gives the size of a TIFF as it stands upright by its tag, of other formats as it is stored."""
    return isinstance(image, TiffImagePlugin.TiffImageFile) and _ORIENTATION in image.tag_v2


def alpha_is_used(source: Path | str) -> bool:
    """Whether any pixel of the image in a file is not opaque; decodes it.

    Raises:
        DataError: As :func:`decode`.
    """
    with open_image(source) as file:
        file.load()
        if not file.has_transparency_data:
            _check_range(file)
            return False
        return any(
            _eight_bits(band).convert("RGBA").getchannel("A").getextrema() != (255, 255) for band, _ in _bands(file)
        )


def canonical(image: Image.Image, mode: str, value_range: ValueRange = ()) -> Image.Image:
    """*image* as the network's input: upright, 8 bits a channel, in *mode*.

    Rotated as its EXIF orientation says. What is transparent shows black behind it, unless the mode is ``"RGBA"``,
    which keeps alpha and colours as they are. 16-bit grey (``I;16``, ``I``) is scaled so that 65,535 becomes 255, or,
    as floating point (``F``) too, from the two numbers of *value_range* to 0 and 255, what is beyond them cut off; of
    16-bit colours Pillow itself keeps the upper 8 bits. Colour profiles (ICC) are ignored: the numbers in the file
    are taken for sRGB. A canonical image stays as it is.

    Raises:
        DataError: Arrays that have no fixed range: floating point, or whole numbers outside 0..65,535.

    >>> canonical(Image.new("RGBA", (1, 1), (200, 100, 50, 0)), "RGB").getpixel((0, 0))
    (0, 0, 0)
    """
    image.load()  # a PNG's orientation may stand behind the pixels
    _check_range(image, value_range)
    if image.width * image.height <= _BAND or (image.mode == mode and _orientation(image) == 1):
        return _canonical(_upright(image), mode, value_range)
    size = image.size[::-1] if _orientation(image) in _ON_ITS_SIDE else image.size
    whole = Image.new(mode, size)
    for band, place in _bands(image):
        whole.paste(_canonical(band, mode, value_range), place)
    return whole


def _canonical(image: Image.Image, mode: str, value_range: ValueRange) -> Image.Image:
    image = _eight_bits(image, value_range)
    if image.mode == "LAB":  # which Pillow turns into RGB alone
        image = image.convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if mode != "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image if image.mode == mode else image.convert(mode)


def _bands(image: Image.Image) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """Some rows of a loaded *image* after the other, upright, and where their (left, top) lies in the upright whole:
    so that no step on the way needs a second or third image as large.
    """
    width, height = image.size
    turn, rows = _orientation(image), max(1, _BAND // width)
    if rows >= height:
        yield _upright(image), (0, 0)
        return
    for start in range(0, height, rows):
        end = min(start + rows, height)
        at = height - end if turn in (3, 4, 6, 7) else start  # the first row has become the last, or the last column
        band = image.crop((0, start, width, end))
        yield _turned(band, turn), (at, 0) if turn in _ON_ITS_SIDE else (0, at)


def _orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF numbers them; an image whose metadata are damaged says nothing, so 1."""
    with suppress(Exception):
        if overlapping_tags(_exif(image)):
            return 1
        # The base class's method: a PNG's own decodes it, to find what may stand behind the pixels.
        found = Image.Image.getexif(image).get(_ORIENTATION)
        return found if found in _TURN else 1
    return 1


def _exif(image: Image.Image) -> bytes:
    """The EXIF metadata of an image, where Pillow finds them."""
    found = image.info.get("exif")
    if found is None and (profile := image.info.get("Raw profile type exif")):
        found = bytes.fromhex("".join(profile.split("\n")[3:]))
    return found if isinstance(found, bytes) else b""


def _upright(image: Image.Image) -> Image.Image:
    image.load()  # a PNG's orientation may stand behind the pixels
    return _turned(image, _orientation(image))


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    if orientation == 1:
        return image
    # Not by ImageOps.exif_transpose, which writes the other metadata anew and fails where they are damaged.
    kept: dict[str | tuple[int, int], Any] = {key: value for key, value in image.info.items() if key == "transparency"}
    image = image.transpose(_TURN[orientation])
    image.info = kept  # without the orientation, so that it is not undone twice
    return image


def _check_range(image: Image.Image, value_range: ValueRange = ()) -> None:
    if image.mode == "F" and not value_range:
        raise DataError("the pixels are floating point and their range is unknown; save it with 8 or 16 bits")
    if image.mode == "I" and not value_range:
        low, high = cast(tuple[int, int], image.getextrema())
        if low < 0 or high > 65535:
            raise DataError(f"the pixels go from {low} to {high}, expected 0 to 65535; save it with 8 or 16 bits")


def _eight_bits(image: Image.Image, value_range: ValueRange = ()) -> Image.Image:
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    if value_range:
        return Image.fromarray(_scaled(np.asarray(image), value_range))
    values = np.asarray(image).astype(np.int32)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))  # value / 257, rounded


def _scaled(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """*values* as bytes: the range's ends are 0 and 255, what is beyond them and what is no number (0) cut off.

    >>> _scaled(np.array([-5.0, 0.0, 2047.5, 4095.0, np.nan]), (0, 4095)).tolist()
    [0, 0, 128, 255, 0]
    """
    low, high = value_range
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(np.clip(np.nan_to_num(scaled, nan=0, posinf=255, neginf=0), 0, 255)).astype(np.uint8)


def from_array(array: np.ndarray, value_range: ValueRange = ()) -> Image.Image:
    """One image from an array: ``(H, W)`` or ``(H, W, 1, 3 or 4)``, uint8 or floating point in 0..1; with a
    *value_range* any numbers but uint8 are taken as from it.

    Raises:
        DataError: Another shape, type or range; the text says which and how to change it.

    >>> from_array(np.array([[0.0, 1.0]])).getpixel((1, 0))
    255
    """
    array = np.asarray(array)
    _check_shape(array)
    if value_range and array.dtype != np.uint8 and array.dtype.kind in "iuf":
        array = _scaled(array, value_range)
    if np.issubdtype(array.dtype, np.floating):
        array = _bytes_from_floats(array)
    elif array.dtype != np.uint8:
        raise DataError(f"the array is {array.dtype}, expected uint8 or floats in 0..1; use array.astype('uint8')")
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
    raise DataError(f"the array's shape is {shape}, expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); {way_out}")


def _bytes_from_floats(array: np.ndarray) -> np.ndarray:
    if not np.isfinite(array).all():
        raise DataError("the array contains NaN or infinity, expected floats in 0..1")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        way_out = "divide by 255" if low >= 0 and high <= 255 else "scale it before"
        raise DataError(f"the array's floats go from {low:g} to {high:g}, expected 0 to 1; {way_out}")
    return np.asarray(np.rint(array * 255), np.uint8)
