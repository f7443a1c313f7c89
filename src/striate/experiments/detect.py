"""``detect``: a network that has learned small windows is slid over a larger scene: boxes, by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional as F

from striate.datasets.shapes import open_shapes, shapes_in_image
from striate.experiments.fitting import built, fit_one_cycle
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say, columns
from striate.learning import evaluating
from striate.loading.network import check
from striate.plotting import ColourScale, Panel, value_panel
from striate.plotting.text import SMALL, text_length, write
from striate.report.lines import ChartLine, LineChart
from striate.report.pictures import BASE
from striate.sampling import evenly
from striate.spec import parse

KINDS_FOUND = ("circle", "square", "triangle", "star", "heart")
SCENE, MOST = 112, 12  # pixels a side of a scene, shapes in it
WINDOW, STEP = 32, 4  # pixels: what the network sees, and how far it is slid
NEAR, FAR = 4, 7  # pixels from a window's middle to a shape's: within NEAR it is of that shape, beyond FAR it is ground
NETWORK = (
    f"input 3x{WINDOW}x{WINDOW}; conv 12 5; batchnorm; relu; maxpool 2; conv 24 5; batchnorm; relu; maxpool 2; "
    f"conv 64 5; batchnorm; relu; conv {len(KINDS_FOUND) + 5} 1"  # ground and kinds; the box's middle, height and width
)
HALF = WINDOW / 2


@dataclass(frozen=True)
class BoxInScene:
    """A box around a shape: its class (an index into ``KINDS_FOUND``), its edges in pixels, and how sure it is."""

    kind: int
    top: float
    left: float
    bottom: float
    right: float
    score: float = 1.0

    @property
    def area(self) -> float:
        return max(0.0, self.bottom - self.top) * max(0.0, self.right - self.left)


def box_overlap(a: BoxInScene, b: BoxInScene) -> float:
    """Intersection over union of two boxes.

    >>> box_overlap(BoxInScene(0, 0, 0, 2, 2), BoxInScene(0, 0, 1, 2, 3)) == 1 / 3
    True
    """
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    width = min(a.right, b.right) - max(a.left, b.left)
    both = max(0.0, height) * max(0.0, width)
    union = a.area + b.area - both
    return both / union if union else 0.0


@dataclass(frozen=True, eq=False)
class DrawnScene:
    """A scene, uint8 ``(H, W, 3)``, and the true boxes of its shapes."""

    image: np.ndarray
    boxes: tuple[BoxInScene, ...]


def drawn_scenes(n: int, seed: int, split: str = "train") -> list[DrawnScene]:
    """*n* scenes of up to ``MOST`` shapes that do not touch; the boxes are those of the shapes' pixels.

    >>> scene = drawn_scenes(1, 0)[0]
    >>> scene.image.shape, all(b.area > 60 for b in scene.boxes)
    ((112, 112, 3), True)
    """
    n_of = {"train": 1, "test": 1} | {split: n}
    data = open_shapes(
        "segmentation", n_of["train"], test=n_of["test"], size=SCENE, kinds=KINDS_FOUND, max_shapes=MOST, seed=seed
    )
    part = data.parts[split]
    y, x = np.indices((SCENE, SCENE)) + 0.5
    found = []
    for i in range(n):
        boxes = []
        drawn = shapes_in_image(
            seed, i, split=split, task="segmentation", size=SCENE, kinds=KINDS_FOUND, max_shapes=MOST
        )
        for shape in drawn:
            kind = KINDS_FOUND.index(shape.kind)
            mine = (part.targets[i] == kind + 1) & (np.hypot(y - shape.y, x - shape.x) <= shape.size / 2 + 0.5)
            rows, columns = np.nonzero(mine)
            edges = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            boxes.append(BoxInScene(kind, *map(float, edges)))
        found.append(DrawnScene(np.asarray(part.inputs[i]), tuple(boxes)))
    return found


def padded(image: np.ndarray) -> np.ndarray:
    """A scene with half a window of its own edge around it, so that windows reach every place.

    >>> padded(np.zeros((112, 112, 3), np.uint8)).shape
    (144, 144, 3)
    """
    edge = WINDOW // 2
    return np.pad(image, ((edge, edge), (edge, edge), (0, 0)), mode="edge")


def training_windows(
    scenes: Sequence[DrawnScene], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows cut from *scenes*, uint8 ``(N, 32, 32, 3)``; their classes ``(N,)``, 0 for ground; and the boxes
    ``(N, 4)``: how far the box's middle is below and right of the window's, and its height and width, all in half
    windows.

    Of each shape three windows near its middle, two that have it off the middle, and one anywhere.

    >>> x, classes, boxes = training_windows(drawn_scenes(2, 0), np.random.default_rng(0))
    >>> x.shape[1:], sorted(set(classes.tolist())) <= [0, 1, 2, 3, 4, 5]
    ((32, 32, 3), True)
    """
    windows, classes, boxes = [], [], []
    for scene in scenes:
        image = padded(scene.image)
        middles = np.array([((b.top + b.bottom) / 2, (b.left + b.right) / 2) for b in scene.boxes])
        for middle in middles:
            near = middle + rng.integers(-NEAR + 1, NEAR, (3, 2))
            off = middle + rng.uniform(FAR + 1, 14, (2, 1)) * _directions(rng, 2)
            anywhere = rng.uniform(0, SCENE, (1, 2))
            for y, x in np.rint(np.concatenate([near, off, anywhere])).clip(0, SCENE).astype(int):
                away = np.abs(middles - (y, x)).max(1)
                box = scene.boxes[int(away.argmin())]
                if NEAR < away.min() <= FAR:
                    continue
                windows.append(image[y : y + WINDOW, x : x + WINDOW])
                classes.append(box.kind + 1 if away.min() <= NEAR else 0)
                my, mx = middles[int(away.argmin())]
                boxes.append(
                    [(my - y) / HALF, (mx - x) / HALF, (box.bottom - box.top) / HALF, (box.right - box.left) / HALF]
                )
    return np.stack(windows), np.array(classes), np.array(boxes, np.float32)


