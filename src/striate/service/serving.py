"""``striate.serve``: from a model and settings to a process that answers until it is told to stop."""

from __future__ import annotations

import asyncio
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn

from striate.errors import Error
from striate.model.header import code_and_path, model_file
from striate.model.predictor import Predictor
from striate.run.predicting import opened
from striate.runtime import is_exported
from striate.service.app import Service
from striate.service.connection import (
    CONNECTIONS,
    IDLE_SECONDS,
    LARGEST_HEADER,
    Connection,
    GracefulServer,
    Refusals,
    listening,
    most_connections,
)
from striate.service.current import CurrentModel
from striate.service.settings import NONE, ServiceSettings


class Serving:
    """A service that listens, before it runs.

    Args:
        load: Gives the model, and a newer one when its file has changed.
        file: The model's file; None: it is in memory alone, and never looked for.
        settings: Where to listen, and the limits.
        say: Told, in a line each, of new model files.

    Raises:
        ModelError: The model cannot be loaded.
        Error: The port cannot be had.
    """

    def __init__(
        self, load: Callable[[], Predictor], file: Path | None, settings: ServiceSettings, say: Callable[[str], None]
    ) -> None:
        if settings.token is None and not settings.loopback:
            settings = replace(settings, token=secrets.token_urlsafe(24))
        elif settings.token == NONE:
            settings = replace(settings, token=None)
        self.settings = settings
        current = CurrentModel(load, file, settings.name, say)
        try:
            self.socket = listening(settings.host, settings.port)
        except OSError as error:
            where = f"{settings.host}, port {settings.port}"
            why = str(error.strerror or error).partition(" (while")[0]  # the address once more
            raise Error(f"{where}: {why}; give another --port (0: any that is free) or --host") from None
        self.port = int(self.socket.getsockname()[1])
        self.service = Service(current, settings, self.port, lambda: self.server.stopping)
        longest = settings.timeout
        own = {
            "longest": longest,
            "most": most_connections(),
            "room": staticmethod(lambda: CONNECTIONS if self.server.stopping else self.service.room()),
            "refused": staticmethod(self.service.app.refused),
            "refusals": Refusals(),
        }
        protocol = type("Limited", (Connection,), own)
        config = uvicorn.Config(
            self.service.app,
            http=protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=LARGEST_HEADER,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=int(longest) + 1,
        )
        self.server = GracefulServer(config, self._hung_up)

    @property
    def url(self) -> str:
        """The page's address; with the token, where there is one, behind ``#``, which no browser sends."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self.port}/" + (f"#{self.settings.token}" if self.settings.token else "")

    def run(self) -> None:
        """Answers until SIGTERM, SIGINT or :meth:`stop`; what is in flight then is answered."""
        try:
            asyncio.run(self._run())
        finally:
            self.socket.close()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.server.serve([self.socket])

    def stop(self) -> None:
        """Ends :meth:`run`, from another thread."""
        self.server.should_exit = True

    def _hung_up(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self.service.look(anyway=True)))

    @contextmanager
    def in_thread(self) -> Iterator[str]:
        """Runs in a thread of its own while the block does; gives the address."""
        thread = threading.Thread(target=self.run, name="service")
        thread.start()
        try:
            yield self.url
        finally:
            self.stop()
            thread.join()


def service_of(
    model: Any,
    *,
    device: str | None = None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    **settings: Any,
) -> Serving:
    """A service of *model* (a file, an exported ``.onnx``, a run's folder, or a model), which listens and does not run.

    Args:
        model: A file's is loaded again when it changes.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        say: Told, in a line each, of new model files.
        settings: As :class:`ServiceSettings` has them.

    Raises:
        ModelError: The model cannot be loaded.
        RecipeError: A setting is out of its range.
        Error: The port cannot be had.
    """
    given = ServiceSettings(**settings)

    def load() -> Predictor:
        return opened(model, device, given.batch_size)

    file = None
    if isinstance(model, str | Path):
        file = Path(model) if is_exported(model) else model_file(code_and_path(model)[1])
    return Serving(load, file, given, say)


def serve(model: Any, **settings: Any) -> None:
    """Answers for *model* (a file, a run's folder, or a model) over HTTP until the process is told to stop.

    Args:
        model: A file's is loaded again when it changes.
        settings: As :class:`~striate.service.settings.ServiceSettings` has them (``host``, ``port``, ``token``,
            ``max_wait``, ``queue`` ...), and ``device``.

    Raises:
        ModelError: The model cannot be loaded.
        RecipeError: A setting is out of its range.
        Error: The port cannot be had.

    >>> serve("runs/digits-lenet5", port=9000)  # doctest: +SKIP
    """
    service_of(model, **settings).run()
