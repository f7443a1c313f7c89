"""striate: a workbench for convolutional neural networks on PyTorch.

``import striate`` loads the description and analysis of networks, which need the standard library alone; what
needs torch is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from striate import zoo
from striate.analysis import Report
from striate.checking import check
from striate.errors import DataError, Error, ModelError, RecipeError, ShapeError, SpecError
from striate.spec import (
    GELU,
    LRN,
    RBF,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Cat,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    Dropout,
    Embedding,
    Flatten,
    Graph,
    HardSigmoid,
    HardSwish,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool,
    Multiply,
    Node,
    Opaque,
    PadChannels,
    Product,
    ReLU,
    ReLU6,
    Scale,
    ScaledTanh,
    Seq,
    Side,
    Sigmoid,
    SiLU,
    Softmax,
    StochasticDepth,
    Sum,
    SumPool,
    TableConv,
    Tanh,
    Upsample,
    format,
    lower,
    parse,
)

__version__ = "0.1.0"

if TYPE_CHECKING:
    from striate.analysis.drawing import draw
    from striate.api import train
    from striate.learn import Recipe, training
    from striate.model.contract import Contract
    from striate.model.model import Model, Prediction, load
    from striate.net import build
    from striate.net.read import read
    from striate.official import from_torchvision

_LATER = {
    "Contract": "striate.model.contract",
    "Model": "striate.model.model",
    "Prediction": "striate.model.model",
    "Recipe": "striate.learn",
    "build": "striate.net",
    "draw": "striate.analysis.drawing",
    "from_torchvision": "striate.official",
    "load": "striate.model.model",
    "read": "striate.net.read",
    "train": "striate.api",
    "training": "striate.learn",
}

__all__ = [
    "GELU",
    "LRN",
    "RBF",
    "AdaptiveAvgPool",
    "AdaptiveMaxPool",
    "Add",
    "AvgPool",
    "BatchNorm",
    "Cat",
    "Concat",
    "Contract",
    "Conv",
    "ConvTranspose",
    "Crop",
    "DataError",
    "Dropout",
    "Embedding",
    "Error",
    "Flatten",
    "Graph",
    "HardSigmoid",
    "HardSwish",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MaxPool",
    "Model",
    "ModelError",
    "Multiply",
    "Node",
    "Opaque",
    "PadChannels",
    "Prediction",
    "Product",
    "ReLU",
    "ReLU6",
    "Recipe",
    "RecipeError",
    "Report",
    "Scale",
    "ScaledTanh",
    "Seq",
    "ShapeError",
    "SiLU",
    "Side",
    "Sigmoid",
    "Softmax",
    "SpecError",
    "StochasticDepth",
    "Sum",
    "SumPool",
    "TableConv",
    "Tanh",
    "Upsample",
    "build",
    "check",
    "draw",
    "format",
    "from_torchvision",
    "load",
    "lower",
    "parse",
    "read",
    "train",
    "training",
    "zoo",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(import_module(_LATER[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
