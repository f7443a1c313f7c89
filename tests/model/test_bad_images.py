"""Files that are no image, or no longer one, or none that may be opened: one message, with the way out."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from image_files import WHOLE, chunk, photo, png_head, png_of, random, saved, tiff
from striate.errors import DataError
from striate.model.contract import Contract
from striate.model.image import alpha_is_used, decode, decode_mask, header
from striate.model.prepare import prepared

SMALL = Contract(("cat", "dog"), (3, 8, 8), "RGB", (0.5,) * 3, (0.5,) * 3)
DOORS = {
    "decode": lambda path: decode(path, "RGB"),
    "prepared": lambda path: prepared(path, SMALL),
    "decode_mask": decode_mask,
    "header": header,
    "alpha_is_used": alpha_is_used,
}
NO_IMAGE = "not an image that can be read (PNG, JPEG, BMP, GIF, TIFF, WebP, PPM); convert or remove it"
OTHER_TIFF = "reading such a TIFF needs the package tifffile"  # where that is not installed
DAMAGED = ("the image is damaged or cut short (", "); copy it again or remove it")
LARGE = ("too large to open safely (", f" pixels); make it smaller than {Image.MAX_IMAGE_PIXELS} pixels")
PACKED = "the texts or the colour profile in it are too large to unpack safely; save it again without them"


def fault(path, door="decode"):
    with pytest.raises(DataError) as caught:
        DOORS[door](path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def of_bytes(tmp_path, data, door="decode"):
    (tmp_path / "a.jpg").write_bytes(data)
    return fault(tmp_path / "a.jpg", door)


PNG_END = chunk(b"IEND", b"")


def bmp_head(width, height, bits):
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)


# ------------------------------------------------------------------------------------------------------------ no image
OTHERS = {
    "a text": b"Dear diary",
    "a web page": b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>",
    "an error in JSON": b'{"error": "too many requests"}',
    "a drawing (SVG)": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "a text in UTF-16": "P6 2 2 255".encode("utf-16"),
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "Photoshop": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 4, 4, 8, 3) + bytes(60),
    "an icon": saved(photo(16, 16), "ICO"),
    "JPEG 2000": saved(photo(16, 16), "JPEG2000"),
    "TGA": saved(photo(), "TGA"),
    "PCX": saved(photo(), "PCX"),
    "DDS": saved(photo(), "DDS"),
    "Sun's or SGI's": saved(photo(), "SGI"),
    "a zip": b"PK\3\4\x14\0\0\0\0\0" + bytes(60),
    "a video": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(60),
    "numbers of numpy": b"\x93NUMPY\1\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2)}",
    "noise": random(500, seed=3).astype(np.uint8).tobytes(),
    "zeros": bytes(500),
    "one byte": b"\xff",
    "only the beginning of a PNG": b"\x89PNG\r\n\x1a\n",
    "only the beginning of a JPEG": b"\xff\xd8\xff\xe0",
    "only the beginning of a GIF": b"GIF89a",
    "only the beginning of a BMP": b"BM",
    "only the beginning of a TIFF": b"II*\0",
    "only the beginning of a WebP": b"RIFF\0\0\0\0WEBP",
    "only the beginning of a PPM": b"P6",
    "PNG of no width": png_head(0, 5, 8, 0) + PNG_END,
    "PNG of an unknown kind": png_head(5, 5, 7, 5) + PNG_END,
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow's, of a TIFF
def test_what_is_no_image(tmp_path, what):
    text = of_bytes(tmp_path, OTHERS[what])
    if text.startswith(OTHER_TIFF):
        text = NO_IMAGE
    assert text == NO_IMAGE or (text.startswith(DAMAGED[0]) and text.endswith(DAMAGED[1]))
    assert text == NO_IMAGE or "beginning" in what or "PNG" in what


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_what_phones_write_is_named(tmp_path, brand):
    text = of_bytes(tmp_path, b"\0\0\0\x18ftyp" + brand + bytes(40))
    assert text == "this is HEIC or AVIF, as phones write it, which is not read; convert it to JPEG"


@pytest.mark.parametrize("door", DOORS)
def test_every_door_gives_the_same_message(tmp_path, door):
    assert of_bytes(tmp_path, b"Dear diary", door) == NO_IMAGE
    assert of_bytes(tmp_path, b"", door) == "the file is empty (0 bytes); copy it again or remove it"
    assert fault(tmp_path, door) == "this is a folder; name the image files in it"
    assert fault(tmp_path / "missing.png", door) == "file not found; expected an image file"
    assert fault(tmp_path / "a.jpg" / "b.png", door) == "file not found; expected an image file"


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "a.png")  # opening it would wait for ever
    assert fault(tmp_path / "a.png") == "this is not a regular file"
    (tmp_path / "b.png").symlink_to(tmp_path / "b.png")
    assert fault(tmp_path / "b.png") == "cannot be opened (Too many levels of symbolic links)"
    (tmp_path / "c.png").symlink_to(tmp_path / "gone.png")
    assert fault(tmp_path / "c.png") == "file not found; expected an image file"
    assert fault(tmp_path / ("x" * 300)) == "cannot be opened (File name too long)"


def test_no_permission(tmp_path, monkeypatch):
    """As the system answers somebody who is not root."""
    (tmp_path / "a.png").write_bytes(saved(photo(), "PNG"))

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataError, match="no permission to read it; change the file's permissions"):
        decode(tmp_path / "a.png", "RGB")


# -------------------------------------------------------------------------------------------------- damaged, cut short
@pytest.mark.parametrize("kind", WHOLE)
def test_cut_anywhere_it_is_refused_or_whole(tmp_path, kind):
    """Never an image whose lower part is grey. Some formats end in bytes that say nothing of the pixels."""
    data, path = WHOLE[kind](), tmp_path / "a"
    path.write_bytes(data)
    whole = {"decode": np.asarray(decode(path, "RGB")), "prepared": prepared(path, SMALL)}
    refused = 0
    places = {*range(1, len(data), len(data) // 12 + 1), *(len(data) - n for n in (1, 2, 4, 8, 13, 21))}
    for place in sorted(places):
        path.write_bytes(data[:place])
        for door, wanted in whole.items():
            try:
                came = DOORS[door](path)
            except DataError as error:
                text = str(error).removeprefix(f"{path}: ")
                assert text == NO_IMAGE or (text.startswith(DAMAGED[0]) and text.endswith(DAMAGED[1]))
                refused += 1
            else:
                assert place >= len(data) - 21
                assert np.array_equal(came, wanted)
    assert refused >= len(places)


def test_a_large_jpeg_that_is_decoded_smaller_is_refused_too(tmp_path):
    data = saved(photo(400, 300), "JPEG", quality=95)
    (tmp_path / "a.jpg").write_bytes(data)
    assert prepared(tmp_path / "a.jpg", SMALL).shape == (3, 8, 8)
    for part in (0.3, 0.9, 0.999):
        (tmp_path / "a.jpg").write_bytes(data[: int(len(data) * part)])
        assert fault(tmp_path / "a.jpg", "prepared").startswith(DAMAGED[0])


def broken_checksum():
    data = bytearray(png_of(2, 8, False))
    data[50] ^= 255
    return bytes(data)


DAMAGES = {
    "PNG with a wrong checksum": broken_checksum(),
    "PNG without pixels": png_head(5, 5, 8, 0) + PNG_END,
    "PNG whose pixels end early": png_head(50, 50, 8, 0) + chunk(b"IDAT", zlib.compress(bytes(99))) + PNG_END,
    "PNG whose pixels are not packed": png_head(5, 5, 8, 0) + chunk(b"IDAT", b"?" * 99) + PNG_END,
    "PNG of a palette without one": png_head(2, 1, 8, 3) + chunk(b"IDAT", zlib.compress(b"\0\0\1")) + PNG_END,
    "JPEG without pixels": saved(photo(), "JPEG")[:300] + b"\xff\xd9",
    "TIFF whose pixels lie elsewhere": tiff(random(5, 5, 1).astype(np.uint8), tags={273: 10**6}),
    "TIFF packed in an unknown way": tiff(random(5, 5, 1).astype(np.uint8), tags={259: 34661}),
    "GIF without a frame": b"GIF89a\5\0\5\0\0\0\0;",
    "BMP of 3 bits": b"BM"
    + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, 5, 5, 1, 3, 0, 0, 0, 0, 0, 0)
    + bytes(60),
    "PPM with a letter in it": b"P3 2 1 255\n1 2 x 4 5 6",
    "PPM with a number that is too high": b"P3 2 1 255\n1 2 3 4 5 999",
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage(tmp_path, what):
    text = of_bytes(tmp_path, DAMAGES[what])
    assert (
        text == NO_IMAGE or text.startswith(OTHER_TIFF) or (text.startswith(DAMAGED[0]) and text.endswith(DAMAGED[1]))
    )


def test_damage_never_leaves_an_exception_of_another_kind(tmp_path):
    """Bytes changed at random in every format, through every door."""
    generator = np.random.default_rng(1)
    for make in WHOLE.values():
        data = make()
        for _ in range(8):
            damaged = bytearray(data)
            for place in generator.integers(0, len(data), 5):
                damaged[place] = generator.integers(256)
            (tmp_path / "a").write_bytes(damaged)
            for door in DOORS.values():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # Pillow's, about the metadata
                    with suppress(DataError):  # and nothing else
                        door(tmp_path / "a")


# ------------------------------------------------------------------------------------------------- too large to be true
def gif(screen, frame):
    """A GIF of a few bytes, its first frame of another size than its screen."""
    data = bytearray(saved(photo(4, 4).quantize(4), "GIF", interlace=0))
    data[6:10] = struct.pack("<HH", *screen)
    place = data.index(b",\0\0\0\0")
    data[place + 5 : place + 9] = struct.pack("<HH", *frame)
    return bytes(data)


def webp(width, height):
    data = bytearray(saved(photo(8, 8), "WEBP", lossless=True))
    data[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(data)


def jpeg(width, height):
    data = bytearray(saved(photo(8, 8), "JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


BOMBS = {
    "PNG": png_head(50_000, 50_000, 8, 2) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + PNG_END,
    "PNG, not so large": png_head(10_000, 10_000, 1, 0) + PNG_END,
    "JPEG": jpeg(65_000, 65_000),
    "JPEG, not so large": jpeg(10_000, 10_000),
    "GIF screen": gif((60_000, 60_000), (4, 4)),
    "GIF frame": gif((4, 4), (60_000, 60_000)),
    "GIF frame, not so large": gif((4, 4), (10_000, 10_000)),
    "WebP": webp(16_000, 16_000),
    "TIFF": tiff(random(5, 5, 1).astype(np.uint8), tags={256: 60_000, 257: 60_000}),
    "BMP": bmp_head(60_000, 60_000, 24),
    "PPM": b"P6 50000 50000 255\n",
    "PPM, not so large": b"P6 10000 10000 255\n",
}


@pytest.mark.parametrize("action", ["ignore", "error"])
@pytest.mark.parametrize("what", BOMBS)
def test_a_decompression_bomb(tmp_path, what, action):
    """Refused before memory is taken for it; also in the range where Pillow itself only warns."""
    for door in ("decode", "prepared", "header"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            text = of_bytes(tmp_path, BOMBS[what], door)
        assert text.startswith(LARGE[0])
        assert text.endswith(LARGE[1].removeprefix(" pixels)"))


ZEROS = zlib.compress(bytes(20 << 20), 9)  # 20 MB in 20 kB
PACKS = {
    "a colour profile": chunk(b"iCCP", b"x\0\0" + ZEROS),
    "a text": chunk(b"zTXt", b"x\0\0" + ZEROS),
    "an international text": chunk(b"iTXt", b"x\0\1\0\0\0" + ZEROS),
    "many texts": chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1 << 20))) * 70,
}


@pytest.mark.parametrize("what", PACKS)
def test_a_png_with_a_bomb_in_its_metadata(tmp_path, what):
    before, after = png_of(0, 8, False, PACKS[what]), png_of(0, 8, False)
    assert of_bytes(tmp_path, before) == PACKED
    assert of_bytes(tmp_path, after[:-12] + PACKS[what] + after[-12:]) == PACKED


def test_pixels_packed_beyond_the_image_are_not_unpacked(tmp_path):
    (tmp_path / "a.png").write_bytes(png_head(2, 1, 8, 0) + chunk(b"IDAT", ZEROS) + PNG_END)
    assert np.asarray(decode(tmp_path / "a.png", "L")).tolist() == [[0, 0]]


# ------------------------------------------------------------------------------------------- pixels of unknown meaning
FLOAT = "the pixels are floating point and their range is unknown; save it with 8 or 16 bits"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (saved(Image.new("F", (2, 2), 0.5), "TIFF"), FLOAT),
        (tiff(np.ones((2, 2, 1), np.float32), ">"), FLOAT),
        (saved(Image.new("F", (2, 2), 0.5), "PPM"), FLOAT),
        (
            saved(Image.fromarray(np.array([[-3, 70000]], np.int32)), "TIFF"),
            "the pixels go from -3 to 70000, expected 0 to 65535; save it with 8 or 16 bits",
        ),
        (
            tiff(np.full((2, 2, 1), -5, np.int16)),
            "the pixels go from -5 to -5, expected 0 to 65535; save it with 8 or 16 bits",
        ),
    ],
    ids=["float", "big-endian float", "pfm", "int32", "negative int16"],
)
def test_pixels_without_a_known_range(tmp_path, data, text):
    for door in ("decode", "prepared", "alpha_is_used"):
        assert of_bytes(tmp_path, data, door) == text


@pytest.mark.parametrize("mode", ["values", "channels", "text"])
def test_a_model_that_takes_no_images(tmp_path, mode):
    (tmp_path / "a.jpg").write_bytes(saved(photo(), "JPEG"))
    if mode == "text":
        contract = Contract(("cat", "dog"), (5,), "text", (), (), vocabulary=("a",))
    else:
        contract = Contract(("cat", "dog"), (5, 8, 8), mode, (0.5,) * 5, (0.5,) * 5)
    with pytest.raises(DataError) as caught:
        prepared(tmp_path / "a.jpg", contract)
    what = "texts" if mode == "text" else "arrays of 5 channel(s)"
    assert str(caught.value) == f"{tmp_path / 'a.jpg'}: the model takes {what} (mode {mode}), not images; give it those"
