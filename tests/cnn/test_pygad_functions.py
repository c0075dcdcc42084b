"""Code and models of pygad.cnn: the same numbers where it is right, and its examples."""

import naive
import numpy as np
import pygad.cnn
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn

FRUITS = np.random.default_rng(0).integers(0, 256, (80, 100, 100, 3), np.uint8)
LABELS = np.repeat(np.arange(4), 20)


@st.composite
def pygad_models(draw):
    """A pygad.cnn.Model of what it computes right: odd kernels, pooling that divides, no softmax.

    Its pooling adds a row of zeros where the stride divides height - pool_size + 1.
    """
    layer = pygad.cnn.Input2D((draw(st.integers(9, 14)), draw(st.integers(9, 14)), 2))
    activations = st.sampled_from([None, "relu", "sigmoid"])
    for _ in range(draw(st.integers(1, 2))):
        size = draw(st.sampled_from([1, 3] if min(layer.layer_output_size[:2]) >= 3 else [1]))
        layer = pygad.cnn.Conv2D(draw(st.integers(1, 3)), size, layer, draw(activations))
        layer = draw(st.sampled_from([pygad.cnn.ReLU, pygad.cnn.Sigmoid, lambda same: same]))(layer)
        kind = draw(st.sampled_from([pygad.cnn.MaxPooling2D, pygad.cnn.AveragePooling2D]))
        size, stride = draw(st.sampled_from([(2, 2), (3, 2), (2, 3), (3, 4)]))
        sides = layer.layer_output_size[:2]
        if all((side - size + 1) % stride and side >= size for side in map(int, sides)):
            layer = kind(size, layer, stride)
    layer = pygad.cnn.Flatten(layer)
    last = pygad.cnn.Dense(
        draw(st.integers(1, 4)), layer, draw(st.sampled_from(["relu", "sigmoid"]))
    )
    return pygad.cnn.Model(last, epochs=3, learning_rate=0.5)


@settings(max_examples=40, deadline=None)
@given(pygad_models(), st.integers(0, 99))
def test_the_same_numbers_as_pygad(theirs, seed):
    rng = np.random.default_rng(seed)
    for layer in theirs.network_layers:
        if hasattr(layer, "trained_weights"):
            layer.trained_weights = rng.normal(size=layer.initial_weights.shape)
    ours = cnn.from_pygad(theirs)
    X = rng.normal(size=(2, *ours.input_shape))
    wanted = [theirs.feed_sample(sample.copy()).copy() for sample in X]
    naive.assert_close(ours.forward(X), wanted)
    assert (ours.epochs, ours.learning_rate) == (3, 0.5)
    for initial in (True, False):
        got = cnn.layers_weights(ours, initial)
        for mine, other in zip(got, pygad.cnn.layers_weights(theirs, initial), strict=True):
            np.testing.assert_array_equal(mine, other.astype(np.float32))


def test_weights_of_the_conversion_are_its_own():
    theirs = pygad.cnn.Model(pygad.cnn.Flatten(pygad.cnn.Conv2D(1, 3, pygad.cnn.Input2D((5, 5)))))
    ours = cnn.from_pygad(theirs)
    ours.weights = np.zeros(9)
    assert theirs.network_layers[0].trained_weights.any()


def test_pooling_that_pygad_pads_with_zeros_is_refused():
    layer = pygad.cnn.MaxPooling2D(2, pygad.cnn.Input2D((5, 5)), 2)
    theirs = pygad.cnn.Model(pygad.cnn.Dense(2, pygad.cnn.Flatten(layer)))
    with pytest.raises(ValueError, match="choose pool_size and stride"):
        cnn.from_pygad(theirs)


@pytest.mark.parametrize("model", [None, 3, "model", [], pygad.cnn.Input2D((3, 3))])
def test_what_is_no_pygad_model_is_refused(model):
    with pytest.raises(TypeError, match=r"model must be a pygad\.cnn\.Model, not"):
        cnn.from_pygad(model)
    with pytest.raises(TypeError, match=r"not Model"):
        cnn.from_pygad(cnn.Model([cnn.Input1D(2), cnn.Dense(2)]))


