"""``striate convolve``, ``pool``, ``activation``: the convolution lab on one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Json, print_json, say, writes

if TYPE_CHECKING:
    from striate.filtering.experiment import Experiment

Picture = Annotated[str, typer.Argument(metavar="IMAGE", help='An image file, or typed numbers: "1 1 0; 0 1 1".')]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="OUT", help="Where the picture goes (.png).", callback=writes(".png")),
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
Channels = Annotated[str, typer.Option(help="grey; each: the channels by themselves; volume: one sum over them.")]
Show = Annotated[str, typer.Option(help="colour (zero is white), grey (0 to 255) or numbers.")]


def convolve(
    image: Annotated[str | None, typer.Argument(metavar="IMAGE", help='An image file, or numbers: "1 0; 0 1".')] = None,
    kernel: Annotated[
        str | None,
        typer.Argument(metavar="KERNEL", help='A name (sobel-x, gaussian-7) or numbers: "0 -1 0; -1 5 -1; 0 -1 0".'),
    ] = None,
    out: Out = None,
    stride: Annotated[int, typer.Option(min=1, help="Pixels from one window to the next.")] = 1,
    padding: Annotated[str, typer.Option(help="valid, same, or the zeros on each side.")] = "valid",
    dilation: Annotated[int, typer.Option(min=1, help="Pixels from one weight to the next.")] = 1,
    flip: Annotated[
        bool, typer.Option("--flip", help="Turn the kernel first: the convolution of signal processing.")
    ] = False,
    channels: Channels = "grey",
    show: Show = "colour",
    steps: Steps = None,
    list_: Annotated[bool, typer.Option("--list", help="Show every named kernel with its numbers.")] = False,
    json: Json = False,
) -> None:
    """Slide a kernel over an image. Says what comes out, draws it, and animates every step."""
    from striate.filtering.experiment import convolution, kernel_list

    if list_:
        print_json(kernel_list()) if json else print(kernel_list(text=True))
        return
    if image is None or kernel is None:
        raise typer.BadParameter(
            "wanted IMAGE and KERNEL, such as: striate convolve photo.jpg sobel-x -o edges.png (or --list)"
        )
    done = convolution(image, kernel, stride=stride, padding=padding, dilation=dilation, flip=flip, channels=channels)
    _finish(done, out, steps, show, json)


def pool(
    image: Picture,
    size: Annotated[int, typer.Argument(min=1, metavar="SIZE", help="Of the window's sides.")],
    kind: Annotated[str, typer.Option(help="max, average or sum.")] = "max",
    out: Out = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Pixels from one window to the next. [the size]")] = None,
    padding: Annotated[str, typer.Option(help="valid, same, or pixels on each side.")] = "valid",
    channels: Channels = "grey",
    show: Show = "colour",
    steps: Steps = None,
    json: Json = False,
) -> None:
    """Pool an image: the largest, mean or sum of every window."""
    from striate.filtering.experiment import pooling

    done = pooling(image, size, kind=kind, stride=stride, padding=padding, channels=channels)
    _finish(done, out, steps, show, json)


def activation(
    image: Picture,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="relu, tanh or sigmoid.")] = "relu",
    after: Annotated[
        str | None,
        typer.Option(metavar="KERNEL", help="Convolve with this kernel first, so that there are negative numbers."),
    ] = None,
    out: Out = None,
    channels: Channels = "grey",
    show: Show = "colour",
    steps: Steps = None,
    json: Json = False,
) -> None:
    """Put every number of an image through ReLU, tanh or sigmoid."""
    from striate.filtering.experiment import activating

    _finish(activating(image, kind, after=after, channels=channels), out, steps, show, json)


def _finish(done: Experiment, out: Path | None, steps: Path | None, show: str, json: bool) -> None:
    """Writes what was asked for, then says it."""
    if steps:
        done.slide().save(steps)
    if out or show != "colour":
        picture = done.picture(show)
        if out:
            picture.save(out)
    if json:
        print_json(done.as_dict() | {"path": str(out) if out else None, "steps": str(steps) if steps else None})
        return
    print(done.text(numbers=show == "numbers"))
    for path in (out, steps):
        if path:
            print(f"written {path}")
    if not out and not steps:
        say("draw it with -o OUT.png, animate it with --steps OUT.gif or OUT.html")
