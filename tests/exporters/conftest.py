"""What the tests of exported files share."""

from functools import cache

import pytest


@pytest.fixture(autouse=True, scope="session")
def _torchlib_once():
    """torch reads all its operators' words in ONNX again for each file, a quarter of a second: once will do."""
    registry = pytest.importorskip("torch.onnx._internal.exporter._registration").ONNXRegistry
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "from_torchlib", staticmethod(cache(registry.from_torchlib)))
        yield
