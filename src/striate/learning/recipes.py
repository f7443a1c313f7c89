"""The recipes that have a name: each with the network that it was made for, if any, and what it was seen to reach."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from striate.errors import RecipeError, nearest
from striate.files import near_path
from striate.learning.recipe import Recipe, read_recipe
from striate.tasks import REGRESSION, SEGMENTATION


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe, and what is known of it.

    Args:
        recipe: The settings.
        about: In a line, what it is for.
        net: The network of the zoo that is trained where none is named; "" for that of the data.
        init: The initialisation of that network's weights.
        steps: Of the optimizer, that a run has at least: small data get more epochs for it, five times as many at most.
        smallest: Batch that small data get.
        evidence: The claim: data, accuracy, n, processor, versions, seconds, and the command that shows it.
    """

    recipe: Recipe
    about: str
    net: str = ""
    init: str = "auto"
    steps: int = 0
    smallest: int = 4
    evidence: str = ""

    def sized(self, items: int) -> Recipe:
        """The settings for a training split of so many *items*.

        Where batches would be fewer than 40 in an epoch they become smaller, and the rate with the square root of their
        size; then there are as many epochs as give ``steps``.

        >>> small = RECIPES["default"].sized(100)
        >>> small.batch_size, small.lr, small.epochs
        (4, 0.00071, 32)
        >>> RECIPES["default"].sized(2000) == RECIPES["default"].recipe
        True
        """
        recipe, size = self.recipe, self.recipe.batch_size
        if not self.steps:
            return recipe
        while size > self.smallest and items < MANY_BATCHES * size:
            size //= 2
        epochs = min(5 * recipe.epochs, max(recipe.epochs, math.ceil(self.steps / math.ceil(items / size))))
        lr = float(f"{recipe.lr * math.sqrt(size / recipe.batch_size):.2g}")
        return replace(recipe, batch_size=size, lr=lr, epochs=epochs)


MANY_BATCHES = 40  # of an epoch


_SMALL_PHOTOS = Recipe(  # Jordan 2024 and what became of it
    epochs=8,
    batch_size=500,
    optimizer="muon",
    lr=0.1,
    momentum=0.6,
    norm_bias_lr=2.0,
    weight_decay=0.0,
    schedule="linear",
    warmup=0.0,
    label_smoothing=0.2,
    augment="shift=2 flip=alternate",
    start_size=0.75,
    keep="last",
    validation_fraction=0.05,
    tta="flip",
)

