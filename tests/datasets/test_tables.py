import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.datasets import open_data
from striate.datasets.sources.rows import read_table
from striate.datasets.sources.tables import is_tables, open_tables
from striate.errors import DataError
from striate.tasks import task_named

POLARITY = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "polarity"
TWO = ("a.png", "b.png")
CORRECT = (
    "; correct or remove it; without a column of classes, numbers are regression targets; "
    "a column of classes is called label, or is named with --label COLUMN"
)
QUOTE = "; write one inside a quoted cell twice, and close the cell"


def opened(path, task=None):
    return open_tables(path, task and task_named(task))


def message(path, task=None):
    with pytest.raises(DataError) as caught:
        opened(path, task)
    return str(caught.value).replace(str(path), "TABLE").replace(str(path.parent), "FOLDER")


def test_files_and_labels(table, tmp_path):
    data = opened(table("file,label\nb.png,dog\na.png,cat\n", files=TWO))
    assert (data.name, data.task, data.classes) == ("pets", "classification", ("cat", "dog"))
    assert data.train.inputs == (tmp_path / "b.png", tmp_path / "a.png")
    assert data.train.targets.tolist() == [1, 0]
    assert data.train.targets.dtype == np.int64
    assert data.train.names == (str(tmp_path / "b.png"), str(tmp_path / "a.png"))
    assert (data.mode, data.input, data.notes) == ("RGB", (3, 6, 8), ())
    assert data.why == "from the column 'label' of pets.csv"
    assert data.val is None
    assert data.test is None


def test_files_and_a_number(table):
    data = opened(table("file,Age\na.png,3\nb.png,-1.5e1\n", files=TWO))
    assert (data.task, data.classes, data.positions) == ("regression", ("Age",), ())
    assert data.train.targets.tolist() == [[3], [-15]]
    assert data.train.targets.dtype == np.float32
    assert data.why == "from the column 'Age' of pets.csv"


def test_files_and_positions(table):
    text = "image,x,nose_y,Nose_X,y,size,tail_x\na.png,1,2,3,4,5,6\nb.png,7,8,9,10,11,12\n"
    data = opened(table(text, files=TWO))
    assert data.classes == ("x", "nose_y", "Nose_X", "y", "size", "tail_x")
    assert data.positions == ((0, 3), (2, 1))
    assert data.why == "from the columns 'x', 'nose_y', 'Nose_X', 'y', 'size' and 1 more of pets.csv"


def test_texts_and_labels(table):
    data = opened(table('text,label\n"good, very good",yes\nbad,no\n'))
    assert (data.task, data.mode, data.classes) == ("classification", "text", ("no", "yes"))
    assert data.train.inputs == ("good, very good", "bad")
    assert data.train.names == ("pets.csv line 2", "pets.csv line 3")
    assert data.input == (5,)  # the widest kernel of a text network, though the longest has four
    assert data.notes == ("texts are padded or cut to 5 words (longest: 4)",)


def test_texts_and_a_number(table):
    data = opened(table("review,stars\ngood,4.5\nbad,1\n"))
    assert (data.task, data.mode, data.classes) == ("regression", "text", ("stars",))
    assert data.positions == ()


def test_x_and_y_of_a_text_are_no_positions(table):
    assert opened(table("text,x,y\ngood,4.5,1\nbad,1,1\n")).positions == ()


def test_several_labels(table):
    files = ("a.png", "b.png", "c.png", "d.png")
    data = opened(table("file,labels\na.png,red|big\nb.png,\nc.png, small ; red;red\nd.png,big\n", files=files))
    assert (data.task, data.classes) == ("multilabel", ("big", "red", "small"))
    assert data.train.targets.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert data.train.targets.dtype == np.uint8


