"""The panels as a person uses them, in Chromium, of a file that may ask for nothing: opened, read, clicked, sent on."""

import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from axe_playwright_python.base import AXE_FILE_PATH

import striate
from pages import opened, until
from striate.inspect.models.inspected import InspectedModel, inspected
from striate.model.contract import Contract
from striate.model.model import Model, load
from striate.net import build
from striate.page.document import document
from striate.page.panels import Evaluated, Panels
from striate.page.scene import NetworkScene, Sample
from striate.run.viewing import view
from striate.spec import parse
from striate.tasks.scoring.base import Finding, Findings

pytestmark = pytest.mark.slow
TITLES = {
    "attribution": "Attribution", "kernels": "Kernels", "mistakes": "Worst mistakes", "confusion": "Confusion matrix",
    "curves": "Curves", "table": "Table", "compare": "Compare",
}  # fmt: skip


@pytest.fixture
def page(browser, lenet_file):
    """The page of a trained LeNet-5, as a file."""
    with opened(browser, lenet_file.as_uri()) as shown:
        yield shown


@pytest.fixture(scope="module")
def about(lenet_file):
    return json.loads(re.search(r'id="scene">(.*?)</script>', lenet_file.read_text(), re.S)[1])


def panel(page, name):
    assert page.evaluate("name => striate.panel(name)", name)
    return page.locator("#panel")


def number(text):
    return float(text.replace("\u2212", "-").replace(",", "").rstrip("%"))


def state(page):
    return page.evaluate("striate.state()")


def settled(page):
    """The panel once what it computes has come to rest."""
    page.wait_for_timeout(400)


# ---------------------------------------------------------------------------------------------------- the mechanism
def test_a_number_that_is_rounded_to_0_has_no_sign(bench_page):
    call = """async numbers => {
      const { short, real } = await import('striate/colour')
      return numbers.map(v => [short(v), real(`${v.toFixed(1)}%`)])
    }"""
    shown = bench_page.evaluate(call, [-0.0004, -0.04, -0.06, 0, -12])
    assert [pair[0] for pair in shown] == ["0.000", "\u22120.040", "\u22120.060", "0", "\u221212"]
    assert [pair[1] for pair in shown] == ["0.0%", "0.0%", "\u22120.1%", "0.0%", "\u221212.0%"]


def test_each_opens_by_mouse_and_by_keyboard_one_at_a_time(page):
    buttons = page.locator(".tabs button")
    assert buttons.all_text_contents() == [*TITLES.values()]
    box = page.locator("#panel")
    for i, name in enumerate(TITLES):
        buttons.nth(i).click()
        assert box.is_visible()
        assert box.get_attribute("aria-label") == TITLES[name]
        assert state(page)["panel"].split(":")[0] == name
        assert page.locator(".tabs button[aria-expanded=true]").all_text_contents() == [TITLES[name]]
    buttons.last.click()
    assert box.is_hidden()
    for i, name in enumerate(TITLES):
        page.locator("#network").focus()
        page.keyboard.press(str(i + 1))
        assert box.get_attribute("aria-label") == TITLES[name]
        buttons.nth(i).focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        assert box.is_hidden()
        assert state(page)["panel"] is None
    buttons.first.focus()
    page.keyboard.press("Enter")
    assert box.is_visible()
    page.locator("#network").focus()
    page.evaluate("striate.open('c3:2:4:5')")
    page.keyboard.press("Escape")  # the unit first
    assert box.is_visible()
    page.keyboard.press("Escape")
    assert box.is_hidden()


KEPT = {
    "attribution": "attribution:grad_cam:tanh1:4:signed",
    "kernels": "kernels:c3:largest",
    "mistakes": "mistakes",
    "confusion": "confusion:3:3:shares",
    "curves": "curves",
    "table": "table",
    "compare": "compare",
}


def test_the_address_has_the_panel_and_what_is_chosen_in_it(page):
    for kept in KEPT.values():
        panel(page, kept)
        assert state(page)["panel"] == kept
        page.reload()
        until(page, "window.striate")
        assert state(page)["panel"] == kept
        assert page.locator("#panel").is_visible()


