"""Task implementations: a file for each task with its losses, its metric, its report.

``scoring_of(task)`` gives a task's :class:`Scoring`; ``SCORING`` has them by the tasks' names.
"""

from __future__ import annotations

from typing import Any

from striate.tasks.scoring.base import Loss, Scoring, Tally
from striate.tasks.scoring.classification import ClassificationScoring
from striate.tasks.scoring.multilabel import MultilabelScoring
from striate.tasks.scoring.regression import RegressionScoring
from striate.tasks.scoring.segmentation import SegmentationScoring
from striate.tasks.task import Task, task_named

__all__ = ["SCORING", "Loss", "Scoring", "Tally", "scoring_of"]

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