def test_the_length_of_texts_is_that_of_99_in_100(table):
    rows = "".join(f"{'word ' * (7 if i else 500)},{i % 2}\n" for i in range(200))
    data = opened(table("text,label\n" + rows))
    assert data.input == (7,)
    assert data.notes == (
        "texts are padded or cut to 7 words (longest: 500); 1 of 200 training texts are longer and are cut",
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimiters_line_ends_and_the_mark_of_utf_8(table, delimiter, end, mark):
    text = 'text,label\n"kočka; a, b\tc",ano\n\n"""ne""",ne\n,,\n'.replace(",,\n", "\n")
    rows = list(csv.reader(text.splitlines()))
    lines = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    data = opened(table(mark + (end.join(lines) + end).encode()))
    assert data.train.inputs == ("kočka; a, b\tc", '"ne"')
    assert data.classes == ("ano", "ne")
    assert data.train.names == ("pets.csv line 2", "pets.csv line 4")


def test_a_quoted_cell_over_several_lines_counts_them(table):
    path = table('text,label\n"one\ntwo\n",a\nthree,b\nfour\n')
    assert message(path).startswith("TABLE: line 6: 1 cell, but the header has 2;")
    path = table('text,label\n"one\r\ntwo",a\r\nthree,b\r\n')
    assert opened(path).train.inputs[0] == "one\r\ntwo"
    assert opened(path).train.names == ("pets.csv line 2", "pets.csv line 4")


def test_a_decimal_comma_where_it_separates_nothing(table):
    assert opened(table("file;age\na.png;3,5\nb.png;2\n", files=TWO)).train.targets.tolist() == [[3.5], [2]]


@pytest.mark.parametrize("header", ["FILE,Label", "path,class", "filename,Category", "image , target", "Image,labels"])
def test_the_names_that_people_use(table, header):
    assert opened(table(f"{header}\na.png,cat\nb.png,dog\n", files=TWO)).classes == ("cat", "dog")


@pytest.mark.parametrize("header", ["sentence,label", "review,class", "TEXT,target"])
def test_the_names_that_people_use_for_texts(table, header):
    assert opened(table(f"{header}\ngood,cat\nbad,dog\n")).mode == "text"


def test_columns_that_are_not_used_are_noted(table):
    data = opened(table(",file,width,label\n0,a.png,3,cat\n1,b.png,4,dog\n", files=TWO))
    assert data.notes == ("columns not used: 'width'",)
    data = opened(table("id,file,age\n0,a.png,3\n1,b.png,4\n", files=TWO))
    assert data.classes == ("age",)
    assert data.notes == ("columns not used: 'id'",)


def test_whole_numbers_as_labels_are_classes_in_their_order(table):
    data = opened(table("text,label\na,10\nb,9\nc,0\n"))
    assert (data.task, data.classes) == ("classification", ("0", "9", "10"))
    assert data.train.targets.tolist() == [2, 1, 0]


def test_many_whole_numbers_may_be_amounts(table):
    data = opened(table("text,label\n" + "".join(f"word,{i}\n" for i in range(30))))
    assert data.task == "classification"
    assert data.notes[1] == ("30 whole numbers in 'label' are taken as classes; if they are amounts: --task regression")


def test_numbers_that_are_not_whole_are_predicted(table):
    path = table("text,target\na,1\nb,0.5\nc,2\n")
    assert opened(path).task == "regression"
    assert opened(path).classes == ("target",)


def test_another_task(table):
    path = table("text,label\na,1\nb,2\n")
    data = opened(path, "regression")
    assert (data.task, data.train.targets.tolist()) == ("regression", [[1], [2]])
    assert data.why == "from the column 'label' of pets.csv, as requested"
    assert opened(path, "multilabel").train.targets.tolist() == [[1, 0], [0, 1]]
    path = table("text,label\na,food; drink\nb,fun\n")
    assert opened(path).classes == ("drink", "food", "fun")
    assert opened(path, "classification").classes == ("food; drink", "fun")
    path = table("text,stars\na,4\nb,0.5\n")
    assert opened(path, "classification").classes == ("0.5", "4")


def test_columns_of_0_and_1(table):
    path = table("file,red,big\na.png,1,0\nb.png,1,1\n", files=(*TWO, "c.png"))
    data = opened(path)
    assert (data.task, data.classes) == ("multilabel", ("red", "big"))
    assert data.notes == (
        "every row of 'red', 'big' is of 0 and 1, so each column is a label; if they are amounts: --task regression",
    )
    assert opened(path, "regression").task == "regression"
    path.write_text("file,red,big\na.png,1,0\nb.png,1,1\nc.png,0,0\n")
    data = open_data(path, task="multilabel")
    assert (data.task, data.classes) == ("multilabel", ("red", "big"))
    assert sorted(map(tuple, [*data.train.targets.tolist(), *data.test.targets.tolist()])) == [(0, 0), (1, 0), (1, 1)]
    with pytest.raises(DataError, match="not for segmentation"):
        open_data(path, task="segmentation")


def test_parts_by_a_column(table):
    text = "text,label,Split\na,x,train\nb,y,Training\nc,y,valid\nd,x,TEST\n"
    data = opened(table(text))
    assert [part.inputs for part in (data.train, data.val, data.test)] == [("a", "b"), ("c",), ("d",)]
    assert data.test.names == ("pets.csv line 5",)
    assert data.val.targets.tolist() == [1]
    assert not any("split" in note for note in data.notes)


def test_parts_by_files(table, tmp_path):
    table("text,label\na,x\nb,y\n", "set/train.csv")
    table("label;text\ny;c\n", "set/val.csv")
    table("text\tlabel\nd\tx\n", "set/test.tsv")
    data = open_data(tmp_path / "set")
    assert (data.name, data.classes) == ("set", ("x", "y"))
    assert [part.inputs for part in (data.train, data.val, data.test)] == [("a", "b"), ("c",), ("d",)]
    assert data.val.targets.tolist() == [1]
    assert data.test.names == ("test.tsv line 2",)


def test_the_only_table_of_a_folder(table, tmp_path, picture):
    files = [f"images/{i}.png" for i in range(4)]
    table("file,label\n" + "".join(f"{file},{i % 2}\n" for i, file in enumerate(files)), "set/what.csv", files)
    picture(tmp_path / "set" / "masked.png")
    data = open_data(tmp_path / "set")
    assert (data.name, len(data.train), len(data.test)) == ("what", 2, 2)


def test_class_folders_beside_a_table_of_something_else(table, tmp_path, class_folders):
    class_folders(tmp_path / "set", cat=2, dog=2)
    table("class,count\ncat,2\ndog,2\n", "set/counts.csv")
    assert open_data(tmp_path / "set").why == "from class folders"
    table("class,count\ncat,2\ndog,2\n", "set/more.csv")
    assert open_data(tmp_path / "set").why == "from class folders"


def test_several_tables(table, tmp_path):
    for name in ("a.csv", "b.csv"):
        table("text,label\na,x\n", name)
    with pytest.raises(DataError) as caught:
        is_tables(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: several tables (a.csv, b.csv), none called train.csv; rename one or name the file"
    )
    table("text,label\na,x\n", "train.csv")
    table("text,label\na,x\n", "Train.tsv")
    with pytest.raises(DataError, match=r"both Train.tsv and train.csv are the train split; keep one"):
        is_tables(tmp_path)


def test_a_part_in_other_columns_or_classes(table, tmp_path):
    files = {"train": table("text,label\na,x\nb,y\n", "train.csv"), "test": table("text,lable\na,x\n", "test.csv")}
    with pytest.raises(DataError) as caught:
        open_tables(files["train"].parent)
    assert str(caught.value) == f"{files['test']}: no column 'label', which train.csv has; did you mean 'lable'?"
    table("text,label\na,x\nb,w\nc,z\nd,w\n", "test.csv")
    with pytest.raises(DataError) as caught:
        open_tables(files["train"].parent)
    assert str(caught.value) == (
        f"{files['test']}: class(es) that the training split lacks: 'w' (line 3), 'z' (line 4); rename or remove them "
        "(it has 'x', 'y')"
    )


def test_paths(table, tmp_path, picture):
    far = picture(tmp_path / "far" / "away.png")
    path = table(f"file,label\nsub\\a.png,x\n{far},y\nžluť 犬.png,x\n", "set/t.csv", ("sub/a.png", "žluť 犬.png"))
    assert [file.name for file in opened(path).train.inputs] == ["a.png", "away.png", "žluť 犬.png"]


def test_channels_are_those_of_the_files(table, tmp_path):
    for i in range(2):
        Image.new("L", (4, 4), i).save(tmp_path / f"{i}.png")
    path = table("file,label\n0.png,x\n1.png,y\n")
    assert (opened(path).mode, opened(path).input) == ("L", (1, 4, 4))


BAD = {
    "empty": ("", "TABLE: the table is empty; begin it with a header such as file,label"),
    "blank": ("\ufeff \r\n\n", "TABLE: the table is empty; begin it with a header such as file,label"),
    "no rows": ("file,label\n", "TABLE: a header and no rows; add some"),
    "a misspelt header": (
        "\nfilenme,label\nc,cat\n",
        "TABLE: line 2: no header that names a column of files or texts, but 'filenme', 'label'; by 'filenme', did you "
        "mean 'filename'?; begin the table with one, such as file,label or text,label, or name the column with "
        "--file or --text",
    ),
    "two inputs": (
        "file,text,label\na.png,b,cat\n",
        "TABLE: line 1: both 'file' and 'text' could be the input; name one: --file file, or --text text",
    ),
    "two labels": (
        "file,label,class\na.png,b,cat\n",
        "TABLE: line 1: the columns 'label', 'class' mean the same thing; name one with --label label",
    ),
    "nothing to be answered": (
        "id,file\n1,a.png\n",
        "TABLE: line 1: no column of targets beside 'file'; add one called label (classes), or "
        "columns of numbers",
    ),
    "a name twice": ("file,label,Label\na.png,b,c\n", "TABLE: line 1: the header names 'label' twice; rename one"),
    "too few cells": (
        "file,label\na.png,cat\nb.png\n",
        "TABLE: line 3: 1 cell, but the header has 2; put a cell that contains a comma into quotation marks",
    ),
    "too many cells": (
        "text;label\na;b;c\nd;e\n\nf;g;h;i\n",
        "TABLE: line 2: 3 cells, but the header has 2 (so in 1 more line: 5); put a cell that contains a semicolon "
        "into quotation marks",
    ),
    "an empty label": (
        "file,label\na.png,cat\nb.png,  \na.png,dog\nb.png,\n",
        "TABLE: line 3: the label in the column 'label' is empty (so in 1 more line: 5); fill it in or remove the row",
    ),
    "no number": (
        "file,age\na.png,3\nb.png,old\n",
        "TABLE: line 3: 'old' in the column 'age' is not a number" + CORRECT,
    ),
    "an empty number": (
        "file,age\na.png,3\nb.png,\n",
        "TABLE: line 3: the number in the column 'age' is empty" + CORRECT,
    ),
    "a misspelt label": (
        "file,lable\na.png,cat\nb.png,dog\n",
        "TABLE: line 2: 'cat' in the column 'lable' is not a number (so in 1 more line: 3); correct or remove it; "
        "without a column of classes, numbers are regression targets; if "
        "'lable' contains classes, call it label, or name it with --label lable",
    ),
    "not a number": (
        "file,age\nb.png,inf\na.png,-Infinity\nb.png,1e39\na.png,2\n",
        "TABLE: line 2: 'inf' in the column 'age' is not a finite 32-bit number (so in 2 more lines: 3, 4)"
        + CORRECT,
    ),
    "a number missing among labels": (
        "file,label\na.png,0.5\nb.png,\na.png,\nb.png,0.25\n",
        "TABLE: line 3: the number in the column 'label' is empty (so in 1 more line: 4); correct or remove it; if "
        "these are classes, use --task classification",
    ),
    "always the same number": (
        "file,age\na.png,3\nb.png,3\n",
        "TABLE: every value of 'age' is the same; nothing can be learned",
    ),
    "files that are not there": (
        "file,label\na.png,cat\n" + "".join(f"{i}.png,dog\n" for i in range(8)),
        "TABLE: line 3: no file '0.png' in FOLDER (so in 7 more lines: 4, 5, 6, 7, 8 and 2 more); paths are "
        "relative to the table's folder; correct them or remove the rows",
    ),
    "names of nothing": (
        "file,label\nc,cat\nd,dog\n",
        "TABLE: line 2: no file 'c' in FOLDER (so in 1 more line: 3); paths are relative to the table's "
        "folder and have their suffix (.jpg); correct them or remove the rows",
    ),
    "no name": (
        "file,label\n,cat\nb.png,dog\n",
        "TABLE: line 2: the 'file' is empty; paths are relative to the table's folder; correct them or remove the rows",
    ),
    "one class": (
        "file,label\na.png,cat\nb.png,cat\n",
        "TABLE: every label in the column 'label' is 'cat'; learning needs two classes or more",
    ),
    "no label at all": (
        "text,label\na,|\nb,\n",
        "TABLE: no row has a label; learning needs two classes or more",
    ),
    "a part that is none": (
        "text,label,split\na,x,train\nb,y,dev\n",
        "TABLE: line 3: 'dev' in the column 'split' names no split; it is one of train, val, test",
    ),
    "nothing to learn from": (
        "text,label,split\na,x,test\nb,y,val\n",
        "TABLE: no row has train in the column 'split'; there is nothing to learn from",
    ),
    "a new class in a part": (
        "text,label,split\na,x,train\nb,y,train\nc,z,test\n",
        "TABLE: class(es) that the training split lacks: 'z' (line 4); rename or remove them (it has 'x', 'y')",
    ),
    "no words": ('text,label\n" ",x\n,y\n', "TABLE: there is no word in any of the 2 training texts; write some"),
    "an open quotation": (
        'text,label\na,x\n"b, bb,y\nc,z\n',
        "TABLE: line 3: its quotation marks do not match (unexpected end of data)" + QUOTE,
    ),
    "a byte of no encoding": (
        b"text,label\na,x\ncaf\xe9\x81,y\n",
        "TABLE: line 3: the byte 0x81 is valid neither in UTF-8 nor in cp1252; save it as UTF-8 (a spreadsheet calls "
        "it 'CSV UTF-8')",
    ),
    "NUL bytes": (
        b"text,label\na,x\n\0\0,y\n",
        "TABLE: line 3: it contains NUL bytes, so it is damaged or no text; save it as UTF-8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table(table, name):
    text, wanted = BAD[name]
    assert message(table(text, files=TWO)) == wanted


def test_no_image_is_one(table, tmp_path):
    for name in TWO:
        (tmp_path / name).write_bytes(b"")
    text = message(table("file,label\na.png,cat\nb.png,dog\n"))
    assert text.startswith(
        "TABLE: none of a sample of 2 images can be read; the first: FOLDER/a.png: the file is empty"
    )


def test_no_permission(open_to_all, as_nobody):
    path = open_to_all / "pets.csv"
    path.write_text("text,label\n")
    path.chmod(0)
    with as_nobody():
        text = message(path)
    assert text == "TABLE: it cannot be read (Permission denied); check its name and permissions"


def test_classes_that_differ_in_capitals(table):
    assert opened(table("text,label\na,cat\nb,Cat\n")).notes[1] == (
        "the classes 'Cat', 'cat' differ only in capitals or spaces; give them one name if they are one class"
    )


@pytest.fixture(scope="module")
def spot(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), st.sampled_from("ab")),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(",;\t"),
)
def test_what_csv_writes_is_read_again(spot, rows, delimiter):
    path = spot / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    table = read_table(path)
    assert [tuple(row) for row in table.rows] == [(text.strip(), label) for text, label in rows]
    lines = path.read_bytes().decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert all(lines[line - 1].startswith('"') for line in table.lines)


@pytest.mark.realdata
@pytest.mark.skipif(not POLARITY.is_dir(), reason="no polarity set beside the repository")
def test_polarity():
    data = open_data(POLARITY)
    assert (data.task, data.mode, data.classes) == ("classification", "text", ("negative", "positive"))
    assert (len(data.train), len(data.test)) == (9596, 1066)
    assert data.train.inputs[0] == "another rent installment for the ian fleming estate ."
    assert data.train.targets[0] == 0
    assert data.why == "from the column 'label' of train.csv"
    assert 40 < data.input[0] < 60


def test_a_column_of_image_files_under_any_name(table, tmp_path):
    data = opened(table("\ufeffDatei;Größe\r\na.png;1,5\r\nb.png;2,25\r\n", files=TWO))
    assert (data.task, data.classes) == ("regression", ("Größe",))
    assert data.train.inputs == (tmp_path / "a.png", tmp_path / "b.png")
    assert data.train.targets.tolist() == [[1.5], [2.25]]


NUMBERED = "file,label\n" + "".join(f"{i}.png,{i % 2 + 9}\n" for i in range(8))


@pytest.mark.parametrize(
    ("said", "classes"),
    [
        ('{"9": "blight", "10": "mosaic", "11": "none"}', ("blight", "mosaic")),
        ('{"9": "blight"}', ("9", "10")),
        ('{"9": "blight", "10": "blight"}', ("9", "10")),
        ('{"9": 1, "10": 2}', ("9", "10")),
        ('["blight", "mosaic"]', ("9", "10")),
        ('{"9": "bli', ("9", "10")),
    ],
)
def test_a_json_beside_a_table_names_the_numbers_of_its_classes(table, said, classes):
    path = table(NUMBERED, files=[f"{i}.png" for i in range(8)])
    (path.parent / "label_map.json").write_text(said)
    data = open_data(path)
    assert data.classes == classes
    assert ("the classes are called as in label_map.json" in data.notes) == (classes[0] == "blight")
    assert {*data.train.targets} == {0, 1}
    assert open_data(path, task="regression").train.targets.max() == 10


ROWS = [{"text": f"a film {i}", "label": "pos" if i % 2 else "neg"} for i in range(6)]
SPOKEN = {
    "lines": ("a.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n"),
    "lines in .json": ("a.json", "\ufeff" + "\n\n".join(map(json.dumps, ROWS))),
    "a list": ("a.json", json.dumps(ROWS)),
    "columns": ("a.json", json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]})),
}


