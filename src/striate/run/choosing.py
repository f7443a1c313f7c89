"""What a training run does where nobody said: the recipe, and the network, that suit the data."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from striate.analysis import analyse
from striate.datasets import DataSet
from striate.errors import counted
from striate.learning import RECIPES, Recipe
from striate.model.contract import IMAGES
from striate.spec import Graph, lower


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Args:
        recipe: The settings.
        name: The recipe's name.
        why: The reason, after "since"; "" where there is nothing to say.
        net: The network of the zoo, where the recipe or the data ask for one; "" for the default of the data.
        why_augment: The reason for the recipe's augmentation; "" where there is nothing to say.
        init: How the default network's weights begin.
    """

    recipe: Recipe
    name: str = "default"
    why: str = ""
    net: str = ""
    why_augment: str = ""
    init: str = "auto"

    def line(self, recipe: Recipe) -> str:
        """What is said of it, and of the *recipe* that settings made of its own; "" where there is nothing to say.

        >>> Choice(Recipe(), why="the images are many").line(Recipe(epochs=1, batch_size=250))
        'recipe: default, 1 epoch of batches of 250 (since the images are many; change it with --recipe, -e or -b)'
        """
        length = f"{counted(recipe.epochs, 'epoch')} of batches of {recipe.batch_size}"
        how = f"since {self.why}; change it with --recipe, -e or -b"
        return f"recipe: {self.name}, {length} ({how})" if self.why else ""


def choose(
    dataset: DataSet,
    *,
    fine_tuned: bool = False,
    net_given: bool = False,
    rate_given: bool = False,
    fraction: float = 1.0,
) -> Choice:
    """The recipe for *dataset* where none is named.

    Args:
        dataset: The data, with their training split.
        fine_tuned: Whether it starts from trained weights.
        net_given: Whether the network is given.
        rate_given: Whether the optimizer or its learning rate is given: then a cycle made for another is not chosen.
        fraction: Of the training split, that is used.
    """
    choice = _choose(dataset, fine_tuned, net_given, rate_given, fraction)
    augment, why_augment = augmentation(dataset)
    if choice.net == "rgb_small":  # shifted anyway, mirrored where that is known to keep the class
        mirrored = choice.recipe
        recipe = mirrored if augment == "standard" else replace(mirrored, augment="shift=2", tta="none")
        return replace(choice, recipe=recipe, why_augment=why_augment)
    if not why_augment:
        return choice
    recipe, why = replace(choice.recipe, augment=augment), choice.why
    more = min(MORE, round(PHOTOS_SEEN / max(1, fraction * len(dataset.train))))
    if not fine_tuned and more > recipe.epochs:
        recipe = replace(recipe, epochs=more)
        why = f"{why} photos" if why else f"the photos are few: {len(dataset.train):,}"
    return replace(choice, recipe=recipe, why=why, why_augment=why_augment)


def augmentation(dataset: DataSet) -> tuple[str, str]:
    """How the training images are changed if nobody says, and why; ``"none"`` and "" of what are no photos.

    Photos of one or several classes are shifted and mirrored, which gained 2 to 8 points of accuracy wherever it was
    tried. Numbers and masks are left as they are; so are drawn and grey images: digits are no mirror images of each
    other. Nor are classes whose names say a side or are digits or letters themselves, such as those of traffic signs.
    """
    task = dataset.task
    if dataset.mode != "RGB" or not dataset.train.files or task.per_pixel or task.continuous:
        return "none", ""
    if sided := sided_class(dataset.classes):
        return "standard flip=no", f"these are photos, and the class {sided!r} may be no other in a mirror"
    return "standard", "these are photos"


def sided_class(classes: Sequence[str]) -> str:
    """The first of *classes* that may be another one in a mirror: its name says a side, or it is a digit or a letter;
    "" where there is none.

    >>> sided_class(("stop", "turn left")), sided_class(("cat", "dog"))
    ('turn left', '')
    """
    return next((name for name in classes if len(name) == 1 or name.isdecimal() or SIDED.search(name)), "")


