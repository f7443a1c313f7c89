"""The closed vocabulary: one frozen dataclass a layer, checked when it is made.

The rank (1-D, 2-D or 3-D) comes from the input, so the same words serve text, images and volumes. A size
(kernel, stride, padding, dilation) is one number for every axis or a tuple with one number an axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar, Literal

from striate.errors import SpecError, nearest

Size = int | tuple[int, ...]
Padding = Size | Literal["same", "valid"]
Shape = tuple[int, ...]
Table = tuple[tuple[int, ...], ...]

LEAST = {  # the smallest value of every whole-number field
    "out": 1, "kernel": 1, "stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1,
    "size": 1, "words": 1, "scale": 1, "margin": 0,
}  # fmt: skip
WHOLE = ("int", "Size", "Padding", "Size | None")  # the declared types that take a whole number
MODES = ("nearest", "linear")


def per_axis(value: Padding, rank: int) -> tuple[int, ...]:
    """*value* as one number an axis.

    >>> per_axis(3, 2), per_axis((3, 5), 2)
    ((3, 3), (3, 5))
    """
    assert not isinstance(value, str), "same and valid are stored as numbers"
    if isinstance(value, int):
        return (value,) * rank
    assert len(value) == rank
    return value


@dataclass(frozen=True, repr=False)
class Base:
    """What every op shares: checks when made, a repr that leaves defaults out, and a stem for given names."""

    stem: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.stem = "pool" if cls.__name__.endswith("Pool") else cls.__name__.lower()

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if type(value) is int and f.type in WHOLE and value >= LEAST[f.name]:
                continue  # as it nearly always is
            object.__setattr__(self, f.name, _checked(self, f))
        ranks = {len(v): f for f, v in sizes(self) if isinstance(v, tuple)}
        if len(ranks) > 1:
            one, other = list(ranks.values())[:2]
            raise SpecError(
                f"{word(self)}: {one} and {other} have different numbers of axes; give one number, or one per axis"
            )

    def __repr__(self) -> str:
        args = [repr(v) if required else f"{name}={v!r}" for name, v, required in shown(self)]
        return f"{type(self).__name__}({', '.join(args)})"


def word(op: Base) -> str:
    """The op's word in the text form: its lower-case name."""
    return type(op).__name__.lower()


@lru_cache(maxsize=1024)  # a deep net repeats the same few ops hundreds of times
def sizes(op: Base) -> tuple[tuple[str, Size], ...]:
    """The op's fields that may have one number an axis, with their values."""
    kinds = ((f.name, str(f.type)) for f in fields(op))
    return tuple((name, getattr(op, name)) for name, kind in kinds if "Size" in kind or kind == "Padding")


@lru_cache(maxsize=1024)
def fits_rank(op: Base, rank: int) -> bool:
    """Whether every size of *op* is one number, or has one for each of *rank* axes."""
    return all(not isinstance(value, tuple) or len(value) == rank for _, value in sizes(op))


def shown(op: Base) -> Iterator[tuple[str, Any, bool]]:
    """The fields worth writing: ``(name, value, required)``, without those at their default."""
    for f in fields(op):
        value = getattr(op, f.name)
        if f.default is MISSING:
            yield f.name, value, True
        elif value != (getattr(op, "kernel", None) if f.default is None else f.default):
            yield f.name, value, False


def _checked(op: Base, f: Field[Any]) -> Any:
    """The field's value in its one stored form; SpecError where it is none."""
    value, where = getattr(op, f.name), f"{word(op)}: {f.name}"
    match f.type:
        case "bool":
            if not isinstance(value, bool):
                raise SpecError(f"{where} must be yes or no, got {value!r}")
        case "str":
            if value not in MODES:
                raise SpecError(f"{where} is {value!r}{nearest(str(value), MODES)}")
        case "float":
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise SpecError(f"{where} must be a number, got {value!r}")
            return float(value)
        case "int":
            return _whole(value, where, LEAST[f.name])
        case "Table":
            return _table(value, where)
        case _:
            if (value is None and f.default is None) or (f.type == "Padding" and value in ("same", "valid")):
                return value  # resolved by the op itself, which knows the kernel
            if isinstance(value, tuple | list):
                if not 1 <= len(value) <= 3:
                    raise SpecError(f"{where} must have one number per axis, 1 to 3 of them, got {value!r}")
                numbers = tuple(_whole(v, where, LEAST[f.name]) for v in value)
                return numbers if len(numbers) > 1 else numbers[0]
            return _whole(value, where, LEAST[f.name])
    return value


