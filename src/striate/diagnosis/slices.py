"""Weak slices: items that have something in common on which a model is worse than on the others by more than chance.

Every property of the items is cut into slices, and each slice's errors are compared with those of all items. Of many
slices the worst looks bad by chance alone, so the largest statistic is compared with the largest of all slices under
random permutations of the errors (P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing, 1993, the max-T
method): on data without a weak slice one is named in 1% of the searches, whatever the number of slices and however they
overlap. What is named is set aside, and the search goes on among the other items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import align_columns, printable
from striate.metrics.classification import wilson
from striate.metrics.residuals import ranks
from striate.metrics.shared import ItemError, as_plain

ERROR_RATE = ItemError("error rate")
LEAST, MOST = 10, 0.8  # items of a slice at least; the share of all items that it has at most
CUTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)  # of a property that is a number: the shares of the items at either end
VALUES = 100  # of a property that is a text: the commonest
PERMUTATIONS, ENOUGH = 999, 30  # at most; and so many that are as large end it, for p is above the level then
CHUNK = 111  # permutations at a time
NEAR, SAME = 0.9, 0.5  # of the largest statistic, and of two slices' items: the one may be meant by the other


@dataclass(frozen=True, eq=False)
class WeakSlice:
    """Items with something in common that have larger errors than the others.

    Args:
        name: What they have in common: ``"brightness 31 or less"``, ``"folder night"``.
        property: Of what: ``"brightness"``.
        n: How many items.
        error: Their mean error.
        interval: 95% interval of it: Wilson's where errors are 0 or 1, else ``mean +- 1.96 s / sqrt(n)``.
        others: The mean error of all other items.
        p: How often, without any weak slice, some slice would look as weak, corrected for the number of slices.
        items: Their indices, the largest error first.
        also: Other slices of mostly the same items that are nearly as weak: any of these can be the reason.
    """

    name: str
    property: str
    n: int
    error: float
    interval: tuple[float, float]
    others: float
    p: float
    items: NDArray[np.int64]
    also: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, without the items."""
        return as_plain(self, "items")


@dataclass(frozen=True, eq=False)
class SliceSearch:
    """What :func:`find_weak_slices` found.

    Args:
        slices: The weak slices, the surest first.
        looked_at: How many slices were compared.
        n: Items.
        error: What the errors are.
    """

    slices: tuple[WeakSlice, ...]
    looked_at: int
    n: int
    error: ItemError

    def as_dict(self) -> dict[str, Any]:
        """As ``striate evaluate --json`` prints it."""
        return {"slices": [weak.as_dict() for weak in self.slices], "slices_looked_at": self.looked_at}

    def __str__(self) -> str:
        """A table of the weak slices, or that there is none."""
        if not self.looked_at:
            return f"weak slices: {self.n:,} items are too few to look for any"
        if not self.slices:
            return f"weak slices: none of {self.looked_at:,} has larger errors than the others by more than chance"
        error = self.error
        head = ("slice", "items", error.name, "95% interval", "others", "p")
        rows = [
            (
                printable(weak.name + "".join(f", {name}" for name in weak.also)),
                f"{weak.n:,}",
                error.text(weak.error),
                " to ".join(map(error.text, weak.interval)),
                error.text(weak.others),
                f"{weak.p:.3f}",
            )
            for weak in self.slices
        ]
        title = f"weak slices ({self.looked_at:,} were looked at; p is corrected for that)"
        return "\n".join([title, *align_columns([head, *rows])])


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A slice to look at; those of one *family*, such as the dark images by several cuts, are named once."""

    name: str
    property: str
    family: str
    inside: NDArray[np.bool_]


def find_weak_slices(
    errors: ArrayLike,
    properties: Mapping[str, NDArray[Any]],
    *,
    error: ItemError = ERROR_RATE,
    level: float = 0.01,
    most: int = 5,
    seed: int = 0,
) -> SliceSearch:
    """The slices of the items on which the *errors* are larger than on the others by more than chance.

    Args:
        errors: ``(N,)``, 0 where an item's prediction is right; items with NaN are left out. Errors other than 0 and 1
            are compared by their ranks, so that a few huge ones do not decide.
        properties: By name ``(N,)`` of each: numbers, of which either end is looked at (items with NaN are in no
            slice); texts, of which each is a slice ("" is none); or whether an item belongs to the slice of that name.
        error: What the errors are, to say it.
        level: How often a slice is named in a search where there is none.
        most: Slices that are named.
        seed: Of the permutations.

    >>> errors, hour = np.zeros(400), np.arange(400) % 24
    >>> errors[(hour >= 22) & (np.arange(400) % 7 > 1)] = 1
    >>> found = find_weak_slices(errors, {"hour": hour, "odd": hour % 2 == 1})
    >>> [(weak.name, weak.n, round(weak.error, 2)) for weak in found.slices]
    [('hour 22 or more', 32, 0.72)]
    """
    values = np.asarray(errors, np.float64)
    known = np.isfinite(values)
    candidates = list(_candidates(properties, known))
    looked_at, rng, found = len(candidates), np.random.default_rng(seed), list[WeakSlice]()
    left = known
    while candidates and len(found) < most:
        near, p = _worst(values, left, candidates, rng)
        if p > level:
            break
        best, *others = near
        found.append(_weak_slice(best, others, values, known, p))
        left = left & ~best.inside
        candidates = [c for c in candidates if c.family != best.family and _fits((c.inside & left).sum(), left.sum())]
    return SliceSearch(tuple(found), looked_at, int(known.sum()), error)


def _worst(
    error: NDArray[np.float64], left: NDArray[np.bool_], candidates: Sequence[_Candidate], rng: np.random.Generator
) -> tuple[list[_Candidate], float]:
    """The weakest slice among the items *left*, before it the one of an earlier property if that is nearly as weak, and
    all that are nearly as weak; and the p value of the first.
    """
    u = _ranked(error[left])
    inside = np.stack([c.inside[left] for c in candidates], axis=1).astype(np.float32)  # (N, S)
    n = inside.sum(axis=0, dtype=np.float64)
    statistic = _signed_roots((u[None] @ inside)[0], n, u)
    near = np.flatnonzero(statistic >= NEAR * statistic.max())
    first = candidates[near[0]].property
    best = max((i for i in near.tolist() if candidates[i].property == first), key=statistic.__getitem__)
    as_large = done = 0
    while done < PERMUTATIONS and as_large < ENOUGH:
        some = rng.permuted(np.broadcast_to(u, (CHUNK, len(u))).copy(), axis=1)
        as_large += int((_signed_roots(some @ inside, n, u).max(axis=-1) >= statistic[best] - 1e-4).sum())
        done += CHUNK
    order = [best, *(i for i in near[np.argsort(-statistic[near], kind="stable")].tolist() if i != best)]
    return [candidates[i] for i in order], (as_large + 1) / (done + 1)


def _ranked(error: NDArray[np.float64]) -> NDArray[np.float32]:
    """Errors of 0 and 1 as they are; others as ranks between 0 and 1, the same for equal ones."""
    if np.isin(error, (0, 1)).all():
        return error.astype(np.float32)
    return ((ranks(error) - 0.5) / len(error)).astype(np.float32)


def _signed_roots(sums: NDArray[Any], n: NDArray[np.float64], u: NDArray[np.float32]) -> NDArray[np.float64]:
    """The signed root of the deviance of each slice's mean: a ``z`` that is not skewed where errors are rare."""
    m = float(u.mean(dtype=np.float64))
    q = (sums.astype(np.float64) / n).clip(0, 1)
    if not 0 < m < 1:
        return np.zeros_like(q)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviance = np.where(q > 0, q * np.log(q / m), 0) + np.where(q < 1, (1 - q) * np.log((1 - q) / (1 - m)), 0)
    return np.asarray(np.sqrt(2 * n * deviance.clip(0) / (1 - n / len(u))) * (q > m))


