"""``striate check``: the static analysis of a network."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Json, print_json, say
from striate.errors import shape_text

if TYPE_CHECKING:
    from striate.analysis import Report


def check(
    net: Annotated[
        str,
        typer.Argument(
            metavar="NET",
            help="A name of the zoo, a .net file, a model file, my_net.py:Net, or the text: 'conv 6 5; relu'.",
        ),
    ],
    input: Annotated[str | None, typer.Option("--input", "-i", metavar="CxHxW", help="The input's size.")] = None,
    diff: Annotated[str | None, typer.Option(metavar="NET", help="Say instead how this other net differs.")] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the net into this SVG file too.")] = None,
    json: Json = False,
) -> None:
    """Check a network without running it. Sizes, cost and receptive field of every layer; every fault with its fix."""
    from striate.analysis import compare_reports

    report = _report(net, input)
    if svg is not None:
        _draw(report, net, svg)
    if diff is not None:
        difference = compare_reports(report, _report(diff, input))
        print_json(difference.as_dict()) if json else print(difference)
        raise typer.Exit(0 if difference.same else 1)
    if json:
        print_json(report.as_dict())
    else:
        print(report)
    if report.problems:
        raise typer.Exit(1)


def _report(net: str, input: str | None) -> Report:
    from striate.loading import open_network

    network = open_network(net)
    if input:
        _advise(input, network.input)
    with redirect_stdout(sys.stderr):  # what somebody's forward prints is no result of ours
        return network.check(input)


def _draw(report: Report, net: str, path: Path) -> None:
    from striate.drawing import draw
    from striate.errors import SpecError
    from striate.files import write_safely

    if not all(layer.inputs for layer in report.layers):
        raise SpecError(f"{net} cannot be drawn: {report.notes[0]}")
    title = "network" if any(char in net for char in " ;\n") else Path(net).name
    write_safely(path, draw(report, title))
    say(f"drawn: {path}")


def _advise(input: str, own: tuple[int, ...] | None) -> None:
    """Says how *input* is understood where somebody may have meant another order or forgotten the channels."""
    from striate.errors import SpecError
    from striate.spec import read_shape

    shape = read_shape(input)
    if own is not None and len(own) != len(shape):
        like = shape_text(own)
        raise SpecError(f"--input {input}: this net takes {len(own)} numbers, such as {like} (channels first)")
    if len(shape) == 2:
        say(f"{input} is taken as {shape[0]} channels of length {shape[1]}; for a grey image write 1x{input}")
    elif len(shape) == 3 and shape[2] in (1, 3) and shape[0] > 4:
        say(f"{input} is taken as {shape[0]} channels; they come first: {shape[2]}x{shape[0]}x{shape[1]}")
