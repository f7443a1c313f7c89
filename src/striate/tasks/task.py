"""Task metadata: what each task is, in words and numbers, by the standard library alone.

To add one (detection, captions): a ``Task`` here and in ``TASKS``, and a file in ``striate/tasks/scoring`` with its
losses, metric, predictions and report. What the existing attributes cannot say of it becomes an attribute here, with
a default that leaves the other tasks as they are; nothing outside ``striate/tasks`` asks for a task by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from striate.errors import Error, RecipeError, nearest

IGNORE = 255  # in a mask of class numbers: a pixel without a class


@dataclass(frozen=True)
class Metric:
    """The number that says how good an epoch was.

    Args:
        name: Its key, and its column in ``metrics.csv`` behind ``val/``.
        title: Over its chart.
        share: Whether it is a share, 0 to 1, and written in percent.
        higher_is_better: Whether the epoch with the highest value is the best; else the validation loss decides.
        short: In a line of progress; the title, if not given.
    """

    name: str
    title: str
    share: bool = True
    higher_is_better: bool = True
    short: str = ""

    @property
    def column(self) -> str:
        """Of ``metrics.csv``: ``"val/accuracy"``."""
        return f"val/{self.name}"

    @property
    def words(self) -> str:
        """Its name in a sentence: ``"mean IoU"``."""
        return (self.short or self.name).replace("_", " ")

    def text(self, value: float) -> str:
        """*value* with the metric's name.

        >>> CLASSIFICATION.metric.text(0.975), REGRESSION.metric.text(1.23456)
        ('accuracy 97.50%', 'mae 1.235')
        """
        return f"{self.short or self.name} {self.number(value)}"

    def number(self, value: float) -> str:
        """*value* alone.

        >>> CLASSIFICATION.metric.number(0.975), REGRESSION.metric.number(1.23456)
        ('97.50%', '1.235')
        """
        return f"{value:.2%}" if self.share else f"{value:.4g}"

    def change(self, value: float) -> str:
        """A difference of two values; of shares in points, which are hundredths.

        >>> CLASSIFICATION.metric.change(0.0125), REGRESSION.metric.change(-0.5)
        ('+1.25 points', '-0.5')
        """
        return f"{100 * value:+.2f} points" if self.share else f"{value:+.4g}"


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """What a network is to predict for an item. Equal to its name, so that ``contract.task == "regression"`` is true.

    Args:
        name: As people and files say it.
        targets: What the targets of N items are, in words.
        output: What one output of the network is called: ``"class"``, ``"label"``, ``"value"``.
        outputs: Several of them.
        description: ``"classification into {}"``; the braces stand for ``"10 classes"``.
        metric: Chooses the best epoch.
        balanced_metric: Does so where the classes are balanced in training; *metric*, if not given.
        losses: What it can be trained by; the first is the default.
        weighted_losses: Those of them that take a weight for each class.
        exclusive: An item has exactly one class.
        has_classes: The outputs stand for classes or labels.
        per_pixel: Every pixel has a prediction.
        activation: What turns scores into probabilities: ``"softmax"``, ``"sigmoid"``, or nothing.
        no_softmax: Why a net must not end with a softmax, after "the data have"; empty where it may.
        targets_as: The task whose targets mean the same, so that its data can be taken for this one's.
        min_classes: Of outputs.
        max_classes: Likewise; None: any number.
        contract_fields: Fields of the contract that hold one value per class for this task, and none for others.
        has_positions: Pairs of outputs may be an x and a y in the image.
        balances: How uneven classes can be balanced.
        nets: Of which tasks the zoo's nets suit; only its own, if not given.
        default_net: The zoo's net for images when none is named.
        large_net: The zoo's net for images of 128 pixels and more, if it is another.
        default_net_reason: Why it is that, after "since".
        default_recipe: The named recipe when none is named.
    """

    name: str
    targets: str
    output: str
    outputs: str
    description: str
    metric: Metric
    losses: tuple[str, ...]
    weighted_losses: tuple[str, ...] = ()
    exclusive: bool = False
    has_classes: bool = True
    per_pixel: bool = False
    activation: str = ""
    no_softmax: str = ""
    targets_as: str = ""
    min_classes: int = 1
    max_classes: int | None = None
    contract_fields: tuple[str, ...] = ()
    has_positions: bool = False
    balances: tuple[str, ...] = ("none",)
    nets: tuple[str, ...] = ()
    default_net: str = "vgg_small"
    large_net: str = ""
    default_net_reason: str = ""
    default_recipe: str = "default"
    balanced_metric: Metric | None = None

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def __eq__(self, other: object) -> bool:
        return self.name == (other.name if isinstance(other, Task) else other)

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def continuous(self) -> bool:
        """Whether the outputs are numbers and no classes."""
        return not self.has_classes

    @property
    def several(self) -> bool:
        """Whether an item has a set of labels: any number of them."""
        return self.has_classes and not self.exclusive and not self.per_pixel

    @property
    def standardised(self) -> bool:
        """Whether the network learns the targets less their mean, over their standard deviation."""
        return "target_std" in self.contract_fields

    @property
    def best_balance(self) -> str:
        """What to balance uneven classes by where sampling does not apply."""
        return "weights" if "weights" in self.balances else "none"

    def outputs_of(self, classes: int, input: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a network's output for one item of the shape *input*, with so many *classes* (or values).

        >>> CLASSIFICATION.outputs_of(11, (3, 176, 240)), SEGMENTATION.outputs_of(11, (3, 176, 240))
        ((11,), (11, 176, 240))
        """
        return (classes, *input[1:]) if self.per_pixel else (classes,)

    def count(self, n: int) -> str:
        """So many outputs in words.

        >>> CLASSIFICATION.count(10), REGRESSION.count(1)
        ('10 classes', '1 value')
        """
        return f"{n:,} {self.output if n == 1 else self.outputs}"

    def describe(self, n: int) -> str:
        """The task of so many outputs in words.

        >>> SEGMENTATION.describe(3), REGRESSION.describe(1)
        ('segmentation into 3 classes', 'regression of 1 value')
        """
        return self.description.format(self.count(n))

    def target_texts(self, target: Any, classes: Sequence[str]) -> list[str]:
        """One item's target in words: its class, its labels, its values; nothing where every pixel has one.

        >>> MULTILABEL.target_texts([1, 0, 1], ["cat", "dog", "fox"]), REGRESSION.target_texts([1.5], ["age"])
        (['cat', 'fox'], ['1.5'])
        """
        if self.per_pixel:
            return []
        if self.exclusive:
            return [classes[int(target)]]
        if self.has_classes:
            return [name for name, yes in zip(classes, target, strict=True) if yes]
        return [f"{value:.9g}" for value in target]

    def default_loss(self, balance: str = "none") -> str:
        """The loss where none is named: the first, or the first that takes the class weights of ``"weights"``.

        >>> SEGMENTATION.default_loss(), SEGMENTATION.default_loss("weights")
        ('crossentropy+dice', 'crossentropy')
        """
        weighted = self.weighted_losses if balance == "weights" else ()
        return (weighted or self.losses)[0]

    def judged_by(self, balance: str) -> Task:
        """This task, its metric the one that counts with that *balance* of a recipe.

        >>> CLASSIFICATION.judged_by("sampling").metric.name, CLASSIFICATION.judged_by("none").metric.name
        ('balanced_accuracy', 'accuracy')
        """
        other = self.balanced_metric if balance != "none" else None
        return replace(self, metric=other) if other else self

    def fits_net_for(self, task: str) -> bool:
        """Whether a net that the zoo has for *task* (a name) suits this one, given its number of outputs."""
        return task in (self.nets or (self.name,))


