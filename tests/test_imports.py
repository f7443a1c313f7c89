"""The walls of the house (docs: the shape of the code): who never imports whom, and what appears nowhere.

The check reads syntax trees, so imports inside functions count, and relative ones, and those for type checkers
alone. A second set of tests plants each kind of violation and sees the check find it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from syntax import nodes_of, parsed

SOURCE = Path(__file__).parents[1] / "src" / "striate"

# Who imports whom: a package (or half of one) -> what of striate it may import besides errors, lazy and itself. Imports
# inside functions count. Packages that stand in no row, the front, may import everything but what is the front's.
WALLS = {
    "errors": "",
    "files": "_version",
    "threads": "",
    "lazy": "",
    "sampling": "",
    "fetching": "files _version",
    # networks as values: the standard library only
    "spec": "",
    "analysis": "spec",
    "zoo": "spec",
    "drawing": "spec analysis files",
    "tasks": "",  # the light half; what needs torch is tasks.scoring
    # modules, tensors and numbers: they know no description of a network
    "metrics": "sampling tasks files",
    "tasks.answers": "tasks metrics",
    "tasks.scoring": "tasks tasks.answers metrics report",
    "learning": "tasks tasks.scoring metrics files threads",
    "baselines": "tasks",  # plain models of arrays
    "plotting": "files",
    "diagnosis": "metrics",
    "inspect": "tasks metrics learning plotting files threads",  # the half that knows modules only
    "report": "sampling tasks metrics diagnosis plotting files _version",
    "filtering": "sampling plotting model files",
    # networks in torch, model files, data
    "net": "spec analysis files threads",
    "model": "sampling spec analysis net tasks tasks.answers metrics learning files",
    "datasets": "sampling tasks model plotting report fetching files",
    "runtime": "model threads files",  # prediction from an exported file: no torch
    "loading": "spec analysis drawing zoo net tasks learning model fetching files",
    # what people do
    "exporters": "spec analysis net tasks learning model loading files",
    "inspect.models": "sampling spec analysis net tasks learning plotting model datasets loading inspect files",
    "page": "spec analysis drawing net tasks tasks.scoring learning filtering model inspect inspect.models sampling "
    "files _version",
    "run": "spec analysis net tasks tasks.answers tasks.scoring metrics diagnosis learning model datasets loading "
    "sampling report inspect inspect.models exporters runtime page threads files _version baselines",
    "estimators": "spec tasks model datasets loading run files",
    "service": "tasks tasks.answers metrics model page report files run runtime _version",
    "experiments": "spec analysis drawing zoo net tasks metrics learning plotting filtering model datasets loading "
    "sampling report inspect inspect.models files _version",
}
HALVES = ("tasks.answers", "tasks.scoring", "inspect.models")
TORCHLESS = (
    "tasks.answers",
    "metrics",
    "diagnosis",
    "plotting",
    "report",
    "filtering",
    "runtime",
    "service",
    "cli",
)  # numpy, and so on
LIGHT = ("errors", "tasks", "spec", "analysis", "drawing", "zoo")  # the standard library only
FRONT: dict[str, tuple[str, ...]] = {"cli": (), "service": ("__init__",)}  # imported by cli, and by whom else


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name, and where."""

    module: str
    unit: str
    where: str

    @property
    def target(self) -> str:
        """The unit of striate that is imported: "spec" for striate.spec.ops; "" for the top or another package."""
        parts = self.module.split(".")
        return parts[1] if parts[0] == "striate" and len(parts) > 1 else ""

    @property
    def half(self) -> str:
        """The half of a package that is imported, such as "inspect.models"; "" for all others."""
        return _half(self.module)


def _half(module: str) -> str:
    """The part of a package that stands in the table by itself: what needs more than the rest of the package."""
    name = ".".join(module.split(".")[1:3])
    return name if module.startswith("striate.") and name in HALVES else ""


def trees(root: Path) -> Iterator[tuple[str, str, ast.Module]]:
    """Unit, place and syntax tree of every file."""
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        unit = inside.parts[0] if len(inside.parts) > 1 else inside.stem
        unit = _half(".".join(("striate", *inside.with_suffix("").parts))) or unit
        yield unit, f"striate/{inside.as_posix()}", parsed(path.read_text(encoding="utf-8"))


def imports(root: Path) -> Iterator[Import]:
    for unit, place, tree in trees(root):
        package = ["striate", *Path(place).parts[1:-1]]
        for node in nodes_of(tree):
            for module in _modules(node, package, root):
                yield Import(module, unit, f"{place}:{getattr(node, 'lineno', 0)}")