@pytest.mark.parametrize("which", SPOKEN)
def test_records_of_json_are_a_table(table, which):
    name, text = SPOKEN[which]
    data = open_tables(table(text, name))
    assert (data.task, data.classes, data.mode) == ("classification", ("neg", "pos"), "text")
    assert [*data.train.inputs] == [row["text"] for row in ROWS]
    assert data.train.targets.tolist() == [0, 1] * 3
    assert data.train.names[2] == f"{name} row 2"


def test_a_list_in_a_record_is_several_labels(table):
    rows = [
        {"file": "a.png", "tags": ["red", "round"]},
        {"file": "b.png", "tags": ["red"]},
        {"file": "a.png", "tags": []},
    ]
    data = open_tables(table(json.dumps(rows), "a.json", files=TWO))
    assert (data.task, data.classes) == ("multilabel", ("red", "round"))
    assert data.train.targets.tolist() == [[1, 1], [1, 0], [0, 0]]


def test_json_that_names_the_label_of_each_file(table, tmp_path, picture):
    for i in range(3):
        picture(tmp_path / "images" / f"{i}.png", i)
    table(json.dumps({f"{i}.png": "cat" if i else "dog" for i in range(3)}), "labels.json")
    data = open_data(tmp_path, task="classification")
    assert (data.classes, data.why) == (("cat", "dog"), "from the column 'label' of labels.json")


