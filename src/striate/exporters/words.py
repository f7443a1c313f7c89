"""The torch text of every op: which class makes it, and with which arguments."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, assert_never

from striate.errors import SpecError
from striate.spec import (
    GELU,
    LRN,
    RBF,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    Dropout,
    Embedding,
    Flatten,
    HardSigmoid,
    HardSwish,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool,
    Multiply,
    Op,
    Opaque,
    PadChannels,
    ReLU,
    ReLU6,
    Scale,
    ScaledTanh,
    Shape,
    Sigmoid,
    SiLU,
    Softmax,
    StochasticDepth,
    SumPool,
    TableConv,
    Tanh,
    Upsample,
)

REQUIRED = object()
LINEAR_MODE = {1: "linear", 2: "bilinear", 3: "trilinear"}
PLAIN = {  # activations without settings: where blocks differ in nothing else, the class is an argument
    ReLU: "nn.ReLU", Tanh: "nn.Tanh", Sigmoid: "nn.Sigmoid", GELU: "nn.GELU", SiLU: "nn.SiLU", ReLU6: "nn.ReLU6",
    HardSigmoid: "nn.Hardsigmoid", HardSwish: "nn.Hardswish",
}  # fmt: skip
WEIGHTED = (Conv, ConvTranspose, Linear, Embedding, TableConv, RBF)


@dataclass(frozen=True)
class Word:
    """A piece of code that stands for a value, such as a class."""

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Arg:
    """One argument: what it is, its value, and its default where it is given by keyword."""

    field: str
    value: Any
    default: Any = REQUIRED

    @property
    def omitted(self) -> bool:
        return self.default is not REQUIRED and self.value == self.default


@dataclass(frozen=True)
class Made:
    """A layer as torch makes it: the class and its arguments; ``act``: an activation without settings."""

    cls: str
    args: tuple[Arg, ...] = ()
    act: bool = False


def one(value: object) -> Any:
    """A size as torch takes it shortest: one number where all axes are alike.

    >>> one((3, 3)), one((3, 5)), one(2)
    (3, (3, 5), 2)
    """
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def made(op: Op, input: Shape) -> Made:
    """How torch makes *op* for an input of shape *input* (without the batch).

    >>> from striate.spec import Conv
    >>> made(Conv(6, 5), (1, 28, 28)).cls
    'nn.Conv2d'
    """
    channels, rank = input[0], len(input) - 1

    def make(cls: str, *required: tuple[str, Any], **optional: tuple[Any, Any]) -> Made:
        args = [Arg(field, one(value)) for field, value in required]
        return Made(cls, (*args, *(Arg(name, one(value), one(default)) for name, (value, default) in optional.items())))

    match op:
        case Conv() | ConvTranspose():
            fields: dict[str, tuple[Any, Any]] = {"stride": (op.stride, 1), "padding": (op.padding, 0)}
            if isinstance(op, ConvTranspose):
                fields["output_padding"] = (op.output_padding, 0)
            fields |= {"dilation": (op.dilation, 1), "groups": (op.groups, 1), "bias": (op.bias, True)}
            name = "nn.Conv" if isinstance(op, Conv) else "nn.ConvTranspose"
            sizes = (("channels", channels), ("out", op.out), ("kernel", op.kernel))
            return make(f"{name}{rank}d", *sizes, **fields)
        case MaxPool():
            windows: dict[str, tuple[Any, Any]] = {"stride": (op.stride, op.kernel), "padding": (op.padding, 0)}
            windows["dilation"] = (op.dilation, 1)
            return make(f"nn.MaxPool{rank}d", ("kernel", op.kernel), **windows, ceil_mode=(op.ceil, False))
        case AvgPool() | SumPool():
            windows = {"stride": (op.stride, op.kernel), "padding": (op.padding, 0), "ceil_mode": (op.ceil, False)}
            if isinstance(op, AvgPool):
                windows["count_include_pad"] = (op.count_padding, True)
            elif rank == 1:
                return make("SumPool1d", ("kernel", op.kernel), **windows)
            else:  # torch's averages, divided by 1
                windows["divisor_override"] = (1, None)
            return make(f"nn.AvgPool{rank}d", ("kernel", op.kernel), **windows)
        case AdaptiveAvgPool():
            return make(f"nn.AdaptiveAvgPool{rank}d", ("size", op.out))
        case AdaptiveMaxPool():
            return make(f"nn.AdaptiveMaxPool{rank}d", ("size", op.out))
        case Linear():
            return make("nn.Linear", ("channels", prod(input)), ("out", op.out), bias=(op.bias, True))
        case Embedding():
            return make("WordVectors", ("words", op.words), ("out", op.out))
        case BatchNorm():
            settings = {"eps": (op.eps, 1e-5), "momentum": (op.momentum, 0.1)}
            return make(f"nn.BatchNorm{max(1, rank)}d", ("channels", channels), **settings)
        case LRN():
            settings = {"alpha": (op.alpha, 1e-4), "beta": (op.beta, 0.75), "k": (op.k, 1.0)}
            return make("nn.LocalResponseNorm", ("size", op.size), **settings)
        case LayerNorm():
            return make("ChannelNorm", ("channels", channels), eps=(op.eps, 1e-5))
        case Upsample():
            mode = LINEAR_MODE[rank] if op.mode == "linear" else op.mode
            return make("nn.Upsample", scale_factor=(op.scale, None), mode=(mode, "nearest"))
        case LeakyReLU():
            return make("nn.LeakyReLU", negative_slope=(op.slope, 0.01))
        case Softmax():
            return make("nn.Softmax", dim=(1, None))
        case Dropout():
            return make("nn.Dropout", p=(op.p, 0.5))
        case Flatten():
            return make("nn.Flatten")
        case TableConv():
            windows = {"stride": (op.stride, 1), "padding": (op.padding, 0), "bias": (op.bias, True)}
            kernel = op.kernel if isinstance(op.kernel, tuple) else (op.kernel,) * rank
            return Made("TabledConvolution", (Arg("table", op.table), Arg("kernel", kernel), *make("", **windows).args))
        case RBF():
            return make("FixedCodes", ("channels", prod(input)), ("out", op.out))
        case Scale():
            return make("ChannelScale", ("channels", channels), value=(op.value, 1.0), bias=(op.bias, False))
        case ScaledTanh():
            return make("ScaledTanh", amplitude=(op.amplitude, 1.7159), slope=(op.slope, 2 / 3))
        case StochasticDepth():
            return make("StochasticDepth", ("p", op.p))
        case Crop():
            return make("Crop", ("margin", op.margin))
        case PadChannels():
            return make("PadChannels", ("out", op.out))
        case ReLU() | Tanh() | Sigmoid() | GELU() | SiLU() | ReLU6() | HardSigmoid() | HardSwish():
            return Made(PLAIN[type(op)], act=True)
        case Opaque():
            raise SpecError(f"{op.kind} was read from code and its inside is not known: it cannot be written as source")
        case Add() | Multiply() | Concat():
            raise AssertionError("joins are written in forward")
        case _:
            assert_never(op)
