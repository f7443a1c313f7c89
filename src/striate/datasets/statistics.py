"""What is counted over a training split: its channels' mean and std, the weights of its classes, an even choice."""

from __future__ import annotations

import numpy as np

from striate.datasets.counter import uniforms
from striate.datasets.dataset import DataSet
from striate.errors import RecipeError
from striate.model.contract import IGNORE, IMAGES, Contract

BALANCE = ("none", "weights", "sampling")
MAX_WEIGHT = 10.0  # times as much as in the median class (or as a wrong yes) a class counts for at most
_CHUNK = 1 << 22  # values looked at together: what is mapped from a file is never in memory as a whole
_STREAM = 16  # of random numbers; the classes take the ones from here on
_COPY = 40  # the n-th further copy of an item in an epoch has the number: item + n * 2**40


def first_contract(
    dataset: DataSet, input: tuple[int, ...], mode: str, vocabulary: tuple[str, ...] = (), resize: str = "stretch"
) -> Contract:
    """What of the contract is known before anything is read: means are 0 and standard deviations 1 as yet."""
    channels = 0 if mode == "text" else input[0]
    values = len(dataset.classes) if dataset.task.standardised else 0
    numbers = tuple(range(len(dataset.classes)))
    return Contract(
        dataset.classes,
        input,
        mode,
        (0.0,) * channels,
        (1.0,) * channels,
        resize=resize,
        task=dataset.task,
        target_mean=(0.0,) * values,
        target_std=(1.0,) * values,
        positions=dataset.positions,
        value_range=dataset.value_range if mode in IMAGES else (),
        mask_values=(dataset.mask_values or numbers) if dataset.task.per_pixel else (),
        vocabulary=vocabulary,
    )


