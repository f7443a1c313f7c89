"""A split of a data set, prepared by a model's own contract, and how good the model is on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from striate.datasets import Arrays, Data, DataSet, Part, open_data, read_part
from striate.datasets.dataset import Broken, Reading
from striate.datasets.mask_recipe import read_mask
from striate.datasets.open import Fetching, named_parts
from striate.datasets.sources.archives import as_given
from striate.datasets.sources.mask_values import with_earlier_names
from striate.errors import DataError, TaskError, counted, listed, shape_text
from striate.metrics import Scores
from striate.model.contract import IGNORE, IMAGES, Contract
from striate.model.image import header
from striate.model.predictor import Predictor, output_context
from striate.model.prepare import class_numbers
from striate.run.folder import Say
from striate.run.splits import in_the_runs_splits
from striate.sampling import evenly
from striate.tasks.scoring import scoring_of


@dataclass(frozen=True, eq=False)
class Held:
    """A split that was read by a contract, and the split as it came, which knows the images' sizes and the texts."""

    arrays: Arrays
    source: Part
    contract: Contract

    @cached_property
    def kept(self) -> np.ndarray:
        """The indices in ``source`` of the items in ``arrays``."""
        if not self.arrays.broken:
            return np.arange(len(self.source))
        broken = {name for name, _ in self.arrays.broken}
        return np.array([i for i, name in enumerate(self.source.names) if name not in broken], np.int64)

    def take(self, indices: np.ndarray) -> Held:
        """The items at *indices* of ``arrays`` alone."""
        a = self.arrays
        some = Arrays(a.inputs[indices], a.targets[indices], tuple(a.names[i] for i in indices))
        return Held(some, self.source.take(self.kept[indices]), self.contract)

    def masks(self, items: slice) -> list[np.ndarray]:
        """Of some items of ``arrays`` the class number of every pixel, uint8 ``(H, W)`` in each image's own size."""
        targets = self.source.targets
        if isinstance(targets, np.ndarray):
            return [*targets[self.kept[items]]]
        with ThreadPoolExecutor(4) as pool:
            return [*pool.map(lambda i: class_numbers(read_mask(targets[i]), self.contract), self.kept[items])]

    def sizes(self, contract: Contract) -> np.ndarray | None:
        """int64 ``(N, 2)``: width and height of each image as it came; None where there are no positions."""
        return self.pixel_sizes if contract.positions else None

    @cached_property
    def pixel_sizes(self) -> np.ndarray:
        """int64 ``(N, 2)``: width and height of each image as it came."""
        inputs = self.source.inputs
        if isinstance(inputs, np.ndarray):
            return np.tile([inputs.shape[2], inputs.shape[1]], (len(self.arrays), 1))
        return np.array([header(Path(inputs[i]))[1][::-1] for i in self.kept], np.int64).reshape(-1, 2)


def item_groups(held: Sequence[Held]) -> tuple[str, ...]:
    """The group of each item of several splits together; empty where they have none."""
    if not all(part.source.groups for part in held):
        return ()
    return tuple(part.source.groups[i] for part in held for i in part.kept)


def measure(model: Predictor, *held: Held, batch_size: int = 256) -> Scores:
    """The metrics of *model* on what its own contract prepared; of several splits together.

    Masks are measured in the images' own sizes, as they are written to files.
    """
    return measure_scores(model.scores, model.contract, *held, batch_size=model.at_a_time(batch_size))


def measure_scores(
    scores_of: Callable[[np.ndarray], np.ndarray], contract: Contract, *held: Held, batch_size: int
) -> Scores:
    """The metrics of anything that gives the scores of items as *contract* prepares them."""
    names = tuple(name for part in held for name in part.arrays.names)
    found = [sizes for part in held if (sizes := part.sizes(contract)) is not None]
    context = output_context(contract, np.concatenate(found) if found else None, names=names)
    batches: Iterator[tuple[np.ndarray, Any]] = (
        (
            scores_of(part.arrays.inputs[some]),
            part.masks(some) if contract.task.per_pixel else part.arrays.targets[some],
        )
        for part in held
        for i in range(0, len(part.arrays), batch_size)
        for some in [slice(i, i + batch_size)]
    )
    scores: Scores = scoring_of(contract.task).measure(batches, context)
    return scores


