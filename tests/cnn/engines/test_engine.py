"""Engines: how they are named, what they are given, and what they refuse."""

import subprocess
import sys
import types
from contextlib import nullcontext

import networks
import numpy as np
import pytest

import cnn
from cnn.engines.operations import listed, with_logarithms
from cnn.layers.activation import ACTIVATIONS
from cnn.layers.layer import Kind, Layer, Operation

CHAIN = [
    cnn.Input2D((6, 5, 2)),
    cnn.Conv2D(3, 2, activation_function="relu", trainable=False),
    cnn.MaxPooling2D(2),
    cnn.LeakyReLU(negative_slope=0.2),
    cnn.Conv2D(2, 1, use_bias=False),
    cnn.GlobalAveragePooling2D(),
    cnn.Dense(4, activation_function="softmax"),
]


def case(layers=CHAIN, members=5):
    model = networks.filled(cnn.Model(layers, random_seed=0))
    return model, networks.images_for(model, 7), networks.vectors_for(model, members)


class Doubling:
    """An engine that lets another do the work and doubles the result."""

    name = "doubling"
    memory_limit = 2**20

    def __init__(self):
        self.compiled = 0

    def compile(self, operations, input_shape):
        self.compiled += 1
        return cnn.NumpyEngine().compile(operations, input_shape)

    def run(self, program, images, weights, out, *, threads, memory_limit):
        cnn.NumpyEngine().run(
            program, images, weights, out, threads=threads, memory_limit=memory_limit
        )
        out *= 2

    def session(self):
        return nullcontext()


def test_operations_count_through_the_network():
    model, _, _ = case()
    operations = listed(model.layers)
    assert [str(each.kind) for each in operations] == [
        "convolve", "bias", "activate", "max_pool", "activate", "convolve", "average_pool",
        "flatten", "dense", "bias", "activate",
    ]  # fmt: skip
    assert [each.inputs for each in operations] == [(place - 1,) for place in range(11)]
    assert [each.weights for each in operations if each.weights] == [(0,), (1,), (2,), (3,), (4,)]
    assert operations[4].activation.negative_slope == 0.2
    assert with_logarithms(operations, model.last_layer)[-1].activation.name == "log_softmax"


def test_an_engine_is_taken_by_name_or_as_an_object():
    model, X, vectors = case()
    outputs = model.forward(X, vectors)
    np.testing.assert_array_equal(model.forward(X, vectors, engine="numpy"), outputs)
    np.testing.assert_array_equal(model.forward(X, vectors, engine=cnn.NumpyEngine()), outputs)
    np.testing.assert_array_equal(model.forward(X, vectors, engine=Doubling()), 2 * outputs)
    logarithms = model.log_proba(X, vectors)
    np.testing.assert_array_equal(model.log_proba(X, vectors, engine=Doubling()), 2 * logarithms)


def test_a_module_is_an_engine():
    module, doubling = types.ModuleType("doubling"), Doubling()
    for name in ("name", "memory_limit", "compile", "run", "session"):
        setattr(module, name, getattr(doubling, name))
    model, X, vectors = case()
    outputs = model.forward(X, vectors, engine=module)
    np.testing.assert_array_equal(outputs, 2 * model.forward(X, vectors))


def test_a_network_is_compiled_once_for_each_engine():
    model, X, vectors = case()
    engine = Doubling()
    for weights in (vectors, None, vectors):
        model.forward(X, weights, engine=engine)
    assert engine.compiled == 1
    model.log_proba(X, engine=engine)
    assert engine.compiled == 2


def test_an_engine_is_given_a_fraction_of_the_weights_that_members_share():
    seen = []

    class Watching(Doubling):
        def run(self, program, images, weights, out, **limits):
            seen.append([len(array) for array in weights])
            super().run(program, images, weights, out, **limits)

    model, X, _ = case()
    vectors = np.repeat(networks.vectors_for(model, 3), 4, axis=0)
    model.forward(X, vectors, engine=Watching())
    assert seen == [[1, 1, 3, 3, 3]]  # of the layer that is not trainable there is one


@pytest.mark.parametrize(
    ("engine", "error", "message"),
    [
        ("numpi", ValueError, "engine must be one of 'numpy'.*not 'numpi'"),
        (
            cnn.NumpyEngine,
            TypeError,
            "engine must be a name, or an object with name, memory_limit, compile",
        ),
        (np, TypeError, "engine must be a name, or an object with name, memory_limit, compile"),
    ],
)
def test_what_is_no_engine_is_refused(engine, error, message):
    model, X, _ = case()
    with pytest.raises(error, match=message):
        model.forward(X, engine=engine)


class Swish(Layer):
    """A layer as a user writes one, of an operation that no engine here knows."""

    def output_shape(self, shape, previous):
        return shape

    def operations(self):
        yield Operation("swish", self)


class Two(Layer):
    """A layer of two operations that engines know."""

    def output_shape(self, shape, previous):
        return shape

    def operations(self):
        for name in ("relu", "tanh"):
            yield Operation(Kind.ACTIVATE, self, activation=ACTIVATIONS[name])


