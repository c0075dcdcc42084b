"""Convolutional networks in NumPy whose weights are one flat vector, a population at a time."""

from cnn import datasets
from cnn.engines.engine import Engine
from cnn.engines.numpy.engine import NumpyEngine
from cnn.exchange.keras import from_keras, to_keras
from cnn.exchange.onnx import to_onnx
from cnn.exchange.pygad import from_pygad
from cnn.exchange.torch import from_torch, to_torch
from cnn.layers.elementwise import LeakyReLU, ReLU, Sigmoid, Softmax, Step, Tanh
from cnn.layers.layer import Flatten, Input1D, Input2D
from cnn.layers.weighted import Dense
from cnn.layers.windowed import (
    AveragePooling2D,
    Conv2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
)
from cnn.model import Model, load
from cnn.pygad_functions import (
    layers_weights,
    layers_weights_as_matrix,
    layers_weights_as_vector,
    update_layers_trained_weights,
)
from cnn.report import Report

__all__ = [
    "AveragePooling2D",
    "Conv2D",
    "Dense",
    "Engine",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Input1D",
    "Input2D",
    "LeakyReLU",
    "MaxPooling2D",
    "Model",
    "NumpyEngine",
    "ReLU",
    "Report",
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
