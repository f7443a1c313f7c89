"""The folder of a run: its name, what it says of itself, and finding it again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from striate.errors import ModelError, RecipeError, did_you_mean, printable, shortened
from striate.files import FolderLock, csv_text, near_path, read_json
from striate.tasks import Task, task_named

STATE = "state/state.safetensors"
PROGRESS = "state/progress.json"
SPLIT = "split.csv"
SERIES = "series.json"  # of several runs: what defines them, in the folder that theirs are in
LEFT = (SPLIT, "recipe.json", "state")  # what there is before the first state is written
PAGE = "page.html"  # the network's live page, with --page
EPOCHS = "epochs"  # where the models of all epochs are, with --keep-epochs
COLUMNS = ("epoch", "train/loss", "val/loss", "val/accuracy", "lr", "seconds")  # of metrics.csv, in classification
Say = Callable[[str], None]


def to_stderr(text: str) -> None:
    """Says *text* as a line of its own."""
    print(printable(text, lines=True), file=sys.stderr)


def say_nothing(text: str) -> None:
    """Who wants to hear nothing."""


def check_out(out: str | Path) -> Path:
    """*out*, where a new run may start in it: it is not there yet, or empty but for what a start leaves that was
    killed before there was anything to resume.

    Raises:
        RecipeError: It holds something else.
    """
    folder = Path(out)
    whole = next((what for name, what in ((STATE, "run"), (SERIES, "series")) if (folder / name).is_file()), None)
    resume = f", or --resume to resume the {whole} in it" if whole else ""
    if whole or (
        folder.exists()
        and (not folder.is_dir() or any(path.name not in LEFT and path.suffix != ".part" for path in folder.iterdir()))
    ):
        raise RecipeError(f"{folder}: is not empty; use another --out{resume}")
    return folder


def claim_folder(out: str | Path | None, name: str) -> tuple[Path, FolderLock]:
    """The folder of a new run, made and locked: *out*, or the first of runs/NAME, runs/NAME-2, ... that does not exist
    yet. No two runs get the same one, however close together they start.

    Raises:
        RecipeError: It cannot be made, holds something, or another run is in it.
    """
    if out is not None:
        folder = Path(out)
        _make(folder)
        lock = lock_folder(folder)
        try:
            return check_out(folder), lock  # once more, now that nobody else can start in it
        except RecipeError:
            lock.release()
            raise
    for n in count(1):
        folder = Path("runs") / (name if n == 1 else f"{name}-{n}")
        try:
            folder.parent.mkdir(exist_ok=True)
            folder.mkdir()
        except FileExistsError as error:
            if not folder.parent.is_dir():
                raise _not_made(folder, error) from None
        except OSError as error:
            raise _not_made(folder, error) from None
        else:
            return folder, lock_folder(folder)
    raise AssertionError


def lock_folder(folder: Path) -> FolderLock:
    """The lock of a run's *folder*; RecipeError where another process trains in it."""
    try:
        return FolderLock(folder)
    except BlockingIOError:
        raise RecipeError(
            f"{folder}: another process is training in it; wait until it ends, or use another --out"
        ) from None
    except OSError as error:
        raise RecipeError(f"{folder}: cannot be locked ({error.strerror or error}); use another --out") from None


def columns_of(task: Task | str) -> tuple[str, ...]:
    """The columns of ``metrics.csv``: each task has a metric of its own.

    >>> columns_of("regression")
    ('epoch', 'train/loss', 'val/loss', 'val/mae', 'lr', 'seconds')
    """
    return tuple(task_named(task).metric.column if name == "val/accuracy" else name for name in COLUMNS)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_made(folder, error) from None


def _not_made(folder: Path, error: OSError) -> RecipeError:
    return RecipeError(f"{folder}: cannot be created ({error.strerror or error}); use another --out")


def find_run(out: str | Path | None, data: str, net: str | None) -> Path:
    """The run to resume: *out*, or the newest of *data* (and of *net*) under runs/."""
    if out is not None:
        if (Path(out) / SERIES).is_file():
            raise ModelError(
                f"{out}: is a series of runs; resume it with train_series(None, DATA, out=..., resume=True)"
            )
        if not (Path(out) / STATE).is_file():
            way = did_you_mean(near_path(out)) or "; omit --resume to start one"
            raise ModelError(f"{out}: no run to resume in it{way}")
        return Path(out)
    matching = []
    for folder in run_folders():
        with suppress(ModelError):  # a damaged run cannot be resumed
            about = read_about(folder)
            if about["data"] == data and net in (None, about["name"]):
                matching.append(folder)
    if not matching:
        what = data if net is None else f"{net} on {data}"
        raise ModelError(f"runs: no run of {what} to resume; omit --resume to start one")
    return matching[0]


def run_folders() -> list[Path]:
    """The folders of the runs under runs/ that can be resumed, the newest first."""
    states = sorted(Path("runs").glob(f"*/{STATE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent.parent for path in states]


def newest_run() -> Path:
    """The folder under runs/ whose model was written last.

    Raises:
        ModelError: There is none.
    """
    models = list(Path("runs").glob("*/model.safetensors"))
    if not models:
        raise ModelError("runs: contains no trained model; train one (striate train digits) or name a network")
    return max(models, key=lambda path: path.stat().st_mtime).parent


def read_about(folder: Path) -> dict[str, Any]:
    path = folder / "recipe.json"
    try:
        about = read_json(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); omit --resume to start a new run") from None
    if not isinstance(about, dict) or not {"data", "name", "net", "init"} <= about.keys():
        raise ModelError(f"{path}: does not describe a run; omit --resume to start a new run")
    from striate.learning.recipe import current_names

    return current_names(about)


def is_finished(folder: Path) -> bool:
    """Whether the run in *folder* is trained and measured."""
    try:
        return bool(read_json(folder / PROGRESS)["finished"])
    except (OSError, ValueError, LookupError, TypeError):
        return False


def compare_runs(folder: Path, before: dict[str, Any], now: dict[str, Any], say: Say) -> None:
    """Says what differs from the run so far; refuses what cannot change in the middle of one."""
    for key in FIXED:
        if before.get(key) != now.get(key):
            which = (
                ""
                if key == "net"
                else f" ({shortened(before.get(key, 'none'))}, now {shortened(now.get(key, 'none'))})"
            )
            if key == "images" and (folder / SPLIT).is_file():
                continue  # which says what items are new or gone, too
            other = "other" if key in PLURAL else "another"
            raise RecipeError(
                f"{folder}: was trained with {other} {key}{which}; resume with the same, or omit --resume to start a "
                f"new run"
            )
    for key, value in now.items():
        if before.get(key, value) != value and key not in ("images", "content", "source", "speed"):
            say(f"changed: {key} {before[key]} -> {value}")


# what cannot change in the middle of a run
PLURAL = ("data", "classes", "images", "weights", "channels")
FIXED = ("data", "task", "classes", "fraction", "images", "net", "seed", "weights", "freeze", "channels", "resize")


def compare_content(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """RecipeError where the training items are others under the same names; runs of earlier versions did not say."""
    if before.get("content", now["content"]) != now["content"]:
        raise RecipeError(
            f"{folder}: was trained on other content: at least one training item was replaced since under its name; "
            f"restore it, or omit --resume to start a new run"
        )


def to_csv(history: list[dict[str, float | None]], task: Task) -> str:
    columns = columns_of(task)
    return csv_text([columns, *([row.get(name) for name in columns] for row in history)])
