"""Claim: of the inputs that were made to do harm, no image costs 400 MB or 5 s beyond what its pixels are due.

Evidence: each case of tests/hostile_inputs.py is run through the command line, each file of
tests/model/test_hostile_images.py is decoded; the table has, for each kind, how many there are, the most memory (by
which the peak rose) and the most processor time.

    python bench/hostile.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from common import machine

TESTS = Path(__file__).parents[1] / "tests"
sys.path += [str(TESTS), str(TESTS / "model")]
KINDS = {
    ".png": "images",
    ".npz": "archives and arrays",
    ".npy": "archives and arrays",
    ".h5": "archives and arrays",
    ".gz": "archives and arrays",
    ".pth": "pickles",
    ".safetensors": "model files",
    ".net": "networks as text",
    ".csv": "tables",
    ".xlsx": "tables",
    ".parquet": "tables",
}


def kind_of(name: str, words: list[str]) -> str:
    if ":" in name:
        return "run folders"
    suffixes = [Path(word).suffix for word in words]
    named = next((KINDS[suffix] for suffix in suffixes if suffix in KINDS), "")
    return named or {"pickle": "pickles", "folder": "folders"}.get(name.split()[0], "devices, annotations")


def main() -> None:
    print(machine("Pillow", "numpy"))
    rows: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, TESTS / "hostile_probe.py", folder, "1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True, check=True,
        )  # fmt: skip
        for one in map(json.loads, ran.stdout.splitlines()):
            rows[kind_of(one["name"], one["words"])].append((one["name"], one["memory"], one["seconds"]))
    from test_hostile_images import HOSTILE, measured

    with tempfile.TemporaryDirectory() as folder:
        for name, make in HOSTILE.items():
            made = make()
            data, size = made if isinstance(made, tuple) else (made, len(made))
            path = Path(folder) / "a.png"
            with path.open("wb") as file:
                file.write(data)
                file.truncate(size)
            [[_, memory, seconds]] = measured([path])
            rows["images, each decoded in three ways"].append((name, memory, seconds))
    print(f"{'kind':36} {'cases':>6} {'memory':>8} {'time':>7}  the slowest")
    for kind, found in rows.items():
        slowest = max(found, key=lambda one: one[2])
        print(f"{kind:36} {len(found):6} {max(m for _, m, _ in found) / 1e6:5.0f} MB {slowest[2]:5.1f} s  {slowest[0]}")
    print(f"{'all':36} {sum(map(len, rows.values())):6}")


if __name__ == "__main__":
    main()
