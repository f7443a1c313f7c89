"""Seeing inside any module while it runs: arrays first, pictures of them after."""

from striate.inspect.calls import Call, calls
from striate.inspect.capture import Captured, capture
from striate.inspect.fields import Field, effective_field
from striate.inspect.filters import Filters, filters
from striate.inspect.imagine import Imagined, dream, imagine
from striate.inspect.maps import Maps, Survey, maps, survey
from striate.inspect.patches import Peak, crop, peaks
from striate.inspect.target import Target, as_target, named_target
from striate.inspect.unit import Arithmetic, unit

__all__ = [
    "Arithmetic",
    "Call",
    "Captured",
    "Field",
    "Filters",
    "Imagined",
    "Maps",
    "Peak",
    "Survey",
    "Target",
    "as_target",
    "calls",
    "capture",
    "crop",
    "dream",
    "effective_field",
    "filters",
    "imagine",
    "maps",
    "named_target",
    "peaks",
    "survey",
    "unit",
]
