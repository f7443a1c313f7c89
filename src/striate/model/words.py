"""A text as the network's input: words, and their numbers in a vocabulary."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

import numpy as np

from striate.model.contract import PADDING, UNKNOWN

FIRST = UNKNOWN + 1  # the number of a vocabulary's first word
# Scripts that put no spaces between words: kana and Chinese characters, each a word of its own.
_UNSPACED = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_LONG = 10_000  # letters of a word
_CURLY = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'"})


def words_of(text: str) -> list[str]:
    """The words of *text*, in small letters: words, numbers and punctuation marks apart.

    English contractions come apart where Kim (2014) takes them apart: ``can't`` is ``ca`` and ``n't``, ``it's`` is
    ``it`` and ``'s``; likewise ``'ve 're 'd 'll 'm``. Every other apostrophe is a mark. A number keeps its points and
    commas (``3.5``, ``1,000``); letters keep their accents, however they were encoded; Chinese characters and kana
    are a word each.

    >>> words_of("It's 3.5 stars, but I can't say why!")
    ['it', "'s", '3.5', 'stars', ',', 'but', 'i', 'ca', "n't", 'say', 'why', '!']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).translate(_CURLY)
    if len(text) <= _LONG:
        return _word().findall(text.lower())
    # what matches takes 100 bytes of memory for each letter of a word: of one without end, piece by piece
    pieces = (word[i : i + _LONG] for word in text.lower().split() for i in range(0, len(word), _LONG))
    return [word for piece in pieces for word in _word().findall(piece)]


def vocabulary_of(texts: Iterable[str], most: int = 20_000) -> tuple[str, ...]:
    """The *most* common words of *texts*, commonest first, those that are equally common in alphabetical order.

    The first has the number 2 (``FIRST``).

    >>> vocabulary_of(["a good film", "a film"], most=2)
    ('a', 'film')
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words_of(text))
    return tuple(sorted(counts, key=lambda word: (-counts[word], word))[:most])


def numbers_of(texts: Sequence[str], vocabulary: Sequence[str], length: int) -> np.ndarray:
    """int64 ``(N, length)``: the words of each text by their numbers, cut after *length* words.

    A word that the *vocabulary* lacks is ``UNKNOWN`` (1); the end of a short text is filled with ``PADDING`` (0).

    >>> numbers_of(["a good film", "film"], ("a", "film"), 4)
    array([[2, 1, 3, 0],
           [3, 0, 0, 0]])
    """
    known = _numbered(tuple(vocabulary))
    numbers = np.full((len(texts), length), PADDING, np.int64)
    for row, text in zip(numbers, texts, strict=True):
        words = words_of(text)[:length]
        row[: len(words)] = [known.get(word, UNKNOWN) for word in words]
    return numbers


@lru_cache(4)
def _numbered(vocabulary: tuple[str, ...]) -> dict[str, int]:
    return {word: number for number, word in enumerate(vocabulary, FIRST)}


@cache
def _word() -> re.Pattern[str]:
    """One word; made when the first text comes, since finding all combining marks takes some milliseconds."""
    # \w holds no combining marks: without them the vowel signs of "हिन्दी" would cut it into pieces. These marks are
    # those of the languages; beyond U+FE2F come only musical and ancient ones.
    marks = "[" + "".join(chr(c) for c in range(0x300, 0xFE30) if unicodedata.category(chr(c))[0] == "M") + "]*"
    letter = f"(?:[^\\W_{_UNSPACED}]{marks})"
    return re.compile(
        rf"[{_UNSPACED}]{marks}"
        rf"|\d+(?:[.,]\d+)+(?!{letter})"
        rf"|{letter}+?(?=n't(?!{letter}))"
        rf"|n't(?!{letter})|'(?:s|ve|re|d|ll|m)(?!{letter})"
        rf"|{letter}+"
        rf"|[^\w\s]{marks}|_"
    )