NO_RECORDS = {
    "other": ('{"info": {}, "images": [1]}', "TABLE: it is JSON, but no table; expected records, such as "),
    "a number": ('{"file": "a.png"}\n3\n', "TABLE: line 2: '3' is no record; expected records, such as "),
    "cut": ('{"file": "a.png", "label": 1}\n{"file": "b.', "TABLE: line 2: it is no JSON (Unterminated string"),
    "empty": ("\n", "TABLE: there is no record in it; expected records, such as "),
    "not utf-8": (b"\xff\xe9{}", "TABLE: it is not UTF-8, as JSON is; save it as UTF-8"),
}


@pytest.mark.parametrize("which", NO_RECORDS)
def test_json_without_records(table, which):
    text, said = NO_RECORDS[which]
    assert message(table(text, "a.json")).startswith(said)


def test_a_row_that_is_no_text_is_named_by_its_number(table):
    rows = [*ROWS, {"text": "so it is", "label": None}]
    data = open_tables(table(json.dumps(rows), "a.json"))
    assert data.skipped == (("a.json row 6", "the label in the column 'label' is empty"),)
    assert len(data.train) == 6


INCOMPLETE = {  # some rows lack their file or their target: the others are the data set
    "a class": (
        "file,label\na.png,cat\ngone.png,cat\n,dog\nb.png,dog\na.png,\nb.png,NaN\na.png,cat\nb.png,dog\na.png,dog\n",
        [0, 1, 0, 1, 1],
        {3: "no file 'gone.png' in FOLDER", 4: "the 'file' is empty", 6: "the label in the column 'label' is empty",
         7: "the label in the column 'label' is 'NaN'"},
    ),
    "a number": (
        "file,age\na.png,3\nb.png,n/a\na.png,\nb.png,4\nb.png,5.5\n",
        [[3], [4], [5.5]],
        {3: "the number in the column 'age' is 'n/a'", 4: "the number in the column 'age' is empty"},
    ),
    "flags": (
        "file,red,round\na.png,1,1\nb.png,,1\na.png,0,1\n",
        [[1, 1], [0, 1]],
        {3: "the number in the column 'red' is empty"},
    ),
    "several labels, of which there may be none": (
        "file,labels\na.png,x|y\nb.png,\na.png,x\n",
        [[1, 1], [0, 0], [1, 0]],
        {},
    ),
    "pixels": (
        "label," + ",".join(f"pixel{i}" for i in range(16)) + "\n" + "".join(
            f"{label}" + f",{cell}" * 16 + "\n" for label, cell in [("a", 1), ("", 2), ("b", 3), ("a", ""), ("b", 5)]
        ),
        [0, 1, 1],
        {3: "the label is empty", 5: "a number is missing"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INCOMPLETE)
def test_rows_without_a_file_or_a_target_are_skipped_and_named(table, tmp_path, name):
    text, targets, skipped = INCOMPLETE[name]
    data = opened(table(text, files=TWO))
    assert data.train.targets.tolist() == targets
    found = {item: why.replace(str(tmp_path), "FOLDER") for item, why in data.skipped}
    assert found == {f"pets.csv line {line}": why for line, why in skipped.items()}
    assert len(data.about_skipped) == bool(skipped)


def test_most_rows_without_a_target_are_a_fault(table):
    text = "".join(f"{label},1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n" for label in ("label", "a", "", "")).replace(
        "label,1", "label,t1"
    )
    assert (
        message(table(text)) == "TABLE: line 3: the label is empty (so in 1 more line: 4); fill it in or remove the row"
    )


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "_classes.csv"])
def test_a_table_in_the_folder_of_each_split(table, picture, tmp_path, name):
    for split, n in (("train", 6), ("valid", 3), ("test", 3)):
        rows = [{"file_name": f"{i}.png", "label": "cat" if i % 3 else "dog"} for i in range(n)]
        csv_text = "file_name,label\n" + "".join(f"{row['file_name']},{row['label']}\n" for row in rows)
        if name == "_classes.csv":
            csv_text = "filename, cat, dog\n" + "".join(
                f"{i}.png, {int(i % 3 > 0)}, {int(i % 3 == 0)}\n" for i in range(n)
            )
        for i in range(n):
            picture(tmp_path / split / f"{i}.png", i)
        table("\n".join(map(json.dumps, rows)) if name.endswith("jsonl") else csv_text, f"{split}/{name}")
    data = open_data(tmp_path)
    assert (data.name, data.classes, len(data.train), len(data.val), len(data.test)) == (
        tmp_path.name,
        ("cat", "dog"),
        6,
        3,
        3,
    )
    assert data.test.inputs[0] == tmp_path / "test" / "0.png"
    assert data.test.targets.tolist() == [1, 0, 0]


