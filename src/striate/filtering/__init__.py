"""The convolution lab: kernels, pooling and activations on an image, step by step. No torch."""

from striate.filtering.chain import FilterChains, lab
from striate.filtering.kernels import Kernel, find_kernel
from striate.filtering.lab import FilteredImage, activation, convolve, kernel_list, pool
from striate.filtering.sliding import activate_array, convolve_array, pool_array

__all__ = [
    "FilterChains", "FilteredImage", "Kernel", "activate_array", "activation", "convolve", "convolve_array",
    "find_kernel", "kernel_list", "lab", "pool", "pool_array",
]  # fmt: skip
