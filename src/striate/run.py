"""A training run from data and net to the files of its folder: what ``striate train`` and ``striate.train`` do."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate import __version__
from striate.analysis import Report, check, infer
from striate.data import Batches, DataSet, Pixels, channel_statistics, open_data, read, with_validation
from striate.errors import DataError, ModelError, RecipeError, SpecError, nearest
from striate.evaluate import Scores, report, score
from striate.files import write_safely
from striate.find import find_net, net_name, suited_to, with_input
from striate.learn import Epoch, Recipe, State, Step, load_state, read_recipe, save_state, training
from striate.model.contract import MODES, Contract
from striate.model.model import Model
from striate.net import build
from striate.spec import Graph, Spec, format
from striate.transfer import Start, freeze_to

STATE = "state/state.safetensors"
PROGRESS = "state/progress.json"
COLUMNS = ("epoch", "train/loss", "val/loss", "val/accuracy", "lr", "seconds")
Say = Callable[[str], None]


@dataclass
class Run:
    """A run made ready: everything is read and built, nothing is trained. ``events`` trains, ``finish`` measures."""

    folder: Path
    data: str
    net: str
    recipe: Recipe
    table: Report
    parts: dict[str, Pixels]
    model: Model
    state: State
    device: torch.device
    history: list[dict[str, float | None]] = field(default_factory=list)
    best_epoch: int | None = None
    seconds: float = 0.0
    finished: bool = False  # measured and reported, after all of its epochs
    begun_from: str = ""  # a model file whose weights it began with, and what of them is frozen

    def events(self) -> Iterator[Step | Epoch]:
        """Trains, and keeps the folder's files up to date: the best model, the curves, the state."""
        begun = time.perf_counter()
        train = self._batches("train", shuffle=True)
        for event in training(self.model.module, train, self.recipe, val=self._batches("val"), state=self.state):
            if isinstance(event, Epoch):
                self.history.append(event.row())
                if event.best:
                    self.best_epoch = event.epoch
                    self.model.save(self.folder / "model.safetensors")
                self.save_state()
            self.seconds += time.perf_counter() - begun
            yield event
            begun = time.perf_counter()

    def save_state(self) -> None:
        """Writes what ``--resume`` needs; called after every epoch, and by whoever stops in between."""
        (self.folder / "state").mkdir(exist_ok=True)
        save_state(self.state, self.folder / STATE)
        self._save_progress()
        write_safely(self.folder / "metrics.csv", _csv(self.history))

    def finish(self) -> Result:
        """Measures the best model on the test part, for the first and only time, and writes the report."""
        from striate.model.model import load

        best = load(self.folder / "model.safetensors")
        best.module.to(self.device)
        scores = measure(best, self.parts["test"])
        write_safely(self.folder / "report.html", self._report(scores))
        self.finished = True
        self._save_progress()
        return Result(self, best, scores)

    def _save_progress(self) -> None:
        names = ("history", "best_epoch", "seconds", "finished")
        write_safely(self.folder / PROGRESS, json.dumps({name: getattr(self, name) for name in names}))

    def _batches(self, part: str, shuffle: bool = False) -> Batches:
        batch = self.recipe.batch if shuffle else 256
        contract, seed = self.model.contract, self.recipe.seed
        return Batches(self.parts[part], contract, batch=batch, seed=seed, shuffle=shuffle, device=self.device)

    def _report(self, scores: Scores) -> str:
        counts = {name: f"{len(pixels):,}" for name, pixels in self.parts.items()}
        recipe = self.recipe
        facts = [
            ("network", f"{self.net}, {self.table.parameters:,} parameters"),
            ("data", f"{self.data}: {counts['train']} training, {counts['val']} validation, {counts['test']} test"),
            ("input", f"{'x'.join(map(str, self.model.contract.input))}, {self.model.contract.resize}"),
            ("recipe", f"{recipe.epochs} epochs of {recipe.optimiser}, batch {recipe.batch}, lr {recipe.lr:g}"),
            ("loss", recipe.loss),
            ("seed", str(recipe.seed)),
            ("time", f"{self.seconds:.1f} s on {self.device.type}, {torch.get_num_threads()} threads"),
            ("versions", f"striate {__version__}, torch {torch.__version__}"),
        ]
        if self.begun_from:
            facts.append(("began with", self.begun_from))
        broken = sum(len(pixels.broken) for pixels in self.parts.values())
        if broken:
            facts.append(("left out", f"{broken:,} images that cannot be read"))
        images = {mistake.index: self.parts["test"].images[mistake.index] for mistake in scores.worst}
        return report(
            title=f"{self.net} on {self.data}",
            facts=facts,
            layers=self.table.as_dict()["layers"],
            history=self.history,
            scores=scores,
            images=images,
            best=self.best_epoch,
        )


