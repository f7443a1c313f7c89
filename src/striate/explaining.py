"""Which parts of an item speak for an answer: the map, on the image where its cells really lie, with its checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.draw import Panel, Picture, Scale, photo, sheet, values
from striate.errors import SeeError, nearest
from striate.model.sources import Source
from striate.model.words import words_of
from striate.see.attribution import (
    METHODS,
    Attribution,
    Curve,
    completeness,
    deletion,
    insertion,
    placed,
    randomised,
)
from striate.see.target import Target, named_target
from striate.seeing import Subject, drawn

SHARE = 99.5  # percent of a map's pixels whose colours differ: a few extreme ones would leave the others white


@dataclass(frozen=True, eq=False)
class Explanation:
    """One map of one item.

    Args:
        found: What the method gave, raw.
        asked: The target in words: ``"class cat"``.
        image: What the network saw, uint8, to draw; None of what is no image.
        words: Of a text: its words, as many as the map has.
        on_input: The map on the input's places, ``(H, W)``; of a text ``(L,)``.
        about: Which layer and why, what the map is, what should be known.
        checks: A line for each check that was made.
    """

    found: Attribution
    asked: str
    image: np.ndarray | None
    words: tuple[str, ...]
    on_input: np.ndarray
    about: tuple[str, ...]
    checks: tuple[tuple[str, bool, str], ...] = ()
    curves: tuple[Curve, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        f = self.found
        return {
            "method": f.method,
            "target": self.asked,
            "score": f.score,
            "layer": f.layer,
            "shape": list(f.values.shape),
            "min": float(f.values.min()),
            "max": float(f.values.max()),
            "sum": float(f.values.sum()),
            "fails_randomisation": f.fails_randomisation,
            "about": list(self.about),
            "words": [{"word": w, "value": float(v)} for w, v in zip(self.words, self.on_input.ravel(), strict=False)],
            "checks": [{"check": name, "good": good, "verdict": verdict} for name, good, verdict in self.checks],
        }

    def __str__(self) -> str:
        lines = [f"{self.found.method} for {self.asked} (score {self.found.score:.4g})", *self.about]
        if self.words:
            wide = max(map(len, self.words))
            pairs = zip(self.words, self.on_input.ravel().tolist(), strict=False)
            lines += [f"  {word:<{wide}} {value:>+10.4f}" for word, value in pairs]
        lines += [f"{'+' if good else '!'} {name}: {verdict}" for name, good, verdict in self.checks]
        return "\n".join(lines)

    @property
    def scale(self) -> Scale:
        """Of the map's colours; of a map of pixels it ends before the last few."""
        whole = Scale.of(self.on_input)
        if self.found.layer is not None or not self.on_input.any():
            return whole
        limit = float(np.percentile(np.abs(self.on_input[self.on_input != 0]), SHARE))
        return Scale(limit or whole.limit, whole.signed)

    def panels(self, side: int = 260) -> list[Panel]:
        """The map, and the map over the image."""
        if self.image is None:
            row = self.on_input.reshape(1, -1) if self.on_input.ndim == 1 else self.on_input
            return [values(row, self.scale, title=self.found.method, note=" ".join(self.words), side=side * 2)]
        return [
            values(self.on_input, self.scale, title=self.found.method, side=side),
            photo(over(self.image, self.on_input, self.scale), title="over the image", side=side),
        ]

    def picture(self) -> Picture:
        """The image, the map, and the map over the image; what should be known, and the checks, below."""
        lead = [] if self.image is None else [photo(self.image, title="what the network saw", side=260)]
        lines = [
            *self.about,
            *(f"{'passed' if good else 'FAILED'}, {name}: {text}" for name, good, text in self.checks),
        ]
        panels = [*lead, *self.panels()]
        title = f"{self.found.method}: what speaks for {self.asked}"
        return sheet(panels, columns=len(panels), title=title, scale=self.scale, footer="\n".join(lines))


