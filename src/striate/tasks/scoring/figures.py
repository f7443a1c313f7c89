"""What the report says of each figure: its meaning in a sentence, and what to do next."""

from __future__ import annotations

from striate.metrics import ClassificationScores, MultilabelScores, RegressionScores, SegmentationScores
from striate.metrics.classification import wilson
from striate.metrics.segmentation import BACKGROUND
from striate.metrics.shared import decimal, percent, share_interval
from striate.report.figures import ReportFigure, figures_section
from striate.report.markup import Html

WILSON, BOOTSTRAP = "95%, Wilson", "95%, bootstrap"
CLOSE = 0.03  # of two shares: less is no difference to act on
Figure = ReportFigure


def classification_figures(scores: ClassificationScores) -> Html:
    """Of one class for each item."""
    n, mean, (low, high) = scores.n, scores.averages, scores.accuracy_interval
    common = scores.commonest
    with_items = [c for c in scores.per_class if c.n]
    weakest = min(with_items, key=lambda c: c.f1 or 0.0)
    return figures_section(
        Figure(
            "accuracy",
            percent(scores.accuracy, n),
            share_interval(scores.accuracy_interval, n),
            WILSON,
            f"Of 100 new items of this kind, about {100 * low:.0f} to {100 * high:.0f} are predicted right.",
            f"That is not more than always predicting “{common.name}” gives: the network has learned nothing yet."
            if low <= common.n / n
            else "All are right: harder items would tell more."
            if scores.right == n
            else "",
        ),
        None
        if scores.top5 is None or scores.top5_interval is None or len(scores.classes) <= 10
        else Figure(
            "top-5 accuracy",
            percent(scores.top5, n),
            share_interval(scores.top5_interval, n),
            WILSON,
            "How often the label is among the five most probable classes.",
            "Most mistakes are near misses: show a person several classes."
            if scores.top5 > scores.accuracy + 0.1
            else "",
        ),
        Figure(
            "balanced accuracy",
            percent(mean.balanced_accuracy),
            share_interval(mean.balanced_accuracy_interval),
            BOOTSTRAP,
            "The mean of the classes' recall: rare classes count as much as common ones.",
            f"Lower than the accuracy: rare classes are found less; try --balance sampling, or more items of "
            f"“{min(with_items, key=lambda c: c.recall or 0.0).name}”."
            if scores.accuracy - mean.balanced_accuracy > CLOSE
            else "",
        ),
        Figure(
            "macro F1",
            percent(mean.macro_f1),
            share_interval(mean.macro_f1_interval),
            BOOTSTRAP,
            f"Precision and recall in one number, the mean over the classes; weighted by their items it is "
            f"{percent(mean.weighted_f1)}.",
            f"The weakest class is “{weakest.name}” ({percent(weakest.f1 or 0.0)}): look at its mistakes and labels "
            f"first."
            if (weakest.f1 or 0.0) < mean.macro_f1 - CLOSE
            else "",
        ),
        Figure(
            "Cohen's kappa",
            decimal(mean.kappa),
            "" if mean.kappa_interval is None else " to ".join(map(decimal, mean.kappa_interval)),
            BOOTSTRAP,
            "The agreement with the labels beyond chance: 1 is perfect, 0 is what guessing by the classes' shares "
            "gives.",
        ),
        Figure(
            "area under ROC",
            decimal(scores.auc),
            "",
            "",
            "How often an item of a class has a higher probability for it than another item has: the mean of the "
            "classes.",
            "The order is far better than the predictions: another threshold helps; give the costs of mistakes to "
            "striate evaluate --cost."
            if scores.auc is not None and scores.auc > 0.9 and mean.balanced_accuracy < 0.7
            else "",
        ),
    )


def multilabel_figures(scores: MultilabelScores) -> Html:
    """Of any number of labels for each item."""
    n = scores.n
    known = [c for c in scores.per_class if c.average_precision is not None]
    weakest = min(known, key=lambda c: c.average_precision or 0.0, default=None)
    precision, recall = scores.micro_precision or 0.0, scores.micro_recall or 0.0
    return figures_section(
        Figure(
            "mean average precision",
            percent(scores.mean_average_precision),
            share_interval(between) if (between := scores.mean_average_precision_interval) else "",
            BOOTSTRAP,
            "How well each label's probabilities put the items that have it first, whatever the threshold.",
            f"The weakest label is “{weakest.name}” ({percent(weakest.average_precision)}, {weakest.n:,} items)."
            if weakest
            else "",
        ),
        Figure(
            "area under ROC",
            decimal(scores.auc),
            "",
            "",
            "How often an item that has a label has a higher probability for it than one that has not: the mean of the "
            "labels.",
        ),
        Figure(
            "macro F1",
            percent(scores.macro_f1),
            share_interval(scores.macro_f1_interval),
            BOOTSTRAP,
            f"Precision and recall at a probability of a half, the mean over the labels; over all labels together "
            f"{percent(scores.micro_f1)}.",
            "Labels are missed more often than invented: predict with a lower --threshold."
            if precision - recall > 3 * CLOSE
            else "Labels are invented more often than missed: predict with a higher --threshold."
            if recall - precision > 3 * CLOSE
            else "",
        ),
        Figure(
            "every label right",
            percent(scores.subset_accuracy, n),
            share_interval(wilson(scores.right, n), n),
            WILSON,
            "The share of the items of which no label is missed and none is wrong: the strictest figure.",
        ),
    )


