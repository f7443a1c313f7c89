"""What the two estimators share: settings, the reading of X, training, the file."""

from __future__ import annotations

import copy
import json
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, validate_data

from striate.datasets import DataSet, with_validation
from striate.datasets.sources.in_memory import words_in
from striate.datasets.sources.items import items_data_set
from striate.errors import DataError, ModelError, RecipeError
from striate.files import write_safely
from striate.loading import Given, open_network
from striate.loading.network import input_shape
from striate.model.header import model_file
from striate.model.model import Model, load
from striate.model.sources import Item, array_items, array_of, network_inputs
from striate.run.fitting import trained_model
from striate.run.folder import say_nothing, to_stderr
from striate.spec import Spec
from striate.tasks import Task

NOT_TRAINED = ("settings", "validation_fraction", "verbose")  # parameters that are no settings of striate.train
NOT_KEPT = ("out", "weights", "verbose")  # parameters that are of the machine, and not of the model
BATCH = 256  # items that go through the network at a time


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the estimators share. Its parameters are those of :class:`~striate.estimators.Classifier`."""

    model_: Model
    n_features_in_: int

    def __init__(
        self,
        net: Given | None = None,
        *,
        recipe: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        optimizer: str | None = None,
        loss: str | None = None,
        augment: str | None = None,
        balance: str | None = None,
        patience: int | None = None,
        init: str | None = None,
        weights: Given | None = None,
        freeze: str | None = None,
        input: tuple[int, ...] | str | int | None = None,
        resize: str | None = None,
        seed: int = 0,
        device: str = "auto",
        validation_fraction: float = 0.1,
        out: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
        verbose: bool = False,
    ) -> None:
        self.net = net
        self.recipe = recipe
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.loss = loss
        self.augment = augment
        self.balance = balance
        self.patience = patience
        self.init = init
        self.weights = weights
        self.freeze = freeze
        self.input = input
        self.resize = resize
        self.seed = seed
        self.device = device
        self.validation_fraction = validation_fraction
        self.out = out
        self.settings = settings
        self.verbose = verbose

    @abstractmethod
    def _targets(self, y: Any) -> tuple[np.ndarray, Task, tuple[str, ...]]:
        """The targets of *y* as a data set has them, the task, and the names of the classes or values."""

    @abstractmethod
    def _learned(self) -> dict[str, Any]:
        """What ``fit`` found out besides the model, for the file: JSON."""

    @abstractmethod
    def _restore(self, learned: Mapping[str, Any]) -> None:
        """Sets what :meth:`_learned` gave; of a file that says nothing, ``{}``, what the contract says."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Trains the network.

        Args:
            X: A table of numbers ``(N, F)``, a column a feature; images ``(N, H, W)`` or ``(N, H, W, C)``, uint8, or
                such arrays of other numbers, which are standardised; a sequence of texts or of image files.
            y: Of each item the class or the value; ``(N, K)`` several labels of 0 and 1, or several values.

        Raises:
            ValueError: What is wrong with X, y or a parameter.
        """
        if not isinstance(self.validation_fraction, int | float) or not 0 <= self.validation_fraction < 1:
            raise RecipeError(
                f"validation_fraction is {self.validation_fraction!r}, expected a number from 0 to below 1"
            )
        X, y = self._checked(X, y)
        targets, task, classes = self._targets(y)
        data = items_data_set(X, targets, task=task, classes=classes, table=len(self._input() or ()) != 2)
        settings = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name not in ("net", *NOT_TRAINED) and value is not None
        }
        settings |= {"strict": True} | dict(self.settings or {})
        say = to_stderr if self.verbose else say_nothing
        self.model_, diverged = trained_model(self._with_validation(data), self.net, settings, say)
        if diverged:
            warnings.warn(diverged, ConvergenceWarning, stacklevel=2)
        return self

    def save(self, path: str | Path) -> None:
        """Writes the fitted estimator as a model file, which every verb of striate takes, without pickle.

        What is in it besides the model: the parameters that are plain values, and the classes as they were given.

        Raises:
            ModelError: The network was changed since.
        """
        check_is_fitted(self, "model_")
        kept = {name: value for name, value in self.get_params(deep=False).items() if name not in NOT_KEPT}
        about = {"params": {name: value for name, value in kept.items() if _is_plain(value)}, **self._learned()}
        self.model_.estimator = json.dumps({"class": type(self).__name__, **about})
        self.model_.save(path)

    @classmethod
    def load(cls, path: str | Path, module: Any = None) -> Self:
        """The fitted estimator in a model file that :meth:`save` or :func:`striate.train` wrote, ready to predict.

        Args:
            path: The file, or the folder of a run.
            module: Of somebody's own network: such a module.

        Raises:
            ModelError: There is no such file, or its task is another.
        """
        model = load(path, copy.deepcopy(module))  # which stays as it is: it is the network of other fits
        try:
            about = json.loads(model.estimator or "{}")
            found = cls(**{name: value for name, value in about.get("params", {}).items() if _is_plain(value)})
            found.model_ = model
            found._restore(about)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{model_file(path)}: no {cls.__name__} is in it ({error})") from None
        return found

    def __getstate__(self) -> dict[str, Any]:
        """For ``pickle``, ``joblib`` and ``copy``: the model as the bytes of its file."""
        state = dict(super().__getstate__())
        if "model_" in state:
            with TemporaryDirectory() as folder:
                state["model_"].save(Path(folder) / "model.safetensors")
                state["model_"] = (Path(folder) / "model.safetensors").read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        content = state.pop("model_", None)
        super().__setstate__(state)
        if content is not None:
            network = open_network(self.net) if self.net is not None else None
            with TemporaryDirectory() as folder:
                path = Path(folder) / "model.safetensors"
                write_safely(path, content)
                self.model_ = load(path, copy.deepcopy(network.module) if network and network.is_own else None)
            self.model_.path = None

    def _input(self) -> tuple[int, ...] | None:
        """The shape of an input, where the parameters say it."""
        if self.input is not None and not isinstance(self.input, int):
            return tuple(input_shape(self.input, 1))
        network = open_network(self.net) if isinstance(self.net, str | Spec) else None
        return network.input if network and network.origin != "zoo" else None

    def _checked(self, X: Any, y: Any) -> tuple[Any, Any]:  # noqa: N803
        """X and y as they are used, and what scikit-learn wants known of X."""
        X = array_of(X) if hasattr(X, "detach") else X
        y = array_of(y) if hasattr(y, "detach") else y
        if words := _words(X):
            check_consistent_length(words, y)
            return words, check_array(y, ensure_2d=False, dtype=None, input_name="y")
        X, y = validate_data(self, X, y, allow_nd=True, dtype="numeric", multi_output=True)
        self.n_features_in_ = prod(X.shape[1:])
        return X, y

    def _with_validation(self, data: DataSet) -> DataSet:
        """*data* with a validation split of the share that was asked for, where there are items enough for it."""
        if not self.validation_fraction:
            return data
        try:
            return with_validation(data, self.seed, self.validation_fraction)
        except DataError:
            return data

    def _inputs(self, X: Any) -> np.ndarray:  # noqa: N803
        """X as the contract prepares it: what :meth:`striate.Model.scores` takes."""
        check_is_fitted(self, "model_")
        contract = self.model_.contract
        X = array_of(X) if hasattr(X, "detach") else X
        items: list[Any] = []
        if words := _words(X):
            if contract.mode in ("values", "channels"):
                raise DataError(
                    f"got texts or files; the model takes arrays of {list(contract.input)} ({contract.mode})"
                )
            items = [Item(word, word if contract.mode != "text" else None) for word in words]
        elif contract.mode == "text":
            raise DataError("got an array; the model takes texts")
        else:
            table = len(contract.input) == 1
            X = self._checked_again(X, table)
            if contract.mode == "values":
                return _values(X, contract.input)
            items = [*array_items(X, contract)]
        batches = (items[at : at + BATCH] for at in range(0, len(items), BATCH))
        read = [found for _, some in network_inputs(batches, contract) for found in some]
        if broken := next((found for found in read if isinstance(found, DataError)), None):
            raise broken
        return np.stack([found[0] for found in read if not isinstance(found, DataError)])

    def _checked_again(self, X: Any, table: bool) -> np.ndarray:  # noqa: N803
        if table or hasattr(X, "columns"):
            known = hasattr(self, "n_features_in_")  # not of a model that striate.train wrote
            X = validate_data(self, X, reset=False) if known else check_array(X)
        else:
            X = check_array(X, allow_nd=True, dtype="numeric")
        found: np.ndarray = X
        return found

    def _scores(self, X: Any) -> np.ndarray:  # noqa: N803
        """float64 ``(N, K)``, before any softmax."""
        inputs = self._inputs(X)
        size = self.model_.at_a_time(BATCH)
        parts = [self.model_.scores(inputs[at : at + size]) for at in range(0, len(inputs), size)]
        return np.concatenate(parts).astype(np.float64)


def _words(x: Any) -> list[str]:
    """The texts or files that X is a sequence of; of a sparse matrix, which may be no iterable, nothing."""
    return words_in(x) if isinstance(x, Sequence | np.ndarray) or hasattr(x, "to_numpy") else []


def _values(x: np.ndarray, input: tuple[int, ...]) -> np.ndarray:
    """*x* as float32 ``(N, *input)``, the channels where they belong."""
    (channels, *sides), shape = input, x.shape[1:]
    if shape == (*sides, channels) != input and channels > 1:
        x = np.moveaxis(x, -1, 1)
    elif shape != input and not (channels == 1 and shape == tuple(sides)):
        raise DataError(f"an item of X has the shape {list(shape)}; the model takes {list(input)}")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(x, np.float32).reshape(len(x), *input)
    if not np.isfinite(values).all():
        raise DataError("X contains numbers beyond 3.4e38, the maximum of 32 bits; scale it")
    return values


def _is_plain(value: object) -> bool:
    """Whether a parameter is a value that JSON gives back: no network, no object."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    return value is None or isinstance(value, str | int | float | bool)
