"""What a model says of one item, for each task: the numbers of its outputs as an answer for people."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from striate.model.contract import IGNORE, Contract
from striate.model.placing import placed

THRESHOLD = 0.5  # of a label's probability: from here on it is answered


@dataclass(frozen=True)
class Prediction:
    """The answer for one item: the likeliest class, its probability, and all classes from the likeliest down."""

    class_: str
    probability: float
    top: tuple[tuple[str, float], ...]
    file: str | None = None  # None for an image, an array or a text that was given itself
    text: str | None = None  # the text that it answers for, if one

    def as_dict(self) -> dict[str, object]:
        """As ``striate predict --json`` prints it."""
        top = [{"class": name, "probability": p} for name, p in self.top]
        return _named(self) | {"class": self.class_, "probability": self.probability, "top": top}

    def line(self, top: int = 3) -> str:
        """The *top* likeliest classes."""
        return ", ".join(f"{name} {p:.1%}" for name, p in self.top[:top])


@dataclass(frozen=True)
class Labels:
    """The answer where an item may have several labels: those that it has, and every label's probability."""

    labels: tuple[str, ...]
    probabilities: tuple[tuple[str, float], ...]  # in the order of the contract
    file: str | None = None
    text: str | None = None

    def as_dict(self) -> dict[str, object]:
        every = [{"class": name, "probability": p} for name, p in self.probabilities]
        return _named(self) | {"labels": list(self.labels), "probabilities": every}

    def line(self, top: int = 3) -> str:
        known = dict(self.probabilities)
        return ", ".join(f"{name} {known[name]:.1%}" for name in self.labels) or "no label"


@dataclass(frozen=True)
class Values:
    """The answer where numbers are predicted, in the data's own units; positions in pixels of the image as it came."""

    values: tuple[tuple[str, float], ...]
    file: str | None = None
    text: str | None = None

    def as_dict(self) -> dict[str, object]:
        return _named(self) | {"values": dict(self.values)}

    def line(self, top: int = 3) -> str:
        return ", ".join(f"{name} {value:.6g}" for name, value in self.values)


@dataclass(frozen=True)
class Mask:
    """The answer for every pixel: class numbers, uint8 ``(H, W)`` in the image's own size; 255 where the contract
    does not look (beyond a crop). ``shares`` are the classes that occur, with their part of the pixels, largest first.
    """

    mask: np.ndarray = field(repr=False, compare=False)
    shares: tuple[tuple[str, float], ...] = ()
    file: str | None = None
    text: str | None = None

    def as_dict(self) -> dict[str, object]:
        shares = [{"class": name, "share": share} for name, share in self.shares]
        return _named(self) | {"size": list(self.mask.shape), "classes": shares}

    def line(self, top: int = 3) -> str:
        return ", ".join(f"{name} {share:.1%}" for name, share in self.shares[:top])


Answer = Prediction | Labels | Values | Mask


def _named(answer: Answer) -> dict[str, object]:
    return {"file": answer.file} | ({} if answer.text is None else {"text": answer.text})


def answer_of(
    scores: np.ndarray,
    contract: Contract,
    *,
    size: tuple[int, int] | None = None,
    threshold: float = THRESHOLD,
    file: str | None = None,
    text: str | None = None,
) -> Answer:
    """What the network's *scores* for one item say.

    Args:
        scores: Floating point, as the loss takes them: ``(K,)`` before any softmax or sigmoid, standardised ``(V,)``,
            or ``(K, H, W)``.
        contract: Says the task.
        size: Of an image: its width and height as it came; the contract's own, if not given.
        threshold: The probability from which on a label is answered.
        file: Where the item came from.
        text: The item, where it is a text.
    """
    match contract.task:
        case "multilabel":
            p = 1 / (1 + np.exp(-scores.astype(np.float64).clip(-700, 700)))
            every = tuple(zip(contract.classes, p.tolist(), strict=True))
            return Labels(tuple(name for name, value in every if value >= threshold), every, file, text)
        case "regression":
            values = in_source_units(scores[None], contract, None if size is None else np.array([size]))[0]
            return Values(tuple(zip(contract.classes, values.tolist(), strict=True)), file, text)
        case "segmentation":
            mask = as_it_came(scores.argmax(0).astype(np.uint8), contract, size)
            counts = np.bincount(mask[mask != IGNORE], minlength=len(contract.classes))
            order = [i for i in np.argsort(-counts, kind="stable").tolist() if counts[i]]
            shares = tuple((contract.classes[i], float(counts[i] / mask.size)) for i in order)
            return Mask(mask, shares, file, text)
        case _:
            p = np.exp(log_softmax(scores.astype(np.float64)))
            order = np.argsort(-p, kind="stable")
            top = tuple((contract.classes[i], float(p[i])) for i in order)
            return Prediction(*top[0], top, file, text)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis.

    >>> np.exp(log_softmax(np.zeros(4)))
    array([0.25, 0.25, 0.25, 0.25])
    """
    return torch.from_numpy(np.asarray(scores, np.float64)).log_softmax(-1).numpy()  # to the bit as an exported file


def in_source_units(scores: np.ndarray, contract: Contract, sizes: np.ndarray | None = None) -> np.ndarray:
    """Standardised values ``(N, V)`` as the data's own numbers, float64.

    Args:
        scores: What the network gives.
        contract: Says how it was standardised, and which values are positions.
        sizes: int ``(N, 2)``, the images' width and height as they came, in whose pixels positions are given; those of
            the network's input, if not given.
    """
    values = scores.astype(np.float64) * contract.target_std + contract.target_mean
    return places(values, contract, sizes)


def places(values: np.ndarray, contract: Contract, sizes: np.ndarray | None = None) -> np.ndarray:
    """*values* ``(N, V)`` with the positions, shares of the input's sides, as pixels of the images as they came."""
    if not contract.positions:
        return values
    values = values.copy()
    _, height, width = contract.input
    for row, size in zip(values, [(width, height)] * len(values) if sizes is None else sizes, strict=True):
        scale_x, scale_y, left, top = placed((int(size[0]), int(size[1])), contract)
        for x, y in contract.positions:
            row[x], row[y] = (row[x] * width - left) / scale_x, (row[y] * height - top) / scale_y
    return values


def as_it_came(mask: np.ndarray, contract: Contract, size: tuple[int, int] | None) -> np.ndarray:
    """A mask ``(h, w)`` of the network's input as one of the image of *size* (width, height), by the nearest pixel; 255
    where the contract does not look.

    >>> contract = Contract(("a", "b"), (1, 2, 2), "L", (0.5,), (0.5,), resize="crop")
    >>> as_it_came(np.array([[0, 1], [1, 0]], np.uint8), contract, (4, 2))
    array([[255,   0,   1, 255],
           [255,   1,   0, 255]], dtype=uint8)
    """
    if size is None:
        return mask
    scale_x, scale_y, left, top = placed(size, contract)
    (height, width), (w, h) = mask.shape, size
    xs = np.floor((np.arange(w) + 0.5) * scale_x + left).astype(int)
    ys = np.floor((np.arange(h) + 0.5) * scale_y + top).astype(int)
    seen = ((ys >= 0) & (ys < height))[:, None] & ((xs >= 0) & (xs < width))
    return np.where(seen, mask[np.ix_(ys.clip(0, height - 1), xs.clip(0, width - 1))], IGNORE).astype(np.uint8)
