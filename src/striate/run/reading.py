"""Reading the splits of a run, what of the contract is measured on the training split, and the split as a file."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import nn

from striate.datasets import Arrays, DataSet, channel_statistics, read_part
from striate.datasets.augment import Augment
from striate.datasets.batches import check_balance
from striate.datasets.dataset import Reading
from striate.datasets.doctor import doctor
from striate.errors import DataError, RecipeError, counted, nearest
from striate.learning import Recipe, loss_of
from striate.model.contract import IGNORE, RESIZE, Contract, check_tta
from striate.model.prepare import normalise
from striate.net import naive_bayes, whiten
from striate.run.folder import Say, check_out
from striate.run.measuring import Held, say_skipped
from striate.sampling import evenly


def check_words(recipe: Recipe, *, resize: str | None, out: str | Path | None) -> None:
    """What can be refused before any data is looked at, which may take minutes.

    Raises:
        RecipeError: No such augmentation or rule of resizing; a folder that is not empty.
    """
    Augment.parse(recipe.augment)
    if resize is not None and resize not in RESIZE:
        raise RecipeError(f"resize is {resize!r}{nearest(resize, RESIZE)}")
    if out is not None:
        check_out(out)


def content_of(arrays: Arrays) -> str:
    """A checksum of what was read: of all items, or of an even choice of them where they are more than 256 MB."""
    items = len(arrays)
    each = max(1, arrays.inputs.nbytes // max(1, items))
    step = max(1, -(-items * each // 2**28))
    found = 0
    for start in range(0, items, 1024 * step):
        some = arrays.inputs[start : start + 1024 * step : step]
        found = zlib.crc32(np.ascontiguousarray(some).view(np.uint8).data, found)
    return f"{zlib.crc32(np.ascontiguousarray(arrays.targets).view(np.uint8).data, found):08x}"


def sample_of(arrays: Arrays, contract: Contract) -> torch.Tensor:
    """Some items from all over *arrays*, as the network takes them: all, if their values are 16 million at most."""
    return normalise(arrays.inputs[evenly(len(arrays), max(1, 2**24 // prod(contract.input)))], contract)


def complete_init(init: str, module: nn.Module, arrays: Arrays, contract: Contract) -> None:
    """The part of an initialisation that looks at training items: of those of :data:`striate.net.FROM_DATA`."""
    if init == "whiten":
        device = next(module.parameters()).device
        whiten(module, sample_of(arrays, contract).to(device))
    if init == "naive_bayes":
        if contract.mode != "text" or not contract.task.has_classes:
            raise RecipeError(
                "init naive_bayes: counts the words of each class, so it is for texts with classes; use init=auto"
            )
        some = slice(0, MOST_TEXTS)
        texts, targets = (torch.from_numpy(np.array(part[some])) for part in (arrays.inputs, arrays.targets))
        naive_bayes(module, texts, targets, len(contract.classes))


MOST_TEXTS = 20_000  # counted at the beginning of a run


def check_choices(recipe: Recipe, contract: Contract, say: Say) -> Augment:
    """The recipe's augmentation as it suits the data; RecipeError where it or the balance does not."""
    check_balance(recipe.balance, contract.task)
    if recipe.balance == "weights":  # which not every loss knows
        loss_of(recipe, contract.task, torch.ones(len(contract.classes)))
    check_tta(recipe.tta, contract)
    augment, notes = Augment.parse(recipe.augment).suited(contract)
    for note in notes:
        say(note)
    return augment


def quick_look(dataset: DataSet) -> list[str]:
    """What the quick part of the doctor finds wrong, a line each; its notes are left to ``striate doctor``.

    Broken files are left to the reading, which looks at every one, but for classes that consist of them.

    Raises:
        DataError: No image of a class can be read.
    """
    problems = doctor(dataset, quick=True).problems
    if lost := next((problem for problem in problems if problem.kind == "class-unreadable"), None):
        raise DataError(f"{lost.message}, the first {lost.files[0]}; {lost.fix}")
    found = [p for p in problems if p.severity != "note" and p.kind not in ("unreadable", "empty-file", "incomplete")]
    lines = [f"{problem.severity}: {problem.message}; {problem.fix}" for problem in found]
    return [*lines, *["striate doctor names the files, and looks at the images too"] * bool(lines)]


