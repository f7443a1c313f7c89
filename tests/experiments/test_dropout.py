"""Dropout: which probability is meant, and that it keeps a network from memorising wrong labels."""

import pytest
import torch

import striate
from striate.experiments.dropout import dropout_net, dropped


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.2])
def test_a_keep_probability_is_one_less_the_probability_of_pytorch(keep):
    net = dropout_net(keep)
    assert net.dropout1.p == pytest.approx(1 - keep)
    kept, factor, mean = dropped(1 - keep, seed=3)
    assert kept == pytest.approx(keep, abs=0.01)
    assert factor == pytest.approx(1 / keep)
    assert mean == pytest.approx(1, abs=0.03)


def test_nothing_is_dropped_in_use():
    net, x = dropout_net(0.5, 1), torch.rand(4, 1, 8, 8)
    net.eval()
    without = dropout_net(1.0, 1)
    without.load_state_dict(net.state_dict())
    assert torch.equal(net(x), without(x))


@pytest.mark.slow
def test_the_claim_holds():
    found = striate.experiment("dropout", seed=1)
    assert found.holds
    train, wrong, test = found.data["measured"].mean(axis=1).T[:3]
    assert wrong[0] > 0.95  # without dropout all is memorised
    assert wrong[-1] < 0.15
    assert test.max() > test[0] + 0.04
    assert train[0] - test[0] > 0.08
    assert 0 < (train - test)[test.argmax()] < 0.08  # both with right labels: the gap is a gap
