"""The report of a run: one HTML page that shows its metrics, curves and worst items."""

from striate.report.pictures import ItemView
from striate.report.report import Sections, report

__all__ = ["ItemView", "Sections", "report"]
