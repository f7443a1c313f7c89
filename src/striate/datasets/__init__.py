"""From files on disk to batches of tensors: open, split, read, batch. Each name is loaded when it is first used."""

from typing import TYPE_CHECKING

from striate.lazy import offered

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

__all__, __getattr__ = offered(
    __name__,
    {
        "datasets.batches": "Batches",
        "datasets.dataset": "Arrays DataSet Part",
        "datasets.open": "BUILT_IN Data open_data sampled with_validation",
        "datasets.split": "split_off stratified",
        "datasets.statistics": "channel_statistics",
        "datasets.store.reading": "read_part",
    },
)
