"""Image files of every kind, as bytes: what cameras, phones, scanners and paint programs write.

``KINDS`` maps a name to the bytes of a small file; PNG of every type, and TIFF and BMP that Pillow does not write, are
put together by hand. ``WHOLE`` are larger files, one for each way of coding, to be cut and damaged.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 11, 14  # no multiple of 8, so that every coder's edge is there


def random(*shape: int, high: int = 256, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.int64)


def photo(height: int = HEIGHT, width: int = WIDTH, channels: int = 3, seed: int = 0) -> Image.Image:
    """Smooth and coloured, so that lossy coding keeps it."""
    coarse = random(height // 6 + 2, width // 6 + 2, channels, seed=seed).astype(np.uint8)
    return Image.fromarray(coarse.squeeze()).resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def turned(format: str, orientation: int, image: Image.Image | None = None, **options: Any) -> bytes:
    """With an EXIF orientation; the pixels are stored as they are."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image or photo(), format, exif=exif, **options)


# ------------------------------------------------------------------------------------------------------------- PNG
def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_head(width: int, height: int, depth: int, colour: int, interlaced: bool = False) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    )


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(pixels: np.ndarray, depth: int, colour: int, *, extra: bytes = b"", interlaced: bool = False) -> bytes:
    """Values ``(H, W)`` or ``(H, W, C)`` of *depth* bits as a PNG of the *colour* type."""
    passes = [pixels[y::down, x::right] for x, y, right, down in ADAM7] if interlaced else [pixels]
    data = b"".join(b"\0" + _row(row, depth) for part in passes if part.size for row in part)
    head = png_head(pixels.shape[1], pixels.shape[0], depth, colour, interlaced)
    return head + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def _row(row: np.ndarray, depth: int) -> bytes:
    if depth == 16:
        return row.astype(">u2").tobytes()
    bits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth :]
    return np.packbits(bits).tobytes()


PNG_TYPES = {  # colour type: its name, its channels and its depths
    0: ("grey", 1, (1, 2, 4, 8, 16)),
    2: ("rgb", 3, (8, 16)),
    3: ("palette", 1, (1, 2, 4, 8)),
    4: ("grey+alpha", 2, (8, 16)),
    6: ("rgba", 4, (8, 16)),
}


def palette(colours: int = 256) -> np.ndarray:
    return random(colours, 3, seed=1)


def png_values(colour: int, depth: int) -> np.ndarray:
    _, channels, _ = PNG_TYPES[colour]
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    return random(*shape, high=2**depth)


def png_of(colour: int, depth: int, interlaced: bool, extra: bytes = b"") -> bytes:
    if colour == 3:
        extra = chunk(b"PLTE", palette(2**depth).astype(np.uint8).tobytes()) + extra
    return png(png_values(colour, depth), depth, colour, extra=extra, interlaced=interlaced)


# ------------------------------------------------------------------------------------------------------ TIFF and BMP
def tiff(pixels: np.ndarray, order: str = "<", *, tags: dict[int, int] | None = None) -> bytes:
    """Integers or floats ``(H, W, C)`` as one uncompressed strip."""
    height, width, channels = pixels.shape
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    bits, kind = pixels.dtype.itemsize * 8, {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    values = {
        256: width, 257: height, 258: bits, 259: 1, 262: 2 if channels > 2 else 1, 273: 8,
        277: channels, 278: height, 279: len(data), 339: kind, **(tags or {}),
    }  # fmt: skip
    if channels > 1:  # bits and kinds of each channel, behind the pixels
        values[258], values[339] = 8 + len(data), 8 + len(data) + 2 * channels
    entries = b"".join(
        struct.pack(order + "HHI", tag, 3, channels) + struct.pack(order + "I", value)
        if tag in (258, 339) and channels > 1
        else struct.pack(order + "HHII", tag, 4, 1, value)
        for tag, value in sorted(values.items())
    )
    each = struct.pack(order + f"{2 * channels}H", *[bits] * channels, *[kind] * channels)
    start = 8 + len(data) + len(each)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, start)
    return head + data + each + struct.pack(order + "H", len(values)) + entries + bytes(4)


