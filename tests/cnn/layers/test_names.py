"""Names that are nearly right say what is meant; layers of a model stay as and where they are."""

import copy
import pickle
import re

import pytest

import cnn

WORDS = [
    (lambda: cnn.Conv2D(filters=8, kernel_size=3), "no argument 'filters'.*'num_filters'"),
    (lambda: cnn.Conv2D(8, 3, strides=2), "'strides'.*'stride'"),
    (lambda: cnn.Conv2D(8, 3, activation="relu"), "'activation'.*'activation_function'"),
    (lambda: cnn.Conv2D(8, 3, dilation_rate=2), "'dilation_rate'.*'dilation'"),
    (lambda: cnn.Conv2D(8, 3, input_shape=(8, 8, 1)), r"begins with Input2D\(input_shape\)"),
    (lambda: cnn.Conv2D(in_channels=3, out_channels=8), "'in_channels'.*leave it out"),
    (lambda: cnn.Conv2D(8, 3, kernel_initializer="zeros"), "it takes num_filters, kernel_size"),
    (lambda: cnn.Dense(units=8), "'units'.*'num_neurons'"),
    (lambda: cnn.Dense(8, input_dim=3), "'input_dim'.*leave it out"),
    (lambda: cnn.Dense(8, use_biass=False), "'use_biass'.*'use_bias'"),
    (lambda: cnn.MaxPooling2D(2, strides=2), "'strides'.*'stride'"),
    (lambda: cnn.LeakyReLU(alpha=0.1), "'alpha'.*'negative_slope'"),
    (lambda: cnn.Input2D(shape=(8, 8)), "'shape'.*'input_shape'"),
    (lambda: cnn.Conv2D(8, 3, padding="SAME"), "padding must be .*did you mean 'same'"),
    (lambda: cnn.Dense(8, activation_function="ReLU"), "did you mean 'relu'"),
    (lambda: cnn.Dense(8, activation_function="linear"), "did you mean None"),
    (lambda: cnn.Dense(8, activation_function="sofmax"), "did you mean 'softmax'"),
]


@pytest.mark.parametrize(("make", "message"), WORDS)
def test_words_of_other_libraries_and_slips_say_what_is_meant(make, message):
    with pytest.raises((TypeError, ValueError), match=re.compile(message, re.DOTALL)):
        make()


def test_layers_of_ones_own_take_what_they_take():
    class Any(cnn.ReLU):
        def __init__(self, **more):
            super().__init__()
            self.more = more

    assert Any(filters=3).more == {"filters": 3}


def model():
    layers = [cnn.Input2D((6, 6)), cnn.Conv2D(2, 3), cnn.MaxPooling2D(2), cnn.Flatten()]
    return cnn.Model([*layers, cnn.Dense(3)], random_seed=0)


@pytest.mark.parametrize("duplicate", [lambda m: m, copy.deepcopy, copy.copy])
@pytest.mark.parametrize(
    ("layer", "name", "value"),
    [
        (0, "input_shape", (5, 5, 1)),
        (1, "previous_layer", None),
        (1, "layer_input_size", (3, 3, 1)),
        (2, "layer_output_size", (1, 1, 1)),
        (1, "padding", "same"),
        (1, "kernel_size", 2),
        (1, "rows", None),
        (2, "pool_size", 3),
        (4, "num_neurons", 4),
        (4, "trainable", False),
    ],
)
def test_a_layer_of_a_model_cannot_be_changed(duplicate, layer, name, value):
    changed = duplicate(model())
    with pytest.raises(AttributeError, match=name):
        setattr(changed.layers[layer], name, value)


def test_a_layer_of_a_model_cannot_be_linked_elsewhere():
    built = pickle.loads(pickle.dumps(model()))
    with pytest.raises(AttributeError, match="give a list of layers"):
        built.layers[1].link(cnn.Input2D((6, 6)))
    with pytest.raises(AttributeError, match="append"):
        built.layers.append(cnn.ReLU())


def test_linked_layers_of_a_model_can_have_others_behind_them():
    first = cnn.Input1D(3)
    second = cnn.Dense(4, first)
    one, other = cnn.Model(second), cnn.Model(cnn.Dense(2, second))
    assert (one.num_weights, other.num_weights) == (16, 26)
