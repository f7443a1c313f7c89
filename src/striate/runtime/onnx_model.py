"""An exported network in onnxruntime: what ``striate export --to onnx`` writes, answering as the model that it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import Error, ModelError, RecipeError, did_you_mean, nearest
from striate.files import check_regular, near_path
from striate.model.contract import EXPORTED, FORMAT, Contract
from striate.model.predictor import Predictor
from striate.threads import one_at_a_time, processors

ENGINES = ("onnxruntime", "openvino")
PRECISIONS = ("float32", "bf16")
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
OTHERS = {  # by their ending
    "/": "a folder; striate.load opens that of a run",
    ".safetensors": "a model file, which striate.load opens",
    ".pt2": "a program of torch.export, which torch.export.load opens",
    ".tflite": "a TFLite model, which the package ai-edge-litert runs",
    ".xml": "an OpenVINO model, which the package openvino reads",
}
ANY_CPU = ("cpu", "auto")  # what says or allows it
TAKES = {"text": ("tensor(int64)", np.int64), "values": ("tensor(float)", np.float32)}  # all else: bytes


class OnnxModel(Predictor):
    """The network in an ``.onnx`` file with its contract; it predicts as the ``.safetensors`` that it is from.

    Args:
        run: The scores of prepared items: what computes.
        contract: What the file says of itself.
        path: The file.
        engine: What computes, by its name.
        precision: In which it does.
    """

    def __init__(
        self,
        run: Callable[[np.ndarray], np.ndarray],
        contract: Contract,
        path: Path,
        engine: str = ENGINES[0],
        precision: str = PRECISIONS[0],
    ) -> None:
        super().__init__(contract)
        self.path = path
        self.engine, self.precision = engine, precision
        self._run = run
        self._dtype = TAKES.get(contract.mode, ("", np.uint8))[1]

    def scores(self, inputs: np.ndarray) -> np.ndarray:
        return np.asarray(self._run(np.ascontiguousarray(inputs, self._dtype)), np.float32)


def is_exported(given: object) -> bool:
    """Whether *given* names an exported file, by its ending.

    >>> is_exported("photos.onnx"), is_exported("runs/photos")
    (True, False)
    """
    return isinstance(given, str | Path) and Path(given).suffix.lower() == EXPORTED


def load_exported(
    path: str | Path,
    *,
    device: str = "cpu",
    threads: int = 0,
    few: bool = False,
    engine: str = ENGINES[0],
    precision: str = PRECISIONS[0],
) -> OnnxModel:
    """The network in the ``.onnx`` file at *path*, ready to predict, without torch.

    Args:
        path: What ``striate export --to onnx`` wrote.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` (with the package onnxruntime-gpu), ``"auto"``.
        threads: That compute; 0: as many as there are processors for this process, or as ``OMP_NUM_THREADS`` says.
        few: A few items will be predicted and no more: the layers are not laid out anew for the processor, which saves
            half the time and memory of loading and makes each item slower.
        engine: ``"onnxruntime"``, or ``"openvino"`` where that package is installed.
        precision: ``"float32"``; ``"bf16"``, of openvino on processors with such instructions: the probabilities differ
            in the third digit then.

    Raises:
        ModelError: Naming the file: missing, damaged, not written by striate; or a package is not installed.
        RecipeError: There is no such device or engine, or they do not go together.
    """
    path, threads = Path(path), threads or default_threads()
    for name, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise RecipeError(f"{name} is {value!r}{nearest(value, known)}")
    if engine == ENGINES[0] and precision != PRECISIONS[0]:
        raise RecipeError(f"precision {precision} is of the engine {ENGINES[1]}; use both, or neither")
    if engine != ENGINES[0] and device not in ANY_CPU:
        raise RecipeError(f"device {device!r} is of the engine {ENGINES[0]}; {engine} computes on the cpu; omit one")
    try:
        check_regular(path)
        if other := OTHERS.get("/" if path.is_dir() else path.suffix.lower()):
            raise ModelError(f"is {other}; expected an .onnx that striate export --to onnx wrote")
        path.open("rb").close()  # what the system says, where it may not be read
        onnxruntime = _needed("onnxruntime", "pip install 'striate[runtime]'")
        providers = _providers(device, onnxruntime.get_available_providers())
        session = _session(onnxruntime, path, providers, threads, few or engine != ENGINES[0])
        contract = _contract(session.get_modelmeta().custom_metadata_map)
        _check(session, contract)
        if engine == ENGINES[0]:
            return OnnxModel(lambda x: session.run(["scores"], {"input": x})[0], contract, path)
        if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()[:4] in ("SSE4", "AVX", "AVX2"):
            precision = PRECISIONS[0]  # its bfloat16 ends the process where oneDNN is told not to use AVX-512
        return OnnxModel(_openvino(path, threads, precision), contract, path, engine, precision)
    except RecipeError:
        raise
    except FileNotFoundError:
        near = did_you_mean(near_path(path)) or "; striate export MODEL --to onnx writes one"
        raise ModelError(f"{path}: file not found{near}") from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    except Error as error:
        raise ModelError(f"{path}: {error}") from None


def _needed(package: str, command: str) -> Any:
    if find_spec(package) is None:
        raise ModelError(f"needs the package {package}: {command}")
    return import_module(package)


def _openvino(path: Path, threads: int, precision: str) -> Callable[[np.ndarray], np.ndarray]:
    openvino = _needed("openvino", "pip install openvino")
    how = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == PRECISIONS[1] else "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(os.fspath(path), "CPU", how)
    scores = compiled.output("scores")

    def run(inputs: np.ndarray) -> np.ndarray:
        with one_at_a_time(compiled):  # it has one place for inputs and outputs
            return np.array(compiled({"input": inputs})[scores])

    return run


def _session(onnxruntime: Any, path: Path, providers: list[Any], threads: int, few: bool) -> Any:
    options = onnxruntime.SessionOptions()
    if few:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.enable_cpu_mem_arena = False
    options.log_severity_level = 4  # what is wrong is raised; nothing is written to stderr by itself
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # while files are decoded
    try:
        return onnxruntime.InferenceSession(os.fspath(path), options, providers=providers)
    except Exception as error:  # each kind of damage is another class, of no common base
        why = " ".join(str(error).replace(os.fspath(path), path.name).split())
        raise ModelError(f"onnxruntime cannot read it ({why[:200]}); export it again") from None


def _contract(metadata: dict[str, str]) -> Contract:
    if "contract" not in metadata or "striate" not in metadata:
        raise ModelError("an ONNX file that was not written by striate export: its metadata contain no contract")
    if metadata["striate"] != FORMAT:
        raise ModelError(f"written as {metadata['striate'][:40]!r}, this version reads {FORMAT!r}; update striate")
    return Contract.from_json(metadata["contract"])


def _check(session: Any, contract: Contract) -> None:
    """ModelError unless the graph takes what the contract prepares, and gives its scores."""
    kind = TAKES.get(contract.mode, ("tensor(uint8)", np.uint8))[0]
    inputs = [(i.name, i.type, tuple(i.shape[1:])) for i in session.get_inputs()]
    expected = ("input", kind, contract.input)
    if [i[:2] for i in inputs] != [expected[:2]] or not _agrees(inputs[0][2], contract.input):
        raise ModelError(f"takes {_words(inputs)}, and by its contract it should be {_words([expected])}")
    outputs = {o.name: tuple(o.shape[1:]) for o in session.get_outputs()}
    shape = contract.task.outputs_of(len(contract.classes), contract.input)
    if not _agrees(outputs.get("scores", ()), shape):
        raise ModelError(f"gives {outputs}, and by its contract there should be scores of shape {list(shape)}")


def _agrees(shape: tuple[int | str, ...], expected: tuple[int, ...]) -> bool:
    """Axes that the file gives a name instead of a number may be of any length."""
    sides = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(isinstance(n, str) or n == m for n, m in sides)


def _words(inputs: list[tuple[str, str, tuple[Any, ...]]]) -> str:
    return ", ".join(f"{name}: {kind} of shape {list(shape)}" for name, kind, shape in inputs)


def _providers(device: str, there: list[str]) -> list[Any]:
    """Of onnxruntime, for a *device* by its name."""
    kind, _, number = device.partition(":")
    if kind == "auto":
        kind = "cuda" if PROVIDERS["cuda"] in there else "cpu"
    if kind not in PROVIDERS or (number and not number.isdecimal()):
        raise RecipeError(f"device {device!r} is unknown{nearest(device, [*PROVIDERS, 'auto'])}")
    if PROVIDERS[kind] not in there:
        raise RecipeError(
            f"device {device!r} is not available to onnxruntime; use cpu or auto, or install onnxruntime-gpu"
        )
    first = (PROVIDERS[kind], {"device_id": number}) if number and kind == "cuda" else PROVIDERS[kind]
    return [first, *[PROVIDERS["cpu"]] * (kind != "cpu")]


def default_threads() -> int:
    """As many as there are processors for this process, or as ``OMP_NUM_THREADS`` says.

    >>> default_threads() > 0
    True
    """
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return processors()
