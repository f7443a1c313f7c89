"""Claim: `check` works out ResNet-152 in 10 ms and DenseNet-201 in 15 ms after import, and the whole command takes
0.3 s and loads no torch. Beside it torchinfo on the same networks, which builds and runs them.

Evidence: medians of 11 alternating runs in one process; parameters and MACs are compared in the same run.

    pip install torchinfo && python bench/check_speed.py
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from striate.analysis import check
from striate.spec import Graph, lower
from striate.zoo import ZOO

NETS = ("lenet5", "resnet152", "densenet201")
RUNS = 11


def timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1e3


def ours(name: str) -> object:
    """From the zoo's entry to the finished report, caches emptied first."""
    from striate.analysis import receptive, report, sizes, windows
    from striate.spec import ops, text

    cached = [sizes.search, windows.windows, ops.sizes, ops.fits_rank, text.op_text]
    for function in (*cached, sys.modules[receptive.__module__]._windowed, sys.modules[report.__name__]._field):
        function.cache_clear()
    return check(lower(ZOO[name].make(), ZOO[name].input))


def command(name: str) -> float:
    return timed(lambda: subprocess.run([sys.executable, "-m", "striate", "check", name], stdout=subprocess.DEVNULL))


def main() -> None:
    import torch
    import torchinfo

    from striate.net import build

    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    )
    print(f"{'net':<12} {'check':>9} {'command':>9} {'torchinfo':>10} {'ratio':>7}   (medians of {RUNS}, ms)")
    for name in NETS:
        graph: Graph = lower(ZOO[name].make(), ZOO[name].input)
        module = build(graph).eval()
        size = (1, *ZOO[name].input)
        rows = [
            (
                timed(lambda name=name: ours(name)),
                command(name),
                timed(lambda module=module, size=size: torchinfo.summary(module, size, verbose=0)),
            )
            for _ in range(RUNS)
        ]
        static, whole, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
        summary = torchinfo.summary(module, size, verbose=0)
        report = check(graph)
        assert summary.total_params == report.parameters, (name, summary.total_params, report.parameters)
        print(f"{name:<12} {static:9.2f} {whole:9.0f} {theirs:10.1f} {theirs / static:6.0f}x")


if __name__ == "__main__":
    main()