def read_parts(
    dataset: DataSet, contract: Contract, *, measured: bool, strict: bool, say: Say, reading: Reading | None
) -> tuple[dict[str, Held], Contract]:
    """Every split read by *contract*; and the contract with the training split's means and standard deviations, unless
    these were *measured* before.

    Raises:
        DataError: An item cannot be read and *strict* says that none may be skipped; or nothing is left of a split, or
            of a class in all splits; or all training targets are the same.
    """
    if strict and dataset.skipped:
        name, why = dataset.skipped[0]
        raise DataError(f"{name}: {why}; or omit --strict to skip it")
    say_skipped(dataset.skipped, "without a readable file or a target", "item", say)
    on_broken = "stop" if strict else "skip"
    held = {
        name: Held(read_part(part, contract, on_broken=on_broken, progress=reading, say=say), part, contract)
        for name, part in dataset.parts.items()
    }
    broken = [item for part in held.values() for item in part.arrays.broken]
    if broken:
        _check_classes_left(held, contract, dict(broken))
        say_skipped(broken, "that cannot be read", "text" if contract.mode == "text" else "image", say)
    train = held["train"].arrays
    _check_varied(train, contract)
    if not measured and contract.mode != "text":
        mean, std = channel_statistics(train.inputs)
        contract = replace(contract, mean=mean, std=std)
    if contract.task.standardised and not (measured and _is_standardised(contract)):
        mean, std = _target_statistics(train.targets)
        contract = replace(contract, target_mean=mean, target_std=std)
    return held, contract


def _check_classes_left(held: Mapping[str, Held], contract: Contract, broken: Mapping[str, str]) -> None:
    """DataError where the items of some class are *broken* in all splits: one bad file alone ends no run."""
    if contract.task.continuous or contract.task.per_pixel:
        return
    sources = [held_.source for held_ in held.values()]
    targets = np.concatenate([np.asarray(source.targets) for source in sources])
    names = [name for source in sources for name in source.names]
    for target, class_ in enumerate(contract.classes):
        those = np.flatnonzero(targets == target if targets.ndim == 1 else targets[:, target])
        if len(those) and all(names[i] in broken for i in those):
            first = names[those[0]]
            raise DataError(
                f"none of the {len(those)} images of class {class_!r} can be read; the first is {first}: "
                f"{broken[first]}"
            )


def _check_varied(train: Arrays, contract: Contract) -> None:
    """DataError where all targets are the same, so that there is nothing to learn from them."""
    task, classes, targets = contract.task, contract.classes, train.targets
    if task.per_pixel:
        seen: set[int] = set()
        for mask in targets:
            seen |= {*np.unique(mask).tolist()} - {IGNORE}
            if len(seen) > 1:
                return
        what = f"every pixel of the training masks is {classes[seen.pop()]}" if seen else "no training mask has a class"
    else:
        if len(train) < 2 or (targets != targets[:1]).any():
            return
        said = ", ".join(task.target_texts(targets[0], classes)) or "no label"
        what = f"the target of all {counted(len(train), 'training item')} is {said}"
    raise DataError(f"{what}, so there is nothing to tell apart; was the wrong column or folder taken for the targets?")


def _is_standardised(contract: Contract) -> bool:
    """Whether the targets' statistics were measured before: those of a model whose head is kept, or of a run so far."""
    return contract.target_mean != (0.0,) * len(contract.classes) or contract.target_std != (1.0,) * len(
        contract.classes
    )


def _target_statistics(targets: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """``(mean, std)`` of each value of float ``(N, V)``; the std of a value that never varies is 1.

    >>> _target_statistics(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32))
    ((2.0, 5.0), (1.0, 1.0))
    """
    values = np.asarray(targets, np.float64)
    std = values.std(0)
    return tuple(values.mean(0).tolist()), tuple(np.where(std > 1e-12, std, 1.0).tolist())
