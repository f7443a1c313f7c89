"""A model of somebody's own module that was trained elsewhere: its weights, and what is said of classes and inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from striate.errors import ModelError, SpecError, shape_text
from striate.learning import evaluating
from striate.loading.network import input_shape, open_network
from striate.model.contract import OF_CHANNELS, Contract
from striate.model.model import Model
from striate.net.read_run import giving_predictions, materialised
from striate.spec import Shape
from striate.tasks import CLASSIFICATION, SEGMENTATION


def from_own(
    code: str,
    file: str | Path | None,
    input: Shape | str | int | None,
    *,
    classes: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale_to: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Model:
    """The model of images that the module *code* is with the weights in *file*.

    Args:
        code: ``FILE.py:NAME``.
        file: A state dict or a checkpoint (``.pth``, ``.ckpt``, ``.safetensors``); none where *code* loads its own.
        input: ``(C, H, W)``, ``"3x224x224"`` or the side of square colour images.
        classes: The names in the order of the outputs; ``"0"``, ``"1"`` and so on, if not given.
        mean: Per channel, of values from 0 to 1; 0, if not given.
        std: Likewise; 1, if not given.
        scale_to: Pixels of an image's shorter side, of which the middle is cut out; stretched, if not given.
        say: Callback for messages: what was assumed.

    Raises:
        SpecError: No input, one that is no image, or the module does not take it.
        ModelError: The weights do not fit, or the outputs are no scores of classes.
    """
    if input is None:
        raise SpecError(f"{code}: give the input that it takes with --input, such as 3x224x224")
    shape = input_shape(input, 3)
    if len(shape) != 3 or shape[0] not in OF_CHANNELS:
        raise SpecError(f"{code}: input {shape_text(shape)}; images are 1, 3 or 4 channels, height and width")
    module = giving_predictions(materialised(open_network(f"{code}@{file}" if file else code).module, (shape,))[0])
    with torch.no_grad(), evaluating(module):
        try:
            output = module(torch.zeros(2, *shape))
        except Exception as error:  # whatever somebody's code raises
            why = " ".join(str(error).split())
            raise SpecError(f"{code}: does not take {shape_text(shape)} ({type(error).__name__}: {why})") from None
    if not isinstance(output, Tensor) or output.ndim not in (2, 4) or output.shape[1] < 2:
        came = (
            f"a {type(output).__name__}" if not isinstance(output, Tensor) else f"shape {tuple(output.shape)} for two"
        )
        raise ModelError(f"{code}: gives {came}; expected scores of classes, (N, classes) or (N, classes, H, W)")
    names = tuple(classes) if classes is not None else tuple(map(str, range(output.shape[1])))
    if len(names) != output.shape[1]:
        raise ModelError(f"{code}: has {output.shape[1]} outputs, but there are {len(names)} class names")
    task = SEGMENTATION if output.ndim == 4 else CLASSIFICATION
    contract = Contract(
        names, shape, OF_CHANNELS[shape[0]], _channels(mean, shape, 0.0, "mean"), _channels(std, shape, 1.0, "std"),
        task=task, mask_values=tuple(range(len(names))) if task.per_pixel else (),
        resize="crop" if scale_to else "stretch", scale_to=scale_to,
    )  # fmt: skip
    if classes is None:
        say(f"the classes are named 0 to {len(names) - 1}; give a file with their names, one per line")
    if mean is None and std is None:
        say("pixels go in as values from 0 to 1; if it was trained on normalised ones, give --mean and --std")
    model = Model(module.eval(), contract)
    model.code = code
    return model


def _channels(values: Sequence[float] | None, shape: Shape, default: float, name: str) -> tuple[float, ...]:
    found = (default,) * shape[0] if values is None else tuple(values) * (shape[0] if len(values) == 1 else 1)
    if len(found) != shape[0]:
        raise SpecError(f"--{name} has {len(found)} numbers, the input {shape[0]} channels; give one for each")
    if max(found) > 1 or min(found) < 0:
        raise SpecError(f"--{name} {max(found):g}: expected numbers from 0 to 1, as of pixels divided by 255")
    return found
