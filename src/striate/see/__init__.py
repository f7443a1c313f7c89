"""Seeing inside any module while it runs: arrays first, pictures of them after."""

from striate.see.calls import Call, calls
from striate.see.capture import Captured, capture
from striate.see.fields import Field, effective_field
from striate.see.filters import Filters, filters
from striate.see.imagine import Imagined, dream, imagine
from striate.see.maps import Maps, Survey, maps, survey
from striate.see.patches import Peak, crop, peaks
from striate.see.target import Target, as_target, named_target
from striate.see.unit import Arithmetic, unit

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
