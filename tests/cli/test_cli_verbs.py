"""The verbs as the interface promises them: what goes to stdout, what to stderr, the keys of the JSON, the codes."""

import csv
import json
import re
import sys

import pytest
from PIL import Image

from striate.cli.main import HEADINGS, VERBS
from striate.zoo import ZOO

TINY = "conv 4 3; relu; flatten; linear 10"


def document(answer, code=0):
    """The one JSON document on stdout, and nothing else."""
    assert answer.code == code, answer.err
    assert answer.out.endswith("\n")
    return json.loads(answer.out)


# ------------------------------------------------------------------------------------------------------------ zoo
def test_zoo(cli):
    answer = cli("zoo")
    assert (answer.code, answer.err) == (0, "")
    head, *rows = answer.out.splitlines()
    assert head.split() == ["net", "paper", "year", "input", "parameters", "MACs", "receptive", "field"]
    assert [row.split()[0] for row in rows] == list(ZOO)
    assert "61,706" in rows[0]
    assert "416,520" in rows[0]


def test_zoo_as_json(cli):
    rows = document(cli("zoo", "--json"))
    assert [row["name"] for row in rows] == list(ZOO)
    for row in rows:
        assert set(row) == {"name", "paper", "year", "input", "parameters", "macs", "receptive_field"}
    assert (rows[0]["parameters"], rows[0]["macs"], rows[0]["input"]) == (61706, 416520, [1, 32, 32])


# ---------------------------------------------------------------------------------------------------------- check
def test_check(cli):
    answer = cli("check", "conv 6 5; relu; maxpool 2; flatten; linear 10", "--input", "1x28x28")
    assert (answer.code, answer.err) == (0, "")
    assert "8,806" in answer.out
    assert "95,040" in answer.out


def test_check_as_json(cli):
    report = document(cli("check", "lenet5", "--json"))
    assert report.keys() >= {
        "net", "input", "layers", "parameters", "macs", "flops", "receptive_field", "problems", "dropped",
        "legal_inputs",
    }  # fmt: skip
    assert report["layers"][0].keys() >= {
        "name", "op", "inputs", "output", "parameters", "macs", "receptive_field", "stride", "start", "memory",
    }  # fmt: skip
    assert report["legal_inputs"].keys() >= {"below", "above", "smallest", "step"}
    assert (report["parameters"], report["macs"], report["flops"]) == (61706, 416520, 833040)
    assert report["problems"] == []


def test_a_net_with_problems_is_answered_no(cli):
    report = document(cli("check", "conv 6 5; linear 10; linear 7", "-i", "1x3x3", "--json"), code=1)
    assert [problem["layer"] for problem in report["problems"]] == ["conv1", "linear1"]
    assert all(problem.keys() >= {"layer", "message", "fix"} for problem in report["problems"])
    answer = cli("check", "conv 6 5", "-i", "1x3x3")
    assert answer.code == 1
    assert "a 5x5 window does not fit its 3x3 input" in answer.out


def test_check_of_a_file_and_of_a_model(cli, in_folder, trained):
    (in_folder / "mein netz, ž.net").write_text("input 1x8x8\nflatten\nlinear 3\n")
    assert document(cli("check", "mein netz, ž.net", "--json"))["parameters"] == 195
    assert document(cli("check", trained / "model.safetensors", "--json"))["input"] == [1, 8, 8]


# ---------------------------------------------------------------------------------------------------------- train
def test_train(cli, in_folder):
    answer = cli("train", "digits", "--net", TINY, "--epochs", 2, "--batch", 128)
    assert answer.code == 0
    assert answer.out.startswith("net on digits: input 1x8x8, ")  # the layers are for check
    assert "MACs\n" in answer.out
    assert "; model of epoch 2, the last within a standard error of the best validation accuracy" in answer.out
    for word in ("test accuracy", "model   runs/digits-net/model.safetensors", "curves  runs/", "report  runs/"):
        assert word in answer.out
    lines = answer.err.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("epoch")] == [["epoch", "1/2"], ["epoch", "2/2"]]
    assert "  striate evaluate runs/digits-net digits" in lines
    assert "epoch 1/2" not in answer.out


def test_train_as_json(cli, in_folder):
    said = document(cli("train", "digits", "-n", TINY, "-e", 1, "-o", "here", "--json"))
    assert said.keys() >= {"model", "run", "epochs", "seconds", "train", "test"}
    assert said["test"].keys() >= {"accuracy", "loss", "n"}
    assert said["model"] == "here/model.safetensors"
    assert (in_folder / "here" / "report.html").is_file()


