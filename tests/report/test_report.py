"""The page: sound markup, nothing from outside, everything in it, at the edges too."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.errors import DataError
from striate.metrics import ClassificationScores, score_classification
from striate.report import ItemView, report
from striate.report.charts import best_epoch, linear, logarithmic, loss_axis
from striate.report.markup import VOID
from striate.report.pictures import data_url
from striate.tasks import CLASSIFICATION
from striate.tasks.scoring import scoring_of

LAYERS: list[dict[str, Any]] = [
    {
        "name": "conv1",
        "op": "conv 6 5",
        "inputs": ["input"],
        "output": [6, 24, 24],
        "parameters": 156,
        "macs": 86_400,
        "receptive_field": [5, 5],
        "stride": [1, 1],
        "start": [0, 0],
        "memory": 13_824,
    },
    {
        "name": "fc",
        "op": "linear 10",
        "inputs": ["conv1"],
        "output": [10],
        "parameters": 34_570,
        "macs": 34_560,
        "receptive_field": None,
        "stride": None,
        "start": None,
        "memory": 40,
    },
]


class Page(HTMLParser):
    """Checks that every tag is closed in turn; keeps the text and the attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.goes_on = False
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "wbr":  # a line may end here, the text goes on
            self.goes_on = True
            return
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.goes_on and self.texts:
            data = self.texts.pop() + data
        self.texts.append(data)
        self.goes_on = False

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def scores_of(
    k: int, n: int = 200, seed: int = 0, names: list[str] | None = None, good: float = 2
) -> ClassificationScores:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), truth] += good
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return score_classification(log_p, truth, names or [f"class {i}" for i in range(k)], [f"{i}.png" for i in range(n)])


def history_of(epochs: int) -> list[dict[str, float | None]]:
    return [
        {
            "epoch": e,
            "train/loss": 2 / e,
            "val/loss": 2.1 / e,
            "val/accuracy": 1 - 0.5 / e,
            "lr": 0.01,
            "seconds": 0.3 * e,
        }
        for e in range(1, epochs + 1)
    ]


def page_of(**changes: Any) -> str:
    usual: dict[str, Any] = {
        "title": "lenet5 on digits",
        "facts": [("seed", "0")],
        "layers": LAYERS,
        "history": history_of(12),
        "metric": CLASSIFICATION.metric,
    }
    scores, images = changes.pop("scores", scores_of(10)), changes.pop("images", {})
    shown = {i: ItemView(image=pixels) for i, pixels in images.items()}
    return report(**(usual | changes), sections=scoring_of(CLASSIFICATION).sections(scores, shown))


def pictures(scores: ClassificationScores) -> dict[int, np.ndarray]:
    return {m.index: np.full((8, 8), m.index, np.uint8) for m in scores.worst}


@pytest.mark.parametrize("k", [2, 10, 40, 41, 60])
def test_everything_is_there(k: int) -> None:
    scores = scores_of(k)
    page = Page(page_of(scores=scores, images=pictures(scores)))
    assert page.tags.count("img") == len(scores.worst) > 0
    for said in ("conv1", "conv 6 5", "fc", "6 × 24 × 24", "5 × 5", "34,726", "lenet5 on digits", "seed"):
        assert said in page.texts
    for name in scores.classes:
        assert name in page.texts
    for mistake in scores.worst:
        assert f"{mistake.truth} → {mistake.predicted}" in page.texts
        assert mistake.name in page.texts


def test_the_matrix_is_whole_up_to_40_classes() -> None:
    assert 'class="matrix"' in page_of(scores=scores_of(40))
    assert 'class="matrix"' not in page_of(scores=scores_of(41))


@pytest.mark.parametrize("epochs", [0, 1, 2, 300])
def test_any_number_of_epochs(epochs: int) -> None:
    html = page_of(history=history_of(epochs))
    page = Page(html)
    assert html.count(" epochs: ") == (2 if epochs else 0)  # what the charts say to who cannot see them
    assert (f"kept epoch ({epochs})" in page.texts) == bool(epochs)
    assert "nan" not in html


def test_values_that_are_missing_leave_gaps() -> None:
    history = history_of(5)
    history[2]["train/loss"] = None
    history[3]["train/loss"] = float("nan")
    history = [row | {"val/loss": None, "val/accuracy": None} for row in history]
    html = page_of(history=history)
    assert html.count(" epochs: ") == 1  # nothing is known of the accuracy
    assert html.count('class="curve train"') == 1
    assert html.count("<title>epoch ") == 3
    assert "kept epoch" not in Page(html).text


@pytest.mark.parametrize("loss", [0.0, 1e-14, 1e30, float("inf")])
def test_strange_losses(loss: float) -> None:
    Page(page_of(history=[row | {"train/loss": loss} for row in history_of(3)]))


def test_what_is_not_known_of_a_layer_is_said_and_the_total_is_a_bound() -> None:
    opaque = LAYERS[1] | {"output": None, "parameters": None, "macs": None, "memory": None, "inputs": ["a", "b"]}
    page = Page(page_of(layers=[LAYERS[0], opaque]))
    assert page.texts.count("unknown") == 5
    assert "≥ 156" in page.texts
    assert "a, b" in page.texts


