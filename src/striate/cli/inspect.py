"""``striate filters``, ``maps``, ``activity``, ``unit``, ``field``, ``peaks``, ``explain``, ``imagine``: looking inside
a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.common import DataArgument, Input, Json, Split, echo, output_file, print_json, say, writes

if TYPE_CHECKING:
    from striate.inspect.inspection import Inspection

Net = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A run folder or model file; or a network: zoo name, .net file, text, FILE.py:NAME."
    ),
]
Image = Annotated[str, typer.Argument(metavar="IMAGE", help="An image file (for a model of texts, a sentence).")]
Out = Annotated[Path | None, output_file("OUT.png", "Output figure. [default: none]")]
UNIT = "LAYER:CHANNEL:Y:X"


def filters_command(
    model: Net,
    layer: Annotated[str | None, typer.Argument(metavar="LAYER", help="A convolution. [default: the first]")] = None,
    channel: Annotated[int | None, typer.Option(help="One kernel, with the slices of all its inputs.")] = None,
    animation: Annotated[
        Path | None,
        typer.Option(
            "--animation",
            "--film",
            metavar="OUT.gif",
            help="The kernels over the epochs of a run trained with --keep-epochs.",
            callback=writes(".gif"),
        ),
    ] = None,
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Draw the learned kernels of a convolution. With --animation, how they changed during training."""
    from striate.inspect.models import filters

    found = filters(model, layer, channel=channel, animation=animation, input=input)
    _show(found, out, json, animation=animation)