def test_every_setting_has_its_option(cli, in_folder):
    words = (
        "--epochs 1 --batch 64 --lr 0.01 --schedule step --warmup 0.2 --optimizer nesterov --momentum 0.5 "
        "--weight-decay 0.1 --l1 0.001 --label-smoothing 0.2 --loss crossentropy --clip 1 --seed 3 --init he "
        "--device cpu"
    ).split()
    assert cli("train", "digits", "--net", TINY, *words, "--out", "r").code == 0
    about = json.loads((in_folder / "r" / "recipe.json").read_text())
    wanted = {
        "epochs": 1, "batch_size": 64, "lr": 0.01, "schedule": "step", "warmup": 0.2, "optimizer": "nesterov",
        "momentum": 0.5, "weight_decay": 0.1, "l1": 0.001, "label_smoothing": 0.2, "loss": "crossentropy", "clip": 1,
        "seed": 3, "init": "he",
    }  # fmt: skip
    assert {name: about[name] for name in wanted} == wanted


def test_a_recipe_by_name_and_the_recipe_of_another_run(cli, in_folder):
    assert cli("train", "digits", "--net", TINY, "--recipe", "tutorial", "--epochs", 1, "-o", "a").code == 0
    assert cli("train", "digits", "--net", TINY, "--recipe", "a/recipe.json", "--seed", 1, "-o", "b").code == 0
    first, second = (json.loads((in_folder / run / "recipe.json").read_text()) for run in "ab")
    assert first["loss"] == "mse"
    assert second == first | {"seed": 1, "content": second["content"]}  # another seed, another split


def test_paths_and_classes_with_spaces_and_letters_from_elsewhere(cli, in_folder, photos):
    import shlex

    photos(in_folder / "meine Fotos ž", {"a cat": 8, "ž 猫": 8})
    answer = cli("train", "meine Fotos ž", "--net", "flatten; linear 2", "--epochs", 1)
    assert answer.code == 0
    after = [shlex.split(line) for line in answer.err.splitlines() if line.startswith("  striate ")]
    assert [words[1] for words in after] == ["evaluate", "predict"]
    evaluated = document(cli(*after[0][1:], "--json"))  # what it says to type next works
    assert [c["name"] for c in evaluated["per_class"]] == ["a cat", "ž 猫"]
    model = after[1][2]
    said = document(cli("predict", model, in_folder / "meine Fotos ž" / "ž 猫", "--json"))
    assert len(said) == 8
    assert {top["class"] for top in said[0]["top"]} == {"a cat", "ž 猫"}
    assert "ž 猫" in cli("predict", model, "meine Fotos ž").out


# ------------------------------------------------------------------------------------------------------- evaluate
def test_evaluate(cli, trained):
    answer = cli("evaluate", trained / "model.safetensors", "digits")
    assert (answer.code, answer.err) == (0, "")
    assert "on the test split of digits" in answer.out
    assert "of 360; 95% interval" in answer.out


def test_evaluate_on_the_data_of_the_run(cli, trained, tmp_path):
    """Without DATA; the same items in the same splits. A model file that left its run's folder asks for them."""
    for split in ("test", "val"):
        own, given = (cli("evaluate", trained, *data, "--split", split).out for data in ((), ("digits",)))
        assert own.startswith(f"{trained} on the {split} split of its run's data\n")
        assert own.split("\n", 1)[1] == given.split("\n", 1)[1]
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((trained / "model.safetensors").read_bytes())
    text = f"striate: {alone}: no run's folder says what it was trained on; give the data to evaluate it on\n"
    answer = cli("evaluate", alone)
    assert (answer.code, answer.out, answer.err) == (2, "", text)


def test_evaluate_as_json(cli, trained):
    said = document(cli("evaluate", trained / "model.safetensors", "digits", "--json"))
    assert said.keys() >= {
        "n", "accuracy", "accuracy_interval", "loss", "per_class", "confusion", "calibration", "worst",
    }  # fmt: skip
    assert said["n"] == 360
    assert sum(map(sum, said["confusion"])) == 360
    whole = document(cli("evaluate", trained / "model.safetensors", "digits", "--part", "all", "--json"))
    assert whole["n"] == 1797


def test_evaluate_writes_every_item(cli, trained, in_folder):
    answer = cli("evaluate", trained, "digits", "-o", "items.csv")
    assert answer.err == "wrote items.csv: 360 items\n"
    with (in_folder / "items.csv").open() as file:
        rows = [*csv.DictReader(file)]
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert f"{right} of 360;" in answer.out
    assert right == sum(int(row["right"]) for row in rows)
    for row in rows:
        probabilities = [float(row[f"p({digit})"]) for digit in range(10)]
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        assert max(probabilities) == float(row["probability"]) == float(row[f"p({row['prediction']})"])
    assert "the file must end in .csv" in cli("evaluate", trained, "digits", "-o", "items.txt").err


