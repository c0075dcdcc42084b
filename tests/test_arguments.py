"""Every wrong value of every public argument gets a ValueError or TypeError that names it.

Valid calls of all that is public; in each one argument after the other is replaced by things that
users give by mistake. What is accepted is right; what is refused must say which argument it was.
"""

import importlib.util
import inspect
import logging
import warnings

import numpy as np
import pytest

import cnn
import gacnn
from gacnn import augment, plots

WRONG = [
    None, True, 0, -1, 2, 1.5, -0.5, float("nan"), float("inf"), 10**30, 1j,
    "", "x", "auto", b"x", [], [1], [1, 2, 3, 4], ["x"], [[1], [1, 2]], (), (1, "x"), {}, {"a": 1},
    {1, 2}, range(3), slice(None), ..., object(), int, len, lambda: 0,
    np.array(5), np.zeros(0), np.zeros(3), np.full((2, 2), np.nan), np.array("x"),
    np.array([1, "a"], object), np.ma.masked_all(30), np.datetime64("2020-01-01"),
]  # fmt: skip

OTHER_NAMES = {  # what messages call an argument where they cannot know how it was given
    "last_layer": ("layer",),
    "class_weight": ("class_weight",),
    "checkpoint": ("path",),
    "validation": ("X", "y", "sample_weight"),
    "history": ("history",),
    "model": ("layers",),
    "settings": ("setting",),
    **dict.fromkeys(("sigma", "learning_rate", "final_learning_rate"), ("vectors",)),  # diverged
}


def network():
    layers = [cnn.Input2D((4, 4, 1)), cnn.Flatten(), cnn.Dense(3, activation_function="softmax")]
    return cnn.Model(layers, random_seed=0)


def convolution():
    layers = [cnn.Input2D((4, 4, 1)), cnn.Conv2D(2, 3), cnn.Flatten(), cnn.Dense(3)]
    return cnn.Model(layers, random_seed=0)


y = np.arange(30) % 3
X = np.random.default_rng(0).random((30, 4, 4, 1), np.float32)
MODEL = network()
VECTORS = np.stack([MODEL.weights] * 2)
POPULATION = gacnn.GACNN(MODEL, 6, random_seed=0)


def history():
    course = gacnn.History()
    course.restore({name: np.arange(5.0) for name in course})
    return course


def quick(**settings):
    """The arguments of a training that takes no time."""
    limits = {"num_generations": 1, "time_limit": 0.02}
    return {"X": X, "y": y, **limits, "verbose": False, **settings}


def train(**settings):
    return gacnn.GACNN(MODEL, 6, random_seed=0).train(**settings)


train.__signature__ = inspect.signature(POPULATION.train)


def operator(kind, setting, other=None):
    """A training with an operator of these settings, which are checked when it is made or used."""

    def call(**settings):
        chosen = {setting: kind(**settings), **(other or {})}
        return gacnn.GACNN(MODEL, 6, random_seed=0).train(**quick(**chosen))

    call.__signature__ = inspect.signature(kind)
    return call


def fitted(kind, target):
    """The fit of an estimator of these settings; its class is loaded when it is needed."""

    def call(**settings):
        chosen = {"num_generations": 1, "time_limit": 0.02, "num_solutions": 4, **settings}
        return getattr(gacnn, kind)(**chosen).fit(X, target)

    call.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
            for name in (*ESTIMATOR, *(["class_weight"] if kind == "CNNClassifier" else []))
        ]
    )
    return call


ESTIMATOR = (
    "layers", "input_shape", "num_solutions", "num_generations", "time_limit", "metric",
    "batch_size", "augment", "validation_fraction", "patience", "random_state", "n_jobs",
    "first_layer", "settings",
)  # fmt: skip


MIXED = {"crossover_type": "recombination", "keep_elitism": 0, "keep_parents": 0}

