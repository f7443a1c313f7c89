"""``translation``: learned on the left, looked for on the right."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from striate.experiments.drawn import ink_image
from striate.experiments.fitting import built, digits_tensors, fit_tensors, scores_of, share_right
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say, columns
from striate.plotting import Panel
from striate.report.lines import ChartLine, LineChart

SIZE, DIGIT, MARGIN = (12, 40), 8, 2  # of the image; of the digit; empty pixels at least around it
LEFT = range(MARGIN, SIZE[1] // 2 - DIGIT - MARGIN + 1)  # columns at which a digit may begin in training
ALL = range(MARGIN, SIZE[1] - DIGIT - MARGIN + 1)
COPIES, EPOCHS = 4, 6  # of each training digit, each somewhere else; passes over all of them
CONVOLUTIONS = "input 1x12x40; conv 16 3 padding=1; relu; maxpool 2; conv 32 3 padding=1; relu"
NETS = {
    "convolution, global pooling": f"{CONVOLUTIONS}; adaptivemaxpool 1; flatten; linear 10",
    "convolution, flatten": f"{CONVOLUTIONS}; maxpool 2; flatten; linear 10",
    "fully connected": "input 1x12x40; flatten; linear 128; relu; linear 10",
}
EVERYWHERE = "convolution, flatten, trained everywhere"
POOLED, FLATTENED, DENSE = NETS


def place_digits(digits: Tensor, columns: Tensor) -> Tensor:
    """*digits* ``(N, 1, 8, 8)`` on empty images ``(N, 1, 12, 40)``, each with its left edge at its one of *columns*.

    >>> place_digits(torch.ones(2, 1, 8, 8), torch.tensor([2, 30]))[:, 0, 5].argmax(dim=1)
    tensor([ 2, 30])
    """
    canvas = torch.zeros(len(digits), 1, *SIZE)
    columns = columns[:, None] + torch.arange(DIGIT)
    rows = torch.arange(MARGIN, MARGIN + DIGIT)
    canvas[torch.arange(len(digits))[:, None, None], 0, rows[None, :, None], columns[:, None, :]] = digits[:, 0]
    return canvas


def translation(seed: int, say: Say) -> Outcome:
    """The experiment; see ``EXPERIMENT``."""
    nets = _trained(seed, say)
    x, y = digits_tensors("test")
    at = {column: place_digits(x, torch.full((len(x),), column)) for column in ALL}
    accuracy = {name: np.array([share_right(net, at[column], y) for column in ALL]) for name, net in nets.items()}
    seen, unseen = slice(0, len(LEFT)), slice(SIZE[1] // 2 - MARGIN, None)  # where the digit lies in one half alone
    halves = {name: (float(a[seen].mean()), float(a[unseen].mean())) for name, a in accuracy.items()}
    parameters = {name: sum(p.numel() for p in net.parameters()) for name, net in nets.items()}
    parts = (
        LineChart(
            "Accuracy on 360 test digits",
            "shift to the right, pixels",
            tuple(
                ChartLine(name, tuple(zip((float(c - MARGIN) for c in ALL), a.tolist(), strict=True)))
                for name, a in accuracy.items()
            ),
            "In training no digit began further right than the dashed line. The kernels find their strokes anywhere; "
            "what follows them decides. Global pooling asks whether something is anywhere in the image, and has the "
            "same answer at each shift. A flatten layer has a weight for every place, and those on the right have "
            "never learned anything: it has to be shown digits there.",
            y=".0%",
            mark=(float(LEFT[-1] - MARGIN), "trained up to here"),
        ),
        ResultTable(
            "Learned on the left, tested on both sides",
            columns("network | parameters:, | digit on the left:.1% | digit on the right:.1%"),
            tuple((name, parameters[name], *halves[name]) for name in nets),
            "Left: the shifts of the training. Right: the digit lies wholly in the right half. Chance is 10%.",
        ),
        _one_digit(nets, x, y),
    )
    holds = halves[POOLED][1] > halves[POOLED][0] - 0.02 and halves[DENSE][1] < 0.5
    verdict = "The claim holds with global pooling, and only with it." if holds and halves[FLATTENED][1] < 0.5 else ""
    result = (
        "Trained with digits in the left half alone, the convolutional network with global pooling has "
        f"{halves[POOLED][0]:.1%} right on the left and {halves[POOLED][1]:.1%} on the right. With a flatten layer "
        f"behind the same convolutions it is {halves[FLATTENED][0]:.1%} and {halves[FLATTENED][1]:.1%}, in the fully "
        f"connected network {halves[DENSE][0]:.1%} and {halves[DENSE][1]:.1%}. Shown digits everywhere in training, "
        f"the network with the flatten layer has {halves[EVERYWHERE][1]:.1%} right on the right."
    )
    data = {"shift": np.array(ALL) - MARGIN, "accuracy": accuracy, "networks": nets}
    return Outcome(result, holds, parts, data, verdict=verdict)


def _trained(seed: int, say: Say) -> dict[str, nn.Module]:
    """The networks by name, each trained with the digits on the left, the last with digits everywhere."""
    x, y = digits_tensors("train")
    x, y = x.repeat(COPIES, 1, 1, 1), y.repeat(COPIES)
    rng = np.random.default_rng(seed)
    nets = {}
    for name, text, where in (*((n, t, LEFT) for n, t in NETS.items()), (EVERYWHERE, NETS[FLATTENED], ALL)):
        columns = torch.from_numpy(rng.integers(where[0], where[-1] + 1, len(y)))
        net = built(text, seed)
        last = fit_tensors(net, place_digits(x, columns), y, seed=seed, epochs=EPOCHS, lr=4e-3)[-1]
        say(f"{name}: trained on {len(y):,} images, loss {last.train_loss:.3f}")
        nets[name] = net
    return nets


def _one_digit(nets: dict[str, nn.Module], x: Tensor, y: Tensor) -> Gallery:
    """A test digit at three places, and what each network says of it."""
    places = (LEFT[0], LEFT[-1], ALL[-1])
    right = torch.stack(
        [_class(net, place_digits(x, torch.full((len(x),), places[0])))[0] == y for net in nets.values()]
    )
    chosen = int(torch.nonzero(right.all(dim=0) & (y == 4))[0])
    panels = []
    for column in places:
        image = place_digits(x[chosen : chosen + 1], torch.tensor([column]))
        told = []
        for name in NETS:
            answer, probability = (part.item() for part in _class(nets[name], image))
            told.append(f"{name}: {answer} ({probability:.0%})")
        where = "as in training" if column in LEFT else "where none was in training"
        panels.append(
            Panel(ink_image(image[0, 0]), f"shift {column - MARGIN}, {where}", "\n".join(told), side=320, frame=True)
        )
    return Gallery("One test digit, moved", tuple(panels), "Each network's answer and its probability.")


def _class(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The most probable class of each input, and its probability."""
    best = scores_of(net, x).softmax(dim=1).max(dim=1)
    return best.indices, best.values


EXPERIMENT = Experiment(
    "translation",
    "Translation: learned on the left, found on the right",
    "Because the same kernels slide over the whole image, a convolutional network recognises an object wherever it is; "
    "a fully connected network has to learn it anew at each place.",
    "Britz, Understanding Convolutional Neural Networks for NLP, on location invariance; LeCun et al. 1998",
    "Real digits of 8x8 pixels are laid on empty images of 12x40. In training every digit lies in the left half; "
    "then the 360 test digits are tried at every shift. Three networks are compared: convolutions and global max "
    "pooling; the same convolutions and a flatten layer with a weight for every place, as in LeNet-5; and one of "
    "fully connected layers alone. A fourth is the second, trained with digits everywhere.",
    translation,
)
