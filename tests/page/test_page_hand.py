"""The page as a person uses it, in Chromium: draws, hovers, clicks, types, turns it, sends the link on."""

import re
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from axe_playwright_python.base import AXE_FILE_PATH
from PIL import Image
from torch.nn import functional as F

from pages import opened, serving, until
from striate.model.contract import Contract
from striate.model.model import Model
from striate.net import build
from striate.run.viewing import view
from striate.spec import parse

pytestmark = pytest.mark.slow
RESULT = r"= \S+ / [\d.]+ = ([\d.]+(?:e[-\u2212]\d+)?)"  # of a softmax
SPACE = """() => new Promise(done => {
  const canvas = document.getElementById('space-canvas'), copy = document.createElement('canvas')
  canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: 1, cancelable: true }))
  requestAnimationFrame(() => {  // it has been drawn in this frame: the pixels are there
    Object.assign(copy, { width: canvas.width, height: canvas.height })
    const g = copy.getContext('2d')
    g.drawImage(canvas, 0, 0)
    const pixels = new Uint32Array(g.getImageData(0, 0, copy.width, copy.height).data.buffer)
    done([new Set(pixels).size, pixels.filter(v => v === 0xff000000).length])
  })
})"""  # colours in the 3-D view, and its black pixels
SEVEN = [(0.15, 0.1), (0.8, 0.1), (0.6, 0.5), (0.4, 0.95)]  # shares of the pad


@pytest.fixture(params=["server", "file"])
def page(request, browser, lenet_file, lenet_server):
    """The page of a trained LeNet-5: from the local server, and as a file; all requests but the page are refused."""
    with opened(browser, lenet_server if request.param == "server" else lenet_file.as_uri()) as shown:
        yield shown


def draw(page, points=SEVEN):
    box = page.locator("canvas.pad").first.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def draw_seven(page):
    page.get_by_role("button", name="Clear").click()
    page.locator("input[type=range]").fill("3")
    draw(page)
    page.wait_for_timeout(150)  # on a busy machine the page waits until the hand rests


def top(page):
    return page.locator(".bars .top span").text_content()


def state(page):
    return page.evaluate("striate.state()")


def hover_first_map(page):
    """Moves the pointer over the middle of the first map of the first layer."""
    box = page.locator(".stage canvas").first.bounding_box()
    place = box["x"] + min(box["width"], 30) / 2, box["y"] + min(box["height"], 30) / 2
    page.mouse.move(*place)
    return place


def test_a_seven_is_a_seven(page):
    draw_seven(page)
    assert top(page) == "7"
    shares = page.evaluate("striate.probabilities()")
    assert max(shares) == shares[7]
    assert sum(shares) == pytest.approx(1)
    shown = [float(text.rstrip("%")) for text in page.locator(".bars em").all_text_contents()]
    assert shown == pytest.approx([100 * share for share in shares], abs=0.051)
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate("Math.max(...striate.values('input').data)") == page.evaluate(
        "striate.values('input').data[0]"
    )


def answers(page):
    return page.locator(".answers button").all_text_contents()


def test_the_prediction_stands_beside_the_input(page):
    """Also in 3-D and on a phone, where the last layer is out of sight; it leads to the arithmetic."""
    draw_seven(page)
    shares = page.evaluate("striate.probabilities()")
    order = sorted(range(10), key=lambda c: -shares[c])[:3]
    assert answers(page) == [f"{c} {100 * shares[c]:.1f}%" for c in order]
    assert order[0] == 7
    second = page.locator(".answers button").nth(1)
    same = second.element_handle()
    second.click()
    assert state(page)["unit"] == f"out:{order[1]}"
    page.get_by_role("button", name="Undo").click()  # the buttons stay at every stroke, and with them the focus
    assert answers(page)[0][:1] != "7"
    assert same.evaluate("it => it === document.querySelectorAll('.answers button')[1]")


def test_a_small_drawing_is_fitted_to_the_size_of_the_samples(page):
    """A digit of half their size is not what the network has learned from; that is said, and Fit mends it."""
    page.get_by_role("button", name="Clear").click()
    page.locator("input[type=range]").fill("1.5")
    advice = page.locator("#input .note[role=status]")
    draw(page, [(0.12 + 0.42 * x, 0.3 + 0.42 * y) for x, y in SEVEN])
    assert advice.text_content() == "Smaller than what the network has learned from: Fit enlarges it."
    before = page.evaluate("striate.values('input').data")
    page.get_by_role("button", name="Fit").click()
    assert top(page) == "7"
    assert not advice.text_content()
    fitted = np.array(page.evaluate("striate.values('input').data")).reshape(32, 32)
    rows, columns = np.nonzero(fitted > fitted.min() + 0.25 * np.ptp(fitted))
    assert np.ptp(rows) + 1 >= 28  # as the samples, which fill the height
    assert abs((rows.min() + rows.max() + 1) / 2 - 16) <= 1.5
    assert abs((columns.min() + columns.max() + 1) / 2 - 16) <= 1.5
    page.keyboard.press("u")
    assert page.evaluate("striate.values('input').data") == before
    page.keyboard.press("g")
    assert np.array_equal(np.array(page.evaluate("striate.values('input').data")).reshape(32, 32), fitted)
    page.get_by_role("button", name="Clear").click()
    page.keyboard.press("g")  # of an empty pad nothing is fitted
    assert len(set(page.evaluate("striate.values('input').data"))) == 1


def test_it_agrees_with_pytorch_and_says_so(page):
    assert page.evaluate("striate.check.share") <= 1e-4
    assert page.locator("#banner").text_content().startswith("Checked: this page computes what PyTorch computed")
    assert page.locator("#banner").get_attribute("class") == "quiet"


