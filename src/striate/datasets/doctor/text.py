"""A diagnosis as text."""

from __future__ import annotations

import shutil
import textwrap
from typing import Any

from striate.datasets.doctor.diagnosis import FAULT, NOTE, SEVERITIES, WARNING, Diagnosis, Problem
from striate.datasets.sources.looking import count

LISTED = 5  # files or groups of a problem
_MOST_CLASSES = 12  # shown one by one
_WIDEST, _NARROWEST = 110, 72
_HARD = "\0"  # a space that is not to be broken at
_TITLES = {FAULT: "Faults: a run would fail or mislead", WARNING: "Warnings: look at these", NOTE: "Good to know"}


def text(diagnosis: Diagnosis) -> str:
    """What there is, the problems by severity, and the verdict."""
    width = min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size().columns))
    title = diagnosis.where or diagnosis.data
    lines = [f"{title}{': ' * bool(diagnosis.task)}{diagnosis.task}", *_counts(diagnosis.counts, width)]
    for severity in SEVERITIES:
        problems = diagnosis.of(severity)
        if problems:
            lines += ["", _TITLES[severity]]
        for problem in problems:
            lines += _problem(problem, width, diagnosis.where)
    return "\n".join([*lines, "", *textwrap.wrap(_verdict(diagnosis), width)])


def _counts(counts: dict[str, dict[str, Any]], width: int) -> list[str]:
    """A row for each part; its classes as columns where they are few, else the smallest and the largest."""
    lines = []
    for name, part in counts.items():
        classes: dict[str, int] = part.get("classes", {})
        line = f"  {name:<5} {part['items']:>9,}"
        if classes and len(classes) <= _MOST_CLASSES:
            # a label and its number stay on one line
            line += "   " + ", ".join(f"{label} {n:,}".replace(" ", _HARD) for label, n in classes.items())
        elif classes:
            least, most = (choose(classes, key=classes.__getitem__) for choose in (min, max))
            line += f"   {len(classes)} classes, from {classes[least]:,} ({least}) to {classes[most]:,} ({most})"
        lines += [row.replace(_HARD, " ") for row in _hung(line, width, " " * 20)] if classes else [line]
    return lines


def _problem(problem: Problem, width: int, where: str) -> list[str]:
    """The message, the first files (their names shortened by the folder that the title names), the fix."""
    lines = _hung(f"  {problem.kind}: {problem.message}", width, " " * 4)
    groups = problem.groups or tuple((name,) for name in problem.files)
    shown = [" = ".join(_few([name.removeprefix(f"{where}/") for name in group])) for group in groups]
    for names in shown[:LISTED]:
        lines += _hung(f"      {names}", width, " " * 8)
    if len(shown) > LISTED:
        more = len(shown) - LISTED
        lines.append(f"      and {count(more, 'more group') if problem.groups else f'{more:,} more'}")
    return lines + _hung(f"    fix: {problem.fix}", width, " " * 9)


def _few(group: list[str]) -> list[str]:
    return [*group[:3], *([f"{len(group) - 3} more"] if len(group) > 3 else [])]


def _hung(line: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _verdict(diagnosis: Diagnosis) -> str:
    faults, warnings = (len(diagnosis.of(severity)) for severity in (FAULT, WARNING))
    end = " This was the quick part: striate doctor looks at every item." if diagnosis.quick else ""
    if faults:
        also = f" and {count(warnings, 'warning')}" if warnings else ""
        return f"{count(faults, 'fault')}{also}: mend the {'fault' if faults == 1 else 'faults'} before training.{end}"
    if warnings:
        return f"No fault, {count(warnings, 'warning')}: it can be trained on; look at the warnings first.{end}"
    return f"Nothing wrong was found.{end}"
