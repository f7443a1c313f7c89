"""``captions``: a small CNN and a recurrent decoder describe drawn scenes: "a red star left of a blue ring"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.experiments.drawn import HUES, OBJECTS, draw_object
from striate.experiments.fitting import fit_one_cycle
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say, columns
from striate.plotting import Panel, image_panel
from striate.plotting.colours import sequential

WORDS = ("<begin>", "<end>", "a", *HUES, *OBJECTS, "left", "above", "of")
BEGIN, END = 0, 1
LENGTH = 9  # words of the longest description and its end
SIDE = 40
# pairs of a colour and a shape that no scene of the training has; each colour and each shape is there with others
NEVER_SEEN = (("red", "star"), ("blue", "ring"), ("green", "square"), ("yellow", "triangle"))


@dataclass(frozen=True)
class TwoObjects:
    """A scene: of each of two objects its hue, kind, and place (y, x) in pixels."""

    hues: tuple[str, str]
    kinds: tuple[str, str]
    places: tuple[tuple[float, float], tuple[float, float]]
    sizes: tuple[float, float]
    angles: tuple[float, float]
    ground: float

    @property
    def description(self) -> str:
        """The scene in words, the left or the upper object first: by the direction in which they are further apart.

        >>> next(scenes(1, np.random.default_rng(0))).description
        'a pink star left of a white star'
        """
        (y0, x0), (y1, x1) = self.places
        sideways = abs(x1 - x0) > abs(y1 - y0)
        first = int(x1 < x0) if sideways else int(y1 < y0)
        names = [f"a {hue} {kind}" for hue, kind in zip(self.hues, self.kinds, strict=True)]
        return f"{names[first]} {'left of' if sideways else 'above'} {names[1 - first]}"


def scenes(n: int, rng: np.random.Generator, *, unseen: int = 0) -> Iterator[TwoObjects]:
    """*n* random scenes in which exactly *unseen* of the two objects are of a pair that the training never has.

    >>> all((hue, kind) in NEVER_SEEN for s in scenes(5, np.random.default_rng(0), unseen=2)
    ...     for hue, kind in zip(s.hues, s.kinds))
    True
    """
    known = [pair for pair in product(HUES, OBJECTS) if pair not in NEVER_SEEN]
    for _ in range(n):
        pairs = [NEVER_SEEN[i] for i in rng.choice(len(NEVER_SEEN), unseen, replace=False)]
        pairs += [known[i] for i in rng.choice(len(known), 2 - unseen, replace=False)]
        pairs = [pairs[i] for i in rng.permutation(2)]
        sizes = rng.uniform(12, 17, 2)
        while True:
            (y0, x0), (y1, x1) = rng.uniform(9, SIDE - 9, (2, 2))
            down, across = abs(y1 - y0), abs(x1 - x0)
            # apart, and clearly more so in one direction
            if np.hypot(down, across) > sizes.sum() / 2 + 1 and not 0.7 < down / (across + 1e-9) < 1.4:
                break
        yield TwoObjects(
            (pairs[0][0], pairs[1][0]),
            (pairs[0][1], pairs[1][1]),
            ((float(y0), float(x0)), (float(y1), float(x1))),
            (float(sizes[0]), float(sizes[1])),
            (float(rng.uniform(-0.4, 0.4)), float(rng.uniform(-0.4, 0.4))),
            float(rng.uniform(10, 60)),
        )


def scene_images(some: Sequence[TwoObjects], rng: np.random.Generator) -> np.ndarray:
    """The scenes as pictures, uint8 ``(N, SIDE, SIDE, 3)``, with a little noise.

    >>> scene_images(list(scenes(2, np.random.default_rng(0))), np.random.default_rng(0)).shape
    (2, 40, 40, 3)
    """
    images = np.empty((len(some), SIDE, SIDE, 3), np.uint8)
    for image, scene in zip(images, some, strict=True):
        canvas = np.full(image.shape, scene.ground)
        for i in (0, 1):
            (y, x), size, angle = scene.places[i], scene.sizes[i], scene.angles[i]
            draw_object(canvas, scene.kinds[i], scene.hues[i], y, x, size, angle)
        image[:] = np.rint(np.clip(canvas + rng.normal(0, 6, canvas.shape), 0, 255))
    return images


def word_numbers(descriptions: Sequence[str]) -> np.ndarray:
    """int64 ``(N, LENGTH)``: the words by their numbers in ``WORDS``, and ``END`` until the end.

    >>> word_numbers(["a red star left of a blue ring"])[0].tolist()
    [2, 3, 9, 14, 16, 2, 5, 10, 1]
    """
    rows = [[WORDS.index(word) for word in text.split()] for text in descriptions]
    return np.array([row + [END] * (LENGTH - len(row)) for row in rows])


def sentence_of(numbers: Sequence[int]) -> str:
    """The words of *numbers* until the first ``END``.

    >>> sentence_of([WORDS.index(word) for word in "a red star <end> a".split()])
    'a red star'
    """
    words = [WORDS[i] for i in numbers]
    return " ".join(words[: words.index(WORDS[END])] if WORDS[END] in words else words)


class Captioner(nn.Module):
    """A CNN whose map of 10x10 places is read, word after word, by a recurrent decoder (a GRU) with soft attention:
    Xu et al. 2015, "Show, attend and tell". The decoder starts from the mean of the map; before each word it looks at
    the places with weights of its own choice, and they add up to 1.
    """

    def __init__(self, hidden: int = 96, maps: int = 48) -> None:
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, maps, 3, stride=2, padding=1),
            nn.BatchNorm2d(maps),
            nn.ReLU(),
            nn.Conv2d(maps, maps, 3, padding=1),
            nn.BatchNorm2d(maps),
            nn.ReLU(),
        )
        self.place = nn.Parameter(
            torch.randn(1, maps, SIDE // 4, SIDE // 4) * 0.1
        )  # so that it can tell where it looks
        self.start = nn.Linear(maps, hidden)
        self.embed = nn.Embedding(len(WORDS), 32)
        self.cell = nn.GRUCell(32 + maps, hidden)
        self.asks = nn.Linear(hidden, maps)
        self.out = nn.Linear(hidden + maps, len(WORDS))

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The map of images *x* ``(N, 3, H, W)`` as places ``(N, H*W/16, maps)``, and the decoder's first state."""
        seen = self.cnn(x)
        return (seen + self.place).flatten(2).transpose(1, 2), torch.tanh(self.start(seen.mean((2, 3))))

    def step(self, word: Tensor, state: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One word further: the scores of the next word ``(N, words)``, the state, where it looked ``(N, places)``."""
        looked = ((places @ self.asks(state)[..., None])[..., 0] / places.shape[-1] ** 0.5).softmax(1)
        seen = (looked[:, None] @ places)[:, 0]
        state = self.cell(torch.cat([self.embed(word), seen], 1), state)
        return self.out(torch.cat([state, seen], 1)), state, looked

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """The scores of every next word ``(N, LENGTH, words)`` where the true ones so far, *words*, are given."""
        places, state = self.read(x)
        before = torch.cat([torch.full_like(words[:, :1], BEGIN), words[:, :-1]], 1)
        scores = []
        for i in range(words.shape[1]):
            score, state, _ = self.step(before[:, i], state, places)
            scores.append(score)
        return torch.stack(scores, 1)

    @torch.no_grad()
    def describe(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The likeliest word after word ``(N, LENGTH)``, each chosen after the ones before, and where it looked for
        each ``(N, LENGTH, places)``.
        """
        places, state = self.read(x)
        word = torch.full((len(x),), BEGIN)
        chosen, looks = [], []
        for _ in range(LENGTH):
            score, state, looked = self.step(word, state, places)
            word = score.argmax(1)
            chosen.append(word)
            looks.append(looked)
        return torch.stack(chosen, 1), torch.stack(looks, 1)


def as_input(images: np.ndarray) -> Tensor:
    """Pictures, uint8 ``(N, H, W, 3)``, as the network takes them: float ``(N, 3, H, W)`` about 0.

    >>> as_input(np.zeros((1, 2, 2, 3), np.uint8)).shape
    torch.Size([1, 3, 2, 2])
    """
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 128 - 0.5


def train_captioner(n: int = 4000, epochs: int = 9, seed: int = 0) -> Captioner:
    """A :class:`Captioner` trained on *n* scenes and their descriptions.

    >>> sum(p.numel() for p in train_captioner(n=8, epochs=1).parameters()) > 50_000
    True
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    some = list(scenes(n, rng))
    x, words = as_input(scene_images(some, rng)), torch.from_numpy(word_numbers([s.description for s in some]))
    model = Captioner()

    def loss(part: Tensor) -> Tensor:
        return F.cross_entropy(model(x[part], words[part]).flatten(0, 1), words[part].flatten())

    fit_one_cycle(model, loss, n, epochs=epochs, peak=4e-3, seed=seed, clip=1.0)
    return model.eval()


@dataclass(frozen=True, eq=False)
class Described:
    """What a captioner says of some scenes: the true and the given descriptions, and where it looked for each word."""

    images: np.ndarray
    true: tuple[str, ...]
    said: tuple[str, ...]
    looks: np.ndarray

    @property
    def whole(self) -> float:
        """The share of the descriptions that are right from the first word to the last."""
        return float(np.mean([a == b for a, b in zip(self.true, self.said, strict=True)]))

    def right(self, words: Sequence[str]) -> float:
        """The share of those words of the true descriptions that are one of *words*, said at their place."""
        hits = [
            i < len(said) and said[i] == word
            for true, said in ((a.split(), b.split()) for a, b in zip(self.true, self.said, strict=True))
            for i, word in enumerate(true)
            if word in words
        ]
        return float(np.mean(hits))


def described(model: Captioner, n: int, seed: int, *, unseen: int = 0) -> Described:
    """What *model* says of *n* new scenes with *unseen* objects of pairs that the training never had.

    >>> found = described(Captioner().eval(), 4, 0)
    >>> found.looks.shape, len(found.said)
    ((4, 9, 100), 4)
    """
    rng = np.random.default_rng([seed, 1 + unseen])
    some = list(scenes(n, rng, unseen=unseen))
    images = scene_images(some, rng)
    chosen, looks = model.describe(as_input(images))
    said = tuple(sentence_of(row) for row in chosen.tolist())
    return Described(images, tuple(s.description for s in some), said, looks.numpy())


def captions(seed: int, say: Say) -> Outcome:
    """The experiment: a captioner on new scenes, with pairs of colour and shape that it knows, and that it does not."""
    model = train_captioner(seed=seed)
    say(f"trained on {TRAINED:,} scenes and their descriptions")
    found = [described(model, 500, seed, unseen=unseen) for unseen in (0, 1, 2)]
    known, one, two = found
    pairs = ", ".join(f"{hue} {kind}" for hue, kind in NEVER_SEEN)
    result = (
        f"Of 500 new scenes {known.whole:.1%} are described without a mistake. Where one of the two objects is of a "
        f"pair of colour and shape that no training scene had ({pairs}), it is {one.whole:.1%}, where both are, "
        f"{two.whole:.1%}: then the colour is still right in {two.right(tuple(HUES)):.0%}, the shape in "
        f"{two.right(OBJECTS):.0%} and the relation in {two.right(RELATIONS):.0%}. What it has not seen "
        "together it often takes for something that it has."
    )
    names = ("known pairs of colour and shape", "one pair never seen", "both pairs never seen")
    parts = (
        Gallery("New scenes, and what it says of them", tuple(_said(known, i) for i in range(8))),
        Gallery(
            "Where it looks for each word",
            tuple(panel for i in (0, 1) for panel in _looking(known, i)),
            "Before each word the decoder chooses how much it attends to each of the 10x10 places of the feature "
            "map, of which each sees 17x17 pixels; the darker, the more. The second object is found and named after "
            "the first.",
        ),
        ResultTable(
            "How many are right",
            columns("500 new scenes with | whole description:.1% | colours:.1% | shapes:.1% | left of, above:.1%"),
            tuple(
                (name, f.whole, f.right(tuple(HUES)), f.right(OBJECTS), f.right(RELATIONS))
                for name, f in zip(names, found, strict=True)
            ),
            "A description is right when every word is. Guessing one would succeed in less than one of 1,000.",
        ),
        Gallery(
            "Pairs that it has never seen",
            tuple(_said(two, i) for i in range(8)),
            f"Each colour and each shape was in the training scenes, with others: only {pairs} were in none.",
        ),
    )
    data = {"module": model, "known": known, "one": one, "two": two}
    holds = known.whole > 0.9
    verdict = "The claim holds for pairs of colour and shape that it has seen." if holds and two.whole < 0.9 else ""
    return Outcome(result, holds, parts, data, verdict=verdict)


RELATIONS = ("left", "above")
TRAINED = 4000


def _said(found: Described, i: int) -> Panel:
    right = found.true[i] == found.said[i]
    note = "right" if right else f"wrong: it is {found.true[i]}"
    return image_panel(found.images[i], title=found.said[i], note=note, side=4 * SIDE)


def _looking(found: Described, i: int) -> Iterator[Panel]:
    """The scene under the attention of each word that is no article."""
    yield image_panel(found.images[i], title=found.said[i], side=3 * SIDE)
    for word, look in zip(found.said[i].split(), found.looks[i], strict=False):
        if word in (*HUES, *OBJECTS, *RELATIONS):
            side = SIDE // 4
            share = np.kron(look.reshape(side, side) / look.max(), np.ones((4, 4)))[..., None]
            shown = 0.35 * found.images[i] + 0.65 * 255 * (1 - share) + 0.65 * share * sequential(share[..., 0], 1.3)
            yield image_panel(np.rint(shown.clip(0, 255)).astype(np.uint8), title=f"“{word}”", side=3 * SIDE)


EXPERIMENT = Experiment(
    "captions",
    "Captions: a CNN sees, a recurrent network tells",
    "A convolutional network together with a recurrent one describes a picture in a sentence: the one turns the "
    "image into features, the other the features into words.",
    "Vinyals et al. 2015, Show and Tell; Xu et al. 2015, Show, Attend and Tell; tutorials on image captioning",
    "Scenes of two coloured shapes are drawn, and described: “a red star left of a blue ring”. A small CNN and a "
    "decoder (a GRU that attends to the feature map) learn from 4,000 of them. Then they describe new scenes: some "
    "of pairs of colour and shape that were in the training, some of pairs that were not.",
    captions,
)
