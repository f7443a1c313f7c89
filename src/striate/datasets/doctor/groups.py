"""Leaks by group: frames of a video, images of a patient, shots of a burst, in the training and in the test split.

What belongs together is told by the groups that the data have, by the names of the files (``v12_f003``,
``00000013_005``, ``IMG_0417`` beside ``IMG_0418``) and by the time and camera in the EXIF data. A name alone says
little, so it counts only with a word that says what it is, or where images of one group are more alike than others of
their class.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from striate.datasets.counter import uniforms
from striate.datasets.doctor.diagnosis import FAULT, WARNING, Case, DataProblem
from striate.datasets.doctor.similarity import SIDE
from striate.errors import counted, listed
from striate.sampling import evenly

Item = tuple[str, int]  # a split's name and an item's number in it
BURST = 3.0  # seconds between shots, at most
COMMON = 0.2  # of the items: more at one time are a clock that was not set
FEWEST = 4  # groups, and on the average FULL items of each
FULL = 1.5
FITTING = 0.8  # of the names that are of one form
ALIKE, SURE = 0.7, 3.5  # in how many of the pairs those of one group are more alike; standard deviations above a half
_PAIRS = 400
_NEXT = 2  # that the numbers of neighbours differ by
_OWNERS = (
    r"patient|pat|subject|subj|sub|person|case|video|vid|clip|movie|scene|burst|seq|sequence|series|slide|session|exam"
)
_OWNED = r"f|fr|frame|slice|view|patch|tile|crop|aug|shot|snap"
_OWNER = re.compile(rf"(^|[^a-z])({_OWNERS})[_\-]?\d", re.I)
_PART = re.compile(rf"(^|[^a-z])({_OWNED})[_\-]?#", re.I)


def _groups(case: Case) -> Iterator[DataProblem]:
    """Groups in several splits: those that the data have; else those that names or EXIF data show."""
    parts = case.data.parts
    if len(parts) < 2:
        return
    if any(part.groups for part in parts.values()):
        given = {(split, i): group for split, part in parts.items() for i, group in enumerate(part.groups)}
        if across := _across(given):
            fix = "let the rows of a group have one value in the column of the split, or omit that column"
            yield _problem(case, FAULT, "items of one group", across, fix)
        return
    if not all(part.files for part in parts.values()):
        return
    yield from _by_names(case)
    yield from _bursts(case)


def _by_names(case: Case) -> Iterator[DataProblem]:
    stems = {(name, i): file.stem for name, part in case.data.parts.items() for i, file in enumerate(part.files)}
    for tokens in (1, 2, 3):
        keys, rests = _keys(stems, tokens)
        n = len(set(keys.values()))
        classes = len(case.data.classes) if case.data.task.exclusive else 0  # a class is no group
        if len(keys) < FITTING * len(stems) or n < max(FEWEST, classes + 1) or len(keys) < FULL * n:
            continue
        across = _across(keys)
        form = max(sorted(set(rests)), key=rests.count)
        said = _OWNER.search(next(iter(keys.values()))) or _PART.search(form)
        if across and (said or _more_alike(case, [pair for group in across.values() for pair in _pairs(group)], keys)):
            pattern = shlex.quote(f"name:{{group}}{form}")
            yield _problem(
                case, WARNING, "files of one origin by their names", across, _fix(case, f"--group {pattern}")
            )
            return
    yield from _runs(case, stems)


def _keys(stems: dict[Item, str], tokens: int) -> tuple[dict[Item, str], list[str]]:
    """The first *tokens* of each name, where a number is in them and behind them; and the form of what is behind."""
    keys, rests = {}, []
    for item, stem in stems.items():
        pieces = re.split(r"([_\-. ]+)", stem)
        key, rest = "".join(pieces[: 2 * tokens - 1]), "".join(pieces[2 * tokens - 1 :])
        if any(map(str.isdigit, key)) and any(map(str.isdigit, rest)):
            keys[item] = key
            rests.append(re.sub("[0-9]+", "#", rest))
    return keys, rests


def _runs(case: Case, stems: dict[Item, str]) -> Iterator[DataProblem]:
    """Names that are numbered through (``IMG_0417``), neighbours in different splits and alike: frames, a walk."""
    numbered = defaultdict(list)
    for item, stem in stems.items():
        if found := re.fullmatch(r"(.*?)([0-9]{1,12})", stem):
            numbered[found[1]].append((int(found[2]), item))
    pairs, groups = [], {}
    for prefix, items in numbered.items():
        for (low, one), (high, other) in pairwise(sorted(items)):
            if one[0] != other[0] and high - low <= _NEXT:
                pairs.append((one, other))
                groups[f"{prefix}{low}"] = [one, other]
    prefixes = {item: f"{prefix}{number // 20}" for prefix, items in numbered.items() for number, item in items}
    if _more_alike(case, pairs, prefixes):
        fix = "split by their order, not at random: the first for training, the last for the test; "
        fix += "or name what belongs together in a column of a table: --group COLUMN"
        yield _problem(case, WARNING, "images that follow each other by their numbers, and are alike,", groups, fix)


def _bursts(case: Case) -> Iterator[DataProblem]:
    shots = defaultdict(list)
    for name, looks in case.looks.items():
        for i, look in enumerate(looks.files):
            if np.isfinite(look.taken):
                shots[look.camera].append((look.taken, (name, i)))
    bursts: dict[Item, str] = {}
    for camera, taken in shots.items():
        number, before = 0, -np.inf
        for seconds, item in sorted(taken):
            number += seconds - before > BURST
            before = seconds
            bursts[item] = f"{camera} {number}"
    most = COMMON * sum(map(len, case.data.parts.values()))
    across = {key: group for key, group in _across(bursts).items() if len(group) <= most}
    if across:
        fix = _fix(case, "--group COLUMN, a column of a table that numbers the bursts")
        yield _problem(case, WARNING, f"shots of one camera within {BURST:.0f} seconds", across, fix)


def _across(keys: dict[Item, str]) -> dict[str, list[Item]]:
    """The items of each group that is in several splits."""
    groups = defaultdict(list)
    for item, key in keys.items():
        groups[key].append(item)
    return {key: items for key, items in groups.items() if len({split for split, _ in items}) > 1}


def _pairs(group: Sequence[Item]) -> Iterator[tuple[Item, Item]]:
    """Each item of the other splits with one of the first split."""
    first = [item for item in group if item[0] == group[0][0]]
    for number, item in enumerate(group[len(first) :]):
        yield first[number * 7 % len(first)], item


def _more_alike(case: Case, pairs: Sequence[tuple[Item, Item]], keys: dict[Item, str]) -> bool:
    """Whether the *pairs* are more alike than pairs of the same class and splits, but of another group."""
    task = case.data.task
    if not case.looks or not pairs:
        return False
    chosen = [pairs[i] for i in evenly(len(pairs), _PAIRS)]
    closer = []
    for number, (one, other) in enumerate(chosen):
        part = case.data.parts[other[0]]
        same = np.ones(len(part), bool) if not task.exclusive else part.labels == part.labels[other[1]]
        some = np.flatnonzero(same)
        picks = some[(uniforms(0, 0, np.array([number]), 8)[0] * len(some)).astype(int)]
        strangers = [i for i in picks.tolist() if keys.get((other[0], i)) != keys.get(one)]
        if strangers:
            closer.append(_likeness(case, one, other) > _likeness(case, one, (other[0], strangers[0])))
    n = len(closer)
    share = float(np.mean(closer)) if closer else 0.0
    return share >= ALIKE and (share - 0.5) * 2 * n**0.5 >= SURE


def _likeness(case: Case, one: Item, other: Item) -> float:
    """How much the colours and the thumbnails agree: less the mean difference."""
    first, second = (case.looks[split] for split, _ in (one, other))
    grey = first.thumb[one[1]].astype(np.float32) - second.thumb[other[1]]
    colour = first.colour[one[1]] - second.colour[other[1]]
    return -float(np.abs(grey).sum() / SIDE**2 + np.abs(colour).mean())


def _fix(case: Case, command: str) -> str:
    """Where striate made the split, the option that mends it; else how to make another."""
    folders = [{file.parent for file in part.files} for part in case.data.parts.values()]
    if set.intersection(*folders):
        return f"train, and all else, with {command}"
    return f"move each group to one split; or put all in one, and let striate split it: {command}"


def _problem(case: Case, severity: str, what: str, across: dict[str, list[Item]], fix: str) -> DataProblem:
    splits = " and ".join(split for split in case.data.parts if any(split == s for g in across.values() for s, _ in g))
    n = sum(map(len, across.values()))
    message = f"{what} across {splits}: {counted(len(across), 'group')} of {counted(n, 'item')} ({listed(across, 3)})"
    groups = tuple(tuple(case.data.parts[split].names[i] for split, i in items) for items in across.values())
    return DataProblem("group-across", severity, message, fix, groups=groups)


CHECKS = (_groups,)
