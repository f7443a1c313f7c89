"""Goal: a cold `striate predict photos.onnx cat.jpg` answers within 0.5 s (median), imports no torch and takes 150 MB
at most; `striate predict photos.onnx FOLDER` over 5,000 JPEGs has at least 0.95 of the throughput of the best of torch
eager, channels-last bfloat16, torch.compile, onnxruntime and OpenVINO in float32, and with --precision bf16 of OpenVINO
in bfloat16, which changes labels; a folder of many files is predicted in constant memory.

Evidence, two cores of an AMD EPYC (AVX512-BF16), load 1.4: cold 0.24 s and 86 MB (LeNet-5), 0.30 s and 136 MB
(ResNet-18 at 64; at 224 0.31 s), 0.28 s and 106 MB (MobileNetV2), n = 7. Throughput, n = 1, images/s of `predict`,
onnxruntime alone, OpenVINO: LeNet-5 (5,000 images, n = 3) 5,027, 5,262, 4,560 (0.96 of the best); ResNet-18 at 64
(4,000) 1,058, 1,065, 1,026 (0.99; OpenVINO in bfloat16 1,592); at 224 (400) 101, 96, 101 (1.01; 167); MobileNetV2 at
224 (400) 198, 203, 211 (0.94; 307). torch is slower everywhere: 2,276, 960, 85 and 65 at its best. `--engine auto` is
slower where few files are predicted, as it measures first.

Every figure is a process of its own from start to end, the contestants in turn. The other engines are driven
by the same code that prepares inputs, reads ahead and writes the rows, so that engines are compared and nothing else;
torch.compile's time to compile counts, as a person waits for it. Labels that differ from those of torch eager are
counted. Images: those of CIFAR-10 as JPEG, ../shared/data, enlarged to each network's input.

    python bench/deploy.py                       # all: an hour
    python bench/deploy.py cold --times 20
    python bench/deploy.py throughput --nets lenet5-32 resnet18-64 --images 5000 --times 3
    python bench/deploy.py memory --images 200000
"""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path

from common import DATA, arguments, in_turn, machine, ran, show

CIFAR = DATA / "cifar10-jpeg.zip"
NETS = ("lenet5-32", "resnet18-64", "resnet18-224", "mobilenet_v2-224")
SECONDS, MEGABYTES, SHARE = 0.5, 150, 0.95  # of the claims
WATCHED = """
import sys
from striate.__main__ import start
try:
    start()
finally:
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(peak, "torch" in sys.modules, file=sys.stderr)
"""
LOOP = """
import sys
from contextlib import nullcontext
import numpy as np
import striate
from striate.run.predicting import predictions
from striate.model.predictor import Predictor

way, model, folder, out = sys.argv[1:]
if way in ("onnxruntime", "openvino", "openvino bf16"):
    engine, _, precision = way.partition(" ")
    found = striate.runtime.load(model + ".onnx", engine=engine, precision=precision or "float32")
else:
    import torch
    from striate.learning import Speed
    from striate.model.prepare import normalise
    read = striate.load(model + ".safetensors")
    if "channels-last" in way:
        Speed(memory_format="channels_last").place(read.module)
    module = torch.compile(read.module.eval()) if way == "compile" else read.module.eval()
    class Torch(Predictor):
        @torch.inference_mode()
        def scores(self, inputs):
            with torch.autocast("cpu", torch.bfloat16) if "bf16" in way else nullcontext():
                return module(normalise(inputs, self.contract)).float().numpy()
    found = Torch(read.contract)
import striate.run.predicting as predicting
predicting.opened = lambda *_, **__: found
for _ in predictions(found, folder, out=out, say=lambda text: None):
    pass
"""
WAYS = ("eager", "channels-last", "channels-last bf16", "compile", "onnxruntime", "openvino", "openvino bf16")
OURS = {"striate predict": (), "striate predict --engine auto": ("--engine", "auto")}
ROUNDED = {"striate predict --engine auto --precision bf16": ("--engine", "auto", "--precision", "bf16")}


def models(folder: Path, name: str) -> Path:
    """A network of the zoo for ten classes as it begins, as a model file and as ONNX; the path without suffix."""
    import torch

    from striate.exporters.onnx import write_onnx
    from striate.model.contract import Contract
    from striate.model.model import Model
    from striate.net import build
    from striate.spec import lower
    from striate.zoo import ZOO

    net, _, size = name.partition("-")
    torch.manual_seed(0)
    shape = (3, int(size), int(size))
    contract = Contract(tuple(f"class {i}" for i in range(10)), shape, "RGB", (0.49, 0.48, 0.45), (0.25, 0.24, 0.26))
    model = Model(build(lower(ZOO[net].make(classes=10), shape)), contract)
    model.module.eval()
    model.save(folder / f"{name}.safetensors")
    write_onnx(model, folder / f"{name}.onnx")
    return folder / name


