"""``striate check``: the static analysis of a network."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli.common import Json, print_json


def check(
    net: Annotated[
        str,
        typer.Argument(
            metavar="NET", help="A name of the zoo, a .net file, a model file, or the text: 'conv 6 5; relu'."
        ),
    ],
    input: Annotated[str | None, typer.Option("--input", "-i", metavar="CxHxW", help="The input's size.")] = None,
    json: Json = False,
) -> None:
    """Work out every layer without running anything: sizes, cost, receptive field, every fault with its fix."""
    from striate.analysis import check as analyse
    from striate.find import find_net

    report = analyse(find_net(net), input)
    if json:
        print_json(report.as_dict())
    else:
        print(report)
    if report.problems:
        raise typer.Exit(1)