def test_evaluate_with_the_costs_of_mistakes(cli, trained):
    text = cli("evaluate", trained, "--cost", "8:1=10, 1:8=0").out
    assert "\n\ncost         " in text
    assert " per item, choosing the most probable class  (95% bootstrap interval " in text
    assert " choosing the class of least expected cost; saves " in text
    said = document(cli("evaluate", trained, "--cost", "8:1=10", "--json"))["cost"]
    assert said["saved"] == pytest.approx(said["usual"] - said["least"])
    answer = cli("evaluate", trained, "--cost", "8:one=10")
    assert answer.code == 2
    assert "cost is '8:one=10': there is no class 'one'" in answer.err
    answer = cli("evaluate", trained, trained, "--cost", "8:1=10")
    assert "--cost is for one model; omit MODEL_B, or --cost" in answer.err


def test_evaluate_says_what_train_said(cli, in_folder):
    trained = document(cli("train", "digits", "--net", TINY, "-e", 1, "--json"))
    said = document(cli("evaluate", trained["model"], "digits", "--json"))
    assert {name: said[name] for name in trained["test"]} == trained["test"]


# -------------------------------------------------------------------------------------------------------- predict
def test_predict(cli, trained, digit):
    answer = cli("predict", trained / "model.safetensors", digit, "--top", 2)
    assert (answer.code, answer.err) == (0, "")
    (line,) = answer.out.splitlines()
    assert line.startswith(f"{digit}: 0 ")
    assert line.count("%") == 2


def test_predict_as_json(cli, trained, digit):
    (said,) = document(cli("predict", trained / "model.safetensors", digit, "--json"))
    assert said.keys() == {"file", "class", "probability", "top"}
    assert (said["file"], said["class"]) == (str(digit), "0")
    assert sum(top["probability"] for top in said["top"]) == pytest.approx(1)
    assert said["top"][0] == {"class": said["class"], "probability": said["probability"]}


def test_a_file_that_cannot_be_read_stops_no_other(cli, trained, digit, in_folder):
    (in_folder / "notes.txt").write_text("hello")
    answer = cli("predict", trained / "model.safetensors", digit, "notes.txt", "missing.png", digit, "--json")
    assert [said["file"] for said in document(answer, code=3)] == [str(digit)] * 2
    assert answer.err.splitlines() == [
        "striate: notes.txt: not an image that can be read (PNG, JPEG, BMP, GIF, TIFF, WebP, PPM); "
        "convert or remove it",
        "striate: missing.png: file not found; expected an image file",
    ]


def test_a_folder_without_images(cli, trained, in_folder):
    (in_folder / "empty").mkdir()
    answer = cli("predict", trained / "model.safetensors", "empty")
    assert (answer.code, answer.out, answer.err) == (3, "", "striate: empty: no images in this folder\n")


def test_names_cannot_move_the_cursor(cli, trained, in_folder, digit):
    Image.open(digit).save(in_folder / "a\x1b[2Jb.png")
    assert "\x1b" not in cli("predict", trained / "model.safetensors", "a\x1b[2Jb.png").out


# -------------------------------------------------------------------------------------------------------- manners
def test_help_and_version(cli):
    for words in (["--help"], ["train", "--help"], ["zoo", "-h"]):
        answer = cli(*words)
        assert answer.code == 0
        assert answer.out.startswith("Usage: striate")
    assert cli("evaluate", "--help").out.splitlines()[0] == "Usage: striate evaluate [OPTIONS] MODEL [MODEL_B] [DATA]"
    assert cli("--version").out.startswith("striate 0.")


def test_no_verb_shows_the_help(cli):
    answer = cli()
    assert answer.code == 2
    assert "train" in answer.out + answer.err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["trian", "digits"], 2, "No such command 'trian'. Did you mean 'train'?"),
        (["train", "digits", "--eopchs", "3"], 2, "No such option: --eopchs (Possible options: --epochs"),
        (["train", "digits", "--net", "lenet"], 2, "did you mean 'lenet5'"),
        (["train", "digitz"], 3, "digitz: file not found; did you mean 'digits'?"),
        (["train", "digits", "--init", "hee"], 2, "init is 'hee'; did you mean 'he'?"),
        (["train", "digits", "--optimiser", "adamm"], 2, "optimizer is 'adamm'; did you mean 'adam'?"),
        (["train", "digits", "--recipe", "standart"], 2, "did you mean 'standard'?"),
        (["evaluate", "MODEL", "digits", "--part", "tests"], 2, "split is 'tests'; did you mean 'test'?"),
        (["evaluate", "MODEL", "digts"], 3, "digts: file not found; did you mean 'digits'?"),
        (["check", "cnov 6 5", "-i", "1x8x8"], 2, "unknown layer 'cnov'; did you mean 'conv'?"),
    ],
)
def test_what_is_misspelt_gets_the_nearest(cli, trained, in_folder, words, code, text):
    answer = cli(*(trained / "model.safetensors" if word == "MODEL" else word for word in words))
    assert answer.code == code
    assert answer.out == ""
    assert text in answer.err
    assert not list(in_folder.iterdir())


