"""Each kind of layer beside naive loops."""

import naive
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import ACTIVATIONS, PADDINGS, SIZES, STRIDES

import cnn
from cnn.layers.layer import Layer
from cnn.types import Array

SHAPES = st.tuples(st.integers(1, 13), st.integers(1, 13), st.integers(1, 4))
POOLINGS = [cnn.MaxPooling2D, cnn.AveragePooling2D]
HUGE = np.array([-3e38, -1e30, -1e4, -104.0, -88.0, 0.0, 88.0, 104.0, 1e4, 1e30, 3e38])


def assert_like_naive(layer: Layer, input_layer: Layer, exact: bool = False) -> None:
    """The layer alone gives what loops give, for four images and three members."""
    try:
        layer.link(input_layer)
    except ValueError:  # it does not fit; test_bad_input has that
        return
    model = networks.filled(cnn.Model(layer, random_seed=0), exact)
    X, vectors = networks.images_for(model, 4, exact), networks.vectors_for(model, 3, exact)
    naive.assert_close(model.forward(X, vectors), naive.population(model, X, vectors))


def apply(layer: Layer, x: Array) -> Array:
    """Output (values,) of an activation for an input (values,)."""
    return cnn.Model([cnn.Input1D(x.size), layer]).forward(x[None])[0]


@settings(max_examples=150, deadline=None)
@given(SHAPES, SIZES, STRIDES, PADDINGS, SIZES, st.sampled_from(ACTIVATIONS), st.booleans())
def test_convolution(shape, size, stride, padding, dilation, activation, use_bias):
    layer = cnn.Conv2D(
        3,
        size,
        activation_function=activation,
        stride=stride,
        padding=padding,
        dilation=dilation,
        use_bias=use_bias,
    )
    assert_like_naive(layer, cnn.Input2D(shape))


@settings(max_examples=150, deadline=None)
@given(SHAPES, SIZES, STRIDES, PADDINGS, SIZES, st.sampled_from(ACTIVATIONS), st.booleans())
def test_convolution_of_each_channel(shape, size, stride, padding, dilation, activation, use_bias):
    layer = cnn.DepthwiseConv2D(
        size,
        activation_function=activation,
        stride=stride,
        padding=padding,
        dilation=dilation,
        use_bias=use_bias,
    )
    assert_like_naive(layer, cnn.Input2D(shape))


def test_a_depthwise_convolution_is_one_whose_filters_see_one_channel_each():
    image = cnn.Input2D((19, 11, 5))
    settings = {"stride": (2, 1), "padding": "same", "dilation": (1, 2)}
    each = cnn.Model([image, cnn.DepthwiseConv2D((5, 3), **settings)], random_seed=1)
    whole = cnn.Model([image, cnn.Conv2D(5, (5, 3), **settings)])
    kernels = each.layers[1].trained_weights
    filters = whole.layers[1].trained_weights
    filters[...] = 0
    for channel in range(5):
        filters[channel, :, :, channel] = kernels[:, :, channel]
    X = networks.images_for(each, 4)
    naive.assert_close(each.forward(X), whole.forward(X))
    assert (kernels.shape, each.num_weights) == ((5, 3, 5), 5 * 3 * 5 + 5)
    assert str(each).splitlines()[3].split()[-2:] == ["80", f"{10 * 11 * 75:,}"]


@settings(max_examples=150, deadline=None)
@given(SHAPES, SIZES, STRIDES, st.sampled_from(["valid", "same"]), st.sampled_from(POOLINGS))
def test_pooling(shape, size, stride, padding, kind):
    assert_like_naive(kind(size, stride=stride, padding=padding), cnn.Input2D(shape))


LENGTHS = st.tuples(st.integers(1, 40), st.integers(1, 4))
FEW = st.integers(1, 5)


@settings(max_examples=150, deadline=None)
@given(LENGTHS, FEW, FEW, st.sampled_from(["valid", "same"]) | FEW, FEW, st.booleans())
def test_convolution_of_series(shape, size, stride, padding, dilation, use_bias):
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "use_bias": use_bias}
    assert_like_naive(cnn.Conv1D(3, size, None, "tanh", **settings), cnn.Input1D(shape))


@settings(max_examples=100, deadline=None)
@given(LENGTHS, FEW, FEW, st.sampled_from(["valid", "same", 1]), st.booleans())
def test_pooling_of_series(shape, size, stride, padding, average):
    kind = cnn.AveragePooling1D if average else cnn.MaxPooling1D
    if padding != 1 or size > 1:
        assert_like_naive(kind(size, stride=stride, padding=padding), cnn.Input1D(shape))
    assert_like_naive(
        cnn.GlobalAveragePooling1D() if average else cnn.GlobalMaxPooling1D(), cnn.Input1D(shape)
    )


