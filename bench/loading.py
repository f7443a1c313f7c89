"""Claim: the first epoch from a folder of images has 1.7 times the images per second of a plain PyTorch `Dataset` and
`DataLoader(num_workers=2)`, and later epochs at 8 times; with 5,000 JPEGs of 32x32 (from ../shared/data), and with 500
photos of 12 megapixels that are drawn here.

Evidence: both programs in one run, in turn (A B A B), each in a process of its own, on the same files, which are in the
system's file cache for both. Images per second are of everything from the folder's name to the last batch of an epoch,
for both: listing the files, decoding, resizing (bilinear) to the same size, normalising, shuffling, batches of 32; for
striate also recognising the files and writing its cache to the disk (it is emptied before each first epoch), for the
plain program starting its two worker processes in each epoch, as it does. A second run of striate finds the cache.
What both need before (importing, the list of class names) is not counted. Medians of the repetitions.

Memory is that of the process and its workers together at its maximum: proportional set size (what they share is
counted once), sampled 50 times per second in a run of its own, which is not timed.

On 2 cores of an x86-64 server (torch 2.13.0+cpu, Pillow 13.0.0): JPEGs, n=5,000, medians of 3 (2026-11-30): first
epoch 15,224 images/s against 8,407 (1.8 times; ten days before, without looking for copies among the files, 2.3
times), later 323,037 against 10,475 (31 times), 271 MB against 278. Photos, n=500, medians of 3 (2026-11-20): 64
against 22 (2.9 times), later 6,201 against 22 (280 times), 393 MB against 508.

    python bench/loading.py                    # both, 5 times
    python bench/loading.py jpegs --times 3
    python bench/loading.py photos --number 50
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from argparse import SUPPRESS
from pathlib import Path

from common import DATA, arguments, machine

ZIP = DATA / "cifar10-jpeg.zip"
LATER = 3  # epochs after the first
PHOTO = (4032, 3024)


def plain(folder: Path, size: int) -> list[float]:
    """Seconds of each epoch of the program that everybody writes."""
    import numpy as np
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    class Images(Dataset):
        def __init__(self, root: Path) -> None:
            classes = sorted(path.name for path in root.iterdir())
            self.items = [(path, i) for i, name in enumerate(classes) for path in sorted((root / name).iterdir())]
            self.mean = torch.full((3, 1, 1), 0.5)
            self.std = torch.full((3, 1, 1), 0.25)

        def __len__(self) -> int:
            return len(self.items)

        def __getitem__(self, i: int):
            path, target = self.items[i]
            with Image.open(path) as image:
                pixels = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
            x = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float().div(255)
            return (x - self.mean) / self.std, target

    seconds = []
    begun = time.perf_counter()
    loader = DataLoader(Images(folder / "train"), batch_size=32, shuffle=True, num_workers=2)
    for _ in range(1 + LATER):
        for x, y in loader:
            assert len(x) == len(y)
        seconds.append(time.perf_counter() - begun)
        begun = time.perf_counter()
    return seconds


def striate(folder: Path, size: int) -> list[float]:
    """Seconds of each epoch, the first with all that comes before it."""
    from striate.datasets import Batches, open_data, read_part
    from striate.model.contract import Contract

    seconds = []
    begun = time.perf_counter()
    data = open_data(folder)
    contract = Contract(data.classes, (3, size, size), "RGB", (0.5,) * 3, (0.25,) * 3)
    batches = Batches(read_part(data.train, contract, say=print), contract, batch_size=32, shuffle=True)
    for epoch in range(1 + LATER):
        batches.set_epoch(epoch)
        for x, y in batches:
            assert len(x) == len(y)
        seconds.append(time.perf_counter() - begun)
        begun = time.perf_counter()
    return seconds


def measure(program: str, folder: Path, size: int, cache: Path, *, watched: bool = False) -> tuple[list[float], int]:
    """Seconds of each epoch in a new process, and the bytes that it and its helpers took together (if *watched*)."""
    command = [sys.executable, __file__, "--child", program, "--folder", str(folder), "--size", str(size)]
    environment = os.environ | {"STRIATE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, env=environment)
        most = 0
        while watched and process.poll() is None:
            most = max(most, together(process.pid))
            time.sleep(0.02)
        if process.wait():
            sys.exit(f"{' '.join(command)}: exit {process.returncode}")
        out.seek(0)
        return json.loads(out.read().splitlines()[-1]), most


def together(process: int) -> int:
    """Bytes that a process and all below it take: each page by its share of those who use it (Linux)."""
    total, waiting = 0, [process]
    while waiting:
        place = Path("/proc") / str(waiting.pop())
        try:
            for line in (place / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
            for task in (place / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:  # it has ended
            continue
    return total


def compare(title: str, folder: Path, n: int, size: int, times: int) -> None:
    rates: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        cache = Path(place) / "cache"
        for _ in range(times):
            for program, run in (("plain", ""), ("striate", ""), ("striate", " again")):
                if not run:
                    shutil.rmtree(cache, ignore_errors=True)
                first, *later = measure(program, folder, size, cache)[0]
                rates.setdefault((program + run, "first"), []).append(n / first)
                rates.setdefault((program + run, "later"), []).append(n / statistics.median(later))
        shutil.rmtree(cache, ignore_errors=True)
        memory = {program: measure(program, folder, size, cache, watched=True)[1] for program in ("plain", "striate")}
        memory["striate again"] = measure("striate", folder, size, cache, watched=True)[1]
    medians = {key: statistics.median(values) for key, values in rates.items()}
    print(f"\n{title}, to {size}x{size}; n={n:,}, median of {times} (least to most)")
    print(f"{'':32s}{'images/s, first epoch':>30s}{'later epochs':>30s}{'memory':>10s}")
    rows = {
        "plain": "Dataset, DataLoader(2 workers)",
        "striate": "striate",
        "striate again": "striate, a second run",
    }
    for program, row in rows.items():
        cells = "".join(
            f"{f'{medians[program, epoch]:,.0f} ({min(values):,.0f} to {max(values):,.0f})':>30s}"
            for epoch in ("first", "later")
            for values in [rates[program, epoch]]
        )
        print(f"{row:32s}{cells}{memory[program] / 1e6:>7,.0f} MB")
    for program, row in list(rows.items())[1:]:
        first, later = (medians[program, epoch] / medians["plain", epoch] for epoch in ("first", "later"))
        print(f"{row + ', times plain':32s}{first:>30.1f}{later:>30.1f}")


def unpack(folder: Path) -> int:
    """500 training JPEGs of each class in the zip; and a test part of one a class, so that none is set aside."""
    with zipfile.ZipFile(ZIP) as file:
        by_class: dict[str, list[str]] = {}
        for name in sorted(file.namelist()):
            if name.endswith(".jpg"):
                by_class.setdefault(os.path.dirname(name), []).append(name)
        chosen = {name: files[: 500 if name.startswith("train") else 1] for name, files in by_class.items()}
        for files in chosen.values():
            file.extractall(folder, files)
    return sum(len(files) for name, files in chosen.items() if name.startswith("train"))


def draw(folder: Path, number: int) -> int:
    """Photos of 12 megapixels in two classes, 2 to 4 MB: light that changes slowly, edges, a camera's noise."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    width, height = PHOTO
    grain = rng.normal(0, 6, (height + 512, width + 512)).astype(np.float32)
    for i in range(number + 2):
        place = folder / ("train" if i < number else "test") / ("near", "far")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        light = Image.fromarray(rng.integers(30, 226, (24, 32, 3), dtype=np.uint8)).resize(
            PHOTO, Image.Resampling.BICUBIC
        )
        edges = Image.fromarray(rng.integers(0, 40, (252, 336), dtype=np.uint8)).resize(PHOTO, Image.Resampling.NEAREST)
        top, left = rng.integers(0, 512, 2)
        detail = np.asarray(edges) + grain[top : top + height, left : left + width]
        pixels = np.clip(np.asarray(light) + detail[..., None] - 20, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"IMG_{i:04d}.jpg", quality=88)
    sizes = [path.stat().st_size for path in folder.glob("train/*/*")]
    print(f"drew {number} photos of {statistics.mean(sizes) / 1e6:.1f} MB", file=sys.stderr)
    return number


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("what", nargs="?", choices=("jpegs", "photos"), help="if not given both")
    parser.add_argument("--times", type=int, default=5, help="repetitions (5)")
    parser.add_argument("--number", type=int, default=500, help="photos (500)")
    for hidden, kind in (("--child", str), ("--folder", Path), ("--size", int)):
        parser.add_argument(hidden, type=kind, help=SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps({"plain": plain, "striate": striate}[given.child](given.folder, given.size)))
        return
    print(machine("torch", "Pillow"))
    for what, make, title, size in (
        ("jpegs", unpack, "JPEGs of 32x32", 32),
        ("photos", lambda folder: draw(folder, given.number), "photos of 4032x3024", 224),
    ):
        if given.what in (None, what):
            with tempfile.TemporaryDirectory() as folder:
                compare(title, Path(folder), make(Path(folder)), size, given.times)


if __name__ == "__main__":
    main()