def test_hover_click_and_keys(page):
    place = hover_first_map(page)
    tip = page.locator("#tip")
    assert tip.is_visible()
    name, _, value = tip.text_content().partition(" = ")
    layer, c, y, x = name.split(":")
    assert float(value.replace("\u2212", "-")) == pytest.approx(
        page.evaluate(f"striate.unit('{name}').value"), abs=6e-4
    )
    assert page.locator(".padbox svg rect").count() == 1  # its receptive field on the input
    page.mouse.click(*place)
    assert page.locator("#arithmetic").is_visible()
    assert page.locator("#arithmetic h2").first.text_content().startswith(f"{name} = ")
    assert state(page)["unit"] == name
    page.mouse.move(5, 5)
    assert not tip.is_visible()
    for key, unit in (
        ("ArrowRight", [c, y, str(int(x) + 1)]), ("ArrowDown", [c, str(int(y) + 1), str(int(x) + 1)]),
        ("]", [str(int(c) + 1), str(int(y) + 1), str(int(x) + 1)]), ("[", [c, str(int(y) + 1), str(int(x) + 1)]),
        ("ArrowLeft", [c, str(int(y) + 1), x]), ("ArrowUp", [c, y, x]),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert state(page)["unit"] == ":".join([layer, *unit]), key
    page.keyboard.press("[")
    assert state(page)["unit"] == f"{layer}:5:{y}:{x}"  # around the end
    page.keyboard.press("Escape")
    assert page.locator("#arithmetic").is_hidden()
    assert state(page)["unit"] is None


def test_edges_of_a_unit(page):
    page.evaluate("striate.open('c3:2:4:5')")
    assert page.locator(".diagram > svg").last.locator("line").count() > 0
    page.keyboard.press("Escape")
    assert page.locator(".diagram > svg").last.locator("line").count() == 0


def test_numbers_and_cells_are_linked(page):
    """The pointer on a number marks the cell that it comes from; the pointer on that cell marks the number."""
    page.evaluate("striate.open('c3:2:4:5')")
    number = page.locator("#arithmetic table.grid").first.locator("td[data-source]").nth(7)
    number.hover()
    mark = page.locator(".diagram rect.linked")
    assert mark.count() == 1
    box = mark.bounding_box()
    source, index = number.evaluate("cell => [cell.dataset.source, Number(cell.dataset.index)]")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert mark.count() == 0
    name, _, value = page.locator("#tip").text_content().partition(" = ")
    channel, y, x = map(int, name.split(":")[1:])
    assert ((channel * 14) + y) * 14 + x == index
    assert float(value.replace("\u2212", "-")) == pytest.approx(
        page.evaluate("([s, i]) => striate.values(s).data[i]", [source, index]), abs=6e-4
    )
    assert "linked" in number.get_attribute("class")
    assert page.locator("#arithmetic .linked").count() == 3  # the value, its weight, their product
    page.mouse.move(5, 5)
    assert page.locator("#arithmetic .linked").count() == 0


def test_numbers_and_pixels_are_linked(page):
    page.evaluate("striate.open('c1:3:10:12')")
    number = page.locator("#arithmetic table.grid").first.locator("td[data-source=input]").first
    number.hover()
    pixel = page.locator(".padbox rect.linked")
    assert [pixel.get_attribute(side) for side in "xy"] == ["12", "10"]  # the corner of the window, without padding
    box = pixel.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert "linked" in number.get_attribute("class")


def numbers(texts):
    return [float(text.replace("\u2212", "-")) for text in texts]


@pytest.mark.parametrize("unit", ["c1:3:10:12", "c3:2:4:5", "f6:11", "out:7"])
def test_what_is_shown_adds_up(page, unit):
    """The rows of each sum, in the digits that are shown, fields too; and of the products in a table."""
    page.evaluate("unit => striate.open(unit)", unit)
    tables = page.evaluate(
        """() => [...document.querySelectorAll('#arithmetic table.sum')].map(table => [...table.rows].map(row =>
          [...row.cells].map(cell => cell.querySelector('input')?.value ?? cell.textContent)))"""
    )
    sums = [table for table in tables if table[-1][0] == "sum"]
    assert len(sums) == (2 if unit == "out:7" else 1)  # of an output that of its softmax, too
    for table in sums:
        *parts, total = numbers(row[-1] for row in table)
        assert sum(parts) == pytest.approx(total, abs=1e-9)
    assert numbers([sums[0][-1][1]]) == pytest.approx([page.evaluate("u => striate.unit(u).sum", unit)], abs=6e-5)
    if len(tables[0][0]) == 4:  # input, value, weight, product
        products = numbers(row[-1] for row in tables[0][1:])
        told, exact = re.fullmatch(r"these 6 products(?: \(as shown: (.*)\))?", sums[0][0][0]).group(1), sums[0][0][1]
        assert numbers([told or exact]) == pytest.approx([sum(products)], abs=1e-9)


def test_an_output_leads_to_the_answer_that_is_shown(page):
    page.evaluate("striate.open('out:3')")
    text = page.locator("#arithmetic .step").last.inner_text()
    assert text.startswith("softmax: the probability of 3")
    share = numbers([re.search(RESULT, text).group(1)])[0]
    assert share == pytest.approx(page.evaluate("striate.probabilities()[3]"), abs=6e-5)


def test_of_several_numbers_none_is_the_prediction(browser, tmp_path):
    """A width and a price have no largest; and a value of 0 adds nothing, so that no line is drawn to it."""
    own = Contract(
        ("x", "size"), (1, 4, 4), "L", (0.5,), (0.5,), task="regression", target_mean=(0, 50), target_std=(1, 9)
    )
    net = build(parse("input 1x4x4; flatten; linear 12; relu; linear 2"), seed=0)
    Model(net, own).save(tmp_path / "m.safetensors")
    Image.fromarray(np.full((4, 4), 200, np.uint8)).save(tmp_path / "one.png")
    path = view(tmp_path / "m.safetensors", tmp_path / "one.png").save(tmp_path / "p.html")
    with opened(browser, path.as_uri()) as page:
        assert page.locator(".bars .top").count() == 0
        sizes = page.locator(".answers button").evaluate_all("all => all.map(e => getComputedStyle(e).fontSize)")
        assert len(set(sizes)) == 1
        page.evaluate("striate.open('relu1:0')")
        assert page.locator("#arithmetic .step", has_text="Backpropagation").count() == 0
        values = page.evaluate("striate.values('relu1').data")
        assert 0 < np.count_nonzero(values) < 12
        page.evaluate("striate.open('linear2:1')")
        assert page.locator(".diagram > svg line").count() == np.count_nonzero(values)


@pytest.mark.parametrize("end", ["", "; softmax"])
def test_the_bars_are_the_probabilities_of_predict_with_its_temperature(browser, tmp_path, end):
    contract = Contract(("a", "b", "c"), (1, 4, 4), "L", (0.5,), (0.5,), temperature=0.4)
    model = Model(build(parse(f"input 1x4x4; flatten; linear 3{end}"), seed=0), contract)
    model.save(tmp_path / "m.safetensors")
    item = np.random.default_rng(0).integers(0, 256, (4, 4), dtype=np.uint8)
    Image.fromarray(item).save(tmp_path / "one.png")
    expected = dict(model.predict(item)[0].top)
    shown = view(tmp_path / "m.safetensors", tmp_path / "one.png").save(tmp_path / "p.html")
    with opened(browser, shown.as_uri()) as page:
        shares = page.evaluate("striate.probabilities()")
        assert shares == pytest.approx([expected[name] for name in "abc"], abs=1e-5)
        if not end:
            page.evaluate("striate.open('linear1:1')")
            text = page.locator("#arithmetic .step").last.inner_text()
            assert "divided by the temperature 0.4" in text
            assert numbers([re.search(RESULT, text).group(1)])[0] == pytest.approx(shares[1], abs=6e-5)


def test_a_formula_gives_what_it_says(browser, tmp_path):
    """Batch norms of a small variance, in the digits that are shown: what those give is said where it is another."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(288, 2)
    )
    torch.nn.init.uniform_(net[1].running_var, 1e-5, 3e-3)
    torch.nn.init.uniform_(net[1].running_mean, -0.1, 0.1)
    number = r"([-\u2212\d.]+(?:e-\d+)?)"
    norm = rf"\({number} \u2212 \(?{number}\)?\) / \u221a\({number} \+ {number}\) \u00d7 {number} ([+\u2212]) {number}"
    form = rf"{norm} = {number}(?: \(as shown: {number}\))?"
    with opened(browser, view(net.eval(), input=(1, 8, 8)).save(tmp_path / "p.html").as_uri()) as page:
        for c in range(8):
            page.evaluate("c => striate.open(`_1:${c}:3:4`)", c)
            found = re.fullmatch(
                form, page.locator("#arithmetic .step:not(.back) .formula").last.text_content()
            ).groups()
            sign = -1 if found[5] == "\u2212" else 1
            x, mean, var, eps, weight, bias, y = numbers([*found[:5], *found[6:8]])
            told = numbers([found[8]])[0] if found[8] else y
            assert (x - mean) / (var + eps) ** 0.5 * weight + sign * bias == pytest.approx(told, abs=6e-5)
            assert y == pytest.approx(page.evaluate("c => striate.unit(`_1:${c}:3:4`).value", c), abs=6e-5)
            assert var == pytest.approx(net[1].running_var[c].item(), rel=1e-3)


def test_in_space_and_back(page):
    page.keyboard.press("f")
    page.wait_for_timeout(700)
    canvas = page.locator("#space-canvas")
    assert canvas.is_visible()
    full = canvas.evaluate("canvas => canvas.width")
    assert page.locator(".space-label").first.text_content() == "input1@32\u00d732"
    shares = page.evaluate("striate.probabilities()")
    shown = page.locator(
        ".space-class"
    ).all_text_contents()  # the likeliest first; each beside its cell, where there is room
    assert shown[0] == f"{np.argmax(shares)} {100 * max(shares):.1f}%"
    assert len(shown) >= 5
    assert all(text == f"{text[0]} {100 * shares[int(text[0])]:.1f}%" for text in shown)
    colours, black = page.evaluate(SPACE)
    assert colours > 50
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate(SPACE)[1] > 1.2 * black > 0  # the input's plane shows what the pad does
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = page.locator(".space-label").first.bounding_box()
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 120, middle[1] + 20, steps=5)
    page.mouse.up()
    page.mouse.wheel(0, -300)
    until(
        page, f"document.getElementById('space-canvas').width === {full // 2}"
    )  # without a graphics card coarsely, while it moves
    until(page, f"document.getElementById('space-canvas').width === {full}")
    assert page.locator(".space-label").first.bounding_box() != before
    assert state(page)["space"] is True
    page.keyboard.press("f")
    until(page, "getComputedStyle(document.getElementById('space-canvas')).display === 'none'")
    assert page.locator(".stage canvas").first.is_visible()
    assert state(page)["space"] is False


def test_in_space_a_high_screen_is_used(browser, lenet_file):
    """On a phone the network goes into the depth, so that it is not a small row in the middle."""
    with opened(browser, lenet_file.as_uri() + "#view=3d", viewport={"width": 390, "height": 844}) as page:
        until(page, "document.querySelectorAll('.space-label').length > 5")
        tops = [label.bounding_box()["y"] for label in page.locator(".space-label").all()]
        assert max(tops) - min(tops) > 200


def test_the_slices_of_a_volume_are_apart(browser, tmp_path):
    """In the maps a line between them, in the arithmetic a gap."""
    path = view("input 1x8x8x8; conv 2 3; relu; flatten; linear 3").save(tmp_path / "volume.html")
    with opened(browser, path.as_uri() + "#theme=light") as page:
        canvas = page.locator(".stage canvas").first
        line = canvas.evaluate("""canvas => {
          const { data, width } = canvas.getContext('2d').getImageData(0, 0, canvas.width, 1), white = []
          for (let x = 0; x < width; x++) if (data[4 * x] === 255 && data[4 * x + 1] === 255) white.push(x / width)
          return white
        }""")
        assert {round(6 * share) for share in line} == {1, 2, 3, 4, 5}
        page.evaluate("striate.open('conv1:0:1:2:3')")
        assert page.locator("#arithmetic table.grid").first.locator("tr.slice").count() == 2


def test_in_space_a_volume_shows_the_slice_of_the_pad(browser, tmp_path):
    path = view("input 1x8x8x8; conv 2 3; relu; flatten; linear 3").save(tmp_path / "volume.html")
    with opened(browser, path.as_uri() + "#view=3d&theme=light") as page:
        until(page, "document.querySelector('.space-label')")
        assert page.locator(".space-label").first.text_content() == "input1@8\u00d78\u00d78, one slice"
        before = page.evaluate(SPACE)[1]
        page.get_by_label("Slice of the volume").fill("0")  # outside of the ball all is black
        assert page.evaluate(SPACE)[1] > 1.2 * before > 0


def test_hovering_in_space_draws_the_marks_alone(page):
    """No plane is drawn anew for the unit under the pointer: without a graphics card that takes a fifth of a second."""
    page.keyboard.press("f")
    page.wait_for_timeout(700)
    page.evaluate("""() => {
      const draw = WebGL2RenderingContext.prototype.drawArrays
      window.drawn = 0
      WebGL2RenderingContext.prototype.drawArrays = function (...all) { window.drawn++; draw.apply(this, all) }
    }""")
    box, found = page.locator("#space-canvas").bounding_box(), set()
    for share in range(30, 75, 3):
        page.mouse.move(box["x"] + box["width"] * share / 100, box["y"] + box["height"] * 0.5)
        if page.locator("#tip").is_visible():
            found.add(page.locator("#tip").text_content())
            assert page.locator("#network > .over path").count() > 3  # the cell, what it reads, lines
    assert len(found) > 3
    assert page.evaluate("drawn") == 0
    page.mouse.wheel(0, -100)
    until(page, "drawn > 0")


def test_all_of_it_is_seen_from_every_side(page):
    """A quarter of a turn at a time: no layer leaves the view, and nothing says what was under the pointer before."""
    page.keyboard.press("f")
    page.wait_for_timeout(700)
    box = page.locator("#space-canvas").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for _ in range(5):
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + 180, middle[1] - 20, steps=3)
        assert page.locator("#tip").is_hidden()
        page.mouse.up()
        seen = page.locator(".space-label:not([style*=hidden])").all()
        places = [label.bounding_box() for label in seen]
        assert len(places) >= 3
        assert all(box["x"] <= r["x"] and r["x"] + r["width"] <= box["x"] + box["width"] for r in places)
        assert all(box["y"] <= r["y"] and r["y"] + r["height"] <= box["y"] + box["height"] for r in places)


def in_the_lab(page, unit, which=0, name="Open in the lab"):
    """The lab as the arithmetic of a unit opens it: its settings, its output, and the sum of its arithmetic."""
    assert page.evaluate("unit => striate.open(unit)", unit)
    with page.expect_popup() as opening:
        page.get_by_role("button", name=name).nth(which).click()
    lab = opening.value
    until(lab, "window.striate")
    found = lab.evaluate("[striate.state(), striate.output()]")
    sums = lab.locator("#arithmetic .sum tr").all_text_contents()
    lab.close()
    return *found, sums


def test_a_unit_opens_in_the_lab(page):
    """The same map, kernel, stride and padding: the lab's sum is that of the products that the page has."""
    settings, output, sums = in_the_lab(page, "c3:2:3:4")
    where = page.locator("#arithmetic .channel small").first.text_content().split()  # input map 1 Open in the lab
    c = int(where[2])
    unit = page.evaluate("striate.unit('c3:2:3:4')")
    weights = np.array(unit["weights"]).reshape(6, 5, 5)
    kernel = np.array([[float(v) for v in row.split()] for row in settings["kernel"].split(";")])
    assert np.array_equal(kernel, weights[c])
    assert (settings["padding"], settings["stride"], settings["dilation"]) == ("valid", "1x1", 1)
    assert settings["image"] == f"s2, map {c}"
    assert output["shape"] == [1, 10, 10]
    product = sum(unit["products"][25 * c : 25 * c + 25])
    assert output["data"][34] == pytest.approx(product, abs=1e-12)
    assert sums[-1] == f"sum{product:.4f}".replace("-", "\u2212")
    assert page.locator("#arithmetic .sum td").nth(1).text_content() == sums[-1].removeprefix("sum")


def test_windows_of_every_kind_open_in_the_lab(browser, tmp_path):
    """Of signals and of colour images, with stride, padding, dilation and groups, and of a pooling; not of what the lab
    has no word for."""
    net = (
        "input 4x9x8; a: conv 6 3 stride=2 padding=1 groups=2; b: conv 3 2x3 padding=0x1 dilation=1; maxpool 2 stride=1"
    )
    path = view(f"{net}; conv 2 3 padding=2x1").save(tmp_path / "a.html")
    with opened(browser, path.as_uri()) as page:
        for unit, which, wanted in (
            ("a:5:2:1", 0, ("same", "2x2", "convolve")), ("pool1:1:1:2", 0, ("valid", "1x1", "max")),
        ):  # fmt: skip
            settings, output, _ = in_the_lab(page, unit, which)
            assert (settings["padding"], settings["stride"], settings["op"]) == wanted
            layer, _, y, x = unit.split(":")
            H, W = output["shape"][1:]
            assert page.evaluate("name => striate.values(name).shape", layer)[1:] == [H, W]
            found, value = page.evaluate("unit => { const u = striate.unit(unit); return [u.products, u.value] }", unit)
            parts = [sum(found[i : i + 9]) for i in range(0, len(found), 9)] if found else [value]
            assert min(abs(output["data"][int(y) * W + int(x)] - part) for part in parts) < 1e-12
        for unit in ("b:1:2:3", "conv1:1:2:3"):  # padding of one axis alone
            page.evaluate("unit => striate.open(unit)", unit)
            assert page.locator("#arithmetic .channel").count() >= 3
            assert page.get_by_role("button", name="Open in the lab").count() == 0
    path = view("input 2x20; a: conv 3 5 padding=4 dilation=2; relu; flatten; linear 2").save(tmp_path / "b.html")
    with opened(browser, path.as_uri()) as page:
        settings, output, _ = in_the_lab(page, "a:1:7")
        assert (settings["padding"], settings["dilation"]) == ("same", 2)
        products = page.evaluate("striate.unit('a:1:7').products")
        assert min(abs(output["data"][7] - sum(products[i : i + 5])) for i in (0, 5)) < 1e-12


@pytest.mark.parametrize("where", ["file", "server"])
def test_average_poolings_and_volumes_open_in_the_lab(browser, tmp_path, where, monkeypatch):
    """Of a volume a button for each slice of the window; of what PyTorch computes the map is asked for first."""
    monkeypatch.setattr("striate.page.scene.SERVED_MACS", 0)
    net = "input 2x6x9x8; conv 3 3 padding=1; relu; avgpool 2; avgpool 3 stride=1 padding=1; adaptiveavgpool 1x2x2"
    shown = view(f"{net}; avgpool 1x2x2 padding=0x1x1 count_padding=no; flatten; linear 2")
    address = serving(shown) if where == "server" else nullcontext(shown.save(tmp_path / "a.html").as_uri())
    with address as url, opened(browser, url) as page:
        for unit, slices, same in (
            ("conv1:1:2:3:4", 3, lambda x, kernel: F.conv2d(x, kernel, padding=1)),
            ("pool1:1:1:2:3", 2, lambda x, _: F.avg_pool2d(x, 2)),
            ("pool2:0:1:1:2", 3, lambda x, _: F.avg_pool2d(x, 3, 1, 1)),
            ("pool3:2:0:1:1", 3, lambda x, _: F.adaptive_avg_pool2d(x, 2)),
        ):
            settings, output, _ = in_the_lab(page, unit, 1, re.compile(r"Slice \d in the lab"))
            assert page.locator("#arithmetic .channel").first.get_by_role("button").count() == slices
            name, c, z = re.fullmatch(r"(\w+), map (\d+), slice (\d+)", settings["image"]).groups()
            values = page.evaluate("async name => await striate.values(name)", name)
            maps = torch.tensor(values["data"], dtype=torch.float32).reshape(values["shape"])
            kernel = settings["kernel"].split(";") if "conv" in unit else ["0"]
            weights = torch.tensor([[float(v) for v in row.split()] for row in kernel])
            expected = same(maps[None, int(c), int(z)][None], weights[None, None])
            assert output["shape"] == list(expected.shape[1:])
            assert output["data"] == pytest.approx(expected.flatten().tolist(), abs=1e-5)
        page.evaluate("striate.open('pool4:1:0:0:1')")
        page.locator("#arithmetic:not(.waits) .channel").first.wait_for()
        assert page.get_by_role("button", name="in the lab").count() == 0  # there the padding counts


def test_undo_and_redo_of_drawings_weights_and_maps(page):
    """One step back after the other, whatever it was, and on again; what is done anew ends what could be done again."""

    def now():
        found = state(page)
        return found["edits"], found["off"], found["sample"], page.evaluate("striate.probabilities()")

    seen = [now()]
    draw(page)
    seen.append(now())
    page.evaluate("striate.open('out:7')")
    field = page.get_by_label("bias 7 of out")
    field.fill("2.5")
    field.press("Enter")
    seen.append(now())
    page.keyboard.press("x")
    seen.append(now())
    assert [(len(edits), len(off)) for edits, off, _, _ in seen] == [(0, 0), (0, 0), (1, 0), (1, 1)]
    for key, step in (("u", 2), ("Control+z", 1), ("u", 0), ("u", 0)):
        page.keyboard.press(key)
        assert now() == seen[step], step
    for key, step in (("Shift+U", 1), ("Control+Shift+Z", 2), ("Control+y", 3), ("Shift+U", 3)):
        page.keyboard.press(key)
        assert now() == seen[step], step
    page.keyboard.press("u")
    page.get_by_role("button", name="Reset 1 edit").click()
    assert now()[:2] == ([], [])
    page.get_by_role("button", name="Redo").click()
    assert now()[:2] == ([], [])
    page.get_by_role("button", name="Undo").click()
    assert now() == seen[2]


def test_edit_and_reset(page):
    draw_seven(page)
    before = page.evaluate("striate.probabilities()")
    page.evaluate("striate.open('out:7')")
    field = page.get_by_label("bias 7 of out")
    field.fill("-20")
    field.press("Enter")
    after = page.evaluate("striate.probabilities()")
    assert after[7] < 0.01
    assert top(page) != "7"
    reset = page.locator("#reset")
    assert reset.text_content() == "Reset 1 edit"
    assert page.locator("#arithmetic .edited").count() == 1
    reset.click()
    assert page.evaluate("striate.probabilities()") == before
    assert reset.is_hidden()


def test_switch_a_channel_off(page):
    page.evaluate("striate.open('c1:2:3:4')")
    before = page.evaluate("striate.probabilities()")
    page.locator("#network").focus()
    page.keyboard.press("x")
    plane = "striate.values('c1').data.slice(2 * 784, 3 * 784).every(v => v === 0)"
    shown = state(page)["off"][0].split(":")
    assert shown[1] == "2"
    assert page.evaluate(plane.replace("'c1'", f"'{shown[0]}'"))
    assert page.evaluate("striate.probabilities()") != before
    assert page.get_by_role("button", name="Switch on").is_visible()
    page.keyboard.press("r")
    assert page.evaluate("striate.probabilities()") == before


def test_the_link_restores_everything(page):
    draw_seven(page)
    page.evaluate("striate.open('c3:2:4:5')")
    page.evaluate("striate.edit('out', 'bias', 3, 2.5)")
    page.locator("#network").focus()
    page.keyboard.press("x")
    page.locator("#scale").select_option("network")
    page.locator("#theme").click()
    page.keyboard.press("f")
    page.wait_for_timeout(700)
    before, shares = state(page), page.evaluate("striate.probabilities()")
    assert before["edits"] == ["out/bias/3/2.5"]
    assert len(before["off"]) == 1
    page.reload()
    until(page, "window.striate")
    assert state(page) == before
    assert page.evaluate("striate.probabilities()") == shares
    assert page.locator("#space-canvas").is_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == ("dark" if before["dark"] else "light")


def test_another_link_in_the_address_is_followed(page):
    """One that was pasted there, too; and what no page writes changes nothing."""
    page.evaluate("striate.open('c3:2:4:5')")
    page.wait_for_timeout(300)
    page.evaluate("location.hash = 'unit=c1%3A1%3A2%3A2&sample=3&scale=no&edits=out/bias/3/NaN&off=no:1,c1:99'")
    until(page, "window.striate?.state().unit === 'c1:1:2:2'")
    found = state(page)
    assert (found["sample"], found["scale"], found["edits"], found["off"]) == (3, "layer", [], [])
    assert page.locator("#reset").is_hidden()


def test_samples_and_nudging(page):
    samples = page.locator(".samples button")
    assert samples.count() == 24
    samples.nth(3).click()
    assert state(page)["sample"] == 3
    before = page.evaluate("striate.values('input').data")
    page.locator("#network").focus()
    page.keyboard.press("ArrowRight")
    after = page.evaluate("striate.values('input').data")
    assert [after[32 * y + x + 1] for y in range(32) for x in range(31)] == [
        before[32 * y + x] for y in range(32) for x in range(31)
    ]


def test_play_and_stop(page):
    page.evaluate("striate.open('c1:0:0:0')")
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(700)
    page.get_by_role("button", name="Stop").click()
    assert state(page)["unit"] != "c1:0:0:0"
    still = state(page)["unit"]
    page.wait_for_timeout(400)
    assert state(page)["unit"] == still


def test_single_steps(page):
    """From the end of a row to the beginning of the next; a layer without places has no window that slides."""
    page.evaluate("striate.open('c3:2:4:8')")
    page.get_by_role("button", name="Step").click()
    assert state(page)["unit"] == "c3:2:4:9"
    page.keyboard.press("s")
    assert state(page)["unit"] == "c3:2:5:0"
    page.evaluate("striate.open('f6:3')")
    for name in ("Step", "Play"):
        assert page.get_by_role("button", name=name, exact=True).count() == 0
    page.keyboard.press("s")
    assert state(page)["unit"] == "f6:3"


def test_names_are_text(browser, tmp_path):
    """Names that would be markup stand on the page as they are written, and run nothing."""
    import numpy as np

    from striate.inspect.models.inspected import InspectedModel
    from striate.model.contract import Contract
    from striate.model.model import Model
    from striate.net import build
    from striate.page.document import document
    from striate.page.scene import NetworkScene, Sample
    from striate.spec import parse

    nasty = "</script><img src=x onerror=\"document.title='hit'\">"
    net = build(parse("conv 2 3; relu; flatten; linear 2"), (1, 8, 8))
    contract = Contract((nasty, nasty + "2" * 300), (1, 8, 8), "L", (0.5,), (0.5,))
    scene = NetworkScene.of(
        InspectedModel(Model(net, contract), (nasty,)), [Sample(nasty, np.zeros((1, 8, 8), np.uint8))], nasty
    )
    (tmp_path / "page.html").write_text(document(scene))
    with opened(browser, (tmp_path / "page.html").as_uri()) as page:
        hover_first_map(page)
        page.evaluate("striate.open('linear1:1')")
        assert page.locator("img").count() == 0
        assert page.title() == nasty
        assert page.locator("#title").text_content() == nasty
        box = page.locator("#arithmetic")
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")  # a name without spaces breaks
        assert page.locator(".bars span").first.text_content() == nasty
        assert page.locator(".samples span").first.text_content() == nasty


KINDS = {
    "words": ("embedding 20 5; conv 6 3; relu; adaptivemaxpool 1; flatten; linear 2", (12,)),
    "volume": ("conv 3 3 padding=1; relu; maxpool 2; flatten; linear 3", (1, 8, 8, 8)),
    "signal": ("conv 4 5; relu; flatten; linear 3", (2, 40)),
    "colour": ("conv 8 3; relu; maxpool 2; flatten; linear 5", (3, 24, 24)),
    "mask": ("conv 4 3 padding=1; relu; conv 3 1", (3, 16, 16)),
    "value": ("conv 4 3; relu; flatten; linear 1", (1, 16, 16)),
    "many classes": ("flatten; linear 40", (1, 8, 8)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_opens(browser, tmp_path, kind):
    text, shape = KINDS[kind]
    with opened(browser, view(text, input=shape).save(tmp_path / "page.html").as_uri()) as page:
        assert page.evaluate("striate.check.share") <= 1e-4
        if kind == "words":
            page.locator("textarea").fill("a good film, it's fine")
            assert page.locator(".token").all_text_contents() == ["a", "good", "film", ",", "it", "'s", "fine"]
        elif kind != "volume":
            draw(page)
        hover_first_map(page)
        assert page.locator("#tip").is_visible()
        for layer in page.evaluate("striate.layers()"):
            assert page.evaluate("unit => striate.open(unit)", ":".join([layer["name"], *["0"] * len(layer["shape"])]))
            assert page.locator("#arithmetic").is_visible()
        page.keyboard.press("Escape")
        page.locator("#network").focus()
        page.keyboard.press("f")
        page.wait_for_timeout(600)
        assert page.locator("#space-canvas").is_visible()
        if kind == "mask":
            page.locator("canvas[aria-label^=Predicted]").click()
            assert page.locator("#arithmetic").is_visible()


def test_a_volume_is_looked_through(browser, tmp_path):
    """A slider shows each slice; of a unit the slices that it reads are said, and a number of it shows its slice."""
    path = view("conv 2 3; relu; flatten; linear 3", input=(1, 6, 7, 9)).save(tmp_path / "volume.html")
    with opened(browser, path.as_uri()) as page:
        assert page.locator(".samples span").all_text_contents() == ["ball", "box", "cross"]
        page.locator(".samples button").nth(2).click()
        shown = """() => { const { width, height } = document.querySelector('canvas.pad')
            const g = new OffscreenCanvas(width, height).getContext('2d')
            g.drawImage(document.querySelector('canvas.pad'), 0, 0)
            return Array.from(g.getImageData(0, 0, width, height).data).filter((_, i) => i % 4 === 0) }"""
        values = page.evaluate("striate.values('input').data")
        slider = page.get_by_label("Slice of the volume")
        for z in (0, 2, 5):
            slider.fill(str(z))
            assert page.evaluate(shown) == [255 * v for v in values[63 * z : 63 * (z + 1)]]
        assert len(set(values)) == 2
        assert page.evaluate("striate.open(striate.layers()[0].name + ':1:3:2:4')")
        assert "slices 3 to 5 are read" in page.locator("#input").text_content()
        page.locator("#arithmetic td[data-source=input]").first.hover()
        assert slider.input_value() == "3"
        assert page.locator(".padbox rect.linked").get_attribute("x") == "4"


def test_the_mask_lies_over_the_input(browser, tmp_path):
    """Each pixel has the colour of its most probable class, mixed with the input's; background covers nothing."""
    path = view("conv 4 3 padding=1; relu; conv 3 1", input=(3, 16, 16)).save(tmp_path / "mask.html")
    with opened(browser, path.as_uri()) as page:
        most = page.evaluate(
            """() => { const y = striate.probabilities(), n = y.length / 3, at = (c, i) => y[c * n + i]
            return Array.from({ length: n }, (_, i) => [0, 1, 2].reduce((a, c) => at(c, i) > at(a, i) ? c : a)) }"""
        )
        mask = page.locator("canvas[aria-label^=Predicted]")
        pixels = """canvas => { const { width, height } = canvas
            const g = new OffscreenCanvas(width, height).getContext("2d")
            g.drawImage(canvas, 0, 0)
            const d = g.getImageData(0, 0, width, height).data
            return Array.from({ length: d.length / 4 }, (_, i) => [...d.slice(4 * i, 4 * i + 3)]) }"""
        slider = page.get_by_label("Opacity of the mask")
        slider.fill("1")
        whole = mask.evaluate(pixels)
        colours = {c: {tuple(p) for p, m in zip(whole, most, strict=True) if m == c} for c in set(most)}
        assert all(len(found) == 1 for found in colours.values())
        assert len(set.union(*colours.values())) == len(colours) > 1
        slider.fill("0")
        assert mask.evaluate(pixels) == page.locator("canvas.pad").first.evaluate(pixels)
        box = mask.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 3.5 / 16, box["y"] + box["height"] * 5.5 / 16)
        assert page.locator(".mask").text_content().find("5:3 is ") > 0
        last = page.evaluate("striate.layers().at(-1).name")
        assert page.locator("#tip").text_content().startswith(f"{last}:{most[5 * 16 + 3]}:5:3 = ")


@pytest.mark.parametrize("width", [360, 820, 1400, 3840])
def test_no_width_is_too_narrow(browser, lenet_file, width):
    with opened(browser, lenet_file.as_uri(), viewport={"width": width, "height": 800}) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")


def test_the_classes_are_seen_beside_the_maps(browser, lenet_file):
    """On a tablet or a small laptop, without scrolling."""
    with opened(browser, lenet_file.as_uri(), viewport={"width": 1024, "height": 768}) as page:
        boxes = [number.bounding_box() for number in page.locator(".bars em").all()]
        assert len(boxes) == 10
        assert all(box["x"] + box["width"] <= 1024 for box in boxes)


@pytest.mark.parametrize(("touch", "text"), [(False, "Point at a cell of a map"), (True, "Tap a cell of a map")])
def test_the_first_screen_says_what_a_map_is_good_for(browser, lenet_file, touch, text):
    with opened(browser, lenet_file.as_uri(), has_touch=touch, is_mobile=touch) as page:
        hint = page.locator("#hint")
        assert hint.text_content().startswith(text)
        assert "how it was computed" in hint.text_content()
        assert hint.bounding_box()["y"] < 100
        assert "zoom" not in hint.text_content()
        page.locator("#space").click()
        assert ("Two fingers: zoom" if touch else "Wheel: zoom") in hint.text_content()


def test_a_long_title_leaves_room_for_the_facts(browser, tmp_path):
    net = "conv 8 7 stride=2; relu; maxpool 2; conv 16 5; relu; adaptiveavgpool 1; flatten; linear 4"
    path = view(net, input=(1, 128)).save(tmp_path / "a.html")
    with opened(browser, path.as_uri(), viewport={"width": 1024, "height": 768}) as page:
        assert page.locator("header").bounding_box()["height"] < 90
        assert page.locator("#title").get_attribute("title") == net


def test_a_finger_draws(browser, lenet_file):
    with opened(browser, lenet_file.as_uri(), has_touch=True, viewport={"width": 390, "height": 844}) as page:
        page.get_by_role("button", name="Clear").click()
        page.locator("canvas.pad").first.tap()
        assert page.evaluate("Math.max(...striate.values('input').data) > striate.values('input').data[0]")


# -------------------------------------------------------------------------------------------------- accessibility
DEPTHS = {"overview": None, "unit": "c1:3:10:12", "dense": "out:7", "pooling": "s2:1:2:2"}


@pytest.mark.parametrize("depth", [*DEPTHS, "space", "keys"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, lenet_file, depth, colours):
    """Names of all controls, contrast, roles, the order of headings: axe-core."""
    with opened(browser, lenet_file.as_uri() + f"#theme={colours}") as page:
        if DEPTHS.get(depth):
            assert page.evaluate("unit => striate.open(unit)", DEPTHS[depth])
        if depth == "space":
            page.keyboard.press("f")
            page.wait_for_timeout(600)
        if depth == "keys":
            page.locator("#help").click()
        page.evaluate(AXE_FILE_PATH.read_text())
        found = page.evaluate("axe.run().then(found => found.violations)")
    serious = [
        f"{v['id']}: {node['target']} {re.sub('<canvas.*', '', node['failureSummary'])}"
        for v in found if v["impact"] in ("serious", "critical") for node in v["nodes"]
    ]  # fmt: skip
    assert not serious, "\n".join(serious[:12])


def test_everything_is_reached_by_keyboard(browser, lenet_file):
    with opened(browser, lenet_file.as_uri()) as page:
        controls = "[...document.querySelectorAll('button, select, input, canvas.pad')]"
        wanted = page.evaluate(f"{controls}.filter(e => e.checkVisibility()).length")
        seen = set()
        for _ in range(wanted + 12):
            page.keyboard.press("Tab")
            seen.add(page.evaluate(f"{controls}.indexOf(document.activeElement)"))
        assert len(seen - {-1}) == wanted


def test_units_are_reached_and_read_out_by_keyboard(browser, lenet_file):
    """From layer to layer, each time the strongest unit; on from a row of the arithmetic; a status says what it is."""
    with opened(browser, lenet_file.as_uri()) as page:
        until(page, "document.getElementById('said').textContent.startsWith('Prediction: ')")
        assert page.locator("#said").text_content() == f"Prediction: {', '.join(answers(page))}"
        for key, layer in (("Period", "tanh1"), ("Period", "s2"), ("Period", "tanh3"), ("Comma", "s2")):
            page.keyboard.press(key)
            data = page.evaluate("name => striate.values(name).data", layer)
            unit = page.evaluate("striate.state().unit")
            assert unit.split(":")[0] == layer
            assert abs(page.evaluate("unit => striate.unit(unit).value", unit)) == max(map(abs, data))
        until(page, "document.getElementById('said').textContent.startsWith('s2:')")
        page.evaluate("striate.open('out:7')")
        row = page.locator("#arithmetic tr[tabindex]").first
        row.press("Enter")
        assert page.evaluate("striate.state().unit").startswith("tanh6:")


WINDOWS = """
conv 4 3 stride=2 padding=2 dilation=2
avgpool 3 stride=2 padding=1 ceil=yes
conv 4 3x5 padding=1x2 groups=2
maxpool 2
flatten
linear 2
"""


def test_a_window_says_its_settings_and_the_size_by_the_formula(browser, tmp_path):
    """The textbooks' formula, (W - K + 2P) / S + 1, with the numbers put in; rounding says which way."""
    expected = {
        "conv1:0:0:0": "4 kernels of 3\u00d73\u00d73 weights, stride 2, padding 2, dilation 2 (so it reaches over 5). "
        "Output: (17 \u2212 5 + 2\u00b72) / 2 + 1 = 9; (19 \u2212 5 + 2\u00b72) / 2 + 1 = 10.",
        "pool1:0:0:0": "Windows of 3\u00d73, stride 2, padding 1. "
        "Output: (9 \u2212 3 + 2\u00b71) / 2 + 1 = 5; \u2308(10 \u2212 3 + 2\u00b71) / 2\u2309 + 1 = 6.",
        "conv2:0:0:0": "4 kernels of 3\u00d75\u00d72 weights, stride 1, padding 1\u00d72, 2 groups. "
        "Output: (5 \u2212 3 + 2\u00b71) / 1 + 1 = 5; (6 \u2212 5 + 2\u00b72) / 1 + 1 = 6.",
        "pool2:0:0:0": "Windows of 2\u00d72, stride 2, padding 0. "
        "Output: \u230a(5 \u2212 2 + 2\u00b70) / 2\u230b + 1 = 2; (6 \u2212 2 + 2\u00b70) / 2 + 1 = 3.",
    }
    path = view(WINDOWS, input=(3, 17, 19)).save(tmp_path / "w.html")
    with opened(browser, path.as_uri()) as page:
        for unit, text in expected.items():
            page.evaluate("unit => striate.open(unit)", unit)
            assert page.locator("#arithmetic .step .note").first.text_content() == text


def test_window_kernel_and_products_stand_in_one_row(browser, lenet_file):
    """Of a kernel of 5x5, on a laptop's screen; no number is wider than its cell."""
    with opened(browser, lenet_file.as_uri(), viewport={"width": 1280, "height": 800}) as page:
        page.evaluate("striate.open('c3:3:5:5')")
        tops = page.evaluate("[...document.querySelector('.three').querySelectorAll('table')].map(t => t.offsetTop)")
        assert len(tops) == 3
        assert len(set(tops)) == 1
        assert page.evaluate(
            "[...document.querySelectorAll('#arithmetic :is(td, input)')].every(e => e.scrollWidth < e.clientWidth + 2)"
        )


def test_on_a_phone_pad_prediction_and_samples_are_seen_together(browser, lenet_file, tmp_path):
    Image.new("RGB", (16, 16), "red").save(tmp_path / "red.png")
    masks = view("input 3x16x16; conv 4 3 padding=1; relu; conv 3 1", tmp_path / "red.png").save(
        tmp_path / "masks.html"
    )
    for path, prediction in ((lenet_file, ".answers button"), (masks, ".mask canvas")):
        with opened(browser, path.as_uri(), viewport={"width": 390, "height": 844}, has_touch=True) as page:
            for what in (".padbox canvas", prediction, ".samples button"):
                box = page.locator(what).first.bounding_box()
                assert box["y"] >= 0, what
                assert box["y"] + box["height"] <= 844, what
            assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_on_a_phone_the_prediction_stays_in_sight(browser, lenet_file):
    with opened(browser, lenet_file.as_uri(), viewport={"width": 390, "height": 844}, has_touch=True) as page:
        page.evaluate("striate.open('out:3')")
        page.evaluate("document.getElementById('panels').scrollIntoView()")
        box, scrolled = page.locator(".answers button").first.bounding_box(), page.evaluate("scrollY")
        assert scrolled > 200
        assert 0 <= box["y"] < 30
        page.set_viewport_size({"width": 1200, "height": 800})
        until(page, "document.querySelector('#input > .prediction')")  # beside the pad again, before the samples
        assert page.locator(".prediction + h2").text_content() == "Samples"


def test_on_a_phone_the_arithmetic_is_seen_at_once(browser, lenet_file):
    """It lies over the lower part of the screen, and the kept cell above it."""
    with opened(browser, lenet_file.as_uri(), viewport={"width": 390, "height": 844}, has_touch=True) as page:
        page.locator(".stage canvas").first.tap(position={"x": 40, "y": 300})
        page.wait_for_timeout(300)
        sheet = page.locator("#arithmetic").bounding_box()
        cell = page.locator(".diagram > svg").last.locator("rect").last.bounding_box()
        assert sheet["y"] + sheet["height"] == pytest.approx(844, abs=1)
        assert sheet["y"] > 844 / 3
        assert cell["y"] > 0
        assert cell["y"] + cell["height"] < sheet["y"]
        page.get_by_role("button", name="Close").tap()
        assert page.locator("#arithmetic").is_hidden()


def test_ten_outputs_are_one_column_beside_their_names(browser, lenet_file):
    """Also while a panel leaves the network less height."""
    with opened(browser, lenet_file.as_uri(), viewport={"width": 1280, "height": 800}) as page:
        page.evaluate("striate.panel('kernels')")
        page.wait_for_timeout(300)
        assert page.locator(".bars span").all_text_contents() == [str(c) for c in range(10)]
