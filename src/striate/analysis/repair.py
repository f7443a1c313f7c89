"""Fixes that have been tried: every fault of a graph with a change after which that layer fits.

A fix is only named with numbers when the graph was changed accordingly and checked again. The faults are taken in
order, each on the graph with the fixes before it, so that all fixes together give a network that fits.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from striate.analysis.changes import Fix, apply_changes
from striate.analysis.fixes import Shapes, possible_fixes
from striate.analysis.receptive import receptive
from striate.analysis.shapes import Problem, infer
from striate.errors import SpecError
from striate.spec.graph import Graph

ATTEMPTS = 120  # graphs tried for one fault
LAYERS = 15_000  # layers worked out in all of them together: after these, fixes are general ones


@dataclass(frozen=True)
class Repair:
    """The faults of a graph, each with its fix; and the graph with all of them applied.

    Args:
        problems: In the order of the layers.
        fixes: Those that were tried and work, by the layer whose fault they remove.
        graph: What comes of them; without fault if *complete*.
        complete: Whether every fault has a fix that works.
    """

    problems: tuple[Problem, ...]
    fixes: tuple[tuple[str, Fix], ...]
    graph: Graph
    complete: bool


def faults(graph: Graph) -> tuple[Shapes, list[Problem]]:
    """The shapes, and all faults of *graph*: those of the shapes and of branches at different strides."""
    shapes, problems = infer(graph)
    return shapes, problems + receptive(graph, shapes)[1]


def repair(graph: Graph) -> Repair:
    """Finds for every fault of *graph* a change that removes it.

    >>> from striate.spec import parse
    >>> found = repair(parse("input 1x28x28; conv 6 5; conv 8 3 groups=4; linear 10"))
    >>> [problem.fix for problem in found.problems]
    ['groups=2 fits', 'put flatten before it (3,872 features)']
    >>> found.complete, [node.name for node in found.graph.nodes]
    (True, ['conv1', 'conv2', 'linear1_flatten', 'linear1'])
    """
    _, listed = faults(graph)
    found: dict[str, Problem] = {}
    fixes: list[tuple[str, Fix]] = []
    given_up, given = set[str](), graph.input
    first = {problem.layer: problem for problem in reversed(listed)}
    spent = _Budget(LAYERS)
    while True:
        shapes, now = faults(graph)
        if not spent.of(graph) and now:
            rest = {p.layer: p for p in now if p.layer not in found}
            found |= {layer: first.get(layer, p) for layer, p in rest.items()}
            given_up |= rest.keys()
            break
        problem = next((p for p in now if p.layer not in given_up), None)
        if problem is None:
            break
        before = [fix.text for layer, fix in fixes if layer == problem.layer]
        fix = _fix(graph, shapes, problem, {p.layer for p in now}, spent) if len(before) < 3 else None
        named = problem if graph.input == given else first.get(problem.layer, problem)
        if fix is None:
            given_up.add(problem.layer)
            found.setdefault(problem.layer, named)
            continue
        found[problem.layer] = replace(named, fix=" and ".join([*before, fix.text]))
        fixes.append((problem.layer, fix))
        graph = apply_changes(graph, fix.changes)
        remaining = {p.layer for p in faults(graph)[1]}
        for layer, other in first.items():  # of the same cause
            if layer not in remaining and layer not in found:
                found[layer] = replace(other, fix=fix.text)
    order = {p.layer: i for i, p in enumerate(listed)}
    ordered = sorted(found.values(), key=lambda p: order.get(p.layer, len(order)))
    return Repair(tuple(ordered), tuple(fixes), graph, not given_up)


class _Budget:
    """How many layers may still be worked out: a net with hundreds of faults is answered at once, too."""

    def __init__(self, layers: int) -> None:
        self.layers = layers

    def of(self, graph: Graph) -> bool:
        """Takes off the layers of *graph*; False where nothing is left."""
        self.layers -= len(graph.nodes)
        return self.layers > 0


def _fix(graph: Graph, shapes: Shapes, problem: Problem, faulty: set[str], budget: _Budget) -> Fix | None:
    """The first candidate after which the layer fits, and no layer before it has a fault that it had not; else the
    first after which the layer's fault is another one.
    """
    partly = None
    for fix in islice(possible_fixes(graph, shapes, problem.layer), ATTEMPTS):
        if not budget.of(graph):
            return None
        with suppress(SpecError):  # a field out of its range
            changed = apply_changes(graph, fix.changes)
            names = [node.name for node in changed.nodes]
            if problem.layer not in names:
                return fix
            upto = set(names[: names.index(problem.layer) + 1])
            left = [p for p in faults(changed)[1] if p.layer in upto]
            if not {p.layer for p in left} <= faulty:
                continue
            kinds = {kind_of(p) for p in left if p.layer == problem.layer}
            if not kinds:
                return fix
            if kind_of(problem) not in kinds and partly is None:
                partly = fix
    return partly


def kind_of(problem: Problem) -> str:
    """What is wrong, without the numbers and the names of layers."""
    return " ".join(word for word in problem.message.split() if word.isalpha() and word != "and")[:40]