def test_a_panel_that_is_not_there_stays_closed(browser, tmp_path):
    file = view("conv 2 3; relu; flatten; linear 3", input=(1, 8, 8)).save(tmp_path / "page.html")
    with opened(browser, file.as_uri() + "#panel=curves") as page:
        assert page.locator("#panel").is_hidden()
        assert page.locator(".tabs button").all_text_contents() == ["Attribution", "Kernels", "Table", "Compare"]
        assert page.get_by_role("button", name="Untrained network as A").count() == 0


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, lenet_file, colours):
    with opened(browser, lenet_file.as_uri() + f"#theme={colours}") as page:
        page.evaluate(AXE_FILE_PATH.read_text())
        for name in [*TITLES, "kernels:c3", "confusion:5:5", "attribution:grad_cam"]:
            if name == "compare":
                page.locator("#network").focus()
                page.keyboard.press("a")
            panel(page, name)
            settled(page)
            found = page.evaluate("axe.run('#panels').then(found => found.violations)")
            serious = [
                f"{name}: {v['id']}: {node['failureSummary'][:200]}"
                for v in found if v["impact"] in ("serious", "critical") for node in v["nodes"]
            ]  # fmt: skip
            assert not serious, "\n".join(serious[:6])


@pytest.mark.parametrize("width", [360, 820, 3840])
def test_no_panel_is_too_wide(browser, lenet_file, width):
    with opened(browser, lenet_file.as_uri(), viewport={"width": width, "height": 800}) as page:
        for name in TITLES:
            panel(page, name)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), name


# ------------------------------------------------------------------------------------------------------ attribution
def test_attribution_follows_the_input_and_the_choice(page):
    panel(page, "attribution")
    settled(page)
    heat = "document.querySelector('canvas.heat').toDataURL()"
    before = page.evaluate(heat)
    page.get_by_label("Method").select_option("integrated_gradients")
    page.get_by_text("Their sum").wait_for()
    other = page.evaluate(heat)
    page.get_by_role("button", name="Clear").click()
    page.wait_for_timeout(1500)
    black = page.evaluate(heat)
    assert len({before, other, black}) == 3
    page.get_by_role("button", name="Undo").click()
    page.get_by_label("Method").select_option("grad_cam")
    page.get_by_label("Output").select_option("3")
    settled(page)
    assert "Grad-CAM of the score of 3 at tanh3" in page.locator("#panel .note").first.text_content()
    limit = max(abs(v) for v in page.evaluate("striate.gradCam('tanh3', 3)"))
    assert number(page.locator("#panel .scale span").last.text_content()) == pytest.approx(limit, abs=6e-4)
    page.evaluate("striate.open('tanh1:0:5:5')")
    page.get_by_label("Output").select_option("unit")
    settled(page)
    assert "does not come after" in page.locator("#panel .note").first.text_content()
    page.get_by_label("Method").select_option("gradient_x_input")
    settled(page)
    assert "Contributions of the pixels to tanh1:0:5:5" in page.locator("#panel .note").first.text_content()


# ---------------------------------------------------------------------------------------------------------- kernels
def test_kernels_are_the_weights(page, lenet):
    weights = load(lenet).module.get_parameter("c3.weight").detach().numpy()
    box = panel(page, "kernels:c3:all")
    assert box.locator("button.kernel").count() == 16
    ends = [number(text) for text in box.locator(".scale span").all_text_contents()]
    assert ends == pytest.approx([-abs(weights).max(), abs(weights).max()], abs=6e-4)
    painted = page.evaluate(
        """async () => {
          const { css } = await import('striate/colour'), zoom = 9
          const at = (i, y, x) => [x * zoom + 4, i * (5 * zoom + 3) + y * zoom + 4]
          const g = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
          g.canvas.height = 400
          g.drawImage(document.querySelectorAll('.kernel canvas')[3], 0, 0)
          const rgb = (i, y, x) => `rgb(${[...g.getImageData(...at(i, y, x), 1, 1).data].slice(0, 3).join(',')})`
          const all = []
          for (let i = 0; i < 6; i++) for (let y = 0; y < 5; y++) for (let x = 0; x < 5; x++) all.push(rgb(i, y, x))
          return { all, css: Array.from({ length: 201 }, (_, k) => css(k - 100, 100, 'weights')) }
        }"""
    )
    expected = [painted["css"][round(100 * w / abs(weights).max()) + 100] for w in weights[3].ravel()]
    far = [
        max(abs(int(a) - int(b)) for a, b in zip(*(re.findall(r"\d+", c) for c in pair), strict=True))
        for pair in zip(painted["all"], expected, strict=True)
    ]
    assert max(far) <= 4  # within the hundredth that a colour was asked for


