"""Regression: numbers for an item, from its standardised scores ``(V,)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.tasks.answers.answer import OutputContext, named


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
