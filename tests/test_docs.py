"""Every snippet of the README and of docs/ is run: Python blocks whole, console blocks against the output shown.

Console output is compared word for word, except that numbers stand for any numbers where a command trains, times or
looks into what was trained (`striate train`, `predict`, `explain` ...): the last bits of a float differ between
processors. A line ``...`` stands for any lines. ``python tests/test_docs.py [FILE...]`` writes the output that it sees
into the files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
LEARNED = tuple(
    f"striate {verb}"
    for verb in "train evaluate predict filters maps activity unit field peaks explain imagine".split()
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("docs"))


def make_folder(path: Path) -> Path:
    """Where the snippets run: a folder with the files that they take for granted."""
    from striate.datasets import open_data

    (path / "docs/pictures").mkdir(parents=True)
    test = open_data("digits").test
    seven = test.inputs[int(np.flatnonzero(test.targets == 7)[0])]
    Image.fromarray(seven).resize((64, 64), Image.Resampling.BICUBIC).save(path / "docs/pictures/seven.png")
    shutil.copy(ROOT / "docs/pictures/scene.jpg", path / "docs/pictures/scene.jpg")
    return path


SLOW = ("data-sets.md", "data.md", "export.md", "lab.md", "seeing.md", "weights.md")  # they train, or draw much


@pytest.mark.parametrize(
    "file",
    [pytest.param(f, marks=pytest.mark.slow if f.name in SLOW else ()) for f in FILES],
    ids=[file.name for file in FILES],
)
def test_every_snippet_runs(file, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    for language, body in BLOCK.findall(file.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(body, str(file), "exec"), names)
        elif language == "console":
            for command, shown in commands(body):
                assert matches(shown, run(command, folder), exact=not command.startswith(LEARNED)), command


def commands(body: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output shown below it."""
    parts = re.split(r"^\$ (.*)\n", body, flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def run(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "100"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.stdout


def matches(shown: str, seen: str, *, exact: bool) -> bool:
    """Whether the output *seen* is the one *shown*."""

    def lines(text: str) -> list[str]:
        plain = text if exact else re.sub(r"\s+best$", "", re.sub(r"-?[\d.,]+(?:e[+-]\d+)?", "#", text), flags=re.M)
        return [re.sub(r"\s+", " ", line).strip() for line in plain.strip().splitlines()]

    gap = "..." if exact else "#"
    pattern = "\n".join(".*" if line == gap else re.escape(line) for line in lines(shown))
    return re.fullmatch(pattern, "\n".join(lines(seen)), flags=re.S) is not None


def test_a_wrong_output_is_noticed():
    assert matches("a 1.5\n...\nb", "a 1.5\nx\ny\nb", exact=True)
    assert not matches("a 1.5\nb", "a 1.6\nb", exact=True)
    assert matches("a 1.5 %\nb", "a 98.6 %\nb", exact=False)
    assert not matches("a 1.5 %\nb", "a 1.5 %", exact=False)


def write_outputs(files: list[Path]) -> None:
    """Puts what the commands print into the files; where a block elides lines with ``...`` it is left as it is."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = make_folder(Path(name))
        os.chdir(folder)
        for file in files:
            text = file.read_text(encoding="utf-8")
            names: dict[str, object] = {}

            def filled(block: re.Match[str], names: dict[str, object] = names) -> str:
                if block[1] == "python":  # which may make what the commands after it take
                    exec(compile(block[2], "a block", "exec"), names)
                if block[1] != "console":
                    return block[0]
                parts = []
                for command, shown in commands(block[2]):
                    seen = run(command, folder)
                    parts.append(f"$ {command}\n{shown if '...' in shown.splitlines() else seen.rstrip() + chr(10)}")
                return "```console\n" + "\n\n".join(part.rstrip("\n") for part in parts) + "\n```"

            file.write_text(BLOCK.sub(filled, text), encoding="utf-8")


if __name__ == "__main__":
    write_outputs([Path(name).resolve() for name in sys.argv[1:]] or FILES)
