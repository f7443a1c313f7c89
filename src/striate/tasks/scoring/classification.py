"""Classification: one class for each item. Scores ``(N, K)``, targets int64 ``(N,)`` or class shares ``(N, K)``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striate.errors import DataError, RecipeError
from striate.metrics.calibration import calibration, fit_temperature, log_softmax
from striate.metrics.classification import ClassificationScores, Mistake, score_classification, wilson
from striate.metrics.conformal import lowest_energy, rejection, set_thresholds
from striate.metrics.curves import threshold_curves
from striate.metrics.paired import PairedDifference, compare_right
from striate.metrics.shared import WORST, decimal, percent
from striate.report import ItemView, Sections
from striate.report.charts import ReliabilityBin, reliability_diagram
from striate.report.figures import LINES, threshold_charts
from striate.report.markup import Html, class_rows, el, html_table, item_caption, join, note, num, ratio, section
from striate.report.pictures import item_figure, items_grid
from striate.report.tables import LARGEST, confusion_table
from striate.tasks.answers import OutputContext
from striate.tasks.scoring.base import Finding, Findings, Loss, Scoring, Tally, check_range, shape_of_targets, together
from striate.tasks.scoring.figures import classification_figures
from striate.tasks.task import CLASSIFICATION, Metric


class ClassificationScoring(Scoring[ClassificationScores]):
    """One class for each item."""

    task = CLASSIFICATION

    def loss(self, name: str, weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
        if name == "mse":
            return _weighted(half_squared_errors, weights)
        if name == "hinge":
            return _weighted(multiclass_hinges, weights)
        if weights is None:
            return lambda scores, targets: F.cross_entropy(scores, targets, label_smoothing=label_smoothing)
        return _weighted(lambda s, t: F.cross_entropy(s, t, label_smoothing=label_smoothing, reduction="none"), weights)

    def _checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        y = targets
        shares = y.is_floating_point() and y.ndim == 2
        if not shares and (y.ndim != 1 or y.is_floating_point()):
            raise DataError(
                f"the targets are {shape_of_targets(y)}; expected whole numbers ({len(scores)},), the number of each "
                f"item's class"
            )
        if scores.ndim != 2 or len(scores) != len(y) or (shares and scores.shape != y.shape):
            expected = tuple(y.shape) if shares else f"({len(y)}, classes)"
            raise DataError(
                f"the network's output is {tuple(scores.shape)} for {len(y)} items; expected {expected}: "
                f"end it with flatten and linear CLASSES"
            )
        if shares:
            if (y < 0).any() or ((y.sum(1) - 1).abs() > 1e-3).any():
                raise DataError(
                    f"the targets are {shape_of_targets(y)}, but the rows are no shares of the classes, which are 0 or "
                    f"more and sum to 1; if they are labels or amounts, use the task multilabel or regression"
                )
            return scores, y.to(scores.dtype)
        check_range(y, scores.shape[1])
        return scores, y.long()

    def tally(self, units: Tensor | None = None) -> Tally:
        return Tally(_right, lambda counts: float(counts[0] / counts[1]))

    def tally_of(self, metric: Metric, units: Tensor | None = None) -> Tally:
        return self.tally(units) if metric == self.task.metric else Tally(_right_of_each, _mean_recall)

    def measure(self, batches: Iterable[tuple[np.ndarray, np.ndarray]], context: OutputContext) -> ClassificationScores:
        scores, targets = together(batches, len(context.classes))
        log_p = log_softmax(scores, context.temperature)
        found = score_classification(log_p, targets, context.classes, context.names)
        right, more = found.predictions == found.targets, found.calibration
        if context.temperature != 1:
            before = calibration(np.exp(log_softmax(scores).max(axis=1)), right)
            more = more | {"temperature": context.temperature, "before": before}
        rejected = None if context.threshold is None else rejection(found.probabilities, right, context.threshold)
        return replace(found, calibration=more, rejection=rejected)

    def sureness(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        if not len(scores) or not np.isfinite(scores).all():
            return {}
        labels = targets.astype(np.int64)
        temperature = fit_temperature(scores, labels)
        own = np.exp(log_softmax(scores, temperature)[np.arange(len(labels)), labels])
        return {"temperature": temperature, "sets": set_thresholds(own), "energy": lowest_energy(scores)}

    def compare(
        self,
        first: ClassificationScores,
        second: ClassificationScores,
        groups: Sequence[str] = (),
        metric: Metric | None = None,
    ) -> PairedDifference:
        if groups or (metric and metric != self.task.metric):
            return super().compare(first, second, groups, metric)
        return compare_right(first.errors == 0, second.errors == 0, self.task.metric)

    def sections(self, scores: ClassificationScores, shown: Mapping[int, ItemView]) -> Sections:
        n, (low, high), common = scores.n, scores.accuracy_interval, scores.commonest
        return Sections(
            percent(scores.accuracy, n),
            f"accuracy: {scores.right:,} of {n:,} right",
            f" 95% interval: {percent(low, n)} to {percent(high, n)}. "
            f"Always predicting “{common.name}” would give {percent(common.n / n)}.",
            _mistakes(scores, shown),
            join(_classes(scores), _sureness(scores)),
            classification_figures(scores),
        )

    def findings(self, scores: ClassificationScores) -> Findings:
        """The mistakes with the highest loss; the confusion matrix and who is in its cells."""
        y, predicted, p = scores.targets, scores.predictions, scores.probabilities
        wrong = np.flatnonzero(predicted != y)
        worst = wrong[np.argsort(-scores.losses[wrong], kind="stable")][:WORST].tolist()
        name = scores.classes
        cells: dict[tuple[int, int], list[Finding]] = defaultdict(list)
        for i in np.argsort(-p, kind="stable").tolist():
            cell = cells[int(y[i]), int(predicted[i])]
            if len(cell) < WORST:
                cell.append(Finding(i, f"{name[y[i]]} \u2192 {name[predicted[i]]}", percent(p[i])))
        return Findings(
            "Mistakes with the highest loss: label \u2192 prediction",
            tuple(
                Finding(i, f"{name[y[i]]} \u2192 {name[predicted[i]]}", f"{percent(p[i])}, loss {scores.losses[i]:.2f}")
                for i in worst
            ),
            scores.confusion,
            cells=cells,
        )


def _right(scores: Tensor, targets: Tensor) -> Tensor:
    labels = targets.argmax(1) if targets.is_floating_point() else targets
    return torch.tensor([(scores.argmax(1) == labels).sum(), len(labels)], dtype=torch.float64)


def _right_of_each(scores: Tensor, targets: Tensor) -> Tensor:
    """float64 ``(2, K)``: of each class, how many items were right, and how many there are."""
    labels = targets.argmax(1) if targets.is_floating_point() else targets
    k = scores.shape[1]
    hit = labels[scores.argmax(1) == labels]
    return torch.stack([torch.bincount(found, minlength=k) for found in (hit, labels)]).double()


def _mean_recall(counts: Tensor) -> float:
    """The balanced accuracy: the mean recall of the classes that have items (Brodersen et al. 2010)."""
    right, items = counts[:, counts[1] > 0]
    return float((right / items).mean())


def _weighted(each: Loss, weights: Tensor | None) -> Loss:
    """The mean of what *each* gives for the items, every item counting as its class (or its mixture of them) does."""
    if weights is None:
        return lambda scores, targets: each(scores, targets).mean()

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        of = weights.to(scores)
        counts = targets.to(of) @ of if targets.is_floating_point() else of[targets]
        return (each(scores, targets) * counts).sum() / counts.sum()

    return loss


def half_squared_errors(scores: Tensor, targets: Tensor) -> Tensor:
    """``1/2 sum (target - probability)^2`` over the classes, for each item: the tutorials' total error.

    >>> half_squared_errors(torch.zeros(1, 2), torch.tensor([0]))
    tensor([0.2500])
    """
    expected = targets if targets.is_floating_point() else F.one_hot(targets, scores.shape[1])
    return 0.5 * (expected.to(scores.dtype) - scores.softmax(1)).square().sum(1)


def multiclass_hinges(scores: Tensor, targets: Tensor) -> Tensor:
    """``sum over j != y of max(0, s_j - s_y + 1)``, for each item: the SVM classifier (Weston and Watkins 1999).

    Raises:
        RecipeError: The targets are shares of the classes, for which it is not defined.

    >>> multiclass_hinges(torch.tensor([[3.2, 5.1, -1.7]]), torch.tensor([0]))
    tensor([2.9000])
    """
    if targets.is_floating_point():
        raise RecipeError(
            "recipe: the loss hinge needs one class per item, not a mixture (mixup, cutmix); use crossentropy"
        )
    margins = (scores - scores.gather(1, targets[:, None]) + 1).clamp(min=0)
    return margins.sum(1) - 1  # the right class itself gives the 1


# ------------------------------------------------------------------------------------------------------ the report
def _mistakes(scores: ClassificationScores, shown: Mapping[int, ItemView]) -> Html:
    """The mistakes with the highest probability."""
    if not scores.worst:
        line = el("p", f"None: all {scores.n:,} predictions are right. Harder data would tell more.")
        return section("Mistakes", line)
    wrong, count = scores.n - scores.right, len(scores.worst)
    some = f"The {count} of {wrong:,} with the highest probability" if wrong > count else f"All {wrong:,}"
    return section(
        "Mistakes",
        el("p", f"{some}: true class → predicted class, and the probability of the prediction."),
        items_grid(shown, *(_mistake(m, shown.get(m.index)) for m in scores.worst)),
    )


def _mistake(mistake: Mistake, item: ItemView | None) -> Html:
    return el(
        "figure",
        item_figure(item, f"{mistake.truth}, taken for {mistake.predicted}"),
        el(
            "figcaption",
            el("b", f"{mistake.truth} → {mistake.predicted}"),
            el("span", percent(mistake.probability)),
            item_caption(mistake.name),
        ),
    )


def _classes(scores: ClassificationScores) -> Html:
    """Every class, and which is taken for which."""
    rows = class_rows(
        (c.name, (num(f"{c.n:,}"), *map(ratio, (c.precision, c.recall, c.f1)), num(decimal(c.auc))))
        for c in scores.per_class
    )
    table = html_table(["class", "items", "precision", "recall", "F1", "AUC"], rows, high=len(rows) > 20)
    many = len(scores.classes) > LARGEST
    return section(
        "Classes",
        el(
            "div",
            el("div", el("h3", "Most often confused" if many else "Confusion matrix"), confusion_table(scores)),
            el("div", el("h3", "Per class"), table),
            class_="pair",
        ),
        _curves(scores),
        note(
            "Precision: of the predictions of this class, the share that is right. Recall: of the items of this class, "
            "the share found. F1: their harmonic mean. AUC: the area under the ROC curve, 1 where every item of the "
            "class has a higher probability for it than any other. A dash: there was nothing to take the share of."
        ),
    )


def _bins(calibration: Mapping[str, Any]) -> list[ReliabilityBin]:
    return [
        ReliabilityBin(b["n"], b["confidence"], b["accuracy"], wilson(round(b["accuracy"] * b["n"]), b["n"]))
        for b in calibration["reliability"]
    ]


def _sureness(scores: ClassificationScores) -> Html:
    """Whether the probabilities can be believed, before and after the temperature."""
    found = scores.calibration
    if "before" not in found:
        curves, scaled = {"predictions": _bins(found)}, ""
    else:
        curves = {"before": _bins(found["before"]), "after": _bins(found)}
        scaled = (
            f" All scores are divided by the temperature {found['temperature']:.2f}, fitted on validation, which "
            f"changes no prediction; before, the calibration error was "
            f"{percent(found['before']['expected_calibration_error'])}."
        )
    return section(
        "Can the probabilities be believed?",
        el("p", _confidence(scores), scaled),
        reliability_diagram(curves),
        note(
            "Each dot is the predictions of about one probability, larger where they are more, with the 95% interval "
            "of the share that is right: above the dashed line more of them are right than their probability says, "
            "below it fewer. Where a wrong answer costs more than none, let the model answer “unknown”: striate "
            "evaluate MODEL --accept-error 5%."
        ),
    )


def _curves(scores: ClassificationScores) -> Html | None:
    """Each class against the others; of two classes the second."""
    log_p, labels = scores.log_probabilities, scores.targets
    some = list(enumerate(scores.classes))[1 if len(scores.classes) == 2 else 0 :]
    weakest = sorted(some, key=lambda pair: 2.0 if (auc := scores.per_class[pair[0]].auc) is None else auc)[:LINES]
    return threshold_charts([(name, threshold_curves(log_p[:, i], labels == i)) for i, name in weakest], of=len(some))


def _confidence(scores: ClassificationScores) -> str:
    mean, (low, high) = scores.calibration["mean_confidence"], scores.accuracy_interval
    close = f"the two are no further apart than {scores.n:,} items can tell"
    verdict = "it is overconfident" if mean > high else "it is underconfident" if mean < low else close
    return (
        f"Its predictions have a probability of {percent(mean)} on average, and {percent(scores.accuracy, scores.n)} "
        f"of them are right: {verdict}. Expected calibration error "
        f"{percent(scores.calibration['expected_calibration_error'])} (chance alone makes it "
        f"{percent(scores.calibration['by_chance'])} with so many items), cross-entropy {scores.loss:.4f} nats, Brier "
        f"score {scores.calibration['brier']:.4f}."
    )
