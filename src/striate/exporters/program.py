"""A model as a program of ``torch.export``: one ``.pt2`` file that torch alone runs."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch

from striate.exporters.standalone import dynamic_batch, metadata, standalone
from striate.model.model import Model


def write_program(model: Model, path: Path) -> None:
    """Writes *model* to *path*; the contract and what else an ONNX file has as metadata are extra files inside it.

    Raises:
        ExportError: torch cannot express the network.
    """
    with standalone(model) as whole:
        program = torch.export.export(whole, (whole.example(),), dynamic_shapes=dynamic_batch())
        torch.export.save(program, path, extra_files=metadata(model))


def is_own_program(path: Path) -> bool:
    """Whether the file at *path* is a program of torch.export with a contract of striate beside it."""
    try:
        with ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except BadZipFile:
        return False
    return {"extra/striate", "extra/contract"} <= names


class ProgramRunner:
    """The file at *path* in torch: prepared items to the file's two outputs."""

    def __init__(self, path: Path) -> None:
        self.metadata = dict.fromkeys(("striate", "contract"), "")
        self.module = torch.export.load(path, extra_files=self.metadata).module()

    @torch.no_grad()
    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, scores = self.module(torch.from_numpy(np.require(inputs, requirements=["C", "W"])))
        return first.numpy(), scores.numpy()
