"""``dropout``: the gap between training and test over keep probabilities, and what 0.8 means to whom."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.experiments.drawn import ink_image
from striate.experiments.fitting import built, digits_tensors, fit_tensors, scores_of
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say, columns
from striate.plotting import Panel
from striate.report.lines import ChartLine, LineChart

KEEP = (1.0, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2)
ITEMS, WRONG = 400, 0.2  # digits to train on; the share of them that are given a wrong label
REPEATS, EPOCHS = 3, 60  # networks for each keep probability; passes over the training digits
NET = "input 1x8x8; flatten; linear 256; relu{dropout}; linear 256; relu{dropout}; linear 10"
VALUES = 100_000  # that dropout is tried on


def dropout_net(keep: float, seed: int = 0) -> nn.Module:
    """Two hidden layers of 256 units, each followed by dropout that keeps a unit with probability *keep*.

    >>> dropout_net(0.8).dropout1
    Dropout(p=0.2, inplace=False)
    """
    dropout = f"; dropout p={round(1 - keep, 6):g}" if keep < 1 else ""
    return built(NET.format(dropout=dropout), seed)


def dropped(p: float, seed: int = 0) -> tuple[float, float, float]:
    """What PyTorch's dropout of probability *p* makes of ones: the share kept, what these become, the mean of all.

    >>> kept, factor, mean = dropped(0.2)
    >>> round(kept, 2), round(factor, 6), round(mean, 2)
    (0.8, 1.25, 1.0)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        y = functional.dropout(torch.ones(VALUES), p)
    return float((y > 0).float().mean()), float(y.max()), float(y.mean())


def dropout_experiment(seed: int, say: Say) -> Outcome:
    """The experiment; see ``EXPERIMENT``."""
    found = _measured(seed, say)
    train, wrong, test, train_loss, test_loss = found.mean(axis=1).T
    best, gap = int(test.argmax()), 100 * (train - test)
    numbers = np.stack([train, wrong, test, gap, train_loss, test_loss], axis=1).tolist()
    rows = tuple((f"{keep:g}", f"{1 - keep:.2g}", *row) for keep, row in zip(KEEP, numbers, strict=True))
    parts = (
        LineChart(
            "Accuracy",
            "keep probability",
            (
                ChartLine("test", _points(test)),
                ChartLine("training, right labels", _points(train)),
                ChartLine("training, wrong labels", _points(wrong)),
            ),
            f"The right end is no dropout. There the network has memorised all {ITEMS} labels, the wrong ones too, "
            "which costs accuracy on digits that it has not seen. The more is dropped, the less it can memorise; in "
            "the end too little is left to learn at all.",
            y=".0%",
        ),
        ResultTable(
            f"{ITEMS} digits to train on, {WRONG:.0%} of the labels wrong; means of {REPEATS} networks",
            columns(
                "keep probability | drop p | training, right labels:.1% | training, wrong labels:.1% | test:.1% | "
                "gap in points:.1f | training loss:.3f | test loss:.3f"
            ),
            rows,
            "Accuracy and cross-entropy, measured without dropout, as in use. The gap is that between the training "
            "digits whose label is right and the test digits. Of the wrong labels the network should predict none.",
        ),
        _two_meanings(seed),
        _thinned(seed),
    )
    holds = bool(best > 0 and gap[best] < gap[0] and test[best] > test[0])
    result = (
        f"Without dropout the network has learned {train[0]:.1%} of the right labels of its training digits, "
        f"{wrong[0]:.0%} of the wrong ones, and has {test[0]:.1%} of new digits right. Keeping each unit with "
        f"probability {KEEP[best]:g} (p = {1 - KEEP[best]:.2g} in PyTorch) it is {train[best]:.1%}, {wrong[best]:.0%} "
        f"and {test[best]:.1%}: the gap between training and test, both with right labels, goes from {gap[0]:.1f} to "
        f"{gap[best]:.1f} points. With a keep probability of {KEEP[-1]:g} it has {test[-1]:.1%} of new digits right."
    )
    return Outcome(result, holds, parts, {"keep": np.array(KEEP), "measured": found, "columns": COLUMNS})


COLUMNS = ("right training labels", "wrong training labels", "test accuracy", "training loss", "test loss")


