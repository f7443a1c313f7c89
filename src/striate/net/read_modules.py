"""The modules of a tracing: hooks say when each begins and ends, and what is one part becomes one record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from striate.analysis import cost
from striate.net.layers import op_of
from striate.net.read_call import Record, Value, channels_first, tensors
from striate.net.read_positions import word_of
from striate.spec import Conv, Op, Opaque, Shape
from striate.spec.op import per_axis


class Compiled(nn.Module):
    """A module that TorchScript has compiled, and that takes no hooks."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)


def wrap_compiled(module: nn.Module) -> None:
    """Puts what takes no hooks into something that does (who calls this puts the module back in order)."""
    for part in [p for p in module.modules() if not isinstance(p, torch.jit.ScriptModule | Compiled)]:
        for name, child in part._modules.items():
            if isinstance(child, torch.jit.ScriptModule):
                part._modules[name] = Compiled(child)


def is_part(module: nn.Module) -> bool:
    """Whether *module* is read as one part: striate's own layers, and what torch itself defines the forward of
    (a subclass with another forward is looked into), but for containers.
    """
    if op_of(module) or isinstance(module, Compiled):
        return True
    home = next((c.__module__ for c in type(module).__mro__ if "forward" in vars(c)), "")
    containers = (
        "torch.nn.modules.container",
        "torch.nn.parallel",
        "torch.fx",
        "torch._dynamo",
        "torch.nn.modules.module",
    )
    return home.startswith("torch.") and not home.startswith(containers)


def module_kind(module: nn.Module) -> str:
    """The name of its class; of the class that somebody parametrised."""
    name = type(module.inner if isinstance(module, Compiled) else module).__name__
    return name.removeprefix("Parametrized") or name


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside ``torch.compile`` and ``DataParallel``."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = module.module
        if not isinstance(inner, nn.Module):
            return Compiled(module) if isinstance(module, torch.jit.ScriptModule) else module
        module = inner


class Frame:
    """A module that is running."""

    def __init__(self, path: str, module: nn.Module, part: bool, start: int) -> None:
        self.path, self.module, self.part, self.start = path, module, part, start
        self.change = 0  # by how many numbers its weights are more, as its fix has them
        self.given: list[Value] = []


