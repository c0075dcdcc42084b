"""Recombination, blend and block crossover: beside naive ones."""

import math

import numpy as np
import pytest
from algorithms import KINDS, make, network, network_fitness, normal, sphere, stub
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import cnn
import gacnn
from gacnn.operators.crossover import blend, block_crossover, standardised

# Recombination


def naive_standardised(values):
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return [(value - mean) / spread if spread else 0 for value in values]


def naive_centre(kind, centre, parents, fitness, rate, decay):
    number = len(parents)
    if kind == "fitness":
        weights = [value / number for value in naive_standardised(fitness)]
    else:
        weights = [0.0] * number
        for rank, i in enumerate(sorted(range(number), key=lambda i: -fitness[i]), 1):
            weights[i] = math.log(number + 0.5) - math.log(rank) if kind == "log" else 1
        weights = [weight / sum(weights) for weight in weights]
    moved = []
    for gene, value in enumerate(centre):
        pull = sum(w * (parent[gene] - value) for w, parent in zip(weights, parents, strict=True))
        moved.append(value + rate * (pull - decay * value))
    return moved


@pytest.mark.filterwarnings("ignore:weights=.fitness. estimates")
@pytest.mark.parametrize("kind", ["log", "equal", "fitness"])
@pytest.mark.parametrize(("rate", "decay"), [(1.0, 0.0), (0.3, 0.2), (1.4, 0.01)])
def test_recombination_equals_a_naive_one(kind, rate, decay):
    operator = gacnn.WeightedRecombination(kind, rate, weight_decay=decay)
    population = normal(9, 5)
    chosen = [3, 0, 7, 4]
    fitness = np.array([3.0, 9.0, 9.0, 1.0, 2.0, -5.0, 0.0, 4.0, 1.0])
    ga = stub(population, chosen, last_generation_fitness=fitness)
    first = operator(population[chosen], (6, 5), ga)
    np.testing.assert_array_equal(first, population[[7] * 6])  # the best parent, no mean
    second = operator(population[chosen], (3, 5), ga)
    expected = naive_centre(kind, population[7], population[chosen], fitness[chosen], rate, decay)
    np.testing.assert_allclose(second, [expected] * 3, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(operator.centre, second[0])


def test_mean_of_the_parents_is_where_a_full_step_leads():
    operator = gacnn.WeightedRecombination("equal")
    operator.restore({"centre": normal(5, seed=1)})
    parents = normal(4, 5)
    np.testing.assert_allclose(
        operator(parents, (2, 5), stub(parents))[1], parents.mean(axis=0), atol=1e-6
    )


@pytest.mark.parametrize("number", [1, 2, 7])
def test_log_weights_fall_and_sum_to_one(number):
    weights = gacnn.WeightedRecombination().rank_weights(number)
    assert weights.sum() == pytest.approx(1)
    assert (np.diff(weights) < 0).all()
    assert (weights > 0).all()


@settings(max_examples=50)
@given(st.lists(st.floats(-1e3, 1e3, width=16), min_size=1, max_size=9))
def test_standardised_fitness(values):
    got = standardised(np.array(values))
    np.testing.assert_allclose(got, naive_standardised(values), atol=1e-4)


def test_infinite_fitness_counts_as_the_worst_finite_one():
    got = standardised(np.array([1.0, -np.inf, 5.0]))
    np.testing.assert_allclose(got, standardised(np.array([1.0, 1.0, 5.0])))
    np.testing.assert_array_equal(standardised(np.full(3, -np.inf)), np.zeros(3))
    np.testing.assert_array_equal(standardised(np.full(3, 2)), np.zeros(3))


def test_fitness_weights_do_not_see_a_shift_or_scale_of_fitness():
    parents, centre = normal(6, 4), normal(4, seed=1)
    centres = []
    for fitness in (np.arange(6.0), 1000 * np.arange(6.0) - 77):
        operator = gacnn.WeightedRecombination("fitness")
        operator.restore({"centre": centre})
        ga = stub(parents, last_generation_fitness=fitness)
        centres.append(operator(parents, (1, 4), ga)[0])
    np.testing.assert_allclose(*centres, rtol=1e-5)


@pytest.mark.parametrize("kind", ["log", "equal", "fitness"])
def test_order_of_the_parents_changes_nothing(kind):
    parents, fitness, order = normal(6, 4), np.arange(6.0), np.array([3, 5, 0, 1, 4, 2])
    centres = []
    for indices in (np.arange(6), order):
        operator = gacnn.WeightedRecombination(kind)
        operator.restore({"centre": np.zeros(4, np.float32)})
        ga = stub(parents, indices, last_generation_fitness=fitness)
        centres.append(operator(parents[indices], (1, 4), ga)[0])
    np.testing.assert_allclose(*centres, atol=1e-6)


def test_equal_fitness_leaves_the_centre():
    operator = gacnn.WeightedRecombination("fitness")
    operator.restore({"centre": np.ones(4, np.float32)})
    ga = stub(normal(6, 4), last_generation_fitness=np.full(6, 2.0))
    np.testing.assert_array_equal(operator(ga.population, (2, 4), ga), np.ones((2, 4)))


@pytest.mark.parametrize(
    ("parents", "num_offspring"), [([0, 1, 2], 6), ([0, 0, 1, 2, 3, 4], 6), (range(6), 5)]
)
def test_warning_where_fitness_weights_estimate_no_gradient(parents, num_offspring):
    population = normal(6, 4)
    ga = stub(population, parents)
    operator = gacnn.WeightedRecombination("fitness")
    with pytest.warns(UserWarning, match="give num_parents_mating=6, keep_elitism=0"):
        operator(population[parents], (num_offspring, 4), ga)
    operator(population[parents], (num_offspring, 4), ga)  # once is enough
    gacnn.WeightedRecombination("log")(population[parents], (num_offspring, 4), ga)


def test_decay_pulls_towards_zero():
    operator = gacnn.WeightedRecombination("fitness", 0.5, weight_decay=0.1)
    operator.restore({"centre": np.ones(4, np.float32)})
    ga = stub(normal(6, 4), last_generation_fitness=np.full(6, 2.0))
    np.testing.assert_allclose(operator(ga.population, (1, 4), ga), np.full((1, 4), 0.95))


@pytest.mark.parametrize(("progress", "decay"), [(0, 0.1), (0.5, 0.01), (1, 0.001)])
def test_decay_falls_during_the_run(progress, decay):
    operator = gacnn.WeightedRecombination(
        "fitness", 0.5, weight_decay=0.1, final_weight_decay=0.001
    )
    operator.restore({"centre": np.ones(4)})
    ga = stub(normal(6, 4), last_generation_fitness=np.full(6, 2.0), progress=progress)
    centre = operator(ga.population, (1, 4), ga)
    np.testing.assert_allclose(centre, np.full((1, 4), 1 - 0.5 * decay), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:weights=.fitness. estimates")
def test_recombination_stays_within_the_gene_space():
    operator = gacnn.WeightedRecombination("fitness", 100.0)
    population = np.clip(normal(8, 4), -1, 1)
    ga = stub(population, gene_space={"low": -1, "high": 1})
    for _ in range(5):
        centre = operator(population, (3, 4), ga)
        assert np.abs(centre).max() <= 1
    assert np.abs(operator.centre).max() <= 1


@KINDS
def test_offspring_before_mutation_are_one_centre(kind):
    seen = []
    ga = make(
        kind,
        crossover_type="recombination",
        mutation_type="gaussian",
        on_crossover=lambda ga, offspring: seen.append(offspring.copy()),
    )
    ga.run()
    assert all((offspring == offspring[0]).all() for offspring in seen)
    assert len(np.unique([offspring[0] for offspring in seen], axis=0)) == 5


# Blend


def test_blend_equals_a_naive_one():
    mothers, fathers, alpha = normal(3, 4), normal(3, 4, seed=1), 0.25
    got = blend(mothers, fathers, alpha, np.random.default_rng(5))
    draws = np.random.default_rng(5).random((3, 4), np.float32)
    for row in range(3):
        for gene in range(4):
            a, b = float(mothers[row, gene]), float(fathers[row, gene])
            share = -alpha + (1 + 2 * alpha) * float(draws[row, gene])
            assert got[row, gene] == pytest.approx((1 - share) * a + share * b, abs=1e-5)
    assert got.dtype == np.float32


@pytest.mark.parametrize("alpha", [0, 0.5, 2])
def test_blend_is_uniform_over_the_widened_interval(alpha):
    ones = np.ones((4000, 1))
    genes = blend(2 * ones, 6 * ones, alpha, np.random.default_rng(0))[:, 0]
    low, width = 2 - 4 * alpha, 4 * (1 + 2 * alpha)
    assert stats.kstest(genes, stats.uniform(low, width).cdf).pvalue > 1e-4


@settings(max_examples=30)
@given(st.integers(0, 99), st.floats(0, 3))
def test_blend_of_twins_is_the_twin(seed, alpha):
    parents = normal(3, 4, seed=seed)
    np.testing.assert_array_equal(blend(parents, parents, alpha, np.random.default_rng(0)), parents)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64])
