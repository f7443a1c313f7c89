"""Which parts of an item speak for an answer: the map, on the image where its cells really lie, with its checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from striate.errors import SeeError, nearest
from striate.inspect.attribution import (
    METHODS,
    Attribution,
    Curve,
    completeness,
    deletion,
    insertion,
    placed,
    randomised,
)
from striate.inspect.models.seeing import Subject, drawn, subject
from striate.inspect.target import Target, named_target
from striate.model.model import Model
from striate.model.sources import Source
from striate.model.words import words_of
from striate.plotting import Panel, Picture, Scale, Shown, photo, sentence, sheet, values
from striate.plotting.picture import short

SHARE = 99.5  # percent of a map's pixels whose colours differ: a few extreme ones would leave the others white
SLICES = 8  # of a volume, on a picture
NAMES = {
    "gradient": "Gradient",
    "gradient_x_input": "Gradient x input",
    "integrated_gradients": "Integrated gradients",
    "smoothgrad": "SmoothGrad",
    "guided_backprop": "Guided backpropagation",
    "deconvnet": "Deconvnet",
    "grad_cam": "Grad-CAM",
    "grad_cam_pp": "Grad-CAM++",
    "layer_cam": "LayerCAM",
    "hires_cam": "HiResCAM",
    "occlusion": "Occlusion",
}
WORDS = {"regression": "value", "multilabel": "label"}  # of what is asked for; else class


@dataclass(frozen=True, eq=False)
class Explanation(Shown):
    """One map of one item.

    Args:
        found: What the method gave, raw.
        asked: The target in words: ``"class cat"``.
        image: What the network saw, uint8, to draw; None of what is no image.
        words: Of a text: its words, as many as the map has.
        on_input: The map on the input's places, ``(H, W)``; of a text ``(L,)``, of a volume ``(D, H, W)``.
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
        """Of the map's colours, red for and blue against; of a map of pixels it ends before the last few."""
        limit = Scale.of(self.on_input).limit
        if self.found.layer is None and limit and not self.words:
            finite = self.on_input[np.isfinite(self.on_input) & (self.on_input != 0)]
            limit = float(np.percentile(np.abs(finite), SHARE)) or limit
        return Scale(limit, True)

    def panels(self, side: int = 260) -> list[Panel]:
        """The map, and the map over the image; of a text its words, of a volume some of its slices."""
        name, on_input = NAMES[self.found.method], self.on_input
        if self.words:
            return [sentence(self.words, on_input, self.scale, title=name, side=side * 2)]
        if on_input.ndim == 3:
            chosen = np.unique(np.linspace(0, len(on_input) - 1, SLICES).round().astype(int)).tolist()
            return [values(on_input[d], self.scale, title=f"depth {d}", side=side // 2) for d in chosen]
        flat = on_input.reshape(1, -1) if on_input.ndim < 2 else on_input
        on_map = values(flat, self.scale, title=name, side=side if self.image is not None else side * 2)
        if self.image is None:
            return [on_map]
        return [on_map, photo(over(self.image, on_input, self.scale), title="over the image", side=side)]

    def picture(self) -> Picture:
        """The image, the map, and the map over the image; what should be known, and the checks, below."""
        first = [] if self.image is None else [photo(self.image, title="what the network saw", side=260)]
        passed = {True: "passed", False: "FAILED"}
        lines = [*self.about, *(f"{passed[good]} {name}: {text}" for name, good, text in self.checks)]
        panels = [*first, *self.panels()]
        title = f"{NAMES[self.found.method]}: what speaks for {self.asked} (score {short(self.found.score)})"
        return sheet(panels, columns=min(4, len(panels)), title=title, scale=self.scale, footer="\n".join(lines))


def explain(
    net: Subject | Model | nn.Module | str | Path,
    source: Source,
    target: str = "",
    *,
    method: str = "grad_cam",
    layer: str | None = None,
    check: bool = False,
    input: tuple[int, ...] | None = None,
) -> Explanation:
    """The map of *method* for what the network answers for *source*, or for *target*.

    Args:
        net: A model, its file, any module, or what else :func:`striate.inspect.models.seeing.subject` takes.
        source: An image file, an array, a sentence: what the model's ``predict`` takes.
        target: A class, its number, or a unit ``LAYER:CHANNEL:Y:X``; the likeliest class, if not given.
        method: One of :data:`striate.inspect.attribution.METHODS`.
        layer: For the methods of class activation maps; picked, and said why, if not given.
        check: Make the sanity checks too.
        input: What the network takes, where it does not say it.

    Raises:
        SeeError: No such method or target, or it does not apply; DataError: the source cannot be read.

    >>> found = explain("conv 4 3; relu; flatten; linear 3", np.zeros((8, 8), np.uint8), "2", input=(1, 8, 8))
    >>> found.found.layer, found.on_input.shape
    ('relu1', (8, 8))
    """
    looked = net if isinstance(net, Subject) else subject(net, input)
    if method not in METHODS:
        raise SeeError(f"there is no method {method!r}{nearest(method, METHODS)}")
    contract = looked.contract
    wanted = named_target(target, contract.classes)
    item = looked.item(source)
    x = looked.ready(item)
    options: dict[str, Any] = {"task": contract.task}
    if layer is not None:
        if "cam" not in method:
            raise SeeError(
                f"{method} is of the input; --layer goes with grad_cam, grad_cam_pp, layer_cam and hires_cam"
            )
        options["layer"] = layer
    found = METHODS[method](looked.module, x, wanted, **options)
    words = tuple(words_of(looked.text(source)))[: x.shape[1]] if contract.mode == "text" else ()
    flat = found.by_place()
    grid = found.grid or (looked.grid(found.layer) if found.layer else None)
    if grid is not None and len(grid) != 2 * flat.ndim:
        grid = None
    sides = x.shape[1:] if contract.mode == "text" else x.shape[2:]
    on_input = flat if flat.shape == tuple(sides) else placed(flat, sides, grid)
    about = [*filter(None, (looked.note, *found.note.split("; ")))]
    if found.layer and grid is None:
        about.append("where its cells lie is not known: they are stretched over the input")
    if found.layer and grid is not None:
        about.append("each cell lies where the receptive-field arithmetic says, not stretched corner to corner")
    checks, curves = _checks(looked, x, found, grid, options) if check else ((), ())
    asked = asked_for(found.target, looked)
    return Explanation(found, asked, drawn(item), words, on_input, tuple(about), checks, curves)


def asked_for(target: Target, looked: Subject) -> str:
    """*target* in words: ``"class cat"``."""
    if target.layer or not target.index or target.index[0] >= len(looked.contract.classes):
        return str(target)
    place = f" at {':'.join(map(str, target.index[1:]))}" if len(target.index) > 1 else ""
    if not place and looked.contract.task == "segmentation":
        place = ", summed over all pixels"
    return f"{WORDS.get(looked.contract.task, 'class')} {looked.contract.classes[target.index[0]]}{place}"


def _checks(
    looked: Subject, x: Any, found: Attribution, grid: Sequence[float] | None, options: dict[str, Any]
) -> tuple[tuple[tuple[str, bool, str], ...], tuple[Curve, ...]]:
    """Randomisation from the top, completeness where the method promises it, deletion and insertion."""
    module, task = looked.module, options["task"]
    random = randomised(module, x, METHODS[found.method], found.target, **options)
    verdict = random.verdict.removeprefix("passes: ").removeprefix("fails: ")
    if found.fails_randomisation and random.passes:
        verdict += "; one image's luck: the method is known to fail"
    lines = [("randomised from the top", random.passes, verdict)]
    if found.error is not None:
        whole = completeness(module, x, found, task=task)
        lines.append(("completeness", whole.complete, whole.verdict))
    curves = tuple(make(module, x, found, grid=grid, task=task) for make in (deletion, insertion))
    lines += [(curve.kind, curve.good, curve.verdict.removeprefix(f"{curve.kind}: ")) for curve in curves]
    return tuple(lines), curves


def over(image: np.ndarray, on_input: np.ndarray, scale: Scale) -> np.ndarray:
    """The map over a pale grey version of *image*, uint8 ``(H, W, 3)``: zero lets the image through, the ends of the
    scale cover most of it.
    """
    grey = image if image.ndim == 2 else image @ np.array([0.299, 0.587, 0.114])
    pale = 110 + grey.astype(np.float64)[..., None] * (145 / 255)
    share = np.nan_to_num(np.clip(on_input / (scale.limit or 1), -1, 1))
    colours = scale.colours(np.sign(share) * scale.limit).astype(np.float64)
    strength = 0.85 * np.abs(share)[..., None]
    return np.rint(pale * (1 - strength) + colours * strength).clip(0, 255).astype(np.uint8)


def every_method(
    net: Subject | Model | nn.Module | str | Path, source: Source, target: str = ""
) -> tuple[Picture, list[Explanation | SeeError]]:
    """All methods side by side, and what each gave; of one that does not apply, why."""
    looked = net if isinstance(net, Subject) else subject(net)
    results: list[Explanation | SeeError] = []
    for method in METHODS:
        try:
            results.append(explain(looked, source, target, method=method))
        except SeeError as error:
            results.append(SeeError(f"{method}: {error}"))
    good = [found for found in results if isinstance(found, Explanation)]
    if not good:
        raise next(error for error in results if isinstance(error, SeeError))
    panels = []
    for found in good:
        ends = "" if found.words else f"colours end at {short(found.scale.limit)}"
        label = "\nfails the randomisation test" if found.found.fails_randomisation else ""
        panel = found.panels(180)[-1]
        panels.append(replace(panel, title=NAMES[found.found.method], note=f"{ends}{label}"))
    if good[0].image is not None:
        panels.insert(0, photo(good[0].image, title="what the network saw", side=180))
    footer = "Red speaks for it, blue against it, to the number below each: every method has a scale of its own."
    title = f"What speaks for {good[0].asked} (score {short(good[0].found.score)})"
    return sheet(panels, columns=1 if good[0].words else 4, title=title, footer=footer), results
