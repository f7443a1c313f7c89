"""What every op is: a frozen dataclass that checks its fields, knows what it is called, and says how torch makes it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar, Literal, dataclass_transform

from striate.errors import SpecError, nearest

Size = int | tuple[int, ...]
Padding = Size | Literal["same", "valid"]
Shape = tuple[int, ...]
Table = tuple[tuple[int, ...], ...]

MINIMUM = {  # of every whole-number field
    "out": 1, "kernel": 1, "stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1,
    "size": 1, "words": 1, "scale": 1, "margin": 0,
}  # fmt: skip
WHOLE = ("int", "Size", "Padding", "Size | None")  # the declared types that take a whole number
MODES = ("nearest", "linear")


@dataclass_transform(frozen_default=True)
@dataclass(frozen=True, repr=False)
class Base:
    """What every op shares: checks when made, a repr that leaves defaults out, a word, and its class in torch. A
    subclass is a frozen dataclass without being decorated.

    A subclass says *torch*: the class (of ``torch.nn``, or of ``striate.net.layers``) and what it is given, as plain
    text. Arguments are fields of the op, or ``channels`` and ``features`` of its input; those behind ``*`` are given
    by name, as ``name=field`` where torch has another name for one; ``{rank}`` is the number of axes.
    """

    stem: ClassVar[str]  # of the names that are given to layers without one: conv1, pool1
    label: ClassVar[str]  # what a picture calls it; the word, unless it says another
    torch: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.stem = "pool" if cls.__name__.endswith("Pool") else cls.__name__.lower()
        if "label" not in vars(cls):
            cls.label = cls.__name__.lower()
        dataclass(frozen=True, repr=False)(cls)

    def check(self) -> None:
        """SpecError unless the fields, each of which is right, go together."""

    def __post_init__(self) -> None:
        several = False
        for f in fields_of(type(self)):  # type: ignore[arg-type]  # a class can be hashed, whatever its values can
            value = getattr(self, f.name)
            if type(value) is int and f.type in WHOLE and value >= MINIMUM[f.name]:
                continue  # as it nearly always is
            value = _checked(self, f)
            object.__setattr__(self, f.name, value)
            several |= isinstance(value, tuple)
        ranks = {len(v): f for f, v in sizes(self) if isinstance(v, tuple)} if several else {}
        if len(ranks) > 1:
            one, other = list(ranks.values())[:2]
            raise SpecError(
                f"{word(self)}: {one} and {other} have different numbers of axes; give one number, or one per axis"
            )
        self.check()

    def __repr__(self) -> str:
        args = [repr(v) if required else f"{name}={v!r}" for name, v, required in shown(self)]
        return f"{type(self).__name__}({', '.join(args)})"

    def torch_text(self, rank: int) -> str:
        """``torch``, for maps of so many axes."""
        return self.torch.format(rank=max(1, rank))

    def torch_value(self, field: str, rank: int) -> Any:
        """What torch is given for *field*: a size as one number where all axes have the same."""
        return _short(getattr(self, field))


class Pointwise(Base):
    """An op whose output has its input's shape, and whose every value depends on its own position alone, over all
    channels at most: it changes no receptive field, and counts no multiply-accumulates.
    """


class Activation(Pointwise):
    """A function of each value alone. A new one is a subclass in ``striate.spec.ops``, and nothing else."""

    formula: ClassVar[str]  # of x and the fields, as Python (with the functions of math) computes it


class Pooling(Base):
    """A pooling over windows; the stride is the kernel unless given."""

    kernel: Size
    stride: Size | None = None
    padding: Size = 0

    def check(self) -> None:
        if self.stride is None:
            object.__setattr__(self, "stride", self.kernel)
        for k, p in zip(*per_axes(self.kernel, self.padding), strict=True):
            if 2 * p > k:  # torch's rule too (for dilated windows as well): no window lies in the padding alone
                raise SpecError(f"{word(self)}: padding {p} is more than half of the window {k}; use {k // 2} or less")


@lru_cache(maxsize=256)
def fields_of(op: type[Base]) -> tuple[Field[Any], ...]:
    """``dataclasses.fields``, which is asked for every layer.

    >>> from striate.spec.ops import Linear
    >>> [f.name for f in fields_of(Linear)]
    ['out', 'bias']
    """
    return fields(op)


# ------------------------------------------------------------------------------------------------ what it is called
def word(op: Base) -> str:
    """The op's word in the text form: its lower-case name."""
    return type(op).__name__.lower()


def shown(op: Base) -> Iterator[tuple[str, Any, bool]]:
    """The fields worth writing: ``(name, value, required)``, without those at their default."""
    for f in fields(op):
        value = getattr(op, f.name)
        if f.default is MISSING:
            yield f.name, value, True
        elif value != _default(op, f):
            yield f.name, value, False


def _default(op: Base, f: Field[Any]) -> Any:
    return getattr(op, "kernel", None) if f.default is None else f.default


