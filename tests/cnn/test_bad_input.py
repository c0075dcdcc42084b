"""What does not fit is refused at once, with the argument, both values and the cure."""

import re
import sys

import networks
import numpy as np
import pytest

import cnn

IMAGE = cnn.Input2D((8, 8, 1))
NOT_SIZES = [0, -1, True, False, 2.0, "3", None, (3,), (1, 2, 3), (3, 0), (2.5, 2), [], 1j]
NOT_COUNTS = [0, -3, True, 2.0, "3", None, (3, 3), np.float64(2), np.True_]
LAYERS_WITH_SIZES = [
    (lambda value: cnn.Conv2D(2, value), "kernel_size"),
    (lambda value: cnn.Conv2D(2, 3, stride=value), "stride"),
    (lambda value: cnn.Conv2D(2, 3, dilation=value), "dilation"),
    (lambda value: cnn.DepthwiseConv2D(value), "kernel_size"),
    (lambda value: cnn.MaxPooling2D(value), "pool_size"),
    (lambda value: cnn.AveragePooling2D(2, stride=value), "stride"),
]
COUNTED = [
    (lambda value: cnn.Conv2D(value, 3), "num_filters"),
    (lambda value: cnn.Dense(value), "num_neurons"),
    (lambda value: cnn.Input1D((value, 3)), "num_inputs"),
    (lambda value: cnn.Input1D((3, value)), "num_inputs"),
    (lambda value: cnn.Conv1D(2, value), "kernel_size"),
    (lambda value: cnn.Conv1D(2, 3, stride=value), "stride"),
    (lambda value: cnn.Conv1D(2, 3, dilation=value), "dilation"),
    (lambda value: cnn.MaxPooling1D(value), "pool_size"),
    (lambda value: cnn.Input2D((value, 8)), "input_shape"),
    (lambda value: cnn.Input2D((8, 8, value)), "input_shape"),
    (lambda value: model().forward(images(), threads=value or 0), "threads"),
    (lambda value: model().forward(images(), memory_limit=value or 0), "memory_limit"),
]


def model(*last, **kwargs):
    layers = last or (cnn.Flatten(), cnn.Dense(3, activation_function="softmax"))
    return cnn.Model([cnn.Input2D((8, 8, 1)), *layers], random_seed=0, **kwargs)


def images():
    return networks.images_for(model(), 5)


