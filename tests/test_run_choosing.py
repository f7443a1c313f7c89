"""What `train` chooses where nobody said, by the kind and the number of the items."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from striate.datasets import DataSet, Part, open_data
from striate.datasets.augment import Augment
from striate.errors import RecipeError
from striate.learning import RECIPES, Recipe, find_recipe
from striate.loading import open_network
from striate.run import prepare
from striate.run.choosing import MANY, choose, smaller_input


def images(n, shape=(1, 28, 28), task="classification"):
    """A data set of *n* images that take no memory."""
    pixels = np.broadcast_to(np.zeros((), np.uint8), (n, *shape[1:], *shape[:1] * (shape[0] > 1)))
    targets = {"regression": np.zeros((n, 1), np.float32), "segmentation": np.zeros((n, *shape[1:]), np.uint8)}
    part = Part(pixels, targets.get(task, np.arange(n) % 2), ("",) * n)
    return DataSet("some", task, ("a", "b"), "L" if shape[0] == 1 else "RGB", shape, part)


def test_many_small_grey_images_get_a_net_and_one_cycle_of_their_own():
    choice = choose(images(60_000))
    assert (choice.net, choice.name, choice.recipe) == ("grey_small", "quick", find_recipe("quick"))
    assert choice.recipe.epochs == 1
    assert choice.line(choice.recipe).startswith(
        "recipe: quick, 1 epoch of batches of 250 (since the images are grey, small and many: 60,000; change it with"
    )
    assert [choose(images(n)).recipe.epochs for n in (10_000, 30_000, 700_000)] == [6, 2, 1]


@pytest.mark.parametrize(
    ("dataset", "name"),
    [(images(1437), "default"), (images(9999, (3, 32, 32)), "default"),
     (images(60_000, task="regression"), "regression"), (images(20_000, task="segmentation"), "segmentation")],
    ids=["few", "not so many", "numbers", "masks"],
)  # fmt: skip
def test_others_get_the_recipe_of_their_task(dataset, name):
    choice = choose(dataset)
    assert (choice.name, choice.recipe, choice.net) == (name, find_recipe(name), "")
    assert choice.line(choice.recipe) == "" if name == "default" else f"recipe: {name}, " in choice.line(choice.recipe)


@pytest.mark.parametrize(
    ("n", "task", "batch_size", "lr", "epochs"),
    [(1280, "classification", 32, 2e-3, 20), (400, "classification", 8, 1e-3, 20),
     (100, "classification", 4, 7.1e-4, 32), (20, "classification", 4, 7.1e-4, 100), (367, "segmentation", 8, 2e-3, 55),
     (24, "segmentation", 2, 9.9e-4, 100)],
)  # fmt: skip
def test_small_data_get_smaller_batches_and_more_epochs(n, task, batch_size, lr, epochs):
    choice = choose(images(n, (3, 32, 32), task))
    assert (choice.recipe.batch_size, choice.recipe.epochs) == (batch_size, epochs)
    assert choice.recipe.lr == pytest.approx(lr)
    assert (f"the training split is small: {n:,}" in choice.why) == (batch_size != find_recipe(choice.name).batch_size)
    assert choose(images(10 * n, (3, 32, 32), task), fraction=0.1) == choice
    assert choose(images(n, (3, 32, 32), task), fine_tuned=True).name == "finetune"


def test_the_kind_of_the_data_is_said(tmp_path):
    lines = []
    texts = [f"a {'good' if i % 2 else 'bad'} film {i}" for i in range(60)]
    run = prepare((texts, np.arange(60) % 2), out=tmp_path / "run", say=lines.append)
    assert (run.net, run.recipe.augment, run.recipe.weight_decay) == ("text_small", "words=0.15", 0.3)
    words, vectors = run.model.contract.vocabulary, run.model.module.embed.weight
    assert (run.init, vectors[words.index("good") + 2, 1] > 1, vectors[words.index("good") + 2, 0] < -1) == (
        "naive_bayes",
        True,
        True,
    )
    numbers = prepare((texts, np.arange(60.0) / 7), recipe=RECIPES["text"], out=tmp_path / "numbers")
    assert (numbers.net, numbers.init) == ("text_small", "auto")
    with pytest.raises(RecipeError, match="init naive_bayes: counts the words of each class, so it is for texts with"):
        prepare(
            (texts, np.arange(60.0) / 7), "embedding 70 8; flatten; linear 1", init="naive_bayes", out=tmp_path / "x"
        )
    (line,) = [line for line in lines if line.startswith("recipe")]
    assert line == (
        f"recipe: text, {run.recipe.epochs} epochs of batches of 4 (since the data are texts and the training split "
        f"is small: 48; change it with --recipe, -e or -b)"
    )


def test_many_small_colour_images_get_a_net_and_a_recipe_of_their_own(tmp_path):
    choice = choose(images(50_000, (3, 32, 32)))
    assert (choice.net, choice.init) == ("rgb_small", "whiten")
    assert choice.recipe == replace(find_recipe("quick-rgb"), augment="shift=2", tta="none")  # photos? nobody knows
    assert choice.line(choice.recipe).startswith(
        "recipe: quick-rgb, 8 epochs of batches of 500 (since the images are in colour, small and many: 50,000;"
    )
    assert [choose(images(n, (3, 32, 32))).recipe.epochs for n in (10_000, 50_000, 10**6)] == [12, 8, 3]
    assert choose(images(9_999, (3, 32, 32))).name == choose(images(10_000, (3, 32, 33))).name == "default"
    for names, augment, tta in (("cat", "dog"), "shift=2 flip=alternate", "flip"), (("6", "9"), "shift=2", "none"):
        photos = open_data(photo_files(tmp_path / names[0], names))
        choice = choose(replace(photos, train=photos.train.take(np.arange(20_000) % len(photos.train))))
        assert (choice.recipe.augment, choice.recipe.tta) == (augment, tta)


@pytest.mark.parametrize("dataset", [images(50_000, (3, 48, 48)), images(50_000, (1, 28, 40))], ids=["colour", "large"])
def test_many_images_get_fewer_epochs_of_larger_batches_at_a_higher_rate(dataset):
    choice = choose(dataset)
    assert (choice.recipe, choice.net) == (Recipe(epochs=10, batch_size=128, lr=0.004), "")
    assert choice.line(choice.recipe).startswith(
        "recipe: default, 10 epochs of batches of 128 (since the images are many: 50,000;"
    )
    assert choose(images(10_000, (3, 48, 48))).recipe == Recipe(batch_size=64, lr=0.0028)
    assert choose(images(10**6, (3, 48, 48))).recipe.epochs == 3  # each is seen a few times at least


def test_a_network_that_is_given_is_trained_as_the_number_of_images_says():
    choice = choose(images(50_000), net_given=True)
    assert (choice.recipe.batch_size, choice.net) == (128, "")


@pytest.mark.parametrize("settings", [{"optimizer": "adamw"}, {"lr": 0.01}, {"momentum": 0.8}])
def test_an_optimizer_or_a_rate_that_is_given_is_for_the_default_recipe(in_folder, settings):
    """The high rate of Muon's cycle is none for AdamW: it reached 86 % of MNIST with it."""
    assert choose(images(50_000), rate_given=True).recipe.optimizer == "adamw"
    pixels = np.random.default_rng(0).integers(0, 256, (MANY, 4, 4), dtype=np.uint8)
    data = (pixels, np.arange(MANY) % 2)
    run = prepare(data, settings=settings)
    assert (run.recipe.optimizer, run.net) == ("adamw", "lenet5")