def test_debug_shows_where_it_happened(cli, monkeypatch):
    from striate.cli import main
    from striate.errors import DataError

    for words in (["--debug", "train", "digitz"], ["train", "digitz", "--debug"]):
        monkeypatch.setattr(sys, "argv", ["striate", *words])
        with pytest.raises(DataError, match="digitz"):
            main()


def test_a_terminal_that_knows_few_letters(cli, monkeypatch, trained, digit, in_folder, capsys):
    import io

    Image.open(digit).save(in_folder / "ž 猫.png")
    for words in (["--json"], []):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "argv", ["striate", "predict", str(trained / "model.safetensors"), "ž 猫.png", *words])
        from striate.cli import main

        with pytest.raises(SystemExit) as ended:
            main()
        stream.flush()
        assert not ended.value.code
        text = stream.buffer.getvalue().decode("ascii")
        if words:
            assert json.loads(text)[0]["file"] == "ž 猫.png"
        else:
            assert text.startswith("\\u017e \\u732b.png: 0 ")


def test_out_of_memory_is_said(cli, monkeypatch, in_folder):
    def full(*args, **more):
        raise MemoryError("Unable to allocate 9.00 TiB for an array")

    monkeypatch.setattr("striate.run.reading.read_part", full)
    answer = cli("train", "digits", "--net", TINY)
    assert answer.code == 1
    assert answer.err.splitlines()[-1].startswith(
        "striate: out of memory (Unable to allocate 9.00 TiB for an array); use a smaller"
    )


def test_a_bug_of_ours_is_not_hidden(monkeypatch):
    from striate.cli import main

    def wrong(*args, **more):
        raise RuntimeError("a bug")

    monkeypatch.setattr("striate.run.reading.read_part", wrong)
    monkeypatch.setattr(sys, "argv", ["striate", "train", "digits", "--net", TINY])
    with pytest.raises(RuntimeError, match="a bug"):
        main()


def test_the_verbs_stand_under_headings(cli):
    lines = cli("-h").out.splitlines()
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options:", *(f"{heading}:" for heading in HEADINGS)]
    assert sum(line.split()[:1] == ["train"] for line in lines) == 1


def test_a_value_has_a_word_and_not_a_type(cli):
    text = cli("train", "--help").out
    for option in ("-e, --epochs N", "--schedule SCHEDULE", "--fraction FLOAT", "DATA  "):
        assert option in text
    for verb in VERBS:
        assert not re.search(r"<(str|int|float|list|path)", cli(verb, "--help").out), verb


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "digits", "--lr", "foo"], "Invalid value for '--lr': 'foo' is not a number"),
        (["train", "digits", "--epochs", "1.5"], "Invalid value for '--epochs': '1.5' is not a whole number"),
        (["predict", "m", "i", "--top", "0"], "Invalid value for '--top': must be at least 1, got 0"),
        (["predict", "m", "i", "--threshold", "2"], "Invalid value for '--threshold': must be from 0 to 1, got 2.0"),
        (["check", "lenet5", "--svg", "out.png"], "out.png: the file must end in .svg"),
    ],
)
def test_a_value_that_is_none_is_named_in_few_words(cli, in_folder, words, message):
    answer = cli(*words)
    assert answer.code == 2
    assert message in answer.err
    assert not list(in_folder.iterdir())


def test_evaluate_and_predict_take_a_batch_size_and_a_device(cli, trained, digit):
    usual = document(cli("evaluate", trained, "digits", "--json"))
    small = document(cli("evaluate", trained, "digits", "--json", "--batch-size", 7, "--device", "cpu"))
    assert small["accuracy"] == usual["accuracy"]
    answer = cli("predict", trained, digit, "-b", 1, "--device", "cpu")
    assert answer.code == 0
    answer = cli("predict", trained, digit, "--device", "gpu")
    assert (answer.code, answer.out) == (2, "")
    assert "device 'gpu' is not available (unknown device type); use cpu or auto" in answer.err


def test_the_options_of_train_stand_under_headings(cli):
    lines = cli("train", "--help").out.splitlines()
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    more = ["Loss, regularisation and fine-tuning:", "Speed:", "The run:"]
    assert headings == ["Arguments:", "The network:", "The data:", "Training:", *more, "Options:"]
    options = ("--net", "--augment", "--lr", "--loss", "--precision", "--out")
    at = [next(i for i, line in enumerate(lines) if f"{option} " in line) for option in options]
    starts = [lines.index(heading) for heading in headings[1:-1]]
    assert [sum(start < i for start in starts) for i in at] == [1, 2, 3, 4, 5, 6]
