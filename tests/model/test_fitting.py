"""The one way in for files: at reduced size where that is enough, and every point where :func:`point_map` says."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image_files import KINDS, photo, turned
from strategies import examples
from striate.errors import DataError
from striate.model.contract import IGNORE, INTERPOLATION, Contract
from striate.model.image import decode, decode_reduced
from striate.model.placing import LONGEST, point_map, reduction
from striate.model.prepare import fit, fit_array, fit_mask, prepared

GREY = Contract(("cat", "dog"), (1, 32, 48), "L", (0.5,), (0.25,))
COLOUR = replace(GREY, input=(3, 32, 48), mode="RGB", mean=(0.5,) * 3, std=(0.25,) * 3)
MASKS = replace(GREY, task="segmentation", mask_values=(0, 1))
RULES = {
    "stretch": {"resize": "stretch"},
    "fit": {"resize": "fit"},
    "crop": {"resize": "crop"},
    "scale_to": {"resize": "crop", "scale_to": 56},
}


def by(rule, contract=GREY, **fields):
    return replace(contract, **RULES[rule], **fields)


# The EXIF orientation, and where a point of the stored image of size (w, h) lies when it is upright.
TURNS = {
    1: lambda x, y, w, h: (x, y),
    2: lambda x, y, w, h: (w - x, y),
    3: lambda x, y, w, h: (w - x, h - y),
    4: lambda x, y, w, h: (x, h - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (h - y, x),
    7: lambda x, y, w, h: (h - y, w - x),
    8: lambda x, y, w, h: (y, w - x),
}


# ----------------------------------------------------------------------------------------------------------- positions
def disc(width, height, x, y, radius):
    """White on black, its centre at (x, y) of the coordinates where (0, 0) is the top left corner."""
    rows, columns = np.ogrid[:height, :width]
    return Image.fromarray(((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2) * np.uint8(255))


def centre(pixels):
    """The centre of gravity (x, y) of what is bright, a pixel's own lying half a pixel from its corner."""
    light = pixels.astype(float)
    light[light < 16] = 0  # what JPEG adds to black
    rows, columns = np.indices(light.shape) + 0.5
    return (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()


@st.composite
def discs(draw):
    """A size, a rule, and a disc wholly seen by it: width, height, contract, x, y, radius."""
    contract = by(
        draw(st.sampled_from(sorted(RULES))),
        interpolation=draw(st.sampled_from(["bilinear", "bicubic"])),
        input=(1, *draw(st.sampled_from([(32, 48), (40, 40), (56, 24)]))),
    )
    width, height = draw(st.integers(60, 700)), draw(st.integers(60, 700))
    scale_x, scale_y, left, top = point_map((width, height), contract)
    radius = int(max(3, 3 / min(scale_x, scale_y)))
    (_, room_height, room_width) = contract.input
    ends = []
    for scale, start, side, room in ((scale_x, left, width, room_width), (scale_y, top, height, room_height)):
        low = max(0, -start / scale) + radius + 2 / scale + 1
        high = min(side, (room - start) / scale) - radius - 2 / scale - 1
        ends.append((int(np.ceil(low)), int(np.floor(high))))
    if any(low >= high for low, high in ends):  # no room: the next
        ends = [(side // 2, side // 2) for side in (width, height)]
        radius = 0
    return width, height, contract, draw(st.integers(*ends[0])), draw(st.integers(*ends[1])), radius


@given(discs())
@examples(60)
def test_a_disc_lies_where_point_map_says(case):
    width, height, contract, x, y, radius = case
    if not radius:
        return
    scale_x, scale_y, left, top = point_map((width, height), contract)
    found = centre(fit(disc(width, height, x, y, radius), contract)[0])
    assert found == pytest.approx((x * scale_x + left, y * scale_y + top), abs=0.1)


@given(st.sampled_from(sorted(TURNS)), discs(), st.integers(1, 7))
@examples(60)
def test_so_it_does_from_a_jpeg_at_reduced_size_held_in_any_way(tmp_path_factory, orientation, case, odd):
    """Sizes that 8 does not divide: the last pixel of the reduced image is not covered in full, and may come first."""
    width, height, contract, x, y, radius = case
    if not radius:
        return
    width, height, x, y, radius = (4 * n for n in (width, height, x, y, radius))
    width, height = width + odd, height + 2 * odd
    image = disc(width, height, x, y, radius)
    path = tmp_path_factory.getbasetemp() / "disc.jpg"
    path.write_bytes(turned("JPEG", orientation, image, quality=95))
    upright = (height, width) if orientation > 4 else (width, height)
    scale_x, scale_y, left, top = point_map(upright, contract)
    x, y = TURNS[orientation](x, y, width, height)
    there = x * scale_x + left, y * scale_y + top
    _, room_height, room_width = contract.input
    margin = 2 + radius * max(scale_x, scale_y)
    if not (margin < there[0] < room_width - margin and margin < there[1] < room_height - margin):
        return  # the turned image is cropped otherwise
    assert centre(prepared(path, contract)[0]) == pytest.approx(there, abs=0.1)


@pytest.mark.parametrize(
    ("rule", "size", "wanted"),
    [
        ("stretch", (96, 128), (0.5, 0.25, 0, 0)),
        ("fit", (96, 128), (0.25, 0.25, 12, 0)),
        ("fit", (100, 10), (0.48, 0.5, 0, 13)),  # 4.8 pixels high, rounded to 5; of the 27 left 13 are above
        ("fit", (13, 32), (1, 1, 17, 0)),  # of the 35 columns left 17 are on the left
        ("crop", (96, 128), (0.5, 0.5, 0, -16)),
        ("crop", (200, 64), (0.5, 0.5, -26, 0)),
        ("scale_to", (112, 224), (0.5, 0.5, -4, -40)),
        ("scale_to", (100, 1000), (0.56, 0.56, -4, -264)),  # a strip: 800 of the 1000 are scaled, from the 100th on
    ],
)
def test_point_map_by_hand(rule, size, wanted):
    assert point_map(size, by(rule)) == pytest.approx(wanted)


@given(st.sampled_from(sorted(RULES)), st.integers(1, 3000), st.integers(1, 3000))
def test_the_middle_stays_in_the_middle(rule, width, height):
    """To within the half pixel by which margins may differ."""
    scale_x, scale_y, left, top = point_map((width, height), by(rule))
    assert width / 2 * scale_x + left == pytest.approx(24, abs=max(0.5, scale_x / 2) + 1e-6)
    assert height / 2 * scale_y + top == pytest.approx(16, abs=max(0.5, scale_y / 2) + 1e-6)


# ---------------------------------------------------------------------------------------------------- at reduced size
@pytest.mark.parametrize(
    ("rule", "size", "n"),
    [
        ("stretch", (192, 128), 2),
        ("stretch", (191, 128), 1),
        ("stretch", (192, 127), 1),
        ("stretch", (384, 256), 4),
        ("stretch", (768, 512), 8),
        ("stretch", (6000, 4000), 8),
        ("fit", (192, 30), 1),  # 30 become 7.5, rounded to 8: 3.75 times smaller
        ("fit", (192, 100), 2),
        ("fit", (384, 200), 4),
        ("crop", (384, 200), 2),  # 32 of the 200 are wanted: 6 times
        ("crop", (383, 256), 2),
        ("crop", (384, 256), 4),
        ("scale_to", (224, 224), 2),
        ("scale_to", (448, 500), 4),
        ("scale_to", (4000, 400), 1),  # a strip
    ],
)
def test_at_least_twice_the_pixels_that_are_needed(rule, size, n):
    contract = by(rule)
    assert reduction(size, contract) == n
    assert reduction(size, replace(contract, interpolation="nearest")) == 1


@given(st.sampled_from(sorted(RULES)), st.integers(1, 5000), st.integers(1, 5000))
def test_the_reduction_is_the_largest_that_leaves_enough(rule, width, height):
    contract = by(rule)
    n, finest = reduction((width, height), contract), max(point_map((width, height), contract)[:2])
    assert n in (1, 2, 4, 8)
    assert n == 1 or 1 / finest >= 2 * n
    strip = max(width, height) > LONGEST * min(width, height)
    assert n == 8 or strip or 1 / finest < 4 * n


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("rule", RULES)
def test_what_it_costs_in_likeness(tmp_path, rule, orientation):
    """Against decoding in full: less than a level in the mean."""
    image = photo(102, 151).resize((1203, 811), Image.Resampling.BICUBIC)
    (tmp_path / "a.jpg").write_bytes(turned("JPEG", orientation, image, quality=95))
    contract = by(rule, COLOUR)
    assert decode_reduced(tmp_path / "a.jpg", "RGB", lambda size: reduction(size, contract)).image.width <= 1203 / 4 + 1
    whole = fit(decode(tmp_path / "a.jpg", "RGB"), contract).astype(int)
    apart = np.abs(prepared(tmp_path / "a.jpg", contract) - whole)
    assert 0 < apart.mean() < 1
    assert apart.max() <= 6


@pytest.mark.parametrize(("n", "size"), [(2, (102, 76)), (4, (51, 38)), (8, (26, 19))])
def test_what_is_decoded_smaller(tmp_path, n, size):
    (tmp_path / "a.jpg").write_bytes(turned("JPEG", 3, photo(151, 203)))
    decoded = decode_reduced(tmp_path / "a.jpg", "L", lambda _: n)
    assert (decoded.image.size, decoded.size, decoded.image.mode) == (size, (203, 151), "L")
    assert decoded.box == pytest.approx((size[0] - 203 / n, size[1] - 151 / n, *size))  # its far corner is now the near


def test_what_counts_is_the_size_when_upright(tmp_path):
    """As it is stored, this one is not large enough to be reduced, and then the other way round."""
    for orientation, size, wanted in ((6, (128, 192), 2), (6, (192, 128), 1), (3, (192, 128), 2), (3, (128, 192), 1)):
        (tmp_path / "a.jpg").write_bytes(turned("JPEG", orientation, photo(*size[::-1])))
        decoded = decode_reduced(tmp_path / "a.jpg", "L", lambda size: reduction(size, GREY))
        assert decoded.size[0] / decoded.image.width == wanted


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("jpeg")])
def test_every_jpeg_can_be_decoded_smaller(tmp_path, kind):
    (tmp_path / "a").write_bytes(KINDS[kind]())
    whole, half = decode(tmp_path / "a", "RGB"), decode_reduced(tmp_path / "a", "RGB", lambda _: 2)
    assert half.size == whole.size
    assert half.image.size == tuple(-(-side // 2) for side in whole.size)


@given(
    st.sampled_from(sorted(RULES)), st.sampled_from(INTERPOLATION), st.integers(1, 127), st.integers(1, 191),
    st.sampled_from(["JPEG", "PNG"]), st.sampled_from([GREY, COLOUR]),
)  # fmt: skip
@examples(40)
def test_a_small_file_is_decoded_in_full(tmp_path_factory, rule, interpolation, height, width, format, contract):
    """And a large one that is no JPEG: bit for bit as by hand."""
    path = tmp_path_factory.getbasetemp() / "small"
    grown = 4 if format == "PNG" else 1
    photo(height * grown, width * grown).save(path, format)
    contract = by(rule, contract, interpolation=interpolation)
    assert np.array_equal(prepared(path, contract), fit(decode(path, contract.mode), contract))


# ---------------------------------------------------------------------------------------------------------------- masks
@given(st.sampled_from(sorted(RULES)), st.integers(20, 300), st.integers(20, 300), st.integers(0, 99))
def test_a_mask_stays_on_its_image(rule, height, width, seed):
    """Of an image in black and white, its mask is what is white in it: also after both are resized."""
    coarse = np.random.default_rng(seed).integers(0, 2, (3, 4), dtype=np.uint8) * 255
    pixels = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST))
    contract = by(rule, MASKS, interpolation="bilinear")
    image, mask = fit(Image.fromarray(pixels), contract)[0], fit_mask(pixels > 0, contract)
    sure = mask != IGNORE
    assert (image[~sure] == 0).all()
    assert set(np.unique(mask)) <= {0, 1, IGNORE}
    assert (mask[sure & (image < 64)] == 0).all()
    assert (mask[sure & (image > 191)] == 1).all()


@given(st.sampled_from(sorted(RULES)), st.integers(1, 200), st.integers(1, 200))
def test_only_fit_leaves_pixels_of_no_class(rule, height, width):
    mask = fit_mask(np.zeros((height, width), np.int32), by(rule, MASKS))
    assert mask.shape == (32, 48)
    empty = fit(Image.new("L", (width, height), 255), by(rule, interpolation="nearest"))[0] == 0
    assert np.array_equal(mask == IGNORE, empty)
    assert rule == "fit" or not empty.any()


def test_the_values_of_a_mask():
    contract = replace(MASKS, input=(1, 2, 3), classes=("a", "b", "c"), mask_values=(200, 0, 0xFF8000))
    mask = np.array([[0, 200, 0xFF8000], [1, 201, 255]], np.int32)
    assert fit_mask(mask, contract).tolist() == [[1, 0, 2], [255, 255, 255]]


# ------------------------------------------------------------------------------------------------------ many channels
@given(st.sampled_from(sorted(RULES)), st.integers(1, 6), st.integers(1, 60), st.integers(1, 60))
def test_each_of_many_channels_is_resized_by_itself(rule, channels, height, width):
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, channels), dtype=np.uint8)
    contract = by(rule, mode="channels", input=(channels, 32, 48), mean=(0.5,) * channels, std=(0.5,) * channels)
    fitted = fit_array(images, contract)
    assert fitted.shape == (2, channels, 32, 48)
    for c in range(channels):
        assert np.array_equal(fitted[:, c : c + 1], fit_array(images[..., c], by(rule)))


