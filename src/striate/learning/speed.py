"""How a step is computed: precision, memory format, threads, and what becomes of memory that it frees.

``learning/trial.py`` measures which way is the fastest.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import listed
from striate.learning.matmul import multiplied
from striate.learning.modules import each_tensor, leading_tensor
from striate.learning.recipe import MEMORY_FORMATS, PRECISIONS, Recipe
from striate.threads import processors

LAYERS_BY_NAME = ("float32_layers", "matmul_layers")


@dataclass(frozen=True)
class Speed:
    """How a step is computed.

    Args:
        precision: ``"float32"``, or ``"bf16"``: bfloat16 autocast; weights, normalisation statistics and the
            optimizer's state stay float32.
        memory_format: ``"contiguous"`` (N, C, H, W in memory) or ``"channels_last"`` (N, H, W, C), of 4-D inputs.
        threads: Of the processor; 0: as many as torch uses.
        compiled: By ``torch.compile``.
        float32_layers: With bf16: layers that are computed in float32 all the same, since they are faster so (a first
            convolution of one channel, for example).
        matmul_layers: Layers that are one matrix multiplication, and faster when computed so (``learning/matmul.py``).
        seconds: Of a step, as measured; None where nothing was.
        plain_seconds: Of the same step in float32, contiguous, with all threads.
        note: Why nothing was measured, where it should have been.

    >>> Speed.of(Recipe(precision="bf16")).precision
    'bf16'
    """

    precision: str = "float32"
    memory_format: str = "contiguous"
    threads: int = 0
    compiled: bool = False
    float32_layers: tuple[str, ...] = ()
    matmul_layers: tuple[str, ...] = ()
    seconds: float | None = None
    plain_seconds: float | None = None
    note: str = ""

    @classmethod
    def of(cls, recipe: Recipe) -> Speed:
        """What *recipe* says; of what it leaves open the plainest, and torch's threads. Threads are no more than there
        are processors: those beyond would only wait for each other.
        """
        return cls(
            "float32" if recipe.precision == "auto" else recipe.precision,
            "contiguous" if recipe.memory_format == "auto" else recipe.memory_format,
            min(recipe.threads, processors()),
            recipe.compile == "yes",
        )

    @property
    def format(self) -> torch.memory_format:
        return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format

    def __str__(self) -> str:
        others = f" ({listed(self.float32_layers, 3)} in float32)" if self.float32_layers else ""
        words = [self.precision + others, self.memory_format.replace("_", "-")]
        words += [f"{self.threads} thread{'s' * (self.threads != 1)}"] * bool(self.threads)
        words += [f"{listed(self.matmul_layers, 3)} by matrix multiplication"] * bool(self.matmul_layers)
        return ", ".join([*words, *["compiled"] * self.compiled])

    @property
    def gain(self) -> str:
        """`` (1.9 times plain float32, measured)``; "" where that was not measured."""
        if self.note:
            return f" (not measured: {self.note})"
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

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """The layers of *module* that are computed in float32 or by a matrix multiplication are so, until it ends."""
        parts = {name: module.get_submodule(name) for name in (*self.matmul_layers, *self.float32_layers)}
        own = {part: vars(part).get("forward") for part in parts.values()}  # somebody may have given it another
        for name, part in parts.items():
            if name in self.matmul_layers:
                part.forward = partial(multiplied, part, part.forward)
            if name in self.float32_layers:
                part.forward = partial(_in_float32, part.forward)
        try:
            yield
        finally:
            for part, forward in own.items():
                del part.forward
                if forward is not None:
                    part.forward = forward

    def autocast(self, device: torch.device) -> Any:
        """The context of a forward pass on *device*."""
        return torch.autocast(device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def as_dict(self) -> dict[str, Any]:
        """As ``recipe.json`` has it; only here, since processors differ, with the kind of processor."""
        names = ("precision", "memory_format", "threads", "compiled")
        layers = {name: list(getattr(self, name)) for name in LAYERS_BY_NAME}
        return {name: getattr(self, name) for name in names} | layers | {"processor": _processor()}

    @classmethod
    def from_dict(cls, values: Any) -> Speed | None:
        """What :meth:`as_dict` gave; None where that is nothing, or was measured on another kind of processor."""
        if not isinstance(values, dict) or values.get("processor") != _processor():
            return None
        known = {name: values.get(name, getattr(cls, name)) for name in cls().as_dict() if name != "processor"}
        found = cls(**known | {name: tuple(map(str, known[name])) for name in LAYERS_BY_NAME})
        right = found.precision in PRECISIONS and found.memory_format in MEMORY_FORMATS
        return found if right and isinstance(found.threads, int) and 0 <= found.threads <= 4096 else None


def _processor() -> str:
    return f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _in_float32(forward: Callable[..., Tensor], x: Tensor, *more: Any, **named: Any) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return forward(x.float(), *more, **named)


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
        return scores_of(each_tensor(speed.input, x))
    with speed.autocast(leading_tensor(x).device):
        scores = scores_of(each_tensor(speed.input, x))
    return each_tensor(lambda part: part.float() if part.dtype is torch.bfloat16 else part, scores)


class BusyWatch:
    """Notices that steps take much longer than they did: other programs use the processor, and threads that wait for
    each other make it worse. Then one thread is used for a while, if that is faster.

    ``after(seconds)`` is told of every step and gives the number of threads for the next.

    >>> watch = BusyWatch(threads=2)
    >>> [watch.after(seconds) for seconds in [0.01] * 8 + [0.1] * 8][-1]
    1
    """

    WINDOW = 8  # steps whose median is looked at
    SLOWER = 2.5  # times the reference: busy

    def __init__(self, threads: int) -> None:
        self.all = self.threads = threads
        self.reference: float | None = None  # seconds of an undisturbed step
        self.recent: list[float] = []
        self.before: float | None = None  # the median with all threads, when they were given up
        self.rest = 0  # steps with one thread before all are tried again

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
        elif self.rest <= 0 or (self.before is not None and median > self.before):  # no better so, or try again
            self.threads, self.recent = self.all, []
        else:
            self.recent = self.recent[1:]
        return self.threads


# mallopt(3)
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX = -1, -2, -3, -4
KEPT = ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 2**26))
# as the C library sets itself in a process that has freed large blocks
USUAL = ((MMAP_MAX, 65_536), (MMAP_THRESHOLD, 2**25), (TRIM_THRESHOLD, 2**26), (TOP_PAD, 2**17))


@contextmanager
def reused_memory() -> Iterator[None]:
    """While it is entered, large blocks of memory that are freed stay with the process, for the next step to use.

    The GNU C library gives blocks of more than 32 MB back to the system at once, which clears every page of them before
    the next use: a step whose feature maps are larger spends a quarter of its time there. Elsewhere nothing is done.

    >>> with reused_memory():
    ...     sum(range(4))
    6
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    for option, value in KEPT:
        libc.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in USUAL:
            libc.mallopt(option, value)
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The GNU C library, where the process has it."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    known = all(hasattr(libc, name) for name in ("mallopt", "malloc_trim", "gnu_get_libc_version"))
    return libc if known else None