@dataclass(frozen=True)
class Result:
    """A finished run: the best model and what it is worth on the test part."""

    run: Run
    model: Model
    test: Scores

    def as_dict(self) -> dict[str, Any]:
        """As ``striate train --json`` prints it."""
        run = self.run
        return {
            "model": str(run.folder / "model.safetensors"),
            "run": str(run.folder),
            "epochs": len(run.history),
            "best_epoch": run.best_epoch,
            "seconds": run.seconds,
            "parameters": run.table.parameters,
            "train": {"n": len(run.parts["train"]), "loss": run.history[-1]["train/loss"]},
            "val": {"n": len(run.parts["val"]), **_val(run)},
            "test": {key: value for key, value in self.test.as_dict().items() if key not in ("worst", "confusion")},
        }


def _val(run: Run) -> dict[str, float | None]:
    row = next((row for row in run.history if row["epoch"] == run.best_epoch), run.history[-1])
    return {"accuracy": row["val/accuracy"], "loss": row["val/loss"]}


def measure(model: Model, pixels: Pixels, batch: int = 256) -> Scores:
    """The honest figures of *model* on *pixels*, which its own contract prepared."""
    chunks = [model.log_probabilities(pixels.images[i : i + batch]) for i in range(0, len(pixels), batch)]
    return score(np.concatenate(chunks), pixels.targets, model.contract.classes, pixels.names)


def prepare(
    data: str | Path,
    net: str | Path | Spec | Graph | None = None,
    recipe: Recipe | None = None,
    *,
    settings: dict[str, Any] | None = None,
    out: str | Path | None = None,
    init: str = "auto",
    weights: str | Path | None = None,
    freeze: str | None = None,
    resume: bool = False,
    device: str = "auto",
    say: Say = lambda text: None,
) -> Run:
    """Reads the data, works out the net, builds it, and makes the run's folder (or finds it, to *resume*).

    Args:
        data: A built-in name or a path.
        net: As :func:`striate.find.find_net` takes it; if not given, that of *weights*, else one that suits the data.
        recipe: How to train; if not given ``Recipe()``, or to resume, that of the run so far.
        settings: Single settings that differ from the recipe.
        out: The run's folder; if not given, ``runs/DATA-NET`` with the next free number.
        init: How the weights begin.
        weights: A model file to begin with: its weights, with a new head for new classes, and its preparation.
        freeze: A layer; everything down to it stays as it is.
        resume: Go on with the run in *out*, or with the newest of this data (and net).
        device: ``"auto"`` takes a GPU if there is one.
        say: Told, in a line each, what was found on the way.
    """
    dataset = open_data(data)
    folder, before = (_find_run(out, dataset.name, None if net is None else net_name(net)) if resume else None), {}
    if folder:
        before = _read_about(folder)
        recipe = recipe or read_recipe(folder / "recipe.json")
        net = net or str(before["net"])
        init = str(before["init"])
        weights, freeze = weights or before.get("weights"), freeze or before.get("freeze")
    elif net is None and weights is None:
        net = suited_to(dataset.size, dataset.mode)
    start = Start.of(weights) if weights and not folder else None
    name = str(before.get("name") or net_name(net or weights or ""))
    recipe = Recipe.from_dict((recipe or Recipe()).as_dict() | (settings or {}))
    dataset = with_validation(dataset, recipe.seed)
    if start and net is None:
        graph = start.graph_for(dataset.classes)
    else:
        channels = start.contract.input[0] if start else MODES[dataset.mode]
        graph = find_net(net or "", classes=len(dataset.classes), channels=channels)
    graph = _fitted(with_input(graph, start.contract.input) if start else graph, dataset, name)
    given = start.contract_for(graph, dataset.classes, name) if start else _given_contract(folder, before)
    about = {
        "data": dataset.name,
        "name": name,
        "classes": list(dataset.classes),
        "images": [len(part) for part in (dataset.train, dataset.val, dataset.test) if part is not None],
        "net": format(graph),
        "init": init,
        **({"weights": str(weights)} if weights else {}),
        **({"freeze": freeze} if freeze else {}),
        **({"contract": json.loads(given.to_json())} if given else {}),
        **recipe.as_dict(),
    }
    if folder:
        _compare(folder, before, about, say)
    place = _device(device)
    module = build(graph, init=init, seed=recipe.seed, device=place)
    came = start.into(module, dataset.classes, say) if start else None if folder else ()
    if freeze:
        for line in freeze_to(module, graph, freeze, came):
            say(line)
    folder_free = folder or _free_folder(out, f"{dataset.name}-{name}")
    parts, contract = _read(dataset, graph, given, say)
    run = Run(
        folder=folder_free,
        data=dataset.name,
        net=name,
        recipe=recipe,
        table=check(graph),
        parts=parts,
        model=Model(module, contract),
        state=State.new(module, recipe),
        device=place,
        begun_from=", ".join([str(weights)] * bool(weights) + [f"frozen down to {freeze}"] * bool(freeze)),
    )
    if folder:
        _restore(run, say)
    else:
        _make(run.folder)
    write_safely(run.folder / "recipe.json", json.dumps(about, indent=2) + "\n")
    run.save_state()  # from here on, whatever ends the run, --resume goes on with it
    return run


