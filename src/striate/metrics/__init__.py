"""How good a model is on a held-out split: a file of metrics for each task. Each name is loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_WHERE = {
    "metrics.classification": "ClassificationScores score_classification",
    "metrics.multilabel": "MultilabelScores score_multilabel",
    "metrics.paired": "PairedDifference paired_bootstrap",
    "metrics.regression": "RegressionScores score_regression",
    "metrics.segmentation": "SegmentationScores score_segmentation",
    "metrics.shared": "ItemError Scores",
}
_PLACES = {name: module for module, names in _WHERE.items() for name in names.split()}
__all__ = [*_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"striate.{_PLACES[name]}"), name)
