"""The estimators do what scikit-learn expects of one, and train as ``striate.train`` does."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

import striate
from striate import Classifier, Regressor
from striate.datasets import with_validation
from striate.datasets.sources.items import items_data_set
from striate.files import FolderLock
from striate.tasks import CLASSIFICATION

FLOATS = (
    "outputs are computed in float32, whose last digit depends on how many items go through the network together: "
    "they differ by 3e-7, and the check allows 1e-7"
)
NOT_MET = {"check_methods_subset_invariance": FLOATS}
SKIPPED = {  # by scikit-learn itself: the array API is not switched on; no decision_function; pandas may be missing
    "check_array_api_input",
    "check_classifiers_multilabel_output_format_decision_function",
    "check_classifier_data_not_an_array",
    "check_regressor_data_not_an_array",
}
QUICK = {"epochs": 10, "batch_size": 16}


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    """Each test in an empty folder, in which nothing may be left."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def fitted(iris):
    return Classifier(epochs=40).fit(*iris)


@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks fit on noise, columns and constants
@pytest.mark.parametrize("kind", [Classifier, pytest.param(Regressor, marks=pytest.mark.slow)])
def test_what_scikit_learn_checks(kind):
    results = check_estimator(
        kind(**QUICK, learning_rate=0.02), expected_failed_checks=NOT_MET, on_fail=None, on_skip=None
    )
    odd = [(one["check_name"], one["exception"]) for one in results if one["status"] == "failed"]
    assert not odd
    assert len(results) > 40
    skipped = {one["check_name"] for one in results if one["status"] == "skipped"}
    assert skipped <= SKIPPED


def test_a_table_is_learned_with_its_classes(fitted, iris, in_folder):
    X, y = iris
    p = fitted.predict_proba(X)
    assert fitted.score(X, y) == accuracy_score(y, fitted.predict(X)) > 0.93
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.n_features_in_ == 4
    assert p.shape == (150, 3)
    assert np.allclose(p.sum(axis=1), 1)
    assert (fitted.classes_[p.argmax(axis=1)] == fitted.predict(X)).all()
    assert [*in_folder.iterdir()] == []


def test_a_tables_columns_are_standardised_each(fitted, iris):
    contract = fitted.model_.contract
    assert contract.input == (4,)
    assert np.allclose(contract.mean, iris[0].mean(axis=0), atol=0.1)
    assert fitted.model_.graph is not None
    assert [type(node.op).__name__ for node in fitted.model_.graph.nodes] == ["Linear", "ReLU", "Linear"]


def test_the_training_is_that_of_train(iris):
    X, y = iris
    images = (X[:, None] * 20).repeat(4, axis=1).astype(np.uint8)
    net = "flatten; linear 8; relu; linear 3"
    found = Classifier(net, epochs=2).fit(images, y)
    split = with_validation(items_data_set(images, y, task=CLASSIFICATION, classes=("0", "1", "2")), 0)
    parts = {name: (part.inputs, part.targets) for name, part in split.parts.items()}
    trained = striate.train(net, parts | {"test": parts["val"]}, epochs=2, out="there", quiet=True)
    weights = trained.module.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in found.model_.module.state_dict().items())
    assert trained.contract == found.model_.contract


def test_the_seed_decides_everything(fitted, iris):
    again, other = clone(fitted).fit(*iris), clone(fitted).set_params(seed=1).fit(*iris)
    assert (again.predict_proba(iris[0]) == fitted.predict_proba(iris[0])).all()
    assert (other.predict_proba(iris[0]) != fitted.predict_proba(iris[0])).any()


def test_images_of_bytes_are_learned(in_folder):
    data = load_digits()
    images, words = (data.images[:400] * 15).astype(np.uint8), np.array([f"digit {n}" for n in data.target[:400]])
    model = Classifier(epochs=4).fit(images[:300], words[:300])
    assert model.score(images[300:], words[300:]) > 0.8
    assert model.model_.contract.mode == "L"
    assert model.n_features_in_ == 64
    assert model.predict(torch.from_numpy(images[:3])).tolist() == model.predict(images[:3]).tolist()


def test_texts_and_files_are_learned(in_folder):
    texts = ["a good film", "a bad film", "good fun", "bad luck"] * 10
    net = "embedding 20 8; conv 8 2; relu; adaptivemaxpool 1; flatten; linear 2"
    model = Classifier(net, epochs=20, learning_rate=0.02).fit(texts, [1, 0, 1, 0] * 10)
    assert model.predict(["good film", "bad film"]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="got an array; the model takes texts"):
        model.predict(np.zeros((2, 3)))

    files = [in_folder / f"{i}.png" for i in range(20)]
    for i, file in enumerate(files):
        Image.new("L", (8, 8), 10 + i + 200 * (i % 2)).save(file)
    model = Classifier("flatten; linear 2", epochs=10).fit(files, ["dark", "bright"] * 10)
    assert model.predict([str(file) for file in files[:2]]).tolist() == ["dark", "bright"]
    with pytest.raises(ValueError, match=r"gone\.png"):
        model.predict([in_folder / "gone.png"])