def _directions(rng: np.random.Generator, n: int) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi, (n, 1))
    return np.concatenate([np.sin(angle), np.cos(angle)], 1)


def scene_tensor(images: np.ndarray) -> Tensor:
    """uint8 ``(N, H, W, 3)`` as the network takes it, float ``(N, 3, H, W)`` about 0.

    >>> scene_tensor(np.zeros((1, 4, 4, 3), np.uint8)).shape
    torch.Size([1, 3, 4, 4])
    """
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 64 - 2


def train_detector(scenes: Sequence[DrawnScene], *, epochs: int = 6, seed: int = 0) -> nn.Module:
    """The network of ``NETWORK``, trained on windows of *scenes*: cross-entropy for the class, a smooth absolute error
    for the box where there is a shape.
    """
    x, classes, boxes = training_windows(scenes, np.random.default_rng(seed))
    images, y, target = scene_tensor(x), torch.from_numpy(classes), torch.from_numpy(boxes)
    module = built(NETWORK, seed)

    def loss(part: Tensor) -> Tensor:
        out, there = module(images[part]).flatten(1), y[part] > 0
        of_boxes = F.smooth_l1_loss(out[there, -4:], target[part][there], beta=0.1)
        return F.cross_entropy(out[:, :-4], y[part]) + 2 * of_boxes

    fit_one_cycle(module, loss, len(y), epochs=epochs, peak=5e-3, seed=seed)
    return module


def slide(module: nn.Module, image: np.ndarray) -> np.ndarray:
    """What *module* says at every place of a scene, all at once: float ``(channels, 29, 29)``, a place every ``STEP``
    pixels.

    >>> slide(built(NETWORK), np.zeros((112, 112, 3), np.uint8)).shape
    (10, 29, 29)
    """
    with evaluating(module), torch.no_grad():
        return np.asarray(module(scene_tensor(padded(image)[None]))[0].numpy())


def window_by_window(module: nn.Module, image: np.ndarray) -> np.ndarray:
    """The same by cutting every window out and asking for each of them.

    >>> image = drawn_scenes(1, 0)[0].image
    >>> net = built(NETWORK)
    >>> bool(np.abs(window_by_window(net, image) - slide(net, image)).max() < 1e-4)
    True
    """
    wide = padded(image)
    places = range(0, SCENE + 1, STEP)
    cut = np.stack([wide[y : y + WINDOW, x : x + WINDOW] for y in places for x in places])
    with evaluating(module), torch.no_grad():
        out = torch.cat([module(part) for part in torch.split(scene_tensor(cut), 256)])
    return np.asarray(out.flatten(1).T.reshape(-1, len(places), len(places)).numpy())


def class_probabilities(out: np.ndarray) -> np.ndarray:
    """Softmax over ground and kinds of what :func:`slide` gave: ``(1 + kinds, h, w)``.

    >>> class_probabilities(np.zeros((10, 1, 1))).sum().round(6)
    np.float64(1.0)
    """
    scores = out[:-4] - out[:-4].max(0)
    e = np.exp(scores)
    return np.asarray(e / e.sum(0))


