"""``receptive-field``: how much of the image a unit sees, by the formula, by gradients and by changing pixels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from striate.analysis import infer, receptive
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say, columns
from striate.inspect import Target, measured_field
from striate.inspect.fields import Box
from striate.learning import evaluating
from striate.net import Net, build
from striate.plotting import ColourScale, value_panel
from striate.spec import Conv, Graph, MaxPool, parse

EXAMPLE = "input 1x12x12; conv1: conv 4 3 padding=1; relu; pool1: maxpool 3; conv2: conv 4 2"
CLAIMED = 4  # pixels a side that a unit behind conv2 sees, as tutorials have it
FORGETTING = (  # what a count gives that leaves something out of the formula
    ("the last kernel alone", 2),
    ("both convolutions, without the pooling: 3 + 1", 4),
    ("pooling without its stride: 3 + 2 + 1", 6),
    ("everything: 3 + 2 + 3", 8),
)


@dataclass(frozen=True)
class FieldStep:
    """What a layer does to the receptive field of a unit, along one side.

    Args:
        layer: Its name and op.
        output: The side of its map.
        kernel: Of the layer, in units of the map before it.
        jump: Pixels from one unit of that map to the next.
        before: Pixels a side that a unit of that map sees.
    """

    layer: str
    output: int
    kernel: int
    jump: int
    before: int

    @property
    def after(self) -> int:
        """Pixels a side that a unit of this layer sees: each further unit of the map before adds a jump."""
        return self.before + (self.kernel - 1) * self.jump


def field_steps(graph: Graph) -> list[FieldStep]:
    """The formula of the receptive field, layer by layer, for a plain stack of convolutions and pooling.

    >>> [step.after for step in field_steps(parse(EXAMPLE))]
    [3, 5, 8]
    """
    shapes, steps, jump, size = infer(graph)[0], [], 1, 1
    for node in graph.nodes:
        if isinstance(node.op, Conv | MaxPool):
            kernel, stride = node.op.kernel, node.op.stride
            assert isinstance(kernel, int)
            steps.append(FieldStep(node.name, shapes[node.name][-1], kernel, jump, size))
            size = steps[-1].after
            jump *= stride if isinstance(stride, int) else kernel  # pooling steps by its kernel, if nothing is said
    return steps


def boxes_by_analysis(graph: Graph, layer: str) -> list[Box]:
    """What every unit of *layer* sees, (top, left, height, width), cut at the image's edge: by ``striate check``.

    >>> boxes_by_analysis(parse(EXAMPLE), "conv2")[4]
    (2, 2, 8, 8)
    """
    shapes = infer(graph)[0]
    rows, columns = receptive(graph, shapes)[0][layer]
    _, height, width = shapes["input"]
    boxes = []
    for i in range(shapes[layer][1]):
        for j in range(shapes[layer][2]):
            spans = [axis.at(n) for axis, n in ((rows, i), (columns, j))]
            (top, low), (left, right) = (
                (max(s[0], 0), min(s[1], n - 1)) for s, n in zip(spans, (height, width), strict=True) if s
            )
            boxes.append((top, left, low - top + 1, right - left + 1))
    return boxes


def box_around(marked: np.ndarray) -> Box:
    """The smallest box around what is true in *marked* ``(H, W)``: (top, left, height, width).

    >>> box_around(np.eye(4, dtype=bool)[1:, 1:])
    (0, 0, 3, 3)
    """
    rows, columns = np.nonzero(marked)
    top, left = int(rows.min()), int(columns.min())
    return (top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1)


def changed_by_pixels(module: nn.Module, x: torch.Tensor) -> np.ndarray:
    """bool ``(units, H, W)``: whether a pixel, when it alone is changed, changes a unit of the output of *module* in
    any of the images *x* ``(N, 1, H, W)``; all channels of a place are one unit.

    >>> net = nn.Conv2d(1, 1, 2, bias=False)
    >>> changed_by_pixels(net, torch.randn(2, 1, 3, 3))[0].astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    height, width = x.shape[-2:]
    found: np.ndarray | None = None
    module, x = copy.deepcopy(module).double(), x.double()  # so that rounding is no change
    with evaluating(module), torch.no_grad():
        for image in x:
            several = image.repeat(height * width, 1, 1, 1)
            several.view(height * width, -1).add_(3 * torch.eye(height * width, dtype=x.dtype))
            moved = (module(several) - module(image[None])).abs().amax(1).flatten(1) > 1e-9
            mine = moved.T.reshape(-1, height, width).numpy()
            found = mine if found is None else found | mine
    assert found is not None
    return found


