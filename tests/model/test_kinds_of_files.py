"""Every kind of image file, against Pillow used in the plainest way, and PNG against its definition, by hand."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from image_files import (
    HEIGHT,
    KINDS,
    PNG_TYPES,
    WIDTH,
    chunk,
    palette,
    photo,
    png_of,
    png_values,
    random,
    saved,
    turned,
)
from striate.model.image import alpha_is_used, decode, header

MODES = ("L", "RGB", "RGBA")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of each kind, by name; what each is, its content alone says."""
    folder = tmp_path_factory.mktemp("kinds")
    for i, make in enumerate(KINDS.values()):
        (folder / f"{i}").write_bytes(make())
    return {kind: folder / f"{i}" for i, kind in enumerate(KINDS)}


def plainly(path, mode):
    """What Pillow gives for a file; 16 bits scaled, and what is transparent on black, by numpy."""
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = Image.fromarray(np.round(np.asarray(image).astype(float) / 257).astype(np.uint8))
    if image.mode == "LAB":
        image = image.convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if mode != "RGBA":
            rgba = np.asarray(image).astype(float)
            image = Image.fromarray(np.round(rgba[..., :3] * rgba[..., 3:] / 255).astype(np.uint8))
    return np.asarray(image.convert(mode))


def test_there_are_many_kinds():
    assert len(KINDS) >= 130
    assert len({make() for make in KINDS.values()}) == len(KINDS)  # and no two are the same


@pytest.mark.parametrize("kind", KINDS)
def test_decoded_as_pillow_does(files, kind):
    path = files[kind]
    for mode in MODES:
        image = decode(path, mode)
        assert image.mode == mode
        assert np.array_equal(np.asarray(image), plainly(path, mode))


@pytest.mark.parametrize("kind", KINDS)
def test_the_header_says_what_comes(files, kind):
    mode, (height, width) = header(files[kind])
    image = decode(files[kind], "RGBA")
    assert image.size == (width, height)
    *colours, alpha = np.moveaxis(np.asarray(image), 2, 0)
    assert alpha_is_used(files[kind]) == (alpha < 255).any()
    assert mode == "RGBA" or not alpha_is_used(files[kind])
    if mode == "L":
        assert np.array_equal(colours[0], colours[1])
        assert np.array_equal(colours[0], colours[2])


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("png grey+alpha 8 bit", "RGBA"),
        ("png rgba 16 bit", "RGBA"),
        ("png palette with an alpha each", "RGBA"),
        ("gif with a transparent index", "RGBA"),
        ("png palette 8 bit", "RGB"),
        ("jpeg cmyk, inverted as Adobe does", "RGB"),
        ("jpeg of a phone, another behind it", "RGB"),
        ("pgm 16 bit", "L"),
        ("tiff fax", "L"),
        ("jpeg grey", "L"),
    ],
)
def test_the_mode_of_a_header(files, kind, mode):
    assert header(files[kind])[0] == mode


def test_an_alpha_channel_that_is_not_used(tmp_path):
    for format in ("PNG", "TIFF", "WEBP"):
        (tmp_path / "a").write_bytes(saved(photo().convert("RGBA"), format))
        assert not alpha_is_used(tmp_path / "a")
    assert header(tmp_path / "a")[1] == (HEIGHT, WIDTH)


# ---------------------------------------------------------------------------------------------- by hand, not by Pillow
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour", "depth"), [(colour, depth) for colour, (_, _, depths) in PNG_TYPES.items() for depth in depths]
)
def test_png_by_its_definition(tmp_path, colour, depth, interlaced):
    """Few bits are spread over 0 to 255; of 16 bits grey is rounded, of colours Pillow keeps the upper 8."""
    (tmp_path / "a.png").write_bytes(png_of(colour, depth, interlaced))
    values = png_values(colour, depth)
    if colour == 3:
        wanted = palette(2**depth)[values]
    elif depth == 16:
        wanted = np.round(values / 257) if colour == 0 else values >> 8
    else:
        wanted = values * (255 // (2**depth - 1))
    if colour == 4:
        wanted = wanted[..., [0, 0, 0, 1]]
    mode = "L" if colour == 0 else "RGBA" if colour in (4, 6) else "RGB"
    assert np.array_equal(np.asarray(decode(tmp_path / "a.png", mode)), wanted)


@pytest.mark.parametrize(
    ("kind", "mode", "wanted"),
    [
        ("tiff 16 bit rgb", "RGB", random(HEIGHT, WIDTH, 3, high=65536) >> 8),
        ("tiff 16 bit rgb big-endian", "RGB", random(HEIGHT, WIDTH, 3, high=65536) >> 8),
        ("tiff 16 bit grey big-endian", "L", np.round(random(HEIGHT, WIDTH, high=65536) / 257)),
        ("tiff 32 bit grey", "L", np.round(random(HEIGHT, WIDTH, high=65536) / 257)),
        ("tiff grey, white is 0", "L", 255 - random(HEIGHT, WIDTH)),
        ("bmp 24 bit top down", "RGB", random(HEIGHT, WIDTH, 3)[..., ::-1]),
        ("bmp 32 bit", "RGB", random(HEIGHT, WIDTH, high=2**24)[..., None] >> [16, 8, 0] & 255),
        ("pbm plain", "L", 255 - 255 * random(HEIGHT, WIDTH, high=2)),
        ("ppm plain", "RGB", random(HEIGHT, WIDTH * 3).reshape(HEIGHT, WIDTH, 3)),
        ("pgm of few values", "L", np.round(random(HEIGHT, WIDTH, high=101) * 255 / 100)),
        ("png rgb with a transparent colour", "RGBA", None),
    ],
)
def test_others_by_hand(files, kind, mode, wanted):
    if wanted is None:
        colours = random(HEIGHT, WIDTH, 3, high=2) * 255
        wanted = np.dstack([colours, 255 * (colours != [255, 0, 255]).any(2)])
    assert np.array_equal(np.asarray(decode(files[kind], mode)), wanted)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("jpeg cmyk")])
