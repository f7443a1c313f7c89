"""The animation: each step's arithmetic gives the output."""

import io

import numpy as np
import pytest
from PIL import Image

from striate.errors import SeeError
from striate.filtering import activation, convolve, kernel_list, pool
from striate.filtering.lab import kernel_text
from striate.filtering.steps import NOT_YET

NUMBERS = "1 1 1 0 0; 0 1 1 1 0; 0 0 1 1 1; 0 0 1 1 0; 0 1 1 0 0"
STEPS = {
    "convolution": lambda: convolve(NUMBERS, "1 0 1; 0 1 0; 1 0 -1", stride=2, padding=1),
    "flipped": lambda: convolve(NUMBERS, "1 2; 3 4", flip=True),
    "dilated": lambda: convolve(NUMBERS, "1 2; 3 4", dilation=2, padding="same"),
    "max": lambda: pool(NUMBERS, 2, padding=1),
    "average": lambda: pool(NUMBERS, 3, kind="average", stride=1, padding="same"),
    "sum": lambda: pool(NUMBERS, 2, kind="sum"),
    "relu": lambda: activation("1 -2; -3 4", "relu"),
    "rectangular": lambda: pool(NUMBERS, (2, 3)),
    "sobel": lambda: convolve(NUMBERS, "sobel", padding="same"),
    "roberts": lambda: convolve("-3 1 2 9; 0 4 -4 1; 7 7 0 2", "roberts", stride=(1, 2), flip=True),
}


@pytest.mark.parametrize("kind", STEPS)
def test_the_arithmetic_of_every_step_gives_the_output(kind):
    steps = STEPS[kind]().steps()
    for y, x in np.ndindex(steps.output.shape):
        covered = steps.covered(y, x)
        answer = {
            "max": lambda c: np.nanmax(c), "average": np.mean, "sum": np.sum,
            "relu": lambda c: np.maximum(c, 0).item(),
            "convolve": lambda c: np.linalg.norm([(c * w).sum() for w in steps.weights])
            if len(steps.weights) > 1 else (c * steps.weights[0]).sum(),
        }[steps.kind](covered)  # fmt: skip
        assert answer == pytest.approx(steps.output[y, x])
        assert steps.arithmetic(y, x).endswith(f"= {steps.output[y, x]:.3g}")


def test_the_corner_is_where_the_window_begins():
    steps = STEPS["convolution"]().steps()
    assert steps.corner(0, 0) == (-1, -1)
    assert steps.corner(1, 2) == (1, 3)


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.slow if i else ()) for i, k in enumerate(STEPS)])
def test_the_gif_has_a_frame_for_every_step(kind):
    steps = STEPS[kind]().steps()
    with Image.open(io.BytesIO(steps.gif())) as image:
        assert image.n_frames == min(64, steps.output.size)


@pytest.mark.parametrize(
    ("shape", "make"),
    [
        ((300, 90), lambda image: convolve(image, "sobel-x", padding="same")),
        ((90, 301), lambda image: convolve(image, "sobel", stride=2)),
        ((200, 200), lambda image: pool(image, (5, 2), stride=(3, 7))),
        ((129, 500), lambda image: convolve(image, "box-5", padding=2, dilation=3, stride=2)),
        ((150, 150), lambda image: activation(image, "relu", after="laplacian")),
        ((400, 400), lambda image: convolve(image, "box-101", dilation=2)),
        ((40, 700), lambda image: pool(image, 4, kind="average", padding="same", stride=1)),
    ],
)
def test_of_a_large_image_the_middle_is_shown_and_says_the_same(shape, make):
    """Each number of the cropped output is that of the whole, and the arithmetic still gives it."""
    image = np.random.default_rng(1).normal(size=shape)
    whole = make(image).steps()
    crop = whole.cropped(128)
    assert crop.output.size > 0
    assert max(crop.image.shape) <= max(128, *whole.moves.span)
    assert f"the middle {'x'.join(map(str, crop.image.shape))} of {'x'.join(map(str, whole.image.shape))}" in crop.title
    top, left = ((n - m) // 2 for n, m in zip(whole.output.shape, crop.output.shape, strict=True))
    for y, x in [(0, 0), (crop.output.shape[0] - 1, crop.output.shape[1] - 1), (crop.output.shape[0] // 2, 0)]:
        assert crop.output[y, x] == whole.output[top + y, left + x]
        np.testing.assert_array_equal(crop.covered(y, x), whole.covered(top + y, left + x))


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "white"), [("sharpen", 255), ("box", 255), ("sobel-x", 0), ("sobel", 0)])
def test_the_output_of_a_photo_grows_as_a_photo(kernel, white):
    steps = convolve(np.arange(36, dtype=np.uint8).reshape(6, 6) * 7, kernel).steps()
    assert (steps.white, steps.output_white) == (255, white)
    if kernel in ("box", "sobel"):
        return
    with Image.open(io.BytesIO(steps.gif())) as gif:
        colours = np.asarray(gif.convert("RGB")).reshape(-1, 3)
    assert ((colours == NOT_YET).all(1).any()) == bool(white)  # the bar is not drawn, and what is to come is not grey


def test_what_is_small_enough_is_not_cropped():
    steps = STEPS["sobel"]().steps()
    assert steps.cropped(5) is steps
    title = pool(np.ones((200, 200)), 2).steps().cropped(128).title
    assert title == "max pooling 2x2; stride 2, padding valid; the middle 128x128 of 200x200 pixels"


def test_the_combined_gradient_is_written_out():
    steps = convolve("0 0 9; 0 0 9; 0 3 9", "sobel").steps()
    assert steps.arithmetic(0, 0) == "sqrt(36^2 + 6^2) = 36.5"  # 9 + 2 * 9 + 9, and 2 * 3 + 9 - 9


@pytest.mark.slow
def test_a_large_one_has_64_frames_and_the_last_is_whole():
    image = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(float)
    with Image.open(io.BytesIO(convolve(image, "sobel-x").steps().gif())) as gif:
        assert gif.n_frames == 64


MISTAKES = {
    "suffix": (
        lambda tmp: STEPS["sum"]().steps().save(tmp / "a.avi"),
        "the animation is a .gif",
    ),
    "colour": (lambda tmp: convolve(np.ones((4, 4, 3)), "box", channels="each").steps(), "use --channels grey"),
    "channels": (lambda tmp: convolve(NUMBERS, "box", channels="gray"), "did you mean 'grey'"),
    "show": (lambda tmp: STEPS["sum"]().picture("color"), "did you mean 'colour'"),
    "numbers": (lambda tmp: pool(np.ones((99, 99)), 2).text(numbers=True), "16x16 at most"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_one_clear_message(kind, tmp_path):
    call, message = MISTAKES[kind]
    with pytest.raises(SeeError, match=message):
        call(tmp_path)


def test_the_list_shows_every_kernel():
    names = [kernel.name for kernel in kernel_list()]
    assert {"identity", "sobel", "gabor", "log", "roberts-x"} <= set(names)
    assert all(f"{name}: " in kernel_text() for name in names)
