"""Everything that can be found wrong with a data set before it costs a run: ``doctor`` and its checks, by subject."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.datasets.dataset import DataSet, Reading
from striate.datasets.doctor import classes, copies, folders, groups, images, masks, quality, shortcuts, values
from striate.datasets.doctor.diagnosis import FAULT, SEVERITIES, WARNING, Case, Check, DataProblem, Diagnosis
from striate.datasets.doctor.look import Looks, look_at
from striate.datasets.open import Data, open_data
from striate.datasets.options import check_options
from striate.datasets.sources.archives import as_given, is_archive, unpacked, unpacked_notes
from striate.errors import DataError
from striate.fetching import Fetching
from striate.tasks import Task

__all__ = ["DataProblem", "Diagnosis", "doctor"]
_CHECKS: tuple[Check, ...] = (
    *folders.CHECKS, *images.CHECKS, *quality.CHECKS, *masks.CHECKS, *copies.CHECKS, *classes.CHECKS,
    *groups.CHECKS, *shortcuts.CHECKS, *values.CHECKS,
)  # fmt: skip


def doctor(
    data: Data,
    *,
    quick: bool = False,
    task: Task | str | None = None,
    progress: Reading | None = None,
    fetching: Fetching | None = None,
    **options: Any,
) -> Diagnosis:
    """What is wrong with *data*: each problem with its files and the fix. It changes nothing.

    Every image is decoded once, and none is kept but a thumbnail of 32x32. docs/doctor.md lists what is looked for.

    Args:
        data: A built-in name, a path, a data set that is open, or what else :func:`~striate.datasets.open_data` takes.
        quick: Decode no image: only counts, classes, labels, texts, numbers, a few masks, and exact copies.
        task: As in :func:`~striate.datasets.open_data`.
        progress: Called with (images done, images in all).
        fetching: Called with (a file's name, bytes done, bytes in all) of what is downloaded, or unpacked and large.
        **options: How the data are to be understood, as :func:`~striate.datasets.open_data` takes it.

    Raises:
        DataError: There is no such data. Data that is there and cannot be opened is a fault instead.

    >>> diagnosis = doctor("digits")
    >>> diagnosis.faults, diagnosis.warnings, diagnosis.counts["train"]["items"]
    ((), (), 1437)
    """
    check_options(options, "doctor")
    if not isinstance(data, str | Path):
        dataset = data if isinstance(data, DataSet) else open_data(data, task=task, progress=fetching, **options)
        return _told(_diagnosis(Case(dataset, _looks(dataset, quick, progress), quick)))
    if is_archive(data):
        folder = unpacked(Path(data), fetching)
        found = doctor(folder, quick=quick, task=task, progress=progress, **options)
        return _of_archive(found, folder)
    root, where = (Path(data) if os.path.isdir(data) else None), str(data) if os.path.exists(data) else ""
    try:
        dataset, problems = open_data(data, task=task, progress=fetching, **options), []
    except DataError as error:
        if not where:
            raise
        problems = [_cannot_open(data, error)]
        salvaged = _salvaged(root)
        if salvaged is None:
            return Diagnosis(Path(data).name, "", problems=tuple(problems), quick=quick, where=where)
        dataset = salvaged
    case = Case(dataset, _looks(dataset, quick, progress), quick, root, where, salvaged=bool(problems))
    return _told(_diagnosis(case, problems))


def _of_archive(found: Diagnosis, folder: Path) -> Diagnosis:
    """What was found in the *folder* that an archive is unpacked in: files are mended in the archive."""
    where = "in the archive, or in a folder that you unpack it in: "
    problems = [replace(one, fix=f"{where * bool(one.files)}{one.fix}") for one in found.problems]
    fix = "copy or download the archive again; or unpack it yourself, and name the folder"
    left = [DataProblem("left-out", WARNING, note, fix) for note in unpacked_notes(folder)]
    return replace(found, problems=()).with_problems(*problems, *left)


def _told(found: Diagnosis) -> Diagnosis:
    """The same, told of the files that a person has, not of those in the cache."""

    def told(one: DataProblem) -> DataProblem:
        groups = tuple(tuple(map(as_given, group)) for group in one.groups)
        notes, files = (tuple(map(as_given, texts)) for texts in (one.notes, one.files))
        message, fix = as_given(one.message), as_given(one.fix)
        return replace(one, message=message, fix=fix, files=files, groups=groups, notes=notes)

    return replace(found, where=as_given(found.where), problems=tuple(map(told, found.problems)))


def _cannot_open(data: str | Path, error: DataError) -> DataProblem:
    message, _, fix = str(error).partition("; ")
    return DataProblem(
        getattr(error, "problem", "cannot-open"), FAULT, message, fix or "fix this, and run again", (str(data),)
    )


def _salvaged(root: Path | None) -> DataSet | None:
    """What can be examined of a folder all the same."""
    try:
        return folders.class_folders_under(root) if root else None
    except DataError:
        return None


def _looks(dataset: DataSet, quick: bool, progress: Reading | None) -> dict[str, Looks]:
    if quick or dataset.mode == "values" or dataset.train.texts:
        return {}
    total, before, looks = sum(map(len, dataset.parts.values())), 0, {}
    for name, part in dataset.parts.items():

        def told(done: int, _: int, before: int = before) -> None:
            if progress:
                progress(before + done, total)

        looks[name] = look_at(part, told, dataset.value_range)
        before += len(part)
    return looks


def _diagnosis(case: Case, problems: list[DataProblem] | None = None) -> Diagnosis:
    found = [*(problems or []), *(problem for check in _CHECKS for problem in check(case))]
    found.sort(key=lambda problem: SEVERITIES.index(problem.severity))
    data = case.data
    return Diagnosis(data.name, data.task.name, classes.class_counts(case), tuple(found), case.quick, case.where)
