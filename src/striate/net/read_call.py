"""What a tracing knows: the parts that ran, which tensor came out of which, and one call of a torch function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from striate.spec import Op, Shape


@dataclass(eq=False)
class Record:
    """One part that ran: it becomes a node of the graph.

    *path* is that of the module that it is (*whole*), or of the module in which the function was called.
    *parameters* are the ids of those it used; *padded* is what a part that only pads with zeros adds on each side.
    """

    op: Op | None
    inputs: list[Record]
    path: str
    shape: Shape
    whole: bool = False
    parameters: frozenset[int] = frozenset()
    padded: tuple[int, ...] | None = None
    part_of: Record | None = None  # it turned out to be inside this one

    def now(self) -> Record:
        """The record that stands for this one."""
        return self if self.part_of is None else self.part_of.now()


@dataclass(frozen=True)
class Value:
    """What a tensor holds: a record's result, as ``(C, ...)`` without the batch.

    *last*: the tensor itself has its channels last. *other*: it is a further result of the record, of that shape.
    """

    record: Record
    shape: Shape
    last: bool = False
    other: bool = False


@dataclass(frozen=True)
class Found:
    """What a call is: *ops*, one after the other (none: its output is its input).

    *last* says how the result lies (None: as the source), *sources* what is read, where that is not what was given.
    """

    ops: tuple[Op, ...] = ()
    last: bool | None = None
    sources: list[Value] | None = None
    padded: tuple[int, ...] | None = None


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
        """An argument, by its place or by its name."""
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


def canonical(out: Tensor, batch: int, last: bool) -> Shape:
    """The tensor's shape without the batch, channels first; at least one number."""
    shape = tuple(out.shape)
    if not shape or shape[0] != batch:
        return shape or (1,)
    shape = shape[1:] or (1,)
    return (shape[-1], *shape[:-1]) if last else shape