def _measured(seed: int, say: Say) -> np.ndarray:
    """``(keep, repeats, 5)``, as ``COLUMNS`` says."""
    (x, y), (test_x, test_y) = digits_tensors("train"), digits_tensors("test")
    found = np.zeros((len(KEEP), REPEATS, len(COLUMNS)))
    for i, keep in enumerate(KEEP):
        for repeat in range(REPEATS):
            rng = np.random.default_rng((seed, repeat))
            order = torch.from_numpy(rng.permutation(len(y)))
            chosen, others = order[:ITEMS], order[ITEMS:]
            wrong = torch.arange(ITEMS) < WRONG * ITEMS  # they are in random order
            other_labels = (y[chosen] + torch.from_numpy(rng.integers(1, 10, ITEMS))) % 10
            labels = torch.where(wrong, other_labels, y[chosen])
            net = dropout_net(keep, seed + repeat)
            settings = {"epochs": EPOCHS, "lr": 3e-3, "batch_size": 50, "weight_decay": 0.0}
            fit_tensors(net, x[chosen], labels, seed=seed + repeat, **settings)
            _, loss = _scored(net, x[chosen], labels)
            right, learned = (_scored(net, x[chosen][some], labels[some])[0] for some in (~wrong, wrong))
            test, test_loss = _scored(net, torch.cat([x[others], test_x]), torch.cat([y[others], test_y]))
            found[i, repeat] = right, learned, test, loss, test_loss
        mean = found[i].mean(axis=0)
        say(f"keep probability {keep:g}: right labels {mean[0]:.1%}, wrong labels {mean[1]:.1%}, test {mean[2]:.1%}")
    return found


def _scored(net: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Accuracy and mean cross-entropy."""
    scores = scores_of(net, x)
    return float((scores.argmax(dim=1) == y).double().mean()), float(functional.cross_entropy(scores, y))


def _points(values: np.ndarray) -> tuple[tuple[float, float], ...]:
    return tuple(sorted(zip(KEEP, map(float, values), strict=True)))


def _two_meanings(seed: int) -> ResultTable:
    rows = []
    for p in (0.2, 0.5, 0.8):
        kept, factor, mean = dropped(p, seed)
        rows.append((f"dropout p={p:g}", f"keep_prob = {1 - p:g}", kept, factor, mean))
    return ResultTable(
        "One number, two meanings",
        columns("here, in PyTorch and in Keras | in CS231n, in TensorFlow 1 | kept:.1% | become:.2f | mean:.3f"),
        tuple(rows),
        f"Measured on {VALUES:,} ones. PyTorch's p is the probability that a unit is dropped; older texts name the "
        "probability that it is kept. Copying 0.8 from such a text into PyTorch keeps a fifth of the network. "
        "What is kept is divided by the keep probability, so that the mean stays and nothing need be changed in use.",
    )


def _thinned(seed: int) -> Gallery:
    """A digit under dropout, as a layer behind the input would see it."""
    x, _ = digits_tensors("test")
    panels = [Panel(ink_image(x[0, 0]), "keep 1", side=120, frame=True)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for keep in (0.8, 0.5, 0.2):
            mask = torch.rand(8, 8) < keep
            panels.append(Panel(ink_image(x[0, 0] * mask), f"keep {keep:g}", f"p = {1 - keep:g}", side=120, frame=True))
    return Gallery(
        "What a layer sees of its input",
        tuple(panels),
        "In every step other units are dropped, so that none can rely on a single other one. Without the scaling, "
        "for the eye.",
    )


EXPERIMENT = Experiment(
    "dropout",
    "Dropout: less memorised",
    "Dropout sets random activations to zero in training, so that the network does not fit its training data too "
    "closely: the gap between training and test becomes smaller.",
    "Srivastava et al. 2014, Dropout; CS231n, Neural Networks, part 2",
    f"A network with two hidden layers of 256 units, far too large for {ITEMS} digits, is trained on them, "
    f"{WRONG:.0%} of the labels wrong on purpose: a network with all of them has memorised. Dropout stands "
    f"behind both layers; each of {len(KEEP)} keep probabilities is tried {REPEATS} times, with other digits and "
    "other initial weights. The test is of all digits that were not trained on, with their right labels.",
    dropout_experiment,
)
