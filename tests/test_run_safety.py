"""Two runs never share a folder, and a run that was killed anywhere resumes as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import striate.files
from striate.errors import RecipeError
from striate.files import FolderLock, write_safely
from striate.learning import Epoch
from striate.model.model import load
from striate.run import making, prepare, running

NET = "conv 4 3 stride=2; relu; flatten; linear 10"
SETTINGS = {"epochs": 2, "lr": 0.01, "fraction": 0.1}


def finished(run):
    for _ in run.events():
        pass
    return run.finish()


def weights_of(folder):
    return {name: value.clone() for name, value in load(folder / "model.safetensors").module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


GONE = 2**31 - 1  # a process that there is not


class KilledError(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


class Writes:
    """Counts what is written, and dies before or after the write of a number, or in the middle of it."""

    def __init__(self, patch):
        self.count, self.die, self.when = 0, None, "before"
        real = write_safely

        def write(path, content):
            self.count += 1
            if self.count == self.die and self.when == "before":
                raise KilledError
            if self.count == self.die and self.when == "in":
                data = content.encode() if isinstance(content, str) else content
                path.with_name(f".{7:08x}.{GONE}.part").write_bytes(data[: len(data) // 2])
                raise KilledError
            real(path, content)
            if self.count == self.die:
                raise KilledError

        for name, module in list(sys.modules.items()):
            if name.startswith("striate") and getattr(module, "write_safely", None) is real:
                patch.setattr(module, "write_safely", write)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: its weights, its history, and how many files it writes."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        writes = Writes(patch)
        run = prepare("digits", NET, settings=SETTINGS, out=folder)
        finished(run)
    return weights_of(folder), run, writes.count


@pytest.mark.parametrize(
    ("when", "step"),
    [("in", 5), *(pytest.param(when, 1, marks=pytest.mark.slow) for when in ("before", "in", "after"))],
)
def test_a_kill_at_any_write_loses_nothing(tmp_path, monkeypatch, whole, when, step):
    expected, run, count = whole
    assert count > 12
    writes = Writes(monkeypatch)
    for number in range(1, count + (when != "after"), step):  # after the last one it is finished
        folder = tmp_path / str(number)
        writes.count, writes.die, writes.when = 0, number, when
        with pytest.raises(KilledError):
            finished(prepare("digits", NET, settings=SETTINGS, out=folder))
        writes.die = None
        resume = (folder / "state/state.safetensors").is_file()
        again = prepare("digits", None if resume else NET, settings=SETTINGS, out=folder, resume=resume)
        finished(again)
        assert same(weights_of(folder), expected), number
        assert again.best_epoch == run.best_epoch
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in again.history]
        assert rows == [{key: value for key, value in row.items() if key != "seconds"} for row in run.history]
        lines = (folder / "metrics.csv").read_text().splitlines()
        assert len(lines) == 1 + SETTINGS["epochs"]
        assert not list(folder.rglob("*.part"))


def test_a_lost_progress_file_is_made_anew_from_the_state(tmp_path):
    for content in (None, "{", json.dumps({"history": [1], "best_epoch": 1, "seconds": 1, "finished": False})):
        folder = tmp_path / f"run{len(content or '')}"
        run = prepare("digits", NET, settings=SETTINGS, out=folder)
        for event in run.events():
            if isinstance(event, Epoch):
                break
        path = folder / "state/progress.json"
        path.unlink() if content is None else path.write_text(content)
        again = prepare("digits", out=folder, resume=True)
        assert [row["epoch"] for row in again.history] == [1]


def test_a_failed_resume_changes_nothing(tmp_path):
    run = prepare("digits", NET, settings=SETTINGS, out=tmp_path / "run")
    next(iter(run.events()))
    run.save_state()
    files = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RecipeError, match="another seed"):
        prepare("digits", out=tmp_path / "run", resume=True, settings={"seed": 5})
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == files


def meaning(folder):
    """What the files of a run say: tensors, and everything else to the byte (a state's metadata have no order)."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name == "state.safetensors":
            with safe_open(path, "pt") as file:
                found[path] = file.metadata(), {name: file.get_tensor(name).tolist() for name in file.keys()}  # noqa: SIM118
        elif path.is_file():
            found[path] = path.read_bytes()
    return found


FAULTS = ["read_parts", "check_split", "compare_runs", "build", "restore", "content_of", "analyse", "write_safely"]


@pytest.mark.parametrize(
    ("fault", "finished_before"),
    [
        (OSError(28, "No space left on device"), True),
        (KeyboardInterrupt(), False),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (
            (RecipeError("x"), True), (RecipeError("x"), False), (KeyboardInterrupt(), True), (OSError(28, "x"), False),
        )),
    ],
)  # fmt: skip
def test_a_resume_that_fails_anywhere_has_changed_nothing(tmp_path, fault, finished_before):
    run = prepare("digits", NET, settings=SETTINGS | {"epochs": 1}, out=tmp_path / "run")
    for _ in run.events():
        if not finished_before:
            run.save_state()
            break
    else:
        run.finish()
    before = meaning(tmp_path / "run")

    def fail(*args, **more):
        raise fault

    places = [(making, name) for name in FAULTS] + [(making.Run, "mend_files"), (running, "write_safely")]
    for where, name in places:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(where, name, fail)
            with pytest.raises(type(fault)):
                prepare("digits", out=tmp_path / "run", resume=True, settings={"epochs": 3, "lr": 0.5})
        assert meaning(tmp_path / "run") == before, name
        assert run.lock.held != finished_before, name  # whoever trains in it goes on
    again = prepare("digits", out=tmp_path / "run", resume=True, settings={"epochs": 3})
    finished(again)
    assert len(again.history) == 3


