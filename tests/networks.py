"""Random layers and networks for hypothesis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import cnn
from cnn.layers.layer import Layer
from cnn.types import Array

EAGER = cnn.NumpyEngine(thread_floats=1)  # threads share even the small work of tests

ACTIVATIONS = [None, "relu", "leaky_relu", "sigmoid", "tanh"]
EXACT_ACTIVATIONS = [None, "relu", "step"]
LAYERS = [
    cnn.ReLU,
    cnn.LeakyReLU,
    cnn.Sigmoid,
    cnn.Tanh,
    cnn.Softmax,
    cnn.Standardization,
]
EXACT_LAYERS = [cnn.ReLU, cnn.Step]
POOLINGS = [cnn.MaxPooling2D, cnn.AveragePooling2D]
OF_SERIES: dict[type[Layer], Any] = {  # what is the same along series
    cnn.Conv2D: cnn.Conv1D,
    cnn.MaxPooling2D: cnn.MaxPooling1D,
    cnn.AveragePooling2D: cnn.AveragePooling1D,
    cnn.GlobalMaxPooling2D: cnn.GlobalMaxPooling1D,
    cnn.GlobalAveragePooling2D: cnn.GlobalAveragePooling1D,
}

SMALL = st.integers(1, 3)
SIZES = st.integers(1, 4) | st.tuples(st.integers(1, 5), st.integers(1, 5))
STRIDES = st.integers(1, 3) | st.tuples(st.integers(1, 4), st.integers(1, 4))
PADDINGS: st.SearchStrategy[Any] = (
    st.sampled_from(["valid", "same"])
    | st.integers(0, 3)
    | st.tuples(st.integers(0, 3), st.integers(0, 3))
)


@st.composite
def convolutions(draw: Any, exact: bool) -> Layer:
    settings = {
        "kernel_size": draw(SIZES),
        "activation_function": draw(st.sampled_from(EXACT_ACTIVATIONS if exact else ACTIVATIONS)),
        "stride": draw(st.just(1) | STRIDES),
        "padding": draw(PADDINGS),
        "dilation": draw(st.just(1) | SIZES),
        "use_bias": draw(st.sampled_from([True, True, False])),
        "trainable": draw(st.sampled_from([True, True, False])),
    }
    if draw(st.sampled_from([False, False, True])):
        return cnn.DepthwiseConv2D(**settings)
    return cnn.Conv2D(draw(SMALL), **settings)


@st.composite
def poolings(draw: Any, exact: bool) -> Layer:
    if exact and draw(st.booleans()):
        return cnn.AveragePooling2D(2, stride=draw(STRIDES))
    size, stride = draw(st.sampled_from([(2, 2), (3, 2), (5, 3)]) | st.tuples(SIZES, STRIDES))
    rows, columns = size if isinstance(size, tuple) else (size, size)
    amounts = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
    padding = draw(st.sampled_from(["valid", "same"]) | amounts)
    kind = cnn.MaxPooling2D if exact else draw(st.sampled_from(POOLINGS))
    return kind(size, stride=stride, padding=padding)


@st.composite
def elementwise(draw: Any, exact: bool) -> Layer:
    kind = draw(st.sampled_from(EXACT_LAYERS if exact else LAYERS))
    if kind is cnn.LeakyReLU:
        return cnn.LeakyReLU(negative_slope=draw(st.sampled_from([0, 0.2, 1])))
    return kind()


@st.composite
def networks(draw: Any, exact: bool = False) -> cnn.Model:
    """Any chain of layers that fits together, of maps or of series, with biases that are not zero.

    exact: without layers that round, if weights and images are small integers.
    """
    sides = st.integers(1, 17) | st.integers(8, 17)
    layer: Layer = cnn.Input2D((draw(sides), draw(sides), draw(SMALL)))
    if draw(st.sampled_from([False, False, True])):
        layer = cnn.Input1D(draw(st.tuples(sides, SMALL)))
    kinds = [convolutions(exact), poolings(exact), poolings(exact), elementwise(exact)]
    for _ in range(draw(st.integers(0, 3 if exact else 6))):
        layer = linked(draw(st.one_of(kinds)), layer)
    ends = draw(st.sampled_from(["maps", "flat", "deep", "average", "maximum"]))
    if ends in ("average", "maximum"):
        average = ends == "average" and not exact
        kind = cnn.GlobalAveragePooling2D if average else cnn.GlobalMaxPooling2D
        layer = linked(kind(), layer)
    elif ends != "maps":
        layer = cnn.Flatten(layer)
    for _ in range({"deep": 2, "flat": 1}.get(ends, 0)):
        activations = EXACT_ACTIVATIONS if exact else [*ACTIVATIONS, "softmax"]
        layer = cnn.Dense(
            draw(SMALL),
            layer,
            draw(st.sampled_from(activations)),
            use_bias=draw(st.booleans()),
            trainable=draw(st.sampled_from([True, True, False])),
        )
    return filled(cnn.Model(layer, random_seed=draw(st.integers(0, 99))), exact)


def linked(layer: Layer, previous: Layer) -> Layer:
    """The layer behind the previous one, or the previous one if it does not fit there.

    Behind series it is the one of its kind that is along series.
    """
    if isinstance(previous.layer_output_size, tuple) and len(previous.layer_output_size) == 2:
        layer = along_series(layer)
    try:
        layer.link(previous)
    except ValueError:
        return previous
    return layer


def along_series(layer: Layer) -> Layer:
    """The layer that does along series what this one does down the rows of maps."""
    if type(layer) not in OF_SERIES:
        return layer
    settings = layer.settings()
    for name in ("kernel_size", "pool_size", "stride", "padding", "dilation"):
        value = settings.get(name, 0)
        settings[name] = value[0] if isinstance(value, tuple) else value
    kind = OF_SERIES[type(layer)]
    return kind(**{name: settings[name] for name in kind.arguments})


def filled(model: cnn.Model, exact: bool = False) -> cnn.Model:
    """The model with biases drawn too, which as zeros would hide errors; exact: -1, 0 and 1."""
    rng = np.random.default_rng(0)
    for layer in model.weighted_layers:
        for array in layer.trained:
            if exact:
                array[...] = rng.integers(-1, 2, array.shape)
            elif array.ndim == 1:
                array[...] = rng.normal(size=array.shape)
        if isinstance(layer, cnn.Standardization) and not exact:
            layer.trained_weights = rng.uniform(0.3, 3, layer.trained_weights.shape)
    return model


def vectors_for(model: cnn.Model, members: int, exact: bool = False) -> Array:
    """A population (members, num_weights) around the weights of the model; exact: -1, 0 and 1."""
    rng = np.random.default_rng(0)
    shape = members, model.num_weights
    if exact:
        return rng.integers(-1, 2, shape).astype(np.float32)
    factors = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)
    return (model.weights * factors).astype(np.float32)


def images_for(model: cnn.Model, number: int, exact: bool = False) -> Array:
    """Images (number, *input_shape); exact: integers from -2 to 2."""
    rng = np.random.default_rng(1)
    shape = number, *model.input_shape
    images = rng.integers(-2, 3, shape) if exact else rng.normal(size=shape)
    return images.astype(np.float32)


def own_images_for(model: cnn.Model, members: int, number: int) -> Array:
    """Images of each member's own (members, number, *input_shape)."""
    images = images_for(model, members * number)
    return images.reshape(members, number, *model.input_shape)


def in_families(model: cnn.Model, vectors: Array, sizes: Sequence[int]) -> Array:
    """The vectors with each trainable layer the same in families of consecutive members."""
    vectors, start = vectors.copy(), 0
    for layer, size in zip(model.trainable_layers, sizes, strict=True):
        genes = slice(start, start + sum(array.size for array in layer.trained))
        vectors[:, genes] = np.repeat(vectors[::size, genes], size, axis=0)
        start = genes.stop
    return vectors
