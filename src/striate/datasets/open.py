"""DATA, wherever a command takes it: a built-in name or a path, opened as a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from striate.datasets.dataset import SPLITS, DataSet, Part
from striate.datasets.folds import in_fold
from striate.datasets.options import DataOptions
from striate.datasets.sources.archives import as_given, is_archive, unpacked, unpacked_notes
from striate.datasets.sources.array_files import is_array_files, open_array_files
from striate.datasets.sources.built_in import BUILT_IN as BUILT_IN
from striate.datasets.sources.built_in import open_built_in
from striate.datasets.sources.cifar import is_cifar, open_cifar
from striate.datasets.sources.depth import with_depth
from striate.datasets.sources.folders import open_folders
from striate.datasets.sources.folders_names import is_group_pattern, with_groups
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.idx import is_idx, open_idx
from striate.datasets.sources.in_memory import open_in_memory
from striate.datasets.sources.masks import open_masks
from striate.datasets.sources.masks_places import is_masks
from striate.datasets.sources.npz import is_npz, open_npz
from striate.datasets.sources.objects_files import is_object_files, open_object_files
from striate.datasets.sources.objects_lists import is_object_lists, open_object_lists
from striate.datasets.sources.tables import is_tables, open_tables
from striate.datasets.sources.targets import as_channels, as_task
from striate.datasets.sources.texts import is_texts, open_texts
from striate.datasets.split import split_off
from striate.errors import DataError, RecipeError, closest, counted, did_you_mean, nearest
from striate.fetching import Fetching as Fetching
from striate.files import near_path
from striate.model.opening import each_image_under, folder_contents, is_image
from striate.tasks import Task, task_named

TEST_FRACTION = 0.2  # taken from the training split where a data set comes without a test split
_FEW = 6  # folders beside each other, of which one may be all that has images
_PACKED = {".gz", ".7z", ".rar", ".bz2", ".xz"}


Data: TypeAlias = "str | Path | DataSet | Any"  # DATA; Any: what open_in_memory takes


class Source(NamedTuple):
    """One kind of data on the disk: what to call it, whether a path is of it, and what opens that as a task."""

    what: str
    recognises: Callable[[Path, DataOptions], bool]
    open: Callable[[Path, DataOptions], DataSet]


def _alone(recognises: Callable[[Path], bool]) -> Callable[[Path, DataOptions], bool]:
    """A source that is known by the path alone."""
    return lambda path, _: recognises(path)


_TABLE = Source(
    "a table (.csv, .tsv)", _alone(is_tables), lambda path, said: open_tables(path, said.task, said.columns)
)
_FOLDERS = Source(
    "a folder with one folder of images for each class (flat or under train/, val/ and test/)",
    _alone(Path.is_dir),
    lambda path, said: open_folders(path, said.classes_from),
)
# In the order in which they are tried: masks before class folders, which ``images/`` might be, too.
SOURCES = (
    Source("a folder of IDX files", _alone(is_idx), lambda path, _: open_idx(path)),
    Source("a folder with annotations of COCO, CVAT or VIA", is_object_lists, open_object_lists),
    Source("a folder with YOLO's texts, Pascal VOC's XML or LabelMe's JSON", is_object_files, open_object_files),
    Source("a folder with images/ and masks/", is_masks, open_masks),
    _TABLE,
    Source("a folder with a folder of texts for each class", _alone(is_texts), lambda path, _: open_texts(path)),
    Source("CIFAR's own batches", _alone(is_cifar), lambda path, _: open_cifar(path)),
    Source("a folder of .npy files", _alone(is_array_files), lambda path, said: open_array_files(path, said.task)),
    Source("an .npz file", _alone(is_npz), lambda path, said: open_npz(path, said.task)),
    _FOLDERS,
)
_ACCEPTED = (
    f"give a built-in name ({', '.join(BUILT_IN)}), or the path of a folder or a table; docs/data.md lists the formats"
)


def open_data(
    source: Data,
    *,
    task: Task | str | None = None,
    channels: int | None = None,
    classes_from: str | None = None,
    mask_threshold: int | None = None,
    value_range: str | Sequence[float] | None = None,
    label: str | None = None,
    file: str | None = None,
    text: str | None = None,
    group: str | None = None,
    fold: str | None = None,
    progress: Fetching | None = None,
) -> DataSet:
    """The data set of a built-in name, at a path, or in memory; it always has a test split.

    A text that is a built-in name means that (``"./digits"`` and ``Path("digits")`` mean the folder). Without
    a test split of its own, a fifth of the training split becomes one: deterministic, whatever the seeds.

    Args:
        source: ``"digits"``, ``"shapes:grey,size=64"``, ``"mnist"``, ..., the path of a folder, a table or an
            ``.npz`` file; ``(X, y)`` of arrays, tensors, texts or files, a DataFrame, several of these by split: what
            :func:`~.sources.in_memory.open_in_memory` takes; or a data set that is open.
        task: Task override: ``"regression"`` of class names that are numbers, say. None: as
            inferred, which the data set's ``why`` explains.
        channels: 1, 3 or 4: images are read as grey, RGB or RGBA. None: as they are.
        classes_from: ``"name:{class}_*"``: the class is in the file name; ``"parent"``: it is the image's own folder.
        mask_threshold: Masks become two classes: values below it, and it and above.
        value_range: ``"0:4095"``, or two numbers: of images of more than 8 bits, the values of black and white.
        label: Of a table: the column of the targets, by its title; several, separated by commas. None: as found.
        file: Of a table: the column of the image files.
        text: Of a table: the column of the texts; several, separated by commas, are joined.
        group: Of a table: a column (patient, video, burst) whose rows of one value always go to the same split. Of
            image files: ``"name:{group}_#"``, where it is in their names, or ``"parent"``, their own folder.
        fold: ``"2/5"``: the second of five folds of the training and validation items is the test split; a test split
            of its own is left out.
        progress: Called with a file's name, its bytes so far and its bytes in all, where one has to be fetched, or a
            large archive unpacked.

    Raises:
        RecipeError: There is no such task, or images have no such channels.
        DataError: The data are not found, cannot be read, or do not fit the task.

    >>> data = open_data("digits")
    >>> data.input, len(data.train), len(data.test)
    ((1, 8, 8), 1437, 360)
    """
    options = DataOptions(
        task=None if task is None else task_named(task),
        channels=channels,
        classes_from=classes_from,
        mask_threshold=mask_threshold,
        value_range=value_range,
        label=label,
        file=file,
        text=text,
        group=group,
        fold=fold,
    )
    dataset = as_channels(as_task(open_as_it_is(source, options, progress), options.task), channels)
    if fold is not None:
        return in_fold(dataset, fold)
    if dataset.test is not None:
        return dataset
    train, test = _set_aside(dataset, TEST_FRACTION, 0, "a test split")
    return dataset.with_parts(train=train, test=test)


def open_as_it_is(source: Data, options: DataOptions, progress: Fetching | None = None) -> DataSet:
    """The data set of :func:`open_data` with the splits that it comes with alone.

    Raises:
        DataError: As :func:`open_data`.
    """
    if isinstance(source, str) and not source:  # which as a path would be the current folder
        raise DataError(f"DATA is empty; {_ACCEPTED}")
    if not isinstance(source, str | Path | DataSet):
        opened = open_in_memory(source, options)
        return with_depth(Path(opened.name), opened, options.scale)
    found, what = source if isinstance(source, DataSet) else None, "is open already"
    if isinstance(source, str):
        found, what = open_built_in(source, progress), "is built in"
    if found is None:
        return _open_path(Path(str(source)), options, progress)
    if options.scale not in (None, found.value_range):
        raise DataError(f"{found.name}: --range is for image files; this data set {what}")
    if named := options.columns.given or ({"group": ""} if options.group else {}):
        raise DataError(f"{found.name}: --{next(iter(named))} names a column of a table; this data set {what}")
    return found


def _set_aside(dataset: DataSet, fraction: float, seed: int, purpose: str) -> tuple[Part, Part]:
    rest, taken = split_off(dataset.train, fraction, seed)
    if not len(taken):
        raise DataError(
            f"{dataset.name}: too few distinct items to make {purpose} of ({counted(len(dataset.train), 'item')}; "
            f"identical ones stay together); each class needs 2 or more distinct items"
        )
    return rest, taken


def _open_path(path: Path, options: DataOptions, progress: Fetching | None = None) -> DataSet:
    try:
        exists = path.exists()
    except PermissionError:
        raise DataError(f"{path}: no permission to look there; change the folder's permissions") from None
    except OSError:  # such as a name longer than any can be
        exists = False
    if not exists:
        raise DataError(f"{path}: file not found{_nearest(path) or f'; {_ACCEPTED}'}")
    if is_archive(path):
        folder = unpacked(path, progress)
        try:
            dataset = _open_path(folder, options)
        except DataError as error:  # commands in it take the archive, too
            message = "; ".join([as_given(str(error)), *unpacked_notes(folder)])
            raise type(error)(message) from None
        return replace(dataset, notes=(f"{path.name} is unpacked in {folder}", *unpacked_notes(folder), *dataset.notes))
    place, source = _place_and_source(path, options)
    if source is None:
        what = "a single image is not a data set" if is_image(path) else "not a format of data sets"
        unpack = "unpack it and name what was in it; " if path.suffix.lower() in _PACKED else ""
        raise DataError(f"{path}: {what}; {unpack}{_ACCEPTED}")
    if options.columns.given and source is not _TABLE:
        option = next(iter(options.columns.given))
        raise DataError(f"{place}: --{option} names a column of a table, but this is {source.what}; omit it")
    dataset = with_depth(place, source.open(place, options), options.scale)
    if is_group_pattern(options.group):
        dataset = with_groups(dataset, str(options.group))
    if place == path:
        return dataset
    through = f"the data are in {place.relative_to(path).as_posix()}/, where all images are"
    return replace(dataset, notes=(through, *dataset.notes))


def seen_through(folder: Path) -> Path:
    """The folder that the data are in: *folder* itself, or what is in it where it is a mere wrapper.

    A wrapper contains one folder and nothing else that is data (``archive/``, beside a ``__MACOSX/``).

    Raises:
        DataError: A folder cannot be read.
    """
    return _place_and_source(folder, DataOptions())[0]


def is_class_folders(folder: Path) -> bool:
    """Whether *folder* is of no other kind than class folders, which are tried last."""
    return _place_and_source(folder, DataOptions())[1] is _FOLDERS


def _place_and_source(path: Path, options: DataOptions) -> tuple[Path, Source | None]:
    """Where the data are, as :func:`seen_through` says, and what they are; each place is looked at once."""
    if path.is_dir():
        folder_contents(path)  # raises where it cannot be read
    found = _recognised(path, options)
    while found is _FOLDERS:
        folders, files = folder_contents(path)
        if 1 < len(folders) <= _FEW and not any(map(is_image, files)):
            folders = [
                one for one in folders if any(each_image_under(one))
            ] or folders  # beside lists, boxes, attributes
        if len(folders) != 1 or any(map(is_image, files)) or split_role(folders[0].name):
            break
        (only,) = folders
        inner = _recognised(only, options)
        if inner is _FOLDERS and not folder_contents(only)[0]:
            break
        path, found = only, inner
    return path, found


def _recognised(path: Path, options: DataOptions) -> Source | None:
    return next((source for source in SOURCES if source.recognises(path, options)), None)


def _nearest(path: Path) -> str:
    """What a missing *path* may have meant: the built-in name or the existing path most like it; "" where none is."""
    near = closest(str(path).partition(":")[0], BUILT_IN)
    return did_you_mean(near or near_path(path))


def named_parts(dataset: DataSet, split: str, where: str) -> list[Part]:
    """The parts of *dataset* that *split* means: train, val, test or all.

    Raises:
        RecipeError: It is none of these. DataError: The data, which are at *where*, have no such split.

    >>> [len(part) for part in named_parts(open_data("digits"), "all", "digits")]
    [1437, 360]
    """
    if split not in (known := (*SPLITS, "all")):
        raise RecipeError(f"split is {split!r}{nearest(split, known)}")
    chosen = [part for name, part in dataset.parts.items() if split in (name, "all")]
    if not chosen:
        raise DataError(f"{where}: has no {split} split of its own; use --split {[*dataset.parts][-1]}")
    return chosen


def with_validation(dataset: DataSet, seed: int, fraction: float = 0.1) -> DataSet:
    """*dataset* with a validation split: its own, or a stratified *fraction* of its training split by the *seed*.

    The test split is never touched.

    Raises:
        DataError: The training split is too small to be divided.

    >>> len(with_validation(open_data("digits"), seed=0).val)
    144
    """
    if dataset.val is not None:
        return dataset
    train, val = _set_aside(dataset, fraction, seed, "a validation split")
    return dataset.with_parts(train=train, val=val)


def sampled(dataset: DataSet, fraction: float, seed: int) -> DataSet:
    """*dataset* with a stratified *fraction* (above 0, at most 1) of its training split; the other splits stay whole.

    Raises:
        DataError: The fraction is outside, or leaves nothing.

    >>> len(sampled(open_data("digits"), 0.1, seed=0).train)
    144
    """
    if fraction == 1:
        return dataset
    _, train = split_off(dataset.train, fraction, seed)
    if not len(train):
        raise DataError(f"{dataset.name}: a fraction of {fraction:g} leaves nothing to learn from; use a larger one")
    return dataset.with_parts(train=train)
