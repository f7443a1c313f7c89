"""``striate data``: what a data set is, and what a network will see of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Data, Json, print_json, say
from striate.errors import shape_text

if TYPE_CHECKING:
    from striate.datasets import DataSet
    from striate.datasets.augment import Augment


def data(
    data: Data,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a contact sheet of what the network will see.")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="On the sheet: none, light, standard or strong, or such as 'shift=4'. [none]"),
    ] = None,
    input: Annotated[
        str | None, typer.Option("--input", "-i", metavar="CxHxW", help="On the sheet: the network's input.")
    ] = None,
    resize: Annotated[str | None, typer.Option(help="On the sheet: stretch, fit or crop. [stretch]")] = None,
    part: Annotated[str | None, typer.Option(help="On the sheet: train, val or test. [train]")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="On the sheet: of what is picked and changed. [0]")] = None,
    json: Json = False,
) -> None:
    """Say what DATA is: its task, classes, counts and sizes; with --sheet, show what a network will see."""
    from striate.datasets import open_data
    from striate.datasets.augment import Augment
    from striate.datasets.show.about import about
    from striate.errors import RecipeError, nearest
    from striate.model.contract import RESIZE
    from striate.spec import read_shape

    asked = {"augment": augment, "resize": resize, "part": part, "seed": seed}
    unused = next((f"--{name} {value}" for name, value in asked.items() if value is not None), "")
    how = Augment.parse(augment or "none")
    if unused and sheet is None:
        raise RecipeError(f"{unused}: is for the sheet; add --sheet sheet.png")
    if resize is not None and resize not in RESIZE:
        raise RecipeError(f"resize is {resize!r}{nearest(resize, RESIZE)}")
    shape = read_shape(input) if input else None
    dataset = open_data(data, channels=shape[0] if shape and len(shape) == 3 else None)
    found = about(dataset)
    if sheet:
        _draw(dataset, sheet, how, shape, resize=resize or "stretch", part=part or "train", seed=seed or 0)
    if json:
        print_json(found.as_dict() | ({"sheet": str(sheet)} if sheet else {}))
    else:
        print(found)


def _draw(
    dataset: DataSet,
    path: Path,
    augment: Augment,
    shape: tuple[int, ...] | None,
    *,
    resize: str,
    part: str,
    seed: int,
) -> None:
    from striate.datasets import with_validation
    from striate.datasets.augment import NOTHING
    from striate.datasets.show.sheet import contact_sheet, image_bytes
    from striate.datasets.show.shown import contract_of, shown
    from striate.errors import DataError
    from striate.files import write_safely

    contract = contract_of(dataset, shape, resize)
    suited, notes = augment.suited(contract)
    for note in notes:
        say(note)
    with suppress(DataError):  # as for training, where there is enough for it: then the items have the same numbers
        dataset = with_validation(dataset, seed)
    changes = suited != NOTHING
    rows = shown(
        dataset,
        contract,
        part=part,
        augment=suited,
        seed=seed,
        items=25 if not changes and contract.mode != "text" else 10,
    )
    size = shape_text(contract.input)
    what = f"{len(rows)} of {len(dataset.parts[part]):,} items of the part {part!r}"
    how = [f"their first {size} words"] if contract.mode == "text" else [f"as {size}, resize {resize}"]
    about = [what, *how, *([f"augment {suited}", f"seed {seed}"] if changes else [])]
    page = contact_sheet(rows, contract, title=f"{dataset.name}: {dataset.task}", about=" · ".join(about))
    write_safely(path, image_bytes(page, path))
    say(f"sheet: {path}")
