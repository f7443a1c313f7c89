"""``striate export``: a net or a trained model as a file for elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Json, command, print_json, say

if TYPE_CHECKING:
    from striate.spec import Graph

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
    from striate.loading.find import find_net

    if to in LATER:
        raise SpecError(f"--to {to}: {LATER[to]} is not written yet; there is --to source, a stand-alone PyTorch file")
    if to != "source":
        raise SpecError(f"--to {to!r}{nearest(to, ['source'])}")
    graph = find_net(net)
    trained = net.endswith(".safetensors")
    if trained and input:
        raise SpecError(f"--input {input}: the model says its own input; leave --input out")
    if input:
        from striate.spec import lower, read_shape

        graph = lower(graph, read_shape(input))
    name = _name(net, graph)
    path = out or Path(f"{name.replace('-', '_')}.py")

    from striate.exporters import ExportError, export_source

    try:
        done = export_source(net if trained else graph, path, name=name, origin=_origin(net))
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


def _name(net: str, graph: Graph) -> str:
    """What the class and the file are called after; a model's net, where it is one of the zoo."""
    from striate.loading.find import net_name
    from striate.model.header import read_header
    from striate.spec import lower
    from striate.zoo import ZOO

    if not net.endswith(".safetensors"):
        return net_name(net)
    classes = len(read_header(Path(net)).contract.classes)
    same = (name for name, entry in ZOO.items() if lower(entry.make(classes), graph.input) == graph)
    return next(same, "net")


def _origin(net: str) -> str:
    """Where the net comes from, in a few words."""
    from striate.zoo import ZOO

    if net in ZOO:
        return f"{net} of striate's zoo ({ZOO[net].paper}, {ZOO[net].year})"
    if net.endswith(".safetensors"):
        return f"a model trained with striate, {Path(net).name}"
    return f"the net in {Path(net).name}" if net.endswith(".net") else "a net given as text"
