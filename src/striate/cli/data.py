"""``striate data`` and ``striate doctor``: what a data set is, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from striate.cli.common import (
    ClassesFrom,
    DataArgument,
    FileColumn,
    Group,
    Json,
    Label,
    MaskThreshold,
    TextColumn,
    ValueRange,
    echo,
    print_json,
    say,
)

_Task = Annotated[
    str | None, typer.Option(metavar="TASK", help="classification, multilabel, regression or segmentation.")
]


def data_command(
    data: DataArgument,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a contact sheet of what the network will see.")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="On the sheet: none, light, standard, strong, or such as 'shift=4'. [none]"),
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            "--imgsz",
            metavar="CxHxW",
            help="On the sheet: the input size. [that of the default network]",
        ),
    ] = None,
    resize: Annotated[str | None, typer.Option(help="On the sheet: stretch, fit or crop. [stretch]")] = None,
    split: Annotated[
        str | None, typer.Option("--split", "--part", help="On the sheet: train, val or test. [train]")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Random seed of the sheet. [0]")] = None,
    task: _Task = None,
    classes_from: ClassesFrom = None,
    mask_threshold: MaskThreshold = None,
    value_range: ValueRange = None,
    label: Label = None,
    file: FileColumn = None,
    text: TextColumn = None,
    group: Group = None,
    json: Json = False,
) -> None:
    """Describe a data set: task, classes, counts and sizes. With --sheet, show what a network will see."""
    from striate.run.api import data as describe

    columns = {"label": label, "file": file, "text": text, "group": group}
    options: dict[str, Any] = {"task": task, "classes_from": classes_from, "mask_threshold": mask_threshold}
    options |= {"value_range": value_range} | columns
    of_sheet: dict[str, Any] = {"augment": augment, "input": input, "resize": resize, "split": split, "seed": seed}
    found = describe(data, sheet=sheet, **of_sheet, **options, say=say)
    if sheet:
        say(f"contact sheet: {sheet}")
    if json:
        print_json(found.as_dict() | ({"sheet": str(sheet)} if sheet else {}))
    else:
        echo(found)


def doctor_command(
    data: DataArgument,
    quick: Annotated[
        bool, typer.Option("--quick", help="Decode no images: only what training checks by itself.")
    ] = False,
    task: _Task = None,
    classes_from: ClassesFrom = None,
    mask_threshold: MaskThreshold = None,
    value_range: ValueRange = None,
    label: Label = None,
    file: FileColumn = None,
    text: TextColumn = None,
    group: Group = None,
    json: Json = False,
) -> None:
    """Find the faults of a data set before training. Names the files and the fix of each; exit code 1 with faults."""
    from striate.cli.progress import ReadingProgress
    from striate.datasets.doctor import doctor

    columns = {"label": label, "file": file, "text": text, "group": group}
    options: dict[str, Any] = {"task": task, "classes_from": classes_from, "mask_threshold": mask_threshold}
    options |= {"value_range": value_range} | columns
    with ReadingProgress("looking at images") as progress:
        diagnosis = doctor(data, quick=quick, progress=progress.show, **options)
    print_json(diagnosis.as_dict()) if json else echo(diagnosis)
    if diagnosis.faults:
        raise typer.Exit(1)
