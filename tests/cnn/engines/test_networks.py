"""Whole random networks beside naive loops: what the program reorders, crops and shares."""

import naive
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn

INPUT = (13, 11, 2)


def assert_like_naive(model: cnn.Model, number: int = 3) -> None:
    X, vectors = networks.images_for(model, number), networks.vectors_for(model, 3)
    naive.assert_close(model.forward(X, vectors), naive.population(model, X, vectors))


@settings(max_examples=300, deadline=None)
@given(networks.networks(), st.integers(1, 4))
def test_random_networks(model, number):
    assert_like_naive(model, number)


@settings(max_examples=200, deadline=None)
@given(networks.networks(exact=True), st.integers(1, 4))
def test_random_networks_of_small_integers_to_the_last_bit(model, number):
    X, vectors = networks.images_for(model, number, True), networks.vectors_for(model, 3, True)
    np.testing.assert_array_equal(model.forward(X, vectors), naive.population(model, X, vectors))


@pytest.mark.parametrize("pool", [cnn.MaxPooling2D, cnn.AveragePooling2D])
@pytest.mark.parametrize("padding", ["valid", "same", 1])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "tanh"])
def test_activation_before_pooling_as_a_name_and_as_a_layer(pool, padding, activation):
    kinds = {
        "relu": cnn.ReLU,
        "leaky_relu": cnn.LeakyReLU,
        "sigmoid": cnn.Sigmoid,
        "tanh": cnn.Tanh,
    }
    named = [cnn.Conv2D(3, 3, activation_function=activation)]
    for layers in (named, [cnn.Conv2D(3, 3), kinds[activation]()]):
        chain = [cnn.Input2D(INPUT), *layers, pool(3, stride=2, padding=padding), cnn.Flatten()]
        assert_like_naive(networks.filled(cnn.Model(chain, random_seed=1)))


def test_softmax_and_negative_slopes_do_not_change_places_with_pooling():
    between = [cnn.Softmax(), cnn.MaxPooling2D(2), cnn.LeakyReLU(negative_slope=0)]
    chain = [cnn.Input2D(INPUT), cnn.Conv2D(3, 3), *between, cnn.AveragePooling2D(2)]
    assert_like_naive(networks.filled(cnn.Model(chain, random_seed=1)))


@pytest.mark.parametrize("strides", [(2, 3, 1), (1, 3, 2), (4, 1, 4), ((1, 3), (2, 1), (1, 2))])
@pytest.mark.parametrize("padding", ["valid", "same", 1])
def test_strides_that_follow_one_another(strides, padding):
    first, second, third = strides
    chain = [
        cnn.Input2D((37, 41, 1)),
        cnn.Conv2D(2, 2, stride=first, padding=padding),
        cnn.MaxPooling2D(2, stride=second, padding=padding),
        cnn.Conv2D(3, 2, stride=third, padding=padding, activation_function="relu"),
        cnn.Flatten(),
        cnn.Dense(4),
    ]
    assert_like_naive(networks.filled(cnn.Model(chain, random_seed=1)))


@pytest.mark.parametrize("size_and_stride", [(2, 2), (3, 2), (5, 3), (2, 3), (1, 2)])
def test_several_poolings_in_a_row(size_and_stride):
    size, stride = size_and_stride
    poolings = [cnn.MaxPooling2D(size, stride=stride), cnn.AveragePooling2D(2, stride=1)]
    chain = [cnn.Input2D((24, 25, 2)), cnn.Conv2D(3, 4), *poolings, cnn.MaxPooling2D(2, stride=1)]
    assert_like_naive(networks.filled(cnn.Model(chain, random_seed=1)))


@pytest.mark.parametrize("frozen", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
def test_frozen_layers(frozen):
    trainable = [position not in frozen for position in range(3)]
    chain = [
        cnn.Input2D(INPUT),
        cnn.Conv2D(3, 3, activation_function="relu", trainable=trainable[0]),
        cnn.MaxPooling2D(2),
        cnn.Conv2D(2, 3, activation_function="tanh", trainable=trainable[1]),
        cnn.Flatten(),
        cnn.Dense(4, activation_function="sigmoid", trainable=trainable[2]),
    ]
    model = networks.filled(cnn.Model(chain, random_seed=1))
    own = [layer for layer in model.weighted_layers if layer.trainable]
    assert model.num_weights == sum(array.size for layer in own for array in layer.trained)
    assert_like_naive(model)
    naive.assert_close(
        model.forward(X := networks.images_for(model, 2)), naive.network(model, X, model.weights)
    )


@settings(max_examples=50, deadline=None)
@given(networks.networks())
def test_feed_sample_gives_every_layer_its_output(model):
    X = networks.images_for(model, 1)
    output = model.feed_sample(X[0])
    naive.assert_close(output, model.forward(X)[0])
    values, rest = X.astype(np.float64), list(model.weighted_layers)
    for layer in model.get_layers():
        weights = rest.pop(0).trained if layer in rest else []
        values = naive.layer(layer, values, *(array.astype(np.float64) for array in weights))
        naive.assert_close(layer.layer_output, values[0])


@pytest.mark.parametrize("stride", range(2, 9))
@pytest.mark.parametrize("layer", networks.LAYERS, ids=lambda kind: kind.__name__)
def test_activations_of_every_so_many_rows_of_one_image(layer, stride):
    chain = [cnn.Input2D((33, 1)), cnn.AveragePooling2D(1, stride=(stride, 1)), layer()]
    assert_like_naive(cnn.Model(chain), number=1)


def test_window_that_sees_padding_only():
    model = cnn.Model([cnn.Input2D((3, 2)), cnn.Conv2D(2, 1, stride=9, padding=3)], random_seed=0)
    assert not model.forward(np.ones((2, 3, 2, 1))).any()
