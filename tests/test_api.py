"""The main job as one Python call, as the interface promises it."""

import inspect
import json
import sys
from dataclasses import fields

import pytest
import torch

import striate
from striate import Conv, Flatten, Linear, ReLU, Seq

TINY = "conv 4 3; relu; flatten; linear 10"


def test_train_predict_save_load(in_folder, digit, capsys):
    net = Seq(conv1=Conv(4, 3), relu1=ReLU(), flat=Flatten(), out=Linear(10))
    model = striate.train(net, "digits", epochs=3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("epoch ") == 3
    assert "test accuracy" in err
    assert "runs/digits-net" in err
    (answer,) = model.predict(digit)
    assert isinstance(answer, striate.Prediction)
    assert answer.class_ == "0"
    model.save("digits.safetensors")
    assert striate.load("digits.safetensors").predict(digit)[0].top == answer.top
    assert isinstance(model.module, torch.nn.Module)


def test_quiet_says_nothing_and_settings_reach_the_recipe(in_folder, capsys):
    striate.train(TINY, "digits", epochs=1, lr=0.01, out="here", quiet=True)
    assert capsys.readouterr() == ("", "")
    assert '"lr": 0.01' in (in_folder / "here" / "recipe.json").read_text()


@pytest.mark.parametrize(
    ("data", "net", "figure"),
    [
        ("shapes:regression,n=30,test=8", "flatten; linear 3", "test mean absolute error"),
        ("shapes:segmentation,n=20,test=8", "conv 9 1", "test mean IoU"),
        ("shapes:multilabel,n=30,test=8", "flatten; linear 8", "test mean average precision"),
    ],
)
def test_every_task_in_one_call(in_folder, capsys, data, net, figure):
    model = striate.train(net, data, epochs=1, augment="none", channels=1, resize="fit", fraction=0.5)
    said = capsys.readouterr().err
    assert figure in said
    assert model.contract.mode == "L"
    assert model.contract.resize == "fit"
    assert said.splitlines()[0].startswith(data.split(":")[1].split(",")[0])


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: striate.train(TINY, "digits", epoch=3), striate.RecipeError, "no setting 'epoch'; did you mean 'epoc"),
        (lambda: striate.train("lenet5", "resnet18"), striate.DataError, "resnet18: file not found"),
        (lambda: striate.train("digits", "lenet5"), striate.SpecError, r"the data come second: train\(NET, DATA\)"),
        (lambda: striate.train("shapes:n=9"), striate.SpecError, r"or train\(None, 'shapes:n=9'\) for the default n"),
        (lambda: striate.train(TINY), striate.DataError, "got a NoneType for data; expected a built-in name, a path"),
        (
            lambda: striate.train(torch.nn.Linear(3, 4), "digits"),
            striate.SpecError,
            "the Linear: does not take a batch of shape \\(2, 1, 8, 8\\)",
        ),
        (lambda: striate.train(TINY, "digits", device="gpu"), striate.RecipeError, "device 'gpu' is not available"),
        (lambda: striate.train(TINY, "digits", init="xavier"), striate.RecipeError, "init is 'xavier'"),
        (lambda: striate.train(TINY, "digits", resume=True), striate.ModelError, "no run of net on digits to resume"),
        (
            lambda: striate.data("digits", lable="x"),
            striate.RecipeError,
            "data has no option 'lable'; did you mean 'la",
        ),
        (
            lambda: striate.evaluate(TINY, "digits", foo=1),
            striate.RecipeError,
            "evaluate has no option 'foo'; it is one",
        ),
        (lambda: striate.doctor("digits", foo=1), striate.RecipeError, "doctor has no option 'foo'; it is one of task"),
        (lambda: striate.check("timm:resnet18"), striate.SpecError, "networks of timm are not in the zoo; pass a mod"),
        (lambda: striate.load("nothing.safetensors"), striate.ModelError, "nothing.safetensors: file not found"),
    ],
)
def test_a_mistake_is_an_error_of_ours_and_leaves_nothing(in_folder, call, kind, text):
    with pytest.raises(kind, match=text):
        call()
    assert issubclass(kind, striate.Error)
    assert issubclass(kind, ValueError)
    assert not list(in_folder.iterdir())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"epochs": "3"}, "epochs must be a whole number of at least 1, got '3'"),
        ({"learing_rate": 1}, "no setting 'learing_rate'; did you mean 'learning_rate'?"),
        ({"init": 3}, "init must be a word, got 3"),
        ({"freeze": 3}, "freeze must be a word, got 3"),
        ({"out": 3}, "out must be a folder, got 3"),
        ({"resume": "no"}, "resume must be True or False, got 'no'"),
        ({"channels": "3"}, "channels must be a number, got '3'"),
        ({"device": "gpu"}, r"device 'gpu' is not available \(unknown device type\); use cpu or auto"),
        ({"recipe": {"epochs": 3}}, "recipe must be a Recipe, the name of one or a recipe.json"),
        ({"recipe": "tutoral"}, "did you mean 'tutorial'?"),
        ({"input": {}}, "got a dict for an input size; expected"),
        ({"input": (1, 8.5, 8)}, r"got \(1, 8.5, 8\)"),
        ({"weights": 3}, "got a int for a network; expected"),
    ],
    ids=str,
)
def test_values_that_the_command_line_would_refuse(in_folder, settings, text):
    with pytest.raises(striate.Error, match=text):
        striate.train(TINY, "digits", quiet=True, **settings)
    assert not list(in_folder.iterdir())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda model: striate.train(TINY, None, quiet=True), "got a NoneType for data; expected a built-in name, a p"),
        (lambda model: striate.doctor(None), "got a NoneType for data"),
        (lambda model: striate.evaluate(model, 3.5), "got a float for data; expected a built-in name, a path"),
        (lambda model: striate.data(3), "got a int for data"),
        (lambda model: striate.evaluate(None, "digits"), "got a NoneType for a network"),
        (lambda model: striate.evaluate(model, "digits", split=3), "3"),
        (lambda model: striate.predict(model, 3), "got a int"),
        (
            lambda model: striate.predict(model, [], batch_size=0),
            "batch_size must be a whole number of at least 1, got 0",
        ),
        (lambda model: striate.predict(model, [], threshold="a"), "threshold must be a number from 0 to 1, got 'a'"),
        (lambda model: striate.export("lenet5", to=3), "--to 3: no such format; it is one of source"),
        (
            lambda model: striate.export(torch.nn.Linear(2, 3)),
            "the Linear is a PyTorch module, which is Python code",
        ),
        (lambda model: striate.load(None), "got a NoneType for a model file"),
        (lambda model: striate.check(3), "got a int for a network"),
    ],
)
def test_values_of_the_wrong_type_are_named(trained, in_folder, call, text):
    with pytest.raises(striate.Error, match=text):
        call(trained)