def test_example_of_the_readme_of_numpycnn(capsys):
    train_inputs, train_outputs = FRUITS, LABELS
    sample_shape = train_inputs.shape[1:]
    num_classes = 4
    input_layer = cnn.Input2D(input_shape=sample_shape)
    conv_layer1 = cnn.Conv2D(
        num_filters=2, kernel_size=3, previous_layer=input_layer, activation_function=None
    )
    relu_layer1 = cnn.Sigmoid(previous_layer=conv_layer1)
    average_pooling_layer = cnn.AveragePooling2D(pool_size=2, previous_layer=relu_layer1, stride=2)
    conv_layer2 = cnn.Conv2D(
        num_filters=3, kernel_size=3, previous_layer=average_pooling_layer, activation_function=None
    )
    relu_layer2 = cnn.ReLU(previous_layer=conv_layer2)
    max_pooling_layer = cnn.MaxPooling2D(pool_size=2, previous_layer=relu_layer2, stride=2)
    conv_layer3 = cnn.Conv2D(
        num_filters=1, kernel_size=3, previous_layer=max_pooling_layer, activation_function=None
    )
    relu_layer3 = cnn.ReLU(previous_layer=conv_layer3)
    pooling_layer = cnn.AveragePooling2D(pool_size=2, previous_layer=relu_layer3, stride=2)
    flatten_layer = cnn.Flatten(previous_layer=pooling_layer)
    dense_layer1 = cnn.Dense(
        num_neurons=100, previous_layer=flatten_layer, activation_function="relu"
    )
    dense_layer2 = cnn.Dense(
        num_neurons=num_classes, previous_layer=dense_layer1, activation_function="softmax"
    )
    model = cnn.Model(last_layer=dense_layer2, epochs=1, learning_rate=0.01)
    model.summary()
    model.train(train_inputs=train_inputs, train_outputs=train_outputs)
    predictions = model.predict(data_inputs=train_inputs)
    num_wrong = np.where(predictions != train_outputs)[0]
    num_correct = train_outputs.size - num_wrong.size
    accuracy = 100 * (num_correct / train_outputs.size)

    assert [type(layer).__name__ for layer in model.network_layers][:3] == [
        "Conv2D",
        "Sigmoid",
        "AveragePooling2D",
    ]
    assert pooling_layer.layer_output_size == (10, 10, 1)
    assert 0 <= accuracy <= 100
    assert set(predictions) <= set(range(4))
    assert str(model) in capsys.readouterr().out
    X = train_inputs[:1].astype(np.float32)
    naive.assert_close(model.forward(X), naive.network(model, X, model.weights))


def test_documented_network_of_pygad_gacnn():
    input_layer = cnn.Input2D(input_shape=FRUITS.shape[1:])
    conv_layer1 = cnn.Conv2D(
        num_filters=2, kernel_size=3, previous_layer=input_layer, activation_function="relu"
    )
    average_pooling_layer = cnn.AveragePooling2D(pool_size=5, previous_layer=conv_layer1, stride=3)
    flatten_layer = cnn.Flatten(previous_layer=average_pooling_layer)
    dense_layer2 = cnn.Dense(
        num_neurons=4, previous_layer=flatten_layer, activation_function="softmax"
    )
    model = cnn.Model(last_layer=dense_layer2, epochs=5, learning_rate=0.01, random_seed=1)
    assert average_pooling_layer.layer_output_size == (32, 32, 2)
    vector = cnn.layers_weights_as_vector(model)
    matrices = cnn.layers_weights_as_matrix(model, vector)
    cnn.update_layers_trained_weights(model=model, final_weights=matrices)
    vectors = vector * np.random.default_rng(1).normal(size=(4, vector.size))
    outputs = model.forward(FRUITS, vectors)
    assert outputs.shape == (4, 80, 4)
    naive.assert_close(outputs.sum(axis=2), np.ones((4, 80)))
    for index in (0, 57):
        X = FRUITS[index : index + 1]
        wanted = naive.population(model, X, vectors.astype(np.float32))
        naive.assert_close(outputs[:, [index]], wanted)
