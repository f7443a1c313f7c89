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
            help="onnx, openvino, tflite, program (torch.export, .pt2), or source: PyTorch code that needs no striate.",
        ),
    ] = "source",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Output file. [default: named after the network]")
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
    quantise: Annotated[
        str | None,
        typer.Option(
            "--quantise",
            "--quantize",
            metavar="int8",
            help="8-bit weights and activations, calibrated on the data; for onnx.",
        ),
    ] = None,
    half: Annotated[
        bool,
        typer.Option("--half", "--fp16", help="Weights as float16: half the size, no faster; for onnx and openvino."),
    ] = False,
    min_gain: Annotated[
        float,
        typer.Option(
            help="Refuse --quantise unless so many times as fast, --half unless so many times as small.", min=0
        ),
    ] = 1.2,
    max_loss: Annotated[
        float,
        typer.Option(
            help="Refuse either if its metric is worse by more: 0.01 is 1 percentage point, of an error 1%.", min=0
        ),
    ] = 0.01,
    snippet: Annotated[
        str | None,
        typer.Option("--snippet", metavar="LANGUAGE", help="Print a program that uses the file: python, js or cpp."),
    ] = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Export a network or model to a stand-alone file. Its answers are compared with the model's before it is kept."""
    from striate.run.exporting import export

    done = export(
        net,
        to,
        out=out,
        input=input,
        compare=compare,
        quantise=quantise,
        half=half,
        min_gain=min_gain,
        max_loss=max_loss,
        snippet=snippet,
        say=say,
    )
    if json:
        print_json(done.as_dict())
        return
    tell = say if done.snippet else echo  # the program alone is the result, to be redirected to a file
    tell(f"wrote {' and '.join(map(str, done.files))}")
    tell("\n".join(_verified(done)))
    if done.snippet:
        print(done.snippet, end="")
        return
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
    ties = f"; {found.ties:,} of two classes as probable" if found.ties else ""
    sizes = "in batches of 7 and of 1" if len(found.batch_sizes) > 1 else "one at a time"
    lines = [f"compared on {found.items:,} items of {found.on}, {sizes}"]
    if found.outputs:
        flips = f"label flips {found.label_flips:,} of {found.outputs:,}{where}{ties}"
        lines.append(f"largest difference of probabilities {found.max_difference:.1g}; {flips}")
    else:
        lines.append(f"largest difference of values {found.max_difference:.1g} of their standard deviation")
    if done.reduction:
        lines.append(done.reduction.line())
    return lines
