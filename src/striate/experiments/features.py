"""``features``: what the layers of a network learn on drawn faces: edges, parts, wholes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from striate.analysis import infer, receptive
from striate.experiments.drawn import FACE_PARTS, MOODS, draw_faces
from striate.experiments.fitting import built, fit_tensors, share_right
from striate.experiments.outcome import Cell, Experiment, Gallery, Outcome, Part, ResultTable, Say
from striate.inspect import Ascent, Target, capture, crop_box, maximise, top_patches
from striate.inspect.fields import Box, Peak
from striate.learning import evaluating
from striate.net import Net
from striate.plotting import ColourScale, Panel, image_panel

SIDE = 40
NETWORK = (
    f"input 1x{SIDE}x{SIDE}; conv1: conv 8 5; relu1: relu; maxpool 2; conv2: conv 16 3; relu2: relu; maxpool 2; "
    f"conv3: conv 24 3; relu3: relu; maxpool 2; flatten; fc1: linear 24; relu4: relu; out: linear {len(MOODS)}"
)
CHANCE = 5 / 24  # of random 5x5 kernels: what smooth_share gives
PARTS = FACE_PARTS[1:]  # what lies in the head
LAYERS = ("relu1", "relu2", "relu3", "relu4", "out")
MEAN, STD = 0.55, 0.25  # of the pixels in 0..1, about


def face_tensors(n: int, seed: int, without: str = "") -> tuple[Tensor, Tensor]:
    """*n* drawn faces, the moods in turns, as the network takes them ``(N, 1, 40, 40)``, and their moods ``(N,)``.

    >>> face_tensors(4, 0)[1].tolist()
    [0, 1, 2, 3]
    """
    moods = np.arange(n) % len(MOODS)
    images, _ = draw_faces(moods, np.random.default_rng(seed), SIDE, without)
    x = (torch.from_numpy(images).float()[:, None] / 255 - MEAN) / STD
    return x, torch.from_numpy(moods)


def train_on_faces(n: int = 3000, epochs: int = 8, seed: int = 0) -> Net:
    """The network of ``NETWORK``, trained to tell the moods of *n* faces."""
    module = built(NETWORK, seed)
    with torch.no_grad():  # small, so that what is seen of the first kernels afterwards is what was learned
        module.get_parameter("conv1.weight").mul_(0.1)
    fit_tensors(module, *face_tensors(n, 10 * seed + 1), seed=seed, epochs=epochs, lr=1e-3)
    assert isinstance(module, Net)
    return module


def smooth_share(kernels: np.ndarray) -> float:
    """The mean share of the energy of *kernels* ``(K, h, w)``, their mean taken off, that lies in an edge or a bar of
    some direction: in the five smooth patterns y, x, y^2, yx, x^2. Of random ones it is five of h*w - 1.

    >>> y, x = np.indices((5, 5)) - 2.0
    >>> round(smooth_share(np.stack([x + 2 * y, x * x])), 6)
    1.0
    """
    _, height, width = kernels.shape
    y, x = (axis - axis.mean() for axis in np.indices((height, width)).astype(float))
    patterns = np.stack([p - p.mean() for p in (y, x, y * y, y * x, x * x)]).reshape(5, -1)
    basis = np.linalg.qr(patterns.T)[0]
    flat = kernels.reshape(len(kernels), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return float((((flat @ basis) ** 2).sum(1) / (flat**2).sum(1)).mean())


def fields_of_units(module: Net, layer: str, position: Sequence[int]) -> Box:
    """What the unit of *layer* at *position* sees, (top, left, height, width); the whole image behind ``flatten``.

    >>> fields_of_units(built(NETWORK), "relu2", (0, 0))
    (0, 0, 10, 10)
    """
    if not position:
        return (0, 0, SIDE, SIDE)
    axes = receptive(module.graph, infer(module.graph)[0])[0][layer]
    spans = [axis.at(i) or (0, SIDE - 1) for axis, i in zip(axes, position, strict=True)]
    (top, low), (left, right) = spans
    return (top, left, low - top + 1, right - left + 1)


@dataclass(frozen=True, eq=False)
class PartShares:
    """How the units of a layer depend on the ``PARTS`` of a face.

    Args:
        layer: Its name.
        units: The numbers of those that any part has a bearing on.
        shares: ``(units, parts)``: how much of a unit's change falls on each part, the mean over the faces; each row
            adds up to 1.
        parts: ``(units,)``: how many parts the unit depends on in a face: 1 / sum of the squares of the shares there,
            the mean over the faces.
    """

    layer: str
    units: tuple[int, ...]
    shares: np.ndarray
    parts: np.ndarray


def shares_of_changes(layer: str, changes: np.ndarray, least: np.ndarray) -> PartShares:
    """What *changes* ``(N, units, parts)``, those of each unit when a part of a face is left out, say of the units.

    Args:
        layer: Its name.
        changes: 0 or more.
        least: ``(units,)``; where all changes of a unit together are below it, the face has nothing that concerns it.

    >>> changes = np.array([[[2.0, 0, 0, 0], [1, 1, 0, 0]], [[0, 2, 0, 0], [1, 1, 1, 1]]])
    >>> found = shares_of_changes("conv1", changes, np.ones(2))
    >>> found.parts.tolist(), found.shares[0].tolist()
    ([1.0, 3.0], [0.5, 0.5, 0.0, 0.0])
    """
    total = changes.sum(2)
    concerned = (total > 0) & (total >= least)
    units = np.flatnonzero(concerned.any(0))
    each = [changes[concerned[:, k], k] / total[concerned[:, k], k, None] for k in units]
    shares = np.array([s.mean(0) for s in each]).reshape(-1, changes.shape[2])
    return PartShares(layer, tuple(units.tolist()), shares, np.array([(1 / (s**2).sum(1)).mean() for s in each]))


def part_shares(module: nn.Module, layer: str, n: int = 64, seed: int = 0) -> PartShares:
    """Leaves out one part of *n* faces after the other, and sees how much each unit of *layer* changes: of a map, in
    each face, the place where it was strongest.

    >>> found = part_shares(built(NETWORK), "relu1", n=8)
    >>> np.allclose(found.shares.sum(1), 1)
    True
    """
    whole = _outputs(module, layer, face_tensors(n, seed)[0])
    at = whole.argmax(2)[..., None]
    full = np.take_along_axis(whole, at, 2)[..., 0]
    changes = [
        np.abs(full - np.take_along_axis(_outputs(module, layer, face_tensors(n, seed, part)[0]), at, 2)[..., 0])
        for part in PARTS
    ]
    return shares_of_changes(layer, np.stack(changes, 2), 0.1 * np.abs(full).mean(0))


def _outputs(module: nn.Module, layer: str, x: Tensor) -> np.ndarray:
    """``(N, units, places)``."""
    with evaluating(module), torch.no_grad(), capture(module, layer) as seen:
        module(x)
    return np.asarray(seen[layer].reshape(len(x), seen[layer].shape[1], -1))


def strongest_faces(module: nn.Module, layer: str, units: Sequence[int], x: Tensor, top: int = 9) -> list[list[Peak]]:
    """For each of *units* the faces of *x* that excite it most, and where."""
    return top_patches(module, torch.split(x, 256), layer, list(units), top)


def cut_faces(module: Net, layer: str, peaks: Sequence[Peak], x: Tensor) -> list[np.ndarray]:
    """What the unit saw at each of *peaks*: uint8 pieces ``(h, w)``."""
    pixels = ((x[:, 0] * STD + MEAN) * 255).round().clamp(0, 255).numpy().astype(np.uint8)
    return [crop_box(pixels[peak.index], fields_of_units(module, layer, peak.position)) for peak in peaks]


BEFORE = {"relu1": "conv1", "relu2": "conv2", "relu3": "conv3", "relu4": "fc1"}  # where nothing is cut off at 0


def best_input(module: Net, layer: str, unit: int, steps: int = 100) -> np.ndarray:
    """Activation maximisation: the picture that a unit answers to most, before its ReLU, uint8 ``(h, w)``; of a map,
    the unit in its middle and only what it sees.
    """
    layer = BEFORE.get(layer, layer)
    shape = infer(module.graph)[0][layer]
    middle = tuple(side // 2 for side in shape[1:])
    ascent = Ascent(steps=steps, jitter=0 if middle else 1, variation=0.02, energy=0.0005)
    found = maximise(module, Target(layer, (unit, *middle)), (1, SIDE, SIDE), ascent, normalise=((MEAN,), (STD,)))
    pixels = np.rint(found.image[0] * 255).astype(np.uint8)
    return crop_box(pixels, fields_of_units(module, layer, middle))


@dataclass(frozen=True, eq=False)
class LearnedFeatures:
    """A network that tells moods, and what its layers depend on."""

    module: Net
    accuracy: float
    smooth: float
    smooth_before: float
    layers: tuple[PartShares, ...]


def learn_features(seed: int = 0, n: int = 3000, epochs: int = 8) -> LearnedFeatures:
    """Trains on faces, and measures every layer of ``LAYERS``."""
    before = built(NETWORK, seed)
    module = train_on_faces(n, epochs, seed)
    x, y = face_tensors(400, 10 * seed + 2)
    kernels = [net.state_dict()["conv1.weight"].numpy()[:, 0] for net in (module, before)]
    layers = tuple(part_shares(module, layer, seed=10 * seed + 3) for layer in LAYERS)
    return LearnedFeatures(
        module, share_right(module, x, y), smooth_share(kernels[0]), smooth_share(kernels[1]), layers
    )


def layer_features(seed: int, say: Say) -> Outcome:
    """The experiment: what each layer of a network that tells moods has learned."""
    learned = learn_features(seed)
    module = learned.module
    say(f"trained: {learned.accuracy:.1%} of new faces right; looking into its layers")
    x, _ = face_tensors(1000, 10 * seed + 4)
    layers = {found.layer: found for found in learned.layers}
    parts_of = {name: float(found.parts.mean()) for name, found in layers.items()}
    first, last = parts_of["relu1"], parts_of["out"]
    rises = list(parts_of.values()) == sorted(parts_of.values())
    holds = learned.accuracy > 0.9 and learned.smooth > 1.5 * CHANCE and last > first + 0.5
    course = "from layer to layer it is" if rises else "on the whole, though not from each layer to the next, it is"
    result = (
        f"The network has {learned.accuracy:.1%} of new faces right. Of its first kernels {learned.smooth:.0%} is "
        f"edges and bars; before training it was {learned.smooth_before:.0%}, as of any random numbers. A unit of "
        f"the first layer depends on {first:.1f} parts of the face, one of the third on {parts_of['relu3']:.1f}, an "
        f"output on {last:.1f}: {course} more of the face."
    )
    kernels = module.state_dict()["conv1.weight"].double().numpy()[:, 0]
    faces = ((x[:8, 0] * STD + MEAN) * 255).round().clamp(0, 255).numpy().astype(np.uint8)
    names = list(MOODS)
    rows: list[tuple[Cell, ...]] = [
        (WORDS[name], f"{side}x{side}", len(found.units), float(found.parts.mean()), *map(float, found.shares.mean(0)))
        for name, found in layers.items()
        for side in [fields_of_units(module, name, _middle(module, name))[2]]
    ]
    parts: tuple[Part, ...] = (
        Gallery(
            "The faces",
            tuple(image_panel(face, title=names[i % 4], side=120) for i, face in enumerate(faces)),
            "Smile or frown, brows apart or together: no part alone tells the mood, it takes both.",
        ),
        Gallery(
            "Edges: the kernels of the first layer",
            tuple(
                Panel(ColourScale.of(kernels).colours(kernel), f"kernel {i}", side=100)
                for i, kernel in enumerate(kernels)
            ),
            f"Red is positive, blue negative: {learned.smooth:.0%} of them is a smooth edge or bar of some "
            f"direction, against {learned.smooth_before:.0%} before training and {CHANCE:.0%} for random numbers.",
            ColourScale.of(kernels),
        ),
        *(_layer_shown(module, name, layers[name], x) for name in ("relu1", "relu2", "relu3", "relu4")),
        Gallery(
            "Wholes: what the network takes for each mood",
            tuple(
                image_panel(best_input(module, "out", i, steps=160), title=f"most {name}", side=160)
                for i, name in enumerate(names)
            ),
            "Made by activation maximisation from noise. It shows what raises the score, which is less than a face: "
            "what does not tell the moods apart, such as the nose and the outline, need not be there.",
        ),
        ResultTable(
            "What the layers depend on",
            (
                ("layer", ""),
                ("sees", ""),
                ("units", ","),
                ("parts a unit depends on", ".2f"),
                *((part, ".0%") for part in PARTS),
            ),
            tuple(rows),
            "The same 64 faces were drawn again without one of their parts, and the change of each unit noted: of a "
            "map, at the place where it was strongest. A unit that one part alone moves depends on 1, one that all "
            "four move alike on 4. Last the shares of the parts, on average; faces where nothing moves a unit are "
            "not counted.",
        ),
        ResultTable(
            "Which part each output depends on",
            (("output", ""), *((part, ".1%") for part in PARTS)),
            tuple(
                (names[unit], *map(float, row))
                for unit, row in zip(layers["out"].units, layers["out"].shares, strict=True)
            ),
        ),
    )
    data = {"module": module, "accuracy": learned.accuracy, "layers": learned.layers, "smooth": learned.smooth}
    return Outcome(result, holds, parts, data)


WORDS = {
    "relu1": "first convolutional",
    "relu2": "second convolutional",
    "relu3": "third convolutional",
    "relu4": "fully connected",
    "out": "output",
}


def _middle(module: Net, layer: str) -> tuple[int, ...]:
    return tuple(side // 2 for side in infer(module.graph)[0][layer][1:])


def _layer_shown(module: Net, layer: str, found: PartShares, x: Tensor) -> Gallery:
    """Of three units of *layer*: the faces that excite them, and the best input."""
    if layer == "relu4":
        chosen = np.argsort(-found.parts, kind="stable")[:3].tolist()
        which = "the units that depend on most parts at once"
    else:
        chosen = list(dict.fromkeys(int(found.shares[:, PARTS.index(p)].argmax()) for p in ("brows", "eyes", "mouth")))
        which = "the units that depend most on the brows, the eyes and the mouth"
    panels: list[Panel] = []
    units = [found.units[i] for i in chosen]
    for i, unit, peaks in zip(chosen, units, strongest_faces(module, layer, units, x), strict=True):
        two = np.argsort(-found.shares[i], kind="stable")[:2].tolist()
        note = ", ".join(f"{PARTS[p]} {found.shares[i, p]:.0%}" for p in two)
        panels.append(image_panel(_nine(cut_faces(module, layer, peaks, x)), title=f"unit {unit}", note=note, side=160))
        panels.append(Panel(np.repeat(best_input(module, layer, unit)[..., None], 3, 2), "its best input", side=110))
    title = {"relu1": "Edges", "relu2": "Corners and strokes", "relu3": "Parts", "relu4": "Combinations"}[layer]
    side = fields_of_units(module, layer, _middle(module, layer))[2]
    note = (
        f"Each unit sees {side}x{side} pixels. Shown are {which}: to the left the nine faces of 1,000 that excite "
        "it most, cut to what it saw; to the right what activation maximisation makes of noise."
    )
    return Gallery(f"{title}: the {WORDS[layer]} layer", tuple(panels), note)


def _nine(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Nine pieces ``(h, w)`` in a square, with white lines between."""
    height, width = pieces[0].shape
    whole = np.full((3 * height + 2, 3 * width + 2), 255, np.uint8)
    for i, piece in enumerate(pieces[:9]):
        top, left = i // 3 * (height + 1), i % 3 * (width + 1)
        whole[top : top + height, left : left + width] = piece
    return whole


EXPERIMENT = Experiment(
    "features",
    "Features: what the layers learn",
    "The first layer of a trained network finds edges, the middle ones parts of things, the last ones whole things.",
    "Zeiler and Fergus 2013, Visualizing and Understanding Convolutional Networks; Lee et al. 2009; most tutorials",
    "A network of three convolutions learns to tell four moods from 3,000 drawn faces. As the faces are drawn, each "
    "can be drawn again without its brows, its mouth and so on, so that it can be measured on which parts every unit "
    "depends. The pictures are made from this network: its kernels, the faces that excite its units most, and the "
    "inputs that they would like best.",
    layer_features,
)
