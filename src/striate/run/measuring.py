"""What a model is worth on a part of a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.data import Arrays, open_data, read
from striate.errors import DataError, RecipeError, nearest
from striate.evaluate import Scores, score
from striate.model.model import Model


def measure(model: Model, pixels: Arrays, batch: int = 256) -> Scores:
    """The honest figures of *model* on *pixels*, which its own contract prepared."""
    chunks = [model.log_probabilities(pixels.inputs[i : i + batch]) for i in range(0, len(pixels), batch)]
    return score(np.concatenate(chunks), pixels.targets, model.contract.classes, pixels.names)


def part_for(model: Model, data: str | Path, part: str = "test") -> Arrays:
    """The pixels of a *part* of *data* (test, val, train or all), prepared and numbered by the model's own contract.

    Raises:
        DataError: The data have classes that the model does not know, or no such part.
    """
    dataset = open_data(data)
    parts = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    if part not in (*parts, "all"):
        raise RecipeError(f"part is {part!r}{nearest(part, [*parts, 'all'])}")
    chosen = [p for name, p in parts.items() if p is not None and part in (name, "all")]
    if not chosen:
        raise DataError(f"{data}: has no {part} part of its own; take --part test")
    known = model.contract.classes
    unknown = [name for name in dataset.classes if name not in known]
    if unknown:
        raise DataError(
            f"{data}: has the classes {', '.join(unknown)}, which the model does not know; it knows {', '.join(known)}"
        )
    numbers = np.array([known.index(name) for name in dataset.classes])
    read_parts = [read(replace(p, targets=numbers[p.targets]), model.contract) for p in chosen]
    return Arrays(
        np.concatenate([p.inputs for p in read_parts]),
        np.concatenate([p.targets for p in read_parts]),
        tuple(name for p in read_parts for name in p.names),
        tuple(item for p in read_parts for item in p.broken),
    )
