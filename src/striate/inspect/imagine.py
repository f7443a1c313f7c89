"""The input that a unit, a channel or a class likes best, found by climbing its gradient; and dreams on an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import SeeError, nearest
from striate.inspect.objective import objective
from striate.inspect.target import Target
from striate.learning import evaluating
from striate.plotting.picture import Picture, Shown, photo, sheet, short

BASES = ("frequencies", "pixels")


@dataclass(frozen=True, eq=False)
class Imagined(Shown):
    """What came out of climbing.

    Args:
        target: What was climbed.
        image: ``(C, H, W)``, pixels in 0..1.
        scores: The target's number at every step.
        note: What should be known beside it, or "".
        dreamed: Whether it began as an image that somebody gave, on which more and more was seen.
    """

    target: Target
    image: np.ndarray
    scores: tuple[float, ...]
    note: str = ""
    dreamed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        about = {"target": str(self.target), "shape": list(self.image.shape), "steps": len(self.scores)}
        return about | {"first": self.scores[0], "last": self.scores[-1], "best": max(self.scores), "note": self.note}

    def picture(self, name: str = "") -> Picture:
        """The image, and from what score to what score it was climbed; *name* is what the target is called."""
        title = f"A dream of {name or self.target}" if self.dreamed else f"What {name or self.target} likes best"
        shown = np.rint(self.image * 255).clip(0, 255).astype(np.uint8)
        if len(shown) in (3, 4):
            panels = [photo(np.moveaxis(shown[:3], 0, 2), side=320)]
        else:
            panels = [photo(c, title=f"channel {i}" if len(shown) > 1 else "", side=320) for i, c in enumerate(shown)]
        note = f"{short(self.scores[0])} to {short(self.scores[-1])} in {len(self.scores)} steps"
        footer = f"{note}. One of many inputs that it likes: it says what drives it, not what it means."
        if self.dreamed:
            footer = f"{note}. What the layer answers to is added to the image, over and over."
        footer += f"\n{self.note}" if self.note else ""
        return sheet(panels, title=title, footer=footer)


def imagine(
    module: nn.Module,
    target: Target,
    shape: tuple[int, int, int],
    *,
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (1.0,),
    start: np.ndarray | None = None,
    steps: int = 256,
    lr: float = 0.05,
    basis: str = "frequencies",
    jitter: int | None = None,
    variation: float = 0.0,
    energy: float = 0.0,
    blur: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> Imagined:
    """Climbs *target* from a noisy grey image, or from *start* (a dream on it), with Adam.

    Args:
        module: Any module; it runs in evaluation mode and is left as it was.
        target: See :class:`striate.inspect.target.Target`. A class is climbed before the softmax.
        shape: ``(C, H, W)`` that the module takes.
        mean: Per channel, of pixels in 0..1, as the module was trained; likewise *std*.
        start: ``(C, H, W)`` in 0..1.
        steps: Of the climb.
        lr: Adam's rate.
        basis: ``"frequencies"``: each with a weight of 1/f, which keeps high ones from winning (Olah, Mordvintsev,
            Schubert, "Feature visualization", Distill 2017); ``"pixels"``: the pixels themselves.
        jitter: Every step sees the image moved by up to so many pixels; a sixteenth of the shorter side if not given.
        variation: Times the mean total variation, taken off the score (Mahendran and Vedaldi 2015).
        energy: Times half the sum of squares of the normalised input, taken off (Simonyan et al. 2013).
        blur: Of the image after each step of the ``"pixels"`` basis, sigma in pixels (Yosinski et al. 2015).
        seed: Of the noise and the jitter.
        progress: Called with (steps done, steps in all, score).

    Raises:
        SeeError: A setting outside its range, or nothing to climb: the target's gradient is zero everywhere.

    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <torch._C.Generator ...>
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh())
    >>> found = imagine(net, Target("0", (1,)), (1, 8, 8), steps=20)
    >>> found.image.shape, found.scores[-1] > found.scores[0]
    ((1, 8, 8), True)
    """
    if basis not in BASES:
        raise SeeError(f"basis is {basis!r}{nearest(basis, BASES)}")
    if steps < 1 or not 0 < lr < math.inf or not all(0 <= n < math.inf for n in (variation, energy, blur)):
        raise SeeError("steps and lr must be above 0, variation, energy and blur not below, and all finite")
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    generator = torch.Generator().manual_seed(seed)
    jitter = max(1, min(shape[1:]) // 16) if jitter is None else jitter
    scale = [torch.tensor(v, device=device).view(1, -1, 1, 1) for v in (mean, std)]
    paint = _Frequencies(shape, start, generator) if basis == "frequencies" else _Pixels(shape, start, generator)
    weights = paint.weights.to(device).requires_grad_(True)
    optimizer = torch.optim.Adam([weights], lr=lr)
    score_of = objective(module, target)
    scores = []
    with evaluating(module), torch.enable_grad():
        for step in range(steps):
            image = paint.image(weights)
            x = (_moved(image, jitter, generator) - scale[0]) / scale[1]
            score = score_of(x)[0]
            loss = -score + variation * _variation(image) + energy * 0.5 * x.square().sum()
            (gradient,) = torch.autograd.grad(loss, weights, allow_unused=True)
            if step == 0 and (gradient is None or not bool(gradient.abs().sum() > 0)):
                raise SeeError(
                    f"{target}: nothing to climb, its gradient is zero at the start; take the layer before its ReLU, "
                    "another --seed, or --start IMAGE"
                )
            weights.grad = gradient
            optimizer.step()
            if blur and basis == "pixels":
                with torch.no_grad():
                    weights.copy_(_blurred(weights, blur))
            scores.append(float(score.detach()))
            if progress:
                progress(step + 1, steps, scores[-1])
    with torch.no_grad():
        final = paint.image(weights)[0].cpu().numpy()
    note = "" if max(scores) > scores[0] else "The score did not rise: take more steps, or a larger lr."
    return Imagined(target, final, tuple(scores), note)


class _Pixels:
    """Pixels as logits, so that the image stays in 0..1."""

    def __init__(self, shape: tuple[int, int, int], start: np.ndarray | None, generator: torch.Generator) -> None:
        noise = 0.1 * torch.randn(1, *shape, generator=generator)
        self.weights = noise if start is None else _logits(start)

    def image(self, weights: Tensor) -> Tensor:
        return weights.sigmoid()


class _Frequencies:
    """The image's logits by their frequencies, each scaled by 1/f."""

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


