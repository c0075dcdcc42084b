"""The model: its vector, its labels, its summary, and pygad.cnn's functions on weights."""

import copy
import logging
import pickle
import warnings

import naive
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn
from cnn.inputs import InputRange


def small(**kwargs):
    layers = [
        cnn.Input2D((6, 5, 2)),
        cnn.Conv2D(3, 3, activation_function="relu"),
        cnn.Conv2D(2, (2, 1), trainable=False),
        cnn.Flatten(),
        cnn.Dense(4, activation_function="softmax"),
    ]
    return cnn.Model(layers, **kwargs)


def ending_in(*layers):
    """A model of three inputs with these layers, whose Dense layers have the identity first."""
    model = cnn.Model([cnn.Input1D(3), *layers], random_seed=0)
    for layer in model.weighted_layers:
        layer.trained_weights = np.eye(*layer.trained_weights.shape)
    return model


# The flat vector


def test_vector_is_layer_by_layer_weights_then_bias_in_c_order():
    model = small(random_seed=1)
    conv, _, _, dense = model.get_layers()
    parts = [conv.trained_weights, conv.trained_bias, dense.trained_weights, dense.trained_bias]
    np.testing.assert_array_equal(model.weights, np.concatenate([part.ravel() for part in parts]))
    assert model.num_weights == (3 * 3 * 3 * 2 + 3) + (3 * 3 * 2 * 4 + 4)
    assert model.weights.dtype == np.float32


def test_weights_of_the_layers_are_views_of_the_vector():
    model = small(random_seed=1)
    conv = model.network_layers[0]
    model.weights = np.arange(model.num_weights)
    assert conv.trained_weights.ravel()[:3].tolist() == [0, 1, 2]
    conv.trained_bias = [7, 8, 9]
    assert model.weights[54:57].tolist() == [7, 8, 9]
    assert np.shares_memory(conv.trained_weights, model.weights)
    assert not np.shares_memory(conv.initial_weights, model.weights)


@settings(max_examples=60, deadline=None)
@given(networks.networks(), st.booleans())
def test_vector_and_matrices_round_trip(model, initial):
    vector = np.random.default_rng(2).normal(size=model.num_weights)
    matrices = cnn.layers_weights_as_matrix(model, vector)
    wanted = cnn.layers_weights(model, initial)
    assert [matrix.shape for matrix in matrices] == [array.shape for array in wanted]
    cnn.update_layers_trained_weights(model, matrices)
    got = cnn.layers_weights_as_vector(model, initial=False)
    np.testing.assert_array_equal(got, vector.astype(np.float32))
    for got, matrix in zip(cnn.layers_weights(model, initial=False), matrices, strict=True):
        np.testing.assert_array_equal(got, matrix.astype(np.float32))


def test_round_trip_where_all_layers_have_one_shape():
    layers = [cnn.Input1D(3), *(cnn.Dense(3, None, None, use_bias=False) for _ in range(3))]
    model = cnn.Model(layers)
    matrices = cnn.layers_weights_as_matrix(model, np.arange(27))
    assert matrices.shape == (3,)
    assert matrices.dtype == object
    cnn.update_layers_trained_weights(model, list(matrices))
    assert model.weights.tolist() == list(range(27))


def test_initial_weights_stay_when_others_are_assigned():
    model = small(random_seed=1)
    initial = cnn.layers_weights_as_vector(model)
    model.weights = np.zeros(model.num_weights)
    np.testing.assert_array_equal(cnn.layers_weights_as_vector(model), initial)
    assert initial.any()
    assert not cnn.layers_weights_as_vector(model, initial=False).any()


def test_assigned_vector_and_vector_that_is_read_are_copies():
    model = small()
    vector = np.ones(model.num_weights, np.float32)
    model.weights = vector
    vector[:] = 2
    cnn.layers_weights_as_vector(model, initial=False)[:] = 3
    assert (model.weights == 1).all()


def test_seed_decides_the_initial_weights():
    one, same, other = small(random_seed=5), small(random_seed=5), small(random_seed=6)
    np.testing.assert_array_equal(one.weights, same.weights)
    np.testing.assert_array_equal(one.fixed_weights, same.fixed_weights)
    assert not np.array_equal(one.weights, other.weights)
    assert not np.array_equal(small().weights, small().weights)


def test_listed_layers_may_be_used_again():
    layers = [cnn.Input1D(3), cnn.Dense(2)]
    first, second = cnn.Model(layers, random_seed=1), cnn.Model(layers, random_seed=2)
    assert layers[1].previous_layer is None
    assert not np.array_equal(first.weights, second.weights)
    assert not np.shares_memory(first.weights, second.weights)