def channel_statistics(inputs: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """``(mean, std)`` of each channel: of uint8 ``(N, C, ...)`` scaled to 0..1, of floats ``(N, C, ...)`` as they are.

    Of bytes from counts of the 256 values, so the result is exact and the same in any order of the images; std is
    1/255 at least, which keeps a data set of one flat colour from being divided by zero. The std of values that are
    all the same is 1.

    >>> channel_statistics(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    return _of_bytes(inputs) if inputs.dtype == np.uint8 else _of_values(inputs)


def _of_bytes(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    counts = np.zeros((images.shape[1], 256), np.int64)
    for chunk in _chunks(images):  # bincount widens to 8 bytes
        for channel, count in enumerate(counts):
            count += np.bincount(chunk[:, channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean = weights @ values
    variance = (weights * (values - mean[:, None]) ** 2).sum(axis=1)
    return tuple(mean.tolist()), tuple(np.maximum(np.sqrt(variance), 1 / 255).tolist())


def _of_values(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """In two passes: the deviations from the mean are summed, not the squares, which would cancel."""
    axes = (0, *range(2, values.ndim))
    each = values.size / values.shape[1]
    mean = sum(chunk.sum(axes, np.float64) for chunk in _chunks(values)) / each
    middle = mean.reshape(-1, *[1] * (values.ndim - 2))
    variance = sum(((chunk - middle) ** 2).sum(axes) for chunk in _chunks(values)) / each
    std = np.sqrt(variance)
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())


def _chunks(inputs: np.ndarray) -> list[np.ndarray]:
    step = max(1, _CHUNK // max(1, inputs[:1].size))
    return [inputs[i : i + step] for i in range(0, len(inputs), step)]


def class_weights(targets: np.ndarray, k: int) -> np.ndarray:
    """float32 ``(k,)``: how much each class counts for in the loss, so that rare ones are not drowned.

    Classification, int ``(N,)``: ``N / (classes present * items of the class)``, the mean over the items is 1
    (King and Zeng 2001; scikit-learn's "balanced"). Segmentation, uint8 ``(N, H, W)``: median frequency balancing
    (Eigen and Fergus 2015, arXiv 1411.4734, section 6.3.2): the median of the classes' frequencies over the class's
    own, a frequency being its pixels over all pixels of the images that contain it; at most ``MAX_WEIGHT``, then scaled
    to a mean of 1 over the pixels. Multilabel, uint8 ``(N, k)``: what a yes counts for where a no counts 1: the noes
    over the yeses, from 1/``MAX_WEIGHT`` to ``MAX_WEIGHT``. A class without any items has weight 1.

    Raises:
        RecipeError: The targets are the values of a regression.

    >>> class_weights(np.array([0, 0, 0, 1]), 2)
    array([0.6666667, 2.       ], dtype=float32)
    """
    if targets.dtype.kind == "f":
        raise RecipeError("balance: regression has no classes to weight; use balance=none")
    if targets.ndim == 2:
        yes = targets.sum(axis=0, dtype=np.int64)
        ratio = (len(targets) - yes) / np.maximum(yes, 1)
        return np.where(yes > 0, ratio.clip(1 / MAX_WEIGHT, MAX_WEIGHT), 1).astype(np.float32)
    if targets.ndim == 3:
        counts, seen_among = _pixels(targets, k)
    else:
        counts, seen_among = np.bincount(targets, minlength=k), np.full(k, len(targets))
    present = counts > 0
    frequency = counts[present] / seen_among[present]
    weights = np.ones(k)
    weights[present] = (np.median(frequency) / frequency).clip(max=np.inf if targets.ndim == 1 else MAX_WEIGHT)
    weights[present] *= counts.sum() / (weights * counts).sum()
    return weights.astype(np.float32)


def _pixels(masks: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    counts, seen_among = np.zeros(k, np.int64), np.zeros(k, np.int64)
    for mask in masks:  # one at a time: they may be mapped from the disk
        here = np.bincount(mask.ravel(), minlength=IGNORE + 1)[:k]
        counts += here
        seen_among += (here > 0) * here.sum()
    return counts, seen_among


def even_choice(targets: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """int64 ``(N,)``: the items of an *epoch* in which every class of *targets* ``(N,)`` is as frequent as the others.

    The classes take turns, and so do the items of a class, over all epochs: each is taken as often as the others, to
    within one; in which order, a hash of the seed decides. A further copy of an item in an epoch has another number
    (see :func:`original_items`), so that it is augmented in another way.

    >>> original_items(even_choice(np.array([0, 0, 0, 1]), seed=0, epoch=0)).tolist()
    [2, 3, 0, 3]
    """
    n, classes = len(targets), np.unique(targets)
    chosen = np.empty(n, np.int64)
    for turn, class_ in enumerate(classes):
        # of the places 0, 1, 2, ... of all epochs the class has every len(classes)-th
        first = (epoch * n - turn + len(classes) - 1) // len(classes)
        end = ((epoch + 1) * n - turn + len(classes) - 1) // len(classes)
        places = (turn - epoch * n) % len(classes) + np.arange(end - first) * len(classes)
        chosen[places] = _in_turn(np.flatnonzero(targets == class_), first, end, seed, _STREAM + int(class_))
    return chosen


def _in_turn(items: np.ndarray, first: int, end: int, seed: int, stream: int) -> np.ndarray:
    """The *first* to the *end* of an endless list: the *items* in one order, then in another, and so on."""
    rounds = np.arange(first // len(items), -(-end // len(items)))
    numbers = rounds[:, None] * len(items) + np.arange(len(items))
    keys = uniforms(seed, 0, numbers.ravel(), 1, stream=stream).reshape(numbers.shape)
    order = items[np.argsort(keys, axis=1, kind="stable")].ravel()
    start = first - first // len(items) * len(items)
    taken: np.ndarray = order[start : start + end - first]
    taken += occurrence(taken) << _COPY
    return taken


def occurrence(values: np.ndarray) -> np.ndarray:
    """How often each value came before it in *values*.

    >>> occurrence(np.array([5, 3, 5, 5, 3]))
    array([0, 0, 1, 2, 1])
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    run_start = np.r_[True, ordered[1:] != ordered[:-1]]
    starts = np.maximum.accumulate(np.where(run_start, np.arange(len(values)), 0))
    seen = np.empty(len(values), np.int64)
    seen[order] = np.arange(len(values)) - starts
    return seen


def original_items(numbers: np.ndarray) -> np.ndarray:
    """The items that the *numbers* are copies of.

    >>> original_items(np.array([3, 3 + (1 << 40)])).tolist()
    [3, 3]
    """
    return numbers & ((1 << _COPY) - 1)
