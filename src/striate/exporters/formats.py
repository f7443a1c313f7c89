"""The formats of exported models, and :func:`export_model`, which writes one when it answers as the model does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from striate.errors import SpecError
from striate.exporters.comparing import BATCHES, Running, Smaller, check_same, compare_file
from striate.exporters.exported import Exported, ExportError, check_free
from striate.exporters.onnx import OPSET, OnnxRunner, halve_onnx, onnx_names, quantise_onnx, write_onnx
from striate.exporters.other_formats import (
    OpenvinoRunner,
    ProgramRunner,
    TfliteRunner,
    halve_openvino,
    openvino_names,
    program_names,
    tflite_names,
    write_openvino,
    write_program,
    write_tflite,
)
from striate.files import write_safely
from striate.model.model import Model


@dataclass(frozen=True)
class Format:
    """One format: how its files end, the first being what is asked for, how they are written and run."""

    endings: tuple[str, ...]
    write: Callable[[Model, Path], None]
    run: Callable[[Path], Running]
    names: Callable[[Path], set[str]]  # of what a file has beside the network
    opset: int | None = None
    smaller: Mapping[str, Callable[[Path, Path, np.ndarray], None]] = field(default_factory=dict)  # by the kind
    batch_sizes: tuple[int, ...] = BATCHES  # in which its files are compared

    def is_own(self, path: Path) -> bool:
        """Whether the file at *path* is one of this format that striate wrote."""
        try:
            return {"striate", "contract"} <= self.names(path)
        except ExportError:  # a package is missing
            raise
        except Exception:  # whatever a parser says of a file that is none
            return False

    def size(self, path: Path) -> int:
        """Bytes of the files at *path*."""
        return sum(path.with_suffix(ending).stat().st_size for ending in self.endings)


FORMATS = {
    "onnx": Format((".onnx",), write_onnx, OnnxRunner, onnx_names, OPSET, {"int8": quantise_onnx, "half": halve_onnx}),
    "openvino": Format(
        (".xml", ".bin"), write_openvino, OpenvinoRunner, openvino_names, OPSET, {"half": halve_openvino}
    ),
    "program": Format((".pt2",), write_program, ProgramRunner, program_names),
    "tflite": Format((".tflite",), write_tflite, TfliteRunner, tflite_names, batch_sizes=(1,)),
}


def export_model(
    model: Model,
    path: str | Path,
    to: str,
    *,
    inputs: np.ndarray,
    names: Sequence[str],
    on: str,
    smaller: Smaller | None = None,
) -> Exported:
    """Writes *model* to *path* in the format *to* of ``FORMATS``, once it answers as the model does.

    Args:
        model: The model.
        path: The file; an existing one is replaced if it was written by this function.
        to: ``"onnx"``, ``"openvino"``, ``"program"`` or ``"tflite"``.
        inputs: What is compared: prepared items ``(N, *contract.input)``.
        names: Of these items, for messages.
        on: What they are: ``"the test split of digits"``.
        smaller: A file in int8 or with weights as float16 instead, compared with the one in float32.

    Raises:
        SpecError: Another's file would be lost, or the format has no such smaller file.
        ExportError: Torch cannot express the network, a package is missing, the answers differ by more than the
            tolerance, or the smaller file is not worth it; nothing is written.

    >>> from striate.net import build
    >>> from striate.spec import parse
    >>> from striate.model.contract import Contract
    >>> contract = Contract(("dark", "bright"), (1, 2, 2), "L", (0.5,), (0.5,))
    >>> model = Model(build(parse("input 1x2x2; flatten; linear 2")), contract)
    >>> with TemporaryDirectory() as folder:
    ...     some = np.zeros((3, 1, 2, 2), np.uint8)
    ...     done = export_model(model, folder + "/a.pt2", "program", inputs=some, names="abc", on="three items")
    >>> done.label_flips, done.comparison.items
    (0, 3)
    """
    path, how = Path(path), FORMATS[to]
    files = (path, *(path.with_suffix(ending) for ending in how.endings[1:]))
    check_free(files, how.endings[0], how.is_own)
    if smaller is not None and smaller.kind not in how.smaller:
        others = [name for name, other in FORMATS.items() if smaller.kind in other.smaller]
        raise SpecError(f"--to {to}: has no {smaller.kind}; use --to {' or '.join(others)}")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows keeps files that a runtime has mapped
        trial, reduction = Path(folder) / f"model{how.endings[0]}", None
        try:
            how.write(model, trial)
            running = how.run(trial)
            if running.metadata.get("contract") != model.contract.to_json():
                raise ExportError("it does not say the model's contract")
            found = compare_file(model, running, inputs, names, on, how.batch_sizes)
            check_same(found)
            if smaller is not None:
                before, trial = trial, trial.with_stem("smaller")
                how.smaller[smaller.kind](before, trial, smaller.calibration)
                after = how.run(trial)
                found = compare_file(model, after, inputs, names, on)
                reduction = smaller.judged(running, after, (how.size(before), how.size(trial)), inputs)
        except ExportError as error:
            raise ExportError(f"{path}: not written: {error}") from error.__cause__
        for file in files:
            write_safely(file, trial.with_suffix(file.suffix).read_bytes())
    return Exported(
        path,
        files,
        found.max_difference,
        found.label_flips,
        to=to,
        opset=how.opset,
        comparison=found,
        reduction=reduction,
    )
