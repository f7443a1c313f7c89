"""Goal: `striate train cifar --recipe fast-cifar -e 6`, `-e 13` and `-e 28` reach 90 % in 5 minutes, 92 % in 10 and 93
% in 20 on two cores with bfloat16: the JPEG copy of CIFAR-10, unpacked before, accuracy on its test split, the time
from typing the command to the report.

Evidence so far, two cores of an AMD EPYC (AVX512-BF16, no AMX), torch 2.13: 7 epochs 89.6% (two runs, 95% interval
89.0 to 90.2) in 323 and 337 s, 14 epochs 90.4% in 642 s, all at high priority beside other work; 1,066 and 1,113
images/s of training with validation, 81% of the rate at which the processor multiplies matrices. By thread, in a
script with nearly the same settings: 490 images/s of 32 pixels, 870 of 24, which is 347 GFLOP/s, 76% of the rate at
which that thread multiplies matrices:

    python bench/cifar.py ../shared/data/cifar10-jpeg.zip           # 5, 10 and 20 minutes
    python bench/cifar.py ../shared/data/cifar10-jpeg.zip -e 6

The copy is JPEG of quality 75 with halved colour, so its figures are not those of published CIFAR-10: the same
network and optimizer are published with 94.0 % after 8 epochs of the original. What limits the speed: a step is
0.71 GFLOP an image; in the time of one thread, convolutions run forward and for their inputs' gradients at 1.0 to
1.1 times that matrix rate, for their weights' gradients at 0.7 to 0.8; pooling, normalisation and GELU, which wait
for memory, are a sixth of the step.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

GOALS = {6: (0.90, 5), 13: (0.92, 10), 28: (0.93, 20)}  # epochs: accuracy, minutes


def machine() -> str:
    """Processor flags that decide, versions, load."""
    import torch

    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return (
        f"{platform.machine()} {' '.join(known)}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def matrix_rate() -> float:
    """GFLOP/s of the product of two bfloat16 matrices of 2048 x 2048, the best of a second."""
    import torch

    a, best = torch.randn(2048, 2048).bfloat16(), float("inf")
    until = time.perf_counter() + 1
    while time.perf_counter() < until:
        begun = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - begun)
    return 2 * 2048**3 / best / 1e9


def step_cost() -> float:
    """GFLOP of a training step for one image: forward, gradients for inputs and for weights; the first, frozen
    convolution forward alone, and the one behind it without the gradient for its frozen input.
    """
    from striate import check
    from striate.zoo import ZOO

    entry = ZOO["airbench94"]
    costs = [layer.macs or 0 for layer in check(entry.make(), entry.input).layers if layer.macs]
    return 2 * (3 * sum(costs) - 2 * costs[0]) / 1e9


def unpacked(archive: Path, folder: Path) -> Path:
    """The archive's contents in *folder*, once."""
    if not (folder / "test").is_dir():
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the zip, or the folder with train/ and test/")
    parser.add_argument("-e", "--epochs", type=int, action="append", help="once or more; 6, 13 and 28, if not given")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("more", nargs="*", help="further settings, such as threads=1")
    chosen = parser.parse_args()
    data = chosen.data if chosen.data.is_dir() else unpacked(chosen.data, Path(tempfile.gettempdir()) / "cifar")
    rate, cost = matrix_rate(), step_cost()
    print(f"{machine()}; bfloat16 matrices: {rate:.0f} GFLOP/s; a step: {cost:.2f} GFLOP an image", flush=True)
    for epochs in chosen.epochs or GOALS:
        for seed in range(chosen.seeds):
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "striate", "train", str(data), "--recipe", "fast-cifar", "--json"]
                command += ["-e", str(epochs), "--seed", str(seed), "--out", f"{folder}/run", *chosen.more]
                begun = time.perf_counter()
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
                seconds = time.perf_counter() - begun
                result = json.loads(done.stdout)
                with open(f"{folder}/run/metrics.csv", encoding="utf-8") as file:
                    epoch = statistics.median(float(row["seconds"]) for row in csv.DictReader(file))
                about = json.loads(Path(folder, "run", "recipe.json").read_text(encoding="utf-8"))
            images = about["images"][0] / epoch
            accuracy = result["test"]["accuracy"]
            goal, minutes = GOALS.get(epochs, (None, None))
            print(
                f"-e {epochs} seed {seed}: test accuracy {accuracy:.2%} in {seconds:.0f} s"
                + (f" (goal {goal:.0%} in {60 * minutes} s)" if goal and minutes else "")
            )
            print(
                f"  {images:.0f} images/s, validation counted in = {images * cost:.0f} GFLOP/s, "
                f"{images * cost / rate:.0%} of the matrix rate; {about.get('speed')}; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
