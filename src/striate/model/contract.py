"""The contract: everything besides the weights that decides what a model predicts for an item.

It is written once, when training starts, and used (not merely documented) by training, evaluation and
prediction alike, through :mod:`striate.model.prepare`.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields

from striate.errors import ModelError, RecipeError, nearest
from striate.tasks import CLASSIFICATION, TaskField
from striate.tasks.task import IGNORE as IGNORE

EXPORTED = ".onnx"  # how the files end that striate.runtime opens
FORMAT = "striate 1"  # what the files that contain a contract say of themselves
RESIZE = ("stretch", "fit", "crop")
INTERPOLATION = ("nearest", "bilinear", "bicubic")
_SHIFTS = tuple((down, right) for down in (0, -1, 1) for right in (0, -1, 1))
_DIAGONAL = {(0, 0): 2, (-1, -1): 1, (1, 1): 1}
# test-time augmentation: the views of an image over which scores are averaged: weight, mirrored, pixels down, right
TEST_TIME: dict[str, tuple[tuple[int, bool, int, int], ...]] = {
    "none": ((1, False, 0, 0),),
    "flip": ((1, False, 0, 0), (1, True, 0, 0)),
    "shift": tuple((1, False, *by) for by in _SHIFTS),
    "flip+shift": tuple((weight, mirrored, *by) for by, weight in _DIAGONAL.items() for mirrored in (False, True)),
}
LARGEST_SIDE = 16_384  # pixels, of what an image is scaled to
# How an item is read, and its channels: Pillow's names for images; "channels" for bytes of any number of channels,
# "values" for floating point of any rank (both from arrays alone); "text" for sentences.
MODES: dict[str, int | None] = {"L": 1, "RGB": 3, "RGBA": 4, "channels": None, "values": None, "text": 0}
OF_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}  # the modes whose items may be image files
IMAGES = (*OF_CHANNELS.values(),)
PADDING, UNKNOWN = 0, 1  # the numbers of no word, and of a word that training never saw; then the vocabulary's


@dataclass(frozen=True)
class Contract:
    """How an item becomes the network's input, and the network's output a prediction.

    Args:
        classes: The names of the network's outputs, in their order: the classes; in regression, the values.
        input: What the network takes: ``(C, H, W)`` of images, ``(C, ...)`` of values, ``(L,)`` of a text's words.
        mode: One of ``MODES``: ``"L"`` (grey), ``"RGB"``, ``"RGBA"``, ``"channels"``, ``"values"``, ``"text"``.
        mean: Per channel; of bytes, scaled to 0..1 first. None for texts.
        std: Per channel, in the same units; above 0.
        resize: ``"stretch"`` to the input's size; ``"fit"`` inside it and fill with black;
            ``"crop"`` the middle after filling it.
        interpolation: ``"nearest"``, ``"bilinear"`` or ``"bicubic"`` (Pillow's, with anti-aliasing).
        task: A :class:`~striate.tasks.Task`, or its name.
        scale_to: With ``"crop"``: the shorter side becomes this many pixels, then the middle is cut out (resize 256,
            crop 224, as torchvision's weights were measured); None: as few as the input has.
        target_mean: In regression, per value: the network learns ``(value - target_mean) / target_std``.
        target_std: Likewise; above 0.
        positions: In regression on images: the pairs of values that are an x and a y in the image. They are in
            pixels of the image as it came, upright; the network learns them as shares of its input's sides.
        mask_values: In segmentation, per class: its pixels' value in a mask file (0xRRGGBB of a coloured one). Other
            values are ignored, in training and in measuring.
        vocabulary: For texts: the words from number 2 on; 0 is padding, 1 a word that is not here.
        value_range: Of images of more than 8 bits or of floating point: the lowest and the highest value, which become
            0 and 255. None: 0 and 65,535; floating point is refused then.
        tta: Test-time augmentation: scores are the mean over ``"none"``: the image; ``"flip"``: it and its mirror image
            (twice the time; Simonyan and Zisserman 2014, section 3.2); ``"shift"``: it and the eight that are shifted
            by a pixel (nine times); ``"flip+shift"``: it, counted twice, and two shifted by a pixel along the diagonal,
            each with its mirror image (six times; Jordan 2024, "94% on CIFAR-10 in 3.29 seconds").
        temperature: What scores are divided by before they become probabilities, above 0; fitted on validation.
        threshold: Of one class per item: the probability below which the answer is "unknown"; None: never.
        sets: Of one class per item: ``(coverage, probability)`` in ascending order: the classes of this probability or
            more contain the right one for that share of the items.
        energy: Of one class per item: the ``log sum exp`` of the scores that one ordinary item in a hundred falls
            below, ``(1,)``; empty where it is not known.
        look: The lowest and the highest that ordinary items have of brightness, contrast, detail and colour, as
            :mod:`striate.model.ordinary` measures them; empty where it is not known.
        smallest: Of images: the smallest shorter side of those of training, in pixels; None where it is not known.

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
    task: TaskField = TaskField(CLASSIFICATION, error=ModelError, where="contract: ")
    scale_to: int | None = None
    target_mean: tuple[float, ...] = ()
    target_std: tuple[float, ...] = ()
    positions: tuple[tuple[int, int], ...] = ()
    mask_values: tuple[int, ...] = ()
    vocabulary: tuple[str, ...] = ()
    value_range: tuple[float, ...] = ()
    tta: str = "none"
    temperature: float = 1.0
    threshold: float | None = None
    sets: tuple[tuple[float, float], ...] = ()
    energy: tuple[float, ...] = ()
    look: tuple[tuple[float, float], ...] = ()
    smallest: int | None = None

    def __post_init__(self) -> None:
        for field, choices in (
            ("mode", tuple(MODES)),
            ("resize", RESIZE),
            ("interpolation", INTERPOLATION),
            ("tta", tuple(TEST_TIME)),
        ):
            value = getattr(self, field)
            if not isinstance(value, str) or value not in choices:
                raise ModelError(f"contract: {field} is {value!r}{nearest(str(value), choices)}")
        self._check_classes()
        self._check_input()
        self._check_scale()
        self._check_targets()
        self._check_vocabulary()
        self._check_range()
        self._check_sureness()
        if self.tta != "none" and not self.mirrors:
            raise ModelError(f"contract: tta {self.tta} {NO_MIRROR}; use tta none")

    @property
    def mirrors(self) -> bool:
        """Whether a mirrored or shifted item is an item too: of images, unless positions in them are predicted."""
        return self.mode != "text" and len(self.input) == 3 and not self.positions

    def _check_classes(self) -> None:
        if not all(isinstance(c, str) and c for c in self.classes) or len(set(self.classes)) < len(self.classes):
            raise ModelError(f"contract: the classes must be different names, got {list(self.classes)}")
        for name in self.classes:
            if any(0xD800 <= ord(c) <= 0xDFFF for c in name):  # how Python reads a folder's name that is not UTF-8
                raise ModelError(f"contract: the class name {name!r} is not valid UTF-8 text; rename it")
        if len(self.classes) < self.task.min_classes:
            raise ModelError(
                f"contract: there must be {self.task.count(self.task.min_classes)} or more, got {list(self.classes)}"
            )
        if self.task.max_classes is not None and len(self.classes) > self.task.max_classes:
            raise ModelError(f"contract: {self.task} is into {self.task.max_classes} classes at most")

    def _check_input(self) -> None:
        axes = {"values": range(1, 5), "text": range(1, 2)}.get(self.mode, range(3, 4))
        if len(self.input) not in axes or not all(type(n) is int and n > 0 for n in self.input):
            expected = {"values": "channels and up to three sides", "text": "a number of words"}
            raise ModelError(
                f"contract: input must be {expected.get(self.mode, 'channels, height, width')}, got {list(self.input)}"
            )
        channels = self.input[0] if MODES[self.mode] is None else MODES[self.mode]
        came = 0 if self.mode == "text" else self.input[0]
        if not came == len(self.mean) == len(self.std) == channels:
            raise ModelError(
                f"contract: mode {self.mode} has {channels} channel(s), but the input has {came}, "
                f"mean {len(self.mean)} and std {len(self.std)}"
            )
        if not all(_finite(v) for v in self.mean + self.std) or min(self.std, default=1) <= 0:
            raise ModelError(f"contract: mean {list(self.mean)} and std {list(self.std)} must be numbers, std above 0")

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

    def _check_targets(self) -> None:
        n = len(self.classes)
        for field in ("target_mean", "target_std", "mask_values"):
            expected, values = n if field in self.task.contract_fields else 0, getattr(self, field)
            if len(values) != expected:
                raise ModelError(
                    f"contract: {field} must have {expected} number(s) for the task {self.task}, got {values}"
                )
        if not all(_finite(v) for v in self.target_mean + self.target_std) or min(self.target_std, default=1) <= 0:
            raise ModelError("contract: target_mean and target_std must be numbers, target_std above 0")
        if not all(type(v) is int and 0 <= v < 2**24 for v in self.mask_values) or len(set(self.mask_values)) < len(
            self.mask_values
        ):
            raise ModelError(f"contract: mask_values must be different whole numbers, got {list(self.mask_values)}")
        if self.task.per_pixel and self.mode not in (*IMAGES, "channels"):
            raise ModelError(f"contract: {self.task} is of images, got the mode {self.mode}")
        pairs = all(isinstance(pair, tuple) and len(pair) == 2 for pair in self.positions)
        numbers = [i for pair in self.positions for i in pair] if pairs else []
        whole = all(type(i) is int and 0 <= i < n for i in numbers)
        if self.positions and not (numbers and whole and len(set(numbers)) == len(numbers) and self.task.has_positions):
            raise ModelError(f"contract: positions must be pairs of different values' numbers, got {self.positions}")

    def _check_vocabulary(self) -> None:
        words = self.vocabulary
        if (self.mode == "text") != bool(words) or not all(isinstance(word, str) and word for word in words):
            raise ModelError("contract: a vocabulary (of words that are not empty) goes with the mode text")
        if len(set(words)) < len(words):
            raise ModelError("contract: the vocabulary contains a word twice")

    def _check_range(self) -> None:
        values = self.value_range
        if values and not (len(values) == 2 and all(map(_finite, values)) and values[0] < values[1]):
            raise ModelError(f"contract: value_range must be two numbers, the lower first, got {values}")
        if values and self.mode not in IMAGES:
            raise ModelError(f"contract: value_range is of images, got the mode {self.mode}")

    def _check_sureness(self) -> None:
        if not _finite(self.temperature) or not self.temperature > 0:
            raise ModelError(f"contract: temperature must be a number above 0, got {self.temperature!r}")
        if self.threshold is not None and not _share(self.threshold):
            raise ModelError(f"contract: threshold must be a probability, from 0 to 1, got {self.threshold!r}")
        pairs = all(isinstance(pair, tuple) and len(pair) == 2 and all(map(_share, pair)) for pair in self.sets)
        if not pairs or list(self.sets) != sorted(self.sets):
            raise ModelError(f"contract: sets must be pairs of a coverage and a probability, got {self.sets}")
        if not (len(self.energy) < 2 and all(map(_finite, self.energy))):
            raise ModelError(f"contract: energy must be one number, got {self.energy}")
        pairs = all(isinstance(pair, tuple) and len(pair) == 2 and all(map(_finite, pair)) for pair in self.look)
        if not pairs or len(self.look) > 4 or any(low > high for low, high in self.look):
            raise ModelError(f"contract: look must be pairs of a lowest and a highest value, got {self.look}")
        if self.smallest is not None and not (type(self.smallest) is int and self.smallest > 0):
            raise ModelError(f"contract: smallest must be a number of pixels, got {self.smallest!r}")
        if not self.task.activation and self.temperature != 1:
            raise ModelError(f"contract: a temperature goes with probabilities, and {self.task} has none")
        of = next((name for name in SURENESS[1:4] if getattr(self, name) not in (None, ())), "")
        if of and not self.task.exclusive:
            raise ModelError(f"contract: {of} goes with one class per item, not with {self.task}")

    def least_for(self, coverage: float) -> float:
        """The probability from which on a class is in the prediction sets of *coverage*, or of the next that is known.

        Raises:
            RecipeError: None is known.
        """
        if not self.task.exclusive:
            raise RecipeError(
                f"prediction sets are for models with one class per item, this one is for {self.task}; omit sets"
            )
        known = [least for level, least in self.sets if level >= coverage - 1e-9]
        if known and coverage > 0:
            return known[0]
        from striate.metrics.conformal import why_no_sets
        from striate.metrics.shared import share_of

        coverage = share_of(coverage, "sets")
        raise RecipeError(why_no_sets(coverage, [level for level, _ in self.sets]))

    def to_json(self) -> str:
        values = {f.name: getattr(self, f.name) for f in fields(self)} | {"task": self.task.name}
        late = {f.name: f.default for f in fields(self)[LATE:]}
        return json.dumps({n: v for n, v in values.items() if v != late.get(n, ...)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """The contract in *text*; ModelError where it is not one."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"contract: not JSON ({error})") from None
        if not isinstance(values, dict):
            raise ModelError(f"contract: expected an object, got {type(values).__name__}")
        known = {f.name: f for f in fields(cls)}
        for name in values.keys() - known.keys():
            raise ModelError(f"contract: unknown field {name!r}{nearest(name, sorted(known))}")
        for name in sorted({f.name for f in fields(cls)[:LATE]} - values.keys()):
            raise ModelError(f"contract: the field {name!r} is missing")
        for name, value in values.items():
            if known[name].default in ((), MISSING) and name != "mode":
                if not isinstance(value, list):
                    raise ModelError(f"contract: {name} must be a list, got {value!r}")
                values[name] = tuple(tuple(v) if isinstance(v, list) else v for v in value)
        return cls(**values)


def check_tta(tta: str, contract: Contract) -> None:
    """RecipeError where that is no test-time augmentation, or none for what the *contract* says."""
    if tta not in TEST_TIME:
        raise RecipeError(f"tta is {tta!r}{nearest(tta, TEST_TIME)}")
    if tta != "none" and not contract.mirrors:
        raise RecipeError(f"tta {tta} {NO_MIRROR}; omit it")


NO_MIRROR = "is for images, and for targets that stay the same when an image is mirrored or shifted"
SURENESS = (
    "temperature",
    "threshold",
    "sets",
    "energy",
    "look",
    "smallest",
)  # fitted after training, for these weights
LATE = 8  # the fields from here on are omitted from the JSON where they have their default


def _share(value: object) -> bool:
    return _finite(value) and 0 <= value <= 1  # type: ignore[operator]


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
