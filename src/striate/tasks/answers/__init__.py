"""How the scores of a network become the answer for an item, in every task. numpy alone, no torch.

:func:`answer_of` gives the answer of a task; ``ANSWERS`` has the function of each task by its name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from striate.metrics.calibration import log_softmax
from striate.metrics.conformal import energy, prediction_set
from striate.tasks.task import CLASSIFICATION, IGNORE, MULTILABEL, REGRESSION, SEGMENTATION, Task, task_named

__all__ = ["ANSWERS", "Answer", "Labels", "Mask", "OutputContext", "Prediction", "Values", "answer_of"]

UNKNOWN_CLASS = "unknown"  # what is answered where no class is probable enough
THRESHOLD = 0.5  # of a label's probability: from here on it is predicted, where nothing else is said


class Answer(Protocol):
    """What a model predicts for one item: ``striate.Prediction`` in classification, and its likes."""

    @property
    def file(self) -> str | None:
        """Where the item came from; None for an image, an array or a text that was given itself."""

    @property
    def text(self) -> str | None:
        """The item, if it is a text."""

    def as_dict(self) -> dict[str, object]:
        """As ``striate predict --json`` prints it."""

    def line(self, top: int = 3) -> str:
        """In a line, for people; *top* of its parts where there are many."""

    def row(self, top: int = 3) -> dict[str, Any]:
        """As a row of a table, under the same names for every item; *top* of the classes."""


def named(answer: Answer) -> dict[str, object]:
    """What the dictionaries of all answers begin with."""
    values: dict[str, object] = {"file": answer.file}
    return values if answer.text is None else values | {"text": answer.text}


def _same(values: np.ndarray, *_: Any) -> np.ndarray:
    return values


@dataclass(frozen=True)
class OutputContext:
    """What besides the scores of items decides what they mean: names, and how their preparation is undone.

    Args:
        classes: The names of the outputs.
        names: Of the items.
        positions: Pairs of outputs that are an x and a y in the image.
        threshold: The probability from which on a label is predicted, or below which a class is "unknown"; None: 0.5
            of labels, and every class is known.
        temperature: What scores are divided by before they become probabilities.
        least: The probability from which on a class is in an item's prediction set; None: no sets.
        energy: The ``log sum exp`` of scores that few ordinary items fall below, ``(1,)``; empty: not known.
        file: Where one item came from.
        text: One item, where it is a text.
        unstandardise: Scores ``(N, V)`` to values in the data's units, positions as shares of the input's sides.
        in_pixels: Such values to those with the positions in pixels of the images as they came.
        upright: A mask ``(h, w)`` of the network's input to one of the image as it came, of the (width, height) that
            is given behind it or else is known; 255 where nothing is known.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...] | None = None
    positions: tuple[tuple[int, int], ...] = ()
    threshold: float | None = None
    temperature: float = 1.0
    least: float | None = None
    energy: tuple[float, ...] = ()
    file: str | None = None
    text: str | None = None
    unstandardise: Callable[[np.ndarray], np.ndarray] = _same
    in_pixels: Callable[[np.ndarray], np.ndarray] = _same
    upright: Callable[..., np.ndarray] = _same


# ------------------------------------------------------------------------------- classification: one class for an item
@dataclass(frozen=True)
class Prediction:
    """The prediction for one item: the most probable class, its probability, and all classes from there down.

    Where the probability is below the model's threshold, ``class_`` is "unknown" and ``known`` False. ``set`` are the
    classes of its prediction set, where one was asked for. ``out_of_distribution``: its scores are lower than those of
    ninety-nine ordinary items in a hundred.
    """

    class_: str
    probability: float
    top: tuple[tuple[str, float], ...]
    file: str | None = None  # None for an image, an array or a text that was given itself
    text: str | None = None  # the text that was predicted for, if one
    known: bool = True
    set: tuple[str, ...] | None = None
    out_of_distribution: bool = False

    def as_dict(self) -> dict[str, object]:
        """As ``striate predict --json`` prints it."""
        top = [{"class": name, "probability": p} for name, p in self.top]
        more: dict[str, object] = {} if self.known else {"known": False}
        more |= {} if self.set is None else {"set": list(self.set)}
        more |= {"out_of_distribution": True} if self.out_of_distribution else {}
        return named(self) | {"class": self.class_, "probability": self.probability, "top": top} | more

    def row(self, top: int = 3) -> dict[str, Any]:
        """``class``, ``probability``, then the next classes to the number *top*; what else is known."""
        found: dict[str, Any] = {"class": self.class_, "probability": self.probability}
        for i, (name, p) in enumerate(self.top[1:top], 2):
            found |= {f"class_{i}": name, f"probability_{i}": p}
        found |= {} if self.set is None else {"set": json.dumps(self.set, ensure_ascii=False)}
        return found | {"out_of_distribution": self.out_of_distribution}

    def line(self, top: int = 3) -> str:
        """The *top* most probable classes; before them the prediction set, or that the class is unknown."""
        listed = ", ".join(f"{name} {p:.1%}" for name, p in self.top[:top])
        listed = listed if self.set is None else f"{{{', '.join(self.set)}}}  {listed}"
        return listed if self.known else f"{UNKNOWN_CLASS} ({listed})"


def prediction_of(scores: np.ndarray, context: OutputContext) -> Prediction:
    """The :class:`Prediction` for an item with the *scores* ``(K,)``.

    >>> prediction_of(np.log([1.0, 3.0]), OutputContext(("cat", "dog"))).line()
    'dog 75.0%, cat 25.0%'
    """
    p = np.exp(log_softmax(scores, context.temperature))
    top = tuple((context.classes[i], float(p[i])) for i in np.argsort(-p, kind="stable"))
    (name, most), own = top[0], None
    if context.least is not None:
        own = tuple(context.classes[i] for i in prediction_set(p, context.least))
    known = context.threshold is None or most >= context.threshold
    rare = bool(context.energy) and float(energy(scores[None])[0]) < context.energy[0]
    given = context.file, context.text
    return Prediction(name if known else UNKNOWN_CLASS, most, top, *given, known, own, rare)


