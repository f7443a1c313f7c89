"""The convolution lab against torch, SciPy and Pillow, and the worked examples of the tutorials."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from scipy import ndimage, signal
from torch.nn import functional as F

from striate.errors import SeeError
from striate.filtering import activate_array, convolve_array, find_kernel, pool_array
from striate.filtering.sliding import sliding_window

TUTORIAL = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]])


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_worked_example_of_the_tutorials():
    assert convolve_array(TUTORIAL, "1 0 1; 0 1 0; 1 0 1").tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]


@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3),
    st.integers(0, 4), st.integers(0, 999),
)  # fmt: skip
def test_convolution_is_torchs(height, width, kh, kw, stride, dilation, padding, seed):
    image, weights = noise(height, width, seed=seed), noise(kh, kw, seed=seed + 1)
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    if (kh - 1) * dilation + 1 > height + 2 * padding or (kw - 1) * dilation + 1 > width + 2 * padding:
        with pytest.raises(SeeError, match="window does not fit the"):
            convolve_array(image, weights, **settings)
        return
    wanted = F.conv2d(torch.from_numpy(image)[None, None], torch.from_numpy(weights)[None, None], **settings)
    np.testing.assert_allclose(convolve_array(image, weights, **settings), wanted[0, 0].numpy(), atol=1e-12)


@pytest.mark.filterwarnings("ignore:Using padding")
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))
def test_same_is_torchs_same(kh, kw, dilation):
    image, weights = noise(9, 8), noise(kh, kw)
    wanted = F.conv2d(
        torch.from_numpy(image)[None, None], torch.from_numpy(weights)[None, None], padding="same", dilation=dilation
    )
    ours = convolve_array(image, weights, padding="same", dilation=dilation)
    assert ours.shape == image.shape
    np.testing.assert_allclose(ours, wanted[0, 0].numpy(), atol=1e-12)


@given(st.integers(1, 5), st.integers(1, 5))
def test_flipped_is_scipys_convolution_and_plain_its_correlation(kh, kw):
    image, weights = noise(9, 8), noise(kh, kw)
    np.testing.assert_allclose(
        convolve_array(image, weights, flip=True), signal.convolve2d(image, weights, "valid"), atol=1e-12
    )
    np.testing.assert_allclose(convolve_array(image, weights), signal.correlate2d(image, weights, "valid"), atol=1e-12)


def test_a_kernel_with_channels_sums_over_them_as_the_first_layer_of_a_network():
    image, weights = noise(7, 6, 3), noise(3, 2, 3)
    wanted = F.conv2d(torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(weights).permute(2, 0, 1)[None])
    np.testing.assert_allclose(convolve_array(image, weights, stride=1), wanted[0, 0].numpy(), atol=1e-12)
    each = convolve_array(image, weights[..., 0])
    assert each.shape == (5, 5, 3)
    np.testing.assert_allclose(each[..., 1], convolve_array(image[..., 1], weights[..., 0]), atol=1e-12)


def photo():
    y, x = np.mgrid[:60, :80]
    return (128 + 70 * np.sin(x / 5) * np.cos(y / 7) + 40 * (np.hypot(y - 30, x - 40) < 15)).astype(np.uint8)


@pytest.mark.parametrize(("name", "axis"), [("sobel-x", 1), ("sobel-y", 0)])
def test_sobel_of_a_photo_is_scipys(name, axis):
    wanted = ndimage.sobel(photo().astype(float), axis=axis, mode="constant")
    np.testing.assert_allclose(convolve_array(photo(), name, padding="same"), wanted, atol=1e-9)


def test_sobel_of_a_photo_is_pillows():
    """Pillow clips to bytes and leaves the rim; halved and moved to the middle, the gradient fits its bytes."""
    weights = (find_kernel("sobel-x").weights[0] / 8).ravel().tolist()
    image = Image.fromarray(photo())
    wanted = np.asarray(image.filter(ImageFilter.Kernel((3, 3), weights, scale=1, offset=128)))[1:-1, 1:-1]
    ours = convolve_array(photo(), "sobel-x") / 8 + 128
    assert np.abs(ours - wanted).max() <= 0.5 + 1e-9


def test_the_combined_sobel_is_the_length_of_the_gradient():
    x, y = convolve_array(photo(), "sobel-x"), convolve_array(photo(), "sobel-y")
    np.testing.assert_allclose(convolve_array(photo(), "sobel"), np.hypot(x, y))


def test_identity_and_box():
    image = noise(6, 7)
    np.testing.assert_array_equal(convolve_array(image, "identity"), image[1:-1, 1:-1])
    np.testing.assert_allclose(convolve_array(image, "box-5")[0, 1], image[:5, 1:6].mean())


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.sampled_from(["max", "average", "sum"]))
def test_pooling_is_torchs(size, stride, padding, kind):
    image = noise(9, 7)
    if padding > size // 2:
        return
    x = torch.from_numpy(image)[None, None]
    wanted = {
        "max": lambda: F.max_pool2d(x, size, stride, padding),
        "average": lambda: F.avg_pool2d(x, size, stride, padding),
        "sum": lambda: F.avg_pool2d(x, size, stride, padding) * size**2,
    }[kind]()
    np.testing.assert_allclose(
        pool_array(image, size, kind, stride=stride, padding=padding), wanted[0, 0].numpy(), atol=1e-12
    )


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(["max", "average", "sum"]),
)
def test_pooling_by_a_rectangle_is_torchs(height, width, down, right, kind):
    """Strides by the window's own sides where none is given, as torch's do."""
    image = noise(9, 11)
    x = torch.from_numpy(image)[None, None]
    functions = {
        "max": F.max_pool2d, "average": F.avg_pool2d, "sum": lambda *w: F.avg_pool2d(*w) * height * width,
    }  # fmt: skip
    for stride in (None, (down, right)):
        wanted = functions[kind](x, (height, width), stride)[0, 0].numpy()
        np.testing.assert_allclose(pool_array(image, (height, width), kind, stride=stride), wanted, atol=1e-12)


@given(
    st.integers(1, 4), st.integers(1, 4), st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(1, 3),
    st.sampled_from([0, 1, 2, "same"]),
)  # fmt: skip
def test_what_is_never_read_is_what_changes_nothing(kh, kw, stride, dilation, padding):
    """A pixel is read where torch's gradient of the sum of all outputs, of a kernel of ones, is not 0 there."""
    moves = sliding_window((kh, kw), stride=stride, dilation=dilation, padding=padding)
    shape = (10, 12)
    if any(n < span for n, span in zip(shape, moves.span, strict=True)):
        return
    image = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    (top, left), (bottom, right) = moves.before, moves.after
    padded = F.pad(image, (left, right, top, bottom))
    F.conv2d(padded[None, None], torch.ones(1, 1, kh, kw).double(), stride=stride, dilation=dilation).sum().backward()
    rows, columns = moves.unread(shape)
    assert rows == [y for y in range(10) if not image.grad[y].any()]
    assert columns == [x for x in range(12) if not image.grad[:, x].any()]


