import warnings
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError
from striate.model.image import canonical, decode, from_array, header

RNG = np.random.default_rng(0)


def photo(height=20, width=30):
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def same(image, other):
    return image.mode == other.mode and np.array_equal(np.asarray(image), np.asarray(other))


def fault(path):
    with pytest.raises(DataError) as caught:
        decode(path, "RGB")
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm"])
def test_lossless_files_come_back_exactly(tmp_path, suffix):
    image = photo()
    image.save(tmp_path / f"a.{suffix}")
    assert same(decode(tmp_path / f"a.{suffix}", "RGB"), image)
    assert same(decode(str(tmp_path / f"a.{suffix}"), "L"), image.convert("L"))


@pytest.mark.parametrize("suffix", ["jpg", "webp", "gif"])
def test_the_other_formats_open(tmp_path, suffix):
    photo().save(tmp_path / f"a.{suffix}")
    assert decode(tmp_path / f"a.{suffix}", "RGB").size == (30, 20)
    assert header(tmp_path / f"a.{suffix}") == ("RGB", (20, 30))


def test_the_content_and_not_the_name_says_what_a_file_is(tmp_path):
    image = photo()
    image.save(tmp_path / "a.jpg", format="PNG")
    assert same(decode(tmp_path / "a.jpg", "RGB"), image)


def test_a_path_that_is_not_ascii(tmp_path):
    photo().save(tmp_path / "猫 ž.png")
    assert decode(tmp_path / "猫 ž.png", "L").size == (30, 20)


# How a camera stores the picture that should be seen as `upright`, for each EXIF orientation.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_orientation_is_undone_to_the_pixel(tmp_path, orientation, suffix):
    upright = photo()
    stored = upright if STORED[orientation] is None else upright.transpose(STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    stored.save(path, exif=exif)
    seen = decode(path, "RGB")
    assert same(seen, upright)
    assert same(canonical(seen, "RGB"), upright)  # and not undone twice
    assert header(path) == ("RGB", (20, 30))


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", b"zz"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's; the picture must come all the same
def test_damaged_exif_costs_nothing_but_itself(tmp_path, exif):
    photo().save(tmp_path / "a.jpg", exif=exif)
    assert decode(tmp_path / "a.jpg", "RGB").size == (30, 20)
    assert header(tmp_path / "a.jpg") == ("RGB", (20, 30))


KINDS = [("png", "<u2"), ("png", ">u2"), ("tif", "<u2"), ("tif", ">u2"), ("tif", "int32"), ("pgm", ">u2")]


@pytest.mark.parametrize(("suffix", "dtype"), KINDS)
def test_16_bit_grey_is_scaled(tmp_path, dtype, suffix):
    values = np.array([[0, 128, 129, 257], [32768, 65406, 65407, 65535]])
    image = Image.fromarray(values.astype(dtype))
    if suffix == "pgm":  # Pillow writes none of 16 bits from I;16, but reads them
        (tmp_path / "a.pgm").write_bytes(b"P5 4 2 65535\n" + values.astype(">u2").tobytes())
    else:
        image.save(tmp_path / f"a.{suffix}")
    seen = decode(tmp_path / f"a.{suffix}", "L")
    assert np.asarray(seen).tolist() == [[0, 0, 1, 1], [128, 254, 255, 255]]
    assert header(tmp_path / f"a.{suffix}") == ("L", (2, 4))


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("RGBA", (200, 100, 50, 255), (200, 100, 50)),
        ("RGBA", (200, 100, 50, 128), (100, 50, 25)),
        ("RGBA", (200, 100, 50, 0), (0, 0, 0)),
        ("LA", (200, 0), (0, 0, 0)),
        ("LA", (200, 255), (200, 200, 200)),
    ],
)
def test_what_is_transparent_shows_black(tmp_path, mode, colour, seen):
    Image.new(mode, (2, 2), colour).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", "RGB").getpixel((1, 1)) == seen


def test_a_palette_with_transparency(tmp_path):
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "one.png", transparency=1)
    image.save(tmp_path / "bytes.png", transparency=bytes([255, 0, 255]))
    for name in ("one.png", "bytes.png"):
        assert np.asarray(decode(tmp_path / name, "RGB")).tolist() == [[[10, 20, 30], [0, 0, 0], [70, 80, 90]]]


