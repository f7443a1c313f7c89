"""Attribution: how much each part of an input contributes to a score; methods for any ``nn.Module``, and their checks.

To add a method: write the function beside those of its family (or in a file of its own), with the signature
``(module, x, target=None, *, task=CLASSIFICATION, ...) -> Attribution``, and give it a row in :data:`METHODS`. The
command line, ``striate.explain``, the checks and the tests that run on every method then have it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from striate.inspect.attribution.cams import ablation_cam, grad_cam, grad_cam_pp, hires_cam, layer_cam
from striate.inspect.attribution.checks import (
    Completeness,
    PerturbationCurve,
    RandomisationTest,
    SanityCheck,
    completeness,
    deletion,
    insertion,
    randomisation_test,
    rank_correlation,
)
from striate.inspect.attribution.gradients import gradient, gradient_x_input, integrated_gradients, smoothgrad
from striate.inspect.attribution.guided import deconvnet, guided_backprop
from striate.inspect.attribution.occlusion import occlusion
from striate.inspect.attribution.result import Attribution, remarks, resize_to_input
from striate.inspect.attribution.target_layer import PickedLayer, cam_layer
from striate.inspect.target import Target, TargetLike, as_target


@dataclass(frozen=True)
class AttributionMethod:
    """A row of :data:`METHODS`; called like its function.

    Args:
        title: Over its figures.
        function: ``(module, x, target=None, *, task=..., ...) -> Attribution``.
        of_layer: Whether it takes a ``layer`` and maps its cells: a class activation map.
    """

    title: str
    function: Callable[..., Attribution]
    of_layer: bool = False

    @property
    def name(self) -> str:
        """What ``--method`` takes: the function's name."""
        return self.function.__name__

    def __call__(self, module: nn.Module, x: Tensor, target: TargetLike = None, **options: Any) -> Attribution:
        return self.function(module, x, target, **options)


METHODS = {
    method.name: method
    for method in (
        AttributionMethod("Gradient", gradient),
        AttributionMethod("Gradient x input", gradient_x_input),
        AttributionMethod("Integrated gradients", integrated_gradients),
        AttributionMethod("SmoothGrad", smoothgrad),
        AttributionMethod("Guided backpropagation", guided_backprop),
        AttributionMethod("Deconvnet", deconvnet),
        AttributionMethod("Grad-CAM", grad_cam, of_layer=True),
        AttributionMethod("Grad-CAM++", grad_cam_pp, of_layer=True),
        AttributionMethod("LayerCAM", layer_cam, of_layer=True),
        AttributionMethod("HiResCAM", hires_cam, of_layer=True),
        AttributionMethod("Ablation-CAM", ablation_cam, of_layer=True),
        AttributionMethod("Occlusion", occlusion),
    )
}

__all__ = [
    "METHODS", "Attribution", "AttributionMethod", "Completeness", "PerturbationCurve", "PickedLayer",
    "RandomisationTest", "SanityCheck", "Target", "TargetLike", "ablation_cam", "as_target", "cam_layer",
    "completeness", "deconvnet", "deletion", "grad_cam", "grad_cam_pp", "gradient", "gradient_x_input",
    "guided_backprop", "hires_cam", "insertion", "integrated_gradients", "layer_cam", "occlusion",
    "randomisation_test", "rank_correlation", "remarks", "resize_to_input", "smoothgrad",
]  # fmt: skip