@pytest.mark.parametrize("padding", ["valid", "same", 2])
def test_series_are_maps_of_one_column(padding):
    conv = cnn.Conv1D(4, 3, None, "relu", stride=2, padding=padding)
    series = cnn.Model(
        [cnn.Input1D((21, 2)), conv, cnn.MaxPooling1D(2), cnn.Flatten(), cnn.Dense(3)],
        random_seed=1,
    )
    along = (padding, 0) if padding == 2 else padding
    conv = cnn.Conv2D(4, (3, 1), None, "relu", stride=(2, 1), padding=along)
    pool = cnn.MaxPooling2D((2, 1), stride=(2, 1))
    maps = cnn.Model([cnn.Input2D((21, 1, 2)), conv, pool, cnn.Flatten(), cnn.Dense(3)])
    assert series.num_weights == maps.num_weights
    X = networks.images_for(series, 5)
    vectors = networks.vectors_for(series, 4)
    wanted = maps.forward(X[:, :, None], vectors)
    np.testing.assert_array_equal(series.forward(X, vectors), wanted)
    assert [each.shape for each in series.layers[1].trained] == [(4, 3, 2), (4,)]
    assert series.input_shape == (21, 2)


@settings(max_examples=50, deadline=None)
@given(SHAPES, st.tuples(st.integers(2, 5), st.integers(2, 5)), STRIDES, st.data())
def test_pooling_with_numeric_padding(shape, size, stride, data):
    padding = data.draw(st.tuples(*[st.integers(0, side - 1) for side in size]))
    for kind in POOLINGS:
        assert_like_naive(kind(size, stride=stride, padding=padding), cnn.Input2D(shape))


@settings(max_examples=30, deadline=None)
@given(SHAPES, st.sampled_from([cnn.GlobalMaxPooling2D, cnn.GlobalAveragePooling2D, cnn.Flatten]))
def test_global_pooling_and_flatten(shape, kind):
    assert_like_naive(kind(), cnn.Input2D(shape))


@pytest.mark.parametrize("first", [cnn.Input2D((4, 5, 3)), cnn.Input1D(7)])
@pytest.mark.parametrize(
    "layer",
    [cnn.ReLU, cnn.LeakyReLU, cnn.Sigmoid, cnn.Tanh, cnn.Softmax, cnn.Step, cnn.SquareRoot],
)
def test_activation(layer, first):
    assert_like_naive(layer(), first)


@pytest.mark.parametrize("slope", [0, 0.3, 1])
def test_leaky_relu_has_its_slope(slope):
    x = np.array([-2.0, 0.0, 3.0])
    naive.assert_close(apply(cnn.LeakyReLU(negative_slope=slope), x), [-2 * slope, 0, 3])


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "softmax"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_dense(activation, use_bias):
    layer = cnn.Dense(5, None, activation, use_bias=use_bias)
    assert_like_naive(layer, cnn.Input1D(37))


def test_square_root_behind_sums():
    layer = cnn.Dense(5, None, "square_root")  # of small integers: a root near 0 shows all rounding
    assert_like_naive(layer, cnn.Input1D(9), exact=True)


@pytest.mark.parametrize("first", [cnn.Input2D((4, 5, 3)), cnn.Input1D(3)])
def test_standardization_of_features(first):
    size = first.layer_output_size
    shape = (50, *size) if isinstance(size, tuple) else (50, size)
    features = np.random.default_rng(0).normal([1, -20, 300], [0.1, 5, 70], shape)
    model = cnn.Model([first, cnn.Standardization.of(features)])
    outputs = model.forward(features).reshape(-1, 3)
    naive.assert_close(outputs.mean(axis=0), [0, 0, 0], 1e-4)
    naive.assert_close(outputs.std(axis=0), [1, 1, 1], 1e-4)
    assert model.num_weights == 0


def test_standardization_leaves_what_is_always_the_same_at_zero():
    features = np.full((4, 2), 0.1)
    model = cnn.Model([cnn.Input1D(2), cnn.Standardization.of(features)])
    naive.assert_close(model.forward(features), np.zeros((4, 2)), 1e-6)


def test_standardization_without_numbers_changes_nothing():
    X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert np.array_equal(cnn.Model([cnn.Input1D(4), cnn.Standardization()]).forward(X), X)


def test_given_weights_are_not_drawn_anew():
    given = np.ones((4, 3), np.float32), np.arange(3)
    first = cnn.Dense(3, None, "relu", trainable=False, weights=given)
    for layers in ([cnn.Input1D(4), first], cnn.Model([cnn.Input1D(4), first]).layers):
        model = cnn.Model([*layers, cnn.Dense(2)], random_seed=1)
        np.testing.assert_array_equal(model.layers[1].trained_weights, given[0])
        np.testing.assert_array_equal(model.layers[1].initial_bias, given[1])
    linked = cnn.Dense(3, cnn.Input1D(4), weights=given)
    np.testing.assert_array_equal(cnn.Model(linked, random_seed=1).weights[:12], 1)


def test_given_weights_change_no_random_number_of_the_other_layers():
    layers = [cnn.Input1D(4), cnn.Dense(3), cnn.Dense(2)]
    drawn = cnn.Model(layers, random_seed=3)
    own = cnn.Dense(3, weights=(drawn.layers[1].trained_weights, np.zeros(3)))
    layers[2] = cnn.Dense(2)
    given = cnn.Model([layers[0], own, layers[2]], random_seed=3)
    assert given.layers[1].trained_weights.tolist() == drawn.layers[1].trained_weights.tolist()


