"""How steps are computed: what is chosen where bfloat16 is fast, slow or wrong; and that nothing else changes."""

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from striate.errors import RecipeError
from striate.learning import Recipe, Speed, State, Step, fastest, load_state, save_state, training, trial
from striate.learning.speed import BusyWatch, using_threads


def net(seed=0, norm=True, drop=0.5):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 16, 3, padding=1), *[nn.BatchNorm2d(16)] * norm, nn.ReLU(), nn.Conv2d(16, 8, 3)]
    return nn.Sequential(*layers, nn.Dropout(drop), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4))


def batches(n=3, size=8, side=12):
    made = torch.Generator().manual_seed(1)
    return [(torch.randn(size, 3, side, side, generator=made), torch.arange(size) % 4) for _ in range(n)]


def timed(monkeypatch, cost):
    """Steps seem to take what *cost* says of the way in which they are computed."""

    def seconds(self, how, left):
        how.place(self.module)
        self.step(how)
        return cost(how)

    monkeypatch.setattr(trial._Trial, "seconds", seconds)
    monkeypatch.setattr(trial, "_bf16_is_no_trap", lambda *_: True)
    monkeypatch.setattr(trial, "_clocked", lambda work, device: (work(), 0.0)[1])
    monkeypatch.setattr(trial, "BUDGET", 1e6)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # or all tests that follow would have two


def fast_bf16(how):
    return (0.5 if how.precision == "bf16" else 1.0) * (0.9 if how.memory_format == "channels_last" else 1.0) * 1e-4


def chosen(module=None, recipe=None, **more):
    return fastest(module or net(), batches()[0], recipe or Recipe(), steps=10**9, **more)


def test_the_fastest_that_is_right_is_taken(monkeypatch):
    timed(monkeypatch, fast_bf16)
    found = chosen()
    assert (found.precision, found.memory_format, found.threads) == ("bf16", "channels_last", 2)
    assert found.gain == " (2.2 times plain float32, measured)"
    assert str(found) == "bf16, channels-last, 2 threads"


def test_where_bf16_is_slower_float32_is_taken(monkeypatch):
    timed(monkeypatch, lambda how: 90e-4 if how.precision == "bf16" else 1e-4)
    found = chosen()
    assert (found.precision, found.memory_format, found.threads) == ("float32", "channels_last", 2)


def test_where_channels_last_is_slower_or_impossible_it_is_not_taken(monkeypatch):
    timed(monkeypatch, lambda how: fast_bf16(how) * (1.5 if how.memory_format == "channels_last" else 1.0))
    assert str(chosen()) == "bf16, contiguous, 2 threads"

    class View(nn.Module):
        def forward(self, x):
            return x.view(len(x), -1)

    module = net()
    module[6] = View()
    assert chosen(module).memory_format == "contiguous"


def test_one_thread_is_taken_where_that_is_faster(monkeypatch):
    timed(monkeypatch, lambda how: fast_bf16(how) * how.threads)
    assert str(chosen()) == "bf16, channels-last, 1 thread"


@pytest.mark.parametrize("wrong", ["forward", "weight gradient", "input gradient", "nan"])
def test_where_bf16_is_wrong_float32_is_taken(monkeypatch, wrong):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * math.nan if wrong == "nan" else x * 1.05 if wrong == "forward" else x.clone()

        @staticmethod
        def backward(ctx, g):
            return g * 1.05

    class Conv(nn.Conv2d):
        """A convolution whose kernel for bfloat16 is broken."""

        def forward(self, x):
            if not torch.is_autocast_enabled("cpu"):
                return super().forward(x)
            if wrong == "input gradient":
                x = Wrong.apply(x)
            weight = Wrong.apply(self.weight) if wrong == "weight gradient" else self.weight
            out = F.conv2d(x, weight, self.bias, padding=self.padding)
            return Wrong.apply(out) if wrong in ("forward", "nan") else out

    timed(monkeypatch, fast_bf16)
    module = net()
    assert chosen(module).precision == "bf16"
    module[3] = Conv(16, 8, 3)
    assert chosen(module).precision == "float32"


def test_fixed_weights_that_multiply_rounding_stay_in_float32(monkeypatch):
    timed(monkeypatch, fast_bf16)
    module = net()
    module[0] = nn.Conv2d(3, 16, 3)
    with torch.no_grad():  # differences of what is nearly the same
        module[0].weight.sub_(module[0].weight.mean((1, 2, 3), keepdim=True)).mul_(100)
    x = 1 + 1e-3 * torch.randn(8, 3, 8, 8)
    assert trial._compare_layer(module[0], x, Speed("bf16"))[0] is False
    measured = trial._Trial(module, module, lambda scores: scores.square().mean(), x)
    module[0].weight.requires_grad_(False)
    assert trial._compare_layer(module[0], x, Speed("bf16"))[0] is False
    assert measured.slow_layers(Speed("bf16"), 1.0) == ("0",)
    module[0].weight.requires_grad_(True)
    assert measured.slow_layers(Speed("bf16"), 1.0) is None


