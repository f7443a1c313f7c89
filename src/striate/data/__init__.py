"""From what lies on disk to batches of tensors: open, split, read, batch."""

from striate.data.batches import Batches
from striate.data.dataset import DataSet, Part, Pixels, channel_statistics, read
from striate.data.open import BUILT_IN, open_data, with_validation
from striate.data.split import stratified

__all__ = [
    "BUILT_IN",
    "Batches",
    "DataSet",
    "Part",
    "Pixels",
    "channel_statistics",
    "open_data",
    "read",
    "stratified",
    "with_validation",
]
