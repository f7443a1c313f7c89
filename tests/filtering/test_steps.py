"""The animation: each step's arithmetic gives the output, and the page's JavaScript says the same."""

import html
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from striate.errors import SeeError
from striate.filtering import activation, convolve, kernel_list, pool
from striate.filtering.lab import kernel_text

NUMBERS = "1 1 1 0 0; 0 1 1 1 0; 0 0 1 1 1; 0 0 1 1 0; 0 1 1 0 0"
STEPS = {
    "convolution": lambda: convolve(NUMBERS, "1 0 1; 0 1 0; 1 0 -1", stride=2, padding=1),
    "flipped": lambda: convolve(NUMBERS, "1 2; 3 4", flip=True),
    "dilated": lambda: convolve(NUMBERS, "1 2; 3 4", dilation=2, padding="same"),
    "max": lambda: pool(NUMBERS, 2, padding=1),
    "average": lambda: pool(NUMBERS, 3, kind="average", stride=1, padding="same"),
    "sum": lambda: pool(NUMBERS, 2, kind="sum"),
    "relu": lambda: activation("1 -2; -3 4", "relu"),
}


@pytest.mark.parametrize("kind", STEPS)
def test_the_arithmetic_of_every_step_gives_the_output(kind):
    steps = STEPS[kind]().steps()
    for y, x in np.ndindex(steps.output.shape):
        covered = steps.covered(y, x)
        answer = {
            "max": lambda c: np.nanmax(c), "average": np.mean, "sum": np.sum,
            "relu": lambda c: np.maximum(c, 0).item(), "convolve": lambda c: (c * steps.weights).sum(),
        }[steps.kind](covered)  # fmt: skip
        assert answer == pytest.approx(steps.output[y, x])
        assert steps.arithmetic(y, x).endswith(f"= {steps.output[y, x]:.3g}")


def test_the_corner_is_where_the_window_begins():
    steps = STEPS["convolution"]().steps()
    assert steps.corner(0, 0) == (-1, -1)
    assert steps.corner(1, 2) == (1, 3)


@pytest.mark.parametrize("kind", STEPS)
def test_the_gif_has_a_frame_for_every_step(kind):
    steps = STEPS[kind]().steps()
    with Image.open(io.BytesIO(steps.gif())) as image:
        assert image.n_frames == min(64, steps.output.size)


def test_a_large_one_has_64_frames_and_the_last_is_whole():
    image = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(float)
    with Image.open(io.BytesIO(convolve(image, "sobel-x").steps().gif())) as gif:
        assert gif.n_frames == 64


def test_the_page_holds_the_numbers_and_fetches_nothing(tmp_path):
    steps = convolve(np.eye(4), "box").steps()
    hostile = type(steps)(steps.kind, steps.image, steps.moves, steps.weights, steps.output, "</script><b>")
    hostile.save(tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    data = json.loads(re.search(r"const d = (.*);", page)[1])
    assert data["title"] == "</script><b>"
    assert page.count("</script>") == 1
    assert np.allclose(data["output"], steps.output)
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


EVERY_STEP = """<script>
for (let i = 0; i < OH * OW; i++) {
  go(i);
  const p = document.createElement("p");
  p.className = "said";
  p.textContent = $("sum").textContent;
  document.body.append(p);
}
</script></body>"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", STEPS)
def test_the_page_says_in_a_browser_what_python_says(kind, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    steps = STEPS[kind]().steps()
    (tmp_path / "page.html").write_text(steps.page().replace("</body>", EVERY_STEP), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"file://{tmp_path}/page.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    said = [html.unescape(text) for text in re.findall(r'<p class="said">(.*?)</p>', done.stdout)]
    places = list(np.ndindex(steps.output.shape))
    assert len(said) == len(places)
    for text, (y, x) in zip(said, places, strict=True):
        wanted = f"output ({y}, {x}):  {steps.arithmetic(y, x).replace(' x ', ' × ')}"
        assert re.sub(r"\s+", " ", text) == re.sub(r"\s+", " ", wanted)


MISTAKES = {
    "suffix": (lambda tmp: STEPS["sum"]().steps().save(tmp / "a.avi"), "written as .gif or .html"),
    "two kernels": (lambda tmp: convolve(np.eye(4), "sobel").steps(), "sobel is two kernels; animate one: sobel-x"),
    "colour": (lambda tmp: convolve(np.ones((4, 4, 3)), "box", channels="each").steps(), "use --channels grey"),
    "a large page": (lambda tmp: pool(np.ones((200, 200)), 2).steps().page(), "too large for a page of steps"),
    "channels": (lambda tmp: convolve(NUMBERS, "box", channels="gray"), "did you mean 'grey'"),
    "show": (lambda tmp: STEPS["sum"]().picture("color"), "did you mean 'colour'"),
    "numbers": (lambda tmp: pool(np.ones((99, 99)), 2).text(numbers=True), "16x16 at most"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_one_clear_message(kind, tmp_path):
    call, message = MISTAKES[kind]
    with pytest.raises(SeeError, match=message):
        call(tmp_path)


def test_the_list_shows_every_kernel():
    names = [kernel.name for kernel in kernel_list()]
    assert {"identity", "sobel", "gabor", "log", "roberts-x"} <= set(names)
    assert all(f"{name}: " in kernel_text() for name in names)
