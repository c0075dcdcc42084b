"""Noise of every scale: its distribution, its bounds, and a poor optimum that it leaves."""

import numpy as np
import pytest
from algorithms import stub
from scipy import stats

import gacnn
from gacnn.operators.log_uniform import log_uniform


def test_every_scale_is_as_frequent_as_another():
    sigmas = log_uniform(0.01, 4, 4000, np.random.default_rng(0))
    places = np.log(sigmas / 0.01) / np.log(4 / 0.01)
    assert stats.kstest(places, "uniform").pvalue > 1e-4
    assert sigmas.dtype == np.float32


def test_offspring_have_a_sigma_each():
    zeros = np.zeros((300, 2000), np.float32)
    mutated = gacnn.LogUniformMutation(4.0, 0.01, probability=1, wide=0)(zeros, stub(zeros))
    assert (zeros == 0).all()
    sigmas = mutated.std(axis=1)
    places = np.log(sigmas / 0.01) / np.log(4 / 0.01)
    assert stats.kstest(places, "uniform").pvalue > 1e-4
    assert stats.kstest((mutated / sigmas[:, None])[:20].ravel(), "norm").pvalue > 1e-4


@pytest.mark.parametrize(("generation", "least"), [(0, 4), (1, 0.2), (2, 0.01), (9, 0.01)])
def test_noise_is_wide_at_first(generation, least):
    zeros = np.zeros((300, 2000), np.float32)
    mutation = gacnn.LogUniformMutation(4.0, 0.01, probability=1, wide=0.2)
    run = stub(zeros, generations_completed=generation, num_generations=10)
    sigmas = mutation(zeros, run).std(axis=1)
    assert sigmas.max() == pytest.approx(4, rel=0.1)
    assert sigmas.min() == pytest.approx(least, rel=0.1)


def test_probability_is_the_share_of_disturbed_genes():
    zeros = np.zeros((4, 5000), np.float32)
    mutated = gacnn.LogUniformMutation(probability=0.2)(zeros, stub(zeros))
    assert stats.binomtest(np.count_nonzero(mutated), zeros.size, 0.2).pvalue > 1e-4


def test_one_scale_is_gaussian_mutation():
    zeros = np.zeros((4, 5000), np.float32)
    mutated = gacnn.LogUniformMutation(0.3, 0.3, probability=1)(zeros, stub(zeros))
    assert stats.kstest(mutated.ravel() / 0.3, "norm").pvalue > 1e-4


def test_it_leaves_a_poor_optimum_and_homes_in_on_the_better_one():
    class Two(gacnn.Evaluator):
        """A wide hill of height 1 at 0, and a narrow one of height 2 at 3."""

        def __call__(self, vectors):
            far = np.square(np.asarray(vectors)[..., None] - [0.0, 3.0]).sum(axis=1)
            return np.maximum(1 - far[:, 0] / 9, 2 - 5 * far[:, 1])

    def best(mutation):
        ga = gacnn.GA(
            num_generations=300,
            num_parents_mating=4,
            fitness_func=Two(),
            initial_population=np.zeros((16, 1)),
            parent_selection_type="tournament",
            K_tournament=2,
            crossover_type="uniform",
            mutation_type=mutation,
            suppress_warnings=True,
            random_seed=1,
        )
        ga.run()
        return ga.last_generation_fitness.max()

    wide = best(gacnn.LogUniformMutation())
    assert wide > 2 - 1e-5
    assert best(gacnn.GaussianMutation(0.003)) == 1  # never leaves the wide one


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sigma": 0}, "sigma must be above 0, not 0"),
        ({"least": 0}, "least must be above 0, not 0"),
        ({"sigma": 0.1, "least": 0.2}, "least must be at most sigma, 0.1, not 0.2"),
        ({"probability": 0}, "probability must be above 0 and at most 1, not 0"),
        ({"wide": 1.5}, "wide must be at most 1, not 1.5"),
        ({"wide": -1}, "wide"),
        ({"probability": 1.5}, "probability must be above 0 and at most 1, not 1.5"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        gacnn.LogUniformMutation(**settings)
