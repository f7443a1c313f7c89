"""One of several equal shares of what is to be predicted, for as many processes or machines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from striate.errors import RecipeError

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
