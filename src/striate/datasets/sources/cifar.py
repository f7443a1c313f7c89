"""CIFAR's own files: the Python batches, read without running what is in them, and the binary version.

The batches are Python pickles: programs for a small machine that can call anything. Here is that machine with the few
instructions that a batch needs; the only things that it can make are numbers, texts, lists, dictionaries and arrays of
bytes, and it calls nothing. Krizhevsky (2009), Learning multiple layers of features from tiny images, says what is in
them.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.datasets.dataset import DataSet
from striate.datasets.sources.idx import labelled_images
from striate.errors import DataError
from striate.files import read_regular, read_regular_text
from striate.model.opening import folder_contents

_SIDE, _PIXELS = 32, 3 * 32 * 32
_BATCH = re.compile(r"(data_batch_\d+|test_batch)(\.bin)?")
_HUNDRED = {"train", "test", "meta"}  # CIFAR-100's own files
_MARK = object()


def is_cifar(folder: Path) -> bool:
    """Whether *folder* contains CIFAR's batches (``data_batch_1``, ``test_batch``), or those of CIFAR-100."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder_contents(folder)[1]}
    return any(map(_BATCH.fullmatch, names)) or names >= _HUNDRED or names >= {"train.bin", "test.bin"}


def open_cifar(folder: Path) -> DataSet:
    """The images of CIFAR-10 or CIFAR-100 in *folder*, as its makers pack them.

    Raises:
        DataError: No training batch; a file that is none, or damaged.
    """
    files = {path.name: path for path in folder_contents(folder)[1]}
    train = sorted(name for name in files if name.startswith("data_batch_") and _BATCH.fullmatch(name))
    test = [name for name in files if name in ("test_batch", "test_batch.bin")]
    ten = bool(train or test)
    if not ten:
        train, test = ([n for n in (split, f"{split}.bin") if n in files][:1] for split in ("train", "test"))
    if not train:
        raise DataError(f"{folder}: there is no training batch (data_batch_1); the set is also built in: cifar10")
    splits = {}
    for split, names in (("train", train), ("test", test)):
        if names:
            images, labels = map(np.concatenate, zip(*(_batch(files[name], ten) for name in names), strict=True))
            splits[split] = images, labels, f"{folder.name} {split}"
    n = max(int(labels.max()) for _, labels, _ in splits.values()) + 1
    titles = _names(files, ten)
    classes = titles if len(titles) >= n else tuple(map(str, range(n)))
    if n < 2:
        raise DataError(f"{folder}: every label is 0; learning needs two classes or more")
    notes = ("the whole of CIFAR-10 is built in: cifar10",) if ten else ()
    return labelled_images(folder.resolve().name, classes, splits, why="from CIFAR's own batches", notes=notes)


def _batch(path: Path, ten: bool) -> tuple[np.ndarray, np.ndarray]:
    """uint8 ``(N, 32, 32, 3)`` and int64 ``(N,)``."""
    try:
        data = read_regular(path)
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror}); check its permissions") from None
    pixels: Any
    if path.suffix == ".bin":
        width = _PIXELS + (1 if ten else 2)
        if not data or len(data) % width:
            raise DataError(f"{path}: {len(data)} bytes are no whole number of items of {width}; copy it again")
        rows = np.frombuffer(data, np.uint8).reshape(-1, width)
        pixels, labels = rows[:, -_PIXELS:], rows[:, -_PIXELS - 1].astype(np.int64)
    else:
        found = plain_pickle(data, path)
        key = next((key for key in ("labels", "fine_labels") if isinstance(found, dict) and key in found), "")
        pixels = found.get("data") if isinstance(found, dict) else None
        fits = isinstance(pixels, np.ndarray) and pixels.ndim == 2 and pixels.shape[1] == _PIXELS
        if not key or not fits or len(found[key]) != len(pixels):
            raise DataError(
                f"{path}: it is no batch of CIFAR (data of N x 3072 bytes and N labels); the set is built in: cifar10"
            )
        try:
            labels = np.array(found[key], np.int64)
        except (OverflowError, ValueError, TypeError):
            raise DataError(f"{path}: its labels are no class numbers; copy it again") from None
    images = pixels.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels


def _names(files: dict[str, Path], ten: bool) -> tuple[str, ...]:
    """The names of the classes, where they are beside the batches."""
    text = "batches.meta.txt" if ten else "fine_label_names.txt"
    if text in files:
        return tuple(read_regular_text(files[text], errors="replace").split())
    meta = "batches.meta" if ten else "meta"
    if meta not in files:
        return ()
    found = plain_pickle(read_regular(files[meta]), files[meta])
    names = found.get("label_names" if ten else "fine_label_names", ()) if isinstance(found, dict) else ()
    return tuple(map(str, names))


