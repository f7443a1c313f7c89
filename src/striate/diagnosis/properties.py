"""What items can have in common besides their label: how bright, how long, in which folder; arrays of numbers or texts.

Each function gives properties as :func:`~striate.diagnosis.find_weak_slices` takes them: by name numbers (NaN where
there is none), texts, or whether an item has what the name says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

Properties = dict[str, NDArray[Any]]
AWAY = 0.4  # of what the brightest or darkest place has to the border: what differs more than that is an object
WORDS, SHARE = 100, (0.01, 0.5)  # words that are looked at, and the share of the texts that have one of them
KINDS = 0.5  # of the items: a column with more different texts than that names each item
DEPTH = 4  # of the folders around a file that are looked at


def image_properties(thumbs: NDArray[np.uint8], colours: NDArray[Any] | None = None) -> Properties:
    """The share of each image that is unlike its border (object area), mean brightness, and the contrast between the
    brightest place and the darkest, both 0 to 255; and saturation. The area does not follow the contrast.

    Args:
        thumbs: uint8 ``(N, H, W)``, small grey images.
        colours: ``(N, h, w, 3)``, of coloured images a few places each, 0 to 255.

    >>> thumbs = np.zeros((1, 32, 32), np.uint8)
    >>> thumbs[:, 8:24, 8:24] = 200
    >>> {name: values.round(2).item() for name, values in image_properties(thumbs).items()}
    {'object area': 0.25, 'brightness': 50.0, 'contrast': 200.0}
    """
    grey = thumbs.astype(np.float32)
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    away = abs(grey - np.median(border, axis=1)[:, None, None])
    most = away.max(axis=(1, 2), keepdims=True)
    found: Properties = {
        "object area": ((away > AWAY * most) & (most > 0)).mean(axis=(1, 2)),
        "brightness": grey.mean(axis=(1, 2)),
        "contrast": np.ptp(grey, axis=(1, 2)),
    }
    if colours is not None:
        high, low = colours.max(axis=3).astype(np.float32), colours.min(axis=3)
        found["saturation"] = ((high - low) / np.maximum(high, 1)).mean(axis=(1, 2))
    return found


def size_properties(sizes: NDArray[np.integer[Any]]) -> Properties:
    """The area in pixels and the ratio of width to height, of ``(N, 2)`` widths and heights.

    >>> {name: values.tolist() for name, values in size_properties(np.array([[40, 20]])).items()}
    {'pixels': [800], 'width / height': [2.0]}
    """
    return {"pixels": sizes.prod(axis=1), "width / height": sizes[:, 0] / np.maximum(sizes[:, 1], 1)}


def file_properties(paths: Sequence[PurePath]) -> Properties:
    """The file type, and each folder between the file and what all have in common.

    >>> files = [PurePath("photos/cat/day1/a.jpg"), PurePath("photos/dog/day1/b.PNG")]
    >>> {name: values.tolist() for name, values in file_properties(files).items()}
    {'file type': ['jpg', 'png'], 'folder': ['cat', 'dog'], 'folder, 2 deep': ['day1', 'day1']}
    """
    folders = [path.parts[:-1] for path in paths]
    common = next((i for i, level in enumerate(zip(*folders, strict=False)) if len(set(level)) > 1), 0)
    inner = [parts[common:] for parts in folders]
    found: Properties = {"file type": np.array([path.suffix.lstrip(".").lower() for path in paths])}
    for depth in range(min(DEPTH, max(map(len, inner), default=0))):
        name = "folder" if not depth else f"folder, {depth + 1} deep"
        found[name] = np.array([parts[depth] if depth < len(parts) else "" for parts in inner])
    return found


def text_properties(texts: Sequence[Sequence[str]]) -> Properties:
    """How many words a text has, and of the commonest words which texts have them; of N texts, a list of words each.

    >>> found = text_properties([["a", "good", "film"], ["a", "play"], ["good"]] * 5)
    >>> {name: values[:3].tolist() for name, values in found.items() if name != "with the word 'film'"}
    {'words': [3, 2, 1], "with the word 'play'": [False, True, False]}
    """
    sets = [set(words) for words in texts]
    low, high = (share * len(texts) for share in SHARE)
    often = [(word, n) for word, n in Counter(w for words in sets for w in words).most_common() if low <= n <= high]
    found: Properties = {"words": np.array([len(words) for words in texts])}
    for word, _ in often[:WORDS]:
        found[f"with the word {word!r}"] = np.array([word in words for words in sets])
    return found


def column_property(cells: Sequence[str]) -> NDArray[Any] | None:
    """A column of a table as numbers, where all its cells are, else as texts; None where nearly every cell differs.

    >>> column_property(["1.5", "", "3"])
    array([1.5, nan, 3. ])
    >>> column_property(["a", "b", "a", "b"]), column_property(["a", "b"])
    (array(['a', 'b', 'a', 'b'], dtype='<U1'), None)
    """
    try:
        return np.array([float(cell) if cell else math.nan for cell in cells])
    except ValueError:
        return np.array(cells) if len({*cells}) <= KINDS * len(cells) else None
