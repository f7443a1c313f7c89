"""Where somebody's forward went wrong: the layer, the line of their file, the shapes, and what to change."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from striate.analysis import Problem
from striate.errors import shape_text
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
