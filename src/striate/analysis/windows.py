"""The arithmetic of one axis: how long the output of a window is, and what its stride leaves out.

Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", relations 6 and 14, with
dilation and torch's rule for rounding up.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor

from striate.spec.op import per_axis
from striate.spec.ops import AvgPool, Conv, Crop, MaxPool, Opaque, Pool, SumPool, TableConv

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


def opaque_windows(op: Opaque) -> tuple[tuple[Window, int], ...]:
    """Of a part of somebody's module whose reach is a window: that of each axis, and by what the map is enlarged first.

    >>> from striate.spec import Opaque
    >>> window, factor = opaque_windows(Opaque("pad", (1, 5), reach="window", windows=((1, 1, 0, 1, 1, 1),)))[0]
    >>> window.output(4), factor
    (5, 1)
    """
    return tuple((Window(k, s, p, d, more=behind - p), factor) for k, s, p, behind, d, factor in op.windows)


def resized(window: tuple[int, ...], size: int) -> int:
    """How long an axis of *size* becomes by a part whose reach is ``resize``.

    >>> resized((2, 0, 3, 2), 9), resized((2, 1, 0, 20), 9)  # 3/2 times as long; 20
    (13, 20)
    """
    _, _, scale, by = window
    return size * scale // by if scale else by


def resized_reads(window: tuple[int, ...], size: int, out: int) -> list[tuple[int, ...]]:
    """The positions of an axis of *size* that each of *out* units of a resized map reads, as ``F.interpolate`` does.

    >>> resized_reads((2, 1, 0, 3), 2, 3)  # the corners aligned: the middle is between the two
    [(0,), (0, 1), (1,)]
    """
    taps, grid, scale, by = window
    if taps == 4 and grid == 0 and out == size:
        return [(i,) for i in range(out)]  # torch copies
    ratio = Fraction(by, scale) if scale else Fraction(size, out)
    aligned = Fraction(size - 1, out - 1) if out > 1 else Fraction(0)
    found = []
    for i in range(out):
        at = i * aligned if grid == 1 else i * ratio if grid == 2 else (i + Fraction(1, 2)) * ratio
        if grid == 0 and taps > 1:
            at -= Fraction(1, 2)
        at = max(at, Fraction(0)) if taps == 2 else at
        first = floor(at)
        between = taps > 1 and at != first
        reach = range(first - taps // 2 + 1, first + taps // 2 + 1) if between else (first,)
        found.append(tuple(dict.fromkeys(min(max(j, 0), size - 1) for j in reach)))
    return found


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


def transposed(size: int, kernel: int, stride: int, padding: int, output_padding: int, dilation: int) -> int:
    """The length of a transposed convolution's output along one axis.

    >>> transposed(7, kernel=2, stride=2, padding=0, output_padding=0, dilation=1)
    14
    """
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1