def test_trained_weights_are_fine_tuned_by_a_recipe_of_their_own():
    choice = choose(images(50_000), fine_tuned=True)
    assert (choice.name, choice.recipe, choice.net) == ("finetune", find_recipe("finetune"), "")
    assert choice.line(choice.recipe).startswith("recipe: finetune, 8 epochs of batches of 32 (since it begins with")


@pytest.mark.parametrize(
    ("n", "shape", "device", "side", "why"),
    [
        (1000, (3, 32, 32), "cpu", 128, "the images are small, 32x32"),
        (300, (3, 40, 60), "cpu", 160, "the images are small, 60x40"),
        (300, (3, 480, 640), "cpu", 224, ""),
        (1000, (3, 480, 640), "cpu", 160, "1,000 images of 224x224 take long on a processor"),
        (1000, (3, 480, 640), "cuda", 224, ""),
        (10_000, (3, 480, 640), "cpu", 96, "10,000 images of 224x224 take long on a processor"),
    ],
    ids=["tiny", "small", "few", "large", "on a GPU", "very many"],
)
def test_the_size_at_which_photos_are_fine_tuned(n, shape, device, side, why):
    graph = open_network("mobilenet_v2").description()
    assert smaller_input(graph, images(n, shape), 8, device) == (side, why)


