"""``striate predict``: answers for files and folders."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli.common import Json, Model, print_json, say


def predict(
    model: Model,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Image files, or folders of them.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to name for each image.")] = 3,
    json: Json = False,
) -> None:
    """Answer for image files and folders. The class and its probability, the likeliest first."""
    from striate.errors import DataError
    from striate.evaluate.text import plain
    from striate.model.model import load

    loaded = load(model)
    failed, documents = 0, []
    for answer in loaded.answers(files):
        if isinstance(answer, DataError):
            failed += 1
            say(f"striate: {answer}")
        elif json:
            documents.append(answer.as_dict())
        else:
            print(f"{plain(str(answer.file))}: " + ", ".join(f"{plain(name)} {p:.1%}" for name, p in answer.top[:top]))
    if json:
        print_json(documents)
    if failed:
        raise typer.Exit(3)
