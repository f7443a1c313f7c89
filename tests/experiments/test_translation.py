"""Translation: a moved digit moves the feature maps, and global pooling gives it the same answer."""

import pytest
import torch

import striate
from striate.experiments.fitting import built, scores_of
from striate.experiments.translation import DENSE, FLATTENED, NETS, POOLED, place_digits


def test_a_digit_lies_where_it_is_placed():
    digits = torch.rand(3, 1, 8, 8)
    images = place_digits(digits, torch.tensor([2, 7, 30]))
    assert images.shape == (3, 1, 12, 40)
    for image, digit, column in zip(images, digits, (2, 7, 30), strict=True):
        assert torch.equal(image[:, 2:10, column : column + 8], digit)
        assert float(image.sum()) == pytest.approx(float(digit.sum()))


def test_global_pooling_answers_alike_at_every_even_shift():
    """Pooling by 2 comes between: moved by 2 pixels the maps move by 1, and their maximum stays."""
    net, digits = built(NETS[POOLED], 3), torch.rand(5, 1, 8, 8)
    first, *others = (scores_of(net, place_digits(digits, torch.full((5,), column))) for column in (6, 10, 20, 26))
    for other in others:
        torch.testing.assert_close(other, first, rtol=0, atol=1e-5)
    for name in (FLATTENED, DENSE):
        net = built(NETS[name], 3)
        near, far = (scores_of(net, place_digits(digits, torch.full((5,), column))) for column in (6, 26))
        assert float((near - far).abs().max()) > 1e-2


@pytest.mark.slow
def test_the_claim_holds():
    found = striate.experiment("translation", seed=1)
    assert found.holds
    accuracy = found.data["accuracy"]
    assert accuracy[POOLED].min() > 0.9
    assert accuracy[FLATTENED][-8:].max() < 0.3
    assert accuracy[DENSE][-8:].max() < 0.3
