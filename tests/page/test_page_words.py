"""A network that reads words, in the page: whose n-gram wins the maximum over time, by PyTorch's own count."""

import numpy as np
import pytest
import torch

from pages import opened, serious_faults, shake
from striate.inspect.models.inspected import InspectedModel
from striate.model.contract import Contract
from striate.model.model import Model
from striate.net import build
from striate.page import NetworkScene, Sample, View
from striate.spec import parse

pytestmark = pytest.mark.slow
VOCABULARY = tuple("a bad boring but film fine good is it not plot the this was with".split())
SENTENCE = "this film is not good but the strange plot was fine"
WORDS = SENTENCE.split()
LENGTH = 16
TEXT = """
embed: embedding 17 6
w2: conv 5 2 <- embed
r2: relu
p2: adaptivemaxpool 1
f2: flatten
w3: conv 4 3 <- embed
r3: relu
p3: adaptivemaxpool 1
f3: flatten
all: concat <- f2, f3
drop: dropout
out: linear 2
"""


@pytest.fixture(scope="module")
def model():
    net = build(parse(TEXT), (LENGTH,))
    shake(net, 3)
    contract = Contract(("bad", "good"), (LENGTH,), "text", (), (), vocabulary=VOCABULARY)
    return InspectedModel(Model(net, contract))


@pytest.fixture
def page(browser, model, tmp_path):
    item = model.item(SENTENCE)
    path = View(NetworkScene.of(model, [Sample(SENTENCE, item)])).save(tmp_path / "words.html")
    with opened(browser, path.as_uri()) as shown:
        yield shown


@pytest.fixture(scope="module")
def filters(model):
    """By PyTorch: of each filter its name, n-gram, maximum, and place."""
    x = model.ready(model.item(SENTENCE))
    net, found = model.module.eval(), []
    with torch.no_grad():
        embedded = net.get_submodule("embed")(x)
        for width in (2, 3):
            maps = torch.relu(net.get_submodule(f"w{width}")(embedded))[0]
            _, at = torch.nn.functional.adaptive_max_pool1d(maps, 1, return_indices=True)
            for c, i in enumerate(at.flatten().tolist()):
                dots = max(0, i + width - len(WORDS))
                phrase = "\u201c" + " ".join(WORDS[i : i + width]) + " \u00b7" * dots + "\u201d"
                found.append((f"w{width}:{c}", phrase if WORDS[i:] else "behind the end", maps[c, i].item(), i))
    return found


def cells(row):
    return row.locator("td").all_text_contents()


def number(text):
    return float(text.replace("\u2212", "-"))


def test_places_behind_the_end_are_faint(page):
    """A window that begins behind the last word reads none: its colours are a quarter of what they would be."""
    strongest = """canvas => {
      const { width, height } = canvas, { data } = canvas.getContext('2d').getImageData(0, 0, width, height)
      const at = x => Math.max(...Array.from({ length: height }, (_, y) => Math.abs(data[4 * (y * width + x)] - data[4 * (y * width + x) + 2])))
      return Array.from({ length: width }, (_, x) => at(x))
    }"""  # of every column of pixels, by red less blue  # noqa: E501
    for name, width in (("embed", 1), ("w2", 2), ("w3", 3)):
        stage = page.locator(".stage").filter(has=page.get_by_text(name, exact=True)).first
        assert stage.locator(".above .end").text_content() == "behind the end"
        colours = np.array(stage.locator("canvas").evaluate(strongest))
        end = len(WORDS) / (LENGTH + 1 - width) * len(colours)
        assert colours[: int(end) - 1].max() > 100
        assert colours[int(end) + 1 :].max() < 64
    page.get_by_label("Sentence").fill(" ".join(["film"] * LENGTH))
    assert page.locator(".above .end").count() == 0
    assert np.array(page.locator(".stage canvas").first.evaluate(strongest)).min() > 100


def test_of_wide_maps_the_name_and_the_kept_cell_are_seen(browser, tmp_path):
    words = Contract(("bad", "good"), (60,), "text", (), (), vocabulary=VOCABULARY)
    net = build(parse("embedding 17 6; conv 5 3; relu; adaptivemaxpool 1; flatten; linear 2"), (60,))
    model = InspectedModel(Model(net, words))
    path = View(NetworkScene.of(model, [Sample(SENTENCE, model.item(SENTENCE))])).save(tmp_path / "wide.html")
    with opened(browser, path.as_uri(), viewport={"width": 1280, "height": 800}) as page:
        for at in (2, 55):
            assert page.evaluate("at => striate.open(`relu1:3:${at}`)", at)
            room, name = page.locator("#network").bounding_box(), page.get_by_text("conv1", exact=True).bounding_box()
            cell = page.locator(".diagram > svg rect[stroke='var(--accent)']").last.bounding_box()
            assert room["x"] < cell["x"] < room["x"] + room["width"]
            assert at > 2 or name["x"] > room["x"]


