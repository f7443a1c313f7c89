"""Texts as files: a folder of text files for each class, or a file of lines for each (``NAME.pos``, ``NAME.neg``)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from striate.datasets.dataset import SPLIT_NAMES, SPLITS, DataSet, Part
from striate.datasets.sources.folders import similar_names
from striate.datasets.sources.rows import table_text
from striate.datasets.sources.tables import words_seen
from striate.errors import DataError, counted, listed, listed_quoted
from striate.files import check_regular
from striate.model.opening import folder_contents
from striate.tasks import CLASSIFICATION

_SUFFIXES = (".txt", ".text", "")
_UNLABELLED = ("unsup", "unlabeled", "unlabelled", "unknown")  # folders of texts that nobody has classified
_LOOKED_AT = 3  # files of a folder, to tell whether they are texts
_HEAD = 2000  # bytes
_POLARITY = {"neg": "negative", "pos": "positive"}

ClassTexts = dict[str, list[tuple[str, str]]]  # by class: names and texts


def is_texts(folder: Path) -> bool:
    """Whether *folder* has folders of text files for each class, or files of lines that differ in their suffix."""
    return folder.is_dir() and bool(_polarity_files(folder) or _splits(folder))


def open_texts(folder: Path) -> DataSet:
    """The texts below *folder*, whose class is the folder that they are in, or the suffix of the file of lines.

    ``FOLDER/CLASS/TEXT.txt``, also under ``train/``, ``val/`` and ``test/``; or ``NAME.pos`` and ``NAME.neg``, in which
    every line is a text.

    Raises:
        DataError: Fewer than two classes, one that training lacks, an empty one, a file that is no text.

    >>> open_texts(Path("no/such"))
    Traceback (most recent call last):
        ...
    striate.errors.DataError: no/such: this folder cannot be read (No such file or directory)
    """
    notes: list[str] = []
    if files := _polarity_files(folder):
        splits = {"train": {path.suffix[1:]: _lines(path) for path in files}}
        why = f"from the lines of {listed(path.name for path in files)}"
    else:
        splits = {split: _texts_of(path, notes) for split, path in _splits(folder).items()}
        why = "from folders of texts"
    classes = tuple(sorted(splits["train"]))
    if len(classes) < 2:
        raise DataError(f"{folder}: only one class of texts, {classes[0]!r}; learning needs two or more")
    parts = {}
    for split in (name for name in SPLITS if name in splits):
        there = splits[split]
        if strange := sorted(there.keys() - {*classes}):
            raise DataError(
                f"{folder}: classes that the training split lacks: {listed_quoted(strange)} in {split}; rename or "
                f"remove them (it has {listed_quoted(classes, 20)})"
            )
        items = [(name, text, i) for i, c in enumerate(classes) for name, text in there.get(c, ())]
        targets = np.array([i for _, _, i in items], np.int64)
        parts[split] = Part(tuple(text for _, text, _ in items), targets, tuple(name for name, _, _ in items))
    words, note = words_seen(folder, parts["train"].texts)
    titles = tuple(_POLARITY.get(name, name) for name in classes) if files else classes
    return DataSet.of(
        folder.resolve().name,
        CLASSIFICATION,
        titles,
        "text",
        (words,),
        parts,
        why=why,
        notes=(note, *similar_names(classes), *notes),
    )


def _polarity_files(folder: Path) -> list[Path]:
    """The files of one name whose suffixes are classes: ``rt-polarity.pos`` and ``rt-polarity.neg``."""
    by_stem: dict[str, list[Path]] = {}
    for path in folder_contents(folder)[1]:
        if path.suffix.lower() in (".pos", ".neg", ".neu", ".neutral", ".positive", ".negative"):
            by_stem.setdefault(path.stem, []).append(path)
    found = [paths for paths in by_stem.values() if len(paths) > 1]
    return found[0] if len(found) == 1 and all(map(_is_text, found[0])) else []


def _splits(folder: Path) -> dict[str, Path]:
    """The folder of each split, whose folders contain texts; ``{"train": folder}`` where there are no splits."""
    folders, _ = folder_contents(folder)
    named = {SPLIT_NAMES[path.name.lower()]: path for path in folders if path.name.lower() in SPLIT_NAMES}
    if "train" in named and _has_texts(folder_contents(named["train"])[0]):
        return {split: path for split, path in named.items() if _has_texts(folder_contents(path)[0])}
    return {"train": folder} if not named and _has_texts(folders) else {}


def _has_texts(folders: Iterable[Path]) -> bool:
    """Whether there are two *folders* or more, and in each of them are files, all of them texts."""
    folders = [*folders]
    return len(folders) > 1 and all(map(_contains_texts, folders))


def _contains_texts(folder: Path) -> bool:
    inner, files = folder_contents(folder)
    if inner or not files or not all(path.suffix.lower() in _SUFFIXES or path.name.isdigit() for path in files):
        return False
    return all(map(_is_text, files[:_LOOKED_AT]))


def _is_text(path: Path) -> bool:
    """Whether a file begins as text does: without control characters but tabs and line ends."""
    try:
        check_regular(path)
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    return bool(head.strip()) and (wide or all(byte >= 32 or byte in b"\t\n\r\f\x1b\x85" for byte in head))


def _texts_of(folder: Path, notes: list[str]) -> ClassTexts:
    """The texts of each class folder in *folder*."""
    found: ClassTexts = {}
    odd: list[str] = []
    for path in folder_contents(folder)[0]:
        if path.name.lower() in _UNLABELLED:
            notes.append(f"{path.name}/ in {folder.name}/ skipped: its texts have no class")
            continue
        texts = found.setdefault(path.name, [])
        for file in folder_contents(path)[1]:
            text, about = table_text(file)
            odd += [file.name] if about else []
            texts.append((str(file), " ".join(text.split())))
    if odd:
        notes.append(f"{counted(len(odd), 'file')} not UTF-8, read as cp1252 (Windows) or UTF-16: {listed(odd, 3)}")
    return found


def _lines(path: Path) -> list[tuple[str, str]]:
    text, _ = table_text(path)
    lines = enumerate(text.splitlines(), 1)
    return [(f"{path.name} line {n}", line.strip()) for n, line in lines if line.strip()]
