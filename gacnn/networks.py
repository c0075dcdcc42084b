"""The network that is taken where none is given."""

from __future__ import annotations

import math

from cnn import Conv2D, Dense, Flatten, Input2D, MaxPooling2D, Model
from cnn.layers import Layer

HIDDEN_UNITS = 16
FILTERS = 8
LARGEST_CONVOLVED = 32  # pixels a side that the default network looks at closely
LARGEST_POOLED = 8  # and that its last maps have


def default_layers(input_shape: tuple[int, ...]) -> list[Layer]:
    """Return hidden layers for inputs of this shape, with few weights, since evolution likes few.

    Rows: 16 units of tanh. Images: 8 filters of 3 x 3 with relu and max pooling by 2, as often as
    it takes to leave at most 8 pixels a side; the filters of images with more than 32 pixels a
    side are first larger, with a stride that leaves at most 32.
    """
    if len(input_shape) == 1:
        return [Dense(HIDDEN_UNITS, activation_function="tanh")]
    layers: list[Layer] = []
    sides = input_shape[:2]
    while not layers or max(sides) > LARGEST_POOLED:
        stride = tuple(math.ceil(side / LARGEST_CONVOLVED) for side in sides)
        kernel_size = tuple(2 * step + 1 for step in stride)
        sides = tuple(math.ceil(side / step) for side, step in zip(sides, stride, strict=True))
        pool_size = tuple(min(2, side) for side in sides)
        layers += [
            Conv2D(FILTERS, kernel_size, None, "relu", stride=stride, padding="same"),
            MaxPooling2D(pool_size, stride=pool_size),
        ]
        sides = tuple(side // pool for side, pool in zip(sides, pool_size, strict=True))
    return layers


def default_network(
    input_shape: tuple[int, ...], num_classes: int, random_seed: int | None = None
) -> Model:
    """Return a network for images (height, width, channels) of so many classes."""
    output = Dense(num_classes, activation_function="softmax")
    layers = [Input2D(input_shape), *default_layers(input_shape), Flatten(), output]
    return Model(layers, random_seed=random_seed)