def test_layers_that_are_slower_in_bf16_stay_in_float32(monkeypatch):
    timed(monkeypatch, fast_bf16)
    monkeypatch.setattr(
        trial, "_compare_layer", lambda part, x, how: (True, float(part.weight.ndim == 4 and len(part.weight) == 16))
    )
    how = chosen()
    assert how.float32_layers == ("0",)
    assert str(how) == "bf16 (0 in float32), channels-last, 2 threads"
    module, seen = net(drop=0), []
    hooks = [module[i].register_forward_hook(lambda part, args, out: seen.append(out.dtype)) for i in (0, 3)]
    close = losses(how, module=module)
    for hook in hooks:
        hook.remove()
    assert set(seen[::2]) == {torch.float32}
    assert set(seen[1::2]) == {torch.bfloat16}
    assert close == pytest.approx(losses(Speed(), module=net(drop=0)), rel=0.03)
    assert "forward" not in vars(module[0])


def test_a_network_of_functions_is_compared_as_a_whole(monkeypatch):
    class Functions(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.w, self.v, self.factor = nn.Parameter(torch.randn(8, 3, 3, 3)), nn.Parameter(torch.randn(4, 8)), factor

        def forward(self, x):
            x = F.relu(F.conv2d(x, self.w)).mean((2, 3)) @ self.v.T
            return x * self.factor if torch.is_autocast_enabled("cpu") else x

    timed(monkeypatch, fast_bf16)
    assert [chosen(Functions(factor)).precision for factor in (1.0, 2.0)] == ["bf16", "float32"]


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"precision": "float32"}, "float32, channels-last, 2 threads"),
        ({"memory_format": "contiguous"}, "bf16, contiguous, 2 threads"),
        ({"threads": 1}, "bf16, channels-last, 1 thread"),
        ({"precision": "float32", "memory_format": "contiguous", "threads": 1}, "float32, contiguous, 1 thread"),
    ],
)
def test_what_the_recipe_says_is_kept(monkeypatch, given_, expected):
    timed(monkeypatch, lambda how: fast_bf16(how) * (0.85 if how.memory_format == "channels_last" else 1.0))
    assert str(chosen(recipe=Recipe(**given_))) == expected


def test_measuring_leaves_everything_as_it_was():
    module = net()
    module[4].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    modes, threads = [part.training for part in module.modules()], torch.get_num_threads()
    torch.manual_seed(7)
    rng = torch.get_rng_state()
    fastest(module, batches()[0], steps=10**5)
    assert torch.equal(torch.get_rng_state(), rng)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert [part.training for part in module.modules()] == modes
    assert all(p.grad is None for p in module.parameters())
    assert torch.get_num_threads() == threads


def test_what_cannot_be_measured_is_left_to_the_training_and_said():
    found = chosen(nn.Sequential(nn.Flatten(), nn.Linear(7, 4)))
    assert str(found).startswith("float32, contiguous")
    assert found.gain.startswith(" (not measured: mat1 and mat2 shapes cannot be multiplied")


def losses(how, recipe=None, module=None, **more):
    recipe = recipe or Recipe(epochs=2, lr=0.01)
    return [e.loss for e in training(module or net(), batches(), recipe, speed=how, **more) if isinstance(e, Step)]


def test_the_memory_format_changes_no_more_than_the_rounding():
    plain, other = (losses(Speed(memory_format=name), module=net(drop=0)) for name in ("contiguous", "channels_last"))
    assert other == pytest.approx(plain, rel=1e-3)


def test_bf16_has_losses_near_those_of_float32_and_keeps_float32_weights_and_statistics():
    module = net(drop=0)
    plain, half = losses(Speed(), module=net(drop=0)), losses(Speed("bf16", "channels_last"), module=module)
    assert half == pytest.approx(plain, rel=0.03)
    assert half != plain
    assert {value.dtype for value in module.state_dict().values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize("optimizer", ["adamw", "nesterov"])
def test_resumed_in_channels_last_it_goes_on_bit_for_bit(optimizer, tmp_path):
    how, recipe = Speed(memory_format="channels_last", threads=1), Recipe(epochs=3, optimizer=optimizer, ema=0.9)
    whole = net(norm=False)
    list(training(whole, batches(), recipe, speed=how))
    state = State.new(net(norm=False), recipe)
    for event in training(state.module, batches(), recipe, speed=how, state=state):
        if not isinstance(event, Step):
            break
    save_state(state, tmp_path / "state")
    again = load_state(tmp_path / "state", net(seed=5, norm=False), recipe)
    list(training(again.module, batches(), recipe, speed=how, state=again))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.module.parameters(), strict=True))
    with again.averaged():
        assert not any(torch.equal(a, b) for a, b in zip(whole.parameters(), again.module.parameters(), strict=True))


