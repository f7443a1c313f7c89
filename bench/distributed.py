"""Goal: two processes of one thread each, on a processor with two cores, train at least 1.8 times as many images a
second as one process of one thread, the same batches. Seen: 1.78 times (medians of 3, 0.67 and 0.38 epochs a second,
two idle cores of an AMD EPYC, torch 2.13); two runs that know nothing of each other get 1.87 times as far as one, which
is what the cores and their memory give.

Evidence: seconds of the median epoch after the first (training and validation), as `striate train` measures them,
A B A B in one go. What both learn is compared: after four epochs the losses are 0.0015 apart, since sums are rounded in
another order; over the first 50 steps a test holds them to 1e-5 (the network has no batch normalisation, whose
statistics would be each process's own).

    python bench/distributed.py
    python bench/distributed.py --net vgg_small --batch-size 512 --times 5
"""

from __future__ import annotations

import csv
import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count, islice
from pathlib import Path

from common import arguments, in_turn, load, machine, ran, show

NET = (
    "conv 32 3 padding=1; relu; conv 32 3 padding=1; relu; maxpool 2; conv 64 3 padding=1; relu; maxpool 2; "
    "conv 64 3 padding=1; relu; maxpool 2; flatten; linear 8"
)
SEVERAL = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")
ONE, TWO, APART = "1 process", "2 processes", "2 runs, each for itself"


def train(folder: Path, several: tuple[str, ...], words: list[str]) -> tuple[float, list[float]]:
    """Seconds of the median epoch after the first, and the training losses."""
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    ran(sys.executable, *several, "-m", "striate", "train", *words, "--out", str(folder), **one_thread)
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return statistics.median(float(row["seconds"]) for row in rows[1:]), [float(row["train/loss"]) for row in rows]


def train_apart(fresh: Iterator[Path], words: list[str]) -> float:
    """Seconds in which two runs at once, which know nothing of each other, train what one has in an epoch: what the
    processors and their memory can give.
    """
    with ThreadPoolExecutor(2) as pool:
        return max(seconds for seconds, _ in pool.map(lambda folder: train(folder, (), words), islice(fresh, 2))) / 2


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", default="shapes:classification,n=4000,size=32")
    parser.add_argument("--net", default=NET)
    parser.add_argument("--batch-size", default="256")
    parser.add_argument("--epochs", default="4")
    parser.add_argument("--times", type=int, default=3, help="turns (3)")
    chosen = parser.parse_args()
    print(machine("torch", threads=1))
    fixed = ["--precision", "float32", "--memory-format", "channels_last", "--threads", "1", "--seed", "0"]
    words = [chosen.data, "--net", chosen.net, "--batch-size", chosen.batch_size, "--epochs", chosen.epochs, *fixed]
    with tempfile.TemporaryDirectory() as name:
        fresh = (Path(name) / str(n) for n in count())
        losses: dict[str, list[float]] = {}

        def contestant(name: str, *several: str) -> float:
            seconds, losses[name] = train(next(fresh), several, words)
            return seconds

        runs = {ONE: partial(contestant, ONE), TWO: partial(contestant, TWO, *SEVERAL, "2")}
        runs[APART] = partial(train_apart, fresh, words)
        taken = in_turn(runs, chosen.times)
    show({name: [1 / s for s in seconds] for name, seconds in taken.items()}, unit="epochs/s", beside=ONE)
    apart = max(abs(a - b) for a, b in zip(losses[ONE], losses[TWO], strict=True))
    print(f"training losses at most {apart:.1e} apart; {load()}")


if __name__ == "__main__":
    main()
