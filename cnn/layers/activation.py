"""Activations: what must be known of each; engines know how to compute them."""

from __future__ import annotations

from typing import NamedTuple

NEGATIVE_SLOPE = 0.01  # of leaky_relu


class Activation(NamedTuple):
    """A function of every number, or over the channels, by its `name`.

    Attributes:
        name: what engines know it by.
        monotone: whether it commutes with max pooling.
        rectifies: whether weights before it are drawn with He's variance, and not with Glorot's.
        negative_slope: of leaky_relu.
    """

    name: str
    monotone: bool = True
    rectifies: bool = False
    negative_slope: float = NEGATIVE_SLOPE


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        Activation("relu", rectifies=True),
        Activation("leaky_relu", rectifies=True),
        Activation("sigmoid"),
        Activation("tanh"),
        Activation("step"),
        Activation("square_root", rectifies=True),
        Activation("softmax", monotone=False),
    )
}

LOG_SOFTMAX = Activation("log_softmax", monotone=False)
LOG_SIGMOID_PAIR = Activation("log_sigmoid_pair", monotone=False)
"""log(1 - sigmoid(x)) and log(sigmoid(x)) of a single channel."""
