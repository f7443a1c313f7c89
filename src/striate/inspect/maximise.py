"""Activation maximisation: the input that a unit, a channel or a class responds to most; and DeepDream."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import SeeError, nearest
from striate.inspect.attribution.checks import blurred
from striate.inspect.inspection import DrawnInspection
from striate.inspect.target import Target, objective
from striate.learning import evaluating
from striate.plotting.picture import Picture, image_panel, panel_grid, short

BASES = ("frequencies", "pixels")
Progress = Callable[[int, int, float], None]  # steps done, steps in all, score
Normalisation = tuple[Sequence[float], Sequence[float]]  # mean and std per channel
NO_NORMALISATION: Normalisation = ((0.0,), (1.0,))


@dataclass(frozen=True, eq=False)
class MaximisedInput(DrawnInspection):
    """The result of activation maximisation.

    Args:
        target: What was maximised.
        image: ``(C, H, W)``, pixels in 0..1.
        scores: The target's number at every step.
        dream: Whether it is a DeepDream on an image that was given.
        name: The target in words, for the figure; ``str(target)``, if not given.
    """

    target: Target
    image: np.ndarray
    scores: tuple[float, ...]
    dream: bool = False
    name: str = ""

    def facts(self) -> dict[str, Any]:
        return {
            "target": str(self.target),
            "shape": list(self.image.shape),
            "steps": len(self.scores),
            "score_first": self.scores[0],
            "score_last": self.scores[-1],
            "score_max": max(self.scores),
        }

    @property
    def title(self) -> str:
        return f"{'DeepDream' if self.dream else 'Activation maximisation'}: {self.name or self.target}"

    def picture(self) -> Picture:
        """The image, with the score before and after."""
        shown = np.rint(self.image * 255).clip(0, 255).astype(np.uint8)
        if len(shown) in (3, 4):
            panels = [image_panel(np.moveaxis(shown[:3], 0, 2), side=320)]
        else:
            names = [f"channel {i}" for i in range(len(shown))] if len(shown) > 1 else [""]
            panels = [image_panel(c, title=name, side=320) for c, name in zip(shown, names, strict=True)]
        footer = f"Score {short(self.scores[0])} to {short(self.scores[-1])} in {len(self.scores)} steps. "
        if self.dream:
            footer += "What the layer responds to was amplified in the image, over and over."
        else:
            footer += "One of many inputs with a high score: it says what drives the target, not what it means."
        return panel_grid(panels, title=self.title, footer="\n".join([footer, *self.notes]))


@dataclass(frozen=True)
class Ascent:
    """The settings of :func:`maximise`.

    Args:
        steps: Of Adam.
        lr: Its learning rate.
        basis: ``"frequencies"``: each with a weight of 1/f, which keeps high ones from winning (Olah, Mordvintsev,
            Schubert, "Feature visualization", Distill 2017); ``"pixels"``: the pixels themselves.
        jitter: Maximum shift of the image at every step, pixels; None for a sixteenth of the shorter side.
        variation: Weight of the total variation, subtracted from the score (Mahendran and Vedaldi 2015).
        energy: Weight of half the sum of squares of the normalised input, subtracted (Simonyan et al. 2013).
        blur: Of the image after each step of the ``"pixels"`` basis, sigma in pixels (Yosinski et al. 2015).
        seed: The random seed of the noise and the jitter.

    Raises:
        SeeError: A setting outside its range.
    """

    steps: int = 256
    lr: float = 0.05
    basis: str = "frequencies"
    jitter: int | None = None
    variation: float = 0.0
    energy: float = 0.0
    blur: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.basis not in BASES:
            raise SeeError(f"basis is {self.basis!r}{nearest(self.basis, BASES)}")
        weights = (self.variation, self.energy, self.blur)
        if self.steps < 1 or not 0 < self.lr < math.inf or not all(0 <= n < math.inf for n in weights):
            raise SeeError("steps and lr must be above 0, variation, energy and blur at least 0, and all finite")
        if self.blur and self.basis != "pixels":
            raise SeeError(f"blur is for the pixels themselves; add --basis pixels (basis is {self.basis!r})")


def maximise(
    module: nn.Module,
    target: Target,
    shape: tuple[int, int, int],
    ascent: Ascent = Ascent(),
    *,
    normalise: Normalisation = NO_NORMALISATION,
    start: np.ndarray | None = None,
    progress: Progress | None = None,
) -> MaximisedInput:
    """Activation maximisation (Erhan et al. 2009): gradient ascent on *target* with Adam, from a noisy grey image or
    from *start*.

    Args:
        module: Any module; it runs in evaluation mode and is left as it was.
        target: See :class:`striate.inspect.target.Target`. A class is maximised before the softmax.
        shape: ``(C, H, W)`` that the module takes.
        ascent: Steps, learning rate, regularisation.
        normalise: Mean and std per channel, of pixels in 0..1, as the module was trained.
        start: ``(C, H, W)`` in 0..1.
        progress: Called with (steps done, steps in all, score).

    Raises:
        SeeError: No such layer or channel, or the target's gradient is zero everywhere at the start.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh())
    >>> found = maximise(net, Target("0", (1,)), (1, 8, 8), Ascent(steps=20))
    >>> found.image.shape, found.scores[-1] > found.scores[0]
    ((1, 8, 8), True)
    """
    generator = torch.Generator().manual_seed(ascent.seed)
    jitter = max(1, min(shape[1:]) // 16) if ascent.jitter is None else ascent.jitter
    mean, std, device = _statistics(module, normalise)
    make = _Frequencies if ascent.basis == "frequencies" else _Pixels
    paint: _Frequencies | _Pixels = make(shape, start, generator)
    weights = paint.weights.to(device).requires_grad_(True)
    optimizer = torch.optim.Adam([weights], lr=ascent.lr)
    score_of = objective(module, target)
    scores = []
    with evaluating(module), torch.enable_grad():
        for step in range(ascent.steps):
            image = paint.image(weights)
            x = (_shifted(image, jitter, generator) - mean) / std
            score = score_of(x)[0]
            variation = (image.diff(dim=2).square().mean() + image.diff(dim=3).square().mean()).sqrt()
            loss = -score + ascent.variation * variation + ascent.energy * 0.5 * x.square().sum()
            (gradient,) = torch.autograd.grad(loss, weights, allow_unused=True)
            if step == 0 and (gradient is None or not bool(gradient.abs().sum() > 0)):
                raise SeeError(
                    f"{target}: its gradient is zero at the start, so it cannot be maximised; use the layer before "
                    "its ReLU, another --seed, or --start IMAGE"
                )
            weights.grad = gradient
            optimizer.step()
            if ascent.blur and ascent.basis == "pixels":
                with torch.no_grad():
                    weights.copy_(blurred(weights, ascent.blur))
            scores.append(float(score.detach()))
            if progress:
                progress(step + 1, ascent.steps, scores[-1])
    with torch.no_grad():
        final = paint.image(weights)[0].cpu().numpy()
    rose = max(scores) > scores[0]
    notes = () if rose else ("the score did not rise: use more steps, or a larger learning rate",)
    return MaximisedInput(target, final, tuple(scores), notes=notes)


def _statistics(module: nn.Module, normalise: Normalisation) -> tuple[Tensor, Tensor, torch.device]:
    """Mean and std, ``(1, C, 1, 1)``, on the module's device, and the device."""
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    mean, std = (torch.tensor(v, device=device).view(1, -1, 1, 1) for v in normalise)
    return mean, std, device


