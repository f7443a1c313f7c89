"""What the verbs of the command line do, one Python function each: train, evaluate, data."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from striate.datasets import BUILT_IN, Data, DataSet, open_data, with_validation
from striate.datasets.augment import Augment
from striate.datasets.dataset import Reading
from striate.datasets.open import Fetching
from striate.datasets.options import check_options
from striate.datasets.show import DataDescription, contact_sheet, describe, image_bytes, sheet_contract, sheet_rows
from striate.diagnosis import SliceSearch
from striate.errors import DataError, RecipeError, SpecError, counted, nearest, shape_text
from striate.files import write_safely
from striate.learning import NamedRecipe, Recipe
from striate.loading import Given
from striate.loading.for_data import default_network, graph_for_data
from striate.loading.network import input_shape
from striate.metrics import Scores
from striate.metrics.paired import group_interval
from striate.model.contract import RESIZE
from striate.model.model import Model
from striate.run.diagnosing import slices_of
from striate.run.folder import Say, say_nothing, to_stderr
from striate.run.making import prepare
from striate.run.measuring import Held, item_groups, measure, parts_for, say_skipped
from striate.run.options import given_recipe, sorted_settings
from striate.run.predicting import opened
from striate.run.rows import write_items
from striate.run.splits import data_of_run, run_of
from striate.run.sureness import AFTER_CHOICE, promise_broken, set_threshold
from striate.spec import Shape
from striate.tasks import Metric


def train(
    net: Given | None,
    data: Data = None,
    *,
    recipe: Recipe | NamedRecipe | str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Model:
    """Trains *net* on *data* and gives the best model by validation; everything is in the run's folder.

    Args:
        net: What :func:`striate.loading.open_network` takes: a name of the zoo, a text, a ``Seq``...; None for the
            network of *weights*, or for the default network for the data.
        data: A built-in name (``"digits"``), a path, ``(X, y)`` of arrays or tensors, a DataFrame: what
            :func:`~striate.datasets.open_data` takes; its kind decides the task.
        recipe: The settings: a ``Recipe``, its name (``"classic"``), or the ``recipe.json`` of a run; those that suit
            the data, if not given.
        quiet: Print nothing.
        **settings: Single settings of the :class:`~striate.learning.Recipe` (``epochs=10, lr=0.01, batch_size=64,
            augment="standard"``) and the :class:`~striate.run.options.RunOptions` (``out="runs/mine",
            weights="runs/first", freeze="conv1", resume=True, device="cpu", task="regression", channels=1,
            resize="crop", input=(3, 64, 64), strict=True, keep_epochs=True, page=True,
            log="tensorboard"``).

    Raises:
        Error: Of the kind that fits (``DataError``, ``SpecError``, ``ShapeError``, ``ModelError``, ``RecipeError``).

    >>> from tempfile import mkdtemp
    >>> model = train("flatten; linear 10", "digits", epochs=1, fraction=0.1, out=mkdtemp(), quiet=True)
    >>> model.contract.input
    (1, 8, 8)
    """
    if isinstance(net, str) and net.partition(":")[0] in BUILT_IN:
        raise SpecError(
            f"{net!r} is a data set, not a network; the data come second: train(NET, DATA), such as "
            f"train('lenet5', {net!r}), or train(None, {net!r}) for the default network"
        )
    say = say_nothing if quiet else to_stderr
    of_recipe, of_run = sorted_settings(settings)
    run = prepare(data, net, given_recipe(recipe), settings=of_recipe, say=say, **of_run)
    say = say if run.world.first else say_nothing
    say(run.summary)
    run.train(say)
    if not run.world.first:
        return run.best()
    result = run.finish()
    if run.stopped_early:
        say(run.stopped_early)
    for line in [*[f"warning: {text}" for text in result.warnings()], *result.lines()]:
        say(line)
    say(f"the run is in {run.folder}")
    if run.page:
        say(f"no page: {run.no_page}" if run.no_page else f"page {run.page_file}")
    return result.model


def evaluate(
    model: Given,
    data: Data = None,
    *,
    split: str = "test",
    batch_size: int = 256,
    device: str | None = None,
    tta: str | None = None,
    out: str | Path | None = None,
    accept_error: float | str | None = None,
    coverage: float | str | None = None,
    say: Say = to_stderr,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
    held: list[Held] | None = None,
    **options: Any,
) -> Scores:
    """The metrics of *model* on a *split* of *data*, with confidence intervals; ``print`` shows them.

    Args:
        model: A model file, a run's folder or a ``Model``.
        data: As for :func:`train`, with targets for the model's task. [of a run's model: the data of the run]
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``. Of a run's model and the data of the run, these are the
            items that the run had, those drawn at random too.
        batch_size: How many items go through the network at a time.
        device: Where the model goes first: ``"auto"``, ``"cpu"``, ``"cuda"``; it stays where it is, if not given.
        tta: Test-time augmentation (``none``, ``flip``, ``shift``, ``flip+shift``); the model's own, if not given.
        out: A file ``items.csv`` for every item's name, label, prediction and probabilities.
        accept_error: First choose, on the validation split, the threshold below which the model answers "unknown": such
            that of its answers at most this share (``0.01``, ``"1%"``) is wrong. Kept in the model's file, or in the
            ``Model`` that was given; ``predict`` and whatever else answers go by it.
        coverage: Or such that it answers this share of the items.
        say: Told, in a line each, which items cannot be read, and what is new since the run.
        reading: Progress callback (items, total).
        fetching: Progress callback (file, bytes, total) of a download.
        held: A list that the items are added to, as they were read.
        **options: How the data are to be understood, as :func:`~striate.datasets.open_data` takes it
            (``classes_from``, ``mask_threshold``).

    Returns:
        The task's :class:`~striate.metrics.Scores`: ``.accuracy``, ``.per_class``, ``.as_dict()``...

    Raises:
        ModelError: There is no such model.
        DataError: The data cannot be read, or have classes that it does not know.
        RecipeError: No data are given, and the model is not of a run that says what it was trained on.

    >>> from tempfile import mkdtemp
    >>> model = train("flatten; linear 10", "digits", epochs=1, fraction=0.1, out=mkdtemp(), quiet=True)
    >>> evaluate(model, "digits").n, evaluate(model).n
    (360, 360)
    """
    check_options(options, "evaluate")
    found = opened(model, device, batch_size, tta)
    if data is None:
        folder = run_of(found.path)
        if folder is None:
            where = found.path or "the model"
            raise RecipeError(f"{where}: no run's folder says what it was trained on; give the data to evaluate it on")
        data = data_of_run(folder)
    if accept_error is not None or coverage is not None:
        if not isinstance(found, Model):
            raise RecipeError(
                f"{found.path} is an exported file; choose the threshold of the model file, and export that"
            )
        val = parts_for(found, data, "val", say=say, reading=reading, fetching=fetching, **options)[0]
        say(set_threshold(found, model, val, accept_error, coverage))
    parts = parts_for(found, data, split, say=say, reading=reading, fetching=fetching, **options)
    if split == "val" and run_of(found.path):
        say(AFTER_CHOICE)
    say_skipped([item for some in parts for item in some.arrays.broken], "that cannot be read", "item", say)
    scores = measure(found, *parts, batch_size=batch_size)
    if line := of_groups(scores, parts, found.contract.task.metric):
        say(line)
    if out is not None:
        write_items(Path(out), [name for some in parts for name in some.arrays.names], scores)
    if accept_error is not None and split != "val" and (broken := promise_broken(scores, accept_error)):
        say(broken)
    if held is not None:
        held += parts
    return scores


def weak_slices(model: Given, data: Data = None, **how: Any) -> SliceSearch:
    """The slices of the data on which *model* is worse than on the others by more than chance.

    Slices are the items of a label, of low or high brightness, contrast, sharpness, size, of a file type or folder, of
    a length or with a word, of a value in another column of the table; their number is corrected for.

    Args:
        model: As for :func:`evaluate`.
        data: Likewise.
        **how: What else :func:`evaluate` takes.

    Returns:
        ``.slices``, each with its ``name``, ``n``, ``error``, ``interval``, ``others``, ``p`` and ``items``.

    >>> from tempfile import mkdtemp
    >>> model = train("flatten; linear 10", "digits", epochs=1, fraction=0.1, out=mkdtemp(), quiet=True)
    >>> weak_slices(model, "digits").n
    360
    """
    held: list[Held] = []
    scores = evaluate(model, data, held=held, **how)
    return slices_of(held, scores)


def of_groups(scores: Scores, held: list[Held], metric: Metric) -> str:
    """What to say of the interval where the items are of groups, and so not independent; "" where they are not."""
    groups, value = item_groups(held), getattr(scores, metric.name, None)
    if not groups or value is None:
        return ""
    n = len({*groups})
    interval = group_interval(scores, value, groups)
    items = f"note: the {scores.n:,} items are of {counted(n, 'group')}"
    if interval is None:
        return f"{items}: too few to say how the {metric.words} would be on others"
    low, high = map(metric.number, interval)
    return f"{items}; for new groups the 95% interval of the {metric.words} is {low} to {high}"


def data(
    data: Data,
    *,
    sheet: str | Path | None = None,
    augment: str | None = None,
    input: Shape | str | int | None = None,
    resize: str | None = None,
    split: str | None = None,
    seed: int | None = None,
    say: Say = to_stderr,
    fetching: Fetching | None = None,
    **options: Any,
) -> DataDescription:
    """What a data set is: its task, classes, counts and sizes; ``print`` shows it. With *sheet*, a contact sheet of
    what a network will see of it.

    Args:
        data: As for :func:`train`.
        sheet: The image file to write: ``.png``, ``.jpg`` or ``.webp``. The others are for it alone.
        augment: ``"none"`` (if not given), ``"light"``, ``"standard"``, ``"strong"``, or such as ``"shift=4"``.
        input: The network's input; that of the default network for the data, if not given.
        resize: ``"stretch"`` (if not given), ``"fit"`` or ``"crop"``.
        split: ``"train"`` (if not given), ``"val"`` or ``"test"``.
        seed: Of what is picked and augmented; 0, if not given.
        say: Callback for messages, one string each.
        fetching: Progress callback (file, bytes, total) of a download.
        **options: How the data are to be understood, as :func:`~striate.datasets.open_data` takes it (``task``,
            ``classes_from``, ``mask_threshold``).

    Raises:
        DataError: The data are not found, or cannot be read.
        RecipeError: An invalid option value.

    >>> found = data("digits")
    >>> found.as_dict()["items"], found.dataset.task
    ({'train': 1437, 'test': 360}, <task classification>)
    """
    check_options(options, "data")
    chosen = {"augment": augment, "resize": resize, "split": split, "seed": seed}
    unused = next((f"--{name} {value}" for name, value in chosen.items() if value is not None), "")
    how = Augment.parse(augment or "none")
    if split is not None and split not in (known := ("train", "val", "test")):
        raise RecipeError(f"split is {split!r}{nearest(split, known)}")
    if unused and sheet is None:
        raise RecipeError(f"{unused} is for the contact sheet; add --sheet sheet.png")
    if resize is not None and resize not in RESIZE:
        raise RecipeError(f"resize is {resize!r}{nearest(resize, RESIZE)}")
    dataset = data if isinstance(data, DataSet) and not options else open_data(data, progress=fetching, **options)
    shape = None if input is None else input_shape(input, dataset.input[0], text=dataset.mode == "text")
    if shape and len(shape) == 3 and shape[0] != dataset.input[0]:
        dataset = open_data(data, **options | {"channels": shape[0]})
    if sheet is not None:
        shape = shape or _default_input(dataset)
        page = _sheet(dataset, how, shape, resize or "stretch", split or "train", seed or 0, say)
        write_safely(Path(sheet), image_bytes(page, Path(sheet)))
    return describe(dataset)


def _default_input(dataset: DataSet) -> Shape | None:
    """The input of the network that *dataset* is for if no other is named; None where it is that of the items."""
    if dataset.mode in ("text", "values"):
        return None
    classes = len(dataset.classes)
    net, _ = default_network(dataset.input, dataset.mode, dataset.task, classes)
    graph = graph_for_data(net, classes=classes, input=dataset.input, mode=dataset.mode, task=dataset.task)
    return graph.input


def _sheet(
    dataset: DataSet, augment: Augment, shape: Shape | None, resize: str, split: str, seed: int, say: Say
) -> Image.Image:
    contract = sheet_contract(dataset, shape, resize)
    suited, notes = augment.suited(contract)
    for note in notes:
        say(note)
    with suppress(DataError):  # as for training, where there is enough for it: then the items have the same numbers
        dataset = with_validation(dataset, seed)
    augmented, text = suited != Augment(), contract.mode == "text"
    rows = sheet_rows(dataset, contract, split=split, augment=suited, seed=seed, items=10 if augmented or text else 25)
    size = shape_text(contract.input)
    what = [f"{len(rows)} of {len(dataset.parts[split]):,} items of the {split} split"]
    how = [f"their first {size} words"] if text else [f"as {size}, resize {resize}"]
    drawn = [f"augment {suited}", f"seed {seed}"] if augmented else []
    title = f"{dataset.name}: {dataset.task}"
    return contact_sheet(rows, contract, title=title, about=" · ".join([*what, *how, *drawn]))
