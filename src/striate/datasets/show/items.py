"""What a contact sheet shows: a few items of a split, as they are prepared and as epochs of training augment them."""

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
from striate.datasets.statistics import channel_statistics, first_contract, occurrence
from striate.datasets.store.reading import read_part
from striate.errors import DataError, RecipeError
from striate.model.contract import Contract
from striate.model.words import vocabulary_of, words_of
from striate.sampling import evenly

MAX_SIDE = 224  # of the images where no input size is given
_LINES = 4  # of classes below an image
_SAMPLE = 64  # items that the mean colour is taken from


@dataclass(frozen=True, eq=False)
class SheetImage:
    """One image: uint8 ``(H, W, 3)``; its mask ``(H, W)``; its points ``(P, 2)`` as fractions; lines below it."""

    pixels: np.ndarray
    mask: np.ndarray | None = None
    points: np.ndarray | None = None
    caption: str = ""


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One item: its label, its name, and its images; of a text its words, and whether each is known."""

    label: str
    name: str
    images: tuple[SheetImage, ...] = ()
    words: tuple[tuple[str, bool], ...] = ()


def sheet_contract(dataset: DataSet, input: tuple[int, ...] | None = None, resize: str = "stretch") -> Contract:
    """The contract by which *dataset* is shown: in the size *input*, or the typical one, if that is not too large.

    Raises:
        DataError: The items are values, which have no image.
        ModelError: *input* or *resize* does not go with the data.

    >>> from striate.datasets import open_data
    >>> sheet_contract(open_data("digits"), (1, 28, 28), "fit").resize
    'fit'
    """
    if dataset.mode == "values":
        raise DataError(f"{dataset.name}: its items are values, which cannot be shown as images")
    typical = dataset.input
    if dataset.mode != "text" and max(typical[1:]) > MAX_SIDE:
        scale = MAX_SIDE / max(typical[1:])
        typical = (typical[0], *(max(1, round(side * scale)) for side in typical[1:]))
    vocabulary = vocabulary_of(dataset.train.texts) if dataset.mode == "text" else ()
    contract = first_contract(dataset, input or typical, dataset.mode, vocabulary, resize)
    return replace(contract, mean=(0.5,) * len(contract.mean))  # what is not of the image is grey


def sheet_rows(
    dataset: DataSet,
    contract: Contract,
    *,
    split: str = "train",
    augment: Augment = Augment(),
    seed: int = 0,
    items: int = 8,
    epochs: int = 4,
) -> list[SheetRow]:
    """*items* of a split, spread evenly over its classes: each as it is prepared, then as in the first *epochs*.

    The changes are those of a run with that *seed*: they are drawn by the item's number in the split.

    Raises:
        RecipeError: There is no such split.
        DataError: None of its items can be read.

    >>> from striate.datasets import open_data
    >>> digits = open_data("digits")
    >>> [len(row.images) for row in sheet_rows(digits, sheet_contract(digits), augment=Augment(shift=1), items=2)]
    [5, 5]
    """
    if split not in dataset.parts:
        raise RecipeError(f"{dataset.name} has no split named {split!r}; it has {', '.join(dataset.parts)}")
    source = dataset.parts[split]
    one = _reader(source, contract)
    chosen = _readable(_in_turn(source, seed), one, items)
    if not chosen:
        raise DataError(f"{dataset.name}: none of the items of the {split} split can be read")
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
    return [SheetRow(_label(source, i, contract), _name(source, i), images) for i, images in rows]


_Read = Callable[[int], Arrays]


def _reader(part: Part, contract: Contract) -> _Read:
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


def _readable(order: list[int], one: _Read, items: int) -> list[int]:
    """The first *items* of *order* that can be read."""
    found: list[int] = []
    for i in order:
        if len(found) == items:
            break
        if len(one(i)):
            found.append(i)
    return found


def _mean(part: Part, one: _Read) -> tuple[float, ...]:
    return channel_statistics(np.concatenate([one(i).inputs for i in evenly(len(part), _SAMPLE).tolist()]))[0]


def _column(
    one: _Read, numbers: np.ndarray, contract: Contract, augment: Augment, seed: int, epoch: int, n: int
) -> list[SheetImage]:
    """The images of the items *numbers*, all in the same epoch."""

    def fetch(needed: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        # a partner that cannot be read is skipped in a run, which then takes another; here it is the first item
        arrays = [a if len(a) else one(int(numbers[0])) for a in map(one, needed.tolist())]
        x, y = (np.concatenate(values) for values in zip(*((a.inputs, a.targets) for a in arrays), strict=True))
        return torch.from_numpy(x), torch.from_numpy(y)

    x, y = augmented(fetch, numbers, contract=contract, augment=augment, seed=seed, epoch=epoch, among=np.arange(n))
    masks = y.numpy() if contract.task.per_pixel else [None] * len(x)
    points = y[:, torch.tensor(contract.positions)].numpy() if contract.positions else [None] * len(x)
    captions = [_mixture(fractions, contract) for fractions in y.tolist()] if augment.mixes else [""] * len(x)
    return [
        SheetImage(_rgb(pixels), mask, at, caption)
        for pixels, mask, at, caption in zip(x.numpy(), masks, points, captions, strict=True)
    ]


def _rgb(pixels: np.ndarray) -> np.ndarray:
    """Of any number of channels ``(C, H, W)`` the first three, or the first alone, as ``(H, W, 3)``."""
    seen = pixels[:3] if len(pixels) > 2 else pixels[[0, 0, 0]]
    return np.ascontiguousarray(seen.transpose(1, 2, 0))


def _mixture(fractions: list[float], contract: Contract) -> str:
    """How much of which class is in an image, a line each; nothing where it is not mixed."""
    if all(fraction in (0, 1) for fraction in fractions):
        return ""
    present = [k for k in sorted(range(len(fractions)), key=lambda k: -fractions[k]) if fractions[k] > 0]
    return "\n".join(f"{fractions[k]:.0%} {contract.classes[k]}" for k in present[:_LINES])


def _label(part: Part, i: int, contract: Contract) -> str:
    """An item's target in words; nothing where the image shows it."""
    if contract.task.per_pixel:
        return ""
    target = part.labels[i]
    if contract.task.exclusive:
        return contract.classes[int(target)]
    if contract.task.several:
        return ", ".join(name for name, yes in zip(contract.classes, target, strict=True) if yes) or "none"
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(contract.classes, target, strict=True))


def _name(part: Part, i: int) -> str:
    """An item's name, of a long path the end."""
    return "/".join(Path(part.names[i]).parts[-3:])


def _text_row(part: Part, i: int, contract: Contract) -> SheetRow:
    known = set(contract.vocabulary)
    words = words_of(part.texts[i])[: contract.input[0]]
    return SheetRow(_label(part, i, contract), _name(part, i), words=tuple((word, word in known) for word in words))
