"""The first weights: each scheme's deviation, from the seed alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from strategies import examples
from striate.errors import RecipeError
from striate.net import INITS, build, initialise, naive_bayes, whiten
from striate.net.init import fans
from striate.spec import parse

WIDE = "conv 64 5 groups=2; flatten; linear 50"
INPUT = (32, 9, 9)
FAN_IN, FAN_OUT = 16 * 25, 32 * 25  # one output sums half of the channels, one input reaches half of the outputs

DEVIATION = {
    "lecun": 1 / math.sqrt(FAN_IN),
    "glorot": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "he": math.sqrt(2 / FAN_IN),
    "lenet": 2.4 / FAN_IN / math.sqrt(3),
    "alexnet": 0.01,
}


@pytest.mark.parametrize("name", INITS)
def test_a_scheme_has_its_deviation(name: str) -> None:
    """25,600 draws: the deviation is within 2%, the mean within 4 of its own errors, and biases begin at 0."""
    weight = build(parse(WIDE), INPUT, init=name, seed=3).conv1.weight.detach()
    n, wanted = weight.numel(), DEVIATION[name]
    assert n == 25_600
    assert abs(weight.std().item() / wanted - 1) < 0.02
    assert abs(weight.mean().item()) < 4 * wanted / math.sqrt(n)
    if name in ("glorot", "lenet"):
        assert weight.abs().max() <= wanted * math.sqrt(3)
    else:
        assert weight.abs().max() > 3 * wanted
    assert not build(parse(WIDE), INPUT, init=name).conv1.bias.any()


def test_every_scheme_is_tested() -> None:
    assert set(INITS) == set(DEVIATION)


FANS = {
    "conv 6 5": ((3, 9, 9), 75, 150),
    "conv 8 3x5 groups=2": ((4, 9, 9), 2 * 15, 4 * 15),
    "conv 8 3 groups=4": ((4, 9), 3, 2 * 3),
    "convtranspose 8 3": ((4, 9, 9), 4 * 9, 8 * 9),
    "convtranspose 8 3 groups=2": ((4, 9, 9), 2 * 9, 4 * 9),
    "conv 2 2": ((3, 4, 4, 4), 24, 16),
    "linear 7": ((5,), 5, 7),
}


@pytest.mark.parametrize("text", FANS)
def test_fans_count_what_one_output_sums_and_one_input_reaches(text: str) -> None:
    input, fan_in, fan_out = FANS[text]
    net = build(parse(text), input, device="meta")
    (layer,) = net.children()
    assert fans(layer) == (fan_in, fan_out)


@pytest.mark.parametrize("text", ["conv 8 3 groups=2", "convtranspose 8 3 groups=2", "linear 6"])
def test_fans_by_measuring(text: str) -> None:
    """All weights 1: the middle output is its fan-in, and the gradient of the middle input its fan-out."""
    input = (12,) if text.startswith("linear") else (4, 9, 9)
    net = build(parse(text), input)
    (layer,) = net.children()
    for p in layer.parameters():
        nn.init.constant_(p, 1.0 if p.ndim > 1 else 0.0)
    x = torch.ones(1, *input, requires_grad=True)
    y = net(x)
    y.sum().backward()
    assert x.grad is not None
    assert fans(layer) == (y.max().item(), x.grad.max().item())


def test_auto_suits_the_activation() -> None:
    for text, name in (("conv 6 5; tanh", "glorot"), ("conv 6 5; sigmoid", "glorot"), ("conv 6 5; relu", "he")):
        net, other = build(parse(text), (1, 9, 9)), build(parse(text), (1, 9, 9), init=name)
        assert torch.equal(net.conv1.weight, other.conv1.weight)


def test_the_seed_and_nothing_else_decides() -> None:
    text = "embedding 7 4; conv 6 3; batchnorm; relu; convtranspose 3 2; flatten; linear 4"
    torch.manual_seed(1)
    one = build(parse(text), (8,), seed=5).state_dict()
    torch.manual_seed(2)
    two = build(parse(text), (8,), seed=5).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = build(parse(text), (8,), seed=6).state_dict()
    for name, value in other.items():
        drawn = name.endswith("weight") and "batchnorm" not in name
        assert torch.equal(one[name], value) != drawn, name


def test_torchs_own_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    build(parse("embedding 7 4; conv 6 3; dropout; linear 4"[:24] + "; flatten; linear 4"), (8,), seed=5)
    assert torch.equal(torch.get_rng_state(), state)


def test_everything_begins_somewhere() -> None:
    """`to_empty` leaves whatever was in memory: every parameter and buffer must be written."""
    text = "conv 6 3; batchnorm; prelude: convtranspose 3 2; flatten; linear 4; batchnorm; linear 3"
    net = build(parse(text), (2, 8, 8), device="meta").to_empty(device="cpu")
    for value in net.state_dict().values():
        value.fill_(77)
    initialise(net, "he", 0)
    assert not any((value == 77).any() for value in net.state_dict().values())
    assert torch.equal(net.batchnorm1.running_var, torch.ones(6))
    assert torch.equal(net.batchnorm1.weight, torch.ones(6))
    assert net.batchnorm1.num_batches_tracked == 0


def test_embeddings_begin_uniform_within_a_quarter() -> None:
    weight = build(parse("embedding 300 100"), (8,)).embedding1.weight
    assert abs(weight.std().item() - 0.5 / 12**0.5) < 0.002
    assert weight.abs().max() <= 0.25


def test_activations_keep_their_scale_under_he_and_relu() -> None:
    """He et al. 2015, section 2.2: with it a deep ReLU net neither fades nor grows."""
    net = build(parse("; ".join(["conv 64 3 padding=1; relu"] * 12)), (64, 8, 8), init="he")
    with torch.no_grad():
        y = net(torch.randn(4, 64, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert 0.01 < y.square().mean().item() < 10  # the borders see zeros


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(RecipeError, match="init is 'xavier'; it is one of auto, lecun, glorot, he, lenet, alexnet"):
        initialise(nn.Linear(2, 2), "xavier")


WHITENED = "input 3x12x12; conv 24 2; gelu; conv 32 3 padding=1 bias=no; maxpool 2; flatten; linear 5 bias=no"


def photos(n: int = 200, size: int = 12) -> torch.Tensor:
    """Noise that is smooth along both axes and alike in all channels, as photos are."""
    noise = torch.randn(n, 4, size, size, generator=torch.Generator().manual_seed(0))
    return (noise[:, :1] + 0.3 * noise[:, 1:]).cumsum(2).cumsum(3) / size


def test_whitened_outputs_are_uncorrelated_and_of_variance_one() -> None:
    net, images = build(parse(WHITENED), init="whiten"), photos()
    whiten(net, images, eps=1e-9)
    outputs = net.conv1(images).detach().movedim(1, 3).reshape(-1, 24).double()
    halves = outputs[:, :12], outputs[:, 12:]
    assert torch.equal(halves[0], -halves[1])
    torch.testing.assert_close(halves[0].T @ halves[0] / len(outputs), torch.eye(12).double(), atol=2e-3, rtol=0)


def test_the_noise_of_a_constant_channel_is_not_blown_up() -> None:
    net, images = build(parse(WHITENED), init="whiten"), photos()
    images[:, 2] = 0
    whiten(net, images)
    assert net.conv1.weight.isfinite().all()
    assert net.conv1.weight.abs().max() < 50  # 1 / sqrt(5e-4) is 45


def test_a_whitening_layer_is_frozen_and_the_others_begin_as_identities() -> None:
    net = build(parse(WHITENED), init="whiten", seed=1)
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    assert trained == {"conv1.bias", "conv2.weight", "linear1.weight"}
    x = torch.randn(2, 24, 7, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(net.conv2(x)[:, :24], x)
    assert net.conv2.weight[24:].std() > 0.05  # as drawn
    assert net.linear1.weight.std().item() == pytest.approx(1 / net.linear1.in_features)


def test_whitening_wants_a_convolution_first() -> None:
    with pytest.raises(RecipeError, match=r"init whiten: .* must be a convolution, but it is Linear; use init=auto"):
        build(parse("input 1x4x4; flatten; linear 3"), init="whiten")
    with pytest.raises(RecipeError, match="convolution, but there is none"):
        whiten(nn.Sequential(nn.ReLU()), photos())


# --------------------------------------------------------------------------------------- word vectors from the texts
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
@examples(25)
def test_log_count_ratios_are_those_of_scikit_learns_naive_bayes(seed: int, classes: int) -> None:
    """With one class against all others, scikit-learn's log probabilities of a word differ by this ratio."""
    from sklearn.naive_bayes import MultinomialNB

    rng = np.random.default_rng(seed)
    words = 12
    texts = rng.integers(0, words, (30, 7))
    targets = np.concatenate([np.arange(classes), rng.integers(0, classes, 30 - classes)])
    net = nn.Sequential(nn.Embedding(words, 10), nn.Flatten(), nn.Linear(70, classes))
    before = net[0].weight.detach().clone()
    naive_bayes(net, torch.from_numpy(texts), torch.from_numpy(targets), classes)
    there = np.stack([np.isin(np.arange(words), text) for text in texts]).astype(float)[:, 2:]
    for c in range(classes):
        theirs = MultinomialNB(alpha=1.0).fit(there, targets == c).feature_log_prob_
        assert net[0].weight[2:, c].detach().numpy() == pytest.approx(theirs[1] - theirs[0], abs=1e-5)
    labels = torch.nn.functional.one_hot(torch.from_numpy(targets), classes)
    again = nn.Sequential(nn.Embedding(words, 10))
    naive_bayes(again, torch.from_numpy(texts), labels, classes)
    assert torch.equal(again[0].weight[2:, :classes], net[0].weight[2:, :classes])
    assert torch.equal(net[0].weight[:2], before[:2])
    assert torch.equal(net[0].weight[:, classes:], before[:, classes:])


