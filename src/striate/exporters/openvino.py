"""A model in OpenVINO's own form, an ``.xml`` with its ``.bin``, made from its ONNX file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import numpy as np

from striate.exporters.needed import needed
from striate.exporters.onnx import write_onnx
from striate.model.model import Model


def write_openvino(model: Model, path: Path) -> None:
    """Writes *model* to *path* (``.xml``) and the ``.bin`` beside it; inputs and outputs are those of an ONNX file,
    whose metadata are the runtime information under ``framework``.

    Raises:
        ExportError: torch cannot express the network, or a package is missing.
    """
    openvino = needed("openvino", "openvino")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows keeps files that are mapped
        write_onnx(model, Path(folder) / "model.onnx")
        read = openvino.Core().read_model(Path(folder) / "model.onnx")
        openvino.save_model(read, path, compress_to_fp16=False)


def halve_openvino(path: Path, smaller: Path, calibration: np.ndarray) -> None:
    """Writes the file at *path* to *smaller*, its weights as float16."""
    openvino = needed("openvino", "openvino")
    openvino.save_model(openvino.Core().read_model(path), smaller, compress_to_fp16=True)


def is_own_openvino(path: Path) -> bool:
    """Whether the file at *path* is an OpenVINO model whose runtime information contains a contract of striate."""
    try:
        about = ElementTree.parse(path).find("rt_info/framework")
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError):
        return False
    return about is not None and {"striate", "contract"} <= {entry.tag for entry in about}


class OpenvinoRunner:
    """The file at *path* in OpenVINO, on the CPU: prepared items to the file's two outputs. In float32: left to itself
    OpenVINO computes in bfloat16 where the processor has it.
    """

    def __init__(self, path: Path) -> None:
        core = needed("openvino", "openvino").Core()
        read = core.read_model(path)
        self.metadata = {name: str(read.get_rt_info(["framework", name]).value) for name in ("striate", "contract")}
        self.model = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = self.model(np.ascontiguousarray(inputs))
        return found[0], found[1]
