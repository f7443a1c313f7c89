"""What all tests share: one thread, small data, a small trained net, and two ways to the command line."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

collect_ignore_glob = ["*/conftest.py"]  # they have no doctests, and one name

ALL = os.environ.get("STRIATE_TEST_EXAMPLES") == "all"  # .ci/run; the fast tests alone try a third of the examples
settings.register_profile("striate", deadline=None, max_examples=100 if ALL else 34)  # a busy machine is no fault
settings.load_profile("striate")

TINY = "conv 4 3; relu; flatten; linear 10"  # learns the digits in a fraction of a second


@dataclass
class Answer:
    """What a command gave."""

    code: int
    out: str
    err: str


# Where the environment keeps compiled files from being written, each worker would compile and rewrite all tests again
# (10 s of CPU), and each command that a test starts all of striate (0.3 s).
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# No test takes the power away, so nothing need be on the disk itself, and runs of seconds flush their files hundreds of
# times. The commands that tests start do flush, and tests/test_files.py sees that it is asked for.
os.fsync = lambda file: None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What lives as long as the tests, 10,000 of them and torch, is not looked through for garbage again and again, and
    what comes later (torch's operators, syntax trees, 50 ms each time) less often: garbage was a tenth of all time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        gc.enable()


if os.environ.get("STRIATE_TEST_BITS") == "other":
    import other_bits

    other_bits.play()
THREADS = os.environ.get("STRIATE_TEST_THREADS", "1")  # tiny tensors are slower on many; .ci/run tries two as well


@pytest.fixture(autouse=True, scope="session")
def _threads():
    if find_spec("torch"):  # where a Python has none yet, the tests of what needs none can run all the same
        import torch

        torch.set_num_threads(int(THREADS))
        if not torch.accelerator.is_available():  # seeding those that there are not formats the whole stack three times
            torch.random._manual_seed_impl = lambda seed: torch.default_generator.manual_seed(int(seed))


@pytest.fixture(autouse=True, scope="session")
def _short_searches():
    """Each of hundreds of runs looks for wrong labels and weak slices at its end, which would take most of its time."""
    with pytest.MonkeyPatch.context() as patch:
        if not ALL and find_spec("torch"):
            patch.setattr("striate.learning.features.PASSES", 6)
            patch.setattr("striate.diagnosis.slices.PERMUTATIONS", 111)
        yield


@pytest.fixture(scope="session")
def photos():
    """``photos(root, {"cat": 4, "dog": 4})`` writes that many noisy images of 12x10 into each class folder."""

    def write(root, classes, mode="RGB"):
        rng = np.random.default_rng(0)
        for i, (name, n) in enumerate(classes.items()):
            (root / name).mkdir(parents=True)
            for k in range(n):
                pixels = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8) // 2 + np.uint8(127 * (i % 2))
                Image.fromarray(pixels).convert(mode).save(root / name / f"{k}.png")
        return root

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a finished run: TINY on the digits, one epoch."""
    from striate.run import prepare

    folder = tmp_path_factory.mktemp("trained") / "run"
    run = prepare("digits", TINY, settings={"epochs": 1, "lr": 0.01}, out=folder)
    for _ in run.events():
        pass
    run.finish()
    return folder


OTHERS = ("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "XDG_CACHE_HOME", "PYTHONWARNINGS")


@pytest.fixture(autouse=True, scope="session")
def _own_environment(tmp_path_factory):
    """No test reads or fills the cache of whoever runs it, or goes by their settings, colours and terminal."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name in OTHERS or (name.startswith("STRIATE_") and not name.startswith("STRIATE_TEST_")):
                patch.delenv(name)
        patch.setenv("COLUMNS", "80")
        patch.setenv("STRIATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def digit(tmp_path_factory):
    """A file with one handwritten digit."""
    from striate.datasets import open_data

    path = tmp_path_factory.mktemp("digit") / "one.png"
    Image.fromarray(open_data("digits").test.inputs[0]).save(path)
    return path


@pytest.fixture
def cli(capsys, monkeypatch):
    """``cli("check", "lenet5")`` runs the command line in this process."""
    from striate.cli import main

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["striate", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Answer(ended.value.code or 0, out, err)

    return run


@pytest.fixture(scope="session")
def shell():
    """``shell("check", "lenet5", cwd=...)`` runs the command line in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": THREADS, "MKL_NUM_THREADS": THREADS}

    def run(*words, cwd=None, **more):
        command = [sys.executable, "-m", "striate", *map(str, words)]
        env = environment | more
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=600, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    run.environment = environment
    return run


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """A fresh current directory."""
    monkeypatch.chdir(tmp_path)
    return Path(tmp_path)


@pytest.fixture
def open_to_all():
    """A temporary folder whose parents anybody may enter (pytest's own belong to one user)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def as_nobody():
    """A context in which root, who may read everything, is the user nobody."""

    @contextmanager
    def context():
        if os.name != "posix":
            pytest.skip("permissions work in another way here")
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)

    return context
