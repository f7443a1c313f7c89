"""Each bench says what it claims and how it was seen, on which machine, and is listed."""

import ast
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
SCRIPTS = sorted(path.name for path in BENCH.glob("*.py") if path.name != "common.py")


@pytest.fixture
def common(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    monkeypatch.delitem(sys.modules, "common", raising=False)
    import common

    yield common
    sys.modules.pop("common")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_bench_has_claim_evidence_and_the_machine_and_is_listed(name):
    source = (BENCH / name).read_text(encoding="utf-8")
    said = ast.get_docstring(ast.parse(source)) or ""
    assert said.startswith(("Claim: ", "Goal: "))
    assert "\nEvidence" in said
    assert f"python bench/{name}" in said
    assert "machine(" in source
    assert f"[{name}]({name})" in (BENCH / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_bench_imports_of_striate_is_there(name):
    tree = ast.parse((BENCH / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):  # inside functions, too, which only a run would reach
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "striate":
            for alias in node.names:
                exec(f"from {node.module} import {alias.name}", {})


def test_the_machine_is_said_with_versions_threads_and_load(common):
    said = common.machine("numpy", threads=3)
    import numpy as np

    assert f", 3 threads, Python {sys.version.split()[0]}, numpy {np.__version__}, load " in said


def test_contestants_take_turns_and_the_first_turns_are_thrown_away(common):
    order = []
    contestants = {name: lambda name=name: order.append(name) or len(order) for name in "AB"}
    assert common.in_turn(contestants, 2, warm=1) == {"A": [3, 5], "B": [4, 6]}
    assert order == ["A", "B"] * 3


def test_medians_are_shown_beside_another(common, capsys):
    common.show({"torch": [2.0, 1.0, 9.0], "ours": [3.0, 5.0]}, beside="torch")
    torch, ours = capsys.readouterr().out.splitlines()
    assert torch.split() == "torch 2.00 s (median; 1.00 to 9.00, n = 3)".split()
    assert ours.split() == "ours 4.00 s (median; 3.00 to 5.00, n = 2) 2.00 times torch".split()


def test_a_command_that_fails_ends_the_bench_with_its_message(common):
    with pytest.raises(SystemExit, match=r"(?s)exit 1.*no such thing"):
        common.ran(sys.executable, "-c", "raise SystemExit('no such thing')")
    assert common.ran(sys.executable, "-c", "import os; print(os.environ['A'])", A="b")[1] == "b\n"
