"""``striate experiment``: the tutorials' claims, tried on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.common import Json, echo, output_file, print_json, say


def experiment_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Such as translation. [default: list them]")
    ] = None,
    out: Annotated[Path | None, output_file("OUT.html", "Page. [default: experiment-NAME.html]")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Random seed of data, weights and order.")] = 0,
    list_: Annotated[bool, typer.Option("--list", help="List the experiments and their claims.")] = False,
    json: Json = False,
) -> None:
    """Try a claim of the CNN tutorials, in a minute at most. Prints its tables and result, and writes its page."""
    from striate.experiments import EXPERIMENTS, experiment, listed_experiments

    if name is None or list_:
        rows = [{"experiment": e.name, "claim": e.claim, "source": e.source} for e in EXPERIMENTS.values()]
        print_json(rows) if json else echo(listed_experiments(list(EXPERIMENTS.values())))
        return
    found = experiment(name, seed=seed, out=out or Path(f"experiment-{name}.html"), say=say)
    print_json(found.as_dict()) if json else echo(found)
    say(f"page {found.page}")
    if not found.holds:
        raise typer.Exit(1)