def test_where_there_is_no_compiler_that_is_said(monkeypatch):
    class Fails(nn.Module):
        def forward(self, x):
            raise RuntimeError("No C++ compiler found\nand much more")

    monkeypatch.setattr(torch, "compile", lambda module: Fails())
    with pytest.raises(
        RecipeError, match=r"cannot compile this network here \(No C\+\+ compiler found\); use compile=no"
    ):
        losses(Speed.of(Recipe(compile="yes")))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile uses what torch has given up
def test_compiled_it_has_the_same_losses():
    plain = losses(Speed(), module=net(drop=0))
    assert losses(Speed.of(Recipe(compile="yes")), module=net(drop=0)) == pytest.approx(plain, rel=1e-3)


def test_threads_are_as_before_afterwards():
    before = torch.get_num_threads()
    with using_threads(1):
        assert torch.get_num_threads() == 1
    list(training(net(), batches(), Recipe(epochs=1), speed=Speed(threads=1)))
    assert torch.get_num_threads() == before


@given(st.builds(Speed, st.sampled_from(["float32", "bf16"]), st.sampled_from(["contiguous", "channels_last"]),
                 st.integers(0, 64), st.booleans(), st.lists(st.text()).map(tuple),
                 st.lists(st.text()).map(tuple)))  # fmt: skip
def test_it_comes_back_from_json(how):
    assert Speed.from_dict(json.loads(json.dumps(how.as_dict()))) == how


@pytest.mark.parametrize("change", [{"processor": "another"}, {"precision": "fp8"}, {"threads": -1}, {"threads": "x"}])
def test_what_another_processor_or_nobody_measured_is_not_believed(change):
    assert Speed.from_dict(Speed().as_dict() | change) is None
    assert Speed.from_dict(None) is None


class TestBusyWatch:
    def test_an_undisturbed_run_keeps_its_threads(self):
        watch = BusyWatch(2)
        assert {watch.after(0.01 * (1 + i % 3)) for i in range(500)} == {2}

    def test_a_single_thread_stays(self):
        watch = BusyWatch(1)
        assert {watch.after(10.0**i) for i in range(20)} == {1}

    def test_a_busy_machine_gets_one_thread_and_all_again_later(self):
        watch = BusyWatch(2)
        quiet = [watch.after(0.01) for _ in range(50)]
        busy = [watch.after(0.1 if watch.threads == 2 else 0.02) for _ in range(60)]
        assert set(quiet) == {2}
        assert busy[-1] == 1
        assert busy.index(1) <= watch.WINDOW
        later = [watch.after(0.01 if watch.threads == 2 else 0.02) for _ in range(300)]
        assert later[-1] == 2

    def test_one_thread_that_is_no_better_is_given_up(self):
        watch = BusyWatch(2)
        for _ in range(20):
            watch.after(0.01)
        seen = [watch.after(0.1 if watch.threads == 2 else 0.3) for _ in range(2 * watch.WINDOW)]
        assert seen[-1] == 2

    @settings(max_examples=30)
    @given(st.lists(st.floats(1e-6, 100), max_size=200), st.integers(1, 8))
    def test_it_never_asks_for_others(self, seconds, threads):
        watch = BusyWatch(threads)
        assert {watch.after(s) for s in seconds} <= {1, threads}


def test_a_recipe_says_it_in_words():
    assert str(Speed.of(Recipe(precision="bf16", threads=1))) == "bf16, contiguous, 1 thread"
    assert str(replace(Speed(), compiled=True)) == "float32, contiguous, compiled"
    assert str(Speed(matmul_layers=("fc6",))) == "float32, contiguous, fc6 by matrix multiplication"


def test_a_layer_in_float32_is_called_with_all_that_it_takes():
    class Up(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(2, 3, 2, stride=2)

        def forward(self, x):
            return self.up(x, output_size=(9, 9))

    module, x = Up(), torch.randn(1, 2, 4, 4)
    how = Speed("bf16", float32_layers=("up",))
    with how.applied(module), how.autocast(x.device):
        assert module(x).dtype == torch.float32
    assert torch.equal(module(x), module.up(x, (9, 9)))