def boxes_at_places(out: np.ndarray, least: float = 0.05, *, fixed: float | None = None) -> list[BoxInScene]:
    """A box for every place whose likeliest kind has a probability of *least* or more; with *fixed*, all of that side
    in pixels, about the window's middle.
    """
    probability = class_probabilities(out)[1:]
    kind, score = probability.argmax(0), probability.max(0)
    found = []
    for i, j in zip(*np.nonzero(score >= least), strict=True):
        down, right, height, width = out[-4:, i, j] * HALF
        if fixed is not None:
            down, right, height, width = 0.0, 0.0, fixed, fixed
        y, x = i * STEP + down, j * STEP + right
        edges = (y - height / 2, x - width / 2, y + height / 2, x + width / 2)
        top, left, bottom, right = map(float, edges)
        found.append(BoxInScene(int(kind[i, j]), top, left, bottom, right, float(score[i, j])))
    return found


def best_boxes(boxes: Sequence[BoxInScene], overlap: float = 0.3) -> list[BoxInScene]:
    """Non-maximum suppression: the surest box, then the next that overlaps none of those kept by more than
    *overlap*, and so on.

    >>> boxes = [BoxInScene(0, top, 0, top + 9, 9, score) for top, score in ((0, 0.8), (1, 0.9), (30, 0.5))]
    >>> [box.score for box in best_boxes(boxes)]
    [0.9, 0.5]
    """
    kept: list[BoxInScene] = []
    for box in sorted(boxes, key=lambda b: -b.score):
        if all(box_overlap(box, other) <= overlap for other in kept):
            kept.append(box)
    return kept


