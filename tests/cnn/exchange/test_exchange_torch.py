"""Models as torch.nn.Sequential and back: the same outputs, the same bits in the weights."""

import re
import sys
from collections import OrderedDict

import naive
import networks
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import cnn
import gacnn
from cnn.layers.windowed import WindowedLayer

torch = pytest.importorskip("torch")
nn = torch.nn


def outputs_of(module, X):
    """Outputs of a module in evaluation mode for images of this library, in its order."""
    module.eval()
    with torch.no_grad():
        y = module(torch.tensor(np.moveaxis(X, -1, 1)))
    return np.moveaxis(y.numpy(), 1, -1)


def refuses(error, *parts):
    return pytest.raises(error, match="(?s)" + ".*".join(map(re.escape, parts)))


def refused(layer):
    """Whether to_torch has to refuse a layer: its means have uneven or much padding."""
    if not isinstance(layer, cnn.AveragePooling2D | cnn.AveragePooling1D):
        return False
    size, _, _, padding = naive.geometry(layer, layer.input_maps[:2])
    return any(
        before != after or 2 * before > taps
        for (before, after), taps in zip(padding, size, strict=True)
    )


def reordered(model):
    """Whether the outputs are flattened maps of several pixels and channels."""
    shape = model.last_layer.layer_input_size
    flattened = isinstance(model.last_layer, cnn.Flatten) and isinstance(shape, tuple)
    return flattened and shape[-1] > 1 and max(shape[:-1]) > 1


@settings(max_examples=150, deadline=None)
@given(networks.networks(), st.integers(1, 3))
def test_random_networks_there_and_back(model, number):
    wrong = [layer for layer in model.layers if refused(layer)]
    if wrong or reordered(model):
        with refuses(ValueError, repr(wrong[0]) if wrong else "the network ends in Flatten()"):
            cnn.to_torch(model)
        return
    X = networks.images_for(model, number)
    module = cnn.to_torch(model)
    naive.assert_close(outputs_of(module, X), model.forward(X))
    windowed = any(isinstance(layer, WindowedLayer) for layer in model.layers)
    assume(windowed or len(model.input_shape) != 2)  # which could be grey images as well
    again = cnn.from_torch(module, model.input_shape)
    assert_same_weights(again, model)
    if list(map(type, again.layers)) == list(map(type, model.layers)):
        np.testing.assert_array_equal(again.forward(X), model.forward(X))
    else:  # depthwise, of a single channel, which PyTorch has no other module for
        naive.assert_close(again.forward(X), model.forward(X))


def assert_same_weights(got, wanted):
    for ours, other in zip(got.weighted_layers, wanted.weighted_layers, strict=True):
        assert ours.trainable == other.trainable
        for array, initial, before in zip(ours.trained, ours.initial, other.trained, strict=True):
            same = before if array.ndim == before.ndim else before[None]  # of one channel
            np.testing.assert_array_equal(array, same)
            np.testing.assert_array_equal(initial, same)


