"""The regressor: one value of each item, or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from striate.errors import ModelError
from striate.estimators.estimator import NetworkEstimator
from striate.model.predictor import meaning
from striate.tasks import REGRESSION, Task


class Regressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network as a regressor of scikit-learn, with the parameters of :class:`~striate.estimators.Classifier`.

    Attributes:
        model_: The :class:`~striate.model.model.Model`.
        n_features_in_: How many numbers an item of an array has.

    >>> X = np.linspace(-1, 1, 80).reshape(-1, 1)
    >>> model = Regressor(epochs=30).fit(X, 3 * X[:, 0] + 5)
    >>> model.predict(X).shape, model.score(X, 3 * X[:, 0] + 5) > 0.9
    ((80,), True)
    """

    _columns: int | None = None  # of y where it was a matrix

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """float64 ``(N,)``, or ``(N, V)`` where y was a matrix: the values, in the units of y."""
        values = meaning(self._scores(X), self.model_.contract)
        return values if self._columns else values[:, 0]

    def _targets(self, y: Any) -> tuple[np.ndarray, Task, tuple[str, ...]]:
        values = np.asarray(y, np.float64)
        columns = values.shape[1] if values.ndim == 2 else None
        self._columns = columns
        names = tuple(f"y{i}" for i in range(columns)) if columns and columns > 1 else ("y",)
        return values.reshape(len(values), -1).astype(np.float32), REGRESSION, names

    def _learned(self) -> dict[str, Any]:
        return {"columns": self._columns}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        contract = self.model_.contract
        if contract.task != REGRESSION:
            raise ModelError(f"its task is {contract.task}")
        many = len(contract.classes) if len(contract.classes) > 1 else None
        self._columns = learned.get("columns", many)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
