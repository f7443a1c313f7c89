"""The runs of a folder, a row each, and what differs between some of them: ``striate runs``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from striate.errors import Error, ModelError, RecipeError, align_columns, nearest, shortened
from striate.files import read_json
from striate.learning.recipe import Recipe
from striate.metrics.repeated import spread_of
from striate.run.comparing_page import runs_page
from striate.run.folder import PROGRESS, SERIES, STATE, read_about
from striate.tasks import CLASSIFICATION, Task, task_named

SORTS = ("date", "metric", "seconds", "run")
MARKS = ("recipe.json", "model.safetensors", STATE, PROGRESS)  # what makes a folder a run's
# what recipe.json says that is no setting, or says nothing to a reader
NO_SETTINGS = ("content", "contract", "classes", "images", "source", "speed", "tune")
LONG = 24  # characters of a setting in the table


@dataclass(frozen=True)
class RunRow:
    """A run as its files say it; None of each: they do not.

    Args:
        run: Its folder.
        data: What it was trained on.
        net: The network's name.
        task: As :mod:`striate.tasks` has it.
        metric_name: What ``metric`` and ``test`` are: ``"accuracy"``.
        metric: On the validation split, of the kept epoch.
        test: On the test split, of a run that is finished.
        loss: On the validation split, of the kept epoch.
        epochs: Done.
        epochs_in_all: That the recipe asks for.
        best_epoch: By validation.
        finished: All epochs are done, and the test split is measured.
        seconds: Of training.
        date: When its files were last written: ISO 8601, local time.
        problem: What is damaged.
        series: Of several runs together (``--repeats``, ``--folds``, ``curve``): ``"5 folds"``. Its metrics are the
            means of the finished runs, and its seconds their sum.
        interval: 95% interval of the mean of ``test``.
        settings: What ``recipe.json`` says, with the defaults of what it does not.
        history: A row per epoch, as in ``metrics.csv``.
    """

    run: str
    data: str | None = None
    net: str | None = None
    task: str | None = None
    metric_name: str | None = None
    metric: float | None = None
    test: float | None = None
    loss: float | None = None
    epochs: int | None = None
    epochs_in_all: int | None = None
    best_epoch: int | None = None
    finished: bool = False
    seconds: float | None = None
    date: str | None = None
    problem: str | None = None
    series: str | None = None
    interval: tuple[float, float] | None = None
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    history: tuple[dict[str, float | None], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, folder: Path) -> RunRow:
        """The row of the run in *folder*, whatever is damaged in it."""
        try:
            return _read(folder) if _is_run(folder) else _series(folder)
        except Error as error:
            why = str(error).removeprefix(f"{folder}/").partition("; omit --resume")[0]
            return cls(str(folder), date=_date(folder), problem=why)

    def as_dict(self) -> dict[str, Any]:
        """As ``striate runs --json`` prints it."""
        return {name: value for name, value in asdict(self).items() if name not in ("settings", "history")}

    @property
    def judged(self) -> Task:
        """The task, with the metric that counts."""
        return _judged(str(self.task), self.settings)

    def text(self, value: float | None) -> str:
        """*value* with the metric's name; "" where there is none."""
        return "" if value is None or self.task is None else self.judged.metric.text(value)

    @property
    def interval_text(self) -> str:
        """The interval of a series; "" where there is none."""
        return " to ".join(map(self.judged.metric.number, self.interval)) if self.interval else ""

    @property
    def epochs_text(self) -> str:
        """How many epochs are done, of how many; of a series how many runs."""
        if self.series:
            return self.series
        return str(self.epochs) if self.finished else f"{self.epochs} of {self.epochs_in_all}"

    @property
    def rank(self) -> float:
        """The better the metric, the lower."""
        if self.metric is None or self.task is None:
            return math.inf
        return -self.metric if self.judged.metric.higher_is_better else self.metric