MODULES = {
    "plain": lambda: [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), lazy(5)],
    "nested": lambda: [
        nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, (2, 3), bias=False), act=nn.Tanh())),
        nn.Sequential(nn.Dropout2d(), nn.Sequential(nn.AvgPool2d((3, 2), 1, (1, 0), False, False))),
        nn.Identity(),
        nn.Flatten(),
        nn.Dropout(),
        lazy(5),
        nn.Softmax(-1),
    ],
    "paddings": lambda: [
        nn.Conv2d(3, 4, (3, 4), padding=(2, 1), stride=(2, 1), dilation=(1, 2)),
        nn.LeakyReLU(),
        nn.Conv2d(4, 3, 3, padding="same", dilation=2),
        nn.LeakyReLU(0.3),
        nn.Conv2d(3, 2, 2, padding="valid"),
        nn.MaxPool2d(3, 1, 1),
    ],
    "padding before": lambda: [
        nn.ZeroPad2d((1, 1, 2, 2)),
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(4, 3, 2),
        nn.ConstantPad2d((0, 0, 1, 1), -torch.inf),
        nn.MaxPool2d(3, 2),
    ],
    "global average": lambda: [nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), lazy(2)],
    "global maximum": lambda: [nn.AdaptiveMaxPool2d((1, 1)), nn.Dropout(), nn.Flatten()],
    "convolution of one pixel": lambda: [
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(3, 4, 1),
        nn.Sigmoid(),
        nn.Flatten(),
    ],
    "one pixel": lambda: [nn.Conv2d(3, 4, 3), nn.AdaptiveMaxPool2d(1), nn.Softmax(1)],
    "deep": lambda: [nn.Flatten(), lazy(6), nn.ReLU(), nn.Flatten(), lazy(4, bias=False)],
    "activation after flattening": lambda: [
        nn.Conv2d(3, 4, 3),
        nn.Flatten(),
        nn.Sigmoid(),
        nn.Softmax(1),
        lazy(2),
    ],
    "separable": lambda: [
        nn.Conv2d(3, 3, 3, padding=1, stride=2, groups=3, bias=False),
        nn.Conv2d(3, 8, 1),
        nn.ReLU(),
        nn.ZeroPad2d((1, 1, 0, 0)),
        nn.Conv2d(8, 8, (2, 3), dilation=2, padding=1, groups=8),
        nn.Tanh(),
    ],
    "one activation, used twice": lambda: [
        nn.Conv2d(3, 4, 3),
        relu := nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        relu,
    ],
    "nothing": list,
}


def lazy(neurons, **settings):
    return nn.LazyLinear(neurons, **settings)


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")
@pytest.mark.parametrize("name", MODULES)
def test_modules_of_every_kind(name):
    torch.manual_seed(0)
    module = nn.Sequential(*MODULES[name]())
    X = np.random.default_rng(0).normal(size=(4, 9, 7, 3)).astype(np.float32)
    wanted = outputs_of(module, X)
    model = cnn.from_torch(module, (9, 7, 3))
    naive.assert_close(model.forward(X), wanted)
    parameters = list(cnn.to_torch(model).parameters())
    for got, before in zip(parameters, module.parameters(), strict=True):
        np.testing.assert_array_equal(got.detach(), before.detach())


SERIES = {
    "plain": lambda: [nn.Conv1d(3, 4, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), lazy(5)],
    "paddings": lambda: [
        nn.Conv1d(3, 4, 4, padding=2, stride=2, dilation=2),
        nn.LeakyReLU(0.3),
        nn.Conv1d(4, 3, 3, padding="same"),
        nn.ZeroPad1d((0, 1)),
        nn.Conv1d(3, 3, 2, bias=False),
        nn.ConstantPad1d((1, 1), -torch.inf),
        nn.MaxPool1d(3, 2),
        nn.AvgPool1d(3, 1, 1, count_include_pad=False),
        nn.Softmax(1),
    ],
    "global average": lambda: [nn.Conv1d(3, 4, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(), lazy(2)],
    "global maximum": lambda: [nn.Conv1d(3, 4, 3), nn.AdaptiveMaxPool1d(1), nn.Conv1d(4, 2, 1)],
}


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")
@pytest.mark.parametrize("name", SERIES)
def test_modules_of_series(name):
    torch.manual_seed(0)
    module = nn.Sequential(*SERIES[name]())
    X = np.random.default_rng(0).normal(size=(4, 19, 3)).astype(np.float32)
    wanted = outputs_of(module, X)
    model = cnn.from_torch(module, (19, 3))
    naive.assert_close(model.forward(X), wanted)
    naive.assert_close(outputs_of(cnn.to_torch(model), X), wanted)


def test_paddings_of_series_that_there_are_not():
    module = nn.Sequential(nn.ZeroPad1d((2, 0)), nn.Conv1d(3, 4, 3))
    with refuses(ValueError, "it pads 2 steps before and 0 behind", "change it to that"):
        cnn.from_torch(module, (9, 3))
    averaged = [cnn.Input1D((7, 2)), cnn.AveragePooling1D(2, padding="same")]
    with refuses(ValueError, "it pads (0, 1)"):
        cnn.to_torch(cnn.Model(averaged))


def test_features_of_a_fixed_first_layer():
    image = cnn.Input2D((6, 5, 2))
    layers = [image, cnn.Conv2D(3, 2), cnn.SquareRoot(), cnn.Flatten(), cnn.Standardization()]
    model = networks.filled(cnn.Model([*layers, cnn.Dense(2)], random_seed=0))
    X = networks.images_for(model, 5)
    module = cnn.to_torch(model)
    naive.assert_close(outputs_of(module, X), model.forward(X), 1e-4)
    again = cnn.from_torch(module, (6, 5, 2))
    assert again.layers[1].activation_function == "square_root"
    np.testing.assert_array_equal(again.forward(X), model.forward(X))


def test_model_is_what_a_user_would_have_written():
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 5, padding=2),
        nn.Softmax(1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
        nn.Softmax(1),
    )
    assert list(map(repr, cnn.from_torch(module, (8, 8)).layers)) == [
        "Input2D(input_shape=(8, 8, 1))",
        "Conv2D(num_filters=4, kernel_size=3, activation_function='relu', padding='same')",
        "MaxPooling2D(pool_size=2)",
        "Conv2D(num_filters=4, kernel_size=5, padding=2)",
        "Softmax()",
        "GlobalAveragePooling2D()",
        "Dense(num_neurons=3, activation_function='softmax')",
    ]