@dataclass(frozen=True, eq=False)
class FieldFound:
    """Of every unit of the last layer, by each way: the box that it sees; and where in it the gradient is how large.

    Args:
        steps: The formula.
        analysis: By ``striate check``, cut at the image's edge.
        changed: By changing single pixels, bool ``(units, H, W)``.
        strength: Of the unit in the middle, the mean of ``|d unit / d pixel|`` over random images, ``(H, W)``.
    """

    steps: tuple[FieldStep, ...]
    analysis: tuple[Box, ...]
    changed: np.ndarray
    strength: np.ndarray

    @property
    def middle(self) -> int:
        """The number of the unit in the middle."""
        return len(self.analysis) // 2

    @property
    def measured(self) -> tuple[Box, ...]:
        return tuple(box_around(mine) for mine in self.changed)

    @property
    def inner_share(self) -> float:
        """The share of the gradient's size in the ``CLAIMED`` pixels a side in the middle of the field."""
        top, left, height, _ = box_around(self.strength > 0)
        edge = (height - CLAIMED) // 2
        inner = self.strength[top + edge : top + edge + CLAIMED, left + edge : left + edge + CLAIMED]
        return float(inner.sum() / self.strength.sum())


def find_fields(text: str = EXAMPLE, seed: int = 0, images: int = 200) -> FieldFound:
    """Measures what the units of the last layer of *text* see.

    >>> found = find_fields(images=20)
    >>> found.analysis[found.middle], found.measured[found.middle]
    ((2, 2, 8, 8), (2, 2, 8, 8))
    """
    graph = parse(text)
    module: Net = build(graph, seed=seed)
    height, width = infer(graph)[0]["input"][1:]
    x = torch.randn(images, 1, height, width, generator=torch.Generator().manual_seed(seed))
    rows, columns = infer(graph)[0][graph.output][1:]
    target = Target(graph.output, (0, rows // 2, columns // 2))
    return FieldFound(
        tuple(field_steps(graph)),
        tuple(boxes_by_analysis(graph, graph.output)),
        changed_by_pixels(module, x[: max(20, images // 4)]),
        measured_field(module, [x], target).strength,
    )


STACKS = {  # what else is said of receptive fields: a stack, its claim
    "two 3x3 convolutions see as much as one 5x5": ("conv 2 3; relu; conv 2 3", 5),
    "three 3x3 convolutions see as much as one 7x7": ("conv 2 3; relu; conv 2 3; relu; conv 2 3", 7),
    "a 3x3 convolution with dilation 2 sees 5x5": ("conv 2 3 dilation=2", 5),
    "two 3x3 with 2x2 pooling between see 8x8": ("conv 2 3; relu; maxpool 2; conv 2 3", 8),
    "a 1x1 convolution sees one pixel": ("conv 2 1", 1),
}


def stack_fields(seed: int = 0) -> Sequence[tuple[str, int, int]]:
    """Of each of ``STACKS``: its claim, the side claimed, and the side measured by changing pixels of 15x15 images.

    >>> [claimed == found for _, claimed, found in stack_fields()]
    [True, True, True, True, True]
    """
    x = torch.randn(20, 1, 15, 15, generator=torch.Generator().manual_seed(seed))
    rows = []
    for claim, (text, side) in STACKS.items():
        changed = changed_by_pixels(build(parse(f"input 1x15x15; {text}"), seed=seed), x)
        rows.append((claim, side, box_around(changed[len(changed) // 2])[2]))
    return rows


def receptive_field(seed: int, say: Say) -> Outcome:
    """The experiment: the example of twelve by twelve pixels, and what is said of stacks of layers."""
    found = find_fields(seed=seed)
    stacks = stack_fields(seed)
    say("measured by changing every pixel, and by gradients")
    sides = {
        "the formula, layer by layer": found.steps[-1].after,
        "striate check": found.analysis[found.middle][2],
        "changing each pixel, and seeing whether the unit changes": found.measured[found.middle][2],
        "the gradient of the unit by each pixel, over 200 images": box_around(found.strength > 0)[2],
    }
    side = sides["the formula, layer by layer"]
    agree = set(sides.values()) == {side} and found.analysis == found.measured
    seen = ColourScale(1.0, False)
    names = [f"row {i}, column {j}" for i in range(3) for j in range(3)]
    centre = box_around(found.strength > 0)
    edge = (side - CLAIMED) / 2
    inner = (centre[0] + edge, centre[1] + edge, float(CLAIMED), float(CLAIMED))
    parts = (
        ResultTable(
            "The formula",
            columns("layer | map | a unit before sees | kernel | pixels a step:, | a unit sees"),
            tuple(
                (s.layer, _square(s.output), _square(s.before), _square(s.kernel), s.jump, _square(s.after))
                for s in found.steps
            ),
            "A kernel of k units sees what one unit sees, and k - 1 steps more. A step in the map behind the pooling "
            "is three pixels wide: that is what is forgotten.",
        ),
        ResultTable("How the wrong answers come about", columns("what is counted | pixels a side:,"), FORGETTING),
        ResultTable("Four ways to measure it", columns("way | pixels a side:,"), tuple(sides.items())),
        Gallery(
            "Which pixels change which unit",
            tuple(
                value_panel(mine.astype(float) * 0.45, seen, title=name, marks=(box,), side=156)
                for name, mine, box in zip(names, found.changed, found.analysis, strict=True)
            ),
            "One picture for each of the 3x3 units behind the second convolution. Every pixel was changed by itself "
            "in 50 random images; coloured are those that changed the unit in any of them. The box is what striate "
            "check says. Units at the edge see less: a part of their field lies in the padding.",
        ),
        Gallery(
            "How much each pixel counts",
            (value_panel(found.strength, title="the unit in the middle", marks=(centre, inner), side=432),),
            "The mean size of the gradient over 200 random images. The larger box is the whole field, "
            f"{_square(side)}; the smaller one, the {_square(CLAIMED)} pixels in its middle, has "
            f"{found.inner_share:.0%} of the influence.",
            ColourScale.of(found.strength),
        ),
        ResultTable(
            "What else is said of receptive fields",
            columns("claim | claimed | measured"),
            tuple((claim, _square(claimed), _square(measured)) for claim, claimed, measured in stacks),
            "Measured by changing single pixels of 15x15 images.",
        ),
    )
    right = sum(claimed == measured for _, claimed, measured in stacks)
    result = (
        f"A unit behind the second convolution sees {_square(side)} pixels, not {_square(CLAIMED)}: so say the "
        "formula, striate check, the gradient, and changing the pixels one at a "
        f"time{'' if agree else ', though not all agree'}. {_square(CLAIMED)} is the count that forgets the pooling. "
        f"Of {len(stacks)} other claims about receptive fields {right} are right."
    )
    return Outcome(
        result,
        side == CLAIMED,
        parts,
        {"changed": found.changed, "strength": found.strength, "sides": sides},
        verdict="" if side == CLAIMED else f"The claim does not hold: it is {_square(side)}.",
    )


def _square(side: int) -> str:
    return f"{side}x{side}"


EXPERIMENT = Experiment(
    "receptive-field",
    "Receptive field: how much of the image a unit sees",
    "On an image of 12x12 pixels, after a 3x3 convolution (padding 1), 3x3 pooling and a 2x2 convolution, a unit "
    "sees 4x4 pixels of the image.",
    "a worked example of several tutorials",
    "The network is built with random weights. What each unit of its last layer sees is computed by the formula and "
    "by striate check, and measured twice: each of the 144 pixels is changed by itself, and the units that change "
    "are noted; and PyTorch gives the gradient of the unit in the middle by every pixel.",
    receptive_field,
)
