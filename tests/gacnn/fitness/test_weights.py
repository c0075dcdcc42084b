"""Weights of samples: a sample of weight k counts as if it were there k times."""

import numpy as np
import pytest

import cnn
import gacnn
from gacnn.fitness.fitness import Fitness
from gacnn.fitness.metrics import METRICS

COUNTS = np.array([0, 1, 3] * 20)


def network(outputs=3):
    layers = [cnn.Input1D(4), cnn.Dense(5), cnn.Dense(outputs, activation_function="softmax")]
    return cnn.Model(layers, random_seed=1)


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 4)).astype(np.float32), rng.integers(0, 3, 60)


def population(model):
    rng = np.random.default_rng(1)
    return np.stack([model.draw_weights(rng) for _ in range(6)])


@pytest.mark.parametrize("metric", [*METRICS, ["accuracy", "cross_entropy"]])
def test_a_weight_is_a_repetition(metric):
    model, (X, y) = network(), data()
    y = np.eye(3)[y] if metric == "mse" else y
    weighted = Fitness(model, X, y, metric, sample_weight=COUNTS * 0.7)(population(model))
    repeated = Fitness(model, X.repeat(COUNTS, 0), y.repeat(COUNTS, 0), metric)(population(model))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)


def test_weights_of_classes():
    model, (X, y) = network(), data()
    vectors, balanced = population(model), Fitness(model, X, y, "balanced_accuracy")
    by_class = Fitness(model, X, y, "accuracy", class_weight="balanced")
    np.testing.assert_allclose(by_class(vectors), balanced(vectors))
    rare = Fitness(model, X, y, class_weight={2: 5.0})
    alike = Fitness(model, X, y, sample_weight=np.where(y == 2, 5, 1))
    np.testing.assert_array_equal(rare(vectors), alike(vectors))
    both = Fitness(model, X, y, class_weight={2: 5.0}, sample_weight=COUNTS)
    product = Fitness(model, X, y, sample_weight=np.where(y == 2, 5, 1) * COUNTS)
    np.testing.assert_allclose(both(vectors), product(vectors))


@pytest.mark.parametrize("sampling", ["uniform", "importance"])
def test_batches_estimate_the_weighted_mean(sampling):
    model, (X, y) = network(), data()
    weights = np.random.default_rng(3).exponential(size=60)
    fitness = Fitness(
        model, X, y, batch_size=15, sampling=sampling, sample_weight=weights, random_seed=0
    )
    vectors = population(model)
    mean = np.mean([fitness(vectors) for _ in range(800)], axis=0)
    np.testing.assert_allclose(mean, fitness.full(vectors), rtol=0.03)


def test_a_metric_of_ones_own_may_take_them():
    def weighted(outputs, y, sample_weight=None):
        return np.average(outputs.argmax(axis=1) == y, weights=sample_weight)

    model, (X, y) = network(), data()
    ours = Fitness(model, X, y, "accuracy", sample_weight=COUNTS)(population(model))
    own = Fitness(model, X, y, weighted, sample_weight=COUNTS)
    np.testing.assert_allclose(own(population(model)), ours)
    with pytest.raises(ValueError, match="sample_weight and class_weight have no meaning for"):
        Fitness(model, X, y, lambda outputs, y: 1.0, sample_weight=COUNTS)


def test_a_checkpoint_knows_them():
    model, (X, y) = network(), data()
    prints = [
        Fitness(model, X, y, sample_weight=weights).fingerprint()
        for weights in (None, np.ones(60), COUNTS)
    ]
    assert len({str(each) for each in prints}) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_weight": np.ones(59)}, "sample_weight must have the shape"),
        ({"sample_weight": -np.ones(60)}, "sample_weight must be at least 0"),
        ({"sample_weight": np.zeros(60)}, "sample_weight is zero for all"),
        ({"sample_weight": np.full(60, np.nan)}, "sample_weight must be finite"),
        ({"sample_weight": "balanced"}, "sample_weight must"),
        ({"class_weight": "balance"}, "did you mean 'balanced'"),
        ({"class_weight": {3: 1}}, "class_weight has a weight for 3"),
        ({"class_weight": {"cat": 1}}, "class_weight has a weight for 'cat'"),
        ({"class_weight": {0: -1}}, r"class_weight\[0\] must be at least 0"),
        ({"class_weight": {0: 0, 1: 0, 2: 0}}, "class_weight leaves no sample"),
        ({"class_weight": [1, 2, 3]}, "class_weight must be"),
    ],
)
def test_wrong_weights(arguments, message):
    X, y = data()
    with pytest.raises((TypeError, ValueError), match=message):
        Fitness(network(), X, y, **arguments)


def test_weights_of_classes_are_for_labels():
    X, y = data()
    with pytest.raises(ValueError, match="y must") as caught:
        Fitness(network(), X, np.eye(3)[y], "mse", class_weight="balanced")
    assert "class_weight is for class labels" in caught.value.__notes__[0]


@pytest.mark.parametrize("validation", ["auto", None, 0.3])
def test_training_with_weights_learns_the_rare_class(validation):
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.08).astype(int)
    X = (rng.normal(size=(400, 4)) + 0.8 * y[:, None]).astype(np.float32)

    def recall(**more):
        model = (
            gacnn.GACNN(network(2), 32, random_seed=0)
            .train(X, y, num_generations=60, validation=validation, verbose=False, **more)
            .model
        )
        return float(np.mean(model.predict(X[y == 1]) == 1))

    assert recall() + 0.2 < recall(class_weight="balanced")
    assert recall() + 0.2 < recall(sample_weight=np.where(y == 1, 12.0, 1.0))
