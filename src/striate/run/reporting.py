"""Where a model is wrong, for its report: computed once on the items of the run, and shown as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from striate.diagnosis.nearest import nearest_items
from striate.metrics import Scores
from striate.model.model import Model
from striate.model.predictor import output_context
from striate.report.diagnosing import CaptionedItem, labels_elsewhere, labels_section, nearest_section, slices_section
from striate.report.markup import Html, el, html_document, join
from striate.run.diagnosing import slices_of
from striate.run.labelling import WrongLabels, features_of, wrong_labels_of
from striate.run.measuring import Held
from striate.run.result import item_view
from striate.tasks.scoring import scoring_of

SLICES, OF_SLICE, MISTAKES, NEAREST, SUSPECTS, PAGE = 3, 6, 6, 5, 24, 400  # that are shown
RATE = 5e10  # floating-point operations in a second, of the pass that gives the features; a GPU needs less
FIT = 8e-8  # seconds for each item, feature and output, of the cross-validated fit


def seconds_for(training: float) -> float:
    """How long the search for wrong labels may take beside a *training* of so many floating-point operations: a
    twentieth of it, or a third of a second. The estimates are of the work alone, so that a report does not depend on
    the load of the machine.

    >>> seconds_for(1e13)
    10.0
    """
    return max(0.3, 0.05 * training / RATE)


def diagnosis_sections(
    model: Model, held: Mapping[str, Held], scores: Scores, command: str, *, macs: int, seconds: float
) -> list[Html]:
    """The sections on weak slices, on mistakes and what they resemble, and on wrong labels.

    Args:
        model: Trained.
        held: The splits of its run; *scores* are those of ``"test"``.
        scores: What was measured there.
        command: What lists all wrong labels.
        macs: Of the network, for one item.
        seconds: That may be spent on features and wrong labels, by estimate; what takes longer is left to *command*.
    """
    test, train = held["test"], held["train"]
    weak = slices_of([test], scores)
    told = {finding.index: finding for finding in scoring_of(model.contract.task).findings(scores).worst}

    predictions = scores.item_columns().get("prediction")

    def of_test(i: int) -> CaptionedItem:
        item, finding, error = _captioned(model, test, i), told.get(i), float(scores.errors[i])
        if finding:
            return replace(item, bold=finding.what, plain=finding.how)
        bold = f"{item.bold} → {predictions[i]}" if predictions else item.bold
        return replace(item, bold=bold, plain="" if error in (0, 1) else scores.error.text(error))

    shown = [[of_test(i) for i in found.items[:OF_SLICE].tolist()] for found in weak.slices[:SLICES]]
    found = [slices_section(weak, [*shown, *([[]] * (len(weak.slices) - len(shown)))])]
    splits = [held[name] for name in ("train", "val", "test") if len(held[name].arrays)]
    forward = 2 * macs * sum(len(part.arrays) for part in splits) / RATE
    if model.contract.task.per_pixel or not len(train.arrays):
        pass
    elif forward > seconds:
        found.append(labels_elsewhere(command))
    else:
        features = features_of(model, splits)
        n = len(train.arrays)
        near_each = NEAREST if test.contract.mode != "text" else 2
        wrong = [i for i in (item.index for item in scores.worst) if scores.errors[i] > 0][:MISTAKES]
        near = nearest_items(
            features.head[len(features.head) - len(test.arrays) :][wrong], features.head[:n], near_each
        )
        rows = [
            (of_test(i), [_captioned(model, train, j) for j in others])
            for i, others in zip(wrong, near.tolist(), strict=True)
        ]
        found.append(nearest_section(rows))
        if forward + FIT * features.maps.numel() * len(model.contract.classes) > seconds:
            found.append(labels_elsewhere(command))
        else:
            labels = wrong_labels_of(model, splits, features)
            found.append(labels_section(labels.errors, suspect_items(labels, SUSPECTS), command))
    return [part for part in found if part is not None]


def labels_page(labels: WrongLabels, title: str) -> str:
    """An HTML page with the items whose labels look wrong, the surest first, 400 at most."""
    wrong = labels_section(labels.errors, suspect_items(labels, PAGE))
    return html_document(title, join(el("header", el("h1", title)), wrong))


def suspect_items(labels: WrongLabels, most: int) -> list[CaptionedItem]:
    """The first *most* items whose labels look wrong, with both labels."""
    ends = np.cumsum([len(part.arrays) for part in labels.held])
    found = []
    for suspect in labels.errors.wrong[:most]:
        which = int(np.searchsorted(ends, suspect.index, side="right"))
        part = labels.held[which]
        i = suspect.index - int(ends[which] - len(part.arrays))
        found.append(
            CaptionedItem(
                item_view(labels.model, part, i),
                f"{suspect.given} → {suspect.suggested}",
                name=labels.names[suspect.index],
            )
        )
    return found


def _captioned(model: Model, held: Held, i: int) -> CaptionedItem:
    task, classes, target = model.contract.task, model.contract.classes, held.arrays.targets[i]
    if task.continuous:
        sizes = held.sizes(model.contract)
        context = output_context(model.contract, None if sizes is None else sizes[i : i + 1])
        values = context.in_pixels(np.asarray(target, np.float64)[None])[0]
        label = ", ".join(f"{name} {value:.3g}" for name, value in zip(classes, values, strict=True))
    else:
        label = "" if task.per_pixel else ", ".join(task.target_texts(target, classes)) or "no label"
    return CaptionedItem(item_view(model, held, i), label, name=held.arrays.names[i])
