"""Official weights into a net of ours: every name and shape agrees, both ways, before a number is read."""

from __future__ import annotations

import re
import zipfile
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from striate.errors import ModelError, did_you_mean, shape_text
from striate.files import check_regular, near_path
from striate.net.build import assemble
from striate.net.weights_tables import Table, their_shape, translate
from striate.spec import Graph, Shape

COUNTER = "num_batches_tracked"  # what files from before PyTorch 0.4.1 do not have; only a momentum of None reads it
MOST_LINES = 40


class Wanted(NamedTuple):
    """A tensor that a file must contain: our name for it, its dtype and shape there, its shape here."""

    ours: str
    dtype: str
    there: Shape
    here: Shape


def wanted(graph: Graph, table: Table) -> dict[str, Wanted]:
    """What a file of weights for *graph* must contain, by torchvision's names, in our order.

    >>> from striate.net.weights_tables import TABLES
    >>> from striate.spec import parse
    >>> wanted(parse("input 3x11x11; conv 64 11"), TABLES["alexnet_owt"])["features.0.bias"].ours
    'conv1.bias'
    """
    result: dict[str, Wanted] = {}
    for ours, value in assemble(graph).state_dict().items():
        found = translate(ours, table.rules)
        assert found, f"the table of {table.theirs} has no rule for {ours}"
        theirs, form = found
        assert theirs not in result, f"the table of {table.theirs} gives {theirs} twice"
        here = tuple(value.shape)
        result[theirs] = Wanted(ours, str(value.dtype).removeprefix("torch."), their_shape(here, form), here)
    return result


def matches(stored: Stored, table: Table, want: Mapping[str, Wanted]) -> int:
    """How many of the expected tensors *stored* has under a name of the table and in the shape."""
    return sum(
        name in stored.tensors and stored.tensors[name][1] == w.there for name, w in _names(stored, table, want).items()
    )


def take(stored: Stored, graph: Graph, table: Table, whole: Graph | None = None) -> tuple[dict[str, Tensor], list[str]]:
    """The state dict of *graph* from the file, and what is to be said about it.

    Args:
        stored: The open file.
        graph: The net that the weights are for.
        table: The foreign names.
        whole: The net with its side heads, where *graph* is made without: a file may contain their weights, all of
            them and as they should be, and they are left out.

    Raises:
        ModelError: With the sorted list of all that is missing, too much, misshapen or of another dtype.
    """
    want = wanted(graph, table)
    all_of_it = wanted(whole, table) if whole else want
    sides = sorted(stored.tensors.keys() & (all_of_it.keys() - want.keys()))
    named = _names(stored, table, all_of_it if sides else want)
    faults = _faults(stored, named)
    if faults:
        raise ModelError(_refusal(stored, f"torchvision's {table.theirs}", faults))
    state: dict[str, Tensor] = {}
    counters = 0
    for name, w in _names(stored, table, want).items():
        counters += name not in stored.tensors
        state[w.ours] = _read(stored, name, w) if name in stored.tensors else torch.zeros((), dtype=torch.int64)
    notes = []
    if counters:
        notes.append(f"{counters} counters ({COUNTER}) are not in the file, as in all old ones; they begin at 0")
    if sides:
        heads = sorted({name.split(".")[0] for name in sides})
        notes.append(f"left out: the side heads {' and '.join(heads)} ({len(sides)} tensors)")
    return state, notes


def _names(stored: Stored, table: Table, want: Mapping[str, Wanted]) -> dict[str, Wanted]:
    """*want* by the names that this file uses: where it has an old name instead of today's, that."""
    result = {}
    for name, w in want.items():
        old = None if name in stored.tensors else translate(name, table.aliases)
        result[old[0] if old and old[0] in stored.tensors else name] = w
    return result


def _faults(stored: Stored, named: Mapping[str, Wanted]) -> list[str]:
    """A line for every tensor that is missing, too much, or not as it should be, sorted by name."""
    lines = []
    for name in sorted(named.keys() | stored.tensors.keys()):
        came, w = stored.tensors.get(name), named.get(name)
        if w is None:
            lines.append(f"extra      {name}")
        elif came is None:
            if not name.endswith(COUNTER):
                lines.append(f"missing    {name} ({_size(w.there)})")
        elif came[1] != w.there:
            lines.append(f"misshapen  {name} is {_size(came[1])}, expected {_size(w.there)}")
        elif came[0] != w.dtype:
            lines.append(f"mistyped   {name} is {came[0]}, expected {w.dtype}")
    return lines