def test_no_mistakes_no_layers_no_history() -> None:
    page = Page(page_of(scores=scores_of(3, good=100), layers=[], history=[]))
    assert "None: all 200 predictions are right" in page.text
    assert "img" not in page.tags
    assert "Network" not in page.texts


def test_nothing_comes_from_outside_and_nothing_runs() -> None:
    scores = scores_of(10)
    html = page_of(scores=scores, images=pictures(scores))
    assert not re.search(r"https?://|url\(|@import|<script|<link|<iframe", html)
    page = Page(html)
    assert all(value and value.startswith("data:image/png;base64,") for key, value in page.attributes if key == "src")
    assert not any(key == "href" or key.startswith("on") for key, _ in page.attributes)
    assert any(value and value.startswith("default-src 'none'") for _, value in page.attributes)


HOSTILE = "<script>alert(\"x\")</script> & 'q' 猫"


def test_names_are_shown_and_never_obeyed() -> None:
    scores = scores_of(2, names=[HOSTILE, "dog"])
    layers = [LAYERS[0] | {"name": HOSTILE, "op": HOSTILE}]
    html = page_of(title=HOSTILE, facts=[(HOSTILE, HOSTILE)], layers=layers, scores=scores, images=pictures(scores))
    page = Page(html)
    assert "script" not in page.tags
    assert page.texts.count(HOSTILE) >= 8
    assert any(key == "alt" and value and HOSTILE in value for key, value in page.attributes)


def test_a_name_that_is_not_utf8_can_be_written() -> None:
    page_of(title="caf\udce9").encode()


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("test", "chose nothing"),
        ("val", "expect a little less"),
        ("train", "nothing about new data"),
        ("pets", "on pets"),
    ],
)
def test_it_says_what_it_was_measured_on(split: str, said: str) -> None:
    assert said in Page(page_of(split=split)).text


def test_the_headline_is_the_accuracy_with_its_interval() -> None:
    scores = score_classification(np.log([[0.9, 0.1]] * 10), [0] * 9 + [1], ["a", "b"])
    text = Page(page_of(scores=scores)).text
    for said in ("90.0%", "9 of 10 right", "59.6% to 98.2%", "Always predicting “a” would give 90.0%"):
        assert said in text


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (1, 4, 6), (3, 4, 6)])
def test_pictures_keep_their_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    image = Image.open(io.BytesIO(base64.b64decode(data_url(pixels).partition(",")[2])))
    assert image.size == (6, 4)
    wanted = pixels.transpose(1, 2, 0) if shape[0] in (1, 3) else pixels
    np.testing.assert_array_equal(np.asarray(image), wanted.squeeze())


def test_a_large_picture_is_made_smaller() -> None:
    url = data_url(np.zeros((600, 300, 3), np.uint8))
    assert Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size == (96, 192)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros(4, np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_what_is_no_picture_is_an_error(pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"an image for the report is .* expected uint8"):
        data_url(pixels)


def test_the_best_epoch_is_the_accuracy_then_the_loss_then_the_first() -> None:
    def row(epoch: int, accuracy: float | None, loss: float | None) -> dict[str, float | None]:
        return {"epoch": epoch, "val/accuracy": accuracy, "val/loss": loss}

    assert (
        best_epoch([row(1, 0.9, 0.5), row(2, 0.9, 0.4), row(3, 0.9, 0.4), row(4, 0.8, 0.1)], CLASSIFICATION.metric) == 2
    )
    assert best_epoch([row(1, None, 0.5), row(2, None, 0.4)], CLASSIFICATION.metric) == 2
    assert best_epoch([row(1, None, None)], CLASSIFICATION.metric) is None


@given(st.floats(1e-30, 1e30), st.floats(0, 1))
def test_a_linear_axis_takes_in_its_values(high: float, share: float) -> None:
    axis = linear(high * share, high)
    assert 2 <= len(axis.ticks) <= 9
    assert -1e-6 <= axis.at(high * share) <= axis.at(high) <= 1 + 1e-6


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_epochs_have_whole_numbers(a: int, b: int) -> None:
    low, high = sorted((a, b))
    axis = linear(low, high, whole=True)
    assert 2 <= len(axis.ticks) <= 9
    assert all(tick.is_integer() for tick in axis.ticks)
    assert 0 <= axis.at(low) <= axis.at(high) <= 1


@given(st.floats(-300, 300), st.floats(1.4, 30))
def test_a_logarithmic_axis_takes_in_its_values(power: float, span: float) -> None:
    low = 10.0 ** min(power, 300 - span)
    high = low * 10.0**span
    axis = logarithmic(low, high)
    assert 2 <= len(axis.ticks) <= 9
    assert 0 <= axis.at(low) <= axis.at(high) <= 1


def test_the_loss_axis_starts_at_0_unless_the_values_span_much() -> None:
    assert loss_axis([0.5, 2]).ticks[0] == 0
    assert not loss_axis([0, 2]).log
    assert loss_axis([0.01, 2]).log
