"""The plain models: each as scikit-learn's where it has one, by hand where it has not."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier

from strategies import examples
from striate.baselines import fit_baseline
from striate.baselines.features import (
    TfIdf,
    colour_histogram,
    fit_pixels,
    hog,
    picture_features,
    pixel_features,
    pixel_scores,
    shrunk,
)
from striate.baselines.linear import Bags, lbfgs, linear_classifier, linear_regression, logistic_regression, product
from striate.tasks import CLASSIFICATION, MULTILABEL, REGRESSION, SEGMENTATION

seeds = st.integers(0, 2**20)


def tensor(values):
    return torch.from_numpy(np.asarray(values, np.float32))


@examples(10)
@given(seeds, st.integers(3, 5), st.sampled_from([0.1, 1.0, 10.0]))
def test_logistic_regression_is_scikit_learns(seed, k, c):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 6)).astype(np.float32)
    y = np.r_[np.arange(k), (x[k:] @ rng.normal(size=(6, k)) + rng.normal(size=(80 - k, k))).argmax(1)]
    ours = logistic_regression(torch.from_numpy(x), torch.from_numpy(y), k, c)
    theirs = LogisticRegression(C=c, max_iter=2000, tol=1e-8).fit(x, y)
    np.testing.assert_allclose(ours(torch.from_numpy(x)).softmax(1).numpy(), theirs.predict_proba(x), atol=0.01)


def test_of_several_labels_each_has_its_own():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 4)).astype(np.float32)
    y = (x[:, :2] + rng.normal(size=(100, 2)) > 0).astype(np.float32)
    ours = logistic_regression(torch.from_numpy(x), torch.from_numpy(y), 2)(torch.from_numpy(x)).sigmoid().numpy()
    for i in range(2):
        theirs = LogisticRegression(tol=1e-8).fit(x, y[:, i]).predict_proba(x)[:, 1]
        np.testing.assert_allclose(ours[:, i], theirs, atol=0.005)


@examples(20)
@given(seeds, st.integers(1, 40), st.sampled_from([0.1, 1.0, 100.0]))
def test_linear_regression_is_scikit_learns(seed, features, penalty):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, features)), rng.normal(size=(20, 2))
    ours = linear_regression(tensor(x), tensor(y), penalty)
    theirs = Ridge(alpha=penalty).fit(x, y)
    np.testing.assert_allclose(ours(tensor(x)).numpy(), theirs.predict(x), atol=1e-3)


@examples(20)
@given(seeds, st.integers(2, 4), st.integers(1, 40))
def test_the_linear_classifier_is_scikit_learns(seed, k, features):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(30, features)).astype(np.float32)
    y = np.r_[np.arange(k), rng.integers(0, k, 30 - k)]
    ours = linear_classifier(torch.from_numpy(x), torch.from_numpy(y), k)(torch.from_numpy(x)).numpy()
    theirs = RidgeClassifier().fit(x, y).decision_function(x)  # 1 and -1, where ours are 1/2 and -1/2
    np.testing.assert_allclose(2 * (ours if k > 2 else ours[:, 1]), theirs, atol=1e-3)


def test_lbfgs_finds_the_least_of_an_ill_shaped_valley():
    scales = torch.logspace(0, 3, 8)
    found = lbfgs(lambda x: (float((scales * (x - 1) ** 2).sum()), 2 * scales * (x - 1)), torch.zeros(8))
    assert found.tolist() == pytest.approx([1.0] * 8, abs=1e-4)


def test_a_target_that_never_varies_and_a_feature_that_never_does():
    x = tensor([[1, 0], [1, 1], [1, 2]])
    assert linear_regression(x, tensor([[5], [5], [5]]))(x).flatten().tolist() == pytest.approx([5, 5, 5])
    assert logistic_regression(x, torch.tensor([1, 1, 1]), 2)(x).argmax(1).tolist() == [1, 1, 1]


@examples(25)
@given(seeds, st.integers(1, 12), st.integers(1, 9))
def test_tf_idf_is_scikit_learns(seed, n, length):
    """Words by their numbers; pairs of neighbours where two texts or more have them."""
    rng = np.random.default_rng(seed)
    texts = rng.integers(2, 8, (n, length)) * (np.arange(length) < rng.integers(1, length + 1, (n, 1)))
    ours = TfIdf.of(texts)
    said = [" ".join(f"w{word}" for word in row if word) for row in texts]
    pairs = [tuple(divmod(int(term), ours.base)) for term in ours.terms]
    vocabulary = [f"w{b}" if a == 0 else f"w{a} w{b}" for a, b in pairs]
    theirs = TfidfVectorizer(ngram_range=(1, 2), vocabulary=vocabulary, token_pattern=r"\S+").fit(said)
    dense = product(ours.bags(texts), torch.eye(len(vocabulary))).numpy()
    np.testing.assert_allclose(dense, theirs.transform(said).toarray(), atol=1e-5)
    full = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+").fit(said)
    assert {word for word in full.vocabulary_ if " " not in word} == {word for word in vocabulary if " " not in word}


@examples(20)
@given(seeds, st.integers(1, 8), st.integers(1, 9))
def test_words_that_training_did_not_see_are_in_no_term(seed, n, length):
    """Others than were fitted on, with higher numbers and unknown ones between: scikit-learn's, with our terms."""
    rng = np.random.default_rng(seed)
    end = rng.integers(0, length, n)[:, None] < np.arange(length)  # behind it, padding
    seen, other = (np.where(end, 0, rng.integers(1, most, (n, length))) for most in (6, 40))
    seen[0, 0] = 2
    texts, new = ([" ".join("unknown" if w == 1 else f"w{w}" for w in t if w) for t in some] for some in (seen, other))
    ours = TfIdf.of(seen)
    names = [f"w{t}" if t < ours.base else f"w{t // ours.base} w{t % ours.base}" for t in ours.terms.tolist()]
    theirs = TfidfVectorizer(ngram_range=(1, 2), vocabulary=names, token_pattern=r"\S+").fit(texts)
    bags, matrix = ours.bags(other), np.zeros((n, len(names)))
    ends = [*bags.starts.tolist()[1:], len(bags.ids)]
    for row, (start, end) in enumerate(zip(bags.starts.tolist(), ends, strict=True)):
        matrix[row, bags.ids[start:end]] = bags.weights[start:end]
    np.testing.assert_allclose(matrix, theirs.transform(new).toarray(), atol=1e-6)


