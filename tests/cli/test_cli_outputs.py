"""No verb writes over what it reads: every option of every verb that writes, found by itself."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer

from striate.cli.common import NUMBERS, WRITTEN, keep_inputs
from striate.cli.main import VERBS, app

COMMANDS = typer.main.get_command(app).commands
READ = {"classes", "file"}  # files that are read
PATHS = {
    verb: {name for name, hint in get_type_hints(function).items() if Path in (hint, *get_args(hint))}
    for verb, function in VERBS.items()
}
OUTPUTS = [(verb, name) for verb, names in PATHS.items() for name in sorted(names - READ)]
OF_VERBS = {
    "export": ".py",
    "weights": ".safetensors",
    "doctor": ".html",
    "evaluate": ".csv",
    "experiment": ".html",
    "runs": ".html",
}
NO_FILES = ("experiment", "runs")  # that are read: a name, and folders
ENDINGS = {"animation": ".gif", "html": ".html", "steps": ".gif", "svg": ".svg"}  # of a drawing: .png


def test_every_option_that_is_a_path_is_known_as_read_or_written():
    assert {name for _, name in OUTPUTS} <= {*WRITTEN}
    for verb, command in COMMANDS.items():
        for option in command.params:
            if {"-o", "--out"} & {*option.opts}:
                assert (verb, option.name) in OUTPUTS
    assert {verb for verb, _ in OUTPUTS} == {
        "activation", "check", "convolve", "curve", "data", "doctor", "evaluate", "experiment", "explain", "export",
        "field", "filters", "imagine", "lab", "maps", "peaks", "pool", "predict", "runs", "train", "unit", "view",
        "weights",
    }  # fmt: skip


def words_of(verb, given):
    """Arguments that the verb takes, each of them *given* where it may be a file."""
    for parameter in COMMANDS[verb].params:
        if parameter.param_type_name == "argument" and (parameter.required or verb in ("convolve", "view")):
            yield "2" if parameter.name == "size" else "sobel" if parameter.name == "kernel" else given


@pytest.mark.parametrize(("verb", "option"), [found for found in OUTPUTS if found[0] not in NO_FILES])
def test_an_input_is_never_written_over(cli, in_folder, verb, option):
    folder = verb in ("train", "predict")
    given = (
        "photos" + ".svg" * (option == "find_lr")
        if folder
        else "given" + ENDINGS.get(option, OF_VERBS.get(verb, ".png"))
    )
    if folder:
        Path(given).mkdir()
        (in_folder / given / "a.png").write_bytes(b"a person's photo")
    else:
        Path(given).write_bytes(b"a person's photo")
    for spelling in (given, f"./{given}", str(in_folder / given)):
        answer = cli(verb, *words_of(verb, given), f"--{option.replace('_', '-')}", spelling)
        assert answer.code == 2
        assert (
            f"--{option.replace('_', '-')} {Path(spelling)}: is an input, and would be overwritten; give another name"
            in answer.err
        )
    assert (in_folder / given / "a.png" if folder else Path(given)).read_bytes() == b"a person's photo"
    assert len(list(in_folder.iterdir())) == 1


def refused(**values):
    try:
        keep_inputs(values)
    except typer.BadParameter as error:
        return str(error)
    return ""


def test_the_other_ways_to_an_input(in_folder):
    """Links, the file of a Python network, an item of a data set, the folder that an input lies in."""
    (in_folder / "data/cat").mkdir(parents=True)
    photo, net = in_folder / "data/cat/a.png", in_folder / "net.py"
    photo.touch()
    net.touch()
    (in_folder / "link.png").symlink_to(photo)
    assert "would be overwritten" in refused(image=str(photo), out=in_folder / "link.png")
    assert "would be overwritten" in refused(net="net.py:Net", out=net)
    assert "lies in the input data, and would be overwritten" in refused(data="data", model="x", sheet=photo)
    assert "lies in the input" in refused(files=[".", "b.png"], out=photo)
    assert "contains the input a.png, which could be overwritten" in refused(files=[str(photo)], out=photo.parent)
    assert refused(data="data", out=in_folder / "data/cat/new.png") == ""
    assert refused(image="1 0; 0 1", kernel="-1 0", out=photo) == ""
    assert refused(image="x" * 5000, text="a\0b", out=photo) == ""
    assert refused(model=str(in_folder), image="b.png", out=photo) == ""  # a figure beside a run's model
    assert refused(data="data", out=in_folder / "data", resume=True) == ""
    assert refused(data="digits", out=None) == ""


def test_no_option_begins_as_a_number_does():
    assert not [name for command in COMMANDS.values() for p in command.params for name in p.opts if NUMBERS.match(name)]


@pytest.mark.parametrize(
    ("words", "near"),
    [(["activity", "m", "d", "--mots", "3"], "--max-items"), (["filters", "m", "--flim"], "--animation")],
)
def test_a_misspelt_option_is_answered_with_names_that_help_shows(cli, words, near):
    answer = cli(*words)
    assert f"(Possible options: {near}" in answer.err
    for old in ("--most", "--film"):
        assert old not in cli(words[0], "--help").out
