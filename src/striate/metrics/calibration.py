"""Whether a probability means what it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15


def calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, float]:
    """How far the probabilities of the answers are from how often the answers are right.

    The expected calibration error is the mean over items of |share right - mean confidence| of the item's
    bin, in 15 bins of equal width, each open below and closed above: C. Guo et al., "On calibration of
    modern neural networks", ICML 2017, equation 3.

    Args:
        confidence: ``(N,)`` the probability that the model gave its answer, 0..1.
        right: ``(N,)`` whether the answer was right.

    >>> calibration(np.array([0.9, 0.9]), np.array([True, False]))["expected_calibration_error"]
    0.4
    """
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gap = np.bincount(place, weights=right - confidence, minlength=BINS)
    return {
        "expected_calibration_error": float(abs(gap).sum() / len(confidence)),
        "mean_confidence": float(confidence.mean()),
        "bins": BINS,
    }
