"""Packages that only some exports need, imported when one does."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from striate.exporters.exported import ExportError


def needed(package: str, extra: str) -> Any:
    """The *package*, imported; ExportError with the command that installs it, where it is not there: it is of *extra*.

    >>> needed("json", "export").dumps([1])
    '[1]'
    """
    if find_spec(package) is None:
        raise ExportError(f"it needs the package {package}: pip install 'striate[{extra}]'")
    return import_module(package)