def test_the_words_of_many_texts_are_counted_without_a_table_of_texts_and_words() -> None:
    """4,000 texts of a vocabulary of 50,000 words: the table alone would have 800 MB."""
    from torch.utils._python_dispatch import TorchDispatchMode

    largest = 0

    class Largest(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            found = func(*args, **(kwargs or {}))
            for one in found if isinstance(found, tuple) else [found]:
                largest = max(largest, one.numel() if isinstance(one, torch.Tensor) else 0)
            return found

    net = nn.Sequential(nn.Embedding(50_000, 4))
    with Largest():
        naive_bayes(net, torch.randint(0, 50_000, (4_000, 10)), torch.arange(4_000) % 2, 2)
    assert largest <= 4 * 50_000


def test_of_many_classes_half_of_a_vector_is_counted() -> None:
    net = nn.Sequential(nn.Embedding(5, 4))
    before = net[0].weight.detach().clone()
    naive_bayes(net, torch.tensor([[2], [3], [4]]), torch.tensor([0, 1, 2]), 3)
    assert torch.equal(net[0].weight[:, 2:], before[:, 2:])
    assert not torch.equal(net[0].weight[2:, :2], before[2:, :2])


def test_word_counts_want_an_embedding_first() -> None:
    with pytest.raises(
        RecipeError, match=r"init naive_bayes: .* must be an embedding, but it is Linear; use init=auto"
    ):
        build(parse("input 4; linear 3"), init="naive_bayes")