def _weak_slice(
    chosen: _Candidate, near: Sequence[_Candidate], error: NDArray[np.float64], known: NDArray[np.bool_], p: float
) -> WeakSlice:
    items = np.flatnonzero(chosen.inside & known)
    inside, others = error[items], error[known & ~chosen.inside]
    mean, n = float(inside.mean()), len(items)
    if np.isin(error[known], (0, 1)).all():
        interval = wilson(int(inside.sum()), n)
    else:
        half = 1.96 * float(inside.std(ddof=1)) / n**0.5
        interval = max(0.0, mean - half), mean + half
    items = items[np.argsort(-inside, kind="stable")]
    also, families = [], {chosen.family}
    for c in near:
        if (
            c.family not in families
            and (c.inside & chosen.inside & known).sum() > SAME * ((c.inside | chosen.inside) & known).sum()
        ):
            families.add(c.family)
            also.append(c.name)
    return WeakSlice(chosen.name, chosen.property, n, mean, interval, float(others.mean()), p, items, tuple(also))


def _candidates(properties: Mapping[str, NDArray[Any]], known: NDArray[np.bool_]) -> Iterator[_Candidate]:
    """The slices of all *properties*, each set of items once."""
    seen = set()
    for name, values in properties.items():
        for candidate in _slices_of(name, np.asarray(values), known):
            inside = (candidate.inside & known).tobytes()
            if inside not in seen and _fits((candidate.inside & known).sum(), known.sum()):
                seen.add(inside)
                yield candidate


def _slices_of(name: str, values: NDArray[Any], known: NDArray[np.bool_]) -> Iterator[_Candidate]:
    if values.dtype == bool:
        yield _Candidate(name, name, name, values)
    elif values.dtype.kind in "fiu":
        yield from _ends(name, values, known)
    else:
        different, times = np.unique(values[known & (values != "")], return_counts=True)
        for value in different[np.argsort(-times, kind="stable")][:VALUES].tolist():
            yield _Candidate(f"{name} {value}", name, f"{name} {value}", values == value)


def _ends(name: str, values: NDArray[Any], known: NDArray[np.bool_]) -> Iterator[_Candidate]:
    """The items with the lowest values, and with the highest, by several cuts."""
    there = values[known & np.isfinite(values)]
    if not len(there):
        return
    for share in CUTS:
        low, high = np.quantile(there, (share, 1 - share), method="nearest").tolist()
        yield _Candidate(f"{name} {_cut(low)} or less", name, f"{name} low", values <= low)
        yield _Candidate(f"{name} {_cut(high)} or more", name, f"{name} high", values >= high)


def _cut(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _fits(n: int, of: int) -> bool:
    return LEAST <= n <= MOST * of
