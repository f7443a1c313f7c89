"""What a run knows for the panels of its page: its course, its first weights, and its test items."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from striate.analysis import analyse
from striate.errors import Error, ModelError
from striate.files import read_json, read_regular
from striate.inspect.models.inspected import InspectedModel
from striate.metrics import Scores
from striate.model.model import Model
from striate.page import NetworkScene, Sample, View
from striate.page.panels import Evaluated, Panels
from striate.report.charts import best_epoch
from striate.run.folder import PROGRESS, read_about
from striate.run.measuring import Held, measure, parts_for
from striate.run.result import made_of
from striate.run.splits import data_of_run, items_of_run, run_of
from striate.sampling import evenly
from striate.tasks.scoring import scoring_of

if TYPE_CHECKING:
    from striate.run.running import Run

SAMPLES = 24  # inputs that a page offers at most
MAX_MACS = 500_000_000_000  # multiply-accumulates that a test split is measured with while somebody waits


def evaluated_on(model: Model, held: Held, scores: Scores) -> Evaluated:
    """The items of a split that was *held*, and what *model* made of them."""
    text = model.contract.mode == "text"
    names = [str(held.source.inputs[i]) for i in held.kept] if text else [Path(n).name for n in held.arrays.names]
    findings = scoring_of(model.contract.task).findings(scores)
    return Evaluated(scores.headline(made_of(model.contract)), findings, held.arrays.inputs, names, text)


def page_of(run: Run, scores: Scores) -> View:
    """The live page of the best model of a *run* that is over, with items of its test split; *scores* are on all of it.

    Raises:
        SeeError: The network cannot be shown in a page.
    """
    model, held = run.model.reloaded(run.folder / "model.safetensors"), run.held["test"]
    shown = evaluated_on(model, held, scores)
    contract, targets = model.contract, held.arrays.targets
    labelled = contract.task.exclusive and not contract.task.per_pixel and not shown.text
    spread = evenly(len(held.arrays), SAMPLES)
    samples = [
        Sample(contract.classes[int(targets[i])] if labelled else shown.names[i], held.arrays.inputs[i]) for i in spread
    ]
    panels = Panels(run.history, run.task.metric, run.best_epoch, shown, (run.init, run.recipe.seed))
    return View(NetworkScene.of(InspectedModel(model), samples, f"{run.net} on {run.data}", panels))


def panels_of(model: Model) -> tuple[Panels, str]:
    """What the folder of the run that wrote *model* says, and why its test items are not among it, where they are not.

    They are read and measured again.
    """
    folder = run_of(model.path)
    if folder is None:
        return Panels(init=("auto", 0) if model.path else None), ""
    known = _course(folder, model)
    try:
        graph, items = model.graph, len(items_of_run(folder))
        if graph is not None and analyse(graph).macs * items > MAX_MACS:
            return known, f"{items:,} are too many to be measured now; striate train --page does it at its end"
        held = parts_for(model, data_of_run(folder)) if items else []
        return replace(known, tested=evaluated_on(model, held[0], measure(model, *held)) if held else None), ""
    except Error as error:
        return known, str(error)


def _course(folder: Path, model: Model) -> Panels:
    """What needs no data: the epochs of the run in *folder*, and how its weights began."""
    task, best = model.contract.task, None
    rows: list[dict[str, float | None]] = []
    with suppress(OSError, ValueError, csv.Error):  # without its curves a network is as much worth seeing
        text = read_regular(folder / "metrics.csv").decode()
        for row in csv.DictReader(io.StringIO(text)):
            rows.append({name: float(value) if value else None for name, value in row.items()})
    init: tuple[str, int] | None = None
    with suppress(ModelError):
        about = read_about(folder)
        init = (str(about["init"]), int(about.get("seed", 0)))
        task = task.judged_by(str(about.get("balance", "none")))
    with suppress(OSError, ValueError, LookupError, TypeError):
        best = int(read_json(folder / PROGRESS)["best_epoch"])
    return Panels(rows, task.metric, best_epoch(rows, task.metric) if best is None else best, init=init)
