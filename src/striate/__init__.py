"""striate: a workbench for convolutional neural networks on PyTorch.

Every name is loaded when it is first used: describing and checking a network needs the standard library alone, and
torch comes in with the first name that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from striate._version import __version__ as __version__

if TYPE_CHECKING:
    from striate import zoo as zoo
    from striate.analysis import Report as Report
    from striate.datasets.doctor import doctor as doctor
    from striate.datasets.open import open_data as open_data
    from striate.drawing import draw as draw
    from striate.errors import DataError as DataError
    from striate.errors import Error as Error
    from striate.errors import ModelError as ModelError
    from striate.errors import RecipeError as RecipeError
    from striate.errors import SeeError as SeeError
    from striate.errors import ShapeError as ShapeError
    from striate.errors import SpecError as SpecError
    from striate.inspect.models import explain as explain
    from striate.learning import Recipe as Recipe
    from striate.learning import training as training
    from striate.loading.network import check as check
    from striate.loading.official import from_torchvision as from_torchvision
    from striate.model.contract import Contract as Contract
    from striate.model.model import Labels as Labels
    from striate.model.model import Mask as Mask
    from striate.model.model import Model as Model
    from striate.model.model import Prediction as Prediction
    from striate.model.model import Values as Values
    from striate.model.model import load as load
    from striate.net import build as build
    from striate.net.read import read as read
    from striate.run.api import train as train
    from striate.spec import *  # noqa: F403

_WHERE = {
    "striate.analysis": "Report",
    "striate.drawing": "draw",
    "striate.run.api": "train",
    "striate.loading.network": "check",
    "striate.datasets.doctor": "doctor",
    "striate.errors": "DataError Error ModelError RecipeError SeeError ShapeError SpecError",
    "striate.inspect.models": "explain",
    "striate.learning": "Recipe training",
    "striate.model.contract": "Contract",
    "striate.datasets.open": "open_data",
    "striate.model.model": "Labels Mask Model Prediction Values load",
    "striate.net": "build",
    "striate.net.read": "read",
    "striate.loading.official": "from_torchvision",
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "zoo":
        return import_module("striate.zoo")
    module = import_module(_MODULE_OF.get(name, "striate.spec"))  # the ops, and what they are composed with
    if name == "__all__":
        return sorted([*_MODULE_OF, *module.__all__, "zoo"])
    if name not in _MODULE_OF and name not in module.__all__:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__getattr__("__all__"))
