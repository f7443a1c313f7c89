"""Several runs of one training: with other random seeds, or each tested on another fold of the items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from striate.datasets import Data
from striate.errors import RecipeError, align_columns
from striate.learning import NamedRecipe, Recipe
from striate.loading import Given
from striate.metrics.repeated import Spread, spread_of
from striate.run.comparing import RunRow
from striate.run.folder import STATE, Say, is_finished, say_nothing, to_stderr
from striate.run.making import prepare
from striate.run.running import Run
from striate.run.series_start import SeriesStart
from striate.tasks import Metric, Task

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
        return is_finished(self.folder)

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

    @cached_property
    def rows(self) -> tuple[RunRow, ...]:
        """What the files of the runs say, of those that are finished when it is first asked for."""
        return tuple(RunRow.of(member.folder) for member in self.members if member.finished)

    @property
    def task(self) -> Task:
        """Of the finished runs, with the metric that counts."""
        return self.rows[0].judged

    @property
    def metric(self) -> Metric:
        """The one that the runs report."""
        return self.task.metric

    def spread(self, split: str = "test") -> Spread | None:
        """The metric on *split*, ``"test"`` or ``"val"``, of the finished runs; None where there is none."""
        values = [row.test if split == "test" else row.metric for row in self.rows]
        known = [value for value in values if value is not None]
        return spread_of(known, folds=self.kind == FOLDS) if known else None

    def sentence(self) -> str:
        """The mean and its interval, and what they are about."""
        test = self.spread()
        if test is None:
            return "no run is finished" if not self.rows else "no finished run has a test split"
        metric = self.metric
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
        return "\n".join([*align_columns(cells), "", self.sentence()])


@dataclass(frozen=True)
class SeriesPlan:
    """A series to train.

    Args:
        series: Its runs.
        data: As for :func:`~striate.train`.
        start: What they are trained with.
    """

    series: Series
    data: Data
    start: SeriesStart

    def prepare(self, member: SeriesRun, **progress: Any) -> Run:
        """The run of *member*, as :func:`~striate.run.making.prepare` makes it; with the first the series is begun."""
        how = self.start.how
        settings, options = how["settings"] | member.settings, how["options"] | member.options
        run = prepare(self.data, how["net"], how["recipe"], settings=settings, **progress, **options)
        self.start.write()
        return run

    def remaining(self, say: Say) -> Iterator[SeriesRun]:
        """The runs that are not finished, each announced."""
        for member in self.series.members:
            if member.finished:
                say(f"{member.title}: finished, in {member.folder}")
            else:
                say(f"\n{member.title}, in {member.folder}")
                yield member

    def train(self, say: Say) -> Series:
        """Trains and measures the runs that are not finished."""
        for member in self.remaining(say):
            run = self.prepare(member, say=say)
            run.train(say)
            say(run.finish().headline())
        return self.series


def series_plan(
    net: Given | None,
    data: Data,
    *,
    repeats: int | None = None,
    folds: int | None = None,
    recipe: Recipe | NamedRecipe | str | None = None,
    **settings: Any,
) -> SeriesPlan:
    """The runs to make, each with its own folder in ``out`` (or in ``runs/DATA-repeats``, ``runs/DATA-folds``).

    The arguments are those of :func:`train_series`. The data are opened, so that nothing is trained if there are too
    few items. With ``resume``, what is not said is as it was said at the start of the series in ``out`` or, without
    that, of the newest series of the data.

    Raises:
        RecipeError: Neither or both of *repeats* and *folds*, or fewer than 2; a folder that holds something else; to
            resume, something is said that is not so in the series.
        ModelError: There is nothing to resume.
        DataError: Too few items for so many folds.
    """
    counts = {name: n for name, n in ((REPEATS, repeats), (FOLDS, folds)) if n is not None}
    if len(counts) > 1 or not (counts or settings.get("resume")):
        raise RecipeError("give one of repeats and folds: other random seeds, or other folds of the items")
    start = SeriesStart.of((REPEATS, FOLDS), net, data, recipe, settings, **counts)
    kind = next(iter(counts), str(start.words.get("kind")))
    n, seed = start.words[kind], start.seed
    if not isinstance(n, int) or n < 2:
        raise RecipeError(f"{kind} is {n!r}, expected a whole number of at least 2, such as 5")
    _, start = start.opened(data, kind, **({"fold": f"1/{n}"} if kind == FOLDS else {}))
    assert start.folder
    folder = start.folder
    if kind == FOLDS:
        runs = [SeriesRun(folder / f"fold-{k}", f"fold {k}/{n}", {"seed": seed}, f"{k}/{n}") for k in range(1, n + 1)]
    else:
        runs = [
            SeriesRun(folder / f"seed-{s}", f"seed {s} ({s + 1 - seed} of {n})", {"seed": s})
            for s in range(seed, seed + n)
        ]
    return SeriesPlan(Series(folder, kind, tuple(runs)), data, start)


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
    group, and each fold is the test split of one run. An interrupted series goes on with ``out`` and ``resume=True``,
    nothing else said: its ``series.json`` says how it was begun, and what is finished stays.

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
    series = series_plan(net, data, repeats=repeats, folds=folds, recipe=recipe, **settings).train(say)
    say(series.sentence())
    return series
