"""Which way to compute a step is the fastest that is right, measured on the network and the batch that will be trained.

Processors differ too much for a rule: bfloat16 convolutions are 1.5 to 6 times as fast as float32 where the processor
has instructions for it (AVX512-BF16, AMX), and up to 90 times slower where it has none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from striate.learning.matmul import AVERAGES, CONVOLUTIONS, multiplies
from striate.learning.modules import hooked, leading_tensor
from striate.learning.recipe import Recipe
from striate.learning.speed import Speed, scores_in, using_threads

Loss = Callable[[Tensor, Tensor], Tensor]

BUDGET, SHARE = 0.5, 0.02  # seconds to measure in, and the fraction of the expected training time
GAIN = 1.08  # so many times faster something must be to be preferred to what is simpler
# Of ||bf16 - float32|| / ||float32||. LAYER: of a layer's output, and of its gradients for input and weights, from the
# same input; rounding to 8 bits comes to 0.005. NETWORK: of the scores; a deep network with batch normalisation
# multiplies the rounding of its first layers at initialisation (0.24 in ResNet-50), and its gradients' even more.
LAYER_BOUND, NETWORK_BOUND = 0.02, 0.5


@dataclass
class _Trial:
    """Measures one step (forward and backward, without update) of the real network and batch in many ways."""

    scores_of: Callable[[Tensor], Any]
    module: nn.Module
    loss: Callable[[Any], Tensor]
    x: Tensor

    def __post_init__(self) -> None:
        self.weights = [p for p in self.module.parameters() if p.requires_grad]

    def step(self, speed: Speed) -> tuple[Tensor, list[Tensor]]:
        """Scores and gradients, computed as *speed* says."""
        torch.manual_seed(0)
        scores = scores_in(speed, self.scores_of, self.x)
        gradients = torch.autograd.grad(self.loss(scores), self.weights, allow_unused=True)
        return scores.detach(), [g for g in gradients if g is not None]

    def seconds(self, speed: Speed, left: float) -> float:
        """A step after one that prepares; the shortest of three where there is time *left*."""
        speed.place(self.module)
        with using_threads(speed.threads), speed.applied(self.module):
            self.step(speed)
            once = _clocked(lambda: self.step(speed), self.x.device)
            more = [
                _clocked(lambda: self.step(speed), self.x.device) for _ in range(2 * (once < 0.01 or 10 * once < left))
            ]
            return min([once, *more])

    def slow_layers(self, speed: Speed, step: float) -> tuple[str, ...] | None:
        """The layers in which *speed* loses more than 3% of a *step* (seconds) against float32, or whose fixed weights
        multiply rounding (whitening does); None where something else comes out otherwise than in float32: each layer by
        itself, from the same inputs, forward and backward, or the scores of the whole.
        """
        exact = replace(speed, precision="float32")
        speed.place(self.module)
        names: dict[nn.Module, str] = {p: name for name, p in self.module.named_modules() if isinstance(p, LAYERS)}
        kinds: dict[tuple[object, ...], tuple[Tensor, list[str]]] = {}

        def note(part: nn.Module, args: tuple[Any, ...]) -> None:
            x = args[0].detach().clone()
            first = args[0].data_ptr() == self.x.data_ptr()  # the gradient for the data is not needed
            _, same = kinds.setdefault((str(part), *x.shape, first), (x.requires_grad_(not first), []))
            same.append(names[part])

        hooks = [part.register_forward_pre_hook(note) for part in names]
        with hooked(hooks), using_threads(speed.threads), torch.no_grad():
            torch.manual_seed(0)
            scores = scores_in(exact, self.scores_of, self.x)
        slow: list[str] = []
        with using_threads(speed.threads):
            for x, same in kinds.values():
                agrees, lost = _compare_layer(self.module.get_submodule(same[0]), x, speed)
                fixed = not self.module.get_submodule(same[0]).weight.requires_grad
                if not agrees and not fixed:
                    return None
                slow += same if not agrees or lost * len(same) > 0.03 * step else []
            if not kinds:  # written with functions alone: then the gradients of the whole, strictly
                return () if _near(self.step(exact)[1], self.step(speed)[1], 10 * LAYER_BOUND) else None
            with torch.no_grad(), replace(speed, float32_layers=tuple(slow)).applied(self.module):
                torch.manual_seed(0)
                found = scores_in(speed, self.scores_of, self.x)
        return tuple(slow) if _near([scores], [found], NETWORK_BOUND) else None

    def matmul_layers(self, speed: Speed) -> dict[str, type[nn.Module]]:
        """The layers that are one matrix multiplication here, and their classes, where that leaves scores and gradients
        as they are.
        """
        found: dict[str, type[nn.Module]] = {}

        def note(name: str, part: nn.Module, args: tuple[Any, ...]) -> None:
            if any(multiplies(part, x) for x in args[:1]):
                found[name] = type(part)

        of_kind = [(n, part) for n, part in self.module.named_modules() if type(part) in CONVOLUTIONS + AVERAGES]
        exact = replace(speed, precision="float32", float32_layers=(), matmul_layers=())
        few = _Trial(self.scores_of, self.module, _mean_square, self.x[:2])
        with using_threads(speed.threads):
            with hooked([part.register_forward_pre_hook(partial(note, name)) for name, part in of_kind]):
                if of_kind:
                    with torch.no_grad():
                        scores_in(exact, self.scores_of, few.x)
            if not found:
                return {}
            expected, gradients = few.step(exact)
            with replace(exact, matmul_layers=tuple(found)).applied(self.module):
                scores, others = few.step(exact)
        right = _near([expected], [scores], LAYER_BOUND) and _near(gradients, others, LAYER_BOUND)
        return found if right else {}


def _mean_square(scores: Any) -> Tensor:
    return leading_tensor(scores).float().square().mean()


LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


def _compare_layer(part: nn.Module, x: Tensor, speed: Speed) -> tuple[bool, float]:
    """Whether the output of one layer for *x*, and its gradients for a random direction, are float32's; and how many
    seconds it takes longer than 1.25 times float32's.
    """
    weights = [v for v in (x, *part.parameters()) if v.requires_grad]
    direction: Tensor | None = None
    found, seconds = [], []

    def once(how: Speed) -> list[Tensor]:
        nonlocal direction
        with how.autocast(x.device):
            output = part(x)
        direction = torch.randn_like(output, dtype=torch.float32) if direction is None else direction
        along = (output * direction.to(output.dtype)).sum()  # given as grad_outputs, it makes torch import its compiler
        return [output.detach(), *torch.autograd.grad(along, weights)]

    for how in (replace(speed, precision="float32"), speed):
        found.append(once(how))
        seconds.append(_clocked(partial(once, how), x.device))
        if seconds[-1] < 0.002:  # there is time to be sure
            seconds[-1] = min(seconds[-1], *(_clocked(partial(once, how), x.device) for _ in range(2)))
    agrees = all(_near([a], [b], LAYER_BOUND) for a, b in zip(*found, strict=True))
    return agrees, seconds[1] - 1.25 * seconds[0]


def _clocked(work: Callable[[], object], device: torch.device) -> float:
    """Seconds; of one thread those of the processor, in which other programs do not count."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    begun = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - begun


