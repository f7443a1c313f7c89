"""What is to be learned, as a value: a :class:`Task` each for classification, multilabel, regression, segmentation.

This half needs neither torch nor numpy. What a task computes (losses, metrics, predictions, the sections of the
report) is in :mod:`striate.tasks.scoring`, a file for each task. No other package compares a task's name with a
string; it asks the task:

===========================  =============================================================================
question                     attribute
===========================  =============================================================================
one class per item?          ``exclusive``
are the outputs classes?     ``has_classes`` (classes or labels), ``continuous`` (numbers)
an answer for every pixel?   ``per_pixel`` (then ``images_only``, and the contract has ``mask_values``)
several labels per item?     ``several``
targets                      ``targets`` (in words), ``target_dtype``, ``target_axes`` (after the N)
how many classes             ``min_classes``, ``max_classes``, ``too_few``
the network's outputs        ``outputs_of(classes, input)``, ``activation`` (``softmax``, ``sigmoid`` or "")
what an output is called     ``output`` ("class", "label", "value"), ``outputs``, ``count(n)``, ``describe(n)``
fields of the contract       ``contract_fields`` (one number per class each), ``has_positions``, ``standardised``
losses                       ``losses`` (the first is the default), ``weighted_losses``, ``default_loss(balance)``
uneven classes               ``balances``, ``best_balance``
mixtures of two items        ``mixable``
the metric of an epoch       ``metric`` (a :class:`Metric`: name, title, share, higher is better)
a net when none is named     ``default_net``, ``default_net_reason``; ``fits_net_for(name)`` says which zoo nets suit
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
    "CLASSIFICATION",
    "MULTILABEL",
    "REGRESSION",
    "SEGMENTATION",
    "TASKS",
    "Metric",
    "Task",
    "TaskField",
    "task_named",
]
