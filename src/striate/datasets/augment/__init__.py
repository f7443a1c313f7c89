"""Augmentation: images changed at random while a network learns from them, whole batches at a time."""

from striate.datasets.augment.change import augmented, changed, forgetting, mixed
from striate.datasets.augment.draw import DrawnChanges, Mixing, draw_changes, draw_mixing, draw_words
from striate.datasets.augment.settings import NOTHING, PRESETS, Augment

__all__ = [
    "NOTHING",
    "PRESETS",
    "Augment",
    "DrawnChanges",
    "Mixing",
    "augmented",
    "changed",
    "draw_changes",
    "draw_mixing",
    "draw_words",
    "forgetting",
    "mixed",
]
