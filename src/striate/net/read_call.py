"""What a tracing knows: the parts that ran, which tensor came out of which, and one call of a torch function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from striate.analysis import infer
from striate.spec import Add, Concat, Graph, Multiply, Node, Op, Opaque, Shape


@dataclass(eq=False)
class Record:
    """One part that ran: it becomes a node of the graph.

    *path* is that of the module that it is (*whole*), or of the module in which the function was called.
    *parameters* are the ids of those it used; *padded* is what a part that only pads with zeros adds on each side.
    """

    op: Op
    inputs: list[Record]
    path: str
    shape: Shape
    whole: bool = False
    parameters: frozenset[int] = frozenset()
    padded: tuple[int, ...] | None = None
    plane: Value | None = None  # it only gives this value, whose channels are last, an axis in front
    part_of: Record | None = None  # it turned out to be inside this one
    mended: bool = False  # as its fix has it: with other weights than the module's
    change: int = 0  # by how many numbers these are more
    added: bool = False  # it is none of the module's: a fix would add it

    def now(self) -> Record:
        """The record that stands for this one."""
        return self if self.part_of is None else self.part_of.now()


@dataclass(frozen=True)
class Value:
    """What a tensor contains: a record's result, as ``(C, ...)`` without the batch.

    *last*: the tensor itself has its channels last. *other*: it is a further result of the record, of that shape.
    *thin*: the tensor has a last axis of one, as behind a convolution over whole word vectors.
    """

    record: Record
    shape: Shape
    last: bool = False
    other: bool = False
    thin: bool = False


@dataclass(frozen=True)
class Found:
    """What a call is: *ops*, one after the other (none: its output is its input).

    *last* says how the result lies (None: as the source), *sources* what is read, where that is not what was given.
    """

    ops: tuple[Op, ...] = ()
    last: bool | None = None
    sources: list[Value] | None = None
    padded: tuple[int, ...] | None = None
    thin: bool | None = None
    plane: Value | None = None


@dataclass
class Call:
    """One call of a torch function (or method, or operator) that reads something that came from the input."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Tensor
    sources: list[Value]
    batch: int
    rank: int  # axes of the net's input
    own: str = ""  # the module of the function: torch.nn.functional
    fold: bool = True  # whether padding that is a part of its own may go into the convolution behind it

    def get(self, place: int, key: str, default: Any = None) -> Any:
        """An argument, by its position or by its name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(key, default)

    @property
    def x(self) -> Tensor:
        return self.args[0] if self.args else next(tensors(self.kwargs))

    @property
    def value(self) -> Value:
        return self.sources[0]

    def axis(self, dim: int) -> int:
        """The axis of ``(N, C, ...)`` that *dim* of the first source means."""
        ndim = self.x.ndim
        dim %= ndim
        if not self.value.last or dim == 0:
            return dim
        return 1 if dim == ndim - 1 else dim + 1

    def alone(self) -> bool:
        """Whether the first argument is all that came from the input."""
        return len(self.sources) == 1 and next(tensors((self.args, self.kwargs)), None) is self.x

    def given(self) -> list[Tensor]:
        """All tensors among the arguments, by position or by name."""
        return list(tensors((self.args, self.kwargs)))

    def each(self) -> int:
        """Numbers of the output for one input."""
        return self.out.numel() // self.batch


def tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and dicts (and what has its values in ``__dict__``, as model outputs do)."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors(part)
    elif hasattr(value, "__dataclass_fields__"):
        yield from tensors(vars(value) if hasattr(value, "__dict__") else ())


def channels_first(out: Tensor, batch: int, last: bool) -> Shape:
    """The tensor's shape without the batch, channels first; at least one number."""
    shape = each_input(tuple(out.shape), batch)
    return (shape[-1], *shape[:-1]) if last and out.shape[0] == batch else shape


def each_input(shape: Shape, batch: int) -> Shape:
    """*shape* without the batch, wherever it lies: first, folded into an axis (heads, frames), or second (sequences).

    >>> each_input((11, 3, 8), 11), each_input((44, 8), 11), each_input((5, 11, 8), 11)
    ((3, 8), (4, 8), (5, 8))
    """
    if shape[:1] == (batch,):
        return shape[1:] or (1,)
    if batch > 1:
        at = next((i for i, n in enumerate(shape) if n == batch), None)
        if at is None or (shape and shape[0] % batch == 0 < shape[0]):
            at = next((i for i, n in enumerate(shape) if n and n % batch == 0), None)
        if at is not None:
            left = shape[at] // batch
            shape = (*shape[:at], *((left,) if left > 1 else ()), *shape[at + 1 :])
    return shape or (1,)


def one(value: Any) -> Any:
    """A size as the vocabulary has it: one number where all axes have the same.

    >>> one((3, 3)), one([3, 5]), one(2)
    (3, (3, 5), 2)
    """
    if isinstance(value, tuple | list):
        numbers = tuple(int(n) for n in value)
        return numbers[0] if len(set(numbers)) == 1 else numbers
    return value if isinstance(value, str) else int(value)


def spread(value: Any, rank: int) -> tuple[int, ...]:
    """A size with one number for each axis."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * rank if len(values) == 1 else values


def name_of(func: Any) -> str:
    """``relu`` for F.relu, torch.relu, x.relu, x.relu_ and torch.ops.aten.relu.default; ``iadd`` for +=; ``shape`` for
    x.shape.
    """
    name = getattr(func, "__name__", type(func).__name__)
    if isinstance(
        func, torch._ops.OpOverload
    ):  # as programs of torch.export call it: the arguments are those of torch's
        name = name.partition(".")[0]
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    return str(name).strip("_")


def in_place(func: Any, args: Any, kwargs: Any) -> bool:
    name = getattr(func, "__name__", "")
    if name.startswith("__"):
        return name.startswith("__i") and name != "__invert__"
    return name.endswith("_") or bool(kwargs.get("inplace")) or any(a is True for a in args[1:])


def output_shape(op: Op, shapes: list[Shape]) -> Shape | None:
    """The output of *op* on inputs of *shapes*; None where it does not fit."""
    if isinstance(op, Opaque):
        return op.output
    if isinstance(op, Add):
        return shapes[0] if len(set(shapes)) == 1 else None
    if isinstance(op, Concat):
        fit = len({shape[1:] for shape in shapes}) == 1
        return (sum(shape[0] for shape in shapes), *shapes[0][1:]) if fit else None
    if isinstance(op, Multiply):
        result = tuple(map(max, zip(*shapes, strict=True)))
        fit = all(n in (1, m) for shape in shapes for n, m in zip(shape, result, strict=True))
        return result if fit else None
    if len(shapes) != 1 or not 1 <= len(shapes[0]) <= 4 or min(shapes[0]) < 1:
        return None
    found, problems = infer(Graph(shapes[0], (Node("x", op, ("input",)),)))
    return None if problems else found["x"]
