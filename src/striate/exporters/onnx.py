"""A model as an ONNX file, by torch's own exporter, and such a file in onnxruntime."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from striate.exporters.exported import needed
from striate.exporters.standalone import dynamic_batch, metadata, standalone
from striate.model.model import Model

OPSET = 20  # onnxruntime 1.17 and later, with its browser and phone editions


def write_onnx(model: Model, path: Path) -> None:
    """Writes *model* to *path*: its weights, its preparation after resizing, its contract as metadata.

    Args:
        model: The model.
        path: ``model.onnx``. Its input ``input`` is ``(batch, *contract.input)``, uint8 of images, float32 of values,
            int64 of texts; its outputs are ``probabilities`` (``values`` in regression) and ``scores``, float32.

    Raises:
        ExportError: torch cannot express the network, or a package is missing.
    """
    for package in ("onnx", "onnxscript"):  # which torch imports
        needed(package, "export")
    first = "probabilities" if model.contract.task.activation else "values"
    with standalone(model) as whole:
        program = torch.onnx.export(
            whole,
            (whole.example(),),
            dynamo=True,
            opset_version=OPSET,
            input_names=["input"],
            output_names=[first, "scores"],
            dynamic_shapes=dynamic_batch(),
            verbose=False,
        )
        assert program is not None
        _strip(program.model)
        program.model.producer_name = "striate"
        program.model.metadata_props.update(metadata(model))
        program.save(path, external_data=False)


def _strip(model: Any) -> None:
    """Without what torch notes of where each node comes from: the files of this machine, and more than the graph."""
    for part in (model.graph, *model.graph.all_nodes(), *model.graph.initializers.values()):
        part.metadata_props.clear()
        part.doc_string = None
    for node in model.graph.all_nodes():
        for value in node.outputs:
            value.metadata_props.clear()


def halve_onnx(path: Path, smaller: Path, calibration: np.ndarray) -> None:
    """Writes the ONNX file at *path* to *smaller*, its weights as float16. They become float32 when the file is loaded,
    so that it is as fast as before: processors compute float16 no faster.
    """
    onnx = needed("onnx", "export")
    model = onnx.load(str(path))
    graph, casts = model.graph, []
    for weight in graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= LARGE and np.abs(values).max() < np.finfo(np.float16).max:
            name = weight.name
            weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(smaller))


LARGE = 64  # numbers of a weight that is worth it


def quantise_onnx(path: Path, smaller: Path, calibration: np.ndarray) -> None:
    """Writes the ONNX file at *path* to *smaller*, its weights and activations as int8, their ranges from the prepared
    items *calibration*. Weights take 7 bits: with 8, processors without VNNI clip sums that others do not.
    """
    needed("onnx", "export")
    quantization = needed("onnxruntime.quantization", "export")
    pre_process = needed("onnxruntime.quantization.shape_inference", "export").quant_pre_process
    rows = iter([{"input": item[None]} for item in calibration])

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined, unused-ignore]
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(rows, None)

    with TemporaryDirectory() as folder:
        prepared = f"{folder}/prepared.onnx"
        pre_process(str(path), prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            str(smaller),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )


def onnx_names(path: Path) -> set[str]:
    """What the metadata of the ONNX file at *path* have."""
    return {entry.key for entry in needed("onnx", "export").load(str(path), load_external_data=False).metadata_props}


class OnnxRunner:
    """The file at *path* in onnxruntime, on the CPU: prepared items to the file's two outputs."""

    def __init__(self, path: Path) -> None:
        onnxruntime = needed("onnxruntime", "export")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, scores = self.session.run(None, {"input": inputs})
        return first, scores

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self.session.get_modelmeta().custom_metadata_map)
