"""Prediction from an exported ``.onnx`` file: numpy, Pillow and onnxruntime, no torch. :func:`load` opens the file."""

from striate.runtime.choosing import load_fastest
from striate.runtime.onnx_model import OnnxModel, is_exported
from striate.runtime.onnx_model import load_exported as load

__all__ = ["OnnxModel", "is_exported", "load", "load_fastest"]
