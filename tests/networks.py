"""Random layers and networks for hypothesis."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

import cnn
from cnn.layers import Layer

ACTIVATIONS = [None, "relu", "leaky_relu", "sigmoid", "tanh", "step"]
SIZES = st.integers(1, 4) | st.tuples(st.integers(1, 5), st.integers(1, 5))
STRIDES = st.integers(1, 3) | st.tuples(st.integers(1, 4), st.integers(1, 4))
PADDINGS: st.SearchStrategy[Any] = (
    st.sampled_from(["valid", "same"])
    | st.integers(0, 3)
    | st.tuples(st.integers(0, 3), st.integers(0, 3))
)
CONVOLUTIONS = st.builds(
    cnn.Conv2D,
    st.integers(1, 4),
    SIZES,
    activation_function=st.sampled_from(ACTIVATIONS),
    stride=st.just(1) | STRIDES,
    padding=PADDINGS,
    dilation=st.just(1) | SIZES,
    use_bias=st.sampled_from([True, True, False]),
    trainable=st.sampled_from([True, True, False]),
)
ELEMENTWISE = st.sampled_from([cnn.ReLU, cnn.Sigmoid, cnn.Tanh, cnn.Step, cnn.Softmax]).map(
    lambda kind: kind()
) | st.builds(cnn.LeakyReLU, negative_slope=st.sampled_from([0, 0.2, 1]))


@st.composite
def poolings(draw: Any) -> Layer:
    kind = draw(st.sampled_from([cnn.MaxPooling2D, cnn.AveragePooling2D]))
    size, stride = draw(st.sampled_from([(2, 2), (3, 2), (5, 3)]) | st.tuples(SIZES, STRIDES))
    rows, columns = size if isinstance(size, tuple) else (size, size)
    amounts = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
    return kind(size, stride=stride, padding=draw(st.sampled_from(["valid", "same"]) | amounts))


@st.composite
def networks(draw: Any, max_layers: int = 5) -> cnn.Model:
    """Any chain of layers that fits together, with biases that are not zero."""
    layer: Layer = draw(st.builds(cnn.Input2D, st.tuples(*[st.integers(1, 17)] * 2, SMALL)))
    for _ in range(draw(st.integers(0, max_layers))):
        following = draw(CONVOLUTIONS | poolings() | poolings() | ELEMENTWISE)
        layer = linked(following, layer)
    ends = draw(st.sampled_from(["maps", "flat", "flat", "global", "deep"]))
    if ends == "global":
        kinds = [cnn.GlobalAveragePooling2D, cnn.GlobalMaxPooling2D]
        layer = draw(st.sampled_from(kinds))(layer)
    elif ends != "maps":
        layer = cnn.Flatten(layer)
    for _ in range({"deep": 2, "flat": 1}.get(ends, 0)):
        activation = st.sampled_from([*ACTIVATIONS, "softmax"])
        layer = cnn.Dense(
            draw(SMALL), layer, draw(activation), use_bias=draw(BOOL), trainable=draw(BOOL)
        )
    return with_biases(cnn.Model(layer, random_seed=draw(st.integers(0, 99))))


SMALL = st.integers(1, 3)
BOOL = st.booleans()


def linked(layer: Layer, previous: Layer) -> Layer:
    """The layer behind the previous one, or the previous one if it does not fit there."""
    try:
        layer.link(previous)
    except ValueError:
        return previous
    return layer


def with_biases(model: cnn.Model) -> cnn.Model:
    """The model with biases drawn too: as zeros they would hide errors."""
    rng = np.random.default_rng(0)
    for layer in model.weighted_layers:
        if layer.use_bias:
            layer.trained_bias = rng.normal(size=layer.trained[1].shape)
    return model


def vectors_for(model: cnn.Model, members: int, seed: int = 0) -> np.ndarray:
    """A population (members, num_weights) around the weights of the model."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.5, 1.5, (members, model.num_weights))
    return (model.weights * spread * rng.choice([-1, 1], spread.shape)).astype(np.float32)


def images_for(model: cnn.Model, number: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(number, *model.input_shape)).astype(np.float32)
