"""What may be wrong with numbers and texts, as targets or inputs: NaN, constant, outliers; empty, damaged texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from striate.datasets.dataset import Part
from striate.datasets.doctor.diagnosis import FAULT, WARNING, Case, DataProblem, item_names
from striate.errors import counted

FAR = 20.0  # robust standard deviations from the median
HUGE = 1e4  # an input as large as this, or one channel so many times another
LONG = 4  # times the words that 99 of 100 texts have at most
_MARKUP = re.compile(
    r"</?(?:a|b|br|div|font|i|img|li|p|span|table|td|ul)\b[^<>]*>|&(?:amp|gt|lt|nbsp|quot|#\d+);", re.I
)
# U+FFFD, control characters, and UTF-8 read as Latin-1 or Windows-1252: "Ã©", "â€™"
_DAMAGE = re.compile("\ufffd|[\x00-\x08\x0b\x0c\x0e-\x1f]|Ã[\x80-\xbf]|â€[\x80-\xbf\u2018-\u2122œžŸ]")


def _bad_targets(case: Case) -> Iterator[DataProblem]:
    for part in case.data.parts.values() if case.data.task.continuous else ():
        bad = ~np.isfinite(part.labels).all(axis=1)
        if bad.any():
            message = f"{counted(int(bad.sum()), 'item')} whose value is NaN or infinite: the loss would be too"
            yield DataProblem(
                "bad-number", FAULT, message, "fill in the value or remove the row", item_names(part, bad)
            )


def _constant_targets(case: Case) -> Iterator[DataProblem]:
    if not case.data.task.continuous:
        return
    for name, column in zip(case.data.classes, case.data.train.labels.T, strict=True):
        column = column[np.isfinite(column)]
        if len(column) > 1 and np.ptp(column) == 0:
            message = f"{name!r} is {column[0]:g} for every training item: there is nothing to learn"
            fix = f"omit {name!r}, or was the wrong column chosen?"
            yield DataProblem("constant-value", FAULT, message, fix, n=1)


def _outliers(case: Case) -> Iterator[DataProblem]:
    """Values farther than 20 robust deviations (1.4826 times the median absolute one) from the training median."""
    if not case.data.task.continuous:
        return
    values = np.asarray(case.data.train.labels, np.float64)
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 8:
        return
    middle = np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(values - middle), axis=0)
    spread = np.where(spread > 0, spread, np.inf)  # most are one value: nothing is far from it
    for part in case.data.parts.values():
        far = np.asarray((np.abs(part.labels.astype(np.float64) - middle) > FAR * spread).any(axis=1))
        if far.any():
            example = ", ".join(f"{value:g}" for value in part.labels[np.flatnonzero(far)[0]])
            message = (
                f"{counted(int(far.sum()), 'item')} with a value far outside the others: {example}, for example, where "
                f"the median is {', '.join(f'{value:g}' for value in middle)}"
            )
            fix = "a wrong unit, a missing decimal point, a code such as 9999 for missing? correct or remove them"
            yield DataProblem("outlier", WARNING, message, fix, item_names(part, far))


def _outside(case: Case) -> Iterator[DataProblem]:
    """Positions that are outside their image."""
    for name, looks in case.looks.items() if case.data.positions else ():
        part, out = case.data.parts[name], np.zeros(len(looks.size), bool)
        for x, y in case.data.positions:
            for value, side in ((x, 1), (y, 0)):
                out |= (part.labels[:, value] < 0) | (part.labels[:, value] > looks.size[:, side])
        out &= looks.good
        if out.any():
            message = f"{counted(int(out.sum()), 'item')} with a position outside the image"
            fix = "positions are pixels of the upright image, x to the right and y down; swapped, scaled or turned?"
            yield DataProblem("position-outside", FAULT, message, fix, item_names(part, out))


def _bad_inputs(case: Case) -> Iterator[DataProblem]:
    for part in _with_values(case):
        bad = ~np.isfinite(part.arrays).reshape(len(part), -1).all(axis=1)
        if bad.any():
            message = (
                f"{counted(int(bad.sum()), 'item')} with NaN or infinity in the input: the network's weights become NaN"
            )
            yield DataProblem("bad-input", FAULT, message, "fill in or remove them", item_names(part, bad))


def _channels(case: Case) -> Iterator[DataProblem]:
    """Channels of arrays that never change, or are on quite another scale than the others."""
    for part in _with_values(case)[:1]:
        values = part.arrays.reshape(*part.arrays.shape[:2], -1)
        low, high = (f(values, axis=(0, 2)) for f in (np.nanmin, np.nanmax))
        constant = np.flatnonzero(low == high)
        if len(constant):
            message = f"channel {', '.join(map(str, constant))} (from 0) is the same everywhere in the training split"
            yield DataProblem("constant-channel", WARNING, message, "omit it; it says nothing", n=len(constant))
        if case.data.mode != "values":
            return
        largest = np.where(np.isfinite(np.maximum(-low, high)), np.maximum(-low, high), 0)
        used = largest[largest > 0]
        if len(used) and (used.max() >= HUGE or used.max() >= HUGE * used.min()):
            message = f"values up to {used.max():g}" + (f", in another channel {used.min():g}" if len(used) > 1 else "")
            fix = "striate standardises each channel; if a code for missing (such as -9999) is in there, replace it"
            yield DataProblem("huge-values", WARNING, message, fix, n=1)


def _with_values(case: Case) -> list[Part]:
    return [part for part in case.data.parts.values() if case.data.mode in ("values", "channels")]


def _empty(case: Case) -> Iterator[DataProblem]:
    if items := _texts(case, lambda text: not text.strip()):
        message = f"{counted(len(items), 'text')} empty or nothing but spaces"
        yield DataProblem("empty-text", FAULT, message, "remove these rows, or fill in what is missing", items)


def _very_long(case: Case) -> Iterator[DataProblem]:
    """Longer by far than 99 of 100: several rows run together, mostly, by a quotation mark that was not closed."""
    lengths = [len(text.split()) for part in case.data.parts.values() for text in part.texts]
    if not lengths:
        return
    limit = max(LONG * float(np.percentile(lengths, 99)), 100)
    if items := _texts(case, lambda text: len(text.split()) > limit):
        usual = f"99 of 100 have at most {limit / LONG:.0f}"
        message = f"{counted(len(items), 'text')} of more than {limit:.0f} words, where {usual}"
        fix = "look for a quotation mark that is not closed, and cut them; the network reads only its input length"
        yield DataProblem("long-text", WARNING, message, fix, items)


def _markup(case: Case) -> Iterator[DataProblem]:
    if items := _texts(case, lambda text: _MARKUP.search(text) is not None):
        message = f"{counted(len(items), 'text')} with remains of HTML, such as <br /> or &amp;"
        yield DataProblem("markup", WARNING, message, "strip the tags and decode the entities", items)


def _damaged(case: Case) -> Iterator[DataProblem]:
    if items := _texts(case, lambda text: _DAMAGE.search(text) is not None):
        message = f"{counted(len(items), 'text')} damaged by a wrong encoding (such as Ã© for é) or control characters"
        yield DataProblem("encoding", WARNING, message, "save the file again as UTF-8 from its source", items)


def _texts(case: Case, condition: Callable[[str], bool]) -> tuple[str, ...]:
    """The names of the texts for which *condition* holds."""
    parts = [part for part in case.data.parts.values() if part.texts]
    return tuple(name for part in parts for name, text in zip(part.names, part.texts, strict=True) if condition(text))


CHECKS = (
    _bad_targets, _constant_targets, _outliers, _outside, _bad_inputs, _channels, _empty, _very_long, _markup, _damaged,
)  # fmt: skip