def test_cmyk_is_not_inverted(files, kind):
    wanted = np.asarray(photo(channels=4).convert("CMYK").convert("RGB")).astype(int)
    assert np.abs(np.asarray(decode(files[kind], "RGB")) - wanted).mean() < 12  # lossy; inverted it would be 100


# ------------------------------------------------------------------------------------------------------- its metadata
@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_a_colour_profile_is_ignored(tmp_path, files, format):
    (tmp_path / "plain").write_bytes(saved(photo(), format.upper()))
    pair = [decode(path, "RGB") for path in (tmp_path / "plain", files[f"{format} with a colour profile"])]
    assert np.array_equal(*map(np.asarray, pair))


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def behind_pixels(kind):
    """A PNG with an orientation where some tools put it, which Pillow finds only when it has read the pixels."""
    exif = Image.Exif()
    exif[0x0112] = 6
    late = {
        "eXIf": chunk(b"eXIf", exif.tobytes()[6:]),
        "XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        "raw": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (26, exif.tobytes().hex().encode())),
    }[kind]
    data = saved(photo(), "PNG")
    return data[:-12] + chunk(b"tEXt", b"Software\0x") + late + data[-12:]


def with_xmp(format):
    if format != "PNG":
        return saved(photo(), format, **({"tiffinfo": {700: XMP}} if format == "TIFF" else {"xmp": XMP}))
    data = saved(photo(), "PNG")
    return data[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) + data[33:]


@pytest.mark.parametrize(
    "data",
    [*map(behind_pixels, ("eXIf", "XMP", "raw")), *map(with_xmp, ("JPEG", "PNG", "WEBP", "TIFF"))],
    ids=["png eXIf behind", "png XMP behind", "png raw behind", "jpeg XMP", "png XMP", "webp XMP", "tiff XMP"],
)
def test_an_orientation_in_an_odd_place(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    seen = decode(tmp_path / "a", "RGB")
    assert seen.size == (HEIGHT, WIDTH)
    assert np.array_equal(np.asarray(seen), plainly(tmp_path / "a", "RGB"))
    assert header(tmp_path / "a") == ("RGB", (WIDTH, HEIGHT))


def test_a_header_is_read_without_the_pixels(tmp_path):
    """Also where a PNG has other texts behind them, or its orientation before them."""
    data = saved(photo(100, 100), "PNG")
    whole = data[:-12] + chunk(b"tEXt", b"Software\0x" * 9) + data[-12:]
    for data in (whole, whole[:600], turned("PNG", 6, photo(100, 100))[:600]):
        (tmp_path / "a.png").write_bytes(data)
        assert header(tmp_path / "a.png") == ("RGB", (100, 100))


def test_an_orientation_beside_damage_is_still_undone(tmp_path):
    """Pillow's exif_transpose writes all metadata anew, and gives up where they are damaged."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHII", 0x8769, 4, 1, 0xFFFFFF)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    (tmp_path / "a.jpg").write_bytes(saved(photo(), "JPEG", exif=exif))
    assert decode(tmp_path / "a.jpg", "RGB").size == (HEIGHT, WIDTH)
    assert header(tmp_path / "a.jpg") == ("RGB", (WIDTH, HEIGHT))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none(tmp_path, orientation):
    (tmp_path / "a.jpg").write_bytes(turned("JPEG", orientation))
    assert decode(tmp_path / "a.jpg", "RGB").size == (WIDTH, HEIGHT)
    assert header(tmp_path / "a.jpg") == ("RGB", (HEIGHT, WIDTH))


def test_transparency_survives_turning(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=1, exif=exif)
    assert np.asarray(decode(tmp_path / "a.png", "RGBA")).tolist() == [[[40, 50, 60, 0], [10, 20, 30, 255]]]


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tif", "webp", "bmp", "txt", "JPEG"])
def test_any_kind_under_any_name(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    for format in ("PNG", "BMP", "TIFF"):
        path.write_bytes(saved(photo(), format))
        assert np.array_equal(np.asarray(decode(path, "RGB")), np.asarray(photo()))


def test_alpha_is_kept_and_colours_under_it_too(tmp_path):
    pixels = random(HEIGHT, WIDTH, 4).astype(np.uint8)
    pixels[0, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(np.asarray(decode(tmp_path / "a.png", "RGBA")), pixels)