@dataclass(frozen=True)
class RunTable:
    """Runs in an order; ``print`` shows them as a table, and, of runs that were named, what differs between them."""

    rows: tuple[RunRow, ...]
    compared: bool = False

    @property
    def problems(self) -> tuple[str, ...]:
        """What is damaged, a line for each such run."""
        return tuple(f"{row.run}: {row.problem}" for row in self.rows if row.problem)

    @property
    def differences(self) -> dict[str, list[Any]]:
        """The settings that are not the same in all of the runs, each with its value in every run; of a single run,
        those that are not the defaults.
        """
        found = [row.settings for row in self.rows]
        if len(found) == 1:
            found.append(found[0] | {"init": "auto"} | Recipe().as_dict())
        names = dict.fromkeys(name for settings in found for name in settings if name not in NO_SETTINGS)
        values = {name: [settings.get(name) for settings in found] for name in names}
        differing = {name: some for name, some in values.items() if any(value != some[0] for value in some)}
        return {name: some[: len(self.rows)] for name, some in differing.items()}

    def as_dict(self) -> list[dict[str, Any]] | dict[str, Any]:
        """As ``striate runs --json`` prints it: a list of rows; of runs that were named, with their differences."""
        rows = [row.as_dict() for row in self.rows]
        return {"runs": rows, "differences": self.differences} if self.compared else rows

    def page(self) -> str:
        """The table, the curves over each other and what differs, as one HTML file that fetches nothing."""
        return runs_page(self)

    def __str__(self) -> str:
        rows = [row for row in self.rows if not row.problem]
        lines = align_columns([HEAD, *map(_cells, rows)], left=5) if rows else ["no runs"]
        if self.compared and (differences := self.differences):
            names = ["setting", *(row.run for row in self.rows)] if len(self.rows) > 1 else ["setting", "value"]
            cells = [(name, *map(_short, values)) for name, values in differences.items()]
            lines += ["", *align_columns([tuple(names), *cells], left=len(names))]
        elif self.compared and len(self.rows) > 1:
            lines += ["", "all settings are the same"]
        return "\n".join(lines)


HEAD = ("run", "data", "net", "validation", "test", "kept epoch", "epochs", "seconds", "date")


def runs(*folders: str | Path, sort: str = "date") -> RunTable:
    """The runs under ``runs/``, or the *folders* that are named, with what differs between them.

    Args:
        *folders: Folders of runs, or their names under ``runs/``. One that is no run itself stands for the runs in it.
            A series of runs (``--folds 5``) among others is a row: its means, with the interval of the test's.
        sort: ``"date"`` (the newest first), ``"metric"`` (the best first, of each data set and metric), ``"seconds"``
            (the fastest first) or ``"run"`` (by name). Runs that are named keep their order unless it is given.

    Returns:
        ``.rows``, each with ``run``, ``data``, ``net``, ``metric`` (on validation, of the kept epoch), ``test``,
        ``seconds``...; ``.differences``; ``.problems`` names what is damaged.

    Raises:
        ModelError: There is no such run. RecipeError: No such order.

    >>> from tempfile import mkdtemp
    >>> from striate import train
    >>> folder = mkdtemp()
    >>> for lr in (0.01, 0.1):
    ...     _ = train("flatten; linear 10", "digits", epochs=1, fraction=0.1, lr=lr, out=f"{folder}/{lr}", quiet=True)
    >>> runs(f"{folder}/0.01", f"{folder}/0.1").differences
    {'lr': [0.01, 0.1]}
    >>> len(runs(folder).rows)
    2
    """
    if sort not in SORTS:
        raise RecipeError(f"sort is {sort!r}{nearest(sort, SORTS)}")
    named = [_named(folder) for folder in folders]
    inside = Path("runs") if not named else named[0] if len(named) == 1 and not _is_run(named[0]) else None
    for folder in named if inside is None else ():
        if not _is_listed(folder):
            raise ModelError(f"{folder}: is not the folder of a run; it has none of {', '.join(MARKS[:2])}")
    if inside is None:
        rows = [RunRow.of(folder) for folder in named]
        return RunTable(tuple(_ordered(rows, sort) if sort != "date" else rows), compared=True)
    found = sorted(inside.iterdir()) if inside.is_dir() else []
    return RunTable(tuple(_ordered([RunRow.of(folder) for folder in found if _is_listed(folder)], sort)))


def _named(folder: str | Path) -> Path:
    path = Path(folder)
    if path.is_file() and path.parent != Path():  # a file of a run
        path = path.parent
    inside = Path("runs") / path
    if not path.is_dir() and not inside.is_dir():
        beside = [p.name for p in path.parent.glob("*") if p.is_dir()] if path.parent != Path() else []
        beside += [p.name for p in Path("runs").glob("*") if p.is_dir()]
        raise ModelError(f"{folder}: no such run{nearest(path.name, beside) or '; give the folder of a run'}")
    return path if path.is_dir() else inside


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in MARKS)


def _is_listed(folder: Path) -> bool:
    return _is_run(folder) or (folder / SERIES).is_file()


