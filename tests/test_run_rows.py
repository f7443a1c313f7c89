"""Tables of predictions: what they contain, that they stream, and that an interruption costs and doubles no row."""

import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

import striate
from small_onnx import both
from striate.errors import DataError, RecipeError
from striate.model.contract import Contract
from striate.model.predictor import Predictor
from striate.model.sources import Item
from striate.run.predicting import predictions
from striate.run.rows import FINISHED, RowFile, _write_parquet, note_of

GREY = Contract(("dark", "bright"), (1, 1, 1), "L", (0.5,), (0.5,))


class Brightness(Predictor):
    """The odds of bright are those of the pixel: 51 of 255 is 1 to 4. After so many batches it is interrupted."""

    def __init__(self, contract=GREY, batches=1000):
        super().__init__(contract)
        self.batches = batches

    def scores(self, inputs):
        self.batches -= 1
        if self.batches < 0:
            raise KeyboardInterrupt
        p = inputs.reshape(len(inputs), 1) / 255.0
        return np.log(np.concatenate([1 - p, p], axis=1)).astype(np.float32)


@pytest.fixture
def photos(tmp_path):
    """a.png is 51, broken.jpg none, in/b.png 204."""
    (tmp_path / "photos" / "in").mkdir(parents=True)
    Image.new("L", (3, 3), 51).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    Image.new("L", (3, 3), 204).save(tmp_path / "photos" / "in" / "b.png")
    return tmp_path / "photos"


def read(path):
    with path.open(newline="") as stream:
        return [*csv.DictReader(stream)]


@pytest.fixture
def opened_as_given(monkeypatch):
    """A predictor of the tests' own goes where a model does."""
    monkeypatch.setattr("striate.run.predicting.opened", lambda model, *_, **more: model)


def written(model, given, path, said=None, **more):
    said = [] if said is None else said
    for _ in predictions(model, given, out=path, say=said.append, **more):
        pass
    return said


@pytest.mark.usefixtures("opened_as_given")
def test_a_csv_has_a_row_for_each_file_in_order_and_the_reason_where_there_is_no_answer(photos, tmp_path):
    said = written(Brightness(), str(photos), tmp_path / "a.csv")
    rows = read(tmp_path / "a.csv")
    assert [row["file"] for row in rows] == [f"{photos}/a.png", f"{photos}/broken.jpg", f"{photos}/in/b.png"]
    assert rows[0] == {
        "file": f"{photos}/a.png", "class": "dark", "probability": "0.8", "class_2": "bright", "probability_2": "0.2",
        "out_of_distribution": "no", "error": "",
    }  # fmt: skip
    assert rows[1]["class"] == rows[1]["probability"] == ""
    assert rows[1]["error"].startswith("the image is damaged")
    assert (rows[2]["class"], rows[2]["probability"]) == ("bright", "0.8")
    assert said[-1] == f"wrote {tmp_path / 'a.csv'}: 3 rows, 1 of them with the reason why there is no prediction"
    assert not note_of(tmp_path / "a.csv").exists()


