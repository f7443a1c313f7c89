"""Multilabel: any number of labels for an item, from its scores ``(K,)``, log-odds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.tasks.answers.answer import OutputContext, named

THRESHOLD = 0.5  # of a label's probability: from here on it is predicted, where nothing else is said


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
