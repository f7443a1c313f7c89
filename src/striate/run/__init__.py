"""A training run from data and net to the files of its folder: what ``striate train`` and ``striate.train`` do."""

from striate.run.folder import COLUMNS
from striate.run.making import prepare
from striate.run.measuring import measure, part_for
from striate.run.running import Result, Run

__all__ = ["COLUMNS", "Result", "Run", "measure", "part_for", "prepare"]
