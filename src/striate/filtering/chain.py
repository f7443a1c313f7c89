"""Chains of stages on one image, ``"conv sobel-x; relu; maxpool 2"``: every stage is shown; several side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.errors import SeeError, align_columns, nearest, shape_text
from striate.filtering.kernels import COMBINED, NAMED, SIZED, find_kernel
from striate.filtering.lab import (
    Filterable,
    FilteredImage,
    activation,
    convolve,
    kernel_panels,
    pool,
    read_pixels,
)
from striate.filtering.sliding import ACTIVATIONS
from striate.filtering.steps import input_panel
from striate.plotting.picture import ColourScale, HasPicture, Panel, Picture, image_panel, panel_grid, range_text

POOLINGS = {"maxpool": "max", "avgpool": "average", "sumpool": "sum"}
WORDS = ("conv", *POOLINGS, *ACTIVATIONS)
SETTINGS = {"conv": ("stride", "padding", "dilation"), "pool": ("stride", "padding")}
BETWEEN = re.compile(r"\s+then\s+|->|\n")  # other ways to write the semicolon
PART = re.compile(
    r"""(?:[^;,\[\]'"]|\[[^\]]*\]|'[^']*'|"[^"]*")+"""
)  # up to a semicolon or a comma that stands in no brackets
WORD = re.compile(r"""\[[^\]]*\]|'[^']*'|"[^"]*"|[^\s\[\]'"]+""")
TABLE = (
    "identity", "sharpen", "box", "gaussian", "sobel-x", "sobel-y", "laplacian", "laplacian-8", "emboss", "unsharp",
)  # fmt: skip
TABLE_SIDE = 240  # pixels to which a photo is reduced for the table: of a larger one a kernel of 3x3 is not seen
KERNEL_SIDE = 170  # of the table, on the page
KEEP_UNIT = ("relu", "max", "average")  # whose numbers can be compared with those that they get

Stage = tuple[str, Callable[[Filterable], FilteredImage]]  # as it was written, and what it does


@dataclass(frozen=True, eq=False)
class FilterChains(HasPicture):
    """Every stage of one chain, or of several side by side, on one image.

    Args:
        name: Of the image.
        image: ``(H, W)`` or ``(H, W, 3)``, what the first stages were given.
        white: The number that is white in it; 0: it is no photo.
        chains: Of each its stages, as they were written and with what they gave.
        table: Whether they are the kernels of the tutorials, whose numbers are drawn beside them.
    """

    name: str
    image: np.ndarray
    white: float
    chains: tuple[tuple[tuple[str, FilteredImage], ...], ...]
    table: bool = False

    @property
    def output(self) -> np.ndarray:
        """What the last stage of the last chain gave."""
        return self.chains[-1][-1][1].output

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        chains = [[{"stage": words, **done.as_dict()} for words, done in chain] for chain in self.chains]
        return {"image": self.name, "input": list(self.image.shape), "chains": chains}

    def __str__(self) -> str:
        rows = [("input", shape_text(self.image.shape), range_text(self.image), "")]
        for i, chain in enumerate(self.chains):
            if i and max(map(len, self.chains)) > 1:
                rows.append(("", "", "", ""))
            for words, done in chain:
                notes = [done.title[done.title.index("divided") :] if "divided" in done.title else "", done.unread()]
                rows.append(
                    (words, shape_text(done.output.shape), range_text(done.output), "; ".join(filter(None, notes)))
                )
        return "\n".join([f"{self.name}, each stage with its output's size and range", *align_columns(rows, left=4)])

    def picture(self, show: str = "colour") -> Picture:
        """The input and every stage: of one chain one after the other, of several a row each; single stages, and the
        kernels of the table, side by side. Numbers that are of one kind have one scale of colours.
        """
        scales = {} if show == "grey" else self._scales()
        found = [[self._panel(i, j, show, scales) for j in range(len(chain))] for i, chain in enumerate(self.chains)]
        first = replace(input_panel(self.image, self.white), note=range_text(self.image))
        single = max(map(len, found)) == 1
        if self.table:
            pairs = [(*kernel_panels(find_kernel(row[0].title), KERNEL_SIDE), row[0]) for row in found]
            panels, columns = [panel for pair in pairs for panel in pair], 4
        elif single or len(found) == 1:
            panels = [first, *(panel for row in found for panel in row)]
            columns = min(4, len(panels)) if len(panels) != 5 else 3
        else:
            columns = 1 + max(map(len, found))
            blank = Panel(np.full((1, 1, 3), 255, np.uint8))
            panels = [p for row in found for p in (first, *row, *[blank] * (columns - 1 - len(row)))]
        colours = {i for i, j in scales if self.chains[i][j][1].output.ndim == 3}  # each colour by itself
        shared = list({id(scale): scale for (i, _), scale in scales.items() if i not in colours}.values())
        bar = shared[0] if len(shared) == 1 else None
        about = []
        if bar:
            about.append("The scale bar is for the outputs in colours.")
        elif shared:
            about.append(
                "Blue is negative, near white zero, red positive; or yellow to black, where nothing is negative."
            )
        if colours:
            about.append("Mid grey is zero where an output may be negative, of red, green and blue each by itself.")
        title = f"{self.name}: {'the usual kernels' if self.table else '; '.join(words for words, _ in self.chains[0])}"
        title = self.name if len(self.chains) > 1 and not self.table else title
        return panel_grid(panels, columns=columns, title=title, scale=bar, footer="\n".join(about))

    def pixels(self, show: str = "colour") -> np.ndarray:
        """The last stage's output alone, as :meth:`FilteredImage.pixels` has it.

        Raises:
            SeeError: There are several chains.
        """
        if len(self.chains) > 1:
            raise SeeError("the result alone is that of one chain; leave out --bare, or the other chains")
        return self.chains[0][-1][1].pixels(show)

    def _panel(self, i: int, j: int, show: str, scales: dict[tuple[int, int], ColourScale]) -> Panel:
        words, done = self.chains[i][j]
        note = f"{shape_text(done.output.shape)}: {done.note(show)}"
        numbers = done.output if done.output.ndim == 2 else None
        return replace(image_panel(done.pixels(show, scales.get((i, j))), title=words, note=note), numbers=numbers)

    def _scales(self) -> dict[tuple[int, int], ColourScale]:
        """The scale of colours of every stage that is no photo. A chain's stages share one until one of
        them gives numbers of another kind; the first such of every chain share theirs, and so on.
        """
        groups: dict[Any, list[tuple[int, int]]] = {}
        for i, chain in enumerate(self.chains):
            kind = 0
            for j, (_, done) in enumerate(chain):
                kind += done.kind not in KEEP_UNIT
                if not done.stays_photo:
                    groups.setdefault((i if self.table else 0, kind), []).append((i, j))
        scales: dict[tuple[int, int], ColourScale] = {}
        for places in groups.values():
            scale = ColourScale.of(*(self.chains[i][j][1].output for i, j in places))
            scales |= dict.fromkeys(places, scale)
        return scales


def lab(chain: str, image: Filterable, *, beside: str | Sequence[str] = (), channels: str = "grey") -> FilterChains:
    """The stages of *chain* on *image*, one after the other, every one of them kept and shown.

    Args:
        chain: Stages as in the notation of networks, a kernel's name or its numbers in brackets in the place of
            channels and size: ``"conv sobel-x; relu; maxpool 2"``, ``"conv [0 -1 0; -1 5 -1; 0 -1 0] padding=same"``;
            ``then`` and ``->`` may stand for the semicolon. Or ``"table"``: identity, edges, sharpen and blur, each
            kernel beside what it gives.
        image: As in :func:`convolve`, and *channels* too.
        beside: A second chain, or several, on the same image.

    Raises:
        SeeError: There is no such stage, kernel or setting, or a window does not fit.

    >>> print(lab("conv [1 -1]; relu; maxpool 2", "1 2 9 4; 5 6 1 8; 3 2 1 0; 1 2 3 4"))
    typed numbers, each stage with its output's size and range
    input        4x4  0 to 9
    conv [1 -1]  4x3  -7 to 5
    relu         4x3  0 to 5
    maxpool 2    2x1  1 to 5   never read: the last column (stride 2)
    """
    pixels, white, photo = read_pixels(image, channels)
    name = "an image" if isinstance(image, np.ndarray | list | tuple | FilteredImage) else Path(str(image)).name
    name = name if photo or name == "an image" else "typed numbers"
    start: Filterable = FilteredImage.start(pixels, white, photo)
    is_table = chain.strip() == "table"
    texts = list(TABLE) if is_table else [chain]
    if is_table and photo and max(pixels.shape[:2]) > TABLE_SIDE:
        pixels = _reduced(pixels)
        name += f", reduced to {shape_text(pixels.shape[:2])}"
        start = FilteredImage.start(pixels, white, photo)
    texts += [beside] if isinstance(beside, str) else beside
    chains = []
    for stages in [parse_chain(text, channels) for text in texts]:
        given, done = start, []
        for words, apply in stages:
            try:
                given = apply(given)
            except SeeError as error:
                raise SeeError(f"{words}: {error}") from None
            done.append((words, given))
        chains.append(tuple(done))
    return FilterChains(name, pixels, white * photo, tuple(chains), is_table)


def _reduced(pixels: np.ndarray) -> np.ndarray:
    """A photo whose longer side is TABLE_SIDE, each pixel the mean of those that it replaces."""
    height, width = pixels.shape[:2]
    share = TABLE_SIDE / max(height, width)
    size = max(1, round(width * share)), max(1, round(height * share))
    image = Image.fromarray(pixels.astype(np.uint8)).resize(size, Image.Resampling.BOX)
    return np.asarray(image, np.float64)


def parse_chain(text: str, channels: str = "grey") -> list[Stage]:
    """The stages that *text* means; *channels* as in :func:`convolve`.

    Raises:
        SeeError: Naming the stage that cannot be understood.

    >>> [words for words, _ in parse_chain("conv sobel-x ; relu; maxpool 2 stride=1")]
    ['conv sobel-x', 'relu', 'maxpool 2 stride=1']
    """
    parts = [" ".join(part.split()) for part in PART.findall(BETWEEN.sub(";", text))]
    stages = [(part, _stage(part, channels)) for part in parts if part]
    if not stages:
        raise SeeError('a chain without stages; expected such as "conv sobel-x; relu; maxpool 2"')
    return stages


def _stage(part: str, channels: str) -> Callable[[Filterable], FilteredImage]:
    word, *rest = WORD.findall(part)
    word = word.lower()
    fields = [field for field in rest if "=" not in field]
    if word in ACTIVATIONS:
        if rest:
            raise SeeError(f"{part}: {word} takes no fields; write {word} alone")
        return partial(activation, kind=word)
    if word in POOLINGS:
        if len(fields) != 1:
            raise SeeError(f"{part}: expected the side of the window, such as {word} 2 or {word} 2x3")
        settings = _settings(part, rest, SETTINGS["pool"])
        size = read_sides(fields[0], part)
        return partial(pool, size=size, kind=POOLINGS[word], **settings)
    if word == "conv":
        settings = _settings(part, rest, SETTINGS["conv"])
        return partial(convolve, kernel=_kernel(part, fields), channels=channels, **settings)
    name = word.replace("_", "-")
    if word[0] == "[" or name in (*NAMED, *COMBINED) or name.rpartition("-")[0] in (*SIZED, "gabor"):
        return _stage(f"conv {part}", channels)
    near = nearest(word, [*WORDS, *NAMED, *COMBINED])
    raise SeeError(f"no stage named {word!r}{near if 'did you mean' in near else nearest(word, WORDS)}")


def _kernel(part: str, fields: list[str]) -> str:
    if len(fields) == 1 and (fields[0][0] in "['\"" or not fields[0][0].isdigit()):
        return fields[0].strip("[]'\"")
    raise SeeError(
        f"{part}: expected a kernel, by its name (conv sobel-x) or its numbers in brackets "
        "(conv [0 -1 0; -1 5 -1; 0 -1 0])"
    )


def _settings(part: str, words: list[str], known: tuple[str, ...]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            continue
        if key not in known:
            raise SeeError(f"{part}: no field {key!r}{nearest(key, known)}")
        settings[key] = value if key == "padding" else read_sides(value, part)
    return settings


def read_sides(text: str, where: str = "size") -> int | tuple[int, int]:
    """The sides of a window: ``"2"`` or ``"2x3"``, height x width.

    Raises:
        SeeError: It is neither; the message begins with *where*.

    >>> read_sides("2"), read_sides("2x3")
    (2, (2, 3))
    """
    if not re.fullmatch(r"\d{1,6}(x\d{1,6})?", text):
        raise SeeError(f"{where}: {text!r} is no number of pixels; expected such as 2, or 2x3 (height x width)")
    numbers = [int(number) for number in text.split("x")]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])
