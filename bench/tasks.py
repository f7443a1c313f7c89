"""Claim: for each task the net and the recipe that nobody has to choose learn what the built-in shapes show, and
better than LeNet-5 on the same images: classes and several labels by `vgg_small`, numbers by
`vgg_small_regressor`, pixels by `unet_small` (mean IoU at least 80 %).

Evidence: each run is the command that a person types, in a process of its own, start to end: the figure of the test
part, the images a second of an epoch (training and validation, the median epoch), and the seconds of the whole. The
nets take turns, so that both have the same machine. The nets were chosen on validation parts.

    python bench/tasks.py                                  # every task, seed 0
    python bench/tasks.py multilabel regression --seeds 3
    python bench/tasks.py classification --options n=1000,size=64
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import arguments, load, machine

FIGURES = {
    "classification": "accuracy",
    "multilabel": "mean_average_precision",
    "regression": "mae",
    "count": "mae",
    "segmentation": "mean_iou",
}


def run(data: str, *options: str) -> tuple[dict[str, float], float, float]:
    """The test part's figures, images a second, and seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "striate", "train", data, *options, "--out", f"{folder}/run", "--json"]
        document = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        seconds = time.perf_counter() - begun
        with Path(folder, "run", "metrics.csv").open(encoding="utf-8") as file:
            epoch = statistics.median(float(row["seconds"]) for row in csv.DictReader(file))
        images = json.loads(Path(folder, "run", "recipe.json").read_text(encoding="utf-8"))["images"]
        return document["test"], sum(images[:2]) / epoch, seconds


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("tasks", nargs="*", help=", ".join(FIGURES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--options", default="", help="of shapes, such as n=1000,size=64")
    parser.add_argument("--epochs", default="20")
    chosen = parser.parse_args()
    print(machine("torch"))
    for task in chosen.tasks or FIGURES:
        data = ",".join(["shapes:" + task, *filter(None, [chosen.options])])
        nets = ("",) if task == "segmentation" else ("", "lenet5")
        runs: dict[str, list[tuple[dict[str, float], float, float]]] = {net: [] for net in nets}
        for seed in range(chosen.seeds):
            for net, done in runs.items():
                named = ["--net", net] if net else []
                done.append(run(data, "--seed", str(seed), "--epochs", chosen.epochs, *named))
        for net, done in runs.items():
            figures = [test[FIGURES[task]] for test, _, _ in done]
            spread = f" (from {min(figures):.4g} to {max(figures):.4g})" if len(figures) > 1 else ""
            rate, seconds = (statistics.median(each[i] for each in done) for i in (1, 2))
            print(
                f"{data}, {net or 'default'}: {FIGURES[task]} {statistics.mean(figures):.4g}{spread}, n={len(figures)}"
                f" of {chosen.epochs} epochs; {rate:,.0f} images/s, {seconds:.0f} s; {load()}",
                flush=True,
            )


if __name__ == "__main__":
    main()
