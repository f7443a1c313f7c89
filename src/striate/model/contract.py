"""The contract: everything, besides the weights, that decides what a model answers for a file.

It is written once, when training starts, and used (not merely documented) by training, evaluation and
prediction alike, through :mod:`striate.model.prepare`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from striate.errors import ModelError, nearest

TASKS = ("classification",)
RESIZE = ("stretch", "fit", "crop")
INTERPOLATION = ("nearest", "bilinear", "bicubic")
LARGEST_SIDE = 16_384  # pixels, of what an image is scaled to
MODES = {"L": 1, "RGB": 3}  # Pillow's names: the order of the channels, and how many they are


@dataclass(frozen=True)
class Contract:
    """How an image becomes the network's input, and the network's output an answer.

    Args:
        task: ``"classification"``.
        classes: The class names, in the order of the network's outputs.
        input: ``(C, H, W)`` that the network takes.
        mode: The channels' order, in Pillow's words: ``"L"`` (grey) or ``"RGB"``.
        mean: Per channel, of pixels scaled to 0..1.
        std: Per channel, likewise; above 0.
        resize: ``"stretch"`` to the input's size; ``"fit"`` inside it and fill with black;
            ``"crop"`` the middle after filling it.
        interpolation: ``"nearest"``, ``"bilinear"`` or ``"bicubic"`` (Pillow's, with anti-aliasing).
        scale_to: With ``"crop"``: the shorter side becomes so many pixels, then the middle is cut out (resize 256,
            crop 224, as torchvision's weights were measured); None: as few as the input has.

    Raises:
        ModelError: A field is not one of the above, or does not fit the others.

    >>> Contract(("cat", "dog"), (1, 32, 32), "L", (0.5,), (0.25,)).input
    (1, 32, 32)
    """

    classes: tuple[str, ...]
    input: tuple[int, ...]
    mode: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: str = "stretch"
    interpolation: str = "bilinear"
    task: str = "classification"
    scale_to: int | None = None

    def __post_init__(self) -> None:
        for field, choices in (
            ("task", TASKS),
            ("mode", tuple(MODES)),
            ("resize", RESIZE),
            ("interpolation", INTERPOLATION),
        ):
            value = getattr(self, field)
            if not isinstance(value, str) or value not in choices:
                raise ModelError(f"contract: {field} is {value!r}{nearest(str(value), choices)}")
        if not all(isinstance(c, str) and c for c in self.classes) or len(set(self.classes)) < len(self.classes):
            raise ModelError(f"contract: the classes must be different names, got {list(self.classes)}")
        for name in self.classes:
            if any(0xD800 <= ord(c) <= 0xDFFF for c in name):  # how Python reads a folder's name that is no UTF-8
                raise ModelError(f"contract: the class name {name!r} is no text (UTF-8); rename it")
        if len(self.classes) < 2:
            raise ModelError(f"contract: there must be two classes or more, got {list(self.classes)}")
        if len(self.input) != 3 or not all(type(n) is int and n > 0 for n in self.input):
            raise ModelError(f"contract: input must be channels, height, width, got {list(self.input)}")
        channels = MODES[self.mode]
        if not self.input[0] == len(self.mean) == len(self.std) == channels:
            raise ModelError(
                f"contract: mode {self.mode} has {channels} channel(s), but the input has {self.input[0]}, "
                f"mean {len(self.mean)} and std {len(self.std)}"
            )
        if not all(_finite(v) for v in self.mean + self.std) or min(self.std) <= 0:
            raise ModelError(f"contract: mean {list(self.mean)} and std {list(self.std)} must be numbers, std above 0")
        self._check_scale()

    def _check_scale(self) -> None:
        if self.scale_to is None:
            return
        if self.resize != "crop":
            raise ModelError(f"contract: scale_to goes with resize crop, not with {self.resize!r}")
        least = max(self.input[1:])
        if type(self.scale_to) is not int or not least <= self.scale_to <= LARGEST_SIDE:
            raise ModelError(
                f"contract: scale_to must be a whole number from {least:,} (the input's longer side) to "
                f"{LARGEST_SIDE:,}, got {self.scale_to!r}"
            )

    def to_json(self) -> str:
        values = {name: value for name, value in asdict(self).items() if name != "scale_to" or value is not None}
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """The contract in *text*; ModelError where it is not one."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"contract: not JSON ({error})") from None
        if not isinstance(values, dict):
            raise ModelError(f"contract: expected an object, got {type(values).__name__}")
        known = {f.name for f in fields(cls)}
        for name in values.keys() - known:
            raise ModelError(f"contract: unknown field {name!r}{nearest(name, sorted(known))}")
        for name in sorted(known - values.keys() - {"scale_to"}):  # files from before it was there do not have it
            raise ModelError(f"contract: the field {name!r} is missing")
        for name in ("classes", "input", "mean", "std"):
            if not isinstance(values[name], list):
                raise ModelError(f"contract: {name} must be a list, got {values[name]!r}")
            values[name] = tuple(values[name])
        return cls(**values)


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
