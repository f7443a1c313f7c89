"""``striate evaluate`` and ``striate predict``: how good a model is, and what it predicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.common import (
    DATA_HELP,
    BatchSize,
    Device,
    Json,
    ModelOrExported,
    Split,
    Tta,
    echo,
    output_file,
    print_json,
    say,
    takes_data_options,
)

if TYPE_CHECKING:
    from striate.diagnosis import SliceSearch
    from striate.metrics import Scores
    from striate.run.measuring import Held
    from striate.run.pairing import Comparison


@takes_data_options("task", "value_range")
def evaluate_command(
    model: ModelOrExported,
    other: Annotated[
        str | None, typer.Argument(metavar="MODEL_B", help="Another model: is it better, on the same items?")
    ] = None,
    data: Annotated[str | None, typer.Argument(metavar="DATA", help=f"{DATA_HELP} [default: the run's]")] = None,
    split: Split = "test",
    batch_size: BatchSize = 256,
    device: Device = "auto",
    tta: Tta = None,
    out: Annotated[
        Path | None,
        output_file("FILE.csv", "Also write every item's label, prediction and probabilities to this table."),
    ] = None,
    accept_error: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Store a threshold in the model file, below which a prediction is 'unknown': at most this share (1%) "
            "of the others is wrong.",
        ),
    ] = None,
    coverage: Annotated[
        str | None, typer.Option(metavar="SHARE", help="The same, so that this share (95%) of the items gets a class.")
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            metavar="COSTS",
            help="Cost of each mistake, LABEL:PREDICTION, such as 'sick:well=10' (others 1): prints their total and "
            "the cheapest decisions.",
        ),
    ] = None,
    json: Json = False,
    **options: Any,
) -> None:
    """Evaluate a model on held-out data. Metrics with confidence intervals, per class, and the worst predictions.

    Of two models: whether MODEL_B is better than MODEL, on the same items."""
    options |= {"split": split, "batch_size": batch_size, "device": device, "tta": tta}
    from striate.cli.progress import ReadingProgress
    from striate.errors import counted
    from striate.metrics import ClassificationScores
    from striate.model.header import is_model
    from striate.run.api import evaluate
    from striate.run.baseline import baseline_of
    from striate.run.diagnosing import slices_of
    from striate.run.pairing import compare

    if data is None and other is not None and not is_model(other):
        other, data = None, other
    alone = {"--out": out, "--accept-error": accept_error, "--coverage": coverage, "--cost": cost}
    if other is not None and (first := next((name for name, value in alone.items() if value), None)):
        raise typer.BadParameter(f"{first} is for one model; omit MODEL_B, or {first}")
    found: Comparison | Scores
    weak: SliceSearch | None = None
    with ReadingProgress() as reading:
        options |= {"say": say, **reading.read}
        if other is not None:
            found = compare(model, other, data, **options)
        else:
            held: list[Held] = []
            options |= {"accept_error": accept_error, "coverage": coverage}
            found = evaluate(model, data, out=out, held=held, **options)
            weak = slices_of(held, found)
            if out:
                say(f"wrote {out}: {counted(found.n, 'item')}")
    costs = None
    if cost:
        if not isinstance(found, ClassificationScores):
            raise typer.BadParameter("--cost is for classification")
        costs = found.costs(cost)
    beside = baseline_of(model) if other is None and split == "test" else None
    if json:
        more = (weak.as_dict() if weak else {}) | ({"cost": costs.as_dict()} if costs else {})
        print_json(found.as_dict() | more | ({"baseline": beside.as_dict()} if beside else {}))
    else:
        of = data or f"{'its' if other is None else 'the'} run's data"
        which = model if other is None else f"{model} and {other}"
        echo(f"{which} on {of}" if split == "all" else f"{which} on the {split} split of {of}")
        echo(f"\n{found}")
        if costs:
            echo(f"\n{costs}")
        if weak:
            echo(f"\n{weak}")
        if beside:
            echo(f"\nof the run: {beside.line()}")


@takes_data_options("task", "classes_from", "mask_threshold", "value_range", "group")
def predict_command(
    model: ModelOrExported,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Images, folders, tables, .npz or .npy arrays; for a model of texts 'a sentence' or a .txt file.",
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="Classes to show for each item.")] = 3,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            "--conf",
            min=0,
            max=1,
            help="Several labels: the probability from which one is predicted. [default: 0.5] One class: below it, the "
            "answer is unknown. [default: the model's]",
        ),
    ] = None,
    sets: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Prediction sets: the classes among which the right one is for this share (90%) of items.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write a table as predictions come (.csv, .jsonl or .parquet); or, of a segmentation model, a folder "
            "of PNG masks.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an --out table that was interrupted.")] = False,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    tta: Tta = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="K/N", help="Only the K-th of N equal shares, for N machines or jobs. [default: all]"),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="For an .onnx file: onnxruntime, openvino, or auto: the faster, measured once. [default: onnxruntime]",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="float32, or bf16: faster on some processors, less exact. [default: float32]"
        ),
    ] = None,
    json: Json = False,
    **options: Any,
) -> None:
    """Predict images, sentences or arrays. Classes with probabilities, labels, values, or masks."""
    from striate.cli.progress import CountProgress
    from striate.errors import DataError, printable
    from striate.run.predicting import predictions
    from striate.run.rows import SUFFIXES

    options |= {"batch_size": batch_size, "device": device, "tta": tta, "shard": shard, "sets": sets}
    options |= {"resume": resume, "top": top, "engine": engine, "precision": precision}
    table = out is not None and out.suffix.lower() in SUFFIXES
    done, failed, documents = 0, 0, []

    def resumed(rows: int, without: int) -> None:
        nonlocal done, failed
        done, failed = rows, without

    with CountProgress("predicting") as progress:
        found = predictions(model, files, threshold=threshold, out=out, say=progress.say, resumed=resumed, **options)
        for answer, mask in found:
            done += 1
            failed += isinstance(answer, DataError)
            if table:
                progress.show(done)
            elif isinstance(answer, DataError):
                say(f"striate: {answer}")
            elif json:
                documents.append(answer.as_dict() | ({"mask": str(mask)} if mask else {}))
            else:
                called = f'"{answer.text}"' if answer.text is not None else str(answer.file)
                written = f"  -> {printable(str(mask))}" if mask else ""
                echo(f"{printable(called)}: {printable(answer.line(top))}{written}")
    if json:
        print_json({"out": str(out), "predicted": done, "failed": failed} if table else documents)
    if failed:
        raise typer.Exit(3)
