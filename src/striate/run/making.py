"""Making a run ready: data, net, weights, folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from striate.analysis import check, infer
from striate.data import Arrays, DataSet, channel_statistics, open_data, read, with_validation
from striate.errors import ModelError, RecipeError, SpecError
from striate.files import write_safely
from striate.find import find_net, net_name, suited_to, with_input
from striate.learn import Recipe, State, read_recipe
from striate.model.contract import MODES, Contract
from striate.model.model import Model
from striate.net import build
from striate.run.folder import Say, compare_runs, find_run, free_folder, make_folder, read_about
from striate.run.running import Run, restore
from striate.spec import Graph, Spec, format
from striate.transfer import Start, freeze_to


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
    folder, before = (find_run(out, dataset.name, None if net is None else net_name(net)) if resume else None), {}
    if folder:
        before = read_about(folder)
        recipe = recipe or read_recipe(folder / "recipe.json")
        net = net or str(before["net"])
        init = str(before["init"])
        weights, freeze = weights or before.get("weights"), freeze or before.get("freeze")
    elif net is None and weights is None:
        net = suited_to(dataset.input, dataset.mode, dataset.task)
    start = Start.of(weights) if weights and not folder else None
    name = str(before.get("name") or net_name(net or weights or ""))
    recipe = Recipe.from_dict((recipe or Recipe()).as_dict() | (settings or {}))
    dataset = with_validation(dataset, recipe.seed)
    if start and net is None:
        graph = start.graph_for(dataset.classes)
    else:
        channels = start.contract.input[0] if start else dataset.input[0]
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
        compare_runs(folder, before, about, say)
    place = _device(device)
    module = build(graph, init=init, seed=recipe.seed, device=place)
    came = start.into(module, dataset.classes, say) if start else None if folder else ()
    if freeze:
        for line in freeze_to(module, graph, freeze, came):
            say(line)
    folder_free = folder or free_folder(out, f"{dataset.name}-{name}")
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
        restore(run, int(before.get("batch", recipe.batch)), say)
    else:
        make_folder(run.folder)
    write_safely(run.folder / "recipe.json", json.dumps(about, indent=2) + "\n")
    run.save_state()  # from here on, whatever ends the run, --resume goes on with it
    return run


def _fitted(graph: Graph, dataset: DataSet, name: str) -> Graph:
    """*graph* with an input, if its output and its channels are what the data need."""
    graph = with_input(graph, dataset.input)
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


def _read(dataset: DataSet, graph: Graph, given: Contract | None, say: Say) -> tuple[dict[str, Arrays], Contract]:
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
        mean, std = channel_statistics(parts["train"].inputs)
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
