"""Whatever a file, a folder, a class or a layer is called: no verb prints what moves the cursor."""

import os
import shlex
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

NAMES = {
    "all at once": os.fsdecode("a\33[2J\r\u202e\u2066\x9b\7\u200b".encode() + b"\xe9"),
    "escape": "a\33[31mb\33]0;title\7",
    "return": "good\rbad",
    "line end": "a\nstriate: all is well",
    "tab and bell": "a\tb\7\b\b",
    "right to left": "abc\u202egnp\u2066\u200f",
    "C1": "a\x9b31m\x85b",
    "no UTF-8": os.fsdecode(b"caf\xe9\xff"),
    "251 bytes": "\u00fc" * 125 + "a",
    "blanks": "\u00a0\u2003\u200b\ufeff",
    "delete": "a\x7fb",
}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be there")


def images(folder, n=4):
    folder.mkdir(parents=True)
    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


def named(root, name, trained):
    """Everything under the name: class folders, images good and bad, tables, texts, models, networks."""
    root.mkdir()
    data = root / f"d{name}"[:80]
    images(data / name)
    images(data / "other")
    (data / name / f"{name[:60]}.png").write_bytes(b"no image")
    shutil.copy(data / name / "0.png", root / f"{name[:60]}.png")
    cell = name.replace("\n", " ").replace("\r", " ")
    text = f"file,{cell}\n{cell}.png,{cell}\nb.png,y\n"
    (root / f"{name[:60]}.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    (root / f"{name[:60]}.net").write_text(f"conv 3 3; {cell}", encoding="utf-8", errors="surrogateescape")
    (root / f"{name[:60]}.npz").write_bytes(b"PK\3\4")
    shutil.copytree(trained, root / f"r{name}"[:80])
    return {
        "data": data,
        "image": root / f"{name[:60]}.png",
        "broken": data / name / f"{name[:60]}.png",
        "none": root / f"none{name[:60]}",
        "table": root / f"{name[:60]}.csv",
        "net": root / f"{name[:60]}.net",
        "npz": root / f"{name[:60]}.npz",
        "run": root / f"r{name}"[:80],
        "out": root / f"{name[:60]}" / "x.png",
        "name": name,
    }


WORDS = """
data {data}
data {table}
data {npz}
data {none}
data {data} --json
data {data} --channels 3 -o {out}
doctor {data}
doctor {data} --json
doctor {none}
doctor {table}
check {net}
check {none}
check {image}
check {name}
check {run}
check lenet5 {net}
train {none}
train {table}
train digits {none}
train digits --out {run}
train digits --resume --out {run}
train {data} --net 'flatten; linear 2' --epochs 1 --input 8 --out {run}-2
runs
runs {run}
runs {run} --json
runs {run} {none}
runs {name}
evaluate {run} digits
evaluate {none} digits
evaluate {run} {data}
evaluate {run} {npz}
predict {run} {image}
predict {run} {broken}
predict {run} {data}
predict {run} {none}
predict {run} {data} --json
predict {run} {image} -o {out}
predict {image} {image}
zoo {name}
weights {name}
weights {net}
weights lenet5 {none}
export {run} -o {run}.py
export {none}
export {run} -o {out}
convolve {image} blur
convolve {broken} blur
convolve {none} blur
convolve {image} {name}
convolve {image} blur -o {image}
convolve {image} blur -o {out}
pool {image} 2
pool {none} 2
activation relu {image}
activation {name} {image}
filters {run}
filters {none}
filters {run} {name}
maps {run} {image}
maps {run} {broken}
maps {run} {image} {name}
activity {run} {data}
activity {run} {none}
unit {run} {image} {name}
unit {run} {broken} linear
field {run} {name}
peaks {run} {data} {name}
explain {run} {image}
explain {run} {broken}
explain {run} {image} --target {name}
explain {run} {image} --method {name}
imagine {run} {name}
view {none}
serve {none}
serve {image}
view {name}
{name}
data {data} {name}=1
train digits recipe={none}
train digits --epochs {name}
evaluate {run} {run} {data}
evaluate {run} {none} {data}
curve {data} --net {name}
curve {none}
curve digits --fractions {name}
train {data} --folds 50
lab {name} {image}
experiment {name}
""".strip().splitlines()


def test_every_verb_is_tried():
    from striate.cli.main import VERBS

    assert set(VERBS) - {words.split()[0] for words in WORDS} == set()


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name", [pytest.param(name, id=what, marks=[SLOW] * (what != "all at once")) for what, name in NAMES.items()]
)
def test_no_name_reaches_the_terminal_as_it_is(tmp_path, monkeypatch, cli, trained, name):
    places = named(tmp_path / "in", name, trained)
    monkeypatch.chdir(tmp_path)
    found = {}
    for words in WORDS:
        answer = cli(*(word.format(**places) for word in shlex.split(words)))
        raw = [c for c in answer.out + answer.err if not c.isprintable() and c != "\n"]
        if raw or answer.code not in range(5):
            found[words] = raw, answer.code
    assert not found
