"""Training: the recipe, the losses, the loop. Knows modules, tensors and names, nothing of graphs or files of data."""

from striate.learn.checkpoint import load_state, save_state
from striate.learn.freeze import fixed_norms, freeze
from striate.learn.loop import Epoch, State, Step, evaluating, training, validate
from striate.learn.losses import Scorer, half_squared_error, loss_of, multiclass_hinge
from striate.learn.optim import optimiser_of, rate_at
from striate.learn.recipe import LOSSES, OPTIMISERS, RECIPES, SCHEDULES, Recipe, find_recipe, read_recipe

__all__ = [
    "LOSSES",
    "OPTIMISERS",
    "RECIPES",
    "SCHEDULES",
    "Epoch",
    "Recipe",
    "Scorer",
    "State",
    "Step",
    "evaluating",
    "find_recipe",
    "fixed_norms",
    "freeze",
    "half_squared_error",
    "load_state",
    "loss_of",
    "multiclass_hinge",
    "optimiser_of",
    "rate_at",
    "read_recipe",
    "save_state",
    "training",
    "validate",
]
