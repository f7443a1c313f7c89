"""From files on disk to batches of tensors: open, split, read, batch."""

from striate.datasets.batches import Batches
from striate.datasets.dataset import Arrays, DataSet, Part
from striate.datasets.open import BUILT_IN, Data, open_data, sampled, with_validation
from striate.datasets.split import split_off, stratified
from striate.datasets.statistics import channel_statistics
from striate.datasets.store.reading import read_part

__all__ = [
    "BUILT_IN",
    "Arrays",
    "Batches",
    "Data",
    "DataSet",
    "Part",
    "channel_statistics",
    "open_data",
    "read_part",
    "sampled",
    "split_off",
    "stratified",
    "with_validation",
]
