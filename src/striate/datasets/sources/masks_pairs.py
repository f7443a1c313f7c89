"""Which mask belongs to which image, by their names; and which of two lots of images are masks, by their content."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from os.path import commonprefix
from pathlib import Path
from typing import NamedTuple

import numpy as np

from striate.errors import DataError
from striate.model.image import decode_mask, header

ENDINGS = ("_mask", "_masks", "_label", "_labels", "_gt", "_seg", "_L")  # of a mask's stem, after its image's
_ENCODINGS = ("_labelIds", "_labelTrainIds")
MASK_WORDS = set(
    "mask masks label labels lbl lbls annotation annotations annot annots ann gt groundtruth truth seg segs "
    "segmentation segmentations segmentationclass semantic trimap trimaps target targets matte mattes manual l".split()
)
IMAGE_WORDS = set(
    "image images img imgs photo photos picture pictures original originals rgb jpegimages input inputs raw frames "
    "camera camerargb".split()
)
BLURRING = {".jpg", ".jpeg", ".jpe", ".jfif", ".webp"}  # formats that change values
_PIXELS = 1 << 17  # whose values are counted
_LOOKED = 6  # files of a side that are decoded to see what they are
_PHOTOS = 3  # files that are decoded to see that a folder has photos
_FEW = 32  # values of a mask, mostly
_SAME = 0.8  # of a mask's pixels are as the one beside them


def name_words(name: str) -> set[str]:
    """The words in a file's or folder's name.

    >>> sorted(name_words("CameraSeg_01"))
    ['camera', 'cameraseg', 'seg']
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return set(re.findall(r"[a-z]+", apart.lower())) | {re.sub("[^a-z]", "", name.lower())}


class Matched(NamedTuple):
    """The masks of each image's stem, with what their names have besides it; and those of no image."""

    of: dict[str, list[tuple[str, Path]]]
    over: list[Path]

    @property
    def n(self) -> int:
        return sum(map(len, self.of.values()))


