"""striate: a workbench for convolutional neural networks on PyTorch.

``import striate`` loads the description and analysis of networks, which need the standard library alone; what
needs torch is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from striate import zoo
from striate.analysis import Report, check
from striate.errors import DataError, Error, ModelError, RecipeError, ShapeError, SpecError
from striate.spec import (
    GELU,
    LRN,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Cat,
    Concat,
    Conv,
    ConvTranspose,
    Dropout,
    Embedding,
    Flatten,
    Graph,
    LeakyReLU,
    Linear,
    MaxPool,
    Node,
    ReLU,
    Seq,
    Sigmoid,
    SiLU,
    Softmax,
    Sum,
    SumPool,
    Tanh,
    Upsample,
    format,
    lower,
    parse,
)

__version__ = "0.1.0"

if TYPE_CHECKING:
    from striate.api import train
    from striate.learn import Recipe, training
    from striate.model.contract import Contract
    from striate.model.model import Model, Prediction, load
    from striate.net import build

_LATER = {
    "Contract": "striate.model.contract",
    "Model": "striate.model.model",
    "Prediction": "striate.model.model",
    "Recipe": "striate.learn",
    "build": "striate.net",
    "load": "striate.model.model",
    "train": "striate.api",
    "training": "striate.learn",
}

__all__ = [
    "GELU", "LRN", "AdaptiveAvgPool", "AdaptiveMaxPool", "Add", "AvgPool", "BatchNorm", "Cat", "Concat", "Contract",
    "Conv", "ConvTranspose", "DataError", "Dropout", "Embedding", "Error", "Flatten", "Graph", "LeakyReLU", "Linear",
    "MaxPool", "Model", "ModelError", "Node", "Prediction", "ReLU", "Recipe", "RecipeError", "Report", "Seq",
    "ShapeError", "SiLU", "Sigmoid", "Softmax", "SpecError", "Sum", "SumPool", "Tanh", "Upsample", "build", "check",
    "format", "load", "lower", "parse", "train", "training", "zoo",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(import_module(_LATER[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
