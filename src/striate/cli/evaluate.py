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
    """Say how good a model is. Accuracy with its interval, loss, every class, the confusions, calibration."""
    from striate.model.model import load
    from striate.run import measure, part_for

    loaded = load(model)
    pixels = part_for(loaded, data, part)
    for name, why in pixels.broken:
        say(f"left out {name}: {why}")
    scores = measure(loaded, pixels)
    if json:
        print_json(scores.as_dict())
    else:
        print(
            f"{model} on the {part} part of {data}\n\n{scores}" if part != "all" else f"{model} on {data}\n\n{scores}"
        )
