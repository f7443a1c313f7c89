"""How a step is computed: precision, memory format, threads; and which of them is the fastest that is right, measured
on the network and the batch that will be trained.

Processors differ too much for a rule: bfloat16 convolutions are 1.5 to 6 times as fast as float32 where the processor
has instructions for it (AVX512-BF16, AMX), and up to 90 times slower where it has none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from striate.learning.recipe import MEMORY_FORMATS, PRECISIONS, Recipe

Loss = Callable[[Tensor, Tensor], Tensor]

BUDGET, SHARE = 0.5, 0.02  # seconds to measure in, and the fraction of the expected training time
GAIN = 1.08  # so many times faster something must be to be preferred to what is simpler
ENOUGH = 1.3  # so many times faster than plain, and nothing else is tried where a step is long
# Of ||bf16 - float32|| / ||float32||. LAYER: of a layer's output, and of its gradients for input and weights, from the
# same input; rounding to 8 bits comes to 0.005. NETWORK: of the scores; a deep network with batch normalisation
# multiplies the rounding of its first layers at initialisation (0.24 in ResNet-50), and its gradients' even more.
LAYER_BOUND, NETWORK_BOUND = 0.02, 0.5


@dataclass(frozen=True)
class Speed:
    """How a step is computed.

    Args:
        precision: ``"float32"``, or ``"bf16"``: bfloat16 autocast; weights, normalisation statistics and the
            optimizer's state stay float32.
        memory_format: ``"contiguous"`` (N, C, H, W in memory) or ``"channels_last"`` (N, H, W, C), of 4-D inputs.
        threads: Of the processor; 0: as many as torch uses.
        compiled: By ``torch.compile``.
        seconds: Of a step, as measured; None where nothing was.
        plain_seconds: Of the same step in float32, contiguous, with all threads.
        items: In that step.
        note: What was measured, in a line; "" where nothing was.

    >>> Speed.of(Recipe(precision="bf16")).precision
    'bf16'
    """

    precision: str = "float32"
    memory_format: str = "contiguous"
    threads: int = 0
    compiled: bool = False
    seconds: float | None = None
    plain_seconds: float | None = None
    items: int = 0
    note: str = ""

    @classmethod
    def of(cls, recipe: Recipe) -> Speed:
        """What *recipe* says; of what it leaves open the plainest, and torch's threads."""
        return cls(
            "float32" if recipe.precision == "auto" else recipe.precision,
            "contiguous" if recipe.memory_format == "auto" else recipe.memory_format,
            recipe.threads,
            recipe.compile == "yes",
        )

    @property
    def format(self) -> torch.memory_format:
        return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format

    def __str__(self) -> str:
        words = [self.precision, self.memory_format.replace("_", "-")]
        words += [f"{self.threads} thread{'s' * (self.threads != 1)}"] * bool(self.threads)
        return ", ".join([*words, *["compiled"] * self.compiled])

    @property
    def gain(self) -> str:
        """`` (1.9 times plain float32, measured)``; "" where nothing was measured."""
        if not self.seconds or not self.plain_seconds:
            return ""
        return f" ({self.plain_seconds / self.seconds:.1f} times plain float32, measured)"

    def place(self, module: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Puts the 4-D weights of *module* in the memory format, and what *optimizer* remembers of them, which has to
        lie in memory as they do; the values stay.
        """
        if not any(p.ndim == 4 for p in module.parameters()):
            return
        module.to(memory_format=self.format)  # type: ignore[call-overload]  # torch's types lack it
        for memory in optimizer.state.values() if optimizer else ():
            for name, value in memory.items():
                if isinstance(value, Tensor) and value.ndim == 4:
                    memory[name] = value.contiguous(memory_format=self.format)

    def input(self, x: Tensor) -> Tensor:
        """*x* in the memory format."""
        return x.contiguous(memory_format=self.format) if x.ndim == 4 else x

    def autocast(self, device: torch.device) -> Any:
        """The context of a forward pass on *device*."""
        return torch.autocast(device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def as_dict(self) -> dict[str, Any]:
        """As ``recipe.json`` has it; only here, since processors differ, with the kind of processor."""
        names = ("precision", "memory_format", "threads", "compiled")
        return {name: getattr(self, name) for name in names} | {"processor": _processor()}

    @classmethod
    def from_dict(cls, values: Any) -> Speed | None:
        """What :meth:`as_dict` gave; None where that is nothing, or was measured on another kind of processor."""
        if not isinstance(values, dict) or values.get("processor") != _processor():
            return None
        found = cls(**{name: values.get(name, getattr(cls, name)) for name in cls().as_dict() if name != "processor"})
        right = found.precision in PRECISIONS and found.memory_format in MEMORY_FORMATS
        return found if right and isinstance(found.threads, int) and 0 <= found.threads <= 4096 else None


def _processor() -> str:
    return f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """*count* threads for what torch computes, and then as many as before; 0 changes nothing."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count:
            torch.set_num_threads(before)


def scores_in(speed: Speed, scores_of: Callable[[Tensor], Any], x: Tensor) -> Any:
    """What *scores_of* gives for *x*, computed as *speed* says; float32 where it is a tensor."""
    if speed.precision == "float32":
        return scores_of(speed.input(x))
    with speed.autocast(x.device):
        scores = scores_of(speed.input(x))
    return scores.float() if isinstance(scores, Tensor) and scores.dtype is torch.bfloat16 else scores


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
        with using_threads(speed.threads):
            self.step(speed)
            once = _clocked(lambda: self.step(speed), self.x.device)
            more = [
                _clocked(lambda: self.step(speed), self.x.device) for _ in range(2 * (once < 0.01 or 10 * once < left))
            ]
            return min([once, *more])

    def agrees(self, speed: Speed) -> bool:
        """Whether *speed* gives what float32 gives: each layer by itself, from the same inputs, forward and backward;
        and the scores of the whole.
        """
        exact = replace(speed, precision="float32")
        speed.place(self.module)
        layers = [part for part in self.module.modules() if isinstance(part, LAYERS)]
        inputs: dict[tuple[object, ...], tuple[nn.Module, Tensor]] = {}

        def note(part: nn.Module, args: tuple[Any, ...]) -> None:
            kind = (str(part), *args[0].shape)
            inputs.setdefault(kind, (part, args[0].detach().clone()))

        hooks = [part.register_forward_pre_hook(note) for part in layers]
        try:
            with using_threads(speed.threads), torch.no_grad():
                torch.manual_seed(0)
                scores = scores_in(exact, self.scores_of, self.x)
        finally:
            for hook in hooks:
                hook.remove()
        with using_threads(speed.threads):
            same = all(_layer_agrees(part, x, speed) for part, x in inputs.values())
            if not inputs:  # written with functions alone: then the gradients of the whole, strictly
                return _near(self.step(exact)[1], self.step(speed)[1], 10 * LAYER_BOUND)
            with torch.no_grad():
                torch.manual_seed(0)
                return same and _near([scores], [scores_in(speed, self.scores_of, self.x)], NETWORK_BOUND)


LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


def _layer_agrees(part: nn.Module, x: Tensor, speed: Speed) -> bool:
    """Whether the output of one layer for *x*, and its gradients for a random direction, are float32's."""
    x = x.requires_grad_(x.is_floating_point())
    weights = [x, *(p for p in part.parameters() if p.requires_grad)]
    direction = None
    found = []
    for how in (replace(speed, precision="float32"), speed):
        with how.autocast(x.device):
            output = part(x)
        direction = torch.randn_like(output, dtype=torch.float32) if direction is None else direction
        gradients = torch.autograd.grad(output, weights, direction.to(output.dtype))
        found.append([output.detach(), *gradients])
    return all(_near([a], [b], LAYER_BOUND) for a, b in zip(*found, strict=True))


def _clocked(work: Callable[[], object], device: torch.device) -> float:
    begun = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


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

    Float32 in plain order with all threads is measured first; then one thread, and what is likely to be faster:
    channels-last, bfloat16, both. It takes at most 0.5 seconds or 2% of the expected training time, whichever is less
    (but at least a step or two), on a part of the batch where a step is long. What *recipe* says is kept. Bfloat16 is
    taken only where the outputs and gradients of every layer agree with float32's within ``LAYER_BOUND``, and the
    scores within ``NETWORK_BOUND``. The module, its statistics and torch's generator are as before.

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
        except Exception:  # whatever it is, the training itself will say it of the step that it does
            return plain


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
    while True:  # as many items as there is time for
        x, y = batch[0][:count], batch[1][:count]
        trial = _Trial(scores_of, module, partial(_loss_of_scores, loss, y), x)
        took = trial.seconds(plain, 0.0)
        budget = min(BUDGET, SHARE * took / count * items * steps)
        if count == items or took * 4 > budget / 24:
            break
        count = min(items, 4 * count)
    long = took > budget / 20  # there is time for a few steps only

    def left() -> float:
        return budget - (time.perf_counter() - begun)

    times = {plain: took if long else trial.seconds(plain, left())}
    best = plain
    formats = ["channels_last"] if recipe.memory_format == "auto" and x.ndim == 4 else []
    halves = recipe.precision == "auto" and _bf16_is_no_trap(trial, plain, times[plain])
    ways: list[dict[str, Any]] = [{"memory_format": name} for name in formats]
    ways += [{"precision": "bf16", "memory_format": name} for name in (*formats, plain.memory_format) if halves]
    if not recipe.threads and plain.threads > 1 and not long:
        ways.insert(0, {"threads": 1})  # first: on a busy machine threads wait for each other
    if long:
        ways.sort(key=len, reverse=True)  # the most promising first
    for way in ways:
        speed = replace(best, **({"precision": plain.precision} | way))
        if speed in times or left() <= 0 or (long and times[best] * ENOUGH < times[plain]):
            continue
        times[speed] = trial.seconds(speed, left())
        if times[speed] * GAIN < times[best] and (speed.precision == plain.precision or trial.agrees(speed)):
            best = speed
    rates = ", ".join(f"{speed}: {count / seconds:,.0f}/s" for speed, seconds in times.items())
    return replace(best, seconds=times[best], plain_seconds=times[plain], items=count, note=rates)


def _loss_of_scores(loss: Loss, y: Tensor, scores: Tensor) -> Tensor:
    return loss(scores, y)


def _bf16_is_no_trap(trial: _Trial, speed: Speed, seconds: float) -> bool:
    """Whether two items go through in bfloat16 in not many times what they take in float32: else a step could take
    a minute.
    """
    few = _Trial(trial.scores_of, trial.module, lambda scores: scores.float().square().mean(), trial.x[:2])
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


class BusyWatch:
    """Notices that steps take much longer than they did: other programs use the processor, and threads that wait for
    each other make it worse. Then one thread is used for a while, if that is faster.

    ``after(seconds, items)`` is told of every step and gives the number of threads for the next.

    >>> watch = BusyWatch(threads=2, reference=0.01)
    >>> [watch.after(seconds) for seconds in [0.01] * 8 + [0.1] * 8][-1]
    1
    """

    WINDOW = 8  # steps whose median is looked at
    SLOWER = 2.5  # times the reference: busy

    def __init__(self, threads: int, reference: float | None = None) -> None:
        self.all = self.threads = threads
        self.reference = reference  # seconds of an undisturbed step
        self.recent: list[float] = []
        self.before: float | None = None  # the median with all threads, when they were given up
        self.rest = 0  # steps with one thread before all are tried again
        self.reduced = 0  # how often

    def after(self, seconds: float) -> int:
        if self.all <= 1:
            return self.threads
        self.recent.append(seconds)
        if self.threads == 1:
            self.rest -= 1
        if len(self.recent) < self.WINDOW:
            return self.threads
        median = sorted(self.recent)[len(self.recent) // 2]
        if self.threads > 1:
            self.recent = self.recent[1:]
            self.reference = median if self.reference is None else min(self.reference, median)
            if median > self.SLOWER * self.reference:
                self.threads, self.before, self.rest, self.recent = 1, median, 16 * self.WINDOW, []
                self.reduced += 1
        elif self.rest <= 0 or (self.before is not None and median > self.before):  # no better so, or try again
            self.threads, self.recent = self.all, []
        else:
            self.recent = self.recent[1:]
        return self.threads