class Mute(Layer):
    """A layer that does not say what it does."""

    def output_shape(self, shape, previous):
        return shape


class Skip(Layer):
    """A layer that reads what came before the layer before it."""

    def output_shape(self, shape, previous):
        return shape

    def operations(self):
        yield Operation("add", self, inputs=(-1, -3))


class Returning(Doubling):
    """An engine that returns what it should write."""

    def run(self, program, images, weights, out, **limits):
        return np.zeros_like(out)


class Silent(Doubling):
    """An engine that writes nothing for the last image."""

    def run(self, program, images, weights, out, **limits):
        out[:, :-1] = 1


def test_an_engine_that_does_not_write_is_found_out():
    model, X, vectors = case()
    model.forward(X, vectors)  # leaves numbers in memory
    with pytest.raises(TypeError, match="'doubling' must write what it computes into out"):
        model.forward(X, vectors, engine=Returning())
    outputs = model.forward(X, vectors, engine=Silent())
    assert np.isnan(outputs[:, -1]).all()
    assert (outputs[:, :-1] == 1).all()


class Halves(Two):
    """A layer that says another shape than its operations leave."""

    def output_shape(self, shape, previous):
        return (shape[0] // 2, *shape[1:])


def test_a_layer_that_says_another_shape_is_found_out():
    layers = [cnn.Input2D((6, 5, 2)), Halves(), cnn.Flatten(), cnn.Dense(2)]
    with pytest.raises(ValueError, match=r"says that it gives \(3, 5, 2\), but .* \(6, 5, 2\)"):
        cnn.Model(layers).forward(np.ones((1, 6, 5, 2)))


def test_a_layer_without_a_shape_says_so():
    with pytest.raises(NotImplementedError, match="give it output_shape"):
        cnn.Model([cnn.Input2D((6, 5, 2)), Layer()])


def test_an_operation_that_is_not_known_is_refused_by_the_layer():
    model, X, _ = case([*CHAIN[:2], Swish(), *CHAIN[2:]])
    with pytest.raises(ValueError, match=r"'numpy' cannot run Swish\(\): .* no operation 'swish'"):
        model.forward(X)
    with pytest.raises(NotImplementedError, match="Mute does not say what it does"):
        case([*CHAIN[:2], Mute(), *CHAIN[2:]])[0].forward(X)
    with pytest.raises(ValueError, match=r"chains only, but Skip\(\) reads the operations"):
        case([*CHAIN[:2], Skip(), *CHAIN[2:]])[0].forward(X)


def test_a_layer_of_ones_own_is_made_of_known_operations():
    model, X, _ = case([*CHAIN[:2], Two(), *CHAIN[2:]])
    known, _, _ = case([*CHAIN[:2], cnn.ReLU(), cnn.Tanh(), *CHAIN[2:]])
    np.testing.assert_array_equal(model.forward(X), known.forward(X))


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_unaligned_vectors_give_the_bits_of_aligned_ones(offset):
    model, X, vectors = case(members=33)
    buffer = bytearray(vectors.nbytes + offset)
    buffer[offset:] = vectors.tobytes()
    unaligned = np.frombuffer(buffer, np.float32, offset=offset).reshape(vectors.shape)
    assert not unaligned.flags.aligned
    np.testing.assert_array_equal(model.forward(X, unaligned), model.forward(X, vectors))
    np.testing.assert_array_equal(model.log_proba(X, unaligned), model.log_proba(X, vectors))


def test_nothing_large_is_allocated_on_import():
    code = (
        "import tracemalloc, numpy; tracemalloc.start(); import cnn; "
        "print(tracemalloc.get_traced_memory()[1])"
    )
    peak = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert int(peak) < 16 * 2**20


@pytest.mark.parametrize(
    ("name", "value"),
    [("stride", 2), ("activation_function", "tanh"), ("trainable", False), ("use_bias", False)],
)
def test_settings_of_a_layer_stay(name, value):
    model, X, _ = case()
    before = model.forward(X)
    with pytest.raises(AttributeError, match=rf"{name} of Conv2D.* make another layer, Conv2D"):
        setattr(model.layers[1], name, value)
    np.testing.assert_array_equal(model.forward(X), before)


@pytest.mark.parametrize("convert", [cnn.to_onnx, cnn.to_torch, cnn.to_keras, cnn.Model.save])
def test_a_layer_of_ones_own_is_never_left_out_of_a_file(convert, tmp_path):
    for package in {cnn.to_onnx: ["onnx"], cnn.to_torch: ["torch"], cnn.to_keras: ["keras"]}.get(
        convert, []
    ):
        pytest.importorskip(package)
    model, _, _ = case([*CHAIN[:2], Two(), *CHAIN[2:]])
    given = () if convert in (cnn.to_torch, cnn.to_keras) else (tmp_path / "file",)
    with pytest.raises(ValueError, match=r"layer 2, Two\(\), is one of your own and cannot be"):
        convert(model, *given)
    assert not list(tmp_path.iterdir())
