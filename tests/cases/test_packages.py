"""Spreadsheets, Parquet and HDF5, written by the packages that people write them with."""

import datetime
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_tables_cases import pictures, written

from striate.datasets import open_data
from striate.datasets.sources.archives import written_images
from striate.datasets.sources.rows import read_table
from striate.errors import DataError


def spreadsheet(path, rows, sheets=("Sheet1",), before=()):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = sheets[0]
    for row in (*before, *rows):
        book.active.append(row)
    for name in sheets[1:]:
        book.create_sheet(name).append(["something", "else"])
    book.save(path)
    return path


def parquet(path, rows, **_):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    titles, *cells = rows
    write_table(pyarrow.table(dict(zip(titles, map(list, zip(*cells, strict=True)), strict=True))), path)
    return path


KINDS = {".xlsx": spreadsheet, ".parquet": parquet}


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize(
    ("titles", "value", "task", "classes"),
    [
        (("file", "label"), lambda i: ["cat", "dog"][i % 2], "classification", ("cat", "dog")),
        (("Bild", "Befund"), lambda i: ["auffällig", "normal"][i % 2], "classification", ("auffällig", "normal")),
        (("image", "price"), lambda i: 9.5 + i, "regression", ("price",)),
        (("image", "Price"), lambda i: 900 + i * i, "regression", ("Price",)),
        (("file", "class"), lambda i: i % 3, "classification", ("0", "1", "2")),
        (("file", "label"), lambda i: float(i % 3), "classification", ("0", "1", "2")),
        (("file", "labels"), lambda i: ["red|big", "red", "big"][i % 3], "multilabel", ("big", "red")),
        (("photo", "survived"), lambda i: bool(i % 2), "classification", ("False", "True")),
    ],
)
def test_the_same_as_text_and_by_a_package(tmp_path, suffix, titles, value, task, classes):
    pictures(tmp_path, [f"{i}.png" for i in range(18)])
    rows = [list(titles), *([f"{i}.png", value(i)] for i in range(18))]
    data = open_data(KINDS[suffix](tmp_path / f"t{suffix}", rows))
    assert (data.task, data.classes) == (task, classes)
    text = open_data(written(tmp_path / "t.csv", rows))
    assert text.task == data.task
    assert text.train.names == data.train.names
    assert np.array_equal(np.asarray(text.train.targets), np.asarray(data.train.targets))


@pytest.mark.parametrize("suffix", KINDS)
def test_empty_cells_dates_and_texts(tmp_path, suffix):
    rows = [["text", "day", "sentiment"]]
    rows += [[f"film {i} was as long as ever", datetime.date(2024, 1, 1 + i), "np"[i % 2]] for i in range(20)]
    assert open_data(KINDS[suffix](tmp_path / f"t{suffix}", rows)).classes == ("n", "p")
    rows[5][2] = None
    data = open_data(KINDS[suffix](tmp_path / f"t{suffix}", rows))
    assert data.skipped == ((f"t{suffix} line 6", "the label in the column 'sentiment' is empty"),)


def test_a_spreadsheets_first_sheet_and_its_empty_rows(tmp_path):
    pictures(tmp_path, [f"{i}.png" for i in range(10)])
    rows = [["file", "label"], *([f"{i}.png", "ab"[i % 2]] for i in range(10)), [None, None], []]
    path = spreadsheet(tmp_path / "t.xlsx", rows, ("Daten", "Legende"), before=[[None], [None, None]])
    data = open_data(path)
    assert data.classes == ("a", "b")
    assert "t.xlsx has 2 sheets; the first is read: 'Daten'" in data.notes
    assert open_data(tmp_path).classes == ("a", "b")  # the folder of it


def test_a_sheet_of_remarks_before_the_table_is_passed_over(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "read me"
    book.active.append(["What the columns mean"])
    sheet = book.create_sheet("data")
    for row in (["Review", "Sentiment"], ["a fine film", "pos"], ["a bad film", "neg"], ["so fine", "pos"]):
        sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert (table.titles, len(table.rows)) == (("Review", "Sentiment"), 3)
    assert table.notes == ("t.xlsx has 2 sheets; the first that is a table is read: 'data'",)


def encoded(seed, format="PNG"):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def parquet_of(path, contents, labels, names=()):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    said = {"huggingface": json.dumps({"info": {"features": features}})} if names else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table({"image": contents, "label": labels}).replace_schema_metadata(said), path)


