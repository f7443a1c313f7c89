"""The Open Inference Protocol, version 2: a model's tensors in JSON (KServe's "V2 protocol")."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from striate._version import __version__
from striate.model.contract import IMAGES, Contract
from striate.model.predictor import meaning
from striate.service.current import Loaded
from striate.service.reading import Items, RefusedError, checked_count, image_item, json_kind, listed_keys, text_item

TYPES: dict[str, type[np.generic]] = {
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64, "INT8": np.int8,
    "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip
OUTPUTS = ("scores",)
MOST_AXES = 8
SERVER = {"name": "striate", "version": __version__, "extensions": []}


class Question(NamedTuple):
    """What is asked: prepared inputs, or items that are to be prepared; which outputs; and the id that comes back."""

    inputs: np.ndarray | None
    items: Items
    outputs: tuple[str, ...]
    id: str | None


def model_metadata(loaded: Loaded) -> dict[str, Any]:
    """What ``GET /v2/models/NAME`` says."""
    contract = loaded.contract
    shape = list(contract.task.outputs_of(len(contract.classes), contract.input))
    return {
        "name": loaded.name,
        "versions": [str(loaded.version)],
        "platform": "striate",
        "inputs": [{"name": "input", "datatype": _datatype(contract), "shape": [-1, *contract.input]}]
        + ([{"name": named, "datatype": "BYTES", "shape": [-1]}] if (named := _bytes_input(contract)) else []),
        "outputs": [{"name": name, "datatype": "FP32", "shape": [-1, *shape]} for name in _outputs(contract)],
    }


def _datatype(contract: Contract) -> str:
    return {"values": "FP32", "text": "INT64"}.get(contract.mode, "UINT8")


def _bytes_input(contract: Contract) -> str:
    return "text" if contract.mode == "text" else "image" if contract.mode in IMAGES else ""


def _outputs(contract: Contract) -> tuple[str, ...]:
    """The names of the outputs, as an exported file has them."""
    return ("probabilities" if contract.task.activation else "values", "scores")


def question_in(document: Any, contract: Contract, most: int) -> Question:
    """What the JSON of ``POST /v2/models/NAME/infer`` asks.

    Args:
        document: The JSON.
        contract: Of the model.
        most: Items at most.

    Raises:
        RefusedError: It is no such question, or its tensor is not what it says, or not what the model takes.
    """
    if not isinstance(document, dict):
        raise RefusedError(400, f"the JSON is {json_kind(document)}; expected an object with inputs")
    given = document.get("inputs")
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
        raise RefusedError(400, f'expected "inputs" with one tensor, {_inputs_text(contract)}')
    id = document.get("id")
    if not (id is None or (isinstance(id, str) and len(id) <= 1000)):
        raise RefusedError(400, "the id is not a text of 1,000 characters at most")
    outputs = _asked(document.get("outputs"), contract)
    tensor = given[0]
    name, shape = tensor.get("name"), _shape(tensor.get("shape"))
    if name == _bytes_input(contract) and name:
        if tensor.get("datatype") != "BYTES" or len(shape) != 1:
            raise RefusedError(400, f'the tensor "{name}" is of datatype BYTES and of shape [N]')
        data = tensor.get("data")
        if not isinstance(data, list) or len(data) != shape[0]:
            raise _wrong_count(data, shape)
        one = text_item if name == "text" else image_item
        return Question(None, checked_count([one(each) for each in data[: most + 1]], most), outputs, id)
    if name != "input":
        came = f"has {listed_keys(tensor)}" if not isinstance(name, str) else f"is called {name[:40]!r}"
        raise RefusedError(400, f"the tensor {came}; expected {_inputs_text(contract)}")
    return Question(_tensor(tensor, shape, contract, most), [], outputs, id)


def _inputs_text(contract: Contract) -> str:
    named = _bytes_input(contract)
    first = f'"input" of datatype {_datatype(contract)} and shape {[-1, *contract.input]}'
    return first + (f', or "{named}" of datatype BYTES and shape [-1]' if named else "")


def _asked(given: Any, contract: Contract) -> tuple[str, ...]:
    known = _outputs(contract)
    if given is None or given == []:
        return known[:1]
    names = [each.get("name") if isinstance(each, dict) else None for each in given] if isinstance(given, list) else []
    if not names or len(names) > len(known) or not set(map(str, names)) <= set(known):
        raise RefusedError(400, f"the outputs asked for are not known; this model has {' and '.join(known)}")
    return (*dict.fromkeys(map(str, names)),)


def _shape(given: Any) -> tuple[int, ...]:
    whole = isinstance(given, list) and 0 < len(given) <= MOST_AXES and all(type(n) is int for n in given)
    if not whole or not all(0 < n < 1 << 40 for n in given):
        raise RefusedError(400, "the tensor's shape is not a list of whole numbers above 0")
    return (*given,)


def _wrong_count(data: Any, shape: tuple[int, ...]) -> RefusedError:
    came = f"{len(data):,} values" if isinstance(data, list) else json_kind(data)
    return RefusedError(400, f"the tensor's data are {came}, which is not what its shape {list(shape)} says")


def _tensor(tensor: dict[str, Any], shape: tuple[int, ...], contract: Contract, most: int) -> np.ndarray:
    """A tensor of prepared inputs, ``(N, *contract.input)`` and of the right type."""
    wanted, datatype = TYPES[_datatype(contract)], tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in TYPES:
        raise RefusedError(400, f"the tensor's datatype is not one of {', '.join(TYPES)}")
    if shape[1:] != contract.input:
        raise RefusedError(400, f"the tensor's shape is {list(shape)}; expected {[-1, *contract.input]}")
    if shape[0] > most:
        raise RefusedError(413, f"the tensor has {shape[0]:,} items; send {most:,} at most")
    data = tensor.get("data")
    try:
        array = np.asarray(data) if isinstance(data, list) else np.empty(0)
    except (ValueError, OverflowError):  # lists of different lengths; too large a number
        array = np.empty(0, object)
    count = int(np.prod(shape))
    if array.dtype.kind not in "iuf":
        raise RefusedError(400, "the tensor's data are not numbers, flat or in lists like its shape")
    if array.size != count or array.shape not in ((count,), shape):
        raise (
            _wrong_count(data if array.ndim == 1 else None, shape)
            if array.ndim == 1
            else RefusedError(
                400, f"the tensor's data are of shape {list(array.shape)}, and its shape says {list(shape)}"
            )
        )
    if wanted is np.float32:
        with np.errstate(over="ignore"):
            values = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise RefusedError(400, "the tensor's data are not all finite as FP32")
        return values.reshape(shape)
    low, high = (0, len(contract.vocabulary) + 1) if contract.mode == "text" else (0, 255)
    if not (np.equal(np.floor(array), array).all() and array.min() >= low and array.max() <= high):
        raise RefusedError(400, f"the tensor's data are not all whole numbers from {low} to {high:,}")
    return array.astype(wanted).reshape(shape)


def reply_of(loaded: Loaded, asked: Question, scores: np.ndarray) -> dict[str, Any]:
    """The answer to a question, from the *scores* ``(N, ...)`` of its items."""
    of = {"scores": scores}
    of[_outputs(loaded.contract)[0]] = meaning(scores, loaded.contract)
    outputs = [
        {
            "name": name,
            "datatype": "FP32",
            "shape": [*of[name].shape],
            "data": of[name].astype(np.float32).ravel().tolist(),
        }
        for name in asked.outputs
    ]
    more = {} if asked.id is None else {"id": asked.id}
    return {"model_name": loaded.name, "model_version": str(loaded.version), **more, "outputs": outputs}
