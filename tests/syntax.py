"""Syntax trees, each made and walked once: the rules and the walls read all of the package again and again."""

import ast
import gc
from functools import cache


@cache
def parsed(text: str) -> ast.Module:
    """The syntax tree of *text*, which nobody changes."""
    gc.disable()  # it would look through all trees again and again, four times the work
    try:
        return ast.parse(text)
    finally:
        gc.enable()


@cache
def nodes_of(tree: ast.Module) -> list[ast.AST]:
    """All nodes of *tree*, which nobody changes."""
    return list(ast.walk(tree))
