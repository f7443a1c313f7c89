"""The items that a report shows: what they looked like to the network, or the text that they are."""

from __future__ import annotations

import numpy as np

from striate.metrics import SegmentationScores
from striate.model.contract import Contract
from striate.model.model import Model
from striate.report import AnyScores, Shown
from striate.run.measuring import Held


def worst_items(model: Model, held: Held, scores: AnyScores) -> dict[int, Shown]:
    """What to show of ``scores.worst``, by index."""
    contract, found = model.contract, {}
    kept = held.kept
    for item in scores.worst:
        i = item.index
        if contract.mode == "text":
            found[i] = Shown(text=str(held.source.inputs[kept[i]]))
            continue
        pixels = np.asarray(held.arrays.inputs[i])
        if isinstance(scores, SegmentationScores):
            answer = model.scores(pixels[None])[0].argmax(0).astype(np.uint8)
            found[i] = Shown(picture_of(pixels, contract), truth=np.asarray(held.arrays.targets[i]), answer=answer)
        elif contract.positions:
            found[i] = _with_points(model, held, i)
        elif contract.mode == "values" and pixels.ndim == 2:
            found[i] = Shown(signal=pixels)
        elif contract.mode != "values" or pixels.ndim > 2:
            found[i] = Shown(picture_of(pixels, contract))
    return found


def _with_points(model: Model, held: Held, i: int) -> Shown:
    """The picture, with the true and the predicted positions as shares of its sides."""
    contract = model.contract
    pixels = np.asarray(held.arrays.inputs[i])
    said = model.scores(pixels[None])[0] * np.array(contract.target_std) + np.array(contract.target_mean)
    truth = held.arrays.targets[i]
    return Shown(
        picture_of(pixels, contract),
        true_points=tuple((float(truth[x]), float(truth[y])) for x, y in contract.positions),
        said_points=tuple((float(said[x]), float(said[y])) for x, y in contract.positions),
    )


def picture_of(pixels: np.ndarray, contract: Contract) -> np.ndarray:
    """One input as a picture, uint8 ``(H, W)`` or ``(3, H, W)``.

    Of more than three channels (or two) the first three (the first); of values the range from the lowest to the
    highest; of a volume the middle slice.
    """
    if contract.mode == "values":
        pixels = pixels[:, pixels.shape[1] // 2] if pixels.ndim == 4 else pixels
        low, high = float(pixels.min()), float(pixels.max())
        pixels = np.rint((pixels - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    return np.ascontiguousarray(pixels[:3] if len(pixels) >= 3 else pixels[0])
