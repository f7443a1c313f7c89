"""The page of a network as a value: written to a file, served on this machine, or shown in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from striate.page.document import OneFile, document
from striate.page.scene import ROOM, NetworkScene
from striate.page.server import PageServer


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

    def html(self, room: int = ROOM) -> str:
        """The whole page as one HTML document; of a network that a page cannot compute, with pictures of a few inputs
        that take *room* bytes.
        """
        return document(self.scene.filed(room))

    def server(self, port: int = 0) -> PageServer:
        """A server of the page on this machine, whose ``serve_forever`` waits for the browser; 0 for any free *port*.

        >>> from striate.inspect.models.inspected import inspected
        >>> with View(NetworkScene.of(inspected("lenet5"))).server() as server:
        ...     print(server.url[:17])
        http://127.0.0.1:
        """
        scene = self.scene.served()
        if "held" not in scene.about:
            return PageServer(document(scene), port)
        return PageServer(document(scene, asks=True), port, scene.answers, scene.answers.limit)

    def widget(self) -> Any:
        """In a notebook, with the extra ``notebook``: the page as a widget, whose ``state`` Python sees and which is
        told what to show (:func:`~striate.page.widget.page_widget`).
        """
        from striate.page.widget import page_widget

        return page_widget(self._small())

    def _small(self) -> str:
        return self.html(ROOM // 8)
