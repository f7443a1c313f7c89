"""One network, and at most one input: ``filters``, ``maps``, ``unit`` and ``imagine``."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import ModelError, SeeError, nearest, shape_text
from striate.files import write_safely
from striate.inspect.contributions import pixel_contributions
from striate.inspect.filters import Filters, convolution_names, filters_animation, kernels_of
from striate.inspect.maps import FeatureMaps, feature_maps
from striate.inspect.maximise import Ascent, MaximisedInput, Progress, deep_dream, maximise
from striate.inspect.models.inspected import Inspectable, InspectedModel, Size, as_image, inspected
from striate.inspect.models.saliency import target_text
from striate.inspect.target import Target, named_target
from striate.inspect.unit import UnitArithmetic, unit_arithmetic
from striate.loading import open_network
from striate.model.sources import Source

REACH = 3.0  # stds on each side of the mean, of inputs that are not bytes


def filters(
    net: Inspectable,
    layer: str | None = None,
    *,
    channel: int | None = None,
    animation: str | Path | None = None,
    input: Size = None,
) -> Filters:
    """The learned kernels of a convolution.

    Args:
        net: What :func:`striate.loading.open_network` takes: a model file, a run folder, a name, any ``nn.Module``.
        layer: The convolution; the first, if not given.
        channel: One kernel, drawn with the slices of all its inputs; all kernels, if not given.
        animation: Where a GIF of the kernels over the epochs goes; the run must have kept its epochs
            (``--keep-epochs``).
        input: ``(C, H, W)``, where the network does not say it.

    Returns:
        The weights ``(out, in, h, w)``; ``picture()`` draws them.

    Raises:
        SeeError: There is no such convolution or kernel.
        ModelError: The run kept no epochs.

    >>> filters("lenet5").weights.shape
    (6, 1, 5, 5)
    """
    model = inspected(net, input)
    found = kernels_of(model.module, layer, channel)
    if animation:
        _animate(net, found.layer, Path(animation))
    return replace(found, notes=model.notes)


def _animate(net: Inspectable, layer: str, out: Path) -> None:
    network = None if isinstance(net, InspectedModel) else open_network(net)
    path = network.path if network else None
    kept = sorted((path.parent / "epochs").glob("*.safetensors")) if path else []
    if not kept:
        where = path.parent / "epochs" if path else "the network"
        raise ModelError(f"{where}: no per-epoch checkpoints; train with --keep-epochs")
    names = [f"epoch {int(p.stem)}" if p.stem.isdecimal() else p.stem for p in kept]
    assert network
    moments = [(name, kernels_of(network.model.reloaded(p).module, layer)) for name, p in zip(names, kept, strict=True)]
    write_safely(out, filters_animation(moments))


def maps(
    net: Inspectable, image: Source, layer: str | None = None, *, order: str = "strength", input: Size = None
) -> FeatureMaps:
    """The feature maps of a layer for one image.

    Args:
        net: What :func:`striate.loading.open_network` takes.
        image: An image file, an array; for a model of texts a sentence: what the model's ``predict`` takes.
        layer: Any layer; the first convolution, if not given.
        order: Of the maps in the figure: ``"strength"`` (largest mean absolute value first) or ``"channel"``.
        input: ``(C, H, W)``, where the network does not say it.

    Returns:
        The layer's output ``(C, h, w)``.

    Raises:
        SeeError: There is no such layer.
        DataError: The image cannot be read.

    >>> maps("lenet5", np.zeros((28, 28), np.uint8), "c3").values.shape
    (16, 10, 10)
    """
    model = inspected(net, input)
    layer = layer or next(iter([*convolution_names(model.module), *model.layers()]), "")
    return replace(feature_maps(model.module, model.tensor(image), layer, order), notes=model.notes)


def unit(net: Inspectable, image: Source, unit: str, *, pixels: bool = False, input: Size = None) -> UnitArithmetic:
    """The arithmetic of one unit for one image: its window, the weights, their products, the sum, what follows.

    Args:
        net: What :func:`striate.loading.open_network` takes.
        image: An image file, an array; for a model of texts a sentence.
        unit: ``LAYER:CHANNEL:Y:X``, counted from 0; of a linear layer ``LAYER:FEATURE``.
        pixels: The contribution of each pixel of the input (gradient x input) as well; then the figure shows it.
        input: ``(C, H, W)``, where the network does not say it.

    Raises:
        SeeError: No such unit, or its layer is not a convolution, a linear layer or a pooling.

    >>> unit("lenet5", np.zeros((28, 28), np.uint8), "c3:3:5:5").box
    (10, 10, 14, 14)
    """
    model = inspected(net, input)
    item = model.item(image)
    x, shown = model.ready(item), as_image(item)
    found = unit_arithmetic(model.module, x, unit)
    below = pixel_contributions(model.module, x, unit, shown) if pixels else None
    box = model.box(found.layer, found.position[1:])
    return replace(found, box=box, image=shown, pixels=below, notes=model.notes)


def imagine(
    net: Inspectable,
    target: str,
    *,
    start: Source | None = None,
    dream: bool = False,
    input: Size = None,
    progress: Progress | None = None,
    **settings: Any,
) -> MaximisedInput:
    """Activation maximisation: an image for which a class, a channel or a unit has a high score; or a DeepDream.

    Args:
        net: What :func:`striate.loading.open_network` takes; it takes images.
        target: A class, its number, ``LAYER:CHANNEL`` or ``LAYER:CHANNEL:Y:X``; for a dream also a whole layer.
        start: An image to begin with; noise, if not given.
        dream: DeepDream on *start*: what the target responds to is amplified, at several sizes.
        input: ``(C, H, W)``, where the network does not say it.
        progress: Called with (steps done, steps in all, score).
        **settings: Fields of :class:`striate.inspect.maximise.Ascent` (``steps``, ``lr``, ``basis``, ``jitter``,
            ``variation``, ``energy``, ``blur``, ``seed``); for a dream, ``octaves``, ``ratio``, ``steps``, ``rate``,
            ``jitter`` and ``seed`` of :func:`striate.inspect.deep_dream`.

    Returns:
        The image ``(C, H, W)`` in 0..1, and the score at every step.

    Raises:
        SeeError: The network does not take images, there is no such target or setting, or a dream has no *start*.

    >>> imagine("lenet5", "3", steps=2).image.shape
    (1, 32, 32)
    """
    _check_settings(settings, dream)
    model = inspected(net, input)
    contract = model.contract
    if len(contract.input) != 3 or contract.mode == "text":
        what = "texts" if contract.mode == "text" else f"items of {shape_text(contract.input)}"
        raise SeeError(
            f"activation maximisation needs a network of images, and this one takes {what}; peaks shows real items"
        )
    whole = dream and target not in contract.classes and ":" not in target and not target.isdecimal()
    chosen = Target(target) if whole else named_target(target, contract.classes)
    if chosen is None:
        raise SeeError("expected a class, LAYER:CHANNEL or a unit LAYER:CHANNEL:Y:X")
    mean, std = contract.mean, contract.std
    begin = None if start is None else model.item(start).astype(np.float32)
    if contract.mode == "values":
        if begin is not None:
            low, span = (np.reshape(v, (-1, 1, 1)) for v in (np.array(mean) - REACH * np.array(std), std))
            begin = ((begin - low) / (2 * REACH * span)).astype(np.float32)
        mean, std = (0.5,) * contract.input[0], (1 / (2 * REACH),) * contract.input[0]
    elif begin is not None:
        begin /= 255
    if dream:
        if begin is None:
            raise SeeError("a dream needs an image to begin with; give one: --start IMAGE (start=...)")
        found = deep_dream(model.module, chosen, begin, normalise=(mean, std), progress=progress, **settings)
    else:
        ascent = Ascent(**settings)
        found = maximise(
            model.module, chosen, contract.input, ascent, normalise=(mean, std), start=begin, progress=progress
        )
    return replace(found, name=target_text(chosen, contract), notes=(*model.notes, *found.notes))


ASCENT = tuple(field.name for field in fields(Ascent))
DREAM = ("octaves", "ratio", "steps", "rate", "jitter", "seed")  # of deep_dream


def _check_settings(settings: dict[str, Any], dream: bool) -> None:
    """SeeError for a setting that the other way alone has, or none."""
    ours, others = (DREAM, ASCENT) if dream else (ASCENT, DREAM)
    for name in settings:
        if name in others and name not in ours:
            where = "without a dream" if dream else "with a dream (dream=True, --dream)"
            raise SeeError(f"imagine has {name} only {where}; here it has {', '.join(ours)}")
        if name not in ours:
            raise SeeError(f"imagine has no setting {name!r}{nearest(name, ours)}")