def _refusal(stored: Stored, whose: str, faults: list[str]) -> str:
    count = f"{len(faults)} fault{'s' * (len(faults) > 1)}"
    lines = [f"{stored.path}: does not contain the weights of {whose}, {count}:"]
    lines += [f"  {fault}" for fault in faults[:MOST_LINES]]
    lines += [f"  and {len(faults) - MOST_LINES} more"] * (len(faults) > MOST_LINES)
    if any(fault.startswith("mistyped") for fault in faults):
        lines.append("save them as float32 first: {name: value.float() for name, value in state_dict.items()}")
    return "\n".join(lines)


def _size(shape: Shape) -> str:
    return shape_text(shape) or "one number"


def _read(stored: Stored, name: str, w: Wanted) -> Tensor:
    value = stored.read(name)
    if not torch.isfinite(value).all():
        raise ModelError(f"{stored.path}: {name} contains values that are no numbers (NaN or infinite); fetch it again")
    return value.reshape(w.here)


def without_prefix(stored: Stored, names: Collection[str]) -> Stored:
    """*stored* by the names of a network, without what stands before them: ``module.`` of DataParallel, ``_orig_mod.``
    of torch.compile, ``model.`` of Lightning. It is that before most of *names*; tensors without it (an average of
    the weights, a loss) are left out.

    Raises:
        ModelError: Several would do, and none is usual.
    """
    parts = [name.split(".") for name in stored.tensors]
    starts = {"", *(".".join(p[:n]) + "." for p in parts for n in range(1, min(3, len(p))))}
    counts = {start: sum(start + name in stored.tensors for name in names) for start in starts}
    best = [start for start in sorted(starts, key=lambda s: (len(s), s)) if counts[start] == max(counts.values())]
    start = next((usual for usual in USUAL if usual in best), best[0])
    if start not in USUAL and len(best) > 1 and counts[start]:
        kept = f"{{k.removeprefix({start!r}): v for k, v in state_dict.items() if k.startswith({start!r})}}"
        raise ModelError(
            f"{stored.path}: contains the weights of {len(best)} networks, under {', '.join(best)}; save the one that "
            f"is meant: torch.save({kept}, ...)"
        )
    tensors = {name.removeprefix(start): value for name, value in stored.tensors.items() if name.startswith(start)}
    return Stored(stored.path, tensors, lambda name: stored.read(start + name))


def load_weights(module: nn.Module, stored: Stored, *, strict: bool = True) -> list[str]:
    """Loads *stored* into somebody's own *module*, by its own names; gives the names of what is not in the file.

    Args:
        module: Any module; it is changed.
        stored: The open file.
        strict: Every tensor has to be there in its shape, and no other; else those are loaded that fit.

    Raises:
        ModelError: With the sorted list of all that does not fit; or nothing fits.
    """
    own = module.state_dict()
    stored = without_prefix(stored, own)
    want = {name: _wanted_by(name, value, stored) for name, value in own.items()}
    fits = [name for name, w in want.items() if stored.tensors.get(name) == (w.dtype, w.there)]
    if not any(name in stored.tensors and stored.tensors[name][1] == w.there for name, w in want.items()):
        there, here = (", ".join([*names][:3]) for names in (stored.tensors, own))
        raise ModelError(
            f"{stored.path}: no tensor in it ({there}, ...) has the name and the shape of one of the "
            f"{type(module).__name__} ({here}, ...); it is of another network"
        )
    faults = _faults(stored, want)
    if faults and (strict or not fits):
        way = "\nto fine-tune it, the layers that fit are enough: striate train DATA --net FILE.py:NAME --weights "
        raise ModelError(
            f"{_refusal(stored, f'the {type(module).__name__}', faults)}{f'{way}{stored.path}' * bool(fits)}"
        )
    state = {name: _read(stored, name, want[name]) for name in fits}
    module.load_state_dict(state, strict=False)
    return [name for name in own if name not in state and not name.endswith(COUNTER)]


