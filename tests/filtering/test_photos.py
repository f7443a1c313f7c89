"""What a photo becomes: a photo again, clipped, or colours; and when its 0 to 255 are divided first."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from striate.filtering import activation, convolve, pool


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A file of 40x50 colours with hard edges, and its pixels."""
    y, x = np.mgrid[:40, :50]
    red = 120 + 100 * np.sin(x / 4) + 30 * (y > 20)
    pixels = np.stack([red, 255.0 * ((x // 8 + y // 8) % 2), 5.0 * y], -1).clip(0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


BLUR = "1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9"
PHOTOS = ("identity", "box", "gaussian-7", "sharpen", "unsharp", "emboss", BLUR, "0 -1 0; -1 5 -1; 0 -1 0", "1")


@pytest.mark.parametrize("kernel", PHOTOS)
@pytest.mark.parametrize("channels", ["grey", "each"])
def test_a_kernel_whose_weights_sum_to_1_gives_a_photo(photo, kernel, channels):
    done = convolve(photo[0], kernel, channels=channels)
    assert done.stays_photo
    np.testing.assert_array_equal(done.pixels(), np.rint(np.clip(done.output, 0, 255)))
    assert ("drawn clipped to 0..255" in done.note()) == (done.output.min() < 0 or done.output.max() > 255)


@pytest.mark.parametrize(("kernel", "ours"), [("0 -1 0; -1 5 -1; 0 -1 0", "sharpen"), (BLUR, "box")])
def test_sharpen_and_blur_are_pillows(photo, kernel, ours):
    numbers = [eval_fraction(n) for row in kernel.split(";") for n in row.split()]
    wanted = np.asarray(Image.fromarray(photo[1]).filter(ImageFilter.Kernel((3, 3), numbers, scale=1)))[1:-1, 1:-1]
    assert np.abs(convolve(photo[0], ours, channels="each").pixels().astype(int) - wanted).max() <= 1


def eval_fraction(text):
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)


@pytest.mark.parametrize("kernel", ["sobel-x", "laplacian", "log", "gabor-30", "-1 0 1", "roberts-y"])
def test_edges_are_in_colours_of_their_signs(photo, kernel):
    done = convolve(photo[0], kernel)
    assert not done.stays_photo
    pixels = done.pixels().astype(int)
    most, least = np.unravel_index(done.output.argmax(), done.output.shape), done.output == done.output.min()
    assert pixels[most][0] > pixels[most][2]  # red
    assert (pixels[least][:, 2] > pixels[least][:, 0]).all()  # blue
    assert "clipped" not in done.note()


@pytest.mark.parametrize("kernel", ["sobel", "scharr", "1 1; 1 1", "box"])
def test_what_is_no_photo_is_never_drawn_as_one(photo, kernel):
    given = np.linspace(0, 1, 30).reshape(5, 6) if kernel == "box" else photo[0]
    done = convolve(given, kernel)
    assert not done.stays_photo
    assert done.pixels().shape == (*done.output.shape, 3)


@pytest.mark.parametrize(
    ("given", "is_photo"),
    [
        (np.full((20, 20), 200, np.uint8), True),
        (np.full((20, 20, 3), 99.5), True),
        (np.full((4, 4), 200.0), False),
        (np.linspace(0, 1, 900).reshape(30, 30), False),
        (np.full((20, 20), 256.0), False),
        (np.full((20, 20), -1.0), False),
        ("200 100; 3 4", False),
        ([[200, 100], [3, 4]], False),
    ],
)
def test_which_arrays_are_photos(given, is_photo):
    assert convolve(given, "1").stays_photo == is_photo


@pytest.mark.parametrize("kind", ["max", "average", "sum"])
def test_pooling_keeps_a_photo_but_for_sums(photo, kind):
    assert pool(photo[0], 4, kind=kind).stays_photo == (kind != "sum")


@pytest.mark.parametrize(("kind", "function"), [("tanh", np.tanh), ("sigmoid", lambda x: 1 / (1 + np.exp(-x)))])
@pytest.mark.parametrize("after", [None, "sobel-x", "gaussian"])
def test_a_photo_is_divided_by_255_before_what_saturates(photo, kind, function, after):
    done = activation(photo[0], kind, after=after)
    before = convolve(photo[0], after or "1").output / 255
    np.testing.assert_allclose(done.output, function(before), atol=1e-12)
    np.testing.assert_allclose(done.image, before)
    assert "divided by 255 first" in done.title
    again = activation(done, kind)
    np.testing.assert_allclose(again.output, function(function(before)), atol=1e-12)  # once is enough
    assert "255" not in again.title


@pytest.mark.parametrize("given", ["200 -3; 1 0", [[200.0, -3.0]], np.full((4, 4), 255.0), np.eye(30)])
def test_numbers_are_not_divided(given):
    done = activation(given, "tanh")
    np.testing.assert_allclose(done.output, np.tanh(done.image))
    assert done.image.max() in (200, 255, 1)
    assert "255" not in done.title
    assert "255" not in activation(given, "relu").title


DROPPED = {
    "last row": ("1 2; 3 4; 5 6", 2, "never read: the last row (stride 2)"),
    "last columns": (np.ones((3, 8)), 3, "never read: the last 2 columns (stride 3)"),
    "both": (np.ones((5, 8)), 3, "never read: the last 2 rows, the last 2 columns (stride 3)"),
    "rectangular": (np.ones((4, 8)), (2, 3), "never read: the last 2 columns (stride 2x3)"),
    "nothing": (np.ones((4, 6)), (2, 3), ""),
}


@pytest.mark.parametrize("kind", DROPPED)
def test_dropped_rows_are_said(kind):
    given, size, words = DROPPED[kind]
    done = pool(given, size)
    assert done.unread() == words
    assert words in str(done)
    assert ("never read" in str(done)) == bool(words)


def test_rows_between_the_windows_are_said_too():
    assert convolve(np.ones((9, 9)), "1 1; 1 1", stride=3).unread() == (
        "never read: 3 of the 9 rows, 3 of the 9 columns (stride 3)"
    )
    assert pool(np.ones((9, 9)), 2).as_dict()["unread"] == {"rows": 1, "columns": 1}


def test_a_result_is_taken_on():
    done = pool(activation(convolve("0 0 9 9 0; 0 0 9 9 0", "-1 1"), "relu"), 2)
    assert done.output.tolist() == [[9, 0]]
