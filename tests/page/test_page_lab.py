"""The convolution lab as a page: its numbers beside striate's and torch's, its controls, keys, address and messages."""

import json
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from pages import opened, serious_faults, until
from striate.errors import SeeError
from striate.filtering import activation, convolve, find_kernel, kernel_list, pool
from striate.page.document import reached
from striate.page.lab import SIZES, LabPage

HAND = "1 1 1 0 0; 0 1 1 1 0; 0 0 1 1 1; 0 0 1 1 0; 0 1 1 0 0"


def test_scripts_and_no_torch():
    assert {"lab", "ops", "pad", "formula", "colour"} <= set(reached("lab"))
    assert "page" not in reached("lab")
    code = "import sys; from striate.page.lab import LabPage; LabPage.of().html(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_scene():
    scene = LabPage.of().scene
    assert [k["name"] for k in scene["kernels"]] == sorted([k.name for k in kernel_list()] + SIZES)
    assert scene["image"] is None
    done = convolve(HAND, "1 0 1; 0 1 0", stride=2, padding="same", dilation=2, flip=True)
    assert LabPage.of(done).scene["settings"] == {
        "op": "convolve", "name": "typed", "kernel": "1.0 0.0 1.0; 0.0 1.0 0.0", "stride": [2, 2], "padding": "same",
        "dilation": 2, "flip": True, "channels": "grey",
    }  # fmt: skip
    photo = np.zeros((1000, 2000, 3), np.uint8)
    reduced = LabPage.of(convolve(photo, "sobel", padding="1", channels="each")).scene
    assert reduced["image"]["shape"] == [3, 256, 512]
    assert reduced["settings"]["name"] == "sobel"
    assert reduced["settings"]["channels"] == "each"
    own = LabPage.of(convolve(np.zeros((4, 5, 3)), "1 2 | 3 4 | 5 6", channels="volume")).scene["settings"]
    assert own["kernel"] == "1.0 2.0 | 3.0 4.0 | 5.0 6.0"
    assert own["channels"] == "volume"
    assert LabPage.of(pool(HAND, (2, 3), kind="avg")).scene["settings"]["op"] == "average"


@pytest.fixture(scope="module")
def lab(browser):
    """One lab that stays open, for tests that set all that they read."""
    import tempfile
    from pathlib import Path

    path = LabPage.of(convolve(HAND, "1 0 1; 0 1 0; 1 0 1")).save(Path(tempfile.mkdtemp()) / "lab.html")
    with opened(browser, path.as_uri()) as page:
        yield page


@pytest.fixture
def fresh(browser, tmp_path):
    path = LabPage.of(convolve(HAND, "1 0 1; 0 1 0; 1 0 1")).save(tmp_path / "lab.html")
    with opened(browser, path.as_uri()) as page:
        yield page


def output(page, settings=None):
    found = page.evaluate("s => { if (s) striate.set(s); return striate.output() }", settings)
    return found["fault"] if "fault" in found else np.array(found["data"]).reshape(found["shape"])


def said(call):
    """The output, or what is said instead."""
    try:
        return call().output
    except SeeError as error:
        return str(error)


def text(kernel):
    planes = np.atleast_3d(kernel)
    rows = [["; ".join(" ".join(map(repr, row)) for row in planes[..., c].tolist())] for c in range(planes.shape[2])]
    return " | ".join(row[0] for row in rows)


def draw_case(rng):
    """An image, a kernel and settings at random, of any kind that the lab has."""
    height, width = rng.integers(1, 24, 2)
    channels = int(rng.choice([1, 3]))
    image = rng.integers(0, 256, (height, width, channels)).astype(float)
    if rng.random() < 0.5:
        image = np.round(rng.normal(size=image.shape), 6)
    sides = rng.integers(1, 8, 2)
    how = str(rng.choice(["each", "volume", "own"])) if channels == 3 else "each"
    kernel = rng.normal(size=(*sides, 3) if how == "own" else sides)
    settings = {
        "stride": tuple(map(int, rng.integers(1, 4, 2))),
        "padding": [0, 1, 3, "valid", "same", "full"][rng.integers(6)],
        "dilation": int(rng.choice([1, 1, 2, 3])),
        "flip": bool(rng.random() < 0.3),
    }
    return image, kernel, how, settings


