"""Weight initialisation, by name. Each is a function of a weight and a generator; biases begin at 0. ``whiten`` also
looks at training images, in a step of its own: :func:`whiten`; ``naive_bayes`` at texts: :func:`naive_bayes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.errors import RecipeError, nearest
from striate.net.layers import ChannelNorm, ChannelScale, FixedCodes, TabledConvolution

WEIGHTED = (nn.modules.conv._ConvNd, nn.Linear)


@dataclass(frozen=True)
class Draw:
    """Where a weight's first values come from: ``"normal"`` of standard deviation *scale*, ``"uniform"`` within it."""

    kind: str
    scale: float

    def fill(self, weight: Tensor, generator: torch.Generator) -> None:
        """Draws on the CPU, so that every device begins alike."""
        values = torch.empty(weight.shape, dtype=weight.dtype)
        if self.kind == "normal":
            values.normal_(0, self.scale, generator=generator)
        else:
            values.uniform_(-self.scale, self.scale, generator=generator)
        weight.copy_(values)


# By the number of inputs that one output sums, and of outputs that one input reaches
INITS: dict[str, Callable[[int, int], Draw]] = {
    # LeCun et al. 1998, "Efficient BackProp", equation 16
    "lecun": lambda fan_in, fan_out: Draw("normal", 1 / math.sqrt(fan_in)),
    # for tanh and sigmoid: Glorot and Bengio 2010, equation 16
    "glorot": lambda fan_in, fan_out: Draw("uniform", math.sqrt(6 / (fan_in + fan_out))),
    # for ReLU and its kin: He, Zhang, Ren, Sun 2015, equation 10
    "he": lambda fan_in, fan_out: Draw("normal", math.sqrt(2 / fan_in)),
    # LeCun et al. 1998, "Gradient-based learning applied to document recognition", appendix A
    "lenet": lambda fan_in, fan_out: Draw("uniform", 2.4 / fan_in),
    # Krizhevsky, Sutskever, Hinton 2012, section 5
    "alexnet": lambda fan_in, fan_out: Draw("normal", 0.01),
}
FROM_DATA = (
    "whiten",
    "naive_bayes",
)  # the initialisations that a step of their own completes, which looks at training items
WORDS = Draw("uniform", 0.25)  # about the variance of trained word vectors, as Kim 2014 begins those to be learned


def check_init(name: str) -> None:
    """RecipeError unless *name* is ``auto``, one of ``INITS`` or of ``FROM_DATA``."""
    if name not in (known := ("auto", *INITS, *FROM_DATA)):
        raise RecipeError(f"init is {name!r}{nearest(name, known)}")


@torch.no_grad()
def initialise(module: nn.Module, name: str = "auto", seed: int = 0) -> None:
    """Gives every weight of *module* its first value, from *seed* alone (torch's global generator is not touched).

    Args:
        name: One of ``INITS``; ``"auto"`` takes Glorot's where the network has tanh or sigmoid, else He's;
            ``"whiten"`` as auto, but the first convolution is frozen, to be computed by :func:`whiten`, the others
            begin as the identity of as many channels as come in (Dirac), and a last linear layer small;
            ``"naive_bayes"`` as auto, but some of the word vectors' numbers are computed by :func:`naive_bayes`.

    Raises:
        RecipeError: An unknown name; whiten, and the first layer with weights is no convolution; naive_bayes, and
            there is no embedding.
    """
    check_init(name)
    generator = torch.Generator().manual_seed(seed)
    for path, some, draw in draws(module, name):
        draw.fill(module.get_parameter(path)[some], generator)
    for part in module.modules():
        if isinstance(part, (TabledConvolution, *WEIGHTED)) and part.bias is not None:
            part.bias.zero_()
        elif isinstance(part, nn.modules.batchnorm._BatchNorm | ChannelNorm | ChannelScale | FixedCodes):
            part.reset_parameters()

    if name == "naive_bayes":
        _embedding(module)
    if name == "whiten":
        _first_convolution(module).weight.requires_grad_(False)
        later = [part for part in module.modules() if isinstance(part, WEIGHTED)][1:]
        for part in later:
            if isinstance(part, nn.modules.conv._ConvNd) and part.groups == 1 and not part.transposed:
                nn.init.dirac_(part.weight[: part.in_channels])
            elif part is later[-1]:
                part.weight.div_(part.weight.std() * part.weight.shape[1])


def _first_convolution(module: nn.Module) -> nn.modules.conv._ConvNd:
    """The convolution that looks at the images; RecipeError where another layer does."""
    first = next((part for part in module.modules() if isinstance(part, (nn.Embedding, *WEIGHTED))), None)
    if isinstance(first, nn.Conv1d | nn.Conv2d | nn.Conv3d) and first.groups == 1 and {*first.dilation} == {1}:
        return first
    kind = "there is none" if first is None else f"it is {type(first).__name__}"
    raise RecipeError(f"init whiten: the first layer with weights must be a convolution, but {kind}; use init=auto")


