"""A fully connected layer as a convolution: the same numbers, on one window and on many."""

import numpy as np
import pytest
import torch

import striate
from striate.experiments.dense_as_conv import DENSE, as_convolutions, draw_scene
from striate.experiments.fitting import built


@pytest.mark.parametrize("seed", range(3))
def test_slid_over_an_image_it_gives_every_window_its_own_scores(seed):
    torch.manual_seed(seed)
    dense = built(DENSE, seed).double()
    image = torch.rand(2, 1, 11, 14, dtype=torch.float64)
    slid = as_convolutions(dense, (11, 14))
    scores = slid(image)
    assert scores.shape == (2, 11, 4, 7)
    for row in range(4):
        for column in range(7):
            window = image[:, :, row : row + 8, column : column + 8]
            torch.testing.assert_close(scores[:, :, row, column], dense(window), rtol=0, atol=1e-12)


def test_the_weights_are_the_same_numbers():
    dense = built(DENSE, 5)
    conv = as_convolutions(dense)
    assert [p.numel() for p in conv.parameters()] == [p.numel() for p in dense.parameters()]
    for new, old in zip(conv.parameters(), dense.parameters(), strict=True):
        assert torch.equal(new.flatten(), old.flatten())
    x = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(conv(x)[:, :, 0, 0], dense(x))


def test_the_digits_of_a_scene_do_not_touch():
    scene, corners = draw_scene(torch.ones(8, 1, 8, 8), np.random.default_rng(3))
    assert int(scene.sum()) == 8 * 64
    apart = [max(abs(a - c), abs(b - d)) for i, (a, b) in enumerate(corners) for c, d in corners[:i]]
    assert min(apart) >= 8 + 3


@pytest.mark.slow
def test_the_claim_holds():
    found = striate.experiment("dense-as-conv", seed=1)
    assert found.holds
    assert found.data["difference"] < 1e-4
    seen, named, false = (row[2] for row in found.tables[-1].rows)
    assert seen > 0.97
    assert named > 0.9
    assert false < 0.01
