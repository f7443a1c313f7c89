"""The main job as one Python call, as the interface promises it."""

import sys

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
        (lambda: striate.train("digits", "lenet5"), striate.DataError, "lenet5: no such data"),
        (
            lambda: striate.train(torch.nn.Linear(3, 4), "digits"),
            striate.SpecError,
            "the Linear is a module, .* train it with striate.training",
        ),
        (lambda: striate.train(TINY, "digits", device="gpu"), striate.RecipeError, "device 'gpu' is not to be had"),
        (lambda: striate.train(TINY, "digits", init="xavier"), striate.RecipeError, "init is 'xavier'"),
        (lambda: striate.train(TINY, "digits", resume=True), striate.ModelError, "no run of net on digits to go on"),
        (lambda: striate.load("nothing.safetensors"), striate.ModelError, "nothing.safetensors: there is no such"),
    ],
)
def test_a_mistake_is_an_error_of_ours_and_leaves_nothing(in_folder, call, kind, text):
    with pytest.raises(kind, match=text):
        call()
    assert issubclass(kind, striate.Error)
    assert issubclass(kind, ValueError)
    assert not list(in_folder.iterdir())


def test_the_public_names_are_there():
    assert all(hasattr(striate, name) for name in striate.__all__)
    assert dir(striate) == sorted(striate.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        striate.trian  # noqa: B018
    assert "striate.run.api" in sys.modules
