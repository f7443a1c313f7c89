"""Items whose targets are known already as a task wants them: what an estimator is fitted on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.folders import typical
from striate.datasets.sources.in_memory import words_in
from striate.datasets.sources.npz import array_inputs
from striate.datasets.sources.tables import words_seen
from striate.errors import DataError
from striate.model.opening import is_image
from striate.tasks import Task


def items_data_set(
    x: object, targets: np.ndarray, *, task: Task, classes: tuple[str, ...], table: bool = True
) -> DataSet:
    """The data set of *x* with *targets*, all of it the training split.

    Args:
        x: An array as :func:`~.npz.array_inputs` takes it, or a sequence of texts or of image files.
        targets: As in a :class:`~striate.datasets.dataset.Part` of the *task*.
        task: What is learned.
        classes: Their names, or those of the values.
        table: An array ``(N, F)`` is a table of F columns whose order means nothing, and no signal.

    Raises:
        DataError: The array has too few or too many axes; no file can be read; there is no word in any text.

    >>> from striate.tasks import CLASSIFICATION
    >>> data = items_data_set(np.eye(4), np.array([0, 1, 0, 1]), task=CLASSIFICATION, classes=("no", "yes"))
    >>> data.mode, data.input, len(data.train)
    ('values', (4,), 4)
    """
    words = words_in(x)
    names = tuple(f"item {i}" for i in range(len(targets)))
    if words and all(map(is_image, words)):
        files = tuple(map(Path, words))
        mode, shape, notes = typical(Path("files"), files)
        return DataSet("files", task, classes, mode, shape, Part(files, targets, tuple(words)), notes=notes)
    if words:
        length, note = words_seen(Path("texts"), words)
        return DataSet("texts", task, classes, "text", (length,), Part(tuple(words), targets, names), notes=(note,))
    if not isinstance(x, np.ndarray):
        raise DataError(f"got a {type(x).__name__}; expected an array, texts or image files")
    found = array_inputs("X", x, table=table)
    part = Part(found.inputs, targets, names)
    return DataSet("arrays", task, classes, found.mode, found.shape, part, notes=(found.note,))
