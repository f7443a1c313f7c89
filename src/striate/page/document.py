"""The page as one file: style, scripts, network and weights inside, and no way to the network outside."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from striate.page.scene import NetworkScene

# The scripts, each an ES module; they name each other "striate/NAME".
MODULES: Final = tuple(
    "ops net colour state blocks arrange diagram space pad resample formula attribution saliency kernels mistakes "
    "confusion curves first inflate compare panels page".split()
)
POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


def document(scene: NetworkScene) -> str:
    """The whole page as HTML. It loads nothing and may load nothing: its content security policy forbids it.

    >>> from striate.inspect.models.inspected import inspected
    >>> from striate.page.scene import NetworkScene
    >>> text = document(NetworkScene.of(inspected("lenet5")))
    >>> text.startswith("<!doctype html>"), "https:" in text
    (True, False)
    """
    return html_of(str(scene.about["title"]), scene.json(), scene.weights_base64())


def html_of(title: str, scene: str, weights: str) -> str:
    """The page of a network given as text: its *scene* as JSON without ``<``, its *weights* in base64.

    >>> "<title>a &lt; b</title>" in html_of("a < b", "{}", "")
    True
    """
    imports = {f"striate/{name}": f"data:text/javascript,{_encoded(name)}" for name in MODULES}
    parts = {
        "POLICY": POLICY,
        "TITLE": _escaped(title),
        "STYLE": _asset("page.css"),
        "IMPORTS": json.dumps({"imports": imports}),
        "SCENE": scene,
        "WEIGHTS": weights,
    }
    before, *rest = _asset("page.html").split("{{")
    return before + "".join(parts[name] + text for name, _, text in (part.partition("}}") for part in rest))


@cache
def _asset(name: str) -> str:
    return files("striate.page").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _encoded(name: str) -> str:
    """A script as the rest of a data address: as it is, but for what would mean something else there or in HTML."""
    return quote(_asset(f"{name}.js"), safe=" !$&'()*+,-./:;=>?@[]^_`{|}~")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
