"""The rules of the house: a name means one thing, nothing imports in a circle, public names explain themselves.

Like the walls (test_imports.py) these read syntax trees, and each rule has a companion that plants a breach of it and
sees it found.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import GenericAlias, UnionType

import pytest

from striate.tasks import TASKS
from syntax import nodes_of, parsed

SOURCE = Path(__file__).parents[1] / "src" / "striate"
TESTS = Path(__file__).parent


def modules(root: Path) -> Iterator[tuple[str, Path, ast.Module]]:
    """Full name, path and syntax tree of every module of the package whose folder is *root*, called striate."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(["striate", *(part for part in parts if part != "__init__")])
        yield name, path, parsed(path.read_text(encoding="utf-8"))


def at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported: not those of functions, nor those for type checkers."""
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                continue
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from at_import(node.orelse)
                continue
            case _:
                yield node
        for field in ("body", "orelse", "finalbody"):
            yield from at_import(getattr(node, field, []))
        for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
            yield from at_import(part.body)


# ------------------------------------------------------------------------------- a name is used for one thing
def defined_twice(root: Path) -> dict[str, list[str]]:
    """Public classes and functions of modules, by name, that are defined in more than one module, and where."""
    where: dict[str, list[str]] = {}
    for _, path, tree in modules(root):
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        names = {node.name for node in tree.body if isinstance(node, kinds)}
        for name in names:
            if not name.startswith("_"):
                where.setdefault(name, []).append(path.relative_to(root).as_posix())
    return {name: places for name, places in sorted(where.items()) if len(places) > 1}


def test_no_public_name_is_defined_twice() -> None:
    found = defined_twice(SOURCE)
    assert not found, "\n".join(f"{name}: {', '.join(places)}" for name, places in found.items())


# --------------------------------------------------------------------------------------------- no import circle
def circles(root: Path) -> list[list[str]]:
    """Modules that import each other when they are imported, each circle once. Imports inside functions do not count.

    Who imports ``striate.a.b`` also runs ``striate/a/__init__.py``, unless it lies in that package itself.
    """
    found = list(modules(root))
    packages = {name for name, path, _ in found if path.name == "__init__.py"}
    names = {name for name, _, _ in found}
    graph = {name: _imported(name, tree, names, packages) for name, _, tree in found}
    return [sorted(group) for group in _strong(graph) if len(group) > 1]


def _imported(name: str, tree: ast.Module, names: set[str], packages: set[str]) -> set[str]:
    package = name if name in packages else name.rpartition(".")[0]
    wanted: set[str] = set()
    for node in at_import(tree.body):
        match node:
            case ast.Import(names=aliases):
                wanted |= {alias.name for alias in aliases}
            case ast.ImportFrom(module=module, names=aliases, level=level):
                base = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                full = ".".join([*base, *([module] if module else [])])
                inner = {f"{full}.{alias.name}" for alias in aliases} & names
                wanted |= inner
                if len(inner) < len(aliases):  # something of the module itself
                    wanted.add(full)
    return {
        step
        for target in wanted
        for step in _steps(target)
        if step in names and step != name and (step == target or not f"{name}.".startswith(f"{step}."))
    }


def _steps(name: str) -> list[str]:
    """striate, striate.a, striate.a.b: what an import of the last runs."""
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _strong(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of nodes that all reach each other (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            groups.append(stack[at:])
            del stack[at:]

    for node in graph:
        if node not in index:
            visit(node)
    return groups


def test_no_module_is_in_an_import_circle() -> None:
    found = [" <-> ".join(circle) for circle in circles(SOURCE)]
    assert not found, "\n".join(found)


def one_direction(root: Path, a: str, b: str) -> str:
    """Packages *a* and *b* have one direction: "" or what breaks it. Imports inside functions count here."""
    found = list(modules(root))
    ways = {
        (x, y): [
            f"{path.relative_to(root).as_posix()}:{node.lineno}"
            for name, path, tree in found
            if f"{name}.".startswith(f"striate.{x}.")
            for node in nodes_of(tree)
            if _reaches(node, y)
        ]
        for x, y in ((a, b), (b, a))
    }
    if all(ways.values()):
        return f"{a} and {b} import each other: {', '.join(ways[a, b])}; and {', '.join(ways[b, a])}"
    return ""


def _reaches(node: ast.AST, unit: str) -> bool:
    match node:
        case ast.Import(names=aliases):
            return any(f"{alias.name}.".startswith(f"striate.{unit}.") for alias in aliases)
        case ast.ImportFrom(module="striate", names=aliases):
            return any(alias.name == unit for alias in aliases)
        case ast.ImportFrom(module=str(module)):
            return f"{module}.".startswith(f"striate.{unit}.")
        case _:
            return False


def test_data_sets_and_models_have_one_direction() -> None:
    assert not one_direction(SOURCE, "datasets", "model")


# -------------------------------------------------------------------------- the top level holds packages
def loose_modules(root: Path) -> set[str]:
    """Modules at the top beside packages, other than the five that belong there."""
    return {path.stem for path in root.glob("*.py")} - {"__init__", "__main__", "_version", "errors", "files"}


def test_the_top_level_holds_packages() -> None:
    assert loose_modules(SOURCE) == set()


# -------------------------------------------------------------------------- public names explain themselves
def unexplained(names: list[str], get: Callable[[str], object]) -> set[str]:
    """Public names without a docstring, or without an example in it where one is due.

    A class that only holds (a dataclass such as an op, an exception) needs no example: what it means is its docstring.
    """
    found = set()
    for name in names:
        value = get(name)
        if not (callable(value) or inspect.ismodule(value)) or isinstance(value, GenericAlias | UnionType):
            continue  # an alias of a type, a table: it has no docstring of its own
        text = inspect.getdoc(value) or ""
        if inspect.isclass(value) and (text.startswith(f"{value.__name__}(") or not vars(value).get("__doc__")):
            text = ""  # what dataclass writes by itself, or what is inherited
        holds = inspect.isclass(value) and (dataclasses.is_dataclass(value) or issubclass(value, Exception))
        if not text or not (holds or inspect.ismodule(value) or ">>>" in text):
            found.add(name)
    return found


def test_every_public_name_has_a_docstring_with_an_example() -> None:
    striate = importlib.import_module("striate")
    found = unexplained(striate.__all__, lambda name: getattr(striate, name))
    assert not found, sorted(found)


# -------------------------------------------------------------------------------------- no test times anything
CLOCKS = {"time", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "process_time", "time_ns", "timeit"}


def clocks(root: Path) -> list[str]:
    """Where a test reads a clock. (Sleeping, and giving up on a process that hangs, are no measurements.)"""
    found = []
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if re.search(r"\btime\b|timeit|perf_counter", text) else ():
            match node:
                case ast.Attribute(value=ast.Name("time" | "timeit"), attr=name) if name in CLOCKS:
                    pass
                case ast.ImportFrom(module="time", names=names) if CLOCKS & {alias.name for alias in names}:
                    pass
                case ast.Import(names=names) if "timeit" in {alias.name for alias in names}:
                    pass
                case ast.Constant(value=str(text)) if "perf_counter" in text and path.name != "test_rules.py":
                    pass  # a program that a test hands to another process
                case _:
                    continue
            found.append(f"{path.relative_to(root).as_posix()}:{getattr(node, 'lineno', 0)}: reads a clock")
    return found


def test_no_test_times_anything() -> None:
    found = clocks(TESTS)
    assert not found, "\n".join([*found, "a busy machine is slow, not wrong: measure under bench/"])


# ------------------------------------------------------------------------- the name of a task decides nothing
NAMED = ("tasks/", "zoo/__init__.py")  # the zoo's table says in words what its nets are for


def task_names(root: Path) -> list[str]:
    """Where a task's name decides something: compared, matched, a key, one of a list, or a default."""
    found = []
    for _, path, tree in modules(root):
        place = path.relative_to(root).as_posix()
        if place.startswith(NAMED):
            continue
        for node in nodes_of(tree):
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
    found = task_names(SOURCE)
    assert not found, "\n".join(found)


