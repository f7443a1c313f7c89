"""Makes every picture of the README and of docs/ again, from the runs and commands that they are said to be of.

    python docs/scripts/pictures.py [reports] [experiments] [drawings] [gallery] [page] [PICTURE ...]

Without a word all of them: about half an hour on two cores. A report or an experiment is made alone by the name of its
picture. It needs Debian's chromium and Playwright.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gallery  # beside this file
from PIL import Image

import page as live_page
from striate.datasets import open_data
from striate.datasets.augment.settings import Augment
from striate.datasets.open import with_validation
from striate.datasets.shapes import open_shapes
from striate.datasets.show import contact_sheet, sheet_contract, sheet_rows

PICTURES = Path(__file__).resolve().parents[1] / "pictures"

WIDTH = 1000  # pixels of the window

# Of a run's report: the command, the colours, and the headings that are shown
REPORTS = {
    "report": ("train digits", "light", ("What the figures say", "Training", "Mistakes")),
    "report-regression": (
        "train shapes:regression,n=600,test=200,size=32 --epochs 12",
        "light",
        ("What the figures say", "Values"),
    ),
    "report-segmentation": (
        "train shapes:segmentation,n=600,test=80,size=32 --epochs 20",
        "dark",
        ("What the figures say", "Worst images"),
    ),
}

# Of an experiment's page: the heading of the section that is shown
EXPERIMENTS = {
    "translation": "Accuracy on 360 test digits",
    "weight-sharing": "Where the gradient comes from",
    "pooling": "What becomes of a feature map",
    "dropout": "Accuracy",
    "dense-as-conv": "Where the digits are",
    "backprop": "Step 2: the boat goes through the network",
    "features": "Parts: the third convolutional layer",
    "sentence": "One filter, the same phrase, two places",
    "captions": "New scenes, and what it says of them",
    "detect": "What it finds in new scenes",
}

DRAWINGS = {  # the commands that draw the other pictures, but for the picture's file
    "lenet5.svg": "check lenet5 --svg",
    "unet.svg": "check unet --svg",
    "resnet50.svg": "check resnet50 --svg",
    "googlenet.svg": "check googlenet --svg",
    "find-lr.svg": "train digits --net lenet5 --find-lr",
}


# Leaves of a page its header and the sections with these headings
ONLY = """
headings => {
  const title = s => (s.querySelector('h2') || {}).textContent
  const sections = [...document.querySelectorAll('main > section')]
  const missing = headings.filter(h => !sections.some(s => title(s) === h))
  if (missing.length) throw Error(`no section ${missing} in ${sections.map(title).join('; ')}`)
  for (const s of sections) if (!headings.includes(title(s))) s.remove()
  for (const f of document.querySelectorAll('main > footer')) f.remove()
  const time = [...document.querySelectorAll('dt')].find(dt => dt.textContent === 'time')
  if (time) time.parentElement.remove()  // that of the machine that draws
}
"""


def striate(command: str, *more: object, folder: Path) -> None:
    """Runs a command of striate in *folder*; an experiment whose claim does not hold ends with 1."""
    print("striate", command, *more, flush=True)
    words = [sys.executable, "-m", "striate", *command.split(), *map(str, more)]
    done = subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"that ended with {done.returncode}")


def photographed(page: Any, picture: str, where: Any = None) -> None:
    """Writes the picture of a whole page, or of a part of it."""
    path = PICTURES / f"{picture}.png"
    if where is None:
        page.screenshot(path=path, full_page=True)
    else:
        where.screenshot(path=path)
    gallery.smaller(path)
    print(f"written {path.name}, {path.stat().st_size / 1000:.0f} kB")


def reports(folder: Path, wanted: set[str]) -> None:
    for name, (command, colours, headings) in REPORTS.items():
        if wanted and name not in wanted:
            continue
        striate(command, "--out", folder / name, folder=folder)
        with window(color_scheme=colours) as page:
            page.goto((folder / name / "report.html").as_uri())
            page.evaluate(ONLY, headings)
            photographed(page, name)


def experiments(folder: Path, wanted: set[str]) -> None:
    for name, heading in EXPERIMENTS.items():
        if wanted and f"experiment-{name}" not in wanted:
            continue
        striate(f"experiment {name}", "--out", folder / f"{name}.html", folder=folder)
        with window() as page:
            page.goto((folder / f"{name}.html").as_uri())
            page.add_style_tag(content="section { padding: 1rem; margin: 0 }")
            photographed(
                page,
                f"experiment-{name}",
                page.locator("main > section", has=page.get_by_role("heading", name=heading, exact=True)),
            )


def drawings(folder: Path, wanted: set[str]) -> None:
    for name, command in DRAWINGS.items():
        striate(command, PICTURES / name, folder=folder)
    dataset, how = with_validation(open_data("shapes"), 0), Augment.parse("strong cutmix=0.5")
    contract = sheet_contract(dataset)
    rows = sheet_rows(dataset, contract, augment=how, items=5)
    contact_sheet(rows, contract, title="shapes", about=f"augment {how}").save(PICTURES / "augmentation.png")
    side, gap, images = 72, 4, open_shapes(n=20, test=8, size=72).train.inputs
    sheet = Image.new("RGB", (10 * (side + gap) - gap, 2 * (side + gap) - gap), "white")
    for i, image in enumerate(images):
        sheet.paste(Image.fromarray(image), ((side + gap) * (i % 10), (side + gap) * (i // 10)))
    sheet.save(PICTURES / "shapes.jpg", quality=90)


def all_pages(folder: Path, wanted: set[str]) -> None:
    live_page.make()


def galleries(folder: Path, wanted: set[str]) -> None:
    gallery.main([])


GROUPS = {"reports": reports, "experiments": experiments, "drawings": drawings, "gallery": galleries, "page": all_pages}
OF_GROUP = {"reports": set(REPORTS), "experiments": {f"experiment-{name}" for name in EXPERIMENTS}}


@contextmanager
def window(**how: Any) -> Iterator[Any]:
    """A page of a Chromium without a window, WIDTH pixels wide."""
    with live_page.browser() as running:
        yield running.new_page(viewport={"width": WIDTH, "height": 100}, **how)


def main(words: list[str]) -> None:
    names = {word for word in words if word not in GROUPS}
    groups = [group for group, made in OF_GROUP.items() if names & made] + [word for word in words if word in GROUPS]
    if unknown := names - set().union(*OF_GROUP.values()):
        sys.exit(f"no such picture: {', '.join(sorted(unknown))}")
    for group in groups or GROUPS:
        with tempfile.TemporaryDirectory() as folder:
            GROUPS[group](Path(folder), names)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        sys.exit()
    main(sys.argv[1:])