def _choose(dataset: DataSet, fine_tuned: bool, net_given: bool, rate_given: bool, fraction: float) -> Choice:
    """The recipe, but for what is done to images."""
    if fine_tuned:
        recipe = RECIPES["finetune"].recipe
        if net_given:  # whose layers may be new: a head on random features, norms with statistics of nothing
            recipe = replace(recipe, head_epochs=0, norm_statistics="batch")
        return Choice(recipe, "finetune", "it begins with trained weights")
    items, task = max(1, round(fraction * len(dataset.train))), dataset.task
    text, table = dataset.mode == "text", dataset.mode == "values" and len(dataset.input) == 1
    name = "text" if text else "table" if table else task.default_recipe
    named = RECIPES[name]
    kind = (
        "the data are texts"
        if text
        else "the data are a table"
        if table
        else task.default_net_reason
        if name != "default"
        else ""
    )
    if items < MANY or dataset.mode not in IMAGES or not task.exclusive or task.per_pixel:
        recipe = named.sized(items)
        small = f"the training split is small: {items:,}" if recipe != named.recipe else ""
        return Choice(recipe, name, " and ".join(filter(None, [kind, small])), named.net, init=named.init)
    recipe = named.recipe
    if dataset.input[0] == 1 and max(dataset.input[1:]) <= SMALL and not net_given and not rate_given:
        quick = RECIPES["quick"]
        recipe = replace(quick.recipe, epochs=max(1, round(QUICK / items)))
        return Choice(recipe, "quick", f"the images are grey, small and many: {items:,}", quick.net)
    if dataset.mode == "RGB" and max(dataset.input[1:]) <= SMALL and not net_given and not rate_given:
        named = RECIPES["quick-rgb"]
        recipe = replace(named.recipe, epochs=min(MOST_RGB, max(3, round(QUICK_RGB / items))))
        why = f"the images are in colour, small and many: {items:,}"
        return Choice(recipe, "quick-rgb", why, named.net, init=named.init)
    epochs, batch_size = min(recipe.epochs, max(3, round(SEEN / items))), 64 if items < LARGE else 128
    lr = round(recipe.lr * math.sqrt(batch_size / recipe.batch_size), 4)
    recipe = replace(recipe, epochs=epochs, batch_size=batch_size, lr=lr)
    return Choice(recipe, why=f"the images are many: {items:,}")


def init_suits(init: str, dataset: DataSet) -> bool:
    """Whether weights can begin so for *dataset*: with counts of words where these are texts with classes."""
    return init != "naive_bayes" or (dataset.mode == "text" and dataset.task.has_classes)


SIDED = re.compile(r"(?i)(?<![a-z])(left|right|(anti|counter)?clockwise|digit|letter)(?![a-z])")  # not so in a mirror
MANY, LARGE = 10_000, 40_000  # images from which on a training split is large, and very large
SEEN = 500_000  # images, an image of each epoch counted, after which a network has learned most of what it will
QUICK_RGB, MOST_RGB = 400_000, 12  # likewise of small colour images; epochs of them at most
QUICK = 60_000  # the same of small grey images, in one cycle of a high learning rate
MORE, PHOTOS_SEEN = 60, 54_000  # epochs, and images in all of them, that few photos take: each is new every time
SMALL = 32  # pixels of the longer side
SIDES = (96, 128, 160, 192)  # pixels that ImageNet's networks are fine-tuned at where that is enough
ENLARGED = 4  # times their own size small photos are enlarged to
WORK = 1.3e12  # multiplications and additions of all forward passes: a few minutes on two cores


def smaller_input(graph: Graph, dataset: DataSet, epochs: int, device: str) -> tuple[int, str]:
    """The side of the images at which *graph*, a trained network, is fine-tuned if not at its own, and why; with ""
    where its own is best, or where its weights are for no other.

    Photos that are much smaller gain nothing from being enlarged further; and many large ones take long without a GPU.

    Args:
        graph: The network, with its own input.
        dataset: The photos.
        epochs: How often each is seen.
        device: ``"cpu"`` or another.
    """
    table = analyse(graph)
    assert graph.input is not None
    own = min(graph.input[1:])
    sides = [side for side in SIDES if side < own]
    least, work = min(dataset.input[1:]), table.macs * len(dataset.train) * epochs
    tables = ((side, analyse(lower(graph, (graph.input[0], side, side)))) for side in sides)
    fits = [side for side, found in tables if found.parameters == table.parameters and not found.problems]
    enough = next((side for side in fits if side >= ENLARGED * least), own)
    quick = max([side for side in fits if work * (side / own) ** 2 <= WORK] or fits[:1], default=own)
    if device == "cpu" and work > WORK and quick < enough:
        return quick, f"{len(dataset.train):,} images of {own}x{own} take long on a processor"
    if enough < own:
        return enough, f"the images are small, {dataset.input[2]}x{dataset.input[1]}"
    return own, ""
