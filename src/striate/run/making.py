"""Preparing a run: data, network, weights, folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from striate.analysis import analyse
from striate.datasets import Data, DataSet, open_data, sampled, with_validation
from striate.datasets.options import DataOptions
from striate.datasets.sources.mask_values import with_earlier_names
from striate.errors import DataError, ModelError, SpecError
from striate.files import FolderLock, write_safely
from striate.learning import NamedRecipe, Recipe, Speed, State, World, loss_name, read_recipe
from striate.loading import Given, Network, open_network
from striate.loading.for_data import default_network, graph_for_data
from striate.loading.official import official_net
from striate.loading.transfer import Pretrained, freeze_to, head_of
from striate.model.contract import IMAGES, Contract
from striate.model.model import Model
from striate.net import FROM_DATA, Net, build
from striate.run.choosing import Choice, choose, init_suits, smaller_input
from striate.run.devices import device_named
from striate.run.folder import (
    EPOCHS,
    PAGE,
    SPLIT,
    Say,
    claim_folder,
    compare_content,
    compare_runs,
    find_run,
    lock_folder,
    read_about,
    run_folders,
    say_nothing,
)
from striate.run.measuring import Fetching, Reading
from striate.run.options import RunOptions, seconds_of
from striate.run.own import check_own, code_of, graph_of_own, own_module, table_of_own, words_for
from striate.run.reading import check_choices, check_words, complete_init, content_of, quick_look, read_parts
from striate.run.resuming import restore
from striate.run.running import Run
from striate.run.splits import check_split, write_split
from striate.run.suiting import (
    InputPlan,
    check_plan,
    check_start_size,
    first_contract,
    fitted,
    vocabulary_for,
    vocabulary_size,
)
from striate.run.trackers import Trackers
from striate.run.tuning import tune
from striate.spec import Graph, format, lower, parse
from striate.tasks import CLASSIFICATION


def prepare(
    data: Data,
    net: Given | None = None,
    recipe: Recipe | NamedRecipe | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    say: Say = lambda text: None,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
    as_split: bool = False,
    **options: Any,
) -> Run:
    """Reads the data, works out the network, builds it, and makes the run's folder (or finds it, to resume).

    Args:
        data: What :func:`~striate.datasets.open_data` takes.
        net: What :func:`striate.loading.open_network` takes; if not given, that of the option *weights*, else the
            default for the data.
        recipe: How to train; if not given what :func:`striate.run.choosing.choose` chooses for the data, or to resume,
            that of the run so far. A named recipe also says which network, where none is given.
        settings: Single settings that differ from the recipe.
        say: Callback for messages, one string each.
        reading: Progress callback (items, total).
        fetching: Told what of which file is fetched, where one has to be: its name, bytes done, bytes in all.
        as_split: *data* is a data set whose splits are used as they are: where it has no validation or test split, none
            is taken from its training split. Such a run has no ``finish``, and no folder unless *out* names one.
        **options: Those of :class:`~striate.run.options.RunOptions`.

    Raises:
        Error: Of the kind that fits (``DataError``, ``SpecError``, ``ModelError``, ``RecipeError``).
    """
    choice, world = RunOptions(**options), World.of_environment()
    device = world.own(device_named(choice.device))
    world.join(device)
    if not world.first:
        say, reading, fetching = say_nothing, None, None
    with ExitStack() as undo:  # a run that cannot begin leaves the lock of its folder to whoever had it
        run = world.in_turn(
            lambda: _prepared(
                data, net, recipe, settings, say, reading, fetching, choice, undo, world, device, as_split
            )
        )
        run.follow_first()
        undo.pop_all()
    return run


def _prepared(
    data: Data,
    net: Given | None,
    recipe: Recipe | NamedRecipe | None,
    settings: Mapping[str, Any] | None,
    say: Say,
    reading: Reading | None,
    fetching: Fetching | None,
    choice: RunOptions,
    undo: ExitStack,
    world: World,
    device: torch.device,
    as_split: bool,
) -> Run:
    init = "auto"
    if isinstance(recipe, NamedRecipe):
        if net is None and choice.weights is None and recipe.net:
            net, init = recipe.net, recipe.init
        recipe = recipe.recipe
    if not choice.resume:
        check_words(_varied(recipe, settings), resize=choice.resize, out=choice.out if world.first else None)
    trackers = Trackers.of(choice.log, say) if world.first else Trackers()
    if choice.resume and choice.out is not None:
        choice = _Earlier.find(choice.out, "", None, undo, world).filled(choice)
    if as_split:
        assert isinstance(data, DataSet)
        dataset = data
    else:
        dataset, choice = _opened(data, choice, fetching)
    opened = choice.of_data
    network = None if net is None else open_network(net)
    before: _Earlier | None = None
    if choice.resume:
        before = _Earlier.find(choice.out, dataset.name, network, undo, world)
        if choice.out is None:
            say(f"newest run: {before.folder} ({before.name} on {before.about['data']})")
        recipe, choice = recipe or read_recipe(before.folder / "recipe.json"), before.filled(choice)
        network = network or before.network
        if choice.of_data != opened or before.other_data(choice, dataset):
            dataset = open_data(data, **(choice.of_data | {"task": choice.task or before.task}))
        dataset = with_earlier_names(dataset, before.about.get("classes", ()))
    _announce(dataset, say, quick=before is None and world.first)
    given_settings = settings or {}
    chosen = (
        Choice(recipe)
        if recipe
        else choose(
            dataset,
            fine_tuned=bool(choice.weights),
            net_given=bool(network),
            rate_given=bool({"optimizer", "lr", "momentum"} & set(given_settings)),
            fraction=float(given_settings.get("fraction", 1.0)),
        )
    )
    recipe = _varied(chosen.recipe, settings)
    if line := chosen.line(recipe):
        say(line)
    if chosen.why_augment and recipe.augment == chosen.recipe.augment:
        say(f"augment: {recipe.augment} (default, since {chosen.why_augment}; --augment none turns it off)")
    if network is None and not choice.weights and before is None:
        init = chosen.init
    if init != choice.init == "auto" and init_suits(init, dataset):
        say(f"init: {init} (of the recipe; --init he draws all weights at random)")
        choice = replace(choice, init=init)
    if chosen.net and network is None and not choice.weights:
        network = open_network(chosen.net)
    for line in recipe.unused(settings or (), loss_name(recipe, dataset.task)):  # a wrong loss is refused here
        say(f"note: {line}")
    if dataset.val is not None and not as_split and "validation_fraction" in given_settings:
        say("note: validation_fraction is not used, since the data have a validation split of their own")
    dataset = dataset if as_split else with_validation(dataset, recipe.seed, recipe.validation_fraction)
    dataset = sampled(dataset, recipe.fraction, recipe.seed)
    pretrained = Pretrained.of(choice.weights, fetching, say) if choice.weights and not before else None
    if pretrained:
        dataset = with_earlier_names(dataset, pretrained.contract.classes)
        choice = replace(choice, weights=pretrained.path, init="auto" if choice.init in FROM_DATA else choice.init)
    given = before.contract if before else None
    plan = InputPlan(dataset, pretrained.contract if pretrained else given, choice.resize, choice.input)
    check_plan(plan, choice.channels, pretrained.path if pretrained else "")
    images = dataset.mode in IMAGES
    if pretrained and pretrained.official and images and network is None and choice.input is None:
        assert pretrained.graph
        side, why = smaller_input(pretrained.graph, dataset, recipe.epochs, device.type)
        if why:
            say(f"input: {side}x{side} (default, since {why}; --input takes another size)")
            plan = replace(plan, size=side)

    own = own_module(network, recipe.seed) if network and network.is_own else None
    if network and own:
        check_own(recipe, choice.init, network.given)
        name, graph = network.name, graph_of_own(own, network, plan, choice.channels)
        if graph.input and images and plan.size is None and graph.input[0] != plan.item[0]:
            say(f"channels: {graph.input[0]}, as {network.given} takes")
    else:
        name, graph = _graph(network, plan, pretrained, say)
    name = before.name if before else name
    vocabulary = vocabulary_for(plan, graph, name) if own is None else words_for(own, plan)
    contract = given or first_contract(dataset, graph, vocabulary, choice.resize)
    if pretrained:
        contract = pretrained.contract_for(contract, name)
    about = _about(dataset, graph, recipe, choice, name)
    if network and own:
        about |= {"net": format(own.graph) if isinstance(own, Net) else "", "code": code_of(network)}
    if isinstance(data, str | Path):
        about["source"] = str(data)
    if before:
        compare_runs(before.folder, before.about, about, say)
        check_split(before.folder, dataset, say)
    augment = check_choices(recipe, contract, say)
    check_start_size(recipe, graph, contract, name)
    contract = replace(contract, tta=recipe.tta)
    table = analyse(graph) if own is None else table_of_own(own, graph)
    module = build(graph, init=choice.init, seed=recipe.seed, device=device) if own is None else own.to(device)
    loaded = pretrained.into(module, contract, say) if pretrained else None if before else ()
    if choice.freeze:
        parts = {name for name, _ in module.named_modules()}
        names = [layer.name for layer in table.layers if layer.name in parts]
        for line in freeze_to(module, names, choice.freeze, loaded):
            say(line)
    measured = bool(pretrained or given)
    held, contract = read_parts(dataset, contract, measured=measured, strict=choice.strict, say=say, reading=reading)
    model = Model(module, contract)
    if own is not None:
        model.code = about["code"]
        model.check_savable()
    if measured:
        about["contract"] = json.loads(contract.to_json())
    if not before:
        complete_init(choice.init, module, held["train"].arrays, contract)
    about["content"] = content_of(held["train"].arrays)
    if before:
        compare_content(before.folder, before.about, about)
    run = Run(
        folder=before.folder if before else Path(),  # a new one is made when nothing can fail any more
        data=dataset.name,
        net=name,
        recipe=recipe,
        table=table,
        held=held,
        model=model,
        state=State.new(module, recipe),
        device=device,
        augment=augment,
        input=dataset.input,
        begun_from=_begun_from(choice),
        keep_epochs=choice.keep_epochs,
        init=choice.init,
        page=choice.page,
        in_memory=as_split and choice.out is None,
        baseline=choice.baseline,
        trackers=trackers,
        options=DataOptions(**choice.of_data | {"task": None}).given(),
        world=world,
    )
    found = Speed.from_dict(before.about.get("speed")) if before else None
    if before and found and all(before.about.get(name) == about[name] for name in OF_SPEED):
        run.speed = found
    elif world.first:
        run.choose_speed(say)
    about["speed"] = run.speed.as_dict()
    if (
        world.first
        and pretrained
        and recipe.head_epochs
        and not pretrained.has_head_for(contract.classes, contract.task)
    ):
        run.fit_head(head_of(graph), say)
    if before:
        about |= {"tune": before.about["tune"]} if "tune" in before.about else {}
        if choice.tune is not None:
            kept = f"lr {recipe.lr:g} and weight decay {recipe.weight_decay:g}"
            say(f"note: tune is for a new run; this one keeps {kept}")
    elif choice.tune is not None:
        about["tune"] = [asdict(tried) for tried in tune(run, seconds_of(choice.tune), say)]
        about |= {name: getattr(run.recipe, name) for name in ("lr", "weight_decay")}
    if before:
        restore(run, int(before.about.get("batch_size", recipe.batch_size)), int(before.about["epochs"]), say)
    if not world.first or run.in_memory:
        return run
    if before:
        run.lock = before.lock
        run.mend_files()
    else:
        run.folder, run.lock = claim_folder(choice.out, f"{dataset.name}-{name}")
        undo.callback(run.lock.give_back)
        write_split(run.folder, dataset)
    write_safely(run.folder / "recipe.json", json.dumps(about, indent=2) + "\n")  # which alone changes to resume
    if not before:
        run.save_state()  # from here on, whatever ends the run, --resume resumes it
    return run


def _opened(data: Data, choice: RunOptions, fetching: Fetching | None) -> tuple[DataSet, RunOptions]:
    """The data, and *choice*; to resume an unnamed run, where that does not say enough, as a run of them was told."""
    if isinstance(data, str | Path) and all((Path(data) / name).is_file() for name in ("recipe.json", SPLIT)):
        folder = Path(data)
        about = read_about(folder)
        raise DataError(
            f"{folder}: is the folder of a run, not data; to resume it: striate train "
            f"{about.get('source', about['data'])} --out {folder} --resume"
        )
    try:
        return open_data(data, **choice.of_data, progress=fetching), choice
    except DataError:
        for folder in run_folders() if choice.resume else ():
            with suppress(DataError, ModelError):
                about = read_about(folder)
                told: dict[str, Any] = {n: about.get(n) for n, value in choice.of_data.items() if value is None}
                filled = replace(choice, **told)
                if filled != choice and (dataset := open_data(data, **filled.of_data)).name == about["data"]:
                    return dataset, filled
        raise


@dataclass(frozen=True)
class _Earlier:
    """A run to resume: its folder, and what ``recipe.json`` says of it."""

    folder: Path
    lock: FolderLock | None
    about: dict[str, Any]

    @classmethod
    def find(
        cls, out: str | Path | None, data: str, network: Network | None, undo: ExitStack, world: World
    ) -> _Earlier:
        folder = find_run(out, data, network.name if network else None)
        lock = lock_folder(folder) if world.first else None  # before anything is read: another may be writing
        if lock:
            undo.callback(lock.give_back)
        return cls(folder, lock, {"task": CLASSIFICATION.name} | Recipe().as_dict() | read_about(folder))

    @property
    def name(self) -> str:
        return str(self.about["name"])

    @property
    def task(self) -> str:
        return str(self.about["task"])

    @property
    def network(self) -> Network:
        """Its network, from the text alone: no file says what code to run."""
        if not self.about["net"]:
            code = self.about.get("code")
            raise SpecError(
                f"{self.folder}: was trained from {code}, whose code no file brings along; add --net {code}"
            )
        return open_network(parse(str(self.about["net"])))

    @property
    def contract(self) -> Contract | None:
        """The contract that it began with, where that was not measured."""
        if "contract" not in self.about:
            return None
        try:
            return Contract.from_json(json.dumps(self.about["contract"]))
        except ModelError as error:
            raise ModelError(f"{self.folder}/recipe.json: {error}; omit --resume to start a new run") from None

    def filled(self, choice: RunOptions) -> RunOptions:
        """*choice*, with the run's own where it says nothing."""
        same: dict[str, Any] = {name: getattr(choice, name) or self.about.get(name) for name in KEPT}
        net = official_net(choice.weights)
        if net and net == official_net(self.about.get("weights")):  # their name, and their file
            same["weights"] = self.about["weights"]
        kept = choice.keep_epochs or (self.folder / EPOCHS).is_dir()
        page = choice.page or (self.folder / PAGE).is_file()  # which would be of the run as it was
        return replace(choice, **same, init=str(self.about["init"]), keep_epochs=kept, page=page)

    def other_data(self, choice: RunOptions, dataset: DataSet) -> bool:
        """Whether the data are to be opened once more, as they were for the run."""
        other_task = choice.task is None and self.task != dataset.task
        return other_task or choice.channels not in (None, dataset.input[0])


