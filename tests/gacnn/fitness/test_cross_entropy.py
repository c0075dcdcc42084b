"""Softer cross-entropy against scipy's words in plain loops, and in a run."""

import pickle

import numpy as np
import pytest

import cnn
import gacnn
from gacnn.fitness.fitness import Fitness


def network(activation="softmax"):
    layers = [
        cnn.Input2D((6, 6, 1)),
        cnn.Conv2D(2, 3, activation_function="relu"),
        cnn.Flatten(),
        cnn.Dense(3, activation_function=activation),
    ]
    return cnn.Model(layers, random_seed=0)


def data(number=50):
    rng = np.random.default_rng(0)
    return rng.random((number, 6, 6, 1), np.float32), rng.integers(0, 3, number)


def population(model, members=7):
    rng = np.random.default_rng(1)
    return np.stack([model.draw_weights(rng) for _ in range(members)])


def by_hand(outputs, y, temperature, smoothing):
    """Minus the mean cross-entropy of logits (N, classes), image by image."""
    total = 0.0
    for logits, label in zip(outputs.astype(float), y, strict=True):
        exponentials = [np.exp(value / temperature) for value in logits]
        proba = [value / sum(exponentials) for value in exponentials]
        wanted = [smoothing / len(proba)] * len(proba)
        wanted[label] += 1 - smoothing
        total += sum(want * np.log(p) for want, p in zip(wanted, proba, strict=True))
    return total / len(y)


@pytest.mark.parametrize("temperature", [0.5, 1, 3])
@pytest.mark.parametrize("smoothing", [0, 0.2])
def test_scores_are_those_of_a_plain_loop(temperature, smoothing):
    model, (X, y) = network(), data()
    vectors = population(model)
    scores = Fitness(model, X, y, gacnn.CrossEntropy(temperature, smoothing))(vectors)
    plain = network(activation=None)
    expected = [
        by_hand(plain.with_weights(v).forward(X), y, temperature, smoothing) for v in vectors
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_nothing_softened_is_cross_entropy_bit_for_bit():
    model, (X, y) = network(), data()
    vectors = population(model)
    for sampling in ({}, {"batch_size": 20, "sampling": "importance", "random_seed": 3}):
        own, plain = (
            Fitness(model, X, y, metric, **sampling)(vectors)
            for metric in (gacnn.CrossEntropy(), "cross_entropy")
        )
        np.testing.assert_array_equal(own, plain)


def test_a_batch_by_importance_estimates_the_score_on_all():
    model, (X, y) = network(), data()
    vectors = population(model)
    fitness = Fitness(
        model,
        X,
        y,
        gacnn.CrossEntropy(2, 0.1),
        batch_size=25,
        sampling="importance",
        random_seed=0,
    )
    drawn = np.mean([fitness(vectors) for _ in range(400)], axis=0)
    np.testing.assert_allclose(drawn, fitness.full(vectors), rtol=0.02)


@pytest.mark.parametrize("temperature", [1, 3])
def test_the_sampler_learns_from_what_the_temperature_makes(temperature):
    model, (X, y) = network(), data()
    vectors = population(model)
    metric = gacnn.CrossEntropy(temperature)
    fitness = Fitness(model, X, y, metric, batch_size=len(X), sampling="importance", random_seed=0)
    fitness.draw(np.random.default_rng(0))
    fitness(vectors)
    chosen = fitness.batch.chosen
    fitness.sampler.advance()
    logits = np.stack([network(activation=None).with_weights(v).forward(X) for v in vectors])
    raised = np.exp(logits.astype(float) / temperature)
    proba = (raised / raised.sum(-1, keepdims=True))[:, np.arange(len(y)), y].mean(axis=0)
    np.testing.assert_allclose(fitness.sampler.errors[chosen], 1 - proba[chosen], rtol=1e-4)


def test_outputs_that_are_no_numbers_are_worst():
    model, (X, y) = network(), data()
    vectors = population(model, 3)
    vectors[1] = 1e30  # whose outputs are infinite
    for options in ({}, {"batch_size": 20, "sampling": "importance"}):
        scores = Fitness(model, X, y, gacnn.CrossEntropy(2, 0.1), **options)(vectors)
        assert scores[1] == -np.inf
        assert np.isfinite(scores[[0, 2]]).all()


def test_shards_score_as_one():
    model, (X, y) = network(), data()
    vectors = population(model, 8)
    options = {"batch_size": 20, "sampling": "importance", "random_seed": 1}
    whole = Fitness(model, X, y, gacnn.CrossEntropy(2, 0.1), **options)(vectors)
    cut = Fitness(model, X, y, gacnn.CrossEntropy(2, 0.1), shard=3, **options)(vectors)
    np.testing.assert_allclose(cut, whole, rtol=1e-5)


def test_training_draws_by_importance_and_resumes(tmp_path):
    X, y = data(400)

    def run(number, **options):
        population = gacnn.GACNN(network(), 8, random_seed=0)
        metric = gacnn.CrossEntropy(temperature=2, smoothing=0.1)
        return population.train(
            X,
            y,
            metric=metric,
            num_generations=number,
            crossover_type="uniform",  # with nothing that falls with the number of generations
            mutation_type="self_adaptive",
            patience=None,
            verbose=False,
            **options,
        )

    whole = run(8)
    assert whole.plan.sampling == "importance"
    run(4, checkpoint=tmp_path / "run.checkpoint")
    rest = run(8, checkpoint=tmp_path / "run.checkpoint", resume=True)
    np.testing.assert_array_equal(rest.model.weights, whole.model.weights)


def test_another_temperature_is_another_run():
    model, (X, y) = network(), data()
    one, other = (Fitness(model, X, y, gacnn.CrossEntropy(t)).fingerprint() for t in (1, 2))
    assert one != other


def test_it_is_a_value():
    metric = gacnn.CrossEntropy(2, 0.1)
    assert pickle.loads(pickle.dumps(metric)) == metric


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0}, "temperature must be above 0, not 0"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"smoothing": 1}, "smoothing must be below 1, not 1"),
        ({"smoothing": -0.1}, "smoothing"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        gacnn.CrossEntropy(**settings)
