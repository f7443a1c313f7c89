"""Export of a network or model to a file that needs no striate, compared with the original before it is kept."""

from striate.exporters.comparing import Smaller
from striate.exporters.exported import Exported, ExportError, FileComparison
from striate.exporters.formats import FORMATS, export_model
from striate.exporters.write import export_source

__all__ = ["FORMATS", "ExportError", "Exported", "FileComparison", "Smaller", "export_model", "export_source"]
