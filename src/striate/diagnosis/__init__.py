"""Where a model is wrong, and which labels are: weak slices, label errors, nearest items. Arrays of numbers alone."""

from striate.diagnosis.slices import SliceSearch, WeakSlice, find_weak_slices

__all__ = ["SliceSearch", "WeakSlice", "find_weak_slices"]
