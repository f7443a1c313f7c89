import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.model.contract import PADDING, UNKNOWN
from striate.model.words import FIRST, numbers_of, vocabulary_of, words_of

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # as in Kim's clean_str (2014): 's 've n't 're 'd 'll apart, marks apart, small letters
        ("It's", "it 's"),
        ("I've they're you'd we'll I'm", "i 've they 're you 'd we 'll i 'm"),
        ("can't won't don't CAN'T", "ca n't wo n't do n't ca n't"),
        ("good, very (very) good!?", "good , very ( very ) good ! ?"),
        ("don’t it’s", "do n't it 's"),
        ("'tis rock'n'roll the dogs'", "' tis rock ' n ' roll the dogs '"),
        ("isn'try 'stand", "isn ' try ' stand"),
        ("3.5 of 1,000,000 in 2002. 80s 2nd 10%", "3.5 of 1,000,000 in 2002 . 80s 2nd 10 %"),
        ("low-key snake_case <br />", "low - key snake _ case < br / >"),
        ("Kočka ÀÉ straße", "kočka àé straße"),
        ("cafe\u0301", "café"),
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("한국어 영화", "한국어 영화"),
        ("我喜欢。すごい", "我 喜 欢 。 す ご い"),
        ("good😀😀 ❤️", "good 😀 😀 ❤️"),
        ("a\u00a0b\u2003c\n\td", "a b c d"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_words(text, words):
    assert words_of(text) == words.split(" ") if words else words_of(text) == []


@given(TEXTS)
def test_words_are_the_text_without_spaces(text):
    whole = unicodedata.normalize("NFC", text).translate(str.maketrans("‘’ʼ", "'''")).lower()
    kept = "".join(c for c in whole if not c.isspace())
    assert "".join(words_of(text)) == kept
    assert all(word and not word.isspace() for word in words_of(text))


@given(TEXTS, TEXTS)
def test_case_and_spaces_say_nothing(left, right):
    assert words_of(f"{left} \n {right}") == words_of(f" {left} {right}")


def test_the_vocabulary_is_in_the_order_of_frequency_then_of_the_alphabet():
    texts = ["b a c", "C b", "d e"]
    assert vocabulary_of(texts) == ("b", "c", "a", "d", "e")
    assert vocabulary_of(reversed(texts)) == ("b", "c", "a", "d", "e")
    assert vocabulary_of(texts, most=2) == ("b", "c")
    assert vocabulary_of([]) == ()


def test_numbers():
    assert (PADDING, UNKNOWN, FIRST) == (0, 1, 2)
    numbers = numbers_of(["b new a", "", "a a a a a"], ("a", "b"), 4)
    assert numbers.tolist() == [[3, 1, 2, 0], [0, 0, 0, 0], [2, 2, 2, 2]]
    assert numbers.dtype == np.int64
    assert numbers_of([], ("a",), 4).shape == (0, 4)


@given(st.lists(TEXTS, max_size=6), st.integers(1, 8), st.integers(1, 30))
def test_numbers_give_the_words_back(texts, length, most):
    vocabulary = vocabulary_of(texts, most)
    names = {PADDING: None, UNKNOWN: "?", **dict(enumerate(vocabulary, FIRST))}
    for row, text in zip(numbers_of(texts, vocabulary, length), texts, strict=True):
        words = [word if word in vocabulary else "?" for word in words_of(text)][:length]
        assert [names[n] for n in row.tolist()] == words + [None] * (length - len(words))