CALLS = {
    "Input2D": (cnn.Input2D, {"input_shape": (4, 4)}),
    "Input1D": (cnn.Input1D, {"num_inputs": 3}),
    "Conv2D": (cnn.Conv2D, {"num_filters": 2, "kernel_size": 3}),
    "Dense": (cnn.Dense, {"num_neurons": 2}),
    "DepthwiseConv2D": (cnn.DepthwiseConv2D, {"kernel_size": 3}),
    "Conv1D": (cnn.Conv1D, {"num_filters": 2, "kernel_size": 3}),
    "MaxPooling1D": (cnn.MaxPooling1D, {"pool_size": 2}),
    "AveragePooling1D": (cnn.AveragePooling1D, {"pool_size": 2}),
    "GlobalMaxPooling1D": (cnn.GlobalMaxPooling1D, {}),
    "GlobalAveragePooling1D": (cnn.GlobalAveragePooling1D, {}),
    "MaxPooling2D": (cnn.MaxPooling2D, {"pool_size": 2}),
    "AveragePooling2D": (cnn.AveragePooling2D, {"pool_size": 2}),
    "GlobalMaxPooling2D": (cnn.GlobalMaxPooling2D, {}),
    "Flatten": (cnn.Flatten, {}),
    "ReLU": (cnn.ReLU, {}),
    "LeakyReLU": (cnn.LeakyReLU, {}),
    "Standardization": (cnn.Standardization, {}),
    "Standardization.of": (cnn.Standardization.of, {"features": X}),
    "principal_components": (
        cnn.principal_components,
        {"features": X.reshape(30, 16), "number": 4},
    ),
    "patch_filters": (cnn.patch_filters, {"X": X, "size": 3, "number": 4}),
    "Model": (cnn.Model, {"last_layer": MODEL.layers}),
    "Model.forward": (MODEL.forward, {"X": X, "vectors": VECTORS}),
    "Model.log_proba": (MODEL.log_proba, {"X": X, "vectors": VECTORS}),
    "Model.predict": (MODEL.predict, {"data_inputs": X}),
    "Model.predict_proba": (MODEL.predict_proba, {"data_inputs": X}),
    "Model.feed_sample": (MODEL.feed_sample, {"sample": X[0]}),
    "Model.train": (network().train, {"train_inputs": X, "train_outputs": y}),
    "Model.update_weights": (network().update_weights, {"network_error": 0.5}),
    "Model.draw_weights": (MODEL.draw_weights, {"rng": np.random.default_rng(0)}),
    "layers_weights": (cnn.layers_weights, {"model": MODEL}),
    "layers_weights_as_vector": (cnn.layers_weights_as_vector, {"model": MODEL}),
    "layers_weights_as_matrix": (
        cnn.layers_weights_as_matrix,
        {"model": MODEL, "vector_weights": MODEL.weights},
    ),
    "update_layers_trained_weights": (
        cnn.update_layers_trained_weights,
        {"model": network(), "final_weights": cnn.layers_weights(MODEL)},
    ),
    "from_pygad": (cnn.from_pygad, {}),
    "Scale": (cnn.datasets.Scale, {}),
    "Scale.of": (cnn.datasets.Scale.of, {"pixels": X, "name": "pixels"}),
    "GACNN": (gacnn.GACNN, {"model": MODEL}),
    "GACNN.fitness": (POPULATION.fitness, {"X": X, "y": y}),
    "GACNN.train": (train, quick()),
    "GACNN.plan": (POPULATION.plan, {"X": X, "y": y}),
    "population_as_matrices": (
        gacnn.population_as_matrices,
        {"population_networks": [MODEL], "population_vectors": [MODEL.weights]},
    ),
    "population_as_vectors": (gacnn.population_as_vectors, {"population_networks": [MODEL]}),
    "Fitness": (gacnn.Fitness, {"model": MODEL, "X": X, "y": y}),
    "default_network": (
        gacnn.default_network,
        {"input_shape": (4, 4, 1), "num_classes": 2, "images": X},
    ),
    "fan_in_scale": (gacnn.fan_in_scale, {"model": MODEL}),
    "EarlyStopping": (gacnn.EarlyStopping, {"patience": 3}),
    "TimeLimit": (gacnn.TimeLimit, {"seconds": 3}),
    "WeightAverage": (gacnn.WeightAverage, {}),
    "History": (gacnn.History, {}),
    "RidgeHead": (gacnn.RidgeHead, {}),
    "with_ridge_head": (gacnn.with_ridge_head, {"model": MODEL, "X": X, "y": y}),
    "LambdaCallback": (gacnn.LambdaCallback, {}),
    "Checkpoint": (gacnn.Checkpoint, {"path": "checkpoint"}),
    "Shift": (augment.Shift, {"pixels": 1}),
    "CrossEntropy": (gacnn.CrossEntropy, {"temperature": 2.0, "smoothing": 0.1}),
    "GaussianMutation": (operator(gacnn.GaussianMutation, "mutation_type", MIXED), {}),
    "LogUniformMutation": (operator(gacnn.LogUniformMutation, "mutation_type"), {}),
    "SelfAdaptiveMutation": (operator(gacnn.SelfAdaptiveMutation, "mutation_type"), {}),
    "CumulativeMutation": (operator(gacnn.CumulativeMutation, "mutation_type"), {}),
    "SeparableMutation": (operator(gacnn.SeparableMutation, "mutation_type"), {}),
    "WeightedRecombination": (operator(gacnn.WeightedRecombination, "crossover_type"), {}),
    "BlendCrossover": (operator(gacnn.BlendCrossover, "crossover_type"), {}),
    "FilterCrossover": (operator(gacnn.FilterCrossover, "crossover_type"), {}),
    "LayerCrossover": (operator(gacnn.LayerCrossover, "crossover_type"), {}),
    "plots.fitness": (plots.fitness, {"history": history()}),
    "plots.diversity": (plots.diversity, {"history": history()}),
    "plots.pareto_front": (plots.pareto_front, {"fitness": np.eye(3, 2)}),
    "plots.confusion_matrix": (plots.confusion_matrix, {"y_true": y, "y_pred": y}),
    "plots.wrong_predictions": (plots.wrong_predictions, {"X": X, "y_true": y, "y_pred": y}),
    "plots.filters": (plots.filters, {"model": convolution()}),
    "plots.feature_maps": (plots.feature_maps, {"model": convolution(), "image": X[0]}),
    "CNNClassifier": (fitted("CNNClassifier", y), {}),
    "CNNRegressor": (fitted("CNNRegressor", y * 0.5), {}),
}
NEEDED = {"plots": "matplotlib", "CNN": "sklearn"}
FREE = {"logger", "self", "args", "kwargs", "rng"}  # PyGAD's, or whatever has the methods
if importlib.util.find_spec("torch") is None:
    FREE |= {"device"}  # an ImportError, whatever its value


