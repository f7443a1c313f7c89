"""What the doctor answers: the counts, and every problem with its files and the way out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

FAULT, WARNING, NOTE = "fault", "warning", "note"
SEVERITIES = (FAULT, WARNING, NOTE)
Group = tuple[str, ...]  # the names of items that belong together, such as copies of each other


@dataclass(frozen=True)
class Problem:
    """One thing that was found.

    Args:
        kind: A stable name: ``"unreadable"``, ``"duplicates-across"``; docs/doctor.md lists them.
        severity: ``"fault"``: a run would fail, or its figures would be wrong; ``"warning"``: look at it;
            ``"note"``: good to know.
        message: What is wrong, in a line.
        fix: What to do about it.
        files: All the items concerned, by name.
        groups: Where items belong together (copies of each other): the same names, a group each.
        n: How many items (or classes) it is about; the number of files unless it says another.
    """

    kind: str
    severity: str
    message: str
    fix: str
    files: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    n: int = -1

    def __post_init__(self) -> None:
        assert self.severity in SEVERITIES, self.severity
        if self.groups and not self.files:
            object.__setattr__(self, "files", tuple(name for group in self.groups for name in group))
        if self.n < 0:
            object.__setattr__(self, "n", len(self.files))

    def as_dict(self) -> dict[str, Any]:
        names = ("kind", "severity", "message", "files", "groups", "n", "fix")
        return {name: getattr(self, name) for name in names if name != "groups" or self.groups}


@dataclass(frozen=True)
class Diagnosis:
    """What there is and what is wrong with it; ``print`` shows it as text.

    Args:
        data: The data set's name.
        task: What is to be learned; empty where the data could not be opened.
        counts: Per part the items, and per class (or label) the items of it; of regression and masks only the items.
        problems: Faults first, then warnings, then notes.
        quick: Only the quick part was done: no image was decoded, but for a few.
        where: The folder or file; empty where the data are built in.
    """

    data: str
    task: str
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    quick: bool = False
    where: str = ""

    def of(self, severity: str) -> tuple[Problem, ...]:
        """The problems of one severity."""
        return tuple(problem for problem in self.problems if problem.severity == severity)

    @property
    def faults(self) -> tuple[Problem, ...]:
        return self.of(FAULT)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return self.of(WARNING)

    def as_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON has it: tuples become lists."""
        problems = [problem.as_dict() for problem in self.problems]
        document = {"data": self.data, "task": self.task, "counts": self.counts, "problems": problems}
        plain: dict[str, Any] = json.loads(json.dumps(document | {"quick": self.quick, "where": self.where}))
        return plain

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False)

    def __str__(self) -> str:
        from striate.datasets.doctor.text import text

        return text(self)
