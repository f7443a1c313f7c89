"""The contract refuses what it could not keep, and comes back from JSON as it was."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import ModelError, RecipeError
from striate.model.contract import INTERPOLATION, RESIZE, Contract
from unfitted import unfitted

GOOD = Contract(("cat", "dog"), (3, 8, 9), "RGB", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
NAN = float("nan")
WRONG = [
    ({"task": "detection"}, "task is 'detection'; it is one of classification"),
    ({"mode": "BGR"}, "mode is 'BGR'; it is one of L, RGB"),
    ({"mode": 3}, "mode is 3; it is one of L, RGB"),
    ({"resize": "strech"}, "resize is 'strech'; did you mean 'stretch'?"),
    ({"interpolation": ["bilinear"]}, "interpolation is ['bilinear']"),
    ({"classes": ("cat", "cat")}, "the classes must be different names, got ['cat', 'cat']"),
    ({"classes": ("cat", "")}, "the classes must be different names"),
    ({"classes": ("cat", 2)}, "the classes must be different names"),
    ({"classes": ("cat",)}, "there must be 2 classes or more, got ['cat']"),
    ({"classes": ("cat", "\udce4pfel")}, "the class name '\\udce4pfel' is not valid UTF-8 text; rename it"),
    ({"input": (3, 8)}, "input must be channels, height, width, got [3, 8]"),
    ({"input": (3, 0, 8)}, "input must be channels, height, width"),
    ({"input": (3, 8.0, 8)}, "input must be channels, height, width"),
    ({"input": (1, 8, 8)}, "mode RGB has 3 channel(s), but the input has 1, mean 3 and std 3"),
    ({"mode": "L"}, "mode L has 1 channel(s), but the input has 3, mean 3 and std 3"),
    ({"mean": (0.5,)}, "mode RGB has 3 channel(s), but the input has 3, mean 1 and std 3"),
    ({"std": (0.5, 0.5, 0.0)}, "mean [0.1, 0.2, 0.3] and std [0.5, 0.5, 0.0] must be numbers, std above 0"),
    ({"std": (0.5, 0.5, NAN)}, "must be numbers, std above 0"),
    ({"mean": (0.5, 0.5, True)}, "must be numbers, std above 0"),
    ({"mean": (0.5, 0.5, 10**400)}, "must be numbers, std above 0"),
    ({"mean": (0.5, 0.5, [1])}, "must be numbers, std above 0"),
    ({"temperature": 0}, "temperature must be a number above 0, got 0"),
    ({"temperature": NAN}, "temperature must be a number above 0, got nan"),
    ({"temperature": "1"}, "temperature must be a number above 0, got '1'"),
    ({"threshold": 1.5}, "threshold must be a probability, from 0 to 1, got 1.5"),
    ({"threshold": True}, "threshold must be a probability, from 0 to 1, got True"),
    ({"sets": ((0.9, 2),)}, "sets must be pairs of a coverage and a probability, got ((0.9, 2),)"),
    ({"sets": ((0.9, 0.1), (0.8, 0.2))}, "sets must be pairs"),
    ({"sets": (0.9, 0.1)}, "sets must be pairs"),
    ({"energy": (1.0, 2.0)}, "energy must be one number, got (1.0, 2.0)"),
    ({"energy": (NAN,)}, "energy must be one number"),
    ({"look": ((0.5, 0.1),)}, "look must be pairs of a lowest and a highest value, got ((0.5, 0.1),)"),
    ({"look": (0.5,)}, "look must be pairs"),
    ({"smallest": 0}, "smallest must be a number of pixels, got 0"),
    ({"smallest": 8.5}, "smallest must be a number of pixels, got 8.5"),
    ({"task": "multilabel", "threshold": 0.5}, "threshold goes with one class per item, not with multilabel"),
    ({"task": "multilabel", "sets": ((0.9, 0.5),)}, "sets goes with one class per item"),
    ({"task": "multilabel", "energy": (0.5,)}, "energy goes with one class per item"),
    (
        {"task": "regression", "target_mean": (0, 0), "target_std": (1, 1), "temperature": 2.0},
        "a temperature goes with probabilities, and regression has none",
    ),
]


@pytest.mark.parametrize(("fields", "text"), WRONG)
def test_a_wrong_field_is_named(fields, text):
    with pytest.raises(ModelError) as caught:
        replace(GOOD, **fields)
    assert str(caught.value).startswith("contract: ")
    assert text in str(caught.value)


contracts = st.builds(
    lambda mode, size, classes, mean, std, resize, interpolation: Contract(
        tuple(classes), (3 if mode == "RGB" else 1, *size), mode,
        tuple(mean[: 3 if mode == "RGB" else 1]), tuple(std[: 3 if mode == "RGB" else 1]), resize, interpolation,
    ),
    st.sampled_from(["L", "RGB"]),
    st.tuples(st.integers(1, 999), st.integers(1, 999)),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2, unique=True),
    st.lists(st.floats(-10, 10), min_size=3, max_size=3),
    st.lists(st.floats(1e-3, 10), min_size=3, max_size=3),
    st.sampled_from(RESIZE),
    st.sampled_from(INTERPOLATION),
)  # fmt: skip


def test_what_was_fitted_comes_back_and_is_forgotten_for_other_weights():
    fitted = replace(
        GOOD, temperature=0.5, threshold=0.9, sets=((0.8, 0.7), (0.9, 0.2)), energy=(-1.5,), look=((0.1, 0.9),) * 4,
        smallest=20,
    )  # fmt: skip
    assert Contract.from_json(fitted.to_json()) == fitted
    assert unfitted(fitted) == GOOD
    assert "temperature" not in GOOD.to_json()
    assert (fitted.least_for(0.75), fitted.least_for(0.8), fitted.least_for(0.81)) == (0.7, 0.7, 0.2)
    for contract, coverage, text in (
        (
            fitted,
            0.95,
            "sets is 0.95; this model has sets of 80%, 90% (29 to 58 validation items); sets of 95% need 59: train "
            "with more of them (striate train DATA --validation-fraction 0.2, or a larger val/)",
        ),
        (
            GOOD,
            0.8,
            "sets is 0.8; this model has no sets (fewer than 14 validation items); sets of 80% need 14: train",
        ),
        (
            GOOD,
            0.995,
            "sets is 0.995; the highest coverage that a model keeps sets of is 99%",
        ),
        (
            replace(GOOD, sets=((0.99, 0.1),)),
            0,
            "sets must be a share between 0 and 1, such as 5% or 0.05; got 0",
        ),
    ):
        with pytest.raises(RecipeError) as caught:
            contract.least_for(coverage)
        assert str(caught.value).startswith(text)


@given(contracts)
def test_it_comes_back_from_json(contract):
    assert Contract.from_json(contract.to_json()) == contract


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*asdict(GOOD)]), json_values))
def test_any_json_is_a_contract_or_a_model_error(changes):
    values = json.loads(GOOD.to_json()) | changes
    try:
        contract = Contract.from_json(json.dumps(values))
    except ModelError as error:
        text = str(error)
    else:
        text = "contract: good"
        assert Contract.from_json(contract.to_json()) == contract
    assert text.startswith("contract: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "expected an object, got list"),
        (GOOD.to_json().replace("resize", "resizing"), "unknown field 'resizing'; did you mean 'resize'?"),
        (json.dumps({"classes": []}), "is missing"),
        (GOOD.to_json().replace('["cat", "dog"]', '"cat"'), "classes must be a list, got 'cat'"),
    ],
    ids=lambda value: value[:12],
)
def test_a_text_that_is_no_contract(text, reason):
    with pytest.raises(ModelError) as caught:
        Contract.from_json(text)
    assert reason in str(caught.value)


def test_what_older_files_left_out_is_not_guessed():
    values = json.loads(GOOD.to_json())
    for name in values:
        with pytest.raises(ModelError, match=f"the field '{name}' is missing"):
            Contract.from_json(json.dumps({k: v for k, v in values.items() if k != name}))
