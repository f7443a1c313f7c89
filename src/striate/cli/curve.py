"""``striate curve``: would more data help?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.common import (
    ClassesFrom,
    DataArgument,
    Device,
    FileColumn,
    Group,
    Json,
    Label,
    MaskThreshold,
    Task,
    TextColumn,
    echo,
    print_json,
    say,
)
from striate.cli.train import train_runs

if TYPE_CHECKING:
    from striate.run import Run
    from striate.run.series import SeriesRun


def curve_command(
    data: DataArgument,
    net: Annotated[
        str | None, typer.Option("--net", "-n", "--model", metavar="NET", help="As for train. [default: for the data]")
    ] = None,
    fractions: Annotated[
        str | None,
        typer.Option(metavar="F,F,...", help="Fractions of the training split. [default: 1/16, 1/8, 1/4, 1/2, 1]"),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="Trainings of each, with other random seeds.")] = 1,
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
    input: Annotated[
        str | None, typer.Option("--input", "-i", "--imgsz", metavar="CxHxW", help="Input size, as for train.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Random seed. [default: 0]")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the runs. [default: runs/DATA-curve]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was interrupted.")] = False,
    device: Device = "auto",
    task: Task = None,
    classes_from: ClassesFrom = None,
    mask_threshold: MaskThreshold = None,
    label: Label = None,
    file: FileColumn = None,
    text: TextColumn = None,
    group: Group = None,
    json: Json = False,
) -> None:
    """Learning curve: train with more and more of the data. Says whether more data would help, and draws the curve."""
    given = {name: value for name, value in locals().items() if name not in OURS and value is not None}
    from striate.cli.progress import ReadingProgress
    from striate.learning import named_recipe
    from striate.run import prepare
    from striate.run.curve import PAGE, curve_series, learning_curve
    from striate.run.options import sorted_settings
    from striate.run.series import DATA_WORDS, seed_of

    settings, choices = sorted_settings(given)
    named = named_recipe(recipe) if recipe else None
    told = {name: choices[name] for name in DATA_WORDS if name in choices}
    where: dict[str, Any] = {"out": out, "resume": resume, "seed": seed_of(named) if seed is None else seed}
    series = curve_series(data, fractions=fractions, repeats=repeats, **where, **told)

    def prepared(member: SeriesRun) -> Run:
        with ReadingProgress() as reading:
            progress: dict[str, Any] = {"say": reading.say, "reading": reading.show, "fetching": reading.download.show}
            how = {"settings": settings | member.settings, **progress, **choices, **member.options}
            return prepare(data, net, named, **how)

    again = [("--fractions", fractions)] * bool(fractions) + [("--repeats", repeats)] * (repeats > 1)
    train_runs(series, prepared, ("curve", data, *(word for pair in again for word in pair)))
    found = learning_curve(series, data, net, say=say, **told)
    if json:
        print_json(found.as_dict())
    else:
        echo(f"\n{found}")
        echo(f"page {series.folder / PAGE}")


OURS = ("data", "net", "fractions", "repeats", "recipe", "seed", "out", "resume", "json")
