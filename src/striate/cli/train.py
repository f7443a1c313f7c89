"""``striate train``: the main job."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.common import Data, Json, command, print_json, say

if TYPE_CHECKING:
    from striate.run import Result, Run

_net, _data, _training, _run = (
    partial(typer.Option, rich_help_panel=title)  # under which heading of --help an option stands
    for title in ("The network", "The data", "Training", "The run")
)


def train(
    data: Data,
    net: Annotated[
        str | None,
        _net(
            "--net",
            "-n",
            metavar="NET",
            help="A zoo name, .net file, model file or text; without it, one that suits the data.",
        ),
    ] = None,
    input: Annotated[
        str | None, _net("--input", "-i", metavar="CxHxW", help="The net's input. [its own, or the data's]")
    ] = None,
    init: Annotated[str, _net(help="First weights: auto, lecun, glorot, he, lenet or alexnet.")] = "auto",
    weights: Annotated[
        str | None,
        _net(metavar="MODEL", help="Begin with a model file's weights, net and preparation; its head is new."),
    ] = None,
    freeze: Annotated[str | None, _net(metavar="LAYER", help="Keep everything down to this layer as it is.")] = None,
    task: Annotated[
        str | None, _data(help="classification, multilabel, regression or segmentation. [by the data]")
    ] = None,
    channels: Annotated[
        int | None, _data(help="Read images as 1 (grey), 3 (colour) or 4 (with alpha). [as they are]")
    ] = None,
    resize: Annotated[str | None, _data(help="Images to the net's size: stretch, fit or crop. [stretch]")] = None,
    augment: Annotated[
        str | None, _data(help="none, light, standard, strong, or such as 'light flip=no'. [none]")
    ] = None,
    fraction: Annotated[float | None, _data(help="Of the training part, evenly over the classes. [1]")] = None,
    strict: Annotated[bool, _data("--strict", help="Stop at a file that cannot be read.")] = False,
    recipe: Annotated[
        str | None,
        _training(metavar="NAME", help="standard, tutorial or svm, or a recipe.json; options change single settings."),
    ] = None,
    epochs: Annotated[int | None, _training("--epochs", "-e", help="Passes over the training part. [20]")] = None,
    batch: Annotated[int | None, _training("--batch", help="Images a step. [32]")] = None,
    lr: Annotated[float | None, _training("--lr", help="The highest learning rate. [0.002]")] = None,
    schedule: Annotated[str | None, _training(help="constant, step, cosine or linear. [cosine]")] = None,
    warmup: Annotated[float | None, _training(help="Part of all steps in which the rate rises. [0.1]")] = None,
    optimiser: Annotated[
        str | None, _training("--optimiser", "--optimizer", help="sgd, momentum, nesterov, adam or adamw. [adamw]")
    ] = None,
    momentum: Annotated[float | None, _training(help="Of momentum and nesterov. [0.9]")] = None,
    weight_decay: Annotated[float | None, _training(help="L2 regularisation of the weights. [0.01]")] = None,
    l1: Annotated[float | None, _training(help="L1 regularisation of the weights. [0]")] = None,
    label_smoothing: Annotated[float | None, _training(help="Of the targets, 0 to 1. [0.05]")] = None,
    loss: Annotated[
        str | None,
        _training(help="auto, crossentropy, mse, hinge; l1, huber; dice, crossentropy+dice. [auto: by the task]"),
    ] = None,
    clip: Annotated[float | None, _training(help="Largest norm of the gradient; 0: no limit. [0]")] = None,
    balance: Annotated[
        str | None, _training(help="Of uneven classes: none, weights (in the loss) or sampling. [none]")
    ] = None,
    seed: Annotated[int | None, _training(help="Of everything random. [0]")] = None,
    out: Annotated[Path | None, _run("--out", "-o", metavar="DIR", help="The run's folder.")] = None,
    resume: Annotated[bool, _run("--resume", help="Go on with the newest run of DATA (and --net).")] = False,
    keep_epochs: Annotated[
        bool, _run("--keep-epochs", help="Keep the model of every epoch in epochs/, to film its kernels.")
    ] = False,
    device: Annotated[str, _run(help="auto, cpu or cuda.")] = "auto",
    json: Json = False,
) -> None:
    """Train a network on DATA. Ends with how good it is on images that it has never seen."""
    names = (
        "epochs batch lr schedule warmup optimiser momentum weight_decay l1 label_smoothing loss clip seed "
        "augment balance fraction"
    ).split()
    given = {name: value for name, value in locals().items() if name in names and value is not None}
    from striate.cli.progress import Reading
    from striate.learning import find_recipe
    from striate.run import prepare
    from striate.spec import read_shape

    with Reading() as reading:
        run = prepare(
            data,
            net,
            find_recipe(recipe) if recipe else None,
            settings=given,
            out=out,
            init=init,
            weights=weights,
            freeze=freeze,
            resume=resume,
            device=device,
            task=task,
            channels=channels,
            resize=resize,
            input=read_shape(input) if input else None,
            strict=strict,
            keep_epochs=keep_epochs,
            say=reading.say,
            reading=reading.show,
            fetching=reading.fetching.show,
        )
    print(f"{run.table}\n", file=sys.stderr if json else sys.stdout)
    _train(run, data)
    result = run.finish()
    if json:
        print_json(result.as_dict())
    else:
        _conclude(result, data)


def _train(run: Run, data: str) -> None:
    """Goes through the events; a signal ends it after the step in hand, with everything saved."""
    from striate.cli.progress import Progress

    with _signals() as caught, Progress(run.recipe.epochs) as progress:
        for event in run.events():
            progress.show(event)
            if caught:
                break
        else:
            return
    run.save_state()
    again = command("striate", "train", data, "--out", run.folder, "--resume")
    at = f"epoch {run.state.epoch + 1}, step {run.state.step}" if run.state.step else f"epoch {run.state.epoch}"
    say(f"stopped after {at}; all is saved. Go on with:\n  {again}")
    raise SystemExit(128 + caught[0])


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The numbers of the signals that came: the first only asks to stop, the second does as ever."""
    caught: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        caught.append(number)
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
    print(result.headline())
    epochs = f"{len(run.history)} epoch{'s' * (len(run.history) != 1)}"
    print(f"trained {epochs} in {run.seconds:.1f} s; the best by validation was epoch {run.best_epoch}")
    print(f"model   {run.folder / 'model.safetensors'}")
    print(f"curves  {run.folder / 'metrics.csv'}")
    print(f"report  {run.folder / 'report.html'}")
    say("\nnext:")
    say("  " + command("striate", "evaluate", run.folder / "model.safetensors", data))
    what = {"text": "a sentence", "values": "ARRAY.npy", "channels": "ARRAY.npy"}.get(run.model.contract.mode, "IMAGE")
    say("  " + command("striate", "predict", run.folder / "model.safetensors", what))
