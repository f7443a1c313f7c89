"""An exported model is served without torch."""

import json
import subprocess
import sys

import pytest

from served import model_of, png

PROGRAM = """
import sys
sys.modules["torch"] = None  # an import of it fails
import json, urllib.request
from striate.service import service_of
with service_of(sys.argv[1], port=0).in_thread() as url:
    image = open(sys.argv[2], "rb").read()
    print(urllib.request.urlopen(url + "predict", data=image).read().decode())
    tensor = {"name": "input", "datatype": "UINT8", "shape": [1, 3, 16, 16], "data": [7] * 768}
    question = json.dumps({"inputs": [tensor]}).encode()
    print(urllib.request.urlopen(url + "v2/models/exported/infer", data=question).read().decode())
"""


@pytest.mark.slow
def test_an_exported_model_answers_as_the_model_does_without_torch(tmp_path):
    from striate import export

    pytest.importorskip("onnxruntime")
    model_of("colours").save(tmp_path / "model.safetensors")
    export(tmp_path / "model.safetensors", to="onnx", out=tmp_path / "exported.onnx")
    (tmp_path / "a.png").write_bytes(png())
    words = [sys.executable, "-c", PROGRAM, tmp_path / "exported.onnx", tmp_path / "a.png"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer, tensors = map(json.loads, done.stdout.splitlines())
    expected = model_of("colours").predict(png())[0].as_dict()
    assert answer[0]["class"] == expected["class"]
    assert answer[0]["probability"] == pytest.approx(expected["probability"], abs=1e-5)
    assert tensors["model_name"] == "exported"
    assert sum(tensors["outputs"][0]["data"]) == pytest.approx(1, abs=1e-5)
