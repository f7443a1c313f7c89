"""The page of a network as a value: written to a file, served on this machine, or shown in a notebook."""

from __future__ import annotations

from dataclasses import dataclass

from striate.page.document import OneFile, document
from striate.page.scene import NetworkScene


@dataclass(frozen=True, eq=False)
class View(OneFile):
    """The page of a network. In a notebook it shows itself; :meth:`save` writes it as one file.

    Args:
        scene: The network, its weights and its sample inputs.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from striate.inspect.models.inspected import inspected
    >>> page = View(NetworkScene.of(inspected("conv 2 3; relu; flatten; linear 3", (1, 8, 8))))
    >>> page.save(Path(tempfile.mkdtemp()) / "page.html").name
    'page.html'
    """

    scene: NetworkScene

    def html(self) -> str:
        """The whole page as one HTML document."""
        return document(self.scene)