def test_layers_of_a_model_may_be_used_again_with_their_weights():
    first = small(random_seed=1)
    X = networks.images_for(first, 3)
    before = first.forward(X)
    copy = cnn.Model(first.layers)
    np.testing.assert_array_equal(copy.forward(X), before)
    cnn.Model(first.layers, random_seed=2).weights[:] = 0
    copy.weights[:] = 0
    np.testing.assert_array_equal(first.forward(X), before)
    shown = first.with_weights(first.weights)
    for layer, own in zip(first.weighted_layers, shown.weighted_layers, strict=True):
        np.testing.assert_array_equal(layer.trained_weights, own.trained_weights)


def test_new_head_on_a_trained_body():
    trained = small(random_seed=1)
    trained.weights = trained.weights + 1
    model = cnn.Model([*trained.layers[:-1], cnn.Dense(7)])
    body = [layer.trained for layer in trained.weighted_layers[:-1]]
    for arrays, layer in zip(body, model.weighted_layers, strict=False):
        for array, copied in zip(arrays, layer.trained, strict=True):
            np.testing.assert_array_equal(array, copied)
            assert not np.shares_memory(array, copied)
    assert model.output_shape == (7,)


def test_model_says_what_it_is_in_a_line():
    assert repr(cnn.Model([cnn.Input1D(3), cnn.Dense(2)])) == (
        "<Model: 2 layers, 8 trainable weights>"
    )


def test_two_models_of_the_same_linked_layers_keep_their_own_weights():
    last = cnn.Dense(2, cnn.Dense(3, cnn.Input1D(4)), None)
    first = cnn.Model(last, random_seed=1)
    second = cnn.Model(last)
    second.weights = np.zeros(second.num_weights)
    x = np.arange(4.0)
    assert first.feed_sample(x).any()
    np.testing.assert_array_equal(first.feed_sample(x), first.forward(x[None])[0])


# Labels and probabilities


def test_predict_is_the_label_of_the_largest_output():
    model = small(random_seed=1)
    X = networks.images_for(model, 50)
    outputs = naive.network(model, X, model.weights)
    np.testing.assert_array_equal(model.predict(X), outputs.argmax(1))
    assert model.predict(X).dtype == np.intp


@pytest.mark.parametrize("activation", [None, "relu", "sigmoid", "tanh", "softmax"])
def test_probabilities_and_their_logarithms(activation):
    model = ending_in(cnn.Dense(3, None, activation))
    X = networks.images_for(model, 20)
    outputs = model.forward(X)
    wanted = outputs if activation == "softmax" else naive.activate("softmax", outputs)
    naive.assert_close(model.predict_proba(X), wanted)
    naive.assert_close(model.log_proba(X), np.log(wanted))


def test_network_without_layers_has_logits():
    model, X = cnn.Model([cnn.Input1D(3)]), np.eye(3)
    np.testing.assert_array_equal(model.forward(X), X)
    naive.assert_close(model.log_proba(X), np.log(naive.activate("softmax", X)))


def test_single_sigmoid_is_two_classes():
    model = ending_in(cnn.Dense(1, None, "sigmoid"))
    X = np.array([[-3, 0, 0], [0, 0, 0], [0.1, 0, 0], [200, 0, 0]])
    assert model.predict(X).tolist() == [0, 0, 1, 1]
    proba = model.predict_proba(X)
    naive.assert_close(proba[:, 1], model.forward(X)[:, 0])
    naive.assert_close(proba.sum(axis=1), np.ones(4))
    naive.assert_close(np.exp(model.log_proba(X)), proba)
    naive.assert_close(model.log_proba(X)[-1], [-200, 0])


def test_probabilities_of_many_pixels_with_softmax_add_up_to_one():
    layers = [cnn.Input2D((2, 3, 2)), cnn.Softmax(), cnn.Flatten()]
    proba = cnn.Model(layers).predict_proba(networks.images_for(cnn.Model(layers), 5))
    naive.assert_close(proba.sum(axis=1), np.ones(5))


# pygad's train


def test_train_shrinks_the_weights_by_the_errors_so_far():
    model = small(epochs=2, learning_rate=0.001, random_seed=1)
    X = networks.images_for(model, 20)
    labels = (model.predict(X) + 1) % 4
    error = np.abs(model.predict(X) - labels).sum()
    wanted = model.weights * (1 - 0.001 * error) * (1 - 0.001 * 2 * error)
    model.train(X, labels)
    naive.assert_close(model.weights, wanted)


