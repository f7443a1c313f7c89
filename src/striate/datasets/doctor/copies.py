"""Items that are there twice: within a split, across splits (so that the test is known), and under two labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import chain, combinations

import numpy as np

from striate.datasets.dataset import SPLITS
from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Case, DataProblem, Group
from striate.datasets.doctor.similarity import copy_bar, near_duplicates
from striate.datasets.doctor.transformed import cropped_duplicates, turned_duplicates
from striate.datasets.split import content_keys
from striate.errors import counted

Place = tuple[str, int]  # a split's name and an item's number in it
_MAX_QUICK = 20_000  # files that the quick checks read
_FIX_ACROSS = "keep the copies in one split only: metrics on test items that were seen are too good"


def _exact(case: Case) -> Iterator[DataProblem]:
    """Copies, byte for byte; of texts, but for case and spaces."""
    seen: Mapping[str, Sequence[Hashable]] = {name: looks.digest for name, looks in case.looks.items()}
    known = seen or content_keys(case.data.parts, _MAX_QUICK)
    shared = {key for key, n in Counter(chain(*known.values())).items() if n > 1 and key}  # no file that is broken
    places: dict[Hashable, list[Place]] = defaultdict(list)
    for name, keys in known.items() if shared else ():
        for i, key in enumerate(keys):
            if key in shared:
                places[key].append((name, i))
    groups = [*places.values()]
    yield from _reported(case, groups, "duplicates", "exact copies", FAULT, WARNING)


def _near(case: Case) -> Iterator[DataProblem]:
    """Images that are copies though their bytes differ."""
    if not case.looks or case.data.mode == "channels":
        return
    seen: dict[bytes, Place] = {}
    for name, looks in case.looks.items():
        for i in np.flatnonzero(looks.good).tolist():
            seen.setdefault(looks.digest[i], (name, i))  # of exact copies, the first stands for all
    places = list(seen.values())
    at = {place: i for i, place in enumerate(places)}
    chosen = {name: [i for split, i in places if split == name] for name in case.looks}
    thumbs = np.concatenate([looks.thumb[chosen[name]] for name, looks in case.looks.items()])
    colours = np.concatenate([looks.colour[chosen[name]] for name, looks in case.looks.items()])
    bar = copy_bar(thumbs, colours)
    known: set[frozenset[int]] = set()
    for kind, what, pairs in (
        ("near-duplicates", "near-duplicates", near_duplicates(thumbs, colours, bar)),
        ("turned-duplicates", "mirrored or turned copies", turned_duplicates(thumbs, colours, bar)),
        ("cropped-duplicates", "cropped copies", cropped_duplicates(thumbs, bar)),
    ):
        numbers = [frozenset((pair.first, pair.second)) for pair in pairs]
        new = [[places[i] for i in sorted(pair)] for pair in numbers if pair not in known]
        known.update(numbers)
        groups = _joined([(first, second) for first, second in new])
        known.update(frozenset((at[one], at[other])) for group in groups for one, other in combinations(group, 2))
        yield from _reported(case, groups, kind, what, WARNING, NOTE)


def _joined(pairs: list[tuple[Place, Place]]) -> list[list[Place]]:
    """The pairs as groups: what is a copy of a copy belongs to it."""
    leader: dict[Place, Place] = {}

    def find(place: Place) -> Place:
        while leader.setdefault(place, place) != place:
            place = leader[place]
        return place

    for first, second in pairs:
        leader[find(second)] = find(first)
    groups = defaultdict(list)
    for place in leader:
        groups[find(place)].append(place)
    return [sorted(group, key=lambda place: (SPLITS.index(place[0]), place[1])) for group in groups.values()]


def _reported(
    case: Case, groups: Sequence[Sequence[Place]], kind: str, what: str, across: str, within: str
) -> Iterator[DataProblem]:
    """At most three problems: under two labels, across splits, within a split."""
    contradicting = [group for group in groups if _contradicts(case, group)]
    apart = [group for group in groups if _in_several(group)]
    together = [group for group in groups if not _in_several(group) and not _contradicts(case, group)]
    if contradicting:
        found, items = counted(len(contradicting), "group"), counted(sum(map(len, contradicting)), "item")
        message = f"{what} with different labels: {found} of {items}"
        fix = "decide which label is right, and remove the other copies"
        twice = "two-labels" if kind == "duplicates" else f"{kind}-two-labels"
        yield DataProblem(twice, across, message, fix, groups=_named(case, contradicting))
    if apart:
        splits = " and ".join(name for name in case.data.parts if any(name == s for group in apart for s, _ in group))
        message = f"{what} across {splits}: {counted(len(apart), 'group')} of {counted(sum(map(len, apart)), 'item')}"
        yield DataProblem(f"{kind}-across", across, message, _FIX_ACROSS, groups=_named(case, apart))
    if together:
        n = sum(len(group) - 1 for group in together)
        message = f"{what} within a split: {counted(n, 'item')} could be removed"
        fix = "remove the copies, unless they are meant to count twice"
        yield DataProblem(kind, within, message, fix, groups=_named(case, together), n=n)


def _in_several(group: Sequence[Place]) -> bool:
    return len({name for name, _ in group}) > 1


def _named(case: Case, groups: Sequence[Sequence[Place]]) -> tuple[Group, ...]:
    return tuple(tuple(case.data.parts[name].names[i] for name, i in group) for group in groups)


def _contradicts(case: Case, group: Sequence[Place]) -> bool:
    """Whether copies have different labels; masks are not compared."""
    if case.data.task.per_pixel:
        return False
    labels = np.stack([np.asarray(case.data.parts[name].labels[i], np.float64) for name, i in group])
    return bool(np.ptp(labels, axis=0).max(initial=0) > 0)  # of NaN: no


CHECKS = (_exact, _near)