@dataclass(eq=False)
class _Made:
    """What a call would have made: an array (of the state that follows it) or a type of values."""

    what: str
    value: Any = None


def plain_pickle(data: bytes, path: Path) -> Any:
    """What is in a pickle of plain values: numbers, texts (bytes as texts), lists, dictionaries, arrays of bytes.

    Raises:
        DataError: It contains anything else (which might run code), or is damaged.

    >>> plain_pickle(b"(K\\x01K\\x02t.", Path("x"))
    (1, 2)
    """
    try:
        return _Machine().run(data)
    except _NotPlainError as error:
        raise DataError(
            f"{path}: {error}, which might run code when it is read; it is not opened. The set itself is built in: "
            "cifar10; or use its binary version"
        ) from None
    except Exception as error:  # damage: as many kinds of it as there are instructions
        raise DataError(f"{path}: damaged or cut short ({type(error).__name__}); copy it again") from None


class _NotPlainError(Exception):
    """An instruction or a call that a batch of CIFAR does not need."""


class _Machine:
    """The stack and the memory of what has been read so far."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(data):  # which only takes the instructions apart
            self.step(opcode, argument)
        return _finished(self.stack.pop())

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        stack, memo = self.stack, self.memo
        match opcode.name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case name if name in _VALUES:
                stack.append(argument.decode("latin-1") if isinstance(argument, bytes) else argument)
            case name if name in _NEW:
                stack.append(_NEW[name]())
            case "MARK":
                stack.append(_MARK)
            case "TUPLE" | "LIST":
                found = self.since_mark()
                stack.append(tuple(found) if opcode.name == "TUPLE" else found)
            case "DICT":
                found = self.since_mark()
                stack.append({})
                self.items(found)
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                n = int(opcode.name[-1])
                stack[-n:] = [tuple(stack[-n:])]
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(memo[argument])
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.items([key, value])
            case "SETITEMS":
                self.items(self.since_mark())
            case "APPEND":
                stack[-2].append(stack.pop())
            case "APPENDS":
                found = self.since_mark()
                stack[-1].extend(found)
            case "GLOBAL":
                stack.append(_named(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_named(module, name))
            case "REDUCE":
                self.call()
            case "BUILD":
                self.build()
            case _:
                raise _NotPlainError(f"it contains the instruction {opcode.code.encode('latin-1')!r}")

    def since_mark(self) -> list[Any]:
        at = len(self.stack) - 1 - next(i for i, value in enumerate(reversed(self.stack)) if value is _MARK)
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def items(self, pairs: list[Any]) -> None:
        self.stack[-1].update(zip(map(_finished, pairs[::2]), pairs[1::2], strict=True))

    def call(self) -> None:
        arguments, made = self.stack.pop(), self.stack.pop()
        if not isinstance(made, _Made) or made.value is not None or made.what == "class":
            raise _NotPlainError("it calls something")
        if made.what == "bytes":
            self.stack.append(str(arguments[0]))
        else:
            self.stack.append(_Made(made.what, arguments[:1]))

    def build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if not isinstance(made, _Made) or made.value is None:
            raise _NotPlainError("it sets the state of an object")
        if made.what == "array":
            _, shape, kind, by_column, values = state
            if not isinstance(kind, _Made) or kind.value not in (("u1",), ("|u1",), ("uint8",)):
                raise _NotPlainError("it contains an array of other values than bytes")
            flat: np.ndarray = np.frombuffer(values.encode("latin-1"), np.uint8)
            made.value = flat.reshape(shape, order="F" if by_column else "C")


def _named(module: str, name: str) -> _Made:
    """What stands for a class or function that a batch names, and that nothing is imported for."""
    if name == "_reconstruct" and module.startswith("numpy."):
        return _Made("array")
    if (module, name) not in _NAMED:
        raise _NotPlainError(f"it names {module}.{name}")
    return _Made(_NAMED[module, name])


def _finished(value: Any) -> Any:
    """*value* with the arrays in it as arrays."""
    if isinstance(value, _Made):
        return value.value
    return {key: _finished(item) for key, item in value.items()} if isinstance(value, dict) else value


_NAMED = {("numpy", "ndarray"): "class", ("numpy", "dtype"): "type", ("_codecs", "encode"): "bytes"}
# instructions by their names: those whose argument is a value, and those that make a new one
_VALUES = set(
    "INT LONG BININT BININT1 BININT2 LONG1 BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BINUNICODE "
    "SHORT_BINUNICODE UNICODE".split()
)
_NEW: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
