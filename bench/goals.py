"""Claim: LeNet-5 reaches 98 % on the test part of `digits` (mean of 5 seeds), the whole command within 30 s on two
cores; and 98.7 % on the 10,000 test digits of MNIST after 3 epochs.

Evidence: each run is the command that a person types, in a process of its own, start to end.

    python bench/goals.py            # digits, 5 seeds
    python bench/goals.py mnist      # MNIST as well, from ../shared/data/mnist
    python bench/goals.py polarity   # and the film reviews, 10 seeds, from ../shared/data/polarity
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time

from common import DATA, machine


def run(data: str, *options: str) -> tuple[float, float]:
    """Test accuracy, and seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "striate", "train", data, *options, "--out", f"{folder}/run", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["test"]["accuracy"], time.perf_counter() - begun


def show(title: str, results: list[tuple[float, float]]) -> None:
    accuracies, seconds = zip(*results, strict=True)
    spread = f", std {statistics.stdev(accuracies):.2%}" if len(results) > 1 else ""
    print(f"{title}: test accuracy {statistics.mean(accuracies):.2%} (n={len(results)}{spread}, ", end="")
    print(f"min {min(accuracies):.2%}); seconds median {statistics.median(seconds):.1f}, max {max(seconds):.1f}")


def main() -> None:
    print(machine("torch"))
    show("LeNet-5 on digits, 20 epochs", [run("digits", "--seed", str(seed)) for seed in range(5)])
    if "polarity" in sys.argv[1:]:
        show("text_small on polarity", [run(str(DATA / "polarity"), "--seed", str(seed)) for seed in range(10)])
    if "mnist" in sys.argv[1:]:
        show(
            "LeNet-5 on MNIST, 3 epochs",
            [run(str(DATA / "mnist"), "--net", "lenet5", "-b", "32", "-e", "3", "--seed", str(s)) for s in range(3)],
        )


if __name__ == "__main__":
    main()
