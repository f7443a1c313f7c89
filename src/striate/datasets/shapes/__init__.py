"""Drawn shapes, of which everything is known: the built-in data set for every task on images."""

from striate.datasets.shapes.opening import DEFAULT_KINDS, DrawnShape, open_shapes, shapes_in_image, shapes_named
from striate.datasets.shapes.outlines import KINDS

__all__ = ["DEFAULT_KINDS", "KINDS", "DrawnShape", "open_shapes", "shapes_in_image", "shapes_named"]
