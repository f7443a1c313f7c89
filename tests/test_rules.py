"""Rules of the whole package that a reader of one file cannot see, read from the syntax trees.

Each rule has a companion that plants violations and sees the rule find them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.tasks import TASKS

SOURCE = Path(__file__).parents[1] / "src" / "striate"

NAMED = ("tasks/", "zoo/__init__.py")  # the zoo's table says in words what its nets are for
# packages and files that do not ask the task yet
NOT_YET = ("datasets", "learning", "run", "model", "report", "inspect", "loading", "exporters", "cli")


def files(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Place and syntax tree of every file."""
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def task_names(root: Path) -> list[str]:
    """Where a task's name decides something: compared, matched, a key, one of a list, or a default."""
    found = []
    for place, tree in files(root):
        if place.startswith(NAMED):
            continue
        for node in ast.walk(tree):
            for part in _deciding(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in TASKS:
                    found.append(f"{place}:{part.lineno}: asks for the task {part.value!r} by name; ask the task")
    return found


def _deciding(node: ast.AST) -> list[ast.expr | None]:
    match node:
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.MatchValue():
            return [node.value]
        case ast.Dict():
            return [*node.keys]
        case ast.Subscript():
            return [node.slice]
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return [*elements]
        case ast.arguments():
            return [*node.defaults, *node.kw_defaults]
        case ast.AnnAssign():
            return [node.value]
        case ast.Call(func=ast.Attribute(attr="get" | "index" | "startswith")):
            return [*node.args]
        case _:
            return []


def test_no_task_names_outside_tasks() -> None:
    found = [fault for fault in task_names(SOURCE) if not fault.startswith(NOT_YET)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "code",
    [
        "x = task == 'regression'",
        "x = task in ('classification', 'multilabel')",
        "match task:\n    case 'segmentation':\n        pass",
        "match (task, 1):\n    case 'segmentation', _:\n        pass",
        "NETS = {'multilabel': 'vgg_small'}",
        "x = NETS['regression']",
        "x = NETS.get('regression', 'vgg_small')",
        "TASKS = ['classification', 'regression']",
        "def f(task: str = 'classification'): ...",
        "def f(*, task='classification'): ...",
        "class A:\n    task: str = 'classification'",
    ],
)
def test_a_planted_task_name_is_found(code: str, tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "a.py").write_text(code + "\n")
    assert any(fault.startswith("metrics/a.py:") for fault in task_names(tmp_path))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "metrics" / "a.py").rename(tmp_path / "tasks" / "a.py")
    assert task_names(tmp_path) == []
