"""A tracing: the module's own forward runs, on tensors without numbers, and every call of torch is written down.

Hooks say which module a call is in; a function mode sees the calls themselves, methods and operators too, with
their arguments; a dispatch mode sees what comes out of code that calls torch behind Python's back. Since Python
itself runs, whatever depends on shapes alone (loops, branches, sizes) needs no rules.
"""

from __future__ import annotations

import linecache
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.errors import SpecError, shape_text
from striate.net.read_call import Call, Found, Record, Value, channels_first, in_place, name_of, output_shape, tensors
from striate.net.read_functions import FUNCTIONS
from striate.net.read_mend import FOLDS, RULES, Attempt, Mended, fixed_device, mixes, unmixed
from striate.net.read_mend_layers import mended_layer
from striate.net.read_modules import Behind, Frame, Parts
from striate.net.read_positions import EITHER_WAY, FRESH, MATMULS, POINTWISE, unknown, word_of
from striate.spec import Conv, Op, Opaque, Shape

PIECES = frozenset("chunk split tensor_split unbind split_with_sizes hsplit vsplit".split())
ONE_READ = frozenset("expand_as view_as reshape_as type_as to".split())  # the others only say how it shall look
THIN = frozenset("batch_norm dropout".split())  # of those that do not, what a thin tensor is no other for
MAY_STAY = EITHER_WAY | POINTWISE | {"cat", "concat", "concatenate"}  # read tensors with their channels last, too


TORCH = str(Path(torch.__file__).parent)
OURS = str(Path(__file__).parents[1])
LIBRARY = sysconfig.get_paths()["stdlib"]


@dataclass(eq=False)
class Slip:
    """A fault that was mended on the way: the words, the line, the module, the part that stands for it."""

    message: str
    fix: str
    line: str
    path: str
    sizes: bool = False  # another input may fit
    record: Record | None = None
    features: int | None = None  # that a linear layer has as it is


def own_file(name: str) -> bool:
    """Whether a file of that *name* is the person's own code."""
    return not name.startswith((TORCH, OURS, LIBRARY, "<"))