def _table(value: object, where: str) -> Table:
    rows = (
        tuple(tuple(row) if isinstance(row, tuple | list) else () for row in value)
        if isinstance(value, tuple | list)
        else ()
    )
    if not rows or not all(rows):
        raise SpecError(f"{where} must name the inputs of every output, such as 0-1-2,1-2-3; got {value!r}")
    for row in rows:
        if len({_whole(n, where, 0) for n in row}) < len(row):
            raise SpecError(f"{where} names an input twice for one output: {'-'.join(map(str, row))}")
    return rows


def _whole(value: object, where: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpecError(f"{where} must be a whole number, got {value!r}")
    if value < least:
        raise SpecError(f"{where} must be at least {least}, got {value}")
    return value


def _check_groups(op: Conv | ConvTranspose) -> None:
    if op.out % op.groups:
        less = op.out - op.out % op.groups
        choice = f"{less} or {less + op.groups}" if less else str(op.groups)
        raise SpecError(f"{word(op)}: {op.out} outputs do not divide into {op.groups} groups; take {choice}")


# ------------------------------------------------------------------------------------- layers with weights
@dataclass(frozen=True, repr=False)
class Conv(Base):
    """Convolution, as networks do it: cross-correlation, no flip (LeCun et al. 1998, section II-A).

    ``padding="same"`` and ``"valid"`` are stored as the numbers they mean.

    >>> Conv(6, 5, padding="same")
    Conv(6, 5, padding=2)
    """

    out: int
    kernel: Size
    stride: Size = 1
    padding: Padding = 0
    dilation: Size = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_groups(self)
        if self.padding == "valid":
            object.__setattr__(self, "padding", 0)
        elif self.padding == "same":
            object.__setattr__(self, "padding", _same(self.kernel, self.stride, self.dilation))


def _spread(*values: Padding) -> list[tuple[int, ...]]:
    """The sizes, each with as many numbers as the longest has."""
    rank = max(len(v) if isinstance(v, tuple) else 1 for v in values)
    return [per_axis(v, rank) for v in values]


def _same(kernel: Size, stride: Size, dilation: Size) -> Size:
    """The padding that keeps the size; it is a number only for stride 1 and an odd (dilated) kernel."""
    kernels, strides, dilations = _spread(kernel, stride, dilation)
    if max(strides) > 1:
        raise SpecError(f"conv: padding=same needs stride 1, got stride {stride}; write the padding as a number")
    spans = tuple((k - 1) * d for k, d in zip(kernels, dilations, strict=True))
    if any(span % 2 for span in spans):
        raise SpecError(
            f"conv: padding=same needs an odd kernel, got {kernel}: an even one pads one side more than the other; "
            f"write the padding as a number"
        )
    halves = tuple(span // 2 for span in spans)
    return halves[0] if len(halves) == 1 else halves


@dataclass(frozen=True, repr=False)
class ConvTranspose(Base):
    """Transposed convolution (Zeiler et al. 2010): the gradient of ``Conv`` used as a layer that enlarges."""

    out: int
    kernel: Size
    stride: Size = 1
    padding: Size = 0
    output_padding: Size = 0
    dilation: Size = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_groups(self)
        for o, s, d in zip(*_spread(self.output_padding, self.stride, self.dilation), strict=True):
            if o >= max(s, d):
                raise SpecError(
                    f"convtranspose: output_padding {o} must be below the stride or the dilation ({max(s, d)})"
                )


@dataclass(frozen=True, repr=False)
class Linear(Base):
    """Fully connected layer on flat features: ``y = W x + b``."""

    out: int
    bias: bool = True


@dataclass(frozen=True, repr=False)
class Embedding(Base):
    """A table from word numbers ``(N, L)`` to vectors ``(N, out, L)``."""

    words: int
    out: int


@dataclass(frozen=True, repr=False)
class TableConv(Base):
    """Convolution whose outputs each read only the inputs that *table* names for them (LeCun et al. 1998, table I)."""

    table: Table
    kernel: Size
    stride: Size = 1
    padding: Size = 0
    bias: bool = True

    @property
    def out(self) -> int:
        return len(self.table)


@dataclass(frozen=True, repr=False)
class RBF(Base):
    """Minus the squared distance of flat features to a fixed code of +1 and -1 for each output (LeCun et al. 1998,
    section II-B). The codes are drawn by chance, which the paper allows, and are not trained.
    """

    out: int


@dataclass(frozen=True, repr=False)
class Scale(Base):
    """A trained factor for each channel, beginning at ``value``; with ``bias`` a trained shift too."""

    value: float = 1.0
    bias: bool = False


# ------------------------------------------------------------------------------------------------- pooling
def _check_pool(op: MaxPool | AvgPool | SumPool) -> None:
    if op.stride is None:
        object.__setattr__(op, "stride", op.kernel)
    for k, p in zip(*_spread(op.kernel, op.padding), strict=True):
        if 2 * p > k:  # torch's rule too (for dilated windows as well): no window lies in the padding alone
            raise SpecError(f"{word(op)}: padding {p} is more than half of the window {k}; take {k // 2} or less")


@dataclass(frozen=True, repr=False)
class MaxPool(Base):
    """The largest value of each window; ``stride`` is the kernel unless given.

    >>> MaxPool(2) == MaxPool(2, stride=2)
    True
    """

    kernel: Size
    stride: Size | None = None
    padding: Size = 0
    dilation: Size = 1
    ceil: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_pool(self)


@dataclass(frozen=True, repr=False)
class AvgPool(Base):
    """The mean of each window; ``count_padding`` says whether the zeros of the padding count in it."""

    kernel: Size
    stride: Size | None = None
    padding: Size = 0
    ceil: bool = False
    count_padding: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_pool(self)


@dataclass(frozen=True, repr=False)
class SumPool(Base):
    """The sum of each window."""

    kernel: Size
    stride: Size | None = None
    padding: Size = 0
    ceil: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_pool(self)


@dataclass(frozen=True, repr=False)
class AdaptiveAvgPool(Base):
    """The mean over windows chosen so that ``out`` of them cover each axis; ``out=1`` is global pooling."""

    out: Size


@dataclass(frozen=True, repr=False)
class AdaptiveMaxPool(Base):
    """The largest value over windows chosen so that ``out`` of them cover each axis."""

    out: Size


# ------------------------------------------------------------------------------------------- normalisation
@dataclass(frozen=True, repr=False)
class BatchNorm(Base):
    """Batch normalisation (Ioffe and Szegedy 2015) with a trained scale and shift for each channel."""

    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eps <= 0 or not 0 <= self.momentum <= 1:
            raise SpecError(f"batchnorm: wanted eps > 0 and momentum in 0..1, got {self.eps} and {self.momentum}")


@dataclass(frozen=True, repr=False)
class LRN(Base):
    """Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3).

    As torch has it: ``b = a / (k + alpha / size * sum(a^2)) ** beta`` over ``size`` neighbouring channels;
    the paper does not divide alpha by size.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0


@dataclass(frozen=True, repr=False)
class LayerNorm(Base):
    """Layer normalisation over the channels, place by place (Ba et al. 2016), with a trained scale and shift."""

    eps: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eps <= 0:
            raise SpecError(f"layernorm: eps must be above 0, got {self.eps}")


# --------------------------------------------------------------------------------------------- activations
@dataclass(frozen=True, repr=False)
class ReLU(Base):
    """``max(0, x)``."""


@dataclass(frozen=True, repr=False)
class Tanh(Base):
    """Hyperbolic tangent."""


@dataclass(frozen=True, repr=False)
class Sigmoid(Base):
    """``1 / (1 + exp(-x))``."""


@dataclass(frozen=True, repr=False)
class GELU(Base):
    """Gaussian error linear unit (Hendrycks and Gimpel 2016), exact form."""


@dataclass(frozen=True, repr=False)
class SiLU(Base):
    """``x * sigmoid(x)``, also called swish."""


@dataclass(frozen=True, repr=False)
class LeakyReLU(Base):
    """``x`` where positive, ``slope * x`` elsewhere."""

    slope: float = 0.01


@dataclass(frozen=True, repr=False)
class ReLU6(Base):
    """``min(max(0, x), 6)``."""


@dataclass(frozen=True, repr=False)
class HardSigmoid(Base):
    """``min(max(0, x + 3), 6) / 6`` (Howard et al. 2019)."""


@dataclass(frozen=True, repr=False)
class HardSwish(Base):
    """``x * hardsigmoid(x)`` (Howard et al. 2019)."""


@dataclass(frozen=True, repr=False)
class ScaledTanh(Base):
    """``amplitude * tanh(slope * x)`` (LeCun et al. 1998, appendix A)."""

    amplitude: float = 1.7159
    slope: float = 2 / 3


@dataclass(frozen=True, repr=False)
class Softmax(Base):
    """Probabilities over the channels (or the flat features)."""


# ------------------------------------------------------------------------------------------------ the rest
@dataclass(frozen=True, repr=False)
class Dropout(Base):
    """Each value is zeroed with probability ``p`` in training (Srivastava et al. 2014); none in use."""

    p: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.p < 1:
            raise SpecError(f"dropout: p must be from 0 to below 1, got {self.p}")


@dataclass(frozen=True, repr=False)
class StochasticDepth(Base):
    """In training a whole sample is zeroed with probability ``p``, the others grow to match (Huang et al. 2016)."""

    p: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.p < 1:
            raise SpecError(f"stochasticdepth: p must be from 0 to below 1, got {self.p}")


@dataclass(frozen=True, repr=False)
class Flatten(Base):
    """All axes but the batch's into one."""


@dataclass(frozen=True, repr=False)
class Upsample(Base):
    """Each axis enlarged ``scale`` times; ``linear`` is bilinear on images, trilinear on volumes."""

    scale: Size
    mode: str = "nearest"


@dataclass(frozen=True, repr=False)
class Crop(Base):
    """Cuts ``margin`` values off both ends of every axis."""

    margin: Size


@dataclass(frozen=True, repr=False)
class PadChannels(Base):
    """Zeros behind the channels until they are ``out`` (He et al. 2015, section 3.3, option A)."""

    out: int


@dataclass(frozen=True, repr=False)
class Add(Base):
    """The sum of its inputs, element by element (the joins of ResNet)."""


@dataclass(frozen=True, repr=False)
class Concat(Base):
    """Its inputs one behind the other along the channels (the joins of GoogLeNet and DenseNet)."""


@dataclass(frozen=True, repr=False)
class Multiply(Base):
    """The product of its inputs, element by element; an axis of length 1 serves all places (Hu et al. 2017)."""


REACHES = ("unknown", "place", "map")


@dataclass(frozen=True, repr=False)
class Opaque(Base):
    """A part of somebody's module that is no word of the vocabulary (``striate.net.read`` makes them): analysed as
    far as it is known, never written as text to be parsed, never built.

    Args:
        kind: What it is called: ``GroupNorm``, ``lstm``.
        output: The shape that it gave for the input that the net was read with, without the batch.
        parameters: Its trained numbers.
        macs: Multiply-accumulates for one input; None: not known.
        reach: What one unit reads: ``place`` its own place of every map, ``map`` the whole map, or ``unknown``.
    """

    kind: str
    output: Shape
    parameters: int = 0
    macs: int | None = None
    reach: str = "unknown"

    def __post_init__(self) -> None:
        if not self.kind or any(c.isspace() or c in "#;:=," for c in self.kind):
            raise SpecError(f"opaque: kind is one word, got {self.kind!r}")
        if not self.output or not all(type(n) is int and n >= 0 for n in self.output):
            raise SpecError(f"opaque: output is the whole numbers of a shape, got {self.output!r}")
        if self.reach not in REACHES:
            raise SpecError(f"opaque: reach is {self.reach!r}{nearest(str(self.reach), REACHES)}")


Op = (
    Conv | ConvTranspose | Linear | Embedding | TableConv | RBF | Scale
    | MaxPool | AvgPool | SumPool | AdaptiveAvgPool | AdaptiveMaxPool | BatchNorm | LRN | LayerNorm
    | ReLU | Tanh | Sigmoid | GELU | SiLU | LeakyReLU | ReLU6 | HardSigmoid | HardSwish | ScaledTanh | Softmax
    | Dropout | StochasticDepth | Flatten | Upsample | Crop | PadChannels | Add | Multiply | Concat
    | Opaque
)  # fmt: skip
Join = Add | Multiply | Concat
Pool = MaxPool | AvgPool | SumPool
OPS: dict[str, type[Op]] = {cls.__name__.lower(): cls for cls in Op.__args__ if cls is not Opaque}  # the words