def images(folder: Path, count: int) -> Path:
    """So many JPEGs of CIFAR-10."""
    there = folder / "images"
    there.mkdir()
    with zipfile.ZipFile(CIFAR) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][:count]
        for i, name in enumerate(names):
            (there / f"{i:06}.jpg").write_bytes(archive.read(name))
    return there


def peak(*words: str | Path) -> tuple[float, bool, int]:
    """Of a `striate` command: its own peak memory in MB, whether it imported torch, its exit code."""
    done = subprocess.run([sys.executable, "-c", WATCHED, *map(str, words)], capture_output=True, text=True)
    said = done.stderr.splitlines()[-1].split()
    return int(said[0]) / 1024, said[1] == "True", done.returncode


def verdict(holds: bool) -> str:
    return f"claim {'holds' if holds else 'FAILS'}"


def cold(folder: Path, times: int) -> None:
    """Seconds and peak memory of one prediction, from the command to its end."""
    photo = next(images(folder, 1).iterdir())
    for name in NETS:
        model = models(folder, name).with_suffix(".onnx")
        words = ("predict", model, photo)
        taken = in_turn({name: partial(took, *words)}, times, warm=1)
        show(taken)
        most, torch, _ = peak(*words)
        good = statistics.median(taken[name]) <= SECONDS and most <= MEGABYTES and not torch
        print(f"    peak memory {most:.0f} MB; torch imported: {torch}; {verdict(good)}")


def took(*words: str | Path) -> float:
    return ran(sys.executable, "-m", "striate", *words)[0]


def by_loop(way: str, model: Path, photos: Path, out: Path) -> float:
    return ran(sys.executable, "-c", LOOP, way, model, photos, out)[0]


def throughput(folder: Path, nets: list[str], count: int, times: int) -> None:
    """Images a second of `striate predict` and of each engine, and the labels that differ."""
    photos = images(folder, count)
    for name in nets:
        print(f"\n{name}, {count:,} JPEGs")
        of_one(folder, models(folder, name), photos, times)


def of_one(folder: Path, model: Path, photos: Path, times: int) -> None:
    count = sum(1 for _ in photos.iterdir())
    outs = {way: folder / f"{way.replace(' ', '-')}.csv" for way in (*WAYS, *OURS, *ROUNDED)}
    contestants = {way: partial(by_loop, way, model, photos, outs[way]) for way in WAYS}
    for way, more in (OURS | ROUNDED).items():
        contestants[way] = partial(took, "predict", f"{model}.onnx", photos, "-o", outs[way], *more)
    rates = {way: [count / s for s in taken] for way, taken in in_turn(contestants, times).items()}
    show(rates, unit="images/s")
    labels = {way: [row["class"] for row in csv.DictReader(out.open(encoding="utf-8"))] for way, out in outs.items()}
    for way, found in labels.items():
        if flips := sum(a != b for a, b in zip(found, labels["eager"], strict=True)):
            print(f"    {way}: {flips} labels of {count} are others than those of eager")
    middle = {way: statistics.median(values) for way, values in rates.items()}
    for ours, theirs in ((OURS, [way for way in WAYS if way != "openvino bf16"]), (OURS | ROUNDED, WAYS)):
        best = max(theirs, key=lambda way: middle[way])
        ratio = max(middle[way] for way in ours) / middle[best]
        print(f"    {[*ours][-1]}: {ratio:.2f} of the best, {best}: {verdict(ratio >= SHARE)}")


def memory(folder: Path, count: int) -> None:
    """Peak memory of predicting a folder of 2,000 files, and of *count*: hard links to one."""
    model = models(folder, NETS[0]).with_suffix(".onnx")
    photo = images(folder, 1) / "000000.jpg"
    peaks = []
    for n in (2000, count):
        many = folder / f"many-{n}"
        for i in range(n):
            inner = many / f"{i // 1000:04}"
            inner.mkdir(parents=True, exist_ok=True)
            os.link(photo, inner / f"{i:07}.jpg")
        out = folder / f"{n}.csv"
        peaks.append(peak("predict", model, many, "-o", out)[0])
        with out.open(encoding="utf-8") as stream:
            print(f"{n:>9,} files: peak memory {peaks[-1]:.0f} MB, {sum(1 for _ in stream) - 1:,} rows")
    print(f"constant memory: {verdict(peaks[1] <= 1.1 * peaks[0] + 10)}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("what", nargs="?", choices=("cold", "throughput", "memory"), default="")
    parser.add_argument("--nets", nargs="+", default=[*NETS])
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    print(machine("torch", "onnxruntime", "openvino", "pillow"))
    for what, run in {
        "cold": lambda folder: cold(folder, max(5, given.times)),
        "throughput": lambda folder: throughput(folder, given.nets, given.images or 5000, given.times),
        "memory": lambda folder: memory(folder, given.images or 200_000),
    }.items():
        if given.what in ("", what):
            with tempfile.TemporaryDirectory() as folder:
                run(Path(folder))


if __name__ == "__main__":
    main()
