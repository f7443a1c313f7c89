"""A first look at files: what is typical of a data set's images, and what lies beside them and is skipped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median_low

from striate.errors import DataError
from striate.model.image import alpha_is_used, header
from striate.model.opening import is_hidden, is_image, opened

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_SAMPLE = 200  # files whose headers are read to learn the typical size
_DECODED = 16  # files with an alpha channel that are decoded to see whether it is used
_LISTED = 5  # names in a message

Typical = tuple[str, tuple[int, int, int], tuple[str, ...]]


def typical(where: Path, images: Sequence[Path]) -> Typical:
    """``(mode, (channels, height, width), notes)`` of the *images*, by an even sample of them.

    ``"RGBA"`` where more than half have pixels that are not opaque (an alpha channel that is full everywhere says
    nothing); else ``"L"`` (grey) where all are grey; else ``"RGB"``. The sides are the medians of the upright images.

    Raises:
        DataError: None of the sample can be read; it names *where* and the first file.
    """
    headers: dict[Path, tuple[str, tuple[int, int]]] = {}
    faults = []
    for path in images[:: max(1, len(images) // _SAMPLE)]:
        try:
            headers[path] = header(path)
        except DataError as error:
            faults.append(error)
    if not headers:
        raise DataError(f"{where}: none of a sample of {len(faults)} images can be read; the first: {faults[0]}")
    with_alpha = [path for path, (mode, _) in headers.items() if mode == "RGBA"]
    looked = [one for path in with_alpha[:: max(1, len(with_alpha) // _DECODED)][:_DECODED] if (one := _alpha(path))]
    clear = len(with_alpha) * sum(used for used, _ in looked) / (len(looked) or 1) / len(headers)
    grey = all(grey for _, grey in looked) and all(mode != "RGB" for mode, _ in headers.values())
    mode, channels = ("RGBA", 4) if clear > 0.5 else ("L", 1) if grey else ("RGB", 3)
    shown = "alpha is the fourth channel" if clear > 0.5 else "they become black"
    share = f"about {clear:.0%}" if clear >= 0.01 else "less than 1%"
    notes = (f"{share} of the images have transparent pixels; {shown}",) if clear else ()
    heights, widths = zip(*(size for _, size in headers.values()), strict=True)
    return mode, (channels, median_low(heights), median_low(widths)), notes


def _alpha(path: Path) -> tuple[bool, bool] | None:
    """Whether any pixel of the file lets anything through, and whether it is grey; None of one that is damaged."""
    try:
        with opened(path) as image:
            grey = image.mode in ("1", "L", "LA", "I") or image.mode.startswith("I;16")
        return alpha_is_used(path), grey
    except DataError:  # it is named when it is read for good
        return None


def hidden_images(folder: Path) -> dict[str, list[Path]]:
    """The images in each hidden folder below *folder* (``.ipynb_checkpoints``), by its path from there."""
    found: dict[str, list[Path]] = {}
    for root, folders, _ in os.walk(folder):
        for name in filter(is_hidden, folders):
            inner = os.path.join(root, name)
            if images := [Path(below, file) for below, _, files in os.walk(inner) for file in files if is_image(file)]:
                found[os.path.relpath(inner, folder)] = images
        folders[:] = sorted(name for name in folders if not is_hidden(name))
    return found


def skipped(folder: Path, used: str = "") -> tuple[str, ...]:
    """Notes, a line each: the hidden folders below *folder* that contain images, and the files that are none by name.

    A file called *used* is no such file.
    """
    hidden = hidden_images(folder)
    others: Counter[str] = Counter()
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        beside = [name for name in files if name != used and not is_hidden(name) and not is_image(name)]
        others.update(os.path.splitext(name)[1].lower() or name for name in beside)
    notes = []
    if hidden:
        n, which = sum(map(len, hidden.values())), some(f"{name}/" for name in sorted(hidden))
        notes.append(f"{count(n, 'image')} in hidden folders skipped: {which}")
    if others:
        ranked = sorted(others.items(), key=lambda item: (-item[1], item[0]))
        which = some(suffix for suffix, _ in ranked)
        notes.append(f"{count(sum(others.values()), 'file')} skipped, not images by their suffix ({which})")
    return tuple(notes)


def similar_names(names: Iterable[str]) -> tuple[str, ...]:
    """Notes, a line each: class names that differ only in capitals or in spaces around them.

    >>> similar_names(["cat", "Cat ", "dog"])
    ("the classes 'cat', 'Cat ' differ only in capitals or spaces; give them one name if they are one class",)
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(" ".join(name.casefold().split()), []).append(name)
    return tuple(
        f"the classes {', '.join(map(repr, group))} differ only in capitals or spaces; give them one name if they "
        "are one class"
        for group in groups.values()
        if len(group) > 1
    )


def some(names: Iterable[object], limit: int = _LISTED) -> str:
    """The first few of *names*, and how many more there are.

    >>> some("abcdefg", 3)
    'a, b, c and 4 more'
    """
    texts = [str(name) for name in names]
    return ", ".join(texts[:limit]) + (f" and {len(texts) - limit} more" if len(texts) > limit else "")


def some_quoted(names: Iterable[object], limit: int = _LISTED) -> str:
    """As :func:`some`, each name in quotes."""
    return some(map(repr, names), limit)


def count(n: int, what: str) -> str:
    """
    >>> count(1, "image"), count(2000, "image"), count(2, "class")
    ('1 image', '2,000 images', '2 classes')
    """
    plural = "" if n == 1 else "es" if what.endswith("s") else "s"
    return f"{n:,} {what}{plural}"
