"""What augmentation may do to an image or a text: a value with a text form."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from striate.errors import RecipeError, nearest, shape_text
from striate.model.contract import Contract

FLIPS = ("no", "random", "alternate")
RANGES = {
    "shift": 16_384.0,
    "rotate": 180.0,
    "scale": 1.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "colour": 1.0,
    "cutout": 16_384.0,
    "mixup": 1.0,
    "cutmix": 1.0,
    "words": 0.99,
}


@dataclass(frozen=True)
class Augment:
    """What may be changed about a training image or text, and how far. ``Augment()`` changes nothing.

    Lengths are pixels where they are whole numbers from 1 on, and fractions of the image's side below 1.

    Raises:
        RecipeError: A value outside its range.

    >>> str(Augment(shift=4, flip="alternate"))
    'shift=4 flip=alternate'
    >>> Augment.parse("standard flip=no rotate=10")
    Augment(shift=0.125, flip='no', vflip='no', rotate=10.0, scale=0.0, brightness=0.0, contrast=0.0, colour=0.0, \
cutout=0.0, mixup=0.0, cutmix=0.0, words=0.0)
    """

    shift: float = 0.0  # at most so far left, right, up and down; the edge's pixels are repeated
    flip: str = "no"  # left to right: no; random: one time in two; alternate: every other epoch
    vflip: str = "no"  # upside down, likewise
    rotate: float = 0.0  # at most so many degrees, either way
    scale: float = 0.0  # 0.2: from 1/1.2 to 1.2 times the size
    brightness: float = 0.0  # 0.2: the pixels times 0.8 to 1.2
    contrast: float = 0.0  # likewise their distances from the image's mean
    colour: float = 0.0  # likewise their distances from grey; of RGB images
    cutout: float = 0.0  # the side of a square, anywhere, that is covered with the mean colour
    mixup: float = 0.0  # the fraction of the images that are blended with another, and their targets too
    cutmix: float = 0.0  # the fraction of the images that have a rectangle out of another, likewise
    words: float = 0.0  # of texts: the fraction of the words that are replaced by the unknown word

    def __post_init__(self) -> None:
        for name in ("flip", "vflip"):
            value = getattr(self, name)
            if value not in FLIPS:
                raise RecipeError(f"augment: {name} is {value!r}{nearest(str(value), FLIPS)}")
        for name, maximum in RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= maximum:
                raise RecipeError(f"augment: {name} must be from 0 to {maximum:g}, got {value!r}")
        for name in ("shift", "cutout"):
            value = getattr(self, name)
            if value > 1 and value != int(value):
                raise RecipeError(
                    f"augment: {name} is {value:g}; below 1 it is a fraction of the image's side, above whole pixels"
                )
        if self.mixup + self.cutmix > 1:
            raise RecipeError(
                f"augment: mixup {self.mixup:g} and cutmix {self.cutmix:g} are fractions of the images, "
                "together at most 1; lower one"
            )

    def __str__(self) -> str:
        """The text that :meth:`parse` reads: what differs from nothing, or ``"none"``."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return " ".join(f"{name}={v if isinstance(v, str) else f'{v:.12g}'}" for name, v in values.items()) or "none"

    @classmethod
    def parse(cls, text: str) -> Augment:
        """The value of a text: a preset's name, settings ``name=value``, or a preset and then what differs from it.

        Raises:
            RecipeError: Something in *text* is not a preset, a setting or a value of it.

        >>> Augment.parse("none") == Augment.parse("") == Augment()
        True
        """
        augment, settings = cls(), {}
        for i, word in enumerate(text.replace(",", " ").split()):
            name, equals, value = word.partition("=")
            if not equals and i == 0 and word in PRESETS:
                augment = PRESETS[word]
            elif name not in NAMES or not equals:
                raise RecipeError(_unknown(word, name, equals, first=i == 0))
            elif name in settings:
                raise RecipeError(f"augment: {name} is in {text!r} twice; omit one")
            else:
                settings[name] = value if name in ("flip", "vflip") else _number(name, value)
        return replace(augment, **settings)  # type: ignore[arg-type]  # each setting has its own type

    @property
    def warps(self) -> bool:
        """Whether pixels are moved to between pixels, and have to be interpolated."""
        return bool(self.rotate or self.scale)

    @property
    def mixes(self) -> bool:
        """Whether the targets become fractions of several classes."""
        return bool(self.mixup or self.cutmix)

    def suited(self, contract: Contract) -> tuple[Augment, tuple[str, ...]]:
        """What of this can be done to the contract's data, and a line to say about each thing that is omitted.

        Segmentation: masks move with their images; nothing is mixed. Regression: only positions move with the image.
        So nothing is mixed or covered; nothing is flipped, rotated or scaled where a value is no position, and
        nothing flipped where there are several positions, since a left and a right one would change places.

        Raises:
            RecipeError: The data are no images, or too small for the settings.
        """
        if self == Augment():
            return self, ()
        if contract.mode == "text" and self == Augment(words=self.words):
            return self, ()
        if contract.mode in ("text", "values"):
            texts = contract.mode == "text"
            what = "texts" if texts else "values whose meaning is not known"
            raise RecipeError(
                f"augment: {self} is for images, and these are {what}; use augment=none{' or words=0.1' * texts}"
            )
        if self.words:
            raise RecipeError(f"augment: words={self.words:g} is for texts, and these are images; omit it")
        self._check_lengths(contract)
        suited, notes = self, []
        for names, why in _left_out(contract):
            off = [name for name in names if getattr(suited, name) not in (0, "no")]
            if off:
                suited = replace(suited, **{name: getattr(NOTHING, name) for name in off})
                notes.append(f"augment: without {', '.join(off)}: {why}")
        for name, how in (("flip", "left to right"), ("vflip", "upside down")):
            if getattr(suited, name) != "no":
                notes.append(
                    f"augment: images are flipped {how}; where that changes the label (digits, letters), add {name}=no"
                )
        return suited, tuple(notes)

    def _check_lengths(self, contract: Contract) -> None:
        side = min(contract.input[1:])
        for name in ("shift", "cutout"):
            if getattr(self, name) >= max(side, 2):
                size = shape_text(contract.input[1:])
                raise RecipeError(f"augment: {name}={getattr(self, name):g} pixels is too far for images of {size}")


