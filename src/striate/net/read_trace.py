"""A tracing: the module's own forward runs, on tensors without numbers, and every call of torch is written down.

Hooks say which module a call is in; a function mode sees the calls themselves, methods and operators too, with
their arguments; a dispatch mode sees what comes out of code that calls torch behind Python's back. Since Python
itself runs, whatever depends on shapes alone (loops, branches, sizes) needs no rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from striate.analysis import infer
from striate.errors import SpecError
from striate.net.read_call import Call, Found, Record, Value, canonical, tensors
from striate.net.read_functions import FRESH, FUNCTIONS, POINTWISE, unknown, word_of
from striate.net.read_modules import OURS, is_part, kind
from striate.net.read_places import EITHER_WAY
from striate.spec import Add, Concat, Graph, Multiply, Node, Op, Opaque, Shape

PIECES = frozenset("chunk split tensor_split unbind split_with_sizes hsplit vsplit".split())
MAY_STAY = EITHER_WAY | POINTWISE | {"cat", "concat", "concatenate"}  # read tensors with their channels last, too


class Frame:
    """A module that is running."""

    def __init__(self, path: str, module: nn.Module, part: bool, start: int) -> None:
        self.path, self.module, self.part, self.start = path, module, part, start
        self.given: list[Value] = []


class Trace(TorchFunctionMode):
    """Writes down what runs between entering and leaving it.

    Args:
        module: Whose submodules give the parts their names.
        input: The shape of one input.
        x: The tensor that stands for a batch of it.
    """

    def __init__(self, module: nn.Module, input: Shape, x: Tensor) -> None:
        super().__init__()
        self.input = Record(None, [], "", input)
        self.records: list[Record] = []
        self.batch, self.rank = x.shape[0], max(1, len(input) - 1) if x.is_floating_point() else 1
        self.values: dict[int, Value] = {id(x): Value(self.input, input)}
        self.kept: list[Any] = [x]  # an id stays a tensor's own as long as the tensor lives
        self.made_of: dict[int, frozenset[int]] = {id(p): frozenset([id(p)]) for p in module.parameters()}
        self.frames: list[Frame] = []
        self.names = {id(part): name for name, part in module.named_modules()}
        self.running: tuple[str, list[Tensor]] | None = None  # the call in hand: what failed, where it fails
        self.failed: Frame | None = None
        self.behind = Behind(self)

    # ------------------------------------------------------------------------------------------------- the calls
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = name_of(func)
        given = list(tensors((args, kwargs)))
        self.running = name, given
        out = func(*args, **kwargs)
        self.running = None
        results = list(tensors(out))
        if name == "setitem":
            self._written(args[0], [v for v in map(self._value, given) if v], name)
        elif results:
            sources = [v for v in map(self._value, given) if v]
            if not sources or name in FRESH:
                self._constant(results, given)
                return out
            same = any(out is t for t in given)
            changed = same and in_place(func, args, kwargs)
            if same and not changed:
                results = [out := out.view_as(out)]  # from here on it is another value than its input
            self._record(name, func, args, kwargs, results, sources)
            if changed:
                self._seen_through(out)
        return out

    def _value(self, tensor: Tensor) -> Value | None:
        """What *tensor* holds, if it came from the input."""
        value = self.values.get(id(tensor))
        if value is None:
            before = self.behind.sources(tensor)
            if not before:
                return None
            shape = canonical(tensor, self.batch, False)
            value = Value(self._note(Opaque("function", shape), before, shape), shape)
        elif value.other:  # a second result, of which nobody asked yet
            shape = value.shape
            value = Value(self._note(Opaque("result", shape, 0, 0), [value.record.now()], shape), shape)
        self._bind(tensor, value)
        return value

    def _bind(self, tensor: Tensor, value: Value) -> None:
        self.values[id(tensor)] = value
        self.kept.append(tensor)

    def _constant(self, results: list[Tensor], given: list[Tensor]) -> None:
        """Results that the input has no part in, with the parameters they are made of."""
        made = self._parameters(given)
        for tensor in results:
            if id(tensor) not in self.values or id(tensor) not in map(id, given):
                self.values.pop(id(tensor), None)
                self.made_of[id(tensor)] = self.made_of.get(id(tensor), frozenset()) | made
                self.behind.forget(tensor)
                self.kept.append(tensor)

    def _parameters(self, given: list[Tensor]) -> frozenset[int]:
        return frozenset().union(*(self.made_of.get(id(t), ()) for t in given))

    def _written(self, target: Tensor, sources: list[Value], name: str) -> None:
        """``x[...] = y``: from here on *x* is something else."""
        if sources:
            shape = canonical(target, self.batch, False)
            record = self._note(Opaque(word_of(name), shape, 0, 0), [s.record.now() for s in sources], shape)
            self._bind(target, Value(record, shape))
            self._seen_through(target)

    def _seen_through(self, target: Tensor) -> None:
        """A view that was written into: what it is a view of has changed too."""
        whole = target._base
        if whole is not None and id(whole) in self.values and id(target) in self.values:
            before = [self.values[id(t)] for t in (whole, target)]
            shape = canonical(whole, self.batch, False)
            record = self._note(Opaque("write", shape, 0, 0), [v.record.now() for v in before], shape)
            self._bind(whole, Value(record, shape))

    def _record(
        self, name: str, func: Any, args: Any, kwargs: Any, results: list[Tensor], sources: list[Value]
    ) -> None:
        if name not in MAY_STAY:
            sources = [self._as_it_lies(v) for v in sources]
        call = Call(
            name, args, kwargs, results[0], sources, self.batch, self.rank, getattr(func, "__module__", "") or ""
        )
        parameters = self._parameters(list(tensors((args, kwargs))))
        if name in PIECES:
            for piece in results:
                call.out = piece
                self._opaque(call, parameters)
            return
        if not self._in_words(call, parameters):
            self._opaque(call, parameters)
        first = self.values[id(results[0])]
        for other in results[1:]:
            shape = canonical(other, self.batch, False)
            self._bind(other, Value(first.record, shape, other=True))

    def _as_it_lies(self, value: Value) -> Value:
        """A tensor with channels last, for a reader that takes its axes as they come."""
        if not value.last:
            return value
        shape = (*value.shape[1:], value.shape[0])
        return Value(self._note(Opaque("permute", shape, 0, 0), [value.record.now()], shape), shape)

    def _in_words(self, call: Call, parameters: frozenset[int]) -> bool:
        """Writes the call down in words of the vocabulary; False where none says it."""
        rule = FUNCTIONS.get(call.name)
        for call.fold in (True, False):
            try:
                found = rule(call) if rule else None
            except (SpecError, TypeError, ValueError, AttributeError, IndexError):
                return False  # arguments that the word does not take
            if found is None or self._fits(call, found, parameters):
                return found is not None
        return False

    def _fits(self, call: Call, found: Found, parameters: frozenset[int]) -> bool:
        last = call.value.last if found.last is None else found.last
        shape = canonical(call.out, call.batch, last)
        sources = found.sources or call.sources
        if not found.ops and found.padded is None:
            self._bind(call.out, Value(sources[0].record.now(), shape, last))
            return True
        shapes = [v.shape for v in sources]
        steps = []
        for op in found.ops:
            step = given(op, shapes)
            if step is None:
                return False
            steps.append(step)
            shapes = [step]
        if steps and (steps[-1] != shape or call.out.shape[0] != call.batch):
            return False
        inputs = [v.record.now() for v in sources]
        if found.padded is not None:
            record = self._note(Opaque(call.name, shape, 0, 0), inputs, shape)
            record.padded = found.padded
        for op, step in zip(found.ops, steps, strict=True):
            record = self._note(op, inputs, step)
            record.parameters, parameters = parameters, frozenset()
            inputs = [record]
        self._bind(call.out, Value(record, shape, last))
        return True

    def _opaque(self, call: Call, parameters: frozenset[int]) -> None:
        last = call.name in POINTWISE and all(v.last for v in call.sources)
        if not last:
            call.sources = [self._as_it_lies(v) for v in call.sources]
        op = unknown(call, 0)
        inputs = list(dict.fromkeys(v.record.now() for v in call.sources))
        record = self._note(op, inputs, op.output)
        record.parameters = parameters
        self._bind(call.out, Value(record, op.output, last))

    def _note(self, op: Op, inputs: list[Record], shape: Shape) -> Record:
        path = next((f.path for f in reversed(self.frames)), "")
        record = Record(op, inputs, path, shape)
        self.records.append(record)
        return record

    # ----------------------------------------------------------------------------------------------- the modules
    @contextmanager
    def hooked(self, module: nn.Module) -> Iterator[None]:
        """Every submodule says when it begins and ends."""
        with ExitStack() as stack:
            for part in module.modules():
                before = part.register_forward_pre_hook(self._enter, with_kwargs=True)
                stack.callback(before.remove)
                after = part.register_forward_hook(self._leave, with_kwargs=True, always_call=True)
                stack.callback(after.remove)
            yield

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        inside = any(frame.part for frame in self.frames)
        path = self.names.get(id(module), type(module).__name__)
        frame = Frame(path, module, is_part(module) and not inside, len(self.records))
        self.running, self.failed = None, None
        if frame.part:
            frame.given = [v for v in map(self._value, tensors((args, kwargs))) if v]
            self.running = kind(module), list(tensors((args, kwargs)))
            frame.start = len(self.records)
        self.frames.append(frame)

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, out: Any) -> Any:
        frame = next((f for f in reversed(self.frames) if f.module is module), None)
        if frame is None:
            return None
        del self.frames[self.frames.index(frame) :]
        if out is None:
            self.failed = self.failed or frame
            return None
        results = list(tensors(out))
        if not frame.part or not frame.given or not results:
            return None
        if isinstance(out, Tensor) and type(module) in OURS and any(out is t for t in args):
            out = out.view_as(out)
            results = [out]
        inside = self.records[frame.start :]
        if type(module) in OURS:
            self._ours(frame, out)
        elif len(inside) == 1 and self._value_of_record(inside[0], results[0]):
            inside[0].path, inside[0].whole = frame.path, True
            if isinstance(inside[0].op, Opaque):
                inside[0].op = renamed(inside[0].op, kind(module))
        elif inside or any(id(t) not in self.values for t in results):
            self._together(frame, inside, results)
        return out

    def _value_of_record(self, record: Record, tensor: Tensor) -> bool:
        value = self.values.get(id(tensor))
        return value is not None and value.record.now() is record

    def _ours(self, frame: Frame, out: Tensor) -> None:
        """A layer of striate: the word that it was built from."""
        op = OURS[type(frame.module)](frame.module)
        shape = canonical(out, self.batch, False)
        self._replaced(frame, op, shape, [v.record.now() for v in frame.given])
        self._bind(out, Value(self.records[-1], shape))

    def _together(self, frame: Frame, inside: list[Record], results: list[Tensor]) -> None:
        """A module of torch that did several things: one part."""
        ops = [record.op for record in inside]
        costs = [
            op.macs if isinstance(op, Opaque) else self._cost(record) for op, record in zip(ops, inside, strict=True)
        ]
        known = [cost for cost in costs if cost is not None]
        alone = all(isinstance(op, Opaque) and op.reach == "place" for op in ops) and len(ops) > 0
        shape = canonical(results[0], self.batch, False)
        macs = sum(known) if len(known) == len(costs) and inside else None
        op = Opaque(word_of(kind(frame.module)), shape, 0, macs, "place" if alone else "unknown")
        outside = [r for record in inside for r in record.inputs if r not in inside]
        inputs = list(dict.fromkeys(outside or [v.record.now() for v in frame.given]))
        used = frozenset().union(*(record.parameters for record in inside))
        if not inside:
            used = frozenset(id(p) for p in frame.module.parameters())
        whole = self._replaced(frame, op, shape, inputs)
        whole.parameters = used
        self._bind(results[0], Value(whole, shape))
        for other in results[1:]:
            self._bind(other, Value(whole, canonical(other, self.batch, False), other=True))

    def _cost(self, record: Record) -> int | None:
        from striate.analysis import cost

        assert record.op is not None
        return cost.macs(record.op, record.inputs[0].shape, record.shape)

    def _replaced(self, frame: Frame, op: Op, shape: Shape, inputs: list[Record]) -> Record:
        """One record in place of all that was noted inside *frame*."""
        whole = Record(op, inputs, frame.path, shape, whole=True)
        whole.parameters = frozenset(id(p) for p in frame.module.parameters())
        for record in self.records[frame.start :]:
            record.part_of = whole
        del self.records[frame.start :]
        self.records.append(whole)
        return whole


class Behind(TorchDispatchMode):
    """Sees every operation, also of compiled code: which tensors came out of which."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace
        self.made_of: dict[int, list[Record]] = {}
        self.kept: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [r for t in tensors((args, kwargs or {})) for r in self.sources(t)]
        out = func(*args, **(kwargs or {}))
        if given:
            for tensor in tensors(out):
                self.made_of[id(tensor)] = list(dict.fromkeys(given))
                self.kept.append(tensor)
        return out

    def sources(self, tensor: Tensor) -> list[Record]:
        value = self.trace.values.get(id(tensor))
        return [value.record.now()] if value else self.made_of.get(id(tensor), [])

    def forget(self, tensor: Tensor) -> None:
        self.made_of.pop(id(tensor), None)


def name_of(func: Any) -> str:
    """``relu`` for F.relu, torch.relu, x.relu and x.relu_; ``iadd`` for +=; ``shape`` for x.shape."""
    name = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    return str(name).strip("_")


def in_place(func: Any, args: Any, kwargs: Any) -> bool:
    name = getattr(func, "__name__", "")
    if name.startswith("__"):
        return name.startswith("__i") and name != "__invert__"
    return name.endswith("_") or bool(kwargs.get("inplace")) or any(a is True for a in args[1:])


def renamed(op: Opaque, name: str) -> Opaque:
    return Opaque(word_of(name), op.output, op.parameters, op.macs, op.reach)


def given(op: Op, shapes: list[Shape]) -> Shape | None:
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
