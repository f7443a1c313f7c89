"""The learning curve: the same training with more and more of the training split. Would more data help?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.datasets import Data, DataSet, with_validation
from striate.errors import RecipeError, align_columns
from striate.files import write_safely
from striate.learning import NamedRecipe, Recipe
from striate.loading import Given
from striate.metrics import Scores
from striate.metrics.paired import resampled_metric
from striate.metrics.resampling import drawings, middle
from striate.metrics.shared import as_plain
from striate.report.lines import ChartLine, LineChart, line_chart
from striate.report.markup import el, html_document, html_table, join, note, num, section
from striate.run.choosing import choose
from striate.run.folder import Say, read_about, say_nothing, to_stderr
from striate.run.measuring import item_groups, measure, parts_for
from striate.run.own import load_for
from striate.run.series import Series, SeriesPlan, SeriesRun
from striate.run.series_start import SeriesStart
from striate.tasks import Metric

FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
CURVE = "curve"  # the kind of series
LEAST = 20  # training items that a fraction leaves; of fewer nothing is learned
LAST = 3  # points that say how the curve goes on
PAGE = "curve.html"


@dataclass(frozen=True)
class CurvePoint:
    """Trainings with one part of the training split.

    Args:
        items: Of the training split that were used.
        fraction: Of it.
        value: The task's metric on the test split; the mean over the random seeds.
        interval: 95% interval of it.
        folders: Of the runs, one for each random seed.
    """

    items: int
    fraction: float
    value: float
    interval: tuple[float, float]
    folders: tuple[str, ...]


@dataclass(frozen=True)
class LearningCurve:
    """A metric over the number of training items; ``print`` shows it.

    Args:
        metric: The task's.
        n: Test items, the same for all.
        seeds: Trainings of each point.
        points: In the order of their items; two or more.
        gain: The last point less the third last, or the first of fewer.
        gain_interval: 95% interval of it.
        forecast: By how much the metric would change with twice the items of the last point, if its error goes on as a
            power of them, as over the last three points; None where there is no error left.
        forecast_interval: 95% interval of it.
        folder: Of the runs.
    """

    metric: Metric
    n: int
    seeds: int
    points: tuple[CurvePoint, ...]
    gain: float
    gain_interval: tuple[float, float]
    forecast: float | None
    forecast_interval: tuple[float, float] | None
    folder: str

    @property
    def verdict(self) -> str:
        """Of the last points: ``"helps"`` (the last one is the better for it, too), ``"harms"`` or ``"not
        distinguishable"``.
        """
        low, high = self.gain_interval
        rises = self.metric.higher_is_better
        if low <= 0 <= high or ((low > 0) == rises and (self.points[-1].value > self.points[-2].value) != rises):
            return "not distinguishable"
        return "helps" if (low > 0) == rises else "harms"

    @property
    def sentence(self) -> str:
        """Whether more data would help, as far as these runs say."""
        before, last = self.points[-LAST:][0], self.points[-1]
        name = self.metric.words
        change = f"{self._change(self.gain)} (95% interval {self._ends(self.gain_interval)})"
        step = f"from {before.items:,} to {last.items:,} training items {name} changed by {change}"
        if self.verdict == "harms":
            return f"more of these data made it worse: {step}; look at the labels (striate doctor), or train for longer"
        if self.verdict == "not distinguishable":
            return f"no sign that more data of this kind would help: {step}"
        more = ""
        if self.forecast is not None and self.forecast_interval is not None:
            more = (
                f"; if it goes on like this, {2 * last.items:,} would change it by {self._change(self.forecast)} more "
                f"({self._ends(self.forecast_interval)})"
            )
        return f"more data would probably help: {step}{more}"

    def _change(self, value: float) -> str:
        return self.metric.change(value)

    def _ends(self, interval: tuple[float, float]) -> str:
        return " to ".join(self.metric.change(end).removesuffix(" points") for end in interval)

    def as_dict(self) -> dict[str, Any]:
        """As ``striate curve --json`` prints it."""
        points = [as_plain(point, "folders") | {"runs": list(point.folders)} for point in self.points]
        said = {"verdict": self.verdict, "sentence": self.sentence, "page": f"{self.folder}/{PAGE}"}
        return {"metric": self.metric.name} | as_plain(self, "metric", "folder") | {"points": points} | said

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("training items", "of all", f"test {self.metric.words}", "95% interval")]
        return "\n".join([*align_columns(rows + self._cells(), left=0), "", self.sentence, *self._caveat()])

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (
                f"{point.items:,}",
                f"{point.fraction:.3g}",
                self.metric.number(point.value),
                " to ".join(map(self.metric.number, point.interval)),
            )
            for point in self.points
        ]

    def _caveat(self) -> list[str]:
        one = "each point is one training, and the intervals do not include how another random seed would vary it"
        return [f"{one} (with --repeats 3 they do)"] if self.seeds == 1 else []

    def page(self) -> str:
        """The curve, its numbers and the sentence as one HTML file that fetches nothing."""
        rows = [el("tr", *map(num, cells)) for cells in self._cells()]
        head = ("training items", "of all", f"test {self.metric.words}", "95% interval")
        chart = self.chart()
        items = f"{self.n:,} test items, {self.seeds} random seed{'s' if self.seeds > 1 else ''} each"
        body = join(
            el("header", el("h1", "Would more data help?"), el("p", self.sentence[0].upper(), self.sentence[1:], ".")),
            section(chart.title, line_chart(chart), *map(note, self._caveat())),
            section("In numbers", html_table(head, rows, text=0), note(f"{items}; the runs are in {self.folder}.")),
            el("footer", "Written by striate. Nothing is fetched."),
        )
        return html_document("Learning curve", body)

    def chart(self) -> LineChart:
        """The error (a share wrong, or the metric where that is an error) over the items."""
        share = self.metric.share
        measured = tuple((float(point.items), self._error(point.value)) for point in self.points)
        bars = tuple((self._error(point.interval[1]), self._error(point.interval[0])) for point in self.points)
        lines = [ChartLine("measured, with its 95% interval", measured, bars=bars)]
        last = self.points[-1]
        if self.forecast is not None and self.verdict == "helps":
            ahead = (2.0 * last.items, self._error(last.value + self.forecast))
            lines.append(ChartLine("if it goes on like this", (measured[-1], ahead)))
        name = f"1 - {self.metric.words}" if self.metric.higher_is_better else self.metric.words
        return LineChart(
            f"Test error ({name}) over training items",
            "training items",
            tuple(lines),
            y=".3g" if not share else ".0%",
            log=True,
        )

    def _error(self, value: float) -> float:
        return 1 - value if self.metric.higher_is_better else value


def curve_plan(
    net: Given | None,
    data: Data,
    *,
    fractions: Sequence[float] | str | None = None,
    repeats: int | None = None,
    recipe: Recipe | NamedRecipe | str | None = None,
    **settings: Any,
) -> SeriesPlan:
    """The runs of a learning curve, the smallest part first, each in a folder of its own.

    The arguments are those of :func:`curve`; *fractions* may be a text, ``"0.1,0.5,1"``. With ``resume``, what is not
    said is as it was said at the start of the curve in ``out`` or, without that, of the newest curve of the data.

    Raises:
        RecipeError: Fewer than two fractions, or some that are not above 0 and at most 1; to resume, something is said
            that is not so in the curve.
        ModelError: There is nothing to resume.
    """
    said = {"fractions": None if fractions is None else _numbers(fractions), "repeats": repeats}
    start = SeriesStart.of((CURVE,), net, data, recipe, settings, **said)
    n, seed = start.words.get("repeats", 1), start.seed
    if not isinstance(n, int) or n < 1:
        raise RecipeError(f"repeats is {n!r}, expected a whole number of at least 1, such as 3")
    dataset, start = start.opened(data, CURVE)
    for_validation = start.how["settings"].get("validation_fraction", Recipe.validation_fraction)
    chosen = start.words.get("fractions") or _halvings(len(with_validation(dataset, seed, for_validation).train))
    start = _with_one_net(start, dataset, min(chosen))
    assert start.folder
    texts = [f"{f:.4g}" for f in chosen]
    if len(set(texts)) < len(texts):
        texts = [repr(f) for f in chosen]
    runs = [
        SeriesRun(
            start.folder / (f"fraction-{text}" + f"-seed-{s}" * (n > 1)),
            f"{text} of the training split" + f", seed {s}" * (n > 1),
            {"fraction": f, "seed": s},
        )
        for f, text in zip(chosen, texts, strict=True)
        for s in range(seed, seed + n)
    ]
    return SeriesPlan(Series(start.folder, CURVE, tuple(runs)), data, start)


def _with_one_net(start: SeriesStart, dataset: DataSet, smallest: float) -> SeriesStart:
    """*start* with the network of the whole training split, where nobody named one and the *smallest* fraction would
    get another recipe, and so another network.
    """
    how = start.how
    if how["net"] is not None or how["recipe"] is not None or how["options"].get("weights") is not None:
        return start
    rate_given = bool({"optimizer", "lr", "momentum"} & set(how["settings"]))
    whole, part = (choose(dataset, rate_given=rate_given, fraction=fraction) for fraction in (1, smallest))
    return start if whole.name == part.name or not whole.net else replace(start, how=how | {"net": whole.net})


def _halvings(items: int) -> list[float]:
    chosen = [fraction for fraction in FRACTIONS if fraction * items >= LEAST]
    if len(chosen) < 2:
        raise RecipeError(f"{items} training items are too few for a curve; name the fractions yourself")
    return chosen


def _numbers(given: Sequence[float] | str) -> list[float]:
    try:
        found = sorted({float(Fraction(f)) for f in (given.split(",") if isinstance(given, str) else given)})
    except (TypeError, ValueError, ArithmeticError):
        found = []
    if len(found) < 2 or not 0 < found[0] <= found[-1] <= 1:
        raise RecipeError(f"fractions is {given!r}, expected two or more numbers above 0 and at most 1: 0.1,0.5,1")
    return found


def curve(
    net: Given | None,
    data: Data = None,
    *,
    fractions: Sequence[float] | str | None = None,
    repeats: int | None = None,
    recipe: Recipe | NamedRecipe | str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> LearningCurve:
    """Trains *net* with more and more of the training split, and says whether more data would help; ``print`` shows it.

    Validation and test split are the same for all. The smaller parts are in the larger ones.

    Args:
        net: As for :func:`~striate.train`.
        data: Likewise.
        fractions: Of the training split: ``(0.1, 0.5, 1)``; 1/16, 1/8, 1/4, 1/2 and all, if not given.
        repeats: Trainings of each, with other random seeds; 1, if not given. The points are then means over the seeds,
            and the intervals include how these vary.
        recipe: As for :func:`~striate.train`; what is chosen for so many items, if not given.
        quiet: Print nothing.
        **settings: As for :func:`~striate.train`; ``out`` is the folder that the runs are in, and the page.

    Returns:
        ``.points`` with ``items``, ``value`` and ``interval``; ``.verdict``, ``.sentence``, ``.gain``, ``.forecast``.

    Raises:
        Error: Of the kind that fits, as :func:`~striate.train`.

    >>> from tempfile import mkdtemp
    >>> found = curve("flatten; linear 10", "digits", fractions=(0.1, 1), epochs=1, out=mkdtemp(), quiet=True)
    >>> [point.items for point in found.points]
    [130, 1293]
    """
    say = say_nothing if quiet else to_stderr
    plan = curve_plan(net, data, fractions=fractions, repeats=repeats, recipe=recipe, **settings)
    found = learning_curve(plan.train(say), data, net, say=say, **plan.start.of_data)
    say(found.sentence)
    return found


def learning_curve(
    series: Series, data: Data, net: Given | None = None, *, say: Say = say_nothing, **of_data: Any
) -> LearningCurve:
    """The curve of runs of *net* that are finished, measured on the test split of *data*; it also writes the page.

    Raises:
        ModelError: A run is not finished.
    """
    groups: dict[float, list[SeriesRun]] = {}
    for run in series.members:
        groups.setdefault(run.settings["fraction"], []).append(run)
    scores: list[list[Scores]] = []
    groups_of: Sequence[str] = ()
    for runs in groups.values():
        models = [load_for(net, run.folder) for run in runs]
        held = [parts_for(model, data, "test", say=say, **of_data) for model in models]
        scores.append([measure(model, *parts) for model, parts in zip(models, held, strict=True)])
        groups_of = item_groups(held[0])
    abouts = [read_about(runs[0].folder) for runs in groups.values()]
    items = [int(about["images"][0]) for about in abouts]
    metric = series.metric
    drawn = np.stack([_resampled(of, metric, groups_of) for of in scores], 1)  # (R, points)
    values = [float(np.mean([getattr(one, metric.name) for one in of])) for of in scores]
    points = tuple(
        CurvePoint(n, fraction, value, _interval(of, ends, metric), tuple(str(run.folder) for run in runs))
        for n, (fraction, runs), value, of, ends in zip(items, groups.items(), values, scores, drawn.T, strict=True)
    )
    forecast, ends = _forecast(items, np.array(values), drawn, metric)
    found = LearningCurve(
        metric,
        scores[0][0].n,
        len(scores[0]),
        points,
        values[-1] - values[-LAST:][0],
        middle(drawn[:, -1] - drawn[:, -LAST:][:, 0]),
        forecast,
        ends,
        str(series.folder),
    )
    write_safely(series.folder / PAGE, found.page())
    return found


def _resampled(scores: list[Scores], metric: Metric, groups: Sequence[str] = ()) -> NDArray[np.float64]:
    """``(R,)``: the mean of a *metric* over random seeds, items and seeds both drawn again with replacement; the same
    drawings of the items (of whole *groups*, where they have some) for every point.
    """
    draws = drawings(scores[0].n, groups=groups)
    each = np.concatenate([np.stack([resampled_metric(one, times, metric) for one in scores]) for times in draws], 1)
    seeds, drawn = each.shape
    if seeds == 1:
        return np.asarray(each[0])
    chosen = np.random.default_rng(seeds).integers(0, seeds, (seeds, drawn))
    return np.asarray(np.take_along_axis(each, chosen, 0).mean(0))


def _interval(scores: list[Scores], drawn: NDArray[np.float64], metric: Metric) -> tuple[float, float]:
    """Of one training the metric's own, where it has one; else from the drawings."""
    own: tuple[float, float] | None = getattr(scores[0], f"{metric.name}_interval", None)
    return own if own and len(scores) == 1 else middle(drawn)


def _forecast(
    items: list[int], values: NDArray[np.float64], drawn: NDArray[np.float64], metric: Metric
) -> tuple[float | None, tuple[float, float] | None]:
    """By how much the metric changes with twice the items, if the error goes on as a power of them (J. Hestness et al.
    2017, arXiv 1712.00409), by the last points; of the measured values, and 95% of the drawn ones.
    """
    error = 1 - values if metric.higher_is_better else values
    errors = 1 - drawn if metric.higher_is_better else drawn
    known = (errors[:, -LAST:] > 0).all(1)
    if not (error[-LAST:] > 0).all() or known.mean() < 0.9:
        return None, None
    x = np.array([log(n) for n in items[-LAST:]])
    sign = 1 if metric.higher_is_better else -1

    def change(e: NDArray[np.float64]) -> NDArray[np.float64]:
        slope = (np.log(e) - np.log(e).mean(-1, keepdims=True)) @ (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        return np.asarray(sign * e[..., -1] * (1 - 2.0**slope))

    return float(change(error[-LAST:])), middle(change(errors[known, -LAST:]))
