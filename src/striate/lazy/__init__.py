"""The names that a package offers, each loaded when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def offered(package: str, where: Mapping[str, str]) -> tuple[list[str], Callable[[str], Any]]:
    """``__all__`` and ``__getattr__`` of a *package*; *where* has the names, with blanks between, by the modules.

    >>> names, load = offered(__name__, {"errors": "counted listed"})
    >>> names, load("counted")(2, "class")
    (['counted', 'listed'], '2 classes')
    """
    places = {name: module for module, names in where.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"striate.{places[name]}"), name)

    return [*places], load
