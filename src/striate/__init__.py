"""striate: a workbench for convolutional neural networks on PyTorch.

Every name is loaded when it is first used: describing and checking a network needs the standard library alone, and
torch comes in with the first name that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from striate._version import __version__ as __version__

if TYPE_CHECKING:
    from striate import zoo
    from striate.analysis import Report
    from striate.datasets.doctor import doctor
    from striate.datasets.open import open_data
    from striate.drawing import draw
    from striate.errors import DataError, Error, ModelError, RecipeError, SeeError, ShapeError, SpecError
    from striate.inspect.models.explaining import explain
    from striate.learning import Recipe, training
    from striate.loading.network import check
    from striate.loading.official import from_torchvision
    from striate.model.contract import Contract
    from striate.model.model import Labels, Mask, Model, Prediction, Values, load
    from striate.net import build
    from striate.net.read import read
    from striate.run.api import train
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

_WHERE = {
    "striate.analysis": "Report",
    "striate.drawing": "draw",
    "striate.run.api": "train",
    "striate.loading.network": "check",
    "striate.datasets.doctor": "doctor",
    "striate.errors": "DataError Error ModelError RecipeError SeeError ShapeError SpecError",
    "striate.inspect.models.explaining": "explain",
    "striate.learning": "Recipe training",
    "striate.model.contract": "Contract",
    "striate.datasets.open": "open_data",
    "striate.model.model": "Labels Mask Model Prediction Values load",
    "striate.net": "build",
    "striate.net.read": "read",
    "striate.loading.official": "from_torchvision",
    "striate.spec": """
        GELU LRN RBF AdaptiveAvgPool AdaptiveMaxPool Add AvgPool BatchNorm Cat Concat Conv ConvTranspose
        Crop Dropout Embedding Flatten Graph HardSigmoid HardSwish LayerNorm LeakyReLU Linear MaxPool
        Multiply Node Opaque PadChannels Product ReLU ReLU6 Scale ScaledTanh Seq Side Sigmoid SiLU Softmax
        StochasticDepth Sum SumPool TableConv Tanh Upsample format lower parse""",
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names.split()}

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
    "Labels",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Mask",
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
    "SeeError",
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
    "Values",
    "build",
    "check",
    "doctor",
    "draw",
    "explain",
    "format",
    "from_torchvision",
    "load",
    "lower",
    "open_data",
    "parse",
    "read",
    "train",
    "training",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name == "zoo":
        return import_module("striate.zoo")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