def test_another_number_of_channels():
    contract = replace(GREY, mode="channels", input=(2, 32, 48), mean=(0.5,) * 2, std=(0.5,) * 2)
    with pytest.raises(DataError) as caught:
        fit_array(np.zeros((1, 5, 5, 3), np.uint8), contract)
    assert str(caught.value) == "the images have 3 channel(s), the model takes 2"
    with pytest.raises(DataError, match=r"the model takes arrays of 2 channel\(s\) \(mode channels\), not images"):
        fit(photo(), contract)


def test_alpha_goes_with_its_colours():
    """Resized as Pillow does, colours weighed by their alpha: no dark rim from what nobody sees."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (200, 100, 50, 255)
    contract = replace(COLOUR, input=(4, 1, 2), mode="RGBA", mean=(0.5,) * 4, std=(0.5,) * 4, interpolation="bilinear")
    left, right = fit(Image.fromarray(pixels), contract)[:, 0].T
    assert left[:3].tolist() == pytest.approx([200, 100, 50], abs=1)
    assert left[3] > 200
    assert right[3] < 55


# --------------------------------------------------------------------------------------- helpers, threads and processes
def test_it_needs_no_torch():
    code = "import striate.model.prepare, sys; print('torch' in sys.modules, 'PIL' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_threads_and_forks_give_the_same(tmp_path):
    paths = []
    for i, make in enumerate(KINDS.values()):
        paths.append(tmp_path / f"{i}")
        paths[-1].write_bytes(make())
    paths *= 3
    alone = [prepared(path, COLOUR).tobytes() for path in paths]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: prepared(path, COLOUR).tobytes(), paths)) == alone
    reader, writer = os.pipe()
    child = os.fork()
    if not child:  # no pytest in here
        good = all(prepared(path, COLOUR).tobytes() == wanted for path, wanted in zip(paths, alone, strict=True))
        os.write(writer, b"good" if good else b"bad")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 9) == b"good"
    os.close(reader)
    os.close(writer)
