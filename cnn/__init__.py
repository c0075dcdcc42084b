"""Convolutional networks in NumPy whose weights are one flat vector, a population at a time."""

from cnn.layers import (
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input1D,
    Input2D,
    LeakyReLU,
    MaxPooling2D,
    ReLU,
    Sigmoid,
    Softmax,
    Step,
    Tanh,
)
from cnn.model import Model