def test_blend_of_integers_does_not_wrap(dtype):
    population = np.array([[100, 0, 120], [0, 100, 7]], dtype)
    offspring = gacnn.BlendCrossover(0)(population, (200, 3), stub(population))
    assert offspring.dtype == dtype
    assert (offspring.min(axis=0) >= [0, 0, 7]).all()
    assert (offspring.max(axis=0) <= [100, 100, 120]).all()
    assert len(np.unique(offspring[:, 0])) > 30
    wide = gacnn.BlendCrossover(5)(population, (200, 3), stub(population))
    assert wide.max() <= min(np.iinfo(dtype).max, 700)


# Blocks


def naive_blocks(model, whole_layers):
    """The block of each weight, by writing its number into the layers' own arrays."""
    numbered = model.with_weights(np.zeros(model.num_weights, np.float32))
    number = 0
    for layer in [each for each in numbered.weighted_layers if each.trainable]:
        weights, *bias = layer.trained
        units = weights.shape[1] if weights.ndim == 2 else weights.shape[0]
        for unit in range(units):
            if weights.ndim == 2:
                weights[:, unit] = number
            else:
                weights[unit] = number
            for array in bias:
                array[unit] = number
            number += not whole_layers
        number += whole_layers
    return numbered.weights


@pytest.mark.parametrize(
    ("operator", "whole"), [(gacnn.FilterCrossover(), False), (gacnn.LayerCrossover(), True)]
)
def test_blocks_of_a_network(operator, whole):
    model = network()
    blocks = operator.blocks(model)
    np.testing.assert_array_equal(blocks, naive_blocks(model, whole))
    assert blocks.max() + 1 == (4 if whole else 3 + 2 + 4 + 3)


