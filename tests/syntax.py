"""Syntax trees, each made and walked once: the rules and the walls read all of the package again and again."""

import ast
from functools import cache


@cache
def parsed(text: str) -> ast.Module:
    """The syntax tree of *text*, which nobody changes."""
    return ast.parse(text)


@cache
def nodes_of(tree: ast.Module) -> list[ast.AST]:
    """All nodes of *tree*, which nobody changes."""
    return list(ast.walk(tree))