def test_a_kernel_opens_a_unit_of_its_map(page):
    box = panel(page, "kernels:c3")
    box.locator("button.kernel").nth(7).click()
    unit = state(page)["unit"]
    assert unit.startswith("tanh3:7:")
    values = np.array(page.evaluate("striate.values('c3').data")).reshape(16, 10, 10)[7]
    y, x = map(int, unit.split(":")[2:])
    assert abs(values[y, x]) == abs(values).max()
    assert box.locator("button.kernel[aria-pressed=true]").count() == 1


COLOURED = "conv 5 3; relu; convtranspose 4 2 stride=2 groups=1; tanh; conv 6 3 groups=2; flatten; linear 3"


def test_kernels_of_every_kind(browser, tmp_path):
    """The first layer of a colour image in its colours; transposed ones by their outputs; linear ones as maps."""
    net = build(parse(COLOURED), (3, 8, 8))
    contract = Contract(("a", "b", "c"), (3, 8, 8), "RGB", (0.5,) * 3, (0.5,) * 3)
    (tmp_path / "page.html").write_text(document(NetworkScene.of(InspectedModel(Model(net, contract)))))
    with opened(browser, (tmp_path / "page.html").as_uri()) as page:
        panel(page, "kernels")
        pixel = page.evaluate(
            "[...document.querySelector('.kernel canvas').getContext('2d').getImageData(2, 2, 1, 1).data]"
        )
        w = net.conv1.weight.detach().numpy()
        assert pixel[:3] == [round(127.5 * (1 + v / abs(w).max())) for v in w[0, :, 0, 0].tolist()]
        about = page.evaluate(
            """async () => {
              const { kernelsOf } = await import('striate/kernels'), { Net, decoded } = await import('striate/net')
              const scene = JSON.parse(document.getElementById('scene').textContent)
              const net = new Net(scene, decoded(document.getElementById('weights').textContent, Float32Array))
              const each = (n, f) => Array.from({ length: n }, (_, i) => f(i)), found = {}
              for (const { name, weights } of net.layers) {
                const k = kernelsOf(net, net.byName.get(name))
                const slice = (o, i) => Array.from(weights.weight.slice(k.at(o, i), k.at(o, i) + k.height * k.width))
                const slices = k && each(k.outputs, o => each(k.inputs, i => slice(o, i)))
                if (k) found[name] = { of: each(k.outputs, o => k.of(o, 0)), slices }
              }
              return found
            }"""
        )
    kernels = {
        "conv1": net.conv1.weight, "convtranspose1": net.convtranspose1.weight.swapaxes(0, 1),
        "conv2": net.conv2.weight, "linear1": net.linear1.weight.unflatten(1, (6, 10, 10)),
    }  # fmt: skip
    assert about.keys() == kernels.keys()
    for name, expected in kernels.items():
        assert np.array_equal(np.array(about[name]["slices"], np.float32), expected.detach().flatten(2).numpy()), name
    assert about["conv2"]["of"] == [0, 0, 0, 2, 2, 2]


