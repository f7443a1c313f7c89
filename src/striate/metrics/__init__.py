"""How good a model is on a held-out split: one file of metrics a task."""

from striate.metrics.classification import Scores, score
from striate.metrics.multilabel import MultilabelScores, score_multilabel
from striate.metrics.regression import RegressionScores, score_regression
from striate.metrics.segmentation import SegmentationScores, score_segmentation

__all__ = [
    "MultilabelScores",
    "RegressionScores",
    "Scores",
    "SegmentationScores",
    "score",
    "score_multilabel",
    "score_regression",
    "score_segmentation",
]
