"""Large networks, and modules that cannot be followed, in a real Chromium: through the local server and as a file."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from pages import opened, serving, until
from striate.page.view import View
from striate.run.viewing import view

pytestmark = pytest.mark.slow

NETS = {"resnet18": None, "googlenet": None, "densenet121": None, "unet": (1, 96, 96)}
SOME = ("resnet18", "unet", "somebody's own")  # what is done by hand is tried on these
UNITS = 36

BLANK = """() => [...document.querySelectorAll('.stage canvas')]
  .filter(canvas => canvas.width && canvas.checkVisibility())
  .map(canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)
  .map(pixels => new Set(new Uint32Array(pixels)).size)"""
DRAW = """async () => {
  const pad = document.querySelector('canvas.pad'), box = pad.getBoundingClientRect()
  pad.setPointerCapture = () => {}
  const send = (type, x, y) => pad.dispatchEvent(new PointerEvent(type, { clientX: box.left + x * box.width,
    clientY: box.top + y * box.height, pointerId: 1, isPrimary: true, bubbles: true }))
  send('pointerdown', 0.2, 0.2)
  for (let i = 0; i < 8; i++) send('pointermove', 0.2 + 0.07 * i, 0.2 + 0.05 * i)
  send('pointerup', 0.8, 0.6)
  await striate.settled()
}"""


class Odd(nn.Module):
    """It cannot be followed: a Fourier transform, a recurrent layer, and a branch that depends on the values."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.GroupNorm(3, 6), nn.ReLU(inplace=True))
        self.mid = nn.Conv2d(6, 6, 3, padding=1)
        self.rows = nn.LSTM(16 * 6, 20, batch_first=True)
        self.head = nn.Linear(20, 5)

    def forward(self, x):
        x = self.stem(x)
        if x.mean() > -1:
            x = x + torch.fft.fft2(self.mid(x)).real.tanh()
        x = self.mid(x)
        n, c, h, w = x.shape
        rows, _ = self.rows(x.permute(0, 2, 1, 3).reshape(n, h, c * w))
        return {"logits": self.head(rows[:, -1])}


@cache
def opened_view(name):
    if name in NETS:
        return view(name, input=NETS[name])
    torch.manual_seed(0)
    return view(Odd(), np.random.default_rng(0).integers(0, 256, (1, 16, 16), dtype=np.uint8), input=(1, 16, 16))


@pytest.fixture(scope="module", params=[*NETS, SOME[-1]])
def large(request):
    return opened_view(request.param)


@pytest.fixture(scope="module", params=SOME)
def some(request):
    return opened_view(request.param)


@pytest.fixture(scope="module")
def address(some):
    with serving(some) as url:
        yield url


def values_of(page: View, item):
    return {name: value.numpy() for name, value in page.scene.answers.live.values(item).items()}


def shown_item(page, some):
    """The input that is on the pad."""
    data = np.array(page.evaluate("striate.values('input')")["data"])
    return np.rint(data * 255).astype(np.uint8).reshape(some.scene.about["input"]["shape"])


def units(page: View, n, seed=0):
    """The names of random units, over all layers, and where they are."""
    draw = np.random.default_rng(seed)
    layers = page.scene.answers.live.layers
    for layer in draw.choice(np.array(layers, object), n, replace=n > len(layers)):
        at = tuple(int(draw.integers(0, size)) for size in layer.shape)
        yield layer, at, ":".join([layer.name, *map(str, at)])


