"""Somebody's ``nn.Module`` as a graph, for analysis alone: never to build from.

The module's own forward runs once, on tensors without numbers (``FakeTensorMode``): nothing is computed, no memory
is taken, and the module stays as it was. What no word of the vocabulary says becomes ``Opaque``: its shape and
parameters are known, and what depends on its inside is not guessed.
"""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from striate.analysis import LegalInputs, Report, analyse
from striate.errors import ShapeError, SpecError
from striate.net.build import Net
from striate.net.read_call import tensors
from striate.net.read_faults import Fault, fault_of
from striate.net.read_graph import all_of, graph_of
from striate.net.read_modules import unwrapped, wrap_compiled
from striate.net.read_trace import Trace
from striate.spec import Graph, Shape, read_shape
from striate.spec.graph import check_input

AFFORDABLE = 2**28  # numbers in all activations up to which a forward that cannot be traced is run on real numbers


@dataclass(frozen=True)
class Reading:
    """What a module told: its graph, or as much of it as ran (*fault*), and what to know of it.

    *traced* is False where its parts are known from a run with numbers alone: the graph then says what ran, one
    behind the other, and not what read what.
    """

    graph: Graph
    notes: tuple[str, ...] = ()
    fault: Fault | None = None
    traced: bool = True


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
    if reading.fault and reading.traced:
        raise ShapeError(str(reading.fault.problem()))
    if not reading.traced:
        raise SpecError(f"{reading.notes[0]}; striate.check lists its layers")
    return reading.graph


def read_all(module: nn.Module, input: Shape | str | tuple[Shape, ...]) -> Reading:
    """All that following *module* tells, faults included; SpecError where there is nothing to follow."""
    if not isinstance(module, nn.Module):
        raise SpecError(f"got a {type(module).__name__}; expected an nn.Module")
    module, shape = unwrapped(module), _shape(input)
    _check_signature(module, input)
    best: tuple[Trace, Fault] | None = None
    mixed: Reading | None = None
    for make in examples(module, shape):
        trace, result = _follow(module, shape, make, FakeTensorMode(allow_non_fake_inputs=True))
        if not isinstance(result, Fault):
            if trace.apart:
                return result
            mixed = mixed or result  # its output has not one entry for each input: written for another batch?
        elif best is None or len(trace.records) > len(best[0].records):
            best, again = (trace, result), make
    if mixed is not None:
        return mixed
    assert best is not None
    trace, fault = best
    if _may_run(module, trace):
        real, result = _follow(module, shape, again, None)
        if not isinstance(result, Fault):
            return _listing(result, fault)
        fault = replace(result, numberless=False)
        trace = real if len(real.records) >= len(trace.records) else trace
    return _prefix(trace, module, fault)


def _prefix(trace: Trace, module: nn.Module, fault: Fault) -> Reading:
    """What ran up to the fault."""
    if fault.numberless or not trace.records:
        kind = SpecError if fault.numberless else ShapeError
        raise kind(f"could not be traced: {fault.problem()}" if fault.numberless else str(fault.problem()))
    return Reading(all_of(trace, module), (), fault)


def _listing(reading: Reading, fault: Fault) -> Reading:
    where = fault.line or fault.layer
    note = f"could not be traced: {where} ({fault.message}): what it does depends on values, not on shapes alone"
    return Reading(reading.graph, (note, "the list is what ran once, on random numbers"), fault, traced=False)


def _follow(
    module: nn.Module, shape: Shape, make: Callable[[], Tensor], mode: FakeTensorMode | None
) -> tuple[Trace, Reading | Fault]:
    """Runs the forward once, without numbers (*mode*) or, with None, on random numbers."""
    with torch.no_grad(), untouched(module, mode is None), ExitStack() as stack:
        module.eval()
        wrap_compiled(module)
        if mode:
            stack.enter_context(mode)
            stack.enter_context(quiet())
        stands_for = without_numbers(module, mode) if mode else {}
        x = make()
        trace = Trace(module, shape, x, stands_for, everything=mode is None)
        stack.enter_context(trace.hooked(module))
        try:
            with trace.behind, trace:
                out = module.taps(x) if isinstance(module, Net) and module.graph.taps else module(x)
        except Exception as error:
            if isinstance(error, MemoryError | torch.OutOfMemoryError):
                raise
            return trace, fault_of(error, trace)
        if mode is None:
            return trace, Reading(all_of(trace, module))
        trace.apart = next((t.shape[:1] == x.shape[:1] for t in tensors(out)), True)
        graph, notes = graph_of(trace, module, out)
        return trace, Reading(graph, tuple(notes))


