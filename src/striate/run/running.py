"""A training run: its events, the files that they keep up to date, and its end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from striate.analysis import Report
from striate.datasets import Arrays, Batches
from striate.datasets.augment import Augment
from striate.datasets.sources.archives import as_given
from striate.datasets.statistics import class_weights
from striate.errors import ModelError, RecipeError, counted, shape_text
from striate.files import FolderLock, write_safely
from striate.learning import (
    Epoch,
    Recipe,
    Speed,
    State,
    Step,
    World,
    fastest,
    fit_head,
    save_state,
    training,
    using_threads,
)
from striate.learning.speed import reused_memory
from striate.model.model import Model
from striate.model.placing import point_map
from striate.net import Net
from striate.run.baseline import BaselineResult
from striate.run.finishing import finish
from striate.run.folder import EPOCHS, PAGE, PROGRESS, STATE, Say, to_csv
from striate.run.measuring import Held
from striate.run.pace import Pace
from striate.run.result import Result, made_of
from striate.run.sureness import Sureness
from striate.run.trackers import Trackers
from striate.run.verdict import Verdict
from striate.tasks import Task
from striate.tasks.keeping import SPAN, standings
from striate.threads import processors

SHORT = 1e11  # floating-point operations of a run that is over before a measurement would pay; one thread is enough


@dataclass
class Run:
    """A prepared run: everything is read and built, nothing is trained. ``events`` trains, ``finish`` measures."""

    folder: Path
    data: str
    net: str
    recipe: Recipe
    table: Report
    held: dict[str, Held]
    model: Model
    state: State
    device: torch.device
    augment: Augment
    input: tuple[int, ...]  # an item as it comes
    skipped: int = 0  # what the data name and has no file or no target, and so is no item
    history: list[dict[str, float | None]] = field(default_factory=list)
    best_epoch: int | None = None
    seconds: float = 0.0
    first_loss: float | None = None  # the largest of the first steps, before anything was learned
    finished: bool = False  # measured and reported, after all of its epochs
    test: float | None = None  # the task's metric on the test split, once it is finished
    begun_from: str = ""  # a model file that it is fine-tuned from, and what is frozen
    options: dict[str, Any] = field(default_factory=dict)  # what was said about the data
    keep_epochs: bool = False  # write the model as it is after every epoch, and before the first
    init: str = "auto"  # of the weights that it began with
    speed: Speed = Speed()  # how steps are computed
    page: bool = False  # write the network's live page
    in_memory: bool = False  # there is no folder: the best weights are kept here, and nothing is measured at the end
    kept_weights: dict[str, torch.Tensor] = field(default_factory=dict)  # where it is in memory
    baseline: bool = True  # compare the network with a plain model at the end
    beside: BaselineResult | None = None  # what was found, once measured
    no_page: str = ""  # why there is none, where one was to be written
    pace: Pace = field(default_factory=Pace)
    trackers: Trackers = field(default_factory=Trackers)  # that follow it
    lock: FolderLock | None = None  # of the folder, until the run is finished
    world: World = field(default_factory=World)  # the processes that train it, of which the first writes the files
    sureness: Sureness = Sureness()  # what was fitted on validation after training
    verdict: Verdict | None = None  # training, validation and test side by side, once measured

    @property
    def task(self) -> Task:
        return self.model.contract.task.judged_by(self.recipe.balance)

    @property
    def parts(self) -> dict[str, Arrays]:
        """What was read, by split."""
        return {name: held.arrays for name, held in self.held.items()}

    @property
    def example(self) -> Path | None:
        """A file of the test split, where its items are files, and not of an archive."""
        held = self.held["test"]
        file = held.source.files[held.kept[0]] if held.source.files else None
        return file if file and as_given(str(file)) == str(file) else None

    @property
    def summary(self) -> str:
        """The network in a line; ``table`` has its layers."""
        size = shape_text(self.model.contract.input)
        return (
            f"{self.net} on {self.data}: input {size}, {self.table.parameters:,} parameters, "
            f"{'at least ' * self.table.partial}{self.table.macs:,} MACs"
        )

    def events(self) -> Iterator[Step | Epoch]:
        """Trains, and keeps the folder's files up to date: the best model, the curves, the state."""
        begun = time.perf_counter()
        self.finished, self.test = False, None
        if not self.state.step:
            self._keep(self.state.epoch)
        if self.state.start and self.best_epoch is None:  # the fitted head is a model already
            self.best_epoch = 0
            self.save_state()
            if self.world.first:
                self._save_model(self.folder / "model.safetensors")
        events = training(
            self.model.module,
            self.batches("train", train=True),
            self.recipe,
            val=self.batches("val") if "val" in self.parts else None,
            state=self.state,
            task=self.task,
            weights=self.class_weights(),
            units=self.units(),
            speed=self.speed,
            world=self.world,
        )
        about = {"data": self.data, "net": self.net, "task": self.task.name, **self.recipe.as_dict()}
        with reused_memory():
            for event in self.trackers.follow(events, self.folder, about):
                if isinstance(event, Step) and event.epoch == 1 and event.step <= FIRST:
                    before = self.first_loss or event.loss
                    if event.loss < BURST * before:
                        self.first_loss = max(before, event.loss)
                if isinstance(event, Epoch):
                    self.history.append(event.row())
                    self.pace.add(event)
                    if event.kept:
                        self.best_epoch = event.epoch
                    self.save_state()  # before the model: what it says of the best epoch is enough to write that again
                    if event.kept and self.world.first:
                        self._save_model(self.folder / "model.safetensors")
                    self._keep(event.epoch)
                self.seconds += time.perf_counter() - begun
                yield event
                begun = time.perf_counter()

    def train(self, say: Say) -> None:
        """Goes through all events; each epoch is said in a line."""
        for event in self.events():
            if isinstance(event, Epoch):
                say(event.line(self.recipe.epochs))

    @property
    def kept_row(self) -> dict[str, float | None] | None:
        """What was measured of the epoch whose weights became the model: its row of the history."""
        if self.best_epoch == 0 and self.state.start:
            value, loss = self.state.start
            return {"epoch": 0, self.task.metric.column: value, "val/loss": loss}
        return next((row for row in self.history if row["epoch"] == self.best_epoch), None)

    @property
    def chosen_by(self) -> str:
        """Which epoch the model is of, and why that one."""
        metric, keep = self.task.metric, self.recipe.keep
        validated = any(row["val/loss"] is not None for row in self.history)
        if self.best_epoch == 0:
            return f"model with the fitted head: no epoch after it was as good on validation ({metric.words})"
        if keep == "last":
            why = "the last" if self.best_epoch == len(self.history) else "the last that is as good as the fitted head"
        elif metric.higher_is_better and validated:
            best = self._best_validated()
            of = f" (of epoch {best})" if best != self.best_epoch else ""
            why = f"the last within a standard error of the best validation {metric.words}{of}"
        else:
            why = f"the lowest {'validation' if validated else 'training'} loss (mean of {SPAN} epochs)"
        return f"model of epoch {self.best_epoch}, {why}"

    def _best_validated(self) -> int:
        """The last epoch whose line says "best"."""
        found = standings(self.task.metric, self.state.course, len(self.parts["val"]), start=self.state.start)
        return max(epoch for epoch, standing in enumerate(found, 1) if not standing.stale)

    @property
    def stopped_early(self) -> str:
        """What to say where it ended before its last epoch, for none was better for so long; "" where it did not."""
        if not self.recipe.patience or not self.state.course or self.state.epoch >= self.recipe.epochs:
            return ""
        *_, standing = standings(self.task.metric, self.state.course, len(self.parts["val"]), start=self.state.start)
        if standing.stale < self.recipe.patience:
            return ""
        return (
            f"stopped after {self.state.epoch} of {self.recipe.epochs} epochs: none of the last {standing.stale} was "
            f"better on validation (patience {self.recipe.patience})"
        )

    @property
    def divergence(self) -> str:
        """What to say where the loss only grew; "" where it did not."""
        losses = [float(row["train/loss"] or 0) for row in self.history]
        first = self.first_loss or (losses[0] if losses else 0.0)
        if not losses or min(losses) < first or losses[-1] <= 1.5 * first:
            return ""
        return (
            f"the loss grew from {first:.3g} to {losses[-1]:.3g}: training diverged; use a smaller learning rate than "
            f"lr={self.recipe.lr:g}, or limit the gradient with clip=1"
        )

    def mend_files(self) -> None:
        """Writes what follows from the state, and may lack where the process was killed between two writes."""
        path = self.folder / "model.safetensors"
        if self.best_epoch == self.state.epoch and not self.state.step and not self._is_model(path):
            self._save_model(path)
        self.save_progress()
        write_safely(self.folder / "metrics.csv", to_csv(self.history, self.task))

    def save_state(self) -> None:
        """Writes what ``--resume`` needs; called after every epoch, and by whoever stops in between.

        The state is one file with the history and the best epoch in it; the other files follow from it. Of several
        processes the first writes.

        Raises:
            RecipeError: The run was resumed elsewhere in this process meanwhile.
        """
        if not self.world.first or self.in_memory:
            return
        if self.lock and not self.lock.held:
            raise RecipeError(f"{self.folder}: this run was resumed meanwhile, by a later one in this process")
        (self.folder / "state").mkdir(exist_ok=True)
        save_state(self.state, self.folder / STATE, self._progress())
        self.save_progress()
        write_safely(self.folder / "metrics.csv", to_csv(self.history, self.task))

    def _is_model(self, path: Path) -> bool:
        """Whether the file has the weights of now; what was fitted on validation besides, it alone has."""
        try:
            kept = self.model.reloaded(path).module.state_dict()
        except ModelError:
            return False
        with self.state.averaged():
            now = self.model.module.state_dict()
            return all(torch.equal(value.cpu(), kept[name]) for name, value in now.items())

    def _keep(self, epoch: int) -> None:
        """Writes ``epochs/003.safetensors``, a model file like any other, with ``keep_epochs``."""
        path = self.folder / EPOCHS / f"{epoch:03}.safetensors"
        if self.keep_epochs and self.world.first and not path.exists():
            path.parent.mkdir(exist_ok=True)
            self._save_model(path)

    def _save_model(self, path: Path) -> None:
        """The model as it is now: with the averaged weights, where they are kept."""
        with self.state.averaged():
            if self.in_memory:
                state = self.model.module.state_dict()
                self.kept_weights = {name: value.detach().clone() for name, value in state.items()}
            else:
                self.model.save(path)

    @property
    def work(self) -> int:
        """The floating-point operations of the training: forward and backward, 2 a multiply-accumulate."""
        return 6 * self.table.macs * len(self.parts["train"]) * self.recipe.epochs

    def choose_speed(self, say: Say) -> None:
        """Works out how steps are computed: for a short run by rule, else by measuring, which is said."""
        recipe, batches = self.recipe, len(self.batches("train", train=True))
        if recipe.accumulate > batches:
            say(
                f"note: accumulate is {recipe.accumulate}, and an epoch has {counted(batches, 'batch')}: one optimizer "
                f"step per epoch"
            )
        if recipe.threads > processors():
            say(f"note: threads is {recipe.threads}, and there are {processors()} processors: as many threads are used")
        if self.device.type == "cpu" and self.work < SHORT and self.table.macs:
            given = Speed.of(recipe)
            free = recipe.memory_format == "auto" and isinstance(self.model.module, Net)  # others may use view
            memory_format = "channels_last" if free else given.memory_format
            self.speed = replace(given, memory_format=memory_format, threads=given.threads or 1)
            return
        batch = next(iter(self.batches("train", train=True)))
        weights = self.class_weights()
        self.speed = fastest(
            self.model.module, batch, recipe, steps=recipe.epochs * batches, task=self.task, weights=weights
        )
        say(f"speed: {self.speed}{self.speed.gain}")

    def follow_first(self) -> None:
        """Of several processes, the others take from the first what it chose, measured and trained so far."""
        if self.world.size == 1:
            return
        folder, speed = json.loads(self.world.from_first(json.dumps([str(self.folder), self.speed.as_dict()])))
        self.folder, self.speed = Path(folder), Speed.from_dict(speed) or self.speed
        self.world.level(self.model.module.state_dict().values())
        if not self.world.first and not self.state.epoch and not self.state.step:
            self.state = State.new(self.model.module, self.recipe)  # whose average begins with these weights

    def fit_head(self, head: tuple[str, ...], say: Say) -> None:
        """Trains the layers *head*, which are new, on the features of all items, computed once; and says it."""
        begun = time.perf_counter()
        with using_threads(self.speed.threads):
            fit = fit_head(
                self.model.module,
                head,
                self.batches("train", whole=True),
                self.batches("val", whole=True),
                self.recipe,
                task=self.task,
                weights=self.class_weights(),
                units=self.units(),
                speed=self.speed,
            )
        self.seconds += time.perf_counter() - begun
        self.state = State.new(self.model.module, self.recipe)
        self.state.start = (fit.val_metric, fit.val_loss) if fit else None
        if not fit:
            say("the features of all items take more memory than 1 GB, so the head begins with random weights")
            return
        value = self.task.metric.text(fit.val_metric)
        say(
            f"head: trained on the features of {fit.items:,} {made_of(self.model.contract)}, computed once, in "
            f"{self.seconds:.1f} s; validation {value}"
        )

    def best(self) -> Model:
        """The best model by validation. Several processes all call this, and have it from the first."""
        if self.in_memory:
            Speed().place(self.model.module)
            self.model.module.load_state_dict(self.kept_weights)
            self.model.module.eval()
            return self.model
        best = self.model.reloaded(self.folder / "model.safetensors") if self.world.first else self.model
        best.module.to(self.device)
        self.world.level(best.module.state_dict().values())
        return best

    def finish(self) -> Result:
        """Measures the best model on the test split, for the first and only time, and writes the report, and the
        page, if there is to be one and the network can be shown in one. Of several processes the first does, while
        the others call :meth:`best`.
        """
        return finish(self)

    def _progress(self) -> dict[str, Any]:
        names = ("history", "best_epoch", "seconds", "finished", "test", "kept_row")
        about = {name: getattr(self, name) for name in names}
        return about | {"baseline": self.beside.as_dict() if self.beside else None}

    def save_progress(self) -> None:
        write_safely(self.folder / PROGRESS, json.dumps(self._progress()))

    def batches(self, part: str, train: bool = False, *, whole: bool = False) -> Batches:
        """The batches of a split: of the training split shuffled and augmented, where *train* says so; of several
        processes this one's part, or the *whole*.
        """
        contract, recipe = self.model.contract, self.recipe
        more: dict[str, Any] = {"augment": self.augment, "balance": recipe.balance} if train else {}
        return Batches(
            self.parts[part],
            contract,
            batch_size=recipe.batch_size if train else self.model.at_a_time(256),
            seed=recipe.seed,
            shuffle=train,
            device=self.device,
            share=(0, 1) if whole else self.world.share,
            **more,
        )

    def class_weights(self) -> torch.Tensor | None:
        """How much each class counts in the loss; None: all the same."""
        if self.recipe.balance != "weights":
            return None
        weights = class_weights(self.parts["train"].targets, len(self.model.contract.classes))
        return torch.from_numpy(weights).to(self.device)

    def units(self) -> torch.Tensor | None:
        """Of standardised targets: what one std of each value is in the source's units; of positions, where images
        differ in size, in the pixels of a typical one.
        """
        contract = self.model.contract
        if not contract.task.standardised:
            return None
        units = torch.tensor(contract.target_std, dtype=torch.float64)
        if contract.positions:
            scale_x, scale_y, _, _ = point_map((self.input[2], self.input[1]), contract)
            for x, y in contract.positions:
                units[x] *= contract.input[2] / scale_x
                units[y] *= contract.input[1] / scale_y
        return units

    @property
    def page_file(self) -> Path | None:
        """The page that :meth:`finish` wrote."""
        return self.folder / PAGE if self.page and not self.no_page else None


FIRST = 3  # steps: the loss of one small batch may be small by chance
BURST = 5  # times the loss before it: then training has diverged already
