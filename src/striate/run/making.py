"""Preparing a run: data, network, weights, folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from striate.analysis import Report, analyse
from striate.datasets import Data, DataSet, open_data, sampled, with_validation
from striate.datasets.dataset import Reading
from striate.datasets.open import Fetching
from striate.datasets.options import DataOptions
from striate.datasets.sources.mask_values import with_earlier_names
from striate.datasets.statistics import first_contract
from striate.errors import DataError, ModelError
from striate.files import write_safely
from striate.learning import NamedRecipe, Recipe, Speed, State, World, loss_name, read_recipe
from striate.loading import Given, Network, open_network
from striate.loading.for_data import default_network, graph_for_data
from striate.loading.official import official_net
from striate.loading.transfer import Pretrained, carry_stored, freeze_to, head_of
from striate.model.contract import IMAGES, OF_CHANNELS, Contract
from striate.model.header import code_and_path
from striate.model.model import Model
from striate.net import FROM_DATA, Net, build
from striate.net.read_graph import legal
from striate.net.weights import is_foreign
from striate.run.choosing import Choice, choose, init_suits, smaller_input
from striate.run.devices import device_named
from striate.run.folder import (
    SPLIT,
    Say,
    claim_folder,
    compare_content,
    compare_runs,
    read_about,
    run_folders,
    say_nothing,
)
from striate.run.options import RunOptions, seconds_of
from striate.run.own import check_own, code_of, graph_of_own, own_module, table_of_own, words_for
from striate.run.reading import check_choices, check_words, complete_init, content_of, quick_look, read_parts
from striate.run.resuming import KEPT, EarlierRun, restore
from striate.run.running import Run
from striate.run.splits import check_split, write_split
from striate.run.suiting import (
    InputPlan,
    check_plan,
    check_start_size,
    fitted,
    vocabulary_for,
    vocabulary_size,
)
from striate.run.trackers import Trackers
from striate.run.tuning import tune
from striate.spec import Graph, format, lower


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
    init = "auto"
    if isinstance(recipe, NamedRecipe):
        if net is None and choice.weights is None and recipe.net:
            net, init = recipe.net, recipe.init
        recipe = recipe.recipe
    with ExitStack() as undo:  # a run that cannot begin leaves the lock of its folder to whoever had it
        preparation = _Preparation(
            data, net, recipe, settings or {}, choice, init, as_split, say, reading, fetching, world, device, undo
        )
        run = world.in_turn(preparation.run)
        run.follow_first()
        undo.pop_all()
    return run


@dataclass
class _Preparation:
    """A run that is prepared: what was asked for, and what each step adds to it, which those after it go by."""

    data: Data
    net: Given | None
    given_recipe: Recipe | None
    settings: Mapping[str, Any]
    choice: RunOptions
    init: str  # of a named recipe, or of the one that is chosen
    as_split: bool
    say: Say
    reading: Reading | None
    fetching: Fetching | None
    world: World
    device: torch.device
    undo: ExitStack
    trackers: Trackers = field(default_factory=Trackers)
    dataset: DataSet = field(init=False)
    network: Network | None = None
    before: EarlierRun | None = None
    recipe: Recipe = field(init=False)
    pretrained: Pretrained | None = None
    plan: InputPlan = field(init=False)

    def run(self) -> Run:
        """All steps; what is soon found wrong comes before what takes long."""
        self._open_data()
        self._choose_recipe()
        self._take_splits()
        self._plan_input()
        return self._built()

    def _open_data(self) -> None:
        """The data and, where they are given, the network and the run to resume."""
        choice, first = self.choice, self.world.first
        if not choice.resume:
            check_words(
                _varied(self.given_recipe, self.settings), resize=choice.resize, out=choice.out if first else None
            )
        if first:
            self.trackers = Trackers.of(choice.log, self.say)
        if choice.resume and choice.out is not None:
            choice = EarlierRun.find(choice.out, "", None, self.undo, self.world).filled(choice)
        if self.as_split:
            assert isinstance(self.data, DataSet)
            self.dataset = self.data
        else:
            self.dataset, choice = _opened(self.data, choice, self.fetching)
        self.network = None if self.net is None else open_network(self.net)
        if self.network and self.network.weights and choice.weights is None:
            choice = replace(choice, weights=self.network.weights)
        self.choice = choice
        if choice.resume:
            self._take_up()
        _announce(self.dataset, self.say, quick=self.before is None and first)

    def _take_up(self) -> None:
        """The run to resume: its recipe, network and data, as far as nothing else is said."""
        opened = self.choice.of_data
        before = EarlierRun.find(self.choice.out, self.dataset.name, self.network, self.undo, self.world)
        if self.choice.out is None:
            self.say(f"newest run: {before.folder} ({before.name} on {before.about['data']})")
        self.given_recipe = self.given_recipe or read_recipe(before.folder / "recipe.json")
        self.choice = choice = before.filled(self.choice)
        self.network = self.network or before.network
        if choice.of_data != opened or before.other_data(choice, self.dataset):
            self.dataset = open_data(self.data, **(choice.of_data | {"task": choice.task or before.task}))
        self.dataset = with_earlier_names(self.dataset, before.about.get("classes", ()))
        self.before = before

    def _choose_recipe(self) -> None:
        """The recipe with its settings; one that is chosen for the data may say which network and initial weights."""
        dataset, given, say = self.dataset, self.settings, self.say
        chosen = (
            Choice(self.given_recipe)
            if self.given_recipe
            else choose(
                dataset,
                fine_tuned=bool(self.choice.weights),
                net_given=bool(self.network),
                rate_given=bool({"optimizer", "lr", "momentum"} & set(given)),
                fraction=float(given.get("fraction", 1.0)),
            )
        )
        self.recipe = recipe = _varied(chosen.recipe, given)
        if line := chosen.line(recipe):
            say(line)
        if chosen.why_augment and recipe.augment == chosen.recipe.augment:
            say(f"augment: {recipe.augment} (default, since {chosen.why_augment}; --augment none turns it off)")
        if self.network is None and not self.choice.weights and self.before is None:
            self.init = chosen.init
        if self.init != self.choice.init == "auto" and init_suits(self.init, dataset):
            say(f"init: {self.init} (of the recipe; --init he draws all weights at random)")
            self.choice = replace(self.choice, init=self.init)
        if chosen.net and self.network is None and not self.choice.weights:
            self.network = open_network(chosen.net)
        for line in recipe.unused(given, loss_name(recipe, dataset.task)):  # a wrong loss is refused here
            say(f"note: {line}")
        if dataset.val is not None and not self.as_split and "validation_fraction" in given:
            say("note: validation_fraction is not used, since the data have a validation split of their own")

    def _take_splits(self) -> None:
        """The splits as they are trained on, their classes named as those of the weights."""
        recipe, choice = self.recipe, self.choice
        if not self.as_split:
            self.dataset = with_validation(self.dataset, recipe.seed, recipe.validation_fraction)
        self.dataset = sampled(self.dataset, recipe.fraction, recipe.seed)
        if choice.weights and not self.before and not self._stored:
            _check_weights(choice.weights)
            self.pretrained = found = Pretrained.of(choice.weights, self.fetching, self.say)
            self.dataset = with_earlier_names(self.dataset, found.contract.classes)
            init = "auto" if choice.init in FROM_DATA else choice.init
            self.choice = replace(choice, weights=found.path, init=init)

    @property
    def _stored(self) -> Path | None:
        """The state dict or checkpoint of somebody's own network that training starts from."""
        path = Path(self.choice.weights) if isinstance(self.choice.weights, str | Path) else None
        return path if path and self.network and self.network.is_own and is_foreign(path) else None

    def _plan_input(self) -> None:
        """The input of the network, whichever it will be."""
        choice, pretrained = self.choice, self.pretrained
        contract = pretrained.contract if pretrained else self.before.contract if self.before else None
        self.plan = InputPlan(self.dataset, contract, choice.resize, choice.input)
        check_plan(self.plan, choice.channels, pretrained.path if pretrained else "")
        images = self.dataset.mode in IMAGES
        if pretrained and pretrained.official and images and self.network is None and choice.input is None:
            assert pretrained.graph
            side, why = smaller_input(pretrained.graph, self.dataset, self.recipe.epochs, self.device.type)
            if why:
                self.say(f"input: {side}x{side} (default, since {why}; --input takes another size)")
                self.plan = replace(self.plan, size=side)

    def _built(self) -> Run:
        """The network, the items read by its contract, and the run of both."""
        recipe, choice, before, say = self.recipe, self.choice, self.before, self.say
        network = self.network
        own = own_module(network, recipe.seed) if network and network.is_own else None
        name, graph, contract = self._described(own)
        about = _about(self.dataset, graph, recipe, choice, name)
        if network and own is not None:
            about |= {"net": format(own.graph) if isinstance(own, Net) else "", "code": code_of(network)}
        if isinstance(self.data, str | Path):
            about["source"] = str(self.data)
        if before:
            compare_runs(before.folder, before.about, about, say)
            check_split(before.folder, self.dataset, say)
        augment = check_choices(recipe, contract, say)
        check_start_size(recipe, graph, contract, name)
        contract = replace(contract, tta=recipe.tta)
        table = analyse(graph) if own is None else table_of_own(own, graph)
        module = self._with_weights(graph, own, table, contract)
        measured = bool(self.pretrained or (before and before.contract))
        held, contract = read_parts(
            self.dataset, contract, measured=measured, strict=choice.strict, say=say, reading=self.reading
        )
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
            data=self.dataset.name,
            net=name,
            recipe=recipe,
            table=table,
            held=held,
            model=model,
            state=State.new(module, recipe),
            device=self.device,
            augment=augment,
            input=self.dataset.input,
            skipped=len(self.dataset.skipped),
            begun_from=_begun_from(choice),
            keep_epochs=choice.keep_epochs,
            init=choice.init,
            page=choice.page,
            in_memory=self.as_split and choice.out is None,
            baseline=choice.baseline,
            trackers=self.trackers,
            options=DataOptions(**choice.of_data | {"task": None}).given(),
            world=self.world,
        )
        self._begin(run, about, graph)
        return run

    def _described(self, own: nn.Module | None) -> tuple[str, Graph, Contract]:
        """The network's name and graph, and the contract that follows from these and the data."""
        network, before, plan = self.network, self.before, self.plan
        if network and own is not None:
            check_own(self.recipe, self.choice.init, network.given)
            name, graph = network.name, graph_of_own(own, network, plan, self.choice.channels)
            if (
                graph.input
                and not plan.says_channels
                and self.dataset.mode in IMAGES
                and graph.input[0] != plan.item[0]
            ):
                self.say(f"channels: {graph.input[0]}, as {network.given} takes")
        else:
            name, graph = _graph(network, plan, self.pretrained, self.say)
        name = before.name if before else name
        vocabulary = vocabulary_for(plan, graph, name) if own is None else words_for(own, plan)
        given = before.contract if before else None
        assert graph.input is not None
        mode = OF_CHANNELS[graph.input[0]] if self.dataset.mode in IMAGES else self.dataset.mode
        resize = self.choice.resize or "stretch"
        contract = given or first_contract(self.dataset, graph.input, mode, vocabulary, resize)
        return name, graph, self.pretrained.contract_for(contract, name) if self.pretrained else contract

    def _with_weights(self, graph: Graph, own: nn.Module | None, table: Report, contract: Contract) -> nn.Module:
        """The module on its device, with its initial weights or those that are fine-tuned, and what is frozen."""
        choice, pretrained = self.choice, self.pretrained
        if own is None:
            module: nn.Module = build(graph, init=choice.init, seed=self.recipe.seed, device=self.device)
        else:
            module = own.to(self.device)
        loaded = pretrained.into(module, contract, self.say) if pretrained else None if self.before else ()
        if self._stored and not self.before:
            loaded = carry_stored(self._stored, module, self.say)
        if choice.freeze:
            parts = {legal(name): name for name, _ in module.named_modules() if name}  # the table has names of a graph
            names = [parts[layer.name] for layer in table.layers if layer.name in parts]
            for line in freeze_to(module, names, choice.freeze, loaded):
                self.say(line)
        return module

    def _begin(self, run: Run, about: dict[str, Any], graph: Graph) -> None:
        """What is measured and fitted before the first step; and the folder, of which *about* is the recipe.json."""
        before, choice, recipe, world, say = self.before, self.choice, self.recipe, self.world, self.say
        contract, pretrained = run.model.contract, self.pretrained
        found = Speed.from_dict(before.about.get("speed")) if before else None
        if before and found and all(before.about.get(name) == about[name] for name in OF_SPEED):
            run.speed = found
        elif world.first:
            run.choose_speed(say)
        about["speed"] = run.speed.as_dict()
        new_head = pretrained and not pretrained.has_head_for(contract.classes, contract.task)
        if world.first and recipe.head_epochs and new_head:
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
            return
        if before:
            run.lock = before.lock
            run.mend_files()
        else:
            run.folder, run.lock = claim_folder(choice.out, f"{run.data}-{run.net}")
            self.undo.callback(run.lock.give_back)
            write_split(run.folder, self.dataset)
        write_safely(run.folder / "recipe.json", json.dumps(about, indent=2) + "\n")  # which alone changes to resume
        if not before:
            run.save_state()  # from here on, whatever ends the run, --resume resumes it


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


def _check_weights(weights: Given) -> None:
    """ModelError where weights alone are given, and not the code of the network that they are of."""
    code, path = code_and_path(weights) if isinstance(weights, str | Path) else ("", "")
    if path and is_foreign(Path(path)) and Path(path).is_file() and not official_net(path):
        raise ModelError(
            f"{path}: contains weights and no network; name its code too: --net {code or 'FILE.py:NAME'} --weights "
            f"{path}; or make a model file of one of the zoo: striate weights NET {path} -o OUT.safetensors"
        )


OF_SPEED = ("precision", "memory_format", "threads", "compile")  # settings that overrule what was chosen


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
