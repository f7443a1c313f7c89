"""Items that are there twice: within a part, across parts (so that the test knows them), and under two answers."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import numpy as np

from striate.datasets.dataset import Part
from striate.datasets.doctor.case import Case, are_files, are_texts
from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Group, Problem
from striate.datasets.doctor.likeness import near_duplicates
from striate.datasets.sources.looking import count

Place = tuple[str, int]  # a part's name and an item's number in it
_MOST_QUICK = 20_000  # files that the quick part reads
_FIX_ACROSS = "keep the copies in one part only: figures of a test that was seen are too good"


def _exact(case: Case) -> Iterator[Problem]:
    """Copies, byte for byte; of texts, but for case and spaces."""
    groups = [group for group in _groups(case) if len(group) > 1]
    yield from _reported(case, groups, "duplicates", "exact copies", FAULT, WARNING)


def _near(case: Case) -> Iterator[Problem]:
    """Images that are copies though their bytes differ."""
    if not case.looks or case.data.mode == "channels":
        return
    seen: dict[bytes, Place] = {}
    for name, looks in case.looks.items():
        for i in np.flatnonzero(looks.good).tolist():
            seen.setdefault(looks.digest[i], (name, i))  # of exact copies, the first stands for all
    places = list(seen.values())
    chosen = {name: [i for part, i in places if part == name] for name in case.looks}
    thumbs = np.concatenate([looks.thumb[chosen[name]] for name, looks in case.looks.items()])
    colours = np.concatenate([looks.colour[chosen[name]] for name, looks in case.looks.items()])
    pairs = near_duplicates(thumbs, colours)
    groups = _joined([(places[pair.first], places[pair.second]) for pair in pairs])
    yield from _reported(case, groups, "near-duplicates", "near copies", WARNING, NOTE)


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
    order = {"train": 0, "val": 1, "test": 2}
    return [sorted(group, key=lambda place: (order[place[0]], place[1])) for group in groups.values()]


def _reported(
    case: Case, groups: Sequence[Sequence[Place]], kind: str, what: str, across: str, within: str
) -> Iterator[Problem]:
    """Three problems at most: under two answers, across parts, within a part."""
    contradicting = [group for group in groups if _contradicts(case, group)]
    apart = [group for group in groups if _lie_apart(group)]
    together = [group for group in groups if not _lie_apart(group) and not _contradicts(case, group)]
    if contradicting:
        found, items = count(len(contradicting), "group"), count(sum(map(len, contradicting)), "item")
        message = f"{what} with different answers: {found} of {items}"
        fix = "decide which answer is right, and remove the other copies"
        named = _named(case, contradicting)
        twice = "two-labels" if kind == "duplicates" else f"{kind}-two-labels"
        yield Problem(twice, across, message, fix, groups=named)
    if apart:
        parts = " and ".join(name for name in case.data.parts if any(name == p for group in apart for p, _ in group))
        message = f"{what} across {parts}: {count(len(apart), 'group')} of {count(sum(map(len, apart)), 'item')}"
        yield Problem(f"{kind}-across", across, message, _FIX_ACROSS, groups=_named(case, apart))
    if together:
        n = sum(len(group) - 1 for group in together)
        message = f"{what} within a part: {count(n, 'item')} could go"
        fix = "remove the copies, unless they shall count twice"
        yield Problem(kind, within, message, fix, groups=_named(case, together), n=n)


def _lie_apart(group: Sequence[Place]) -> bool:
    return len({name for name, _ in group}) > 1


def _named(case: Case, groups: Sequence[Sequence[Place]]) -> tuple[Group, ...]:
    return tuple(tuple(case.data.parts[name].names[i] for name, i in group) for group in groups)


def _contradicts(case: Case, group: Sequence[Place]) -> bool:
    """Whether copies have different answers; masks are not compared."""
    if case.data.task == "segmentation":
        return False
    answers = np.stack([np.asarray(case.data.parts[name].targets[i], np.float64) for name, i in group])
    return bool(np.ptp(answers, axis=0).max(initial=0) > 0)  # of NaN: no


def _groups(case: Case) -> list[list[Place]]:
    """The items of all parts, those of one content together."""
    keys: dict[Hashable, list[Place]] = defaultdict(list)
    seen: dict[str, list[Hashable]] = {name: list(looks.digest) for name, looks in case.looks.items()}
    for name, digests in (seen or _keys(case.data.parts)).items():
        for i, digest in enumerate(digests):
            if digest:
                keys[digest].append((name, i))
    return list(keys.values())


def _keys(parts: dict[str, Part]) -> dict[str, list[Hashable]]:
    """Per part what tells each item's content; empty where that is not known."""
    if are_files(parts["train"]):
        return _of_files(parts)
    if are_texts(parts["train"]):
        return {name: [" ".join(str(text).lower().split()) for text in part.inputs] for name, part in parts.items()}
    return {
        name: [hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=16).digest() for row in part.inputs]
        for name, part in parts.items()
    }


def _of_files(parts: dict[str, Part]) -> dict[str, list[Hashable]]:
    """Of files only those of one size are read, and none where they are very many."""
    paths = {name: [Path(path) for path in part.inputs] for name, part in parts.items()}
    sizes = {name: [_size(path) for path in items] for name, items in paths.items()}
    shared = {size for size, n in Counter(size for of in sizes.values() for size in of).items() if n > 1 and size}
    if sum(size in shared for of in sizes.values() for size in of) > _MOST_QUICK:
        shared = set()
    return {
        name: [_content(path) if size in shared else b"" for path, size in zip(paths[name], sizes[name], strict=True)]
        for name in paths
    }


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _content(path: Path) -> bytes:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError:
        return b""


CHECKS = (_exact, _near)
