"""Classification: one class for an item, from its scores ``(K,)``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.metrics.calibration import log_softmax
from striate.metrics.conformal import energy, prediction_set
from striate.tasks.answers.answer import OutputContext, named

UNKNOWN_CLASS = "unknown"  # what is answered where no class is probable enough


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
