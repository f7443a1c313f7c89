"""Augmentation: images changed at random while a network learns from them, whole batches at a time."""

from striate.datasets.augment.batch import augmented
from striate.datasets.augment.change import changed, mixed
from striate.datasets.augment.draw import Draws, Mixing, draw, draw_mixing
from striate.datasets.augment.settings import NOTHING, PRESETS, Augment

__all__ = ["NOTHING", "PRESETS", "Augment", "Draws", "Mixing", "augmented", "changed", "draw", "draw_mixing", "mixed"]
