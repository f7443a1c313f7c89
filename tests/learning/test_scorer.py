"""A net that ends in a softmax trains as the same net without it, to the last bit."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from striate.learning import Recipe, Scorer, training, validate
from striate.net import build
from striate.spec import parse


class Own(nn.Module):
    """Somebody's own module, with the softmax as a call."""

    def __init__(self, end):
        super().__init__()
        self.hidden, self.out, self.end = nn.Linear(6, 8), nn.Linear(8, 3), end

    def forward(self, x):
        return self.end(self.out(F.relu(self.hidden(x))))


def plain(x):
    return x


ENDS = {
    "nn.Softmax": nn.Softmax(dim=1),
    "nn.LogSoftmax": nn.LogSoftmax(dim=1),
    "F.softmax": lambda x: F.softmax(x, dim=1),
    "F.softmax, named": lambda x: F.softmax(input=x, dim=-1),
    "F.log_softmax": lambda x: F.log_softmax(x, dim=1),
    "Tensor.softmax": lambda x: x.softmax(1),
    "torch.softmax": lambda x: torch.softmax(x, 1),
}
DATA = [(torch.randn(8, 6, generator=torch.Generator().manual_seed(i)), torch.arange(8) % 3) for i in range(4)]


def weights_of(module, **settings):
    torch.manual_seed(7)
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.reset_parameters()
    losses = [e.loss for e in training(module, DATA, Recipe(epochs=3, **settings)) if hasattr(e, "loss")]
    return losses, [p.detach().clone() for p in module.parameters()]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("loss", ["crossentropy", "mse", "hinge"])
def test_a_softmax_at_the_end_changes_no_bit(end, loss):
    with_it, without = weights_of(Own(ENDS[end]), loss=loss), weights_of(Own(plain), loss=loss)
    assert with_it[0] == without[0]
    assert all(torch.equal(a, b) for a, b in zip(with_it[1], without[1], strict=True))


def test_a_softmax_inside_is_left_alone():
    torch.manual_seed(0)
    gate, out = nn.Linear(6, 6), nn.Linear(6, 3)
    net = nn.Sequential(gate, nn.Softmax(dim=1), out)
    x = DATA[0][0]
    assert torch.equal(Scorer(net)(x), out(gate(x).softmax(1)))


def test_a_built_net_with_a_softmax_trains_as_without():
    text = "input 6; linear 8; relu; linear 3"
    _, without = weights_of(build(parse(text)))
    _, with_it = weights_of(build(parse(text + "; softmax")))
    assert all(torch.equal(a, b) for a, b in zip(with_it, without, strict=True))


def test_validation_takes_the_scores_too():
    net = Own(plain)
    plainly = validate(net, DATA)
    net.end = ENDS["F.softmax"]
    assert validate(net, DATA) == plainly


class ByHand(nn.Module):
    def forward(self, x):
        e = x.exp()
        return e / e.sum(1, keepdim=True)


@pytest.mark.parametrize(
    "end",
    [
        nn.Sequential(nn.Softmax(dim=1), nn.Flatten()),
        nn.Sequential(nn.Softmax(dim=1), nn.Flatten(0, 0), nn.Flatten()),
        ByHand(),
    ],
    ids=["softmax, flatten", "reshaped twice", "by hand"],
)
def test_a_softmax_that_is_not_the_last_call_is_found_too(end):
    torch.manual_seed(0)
    body = nn.Linear(5, 3)
    x = torch.randn(6, 5)
    found = Scorer(nn.Sequential(body, end))(x)
    assert torch.allclose(found.log_softmax(1), body(x).log_softmax(1), atol=1e-5)
