"""Where a network is computed."""

from __future__ import annotations

import torch

from striate.errors import RecipeError


def device_named(name: str) -> torch.device:
    """The device of that name; ``auto``: a GPU if there is one.

    Raises:
        RecipeError: There is no such device here.

    >>> device_named("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(name)
        float(torch.zeros(1, device=place))  # the device "meta" holds no numbers
    except Exception as error:  # each kind of device fails in its own way
        why = str(error).splitlines()[0]
        why = "unknown device type" if "Expected one of" in why else why[:100]
        raise RecipeError(f"device {name!r} is not available ({why}); use cpu or auto") from None
    return place
