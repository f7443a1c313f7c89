"""``striate filters``, ``maps``, ``unit``, ``field``, ``peaks``, ``imagine``: looking inside a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.common import Data, Json, print_json, say, writes

if TYPE_CHECKING:
    from striate.inspect.models.seeing import Subject
    from striate.plotting.picture import Picture

Net = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file; or a net's name or text, or FILE.py:NAME, untrained.")
]
Image = Annotated[str, typer.Argument(metavar="IMAGE", help="An image file (for a model of texts, a sentence).")]
Input = Annotated[str | None, typer.Option("--input", "-i", metavar="CxHxW", help="Where the network does not say it.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="OUT.png", help="Where the picture goes.", callback=writes(".png")),
]
UNIT = "LAYER:CHANNEL:Y:X"


def filters(
    model: Net,
    layer: Annotated[str | None, typer.Argument(metavar="LAYER", help="A convolution. [the first]")] = None,
    channel: Annotated[int | None, typer.Option(help="One kernel, a picture for each of its inputs.")] = None,
    film: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.gif",
            help="How they changed, from a run trained with --keep-epochs.",
            callback=writes(".gif"),
        ),
    ] = None,
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Draw the learned kernels of a convolution; with --film, how they changed while it learned."""
    from striate.inspect import filters as kernels

    subject = _subject(model, input)
    found = kernels(subject.module, layer)
    if film:
        from striate.inspect.models.filming import film_of

        film_of(model, found.layer, film)
    _finish(found.picture(channel), found.as_dict() | {"film": str(film) if film else None}, out, json, film)


