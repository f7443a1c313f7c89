"""Somebody's ``nn.Module`` as a graph, for analysis alone: never to build from.

The module's own forward runs once, on tensors without numbers (``FakeTensorMode``): nothing is computed, no memory
is taken, and the module stays as it was. What no word of the vocabulary says becomes ``Opaque``: its shape and
parameters are known, and what depends on its inside is not guessed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from striate.analysis import LegalInputs, Problem, Report, analyse
from striate.errors import ShapeError, SpecError, listed, shape_text
from striate.net.build import Net
from striate.net.read_call import Record
from striate.net.read_faults import Fault, adopted, fault_of
from striate.net.read_graph import all_of, graph_of, legal, results_of
from striate.net.read_modules import Compiled, unwrapped, wrap_compiled
from striate.net.read_run import Inputs, examples, in_evaluation, materialised, quiet, untouched, without_numbers
from striate.net.read_sizes import legal_inputs
from striate.net.read_trace import Slip, Trace
from striate.spec import Graph, Shape, read_shape
from striate.spec.graph import check_input
from striate.threads import one_at_a_time

AFFORDABLE = 2**28  # numbers in all activations up to which a forward that cannot be traced is run on real numbers


@dataclass(frozen=True)
class Reading:
    """What a module told: its graph as its fixes would have it, or as much of it as ran (*fault*), and what to know.

    *slips* are the faults that were mended on the way, each with its fix, *strays* the layers that are not registered;
    *fits* are the layers of slips that another input may suit. *advice* is what runs and is still a mistake. *idle*
    says that layers ran on numbers that do not come from the input. *traced* is False where its parts are known from a
    run with numbers alone: the graph then says what ran, one behind the other, and not what read what. *features* are
    those that mended linear layers have in fact. *added* are layers that no line of the module has, but a fix adds.
    """

    graph: Graph
    notes: tuple[str, ...] = ()
    fault: Fault | None = None
    traced: bool = True
    slips: tuple[Problem, ...] = ()
    strays: tuple[Problem, ...] = ()
    fits: frozenset[str] = frozenset()
    advice: tuple[Problem, ...] = ()
    idle: bool = False
    features: tuple[tuple[str, int], ...] = ()
    added: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All faults, in the order of the layers."""
        found = (*self.strays, *self.slips)
        return (*found, self.fault.problem()) if self.fault and self.traced else found


def read(module: nn.Module, input: Shape | str | tuple[Shape, ...]) -> Graph:
    """The graph of *module* for one *input*, by following its forward in evaluation mode.

    Nodes carry the paths of the submodules (``layer1.0.conv1``), calls of functions their kind and place
    (``layer1.0.add1``); a module that runs again is another node (``conv_2``) whose weights count once.

    Args:
        module: Any module that takes one tensor.
        input: The shape of one input without the batch: ``(C, H, W)`` or ``"3x224x224"``.

    Raises:
        ShapeError: The forward fails on such an input; the message says in which layer and line.
        SpecError: It takes several inputs, gives no tensor, or depends on values so that it cannot be traced.

    >>> net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3456, 10))
    >>> print(*read(net, (1, 28, 28)).nodes, sep="\\n")
    Node(name='_0', op=Conv(6, 5), inputs=('input',))
    Node(name='_1', op=ReLU(), inputs=('_0',))
    Node(name='_2', op=Flatten(), inputs=('_1',))
    Node(name='_3', op=Linear(10), inputs=('_2',))
    """
    reading = read_all(module, input)
    faults = reading.problems[len(reading.strays) :]
    if faults:
        raise ShapeError(str(faults[0]))
    if not reading.traced:
        raise SpecError(f"{reading.notes[0]}; striate.check lists its layers")
    return reading.graph


def read_all(module: nn.Module, input: Shape | str | tuple[Shape, ...], output: str | int | None = None) -> Reading:
    """All that following *module* tells, faults included; SpecError where there is nothing to follow."""
    if not isinstance(module, nn.Module):
        raise SpecError(f"got a {type(module).__name__}; expected an nn.Module")
    module, shapes = unwrapped(module), _shapes(input)
    _check_signature(module, shapes)
    module, lazy = materialised(module, shapes)
    with adopted(module) as strays:
        reading = _read(module, shapes, output)
    names = [node.name for node in reading.graph.nodes]
    lost = [s.problem(next((n for n in names if n.startswith(legal(s.path))), legal(s.path))) for s in strays]
    scripted = isinstance(module, Compiled) or any(isinstance(p, torch.jit.ScriptModule) for p in module.modules())
    hidden = "a scripted module is read as one part; check the module before torch.jit.script or trace for its layers"
    notes = (f"lazy layers have the sizes that this input gives them: {listed(lazy, 6)}",) if lazy else ()
    return replace(reading, strays=tuple(lost), notes=(*notes, *[hidden] * scripted, *reading.notes))


