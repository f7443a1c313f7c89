"""``striate train``: the main job."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.common import (
    SIZE,
    DataArgument,
    Json,
    command,
    echo,
    of_data,
    print_json,
    say,
    takes_data_options,
    writes,
)

if TYPE_CHECKING:
    from striate.learning import World
    from striate.run import Result, Run
    from striate.run.series import SeriesPlan

_net, _training, _more, _speed, _run = (
    partial(typer.Option, rich_help_panel=title)  # under which heading of --help an option stands
    for title in ("The network", "Training", "Loss, regularisation and fine-tuning", "Speed", "The run")
)


@takes_data_options()
def train_command(
    data: DataArgument,
    net: Annotated[
        str | None,
        _net(
            "--net",
            "-n",
            "--model",
            metavar="NET",
            help="Zoo name, .net file, text, model file or run folder. [default: one for the data]",
        ),
    ] = None,
    input: Annotated[
        str | None,
        _net(*SIZE, metavar="CxHxW", help="Input size: 3x64x64, or 64. [default: the network's, or the data's]"),
    ] = None,
    init: Annotated[
        str, _net(help="Weight initialisation: auto, lecun, glorot, he, lenet, alexnet, whiten or naive_bayes.")
    ] = "auto",
    weights: Annotated[
        str | None,
        _net(
            "--weights",
            "--pretrained",
            metavar="MODEL",
            help="Fine-tune this model, or official ImageNet weights by name: mobilenet_v2, resnet18, ...",
        ),
    ] = None,
    freeze: Annotated[str | None, _net(metavar="LAYER", help="Freeze all layers up to and including this one.")] = None,
    channels: Annotated[
        int | None, of_data(help="Read images as 1 (grey), 3 (RGB) or 4 (RGBA) channels. [default: as they are]")
    ] = None,
    resize: Annotated[str | None, of_data(help="Resize images: stretch, fit or crop. [default: stretch]")] = None,
    augment: Annotated[
        str | None,
        of_data(
            help="none, light, standard, strong, or settings: 'light flip=no' (docs/augmentation.md). "
            "[default: standard for photos, else none]"
        ),
    ] = None,
    fraction: Annotated[
        float | None, of_data(help="Fraction of the training split to use, stratified. [default: 1]")
    ] = None,
    validation_fraction: Annotated[
        float | None,
        of_data(
            "--validation-fraction",
            "--val-fraction",
            "--validation-split",
            help="Without a validation split: this fraction of the training split becomes one. [default: 0.1]",
        ),
    ] = None,
    strict: Annotated[
        bool,
        of_data(
            "--strict",
            help="Stop at an unreadable file, a row without a file, an image without its mask. [default: skip it]",
        ),
    ] = False,
    recipe: Annotated[
        str | None,
        _training(
            metavar="NAME",
            help="Settings by name (default, classic, finetune, ...: docs/recipes.md) or a recipe.json (config). "
            "Other options override it. [default: one for the data]",
        ),
    ] = None,
    epochs: Annotated[
        int | None, _training("--epochs", "-e", help="Number of epochs. [default: the recipe's, often 20]")
    ] = None,
    batch_size: Annotated[
        int | None, _training("--batch-size", "-b", "--batch", help="Batch size. [default: the recipe's, often 32]")
    ] = None,
    lr: Annotated[
        float | None,
        _training("--lr", "--learning-rate", "--lr0", help="Peak learning rate. [default: the recipe's, often 0.002]"),
    ] = None,
    find_lr: Annotated[
        Path | None,
        _training(
            "--find-lr",
            metavar="OUT.svg",
            callback=writes(".svg"),
            help="Train nothing: sweep the learning rate, suggest one, and draw the losses over the rates.",
        ),
    ] = None,
    tune: Annotated[
        str | None,
        _training(
            "--tune",
            metavar="TIME",
            help="Search lr and weight decay on validation first, for so long: 60s, 5m. [default: none]",
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        _training(
            help="Learning-rate schedule: constant, step, cosine or linear. [default: the recipe's, often cosine]"
        ),
    ] = None,
    warmup: Annotated[float | None, _training(help="Warm-up, as a fraction of all steps. [default: 0.1]")] = None,
    optimizer: Annotated[
        str | None,
        _training(
            "--optimizer",
            "--optimiser",
            "--opt",
            help="sgd, momentum, nesterov, adam, adamw or muon. [default: the recipe's, often adamw]",
        ),
    ] = None,
    momentum: Annotated[
        float | None, _more(help="Momentum (optimizers momentum, nesterov and muon). [default: 0.9]")
    ] = None,
    weight_decay: Annotated[float | None, _more(help="Weight decay (L2). [default: the recipe's, often 0.01]")] = None,
    l1: Annotated[float | None, _more(help="L1 regularisation of the weights. [default: 0]")] = None,
    label_smoothing: Annotated[float | None, _more(help="Label smoothing, 0 to 1. [default: 0.05]")] = None,
    loss: Annotated[
        str | None,
        _more(
            help="classification: crossentropy, mse, hinge; multilabel: bce; regression: mse, l1, huber; segmentation: "
            "crossentropy+dice, crossentropy, dice. [default: the task's first]"
        ),
    ] = None,
    clip: Annotated[float | None, _more(help="Maximum gradient norm; 0: no clipping. [default: 0]")] = None,
    norm_bias_lr: Annotated[
        float | None, _more(help="Learning rate of normalisation biases, as a multiple of --lr. [default: 1]")
    ] = None,
    layer_decay: Annotated[
        float | None, _more(help="Learning rate factor from each layer to the one before it. [default: 1]")
    ] = None,
    head_epochs: Annotated[
        int | None,
        _more(help="Fine-tuning: passes over features computed once, which train the new head first. [default: 0]"),
    ] = None,
    norm_statistics: Annotated[
        str | None,
        _more(
            "--norm-statistics",
            metavar="MODE",
            help="Batch normalisation in training: batch, or fixed (those of the weights that are fine-tuned). "
            "[default: batch]",
        ),
    ] = None,
    accumulate: Annotated[int | None, _speed(help="Batches per optimizer step. [default: 1]")] = None,
    ema: Annotated[
        float | None, _more(help="Decay of averaged weights (EMA), which become the model. [default: 0, none]")
    ] = None,
    keep: Annotated[
        str | None,
        _training(help="Which epoch's weights become the model: best, on validation, or last. [default: best]"),
    ] = None,
    patience: Annotated[
        int | None, _training(help="Stop after so many epochs without improvement; 0: never. [default: 0]")
    ] = None,
    start_size: Annotated[
        float | None, _speed(help="Begin with images of this fraction of the input size. [default: 1]")
    ] = None,
    tta: Annotated[
        str | None, _training(help="Test-time augmentation: none, flip, shift or flip+shift. [default: none]")
    ] = None,
    balance: Annotated[
        str | None,
        _more(help="Class imbalance: none, weights (class-weighted loss) or sampling (oversampling). [default: none]"),
    ] = None,
    seed: Annotated[int | None, _training(min=0, help="Random seed. [default: 0]")] = None,
    repeats: Annotated[
        int | None, _run(min=2, metavar="N", help="Train N times, with other random seeds: mean and interval.")
    ] = None,
    folds: Annotated[
        int | None, _run(min=2, metavar="K", help="Cross-validation: train K times, each tested on another fold.")
    ] = None,
    out: Annotated[
        Path | None, _run("--out", "-o", metavar="DIR", help="Output folder. [default: runs/DATA-NET]")
    ] = None,
    resume: Annotated[
        bool, _run("--resume", help="Resume the run in --out, or the newest of DATA (and --net).")
    ] = False,
    keep_epochs: Annotated[
        bool, _run("--keep-epochs", help="Save the model of every epoch in epochs/, to animate its kernels.")
    ] = False,
    page: Annotated[
        bool, _run("--page", help="Write the network's live page too, page.html (see striate view).")
    ] = False,
    baseline: Annotated[
        bool, _run("--baseline/--no-baseline", help="Compare the network with a plain model, fitted in seconds.")
    ] = True,
    log: Annotated[
        list[str] | None,
        _run("--log", metavar="TRACKER", help="tensorboard, or a module with init, log and finish: wandb, trackio."),
    ] = None,
    device: Annotated[
        str, _speed(metavar="DEVICE", help="auto (a GPU if there is one), cpu, cuda or cuda:N.")
    ] = "auto",
    precision: Annotated[
        str | None, _speed(help="float32, bf16 (autocast) or auto: the faster one, measured. [default: auto]")
    ] = None,
    memory_format: Annotated[
        str | None,
        _speed("--memory-format", metavar="FORMAT", help="contiguous, channels_last or auto. [default: auto]"),
    ] = None,
    threads: Annotated[int | None, _speed(min=0, help="Processor threads; 0: auto. [default: 0]")] = None,
    compile: Annotated[
        str | None, _speed(metavar="yes|no", help="Compile the network with torch.compile. [default: no]")
    ] = None,
    json: Json = False,
    **options: Any,
) -> None:
    """Train a network on DATA. Reports test metrics, and writes an HTML report."""
    options = {name: value for name, value in (locals() | options).items() if name not in OURS and value is not None}
    from striate.cli.progress import ReadingProgress
    from striate.learning import named_recipe
    from striate.run import prepare
    from striate.run.folder import SERIES
    from striate.run.options import sorted_settings

    if find_lr:
        _find_lr(data, net, recipe, find_lr, json, options)
        return
    if repeats or folds or (resume and out and (out / SERIES).is_file()):
        from striate.run.series import series_plan

        plan = series_plan(net, data, repeats=repeats, folds=folds, recipe=recipe, **options)
        train_runs(plan, "train")
        print_json(plan.series.as_dict()) if json else echo(f"\n{plan.series}")
        say("\nnext:")
        say("  " + command("striate", "runs", plan.series.folder))
        return
    settings, choices = sorted_settings(options)
    named = named_recipe(recipe) if recipe else None
    with ReadingProgress() as reading:
        run = prepare(data, net, named, settings=settings, **reading.told, **choices)
    echo(f"{run.summary}\n", error=json)
    _train(run, _again(run, "train", data, run.folder))
    if not run.world.first:
        run.best()
        return
    result = run.finish()
    if json:
        for text in result.warnings():
            say(f"warning: {text}")
        print_json(result.as_dict())
        if run.no_page:
            say(f"no page: {run.no_page}")
    else:
        _conclude(result, data)


# what of the arguments is no setting of the recipe or the run
OURS = "data net recipe find_lr repeats folds json options".split()


def _find_lr(data: str, net: str | None, recipe: str | None, path: Path, json: bool, options: dict[str, Any]) -> None:
    """The sweep of ``--find-lr``, in words or as JSON."""
    from striate.cli.progress import ReadingProgress
    from striate.run.finding import find_lr

    options.pop("baseline", None)
    for name in ("out", "resume", "tune", "log", "page", "keep_epochs"):
        if options.pop(name, None):
            raise typer.BadParameter(f"--find-lr trains nothing: omit --{name.replace('_', '-')}")
    with ReadingProgress() as reading:
        sweep = find_lr(net, data, out=path, recipe=recipe, **reading.told, **options)
    if json:
        print_json(sweep.as_dict() | {"path": str(path)})
        return
    echo(f"suggested: --lr {sweep.suggestion:g}, a third of the rate of the lowest loss, {sweep.lowest:.2g}")
    echo(
        f"the loss falls fastest at {sweep.steepest:.2g}; swept {len(sweep.rates)} steps from {sweep.rates[0]:g} "
        f"to {sweep.rates[-1]:.2g}"
    )
    echo(f"plot {path}")


def train_runs(plan: SeriesPlan, verb: str) -> None:
    """Trains and measures what of a series is not finished; a signal ends it, with the words to go on."""
    from striate.cli.progress import ReadingProgress

    for member in plan.remaining(say):
        with ReadingProgress() as reading:
            run = plan.prepare(member, **reading.told)
        echo(f"{run.summary}\n", error=True)
        _train(run, _again(run, verb, plan.data, plan.series.folder))
        result = run.finish()
        for text in result.warnings():
            say(f"warning: {text}")
        say(result.headline())


def _again(run: Run, verb: str, data: object, folder: Path) -> str:
    """The command that resumes it: what it does not say is in the folder, but code of one's own."""
    own = ["--net", run.model.code] if ".py:" in run.model.code else []
    return command("striate", verb, data, *own, "--out", folder, "--resume")


