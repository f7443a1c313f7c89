"""Memory that a step frees: whether the next one finds it, counted in page faults."""

import sys

import pytest
import torch

from striate.learning.speed import reused_memory

BYTES = 2**27


def faults(size=BYTES):
    """Of filling a new block."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(size, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="only the GNU C library gives large blocks back at once")
def test_a_large_block_is_not_cleared_by_the_system_at_every_step():
    pages = BYTES // 4096
    with reused_memory():
        faults(2 * BYTES)
        assert faults() < pages / 20


def test_it_ends_with_an_error_too():
    with pytest.raises(ValueError, match="of the step"), reused_memory():
        raise ValueError("of the step")
    with reused_memory():
        assert torch.ones(3).sum() == 3
