"""Making a run ready: data, net, weights, folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from striate.analysis import analyse
from striate.datasets import DataSet, open_data, sampled, with_validation
from striate.errors import ModelError, RecipeError
from striate.files import write_safely
from striate.learning import Recipe, State, loss_name, read_recipe
from striate.loading import Given, Network, open_network
from striate.loading.for_data import default_network, graph_for_data, with_input
from striate.loading.transfer import Start, freeze_to
from striate.model.contract import Contract
from striate.model.model import Model
from striate.net import build
from striate.run.folder import EPOCHS, Say, compare_runs, find_run, free_folder, make_folder, read_about
from striate.run.measuring import Fetching, Reading
from striate.run.reading import check_choices, check_split, check_words, quick_look, read_parts, write_split
from striate.run.running import Run, restore
from striate.run.suiting import Asked, check_asked, first_contract, fitted, vocabulary_for, words_of
from striate.spec import Graph, Shape, format, lower, parse
from striate.tasks import CLASSIFICATION


def prepare(
    data: str | Path,
    net: Given | None = None,
    recipe: Recipe | None = None,
    *,
    settings: dict[str, Any] | None = None,
    out: str | Path | None = None,
    init: str = "auto",
    weights: str | Path | None = None,
    freeze: str | None = None,
    resume: bool = False,
    device: str = "auto",
    task: str | None = None,
    channels: int | None = None,
    resize: str | None = None,
    input: Shape | None = None,
    strict: bool = False,
    keep_epochs: bool = False,
    say: Say = lambda text: None,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
) -> Run:
    """Reads the data, works out the net, builds it, and makes the run's folder (or finds it, to *resume*).

    Args:
        data: A built-in name or a path.
        net: What :func:`striate.loading.open_network` takes; if not given, that of *weights*, else the default for
            the data.
        recipe: How to train; if not given ``Recipe()``, or to resume, that of the run so far.
        settings: Single settings that differ from the recipe.
        out: The run's folder; if not given, ``runs/DATA-NET`` with the next free number.
        init: How the weights begin.
        weights: A model file to begin with: its weights, with a new head for new classes, and its preparation.
        freeze: A layer; everything down to it stays as it is.
        resume: Go on with the run in *out*, or with the newest of this data (and net).
        device: ``"auto"`` takes a GPU if there is one.
        task: What is to be answered, where the data leave it open; worked out from them, if not given.
        channels: What images are read as: 1 (grey), 3 (colour), 4 (with alpha); as they are, if not given.
        resize: How images get the net's size: stretch, fit or crop; stretch, if not given.
        input: The net's input; if not given its own, or one that suits the data.
        strict: An item that cannot be read is an error; otherwise it is left out and named.
        keep_epochs: Write the model as it is before the first epoch and after each, into the folder's ``epochs/``.
        say: Told, in a line each, what was found on the way.
        reading: Told how many items are read, of how many.
        fetching: Told what of which file is fetched, where one has to be: its name, bytes done, bytes in all.
    """
    if not resume:
        recipe = Recipe.from_dict((recipe or Recipe()).as_dict() | (settings or {}))
        check_words(recipe, resize=resize, out=out)
    place = _device(device)
    dataset = open_data(data, task=task, channels=channels, progress=fetching)
    network = None if net is None else open_network(net)
    folder, before = (find_run(out, dataset.name, network.name if network else None) if resume else None), {}
    if folder:
        before = {"task": CLASSIFICATION.name} | Recipe().as_dict() | read_about(folder)
        recipe = recipe or read_recipe(folder / "recipe.json")
        network = network or open_network(parse(str(before["net"])))  # a text alone: no file says what code to run
        init = str(before["init"])
        weights, freeze = weights or before.get("weights"), freeze or before.get("freeze")
        keep_epochs = keep_epochs or (folder / EPOCHS).is_dir()
        channels, resize = channels or before.get("channels"), resize or before.get("resize")
        if (task is None and before["task"] != dataset.task) or channels not in (None, dataset.input[0]):
            dataset = open_data(data, task=task or str(before["task"]), channels=channels)
    say(_kind(dataset))
    for note in dataset.notes:
        say(f"note: {note}")
    if not folder:
        for line in quick_look(dataset):
            say(line)
    recipe = Recipe.from_dict((recipe or Recipe()).as_dict() | (settings or {}))
    loss_name(recipe, dataset.task)  # refused here, before anything is read
    dataset = sampled(with_validation(dataset, recipe.seed), recipe.fraction, recipe.seed)
    start = Start.of(weights) if weights and not folder else None
    given = _given_contract(folder, before)
    asked = Asked(dataset, start.contract if start else given, resize, input)
    check_asked(asked, channels, str(weights) if start else "")
    if start and network is None:
        name, graph = start.name, start.graph_for(dataset.classes, dataset.task)
    else:
        if network is None:
            default, why = default_network(asked.input or asked.item, asked.mode, dataset.task, len(dataset.classes))
            say(f"net: {default}, since {why}")
            network = open_network(default)
        name, graph = str(before.get("name") or network.name), _named(network, asked)
    graph = fitted(with_input(graph, start.contract.input if start else asked.item), dataset, name)
    vocabulary = vocabulary_for(asked, graph, name)
    contract = given or first_contract(dataset, graph, vocabulary, resize)
    if start:
        contract = start.contract_for(contract, name)
    about = _about(dataset, graph, recipe, name=name, init=init) | {
        key: value
        for key, value in (
            ("channels", channels),
            ("resize", resize),
            ("weights", str(weights) if weights else None),
            ("freeze", freeze),
        )
        if value
    }
    if folder:
        compare_runs(folder, before, about, say)
        check_split(folder, dataset, say)
    augment = check_choices(recipe, contract, say)
    module = build(graph, init=init, seed=recipe.seed, device=place)
    came = start.into(module, contract, say) if start else None if folder else ()
    if freeze:
        for line in freeze_to(module, graph, freeze, came):
            say(line)
    folder_free = folder or free_folder(out, f"{dataset.name}-{name}")
    held, contract = read_parts(
        dataset, contract, measured=bool(start or given), strict=strict, say=say, reading=reading
    )
    if start or given:
        about["contract"] = json.loads(contract.to_json())
    run = Run(
        folder=folder_free,
        data=dataset.name,
        net=name,
        recipe=recipe,
        table=analyse(graph),
        held=held,
        model=Model(module, contract),
        state=State.new(module, recipe),
        device=place,
        augment=augment,
        input=dataset.input,
        begun_from=", ".join([str(weights)] * bool(weights) + [f"frozen down to {freeze}"] * bool(freeze)),
        keep_epochs=keep_epochs,
    )
    if folder:
        restore(run, int(before.get("batch_size", recipe.batch_size)), say)
    else:
        make_folder(run.folder)
        write_split(run.folder, dataset)
    write_safely(run.folder / "recipe.json", json.dumps(about, indent=2) + "\n")
    run.save_state()  # from here on, whatever ends the run, --resume goes on with it
    return run


def _kind(dataset: DataSet) -> str:
    """The task and why it is that, in a line.

    >>> from striate.datasets import open_data
    >>> _kind(open_data("digits"))
    'classification, built in: 10 classes'
    """
    count = dataset.task.count(len(dataset.classes))
    return f"{dataset.task}{f', {dataset.why}' if dataset.why else ''}: {count}"


def _about(dataset: DataSet, graph: Graph, recipe: Recipe, *, name: str, init: str) -> dict[str, Any]:
    """What ``recipe.json`` says of every run."""
    return {
        "data": dataset.name,
        "task": dataset.task.name,
        "name": name,
        "classes": list(dataset.classes),
        "images": [len(part) for part in dataset.parts.values()],
        "net": format(graph),
        "init": init,
        **recipe.as_dict(),
    }


def _named(network: Network, asked: Asked) -> Graph:
    """The net that was named, for the data; with the input that was asked for, if one was."""
    dataset = asked.dataset
    graph = graph_for_data(
        network,
        classes=len(dataset.classes),
        input=asked.item,
        mode=asked.mode,
        task=dataset.task,
        words=words_of(asked),
    )
    return lower(graph, asked.input) if asked.input else graph


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
