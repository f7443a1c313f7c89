"""A model as a TFLite file, by litert-torch (formerly ai-edge-torch), and such a file in LiteRT."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
from torch import Tensor, nn

from striate.exporters.needed import needed
from striate.exporters.standalone import Standalone, metadata, standalone
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


def is_own_tflite(path: Path) -> bool:
    """Whether the file at *path* is a TFLite model with a contract of striate behind it."""
    try:
        with ZipFile(path) as archive:
            names = {*archive.namelist()}
    except BadZipFile:
        return False
    return path.read_bytes()[4:8] == b"TFL3" and {"striate", "contract"} <= names


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
