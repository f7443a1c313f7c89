"""``striate train --page``: the page beside the report, the link to it, and what is said where there is none."""

import json
import re

import pytest

import striate
from striate.datasets import open_data
from striate.errors import SeeError
from striate.report.markup import el
from striate.run import paneling
from striate.sampling import evenly

NET = "conv 3 3; relu; maxpool 2; flatten; linear 10"
LINK = str(el("a", "Live page: change the input, watch every layer, open any unit", href="page.html"))


def scene(path):
    return json.loads(re.search(r'id="scene">(.*?)</script>', path.read_text(), re.S)[1])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    striate.train(NET, "digits", epochs=2, fraction=0.2, init="lecun", seed=3, page=True, out=folder, quiet=True)
    return folder


def test_the_page_is_of_the_best_model_and_its_test_items(run):
    about = scene(run / "page.html")
    scores = striate.evaluate(run, "digits")
    assert about["title"].endswith(" on digits")
    assert (about["first"]["init"], about["first"]["seed"]) == ("lecun", 3)
    assert about["tested"]["headline"] == scores.headline("images")
    assert sum(n for *_, n in about["tested"]["confusion"]) == scores.n == 360
    assert len(about["samples"]) == 24
    labels = open_data("digits").test.labels
    assert [sample["name"] for sample in about["samples"]] == [str(labels[i]) for i in evenly(360, 24)]
    assert [row["epoch"] for row in about["history"]["rows"]] == [1, 2]


def test_the_report_links_to_it(run):
    assert LINK in (run / "report.html").read_text()


def test_view_of_the_run_shows_the_same(run):
    now, then = striate.view(run).scene.about, scene(run / "page.html")
    assert json.loads(json.dumps(now["tested"])) == then["tested"]
    assert json.loads(json.dumps(now["first"])) == then["first"]
    assert now["history"]["best"] == then["history"]["best"]


def test_without_it_there_is_no_page_and_no_link(cli, in_folder):
    done = cli("train", "digits", "--net", NET, "--fraction", "0.1", "--epochs", "1", "--out", "run")
    assert done.code == 0
    assert "page" not in done.out
    assert not (in_folder / "run/page.html").exists()
    assert "page.html" not in (in_folder / "run/report.html").read_text()


def test_the_verb_says_where_it_is(cli, in_folder):
    words = ["train", "digits", "--net", NET, "--fraction", "0.1", "--out", "run"]
    done = cli(*words, "--epochs", "1", "--page")
    assert done.code == 0
    assert "page    run/page.html\n" in done.out
    page = in_folder / "run/page.html"
    assert [row["epoch"] for row in scene(page)["history"]["rows"]] == [1]
    done = cli(*words, "--epochs", "2", "--resume", "--json")  # the page of the run until then would be an old one
    assert json.loads(done.out)["page"] == "run/page.html"
    assert [row["epoch"] for row in scene(page)["history"]["rows"]] == [1, 2]
    assert LINK in (in_folder / "run/report.html").read_text()


def test_a_network_that_no_page_can_show_ends_no_training(cli, in_folder, monkeypatch):
    def refuse(*_):
        raise SeeError("the network is too large")

    words = ["train", "digits", "--net", NET, "--fraction", "0.1", "--epochs", "1", "--page"]
    monkeypatch.setattr(paneling, "page_of", refuse)
    (in_folder / "run").mkdir()
    done = cli(*words, "--out", "run")
    assert done.code == 0
    assert "no page: the network is too large\n" in done.err
    assert not (in_folder / "run/page.html").exists()
    assert "page.html" not in (in_folder / "run/report.html").read_text()
    assert (in_folder / "run/model.safetensors").exists()
    done = cli(*words, "--json")
    assert json.loads(done.out)["page"] is None
    assert done.err.endswith("no page: the network is too large\n")
    striate.train(NET, "digits", epochs=1, fraction=0.1, page=True, quiet=True)


def test_in_python_it_is_said(capsys, in_folder):
    striate.train(NET, "digits", epochs=1, fraction=0.1, page=True, out="run")
    assert capsys.readouterr().err.endswith("\npage run/page.html\n")