def _ordered(rows: list[RunRow], sort: str) -> list[RunRow]:
    rows = sorted(rows, key=lambda row: row.run)
    match sort:
        case "date":
            return sorted(rows, key=lambda row: row.date or "", reverse=True)
        case "metric":
            return sorted(rows, key=lambda row: (row.data or "~", row.metric_name or "~", row.rank))
        case "seconds":
            return sorted(rows, key=lambda row: math.inf if row.seconds is None else row.seconds)
        case _:
            return rows


def _judged(task: str, settings: Mapping[str, Any]) -> Task:
    """The task of that name with the metric that counts with these *settings*."""
    return task_named(task).judged_by(str(settings.get("balance", "none")))


def _read(folder: Path) -> RunRow:
    """The row; ModelError or RecipeError where a file is damaged."""
    about = read_about(folder)
    task = _judged(str(about.get("task", CLASSIFICATION.name)), about)
    path = folder / PROGRESS
    try:
        progress = read_json(path)
        history, best, seconds = progress["history"], progress["best_epoch"], float(progress["seconds"])
        row: dict[str, Any] = progress.get("kept_row") or next((row for row in history if row["epoch"] == best), {})
        values = [_number(of) for of in (row.get(task.metric.column), progress.get("test"), row.get("val/loss"))]
        finished = bool(progress["finished"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: cannot be read ({error!r})") from None
    lacks = not (folder / "model.safetensors").is_file() and best is not None
    return RunRow(
        run=str(folder),
        data=str(about["data"]),
        net=str(about["name"]),
        task=task.name,
        metric_name=task.metric.name,
        metric=values[0],
        test=values[1],
        loss=values[2],
        epochs=len(history),
        epochs_in_all=about.get("epochs"),
        best_epoch=best,
        finished=finished,
        seconds=seconds,
        date=_date(folder),
        problem="model.safetensors is missing" if lacks else None,
        settings=Recipe().as_dict() | about,  # an earlier version may have had fewer
        history=tuple(history),
    )


def _series(folder: Path) -> RunRow:
    """The runs of a series together; ModelError where its ``series.json`` is damaged."""
    try:
        words = read_json(folder / SERIES)
        kind, data = str(words["kind"]), str(words["data"]["name"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{folder / SERIES}: cannot be read ({error!r})") from None
    runs = [RunRow.of(one) for one in sorted(folder.iterdir()) if _is_run(one)]
    done = [run for run in runs if run.finished and not run.problem]
    planned = words.get(kind, len(runs))
    what = {"repeats": "random seeds", "curve": "runs of a curve"}.get(kind, kind)
    row = RunRow(
        run=str(folder),
        data=data,
        series=f"{len(done)} of {planned} {what}" if len(done) < planned else f"{planned} {what}",
        finished=bool(done) and len(done) == planned,
        seconds=sum(run.seconds or 0 for run in runs),
        date=max((run.date or "" for run in runs), default=_date(folder)),
    )
    if not done:
        return row
    same = {name: v for name, v in done[0].settings.items() if all(run.settings.get(name) == v for run in done)}
    row = replace(row, net=done[0].net, task=done[0].task, metric_name=done[0].metric_name, settings=same)
    if kind == "curve":  # of different numbers of items: a mean says nothing
        return row
    val, test = ([v for run in done if (v := getattr(run, name)) is not None] for name in ("metric", "test"))
    spread = spread_of(test, folds=kind == "folds") if test else None
    share, ends = row.judged.metric.share, spread.interval if spread else None
    return replace(
        row,
        metric=sum(val) / len(val) if val else None,
        test=spread.mean if spread else None,
        interval=(max(ends[0], 0.0), min(ends[1], 1.0)) if ends and share else ends,
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _date(folder: Path) -> str | None:
    """When the state was last written; of a run without one, the folder."""
    path = folder / PROGRESS if (folder / PROGRESS).exists() else folder
    return datetime.fromtimestamp(path.stat().st_mtime).isoformat(timespec="milliseconds")


def _cells(row: RunRow) -> tuple[str, ...]:
    best, seconds = "" if row.best_epoch is None else str(row.best_epoch), f"{row.seconds or 0:.1f}"
    date = (row.date or "").replace("T", " ")[:16]
    val, test = row.text(row.metric), row.text(row.test) + f" ({row.interval_text})" * bool(row.interval)
    return (
        row.run, str(row.data), row.net or "", val, test, best, row.epochs_text, seconds, date,
    )  # fmt: skip


def _short(value: Any) -> str:
    return shortened("-" if value is None else " ".join(str(value).split()), LONG)
