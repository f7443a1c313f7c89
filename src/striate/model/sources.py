"""From what people give to a model (files, folders, arrays, sentences) to the network's inputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.errors import DataError, did_you_mean, listed
from striate.files import check_regular, near_path, read_regular_text
from striate.model.contract import IMAGES, Contract
from striate.model.image import canonical, from_array, header
from striate.model.opening import each_image_under
from striate.model.prepare import fit, fit_array, prepared
from striate.model.words import numbers_of

Source = (
    str | Path | bytes | Image.Image | np.ndarray
)  # bytes: an image file's content; or a tensor, which is not imported for it


def array_of(value: object, what: str = "the array") -> np.ndarray:
    """An array of what somebody has: an array, a tensor on any device, a column of a table, a list of numbers, words,
    arrays or images of one size.

    Raises:
        DataError: It is of Python objects, or of items of different shapes; *what* it is called.

    >>> array_of([[1, 2], [3, 4]]).shape, array_of(["a", "b"]).dtype.kind
    ((2, 2), 'U')
    """
    given: Any = value
    array: np.ndarray
    if hasattr(given, "detach"):  # of torch, which is not needed for it
        given = given.detach().cpu()
        array = (given.float() if "bfloat16" in str(given.dtype) else given).numpy()
    elif hasattr(given, "to_numpy"):
        array = given.to_numpy()
    elif isinstance(given, list | tuple):
        items = [array_of(item, what) if hasattr(item, "detach") else np.asarray(item) for item in given]
        if len(shapes := {item.shape for item in items}) > 1:
            raise DataError(f"{what} has items of different shapes, {listed(sorted(shapes), 3)}; make them alike")
        array = np.stack(items) if items else np.empty(0)
    else:
        array = np.asarray(given)
    if array.dtype.kind == "O" and all(isinstance(item, str) for item in array.ravel()):
        array = array.astype(str)
    if array.dtype.kind not in "biufUS" or not array.ndim:
        kind = type(array.ravel()[0]).__name__ if array.dtype.kind == "O" and array.size else str(array.dtype)
        raise DataError(f"{what} contains {kind}; expected an array or a list of numbers")
    return array


@dataclass(frozen=True)
class Item:
    """One thing to predict for; *file* and *text* are what its prediction is called by."""

    source: Source
    file: str | None = None
    text: str | None = None


def sources_in(source: Any) -> Iterable[Source]:
    """*source* itself, or those in it where it is a list or the like."""
    if isinstance(source, np.ndarray) and source.ndim == 1 and source.dtype.kind in "UO":  # of texts or paths
        return [*source.tolist()]
    one = isinstance(source, str | bytes | np.ndarray | Image.Image | Path) or hasattr(source, "detach")
    several: Iterable[Source] = [source] if one or not isinstance(source, Iterable) else source
    return several


def source_items(source: Source | Item | DataError, contract: Contract) -> Iterator[Item | DataError]:
    """The items in *source*: the files of a folder, the lines of a text file, the rows of a batch, or *source* itself;
    one by one, so that a folder may have millions.

    For a model of texts, a text that ends in ``.txt`` and every ``Path`` is a file with a sentence per line (empty
    lines are skipped); any other text is the sentence itself.
    """
    if isinstance(source, Item | DataError):
        yield source
        return
    if hasattr(source, "detach"):
        source = array_of(source)
    if contract.mode == "text":
        yield from _sentences(source)
    elif isinstance(source, np.ndarray):
        yield from array_items(source, contract)
    elif not isinstance(source, str | Path):
        yield Item(source)
    elif near := near_path(source):
        yield DataError(f"{source}: file not found{did_you_mean(near)}")
    elif contract.mode in IMAGES:
        yield from (f if isinstance(f, DataError) else Item(f, str(f)) for f in image_files(source))
    else:
        yield Item(source, str(source))


def array_items(array: np.ndarray, contract: Contract, name: str = "item") -> list[Item]:
    """The items of a batch ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, ...)``, called *name* and their number; or the
    one that *array* is.

    >>> contract = Contract(("cat", "dog"), (1, 8, 8), "L", (0.5,), (0.25,))
    >>> [item.file for item in array_items(np.zeros((2, 28, 28), np.uint8), contract)]
    ['item 0', 'item 1']
    """
    if (one := _as_taken(array, contract)) is not None:
        return [Item(one)]
    rows = [_as_taken(row, contract) for row in array] if array.ndim > 1 else [None]
    if any(row is None for row in rows):
        return [Item(array)]  # which is said to be none
    return [Item(row, f"{name} {i}") for i, row in enumerate(rows) if row is not None]


def _as_taken(array: np.ndarray, contract: Contract) -> np.ndarray | None:
    """*array* with its channels where :func:`network_input` wants them, last in images, first in values; None where it
    is not one item.
    """
    (channels, *sides), shape = contract.input, array.shape
    if contract.mode == "values":
        if shape == contract.input or (channels == 1 and shape == tuple(sides)):
            return array
        return np.moveaxis(array, -1, 0) if shape == (*sides, channels) else None
    last = (1, 3, 4) if contract.mode in IMAGES else (channels,)
    if (array.ndim == 2 and contract.mode in IMAGES) or (array.ndim == 3 and shape[2] in last):
        return array
    return np.moveaxis(array, 0, 2) if array.ndim == 3 and shape[0] == channels else None


def _sentences(source: Source) -> list[Item | DataError]:
    if isinstance(source, str) and not source.endswith(".txt"):
        if _is_path(source):
            return [
                DataError(f"{source}: this is a file, and the model takes texts; expected a sentence or a .txt file")
            ]
        return [Item(source, None, source)]
    if not isinstance(source, str | Path):
        return [DataError(f"got a {type(source).__name__}; expected a text, or a .txt file with a sentence per line")]
    try:
        lines = read_regular_text(source).splitlines()
    except OSError as error:
        return [DataError(f"{source}: {error.strerror or error}; expected a text file with a sentence per line")]
    except UnicodeDecodeError:
        return [DataError(f"{source}: is not valid UTF-8 text; expected a sentence per line")]
    found: list[Item | DataError] = [Item(line, str(source), line) for line in lines if line.strip()]
    return found or [DataError(f"{source}: is empty; expected a sentence per line")]


def _is_path(text: str) -> bool:
    """Whether a *text* without a space is a file that is there, such as a photo or a table given by mistake."""
    try:
        return Path(text).suffix != "" and not text.count(" ") and Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a byte 0 in it
        return False


def image_files(source: str | Path) -> Iterator[str | Path | DataError]:
    """*source*, or the image files in it where it is a folder; then the error, where it cannot be read to its end."""
    if not Path(source).is_dir():
        yield source
        return
    none = True
    try:
        for path in each_image_under(Path(source)):
            none = False
            yield path
    except DataError as error:
        yield error
    else:
        if none:
            yield DataError(f"{source}: no images in this folder")


Input = tuple[np.ndarray, tuple[int, int] | None]


AT_A_TIME = 16  # items that one thread reads: a handover each would take longer than a small image


def network_inputs(
    batches: Iterable[Sequence[Item | DataError]], contract: Contract, ahead: int = 2
) -> Iterator[tuple[Sequence[Item | DataError], list[Input | DataError]]]:
    """Each of the *batches* with what :func:`network_input` gives for its items, the error where one cannot be read.

    Threads read so many batches *ahead* of the one that the caller is busy with.
    """
    waiting: deque[tuple[Sequence[Item | DataError], list[Future[list[Input | DataError]]]]] = deque()
    with ThreadPoolExecutor(4) as pool:
        for batch in batches:
            each = AT_A_TIME if contract.mode != "text" else max(1, len(batch))  # the vocabulary is looked through once
            chunks = (batch[at : at + each] for at in range(0, len(batch), each))
            waiting.append((batch, [pool.submit(_inputs, chunk, contract) for chunk in chunks]))
            if len(waiting) > ahead:
                yield _read(*waiting.popleft())
        while waiting:
            yield _read(*waiting.popleft())


def _read(
    batch: Sequence[Item | DataError], chunks: Sequence[Future[list[Input | DataError]]]
) -> tuple[Sequence[Item | DataError], list[Input | DataError]]:
    return batch, [found for chunk in chunks for found in chunk.result()]


def _inputs(items: Sequence[Item | DataError], contract: Contract) -> list[Input | DataError]:
    if contract.mode == "text":
        texts = [str(item.source) for item in items if isinstance(item, Item)]
        numbers = iter(numbers_of(texts, contract.vocabulary, contract.input[0]))
        return [(next(numbers), None) if isinstance(item, Item) else item for item in items]

    def one(item: Item | DataError) -> Input | DataError:
        try:
            return item if isinstance(item, DataError) else network_input(item, contract)
        except DataError as error:
            return error

    return [one(item) for item in items]


def network_input(item: Item, contract: Contract) -> Input:
    """The network's input for *item*, before it is normalised, and an image's (width, height) as it came.

    Raises:
        DataError: It cannot be read, or is not what the contract takes.
    """
    source = item.source
    if contract.mode == "text":
        return numbers_of([str(source)], contract.vocabulary, contract.input[0])[0], None
    if contract.mode in ("values", "channels"):
        return _array(source, contract)
    if isinstance(source, str | Path | bytes):
        size = header(source)[1][::-1] if contract.positions or contract.task.per_pixel else None
        return prepared(source, contract), size
    try:
        image = from_array(source, contract.value_range) if isinstance(source, np.ndarray) else source
        if not isinstance(image, Image.Image):
            raise DataError(f"got a {type(source).__name__}; expected a path, a Pillow image or a numpy array")
        image = canonical(image, contract.mode, contract.value_range)
        return fit(image, contract), image.size
    except (OSError, SyntaxError) as error:  # a Pillow image that is read only now
        raise DataError(f"the image is damaged or cut short ({error})") from None


def _array(source: Source, contract: Contract) -> Input:
    """An array, or the one in a ``.npy`` file: values as the contract's input, or bytes ``(H, W, C)``."""
    if isinstance(source, str | Path):
        try:
            check_regular(source)
            array = np.load(source, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "not an array that can be read"
            raise DataError(f"{source}: {why}; expected a .npy file with one item") from None
    else:
        array = source
    if not isinstance(array, np.ndarray):
        raise DataError(f"got a {type(array).__name__}; expected a numpy array or a .npy file")
    if contract.mode == "channels":
        if array.ndim != 3 or array.shape[2] != contract.input[0] or array.dtype != np.uint8:
            raise DataError(
                f"the array is {array.dtype} of shape {array.shape}; expected uint8 (H, W, {contract.input[0]})"
            )
        return fit_array(array[None], contract)[0], (array.shape[1], array.shape[0])
    if array.shape == contract.input[1:] and contract.input[0] == 1:
        array = array[None]
    if array.shape != contract.input or array.dtype.kind not in "fiub":
        raise DataError(
            f"the array is {array.dtype} of shape {array.shape}; expected numbers of shape {contract.input}"
        )
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError("the array contains NaN or infinity, expected finite numbers")
    return values, None
