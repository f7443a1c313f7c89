"""``striate predict``: answers for files, folders and sentences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Json, Model, print_json, say

if TYPE_CHECKING:
    from striate.tasks.scoring import Mask


def predict(
    model: Model,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Images, or folders of them; 'a sentence', or a .txt file of them; .npy."
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes to name for each item.")] = 3,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Of several labels: the probability from which on one is answered.")
    ] = 0.5,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write each image's mask there, as a PNG.")
    ] = None,
    json: Json = False,
) -> None:
    """Answer for images, sentences or arrays. Classes with probabilities, labels, numbers, or masks."""
    from striate.errors import DataError, RecipeError
    from striate.metrics.shared import printable
    from striate.model.model import load
    from striate.tasks.scoring import Mask

    loaded = load(model)
    if out is not None and loaded.contract.task != "segmentation":
        raise RecipeError(
            f"--out {out}: masks are written by a model for segmentation, this is for {loaded.contract.task}"
        )
    failed, documents, taken = 0, [], set[str]()
    for answer in loaded.answers(files, threshold=threshold):
        if isinstance(answer, DataError):
            failed += 1
            say(f"striate: {answer}")
            continue
        document = answer.as_dict()
        called = f'"{answer.text}"' if answer.text is not None else str(answer.file)
        line = f"{printable(called)}: {printable(answer.line(top))}"
        if out is not None and isinstance(answer, Mask):
            path = _write(answer, out, taken, len(loaded.contract.classes))
            document["mask"] = str(path)
            line += f"  -> {printable(str(path))}"
        if json:
            documents.append(document)
        else:
            print(line)
    if json:
        print_json(documents)
    if failed:
        raise typer.Exit(3)


def _write(answer: Mask, folder: Path, taken: set[str], classes: int) -> Path:
    """A mask of class numbers with a palette, so that it is seen as colours and read as numbers; 255 is no class."""
    import io

    from PIL import Image

    from striate.files import write_safely
    from striate.report.pictures import NOTHING, class_colours

    stem = Path(str(answer.file)).stem
    name = next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 10**6))) if name not in taken)
    taken.add(name)
    image = Image.fromarray(answer.mask)
    palette = (
        *class_colours(classes),
        *[NOTHING] * (256 - classes),
    )  # all 256: Pillow would cut bits off
    image.putpalette([value for colour in palette for value in colour])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    write_safely(path, stream.getvalue())
    return path