def _wanted_by(name: str, value: Tensor, stored: Stored) -> Wanted:
    """What a module wants under *name*: numbers of any precision but 8 bits, which need scales; of a lazy layer any
    shape.
    """
    came = stored.tensors.get(name)
    lazy = isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer)
    shape = came[1] if came and lazy else () if lazy else tuple(value.shape)
    real = came is not None and came[0] in FLOATS and value.is_floating_point()
    return Wanted(name, came[0] if came and real else str(value.dtype).removeprefix("torch."), shape, shape)


def is_foreign(path: Path) -> bool:
    """Whether *path* is called as a file of weights that is no model file of striate."""
    if path.suffix.lower() != ".safetensors":
        return path.suffix.lower() in WEIGHTS
    try:
        with safe_open(path, framework="pt") as file:
            return "striate" not in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


OLD_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # torch's files before 1.6: pickles one behind the other
ZIP = b"PK\x03\x04"
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64", "I64": "int64", "I32": "int32"}
FLOATS = ("float16", "bfloat16", "float32", "float64")
FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")  # in torch's message: what a pickle asked for
WEIGHTS = (".pth", ".pt", ".ckpt", ".bin")  # what torch.save's files are called
USUAL = ("", "module.", "model.", "net.", "module._orig_mod.", "_orig_mod.")  # one of these is meant where several fit
WRAPPED = ("state_dict", "model", "model_state_dict", "net", "weights")  # where checkpoints keep the weights


@dataclass(frozen=True)
class Stored:
    """What a file contains: each tensor's dtype and shape by its name; ``read(name)`` gives a tensor of one's own."""

    path: Path
    tensors: dict[str, tuple[str, Shape]]
    read: Callable[[str], Tensor]