def explain(
    subject: Subject,
    source: Source,
    target: str = "",
    *,
    method: str = "grad_cam",
    layer: str | None = None,
    check: bool = False,
) -> Explanation:
    """The map of *method* for what the network answers for *source*, or for *target*.

    Args:
        subject: The network.
        source: An image file, say.
        target: A class, its number, or a unit ``LAYER:CHANNEL:Y:X``; the likeliest class, if not given.
        method: One of :data:`striate.see.attribution.METHODS`.
        layer: For the methods of class activation maps; picked, and said why, if not given.
        check: Make the sanity checks too.

    Raises:
        SeeError: No such method or target, or it does not apply; DataError: the source cannot be read.
    """
    if method not in METHODS:
        raise SeeError(f"there is no method {method!r}{nearest(method, METHODS)}")
    contract = subject.contract
    wanted = named_target(target, contract.classes)
    x = subject.tensor(source)
    options: dict[str, Any] = {"task": contract.task}
    if layer is not None:
        if "cam" not in method:
            raise SeeError(
                f"{method} is of the input; --layer goes with grad_cam, grad_cam_pp, layer_cam and hires_cam"
            )
        options["layer"] = layer
    found = METHODS[method](subject.module, x, wanted, **options)
    image = drawn(subject.item(source))
    words = tuple(words_of(str(source)))[: x.shape[1]] if contract.mode == "text" else ()
    grid = found.grid or (subject.grid(found.layer) if found.layer else None)
    flat = found.by_place()
    sides = x.shape[1:] if contract.mode == "text" else x.shape[2:]
    on_input = flat if flat.shape == tuple(sides) else placed(flat, sides, grid)
    about = [*filter(None, found.note.split("; "))]
    if found.layer and grid is None:
        about.append("where its cells lie is not known: they are stretched over the input")
    if found.layer and grid is not None:
        about.append("each cell lies where the receptive-field arithmetic says, not stretched corner to corner")
    checks, curves = _checks(subject, x, found, grid, options) if check else ((), ())
    asked = _asked(found.target, contract.classes)
    return Explanation(found, asked, image, words, on_input, tuple(about), checks, curves)


def _asked(target: Target, classes: Sequence[str]) -> str:
    if target.layer or len(target.index) != 1:
        return str(target)
    return f"class {classes[target.index[0]]}"


def _checks(
    subject: Subject, x: Any, found: Attribution, grid: Sequence[float] | None, options: dict[str, Any]
) -> tuple[tuple[tuple[str, bool, str], ...], tuple[Curve, ...]]:
    """Randomisation from the top, completeness where the method promises it, deletion and insertion."""
    module, task = subject.module, options["task"]
    random = randomised(module, x, METHODS[found.method], found.target, **options)
    lines = [("randomised from the top", random.passes, random.verdict)]
    if found.fails_randomisation and random.passes:
        lines[0] = (lines[0][0], True, f"{random.verdict}; one image's luck: the method is known to fail")
    if found.error is not None:
        whole = completeness(module, x, found, task=task)
        lines.append(("completeness", whole.complete, whole.verdict))
    curves = tuple(make(module, x, found, grid=grid, task=task) for make in (deletion, insertion))
    lines += [(curve.kind, curve.good, curve.verdict) for curve in curves]
    return tuple(lines), curves


def over(image: np.ndarray, on_input: np.ndarray, scale: Scale) -> np.ndarray:
    """The map over a pale grey version of *image*: the stronger a value, the less of the image. uint8 ``(H, W, 3)``."""
    grey = image if image.ndim == 2 else image @ np.array([0.299, 0.587, 0.114])
    pale = 110 + grey.astype(np.float64)[..., None] * (145 / 255)
    colours = scale.colours(on_input).astype(np.float64)
    strength = np.clip(np.abs(on_input) / (scale.limit or 1), 0, 1)[..., None] ** 0.7 * 0.85
    return np.rint(pale * (1 - strength) + colours * strength).clip(0, 255).astype(np.uint8)


def every_method(subject: Subject, source: Source, target: str = "") -> tuple[Picture, list[Explanation | SeeError]]:
    """All methods side by side, those that do not apply named; and what each gave."""
    results: list[Explanation | SeeError] = []
    for method in METHODS:
        try:
            results.append(explain(subject, source, target, method=method))
        except SeeError as error:
            results.append(error)
    good = [found for found in results if isinstance(found, Explanation)]
    if not good:
        raise next(error for error in results if isinstance(error, SeeError))
    panels = [panel for found in good for panel in found.panels(180)[-1:]]
    for i, found in enumerate(good):
        label = " (fails the randomisation test)" if found.found.fails_randomisation else ""
        panels[i] = Panel(panels[i].image, f"{found.found.method}{label}", side=180)
    if good[0].image is not None:
        panels.insert(0, photo(good[0].image, title="what the network saw", side=180))
    footer = "Each map has a scale of its own: red speaks for it, blue against it."
    return sheet(panels, columns=4, title=f"What speaks for {good[0].asked}", footer=footer), results