def test_several_labels():
    X = np.random.default_rng(0).standard_normal((200, 2))
    y = (X > 0).astype(int)
    model = Classifier(epochs=20).fit(X, y)
    assert model.predict(X).shape == model.predict_proba(X).shape == (200, 2)
    assert model.score(X, y) > 0.9


def test_values_one_and_several():
    X = np.random.default_rng(0).standard_normal((200, 3))
    y = np.stack([X[:, 0] * 1000 + 7, X[:, 1] - X[:, 2]], axis=1)
    both = Regressor(epochs=30).fit(X, y)
    assert both.predict(X).shape == (200, 2)
    assert both.score(X, y) > 0.95
    one = Regressor(epochs=30).fit(X, y[:, 0])
    assert one.predict(X).shape == (200,)
    assert one.score(X, y[:, 0]) > 0.95


def test_rows_are_signals_where_the_input_says_so():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 16)), np.arange(60) % 2
    X[y == 1] += np.sin(np.arange(16)) * 3
    net = "conv 4 5; relu; adaptivemaxpool 1; flatten; linear 2"
    given = Classifier(net, input=(1, 16), epochs=10).fit(X, y)
    said = Classifier(f"input 1x16; {net}", epochs=10).fit(X, y)
    assert given.model_.contract.input == said.model_.contract.input == (1, 16)
    assert (given.predict(X) == said.predict(X)).all()
    with pytest.raises(ValueError, match=r"the model takes \[1, 16\]"):
        given.predict(X[:, :12])
    with pytest.raises(ValueError, match="conv"):
        Classifier(net, epochs=1).fit(X, y)


def test_channels_last_are_the_channels():
    X, y = np.random.default_rng(0).random((40, 5, 6, 2)), np.arange(40) % 2
    model = Classifier("flatten; linear 2", epochs=1).fit(X, y)
    assert model.model_.contract.input == (2, 5, 6)
    assert (model.predict(X) == model.predict(np.moveaxis(X, -1, 1))).all()


def test_a_few_items_are_all_trained_on():
    model = Classifier(epochs=2).fit(np.eye(2), [0, 1])
    assert model.model_.contract.temperature == 1
    with pytest.raises(ValueError, match="learning needs two classes or more"):
        Classifier().fit(np.eye(2), [1, 1])


def test_cross_validation_grid_search_and_pipeline(iris, in_folder):
    X, y = iris
    assert cross_val_score(Classifier(epochs=20), X, y, cv=3).mean() > 0.85
    grid = {"learning_rate": [1e-6, 0.02], "net": [None, "linear 3"]}
    search = GridSearchCV(Classifier(epochs=5), grid, cv=2).fit(X, y)
    assert search.best_params_["learning_rate"] == 0.02
    assert search.best_estimator_.score(X, y) > 0.7
    line = make_pipeline(StandardScaler(), Classifier(epochs=20)).fit(X, y)
    assert line.score(X, y) > 0.9
    assert line.set_params(classifier__epochs=1)[-1].epochs == 1
    assert [*in_folder.iterdir()] == []


@pytest.mark.slow
def test_cross_validation_in_several_processes(iris):
    alone = cross_val_score(Classifier(epochs=5), *iris, cv=2)
    assert (cross_val_score(Classifier(epochs=5), *iris, cv=2, n_jobs=2) == alone).all()


def test_pickled_is_the_models_file(fitted, iris):
    content = pickle.dumps(fitted)
    assert b"torch" not in content
    again = pickle.loads(content)
    assert (again.predict_proba(iris[0]) == fitted.predict_proba(iris[0])).all()
    assert again.model_.path is None
    assert again.get_params() == fitted.get_params()


def test_saved_and_loaded_without_pickle(fitted, iris, in_folder):
    X, y = iris
    words = np.array(["setosa", "versicolor", "virginica"], object)[y]
    named = Classifier(epochs=1, out="run", settings={"ema": 0.5}).fit(X, words)
    for model in (fitted, named):
        model.save("iris.safetensors")
        again = Classifier.load("iris.safetensors")
        assert (again.predict(X) == model.predict(X)).all()
        assert again.classes_.dtype == model.classes_.dtype
        assert again.get_params() == model.get_params() | {"out": None}
    assert striate.predict("iris.safetensors", X[0])[0].class_ == named.predict(X[:1])[0]
    with pytest.raises(striate.ModelError, match="no Regressor is in it \\(its task is classification\\)"):
        Regressor.load("iris.safetensors")
    with pytest.raises(NotFittedError):
        Classifier().save("none.safetensors")


