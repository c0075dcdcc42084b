"""What dense layers take: beside the layers one after another."""

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest

import cnn
import gacnn
from gacnn.fitness.layer_inputs import LayerInputs, sees_more
from gacnn.fitness.scoring import Scorer

RNG = np.random.default_rng(0)
X, Y = RNG.random((30, 6, 6, 1), np.float32), RNG.integers(0, 3, 30)


def network(*, fixed=False):
    """Two convolutions, of which the first may be fixed, and three dense layers, one of them so."""
    layers = [
        cnn.Input2D((6, 6, 1)),
        cnn.Conv2D(3, 3, trainable=not fixed),
        cnn.Conv2D(4, 2, activation_function="tanh"),
        cnn.Flatten(),
        cnn.Dense(20, activation_function="tanh"),
        cnn.Dense(18, trainable=False),
        cnn.Softmax(),
        cnn.Dense(12, use_bias=False, activation_function="tanh"),
        cnn.Dense(3, activation_function="softmax"),
    ]
    return cnn.Model(layers, random_seed=1)


def expected(model, images):
    """What each of its three trainable dense layers takes, from models that end before them."""
    layers = model.layers
    return [cnn.Model(layers[:position]).forward(images) for position in (4, 7, 8)]


def vector_of(model):
    return RNG.normal(size=model.num_weights).astype(np.float32)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("number", [1, 5, 6, 7, 9, 10, 18, 19, 30])
def test_inputs_are_what_the_layers_before_return(fixed, number):
    model = network(fixed=fixed)
    vector = vector_of(model)
    found = LayerInputs(model).of(X[:number], vector)
    assert len(found) == len(model.trainable_layers)
    assert all(each is None for each in found[:-3])
    model.weights = vector
    sizes = 37, 18, 13  # inputs and bias
    for inputs, own, size in zip(found[-3:], expected(model, X[:number]), sizes, strict=True):
        if 2 * number <= size:
            np.testing.assert_allclose(inputs, own, rtol=1e-5, atol=1e-6)
        else:
            assert inputs is None


def test_the_model_is_left_as_it_is():
    model = network()
    before = model.weights.copy()
    LayerInputs(model).of(X[:5], vector_of(model))
    np.testing.assert_array_equal(model.weights, before)


def test_only_dense_layers_see_more():
    layers = network().trainable_layers
    assert [sees_more(layer, 5) for layer in layers] == [False, False, True, True, True]
    assert [sees_more(layer, 7) for layer in layers] == [False, False, True, True, False]
    assert not any(sees_more(layer, 19) for layer in layers)


class Doubled(cnn.Dense):
    """A layer of one's own, whose weights may be anything."""


def test_a_layer_of_ones_own_is_no_dense_layer():
    model = cnn.Model([cnn.Input1D(40), Doubled(3)], random_seed=0)
    assert not sees_more(model.trainable_layers[0], 5)
    fitness = gacnn.Fitness(model, RNG.random((9, 40)), np.arange(9) % 3, batch_size=5)
    assert fitness.layer_inputs(model.weights) == [None]


def test_inputs_that_overflow_are_left_out():
    model = network()
    images = X[:5].copy()
    images[0] = 3e38
    with np.errstate(all="ignore"):
        assert LayerInputs(model).of(images, 10 * vector_of(model)) == [None] * 5


def check(fitness, **tolerance):
    """Compare the inputs for a batch that is drawn with those from models that end before."""
    vector = vector_of(fitness.model)
    fitness.draw(np.random.default_rng(2))
    found = fitness.layer_inputs(vector)
    model = cnn.Model(fitness.model.layers)
    model.weights = vector
    images = fitness.X[fitness.batch.chosen]
    for inputs, own in zip(found[-3:], expected(model, images), strict=True):
        np.testing.assert_allclose(inputs, own, **{"rtol": 1e-5, "atol": 1e-6, **tolerance})


@pytest.mark.parametrize("fixed", [False, True])
def test_a_fitness_tells_them_for_its_batch(fixed):
    fitness = gacnn.Fitness(network(fixed=fixed), X, Y, batch_size=5)
    check(fitness)
    with fitness.session():
        check(fitness)
        check(fitness)
    check(pickle.loads(pickle.dumps(fitness)))


def test_with_any_executor_and_none_they_are_the_same_bit_for_bit():
    found = []
    vector = vector_of(network(fixed=True))
    for pool in (None, ThreadPoolExecutor, ProcessPoolExecutor):
        with nullcontext() if pool is None else pool(1) as executor:
            how = {"batch_size": 5, "shard": 4, "executor": executor}
            fitness = gacnn.Fitness(network(fixed=True), X, Y, **how)
            with fitness.session():
                check(fitness)
                assert fitness.scorer.features._kept is None  # whoever scores keeps them
                found.append(fitness.layer_inputs(vector)[-3:])
    for others in found[1:]:
        for own, other in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(own, other)


def test_in_pytorch():
    pytest.importorskip("torch")
    for fixed in (False, True):
        fitness = gacnn.Fitness(network(fixed=fixed), X, Y, batch_size=5, device="cpu")
        with fitness.session():
            check(fitness, rtol=1e-4, atol=1e-5)


def test_nothing_is_computed_where_images_are_many(monkeypatch):
    fitness = gacnn.Fitness(network(), np.tile(X, (2, 1, 1, 1)), np.tile(Y, 2))
    monkeypatch.setattr(Scorer, "layer_inputs", None)
    assert fitness.layer_inputs(vector_of(fitness.model)) == [None] * 5


def test_an_evaluator_cannot_tell_unless_it_says_so():
    assert gacnn.Evaluator().layer_inputs(np.zeros(3)) is None