OF_SPEED = ("precision", "memory_format", "threads", "compile")  # settings that overrule what was chosen
KEPT = (  # in recipe.json where given
    "channels", "classes_from", "mask_threshold", "value_range", "label", "file", "text", "group", "fold", "resize",
    "weights", "freeze",
)  # fmt: skip


def _announce(dataset: DataSet, say: Say, *, quick: bool) -> None:
    """Says what the data are, and what the *quick* part of the doctor finds wrong with them."""
    why = f", {dataset.why}" if dataset.why else ""
    say(f"{dataset.task}{why}: {dataset.task.count(len(dataset.classes))}")
    for note in dataset.notes:
        say(f"note: {note}")
    for line in quick_look(dataset) if quick else ():
        say(line)


def _graph(network: Network | None, plan: InputPlan, pretrained: Pretrained | None, say: Say) -> tuple[str, Graph]:
    """The network's name, and its graph, fitted to the data."""
    dataset = plan.dataset
    if pretrained and network is None:
        name, graph = pretrained.name, pretrained.graph_for(dataset.classes, dataset.task)
    else:
        if network is None:
            default, why = default_network(plan.input or plan.item, plan.mode, dataset.task, len(dataset.classes))
            say(f"network: {default} (default, since {why})")
            network = open_network(default)
        name, classes = network.name, len(dataset.classes)
        graph = graph_for_data(
            network, classes=classes, input=plan.item, mode=plan.mode, task=dataset.task, words=vocabulary_size(plan)
        )
    graph = lower(graph, plan.input) if plan.input else graph
    if graph.input is None:
        graph = lower(graph, pretrained.contract.input if pretrained else plan.item)
    return name, fitted(graph, dataset, name)


def _varied(recipe: Recipe | None, settings: Mapping[str, Any] | None) -> Recipe:
    return Recipe.from_dict((recipe or Recipe()).as_dict() | dict(settings or {}))


def _about(dataset: DataSet, graph: Graph, recipe: Recipe, choice: RunOptions, name: str) -> dict[str, Any]:
    """What ``recipe.json`` says."""
    kept = {key: str(value) if key == "weights" else value for key in KEPT if (value := getattr(choice, key))}
    return {
        "data": dataset.name,
        "task": dataset.task.name,
        "name": name,
        "classes": list(dataset.classes),
        "images": [len(part) for part in dataset.parts.values()],
        "net": format(graph),
        "init": choice.init,
        **recipe.as_dict(),
        **kept,
    }


def _begun_from(choice: RunOptions) -> str:
    """The model that a run fine-tunes, and what of it is frozen."""
    parts = [str(choice.weights)] * bool(choice.weights)
    return ", ".join([*parts, *[f"frozen up to and including {choice.freeze}"] * bool(choice.freeze)])
