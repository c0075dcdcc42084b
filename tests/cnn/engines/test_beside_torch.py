"""Layers and networks beside PyTorch."""

import naive
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import PADDINGS, SIZES, STRIDES

import cnn

torch = pytest.importorskip("torch")
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))


def to_torch(x):
    return torch.from_numpy(np.moveaxis(np.array(x, np.float32), -1, 1).copy())


def from_torch(x):
    return np.moveaxis(x.numpy(), 1, -1)


def padded(spec, x, value):
    """The input in a frame of the value, and the geometry that is left."""
    size, stride, dilation, (rows, columns) = naive.geometry(spec, tuple(x.shape[2:]))
    return torch.nn.functional.pad(x, (*columns, *rows), value=value), size, stride, dilation


def convolution(spec, X, filters, bias):
    x, _, stride, dilation = padded(spec, to_torch(X), 0.0)
    filters = to_torch(filters)
    with torch.no_grad():
        y = torch.nn.functional.conv2d(x, filters, torch.tensor(bias), stride, dilation=dilation)
    return from_torch(y)


def pooling(spec, X):
    if isinstance(spec, cnn.MaxPooling2D):
        x, size, stride, _ = padded(spec, to_torch(X), -torch.inf)
        return from_torch(torch.nn.functional.max_pool2d(x, size, stride))
    x, size, stride, _ = padded(spec, to_torch(X), 0.0)
    ones, _, _, _ = padded(spec, torch.ones_like(to_torch(X)), 0.0)
    average = torch.nn.functional.avg_pool2d
    return from_torch(average(x, size, stride) / average(ones, size, stride))


def linked(layer, shape):
    """A model of the layer alone, or None if it does not fit."""
    try:
        return networks.filled(cnn.Model([cnn.Input2D(shape), layer], random_seed=0))
    except ValueError:
        return None


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.integers(1, 20), SIZES, STRIDES, PADDINGS, SIZES)
def test_convolution(shape, filters, size, stride, padding, dilation):
    layer = cnn.Conv2D(filters, size, stride=stride, padding=padding, dilation=dilation)
    if model := linked(layer, shape):
        X = networks.images_for(model, 5)
        wanted = convolution(model.last_layer, X, *model.last_layer.trained)
        naive.assert_close(model.forward(X), wanted)


@settings(max_examples=100, deadline=None)
@given(
    SHAPES,
    st.sampled_from([cnn.MaxPooling2D, cnn.AveragePooling2D]),
    SIZES,
    STRIDES,
    st.sampled_from(["valid", "same"]),
)
def test_pooling(shape, kind, size, stride, padding):
    if model := linked(kind(size, stride=stride, padding=padding), shape):
        X = networks.images_for(model, 5)
        naive.assert_close(model.forward(X), pooling(model.last_layer, X))


@pytest.mark.parametrize("members", [1, 7])
def test_the_network_of_the_cifar_case(members):
    chain = [
        cnn.Input2D((32, 32, 3)),
        cnn.Conv2D(16, 3, activation_function="relu"),
        cnn.MaxPooling2D(2),
        cnn.Conv2D(32, 3, activation_function="relu"),
        cnn.MaxPooling2D(2),
        cnn.Flatten(),
        cnn.Dense(64),
        cnn.Dense(10, activation_function="softmax"),
    ]
    model = networks.filled(cnn.Model(chain, random_seed=0))
    X, vectors = networks.images_for(model, 21), networks.vectors_for(model, members)
    outputs = model.forward(X, vectors)
    for vector, got in zip(vectors, outputs, strict=True):
        model.weights = vector
        naive.assert_close(got, sequential(model, X))


def sequential(model, X):
    _, conv1, pool1, conv2, pool2, _, dense1, dense2 = model.layers
    x = np.maximum(convolution(conv1, X, *conv1.trained), 0)
    x = np.maximum(convolution(conv2, pooling(pool1, x), *conv2.trained), 0)
    x = torch.tensor(pooling(pool2, x).reshape(len(X), -1))
    x = torch.relu(x @ torch.tensor(dense1.trained[0]) + torch.tensor(dense1.trained[1]))
    x = x @ torch.tensor(dense2.trained[0]) + torch.tensor(dense2.trained[1])
    return torch.softmax(x, 1).numpy()
