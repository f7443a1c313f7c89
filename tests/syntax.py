"""Syntax trees, each made once: the rules and the walls read all of the package again and again."""

import ast
from functools import cache


@cache
def parsed(text: str) -> ast.Module:
    """The syntax tree of *text*, which nobody changes."""
    return ast.parse(text)
