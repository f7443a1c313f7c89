"""The class of an image in its file name: ``cat.0.jpg``, ``Abyssinian_12.jpg``, ``25_0_1_2017.jpg``.

``name:PATTERN`` says where. PATTERN is matched with the name without its suffix, and is either

* a simple form with ``{class}`` in it, which must fit all of the name: ``{class}`` is the class (as much as can be),
  ``#`` is a number and ``*`` is anything: ``{class}.#``, ``{class}_#``, ``*_{class}``; or
* a regular expression with one group, which is the class, found anywhere in the name: ``^([a-z]+)``.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from striate.datasets.dataset import DataSet
from striate.errors import DataError, counted, listed

PARENT = "parent"
_NAME = "name:"
_CLASS, _GROUP = "{class}", "{group}"
_WILD = {"*": ".*", "#": "[0-9]+", _CLASS: "(.+)"}
_SAMPLE = 2000  # names that are looked at to guess a pattern
# What is tried, in this order: the class first, then last, then in the middle.
_GUESSES = (
    "{class}_#_#_*", "{class}.#", "{class}_#", "{class}-#", "{class} (#)", "{class} #", "{class}#", "#_{class}",
    "#-{class}", "#.{class}", "{class}_#_#", "{class}-#-#", "{class}_#_*", "#_{class}_#", "{class}_*", "{class}-*",
    "{class}.*", "*_{class}", "*-{class}", "*_{class}_#", "*-{class}-#",
)  # fmt: skip
_ENOUGH = 0.9  # of the names must fit a pattern that is guessed
_NO_CLASS = {
    "imgp",
    "pxl",
    "dscn",
    "dscf",
    "p",
    "vid",
    "whatsapp",
    "signal",
    "img",
    "image",
    "images",
    "dsc",
    "photo",
    "pic",
    "picture",
    "frame",
    "scan",
    "screenshot",
    "file",
    "test",
}


def is_group_pattern(group: str | None) -> bool:
    """Whether *group* is to be found in files' names or folders, and is no column of a table.

    >>> is_group_pattern("name:{group}_#"), is_group_pattern("parent"), is_group_pattern("patient")
    (True, True, False)
    """
    return group is not None and (group == PARENT or group.startswith(_NAME))


def name_pattern(classes_from: str) -> re.Pattern[str]:
    """The expression that a ``name:PATTERN`` means, whose one group is the class.

    Raises:
        DataError: It does not begin with ``name:``, is no expression, or has not one group.

    >>> name_pattern("name:{class}_#").fullmatch("great_pyrenees_16")[1]
    'great_pyrenees'
    """
    text = classes_from.removeprefix(_NAME)
    if text == classes_from or not text:
        raise DataError(
            f"--classes-from {classes_from!r}: expected name:PATTERN, such as 'name:{{class}}_#', or {PARENT}; "
            "in a PATTERN # is a number and * is anything"
        )
    if _CLASS in text:
        pieces = re.split(r"(\{class\}|\*|#)", text)
        if text.count(_CLASS) > 1:
            raise DataError(
                f"--classes-from {classes_from!r}: {_CLASS} is there twice; once is enough, use * beside it"
            )
        return re.compile("^" + "".join(_WILD.get(piece) or re.escape(piece) for piece in pieces) + "$", re.DOTALL)
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise DataError(f"--classes-from {classes_from!r}: not a regular expression ({error}); use {_CLASS}") from None
    if pattern.groups != 1:
        raise DataError(
            f"--classes-from {classes_from!r}: the regular expression has {counted(pattern.groups, 'group')}, expected "
            f"1, around the class; or use {_CLASS}, such as 'name:{_CLASS}_#'"
        )
    return pattern


def class_of(path: Path, pattern: re.Pattern[str]) -> str:
    """The class in the name of a file; "" where the pattern does not fit."""
    stem = path.name if path.suffix[1:2].isdigit() else path.stem
    found = pattern.search(stem)
    return (found[1] or "").strip() if found else ""


def by_class(paths: Iterable[Path], classes_from: str) -> tuple[dict[str, list[Path]], list[Path]]:
    """The *paths* of each class, and those that have none."""
    pattern = None if classes_from == PARENT else name_pattern(classes_from)
    found: dict[str, list[Path]] = {}
    rest = []
    for path in paths:
        name = path.parent.name if pattern is None else class_of(path, pattern)
        if name:
            found.setdefault(name, []).append(path)
        else:
            rest.append(path)
    return found, rest


def with_groups(dataset: DataSet, group: str) -> DataSet:
    """*dataset* with the group of each image file: what *group* says is in its name, or its own folder's name.

    A file whose name does not fit is a group of its own.

    Raises:
        DataError: The items are no files, or *group* is no pattern, or fits none of the names.
    """
    parts = {}
    for split, part in dataset.parts.items():
        if not part.files:
            raise DataError(f"{dataset.name}: --group {group!r} is for image files, and these items are none; omit it")
        try:
            found, rest = by_class(part.files, group.replace(_GROUP, _CLASS))
        except DataError as error:
            said = str(error).replace("--classes-from", "--group").replace(_CLASS, _GROUP)
            raise DataError(said.replace("the class", "the group")) from None
        if not found:
            such = listed((path.name for path in rest), 3)
            raise DataError(f"{dataset.name}: --group {group!r} fits none of the names in {split} ({such})")
        name = {path: key for key, paths in found.items() for path in paths} | {path: str(path) for path in rest}
        parts[split] = replace(part, groups=tuple(name[path] for path in part.files))
    return dataset.with_parts(**parts)


def guessed_pattern(paths: Sequence[Path]) -> tuple[str, list[str]] | None:
    """The simple PATTERN that the names seem to follow, and the classes by it, most frequent first; None where none.

    Two classes or more, most of them of two images or more, and not such as ``IMG`` alone.

    >>> guessed_pattern([Path(f"{name}.{i}.jpg") for name in ("cat", "dog") for i in range(3)])
    ('{class}.#', ['cat', 'dog'])
    """
    sample = paths[:: max(1, len(paths) // _SAMPLE)]
    for guess in _GUESSES:
        pattern = name_pattern(_NAME + guess)
        counts = Counter(name for path in sample if (name := class_of(path, pattern)))
        often = [name for name, n in counts.most_common() if n > 1]
        fits = sum(counts.values()) >= _ENOUGH * len(sample)
        repeated = len(often) > 1 and len(often) >= 0.8 * len(counts) and len(counts) <= len(sample) / 2
        if fits and repeated and not {re.sub("[^a-z]", "", name.lower()) for name in counts} <= _NO_CLASS:
            return guess, often
    return None


def offer(folder: Path, paths: Sequence[Path]) -> str:
    """What to say where images have no class folder but names that seem to say it: the command; "" where they do not.

    >>> offer(Path("pets"), [Path(f"{name}_{i}.jpg") for name in ("Abyssinian", "pug") for i in range(3)])
    "; if their names say it (Abyssinian, pug): striate data pets --classes-from 'name:{class}_#'"
    """
    found = guessed_pattern(paths)
    if found is None:
        return ""
    command = f"striate data {shlex.quote(str(folder))} --classes-from {shlex.quote(_NAME + found[0])}"
    return f"; if their names say it ({listed(found[1], 3)}): {command}"
