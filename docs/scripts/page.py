"""Makes docs/pages/lenet5.html, docs/pictures/view-*.png and lab-page.png by the commands of docs/view.md and lab.md.

    python docs/scripts/page.py [--assets] [page] [pictures] [networks] [lab] [words]

It needs Debian's chromium and Playwright, and makes all, or the parts that are named. With ``--assets`` nothing is
trained or drawn: the page keeps its network and gets the scripts and the style of today; it is made anew only where
what these read of a layer is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
PAGE = DOCS / "pages/lenet5.html"
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SEVEN = [(0.25, 0.2), (0.72, 0.2), (0.45, 0.85)]  # shares of the pad
UNIT = "striate.open('c3:3:5:5')"
UNDO = "[...document.querySelectorAll('button')].find(button => button.textContent === 'Undo').click()"
SHOTS = {  # by picture: what is done before it, on top of what was done for the one before
    "view-overview": (),
    "view-attribution": ("striate.panel('attribution:grad_cam:tanh3')",),
    "view-kernels": ("striate.panel('kernels:c3')",),
    "view-confusion": ("striate.panel('confusion:8:1')",),
    "view-compare": (
        "striate.panel('compare')",
        "document.querySelectorAll('#panel button')[0].click()",
        "document.querySelectorAll('.samples button')[3].click()",
        "document.querySelector('#panel [data-show=d]').click()",
    ),
    "view-unit": ("striate.reset()", "striate.panel()", UNDO, UNIT),
    "view-space": ("document.getElementById('theme').click()", "document.getElementById('space').click()"),
}
PANELS = ("view-attribution", "view-kernels", "view-confusion")  # of which the panel alone is shown

# Of other networks: how each is trained, the width of the window, what is in the address
NETWORKS = {
    "view-blocks": ("digits --net resnet20 --epochs 3", 1500, "theme=light&open=stage1,stage2,stage3,stage2.block1"),
    "view-mask": ("shapes:segmentation --epochs 6", 1500, "theme=dark"),
}


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or sys.exit("no Chromium: install Debian's package chromium")
    with sync_playwright() as play:
        yield play.chromium.launch(executable_path=program, args=ARGUMENTS)


def opened(running: Any, where: str, width: int, height: int) -> Any:
    touch = width < 500
    page = running.new_page(viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch)
    page.goto(where)
    page.wait_for_function("window.striate")
    return page


def shoot(part: Any, name: str) -> None:
    """Draws a page, or a part of it, as the picture *name*."""
    from gallery import smaller  # beside this file

    path = DOCS / "pictures" / f"{name}.png"
    part.screenshot(path=path)
    smaller(path)
    print(f"written {path.relative_to(DOCS)}, {path.stat().st_size / 1000:.0f} kB")


def make_page() -> None:
    text = (DOCS / "view.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (striate (?:train|view runs/).*)$", text, re.M)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        for command in commands:
            print(command, flush=True)
            subprocess.run(["bash", "-c", command], cwd=folder, env=os.environ | {"PATH": path}, check=True)
        shutil.copy(Path(folder) / "digits.html", PAGE)


def with_todays_assets(text: str) -> str:
    """The page *text* with its own network, and the scripts and the style that the package has now."""
    from striate.page.document import html_of

    inside = dict(re.findall(r'<script type="[^"]*" id="(scene|weights)">(.*?)</script>', text, re.S))
    return html_of(json.loads(inside["scene"])["title"], inside["scene"], inside["weights"])


WORDS = """
embed: embedding 60 12
w2: conv 8 2 <- embed
r2: relu
p2: adaptivemaxpool 1
f2: flatten
w3: conv 8 3 <- embed
r3: relu
p3: adaptivemaxpool 1
f3: flatten
all: concat <- f2, f3
out: linear 2
"""


def make_words() -> None:
    """A small text network that has learned the reviews of the tutorial."""
    from striate import train, view

    good, bad = "good great lovely fine".split(), "bad awful boring poor".split()
    things = "film story plot cast scene song".split()
    pairs = [(word, label) for label, words in (("positive", good), ("negative", bad)) for word in words]
    rows = [f"a {word} {thing} and a {word} end,{label}" for thing in things for word, label in pairs]
    with tempfile.TemporaryDirectory() as folder, browser() as running:
        data = Path(folder) / "reviews.csv"
        data.write_text("text,label\n" + "\n".join(rows) + "\n")
        (Path(folder) / "words.net").write_text(WORDS)
        train(str(Path(folder) / "words.net"), data, epochs=30, out=Path(folder) / "reviews", quiet=True)
        where = view(Path(folder) / "reviews").save(Path(folder) / "words.html").as_uri()
        page = opened(running, where + "#theme=light&panel=words&text=a+lovely+film+but+a+boring+story", 1400, 900)
        page.evaluate("document.getElementById('title').textContent = 'reviews'")
        page.wait_for_timeout(1000)
        shoot(page, "view-words")


def is_readable(text: str) -> bool:
    """Whether the page *text* says of its layers what the package's pages say now."""
    from striate import view

    scene = json.loads(re.findall(r'id="scene">(.*?)</script>', text, re.S)[0])
    return scene["layers"][0].keys() == view("lenet5").scene.about["layers"][0].keys()