class _Pixels:
    """Pixels as logits, so that the image stays in 0..1."""

    def __init__(self, shape: tuple[int, int, int], start: np.ndarray | None, generator: torch.Generator) -> None:
        noise = 0.1 * torch.randn(1, *shape, generator=generator)
        self.weights = noise if start is None else _logits(start)

    def image(self, weights: Tensor) -> Tensor:
        return weights.sigmoid()


class _Frequencies:
    """The image's logits in the Fourier basis, each frequency scaled by 1/f."""

    def __init__(self, shape: tuple[int, int, int], start: np.ndarray | None, generator: torch.Generator) -> None:
        channels, height, width = shape
        fy, fx = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        # as if every frequency had the same energy in a natural image; the mean as the lowest frequency
        self.scale = (1 / (fy.square() + fx.square()).sqrt().clamp(min=1 / max(height, width))) / math.sqrt(
            height * width
        )
        self.size = (height, width)
        if start is None:
            self.weights = 0.1 * torch.randn(1, channels, *self.scale.shape, 2, generator=generator)
        else:
            self.weights = torch.view_as_real(torch.fft.rfft2(_logits(start), norm="ortho") / self.scale).contiguous()

    def image(self, weights: Tensor) -> Tensor:
        spectrum = torch.view_as_complex(weights) * self.scale.to(weights.device)
        image: Tensor = torch.fft.irfft2(spectrum, s=self.size, norm="ortho").sigmoid()
        return image


