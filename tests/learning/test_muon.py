"""Muon: the update against the SVD and torch's own, the groups, a run interrupted and resumed bit for bit."""

import copy

import pytest
import torch
from torch import nn

from striate.errors import ModelError
from striate.learning import (
    Epoch,
    Recipe,
    State,
    Step,
    load_state,
    optimizer_of,
    orthogonalised,
    save_state,
    training,
)

DATA = [
    (torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(i)) + (torch.arange(8) % 2)[:, None, None, None],
     torch.arange(8) % 2) for i in range(6)
]  # fmt: skip
MUON = Recipe(optimizer="muon", lr=0.1, momentum=0.6, epochs=2, weight_decay=0.0)


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(8, 8), (8, 72), (72, 8), (64, 576)])
def test_the_singular_values_become_about_one_and_the_vectors_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    turned = orthogonalised(matrix)
    assert ((torch.linalg.svdvals(turned) - 1).abs() < 0.35).all()
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.T @ turned @ vt.T  # diagonal, if the singular vectors are the same
    assert (inside - inside.diagonal().diag()).abs().max() < 1e-3
    assert torch.nn.functional.cosine_similarity(turned.flatten(), (u @ vt).flatten(), dim=0) > 0.97


def test_the_same_as_torchs_iteration_on_the_whole_matrix():
    matrix = torch.randn(16, 100, generator=torch.Generator().manual_seed(2))
    theirs = nn.Parameter(torch.zeros_like(matrix))
    theirs.grad = matrix
    torch.optim.Muon([theirs], lr=1.0, weight_decay=0.0, momentum=0.0).step()
    assert (orthogonalised(matrix) + theirs).abs().max() < 0.02  # torch's is in bfloat16


def test_a_matrix_of_zeros_stays_zero():
    assert orthogonalised(torch.zeros(3, 4)).abs().max() == 0


def test_inner_weights_are_turned_and_the_others_are_adamws():
    module = net()
    optimizer = optimizer_of(module, MUON)
    inner, others = [module[3].weight, module[6].weight], [module[0].weight, module[-1].weight, module[1].bias]
    kinds = {id(p): group["orthogonal"] for group in optimizer.param_groups for p in group["params"]}
    assert all(kinds[id(p)] for p in inner)
    assert not any(kinds[id(p)] for p in others)
    before, adamw = copy.deepcopy(module), copy.deepcopy(module)
    for of in (module, adamw):
        nn.functional.cross_entropy(of(DATA[0][0]), DATA[0][1]).backward()
    gradient = module[3].weight.grad.clone()
    optimizer.step()
    torch.optim.AdamW(adamw.parameters(), lr=0.01, weight_decay=0.0).step()
    for mine, plain in ((module[0], adamw[0]), (module[-1], adamw[-1]), (module[1], adamw[1])):
        torch.testing.assert_close(mine.weight, plain.weight)
        if mine.bias is not None:
            torch.testing.assert_close(mine.bias, plain.bias)
    renormed = before[3].weight * 4 / before[3].weight.norm()  # sixteen outputs
    update = (renormed - module[3].weight).detach().reshape(16, -1) / 0.1
    assert ((torch.linalg.svdvals(update) - 1).abs() < 0.35).all()
    assert torch.equal(module[3].weight.grad, gradient)  # still there, for who looks at gradients


@pytest.mark.parametrize("optimizer", ["nesterov", "adamw", "muon"])
def test_biases_of_norms_have_a_rate_of_their_own(optimizer):
    module = net()
    made = optimizer_of(module, Recipe(optimizer=optimizer, norm_bias_lr=64, lr=0.01))
    rates = {id(p): group["lr"] for group in made.param_groups for p in group["params"]}
    norms = [module[1], module[4], module[7]]
    assert [rates[id(norm.bias)] / rates[id(norm.weight)] for norm in norms] == pytest.approx([64] * 3)
    assert rates[id(module[-1].bias)] == rates[id(module[1].weight)]
    assert sorted(rates) == sorted(id(p) for p in module.parameters())  # each once


def test_a_convolutional_network_learns():
    losses = [event.loss for event in training(net(), DATA, MUON) if isinstance(event, Step)]
    assert losses[-1] < 0.6 * losses[0]


def test_resumed_bit_for_bit(tmp_path):
    whole, path = net(), tmp_path / "state.safetensors"
    state = State.new(whole, MUON)
    for event in training(whole, DATA, MUON, state=state):
        if isinstance(event, Epoch) and event.epoch == 1:
            save_state(state, path)
    module = net()
    for _ in training(module, DATA, MUON, state=load_state(path, module, MUON)):
        pass
    for one, other in zip(whole.state_dict().values(), module.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_momentum_that_is_missing_is_said(tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    module, path = net(), tmp_path / "state.safetensors"
    state = State.new(module, MUON)
    for event in training(module, DATA, MUON, state=state):
        if event.epoch == 2:
            break
    save_state(state, path)
    with safe_open(path, framework="pt") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    gone = next(name for name in tensors if name.endswith("momentum_buffer"))
    save_file({name: value for name, value in tensors.items() if name != gone}, path, about)
    with pytest.raises(ModelError, match="some of the optimizer's memory is missing"):
        load_state(path, net(), MUON)
