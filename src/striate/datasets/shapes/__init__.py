"""Drawn shapes, of which everything is known: the built-in data set for every task on images."""

from striate.datasets.shapes.opening import Shape, drawn, open_shapes
from striate.datasets.shapes.outlines import KINDS
from striate.datasets.shapes.planning import DEFAULT_KINDS
from striate.datasets.shapes.spelling import shapes_named

__all__ = ["DEFAULT_KINDS", "KINDS", "Shape", "drawn", "open_shapes", "shapes_named"]