def _fitted(graph: Graph, dataset: DataSet, name: str) -> Graph:
    """*graph* with an input, if its output and its channels are what the data need."""
    graph = with_input(graph, (MODES[dataset.mode], *dataset.size))
    assert graph.input is not None
    if len(graph.input) != 3 or graph.input[0] not in MODES.values():
        raise SpecError(f"{name}: takes {graph.input}, but images are 1 or 3 channels, height and width")
    shapes, problems = infer(graph)
    wanted = len(dataset.classes)
    if not problems and shapes[graph.output] != (wanted,):
        raise SpecError(
            f"{name}: ends with an output of {'x'.join(map(str, shapes[graph.output]))}, but {dataset.name} has "
            f"{wanted} classes; end it with: flatten; linear {wanted}"
        )
    return graph


def _free_folder(out: str | Path | None, name: str) -> Path:
    """*out*, or the first of runs/NAME, runs/NAME-2, ... that does not exist yet."""
    if out is not None:
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            resume = ", or --resume to go on with the run in it" if (folder / STATE).is_file() else ""
            raise RecipeError(f"{folder}: holds something already; take another --out{resume}")
        return folder
    numbered = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in count(1))
    return next(folder for folder in numbered if not folder.exists())


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise RecipeError(f"{folder}: cannot be made ({why}); name a folder that can with --out") from None


def _find_run(out: str | Path | None, data: str, net: str | None) -> Path:
    """The run to go on with: *out*, or the newest of *data* (and of *net*) under runs/."""
    if out is not None:
        if not (Path(out) / STATE).is_file():
            raise ModelError(f"{out}: holds no run to go on with; leave --resume out to begin one")
        return Path(out)
    found = [path.parent.parent for path in Path("runs").glob(f"*/{STATE}")]
    matching = []
    for folder in found:
        with suppress(ModelError):  # a damaged run is none to go on with
            about = _read_about(folder)
            if about["data"] == data and net in (None, about["name"]):
                matching.append(folder)
    if not matching:
        what = data if net is None else f"{net} on {data}"
        raise ModelError(f"runs: there is no run of {what} to go on with; leave --resume out to begin one")
    return max(matching, key=lambda folder: (folder / STATE).stat().st_mtime)


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / "recipe.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); leave --resume out to begin anew") from None
    if not isinstance(about, dict) or not {"data", "name", "net", "init"} <= about.keys():
        raise ModelError(f"{path}: does not describe a run; leave --resume out to begin anew")
    return about


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(name)
        float(torch.zeros(1, device=place))  # the device "meta" holds no numbers
    except Exception as error:  # each kind of device fails in its own way
        why = str(error).splitlines()[0][:100]
        raise RecipeError(f"device {name!r} is not to be had here ({why}); take cpu or auto") from None
    return place


def _given_contract(folder: Path | None, before: dict[str, Any]) -> Contract | None:
    """The contract that a run began with, where it was not measured."""
    if "contract" not in before:
        return None
    try:
        return Contract.from_json(json.dumps(before["contract"]))
    except ModelError as error:
        raise ModelError(f"{folder}/recipe.json: {error}; leave --resume out to begin anew") from None


