"""The formats beside ONNX, each written and run: TFLite (by litert-torch), OpenVINO, programs of ``torch.export``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree
from zipfile import ZipFile, ZipInfo

import numpy as np
import torch
from torch import Tensor, nn

from striate.exporters.exported import needed
from striate.exporters.onnx import write_onnx
from striate.exporters.standalone import Standalone, dynamic_batch, metadata, standalone
from striate.model.model import Model


def write_tflite(model: Model, path: Path) -> None:
    """Writes *model* to *path* (``.tflite``), for one item at a time; input and outputs have the names and types of an
    ONNX file's, but word numbers are int32. The contract, and what else that has as metadata, are packed behind the
    network as a zip, as TFLite does it with files that belong to a model.

    Raises:
        ExportError: litert-torch cannot express the network, or the package is missing.
    """
    first = "probabilities" if model.contract.task.activation else "values"
    with standalone(model, "litert-torch") as whole, _quiet():
        litert_torch = needed("litert_torch", "tflite")
        litert_torch.config.show_progress = False
        named = _Named(whole, first).eval()
        litert_torch.convert(named, sample_kwargs={"input": whole.example(1)}).export(str(path))
        with ZipFile(path, "a") as archive:
            for name, text in metadata(model).items():
                archive.writestr(ZipInfo(name), text)  # without the time
        TfliteRunner(path)(whole.example(1).numpy())  # the runtime may lack what the converter wrote


class _Named(nn.Module):
    """*whole* with names for its outputs, which become those of the file."""

    def __init__(self, whole: Standalone, first: str) -> None:
        super().__init__()
        self.whole, self.first = whole, first

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        first, scores = self.whole(input)
        return {self.first: first, "scores": scores}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the libraries' C++ notes on standard error."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def tflite_names(path: Path) -> set[str]:
    """What is packed behind the TFLite file at *path*."""
    with ZipFile(path) as archive:
        return {*archive.namelist()} if path.read_bytes()[4:8] == b"TFL3" else set()


class TfliteRunner:
    """The file at *path* in LiteRT, on the CPU: prepared items, one after another, to the file's two outputs."""

    def __init__(self, path: Path) -> None:
        interpreter = needed("ai_edge_litert.interpreter", "tflite")
        with ZipFile(path) as archive:
            self.metadata = {name: archive.read(name).decode() for name in ("striate", "contract")}
        with _quiet():
            self.run = interpreter.Interpreter(str(path)).get_signature_runner()
        self.dtype = self.run.get_input_details()["input"]["dtype"]
        self.names = sorted(self.run.get_output_details(), key="scores".__eq__)

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = [self.run(input=item[None]) for item in inputs.astype(self.dtype)]
        first, scores = (np.concatenate([outputs[name] for outputs in found]) for name in self.names)
        return first, scores


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


def openvino_names(path: Path) -> set[str]:
    """What the runtime information of the OpenVINO file at *path* has."""
    return {entry.tag for entry in ElementTree.parse(path).iterfind("rt_info/framework/*")}


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


def write_program(model: Model, path: Path) -> None:
    """Writes *model* to *path*; the contract and what else an ONNX file has as metadata are extra files inside it.

    Raises:
        ExportError: torch cannot express the network.
    """
    with standalone(model) as whole:
        program = torch.export.export(whole, (whole.example(),), dynamic_shapes=dynamic_batch())
        torch.export.save(program, path, extra_files=metadata(model))


def program_names(path: Path) -> set[str]:
    """The extra files in the program of torch.export at *path*."""
    with ZipFile(path) as archive:
        return {name.partition("/extra/")[2] for name in archive.namelist()}


class ProgramRunner:
    """The file at *path* in torch: prepared items to the file's two outputs."""

    def __init__(self, path: Path) -> None:
        self.metadata = dict.fromkeys(("striate", "contract"), "")
        self.module = torch.export.load(path, extra_files=self.metadata).module()

    @torch.no_grad()
    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, scores = self.module(torch.from_numpy(np.require(inputs, requirements=["C", "W"])))
        return first.numpy(), scores.numpy()