def _near(one: list[Tensor], other: list[Tensor], bound: float) -> bool:
    """Whether ``||other - one|| <= bound * ||one||``, all tensors together; never where something is not finite."""
    if len(one) != len(other):
        return False
    distance = sum(float((b.float() - a.float()).square().sum()) for a, b in zip(one, other, strict=True))
    length = sum(float(a.float().square().sum()) for a in one)
    return bool(distance <= bound**2 * length + 1e-12)  # False for NaN


def measure_speed(
    module: nn.Module,
    scores_of: Callable[[Tensor], Any],
    loss: Loss,
    batch: tuple[Tensor, Tensor],
    recipe: Recipe,
    *,
    steps: int,
) -> Speed:
    """The fastest way to compute a step of *module* that gives the right numbers, tried on a *batch*.

    Float32 in channels-last order with all threads is measured first; then one thread, bfloat16, layers as matrix
    multiplications (:mod:`striate.learning.matmul`), and plain order, each only where it is faster by ``GAIN``. It
    takes at most 0.5 seconds or 2% of the expected training time, whichever is less (but at least a step or two), on a
    part of the batch where a step is long. What *recipe* says is kept. Bfloat16 is taken only where the outputs and
    gradients of every layer agree with float32's within ``LAYER_BOUND``, and the scores within ``NETWORK_BOUND``. The
    module, its statistics and torch's generator are as before.

    Args:
        module: What is trained, in training mode.
        scores_of: Calls it.
        loss: From scores and targets to a scalar.
        batch: Inputs and targets of one step.
        recipe: Its ``precision``, ``memory_format``, ``threads``.
        steps: How many there will be.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)).train()
    >>> batch = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])
    >>> measure_speed(net, net, nn.functional.cross_entropy, batch, Recipe(precision="float32"), steps=100).precision
    'float32'
    """
    plain = Speed.of(recipe)
    device = batch[0].device
    all_threads = torch.get_num_threads() if device.type == "cpu" else 0
    if not recipe.threads:
        plain = replace(plain, threads=all_threads)
    with _untouched(module):
        try:
            return _search(module, scores_of, loss, batch, recipe, plain, steps)
        except Exception as error:  # whatever it is, the training itself will say it of the step that it does
            return replace(plain, note=(str(error).strip() or type(error).__name__).splitlines()[0][:100])


