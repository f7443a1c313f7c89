"""The convolution lab: kernels, pooling and activations on an image, step by step. No torch."""

from striate.filtering.kernels import Kernel, find_kernel
from striate.filtering.sliding import activate, convolve, pool

__all__ = ["Kernel", "activate", "convolve", "find_kernel", "pool"]
