"""Models as keras.Sequential and back: the same outputs, the same bits in the weights."""

import os
import re
import sys

import naive
import networks
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import cnn
from cnn.layers.convolution import ConvolvingLayer
from cnn.layers.pooling import GlobalPoolingLayer, PoolingLayer

pytest.importorskip("torch")
os.environ["KERAS_BACKEND"] = "torch"
keras = pytest.importorskip("keras")
kl = keras.layers

pytestmark = [
    # Keras 3.15 with NumPy 2.4, whenever it turns a variable into an array
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
    # what random networks do: one class
    pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1:UserWarning"),
]


def outputs_of(network, X):
    return keras.ops.convert_to_numpy(network(X, training=False).detach())


def refuses(error, *parts):
    return pytest.raises(error, match="(?s)" + ".*".join(map(re.escape, parts)))


def refused(layer):
    """Whether to_keras has to refuse a layer."""
    if isinstance(layer, ConvolvingLayer):
        return max(naive.both(layer.stride)) > 1 and max(naive.both(layer.dilation)) > 1
    if not isinstance(layer, PoolingLayer) or isinstance(layer, GlobalPoolingLayer):
        return False
    same = type(layer)(layer.pool_size, stride=layer.stride, padding="same")
    shape = layer.input_maps[:2]
    paddings = [naive.geometry(each, shape)[3] for each in (layer, same)]
    return any(map(any, paddings[0])) and paddings[0] != paddings[1]


def is_wrong_on_torch(layer):
    """Whether Keras averages over repeated pixels at the edge, which it does with this backend."""
    if not isinstance(layer, cnn.AveragePooling2D | cnn.AveragePooling1D):
        return False
    padding = naive.geometry(layer, layer.input_maps[:2])[3]
    return any(before != after for before, after in padding)


@settings(max_examples=100, deadline=None)
@given(networks.networks(), st.integers(1, 3))
def test_random_networks_there_and_back(model, number):
    assume(model.get_layers())  # Keras cannot run an input alone
    if wrong := [layer for layer in model.layers if refused(layer)]:
        with refuses(ValueError, f"{wrong[0]!r}, cannot be converted: "):
            cnn.to_keras(model)
        return
    X = networks.images_for(model, number)
    network = cnn.to_keras(model)
    if not any(map(is_wrong_on_torch, model.layers)):
        naive.assert_close(outputs_of(network, X), model.forward(X))
    again = cnn.from_keras(network)
    naive.assert_close(again.forward(X), model.forward(X), 1e-6)
    for ours, other in zip(again.weighted_layers, model.weighted_layers, strict=True):
        assert ours.trainable == other.trainable
        exact = not isinstance(ours, cnn.Standardization)  # of which Keras has the variance
        for array, initial, before in zip(ours.trained, ours.initial, other.trained, strict=True):
            np.testing.assert_allclose(array, before, rtol=0 if exact else 1e-6)
            np.testing.assert_array_equal(initial, array)


