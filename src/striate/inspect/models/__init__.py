"""Looking inside a model, given in any form that :func:`striate.loading.open_network` takes: a function per verb."""

from striate.inspect.models.inspected import InspectedModel, inspected
from striate.inspect.models.layers import filters, imagine, maps, unit
from striate.inspect.models.over_data import TopPatches, activity, field, peaks
from striate.inspect.models.saliency import Explanation, MethodComparison, explain

__all__ = [
    "Explanation", "InspectedModel", "MethodComparison", "TopPatches", "activity", "explain", "field", "filters",
    "imagine", "inspected", "maps", "peaks", "unit",
]  # fmt: skip
