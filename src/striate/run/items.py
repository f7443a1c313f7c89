"""Items of a data set to look at: prepared by a model's contract, whatever their answers are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.datasets import Arrays, DataSet, Part, open_data, read_part
from striate.errors import DataError, RecipeError, nearest, shape_text
from striate.model.contract import Contract
from striate.run.measuring import Fetching, Reading

NAMES = ("train", "val", "test", "all")


def items_for(
    contract: Contract,
    data: str | Path,
    part: str = "test",
    *,
    most: int | None = None,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
) -> Arrays:
    """The items of a *part* of *data* as *contract* prepares them; their targets are nobody's.

    No class or task needs to be the model's: whoever looks at what a layer does asks for no answers.

    Args:
        contract: Says how items are read.
        data: A built-in name or a path.
        part: train, val, test or all.
        most: So many at most, evenly spread over the part; the others are not read.
        reading: Told how many items are read, of how many.
        fetching: Told what of which file is fetched, where one has to be.

    Raises:
        DataError: There is no such part, or it holds what the contract does not take.
    """
    dataset = open_data(data, progress=fetching)
    if part not in NAMES:
        raise RecipeError(f"part is {part!r}{nearest(part, NAMES)}")
    chosen = [p for name, p in dataset.parts.items() if part in (name, "all")]
    if not chosen:
        raise DataError(f"{data}: has no {part} part of its own; take --part {next(iter(dataset.parts))}")
    _check(dataset, contract, data)
    parts = [Part(p.inputs, np.zeros(len(p), np.int64), p.names) for p in chosen]
    sizes = [len(p) for p in parts]
    total = sum(sizes)
    places = np.arange(total) if most is None or most >= total else np.linspace(0, total - 1, most).round().astype(int)
    starts = np.cumsum([0, *sizes[:-1]])
    plain = _unasking(contract)
    read_parts = [
        read_part(p.take(places[(places >= start) & (places < start + size)] - start), plain, progress=reading)
        for p, start, size in zip(parts, starts.tolist(), sizes, strict=True)
    ]
    if len(read_parts) == 1:
        return read_parts[0]
    inputs, targets = (np.concatenate([getattr(a, name) for a in read_parts]) for name in ("inputs", "targets"))
    names, broken = (tuple(x for a in read_parts for x in getattr(a, name)) for name in ("names", "broken"))
    return Arrays(inputs, targets, names, broken)


def _check(dataset: DataSet, contract: Contract, data: str | Path) -> None:
    if contract.mode == "values" and dataset.mode == "values" and dataset.input != contract.input:
        came, wanted = map(shape_text, (dataset.input, contract.input))
        raise DataError(f"{data}: holds values of {came}, the model takes {wanted}; take such data")


def _unasking(contract: Contract) -> Contract:
    """*contract*, for items without answers."""
    return replace(
        contract,
        task="classification",
        classes=("no", "yes"),
        target_mean=(),
        target_std=(),
        positions=(),
        mask_values=(),
    )
