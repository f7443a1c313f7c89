"""One look at every image: what the checks need to know of it, from decoding it once."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from striate.datasets.dataset import Part, Reading
from striate.datasets.doctor.similarity import CELLS, SIDE, shrink
from striate.datasets.split import digest, file_digest
from striate.errors import DataError
from striate.model.image import ValueRange, canonical
from striate.model.opening import open_image
from striate.plotting.colours import LUMA_601

_DRAFT = 4 * SIDE  # pixels: a JPEG may be decoded as small as this
_ORIENTATION, _MAKE, _MODEL, _CHANGED, _DETAILS, _TAKEN = 0x0112, 0x010F, 0x0110, 0x0132, 0x8769, 0x9003  # EXIF tags
_CHUNK = 4096
SHORTER = 96  # pixels that the shorter side has at most where sharpness is measured
_SHARPEST = 16  # pixels that the shorter side has at least there
_EVEN = 16  # levels between the darkest and the brightest of an edge that is a border: JPEG makes as much of one colour
_SMOOTH = 1 / 16  # the Laplacian goes with the square of the step, its variance with the fourth power
_FEW = 256  # images whose sharpness is measured together


@dataclass(frozen=True, eq=False)
class Look:
    """What one image is like; *fault* alone where it cannot be read."""

    fault: str = ""
    kind: str = ""  # the format: "PNG"
    mode: str = ""  # Pillow's: "RGB", "CMYK", "I;16"
    turned: bool = False
    transparent: bool = False
    frames: int = 1
    highest: int = 0  # of 16 bits
    size: tuple[int, int] = (0, 0)  # height, width, upright
    low: int = 0  # of all channels, of 255
    high: int = 0
    spread: int = 0  # between the lowest and the highest of a channel, of the channel where that is most
    file_size: int = 0  # bytes
    sharpness: float = math.nan  # as :func:`sharpness` has it
    border: int = 0  # as :func:`borders` has it
    camera: str = ""  # by the EXIF data: maker and model
    taken: float = math.nan  # by the EXIF data: seconds
    colour: np.ndarray = field(default_factory=lambda: np.zeros((CELLS, CELLS, 3), np.float32))
    thumb: np.ndarray = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.uint8))
    digest: bytes = b""


@dataclass(frozen=True, eq=False)
class Looks:
    """A split's images: arrays of N. *files* has each one's look where they are files, and is empty for arrays."""

    size: np.ndarray  # (N, 2): height, width, upright; 0 where it cannot be read
    low: np.ndarray
    high: np.ndarray
    spread: np.ndarray
    sharpness: np.ndarray
    border: np.ndarray
    colour: np.ndarray  # (N, CELLS, CELLS, 3)
    thumb: np.ndarray  # (N, SIDE, SIDE)
    digest: tuple[bytes, ...]
    files: tuple[Look, ...] = ()

    @property
    def good(self) -> np.ndarray:
        """Which could be read."""
        return np.asarray(self.size[:, 0] > 0)


def look_at(part: Part, progress: Reading | None = None, value_range: ValueRange = ()) -> Looks:
    """The looks at a split of image files or of uint8 arrays; *progress* is called with (done, of how many)."""
    if isinstance(part.inputs, np.ndarray):
        looks = _at_arrays(part.inputs)
        if progress:
            progress(len(part), len(part))
        return looks
    files = []
    for look in _at_files(part.files, value_range):
        files.append(look)
        if progress:
            progress(len(files), len(part))
    return Looks(
        size=np.array([look.size for look in files]),
        low=np.array([look.low for look in files]),
        high=np.array([look.high for look in files]),
        spread=np.array([look.spread for look in files]),
        sharpness=np.array([look.sharpness for look in files]),
        border=np.array([look.border for look in files]),
        colour=np.stack([look.colour for look in files]),
        thumb=np.stack([look.thumb for look in files]),
        digest=tuple(look.digest for look in files),
        files=tuple(files),
    )


def _at_files(paths: Sequence[Path], value_range: ValueRange) -> Iterator[Look]:
    # Pillow lets other threads run while it decodes. What it warns of (odd metadata) is no concern of the pixels, and
    # filters are the process's own, so they are set here and not in the threads.
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        yield from pool.map(partial(look_at_file, value_range=value_range), paths)


def look_at_file(path: Path, value_range: ValueRange = ()) -> Look:
    """The look at one image file; never an error."""
    try:
        with open_image(path) as image:
            content, size = file_digest(path), path.stat().st_size
            kind, mode, frames = str(image.format), image.mode, int(getattr(image, "n_frames", 1))
            width, height = image.size
            orientation, camera, taken = _exif(image)
            image.draft(None, (_DRAFT, _DRAFT))
            image.load()
            highest = int(np.asarray(image).max()) if mode.startswith("I") and not value_range else 0
            transparent = image.has_transparency_data and _lowest_alpha(image) < 255
            seen = canonical(image, "RGB", value_range)
        extremes = cast("tuple[tuple[int, int], ...]", seen.getextrema())
        small = np.asarray(seen.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
        on_side = kind != "TIFF" and orientation > 4
        return Look(
            kind=kind,
            mode=mode,
            turned=orientation > 1,
            transparent=transparent,
            frames=frames,
            highest=highest,
            size=(width, height) if on_side else (height, width),
            low=min(low for low, _ in extremes),
            high=max(high for _, high in extremes),
            spread=max(high - low for low, high in extremes),
            file_size=size,
            sharpness=float(sharpness(_at_most(seen))[0]),
            border=_border(seen),
            camera=camera,
            taken=taken,
            colour=small.reshape(CELLS, SIDE // CELLS, CELLS, SIDE // CELLS, 3).mean(axis=(1, 3)),
            thumb=np.rint(small @ np.array(LUMA_601, np.float32)).astype(np.uint8),
            digest=content,
        )
    except (DataError, OSError) as error:
        return Look(fault=str(error).removeprefix(f"{path}: "))


def _lowest_alpha(image: Image.Image) -> int:
    return int(cast("tuple[int, int]", image.convert("RGBA").getchannel("A").getextrema())[0])


def _exif(image: Image.Image) -> tuple[int, str, float]:
    """``(orientation, camera, time)``: 1, "" and NaN where the image does not say it."""
    orientation, camera, taken = 1, "", math.nan
    with suppress(Exception):  # damaged metadata, in a dozen ways
        exif = image.getexif()
        if exif:
            orientation = int(exif.get(_ORIENTATION, 1))
            camera = " ".join(str(exif.get(tag, "")).strip(" \0") for tag in (_MAKE, _MODEL)).strip()
            taken = _seconds(exif.get_ifd(_DETAILS).get(_TAKEN) or exif.get(_CHANGED))
    return orientation, camera, taken


def _seconds(taken: object) -> float:
    try:
        return datetime.strptime(str(taken)[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return math.nan


def _at_most(seen: Image.Image) -> np.ndarray:
    """uint8 ``(1, H, W)``: the image in grey, its shorter side at most ``SHORTER`` pixels."""
    grey, shorter = seen.convert("L"), min(seen.size)
    if shorter > SHORTER:
        width, height = (max(1, round(side * SHORTER / shorter)) for side in seen.size)
        grey = grey.resize((width, height), Image.Resampling.HAMMING)
    return np.asarray(grey)[None]


def sharpness(grey: np.ndarray) -> np.ndarray:
    """float ``(N,)``: how much finer detail there is in grey images ``(N, H, W)`` than at half their size.

    The variance of the Laplacian alone (J. Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR
    2000) follows the content as much as the focus: a clear sky has little of it. So here it is over that of the image
    at half its size, less the sixteenth that is left of a smooth one; and the logarithm. NaN of images below 16 pixels.

    >>> noise = np.random.default_rng(0).integers(0, 256, (1, 32, 32)).astype(np.float32)
    >>> blurred = (noise + np.roll(noise, 1, 1) + np.roll(noise, 1, 2) + np.roll(noise, (1, 1), (1, 2))) / 4
    >>> bool(sharpness(blurred)[0] < sharpness(noise)[0] - 1)
    True
    """
    if min(grey.shape[1:]) < _SHARPEST:
        return np.full(len(grey), np.nan)
    found = [np.empty(0)]
    for at in range(0, len(grey), _FEW):
        some = grey[at : at + _FEW].astype(np.float32)
        height, width = (side // 2 * 2 for side in some.shape[1:])
        rows = some[:, 0:height:2] + some[:, 1:height:2]
        half = (rows[..., 0:width:2] + rows[..., 1:width:2]) / 4
        ratio = (_laplacian_variance(some) + 0.1) / (_laplacian_variance(half) + 0.1)
        found.append(np.log((ratio - _SMOOTH).clip(0.005)))
    return np.concatenate(found)


def _laplacian_variance(grey: np.ndarray) -> np.ndarray:
    """Its mean is 0 but for the edges."""
    detail = 4 * grey[:, 1:-1, 1:-1]
    for shifted in (grey[:, :-2, 1:-1], grey[:, 2:, 1:-1], grey[:, 1:-1, :-2], grey[:, 1:-1, 2:]):
        detail -= shifted
    return np.asarray(np.einsum("nij,nij->n", detail, detail) / detail[0].size)


def _border(seen: Image.Image) -> int:
    width, height = seen.size
    edges = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    ranges = (cast("tuple[tuple[int, int], ...]", seen.crop(edge).getextrema()) for edge in edges)
    return sum((max(high - low for low, high in found) <= _EVEN) << bit for bit, found in enumerate(ranges))


def borders(images: np.ndarray) -> np.ndarray:
    """int ``(N,)``: which edges of images ``(N, H, W, C)`` are of one colour: the bits 1, 2, 4 and 8 are the top, the
    bottom, the left and the right edge.

    >>> image = np.random.default_rng(0).integers(0, 256, (1, 9, 9, 3))
    >>> image[:, 0] = 255
    >>> borders(image)
    array([1])
    """
    edges = images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]
    even = [(np.ptp(edge.astype(np.int16), axis=1) <= _EVEN).all(axis=1) for edge in edges]
    return np.asarray(sum(which.astype(int) << bit for bit, which in enumerate(even)))


def _at_arrays(images: np.ndarray) -> Looks:
    images = images[..., None] if images.ndim == 3 else images
    n, height, width, channels = images.shape
    flat = images.reshape(n, -1)
    lows, highs = (f(images.reshape(n, -1, channels), axis=1) for f in (np.min, np.max))  # (N, channels)
    chunks = [images[at : at + _CHUNK] for at in range(0, n, _CHUNK)]
    grey = [chunk[..., 0] if channels == 1 else chunk[..., :3].mean(axis=3, dtype=np.float32) for chunk in chunks]
    return Looks(
        size=np.tile([height, width], (n, 1)),
        low=lows.min(axis=1),
        high=highs.max(axis=1),
        spread=(highs - lows).max(axis=1),
        sharpness=np.concatenate([sharpness(chunk) for chunk in grey]),
        border=borders(images),
        colour=_colours(images),
        thumb=np.concatenate([shrink(chunk) for chunk in grey]),
        digest=tuple(digest(np.ascontiguousarray(row).data) for row in flat),
    )


def _colours(images: np.ndarray) -> np.ndarray:
    if images.shape[3] < 3:  # grey
        return np.zeros((len(images), CELLS, CELLS, 3), np.float32)
    return np.stack([shrink(images[..., c], CELLS) for c in range(3)], axis=3).astype(np.float32)
