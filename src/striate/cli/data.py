"""``striate data`` and ``striate doctor``: what a data set is, and what is wrong with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from striate.cli.common import SIZE, DataArgument, Json, echo, output_file, print_json, say, takes_data_options

_sheet = partial(typer.Option, rich_help_panel="The contact sheet (with --sheet)")


@takes_data_options()
def data_command(
    data: DataArgument,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Write a contact sheet: a grid of items as networks see them."),
    ] = None,
    augment: Annotated[
        str | None,
        _sheet(
            metavar="HOW",
            help="none, light, standard or strong, or settings such as 'shift=4' (docs/augmentation.md). [default: "
            "none]",
        ),
    ] = None,
    input: Annotated[
        str | None, _sheet(*SIZE, metavar="CxHxW", help="Input size. [default: the default network's]")
    ] = None,
    resize: Annotated[str | None, _sheet(help="stretch, fit or crop. [default: stretch]")] = None,
    split: Annotated[str | None, _sheet("--split", "--part", help="train, val or test. [default: train]")] = None,
    seed: Annotated[int | None, _sheet(min=0, help="Random seed. [default: 0]")] = None,
    json: Json = False,
    **options: Any,
) -> None:
    """Describe a data set: task, classes, counts and sizes. With --sheet, show what a network will see."""
    from striate.cli.progress import DownloadProgress
    from striate.run.api import data as describe

    of_sheet: dict[str, Any] = {"augment": augment, "input": input, "resize": resize, "split": split, "seed": seed}
    with DownloadProgress() as fetching:
        found = describe(data, sheet=sheet, **of_sheet, **options, say=say, fetching=fetching.show)
    if sheet:
        say(f"wrote {sheet}")
    if json:
        print_json(found.as_dict() | ({"sheet": str(sheet)} if sheet else {}))
    else:
        echo(found)


@takes_data_options()
def doctor_command(
    data: DataArgument,
    quick: Annotated[
        bool, typer.Option("--quick", help="Decode no images: only counts, labels, headers and exact duplicates.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Also name the labels that look wrong to this model, trained on such data."),
    ] = None,
    out: Annotated[
        Path | None,
        output_file(
            "FILE.html", "Also show the items whose labels look wrong, with what they should be (with --model)."
        ),
    ] = None,
    json: Json = False,
    **options: Any,
) -> None:
    """Check a data set for problems before training. Lists files and fixes; exit code 1 if there are errors."""
    from striate.cli.progress import ReadingProgress
    from striate.datasets.doctor import doctor

    if out and not model:
        raise typer.BadParameter("--out shows labels that look wrong to a model; add --model RUN")
    with ReadingProgress("looking at images") as progress:
        diagnosis = doctor(data, quick=quick, progress=progress.show, fetching=progress.download.show, **options)
    if model:
        from striate.run.labelling import with_wrong_labels, wrong_labels

        options |= {"task": None, "value_range": None}  # the model's own
        given = {name: value for name, value in options.items() if value is not None}
        with ReadingProgress("looking at labels") as progress:
            found = wrong_labels(model, data, say=say, reading=progress.show, **given)
        diagnosis = with_wrong_labels(diagnosis, found)
        if out:
            from striate.files import write_safely
            from striate.run.reporting import labels_page

            write_safely(out, labels_page(found, f"Labels of {data}"))
            say(f"wrote {out}")
    print_json(diagnosis.as_dict()) if json else echo(diagnosis)
    if diagnosis.faults:
        raise typer.Exit(1)
