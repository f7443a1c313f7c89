"""From the body of a request to items, before anything is decoded; what is none is refused in words."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from striate.errors import DataError, printable, shape_text
from striate.model.contract import IMAGES, Contract
from striate.model.sources import Item, array_items

LONGEST_TEXT = 100_000  # characters: far more than the words that any network reads
LONGEST_NAME = 255
MOST_PARTS = 200_000  # lists, objects and fields of JSON, each of which takes a hundred bytes of memory
Items = list[Item | DataError]


class RefusedError(Exception):
    """A request that is not answered, and why: *status* of HTTP, and a sentence without any path of this machine."""

    def __init__(self, status: int, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def items_in(body: bytes, content_type: str, contract: Contract, most: int) -> Items:
    """The items in the *body* of ``POST /predict``, *most* at most.

    A form (``multipart/form-data``) has one in each part; JSON is ``{"text": ...}``, ``{"values": ...}`` or
    ``{"image": base64}``, each of one or a list; any other body is one item: an image file, a ``.npy`` file of numbers,
    a sentence.

    Raises:
        RefusedError: It is none of these, or has too many.

    >>> contract = Contract(("cat", "dog"), (1, 8, 8), "L", (0.5,), (0.25,))
    >>> [item.source for item in items_in(b"...", "image/png", contract, 1)]
    [b'...']
    """
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        found = [_file(data, name, contract) for name, data in _parts(body, options.get(b"boundary", b""), most)]
    elif kind == b"application/json":
        found = _of_json(json_in(body), contract, most)
    elif contract.mode == "text" and _is_no_sentence(kind, body):
        why = "the body is an object or a form, no sentence; send Content-Type: application/json"
        raise RefusedError(415, f"{why}, or a sentence as text/plain")
    else:
        found = [_file(body, None, contract)]
    return checked_count(found, most)


def _is_no_sentence(kind: bytes, body: bytes) -> bool:
    """Whether *body* is JSON, or a field of a form, whose type was forgotten: ``curl -d`` says that all is a form's."""
    form = kind == b"application/x-www-form-urlencoded" and body.startswith(b"text=")
    return form or (not kind.startswith(b"text/") and body.lstrip().startswith(b"{"))


def checked_count(items: Items, most: int) -> Items:
    """The *items*; RefusedError where there are none, or more than *most*."""
    if not items:
        raise RefusedError(400, "the request has no item; send one image (or sentence, or array) or several")
    if len(items) > most:
        raise RefusedError(413, f"the request has more than {most:,} items; send {most:,} at most")
    return items


def _file(data: bytes, name: str | None, contract: Contract) -> Item | DataError:
    """One item as a file: of the name that the client gave it."""
    name = printable(name)[:LONGEST_NAME] if name is not None else None
    try:
        if contract.mode in IMAGES:
            return Item(data, name)
        if contract.mode == "text":
            return text_item(_text(data), name)
        return Item(array_in(data, contract), name)
    except DataError as error:
        return DataError(f"{name}: {error}" if name else str(error))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise DataError("is not valid UTF-8 text; expected a sentence") from None


def text_item(text: object, name: str | None = None) -> Item | DataError:
    """A sentence as an item."""
    if not isinstance(text, str) or not text.strip():
        return DataError(f"the text is {'empty' if isinstance(text, str) else json_kind(text)}; expected a sentence")
    if len(text) > LONGEST_TEXT:
        return DataError(f"the text has {len(text):,} characters; expected {LONGEST_TEXT:,} at most")
    return Item(text, name, text)


def image_item(text: object) -> Item | DataError:
    """An image file in base64 as an item."""
    if not isinstance(text, str):
        return DataError(f"the image is {json_kind(text)}; expected a text, the image file in base64")
    try:
        return Item(base64.b64decode(text, validate=True))
    except ValueError:
        return DataError("the image is not valid base64; send the file itself, or encode it")


