"""Which folders are splits and not classes: by any usual name, and by the names of the folders in them.

``train/`` and ``test/``, ``training_set/`` and ``test_set/``, ``seg_train/seg_train/`` and ``seg_pred/``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from striate.datasets.dataset import SPLIT_NAMES
from striate.datasets.sources.folders_names import offer
from striate.errors import DataError, counted, listed
from striate.model.opening import folder_contents, images_under, is_image

UNLABELLED = "unlabelled"
_FEW_INSIDE = 200  # folders in class folders: more are videos, patients or days
_ROLES = {
    word: role
    for role, words in {
        "train": "train training trn tr trainval learn learning",
        "val": "val valid validation validate validating dev devel development",
        "test": "test testing tst eval evaluation holdout",
        UNLABELLED: "pred predict prediction predictions unlabelled unlabeled unknown submission inference",
    }.items()
    for word in words.split()
}
_FILLER = re.compile(r"(?<=..)(data(set)?|sets?|images?|imgs?|dir|folder|samples?|split|annot|masks?|labels?)$")


def split_role(name: str) -> str:
    """Which split a folder's name speaks of: train, val, test or unlabelled; "" if of none, or of two.

    >>> [split_role(name) for name in ("training_set", "seg_test", "Valid", "dev2", "seg_pred", "cats", "train_test")]
    ['train', 'test', 'val', 'val', 'unlabelled', '', '']
    """
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    roles = {role for word in words if (role := _ROLES.get(word) or _ROLES.get(_FILLER.sub("", word)))}
    return roles.pop() if len(roles) == 1 else ""


@dataclass(frozen=True)
class SplitFolders:
    """The folder of each split, those of images without class, and the folders beside them that are not used.

    *flat* where the splits have no class folders but images themselves.
    """

    splits: dict[str, Path]
    unlabelled: tuple[Path, ...] = ()
    beside: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    flat: bool = False

    @property
    def unlabelled_notes(self) -> tuple[str, ...]:
        """A line for each folder of images without class: what it is for."""
        return tuple(
            f"{path.name}/ has {counted(n, 'image')} and no class folders: not trained or measured on; predict them "
            f"with striate predict MODEL {shlex.quote(str(path))}"
            for path in self.unlabelled
            if (n := len(images_under(path)))
        )


def _inside(folder: Path) -> Path:
    """*folder*, or the one folder in it that says the same (``seg_train/seg_train/``, ``train/train_images/``)."""
    folders, files = folder_contents(folder)
    if len(folders) != 1 or any(map(is_image, files)):
        return folder
    (only,) = folders
    same = only.name.casefold() == folder.name.casefold() or (
        split_role(only.name) == split_role(folder.name) != "" and bool(folder_contents(only)[0])
    )
    return _inside(only) if same else folder


def find_splits(folder: Path) -> SplitFolders:
    """The split folders in *folder*; ``{"train": folder}`` alone where it has class folders itself.

    One folder ``train/`` of images beside others (``bus/``, ``car/``) is a class of trains, not a split.

    Raises:
        DataError: Two folders look like one split, or there is none to learn from.
    """
    folders, _ = folder_contents(folder)
    roles = {path: role for path in folders if (role := split_role(path.name))}
    whole = SplitFolders({"train": folder})
    if not roles:
        return whole
    places = {path: _inside(path) for path in roles}
    names = {path: {inner.name for inner in folder_contents(place)[0]} for path, place in places.items()}
    others = [path for path in folders if path not in roles]
    named = [path for path in roles if path.name.lower() in SPLIT_NAMES]
    if not any(names.values()):
        return whole if others or not named else SplitFolders(_one_each(folder, roles, places), flat=True)
    train = [path for path, role in roles.items() if role == "train" and names[path]]
    if not train:
        return _without_train(folder, roles, places, names, others, named)
    known = set().union(*(names[path] for path in train))
    held = [path for path, role in roles.items() if role in ("val", "test")]
    if not (set(train) & set(named)) and others and not any(names[path] & known or not names[path] for path in held):
        return whole
    labelled = [path for path in held if names[path] & known or len(names[path]) > 1]
    return _found(folder, {path: roles[path] for path in (*train, *labelled)}, roles, places, others)


def _found(
    folder: Path, labelled: dict[Path, str], roles: Iterable[Path], places: dict[Path, Path], others: Sequence[Path]
) -> SplitFolders:
    unlabelled = [places[path] for path in roles if path not in labelled]
    return SplitFolders(_one_each(folder, labelled, places), tuple(unlabelled), tuple(others))


def _one_each(folder: Path, roles: dict[Path, str], places: dict[Path, Path]) -> dict[str, Path]:
    """The folder of each split, train first."""
    found: dict[str, Path] = {}
    evaluated = [path for path in roles if re.search("eval", path.name, re.IGNORECASE) and roles[path] == "test"]
    if len(evaluated) == 1 and "val" not in roles.values() and [*roles.values()].count("test") == 2:
        roles = {**roles, evaluated[0]: "val"}  # beside test/ it is what the best epoch is chosen by
    for path, role in sorted(roles.items(), key=lambda item: item[1] != "train"):
        if role in found:
            first = next(other for other, its in roles.items() if its == role)
            raise DataError(f"{folder}: both {slashed([first, path])} look like the {role} split; keep one")
        found[role] = places[path]
    return found


def _without_train(
    folder: Path,
    roles: dict[Path, str],
    places: dict[Path, Path],
    names: dict[Path, set[str]],
    others: Sequence[Path],
    named: Sequence[Path],
) -> SplitFolders:
    """Where no folder that is called training has class folders: the one other folder with the same may be it."""
    bare = [path for path, role in roles.items() if role == "train"]
    if bare:
        images = [image for path in bare for image in images_under(path)]
        raise DataError(
            f"{folder}: no class folders in {slashed(bare)}{offer(folder, images)}; arrange the images as "
            "train/CLASS/IMAGE"
        )
    held = set().union(*names.values())
    sharing = [path for path in others if {inner.name for inner in folder_contents(path)[0]} & held]
    if len(sharing) == 1:
        (train,) = sharing
        found = _found(
            folder,
            {train: "train"} | {path: role for path, role in roles.items() if names[path]},
            roles,
            {train: train} | places,
            [path for path in others if path != train],
        )
        note = f"{train.name}/ is taken for the training split: it has the class folders of {slashed(roles)}"
        return SplitFolders(found.splits, found.unlabelled, found.beside, (note,))
    if named:
        raise DataError(f"{folder}: there is {slashed(named)}, but no train/ beside it to learn from")
    return SplitFolders({"train": folder})


def slashed(folders: Iterable[Path]) -> str:
    """The names of *folders*, as a person writes them.

    >>> slashed([Path("data/train"), Path("data/test")])
    'train/ and test/'
    """
    return " and ".join(f"{path.name}/" for path in folders)


def shared_names_note(folder: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """A note where the class folders in *folder* contain folders, which might be the classes."""
    if not 1 < len(classes) <= 20:
        return ()
    inner = [{path.name for path in folder_contents(folder / name)[0]} for name in classes]
    shared, all_of_them = set.intersection(*inner), set.union(*inner)
    command = f"if these are the classes: striate data {shlex.quote(str(folder))} --classes-from parent"
    if len({re.sub("[0-9]+", "", name) for name in shared}) > 1:  # subject1, subject2, ... are no classes
        return (f"every class folder contains {listed(f'{name}/' for name in sorted(shared))}; {command}",)
    kinds = {re.sub("[0-9]+", "", name) for name in all_of_them}
    if len(kinds) < 2 or len(kinds) < len(all_of_them) or len(all_of_them) > _FEW_INSIDE:
        return ()
    return (f"the class folders contain folders ({listed(f'{name}/' for name in sorted(all_of_them))}); {command}",)
