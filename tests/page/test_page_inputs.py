"""How the page prepares inputs: images as the model does, to the bit, whichever way they come; texts word for word."""

import base64
import shutil
import unicodedata
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from PIL import Image

from pages import opened
from strategies import examples
from striate.inspect.models.inspected import InspectedModel
from striate.model.contract import Contract
from striate.model.model import Model
from striate.model.prepare import fit
from striate.model.words import words_of
from striate.net import build
from striate.page import NetworkScene, View
from striate.spec import parse

pytestmark = pytest.mark.slow
CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}
PREPARED = """async ([bytes, width, height, about]) => {
  const { prepared } = await import('striate/resample')
  const pixels = Uint8ClampedArray.from(atob(bytes), c => c.charCodeAt(0))
  return Array.from(prepared(new ImageData(pixels, width, height), about))
}"""
WORDS = """async texts => { const { wordsOf } = await import('striate/pad'); return texts.map(wordsOf) }"""
TEXTS = [
    "",
    "It's 3.5 stars, but I can't say why!",
    "don't won't I'll we've they're he'd I'm 'tis rock'n'roll n't",
    "1,000.50 3. .5 1,,2 3.14abc 12a 1.2.3",
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m stra\u00dfe \u0130stanbul",
    "\u6211\u559c\u6b22\u7535\u5f71\u3002\u3072\u3089\u304c\u306a\u30ab\u30bf\u30ab\u30ca film\u5f71",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22",
    "\ud55c\uad6d\uc5b4 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05b4\u05d1\u05e8\u05b4\u05d9\u05ea",
    "\u2018quoted\u2019 it\u2019s \u02bcokay",
    "a_b __init__ x_1 _",
    "\u0661\u0662\u0663 \u0663.\u0665 \u00bd \u2167 x\u00b2",
    "\u039f\u0394\u039f\u03a3 \u03a3\u03b1\u03c2",
    "\U0001f600\U0001f468\u200d\U0001f469 ok\u00a0no\u2028break\u3000wide\u0085next\x1cunit",
    "\u0301lone mark !\u0301",
    "\ufeffbom",
    "\U00020000\U0003134f",
    "tab\tnew\nline\r\nend",
]
letters = st.sampled_from("ab \u00e9\u0301'n\u2019t.,0_\u6211\u3042!\u0939\u093f\u0660\u00bd\u00df\u0130 sS\u03a3")
known = st.characters(exclude_categories=["Cs", "Cn", "Co"]).filter(lambda c: unicodedata.category(c) != "Cn")


def check_words(page, texts):
    for text, mine in zip(texts, page.evaluate(WORDS, texts), strict=True):
        assert mine == words_of(text), ascii(text)


def test_words(bench_page):
    check_words(bench_page, TEXTS)


@examples(40, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(st.text(letters, max_size=12) | st.text(known, max_size=12), min_size=20, max_size=40))
def test_words_of_any_text(bench_page, texts):
    check_words(bench_page, texts)


RESIZE = Image.Image.resize


def two_passes(image, size, method, box):
    """As Pillow's own, always along the rows first."""
    if method == Image.Resampling.NEAREST:
        return RESIZE(image, size, method, box)
    mode, (left, top, right, bottom) = image.mode, box
    image = image.convert("RGBa") if mode == "RGBA" else image
    image = RESIZE(image, (size[0], image.height), method, (left, 0, right, image.height))
    return RESIZE(image, size, method, (0, top, size[0], bottom)).convert(mode)


@examples(300, suppress_health_check=list(HealthCheck))
@example(  # a place between two pixels, but for single precision
    size=(1, 2), room=(1, 3), mode="L", resize="crop", interpolation="nearest", seed=0, clear=False
)  # fmt: skip
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)), room=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    mode=st.sampled_from(["L", "RGB", "RGBA"]), resize=st.sampled_from(["stretch", "fit", "crop", "scale"]),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic"]), seed=st.integers(0, 99), clear=st.booleans(),
)  # fmt: skip
def test_images(bench_page, size, room, mode, resize, interpolation, seed, clear):
    """Any size, mode and rule: what the page makes of an image is what the model makes of it.

    Bit for bit where both take the rows first. Pillow 13 takes the columns first where that is cheaper, and rounds
    between the two: each order is within a level of the exact value.
    """
    n = CHANNELS[mode]
    scale_to = max(room) + seed % 9 if resize == "scale" else None
    contract = Contract(
        ("a", "b"), (n, *room), mode, (0.0,) * n, (1.0,) * n, "crop" if scale_to else resize, interpolation,
        scale_to=scale_to,
    )  # fmt: skip
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    if not clear:
        pixels[..., 3] = 255
    image = Image.fromarray(pixels, "RGBA") if clear else Image.fromarray(pixels[..., :3].copy()).convert("RGBA")
    about = {
        "shape": list(contract.input), "resize": contract.resize, "interpolation": interpolation, "scaleTo": scale_to,
    }  # fmt: skip
    mine = bench_page.evaluate(PREPARED, [base64.b64encode(pixels.tobytes()).decode(), *size, about])
    mine = np.array(mine).reshape(contract.input)
    with mock.patch.object(Image.Image, "resize", two_passes):
        np.testing.assert_array_equal(mine, fit(image, contract))
    if interpolation == "bilinear" and not (mode == "RGBA" and clear):
        assert np.abs(mine - fit(image, contract)).max() <= 2