def say_skipped(items: Sequence[Broken], which: str, what: str, say: Say) -> None:
    """Names the *items* that are left out, the first ten of them."""
    if items:
        say(f"skipped {counted(len(items), what)} {which}:")
        for name, why in items[:10]:
            say(f"  {as_given(name)}: {why}")
        if len(items) > 10:
            say(f"  and {len(items) - 10} more")


def parts_for(
    model: Predictor,
    data: Data,
    split: str = "test",
    *,
    say: Say = lambda text: None,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
    most: int | None = None,
    **options: Any,
) -> list[Held]:
    """A *split* of *data* (test, val, train or all), prepared and numbered by the model's own contract.

    Args:
        model: Its contract says the task and how items are read.
        data: What :func:`~striate.datasets.open_data` takes.
        split: All: what there is, one after the other. Of a run's model and its own data, the run's splits.
        say: Told, in a line each, what is noticed about them.
        reading: Called with how many items are read, of how many.
        fetching: Called with what of which file is fetched, where one has to be.
        most: Of each split at most so many items, from all over it.
        **options: How the data are to be understood, as :func:`~striate.datasets.open_data` takes it.

    Raises:
        DataError: The data are for another task, have classes that the model does not know, or no such split.
    """
    given = options | {"task": model.contract.task, "value_range": model.contract.value_range or None}
    try:
        dataset = open_data(data, **given, progress=fetching)
    except TaskError as error:  # whose way out would be another task
        what = str(error).rpartition("; ")[0]
        raise DataError(f"{what}; the model is for {model.contract.task}, use data of that task") from None
    dataset = with_earlier_names(dataset, model.contract.classes)
    say_skipped(dataset.skipped, "without a readable file or a target", "item", say)
    contract, where = model.contract, str(data) if isinstance(data, str | Path) else dataset.name
    _check_same_kind(dataset, contract, where)
    _check_classes(dataset, contract, where)
    dataset = in_the_runs_splits(dataset, model.path, say) if split != "all" else dataset
    if split == "val" and dataset.val is None:
        raise DataError(
            f"{where}: has no val split of its own; a run draws one from training: give the run's folder and its data, "
            f"or data with a val/"
        )
    chosen = named_parts(dataset, split, where)
    if most is not None:
        chosen = [part.take(evenly(len(part), most)) for part in chosen]
    own = _as_in(dataset, contract)
    renumbered = [_renumbered(p, dataset, contract) for p in chosen]
    return [Held(read_part(p, own, progress=reading), p, own) for p in renumbered]


def _check_same_kind(dataset: DataSet, contract: Contract, data: str) -> None:
    kinds = ["images" if mode in IMAGES else mode for mode in (dataset.mode, contract.mode)]
    if kinds[0] != kinds[1] and "channels" not in kinds:
        raise DataError(f"{data}: contains {kinds[0]}, the model takes {kinds[1]}; use such data")
    if contract.mode == "values" and dataset.input != contract.input:
        came, expected = map(shape_text, (dataset.input, contract.input))
        raise DataError(f"{data}: contains values of {came}, the model takes {expected}; use such data")


def _check_classes(dataset: DataSet, contract: Contract, data: str) -> None:
    known = contract.classes
    if contract.task.continuous:
        if set(dataset.classes) != set(known):
            raise DataError(
                f"{data}: has the values {', '.join(dataset.classes)}, the model predicts {', '.join(known)}; give the "
                f"columns the same names"
            )
        return
    unknown = [name for name in dataset.classes if name not in known]
    if unknown:
        raise DataError(f"{data}: its classes {listed(unknown)} are none of the model's classes ({listed(known, 12)})")


def _as_in(dataset: DataSet, contract: Contract) -> Contract:
    """*contract*, reading masks by the values that the classes have in *dataset*."""
    if not contract.task.per_pixel or not dataset.mask_values:
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
    if targets.ndim == 1:
        return replace(part, targets=numbers[targets])
    if contract.task.per_pixel:
        table = np.full(256, IGNORE, np.uint8)
        table[: len(numbers)] = numbers
        return replace(part, targets=table[targets])
    columns = np.zeros((len(targets), len(contract.classes)), targets.dtype)
    columns[:, numbers] = targets
    return replace(part, targets=columns)