def by_torch(image, kernel, how, settings):
    flipped = kernel[::-1, ::-1] if settings["flip"] else kernel
    x = torch.tensor(np.moveaxis(image, 2, 0).copy())[None]
    channels, d = x.shape[1], settings["dilation"]
    weights = torch.tensor(flipped.copy())
    if how == "own":
        weights = weights.permute(2, 0, 1)[None]
    else:
        weights = weights[None, None].expand(channels if how == "each" else 1, 1 if how == "each" else channels, -1, -1)
    high, wide = ((n - 1) * d for n in kernel.shape[:2])
    pads = {
        "valid": (0, 0, 0, 0), "same": (wide // 2, wide - wide // 2, high // 2, high - high // 2),
        "full": (wide, wide, high, high),
    }  # fmt: skip
    p = settings["padding"]
    x = torch.nn.functional.pad(x, pads.get(p, (p, p, p, p)))
    groups = channels if how == "each" else 1
    return torch.nn.functional.conv2d(x, weights, stride=settings["stride"], dilation=d, groups=groups)[0].numpy()


@pytest.mark.slow
def test_the_numbers_are_those_of_striate_and_torch(lab):
    """220 random convolutions: image and kernel size, stride, padding, dilation, flip, channels; refusals too."""
    rng, refused = np.random.default_rng(0), 0
    for n in range(220):
        image, kernel, how, settings = draw_case(rng)
        sent = settings | {
            "op": "convolve", "kernel": text(kernel), "stride": "x".join(map(str, settings["stride"])),
            "channels": "each" if how == "each" else "volume",
            "image": {"shape": [image.shape[2], *image.shape[:2]], "data": np.moveaxis(image, 2, 0).ravel().tolist()},
        }  # fmt: skip
        mine = output(lab, sent)
        pixels, summed = image[..., 0] if image.shape[2] == 1 else image, "each" if how == "each" else "volume"
        found = said(partial(convolve, pixels, text(kernel), channels=summed, **settings))
        if isinstance(found, str):
            assert mine == found, n
            refused += 1
            continue
        np.testing.assert_allclose(mine, np.moveaxis(np.atleast_3d(found), 2, 0), rtol=1e-12, atol=1e-9, err_msg=str(n))
        np.testing.assert_allclose(mine, by_torch(image, kernel, how, settings), rtol=1e-12, atol=1e-9)
    assert 10 < refused < 80


@pytest.mark.slow
def test_pooling_is_that_of_striate(lab):
    rng, refused = np.random.default_rng(1), 0
    for n in range(80):
        image = rng.integers(0, 256, rng.integers(1, 16, 2)).astype(float)
        sides, stride = (tuple(map(int, rng.integers(1, 6, 2))) for _ in range(2))
        kind, padding = str(rng.choice(["max", "average", "sum"])), ["valid", "same", "full", 1, 2][rng.integers(5)]
        mine = output(lab, {
            "op": kind, "kernel": "x".join(map(str, sides)), "stride": "x".join(map(str, stride)), "padding": padding,
            "image": {"shape": [1, *image.shape], "data": image.ravel().tolist()},
        })  # fmt: skip
        found = said(partial(pool, image, sides, kind=kind, stride=stride, padding=padding))
        if isinstance(found, str):
            assert mine == found, n
            refused += 1
            continue
        np.testing.assert_allclose(mine[0], found, rtol=1e-12, err_msg=f"{n}: {kind} {sides} {stride} {padding}")
    assert 5 < refused < 50


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["relu", "tanh", "sigmoid"])
def test_activations_are_those_of_striate(lab, kind):
    """Of numbers; of a photo, which is divided by 255 before what is flat beyond 5."""
    numbers = np.round(np.random.default_rng(5).normal(scale=3, size=(5, 7)), 4)
    bytes_ = np.random.default_rng(6).integers(0, 256, (17, 18), dtype=np.uint8)
    for array, how in ((numbers, "values"), (bytes_, "image")):
        image = {"shape": [1, *array.shape], "kind": how, "data": array.ravel().tolist()}
        mine = output(lab, {"op": kind, "image": image})
        np.testing.assert_allclose(mine[0], activation(array, kind).output, rtol=1e-12, atol=1e-15)
    assert lab.locator(".sliding").first.is_hidden()
    assert lab.locator("#sizes").text_content() == "Each number by itself: the size stays."
    again = LabPage.of(activation(bytes_, kind)).scene["image"]
    assert (again["kind"], again["shape"]) == ("image", [1, 17, 18])
    lab.evaluate("striate.set({ op: 'average', kernel: '2x2', stride: 2, padding: 0, image: '1 2; 3 4' })")
    assert lab.locator("#arithmetic .sum").text_content().endswith("divided by 42.5000")


