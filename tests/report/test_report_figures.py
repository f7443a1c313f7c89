"""The figures of a report: what each says to do next, and its charts."""

import numpy as np
import pytest

from striate.metrics import score_classification, score_multilabel, score_regression, score_segmentation
from striate.metrics.curves import threshold_curves
from striate.metrics.residuals import quantile_groups
from striate.report.figures import (
    ReportFigure,
    figures_section,
    quantile_chart,
    residual_chart,
    share_histogram,
    threshold_charts,
)
from striate.tasks.scoring.figures import (
    classification_figures,
    multilabel_figures,
    regression_figures,
    segmentation_figures,
)


def classifier(truth, said, k, sure=0.9):
    p = np.full((len(truth), k), (1 - sure) / (k - 1))
    p[np.arange(len(truth)), said] = sure
    return score_classification(np.log(p), truth, [f"c{i}" for i in range(k)])


def test_a_figure_has_its_interval_and_how_it_was_made():
    html = figures_section(
        ReportFigure("accuracy", "90%", "80% to 95%", "95%, Wilson", "It means.", "Do <this>."), None
    )
    for part in ("<dt>accuracy</dt>", "<b>90%</b>", "80% to 95%", "95%, Wilson", "It means.", "Do &lt;this&gt;."):
        assert part in html


def test_what_a_classifier_is_told_to_do():
    truth = np.repeat([0, 1], [90, 10])
    lazy = classification_figures(classifier(truth, np.zeros(100, int), 2))
    assert "That is not more than always predicting “c0” gives: the network has learned nothing yet." in lazy
    assert "rare classes are found less; try --balance sampling, or more items of “c1”" in lazy
    assert "The weakest class is “c1” (0.0%): look at its mistakes and labels first." in lazy
    perfect = classification_figures(classifier(truth, truth, 2))
    assert "All are right: harder items would tell more." in perfect
    assert "Of 100 new items of this kind, about 96 to 100 are predicted right." in perfect
    assert "<strong>" not in perfect.replace("<strong> All are right: harder items would tell more.</strong>", "")


def test_near_misses_are_told():
    rng = np.random.default_rng(0)
    p = np.full((60, 12), 0.01)
    truth = rng.integers(0, 12, 60)
    p[np.arange(60), truth] = 0.4
    p[np.arange(60), (truth + 1) % 12] = 0.5
    html = classification_figures(score_classification(np.log(p), truth, [f"c{i}" for i in range(12)]))
    assert "Most mistakes are near misses: show a person several classes." in html
    assert "another threshold helps; give the costs of mistakes to striate evaluate --cost." in html


def test_what_several_labels_are_told():
    truth = np.tile([[1, 0], [1, 1]], (20, 1))
    timid = multilabel_figures(score_multilabel(np.where(truth > 0, -1.0, -3.0) + np.array([0, 2]), truth, ["a", "b"]))
    assert "Labels are missed more often than invented: predict with a lower --threshold." in timid
    bold = multilabel_figures(score_multilabel(np.full((40, 2), 1.0), 1 - truth, ["a", "b"]))
    assert "Labels are invented more often than missed: predict with a higher --threshold." in bold
    assert "The weakest label is “b”" in bold


def test_what_numbers_are_told():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(50, 1))
    html = regression_figures(score_regression(np.exp(3 * truth), truth, ["v"], baseline=[0.0]))
    assert "the network has learned nothing yet" in html
    assert "a few items are far off; look at them below" in html
    assert "The order is far better than the values: the scale is off" in html
    assert "95%, Bonett and Wright" in html
    two = regression_figures(score_regression(np.c_[truth, truth * 0], np.c_[truth, truth], ["a", "b"]))
    assert "The weakest value is “b”" in two


def test_what_masks_are_told():
    labels = np.zeros((3, 24, 24), np.uint8)
    labels[:, 4:20, 4:20] = 1
    specks = labels.copy()
    specks[:, ::3, ::3] = 1 - specks[:, ::3, ::3]
    html = segmentation_figures(score_segmentation([(specks, labels)], ["ground", "thing"]))
    assert "Lower than the areas: the outlines are blurred; try a larger --input." in html
    assert "there are many more than labelled: small specks" in html
    assert "where the labels have 6; of each class below" in html
    named = segmentation_figures(score_segmentation([(specks, labels)], ["background", "thing"]))
    assert "where the labels have 3, without “background”; of each class below" in named
    none = segmentation_figures(score_segmentation([(np.ones_like(labels), labels)], ["ground", "thing"]))
    assert "It is below that: the network has learned little yet." in none
    assert "The weakest class is “ground” (0.0%)" in none


def test_of_many_classes_the_weakest_have_curves():
    rng = np.random.default_rng(0)
    curves = [(f"c{i}", threshold_curves(rng.normal(size=40), rng.random(40) < 0.5)) for i in range(9)]
    html = threshold_charts(curves, of=9)
    assert "of the 6 weakest of 9 classes" in html
    assert html.count("<polyline") == 12
    assert threshold_charts([("all", threshold_curves(rng.normal(size=5), np.ones(5, bool)))]) is None


def test_a_curve_of_many_points_is_drawn_with_few():
    rng = np.random.default_rng(0)
    true = rng.random(20_000) < 0.5
    html = threshold_charts([("c", threshold_curves(rng.normal(size=20_000) + true, true))])
    assert len(html) < 15_000


@pytest.mark.parametrize("n", [1, 2, 500])
def test_charts_of_numbers(n):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, n))
    assert residual_chart("v", x, y).count("<circle") == n
    assert quantile_chart("v", quantile_groups(x, y)).count("<circle") == min(n, 10)
    assert residual_chart("v", y, y).count("<circle") == n  # all on the line


def test_the_histogram_counts_every_image():
    html = share_histogram("IoU", np.array([0.0, 1.0, 0.51, 0.52]), "mean IoU")
    assert "50% to 55%: 2 images" in html
    assert "95% to 100%: 1 images" in html
