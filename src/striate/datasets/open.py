"""DATA, wherever it is asked for: a built-in name or a path, answered with a data set."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.built_in import BUILT_IN, open_built_in
from striate.datasets.sources.fetch import Progress
from striate.datasets.sources.folders import contents, open_folders
from striate.datasets.sources.idx import is_idx, open_idx
from striate.datasets.sources.masks import is_masks, open_masks
from striate.datasets.sources.npz import open_npz
from striate.datasets.sources.tables import SUFFIXES, find_tables, open_tables
from striate.datasets.sources.tasks import as_channels, as_task, check_task
from striate.datasets.split import split_off
from striate.errors import DataError

TEST_FRACTION = 0.2  # taken from the training part where a data set comes without a test part
_PACKED = {".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz"}
_ACCEPTED = (
    f"DATA is a built-in name ({', '.join(BUILT_IN)}), a folder with one folder of images for each class (flat "
    "or under train/, val/ and test/), with images/ and masks/ or with IDX files, a table (.csv, .tsv), or an .npz file"
)


def open_data(
    source: str | Path,
    *,
    task: str | None = None,
    channels: int | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """The data set of a built-in name, or at a path; its ``test`` is never None.

    A text that is a built-in name means that (``"./digits"`` and ``Path("digits")`` mean the folder). Without
    a test part of its own, a fifth of the training part becomes one, the same for ever, whatever the seeds.

    Args:
        source: ``"digits"``, ``"shapes:grey,size=64"``, ``"mnist"``, ..., or the path of a folder, a table or an
            ``.npz`` file.
        task: What the targets are to be taken for: ``"regression"`` of class names that are numbers, say. None: what
            they look like, which the data set's ``why`` says.
        channels: 1, 3 or 4: images are read as grey, RGB or RGBA. None: as they are.
        progress: Told the bytes of a file, done and in all, where one has to be fetched.

    Raises:
        RecipeError: There is no such task, or images have no such channels.
        DataError: There is no such data, or it cannot be read, or not be taken so.

    >>> data = open_data("digits")
    >>> data.input, len(data.train), len(data.test)
    ((1, 8, 8), 1437, 360)
    """
    check_task(task)
    if source == "":  # which as a path would be the current folder
        raise DataError(f"DATA is empty; {_ACCEPTED}")
    built_in = open_built_in(source, progress) if isinstance(source, str) else None
    dataset = as_channels(as_task(built_in or _open_path(Path(source), task), task), channels)
    if dataset.test is not None:
        return dataset
    train, test = _set_aside(dataset, TEST_FRACTION, 0, "the test")
    return dataset.with_parts(train=train, test=test)


def _set_aside(dataset: DataSet, fraction: float, seed: int, purpose: str) -> tuple[Part, Part]:
    rest, taken = split_off(dataset.train, fraction, seed)
    if not len(taken):
        raise DataError(
            f"{dataset.name}: too few different items to set some aside for {purpose}; each class needs 2 or more"
        )
    return rest, taken


def _open_path(path: Path, task: str | None) -> DataSet:
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except PermissionError:
        raise DataError(f"{path}: no permission to look there; change the folder's permissions") from None
    except OSError:  # such as a name longer than any can be
        is_folder, exists = False, False
    if is_folder:
        return _open_folder(path, task)
    if exists and path.suffix.lower() in SUFFIXES:
        return open_tables({"train": path}, task)
    if exists and path.suffix.lower() == ".npz":
        return open_npz(path, task)
    if exists:
        unpack = "unpack it and name what it held; " if path.suffix.lower() in _PACKED else ""
        raise DataError(f"{path}: this is a file; {unpack}{_ACCEPTED}")
    raise DataError(f"{path}: there is no such data{_nearest(path)}; {_ACCEPTED}")


def _open_folder(path: Path, task: str | None) -> DataSet:
    """The data set of a folder, by what lies in it; masks before class folders, which ``images/`` might be, too."""
    contents(path)  # raises where the folder may not be read
    if is_idx(path):
        return open_idx(path)
    if is_masks(path):
        return open_masks(path)
    if tables := find_tables(path):
        return open_tables(tables, task)
    return open_folders(path)


def _nearest(path: Path) -> str:
    """The end of a message about a missing *path*: the built-in name or the existing path most like it."""
    near = get_close_matches(str(path).lower().partition(":")[0], BUILT_IN, 1)
    if not near and os.path.isdir(path.parent):
        names = [there.name for kind in contents(path.parent) for there in kind]
        near = [str(path.parent / name) for name in get_close_matches(path.name, names, 1)]
    return f"; did you mean {near[0]!r}?" if near else ""


def with_validation(dataset: DataSet, seed: int, fraction: float = 0.1) -> DataSet:
    """*dataset* with a validation part: its own, or a stratified *fraction* of its training part by the *seed*.

    The test part is never touched.

    Raises:
        DataError: The training part is too small to give any of it away.
    """
    if dataset.val is not None:
        return dataset
    train, val = _set_aside(dataset, fraction, seed, "validation")
    return dataset.with_parts(train=train, val=val)


def sampled(dataset: DataSet, fraction: float, seed: int) -> DataSet:
    """*dataset* with a stratified *fraction* (above 0, at most 1) of its training part; the other parts stay whole.

    Raises:
        DataError: The fraction is outside, or leaves nothing.
    """
    if fraction == 1:
        return dataset
    _, train = split_off(dataset.train, fraction, seed)
    if not len(train):
        raise DataError(f"{dataset.name}: a fraction of {fraction:g} leaves nothing to learn from; take more")
    return dataset.with_parts(train=train)
