"""``key=value`` for ``--key value``, the names that other tools have for an option, and what ``--help`` shows."""

import json

import pytest

from striate.tasks import TASKS

TINY = "conv 4 3; relu; flatten; linear 10"


@pytest.mark.parametrize(
    "words",
    [
        ["train", "data=digits", f"model={TINY}", "epochs=1", "batch=64", "lr0=0.01", "imgsz=8", "seed=3"],
        ["train", "digits", f"net={TINY}", "epochs=1", "batch_size=64", "learning_rate=0.01", "input=1x8x8", "seed=3"],
        ["train", "--data", "digits", "--model", TINY, "-e1", "-b", 64, "--learning-rate", 0.01, "seed=3"],
        ["train", "digits", "--net", TINY, "-e", 1, "--batch", 64, "--lr", 0.01, "--imgsz", 8, "--seed", 3],
    ],
    ids=("keys", "other keys", "mixed", "options"),
)
def test_the_same_run_in_four_ways(cli, in_folder, words):
    answer = cli(*words, "--out", "run", "fraction=0.2", "validation_split=0.2", "resume=False")
    assert answer.code == 0, answer.err
    about = json.loads((in_folder / "run" / "recipe.json").read_text())
    settings = ("data", "epochs", "batch_size", "lr", "seed", "fraction", "validation_fraction")
    assert [about[name] for name in settings] == ["digits", 1, 64, 0.01, 3, 0.2, 0.2]
    assert about["net"].startswith("input 1x8x8\nconv 4 3")


def test_arguments_by_name_in_any_order(cli, trained, digit):
    plain = cli("predict", trained, digit)
    assert plain.code == 0
    for words in (
        ["source=" + str(digit), f"model={trained}"],
        [digit, f"model={trained}"],
        ["--model", trained, digit],
    ):
        assert cli("predict", *words).out == plain.out
    assert cli("evaluate", "data=digits", f"model={trained}", "json=true").out.startswith("{")


@pytest.mark.parametrize("name", ["-o", "--out", "--output"])
@pytest.mark.parametrize("verb", ["pool", "view"])
def test_every_output_has_the_three_names(cli, in_folder, name, verb):
    words = {"pool": ["1 2; 3 4", 2, name, "x.png"], "view": ["conv 1 2", "-i", "1x4x4", name, "x.html"]}[verb]
    assert cli(verb, *words).code == 0
    assert [path.stem for path in in_folder.iterdir()] == ["x"]


def test_a_value_with_an_equals_sign_is_left_alone(cli, in_folder, digit, trained):
    assert cli("check", "conv 6 5 stride=2; relu", "imgsz=28").code == 0
    assert cli("data", "shapes:n=20,test=8", "--sheet", "s.png", "--augment", "shift=4").code == 0
    (in_folder / "a=b.png").write_bytes(digit.read_bytes())
    assert cli("predict", trained, "a=b.png").out.startswith("a=b.png: ")
    assert cli("predict", trained, "--", "a=c.png").err == "striate: a=c.png: file not found; did you mean 'a=b.png'?\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train", "digits", "epoch=3"], "epoch=3: no option 'epoch'; did you mean 'epochs'?"),
        (["check", "lenet5", "inptu=28"], "did you mean 'input'?"),
        (["train", "digits", "workers=5"], "no option 'workers'; loading chooses its own number of processes"),
        (["train", "digits", "qqqq=5"], "no option 'qqqq'; --help lists them"),
        (["predict", "source=a.png"], "missing argument MODEL"),
        (["train", "digits", "epochs=many"], "Invalid value for '--epochs'"),
        (["train", "digits", "--epoch", "3"], "No such option: --epoch"),
    ],
)
def test_a_key_that_there_is_not(cli, in_folder, words, text):
    answer = cli(*words)
    assert (answer.code, answer.out) == (2, "")
    assert text in answer.err
    assert not list(in_folder.iterdir())


def test_help_shows_one_long_name_of_an_option(cli):
    text = cli("train", "--help").out
    assert "-b, --batch-size" in text
    assert "--lr FLOAT" in text
    for other in ("--batch ", "--lr0", "--learning-rate", "--optimiser", "--imgsz", "--pretrained"):
        assert other not in text


def test_help_names_the_losses_of_every_task(cli):
    text = " ".join(cli("train", "--help").out.split())
    assert "; ".join(f"{task.name}: {', '.join(task.losses)}" for task in TASKS.values()) in text


def test_a_runs_folder_wherever_a_model_does(cli, trained, digit, in_folder):
    def lines(words):
        return [line for line in cli(*words).out.splitlines() if "model.safetensors" not in line and "run" not in line]

    for words in (["evaluate", "M", "digits"], ["predict", "M", digit], ["check", "M"], ["filters", "M"]):
        one, other = (
            lines([file if word == "M" else word for word in words])
            for file in (trained, trained / "model.safetensors")
        )
        assert one == other != []
    assert cli("export", trained, "-o", "net.py").code == 0
    assert cli("train", "digits", "--weights", trained, "-e", 1, "fraction=0.1").code == 0
