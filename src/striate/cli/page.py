"""``striate view``: the live page of a network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Input, Json, print_json, say, writes

if TYPE_CHECKING:
    from striate.page.document import OneFile
    from striate.page.lab import LabPage


def view_command(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A run folder, model file, zoo name, .net file, text or FILE.py:NAME. [default: the newest run]",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Images (or sentences) to offer. [default: items of the run's data]"),
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="DATA", help="A data set whose test items are offered.")] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", "-o", metavar="OUT.html", help="Write the page as one file.", callback=writes(".html")),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Local port. [default: a free one]", show_default=False)
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address; do not open the browser.")
    ] = False,
    input: Input = None,
    lab: Annotated[
        bool, typer.Option("--lab", help="The convolution lab, without a network: striate view --lab [IMAGE [KERNEL]].")
    ] = False,
    json: Json = False,
) -> None:
    """Open a network as a live page. Draw its input, see every feature map, open any unit's arithmetic, in 2-D and 3-D.

    With --html it is one file that works anywhere, offline.
    """
    import webbrowser

    page: OneFile
    if lab:
        page = _lab(model, *(source or ()))
    else:
        from striate.run.folder import newest_run
        from striate.run.viewing import view

        model = model if model is not None else str(newest_run())
        if sys.stderr.isatty():  # VGG-16 takes ten seconds
            say(f"{model}: computing every layer's maps ...")
        page = view(model, source or None, data=data, input=input)
    if html is not None:
        page.save(html)
        size = html.stat().st_size
        if json:
            print_json({"path": str(html), "bytes": size})
        else:
            say(f"{html}: {size / 1000:,.0f} kB; open it in any browser")
        return
    with page.server(port) as server:
        print_json({"url": server.url}) if json else say(f"{server.url}\nPress Ctrl-C to end.")
        sys.stdout.flush()  # a program that waits for the address at the other end of a pipe
        if not no_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")


def _lab(image: str | None = None, kernel: str = "sobel-x", *more: str) -> LabPage:
    from striate.filtering import convolve
    from striate.page.lab import LabPage

    if more:
        raise typer.BadParameter(f"--lab takes IMAGE and KERNEL, got {more[0]!r} as well")
    return LabPage.of(None if image is None else convolve(image, kernel, padding="same"))
