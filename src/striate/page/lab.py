"""The convolution lab as a page: a picture, a kernel to type into, and the arithmetic of each pixel. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from striate._version import __version__
from striate.errors import shape_text
from striate.filtering import FilteredImage, convolve, find_kernel, kernel_list
from striate.filtering.lab import SATURATING, WHITE
from striate.filtering.sliding import sliding_window
from striate.page.document import OneFile, as_base64, as_json, filled

MAX_SIDE = 512  # pixels of a photo in the page; a larger one is reduced
SIZES = "box-5 box-9 gaussian-3 gaussian-7 gaussian-11 unsharp-7 log-5 gabor-0 gabor-45 gabor-135".split()


@dataclass(frozen=True, eq=False)
class LabPage(OneFile):
    """The page of the convolution lab. In a notebook it shows itself; ``save`` writes it as one file.

    Args:
        scene: The kernels' names and numbers, the image that it begins with, if any, and the settings.

    >>> import tempfile
    >>> from pathlib import Path
    >>> LabPage.of(convolve("1 0; 0 1", "1")).save(Path(tempfile.mkdtemp()) / "lab.html").name
    'lab.html'
    """

    scene: dict[str, Any]

    @classmethod
    def of(cls, done: FilteredImage | None = None) -> LabPage:
        """The lab with the image and the settings of what was done, or with its own.

        A photo above 512 pixels a side is reduced to that.
        """
        first = done or convolve("0", "sobel-x", padding="same")
        kernels = [*kernel_list(), *map(find_kernel, SIZES)]
        image = _image(done) if done else None
        shape = tuple(image["shape"][1:]) if image else ()
        scene = {
            "striate": __version__,
            "kernels": sorted((kernel.as_dict() for kernel in kernels), key=lambda found: str(found["name"])),
            "settings": _settings(first),
            "image": image,
            "reduced": shape_text(shape) if done and shape != done.image.shape[:2] else "",
        }
        return cls(scene)

    @property
    def reduced(self) -> str:
        """The size that a large photo has in the page, as height x width, if it is not its own."""
        return str(self.scene["reduced"])

    def html(self) -> str:
        """The whole page as one HTML document."""
        return filled("lab", "Convolution lab", {"SCENE": as_json(self.scene)})


def _settings(done: FilteredImage) -> dict[str, Any]:
    moves, kernel = done.moves, done.kernel
    words = [
        word
        for word in ("valid", "same", "full")
        if sliding_window(moves.size, stride=moves.stride, padding=word, dilation=moves.dilation) == moves
    ]
    kernels = kernel.weights if kernel else (np.zeros(moves.size),)
    planes = [[w] if w.ndim == 2 else list(np.moveaxis(w, 2, 0)) for w in kernels]
    volume = len(planes[0]) > 1
    if volume and all(np.array_equal(plane, part[0]) for part in planes for plane in part):
        planes = [part[:1] for part in planes]
    return {
        "op": "convolve" if kernel else done.kind,
        "name": kernel.name if kernel and kernel.name in (*SIZES, *(k.name for k in kernel_list())) else "typed",
        "kernel": " & ".join(" | ".join(map(_text, part)) for part in planes),
        "stride": list(moves.stride),
        "padding": words[0] if words else str(moves.before[0]),
        "dilation": moves.dilation,
        "flip": done.flip,
        "channels": "volume" if volume else "each" if done.image.ndim == 3 else "grey",
    }


def _text(plane: np.ndarray) -> str:
    return "; ".join(" ".join(f"{v!r}" for v in row) for row in plane.tolist())


def _image(done: FilteredImage) -> dict[str, Any]:
    pixels = np.atleast_3d(done.image)
    if done.photo and done.kind in SATURATING:  # of which it was divided by 255
        pixels = np.rint(pixels * (WHITE / done.white))
    if done.photo and (pixels == np.rint(pixels)).all():
        longest, array = max(pixels.shape[:2]), pixels.astype(np.uint8)
        if longest > MAX_SIDE:
            height, width = (max(1, round(n * MAX_SIDE / longest)) for n in pixels.shape[:2])
            resized = Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array).resize((width, height))
            array = np.atleast_3d(np.asarray(resized))
        kind, limit, data = "image", 0.0, np.moveaxis(array, 2, 0)
    else:
        kind, data = "values", np.moveaxis(pixels, 2, 0).astype("<f8")
        limit = float(np.abs(data).max()) or 1.0
    return {"name": "your image", "shape": list(data.shape), "kind": kind, "limit": limit, "data": as_base64(data)}