def regression_figures(scores: RegressionScores) -> Html:
    """Of numbers; of several values the first says r2 and rank correlation with their intervals."""
    low, high = scores.mae_interval
    single = scores.per_class[0] if len(scores.per_class) == 1 else None
    weakest = min(scores.per_class, key=lambda c: 1.0 if c.r2 is None else c.r2)
    baseline = scores.baseline_mae
    return figures_section(
        Figure(
            "mean absolute error",
            f"{scores.mae:.4g}",
            f"{low:.4g} to {high:.4g}",
            "95%, normal",
            "How far a prediction is off on average, in the data's own unit"
            + (f"; always predicting the training mean is off by {baseline:.4g}." if baseline is not None else "."),
            "That is not better than the mean: the network has learned nothing yet."
            if baseline is not None and high >= baseline
            else "",
        ),
        Figure(
            "root mean square error",
            f"{scores.rmse:.4g}",
            "",
            "",
            "Likewise, with large errors counting more.",
            "It is far above the mean absolute error: a few items are far off; look at them below."
            if scores.rmse > 2 * scores.mae > 0
            else "",
        ),
        Figure(
            "r²",
            decimal(scores.r2),
            " to ".join(map(decimal, single.r2_interval)) if single and single.r2_interval else "",
            BOOTSTRAP,
            "The share of the targets' variance that is predicted: 1 is perfect, 0 is what their mean gives.",
            f"The weakest value is “{weakest.name}” ({decimal(weakest.r2)})."
            if not single and weakest.r2 is not None
            else "",
        ),
        Figure(
            "rank correlation",
            decimal(scores.spearman),
            " to ".join(map(decimal, single.spearman_interval)) if single and single.spearman_interval else "",
            "95%, Bonett and Wright",
            "Spearman's: whether larger targets get larger predictions, whatever their scale.",
            "The order is far better than the values: the scale is off; train longer, or look at outliers of the "
            "targets."
            if scores.spearman is not None and scores.r2 is not None and scores.spearman**2 - scores.r2 > 0.2
            else "",
        ),
    )


def segmentation_figures(scores: SegmentationScores) -> Html:
    """Of a class for every pixel."""
    known = [c for c in scores.per_class if c.iou is not None]
    weakest = min(known, key=lambda c: c.iou or 0.0)
    worst, tenth, half, *_ = map(percent, scores.quantiles)
    counted = [c for c in scores.per_class if c.name != BACKGROUND]
    specks = max(counted or scores.per_class, key=lambda c: c.predicted_objects / max(1, c.objects))
    share = scores.commonest.pixels / scores.pixels
    missed = (weakest.recall or 0.0) < (weakest.precision or 0.0)
    return figures_section(
        Figure(
            "mean IoU",
            percent(scores.mean_iou),
            share_interval(scores.mean_iou_interval),
            BOOTSTRAP,
            "Of the pixels that labels or prediction give to a class, the share that both do: the mean of the classes.",
            f"The weakest class is “{weakest.name}” ({percent(weakest.iou)}), {'missed' if missed else 'invented'} "
            f"more often than {'invented' if missed else 'missed'}.",
        ),
        None
        if scores.boundary_f1 is None or scores.boundary_f1_interval is None
        else Figure(
            "boundary F1",
            percent(scores.boundary_f1),
            share_interval(scores.boundary_f1_interval),
            BOOTSTRAP,
            "How much of the outlines is met to within 0.75% of the image's diagonal, the mean of the images.",
            "Lower than the areas: the outlines are blurred; try a larger --input."
            if scores.boundary_f1 < scores.mean_iou - 0.1
            else "",
        ),
        Figure(
            "median image",
            half,
            "",
            "",
            f"Half of the images have this mean IoU or less, a tenth {tenth} or less, the worst {worst}.",
            "Look at the worst below: they often have something in common." if scores.n > 1 else "",
        ),
        Figure(
            "pixel accuracy",
            percent(scores.pixel_accuracy),
            "",
            "",
            f"The share of the pixels that are right; always predicting “{scores.commonest.name}” gives "
            f"{percent(share)}. "
            "Small classes hardly count in it.",
            "It is below that: the network has learned little yet." if scores.pixel_accuracy < share else "",
        ),
        Figure(
            "objects",
            f"{sum(c.predicted_objects for c in counted):,}",
            "",
            "",
            f"Connected areas that are predicted, where the labels have {sum(c.objects for c in counted):,}"
            f"{'' if len(counted) == len(scores.per_class) else f', without “{BACKGROUND}”'}; of each class below.",
            f"Of “{specks.name}” there are many more than labelled: small specks; train longer, or leave out small "
            f"areas."
            if specks.predicted_objects > 2 * specks.objects + 5
            else "",
        ),
    )