def test_a_table_in_the_folders_of_splits_with_class_folders_is_not_needed(table, class_folders, tmp_path):
    for split in ("train", "test"):
        class_folders(tmp_path / split, cat=2, dog=2)
        table("file,label\ncat/0.png,a\ndog/0.png,b\n", f"{split}/notes.csv")
    assert open_data(tmp_path).why == "from class folders"


def test_numbers_that_lost_their_zeros_find_their_files(table, picture, tmp_path):
    for i in range(4):
        picture(tmp_path / "train" / f"{i:03}.png", i)
    picture(tmp_path / "train" / "2.png", 9)
    table("id,label\n0,cat\n1,dog\n2,cat\n3,dog\n", "labels.csv")
    data = open_data(tmp_path)
    found = {path.name for part in (data.train, data.test) for path in part.inputs}
    assert found == {"000.png", "001.png", "2.png", "003.png"}  # the exact name first
    assert "'id' is matched by number: 0 is 000.png" in data.notes


def test_cells_that_join_others_by_commas_are_several_labels(table):
    text = "text,label\n" + "".join(f'it is {i},"{("joy", "anger", "anger,joy")[i % 3]}"\n' for i in range(6))
    data = opened(table(text))
    assert (data.task, data.classes) == ("multilabel", ("anger", "joy"))
    assert data.train.targets.tolist() == [[0, 1], [1, 0], [1, 1]] * 2
    assert (
        "the labels of a cell are separated by commas; if each cell is one class: --task classification" in data.notes
    )
    assert opened(table(text), "classification").classes == ("anger", "anger,joy", "joy")
    other = text.replace("anger,joy", "joy, of sorts")
    assert opened(table(other)).task == "classification"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "2 rows name an image again, 1 with another target; each row is an item"),
        (
            "xmin,ymin",
            "2 rows name an image again, 1 with another target: its objects, whose places ('xmin') are not read; write "
            "one row for each image, with all its labels (cat|dog), or masks as images",
        ),
    ],
)
def test_an_image_in_several_rows_is_said(table, more, said):
    rows = [("a.png", "cat"), ("a.png", "dog"), ("b.png", "dog"), ("b.png", "dog")]
    cells = ",3,4" if more else ""
    text = f"file,label{',' if more else ''}{more}\n" + "".join(f"{file},{label}{cells}\n" for file, label in rows)
    assert said in opened(table(text, files=TWO)).notes


