"""Attribution leaves the module and the caller as they were, whatever happens, and says what it cannot answer."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import striate
from strategies import ACTIVATIONS
from striate.errors import RecipeError, SeeError
from striate.inspect.attribution import (
    METHODS,
    Attribution,
    Target,
    as_target,
    cam_layer,
    deconvnet,
    deletion,
    grad_cam,
    gradient,
    gradient_x_input,
    guided_backprop,
    integrated_gradients,
    occlusion,
    randomisation_test,
    smoothgrad,
)
from striate.net.layers import layer
from striate.spec import ReLU, ReLU6, ScaledTanh
from striate.tasks import MULTILABEL, REGRESSION, SEGMENTATION, TASKS
from striate.zoo import ZOO

EACH = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


class Net(nn.Module):
    """Batch norm, dropout, in-place ReLU; ``fault`` raises in the middle."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.drop, self.head, self.fault = nn.Dropout(0.5), nn.Linear(4 * 6 * 4, classes), False

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv(x)))
        if self.fault:
            raise KeyError("on purpose")
        return self.head(self.drop(x.flatten(1)))


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))


def state(net: nn.Module) -> list[object]:
    """Everything of *net* that could have been left changed."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        [(name, part.training, *(len(getattr(part, kind)) for kind in hooks)) for name, part in net.named_modules()],
        [(p.requires_grad, p.grad, p._version) for p in net.parameters()],
        {name: value.clone() for name, value in net.state_dict().items()},
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch._C._len_torch_function_stack(),
        torch._C._len_torch_dispatch_stack(),
        torch.random.get_rng_state(),
    ]


def same(one: object, other: object) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


@EACH
def test_the_module_is_as_it_was(method: Callable[..., Attribution]) -> None:
    net, x = Net(), image(1, 8, 6)
    net.norm.eval()  # one part was set by hand
    net.conv.requires_grad_(False)
    net.head.weight.grad = torch.ones_like(net.head.weight)
    before, pixels = state(net), x.clone()
    method(net, x)
    assert same(before, state(net))
    assert net.training
    assert not net.norm.training
    assert torch.equal(x, pixels)
    assert not x.requires_grad
    assert x.grad is None


@EACH
def test_the_module_is_as_it_was_after_a_fault(method: Callable[..., Attribution]) -> None:
    net, x = Net(), image(1, 8, 6)
    net.fault = True
    before = state(net)
    with pytest.raises(KeyError, match="on purpose"):
        method(net, x)
    with pytest.raises((KeyError, SeeError)):
        method(net, x, 99)
    assert same(before, state(net))
    net.fault = False
    with pytest.raises(SeeError, match="no output 99: the model has 3 outputs, 0 to 2"):
        method(net, x, 99)
    assert same(before, state(net))


@EACH
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_under_inference_on_frozen_weights(method: Callable[..., Attribution], context: type) -> None:
    net = Net().eval()
    wanted = method(net, image(1, 8, 6), 1)
    net.requires_grad_(False)
    with context():
        found = method(net, image(1, 8, 6), 1)
    assert np.array_equal(found.values, wanted.values)
    assert found.score == wanted.score


@EACH
def test_the_same_twice_and_in_any_batch(method: Callable[..., Attribution]) -> None:
    net, x = Net(), image(1, 8, 6)
    more = {"batch": 1} if method.function in (integrated_gradients, smoothgrad, occlusion) else {}
    assert np.allclose(method(net, x).values, method(net, x, **more).values, atol=1e-6)
    assert np.array_equal(method(net, x).values, method(net, x).values)


@EACH
def test_memory_is_given_back_at_once(method: Callable[..., Attribution]) -> None:
    seen: list[weakref.ref[Tensor]] = []
    net = Net()
    handle = net.conv.register_forward_hook(lambda module, args, output: seen.append(weakref.ref(output)))
    method(net, image(1, 8, 6))
    handle.remove()
    assert seen
    assert not any(ref() is not None for ref in seen)


def test_a_net_that_ends_in_a_softmax_is_asked_for_its_score() -> None:
    """Simonyan et al. 2013, section 2; Selvaraju et al. 2017, section 3: before the softmax."""
    plain, x = Net(), image(1, 8, 6)
    as_layer = nn.Sequential(plain, nn.Softmax(1))

    class Call(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = plain

        def forward(self, x: Tensor) -> Tensor:
            return F.log_softmax(self.net(x), dim=1)

    for method in METHODS.values():
        wanted = method(plain, x, 2)
        for net in (as_layer, Call()):
            found = method(net, x, 2)
            assert np.allclose(found.values, wanted.values, atol=1e-6)
            assert found.score == pytest.approx(wanted.score)
    several = nn.Sequential(plain, nn.Sigmoid())
    assert gradient(several, x, 2, task=MULTILABEL).score == pytest.approx(gradient(plain, x, 2).score)
    assert 0 < gradient(several, x, 2, task=REGRESSION).score < 1  # there the sigmoid is meant


def test_a_relu_module_used_several_times_and_in_place() -> None:
    """Captum misses the second use of a module; here the rule is below modules."""

    class Shared(nn.Module):
        def __init__(self, relus: list[nn.Module]) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b, self.c = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(6 * 4 * 2, 3)
            self.relus = nn.ModuleList(relus)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.relus[1](self.b(self.relus[0](self.a(x)))).flatten(1))

    one = nn.ReLU(inplace=True)
    x = image(1, 8, 6)
    for method in (guided_backprop, deconvnet):
        wanted = method(Shared([nn.ReLU(), nn.ReLU()]), x, 0)
        assert np.array_equal(method(Shared([one, one]), x, 0).values, wanted.values)
        assert not np.allclose(wanted.values, gradient(Shared([nn.ReLU(), nn.ReLU()]), x, 0).values)
    assert grad_cam(Shared([one, one]), x, 0).layer in ("relus.1#2", "relus.0#2")
    with pytest.raises(SeeError, match=r"relus\.0: called 2 times; use relus\.0#1 to relus\.0#2"):
        grad_cam(Shared([one, one]), x, 0, layer="relus.0")
    assert grad_cam(Shared([one, one]), x, 0, layer="relus.0#1").values.shape == (6, 4)
    with pytest.raises(SeeError, match=r"relus\.0#3: the network called relus\.0 2 time"):
        grad_cam(Shared([one, one]), x, 0, layer="relus.0#3")


def test_capped_relus_have_the_rule_and_others_are_named() -> None:
    def net(act: nn.Module) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 6, 3), act, nn.Flatten(), nn.Linear(6 * 6 * 4, 3))

    x = image(1, 8, 6)
    capped = guided_backprop(net(nn.ReLU6()), x, 0)
    assert np.array_equal(capped.values, guided_backprop(net(nn.ReLU()), x, 0).values)  # nothing reaches 6
    others = [op() for op in ACTIVATIONS if op not in (ReLU, ReLU6, ScaledTanh)]
    for act in [layer(op, (6, 6, 4)) for op in others]:
        name = type(act).__name__
        for method in (guided_backprop, deconvnet):
            found = method(net(act), x, 0)
            assert np.array_equal(found.values, gradient(net(act), x, 0).values)
            assert f"other activations keep their own derivative: {name} (1)" in found.note
            assert not found.fails_randomisation
    assert "Hardtanh (1)" in guided_backprop(net(nn.Hardtanh()), x, 0).note


def test_nothing_is_normalised_into_a_picture_that_is_not_there() -> None:
    net, x = Net(), image(1, 8, 6)
    with torch.no_grad():
        net.conv.bias.fill_(-100)
        net.norm.weight.fill_(1)
    for method in (gradient, grad_cam, occlusion, guided_backprop):
        found = method(net, x)
        assert not found.values.any()
        assert found.note.startswith("every value is zero: no change here would change the score")
    with torch.no_grad():
        net.conv.bias.fill_(1)
        net.head.weight.copy_(-net.head.weight.abs())
    against = grad_cam(net, x)
    assert against.values.max() <= 0
    assert "no value is above zero: nothing here contributes to the target" in against.note
    assert "every value is zero" in grad_cam(net, x, relu=True).note
    with torch.no_grad():
        net.head.weight[0, 0] = float("nan")
    assert "values are not finite numbers" in grad_cam(net, x, 0).note


# --- targets ---------------------------------------------------------------------------------------------------------


def test_what_is_asked_about() -> None:
    assert as_target(3) == as_target("3") == Target("", (3,))
    assert as_target((3, 1, 2)) == as_target(":3:1:2") == Target("", (3, 1, 2))
    assert as_target("features.0:5:1:2") == Target("features.0", (5, 1, 2))
    assert as_target("relu#2:5") == Target("relu#2", (5,))
    for wrong in ("conv1", "conv1:", "conv1:x", "conv1:-1", 2.5, (), ("a",), [1]):
        with pytest.raises(SeeError, match="expected a class"):
            as_target(wrong)


def test_the_class_of_highest_score_is_asked_by_itself() -> None:
    net, x = Net().eval(), image(1, 8, 6)
    scores = net(x)[0]
    found = gradient(net, x)
    assert str(found.target) == f"output {int(scores.argmax())}"
    assert found.score == pytest.approx(scores.max().item())


def test_a_unit_and_a_channel_of_any_layer() -> None:
    net, x = Net().eval(), image(1, 8, 6)
    maps = net.norm(net.conv(x))[0].relu()
    y, left = divmod(int(maps[2].argmax()), 4)
    assert gradient(net, x, f"relu:2:{y}:{left}").score == pytest.approx(maps[2].max().item())
    assert gradient(net, x, "relu:2").score == pytest.approx(maps[2].sum().item(), rel=1e-5)
    assert not gradient(net, x, f"relu:2:{y}:{left}").values[:, :y].any()
    assert grad_cam(net, x, "head:1", layer="conv").values.shape == (6, 4)
    for wrong, said in (
        ("relu:4", "relu:4 is outside relu \\(4x6x4\\): channel 0-3, y 0-5, x 0-3"),
        ("relu:1:6:0", "relu:1:6:0 is outside relu"),
        ("relu:1:2", "relu:1:2 is outside relu"),
        ("rleu:1", r"no layer named 'rleu'; did you mean 'relu'\?"),
    ):
        with pytest.raises(SeeError, match=said):
            gradient(net, x, wrong)
    with pytest.raises(SeeError, match="the score does not depend on the layer relu"):
        grad_cam(net, x, "conv:1", layer="relu")


def test_a_mask_is_asked_at_a_pixel_or_in_all() -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1)).eval()
    x = image(2, 7, 5)
    scores = net(x)[0]
    whole, pixel = (gradient(net, x, target, task=SEGMENTATION) for target in (2, (2, 6, 0)))
    assert whole.score == pytest.approx(scores[2].sum().item(), rel=1e-4)
    assert pixel.score == pytest.approx(scores[2, 6, 0].item(), rel=1e-4)
    seen = pixel.values.any(0)
    assert not seen[:5].any()
    assert not seen[:, 2:].any()
    assert str(pixel.target) == "output 2 at 6:0"
    best = gradient(net, x, task=SEGMENTATION).target
    assert best.index == (int(scores.sum((1, 2)).argmax()),)
    assert grad_cam(net, x, (2, 6, 0), task=SEGMENTATION).layer == "1"


def test_numbers_that_are_predicted_have_to_be_named() -> None:
    net, x = Net(classes=2), image(1, 8, 6)
    with pytest.raises(SeeError, match="the network predicts 2 numbers: name one, 0 to 1"):
        gradient(net, x, task=REGRESSION)
    assert gradient(net, x, 1, task=REGRESSION).target.index == (1,)
    assert gradient(Net(classes=1), x, task=REGRESSION).target.index == (0,)


# --- inputs of every kind --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 3)), (2, 11)),
        (nn.Sequential(nn.Conv2d(5, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9 * 4, 3)), (5, 11, 6)),
        (nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 3 * 2 * 4, 3)), (1, 5, 4, 6)),
    ],
    ids=["series", "five channels, not square", "volume"],
)
@EACH
def test_series_channels_and_volumes(
    method: Callable[..., Attribution], net: nn.Module, shape: tuple[int, ...]
) -> None:
    found = method(net, image(*shape), 0)
    places = shape[1:] if found.grid else tuple(n - 2 for n in shape[1:])
    assert found.by_position().ndim == len(shape) - 1
    if found.per_channel:
        assert found.values.shape == shape
    elif found.grid is None:
        assert found.values.shape == places
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("first", [True, False], ids=["channels first", "vectors last"])
def test_words_by_their_vectors(first: bool) -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.words, self.conv, self.head = nn.Embedding(20, 5), nn.Conv1d(5, 4, 3), nn.Linear(4, 2)
            self.flat = nn.Linear(5 * 5, 2)

        def forward(self, x: Tensor) -> Tensor:
            v = self.words(x)
            if first:
                return self.head(self.conv(v.transpose(1, 2)).relu().amax(2))
            return self.flat(v.flatten(1))

    net, x = Words().eval(), torch.tensor([[3, 1, 4, 1, 5]])
    vectors = net.words(x)[0].T.detach()
    for method in (gradient, gradient_x_input, integrated_gradients, smoothgrad, guided_backprop, deconvnet):
        found = method(net, x, 1)
        assert found.values.shape == (5, 5)
        assert found.by_position().shape == (5,)
    if not first:
        weight = net.flat.weight[1].view(5, 5).T.detach()
        assert np.allclose(gradient(net, x, 1).values, weight, atol=1e-6)
        assert np.allclose(gradient_x_input(net, x, 1).values, weight * vectors, atol=1e-6)
        found = occlusion(net, x, 1, window=1, stride=1)
        assert np.allclose(found.values, (weight * vectors).sum(0), atol=1e-6)
    found = occlusion(net, x, 1, window=2, stride=1)
    assert found.values.shape == (4,)
    assert deletion(net, x, found, steps=5).scores[0] == pytest.approx(net(x).softmax(1)[0, 1].item(), abs=1e-6)
    assert abs(integrated_gradients(net, x, 1, steps=200).error) < 0.02
    assert x.tolist() == [[3, 1, 4, 1, 5]]


def test_words_of_two_embeddings_are_of_the_first_and_it_is_said() -> None:
    class Places(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places, self.head = nn.Embedding(9, 4), nn.Embedding(6, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head((self.words(x) + self.places(torch.arange(x.shape[1]))).mean(1))

    found = gradient(Places(), torch.tensor([[1, 2, 3]]), 0)
    assert found.values.shape == (4, 3)
    assert "of the first of 2 embeddings" in found.note


def test_inputs_that_are_none() -> None:
    net = Net()
    for wrong, said in (
        (torch.zeros(2, 1, 8, 6), r"a tensor of shape \(2, 1, 8, 6\); expected one input with its batch axis"),
        (torch.zeros(8), "expected one input with its batch axis"),
        (np.zeros((1, 1, 8, 6)), "got a ndarray"),
        (torch.zeros(1, 1, 8, 6, dtype=torch.int64), "the network looks none of them up in an embedding"),
    ):
        for method in (gradient, grad_cam, occlusion):
            with pytest.raises(SeeError, match=said):
                method(net, wrong)
    with pytest.raises(RecipeError, match="task is 'classify'; did you mean 'classification'"):
        gradient(net, image(1, 8, 6), task="classify")
    by_name = gradient(net, image(1, 8, 6), task="multilabel")
    assert by_name.score == gradient(net, image(1, 8, 6), task=MULTILABEL).score


def test_networks_that_cannot_be_asked() -> None:
    class Cut(nn.Module):
        def __init__(self, how: str) -> None:
            super().__init__()
            self.conv, self.head, self.how = nn.Conv2d(1, 2, 3), nn.Linear(2, 3), how

        def forward(self, x: Tensor) -> object:
            x = self.conv(x)
            if self.how == "detach":
                x = x.detach()
            if self.how == "in place":
                x = x.exp()
                x.mul_(2)
            x = self.head(x.mean((2, 3)))
            if self.how == "no_grad":
                with torch.no_grad():
                    return x * 1
            return {"text": "text", "sum": x.sum(), "dict": {"out": x}, "list": [x, 1]}.get(self.how, x)

    x = image(1, 8, 6)
    for how, said in (
        ("detach", "the score does not depend on the input in a way that can be differentiated"),
        ("no_grad", "the score does not depend on the input"),
        ("in place", "overwrites in place what its own gradient needs"),
        ("text", "the network gave no tensor"),
        ("sum", r"the network gave shape \(\)"),
    ):
        with pytest.raises(SeeError, match=said):
            gradient(Cut(how), x, 0)
    assert occlusion(Cut("detach"), x, 0).values.any()  # needs no gradient
    assert gradient(Cut("dict"), x, 0).values.any()
    assert gradient(Cut("list"), x, 0).values.any()
    with torch.inference_mode():
        made = Cut("plain")
    with pytest.raises(SeeError, match=r"made under torch\.inference_mode"):
        gradient(made, x, 0)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_other_kinds_of_floats(kind: torch.dtype) -> None:
    net, x = Net().eval(), image(1, 8, 6)
    for name, method in METHODS.items():
        wanted, found = method(net.float(), x, 0).values, method(net.to(kind), x.to(kind), 0).values
        assert found.dtype == {torch.bfloat16: np.float32, torch.float16: np.float16}.get(kind, np.float64)
        if kind == torch.float64 or name == "gradient":
            assert np.allclose(found, wanted, atol=1e-4 if kind == torch.float64 else 0.02), name


@pytest.mark.slow
def test_a_compiled_net_is_asked_as_it_was_written() -> None:
    net, x = Net().eval(), image(1, 8, 6)
    compiled = torch.compile(net, backend="eager")
    for method in METHODS.values():
        assert np.array_equal(method(compiled, x, 0).values, method(net, x, 0).values)
    assert guided_backprop(compiled, x, 0).fails_randomisation
    assert randomisation_test(compiled, x, gradient, stages=2).stages == (("head", "norm"), ("conv",))


def test_settings_outside_their_range() -> None:
    net, x = Net(), image(1, 8, 6)
    for call, said in (
        (lambda: occlusion(net, x, window=9), r"window \(9, 9\): it is larger than the input \(8, 6\)"),
        (lambda: occlusion(net, x, window=(2, 2, 2)), "one for each axis"),
        (lambda: occlusion(net, x, window=0), "a number of 1 or more"),
        (lambda: occlusion(net, x, window=2, stride=3), "some positions are never covered"),
        (lambda: occlusion(net, x, fill=torch.ones(5)), "does not fit the input"),
        (lambda: occlusion(nn.Linear(3, 2), torch.rand(1, 3)), "no positions to cover"),
        (lambda: integrated_gradients(net, x, steps=0), "0 in batches of 10"),
        (lambda: integrated_gradients(net, x, baseline=torch.ones(3, 3)), "does not fit the input"),
        (lambda: smoothgrad(net, x, samples=0), "0 in batches of 5"),
        (lambda: grad_cam(net, x, layer="head"), "has no positions; use an earlier layer"),
        (lambda: grad_cam(net, x, layer="haed"), "did you mean 'head'"),
    ):
        with pytest.raises(SeeError, match=said):
            call()


def test_a_net_that_mixes_its_batch_is_asked_one_by_one() -> None:
    """Batch norm without running statistics: copies in one batch would change each other."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU(), nn.Flatten(), nn.Linear(96, 2)
    )
    x = image(1, 8, 6)
    found = occlusion(net, x, 0, window=3, stride=3, batch=8)
    covered = x.clone()
    covered[..., :3, :3] = 0
    drop = (net.eval()(x) - net(covered))[0, 0].item()
    assert found.values[0, 0] == pytest.approx(drop, abs=1e-5)


