"""How a layer is written: the class that makes it, and with which arguments, as the op itself says."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any

from striate.errors import SpecError
from striate.spec import Activation, Op, Opaque, Shape
from striate.spec.op import torch_call

REQUIRED = object()


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


def made(op: Op, input: Shape) -> Made:
    """How torch makes *op* for an input of shape *input* (without the batch).

    >>> from striate.spec import Conv
    >>> made(Conv(6, 5), (1, 28, 28)).cls
    'nn.Conv2d'
    """
    if isinstance(op, Opaque):
        raise SpecError(f"{op.kind} was read from code and its inside is not known: it cannot be written as source")
    call = torch_call(op, input)
    args = tuple(
        Arg(a.name, a.value, (None if a.default is MISSING else a.default) if a.named else REQUIRED)
        for a in call.arguments
    )
    return Made(call.cls, args, act=isinstance(op, Activation) and not fields(op))
