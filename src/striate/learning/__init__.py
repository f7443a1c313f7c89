"""Training: the recipe, the losses, the loop. Knows modules, tensors and names, nothing of graphs or files of data."""

from striate.learning.checkpoint import load_state, save_state
from striate.learning.figures import Figure, figure_of
from striate.learning.freeze import fixed_norms, freeze
from striate.learning.loop import Epoch, State, Step, training
from striate.learning.losses import LOSSES_OF, loss_name, loss_of
from striate.learning.optim import optimiser_of, rate_at
from striate.learning.recipe import BALANCE, LOSSES, OPTIMISERS, RECIPES, SCHEDULES, Recipe, find_recipe, read_recipe
from striate.learning.scorer import Scorer
from striate.learning.validate import evaluating, validate

__all__ = [
    "BALANCE",
    "LOSSES",
    "LOSSES_OF",
    "OPTIMISERS",
    "RECIPES",
    "SCHEDULES",
    "Epoch",
    "Figure",
    "Recipe",
    "Scorer",
    "State",
    "Step",
    "evaluating",
    "figure_of",
    "find_recipe",
    "fixed_norms",
    "freeze",
    "load_state",
    "loss_name",
    "loss_of",
    "optimiser_of",
    "rate_at",
    "read_recipe",
    "save_state",
    "training",
    "validate",
]