def test_weights_for_one_size_alone_keep_it():
    graph = open_network("lenet5", channels=3, input=128).description()  # whose first linear layer is for that size
    assert smaller_input(graph, images(1000, (3, 32, 32)), 8, "cpu") == (128, "")


def test_each_recipe_for_digits_brings_its_net_and_mirrors_none():
    for name, net in (("quick", "grey_small"), ("fast-mnist", "grey_medium")):
        named = RECIPES[name]
        assert named.net == net
        assert Augment.parse(named.recipe.augment).flip == "no"
        assert named.recipe.optimizer == "muon"


def test_what_is_said_is_what_is_done(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (13_000, 8, 8), np.uint8), np.arange(13_000) % 2
    lines = []
    run = prepare((x, y), out=tmp_path / "run", settings={"epochs": 2}, say=lines.append)
    assert (run.net, run.recipe.epochs, run.recipe.batch_size) == ("grey_small", 2, 250)
    (line,) = [line for line in lines if line.startswith("recipe")]
    assert line.startswith("recipe: quick, 2 epochs of batches of 250")


def photo_files(root, names, size=(9, 8)):
    for name in names:
        (root / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", size, (i * 20, 0, 0)).save(root / name / f"{i}.png")
    return root


@pytest.mark.parametrize(
    ("names", "augment", "why"),
    [
        (("cat", "dog"), "standard", "these are photos"),
        (("bright", "dark"), "standard", "these are photos"),
        (("turn_left", "turn_right"), "standard flip=no", "the class 'turn_left' may be no other in a mirror"),
        (("00", "01"), "standard flip=no", "the class '00' may be no other in a mirror"),
        (("b", "d"), "standard flip=no", "the class 'b' may be no other in a mirror"),
    ],
)
def test_photos_are_shifted_and_mirrored_where_that_keeps_their_class(tmp_path, names, augment, why):
    choice = choose(open_data(photo_files(tmp_path / "photos", names)))
    assert choice.recipe.augment == augment
    assert choice.why_augment.endswith(why)


def test_few_photos_get_more_epochs(tmp_path):
    few = open_data(photo_files(tmp_path / "photos", ("cat", "dog")))
    part = Part(few.train.inputs * 50, np.arange(50 * len(few.train)) % 2, few.train.names * 50)
    choice = choose(few.with_parts(train=part))
    assert (len(part), choice.recipe.epochs) == (800, 60)
    assert choice.line(choice.recipe).startswith("recipe: default, 60 epochs of batches of 16 (since the ")
    assert "the training split is small: 800 photos;" in choice.line(choice.recipe)
    assert choose(few.with_parts(train=part), fraction=0.5).recipe.epochs == 60
    many = Part(part.inputs * 4, np.arange(3200) % 2, part.names * 4)
    assert choose(few.with_parts(train=many)).recipe.epochs == 20


def test_what_is_no_photo_of_a_class_is_left_as_it_is():
    assert choose(images(100, (3, 8, 8))).recipe.augment == "none"  # arrays: drawn, perhaps
    assert choose(images(100)).recipe.augment == "none"


def test_the_augmentation_is_said_and_overruled(tmp_path):
    photos, said = photo_files(tmp_path / "photos", ("cat", "dog")), []
    run = prepare(photos, settings={"epochs": 1}, say=said.append, out=tmp_path / "one")
    assert "augment: standard (default, since these are photos; --augment none turns it off)" in said
    assert run.augment.flip == "alternate"
    said.clear()
    prepare(photos, settings={"epochs": 1, "augment": "none"}, say=said.append, out=tmp_path / "two")
    prepare(photos, recipe=Recipe(epochs=1), say=said.append, out=tmp_path / "three")
    assert not [line for line in said if "augment" in line]
