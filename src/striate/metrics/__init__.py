"""How good a model is on a held-out split: a file of metrics for each task."""

from striate.metrics.classification import ClassificationScores, score_classification
from striate.metrics.multilabel import MultilabelScores, score_multilabel
from striate.metrics.paired import PairedDifference, paired_bootstrap
from striate.metrics.regression import RegressionScores, score_regression
from striate.metrics.segmentation import SegmentationScores, score_segmentation
from striate.metrics.shared import ItemError, Scores

__all__ = [
    "ClassificationScores",
    "ItemError",
    "MultilabelScores",
    "PairedDifference",
    "RegressionScores",
    "Scores",
    "SegmentationScores",
    "paired_bootstrap",
    "score_classification",
    "score_multilabel",
    "score_regression",
    "score_segmentation",
]