# --- laws ------------------------------------------------------------------------------------------------------------

SMALL = ("lenet5", "lenet5_1998", "harley", "boat4", "resnet20", "voxnet")
SHAPES = {"alexnet": (3, 227, 227), "unet": (1, 32, 48), "unet_2015": (1, 188, 188)}


def law(name: str) -> None:
    """Each method gives numbers of the right shape, or says in words why it does not apply; nothing stays behind."""
    entry = ZOO[name]
    shape = SHAPES.get(name, entry.input if len(entry.input) != 3 or entry.input[1] < 64 else (3, 96, 96))
    net = striate.build(entry.make(), shape)
    x = torch.randint(100, (1, *shape)) if len(shape) == 1 else image(*shape)
    before = [len(part._forward_hooks) for part in net.modules()]
    big = {"integrated_gradients": {"steps": 2}, "smoothgrad": {"samples": 2}, "occlusion": {"window": shape[-1] // 2}}
    for name, method in METHODS.items():
        found = method(net, x, 0, task=TASKS[entry.task], **big.get(name, {}))
        assert np.isfinite(found.values).all()
        assert found.by_position().ndim == max(1, len(shape) - 1)
        if found.per_channel:
            assert found.values.shape[1:] == (shape[1:] or shape)
        if found.layer:
            picked = cam_layer(net, x, task=TASKS[entry.task])
            assert found.layer == picked.name
            assert picked.why in found.note
        assert found.values.any() or found.note.startswith("every value is zero")
    assert before == [len(part._forward_hooks) for part in net.modules()]
    assert net.training
    assert all(p.grad is None for p in net.parameters())


DEEPER = ("vgg13", "vgg13_bn", "vgg16_bn", "vgg19", "vgg19_bn")  # the layers of the others, half a gigabyte each


@pytest.mark.parametrize("name", SMALL)
def test_laws_of_the_small_nets(name: str) -> None:
    law(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ZOO if name not in SMALL + DEEPER])
def test_laws_of_the_others(name: str) -> None:
    law(name)


def test_randomisation_runs_on_any_of_them() -> None:
    net, x = striate.build(ZOO["resnet20"].make(), (3, 32, 32)), image(3, 32, 32)
    found = randomisation_test(net, x, grad_cam, stages=3, repeats=1)
    assert len(found.stages) == len(found.correlations) == 3
