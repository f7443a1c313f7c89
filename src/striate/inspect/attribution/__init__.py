"""Which parts of an input have to do with a score: eleven methods on any ``nn.Module``, and the checks of them."""

from collections.abc import Callable

from striate.inspect.attribution.cams import grad_cam, grad_cam_pp, hires_cam, layer_cam
from striate.inspect.attribution.checks import Completeness, Randomised, completeness, randomised, rank_correlation
from striate.inspect.attribution.curves import Curve, deletion, insertion
from striate.inspect.attribution.gradients import gradient, gradient_x_input, integrated_gradients, smoothgrad
from striate.inspect.attribution.layer import Picked, cam_layer
from striate.inspect.attribution.occlusion import occlusion
from striate.inspect.attribution.placing import placed
from striate.inspect.attribution.result import Attribution, remarks
from striate.inspect.attribution.rules import deconvnet, guided_backprop
from striate.inspect.target import Target, as_target

# name -> function (module, x, target=None, *, task=..., ...) -> Attribution
METHODS: dict[str, Callable[..., Attribution]] = {
    "gradient": gradient,
    "gradient_x_input": gradient_x_input,
    "integrated_gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
    "guided_backprop": guided_backprop,
    "deconvnet": deconvnet,
    "grad_cam": grad_cam,
    "grad_cam_pp": grad_cam_pp,
    "layer_cam": layer_cam,
    "hires_cam": hires_cam,
    "occlusion": occlusion,
}

__all__ = [
    "METHODS",
    "Attribution",
    "Completeness",
    "Curve",
    "Picked",
    "Randomised",
    "Target",
    "as_target",
    "cam_layer",
    "completeness",
    "deconvnet",
    "deletion",
    "grad_cam",
    "grad_cam_pp",
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "hires_cam",
    "insertion",
    "integrated_gradients",
    "layer_cam",
    "occlusion",
    "placed",
    "randomised",
    "rank_correlation",
    "remarks",
    "smoothgrad",
]
