"""``my_net.py:Net``: a network in a Python file, named by the person who runs the command and by no file."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from striate.errors import SpecError, closest, did_you_mean, listed
from striate.files import near_path, read_regular_text

LOADED: set[str] = set()  # the modules of packages that were read here


def is_code(net: object) -> bool:
    """Whether *net* names something in a Python file.

    >>> is_code("nets/my_net.py:Net"), is_code("lenet5")
    (True, False)
    """
    return isinstance(net, str) and re.fullmatch(r"(?s).+\.py(:.*)?", net.strip()) is not None and ";" not in net


def load_code(text: str) -> Any:
    """What ``FILE.py:NAME`` means: the module (or net) itself, or what the class or function of that name makes.

    The file is run, as ``python FILE.py`` would run it, but for what stands under ``if __name__ == "__main__"``.
    The name is called without arguments.

    Raises:
        SpecError: There is no such file or name, the file does not run, or the name makes no network.
    """
    text = text.strip().rstrip(":")
    file, _, name = (text, "", "") if text.endswith(".py") else text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        beside = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        here = f" (Python files here: {listed(beside)})" if beside else ""
        raise SpecError(f"{path}: file not found{did_you_mean(near_path(path)) or here}")
    if not name:
        raise SpecError(f"{text}: name the network in the file, as in {path}:{next(iter(_named(path)), 'Net')}")
    module = _run(path)
    if not hasattr(module, name):
        own = [n for n in _named(path) or vars(module) if not n.startswith("_")]
        near = closest(name, own)
        hint = f"; did you mean {near!r}?" if near else f"; it defines {', '.join(own)}" if own else ""
        raise SpecError(f"{path}: defines no {name!r}{hint}")
    return _made(getattr(module, name), f"{path}:{name}")


def _named(path: Path) -> list[str]:
    """The classes, functions and values that the file defines, classes first."""
    try:
        body = ast.parse(read_regular_text(path)).body
    except (SyntaxError, ValueError, OSError):
        return []
    classes = [n.name for n in body if isinstance(n, ast.ClassDef)]
    functions = [n.name for n in body if isinstance(n, ast.FunctionDef)]
    targets = [t for n in body if isinstance(n, ast.Assign) for target in n.targets for t in ast.walk(target)]
    values = [t.id for t in targets if isinstance(t, ast.Name)]
    return classes + functions + values


def _run(path: Path) -> ModuleType:
    """The file as a module, of a package where it imports from one relatively. It can import what lies beside it, as in
    Python itself, in the current folder, and beside its package.
    """
    folders = path.resolve().parents
    levels = _levels(path.resolve())
    parents = [folder.name for folder in folders[:levels]][::-1]
    plain = f"striate_user_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}"
    name = ".".join([*parents, path.stem]) if levels else plain
    package = f"{parents[0]}." if levels else "/"
    known = {
        n: sys.modules.pop(n) for n in [*sys.modules] if f"{n}.".startswith(package)
    }  # changed since, or another's
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and the like look there
    before = sys.path.copy()
    sys.path[:0] = dict.fromkeys(map(str, (folders[0], folders[levels], Path.cwd())))
    try:
        with redirect_stdout(sys.stderr):  # what somebody's file prints is no result of ours
            if levels:
                importlib.import_module(".".join(parents))
            spec.loader.exec_module(module)
    except SyntaxError as error:
        raise SpecError(f"{path} line {error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        raise SpecError(f"{path} raises an error: {_error_line(error, path)}") from error
    finally:
        sys.path[:] = before
        LOADED.update(n for n in sys.modules if f"{n}.".startswith(package) and n not in known)
        sys.modules.update({n: other for n, other in known.items() if n not in LOADED})  # imported by somebody else
    return module


def _levels(path: Path) -> int:
    """How many of the folders above *path* are packages, where it imports from them relatively; else 0."""
    with_init = 0
    while (path.parents[with_init] / "__init__.py").is_file():
        with_init += 1
    try:
        found = ast.walk(ast.parse(read_regular_text(path)))
    except (SyntaxError, ValueError, OSError):
        return 0  # running it says what is wrong
    relative = max((node.level for node in found if isinstance(node, ast.ImportFrom)), default=0)
    return min(max(with_init, relative), len(path.parents) - 1) if relative else 0


def _error_line(error: BaseException, path: Path) -> str:
    """The line of the file that raised *error*, and the error."""
    own = [s for s in traceback.extract_tb(error.__traceback__) if s.filename == str(path.resolve())]
    where = f"line {own[-1].lineno}: {own[-1].line}: " if own else ""
    hint = "; call super().__init__() first" if "before Module.__init__() call" in str(error) else ""
    return f"{where}{type(error).__name__}: {error}{hint}"


def _made(found: Any, where: str) -> Any:
    """What *found* is or makes."""
    if isinstance(found, type) or inspect.isroutine(found):
        needed = _required(found)
        if needed:
            name = where.rpartition(":")[2]
            raise SpecError(
                f"{where} needs {', '.join(needed)}; write a function without arguments that creates it, such as "
                f"def make(): return {name}({', '.join(f'{w}=...' for w in needed)}), and name that"
            )
        try:
            with redirect_stdout(sys.stderr):
                found = found()
        except Exception as error:
            raise SpecError(
                f"{where} cannot be created: {_error_line(error, Path(where.rpartition(':')[0]))}"
            ) from error
    return found


def _required(call: Any) -> list[str]:
    """The arguments without a default."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
