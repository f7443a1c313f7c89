"""``receptive-field``: the formula, ``striate check``, gradients and changed pixels agree; 8x8, not 4x4."""

import numpy as np
import pytest
import torch
from torch import nn

from striate.experiments import EXPERIMENTS
from striate.experiments.receptive_field import (
    EXAMPLE,
    box_around,
    boxes_by_analysis,
    changed_by_pixels,
    field_steps,
    find_fields,
    stack_fields,
)
from striate.spec import parse


def test_the_example_by_all_ways():
    """1 -> 3 -> 5 -> 5 + 3 * 1 = 8."""
    found = find_fields(images=40)
    assert [(step.before, step.jump, step.after) for step in found.steps] == [(1, 1, 3), (3, 1, 5), (5, 3, 8)]
    assert [step.output for step in found.steps] == [12, 4, 3]
    assert found.measured == found.analysis
    assert found.analysis[found.middle] == box_around(found.strength > 0) == (2, 2, 8, 8)
    assert 0 < found.inner_share < 1


@pytest.mark.parametrize(
    "text",
    [
        "input 1x14x14; conv 2 3; relu; conv 2 3 stride=2; relu; conv 2 2",
        "input 1x16x16; conv 2 5 padding=2 stride=2; tanh; maxpool 2; conv 2 3 padding=1",
        "input 1x13x13; maxpool 3 stride=2; conv 2 3; relu; conv 2 1",
    ],
)
def test_measured_is_computed(text):
    found = find_fields(text, images=80)
    assert found.measured == found.analysis
    heights = [box[2] for box in boxes_by_analysis(parse(text), parse(text).output)]
    assert max(heights) <= field_steps(parse(text))[-1].after


def test_a_pixel_that_has_no_weight_changes_nothing():
    net = nn.Conv2d(1, 1, 3, bias=False)
    with torch.no_grad():
        net.weight[0, 0, 0] = 0
    changed = changed_by_pixels(net, torch.randn(3, 1, 5, 5))
    assert box_around(changed[0]) == (1, 0, 2, 3)
    assert net.weight.dtype == torch.float32  # left as it was


def test_other_claims_are_right():
    assert all(claimed == measured for _, claimed, measured in stack_fields())


def test_the_whole_experiment_says_no():
    found = EXPERIMENTS["receptive-field"].run(0)
    assert not found.holds
    assert set(found.data["sides"].values()) == {8}
    assert "sees 8x8 pixels, not 4x4" in found.result
    assert "though not all agree" not in found.result
    assert "8x8" in str(found.tables[0])
    assert parse(EXAMPLE).input == (1, 12, 12)
    assert np.count_nonzero(found.data["strength"]) == 64