def maps(
    model: Net,
    image: Image,
    layer: Annotated[str | None, typer.Argument(metavar="LAYER", help="Any layer. [the first convolution]")] = None,
    order: Annotated[str, typer.Option(help="strength or channel.")] = "strength",
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Draw the feature maps of a layer for an image, the strongest first."""
    from striate.inspect import maps as feature_maps
    from striate.inspect.filters import convolution_names

    subject = _subject(model, input)
    layer = layer or next(iter([*convolution_names(subject.module), *subject.layers()]), "")
    found = feature_maps(subject.module, subject.tensor(image), layer)
    _finish(found.picture(order=order), found.as_dict(), out, json)


def activity(
    model: Net,
    data: Data,
    part: Annotated[str, typer.Option(help="test, val, train or all.")] = "test",
    most: Annotated[int, typer.Option("--most", min=1, help="Items looked at.")] = 1000,
    json: Json = False,
) -> None:
    """Say what every layer does over a data set. Mean, deviation, range, zeros, dead units."""
    from striate.inspect import survey

    subject = _subject(model, None)
    found = survey(subject.module, _batches(subject, data, part, most)[0])
    print_json(found.as_dict()) if json else print(found)


def unit(
    model: Net,
    image: Image,
    which: Annotated[str, typer.Argument(metavar=UNIT, help="Of a linear layer LAYER:FEATURE.")],
    pixels: Annotated[bool, typer.Option("--pixels", help="Down to the input: what each pixel adds.")] = False,
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Take one number of a network apart. Its window, the weights, the products, their sum, what follows."""
    from striate.inspect import unit as take_apart
    from striate.inspect.pixels import pixels as down_to_pixels

    subject = _subject(model, input)
    x = subject.tensor(image)
    found = take_apart(subject.module, x, which)
    below = down_to_pixels(subject.module, x, which) if pixels else None
    box = subject.box(found.layer, found.place[1:])
    if out:
        (below.picture(subject.picture(image)) if below else found.picture(subject.picture(image), box)).save(out)
    if json:
        about = found.as_dict() | {"box": list(box) if box else None, "path": str(out) if out else None}
        print_json(about | ({"pixels": below.as_dict()} if below else {}))
        return
    print(found)
    if box:
        print(f"it can see {box[2]}x{box[3]} pixels of the input, from row {box[0]}, column {box[1]}")
    if below:
        print(below)
    _written(out)


def field(
    model: Net,
    data: Data,
    which: Annotated[str, typer.Argument(metavar=UNIT)],
    part: Annotated[str, typer.Option(help="test, val, train or all.")] = "test",
    most: Annotated[int, typer.Option("--most", min=1, help="Images measured on.")] = 100,
    out: Out = None,
    json: Json = False,
) -> None:
    """Measure what a unit sees over real images, beside what the geometry allows."""
    from striate.errors import SeeError
    from striate.inspect import effective_field, named_target
    from striate.inspect.models.seeing import drawn

    subject = _subject(model, None)
    target = named_target(which, subject.contract.classes)
    if target is None or not target.layer:
        raise SeeError(f"{which!r}: wanted one unit of a layer, {UNIT}")
    batches, arrays = _batches(subject, data, part, most)
    found = effective_field(subject.module, batches, target, subject.box(target.layer, target.index[1:]))
    _finish(found.picture(drawn(arrays.inputs[0])), found.as_dict(), out, json)


def peaks(
    model: Net,
    data: Data,
    which: Annotated[str, typer.Argument(metavar="LAYER[:CHANNEL,...]", help="[the six strongest channels]")],
    part: Annotated[str, typer.Option(help="test, val, train or all.")] = "train",
    top: Annotated[int, typer.Option(min=1, max=25, help="Images for each channel.")] = 9,
    most: Annotated[int, typer.Option("--most", min=1, help="Images looked through.")] = 10_000,
    out: Out = None,
    json: Json = False,
) -> None:
    """Find the images that excite a channel most. Each cut to what the unit saw, with what drove it beside it."""
    from striate.inspect.models.exciting import exciting, told

    subject = _subject(model, None)
    batches, arrays = _batches(subject, data, part, most)
    picture, about = exciting(subject, batches, arrays, which, top)
    _finish(picture, about, out, json, text=told(about))


def explain(
    model: Net,
    image: Image,
    target: Annotated[
        str, typer.Option("--class", metavar="TARGET", help=f"A class, its number, or {UNIT}. [the likeliest]")
    ] = "",
    method: Annotated[
        str, typer.Option(help="grad_cam, integrated_gradients, occlusion, ...; all for every one.")
    ] = "grad_cam",
    layer: Annotated[str | None, typer.Option(metavar="LAYER", help="For the CAMs. [picked, and said why]")] = None,
    check: Annotated[bool, typer.Option("--check", help="Make the sanity checks.")] = False,
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Show which parts of an image speak for the answer, and whether the map can be believed."""
    from striate.errors import SeeError
    from striate.inspect.models.explaining import Explanation, every_method
    from striate.inspect.models.explaining import explain as explain_one

    subject = _subject(model, input)
    if method == "all":
        if layer or check:
            raise SeeError("--layer and --check go with one method, not with --method all")
        picture, results = every_method(subject, image, target)
        good = [found for found in results if isinstance(found, Explanation)]
        for error in (found for found in results if not isinstance(found, Explanation)):
            say(f"left out: {error}")
        document: dict[str, Any] = {"methods": [found.as_dict() for found in good]}
        text = "\n\n".join(map(str, good))
    else:
        found = explain_one(subject, image, target, method=method, layer=layer, check=check)
        picture, document, text = found.picture(), found.as_dict(), str(found)
    if out:
        picture.save(out)
    if json:
        print_json(document | {"path": str(out) if out else None})
        return
    print(text)
    _written(out)
    if not out:
        say("draw it with -o OUT.png")


def imagine(
    model: Net,
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"A class, LAYER:CHANNEL or {UNIT}.")],
    steps: Annotated[int, typer.Option(min=1, help="Of the climb.")] = 256,
    lr: Annotated[float, typer.Option(help="How far a step goes.")] = 0.05,
    basis: Annotated[str, typer.Option(help="frequencies or pixels.")] = "frequencies",
    jitter: Annotated[int | None, typer.Option(min=0, help="Pixels that the image moves. [side / 16]")] = None,
    variation: Annotated[float, typer.Option(help="Weight of the total variation.")] = 0.0,
    blur: Annotated[float, typer.Option(help="Sigma after each step; with --basis pixels.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the noise it begins with.")] = 0,
    start: Annotated[str | None, typer.Option(metavar="IMAGE", help="Begin with an image.")] = None,
    dream: Annotated[
        bool, typer.Option("--dream", help="DeepDream: with --start; the target may be a whole layer.")
    ] = False,
    out: Out = None,
    input: Input = None,
    json: Json = False,
) -> None:
    """Draw the input that a unit, a channel or a class likes best."""
    from striate.cli.progress import Bar
    from striate.errors import SeeError
    from striate.inspect import Target, named_target
    from striate.inspect.models.explaining import asked_for
    from striate.inspect.models.imagining import imagined

    subject = _subject(model, input)
    whole = dream and target not in subject.contract.classes and ":" not in target and not target.isdecimal()
    wanted = Target(target) if whole else named_target(target, subject.contract.classes)
    if wanted is None:
        raise SeeError("wanted a class, LAYER:CHANNEL or a unit")
    settings: dict[str, Any] = {"seed": seed}
    if not dream:
        settings |= {"steps": steps, "lr": lr, "basis": basis, "jitter": jitter, "variation": variation, "blur": blur}
    with Bar("climbing") as bar:
        found = imagined(subject, wanted, start=start, dreaming=dream, progress=bar.step, **settings)
    _finish(found.picture(asked_for(wanted, subject)), found.as_dict(), out, json)


def _subject(model: str, input: str | None) -> Subject:
    from striate.inspect.models.seeing import subject
    from striate.spec.text import read_shape

    found = subject(model, read_shape(input) if input else None)
    if found.note:
        say(f"note: {found.note}")
    return found


def _batches(subject: Subject, data: str, part: str, most: int) -> tuple[Any, Any]:
    """The prepared items of a part, as normalised batches, and as arrays."""
    from striate.cli.progress import Reading
    from striate.run.items import items_for

    with Reading() as reading:
        arrays = items_for(
            subject.contract, data, part, most=most, reading=reading.show, fetching=reading.fetching.show
        )
    for name, why in arrays.broken:
        say(f"left out {name}: {why}")
    return subject.batches(arrays), arrays


def _finish(
    picture: Picture, about: dict[str, Any], out: Path | None, json: bool, *others: Path | None, text: str = ""
) -> None:
    """Writes the picture, and says what it shows, in *text* or by the numbers of *about*."""
    if out:
        picture.save(out)
    if json:
        print_json(about | {"path": str(out) if out else None})
        return
    print(picture.alt)
    print(text or _numbers(about))
    _written(out, *others)
    if not out and not any(others):
        say("draw it with -o OUT.png")


def _numbers(about: dict[str, Any]) -> str:
    """A line for each number, and for a list of a few."""
    lines = []
    for name, value in about.items():
        if isinstance(value, float):
            lines.append(f"  {name} {value:.6g}")
        elif isinstance(value, list) and value and all(isinstance(v, int) for v in value):
            lines.append(f"  {name} {', '.join(map(str, value[:10]))}{', ...' * (len(value) > 10)}")
        elif isinstance(value, int) and not isinstance(value, bool):
            lines.append(f"  {name} {value}")
    return "\n".join(lines)


def _written(*paths: Path | None) -> None:
    for path in paths:
        if path:
            print(f"written {path}")