def test_a_failed_resume_leaves_the_folder_to_others(tmp_path):
    run = prepare("digits", NET, settings=SETTINGS, out=tmp_path / "run")
    next(iter(run.events()))
    run.save_state()
    run.lock.release()
    with pytest.raises(RecipeError, match="another seed"):
        prepare("digits", out=tmp_path / "run", resume=True, settings={"seed": 5})
    script = HOLDER.replace("time.sleep(60)", "")
    taken = subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], capture_output=True, check=True)
    assert taken.stdout == b"locked\n"


HOLDER = """
import sys, time
from pathlib import Path
from striate.files import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture
def another_process(tmp_path):
    """A process that has the folder ``run`` locked, as one that trains in it has."""
    (tmp_path / "run").mkdir()
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"locked\n"
    yield process
    process.kill()
    process.communicate()


def test_a_folder_in_use_is_refused_and_a_killed_process_blocks_nobody(tmp_path, another_process):
    with pytest.raises(RecipeError, match="run: another process is training in it"):
        prepare("digits", NET, settings=SETTINGS, out=tmp_path / "run")
    another_process.kill()
    another_process.wait()
    prepare("digits", NET, settings=SETTINGS, out=tmp_path / "run")


def test_in_one_process_the_later_resume_takes_over(tmp_path):
    run = prepare("digits", NET, settings=SETTINGS, out=tmp_path / "run")
    next(iter(run.events()))
    run.save_state()
    later = prepare("digits", out=tmp_path / "run", resume=True)
    with pytest.raises(RecipeError, match="was resumed meanwhile"):
        run.save_state()
    finished(later)


def pair_of_runs(folder):
    """Two runs of the same name, started at once; each ends well in a folder of its own."""
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    words = ["train", "digits", "--net", NET, "--epochs", "1", "--fraction", "0.05", "--json"]
    command = [sys.executable, "-m", "striate", *words, "--seed"]
    started = [
        subprocess.Popen([*command, str(seed)], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for seed in (1, 2)
    ]
    answers = [json.loads(process.communicate(timeout=300)[0]) for process in started]
    assert len({answer["run"] for answer in answers}) == 2
    for seed, answer in zip((1, 2), answers, strict=True):
        assert json.loads((folder / answer["run"] / "recipe.json").read_text())["seed"] == seed
        measured = subprocess.run(
            [sys.executable, "-m", "striate", "evaluate", answer["run"], "digits", "--json"],
            cwd=folder, env=env, capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        assert json.loads(measured.stdout)["accuracy"] == answer["test"]["accuracy"]


@pytest.mark.slow
def test_two_runs_at_once_never_share_a_folder(tmp_path):
    pair_of_runs(tmp_path)


@pytest.mark.slow
def test_twenty_pairs_of_runs_at_once(tmp_path):
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        pair_of_runs(folder)


def test_an_item_that_was_replaced_under_its_name_is_noticed(tmp_path, photos):
    root = photos(tmp_path / "photos", {"cat": 12, "dog": 12})
    net = "conv 2 3; relu; adaptiveavgpool 1; flatten; linear 2"
    run = prepare(root, net, settings={"epochs": 2}, out=tmp_path / "run")
    next(iter(run.events()))
    run.save_state()
    path = Path(run.held["train"].arrays.names[0])
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 0] ^= 64
    Image.fromarray(pixels).save(path)
    os.utime(path, (path.stat().st_mtime + 5,) * 2)
    with pytest.raises(RecipeError, match="at least one training item was replaced"):
        prepare(root, out=tmp_path / "run", resume=True)


def test_a_name_of_251_bytes_can_be_written(tmp_path):
    path = tmp_path / ("ü" * 123 + ".json")
    assert len(os.fsencode(path.name)) == 251
    write_safely(path, "{}")
    assert path.read_text() == "{}"


def test_what_killed_processes_left_is_removed(tmp_path):
    (tmp_path / "state").mkdir()
    for name in (f".0000002a.{GONE}.part", f"state/.0000002b.{GONE}.part", f".0000002c.{os.getppid()}.part"):
        (tmp_path / name).write_text("half")
    lock = FolderLock(Path(tmp_path))
    assert [path.name for path in tmp_path.rglob(".*.part")] == [f".0000002c.{os.getppid()}.part"]  # it may go on
    lock.release()
    assert striate.files.LOCK == "state/lock"
