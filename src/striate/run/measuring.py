"""What a model is worth on a part of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from striate.datasets import Arrays, DataSet, Part, open_data, read_part
from striate.errors import DataError, RecipeError, nearest, shape_text
from striate.metrics import score, score_multilabel, score_regression, score_segmentation
from striate.model.answers import in_source_units, places
from striate.model.contract import IMAGES, Contract
from striate.model.image import header
from striate.model.model import Model
from striate.report import AnyScores

Reading = Callable[[int, int], None]  # told (items done, items in all)
Fetching = Callable[[str, int, int], None]  # told (a file's name, bytes done, bytes in all)


@dataclass(frozen=True, eq=False)
class Held:
    """A part that was read, and the part as it came, which knows the images' sizes and the texts."""

    arrays: Arrays
    source: Part

    @property
    def kept(self) -> np.ndarray:
        """The places in ``source`` of the items in ``arrays``."""
        if not self.arrays.broken:
            return np.arange(len(self.source))
        broken = {name for name, _ in self.arrays.broken}
        return np.array([i for i, name in enumerate(self.source.names) if name not in broken], np.int64)

    def sizes(self, contract: Contract) -> np.ndarray | None:
        """int64 ``(N, 2)``: width and height of each image as it came; None where no positions are asked for."""
        if not contract.positions:
            return None
        inputs = self.source.inputs
        if isinstance(inputs, np.ndarray):
            return np.tile([inputs.shape[2], inputs.shape[1]], (len(self.arrays), 1))
        return np.array([header(Path(inputs[i]))[1][::-1] for i in self.kept], np.int64).reshape(-1, 2)


def measure(model: Model, *held: Held, batch: int = 256) -> AnyScores:
    """The honest figures of *model* on what its own contract prepared; of several parts together."""
    contract = model.contract
    names = tuple(name for part in held for name in part.arrays.names)
    if contract.task == "segmentation":
        return score_segmentation(_masks(model, held, batch), contract.classes, names)
    scores = np.concatenate([np.zeros((0, len(contract.classes)), np.float32), *_scores(model, held, batch)])
    targets = np.concatenate([part.arrays.targets for part in held]) if len(held) != 1 else held[0].arrays.targets
    if contract.task == "multilabel":
        return score_multilabel(scores, targets, contract.classes, names)
    if contract.task == "regression":
        found = [part.sizes(contract) for part in held]
        sizes = None if not contract.positions else np.concatenate([s for s in found if s is not None])
        mean = np.tile(np.array(contract.target_mean), (len(scores), 1))
        return score_regression(
            in_source_units(scores, contract, sizes),
            places(np.asarray(targets, np.float64), contract, sizes),
            contract.classes,
            names,
            baseline=places(mean, contract, sizes),
            positions=contract.positions,
        )
    return score(_log_softmax(scores), targets, contract.classes, names)


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    import torch

    return torch.from_numpy(scores).double().log_softmax(1).numpy()


def _scores(model: Model, held: tuple[Held, ...], batch: int) -> Iterator[np.ndarray]:
    for part in held:
        for i in range(0, len(part.arrays), batch):
            yield model.scores(part.arrays.inputs[i : i + batch])


def _masks(model: Model, held: tuple[Held, ...], batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    batch = model.at_a_time(batch)
    for part in held:
        for i in range(0, len(part.arrays), batch):
            answers = model.scores(part.arrays.inputs[i : i + batch]).argmax(1).astype(np.uint8)
            yield answers, part.arrays.targets[i : i + batch]


def parts_for(
    model: Model,
    data: str | Path,
    part: str = "test",
    *,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
) -> list[Held]:
    """A *part* of *data* (test, val, train or all), prepared and numbered by the model's own contract.

    Args:
        model: Its contract says the task and how items are read.
        data: A built-in name or a path.
        part: All: what there is, one after the other.
        reading: Told how many items are read, of how many.
        fetching: Told what of which file is fetched, where one has to be.

    Raises:
        DataError: The data are for another task, have classes that the model does not know, or no such part.
    """
    dataset = open_data(data, task=model.contract.task, progress=fetching)
    parts = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    if part not in (*parts, "all"):
        raise RecipeError(f"part is {part!r}{nearest(part, [*parts, 'all'])}")
    chosen = [p for name, p in parts.items() if p is not None and part in (name, "all")]
    if not chosen:
        raise DataError(f"{data}: has no {part} part of its own; take --part test")
    contract = model.contract
    _check_same_kind(dataset, contract, data)
    _check_classes(dataset, contract, data)
    told = _as_in(dataset, contract)
    renumbered = [_renumbered(p, dataset, contract) for p in chosen]
    return [Held(read_part(p, told, progress=reading), p) for p in renumbered]


def _check_same_kind(dataset: DataSet, contract: Contract, data: str | Path) -> None:
    kinds = ["images" if mode in IMAGES else mode for mode in (dataset.mode, contract.mode)]
    if kinds[0] != kinds[1] and "channels" not in kinds:
        raise DataError(f"{data}: holds {kinds[0]}, the model takes {kinds[1]}; take such data")
    if contract.mode == "values" and dataset.input != contract.input:
        came, wanted = map(shape_text, (dataset.input, contract.input))
        raise DataError(f"{data}: holds values of {came}, the model takes {wanted}; take such data")


def _check_classes(dataset: DataSet, contract: Contract, data: str | Path) -> None:
    known = contract.classes
    if contract.task == "regression":
        if set(dataset.classes) != set(known):
            raise DataError(
                f"{data}: has the values {', '.join(dataset.classes)}, the model predicts {', '.join(known)}; name the "
                f"columns alike"
            )
        return
    unknown = [name for name in dataset.classes if name not in known]
    if unknown:
        raise DataError(
            f"{data}: has the classes {', '.join(unknown)}, which the model does not know; it knows {', '.join(known)}"
        )


def _as_in(dataset: DataSet, contract: Contract) -> Contract:
    """*contract*, reading masks by the values that the classes have in *dataset*."""
    if contract.task != "segmentation" or not dataset.mask_values:
        return contract
    values = dict(zip(dataset.classes, dataset.mask_values, strict=True))
    unused = (v for v in range(2**24 - 1, 0, -1) if v not in dataset.mask_values)
    return replace(contract, mask_values=tuple(values[c] if c in values else next(unused) for c in contract.classes))


def _renumbered(part: Part, dataset: DataSet, contract: Contract) -> Part:
    """*part*, its targets in the order of the contract's classes."""
    if dataset.classes == contract.classes or not isinstance(part.targets, np.ndarray):
        return part
    numbers = np.array([contract.classes.index(name) for name in dataset.classes])
    targets = part.targets
    match contract.task:
        case "classification":
            return replace(part, targets=numbers[targets])
        case "segmentation":
            table = np.full(256, 255, np.uint8)
            table[: len(numbers)] = numbers
            return replace(part, targets=table[targets])
        case _:
            columns = np.zeros((len(targets), len(contract.classes)), targets.dtype)
            columns[:, numbers] = targets
            return replace(part, targets=columns)
