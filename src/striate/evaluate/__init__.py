"""Honest figures on held-out data, and the report that shows them."""

from striate.evaluate.metrics import Scores, score
from striate.evaluate.report import report

__all__ = ["Scores", "report", "score"]
