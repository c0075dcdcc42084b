"""The network that is taken where none is given."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from cnn import (
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    Input2D,
    MaxPooling2D,
    Model,
    SquareRoot,
    checks,
    patch_filters,
    principal_components,
)
from cnn.layers.layer import Layer
from cnn.types import AnyArray
from gacnn.training.plan import duration

HIDDEN_UNITS = 16
FILTERS = 8
LARGEST_CONVOLVED = 32  # pixels a side of the maps that filters see
LARGEST_POOLED = 8  # and of the last maps

FIRST_LAYERS = "auto", "data", "evolved"
PATCH = 7  # pixels a side of the filters from the data
PATCH_FILTERS = 256, 512  # of few images, and of many
CELLS = 3  # a side, in which their responses are averaged
LARGE_SIDE = 16  # pixels, from which on images have more to them than such filters see
ENOUGH_IMAGES, MANY_IMAGES = 5000, 20_000
COMPONENTS = 2  # that are left of the features, for each filter
LOOKED_AT = 10_000  # images that say which components there are


def default_layers(
    input_shape: tuple[int, ...],
    images: ArrayLike | None = None,
    *,
    first_layer: str = "auto",
    random_seed: int | None = None,
    verbose: bool = False,
) -> list[Layer]:
    """Return hidden layers for inputs of this shape, with few weights, since evolution likes few.

    Rows: 16 units of tanh. Images of more than 32 pixels a side are averaged down to at most 32
    first. Then, where there are images and the first layer is to come from them: 256 filters of
    their patches, or 512 of 20,000 images or more, fixed, with relu, averaged in 3 x 3 cells, the
    square root, and twice as many principal components of these as there are filters; what is left
    to evolve is the output layer. Else 8 filters of 3 x 3 with relu and max pooling by 2, as often
    as it takes to leave at most 8 pixels a side.

    Args:
        input_shape: (height, width, channels), or (inputs,).
        images: (N, height, width, channels), to train on; None where they are not known.
        first_layer: "data", "evolved", or "auto": from the data where there are 5,000 images or
            more, of 16 pixels a side or more.
        random_seed: what the patches are drawn from.
        verbose: whether to say that a first layer is made from the images, which may take minutes.
    """
    checks.one_of(first_layer, "first_layer", FIRST_LAYERS)
    if len(input_shape) == 1:
        if first_layer == "data":
            raise ValueError('first_layer="data" is for images, not for rows; leave it out')
        return [Dense(HIDDEN_UNITS, activation_function="tanh")]
    known = None if images is None else checks.shaped(images, "images", (None, *input_shape), _AXES)
    if first_layer == "data" and known is None:
        raise ValueError('first_layer="data" needs the images: give them')
    enough = (
        known is not None and len(known) >= ENOUGH_IMAGES and min(input_shape[:2]) >= LARGE_SIDE
    )
    shrunk = _shrunk(input_shape)
    if known is not None and (first_layer == "data" or (first_layer == "auto" and enough)):
        return shrunk + _from_data(input_shape, known, shrunk, random_seed, verbose=verbose)
    return shrunk + _evolved(Model([Input2D(input_shape), *shrunk]).output_shape)


_AXES = "images, height, width, channels"


def _shrunk(input_shape: tuple[int, ...]) -> list[Layer]:
    """Return what averages large images down."""
    height, width = input_shape[:2]
    shrink = math.ceil(height / LARGEST_CONVOLVED), math.ceil(width / LARGEST_CONVOLVED)
    return [AveragePooling2D(shrink, stride=shrink)] if max(shrink) > 1 else []


def _evolved(shape: tuple[int, ...]) -> list[Layer]:
    """Return convolutions and max pooling for maps of this shape."""
    layers: list[Layer] = []
    height, width = shape[:2]
    while True:
        pool_size = min(2, height), min(2, width)
        layers += [
            Conv2D(FILTERS, 3, None, "relu", padding="same"),
            MaxPooling2D(pool_size, stride=pool_size),
        ]
        height, width = height // pool_size[0], width // pool_size[1]
        if max(height, width) <= LARGEST_POOLED:
            return layers


def _from_data(
    input_shape: tuple[int, ...],
    images: AnyArray,
    shrunk: list[Layer],
    random_seed: int | None,
    *,
    verbose: bool,
) -> list[Layer]:
    """Return fixed layers that give features of images."""
    began = time.perf_counter()
    some = images[:: -(-len(images) // LOOKED_AT)]
    front = Model([Input2D(input_shape), *shrunk])
    height, width, _ = front.output_shape
    size = min(PATCH, height), min(PATCH, width)
    seen = images if not shrunk else front.forward(some)
    number = PATCH_FILTERS[len(images) >= MANY_IMAGES]
    if verbose:
        what = f"{number} filters of {size[0]} x {size[1]} pixels"
        print(f"making a first layer from the images: {what}, which may take minutes", flush=True)
    filters = patch_filters(seen, size, number, random_seed=random_seed)
    sides = zip(seen.shape[1:3], size, strict=True)
    windows, strides = zip(*(_cells(side - own + 1) for side, own in sides), strict=True)
    layers = [
        Conv2D(number, size, None, "relu", trainable=False, weights=filters),
        AveragePooling2D(windows, stride=strides),
        SquareRoot(),
        Flatten(),
    ]
    features = Model([Input2D(input_shape), *shrunk, *layers]).forward(some)
    left = min(COMPONENTS * number, len(features) // 2, features.shape[1] // 2)
    components = principal_components(features, left)
    if verbose:
        print(f"made in {duration(time.perf_counter() - began)}", flush=True)
    return [*layers, Dense(left, None, None, trainable=False, weights=components)]


def _cells(positions: int) -> tuple[int, int]:
    """Return window and stride of cells that cover so many positions without padding.

    They overlap where their number does not divide that: what is padded more on one side has no
    counterpart in PyTorch.
    """
    cells = min(CELLS, positions)
    stride = positions // cells
    return positions - (cells - 1) * stride, stride


def default_network(
    input_shape: tuple[int, ...],
    num_classes: int,
    random_seed: int | None = None,
    *,
    images: ArrayLike | None = None,
    first_layer: str = "auto",
    verbose: bool = False,
) -> Model:
    """Return a network for images (height, width, channels) of so many classes.

    Args:
        input_shape: (height, width, channels).
        num_classes: outputs.
        random_seed: what its weights, and the patches of images, are drawn from.
        images: (N, height, width, channels), to train on. With 5,000 images or more, of 16 pixels
            a side or more, the first layer comes from them and does not evolve.
        first_layer: "data" or "evolved" to say so whatever the images; "auto" as above.
        verbose: whether to say that a first layer is made from the images, which may take minutes.

    Raises:
        ValueError: for images of another shape, and "data" without images.
    """
    number = checks.whole(num_classes, "num_classes")
    if number >= 2**31:
        raise ValueError(f"num_classes is too large, {number:,}")
    first = Input2D(input_shape)
    hidden = default_layers(
        first.input_shape,
        images,
        first_layer=first_layer,
        random_seed=random_seed,
        verbose=verbose,
    )
    if not isinstance(hidden[-1], Dense):
        hidden.append(Flatten())
    output = default_output(hidden, number, "softmax")
    return Model([first, *hidden, output], random_seed=random_seed)


def default_output(hidden: Sequence[Layer], outputs: int, activation: str | None) -> Dense:
    """Return the output layer behind default hidden layers; of zeros, where these are fixed.

    A head alone has no symmetry to break, and drawn weights would have to be unlearned first.
    """
    last = hidden[-1]
    if not isinstance(last, Dense) or last.trainable:
        return Dense(outputs, activation_function=activation)
    zeros = np.zeros((last.num_neurons, outputs)), np.zeros(outputs)
    return Dense(outputs, activation_function=activation, weights=zeros)


def default_head(model: Model) -> str:
    """Return how the last layer of a default network begins: solved, where it alone evolves."""
    return "auto" if len(model.trainable_layers) == 1 else "evolved"
