"""What a check takes, a data set and what was seen of it; what the doctor returns: counts and problems, as text too."""

from __future__ import annotations

import json
import os
import shutil
import stat
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.doctor.look import Looks
from striate.errors import counted

FAULT, WARNING, NOTE = "fault", "warning", "note"
SEVERITIES = (FAULT, WARNING, NOTE)
LISTED = 5  # files or groups of a problem in the text
_MAX_CLASSES = 12  # shown one by one
_WIDEST, _NARROWEST = 110, 72
_HARD = "\0"  # a space that is not to be broken at
_TITLES = {FAULT: "Errors: fix these before training", WARNING: "Warnings", NOTE: "Notes"}
Group = tuple[str, ...]  # the names of items that belong together, such as copies of each other


@dataclass(frozen=True)
class DataProblem:
    """One thing that was found.

    Args:
        kind: A stable name: ``"unreadable"``, ``"duplicates-across"``; docs/doctor.md lists them.
        severity: ``"fault"``: a run would fail, or its metrics would be wrong; ``"warning"``: check it;
            ``"note"``: good to know.
        message: What is wrong, in a line.
        fix: What to do about it.
        files: All the items concerned, by name.
        groups: Where items belong together (copies of each other): the same names, a group each.
        n: How many items (or classes) it is about; the number of files unless it says another.
        notes: What to say of each of the files, in their order; or ``()``.
    """

    kind: str
    severity: str
    message: str
    fix: str
    files: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    n: int = -1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.severity in SEVERITIES, self.severity
        if self.groups and not self.files:
            object.__setattr__(self, "files", tuple(name for group in self.groups for name in group))
        if self.n < 0:
            object.__setattr__(self, "n", len(self.files))

    def as_dict(self) -> dict[str, Any]:
        names = ("kind", "severity", "message", "files", "groups", "notes", "n", "fix")
        return {name: getattr(self, name) for name in names if name not in ("groups", "notes") or getattr(self, name)}


