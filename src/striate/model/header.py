"""What a model file is, from its header alone: no torch, and nothing believed before it is checked.

A model is one safetensors file: 8 bytes with the header's length, the header as JSON, the weights. The header's
metadata contain the net as text and the contract as JSON. There is nothing in it that runs.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from striate.errors import Error, ModelError, did_you_mean
from striate.files import check_regular, near_path
from striate.model.contract import EXPORTED, Contract
from striate.model.contract import FORMAT as FORMAT
from striate.spec import Graph, Shape, parse
from striate.spec.op import shown, word

MODEL_FILE = "model.safetensors"  # its name in a run's folder
WRITES = f"; a trained model is what striate train writes: runs/NAME, or its {MODEL_FILE}"
MOST = 16 * 2**20  # bytes of a header: thousands of layers fit in a tenth of it
MOST_LAYERS = 2_000
MOST_TENSORS = 10_000
LONGEST_LINE = 4_096  # characters of a layer's line
LARGEST_NUMBER = 2**31  # of a layer's fields, such as a kernel's size
MOST_AXES = 8  # of a tensor
LARGEST_INPUT = 16_384  # pixels along a side
OURS = ("F32", "I64")  # the dtypes of networks that striate builds
BYTES = {"F32": 4, "I64": 8, "F64": 8, "F16": 2, "BF16": 2, "I32": 4, "U8": 1, "BOOL": 1}  # of other modules too
FOREIGN = {
    b"PK\x03\x04": "a zip archive, such as a PyTorch .pth or .pt2",
    b"\x80\x02": "a Python pickle",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x1f\x8b": "a gzip file",
    b"TFL3": "a TFLite model",  # behind four bytes
}


@dataclass(frozen=True)
class Header:
    """A checked header: the net, the contract, and each tensor's dtype and shape.

    Of somebody's own module there is no net; *code* says whose weights they are, in words that nothing runs.
    *estimator* is what :meth:`striate.Classifier.save` adds: its parameters and classes, as JSON.
    """

    graph: Graph | None
    contract: Contract
    tensors: dict[str, tuple[str, Shape]]
    code: str = ""
    estimator: str = ""


def model_file(path: str | Path) -> Path:
    """The model file that *path* means: itself, or the one in a run's folder.

    Raises:
        ModelError: The folder contains none; it is an exported file.
    """
    if not isinstance(path, str | Path):
        raise ModelError(f"got a {type(path).__name__} for a model file; expected its path")
    path = Path(path)
    if path.suffix.lower() == EXPORTED:
        raise ModelError(
            f"{path}: is an exported file, which predict, evaluate and serve take, and striate.runtime.load; for all "
            f"else give the model that it was exported from"
        )
    if not path.is_dir():
        return path
    if not (path / MODEL_FILE).is_file():
        raise ModelError(
            f"{path}: this folder contains no {MODEL_FILE}; name the folder of a finished run, or a model file"
        )
    return path / MODEL_FILE


def near_model(path: str | Path) -> str:
    """What a *path* that is not there may have meant: a run of that name or one like it, else what is near; or "".

    >>> near_model("no such model")
    ''
    """
    run = Path("runs") / path
    return str(run) if run.exists() else (near_path(run) if Path("runs").is_dir() else "") or near_path(path)


def code_and_path(given: str | Path) -> tuple[str, str]:
    """Somebody's code and the model file (or folder) behind it, as a person writes both; the code is "" of ours.

    >>> code_and_path("my_net.py:Net@runs/mine"), code_and_path("runs/ours")
    (('my_net.py:Net', 'runs/mine'), ('', 'runs/ours'))
    """
    both = re.fullmatch(r"(?s)(.+\.py:\w+)@(.+)", str(given).strip())
    return (both[1], both[2]) if both else ("", str(given))


def is_model(path: str | Path) -> bool:
    """Whether *path* is a model file, an exported one, a folder that contains one, or somebody's code before such
    (``FILE.py:NAME@``).

    >>> is_model("digits"), is_model("my_net.py:Net@mine.safetensors")
    (False, True)
    """
    path = Path(code_and_path(path)[1])
    return (path / MODEL_FILE).is_file() if path.is_dir() else path.suffix in (".safetensors", EXPORTED)


def read_header(path: Path) -> Header:
    """The header of the model file at *path*.

    Raises:
        ModelError: Naming the file: it is missing, foreign, damaged, cut short, or not a model of ours.
    """
    try:
        raw = _read_json(path)
        about = raw.pop("__metadata__", None)
        if not isinstance(about, dict) or "striate" not in about:
            raise ModelError("a safetensors file, but not a model of striate: its metadata do not say so")
        if about["striate"] != FORMAT:
            raise ModelError(f"written as {about['striate']!r}, this version reads {FORMAT!r}; update striate")
        kind = "code" if "code" in about else "net"
        estimator = about.setdefault("estimator", "")
        for key in (kind, "contract", "estimator"):
            if not isinstance(about.get(key), str):
                raise ModelError(f"the metadata contain no {key}")
        unknown = sorted(about.keys() - {"striate", kind, "contract", "estimator"})
        if unknown:
            raise ModelError(f"the metadata contain the unknown key {unknown[0]!r}")
        tensors = {name: (t["dtype"], tuple(t["shape"])) for name, t in raw.items()}
        if kind == "code":
            return Header(None, Contract.from_json(about["contract"]), tensors, about["code"][:LONGEST_LINE], estimator)
        graph, contract = _read_net(about["net"]), Contract.from_json(about["contract"])
        check_agree(graph, contract)
        return Header(graph, contract, tensors, estimator=estimator)
    except Error as error:
        raise ModelError(f"{path}: {error}") from None
    except OSError as error:
        raise ModelError(f"{path}: {_why(path, error)}") from None


def _read_net(text: str) -> Graph:
    """The graph in *text*, which is no larger than a network can be: a file may ask for endless work otherwise."""
    lines = re.split("[\n;]", text)
    if len(lines) > MOST_LAYERS or max(map(len, lines)) > LONGEST_LINE:
        raise ModelError(
            f"its net has more than {MOST_LAYERS:,} layers, or a line of more than {LONGEST_LINE:,} letters"
        )
    graph = parse(text)
    for node in graph.nodes:
        for _, value, _ in shown(node.op):
            if any(type(n) is int and n > LARGEST_NUMBER for n in (value if isinstance(value, tuple) else (value,))):
                raise ModelError(f"{node.name}: a field of its {word(node.op)} is larger than {LARGEST_NUMBER:,}")
    return graph


def _why(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"file not found{did_you_mean(near_model(path)) or WRITES}"
    if isinstance(error, IsADirectoryError):
        return f"this is a folder; name the {MODEL_FILE} in it"
    return error.strerror or str(error)


def _read_json(path: Path) -> dict[str, Any]:
    """The header as JSON, with every tensor's place in the file checked."""
    check_regular(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        start, brace = file.read(8), file.read(1)
        for magic, what in FOREIGN.items():
            # a header's length may begin with the same bytes, but a brace follows
            if magic in (start[: len(magic)], start[4:8]) and brace != b"{":
                raise ModelError(f"this is {what}, not a striate model file (.safetensors) or an exported .onnx")
        if len(start) < 8:
            raise ModelError(f"only {size} bytes long; the file was truncated or never written")
        (length,) = struct.unpack("<Q", start)
        if length > MOST:
            raise ModelError("not a safetensors file: its first 8 bytes are not a header's length")
        if 8 + length > size:
            raise ModelError(f"cut short: the header should end at byte {8 + length:,}, the file ends at {size:,}")
        text = brace + file.read(length - 1) if length else b""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelError("not a safetensors file: its header is not JSON") from None
    if not isinstance(raw, dict):
        raise ModelError("not a safetensors file: its header is not an object")
    _check_places(raw, size - 8 - length)
    return raw


def _check_places(raw: dict[str, Any], room: int) -> None:
    """Every tensor has a dtype of ours, a shape, and its own bytes; together they fill the file."""
    end = 0
    tensors = [(name, value) for name, value in raw.items() if name != "__metadata__"]
    if len(tensors) > MOST_TENSORS:
        raise ModelError(f"{len(tensors):,} tensors are more than any net of ours has ({MOST_TENSORS:,} at most)")
    for name, value in tensors:
        if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
            raise ModelError(f"the tensor {name!r} is not described by dtype, shape and data_offsets")
        if not isinstance(value["dtype"], str) or value["dtype"] not in BYTES:
            came = repr(value["dtype"])[:80]
            raise ModelError(f"the tensor {name!r} has dtype {came}; expected {' or '.join(OURS)}")
        for key, count in (("shape", None), ("data_offsets", 2)):
            if not _whole(value[key], count):
                raise ModelError(f"the tensor {name!r} has {key} {str(value[key])[:80]}; expected a few whole numbers")
    for name, value in sorted(tensors, key=lambda item: item[1]["data_offsets"]):
        begin, stop = value["data_offsets"]
        if begin != end or stop - begin != prod(value["shape"]) * BYTES[value["dtype"]]:
            raise ModelError(
                f"the tensor {name!r} lies at bytes {begin} to {stop}, which does not agree with its shape or the "
                f"tensors beside it"
            )
        end = stop
    if end > room:
        raise ModelError(f"cut short: the weights need {end:,} bytes, the file has {room:,}")
    if end < room:
        raise ModelError(f"{room - end:,} bytes too many behind the weights")


def with_sorted_metadata(file: bytes) -> bytes:
    """A safetensors *file* whose metadata are in alphabetical order: the library writes them in a random one, and equal
    models are to be equal files.

    >>> from safetensors.numpy import save
    >>> made = save({}, {"b": "2", "a": "1"})
    >>> with_sorted_metadata(made)[8:].strip()
    b'{"__metadata__":{"a":"1","b":"2"}}'
    """
    (length,) = struct.unpack("<Q", file[:8])
    header = json.loads(file[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the weights begin at a multiple of eight bytes
    return struct.pack("<Q", len(text)) + text + file[8 + length :]


def _whole(value: object, count: int | None) -> bool:
    return (
        isinstance(value, list)
        and (len(value) <= MOST_AXES if count is None else len(value) == count)
        and all(type(n) is int and 0 <= n < 2**48 for n in value)
    )


def check_agree(graph: Graph, contract: Contract) -> None:
    """ModelError unless the net takes what the contract prepares."""
    if graph.input != contract.input:
        raise ModelError(f"the net takes {graph.input}, the contract says {contract.input}")
    if max(contract.input) > LARGEST_INPUT:
        raise ModelError(f"an input of {contract.input} is larger than any that striate takes ({LARGEST_INPUT} a side)")


def check_outputs(outputs: Shape, contract: Contract) -> None:
    """ModelError unless the net's output is what the contract's task needs."""
    task, n = contract.task, len(contract.classes)
    expected = task.outputs_of(n, contract.input)
    if outputs != expected:
        needed = "" if expected == (n,) else f", for {task} expected {list(expected)}"
        raise ModelError(f"the net gives an output of shape {list(outputs)}, the contract has {task.count(n)}{needed}")