CLASSIFICATION = Task(
    "classification",
    targets="int64 (N,), the number of each item's class",
    output="class",
    outputs="classes",
    description="classification into {}",
    metric=Metric("accuracy", "Accuracy"),
    losses=("crossentropy", "mse", "hinge"),
    weighted_losses=("crossentropy", "mse", "hinge"),
    exclusive=True,
    activation="softmax",
    min_classes=2,
    balances=("none", "weights", "sampling"),
    balanced_metric=Metric("balanced_accuracy", "Balanced accuracy"),
)
MULTILABEL = Task(
    "multilabel",
    targets="uint8 (N, K), 1 for each label that an item has, else 0",
    output="label",
    outputs="labels",
    description="multilabel, {}",
    metric=Metric("mean_average_precision", "Mean average precision", short="mean AP"),
    losses=("bce",),
    weighted_losses=("bce",),
    activation="sigmoid",
    no_softmax="several labels",
    balances=("none", "weights"),
    nets=("classification", "regression"),
    default_net_reason="an image has several labels",
)
REGRESSION = Task(
    "regression",
    targets="float32 (N, V), in the source's own units",
    output="value",
    outputs="values",
    description="regression of {}",
    metric=Metric("mae", "Mean absolute error", share=False, higher_is_better=False),
    losses=("mse", "l1", "huber"),
    has_classes=False,
    no_softmax="numbers to predict",
    contract_fields=("target_mean", "target_std"),
    has_positions=True,
    nets=("classification", "regression"),
    default_net="vgg_small_regressor",
    default_net_reason="numbers are to be predicted",
    default_recipe="regression",
)
SEGMENTATION = Task(
    "segmentation",
    targets="uint8 (N, H, W), each pixel's class number, 255 where it has none; or mask files",
    output="class",
    outputs="classes",
    description="segmentation into {}",
    metric=Metric("mean_iou", "Mean IoU", short="mean IoU"),
    losses=("crossentropy+dice", "crossentropy", "dice"),
    weighted_losses=("crossentropy",),  # dice weighs all classes the same already
    per_pixel=True,
    activation="softmax",
    min_classes=2,
    max_classes=IGNORE - 1,
    contract_fields=("mask_values",),
    balances=("none", "weights"),
    default_net="unet_small",
    large_net="unet_medium",
    default_net_reason="every pixel has a class",
    default_recipe="segmentation",
)

TASKS: dict[str, Task] = {task.name: task for task in (CLASSIFICATION, MULTILABEL, REGRESSION, SEGMENTATION)}


def task_named(name: Task | str) -> Task:
    """The task with that name; a task is itself.

    Raises:
        RecipeError: No task has the name; the nearest is offered.

    >>> task_named("regression").outputs
    'values'
    """
    if isinstance(name, Task):
        return name
    if not isinstance(name, str) or name not in TASKS:
        raise RecipeError(f"task is {name!r}{nearest(str(name), TASKS)}")
    return TASKS[name]


class TaskField:
    """The field of a dataclass that holds a :class:`Task` and is also given by name.

    Args:
        default: The task where none is given; None where one must be.
        error: What is raised for a name that no task has.
        where: What the error's text begins with.
    """

    def __init__(self, default: Task | None = None, *, error: type[Error] = RecipeError, where: str = "") -> None:
        self.default, self.error, self.where = default, error, where

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Task: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Task: ...
    def __get__(self, instance: object | None, owner: type) -> Task:
        if instance is not None:
            task: Task = vars(instance)[self.name]
            return task
        if self.default is None:
            raise AttributeError(self.name)  # how a dataclass learns that a field has no default
        return self.default

    def __set__(self, instance: object, value: Task | str) -> None:
        try:
            vars(instance)[self.name] = task_named(value)
        except RecipeError as error:
            raise self.error(f"{self.where}{error}") from None