@dataclass(frozen=True)
class Diagnosis:
    """What there is and what is wrong with it; ``print`` shows it as text.

    Args:
        data: The data set's name.
        task: Its task's name; empty where the data could not be opened.
        counts: Per split the items that can be read, and per class (or label) the items of it; of regression and masks
            only the items. Where some cannot be read: how many, and of which class.
        problems: Faults first, then warnings, then notes.
        quick: Only the quick checks were made: no image was decoded, but for a few.
        where: The folder or file; empty where the data are built in.
    """

    data: str
    task: str
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: tuple[DataProblem, ...] = ()
    quick: bool = False
    where: str = ""

    def of(self, severity: str) -> tuple[DataProblem, ...]:
        """The problems of one severity."""
        return tuple(problem for problem in self.problems if problem.severity == severity)

    @property
    def faults(self) -> tuple[DataProblem, ...]:
        return self.of(FAULT)

    @property
    def warnings(self) -> tuple[DataProblem, ...]:
        return self.of(WARNING)

    def with_problems(self, *problems: DataProblem) -> Diagnosis:
        """The diagnosis with further *problems*, each among those of its severity."""
        together = sorted([*self.problems, *problems], key=lambda problem: SEVERITIES.index(problem.severity))
        return replace(self, problems=tuple(together))

    def as_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON has it: tuples become lists."""
        problems = [problem.as_dict() for problem in self.problems]
        document = {"data": self.data, "task": self.task, "counts": self.counts, "problems": problems}
        plain: dict[str, Any] = json.loads(json.dumps(document | {"quick": self.quick, "where": self.where}))
        return plain

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False)

    def __str__(self) -> str:
        """What there is, the problems by severity, and the verdict."""
        width = min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size().columns))
        title = self.where or self.data
        lines = [f"{title}{': ' * bool(self.task)}{self.task}", *_counts(self.counts, width)]
        for severity in SEVERITIES:
            problems = self.of(severity)
            if problems:
                lines += ["", _TITLES[severity]]
            for problem in problems:
                lines += _problem(problem, width, self.where)
        return "\n".join([*lines, "", *textwrap.wrap(_verdict(self), width)])


def _counts(counts: dict[str, dict[str, Any]], width: int) -> list[str]:
    """A row for each split; its classes as columns where they are few, else the smallest and the largest."""
    lines = []
    for name, part in counts.items():
        classes: dict[str, int] = part.get("classes", {})
        line = f"  {name:<5} {part['items']:>9,}"
        if classes and len(classes) <= _MAX_CLASSES:
            # a label and its number stay on one line
            line += "   " + ", ".join(f"{label} {n:,}".replace(" ", _HARD) for label, n in classes.items())
        elif classes:
            low, high = (choose(classes, key=classes.__getitem__) for choose in (min, max))
            line += f"   {len(classes)} classes, from {classes[low]:,} ({low}) to {classes[high]:,} ({high})"
        lines += [row.replace(_HARD, " ") for row in _hung(line, width, " " * 20)] if classes else [line]
        if lost := part.get("unreadable", 0):
            of_class = ", ".join(f"{label} {n:,}" for label, n in part.get("unreadable_classes", {}).items())
            lines += _hung(f"{'':<18}and {lost:,} that cannot be read{of_class and f': {of_class}'}", width, " " * 20)
    return lines


def _problem(problem: DataProblem, width: int, where: str) -> list[str]:
    """The message, the first files (their names shortened by the folder that the title names), the fix."""
    lines = _hung(f"  {problem.kind}: {problem.message}", width, " " * 4)
    groups = problem.groups or tuple((name,) for name in problem.files)
    shown = [" = ".join(_few([name.removeprefix(f"{where}/") for name in group])) for group in groups]
    shown = [f"{name}  {note}" for name, note in zip(shown, problem.notes, strict=True)] if problem.notes else shown
    for names in shown[:LISTED]:
        lines += _hung(f"      {names}", width, " " * 8)
    if len(shown) > LISTED:
        more = len(shown) - LISTED
        lines.append(f"      and {counted(more, 'more group') if problem.groups else f'{more:,} more'}")
    return lines + _hung(f"    fix: {problem.fix}", width, " " * 9)


def _few(group: list[str]) -> list[str]:
    return [*group[:3], *([f"{len(group) - 3} more"] if len(group) > 3 else [])]


def _hung(line: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _verdict(diagnosis: Diagnosis) -> str:
    faults, warnings = (len(diagnosis.of(severity)) for severity in (FAULT, WARNING))
    end = " These were quick checks; omit --quick to decode every image." if diagnosis.quick else ""
    if faults:
        also = f" and {counted(warnings, 'warning')}" if warnings else ""
        return f"{counted(faults, 'error')}{also}: fix the {'error' if faults == 1 else 'errors'} before training.{end}"
    if warnings:
        return f"No errors, {counted(warnings, 'warning')}: training is possible; check the warnings first.{end}"
    return f"No problems found.{end}"


@dataclass(frozen=True, eq=False)
class Case:
    """A data set under examination: what every check takes.

    Args:
        data: What was opened.
        looks: Per split, where its items are images and all were looked at; empty in the quick checks.
        quick: Only what takes a moment.
        root: The folder that it was opened from; None for built-in data, a file, or a data set given as such.
        where: What was opened, if it is a path.
        salvaged: Opening it failed, and this is what can be examined all the same.
    """

    data: DataSet
    looks: dict[str, Looks] = field(default_factory=dict)
    quick: bool = False
    root: Path | None = None
    where: str = ""
    salvaged: bool = False

    @cached_property
    def unreadable(self) -> dict[str, np.ndarray]:
        """Per split which items cannot be read, as far as was looked: in the quick checks the empty files alone."""
        found = {}
        for name, part in self.data.parts.items():
            if name in self.looks:
                found[name] = ~self.looks[name].good
            else:
                found[name] = np.array([_is_empty(path) for path in part.files] or [False] * len(part), bool)
        return found

    def files(self) -> Iterator[tuple[Part, Looks]]:
        """The splits whose items are image files, with their looks."""
        return ((self.data.parts[name], looks) for name, looks in self.looks.items() if looks.files)


def _is_empty(path: Path) -> bool:
    with suppress(OSError):
        status = os.stat(path)
        return not status.st_size and stat.S_ISREG(status.st_mode)
    return False


Check = Callable[[Case], Iterable[DataProblem]]


def item_names(part: Part, which: np.ndarray | Iterable[int]) -> tuple[str, ...]:
    """The names of the items of *part* at the indices *which*, or where it is True."""
    chosen = np.flatnonzero(which) if isinstance(which, np.ndarray) and which.dtype == bool else which
    return tuple(part.names[int(i)] for i in chosen)