# ------------------------------------------------------------------------------------ multilabel: any number of labels
@dataclass(frozen=True)
class Labels:
    """The prediction where an item may have several labels: those predicted, and every label's probability."""

    labels: tuple[str, ...]
    probabilities: tuple[tuple[str, float], ...]  # in the order of the contract
    file: str | None = None
    text: str | None = None

    def as_dict(self) -> dict[str, object]:
        every = [{"class": name, "probability": p} for name, p in self.probabilities]
        return named(self) | {"labels": list(self.labels), "probabilities": every}

    def row(self, top: int = 3) -> dict[str, Any]:
        every = {"labels_" if name == "labels" else name: p for name, p in self.probabilities}
        return {"labels": json.dumps(self.labels, ensure_ascii=False)} | every

    def line(self, top: int = 3) -> str:
        known = dict(self.probabilities)
        return ", ".join(f"{name} {known[name]:.1%}" for name in self.labels) or "no label"


def labels_of(scores: np.ndarray, context: OutputContext) -> Labels:
    """The :class:`Labels` of an item with the *scores* ``(K,)``.

    >>> labels_of(np.array([0.0, -np.log(3)]), OutputContext(("cat", "dog"))).line()
    'cat 50.0%'
    """
    p = 1 / (1 + np.exp(-(scores.astype(np.float64) / context.temperature).clip(-700, 700)))
    threshold = THRESHOLD if context.threshold is None else context.threshold
    every = tuple(zip(context.classes, p.tolist(), strict=True))
    return Labels(tuple(n for n, value in every if value >= threshold), every, context.file, context.text)


# ------------------------------------------------------------------------------------------------- regression: numbers
@dataclass(frozen=True)
class Values:
    """Predicted numbers, in the data's own units; positions in pixels of the image as it came."""

    values: tuple[tuple[str, float], ...]
    file: str | None = None
    text: str | None = None

    def as_dict(self) -> dict[str, object]:
        return named(self) | {"values": dict(self.values)}

    def row(self, top: int = 3) -> dict[str, Any]:
        return dict(self.values)

    def line(self, top: int = 3) -> str:
        return ", ".join(f"{name} {value:.6g}" for name, value in self.values)


def values_of(scores: np.ndarray, context: OutputContext) -> Values:
    """The :class:`Values` of an item with the *scores* ``(V,)``.

    >>> values_of(np.array([2.5]), OutputContext(("weight",))).line()
    'weight 2.5'
    """
    values = context.in_pixels(context.unstandardise(scores[None]))[0]
    return Values(tuple(zip(context.classes, values.tolist(), strict=True)), context.file, context.text)


# ------------------------------------------------------------------------------- segmentation: a class for every pixel
@dataclass(frozen=True)
class Mask:
    """The prediction for every pixel: class numbers, uint8 ``(H, W)`` in the image's own size; 255 where the network
    does not look (beyond a crop). ``shares`` are the classes that occur, with their share of the pixels, largest first.
    """

    mask: np.ndarray = field(repr=False, compare=False)
    shares: tuple[tuple[str, float], ...] = ()
    file: str | None = None
    text: str | None = None
    classes: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def as_dict(self) -> dict[str, object]:
        shares = [{"class": name, "share": share} for name, share in self.shares]
        return named(self) | {"size": list(self.mask.shape), "classes": shares}

    def row(self, top: int = 3) -> dict[str, Any]:
        """The share of the pixels of every class."""
        return dict.fromkeys(self.classes, 0.0) | dict(self.shares)

    def line(self, top: int = 3) -> str:
        return ", ".join(f"{name} {share:.1%}" for name, share in self.shares[:top]) + " of the pixels"


def mask_of(scores: np.ndarray, context: OutputContext) -> Mask:
    """The :class:`Mask` of an item with the *scores* ``(K, h, w)``.

    >>> mask_of(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), OutputContext(("road", "sky"))).line()
    'road 50.0%, sky 50.0% of the pixels'
    """
    mask = context.upright(classes_of_pixels(scores, 0))
    counts = np.bincount(mask[mask != IGNORE], minlength=len(context.classes))
    order = [i for i in np.argsort(-counts, kind="stable").tolist() if counts[i]]
    shares = tuple((context.classes[i], float(counts[i] / mask.size)) for i in order)
    return Mask(mask, shares, context.file, context.text, context.classes)


def classes_of_pixels(scores: np.ndarray, axis: int) -> np.ndarray:
    """uint8: of every pixel the class with the highest score."""
    return np.asarray(scores.argmax(axis), np.uint8)


# -------------------------------------------------------------------------------------------------------- of every task
ANSWERS: dict[str, Callable[[np.ndarray, OutputContext], Answer]] = {
    CLASSIFICATION.name: prediction_of,
    MULTILABEL.name: labels_of,
    REGRESSION.name: values_of,
    SEGMENTATION.name: mask_of,
}


def answer_of(task: Task | str, scores: np.ndarray, context: OutputContext) -> Answer:
    """What a network's *scores* for one item mean in a *task*, as floats before any softmax or sigmoid.

    Raises:
        RecipeError: No task has the name.

    >>> answer_of("classification", np.zeros(2), OutputContext(("cat", "dog"))).line()
    'cat 50.0%, dog 50.0%'
    """
    return ANSWERS[task_named(task).name](scores, context)
