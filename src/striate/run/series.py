"""Several runs of one training: with other random seeds, or each tested on another fold of the items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from striate.analysis import align_columns
from striate.datasets import Data, open_data
from striate.errors import ModelError, RecipeError
from striate.files import read_json
from striate.learning import Epoch, NamedRecipe, Recipe, World
from striate.loading import Given
from striate.metrics.repeated import Spread, spread_of
from striate.run.comparing import RunRow
from striate.run.folder import PROGRESS, STATE, Say, check_out, say_nothing, to_stderr
from striate.run.making import prepare
from striate.run.options import given_recipe, sorted_settings
from striate.tasks import Metric, Task, task_named

REPEATS, FOLDS = "repeats", "folds"


@dataclass(frozen=True)
class SeriesRun:
    """One run of a series.

    Args:
        folder: Its own.
        title: ``"fold 2/5"``, ``"seed 3 (4 of 5)"``.
        settings: What of the recipe is of this run alone.
        fold: ``"2/5"``, in cross-validation.
    """

    folder: Path
    title: str
    settings: dict[str, Any]
    fold: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it is trained and measured."""
        try:
            return bool(read_json(self.folder / PROGRESS)["finished"])
        except (OSError, ValueError, LookupError, TypeError):
            return False

    @property
    def begun(self) -> bool:
        """Whether there is something to resume."""
        return (self.folder / STATE).is_file()

    @property
    def options(self) -> dict[str, Any]:
        """What of the options of :func:`~striate.run.making.prepare` is of this run alone."""
        fold = {"fold": self.fold} if self.fold else {}
        return {"out": self.folder, "resume": self.begun, **fold}


@dataclass(frozen=True)
class Series:
    """Runs that differ in their random seed, or in the fold that they are tested on; ``print`` shows them.

    Args:
        folder: That their folders are in.
        kind: ``"repeats"`` or ``"folds"``.
        members: The runs.
    """

    folder: Path
    kind: str
    members: tuple[SeriesRun, ...]

    @property
    def rows(self) -> tuple[RunRow, ...]:
        """What the files of the runs say, of those that are finished."""
        return tuple(RunRow.of(member.folder) for member in self.members if member.finished)

    @property
    def task(self) -> Task:
        """Of the finished runs."""
        return task_named(str(self.rows[0].task))

    @property
    def metric(self) -> Metric:
        """The one that the runs report."""
        return self.task.judged_by(str(self.rows[0].settings.get("balance", "none"))).metric

    def spread(self, split: str = "test") -> Spread | None:
        """The metric on *split*, ``"test"`` or ``"val"``, of the finished runs; None where there is none."""
        values = [row.test if split == "test" else row.metric for row in self.rows]
        known = [value for value in values if value is not None]
        return spread_of(known, folds=self.kind == FOLDS) if known else None

    def sentence(self) -> str:
        """The mean and its interval, and what they are about."""
        test, metric = self.spread(), self.metric
        if test is None:
            return "no run is finished"
        n, planned = len(test.values), len(self.members)
        of = f"{n} of {planned}" if n < planned else f"{n}"
        what = "folds" if self.kind == FOLDS else "random seeds"
        if test.interval is None or test.std is None:
            return f"test {metric.text(test.mean)}, of {of} {what}: of one run there is no interval"
        std = metric.change(test.std).lstrip("+")
        ends = [min(max(end, 0.0), 1.0) for end in test.interval] if metric.share else test.interval
        low, high = map(metric.number, ends)
        return (
            f"test {metric.text(test.mean)}, mean of {of} {what} (std {std}; 95% interval of the mean {low} to {high})"
        )

    def as_dict(self) -> dict[str, Any]:
        """As ``striate train --repeats 5 --json`` prints it."""
        rows = self.rows
        return {
            "folder": str(self.folder),
            "kind": self.kind,
            "metric": self.metric.name if rows else None,
            "test": spread.as_dict() if (spread := self.spread()) else None,
            "val": spread.as_dict() if (spread := self.spread("val")) else None,
            "runs": [row.as_dict() for row in rows],
        }

    def __str__(self) -> str:
        rows = self.rows
        if not rows:
            return "no run is finished"
        metric = self.metric
        cells: list[tuple[str, ...]] = [("run", "validation", f"test {metric.words}", "kept epoch", "seconds")]
        cells += [
            (
                row.run,
                "" if row.metric is None else metric.number(row.metric),
                "" if row.test is None else metric.number(row.test),
                str(row.best_epoch or ""),
                f"{row.seconds or 0:.1f}",
            )
            for row in rows
        ]
        return "\n".join([*align_columns(cells, left=1), "", self.sentence()])


def series_of(
    data: Data,
    *,
    repeats: int | None = None,
    folds: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    **of_data: Any,
) -> Series:
    """The runs to make, each with its own folder in *out* (or in ``runs/DATA-repeats``, ``runs/DATA-folds``).

    Args:
        data: As for :func:`~striate.train`; it is opened, so that nothing is trained if there are too few items.
        repeats: As many random seeds, from *seed* on.
        folds: As many folds, each of which is the test split of one run.
        seed: Of the first run; with folds of every run.
        out: The folder; a new one, if not given.
        resume: Go on with the series in *out*, or with the newest one of the data.
        **of_data: How the data are to be understood.

    Raises:
        RecipeError: Neither or both of *repeats* and *folds*, or fewer than 2; a folder that holds something else.
        ModelError: There is nothing to resume.
        DataError: Too few items for so many folds.
    """
    if (repeats is None) == (folds is None):
        raise RecipeError("give one of repeats and folds: other random seeds, or other folds of the items")
    kind, n = (REPEATS, repeats) if repeats is not None else (FOLDS, folds)
    if not isinstance(n, int) or n < 2:
        raise RecipeError(f"{kind} is {n!r}, expected a whole number of at least 2, such as 5")
    dataset = open_data(data, **of_data | ({"fold": f"1/{n}"} if kind == FOLDS else {}))
    folder = series_folder(out, f"{dataset.name}-{kind}", resume)
    if kind == FOLDS:
        runs = [SeriesRun(folder / f"fold-{k}", f"fold {k}/{n}", {"seed": seed}, f"{k}/{n}") for k in range(1, n + 1)]
    else:
        runs = [
            SeriesRun(folder / f"seed-{s}", f"seed {s} ({s + 1 - seed} of {n})", {"seed": s})
            for s in range(seed, seed + n)
        ]
    return Series(folder, kind, tuple(runs))


