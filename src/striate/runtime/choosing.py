"""Which engine computes an exported file soonest on this machine: measured once, and kept beside the file."""

from __future__ import annotations

import json
import platform
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from striate.files import read_json, read_regular, write_safely
from striate.model.contract import Contract
from striate.runtime.onnx_model import ANY_CPU, ENGINES, PRECISIONS, OnnxModel, default_threads, load_exported
from striate.threads import processors

ITEMS = 64  # that are computed to measure
TIMES = 3
GAIN = 1.08  # so many times faster another must be than onnxruntime
TOLERANCE = 1e-3  # of the scores, as a share of their largest: the rounding of float32 in another order
KEPT = ".engine.json"


def load_fastest(path: str | Path, *, say: Callable[[str], None] = lambda text: None, **how: Any) -> OnnxModel:
    """The network in the ``.onnx`` file at *path*, computed by the engine that is the fastest here and right.

    In float32 its scores must be those of onnxruntime.

    Args:
        path: As of :func:`~striate.runtime.load`.
        say: Told, in a line, what was chosen, and on which grounds.
        **how: What else :func:`~striate.runtime.load` takes; with ``precision="bf16"`` that is tried too, which rounds.

    Raises:
        ModelError: As of :func:`~striate.runtime.load`.
    """
    path, precision = Path(path), how.pop("precision", PRECISIONS[0])
    first = load_exported(path, **how)
    note = path.with_name(path.name + KEPT)
    here = _here(path, precision, how)
    found: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        kept = read_json(note)
        found = kept if isinstance(kept, dict) and kept.get("here") == here else {}
    if not found:
        found = {"here": here, "seconds": _measured(first, precision, how)}
        with suppress(OSError):  # a folder that is not ours to write to
            write_safely(note, json.dumps(found))
    seconds: dict[str, float] = found["seconds"]
    plain = " ".join((ENGINES[0], PRECISIONS[0]))
    best = min(seconds, key=lambda name: seconds[name])
    if seconds[best] * GAIN > seconds[plain]:
        best = plain
    listed = ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in sorted(seconds.items(), key=lambda s: s[1]))
    say(f"computed by {best}; measured, {ITEMS} items at a time: {listed}")
    engine, chosen = best.split()
    return first if best == plain else load_exported(path, **how, engine=engine, precision=chosen)


def _measured(first: OnnxModel, precision: str, how: dict[str, Any]) -> dict[str, float]:
    """Seconds of each engine that gives the scores of the first (in float32: others round), by name and precision."""
    assert first.path is not None
    inputs = _some(first.contract)
    models = {" ".join((first.engine, first.precision)): first}
    if find_spec(ENGINES[1]) is not None and how.get("device", ANY_CPU[0]) in ANY_CPU:
        for some in dict.fromkeys((PRECISIONS[0], precision)):
            models[f"{ENGINES[1]} {some}"] = load_exported(first.path, **how, engine=ENGINES[1], precision=some)
    expected = first.scores(inputs)
    room = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    taken: dict[str, float] = {}
    for name, model in models.items():
        scores = model.scores(inputs)
        if model.precision == PRECISIONS[0] and not np.abs(scores - expected).max() <= room:
            continue
        taken[name] = min(_clocked(model, inputs) for _ in range(TIMES))
    return taken


def _some(contract: Contract) -> np.ndarray:
    """Items as the contract prepares them, at random."""
    rng, shape = np.random.default_rng(0), (ITEMS, *contract.input)
    if contract.mode == "text":
        return rng.integers(0, len(contract.vocabulary) + 2, shape)
    if contract.mode == "values":
        return rng.normal(size=shape).astype(np.float32)
    return rng.integers(0, 256, shape, np.uint8)


def _clocked(model: OnnxModel, inputs: np.ndarray) -> float:
    begun = time.perf_counter()
    model.scores(inputs)
    return time.perf_counter() - begun


def _here(path: Path, precision: str, how: dict[str, Any]) -> dict[str, Any]:
    """What the choice depends on: the file, the machine, what is asked for, the engines."""
    versions = {}
    for name in ENGINES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    machine = f"{platform.machine()} {_processor()}, {processors()} processors"
    asked = {"precision": precision, "device": how.get("device", ANY_CPU[0])}
    asked["threads"] = how.get("threads") or default_threads()
    return {"file": zlib.crc32(read_regular(path)), "machine": machine} | asked | versions


def _processor() -> str:
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    return platform.processor()
