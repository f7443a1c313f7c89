"""A file is whole, before, while and after it is written anew: whatever goes wrong in between."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from striate.files import cache_folder, near_path, write_safely


def folder_of(path):
    return sorted(p.name for p in path.parent.iterdir())


@pytest.mark.parametrize("content", ["a text, ž 猫\n", b"\x00\xff\r\n", "", b""])
def test_what_is_written_is_read(tmp_path, content):
    path = tmp_path / "a name, ž.txt"
    write_safely(path, "old")
    write_safely(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert folder_of(path) == [path.name]


def test_a_name_that_is_no_utf8_costs_a_character_not_the_file(tmp_path):
    write_safely(tmp_path / "a", "photo \udce4.png")
    assert (tmp_path / "a").read_text() == "photo \\udce4.png"


@pytest.mark.parametrize("step", ["write", "flush", "fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()], ids=repr
)
def test_a_fault_on_the_way_leaves_the_old_file_whole(tmp_path, monkeypatch, step, error):
    path = tmp_path / "model"
    write_safely(path, "old")

    def fail(*args):
        raise error

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        opened = Path.open

        def open_failing(self, *args, **more):
            return Half(opened(self, *args, **more), step, fail)

        monkeypatch.setattr(Path, "open", open_failing)
    with pytest.raises(type(error)) as caught:
        write_safely(path, "new" * 1000)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert folder_of(path) == ["model"]
    if isinstance(error, OSError):
        assert caught.value.filename == str(path)
        assert caught.value.strerror == "No space left on device"


class Half:
    """A file whose *step* fails after half of the bytes are on the disk."""

    def __init__(self, file, step, fail):
        self.file = file
        setattr(self, step, fail)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data):
        self.file.write(data)

    def flush(self):
        self.file.flush()

    def fileno(self):
        return self.file.fileno()


def test_killed_between_writing_and_renaming(tmp_path):
    """SIGKILL leaves the old file whole, and the next writing is not disturbed by what lies about."""
    path = tmp_path / "model"
    write_safely(path, "old")
    script = (
        "import os, signal, sys; from pathlib import Path; from striate.files import write_safely\n"
        "Path.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_safely(Path(sys.argv[1]), 'new')"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(folder_of(path)) == 2  # the neighbour shows that it was killed in between
    write_safely(path, "newer")
    assert path.read_text() == "newer"


def test_the_error_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_safely(tmp_path / "no such" / "model", "x")
    assert caught.value.filename == str(tmp_path / "no such" / "model")


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    order = []
    replace, fsync = Path.replace, os.fsync
    monkeypatch.setattr(Path, "replace", lambda *a: (order.append("rename"), replace(*a))[1])
    monkeypatch.setattr(os, "fsync", lambda f: (order.append("fsync"), fsync(f))[1])
    write_safely(tmp_path / "a", "x")
    assert order[:2] == ["fsync", "rename"]


@pytest.mark.parametrize(
    ("set_to", "wanted"),
    [
        ({"STRIATE_CACHE": "/big/disk", "XDG_CACHE_HOME": "/xdg"}, "/big/disk"),
        ({"STRIATE_CACHE": "~/mine"}, "/home/ann/mine"),
        ({"STRIATE_CACHE": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/striate"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/ann/.cache/striate"),
        ({"XDG_CACHE_HOME": ""}, "/home/ann/.cache/striate"),
        ({}, "/home/ann/.cache/striate"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="other variables there")
def test_where_the_cache_is(monkeypatch, set_to, wanted):
    for name in ("STRIATE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ann")
    for name, value in set_to.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(wanted)


def test_a_cache_beside_the_work_stays_where_it_is(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_CACHE", "kept")
    assert cache_folder() == tmp_path / "kept"


def test_a_misspelt_part_of_a_path_is_found(tmp_path):
    (tmp_path / "photos" / "train").mkdir(parents=True)
    (tmp_path / "photos" / "train" / "a.png").write_bytes(b"")
    there = tmp_path / "photos" / "train" / "a.png"
    assert near_path(there) == ""  # what is there means itself
    assert near_path(tmp_path / "phtos" / "train" / "a.png") == str(there)
    assert near_path(tmp_path / "photos" / "trian") == str(tmp_path / "photos" / "train")
    assert near_path(tmp_path / "photo" / "test") == str(tmp_path / "photos")  # what is behind it is not there either
    assert near_path(tmp_path / "holidays") == near_path("x" * 5000) == near_path("a\0b") == near_path("") == ""
