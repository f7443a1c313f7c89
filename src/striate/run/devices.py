"""Where a network is computed."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import torch

from striate.errors import RecipeError, nearest
from striate.learning import Speed
from striate.learning.recipe import PRECISIONS
from striate.loading import Given, open_model
from striate.model.contract import check_tta
from striate.model.model import Model


def device_named(name: str) -> torch.device:
    """The device of that name; ``auto``: a GPU if there is one; a number: that GPU.

    Raises:
        RecipeError: There is no such device here.

    >>> device_named("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(f"cuda:{name}" if name.isdecimal() else name)
        float(torch.zeros(1, device=place))  # the device "meta" holds no numbers
    except Exception as error:  # each kind of device fails in its own way
        why = str(error).splitlines()[0]
        why = "unknown device type" if "Expected one of" in why else why[:100]
        raise RecipeError(f"device {name!r} is not available ({why}); use cpu or auto") from None
    return place


def placed(model: Given, device: str | None = None, tta: str | None = None, precision: str | None = None) -> Model:
    """The model, on its device, with that test-time augmentation, computed in that precision.

    Raises:
        ModelError: There is no such model. RecipeError: No such device, or no such augmentation of its items.
    """
    found = open_model(model)
    if found is not model:  # read for this alone; most layers are faster in this order of the same numbers
        Speed(memory_format="channels_last").place(found.module)
    if device is not None:
        found.module.to(device_named(device))
    if tta is not None:
        check_tta(tta, found.contract)
        path, found = found.path, Model(found.module, replace(found.contract, tta=tta))
        found.path = path
    if precision is not None:
        if precision not in PRECISIONS[1:]:
            raise RecipeError(f"precision is {precision!r}{nearest(precision, PRECISIONS[1:])}")
        found = copy(found)
        found.precision = precision
    return found