# ------------------------------------------------------------------------------------------------------------ sizes
def per_axis(value: Padding, rank: int) -> tuple[int, ...]:
    """*value* as one number per axis.

    >>> per_axis(3, 2), per_axis((3, 5), 2)
    ((3, 3), (3, 5))
    """
    assert not isinstance(value, str), "same and valid are stored as numbers"
    if isinstance(value, int):
        return (value,) * rank
    assert len(value) == rank
    return value


def per_axes(*values: Padding) -> list[tuple[int, ...]]:
    """The sizes, each with as many numbers as the longest has."""
    rank = max(len(v) if isinstance(v, tuple) else 1 for v in values)
    return [per_axis(v, rank) for v in values]


@lru_cache(maxsize=1024)  # a deep net repeats the same few ops hundreds of times
def sizes(op: Base) -> tuple[tuple[str, Size], ...]:
    """The op's fields that may have one number per axis, with their values."""
    kinds = ((f.name, str(f.type)) for f in fields(op))
    return tuple((name, getattr(op, name)) for name, kind in kinds if "Size" in kind or kind == "Padding")


@lru_cache(maxsize=1024)
def fits_rank(op: Base, rank: int) -> bool:
    """Whether every size of *op* is one number, or has one for each of *rank* axes."""
    return all(not isinstance(value, tuple) or len(value) == rank for _, value in sizes(op))


def _short(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 and isinstance(value[0], int) else value


# -------------------------------------------------------------------------------------------------- its class in torch
@dataclass(frozen=True)
class Argument:
    """One argument of a torch class: the op's *field*, under torch's *name*, and torch's own *default* for it (MISSING
    for none, and where it is given in order).
    """

    name: str
    field: str
    value: Any
    named: bool
    default: Any


@dataclass(frozen=True)
class TorchCall:
    """How torch makes an op: the class (``nn.Conv2d``, or one of ``striate.net.layers``) and its arguments."""

    cls: str
    arguments: tuple[Argument, ...]


@lru_cache(maxsize=1024)
def torch_call(op: Base, input: Shape) -> TorchCall:
    """How torch makes *op* for an input of shape *input* (without the batch).

    >>> from striate.spec import Conv
    >>> call = torch_call(Conv(6, 5, stride=2), (1, 28, 28))
    >>> call.cls, [(a.name, a.value) for a in call.arguments][:4]
    ('nn.Conv2d', [('channels', 1), ('out', 6), ('kernel', 5), ('stride', 2)])
    """
    rank = len(input) - 1
    cls, parts = signature(op.torch_text(rank))
    defaults = {f.name: _short(_default(op, f)) for f in fields(op)}
    about = {"channels": input[0], "features": math.prod(input)}
    arguments = []
    for name, field, named in parts:
        if field.isdigit():
            value: Any = int(field)
        else:
            value = about[field] if field in about else op.torch_value(field, rank)
        arguments.append(Argument(name, field, value, named, defaults.get(field, MISSING) if named else MISSING))
    return TorchCall(cls, tuple(arguments))


@lru_cache(maxsize=256)
def signature(text: str) -> tuple[str, tuple[tuple[str, str, bool], ...]]:
    """The class in an op's ``torch``, and for each argument torch's name, the field, and whether it is given by name.

    >>> signature("nn.LeakyReLU(*, negative_slope=slope)")
    ('nn.LeakyReLU', (('negative_slope', 'slope', True),))
    """
    cls, _, inside = text.removesuffix(")").partition("(")
    parts = [part for part in inside.split(", ") if part]
    star = parts.index("*") if "*" in parts else len(parts)
    pairs = [(i > star, *part.partition("=")) for i, part in enumerate(parts) if i != star]
    return cls, tuple((name, field or name, named) for named, name, _, field in pairs)


# ------------------------------------------------------------------------------------------------- checks of its fields
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
            if f.name == "p" and not 0 <= value < 1:
                raise SpecError(f"{where} must be from 0 to below 1, got {float(value)}")
            return float(value)
        case "int":
            return _whole(value, where, MINIMUM[f.name])
        case "Table":
            return _table(value, where)
        case _:
            if (value is None and f.default is None) or (f.type == "Padding" and value in ("same", "valid")):
                return value  # resolved by the op itself, which knows the kernel
            if isinstance(value, tuple | list):
                if not 1 <= len(value) <= 3:
                    raise SpecError(f"{where} must have one number per axis, 1 to 3 of them, got {value!r}")
                numbers = tuple(_whole(v, where, MINIMUM[f.name]) for v in value)
                return numbers if len(numbers) > 1 else numbers[0]
            return _whole(value, where, MINIMUM[f.name])
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


def _whole(value: object, where: str, minimum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpecError(f"{where} must be a whole number, got {value!r}")
    if value < minimum:
        raise SpecError(f"{where} must be at least {minimum}, got {value}")
    return value
