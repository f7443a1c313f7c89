"""A suggestion is made only where a word is near in spelling to what it may have meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import closest, nearest

LAYERS = ["conv", "convtranspose", "linear", "sumpool", "relu", "flatten", "batchnorm", "dropout", "adaptiveavgpool"]
COLUMNS = ["file", "label", "text", "image_name", "category", "split"]


@pytest.mark.parametrize(
    ("word", "choices", "meant"),
    [
        ("cnov", LAYERS, "conv"), ("Conv", LAYERS, "conv"), ("batch_norm", LAYERS, "batchnorm"),
        ("batch-nrom", LAYERS, "batchnorm"), ("flaten", LAYERS, "flatten"), ("lineer", LAYERS, "linear"),
        ("adaptive avg pool", LAYERS, "adaptiveavgpool"), ("lable", COLUMNS, "label"), ("fiel", COLUMNS, "file"),
        ("image name", COLUMNS, "image_name"), ("catgory", COLUMNS, "category"), ("texts", COLUMNS, "text"),
        ("resnet", ["vgg11", "resnet18"], "resnet18"), ("classify", ["regression", "classification"], "classification"),
        ("adamm", ["adamw", "adam", "sgd"], "adam"),
    ],
)  # fmt: skip
def test_slips(word, choices, meant):
    assert closest(word, choices) == meant
    assert nearest(word, choices) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize(
    ("word", "choices"),
    [
        ("pool", LAYERS), ("title", COLUMNS), ("norm", LAYERS), ("age", COLUMNS), ("site", ["file", "label"]),
        ("x", ["y", "z"]), ("id", ["x", "no"]), ("tail", ["text", "file"]), ("price", COLUMNS), ("depth", LAYERS),
        ("", LAYERS), ("dense", LAYERS),
    ],
)  # fmt: skip
def test_words_that_mean_something_else(word, choices):
    assert closest(word, choices) == ""


@given(st.sampled_from(LAYERS), st.data())
def test_one_slip_is_always_understood(word, data):
    """One letter swapped, left out or doubled."""
    i = data.draw(st.integers(0, len(word) - 2))
    slip = data.draw(
        st.sampled_from(
            [word[:i] + word[i + 1] + word[i] + word[i + 2 :], word[:i] + word[i + 1 :], word[:i] + word[i:]]
        )
    )
    assert closest(slip, LAYERS) == word


@given(st.text("abcdef _-", max_size=12), st.lists(st.text("abcdef_", min_size=1, max_size=12), max_size=5))
def test_a_suggestion_is_one_of_the_choices(word, choices):
    found = closest(word, choices)
    assert found in choices or found == ""
    assert not word or closest(word, [word]) in (word, "")
