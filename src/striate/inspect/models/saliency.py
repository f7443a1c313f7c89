"""``explain``: which parts of an input contribute to a prediction; the map, on the image where its cells really lie,
with its checks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, overload

import numpy as np

from striate.errors import SeeError, nearest
from striate.inspect.attribution import (
    METHODS,
    Attribution,
    SanityCheck,
    completeness,
    deletion,
    insertion,
    randomisation_test,
    resize_to_input,
)
from striate.inspect.inspection import DrawnInspection, value_range
from striate.inspect.models.inspected import Inspectable, InspectedModel, Size, as_image, inspected
from striate.inspect.target import Target, named_target
from striate.model.contract import Contract
from striate.model.sources import Source
from striate.plotting.colours import LUMA_601
from striate.plotting.picture import (
    ColourScale,
    Panel,
    Picture,
    image_panel,
    panel_grid,
    short,
    value_panel,
    word_panel,
)
from striate.sampling import evenly

SHARE = 99.5  # percent of a map's pixels within the colour scale: a few extreme ones would leave the others white
SLICES = 8  # of a volume, in a figure


@dataclass(frozen=True, eq=False)
class Explanation(DrawnInspection):
    """One saliency map of one input.

    Args:
        found: What the method gave, raw.
        target: The target in words: ``"class cat"``.
        image: What the network saw, uint8, to draw; None for other inputs.
        words: Of a text: its words, as many as the map has.
        on_input: The map at the input's resolution, ``(H, W)``; of a text ``(L,)``, of a volume ``(D, H, W)``.
        checks: The sanity checks that were made.
    """

    found: Attribution
    target: str
    image: np.ndarray | None
    words: tuple[str, ...]
    on_input: np.ndarray
    checks: tuple[SanityCheck, ...] = ()

    @property
    def title(self) -> str:
        return f"{METHODS[self.found.method].title} for {self.target} (score {short(self.found.score)})"

    def facts(self) -> dict[str, Any]:
        f = self.found
        return {
            "method": f.method,
            "target": self.target,
            "score": f.score,
            "layer": f.layer,
            "shape": list(f.values.shape),
            **value_range(f.values),
            "sum": float(f.values.sum()),
            "fails_randomisation": f.fails_randomisation,
            "words": [{"word": w, "value": v} for w, v in self._by_word()],
            "checks": [{"check": c.name, "passed": c.passed, "verdict": c.verdict} for c in self.checks],
        }

    def _by_word(self) -> list[tuple[str, float]]:
        return list(zip(self.words, self.on_input.ravel().tolist(), strict=False))

    def lines(self) -> list[str]:
        wide = max(map(len, self.words), default=0)
        words = (f"  {word:<{wide}} {value:>+10.4f}" for word, value in self._by_word())
        return [*words, *(f"{'passed' if c.passed else 'FAILED'} {c.name}: {c.verdict}" for c in self.checks)]

    @property
    def scale(self) -> ColourScale:
        """The map's colour scale, red for and blue against; of a map of pixels it ends before the last few."""
        limit = ColourScale.of(self.on_input).limit
        if self.found.layer is None and limit and not self.words:
            finite = self.on_input[np.isfinite(self.on_input) & (self.on_input != 0)]
            limit = float(np.percentile(np.abs(finite), SHARE)) or limit
        return ColourScale(limit, True)

    def panels(self, side: int = 260) -> list[Panel]:
        """The map, and the map over the image; of a text its words, of a volume some of its slices."""
        title, on_input = METHODS[self.found.method].title, self.on_input
        if self.words:
            return [word_panel(self.words, on_input, self.scale, title=title, side=side * 2)]
        if on_input.ndim == 3:
            chosen = evenly(len(on_input), SLICES).tolist()
            return [value_panel(on_input[d], self.scale, title=f"depth {d}", side=side // 2) for d in chosen]
        flat = on_input.reshape(1, -1) if on_input.ndim < 2 else on_input
        on_map = value_panel(flat, self.scale, title=title, side=side if self.image is not None else side * 2)
        if self.image is None:
            return [on_map]
        return [on_map, image_panel(overlay(self.image, on_input, self.scale), title="over the image", side=side)]

    def picture(self) -> Picture:
        """The image, the map, and the map over the image; the notes and the checks below."""
        first = [] if self.image is None else [image_panel(self.image, title="input image", side=260)]
        panels = [*first, *self.panels()]
        checks = self.lines()[len(self.words) :]
        footer = "\n".join(["Red contributes to the target, blue against it.", *self.notes, *checks])
        return panel_grid(panels, columns=min(4, len(panels)), title=self.title, scale=self.scale, footer=footer)


@dataclass(frozen=True, eq=False)
class MethodComparison(DrawnInspection):
    """The saliency maps of all methods for one input and target; the notes say which do not apply, and why."""

    explanations: tuple[Explanation, ...]

    @property
    def title(self) -> str:
        first = self.explanations[0]
        return f"Saliency maps for {first.target} (score {short(first.found.score)})"

    def facts(self) -> dict[str, Any]:
        return {"methods": [found.as_dict() for found in self.explanations]}

    def lines(self) -> list[str]:
        return [f"\n{found}" for found in self.explanations]

    def picture(self) -> Picture:
        """The maps over the image, each on its own colour scale."""
        first = self.explanations[0]
        panels = [] if first.image is None else [image_panel(first.image, title="input image", side=180)]
        for found in self.explanations:
            ends = "" if found.words else f"colours end at {short(found.scale.limit)}"
            label = "\nfails the randomisation test" if found.found.fails_randomisation else ""
            title = METHODS[found.found.method].title
            panels.append(replace(found.panels(180)[-1], title=title, note=f"{ends}{label}"))
        footer = "Red contributes to the target, blue against it, up to the number below: each map has its own scale."
        return panel_grid(panels, columns=1 if first.words else 5, title=self.title, footer=footer)


@overload
def explain(  # type: ignore[overload-overlap]  # no method is called "all"
    net: Inspectable, image: Source, target: str = "", *, method: Literal["all"],
    input: Size = None,
) -> MethodComparison: ...  # fmt: skip
@overload
def explain(
    net: Inspectable, image: Source, target: str = "", *, method: str = "grad_cam",
    layer: str | None = None, check: bool = False, input: Size = None,
) -> Explanation: ...  # fmt: skip
def explain(
    net: Inspectable,
    image: Source,
    target: str = "",
    *,
    method: str = "grad_cam",
    layer: str | None = None,
    check: bool = False,
    input: Size = None,
) -> Explanation | MethodComparison:
    """The saliency map of one input: which parts of it contribute to the prediction, or to another *target*.

    Args:
        net: What :func:`striate.loading.open_network` takes: a model file, a run folder, a name, any ``nn.Module``.
        image: An image file, an array; for a model of texts a sentence: what the model's ``predict`` takes.
        target: A class, its number, or a unit ``LAYER:CHANNEL:Y:X``; the predicted class, if not given.
        method: One of :data:`striate.inspect.attribution.METHODS`, or ``"all"`` to compare them.
        layer: For class activation maps; picked, with the reason in the notes, if not given.
        check: Run the sanity checks too: randomisation, deletion, insertion, completeness.
        input: ``(C, H, W)``, where the network does not say it.

    Returns:
        The map with its sign, at the method's own resolution and at the input's; of ``"all"`` a
        :class:`MethodComparison`.

    Raises:
        SeeError: No such method or target, or it does not apply.
        DataError: The image cannot be read.

    >>> found = explain("conv 4 3; relu; flatten; linear 3", np.zeros((8, 8), np.uint8), "2", input=(1, 8, 8))
    >>> found.found.layer, found.on_input.shape
    ('relu1', (8, 8))
    """
    model = inspected(net, input)
    if method != "all":
        return _explained(model, image, target, method, layer, check)
    if layer or check:
        raise SeeError("--layer and --check go with one method, not with --method all")
    found: list[Explanation] = []
    refused: list[str] = []
    for name in METHODS:
        try:
            found.append(_explained(model, image, target, name, None, False))
        except SeeError as error:
            refused.append(f"skipped {name}: {error}")
    if not found:
        raise SeeError(refused[0])
    return MethodComparison(tuple(found), notes=tuple(refused))


ALIASES = {"ig": "integrated_gradients", "gradcam++": "grad_cam_pp", "saliency": "gradient"}


def _explained(
    model: InspectedModel, image: Source, target: str, method: str, layer: str | None, check: bool
) -> Explanation:
    plain = method.lower().replace("_", "").replace("-", "")
    method = ALIASES.get(plain) or next((name for name in METHODS if name.replace("_", "") == plain), method)
    if method not in METHODS:
        raise SeeError(f"no method named {method!r}{nearest(method, METHODS)}")
    if layer is not None and not METHODS[method].of_layer:
        cams = ", ".join(name for name, row in METHODS.items() if row.of_layer)
        raise SeeError(f"{method} maps the input; --layer goes with the class activation maps: {cams}")
    contract = model.contract
    item = model.item(image)
    x = model.ready(item)
    options: dict[str, Any] = {"task": contract.task} | ({"layer": layer} if layer is not None else {})
    found = METHODS[method](model.module, x, named_target(target, contract.classes), **options)
    text = contract.mode == "text"
    flat = found.by_position()
    grid = found.grid or (model.grid(found.layer) if found.layer else None)
    grid = grid if grid is not None and len(grid) == 2 * flat.ndim else None
    sides = tuple(x.shape[1:] if text else x.shape[2:])
    on_input = flat if flat.shape == sides else resize_to_input(flat, sides, grid)
    notes = [*model.notes, *found.all_notes]
    if found.layer and grid is None:
        notes.append("where its cells lie is not known: the map is stretched over the input")
    elif found.layer:
        notes.append("CAM cells are drawn at their receptive fields' centres (not stretched corner to corner)")
    checks = tuple(_checks(model, x, found, replace(found, grid=grid or found.grid), options)) if check else ()
    words = model.words(image)[: x.shape[1]] if text else ()
    name = target_text(found.target, contract)
    return Explanation(found, name, as_image(item), words, on_input, checks, notes=tuple(notes))


def _checks(model: InspectedModel, x: Any, found: Attribution, on_grid: Attribution, options: dict[str, Any]) -> Any:
    """Randomisation from the top, completeness where the method promises it, deletion and insertion."""
    module, task = model.module, options["task"]
    random = randomisation_test(module, x, METHODS[found.method], found.target, **options)
    if found.fails_randomisation and random.passed:
        random = replace(random, verdict=f"{random.verdict}; by chance on this image: the method is known to fail")
    yield random
    if found.error is not None:
        yield completeness(module, x, found, task=task)
    yield deletion(module, x, on_grid, task=task)
    yield insertion(module, x, on_grid, task=task)


def target_text(target: Target, contract: Contract) -> str:
    """*target* in words: ``"class cat"``, ``"value height"``, ``"conv2:5:3:4"``."""
    if target.layer or not target.index or target.index[0] >= len(contract.classes):
        return str(target)
    at = f" at {':'.join(map(str, target.index[1:]))}" if len(target.index) > 1 else ""
    if not at and contract.task.per_pixel:
        at = ", summed over all pixels"
    return f"{contract.task.output} {contract.classes[target.index[0]]}{at}"


def overlay(image: np.ndarray, on_input: np.ndarray, scale: ColourScale) -> np.ndarray:
    """The map over a pale grey version of *image*, uint8 ``(H, W, 3)``: zero shows the image, the ends of the scale
    cover most of it.
    """
    grey = image if image.ndim == 2 else image @ np.array(LUMA_601)
    pale = 190 + grey.astype(np.float64)[..., None] * (65 / 255)
    share = np.nan_to_num(np.clip(on_input / (scale.limit or 1), -1, 1))
    colours = scale.colours(np.sign(share) * scale.limit).astype(np.float64)
    strength = 0.85 * np.abs(share)[..., None]
    return np.rint(pale * (1 - strength) + colours * strength).clip(0, 255).astype(np.uint8)
