"""The end of a run: what is fitted on validation, measured on test and written once all epochs are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.datasets import Batches
from striate.datasets.augment import Augment
from striate.datasets.origins import new_origin
from striate.errors import SeeError, counted
from striate.files import write_safely
from striate.learning import Speed, using_threads, validate
from striate.metrics import Scores
from striate.model.model import Model
from striate.report import report
from striate.run.baseline import beside_baseline
from striate.run.folder import PAGE
from striate.run.measuring import measure
from striate.run.reporting import diagnosis_sections, seconds_for
from striate.run.result import Result, facts, made_of, worst_items
from striate.run.sureness import fit_look, fit_sureness
from striate.run.verdict import Verdict
from striate.sampling import evenly
from striate.tasks.scoring import scoring_of

if TYPE_CHECKING:
    from striate.run.running import Run

LONG = 1e13  # floating-point operations of a training of minutes: the plain model beside it may take seconds
ENOUGH, MOST = 500, 2_000  # items of the training split that say how well it is known


def finish(run: Run) -> Result:
    """Measures the best model on the test split, for the first and only time, and writes the report, and the
    page, if there is to be one and the network can be shown in one. Of several processes the first does, while
    the others call :meth:`~striate.run.running.Run.best`.
    """
    best = run.best()
    Speed(memory_format="channels_last").place(best.module)  # faster in most networks, as in evaluate and predict
    with using_threads(run.speed.threads):
        fit_look(best, run.held["train"])
        run.sureness = fit_sureness(best, run.held["val"])
        best.save(run.folder / "model.safetensors")
        scores = measure(best, run.held["test"])
        run.verdict = _verdict(run, best, scores)
        if run.baseline:
            more = 5 if run.work > LONG else 1
            run.beside = beside_baseline(
                best,
                run.held["train"],
                run.held["test"],
                scores,
                seed=run.recipe.seed,
                more=more,
                balance=run.recipe.balance,
            )
    Speed().place(best.module)  # as the file gives it
    if run.page:
        _write_page(run, scores)
    write_safely(run.folder / "report.html", _report(run, best, scores))
    run.finished, run.test = True, getattr(scores, run.task.metric.name, None)
    run.save_progress()
    run.trackers.log({f"test/{run.task.metric.name}": run.test}, run.state.epoch)
    run.trackers.finish()
    if run.lock:
        run.lock.release()
    return Result(run, best, scores)


def _verdict(run: Run, best: Model, scores: Scores) -> Verdict | None:
    """The metric of the kept model on each split; of the training split over as many items as that costs little."""
    row, metric = run.kept_row, run.task.metric
    test = getattr(scores, metric.name, None)
    if row is None or (val := row[metric.column]) is None or test is None:
        return None
    seen = len(run.parts["val"])
    some = evenly(len(run.parts["train"]), max(min(seen, MOST), ENOUGH))
    batches = Batches(
        run.held["train"].take(some).arrays,
        best.contract,
        batch_size=best.at_a_time(256),
        device=run.device,
    )
    _, train = validate(
        best.module, batches, task=run.task, tally=scoring_of(run.task).tally_of(run.task.metric, run.units())
    )
    losses = [float(row["val/loss"] or 0) for row in run.history if row["val/loss"] is not None]
    return Verdict(
        metric,
        train,
        val,
        test,
        (len(some), seen, scores.n),
        losses,
        made_of(best.contract),
        _origin(run),
        _advice(run),
    )


def _origin(run: Run) -> str:
    """How the test split differs in kind from validation, where the data show it."""
    train, val, test = (run.held[name].source for name in ("train", "val", "test"))
    if train.groups:
        few = f"{counted(len({*val.groups}), 'group')} in validation and {len({*test.groups})} in test"
        return f"there are {few}, no group in two splits; --folds says how much groups vary"
    found = new_origin(train, val, test)
    return found.remark() if found else ""


def _advice(run: Run) -> str:
    """What helps against overfitting."""
    images = run.model.contract.mode not in ("text", "values")
    augment = f"--augment {'standard' if run.augment == Augment() else 'strong'}, " if images else ""
    fewer = "fewer --epochs, " * (len(run.history) > 5)
    return f"use {augment}a larger --weight-decay than {run.recipe.weight_decay:g}, {fewer}or more data"


def _write_page(run: Run, scores: Scores) -> None:
    from striate.run.paneling import page_of

    try:
        page_of(run, scores).save(run.folder / PAGE)
    except SeeError as error:  # the model is as good without it
        run.no_page = str(error)
        (run.folder / PAGE).unlink(missing_ok=True)


def _report(run: Run, best: Model, scores: Scores) -> str:
    return report(
        title=f"{run.net} on {run.data}",
        facts=facts(run),
        layers=run.table.as_dict()["layers"],
        history=run.history,
        metric=run.task.metric,
        sections=scoring_of(run.task).sections(scores, worst_items(best, run.held["test"], scores)),
        best=run.best_epoch,
        page=run.page_file.name if run.page_file else None,
        more=diagnosis_sections(
            best,
            run.held,
            scores,
            f"striate doctor DATA --model {run.folder}",
            macs=run.table.macs,
            seconds=seconds_for(run.work),
        ),
    )
