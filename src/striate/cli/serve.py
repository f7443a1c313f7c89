"""``striate serve``: a model over HTTP."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from striate.cli.common import Device, Json, ModelOrExported, print_json, say


def serve_command(
    model: ModelOrExported,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0: all, for other machines, with a token."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="STRIATE_TOKEN",
            metavar="TOKEN",
            show_envvar=False,
            help="Token that requests must send; safer in the variable STRIATE_TOKEN. none: no token, whoever asks. "
            "[default: none on 127.0.0.1, else a random one]",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Host name, besides localhost, that requests without a token may use. Repeatable."
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Model name in /v2/models/NAME. [default: the run's or the file's]")
    ] = "",
    batch_size: Annotated[int, typer.Option(min=1, help="Largest batch.")] = 32,
    max_wait: Annotated[
        float,
        typer.Option(metavar="MS", min=0, help="Longest wait of an item for others, to form a batch, in milliseconds."),
    ] = 5,
    queue: Annotated[int, typer.Option(min=1, help="Most waiting items; beyond it requests are refused (503).")] = 256,
    max_bytes: Annotated[int, typer.Option(min=1, help="Largest request, in bytes.")] = 20_000_000,
    max_pixels: Annotated[int, typer.Option(min=1, help="Largest image, in pixels.")] = 50_000_000,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Limit for receiving a request, and for answering it.")
    ] = 30,
    threads: Annotated[int, typer.Option(min=1, help="Threads that decode images.")] = 2,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Serve a model over HTTP. Images or sentences by POST, a page to try it, metrics, the Open Inference Protocol.

    Ends by Ctrl-C or SIGTERM, once every request is answered. A newer model file is taken within a second.
    """
    from striate.service import service_of

    settings = {"host": host, "port": port, "token": token, "allow_host": (*(allow_host or ()),), "name": name}
    settings |= {"batch_size": batch_size, "max_wait": max_wait, "queue": queue, "max_bytes": max_bytes}
    settings |= {"max_pixels": max_pixels, "timeout": timeout, "threads": threads}
    service = service_of(model, device=device, say=say, **settings)
    loaded = service.service.current.loaded
    url, made = (service.url, service.settings.token) if token is None else (service.url.partition("#")[0], None)
    if json:  # a token that was given is known, and belongs in no log
        print_json({"url": url, "name": loaded.name, "token": made})
    else:
        say(f"{url}\n{loaded.name} ({loaded.contract.task}) answers. Press Ctrl-C to end.")
    sys.stdout.flush()
    service.run()