def without_numbers(module: nn.Module, mode: FakeTensorMode) -> dict[int, Tensor]:
    """Puts tensors without numbers in the place of all parameters and buffers, so that nothing reaches the real
    ones; gives what each of them (by its id) stands for.
    """
    stands_for = {}
    for part in module.modules():
        if not isinstance(part, torch.jit.ScriptModule):
            for own in (part._parameters, part._buffers):
                tensors: dict[str, Any] = own
                for name, value in tensors.items():
                    if value is not None:
                        tensors[name] = mode.from_tensor(value)
                        stands_for[id(tensors[name])] = value
    return stands_for


@contextmanager
def quiet() -> Iterator[None]:
    """torch logs what fails without numbers; here that is an answer and no event."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


@contextmanager
def untouched(module: nn.Module, numbers: bool) -> Iterator[None]:
    """Puts back everything in *module* that its forward changes: attributes, lists, modes, buffers; the seeds too."""
    parts = [part for part in module.modules() if not isinstance(part, torch.jit.ScriptModule)]
    before = [(part, dict(vars(part))) for part in parts]
    modes = [(part, part.training) for part in module.modules() if isinstance(part, torch.jit.ScriptModule)]
    inner: dict[int, tuple[Any, Any]] = {}
    loose: list[Tensor] = []  # tensors that are neither parameters nor buffers
    for _, own in before:
        for value in own.values():
            _inside(value, inner, loose)
    held = (*module.parameters(), *module.buffers()) if numbers else ()
    values = [(t, t.clone()) for t in (*held, *loose)]
    with torch.random.fork_rng(devices=[], enabled=numbers):
        try:
            yield
        finally:
            for script, mode in modes:
                script.training = mode
            for part, own in before:
                vars(part).clear()
                vars(part).update(own)
            for now, then in inner.values():
                now.clear()
                now.extend(then) if isinstance(now, list | deque) else now.update(then)
            for tensor, value in values:
                if not torch.equal(tensor, value):
                    with torch.no_grad():
                        tensor.copy_(value)


def _inside(value: object, containers: dict[int, tuple[Any, Any]], tensors: list[Tensor]) -> None:
    """Every container in *value*, with a copy of what it contains, and every tensor that is no parameter."""
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter) and value.device.type != "meta":
        tensors.append(value)
    elif isinstance(value, dict | list | set | deque) and id(value) not in containers:
        containers[id(value)] = (value, copy(value))
        for part in list(value.values() if isinstance(value, dict) else value):
            _inside(part, containers, tensors)


def examples(module: nn.Module, shape: Shape) -> list[Callable[[], Tensor]]:
    """Ways to make a batch: of word numbers where the net has an embedding; of two, or of one where two do not do."""
    weight = next((p for p in module.parameters() if p.is_floating_point()), None)
    device = weight.device if weight is not None else torch.device("cpu")
    kinds = [weight.dtype if weight is not None else torch.float32]
    if any(isinstance(part, nn.Embedding | nn.EmbeddingBag) for part in module.modules()):
        kinds.insert(0, torch.long)

    def maker(batch: int, kind: torch.dtype) -> Callable[[], Tensor]:
        if kind == torch.long:
            return lambda: torch.zeros(batch, *shape, dtype=kind, device=device)
        return lambda: torch.rand(batch, *shape, device=device).to(kind)

    return [maker(batch, kind) for kind in kinds for batch in (2, 1)]


def _may_run(module: nn.Module, trace: Trace) -> bool:
    """Whether a run on real numbers is cheap."""
    real = all(t.device.type == "cpu" for t in (*module.parameters(), *module.buffers()))
    return real and sum(t.numel() for t in trace.kept if isinstance(t, Tensor)) < AFFORDABLE


def _shape(input: Shape | str | tuple[Shape, ...]) -> Shape:
    if isinstance(input, str):
        return read_shape(input)
    given: Any = tuple(input)
    if given and all(isinstance(part, tuple | list) for part in given):
        if len(given) > 1:
            raise SpecError(
                f"got {len(given)} inputs; a graph has one. Wrap the module in one whose forward takes a single tensor "
                f"and makes the others itself"
            )
        given = tuple(given[0])
    check_input(given)
    shape: Shape = given
    return shape


def _check_signature(module: nn.Module, input: object) -> None:
    """SpecError where the forward wants more than one tensor, or has parameters that are not made yet."""
    lazy = next((n for n, p in module.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)), None)
    if lazy:
        raise SpecError(f"{lazy} has no size yet: run the module once on an input before it is read")
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    wanted = [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
    if len(wanted) > 1:
        raise SpecError(
            f"{type(module).__name__} takes {len(wanted)} inputs ({', '.join(wanted)}); a graph has one. Wrap it in a "
            f"module whose forward takes a single tensor and makes the others itself"
        )


TRIED = 300  # parts up to which other inputs are tried, too


def check_module(module: nn.Module, input: Shape | str | tuple[Shape, ...] | None) -> Report:
    """The report of *module* for one *input*: ``read`` and ``striate.check`` in one, that raises nothing for faults.

    >>> report = check_module(nn.Sequential(nn.Conv2d(1, 6, 5), nn.GroupNorm(2, 6)), (1, 28, 28))
    >>> report.layers[1].op, report.layers[1].parameters, report.partial
    ('opaque GroupNorm', 12, False)
    """
    if input is None:
        raise SpecError("no input size given; a module needs one, such as --input 3x224x224 or input=(3, 224, 224)")
    reading = read_all(module, input)
    report = analyse(reading.graph)
    legal = _legal(module, reading, report.legal_inputs)
    notes = (*reading.notes, *(f"{p.layer}: {p.message}" for p in report.problems))
    problems = (reading.fault.problem(),) if reading.fault and reading.traced else ()
    report = replace(report, problems=problems, notes=notes, legal_inputs=legal)
    return report if reading.traced else _flat(report)


def _flat(report: Report) -> Report:
    """What ran, without what read what."""
    layers = tuple(replace(layer, inputs=(), receptive_field=None, stride=None, start=None) for layer in report.layers)
    # another run may take another way, so the totals are of what was seen
    return replace(report, layers=layers, receptive_field=None, warnings=(), dropped=(), partial=True)


def _legal(module: nn.Module, reading: Reading, legal: LegalInputs) -> LegalInputs:
    """Other inputs fit where the module takes them in fact: its sizes may be written down anywhere in it."""
    if reading.fault or len(reading.graph.nodes) > TRIED:
        return replace(legal, asked=legal.asked and not reading.fault, below=None, above=None, smallest=None, step=None)

    def taken(input: Shape | None) -> Shape | None:
        module_ = unwrapped(module)
        return input if input and any(_tried(module_, input, make) for make in examples(module_, input)) else None

    below, above, smallest = (taken(shape) for shape in (legal.below, legal.above, legal.smallest))
    if smallest and taken((smallest[0], *(max(1, n - 1) for n in smallest[1:]))) and max(smallest[1:], default=1) > 1:
        smallest = None  # it takes smaller ones, by code that depends on the size
    return LegalInputs(legal.asked, below, above, smallest, legal.step if below or above else None)


def _tried(module: nn.Module, shape: Shape, make: Callable[[], Tensor]) -> bool:
    """Whether the forward gets through on such an input."""
    with torch.no_grad(), untouched(module, False), FakeTensorMode(allow_non_fake_inputs=True) as mode, quiet():
        module.eval()
        without_numbers(module, mode)
        try:
            module(make())
        except Exception:
            return False
        return True