def array_in(data: bytes, contract: Contract) -> np.ndarray:
    """The array in a ``.npy`` file, of which nothing is believed that its bytes do not show.

    Raises:
        DataError: It is none, of objects, or shorter or longer than its header says.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read: Any = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream, max_header_size=10_000)
        count = 1
        for side in shape:
            count *= side
        size = len(data) - stream.tell()
        if dtype.kind not in "biuf" or min(shape, default=1) < 1 or size != count * dtype.itemsize:
            raise ValueError
        flat = np.frombuffer(data, dtype, offset=stream.tell())
        return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    except Exception:  # the header is read as a Python literal: many kinds of damage
        expected = shape_text(contract.input)
        raise DataError(f"not an array that can be read; expected a .npy file of numbers, {expected}") from None


# ------------------------------------------------------------------------------------------------------------ JSON
def json_in(body: bytes) -> Any:
    """The JSON in a request; RefusedError where it is none, or has NaN or infinity in it."""

    def no_number(word: str) -> NoReturn:
        raise RefusedError(400, f"the JSON contains {word}; expected finite numbers")

    if body.count(b"[") + body.count(b"{") + body.count(b'":') > MOST_PARTS:
        raise RefusedError(413, f"the JSON has more than {MOST_PARTS:,} lists, objects and fields; send fewer items")
    try:
        return json.loads(body, parse_constant=no_number)
    except RecursionError:
        raise RefusedError(400, "the JSON is nested too deeply") from None
    except ValueError as error:
        why = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise RefusedError(400, f"the body is not JSON: {why}") from None


def json_kind(value: object) -> str:
    """What a value of JSON is, in its words.

    >>> json_kind({}), json_kind(None), json_kind(1.5)
    ('an object', 'null', 'a number')
    """
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _of_json(document: Any, contract: Contract, most: int) -> Items:
    field = "text" if contract.mode == "text" else "image" if contract.mode in IMAGES else "values"
    if not isinstance(document, dict) or field not in document:
        came = f"an object with {listed_keys(document)}" if isinstance(document, dict) else json_kind(document)
        raise RefusedError(400, f'the JSON is {came}; this model takes an object with "{field}"')
    value = document[field]
    if field == "values":
        return [*array_items(numbers_in(value), contract)]
    one: Callable[[object], Item | DataError] = text_item if field == "text" else image_item
    return [one(each) for each in (value[: most + 1] if isinstance(value, list) else [value])]


def listed_keys(document: dict[str, Any]) -> str:
    """The first names in an object, for a message."""
    return ", ".join(f'"{printable(key)[:40]}"' for key in [*document][:5]) or "nothing in it"


def numbers_in(value: object) -> np.ndarray:
    """A list of numbers, or of lists of them that are alike, as an array; RefusedError for anything else."""
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):  # ragged; too large a number
        array = np.empty(0, object)
    if array.dtype.kind not in "iuf" or not array.ndim or not array.size:
        raise RefusedError(400, "the values are not numbers in lists of one length; expected a list of numbers")
    return array


# ------------------------------------------------------------------------------------------------------- multipart
def _parts(body: bytes, boundary: bytes, most: int) -> Iterator[tuple[str | None, bytes]]:
    """The name of each file in a form, as the client gave it (None: a plain field), and its content."""
    parts: list[tuple[dict[bytes, bytes], bytearray]] = []
    name, value = bytearray(), bytearray()

    def begin() -> None:
        if len(parts) == most:
            raise RefusedError(413, f"the form has more than {most:,} parts; send {most:,} at most")
        parts.append(({}, bytearray()))

    def keep() -> None:
        parts[-1][0][bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    def add(to: Callable[[], bytearray]) -> Callable[[bytes, int, int], None]:
        def data(chunk: bytes, start: int, end: int) -> None:
            to().extend(memoryview(chunk)[start:end])

        return data

    ended: list[bool] = []
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_header_field": add(lambda: name),
                "on_header_value": add(lambda: value),
                "on_header_end": keep,
                "on_part_data": add(lambda: parts[-1][1]),
                "on_end": lambda: ended.append(True),
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        ended.clear()
    if not ended:
        raise RefusedError(400, "the form is damaged or cut short; send multipart/form-data with its boundary")
    for headers, content in parts:
        _, options = parse_options_header(headers.get(b"content-disposition"))
        given = options.get(b"filename")
        yield given.decode("utf-8", "replace") if given is not None else None, bytes(content)
