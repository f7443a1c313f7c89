"""Seeing inside: the convolution lab, and what goes on in any module while it runs; arrays first, pictures after."""

from striate.see.calls import Call, calls
from striate.see.capture import Captured, capture
from striate.see.fields import Field, effective_field
from striate.see.filters import Filters, filters
from striate.see.imagine import Imagined, dream, imagine
from striate.see.kernels import Kernel, find_kernel
from striate.see.lab import activate, convolve, pool
from striate.see.maps import Maps, Survey, maps, survey
from striate.see.patches import Peak, crop, peaks
from striate.see.picture import Panel, Picture, Scale, sheet
from striate.see.target import Target, parse_target
from striate.see.unit import Arithmetic, unit

__all__ = [
    "Arithmetic",
    "Call",
    "Captured",
    "Field",
    "Filters",
    "Imagined",
    "Kernel",
    "Maps",
    "Panel",
    "Peak",
    "Picture",
    "Scale",
    "Survey",
    "Target",
    "activate",
    "calls",
    "capture",
    "convolve",
    "crop",
    "dream",
    "effective_field",
    "filters",
    "find_kernel",
    "imagine",
    "maps",
    "parse_target",
    "peaks",
    "pool",
    "sheet",
    "survey",
    "unit",
]
