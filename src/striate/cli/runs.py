"""``striate runs``: the runs that there are, and what differs between some of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.common import Json, echo, output_file, print_json, say


def runs_command(
    folders: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Runs to compare: folders, or names under runs/. [default: all]"),
    ] = None,
    sort: Annotated[
        str, typer.Option("--sort", metavar="ORDER", help="date (newest first), metric (best first), seconds or run.")
    ] = "date",
    out: Annotated[
        Path | None,
        output_file("PAGE.html", "Also write a page: the table, the curves over each other, the settings that differ."),
    ] = None,
    json: Json = False,
) -> None:
    """List the runs under runs/. Of runs that are named, also which settings differ."""
    from striate.files import write_safely
    from striate.run.comparing import runs

    found = runs(*folders or (), sort=sort)
    if out:
        write_safely(out, found.page())
        say(f"wrote {out}")
    print_json(found.as_dict()) if json else echo(found)
    for problem in found.problems:
        say(f"damaged: {problem}")