def maps_command(
    model: Net,
    image: Image,
    layer: Annotated[
        str | None, typer.Argument(metavar="LAYER", help="Any layer. [default: the first convolution]")
    ] = None,
    order: Annotated[str, typer.Option(help="strength (largest mean absolute value first) or channel.")] = "strength",
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Draw the feature maps of a layer for an image."""
    from striate.inspect.models import maps

    _show(maps(model, image, layer, order=order, input=input), out, json)


def activity_command(
    model: Net,
    data: DataArgument,
    split: Split = "test",
    max_items: Annotated[int, typer.Option("--max-items", "--most", min=1, help="Items used, evenly spread.")] = 1000,
    json: Json = False,
) -> None:
    """Print statistics of every layer's activations. Over a data set: mean, std, min, max, zeros, dead units."""
    from striate.cli.progress import ReadingProgress
    from striate.inspect.models import activity

    with ReadingProgress() as bar:
        found = activity(model, data, split=split, max_items=max_items, **bar.read)
    _show(found, None, json)


def unit_command(
    model: Net,
    image: Image,
    unit: Annotated[str, typer.Argument(metavar=UNIT, help="Counted from 0; of a linear layer LAYER:FEATURE.")],
    pixels: Annotated[
        bool, typer.Option("--pixels", help="The contribution of each pixel too (gradient x input).")
    ] = False,
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Print the arithmetic of one unit. Its window, the weights, the products, their sum, what follows."""
    from striate.inspect import models

    _show(models.unit(model, image, unit, pixels=pixels, input=input), out, json)


def field_command(
    model: Net,
    data: DataArgument,
    unit: Annotated[str, typer.Argument(metavar=UNIT, help="Counted from 0.")],
    split: Split = "test",
    max_items: Annotated[int, typer.Option("--max-items", "--most", min=1, help="Images used, evenly spread.")] = 100,
    out: Out = None,
    json: Json = False,
) -> None:
    """Measure the receptive field of a unit. Over a data set, beside the theoretical one."""
    from striate.cli.progress import ReadingProgress
    from striate.inspect.models import field

    with ReadingProgress() as bar:
        found = field(model, data, unit, split=split, max_items=max_items, **bar.read)
    _show(found, out, json)


def peaks_command(
    model: Net,
    data: DataArgument,
    layer: Annotated[
        str,
        typer.Argument(
            metavar="LAYER[:CHANNEL,...]", help="A layer and channels. [default: the six strongest channels]"
        ),
    ],
    split: Split = "train",
    top: Annotated[int, typer.Option(min=1, max=25, help="Images per channel.")] = 9,
    max_items: Annotated[
        int, typer.Option("--max-items", "--most", min=1, help="Images searched, evenly spread.")
    ] = 10_000,
    out: Out = None,
    json: Json = False,
) -> None:
    """Find the top activating image patches of a channel. With the deconvnet reconstruction of each patch."""
    from striate.cli.progress import ReadingProgress
    from striate.inspect.models import peaks

    with ReadingProgress() as bar:
        found = peaks(model, data, layer, split=split, top=top, max_items=max_items, **bar.read)
    _show(found, out, json)


def explain_command(
    model: Net,
    image: Image,
    target: Annotated[
        str,
        typer.Option(
            "--class",
            "--target",
            metavar="TARGET",
            help=f"A class, its number, or {UNIT}. [default: the predicted class]",
        ),
    ] = "",
    method: Annotated[
        str,
        typer.Option(
            help="gradient, gradient_x_input, integrated_gradients, smoothgrad, guided_backprop, deconvnet, grad_cam, "
            "grad_cam_pp, layer_cam, hires_cam, ablation_cam or occlusion; all: compare them."
        ),
    ] = "grad_cam",
    layer: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="Target layer of CAM methods. [default: chosen, with the reason]"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run sanity checks (randomisation, deletion, insertion, completeness).")
    ] = False,
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Draw a saliency map (Grad-CAM and others). Which parts of an image contribute to the prediction."""
    from striate.inspect.models import explain

    _show(explain(model, image, target, method=method, layer=layer, check=check, input=input), out, json)


def imagine_command(
    model: Net,
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"A class, LAYER:CHANNEL or {UNIT}.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Gradient ascent steps. [default: 256; of each octave of a dream: 10]")
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", "--learning-rate", help="Learning rate. [default: 0.05]")] = None,
    basis: Annotated[str | None, typer.Option(help="frequencies (Fourier) or pixels. [default: frequencies]")] = None,
    jitter: Annotated[
        int | None, typer.Option(min=0, help="Random shift per step, in pixels. [default: side / 16; of a dream: 8]")
    ] = None,
    variation: Annotated[float | None, typer.Option(help="Weight of the total variation penalty. [default: 0]")] = None,
    blur: Annotated[
        float | None, typer.Option(help="Sigma of a blur after each step; with --basis pixels. [default: 0]")
    ] = None,
    octaves: Annotated[
        int | None, typer.Option(min=1, help="With --dream: number of image sizes. [default: 4]")
    ] = None,
    ratio: Annotated[float | None, typer.Option(help="With --dream: from one size to the next. [default: 1.4]")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    start: Annotated[str | None, typer.Option(metavar="IMAGE", help="Begin with an image instead of noise.")] = None,
    dream: Annotated[
        bool, typer.Option("--dream", help="DeepDream, with --start; the target may be a whole layer.")
    ] = False,
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Draw an input that maximises a class, channel or unit. Activation maximisation, or DeepDream."""
    from striate.cli.progress import StepProgress
    from striate.inspect.models import imagine

    given = {"steps": steps, "lr": lr, "basis": basis, "jitter": jitter, "variation": variation, "blur": blur}
    given |= {"octaves": octaves, "ratio": ratio}
    settings: dict[str, Any] = {"seed": seed} | {name: value for name, value in given.items() if value is not None}
    with StepProgress("maximising") as bar:
        found = imagine(model, target, start=start, dream=dream, input=input, progress=bar.show, **settings)
    _show(found, out, json)


def _show(found: Inspection, out: Path | None, json: bool, **others: Path | None) -> None:
    """Writes the figure, and prints what was found."""
    picture = getattr(found, "picture", None)
    if out and picture:
        picture().save(out)
    if json:
        more = {name: str(path) if path else None for name, path in others.items()}
        print_json(found.as_dict() | more | ({"path": str(out) if out else None} if picture else {}))
        return
    echo(found)
    written = [path for path in (out, *others.values()) if path]
    for path in written:
        echo(f"wrote {path}")
    if picture and not written:
        say("no figure written; add -o OUT.png")
