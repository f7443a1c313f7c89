"""The arithmetic of one axis: what every op makes of its length, and which positions each of its units reads.

Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", relations 6 and 14, with
dilation and torch's rule for rounding up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import assert_never

from striate.spec import ops
from striate.spec.op import Pointwise, per_axis
from striate.spec.ops import AvgPool, Conv, Crop, MaxPool, Pool, SumPool, TableConv

Reads = Iterator[Sequence[int]]  # of each unit the positions that it reads; beyond the ends they lie in the padding

Windowed = Conv | TableConv | Pool | Crop


@dataclass(frozen=True)
class Window:
    """A convolution's or pooling's window along one axis."""

    kernel: int
    stride: int
    padding: int
    dilation: int = 1
    ceil: bool = False
    min_size: int = 1  # the shortest input that it takes at all
    more: int = 0  # padding behind, over that before

    @property
    def span(self) -> int:
        """From the first to the last value that the window reads, both counted."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def keeps_size(self) -> bool:
        return self.stride == 1 and 2 * self.padding + self.more == self.span - 1 and self.min_size == 1

    def output(self, size: int) -> int:
        """The output's length for an input of *size*; 0 or less where the window does not fit.

        >>> Window(kernel=3, stride=2, padding=0).output(8), Window(3, 2, 0, ceil=True).output(8)
        (3, 4)
        """
        room = size + 2 * self.padding + self.more - self.span
        if size < self.min_size:
            return 0
        if not self.ceil:
            return room // self.stride + 1
        out = -(-room // self.stride) + 1
        # a window may not begin in the padding behind the input
        return out - 1 if (out - 1) * self.stride >= size + self.padding else out

    def step(self, size: int) -> Fraction:
        """How far apart, in positions of the input, neighbours read; None of a rule where that varies."""
        return Fraction(self.stride)

    def reads(self, units: int, size: int) -> Reads:
        """What each of the first *units* of the output reads of an axis of *size*."""
        starts = (i * self.stride - self.padding for i in range(units))
        return (range(at, at + self.span, self.dilation) for at in starts)

    def unread(self, size: int) -> list[range]:
        """The positions at the end of the axis that no window reads, though a longer input would have them read: of
        each tap those that only a window behind the last one reads. What the stride and the dilation skip everywhere
        is skipped by design, and not among them.

        A position is read by the windows whose tap falls on it; taps a multiple of the stride apart read the same
        positions, and of these the last tap reads each of them first.

        >>> Window(kernel=2, stride=2, padding=0).unread(5)
        [range(4, 5)]
        >>> [list(each) for each in Window(kernel=3, stride=2, padding=0, dilation=3).unread(28)]
        [[25, 27]]
        """
        if self.stride == 1:
            return []
        out, found, taken_over = self.output(size), [], dict[int, int]()
        if self.dilation == 1:
            start = max(0, out * self.stride - self.padding + max(0, self.kernel - self.stride))
            return [range(start, size)] if start < size else []
        for tap in reversed(range(self.kernel)):
            at = tap * self.dilation - self.padding  # what window 0 reads with this tap
            first = max(out, -(at // self.stride))
            limit = min(size, taken_over.get(at % self.stride, size))
            positions = range(at + first * self.stride, limit, self.stride)
            found += [positions] * bool(positions)
            taken_over[at % self.stride] = at
        return found


@dataclass(frozen=True)
class Transposed:
    """Unit ``i`` of the input writes to the outputs ``i * stride - padding + j * dilation``."""

    kernel: int
    stride: int
    padding: int
    output_padding: int
    dilation: int

    def output(self, size: int) -> int:
        """
        >>> Transposed(kernel=2, stride=2, padding=0, output_padding=0, dilation=1).output(7)
        14
        """
        reach = self.dilation * (self.kernel - 1) + self.output_padding + 1
        return (size - 1) * self.stride - 2 * self.padding + reach

    def step(self, size: int) -> Fraction:
        return Fraction(1, self.stride)

    def reads(self, units: int, size: int) -> Reads:
        taps = [self.padding - j * self.dilation for j in range(self.kernel)]
        return ([(i + at) // self.stride for at in taps if (i + at) % self.stride == 0] for i in range(units))


@dataclass(frozen=True)
class Upsampled:
    """Output ``i`` is input ``i // scale`` or, *linear*, of the two around ``(i + 1/2) / scale - 1/2``."""

    scale: int
    linear: bool = False

    def output(self, size: int) -> int:
        return size * self.scale

    def step(self, size: int) -> Fraction:
        return Fraction(1, self.scale)

    def reads(self, units: int, size: int) -> Reads:
        if not self.linear:
            return ([i // self.scale] for i in range(units))
        places, whole = (2 * i + 1 - self.scale for i in range(units)), 2 * self.scale
        return ([place // whole, -(-place // whole)] for place in places)


@dataclass(frozen=True)
class Adaptive:
    """Windows that cover the axis, *out* of them, each from ``floor(i * size / out)`` to
    ``ceil((i + 1) * size / out) - 1``.
    """

    out: int

    def output(self, size: int) -> int:
        return self.out

    def step(self, size: int) -> Fraction | None:
        return Fraction(size, self.out) if self.out > 1 and size % self.out == 0 else None

    def reads(self, units: int, size: int) -> Reads:
        return (range(i * size // self.out, -(-(i + 1) * size // self.out)) for i in range(units))


@dataclass(frozen=True)
class Resized:
    """An axis resized as ``F.interpolate`` does it; the numbers are those of :class:`~striate.spec.Opaque`.

    >>> Resized(2, 0, 3, 2).output(9), Resized(2, 1, 0, 20).output(9)  # 3/2 times as long; 20
    (13, 20)
    >>> [*Resized(2, 1, 0, 3).reads(3, 2)]  # the corners aligned: the middle is between the two
    [(0,), (0, 1), (1,)]
    """

    taps: int
    grid: int
    scale: int
    by: int

    def output(self, size: int) -> int:
        return size * self.scale // self.by if self.scale else self.by

    def step(self, size: int) -> None:
        """None: its units are listed one by one."""

    def reads(self, units: int, size: int) -> Reads:
        out = self.output(size)
        if self.taps == 4 and self.grid == 0 and out == size:
            return ((i,) for i in range(units))  # torch copies
        ratio = Fraction(self.by, self.scale) if self.scale else Fraction(size, out)
        aligned = Fraction(size - 1, out - 1) if out > 1 else Fraction(0)
        return (self._read(i * aligned if self.grid == 1 else i * ratio, ratio, size) for i in range(units))

    def _read(self, at: Fraction, ratio: Fraction, size: int) -> tuple[int, ...]:
        if self.grid == 0:
            at += ratio / 2 - Fraction(1, 2) if self.taps > 1 else ratio / 2
        at = max(at, Fraction(0)) if self.taps == 2 else at
        first = floor(at)
        between = self.taps > 1 and at != first
        reach = range(first - self.taps // 2 + 1, first + self.taps // 2 + 1) if between else (first,)
        return tuple(dict.fromkeys(min(max(j, 0), size - 1) for j in reach))


AxisRule = Window | Transposed | Upsampled | Adaptive | Resized


@lru_cache(maxsize=1024)
def axis_rules(op: ops.Op, rank: int) -> tuple[tuple[AxisRule, ...], ...]:
    """What *op* does along each of *rank* axes, one after the other; nothing where a unit reads its own position.

    >>> axis_rules(ops.Conv(6, 5, padding=2), 1)
    ((Window(kernel=5, stride=1, padding=2, dilation=1, ceil=False, min_size=1, more=0),),)
    """
    match op:
        case Conv() | TableConv() | MaxPool() | AvgPool() | SumPool():
            return tuple((w,) for w in windows(op, rank))
        case Crop():
            return tuple((Window(1, 1, -m),) for m in per_axis(op.margin, rank))
        case ops.ConvTranspose():
            fields = (op.kernel, op.stride, op.padding, op.output_padding, op.dilation)
            each = zip(*(per_axis(value, rank) for value in fields), strict=True)
            return tuple((Transposed(*numbers),) for numbers in each)
        case ops.Upsample():
            return tuple((Upsampled(s, op.mode == "linear"),) for s in per_axis(op.scale, rank))
        case ops.AdaptiveAvgPool() | ops.AdaptiveMaxPool():
            return tuple((Adaptive(n),) for n in per_axis(op.out, rank))
        case ops.Opaque(reach="resize"):
            return tuple((Resized(*numbers),) for numbers in op.windows)
        case ops.Opaque(reach="window"):
            return tuple(
                (*[Upsampled(factor)] * (factor > 1), Window(k, s, p, d, more=behind - p))
                for k, s, p, behind, d, factor in op.windows
            )
        case Pointwise() | ops.Linear() | ops.RBF() | ops.Embedding() | ops.Flatten() | ops.LRN() | ops.PadChannels():
            return ((),) * rank
        case ops.Add() | ops.Multiply() | ops.Concat() | ops.Opaque():
            return ((),) * rank
        case _:
            assert_never(op)


@lru_cache(maxsize=1024)
def windows(op: Windowed, rank: int) -> tuple[Window, ...]:
    """The op's window along each of *rank* axes."""
    if isinstance(op, Crop):  # what a window of its margins' size would leave
        return tuple(Window(2 * m + 1, 1, 0) for m in per_axis(op.margin, rank))
    assert op.stride is not None
    dilation = op.dilation if isinstance(op, Conv | MaxPool) else 1
    ceil = isinstance(op, Pool) and op.ceil
    # torch's averages over volumes want an input as large as the kernel, whatever the padding
    min_size = op.kernel if rank == 3 and isinstance(op, AvgPool | SumPool) else 1
    each = zip(*(per_axis(v, rank) for v in (op.kernel, op.stride, op.padding, dilation, min_size)), strict=True)
    return tuple(Window(k, s, p, d, ceil, n) for k, s, p, d, n in each)