def test_flat_modules():
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for input_shape in ((3,), 3):
        naive.assert_close(cnn.from_torch(module, input_shape).forward(X), outputs_of(module, X))


@pytest.mark.parametrize("frozen", [{0}, {3}, {0, 3}, set()])
def test_frozen_layers(frozen):
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2))
    for position in frozen:
        module[position].requires_grad_(False)
    model = cnn.from_torch(module, (5, 5, 2))
    assert [layer.trainable for layer in model.weighted_layers] == [
        0 not in frozen,
        3 not in frozen,
    ]
    again = cnn.to_torch(model)
    assert [each.requires_grad for each in again.parameters()] == [
        each.requires_grad for each in module.parameters()
    ]


def test_weights_of_the_conversion_are_its_own():
    module = nn.Sequential(nn.Linear(3, 2).requires_grad_(False), nn.Linear(2, 2))
    before = [parameter.clone() for parameter in module.parameters()]
    model = cnn.from_torch(module, (3,))
    for layer in model.weighted_layers:
        layer.trained_weights[...] = 0
        assert layer.initial_weights.any()
    assert all(map(torch.equal, module.parameters(), before))
    cnn.to_torch(model)[0].weight += 1
    assert not model.weighted_layers[0].trained_weights.any()


def test_numbers_of_other_types_and_states_of_generators():
    module = nn.Sequential(nn.Linear(3, 2)).half()
    assert cnn.from_torch(module, (3,)).weights.dtype == np.float32
    before = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        module = cnn.to_torch(cnn.Model([cnn.Input1D(3), cnn.Dense(2)]))
    finally:
        torch.set_default_dtype(torch.float32)
    assert module[0].weight.dtype == torch.float32
    assert torch.equal(torch.get_rng_state(), before)


# What cannot be converted


class Net(nn.Module):
    def forward(self, x):
        return x


class Doubled(nn.Sequential):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize("module", [None, Net(), Doubled(), nn.Linear(2, 2), nn.ReLU], ids=repr)
def test_what_is_no_sequential(module):
    with refuses(
        TypeError, "module must be a torch.nn.Sequential, not ", "put its layers into one"
    ):
        cnn.from_torch(module, (8, 8, 3))