@dataclass(frozen=True, eq=False)
class DetectionScores:
    """Boxes found in some scenes against the true ones, the surest first.

    Args:
        scores: Of the boxes found, ``(N,)``.
        right: Whether each is right: a true box of its class that no surer box has taken, with enough overlap.
        kinds: Their classes.
        true: How many true boxes there are of each class.
    """

    scores: np.ndarray
    right: np.ndarray
    kinds: np.ndarray
    true: np.ndarray

    def curve(self, kind: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Recall and precision as more and more boxes are taken, the surest first; of all classes, or of one."""
        mine = np.ones(len(self.right), bool) if kind is None else self.kinds == kind
        hits = np.cumsum(self.right[mine])
        total = self.true.sum() if kind is None else self.true[kind]
        return hits / max(1, total), hits / np.arange(1, len(hits) + 1)

    def average_precision(self, kind: int) -> float:
        """The area under the curve of a class, each precision being the best at that recall or beyond."""
        recall, precision = self.curve(kind)
        if not len(recall):
            return 0.0
        best = np.maximum.accumulate(precision[::-1])[::-1]
        return float((np.diff(recall, prepend=0.0) * best).sum())

    @property
    def mean_average_precision(self) -> float:
        return float(np.mean([self.average_precision(kind) for kind in range(len(self.true))]))

    def at(self, threshold: float, kind: int | None = None) -> tuple[float, float]:
        """Precision and recall of the boxes that are at least *threshold* sure."""
        mine = (self.scores >= threshold) & (True if kind is None else self.kinds == kind)
        hits = int(self.right[mine].sum())
        total = int(self.true.sum() if kind is None else self.true[kind])
        return hits / max(1, int(mine.sum())), hits / max(1, total)


def score_boxes(
    found: Sequence[Sequence[BoxInScene]], true: Sequence[Sequence[BoxInScene]], overlap: float = 0.5
) -> DetectionScores:
    """Matches the boxes *found* in each scene with its *true* ones: right is a box of the class whose intersection over
    union with a true one is at least *overlap*; a true box is found once.

    >>> truth = [[BoxInScene(0, 0, 0, 10, 10)]]
    >>> twice = [[BoxInScene(0, 0, 0, 10, 9, 0.9), BoxInScene(0, 0, 0, 9, 10, 0.8)]]
    >>> score_boxes(twice, truth).right.tolist()
    [True, False]
    """
    rows: list[tuple[float, bool, int]] = []
    for mine, truth in zip(found, true, strict=True):
        taken: set[int] = set()
        for box in sorted(mine, key=lambda b: -b.score):
            fits = [
                (box_overlap(box, other), i)
                for i, other in enumerate(truth)
                if other.kind == box.kind and i not in taken
            ]
            best, i = max(fits, default=(0.0, -1))
            if best >= overlap:
                taken.add(i)
            rows.append((box.score, best >= overlap, box.kind))
    rows.sort(key=lambda row: -row[0])
    scores, right, kinds = (
        (np.array(column) for column in zip(*rows, strict=True))
        if rows
        else (np.array([]), np.array([], bool), np.array([], int))
    )
    count = np.bincount([box.kind for truth in true for box in truth], minlength=len(KINDS_FOUND))
    return DetectionScores(scores, right.astype(bool), kinds, count)


# ------------------------------------------------------------------------------------------------- the experiment
SURE = 0.5  # a box is taken from this probability on
TRAINED, TESTED = 200, 40  # scenes


def detect(seed: int, say: Say) -> Outcome:
    """The experiment: a detector trained on windows, slid over new scenes, its boxes against the true ones."""
    train, test = drawn_scenes(TRAINED, seed), drawn_scenes(TESTED, seed, "test")
    module = train_detector(train, seed=seed)
    say(f"trained on windows of {TRAINED} scenes")
    begun = perf_counter()
    maps = [slide(module, scene.image) for scene in test]
    sliding = (perf_counter() - begun) / len(test)
    begun = perf_counter()
    one_by_one = window_by_window(module, test[0].image)
    cutting = perf_counter() - begun
    difference = float(np.abs(one_by_one - maps[0]).max())
    truth = [scene.boxes for scene in test]
    side = float(np.mean([b.bottom - b.top for boxes in truth for b in boxes]))
    found = [best_boxes(boxes_at_places(out)) for out in maps]
    fixed = [best_boxes(boxes_at_places(out, fixed=side)) for out in maps]
    ways = {"boxes as the network gives them": found, "boxes of one size": fixed}
    scored = {name: {o: score_boxes(boxes, truth, o) for o in (0.5, 0.75)} for name, boxes in ways.items()}
    main, strict = scored["boxes as the network gives them"].values()
    precision, recall = main.at(SURE)
    result = (
        f"In {TESTED} new scenes with {main.true.sum()} shapes, {recall:.1%} of the shapes get a box of the right "
        f"class that overlaps by half or more (IoU 0.5), and {precision:.1%} of the boxes are right. The mean "
        f"average precision is {main.mean_average_precision:.3f}, with an overlap of three quarters "
        f"{strict.mean_average_precision:.3f}. Slid at once, a scene takes {1000 * sliding:.0f} ms, its "
        f"{len(maps[0][0]) ** 2} windows one by one {1000 * cutting:.0f} ms, with the same numbers to "
        f"{difference:.0e}."
    )
    kinds = tuple(
        (name, int(main.true[k]), main.average_precision(k), strict.average_precision(k), *main.at(SURE, k))
        for k, name in enumerate(KINDS_FOUND)
    )
    whole = ("all", int(main.true.sum()), main.mean_average_precision, strict.mean_average_precision, precision, recall)
    parts = (
        Gallery(
            "What it finds in new scenes",
            tuple(
                Panel(
                    _with_boxes(scene.image, [b for b in boxes if b.score >= SURE]),
                    f"scene {i + 1}",
                    _missed(boxes, scene),
                    side=3 * SCENE,
                )
                for i, (scene, boxes) in enumerate(list(zip(test, found, strict=True))[:4])
            ),
            f"Boxes of which the network is at least {SURE:.0%} sure, each with its class and how sure it is.",
        ),
        ResultTable(
            "Found, class by class",
            columns("class | shapes:, | average precision:.3f | with IoU 0.75:.3f | precision:.1% | recall:.1%"),
            (*kinds, whole),
            f"Precision: of the boxes that are at least {SURE:.0%} sure, how many are right. Recall: of the shapes, "
            "how many are found. Average precision: the area under the curve below, of each class.",
        ),
        LineChart(
            "Precision against recall",
            "recall: shapes found",
            tuple(
                ChartLine(f"IoU {o:g}, {name}", tuple(_thinned(*scores.curve())))
                for name, both in scored.items()
                for o, scores in both.items()
            ),
            "From left to right more and more boxes are taken, the surest first. A box of one size around the right "
            "place is seldom a good box: the network has to say how large the shape is, too.",
            y=".0%",
        ),
        Gallery(
            "What the network says at every place of the first scene",
            tuple(
                value_panel(p, ColourScale(1.0, False), title=name, side=174)
                for name, p in zip(("ground", *KINDS_FOUND), class_probabilities(maps[0]), strict=True)
            ),
            f"The probability of each class at 29x29 places, one every {STEP} pixels. Each place sees "
            f"{WINDOW}x{WINDOW} pixels around it. Several places see the same shape; non-maximum suppression keeps "
            "the surest box of each.",
            ColourScale(1.0, False),
        ),
        ResultTable(
            "Sliding is a convolution",
            columns("way | million MACs a scene:,.0f | ms a scene:,.0f"),
            (
                ("the whole scene through the network at once", _macs(SCENE + WINDOW) / 1e6, 1000 * sliding),
                ("each window cut out and asked for", _macs(WINDOW) * len(maps[0][0]) ** 2 / 1e6, 1000 * cutting),
            ),
            "Neighbouring windows share most of their pixels, and a convolution computes each product once.",
        ),
    )
    data = {"module": module, "scores": scored, "boxes": found, "scenes": test}
    return Outcome(result, main.mean_average_precision > 0.8, parts, data)


def _macs(side: int) -> int:
    return check(parse(NETWORK.replace(f"3x{WINDOW}x{WINDOW}", f"3x{side}x{side}"))).macs or 0


def _thinned(recall: np.ndarray, precision: np.ndarray) -> list[tuple[float, float]]:
    """About thirty points of a curve, the last among them."""
    return [(float(recall[i]), float(precision[i])) for i in evenly(len(recall), 30)]


def _missed(boxes: Sequence[BoxInScene], scene: DrawnScene) -> str:
    scores = score_boxes([[b for b in boxes if b.score >= SURE]], [scene.boxes])
    return f"{int(scores.right.sum())} of {len(scene.boxes)} shapes found; wrong boxes: {int((~scores.right).sum())}"


def _with_boxes(image: np.ndarray, boxes: Sequence[BoxInScene], scale: int = 6) -> np.ndarray:
    """*image* enlarged, with its boxes and what they are."""
    canvas = Image.fromarray(image).resize((image.shape[1] * scale, image.shape[0] * scale), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(canvas)
    for box in boxes:
        edges = [scale * v for v in (box.left, box.top, box.right, box.bottom)]
        draw.rectangle(edges, outline=COLOURS[box.kind], width=4)
    texts = [f"{KINDS_FOUND[box.kind]} {box.score:.0%}" for box in boxes]
    sizes = [(text_length(text, SMALL) + 7.0, LABEL) for text in texts]
    for box, text, (x, y) in zip(boxes, texts, label_places(boxes, sizes, scale, canvas.size), strict=True):
        draw.rectangle((x, y, x + text_length(text, SMALL) + 6, y + LABEL - 1), fill=COLOURS[box.kind])
        write(canvas, (x + 3, y + 1), text, SMALL, (0, 0, 0))
    return np.asarray(canvas)


def label_places(
    boxes: Sequence[BoxInScene], sizes: Sequence[tuple[float, float]], scale: int, room: tuple[int, int]
) -> list[tuple[float, float]]:
    """Where labels of these *sizes* (width, height) stand, ``(left, top)``, in a picture of *room* (width, height).

    Above their box, below it or inside, wherever they cover no other label and least of the other boxes.

    >>> label_places([BoxInScene(0, 0, 0, 10, 10)], [(40, 25)], 6, (100, 100))
    [(0, 60)]
    """
    large = [BoxInScene(b.kind, *(scale * v for v in (b.top, b.left, b.bottom, b.right))) for b in boxes]
    placed: list[BoxInScene] = []
    for box, (wide, high) in zip(large, sizes, strict=True):
        others = [other for other in large if other is not box]

        def covers(label: BoxInScene, others: Sequence[BoxInScene] = others) -> tuple[float, bool, float]:
            outside = label.top < 0 or label.bottom > room[1]
            return _covered(label, placed), outside, _covered(label, others)

        tops = (box.top - high, box.bottom, box.top, box.bottom - high)
        lefts = [max(0, min(x, room[0] - wide)) for x in (box.left, box.right - wide)]
        free = [BoxInScene(box.kind, y, x, y + high, x + wide) for y in tops for x in lefts]
        placed.append(min(free, key=covers))
    return [(label.left, label.top) for label in placed]


def _covered(label: BoxInScene, others: Sequence[BoxInScene]) -> float:
    return sum(box_overlap(label, other) for other in others)


LABEL = 25  # pixels of the picture: the height of a label
COLOURS = tuple(BASE[i] for i in (1, 4, 2, 3, 6))  # light enough for dark text

EXPERIMENT = Experiment(
    "detect",
    "Detection: a network slid over a larger scene",
    "A network that has learned to name what is in a small window finds and names several objects in a larger image "
    "when it is slid over it; as it is all convolution, that is one pass.",
    "Sermanet et al. 2013, OverFeat; tutorials on sliding windows and R-CNN",
    "A network is trained on windows of 32x32 pixels cut from 200 drawn scenes: it says what has its middle in the "
    "middle of the window, or that nothing has, and where the box around it lies. Then it is slid over 40 new scenes "
    "of 112x112 pixels; overlapping boxes are thinned out, and what is left is compared with what was drawn.",
    detect,
)
