"""The folder of a run: its name, what it says of itself, and finding it again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from striate.errors import ModelError, RecipeError
from striate.learning.recipe import current_names
from striate.tasks import Task, task_named

STATE = "state/state.safetensors"
PROGRESS = "state/progress.json"
SPLIT = "split.csv"
EPOCHS = "epochs"  # where the models of all epochs are, with --keep-epochs
COLUMNS = ("epoch", "train/loss", "val/loss", "val/accuracy", "lr", "seconds")  # of metrics.csv, in classification
Say = Callable[[str], None]


def free_folder(out: str | Path | None, name: str) -> Path:
    """*out*, or the first of runs/NAME, runs/NAME-2, ... that does not exist yet."""
    if out is not None:
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            resume = ", or --resume to resume the run in it" if (folder / STATE).is_file() else ""
            raise RecipeError(f"{folder}: is not empty; use another --out{resume}")
        return folder
    numbered = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in count(1))
    return next(folder for folder in numbered if not folder.exists())


def columns_of(task: Task | str) -> tuple[str, ...]:
    """The columns of ``metrics.csv``: each task has a metric of its own.

    >>> columns_of("regression")
    ('epoch', 'train/loss', 'val/loss', 'val/mae', 'lr', 'seconds')
    """
    return tuple(task_named(task).metric.column if name == "val/accuracy" else name for name in COLUMNS)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise RecipeError(f"{folder}: cannot be created ({why}); use another --out") from None


def find_run(out: str | Path | None, data: str, net: str | None) -> Path:
    """The run to resume: *out*, or the newest of *data* (and of *net*) under runs/."""
    if out is not None:
        if not (Path(out) / STATE).is_file():
            raise ModelError(f"{out}: contains no run to resume; omit --resume to start one")
        return Path(out)
    found = [path.parent.parent for path in Path("runs").glob(f"*/{STATE}")]
    matching = []
    for folder in found:
        with suppress(ModelError):  # a damaged run cannot be resumed
            about = read_about(folder)
            if about["data"] == data and net in (None, about["name"]):
                matching.append(folder)
    if not matching:
        what = data if net is None else f"{net} on {data}"
        raise ModelError(f"runs: no run of {what} to resume; omit --resume to start one")
    return max(matching, key=lambda folder: (folder / STATE).stat().st_mtime)


def read_about(folder: Path) -> dict[str, Any]:
    path = folder / "recipe.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); omit --resume to start a new run") from None
    if not isinstance(about, dict) or not {"data", "name", "net", "init"} <= about.keys():
        raise ModelError(f"{path}: does not describe a run; omit --resume to start a new run")
    return current_names(about)


def compare_runs(folder: Path, before: dict[str, Any], now: dict[str, Any], say: Say) -> None:
    """Says what differs from the run so far; refuses what cannot change in the middle of one."""
    for key in FIXED:
        if before.get(key) != now.get(key):
            which = "" if key == "net" else f" ({_short(before.get(key))}, now {_short(now.get(key))})"
            if key == "images" and (folder / SPLIT).is_file():
                continue  # which says what items are new or gone, too
            raise RecipeError(
                f"{folder}: was trained with another {key}{which}; resume with the same, or omit --resume to start a "
                f"new run"
            )
    for key, value in now.items():
        if before.get(key) != value and key != "images":
            say(f"changed: {key} {before.get(key)} -> {value}")


# what cannot change in the middle of a run
FIXED = ("data", "task", "classes", "fraction", "images", "net", "seed", "weights", "freeze", "channels", "resize")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:60] + "..."


def to_csv(history: list[dict[str, float | None]], task: Task) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns_of(task), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