# -------------------------------------------------------------------------------------------- the items of the test
def test_the_confusion_matrix_sums_to_the_test_split(page, lenet):
    scores = striate.evaluate(lenet, "digits")
    box = panel(page, "confusion")
    cells = {
        (int(row), int(column)): int(text)
        for row, column, text in box.locator("td button").evaluate_all(
            "cells => cells.map(c => [c.dataset.row, c.dataset.column, c.textContent])"
        )
    }
    assert sum(cells.values()) == scores.n == 360
    assert cells == {(i, j): int(scores.confusion[i, j]) for i, j in np.argwhere(scores.confusion)}
    page.get_by_label("Numbers").select_option("shares")
    first = box.locator("td button[data-row='3'][data-column='3']").text_content()
    assert number(first) == pytest.approx(100 * scores.confusion[3, 3] / scores.confusion[3].sum(), abs=0.5)


def test_a_cell_shows_its_items_and_one_becomes_the_input(page, about):
    box = panel(page, "confusion")
    wrong = next(row for row in about["tested"]["cells"] if row[0] != row[1])
    i, j, items = wrong
    box.locator(f"td button[data-row='{i}'][data-column='{j}']").click()
    assert state(page)["panel"] == f"confusion:{i}:{j}"
    thumbs = box.locator(".chosen .thumb")
    assert thumbs.locator("b").all_text_contents() == [how for *_, how in items]
    thumbs.first.click()
    raw = zlib.decompress(base64.b64decode(about["tested"]["pixels"]))
    expected = np.frombuffer(raw, np.uint8).reshape(-1, 1024)[items[0][0]]
    mean, std = about["input"]["mean"][0], about["input"]["std"][0]
    shown = np.array(page.evaluate("striate.values('input').data")) * std + mean
    assert np.abs(255 * shown - expected).max() < 0.01
    shares = page.evaluate("striate.probabilities()")
    assert int(np.argmax(shares)) == j
    assert f"{100 * max(shares):.1f}" == items[0][2].rstrip("% ")
    before = state(page)
    page.reload()
    until(page, "window.striate")
    assert state(page) == before
    assert page.evaluate("striate.probabilities()") == shares


def test_the_matrix_by_keyboard(page, about):
    box = panel(page, "confusion:0:0")
    box.locator("td button[aria-pressed=true]").focus()
    page.keyboard.press("ArrowDown")
    below = min(i for i, j, _ in about["tested"]["confusion"] if j == 0 and i > 0) if any(
        j == 0 and i > 0 for i, j, _ in about["tested"]["confusion"]) else 0  # fmt: skip
    focus = "[document.activeElement.dataset.row, document.activeElement.dataset.column].map(Number)"
    assert page.evaluate(focus) == [below, 0]
    page.locator("td button[data-row='4'][data-column='4']").focus()
    before = page.evaluate("striate.values('input').data")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("striate.values('input').data") == before  # the drawing stays where it is
    page.keyboard.press("Enter")
    row, column = page.evaluate(focus)
    assert state(page)["panel"] == f"confusion:{row}:{column}"


def test_the_worst_mistakes(page, lenet):
    scores = striate.evaluate(lenet, "digits")
    wrong = np.flatnonzero(scores.predictions != scores.targets)
    order = wrong[np.argsort(-scores.losses[wrong])][:24]
    thumbs = panel(page, "mistakes").locator(".thumb")
    assert thumbs.locator("b").all_text_contents() == [
        f"{scores.targets[i]} \u2192 {scores.predictions[i]}" for i in order
    ]
    losses = [number(text.split("loss ")[1]) for text in thumbs.locator("span").all_text_contents()]
    assert losses == pytest.approx(scores.losses[order], abs=6e-3)
    for n in (0, len(order) - 1):
        thumbs.nth(n).click()
        shares = np.array(page.evaluate("striate.probabilities()"))
        assert int(shares.argmax()) == scores.predictions[order[n]]
        assert -np.log(shares[scores.targets[order[n]]]) == pytest.approx(scores.losses[order[n]], rel=1e-3)


NASTY = "</script><img src=x onerror=alert(1)>"


