"""Scores that the engine makes of outputs where they are, beside NumPy's."""

import networks
import numpy as np
import pytest

import cnn
import gacnn
from cnn.engines.reduction import Reduction, Total
from cnn.engines.torch import population
from cnn.engines.torch.engine import TorchEngine

torch = pytest.importorskip("torch")

CLASSES, IMAGES, MEMBERS = 4, 50, 6
ENGINE = TorchEngine("cpu")


def network(last="softmax", neurons=CLASSES):
    layers = [
        cnn.Input2D((7, 6, 2)),
        cnn.Conv2D(3, 3, activation_function="relu"),
        cnn.Flatten(),
        cnn.Dense(neurons, activation_function=last),
    ]
    return networks.filled(cnn.Model(layers, random_seed=0))


def data(model):
    rng = np.random.default_rng(1)
    X = networks.images_for(model, IMAGES)
    return X, rng.integers(0, model.num_classes, IMAGES), rng.random(IMAGES) + 0.1


def pair(model, X, y, metric, **settings):
    """The same fitness, on NumPy and on PyTorch."""
    return [
        gacnn.Fitness(model, X, y, metric, random_seed=3, engine=engine, **settings)
        for engine in ("numpy", ENGINE)
    ]


NAMES = ["cross_entropy", "accuracy", "balanced_accuracy", "f1_macro"]


@pytest.mark.parametrize("metric", [*NAMES, NAMES])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [None, 20])
@pytest.mark.parametrize("memory_limit", [50_000, 2**28])
def test_scores_of_labels(metric, weighted, batch_size, memory_limit):
    model = network()
    X, y, weights = data(model)
    numpy, reduced = pair(
        model,
        X,
        y,
        metric,
        batch_size=batch_size,
        memory_limit=memory_limit,
        sample_weight=weights if weighted else None,
    )
    vectors = networks.vectors_for(model, MEMBERS)
    for _ in range(2):
        expected = numpy(vectors)
        with reduced.session():
            np.testing.assert_allclose(reduced(vectors), expected, rtol=2e-6)
    np.testing.assert_allclose(reduced.full(vectors), numpy.full(vectors), rtol=2e-6)


