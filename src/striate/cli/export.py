"""``striate export``: a network or model as a file for elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Input, Json, command, echo, print_json, say
from striate.errors import listed

if TYPE_CHECKING:
    from striate.exporters import Exported


def export_command(
    net: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A run's folder or model file; or a network: zoo name, .net file, text."),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            "--format",
            metavar="FORMAT",
            help="source: a stand-alone PyTorch file. onnx. program: a torch.export program (.pt2).",
        ),
    ] = "source",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT", help="Output file. [default: named after the network]")
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            "--data",
            metavar="DATA",
            help="Data to compare the file's answers on. [default: the run's test split, else generated inputs]",
        ),
    ] = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Export a network or model to a stand-alone file. Its answers are compared with the model's before it is kept."""
    from striate.run.exporting import export

    done = export(net, to, out=out, input=input, compare=compare, say=say)
    if json:
        print_json(done.as_dict())
        return
    echo(f"wrote {' and '.join(map(str, done.files))}")
    echo("\n".join(_verified(done)))
    if done.predicts:
        say("\nnext:\n  " + command("python", done.path, "IMAGE"))
    elif done.to == "onnx":
        say("\nnext:\n  " + command("striate", "predict", done.path, "FILE"))


def _verified(done: Exported) -> list[str]:
    """What was compared, and what was found."""
    found = done.comparison
    if found is None:
        trained = "weights, preprocessing and outputs" if done.predicts else "weights and outputs"
        return [f"verified: identical {trained if len(done.files) > 1 else 'outputs, with random weights'}"]
    where = f" ({listed(found.where, 3)})" if found.label_flips else ""
    return [
        f"compared on {found.items:,} items of {found.on}, in batches of 7 and of 1",
        f"largest difference of probabilities {found.max_difference:.1g}; label flips {found.label_flips:,} of "
        f"{found.outputs:,}{where}",
    ]
