"""The arithmetic of one number as a picture: what the unit saw, its weights, the products, and where that is."""

from __future__ import annotations

import numpy as np

from striate.inspect.fields import Box
from striate.inspect.unit import Arithmetic
from striate.plotting.picture import Panel, Picture, Scale, photo, sheet, short, values

MOST = 4  # input channels that are drawn: those whose products are the largest


def unit_picture(found: Arithmetic, image: np.ndarray | None = None, box: Box | None = None) -> Picture:
    """Rows of input, weights and products, one a channel; the *image* with the receptive field *box* before them.

    Args:
        found: What :func:`striate.inspect.unit.unit` gave.
        image: What the network saw, uint8 ``(H, W)`` or ``(H, W, 3)``.
        box: In its pixels.
    """
    inputs, products = _planes(found.inputs), _planes(found.products)
    weights = None if found.weights is None else _planes(found.weights)
    order = np.argsort(-np.nansum(np.abs(products), axis=(1, 2)), kind="stable")[:MOST]
    scale = Scale.of(products)
    panels: list[Panel] = []
    for c in order.tolist():
        total = f"sum {short(float(np.nansum(products[c])))}"
        row = [values(inputs[c], Scale.of(inputs), title=f"input {found.corner[0] + c}")]
        if weights is not None:
            row.append(values(weights[c], Scale.of(weights), title="weights"))
            row.append(values(products[c], scale, title="products", note=total))
        panels += row
    columns = 1 if weights is None else 3
    lead: list[Panel] = []
    if image is not None:
        lead = [photo(image, title="the image, and what the unit can see", marks=(box,) if box else (), side=240)]
    left = len(inputs) - len(order)
    lines = [f"The {len(order)} inputs with the largest products; {left} more are not drawn." if left else ""]
    bias = "" if found.bias is None else f", with the bias of {short(found.bias)} it is {found.total:.6g}"
    what = "The largest" if "Max" in found.kind else "The mean" if "Avg" in found.kind else "All products sum to"
    lines.append(f"{what} {short(found.total - (found.bias or 0))}{bias}.")
    lines += [f"then {t.layer}: {t.what} = {short(t.value)}" for t in found.then]
    lines.append("The bar is of the products." if weights is not None else "")
    title = f"{found.layer}:{':'.join(map(str, found.place))} = {found.value:.6g}"
    footer = "\n".join(filter(None, lines))
    return sheet(panels, columns=columns, title=title, scale=scale, footer=footer, lead=lead)


def _planes(array: np.ndarray) -> np.ndarray:
    """``(C, h, w)`` of what a unit saw, whatever its rank; flat features as rows of 16."""
    if array.ndim == 1:
        rows = -(-len(array) // 16)
        padded = np.full(rows * 16, np.nan)
        padded[: len(array)] = array
        return padded.reshape(1, rows, 16) if rows > 1 else array.reshape(1, 1, -1)
    if array.ndim == 2:
        return array[:, None, :]
    return array.reshape(-1, *array.shape[-2:])
