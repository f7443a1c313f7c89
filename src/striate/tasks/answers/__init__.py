"""How the scores of a network become the answer for an item: a file for each task. numpy alone, no torch.

:func:`answer_of` gives the answer of a task; ``ANSWERS`` has the function of each task by its name.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from striate.tasks.answers.answer import Answer, OutputContext
from striate.tasks.answers.classification import Prediction, prediction_of
from striate.tasks.answers.multilabel import Labels, labels_of
from striate.tasks.answers.regression import Values, values_of
from striate.tasks.answers.segmentation import Mask, mask_of
from striate.tasks.task import CLASSIFICATION, MULTILABEL, REGRESSION, SEGMENTATION, Task, task_named

__all__ = ["ANSWERS", "Answer", "Labels", "Mask", "OutputContext", "Prediction", "Values", "answer_of"]

ANSWERS: dict[str, Callable[[np.ndarray, OutputContext], Answer]] = {
    CLASSIFICATION.name: prediction_of,
    MULTILABEL.name: labels_of,
    REGRESSION.name: values_of,
    SEGMENTATION.name: mask_of,
}


def answer_of(task: Task | str, scores: np.ndarray, context: OutputContext) -> Answer:
    """What a network's *scores* for one item mean in a *task*, as floats before any softmax or sigmoid.

    Raises:
        RecipeError: No task has the name.

    >>> answer_of("classification", np.zeros(2), OutputContext(("cat", "dog"))).line()
    'cat 50.0%, dog 50.0%'
    """
    return ANSWERS[task_named(task).name](scores, context)
