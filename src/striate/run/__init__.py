"""A training run from data and net to the files of its folder: what ``striate train`` and ``striate.train`` do."""

from striate.run.folder import COLUMNS
from striate.run.making import prepare
from striate.run.measuring import Held, measure, parts_for
from striate.run.result import Result
from striate.run.running import Run

__all__ = ["COLUMNS", "Held", "Result", "Run", "measure", "parts_for", "prepare"]
