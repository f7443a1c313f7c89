"""Every task in the loop: its losses against numbers worked out elsewhere, its metric, and what it refuses."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, jaccard_score
from torch import nn
from torch.nn import functional as F

from striate.errors import DataError, RecipeError
from striate.learning import Epoch, Recipe, Scorer, loss_name, loss_of, training, validate
from striate.tasks import TASKS
from striate.tasks.scoring import scoring_of


def loss(task, name="auto", weights=None, **more):
    return loss_of(Recipe(loss=name, label_smoothing=0.0, **more), task, weights)


# ----------------------------------------------------------------------------------------------------------- losses
@pytest.mark.parametrize("task", TASKS)
def test_auto_is_the_first_of_the_tasks_losses_and_no_other_tasks_are_taken(task):
    assert loss_name(Recipe(), task) == TASKS[task].losses[0]
    for name in {name for other in TASKS.values() for name in other.losses}:
        if name in TASKS[task].losses:
            assert loss_name(Recipe(loss=name), task) == name
        else:
            with pytest.raises(RecipeError, match=f"the loss {name} is not for {task}; use auto, ".replace("+", ".")):
                loss_of(Recipe(loss=name), task)


def test_several_labels_by_hand():
    # log-odds ln 3 and 0 are probabilities 3/4 and 1/2
    scores, targets = torch.tensor([[math.log(3), 0.0]]), torch.tensor([[1.0, 0.0]])
    assert loss("multilabel")(scores, targets).item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    weighted = loss("multilabel", weights=torch.tensor([3.0, 5.0]))(scores, targets).item()
    assert weighted == pytest.approx((3 * math.log(4 / 3) + math.log(2)) / 2)  # a yes counts for 3


def test_numbers_by_hand():
    scores, targets = torch.tensor([[0.0, 3.0]]), torch.tensor([[0.5, 0.0]])
    assert loss("regression")(scores, targets).item() == pytest.approx((0.25 + 9) / 2)
    assert loss("regression", "l1")(scores, targets).item() == pytest.approx((0.5 + 3) / 2)
    assert loss("regression", "huber")(scores, targets).item() == pytest.approx((0.125 + 2.5) / 2)


def test_pixels_by_hand():
    # two pixels of two classes, each certain to 3/4 of class 0; the third is not asked for
    scores = torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1).repeat(1, 1, 1, 3)
    targets = torch.tensor([[[0, 1, 255]]])
    entropy = loss("segmentation", "crossentropy")(scores, targets).item()
    assert entropy == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    # V-Net's dice: class 0: 2 * 3/4 / (2 * 9/16 + 1), class 1: 2 * 1/4 / (2 * 1/16 + 1)
    dice = ((1 - 1.5 / (18 / 16 + 1)) + (1 - 0.5 / (2 / 16 + 1))) / 2
    assert loss("segmentation", "dice")(scores, targets).item() == pytest.approx(dice)
    assert loss("segmentation")(scores, targets).item() == pytest.approx(dice + entropy)


def test_a_class_that_no_pixel_has_does_not_count_in_the_dice():
    scores, targets = torch.zeros(1, 4, 1, 2), torch.tensor([[[0, 0]]])
    # of four classes alike class 0 has dice 2 * 2/4 / (2/16 + 2)
    assert loss("segmentation", "dice")(scores, targets).item() == pytest.approx(1 - 1 / (2 / 16 + 2))


@pytest.mark.parametrize("name", TASKS["segmentation"].losses)
def test_a_batch_in_which_nothing_is_asked_for_teaches_nothing(name):
    scores = torch.randn(2, 3, 4, 4, requires_grad=True)
    value = loss("segmentation", name)(scores, torch.full((2, 4, 4), 255))
    value.backward()
    assert value.item() == 0
    assert not scores.grad.any()


@given(st.integers(2, 5), st.integers(0, 2**20))
def test_pixels_are_torchs_cross_entropy(k, seed):
    made = torch.Generator().manual_seed(seed)
    scores = torch.randn(2, k, 3, 4, generator=made, dtype=torch.float64)
    targets = torch.randint(0, k, (2, 3, 4), generator=made)
    targets[0, 0] = 255
    weights = torch.rand(k, generator=made) + 0.1
    torchs = F.cross_entropy(scores, targets, weight=weights.double(), ignore_index=255)
    assert loss("segmentation", weights=weights)(scores, targets).item() == pytest.approx(torchs.item())


@pytest.mark.parametrize("name", TASKS["classification"].losses)
def test_weights_of_classes_are_as_if_the_items_came_so_often(name):
    torch.manual_seed(0)
    scores, targets = torch.randn(3, 4, dtype=torch.float64), torch.tensor([0, 2, 2])
    often = [0, 0, 0, 1, 2]  # class 0 three times, class 2 once each
    weighted = loss("classification", name, torch.tensor([3.0, 1.0, 1.0, 1.0]))(scores, targets)
    assert weighted.item() == pytest.approx(loss("classification", name)(scores[often], targets[often]).item())


def test_weights_leave_the_smoothing():
    torch.manual_seed(0)
    scores, targets = torch.randn(5, 4), torch.tensor([0, 2, 2, 3, 1])
    wanted = loss_of(Recipe(label_smoothing=0.2))(scores, targets).item()
    for of in (targets, F.one_hot(targets, 4).float()):
        alike = loss_of(Recipe(label_smoothing=0.2), weights=torch.full((4,), 3.0))(scores, of).item()
        assert alike == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("name", ["crossentropy", "mse"])
def test_shares_that_are_one_class_are_that_class(name):
    torch.manual_seed(0)
    scores, targets = torch.randn(5, 4), torch.tensor([0, 2, 2, 3, 1])
    shares, weights = F.one_hot(targets, 4).float(), torch.tensor([1.0, 2.0, 3.0, 4.0])
    for of in (None, weights):
        wanted = loss("classification", name, of)(scores, targets).item()
        assert loss("classification", name, of)(scores, shares).item() == pytest.approx(wanted, abs=1e-6)


def test_mixtures_have_no_hinge():
    with pytest.raises(RecipeError, match="the loss hinge needs one class per item, not a mixture"):
        loss("classification", "hinge")(torch.zeros(1, 2), torch.tensor([[0.5, 0.5]]))


@pytest.mark.parametrize(("task", "name"), [("regression", "mse"), ("segmentation", "crossentropy+dice")])
def test_what_cannot_be_weighted(task, name):
    with pytest.raises(RecipeError, match="balance weights the classes"):
        loss(task, name, torch.ones(2))


# ---------------------------------------------------------------------------------------------------------- metrics
def test_the_mean_average_precision_is_scikit_learns_whatever_the_batches():
    torch.manual_seed(0)
    scores, targets = torch.randn(50, 4).round(decimals=1), (torch.rand(50, 4) < 0.3).float()  # with equal scores
    targets[:, 3] = 0  # which no item has: left out
    batches = [(scores[i : i + 7], targets[i : i + 7]) for i in range(0, 50, 7)]
    _, found = validate(nn.Identity(), batches, task="multilabel")
    wanted = average_precision_score(targets[:, :3].numpy(), scores[:, :3].numpy(), average="macro")
    assert found == pytest.approx(wanted)


def test_the_mean_iou_is_scikit_learns_whatever_the_batches():
    torch.manual_seed(0)
    scores, targets = torch.randn(6, 5, 8, 8), torch.randint(0, 4, (6, 8, 8))
    scores[:, 4] = -9  # a class that neither truth nor answer has: left out
    targets[0, :3] = 255
    _, found = validate(nn.Identity(), [(scores[:4], targets[:4]), (scores[4:], targets[4:])], task="segmentation")
    asked = targets != 255
    wanted = jaccard_score(targets[asked], scores.argmax(1)[asked], average="macro")
    assert found == pytest.approx(wanted)


def test_the_mean_error_is_in_the_units_asked_for():
    scores, targets = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 3.0], [0.0, 0.0]])
    batches = [(scores[:1], targets[:1]), (scores[1:], targets[1:])]
    tally = scoring_of("regression").tally(torch.tensor([10.0, 2.0]))
    assert validate(nn.Identity(), batches, task="regression", tally=tally)[1] == pytest.approx((10 + 6) / 4)


# ------------------------------------------------------------------------------------------------------- the loop
def made(task):
    torch.manual_seed(0)
    x = torch.randn(16, 3, 6, 6)
    if task == "segmentation":
        y = (x[:, 0] > 0).long()
        y[:, 0] = 255
        return nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 2, 1)), [(x, y)]
    flat = x.flatten(1)
    net = nn.Sequential(nn.Linear(108, 16), nn.ReLU(), nn.Linear(16, 2))
    if task == "classification":
        return net, [(flat, (flat[:, 0] > 0).long())]
    return net, [(flat, (flat[:, :2] > 0) if task == "multilabel" else flat[:, :2] * 2)]


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_learned_and_its_events_tell_its_metric(task):
    net, batches = made(task)
    events = list(training(net, batches, Recipe(epochs=60, lr=0.02), val=batches, task=task))
    epochs = [e for e in events if isinstance(e, Epoch)]
    assert epochs[-1].train_loss < epochs[0].train_loss / 2
    assert epochs[0].metric == TASKS[task].metric.name
    assert f"val/{epochs[0].metric}" in epochs[0].row()
    assert f"val {TASKS[task].metric.text(epochs[0].val_metric)}" in epochs[0].line(60)
    assert (epochs[0].val_accuracy is None) == (task != "classification")
    best = max(e.epoch for e in epochs if e.best)
    if task == "regression":
        assert epochs[best - 1].val_loss == min(e.val_loss for e in epochs)
    else:
        assert epochs[best - 1].val_metric == max(e.val_metric for e in epochs) > 0.9


def test_a_single_value_may_come_without_its_axis():
    x = torch.randn(8, 3)
    losses = []
    for y in (x[:, 0], x[:, :1]):
        torch.manual_seed(0)
        losses.append(
            [
                e.loss
                for e in training(nn.Linear(3, 1), [(x, y)], Recipe(epochs=1), task="regression")
                if hasattr(e, "loss")
            ]
        )
    assert losses[0] == losses[1]  # never broadcast to (8, 8)


def test_shares_of_classes_are_learned():
    x = torch.randn(32, 4)
    y = torch.softmax(3 * x[:, :2], 1)
    events = list(training(nn.Linear(4, 2), [(x, y)], Recipe(epochs=200, lr=0.1, label_smoothing=0.0)))
    entropy = -(y * y.log()).sum(1).mean().item()  # what is left when every share is right
    assert events[-1].train_loss == pytest.approx(entropy, abs=0.02)


@pytest.mark.parametrize(
    ("task", "scores", "targets", "text"),
    [
        (
            "segmentation",
            (2, 3, 4, 4),
            torch.zeros(2, 4, 4),
            "the targets are float32 of shape (2, 4, 4); expected whole",
        ),
        (
            "segmentation",
            (2, 3, 4, 4),
            torch.zeros(2, dtype=torch.int64),
            "expected whole numbers (2, H, W), each",
        ),
        ("segmentation", (2, 3, 2, 2), torch.zeros(2, 4, 4, dtype=torch.int64), "expected (2, classes, 4, 4): scores"),
        ("segmentation", (1, 3, 1, 2), torch.tensor([[[255, 7]]]), "the targets reach from 7 to 7, the network has 3"),
        (
            "regression",
            (2, 3),
            torch.zeros(2, 2),
            "the network's output is (2, 3), the targets are float32 of shape (2, 2)",
        ),
        ("regression", (2, 2), torch.zeros(2), "expected both (N, values): end it with flatten and linear 1"),
        ("multilabel", (2, 3, 1), torch.zeros(2, 3), "expected both (N, labels): end it with flatten and linear 3"),
        ("classification", (2, 3), torch.zeros(2, 4), "the network's output is (2, 3) for 2 items; expected (2, 4)"),
        ("classification", (2, 3), torch.zeros(2, 3), "the rows are no shares of the classes, which are 0 or more and"),
        (
            "classification",
            (2, 1),
            torch.zeros(2, 1),
            "the network has 1 output, but classification needs 2 or more, one",
        ),
        (
            "classification",
            (2, 1),
            torch.tensor([0, 0]),
            "for one number or one yes or no, use the task regression or mu",
        ),
        (
            "classification",
            (2, 3),
            [0, 1],
            "the targets are of the type list; expected a tensor: int64 (N,), the number",
        ),
        ("classification", (2, 3), torch.tensor([0, 3]), "the targets reach from 0 to 3, the network has 3 outputs"),
        (
            "classification",
            (2, 3),
            torch.full((2, 3), math.nan),
            "6 target(s) of a batch are NaN or infinite, the first",
        ),
        (
            "segmentation",
            (1, 1, 1, 2),
            torch.tensor([[[0, 0]]]),
            "the network has 1 output, but segmentation needs 2 or",
        ),
        (
            "regression",
            (2, 1),
            torch.tensor([1.0, math.inf]),
            "1 target(s) of a batch are NaN or infinite, the first of",
        ),
        ("regression", (2, 1), torch.ones(1, 2), "the targets are float32 of shape (1, 2); expected both (N, values)"),
        (
            "regression",
            (2, 1),
            torch.ones(2) * 1j,
            "the targets are complex64 of shape (2,); expected a tensor: float32",
        ),
        (
            "multilabel",
            (2, 1),
            torch.tensor([0, 7]),
            "the targets reach from 0 to 7; expected 1 for each label that an",
        ),
        ("multilabel", (2, 1), torch.tensor([0.5, math.nan]), "1 target(s) of a batch are NaN or infinite"),
    ],
)
def test_wrong_targets_and_outputs_are_named(task, scores, targets, text):
    with pytest.raises(DataError) as caught:
        validate(nn.Identity(), [(torch.zeros(scores), targets)], task=task)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("task", "outputs", "targets", "text"),
    [
        ("classification", 3, torch.ones(8, dtype=torch.int64), "all targets are 1: there is nothing to tell apart"),
        (
            "regression",
            1,
            torch.zeros(8),
            "all targets are 0.0: there is nothing to tell apart, and a loss near 0 means",
        ),
        ("regression", 2, torch.ones(8, 2), "all targets are .1.0, 1.0.: there is nothing"),
        ("multilabel", 2, torch.ones(8, 2), "all targets are .1.0, 1.0.: there is nothing"),
        ("segmentation", 2, torch.ones(8, 2, 2, dtype=torch.int64), "all targets are 1: there is nothing"),
        ("segmentation", 2, torch.full((8, 2, 2), 255), "no pixel has a class: there is nothing to tell apart"),
    ],
)
def test_targets_that_are_all_the_same_are_said_once(task, outputs, targets, text):
    net = nn.Conv2d(3, outputs, 1) if targets.ndim == 3 else nn.Linear(5, outputs)
    x = torch.randn(8, 3, 2, 2) if targets.ndim == 3 else torch.randn(8, 5)
    batches = [(x[:4], targets[:4]), (x[4:], targets[4:])]
    with pytest.warns(UserWarning, match=text) as said:
        list(training(net, batches, Recipe(epochs=2), task=task))
    assert len(said) == 1


def test_batches_of_one_class_each_are_no_cause_for_a_warning():
    x = torch.randn(4, 5)
    list(training(nn.Linear(5, 2), [(x, torch.zeros(4).long()), (x, torch.ones(4).long())], Recipe(epochs=1)))


def test_an_unknown_task():
    with pytest.raises(RecipeError, match="task is 'segment'; did you mean 'segmentation'"):
        next(training(nn.Linear(1, 1), [(torch.zeros(1, 1), torch.zeros(1))], task="segment"))


# ---------------------------------------------------------------------------------------------------- what is undone
def test_the_ending_that_turns_scores_into_probabilities_is_undone_where_it_does():
    x, linear = torch.randn(4, 3), nn.Linear(3, 2)
    sigmoid, softmax = nn.Sequential(linear, nn.Sigmoid()), nn.Sequential(linear, nn.Softmax(1))
    assert torch.equal(Scorer(sigmoid, "multilabel")(x), linear(x))
    assert torch.equal(Scorer(softmax, "classification")(x), linear(x))
    assert torch.equal(Scorer(sigmoid, "regression")(x), sigmoid(x))
    conv = nn.Conv2d(3, 2, 1)
    image = torch.randn(1, 3, 4, 4)
    assert torch.equal(Scorer(nn.Sequential(conv, nn.Softmax(1)), "segmentation")(image), conv(image))
