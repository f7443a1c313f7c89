"""The report of a run: one HTML page that shows its metrics, curves and worst items."""

from striate.report.report import AnyScores, report
from striate.report.shown import Shown

__all__ = ["AnyScores", "Shown", "report"]
