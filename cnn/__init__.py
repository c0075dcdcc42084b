"""Convolutional networks in NumPy whose weights are one flat vector, a population at a time."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnn.components import principal_components
from cnn.engines.engine import Engine
from cnn.engines.numpy.engine import NumpyEngine
from cnn.engines.torch.engine import TorchEngine
from cnn.layers.convolution import Conv1D, Conv2D, DepthwiseConv2D
from cnn.layers.elementwise import LeakyReLU, ReLU, Sigmoid, Softmax, SquareRoot, Step, Tanh
from cnn.layers.layer import Flatten, Input1D, Input2D
from cnn.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from cnn.layers.standardization import Standardization
from cnn.layers.weighted import Dense
from cnn.model import Model, load
from cnn.patches import patch_filters
from cnn.pygad_functions import (
    layers_weights,
    layers_weights_as_matrix,
    layers_weights_as_vector,
    update_layers_trained_weights,
)
from cnn.report import Report

if TYPE_CHECKING:
    from cnn import datasets as datasets
    from cnn.exchange.keras import from_keras as from_keras
    from cnn.exchange.keras import to_keras as to_keras
    from cnn.exchange.onnx import to_onnx as to_onnx
    from cnn.exchange.pygad import from_pygad as from_pygad
    from cnn.exchange.torch import from_torch as from_torch
    from cnn.exchange.torch import to_torch as to_torch

__version__ = "0.1.0"

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "Conv1D",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Engine",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Input1D",
    "Input2D",
    "LeakyReLU",
    "MaxPooling1D",
    "MaxPooling2D",
    "Model",
    "NumpyEngine",
    "ReLU",
    "Report",
    "Sigmoid",
    "Softmax",
    "SquareRoot",
    "Standardization",
    "Step",
    "Tanh",
    "TorchEngine",
    "datasets",
    "from_keras",
    "from_pygad",
    "from_torch",
    "layers_weights",
    "layers_weights_as_matrix",
    "layers_weights_as_vector",
    "load",
    "patch_filters",
    "principal_components",
    "to_keras",
    "to_onnx",
    "to_torch",
    "update_layers_trained_weights",
]

_LATER = {  # what most programs never use is loaded when it is used
    "from_keras": "cnn.exchange.keras",
    "from_pygad": "cnn.exchange.pygad",
    "from_torch": "cnn.exchange.torch",
    "to_keras": "cnn.exchange.keras",
    "to_onnx": "cnn.exchange.onnx",
    "to_torch": "cnn.exchange.torch",
}


def __getattr__(name: str) -> Any:
    """Load what is used for the first time."""
    if name == "datasets":
        return import_module("cnn.datasets")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
