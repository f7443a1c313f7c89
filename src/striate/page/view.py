"""The page of a network as a value: written to a file, served on this machine, or shown in a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

from striate.errors import SeeError
from striate.files import write_safely
from striate.page.document import document
from striate.page.scene import NetworkScene


@dataclass(frozen=True, eq=False)
class View:
    """The page of a network. In a notebook it shows itself; :meth:`save` writes it as one file.

    Args:
        scene: The network, its weights and its sample inputs.
    """

    scene: NetworkScene

    def html(self) -> str:
        """The whole page as one HTML document."""
        return document(self.scene)

    def save(self, path: str | Path) -> Path:
        """Writes the page as one file, which needs neither striate nor the internet.

        >>> import tempfile
        >>> from striate.inspect.models.inspected import inspected
        >>> page = View(NetworkScene.of(inspected("conv 2 3; relu; flatten; linear 3", (1, 8, 8))))
        >>> page.save(Path(tempfile.mkdtemp()) / "page.html").name
        'page.html'
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise SeeError(f"{path}: the file must end in .html")
        write_safely(path, self.html().encode())
        return path

    def _repr_html_(self) -> str:
        """In a notebook: the page in a frame of its own, without access to the notebook around it."""
        inside = html.escape(self.html(), quote=True)
        return f'<iframe sandbox="allow-scripts" srcdoc="{inside}" style="width:100%;height:720px;border:0"></iframe>'