@pytest.mark.parametrize(
    ("modules", "error", "text"),
    [
        ([Net()], TypeError, "Net has no counterpart here; use Conv2d, Conv1d, Linear"),
        ([Doubled(nn.ReLU())], TypeError, "Doubled has no counterpart"),
        ([nn.BatchNorm2d(3)], TypeError, "torch.nn.utils.fusion.fuse_conv_bn_eval"),
        ([nn.LogSoftmax(1)], TypeError, "use Softmax"),
        ([nn.GELU()], TypeError, "GELU has no counterpart"),
        ([nn.Conv2d(3, 6, 3, groups=3)], ValueError, "it has 3 groups; use groups=1"),
        ([nn.Conv2d(3, 3, 3, padding_mode="reflect")], ValueError, 'padding_mode="zeros"'),
        ([nn.MaxPool2d(2, ceil_mode=True)], ValueError, "ceil_mode=True; use ceil_mode=False"),
        ([nn.MaxPool2d(2, dilation=2)], ValueError, "dilation=2; use dilation=1"),
        ([nn.MaxPool2d(2, return_indices=True)], ValueError, "return_indices=True"),
        ([nn.AvgPool2d(2, divisor_override=3)], ValueError, "divisor_override=3"),
        ([nn.AvgPool2d(2, padding=1)], ValueError, "use count_include_pad=False"),
        ([nn.AdaptiveAvgPool2d(2)], ValueError, "only the output size 1"),
        ([nn.AdaptiveMaxPool2d((1, None))], ValueError, "only the output size 1"),
        ([nn.Flatten(0)], ValueError, "only start_dim=1"),
        ([nn.Softmax(2)], ValueError, "use dim=1"),
        ([nn.Softmax()], ValueError, "use dim=1"),
        ([nn.Softmax(-1)], ValueError, "use dim=1"),
        ([nn.LeakyReLU(-1)], ValueError, "negative_slope must be from 0 to 1"),
        ([nn.ZeroPad2d(1)], ValueError, "only zeros before Conv2d and -inf before MaxPool2d"),
        ([nn.ZeroPad2d(1), nn.MaxPool2d(2)], ValueError, "only zeros before Conv2d"),
        ([nn.ConstantPad2d(1, 2.0), nn.Conv2d(3, 3, 3)], ValueError, "only zeros before Conv2d"),
        ([nn.Linear(8, 2)], ValueError, "put Flatten() before it"),
        ([nn.Conv2d(8, 2, 3)], ValueError, "takes 8 channels, and its input is (8, 8, 3)"),
        ([nn.Conv2d(3, 2, 9)], ValueError, "looks at 9 x 9 pixels"),
    ],
    ids=str,
)
def test_what_has_no_counterpart(modules, error, text):
    with refuses(error, f"layer 0, {modules[0]}, cannot be converted: ", text):
        cnn.from_torch(nn.Sequential(*modules), (8, 8, 3))


def test_shape_in_the_order_of_pytorch_is_named():
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(2028, 2))
    with pytest.raises(ValueError, match=r"takes 1 channels.*\(1, 28, 28\).*\(height, width"):
        cnn.from_torch(module, (1, 28, 28))


def test_hooks_are_not_lost_silently():
    module = nn.Sequential(nn.Linear(3, 2))
    module[0].register_forward_hook(lambda module, inputs, output: 2 * output)
    with pytest.raises(ValueError, match=r"layer 0.*has forward hooks"):
        cnn.from_torch(module, (3,))


def test_weights_are_those_of_the_model_and_not_of_another_with_the_same_layers():
    last = cnn.Dense(2, cnn.Dense(3, cnn.Input1D(4)))
    first = cnn.Model(last, random_seed=1)
    cnn.Model(last, random_seed=2)
    X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    converted = cnn.to_torch(first)(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(converted, first.forward(X), atol=1e-6)


def test_position_in_nested_modules():
    inner = nn.Sequential(nn.ReLU(), nn.ELU())
    with refuses(TypeError, "layer 1.1, ELU"):
        cnn.from_torch(nn.Sequential(nn.ReLU(), inner), (8, 8, 3))


@pytest.mark.parametrize("around", [(2, 0, 2, 0), (0, 1, 0, 0), (-1, -1, 0, 0)])
def test_padding_that_is_none_here(around):
    module = nn.Sequential(nn.ZeroPad2d(around), nn.Conv2d(1, 1, 3))
    with refuses(ValueError, "layer 1, Conv2d", "padding"):
        cnn.from_torch(module, (6, 6))


def test_same_padding_behind_padding():
    module = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(1, 1, 3, padding="same"))
    with refuses(ValueError, 'padding "same" behind ZeroPad2d', "give both as numbers"):
        cnn.from_torch(module, (6, 6))


