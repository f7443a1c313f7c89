"""The answers of every task need numpy alone."""

import subprocess
import sys

CODE = """
import sys
sys.modules["torch"] = sys.modules["safetensors"] = None  # importing either fails
import numpy as np
from striate.model.contract import Contract
from striate.model.predictor import Predictor

class Fixed(Predictor):
    def scores(self, inputs):
        return np.stack([SCORES] * len(inputs))

grey = dict(input=(1, 2, 2), mode="L", mean=(0.5,), std=(0.5,))
image = np.zeros((2, 2), np.uint8)
for task, names, scores, more in [
    ("classification", ("cat", "dog"), np.log([1.0, 3.0]), {}),
    ("multilabel", ("cat", "dog"), np.log([3.0, 1 / 3]), {}),
    ("regression", ("weight",), np.array([2.0]), {"target_mean": (10.0,), "target_std": (3.0,)}),
    ("segmentation", ("road", "sky"), np.array([[[1.0, 0], [0, 0]], [[0, 1], [1, 1]]]), {"mask_values": (0, 1)}),
]:
    SCORES = scores
    (answer,) = Fixed(Contract(names, **grey, task=task, **more)).predict(image)
    print(answer.line())
"""


def test_every_task_answers_where_torch_cannot_be_imported() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines() == [
        "dog 75.0%, cat 25.0%",
        "cat 75.0%",
        "weight 16",
        "sky 75.0%, road 25.0% of the pixels",
    ], run.stderr