def test_bags_and_a_matrix_give_the_same_model():
    rng = np.random.default_rng(0)
    dense = tensor((rng.random((30, 5)) < 0.4) * rng.random((30, 5)))
    rows, columns = dense.nonzero(as_tuple=True)
    starts = torch.searchsorted(rows, torch.arange(30))
    bags = Bags(columns, dense[rows, columns], starts, 5)
    y = torch.from_numpy(rng.integers(0, 3, 30))
    np.testing.assert_allclose(
        logistic_regression(bags, y, 3)(bags), logistic_regression(dense, y, 3)(dense), atol=2e-3
    )
    values = tensor(rng.normal(size=(30, 1)))
    np.testing.assert_allclose(
        linear_regression(bags, values)(bags), linear_regression(dense, values)(dense), atol=2e-3
    )


def test_the_colours_by_hand():
    red = torch.zeros(1, 3, 2, 2)
    red[:, 0] = 1
    assert colour_histogram(red)[0].nonzero().flatten().tolist() == [3 * 16]
    assert colour_histogram(torch.ones(2, 4, 3, 5)).sum(1).tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("degrees", [0, 40, 80, 120, 160])
def test_the_gradients_of_a_ramp_lie_in_their_direction(degrees):
    """A ramp rises in one direction alone: all of its gradient is in that bin of 20 degrees."""
    angle = np.radians(degrees)
    y, x = np.mgrid[:32, :32]
    ramp = tensor((np.cos(angle) * x + np.sin(angle) * y) / 100)[None, None]
    found = hog(ramp).reshape(9, 8, 8)[:, 1:-1, 1:-1].sum((1, 2))
    assert found[degrees // 20] / found.sum() > 0.99


def test_brightness_and_contrast_leave_the_gradients_as_they_are():
    image = torch.from_numpy(np.random.default_rng(0).random((1, 3, 40, 24), np.float32))
    np.testing.assert_allclose(hog(image), hog(image * 0.5 + 0.2), rtol=0.01, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 200, 90), (5, 7, 3), (4, 1, 9)])
def test_images_of_every_size_have_features(shape):
    images = np.random.default_rng(0).integers(0, 256, (3, *shape)).astype(np.uint8)
    found = picture_features(images)
    assert found.isfinite().all()
    assert found.shape[0] == 3
    assert found.norm(dim=1).max() < 6
    assert max(shrunk(torch.from_numpy(images).float(), 64).shape[2:]) <= 64


