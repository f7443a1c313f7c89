"""CIFAR's own files: the Python batches, read without running what is in them, and the binary version.

The batches are Python pickles: programs for a small machine that can call anything. Here is that machine with the few
instructions that a batch needs; the only things that it can make are numbers, texts, lists, dictionaries and arrays of
bytes, and it calls nothing. Krizhevsky (2009), Learning multiple layers of features from tiny images, says what is in
them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.errors import DataError
from striate.files import read_regular, read_regular_text
from striate.model.opening import folder_contents
from striate.tasks import CLASSIFICATION

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
    parts, labels = {}, {}
    for split, names in (("train", train), ("test", test)):
        read = [_batch(files[name], ten) for name in names]
        if read:
            images = np.concatenate([pixels for pixels, _ in read])
            labels[split] = np.concatenate([numbers for _, numbers in read])
            items = tuple(f"{folder.name} {split} {i}" for i in range(len(images)))
            parts[split] = Part(images, labels[split], items)
    n = max(int(numbers.max()) for numbers in labels.values()) + 1
    titles = _names(files, ten)
    classes = titles if len(titles) >= n else tuple(map(str, range(n)))
    if n < 2:
        raise DataError(f"{folder}: every label is 0; learning needs two classes or more")
    return DataSet(
        folder.resolve().name,
        CLASSIFICATION,
        classes,
        "RGB",
        (3, _SIDE, _SIDE),
        parts["train"],
        test=parts.get("test"),
        why="from CIFAR's own batches",
        notes=("the whole of CIFAR-10 is built in: cifar10",) if ten else (),
    )


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
        return _Machine(data).run()
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

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        while True:
            code = self.take(1)
            if code == b".":
                return _finished(self.stack.pop())
            if code not in _CODES:
                raise _NotPlainError(f"it contains the instruction {code!r}")
            _CODES[code](self)

    def take(self, n: int) -> bytes:
        if not 0 <= n <= len(self.data) - self.at:
            raise EOFError
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def line(self) -> str:
        end = self.data.index(b"\n", self.at)
        return self.take(end + 1 - self.at)[:-1].decode("latin-1")

    def text(self, form: str, encoding: str = "latin-1") -> None:
        self.stack.append(self.take(self.number(form)).decode(encoding))

    def since_mark(self) -> list[Any]:
        at = len(self.stack) - 1 - next(i for i, value in enumerate(reversed(self.stack)) if value is _MARK)
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def several(self, n: int) -> None:
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def items(self, pairs: list[Any]) -> None:
        self.stack[-1].update(zip(map(_finished, pairs[::2]), pairs[1::2], strict=True))

    def named(self, module: str, name: str) -> None:
        if name == "_reconstruct" and module.startswith("numpy."):
            self.stack.append(_Made("array"))
        elif (module, name) == ("numpy", "ndarray"):
            self.stack.append(_Made("class"))
        elif (module, name) == ("numpy", "dtype"):
            self.stack.append(_Made("type"))
        elif (module, name) == ("_codecs", "encode"):
            self.stack.append(_Made("bytes"))
        else:
            raise _NotPlainError(f"it names {module}.{name}")

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


def _finished(value: Any) -> Any:
    """*value* with the arrays in it as arrays."""
    if isinstance(value, _Made):
        return value.value
    return {key: _finished(item) for key, item in value.items()} if isinstance(value, dict) else value


def _pop_set(m: _Machine) -> None:
    value, key = m.stack.pop(), m.stack.pop()
    m.items([key, value])


def _as_dict(m: _Machine) -> None:
    found = m.since_mark()
    m.stack.append({})
    m.items(found)


def _extend(m: _Machine) -> None:
    found = m.since_mark()
    m.stack[-1].extend(found)


_CODES: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": lambda m: m.take(1),
    b"\x95": lambda m: m.take(8),
    b"(": lambda m: m.stack.append(_MARK),
    b"}": lambda m: m.stack.append({}),
    b"]": lambda m: m.stack.append([]),
    b")": lambda m: m.stack.append(()),
    b"t": lambda m: m.stack.append(tuple(m.since_mark())),
    b"l": lambda m: m.stack.append(m.since_mark()),
    b"d": _as_dict,
    b"\x85": lambda m: m.several(1),
    b"\x86": lambda m: m.several(2),
    b"\x87": lambda m: m.several(3),
    b"N": lambda m: m.stack.append(None),
    b"\x88": lambda m: m.stack.append(True),
    b"\x89": lambda m: m.stack.append(False),
    b"K": lambda m: m.stack.append(m.number("<B")),
    b"M": lambda m: m.stack.append(m.number("<H")),
    b"J": lambda m: m.stack.append(m.number("<i")),
    b"\x8a": lambda m: m.stack.append(int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
    b"I": lambda m: m.stack.append(int(m.line())),
    b"L": lambda m: m.stack.append(int(m.line().rstrip("L"))),
    b"U": lambda m: m.text("<B"),
    b"T": lambda m: m.text("<I"),
    b"C": lambda m: m.text("<B"),
    b"B": lambda m: m.text("<I"),
    b"\x8e": lambda m: m.text("<Q"),
    b"X": lambda m: m.text("<I", "utf-8"),
    b"\x8c": lambda m: m.text("<B", "utf-8"),
    b"V": lambda m: m.stack.append(m.line()),
    b"q": lambda m: m.put(m.number("<B")),
    b"r": lambda m: m.put(m.number("<I")),
    b"p": lambda m: m.put(int(m.line())),
    b"\x94": lambda m: m.put(len(m.memo)),
    b"h": lambda m: m.stack.append(m.memo[m.number("<B")]),
    b"j": lambda m: m.stack.append(m.memo[m.number("<I")]),
    b"g": lambda m: m.stack.append(m.memo[int(m.line())]),
    b"s": _pop_set,
    b"u": lambda m: m.items(m.since_mark()),
    b"a": lambda m: m.stack[-2].append(m.stack.pop()),
    b"e": _extend,
    b"c": lambda m: m.named(m.line(), m.line()),
    b"\x93": lambda m: m.named(*[m.stack.pop(), m.stack.pop()][::-1]),
    b"R": lambda m: m.call(),
    b"b": lambda m: m.build(),
}