def test_units_of_series_and_of_single_channels():
    series = cnn.Model([cnn.Input1D((5, 2)), cnn.Conv1D(2, 2)])
    assert gacnn.FilterCrossover().blocks(series).tolist() == [0] * 4 + [1] * 4 + [0, 1]
    each = cnn.Model([cnn.Input2D((3, 3, 2)), cnn.DepthwiseConv2D((1, 2))])
    assert gacnn.FilterCrossover().blocks(each).tolist() == [0, 1, 0, 1, 0, 1]
    assert gacnn.LayerCrossover().blocks(each).tolist() == [0] * 6


@pytest.mark.parametrize("kind", [gacnn.FilterCrossover, gacnn.LayerCrossover])
def test_whole_blocks_come_from_one_of_two_parents(kind):
    model = network()
    population = np.repeat(np.arange(4, dtype=np.float32)[:, None], model.num_weights, axis=1)
    operator = kind(model)
    offspring = operator(population, (50, model.num_weights), stub(population))
    blocks = operator.blocks(model)
    mixed = 0
    for row, child in enumerate(offspring):
        for block in range(blocks.max() + 1):
            values = np.unique(child[blocks == block])
            assert len(values) == 1
            assert values[0] in (row % 4, (row + 1) % 4)
        mixed += len(np.unique(child)) == 2
    assert mixed > 30


def test_block_crossover_tosses_a_fair_coin_for_each_block():
    blocks = np.array([0, 0, 1, 2, 2])
    zeros, ones = np.zeros((2000, 5)), np.ones((2000, 5))
    offspring = block_crossover(zeros, ones, blocks, np.random.default_rng(0))
    np.testing.assert_array_equal(offspring[:, [0, 3]], offspring[:, [1, 4]])
    cases = np.unique(offspring[:, [0, 2, 3]], axis=0, return_counts=True)[1]
    assert len(cases) == 8
    assert stats.chisquare(cases).pvalue > 1e-4


def test_block_crossover_takes_the_model_of_the_fitness_function():
    population = normal(4, network().num_weights)
    ga = stub(population, fitness_func=network_fitness())
    by_fitness = gacnn.FilterCrossover()(population, (6, population.shape[1]), ga)
    ga = stub(population, fitness_func=sphere)
    by_model = gacnn.FilterCrossover(network())(population, (6, population.shape[1]), ga)
    np.testing.assert_array_equal(by_fitness, by_model)
