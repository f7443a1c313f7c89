import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.datasets.counter import philox, uniforms

whole = st.integers(0, 2**32 - 1)


def words(counter, key):
    return [f"{int(word):08x}" for word in philox(np.array(counter, np.uint64), key)]


# the authors' own known answers for philox4x32 with 10 rounds (Random123 1.14, kat_vectors)
@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ([0] * 4, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            0x299F31D0_A4093822,
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_the_authors_known_answers(counter, key, answer):
    assert words(counter, key) == answer.split()


def test_uniforms_are_these_words_for_ever():
    assert uniforms(0, 0, [0], 1)[0, 0] == 0x6627E8D5 / 2**32
    assert uniforms(3, 5, [0, 1], 3).tolist() == [
        [0.9045741541776806, 0.5188070440199226, 0.7286267548333853],
        [0.25177613412961364, 0.36663060006685555, 0.1484125319402665],
    ]


@given(whole, whole, st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20), st.integers(1, 40))
def test_a_row_depends_on_its_own_index_alone(seed, epoch, index, draws):
    together = uniforms(seed, epoch, index, draws)
    assert together.shape == (len(index), draws)
    assert (together >= 0).all()
    assert (together < 1).all()
    for row, i in zip(together, index, strict=True):
        assert np.array_equal(uniforms(seed, epoch, [i], draws)[0], row)
    assert np.array_equal(uniforms(seed, epoch, index, draws + 3)[:, :draws], together)


N = 4096
ARGUMENTS = {
    "seed": lambda: np.concatenate([uniforms(i, 0, [0], 8) for i in range(N)]),
    "epoch": lambda: np.concatenate([uniforms(0, i, [0], 8) for i in range(N)]),
    "index": lambda: uniforms(0, 0, np.arange(N), 8),
    "high index": lambda: uniforms(0, 0, np.arange(N) << 32, 8),
    "stream": lambda: np.concatenate([uniforms(0, 0, [0], 8, stream=i) for i in range(N)]),
    "draw": lambda: uniforms(0, 0, [0], 8 * N).reshape(N, 8),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_along_every_argument_the_numbers_are_uniform_and_unrelated(name):
    u = ARGUMENTS[name]()
    for column in u.T:  # chi-squared with 15 degrees of freedom: 99.999 % lie below 45
        counts = np.bincount((column * 16).astype(int), minlength=16)
        assert ((counts - N / 16) ** 2 / (N / 16)).sum() < 45
    limit = 5 / np.sqrt(N)  # five standard deviations of a correlation of independent numbers
    between = np.corrcoef(u.T) - np.eye(8)
    assert np.abs(between).max() < limit
    for lag in (1, 2, 4, 64):
        assert abs(np.corrcoef(u[:-lag, 0], u[lag:, 0])[0, 1]) < limit


def test_the_arguments_do_not_stand_in_for_each_other():
    a = [uniforms(1, 0, [0], 4), uniforms(0, 1, [0], 4), uniforms(0, 0, [1], 4), uniforms(0, 0, [0], 4, stream=1)]
    b = [uniforms(0, 0, [0], 4), uniforms(0, 0, [2**32], 4), uniforms(2**32, 0, [0], 4), uniforms(0, 0, [0], 8)[:, 4:]]
    values = np.concatenate([*a, *b])
    assert len(np.unique(values)) == values.size