def test_given_weights_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"weights of Dense.*\(4, 2\).*must have.*\(4, 3\)"):
        cnn.Model([cnn.Input1D(4), cnn.Dense(3, weights=(np.ones((4, 2)), np.zeros(3)))])
    with pytest.raises(ValueError, match="weights must be a tuple of arrays"):
        cnn.Dense(3, weights=np.ones((4, 3)))


def test_dense_with_step_in_exact_arithmetic():
    assert_like_naive(cnn.Dense(5, None, "step"), cnn.Input1D(9), exact=True)


def test_convolution_of_one_pixel_by_hand():
    model = cnn.Model([cnn.Input2D((2, 2)), cnn.Conv2D(1, (1, 2), use_bias=True)])
    model.weights = [1, 10, 100]
    image = np.array([[1, 2], [3, 4]])[None, :, :, None]
    assert model.forward(image).tolist() == [[[[121]], [[143]]]]


def test_average_pooling_does_not_count_padding():
    model = cnn.Model([cnn.Input2D((3, 3)), cnn.AveragePooling2D(3, stride=1, padding="same")])
    assert (model.forward(np.ones((1, 3, 3, 1))) == 1).all()


def test_max_pooling_never_takes_padding():
    model = cnn.Model([cnn.Input2D((3, 3)), cnn.MaxPooling2D(3, stride=1, padding="same")])
    assert (model.forward(np.full((1, 3, 3, 1), -7)) == -7).all()


def test_activations_are_stable_at_huge_inputs():
    assert apply(cnn.Sigmoid(), HUGE)[[0, 5, -1]].tolist() == [0, 0.5, 1]
    assert apply(cnn.Tanh(), HUGE)[[0, 5, -1]].tolist() == [-1, 0, 1]
    assert apply(cnn.Step(), HUGE).tolist() == [-1] * 5 + [0] + [1] * 5
    assert apply(cnn.Softmax(), HUGE).tolist() == [0] * 10 + [1]
    naive.assert_close(apply(cnn.Softmax(), np.full(4, -1e30)), np.full(4, 0.25))


@pytest.mark.parametrize("value", [0.0, 1e-30, 5.0, -20.0, 80.0])
def test_sigmoid_is_precise(value):
    naive.assert_close(apply(cnn.Sigmoid(), np.array([value]))[0] / (1 / (1 + np.exp(-value))), 1)


@pytest.mark.parametrize(
    ("activation", "variance"),
    [("relu", 2 / 300), ("leaky_relu", 2 / 300), ("tanh", 2 / 500), (None, 2 / 500)],
)
def test_initial_weights_have_the_variance_of_he_or_glorot(activation, variance):
    layers = [cnn.Input1D(300), cnn.Dense(200, activation_function=activation)]
    layer = cnn.Model(layers, random_seed=3).last_layer
    assert layer.initial_weights.var() == pytest.approx(variance, rel=0.03)
    assert abs(layer.initial_weights.mean()) < 0.001
    assert not layer.initial_bias.any()


def test_convolution_draws_from_its_fan_in():
    layers = [cnn.Input2D((9, 9, 10)), cnn.Conv2D(64, (3, 5), activation_function="relu")]
    layer = cnn.Model(layers, random_seed=3).last_layer
    assert layer.initial_weights.var() == pytest.approx(2 / (3 * 5 * 10), rel=0.05)


def test_attributes_read_as_in_pygad():
    image = cnn.Input2D((10, 9))
    conv = cnn.Conv2D(4, 3, image, "relu")
    pool = cnn.MaxPooling2D(2, conv, 3)
    flat = cnn.Flatten(pool)
    dense = cnn.Dense(5, flat, "softmax")
    assert image.input_shape == image.layer_output_size == (10, 9, 1)
    assert conv.layer_input_size == (10, 9, 1)
    assert conv.filter_bank_size == conv.initial_weights.shape == (4, 3, 3, 1)
    assert (conv.num_filters, conv.kernel_size, conv.activation_function) == (4, 3, "relu")
    assert pool.layer_output_size == (3, 2, 4)
    assert (pool.pool_size, pool.stride, pool.previous_layer) == (2, 3, conv)
    assert flat.layer_output_size == 24
    assert dense.trained_weights.shape == (24, 5)
    assert dense.layer_output is None


def test_sizes_may_be_numpy_integers_and_arrays():
    layer = cnn.Conv2D(np.int64(2), np.array([3, 2]), cnn.Input2D(np.array([8, 8])))
    assert layer.layer_output_size == (6, 7, 2)


def test_repr_shows_what_is_not_the_default():
    assert repr(cnn.Conv2D(8, 3)) == "Conv2D(num_filters=8, kernel_size=3)"
    assert repr(cnn.Dense(2, use_bias=False)) == "Dense(num_neurons=2, use_bias=False)"