class Parts:
    """The records of a tracing, and what it does when a module begins and ends."""

    batch: int
    input: Record
    records: list[Record]
    values: dict[int, Value]
    frames: list[Frame]
    names: dict[int, str]
    running: tuple[str, list[Tensor]] | None
    failed: Frame | None
    everything: bool
    kept: list[Any]
    made_of: dict[int, frozenset[int]]
    behind: Behind

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
        """From now on *tensor* is known to be *value*."""
        self.values[id(tensor)] = value
        self.kept.append(tensor)

    def parameters(self, given: list[Tensor]) -> frozenset[int]:
        """The parameters among *given*, and what they were made of."""
        return frozenset().union(*(self.made_of.get(id(t), ()) for t in given))

    def note(self, op: Op, inputs: list[Record], shape: Shape) -> Record:
        """A new record of *op*."""
        record = Record(op, inputs, self.frames[-1].path if self.frames else "", shape)
        self.records.append(record)
        return record

    @contextmanager
    def hooked(self, module: nn.Module) -> Iterator[None]:
        """Every submodule says when it begins and ends."""
        with ExitStack() as stack:
            for part in module.modules():
                if isinstance(part, torch.jit.ScriptModule):
                    continue
                before = part.register_forward_pre_hook(self._enter, with_kwargs=True)
                stack.callback(before.remove)
                after = part.register_forward_hook(self._leave, with_kwargs=True, always_call=True)
                stack.callback(after.remove)
            yield

    def meant(self, frame: Frame, args: Any) -> Any:
        """The arguments of a layer that is about to run, as they were meant: as they are, where nobody mends them."""
        return args

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        inside = any(frame.part for frame in self.frames)
        path = self.names.get(id(module), type(module).__name__)
        frame = Frame(path, module, is_part(module) and not inside, len(self.records))
        self.running, self.failed = None, None
        if frame.part:
            frame.given = [v for v in map(self.value, tensors((args, kwargs))) if v]
            if not frame.given and self.everything:
                frame.given = [self._from_outside(t) for t in tensors(args)][:1]
            self.running = module_kind(module), list(tensors((args, kwargs)))
            frame.start = len(self.records)
        self.frames.append(frame)
        changed = self.meant(frame, args) if args else args
        return None if changed is args else (changed, kwargs)

    def _from_outside(self, tensor: Tensor) -> Value:
        """Numbers that somebody took out of torch and put in again."""
        shape = channels_first(tensor, self.batch, False)
        value = Value(self.note(Opaque("numbers", shape, 0, 0), [self.input], shape), shape)
        self.bind(tensor, value)
        return value

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, out: Any) -> Any:
        frame = next((f for f in reversed(self.frames) if f.module is module), None)
        if frame is None:
            return None
        del self.frames[self.frames.index(frame) :]
        if out is None:
            self.failed = self.failed or frame
            return None
        results = list(tensors(out))
        if not frame.part and frame.path and results:
            self._alone(frame, results[0])
        if not frame.part or not frame.given or not results:
            return None
        op, inside = op_of(module), self._live(frame, results[0])
        if op:
            if any(out is t for t in args):
                out = out.view_as(out)
            self._ours(frame, op, out)
        elif len(inside) == 1 and self._value_of_record(inside[0], results[0]):
            inside[0].path, inside[0].whole = frame.path, True
            inside[0].change += frame.change
            if isinstance(inside[0].op, Opaque):
                inside[0].op = renamed(inside[0].op, module_kind(module))
        elif inside or any(id(t) not in self.values for t in results):
            self._together(frame, inside, results)
        return out

    def _live(self, frame: Frame, result: Tensor) -> list[Record]:
        """What ran inside *frame*, without padding that went into what it was for; a window on its padding is one part
        (``padding_mode="reflect"``).
        """
        inside = self.records[frame.start :]
        if len(inside) != 2 or not self._value_of_record(inside[1], result):
            return inside
        pad, conv = inside
        if pad not in conv.inputs:
            if pad.padded is None:
                return inside
        elif isinstance(pad.op, Opaque) and pad.op.kind == "pad" and pad.op.windows and isinstance(conv.op, Conv):
            rank = len(pad.op.windows)
            each = (per_axis(v, rank) for v in (conv.op.kernel, conv.op.stride, conv.op.padding, conv.op.dilation))
            windows = tuple(
                (k, s, p + own[2], p + own[3], d, 1) for own, k, s, p, d in zip(pad.op.windows, *each, strict=True)
            )
            macs = self._cost(conv)
            conv.op, conv.inputs = Opaque("conv", conv.shape, 0, macs, "window", windows), pad.inputs
        else:
            return inside
        self.records.remove(pad)
        return [conv]

    def _alone(self, frame: Frame, result: Tensor) -> None:
        """Somebody's module that does a single thing is that thing."""
        inside = self.records[frame.start :]
        if len(inside) == 1 and not inside[0].whole and self._value_of_record(inside[0], result):
            inside[0].path, inside[0].whole = frame.path, True

    def _value_of_record(self, record: Record, tensor: Tensor) -> bool:
        value = self.values.get(id(tensor))
        return value is not None and value.record.now() is record

    def _ours(self, frame: Frame, op: Op, out: Tensor) -> None:
        """A layer of striate: the op that it was built from."""
        shape = channels_first(out, self.batch, False)
        self._replaced(frame, op, shape, [v.record.now() for v in frame.given])
        self.bind(out, Value(self.records[-1], shape))

    def _together(self, frame: Frame, inside: list[Record], results: list[Tensor]) -> None:
        """A module of torch that did several things: one part."""
        ops = [record.op for record in inside]
        costs = [
            op.macs if isinstance(op, Opaque) else self._cost(record) for op, record in zip(ops, inside, strict=True)
        ]
        known = [cost for cost in costs if cost is not None]
        alone = all(isinstance(op, Opaque) and op.reach == "place" for op in ops) and len(ops) > 0
        shape = channels_first(results[0], self.batch, False)
        macs = sum(known) if len(known) == len(costs) and inside else None
        op = Opaque(word_of(module_kind(frame.module)), shape, 0, macs, "place" if alone else "unknown")
        outside = [r for record in inside for r in record.inputs if r not in inside]
        inputs = list(dict.fromkeys(outside or [v.record.now() for v in frame.given]))
        used = frozenset().union(*(record.parameters for record in inside))
        if not inside:
            used = self.parameters(list(frame.module.parameters()))
        whole = self._replaced(frame, op, shape, inputs)
        whole.parameters = used
        self.bind(results[0], Value(whole, shape))
        for other in results[1:]:
            self.bind(other, Value(whole, channels_first(other, self.batch, False), other=True))

    def _cost(self, record: Record) -> int | None:
        return cost.macs(record.op, record.inputs[0].shape, record.shape)

    def _replaced(self, frame: Frame, op: Op, shape: Shape, inputs: list[Record]) -> Record:
        """One record in place of all that was noted inside *frame*."""
        whole = Record(op, inputs, frame.path, shape, whole=True, change=frame.change)
        whole.parameters = self.parameters(list(frame.module.parameters()))
        for record in self.records[frame.start :]:
            record.part_of = whole
        del self.records[frame.start :]
        self.records.append(whole)
        return whole


class Behind(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own is untyped
    """Sees every operation, also of compiled code: which tensors came out of which."""

    def __init__(self, trace: Parts) -> None:
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


def renamed(op: Opaque, name: str) -> Opaque:
    return replace(op, kind=word_of(name))