def line_now() -> str:
    """The line of the person's own code that is running."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        name = frame.f_code.co_filename
        if name.startswith(OURS) and frame.f_code.co_name == "_follow":
            break  # what called striate is no part of the module
        if own_file(name):
            text = linecache.getline(name, frame.f_lineno).strip()
            return f"{Path(name).name} line {frame.f_lineno}" + (f": {text}" if text else "")
    return ""


class Trace(Parts, TorchFunctionMode):
    """Writes down what runs between entering and leaving it.

    Args:
        module: Whose submodules give the parts their names.
        shapes: The shape of one of each input.
        xs: The tensors that stand for a batch of them.
        stands_for: The parameters and buffers that tensors of the module, by their ids, stand for.
        everything: Follow parts also where what they read came from outside torch.
        unmix: The numbers of calls that are to keep the inputs of the batch apart.
    """

    def __init__(
        self, module: nn.Module, shapes: tuple[Shape, ...], xs: list[Tensor], stands_for: dict[int, Tensor], *,
        everything: bool = False, unmix: frozenset[int] = frozenset(),
    ) -> None:  # fmt: skip
        super().__init__()
        input, x = shapes[0], xs[0]
        self.input = Record(Opaque("input", input), [], "", input)
        self.device = x.device
        self.batch, self.rank = x.shape[0], max(1, len(input) - 1) if x.is_floating_point() else 1
        self.values: dict[int, Value] = {id(x): Value(self.input, input)}
        self.records: list[Record] = []
        for other, shape in zip(xs[1:], shapes[1:], strict=True):  # further inputs: beside the first, place by place
            reach = "place" if shape[1:] == input[1:] else "unknown"
            record = Record(Opaque("input", shape, 0, 0, reach), [self.input], "", shape)
            self.records.append(record)
            self.values[id(other)] = Value(record, shape)
        self.kept: list[Any] = list(xs)  # an id stays a tensor's own as long as the tensor lives
        self.made_of: dict[int, frozenset[int]] = {}  # the parameters, by the ids of the real ones
        for p in module.parameters():
            self.kept.append(p)
            real = stands_for.get(id(p), p)
            self.made_of[id(p)] = self.made_of[id(real)] = frozenset([id(real)])
        self.frames: list[Frame] = []
        self.module = module
        self.names = {id(part): name for name, part in module.named_modules()}
        self.made_late: dict[int, int] = {}  # parameters that the forward itself makes, and how many numbers each has
        self.running: tuple[str, list[Tensor]] | None = None  # the call in hand: what failed, where it fails
        self.failed: Frame | None = None
        self.everything = everything
        self.apart = True  # the output has one entry for each input
        self.unmix = unmix  # calls, by their numbers, that mix the inputs of the batch: others are meant
        self.calls = self.mending = 0
        self.faults: list[Slip] = []
        self.folds: dict[Record, int] = {}  # where the batch is the first axis no more, and the number of the call
        self.idle: dict[str, frozenset[int]] = {}
        self.asides: list[Slip] = []  # what runs and is still a mistake
        self.ended: Tensor | None = None  # its output
        self.behind = Behind(self)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = name_of(func)
        self.calls += 1
        given = list(tensors((args, kwargs)))
        self.running = name, given
        of_input = bool(given and self.value(given[0]))
        fixed = fixed_device(name, func, args, kwargs, self.device, of_input)
        if fixed:
            self._said(fixed.message, fixed.fix)
            func, args, kwargs = fixed.func, fixed.args, fixed.kwargs
        late: list[Tensor] = [t for t in given if not self.made_of.get(id(t)) and isinstance(t, nn.Parameter)]
        if late and any(map(self.value, given)):
            self._made_late(late)
        if self.calls in self.unmix or (of_input and mixes(name, args, kwargs, given[0])):
            meant = self._by(unmixed, name, func, args, kwargs)
            if meant:
                return self._as_meant(meant)
        try:
            out = func(*args, **kwargs)
        except Exception as error:
            meant = self._mended(name, func, args, kwargs, error)
            if meant is None:
                raise
            return self._as_meant(meant)
        self.running = None
        return self._noted(name, func, args, kwargs, given, out)

    def _said(self, message: str, fix: str) -> None:
        """Writes down a fault that the line in hand has."""
        line = line_now()
        if all(line != s.line or fix != s.fix for s in self.faults):
            self.faults.append(Slip(message, fix, line, self._path()))

    def _aside(self, message: str, fix: str, result: Tensor) -> None:
        """Writes down what runs in the line in hand, gives *result* and is still a mistake."""
        line = line_now()
        if all(line != s.line for s in self.asides):
            self.asides.append(Slip(message, fix, line, "", record=self.values[id(result)].record))

    def _path(self) -> str:
        """That of the innermost module that runs and has one."""
        return next((f.path for f in reversed(self.frames) if f.path), "")

    def made_by(self, tensor: Tensor) -> Record | None:
        """The part that computed it; None for an input of the net."""
        value = self.value(tensor)
        return value.record.now() if value and value.record.now() is not self.input else None

    @property
    def convolves(self) -> bool:
        """Whether a convolution ran before."""
        return any(isinstance(record.op, Conv) for record in self.records)

    def _made_late(self, late: list[Tensor]) -> None:
        """A layer, or parameters, that the forward makes itself."""
        for parameter in late:
            self.kept.append(parameter)
            self.made_of[id(parameter)] = frozenset([id(parameter)])
            self.made_late[id(parameter)] = parameter.numel()
        layer: nn.Module | None = None
        frame = sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
            owner = frame.f_locals.get("self")
            if isinstance(owner, nn.Module):
                if id(owner) in self.names:
                    break
                layer = owner
        count = sum(p.numel() for p in (layer.parameters() if layer is not None else late))
        kept = layer is not None and any(part is layer for part in self.module.modules())
        what = "that an optimizer gets only if it is made after the first call" if kept else "that no optimizer gets"
        shapes = " and ".join(shape_text(p.shape) for p in late)
        made = f"nn.{layer}" if layer is not None and "\n" not in str(layer) else "it"
        made = made if layer is not None else f"nn.Parameter of {shapes}"
        self._said(f"made in forward: {count:,} parameters {what}", f"make {made} in __init__")

    def _mended(self, name: str, func: Any, args: Any, kwargs: Any, error: Exception) -> Mended | None:
        """The call that was meant, where a rule knows it."""
        kind = type(error).__name__
        rule = RULES.get(name) if kind in ("RuntimeError", "ValueError", "TypeError") else None
        given = list(tensors((args, kwargs)))
        if rule is None or not any(map(self.value, given)) or self.mending > len(self.faults) + 8:
            return None
        self.mending += 1
        return self._by(rule, name, func, args, kwargs)

    def _by(
        self, rule: Callable[[Attempt], Mended | None], name: str, func: Any, args: Any, kwargs: Any
    ) -> Mended | None:
        """The call that was meant, by *rule*; what has to come before it, and before the layer that it is in, is none
        of the module's.
        """
        before = len(self.records)
        meant = rule(Attempt(self, name, func, args, kwargs, self.frames[-1].module if self.frames else None))
        frame = next((f for f in self.frames if f.part), None)
        for record in self.records[before:]:
            record.added = True
            if frame:
                record.path = frame.path.rpartition(".")[0]
                frame.start = len(self.records)
        return meant

    def _stand_for(self, weights: list[tuple[Tensor, Tensor]]) -> None:
        """Notes of tensors made here which of the module's they stand for."""
        for new, own in weights:
            self.kept.append(new)
            self.made_of[id(new)] = self.made_of.get(id(own), frozenset())

    def _as_meant(self, meant: Mended) -> Any:
        """Makes the call that was meant, and writes the fault down."""
        self._stand_for(meant.weights)
        line, before = line_now(), len(self.records)
        slip = Slip(meant.message, meant.fix, line, self._path(), meant.sizes, features=meant.features)
        self.faults.append(slip)
        out = self.__torch_function__(meant.func, (), meant.args, meant.kwargs)
        new_records = self.records[before:]
        if new_records:
            slip.record = new_records[-1]
            slip.record.mended = True
            slip.record.change += sum(n.numel() - o.numel() for n, o in meant.weights if self.parameters([o]))
        return out

    def traced(self, func: Any, *args: Any) -> Any:
        """Makes a call and writes it down."""
        return self.__torch_function__(func, (), args)

    def made(self, new: Tensor, source: Tensor, op: Op | None) -> Tensor:
        """Notes that *new* comes of *source*, by *op* (None: the same places at another size)."""
        value = self.value(source)
        assert value is not None
        shape = channels_first(new, self.batch, False)
        record = self.note(op or Opaque("fit", shape, 0, 0, "place"), [value.record.now()], shape)
        self.bind(new, Value(record, shape))
        return new

    def first(self, given: list[Tensor]) -> int:
        """Which of the tensors was computed first."""
        order = {id(record): i for i, record in enumerate(self.records)}
        values = [self.value(t) for t in given]
        return min(range(len(given)), key=lambda i: order.get(id(v.record.now()), -1) if (v := values[i]) else -1)

    def _noted(self, name: str, func: Any, args: Any, kwargs: Any, given: list[Tensor], out: Any) -> Any:
        results = list(tensors(out))
        if name == "setitem":
            self._written(args, [v for v in map(self.value, given) if v])
        elif results:
            sources = [v for v in map(self.value, given) if v]
            if not sources or name in FRESH:
                self._constant(results, given)
                self._idle(name, given)
                return out
            sources = sources[:1] if name in ONE_READ else sources
            same = any(out is t for t in given)
            changed = same and in_place(func, args, kwargs)
            if same and not changed:
                results = [out := out.view_as(out)]  # from here on it is another value than its input
            self._record(name, func, args, kwargs, results, sources)
            if changed:
                self._seen_through(out)
            batched = self.batch > 1 and given[0].shape[:1] == (self.batch,)
            if name == "squeeze" and len(args) + len(kwargs) == 1 and batched and 1 in given[0].shape[1:]:
                axes = tuple(i for i, n in enumerate(given[0].shape) if n == 1)
                said = "squeeze() takes the batch away too, where it is a batch of one"
                self._aside(said, f"x.squeeze({axes[0] if len(axes) == 1 else axes})", results[0])
            if name == "dropout" and kwargs.get("training", args[2] if len(args) > 2 else True):
                self._aside("F.dropout drops in evaluation too", "F.dropout(x, training=self.training)", results[0])
            if (
                name in FOLDS and batched and results[0].shape[:1] != (self.batch,)
            ):  # the first axis is the batch no more
                self.folds[self.values[id(results[0])].record.now()] = self.calls
        return out

    def meant(self, frame: Frame, args: Any) -> Any:
        """Before a layer runs: what it would refuse itself, or take the batch for something else."""
        found = mended_layer(frame.module, args, self.batch)
        if found is None:
            return args
        self._stand_for(found.weights)
        frame.change += sum(new.numel() - own.numel() for new, own in found.weights)
        if all(frame.path != s.path for s in self.faults):  # it may run again
            self.faults.append(Slip(found.message, found.fix, line_now(), frame.path))
        return found.args

    def culprit(self) -> int | None:
        """The number of the first call after which the tensor that failed, or the output, is mixed of inputs."""
        given = [self.ended] if self.ended is not None else list((self.running or ("", []))[1])
        records = [v.record.now() for t in given if t.shape[:1] != (self.batch,) and (v := self.value(t))]
        open_, seen = list(records), set[Record]()
        while open_:
            record = open_.pop()
            if record not in seen:
                seen.add(record)
                open_ += [i.now() for i in record.inputs]
        numbers = [number for record, number in self.folds.items() if record.now() in seen]
        return min(numbers, default=None)

    def _idle(self, name: str, given: list[Tensor]) -> None:
        """A layer that runs on numbers which do not come from the input, such as a table of positions."""
        if (name in MATMULS or name.startswith("conv")) and self.parameters(given):
            self.idle |= {self._path() or name: self.parameters(given)}

    def _constant(self, results: list[Tensor], given: list[Tensor]) -> None:
        """Results that the input has no part in, with the parameters they are made of."""
        made = self.parameters(given)
        for tensor in results:
            if id(tensor) not in self.values or id(tensor) not in map(id, given):
                self.values.pop(id(tensor), None)
                self.made_of[id(tensor)] = self.made_of.get(id(tensor), frozenset()) | made
                self.behind.forget(tensor)
                self.kept.append(tensor)

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
            sources = [v if v.thin and name in THIN else self._as_it_lies(v) for v in sources]
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
        """A tensor with channels last, or a thin one, for a reader that takes its axes as they come."""
        if value.thin:
            shape = (*value.shape, 1)
            return Value(self.note(Opaque("unsqueeze", shape, 0, 0), [value.record.now()], shape), shape)
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
            except (SpecError, TypeError, ValueError, AttributeError, IndexError, StopIteration):
                return False  # arguments that the word does not take
            if found is None or self._fits(call, found, parameters):
                return found is not None
        return False

    def _fits(self, call: Call, found: Found, parameters: frozenset[int]) -> bool:
        last = call.value.last if found.last is None else found.last
        thin = call.value.thin if found.thin is None else found.thin
        shape = channels_first(call.out, call.batch, last)
        if thin:
            if shape[-1] != 1 or len(shape) < 3:
                return False
            shape = shape[:-1]
        sources = found.sources or call.sources
        if not found.ops and found.padded is None:
            self.bind(call.out, Value(sources[0].record.now(), shape, last, thin=thin))
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
        record.plane = found.plane
        self.bind(call.out, Value(record, shape, last, thin=thin))
        return True

    def _opaque(self, call: Call, parameters: frozenset[int]) -> None:
        last = call.name in POINTWISE and all(v.last for v in call.sources) and not any(v.thin for v in call.sources)
        if not last:
            call.sources = [self._as_it_lies(v) for v in call.sources]
        try:
            op = unknown(call, 0)
        except (TypeError, ValueError, AttributeError, IndexError, StopIteration):  # arguments in another form
            op = Opaque(word_of(call.name), channels_first(call.out, call.batch, False))
        inputs = list(dict.fromkeys(v.record.now() for v in call.sources))
        record = self.note(op, inputs, op.output)
        record.parameters = parameters
        self.bind(call.out, Value(record, op.output, last))
