"""What a contact sheet shows: a few items of a part, as they are prepared and as epochs of training change them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from striate.datasets.augment import Augment, augmented
from striate.datasets.counter import uniforms
from striate.datasets.dataset import Arrays, DataSet, Part
from striate.datasets.split import strata
from striate.datasets.statistics import channel_statistics, occurrence
from striate.datasets.store.reading import read_part
from striate.errors import DataError, RecipeError
from striate.model.contract import Contract
from striate.model.words import vocabulary_of, words_of

LARGEST_SIDE = 224  # of the pictures where no input is asked for
_LINES = 4  # of classes below a picture
_SAMPLE = 64  # items that the mean colour is taken from


@dataclass(frozen=True, eq=False)
class Cell:
    """One picture: uint8 ``(H, W, 3)``; its mask ``(H, W)``; its points ``(P, 2)`` as shares; lines below it."""

    pixels: np.ndarray
    mask: np.ndarray | None = None
    points: np.ndarray | None = None
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Row:
    """One item: its answer, its name, and its pictures; of a text its words, and whether each is known."""

    answer: str
    name: str
    cells: tuple[Cell, ...] = ()
    words: tuple[tuple[str, bool], ...] = ()


def contract_of(dataset: DataSet, input: tuple[int, ...] | None = None, resize: str = "stretch") -> Contract:
    """By which the items of *dataset* are shown: in the size *input*, or the typical one, if that is not too large.

    Raises:
        DataError: The items are values, which have no picture.
        ModelError: *input* or *resize* does not go with the data.
    """
    if dataset.mode == "values":
        raise DataError(f"{dataset.name}: its items are values, and how they are to be seen is not known")
    n, typical = len(dataset.classes), dataset.input
    if dataset.mode != "text" and max(typical[1:]) > LARGEST_SIDE:
        scale = LARGEST_SIDE / max(typical[1:])
        typical = (typical[0], *(max(1, round(side * scale)) for side in typical[1:]))
    regression = dataset.task == "regression"
    channels = 0 if dataset.mode == "text" else (input or typical)[0]
    return Contract(
        dataset.classes,
        input or typical,
        dataset.mode,
        (0.5,) * channels,
        (1.0,) * channels,
        resize=resize,
        task=dataset.task,
        target_mean=(0.0,) * n if regression else (),
        target_std=(1.0,) * n if regression else (),
        positions=dataset.positions,
        mask_values=(dataset.mask_values or tuple(range(n))) if dataset.task == "segmentation" else (),
        vocabulary=vocabulary_of(map(str, dataset.train.inputs)) if dataset.mode == "text" else (),
    )


def shown(
    dataset: DataSet,
    contract: Contract,
    *,
    part: str = "train",
    augment: Augment = Augment(),
    seed: int = 0,
    items: int = 8,
    epochs: int = 4,
) -> list[Row]:
    """*items* of a part, spread evenly over its classes: each as it is prepared, then as in the first *epochs*.

    The changes are those of a run with that *seed*: they are drawn by the item's number in the part.

    Raises:
        RecipeError: There is no such part.
        DataError: None of its items can be read.
    """
    if part not in dataset.parts:
        raise RecipeError(f"{dataset.name} has no part {part!r}; it has {', '.join(dataset.parts)}")
    source = dataset.parts[part]
    one = _reader(source, contract)
    chosen = _readable(_in_turn(source, seed), one, items)
    if not chosen:
        raise DataError(f"{dataset.name}: none of the {part} part's items can be read")
    if dataset.mode == "text":
        return [_text_row(source, i, contract) for i in chosen]
    augment, _ = augment.suited(contract)
    if augment.cutout:
        contract = replace(contract, mean=_mean(source, one))
    numbers = np.array(chosen)
    columns = [_column(one, numbers, contract, Augment(), seed, 0, len(source))]
    if augment != Augment():
        columns += [_column(one, numbers, contract, augment, seed, epoch, len(source)) for epoch in range(epochs)]
    rows = zip(chosen, zip(*columns, strict=True), strict=True)
    return [Row(_answer(source, i, contract), _name(source, i), cells) for i, cells in rows]


One = Callable[[int], Arrays]


def _reader(part: Part, contract: Contract) -> One:
    """What reads one item, once; without items where it cannot be read."""

    @cache
    def one(i: int) -> Arrays:
        try:
            return read_part(part.take([i]), contract)
        except DataError:
            return Arrays(np.empty((0, *contract.input), np.uint8), np.empty(0), ())

    return one


def _in_turn(part: Part, seed: int) -> list[int]:
    """All items: one of each class, another of each, and so on; which, by the *seed*."""
    groups = strata(part.targets)
    shuffled = np.argsort(uniforms(seed, 0, np.arange(len(groups)), 1)[:, 0], kind="stable")
    turn = occurrence(groups[shuffled])
    return [int(i) for i in shuffled[np.lexsort((groups[shuffled], turn))]]


def _readable(order: list[int], one: One, items: int) -> list[int]:
    """The first *items* of *order* that can be read."""
    found: list[int] = []
    for i in order:
        if len(found) == items:
            break
        if len(one(i)):
            found.append(i)
    return found


def _mean(part: Part, one: One) -> tuple[float, ...]:
    sample = np.unique(np.linspace(0, len(part) - 1, _SAMPLE).astype(int)).tolist()
    return channel_statistics(np.concatenate([one(i).inputs for i in sample]))[0]


def _column(
    one: One, numbers: np.ndarray, contract: Contract, augment: Augment, seed: int, epoch: int, n: int
) -> list[Cell]:
    """The pictures of the items *numbers*, all in the same epoch."""

    def fetch(wanted: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        # a partner that cannot be read is left out of a run, which then takes another; here it is the first item
        arrays = [a if len(a) else one(int(numbers[0])) for a in map(one, wanted.tolist())]
        x, y = (np.concatenate(values) for values in zip(*((a.inputs, a.targets) for a in arrays), strict=True))
        return torch.from_numpy(x), torch.from_numpy(y)

    x, y = augmented(fetch, numbers, contract=contract, augment=augment, seed=seed, epoch=epoch, among=np.arange(n))
    masks = y.numpy() if contract.task == "segmentation" else [None] * len(x)
    points = y[:, torch.tensor(contract.positions)].numpy() if contract.positions else [None] * len(x)
    captions = [_shares(share, contract) for share in y.tolist()] if augment.mixes else [""] * len(x)
    return [
        Cell(_picture(pixels), mask, at, caption)
        for pixels, mask, at, caption in zip(x.numpy(), masks, points, captions, strict=True)
    ]


def _picture(pixels: np.ndarray) -> np.ndarray:
    """Of any number of channels ``(C, H, W)`` the first three, or the first alone, as ``(H, W, 3)``."""
    seen = pixels[:3] if len(pixels) > 2 else pixels[[0, 0, 0]]
    return np.ascontiguousarray(seen.transpose(1, 2, 0))


def _shares(share: list[float], contract: Contract) -> str:
    """How much of which class is in a picture, a line each; nothing where it is not mixed."""
    if all(part in (0, 1) for part in share):
        return ""
    present = [k for k in sorted(range(len(share)), key=lambda k: -share[k]) if share[k] > 0]
    return "\n".join(f"{share[k]:.0%} {contract.classes[k]}" for k in present[:_LINES])


def _answer(part: Part, i: int, contract: Contract) -> str:
    """What is to be answered for an item, in words; nothing where the picture shows it."""
    if contract.task == "segmentation":
        return ""
    target = np.asarray(part.targets)[i]
    if contract.task == "classification":
        return contract.classes[int(target)]
    if contract.task == "multilabel":
        return ", ".join(name for name, yes in zip(contract.classes, target, strict=True) if yes) or "none"
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(contract.classes, target, strict=True))


def _name(part: Part, i: int) -> str:
    """An item's name, of a long path the end."""
    return "/".join(Path(part.names[i]).parts[-3:])


def _text_row(part: Part, i: int, contract: Contract) -> Row:
    known = set(contract.vocabulary)
    words = words_of(str(part.inputs[i]))[: contract.input[0]]
    return Row(_answer(part, i, contract), _name(part, i), words=tuple((word, word in known) for word in words))
