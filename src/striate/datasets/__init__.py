"""From files on disk to batches of tensors: open, split, read, batch. Each name is loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.datasets.batches import Batches as Batches
    from striate.datasets.dataset import Arrays as Arrays
    from striate.datasets.dataset import DataSet as DataSet
    from striate.datasets.dataset import Part as Part
    from striate.datasets.open import BUILT_IN as BUILT_IN
    from striate.datasets.open import Data as Data
    from striate.datasets.open import open_data as open_data
    from striate.datasets.open import sampled as sampled
    from striate.datasets.open import with_validation as with_validation
    from striate.datasets.split import split_off as split_off
    from striate.datasets.split import stratified as stratified
    from striate.datasets.statistics import channel_statistics as channel_statistics
    from striate.datasets.store.reading import read_part as read_part

_WHERE = {
    "batches": "Batches",
    "dataset": "Arrays DataSet Part",
    "open": "BUILT_IN Data open_data sampled with_validation",
    "split": "split_off stratified",
    "statistics": "channel_statistics",
    "store.reading": "read_part",
}
_PLACES = {name: module for module, names in _WHERE.items() for name in names.split()}
__all__ = [*_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