NOTHING = Augment()
NAMES = tuple(f.name for f in fields(Augment))

# None of these changes a target into fractions of several: mixup and cutmix are added by hand.
PRESETS: dict[str, Augment] = {
    "none": NOTHING,
    "light": Augment(shift=1 / 16),  # 2 pixels of 32
    # 4 pixels of 32 and flips: He et al. 2016 (arXiv 1512.03385), section 4.2; the alternation: Jordan 2024
    "standard": Augment(shift=1 / 8, flip="alternate"),
    "strong": Augment(
        shift=1 / 8, flip="alternate", rotate=15, scale=0.2, brightness=0.2, contrast=0.2, colour=0.2, cutout=1 / 4
    ),
}


def _left_out(contract: Contract) -> list[tuple[tuple[str, ...], str]]:
    """The settings that do not go with the contract's task, and why."""
    if contract.task.per_pixel:
        return [(("mixup", "cutmix"), "masks are not mixed")]
    if not contract.task.continuous:
        return []
    rules: list[tuple[tuple[str, ...], str]] = [
        (("mixup", "cutmix", "cutout"), "the values to predict would not be in the image any more")
    ]
    if len(contract.classes) > 2 * len(contract.positions):
        rules.append((("flip", "vflip", "rotate", "scale"), "they may change a value that is no position"))
    elif len(contract.positions) > 1:
        rules.append((("flip", "vflip"), "a left and a right position would change places"))
    return rules


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise RecipeError(f"augment: {name} must be a number, got {value!r}") from None


def _unknown(word: str, name: str, equals: str, *, first: bool) -> str:
    if name in NAMES:
        return f"augment: {word} has no value; write such as {name}={'alternate' if 'flip' in name else '0.1'}"
    if name in PRESETS:
        return f"augment: the preset {word!r} comes first and alone; what differs from it follows as name=value"
    if equals:
        return f"augment: no setting named {name!r}{nearest(name, NAMES)}"
    choices = (*PRESETS, *NAMES) if first else NAMES
    return f"augment: no {'preset or ' * first}setting named {word!r}{nearest(name, choices)}"
