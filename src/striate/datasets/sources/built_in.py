"""The data sets that have names of their own: what stands before the colon in ``shapes:segmentation``."""

from __future__ import annotations

from collections.abc import Callable

from striate.datasets.dataset import DataSet
from striate.datasets.shapes import shapes_named
from striate.datasets.sources.digits import open_digits
from striate.datasets.sources.fetch import Progress
from striate.datasets.sources.official_sets import open_cifar10, open_fashion_mnist, open_mnist
from striate.errors import DataError

EMBEDDED: dict[str, Callable[[], DataSet]] = {"digits": open_digits, "shapes": shapes_named}
FETCHED: dict[str, Callable[[Progress | None], DataSet]] = {
    "mnist": open_mnist,
    "fashion-mnist": open_fashion_mnist,
    "cifar10": open_cifar10,
}
BUILT_IN = (*EMBEDDED, *FETCHED)


def open_built_in(text: str, progress: Progress | None = None) -> DataSet | None:
    """The data set that *text* names, with its options after a colon; None where it names none.

    Args:
        text: ``"digits"``, ``"shapes:grey,size=64"``, ``"mnist"``, ...
        progress: Told how much of a file is fetched, where one has to be.

    Raises:
        DataError: The options are not there or out of range; what was to be fetched cannot be.

    >>> open_built_in("digits").name, open_built_in("somewhere/digits")
    ('digits', None)
    """
    name, colon, options = text.partition(":")
    if name == "shapes":
        return shapes_named(options)
    if name in BUILT_IN and colon:
        raise DataError(f"{text}: {name} takes no options; write {name}")
    return FETCHED[name](progress) if name in FETCHED else EMBEDDED[name]() if name in EMBEDDED else None
