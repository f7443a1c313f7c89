"""From what lies on disk to batches of tensors: open, split, read, batch."""

from striate.data.batches import Batches
from striate.data.dataset import Arrays, DataSet, Part
from striate.data.open import BUILT_IN, open_data, sampled, with_validation
from striate.data.split import split_off, stratified
from striate.data.statistics import channel_statistics
from striate.data.store.reading import read

__all__ = [
    "BUILT_IN",
    "Arrays",
    "Batches",
    "DataSet",
    "Part",
    "channel_statistics",
    "open_data",
    "read",
    "sampled",
    "split_off",
    "stratified",
    "with_validation",
]