def test_flags_are_no_names_of_files(table, tmp_path, picture):
    for i in range(2):
        picture(tmp_path / "old" / f"{i}.png", i)
    text = "kind,flag\n" + "".join(f"the {'red' if i % 3 else 'blue'} one of them {i},{i % 2}\n" for i in range(60))
    assert opened(table(text)).mode == "text"


@pytest.fixture
def padded(picture, tmp_path):
    """Two class folders of images called 00001.png to 00060.png."""
    for i in range(1, 61):
        picture(tmp_path / ("a" if i <= 30 else "b") / f"{i:05}.png", i)
    return tmp_path


STRAYS = {
    "training logs": {
        "stats.csv": "epoch,loss,accuracy\n" + "".join(f"{i},{1 / i},{1 - 1 / i}\n" for i in range(1, 31)),
        "metrics.jsonl": "".join(json.dumps({"epoch": i, "loss": 1 / i}) + "\n" for i in range(1, 31)),
        "history.json": json.dumps({"epoch": [*range(1, 31)], "loss": [1 / i for i in range(1, 31)]}),
    },
    "what the numbers of classes mean": {"info.json": '[{"name": "cat", "id": 1}, {"name": "dog", "id": 2}]'},
    "rows that are called ids": {"stats.csv": "id,loss\n" + "".join(f"{i},{1 / i}\n" for i in range(1, 31))},
    "files that are not there": {"a.json": '[{"file": "a", "label": 1}, {"file": "b", "label": 2}]'},
    "lines of them": {"a.jsonl": '{"file": "a", "label": 1}\n{"file": "b", "label": 2}\n'},
    "captions": {"a.jsonl": '{"text": "so it is", "label": 1}\n{"text": "so be it", "label": 2}\n'},
    "settings": {"config.json": '{"description": "images of two kinds", "epochs": 5}'},
    "predictions": {"p.csv": "file,class,probability,error\na/00001.png,a,0.9,\na/00002.png,a,0.9,\n"},
    "predictions of numbers": {"p.csv": "file,Age,error\na/00001.png,3,\na/00002.png,4,\n"},
    "lines of predictions": {
        "p.jsonl": '{"file": "a/00001.png", "class": "a", "top": [{"class": "a", "probability": 1}]}\n'
    },
    "a table with a note of predictions": {
        "p.csv": "file,Age\na/00001.png,3\na/00002.png,4\n",
        "p.csv.settings.json": '{"asked": {}}',
    },
    "one that is unfinished": {"p.csv": "file,Age\na/00001.png,3\na/00002.png,4\n", "p.csv.unfinished": "{}"},
}