RECIPES: dict[str, NamedRecipe] = {
    "default": NamedRecipe(
        Recipe(),
        "AdamW, one cycle of the learning rate, label smoothing",
        steps=800,
        evidence="360 images of shapes:n=400,size=32,test=600: 54.2 % test accuracy in batches of 8, as "
        "it chooses, 51.6 % in batches of 32; 20 epochs, mean of 4 seeds, standard errors 0.7 and 1.0, torch 2.13.",
    ),
    "classic": NamedRecipe(
        Recipe(optimizer="sgd", lr=0.5, schedule="constant", warmup=0, weight_decay=0, loss="mse", batch_size=16),
        "what the tutorials describe: plain gradient descent on 1/2 sum (target - probability)^2",
    ),
    "quick": NamedRecipe(
        Recipe(epochs=1, batch_size=250, optimizer="muon", lr=0.2, momentum=0.6, warmup=0.2),
        "one cycle of a high learning rate over many small grey images (MNIST and its kin)",
        net="grey_small",
        evidence="MNIST: 99.22% of the 10,000 test digits (mean of n=10, std 0.08, min 99.06%) in 5.1 s, median of the "
        "whole command; two cores of an AMD EPYC, AVX512-BF16, torch 2.13; python bench/mnist.py",
    ),
    "fast-mnist": NamedRecipe(
        Recipe(
            epochs=4, batch_size=250, optimizer="muon", lr=0.2, momentum=0.6, warmup=0.2, augment="shift=2", keep="last"
        ),
        "as quick, a wider net, and digits shifted by up to two pixels; the more epochs, the fewer errors",
        net="grey_medium",
        evidence="MNIST: 99.56% of the 10,000 test digits (mean of n=10, std 0.03, min 99.51%) in 15.3 s, median of "
        "the whole command; two cores of an AMD EPYC, AVX512-BF16, torch 2.13; python bench/mnist.py --recipe "
        "fast-mnist",
    ),
    "best-mnist": NamedRecipe(
        Recipe(
            epochs=28,
            batch_size=250,
            optimizer="muon",
            lr=0.1,
            momentum=0.6,
            schedule="linear",
            warmup=0.2,
            augment="shift=3 rotate=15 scale=0.15",
            keep="last",
            validation_fraction=0.05,
            tta="shift",
        ),
        "as fast-mnist, with the fewest errors in a few minutes: wider, turned and scaled digits, nine views of each",
        net="grey_large",
        evidence="MNIST: 99.74 and 99.70% of 10,000 test digits (seeds 0 and 1) in 246 and 258 s, the whole command, "
        "two cores of an AMD EPYC, AVX512-BF16, torch 2.13; python bench/mnist.py --recipe best-mnist",
    ),
    "finetune": NamedRecipe(
        Recipe(
            epochs=8,
            lr=5e-4,
            warmup=0.2,
            weight_decay=0.05,
            label_smoothing=0.1,
            layer_decay=0.9,
            head_epochs=60,
            norm_statistics="fixed",
            keep="last",
        ),
        "from trained weights: the head on features computed once, then all layers, the first ones slowest",
    ),
    "text": NamedRecipe(
        Recipe(epochs=6, batch_size=64, weight_decay=0.3, label_smoothing=0.2, augment="words=0.15"),
        "short texts: word vectors that begin with counts of the training texts, and a part of the words unknown",
        net="text_small",
        init="naive_bayes",
        steps=800,
        evidence="Pang and Lee's film reviews (9,596 training, 1,066 test sentences): 77.6 % test accuracy, mean of 10 "
        "seeds, std 0.6 (tf-idf with logistic regression 77.6 %; with word vectors drawn at random 77.0 %, n=4); "
        "striate train polarity, torch 2.13, one thread of an AMD EPYC (Zen 4), 8 s. Chosen on validation.",
    ),
    "table": NamedRecipe(
        Recipe(lr=1e-2),
        "a table of numbers through a few linear layers: a high learning rate, and 600 steps of few rows",
        steps=600,
        smallest=32,
        evidence="5-fold cross-validation of scikit-learn's sets: accuracy of iris 93.3 %, wine 97.8 %, breast cancer "
        "97.9 %, 600 digits 95.0 %, R2 of diabetes 0.475, 0.3 s a fit; with the default recipe 86.0, 96.0, 97.4, "
        "88.8 %, 0.335; MLPClassifier and MLPRegressor on scaled columns 94.7, 97.8, 97.5, 95.2 %, -1.03; one thread "
        "of an AMD EPYC beside other work, torch 2.13; python bench/estimators.py",
    ),
    SEGMENTATION.default_recipe: NamedRecipe(
        Recipe(batch_size=16, lr=2.8e-3, augment="standard"),
        "a class for each pixel: small batches, shifted and flipped, and many epochs of few images",
        steps=2500,
        smallest=2,
        evidence="CamVid (367 training, 101 validation, 233 test images), unet_medium at 240x176, 55 epochs of batches "
        "of 8: mean IoU 52.4% on test (n=1) in 620 s beside other work; two cores of an AMD EPYC, AVX512-BF16, torch "
        "2.13; striate train CAMVID",
    ),
    REGRESSION.default_recipe: NamedRecipe(Recipe(), "numbers from images, as default", steps=800),
    "quick-rgb": NamedRecipe(
        _SMALL_PHOTOS,
        "a few epochs of many small colour images, mirrored and shifted, with Muon",
        net="rgb_small",
        init="whiten",
        evidence="JPEG copy of CIFAR-10, 10,000 test images, n=1, one thread of an AMD EPYC (AVX512-BF16) beside other "
        "work, torch 2.13: all 50,000 images 88.2% in 294 s (8 epochs, 2% for validation, filters not whitened), where "
        "vgg_small with the default recipe had 76.4% in 300 s; a fifth of them 80.7% in 77 s (12 epochs), and 70.2% in "
        "42 s; two threads, 14 epochs, 2% for validation: 89.4% in 275 s of training.",
    ),
    "fast-cifar": NamedRecipe(
        replace(_SMALL_PHOTOS, epochs=10, validation_fraction=0.1),
        "airbench94 with Muon for small colour photos, thousands of each class (CIFAR-10 and its kin)",
        net="airbench94",
        init="whiten",
        evidence="JPEG copy of CIFAR-10, 7 epochs 89.6% of 10,000 test images (n=2) in 337 s, 14 epochs "
        "90.4% (n=1) in 642 s, beside other work; two cores of an AMD EPYC, AVX512-BF16, torch 2.13; "
        "striate train FOLDER --recipe fast-cifar -e 7",
    ),
    "svm": NamedRecipe(Recipe(loss="hinge"), "the multiclass hinge loss of a support vector machine"),
}
EARLIER_NAMES = {"standard": "default", "tutorial": "classic"}


def named_recipe(name: str) -> NamedRecipe:
    """The recipe of that name, or in that ``recipe.json`` (of a run: what is not a setting is ignored).

    Raises:
        RecipeError: No recipe has the name, or the file is not one.

    >>> named_recipe("svm").recipe.loss
    'hinge'
    """
    name = EARLIER_NAMES.get(name, name)
    if name in RECIPES:
        return RECIPES[name]
    if not name.endswith(".json"):
        file = near_path(name)
        near = nearest(name, [*RECIPES, *EARLIER_NAMES], also=file if file.endswith(".json") else "")
        raise RecipeError(f"recipe {name!r}: no recipe has this name, and it is not a .json file{near}")
    return NamedRecipe(read_recipe(Path(name)), f"the settings in {name}")


def find_recipe(name: str) -> Recipe:
    """The settings of :func:`named_recipe`.

    >>> find_recipe("classic").optimizer
    'sgd'
    """
    return named_recipe(name).recipe
