"""Batches drawn by how wrong the networks are: unbiased, remembered, the same after a resume."""

import numpy as np
import pytest

import cnn
import gacnn
from gacnn.fitness.sampling import ImportanceSampling


def sampler(errors, share=0.8):
    sampling = ImportanceSampling(len(errors), 3, share)
    sampling.note(np.arange(len(errors)), errors)
    sampling.advance()
    return sampling


def network():
    layers = [cnn.Input2D((6, 6, 1)), cnn.Conv2D(2, 3), cnn.Flatten(), cnn.Dense(3)]
    return cnn.Model(layers, random_seed=0)


def data(number=60):
    rng = np.random.default_rng(1)
    return rng.normal(size=(number, 6, 6, 1)), rng.integers(0, 3, number)


def test_images_come_as_often_as_their_errors_say():
    errors = np.array([0, 0.1, 0.5, 0.9, 0.02])
    expected = 0.2 / 5 + 0.8 * errors / errors.sum()
    sampling = sampler(errors)
    rng = np.random.default_rng(0)
    draws = [sampling.draw(rng, 4) for _ in range(4000)]
    counts = sum(np.bincount(chosen, minlength=5) for chosen, _ in draws) / (4000 * 4)
    np.testing.assert_allclose(counts, expected, atol=0.004)
    chosen, weights = draws[0]
    np.testing.assert_allclose(weights, 1 / (5 * expected[chosen]), rtol=1e-6)


def test_weighted_mean_is_that_of_all_images_and_varies_less():
    rng = np.random.default_rng(2)
    errors = rng.random(500) ** 20  # few images are wrong
    losses = errors * 3 + 0.01 * rng.random(500)
    sampling = sampler(errors)
    means = []
    for _ in range(3000):
        chosen, weights = sampling.draw(rng, 16)
        means.append((losses[chosen] * weights).mean())
    uniform = [losses[rng.choice(500, 16, replace=False)].mean() for _ in range(3000)]
    assert np.mean(means) == pytest.approx(losses.mean(), rel=0.02)
    assert np.std(means) < np.std(uniform) / 3


@pytest.mark.parametrize("errors", [np.zeros(7), np.full(7, 0.3)])
def test_equal_errors_are_an_even_draw(errors):
    chosen, weights = sampler(errors).draw(np.random.default_rng(0), 7)
    np.testing.assert_array_equal(chosen, np.arange(7))
    np.testing.assert_allclose(weights, 1, rtol=1e-6)


def test_what_is_noted_counts_from_the_next_batch_on():
    sampling = ImportanceSampling(4, 2)
    np.testing.assert_allclose(sampling.errors, 0.5)
    sampling.note(np.array([1, 3]), np.array([0.1, 0.9]))
    np.testing.assert_allclose(sampling.errors, 0.5)
    kept = sampling.state()
    sampling.advance()
    np.testing.assert_allclose(sampling.errors, [0.5, 0.1, 0.5, 0.9])
    sampling.reset()
    np.testing.assert_allclose(sampling.errors, 0.5)
    other = ImportanceSampling(4, 2)
    other.restore({**kept, "errors": np.array([0.5, 0.5, 0.5, 0.5], np.float32)})
    other.advance()
    np.testing.assert_allclose(other.errors, [0.5, 0.1, 0.5, 0.9])


def test_fitness_is_the_weighted_mean_and_its_errors_are_kept():
    model, (X, y) = network(), data()
    fitness = gacnn.Fitness(model, X, y, batch_size=20, sampling="importance")
    vectors = np.stack([model.weights * scale for scale in (0.5, 1, 2)])
    fitness.draw(np.random.default_rng(3))
    chosen, weights = fitness.batch.chosen, fitness.batch.weights
    scores = fitness(vectors)
    probability = np.exp(model.log_proba(X[chosen], vectors))[:, np.arange(20), y[chosen]]
    np.testing.assert_allclose(scores, (np.log(probability) * weights).mean(axis=1), rtol=1e-5)
    fitness.sampler.advance()
    expected = np.full(60, 2 / 3)
    expected[chosen] = 1 - probability.mean(axis=0)
    np.testing.assert_allclose(fitness.sampler.errors, expected, rtol=1e-4)


def test_batches_that_nobody_draws_follow_the_errors_too():
    model, (X, y) = network(), data(20)
    fitness = gacnn.Fitness(model, X, y, batch_size=20, sampling="importance", random_seed=0)
    for _ in range(2):
        fitness(model.weights[None])
    own = model.predict_proba(X)[np.arange(20), y]
    known = ~np.isclose(fitness.sampler.errors, 2 / 3)
    assert known.sum() > 10
    np.testing.assert_allclose(fitness.sampler.errors[known], 1 - own[known], rtol=1e-4)


def run(fitness, **options):
    population = gacnn.GACNN(fitness.model, 8, random_seed=0)
    ga = gacnn.GA(
        num_generations=6,
        num_parents_mating=4,
        initial_population=population.population,
        fitness_func=fitness,
        random_seed=0,
        suppress_warnings=True,
        **options,
    )
    ga.run()
    return ga


def importance():
    return gacnn.Fitness(network(), *data(), batch_size=10, sampling="importance")


def test_every_run_begins_anew():
    fitness = importance()
    first, second = run(fitness), run(fitness)
    np.testing.assert_array_equal(first.population, second.population)
    assert len(np.unique(fitness.sampler.errors)) > 10


def test_resumed_run_is_the_same(tmp_path):
    whole = run(importance())

    def stop(ga):
        return "stop" if ga.generations_completed == 3 else None

    run(importance(), on_generation=stop, callbacks=[gacnn.Checkpoint(tmp_path / "run")])
    ga = gacnn.resume(
        tmp_path / "run", fitness_func=importance(), on_generation=stop, num_generations=6
    )
    ga.on_generation = None
    ga.run()
    np.testing.assert_array_equal(ga.population, whole.population)
    np.testing.assert_array_equal(ga.last_generation_fitness, whole.last_generation_fitness)


def test_bad_input():
    model, (X, y) = network(), data()
    with pytest.raises(ValueError, match="sampling must be one of 'uniform', 'importance'"):
        gacnn.Fitness(model, X, y, batch_size=5, sampling="hard")
    with pytest.raises(ValueError, match="give a batch_size"):
        gacnn.Fitness(model, X, y, sampling="importance")
    for metric in ("accuracy", ["cross_entropy", "accuracy"]):
        with pytest.raises(ValueError, match='needs the metric "cross_entropy"'):
            gacnn.Fitness(model, X, y, metric, batch_size=5, sampling="importance")
    with pytest.raises(ValueError, match="share must be below 1"):
        ImportanceSampling(5, 2, share=1)