@pytest.mark.parametrize("wrap", [lambda content: content, lambda content: {"bytes": content, "path": "1.png"}])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_parquet_file_of_images_themselves(tmp_path, monkeypatch, wrap, format):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    contents = [wrap(encoded(i, format)) for i in range(10)]
    parquet_of(tmp_path / "t.parquet", contents, [0, 1] * 5, ["plane", "bird"])
    data = open_data(tmp_path / "t.parquet")
    assert (data.classes, data.input, len(data.train) + len(data.test)) == (("bird", "plane"), (3, 6, 8), 10)
    named = {name: label for part in data.parts.values() for name, label in zip(part.names, part.targets, strict=True)}
    assert [named[name] for name in sorted(named)] == [1, 0] * 5  # the classes are those of the metadata
    assert [Path(name).read_bytes() for name in sorted(named)] == [encoded(i, format) for i in range(10)]
    monkeypatch.setenv("STRIATE_CACHE", "off")
    with pytest.raises(DataError, match="STRIATE_CACHE=off keeps none"):
        open_data(tmp_path / "t.parquet")


def test_the_parts_of_a_parquet_table_as_hugging_face_has_them(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    for n, name in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
        images = [{"bytes": encoded(10 * n + i), "path": None} for i in range(6)]
        images[5] = {"bytes": None, "path": None}
        parquet_of(tmp_path / "hub" / "data" / f"{name}.parquet", images, [0, 1, -1, 1, 0, 1], ["a", "b"])
    (tmp_path / "hub" / "README.md").write_text("# of the data")
    data = open_data(tmp_path / "hub")
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 8, "test": 4}
    assert data.name == "data"  # the folder of its parts
    assert len(data.skipped) == 6  # of each file one without a label, one without an image
    assert "train-00000-of-00002.parquet is read with the other 1 of its parts" in data.notes


def contents(data):
    return {Path(name).read_bytes() for part in data.parts.values() for name in part.names}


def test_the_images_of_a_part_that_is_rewritten_are_those_of_its_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    names = [tmp_path / "hub" / f"train-0000{n}-of-00002.parquet" for n in range(2)]
    for n, name in enumerate(names):
        parquet_of(name, [encoded(10 * n + i) for i in range(6)], [0, 1] * 3)
    assert contents(open_data(tmp_path / "hub")) == {encoded(10 * n + i) for n in range(2) for i in range(6)}
    parquet_of(names[1], [encoded(50 + i) for i in range(6)], [1, 0] * 3)
    assert contents(open_data(tmp_path / "hub")) == {encoded(n + i) for n in (0, 50) for i in range(6)}