@pytest.mark.slow
def test_every_named_kernel(lab):
    image = np.random.default_rng(2).integers(0, 256, (20, 24)).astype(float)
    sent = {"op": "convolve", "padding": "valid", "stride": 1, "dilation": 1, "flip": False, "channels": "grey"}
    sent["image"] = {"shape": [1, 20, 24], "data": image.ravel().tolist()}
    names = [k.name for k in kernel_list()] + SIZES
    for name in names:
        np.testing.assert_allclose(
            output(lab, sent | {"kernel": name})[0], convolve(image, name).output, rtol=1e-11, atol=1e-9, err_msg=name
        )
    options = lab.locator("#kernels option").all_text_contents()
    assert options == [*sorted(names), "typed"]
    lab.evaluate("striate.set({ kernel: 'sobel-x' })")
    assert lab.locator("#purpose").text_content() == find_kernel("sobel-x").purpose


@pytest.mark.slow
def test_grey_is_that_of_pillow(lab):
    from PIL import Image

    pixels = np.random.default_rng(3).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    mine = output(lab, {
        "op": "convolve", "kernel": "1", "padding": "valid", "stride": 1, "dilation": 1, "channels": "grey",
        "image": {"shape": [3, 9, 11], "kind": "image", "data": np.moveaxis(pixels, 2, 0).ravel().tolist()},
    })  # fmt: skip
    np.testing.assert_array_equal(mine[0], np.asarray(Image.fromarray(pixels).convert("L")))


@pytest.mark.slow
def test_typing_presets_and_buttons(fresh):
    assert output(fresh).tolist() == [[[4, 3, 4], [2, 4, 3], [2, 3, 4]]]
    first = fresh.locator("table.weights input").first
    first.focus()
    fresh.keyboard.type("-1/2")
    assert output(fresh)[0, 0, 0] == 2.5
    assert fresh.locator("#kernels").input_value() == "typed"
    fresh.keyboard.press("ArrowDown")
    assert fresh.evaluate("document.activeElement.getAttribute('aria-label')") == "weight, row 2, column 1"
    fresh.keyboard.press("ArrowRight")
    assert fresh.evaluate("document.activeElement.getAttribute('aria-label')") == "weight, row 2, column 2"
    fresh.keyboard.type("x")
    assert "wrong" in fresh.evaluate("document.activeElement.className")
    fresh.locator("#kernels").select_option("sobel-x")
    np.testing.assert_array_equal(output(fresh)[0], convolve(HAND, "sobel-x").output)
    fresh.get_by_role("button", name="Turn").click()
    np.testing.assert_array_equal(
        output(fresh)[0], convolve(HAND, text(np.rot90(find_kernel("sobel-x").weights[0]))).output
    )
    fresh.locator("#kernels").select_option("roberts-x")
    fresh.get_by_role("button", name="Mirror").click()
    np.testing.assert_array_equal(output(fresh)[0], convolve(HAND, "0 1; -1 0").output)
    fresh.locator("#kernels").select_option("sobel-x")
    fresh.get_by_role("button", name="Normalise").click()
    assert fresh.locator("#total").text_content() == "The weights sum to 0."
    np.testing.assert_allclose(output(fresh)[0], convolve(HAND, "sobel-x").output / 8)
    fresh.locator("#rows").fill("1")
    fresh.keyboard.press("Tab")
    assert fresh.locator("table.weights input").count() == 3
    np.testing.assert_allclose(output(fresh)[0], convolve(HAND, "-2 0 2").output / 8)
    fresh.locator("#flip").check()
    np.testing.assert_allclose(output(fresh)[0], convolve(HAND, "2 0 -2").output / 8)
    fresh.locator("#op").select_option("max")
    assert fresh.locator("#stride-x").input_value() == "3"
    np.testing.assert_array_equal(output(fresh)[0], pool(HAND, (1, 3)).output)
    assert fresh.locator("#unread").text_content() == "Never read: the last 2 columns (stride 1x3)."


def shown(locator):
    return [float(t.replace("\u2212", "-")) for t in locator.all_text_contents()]