@pytest.mark.parametrize("output", [0, 1])
def test_filters_by_their_contribution(page, model, filters, output):
    page.get_by_role("button", name="Words").click()
    page.get_by_label("Class whose score is explained").select_option(str(output))
    weight = model.module.get_submodule("out").weight[output].tolist()
    named = zip(filters, weight, strict=True)
    wanted = [(abs(w * value), name, phrase, value, w) for (name, phrase, value, _), w in named]
    wanted.sort(key=lambda row: -row[0])
    rows = page.locator("#panel table.sum").first.locator("tr")
    assert rows.count() == len(wanted) + 1
    for i, (_, name, phrase, value, w) in enumerate(wanted, 1):
        shown = cells(rows.nth(i))
        if value > 0:
            assert (shown[0], shown[2]) == (name, phrase)
        np.testing.assert_allclose([number(t) for t in shown[3:]], [value, w, value * w], atol=6e-5)
    sums = page.locator("#panel table.sum").last.locator("tr")
    *parts, total = [number(cells(sums.nth(i))[1]) for i in range(sums.count())]
    assert sum(parts) == pytest.approx(total, abs=1e-9)
    assert total == pytest.approx(page.evaluate(f"striate.unit('out:{output}').sum"), abs=6e-5)
    assert page.evaluate("striate.state().panel") == f"words:{output}"


def test_words_above_the_maps_and_winners(page, filters):
    """The first word of each window above its column; an outline around the winner of each filter that fires."""
    stages = page.locator(".stage")
    for name in ("embed", "w2", "w3"):
        stage = stages.filter(has=page.get_by_text(name, exact=True)).first
        assert stage.locator(".above span:not(.end)").all_text_contents() == WORDS
    firing = [at for _, _, value, at in filters if value > 0]
    assert len(firing) > 4
    marks = page.locator(".winner")
    assert marks.count() == len(firing)
    boxes = [marks.nth(i).bounding_box() for i in range(len(firing))]
    for name in ("w2", "w3"):
        some = [f for f in filters if f[0].startswith(name)]
        columns = LENGTH + 1 - int(name[1])
        box = stages.filter(has=page.get_by_text(name, exact=True)).first.locator("canvas").bounding_box()
        own = [b for b in boxes if box["y"] - 2 < b["y"] < box["y"] + box["height"]]
        places = [
            int((b["x"] + b["width"] / 2 - box["x"]) / box["width"] * columns)
            for b in sorted(own, key=lambda b: b["y"])
        ]
        assert places == [at for _, _, value, at in some if value > 0]


def test_arithmetic_names_words(page, filters):
    page.evaluate("striate.open('w3:1:2')")
    heads = page.locator("#arithmetic table.grid").first.locator("th").all_text_contents()
    assert heads == WORDS[2:5]
    assert page.locator(".token.field").all_text_contents() == WORDS[2:5]
    page.evaluate("striate.open('out:0')")
    rows = page.locator("#arithmetic table.sum").first.locator("tr")
    named = {f"drop:{i} {phrase}" for i, (_, phrase, _, _) in enumerate(filters)}
    for i in range(1, rows.count()):
        assert cells(rows.nth(i))[0] in named
    best = max(range(5), key=lambda c: filters[c][2])
    page.evaluate(f"striate.open('p2:{best}:0')")
    _, phrase, _, at = filters[best]
    assert page.locator("#arithmetic").get_by_text(f"at r2:{best}:{at} {phrase}.").count() == 1
    assert page.locator(".token.field").all_text_contents() == WORDS[at : at + 2]
    page.evaluate("striate.open('embed:0:4')")
    assert "\u201cgood\u201d: row " in page.locator("#arithmetic .formula").first.text_content()


def test_typing(page):
    """Unknown words are counted, words beyond the length are said, and the panel follows."""
    page.get_by_role("button", name="Words").click()
    field, note = page.locator("textarea"), page.locator("#input p[role=status]")
    assert note.text_content() == 'One word is not in the vocabulary (dotted): the network reads it as "unknown".'
    field.fill("good good film")
    assert note.text_content() == ""
    assert page.locator("#panel th .above span").all_text_contents() == ["good", "good", "film"]
    field.fill(" ".join(["zig zag", *["film"] * 40]))
    assert page.locator(".token").count() == LENGTH
    assert page.locator(".token.unknown").count() == 2
    assert page.get_by_text("and 26 more, which the network does not read").count() == 1
    assert note.text_content().startswith("2 words are not in the vocabulary")
    field.fill("")
    assert page.locator("#panel td").nth(2).text_content() in ("none: it is silent", "behind the end")


def test_what_is_typed_is_a_step_and_entering_the_field_is_none(page):
    field, aside = page.locator("textarea"), page.locator("#input h2").first
    before = field.input_value()
    field.fill("good film")
    field.press_sequentially(" bad")
    for key, text in [("u", before), ("U", "good film bad"), ("u", before)]:
        field.evaluate("field => field.blur()")
        page.keyboard.press(key)
        assert field.input_value() == text
    field.click()
    field.evaluate("field => field.blur()")
    aside.click()
    page.keyboard.press("U")
    assert field.input_value() == "good film bad"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(page, colours):
    if page.evaluate("document.documentElement.dataset.theme") != colours:
        page.locator("#theme").click()
    page.get_by_role("button", name="Words").click()
    page.evaluate("striate.open('w3:1:2')")
    assert not serious_faults(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