NETWORKS = {
    "plain": lambda: [
        kl.Conv2D(4, 3, activation="relu"),
        kl.MaxPooling2D(),
        kl.Flatten(),
        kl.Dense(5, activation="softmax"),
    ],
    "nested": lambda: [
        keras.Sequential([kl.Conv2D(4, (2, 3), use_bias=False), kl.Activation("tanh")]),
        keras.Sequential([kl.SpatialDropout2D(0.5), keras.Sequential([kl.AveragePooling2D(3, 1)])]),
        kl.Identity(),
        kl.Flatten(),
        kl.GaussianNoise(1.0),
        kl.Dense(5),
        kl.Dropout(0.5),
        kl.Softmax(),
    ],
    "paddings": lambda: [
        kl.Conv2D(4, (3, 4), strides=(2, 1), padding="same"),
        kl.LeakyReLU(negative_slope=0.3),
        kl.Conv2D(3, 3, dilation_rate=(1, 2), padding="same", activation="leaky_relu"),
        kl.ZeroPadding2D((1, 2)),
        kl.Conv2D(2, 3, activation=kl.LeakyReLU(negative_slope=0.1)),
        kl.ZeroPadding2D(((0, 1), (0, 1))),
        kl.Conv2D(2, 2, activation="softmax"),
        kl.MaxPooling2D(3, 2, padding="same"),
    ],
    "activations": lambda: [
        kl.Conv2D(4, 3),
        kl.ReLU(),
        kl.Conv2D(4, 3, activation="sigmoid"),
        kl.ReLU(negative_slope=0.2),
        kl.Softmax(axis=3),
        kl.Activation("linear"),
        kl.Activation("leaky_relu"),
    ],
    "separable": lambda: [
        kl.DepthwiseConv2D(3, padding="same", activation="tanh"),
        kl.Conv2D(8, 1),
        kl.ZeroPadding2D((1, 0)),
        kl.DepthwiseConv2D((2, 3), use_bias=False, dilation_rate=2),
    ],
    "global average": lambda: [kl.Conv2D(4, 3), kl.GlobalAveragePooling2D(), kl.Dense(2)],
    "global maximum": lambda: [
        kl.GlobalMaxPooling2D(keepdims=True),
        kl.Conv2D(4, 1),
        kl.GlobalMaxPooling2D(),
        kl.Flatten(),
    ],
    "frozen": lambda: [kl.Conv2D(4, 3, trainable=False), kl.Flatten(), kl.Dense(2)],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_of_every_kind(name):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((9, 7, 3)), *NETWORKS[name]()])
    X = np.random.default_rng(0).normal(size=(4, 9, 7, 3)).astype(np.float32)
    model = cnn.from_keras(network)
    naive.assert_close(model.forward(X), outputs_of(network, X))
    again = cnn.to_keras(model)
    naive.assert_close(outputs_of(again, X), outputs_of(network, X))
    for got, before in zip(again.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(got, before)
    assert len(again.trainable_weights) == len(network.trainable_weights)


def test_a_separable_convolution_becomes_two_layers():
    keras.utils.set_random_seed(0)
    layers = [kl.SeparableConv2D(6, 3, strides=2, padding="same", activation="relu"), kl.Flatten()]
    network = keras.Sequential([keras.Input((9, 7, 3)), *layers])
    X = np.random.default_rng(0).normal(size=(4, 9, 7, 3)).astype(np.float32)
    model = cnn.from_keras(network)
    assert list(map(repr, model.layers[1:3])) == [
        "DepthwiseConv2D(kernel_size=3, stride=2, padding='same', use_bias=False)",
        "Conv2D(num_filters=6, kernel_size=1, activation_function='relu')",
    ]
    naive.assert_close(model.forward(X), outputs_of(network, X))
    for kind in (
        kl.SeparableConv2D(6, 3, depth_multiplier=2),
        kl.DepthwiseConv2D(3, depth_multiplier=2),
    ):
        with refuses(ValueError, "it has depth_multiplier=2; use 1"):
            cnn.from_keras(keras.Sequential([keras.Input((9, 7, 3)), kind]))


SERIES = {
    "plain": lambda: [
        kl.Conv1D(4, 3, activation="relu", strides=2, padding="same"),
        kl.MaxPooling1D(),
        kl.Flatten(),
        kl.Dense(5, activation="softmax"),
    ],
    "paddings": lambda: [
        kl.Conv1D(4, 3, dilation_rate=2, padding="same"),
        kl.SpatialDropout1D(0.5),
        kl.ZeroPadding1D(2),
        kl.Conv1D(3, 4, use_bias=False),
        kl.Softmax(),
        kl.ZeroPadding1D((0, 1)),
        kl.Conv1D(2, 2),
        kl.AveragePooling1D(3, 2),
    ],
    "global average": lambda: [kl.Conv1D(4, 3), kl.GlobalAveragePooling1D(), kl.Dense(2)],
    "global maximum": lambda: [
        kl.GlobalMaxPooling1D(keepdims=True),
        kl.Conv1D(4, 1),
        kl.GlobalMaxPooling1D(),
    ],
}


@pytest.mark.parametrize("name", SERIES)
def test_layers_of_series(name):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((19, 3)), *SERIES[name]()])
    X = np.random.default_rng(0).normal(size=(4, 19, 3)).astype(np.float32)
    model = cnn.from_keras(network)
    naive.assert_close(model.forward(X), outputs_of(network, X))
    again = cnn.to_keras(model)
    naive.assert_close(outputs_of(again, X), outputs_of(network, X))
    for got, before in zip(again.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(got, before)


def test_a_causal_convolution_is_refused():
    network = keras.Sequential([keras.Input((9, 3)), kl.Conv1D(4, 3, padding="causal")])
    with refuses(ValueError, "padding must be one of 'valid', 'same', not 'causal'"):
        cnn.from_keras(network)


def test_features_of_a_fixed_first_layer_in_a_file(tmp_path):
    image = cnn.Input2D((6, 5, 2))
    layers = [image, cnn.Conv2D(3, 2), cnn.SquareRoot(), cnn.Flatten(), cnn.Standardization()]
    model = networks.filled(cnn.Model([*layers, cnn.Dense(2)], random_seed=0))
    X = networks.images_for(model, 5)
    network = cnn.to_keras(model)
    naive.assert_close(outputs_of(network, X), model.forward(X), 1e-4)
    network.save(tmp_path / "network.keras")
    again = cnn.from_keras(keras.saving.load_model(tmp_path / "network.keras"))
    assert again.layers[1].activation_function == "square_root"
    naive.assert_close(again.forward(X), model.forward(X), 1e-6)


def test_model_is_what_a_user_would_have_written():
    layers = [kl.Conv2D(4, 3, padding="same"), kl.ReLU(), kl.MaxPooling2D(), kl.Flatten()]
    network = keras.Sequential([keras.Input((8, 8, 1)), *layers, kl.Dense(3), kl.Softmax()])
    assert list(map(repr, cnn.from_keras(network).layers)) == [
        "Input2D(input_shape=(8, 8, 1))",
        "Conv2D(num_filters=4, kernel_size=3, activation_function='relu', padding='same')",
        "MaxPooling2D(pool_size=2)",
        "Flatten()",
        "Dense(num_neurons=3, activation_function='softmax')",
    ]


@pytest.mark.parametrize(("padding", "layers"), [(0, 1), ("valid", 1), ("same", 1), ((1, 0), 2)])
def test_padding_is_a_layer_only_where_it_has_to_be(padding, layers):
    model = cnn.Model([cnn.Input2D((5, 5)), cnn.Conv2D(2, 3, padding=padding)])
    assert len(cnn.to_keras(model).layers) == layers


def test_flat_network_in_a_file(tmp_path):
    model = cnn.Model([cnn.Input1D(3), cnn.Dense(4, None, "leaky_relu"), cnn.Dense(2)])
    cnn.to_keras(model).save(tmp_path / "network.keras")
    again = cnn.from_keras(keras.saving.load_model(tmp_path / "network.keras"))
    assert list(map(repr, again.layers)) == list(map(repr, model.layers))
    np.testing.assert_array_equal(again.weights, model.weights)


def test_padding_in_a_file(tmp_path):
    model = cnn.Model([cnn.Input2D((5, 5)), cnn.Conv2D(2, 3, padding=(2, 1))])
    cnn.to_keras(model).save(tmp_path / "network.keras")
    again = cnn.from_keras(keras.saving.load_model(tmp_path / "network.keras"))
    assert list(map(repr, again.layers)) == list(map(repr, model.layers))


def test_weights_of_the_conversion_are_its_own():
    model = cnn.Model([cnn.Input1D(3), cnn.Dense(2)])
    network = cnn.to_keras(model)
    before = network.get_weights()[0]
    model.weights = np.zeros(8)
    np.testing.assert_array_equal(network.get_weights()[0], before)
    again = cnn.from_keras(network)
    again.weights = np.zeros(8)
    np.testing.assert_array_equal(network.get_weights()[0], before)
    np.testing.assert_array_equal(again.initial_weights[:6].reshape(3, 2), before)


# What cannot be converted


class Own(kl.Layer):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("layers", "error", "text"),
    [
        ([Own()], TypeError, "Own has no counterpart here; use Conv2D, Conv1D, Dense"),
        ([kl.BatchNormalization()], TypeError, "BatchNormalization has no counterpart"),
        ([kl.Conv2D(3, 3, groups=3)], ValueError, "it has 3 groups; use groups=1"),
        ([kl.Conv2D(3, 3, data_format="channels_first")], ValueError, '"channels_last"'),
        ([kl.Conv2D(3, 3, activation="gelu")], ValueError, "is no activation here; use relu"),
        ([kl.Activation(keras.ops.sin)], ValueError, "is no activation here"),
        ([kl.ReLU(max_value=6)], ValueError, "max_value or a threshold; use neither"),
        ([kl.ReLU(threshold=1)], ValueError, "max_value or a threshold"),
        ([kl.Softmax(axis=1)], ValueError, "it is over axis 1; use axis=-1"),
        ([kl.ZeroPadding2D(1)], ValueError, "only before a convolution; put it there"),
        ([kl.ZeroPadding2D(1), kl.MaxPooling2D()], ValueError, "only before a convolution"),
        ([kl.Dense(3)], ValueError, "put Flatten() before it"),
    ],
    ids=str,
)
def test_what_has_no_counterpart(layers, error, text):
    network = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    with refuses(error, f"layer {layers[0].name}, {layers[0]}, cannot be converted: ", text):
        cnn.from_keras(network)