# --------------------------------------------------------------------------------------------------------- own images
def model_of(mode, size=(20, 24), **how):
    n = CHANNELS[mode]
    net = build(parse("conv 2 3; relu; flatten; linear 2"), (n, *size))
    return InspectedModel(Model(net, Contract(("a", "b"), (n, *size), mode, (0.4,) * n, (0.25,) * n, **how)))


@pytest.fixture
def shown(browser, tmp_path):
    """``with shown(model) as page``: its page as a file."""
    return lambda model: opened(browser, View(NetworkScene.of(model)).save(tmp_path / "page.html").as_uri())


def files_of(folder):
    """An image in every format and state in which people have them: name -> (Pillow image, how it is saved)."""
    pixels = np.random.default_rng(0).integers(0, 256, (33, 47, 4), dtype=np.uint8)
    smooth = Image.fromarray(pixels[..., :3]).resize((60, 44), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x112] = 6
    found = {
        "plain.png": (Image.fromarray(pixels[..., :3]), {}),
        "clear.png": (Image.fromarray(pixels), {}),
        "grey.png": (Image.fromarray(pixels[..., 0]), {}),
        "palette.png": (smooth.quantize(16), {}),
        "sixteen.png": (Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), {}),
        "photo.jpg": (smooth, {"quality": 90}),
        "turned.jpg": (smooth, {"quality": 75, "exif": turned}),
        "exact.webp": (smooth, {"lossless": True}),
    }
    for name, (image, how) in found.items():
        image.save(folder / name, **how)
    return list(found)


def choose(page, *paths):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open").click()
    chooser.value.set_files(list(paths))


def samples(page, n):
    page.locator(".samples button").nth(n - 1).wait_for()


def check_input(page, model, path, levels=0):
    """The network's input is what Python prepares of the file, within so many of the 256 levels."""
    mine = np.array(page.evaluate("striate.values('input').data"))
    with mock.patch.object(Image.Image, "resize", two_passes):
        wanted = model.ready(model.item(path)).numpy().ravel()
    assert np.abs(mine - wanted).max() <= (levels + 0.01) / 255 / 0.25, path.name


@pytest.mark.parametrize("mode", CHANNELS)
@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
def test_an_opened_file_is_prepared_as_in_python(shown, tmp_path, mode, resize):
    model = model_of(mode, resize=resize)
    with shown(model) as page:
        for n, name in enumerate(files_of(tmp_path), 1):
            choose(page, tmp_path / name)
            samples(page, n)
            check_input(page, model, tmp_path / name)
        page.get_by_role("button", name="Undo").click()
        check_input(page, model, tmp_path / "turned.jpg")
        page.locator(".samples button").nth(5).click()
        check_input(page, model, tmp_path / "photo.jpg")


