"""A training run from data and net to the files of its folder: what ``striate train`` and ``striate.train`` do.

Each name is loaded when it is first used: predicting needs nothing of training.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.run.folder import COLUMNS as COLUMNS
    from striate.run.making import prepare as prepare
    from striate.run.measuring import Held as Held
    from striate.run.measuring import measure as measure
    from striate.run.measuring import parts_for as parts_for
    from striate.run.result import Result as Result
    from striate.run.running import Run as Run

_WHERE = {
    "folder": "COLUMNS",
    "making": "prepare",
    "measuring": "Held measure parts_for",
    "result": "Result",
    "running": "Run",
}
_PLACES = {name: module for module, names in _WHERE.items() for name in names.split()}
__all__ = [*_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