@pytest.mark.usefixtures("opened_as_given")
def test_json_lines_say_all_and_parquet_what_the_csv_says(photos, tmp_path):
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        written(Brightness(), str(photos), tmp_path / name)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [top["class"] for top in lines[0]["top"]] == ["dark", "bright"]
    assert lines[1] == {"file": f"{photos}/broken.jpg", "error": read(tmp_path / "a.csv")[1]["error"]}
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()
    texts = [
        {k: f"{v:.6g}" if isinstance(v, float) else "" if v is None else v for k, v in row.items()} for row in table
    ]
    yes_or_no = {True: "yes", False: "no", "": ""}
    assert [row | {"out_of_distribution": yes_or_no[row["out_of_distribution"]]} for row in texts] == read(
        tmp_path / "a.csv"
    )
    assert table[0]["probability"] == pytest.approx(0.8, abs=1e-6)
    assert table[0]["out_of_distribution"] is False
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.csv", "a.csv.settings.json", "a.jsonl", "a.jsonl.settings.json", "a.parquet", "a.parquet.settings.json",
        "photos",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "columns"),
    [
        ("multilabel", ["labels", "cat", "dog", "owl"]),
        ("regression", ["cat", "dog", "owl"]),
        ("segmentation", ["cat", "dog", "owl"]),
    ],
)
def test_the_columns_of_every_task(case, columns, tmp_path):
    _, path = both(case, tmp_path)
    Image.new("RGB", (20, 30), (200, 100, 50)).save(tmp_path / "x.png")
    (answer,) = striate.predict(path, tmp_path / "x.png", out=tmp_path / "a.csv", say=print)
    (row,) = read(tmp_path / "a.csv")
    assert [*row] == ["file", *columns, "error"]
    if case == "multilabel":
        assert json.loads(row["labels"]) == list(answer.labels)
        assert float(row["dog"]) == pytest.approx(dict(answer.probabilities)["dog"], abs=1e-5)
    elif case == "regression":
        assert float(row["cat"]) == pytest.approx(dict(answer.values)["cat"], rel=1e-4)
    else:
        assert sum(float(row[name]) for name in columns) == pytest.approx(1, abs=1e-5)