VERBS = """doctor data train curve runs evaluate predict check weights export convolve pool activation lab filters maps
    activity unit field peaks explain imagine view serve experiment""".split()


def test_every_verb_is_a_function_of_that_name_with_the_same_options():
    from striate.cli.main import VERBS as COMMANDS
    from striate.datasets.options import DataOptions
    from striate.learning import Recipe
    from striate.run.options import RunOptions
    from striate.service.settings import ServiceSettings

    assert sorted(COMMANDS) == sorted([*VERBS, "zoo"])
    for name in VERBS:
        function = getattr(striate, name)
        _, *more = inspect.signature(COMMANDS[name]).parameters  # which one is a network has several names
        options = set(more) - {"json", "out", "list_", *DRAWN}
        known = set(inspect.signature(function).parameters)
        if name in ("train", "curve"):
            known |= {field.name for kind in (Recipe, RunOptions) for field in fields(kind)}
        if name == "serve":
            known |= {field.name for field in fields(ServiceSettings)} | {"device"}  # its **settings
        if name in ("doctor", "data", "evaluate"):
            known |= {field.name for field in fields(DataOptions)}  # its **options
        assert options - known <= OTHERS.get(name, set()), name


DRAWN = ("show", "steps", "bare", "html")  # of a figure or a page, which in Python comes from the value
OTHERS = {  # what is another argument in Python, or what the value that comes back does
    "check": {"diff", "svg"},
    "train": {"find_lr", "repeats", "folds"},  # striate.find_lr, striate.train_series
    "evaluate": {"other", "cost"},  # striate.compare; scores.costs(...)
    "doctor": {"model"},  # striate.wrong_labels
    "predict": {"files", "top"},
    "view": {"html", "port", "no_browser", "lab"},
    "imagine": {"steps", "lr", "basis", "jitter", "variation", "blur", "octaves", "ratio", "seed"},  # its **settings
}


