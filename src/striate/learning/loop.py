"""Training as a loop that one can read, handed out as a stream of events.

Stop is ``break``, log is ``print``, and the order of things is the order of the lines.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from striate.errors import DataError, RecipeError
from striate.learning.average import WeightAverage
from striate.learning.distributed import World
from striate.learning.modules import Scorer, evaluating, fixed_norms, leading_tensor, restored_modes
from striate.learning.optim import loss_of, optimizer_of, rate_at
from striate.learning.recipe import Recipe
from striate.learning.speed import BusyWatch, Speed, reused_memory, scores_in, using_threads
from striate.learning.stepper import Stepper, check_loss
from striate.learning.trial import measure_speed
from striate.tasks import CLASSIFICATION, Task, TaskField, task_named
from striate.tasks.keeping import Point, standings
from striate.tasks.scoring import Loss, Tally, scoring_of
from striate.tasks.task import IGNORE

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, repr=False)
class Step:
    """One update of the weights: *step* of *steps* in *epoch* (all from 1), the rate used, and the mean ``loss`` of its
    items before it.

    The loss may still be on its way from a GPU: reading it waits for it, so read it now and then.
    """

    epoch: int
    step: int
    steps: int
    lr: float
    value: Tensor | float

    @property
    def loss(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"Step(epoch={self.epoch}, step={self.step}, steps={self.steps}, loss={self.loss}, lr={self.lr})"


@dataclass(frozen=True)
class Epoch:
    """One pass over the training split; what is of the validation split is None where there is none."""

    epoch: int
    train_loss: float
    val_loss: float | None
    val_metric: float | None  # the task's: accuracy, mean average precision, mean absolute error, mean IoU
    lr: float
    seconds: float
    best: bool  # no epoch before it was better on validation (without one: on training loss), by the mean of three
    task: TaskField = TaskField(CLASSIFICATION)
    items: int = 0  # trained on
    waiting: float = 0.0  # of the seconds, those until a batch was there
    kept: bool = True  # its weights become the model, if no later epoch's do: see striate.tasks.keeping
    stopped: bool = False  # the last one, for there was no better one for as many epochs as the recipe has patience

    @property
    def metric(self) -> str:
        """What ``val_metric`` is: ``accuracy``, ``mean_average_precision``, ``mae``, ``mean_iou``."""
        return self.task.metric.name

    @property
    def val_accuracy(self) -> float | None:
        """``val_metric`` where that is the accuracy."""
        return self.val_metric if self.metric == "accuracy" else None

    def row(self) -> dict[str, float | None]:
        """The columns of ``metrics.csv``."""
        return {
            "epoch": self.epoch,
            "train/loss": self.train_loss,
            "val/loss": self.val_loss,
            self.task.metric.column: self.val_metric,
            "lr": self.lr,
            "seconds": self.seconds,
        }

    def line(self, epochs: int) -> str:
        """The epoch in a line, for people."""
        val = "" if self.val_loss is None else f"  val loss {self.val_loss:.4f}"
        if self.val_metric is not None:
            val += f"  val {self.task.metric.text(self.val_metric)}"
        best = "  best" if self.best else ""
        number = f"{self.epoch:>{len(str(epochs))}}/{epochs}"
        return f"epoch {number}  train loss {self.train_loss:.4f}{val}  {self.seconds:.1f} s{best}"


class _Seekable(Protocol):
    """Batches whose order is decided by the epoch, and that can start after the first *start* of them."""

    def set_epoch(self, epoch: int, start: int = 0) -> None: ...


@dataclass
class State:
    """Where a training run stands, between two events: what a checkpoint contains.

    ``epoch`` and ``step`` count what is done: whole epochs, and steps of the current one.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0  # in batches
    loss_sum: Tensor | float = 0.0  # of the current epoch, over its items
    items: int = 0
    course: tuple[Point, ...] = ()  # of each epoch: what decides which of them is kept
    start: Point | None = None  # the same before the first epoch, where these weights are a model already
    seconds: float = 0.0  # of the current epoch
    waiting: float = 0.0  # of these, those until a batch was there; since a resume
    rng: Tensor | None = field(default=None, repr=False)  # torch's, as the next step will find it
    average: WeightAverage | None = field(default=None, repr=False)  # of the weights, where the recipe has ``ema``

    @classmethod
    def new(cls, module: nn.Module, recipe: Recipe) -> State:
        average = WeightAverage(module, recipe.ema) if recipe.ema else None
        return cls(module, optimizer_of(module, recipe), average=average)

    def averaged(self) -> AbstractContextManager[None]:
        """A context in which the module has the averaged weights, if any are kept: what is validated and saved."""
        return self.average.applied() if self.average else nullcontext()


