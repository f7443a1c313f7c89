"""``striate export``: a net or a trained model as a file for elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Json, command, print_json, say

if TYPE_CHECKING:
    from striate.loading import Network

LATER = {"onnx": "ONNX", "program": "a torch.export program"}


def export(
    net: Annotated[
        str,
        typer.Argument(metavar="NET or MODEL", help="A name of the zoo, a .net file, the text, or a model file."),
    ],
    to: Annotated[str, typer.Option("--to", metavar="FORM", help="source: a stand-alone PyTorch file.")] = "source",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to; lenet5.py for lenet5, if not given.")
    ] = None,
    input: Annotated[str | None, typer.Option("--input", "-i", metavar="CxHxW", help="The input's size.")] = None,
    json: Json = False,
) -> None:
    """Write a network as a stand-alone file. Compared with it bit for bit before it is called done."""
    from striate.errors import SpecError, nearest
    from striate.loading import open_network

    if to in LATER:
        raise SpecError(f"--to {to}: {LATER[to]} is not written yet; there is --to source, a stand-alone PyTorch file")
    if to != "source":
        raise SpecError(f"--to {to!r}{nearest(to, ['source'])}")
    network = open_network(net, input=input)
    graph, trained = network.description(), network.contract is not None
    name = network.zoo_name or ("net" if trained else network.name)
    path = out or Path(f"{name.replace('-', '_')}.py")

    from striate.exporters import ExportError, export_source

    try:
        done = export_source(network.path or graph if trained else graph, path, name=name, origin=_origin(network))
    except ExportError as error:
        say(f"striate: {error}")
        raise typer.Exit(1) from None
    if json:
        print_json(done.as_dict())
        return
    print(" and ".join(str(file) for file in done.files))
    what = "weights, preparation and answers" if trained else "outputs with random weights"
    print(f"compared with the built net: {what} are equal to the bit")
    if trained:
        say("\nnext:\n  " + command("python", path, "IMAGE"))


def _origin(network: Network) -> str:
    """Where the net comes from, in a few words."""
    from striate.zoo import ZOO

    if network.origin == "zoo":
        return f"{network.name} of striate's zoo ({ZOO[network.name].paper}, {ZOO[network.name].year})"
    if network.path is None:
        return "a net given as text"
    kind = "a model trained with striate," if network.contract else "the net in"
    return f"{kind} {network.path.name}"