def test_other_inputs_and_weights_that_do_not_fit():
    with refuses(ValueError, "layer 0, Linear", "(4, 2)", "for an input of 3; check input_shape"):
        cnn.from_torch(nn.Sequential(nn.Linear(4, 2)), (3,))
    with refuses(ValueError, "layer 1, Linear", "(4, 2)", "for an input of 12"):
        cnn.from_torch(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (2, 2, 3))
    with refuses(ValueError, "layer 0, Conv2d", "needs maps"):
        cnn.from_torch(nn.Sequential(nn.Conv2d(4, 2, 1, padding=1)), (3,))
    with refuses(ValueError, "the network ends in Flatten()", "end it in Dense"):
        cnn.from_torch(nn.Sequential(nn.Flatten()), (2, 2, 3))
    broken = nn.Sequential(nn.Linear(2, 2))
    broken[0].weight.data[0, 0] = torch.nan
    with refuses(ValueError, "layer 0, Linear", "weights must be finite"):
        cnn.from_torch(broken, (2,))


@pytest.mark.parametrize("layer", [cnn.Step(), cnn.Conv2D(2, 3, activation_function="step")])
def test_step_has_no_module(layer):
    model = cnn.Model([cnn.Input2D((5, 5)), cnn.ReLU(), layer])
    with refuses(ValueError, f"layer 2, {layer}, cannot", "'step'; use cnn.to_onnx"):
        cnn.to_torch(model)


def test_what_is_no_model_and_a_missing_package(monkeypatch):
    with refuses(TypeError, "model must be a cnn.Model, not Sequential"):
        cnn.to_torch(nn.Sequential())
    monkeypatch.setitem(sys.modules, "torch", None)
    for call in (lambda: cnn.to_torch(None), lambda: cnn.from_torch(None, (2,))):
        with pytest.raises(ImportError, match="_torch needs torch: pip install torch"):
            call()


# What conversions are for


def bright_and_dark():
    """Images of three classes, which differ in where they are bright."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    X = rng.normal(size=(200, 6, 6, 1)).astype(np.float32)
    X[np.arange(200), 2 * y] += 1
    return X, y


def test_evolution_starts_from_what_gradients_have_learned():
    X, y = bright_and_dark()
    torch.manual_seed(0)
    conv, dense = nn.Conv2d(1, 4, 3), nn.Linear(16, 3)
    module = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), dense)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    images, labels = torch.tensor(np.moveaxis(X, -1, 1)), torch.tensor(y)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(images), labels).backward()
        optimizer.step()
    model = cnn.from_torch(module, (6, 6, 1))
    learned = np.mean(outputs_of(module, X).argmax(axis=1) == y)
    assert learned > 0.8
    assert np.mean(model.predict(X) == y) == learned
    population = gacnn.GACNN(model, 8, spread=0.01, random_seed=0)
    scores = population.fitness(X, y, metric="accuracy")(population.population)
    assert scores[0] == learned
    assert scores.min() > learned - 0.1
    wanted = -nn.functional.cross_entropy(module(images), labels).item()
    found = population.train(X, y, num_generations=3, validation=None, verbose=False)
    assert found.model.log_proba(X)[np.arange(200), y].mean() > wanted - 0.02


def test_gradients_start_from_what_evolution_has_found():
    X, y = bright_and_dark()
    chain = [cnn.Input2D((6, 6)), cnn.Conv2D(4, 3), cnn.MaxPooling2D(2), cnn.Flatten()]
    model = cnn.Model([*chain, cnn.Dense(3, activation_function=None)], random_seed=0)
    population = gacnn.GACNN(model, 16, random_seed=0)
    best = population.train(X, y, num_generations=20, verbose=False).model
    module = cnn.to_torch(best)
    assert np.mean(outputs_of(module, X).argmax(axis=1) == y) == np.mean(best.predict(X) == y)
    images, labels = torch.tensor(np.moveaxis(X, -1, 1)), torch.tensor(y)
    optimizer = torch.optim.SGD(module.train().parameters(), lr=0.1)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(images), labels)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    naive.assert_close(losses[0], -best.log_proba(X)[np.arange(200), y].mean())
    assert losses[-1] < losses[0]
