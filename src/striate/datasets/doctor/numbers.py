"""What may be wrong with numbers, to be predicted or as inputs: NaN, constant, far out, outside the image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from striate.datasets.doctor.case import Case, names
from striate.datasets.doctor.diagnosis import FAULT, WARNING, Problem
from striate.datasets.sources.looking import count

FAR = 20.0  # robust standard deviations from the median
HUGE = 1e4  # an input as large as this, or one channel so many times another


def _bad_targets(case: Case) -> Iterator[Problem]:
    if case.data.task != "regression":
        return
    for part in case.data.parts.values():
        bad = ~np.isfinite(np.asarray(part.targets)).all(axis=1)
        if bad.any():
            message = f"{count(int(bad.sum()), 'item')} whose value is NaN or infinite: the loss would be too"
            yield Problem("bad-number", FAULT, message, "fill in the value or remove the row", names(part, bad))


def _constant_targets(case: Case) -> Iterator[Problem]:
    if case.data.task != "regression":
        return
    values = np.asarray(case.data.train.targets)
    for name, column in zip(case.data.classes, values.T, strict=True):
        column = column[np.isfinite(column)]
        if len(column) > 1 and np.ptp(column) == 0:
            message = f"{name!r} is {column[0]:g} for every training item: there is nothing to learn"
            yield Problem("constant-value", FAULT, message, f"leave {name!r} out, or was the wrong column taken?", n=1)


def _outliers(case: Case) -> Iterator[Problem]:
    """Values farther than 20 robust deviations (1.4826 times the median absolute one) from the training median."""
    if case.data.task != "regression":
        return
    values = np.asarray(case.data.train.targets, np.float64)
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 8:
        return
    middle = np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(values - middle), axis=0)
    spread = np.where(spread > 0, spread, np.inf)  # most are one value: nothing is far from it
    for part in case.data.parts.values():
        far = (np.abs(np.asarray(part.targets, np.float64) - middle) > FAR * spread).any(axis=1)
        if far.any():
            where = np.flatnonzero(far)[0]
            example = ", ".join(f"{value:g}" for value in np.asarray(part.targets)[where])
            message = (
                f"{count(int(far.sum()), 'item')} with a value far outside the others: {example}, say, where the "
                f"median is {', '.join(f'{value:g}' for value in middle)}"
            )
            fix = "a wrong unit, a missing decimal point, a code such as 9999 for missing? correct or remove them"
            yield Problem("outlier", WARNING, message, fix, names(part, far))


def _outside(case: Case) -> Iterator[Problem]:
    """Positions that lie outside their image."""
    for name, looks in case.looks.items():
        part = case.data.parts[name]
        out = np.zeros(len(part), bool)
        for x, y in case.data.positions:
            values = np.asarray(part.targets)
            out |= (values[:, x] < 0) | (values[:, x] > looks.size[:, 1])
            out |= (values[:, y] < 0) | (values[:, y] > looks.size[:, 0])
        out &= looks.good
        if out.any():
            message = f"{count(int(out.sum()), 'item')} with a position outside the image"
            fix = "positions are pixels of the upright image, x to the right and y down; swapped, scaled or turned?"
            yield Problem("position-outside", FAULT, message, fix, names(part, out))


def _bad_inputs(case: Case) -> Iterator[Problem]:
    for part in _valued(case):
        bad = ~np.isfinite(part.inputs).reshape(len(part), -1).all(axis=1)
        if bad.any():
            message = (
                f"{count(int(bad.sum()), 'item')} with NaN or infinity in the input: the network's weights become NaN"
            )
            yield Problem("bad-input", FAULT, message, "fill in or remove them", names(part, bad))


def _channels(case: Case) -> Iterator[Problem]:
    """Channels of arrays that never change, or are on quite another scale than the others."""
    for part in _valued(case)[:1]:
        values = np.asarray(part.inputs)
        values = values.reshape(*values.shape[:2], -1)
        low, high = (f(values, axis=(0, 2)) for f in (np.nanmin, np.nanmax))
        constant = np.flatnonzero(low == high)
        if len(constant):
            message = f"channel {', '.join(map(str, constant))} (from 0) is the same everywhere in the training part"
            yield Problem("constant-channel", WARNING, message, "leave it out; it says nothing", n=len(constant))
        if case.data.mode != "values":
            return
        largest = np.where(np.isfinite(np.maximum(-low, high)), np.maximum(-low, high), 0)
        used = largest[largest > 0]
        if len(used) and (used.max() >= HUGE or used.max() >= HUGE * used.min()):
            message = f"values up to {used.max():g}" + (f", in another channel {used.min():g}" if len(used) > 1 else "")
            fix = "striate standardises each channel; if a code for missing (such as -9999) is in there, replace it"
            yield Problem("huge-values", WARNING, message, fix, n=1)


def _valued(case: Case) -> list:  # type: ignore[type-arg]
    return [part for part in case.data.parts.values() if case.data.mode in ("values", "channels")]


CHECKS = (_bad_targets, _constant_targets, _outliers, _outside, _bad_inputs, _channels)
