"""Files of to_onnx beside the models they were written from, run by onnxruntime."""

import json
import sys

import naive
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn
from cnn.inputs import InputRange
from cnn.layers.activation import ACTIVATIONS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("onnx") / "model.onnx"


def session_of(model, file):
    cnn.to_onnx(model, file)
    onnx.checker.check_model(onnx.load(file), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run(session, X):
    (outputs,) = session.run(["outputs"], {session.get_inputs()[0].name: X})
    return outputs


@settings(max_examples=150, deadline=None)
@given(networks.networks(), st.integers(1, 4))
def test_random_networks(file, model, number):
    X = networks.images_for(model, number)
    naive.assert_close(run(session_of(model, file), X), model.forward(X))


@settings(max_examples=75, deadline=None)
@given(networks.networks(exact=True))
def test_random_networks_of_small_integers_to_the_last_bit(file, model):
    X = networks.images_for(model, 3, exact=True)
    np.testing.assert_array_equal(run(session_of(model, file), X), model.forward(X))


@pytest.mark.parametrize(
    "layer",
    [
        cnn.Conv2D(3, (2, 3), stride=(3, 2), padding="same", dilation=(2, 1)),
        cnn.Conv2D(2, 4, padding=(3, 1), activation_function="leaky_relu"),
        cnn.Conv2D(2, 1, stride=9, padding=3, use_bias=False),
        cnn.MaxPooling2D((3, 2), stride=(2, 3), padding="same"),
        cnn.MaxPooling2D(4, stride=1, padding=3),
        cnn.AveragePooling2D((2, 5), stride=(2, 3), padding="same"),
        cnn.AveragePooling2D(4, stride=3, padding=3),
        cnn.AveragePooling2D(2, stride=2),
        cnn.GlobalAveragePooling2D(),
        cnn.GlobalMaxPooling2D(),
        cnn.Flatten(),
        cnn.LeakyReLU(negative_slope=0.3),
        *(kind() for kind in (cnn.ReLU, cnn.Sigmoid, cnn.Tanh, cnn.Step, cnn.Softmax)),
        cnn.SquareRoot(),
        cnn.Standardization(mean=[1, 2, 3], deviation=[0.5, 1, 2]),
    ],
    ids=repr,
)
def test_every_layer(file, layer):
    model = networks.filled(cnn.Model([cnn.Input2D((7, 11, 3)), layer], random_seed=1))
    X = networks.images_for(model, 5)
    outputs = run(session_of(model, file), X)
    assert outputs.dtype == np.float32
    naive.assert_close(outputs, model.forward(X))


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
def test_flat_network(file, activation):
    dense = cnn.Dense(5, activation_function=activation)
    last = cnn.Dense(3, activation_function="softmax", use_bias=False, trainable=False)
    model = cnn.Model([cnn.Input1D(4), dense, cnn.Flatten(), last], random_seed=1)
    X = networks.images_for(model, 6)
    naive.assert_close(run(session_of(model, file), X), model.forward(X))


@pytest.mark.parametrize("first", [cnn.Input2D((3, 2, 2)), cnn.Input1D(3)])
def test_network_of_an_input_alone(file, first):
    model = cnn.Model([first])
    X = networks.images_for(model, 2)
    np.testing.assert_array_equal(run(session_of(model, file), X), X)


def test_names_batches_and_origin(file):
    chain = [cnn.Input2D((6, 5, 2)), cnn.Conv2D(2, 3), cnn.Flatten(), cnn.Dense(3)]
    model = cnn.Model(chain, random_seed=1)
    session = session_of(model, file)
    assert [(each.name, each.shape) for each in session.get_inputs()] == [
        ("images", ["batch", 6, 5, 2])
    ]
    assert [(each.name, each.shape) for each in session.get_outputs()] == [
        ("outputs", ["batch", 3])
    ]
    for number in (1, 9):
        X = networks.images_for(model, number)
        naive.assert_close(run(session, X), model.forward(X))
    written = onnx.load(file)
    assert (written.producer_name, written.opset_import[0].version) == ("gacnn", 17)
    assert written.producer_version


def test_nothing_is_left_where_nothing_can_be_written(tmp_path, monkeypatch):
    model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)])
    with pytest.raises(OSError, match="nowhere"):
        cnn.to_onnx(model, tmp_path / "nowhere" / "model.onnx")
    with pytest.raises(TypeError, match=r"model must be a cnn\.Model, not Dense"):
        cnn.to_onnx(model.last_layer, tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"to_onnx needs onnx: pip install 'gacnn\[onnx\]'"):
        cnn.to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_metadata_tell_what_inputs_and_outputs_mean(file):
    layers = [cnn.Input2D((4, 5, 3)), cnn.Flatten(), cnn.Dense(1, activation_function="sigmoid")]
    model = cnn.Model(layers, random_seed=0)
    session_of(model, file)
    bare = {each.key: each.value for each in onnx.load(file).metadata_props}
    shape = "images (batch, height, width, channels), each of the shape (4, 5, 3)"
    assert bare == {"inputs": f"float32 {shape}"}
    model.scale, model.class_names = cnn.datasets.Scale(0, 255), ["cat", "dög"]
    model.input_range = InputRange(0, 0.9, 1)
    read = session_of(model, file).get_modelmeta()
    known = read.custom_metadata_map
    assert known["inputs"].endswith("from 0 to 1: pixels are bytes, divided by 255")
    assert json.loads(known["scale"]) == {"black": 0, "white": 255}
    assert json.loads(known["class_names"]) == ["cat", "dög"]
    assert json.loads(known["input_range"]) == [0, 1]
    assert known["outputs"] == "the probability of dög"
    assert "dög" in read.description