def test_train_without_errors_changes_nothing_and_says_the_epochs(capsys):
    model = small(epochs=2, random_seed=1)
    X, before = networks.images_for(model, 5), model.weights.copy()
    model.train(train_inputs=X, train_outputs=model.predict(X))
    np.testing.assert_array_equal(model.weights, before)
    assert capsys.readouterr().out == "Epoch 0\nEpoch 1\n"


def test_failed_train_leaves_the_weights():
    model = small(epochs=50, learning_rate=1e4, random_seed=1)
    X, before = networks.images_for(model, 5), model.weights.copy()
    with pytest.raises(ValueError, match="smaller learning_rate"):
        model.train(X, (model.predict(X) + 1) % 4)
    np.testing.assert_array_equal(model.weights, before)


def test_model_with_other_weights_leaves_the_layers_alone():
    last = small().last_layer
    first, second = cnn.Model(last), cnn.Model(last, random_seed=3)
    shown = [layer.trained_weights for layer in second.weighted_layers]
    first.with_weights(first.weights + 1)
    for layer, weights in zip(second.weighted_layers, shown, strict=True):
        assert layer.trained_weights is weights


def test_update_weights_leaves_frozen_layers():
    model = small(learning_rate=0.5, random_seed=1)
    fixed, before = model.fixed_weights, model.weights.copy()
    model.update_weights(1)
    np.testing.assert_array_equal(model.weights, before / 2)
    np.testing.assert_array_equal(model.fixed_weights, fixed)


# What it looks like


def test_summary_is_a_table_with_the_total(capsys):
    model = small()
    model.summary()
    assert capsys.readouterr().out == str(model) + "\n"
    lines = [line.split() for line in str(model).splitlines()]
    assert lines[0] == ["Layer", "Output", "shape", "Weights", "Multiplications"]
    assert lines[3] == ["Conv2D", "(4,", "3,", "3)", "57", "648"]
    assert lines[4] == ["Conv2D", "(3,", "3,", "2)", "14", "(fixed)", "108"]
    assert lines[-1] == ["Total", "133", "828"]


def test_logger_gets_the_summary(caplog, capsys):
    logger = logging.getLogger("test of cnn")
    with caplog.at_level(logging.INFO, logger.name):
        model = cnn.Model(cnn.Flatten(cnn.Input2D((2, 2))), logger=logger)
        model.summary()
    assert str(model) in caplog.text
    assert capsys.readouterr().out == ""


def test_layers_without_and_with_the_input():
    last = cnn.Flatten(first := cnn.Input2D((2, 2)))
    model = cnn.Model(last, 3, 0.5)
    assert model.network_layers == model.get_layers() == [last]
    assert model.layers == (first, last)
    assert (model.last_layer, model.input_layer) == (last, first)
    assert (model.epochs, model.learning_rate) == (3, 0.5)


# What inputs and outputs mean


def trained_on(low, high, **more):
    """A network that has been trained on numbers of this range."""
    layers = [cnn.Input2D((4, 4)), cnn.Flatten(), cnn.Dense(2, activation_function="softmax")]
    model = cnn.Model(layers, random_seed=0)
    model.input_range = InputRange(low, max(-low, high), high)
    for name, value in more.items():
        setattr(model, name, value)
    return model


def numbers(low, high, count=5):
    return np.linspace(low, high, 16 * count).reshape(count, 4, 4, 1)


@pytest.mark.parametrize(
    ("trained", "given", "difference"),
    [
        ((0, 1), (0, 255), "far larger"),
        ((0, 1), (0, 16), "far larger"),
        ((0, 255), (0, 1), "far smaller"),
        ((0, 1), (0, 1 / 255), "far smaller"),
        ((-3, 4), (0, 255), "far larger"),
        ((0, 1), (-1, 1), "negative"),
        ((0, 1), (0, 0.5), None),
        ((0, 1), (-0.01, 1.1), None),
        ((0, 1), (0, 0), None),
        ((-2, 3), (0, 1), None),
        ((0, 0), (0, 1), None),
    ],
)
def test_inputs_unlike_those_of_the_training_bring_a_warning(trained, given, difference):
    model, X = trained_on(*trained), numbers(*given)
    for method in (model.predict, model.predict_proba, model.forward):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            method(X)
        assert len(caught) == (difference is not None)
        assert all(difference in str(each.message) for each in caught)
        assert all(each.filename == __file__ for each in caught)
    model.forward(X, model.weights[None])  # what a population does with data is its own affair


