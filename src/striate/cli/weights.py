"""``striate weights``: torchvision's published weights as a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.common import Json, command, print_json, say


def weights(
    net: Annotated[str, typer.Argument(metavar="NET", help="A net of the zoo that torchvision has too: resnet50.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Its weights: a state dict (.pth) or .safetensors.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The model file to write (.safetensors).")],
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The class names, one a line, in the outputs' order. [0 to 999]")
    ] = None,
    scale_to: Annotated[
        int | None,
        typer.Option(min=1, help="The shorter side before the crop. [as torchvision's first weights; its V2: 232]"),
    ] = None,
    sides: Annotated[bool, typer.Option("--sides", help="Keep the side heads of googlenet_torchvision.")] = False,
    json: Json = False,
) -> None:
    """Make a model file of torchvision's weights. With its preparation of images; nothing in FILE is run."""
    from striate.errors import SpecError
    from striate.loading.official import from_torchvision, read_classes

    if out.suffix != ".safetensors":
        raise SpecError(f"--out {out}: a model file's name ends with .safetensors")
    if not out.parent.is_dir():
        raise SpecError(f"--out {out}: there is no folder {out.parent}; make it first")
    names = read_classes(classes) if classes else None
    model = from_torchvision(net, file, classes=names, scale_to=scale_to, sides=sides, say=say)
    model.save(out)
    parameters, count = sum(p.numel() for p in model.module.parameters()), len(model.contract.classes)
    if json:
        print_json({"path": str(out), "net": net, "parameters": parameters, "classes": count})
        return
    _, height, width = model.contract.input
    print(f"{out}: {net}, {parameters:,} parameters, {count:,} classes")
    print(f"images: the shorter side to {model.contract.scale_to}, then the middle {height}x{width}")
    say("\nnext:")
    say("  " + command("striate", "predict", out, "IMAGE"))
    say("  " + command("striate", "train", "DATA", "--weights", out))
