"""Losses of one's own in the loop, and modules of several inputs and outputs."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from striate.errors import DataError, RecipeError
from striate.learning import Epoch, Recipe, Step, training

PLAIN = Recipe(epochs=2, optimizer="sgd", weight_decay=0, schedule="constant", warmup=0, lr=0.1, label_smoothing=0)


def batches(n=3):
    torch.manual_seed(1)
    return [(torch.randn(8, 5), torch.arange(8) % 3) for _ in range(n)]


def epochs(events):
    return [event for event in events if isinstance(event, Epoch)]


def fresh(make):
    torch.manual_seed(0)
    return make()


def test_ones_own_cross_entropy_trains_as_striates_does():
    nets = [fresh(lambda: nn.Linear(5, 3)) for _ in range(2)]
    own, ours = (
        list(training(net, batches(), PLAIN, val=batches(), **more))
        for net, more in zip(nets, ({"loss": F.cross_entropy}, {}), strict=True)
    )
    assert torch.equal(nets[0].weight, nets[1].weight)
    assert [e.loss for e in own if isinstance(e, Step)] == [e.loss for e in ours if isinstance(e, Step)]
    assert [(e.val_loss, e.val_metric) for e in epochs(own)] == [(e.val_loss, e.val_metric) for e in epochs(ours)]


class TwoInTwoOut(nn.Module):
    """An image and a number to a class and another number."""

    def __init__(self):
        super().__init__()
        self.image, self.age = nn.Conv2d(1, 4, 3), nn.Linear(1, 4)
        self.kind, self.size = nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(self, image, age):
        both = torch.cat([self.image(image).mean((2, 3)), self.age(age)], 1)
        return self.kind(both), self.size(both)


def both(outputs, targets):
    (kind, size), (is_kind, is_size) = outputs, targets
    return F.cross_entropy(kind, is_kind) + F.mse_loss(size, is_size)


@pytest.mark.parametrize("collected", [tuple, list, lambda parts: dict(zip(("image", "age"), parts, strict=True))])
def test_several_inputs_and_several_heads_are_learned(collected):
    torch.manual_seed(1)
    age, kind = torch.rand(16, 1), torch.arange(16) % 3
    image = kind[:, None, None, None] + 0.1 * torch.randn(16, 1, 6, 6)
    data = [(collected((image, age)), (kind, 2 * age))]
    net = fresh(TwoInTwoOut)
    recipe = Recipe(epochs=80, lr=0.05, clip=1.0)
    found = epochs(training(net, data, recipe, val=data, task=None, loss=both))
    assert found[-1].val_loss < 0.2 * found[0].val_loss
    assert found[-1].train_loss < 0.3 * found[0].train_loss
    assert {event.val_metric for event in found} == {None}
    assert {event.items for event in found} == {16}
    net.eval()
    assert (net(image, age)[0].argmax(1) == kind).all()
    assert found[-1].val_loss == pytest.approx(float(both(net(image, age), (kind, 2 * age)).detach()), rel=1e-4)


def test_accumulated_batches_are_one_large_batch():
    nets, (image, age) = [fresh(TwoInTwoOut) for _ in range(2)], (torch.randn(8, 1, 6, 6), torch.rand(8, 1))
    kind = torch.arange(8) % 3
    parts = [((image[i : i + 4], age[i : i + 4]), (kind[i : i + 4], age[i : i + 4])) for i in (0, 4)]
    whole = [((image, age), (kind, age))]
    list(training(nets[0], whole, PLAIN, task=None, loss=both))
    list(training(nets[1], parts, Recipe(**PLAIN.as_dict() | {"accumulate": 2}), task=None, loss=both))
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_in_bf16_the_outputs_that_the_loss_gets_are_float32():
    seen = []

    def loss(outputs, targets):
        seen.extend(part.dtype for part in outputs)
        return both(outputs, targets)

    data = [((torch.randn(4, 1, 6, 6), torch.rand(4, 1)), (torch.arange(4) % 3, torch.rand(4, 1)))]
    list(training(fresh(TwoInTwoOut), data, Recipe(epochs=1, precision="bf16"), task=None, loss=loss))
    assert {*seen} == {torch.float32}


def test_an_autoencoder_has_no_metric_and_its_best_epoch_by_loss():
    torch.manual_seed(0)
    x = torch.randn(16, 6)
    found = epochs(training(nn.Linear(6, 6), [(x, x)], Recipe(epochs=3), val=[(x, x)], task=None, loss=F.mse_loss))
    assert [event.val_metric for event in found] == [None] * 3
    assert found[-1].best
    assert found[-1].val_loss < found[0].val_loss
    assert f"  val loss {found[0].val_loss:.4f}  {found[0].seconds:.1f} s" in found[0].line(3)


def test_what_is_no_loss():
    net = nn.Linear(5, 3)
    for loss, came in (
        (lambda outputs, targets: outputs, r"a tensor of shape \(8, 3\); expected one number"),
        (lambda outputs, targets: 3.0, "a float; expected one number"),
        (lambda outputs, targets: outputs.detach().mean(), r"a tensor of shape \(\) without a gradient"),
    ):
        with pytest.raises(RecipeError, match=f"the loss gives {came}"):
            list(training(net, batches(), PLAIN, loss=loss))
    with pytest.raises(RecipeError, match="task=None is for a loss of your own"):
        list(training(net, batches(), PLAIN, task=None))
    with pytest.raises(RecipeError, match="the loss is nan: training has diverged"):
        list(training(net, batches(), PLAIN, loss=lambda outputs, targets: outputs.mean() * float("nan")))
    with pytest.raises(DataError, match="a batch has a str; expected a tensor"):
        list(training(net, [("x", "y")], PLAIN, loss=F.mse_loss))
