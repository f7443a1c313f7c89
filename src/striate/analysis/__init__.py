"""Functions of a graph that need nothing but arithmetic: shapes, cost, receptive fields, legal sizes, the report."""

from striate.analysis.advice import advice
from striate.analysis.compare import Difference, compare
from striate.analysis.receptive import Axis, receptive
from striate.analysis.report import Dropped, Layer, LegalInputs, Report, check
from striate.analysis.shapes import Problem, infer
from striate.analysis.table import aligned, size_of

__all__ = [
    "Axis",
    "Difference",
    "Dropped",
    "Layer",
    "LegalInputs",
    "Problem",
    "Report",
    "advice",
    "aligned",
    "check",
    "compare",
    "infer",
    "receptive",
    "size_of",
]
