"""Claims of the tutorials, each tried on this machine in a minute at most: a table, pictures, and what came out."""

from __future__ import annotations

from pathlib import Path

from striate.errors import SpecError, nearest
from striate.experiments import (
    backprop,
    captions,
    dense_as_conv,
    detect,
    dropout,
    features,
    one_by_one,
    pooling,
    receptive_field,
    sentence,
    translation,
    weight_sharing,
)
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say, listed_experiments

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        translation, weight_sharing, pooling, one_by_one, dropout, dense_as_conv, receptive_field, backprop,
        features, sentence, captions, detect,
    )
}  # fmt: skip

__all__ = ["EXPERIMENTS", "Experiment", "Gallery", "Outcome", "ResultTable", "experiment", "listed_experiments"]


def experiment(name: str, *, seed: int = 0, out: str | Path | None = None, say: Say = lambda text: None) -> Outcome:
    """Tries a claim of the tutorials: trains what it takes, measures, and says whether the claim holds.

    Args:
        name: One of ``striate.experiments.EXPERIMENTS``: ``"weight-sharing"``.
        seed: Random seed of the data, of the initial weights and of the order of the items.
        out: An HTML file to write the page to.
        say: Told how far it is, in a line each.

    Returns:
        ``.result``, ``.holds``, ``.tables``, ``.data`` (the arrays and networks that it was computed from); ``print``
        shows it, ``.save("page.html")`` writes its page.

    Raises:
        SpecError: There is no such experiment.

    >>> found = experiment("receptive-field")
    >>> found.holds, found.answer, found.data["sides"]["striate check"]
    (False, 'The claim does not hold: it is 8x8.', 8)
    """
    if name not in EXPERIMENTS:
        raise SpecError(f"no experiment named {name!r}{nearest(name, EXPERIMENTS)}")
    outcome: Outcome = EXPERIMENTS[name].run(seed, say)
    return outcome if out is None else outcome.save(out)