def open_weights(path: str | Path) -> Stored:
    """The weights in the file at *path*: a state dict written by ``torch.save``, alone or in a checkpoint, or a
    ``.safetensors`` file.

    Tensors stay on the disk until they are read (but for files of torch before 1.6, which are read at once).

    Raises:
        ModelError: Naming the file: it is missing, damaged or foreign, asks for something to be run, or does not
            contain tensors under names.
    """
    path = Path(path)
    try:
        check_regular(path)
        with path.open("rb") as file:
            start = file.read(len(OLD_TORCH))
        if start.startswith(b"version https"[: len(start)]) and start:
            raise ModelError(f"{path}: a pointer of Git LFS and not the file itself; fetch it with: git lfs pull")
        if start.startswith(ZIP):
            sizes = _check_zip(path)
            state = _state_of(_load(path, mmap=True))
            _check_storages(path, state, sizes)
            return _from_state_dict(path, state)
        if start == OLD_TORCH:
            return _from_state_dict(path, _state_of(_load(path, mmap=False)))
        return _from_safetensors(path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = f"file not found{did_you_mean(near_path(path))}" if missing else error.strerror or error
        raise ModelError(f"{path}: {why}") from None


def program_in(path: Path) -> str:
    """What a file of PyTorch is that contains a program instead of weights, and how it is analysed; "" of another."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
        return ""
    if any("/models/" in name and name.endswith(".json") for name in names):
        kind, loaded = "an exported program", f"torch.export.load({str(path)!r}).module()"
    elif any(name.endswith("/constants.pkl") for name in names):
        kind, loaded = "a TorchScript program", f"torch.jit.load({str(path)!r})"
    else:
        return ""
    return (
        f"it is {kind} of PyTorch; to analyse it, if it is from somebody you trust: striate.check({loaded}, "
        "input=(3, 224, 224)) in Python, with the input's own size"
    )


def _check_zip(path: Path) -> list[int]:
    """The sizes of its members; ModelError unless *path* is a whole zip archive whose members lie in it as they are, as
    torch.save writes it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise ModelError(
            f"{path}: a damaged file, or one cut short ({error}: the table at the end of the zip archive cannot be "
            f"read); fetch it again"
        ) from None
    if program := program_in(path):
        raise ModelError(f"{path}: contains no weights alone: {program}")
    if not any(member.filename.endswith("/data.pkl") for member in members):
        raise ModelError(f"{path}: a zip archive, but not one that torch.save wrote (it has no data.pkl)")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise ModelError(
                f"{path}: {member.filename} in it is compressed, which torch.save never does; save it again"
            )
    return [member.file_size for member in members]


def _check_storages(path: Path, stored: object, sizes: list[int]) -> None:
    """ModelError unless each tensor's storage is as long as a member of the archive: a mapped one that was cut would go
    on into what follows it.
    """
    tensors = [value for value in stored.values() if isinstance(value, Tensor)] if isinstance(stored, Mapping) else []
    plain = [tensor.untyped_storage() for tensor in tensors if tensor.layout is torch.strided and not tensor.is_meta]
    needed = Counter({storage.data_ptr(): storage.nbytes() for storage in plain if storage.nbytes()}.values())
    if missing := needed - Counter(sizes):
        raise ModelError(
            f"{path}: damaged: a tensor needs a storage of {next(iter(missing)):,} bytes, the file has none of that "
            f"size; fetch it again"
        )


def _load(path: Path, mmap: bool) -> Any:
    """What torch.save wrote, as far as it is plain data: the one place in striate where a pickle is read."""
    try:
        with torch.serialization.safe_globals([Namespace]):  # Lightning's checkpoints of old have one, plain data
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except OSError:
        raise
    except Exception as error:  # a pickle can be wrong in any way that Python knows
        asked = FORBIDDEN.search(str(error))
        if asked:
            if "Uninitialized" in asked[1]:
                raise ModelError(
                    f"{path}: was saved before the lazy layers of the network had sizes; run it on a batch and save "
                    f"it again"
                ) from None
            raise ModelError(
                f"{path}: refused, nothing was run: its pickle asks for {asked[1]}, which weights do not need. "
                f"If it is a whole module that you saved yourself, save its weights alone: "
                f"torch.save(module.state_dict(), ...)"
            ) from None
        why = (str(error).strip().splitlines() or [""])[-1 if "Weights only" in str(error) else 0][:200]
        raise ModelError(f"{path}: cannot be read as weights ({type(error).__name__}: {why}); fetch it again") from None


def _state_of(value: Any) -> Any:
    """The state dict in a checkpoint, which has more beside it; what is none, as it is."""
    found = (value[name] for name in WRAPPED if isinstance(value, Mapping) and isinstance(value.get(name), Mapping))
    return next(found, value)


def _from_state_dict(path: Path, value: Any) -> Stored:
    if not isinstance(value, Mapping):
        raise ModelError(
            f"{path}: contains a {type(value).__name__}; expected a state dict: torch.save(module.state_dict(), ...)"
        )
    for key, tensor in value.items():
        plain = isinstance(tensor, Tensor) and tensor.layout is torch.strided and not tensor.is_quantized
        if not isinstance(key, str) or not plain:
            what = type(tensor).__name__ + (f" ({tensor.layout})" if isinstance(tensor, Tensor) else "")
            raise ModelError(
                f"{path}: contains a {what} under {key!r}; expected plain tensors under names (a state dict)"
            )
    described = {key: (str(t.dtype).removeprefix("torch."), tuple(t.shape)) for key, t in value.items()}
    return Stored(path, described, lambda name: _own(value[name]))


def _from_safetensors(path: Path) -> Stored:
    try:
        file: Any = safe_open(path, framework="pt")
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        described = {name: (_dtype(s.get_dtype()), tuple(s.get_shape())) for name, s in slices.items()}
    except SafetensorError as error:
        known = path.suffix == ".safetensors"
        what = f"a damaged safetensors file ({error})" if known else "not a file of weights (.pth or .safetensors)"
        raise ModelError(
            f"{path}: {what}; expected a state dict that torch.save wrote (.pth) or a .safetensors file"
        ) from None
    if "striate" in (file.metadata() or {}):
        raise ModelError(f"{path}: is a model of striate already; give it to train --weights, evaluate or predict")
    return Stored(path, described, lambda name: _own(file.get_tensor(name)))


def _dtype(name: str) -> str:
    return DTYPES.get(name, name)


def _own(tensor: Tensor) -> Tensor:
    """A copy in memory of its own: the file behind a mapped tensor may change or go."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)
