"""One look at every image: what the checks need to know of it, from decoding it once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from striate.datasets.dataset import Part
from striate.datasets.doctor.similarity import CELLS, SIDE, shrink
from striate.datasets.split import digest
from striate.errors import DataError
from striate.model.image import ValueRange, canonical
from striate.model.opening import open_image
from striate.plotting.colours import LUMA_601

Progress = Callable[[int, int], None]
_DRAFT = 4 * SIDE  # pixels: a JPEG may be decoded as small as this
_ORIENTATION = 0x0112
_CHUNK = 4096


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
    colour: np.ndarray  # (N, CELLS, CELLS, 3)
    thumb: np.ndarray  # (N, SIDE, SIDE)
    digest: tuple[bytes, ...]
    files: tuple[Look, ...] = ()

    @property
    def good(self) -> np.ndarray:
        """Which could be read."""
        return np.asarray(self.size[:, 0] > 0)


def look_at(part: Part, progress: Progress | None = None, value_range: ValueRange = ()) -> Looks:
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
        content = digest(path.read_bytes())
        with open_image(path) as image:
            kind, mode, frames = str(image.format), image.mode, int(getattr(image, "n_frames", 1))
            width, height = image.size
            orientation = _orientation(image)
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
            colour=small.reshape(CELLS, SIDE // CELLS, CELLS, SIDE // CELLS, 3).mean(axis=(1, 3)),
            thumb=np.rint(small @ np.array(LUMA_601, np.float32)).astype(np.uint8),
            digest=content,
        )
    except (DataError, OSError) as error:
        return Look(fault=str(error).removeprefix(f"{path}: "))


def _lowest_alpha(image: Image.Image) -> int:
    return int(cast("tuple[int, int]", image.convert("RGBA").getchannel("A").getextrema())[0])


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata, in a dozen ways
        return 1


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
        colour=_colours(images),
        thumb=np.concatenate([shrink(chunk) for chunk in grey]),
        digest=tuple(digest(np.ascontiguousarray(row).data) for row in flat),
    )


def _colours(images: np.ndarray) -> np.ndarray:
    if images.shape[3] < 3:  # grey
        return np.zeros((len(images), CELLS, CELLS, 3), np.float32)
    return np.stack([shrink(images[..., c], CELLS) for c in range(3)], axis=3).astype(np.float32)
