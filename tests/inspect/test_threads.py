"""Several threads may explain and predict with one module; a module left in training mode stays as it is."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from striate.inspect.attribution import METHODS
from striate.inspect.models import explain, inspected
from striate.model.contract import Contract
from striate.model.model import Model

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def model(module=None):
    return Model(module or network(), Contract(("a", "b", "c"), (3, 16, 16), "RGB", (0.5,) * 3, (0.5,) * 3))


@pytest.fixture
def often():
    """Threads take turns often, so that what can mix does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("calls", [40, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("training", [False, True])
def test_eight_threads_get_the_maps_of_one(often, calls, training):
    of = model(network().train(training))
    looked = inspected(of)
    methods = ("grad_cam", "layer_cam", "ablation_cam", "guided_backprop")
    jobs = [(i % len(IMAGES), methods[i // len(IMAGES) % len(methods)]) for i in range(calls)]

    def one(job):
        image, method = job
        return explain(looked, IMAGES[image], "1", method=method).found.values

    expected = {job: one(job) for job in set(jobs)}
    with ThreadPoolExecutor(8) as pool:
        wrong = [
            job
            for job, values in zip(jobs, pool.map(one, jobs), strict=True)
            if not np.array_equal(values, expected[job])
        ]
    assert not wrong
    assert all(part.training == training for part in of.module.modules())


def test_one_thread_explains_while_others_predict(often):
    of = model(network().train())
    looked, before = inspected(of), {name: value.clone() for name, value in of.module.state_dict().items()}

    def one(i):
        if i % 2:
            return explain(looked, IMAGES[i % 8], "1").found.values
        return of.scores(IMAGES[i % 8 : i % 8 + 1].transpose(0, 3, 1, 2))

    expected = [one(i) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for i, found in enumerate(pool.map(one, range(40))):
            assert np.array_equal(found, expected[i % 8])
    assert all(torch.equal(value, before[name]) for name, value in of.module.state_dict().items())
    assert all(part.training for part in of.module.modules())


@pytest.mark.parametrize("method", METHODS)
def test_a_module_in_training_mode_keeps_its_statistics(method):
    of = model(network().train())
    before = {name: value.clone() for name, value in of.module.state_dict().items()}
    found = explain(of, IMAGES[0], "1", method=method, check=method == "grad_cam")
    of.predict(IMAGES[0])
    assert all(torch.equal(value, before[name]) for name, value in of.module.state_dict().items())
    assert all(part.training for part in of.module.modules())
    assert np.array_equal(
        found.found.values, explain(model(network().eval()), IMAGES[0], "1", method=method).found.values
    )
