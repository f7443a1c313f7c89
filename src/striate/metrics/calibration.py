"""How far a classifier's probabilities can be believed, and what makes them so: temperature scaling, and two others.

A network's probabilities are often too large (Guo et al. 2017), or, with label smoothing, too small. Dividing its
scores by one number, the temperature, mends most of it, and no item gets another class by it.
"""

from __future__ import annotations

from math import lgamma, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.sampling import evenly

Floats = NDArray[np.float64]

BINS = 15  # of the calibration error
FEWEST = 10  # items of a dot in the reliability diagram
COOLEST, HOTTEST = 0.02, 50.0  # temperatures
FOLDS = 5  # of validation, in which the methods are compared
MOST = 10_000  # numbers among which the methods are compared: of more items an even choice


def log_softmax(scores: NDArray[np.floating[Any]], temperature: float = 1.0) -> Floats:
    """float64, the logarithms of the probabilities: over the last axis, of *scores* over a *temperature*.

    >>> np.exp(log_softmax(np.zeros((1, 4))))
    array([[0.25, 0.25, 0.25, 0.25]])
    """
    z = np.asarray(scores, np.float64) / temperature
    with np.errstate(invalid="ignore"):  # of infinite scores: NaN
        z = z - z.max(axis=-1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))


# -------------------------------------------------------------------------------------------------------- the figures
def calibration(confidence: Floats, right: NDArray[np.bool_]) -> dict[str, Any]:
    """How far the probabilities of the predictions are from how often the predictions are right.

    The expected calibration error is the mean over items of \\|share right - mean confidence\\| of the item's
    bin, in 15 bins of equal width, each open below and closed above: C. Guo et al., "On calibration of
    modern neural networks", ICML 2017, equation 3. A perfect model has one too, of few items: ``by_chance``.

    Args:
        confidence: ``(N,)`` the probability that the model gave its prediction, 0..1.
        right: ``(N,)`` whether the prediction was right.

    >>> calibration(np.array([0.9, 0.9]), np.array([True, False]))["expected_calibration_error"]
    0.4
    """
    place = _bins(confidence)
    gap = np.bincount(place, weights=right - confidence, minlength=BINS)
    return {
        "expected_calibration_error": float(abs(gap).sum() / len(confidence)),
        "by_chance": error_by_chance(confidence),
        "mean_confidence": float(confidence.mean()),
        "bins": BINS,
        "reliability": _reliability(confidence, right),
    }


