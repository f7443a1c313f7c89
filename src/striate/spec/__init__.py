"""Architectures as data: ops, the ways to compose them, the flat graph, and its text. Standard library only.

Every op is written once, in ``striate.spec.ops``; this package and ``striate`` itself give all of them on.
"""

from typing import TYPE_CHECKING

from striate.errors import shape_text as shape_text
from striate.spec import ops
from striate.spec.compose import Cat as Cat
from striate.spec.compose import Product as Product
from striate.spec.compose import Seq as Seq
from striate.spec.compose import Side as Side
from striate.spec.compose import Spec as Spec
from striate.spec.compose import Sum as Sum
from striate.spec.compose import lower as lower
from striate.spec.graph import Graph as Graph
from striate.spec.graph import Node as Node
from striate.spec.op import Activation as Activation
from striate.spec.op import Pointwise as Pointwise
from striate.spec.op import Shape as Shape
from striate.spec.ops import *  # noqa: F403
from striate.spec.text import format as format
from striate.spec.text import op_text as op_text
from striate.spec.text import parse as parse
from striate.spec.text import read_shape as read_shape

if not TYPE_CHECKING:  # a type checker sees what is imported as itself
    __all__ = [
        *ops.__all__, "Activation", "Cat", "Graph", "Node", "Pointwise", "Product", "Seq", "Shape", "Side", "Spec",
        "Sum", "format", "lower", "op_text", "parse", "read_shape", "shape_text",
    ]  # fmt: skip
