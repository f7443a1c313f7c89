"""Training: the recipe, the losses, the loop. Knows modules, tensors and names, nothing of graphs or files of data."""

from striate.learning.checkpoint import load_progress, load_state, save_state
from striate.learning.distributed import World
from striate.learning.finder import RateSweep, sweep_rates
from striate.learning.head import HeadFit, fit_head
from striate.learning.loop import Epoch, State, Step, fastest, training, validate
from striate.learning.modules import Scorer, evaluating, fixed_norms, freeze
from striate.learning.optim import Muon, loss_name, loss_of, optimizer_of, orthogonalised, rate_at
from striate.learning.recipe import BALANCE, LOSSES, OPTIMIZERS, SCHEDULES, Recipe, read_recipe
from striate.learning.recipes import RECIPES, NamedRecipe, find_recipe, named_recipe
from striate.learning.speed import Speed, using_threads

__all__ = [
    "BALANCE", "LOSSES", "OPTIMIZERS", "RECIPES", "SCHEDULES", "Epoch", "HeadFit", "Muon", "NamedRecipe",
    "RateSweep", "Recipe", "Scorer", "Speed", "State", "Step", "World", "evaluating", "fastest", "find_recipe",
    "fit_head", "fixed_norms", "freeze", "load_progress", "load_state", "loss_name", "loss_of", "named_recipe",
    "optimizer_of", "orthogonalised", "rate_at", "read_recipe", "save_state", "sweep_rates", "training",
    "using_threads", "validate",
]  # fmt: skip
