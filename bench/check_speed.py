"""Claim: `check` works out ResNet-152 in 13 ms and DenseNet-201 in 17 ms after import, the second time in two thirds of
that, and the whole command takes 0.14 s and loads no torch; `striate --help` comes in 0.1 s and `import striate` takes
10 ms. Beside it the same networks as modules: `check` follows their forward without numbers, and torchinfo runs them.

Evidence: medians of 11 alternating runs, ours each in a new process; the parameters are compared in the same run.

    pip install torchinfo && python bench/check_speed.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from common import in_turn, machine, ran, seconds
from striate.analysis import analyse
from striate.spec import Graph, lower
from striate.zoo import ZOO

NETS = ("lenet5", "resnet152", "densenet201")
RUNS = 11


CHILD = """
import sys, time
from striate.analysis import analyse
from striate.spec import lower
from striate.zoo import ZOO
entry = ZOO[sys.argv[1]]
for _ in range(2):
    begun = time.perf_counter()
    analyse(lower(entry.make(), entry.input))
    print((time.perf_counter() - begun) * 1e3)
assert "torch" not in sys.modules
"""


def ours(name: str) -> tuple[float, float]:
    """From the zoo's entry to the finished report in a new process after import: the first call, and one more."""
    done = subprocess.run([sys.executable, "-c", CHILD, name], capture_output=True, text=True, check=True)
    first, again = map(float, done.stdout.split())
    return first, again


def striate(*words: str) -> float:
    return ran(sys.executable, "-m", "striate", *words)[0] * 1e3


def importing() -> float:
    code = "import time; begun = time.perf_counter(); import striate; print((time.perf_counter() - begun) * 1e3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    import torchinfo

    from striate.loading.network import check
    from striate.net import build

    print(machine("torch", "torchinfo"))
    print(
        f"{'net':<12} {'check':>7} {'again':>7} {'command':>8} {'module':>7} {'torchinfo':>10} {'ratio':>6}"
        f"   (medians of {RUNS}, ms)"
    )
    for name in NETS:
        graph: Graph = lower(ZOO[name].make(), ZOO[name].input)
        module = build(graph).eval()
        size = (1, *ZOO[name].input)
        calls = {
            "ours": lambda name=name: ours(name),
            "command": lambda name=name: striate("check", name),
            "module": lambda module=module, size=size: 1e3 * seconds(lambda: check(module, size[1:])),
            "torchinfo": lambda module=module, size=size: (
                1e3 * seconds(lambda: torchinfo.summary(module, size, verbose=0))
            ),
        }
        taken = in_turn(calls, RUNS)
        static, again = map(statistics.median, zip(*taken.pop("ours"), strict=True))
        whole, read, theirs = map(statistics.median, taken.values())
        summary = torchinfo.summary(module, size, verbose=0)
        report = analyse(graph)
        assert summary.total_params == report.parameters, (name, summary.total_params, report.parameters)
        print(f"{name:<12} {static:7.2f} {again:7.2f} {whole:8.0f} {read:7.0f} {theirs:10.1f} {theirs / static:5.0f}x")
    for what, once in (("import striate", importing), ("striate --help", lambda: striate("--help"))):
        print(f"{what:<15} {statistics.median(once() for _ in range(RUNS)):.0f} ms")


if __name__ == "__main__":
    main()