@pytest.mark.parametrize("which", STRAYS)
def test_what_lies_beside_class_folders_is_no_table_of_them(padded, table, which):
    for name, text in STRAYS[which].items():
        table(text, name)
    data = open_data(padded)
    assert (data.why, data.classes, len(data.train) + len(data.test)) == ("from class folders", ("a", "b"), 60)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "labels.json"])
def test_json_beside_class_folders_whose_files_are_there_is_their_table(padded, table, name):
    rows = [{"file": f"a/{i:05}.png", "label": "xy"[i % 2]} for i in range(1, 21)]
    table("\n".join(map(json.dumps, rows)) if name == "a.jsonl" else json.dumps(rows), name)
    assert open_data(padded).why == f"from the column 'label' of {name}"


def test_a_table_of_predictions_that_is_named_is_one(padded, table):
    path = table("file,class,error\na/00001.png,x,\na/00002.png,y,\n", "p.csv")
    assert opened(path).classes == ("x", "y")


def test_cells_that_are_the_files_names_come_before_numbers(table, picture, tmp_path):
    for i in range(1, 21):
        picture(tmp_path / "images" / f"{i:05}.png", i)
    text = "age,id,label\n" + "".join(f"{1 + i % 15},{i:05},{'xy'[i % 2]}\n" for i in range(1, 21))
    data = opened(table(text))
    assert [path.name for path in data.train.inputs] == [f"{i:05}.png" for i in range(1, 21)]
    assert not any("matched by number" in note for note in data.notes)
    lost = table(text.replace(",0000", ",").replace(",000", ","))
    assert [path.name for path in opened(lost).train.inputs] == [f"{i:05}.png" for i in range(1, 21)]