def bmp(pixels: np.ndarray, bits: int, *, top_down: bool = False, masks: tuple[int, ...] = ()) -> bytes:
    """Values ``(H, W)`` of 16 or 32 bits with colour *masks*, or ``(H, W, 3)`` of 24 bits."""
    height, width = pixels.shape[:2]
    rows = pixels if top_down else pixels[::-1]
    data = b"".join(
        row.astype({16: "<u2", 32: "<u4", 24: "u1"}[bits]).tobytes().ljust(-(-bits * width // 32) * 4, b"\0")
        for row in rows
    )
    start = 54 + 4 * len(masks)
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, -height if top_down else height, 1, bits, 3 if masks else 0, len(data), 0, 0, 0, 0
    )
    return (
        b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header
        + struct.pack(f"<{len(masks)}I", *masks) + data
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ frames
def frames(mode: str = "RGB") -> tuple[Image.Image, list[Image.Image]]:
    first, *more = (photo(seed=seed).convert(mode) for seed in range(3))
    return first, more


def animated(format: str, mode: str = "RGB", **options: Any) -> bytes:
    first, more = frames(mode)
    return saved(first, format, save_all=True, append_images=more, **options)


def see_through(mode: str = "RGBA") -> Image.Image:
    return Image.fromarray(random(HEIGHT, WIDTH, 4).astype(np.uint8)).convert(mode)


def indexed() -> Image.Image:
    image = Image.frombytes("P", (WIDTH, HEIGHT), random(HEIGHT, WIDTH).astype(np.uint8).tobytes())
    image.putpalette(palette().astype(np.uint8).tobytes())
    return image


USED = int(random(HEIGHT, WIDTH)[0, 0])  # an index that is in it


def bilevel() -> Image.Image:
    return Image.fromarray(random(HEIGHT, WIDTH).astype(np.uint8)).convert("1")


def grey16(dtype: str) -> Image.Image:
    return Image.fromarray(random(HEIGHT, WIDTH, high=65536).astype(dtype))


def plain_pnm(magic: str, high: int, channels: int = 1) -> bytes:
    values = random(HEIGHT, WIDTH * channels, high=high + 1)
    top = "" if magic == "P1" else f"{high}\n"
    return f"{magic}\n# a comment\n{WIDTH} {HEIGHT}\n{top}".encode() + b"\n".join(
        " ".join(map(str, row)).encode() for row in values
    )


def gif_with_offset() -> bytes:
    """A first frame smaller than the screen, not at its corner."""
    data = bytearray(saved(indexed().crop((0, 0, 8, 6)), "GIF"))
    data[6:10] = struct.pack("<HH", WIDTH, HEIGHT)
    place = data.index(b",\0\0\0\0\x08\0\x06\0")
    data[place + 1 : place + 5] = struct.pack("<HH", 3, 2)
    return bytes(data)


KINDS: dict[str, Callable[[], bytes]] = {}
for _colour, (_name, _, _depths) in PNG_TYPES.items():
    for _depth in _depths:
        for _interlaced in (False, True):
            _key = f"png {_name} {_depth} bit{' interlaced' if _interlaced else ''}"
            KINDS[_key] = lambda c=_colour, d=_depth, i=_interlaced: png_of(c, d, i)  # type: ignore[misc]
KINDS |= {
    "png grey with a transparent value": lambda: png_of(0, 8, False, chunk(b"tRNS", struct.pack(">H", 130))),
    "png rgb with a transparent colour": lambda: png(
        random(HEIGHT, WIDTH, 3, high=2) * 255, 8, 2, extra=chunk(b"tRNS", struct.pack(">HHH", 255, 0, 255))
    ),
    "png palette with a transparent index": lambda: saved(indexed(), "PNG", transparency=USED),
    "png palette with an alpha each": lambda: saved(indexed(), "PNG", transparency=bytes(range(256))),
    "png black and white, one transparent": lambda: png_of(0, 1, False, chunk(b"tRNS", struct.pack(">H", 1))),
    "png with a colour profile": lambda: saved(photo(), "PNG", icc_profile=b"\0" * 200),
    "png with texts": lambda: png_of(2, 8, False, chunk(b"tEXt", b"Title\0a") + chunk(b"iTXt", b"T\0\0\0\0\0ok")),
    "png with gamma": lambda: png_of(2, 8, False, chunk(b"gAMA", struct.pack(">I", 100000))),
    "apng": lambda: animated("PNG"),
    "apng with a still of its own": lambda: animated("PNG", default_image=True),
    "jpeg 4:4:4": lambda: saved(photo(), "JPEG", subsampling=0, quality=95),
    "jpeg 4:2:0": lambda: saved(photo(), "JPEG", subsampling=2),
    "jpeg 4:2:2": lambda: saved(photo(), "JPEG", subsampling=1),
    "jpeg progressive": lambda: saved(photo(), "JPEG", progressive=True),
    "jpeg grey": lambda: saved(photo(channels=1), "JPEG"),
    "jpeg grey progressive": lambda: saved(photo(channels=1), "JPEG", progressive=True),
    "jpeg rgb": lambda: saved(photo(), "JPEG", keep_rgb=True),
    "jpeg cmyk, inverted as Adobe does": lambda: saved(photo(channels=4).convert("CMYK"), "JPEG"),
    "jpeg with restart markers": lambda: saved(photo(40, 40), "JPEG", restart_marker_rows=1),
    "jpeg with a colour profile": lambda: saved(photo(), "JPEG", icc_profile=b"\0" * 70_000),
    "jpeg with a comment": lambda: saved(photo(), "JPEG", comment=b"x" * 60_000),
    "jpeg with junk behind it": lambda: saved(photo(), "JPEG") + b"\0junk" * 99,
    "jpeg with fill bytes": lambda: (data := saved(photo(), "JPEG"))[:2] + b"\xff" * 9 + data[2:],
    "jpeg of a phone, another behind it": lambda: saved(photo(), "MPO", save_all=True, append_images=[photo(seed=1)]),
    "gif interlaced": lambda: saved(photo(40, 40).quantize(32), "GIF", interlace=1),
    "gif not interlaced": lambda: saved(indexed(), "GIF", interlace=0),
    "gif grey": lambda: saved(photo(channels=1), "GIF"),
    "gif with a transparent index": lambda: saved(indexed(), "GIF", transparency=USED),
    "gif animated": lambda: animated("GIF"),
    "gif animated with transparency": lambda: saved(
        see_through(), "GIF", save_all=True, append_images=frames()[1], disposal=2
    ),
    "gif with a small first frame": gif_with_offset,
    "webp lossless": lambda: saved(photo(), "WEBP", lossless=True),
    "webp lossless with alpha": lambda: saved(see_through(), "WEBP", lossless=True, exact=True),
    "webp lossy": lambda: saved(photo(), "WEBP"),
    "webp lossy with alpha": lambda: saved(see_through(), "WEBP"),
    "webp animated": lambda: animated("WEBP"),
    "webp with a colour profile": lambda: saved(photo(), "WEBP", icc_profile=b"\0" * 200),
    "bmp black and white": lambda: saved(bilevel(), "BMP"),
    "bmp grey": lambda: saved(photo(channels=1), "BMP"),
    "bmp palette": lambda: saved(indexed(), "BMP"),
    "bmp 24 bit": lambda: saved(photo(), "BMP"),
    "bmp 24 bit top down": lambda: bmp(random(HEIGHT, WIDTH, 3), 24, top_down=True),
    "bmp 16 bit 5-6-5": lambda: bmp(random(HEIGHT, WIDTH, high=2**16), 16, masks=(0xF800, 0x7E0, 0x1F)),
    "bmp 32 bit": lambda: bmp(random(HEIGHT, WIDTH, high=2**24), 32),
    "bmp 32 bit with alpha": lambda: saved(see_through(), "BMP"),
    "tiff black and white": lambda: saved(bilevel(), "TIFF"),
    "tiff fax": lambda: saved(bilevel(), "TIFF", compression="group4"),
    "tiff grey": lambda: saved(photo(channels=1), "TIFF"),
    "tiff grey, white is 0": lambda: tiff(random(HEIGHT, WIDTH, 1).astype(np.uint8), tags={262: 0}),
    "tiff grey+alpha": lambda: saved(see_through("LA"), "TIFF"),
    "tiff palette": lambda: saved(indexed(), "TIFF"),
    "tiff rgb": lambda: saved(photo(), "TIFF"),
    "tiff lzw": lambda: saved(photo(), "TIFF", compression="tiff_lzw"),
    "tiff deflate": lambda: saved(photo(), "TIFF", compression="tiff_adobe_deflate"),
    "tiff packbits": lambda: saved(photo(), "TIFF", compression="packbits"),
    "tiff jpeg": lambda: saved(photo(), "TIFF", compression="jpeg"),
    "tiff rgba": lambda: saved(see_through(), "TIFF"),
    "tiff cmyk": lambda: saved(photo(channels=4).convert("CMYK"), "TIFF"),
    "tiff ycbcr": lambda: saved(photo().convert("YCbCr"), "TIFF"),
    "tiff lab": lambda: saved(photo().convert("LAB"), "TIFF"),
    "tiff several pages": lambda: animated("TIFF"),
    "tiff big": lambda: saved(photo(), "TIFF", big_tiff=True),
    "tiff 16 bit grey": lambda: saved(grey16("<u2"), "TIFF"),
    "tiff 16 bit grey big-endian": lambda: saved(grey16(">u2"), "TIFF"),
    "tiff 32 bit grey": lambda: saved(grey16("int32"), "TIFF"),
    "tiff 16 bit rgb": lambda: tiff(random(HEIGHT, WIDTH, 3, high=65536).astype(np.uint16)),
    "tiff 16 bit rgb big-endian": lambda: tiff(random(HEIGHT, WIDTH, 3, high=65536).astype(np.uint16), ">"),
    "pbm plain": lambda: plain_pnm("P1", 1),
    "pgm plain": lambda: plain_pnm("P2", 255),
    "ppm plain": lambda: plain_pnm("P3", 255, 3),
    "pbm": lambda: saved(bilevel(), "PPM"),
    "pgm": lambda: saved(photo(channels=1), "PPM"),
    "ppm": lambda: saved(photo(), "PPM"),
    "pgm 16 bit": lambda: b"P5 14 11 65535\n" + random(HEIGHT, WIDTH, high=65536).astype(">u2").tobytes(),
    "pgm of few values": lambda: b"P5 14 11 100\n" + random(HEIGHT, WIDTH, high=101).astype("u1").tobytes(),
    "ppm 16 bit": lambda: b"P6 14 11 65535\n" + random(HEIGHT, WIDTH, 3, high=65536).astype(">u2").tobytes(),
}
for _format in ("JPEG", "PNG", "TIFF", "WEBP"):
    for _turn in range(1, 9):
        _options = {"lossless": True} if _format == "WEBP" else {}
        KINDS[f"{_format.lower()} turned {_turn}"] = lambda f=_format, t=_turn, o=_options: turned(f, t, **o)  # type: ignore[misc]

WHOLE: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: saved(photo(60, 70), "JPEG"),
    "jpeg progressive": lambda: saved(photo(60, 70), "JPEG", progressive=True),
    "png": lambda: saved(photo(60, 70), "PNG"),
    "png interlaced": lambda: png(random(30, 40, 3), 8, 2, interlaced=True),
    "gif": lambda: saved(photo(60, 70).quantize(64), "GIF"),
    "webp": lambda: saved(photo(60, 70), "WEBP"),
    "webp lossless": lambda: saved(photo(60, 70), "WEBP", lossless=True),
    "tiff": lambda: saved(photo(60, 70), "TIFF"),
    "tiff deflate": lambda: saved(photo(60, 70), "TIFF", compression="tiff_adobe_deflate"),
    "tiff jpeg": lambda: saved(photo(60, 70), "TIFF", compression="jpeg"),
    "bmp": lambda: saved(photo(60, 70), "BMP"),
    "ppm": lambda: saved(photo(60, 70), "PPM"),
}