def make_networks() -> None:
    """The pictures of other kinds of networks, and of a narrow screen."""
    with tempfile.TemporaryDirectory() as folder, browser() as running:
        for name, (command, _, _) in NETWORKS.items():
            subprocess.run(["striate", "train", *command.split()], cwd=folder, check=True)
            subprocess.run(["striate", "view", "--html", f"{name}.html"], cwd=folder, check=True)
        shots = [(name, width, 840, f"{folder}/{name}.html", state) for name, (_, width, state) in NETWORKS.items()]
        shots.append(("view-narrow", 390, 844, str(PAGE), "theme=light&sample=3"))
        for name, width, height, path, state in shots:
            page = opened(running, f"file://{path}#{state}", width, height)
            page.wait_for_timeout(1500)
            shoot(page, name)
            page.close()


def make_lab() -> None:
    from striate.filtering import convolve
    from striate.page.lab import LabPage

    with tempfile.TemporaryDirectory() as folder, browser() as running:
        done = convolve(DOCS / "pictures/scene.jpg", "sobel-x", padding="same")
        where = LabPage.of(done).save(Path(folder) / "lab.html").as_uri()
        page = opened(running, where + "#theme=light", 1400, 640)
        page.evaluate("striate.open('0:160:103')")
        shoot(page, "lab-page")


def make_pictures() -> None:
    with browser() as running:
        page = opened(running, PAGE.as_uri(), 1500, 840)
        box = page.locator("canvas.pad").first.bounding_box()
        assert box
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
        page.get_by_role("button", name="Clear").click()
        page.mouse.move(*places[0])
        page.mouse.down()
        for x, y in places[1:]:
            page.mouse.move(x, y, steps=16)
        page.mouse.up()
        page.mouse.move(700, 20)
        for name, actions in SHOTS.items():
            for action in actions:
                page.evaluate(action)
            page.wait_for_timeout(2000)
            shoot(page.locator("#panel" if name in PANELS else "body"), name)


MAKERS = {
    "page": make_page,
    "pictures": make_pictures,
    "networks": make_networks,
    "lab": make_lab,
    "words": make_words,
}


def make(*parts: str) -> None:
    """The parts with these names, or all."""
    for part in parts or MAKERS:
        MAKERS[part]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(MAKERS)} [default: all]")
    parser.add_argument("--assets", action="store_true", help="only the scripts and the style of the page")
    chosen = parser.parse_args()
    if strange := set(chosen.parts) - set(MAKERS):
        parser.error(f"no part is called {', '.join(sorted(strange))}; there are {', '.join(MAKERS)}")
    if chosen.assets:
        if not is_readable(PAGE.read_text(encoding="utf-8")):
            make_page()
        PAGE.write_text(with_todays_assets(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    make(*chosen.parts)


if __name__ == "__main__":
    main()