def test_sixteen_bits_and_other_gamma(shown, tmp_path):
    """A browser keeps the upper 8 bits, which is a level at most from rounding; what a file says of gamma is ignored;
    a JPEG that is much larger than the input is decoded at a part of its size in Python alone.
    """
    from PIL.PngImagePlugin import PngInfo

    model, noise = model_of("L"), np.random.default_rng(1).integers(0, 65536, (20, 24)).astype(np.uint16)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    says = PngInfo()
    says.add(b"gAMA", (100_000).to_bytes(4, "big"))
    Image.fromarray((noise >> 8).astype(np.uint8)).save(tmp_path / "gamma.png", pnginfo=says)
    large = Image.fromarray((noise >> 8).astype(np.uint8)).resize((480, 400), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.jpg", quality=90)
    with shown(model) as page:
        for n, (name, levels) in enumerate({"noise.png": 1, "gamma.png": 0, "large.jpg": 4}.items(), 1):
            choose(page, tmp_path / name)
            samples(page, n)
            check_input(page, model, tmp_path / name, levels)


SEND = """async ([kind, files]) => {
  const data = new DataTransfer()
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0))
    data.items.add(new File([bytes], name, { type }))
  }
  const event = kind === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true })
    : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true })
  document.body.dispatchEvent(event)
}"""


def send(page, kind, *paths):
    files = [[p.name, "image/png", base64.b64encode(p.read_bytes()).decode()] for p in paths]
    page.evaluate(SEND, [kind, files])


def test_drop_and_paste_and_several_files(shown, tmp_path):
    files_of(tmp_path)
    model = model_of("RGB")
    with shown(model) as page:
        send(page, "dragover", tmp_path / "plain.png")
        assert page.locator("body.dropping").count() == 1
        send(page, "drop", tmp_path / "plain.png")
        assert page.locator("body.dropping").count() == 0
        samples(page, 1)
        check_input(page, model, tmp_path / "plain.png")
        send(page, "paste", tmp_path / "photo.jpg")
        samples(page, 2)
        check_input(page, model, tmp_path / "photo.jpg")
        send(page, "drop", *(tmp_path / name for name in ("grey.png", "clear.png", "plain.png")))
        samples(page, 5)
        check_input(page, model, tmp_path / "grey.png")  # the first of them is seen
        assert page.locator(".samples button span").all_text_contents()[2:] == ["plain.png", "clear.png", "grey.png"]


def test_what_is_no_image_is_said_once(shown, tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "empty.png").touch()
    Image.new("RGB", (9, 9), "red").save(tmp_path / "red.png")
    model = model_of("RGB")
    with shown(model) as page:
        before, message = page.evaluate("striate.values('input').data"), page.locator("#input .message")
        for name, text in {
            "notes.txt": "notes.txt: not an image that this browser reads; use PNG, JPEG or WebP",
            "empty.png": "empty.png: the file is empty",
        }.items():
            choose(page, tmp_path / name)
            page.get_by_text(text, exact=True).wait_for()
            assert page.evaluate("striate.values('input').data") == before
        choose(page, *(tmp_path / name for name in ("notes.txt", "red.png", "empty.png")))
        samples(page, 1)
        page.get_by_text("and 1 more").wait_for()
        choose(page, tmp_path / "red.png")
        samples(page, 2)
        assert message.text_content() == ""
        check_input(page, model, tmp_path / "red.png")


def test_a_huge_photo(shown, tmp_path):
    """24 million pixels, decoded and resized by the page within seconds."""
    small = np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(small).resize((6000, 4000), Image.Resampling.NEAREST).save(tmp_path / "huge.png", compress_level=1)
    model = model_of("RGB", (32, 32))
    with shown(model) as page:
        choose(page, tmp_path / "huge.png")
        samples(page, 1)
        check_input(page, model, tmp_path / "huge.png")


@pytest.mark.parametrize("where", ["file", "server"])
def test_camera(browser, tmp_path, where):
    """Chromium's own false camera, a moving pattern: pictures come, the network follows, Stop keeps the last one."""
    from threading import Thread

    from striate.page.server import PageServer

    page_file = View(NetworkScene.of(model_of("RGB"))).save(tmp_path / "page.html")
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    program = shutil.which("chromium") or shutil.which("google-chrome")
    running = browser.browser_type.launch(executable_path=program, args=flags)
    with PageServer(page_file.read_text()) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with opened(running, page_file.as_uri() if where == "file" else server.url) as page:
            seen = "striate.values('input').data.join()"
            first = page.evaluate(seen)
            page.get_by_role("button", name="Camera").click()
            stop = page.get_by_role("button", name="Stop camera")
            stop.wait_for()
            pictures = set()
            for _ in range(40):
                pictures.add(page.evaluate(seen))
                page.wait_for_timeout(100)
                if len(pictures) > 3:
                    break
            assert len(pictures - {first}) > 1
            stop.click()
            kept = page.evaluate(seen)
            page.wait_for_timeout(500)
            assert page.evaluate(seen) == kept
            assert len(set(kept.split(","))) > 8
            page.get_by_role("button", name="Undo").click()
            assert page.evaluate(seen) == first
        server.shutdown()
    running.close()


def test_a_camera_that_is_refused(browser, tmp_path):
    with opened(browser, View(NetworkScene.of(model_of("RGB"))).save(tmp_path / "page.html").as_uri()) as page:
        page.get_by_role("button", name="Camera").click()
        page.get_by_text("The picture of the camera").wait_for()
        text = page.locator("#input .message").text_content()
        assert text.startswith("The picture of the camera: ")
        assert any(word in text for word in ("no camera was found", "the camera was not allowed"))
        assert page.get_by_role("button", name="Camera").get_attribute("aria-pressed") == "false"


def test_hands_of_all_kinds(browser, tmp_path):
    """A pen draws by its pressure, a second finger and the right button draw nothing."""
    path = View(NetworkScene.of(model_of("L", (28, 28)))).save(tmp_path / "page.html")
    dot = """([type, pressure, primary, button]) => {
      const pad = document.querySelector('canvas.pad'), box = pad.getBoundingClientRect()
      pad.setPointerCapture = () => {}
      const at = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true }
      const pen = { ...at, pointerType: type, pressure, isPrimary: primary, button, pointerId: 7 }
      for (const name of ['pointerdown', 'pointerup']) pad.dispatchEvent(new PointerEvent(name, pen))
      return striate.values('input').data.filter(v => v > striate.values('input').data[0]).length
    }"""
    with opened(browser, path.as_uri()) as page:
        clear = page.get_by_role("button", name="Clear")
        drawn = {}
        for hand in (
            ("pen", 0.1, True, 0), ("mouse", 0.5, True, 0), ("pen", 1, True, 0), ("touch", 1, False, 0),
            ("mouse", 0.5, True, 2),
        ):  # fmt: skip
            clear.click()
            drawn[hand] = page.evaluate(dot, list(hand))
        light, mouse, hard, second, right = drawn.values()
        assert 0 < light < mouse < hard
        assert (second, right) == (0, 0)