def test_a_part_that_is_not_there_is_noted(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    parquet_of(tmp_path / "train-00000-of-00003.parquet", [encoded(i) for i in range(6)], [0, 1] * 3)
    notes = open_data(tmp_path / "train-00000-of-00003.parquet").notes
    assert "train-00000-of-00003.parquet: of 3 parts, not there: 00001, 00002" in notes


def test_columns_whose_names_differ_in_punctuation_alone_have_their_own_images(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    table = tmp_path / "t.parquet"
    table.write_bytes(b"two columns")
    (one,), (other,) = (written_images([table], name, [encoded(i)]) for i, name in enumerate(("img 1", "img_1")))
    assert (Path(one).read_bytes(), Path(other).read_bytes()) == (encoded(0), encoded(1))


def test_images_beyond_the_limit_of_the_cache_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STRIATE_CACHE_LIMIT", "100")
    parquet_of(tmp_path / "t.parquet", [encoded(i) for i in range(6)], [0, 1] * 3)
    with pytest.raises(DataError, match=r"'image' take .* more than the 100 bytes .*write them into files"):
        open_data(tmp_path / "t.parquet")


def test_a_parquet_file_of_sounds_says_that_they_are_no_images(tmp_path):
    parquet_of(tmp_path / "t.parquet", [b"RIFF1234WAVEfmt " + bytes(90)] * 4, [0, 1, 0, 1])
    with pytest.raises(DataError, match="the column 'image' contains the files themselves") as caught:
        open_data(tmp_path / "t.parquet")
    assert len(str(caught.value)) < 400 + 2 * len(str(tmp_path))


def test_a_first_sheet_of_one_column_is_a_table(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["file"], ["a.png"], ["b.png"]):
        book.active.append(row)
    notes = book.create_sheet("notes")
    for row in (["who", "when"], ["Ada", "May"], ["Bob", "June"]):
        notes.append(row)
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert (table.titles, table.rows) == (("file",), [["a.png"], ["b.png"]])


def test_numbers_of_parquet_and_json_are_the_same_cells(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = [1.0, 2.5, float("nan"), None]
    parquet.write_table(pyarrow.table({"label": pyarrow.array(values), "n": [1, 2, 3, 4]}), tmp_path / "t.parquet")
    lines = (json.dumps({"label": value, "n": n}) for n, value in enumerate(values, 1))
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    for name in ("t.parquet", "t.jsonl"):
        assert read_table(tmp_path / name).rows == [["1", "1"], ["2.5", "2"], ["", "3"], ["", "4"]]


@pytest.mark.parametrize("suffix", [".xlsx", ".parquet", ".h5"])
@pytest.mark.parametrize("content", [b"", b"PK\3\4 and no more", b"PAR1", b"\x89HDF\r\n\x1a\n", bytes(5000)])
def test_damage_is_one_message(tmp_path, suffix, content):
    pytest.importorskip({".xlsx": "openpyxl", ".parquet": "pyarrow", ".h5": "h5py"}[suffix])
    path = tmp_path / f"t{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"^\S+: .*(damaged|empty|not readable)"):
        open_data(path)


HDF5 = [
    ("x", "y", ""), ("images", "labels", ""), ("data", "label", ""), ("x_train", "y_train", "test"),
    ("train_set_x", "train_set_y", "test"), ("train/images", "train/labels", "test"), ("X", "Y", ""),
]  # fmt: skip


@pytest.mark.parametrize(("x", "y", "test"), HDF5)
@pytest.mark.parametrize("packed", [None, "gzip"])
def test_hdf5(tmp_path, x, y, test, packed):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset(x, data=rng.integers(0, 256, (30, 8, 8, 3), np.uint8), compression=packed)
        file.create_dataset(y, data=np.arange(30) % 3, compression=packed)
        if test:
            file.create_dataset(x.replace("train", test), data=rng.integers(0, 256, (6, 8, 8, 3), np.uint8))
            file.create_dataset(y.replace("train", test), data=np.arange(6) % 3)
    data = open_data(tmp_path / "t.h5")
    assert (data.input, data.classes) == ((3, 8, 8), ("0", "1", "2"))
    assert (len(data.train), len(data.test)) == ((30, 6) if test else (24, 6))
    assert open_data(tmp_path).classes == data.classes


def test_hdf5_names_its_classes(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "cats.h5", "w") as file:
        file["train_set_x"] = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
        file["train_set_y"] = np.arange(20) % 2
        file["list_classes"] = np.array([b"non-cat", b"cat"])
    assert open_data(tmp_path / "cats.h5").classes == ("non-cat", "cat")


def test_a_table_of_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pytest.importorskip("openpyxl")
    pictures(tmp_path, [f"{i}.png" for i in range(12)])
    frame = pandas.DataFrame({"file": [f"{i}.png" for i in range(12)], "label": pandas.Categorical([*"abc"] * 4)})
    frame.to_parquet(tmp_path / "p.parquet")
    frame.to_excel(tmp_path / "e.xlsx")  # with a column of row numbers before it
    frame.to_csv(tmp_path / "c.csv")
    found = [open_data(tmp_path / name) for name in ("p.parquet", "e.xlsx", "c.csv")]
    assert {data.classes for data in found} == {("a", "b", "c")}
    assert len({tuple(data.train.targets.tolist()) for data in found}) == 1


def test_nifti_volumes_in_class_folders(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    values = np.random.default_rng(0).normal(size=(20, 6, 5, 4)).astype(np.float32)
    for i, volume in enumerate(values):
        path = tmp_path / "healthy tumour".split()[i % 2] / f"{i:02}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        turned = i % 3 == 0  # stored from right to left, which the header says
        image = nibabel.Nifti1Image(volume[::-1] if turned else volume, np.diag([1 - 2 * turned, 1, 1, 1]))
        nibabel.save(image, path)
    (tmp_path / "healthy" / "99.nii.gz").write_bytes(b"no volume")
    data = open_data(tmp_path)
    assert (data.mode, data.input, data.why) == ("values", (1, 6, 5, 4), "from class folders of .nii.gz files")
    assert [Path(name).name for name, _ in data.skipped] == ["99.nii.gz"]
    for part in data.parts.values():
        for name, item in zip(part.names, part.arrays, strict=True):
            assert np.array_equal(item[0], values[int(Path(name).name[:2])])