@pytest.mark.slow
def test_size_faults_and_arithmetic(fresh):
    fresh.evaluate("striate.set({ padding: 1, stride: 2, kernel: '1 2 0; 3 -1 0; 0 0 .5' })")
    lines = fresh.locator("#sizes p").all_text_contents()
    assert lines[0] == "\u230a(i + 2p \u2212 d(k \u2212 1) \u2212 1) / s\u230b + 1"
    assert lines[1] == "height: \u230a(5 + 2\u00b71 \u2212 1\u00b7(3 \u2212 1) \u2212 1) / 2\u230b + 1 = 3"
    fresh.evaluate("striate.open('0:1:1')")
    assert fresh.locator("#where").text_content().startswith("row 1, column 1: ")
    products = shown(fresh.locator("#arithmetic .three > div").nth(2).locator("td"))
    assert sum(products) == pytest.approx(output(fresh)[0, 1, 1])
    total = float(fresh.locator("#arithmetic .total td").last.text_content().replace("\u2212", "-"))
    assert total == pytest.approx(output(fresh)[0, 1, 1], abs=1e-4)
    assert "as shown" not in fresh.locator("#arithmetic .sum").text_content()
    fresh.evaluate("striate.set({ kernel: 'gaussian', padding: 2, stride: 1 })")
    fresh.evaluate("striate.open('0:2:2')")
    rounded = sum(shown(fresh.locator("#arithmetic .three > div").nth(2).locator("td")))
    assert f"products of input map 0 (as shown: {rounded:.4f})" in fresh.locator("#arithmetic .sum").text_content()
    fresh.evaluate("striate.set({ padding: 1, stride: 2, kernel: '1 2 0; 3 -1 0; 0 0 .5' })")
    field = fresh.locator("#arithmetic input.edit").first
    field.fill("7")
    field.press("Enter")
    assert fresh.locator("table.weights input").first.get_attribute("title") == "7"
    fresh.locator("#rows").fill("9")
    fresh.keyboard.press("Tab")
    assert fresh.locator("#fault").text_content() == (
        "A 9x3 window does not fit the 5x5 image; use a smaller window or more padding."
    )
    assert fresh.locator("#maps").is_hidden()
    fresh.locator("#padding").select_option("full")
    assert fresh.locator("#fault").text_content() == ""
    assert output(fresh).shape == (1, 7, 4)
    fresh.evaluate("striate.set({ kernel: 'sobel', padding: 0, stride: 1, image: '0 9 0; 0 0 0; 0 3 1' })")
    wanted = "\u221a(1\u00b2 + (\u221211)\u00b2)   gives 11.0454"
    assert fresh.locator("#arithmetic .formula").last.text_content() == wanted


@pytest.mark.slow
def test_hover_keys_and_play(fresh):
    window = fresh.locator("#input rect.window")
    box = fresh.locator("#maps canvas").bounding_box()
    fresh.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.9 * box["height"])
    assert (window.get_attribute("x"), window.get_attribute("y")) == ("0", "2")
    assert fresh.locator("#where").text_content() == "row 2, column 0: 2"
    fresh.mouse.move(5, 5)
    assert fresh.locator("#where").text_content() == "row 1, column 1: 4"
    fresh.keyboard.press("ArrowUp")
    fresh.keyboard.press("ArrowRight")
    assert fresh.locator("#where").text_content() == "row 0, column 2: 4"
    fresh.keyboard.press("n")
    assert fresh.locator("#where").text_content() == "row 1, column 0: 2"
    fresh.get_by_role("button", name="Back").click()
    assert fresh.evaluate("striate.state().at") == "0:0:2"
    fresh.get_by_role("button", name="Play").click()
    fresh.wait_for_timeout(500)
    assert fresh.locator("#maps text").count() < 9  # what is still to come is not written yet
    fresh.get_by_role("button", name="Stop").click()
    assert fresh.locator("#maps text").count() == 9
    pad = fresh.locator("canvas.pad").first.bounding_box()
    before = output(fresh)
    fresh.mouse.click(pad["x"] + 0.95 * pad["width"], pad["y"] + 0.05 * pad["height"])
    assert (output(fresh) - before).tolist() == [[[0, 0, 1], [0, 0, 0], [0, 0, 0]]]


@pytest.mark.slow
def test_the_link_restores_everything(fresh):
    settings = {
        "kernel": "1 2 | 3 4 | 5 0.25", "padding": "full", "stride": "2x1", "dilation": 2, "flip": True,
        "channels": "volume", "show": "grey",
        "image": {"shape": [3, 4, 5], "kind": "image", "data": list(range(0, 240, 4))},
    }  # fmt: skip
    fresh.evaluate("s => striate.set(s)", settings)
    fresh.evaluate("striate.open('0:2:3')")
    fresh.locator("#theme").click()
    before, numbers = fresh.evaluate("striate.state()"), output(fresh)
    fresh.reload()
    until(fresh, "window.striate")
    assert fresh.evaluate("striate.state()") == before
    np.testing.assert_array_equal(output(fresh), numbers)
    for settings in (
        {"op": "average", "kernel": "2x3", "image": "1 2 3; 4 5 6.5"},
        {"op": "convolve", "kernel": "sobel"},
    ):
        fresh.evaluate("s => striate.set(s)", settings)
        before, numbers = fresh.evaluate("striate.state()"), output(fresh)
        fresh.reload()
        until(fresh, "window.striate")
        assert fresh.evaluate("striate.state()") == before
        np.testing.assert_array_equal(output(fresh), numbers)