@pytest.mark.usefixtures("opened_as_given")
def test_names_of_classes_may_be_those_of_columns(tmp_path):
    contract = Contract(("file", "error"), (1, 1, 1), "L", (0.5,), (0.5,), task="multilabel")
    written(Brightness(contract), [np.full((1, 1), 51, np.uint8)], tmp_path / "a.parquet")
    (row,) = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [*row] == ["file", "labels", "file_", "error_", "error"]
    contract = Contract(("labels", "other"), (1, 1, 1), "L", (0.5,), (0.5,), task="multilabel")
    written(Brightness(contract), [np.full((1, 1), 255 * 3 // 4, np.uint8)], tmp_path / "a.csv")
    (row,) = read(tmp_path / "a.csv")  # their odds are 64/255 and 191/255
    assert (row["labels"], row["labels_"], row["other"]) == ("[]", f"{64 / 319:.6g}", f"{191 / 446:.6g}")


# ------------------------------------------------------------------------------------------------------ interrupted
@pytest.fixture
def many(tmp_path):
    """1,500 images of as many brightnesses, most of them alike."""
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(1500):
        path = folder / f"{i:04d}.pgm"
        path.write_bytes(b"P5 1 1 255\n" + bytes([1 + i % 250]))
    (folder / "0007.pgm").write_bytes(b"P5 1 1 255\n")  # cut short
    return folder


@pytest.mark.usefixtures("opened_as_given")
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_what_was_interrupted_goes_on_and_is_the_same_to_the_byte(suffix, many, tmp_path):
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    written(Brightness(), str(many), whole)
    with pytest.raises(KeyboardInterrupt):
        written(Brightness(batches=20), str(many), cut, said := [])  # of 24 of 64 items
    assert said == [f"{cut} is unfinished; --resume goes on with it"]
    lines = cut if suffix != ".parquet" else tmp_path / "cut.parquet.rows"
    assert json.loads(note_of(cut).read_text())["rows"] == 1024
    with lines.open("ab") as stream:
        stream.write(b'"half a line')
    with pytest.raises(RecipeError, match=r"is unfinished; go on with --resume, or remove cut\S+unfinished"):
        written(Brightness(), str(many), cut)
    model = Brightness()
    said = written(model, str(many), cut, resume=True)
    assert 1000 - model.batches == 8  # only what was left was computed
    assert cut.read_bytes() == whole.read_bytes()
    assert said[-1].endswith("1,500 rows, 1 of them with the reason why there is no prediction")
    assert not note_of(cut).exists()
    assert lines == cut or not lines.exists()
    counts = []
    said = written(Brightness(batches=0), str(many), cut, resume=True, resumed=lambda *n: counts.append(n))
    assert said == [f"{cut} is finished: 1,500 rows of this model and these items; nothing to do"]
    assert counts == [(1500, 1)]  # so that it ends with the code of the first time
    assert cut.read_bytes() == whole.read_bytes()


@pytest.mark.usefixtures("opened_as_given")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_finished_table_is_compared_as_an_unfinished_one_is(suffix, photos, tmp_path):
    out = tmp_path / f"a{suffix}"
    written(Brightness(), str(photos), out)
    before = out.read_bytes()

    def refused(message, model=None, given=photos, **more):
        with pytest.raises(RecipeError, match=message):
            written(model or Brightness(), str(given), out, resume=True, **more)
        assert out.read_bytes() == before

    refused("was begun with threshold None, now 0.7; ask for the same, or name another file", threshold=0.7)
    refused(
        "was begun with model '.*', now '.*'", Brightness(Contract(("low", "high"), (1, 1, 1), "L", (0.5,), (0.5,)))
    )
    Image.new("L", (3, 3), 9).save(photos / "z.png")
    refused(r"was made of other items \(3, now 4\); predict anew, to another file")
    (photos / "z.png").unlink()
    (photos / "a.png").rename(photos / "a0.png")
    refused(r"was made of other items \(3, now 3\)")
    (photos / "a0.png").rename(photos / "a.png")
    assert written(Brightness(batches=0), str(photos), out, resume=True)[0].endswith("nothing to do")
    before = b"somebody's own"
    out.write_bytes(before)
    refused(r"was changed since it was written; remove a\S+settings.json to keep it, or predict anew")
    note_of(out, FINISHED).write_text("{")
    refused("settings.json: cannot be read; remove it, and predict anew")
    note_of(out, FINISHED).unlink()
    assert written(Brightness(batches=0), str(photos), out, resume=True) == [
        f"{out}: left as it is; nothing beside it says with which model and settings it was made"
    ]
    written(Brightness(), str(photos), out, threshold=0.7)  # anew, without --resume
    assert written(Brightness(batches=0), str(photos), out, resume=True, threshold=0.7)[0].endswith("nothing to do")


@pytest.mark.usefixtures("opened_as_given")
def test_a_table_begun_anew_is_no_finished_one_in_between(many, tmp_path):
    written(Brightness(), str(many), tmp_path / "a.csv")
    with pytest.raises(KeyboardInterrupt):
        written(Brightness(batches=20), str(many), tmp_path / "a.csv")
    assert not note_of(tmp_path / "a.csv", FINISHED).exists()


KILLED = """
import os, signal, sys
from striate.runtime import OnnxModel
scores, left = OnnxModel.scores, int(sys.argv.pop(1))
def killed(self, inputs):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return scores(self, inputs)
OnnxModel.scores = killed
from striate.__main__ import start
start()
"""


@pytest.mark.slow
def test_a_killed_process_goes_on_from_the_command_line(many, tmp_path):
    _, model = both("grey", tmp_path)

    def run(batches, out, *more):
        words = ["predict", str(model), str(many), "-o", str(tmp_path / out), *more]
        code = [sys.executable, "-c", KILLED, str(batches)]
        done = subprocess.run([*code, *words], capture_output=True, text=True)
        return done.returncode, done.stdout

    counted = {"out": str(tmp_path / "whole.csv"), "predicted": 1500, "failed": 1}
    assert run(1000, "whole.csv", "--json") == (3, json.dumps(counted) + "\n")  # one file cannot be read
    assert run(20, "cut.csv") == (-signal.SIGKILL, "")
    counted["out"] = str(tmp_path / "cut.csv")  # that file was before the interruption
    assert run(1000, "cut.csv", "--resume", "--json") == (3, json.dumps(counted) + "\n")
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert len(read(tmp_path / "cut.csv")) == 1500


@pytest.mark.usefixtures("opened_as_given")
def test_shares_are_gone_on_with_by_themselves_and_are_the_whole(many, tmp_path):
    written(Brightness(), str(many), tmp_path / "whole.csv")
    with pytest.raises(KeyboardInterrupt):
        written(Brightness(batches=8), str(many), tmp_path / "part-2.csv", shard="2/2")
    for k in (1, 2):
        written(Brightness(), str(many), tmp_path / f"part-{k}.csv", shard=f"{k}/2", resume=True)
    assert read(tmp_path / "part-1.csv") + read(tmp_path / "part-2.csv") == read(tmp_path / "whole.csv")


@pytest.mark.usefixtures("opened_as_given")
def test_a_share_of_more_files_than_before_is_refused(many, tmp_path):
    """Its bounds may be others: files would be missing between two shares, or come twice."""
    with pytest.raises(KeyboardInterrupt):
        written(Brightness(batches=8), str(many), tmp_path / "a.csv", shard="1/2")
    (many / "9999.pgm").write_bytes(b"P5 1 1 255\n\7")
    with pytest.raises(RecipeError, match=r"a.csv was begun with items 1500, now 1501; ask for the same"):
        written(Brightness(), str(many), tmp_path / "a.csv", shard="1/2", resume=True)


@pytest.mark.usefixtures("opened_as_given")
def test_what_cannot_be_gone_on_with_is_said(many, tmp_path):
    out = tmp_path / "a.csv"

    def refused(message, given=many, **more):
        with pytest.raises(RecipeError, match=message):
            written(Brightness(), str(given), out, resume=True, **more)

    with pytest.raises(KeyboardInterrupt):
        written(Brightness(batches=20), str(many), out)
    refused("a.csv was begun with threshold None, now 0.7; ask for the same", threshold=0.7)
    refused("was begun with shard None, now '1/2'", shard="1/2")
    (many / "0001a.pgm").write_bytes(b"P5 1 1 255\n\7")
    refused("of the first 1,024 items some are others than when it was begun")
    (many / "0001a.pgm").unlink()
    shutil.copy(out, tmp_path / "kept.csv")
    out.write_bytes(b"file")
    refused("is shorter than it was; remove a.csv.unfinished, and predict anew")
    note_of(out).write_text("{")
    refused("a.csv.unfinished: cannot be read; remove it")
    with pytest.raises(RecipeError, match=r"--out \S+none/a.csv: no folder \S+none; create it first"):
        written(Brightness(), str(many), tmp_path / "none" / "a.csv")
    with pytest.raises(RecipeError, match=r"resume goes with a table, such as --out answers.csv, got None"):
        written(Brightness(), str(many), None, resume=True)


@pytest.mark.usefixtures("opened_as_given")
def test_two_processes_do_not_write_one_table(many, tmp_path):
    written(Brightness(), str(many), tmp_path / "whole.csv")
    first = predictions(Brightness(), str(many), out=tmp_path / "a.csv", say=print)
    for _ in range(1100):
        next(first)
    lying = {path: path.read_bytes() for path in tmp_path.glob("a.csv*")}
    for resume in (True, False):
        with pytest.raises(RecipeError, match=r"a.csv: another process is writing it; wait for it"):
            written(Brightness(), str(many), tmp_path / "a.csv", resume=resume)
    assert {path: path.read_bytes() for path in tmp_path.glob("a.csv*")} == lying
    first.close()
    written(Brightness(), str(many), tmp_path / "a.csv", resume=True)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(tmp_path.glob("a.csv*")) == [tmp_path / "a.csv", tmp_path / "a.csv.settings.json"]


@pytest.mark.usefixtures("opened_as_given")
def test_rows_are_on_the_disk_before_the_note_that_tells_of_them(many, tmp_path, monkeypatch):
    order, sizes = [], {}

    def on_disk(file):
        about = os.fstat(file)
        sizes[about.st_ino] = about.st_size

    def noted(path, content):
        order.append((json.loads(content)["bytes"], sizes.get((tmp_path / "a.parquet.rows").stat().st_ino)))
        path.write_text(content)

    (tmp_path / "a.parquet.rows").touch()
    monkeypatch.setattr("os.fsync", on_disk)
    monkeypatch.setattr("striate.run.rows.write_safely", noted)
    written(Brightness(), str(many), tmp_path / "a.parquet")
    assert order[0] == (0, None)
    assert len(order) == 3
    assert order[2][0] == order[2][1]
    assert order[1][0] == order[1][1] > 1024  # bytes
    assert sizes[(tmp_path / "a.parquet").stat().st_ino] == (tmp_path / "a.parquet").stat().st_size


@pytest.mark.usefixtures("opened_as_given")
def test_killed_between_the_last_steps_a_complete_table_is_not_gone_on_with(photos, tmp_path, monkeypatch):
    removed, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **more: removed.append(path.name) or unlink(path, **more))
    written(Brightness(), str(photos), tmp_path / "a.parquet")
    assert [name for name in removed if name.startswith("a.") and not name.endswith(".part")] == [
        "a.parquet.settings.json",  # none was there
        "a.parquet.rows",
        "a.parquet.lock",
    ]


@pytest.mark.usefixtures("opened_as_given")
def test_a_table_that_cannot_be_opened_leaves_no_note(photos, tmp_path):
    (tmp_path / "a.csv").mkdir()
    (tmp_path / "b.parquet.rows").mkdir()
    lying = {*tmp_path.iterdir()}
    with pytest.raises(RecipeError, match=r"a.csv is a folder; name a file"):
        written(Brightness(), str(photos), tmp_path / "a.csv")
    with pytest.raises(OSError):
        written(Brightness(), str(photos), tmp_path / "b.parquet")
    assert {*tmp_path.iterdir()} == lying


def test_names_that_are_no_utf_8_cost_a_character_and_not_the_table(tmp_path):
    path = tmp_path / "a.parquet"
    with RowFile(path, {"class": ""}, {}, batch_size=1) as rows:
        rows.add(Item("", "caf\udce9.png"), DataError("caf\udce9.png: is none"))
    (row,) = pyarrow.parquet.read_table(path).to_pylist()
    assert row == {"file": r"caf\udce9.png", "class": None, "error": "is none"}
    (tmp_path / "b.rows").write_text("[1]\n")
    with pytest.raises(pyarrow.ArrowException):
        _write_parquet(tmp_path / "b.rows", tmp_path / "b.parquet", {"file": ""})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "a.parquet.settings.json", "b.rows"]


def test_parquet_without_pyarrow(photos, tmp_path, monkeypatch):
    _, model = both("grey", tmp_path)
    monkeypatch.setattr("striate.run.rows.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"needs the package pyarrow: pip install pyarrow; or write .csv or .jsonl"):
        striate.predict(model, photos, out=tmp_path / "a.parquet")


# ------------------------------------------------------------------------------------------------------ it streams
@pytest.mark.usefixtures("opened_as_given")
def test_an_endless_source_is_answered_as_it_comes():
    taken = 0

    def endless():
        nonlocal taken
        for taken in itertools.count(1):
            yield np.full((1, 1), 1 + taken % 250, np.uint8)

    answers = predictions(Brightness(), endless(), batch_size=10)
    assert len([*itertools.islice(answers, 500)]) == 500
    assert taken <= 500 + 4 * 10


@pytest.mark.usefixtures("opened_as_given")
def test_a_folder_is_read_as_it_goes(many, monkeypatch):
    """The first answers are there before most files have been opened."""
    opened = []
    monkeypatch.setattr("striate.model.sources.prepared", lambda p, c: opened.append(p) or np.ones((1, 1, 1), np.uint8))
    first = next(iter(predictions(Brightness(), str(many))))
    assert first[0].file == f"{many}/0000.pgm"
    assert len(opened) <= 4 * 64
