"""Metrics against scikit-learn and by hand; the fitness of populations; batches; bad input."""

import dataclasses
import functools

import numpy as np
import pytest

import cnn
from gacnn.fitness.fitness import Fitness
from gacnn.fitness.metrics import METRICS, MetricError


def network(outputs=3, activation="softmax", seed=0):
    layers = [
        cnn.Input2D((6, 6, 1)),
        cnn.Conv2D(2, 3, activation_function="relu"),
        cnn.Flatten(),
        cnn.Dense(outputs, activation_function=activation),
    ]
    return cnn.Model(layers, random_seed=seed)


def data(number=50, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((number, 6, 6, 1), np.float32), rng.integers(0, classes, number)


def population(model, members=7, seed=1):
    rng = np.random.default_rng(seed)
    return np.stack([model.draw_weights(rng) for _ in range(members)])


def by_hand(name, probabilities, y):
    labels = probabilities.argmax(axis=1)
    present = np.unique(y)
    if name == "accuracy":
        return np.mean(labels == y)
    if name == "balanced_accuracy":
        return np.mean([np.mean(labels[y == c] == c) for c in present])
    if name == "cross_entropy":
        return np.mean(np.log(probabilities[np.arange(len(y)), y]))
    scores = []
    for c in np.union1d(present, labels):
        both = np.sum((labels == c) & (y == c))
        scores.append(2 * both / (np.sum(labels == c) + np.sum(y == c)))
    return np.mean(scores)


@pytest.mark.parametrize("name", [name for name in METRICS if name != "mse"])
@pytest.mark.parametrize("classes", [2, 3])  # with 2, the last class of the network has no image
def test_metrics_of_labels(name, classes):
    model, (X, y) = network(), data(classes=classes)
    vectors = population(model)
    scores = Fitness(model, X, y, name)(vectors)
    expected = [by_hand(name, model.with_weights(v).forward(X).astype(float), y) for v in vectors]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_metrics_are_those_of_scikit_learn(classes):
    metrics = pytest.importorskip("sklearn.metrics")
    model, (X, y) = network(), data(classes=classes)
    vectors = population(model)
    scores = Fitness(model, X, y, ["balanced_accuracy", "f1_macro"])(vectors)
    labels = [model.with_weights(v).predict(X) for v in vectors]
    np.testing.assert_allclose(
        scores[:, 1], [metrics.f1_score(y, p, average="macro") for p in labels]
    )
    if classes == 3:
        np.testing.assert_allclose(
            scores[:, 0], [metrics.balanced_accuracy_score(y, p) for p in labels]
        )


def test_mse():
    model, (X, _) = network(outputs=2, activation=None), data()
    y = np.random.default_rng(3).random((50, 2))
    vectors = population(model)
    expected = [-np.mean((model.with_weights(v).forward(X) - y) ** 2) for v in vectors]
    np.testing.assert_allclose(Fitness(model, X, y, "mse")(vectors), expected, rtol=1e-5)
    single = network(outputs=1, activation=None)
    assert Fitness(single, X, y[:, 0], "mse")(population(single)).shape == (7,)


def test_cross_entropy_is_finite_where_probabilities_round_to_zero():
    model, (X, y) = network(), data()
    scores = Fitness(model, X, y)(1000 * population(model))
    assert np.isfinite(scores).all()
    assert scores.min() < -200


def test_single_sigmoid_is_two_classes():
    model, (X, y) = network(outputs=1, activation="sigmoid"), data(classes=2)
    vectors = population(model)
    p = np.stack([model.with_weights(v).forward(X)[:, 0] for v in vectors]).astype(float)
    expected = np.log(np.where(y == 1, p, 1 - p)).mean(axis=1)
    np.testing.assert_allclose(Fitness(model, X, y)(vectors), expected, rtol=1e-4)
    accuracy = Fitness(model, X, y, "accuracy")(vectors)
    np.testing.assert_allclose(accuracy, [np.mean((row > 0.5) == y) for row in p])


def test_callable_metric_sees_the_outputs_of_one_network():
    model, (X, y) = network(), data()
    vectors = population(model)

    def metric(outputs, targets):
        assert outputs.shape == (50, 3)
        return np.mean(outputs.argmax(axis=1) == targets)

    same = Fitness(model, X, y, "accuracy")(vectors)
    np.testing.assert_allclose(Fitness(model, X, y, metric)(vectors), same)
    names = np.array(["a", "b", "c"])[y]
    by_name = Fitness(
        model, X, names, lambda out, t: np.mean(np.array(list("abc"))[out.argmax(1)] == t)
    )
    np.testing.assert_allclose(by_name(vectors), same)


def test_several_metrics_are_objectives():
    model, (X, y) = network(), data()
    scores = Fitness(model, X, y, ["accuracy", "cross_entropy"])(population(model))
    assert scores.shape == (7, 2)
    np.testing.assert_array_equal(scores[:, 0], Fitness(model, X, y, "accuracy")(population(model)))


def in_parts(fitness):
    """The fitness, which holds the outputs of two networks at a time."""
    fitness.scorer = dataclasses.replace(fitness.scorer, output_bytes=2 * 50 * 3 * 4)
    return fitness


def test_parts_of_the_population_change_nothing():
    model, (X, y) = network(), data()
    whole = Fitness(model, X, y)(population(model))
    # BLAS cares for the row that a number is in
    np.testing.assert_allclose(in_parts(Fitness(model, X, y))(population(model)), whole, rtol=1e-6)


def test_batch_is_common_and_new_each_time():
    model, (X, y) = network(), data()
    fitness = Fitness(model, X, y, batch_size=20)
    fitness.draw(np.random.default_rng(5))
    images, targets, *_ = fitness.scorer.data(fitness.batch)
    rows = [np.flatnonzero((image == X).all(axis=(1, 2, 3)))[0] for image in images]
    assert len(set(rows)) == 20
    np.testing.assert_array_equal(targets, y[rows])
    vectors = population(model)
    expected = Fitness(model, images, targets)(vectors)
    np.testing.assert_array_equal(fitness(vectors), expected)
    np.testing.assert_array_equal(fitness(vectors), expected)
    fitness.draw(np.random.default_rng(6))
    assert not np.array_equal(fitness(vectors), expected)
    assert fitness.reevaluates
    np.testing.assert_array_equal(fitness.full(vectors), Fitness(model, X, y)(vectors))


def test_without_a_drawn_batch_each_call_takes_its_own():
    model, (X, y) = network(), data()
    fitness, vectors = Fitness(model, X, y, batch_size=20, random_seed=0), population(model)
    assert not np.array_equal(fitness(vectors), fitness(vectors))


def test_pygad_may_call_it():
    model, (X, y) = network(), data()
    fitness, vectors = Fitness(model, X, y), population(model)
    scores = fitness(vectors)
    np.testing.assert_array_equal(fitness(None, vectors, range(7)), scores)
    np.testing.assert_allclose(fitness(None, vectors[2].tolist(), 2), scores[2], rtol=1e-6)


def test_metric_that_fails_names_the_solution():
    model, (X, y) = network(), data()
    vectors = population(model)
    bad = model.with_weights(vectors[5]).forward(X)

    def broken(outputs, targets):
        if np.allclose(outputs, bad, atol=1e-6):
            raise KeyError("oops")
        return 1.0

    def nan(outputs, targets):
        return np.nan if np.allclose(outputs, bad, atol=1e-6) else 1.0

    with pytest.raises(MetricError, match=r"metric broken failed for solution 5: .*KeyError.*oops"):
        in_parts(Fitness(model, X, y, broken))(vectors)
    with pytest.raises(MetricError, match=r"metric nan failed for solution 5: it returned NaN"):
        in_parts(Fitness(model, X, y, nan))(vectors)


def test_a_metric_without_meaning_for_a_batch_says_so():
    model, (X, y) = network(), data()

    def of_many(outputs, targets):
        return 1.0 if len(targets) == len(y) else np.nan  # as of a batch that lacks a class

    vectors = population(model)
    assert Fitness(model, X, y, of_many)(vectors).tolist() == [1.0] * len(vectors)
    with pytest.raises(MetricError, match="a batch that lacks a class: batch_size=None takes all"):
        Fitness(model, X, y, of_many, batch_size=4)(vectors)


def overflowing(members=7):
    """Vectors of which number 5 gives NaN for every image."""
    vectors = population(network(), members)
    vectors[5] = 1e35
    return vectors


def count_of_right(outputs, y):
    return float(np.sum(outputs.argmax(axis=1) == y))


@pytest.mark.parametrize("metric", [*sorted(METRICS.keys() - {"mse"}), count_of_right])
@pytest.mark.parametrize("batch_size", [None, 20])
def test_networks_without_numbers_are_the_worst(metric, batch_size):
    X, y = data()
    fitness = Fitness(network(), X, y, metric, batch_size=batch_size, random_seed=0)
    fitness.draw(np.random.default_rng(0))
    vectors, others = overflowing(), np.arange(7) != 5
    scores = fitness(vectors)
    assert scores[5] == -np.inf
    np.testing.assert_allclose(scores[others], fitness(vectors[others]), rtol=1e-6)
    assert (in_parts(fitness)(overflowing()) == scores)[5]
    assert np.isfinite(Fitness(network(), X, y, [metric, metric])(vectors)).all()


def test_networks_without_numbers_know_no_image_for_importance_sampling():
    X, y = data()
    fitness = Fitness(network(), X, y, batch_size=20, sampling="importance")
    fitness.draw(np.random.default_rng(0))
    assert fitness(overflowing())[5] == -np.inf
    fitness.draw(np.random.default_rng(0))
    assert np.isfinite(fitness.sampler.errors).all()


def test_images_on_which_only_some_outputs_are_numbers():
    model, (X, y) = network(), data()
    X[3] = 3e38
    vectors = population(model)
    broken = ~np.isfinite(model.log_proba(X, vectors)).all(axis=(1, 2))
    assert 0 < broken.sum() < 7
    np.testing.assert_array_equal(Fitness(model, X, y, "accuracy")(vectors) == -np.inf, broken)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": np.zeros(49, int)}, ValueError, "y must have the shape"),
        ({"y": np.full(50, 3)}, ValueError, "whole numbers from 0 to 2"),
        ({"y": np.full(50, -1)}, ValueError, "whole numbers from 0 to 2"),
        ({"y": np.zeros((50, 1), int)}, ValueError, r"of a column take y\[:, 0\]"),
        ({"y": np.full(50, 0.5)}, ValueError, "whole numbers"),
        ({"y": np.full(50, "a")}, TypeError, "y must hold real numbers"),
        ({"X": np.zeros((50, 5, 6, 1))}, ValueError, "X must have the shape"),
        ({"X": np.full((50, 6, 6, 1), np.nan)}, ValueError, "X must be finite"),
        ({"batch_size": 51}, ValueError, "batch_size must be at most"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"metric": "acuracy"}, ValueError, "metric must be one of"),
        ({"metric": 3}, TypeError, "callable"),
        ({"metric": ["mse", "accuracy"]}, ValueError, "cannot mix"),
        ({"metric": "mse"}, ValueError, "y must have the shape"),
        ({"metric": []}, ValueError, "metric"),
    ],
)
def test_bad_input(change, error, message):
    X, y = data()
    arguments = {"X": X, "y": y, **change}
    with pytest.raises(error, match=message):
        Fitness(network(), **arguments)