def _reliability(confidence: Floats, right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """The bins from low to high, each joined with those below until it has ten items: fewer say nothing of a share."""
    found: list[dict[str, float]] = []
    n, sure, hits = 0, 0.0, 0
    place = _bins(confidence)
    counts, sums, rights = (np.bincount(place, weights=w, minlength=BINS) for w in (None, confidence, right))
    for i in range(BINS):
        n, sure, hits = n + int(counts[i]), sure + float(sums[i]), hits + int(rights[i])
        if n >= FEWEST or (n and i == BINS - 1):
            found.append({"n": n, "confidence": sure / n, "accuracy": hits / n})
            n, sure, hits = 0, 0.0, 0
    return found


def error_by_chance(confidence: Floats) -> float:
    """The calibration error to be expected of a perfect model on as many items: chance alone moves each bin's share.

    Of a bin it is the mean absolute deviation of a binomial count (De Moivre's closed form: P. Diaconis and S. Zabell,
    "Closed form summation for classical distributions", Statistical Science 6 (1991), 284-302).

    >>> round(error_by_chance(np.full(100, 0.8)), 4), round(error_by_chance(np.full(10_000, 0.8)), 4)
    (0.0318, 0.0032)
    """
    place = _bins(confidence)
    n, sure = np.bincount(place, minlength=BINS), np.bincount(place, weights=confidence, minlength=BINS)
    return sum(_mean_deviation(int(n[i]), float(sure[i] / n[i])) for i in np.flatnonzero(n)) / len(confidence)


def _mean_deviation(n: int, p: float) -> float:
    """``E|X - np|`` of a binomial count X."""
    if not 0 < p < 1:
        return 0.0
    m = int(n * p) + 1  # the first count above the mean
    if m > n:
        m = n
    ways = lgamma(n + 1) - lgamma(m + 1) - lgamma(n - m + 1)
    return float(2 * m * np.exp(ways + m * log(p) + (n - m + 1) * np.log1p(-p)))


def _bins(confidence: Floats) -> NDArray[np.intp]:
    return np.clip(np.ceil(confidence * BINS).astype(np.intp) - 1, 0, BINS - 1)


def brier_score(log_p: Floats, labels: NDArray[np.integer[Any]]) -> float:
    """The mean over items of ``sum_k (p_k - [k is the label])^2``, 0 (sure and right) to 2 (sure and wrong).

    G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950), 1-3.

    Args:
        log_p: ``(N, K)``, the logarithms of the probabilities.
        labels: ``(N,)``, 0..K-1.

    >>> brier_score(np.log([[0.5, 0.5]]), np.array([0]))
    0.5
    """
    p = np.exp(log_p)
    own = p[np.arange(len(p)), labels]
    return float(((p * p).sum(axis=1) - 2 * own + 1).mean())


# -------------------------------------------------------------------------------------------------------- the methods
def fit_temperature(scores: Floats, labels: NDArray[np.integer[Any]]) -> float:
    """The temperature T for which ``softmax(scores / T)`` has the lowest cross-entropy (Guo et al. 2017, section 4.2).

    ``log T`` has a normal prior of std 1, which counts as much as one item or so: it keeps T finite where few items are
    all right, and is not felt among hundreds.

    Args:
        scores: ``(N, K)``, before any softmax.
        labels: ``(N,)``, 0..K-1.

    Returns:
        0.02 to 50; 1 where there are no items, or scores that are not finite.

    >>> rng = np.random.default_rng(0)
    >>> z = 3 * rng.normal(size=(4000, 3))
    >>> y = np.array([rng.choice(3, p=np.exp(row)) for row in log_softmax(z / 3)])
    >>> 2.7 < fit_temperature(z, y) < 3.3
    True
    """
    z = np.asarray(scores, np.float64)
    if not len(z) or not np.isfinite(z).all():
        return 1.0
    z = z - z.max(axis=1, keepdims=True)
    own = z[np.arange(len(z)), labels]

    def slopes(beta: float) -> tuple[float, float]:
        """Of the summed cross-entropy over beta = 1 / T: its derivative and its second one, which is never below 0."""
        p = np.exp(beta * z)
        p /= p.sum(axis=1, keepdims=True)
        mean = (p * z).sum(axis=1)
        return float((mean - own).sum()), float(((p * z * z).sum(axis=1) - mean * mean).sum())

    low, high = -log(HOTTEST), -log(COOLEST)
    u = 0.0  # log beta
    for _ in range(60):
        beta = float(np.exp(u))
        first, second = slopes(beta)
        slope, curvature = beta * first + u, beta * beta * second + max(0.0, beta * first) + 1
        step = u - slope / curvature
        low, high = (u, high) if slope < 0 else (low, u)
        step = step if low < step < high else (low + high) / 2
        if not slope or abs(step - u) < 1e-7:
            break
        u = step
    return float(np.exp(-u))


def fit_vector(scores: Floats, labels: NDArray[np.integer[Any]], steps: int = 100) -> tuple[Floats, Floats]:
    """Vector scaling: for each class a factor and a constant, both ``(K,)``, by the cross-entropy of ``factor * score +
    constant`` (Guo et al. 2017, section 4.2); drawn to 1 and 0 as strongly as one item would.

    It may change which class is the most probable.

    >>> factor, constant = fit_vector(np.array([[4.0, 0.0], [4.0, 0.0]]), np.array([0, 1]))
    >>> bool(0 < factor[0] < 1)
    True
    """
    z, n = np.asarray(scores, np.float64), len(scores)
    size = max(1.0, float(np.abs(z).max()))
    x, k = z / size, z.shape[1]
    truth = np.eye(k)[labels]
    at = momentum = np.stack([np.full(k, size), np.zeros(k)])
    start, rate = at, 2.0  # 1 over the largest curvature: softmax has 1/2 at most, inputs are 1 at most
    for step in range(steps):
        p = np.exp(log_softmax(momentum[0] * x + momentum[1]))
        off = (p - truth) / n
        slope = np.stack([(off * x).sum(axis=0), off.sum(axis=0)]) + (momentum - start) / np.array([[size**2], [1]]) / n
        before, at = at, momentum - rate * slope
        momentum = at + step / (step + 3) * (at - before)
    return at[0] / size, at[1]


def fit_isotonic(confidence: Floats, right: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Isotonic regression of *right* over *confidence*: the non-decreasing steps with the least squared error, by
    pooling neighbours (Zadrozny and Elkan 2002).

    Returns:
        Confidences in ascending order, and the value from each on; for ``np.interp`` or a look-up.

    >>> fit_isotonic(np.array([0.2, 0.4, 0.6, 0.9]), np.array([False, True, False, True]))[1]
    array([0. , 0.5, 0.5, 1. ])
    """
    x, where, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    means = np.bincount(where, weights=right) / counts
    blocks: list[tuple[float, float, int]] = []  # mean, weight, distinct confidences
    for mean, weight in zip(means.tolist(), counts.tolist(), strict=True):
        block = (mean, float(weight), 1)
        while blocks and blocks[-1][0] >= block[0]:
            m, w, c = blocks.pop()
            block = ((m * w + block[0] * block[1]) / (w + block[1]), w + block[1], c + block[2])
        blocks.append(block)
    return x, np.repeat([m for m, _, _ in blocks], [c for _, _, c in blocks])


def compare_methods(scores: Floats, labels: NDArray[np.integer[Any]]) -> dict[str, float]:
    """The mean squared error of the prediction's probability (as 1 for right and 0 for wrong) by each method, fitted on
    four fifths of the items and measured on the other fifth, in turn: ``none``, ``temperature``, ``vector``,
    ``isotonic``.

    Args:
        scores: ``(N, K)``, before any softmax.
        labels: ``(N,)``, 0..K-1.

    Returns:
        Empty of fewer than 25 items, or of so many classes that the comparison would take long.

    >>> compare_methods(np.zeros((3, 2)), np.array([0, 1, 0]))
    {}
    """
    chosen = evenly(len(scores), MOST // scores.shape[1])
    z, labels, n = np.asarray(scores, np.float64)[chosen], labels[chosen], len(chosen)
    if n < 5 * FOLDS or not np.isfinite(z).all():
        return {}
    fold = np.random.default_rng(0).permutation(n) % FOLDS
    errors: dict[str, float] = {}
    for f in range(FOLDS):
        fit, held = fold != f, fold == f
        t = fit_temperature(z[fit], labels[fit])
        factor, constant = fit_vector(z[fit], labels[fit])
        log_p = {
            "none": log_softmax(z[held]),
            "temperature": log_softmax(z[held], t),
            "vector": log_softmax(factor * z[held] + constant),
        }
        found = {
            name: (np.exp(values.max(axis=1)), values.argmax(axis=1) == labels[held]) for name, values in log_p.items()
        }
        known = log_softmax(z[fit], t)
        steps = fit_isotonic(np.exp(known.max(axis=1)), known.argmax(axis=1) == labels[fit])
        found["isotonic"] = (np.interp(found["temperature"][0], *steps), found["temperature"][1])
        for name, (confidence, right) in found.items():
            errors[name] = errors.get(name, 0.0) + float(((confidence - right) ** 2).sum()) / n
    return errors