@torch.no_grad()
def whiten(module: nn.Module, images: Tensor, eps: float = 5e-4) -> None:
    """Computes the filters of the first convolution from *images*: its outputs are uncorrelated and of equal variance
    (the eigenvectors of the patches' covariance, each divided by the root of its eigenvalue; Page 2018, Jordan 2024).
    Of so many pairs of filters as there are outputs for, the second is the negative of the first; others stay.

    Args:
        module: Its first layer with weights is a convolution.
        images: float ``(N, C, ...)``, prepared training images: a thousand are enough.
        eps: Added to the eigenvalues, so that noise is not blown up.

    Raises:
        RecipeError: Another layer is first.

    >>> images, net = torch.randn(50, 1, 8, 8).cumsum(3), nn.Sequential(nn.Conv2d(1, 8, 2, bias=False))
    >>> whiten(net, images, eps=0)
    >>> outputs = net(images).movedim(1, -1).flatten(0, -2)[:, :4]
    >>> torch.allclose(outputs.T @ outputs / len(outputs), torch.eye(4), atol=1e-3)
    True
    """
    first = _first_convolution(module)
    kernel, size = first.kernel_size, first.weight[0].numel()
    covariance, patches = torch.zeros(size, size, dtype=torch.float64), 0
    for start in range(0, len(images), 256):
        windows = images[start : start + 256]
        for axis, side in enumerate(kernel, start=2):
            windows = windows.unfold(axis, side, 1)
        rows = windows.movedim(1, 1 + len(kernel)).reshape(-1, size).double().cpu()
        covariance, patches = covariance + rows.T @ rows, patches + len(rows)
    values, vectors = torch.linalg.eigh(covariance / patches)
    filters = (vectors / (values.clamp_min(0) + eps).sqrt()).T.flip(0)[: len(first.weight) // 2]  # the largest first
    filters = torch.cat([filters, -filters]).reshape(-1, *first.weight.shape[1:])
    first.weight[: len(filters)] = filters.to(first.weight)


@torch.no_grad()
def naive_bayes(module: nn.Module, texts: Tensor, targets: Tensor, classes: int) -> None:
    """Gives each word vector what a count of the training texts says of the word: its log-count ratio for every class,
    as the first of its numbers (Wang and Manning 2012, "Baselines and bigrams: simple, good sentiment and topic
    classification", equation 1); the others stay as they were drawn.

    The ratio is ``log(p / |p|) - log(q / |q|)``, where ``p`` is 1 plus the number of the class's texts with the word,
    ``q`` that of the other texts, and ``|p|`` the sum over all words. Of more classes than half a vector has numbers,
    the first get one. Padding and unknown words keep theirs.

    Args:
        module: Its first layer is an embedding.
        texts: int ``(N, L)``, word numbers; 0 is padding, 1 a word that is not known.
        targets: int ``(N,)``, each text's class; or ``(N, K)``, 1 for each label that it has.
        classes: K.

    Raises:
        RecipeError: There is no embedding.

    >>> net = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 2))
    >>> naive_bayes(net, torch.tensor([[2, 3, 0], [2, 4, 0], [4, 4, 3]]), torch.tensor([0, 0, 1]), classes=2)
    >>> net[0].weight.data[2:, 0].exp()  # word 2 is in both texts of the first class, and in none of the second
    tensor([2.1429, 0.7143, 0.7143])
    """
    weight = _embedding(module).weight
    words = len(weight)
    once = torch.unique(texts.long().cpu() + words * torch.arange(len(texts))[:, None])  # each word of a text once
    text, word = once // words, once % words
    has = targets.cpu() if targets.ndim == 2 else nn.functional.one_hot(targets.long().cpu(), classes)
    columns = has[:, : weight.shape[1] // 2].double().T
    with_class = torch.stack([torch.bincount(word, column[text], minlength=words) for column in columns])
    without = torch.bincount(word, minlength=words) - with_class
    with_class, without = 1 + with_class[:, UNKNOWN + 1 :], 1 + without[:, UNKNOWN + 1 :]
    ratios = (with_class / with_class.sum(1, keepdim=True) / (without / without.sum(1, keepdim=True))).log()
    weight[UNKNOWN + 1 :, : len(ratios)] = ratios.T.to(weight)


UNKNOWN = 1  # the number of all words that the vocabulary does not have; 0 is padding


def _embedding(module: nn.Module) -> nn.Embedding:
    """The first layer's word vectors; RecipeError where it has none."""
    first = next((part for part in module.modules() if isinstance(part, (nn.Embedding, *WEIGHTED))), None)
    if isinstance(first, nn.Embedding):
        return first
    kind = "there is none" if first is None else f"it is {type(first).__name__}"
    raise RecipeError(f"init naive_bayes: the first layer with weights must be an embedding, but {kind}; use init=auto")


def draws(module: nn.Module, name: str = "auto") -> Iterator[tuple[str, slice, Draw]]:
    """Which parameters of *module* are drawn, in which rows, and how, in the order of the drawing; those that are not
    begin at 0 or 1.

    >>> next(draws(nn.Sequential(nn.Linear(50, 3)), "he"))
    ('0.weight', slice(0, 3, None), Draw(kind='normal', scale=0.2))
    """
    check_init(name)
    if name in ("auto", *FROM_DATA):
        saturating = any(isinstance(m, nn.Tanh | nn.Sigmoid) for m in module.modules())
        name = "glorot" if saturating else "he"
    for path, part in module.named_modules():
        where = f"{path}.weight".lstrip(".")
        if isinstance(part, TabledConvolution):  # each output sums the inputs of its own row of the table
            area, start = math.prod(part.weight.shape[2:]), 0
            for row in part.table:
                yield where, slice(start, start + len(row)), INITS[name](len(row) * area, len(part.table) * area)
                start += len(row)
        elif isinstance(part, WEIGHTED):
            yield where, slice(0, len(part.weight)), INITS[name](*fans(part))
        elif isinstance(part, nn.Embedding):
            yield where, slice(0, len(part.weight)), WORDS


def fans(part: nn.Module) -> tuple[int, int]:
    """How many inputs one output sums, and how many outputs one input reaches."""
    weight = part.weight
    assert isinstance(weight, Tensor)
    area = math.prod(weight.shape[2:])
    if isinstance(part, nn.modules.conv._ConvTransposeNd):
        return weight.shape[0] // part.groups * area, weight.shape[1] * area
    groups = part.groups if isinstance(part, nn.modules.conv._ConvNd) else 1
    return weight.shape[1] * area, weight.shape[0] // groups * area