def refuses(error, *parts):
    """Expect the error, with each of these texts in its message, in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(map(re.escape, parts)))


# Sizes


@pytest.mark.parametrize(("build", "name"), LAYERS_WITH_SIZES)
@pytest.mark.parametrize("value", NOT_SIZES, ids=repr)
def test_sizes_that_are_none(build, name, value):
    with refuses((TypeError, ValueError), f"{name} must be ", "not "):
        build(value)


@pytest.mark.parametrize(("build", "name"), COUNTED)
@pytest.mark.parametrize("value", NOT_COUNTS, ids=repr)
def test_counts_that_are_none(build, name, value):
    with refuses((TypeError, ValueError), f"{name} must be at" if value in (0, -3) else name):
        build(value)


@pytest.mark.parametrize("value", [8, (8,), (8, 8, 1, 1), None, (), np.zeros(4, int)], ids=repr)
def test_input_shape_of_another_length(value):
    with refuses(ValueError, "input_shape must be (height, width) or (height, width, channels)"):
        cnn.Input2D(value)


@pytest.mark.parametrize("value", [(8,), (8, 8, 1), (), np.zeros(4, int)], ids=repr)
def test_series_of_another_number_of_axes(value):
    with refuses(ValueError, "num_inputs must be ", "(length, channels) of series, not"):
        cnn.Input1D(value if len(value) < 4 else value + 1)


@pytest.mark.parametrize("value", ["full", "", "3", -1, True, 1.5, None, (1,), ("same", "valid")])
@pytest.mark.parametrize("build", [cnn.Conv2D, cnn.MaxPooling2D])
def test_padding_that_is_none(build, value):
    with refuses((TypeError, ValueError), "padding must be "):
        build(3, 3, padding=value) if build is cnn.Conv2D else build(3, padding=value)


def test_padding_of_a_whole_window():
    with refuses(ValueError, "padding of MaxPooling2D must be smaller than pool_size 2, not 2"):
        cnn.MaxPooling2D(2, padding=2)


@pytest.mark.parametrize(
    ("build", "size"),
    [
        (lambda: cnn.Conv2D(2, 9, IMAGE), "9 x 9"),
        (lambda: cnn.Conv2D(2, (3, 9), IMAGE), "3 x 9"),
        (lambda: cnn.Conv2D(2, 3, IMAGE, dilation=4), "9 x 9"),
        (lambda: cnn.DepthwiseConv2D(9, IMAGE), "9 x 9"),
        (lambda: cnn.MaxPooling2D(9, IMAGE), "9 x 9"),
        (lambda: cnn.AveragePooling2D((9, 1), IMAGE), "9 x 1"),
    ],
)
def test_windows_larger_than_their_input(build, size):
    with refuses(ValueError, f"looks at {size} pixels", "maps of 8 x 8", 'padding="same"'):
        build()


@pytest.mark.parametrize("kind", [cnn.MaxPooling1D, cnn.AveragePooling1D])
def test_windows_longer_than_their_series(kind):
    with refuses(ValueError, "looks at 9 steps", "a series of 8 (with padding 8)", '"same"'):
        kind(9, cnn.Input1D((8, 2)))
    with refuses(ValueError, "looks at 9 steps", "a series of 5"):
        cnn.Conv1D(2, 5, cnn.Input1D((5, 1)), dilation=2)
    with refuses(ValueError, "padding of ", "1D must be smaller than pool_size 2, not 2", "a step"):
        kind(2, padding=2)


def test_sizes_that_only_fit_with_padding_are_taken():
    assert cnn.Conv1D(2, 9, cnn.Input1D((8, 1)), padding=1).layer_output_size == (2, 2)
    assert cnn.Conv2D(2, 9, IMAGE, padding=1).layer_output_size == (2, 2, 2)
    assert cnn.Conv2D(2, 9, IMAGE, padding="same").layer_output_size == (8, 8, 2)


# Names and settings


@pytest.mark.parametrize("name", ["swish", "", 3, True, ["relu"], "ReLU"])
def test_activation_that_is_unknown(name):
    for build in (lambda: cnn.Dense(2, None, name), lambda: cnn.Conv2D(2, 3, None, name)):
        with refuses(ValueError, "activation_function must be one of None, 'relu'", repr(name)):
            build()


def test_softmax_inside_a_convolution():
    with refuses(ValueError, "activation_function of Conv2D cannot be 'softmax'", "Softmax layer"):
        cnn.Conv2D(2, 3, activation_function="softmax")


@pytest.mark.parametrize("name", ["use_bias", "trainable"])
@pytest.mark.parametrize("value", ["no", None, 2])
def test_switch_that_is_neither_true_nor_false(name, value):
    with refuses(ValueError, f"{name} must be one of True, False, not {value!r}"):
        cnn.Dense(2, **{name: value})


@pytest.mark.parametrize("slope", [-0.1, 1.5, float("nan"), "steep", None, [0.1]])
def test_slope_that_is_none(slope):
    with refuses((TypeError, ValueError), "negative_slope must "):
        cnn.LeakyReLU(negative_slope=slope)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"epochs": -1}, ValueError),
        ({"epochs": 1.5}, TypeError),
        ({"learning_rate": float("nan")}, ValueError),
        ({"learning_rate": "fast"}, TypeError),
        ({"learning_rate": [0.1]}, ValueError),
        ({"random_seed": -1}, ValueError),
        ({"random_seed": "a"}, TypeError),
    ],
)
def test_settings_of_the_model(settings, error):
    with refuses(error, f"{next(iter(settings))} must "):
        cnn.Model([cnn.Input1D(2), cnn.Dense(2)], **settings)


# Chains


def test_activation_where_the_previous_layer_belongs():
    for build in (lambda: cnn.Conv2D(2, 3, "relu"), lambda: cnn.Dense(3, "relu")):
        with refuses(TypeError, "must be a layer, not 'relu'", "activation_function='relu'"):
            build()


@pytest.mark.parametrize("previous", [3, cnn.Input2D, [IMAGE]])
def test_previous_layer_that_is_no_layer(previous):
    for build in (lambda: cnn.Conv2D(2, 3, previous), lambda: cnn.Dense(3, previous)):
        with refuses(TypeError, "previous_layer of ", "must be a layer, not ", "Input2D"):
            build()


def test_previous_layer_that_has_none_itself():
    with refuses(ValueError, "previous_layer of ReLU() is Conv2D(", "link it first"):
        cnn.ReLU(cnn.Conv2D(2, 3))


@pytest.mark.parametrize("last", [cnn.Conv2D(2, 3), cnn.Flatten(), cnn.Dense(2)])
def test_no_input_layer(last):
    for layers in (last, [last], [cnn.ReLU(), last]):
        with refuses(ValueError, "begins with Input2D or Input1D, but", "has no previous_layer"):
            cnn.Model(layers)


def test_dense_without_flatten():
    text = "Dense(num_neurons=2) needs a flat input, but Input2D(", "put Flatten() before it"
    with refuses(ValueError, *text):
        model(cnn.Dense(2))
    with refuses(ValueError, *text):
        cnn.Dense(2, IMAGE)


@pytest.mark.parametrize(
    "layer", [cnn.Conv2D(2, 3), cnn.MaxPooling2D(2), cnn.GlobalAveragePooling2D()]
)
@pytest.mark.parametrize("before", [[cnn.Input1D(8)], [IMAGE, cnn.Flatten()]])
def test_maps_are_wanted_where_there_are_none(layer, before):
    with refuses(ValueError, "needs maps (height, width, channels)", "put it before Flatten"):
        cnn.Model([*before, layer])


@pytest.mark.parametrize(
    "layer", [cnn.Conv1D(2, 3), cnn.MaxPooling1D(2), cnn.GlobalAveragePooling1D()]
)
def test_series_are_wanted_where_there_are_none(layer):
    name = type(layer).__name__
    with refuses(ValueError, "needs a series (length, channels)", f"use {name[:-2]}2D, or begin"):
        cnn.Model([IMAGE, layer])
    with refuses(ValueError, "needs a series", "8 flat values", "Input1D((length, channels))"):
        cnn.Model([cnn.Input1D(8), layer])
    with refuses(ValueError, "needs maps", "the shape (8, 1)", "use Conv1D, or begin with Input2D"):
        cnn.Model([cnn.Input1D((8, 1)), cnn.Conv2D(2, 3)])
    with refuses(ValueError, "needs maps", "gives the shape (8, 1); begin with Input2D"):
        cnn.Model([cnn.Input1D((8, 1)), cnn.DepthwiseConv2D(3)])


@pytest.mark.parametrize("method", ["forward", "predict", "log_proba"])
def test_series_that_do_not_fit(method):
    network = cnn.Model([cnn.Input1D((8, 2)), cnn.Flatten(), cnn.Dense(3)])
    shape = " must have the shape (any, 8, 2) = (series, length, channels), not "
    for wrong in ((8, 2), (5, 8), (5, 2, 8), (5, 16), (1, 5, 8, 2)):
        with refuses(ValueError, shape + str(wrong), "[None]", "[..., None]"):
            getattr(network, method)(np.zeros(wrong))
    with refuses(ValueError, "sample must have the shape (8, 2) = (length, channels)"):
        network.feed_sample(np.zeros(16))


def test_input_in_the_middle():
    with refuses(ValueError, "Input1D(num_inputs=3) cannot follow Input2D("):
        model(cnn.Input1D(3))


def test_layer_that_is_twice_in_the_list():
    layer = cnn.ReLU()
    with refuses(ValueError, "layer 3 of the list, ReLU(), is in it twice; make a second one"):
        model(layer, cnn.Tanh(), layer)


def test_cycles():
    first = cnn.ReLU(IMAGE)
    second = cnn.Tanh(first)
    first.link(second)
    with refuses(ValueError, "form a cycle", "link each layer to one that was made before it"):
        cnn.Model(second)
    first.previous_layer = first
    with refuses(ValueError, "form a cycle: ReLU() comes before and after itself"):
        cnn.Model(first)


def test_list_that_contradicts_the_links():
    first = cnn.ReLU(IMAGE)
    second = cnn.Tanh(first)
    for layers in ([IMAGE, second, first], [first, second], [IMAGE, second], [IMAGE, first, first]):
        with refuses(ValueError, "of the list, "):
            cnn.Model(layers)


def test_layer_that_was_linked_again():
    first = cnn.Conv2D(2, 3, IMAGE)
    second = cnn.Conv2D(2, 3, first)
    first.link(cnn.Input2D((20, 20)))
    with refuses(ValueError, "linked to an input of (6, 6, 2)", "gives (18, 18, 2); link it again"):
        cnn.Model(second)


@pytest.mark.parametrize("layers", [None, [], (), "layers", 5, {}, iter([IMAGE])])
def test_what_is_no_chain(layers):
    with refuses(TypeError, "last_layer must be a layer, or a list of layers"):
        cnn.Model(layers)


def test_list_with_something_else_in_it():
    with refuses(TypeError, "layer 1 of the list must be a layer, not <class"):
        cnn.Model([IMAGE, cnn.Flatten])


# Images


@pytest.mark.parametrize("method", ["forward", "predict", "predict_proba", "log_proba"])
def test_images_that_do_not_fit(method):
    X, call = images(), getattr(model(), method)
    shape = "X must have the shape (any, 8, 8, 1) = (images, height, width, channels), not "
    if method.startswith("predict"):
        shape = shape.replace("X", "data_inputs")
    for wrong in (X[0], X[..., 0], X[:, :7], X[None], 3, []):
        with refuses(ValueError, shape + str(np.shape(wrong)), "[None]", "[..., None]"):
            call(wrong)
    with refuses(ValueError, "is empty: its shape is (0, 8, 8, 1)"):
        call(X[:0])
    with refuses(ValueError, "must be an array, with rows of one length"):
        call([[1, 2], [3]])
    for wrong in ("text", X.astype(str), X * 1j, np.array([{}])):
        with refuses(TypeError, "must hold real numbers"):
            call(wrong)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_images_that_are_not_finite(kind, value):
    X = images().astype(kind)
    X[3, 2, 1, 0] = value
    with refuses(ValueError, "X must be finite", "X[3] holds NaN, an infinity", "replace it"):
        model().forward(X)


def test_images_too_large_for_float32():
    X = images().astype(np.float64)
    X[2, 0, 0, 0] = -1e39
    with refuses(ValueError, "X must be finite in float32, but X[2] holds"):
        model().forward(X)


def test_sample_that_does_not_fit():
    shape = "sample must have the shape (8, 8, 1) = (height, width, channels), not (5, 8, 8, 1)"
    with refuses(ValueError, shape, "give one, not a batch"):
        model().feed_sample(images())
    with refuses(ValueError, "sample must be finite"):
        model().feed_sample(images()[0] * np.nan)


# Weights


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_vectors_that_do_not_fit(kind):
    network = model()
    good = np.zeros((40, network.num_weights), kind)
    shape = "vectors must have the shape (any, 195) = (members, weights), not "
    for vectors in (good[0], good[:, 1:], good[None], [1, 2]):
        with refuses(ValueError, shape + str(np.shape(vectors)), "195 trainable", "v[None]"):
            network.forward(images(), vectors)
    with refuses(ValueError, "vectors is empty"):
        network.forward(images(), good[:0])
    good[37, 5] = np.nan
    for limit in (2**28, 2**17):  # all at once, and some at a time
        with refuses(ValueError, "vectors must be finite in float32, but vectors[37] holds"):
            network.forward(images(), good, memory_limit=limit)


def test_weights_that_do_not_fit():
    network = model()
    before = network.weights.copy()
    for weights in (before[1:], [], 1, before[None]):
        with refuses(ValueError, "weights must have the shape (195,)", "195 trainable weights"):
            network.weights = weights
    for value in (np.nan, np.inf, 1e39):
        with refuses(ValueError, "weights must be finite", f"weights[0] holds {value}"):
            network.weights = np.full(195, value)
    np.testing.assert_array_equal(network.weights, before)


def test_weights_of_a_layer_that_do_not_fit():
    layer = model().last_layer
    with refuses(ValueError, "trained_weights must have the shape (64, 3)", "not (3, 64)"):
        layer.trained_weights = np.zeros((3, 64))
    with refuses(ValueError, "trained_bias must be finite"):
        layer.trained_bias = [0, np.inf, 0]
    with refuses(AttributeError, "has no trained_bias"):
        cnn.Dense(3, cnn.Input1D(2), use_bias=False).trained_bias = [0, 0, 0]


@pytest.mark.parametrize("trainable", [True, False])
def test_weights_that_became_nan_in_place(trainable):
    network = model(cnn.Flatten(), cnn.Dense(3, trainable=trainable))
    network.last_layer.trained_weights[0, 0] = np.nan
    for call in (network.forward, network.predict):
        with refuses(ValueError, "weights", "must be finite"):
            call(images())


def test_matrices_and_vectors_of_layers_that_do_not_fit():
    network = model()
    with refuses(ValueError, "vector_weights must have the shape (195,)", "not (2,)"):
        cnn.layers_weights_as_matrix(network, [1, 2])
    with refuses(ValueError, "final_weights must hold 2 arrays", "not 1"):
        cnn.update_layers_trained_weights(network, [np.zeros((64, 3))])
    with refuses(ValueError, "final_weights[1] must have the shape (3,)", "not (4,)"):
        cnn.update_layers_trained_weights(network, [np.zeros((64, 3)), np.zeros(4)])
    for function in (cnn.layers_weights, cnn.layers_weights_as_vector):
        with refuses(ValueError, "initial must be True or False, not 'trained'"):
            function(network, "trained")


# Labels


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0, 1, 2, 0, 3], "from 0 to 2, because the network has 3 classes, not 3"),
        ([0, 1, 2, 0, -1], "not -1; number the classes from 0"),
        ([0, 1, 2, 0, 0.5], "not 0.5"),
        ([0, 1, 2, 0, np.nan], "not nan"),
        ([0, 1, 2, 0, 1e300], "not 1e+300"),
        ([0, 1, 2, 0], "have the shape (5,) = (one label an image), not (4,)"),
        (np.eye(3)[[0, 1, 2, 0, 1]], "not (5, 3); of one-hot train_outputs take"),
        (
            np.tri(5, 3),
            "not (5, 3); train_outputs is multilabel (train_outputs[1] marks 2 classes)",
        ),
        (np.full((5, 3), 0.5), "not (5, 3); of one-hot train_outputs take"),
        (np.zeros((5, 1)), "not (5, 1); of a column take train_outputs[:, 0]"),
        (1, "not ()"),
    ],
)
def test_labels_that_do_not_fit(labels, text):
    with refuses(ValueError, "train_outputs must ", text):
        model().train(images(), labels)
    with refuses(TypeError, "train_outputs must hold real numbers"):
        model().train(images(), ["a", "b", "c", "d", "e"])


@pytest.mark.parametrize("error", [np.nan, np.inf, "much", None, [1, 2]])
def test_error_that_is_no_number(error):
    with refuses((TypeError, ValueError), "network_error must "):
        model().update_weights(error)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "log_proba"])
def test_outputs_that_are_no_classes(method):
    with refuses(ValueError, "labels need a flat output, but", "use forward"):
        getattr(model(cnn.Conv2D(2, 3)), method)(images())
    with refuses(ValueError, "labels need two outputs or more", "for regression use forward"):
        getattr(model(cnn.Flatten(), cnn.Dense(1, None, None)), method)(images())


def test_the_engine_torch_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)])
    for arguments in ({"device": "cpu"}, {"engine": "torch"}):
        with pytest.raises(
            ImportError, match=r"TorchEngine needs torch: pip install 'gacnn\[torch"
        ):
            model.predict([[1, 2]], **arguments)
