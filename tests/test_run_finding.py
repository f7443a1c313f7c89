"""``train --find-lr``: the sweep on the data and net of a run, which leaves no run behind."""

import json
import xml.etree.ElementTree as ET

import pytest

import striate

TINY = "flatten; linear 10"


def test_find_lr_suggests_a_rate_that_trains_and_draws_it(cli, in_folder):
    answer = cli("train", "digits", "--net", TINY, "--find-lr", "lr.svg", "batch_size=64", "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found.keys() == {"suggestion", "lowest", "steepest", "rates", "losses", "smoothed", "path"}
    assert [path.name for path in in_folder.iterdir()] == ["lr.svg"]  # no run, no file but the plot
    svg = ET.parse("lr.svg").getroot()
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert f"lr {found['suggestion']:g}" in texts
    assert "learning rate" in texts
    fast, slow = (
        striate.train(TINY, "digits", epochs=2, batch_size=64, lr=lr, out=f"at{lr}", quiet=True)
        for lr in (found["suggestion"], found["suggestion"] / 100)
    )
    assert striate.evaluate(fast, "digits").accuracy > striate.evaluate(slow, "digits").accuracy + 0.2


def test_find_lr_in_words(cli, in_folder):
    answer = cli("train", "digits", "--net", TINY, "--find-lr", "lr.svg")
    first, second, third = answer.out.splitlines()
    sweep = striate.find_lr(TINY, "digits", say=lambda text: None)
    assert first.startswith(f"suggested: --lr {sweep.suggestion:g}, a third of the rate of the lowest loss")
    assert second.startswith(
        f"the loss falls fastest at {sweep.steepest:.2g}; swept {len(sweep.rates)} steps from 1e-06"
    )
    assert third == "plot lr.svg"


@pytest.mark.parametrize("option", ["--resume", "--page", "--keep-epochs", "out=run", "--tune=9s", "--log=json"])
def test_find_lr_takes_no_option_of_a_run(cli, in_folder, option):
    answer = cli("train", "digits", "--find-lr", "lr.svg", option)
    assert answer.code == 2
    assert "--find-lr trains nothing: omit --" in " ".join(answer.err.replace("│", "").split())


def test_the_plot_is_an_svg(cli, in_folder):
    answer = cli("train", "digits", "--find-lr", "lr.pdf")
    assert (answer.code, "must end in .svg" in answer.err) == (2, True)
