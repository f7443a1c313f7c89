"""Functions of a graph that need nothing but arithmetic: shapes, cost, receptive fields, legal sizes, the report."""

from striate.analysis.advice import advice
from striate.analysis.changes import Fix
from striate.analysis.compare import ReportDifference, compare_reports
from striate.analysis.receptive import Axis, receptive
from striate.analysis.repair import Repair, faults, repair
from striate.analysis.report import Dropped, Layer, LegalInputs, Report, analyse
from striate.analysis.shapes import Problem, infer
from striate.analysis.table import format_bytes
from striate.errors import align_columns

__all__ = [
    "Axis", "Dropped", "Fix", "Layer", "LegalInputs", "Problem", "Repair", "Report", "ReportDifference", "advice",
    "align_columns", "analyse", "compare_reports", "faults", "format_bytes", "infer", "receptive", "repair",
]  # fmt: skip