@pytest.mark.slow
def test_typed_numbers(fresh):
    fresh.locator("summary").click()
    field = fresh.locator("textarea")
    assert field.input_value() == HAND
    field.fill("0 0 0; 0 2 0; 0 0 0")
    field.blur()
    assert output(fresh).tolist() == [[[2]]]
    field.fill("1 2; 3")
    field.blur()
    assert fresh.locator("#input .message").text_content().startswith("Expected numbers, rows of equal length")
    assert output(fresh).tolist() == [[[2]]]


@pytest.mark.slow
def test_a_picture_of_ones_own(fresh, tmp_path):
    """Opened, it keeps its shape, is reduced to 320 pixels, and is coloured: grey, each channel or their sum."""
    from PIL import Image

    pixels = np.random.default_rng(4).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    Image.new("RGB", (1000, 500), (9, 9, 9)).save(tmp_path / "large.png")
    fresh.evaluate("striate.set({ kernel: 'sobel-y' })")
    for name, shape in (("small.png", (30, 40)), ("large.png", (160, 320))):
        with fresh.expect_file_chooser() as chooser:
            fresh.get_by_role("button", name="Open").click()
        chooser.value.set_files(tmp_path / name)
        fresh.locator(f"canvas.pad[width='{shape[1]}']").first.wait_for()
        assert output(fresh).shape == (1, shape[0] - 2, shape[1] - 2)
        for channels in ("grey", "each", "volume") if name == "small.png" else ():
            fresh.locator("#channels").select_option(channels)
            wanted = convolve(tmp_path / name, "sobel-y", channels=channels).output
            np.testing.assert_array_equal(output(fresh), np.moveaxis(np.atleast_3d(wanted), 2, 0))
        fresh.locator("#channels").select_option("grey")


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_serious_and_never_too_wide(browser, tmp_path, colours, width):
    path = LabPage.of(convolve(HAND, "sobel", padding="same")).save(tmp_path / "lab.html")
    with opened(browser, path.as_uri() + f"#theme={colours}", viewport={"width": width, "height": 844}) as page:
        for settings in ({}, {"op": "max", "kernel": "2x2"}, {"op": "convolve", "kernel": "log", "padding": "valid"}):
            page.evaluate("s => striate.set(s)", settings)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
            assert not serious_faults(page)
        controls = "[...document.querySelectorAll('button, select, input, canvas.pad, textarea, summary')]"
        wanted = page.evaluate(f"{controls}.filter(e => e.checkVisibility()).length")
        seen = set()
        for _ in range(wanted + 8):
            page.keyboard.press("Tab")
            seen.add(page.evaluate(f"{controls}.indexOf(document.activeElement)"))
        assert len(seen - {-1}) == wanted


@pytest.mark.slow
def test_on_a_phone_the_arithmetic_stands_below_its_output(browser, tmp_path):
    """It lies over nothing: in the lab it is a part of the page, whose formula of the size stands beside the output."""
    path = LabPage.of(convolve("1 0 1; 0 1 0; 1 1 1", "1 0; 0 1")).save(tmp_path / "lab.html")
    with opened(browser, path.as_uri(), viewport={"width": 390, "height": 844}) as page:
        assert page.evaluate("getComputedStyle(document.getElementById('arithmetic')).position") == "static"
        assert "Output:" not in page.locator("#arithmetic").text_content()


def test_what_it_shows_is_text(tmp_path):
    page = LabPage.of(convolve("1 0; 0 1", "1"))
    page.scene["image"]["name"] = "</script><img src=x>"
    assert "</script><img" not in page.html()
    assert (
        json.loads(re.search(r'id="scene">(.*?)</script>', page.html())[1])["image"]["name"] == "</script><img src=x>"
    )


@pytest.mark.slow
def test_the_verb_serves_it(browser, shell, in_folder):
    command = [sys.executable, "-m", "striate", "view", "--lab", HAND, "1 0 1; 0 1 0; 1 0 1", "--no-browser", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=shell.environment)
    try:
        with opened(browser, json.loads(process.stdout.readline())["url"]) as page:
            np.testing.assert_array_equal(output(page)[0], convolve(HAND, "1 0 1; 0 1 0; 1 0 1", padding="same").output)
    finally:
        process.kill()
        process.communicate()
