"""Claim: `doctor` looks at 60,000 MNIST digits in 20 s at most, near-duplicates included, and finds nothing wrong; and
copies that were edited and put among them, it finds.

Evidence: the full and the quick checks, each in a new process, on MNIST (all 70,000 digits) and on 5,000 JPEGs of
CIFAR-10 in class folders; then 200 digits edited four ways and put among the 70,000.

    python bench/doctor.py ../shared/data
"""

from __future__ import annotations

import io
import random
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from common import DATA, machine
from striate.datasets import DataSet, Part, open_data
from striate.datasets.doctor import doctor

RUNS = 3
CHILD = """
import resource, sys, time
from striate.datasets.doctor import doctor
begun = time.perf_counter()
found = doctor(sys.argv[1], quick=sys.argv[2] == "quick")
seconds = time.perf_counter() - begun
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(seconds, memory, len(found.faults), len(found.warnings), sum(part["items"] for part in found.counts.values()))
"""


def timed(data: Path) -> None:
    for part in ("full", "quick"):
        rows = []
        for _ in range(RUNS):
            command = [sys.executable, "-c", CHILD, str(data), part]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append([float(word) for word in done.stdout.split()])
        seconds, memory, faults, warnings, items = sorted(rows)[RUNS // 2]
        print(
            f"{data.name:<8} {part:<6} {items:>7,.0f} items {seconds:>7.2f} s {memory:>6,.0f} MB "
            f"{faults:>2.0f} faults {warnings:>2.0f} warnings"
        )


def five_thousand(archive: Path, folder: Path) -> Path:
    """4,000 training and 1,000 test images of CIFAR-10 as JPEG, in class folders."""
    with zipfile.ZipFile(archive) as packed:
        images = [name for name in packed.namelist() if name.lower().endswith((".jpg", ".jpeg"))]
        chosen = random.Random(0)
        for part, n in (("train/", 4000), ("test/", 1000)):
            for name in chosen.sample([image for image in images if part in image], n):
                packed.extract(name, folder / "cifar")
    return folder / "cifar"


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def recall(mnist: Path) -> None:
    """How many of 50 edited digits are found of each edit, and how many digits are taken for copies that are none."""
    data, rng = open_data(mnist), np.random.default_rng(0)
    originals = np.asarray(data.train.inputs)[rng.choice(len(data.train), 50, replace=False)]
    edits = {
        "JPEG 90": lambda image: _jpeg(image, 90),
        "JPEG 75": lambda image: _jpeg(image, 75),
        "10 % brighter": lambda image: np.clip(image * 1.1 + 5, 0, 255).astype(np.uint8),
        "noise of 5 levels": lambda image: np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8),
    }
    extra = np.stack([edit(image) for edit in edits.values() for image in originals])
    names = tuple(f"{edit} {i}" for edit in edits for i in range(50))
    test = Part(extra, np.zeros(len(extra), np.int64), names)
    mixed = DataSet(data.name, data.task, data.classes, data.mode, data.input, data.train, test=test)
    problems = {problem.kind: problem for problem in doctor(mixed).problems}
    found = set(problems["near-duplicates-across"].files)
    for edit in edits:
        print(f"{edit:<18} {sum(f'{edit} {i}' in found for i in range(50)):>3} of 50 found among {len(data.train):,}")
    strangers = [name for name in found if not name.startswith(tuple(edits))]
    print(f"digits named as the originals: {len(strangers)} (50 are)")


def main() -> None:
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    print(f"{machine('numpy', 'Pillow')}, medians of {RUNS}")
    timed(shared / "mnist")
    with tempfile.TemporaryDirectory() as folder:
        timed(five_thousand(shared / "cifar10-jpeg.zip", Path(folder)))
    recall(shared / "mnist")


if __name__ == "__main__":
    main()