def test_values_and_sums_of_units_are_pytorchs(browser, large):
    values = values_of(large, large.scene.samples[0].item)
    scales = {name: float(np.abs(value).max()) for name, value in values.items()}
    with serving(large) as url, opened(browser, url) as page:
        assert page.evaluate("striate.ready")
        assert "PyTorch" in page.locator("#banner").text_content()
        assert min(page.evaluate(BLANK)) > 2
        kinds = set()
        for layer, at, name in units(large, UNITS):
            found = page.evaluate("name => striate.unit(name)", name)
            assert found["value"] == values[layer.name][at], name
            assert found["sum"] == pytest.approx(values[found["layer"]][at], abs=1e-5 * scales[found["layer"]]), name
            for step in found["then"]:
                assert step["value"] == values[step["layer"]][at]
            kinds.add(found["kind"])
        assert {"sum", "map"} & kinds
        whole = large.scene.answers.live.layers[len(values) // 2].name
        data = page.evaluate("async name => (await striate.values(name)).data.slice(0, 5000)", whole)
        assert np.array_equal(np.float32(data), values[whole].reshape(-1)[:5000])


def test_a_stroke_an_edit_and_a_channel_that_is_off(browser, some, address):
    live = some.scene.answers.live
    with opened(browser, address) as page:
        page.evaluate("striate.ready")
        page.evaluate(DRAW)
        item = shown_item(page, some)
        last = live.layers[-1]
        scores = values_of(some, item)[last.name]
        assert np.array_equal(
            np.float32(page.evaluate("striate.values(striate.layers().at(-1).name)")["data"]).reshape(scores.shape),
            scores,
        )
        weighted = next(layer for layer in reversed(live.layers) if live.tensors[layer.name])
        place = live.tensors[weighted.name]["weight"][0]
        page.evaluate("name => striate.edit(name, 'weight', 3, 2.5)", weighted.name)
        page.evaluate("striate.settled()")
        edited = live.values(item, [(place + 3, 2.5)])[last.name].numpy().reshape(-1)
        assert np.array_equal(np.float32(page.evaluate("striate.values(striate.layers().at(-1).name)")["data"]), edited)
        assert not np.array_equal(edited, scores.reshape(-1))
        assert page.locator("#reset").text_content() == "Reset 1 edit"
        unit = ":".join([weighted.name, *["0"] * len(weighted.shape)])
        assert page.evaluate("unit => striate.unit(unit)", unit)["weights"][3] == 2.5
        state = page.evaluate("striate.state()")
        page.reload()
        until(page, "window.striate")
        page.evaluate("striate.ready")
        assert page.evaluate("striate.state()")["edits"] == state["edits"] == [f"{weighted.name}/weight/3/2.5"]
        page.locator("#reset").click()
        page.evaluate("striate.settled()")
        first = live.layers[0]
        assert page.evaluate("unit => striate.open(unit)", ":".join([first.name, "1", *["0"] * (len(first.shape) - 1)]))
        page.locator("#arithmetic:not(.waits) .step").first.wait_for()
        off = page.get_by_role("button", name="Switch off")
        assert off.count() == (live.report is not None)
        if off.count():
            off.click()
            page.evaluate("striate.settled()")
            data = page.evaluate("async name => (await striate.values(name)).data", first.name)
            plane = len(data) // first.shape[0]
            assert not any(data[plane : 2 * plane])
            assert any(data)


def test_hovering_and_a_kept_unit(browser, some, address):
    with opened(browser, address) as page:
        page.evaluate("striate.ready")
        box = page.locator(".stage canvas").nth(2).bounding_box()
        page.mouse.move(box["x"] + 9, box["y"] + 5)
        until(page, "/= .?[0-9]/.test(document.getElementById('tip').textContent)")
        until(page, "document.querySelectorAll('.diagram > svg')[1].querySelectorAll('line').length > 0")
        page.mouse.click(box["x"] + 9, box["y"] + 5)
        page.locator("#arithmetic:not(.waits) .step").first.wait_for()
        page.evaluate(DRAW)
        layer, *at = page.evaluate("striate.state().unit").split(":")
        value = values_of(some, shown_item(page, some))[layer][tuple(map(int, at))]
        text = f"{layer}:{':'.join(at)} = {value:.4f}".replace("-", "\u2212")
        until(page, "text => document.querySelector('#arithmetic h2').textContent === text", text)


def test_kernels_are_asked_for(browser, some, address):
    layer = next(layer for layer in some.scene.answers.live.layers if layer.op.stem == "conv")
    weight = layer.module.weight.detach()
    largest = f"{float(weight.abs().max()):.3f}"
    with opened(browser, address) as page:
        page.evaluate("striate.ready")
        page.evaluate("name => striate.panel(`kernels:${name}`)", layer.name)
        page.locator("button.kernel").first.wait_for()
        assert page.locator("button.kernel").count() == len(weight)
        assert f"+{largest}" in page.locator("#panel .scale").text_content()
        page.evaluate("name => striate.edit(name, 'weight', 0, 9)", layer.name)
        page.locator("#panel .scale", has_text="+9").wait_for()
        page.evaluate("striate.reset()")
        page.locator("#panel .scale", has_text=f"+{largest}").wait_for()
        page.locator("button.kernel").nth(1).click()
        page.locator("#arithmetic:not(.waits) .step").first.wait_for()
        assert page.evaluate("striate.state().unit").split(":")[1] == "1"


def test_in_space(browser, some, address):
    with opened(browser, address + "#view=3d") as page:
        page.evaluate("striate.ready")
        page.wait_for_timeout(800)
        assert page.locator("#space-canvas").is_visible()
        assert min(page.evaluate(BLANK.replace(" && canvas.checkVisibility()", ""))) > 2


def test_the_file_shows_its_samples(browser, large, tmp_path):
    path = large.save(tmp_path / "page.html")
    assert path.stat().st_size < 40_000_000
    samples = large.scene.filed().about["samples"]
    with opened(browser, path.as_uri()) as page:
        assert page.evaluate("striate.ready")
        assert min(page.evaluate(BLANK)) > 2
        assert "need striate view" in page.locator("#banner").text_content()
        assert page.locator(".samples button").count() == len(samples)
        assert page.locator("#input button:not(.answers button)").count() == len(samples)  # no tool to draw with
        for number in {0, len(samples) - 1}:
            values = values_of(large, large.scene.samples[number].item)
            page.locator(".samples button").nth(number).click()
            box = page.locator(".stage canvas").nth(1).bounding_box()
            page.mouse.move(box["x"] + 9, box["y"] + 5)
            name, value = page.locator("#tip").text_content().replace("\u2212", "-").split(" = ")
            layer, *at = name.split(":")
            expected = values[layer][tuple(map(int, at))]
            assert float(value) == pytest.approx(expected, abs=2e-3 * float(np.abs(values[layer]).max()))
            scores = values[large.scene.answers.live.layers[-1].name].reshape(-1)
            shown = page.evaluate("striate.values(striate.layers().at(-1).name)")["data"]
            assert shown == pytest.approx(scores.tolist(), abs=1e-3 * float(np.abs(scores).max()))
        page.mouse.click(box["x"] + 9, box["y"] + 5)
        assert "need striate: striate view MODEL" in page.locator("#arithmetic").text_content()
        before = page.evaluate("striate.values('input')")
        for key in ("c", "ArrowRight", "u", "g", "x", "p", "s", "f", "f", "Escape"):
            page.keyboard.press(key)
        page.evaluate(DRAW)
        assert page.evaluate("striate.values('input')") == before


def test_unfolded_and_scrolled(browser):
    """All of a long network: what comes into sight is painted, what leaves it takes no memory."""
    large = view("resnet18")
    with serving(large) as url, opened(browser, url + "#open=all") as page:
        page.evaluate("striate.ready")
        canvases = page.evaluate("[...document.querySelectorAll('.stage canvas')].map(c => c.width > 0)")
        assert any(canvases)
        assert not all(canvases)
        page.evaluate("document.getElementById('network').scrollLeft = 1e6")
        until(page, f"Math.min(...({BLANK})()) > 2")
        after = page.evaluate("[...document.querySelectorAll('.stage canvas')].map(c => c.width > 0)")
        assert after[-1]
        assert not canvases[-1]
        assert not after[0]


def test_a_server_that_has_ended_is_said(browser):
    context = browser.new_context()
    page = context.new_page()
    with serving(view("resnet18", input=(3, 64, 64))) as url:
        page.goto(url)
        until(page, "window.striate")
        page.evaluate("striate.ready")
    page.evaluate(DRAW.replace("await striate.settled()", ""))
    page.get_by_text("striate does not answer any more: start striate view again").wait_for()
    context.close()


def test_what_fails_in_somebodys_forward_is_said(browser):
    class Fails(Odd):
        def forward(self, x):
            if x.mean() > 0.4:
                raise ValueError("too bright for me")
            return super().forward(x)

    dark = np.zeros((1, 16, 16), np.uint8)
    context = browser.new_context()
    page = context.new_page()
    with serving(view(Fails(), [dark, dark + 200], input=(1, 16, 16))) as url:
        page.goto(url)
        until(page, "window.striate")
        page.locator(".samples button").nth(1).click()
        page.get_by_text("PyTorch could not compute this: ValueError: too bright for me").wait_for()
        page.locator(".samples button").nth(0).click()
        page.get_by_text("Values are PyTorch").wait_for()
    context.close()


def test_a_slow_network_of_the_page_leaves_it_free(browser, tmp_path):
    """Computed beside what is shown: the same values in the end, and no step of a stroke holds the page."""
    with opened(browser, view("allconv").save(tmp_path / "page.html").as_uri()) as page:
        before = page.evaluate("striate.probabilities()")
        page.evaluate(DRAW.replace("await striate.settled()", ""))
        assert page.evaluate("striate.probabilities()") == before  # the page answers while it computes
        page.evaluate("striate.settled()")
        after = page.evaluate("striate.probabilities()")
        assert after != before
        item = page.evaluate("striate.values('input').data.map(v => Math.round(255 * v))")
        page.evaluate("item => striate.input(item)", item)
        assert page.evaluate("striate.probabilities()") == after
