"""Claim: exported files answer as the model does: ONNX in onnxruntime, OpenVINO and programs of `torch.export` differ
by 0.00001 at most in every probability, and no label flips, on real data of every task. What int8 and half cost and
gain is printed with them.

Evidence: each model is trained for a moment (its accuracy does not matter here), exported, and compared on its test
split, 1,000 items of it at most; as TFLite where litert-torch is installed. Prints the tables of docs/export.md.

    python bench/export.py   # about 5 min
"""

from __future__ import annotations

import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import striate
from common import DATA, arguments, machine
from striate.exporters import FORMATS, ExportError

ROWS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "digits": ("digits", None, {}),
    "shapes (classes)": ("shapes", None, {"fraction": 0.2}),
    "shapes:multilabel": ("shapes:multilabel", None, {"fraction": 0.2}),
    "shapes:regression": ("shapes:regression", None, {"fraction": 0.2}),
    "shapes:count": ("shapes:count", None, {"fraction": 0.2}),
    "shapes:segmentation": ("shapes:segmentation", None, {"fraction": 0.1}),
    "MNIST": (DATA / "mnist", "lenet5", {"fraction": 0.1}),
    "CIFAR-10 (JPEG copy)": ("cifar", "resnet20", {}),
    "CamVid": (DATA / "camvid", "unet_small", {"fraction": 0.1, "input": (3, 96, 128)}),
    "polarity (sentences)": (DATA / "polarity", None, {}),
}
SMALLER = ("digits", "MNIST", "CIFAR-10 (JPEG copy)", "shapes:segmentation")


def main() -> None:
    arguments(__doc__).parse_args()
    print(machine("torch", "onnx", "onnxruntime", "openvino"))
    with tempfile.TemporaryDirectory() as folder:
        for name, (data, net, settings) in ROWS.items():
            where = Path(folder) / name.replace(":", "-").replace(" ", "-")
            data = some_of_cifar(Path(folder) / "cifar") if data == "cifar" else data
            model = striate.train(net, data, out=where, quiet=True, epochs=1, **settings)
            for to, how in FORMATS.items():
                if to == "tflite" and find_spec("litert_torch") is None:  # 1 GB, which not everybody has
                    continue
                done = striate.export(where, to, compare=data, out=where.with_suffix(how.endings[0]))
                show(name, str(model.contract.task), to, done)
            for option in ({"quantise": "int8"}, {"half": True}) if name in SMALLER else ():
                try:
                    done = striate.export(where, "onnx", compare=data, out=where.with_suffix(".onnx"), **option)
                    print(f"| {name} | {done.reduction.line()} | label flips {done.label_flips} |", flush=True)
                except ExportError as error:
                    print(f"| {name} | {str(error).partition('not written: ')[2]} |", flush=True)


def show(name: str, task: str, to: str, done: striate.exporters.Exported) -> None:
    """A row of the first table."""
    found = done.comparison
    assert found is not None
    ties = f" ({found.ties} ties)" if found.ties else ""
    counts = f"{found.items:,} | {found.outputs:,}"
    print(f"| {name} | {task} | {to} | {counts} | {found.max_difference:.1e} | {found.label_flips}{ties} |", flush=True)


def some_of_cifar(folder: Path) -> Path:
    """Of the JPEG copy the first images of each class: 2,000 and 300."""
    seen: dict[tuple[str, str], int] = {}
    with zipfile.ZipFile(DATA / "cifar10-jpeg.zip") as archive:
        for name in archive.namelist():
            split, class_, *_ = (*Path(name).parts, "", "")
            seen[split, class_] = seen.get((split, class_), 0) + name.endswith(".jpg")
            if name.endswith(".jpg") and seen[split, class_] <= (200 if split == "train" else 30):
                archive.extract(name, folder)
    return folder


if __name__ == "__main__":
    main()
