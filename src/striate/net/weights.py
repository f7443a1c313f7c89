"""Official weights into a net of ours: every name and shape agrees, both ways, before a number is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from striate.errors import ModelError, shape_text
from striate.net.build import assemble
from striate.net.weights_file import Stored
from striate.net.weights_tables import Table, their_shape, translate
from striate.spec import Graph, Shape

COUNTER = "num_batches_tracked"  # what files from before PyTorch 0.4.1 do not have; only a momentum of None reads it
MOST_LINES = 40


class Wanted(NamedTuple):
    """A tensor that a file must hold: our name for it, its dtype and shape there, its shape here."""

    ours: str
    dtype: str
    there: Shape
    here: Shape


def wanted(graph: Graph, table: Table) -> dict[str, Wanted]:
    """What a file of weights for *graph* must hold, by torchvision's names, in our order.

    >>> from striate.net.weights_tables import TABLES
    >>> from striate.spec import parse
    >>> wanted(parse("input 3x11x11; conv 64 11"), TABLES["alexnet_owt"])["features.0.bias"].ours
    'conv1.bias'
    """
    result: dict[str, Wanted] = {}
    for ours, value in assemble(graph).state_dict().items():
        found = translate(ours, table.rules)
        assert found, f"the table of {table.theirs} has no rule for {ours}"
        theirs, form = found
        assert theirs not in result, f"the table of {table.theirs} gives {theirs} twice"
        here = tuple(value.shape)
        result[theirs] = Wanted(ours, str(value.dtype).removeprefix("torch."), their_shape(here, form), here)
    return result


def matches(stored: Stored, table: Table, want: Mapping[str, Wanted]) -> int:
    """How many of the wanted tensors *stored* holds under a name of the table and in the shape."""
    return sum(
        name in stored.tensors and stored.tensors[name][1] == w.there for name, w in _names(stored, table, want).items()
    )


def take(stored: Stored, graph: Graph, table: Table, whole: Graph | None = None) -> tuple[dict[str, Tensor], list[str]]:
    """The state dict of *graph* from the file, and what is to be said about it.

    Args:
        stored: The open file.
        graph: The net that the weights are for.
        table: The foreign names.
        whole: The net with its side heads, where *graph* is made without: a file may hold their weights, all of
            them and as they should be, and they are left out.

    Raises:
        ModelError: With the sorted list of all that is missing, too much, misshapen or of another dtype.
    """
    want = wanted(graph, table)
    all_of_it = wanted(whole, table) if whole else want
    sides = sorted(stored.tensors.keys() & (all_of_it.keys() - want.keys()))
    named = _names(stored, table, all_of_it if sides else want)
    faults = _faults(stored, named)
    if faults:
        raise ModelError(_refusal(stored, table, faults))
    state: dict[str, Tensor] = {}
    counters = 0
    for name, w in _names(stored, table, want).items():
        counters += name not in stored.tensors
        state[w.ours] = _read(stored, name, w) if name in stored.tensors else torch.zeros((), dtype=torch.int64)
    notes = []
    if counters:
        notes.append(f"{counters} counters ({COUNTER}) are not in the file, as in all old ones; they begin at 0")
    if sides:
        heads = sorted({name.split(".")[0] for name in sides})
        notes.append(f"left out: the side heads {' and '.join(heads)} ({len(sides)} tensors)")
    return state, notes


def _names(stored: Stored, table: Table, want: Mapping[str, Wanted]) -> dict[str, Wanted]:
    """*want* by the names that this file uses: where it has an old name instead of today's, that."""
    result = {}
    for name, w in want.items():
        old = None if name in stored.tensors else translate(name, table.aliases)
        result[old[0] if old and old[0] in stored.tensors else name] = w
    return result


def _faults(stored: Stored, named: Mapping[str, Wanted]) -> list[str]:
    """A line for every tensor that is missing, too much, or not as it should be, sorted by name."""
    lines = []
    for name in sorted(named.keys() | stored.tensors.keys()):
        came, w = stored.tensors.get(name), named.get(name)
        if w is None:
            lines.append(f"extra      {name}")
        elif came is None:
            if not name.endswith(COUNTER):
                lines.append(f"missing    {name} ({_size(w.there)})")
        elif came[1] != w.there:
            lines.append(f"misshapen  {name} is {_size(came[1])}, wanted {_size(w.there)}")
        elif came[0] != w.dtype:
            lines.append(f"mistyped   {name} is {came[0]}, wanted {w.dtype}")
    return lines


def _refusal(stored: Stored, table: Table, faults: list[str]) -> str:
    count = f"{len(faults)} fault{'s' * (len(faults) > 1)}"
    lines = [f"{stored.path}: does not hold the weights of torchvision's {table.theirs}, {count}:"]
    lines += [f"  {fault}" for fault in faults[:MOST_LINES]]
    lines += [f"  and {len(faults) - MOST_LINES} more"] * (len(faults) > MOST_LINES)
    if stored.tensors and all(name.startswith("module.") for name in stored.tensors):
        lines.append("every name begins with module., as DataParallel writes it; save module.module.state_dict()")
    if any(fault.startswith("mistyped") for fault in faults):
        lines.append("for another type save {name: value.float() for name, value in state_dict.items()}")
    return "\n".join(lines)


def _size(shape: Shape) -> str:
    return shape_text(shape) or "one number"


def _read(stored: Stored, name: str, w: Wanted) -> Tensor:
    value = stored.read(name)
    if not torch.isfinite(value).all():
        raise ModelError(f"{stored.path}: {name} holds values that are no numbers (NaN or infinite); fetch it again")
    return value.reshape(w.here)
