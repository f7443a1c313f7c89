"""Looking inside any module while it runs: arrays first, figures of them after. :mod:`striate.inspect.models` has the
same for models, files and data sets.
"""

from striate.inspect.capture import Captured, LayerCall, capture, layer_calls
from striate.inspect.contributions import PixelContributions, pixel_contributions
from striate.inspect.fields import MeasuredField, Peak, crop_box, measured_field, top_patches
from striate.inspect.filters import Filters, kernels_of
from striate.inspect.maps import FeatureMaps, NetworkActivity, feature_maps, measure_activity
from striate.inspect.maximise import Ascent, MaximisedInput, deep_dream, maximise
from striate.inspect.target import Target, as_target, named_target
from striate.inspect.unit import UnitArithmetic, unit_arithmetic

__all__ = [
    "Ascent", "Captured", "FeatureMaps", "Filters", "LayerCall", "MaximisedInput", "MeasuredField",
    "NetworkActivity", "Peak", "PixelContributions", "Target", "UnitArithmetic", "as_target", "capture", "crop_box",
    "deep_dream", "feature_maps", "kernels_of", "layer_calls", "maximise", "measure_activity", "measured_field",
    "named_target", "pixel_contributions", "top_patches", "unit_arithmetic",
]  # fmt: skip