def _moved(image: Tensor, jitter: int, generator: torch.Generator) -> Tensor:
    """*image* moved by up to *jitter* pixels, its edge held."""
    if not jitter:
        return image
    top, left = torch.randint(0, 2 * jitter + 1, (2,), generator=generator).tolist()
    padded = F.pad(image, (jitter,) * 4, mode="replicate")
    return padded[..., top : top + image.shape[2], left : left + image.shape[3]]


def _variation(image: Tensor) -> Tensor:
    return (image.diff(dim=2).square().mean() + image.diff(dim=3).square().mean()).sqrt()


def _blurred(weights: Tensor, sigma: float) -> Tensor:
    reach = max(1, math.ceil(2 * sigma))
    line = torch.exp(-torch.arange(-reach, reach + 1, device=weights.device).float().square() / (2 * sigma**2))
    line = line / line.sum()
    channels = weights.shape[1]
    for axis in (2, 3):
        kernel = line.view(1, 1, *((-1, 1) if axis == 2 else (1, -1))).repeat(channels, 1, 1, 1)
        pad = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        weights = F.conv2d(F.pad(weights, pad, mode="replicate"), kernel, groups=channels)
    return weights


def dream(
    module: nn.Module,
    target: Target,
    image: np.ndarray,
    *,
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (1.0,),
    octaves: int = 4,
    ratio: float = 1.4,
    steps: int = 10,
    rate: float = 0.01,
    jitter: int = 8,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> Imagined:
    """DeepDream (Mordvintsev, Olah, Tyka 2015): the layer's energy climbed on *image*, from small sizes to its own.

    Only for modules that take any size; the gradient is divided by its mean absolute value, each octave keeps the
    details that the last one added.

    Args:
        module: Any module; it runs in evaluation mode and is left as it was.
        target: Usually a whole layer, ``Target("conv4")``.
        image: ``(C, H, W)`` in 0..1.
        octaves: Sizes, each *ratio* larger than the one before.
        steps: At each size.
        rate: Of a step, in pixels' values.
    """
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    generator = torch.Generator().manual_seed(seed)
    base = torch.from_numpy(np.asarray(image, np.float32))[None].to(device)
    middle, deviation = (torch.tensor(v, device=device).view(1, -1, 1, 1) for v in (mean, std))
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
                    score = score_of((_moved(x, jitter, generator) - middle) / deviation)[0]
                except RuntimeError as error:
                    raise SeeError(
                        f"the network does not take an image of {size[0]}x{size[1]} ({str(error).splitlines()[0]}); "
                        "take octaves=1, or imagine(start=...)"
                    ) from None
                (gradient,) = torch.autograd.grad(score, x)
                x = (x + rate * gradient / gradient.abs().mean().clamp(min=1e-12)).clamp(0, 1)
                scores.append(float(score.detach()))
                if progress:
                    progress(number * steps + step + 1, octaves * steps, scores[-1])
            detail = x.detach() - level
    return Imagined(target, x.detach()[0].cpu().numpy(), tuple(scores), dreamed=True)
