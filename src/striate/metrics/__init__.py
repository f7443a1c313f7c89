"""How good a model is on a held-out split: a file of metrics for each task. Each name is loaded when first used."""

from typing import TYPE_CHECKING

from striate.lazy import offered

if TYPE_CHECKING:
    from striate.metrics.classification import ClassificationScores as ClassificationScores
    from striate.metrics.classification import score_classification as score_classification
    from striate.metrics.multilabel import MultilabelScores as MultilabelScores
    from striate.metrics.multilabel import score_multilabel as score_multilabel
    from striate.metrics.paired import PairedDifference as PairedDifference
    from striate.metrics.paired import paired_bootstrap as paired_bootstrap
    from striate.metrics.regression import RegressionScores as RegressionScores
    from striate.metrics.regression import score_regression as score_regression
    from striate.metrics.segmentation import SegmentationScores as SegmentationScores
    from striate.metrics.segmentation import score_segmentation as score_segmentation
    from striate.metrics.shared import ItemError as ItemError
    from striate.metrics.shared import Scores as Scores

__all__, __getattr__ = offered(
    __name__,
    {
        "metrics.classification": "ClassificationScores score_classification",
        "metrics.multilabel": "MultilabelScores score_multilabel",
        "metrics.paired": "PairedDifference paired_bootstrap",
        "metrics.regression": "RegressionScores score_regression",
        "metrics.segmentation": "SegmentationScores score_segmentation",
        "metrics.shared": "ItemError Scores",
    },
)
