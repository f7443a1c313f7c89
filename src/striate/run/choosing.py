"""What a training run does where nobody said: the recipe, and the network, that suit the data."""

from __future__ import annotations

from dataclasses import dataclass

from striate.datasets import DataSet
from striate.learning import RECIPES, Recipe


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Args:
        recipe: The settings.
        name: The recipe's name.
        why: The reason, after "since"; "" where there is nothing to say.
        net: The network of the zoo, where the recipe or the data ask for one; "" for the default of the data.
    """

    recipe: Recipe
    name: str = "default"
    why: str = ""
    net: str = ""

    @property
    def line(self) -> str:
        """What is said of it; "" where there is nothing to say."""
        return f"recipe: {self.name} (default, since {self.why})" if self.why else ""


def choose(dataset: DataSet, *, fine_tuned: bool = False, net_given: bool = False) -> Choice:
    """The recipe for *dataset* where none is named.

    Args:
        dataset: The data, with their training split.
        fine_tuned: Whether it starts from trained weights.
        net_given: Whether the network is given.
    """
    return Choice(RECIPES["default"].recipe)
