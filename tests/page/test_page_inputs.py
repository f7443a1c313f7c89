"""How the page prepares inputs: images as the model does, to the bit; texts word for word."""

import base64
import unicodedata
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.model.contract import Contract
from striate.model.prepare import fit
from striate.model.words import words_of

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


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
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


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
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
