"""Seeing inside: the convolution lab, and what goes on in any module while it runs; arrays first, pictures after."""

from striate.see.capture import Captured, capture
from striate.see.kernels import Kernel, find_kernel
from striate.see.lab import activate, convolve, pool
from striate.see.picture import Panel, Picture, Scale, sheet

__all__ = [
    "Captured",
    "Kernel",
    "Panel",
    "Picture",
    "Scale",
    "activate",
    "capture",
    "convolve",
    "find_kernel",
    "pool",
    "sheet",
]
