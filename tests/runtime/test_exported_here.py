"""What striate's own exporter writes is read by its own runtime, for every task and kind of input."""

import numpy as np
import pytest

import striate.runtime
from small_onnx import CASES, both
from striate.exporters.onnx import write_onnx
from striate.runtime.choosing import _some

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("case", CASES)
def test_every_task(case, engine, tmp_path):
    model, by_hand = both(case, tmp_path)
    path = tmp_path / "exported.onnx"
    write_onnx(model, path)
    exported = striate.runtime.load(path, engine=engine)
    assert exported.contract == model.contract
    inputs = _some(model.contract)
    for some in (inputs[:1], inputs[:7]):
        expected = model.scores(some)
        np.testing.assert_allclose(exported.scores(some), expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(striate.runtime.load(by_hand).scores(some), expected, rtol=1e-4, atol=1e-4)
