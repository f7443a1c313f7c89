"""``striate convolve``, ``pool``, ``activation``, ``lab``: operations of a CNN on one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Json, echo, print_json, say, writes

if TYPE_CHECKING:
    from striate.filtering import FilterChains, FilteredImage

Image = Annotated[str, typer.Argument(metavar="IMAGE", help='An image file, or typed numbers: "1 1 0; 0 1 1".')]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="OUT", help="Write a figure of it (.png).", callback=writes(".png")),
]
Steps = Annotated[
    Path | None,
    typer.Option(
        "--steps",
        "--animation",
        metavar="OUT",
        help="Animate every step: a .gif, or an .html, which is --html.",
        callback=writes(".gif", ".html"),
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="OUT.html",
        help="Write a page in which the image, the kernel and every setting can be changed and each step taken.",
        callback=writes(".html"),
    ),
]
Bare = Annotated[bool, typer.Option("--bare", help="With -o: write the result alone, pixel by pixel.")]
Channels = Annotated[
    str, typer.Option(help="grey (converted first), each (by itself), or volume (sum over the channels).")
]
Planes = Annotated[str, typer.Option(help="grey (converted first), or each (by itself).")]
Show = Annotated[
    str, typer.Option(help="How the output is drawn: colour (photos as photos), grey (black to white), or numbers.")
]


def convolve_command(
    image: Annotated[str | None, typer.Argument(metavar="IMAGE", help='An image file, or numbers: "1 0; 0 1".')] = None,
    kernel: Annotated[
        str | None,
        typer.Argument(metavar="KERNEL", help='A name (sobel-x, gaussian-7) or numbers: "0 -1 0; -1 5 -1; 0 -1 0".'),
    ] = None,
    out: Out = None,
    stride: Annotated[int, typer.Option(min=1, help="Stride in pixels.")] = 1,
    padding: Annotated[str, typer.Option(help="valid, same, full, or pixels on each side, which are zeros.")] = "valid",
    dilation: Annotated[int, typer.Option(min=1, help="Pixels from one weight to the next; 1: adjacent.")] = 1,
    flip: Annotated[
        bool, typer.Option("--flip", help="Flip the kernel first: true convolution, as in signal processing.")
    ] = False,
    channels: Channels = "grey",
    show: Show = "colour",
    bare: Bare = False,
    steps: Steps = None,
    html: Html = None,
    list_: Annotated[bool, typer.Option("--list", help="List every named kernel with its weights.")] = False,
    json: Json = False,
) -> None:
    """Convolve an image with a kernel. Prints the output, draws it, and animates every step."""
    from striate.filtering.lab import convolve, kernel_list, kernel_text

    if list_:
        print_json([kernel.as_dict() for kernel in kernel_list()]) if json else echo(kernel_text())
        return
    if image is None or kernel is None:
        raise typer.BadParameter(
            "expected IMAGE and KERNEL, such as: striate convolve photo.jpg sobel-x -o edges.png (or --list)"
        )
    done = convolve(image, kernel, stride=stride, padding=padding, dilation=dilation, flip=flip, channels=channels)
    _finish(done, out, show, bare, json, steps, html)


def pool_command(
    image: Image,
    size: Annotated[
        str, typer.Argument(metavar="SIZE", help="Sides of the window in pixels: 2, or 2x3 (height x width).")
    ],
    kind: Annotated[str, typer.Option(help="max, average (or mean, avg) or sum.")] = "max",
    out: Out = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Stride in pixels. [default: the size]")] = None,
    padding: Annotated[
        str, typer.Option(help="valid, same, or pixels on each side: zeros; for max, never the maximum.")
    ] = "valid",
    channels: Planes = "grey",
    show: Show = "colour",
    bare: Bare = False,
    steps: Steps = None,
    html: Html = None,
    json: Json = False,
) -> None:
    """Pool an image. The maximum, average or sum of every window."""
    from striate.filtering.chain import read_sides
    from striate.filtering.lab import pool

    done = pool(image, read_sides(size, "SIZE"), kind=kind, stride=stride, padding=padding, channels=channels)
    _finish(done, out, show, bare, json, steps, html)


def activation_command(
    image: Image,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="relu, tanh or sigmoid.")] = "relu",
    after: Annotated[
        str | None, typer.Option(metavar="KERNEL", help="Convolve with this kernel first, to have negative values.")
    ] = None,
    out: Out = None,
    channels: Channels = "grey",
    show: Show = "colour",
    bare: Bare = False,
    steps: Steps = None,
    html: Html = None,
    json: Json = False,
) -> None:
    """Apply an activation function to an image. ReLU, tanh or sigmoid."""
    from striate.filtering import activation

    _finish(activation(image, kind, after=after, channels=channels), out, show, bare, json, steps, html)


def lab_command(
    chain: Annotated[
        str,
        typer.Argument(
            metavar="CHAIN", help='"conv sobel-x; relu; maxpool 2"; or table: identity, edges, sharpen and blur.'
        ),
    ],
    image: Image,
    beside: Annotated[
        list[str] | None, typer.Option(metavar="CHAIN", help="Another chain beside it; may be given several times.")
    ] = None,
    out: Out = None,
    channels: Channels = "grey",
    show: Annotated[
        str, typer.Option(help="How outputs are drawn: colour (photos as photos), or grey (black to white).")
    ] = "colour",
    bare: Bare = False,
    json: Json = False,
) -> None:
    """Apply a chain of stages to an image. Kernels, activations and poolings, each with its output."""
    from striate.filtering import lab

    if Path(chain).is_file() and not Path(image).is_file():
        chain, image = image, chain  # as convolve has them
    _finish(lab(chain, image, beside=beside or (), channels=channels), out, show, bare, json)


def _finish(
    done: FilteredImage | FilterChains,
    out: Path | None,
    show: str,
    bare: bool,
    json: bool,
    steps: Path | None = None,
    html: Path | None = None,
) -> None:
    """Writes the requested files, then prints the result."""
    from striate.filtering import FilteredImage
    from striate.plotting import write_image

    single = isinstance(done, FilteredImage)
    if bare and not out:
        raise typer.BadParameter("--bare writes the result alone; say where with -o OUT.png")
    if isinstance(done, FilteredImage):
        if steps and steps.suffix.lower() == ".gif":
            done.steps().save(steps)
        for file in (file for file in (steps, html) if file and file.suffix.lower() != ".gif"):
            from striate.page.lab import LabPage

            page = LabPage.of(done)
            page.save(file)
            if page.reduced:
                say(f"{file}: the image is reduced to {page.reduced} there")
    if bare and out:
        write_image(out, done.pixels(show))
    elif out or show != "colour":
        picture = done.picture(show)
        if out:
            picture.save(out)
    if json:
        more = {"steps": str(steps) if steps else None, "html": str(html) if html else None} if single else {}
        print_json(done.as_dict() | {"path": str(out) if out else None} | more)
        return
    echo(done.text(numbers=show == "numbers") if isinstance(done, FilteredImage) else done)
    for path in (out, steps, html):
        if path:
            echo(f"wrote {path}")
    if not out and not steps and not html:
        say("no figure written; add -o OUT.png" + ", animate it with --steps OUT.gif or OUT.html" * single)
