"""DATA, wherever it is asked for: a built-in name or a path, answered with a data set."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from striate.data.dataset import DataSet, Part
from striate.data.digits import open_digits
from striate.data.folders import contents, open_folders
from striate.data.idx import is_idx, open_idx
from striate.data.split import split_off
from striate.errors import DataError

BUILT_IN: dict[str, Callable[[], DataSet]] = {"digits": open_digits}
TEST_FRACTION = 0.2  # taken from the training part where a data set comes without a test part
_ACCEPTED = (
    f"DATA is a built-in name ({', '.join(BUILT_IN)}), a folder with one folder of images for each class (flat "
    "or under train/, val/ and test/), or a folder of IDX files"
)


def open_data(name_or_path: str | Path) -> DataSet:
    """The data set of a built-in name, or at a path; its ``test`` is never None.

    A text that is a built-in name means that (``"./digits"`` and ``Path("digits")`` mean the folder). Without
    a test part of its own, a fifth of the training part becomes one, the same for ever, whatever the seeds.

    Raises:
        DataError: There is no such data, or it cannot be read.

    >>> data = open_data("digits")
    >>> data.input, len(data.train), len(data.test)
    ((1, 8, 8), 1437, 360)
    """
    if isinstance(name_or_path, str) and name_or_path in BUILT_IN:
        return BUILT_IN[name_or_path]()
    dataset = _open_path(Path(name_or_path))
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


def _open_path(path: Path) -> DataSet:
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except PermissionError:
        raise DataError(f"{path}: no permission to look there; change the folder's permissions") from None
    if is_folder:
        contents(path)  # raises where the folder may not be read
        return open_idx(path) if is_idx(path) else open_folders(path)
    if exists:
        raise DataError(f"{path}: this is a file; {_ACCEPTED}")
    raise DataError(f"{path}: there is no such data{_nearest(path)}; {_ACCEPTED}")


def _nearest(path: Path) -> str:
    """The end of a message about a missing *path*: the built-in name or the existing path most like it."""
    near = get_close_matches(str(path).lower(), BUILT_IN, 1)
    if not near and path.parent.is_dir():
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
