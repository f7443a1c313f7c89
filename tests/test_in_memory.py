"""Data in memory and in files, the same the whole way: opened, trained on, measured, predicted for."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.datasets import open_data
from striate.datasets.open import open_as_it_is
from striate.datasets.options import DataOptions
from unfitted import unfitted

TINY = "conv 4 3; relu; adaptiveavgpool 1; flatten; linear"
RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
X = (RNG.integers(0, 100, (60, 12, 12)) + 70 * Y[:, None, None]).astype(np.uint8)
MASKS = (X > 120).astype(np.int64)
WORDS = ["good fine warm great lovely", "bad poor cold awful dull", "so plain usual middling grey"]
TEXTS = [f"{WORDS[i]} number{n}" for n, i in enumerate(Y)]


def train(data, net=f"{TINY} 3", **more):
    return striate.train(net, data, epochs=1, quiet=True, **more)


def names(answers):
    return [answer.file for answer in answers]


# --------------------------------------------------------------------------------------------------------- what it is
@pytest.mark.parametrize(
    ("x", "mode", "input"),
    [
        (X, "L", (1, 12, 12)),
        (X[:, None], "L", (1, 12, 12)),
        (torch.from_numpy(X)[..., None], "L", (1, 12, 12)),
        (np.stack([X] * 3, 1), "RGB", (3, 12, 12)),
        (np.stack([X] * 3, -1), "RGB", (3, 12, 12)),
        ([Image.fromarray(x) for x in X], "L", (1, 12, 12)),
        (torch.stack([torch.from_numpy(X)] * 3, 1).float().requires_grad_(), "values", (3, 12, 12)),
        (X.reshape(60, -1) / 2, "values", (1, 144)),
        (np.stack([X / 2] * 5, 1), "values", (5, 12, 12)),
        (np.stack([X / 2] * 12, 1)[:, None], "values", (1, 12, 12, 12)),
    ],
    ids=["NHW", "NCHW", "tensor NHWC", "colour NCHW", "colour NHWC", "images", "floats", "signals", "bands", "volumes"],
)
def test_arrays_and_tensors_are_what_an_npz_of_them_is(tmp_path, x, mode, input):
    data = open_data((x, Y))
    assert (data.task, data.classes, data.mode, data.input) == ("classification", ("0", "1", "2"), mode, input)
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 48, "test": 12}
    plain = np.stack(x) if isinstance(x, list) else np.asarray(x.detach() if isinstance(x, torch.Tensor) else x)
    np.savez(tmp_path / "same.npz", x=plain, y=Y)
    of_file = open_data(tmp_path / "same.npz")
    np.testing.assert_array_equal(data.train.arrays, of_file.train.arrays)
    np.testing.assert_array_equal(data.train.labels, of_file.train.labels)


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        (Y.tolist(), "classification", ("0", "1", "2")),
        (np.array(["a", "b", "c"])[Y], "classification", ("a", "b", "c")),
        ([*np.array(["a", "b", "c"], object)[Y]], "classification", ("a", "b", "c")),
        (torch.from_numpy(Y * 1.5), "regression", ("y",)),
        (np.stack([Y, Y % 2], 1) + 0.5, "regression", ("y0", "y1")),
        (np.stack([Y > 0, Y > 1], 1), "multilabel", ("0", "1")),
        (np.eye(3)[Y], "classification", ("0", "1", "2")),
        (MASKS, "segmentation", ("background", "foreground")),
    ],
    ids=["ints", "words", "objects", "floats", "values", "flags", "one-hot", "masks"],
)
def test_targets_say_the_task(y, task, classes):
    data = open_data((X, y))
    assert (data.task, data.classes) == (task, classes)


def test_several_splits():
    for data in (
        {"train": (X, Y), "val": (X[:9], Y[:9])},
        {"Training": (X, Y), "validation": (X[:9], Y[:9])},
        ((X, Y), (X[:9], Y[:9])),
        {"x_train": X, "y_train": Y, "x_val": X[:9], "y_val": Y[:9]},
    ):
        assert {name: len(part) for name, part in open_data(data).parts.items()} == {"train": 48, "val": 9, "test": 12}
    whole = open_data(((X, Y), (X[:9], Y[:9]), (X[:6], Y[:6])))
    assert [len(part) for part in whole.parts.values()] == [60, 9, 6]


def test_a_data_set_is_taken_as_it_is():
    digits = open_data("digits")
    assert open_data(digits) is digits
    assert open_data(digits, task="regression").task == "regression"
    assert striate.data(digits).dataset is digits
    with pytest.raises(striate.DataError, match="digits: --label names a column of a table; this data set is open"):
        open_data(digits, label="x")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            X,
            "got an array without its labels for data; expected a built-in name, a path, (X, y), ((X, y), (X_val",
        ),
        ((X, Y, Y), "got 3 things for data; expected"),
        ([(1, 2, 3)], "got 1 things for data; expected"),
        (
            (RNG.normal(size=(60, 4)), Y),
            "X has the shape (60, 4): a table of 4 columns, whose order means nothing to a",
        ),
        ((X, Y[:50]), "arrays: X has 60 items, but y has 50; they must belong together"),
        ((X, Y * np.nan), "arrays: y contains 60 NaN or infinite number(s), first in item 0; remove or replace them"),
        ((X, [None] * 60), "y contains NoneType; expected an array or a list of numbers"),
        ((X, Y * 0), "arrays: every target is 0; learning needs two classes or more"),
        ((X[:0], Y[:0]), "arrays: X has the shape (0, 12, 12): it contains no items"),
        (([X[0], X[1, :5]] * 9, [0, 1] * 9), "X has items of different shapes, (5, 12), (12, 12); make them alike"),
        ({"foo": (X, Y), "train": (X, Y)}, "the key 'foo' names no split; expected train, val, test"),
        ({"test": (X, Y)}, "the keys are 'test'; there is no training split (train)"),
        ({"val": (X, Y), "valid": (X, Y)}, "the keys 'val', 'valid' name one split twice"),
        ({"train": (X, Y), "val": (TEXTS, Y)}, "the splits are of different kinds; give DataFrames, arrays, or texts"),
        ({"train": (X, Y), "val": X}, "got an array without its labels for the val split; expected"),
        ({3: X}, "the keys are 3; expected train, val, test"),
        ((TEXTS, Y[:9]), "X has 60 items, but y is int64 (9,); they must belong together"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_is_no_data_is_said(data, text):
    with pytest.raises(striate.DataError) as caught:
        open_data(data)
    assert str(caught.value).startswith(text)


def test_columns_are_of_tables_alone():
    with pytest.raises(striate.DataError, match="--label names a column of a table; these are arrays: omit it"):
        open_data((X, Y), label="y")


# ------------------------------------------------------------------------------------------------------ the whole way
def test_arrays_the_whole_way(in_folder):
    model = train((X, Y))
    assert (in_folder / "runs" / "arrays-net" / "model.safetensors").is_file()
    np.savez("same.npz", x=X, y=Y)
    of_file = train("same.npz")
    for name, value in model.module.state_dict().items():
        assert torch.equal(value, of_file.module.state_dict()[name])
    assert striate.evaluate(model, (X, Y)).as_dict()["accuracy"] == striate.evaluate(of_file, "same.npz").accuracy
    assert striate.doctor((X, Y)).counts["train"]["items"] == 48
    assert striate.data((torch.from_numpy(X), Y)).as_dict()["items"] == {"train": 48, "test": 12}
    resumed = striate.train(None, (X, Y), resume=True, epochs=2, quiet=True)
    assert unfitted(resumed.contract) == unfitted(model.contract)


def test_a_run_on_arrays_cannot_open_them_again(in_folder):
    model = train((X, Y))
    with pytest.raises(striate.DataError, match="was trained on data in memory, which no file has; give the data"):
        striate.evaluate(model)


def test_every_form_of_the_same_arrays_is_predicted_alike_in_order(in_folder):
    model = train((X, Y))
    top = [answer.top for answer in model.predict([*X])]
    np.savez("both.npz", x=X, y=Y)
    np.savez("inputs.npz", x=X)
    np.save("alone.npy", X)
    forms = {
        "item": (X, X[:, None], torch.from_numpy(X), (X, Y), (torch.from_numpy(X), Y)),
        "both": ("both.npz",),
        "inputs": ("inputs.npz",),
        "alone": ("alone.npy",),
        "arrays train": ({"train": (X, Y)}, open_as_it_is((X, Y), DataOptions())),
    }
    for name, sources in forms.items():
        for source in sources:
            answers = striate.predict("runs/arrays-net", source)
            assert names(answers) == [f"{name} {i}" for i in range(60)]
            for answer, expected in zip(answers, top, strict=True):  # a run's model is read in another memory format
                assert dict(answer.top) == pytest.approx(dict(expected), abs=1e-6)
    splits = striate.predict(model, {"x_train": X[:2], "y_train": Y[:2], "x_test": X[3:5], "y_test": Y[3:5]})
    assert names(splits) == ["arrays train 0", "arrays train 1", "arrays test 0", "arrays test 1"]


def test_signals_are_predicted_from_every_form(in_folder, cli):
    x = np.sin(np.arange(40) / (2 + Y[:, None])) + RNG.normal(size=(60, 40)) / 9
    model = train((x, Y), "conv 4 5; relu; flatten; linear 3")
    top = [answer.top for answer in model.predict([*x.astype(np.float32)])]
    np.savez("signals.npz", x=x)
    np.save("signals.npy", x)
    np.save("one.npy", x[0])
    np.savetxt("signals.csv", x, delimiter=",", header=",".join(f"t{i}" for i in range(40)), comments="")
    np.savetxt("labelled.csv", np.c_[Y, x], delimiter=",", header=",".join(["label", *[f"t{i}" for i in range(40)]]),
               comments="")  # fmt: skip
    for source in (x, x[:, None], torch.from_numpy(x), "signals.npz", "signals.npy", "labelled.csv", "signals.csv"):
        answers = striate.predict(model, source)
        assert [answer.class_ for answer in answers] == [best[0][0] for best in top]
        np.testing.assert_allclose([a.probability for a in answers], [best[0][1] for best in top], atol=1e-5)
    assert names(striate.predict(model, "labelled.csv"))[::59] == ["labelled.csv line 2", "labelled.csv line 61"]
    assert names(striate.predict(model, "one.npy")) == ["one.npy"]
    said = cli("predict", "runs/arrays-net", "signals.npz", "one.npy").out.splitlines()
    assert len(said) == 61
    assert said[-2].startswith("signals 59: ")
    assert said[-1].startswith("one.npy: ")


def test_texts_are_predicted_from_every_form(in_folder, cli):
    classes = np.array(["good", "bad", "so"])[Y]
    model = train((TEXTS, classes), "textcnn")
    assert (in_folder / "runs" / "texts-textcnn").is_dir()
    top = [answer.top for answer in model.predict(TEXTS)]
    (in_folder / "a.csv").write_text(
        "title,label\n" + "".join(f"{t},{c}\n" for t, c in zip(TEXTS, classes, strict=True))
    )
    (in_folder / "b.csv").write_text(
        "mood,words\n" + "".join(f"{c},{t}\n" for t, c in zip(TEXTS, classes, strict=True))
    )
    for source in (TEXTS, (TEXTS, classes), np.array(TEXTS), "a.csv", open_data((TEXTS, classes))):
        answers = striate.predict(model, source)
        assert sorted(answer.text for answer in answers) == sorted(TEXTS)
        assert {answer.text: answer.top for answer in answers} == dict(zip(TEXTS, top, strict=True))
    records = [{"text": text} for text in TEXTS[:2]]
    (in_folder / "c.json").write_text(json.dumps(records))
    (in_folder / "c.jsonl").write_text("\n".join(map(json.dumps, records)))
    for source in ("c.json", "c.jsonl"):
        assert names(striate.predict(model, source)) == [f"{source} row 0", f"{source} row 1"]
    answers = striate.predict(model, "b.csv", text="words")
    assert [answer.text for answer in answers] == TEXTS
    assert names(answers)[::59] == ["b.csv line 2", "b.csv line 61"]
    assert len(cli("predict", "runs/texts-textcnn", "b.csv", "--text", "words").out.splitlines()) == 60
    for i, text in enumerate(TEXTS):
        folder = in_folder / "sorted" / classes[i]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.txt").write_text(text)
    assert len(striate.predict(model, "sorted")) == 60
    assert [a.text for a in striate.predict(model, "sorted/good")] == [
        (in_folder / name).read_text() for name in sorted(f"sorted/good/{i}.txt" for i in range(0, 60, 3))
    ]


def test_files_and_tables_of_files_are_predicted_from_every_form(in_folder):
    for i, x in enumerate(X):
        Image.fromarray(x).save(in_folder / f"{i:02}.png")
    files = [f"{i:02}.png" for i in range(60)]
    (in_folder / "t.csv").write_text("file,label\n" + "".join(f"{f},{c}\n" for f, c in zip(files, Y, strict=True)))
    (in_folder / "pixels.csv").write_text(
        ",".join(["label", *[f"pixel{i}" for i in range(144)]])
        + "\n"
        + "\n".join(",".join(map(str, [c, *x.ravel()])) for c, x in zip(Y, X, strict=True))
    )
    model = train((files, Y))
    top = [answer.top for answer in model.predict([*X])]
    for source in (files, (files, Y), "t.csv", in_folder, "pixels.csv"):
        answers = striate.predict(model, source)
        assert [answer.top for answer in answers] == top
    assert names(striate.predict(model, "t.csv")) == files
    assert names(striate.predict(model, "pixels.csv"))[:2] == ["pixels.csv line 2", "pixels.csv line 3"]


def test_what_is_passed_over_in_a_folder_is_said(in_folder, cli, photos, capsys):
    photos(in_folder / "data", {"cat": 12, "dog": 12})
    model = train("data", "flatten; linear 2")
    (in_folder / "data/dog/phone.HEIC").write_bytes(b"?")
    capsys.readouterr()
    assert len(striate.predict(model, "data")) == 24
    assert capsys.readouterr().err == "data: skipped 1 file that is no image (.heic)\n"
    found = cli("predict", "runs/data-net", "data", "data/cat")
    assert found.err == "data: skipped 1 file that is no image (.heic)\n"
    assert len(found.out.splitlines()) == 24 + 12


def test_the_built_in_sets_are_predicted(trained):
    answers = striate.predict(trained, "digits")
    assert names(answers)[0] == "digits train 0"
    assert len(answers) == 1797


def test_what_is_of_another_kind_is_said(in_folder, trained):
    (in_folder / "texts.csv").write_text("text,label\na film of some words,1\nanother film of words,0\n" * 4)
    with pytest.raises(striate.DataError, match=r"texts\.csv line 2: this is a text, but the model takes no texts"):
        striate.predict(trained, "texts.csv")
    model = train((TEXTS, Y), "textcnn")
    with pytest.raises(striate.DataError, match="digits train 0: this is no text, but the model takes texts"):
        striate.predict(model, open_data("digits"))


def test_masks_of_arrays_are_written_under_their_numbers(in_folder):
    model = train((X, MASKS), "conv 2 3 padding=1")
    answers = striate.predict(model, X[:3], out="masks")
    assert sorted(path.name for path in (in_folder / "masks").iterdir()) == ["item 0.png", "item 1.png", "item 2.png"]
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(np.asarray(Image.open(f"masks/item {i}.png")), answer.mask)


# --------------------------------------------------------------------------------------------------------- DataFrames
def test_a_data_frame_the_whole_way(in_folder):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "said": [t.replace(" number", "\nnumber") for t in TEXTS],
            "mood": np.array(["sad", "so", "glad"])[Y],
            "stars": Y * 1.5,
        }
    )
    with pytest.raises(striate.DataError, match="DataFrame: no column 'moods' for --label; did you mean 'mood'"):
        open_data(frame, text="said", label="moods")
    data = open_data(frame, text="said", label="mood")
    assert data.train.names[0] == "DataFrame row 0"
    assert open_data(frame, text="said", label="stars").task == "regression"
    model = train(frame, "textcnn", text="said", label="mood")
    frame.to_csv("same.csv", index=False)
    of_file = train("same.csv", "textcnn", text="said", label="mood")
    for name, value in model.module.state_dict().items():
        assert torch.equal(value, of_file.module.state_dict()[name])
    answers = striate.predict(model, frame, text="said")
    assert names(answers) == [f"DataFrame row {i}" for i in range(60)]
    assert [a.top for a in answers] == [a.top for a in model.predict(TEXTS)]
    assert striate.evaluate(model, frame, text="said", label="mood").n == len(data.test)
    assert striate.doctor(frame, text="said", label="mood").counts["train"]["items"] == len(data.train)
    splits = {"train": frame, "test": frame[:6]}
    assert [len(p) for p in open_data(splits, text="said", label="mood").parts.values()] == [60, 6]


def test_a_data_frame_of_files_pixels_and_measurements(in_folder):
    pandas = pytest.importorskip("pandas")
    for i, x in enumerate(X):
        Image.fromarray(x).save(in_folder / f"{i}.png")
    frame = pandas.DataFrame({"img": [f"{i}.png" for i in range(60)], "kind": Y, "patient": np.arange(60) // 4})
    data = open_data(frame, file="img", label="kind", group="patient")
    assert not {*data.train.groups} & {*data.test.groups}
    frame.index.name = "number"
    assert "columns not used: 'number', 'patient'" in open_data(frame, file="img", label="kind").notes
    with pytest.raises(striate.DataError, match=r"DataFrame: row 1: no file 'gone\.png' in \."):
        open_data(pandas.DataFrame({"img": ["1.png", "gone.png"], "label": ["a", "b"]}))
    pixels = pandas.DataFrame(X.reshape(60, -1), columns=[f"pixel{i}" for i in range(144)]).assign(label=Y)
    data = open_data(pixels)
    assert (data.mode, data.input, data.train.names[0]) == ("L", (1, 12, 12), "DataFrame row 0")
    iris = pandas.DataFrame(RNG.normal(size=(60, 4)), columns=list("abcd")).assign(species=np.array(["x", "y", "z"])[Y])
    with pytest.raises(striate.DataError, match="DataFrame: 4 columns of numbers and no files or texts: their order"):
        open_data(iris)


def test_pandas_is_not_imported_for_arrays(shell):
    code = (
        "import sys, numpy, striate\n"
        "x = numpy.arange(576).reshape(9, 8, 8).astype('u1')\n"
        "striate.open_data((x, [0, 1, 2] * 3))\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=shell.environment, check=True
    )
    assert done.stdout.strip() == "False"
