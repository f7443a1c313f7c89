"""A training run from data and net to the files of its folder: what ``striate train`` and ``striate.train`` do.

Each name is loaded when it is first used: predicting needs nothing of training.
"""

from typing import TYPE_CHECKING

from striate.lazy import offered

if TYPE_CHECKING:
    from striate.run.folder import COLUMNS as COLUMNS
    from striate.run.making import prepare as prepare
    from striate.run.measuring import Held as Held
    from striate.run.measuring import measure as measure
    from striate.run.measuring import parts_for as parts_for
    from striate.run.result import Result as Result
    from striate.run.running import Run as Run

__all__, __getattr__ = offered(
    __name__,
    {
        "run.folder": "COLUMNS",
        "run.making": "prepare",
        "run.measuring": "Held measure parts_for",
        "run.result": "Result",
        "run.running": "Run",
    },
)
