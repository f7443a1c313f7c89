"""The classifier: one class of each item, or several labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from striate.errors import DataError, ModelError
from striate.estimators.estimator import NetworkEstimator
from striate.model.predictor import meaning
from striate.tasks import CLASSIFICATION, MULTILABEL, Task


class Classifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A network as a classifier of scikit-learn: for ``cross_val_score``, ``GridSearchCV``, ``Pipeline``.

    Parameters that are None are as :func:`striate.train` chooses them for the data.

    Args:
        net: The network: a name of the zoo, a text, a ``Seq``, a module; None: the default for the data, of a table
            of F columns ``linear 32; relu; linear K``.
        recipe: A ``Recipe`` or its name.
        epochs: Passes over the items.
        batch_size: Items per optimizer step.
        learning_rate: The maximum learning rate.
        weight_decay: L2 of the weights.
        optimizer: ``"adamw"``, ``"sgd"``...
        loss: ``"crossentropy"``, ``"mse"``...
        augment: How images are changed at random in training: ``"none"``, ``"light"``, ``"standard"``...
        balance: ``"weights"`` or ``"sampling"``, where classes are of unequal size.
        patience: Epochs without improvement on validation after which training stops; 0: never.
        init: The weight initialisation.
        weights: A model to fine-tune, or the name of a network with official weights.
        freeze: The layer up to which layers are frozen.
        input: The input's shape: ``(C, H, W)``; ``(1, L)`` where rows of an array ``(N, L)`` are signals and not the
            columns of a table.
        resize: How images get the network's size: ``"stretch"``, ``"fit"`` or ``"crop"``.
        seed: The random seed: of the weights, of the order of the items, of the validation split.
        device: ``"cpu"``, ``"cuda"`` or ``"auto"``.
        validation_fraction: The share of the items given to ``fit`` that is not trained on, but chooses the epoch and
            fits the temperature of the probabilities; 0: none. None is taken either where the items are too few.
        out: The folder of the run, with its model, curves and state; nothing is written, if not given.
        settings: Any other settings of ``striate.train``, by name.
        verbose: Say on stderr what ``striate.train`` says.

    Attributes:
        classes_: The classes, sorted.
        model_: The :class:`~striate.model.model.Model`.
        n_features_in_: How many numbers an item of an array has.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> iris = Classifier(epochs=30).fit(X, y)
    >>> iris.predict(X[:2]), iris.predict_proba(X).shape, iris.score(X, y) > 0.9
    (array([0, 0]), (150, 3), True)
    """

    classes_: np.ndarray

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The class of each item, as in ``classes_``; of several labels ``(N, K)`` of 0 and 1."""
        p = self.predict_proba(X)
        if self._several:
            threshold = self.model_.contract.threshold
            return (p >= (0.5 if threshold is None else threshold)).astype(np.int64)
        found: np.ndarray = self.classes_[p.argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """float64 ``(N, K)``: the probability of each class, by the temperature that was fitted on validation."""
        return meaning(self._scores(X), self.model_.contract)

    @property
    def _several(self) -> bool:
        return self.model_.contract.task == MULTILABEL

    def _targets(self, y: Any) -> tuple[np.ndarray, Task, tuple[str, ...]]:
        check_classification_targets(y)
        if type_of_target(y) == "multilabel-indicator":
            labels = np.asarray(y, np.uint8)
            self.classes_ = np.arange(labels.shape[1])
            return labels, MULTILABEL, tuple(map(str, self.classes_.tolist()))
        self.classes_, codes = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"y has one class, {self.classes_[0]!s}; learning needs two classes or more")
        return codes.astype(np.int64), CLASSIFICATION, tuple(map(str, self.classes_.tolist()))

    def _learned(self) -> dict[str, Any]:
        values = self.classes_.tolist()
        return {"classes": values, "dtype": "O" if self.classes_.dtype.kind == "O" else self.classes_.dtype.str}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        contract = self.model_.contract
        if contract.task not in (CLASSIFICATION, MULTILABEL):
            raise ModelError(f"its task is {contract.task}")
        values = learned.get("classes", list(contract.classes))
        if [str(value) for value in values] != list(contract.classes):
            raise ModelError(f"its classes are {values}, and those of the model {list(contract.classes)}")
        self.classes_ = np.array(values, learned.get("dtype"))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = False
        return tags