def test_a_model_of_train_is_an_estimator(in_folder):
    data = load_digits()
    images = (data.images[:100] * 15).astype(np.uint8)
    trained = striate.train("flatten; linear 10", (images, data.target[:100]), epochs=1, out="run", quiet=True)
    model = Classifier.load("run")
    names = [trained.predict(image)[0].class_ for image in images[:5]]
    assert model.predict(images[:5]).tolist() == names
    assert model.classes_.tolist() == [*"0123456789"]


def test_values_are_loaded_as_they_were(in_folder):
    X = np.linspace(-1, 1, 40).reshape(-1, 1)
    for y in (X[:, 0], X, np.hstack([X, -X])):
        model = Regressor(epochs=1).fit(X, y)
        model.save("line.safetensors")
        again = Regressor.load("line.safetensors")
        assert again.predict(X).shape == y.shape
        assert (again.predict(X) == model.predict(X)).all()


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        return self.last(x)


def test_somebodys_own_module(iris, in_folder):
    X, y = iris
    module = Two()
    before = module.last.weight.clone()
    model = Classifier(module, epochs=5).fit(X, y)
    assert torch.equal(module.last.weight, before)  # the parameter is not what was fitted
    assert (pickle.loads(pickle.dumps(model)).predict(X) == model.predict(X)).all()
    model.save("own.safetensors")
    loaded = Classifier.load("own.safetensors", module)
    assert (loaded.predict(X) == model.predict(X)).all()
    assert torch.equal(module.last.weight, before)  # nor what a file is read into


@pytest.mark.parametrize("again", [copy.copy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"])
def test_a_copy_of_somebodys_own_module_begins_where_the_first_did(iris, again):
    """Otherwise the folds of a cross-validation would begin with weights that saw all of the items."""
    module = Two()
    before = module.last.weight.clone()
    model = Classifier(module, epochs=5).fit(*iris)
    other = again(model)
    assert torch.equal(module.last.weight, before)
    assert torch.equal(clone(other).net.last.weight, before)
    assert (clone(other).fit(*iris).predict_proba(iris[0]) == model.predict_proba(iris[0])).all()


def test_training_that_fails_gives_its_folder_and_its_trackers_back(iris, in_folder, monkeypatch):
    calls = []

    class Log:
        def init(self, **about):
            calls.append("init")

        def log(self, values, step):
            pass

        def finish(self):
            calls.append("finish")

    def fails(run, *_, **__):
        raise RuntimeError("no space")

    monkeypatch.setattr("striate.run.fitting.fit_look", fails)
    with pytest.raises(RuntimeError, match="no space"):
        Classifier(epochs=1, out="run", settings={"log": Log()}).fit(*iris)
    assert calls == ["init", "finish"]
    assert str(in_folder / "run") not in FolderLock._ours


def test_a_folder_and_words_where_asked_for(iris, in_folder, capsys):
    model = Classifier(epochs=1, out="run").fit(*iris)
    assert {"model.safetensors", "metrics.csv", "recipe.json"} <= {path.name for path in (in_folder / "run").iterdir()}
    assert striate.load("run").contract == model.model_.contract
    assert capsys.readouterr() == ("", "")
    Classifier(epochs=1, verbose=True).fit(*iris)
    assert "recipe: table, 1 epoch" in capsys.readouterr().err


def test_what_cannot_be_is_said(iris):
    X, y = iris
    with pytest.raises(ValueError, match="validation_fraction is 1, expected a number from 0 to below 1"):
        Classifier(validation_fraction=1).fit(X, y)
    with pytest.raises(striate.RecipeError, match="no setting 'epoch'; did you mean 'epochs'"):
        Classifier(settings={"epoch": 3}).fit(X, y)
    with pytest.raises(ValueError, match="got texts or files; the model takes arrays"):
        Classifier(epochs=1).fit(X, y).predict(["a", "b"])
    with pytest.raises(ValueError, match=r"beyond 3\.4e38"):
        Classifier(epochs=1).fit(X, y).predict(X * 1e300)
    with pytest.warns(ConvergenceWarning, match="training diverged; use a smaller learning rate"):
        Regressor(optimizer="sgd", learning_rate=2, epochs=3).fit(X[:40], X[:40, 0])


NO_SKLEARN = """
import sys
sys.modules["sklearn"] = None
import striate
assert "Classifier" not in dir(striate) and "train" in dir(striate)
try:
    striate.Classifier
except ImportError as error:
    print(error)
assert "torch" not in sys.modules
"""


def test_without_scikit_learn_the_command_is_said():
    run = subprocess.run([sys.executable, "-c", NO_SKLEARN], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("striate.Classifier and striate.Regressor need scikit-learn: pip install 'striate[sk")
