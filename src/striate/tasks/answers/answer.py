"""What an answer is in every task, and what besides the scores of an item decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


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
