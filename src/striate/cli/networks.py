"""``striate check``, ``zoo``, ``export``, ``weights``: networks before and after training."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.common import SIZE, Input, Json, command, echo, print_json, say, writes
from striate.errors import SpecError, shape_text

if TYPE_CHECKING:
    from striate.analysis import Report

HEAD = ("net", "paper", "year", "input", "parameters", "MACs", "receptive field")


def check_command(
    net: Annotated[
        str,
        typer.Argument(
            metavar="NET",
            help="A zoo name, a .net file, a run's folder or model file, my_net.py:Net, or the text 'conv 6 5; relu'.",
        ),
    ],
    input: Annotated[
        list[str] | None,
        typer.Option(
            *SIZE,
            metavar="CxHxW",
            help="Input size, such as 3x224x224, or 224; '(4)' for 4 numbers; repeat it for each input of a module. "
            "[default: the network's own]",
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which output of a module with several (key or index).")
    ] = None,
    diff: Annotated[
        str | None, typer.Option(metavar="NET", help="Print the differences to this other network.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="OUT.svg", help="Also draw the network.", callback=writes(".svg"))
    ] = None,
    json: Json = False,
) -> None:
    """Analyse a network without running it. Output size, parameters, MACs and receptive field of every layer; every
    error with its fix.
    """
    from striate.analysis import compare_reports

    report = _report(net, input, output)
    if svg is not None:
        _draw(report, net, svg)
    if diff is not None:
        difference = compare_reports(report, _report(diff, input))
        print_json(difference.as_dict()) if json else echo(difference)
        raise typer.Exit(0 if difference.same else 1)
    print_json(report.as_dict()) if json else echo(report)
    if report.problems:
        raise typer.Exit(1)


def _report(net: str, input: list[str] | None, output: str | None = None) -> Report:
    from striate.loading import open_network

    network = open_network(net)
    if input and len(input) == 1:
        _advise(input[0], network.input, network.shape(input[0]))
    with redirect_stdout(sys.stderr):  # what somebody's forward prints is no result of ours
        return network.check(input[0] if input and len(input) == 1 else input or None, output)


def _draw(report: Report, net: str, path: Path) -> None:
    from striate.files import write_safely
    from striate.loading.network import draw

    write_safely(path, draw(report, "network" if any(char in net for char in " ;\n") else Path(net).name))
    say(f"wrote {path}")


def _advise(input: str, own: tuple[int, ...] | None, shape: tuple[int, ...]) -> None:
    """Says how *input* is understood where somebody may have meant another order or forgotten the channels."""
    if own is None and "x" not in input and len(shape) == 3:
        say(f"{input} is taken as {shape_text(shape)}; for grey images write 1x{input}x{input}")
    elif len(shape) == 2:
        say(f"{input} is taken as {shape[0]} channels of length {shape[1]}; for a grey image write 1x{input}")
    elif len(shape) == 3 and shape[2] in (1, 3) and shape[0] > 4:
        say(f"{input} is {shape[0]} channels: sizes are CxHxW; did you mean {shape[2]}x{shape[0]}x{shape[1]}?")


def zoo_command(json: Json = False) -> None:
    """List the networks of the zoo. Receptive field: of the last feature map; striate check NAME has the details."""
    from striate.errors import align_columns
    from striate.loading.network import list_networks

    rows = list_networks()
    if json:
        print_json(rows)
        return
    echo("\n".join(align_columns([HEAD, *map(_cells, rows)], left=2)))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    counts = (f"{row[key]:,}" for key in ("parameters", "macs"))
    return (
        row["name"], row["paper"], str(row["year"]), shape_text(row["input"]), *counts,
        shape_text(row["receptive_field"]),
    )  # fmt: skip


def _numbers(text: str | None, option: str) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in re.split(r"[,;\s]+", text.strip())]
    except ValueError:
        raise SpecError(f"{option} {text}: expected numbers, such as 0.485,0.456,0.406") from None


def weights_command(
    net: Annotated[
        str,
        typer.Argument(
            metavar="NET", help="A zoo network that torchvision has too, such as resnet50, or FILE.py:NAME."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.safetensors", help="Output file: the model.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Its weights: a state dict (.pth), a checkpoint or .safetensors. [default: the official file]",
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Class names, one per line, in the order of the outputs. [default: 0 to 999]"
        ),
    ] = None,
    scale_to: Annotated[
        int | None,
        typer.Option(
            "--resize-size",
            "--scale-to",
            min=1,
            help="Shorter side before the centre crop, in pixels (IMAGENET1K_V2: 232). [default: IMAGENET1K_V1's]",
        ),
    ] = None,
    sides: Annotated[
        bool, typer.Option("--aux-heads", "--sides", help="Keep the auxiliary heads of googlenet_torchvision.")
    ] = False,
    input: Input = None,
    mean: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Of FILE.py:NAME: per channel, such as 0.485,0.456,0.406.")
    ] = None,
    std: Annotated[str | None, typer.Option(metavar="NUMBERS", help="Likewise, such as 0.229,0.224,0.225.")] = None,
    json: Json = False,
) -> None:
    """Convert pretrained weights, torchvision's or your own network's. To a model file with their preprocessing; no
    code in FILE is run.
    """
    from striate.cli.progress import DownloadProgress
    from striate.loading.official import weights

    with DownloadProgress() as fetching:
        model = weights(
            net, file, out=out, classes=classes, scale_to=scale_to, sides=sides, input=input,
            mean=_numbers(mean, "--mean"), std=_numbers(std, "--std"), say=say, fetching=fetching.show,
        )  # fmt: skip
    parameters, count = sum(p.numel() for p in model.module.parameters()), len(model.contract.classes)
    if json:
        print_json({"path": str(out), "net": net, "parameters": parameters, "classes": count})
        return
    _, height, width = model.contract.input
    echo(f"{out}: {net}, {parameters:,} parameters, {count:,} classes")
    scaled = (
        f"shorter side resized to {model.contract.scale_to}, then the centre"
        if model.contract.scale_to
        else "resized to"
    )
    echo(f"images: {scaled} {height}x{width}")
    say("\nnext:")
    out = Path(f"{model.code}@{out}") if model.code else out
    say("  " + command("striate", "predict", out, "IMAGE"))
    own = ("--net", model.code) if model.code else ()
    say("  " + command("striate", "train", "DATA", *own, "--weights", out))
