"""Whatever gives scores for prepared inputs, by a contract; from there to answers, whatever computes. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import DataError
from striate.metrics.calibration import log_softmax
from striate.model.contract import Contract
from striate.model.ordinary import unlike
from striate.model.placing import in_pixels, upright_mask
from striate.model.sources import Item, Source, network_inputs, source_items, sources_in
from striate.tasks.answers import Answer, OutputContext, answer_of

MAX_SCORES = 2**24  # that a batch gives at most, where every pixel has some


class Predictor(ABC):
    """A network with its contract, ready to predict: a :class:`~striate.model.model.Model`, which computes with torch,
    or an :class:`~striate.runtime.OnnxModel`. An engine adds :meth:`scores`; all else is here.

    Args:
        contract: How items are prepared, and what the outputs mean.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.path: Path | None = None  # the file that it was loaded from

    @abstractmethod
    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """float32 or wider, before any softmax or sigmoid, for prepared *inputs* ``(N, *contract.input)``."""

    def log_probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Of every class, in natural logarithms: prepared inputs to float64 ``(N, K)``."""
        return log_softmax(self.scores(inputs), self.contract.temperature)

    def at_a_time(self, batch_size: int) -> int:
        """How many items of a batch can go through the network together without filling the memory with scores."""
        outputs = self.contract.task.outputs_of(len(self.contract.classes), self.contract.input)
        return max(1, min(batch_size, MAX_SCORES // prod(outputs)))

    def predict(
        self,
        source: Source | Iterable[Source],
        *,
        batch_size: int = 64,
        threshold: float | None = None,
        sets: float | None = None,
    ) -> list[Any]:
        """The predictions for *source*, in order: each a :class:`Prediction`; for several labels :class:`Labels`, for
        numbers :class:`Values`, for pixels a :class:`Mask`.

        Args:
            source: An image file, a folder of them (searched through), a Pillow image, an array or a tensor
                (``(H, W)`` or ``(H, W, C)``; uint8, or floats in 0..1), a batch of these, or a list. For a model of
                texts: a sentence, or a file with a sentence per line (a ``Path``, or a name that ends in ``.txt``).
                For one of values: an array of the contract's input, a batch of them, or a ``.npy`` file.
            batch_size: How many items go through the network at a time.
            threshold: The probability from which on one of several labels is predicted [0.5]; of one class per item
                that below which the answer is "unknown" [the contract's].
            sets: With one class per item: also the classes that contain the right one for this share of the items.

        Raises:
            DataError: Naming the first that cannot be read.
            RecipeError: No prediction sets of such a coverage are known.
        """
        answers = []
        for answer in self.answers(sources_in(source), batch_size=batch_size, threshold=threshold, sets=sets):
            if isinstance(answer, DataError):
                raise answer
            answers.append(answer)
        return answers

    def least(self, sets: float | None) -> float | None:
        """The probability from which on a class is in the prediction sets of that coverage; None: of no sets."""
        return None if sets is None else self.contract.least_for(sets)

    def answers(
        self,
        sources: Iterable[Source | Item | DataError],
        *,
        batch_size: int = 64,
        threshold: float | None = None,
        sets: float | None = None,
        notice: Callable[[Item, tuple[str, ...]], None] | None = None,
    ) -> Iterator[Answer | DataError]:
        """As :meth:`predict`, one by one, with the error in place of a prediction that cannot be made; *notice* is
        told of each item that is unlike those of training, and in what.
        """
        least = self.least(sets)
        items = (item for source in sources for item in source_items(source, self.contract))
        batch_size = self.at_a_time(batch_size)
        batches = iter(lambda: [*islice(items, batch_size)], [])
        for some, read in network_inputs(batches, self.contract):
            good = [found[0] for found in read if not isinstance(found, DataError)]
            scores = iter(self.scores(np.stack(good)) if good else [])
            if notice and good:
                taken = [(item, found[1]) for item, found in zip(some, read, strict=True) if isinstance(found, tuple)]
                odd = unlike(np.stack(good), [size for _, size in taken], self.contract)
                for (item, _), words in zip(taken, odd, strict=True):
                    if words and isinstance(item, Item):
                        notice(item, words)
            for item, found in zip(some, read, strict=True):
                if isinstance(item, DataError):
                    yield item
                elif isinstance(found, DataError):
                    yield found
                else:
                    size = None if found[1] is None else np.array([found[1]])
                    of: dict[str, Any] = {"threshold": threshold, "file": item.file, "text": item.text, "least": least}
                    context = output_context(self.contract, size, **of)
                    yield answer_of(self.contract.task, next(scores), context)


def meaning(scores: np.ndarray, contract: Contract) -> np.ndarray:
    """float64: the probabilities of *scores* ``(N, K, ...)``; in regression values in the data's own units, positions
    as shares of the input's sides.

    >>> meaning(np.zeros((1, 2)), Contract(("dark", "bright"), (1, 2, 2), "L", (0.5,), (0.5,)))
    array([[0.5, 0.5]])
    """
    if contract.task.activation == "softmax":
        return np.moveaxis(np.exp(log_softmax(np.moveaxis(scores, 1, -1), contract.temperature)), -1, 1)
    scores = scores.astype(np.float64)
    if contract.task.activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-(scores / contract.temperature).clip(-700, 700))))
    return np.asarray(scores * contract.target_std + contract.target_mean)


def output_context(
    contract: Contract,
    sizes: np.ndarray | None = None,
    *,
    names: tuple[str, ...] | None = None,
    threshold: float | None = None,
    file: str | None = None,
    text: str | None = None,
    least: float | None = None,
) -> OutputContext:
    """How what *contract* did to items is undone, for :mod:`striate.tasks.answers`.

    Args:
        contract: Says how targets were standardised, and which are positions.
        sizes: int ``(N, 2)``, the images' width and height as they came, in whose pixels positions and masks are given;
            those of the network's input, if not given.
        names: Of the items.
        threshold: The probability from which on a label is predicted, or below which a class is "unknown"; the
            contract's, if not given.
        file: Where one item came from.
        text: One item, where it is a text.
        least: The probability from which on a class is in the prediction set; None: no sets.
    """
    return OutputContext(
        contract.classes,
        names,
        contract.positions,
        contract.threshold if threshold is None else threshold,
        contract.temperature,
        least,
        contract.energy,
        file=file,
        text=text,
        unstandardise=lambda scores: meaning(scores, contract),
        in_pixels=lambda values: in_pixels(values, contract, sizes),
        upright=lambda mask, size=None: upright_mask(
            mask, contract, size or (None if sizes is None else (*sizes[0].tolist(),))
        ),
    )