def training(
    module: nn.Module,
    batches: Iterable[Batch],
    recipe: Recipe | None = None,
    *,
    val: Iterable[Batch] | None = None,
    state: State | None = None,
    task: Task | str | None = CLASSIFICATION,
    weights: Tensor | None = None,
    units: Tensor | None = None,
    speed: Speed | None = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    world: World | None = None,
) -> Iterator[Step | Epoch]:
    """Trains *module* in place, and yields a ``Step`` after every update and an ``Epoch`` after every pass.

    Args:
        module: Any module from ``(N, ...)`` to what :func:`~striate.learning.loss_of` takes for the *task*, such as
            ``(N, classes)`` scores, or to their softmax. What of it does not require gradients stays as it is, the
            running statistics of such normalisation layers too.
        batches: ``(inputs, targets)``, gone through once an epoch: a list, a DataLoader, ``striate.datasets.Batches``.
            If it has ``set_epoch(epoch, start)`` that decides the order, and a resumed epoch continues where it was.
        recipe: The settings; ``Recipe()`` if not given. Its ``augment``, ``balance`` and ``fraction`` are ignored
            here: they are for whoever makes the *batches* and *weights*.
        val: Batches that are only looked at, after every epoch; with the averaged weights where the recipe has ``ema``.
        state: Where to resume, kept up to date between the events; saving it is the caller's.
        task: What the targets are, and so the loss and the metric that finds the best epoch:
            ``"classification"``, ``"multilabel"``, ``"regression"``, ``"segmentation"``.
        weights: float ``(classes,)``, how much each class counts in the loss; all the same, if not given.
        units: float ``(V,)``, in regression: what 1 of each target is in the units to report the error in.
        speed: How steps are computed, such as :func:`fastest` gives; what the recipe says, if not given, and where that
            says ``auto``: float32 in contiguous memory.
        loss: One's own: ``(outputs, targets) -> mean loss`` of a batch, of the outputs as the module gives them. Inputs
            and targets may then be several: a tuple of inputs is ``module(*inputs)``, a dict ``module(**inputs)``. The
            metric of the *task* is counted where outputs and targets are a tensor each; with ``task=None`` none is, and
            the validation loss finds the best epoch. *weights* and the recipe's ``loss`` are not used.
        world: The processes that train the network together; each is given its part of the same *batches*.

    Raises:
        DataError: No batches; targets that are not the task's, not finite, or outside the network's outputs.
        RecipeError: The loss is another task's, or no number any more, or a batch is too small to normalise.

    Warns where all targets of the first epoch are the same: its loss says nothing.

    >>> x, y = torch.randn(8, 3), torch.tensor([0, 1] * 4)
    >>> for event in training(nn.Linear(3, 2), [(x, y)], Recipe(epochs=2)):
    ...     print(type(event).__name__, event.epoch)
    Step 1
    Epoch 1
    Step 2
    Epoch 2
    """
    recipe = recipe or Recipe()
    state = state or State.new(module, recipe)
    steps = _count(batches)
    updates = -(-steps // recipe.accumulate)
    if task is None and loss is None:
        raise RecipeError("task=None is for a loss of your own: give loss, or one of the tasks")
    world = world or World()
    if world.size > 1 and loss is not None:
        raise RecipeError("several processes train with the losses of the tasks alone; give no loss of your own")
    counted, task, speed = task is not None, task_named(task or CLASSIFICATION), speed or Speed.of(recipe)
    scoring, own = scoring_of(task), loss is not None
    loss_function = loss or loss_of(recipe, task, weights)
    tally = scoring.tally_of(task.metric, units) if counted else None
    seen = _Seen(task, done=own or state.step > 0)
    speed.place(module, state.optimizer)
    stepper = Stepper(module, recipe, None if own else scoring, loss_function, state.optimizer, speed, world)
    watch = BusyWatch(speed.threads) if not recipe.threads else BusyWatch(1)
    with using_threads(speed.threads), speed.applied(module):
        while state.epoch < recipe.epochs:
            begun = time.perf_counter()
            _seek(batches, state, recipe, world)
            module.train()
            fixed = fixed_norms(module, recipe.norm_statistics == "fixed")
            ready, asked = 0, time.perf_counter()
            for x, y in batches:
                state.waiting += time.perf_counter() - asked
                for norm in fixed:  # at every step: whoever looked at the network in between may have set it to train
                    norm.eval()
                value, y = stepper.gradients(_resized(x, recipe, state.epoch), y)
                seen.look(y)
                state.step += 1
                count = len(leading_tensor(y))
                state.loss_sum += value * count
                state.items += count
                ready += 1
                if ready < recipe.accumulate and state.step < steps:
                    asked = time.perf_counter()
                    continue
                lr = rate_at(recipe, state.epoch * steps + state.step - 1, recipe.epochs * steps)
                stepper.update(lr)
                if state.average:
                    state.average.update()
                state.rng, ready = torch.get_rng_state(), 0
                now = time.perf_counter()
                if watch.all > 1:
                    threads = watch.after((now - begun) / leading_tensor(x).numel())
                    if threads != torch.get_num_threads():
                        torch.set_num_threads(threads)
                state.seconds += now - begun
                yield Step(state.epoch + 1, -(-state.step // recipe.accumulate), updates, lr, value)
                begun = asked = time.perf_counter()
            seen.warn()
            stepper.read()
            validated = None
            if val is not None:
                with state.averaged():
                    validated = _validated(module, val, loss_function, task, tally, speed, own, world)
            epoch = _finish_epoch(state, recipe, validated, task, begun, steps)
            yield epoch
            if epoch.stopped:
                return


def fastest(
    module: nn.Module,
    batch: Batch,
    recipe: Recipe | None = None,
    *,
    steps: int,
    task: Task | str = CLASSIFICATION,
    weights: Tensor | None = None,
) -> Speed:
    """How :func:`training` computes steps of *module* soonest, measured on a *batch* and checked to be right.

    Args:
        module: What is to be trained; it stays as it is.
        batch: Inputs and targets, as of one step.
        recipe: What it says of precision, memory format and threads is kept; where it says ``auto``, it is measured.
        steps: How many there will be: no more than 2% of the time that they take, and 0.5 s, are spent measuring.
        task: As for :func:`training`.
        weights: As for :func:`training`.

    >>> x, y = torch.randn(8, 3), torch.tensor([0, 1] * 4)
    >>> fastest(nn.Linear(3, 2), (x, y), steps=10).precision
    'float32'
    """
    recipe, task = recipe or Recipe(), task_named(task)
    scoring, loss = scoring_of(task), loss_of(recipe, task, weights)
    with restored_modes(module), reused_memory():  # as while it is trained
        module.train()
        for norm in fixed_norms(module, recipe.norm_statistics == "fixed"):
            norm.eval()
        return measure_speed(
            module, Scorer(module, task), lambda s, y: loss(*scoring.checked(s, y)), batch, recipe, steps=steps
        )


class _Seen:
    """The targets of the first whole epoch: whether there are two that differ, without which nothing is learned."""

    def __init__(self, task: Task, *, done: bool) -> None:
        self.task, self.done = task, done
        self.first: Tensor | None = None
        self.items = 0

    def look(self, targets: Tensor) -> None:
        if self.done:
            return
        self.items += len(targets)
        known = targets[targets != IGNORE] if self.task.per_pixel else targets
        if len(known) and self.first is None:
            self.first = known[0].clone()
        self.done = self.first is not None and bool((known != self.first).any())

    def warn(self) -> None:
        """A warning after the first epoch, unless its targets differ; of a single item nobody expects that."""
        if not self.done and self.items > 1:
            same = "no pixel has a class" if self.first is None else f"all targets are {self.first.tolist()}"
            warnings.warn(
                f"{same}: there is nothing to tell apart, and a loss near 0 means nothing; look at the labels, or at "
                f"how the batches are made",
                stacklevel=3,
            )
        self.done = True


def _count(batches: Iterable[Batch]) -> int:
    """The number of steps in an epoch."""
    if not isinstance(batches, Sized):
        raise DataError(
            f"the batches are a {type(batches).__name__}, which is used up after one epoch; "
            f"give something with a length that can be iterated again, such as a list or a DataLoader"
        )
    if len(batches) == 0:
        raise DataError("there is nothing to train on: the batches are empty")
    return len(batches)


def _seek(batches: Iterable[Batch], state: State, recipe: Recipe, world: World) -> None:
    """Puts the order of the batches and torch's generator where the state says."""
    if hasattr(batches, "set_epoch"):
        cast(_Seekable, batches).set_epoch(state.epoch, state.step)
    elif state.step:
        raise DataError("only batches with set_epoch(epoch, start) can resume inside an epoch")
    if state.step and state.rng is not None and world.first:
        torch.set_rng_state(state.rng)
    else:
        torch.manual_seed(world.seed(recipe.seed * 1_000_003 + state.epoch, state.step))


def _resized(x: Any, recipe: Recipe, epoch: int) -> Any:
    """Images ``(N, C, H, W)`` at the size of the *epoch* (from 0): :meth:`Recipe.sides_at`."""
    if not isinstance(x, Tensor) or x.ndim != 4 or (size := recipe.sides_at(x.shape[2:], epoch)) == (*x.shape[2:],):
        return x
    return nn.functional.interpolate(x, size=size, mode="bilinear", antialias=True)


def _finish_epoch(
    state: State,
    recipe: Recipe,
    validated: tuple[float, float | None, int] | None,
    task: Task,
    begun: float,
    steps: int,
) -> Epoch:
    """Ranks the epoch, and moves the state on to the next."""
    train_loss = float(state.loss_sum) / max(1, state.items)
    val_loss, value, items = validated or (None, None, 0)
    if val_loss is not None:
        check_loss(val_loss, recipe)
    state.course += ((value, train_loss if val_loss is None else val_loss),)
    *_, standing = standings(task.metric, state.course, items, recipe.keep, state.start)
    seconds = state.seconds + time.perf_counter() - begun
    lr = rate_at(recipe, (state.epoch + 1) * steps - 1, recipe.epochs * steps)
    seen, waiting = state.items, state.waiting
    state.epoch, state.step, state.loss_sum, state.items = state.epoch + 1, 0, 0.0, 0
    state.seconds = state.waiting = 0.0
    stopped = 0 < recipe.patience <= standing.stale and state.epoch < recipe.epochs
    return Epoch(
        state.epoch,
        train_loss,
        val_loss,
        value,
        lr,
        seconds,
        standing.stale == 0,
        task,
        items=seen,
        waiting=waiting,
        kept=standing.kept,
        stopped=stopped,
    )


def validate(
    module: nn.Module,
    batches: Iterable[Batch],
    loss: Loss | None = None,
    task: Task | str = CLASSIFICATION,
    tally: Tally | None = None,
    speed: Speed | None = None,
) -> tuple[float, float]:
    """The mean *loss* and the task's metric (the accuracy, say) of *module* over *batches*; its mode is left as it
    was. Of a batch nothing is kept but what the *tally* needs: counts, or several labels' scores.

    In training the loss is the one that is trained, so that the two curves can be laid on each other.

    >>> batch = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])
    >>> loss, accuracy = validate(nn.Identity(), [batch])
    >>> round(loss, 3), accuracy
    (1.127, 0.5)
    """
    loss_value, value, _ = _validated(module, batches, loss, task, tally or scoring_of(task).tally(), speed)
    assert value is not None
    return loss_value, value


@torch.no_grad()
def _validated(
    module: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[Any, Any], Tensor] | None,
    task: Task | str,
    tally: Tally | None,
    speed: Speed | None,
    own: bool = False,
    world: World | None = None,
) -> tuple[float, float | None, int]:
    """As :func:`validate`, and how many items there are. With one's *own* loss the metric is None where there is no
    *tally*, or several outputs or targets.
    """
    scoring, scores_of, speed = scoring_of(task), Scorer(module, None if own else task), speed or Speed()
    loss = loss or loss_of(Recipe(label_smoothing=0), task)
    total, items, counts = 0.0, 0, None
    world = world or World()
    world.level(module.buffers())  # of batch normalisation: each has its own while it trains
    with evaluating(module):
        for x, y in batches:
            outputs, y = world.gathered(scores_in(speed, scores_of, x), y)
            if own and not (isinstance(outputs, Tensor) and isinstance(y, Tensor)):
                tally = None
            pair = scoring.checked(outputs, y) if tally else (outputs, y)
            n = len(leading_tensor(y))
            total += float(loss(outputs, y) if own else loss(*pair)) * n
            if tally:
                some = tally.count(*pair)
                counts = some if counts is None else tally.join(counts, some)
            items += n
    if not items:
        raise DataError("there is nothing to validate on: the batches are empty")
    value = tally.value(counts) if tally and counts is not None else None
    found = torch.tensor([total / items, math.nan if value is None else value], dtype=torch.float64)
    world.level([found])  # to the last bit: what is decided by it is decided alike
    return float(found[0]), None if value is None else float(found[1]), items