def parameters(call):
    return [name for name in inspect.signature(call).parameters if name not in FREE]


def complaint(call, arguments, name, value):
    """What is wrong with how a call takes a wrong value; None where nothing is."""
    try:
        call(**{**arguments, name: value})
    except (ValueError, TypeError, OSError) as error:
        text = " ".join([str(error), *getattr(error, "__notes__", ())])
        known = (name, *OTHER_NAMES.get(name, ()))
        if any(each in text for each in known):
            return None
        return f"{name}={value!r}: not named by {type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 # whatever else comes is what is looked for
        return f"{name}={value!r}: {type(error).__name__}: {error}"
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", CALLS)
def test_wrong_values_are_named(what, tmp_path, monkeypatch):
    for prefix, package in NEEDED.items():
        if what.startswith(prefix):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    logging.disable(logging.CRITICAL)
    call, arguments = CALLS[what]
    try:
        wrong = [
            found
            for name in parameters(call)
            for value in WRONG
            if (found := complaint(call, arguments, name, value))
        ]
    finally:
        logging.disable(logging.NOTSET)
        close_figures()
    assert wrong == []


def close_figures():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from matplotlib import pyplot
        except ImportError:
            return
    pyplot.close("all")


def test_public_callables_are_all_tried():
    tried = {what.split(".")[0] for what in CALLS}
    untried = {
        "Callback", "Crossover", "Evaluator", "GA", "MetricError", "MirroredMutation", "Mutation",
        "LivePlot", "Plan", "ProgressBar", "Report", "Result", "Run", "Selection", "TorchEngine",
        "TruncationSelection", "resume",
        "Engine", "NumpyEngine", "Sigmoid", "Softmax", "SquareRoot", "Step", "Tanh",
        "GlobalAveragePooling2D", "from_keras", "from_torch", "to_keras", "to_onnx",
        "to_torch", "load",
    }  # fmt: skip
    public = {
        name
        for package in (cnn, gacnn)
        for name in package.__all__
        if callable(getattr(package, name))
    }
    assert public - untried - tried == set()