def test_only_a_column_that_is_named_as_files_is_matched_by_number(table, picture, tmp_path):
    for i in range(1, 21):
        picture(tmp_path / "images" / f"{i:05}.png", i)
    path = table("scan,label\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in range(1, 21)))
    assert message(path).startswith("TABLE: line 1: no header that names a column of files or texts")
    data = open_data(path, file="scan")
    assert "'scan' is matched by number: 1 is 00001.png" in data.notes


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\r", "\r\n", "\n", '"', ","])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_text_of_json_may_contain_any_mark(table, mark, name):
    rows = [{"text": f"a{mark}film {i}", "label": "pn"[i % 2]} for i in range(4)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    data = opened(table("\r\n".join(lines) if name == "a.jsonl" else f"[{','.join(lines)}]", name))
    assert [*data.train.inputs] == [row["text"] for row in rows]
    assert data.train.targets.tolist() == [1, 0, 1, 0]


def test_numbers_of_json_are_written_as_those_of_other_tables(table):
    rows = (
        '{"text": "a", "label": 1.0}\n{"text": "b", "label": 2.5}\n{"text": "c", "label": NaN, "more": [3.0, null]}\n'
    )
    found = read_table(table(rows + '{"text": "d", "label": null}\n{"text": "e", "label": true}', "a.jsonl"))
    assert found.cells("label") == ["1", "2.5", "", "", "True"]
    assert found.cells("more") == ["", "", "3|", "", ""]


def test_one_record_of_json_is_a_table_and_a_map_of_files_another(table, tmp_path):
    found = read_table(table('{"text": "hello world", "label": "a"}', "a.json"))
    assert (found.titles, found.rows) == (("text", "label"), [["hello world", "a"]])
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"")
    found = read_table(table('{"one": "cat", "two": "dog"}', "b.json"))
    assert (found.titles, found.rows) == (("file", "label"), [["one", "cat"], ["two", "dog"]])
    found = read_table(table('{"1.jpg": "cat"}', "c.json"))
    assert found.rows == [["1.jpg", "cat"]]


@pytest.mark.parametrize("beside", ["data.yaml", "notes.txt", "classes.json", "answers.csv"])
def test_tables_of_splits_are_found_beside_other_files(table, picture, tmp_path, beside):
    for split in ("train", "test"):
        for i in range(4):
            picture(tmp_path / split / f"{i}.png", i)
        table("file,label\n" + "".join(f"{i}.png,{'xy'[i % 2]}\n" for i in range(4)), f"{split}/labels.csv")
    table("file,class,error\ntrain/0.png,x,\n" if beside == "answers.csv" else '{"0": "x"}', beside)
    data = open_data(tmp_path)
    assert (data.classes, len(data.train), len(data.test)) == (("x", "y"), 4, 4)


ABOVE = {
    "a title": "Pets of 2024\nfile,label\na.png,cat\nb.png,dog\n",
    "a title with the separators of a spreadsheet": "Pets of 2024,\n,\nfile,label\na.png,cat\nb.png,dog\n",
    "a comma": "Pets, spring 2024\nfile,label\na.png,cat\nb.png,dog\n",
    "a comma, as csv.writer quotes it": '"Pets, spring 2024",\nfile,label\na.png,cat\nb.png,dog\n',
    "a comma in quotation marks alone": '"Pets, spring"\nfile,label\na.png,cat\nb.png,dog\n',
    "commas in two rows": "Pets, spring, summer\nby A, B\nfile,label\na.png,cat\nb.png,dog\n",
    "semicolons, a date": '"Pets, all of them"\n\n2024-01-01;\nfile;label\na.png;cat\nb.png;dog\n',
}


@pytest.mark.parametrize("name", ABOVE)
def test_a_title_above_the_header(table, name):
    data = opened(table(ABOVE[name], files=TWO))
    assert data.classes == ("cat", "dog")
    assert data.notes[0].startswith("pets.csv: 'Pets")
    assert data.notes[0].endswith("above the header is skipped")
    broken = table(ABOVE[name].replace("b.png", "b.png,x").replace("b.png,x;", "b.png;x;"), files=TWO)
    assert f"line {len(ABOVE[name].splitlines())}: 3 cells" in message(broken)  # lines are still those of the file


def test_a_header_of_unknown_names_is_no_title(table):
    found = read_table(table("name,kind\na.png,label\nb.png,text\n"))
    assert (found.titles, found.notes) == (("name", "kind"), ())


@pytest.mark.parametrize("head", ["photos/", "photos/new/", "photos\\\\"])
def test_files_that_are_in_another_folder_than_the_table_says(table, head):
    rows = "file,label\n" + "".join(f"{head}{i}.png,{'xy'[i % 2]}\n" for i in range(4))
    path = table(rows, files=[f"images/{i}.png" for i in range(4)])
    said = f"0.png is here as images/0.png: replace {head!r} by 'images/' in all paths"
    assert said in message(path)
    assert open_data(table(rows.replace(head, "images/"), files=[])).classes == ("x", "y")


def test_a_table_without_any_image(table):
    said = message(table("file,label\na.png,x\nb.png,y\n"))
    assert "there is no image in that folder or below it: put the images there" in said
