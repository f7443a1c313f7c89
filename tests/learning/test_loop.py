"""The loop: what comes in which order, what it leaves behind, and what it says when it cannot go on."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from strategies import examples
from striate.errors import DataError, RecipeError
from striate.learning import Epoch, Recipe, State, Step, stepper, training, validate


def data(n=4, size=8):
    made = torch.Generator().manual_seed(0)
    return [(torch.randn(size, 5, generator=made), torch.arange(size) % 3) for _ in range(n)]


def net(*more, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), *more, nn.Linear(6, 3))


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def run(module, batches, recipe=None, **more):
    return list(training(module, batches, recipe or Recipe(epochs=2), **more))


@given(st.integers(1, 4), st.integers(1, 4))
@examples(10)
def test_the_events_come_in_order(epochs, steps):
    events = run(net(), data(steps), Recipe(epochs=epochs))
    wanted = []
    for epoch in range(1, epochs + 1):
        wanted += [(Step, epoch, step, steps) for step in range(1, steps + 1)] + [(Epoch, epoch)]
    got = [(Step, e.epoch, e.step, e.steps) if isinstance(e, Step) else (Epoch, e.epoch) for e in events]
    assert got == wanted


def test_the_epochs_loss_is_the_mean_over_its_items():
    batches = [*data(2), (torch.zeros(1, 5), torch.tensor([0]))]
    *steps, epoch = run(net(), batches, Recipe(epochs=1))
    assert epoch.train_loss == pytest.approx((8 * steps[0].loss + 8 * steps[1].loss + steps[2].loss) / 17)
    assert epoch.val_loss is None
    assert epoch.val_accuracy is None


def test_the_steps_tell_the_rate_that_was_used():
    steps = [e for e in run(net(), data(), Recipe(epochs=2, lr=1.0, schedule="linear", warmup=0)) if hasattr(e, "lr")]
    assert [s.lr for s in steps if isinstance(s, Step)] == [1 - n / 8 for n in range(8)]
    assert [e.lr for e in steps if isinstance(e, Epoch)] == [5 / 8, 1 / 8]


def epochs_of(events):
    return [e for e in events if isinstance(e, Epoch)]


def test_best_is_the_highest_mean_accuracy_of_three_epochs():
    events = run(net(), data(), Recipe(epochs=30, lr=0.05), val=data(2))
    accuracies, best = [], -1.0
    for epoch in epochs_of(events):
        accuracies.append(epoch.val_accuracy)
        mean = sum(accuracies[-3:]) / len(accuracies[-3:])
        assert epoch.best == (mean > best)
        best = max(mean, best)
        assert epoch.kept == (mean >= best - math.sqrt(best * (1 - best) / 16))


def test_without_validation_the_training_loss_decides():
    epochs = epochs_of(run(net(), data(), Recipe(epochs=5, lr=0.01)))
    losses = [e.train_loss for e in epochs]
    means = [sum(losses[max(0, i - 2) : i + 1]) / min(3, i + 1) for i in range(5)]
    assert [e.best for e in epochs] == [mean < min(means[:i], default=math.inf) for i, mean in enumerate(means)]
    assert [e.kept for e in epochs] == [e.best for e in epochs]


def test_keep_last_keeps_every_epoch_in_its_turn():
    epochs = epochs_of(run(net(), data(), Recipe(epochs=8, lr=3.0, schedule="constant", keep="last"), val=data(2)))
    assert all(e.kept for e in epochs)
    assert not all(e.best for e in epochs)


def test_patience_ends_the_run_when_nothing_has_become_better():
    recipe = Recipe(epochs=9, lr=1e-30, schedule="constant", patience=3)  # the first epoch stays the best
    events = run(net(), data(), recipe, val=data(2))
    epochs = epochs_of(events)
    assert [e.best for e in epochs] == [True, False, False, False]
    assert [e.stopped for e in epochs] == [False, False, False, True]
    assert isinstance(events[-1], Epoch)
    assert len(epochs_of(run(net(), data(), Recipe(epochs=4, lr=1e-30, patience=3), val=data(2)))) == 4
    assert not epochs_of(run(net(), data(), Recipe(epochs=4, lr=1e-30, patience=3), val=data(2)))[-1].stopped


def test_patience_counts_on_after_a_resume():
    module, recipe = net(), Recipe(epochs=9, lr=1e-30, schedule="constant", patience=3)
    state, steps = State.new(module, recipe), data()
    for event in training(module, steps, recipe, val=data(2), state=state):
        if isinstance(event, Epoch) and event.epoch == 2:
            break
    rest = epochs_of(training(module, steps, recipe, val=data(2), state=state))
    assert [e.epoch for e in rest] == [3, 4]
    assert rest[-1].stopped


def test_break_leaves_what_was_trained_so_far():
    module, twin = net(), net()
    for event in training(module, data(), Recipe(epochs=2)):
        if isinstance(event, Step) and event.step == 2:
            break
    recipe = Recipe(epochs=2)
    events = training(twin, data(), recipe)
    next(events)
    once = weights(twin)
    next(events)
    assert torch.equal(weights(module), weights(twin))
    assert not torch.equal(weights(module), once)
    assert not torch.equal(once, weights(net()))


def test_the_state_counts_what_is_done():
    module, recipe = net(), Recipe(epochs=2)
    state = State.new(module, recipe)
    for event in training(module, data(), recipe, state=state):
        done = (event.epoch - 1, event.step) if isinstance(event, Step) else (event.epoch, 0)
        assert (state.epoch, state.step) == done


@pytest.mark.parametrize("mode", [True, False])
def test_validation_leaves_the_mode_and_the_weights_as_they_were(mode):
    module = net(nn.Dropout(0.5), nn.BatchNorm1d(6)).train(mode)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    first = validate(module, data())
    assert module.training is mode
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert validate(module, data()) == first  # no dropout
    assert validate(module.eval(), data()) == first


def test_validation_by_hand():
    module = nn.Identity()
    scores = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)], [0.0, 0.0]])
    batches = [(scores[:2], torch.tensor([1, 0])), (scores[2:], torch.tensor([0]))]
    loss, accuracy = validate(module, batches)
    assert loss == pytest.approx((math.log(4 / 3) + math.log(4) + math.log(2)) / 3)
    assert accuracy == pytest.approx(2 / 3)


def trained(seed, *more):
    module = net(*more)
    run(module, data(), Recipe(epochs=3, seed=seed))
    return weights(module)


def test_the_seed_decides_the_dropout():
    first = trained(0, nn.Dropout(0.5))
    torch.manual_seed(99)  # what happened before does not matter
    assert torch.equal(trained(0, nn.Dropout(0.5)), first)
    assert not torch.equal(trained(1, nn.Dropout(0.5)), first)


def test_every_epoch_has_dropout_of_its_own():
    # the same batch, rate 0 in effect: only the dropout differs between the epochs
    recipe = Recipe(epochs=3, lr=1e-30, warmup=0, schedule="constant", weight_decay=0)
    losses = [e.loss for e in run(net(nn.Dropout(0.5)), data(1), recipe) if isinstance(e, Step)]
    assert len(set(losses)) == 3


def test_ten_items_are_learned_by_heart():
    torch.manual_seed(0)
    batches = [(torch.randn(10, 5), torch.arange(10) % 3)]
    run(module := net(), batches, Recipe(epochs=300, lr=0.05))
    assert validate(module, batches)[1] == 1


def fault(kind, module, batches, recipe=None, **more):
    with pytest.raises(kind) as caught:
        run(module, batches, recipe, **more)
    return str(caught.value)


def test_a_generator_is_refused():
    text = fault(DataError, net(), (batch for batch in data()))
    assert "generator, which is used up after one epoch" in text
    assert "such as a list or a DataLoader" in text


def test_a_dataloader_is_taken():
    xs, ys = zip(*data(), strict=True)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.cat(xs), torch.cat(ys)), batch_size=8)
    assert len(run(net(), loader, Recipe(epochs=1))) == 5


def test_no_batches_at_all():
    assert fault(DataError, net(), []) == "there is nothing to train on: the batches are empty"
    assert fault(DataError, net(), data(), val=[]) == "there is nothing to validate on: the batches are empty"


X = torch.zeros(4, 5)


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        ([0, 1, 2, 3], "the targets reach from 0 to 3, the network has 3 outputs (0 to 2)"),
        ([0, 1, 2, 255], "the targets reach from 0 to 255, the network has 3 outputs (0 to 2)"),
        ([-1, 1, 2, 0], "the targets reach from -1 to 2, the network has 3 outputs"),
        ([0.0, 1.0, 2.0, 0.0], "the targets are float32 of shape (4,); expected whole numbers (4,)"),
        ([[0], [1], [2], [0]], "the targets are int64 of shape (4, 1); expected whole numbers (4,)"),
        ([[1, 0, 0]] * 4, "the targets are int64 of shape (4, 3); expected whole numbers (4,)"),
        ([0, 1, 2], "the network's output is (4, 3) for 3 items; expected (3, classes)"),
    ],
)
def test_wrong_targets(targets, text):
    assert text in fault(DataError, net(), [(X, torch.tensor(targets))])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
@pytest.mark.parametrize("loss", ["crossentropy", "mse", "hinge"])
def test_whole_numbers_of_any_width_will_do(dtype, loss):
    batch = [(X, torch.tensor([0, 1, 2, 0], dtype=dtype))]
    assert len(run(net(), batch, Recipe(epochs=1, loss=loss), val=batch)) == 2


def test_an_output_that_is_no_table_of_scores():
    text = fault(DataError, nn.Conv1d(1, 2, 3), [(torch.zeros(4, 1, 5), torch.zeros(4, dtype=torch.int64))])
    assert text.startswith("the network's output is (4, 2, 3) for 4 items; expected (4, classes): end it with flatten")


def test_an_output_that_is_no_tensor():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(5, 3)

        def forward(self, x):
            return self.out(x), self.out(x)

    assert fault(DataError, Two(), data()).startswith("the network's output is a tuple; expected one tensor of scores")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number(value):
    broken = net()
    next(broken.parameters()).data.fill_(value)
    text = fault(RecipeError, broken, [(X, torch.zeros(4, dtype=torch.int64))], Recipe(lr=0.5))
    assert text.startswith("the loss is nan: training has diverged; use a smaller learning rate than lr=0.5")
    assert "lr=0.05" in text
    assert "clip=1" in text


def test_inputs_that_are_no_numbers():
    text = fault(DataError, net(), [(X + math.nan, torch.zeros(4, dtype=torch.int64))])
    assert text == "the inputs of a batch contain NaN or infinity; remove or replace them"


def test_weights_that_are_no_numbers_are_no_best_model():
    # the only step's loss is a number, but what it makes of the weights is none
    recipe = Recipe(epochs=1, lr=1e38, optimizer="sgd", warmup=0, weight_decay=10)
    assert "training has diverged" in fault(RecipeError, net(), data(1), recipe, val=data(1))


def test_a_batch_of_one_meets_batch_normalisation():
    text = fault(RecipeError, net(nn.BatchNorm1d(6)), data(2, size=1))
    assert text.startswith("a batch of one item cannot be trained on (Expected more than 1 value per channel")
    assert text.endswith("use batch_size=2 or more")


def test_a_mistake_inside_somebodys_module_keeps_its_own_words():
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run(nn.Linear(4, 3), data())


def test_a_list_cannot_go_on_in_the_middle_of_an_epoch():
    module, recipe = net(), Recipe(epochs=1)
    state = State.new(module, recipe)
    next(training(module, data(), recipe, state=state))
    with pytest.raises(DataError, match="only batches with set_epoch"):
        next(training(module, data(), recipe, state=state))


def test_an_epoch_in_a_line():
    epoch = Epoch(3, 0.5, 0.25, 0.9, 0.001, 1.25, best=True)
    assert epoch.line(20) == "epoch  3/20  train loss 0.5000  val loss 0.2500  val accuracy 90.00%  1.2 s  best"
    assert Epoch(3, 0.5, None, None, 0.001, 1.25, best=False).line(5) == "epoch 3/5  train loss 0.5000  1.2 s"


def test_validation_leaves_every_part_in_its_mode_and_reads_labels():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    module.train()
    module[1].eval()
    validate(module, [(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))])
    assert [part.training for part in module] == [True, False, True]
    with pytest.raises(DataError, match="the targets reach from 0 to 5, the network has 2 outputs"):
        validate(module, [(torch.randn(2, 3), torch.tensor([0, 5]))])
    assert [part.training for part in module] == [True, False, True]


def far_away(monkeypatch):
    """As where losses are on a GPU, and reading one waits for it."""
    monkeypatch.setattr(stepper, "_at_hand", lambda loss: False)


def test_losses_far_away_come_to_the_same(monkeypatch):
    near = run(net(), data(), val=data(2))
    far_away(monkeypatch)
    far = run(net(), data(), val=data(2))
    assert all(isinstance(event.value, torch.Tensor) for event in far if isinstance(event, Step))
    assert [e.loss for e in far if isinstance(e, Step)] == [e.loss for e in near if isinstance(e, Step)]
    ends = [[(e.train_loss, e.val_loss) for e in events if isinstance(e, Epoch)] for events in (near, far)]
    assert ends[1] == [pytest.approx(end, rel=1e-6) for end in ends[0]]
    assert "loss=" in repr(far[0])


def test_a_divergence_far_away_is_found_at_the_end_of_the_epoch_at_the_latest(monkeypatch):
    far_away(monkeypatch)
    with pytest.raises(RecipeError, match=r"the loss is (nan|inf): training has diverged"):
        run(net(), data(), Recipe(epochs=3, optimizer="sgd", lr=1e30, warmup=0))


def test_gradients_from_before_are_not_of_this_training():
    module, twin = net(), net()
    module(data()[0][0]).square().sum().backward()
    run(module, data(), Recipe(epochs=1))
    run(twin, data(), Recipe(epochs=1))
    assert torch.equal(weights(module), weights(twin))
