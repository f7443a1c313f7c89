"""A file of somebody's weights: names, shapes and types first, numbers when asked for. Nothing in it is run."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from striate.errors import ModelError
from striate.spec import Shape

OLD_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # torch's files before 1.6: pickles one behind the other
ZIP = b"PK\x03\x04"
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64", "I64": "int64", "I32": "int32"}
FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")  # in torch's message: what a pickle asked for
WRAPPED = ("state_dict", "model", "model_state_dict", "net", "weights")  # where checkpoints keep the weights


@dataclass(frozen=True)
class Stored:
    """What a file holds: each tensor's dtype and shape by its name; ``read(name)`` gives a tensor of one's own."""

    path: Path
    tensors: dict[str, tuple[str, Shape]]
    read: Callable[[str], Tensor]


def open_weights(path: str | Path) -> Stored:
    """The weights in the file at *path*: a state dict written by ``torch.save``, or a ``.safetensors`` file.

    Tensors stay on the disk until they are read (but for files of torch before 1.6, which are read at once).

    Raises:
        ModelError: Naming the file: it is missing, damaged or foreign, asks for something to be run, or does not
            hold tensors under names.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(len(OLD_TORCH))
        if start.startswith(ZIP):
            _check_zip(path)
            return _from_state_dict(path, _load(path, mmap=True))
        if start == OLD_TORCH:
            return _from_state_dict(path, _load(path, mmap=False))
        return _from_safetensors(path, start)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise ModelError(f"{path}: {'there is no such file' if missing else error.strerror or error}") from None


def _check_zip(path: Path) -> None:
    """ModelError unless *path* is a whole zip archive whose members lie in it as they are, as torch.save writes it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise ModelError(
            f"{path}: a damaged file, or one cut short ({error}: the table at the end of the zip archive cannot be "
            f"read); fetch it again"
        ) from None
    if not any(member.filename.endswith("/data.pkl") for member in members):
        raise ModelError(f"{path}: a zip archive, but not one that torch.save wrote (it has no data.pkl)")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise ModelError(f"{path}: {member.filename} in it is compressed, which torch.save never does; save anew")


def _load(path: Path, mmap: bool) -> Any:
    """What torch.save wrote, as far as it is plain data: the one place in striate where a pickle is read."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except OSError:
        raise
    except Exception as error:  # a pickle can be wrong in any way that Python knows
        asked = FORBIDDEN.search(str(error))
        if asked:
            raise ModelError(
                f"{path}: refused, nothing was run: its pickle asks for {asked[1]}, which weights do not need. "
                f"If it is a whole module that you saved yourself, save its weights alone: "
                f"torch.save(module.state_dict(), ...)"
            ) from None
        why = (str(error).strip().splitlines() or [""])[-1 if "Weights only" in str(error) else 0][:200]
        raise ModelError(f"{path}: cannot be read as weights ({type(error).__name__}: {why}); fetch it again") from None


def _from_state_dict(path: Path, value: Any) -> Stored:
    if not isinstance(value, Mapping):
        raise ModelError(
            f"{path}: holds a {type(value).__name__}; wanted a state dict: torch.save(module.state_dict(), ...)"
        )
    for name in WRAPPED:
        if isinstance(value.get(name), Mapping):
            held = ", ".join(map(str, list(value)[:6]))
            raise ModelError(
                f"{path}: holds a checkpoint ({held}), with the weights under {name!r}; save those alone: "
                f"torch.save(checkpoint[{name!r}], ...)"
            )
    for key, tensor in value.items():
        plain = isinstance(tensor, Tensor) and tensor.layout is torch.strided and not tensor.is_quantized
        if not isinstance(key, str) or not plain:
            what = type(tensor).__name__ + (f" ({tensor.layout})" if isinstance(tensor, Tensor) else "")
            raise ModelError(f"{path}: holds a {what} under {key!r}; wanted plain tensors under names (a state dict)")
    described = {key: (str(t.dtype).removeprefix("torch."), tuple(t.shape)) for key, t in value.items()}
    return Stored(path, described, lambda name: _own(value[name]))


def _from_safetensors(path: Path, start: bytes) -> Stored:
    try:
        file: Any = safe_open(path, framework="pt")
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        described = {name: (_dtype(s.get_dtype()), tuple(s.get_shape())) for name, s in slices.items()}
    except SafetensorError as error:
        known = path.suffix == ".safetensors"
        what = f"a damaged safetensors file ({error})" if known else f"not a file of weights (it begins with {start!r})"
        raise ModelError(
            f"{path}: {what}; wanted a state dict that torch.save wrote (.pth) or a .safetensors file"
        ) from None
    if "striate" in (file.metadata() or {}):
        raise ModelError(f"{path}: is a model of striate already; give it to train --weights, evaluate or predict")
    return Stored(path, described, lambda name: _own(file.get_tensor(name)))


def _dtype(name: str) -> str:
    return DTYPES.get(name, name)


def _own(tensor: Tensor) -> Tensor:
    """A copy in memory of its own: the file behind a mapped tensor may change or go."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)
