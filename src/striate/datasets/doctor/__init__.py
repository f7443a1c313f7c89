"""Everything that can be found wrong with a data set before it costs a run: ``doctor`` and its checks, by subject."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.datasets.dataset import DataSet
from striate.datasets.doctor import classes, copies, folders, groups, images, masks, quality, shortcuts, values
from striate.datasets.doctor.diagnosis import FAULT, SEVERITIES, WARNING, Case, Check, DataProblem, Diagnosis
from striate.datasets.doctor.look import Looks, Progress, look_at
from striate.datasets.open import Data, open_data
from striate.datasets.options import check_options
from striate.datasets.sources.archives import is_archive, unpacked, unpacked_notes
from striate.errors import DataError
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
    progress: Progress | None = None,
    **options: Any,
) -> Diagnosis:
    """What is wrong with *data*: each problem with its files and the fix. It changes nothing.

    Every image is decoded once, and none is kept but a thumbnail of 32x32. docs/doctor.md lists what is looked for.

    Args:
        data: A built-in name, a path, a data set that is open, or what else :func:`~striate.datasets.open_data` takes.
        quick: Decode no image: only counts, classes, labels, texts, numbers, a few masks, and exact copies.
        task: As in :func:`~striate.datasets.open_data`.
        progress: Called with (images done, images in all).
        **options: How the data are to be understood, as :func:`~striate.datasets.open_data` takes it.

    Raises:
        DataError: There is no such data. Data that is there and cannot be opened is a fault instead.

    >>> diagnosis = doctor("digits")
    >>> diagnosis.faults, diagnosis.warnings, diagnosis.counts["train"]["items"]
    ((), (), 1437)
    """
    check_options(options, "doctor")
    if not isinstance(data, str | Path):
        dataset = data if isinstance(data, DataSet) else open_data(data, task=task, **options)
        return _diagnosis(Case(dataset, _looks(dataset, quick, progress), quick))
    if is_archive(data):
        found = doctor(folder := unpacked(Path(data)), quick=quick, task=task, progress=progress, **options)
        return _of_archive(found, str(folder), str(data))
    root, where = (Path(data) if os.path.isdir(data) else None), str(data) if os.path.exists(data) else ""
    try:
        dataset, problems = open_data(data, task=task, **options), []
    except DataError as error:
        if not where:
            raise
        problems = [_cannot_open(data, error)]
        salvaged = _salvaged(root)
        if salvaged is None:
            return Diagnosis(Path(data).name, "", problems=tuple(problems), quick=quick, where=where)
        dataset = salvaged
    case = Case(dataset, _looks(dataset, quick, progress), quick, root, where, salvaged=bool(problems))
    return _diagnosis(case, problems)


def _of_archive(found: Diagnosis, folder: str, archive: str) -> Diagnosis:
    """What was found in the *folder* that an archive is unpacked in, told of the archive: files are mended there."""

    def told(problem: DataProblem) -> DataProblem:
        fix = f"in the archive, or in a folder that you unpack it in: {problem.fix}" if problem.files else problem.fix
        groups = tuple(tuple(name.replace(folder, archive) for name in group) for group in problem.groups)
        files = tuple(name.replace(folder, archive) for name in problem.files)
        message, fix = (text.replace(folder, archive) for text in (problem.message, fix))
        return replace(problem, message=message, fix=fix, files=files, groups=groups)

    found = replace(found, where=archive, problems=tuple(map(told, found.problems)))
    fix = "copy or download the archive again; or unpack it yourself, and name the folder"
    return found.with_problems(*(DataProblem("left-out", WARNING, note, fix) for note in unpacked_notes(Path(folder))))


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


def _looks(dataset: DataSet, quick: bool, progress: Progress | None) -> dict[str, Looks]:
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
