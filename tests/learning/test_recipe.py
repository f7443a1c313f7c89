"""Every setting's wrong value is answered with the setting, what came and what is wanted."""

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import RecipeError
from striate.learning import (
    BALANCE,
    LOSSES,
    OPTIMIZERS,
    RECIPES,
    SCHEDULES,
    Recipe,
    find_recipe,
    named_recipe,
    read_recipe,
)

NAN, INF = float("nan"), float("inf")
WRONG = [
    ({"epochs": 0}, "recipe: epochs must be a whole number of at least 1, got 0"),
    ({"epochs": 2.0}, "recipe: epochs must be a whole number of at least 1, got 2.0"),
    ({"epochs": True}, "recipe: epochs must be a whole number of at least 1, got True"),
    ({"batch_size": 0}, "recipe: batch_size must be a whole number of at least 1, got 0"),
    ({"batch_size": "32"}, "recipe: batch_size must be a whole number of at least 1, got '32'"),
    ({"lr": 0}, "recipe: lr must be a finite number above 0, got 0"),
    ({"lr": -1.0}, "recipe: lr must be a finite number above 0, got -1.0"),
    ({"lr": NAN}, "recipe: lr must be a finite number above 0, got nan"),
    ({"lr": INF}, "recipe: lr must be a finite number above 0, got inf"),
    ({"lr": "0.1"}, "recipe: lr must be a finite number above 0, got '0.1'"),
    ({"schedule": "cosin"}, "recipe: schedule is 'cosin'; did you mean 'cosine'?"),
    ({"schedule": "zzz"}, "recipe: schedule is 'zzz'; it is one of constant, step, cosine, linear"),
    ({"warmup": 1.5}, "recipe: warmup must be a number of at least 0 and at most 1, got 1.5"),
    ({"optimizer": "adamm"}, "recipe: optimizer is 'adamm'; did you mean 'adam'?"),
    ({"momentum": -0.1}, "recipe: momentum must be a number of at least 0 and at most 1, got -0.1"),
    ({"optimizer": "nesterov", "momentum": 0.0}, "recipe: momentum must be above 0 for nesterov, got 0"),
    ({"weight_decay": -1}, "recipe: weight_decay must be a finite number of at least 0, got -1"),
    ({"weight_decay": INF}, "recipe: weight_decay must be a finite number of at least 0, got inf"),
    ({"l1": -1}, "recipe: l1 must be a finite number of at least 0, got -1"),
    ({"label_smoothing": 2}, "recipe: label_smoothing must be a number of at least 0 and at most 1, got 2"),
    ({"loss": "crossentrpy"}, "recipe: loss is 'crossentrpy'; did you mean 'crossentropy'?"),
    ({"clip": -1}, "recipe: clip must be a finite number of at least 0, got -1"),
    ({"clip": False}, "recipe: clip must be a finite number of at least 0, got False"),
    ({"seed": -1}, "recipe: seed must be a whole number of at least 0, got -1"),
    ({"augment": ""}, "recipe: augment must be a word such as none or standard, got ''"),
    ({"augment": None}, "recipe: augment must be a word such as none or standard, got None"),
    ({"balance": "weight"}, "recipe: balance is 'weight'; did you mean 'weights'?"),
    ({"fraction": 0}, "recipe: fraction must be a number above 0 and at most 1, got 0"),
    ({"validation_fraction": 0}, "recipe: validation_fraction must be a number above 0 and below 1, got 0"),
    ({"validation_fraction": 1}, "recipe: validation_fraction must be a number above 0 and below 1, got 1"),
    ({"fraction": 1.5}, "recipe: fraction must be a number above 0 and at most 1, got 1.5"),
    ({"seed": 2**32}, "recipe: seed must be below 2**32, got 4294967296"),
    ({"epochs": 10**400}, "recipe: epochs must be at most 10,000,000,000, got a number of 401 digits"),
    ({"norm_bias_lr": -1}, "recipe: norm_bias_lr must be a finite number of at least 0, got -1"),
    ({"layer_decay": 0}, "recipe: layer_decay must be a number above 0 and at most 1, got 0"),
    ({"norm_statistics": "fix"}, "recipe: norm_statistics is 'fix'; did you mean 'fixed'?"),
    ({"head_epochs": -1}, "recipe: head_epochs must be a whole number of at least 0, got -1"),
    ({"accumulate": 0}, "recipe: accumulate must be a whole number of at least 1, got 0"),
    ({"ema": 1.0}, "recipe: ema must be a number of at least 0 and below 1, got 1.0"),
    ({"keep": "bst"}, "recipe: keep is 'bst'; did you mean 'best'?"),
    ({"patience": -1}, "recipe: patience must be a whole number of at least 0, got -1"),
    ({"start_size": 0}, "recipe: start_size must be a number above 0 and at most 1, got 0"),
    ({"tta": "flips"}, "recipe: tta is 'flips'; did you mean 'flip'?"),
    ({"precision": "fp16"}, "recipe: precision is 'fp16'; "),
    ({"memory_format": "channels"}, "recipe: memory_format is 'channels'; did you mean 'channels_last'?"),
    ({"threads": -1}, "recipe: threads must be a whole number of at least 0, got -1"),
    ({"compile": True}, "recipe: compile is True; it is one of no, yes"),
]


