"""Wrong labels: ``striate doctor DATA --model MODEL`` and ``striate.wrong_labels``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from striate.datasets import Data
from striate.datasets.doctor.diagnosis import NOTE, WARNING, DataProblem, Diagnosis
from striate.datasets.options import check_options
from striate.diagnosis import LabelErrors, Suspect, label_errors, mask_errors, number_errors, several_label_errors
from striate.errors import counted
from striate.learning.features import ItemFeatures, cross_validated_scores, item_features
from striate.loading import Given
from striate.metrics import SegmentationScores
from striate.model.model import Model, output_context
from striate.model.prepare import normalise
from striate.run.folder import Say, to_stderr
from striate.run.measuring import Held, Reading, measure, parts_for
from striate.run.predicting import placed

BATCH = 256


@dataclass(frozen=True, eq=False)
class WrongLabels:
    """The labels of a data set that look wrong.

    Args:
        names: Of all items that were looked at.
        errors: Which labels look wrong or ambiguous, by the items' indices.
        held: The items.
        model: What judged them.
    """

    names: tuple[str, ...]
    errors: LabelErrors
    held: tuple[Held, ...]
    model: Model

    def as_dict(self) -> dict[str, Any]:
        """The suspects as ``{item, given, suggested, quality}``."""
        return {
            "n": len(self.names),
            "wrong": [self._row(suspect) for suspect in self.errors.wrong],
            "ambiguous": [self._row(suspect) for suspect in self.errors.ambiguous],
        }

    def _row(self, suspect: Suspect) -> dict[str, Any]:
        return {
            "item": self.names[suspect.index],
            "given": suspect.given,
            "suggested": suspect.suggested,
            "quality": suspect.quality,
        }


def wrong_labels(
    model: Given,
    data: Data,
    *,
    split: str = "all",
    say: Say = to_stderr,
    reading: Reading | None = None,
    **options: Any,
) -> WrongLabels:
    """The labels of *data* that look wrong to *model*, the least fitting first.

    A model knows the labels that it was trained on by heart, wrong ones too. So a linear model is fitted to what the
    network computes of the items (its last feature maps), in five folds, and judges the items that it has not seen: one
    pass through the network and some seconds. Masks are judged by the model itself, image by image.

    Args:
        model: A model file, a run's folder or a ``Model``, trained on these data or on others with the same classes.
        data: What :func:`~striate.datasets.open_data` takes.
        split: ``"all"``, or the one to look at.
        say: Callback for messages.
        reading: Progress callback (items, total).
        **options: How the data are to be understood, as :func:`~striate.datasets.open_data` takes it.

    Returns:
        ``.errors.wrong`` and ``.errors.ambiguous``, each with ``index``, ``given``, ``suggested`` and ``quality``;
        ``.names`` of the items.

    >>> from tempfile import mkdtemp
    >>> from striate.run.api import train
    >>> model = train("conv 8 3; relu; flatten; linear 10", "digits", epochs=1, out=mkdtemp(), quiet=True)
    >>> len(wrong_labels(model, "digits").errors.wrong) < 40
    True
    """
    check_options(options, "wrong_labels")
    found = placed(model, None, BATCH, None)
    held = parts_for(found, data, split, say=say, reading=reading, **options)
    return wrong_labels_of(found, held)


def wrong_labels_of(model: Model, held: Sequence[Held], features: ItemFeatures | None = None) -> WrongLabels:
    """As :func:`wrong_labels`, of items that are read; *features*, where they were computed already."""
    names = tuple(name for part in held for name in part.arrays.names)
    return WrongLabels(names, _errors(model, held, features), tuple(held), model)


def _errors(model: Model, held: Sequence[Held], features: ItemFeatures | None) -> LabelErrors:
    task, classes = model.contract.task, model.contract.classes
    if task.per_pixel:
        scores = measure(model, *held)
        assert isinstance(scores, SegmentationScores)
        return mask_errors(scores.ious)
    targets = np.concatenate([part.arrays.targets for part in held])
    mean, std = np.zeros(len(classes)), np.ones(len(classes))
    if task.continuous:
        mean, std = targets.mean(axis=0), np.maximum(targets.std(axis=0), 1e-12)
    y = torch.from_numpy(((targets - mean) / std).astype(np.float32) if targets.ndim > 1 else targets.astype(np.int64))
    known = features or features_of(model, held)
    scores_NK = cross_validated_scores(known.maps, y, len(classes), task=task, groups=_groups(held))
    if task.continuous:
        sizes = [found for part in held if (found := part.sizes(model.contract)) is not None]
        in_pixels = output_context(model.contract, np.concatenate(sizes) if sizes else None).in_pixels
        return number_errors(in_pixels(scores_NK.double().numpy() * std + mean), in_pixels(targets * 1.0), classes)
    if targets.ndim > 1:
        return several_label_errors(scores_NK.double().sigmoid().numpy(), targets, classes)
    return label_errors(scores_NK.double().softmax(1).numpy(), targets, classes)


def features_of(model: Model, held: Sequence[Held]) -> ItemFeatures:
    """What the network of *model* makes of all items, before it decides."""
    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))

    def batches() -> Iterator[torch.Tensor]:
        for part in held:
            for i in range(0, len(part.arrays), BATCH):
                some = np.require(part.arrays.inputs[i : i + BATCH], requirements=["C", "W"])
                yield normalise(torch.from_numpy(some).to(device), model.contract)

    return item_features(model.module, batches())


def _groups(held: Sequence[Held]) -> torch.Tensor | None:
    if not all(part.source.groups for part in held):
        return None
    groups = [part.source.groups[i] for part in held for i in part.kept]
    return torch.from_numpy(np.unique(groups, return_inverse=True)[1])


def with_wrong_labels(diagnosis: Diagnosis, found: WrongLabels) -> Diagnosis:
    """*diagnosis* with the labels that look wrong; copies with two labels, which it names already, are left to it."""
    told = {name for problem in diagnosis.problems if "two-labels" in problem.kind for name in problem.files}
    return diagnosis.with_problems(*_problems(found, told))


def _problems(found: WrongLabels, told: set[str]) -> Iterator[DataProblem]:
    for kind, severity, suspects, what, fix in (
        (
            "wrong-label",
            WARNING,
            found.errors.wrong,
            "look wrong: a model that has not seen the item says something else (label -> what it says)",
            "look at them, the first are the surest; correct the label, or remove the item",
        ),
        (
            "ambiguous-label",
            NOTE,
            found.errors.ambiguous,
            "could be another class too: to the model both are probable (label -> the other)",
            "look at them: where people would not agree either, keep them out of the test split",
        ),
    ):
        shown = [suspect for suspect in suspects if found.names[suspect.index] not in told]
        if shown:
            names = tuple(found.names[suspect.index] for suspect in shown)
            notes = tuple(f"{suspect.given} -> {suspect.suggested}" for suspect in shown)
            message = f"{len(shown):,} of {counted(len(found.names), 'label')} {what}"
            yield DataProblem(kind, severity, message, fix, names, notes=notes)
