"""Where the items of the splits come from: speakers, patients, folders that the test split has and training has not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from striate.datasets.dataset import Part
from striate.errors import counted

NEW, KNOWN = 0.9, 0.1  # of the items of test at least, and of validation at most, are of an origin that is new
EACH = 3  # items of an origin on the average; a value of fewer is a name
TOKENS = 4  # of a file's name


@dataclass(frozen=True)
class Origin:
    """Something by which test is new to the model and validation is not.

    Args:
        what: A column's title, ``"folder"``, ``"part of the file name"``.
        option: That keeps its values together.
        values: How many of them test has.
    """

    what: str
    option: str
    values: int

    def remark(self) -> str:
        """What it means, and the way out.

        >>> print(Origin("speaker", "--group speaker", 2).remark())
        test is of 2 new values of speaker, validation of those that training has; with --group speaker validation, \
too, is of new ones, and chooses for that
        """
        values = counted(self.values, "new value")
        return (
            f"test is of {values} of {self.what}, validation of those that training has; with {self.option} "
            f"validation, too, is of new ones, and chooses for that"
        )


def new_origin(train: Part, val: Part, test: Part) -> Origin | None:
    """What test has new values of, and validation has not; None where there is no such thing, or groups are known.

    >>> import numpy as np
    >>> def part(*speakers):
    ...     names = tuple(map(str, range(len(speakers))))
    ...     return Part(names, np.zeros(len(speakers), int), names, columns={"speaker": speakers})
    >>> new_origin(part(*"aaabbb"), part(*"ab"), part(*"ccc")).option
    '--group speaker'
    """
    if train.groups:
        return None
    for what, option, values in _candidates((train, val, test)):
        known = set(values[0])
        new = [sum(value not in known for value in some) / max(1, len(some)) for some in values[1:]]
        if len(known) > 1 and len(known) * EACH <= len(train) and new[1] >= NEW and new[0] <= KNOWN:
            return Origin(what, option, len(set(values[2])))
    return None


def _candidates(parts: Sequence[Part]) -> Iterator[tuple[str, str, list[Sequence[str]]]]:
    """What the items of each split have a value of, and the option that keeps its values together."""
    for title in parts[0].columns:
        if all(title in part.columns for part in parts):
            yield title, f"--group {shlex.quote(title)}", [part.columns[title] for part in parts]
    if not all(part.files for part in parts):
        return
    yield "folder", "--group parent", [[file.parent.name for file in part.files] for part in parts]
    for token in range(TOKENS):
        pattern = r"^" + r"[^_. -]+[_. -]+" * token + r"([^_. -]+)[_. -]"
        found = [[re.search(pattern, file.stem) for file in part.files] for part in parts]
        if all(match for some in found for match in some):
            option = f"--group {shlex.quote(f'name:{pattern}')}"
            yield "a part of the file name", option, [[match[1] for match in some if match] for some in found]
