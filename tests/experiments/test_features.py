"""``features``: faces are drawn as said, and the measures are right where the answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from striate.experiments import EXPERIMENTS
from striate.experiments.drawn import FACE_PARTS, MOODS, draw_faces
from striate.experiments.features import (
    LAYERS,
    NETWORK,
    PARTS,
    best_input,
    cut_faces,
    face_tensors,
    fields_of_units,
    part_shares,
    shares_of_changes,
    smooth_share,
    strongest_faces,
)
from striate.experiments.fitting import built


@pytest.mark.parametrize("part", FACE_PARTS[1:])
def test_a_part_left_out_changes_its_place_alone(part):
    moods = np.arange(8) % len(MOODS)
    whole, places = draw_faces(moods, np.random.default_rng(0))
    without, again = draw_faces(moods, np.random.default_rng(0), without=part)
    np.testing.assert_array_equal(places, again)
    for a, b, place in zip(whole, without, places[:, FACE_PARTS.index(part)], strict=True):
        rows, columns = np.nonzero(a != b)
        assert len(rows)
        assert np.hypot(rows + 0.5 - place[0], columns + 0.5 - place[1]).max() < 13
        assert np.abs(rows + 0.5 - place[0]).max() < 7


def test_moods_differ_where_they_should():
    """The same face with another mouth differs in the lower half, with other brows in the upper."""
    faces = [draw_faces(np.array([mood]), np.random.default_rng(1))[0][0] for mood in range(4)]
    nose = draw_faces(np.array([0]), np.random.default_rng(1))[1][0, FACE_PARTS.index("nose"), 0]
    rows = np.arange(40) + 0.5
    for other, half in ((1, rows < nose), (2, rows > nose)):
        changed = (faces[0] != faces[other]).any(axis=1)
        assert changed.any()
        assert not changed[~half].any()


def test_smooth_kernels_and_random_ones():
    y, x = np.indices((5, 5)) - 2.0
    assert smooth_share(np.stack([3 * x - y, y * y + x * y, x + 7])) == pytest.approx(1)
    assert smooth_share(((-1.0) ** (x + y))[None]) < 0.1
    assert smooth_share(np.random.default_rng(0).normal(size=(4000, 5, 5))) == pytest.approx(5 / 24, abs=0.01)


def test_units_that_look_at_one_place_depend_on_what_is_there():
    """A planted network of two units: the mean of the mouth's rows, and of the whole face."""

    class Planted(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = nn.Identity()

        def forward(self, x):
            return self.seen(torch.stack([x[:, 0, 26:32, 15:25].mean((1, 2)), x.mean((1, 2, 3))], 1))

    found = part_shares(Planted(), "seen", n=32)
    assert found.units == (0, 1)
    assert found.shares[0, PARTS.index("mouth")] > 0.95
    assert found.parts[0] < 1.1 < found.parts[1]
    np.testing.assert_allclose(found.shares.sum(1), 1)


def test_parts_are_counted_face_by_face():
    """One part in one face and another in the next is one part; two at once are two; a face without any is left out."""
    changes = np.zeros((3, 4, 4))
    changes[0, 0, 1] = changes[1, 0, 2] = 5
    changes[:, 1] = (1, 1, 0, 0)
    changes[:, 2] = 0.01
    found = shares_of_changes("a", changes, np.full(4, 0.5))
    assert found.units == (0, 1)
    np.testing.assert_allclose(found.parts, [1, 2])
    np.testing.assert_allclose(found.shares, [[0, 0.5, 0.5, 0], [0.5, 0.5, 0, 0]])
    assert shares_of_changes("a", 0 * changes, np.zeros(4)).shares.shape == (0, 4)


def test_pieces_are_what_the_unit_saw():
    module = built(NETWORK)
    x, _ = face_tensors(20, 0)
    assert [fields_of_units(module, layer, (1, 1))[2] for layer in LAYERS[:3]] == [5, 10, 20]
    assert fields_of_units(module, "out", ()) == (0, 0, 40, 40)
    (peaks,) = strongest_faces(module, "relu1", [2], x, top=3)
    pieces = cut_faces(module, "relu1", peaks, x)
    y, z = peaks[0].position
    whole = ((x[peaks[0].index, 0] * 0.25 + 0.55) * 255).round().numpy()
    np.testing.assert_array_equal(pieces[0], whole[y : y + 5, z : z + 5])
    assert best_input(module, "out", 1, steps=2).shape == (40, 40)


@pytest.mark.slow
def test_the_whole_experiment():
    found = EXPERIMENTS["features"].run(0)
    assert found.data["accuracy"] > 0.95
    parts = [layer.parts.mean() for layer in found.data["layers"]]
    assert parts[-1] > parts[0]
    assert found.holds
    assert "of new faces right" in found.result