def _search(
    module: nn.Module,
    scores_of: Callable[[Tensor], Any],
    loss: Loss,
    batch: tuple[Tensor, Tensor],
    recipe: Recipe,
    plain: Speed,
    steps: int,
) -> Speed:
    begun, items, count = time.perf_counter(), len(batch[0]), min(2, len(batch[0]))
    free = recipe.memory_format == "auto" and batch[0].ndim == 4
    likely = replace(plain, memory_format="channels_last") if free else plain  # rarely slower, often much faster
    while True:  # as many items as there is time for
        x, y = batch[0][:count], batch[1][:count]
        trial = _Trial(scores_of, module, partial(_loss_of_scores, loss, y), x)
        took = trial.seconds(likely, 0.0)
        expected = took / count * items * steps  # seconds of training
        budget = min(BUDGET, SHARE * expected)
        if count == items or took * 4 > budget / 12:
            break
        count = min(items, 4 * count)
    long = took > budget / 12  # there is time for a few steps only

    def left() -> float:
        return budget - (time.perf_counter() - begun)

    times = {likely: took if long else trial.seconds(likely, left())}
    best = likely

    def attempt(speed: Speed, *, always: bool = False, gain: float = GAIN) -> None:
        nonlocal best
        if speed not in times and (always or left() > 0):
            times[speed] = trial.seconds(speed, left())
            if times[speed] * gain < times[best]:
                best = speed

    if not recipe.threads and plain.threads > 1 and not long:
        # first: on a busy machine threads wait for each other; in a part of the batch there is less for two to do
        attempt(replace(likely, threads=1), gain=GAIN if count == items else 1.5)
    worth = left() > 0 or expected > 100 * BUDGET  # a busy machine uses the time up; of minutes a few steps are nothing
    if recipe.precision == "auto" and worth and _bf16_is_no_trap(trial, best, times[best]):
        half = replace(best, precision="bf16")
        slow = trial.slow_layers(half, times[best])
        if slow is not None:
            # of a part of the batch, the weights' own conversion to bfloat16 takes a larger part of the time
            attempt(replace(half, float32_layers=slow), always=True, gain=GAIN if count == items else 1.0)
    fixed = "auto" not in (recipe.precision, recipe.memory_format) and recipe.threads  # which promises the same bits
    layers = trial.matmul_layers(best) if worth and not fixed and not plain.compiled else {}
    usual = best
    for kinds in (CONVOLUTIONS + AVERAGES, CONVOLUTIONS, AVERAGES):
        names = tuple(name for name, kind in layers.items() if kind in kinds)
        if names:  # which are tried once, if they are the same again
            attempt(replace(usual, matmul_layers=names), always=True)
    attempt(replace(best, memory_format=plain.memory_format))
    attempt(plain)
    return replace(best, seconds=times[best], plain_seconds=times.get(plain))


def _loss_of_scores(loss: Loss, y: Tensor, scores: Tensor) -> Tensor:
    return loss(scores, y)


def _bf16_is_no_trap(trial: _Trial, speed: Speed, seconds: float) -> bool:
    """Whether two items go through in bfloat16 in not many times what they take in float32: else a step could take
    a minute.
    """
    few = _Trial(trial.scores_of, trial.module, _mean_square, trial.x[:2])
    half = replace(speed, precision="bf16")
    with using_threads(speed.threads), torch.no_grad():
        once = _clocked(lambda: scores_in(half, few.scores_of, few.x), few.x.device)
        if once < seconds:
            return True  # also where that prepared
        float32 = _clocked(lambda: scores_in(speed, few.scores_of, few.x), few.x.device)
        return _clocked(lambda: scores_in(half, few.scores_of, few.x), few.x.device) < 4 * float32


@contextmanager
def _untouched(module: nn.Module) -> Iterator[None]:
    """Leaves buffers, torch's generators, gradients and the mode of dropout layers as they were; inside, nothing is
    dropped, since what is dropped differs between precisions.
    """
    buffers = [(b, b.detach().clone()) for b in module.buffers()]
    dropouts = [(m, m.training) for m in module.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    for part, _ in dropouts:
        part.eval()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_available() else ()):
        try:
            yield
        finally:
            for part, mode in dropouts:
                part.training = mode
            with torch.no_grad():
                for buffer, value in buffers:
                    buffer.copy_(value)
