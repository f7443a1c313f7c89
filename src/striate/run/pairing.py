"""Two models on the same items: ``striate evaluate A B DATA``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.datasets import Data, DataSet
from striate.datasets.dataset import Reading
from striate.datasets.open import Fetching
from striate.datasets.options import check_options
from striate.errors import DataError, RecipeError, align_columns
from striate.loading import Given
from striate.metrics import PairedDifference
from striate.model.predictor import Predictor
from striate.run.folder import Say, to_stderr
from striate.run.measuring import Held, item_groups, measure, parts_for
from striate.run.predicting import opened
from striate.run.result import made_of
from striate.run.splits import data_of_run, run_of
from striate.tasks.scoring import scoring_of


@dataclass(frozen=True)
class Comparison:
    """Two models on the same items; ``print`` shows it.

    Args:
        first: What the first model is called.
        second: The second.
        items: What the items are: ``"images"``.
        paired: The second less the first.
    """

    first: str
    second: str
    items: str
    paired: PairedDifference

    @property
    def verdict(self) -> str:
        """Of the second model: ``"better"``, ``"worse"`` or ``"not distinguishable"``."""
        return self.paired.verdict

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        return self.paired.sentence(self.first, self.second, self.items)

    def as_dict(self) -> dict[str, Any]:
        """As ``striate evaluate A B --json`` prints it."""
        return {"models": [self.first, self.second], **self.paired.as_dict(), "sentence": self.sentence}

    def __str__(self) -> str:
        found = self.paired
        metric = found.metric
        low, high = (metric.change(end).removesuffix(" points") for end in found.interval)
        rows: list[tuple[str, ...]] = [
            ("", metric.words),
            (self.first, metric.number(found.first)),
            (self.second, metric.number(found.second)),
        ]
        difference = (
            f"{metric.change(found.difference)} (95% interval {low} to {high}; p = {found.p:.2g}, {found.test})"
        )
        flips = f"{found.better:,} of {found.n:,} {self.items} better with {self.second}, {found.worse:,} worse"
        return "\n".join(
            [*align_columns(rows), "", f"difference  {difference}", f"changed     {flips}", "", self.sentence]
        )


def compare(
    first: Given,
    second: Given,
    data: Data = None,
    *,
    split: str = "test",
    batch_size: int = 256,
    device: str | None = None,
    tta: str | None = None,
    say: Say = to_stderr,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
    **options: Any,
) -> Comparison:
    """Whether the model *second* is better than *first*, on the same items; ``print`` shows it.

    In classification by McNemar's exact test; otherwise by a paired bootstrap of the task's metric, and with *group* by
    one of whole groups. Where nobody can
    tell, it says how many items would be needed. Of two runs that were split in other ways the items are compared that
    neither was trained on.

    Args:
        first: A model file, a run's folder or a ``Model``.
        second: Another one, for the same task.
        data: As for :func:`train`, with targets. [the data of the first run]
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``.
        batch_size: How many items go through the network at a time.
        device: Where the models go first: ``"auto"``, ``"cpu"``, ``"cuda"``; they stay where they are, if not given.
        tta: Test-time augmentation (``none``, ``flip``, ``shift``, ``flip+shift``); the models' own, if not given.
        say: Told, in a line each, what is noticed about the data.
        reading: Progress callback (items, total).
        fetching: Progress callback (file, bytes, total) of a download.
        **options: How the data are to be understood, as :func:`~striate.datasets.open_data` takes it.

    Returns:
        ``.verdict`` (``"better"``, ``"worse"``, ``"not distinguishable"``), ``.sentence``, ``.paired`` with
        ``difference``, ``interval``, ``p``, ``better``, ``worse``, ``needed``.

    Raises:
        ModelError: There is no such model.
        DataError: The data cannot be read, or no item is held out from both.
        RecipeError: The models are for different tasks; or no data are given, and no run says which.

    >>> from tempfile import mkdtemp
    >>> from striate import train
    >>> model = train("flatten; linear 10", "digits", epochs=1, fraction=0.1, out=mkdtemp(), quiet=True)
    >>> compare(model, model, "digits").verdict
    'not distinguishable'
    """
    check_options(options, "compare")
    models = [opened(model, device, batch_size, tta) for model in (first, second)]
    tasks = [model.contract.task for model in models]
    names = [_called(given, model, which) for given, model, which in zip((first, second), models, WHICH, strict=True)]
    if tasks[0] != tasks[1]:
        raise RecipeError(f"{names[0]} is for {tasks[0]}, {names[1]} for {tasks[1]}: compare models for the same task")
    source = _data_of(models) if data is None else data
    how: dict[str, Any] = {"reading": reading, "fetching": fetching, **options}
    held = [parts_for(model, source, split, say=say, **how) for model in models]
    chosen = _in_both(held, split, say)
    scoring = scoring_of(tasks[0])
    scores = [measure(model, *of, batch_size=batch_size) for model, of in zip(models, chosen, strict=True)]
    paired = scoring.compare(scores[0], scores[1], item_groups(chosen[0]))
    return Comparison(names[0], names[1], made_of(models[0].contract), paired)


WHICH = ("the first model", "the second model")


def _called(given: Given, model: Predictor, otherwise: str) -> str:
    return str(given) if isinstance(given, str | Path) else str(model.path or otherwise)


def _data_of(models: list[Predictor]) -> DataSet:
    folder = next((folder for model in models if (folder := run_of(model.path))), None)
    if folder is None:
        raise RecipeError("no run's folder says what the models were trained on; give the data to compare them on")
    return data_of_run(folder)


Key = tuple[int, str, int]


def _in_both(held: list[list[Held]], split: str, say: Say) -> list[list[Held]]:
    """Of each model the items that both have, in the same order: those that were read, and are held out from both."""
    keys = [[_keys(i, part) for i, part in enumerate(parts)] for parts in held]
    if keys[0] == keys[1]:
        return held
    known = [{key for part in parts for key in part} for parts in keys]
    both = known[0] & known[1]
    if not both:
        raise DataError(
            f"no item is in the {split} split of both runs: what one was tested on, the other was trained on; compare "
            f"runs of one split, or give other data"
        )
    say(
        f"note: {len(both):,} items are in the {split} split of both models, of {len(known[0]):,} and {len(known[1]):,}"
        f"; these are compared"
    )
    order = {key: i for i, key in enumerate(key for part in keys[0] for key in part)}
    chosen = [[sorted((order[k], i) for i, k in enumerate(of) if k in both) for of in parts] for parts in keys]
    return [
        [part.take(np.array([i for _, i in places], np.int64)) for part, places in zip(parts, some, strict=True)]
        for parts, some in zip(held, chosen, strict=True)
    ]


def _keys(number: int, part: Held) -> list[Key]:
    """Of each item its part, its name, and the how-manieth of that name it is."""
    counts: Counter[str] = Counter()
    keys = []
    for name in part.arrays.names:
        keys.append((number, name, counts[name]))
        counts[name] += 1
    return keys