def _read(module: nn.Module, shapes: Inputs, output: str | int | None) -> Reading:
    best: tuple[Trace, Fault] | None = None
    mixed: Reading | None = None
    for make in examples(module, shapes):
        trace, result = _rounds(module, shapes, make, output)
        if not isinstance(result, Fault):
            if trace.apart:
                return result
            mixed = mixed or result  # its output has not one entry for each input: written for another batch?
        elif best is None or len(trace.records) > len(best[0].records):
            best = (trace, result)
    if mixed is not None:
        return mixed
    assert best is not None
    trace, fault = best
    if _may_run(module, trace):
        for make in examples(module, shapes, real=True):
            real, result = _follow(module, shapes, make, None, output)
            if not isinstance(result, Fault):
                return _listing(result, fault)
            fault = replace(result, numberless=False) if fault.numberless else fault
            trace = real if len(real.records) > len(trace.records) else trace
    return _prefix(trace, module, fault)


def _rounds(
    module: nn.Module, shapes: Inputs, make: Callable[[], list[Tensor]], output: str | int | None
) -> tuple[Trace, Reading | Fault]:
    """Follows the forward; where it mixes the inputs of the batch, again with the call that was meant instead."""
    unmix: frozenset[int] = frozenset()
    while True:
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        trace, result = _follow(module, shapes, make, mode, output, unmix)
        failed = isinstance(result, Fault) and not result.numberless
        culprit = trace.culprit() if failed or not trace.apart else None
        if culprit is None or culprit in unmix or len(unmix) > 8:
            return trace, result
        unmix |= {culprit}


def _prefix(trace: Trace, module: nn.Module, fault: Fault) -> Reading:
    """What ran up to the fault."""
    if fault.numberless or not trace.records:
        kind = SpecError if fault.numberless else ShapeError
        raise kind(f"could not be traced: {fault.problem()}" if fault.numberless else str(fault.problem()))
    graph, names = all_of(trace, module)
    return _told(trace, graph, (), names, fault)


def _told(trace: Trace, graph: Graph, notes: Iterable[str], names: dict[Record, str], fault: Fault | None) -> Reading:
    """The reading, with what was noticed on the way under the names of the graph."""

    def layer(slip: Slip) -> str:
        found = names.get(slip.record.now()) if slip.record else None
        return found or legal(slip.path) if found or slip.path else "forward"

    slips = [(layer(s), s) for s in trace.faults]
    merged: dict[str, Problem] = {}
    said = set[tuple[str, ...]]()
    for name, slip in slips:
        whole = slip.record is not None and slip.record.now().whole
        key = (slip.path, slip.fix) if whole else (slip.path, slip.fix, slip.message, slip.line)
        if key in said:
            continue  # a layer, or a line, that runs again
        said.add(key)
        before = merged.get(name)
        problem = Problem(name, slip.message + (f" ({slip.line})" if slip.line else ""), slip.fix)
        if before and slip.fix not in before.fix:
            problem = replace(
                before, message=f"{before.message}; {problem.message}", fix=f"{before.fix} and {slip.fix}"
            )
        merged[name] = before if before and slip.fix in before.fix else problem
    notes = list(notes)
    if trace.idle:
        what = "whose multiply-accumulates are not counted"
        notes.append(f"runs on numbers that do not come from the input, {what}: {listed(list(trace.idle), 6)}")
    added = tuple(name for record, name in names.items() if record.added)
    if added:
        notes.append(f"shown as the fixes would have it, but not in the module or the totals: {listed(added, 6)}")
    advice = [Problem(layer(s), s.message, s.fix) for s in trace.asides]
    fits = frozenset(name for name, s in slips if s.sizes)
    features = tuple((name, s.features) for name, s in slips if s.features)
    return Reading(
        graph,
        tuple(notes),
        fault,
        slips=tuple(merged.values()),
        fits=fits,
        advice=tuple(advice),
        idle=bool(trace.idle),
        features=features,
        added=added,
    )


def _listing(reading: Reading, fault: Fault) -> Reading:
    note = f"forward cannot be traced at {fault.line or fault.layer} (depends on the tensors' values)"
    return Reading(
        reading.graph, (note, "the table shows the operations of one forward pass on random input"), fault, traced=False
    )


