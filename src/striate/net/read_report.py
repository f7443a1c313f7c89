"""``striate.check`` of somebody's module: what its reading tells, and which other inputs it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from striate.analysis import LegalInputs, Report, analyse
from striate.errors import SpecError
from striate.net.read import Reading, examples, quiet, read_all, untouched, without_numbers
from striate.net.read_modules import unwrapped
from striate.spec import Shape

TRIED = 300  # parts up to which other inputs are tried, too


def check(module: nn.Module, input: Shape | str | tuple[Shape, ...] | None) -> Report:
    """The report of *module* for one *input*: ``read`` and ``striate.check`` in one, that raises nothing for faults.

    >>> report = check(nn.Sequential(nn.Conv2d(1, 6, 5), nn.GroupNorm(2, 6)), (1, 28, 28))
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
    unseen = {"inputs": (), "receptive_field": None, "stride": None, "start": None}
    layers = tuple(replace(layer, **unseen) for layer in report.layers)
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
