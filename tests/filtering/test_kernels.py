"""The named kernels: their sums, symmetries and answers."""

import numpy as np
import pytest
from scipy import ndimage, signal

from striate.errors import SeeError
from striate.filtering import convolve_array, find_kernel
from striate.filtering.kernels import COMBINED, NAMED

EDGES = [
    name for name in NAMED if name.startswith(("sobel", "prewitt", "scharr", "roberts", "laplacian", "log", "gabor"))
]


@pytest.mark.parametrize("name", [*NAMED, *COMBINED])
def test_every_kernel_keeps_or_removes_the_brightness(name):
    """Edge kernels sum to 0, so a flat image gives nothing; the others to 1, so it stays as it is."""
    for weights in find_kernel(name).weights:
        assert weights.sum() == pytest.approx(0 if name in (*EDGES, *COMBINED) else 1)


@pytest.mark.parametrize("name", EDGES)
def test_edge_kernels_are_silent_on_flat_images(name):
    np.testing.assert_allclose(convolve_array(np.full((20, 20), 7.0), name), 0, atol=1e-9)


def test_gaussian_is_scipys():
    wanted = np.outer(*[signal.windows.gaussian(7, 1.4)] * 2)
    np.testing.assert_allclose(find_kernel("gaussian-7").weights[0], wanted / wanted.sum(), atol=1e-15)


def test_log_has_the_shape_of_scipys():
    dot = np.zeros((41, 41))
    dot[20, 20] = 1
    wanted = ndimage.gaussian_laplace(dot, 3.0)[10:31, 10:31]
    ours = find_kernel("log-21").weights[0]
    assert np.corrcoef(ours.ravel(), wanted.ravel())[0, 1] > 0.999
    assert ours[10, 10] < 0 < ours.max()


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 135])
def test_gabor_answers_stripes_along_its_angle_most(angle):
    y, x = np.mgrid[:61, :61] - 30

    def stripes(degrees):
        t = np.deg2rad(degrees)
        return np.cos(2 * np.pi * (x * np.sin(t) + y * np.cos(t)) / 6)

    answers = {d: np.abs(convolve_array(stripes(d), f"gabor-{angle}")).max() for d in range(0, 180, 15)}
    assert max(answers, key=answers.get) == angle


def test_x_is_to_the_right_and_y_downwards():
    ramp = np.tile(np.arange(6.0), (6, 1))
    for family in ("sobel", "prewitt", "scharr"):
        assert (convolve_array(ramp, f"{family}-x") > 0).all()
        assert (convolve_array(ramp.T, f"{family}-y") > 0).all()
        assert (convolve_array(ramp, f"{family}-y") == 0).all()


def test_typed_kernels():
    assert find_kernel("1, 2; 3, 4").weights[0].tolist() == [[1, 2], [3, 4]]
    assert find_kernel("1/9 1/9").weights[0].sum() == pytest.approx(2 / 9)
    assert find_kernel("1 0; 0 1 | 2 0; 0 2 | 3 0; 0 3").weights[0].shape == (2, 2, 3)
    assert find_kernel(" SOBEL_X ").name == "sobel-x"


MISTAKES = {
    "soble": r"no kernel named 'soble'; did you mean 'sobel'\? Or type the numbers, rows separated by",
    "box-4": "the size must be odd, 1 to 101",
    "box-999": "the size must be odd",
    "1 2; 3": r"rows of different lengths \(2, 1 numbers\); every row needs equally many",
    "1 x; 3 4": "expected numbers, rows separated by ';'",
    "1/0 1; 1 1": "expected numbers",
    "": "expected numbers|every row needs",
    "1e999 1; 1 1": "expected finite numbers",
    "1 0; 0 1 | 1 2 3": "its channels have the shapes",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_clear_message(text):
    with pytest.raises(SeeError, match=MISTAKES[text]):
        find_kernel(text)