@pytest.mark.parametrize(
    ("padding", "then", "text"),
    [(((2, 0), (2, 0)), "valid", "it pads 2 rows above"), (1, "same", 'use padding="valid"')],
)
def test_padding_that_is_none_here(padding, then, text):
    layers = [kl.ZeroPadding2D(padding), kl.Conv2D(1, 3, padding=then)]
    with refuses(ValueError, "layer conv2d", text):
        cnn.from_keras(keras.Sequential([keras.Input((6, 6, 1)), *layers]))


def test_networks_that_are_no_chain_or_have_no_shape():
    inputs = keras.Input((4,))
    functional = keras.Model(inputs, kl.Dense(2)(inputs))
    with refuses(TypeError, "network must be a keras.Sequential, not Functional", "Sequential(m"):
        cnn.from_keras(functional)
    assert cnn.from_keras(keras.Sequential(functional.layers)).num_weights == 10
    with refuses(ValueError, "network has no weights yet", "network.build("):
        cnn.from_keras(keras.Sequential([kl.Dense(2)]))
    with refuses(ValueError, "(None, None, 3), which must be", "all known"):
        cnn.from_keras(keras.Sequential([keras.Input((None, None, 3)), kl.Conv2D(2, 3)]))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (cnn.Step(), "no activation 'step'; use cnn.to_onnx"),
        (cnn.Conv2D(2, 3, activation_function="step"), "no activation 'step'"),
        (cnn.Conv2D(2, 2, stride=2, dilation=2), "stride together with dilation"),
        (cnn.MaxPooling2D(3, padding=2), 'padding=2 of pooling; use "same" or cnn.to_onnx'),
    ],
    ids=repr,
)
def test_what_keras_does_not_have(layer, text):
    model = cnn.Model([cnn.Input2D((6, 6)), cnn.ReLU(), layer])
    with refuses(ValueError, f"layer 2, {layer}, cannot be converted: ", text):
        cnn.to_keras(model)


def test_what_is_no_model_and_a_missing_package(monkeypatch):
    with refuses(TypeError, "model must be a cnn.Model, not NoneType"):
        cnn.to_keras(None)
    monkeypatch.setitem(sys.modules, "keras", None)
    for call in (cnn.to_keras, cnn.from_keras):
        with pytest.raises(ImportError, match="_keras needs keras: pip install keras"):
            call(None)
