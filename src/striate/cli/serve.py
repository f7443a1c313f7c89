"""``striate serve``: a model over HTTP."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from striate.cli.common import Device, Json, ModelArgument, print_json, say


def serve_command(
    model: ModelArgument,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="0.0.0.0: other machines may ask too, with a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="STRIATE_TOKEN",
            metavar="TOKEN",
            show_envvar=False,
            help="That requests must bring; better in the variable STRIATE_TOKEN. none: not even from other machines. "
            "[default: none on this machine, else a random one]",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which the service may be asked without a token. Repeatable."),
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Of the model in /v2/models/NAME. [default: the run's or the file's]")
    ] = "",
    batch_size: Annotated[int, typer.Option(min=1, help="The most items that go through the network together.")] = 32,
    max_wait: Annotated[
        float,
        typer.Option(
            metavar="MS", min=0, help="Milliseconds that an item waits at most for others that are on their way."
        ),
    ] = 5,
    queue: Annotated[int, typer.Option(min=1, help="Items that wait at most; beyond it the answer is 503.")] = 256,
    max_bytes: Annotated[int, typer.Option(min=1, help="Largest request, in bytes.")] = 20_000_000,
    max_pixels: Annotated[int, typer.Option(min=1, help="Largest image, in pixels.")] = 50_000_000,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="For a request to come, and to be answered.")
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
