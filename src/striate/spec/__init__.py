"""Architectures as data: ops, the ways to compose them, the flat graph, and its text. Standard library only."""

from striate.spec.compose import Cat, Seq, Spec, Sum, lower
from striate.spec.graph import Graph, Node
from striate.spec.ops import (
    GELU,
    LRN,
    OPS,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Dropout,
    Embedding,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool,
    Op,
    ReLU,
    Shape,
    Sigmoid,
    SiLU,
    Softmax,
    SumPool,
    Tanh,
    Upsample,
)
from striate.spec.text import format, op_text, parse, read_shape

__all__ = [
    "GELU", "LRN", "OPS", "AdaptiveAvgPool", "AdaptiveMaxPool", "Add", "AvgPool", "BatchNorm", "Cat", "Concat",
    "Conv", "ConvTranspose", "Dropout", "Embedding", "Flatten", "Graph", "LeakyReLU", "Linear", "MaxPool", "Node",
    "Op", "ReLU", "Seq", "Shape", "SiLU", "Sigmoid", "Softmax", "Spec", "Sum", "SumPool", "Tanh", "Upsample",
    "format", "lower", "op_text", "parse", "read_shape",
]  # fmt: skip
