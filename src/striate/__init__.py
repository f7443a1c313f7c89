"""striate: a workbench for convolutional neural networks on PyTorch.

Every name is loaded when it is first used: describing and checking a network needs the standard library alone, and
torch comes in with the first name that needs it.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from striate._version import __version__ as __version__

if TYPE_CHECKING:
    from striate import runtime as runtime
    from striate import zoo as zoo
    from striate.analysis import Report as Report
    from striate.datasets.doctor import doctor as doctor
    from striate.datasets.open import open_data as open_data
    from striate.errors import DataError as DataError
    from striate.errors import Error as Error
    from striate.errors import ModelError as ModelError
    from striate.errors import RecipeError as RecipeError
    from striate.errors import SeeError as SeeError
    from striate.errors import ShapeError as ShapeError
    from striate.errors import SpecError as SpecError
    from striate.estimators import Classifier as Classifier
    from striate.estimators import Regressor as Regressor
    from striate.experiments import experiment as experiment
    from striate.filtering import activation as activation
    from striate.filtering import convolve as convolve
    from striate.filtering import lab as lab
    from striate.filtering import pool as pool
    from striate.inspect.models import activity as activity
    from striate.inspect.models import explain as explain
    from striate.inspect.models import field as field
    from striate.inspect.models import filters as filters
    from striate.inspect.models import imagine as imagine
    from striate.inspect.models import maps as maps
    from striate.inspect.models import peaks as peaks
    from striate.inspect.models import unit as unit
    from striate.learning import Recipe as Recipe
    from striate.learning import training as training
    from striate.loading.network import check as check
    from striate.loading.network import draw as draw
    from striate.loading.network import list_networks as list_networks
    from striate.loading.network import open_network as open_network
    from striate.loading.official import weights as weights
    from striate.loading.torchvision import from_torchvision as from_torchvision
    from striate.model.contract import Contract as Contract
    from striate.model.model import Model as Model
    from striate.model.model import load as load
    from striate.net import build as build
    from striate.net.read import read as read
    from striate.page import View as View
    from striate.run.api import data as data
    from striate.run.api import evaluate as evaluate
    from striate.run.api import train as train
    from striate.run.api import weak_slices as weak_slices
    from striate.run.comparing import runs as runs
    from striate.run.curve import curve as curve
    from striate.run.exporting import export as export
    from striate.run.finding import find_lr as find_lr
    from striate.run.labelling import wrong_labels as wrong_labels
    from striate.run.pairing import compare as compare
    from striate.run.predicting import predict as predict
    from striate.run.series import train_series as train_series
    from striate.run.viewing import view as view
    from striate.service import serve as serve
    from striate.spec import *  # noqa: F403
    from striate.tasks.answers import Labels as Labels
    from striate.tasks.answers import Mask as Mask
    from striate.tasks.answers import Prediction as Prediction
    from striate.tasks.answers import Values as Values

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime would tell its maker what it is used for

# module -> its public names
_WHERE = {
    "striate.analysis": "Report",
    "striate.datasets.doctor": "doctor",
    "striate.datasets.open": "open_data",
    "striate.errors": "DataError Error ModelError RecipeError SeeError ShapeError SpecError",
    "striate.estimators": "Classifier Regressor",
    "striate.experiments": "experiment",
    "striate.filtering": "activation convolve lab pool",
    "striate.inspect.models": "activity explain field filters imagine maps peaks unit",
    "striate.learning": "Recipe training",
    "striate.loading.network": "check draw list_networks open_network",
    "striate.loading.official": "weights",
    "striate.loading.torchvision": "from_torchvision",
    "striate.model.contract": "Contract",
    "striate.model.model": "Model load",
    "striate.net": "build",
    "striate.net.read": "read",
    "striate.page": "View",
    "striate.run.api": "data evaluate train weak_slices",
    "striate.run.comparing": "runs",
    "striate.run.pairing": "compare",
    "striate.run.labelling": "wrong_labels",
    "striate.run.predicting": "predict",
    "striate.run.curve": "curve",
    "striate.run.exporting": "export",
    "striate.run.finding": "find_lr",
    "striate.run.series": "train_series",
    "striate.run.viewing": "view",
    "striate.service": "serve",
    "striate.tasks.answers": "Labels Mask Prediction Values",
}
_PLACES = {name: module for module, names in _WHERE.items() for name in names.split()}
_INNER = {"Join", "OPS", "Op", "Pool", "Shape", "Spec"}  # of striate.spec: what its own code is written with


def __getattr__(name: str) -> Any:
    if name in ("runtime", "zoo"):
        return import_module(f"striate.{name}")
    found = import_module(_PLACES.get(name, "striate.spec"))  # the ops, and what they are composed with
    if name == "__all__":
        missing = set() if find_spec("sklearn") else {"Classifier", "Regressor"}  # whose base classes are its
        return sorted({*_PLACES, *found.__all__, "runtime", "zoo"} - _INNER - missing)
    if name not in _PLACES and (name not in found.__all__ or name in _INNER):
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(found, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__getattr__("__all__"))