def test_partial_is_known_by_its_function_and_arguments():
    def loss(outputs, y, power):
        return -float(np.abs(outputs).mean() ** power)

    model, (X, y) = network(), data()
    named = [Fitness(model, X, y, functools.partial(loss, power=p)).fingerprint() for p in (1, 2)]
    assert [each["metrics"] for each in named] == [
        ["partial(loss, power=1)"],
        ["partial(loss, power=2)"],
    ]


@pytest.mark.parametrize("metric", ["accuracy", "mse", lambda outputs, y: float(outputs.mean())])
def test_what_is_masked_is_refused(metric):
    model, (X, y) = network(), data()
    targets = np.eye(3)[y] if metric == "mse" else y
    with pytest.raises(ValueError, match="X is a masked array"):
        Fitness(model, np.ma.masked_greater(X, 0.5), targets, metric)
    with pytest.raises(ValueError, match="y is a masked array"):
        Fitness(model, X, np.ma.masked_equal(targets, 1), metric)


@pytest.mark.parametrize("metric", ["accuracy", "mse", lambda outputs, y: -float(y.mean())])
def test_targets_that_the_caller_changes_later(metric):
    model, (X, y) = network(), data()
    targets = np.eye(3, dtype=np.float32)[y] if metric == "mse" else y
    fitness, vectors = Fitness(model, X, targets, metric), population(model)
    before, known = fitness(vectors), fitness.fingerprint()
    targets[...] = 0
    np.testing.assert_array_equal(fitness(vectors), before)
    assert fitness.fingerprint() == known


def test_memory_limit(monkeypatch):
    model, (X, y) = network(), data()
    limits, run = [], cnn.NumpyEngine.run

    def spied(*values, memory_limit, **options):
        limits.append(memory_limit)
        run(*values, memory_limit=memory_limit, **options)

    monkeypatch.setattr(cnn.NumpyEngine, "run", spied)
    for metric in ("accuracy", "cross_entropy", lambda outputs, y: 0.0):
        Fitness(model, X, y, metric, memory_limit=12_345_678)(population(model))
    model.predict(X, memory_limit=12_345_678)
    model.predict_proba(X, memory_limit=12_345_678)
    assert limits == [12_345_678] * 5
    with pytest.raises(ValueError, match="memory_limit must be at least 1, not 0"):
        Fitness(model, X, y, memory_limit=0)