@pytest.mark.parametrize("last", ["sigmoid", "softmax", None])
def test_scores_of_two_classes(last):
    model = network(last, 1 if last == "sigmoid" else 2)
    X, y, _ = data(model)
    vectors = networks.vectors_for(model, MEMBERS)
    for metric in NAMES:
        numpy, reduced = pair(model, X, y, metric)
        np.testing.assert_allclose(reduced(vectors), numpy(vectors), rtol=2e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_squares(weighted):
    model = network(None, 3)
    X, _, weights = data(model)
    y = np.random.default_rng(0).normal(size=(IMAGES, 3))
    numpy, reduced = pair(
        model, X, y, "mse", batch_size=11, sample_weight=weights if weighted else None
    )
    vectors = networks.vectors_for(model, MEMBERS)
    for _ in range(2):
        np.testing.assert_allclose(reduced(vectors), numpy(vectors), rtol=1e-6)


def test_a_sampler_learns_the_same_of_the_images():
    model = network()
    X, y, weights = data(model)
    both = pair(
        model, X, y, "cross_entropy", batch_size=15, sampling="importance", sample_weight=weights
    )
    vectors = networks.vectors_for(model, MEMBERS)
    for _ in range(5):
        numpy, reduced = (fitness(vectors) for fitness in both)
        np.testing.assert_allclose(reduced, numpy, rtol=2e-6)
    first, second = (fitness.sampler.state() for fitness in both)
    for name, learned in first.items():
        np.testing.assert_allclose(second[name], learned, rtol=1e-5)


@pytest.mark.parametrize("sampling", ["uniform", "importance"])
@pytest.mark.parametrize("smoothing", [0, 0.2])
def test_softer_cross_entropy(sampling, smoothing):
    model = network()
    X, y, _ = data(model)
    metric = gacnn.CrossEntropy(temperature=3, smoothing=smoothing)
    numpy, reduced = pair(model, X, y, metric, batch_size=15, sampling=sampling)
    vectors = networks.vectors_for(model, MEMBERS)
    for _ in range(3):
        np.testing.assert_allclose(reduced(vectors), numpy(vectors), rtol=2e-6)


def test_augmented_images_are_scored_too():
    model = network()
    X, y, _ = data(model)
    numpy, reduced = pair(
        model, X, y, "cross_entropy", batch_size=15, augment=gacnn.augment.Shift(1)
    )
    vectors = networks.vectors_for(model, MEMBERS)
    for _ in range(3):
        with reduced.session():
            np.testing.assert_allclose(reduced(vectors), numpy(vectors), rtol=2e-6)


def test_features_of_fixed_layers_are_scored_in_a_session_and_outside():
    layers = [
        cnn.Input2D((7, 6, 2)),
        cnn.Conv2D(3, 3, activation_function="relu", trainable=False),
        cnn.Flatten(),
        cnn.Dense(CLASSES, activation_function="softmax"),
    ]
    model = networks.filled(cnn.Model(layers, random_seed=0))
    X, y, _ = data(model)
    numpy, reduced = pair(model, X, y, "cross_entropy", batch_size=15)
    vectors = networks.vectors_for(model, MEMBERS)
    np.testing.assert_allclose(reduced(vectors), numpy(vectors), rtol=2e-6)
    with reduced.session():
        for _ in range(2):
            np.testing.assert_allclose(reduced(vectors), numpy(vectors), rtol=2e-6)


@pytest.mark.parametrize("metric", [*NAMES, ["accuracy", "cross_entropy"]])
@pytest.mark.parametrize("sampling", ["uniform", "importance"])
def test_a_network_whose_outputs_are_no_numbers_is_the_worst(metric, sampling):
    if sampling == "importance" and metric != "cross_entropy":
        return
    model = network(None)
    X, y, _ = data(model)
    both = pair(model, X, y, metric, batch_size=10, sampling=sampling)
    vectors = networks.vectors_for(model, MEMBERS)
    vectors[2] = 3e38
    with np.errstate(all="ignore"):
        numpy, reduced = (fitness(vectors) for fitness in both)
    assert np.isfinite(np.delete(reduced, 2, axis=0)).all()
    np.testing.assert_allclose(reduced, numpy, rtol=2e-6)


def test_several_metrics_share_one_forward_pass(monkeypatch):
    model = network()
    X, y, _ = data(model)
    calls, run = [], TorchEngine._evaluate
    monkeypatch.setattr(
        TorchEngine, "_evaluate", lambda *arguments: (calls.append(1), run(*arguments))
    )
    fitness = gacnn.Fitness(model, X, y, ["accuracy", "cross_entropy"], engine=ENGINE)
    assert fitness(networks.vectors_for(model, 3)).shape == (3, 2)
    assert len(calls) == 1


def test_the_first_of_equal_outputs_is_the_prediction():
    model = network(None)
    X, y, _ = data(model)
    numpy, reduced = pair(model, X, y, "accuracy")
    same = np.zeros((2, model.num_weights))
    np.testing.assert_array_equal(reduced(same), numpy(same))


def test_totals_do_not_depend_on_threads():
    model = network()
    X, y, weights = data(model)
    vectors = networks.vectors_for(model, 40)
    reduction = Reduction(Total.CONFUSION, y, weights, np.arange(30)[::-1])
    made = [
        model.reduce(X, vectors, reduction, engine=ENGINE, threads=threads, memory_limit=60_000)
        for threads in (1, 3)
    ]
    np.testing.assert_array_equal(*made)
    assert made[0].shape == (40, CLASSES, CLASSES)
    np.testing.assert_allclose(made[0].sum(axis=(1, 2)), weights[:30].sum())


def test_blocks_for_which_the_memory_does_not_do_leave_nothing_behind(monkeypatch):
    model = network()
    X, y, _ = data(model)
    vectors = networks.vectors_for(model, 3)
    reduction = Reduction(Total.HITS, y)
    calls, whole = [], population._Work.place

    def short(work, place):
        calls.append(place)
        if len(calls) == 3:
            raise torch.OutOfMemoryError
        whole(work, place)

    monkeypatch.setattr(population._Work, "place", short)
    limits = {"engine": ENGINE, "threads": 1}
    totals = model.reduce(X, vectors, reduction, memory_limit=50_000, **limits)
    assert len(calls) > 3
    expected = model.reduce(X, vectors, reduction, **limits)
    np.testing.assert_array_equal(totals, expected)


def test_only_some_images_of_a_session_are_shown(monkeypatch):
    model = network()
    X, y, _ = data(model)
    fitness = gacnn.Fitness(model, X, y, "accuracy", batch_size=7, engine=ENGINE)
    monkeypatch.setattr(cnn.Model, "check_images", None)  # those of a fitness were checked
    assert fitness(networks.vectors_for(model, 2)).shape == (2,)
