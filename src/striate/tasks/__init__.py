"""What is to be learned, as a value: a :class:`Task` each for classification, multilabel, regression, segmentation.

This half needs neither torch nor numpy. What a task computes (losses, metrics, predictions, the sections of the
report) is in :mod:`striate.tasks.scoring`, a file for each task. No other package compares a task's name with a
string; it asks the task:

===========================  =============================================================================
one class per item?          ``exclusive``
classes, or numbers?         ``has_classes``, ``continuous``; ``several``: any number of labels per item
a prediction per pixel?      ``per_pixel``
targets and outputs          ``targets``, ``outputs_of(classes, input)``, ``activation``
words                        ``output``, ``outputs``, ``count(n)``, ``describe(n)``, ``target_texts``
the contract                 ``contract_fields``, ``standardised``, ``has_positions``, ``min_classes``
training                     ``losses``, ``default_loss(balance)``, ``balances``, ``metric``
networks                     ``default_net``, ``fits_net_for(name)``, ``no_softmax``
===========================  =============================================================================

``TASKS`` has them by name, ``task_named`` finds one by name, and :class:`TaskField` is for a dataclass whose field
is a task and which also takes a name.
"""

from striate.tasks.task import (
    CLASSIFICATION,
    MULTILABEL,
    REGRESSION,
    SEGMENTATION,
    TASKS,
    Metric,
    Task,
    TaskField,
    task_named,
)

__all__ = [
    "CLASSIFICATION", "MULTILABEL", "REGRESSION", "SEGMENTATION", "TASKS", "Metric", "Task", "TaskField",
    "task_named",
]  # fmt: skip
