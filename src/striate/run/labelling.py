"""Wrong labels: ``striate doctor DATA --model MODEL`` and ``striate.wrong_labels``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate.datasets import Data
from striate.datasets.dataset import Reading
from striate.datasets.doctor.diagnosis import NOTE, WARNING, DataProblem, Diagnosis
from striate.datasets.options import check_options
from striate.diagnosis import LabelErrors, label_errors, mask_errors, number_errors, several_label_errors
from striate.errors import ModelError, RecipeError, counted, listed
from striate.learning.features import ItemFeatures, cross_validated_scores, item_features
from striate.loading import Given
from striate.metrics import SegmentationScores
from striate.metrics.shared import as_plain
from striate.model.header import code_and_path
from striate.model.model import Model
from striate.model.predictor import meaning, output_context
from striate.model.prepare import normalise
from striate.run.devices import placed
from striate.run.folder import SERIES, Say, is_finished, to_stderr
from striate.run.measuring import Held, item_groups, measure, parts_for
from striate.run.series_start import read_series

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
        wrong, ambiguous = (
            [{"item": self.names[suspect.index]} | as_plain(suspect, "index") for suspect in suspects]
            for suspects in (self.errors.wrong, self.errors.ambiguous)
        )
        return {"n": len(self.names), "wrong": wrong, "ambiguous": ambiguous}


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

    A model has memorised the labels that it was trained on, wrong ones too. So a linear model is fitted to what the
    network computes of the items (its last feature maps), in five folds, and judges the items that it has not seen: one
    pass through the network and some seconds. Masks are judged by the model itself, image by image.

    Args:
        model: A model file, a run's folder or a ``Model``, trained on these data or on others with the same classes; or
            the folder of a cross-validation of these data (``train --folds 5``), where each item is judged by the
            network that was tested on it; of folds that are not finished the items are left out.
        data: What :func:`~striate.datasets.open_data` takes.
        split: ``"all"``, or the one to look at; of a cross-validation always all.
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
    if folds := _folds(model):
        if split != "all":
            raise RecipeError(f"split is {split!r}: the folds of a cross-validation judge all items; omit it")
        return _by_folds(folds, data, say, reading, options)
    found = placed(model)
    held = parts_for(found, data, split, say=say, reading=reading, **options)
    return wrong_labels_of(found, held)


def wrong_labels_of(model: Model, held: Sequence[Held], features: ItemFeatures | None = None) -> WrongLabels:
    """As :func:`wrong_labels`, of items that are read; *features*, where they were computed already."""
    if model.contract.task.per_pixel:
        predicted = _ious(model, held)
    else:
        predicted = _cross_validated(model, held, features or features_of(model, held))
    return _judged(model, held, predicted)


def _folds(model: Given) -> list[tuple[str, Path]]:
    """The runs of a cross-validation (``train --folds``) in the folder *model*, as :func:`open_model` takes them, and
    their folders; none where it is no such folder.
    """
    if not isinstance(model, str | Path):
        return []
    code, folder = code_and_path(model)
    if not (Path(folder) / SERIES).is_file():
        return []
    n = read_series(Path(folder)).get("folds") or 0
    paths = [Path(folder) / f"fold-{k}" for k in range(1, n + 1)]
    return [(f"{code}@{path}" if code else str(path), path) for path in paths]


def _by_folds(
    folds: Sequence[tuple[str, Path]], data: Data, say: Say, reading: Reading | None, options: dict[str, Any]
) -> WrongLabels:
    """Each item judged by the network that was tested on it, of the folds that are finished."""
    done = [model for model, folder in folds if is_finished(folder)]
    missing = [str(folder) for _, folder in folds if not is_finished(folder)]
    if not done:
        raise ModelError(f"{missing[0]}: no fold is finished; go on with striate train DATA --out FOLDER --resume")
    held, predicted = [], []
    for path in done:
        model = placed(path)
        for part in parts_for(model, data, "test", reading=reading, **options):
            if not len(part.arrays):
                continue
            held.append(part)
            if model.contract.task.per_pixel:
                predicted.append(_ious(model, [part]))
                continue
            at = range(0, len(part.arrays), BATCH)
            scores = np.concatenate([model.scores(part.arrays.inputs[i : i + BATCH]) for i in at])
            predicted.append(meaning(scores, model.contract) if model.contract.task.continuous else scores)
    n = sum(len(part.arrays) for part in held)
    say(f"note: {counted(n, 'item')}, each judged by the fold that was tested on it")
    if missing:
        say(f"note: not finished, so that nothing judges their items: {listed(missing)}")
    return _judged(model, held, np.concatenate(predicted))


def _ious(model: Model, held: Sequence[Held]) -> np.ndarray:
    scores = measure(model, *held)
    assert isinstance(scores, SegmentationScores)
    return scores.ious


def _cross_validated(model: Model, held: Sequence[Held], features: ItemFeatures) -> np.ndarray:
    """``(N, K)`` scores, or predicted values, of models that have not seen the item."""
    task, targets = model.contract.task, _targets(held)
    mean, std = np.zeros(1), np.ones(1)
    if task.continuous:
        mean, std = targets.mean(axis=0), np.maximum(targets.std(axis=0), 1e-12)
    y = ((targets - mean) / std).astype(np.float32) if targets.ndim > 1 else targets.astype(np.int64)
    names = [name for part in held for name in part.arrays.names]
    order = torch.tensor(sorted(range(len(names)), key=names.__getitem__))  # in which splits they are decides nothing
    groups = _groups(held)
    sorted_NK = cross_validated_scores(
        features.maps[order],
        torch.from_numpy(y)[order],
        len(model.contract.classes),
        task=task,
        groups=None if groups is None else groups[order],
    )
    scores_NK = torch.empty_like(sorted_NK)
    scores_NK[order] = sorted_NK
    return np.asarray(scores_NK.double().numpy() * std + mean)


def _targets(held: Sequence[Held]) -> np.ndarray:
    return np.concatenate([part.arrays.targets for part in held])


def _judged(model: Model, held: Sequence[Held], predicted: np.ndarray) -> WrongLabels:
    """The labels of the items beside what is *predicted* for them: scores, values or IoUs."""
    contract, names = model.contract, tuple(name for part in held for name in part.arrays.names)
    if contract.task.per_pixel:
        errors = mask_errors(predicted)
    elif contract.task.continuous:
        sizes = [found for part in held if (found := part.sizes(contract)) is not None]
        in_pixels = output_context(contract, np.concatenate(sizes) if sizes else None).in_pixels
        errors = number_errors(in_pixels(predicted), in_pixels(_targets(held) * 1.0), contract.classes)
    else:
        scores, targets = torch.from_numpy(predicted).double(), _targets(held)
        if targets.ndim > 1:
            errors = several_label_errors(scores.sigmoid().numpy(), targets, contract.classes)
        else:
            errors = label_errors(scores.softmax(1).numpy(), targets, contract.classes)
    return WrongLabels(names, errors, tuple(held), model)


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
    groups = item_groups(held)
    return torch.from_numpy(np.unique(groups, return_inverse=True)[1]) if groups else None


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
            message = f"{len(shown):,} of {counted(found.errors.n, 'label')} {what}"
            yield DataProblem(kind, severity, message, fix, names, notes=notes)
