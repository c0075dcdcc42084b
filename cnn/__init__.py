"""Convolutional networks in NumPy whose weights are one flat vector, a population at a time."""

from cnn import datasets
from cnn.convert_keras import from_keras, to_keras
from cnn.convert_onnx import to_onnx
from cnn.convert_pygad import from_pygad
from cnn.convert_torch import from_torch, to_torch
from cnn.layers import (
    Dense,
    Flatten,
    Input1D,
    Input2D,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Step,
    Tanh,
)
from cnn.model import Model, load
from cnn.weights import (
    layers_weights,
    layers_weights_as_matrix,
    layers_weights_as_vector,
    update_layers_trained_weights,
)
from cnn.windows import (
    AveragePooling2D,
    Conv2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
)

__all__ = [
    "AveragePooling2D",
    "Conv2D",
    "Dense",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Input1D",
    "Input2D",
    "LeakyReLU",
    "MaxPooling2D",
    "Model",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Step",
    "Tanh",
    "datasets",
    "from_keras",
    "from_pygad",
    "from_torch",
    "layers_weights",
    "layers_weights_as_matrix",
    "layers_weights_as_vector",
    "load",
    "to_keras",
    "to_onnx",
    "to_torch",
    "update_layers_trained_weights",
]
