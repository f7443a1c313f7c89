"""The parts of the page that tell of a model that answers for every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from striate.metrics.segmentation import IGNORE, BadMask, SegmentationScores
from striate.metrics.text import percent
from striate.report import tables
from striate.report.markup import Html, el
from striate.report.palette import NOTHING, colours, painted
from striate.report.pictures import data_url
from striate.report.shown import Shown, view
from striate.report.tables import num, ratio, table

SHOWN = 12  # images on the page; each is three pictures


def headline(scores: SegmentationScores) -> tuple[str, str, str]:
    low, high = scores.mean_iou_interval
    common = scores.commonest
    return (
        percent(scores.mean_iou),
        f"mean IoU of {len(scores.classes)} classes, {scores.n:,} images",
        f" 95 % interval: {percent(low)} to {percent(high)}. {percent(scores.pixel_accuracy)} of the pixels are right; "
        f"always answering “{common.name}” would give {percent(common.pixels / scores.pixels)}.",
    )


def worst(scores: SegmentationScores, shown: Mapping[int, Shown]) -> Html:
    """The images with the lowest mean IoU: image, truth, answer."""
    some = scores.worst[:SHOWN]
    return el(
        "section",
        el("h2", "Worst images"),
        el("p", f"The {len(some)} with the lowest mean IoU: the image, the truth, the answer."),
        _legend(scores.classes, [item for m in some if (item := shown.get(m.index))]),
        el("div", *(_triple(m, shown.get(m.index), len(scores.classes)) for m in some), class_="triples"),
    )


def _legend(classes: Sequence[str], items: Sequence[Shown]) -> Html:
    """The colours of the classes that are to be seen."""
    masks = [mask for item in items for mask in (item.truth, item.answer) if mask is not None]
    seen = np.unique(np.concatenate([np.unique(mask) for mask in masks])).tolist() if masks else []
    rgb = colours(len(classes))
    entries = [(classes[i], rgb[i]) for i in seen if i != IGNORE]
    if IGNORE in seen:
        entries.append(("not asked for", NOTHING))
    return el(
        "p",
        *(el("span", el("i", style=f"background:rgb{colour}"), name) for name, colour in entries),
        class_="legend",
    )


def _triple(bad: BadMask, shown: Shown | None, classes: int) -> Html:
    pictures = [view(shown, bad.name)]
    if shown and shown.truth is not None and shown.answer is not None:
        for what, mask in (("truth", shown.truth), ("answer", shown.answer)):
            pictures.append(el("img", src=data_url(painted(mask, classes), nearest=True), alt=f"{what} of {bad.name}"))
    return el(
        "figure",
        el("div", *pictures, class_="triple"),
        el("figcaption", el("b", percent(bad.mean_iou)), " ", el("small", bad.name)),
    )


def answers(scores: SegmentationScores) -> Html:
    many = len(scores.classes) > tables.LARGEST
    rows = [
        el(
            "tr",
            el("th", c.name, scope="row"),
            num(percent(c.pixels / scores.pixels)),
            *map(ratio, (c.iou, c.dice, c.precision, c.recall)),
        )
        for c in scores.per_class
    ]
    return el(
        "section",
        el("h2", "Classes"),
        el(
            "div", el("h3", "Class by class"), table(["class", "of pixels", "IoU", "dice", "precision", "recall"], rows)
        ),
        el("h3", "Most often confused" if many else "Confusion: where the pixels of each class went, in percent"),
        tables.confusion(scores, shares=True),
        el(
            "p",
            "IoU: the pixels that truth and answer share, over those that either has. Dice: twice the shared, over the "
            "sum of both. Counted over all images together. A dash: there was nothing to take the share of; a class "
            "that neither truth nor answer has is left out of the means.",
            class_="note",
        ),
    )