def series_folder(out: str | Path | None, name: str, resume: bool) -> Path:
    """The folder of a series: *out*, or ``runs/NAME`` with the next free number (to *resume*, with the last one).

    Raises:
        RecipeError: It holds something else, or there are several processes.
        ModelError: There is nothing to resume.
    """
    if World.of_environment().size > 1:
        raise RecipeError("several trainings run one after the other in one process; start without torchrun")
    folder = Path(out) if out is not None else _own_folder(name, resume)
    if not resume:
        check_out(folder)
    elif not folder.is_dir():
        raise ModelError(f"{folder}: no series to resume in it; omit --resume to start one")
    return folder


def _own_folder(name: str, resume: bool) -> Path:
    """``runs/NAME``, ``runs/NAME-2`` and so on: the first that does not exist, or the last that does."""
    last = Path("runs") / name
    for n in count(2):
        if not last.exists():
            return last
        following = Path("runs") / f"{name}-{n}"
        if resume and not following.exists():
            return last
        last = following
    raise AssertionError


def train_series(
    net: Given | None,
    data: Data = None,
    *,
    repeats: int | None = None,
    folds: int | None = None,
    recipe: Recipe | NamedRecipe | str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Series:
    """Trains *net* several times and says how much its metric varies: the mean, with an interval.

    *repeats* trains with other random seeds: initial weights, order of the batches, augmentation, validation split.
    *folds* is cross-validation: the items are shared out to so many folds, of every class and, with *group*, group by
    group, and each fold is the test split of one run. An interrupted series goes on with ``out`` and ``resume=True``;
    what is finished stays.

    Args:
        net: As for :func:`~striate.train`.
        data: Likewise.
        repeats: How many random seeds, from ``seed`` (0) on.
        folds: How many folds.
        recipe: As for :func:`~striate.train`.
        quiet: Print nothing.
        **settings: As for :func:`~striate.train`; ``out`` is the folder that the runs are in.

    Returns:
        ``.spread()`` with ``values``, ``mean``, ``std`` and ``interval``, ``.rows``, ``.sentence()``, ``.members`` with
        their ``folder``.

    Raises:
        Error: Of the kind that fits, as :func:`~striate.train`.

    >>> from tempfile import mkdtemp
    >>> series = train_series("flatten; linear 10", "digits", folds=3, epochs=1, out=mkdtemp(), quiet=True)
    >>> len(series.spread().values), [member.folder.name for member in series.members]
    (3, ['fold-1', 'fold-2', 'fold-3'])
    """
    say = say_nothing if quiet else to_stderr
    planned = partial(series_of, repeats=repeats, folds=folds)
    series, _ = trained_series(planned, net, data, recipe, settings, say)
    say(series.sentence())
    return series


def trained_series(
    planned: Callable[..., Series],
    net: Given | None,
    data: Data,
    recipe: Recipe | NamedRecipe | str | None,
    settings: dict[str, Any],
    say: Say,
) -> tuple[Series, dict[str, Any]]:
    """The series that *planned* gives for *data*, a seed, a folder and whether it is gone on with, all of it trained;
    and what the *settings* say of how the data are to be understood.
    """
    of_recipe, of_run = sorted_settings(settings)
    out, resume = of_run.pop("out", None), of_run.pop("resume", False)
    given = given_recipe(recipe)
    seed = int(of_recipe.pop("seed", seed_of(given)))
    told = {name: of_run[name] for name in DATA_WORDS if name in of_run}
    series = planned(data, seed=seed, out=out, resume=resume, **told)
    train_all(series, net, data, given, of_recipe, of_run, say)
    return series, told


def train_all(
    series: Series,
    net: Given | None,
    data: Data,
    recipe: Recipe | NamedRecipe | None,
    settings: dict[str, Any],
    options: dict[str, Any],
    say: Say,
) -> None:
    """Trains and measures what of *series* is not finished."""
    for member in remaining(series, say):
        how = {"settings": settings | member.settings, **options, **member.options}
        run = prepare(data, net, recipe, say=say, **how)
        for event in run.events():
            if isinstance(event, Epoch):
                say(event.line(run.recipe.epochs))
        say(run.finish().headline())


def seed_of(recipe: Recipe | NamedRecipe | None) -> int:
    """The random seed of a recipe; 0 where there is none.

    >>> seed_of(Recipe(seed=3)), seed_of(None)
    (3, 0)
    """
    plain = recipe.recipe if isinstance(recipe, NamedRecipe) else recipe
    return plain.seed if plain else 0


DATA_WORDS = (
    "task", "channels", "classes_from", "mask_threshold", "value_range", "label", "file", "text", "group",
)  # fmt: skip


def remaining(series: Series, say: Say) -> Iterator[SeriesRun]:
    """The runs that are not finished, each announced."""
    for member in series.members:
        if member.finished:
            say(f"{member.title}: finished, in {member.folder}")
        else:
            say(f"\n{member.title}, in {member.folder}")
            yield member