def test_evaluate_and_predict(trained, digit, capsys):
    scores = striate.evaluate(trained, "digits", split="test")
    assert scores.n == 360
    assert scores.accuracy == striate.evaluate(striate.load(trained), "digits").accuracy
    (one,) = striate.predict(trained, digit)
    assert [p.class_ for p in striate.predict(striate.load(trained), [digit, str(digit)])] == [one.class_] * 2
    assert [p.class_ for p in striate.predict(trained, striate.open_data("digits").test.inputs[0])] == [one.class_]
    with pytest.raises(striate.ModelError, match="lenet5 is an untrained network"):
        striate.evaluate("lenet5", "digits")
    with pytest.raises(striate.RecipeError, match="masks are written by a model for segmentation"):
        striate.predict(trained, digit, out="masks")
    assert capsys.readouterr() == ("", "")


def test_export_of_a_network_and_of_models(trained, in_folder):
    assert striate.export("lenet5").path.name == "lenet5.py"
    by_file, by_value = striate.export(trained, out="a.py"), striate.export(striate.load(trained), out="b.py")
    assert [len(done.files) for done in (by_file, by_value)] == [2, 2]
    assert [by_file.max_difference, by_value.max_difference] == [0, 0]
    with pytest.raises(striate.ModelError, match="lenet5 is an untrained network"):
        striate.export("lenet5", to="onnx")


def test_data_and_its_contact_sheet(in_folder):
    found = striate.data("digits", sheet="sheet.png", augment="light", seed=1, input=16)
    assert found.as_dict()["items"] == {"train": 1437, "test": 360}
    assert (in_folder / "sheet.png").stat().st_size > 1000
    with pytest.raises(striate.RecipeError, match=r"--seed 3 is for the contact sheet; add --sheet"):
        striate.data("digits", seed=3)


def test_check_needs_no_input_of_what_says_one(trained):
    assert striate.check("lenet5").parameters == 61706
    assert striate.check(trained).input == (1, 8, 8)
    assert striate.check("lenet5", 40).input == (1, 40, 40)
    assert striate.list_networks()[0]["name"] == "lenet5"


def test_settings_by_the_names_of_other_tools(in_folder):
    striate.train(TINY, "digits", epochs=1, learning_rate=0.01, batch=64, imgsz=8, out="here", quiet=True)
    about = json.loads((in_folder / "here" / "recipe.json").read_text())
    assert (about["lr"], about["batch_size"]) == (0.01, 64)
    with pytest.raises(striate.RecipeError, match="lr is given twice, as 'learning_rate' too"):
        striate.train(TINY, "digits", lr=0.1, learning_rate=0.01)


def test_the_public_names_are_there():
    assert all(hasattr(striate, name) for name in striate.__all__)
    assert dir(striate) == sorted(striate.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        striate.trian  # noqa: B018
    assert "striate.run.api" in sys.modules
