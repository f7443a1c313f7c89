"""``striate convolve``, ``pool``, ``activation``: one operation of a CNN on one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Json, echo, print_json, say, writes

if TYPE_CHECKING:
    from striate.filtering import FilteredImage

Image = Annotated[str, typer.Argument(metavar="IMAGE", help='An image file, or typed numbers: "1 1 0; 0 1 1".')]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="OUT", help="Write a figure of it (.png).", callback=writes(".png")),
]
Steps = Annotated[
    Path | None,
    typer.Option(
        "--steps",
        metavar="OUT",
        help="Animate every step: a .gif, or an .html to step through.",
        callback=writes(".gif", ".html"),
    ),
]
Channels = Annotated[str, typer.Option(help="grey; each: every channel by itself; volume: one sum over them.")]
Show = Annotated[str, typer.Option(help="colour (zero is white), grey (0 to 255) or numbers.")]


def convolve_command(
    image: Annotated[str | None, typer.Argument(metavar="IMAGE", help='An image file, or numbers: "1 0; 0 1".')] = None,
    kernel: Annotated[
        str | None,
        typer.Argument(metavar="KERNEL", help='A name (sobel-x, gaussian-7) or numbers: "0 -1 0; -1 5 -1; 0 -1 0".'),
    ] = None,
    out: Out = None,
    stride: Annotated[int, typer.Option(min=1, help="Stride in pixels.")] = 1,
    padding: Annotated[str, typer.Option(help="valid, same, or pixels of zeros on each side.")] = "valid",
    dilation: Annotated[int, typer.Option(min=1, help="Dilation: pixels between weights.")] = 1,
    flip: Annotated[
        bool, typer.Option("--flip", help="Flip the kernel first: the convolution of signal processing.")
    ] = False,
    channels: Channels = "grey",
    show: Show = "colour",
    steps: Steps = None,
    list_: Annotated[bool, typer.Option("--list", help="List every named kernel with its weights.")] = False,
    json: Json = False,
) -> None:
    """Convolve an image with a kernel. Prints the output, draws it, and animates every step."""
    from striate.filtering.lab import convolve, kernel_list, kernel_text

    if list_:
        print_json([kernel.as_dict() for kernel in kernel_list()]) if json else print(kernel_text())
        return
    if image is None or kernel is None:
        raise typer.BadParameter(
            "expected IMAGE and KERNEL, such as: striate convolve photo.jpg sobel-x -o edges.png (or --list)"
        )
    done = convolve(image, kernel, stride=stride, padding=padding, dilation=dilation, flip=flip, channels=channels)
    _finish(done, out, steps, show, json)


def pool_command(
    image: Image,
    size: Annotated[int, typer.Argument(min=1, metavar="SIZE", help="Side of the window in pixels.")],
    kind: Annotated[str, typer.Option(help="max, average or sum.")] = "max",
    out: Out = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Stride in pixels. [the size]")] = None,
    padding: Annotated[str, typer.Option(help="valid, same, or pixels on each side.")] = "valid",
    channels: Channels = "grey",
    show: Show = "colour",
    steps: Steps = None,
    json: Json = False,
) -> None:
    """Pool an image. The maximum, average or sum of every window."""
    from striate.filtering import pool

    done = pool(image, size, kind=kind, stride=stride, padding=padding, channels=channels)
    _finish(done, out, steps, show, json)


def activation_command(
    image: Image,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="relu, tanh or sigmoid.")] = "relu",
    after: Annotated[
        str | None,
        typer.Option(metavar="KERNEL", help="Convolve with this kernel first, to have negative values."),
    ] = None,
    out: Out = None,
    channels: Channels = "grey",
    show: Show = "colour",
    steps: Steps = None,
    json: Json = False,
) -> None:
    """Apply an activation function to an image. ReLU, tanh or sigmoid."""
    from striate.filtering import activation

    _finish(activation(image, kind, after=after, channels=channels), out, steps, show, json)


def _finish(done: FilteredImage, out: Path | None, steps: Path | None, show: str, json: bool) -> None:
    """Writes the requested files, then prints the result."""
    if steps:
        done.steps().save(steps)
    if out or show != "colour":
        picture = done.picture(show)
        if out:
            picture.save(out)
    if json:
        print_json(done.as_dict() | {"path": str(out) if out else None, "steps": str(steps) if steps else None})
        return
    echo(done.text(numbers=show == "numbers"))
    for path in (out, steps):
        if path:
            echo(f"written {path}")
    if not out and not steps:
        say("draw it with -o OUT.png, animate it with --steps OUT.gif or OUT.html")
