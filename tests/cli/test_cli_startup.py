"""What it loads before it answers (how soon that is: bench/check_speed.py), and how it ends when nobody listens."""

import subprocess
import sys

import pytest
from PIL import Image

HEAVY = ("torch", "numpy", "PIL", "safetensors")


def python(code, *words, env):
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


RUN = """
import sys
from striate.cli import main
sys.argv = ["striate", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    print("CODE", ended.code or 0, *[name for name in {heavy} if name in sys.modules])
"""


@pytest.mark.parametrize(
    "words",
    [["--help"], ["train", "--help"], ["zoo"], ["check", "lenet5"], ["check", "MODEL"], ["train"], ["trian"]],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(shell, trained, words):
    words = [str(trained / "model.safetensors") if word == "MODEL" else word for word in words]
    out = python(RUN.format(heavy=HEAVY), *words, env=shell.environment)
    assert out.splitlines()[-1] in ("CODE 0", "CODE 2")  # and no name behind it
    assert words[-1] not in ("lenet5", "zoo") or "61,706" in out


def test_the_test_above_can_fail(shell):
    out = python(RUN.format(heavy=("typer", "torch")), "zoo", env=shell.environment)
    assert out.splitlines()[-1] == "CODE 0 typer"


NEW = "import sys; old = set(sys.modules); import striate; print(*sorted(set(sys.modules) - old))"


def test_import_striate_loads_two_modules_of_its_own(shell):
    loaded = python(NEW, env=shell.environment).split()
    assert [name for name in loaded if name.startswith("striate")] == ["striate", "striate._version"]
    assert len(loaded) < 60  # the standard library's typing and what it needs


def test_help_loads_no_table_and_no_colours(shell):
    """What typer and rich would load to draw boxes is half of a short command's time."""
    code = RUN.format(heavy=("rich", "pygments", "markdown_it", "asyncio", "http", "concurrent"))
    assert python(code, "--help", env=shell.environment).splitlines()[-1] == "CODE 0"


@pytest.mark.parametrize("words", [["zoo"], ["check", "lenet5", "--json"]], ids=" ".join)
def test_a_reader_that_goes_away(shell, words):
    process = subprocess.Popen(
        [sys.executable, "-m", "striate", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=shell.environment,
    )  # fmt: skip
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=600) != 0


def test_a_full_disk_behind_stdout(shell):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "striate", "zoo"], stdout=full, stderr=subprocess.PIPE, text=True,
            env=shell.environment, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("striate: ")
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_python_dash_m(shell):
    assert shell("--version").out.startswith("striate 0.")


@pytest.mark.slow
def test_training_loads_no_compiler(shell, tmp_path):
    """What torch's optimizers would load for themselves, and ``to_empty``: 1,500 modules, most of a second."""
    code = RUN.format(heavy=("torch", "torch._dynamo", "sympy", "scipy", "matplotlib"))
    words = ["train", "digits", "-e", "1", "-n", "flatten; linear 10", "fraction=0.1", "--out", str(tmp_path / "run")]
    assert python(code, *words, env=shell.environment).splitlines()[-1] == "CODE 0 torch"


def test_predicting_loads_nothing_of_training(shell, trained, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    heavy = ("torch", "striate.datasets.open", "striate.run.making", "striate.exporters", "sympy", "torch._dynamo")
    words = ["predict", str(trained), str(tmp_path / "a.png")]
    assert python(RUN.format(heavy=heavy), *words, env=shell.environment).splitlines()[-1] == "CODE 0 torch"
