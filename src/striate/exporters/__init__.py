"""A net for elsewhere, compared with the module that it was made from before it is called done."""

from striate.exporters.write import Exported, ExportError, export_source

__all__ = ["ExportError", "Exported", "export_source"]
