"""``--tune``: the search of learning rate and weight decay, by a clock that only the steps move."""

import json
import math
from functools import partial
from itertools import pairwise

import pytest
import torch

import striate
import striate.run.making
from striate.errors import RecipeError
from striate.learning import Recipe
from striate.run import prepare
from striate.run.options import seconds_of
from striate.run.tuning import Try, _plan, _rank, search_points, tune
from striate.tasks import TASKS

SLOW = "conv 4 3; relu; maxpool 2; flatten; linear 10"  # for which the recipe's rate is too small


class Clock:
    """Every look at it takes 10 ms."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.01
        return self.now


def start(out="run", data="digits", net=SLOW, **settings):
    return prepare(data, net, settings={"epochs": 3, "batch_size": 64} | settings, out=out)


def test_the_search_finds_a_rate_that_is_better_and_leaves_the_weights(in_folder):
    run, said = start(lr=2e-3, batch_size=32), []
    before = {name: value.clone() for name, value in run.model.module.state_dict().items()}
    rng = torch.get_rng_state()
    tries = tune(run, 8.0, said.append, Clock())
    assert all(torch.equal(value, before[name]) for name, value in run.model.module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), rng)
    assert (tries[0].lr, tries[0].weight_decay) == (2e-3, 0.01)  # the recipe's own is the first
    longest = max(one.steps for one in tries)
    last = [one for one in tries if one.steps == longest]
    assert run.recipe.lr > 4e-3
    assert (run.recipe.lr, run.recipe.weight_decay) in {(one.lr, one.weight_decay) for one in last}
    assert max(one.metric for one in last) > tries[0].metric + 0.1
    assert {group["lr"] for group in run.state.optimizer.param_groups} == {run.recipe.lr}
    assert run.state.step == run.state.epoch == 0
    assert said[0].split() == ["lr", "weight", "decay", "steps", "val", "metric", "val", "loss"]
    assert said[-1].startswith(
        f"tuned on validation: lr {run.recipe.lr:g}, weight decay {run.recipe.weight_decay:g}, of "
    )
    assert said[-1].endswith("the recipe has 0.002 and 0.01")


def test_the_same_seed_tries_the_same_and_the_time_is_kept(in_folder):
    clocks = [Clock(), Clock()]
    first, again = (tune(start(f"run{i}", lr=1e-4), 4.0, lambda text: None, clock) for i, clock in enumerate(clocks))
    assert first == again
    assert 2.0 < clocks[0].now < 4.5


@pytest.mark.parametrize("data", ["shapes:regression,n=60,test=20,size=16", "shapes:multilabel,n=60,test=20,size=16"])
def test_other_tasks_are_tuned_by_their_own_metric(in_folder, data):
    run = start(data=data, net=None, batch_size=8)
    tries = tune(run, 4.0, lambda text: None, Clock())
    ranked = sorted(tries, key=lambda one: (-one.steps, *_rank([one], run.task)))
    assert run.recipe.lr == ranked[0].lr
    better = (max if run.task.metric.higher_is_better else min)(
        (one for one in tries if one.steps == ranked[0].steps),
        key=lambda one: one.metric if run.task.metric.higher_is_better else one.loss,
    )
    assert (ranked[0].metric, ranked[0].loss)[not run.task.metric.higher_is_better] == (
        better.metric if run.task.metric.higher_is_better else better.loss
    )


def test_recipe_json_keeps_the_tries_and_a_resumed_run_does_not_search_again(in_folder, monkeypatch):
    heard = []
    monkeypatch.setattr(striate.run.making, "tune", partial(tune, clock=Clock()))
    run = prepare("digits", SLOW, settings={"epochs": 1, "batch_size": 128}, out="run", tune="4s", say=heard.append)
    about = json.loads((in_folder / "run/recipe.json").read_text())
    assert {one["lr"] for one in about["tune"]} >= {run.recipe.lr, 0.002}
    assert about["tune"][0].keys() == {"lr", "weight_decay", "steps", "metric", "loss"}
    assert (about["lr"], about["weight_decay"]) == (run.recipe.lr, run.recipe.weight_decay)
    assert sum("tuned on validation" in line for line in heard) == 1
    for _ in run.events():
        pass
    run.finish()
    heard.clear()
    resumed = prepare("digits", SLOW, settings={"epochs": 2}, out="run", resume=True, tune="20s", say=heard.append)
    assert not [line for line in heard if "tuned" in line]
    assert resumed.recipe.lr == about["lr"]
    assert json.loads((in_folder / "run/recipe.json").read_text())["tune"] == about["tune"]
    resumed.lock.release()


def test_too_little_time_is_refused_with_what_is_enough(in_folder):
    with pytest.raises(RecipeError, match=r"tune=0\.3s is too short: 3 tries of 20 steps need \d+ s"):
        tune(start(), 0.3, lambda text: None, Clock())


def test_where_the_time_ends_in_the_first_round_the_best_so_far_is_taken(in_folder):
    class Slowing(Clock):
        def __call__(self):
            self.now += 0.01 if self.now < 0.6 else 0.05
            return self.now

    run = start(lr=1e-4)
    tries = tune(run, 3.0, lambda text: None, Slowing())
    assert run.recipe.lr in {one.lr for one in tries}
    assert run.recipe.lr == min(tries, key=lambda one: _rank([one], run.task)).lr


def test_a_try_that_diverges_is_the_last(in_folder):
    run = start(lr=1e6, optimizer="sgd")
    said = []
    tune(run, 4.0, said.append, Clock())
    assert any("diverged" in line for line in said)
    classes, numbers = TASKS["classification"], TASKS["regression"]
    lost, worse, better = (Try(1, 1, 5, *values) for values in ((None, None), (0.1, 2.0), (0.2, 1.0)))
    assert sorted([lost, better, worse], key=lambda one: _rank([one], classes)) == [better, worse, lost]
    assert sorted([lost, better, worse], key=lambda one: _rank([one], numbers)) == [better, worse, lost]
    assert _rank([lost, better], classes) == (math.inf, math.inf)
    assert _rank([Try(1, 1, 3, 0.9, 0.1), better], classes) == _rank([better], classes)  # the longest count


def test_the_points_are_spread_over_both_ranges():
    recipe = Recipe(lr=0.01, weight_decay=0.0, seed=3)
    points = [one for one, _ in zip(search_points(recipe), range(82), strict=False)]
    assert points[0] == recipe
    for name, middle, span in (("lr", 0.01, 1.0), ("weight_decay", 0.01, 2.0)):
        logs = sorted(math.log10(getattr(one, name) / middle) for one in points[1:])
        assert -span - 0.03 <= logs[0] < -0.9 * span
        assert 0.9 * span < logs[-1] <= span + 0.03
        gaps = [b - a for a, b in pairwise(logs)]
        assert max(gaps) < 8 * span / 81
    assert {(one.epochs, one.optimizer) for one in points} == {(20, "adamw")}


def test_the_plan_stays_within_what_can_be_trained():
    for batches in (60, 100, 500, 3000, 10**6):
        for full in (10, 100, 5000):
            first, each = _plan(batches, min(20, full), full)
            assert first in (0, 3, 9, 27, 81)
            spent, count = 0, first
            while count >= 3:
                spent, count, length = spent + count * min(each, full), count // 3, each
                each = 3 * length
            assert spent <= batches


@pytest.mark.parametrize("given", ["soon", "-3s", "0", "10 days", "", "nan", "inf"])
def test_what_is_no_time(cli, in_folder, given):
    with pytest.raises(RecipeError, match=r"tune is .*, expected a time such as 60s or 5m"):
        striate.train(SLOW, "digits", tune=given, quiet=True)
    assert (seconds_of("1.5m"), seconds_of("2h"), seconds_of(30)) == (90.0, 7200.0, 30.0)