def test_black_and_white_and_cmyk(tmp_path):
    Image.new("1", (2, 2), 1).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", "L").getpixel((0, 0)) == 255
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red, green, blue = decode(tmp_path / "a.jpg", "RGB").getpixel((4, 4))
    assert (red > 250, green < 5, blue < 5) == (True, True, True)


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime")]
    for suffix in ("gif", "png", "webp", "tif"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
        assert decode(tmp_path / f"a.{suffix}", "RGB").getpixel((1, 1))[0] > 250


def test_a_missing_file(tmp_path):
    assert fault(tmp_path / "a.png") == "file not found; expected an image file"
    (tmp_path / "file").write_bytes(b"?")
    assert fault(tmp_path / "file" / "a.png") == "file not found; expected an image file"


def test_a_folder(tmp_path):
    assert fault(tmp_path) == "this is a folder; name the image files in it"


def test_an_empty_file(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    assert fault(tmp_path / "a.png") == "the file is empty (0 bytes); copy it again or remove it"


@pytest.mark.parametrize("content", [b"Dear diary", b"%PDF-1.7", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x89PNG"])
def test_what_is_no_image(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert fault(tmp_path / "a.png") == (
        "not an image that can be read (PNG, JPEG, BMP, GIF, TIFF, WebP, PPM); convert or remove it"
    )


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "tif", "webp", "ppm"])
def test_a_truncated_file(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    photo(100, 100).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    text = fault(path)
    assert text.startswith("the image is damaged or cut short (")
    assert text.endswith("); copy it again or remove it")


def test_random_damage_is_always_a_data_error_or_an_image(tmp_path):
    random = np.random.default_rng(1)
    for suffix in ("jpg", "png", "gif", "tif", "webp", "bmp"):
        path = tmp_path / f"a.{suffix}"
        photo().save(path)
        whole = path.read_bytes()
        for _ in range(40):
            damaged = bytearray(whole)
            for place in random.integers(0, len(whole), 6):
                damaged[place] = random.integers(256)
            path.write_bytes(damaged)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, about the metadata
                with suppress(DataError):  # and nothing else
                    assert decode(path, "RGB").mode == "RGB"


@pytest.mark.parametrize("action", ["ignore", "error"])
@pytest.mark.parametrize("side", [10_000, 50_000])
def test_a_decompression_bomb(tmp_path, side, action):
    (tmp_path / "a.ppm").write_bytes(b"P6 %d %d 255\n" % (side, side))
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        text = fault(tmp_path / "a.ppm")
    assert text.startswith("too large to open safely (")
    assert text.endswith(f"); make it smaller than {Image.MAX_IMAGE_PIXELS} pixels")


def test_pixels_without_a_fixed_range(tmp_path):
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "f.tif")
    assert fault(tmp_path / "f.tif") == (
        "the pixels are floating point and their range is unknown; save it with 8 or 16 bits"
    )
    Image.fromarray(np.array([[-3, 70000]], np.int32)).save(tmp_path / "i.tif")
    assert fault(tmp_path / "i.tif") == (
        "the pixels go from -3 to 70000, expected 0 to 65535; save it with 8 or 16 bits"
    )


def test_the_callers_image_is_not_changed():
    image = photo()
    image.getexif()[0x0112] = 6
    assert canonical(image, "RGB").size == (20, 30)
    assert image.size == (30, 20)


@pytest.mark.parametrize(
    ("array", "mode", "corner"),
    [
        (np.full((2, 3), 7, np.uint8), "L", 7),
        (np.full((2, 3, 1), 7, np.uint8), "L", 7),
        (np.full((2, 3, 3), 7, np.uint8), "RGB", (7, 7, 7)),
        (np.full((2, 3, 4), 7, np.uint8), "RGBA", (7, 7, 7, 7)),
        (np.full((2, 3), 0.5), "L", 128),
        (np.full((2, 3, 3), 1, np.float32), "RGB", (255, 255, 255)),
        (np.full((2, 3), 0.2, np.float16), "L", 51),
        (np.full((3, 2), 7, np.uint8).T, "L", 7),
    ],
)
def test_arrays(array, mode, corner):
    image = from_array(array)
    assert (image.mode, image.size, image.getpixel((0, 0))) == (mode, (3, 2), corner)


def test_every_byte_survives_the_way_over_floats():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(np.asarray(from_array(values / 255)), values)
    assert np.array_equal(np.asarray(from_array((values / 255).astype(np.float32))), values)


WANTED = ", expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); "


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.full((4, 4), 255.0), "the array's floats go from 255 to 255, expected 0 to 1; divide by 255"),
        (np.full((4, 4), -0.5), "the array's floats go from -0.5 to -0.5, expected 0 to 1; scale it before"),
        (np.full((4, 4), 1e6), "the array's floats go from 1e+06 to 1e+06, expected 0 to 1; scale it before"),
        (np.full((4, 4), np.nan), "the array contains NaN or infinity, expected floats in 0..1"),
        (np.zeros((4, 4), int), "the array is int64, expected uint8 or floats in 0..1; use array.astype('uint8')"),
        (
            np.zeros((3, 8, 8), np.uint8),
            f"the array's shape is (3, 8, 8){WANTED}the channels come last: use array.transpose(1, 2, 0)",
        ),
        (np.zeros((9, 8, 8), np.uint8), f"the array's shape is (9, 8, 8){WANTED}give one image"),
        (np.zeros((2, 8, 8, 3), np.uint8), f"the array's shape is (2, 8, 8, 3){WANTED}give one image"),
        (np.zeros(8, np.uint8), f"the array's shape is (8,){WANTED}give one image"),
        (np.zeros((0, 8), np.uint8), f"the array's shape is (0, 8){WANTED}it is empty"),
    ],
)
def test_arrays_that_are_no_image(array, text):
    with pytest.raises(DataError) as caught:
        from_array(array)
    assert str(caught.value) == text
