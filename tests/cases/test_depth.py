"""More than 8 bits, floating point and several pages: kept, said or refused before a run."""

import numpy as np
import pytest
from PIL import Image

from striate.datasets import open_data
from striate.errors import DataError


def folders(root, make, suffix=".tif"):
    for c in ("a", "b"):
        for i in range(4):
            path = root / c / f"{i}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path, i)
    return root


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15])
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_bits_that_would_be_lost_are_said(tmp_path, bits, suffix):
    def make(path, i):
        pixels = np.full((6, 6), i, np.uint16)
        pixels[0, 0] = 2**bits - 1
        Image.fromarray(pixels).save(path)

    notes = open_data(folders(tmp_path, make, suffix)).notes
    assert any(f"use {bits} of them (up to {2**bits - 1:,})" in n and f"by {2 ** (16 - bits)}, or" in n for n in notes)


@pytest.mark.parametrize("high", [32_768, 40_000, 50_000, 65_000, 65_535])
def test_all_16_bits(tmp_path, high):
    notes = open_data(
        folders(tmp_path, lambda p, i: Image.fromarray(np.full((6, 6), high - i, np.uint16)).save(p))
    ).notes
    assert high == 32_768 or notes == ("the images have 16 bits: 0 to 65,535 become 0 to 255",)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255), (-1000, 3000), (0.25, 0.5)])
def test_floating_point_is_refused_before_a_run(tmp_path, low, high):
    def make(path, i):
        Image.fromarray(np.linspace(low, high, 36, dtype=np.float32).reshape(6, 6)).save(path)

    with pytest.raises(
        DataError, match=f"floating point .of a sample, {low:g} to {high:g}., and their range is unknown"
    ):
        open_data(folders(tmp_path, make))


@pytest.mark.parametrize("pages", [2, 3, 5, 8, 12])
def test_pages(tmp_path, pages):
    def make(path, i):
        first, *others = (Image.new("RGB", (6, 6), (n * 9, i, 0)) for n in range(pages))
        first.save(path, save_all=True, append_images=others)

    data = open_data(folders(tmp_path, make))
    assert data.notes == (f"TIFF files have up to {pages} pages; the first of each is read",)
