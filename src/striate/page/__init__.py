"""The live page: a network in a browser, drawn on by hand, with every unit's arithmetic; and the convolution lab."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.page.scene import NetworkScene as NetworkScene
    from striate.page.scene import Sample as Sample
    from striate.page.view import View as View

_WHERE = {"NetworkScene": "scene", "Sample": "scene", "View": "view"}  # which need torch; the lab does without


def __getattr__(name: str) -> Any:
    """The names of the network's page, loaded when they are first used."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"striate.page.{_WHERE[name]}"), name)
