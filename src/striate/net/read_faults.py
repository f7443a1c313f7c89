"""What of a module cannot be read: where its forward went wrong, and what to change; layers not registered."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.analysis import Problem
from striate.errors import counted, shape_text
from striate.net.read_call import each_input
from striate.net.read_trace import Trace, own_file

# What a tensor without numbers cannot do; on a real one it may well work.
NUMBERLESS = ("DataDependentOutputException", "DynamicOutputShapeException", "UnsupportedOperatorException")


@dataclass(frozen=True)
class Fault:
    """A forward that did not get through."""

    layer: str
    line: str
    shapes: str
    message: str
    fix: str
    numberless: bool  # tracing failed for want of numbers, which says nothing of the net itself

    def problem(self) -> Problem:
        got = f", given {self.shapes}" if self.shapes else ""
        where = f" ({self.line})" if self.line else ""
        return Problem(self.layer, f"{self.message}{got}{where}", self.fix)


def fault_of(error: BaseException, trace: Trace) -> Fault:
    frame = trace.failed or next(reversed(trace.frames), None)
    name, given = trace.running or ("", [])
    shapes = " and ".join(_shape(t, trace.batch) for t in given if not isinstance(t, nn.Parameter))
    kind = type(error).__name__
    first = str(error).strip().splitlines()[0] if str(error).strip() else kind
    plain = kind in ("RuntimeError", "ValueError", "SpecError")
    if "'tuple' object has no attribute" in first:
        first += ": recurrent layers and attention give a tuple, as in x, _ = self.rnn(x)"
    first = re.sub(rf"\[{trace.batch}(?=[,\]])", "[N", first) if trace.batch > 2 else first  # a size that nobody gave
    what = first.rstrip(".") if plain else f"{kind}: {first}"
    way_out = "make the shapes on this line agree, or try another --input" if plain else "correct this line"
    numberless = kind in NUMBERLESS or any(word in first for word in ("FakeTensor", "meta tensor", "numpy()", "fake"))
    module = frame.module if frame else None
    said, fix = _known(module, given, trace.batch) or (what, way_out)
    return Fault(
        frame.path if frame and frame.path else name or "forward", line_of(error), shapes, said, fix, numberless
    )


def _shape(tensor: Tensor, batch: int) -> str:
    """Without the batch."""
    shape = tuple(tensor.shape)
    return (shape_text(each_input(shape, batch)) if shape else "") or "a number"


def line_of(error: BaseException) -> str:
    """The last line of the person's own code on the way to *error*."""
    found = ""
    for step in traceback.extract_tb(error.__traceback__):
        if own_file(step.filename):
            found = f"{Path(step.filename).name} line {step.lineno}" + (f": {step.line}" if step.line else "")
    return found


def _known(module: nn.Module | None, given: list[Tensor], batch: int) -> tuple[str, str] | None:
    """What a layer of torch expects and gets, and the one number to change."""
    if module is None or not given:
        return None
    shape = tuple(given[0].shape)
    if not shape:
        return None
    name = type(module).__name__
    match module:
        case nn.modules.conv._ConvNd() if len(shape) == module.weight.ndim + 1 and shape[:2] == (batch, 1):
            said = f"{name} takes an input of {module.weight.ndim - 1} numbers without the batch"
            return said, f"leave out the batch: --input {shape_text(shape[2:])}"
        case nn.modules.conv._ConvNd() if len(shape) == module.weight.ndim and shape[1] != module.in_channels:
            said = f"{name}({module.in_channels}, {module.out_channels}, ...) expects {module.in_channels} channels"
            return said, f"{name}({shape[1]}, {module.out_channels}, ...), or another --input"
        case nn.modules.batchnorm._NormBase() if len(shape) > 1 and shape[1] != module.num_features:
            return f"{name}({module.num_features}) expects {module.num_features} channels", f"{name}({shape[1]})"
    return None


@dataclass(frozen=True)
class Stray:
    """What is not registered: where it is, and what to write."""

    path: str
    message: str
    fix: str

    def problem(self, layer: str) -> Problem:
        return Problem(layer, self.message, self.fix)


@contextmanager
def adopted(module: nn.Module) -> Iterator[list[Stray]]:
    """Registers what *module* holds in plain lists and dicts as long as it is read, so that it has names and counts."""
    found: list[Stray] = []
    taken: list[tuple[nn.Module, str]] = []
    known = set(map(id, module.modules()))
    open_ = list(module.named_modules())
    while open_:
        path, owner = open_.pop(0)
        if isinstance(owner, torch.jit.ScriptModule) or type(owner).__module__.startswith("torch."):
            continue
        for name, value in list(vars(owner).items()):
            if name.startswith("_") and name in ("_modules", "_parameters", "_buffers"):
                continue
            where = f"{path}.{name}" if path else name
            holder, stray = _registered(name, value, where, known)
            if stray is None:
                continue
            found.append(stray)
            if holder is not None and name.isidentifier() and not isinstance(owner, nn.Sequential | nn.ModuleList):
                owner._modules[name] = holder
                taken.append((owner, name))
                known |= set(map(id, holder.modules()))
                open_ += list(holder.named_modules(prefix=where))[1:]
    try:
        yield found
    finally:
        for owner, name in taken:
            owner._modules.pop(name, None)


def _registered(name: str, value: Any, where: str, known: set[int]) -> tuple[nn.Module | None, Stray | None]:
    """What would register *value*, and what to say; nothing where it holds no layers or parameters of its own."""
    if isinstance(value, Tensor):
        if not value.requires_grad or not value.is_leaf:
            return None, None
        said = f"a plain tensor of {value.numel():,} values that no optimizer gets"
        return None, Stray(where, said, f"self.{name} = nn.Parameter(...)")
    if not isinstance(value, list | tuple | dict) or not value:
        return None, None
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        return None, None
    parts = list(value.values() if isinstance(value, dict) else value)
    shape, what, maker = ("dict", "{...}", "Dict") if isinstance(value, dict) else ("list", "[...]", "List")
    if all(isinstance(part, nn.Module) for part in parts):
        new = [part for part in parts if id(part) not in known]
        count = sum(p.numel() for part in new for p in part.parameters())
        if not new:
            return None, None
        holder: nn.Module = nn.ModuleDict(value) if isinstance(value, dict) else nn.ModuleList(parts)
        lost = f"{count:,} parameters that no optimizer gets" if count else "they are not moved with the module"
        said = f"{counted(len(new), 'layer')} in a plain {shape}: {lost}"
        return holder, Stray(where, said, f"self.{name} = nn.Module{maker}({what})")
    if all(isinstance(part, nn.Parameter) for part in parts):
        count = sum(part.numel() for part in parts)
        held: nn.Module = nn.ParameterDict(value) if isinstance(value, dict) else nn.ParameterList(parts)
        said = f"{counted(len(parts), 'parameter')} in a plain {shape}: {count:,} numbers that no optimizer gets"
        return held, Stray(where, said, f"self.{name} = nn.Parameter{maker}({what})")
    return None, None
