"""What to predict for: everything that training takes, as items in their order; and equal shares of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from striate.datasets.dataset import DataSet, Inputs
from striate.datasets.sources.archives import as_given, is_archive, unpacked, unpacked_notes
from striate.datasets.sources.array_files import ARRAY_SUFFIXES, NIFTI, loaded_arrays
from striate.datasets.sources.columns import ColumnChoice
from striate.datasets.sources.folders import skipped
from striate.datasets.sources.in_memory import frame_text, is_frame
from striate.datasets.sources.npz import inputs_alone
from striate.datasets.sources.numeric_tables import image_sides, numeric_columns, numeric_items
from striate.datasets.sources.records import plain_path
from striate.datasets.sources.rows import TableText, table_text
from striate.datasets.sources.tables import NAMED, rows_alone
from striate.errors import DataError, RecipeError
from striate.model.contract import IMAGES, Contract
from striate.model.opening import each_image_under
from striate.model.sources import Item, Source, array_items, array_of, source_items, sources_in
from striate.run.folder import Say, say_nothing

Found = Source | Item | DataError


def items_of(given: Any, contract: Contract, choice: ColumnChoice, say: Say) -> Iterator[Found]:
    """The items in *given*, each under its name, and the error in the place of what cannot be read.

    Args:
        given: A file, a folder, an array, a tensor, a sentence, a list of these; ``(X, y)``, whose y is not looked at;
            a table, an ``.npz``, a DataFrame, a built-in name, a data set. Of several splits all, one after the other.
        contract: What the model takes.
        choice: The columns of a table that were named.
        say: Told, in a line each, what is passed over in a folder of images.
    """
    sources: Iterable[Any] = [given]
    if not is_frame(given) and not isinstance(given, Mapping | DataSet):
        sources = sources_in(given[0] if _is_labelled(given) else given)
    for source in sources:
        try:
            yield from _items(source, contract, choice, say)
        except DataError as error:
            yield error


class GivenItems:
    """The items of what was given, one by one; where they are needed *again*, as often as that."""

    def __init__(self, sources: Any, contract: Contract, choice: ColumnChoice, say: Say, *, again: bool) -> None:
        self.sources = [*sources] if again and isinstance(sources, Iterator) else sources
        self.contract, self.choice, self.say = contract, choice, say
        self.first = 0  # of the share
        self.count: int | None = None  # of all, where they are shared out

    def all(self, say: Say = say_nothing) -> Iterator[Item | DataError]:
        given = items_of(self.sources, self.contract, self.choice, say)
        return (_as_given(item) for source in given for item in source_items(source, self.contract))

    def share(self, shard: Shard, batch_size: int) -> Iterator[Item | DataError]:
        if shard.count == 1:
            return self.all(self.say)
        self.count = sum(1 for _ in self.all())
        self.first, end = shard.bounds(self.count, batch_size)
        return islice(self.all(self.say), self.first, end)


def _as_given(item: Item | DataError) -> Item | DataError:
    """An item called by the file that a person has, not by the one in the cache."""
    if isinstance(item, DataError):
        return type(item)(as_given(str(item)))
    return replace(item, file=as_given(item.file)) if item.file else item


def _is_labelled(given: Any) -> bool:
    """Whether it is ``(X, y)``, and no two items."""
    if not isinstance(given, tuple) or len(given) != 2 or not all(hasattr(part, "__len__") for part in given):
        return False
    x, y = given
    if isinstance(x, str) or isinstance(y, str) or len(x) != len(y):
        return False
    return hasattr(x, "to_numpy") or isinstance(x, list) or array_of(y).ndim < array_of(x).ndim


def _items(source: Any, contract: Contract, choice: ColumnChoice, say: Say) -> Iterator[Found]:
    if is_frame(source):
        yield from _of_table(frame_text(source), contract, choice)
    elif isinstance(source, Mapping | DataSet) or (isinstance(source, str) and _is_built_in(source, contract)):
        yield from _of_data_set(source, contract)
    elif not isinstance(source, str | Path) or not os.path.exists(source):
        yield source
    elif is_archive(source):
        folder = unpacked(Path(source), lambda name, done, _: None if done else say(f"unpacking {name}"))
        for note in unpacked_notes(folder):
            say(note)
        yield from _items(folder, contract, choice, say)
    elif plain_path(path := Path(source)).suffix.lower() in NAMED and path.is_file():
        yield from _of_table(path, contract, choice)
    elif path.name.lower().endswith((*ARRAY_SUFFIXES, *NIFTI)) and path.is_file():
        yield from _of_arrays(path, contract)
    elif path.is_dir() and not (contract.mode in IMAGES and any(each_image_under(path))):
        yield from _of_folder(path, contract)
    else:
        for note in skipped(path) if path.is_dir() else ():
            say(f"{path}: {note}")
        yield source


def _is_built_in(source: str, contract: Contract) -> bool:
    name = source.partition(":")[0]
    if contract.mode == "text" or "." in name:  # the name of a file
        return False
    from striate.datasets.open import BUILT_IN

    return name in BUILT_IN


def _of_data_set(source: Any, contract: Contract) -> Iterator[Item]:
    from striate.datasets.open import open_as_it_is
    from striate.datasets.options import DataOptions

    for part in open_as_it_is(source, DataOptions()).parts.values():
        yield from _named(part.inputs, part.names, contract)


def _named(inputs: Inputs, names: Sequence[str], contract: Contract) -> Iterator[Item]:
    """Inputs as items; DataError where they are texts and the model takes none, or the other way round."""
    for source, name in zip(inputs, names, strict=True):
        if isinstance(source, str) != (contract.mode == "text"):
            came, takes = ("a text", "no texts") if isinstance(source, str) else ("no text", "texts")
            raise DataError(f"{name}: this is {came}, but the model takes {takes}")
        yield Item(source, name, source if isinstance(source, str) else None)


def _of_table(file: Path | TableText, contract: Contract, choice: ColumnChoice) -> Iterator[Item]:
    numbers = None if contract.mode == "text" else numeric_columns(file, choice)
    if numbers is None:
        yield from _named(*rows_alone(file, choice), contract)
        return
    values, names = numeric_items(file, numbers, prod(contract.input))
    sides = image_sides(numbers, [values]) if contract.mode in IMAGES else ()
    if contract.mode in IMAGES and not sides:
        raise DataError(f"{names[0]}: {values.shape[1]} numbers, which are no image of whole numbers from 0 to 255")
    yield from _named(values.astype(np.uint8).reshape(len(values), *sides) if sides else values, names, contract)


def _of_arrays(path: Path, contract: Contract) -> Iterator[Item]:
    """The inputs in a file of arrays, of every split; of one array the items, or the one item that it is."""
    splits = inputs_alone(path, loaded_arrays(path))
    for split, array in splits.items():
        name = path.stem if len(splits) == 1 else f"{path.stem} {split}"
        found = array_items(array, contract, name)
        if len(found) == 1 and found[0].file is None:  # one item; or none, which is said in its name
            found = [Item(found[0].source, str(path) if len(splits) == 1 else name)]
        yield from found


def _of_folder(folder: Path, contract: Contract) -> Iterator[Found]:
    """The items of a folder that contains no images: a data set; or else its files, one item each."""
    try:
        yield from [*_of_data_set(folder, contract)]
        return
    except DataError as error:
        wanted = {"text": (".txt", ".text"), "values": (".npy", *NIFTI), "channels": (".npy",)}.get(contract.mode, ())
        files = sorted(path for path in folder.rglob("*") if path.name.lower().endswith(wanted) and path.is_file())
        if not files:
            yield error if contract.mode not in IMAGES else folder
    for path in files:
        if path.name.lower().endswith(NIFTI):
            try:
                yield Item(next(iter(loaded_arrays(path).values())), str(path))
            except DataError as error:
                yield error
            continue
        text = " ".join(table_text(path)[0].split()) if contract.mode == "text" else None
        yield Item(path if text is None else text, str(path), text)


T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Share *number* (from 1) of *count*: whole batches that lie side by side, so that each batch is computed as in
    one process, to the last bit, and the shares one after the other are the whole.

    >>> [Shard(number, 3).of([*"abcdefg"], batch_size=2) for number in (1, 2, 3)]
    [['a', 'b'], ['c', 'd'], ['e', 'f', 'g']]
    """

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, given: Any) -> Shard:
        """From ``"3/8"`` or ``(3, 8)``; all where None is given.

        Raises:
            RecipeError: It is no such share.

        >>> Shard.parse("3/8")
        Shard(number=3, count=8)
        """
        if given is None:
            return cls()
        text = given if isinstance(given, str) else "/".join(map(str, given)) if isinstance(given, tuple) else ""
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if not found:
            raise RecipeError(f"shard is {given!r}, expected its number and their count, such as 3/8")
        number, count = map(int, found.groups())
        if not 1 <= number <= count:
            first = f"1/{count} to {count}/{count}" if count else "1/8 to 8/8"
            raise RecipeError(f"shard is {number}/{count}; they are numbered from 1: {first}")
        return cls(number, count)

    def of(self, items: Sequence[T], batch_size: int) -> Sequence[T]:
        """Its share of *items*, in their order."""
        begin, end = self.bounds(len(items), batch_size)
        return items[begin:end]

    def bounds(self, count: int, batch_size: int) -> tuple[int, int]:
        """Where its share of *count* items begins and ends, if these are all.

        >>> Shard(2, 3).bounds(7, batch_size=2)
        (2, 4)
        """
        batches = -(-count // batch_size)
        begin, end = (batches * n // self.count * batch_size for n in (self.number - 1, self.number))
        return begin, end
