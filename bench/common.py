"""What the benches share: the line about the machine, contestants that take turns, and environments of their own."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # those that decide how fast float32 and bfloat16 are


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def machine(*packages: str, threads: int | None = None) -> str:
    """Processor and its flags, cores, versions, and the load of the last minute.

    Args:
        packages: Installed ones, whose versions are said.
        threads: Of the processor, where a bench sets how many.
    """
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            facts = dict(map(str.strip, line.split(":", 1)) for line in file if ":" in line)
    except OSError:  # no Linux
        facts = {}
    flags = facts.get("flags", "").split()
    return ", ".join(
        [
            facts.get("model name", platform.processor() or platform.machine()),
            "/".join(flag for flag in FLAGS if flag in flags) or "no flags known",
            f"{os.cpu_count()} cores",
            *([f"{threads} threads"] if threads else []),
            f"Python {platform.python_version()}",
            *(f"{package} {version(package)}" for package in packages),
            load(),
        ]
    )


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def ran(*words: str | Path, cwd: Path | None = None, **environment: str) -> tuple[float, str]:
    """Seconds of a command from its start to its end, and what it printed; a failure stops the bench."""
    begun = time.perf_counter()
    done = subprocess.run(words, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
    return time.perf_counter() - begun, done.stdout


def in_turn(contestants: Mapping[str, Callable[[], T]], times: int, *, warm: int = 0) -> dict[str, list[T]]:
    """What each contestant gives in A B C A B C ...; the first *warm* turns are not kept."""
    kept: dict[str, list[T]] = {name: [] for name in contestants}
    for turn in range(warm + times):
        for name, call in contestants.items():
            given = call()
            if turn >= warm:
                kept[name].append(given)
    return kept


def show(taken: Mapping[str, list[float]], *, unit: str = "s", scale: float = 1, beside: str = "") -> None:
    """A line for each contestant: median, min, max, n, and how many times that of *beside*."""
    base = statistics.median(taken[beside]) if beside else 0.0
    for name, values in taken.items():
        middle = statistics.median(values)
        ratio = f"   {middle / base:6.2f} times {beside}" if beside and name != beside else ""
        least, most = (f"{value * scale:.2f}" for value in (min(values), max(values)))
        print(f"{name:<36} {middle * scale:9.2f} {unit} (median; {least} to {most}, n = {len(values)}){ratio}")


def environment(name: str, *requirements: str) -> Path:
    """The Python of a virtual environment with the other contestant; made once, and kept in the temporary folder."""
    folder = Path(tempfile.gettempdir()) / "striate-bench" / name
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists() or done.read_text(encoding="utf-8").split() != [*requirements]:
        print(f"installing {' '.join(requirements)} into {folder}", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
        done.write_text(" ".join(requirements), encoding="utf-8")
    return python


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the bench's claim and evidence."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
