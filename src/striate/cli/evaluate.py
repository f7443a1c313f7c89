"""``striate evaluate``: honest figures on held-out data."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli.common import Data, Json, Model, print_json, say


def evaluate(
    model: Model,
    data: Data,
    part: Annotated[str, typer.Option(help="test, val, train or all.")] = "test",
    json: Json = False,
) -> None:
    """Say how good a model is. Its figures with their interval, every class or value, the worst answers."""
    from striate.cli.progress import Reading
    from striate.model.model import load
    from striate.run import measure, parts_for

    loaded = load(model)
    with Reading() as reading:
        held = parts_for(loaded, data, part, reading=reading.show, fetching=reading.fetching.show)
    for name, why in (item for some in held for item in some.arrays.broken):
        say(f"left out {name}: {why}")
    scores = measure(loaded, *held)
    if json:
        print_json(scores.as_dict())
    else:
        print(
            f"{model} on the {part} part of {data}\n\n{scores}" if part != "all" else f"{model} on {data}\n\n{scores}"
        )
