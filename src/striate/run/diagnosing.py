"""Where a model is wrong: the properties of the items that it was measured on, and the slices on which it is weak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.datasets import Part
from striate.datasets.doctor.look import look_at
from striate.diagnosis import SliceSearch, find_weak_slices
from striate.diagnosis.properties import (
    Properties,
    column_property,
    file_properties,
    image_properties,
    size_properties,
    text_properties,
)
from striate.metrics import Scores
from striate.model.contract import IGNORE, IMAGES, Contract
from striate.model.words import words_of
from striate.run.measuring import Held

AT_ONCE = 512  # images whose brightness and sharpness are measured together


def slices_of(held: Sequence[Held], scores: Scores) -> SliceSearch:
    """The slices of the items in *held* on which the errors of *scores* are larger than on the others.

    They are of the label, the brightness, contrast, sharpness, saturation, object area, size, aspect ratio, file type
    and folder of images, the length and the words of texts, the group, and any other column of a table.
    """
    return find_weak_slices(scores.errors, item_properties(held), error=scores.error)


def item_properties(held: Sequence[Held]) -> Properties:
    """The properties of all items, by name; those that only some of the splits have are left out."""
    parts = [_properties(part) for part in held if len(part.arrays)]
    names = [name for name in parts[0] if all(name in part for part in parts)] if parts else []
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _properties(held: Held) -> Properties:
    part, contract = held.source.take(held.kept), held.contract
    found = _of_targets(held.arrays.targets, contract)
    if contract.mode == "text":
        found |= text_properties([words_of(text) for text in part.texts])
    elif contract.mode == "values":
        flat = held.arrays.inputs.reshape(len(part), -1)
        found |= {"mean": flat.mean(axis=1), "std": flat.std(axis=1)}
    else:
        found |= _of_images(held.arrays.inputs, contract) | found
    if part.files:
        found |= size_properties(held.pixel_sizes) | file_properties(part.files)
    if part.groups:
        found["group"] = np.array(part.groups)
    columns = {title: column_property(cells) for title, cells in part.columns.items()}
    return found | {f"column {title}" if title in found else title: v for title, v in columns.items() if v is not None}


def _of_images(inputs: NDArray[Any], contract: Contract) -> Properties:
    """As the network sees them: at its input's size."""
    thumbs, colours, sharp = [], [], []
    for at in range(0, len(inputs), AT_ONCE):
        images = np.ascontiguousarray(np.moveaxis(inputs[at : at + AT_ONCE], 1, -1))
        looks = look_at(Part(images, np.zeros(len(images)), ("",) * len(images)))
        thumbs.append(looks.thumb)
        colours.append(looks.colour)
        sharp.append(looks.sharpness)
    coloured = contract.mode in IMAGES[1:]
    found = image_properties(np.concatenate(thumbs), np.concatenate(colours) if coloured else None)
    return found | {"sharpness": np.concatenate(sharp)}


def _of_targets(targets: NDArray[Any], contract: Contract) -> Properties:
    task, classes = contract.task, contract.classes
    if task.per_pixel:
        flat = targets.reshape(len(targets), -1)
        shares: Mapping[int, NDArray[Any]] = {i: (flat == i).mean(axis=1) for i in range(len(classes))}
        background = max(shares, key=lambda i: float(shares[i].sum()))
        with_class = {f"with {name}": shares[i] > 0 for i, name in enumerate(classes)}
        return {"object area": 1 - shares[background] - (flat == IGNORE).mean(axis=1), **with_class}
    if task.continuous:
        return dict(zip(classes, targets.T, strict=True))
    if targets.ndim == 1:
        return {"label": np.array(classes)[targets]}
    return {f"with {name}": column > 0 for name, column in zip(classes, targets.T, strict=True)}
