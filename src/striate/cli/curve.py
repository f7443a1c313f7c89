"""``striate curve``: would more data help?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from striate.cli.common import SIZE, DataArgument, Device, Json, echo, print_json, say, takes_data_options
from striate.cli.train import train_runs


@takes_data_options("value_range")
def curve_command(
    data: DataArgument,
    net: Annotated[
        str | None, typer.Option("--net", "-n", "--model", metavar="NET", help="As for train. [default: for the data]")
    ] = None,
    fractions: Annotated[
        str | None,
        typer.Option(metavar="F,F,...", help="Fractions of the training split. [default: 1/16, 1/8, 1/4, 1/2, 1]"),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Trainings of each, with other random seeds. [default: 1]")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="As for train. [default: for so many items]")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", "-e", help="Number of epochs. [default: recipe's]")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", "-b", "--batch", help="Batch size. [default: recipe's]")
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", "--learning-rate", help="As for train.")] = None,
    augment: Annotated[str | None, typer.Option(help="As for train.")] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="MODEL", help="Fine-tune this model, as for train.")
    ] = None,
    input: Annotated[str | None, typer.Option(*SIZE, metavar="CxHxW", help="Input size, as for train.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Random seed. [default: 0]")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the runs. [default: runs/DATA-curve]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was interrupted.")] = False,
    device: Device = "auto",
    json: Json = False,
    **options: Any,
) -> None:
    """Learning curve: train with more and more of the data. Says whether more data would help, and draws the curve."""
    given = {name: value for name, value in (locals() | options).items() if name not in OURS and value is not None}
    from striate.run.curve import PAGE, curve_plan, learning_curve

    plan = curve_plan(net, data, fractions=fractions, repeats=repeats, recipe=recipe, **given)
    train_runs(plan, "curve")
    found = learning_curve(plan.series, data, net, say=say, **plan.start.of_data)
    if json:
        print_json(found.as_dict())
    else:
        echo(f"\n{found}")
        echo(f"page {plan.series.folder / PAGE}")


OURS = ("data", "net", "fractions", "repeats", "recipe", "json", "options")
