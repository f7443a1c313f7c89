"""A tracing: the module's own forward runs, on tensors without numbers, and every call of torch is written down.

Hooks say which module a call is in; a function mode sees the calls themselves, methods and operators too, with
their arguments; a dispatch mode sees what comes out of code that calls torch behind Python's back. Since Python
itself runs, whatever depends on shapes alone (loops, branches, sizes) needs no rules.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from striate.errors import SpecError
from striate.net.read_call import Call, Found, Record, Value, channels_first, in_place, name_of, output_shape, tensors
from striate.net.read_functions import FUNCTIONS
from striate.net.read_modules import Frame, Parts
from striate.net.read_positions import EITHER_WAY, FRESH, POINTWISE, unknown
from striate.spec import Op, Opaque, Shape

PIECES = frozenset("chunk split tensor_split unbind split_with_sizes hsplit vsplit".split())
ONE_READ = frozenset("expand_as view_as reshape_as type_as to".split())  # the others only say how it shall look
MAY_STAY = EITHER_WAY | POINTWISE | {"cat", "concat", "concatenate"}  # read tensors with their channels last, too


class Trace(Parts, TorchFunctionMode):
    """Writes down what runs between entering and leaving it.

    Args:
        module: Whose submodules give the parts their names.
        input: The shape of one input.
        x: The tensor that stands for a batch of it.
        stands_for: The parameters and buffers that tensors of the module, by their ids, stand for.
        everything: Follow parts also where what they read came from outside torch.
    """

    def __init__(
        self, module: nn.Module, input: Shape, x: Tensor, stands_for: dict[int, Tensor], *, everything: bool = False
    ) -> None:
        super().__init__()
        self.input = Record(Opaque("input", input), [], "", input)
        self.records: list[Record] = []
        self.batch, self.rank = x.shape[0], max(1, len(input) - 1) if x.is_floating_point() else 1
        self.values: dict[int, Value] = {id(x): Value(self.input, input)}
        self.kept: list[Any] = [x]  # an id stays a tensor's own as long as the tensor lives
        self.made_of: dict[int, frozenset[int]] = {}  # the parameters, by the ids of the real ones
        for p in module.parameters():
            self.kept.append(p)
            real = stands_for.get(id(p), p)
            self.made_of[id(p)] = self.made_of[id(real)] = frozenset([id(real)])
        self.frames: list[Frame] = []
        self.names = {id(part): name for name, part in module.named_modules()}
        self.running: tuple[str, list[Tensor]] | None = None  # the call in hand: what failed, where it fails
        self.failed: Frame | None = None
        self.everything = everything
        self.apart = True  # the output has one entry for each input
        self.behind = Behind(self)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = name_of(func)
        given = list(tensors((args, kwargs)))
        self.running = name, given
        out = func(*args, **kwargs)
        self.running = None
        results = list(tensors(out))
        if name == "setitem":
            self._written(args, [v for v in map(self.value, given) if v])
        elif results:
            sources = [v for v in map(self.value, given) if v]
            if not sources or name in FRESH:
                self._constant(results, given)
                return out
            sources = sources[:1] if name in ONE_READ else sources
            same = any(out is t for t in given)
            changed = same and in_place(func, args, kwargs)
            if same and not changed:
                results = [out := out.view_as(out)]  # from here on it is another value than its input
            self._record(name, func, args, kwargs, results, sources)
            if changed:
                self._seen_through(out)
        return out

    def value(self, tensor: Tensor) -> Value | None:
        """What *tensor* contains, if it came from the input."""
        value = self.values.get(id(tensor))
        if value is None:
            before = self.behind.sources(tensor)
            if not before:
                return None
            shape = channels_first(tensor, self.batch, False)
            value = Value(self.note(Opaque("function", shape), before, shape), shape)
        elif value.other:  # a second result, of which nobody asked yet
            shape = value.shape
            value = Value(self.note(Opaque("result", shape, 0, 0), [value.record.now()], shape), shape)
        self.bind(tensor, value)
        return value

    def bind(self, tensor: Tensor, value: Value) -> None:
        self.values[id(tensor)] = value
        self.kept.append(tensor)

    def _constant(self, results: list[Tensor], given: list[Tensor]) -> None:
        """Results that the input has no part in, with the parameters they are made of."""
        made = self.parameters(given)
        for tensor in results:
            if id(tensor) not in self.values or id(tensor) not in map(id, given):
                self.values.pop(id(tensor), None)
                self.made_of[id(tensor)] = self.made_of.get(id(tensor), frozenset()) | made
                self.behind.forget(tensor)
                self.kept.append(tensor)

    def parameters(self, given: list[Tensor]) -> frozenset[int]:
        return frozenset().union(*(self.made_of.get(id(t), ()) for t in given))

    def _written(self, args: Any, sources: list[Value]) -> None:
        """``x[index] = y``: from here on *x* is something else; its places are, where only channels are chosen."""
        target, index, new = args
        if sources:
            shape = channels_first(target, self.batch, False)
            parts = index if isinstance(index, tuple) else (index,)
            plain = all(isinstance(part, slice) for part in parts[:2]) and all(
                part == slice(None) for part in parts[2:]
            )
            full = parts[0] == slice(None) and isinstance(new, Tensor) and new.shape[2:] == target.shape[2:]
            reach = "place" if plain and full and target.ndim == self.rank + 2 else "unknown"
            inputs = [self._as_it_lies(s).record.now() for s in sources]
            record = self.note(Opaque("write", shape, 0, 0, reach), inputs, shape)
            self.bind(target, Value(record, shape))
            self._seen_through(target)

    def _seen_through(self, target: Tensor) -> None:
        """A view that was written into: what it is a view of has changed too."""
        whole = target._base
        if whole is not None and id(whole) in self.values and id(target) in self.values:
            before = [self.values[id(t)] for t in (whole, target)]
            shape = channels_first(whole, self.batch, False)
            record = self.note(Opaque("write", shape, 0, 0), [v.record.now() for v in before], shape)
            self.bind(whole, Value(record, shape))

    def _record(
        self, name: str, func: Any, args: Any, kwargs: Any, results: list[Tensor], sources: list[Value]
    ) -> None:
        if name not in MAY_STAY:
            sources = [self._as_it_lies(v) for v in sources]
        call = Call(
            name, args, kwargs, results[0], sources, self.batch, self.rank, getattr(func, "__module__", "") or ""
        )
        parameters = self.parameters(list(tensors((args, kwargs))))
        if name in PIECES:
            for piece in results:
                call.out = piece
                self._opaque(call, parameters)
            return
        if not self._in_words(call, parameters):
            self._opaque(call, parameters)
        first = self.values[id(results[0])]
        for other in results[1:]:
            shape = channels_first(other, self.batch, False)
            self.bind(other, Value(first.record, shape, other=True))

    def _as_it_lies(self, value: Value) -> Value:
        """A tensor with channels last, for a reader that takes its axes as they come."""
        if not value.last:
            return value
        shape = (*value.shape[1:], value.shape[0])
        return Value(self.note(Opaque("permute", shape, 0, 0), [value.record.now()], shape), shape)

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
        shape = channels_first(call.out, call.batch, last)
        sources = found.sources or call.sources
        if not found.ops and found.padded is None:
            self.bind(call.out, Value(sources[0].record.now(), shape, last))
            return True
        shapes = [v.shape for v in sources]
        steps = []
        for op in found.ops:
            step = output_shape(op, shapes)
            if step is None:
                return False
            steps.append(step)
            shapes = [step]
        if steps and (steps[-1] != shape or call.out.shape[0] != call.batch):
            return False
        inputs = [v.record.now() for v in sources]
        if found.padded is not None:
            record = self.note(Opaque(call.name, shape, 0, 0), inputs, shape)
            record.padded = found.padded
        for op, step in zip(found.ops, steps, strict=True):
            record = self.note(op, inputs, step)
            record.parameters, parameters = parameters, frozenset()
            inputs = [record]
        self.bind(call.out, Value(record, shape, last))
        return True

    def _opaque(self, call: Call, parameters: frozenset[int]) -> None:
        last = call.name in POINTWISE and all(v.last for v in call.sources)
        if not last:
            call.sources = [self._as_it_lies(v) for v in call.sources]
        op = unknown(call, 0)
        inputs = list(dict.fromkeys(v.record.now() for v in call.sources))
        record = self.note(op, inputs, op.output)
        record.parameters = parameters
        self.bind(call.out, Value(record, op.output, last))

    def note(self, op: Op, inputs: list[Record], shape: Shape) -> Record:
        path = next((f.path for f in reversed(self.frames)), "")
        record = Record(op, inputs, path, shape)
        self.records.append(record)
        return record


class Behind(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own is untyped
    """Sees every operation, also of compiled code: which tensors came out of which."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own is untyped
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
