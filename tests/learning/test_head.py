"""The head on frozen features: the answers of scikit-learn and of the normal equations; nothing else is touched."""

import copy

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from striate.learning import Recipe, fit_head, head
from striate.tasks import CLASSIFICATION, REGRESSION

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)).astype(np.float32)
Y = (X @ RNG.normal(size=(6, 3)) + RNG.normal(size=(300, 3))).argmax(1)
PLAIN = Recipe(head_epochs=300, label_smoothing=0)


class Trunk(nn.Module):
    """Counts what goes through it; in training mode it would change its statistics, and drop."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.seen = nn.BatchNorm1d(6, eps=0, affine=False), nn.Dropout(0.5), 0

    def forward(self, x):
        self.seen += len(x)
        return self.drop(self.norm(x))


def net(out, *more):
    torch.manual_seed(1)
    return nn.Sequential(Trunk(), nn.Linear(6, out), *more)


def batches(y, size=70, x=X):
    y = torch.as_tensor(y)
    return [(torch.as_tensor(x[i : i + size]), y[i : i + size]) for i in range(0, len(x), size)]


def fit(module, y, task=CLASSIFICATION, names=("1",), val=None, **more):
    return fit_head(module, names, batches(y), val or batches(y), PLAIN, task=task, **more)


@pytest.mark.parametrize("penalty", [0.1, 0.01])
def test_it_is_the_logistic_regression(monkeypatch, penalty):
    monkeypatch.setattr(head, "PENALTIES", (penalty,))
    module = net(3)
    assert fit(module, Y).penalty == penalty
    theirs = LogisticRegression(C=1 / (penalty * len(X)), tol=1e-8, max_iter=1000).fit(X, Y)
    ours = module[1].weight.detach().numpy()
    assert ours - ours.mean(0) == pytest.approx(theirs.coef_ - theirs.coef_.mean(0), abs=2e-3)
    scores = module.eval()(torch.as_tensor(X)).softmax(1).detach().numpy()
    assert scores == pytest.approx(theirs.predict_proba(X), abs=2e-3)


def test_it_is_the_ridge_regression(monkeypatch):
    monkeypatch.setattr(head, "PENALTIES", (0.1,))
    targets = np.stack([X @ np.arange(6), X[:, 0] ** 2], axis=1).astype(np.float32)
    module = net(2)
    fit(module, targets, REGRESSION)
    x, t = X - X.mean(0), targets - targets.mean(0)
    share = 2 / targets.shape[1] / len(X)  # the loss is the mean over items and values
    expected = np.linalg.solve(share * x.T @ x + 0.1 * np.eye(6), share * x.T @ t).T
    assert module[1].weight.detach().numpy() == pytest.approx(expected, abs=1e-3)
    assert module[1].bias.detach().numpy() == pytest.approx(targets.mean(0) - expected @ X.mean(0), abs=1e-3)


def test_a_softmax_at_the_end_is_no_second_one(monkeypatch):
    monkeypatch.setattr(head, "PENALTIES", (0.1,))
    plain, ended = net(3), net(3, nn.Softmax(dim=1))
    fit(plain, Y)
    fit(ended, Y, names=("1", "2"))
    assert torch.allclose(plain[1].weight, ended[1].weight, atol=1e-4)


def test_features_are_computed_once_in_evaluation_mode_and_all_else_stays():
    module = net(3).train()
    before = copy.deepcopy(module.state_dict())
    fit(module, Y)
    assert module[0].seen == 2 * len(X)  # training and validation split
    assert module[0].norm.training
    after = module.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"1.weight", "1.bias"}
    assert not module[1]._forward_pre_hooks


def test_validation_chooses_the_penalty():
    """Of labels that are chance alone, the strongest; of labels that follow from the features, a weak one."""
    rng = np.random.default_rng(1)
    other = rng.normal(size=(300, 6)).astype(np.float32)
    chance = fit(net(3), RNG.permutation(Y), val=batches(rng.integers(0, 3, 300), x=other))
    sure = fit(net(3), X[:, :3].argmax(1), val=batches(other[:, :3].argmax(1), x=other))
    assert chance.penalty == head.PENALTIES[0]
    assert sure.penalty < 0.1
    assert sure.val_metric > 0.9 > chance.val_metric
    assert sure.items == 300


def test_features_that_are_too_many_are_left_alone(monkeypatch):
    monkeypatch.setattr(head, "MOST", 1000)
    module = net(3)
    before = copy.deepcopy(module[1].weight)
    assert fit(module, Y) is None
    assert torch.equal(module[1].weight, before)
