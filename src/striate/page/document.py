"""The page as one file: style, scripts, network and weights inside, and no way to the network outside."""

from __future__ import annotations

import base64
import html
import json
import re
from abc import ABC, abstractmethod
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import numpy as np

from striate.errors import SeeError
from striate.files import write_safely

if TYPE_CHECKING:
    from striate.page.scene import NetworkScene
    from striate.page.server import PageServer

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


def document(scene: NetworkScene, asks: bool = False) -> str:
    """The whole page as HTML. It loads nothing and may load nothing: its content security policy forbids it. A page
    that *asks* may ask the server that it comes from.

    >>> from striate.inspect.models.inspected import inspected
    >>> from striate.page.scene import NetworkScene
    >>> text = document(NetworkScene.of(inspected("lenet5")))
    >>> text.startswith("<!doctype html>"), "https:" in text
    (True, False)
    """
    return html_of(str(scene.about["title"]), scene.json(), scene.weights_base64(), asks)


def html_of(title: str, scene: str, weights: str, asks: bool = False) -> str:
    """The page of a network given as text: its *scene* as JSON without ``<``, its *weights* in base64.

    >>> "<title>a &lt; b</title>" in html_of("a < b", "{}", "")
    True
    """
    lab = {"html": _asset("lab.html"), "style": _asset("lab.css"), "kernels": _small_kernels()}
    start = "import { ask } from 'striate/ask'; start(ask)" if asks else "start()"
    parts = {
        "SCENE": scene,
        "WEIGHTS": weights,
        "LAB": as_json(lab),
        "START": f"import {{ start }} from 'striate/page'; {start}",
    }
    return filled("page", title, parts, asks)


@cache
def _small_kernels() -> list[dict[str, Any]]:
    """Of the lab's kernels those that can be typed, for the lab that a page opens."""
    from striate.filtering import kernel_list

    return [kernel.as_dict() for kernel in kernel_list() if kernel.weights[0].size <= 9]


def filled(name: str, title: str, parts: dict[str, str], asks: bool = False) -> str:
    """The page that stands in ``assets/NAME.html``, with its style, its scripts and *parts* in their places.

    >>> filled("lab", "a < b", {"SCENE": "{}"}).count("a &lt; b")
    1
    """
    scripts = (*reached(name), *["ask"] * asks, *["lab"] * ("LAB" in parts))
    imports = {f"striate/{one}": f"data:text/javascript,{_encoded(one)}" for one in scripts}
    style = "".join(_asset(f"{one}.css") for one in dict.fromkeys(["page", name]))
    policy = POLICY + ("; connect-src 'self'" if asks else "")
    own = {"POLICY": policy, "TITLE": _escaped(title), "STYLE": style, "IMPORTS": json.dumps({"imports": imports})}
    before, *rest = _asset(f"{name}.html").split("{{")
    return before + "".join((own | parts)[one] + text for one, _, text in (part.partition("}}") for part in rest))


def reached(name: str) -> list[str]:
    """The script *name* and those that it imports, and so on: ES modules, which name each other "striate/NAME".

    >>> reached("ops")
    ['ops']
    """
    found = [name]
    for one in found:  # grows on the way
        named = dict.fromkeys(re.findall(r"'striate/(\w+)'", _asset(f"{one}.js")))
        found += [new for new in named if new not in found]
    return found


@cache
def _asset(name: str) -> str:
    return files("striate.page").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _encoded(name: str) -> str:
    """A script as the rest of a data address, without its comments and indents, a fifth of it: as it is, but for what
    would mean something else there or in HTML.
    """
    code = re.sub(r"^\s*/\*\*((?!\*/).)*\*/\n", "", _asset(f"{name}.js"), flags=re.M | re.S)
    lines = (line.strip() for line in code.splitlines())
    kept = "\n".join(line for line in lines if line and not line.startswith("//"))
    return quote(kept, safe=" !$&'()*+,-./:;=>?@[]^_`{|}~")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_json(values: Any) -> str:
    """JSON in which no ``<`` could end an element of HTML.

    >>> as_json({"name": "</script>"})
    '{"name":"\\\\u003c/script>"}'
    """
    text = json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def as_base64(values: np.ndarray) -> str:
    """The numbers of *values*, one behind the other, as base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


class OneFile(ABC):
    """A page that is one HTML document. In a notebook it shows itself; :meth:`save` writes it."""

    @abstractmethod
    def html(self) -> str:
        """The whole page."""

    def server(self, port: int = 0) -> PageServer:
        """A server of the page on this machine, which waits for the browser; 0 for any free *port*."""
        from striate.page.server import PageServer

        return PageServer(self.html(), port)

    def save(self, path: str | Path) -> Path:
        """Writes the page as one file, which needs neither striate nor the internet.

        Raises:
            SeeError: The name does not end in .html.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise SeeError(f"{path}: the file must end in .html")
        write_safely(path, self.html().encode())
        return path

    def _small(self) -> str:
        """The page as a notebook has it."""
        return self.html()

    def _repr_html_(self) -> str:
        """In a notebook: the page in a frame of its own, without access to the notebook around it."""
        inside = html.escape(self._small(), quote=True)
        return f'<iframe sandbox="allow-scripts" srcdoc="{inside}" style="width:100%;height:720px;border:0"></iframe>'
