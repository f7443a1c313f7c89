"""Honest figures on held-out data, and the report that shows them."""

from striate.evaluate.metrics import Scores, score
from striate.evaluate.multilabel import MultilabelScores, score_multilabel
from striate.evaluate.regression import RegressionScores, score_regression
from striate.evaluate.report import AnyScores, report
from striate.evaluate.segmentation import SegmentationScores, score_segmentation
from striate.evaluate.shown import Shown

__all__ = [
    "AnyScores",
    "MultilabelScores",
    "RegressionScores",
    "Scores",
    "SegmentationScores",
    "Shown",
    "report",
    "score",
    "score_multilabel",
    "score_regression",
    "score_segmentation",
]