# ----------------------------------------------------------------------------------- each rule can be broken
def planted(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"__init__.py": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for folder in path.parents:
            if folder == root:
                break
            (folder / "__init__.py").touch()
    return root


def test_a_name_that_is_defined_twice_is_found(tmp_path: Path) -> None:
    root = planted(
        tmp_path,
        {
            "spec/a.py": "class Seen: pass\ndef look(): pass\ndef _own(): pass\n",
            "net/b.py": "def look():\n    def inner(): pass\nclass Other:\n    def inner(self): pass\ndef _own(): 1\n",
            "net/c.py": "from .b import look\nclass Seen: pass\n",
        },
    )
    assert defined_twice(root) == {"Seen": ["net/c.py", "spec/a.py"], "look": ["net/b.py", "spec/a.py"]}


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"a.py": "from striate.b import x", "b.py": "import striate.a"}, [["striate.a", "striate.b"]]),
        ({"a.py": "from . import b", "b.py": "try:\n    from .a import x\nexcept E: 1"}, [["striate.a", "striate.b"]]),
        ({"__init__.py": "from .a import x", "a.py": "from striate import y"}, [["striate", "striate.a"]]),
        ({"a.py": "from striate.b import x", "b.py": "def f():\n    from striate.a import y"}, []),
        ({"a.py": "from .b import x", "b.py": "if TYPE_CHECKING:\n    from .a import y"}, []),
        ({"p/__init__.py": "from .a import x", "p/a.py": "from .b import x", "p/b.py": ""}, []),
        ({"p/__init__.py": "from .a import x", "p/a.py": "from . import b", "p/b.py": ""}, []),
        ({"p/__init__.py": "from .a import x", "p/a.py": "from . import y"}, [["striate.p", "striate.p.a"]]),
        (  # whoever imports q.b runs q/__init__ first, and with it q.c
            {
                "p/a.py": "from striate.q.b import x", "q/__init__.py": "from .c import z", "q/b.py": "",
                "q/c.py": "from striate.p.a import y",
            },
            [["striate.p.a", "striate.q", "striate.q.c"]],
        ),
    ],
)  # fmt: skip
def test_an_import_circle_is_found(files: dict[str, str], wanted: list[list[str]], tmp_path: Path) -> None:
    assert circles(planted(tmp_path, files)) == wanted


