"""Segmentation: a class for every pixel of an item, from its scores ``(K, H, W)``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.tasks.answers.answer import OutputContext, named
from striate.tasks.task import IGNORE


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
