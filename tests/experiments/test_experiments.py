"""The frame of the experiments: values, page, verb."""

import json
import re

import numpy as np
import pytest

import striate
from report.test_report import Page
from striate.experiments import EXPERIMENTS, Experiment, Gallery, Outcome, ResultTable
from striate.experiments.page import outcome_page
from striate.plotting import ColourScale, Panel, value_panel
from striate.report.lines import ChartLine, LineChart, line_chart

TABLE = ResultTable(
    "Two nets", (("net", ""), ("right", ".1%"), ("n", ",")), (("a < b", 0.5, 1200), ("c", None, 7)), "Look."
)
LINES = ChartLine("one", ((0, 1.0), (8, 0.5))), ChartLine("two", ((0, 0.9), (8, 0.9)))
CHART = LineChart("accuracy", "shift", LINES, y=".0%")
GALLERY = Gallery(
    "Seen", (value_panel(np.eye(2), title="eye"), Panel(np.zeros((4, 4, 3), np.uint8))), "n", ColourScale(1, True)
)
PARTS = (TABLE, CHART, GALLERY)


def tried(seed, say):
    say("half way")
    return Outcome(f"seed {seed} gives 1 & 2.", seed == 0, PARTS, {"x": np.ones(3)})


MADE = Experiment("made-up", "A < title", "1 & 1 are 2.", "a <book>", "Adding.", tried)


def test_a_run_knows_its_experiment_and_seed():
    said = []
    found = MADE.run(3, said.append)
    assert (found.claim, found.seed, found.holds, said) == ("1 & 1 are 2.", 3, False, ["half way"])
    assert found.as_dict() == {
        "experiment": "made-up", "claim": "1 & 1 are 2.", "source": "a <book>", "result": "seed 3 gives 1 & 2.",
        "holds": False, "page": None, "seed": 3, "seconds": found.as_dict()["seconds"],
        "tables": [
            {"title": "Two nets",
             "rows": [{"net": "a < b", "right": 0.5, "n": 1200}, {"net": "c", "right": None, "n": 7}]}
        ],
    }  # fmt: skip


def test_the_text_has_claim_table_and_result():
    text = str(MADE.run(0))
    assert text.splitlines() == [
        "made-up: A < title",
        "claim: 1 & 1 are 2. (a <book>)",
        "",
        "Two nets",
        "  net    right      n",
        "  a < b  50.0%  1,200",
        "  c          –      7",
        "",
        "result: The claim holds. seed 0 gives 1 & 2.",
    ]


def test_the_page_is_sound_and_says_everything():
    html = outcome_page(MADE.run(0))
    page = Page(html)  # every tag closed, text escaped
    for text in ("A < title", "1 & 1 are 2.", "a <book>", "Adding.", "The claim holds.", "seed 0 gives 1 & 2.",
                 "Two nets", "a < b", "50.0%", "Look.", "eye", "striate experiment made-up --seed 1"):  # fmt: skip
        assert text in page.text, text
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    assert "The claim does not hold here." in Page(outcome_page(MADE.run(1))).text


def test_a_line_chart_names_its_lines_and_leaves_gaps():
    lines = ChartLine("a", ((1, 1.0), (2, float("nan")), (4, 2.0))), ChartLine("b", ((1, 3.0), (4, 1.0)), dots=True)
    html = line_chart(LineChart("t", "x", lines))
    assert html.count("<polyline") == 2  # on either side of the gap; none joins the dots
    assert 'aria-label="t over x. a: 1 to 2; b: 3 to 1"' in html
    lines = (ChartLine("a", ((1, 1.0), (10, 2.0), (100, 3.0))),)
    log = line_chart(LineChart("t", "x", lines, log=True, mark=(10, "here")))
    assert re.findall(r'text-anchor="middle">(\d+)<', log) == ["1", "10", "100"]
    assert ">here</text>" in log


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(striate.SpecError, match="no experiment named 'weight-shring'; did you mean 'weight-sharing'"):
        striate.experiment("weight-shring")


def test_the_verb_lists_and_tries(cli, in_folder, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "made-up", MADE)
    listed = cli("experiment")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines() if line[0] != " "] == list(EXPERIMENTS)
    rows = json.loads(cli("experiment", "--list", "--json").out)
    assert rows[-1] == {"experiment": "made-up", "claim": "1 & 1 are 2.", "source": "a <book>"}
    good = cli("experiment", "made-up")
    assert (good.code, "half way" in good.err) == (0, True)
    assert (in_folder / "experiment-made-up.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    bad = cli("experiment", "made-up", "--seed", 2, "-o", "page.html", "--json")
    assert bad.code == 1  # the answer is no
    assert json.loads(bad.out)["page"] == "page.html"
    assert cli("experiment", "made-up", "-o", "page.png").code == 2


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_says_what_it_tries(name):
    found = EXPERIMENTS[name]
    assert found.name == name
    for text in (found.claim, found.method):
        assert text.endswith((".", "?"))
    assert found.title
    assert found.source


def test_a_chart_in_equal_ratios_has_powers_of_ten():
    """1e-8 to 1 in equal steps: what is a hundred times smaller lies as far below."""
    points = ((1, 1e-8), (2, 1e-6), (3, 1e-4))
    chart = LineChart("sizes", "layer", (ChartLine("net", points),), y=".0e", ratios=True)
    svg = line_chart(chart)
    assert ">1e-08<" in svg
    ys = [float(pair.split(",")[1]) for pair in re.search(r'<polyline points="([^"]+)"', svg)[1].split()]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.2)
    assert ys[0] > ys[1]