def test_packages_that_import_each_other_are_found(tmp_path: Path) -> None:
    root = planted(
        tmp_path,
        {"datasets/a.py": "from striate.model.b import x", "model/b.py": "def f():\n    import striate.datasets"},
    )
    found = "datasets and model import each other: datasets/a.py:1; and model/b.py:2"
    assert one_direction(root, "datasets", "model") == found
    (root / "model" / "b.py").write_text("from striate.modelling import datasets")
    assert one_direction(root, "datasets", "model") == ""


def test_a_loose_module_is_found(tmp_path: Path) -> None:
    assert loose_modules(planted(tmp_path, {"errors.py": "", "files.py": "", "find.py": "", "spec/a.py": ""})) == {
        "find"
    }


def test_a_public_name_without_an_explanation_is_found() -> None:
    def shown() -> None:
        """One.

        >>> shown()
        """

    def told() -> None:
        """One."""

    @dataclasses.dataclass
    class Holds:
        """What it holds."""

    @dataclasses.dataclass
    class Bare:
        x: int

    class Mute(Holds):
        pass

    values = {"shown": shown, "told": told, "Holds": Holds, "Bare": Bare, "Mute": Mute}
    assert unexplained(list(values), values.__getitem__) == {"told", "Bare", "Mute"}


@pytest.mark.parametrize(
    "code",
    [
        "import time\nbegun = time.monotonic()",
        "from time import perf_counter",
        "def test():\n    import timeit",
        "code = 'import time; print(time.perf_counter())'",
    ],
)
def test_a_clock_is_found(code: str, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(code)
    (tmp_path / "test_b.py").write_text("import time\nfrom datetime import time as clock\ntime.sleep(0.1)")
    (found,) = clocks(tmp_path)
    assert found.startswith("test_a.py:")


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
