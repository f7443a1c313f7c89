"""Export of a network to a stand-alone file, verified against the original before it is written."""

from striate.exporters.write import Exported, ExportError, export_source

__all__ = ["ExportError", "Exported", "export_source"]