def crowd(classes, names=None):
    """The page of a network of many classes and what it made of 600 items."""
    net = build(parse(f"conv 2 3; relu; flatten; linear {classes}"), (1, 8, 8))
    names = names or tuple(f"class {i}" for i in range(classes))
    contract = Contract(names, (1, 8, 8), "L", (0.5,), (0.5,))
    draw = np.random.default_rng(0)
    inputs, true, found = draw.integers(0, 256, (600, 1, 8, 8), np.uint8), *draw.integers(0, classes, (2, 600))
    confusion, cells = np.zeros((classes, classes), int), {}
    for n, (i, j) in enumerate(zip(true.tolist(), found.tolist(), strict=True)):
        confusion[i, j] += 1
        cells.setdefault((i, j), []).append(Finding(n, f"{names[i]} \u2192 {names[j]}", "50%"))
    worst = tuple(cells[i, j][0] for i, j in list(cells)[:5])
    tested = Evaluated(names[0], Findings(names[0], worst, confusion, "items", cells), inputs, [names[0]] * 600)
    samples = [Sample(names[0], inputs[0])]
    return document(NetworkScene.of(InspectedModel(Model(net, contract)), samples, "many", Panels(tested=tested)))


@pytest.mark.parametrize("classes", [2, 100])
def test_few_and_many_classes(browser, tmp_path, classes):
    (tmp_path / "page.html").write_text(crowd(classes))
    with opened(browser, (tmp_path / "page.html").as_uri()) as page:
        box = panel(page, "confusion")
        numbers = box.locator("td button").all_text_contents()
        assert sum(map(int, numbers)) == 600
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
        scroll = box.locator(".scroll").evaluate("e => e.scrollWidth > e.clientWidth")
        assert scroll is (classes == 100)


def test_too_many_classes_for_a_matrix(browser, tmp_path):
    """The pairs most often confused, and their items."""
    (tmp_path / "page.html").write_text(crowd(300))
    with opened(browser, (tmp_path / "page.html").as_uri()) as page:
        box = panel(page, "confusion")
        numbers = [int(text) for text in box.locator("td button").all_text_contents()]
        assert len(numbers) == 60
        assert numbers == sorted(numbers, reverse=True)
        box.locator("td button").first.click()
        assert box.locator(".chosen .thumb").count() > 0
        row = box.locator("tbody th").first.text_content()
        assert box.locator(".chosen h2").text_content().startswith(row)


def test_names_are_text(browser, tmp_path):
    (tmp_path / "page.html").write_text(crowd(2, (NASTY, NASTY + "2")))
    with opened(browser, (tmp_path / "page.html").as_uri()) as page:
        for name in ("mistakes", "confusion:0:1", "compare", "attribution"):
            panel(page, name)
            settled(page)
            assert page.locator("#panel img").count() == 0
        assert page.locator("#panel select[aria-label=Output] option").nth(1).text_content() == NASTY
        assert panel(page, "mistakes").locator("b").first.text_content().startswith(NASTY)
        assert panel(page, "confusion:0:1").locator("tbody th").first.text_content() == NASTY