def _read(dataset: DataSet, graph: Graph, given: Contract | None, say: Say) -> tuple[dict[str, Pixels], Contract]:
    """The pixels of every part, and the contract that they follow: the one *given*, or a new one, its mean and
    deviation from the training part.
    """
    assert graph.input is not None
    assert dataset.val is not None
    assert dataset.test is not None
    mode = next(mode for mode, channels in MODES.items() if channels == graph.input[0])
    ones = (1.0,) * graph.input[0]
    contract = given or Contract(dataset.classes, graph.input, mode, ones, ones)
    parts = {"train": read(dataset.train, contract)}
    if given is None:
        mean, std = channel_statistics(parts["train"].images)
        contract = replace(contract, mean=mean, std=std)
    parts |= {"val": read(dataset.val, contract), "test": read(dataset.test, contract)}
    broken = [item for pixels in parts.values() for item in pixels.broken]
    if broken:
        say(f"left out {len(broken)} image{'s' * (len(broken) > 1)} that cannot be read:")
        for name, why in broken[:10]:
            say(f"  {name}: {why}")
        if len(broken) > 10:
            say(f"  and {len(broken) - 10} more")
    return parts, contract


def _compare(folder: Path, before: dict[str, Any], now: dict[str, Any], say: Say) -> None:
    """Says what differs from the run so far; refuses what cannot change in the middle of one."""
    for key in ("data", "classes", "images", "net", "seed", "weights", "freeze"):
        if before.get(key) != now.get(key):
            which = "" if key == "net" else f" ({_short(before.get(key))}, now {_short(now.get(key))})"
            raise RecipeError(
                f"{folder}: was trained with another {key}{which}; go on with the same, or begin a new run "
                f"without --resume"
            )
    for key, value in now.items():
        if before.get(key) != value:
            say(f"changed: {key} {before.get(key)} -> {value}")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:60] + "..."


def _restore(run: Run, say: Say) -> None:
    run.state = load_state(run.folder / STATE, run.model.module, run.recipe)
    finished = _read_progress(run)
    state = run.state
    if finished and state.epoch >= run.recipe.epochs:
        raise RecipeError(
            f"{run.folder}: all {state.epoch} epochs are done; give more, such as --epochs {state.epoch + 10}"
        )
    at = f", {state.step} steps into epoch {state.epoch + 1}" if state.step else ""
    say(f"going on with {run.folder}: {state.epoch} of {run.recipe.epochs} epochs done{at}")


def _read_progress(run: Run) -> bool:
    """Takes up the run's history; says whether all its epochs of then are done and measured."""
    path = run.folder / PROGRESS
    try:
        progress = json.loads(path.read_text(encoding="utf-8"))
        run.history = [{name: row[name] for name in COLUMNS} for row in progress["history"]]
        run.best_epoch, run.seconds = progress["best_epoch"], float(progress["seconds"])
        return bool(progress["finished"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{path}: cannot be read ({error!r}); leave --resume out to begin anew") from None


def _csv(history: list[dict[str, float | None]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


def part_for(model: Model, data: str | Path, part: str = "test") -> Pixels:
    """The pixels of a *part* of *data* (test, val, train or all), prepared and numbered by the model's own contract.

    Raises:
        DataError: The data have classes that the model does not know, or no such part.
    """
    dataset = open_data(data)
    parts = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    if part not in (*parts, "all"):
        raise RecipeError(f"part is {part!r}{nearest(part, [*parts, 'all'])}")
    chosen = [p for name, p in parts.items() if p is not None and part in (name, "all")]
    if not chosen:
        raise DataError(f"{data}: has no {part} part of its own; take --part test")
    known = model.contract.classes
    unknown = [name for name in dataset.classes if name not in known]
    if unknown:
        raise DataError(
            f"{data}: has the classes {', '.join(unknown)}, which the model does not know; it knows {', '.join(known)}"
        )
    numbers = np.array([known.index(name) for name in dataset.classes])
    read_parts = [read(replace(p, targets=numbers[p.targets]), model.contract) for p in chosen]
    return Pixels(
        np.concatenate([p.images for p in read_parts]),
        np.concatenate([p.targets for p in read_parts]),
        tuple(name for p in read_parts for name in p.names),
        tuple(item for p in read_parts for item in p.broken),
    )
