"""Where a model is wrong, and which labels are: weak slices, label errors, nearest items. Arrays of numbers alone."""

from striate.diagnosis.labels import (
    LabelErrors,
    Suspect,
    label_errors,
    mask_errors,
    number_errors,
    several_label_errors,
)
from striate.diagnosis.slices import SliceSearch, WeakSlice, find_weak_slices

__all__ = [
    "LabelErrors", "SliceSearch", "Suspect", "WeakSlice", "find_weak_slices", "label_errors", "mask_errors",
    "number_errors", "several_label_errors",
]  # fmt: skip