def test_texts_are_items_too(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [(f"{word} film number {i}", ("good", "bad")[(i + n) % 2]) for i in range(20) for n, word in enumerate("ab")]
    Path("texts.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    striate.train(None, "texts.csv", epochs=1, page=True, out="run", quiet=True)
    with opened(browser, Path("run/page.html").absolute().as_uri()) as page:
        box = panel(page, "mistakes")
        text = box.locator(".thumb q").first.text_content()
        box.locator(".thumb").first.click()
        assert page.locator("textarea").input_value() == text
        page.keyboard.press("Escape")
        page.locator("#network").focus()
        page.keyboard.press("a")
        assert state(page)["compare"] == f'input:b:"{text}'


def test_inflated_as_zlib_deflated(bench_page):
    """Blocks that are stored, of fixed codes, of codes of their own; runs that reach far back."""
    draw = np.random.default_rng(0)
    cases = [
        b"", b"a", b"abc" * 400, draw.bytes(67_000), bytes(20_000), np.sin(np.arange(9000)).astype("<f4").tobytes(),
        np.repeat(draw.integers(0, 9, 5_000), draw.integers(1, 9, 5_000)).astype(np.uint8).tobytes(),
    ]  # fmt: skip
    inflate = """async ([text, size]) => {
      const { inflate } = await import('striate/inflate'), { decoded } = await import('striate/net')
      return [...inflate(decoded(text, Uint8Array), size)].map(b => b.toString(16).padStart(2, '0')).join('')
    }"""
    for case in cases:
        for level in (0, 1, 9):
            packed = base64.b64encode(zlib.compress(case, level)).decode()
            assert bytes.fromhex(bench_page.evaluate(inflate, [packed, len(case)])) == case


# --------------------------------------------------------------------------------------------------- curves, table
def test_the_curves_say_the_numbers_of_the_history(page, about):
    rows, box = about["history"]["rows"], panel(page, "curves")
    charts = box.locator("svg")
    assert charts.count() == 2
    area = charts.first.bounding_box()
    for i, row in enumerate(rows):
        x = area["x"] + area["width"] * (52 + i / (len(rows) - 1) * (440 - 52 - 14)) / 440
        page.mouse.move(x, area["y"] + area["height"] / 2)
        said = re.fullmatch(r"epoch (\d+): training ([\d.]+), validation ([\d.]+)( \(kept\))?",
                            box.locator(".chart p").first.text_content())  # fmt: skip
        assert int(said[1]) == row["epoch"] == i + 1
        assert float(said[2]) == pytest.approx(row["train/loss"], rel=1e-3)
        assert float(said[3]) == pytest.approx(row["val/loss"], rel=1e-3)
        assert bool(said[4]) == (row["epoch"] == about["history"]["best"])
    charts.last.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    said = box.locator(".chart p").last.text_content()
    assert said.startswith(f"epoch 2: validation {100 * rows[1]['val/accuracy']:.2f}%")
    heights = charts.first.locator("circle.val").evaluate_all("all => all.map(c => Number(c.getAttribute('cy')))")
    losses = [row["val/loss"] for row in rows]
    assert np.corrcoef(heights, losses)[0, 1] == pytest.approx(-1)  # up is more, evenly


def test_the_table_is_that_of_check(page, lenet):
    report = striate.check(load(lenet))
    box = panel(page, "table")
    rows = box.locator("tbody tr")
    assert rows.count() == len(report.layers)
    for i, layer in enumerate(report.layers):
        name, op, shape, field, parameters, macs = (
            rows.nth(i).locator("th, td").nth(k).text_content() for k in range(6)
        )
        assert (name, op) == (layer.name, layer.op)
        assert [int(n) for n in re.findall(r"\d+", shape)] == [*layer.output]
        assert tuple(map(int, field.split("\u00d7"))) == layer.receptive_field
        assert (number(parameters), number(macs)) == (layer.parameters, layer.macs)
    total = box.locator("tfoot td").all_text_contents()
    assert [number(text) for text in total[-2:]] == [report.parameters, report.macs]


def test_a_row_brings_its_layer_into_view(browser, tmp_path):
    net = "; ".join(["conv 8 3 padding=1; relu"] * 6 + ["conv 4 3; tanh"] * 8 + ["flatten; linear 4"])
    file = view(net, input=(1, 24, 24)).save(tmp_path / "page.html")
    with opened(browser, file.as_uri(), viewport={"width": 900, "height": 800}) as page:
        box = panel(page, "table")
        row = box.locator("tbody tr").last
        row.hover()
        assert page.locator(".stage.lit").count() == 1
        row.locator("button").click()
        page.wait_for_timeout(700)
        inside = """() => {
          const [a, b] = ['.stage.lit', '#network'].map(one => document.querySelector(one).getBoundingClientRect())
          return a.left >= b.left && a.right <= b.right
        }"""
        assert page.evaluate(inside)


# ---------------------------------------------------------------------------------------------------------- compare
def compared(page):
    return page.locator("#panel tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.children].map(c => c.textContent))"
    )


def test_two_inputs(page):
    samples = page.locator(".samples button")
    samples.nth(0).click()
    a, layer = page.evaluate("striate.probabilities()"), page.evaluate("striate.values('c3').data")
    page.locator("#network").focus()
    page.keyboard.press("a")
    samples.nth(3).click()
    b, other = page.evaluate("striate.probabilities()"), page.evaluate("striate.values('c3').data")
    for name, pa, pb, difference in compared(page):
        i = int(name)
        assert [number(pa), number(pb)] == pytest.approx([100 * a[i], 100 * b[i]], abs=0.051)
        assert number(difference) == pytest.approx(100 * (b[i] - a[i]), abs=0.051)
    assert len(compared(page)) == 10
    page.get_by_role("button", name="B \u2212 A").click()
    assert page.locator("#shown").text_content() == "All layers show B \u2212 A"
    page.evaluate("striate.open('c3:2:4:5')")
    at = 245
    said = page.locator("#arithmetic > p").first.text_content()
    values = [number(v) for v in re.match(r"A (\S+), B (\S+), B \u2212 A ([^\s;]+)", said).groups()]
    unit = page.evaluate("striate.unit('tanh3:2:4:5').value")
    assert values[1] == pytest.approx(unit, abs=6e-4) or values[1] == pytest.approx(other[at], abs=6e-4)
    assert values[2] == pytest.approx(values[1] - values[0], abs=2e-3)
    assert layer != other
    before = state(page)
    assert before["compare"] == "input:d:0"
    page.reload()
    until(page, "window.striate")
    assert state(page) == before
    page.locator("#network").focus()
    page.keyboard.press("r")
    assert state(page)["compare"] is None
    assert page.locator("#shown").text_content() == ""
    assert page.locator("#reset").is_hidden()


PAINTED = """async () => {
  const box = [...document.querySelectorAll('.stage')].find(s => s.textContent.startsWith('c1'))
  const g = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  g.drawImage(box.querySelector('canvas'), 0, 0)
  return [...g.getImageData(20, 20, 1, 1).data].slice(0, 3)
}"""


def test_layers_show_a_b_and_the_difference(page):
    """Against itself the difference is the colour of zero everywhere; A and B are what they were."""
    panel(page, "compare")
    settled(page)  # the network has less room now
    page.locator(".samples button").nth(2).click()
    first = page.evaluate(PAINTED)
    page.locator("#network").focus()
    page.keyboard.press("a")  # keeps it, shows B
    assert page.evaluate(PAINTED) == first
    page.keyboard.press("a")
    assert page.locator("#shown").text_content() == "All layers show B \u2212 A"
    zero = page.evaluate(PAINTED)
    assert len(set(zero)) == 1
    assert zero[0] > 240
    page.locator(".samples button").nth(6).click()
    page.locator("#network").focus()
    page.keyboard.press("a")
    assert page.locator("#shown").text_content() == "All layers show A"
    assert page.evaluate(PAINTED) == first


def test_the_untrained_network(page, lenet):
    """Its outputs are those of the network as the run began, and no weight of it can be typed over."""
    panel(page, "compare")
    page.get_by_role("button", name="Untrained network as A").click()
    recipe = json.loads((lenet / "recipe.json").read_text())
    began = build(parse(recipe["net"]), init=recipe["init"], seed=recipe["seed"])
    model = inspected(lenet)
    item = np.array(page.evaluate("striate.values('input').data"), np.float32).reshape(1, *model.contract.input)
    scores = (began(torch.from_numpy(item)) / model.contract.temperature).softmax(1)[0].tolist()
    for name, a, *_ in compared(page):
        assert number(a) == pytest.approx(100 * scores[int(name)], abs=0.051)
    page.locator("#panel [data-show=a]").click()
    page.evaluate("striate.open('c3:2:4:5')")
    assert page.locator("#arithmetic input").count() == 0
    kept = state(page)
    assert kept["compare"] == "weights:a"
    page.reload()
    until(page, "window.striate")
    assert state(page) == kept
    panel(page, "kernels:c1")
    assert "of the untrained network" in page.locator("#panel .note").text_content()
    ends = number(page.locator("#panel .scale span").last.text_content())
    assert ends == pytest.approx(began.c1.weight.abs().max().item(), abs=6e-4)
    page.locator("#reset").click()
    assert state(page)["compare"] is None
    assert page.locator("#arithmetic input").count() > 0