def test_pixels_are_told_by_colour_and_by_place():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 3, 20, 30)).astype(np.uint8)
    for masks in ((images[:, 0] > 127).astype(np.uint8), np.broadcast_to(np.arange(20)[:, None] > 9, (4, 20, 30))):
        masks = masks.astype(np.uint8)
        masks[0, :3] = 255
        found = pixel_scores(fit_pixels(images, masks, 2), images).argmax(1)
        assert (found == masks)[masks != 255].mean() > 0.97


def test_one_image_at_a_time_has_pixel_features(monkeypatch):
    from striate.baselines import features

    images = np.random.default_rng(0).integers(0, 255, (5, 3, 16, 12)).astype(np.uint8)
    model = fit_pixels(images, images[:, 0] // 128, 2)
    whole = (pixel_features(images).movedim(1, -1) @ model.weight + model.bias).movedim(-1, 1).numpy()
    sizes = []
    monkeypatch.setattr(features, "pixel_features", lambda some: sizes.append(len(some)) or pixel_features(some))
    np.testing.assert_allclose(pixel_scores(model, images), whole, atol=1e-4)
    assert sizes == [1] * 5


def test_the_mean_around_a_pixel_is_of_the_image_alone():
    image = np.full((1, 1, 5, 5), 255, np.uint8)
    features = pixel_features(image)[0]
    assert features[[0, 2, 4, 6]].unique().tolist() == [0.5]
    assert features[[3, 5, 7]].abs().max() == 0


def draw(rng, n):
    """Crosses and boxes of any brightness."""
    images, labels = np.zeros((n, 1, 16, 16), np.uint8), rng.integers(0, 2, n)
    for image, label in zip(images, labels, strict=True):
        x, y = rng.integers(1, 7, 2)
        part = image[0, y : y + 8, x : x + 8]
        if label:
            part[3:5], part[:, 3:5] = 200, 200
        else:
            part[[0, -1]], part[:, [0, -1]] = 200, 200
    return images, labels


def test_every_kind_of_items_has_its_baseline():
    rng = np.random.default_rng(0)
    images, labels = draw(rng, 200)
    found = fit_baseline(images, labels, task=CLASSIFICATION, outputs=2, mode="L")
    assert found.name == "colour histogram + HOG + linear classifier"
    new, wanted = draw(rng, 100)
    assert (found.scores(new).argmax(1) == wanted).mean() > 0.9
    both = np.stack([labels, 1 - labels], 1).astype(np.uint8)
    several = fit_baseline(images, both, task=MULTILABEL, outputs=2, mode="L")
    assert ((several.scores(new) > 0)[:, 0] == wanted).mean() > 0.9
    values = rng.normal(size=(50, 3, 4)).astype(np.float32)
    numbers = fit_baseline(values, values[:, :1, 0] * 2, task=REGRESSION, outputs=1, mode="values")
    assert numbers.name == "linear regression"
    assert numbers.scores(values)[:, 0] == pytest.approx(values[:, 0, 0] * 2, abs=0.3)
    masks = fit_baseline(images, (images[:, 0] > 0).astype(np.uint8), task=SEGMENTATION, outputs=2, mode="L")
    assert (masks.items, masks.of) == (50, 200)
    assert (masks.scores(new).argmax(1) == (new[:, 0] > 0)).mean() > 0.99
    assert masks.name == "logistic regression of single pixels"


def test_of_many_items_some_are_chosen_and_the_seed_says_which():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    first, again, other = (
        fit_baseline(x, y, task=CLASSIFICATION, outputs=2, mode="values", seed=seed) for seed in (0, 0, 1)
    )
    assert (first.items, first.of) == (2000, 3000)
    np.testing.assert_array_equal(first.scores(x), again.scores(x))
    assert (first.scores(x) != other.scores(x)).any()
    assert first.scores(x[:0]).shape == (0, 2)


def test_where_there_is_nothing_plain():
    nan = np.full((4, 2), np.nan, np.float32)
    y = np.array([0, 1, 0, 1])
    assert fit_baseline(nan, y, task=CLASSIFICATION, outputs=2, mode="values") is None
    assert fit_baseline(nan[:0], y[:0], task=CLASSIFICATION, outputs=2, mode="values") is None
    volumes = np.zeros((2, 1, 3, 4, 4), np.float32)
    assert fit_baseline(volumes, volumes[:, 0], task=SEGMENTATION, outputs=2, mode="values") is None
