"""The closed vocabulary: one frozen dataclass a layer, checked when it is made.

The rank (1-D, 2-D or 3-D) comes from the input, so the same words serve text, images and volumes. A size
(kernel, stride, padding, dilation) is one number for every axis or a tuple with one number per axis.

A new activation is a class here and a row in docs/notation.md: everything else (text, analysis, ``build``, reading of
modules and functions, the source export, the tests) takes it from the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from striate.errors import SpecError, nearest
from striate.spec.op import Activation, Base, Padding, Pointwise, Pooling, Shape, Size, Table, per_axes, per_axis, word


def _check_groups(op: Conv | ConvTranspose) -> None:
    if op.out % op.groups:
        less = op.out - op.out % op.groups
        choice = f"{less} or {less + op.groups}" if less else str(op.groups)
        raise SpecError(f"{word(op)}: {op.out} outputs do not divide into {op.groups} groups; use {choice}")


# ------------------------------------------------------------------------------------- layers with weights
class Conv(Base):
    """Convolution, as networks do it: cross-correlation, no flip (LeCun et al. 1998, section II-A).

    ``padding="same"`` and ``"valid"`` are stored as the numbers they mean.

    >>> Conv(6, 5, padding="same")
    Conv(6, 5, padding=2)
    """

    torch = "nn.Conv{rank}d(channels, out, kernel, *, stride, padding, dilation, groups, bias)"

    out: int
    kernel: Size
    stride: Size = 1
    padding: Padding = 0
    dilation: Size = 1
    groups: int = 1
    bias: bool = True

    def check(self) -> None:
        _check_groups(self)
        if self.padding == "valid":
            object.__setattr__(self, "padding", 0)
        elif self.padding == "same":
            object.__setattr__(self, "padding", _same(self.kernel, self.stride, self.dilation))


def _same(kernel: Size, stride: Size, dilation: Size) -> Size:
    """The padding that keeps the size; it is a number only for stride 1 and an odd (dilated) kernel."""
    kernels, strides, dilations = per_axes(kernel, stride, dilation)
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


class ConvTranspose(Base):
    """Transposed convolution (Zeiler et al. 2010): the gradient of ``Conv`` used as a layer that enlarges."""

    label = "up-conv"
    torch = "nn.ConvTranspose{rank}d(channels, out, kernel, *, stride, padding, output_padding, dilation, groups, bias)"

    out: int
    kernel: Size
    stride: Size = 1
    padding: Size = 0
    output_padding: Size = 0
    dilation: Size = 1
    groups: int = 1
    bias: bool = True

    def check(self) -> None:
        _check_groups(self)
        for o, s, d in zip(*per_axes(self.output_padding, self.stride, self.dilation), strict=True):
            if o >= max(s, d):
                raise SpecError(
                    f"convtranspose: output_padding {o} must be below the stride or the dilation ({max(s, d)})"
                )


class Linear(Base):
    """Fully connected layer on flat features: ``y = W x + b``."""

    torch = "nn.Linear(features, out, *, bias)"

    out: int
    bias: bool = True


class Embedding(Base):
    """A table from word numbers ``(N, L)`` to vectors ``(N, out, L)``."""

    torch = "ChannelsFirstEmbedding(words, out)"

    words: int
    out: int


class TableConv(Base):
    """Convolution whose outputs each read only the inputs that *table* names for them (LeCun et al. 1998, table I)."""

    label = "conv by table"
    torch = "TabledConvolution(table, kernel, *, stride, padding, bias)"

    table: Table
    kernel: Size
    stride: Size = 1
    padding: Size = 0
    bias: bool = True

    @property
    def out(self) -> int:
        """How many outputs the table has."""
        return len(self.table)

    def torch_value(self, field: str, rank: int) -> Any:
        """Of *kernel*: one number per axis, which says the rank."""
        return per_axis(self.kernel, rank) if field == "kernel" else super().torch_value(field, rank)


class RBF(Base):
    """Minus the squared distance of flat features to a fixed code of +1 and -1 for each output (LeCun et al. 1998,
    section II-B). The codes are drawn by chance, which the paper allows, and are not trained.
    """

    label = "rbf units"
    torch = "FixedCodes(features, out)"

    out: int


class Scale(Pointwise):
    """A trained factor for each channel, beginning at ``value``; with ``bias`` a trained shift too."""

    torch = "ChannelScale(channels, *, value, bias)"

    value: float = 1.0
    bias: bool = False


# ------------------------------------------------------------------------------------------------- pooling
class MaxPool(Pooling):
    """The largest value of each window.

    ``stride`` is the kernel unless given.

    >>> MaxPool(2) == MaxPool(2, stride=2)
    True
    """

    label = "max pool"
    torch = "nn.MaxPool{rank}d(kernel, *, stride, padding, dilation, ceil_mode=ceil)"

    dilation: Size = 1
    ceil: bool = False


class AvgPool(Pooling):
    """The mean of each window.

    ``count_padding`` says whether the zeros of the padding count in it.
    """

    label = "avg pool"
    torch = "nn.AvgPool{rank}d(kernel, *, stride, padding, ceil_mode=ceil, count_include_pad=count_padding)"

    ceil: bool = False
    count_padding: bool = True


class SumPool(Pooling):
    """The sum of each window."""

    label = "sum pool"
    torch = "nn.AvgPool{rank}d(kernel, *, stride, padding, ceil_mode=ceil, divisor_override=1)"

    ceil: bool = False

    def torch_text(self, rank: int) -> str:
        """Averages divided by 1, which torch has for maps and volumes alone."""
        return super().torch_text(rank) if rank > 1 else "SumPool1d(kernel, *, stride, padding, ceil_mode=ceil)"


class AdaptiveAvgPool(Base):
    """The mean over windows chosen so that ``out`` of them cover each axis; ``out=1`` is global pooling."""

    label = "avg pool"
    torch = "nn.AdaptiveAvgPool{rank}d(output_size=out)"

    out: Size


class AdaptiveMaxPool(Base):
    """The largest value over windows chosen so that ``out`` of them cover each axis."""

    label = "max pool"
    torch = "nn.AdaptiveMaxPool{rank}d(output_size=out)"

    out: Size


# ------------------------------------------------------------------------------------------- normalisation
class BatchNorm(Pointwise):
    """Batch normalisation (Ioffe and Szegedy 2015) with a trained scale and shift for each channel."""

    label = "bn"
    torch = "nn.BatchNorm{rank}d(channels, *, eps, momentum)"

    eps: float = 1e-5
    momentum: float = 0.1

    def check(self) -> None:
        if self.eps <= 0 or not 0 <= self.momentum <= 1:
            raise SpecError(f"batchnorm: expected eps > 0 and momentum in 0..1, got {self.eps} and {self.momentum}")


class LRN(Base):
    """Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3).

    As torch has it: ``b = a / (k + alpha / size * sum(a^2)) ** beta`` over ``size`` neighbouring channels;
    the paper does not divide alpha by size.
    """

    torch = "nn.LocalResponseNorm(size, *, alpha, beta, k)"

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0


class LayerNorm(Pointwise):
    """Layer normalisation over the channels, position by position (Ba et al. 2016), with a trained scale and shift."""

    label = "layer norm"
    torch = "ChannelNorm(channels, *, eps)"

    eps: float = 1e-6

    def check(self) -> None:
        if self.eps <= 0:
            raise SpecError(f"layernorm: eps must be above 0, got {self.eps}")


# --------------------------------------------------------------------------------------------- activations
class ReLU(Activation):
    """Rectified linear unit (Nair and Hinton 2010)."""

    formula = "max(0, x)"
    torch = "nn.ReLU()"


class Tanh(Activation):
    """Hyperbolic tangent."""

    formula = "tanh(x)"
    torch = "nn.Tanh()"


class Sigmoid(Activation):
    """Logistic function."""

    formula = "1 / (1 + exp(-x))"
    torch = "nn.Sigmoid()"


class GELU(Activation):
    """Gaussian error linear unit (Hendrycks and Gimpel 2016), exact form."""

    formula = "x * (1 + erf(x / sqrt(2))) / 2"
    torch = "nn.GELU()"


class SiLU(Activation):
    """``x * sigmoid(x)``, also called swish (Elfwing, Uchibe, Doya 2017)."""

    formula = "x / (1 + exp(-x))"
    torch = "nn.SiLU()"


class Mish(Activation):
    """``x * tanh(softplus(x))`` (Misra 2019)."""

    formula = "x * tanh(log(1 + exp(x)))"
    torch = "nn.Mish()"


class Softplus(Activation):
    """A smooth ReLU (Dugas et al. 2000); linear where ``beta * x`` is above ``threshold``."""

    formula = "x if beta * x > threshold else log(1 + exp(beta * x)) / beta"
    torch = "nn.Softplus(*, beta, threshold)"

    beta: float = 1.0
    threshold: float = 20.0

    def check(self) -> None:
        if self.beta <= 0:
            raise SpecError(f"softplus: beta must be above 0, got {self.beta}")


class ELU(Activation):
    """Exponential linear unit (Clevert, Unterthiner, Hochreiter 2015)."""

    formula = "x if x > 0 else alpha * (exp(x) - 1)"
    torch = "nn.ELU(*, alpha)"

    alpha: float = 1.0


class LeakyReLU(Activation):
    """``x`` where positive, ``slope * x`` elsewhere (Maas, Hannun, Ng 2013)."""

    label = "leaky relu"
    formula = "x if x > 0 else slope * x"
    torch = "nn.LeakyReLU(*, negative_slope=slope)"

    slope: float = 0.01


class ReLU6(Activation):
    """ReLU capped at 6 (Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10")."""

    formula = "min(max(0, x), 6)"
    torch = "nn.ReLU6()"


class HardSigmoid(Activation):
    """The sigmoid in straight pieces (Howard et al. 2019)."""

    label = "hard sigmoid"
    formula = "min(max(0, x + 3), 6) / 6"
    torch = "nn.Hardsigmoid()"


class HardSwish(Activation):
    """``x * hardsigmoid(x)`` (Howard et al. 2019)."""

    label = "hard swish"
    formula = "x * min(max(0, x + 3), 6) / 6"
    torch = "nn.Hardswish()"


class ScaledTanh(Activation):
    """The hyperbolic tangent of LeNet-5 (LeCun et al. 1998, appendix A)."""

    label = "scaled tanh"
    formula = "amplitude * tanh(slope * x)"
    torch = "ScaledTanhUnit(*, amplitude, slope)"

    amplitude: float = 1.7159
    slope: float = 2 / 3


# ------------------------------------------------------------------------------------------------ the rest
class Softmax(Pointwise):
    """Probabilities over the channels (or the flat features)."""

    torch = "nn.Softmax(*, dim=1)"


class Dropout(Pointwise):
    """Each value is zeroed with probability ``p`` in training (Srivastava et al. 2014); none in use."""

    torch = "nn.Dropout(*, p)"

    p: float = 0.5


class StochasticDepth(Pointwise):
    """In training a whole sample is zeroed with probability ``p``, the others grow to match (Huang et al. 2016)."""

    label = "stoch. depth"
    torch = "SampleDrop(p)"

    p: float


class Flatten(Base):
    """All axes but the batch's into one."""

    torch = "nn.Flatten()"


class Upsample(Base):
    """Each axis enlarged ``scale`` times; ``linear`` is bilinear on images, trilinear on volumes."""

    torch = "nn.Upsample(*, scale_factor=scale, mode)"

    scale: Size
    mode: str = "nearest"

    def torch_value(self, field: str, rank: int) -> Any:
        """Of *mode*: torch has a name of its own for each rank."""
        value = super().torch_value(field, rank)
        return {1: value, 2: "bilinear", 3: "trilinear"}[rank] if value == "linear" else value


class Crop(Base):
    """Cuts ``margin`` values off both ends of every axis."""

    torch = "Cropping(margin)"

    margin: Size


class PadChannels(Base):
    """Zeros behind the channels until they are ``out`` (He et al. 2015, section 3.3, option A)."""

    label = "pad channels"
    torch = "ChannelPadding(out)"

    out: int


class Add(Base):
    """The sum of its inputs, element by element (the joins of ResNet)."""

    torch = "Addition()"


class Concat(Base):
    """Its inputs one behind the other along the channels (the joins of GoogLeNet and DenseNet)."""

    torch = "Concatenation()"


class Multiply(Base):
    """The product of its inputs, element by element; an axis of length 1 serves all positions (Hu et al. 2017)."""

    torch = "Multiplication()"


REACHES = ("unknown", "place", "map", "window", "resize")


class Opaque(Base):
    """A part of somebody's module that is no op of the vocabulary (``striate.net.read`` makes them): analysed as
    far as it is known, never written as text to be parsed, never built.

    Args:
        kind: What it is called: ``GroupNorm``, ``lstm``.
        output: The shape that it gave for the input that the net was read with, without the batch.
        parameters: Its trained numbers.
        macs: Multiply-accumulates for one input; None: not known.
        reach: What one unit reads: ``place`` its own position in every map, ``map`` the whole map, ``window`` a window
            of every map, ``resize`` a few positions around its own in a map of another size, or ``unknown``.
        windows: Of ``window``: kernel, stride, padding before and behind, dilation, and the factor by which the map is
            enlarged first, for each axis. Of ``resize``: how many positions it reads (1, 2, 4), the grid (0 with half
            pixels, 1 with aligned corners, 2 rounded down), and the scale as numerator and denominator (0 and the
            size, where that is given).
    """

    kind: str
    output: Shape
    parameters: int = 0
    macs: int | None = None
    reach: str = "unknown"
    windows: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.kind or any(c.isspace() or c in "#;:=," for c in self.kind):
            raise SpecError(f"opaque: kind is one word, got {self.kind!r}")
        if not self.output or not all(type(n) is int and n >= 0 for n in self.output):
            raise SpecError(f"opaque: output is the whole numbers of a shape, got {self.output!r}")
        if self.reach not in REACHES:
            raise SpecError(f"opaque: reach is {self.reach!r}{nearest(str(self.reach), REACHES)}")


Op = (
    Conv | ConvTranspose | Linear | Embedding | TableConv | RBF | Flatten
    | MaxPool | AvgPool | SumPool | AdaptiveAvgPool | AdaptiveMaxPool | LRN | Pointwise
    | Upsample | Crop | PadChannels | Add | Multiply | Concat | Opaque
)  # fmt: skip
Join = Add | Multiply | Concat
Pool = MaxPool | AvgPool | SumPool
OPS: dict[str, type[Op]] = {  # the words: every op of this file
    name.lower(): cls
    for name, cls in list(globals().items())
    if isinstance(cls, type) and cls.__module__ == __name__ and cls is not Opaque
}
if not TYPE_CHECKING:  # a type checker takes all that is public here
    __all__ = [cls.__name__ for cls in (*OPS.values(), Opaque)] + ["OPS", "Join", "Op", "Pool"]
