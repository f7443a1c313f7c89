"""``striate check``: the static analysis of a network."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli.common import Json, print_json, say


def check(
    net: Annotated[
        str,
        typer.Argument(
            metavar="NET", help="A name of the zoo, a .net file, a model file, or the text: 'conv 6 5; relu'."
        ),
    ],
    input: Annotated[str | None, typer.Option("--input", "-i", metavar="CxHxW", help="The input's size.")] = None,
    diff: Annotated[str | None, typer.Option(metavar="NET", help="Say instead how this other net differs.")] = None,
    json: Json = False,
) -> None:
    """Work out every layer without running anything: sizes, cost, receptive field, every fault with its fix."""
    from striate.analysis import check as analyse
    from striate.analysis import compare
    from striate.find import find_net

    graph = find_net(net)
    if input:
        _advise(input, graph.input)
    report = analyse(graph, input)
    if diff is not None:
        difference = compare(report, analyse(find_net(diff), input))
        print_json(difference.as_dict()) if json else print(difference)
        raise typer.Exit(0 if difference.same else 1)
    if json:
        print_json(report.as_dict())
    else:
        print(report)
    if report.problems:
        raise typer.Exit(1)


def _advise(input: str, own: tuple[int, ...] | None) -> None:
    """Says how *input* is understood where somebody may have meant another order or forgotten the channels."""
    from striate.errors import SpecError
    from striate.spec import read_shape

    shape = read_shape(input)
    if own is not None and len(own) != len(shape):
        like = "x".join(map(str, own))
        raise SpecError(f"--input {input}: this net takes {len(own)} numbers, such as {like} (channels first)")
    if len(shape) == 2:
        say(f"{input} is taken as {shape[0]} channels of length {shape[1]}; for a grey image write 1x{input}")
    elif len(shape) == 3 and shape[2] in (1, 3) and shape[0] > 4:
        say(f"{input} is taken as {shape[0]} channels; they come first: {shape[2]}x{shape[0]}x{shape[1]}")