def _logits(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(image, np.float32))[None].clamp(0.01, 0.99).logit()


def _shifted(image: Tensor, jitter: int, generator: torch.Generator) -> Tensor:
    """*image* shifted by up to *jitter* pixels, its edge repeated."""
    if not jitter:
        return image
    top, left = torch.randint(0, 2 * jitter + 1, (2,), generator=generator).tolist()
    padded = F.pad(image, (jitter,) * 4, mode="replicate")
    return padded[..., top : top + image.shape[2], left : left + image.shape[3]]


def deep_dream(
    module: nn.Module,
    target: Target,
    image: np.ndarray,
    *,
    normalise: Normalisation = NO_NORMALISATION,
    octaves: int = 4,
    ratio: float = 1.4,
    steps: int = 10,
    rate: float = 0.01,
    jitter: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> MaximisedInput:
    """DeepDream (Mordvintsev, Olah, Tyka 2015): gradient ascent on the layer's energy, from small sizes of *image* up.

    Only for modules that take any input size; the gradient is divided by its mean absolute value, each octave keeps the
    details that the last one added.

    Args:
        module: Any module; it runs in evaluation mode and is left as it was.
        target: Usually a whole layer, ``Target("conv4")``.
        image: ``(C, H, W)`` in 0..1.
        octaves: Sizes, each *ratio* larger than the one before.
        steps: At each size.
        rate: Of a step, in pixel values.
        normalise: As in :func:`maximise`, and *progress* too.
        jitter: Maximum shift of the image at every step, pixels.
        seed: The random seed of the jitter.

    Raises:
        SeeError: No such layer, or the network takes one input size only and there are several octaves.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> deep_dream(net, Target("1"), np.full((1, 24, 24), 0.5), octaves=2, steps=3).image.shape
    (1, 24, 24)
    """
    mean, std, device = _statistics(module, normalise)
    generator = torch.Generator().manual_seed(seed)
    base = torch.from_numpy(np.asarray(image, np.float32))[None].to(device)
    sizes = [[max(1, round(n / ratio**k)) for n in base.shape[2:]] for k in reversed(range(octaves))]
    score_of, scores, detail = objective(module, target), [], torch.zeros_like(base[..., :1, :1])
    with evaluating(module), torch.enable_grad():
        for number, size in enumerate(sizes):
            level = F.interpolate(base, size=size, mode="bilinear", antialias=True)
            detail = F.interpolate(detail, size=size, mode="bilinear")
            x = (level + detail).clamp(0, 1)
            for step in range(steps):
                x = x.detach().requires_grad_(True)
                try:
                    score = score_of((_shifted(x, jitter, generator) - mean) / std)[0]
                except RuntimeError as error:
                    way = (
                        "use fewer: --octaves 1 takes the image as it is" if octaves > 1 else str(error).splitlines()[0]
                    )
                    where = f"{size[0]}x{size[1]}, which octave {number + 1} of {octaves} has"
                    raise SeeError(f"the network does not take an image of {where}; {way}") from error
                (gradient,) = torch.autograd.grad(score, x)
                x = (x + rate * gradient / gradient.abs().mean().clamp(min=1e-12)).clamp(0, 1)
                scores.append(float(score.detach()))
                if progress:
                    progress(number * steps + step + 1, octaves * steps, scores[-1])
            detail = x.detach() - level
    return MaximisedInput(target, x.detach()[0].cpu().numpy(), tuple(scores), dream=True)