def _train(run: Run, again: str) -> None:
    """Goes through the events; a signal ends it after the current step, with everything saved, and says how it goes on
    *again*.
    """
    from striate.cli.progress import TrainingProgress
    from striate.run.result import made_of

    with _signals(run.world) as caught, TrainingProgress(run.recipe, made_of(run.model.contract)) as progress:
        for event in run.events():
            progress.show(event)
            if run.world.stopping:
                break
        else:
            return
    run.save_state()
    at = f"epoch {run.state.epoch + 1}, step {run.state.step}" if run.state.step else f"epoch {run.state.epoch}"
    say(f"stopped after {at}; everything is saved. Resume with:\n  {again}")
    raise SystemExit(128 + (caught or [int(signal.SIGTERM)])[0])


@contextmanager
def _signals(world: World) -> Iterator[list[int]]:
    """The numbers of the signals that came: the first only asks to stop, the second does as ever; unless it is from
    ``torchrun``, which passes on what the terminal has sent already.
    """
    caught: list[int] = []
    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        world.ask_to_stop()
        if world.size == 1:
            signal.signal(number, before[number])

    for number in before:
        signal.signal(number, handle)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _conclude(result: Result, data: str) -> None:
    run = result.run
    for text in result.warnings():
        say(f"warning: {text}")
    for line in result.lines():
        echo(line)
    if run.stopped_early:
        echo(run.stopped_early)
    echo(result.effort())
    for name, file in (("model", "model.safetensors"), ("curves", "metrics.csv"), ("report", "report.html")):
        echo(f"{name:<7} {run.folder / file}")
    if run.page_file:
        echo(f"{'page':<7} {run.page_file}")
    elif run.page:
        say(f"no page: {run.no_page}")
    say("\nnext:")
    code = run.model.code
    model = f"{code}@{run.folder}" if ".py:" in code else run.folder
    said = _said(run, *COLUMNS, "classes_from", "mask_threshold")
    say("  " + command("striate", "evaluate", model, data, *said))
    if run.model.contract.mode == "text":
        say("  " + command("striate", "predict", model, "a sentence"))
    else:
        what = [run.example] if run.example else [data, *_said(run, *COLUMNS[:3])]
        say("  " + command("striate", "predict", model, *what))


COLUMNS = ("label", "file", "text", "group")


def _said(run: Run, *names: str) -> list[object]:
    """What of *names* was said about the data, as options."""
    given = {name: value for name, value in run.options.items() if name in names}
    return [word for name, value in given.items() for word in ("--" + name.replace("_", "-"), value)]
