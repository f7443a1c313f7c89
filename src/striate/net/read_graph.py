"""From what was written down to the graph: what the outputs need, under names, with every weight counted once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from striate.analysis import infer, receptive
from striate.analysis.cost import parameters as formula
from striate.errors import SpecError, listed
from striate.net.read_call import Record, tensors
from striate.net.read_trace import Trace
from striate.spec import Graph, Node, Opaque, Shape
from striate.spec.graph import RESERVED


class Names:
    """Names for nodes that are unique, legal, and never both a layer's and a group's."""

    def __init__(self, module: nn.Module) -> None:
        self.paths = {legal(name) for name, _ in module.named_modules() if name}
        self.used, self.groups = {"input"}, set[str]()
        self.counts: dict[str, int] = {}

    def of(self, record: Record) -> str:
        path = legal(record.path)
        if record.whole and path:
            return self._take(path, chain([path], (f"{path}_{i}" for i in range(2, 10_000))))
        stem = record.op.kind.lower().split(".")[-1] if isinstance(record.op, Opaque) else record.op.stem
        stem = legal(re.sub(r"\W", "_", stem).strip("_") or "part")
        stem = path + "." + stem if path else stem
        start = self.counts.get(stem, 0) + 1
        name = self._take(stem, (f"{stem}{i}" for i in range(start, start + 10_000)), self.paths)
        self.counts[stem] = int(name[len(stem) :])
        return name

    def _take(self, wish: str, choices: Iterable[str], never: Iterable[str] = ()) -> str:
        for name in choices:
            above = {name[:i] for i, c in enumerate(name) if c == "."}
            if name not in self.used and name not in self.groups and name not in never and not above & self.used:
                self.used.add(name)
                self.groups |= above
                return name
        raise AssertionError(wish)


def legal(path: str) -> str:
    """A module's path as a name: what cannot be one gets an underscore.

    >>> legal("0.conv"), legal("features.half"), legal("a-b")
    ('_0.conv', 'features.half_', 'a_b')
    """
    parts = [re.sub(r"\W", "_", part, flags=re.ASCII) for part in path.split(".")]
    parts = [part + "_" if part in RESERVED else part for part in parts]
    if parts[0][:1].isdigit():
        parts[0] = "_" + parts[0]
    return "_" + ".".join(parts) if parts[0] == "input" else ".".join(parts)


NAMED_FIRST = ("logits", "out", "output", "outputs", "pred", "preds", "prediction", "predictions", "scores", "logit")


def results_of(out: Any, trace: Trace, wanted: str | int | None) -> dict[str, Tensor]:
    """The tensors that a forward gave, by their keys or places, the predictions first.

    These are what *wanted* names; of a dict what its key calls so, else the first that no other was computed from;
    of a tuple the first.

    Raises:
        SpecError: There is no output of that name.
    """
    values = vars(out) if hasattr(out, "__dataclass_fields__") and hasattr(out, "__dict__") else out
    if isinstance(values, dict):
        found = {str(key): t for key, value in values.items() for t in list(tensors(value))[:1]}
    elif isinstance(values, tuple | list):
        names = getattr(values, "_fields", range(len(values)))
        found = {str(key): t for key, value in zip(names, values, strict=True) for t in list(tensors(value))[:1]}
    else:
        found = {str(i): t for i, t in enumerate(tensors(values))}
    if wanted is not None:
        if str(wanted) not in found:
            raise SpecError(f"--output {wanted}: the module gives no such output; it gives {', '.join(found)}")
        first = str(wanted)
    elif isinstance(values, dict) and found:
        records = {key: value.record.now() for key, t in found.items() if (value := trace.value(t))}
        inner = {key for key, r in records.items() if any(r in _needed([o]) - {o} for o in records.values())}
        named = next((key for key in NAMED_FIRST if key in found), None)
        first = named or next((key for key in found if key not in inner), next(iter(found)))
    else:
        return found
    return {first: found[first]} | found


def graph_of(
    trace: Trace, module: nn.Module, out: Any, ends: dict[str, Tensor]
) -> tuple[Graph, list[str], dict[Record, str]]:
    """The graph of what *out* needs, what a reader should know of it, and the names of its parts.

    *ends* are the tensors in it by name, the output first.
    """
    all_tensors = [*ends.values(), *tensors(out)]
    results = [value.record.now() for t in all_tensors if (value := trace.value(t))]
    if not results:
        what = (
            "a tensor that does not come from its input"
            if any(True for _ in tensors(out))
            else f"no tensor but {out!r:.40}"
        )
        what += ": its forward has no return" if out is None else ""
        raise SpecError(f"{type(module).__name__} gives {what}; expected a tensor that is computed from the input")
    first = next(iter(ends), "")
    kept = list(dict.fromkeys(results))
    keys = {value.record.now(): key for key, t in reversed(ends.items()) if (value := trace.value(t))}
    return assembled(trace, module, kept, "" if first in ("0", "") else first, keys)


def all_of(trace: Trace, module: nn.Module) -> tuple[Graph, dict[Record, str]]:
    """The graph of all that ran, whoever needs it, and the names of its parts."""
    if not trace.records:
        raise SpecError(f"{type(module).__name__} runs nothing of torch on its input")
    read_by = {i.now() for record in trace.records for i in record.inputs}
    graph, _, names = assembled(trace, module, [r for r in reversed(trace.records) if r not in read_by])
    return graph, names


def assembled(
    trace: Trace,
    module: nn.Module,
    ends: list[Record],
    chosen: str = "",
    keys: Mapping[Record, str] = MappingProxyType({}),
) -> tuple[Graph, list[str], dict[Record, str]]:
    """The graph whose output is the first of *ends* (called *chosen*), and whose taps are the others; their *keys*."""
    end = ends[0]
    needed = _needed(ends)
    order = [r for r in trace.records if r in needed]
    if any(end in [i.now() for i in r.inputs] for r in order) or end is trace.input:
        shape = end.shape  # others read it: it cannot stand last itself
        end = Record(Opaque("output", shape, 0, 0, "place"), [end], "", shape)
        order.append(end)
    elif order[-1] is not end:
        order.remove(end)
        order.append(end)
    return _named(trace, module, order, [e for e in ends[1:] if e is not trace.input], chosen, keys)


def _needed(ends: list[Record]) -> set[Record]:
    needed, open_ = set[Record](), list(ends)
    while open_:
        record = open_.pop()
        if record not in needed:
            needed.add(record)
            open_ += [i.now() for i in record.inputs]
    return needed


def _named(
    trace: Trace, module: nn.Module, order: list[Record], taps: list[Record], chosen: str, keys: Mapping[Record, str]
) -> tuple[Graph, list[str], dict[Record, str]]:
    names, notes = Names(module), list[str]()
    known = [(name, p, trace.made_of.get(id(p))) for name, p in module.named_parameters()]
    parameters = {name: (next(iter(of)), p.numel()) for name, p, of in known if of}
    sizes = dict(parameters.values()) | trace.made_late
    called: dict[Record, str] = {trace.input: "input"}
    nodes, counted, shared, seen = [], [], [], set[int]()
    for record in order:
        name = called[record] = names.of(record)
        inputs = tuple(called[i.now()] for i in record.inputs)
        new = record.parameters - seen
        count = sum(sizes[i] for i in new)
        op = record.op
        if isinstance(op, Opaque):
            op = replace(op, parameters=count + record.change)
        elif not (record.mended or record.added) and count != formula(op, record.inputs[0].now().shape):
            counted.append((name, count))
        if record.parameters & seen:
            shared.append(name)
        seen |= new
        nodes.append(Node(name, op, inputs))
    graph = Graph(trace.input.shape, tuple(nodes), tuple(called[t] for t in taps), tuple(counted))
    if shared:
        notes.append(f"weights that serve again count once: {listed(shared, 6)}")
    if taps:
        others = [f"{keys[t]} ({called[t]})" if keys.get(t, called[t]) != called[t] else called[t] for t in taps]
        notes.append(
            f"the module has {len(taps) + 1} outputs; analysed is {chosen or 'the first'}, choose with --output; "
            f"the others: {listed(others, 6)}"
        )
    for tables in trace.idle.values():
        seen |= tables
    unused = [name for name, (of, _) in parameters.items() if of not in seen]
    if unused:
        count = sum(parameters[name][1] for name in unused)
        owners = list(dict.fromkeys(name.rpartition(".")[0] or name for name in unused))
        notes.append(f"{count:,} parameters are not used for this output and not counted: {listed(owners, 6)}")
    return _known(graph, {called[r]: r.shape for r in order}), notes, called


def _known(graph: Graph, shapes: dict[str, Shape]) -> Graph:
    """The graph with every word that analysis does not bear out made opaque: other shapes, or other places."""
    while True:
        found, problems = infer(graph)
        wrong = [node.name for node in graph.nodes if found[node.name] != shapes[node.name]]
        wrong = wrong or [p.layer for p in problems if p.fix and "no later layer" not in p.message]
        wrong = wrong or [p.layer for p in receptive(graph, found)[1]]
        if not wrong:
            return graph
        nodes = [
            replace(n, op=Opaque(n.op.stem, shapes[n.name], _count(n, graph, found))) if n.name == wrong[0] else n
            for n in graph.nodes
        ]
        if tuple(nodes) == graph.nodes:
            return graph
        graph = replace(graph, nodes=tuple(nodes), counted=tuple(c for c in graph.counted if c[0] != wrong[0]))


def _count(node: Node, graph: Graph, shapes: dict[str, Shape]) -> int:
    return dict(graph.counted).get(node.name, formula(node.op, shapes[node.inputs[0]]))
