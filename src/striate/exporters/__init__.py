"""A net for elsewhere, compared with the module that it was made from before it is called done."""

from striate.exporters.compare import ExportError
from striate.exporters.write import Exported, export_source

__all__ = ["ExportError", "Exported", "export_source"]
