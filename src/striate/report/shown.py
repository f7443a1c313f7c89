"""The items that a page shows: pictures with what is drawn over them, sentences, signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.report.markup import Html, el
from striate.report.pictures import as_shown, data_url

Point = tuple[float, float]
LONGEST_TEXT = 600  # letters of a text that are shown


@dataclass(frozen=True, eq=False)
class Shown:
    """What a page shows of one item.

    Args:
        picture: uint8, as :func:`data_url` takes it.
        text: A sentence, where the item is one.
        signal: Numbers to be drawn as curves, float ``(C, L)``.
        truth: The true mask, class numbers ``(H, W)``.
        answer: The model's mask.
        true_points: Places ``(x, y)`` as shares of the picture's sides.
        said_points: Where the model says that they are.
    """

    picture: NDArray[Any] | None = None
    text: str | None = None
    signal: NDArray[Any] | None = None
    truth: NDArray[np.uint8] | None = None
    answer: NDArray[np.uint8] | None = None
    true_points: tuple[Point, ...] = ()
    said_points: tuple[Point, ...] = ()


def view(shown: Shown | None, alt: str) -> Html:
    """The item itself: a picture with its points, a text, curves, or a box that says that there is none."""
    match shown:
        case Shown(text=str(text)):
            return el("blockquote", text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …")
        case Shown(signal=np.ndarray() as signal):
            return _curves(signal, alt)
        case Shown(picture=np.ndarray() as picture):
            image = el("img", src=data_url(picture), alt=alt)
            return el("div", image, _points(shown), class_="pointed") if shown.true_points else image
        case _:
            return el("div", "no picture", class_="absent")


def _points(shown: Shown) -> Html:
    """An upright cross where the truth is, a slanting one where the answer is."""
    assert shown.picture is not None
    height, width = as_shown(np.asarray(shown.picture)).shape[:2]
    arm = max(height, width) / 16
    parts = []
    for kind, points, (a, b) in (("truth", shown.true_points, (arm, 0)), ("said", shown.said_points, (0.7 * arm,) * 2)):
        for x, y in points:
            path = f"M{x * width - a:.2f} {y * height - b:.2f}l{2 * a:.2f} {2 * b:.2f}"
            path += f"M{x * width + b:.2f} {y * height - a:.2f}l{-2 * b:.2f} {2 * a:.2f}"
            parts += [el("path", d=path, class_="halo"), el("path", d=path, class_=kind)]
    return el("svg", *parts, viewBox=f"0 0 {width} {height}", aria_hidden="true")


def _curves(signal: NDArray[Any], alt: str) -> Html:
    """The channels of a signal, one over the other in one box."""
    low, high = float(signal.min()), float(signal.max())
    step = max(1, signal.shape[1] // 300)
    lines = []
    for channel in signal[:4, ::step]:
        ys = 57 - 54 * (channel.astype(float) - low) / ((high - low) or 1)
        xs = np.linspace(2, 94, len(ys))
        lines.append(el("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))))
    return el("svg", *lines, viewBox="0 0 96 60", role="img", aria_label=alt, class_="signal")