@pytest.mark.parametrize(("values", "text"), WRONG)
def test_a_wrong_value_is_named(values, text):
    with pytest.raises(RecipeError) as caught:
        Recipe(**values)
    assert str(caught.value).startswith(text)


def test_a_setting_has_the_names_of_other_tools_too():
    assert Recipe(loss="mae").loss == "l1"
    assert Recipe(loss="ce").loss == Recipe.from_dict({"loss": "cross-entropy"}).loss == "crossentropy"
    assert Recipe(optimiser="sgd", batch=8, learning_rate=0.1) == Recipe(optimizer="sgd", batch_size=8, lr=0.1)
    with pytest.raises(RecipeError, match=r"recipe: no setting named 'epoch'; did you mean 'epochs'\?"):
        Recipe(epoch=3)
    with pytest.raises(RecipeError, match="a setting is given under two names, among lr, learning_rate; omit one"):
        Recipe(lr=0.1, learning_rate=0.2)


def test_every_setting_has_a_wrong_value_above():
    assert {name for values, _ in WRONG for name in values} == {f.name for f in fields(Recipe)}


recipes = st.builds(
    Recipe,
    epochs=st.integers(1, 10**6),
    batch_size=st.integers(1, 10**6),
    lr=st.floats(1e-9, 1e3),
    schedule=st.sampled_from(SCHEDULES),
    warmup=st.floats(0, 1),
    optimizer=st.sampled_from(OPTIMIZERS),
    momentum=st.floats(0.01, 1),
    loss=st.sampled_from(LOSSES),
    seed=st.integers(0, 2**32 - 1),
    augment=st.sampled_from(("none", "light")),
    balance=st.sampled_from(BALANCE),
    fraction=st.floats(0.001, 1),
)


@given(recipes)
def test_a_recipe_comes_back_from_json(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe


def test_a_recipe_written_before_a_setting_was_there_is_still_read():
    late = ("augment", "balance", "fraction")
    old = {name: value for name, value in Recipe(epochs=3).as_dict().items() if name not in late}
    assert Recipe.from_dict(old | {"loss": "crossentropy"}) == Recipe(epochs=3, loss="crossentropy")


def test_an_unknown_setting_gets_the_nearest():
    with pytest.raises(RecipeError, match="no setting named 'momenta'; did you mean 'momentum'"):
        Recipe.from_dict({"momenta": 1})
    with pytest.raises(RecipeError, match="no setting named 'nonsense'; it is one of 31, such as epochs, "):
        Recipe.from_dict({"nonsense": "sgd"})


def test_names_of_versions_before_and_of_others_are_understood():
    names = {"batch": 8, "optimiser": "sgd", "learning_rate": 0.5}
    assert Recipe.from_dict(names) == Recipe(batch_size=8, optimizer="sgd", lr=0.5)
    assert Recipe.from_dict(Recipe().as_dict() | {"batch": 8}).batch_size == 8  # what is said later counts


def test_recipes_are_found_by_name_and_by_file(tmp_path):
    assert all(find_recipe(name) == named_recipe(name).recipe == named.recipe for name, named in RECIPES.items())
    assert (find_recipe("standard"), find_recipe("tutorial")) == (find_recipe("default"), find_recipe("classic"))
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(Recipe(epochs=3).as_dict()))
    assert find_recipe(str(path)) == Recipe(epochs=3)


def test_a_runs_recipe_says_more_than_settings_and_is_still_one(trained):
    assert read_recipe(trained / "recipe.json").epochs == 1


def test_an_unknown_recipe_gets_the_nearest():
    with pytest.raises(RecipeError, match=r"recipe 'tutorail': no recipe has this name.*did you mean 'tutorial'"):
        find_recipe("tutorail")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "file not found"),
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "expected an object with the settings, got list"),
        (b'{"epochs": 0}', "recipe: epochs must be a whole number of at least 1, got 0"),
        (b'{"epoch": 1}', "recipe: no setting named 'epoch'; did you mean 'epochs'?"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(tmp_path, content, reason):
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        find_recipe(str(path))
    assert str(caught.value).startswith(f"{path}: {reason}")
