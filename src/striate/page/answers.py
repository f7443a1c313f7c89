"""What a page asks of a network that is too large for it: pictures, values and weights, of any input and any edits."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.errors import Error
from striate.page.live import Edit, LiveNetwork, Off
from striate.spec import Shape

HEAD = 1 << 20  # bytes of the question itself, before the input
SENT = 1 << 26  # numbers of an answer
KEPT = 1 << 30  # bytes of activations that are kept of earlier inputs; those of the last one are kept in any case
MAX_EDITS = 1000


class AskError(Error):
    """A question that no page of ours asks."""


class Answers:
    """Answers one page's questions about *live*. A question says everything: input, edits, and what is wanted of them.

    It is one line of JSON and then the input's bytes (uint8 of an image, else little-endian float32)::

        {"edits": [[place, value], ...], "off": [[layer, channel], ...],
         "pictures": [[layer, step], ...], "values": [start, count, ...], "weights": [start, count, ...]}

    Layers are numbers, places those among the values of all layers (or all weights) one behind the other. The answer is
    little-endian float32: of each picture the largest absolute value of each map and then every *step*-th cell of every
    map, then the values, then the weights.

    >>> from striate.inspect.models.inspected import inspected
    >>> live = LiveNetwork.of(inspected("conv 2 3; flatten; linear 3", (1, 8, 8)))
    >>> question = json.dumps({"edits": [], "off": [], "pictures": [[0, 2]], "values": [], "weights": [0, 9]})
    >>> answer = Answers(live)(question.encode() + b"\\n" + bytes(64))
    >>> len(answer) == 4 * (2 + 2 * 3 * 3 + 9)
    True
    """

    def __init__(self, live: LiveNetwork) -> None:
        self.live = live
        self._runs: OrderedDict[tuple[bytes, tuple[Edit, ...], tuple[Off, ...]], dict[str, Tensor]] = OrderedDict()
        self._lock = Lock()
        sizes = [math.prod(layer.shape) for layer in live.layers]
        self._size = 4 * sum(sizes)
        self._firsts = np.cumsum([0, *sizes])
        pairs = {start: tensor for own in live.tensors.values() for start, tensor in own.values()}
        self._weights = sorted(pairs.items())

    @property
    def limit(self) -> int:
        """The most bytes that a question may have."""
        return HEAD + self._bytes

    @property
    def _bytes(self) -> int:
        return math.prod(self.live.model.contract.input) * self._type.itemsize

    @property
    def _type(self) -> np.dtype[Any]:
        return np.dtype("<f4" if self.live.model.contract.mode in ("text", "values") else "u1")

    def __call__(self, question: bytes) -> bytes:
        """The answer.

        Raises:
            AskError: The question is none.
        """
        head, _, raw = question.partition(b"\n")
        asked = _parsed(head)
        edits, off = self._edits(asked["edits"]), self._off(asked["off"])
        pictures = _pairs(asked["pictures"], len(self.live.layers), 1 << 20)
        if any(step == 0 for _, step in pictures):
            raise AskError("a picture has a step from 1")
        values = _runs(asked["values"], int(self._firsts[-1]))
        weights = _runs(asked["weights"], self._weights[-1][0] + self._weights[-1][1].numel() if self._weights else 0)
        cells = sum(
            shape[0] + cells_of(shape, step) for shape, step in ((self.live.layers[i].shape, s) for i, s in pictures)
        )
        if cells + sum(n for _, n in [*values, *weights]) > SENT:
            raise AskError(f"more than {SENT:,} numbers")
        self._check(raw)
        run = self._run(raw, edits, off) if pictures or values else {}
        parts = [picture(run[self.live.layers[i].name], step) for i, step in pictures]
        parts += [self._values(run, start, n) for start, n in values]
        if weights:
            with self._lock:  # a run that goes on may have edited some
                parts += [self._of_weights(start, n) for start, n in weights]
        return b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in parts)

    def _check(self, raw: bytes) -> None:
        contract = self.live.model.contract
        if len(raw) != self._bytes:
            raise AskError(f"an input of {len(raw)} bytes; expected {self._bytes}")
        words = np.frombuffer(raw, self._type) if contract.mode == "text" else np.zeros(0)
        if not np.isin(words, np.arange(len(contract.vocabulary) + 2)).all():
            raise AskError("a word number that the vocabulary has not")

    def run(self, item: np.ndarray) -> dict[str, Tensor]:
        """The values of every layer for a prepared *item*, kept for the questions about it that follow."""
        return self._run(item.astype(self._type).tobytes(), (), ())

    def _run(self, raw: bytes, edits: tuple[Edit, ...], off: tuple[Off, ...]) -> dict[str, Tensor]:
        contract = self.live.model.contract
        item = np.frombuffer(raw, self._type).reshape(contract.input)
        item = item.astype(np.int64) if contract.mode == "text" else item
        key = (raw, edits, off)
        with self._lock:
            if key not in self._runs:
                while self._runs and (len(self._runs) + 1) * self._size > KEPT:
                    self._runs.popitem(last=False)
                self._runs[key] = self.live.values(item, edits, off)
            self._runs.move_to_end(key)
            return self._runs[key]

    def _edits(self, given: Any) -> tuple[Edit, ...]:
        size = self._weights[-1][0] + self._weights[-1][1].numel() if self._weights else 0
        if not isinstance(given, list) or len(given) > MAX_EDITS:
            raise AskError(f"edits: expected a list of up to {MAX_EDITS}")
        for pair in given:
            right = isinstance(pair, list) and len(pair) == 2 and _whole(pair[0], size)
            if not right or type(pair[1]) not in (int, float) or not abs(pair[1]) < 3e38:
                raise AskError("an edit is the place of a weight and a number")
        return tuple((index, float(value)) for index, value in given)

    def _off(self, given: Any) -> tuple[Off, ...]:
        pairs = _pairs(given, len(self.live.layers), 1 << 20)
        named = [(self.live.layers[i], channel) for i, channel in pairs]
        if (pairs and self.live.report is None) or any(channel >= layer.shape[0] for layer, channel in named):
            raise AskError("off: no such channel")
        return tuple((layer.name, channel) for layer, channel in named)

    def _values(self, run: dict[str, Tensor], start: int, n: int) -> np.ndarray:
        found = []
        while n:
            i = int(np.searchsorted(self._firsts, start, "right")) - 1
            own = run[self.live.layers[i].name].reshape(-1)
            at = start - int(self._firsts[i])
            part = own[at : at + n]
            found.append(part.numpy())
            start, n = start + len(part), n - len(part)
        return np.concatenate(found)

    def _of_weights(self, start: int, n: int) -> np.ndarray:
        found = []
        for first, tensor in self._weights:
            low, high = max(start, first), min(start + n, first + tensor.numel())
            if low < high:
                found.append(tensor.detach().reshape(-1)[low - first : high - first].float().cpu().numpy())
        return np.concatenate(found)


def picture(value: Tensor, step: int) -> np.ndarray:
    """Of every map the largest absolute value, then of every map each *step*-th cell along its last two axes.

    >>> picture(torch.arange(9.0).reshape(1, 3, 3) - 4, 2).tolist()
    [4.0, -4.0, -2.0, 2.0, 4.0]
    """
    cells = value[..., ::step, ::step] if value.ndim > 2 else value[:, ::step] if value.ndim > 1 else value
    limits = torch.nan_to_num(value).flatten(1).abs().amax(1) if value.ndim > 1 else torch.nan_to_num(value).abs()
    return np.concatenate([limits.numpy(), cells.reshape(-1).numpy()])


def cells_of(shape: Shape, step: int) -> int:
    """How many cells a picture of maps of *shape* has: each *step*-th along the last two axes.

    >>> cells_of((6, 28, 28), 3), cells_of((10,), 3)
    (600, 10)
    """
    return math.prod(-(-n // step) if i >= max(1, len(shape) - 2) else n for i, n in enumerate(shape))


def _parsed(head: bytes) -> dict[str, Any]:
    if len(head) > HEAD:
        raise AskError("too long")
    try:
        asked = json.loads(head)
    except (ValueError, RecursionError):
        raise AskError("no JSON") from None
    names = {"edits", "off", "pictures", "values", "weights"}
    if not isinstance(asked, dict) or set(asked) != names:
        raise AskError(f"expected an object of {', '.join(sorted(names))}")
    return asked


def _whole(value: object, end: int) -> bool:
    return type(value) is int and 0 <= value < end


def _pairs(given: Any, end: int, second: int) -> list[tuple[int, int]]:
    if not isinstance(given, list) or len(given) > 10_000:
        raise AskError("expected a list of pairs")
    for pair in given:
        if not (isinstance(pair, list) and len(pair) == 2 and _whole(pair[0], end) and _whole(pair[1], second)):
            raise AskError(f"expected pairs of whole numbers below {end} and {second}")
    return [(first, other) for first, other in given]


def _runs(given: Any, end: int) -> list[tuple[int, int]]:
    if not isinstance(given, list) or len(given) % 2 or not all(_whole(value, end + 1) for value in given):
        raise AskError("expected starts and counts")
    pairs = list(zip(given[::2], given[1::2], strict=True))
    if any(n == 0 or start + n > end for start, n in pairs):
        raise AskError(f"expected runs below {end}")
    return pairs