def pictures(count, seed=0):
    """Images from 0 to 1 with something dark in each."""
    rng = np.random.default_rng(seed)
    drawn = rng.random((count, 4, 4, 1)) * rng.uniform(0.3, 1, (count, 1, 1, 1))
    return drawn - drawn.min(axis=(1, 2), keepdims=True)


@pytest.mark.parametrize(
    ("trained", "given", "difference"),
    [
        (lambda X: (X - X.mean()) / X.std(), pictures(1), "no negative"),
        (lambda X: (X - X.mean()) / X.std(), pictures(50), "no negative"),
        (lambda X: X - 0.5, pictures(1), "no negative"),
        (lambda X: X - 0.5, pictures(3) - 0.5, None),
        (lambda X: X, (pictures(3) - 0.3) / 0.2, "negative"),
        (lambda X: X - 1e-9, pictures(50), None),  # a rounding
        (lambda X: np.where(np.arange(len(X)) % 4 == 0, X.T, X.T - 0.5).T, pictures(2), None),
        (lambda X: X[:1] - 0.5, pictures(9), None),  # too few to tell
        (lambda X: X - 0.5, 0 * pictures(9), None),
    ],
)
def test_standardised_images_and_others(trained, given, difference):
    model = trained_on(0, 1)
    model.input_range = InputRange.of(trained(pictures(2000, seed=1)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(given)
    assert [difference in str(each.message) for each in caught] == ([True] if difference else [])


def test_a_warning_is_the_same_for_every_image_and_so_shown_once():
    model = trained_on(0, 1, scale=cnn.datasets.Scale(0, 255))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for image in numbers(0, 255, 9)[3:]:
            model.predict(image[None])
    assert len(caught) == 1
    assert "bytes, divided by 255: model.scale.apply" in str(caught[0].message)


def test_what_is_known_is_saved_and_copied(tmp_path):
    model = trained_on(
        0, 1, scale=cnn.datasets.Scale(0, 4095), class_names=np.array(["cat", "a $ b"])
    )
    model.save(tmp_path / "model.npz")
    for again in (
        cnn.load(tmp_path / "model.npz"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        model.with_weights(model.weights),
    ):
        assert again.scale == cnn.datasets.Scale(0, 4095)
        assert again.class_names == ("cat", "a $ b")
        assert again.input_range == model.input_range
    plain = cnn.Model(model.layers)
    assert (plain.scale, plain.class_names, plain.input_range) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", 255),
        ("scale", (0, 255)),
        ("class_names", "ab"),
        ("class_names", ["a"]),
        ("class_names", ["a", "a"]),
        ("class_names", 2),
        ("input_range", (0, 1, 1)),
    ],
)
def test_wrong_meanings(name, value):
    with pytest.raises((TypeError, ValueError), match=name):
        trained_on(0, 1, **{name: value})


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
def test_images_without_finite_outputs_are_of_no_class(activation):
    outputs = 1 if activation == "sigmoid" else 3
    dense = cnn.Dense(outputs, activation_function=activation)
    model = cnn.Model([cnn.Input1D(2), cnn.Dense(2, activation_function=None), dense])
    model.weights = [1e30, -1e30, *np.zeros(4), *np.full(model.num_weights - 6, 1e30)]
    X = np.array([[0.0, 0.0], [1e9, 0.0], [0.0, 0.0]])
    broken = ~np.isfinite(model.forward(X)).all(axis=1)
    assert broken[1]
    with pytest.warns(UserWarning, match="no finite outputs") as caught:
        labels = model.predict(X)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(labels == -1, broken)
    with pytest.warns(UserWarning, match="no finite outputs"):
        proba = model.predict_proba(X)
    np.testing.assert_array_equal(np.isnan(proba).all(axis=1), broken)


def test_summary_counts_multiplications_as_a_loop_does():
    model = cnn.Model(
        [
            cnn.Input2D((9, 8, 2)),
            cnn.Conv2D(5, (3, 2), stride=2, padding="same"),
            cnn.MaxPooling2D(2),
            cnn.Conv2D(3, 1, trainable=False),
            cnn.Flatten(),
            cnn.Dense(4),
        ]
    )
    height, width = model.layers[1].layer_output_size[:2]
    convolved = sum(3 * 2 * 2 for _ in range(height) for _ in range(width) for _ in range(5))
    pooled = model.layers[2].layer_output_size[0] * model.layers[2].layer_output_size[1]
    rows = [line.replace(",", "").split() for line in str(model).splitlines()]
    assert int(rows[3][-1]) == convolved
    assert int(rows[5][-1]) == pooled * 5 * 3
    assert int(rows[7][-1]) == pooled * 3 * 4
    assert int(rows[-1][-1]) == convolved + pooled * (15 + 12)
