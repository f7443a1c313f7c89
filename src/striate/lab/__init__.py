"""The convolution lab: kernels, pooling and activations on an image, step by step. No torch."""

from striate.lab.kernels import Kernel, find_kernel
from striate.lab.sliding import activate, convolve, pool

__all__ = ["Kernel", "activate", "convolve", "find_kernel", "pool"]