def test_a_wide_window_may_be_padded_along_its_longer_side():
    wanted = F.max_pool2d(torch.from_numpy(noise(4, 9))[None, None], (1, 5), 1, (0, 2))[0, 0].numpy()
    np.testing.assert_allclose(pool_array(noise(4, 9), (1, 5), stride=1, padding="same"), wanted)


def test_the_pooling_of_the_tutorials():
    image = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
    assert pool_array(image, 2).tolist() == [[6, 8], [3, 4]]
    assert pool_array(np.dstack([image, -image]), 2)[..., 1].tolist() == [[-1, -2], [-1, 0]]


@pytest.mark.parametrize("kind", ["relu", "tanh", "sigmoid"])
def test_activations_are_torchs_and_overflow_nowhere(kind):
    image = np.concatenate([noise(50), [-1000.0, 1000.0, 0.0]])
    wanted = getattr(torch, kind)(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(activate_array(image[None], kind)[0], wanted, atol=1e-15)


MISTAKES = {
    "stride 0": (
        lambda: convolve_array(TUTORIAL, "box", stride=0),
        "stride must be a whole number of at least 1, got 0",
    ),
    "dilation": (lambda: sliding_window((3, 3), dilation=0), "dilation must be a whole number"),
    "a side of 0": (
        lambda: pool_array(TUTORIAL, 0),
        "the side of a window must be a whole number of at least 1, got 0",
    ),
    "a stride of three": (
        lambda: sliding_window((2, 2), stride=(1, 1, 1)),
        "expected one number, or one for each axis",
    ),
    "padding": (
        lambda: convolve_array(TUTORIAL, "box", padding="some"),
        "padding is 'some'; expected valid, same, full",
    ),
    "negative padding": (lambda: convolve_array(TUTORIAL, "box", padding=-1), "padding is -1"),
    "too large": (lambda: convolve_array(TUTORIAL, "box-7"), "a 7x7 window does not fit the 5x5 image"),
    "four axes": (lambda: convolve_array(noise(1, 2, 3, 4), "box"), r"the image's shape is \(1, 2, 3, 4\); expected"),
    "NaN": (lambda: convolve_array(np.full((3, 3), math.nan), "box"), "contains NaN or infinity"),
    "channels": (lambda: convolve_array(noise(5, 5, 3), noise(3, 3, 2)), "the kernel has 2 channels, the image 3"),
    "an empty kernel": (lambda: convolve_array(TUTORIAL, noise(0, 3)), "the kernel's shape is"),
    "pooling": (lambda: pool_array(TUTORIAL, 2, "maxi"), "no pooling named 'maxi'; did you mean 'max'"),
    "pool padding": (lambda: pool_array(TUTORIAL, 2, padding=2), "padding 2 is more than half of the 2x2 window"),
    "activation": (lambda: activate_array(TUTORIAL, "rely"), "no activation named 'rely'; did you mean 'relu'"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_one_clear_message(kind):
    call, message = MISTAKES[kind]
    with pytest.raises(SeeError, match=message):
        call()
