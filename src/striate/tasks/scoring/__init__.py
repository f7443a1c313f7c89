"""Task implementations: a file for each task with its losses, its metric, its predictions, its report.

``scoring_of(task)`` gives a task's :class:`Scoring`; ``SCORING`` has them by the tasks' names.
"""

from __future__ import annotations

from typing import Any

from striate.tasks.scoring.base import Answer, Loss, OutputContext, Scoring, Tally, log_softmax
from striate.tasks.scoring.classification import ClassificationScoring, Prediction
from striate.tasks.scoring.multilabel import Labels, MultilabelScoring
from striate.tasks.scoring.regression import RegressionScoring, Values
from striate.tasks.scoring.segmentation import Mask, SegmentationScoring
from striate.tasks.task import Task, task_named

__all__ = [
    "SCORING",
    "Answer",
    "Labels",
    "Loss",
    "Mask",
    "OutputContext",
    "Prediction",
    "Scoring",
    "Tally",
    "Values",
    "log_softmax",
    "scoring_of",
]

SCORING: dict[str, Scoring[Any]] = {
    scoring.task.name: scoring
    for scoring in (ClassificationScoring(), MultilabelScoring(), RegressionScoring(), SegmentationScoring())
}


def scoring_of(task: Task | str) -> Scoring[Any]:
    """What the *task* computes.

    Raises:
        RecipeError: No task has the name.

    >>> scoring_of("regression").task.metric.name
    'mae'
    """
    return SCORING[task_named(task).name]