def _follow(
    module: nn.Module,
    shapes: Inputs,
    make: Callable[[], list[Tensor]],
    mode: FakeTensorMode | None,
    output: str | int | None = None,
    unmix: frozenset[int] = frozenset(),
) -> tuple[Trace, Reading | Fault]:
    """Runs the forward once, without numbers (*mode*) or, with None, on random numbers."""
    with one_at_a_time(module), torch.no_grad(), untouched(module, mode is None), ExitStack() as stack:
        in_evaluation(module)
        wrap_compiled(module)
        stack.enter_context(quiet())
        if mode:
            stack.enter_context(mode)
        stands_for = without_numbers(module, mode) if mode else {}
        xs = make()
        trace = Trace(module, shapes, xs, stands_for, everything=mode is None, unmix=unmix)
        stack.enter_context(trace.hooked(module))
        try:
            with trace.behind, trace:
                out = module.taps(xs[0]) if isinstance(module, Net) and module.graph.taps else module(*xs)
        except Exception as error:
            if isinstance(error, MemoryError | torch.OutOfMemoryError):
                raise
            return trace, fault_of(error, trace)
        if mode is None:
            return trace, Reading(all_of(trace, module)[0])
        ends = results_of(out, trace, output)
        first = next(iter(ends.values()), None)
        trace.ended = first
        trace.apart = first is None or first.shape[:1] == xs[0].shape[:1]
        graph, notes, names = graph_of(trace, module, out, ends)
        if first is not None and not trace.apart and trace.batch in first.shape[1:]:
            notes.append("its output has the batch on another axis than the first")
        return trace, _told(trace, graph, notes, names, None)


def _may_run(module: nn.Module, trace: Trace) -> bool:
    """Whether a run on real numbers is cheap."""
    real = all(t.device.type == "cpu" for t in (*module.parameters(), *module.buffers()))
    return real and sum(t.numel() for t in trace.kept if isinstance(t, Tensor)) < AFFORDABLE


def _shapes(input: Shape | str | tuple[Shape, ...]) -> Inputs:
    """The shape of every input."""
    if isinstance(input, str):
        return (read_shape(input),)
    given: Any = tuple(input)
    if not given or not all(isinstance(part, tuple | list | str) for part in given):
        given = (given,)
    shapes = tuple(read_shape(part) if isinstance(part, str) else tuple(part) for part in given)
    for shape in shapes:
        check_input(shape)
    return shapes


def _check_signature(module: nn.Module, shapes: Inputs) -> None:
    """SpecError where the forward takes another number of inputs than there are."""
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = [p for p in parameters if p.kind in kinds]
    wanted = [p.name for p in named if p.default is p.empty]
    if len(wanted) > len(shapes):
        options = " ".join(["--input CxHxW"] * len(wanted))
        raise SpecError(
            f"{type(module).__name__} takes {len(wanted)} inputs ({', '.join(wanted)}); give the size of each in this "
            f"order: {options}, or input=[(C, H, W), ...]"
        )
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(shapes) > max(1, len(named)) and not several:
        raise SpecError(
            f"got {len(shapes)} inputs; {type(module).__name__} takes {len(named)} ({', '.join(p.name for p in named)})"
        )


def check_module(
    module: nn.Module, input: Shape | str | tuple[Shape, ...] | None, output: str | int | None = None
) -> Report:
    """The report of *module* for one *input*: ``read`` and ``striate.check`` in one, that raises nothing for faults.

    Args:
        module: Any module.
        input: The shape of one input, or of each of several.
        output: Which of several outputs: its key or its place; the predictions, if not given.

    >>> report = check_module(nn.Sequential(nn.Conv2d(1, 6, 5), nn.GroupNorm(2, 6)), (1, 28, 28))
    >>> report.layers[1].op, report.layers[1].parameters, report.partial
    ('opaque GroupNorm', 12, False)
    """
    if input is None:
        raise SpecError("no input size given; a module needs one, such as --input 3x224x224 or input=(3, 224, 224)")
    reading = read_all(module, input, output)
    report = analyse(reading.graph)
    legal = legal_inputs(module, reading, report)
    notes = (*reading.notes, *(f"{p.layer}: {p.message}" for p in report.problems))
    problems = tuple(_sized(p, legal) if p.layer in reading.fits else p for p in reading.problems)
    added = [layer for layer in report.layers if layer.name in reading.added]
    report = replace(
        report,
        parameters=report.parameters - sum(layer.parameters for layer in added),
        macs=report.macs - sum(layer.macs or 0 for layer in added),
        memory=report.memory - sum(layer.memory for layer in added),
        problems=problems,
        notes=notes,
        legal_inputs=legal,
        warnings=(*reading.advice, *report.warnings),
        partial=report.partial or reading.idle,
    )
    return report if reading.traced else _flat(report)


def _sized(problem: Problem, legal: LegalInputs) -> Problem:
    """With the inputs that fit as they are."""
    near = [shape_text(shape) for shape in (legal.below, legal.above) if shape]
    near = near or [shape_text(legal.smallest)] if legal.smallest else near
    if not near:
        return problem
    return replace(problem, fix=f"{problem.fix}; or an input of {' or '.join(near)}, which fits")


def _flat(report: Report) -> Report:
    """What ran, without what read what."""
    layers = tuple(replace(layer, inputs=(), receptive_field=None, stride=None, start=None) for layer in report.layers)
    # another run may take another way, so the totals are of what was seen
    return replace(report, layers=layers, receptive_field=None, warnings=(), dropped=(), partial=True)