def one_encoding(stems: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Of masks that are there in several encodings (Cityscapes' ``_labelIds``, ``_instanceIds``, ``_color``), one.

    >>> one_encoding([("a_color", Path("a_color.png")), ("a_labelIds", Path("a_labelIds.png"))])
    [('a_labelIds', PosixPath('a_labelIds.png'))]
    """
    for ending in _ENCODINGS:
        if found := [(stem, path) for stem, path in stems if stem.endswith(ending)]:
            return found
    return stems


def stem_from(path: Path, folder: Path) -> str:
    """The path from *folder*, without suffix.

    >>> stem_from(Path("images/city/a.jpg"), Path("images"))
    'city/a'
    """
    return path.relative_to(folder).with_suffix("").as_posix()


def matched(images: Sequence[str], masks: Sequence[tuple[str, Path]]) -> Matched:
    """The masks of each image, by stems: the same, with a usual ending, or with the image's within the mask's; else by
    what is left when all names of a side lose what they have in common (``img_01`` and ``mask_01``).

    >>> found = matched(["img_1", "img_2"], [("mask_1", Path("mask_1.png")), ("mask_2", Path("mask_2.png"))])
    >>> {stem: [path.name for _, path in of] for stem, of in found.of.items()}
    {'img_1': ['mask_1.png'], 'img_2': ['mask_2.png']}
    """
    stems = set(images)
    by_name = {stem.rpartition("/")[2]: stem for stem in images}
    of: dict[str, list[tuple[str, Path]]] = {}
    over = []
    for stem, path in masks:
        found = _partner(stem, stems, by_name)
        if found:
            of.setdefault(found[0], []).append((found[1], path))
        else:
            over.append(path)
    best = Matched(of, over)
    if 2 * best.n >= len(masks):
        return best
    cores = dict(zip(_cores(images), images, strict=True))
    pairs = [(cores.get(core), path) for core, (_, path) in zip(_cores([s for s, _ in masks]), masks, strict=True)]
    if len(cores) < len(stems) or sum(stem is not None for stem, _ in pairs) <= best.n:
        return best
    of = {}
    for stem_, path in pairs:
        if stem_ is not None:
            of.setdefault(stem_, []).append(("", path))
    return Matched(of, [path for stem_, path in pairs if stem_ is None])


def _partner(stem: str, stems: set[str], by_name: dict[str, str]) -> tuple[str, str] | None:
    """The image's stem that a mask's belongs to, and what the mask's has besides."""
    if stem in stems:
        return stem, ""
    for ending in ENDINGS:
        if (short := stem.removesuffix(ending)) in stems and short != stem:
            return short, ending
    folder, _, name = stem.rpartition("/")
    edges = [m.start() for m in re.finditer(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])|(?=[\W_])|(?<=[\W_])", name)]
    edges = [*dict.fromkeys([0, *edges, len(name)])]
    if len(edges) > 40:
        return None
    pieces = sorted(((i, j) for i in edges for j in edges if i < j), key=lambda ij: (ij[0] - ij[1], ij[0]))
    for i, j in pieces:
        if (other := by_name.get(name[i:j])) is not None:
            return other, f"{folder} {name[:i]} {name[j:]}".strip()
    return None


def _cores(stems: Sequence[str]) -> list[str]:
    """The stems without what all of them begin and end with, digits apart."""
    names = [stem.rpartition("/")[2] for stem in stems]
    if len(set(names)) < 2:
        return names
    start = commonprefix(names).rstrip("0123456789")
    end = commonprefix([name[::-1] for name in names])[::-1].lstrip("0123456789")
    return [name[len(start) : len(name) - len(end)] if len(start) + len(end) < len(name) else name for name in names]


@dataclass(frozen=True)
class SideLook:
    """What a sample of one side looks like: the middle and all numbers of values, and whether they lie in regions."""

    values: int
    union: int
    regions: bool

    @classmethod
    def of(cls, paths: Sequence[Path]) -> SideLook | None:
        """None where none can be read."""
        looks = [look for path in paths if (look := _file_look(path, _time(path)))]
        if not looks:
            return None
        counts = sorted(len(values) for values, _ in looks)
        union = set().union(*(values for values, _ in looks))
        return cls(counts[len(counts) // 2], len(union), float(np.median([same for _, same in looks])) >= _SAME)

    @property
    def is_few(self) -> bool:
        return self.values <= _FEW and 2 <= self.union <= 2 * _FEW


@lru_cache(maxsize=512)
def _file_look(path: Path, _: int) -> tuple[frozenset[int], float] | None:
    """The values in a file, those of smoothed edges apart, and how many pixels are as the one beside them."""
    try:
        values = decode_mask(path)
    except DataError:
        return None
    corner = values[:512, :512]
    same = (corner[:, 1:] == corner[:, :-1]).mean() if values.shape[1] > 1 else 1.0
    step = max(1, round((values.size / _PIXELS) ** 0.5))
    found, n = np.unique(values[::step, ::step], return_counts=True)
    first = found[n.argmax()]
    far = np.abs(found - first) > _FEW
    second = found[far][n[far].argmax()] if far.any() else first
    near = abs(second - first) // 16  # smoothed edges, or JPEG
    main = n[(np.abs(found - first) <= near) | (np.abs(found - second) <= near)].sum() / n.sum()
    few = found if len(found) <= _FEW or main < 0.8 else np.unique([first, second])
    return frozenset(few.tolist()), float(same)


def _time(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


NO, MAYBE, YES = range(3)


def are_masks(pairs: Sequence[tuple[Path, Path]], *, hinted: bool) -> int:
    """Whether the second files of *pairs* are masks of the first, by their content: ``NO``, ``MAYBE`` or ``YES``.

    Masks have few values, which lie in regions, and their images' sizes; images have many more values.

    Args:
        pairs: Files (image, mask).
        hinted: The names say so already; regions need not.
    """
    some = pairs[:: max(1, len(pairs) // _LOOKED)][:_LOOKED]
    blurred = all(mask.suffix.lower() in BLURRING for _, mask in some)
    if (blurred and not hinted) or 2 * sum(_size(image) == _size(mask) for image, mask in some) < len(some):
        return NO
    first = SideLook.of([mask for _, mask in some[:2]])
    if first is None or first.values > _FEW:  # photos
        return NO
    masks, images = SideLook.of([mask for _, mask in some]), SideLook.of([image for image, _ in some])
    if masks is None or images is None or not masks.is_few or images.values <= max(16, 3 * masks.values):
        return NO
    return YES if hinted or masks.regions else MAYBE


def are_photos(paths: Iterable[Path]) -> bool:
    """Quickly: whether the first of *paths* have too many values for masks, every one of them."""
    looks = [_file_look(path, _time(path)) for path in islice(paths, _PHOTOS)]
    return all(look and len(look[0]) > _FEW for look in looks)


def _size(path: Path) -> tuple[int, int] | None:
    try:
        return header(path)[1]
    except DataError:
        return None


def masks_beside(paths: Sequence[Path]) -> list[Path]:
    """The masks among the files of a class: in a folder ``masks/`` beside ``images/``, or called as their images and
    ``mask``.

    >>> masks_beside([Path("benign (1).png"), Path("benign (1)_mask.png"), Path("benign (1)_mask_1.png")])
    [PosixPath('benign (1)_mask.png'), PosixPath('benign (1)_mask_1.png')]
    """
    inside = {path.parent for path in paths}
    drawn = {
        folder for folder in inside if folder.name.lower() in ("mask", "masks") and _beside(folder) & _lower(inside)
    }
    if drawn:
        return [path for path in paths if path.parent in drawn]
    ending = re.compile(r"(.+?)[ _-](masks?|gt|seg|segmentation)([ _-]?\d+)?", re.IGNORECASE)
    matches = [(path, match) for path in paths if (match := ending.fullmatch(path.stem))]
    stems = {path.parent / path.stem for path in paths} if matches else set()
    return [path for path, match in matches if path.parent / match[1] in stems]


def _beside(folder: Path) -> set[str]:
    return {str(folder.parent / name).lower() for name in ("images", "image", "imgs", "img")}


def _lower(folders: Iterable[Path]) -> set[str]:
    return {str(folder).lower() for folder in folders}


def parted(paths: Sequence[Path]) -> tuple[list[Path], list[Path]] | None:
    """The images and the masks among files of one folder, by their names: ``1.png`` and ``1_mask.png``, ``img_1`` and
    ``mask_1``, ``1.jpg`` and ``1.png``; None where they do not fall in two.

    >>> parted([Path(name) for name in ("1.png", "1_mask.png", "2.png", "2_mask.png")])
    ([PosixPath('1.png'), PosixPath('2.png')], [PosixPath('1_mask.png'), PosixPath('2_mask.png')])
    """
    stems = {path.stem for path in paths}
    endings: Counter[str] = Counter()
    for stem in stems:
        for match in re.finditer(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])|(?=[\W_])", stem):
            if stem[: match.start()] in stems:
                endings[re.sub(r"\d+", "#", stem[match.start() :])] += 1
    for ending, n in endings.most_common(3):
        if ending.strip("_-#. ()") and 3 * n >= len(stems) and n > 1:
            pattern = re.compile(".+" + re.escape(ending).replace(r"\#", r"\d+") + r"([_-]?\d+)?")
            masks = [path for path in paths if pattern.fullmatch(path.stem)]
            return [path for path in paths if path not in set(masks)], masks
    shapes: dict[str, list[Path]] = {}
    for path in paths:
        shapes.setdefault(re.sub(r"\d+", "#", path.stem) + path.suffix.lower(), []).append(path)
    if len(shapes) == 2 and len({len(of) for of in shapes.values()}) == 1:
        first, second = sorted(shapes.values(), key=lambda of: bool(name_words(of[0].stem) & MASK_WORDS))
        return first, second
    return None