def _modules(node: ast.AST, package: list[str], root: Path) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            base = package[: len(package) - level + 1] if level else []
            full = ".".join([*base, *([module] if module else [])])
            if full == "striate":  # from striate import zoo: the submodule; from striate import check: the top
                return [f"striate.{a.name}" if _is_unit(root, a.name) else "striate" for a in names]
            return [full]
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"), args=args
        ):
            return [arg.value for arg in args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        case _:
            return []


def _is_unit(root: Path, name: str) -> bool:
    return (root / name).is_dir() or (root / f"{name}.py").is_file()


def faults(root: Path) -> list[str]:
    """Every breach of the walls under *root*, the folder of the package."""
    found = []
    for i in imports(root):
        target = i.half or i.target
        if target and i.unit in WALLS and target not in {"errors", "lazy", i.unit, *WALLS[i.unit].split()}:
            found.append(f"{i.where}: {i.unit} never imports {target}")
        if i.target in FRONT and i.unit not in ("cli", "__main__", i.target, *FRONT[i.target]):
            found.append(f"{i.where}: only cli imports {i.target}")
        if i.module == "striate" and i.unit not in ("cli", "__main__"):
            found.append(f"{i.where}: {i.unit} imports striate itself, and with it everything")
        outside = i.module.split(".")[0]
        if i.unit in LIGHT and outside != "striate" and outside not in sys.stdlib_module_names:
            found.append(f"{i.where}: {i.unit} imports {outside}, and may use the standard library only")
        if i.unit in TORCHLESS and outside in ("torch", "safetensors"):
            found.append(f"{i.where}: {i.unit} never imports torch")
        if outside in ("pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"):
            found.append(f"{i.where}: {outside} runs what it reads")
    return found + _calls(root)


def _calls(root: Path) -> list[str]:
    found, loads = [], []
    for _, place, tree in trees(root):
        for node in nodes_of(tree):
            where = f"{place}:{getattr(node, 'lineno', 0)}"
            match node:
                case (
                    ast.Name(id="eval" | "exec" as name)
                    | ast.Attribute(value=ast.Name(id="builtins"), attr="eval" | "exec" as name)
                ):
                    found.append(f"{where}: {name} runs what it reads")
                case ast.Attribute(value=ast.Name(id="torch"), attr="load"):
                    loads.append(where)
                case ast.ImportFrom(module="torch", names=names) if any(alias.name == "load" for alias in names):
                    loads.append(where)
    if len(loads) > 1:
        found.append(f"{', '.join(loads)}: torch.load occurs more than once")
    return found


def test_the_walls_stand() -> None:
    found = faults(SOURCE)
    assert not found, "\n".join(found)


def test_the_walls_are_about_something() -> None:
    """The files are read, and units that the rules name exist (those of later issues may not yet)."""
    units = {unit for unit, _, _ in trees(SOURCE)}
    assert {"errors", "spec", "analysis", "zoo", "net", "learning", "metrics", "datasets", "cli"} <= units
    seen = {(i.unit, i.target) for i in imports(SOURCE) if i.target}
    assert {("analysis", "spec"), ("zoo", "spec"), ("net", "analysis"), ("spec", "errors")} <= seen


PLANTED = {
    "numpy in spec": ("spec/a.py", "import numpy as np", "spec imports numpy"),
    "torch in analysis, inside a function": (
        "analysis/a.py",
        "def f():\n    from torch import nn",
        "analysis/a.py:2: analysis imports torch",
    ),
    "PIL in zoo": ("zoo/a.py", "import PIL.Image", "zoo imports PIL"),
    "analysis imports zoo": ("analysis/a.py", "from striate.zoo import ZOO", "analysis never imports zoo"),
    "zoo imports analysis": ("zoo/a.py", "import striate.analysis.cost", "zoo never imports analysis"),
    "spec imports analysis": ("spec/a.py", "from ..analysis import check", "spec never imports analysis"),
    "spec imports a module of the top": ("spec/a.py", "from striate.files import write", "spec never imports files"),
    "tasks imports metrics": ("tasks/task.py", "from striate.metrics import score", "tasks never imports metrics"),
    "numpy in tasks": ("tasks/task.py", "import numpy", "tasks imports numpy"),
    "the light half of tasks imports the other": (
        "tasks/task.py",
        "from striate.tasks.scoring import SCORING",
        "tasks never imports tasks.scoring",
    ),
    "tasks.scoring imports learning": (
        "tasks/scoring/a.py",
        "from striate.learning import Recipe",
        "tasks.scoring never imports learning",
    ),
    "answers import what needs torch": (
        "tasks/answers/a.py",
        "from striate.tasks.scoring import SCORING",
        "tasks.answers never imports tasks.scoring",
    ),
    "torch in answers": ("tasks/answers/a.py", "def f():\n    import torch", "tasks.answers never imports torch"),
    "learning imports answers": (
        "learning/a.py",
        "from striate.tasks.answers import answer_of",
        "learning never imports tasks.answers",
    ),
    "errors imports spec": ("errors.py", "from striate.spec import Conv", "errors never imports spec"),
    "net imports zoo": ("net/a.py", "from striate import zoo", "net never imports zoo"),
    "net imports learning": ("net/a.py", "from ..learning import loop", "net never imports learning"),
    "net imports datasets": ("net/deep/a.py", "from ...datasets.idx import read", "net never imports datasets"),
    "learning imports spec": ("learning/a.py", "from striate.spec.ops import Conv", "learning never imports spec"),
    "learning imports net": ("learning/a.py", "def f():\n    import striate.net", "learning never imports net"),
    "learning imports datasets": (
        "learning/a.py",
        "from striate.datasets import open",
        "learning never imports datasets",
    ),
    "datasets imports learning": ("datasets/a.py", "from striate import learning", "datasets never imports learning"),
    "metrics imports analysis": (
        "metrics/a.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from striate.analysis import Report",
        "metrics never imports analysis",
    ),
    "inspect imports net": ("inspect/a.py", "from .. import net", "inspect never imports net"),
    "by name": (
        "learning/a.py",
        "import importlib\nimportlib.import_module('striate.net')",
        "learning never imports net",
    ),
    "metrics imports report": ("metrics/a.py", "from striate.report import axis", "metrics never imports report"),
    "drawing imports plotting": ("drawing/a.py", "from striate.plotting import text", "drawing never imports plotting"),
    "loading imports datasets": ("loading/a.py", "import striate.datasets", "loading never imports datasets"),
    "exporters import run": ("exporters/a.py", "from ..run import folder", "exporters never imports run"),
    "report imports spec": ("report/a.py", "from striate.spec import Conv", "report never imports spec"),
    "the module half of inspect imports the other": (
        "inspect/a.py",
        "def f():\n    from striate.inspect.models import inspected",
        "inspect never imports inspect.models",
    ),
    "somebody imports cli": ("model/a.py", "from striate.cli.main import app", "only cli imports cli"),
    "somebody imports service": ("model/a.py", "import striate.service", "only cli imports service"),
    "somebody imports page": ("inspect/a.py", "from striate import page", "inspect never imports page"),
    "through the top": ("learning/a.py", "from striate import check", "learning imports striate itself"),
    "the top, plainly": ("datasets/a.py", "import striate", "datasets imports striate itself"),
    "pickle": ("model/a.py", "import pickle", "pickle runs what it reads"),
    "pickle, in part": ("model/a.py", "from pickle import loads", "pickle runs what it reads"),
    "eval": ("cli/a.py", "x = eval('1')", "eval runs what it reads"),
    "exec": ("cli/a.py", "run = exec\nrun('1')", "exec runs what it reads"),
    "eval by its module": ("cli/a.py", "import builtins\nbuiltins.eval('1')", "eval runs what it reads"),
    "torch.load twice": (
        "net/a.py",
        "import torch\ntorch.load('a', weights_only=True)\ntorch.load('b', weights_only=True)",
        "torch.load occurs more than once",
    ),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_the_check_finds_a_planted_violation(kind: str, tmp_path: Path) -> None:
    file, code, wanted = PLANTED[kind]
    _house(tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code + "\n", encoding="utf-8")
    found = faults(tmp_path)
    assert any(wanted in fault for fault in found), found


def _house(root: Path) -> None:
    for unit in (
        "analysis",
        "cli",
        "datasets",
        "metrics",
        "learning",
        "model",
        "net",
        "inspect",
        "serve",
        "spec",
        "page",
        "zoo",
    ):
        (root / unit).mkdir()
        (root / unit / "__init__.py").touch()


def test_the_check_lets_the_allowed_through(tmp_path: Path) -> None:
    _house(tmp_path)
    allowed = {
        "errors.py": "from difflib import get_close_matches",
        "spec/a.py": "import re\nfrom striate.errors import Error\nfrom . import b\nfrom .c import d",
        "analysis/a.py": "from ..spec import ops",
        "zoo/a.py": "from striate.spec import Conv",
        "net/a.py": "import torch\nfrom striate.analysis import infer\ntorch.load('a', weights_only=True)",
        "learning/a.py": "def f(net):\n    net.eval()\n    evaluation = 3",
        "datasets/a.py": "import numpy\nfrom striate.model import contract\nfrom striate.fetching import fetched",
        "cli/a.py": "import striate\nfrom striate import page, serve, zoo\nfrom striate.cli import b",
    }
    for file, code in allowed.items():
        (tmp_path / file).write_text(code + "\n", encoding="utf-8")
    assert faults(tmp_path) == []


@pytest.mark.parametrize("module", ["striate.spec", "striate.tasks", "striate.analysis", "striate.zoo", "striate"])
def test_the_light_half_loads_no_package(module: str) -> None:
    """In a fresh interpreter: what is imported is not only what the files say."""
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "striate" in loaded
    assert not loaded & {"torch", "numpy", "PIL", "safetensors", "typer", "rich"}
    strangers = loaded - sys.stdlib_module_names - {"striate", "__main__", "__mp_main__"}
    assert not {name for name in strangers if not name.startswith(("_", "sitecustomize"))}, strangers
