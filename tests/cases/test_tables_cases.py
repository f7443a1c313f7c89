"""Tables as people have them: encodings, separators, names, ids, layouts; each kind with cases of other names."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import striate
from striate.cli.main import app
from striate.datasets import open_data
from striate.datasets.sources.rows import read_table
from striate.datasets.split import split_off
from striate.errors import DataError


def pictures(folder, names, size=(6, 6)):
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 255, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(path, "PNG")


def written(path, rows, delimiter=",", encoding="utf-8", end="\n"):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.getvalue().encode(encoding))
    return path


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        open_data(path, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("cp1252", "cp1252"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(("file", "label"), [("Datei", "Klasse"), ("Fichier", "Classe"), ("image", "Sorte")])
def test_encodings_and_separators(tmp_path, encoding, said, delimiter, file, label):
    pictures(tmp_path / "set", [f"bilder/bild {i}.jpg" for i in range(8)])
    rows = [[f"bilder\\bild {i}.jpg", ("Äpfel", "Birne")[i % 2]] for i in range(8)]
    written(tmp_path / "set" / "labels.csv", [[file, label], *rows], delimiter, encoding)
    data = open_data(tmp_path / "set")
    assert (data.task, data.classes) == ("classification", ("Birne", "Äpfel"))
    assert len(data.train) + len(data.test) == 8
    assert any(said in note for note in data.notes) == bool(said)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_blanks_after_commas(tmp_path, end):
    pictures(tmp_path, [f"{i}.png" for i in range(8)])
    lines = ["filename, label", *(f"{i}.png, {'cat dog'.split()[i % 2]}" for i in range(8))]
    (tmp_path / "t.csv").write_text(end.join(lines), newline="")
    assert open_data(tmp_path / "t.csv").classes == ("cat", "dog")


@pytest.mark.parametrize("folder", ["train", "train-jpg", "images", "bilder", "a/b", "."])
@pytest.mark.parametrize(("ids", "label"), [("id", "breed"), ("image_id", "label"), ("id_code", "diagnosis")])
@pytest.mark.parametrize("suffix", ["", ".jpg"])
def test_ids_and_images_in_any_folder(tmp_path, folder, ids, label, suffix):
    pictures(tmp_path / "set", [f"{folder}/00{i:03}b.jpg" for i in range(8)])
    pictures(tmp_path / "set", [f"test/99{i}.jpg" for i in range(2)])
    written(tmp_path / "set" / "train.csv", [[ids, label], *([f"00{i:03}b{suffix}", "xy"[i % 2]] for i in range(8))])
    written(tmp_path / "set" / "sample_submission.csv", [[ids, label], ["990", "z"]])
    data = open_data(tmp_path / "set")
    assert data.classes == ("x", "y")
    assert {path.name for path in (*data.train.files, *data.test.files)} == {f"00{i:03}b.jpg" for i in range(8)}


def test_of_two_files_of_one_name_the_one_of_the_split_or_neither(tmp_path):
    pictures(tmp_path / "set", [f"{part}/{i}.png" for part in ("train", "test") for i in range(4)])
    for part in ("train", "test"):
        written(tmp_path / "set" / f"{part}.csv", [["id", "label"], *([f"{i}.png", "ab"[i % 2]] for i in range(4))])
    data = open_data(tmp_path / "set")
    assert {path.parent.name for path in data.train.files} == {"train"}
    assert {path.parent.name for path in data.test.files} == {"test"}
    pictures(tmp_path / "other", [f"{part}/{i}.png" for part in ("one", "two") for i in range(4)])
    path = written(tmp_path / "other" / "t.csv", [["id", "label"], *([i, "ab"[i % 2]] for i in range(4))])
    assert "'0' is ambiguous: found as one/0.png, two/0.png (so in 3 more lines: 3, 4, 5); write paths" in refused(path)


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        ("C:\\Users\\someone\\data\\", "images\\{}.png"),
        ("D:/sets/", "images/{}.png"),
        ("/home/a/b/", "images/{}.png"),
        ("/content/drive/MyDrive/", "images/{}.png"),
        ("\\\\server\\share\\", "images\\{}.png"),
        ("~/data/", "images/{}.png"),
    ],
)
def test_paths_of_another_machine(tmp_path, head, tail):
    pictures(tmp_path, [f"images/{i}.png" for i in range(4)])
    rows = [[head + tail.format(i), "ab"[i % 2]] for i in range(4)]
    text = refused(written(tmp_path / "train.csv", [["path", "label"], *rows]))
    assert f"these are paths of another machine, and 0.png is here as images/0.png: remove {head!r} from" in text


@pytest.mark.parametrize(
    "label",
    ["label", "Class", "ClassId", "target", "category", "sentiment", "species", "Breed", "dx", "emotion", "anything"],
)
@pytest.mark.parametrize("file", ["file", "Path", "anything else"])
def test_the_column_of_labels_and_what_never_is_it(tmp_path, label, file):
    pictures(tmp_path, [f"Train/{i % 3}/{i:05}.png" for i in range(12)])
    header = ["Width", "Height", "Roi.X1", "Roi.Y1", label, file, "row_id"]
    rows = [[24, 24, 2, 3, "abc"[i % 3], f"Train/{i % 3}/{i:05}.png", 1000 + i * 7] for i in range(12)]
    data = open_data(written(tmp_path / "t.csv", [header, *rows]))
    assert (data.task, data.classes) == ("classification", ("a", "b", "c"))


def test_gtsrb(tmp_path):
    header = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path"
    for part, n in (("Train", 12), ("Test", 6)):
        pictures(tmp_path / "set", [f"{part}/{i:05}.png" for i in range(n)])
        rows = [f"{20 + i},{30 - i},2,{i},20,{i * 3},{i % 3},{part}/{i:05}.png" for i in range(n)]
        (tmp_path / "set" / f"{part}.csv").write_text("\n".join([header, *rows]))
    data = open_data(tmp_path / "set")
    assert (data.task, data.classes) == ("classification", ("0", "1", "2"))
    assert (len(data.train), len(data.test)) == (12, 6)


def test_named_columns(tmp_path):
    pictures(tmp_path, [f"{i}.png" for i in range(12)])
    header = ["label", "left", "right", "sex", "site", "age", "words"]
    rows = [["q", f"{i}.png", f"{11 - i}.png", "mf"[i % 2], "uvw"[i % 3], 20 + i, f"some words {i}"] for i in range(12)]
    path = written(tmp_path / "t.csv", [header, *rows])
    assert open_data(path, file="left", label="sex").classes == ("f", "m")
    assert open_data(path, file="Right", label="Site").classes == ("u", "v", "w")
    assert open_data(path, file="right", label="site").train.files[0].name == "11.png"
    assert open_data(path, text="words", label="sex").mode == "text"
    assert open_data(path, file="left", label="age", task="regression").task == "regression"
    assert "no column 'sx' for --label; did you mean 'sex'?" in refused(path, file="left", label="sx")
    assert "no column 'qq' for --label; it is one of " in (said := refused(path, file="left", label="qq"))
    assert "; it has" not in said
    assert "no column 'nothing' for --file" in refused(path, file="nothing")
    assert "give one of them" in refused(path, file="left", text="words")
    assert "--label names a column of a table; this data set is built in" in refused("digits", label="x")


@pytest.mark.parametrize(
    ("values", "label", "task"),
    [
        (lambda i: 9000 + i * i, "price", "regression"), (lambda i: i / 8, "dose", "regression"),
        (lambda i: i % 2, "survived", "classification"), (lambda i: i % 5, "grade", "regression"),
        (lambda i: i % 5, "diagnosis", "classification"), (lambda i: "ab"[i % 2], "kind", "classification"),
        (lambda i: 20 + i % 7, "Age", "regression"),
    ],
)  # fmt: skip
def test_a_column_that_is_named_is_of_the_task_that_it_is_of_without_a_name(tmp_path, values, label, task):
    pictures(tmp_path, [f"{i}.png" for i in range(40)])
    path = written(tmp_path / "t.csv", [["file", label], *([f"{i}.png", values(i)] for i in range(40))])
    for options in ({}, {"label": label.lower()}):
        data = open_data(path, **options)
        assert (data.task, data.why) == (task, f"from the column {label!r} of t.csv")
    noted = f"{label!r} has few different numbers; if they are classes: --task classification" in data.notes
    assert noted == (label in ("grade", "Age"))
    if noted:
        assert open_data(path, task="classification").task == "classification"


@pytest.mark.parametrize("name", ["Nr.", "No", "row", "count", "Unnamed: 0", "lfd"])
@pytest.mark.parametrize("start", [0, 1])
def test_numberings_are_no_targets(tmp_path, name, start):
    pictures(tmp_path, [f"{i}.png" for i in range(12)])
    rows = [[i + start, f"{i}.png", "ab"[i % 2]] for i in range(12)]
    path = written(tmp_path / "t.csv", [[name, "file", "Befund"], *rows])
    assert open_data(path).why == "from the column 'Befund' of t.csv"


@pytest.mark.parametrize("name", ["PatientID", "patient_id", "subject", "Case ID", "video", "series_id", "burst"])
def test_patients_are_groups_and_no_targets(tmp_path, name):
    pictures(tmp_path, [f"{i}.png" for i in range(24)])
    rows = [[f"p{i // 4}", f"{i}.png", "ab"[i // 4 % 2]] for i in range(24)]
    path = written(tmp_path / "t.csv", [[name, "file", "Pathology"], *rows])
    data = open_data(path)
    assert data.why == "from the column 'Pathology' of t.csv"
    assert any(note.startswith(f"to keep the rows of one {name!r} in one split: --group ") for note in data.notes)
    data = open_data(path, group=name)
    assert not any("--group" in note for note in data.notes)


@pytest.mark.parametrize("about", ["description", "Bemerkung", "remarks", "notes", "beschreibung"])
def test_sentences_beside_a_number_are_no_targets(tmp_path, about):
    pictures(tmp_path, [f"{i}.png" for i in range(20)])
    rows = [[f"{i}.png", ["a nice old house", "a small new house by the sea"][i % 2], 1000 + i * i] for i in range(20)]
    path = written(tmp_path / "t.csv", [["image", about, "price"], *rows])
    if about == "description":
        assert refused(path).endswith("could be the input; name one: --file image, or --text description")
    assert open_data(path, file="image").why == "from the column 'price' of t.csv"


@pytest.mark.parametrize("columns", [("sex", "site"), ("dose", "phase"), ("winner", "colour"), ("a", "b"), ("x1", "k")])
def test_several_columns_that_may_be_meant(tmp_path, columns):
    pictures(tmp_path, [f"{i}.png" for i in range(12)])
    rows = [[f"{i}.png", "mf"[i % 2], "uvw"[i % 3]] for i in range(12)]
    path = written(tmp_path / "t.csv", [["file", *columns], *rows])
    first, second = sorted(columns, key=lambda name: name == "sex")  # which is seldom what is to be learned
    assert f"the target could be any of {first!r}, {second!r}; name it: --label {first}" in refused(path)
    assert open_data(path, label=columns[1]).classes == ("u", "v", "w")


@pytest.mark.parametrize("date", ["2026-03-{:02}", "{}/3/2026", "2026-03-{:02}T12:30:00Z", "{}.3.2026 08:15"])
def test_dates_are_no_classes(tmp_path, date):
    rows = [[date.format(1 + i % 5), f"a message of {i} words", ["refund", "account"][i % 2]] for i in range(20)]
    data = open_data(written(tmp_path / "t.csv", [["created", "message", "team"], *rows]))
    assert data.why == "from the column 'team' of t.csv"


@pytest.mark.parametrize(
    "names",
    [
        ("healthy", "multiple_diseases", "rust", "scab"),
        ("MEL", "NV", "BCC"),
        ("0", "1", "2", "3", "4"),
        ("Ja", "Nein"),
        ("red", "green", "blue"),
    ],
)
def test_one_hot_columns(tmp_path, names):
    pictures(tmp_path, [f"images/T_{i}.jpg" for i in range(20)])
    rows = [[f"T_{i}", *(int(i % len(names) == k) for k in range(len(names)))] for i in range(20)]
    data = open_data(written(tmp_path / "train.csv", [["image_id", *names], *rows]))
    assert (data.task, data.classes) == ("classification", names)
    assert sorted(np.unique(data.train.targets)) == list(range(len(names)))
    assert open_data(tmp_path / "train.csv", task="multilabel").train.targets.sum(axis=1).tolist() == [1] * len(
        data.train
    )


@pytest.mark.parametrize(
    "names", [("toxic", "insult"), ("a", "b", "c"), ("dog", "cat"), ("Cardiomegaly", "Edema"), ("beach", "sunset")]
)
def test_columns_of_flags(tmp_path, names):
    rows = [[f"some words of {i}", *((i >> k) & 1 for k in range(len(names)))] for i in range(16)]
    data = open_data(written(tmp_path / "t.csv", [["comment_text", *names], *rows]))
    assert (data.task, data.classes, data.mode) == ("multilabel", names, "text")


@pytest.mark.parametrize("separator", [" ", "|", ",", ";", ", "])
@pytest.mark.parametrize("column", ["tags", "labels", "Finding Labels", "attribute_ids", "genres"])
def test_lists_in_a_cell(tmp_path, separator, column):
    pictures(tmp_path, [f"train-jpg/train_{i}.jpg" for i in range(12)])
    cells = [["haze", "primary"], ["clear", "primary", "water"], ["clear", "agriculture"]]
    rows = [[f"train_{i}", separator.join(cells[i % 3])] for i in range(12)]
    data = open_data(written(tmp_path / "train_v2.csv", [["image_name", column], *rows]))
    assert (data.task, data.classes) == ("multilabel", ("agriculture", "clear", "haze", "primary", "water"))


def test_words_in_a_label_are_no_list(tmp_path):
    rows = [[f"text number {i}", ("pit bull", "boston bull")[i % 2]] for i in range(8)]
    assert open_data(written(tmp_path / "t.csv", [["text", "label"], *rows])).classes == ("boston bull", "pit bull")


@pytest.mark.parametrize("column", ["split", "phase", "what for", "data set", "Usage", "x"])
@pytest.mark.parametrize("cells", [("train", "valid", "test"), ("Training", "PublicTest", "PrivateTest")])
def test_a_column_of_splits_whatever_its_name(tmp_path, column, cells):
    pictures(tmp_path, [f"{i}.png" for i in range(12)])
    rows = [[f"{i}.png", "ab"[i % 2], cells[max(0, i - 9)]] for i in range(12)]
    data = open_data(written(tmp_path / "t.csv", [["file", "label", column], *rows]))
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 10, "val": 1, "test": 1}


@pytest.mark.parametrize("column", ["patient", "video", "burst id", "Camera", "lesion_id"])
def test_groups_stay_together(tmp_path, column):
    pictures(tmp_path, [f"{i}.png" for i in range(40)])
    rows = [[f"{i}.png", "ab"[i // 4 % 2], f"p{i // 4}"] for i in range(40)]
    path = written(tmp_path / "t.csv", [["file", "label", column], *rows])
    data = open_data(path, group=column)
    for seed in range(5):
        rest, taken = split_off(data.train, 0.3, seed)
        assert taken.groups
        assert rest.groups
        assert not {*rest.groups} & {*taken.groups}
    assert not {*data.train.groups} & {*data.test.groups}
    assert open_data(path).train.groups == ()


@pytest.mark.parametrize(
    ("first", "classes"),
    [("img/{}.png", "ab"), ("{}.png", "xy"), ("a b/{}.png", "01"), ("k/{}.png", "pq"), ("{}.png", "57")],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
def test_no_header(tmp_path, first, classes, delimiter):
    if delimiter == " " and " " in first:
        return
    pictures(tmp_path / "set", [first.format(i) for i in range(10)])
    lines = [f"{first.format(i)}{delimiter}{classes[i % 2]}" for i in range(10)]
    name = "train.txt" if delimiter == " " else "annotations.csv"
    (tmp_path / "set" / name).write_text("\n".join(lines))
    data = open_data(tmp_path / "set")
    assert (data.task, data.classes) == ("classification", tuple(classes))
    assert len(data.train) + len(data.test) == 10
    assert any("has no header" in note for note in data.notes)


def test_lists_of_paths_by_split(tmp_path):
    pictures(tmp_path, [f"images/{i}.png" for i in range(12)])
    for part, which in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        (tmp_path / f"{part}.txt").write_text("".join(f"images/{i}.png {i % 2}\n" for i in which))
    data = open_data(tmp_path)
    assert (data.task, {name: len(part) for name, part in data.parts.items()}) == (
        "classification",
        {"train": 8, "val": 2, "test": 2},
    )


def test_class_folders_beside_a_readme_are_no_table(tmp_path):
    pictures(tmp_path, [f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(4)])
    (tmp_path / "readme.txt").write_text("a, b\nc, d\n")
    (tmp_path / "counts.csv").write_text("class,count\ncat,4\ndog,4\n")
    assert open_data(tmp_path).why == "from class folders"


# ------------------------------------------------------------------------------------------------ numbers
@pytest.mark.parametrize(
    ("names", "side"),
    [("pixel{}", 28), ("pixel{}", 8), ("pix{}", 10), ("p{}", 9), ("{}", 12)],
)
@pytest.mark.parametrize("last", [False, True])
def test_pixels_in_a_table(tmp_path, names, side, last):
    pixels = np.random.default_rng(0).integers(0, 256, (20, side * side))
    labels = [i % 4 for i in range(20)]
    titles = [names.format(i) for i in range(side * side)]
    header = [*titles, "label"] if last else ["label", *titles]
    rows = [[*row, c] if last else [c, *row] for row, c in zip(pixels.tolist(), labels, strict=True)]
    written(tmp_path / "set" / "train.csv", [header, *rows])
    written(tmp_path / "set" / "test.csv", [titles, *pixels[:3].tolist()])
    data = open_data(tmp_path / "set")
    assert (data.mode, data.input, data.classes) == ("L", (1, side, side), ("0", "1", "2", "3"))
    at = [int(name.rsplit(" ", 1)[1]) - 2 for name in data.train.names]
    assert (data.train.inputs == pixels[at].reshape(-1, side, side)).all()
    assert data.train.targets.tolist() == [labels[i] for i in at]
    assert any("test.csv skipped: no labels" in note for note in data.notes)


def test_colours_in_a_table(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8 * 8 * 3))
    header = [*(f"pixel{i:04}" for i in range(192)), "label"]
    written(tmp_path / "t.csv", [header, *([*row, i % 2] for i, row in enumerate(pixels.tolist()))])
    data = open_data(tmp_path / "t.csv")
    assert (data.mode, data.input) == ("RGB", (3, 8, 8))


@pytest.mark.parametrize("usage", [("Training", "PublicTest", "PrivateTest"), ("train", "val", "test")])
@pytest.mark.parametrize("side", [4, 12, 48])
def test_fer(tmp_path, usage, side):
    pixels = np.random.default_rng(0).integers(0, 256, (20, side * side))
    rows = [[i % 3, " ".join(map(str, row)), usage[max(0, i - 17)]] for i, row in enumerate(pixels.tolist())]
    data = open_data(written(tmp_path / "fer2013.csv", [["emotion", "pixels", "Usage"], *rows]))
    assert (data.mode, data.input, data.classes) == ("L", (1, side, side), ("0", "1", "2"))
    assert [len(part) for part in data.parts.values()] == [18, 1, 1]
    assert (data.train.inputs[3] == pixels[3].reshape(side, side)).all()


@pytest.mark.parametrize("headed", [True, False])
@pytest.mark.parametrize("delimiter", [",", "\t", " ", ";"])
@pytest.mark.parametrize("labels", ["12", "RM", ("1.0000000e+00", "-1.0000000e+00")])
def test_signals_in_a_table(tmp_path, headed, delimiter, labels):
    values = np.random.default_rng(0).normal(size=(20, 30)).round(4)
    header = [["label", *(f"t{i}" for i in range(30))]] if headed else []
    rows = [[labels[i % 2], *row] for i, row in enumerate(values.tolist())]
    suffix = "txt" if delimiter == " " else "csv"
    for part in ("TRAIN", "TEST"):
        written(tmp_path / "ECG" / f"ECG5000_{part}.{suffix}", [*header, *rows], delimiter)
    data = open_data(tmp_path / "ECG")
    assert (data.mode, data.input, len(data.classes)) == ("values", (1, 30), 2)
    assert np.allclose(data.train.inputs[:, 0], values)
    assert len(data.test) == 20


def test_numbers_without_labels_or_with_words_among_them(tmp_path):
    rows = [[float(i + k) / 7 for k in range(20)] for i in range(10)]
    path = written(tmp_path / "t.csv", [[f"t{i}" for i in range(20)], *rows])
    assert "rows of 20 numbers, and no column of labels; call it label, or name it with --label" in refused(path)
    rows[9][3] = "x"
    many = [["label", *(f"t{i}" for i in range(20))], *([i % 2, *rows[i % 9]] for i in range(60)), [1, *rows[9]]]
    assert "line 62: 'x' is not a number; correct it or remove the row" in refused(written(path, many))


# -------------------------------------------------------------------------------------------------- texts
TEXT_TABLES = {
    "imdb": ("review,sentiment", lambda i: [f"A <br /> film {i}, really", ("positive", "negative")[i % 2]]),
    "sms": ("v1,v2,,,", lambda i: [("ham", "spam")[i % 2], f"see you tonight {i}", "", "", ""]),
    "tweets": ("id,tweet,label", lambda i: [i, f"what a day {i}", i % 2]),
    "questions": ("qid,question_text,target", lambda i: [f"q{i}", f"why is it {i} ?", i % 2]),
    "turned": ("Category,Message", lambda i: [("ham", "spam")[i % 2], f"call me at {i}"]),
    "unknown": ("kind,what they said", lambda i: [("yes", "no")[i % 2], f"so they said {i}"]),
    "bbc": ("category,text", lambda i: [("sport", "tech")[i % 2], f"they won by {i} goals"]),
}


@pytest.mark.parametrize("name", TEXT_TABLES)
def test_tables_of_texts(tmp_path, name):
    header, row = TEXT_TABLES[name]
    data = open_data(written(tmp_path / f"{name}.csv", [header.split(","), *map(row, range(20))], encoding="cp1252"))
    assert (data.task, data.mode, len(data.classes)) == ("classification", "text", 2)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("sentiment140.csv", lambda i: [i % 2 * 4, 146780 + i, "Mon Apr 06", "NO_QUERY", f"u{i}", f"@you a day {i}"]),
        ("two.csv", lambda i: [("ham", "spam")[i % 2], f"see you at {i}"]),
        ("yelp.txt", lambda i: [f"wow it was number {i}", i % 2]),
        ("trec.tsv", lambda i: [("DESC", "NUM", "LOC")[i % 3], f"how many are {i} ?"]),
        ("SMSSpamCollection", lambda i: [("ham", "spam")[i % 2], f"see you, my friend, at {i}"]),
        ("SMSSpamCollection.txt", lambda i: [("ham", "spam")[i % 2], f"go, {i} times"]),
    ],
)
def test_texts_without_header(tmp_path, name, row):
    delimiter = "," if name.endswith(".csv") else "\t"
    data = open_data(written(tmp_path / name, [row(i) for i in range(24)], delimiter))
    assert (data.task, data.mode) == ("classification", "text")
    assert data.classes == tuple(sorted({str(c) for i in range(24) for c in row(i) if c in (0, 1, 4) or c in CLASSES}))


CLASSES = ("ham", "spam", "DESC", "NUM", "LOC")


@pytest.mark.parametrize("line", ['ham\t"Hello there {}', 'spam\tsay "no" to {}', 'ham\t"a" and "b {}'])
def test_quotation_marks_that_mean_nothing(tmp_path, line):
    lines = [line.format(i) for i in range(6)] + [f"spam\tcall {i} now" for i in range(6)] + ["ham\tgo home"]
    (tmp_path / "SMSSpamCollection").write_text("\n".join(lines))
    data = open_data(tmp_path / "SMSSpamCollection")
    assert (data.classes, len(data.train) + len(data.test)) == (("ham", "spam"), 13)
    assert any('"' in text for text in (*data.train.texts, *data.test.texts))


@pytest.mark.parametrize(
    "columns", [("Title", "Description"), ("headline", "text"), ("subject", "content"), ("Summary", "Text")]
)
def test_title_and_description_are_joined(tmp_path, columns):
    rows = [[i % 4 + 1, f"title {i}", f"and more of {i}"] for i in range(20)]
    data = open_data(written(tmp_path / "train.csv", [["Class Index", *columns], *rows]))
    assert data.classes == ("1", "2", "3", "4")
    assert "title 3 and more of 3" in (*data.train.texts, *data.test.texts)
    data = open_data(tmp_path / "train.csv", text=columns[1])
    assert "and more of 3" in (*data.train.texts, *data.test.texts)


@pytest.mark.parametrize(
    ("layout", "suffix"),
    [
        ("{c}/{i}_7", ".txt"),
        ("train/{c}/{i}_7", ".txt"),
        ("{c}/{i}", ""),
        ("Train/{c}/x{i}", ".txt"),
        ("{c}/d{i}", ".text"),
    ],
)
@pytest.mark.parametrize("classes", [("neg", "pos"), ("sport", "tech", "politics")])
def test_a_folder_of_texts_for_each_class(tmp_path, layout, suffix, classes):
    for c in classes:
        for i in range(6):
            path = tmp_path / "set" / (layout.format(c=c, i=i) + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{c} words é {i}\nsecond line", encoding="cp1252" if i == 2 else "utf-8")
    data = open_data(tmp_path / "set")
    assert (data.mode, data.classes) == ("text", tuple(sorted(classes)))
    assert f"{classes[0]} words é 1 second line" in (*data.train.texts, *data.test.texts)
    assert any("cp1252" in note for note in data.notes)


def test_imdb_as_it_comes(tmp_path):
    for part in ("train", "test"):
        for c in ("neg", "pos", *(["unsup"] if part == "train" else [])):
            for i in range(4):
                path = tmp_path / part / c / f"{i}_7.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{c} film {i} of {part}")
        (tmp_path / part / "urls_pos.txt").write_text("somewhere\n")
    data = open_data(tmp_path)
    assert (data.classes, len(data.train), len(data.test)) == (("neg", "pos"), 8, 8)
    assert any("unsup/ in train/ skipped" in note for note in data.notes)


@pytest.mark.parametrize("stem", ["rt-polarity", "plot.tok", "mr", "books", "reviews 2"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_file_of_lines_for_each_class(tmp_path, stem, encoding):
    for kind in ("pos", "neg"):
        (tmp_path / f"{stem}.{kind}").write_bytes("".join(f"{kind} café {i} .\n\n" for i in range(10)).encode(encoding))
    data = open_data(tmp_path)
    assert (data.mode, data.classes) == ("text", ("negative", "positive"))
    assert "neg café 3 ." in (*data.train.texts, *data.test.texts)


# ------------------------------------------------------------------------------------------------- limits
def test_a_long_cell_and_many_columns(tmp_path):
    rows = [["word " * 60_000 if i == 3 else f"a text of {i}", i % 2] for i in range(8)]
    assert len(open_data(written(tmp_path / "t.csv", [["text", "label"], *rows])).train) == 6
    wide = [[f"c{i}" for i in range(20_000)], *([str(i % 7)] * 20_000 for i in range(4))]
    assert len(read_table(written(tmp_path / "w.csv", wide)).titles) == 20_000


@pytest.mark.slow
def test_20_000_columns_take_no_longer_than_their_cells(tmp_path):
    pictures(tmp_path, [f"{i}.png" for i in range(4)])
    rows = [[f"{i}.png", *(str(i + k % 7) for k in range(20_000))] for i in range(4)]
    path = written(tmp_path / "w.csv", [["file", *(f"c{i}" for i in range(20_000))], *rows])
    data = open_data(path, task="regression")
    assert len(data.classes) == 20_000


@pytest.mark.parametrize("suffix", [".xlsx", ".parquet"])
def test_packages_that_are_not_there(tmp_path, suffix, monkeypatch):
    import importlib

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    path = tmp_path / f"t{suffix}"
    path.write_bytes(b"PK\3\4")
    assert "; pip install " in refused(path)


# ---------------------------------------------------------------------------------------- the verbs agree
def test_the_same_options_for_every_verb(tmp_path):

    pictures(tmp_path, [f"{i}.png" for i in range(24)])
    rows = [[f"{i}.png", f"{23 - i}.png", "mf"[i % 2], "uvw"[i % 3], f"p{i // 2}"] for i in range(24)]
    path = str(written(tmp_path / "t.csv", [["left", "right", "sex", "site", "patient"], *rows]))
    options = {"label": "site", "file": "right", "group": "patient"}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    model = striate.train(
        "flatten; linear 3", path, epochs=1, input="3x4x4", out=tmp_path / "run", quiet=True, **options
    )
    assert model.contract.classes == ("u", "v", "w")
    scores = striate.evaluate(model, path, **options)
    assert scores.n == len(open_data(path, **options).test)
    for verb in (["data", path], ["doctor", path], ["evaluate", str(tmp_path / "run"), path]):
        result = CliRunner().invoke(app, [*verb, *words, "--json"])
        assert '"u"' in result.stdout, result.output
    more = striate.train(None, path, out=tmp_path / "run", resume=True, epochs=2, quiet=True, **options)
    assert more.contract.classes == ("u", "v", "w")
