"""The operators of evolution strategies: beside naive ones, and in both genetic algorithms."""

import math
from types import SimpleNamespace

import numpy as np
import pygad
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import cnn
import gacnn
from gacnn.crossover import blend, block_crossover, standardised
from gacnn.mutation import normal_noise
from gacnn.registry import OPERATORS, name_of, resolved
from gacnn.strategy import annealed, fan_in_scale, fit_to_space, space_bounds

KINDS = pytest.mark.parametrize("kind", [pygad.GA, gacnn.GA])
NAMES = [(setting, name) for setting, known in OPERATORS.items() for name in known]
MUTATIONS = list(OPERATORS["mutation_type"])
PATHS = ("csa", "separable")


def network():
    layers = [
        cnn.Input2D((5, 5, 2)),
        cnn.Conv2D(3, 2, activation_function="relu"),
        cnn.Conv2D(2, 2, trainable=False),
        cnn.Conv2D(2, 1, use_bias=False),
        cnn.Flatten(),
        cnn.Dense(4, activation_function="relu"),
        cnn.Dense(3, activation_function="softmax"),
    ]
    return cnn.Model(layers, random_seed=0)


def network_fitness():
    rng = np.random.default_rng(0)
    return gacnn.Fitness(network(), rng.random((12, 5, 5, 2)), rng.integers(0, 3, 12))


def sphere(ga, solution, index):
    return -float(np.square(np.asarray(solution, float) - 3).sum())


def make(kind=gacnn.GA, **changes):
    """A small GA; "csa" and "separable" recombine."""
    if "initial_population" not in changes:
        changes = {"sol_per_pop": 8, "num_genes": 6} | changes
    if getattr(changes.get("mutation_type"), "lower", str)() in PATHS:
        changes = {"crossover_type": "recombination"} | changes
    given = {
        "num_generations": 5,
        "num_parents_mating": 4,
        "fitness_func": sphere,
        "init_range_low": -1,
        "init_range_high": 1,
        "random_seed": 0,
        "suppress_warnings": True,
        **changes,
    }
    if kind is pygad.GA:
        given |= {name: resolved(name, given[name]) for name in OPERATORS.keys() & given.keys()}
    return kind(**given)


def stub(population, parents=None, **changes):
    """What an operator sees of a GA: by default all solutions are parents, the best one first."""
    population = np.asarray(population)
    number = len(population)
    indices = np.arange(number) if parents is None else np.asarray(parents)
    return SimpleNamespace(
        **{
            "population": population,
            "num_genes": population.shape[1],
            "gene_space": None,
            "numpy_random_generator": np.random.RandomState(0),
            "last_generation_fitness": np.arange(number, 0, -1.0),
            "last_generation_parents": population[indices],
            "last_generation_parents_indices": indices,
            "crossover_type": None,
            "mutation_type": None,
            "crossover_probability": None,
            "keep_elitism": 0,
            "keep_parents": 0,
            "generations_completed": 0,
            "num_generations": 10,
            "sort_solutions_nsga2": lambda fitness: np.argsort(-fitness, kind="stable").tolist(),
            **changes,
        }
    )


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# Every operator, by name and as an object


def needs(setting, name):
    changes = {setting: name}
    if name.lower() in ("filter", "layer"):
        changes |= {"fitness_func": network_fitness(), "num_genes": network().num_weights}
    return changes


@pytest.mark.parametrize(("setting", "name"), NAMES)
def test_operator_by_name_and_as_an_object(setting, name):
    by_name = make(**needs(setting, name.upper()))
    as_object = make(**needs(setting, name) | {setting: OPERATORS[setting][name]()})
    if name in PATHS:
        as_object = make(crossover_type="recombination", mutation_type=OPERATORS[setting][name]())
    for ga in (by_name, as_object):
        ga.run()
        assert ga.generations_completed == 5
    np.testing.assert_array_equal(by_name.population, as_object.population)
    assert name_of(getattr(by_name, setting)) == name


@pytest.mark.parametrize(("setting", "name"), NAMES)
def test_operator_in_plain_pygad(setting, name):
    ga = make(pygad.GA, **needs(setting, name), num_generations=8, gene_type=np.float32)
    first = ga.cal_pop_fitness().max()
    ga.run()
    assert ga.population.dtype == np.float32
    assert np.isfinite(ga.population).all()
    assert ga.last_generation_fitness.max() >= first  # the best one is kept


@pytest.mark.parametrize("name", ["gaussian", "mirrored", "self_adaptive", *PATHS])
@KINDS
def test_strategy_finds_the_top_of_a_hill(kind, name):
    ga = make(
        kind,
        num_generations=150,
        sol_per_pop=16,
        keep_elitism=0,
        keep_parents=0,
        parent_selection_type="truncation",
        crossover_type="recombination",
        mutation_type=name,
    )
    ga.run()
    assert ga.last_generation_fitness.max() > -1
    assert ga.best_solutions_fitness[0] < -30


def test_ga_makes_a_copy_of_an_operator():
    mutation = gacnn.SelfAdaptiveMutation()
    first, second = make(mutation_type=mutation), make(mutation_type=mutation)
    first.run()
    assert mutation.sigmas is None
    assert second.mutation_type.sigmas is None
    second.run()
    np.testing.assert_array_equal(first.population, second.population)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", MUTATIONS)
def test_type_of_the_genes_stays(name, dtype):
    ga = make(mutation_type=name, gene_type=dtype)
    ga.run()
    assert ga.population.dtype == dtype
    assert np.isfinite(ga.population).all()


# Selection


@pytest.mark.parametrize("objectives", [1, 2])
@KINDS
def test_truncation_chooses_as_sss(kind, objectives):
    def fitness(ga, solution, index):
        values = [solution[0] - solution[1], solution[2]]
        return values[0] if objectives == 1 else values

    ga = make(kind, fitness_func=fitness)
    scores = ga.cal_pop_fitness()
    parents, indices = gacnn.TruncationSelection()(scores, 3, ga)
    expected = ga.steady_state_selection(scores, 3)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_array_equal(parents, expected[0])
    parents[:] = 7  # a copy
    assert not (ga.population == 7).any()


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


def test_decay_pulls_towards_zero():
    operator = gacnn.WeightedRecombination("fitness", 0.5, weight_decay=0.1)
    operator.restore({"centre": np.ones(4, np.float32)})
    ga = stub(normal(6, 4), last_generation_fitness=np.full(6, 2.0))
    np.testing.assert_allclose(operator(ga.population, (1, 4), ga), np.full((1, 4), 0.95))


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


# Gaussian mutation


@settings(max_examples=30)
@given(st.integers(0, 9), st.integers(1, 5))
def test_mirrored_noise(rows, genes):
    noise = normal_noise((rows, genes), np.random.default_rng(0), mirrored=True)
    assert noise.shape == (rows, genes)
    assert noise.dtype == np.float32
    for pair in range(rows // 2):
        np.testing.assert_array_equal(noise[2 * pair + 1], -noise[2 * pair])
    drawn = np.random.default_rng(0).standard_normal(((rows + 1) // 2, genes), np.float32)
    np.testing.assert_array_equal(noise[::2], drawn)


def test_noise_is_standard_normal():
    for mirrored in (False, True):
        noise = normal_noise((6, 2000), np.random.default_rng(1), mirrored=mirrored)
        assert stats.kstest(noise[::2].ravel(), "norm").pvalue > 1e-4


@pytest.mark.parametrize("operator", [gacnn.GaussianMutation(0), gacnn.MirroredMutation(0)])
def test_sigma_0_returns_the_parent(operator):
    population = normal(5, 4)
    np.testing.assert_array_equal(operator(population, stub(population)), population)


def test_gaussian_mutation_has_its_sigma_and_leaves_its_input():
    zeros = np.zeros((4, 5000), np.float32)
    mutated = gacnn.GaussianMutation(0.3)(zeros, stub(zeros))
    assert (zeros == 0).all()
    assert stats.kstest(mutated.ravel() / 0.3, "norm").pvalue > 1e-4


def test_probability_is_the_share_of_disturbed_genes():
    zeros = np.zeros((4, 5000), np.float32)
    mutated = gacnn.GaussianMutation(1.0, probability=0.2)(zeros, stub(zeros))
    assert stats.binomtest(np.count_nonzero(mutated), zeros.size, 0.2).pvalue > 1e-4


def test_scale_multiplies_the_noise_of_each_gene():
    zeros, scale = np.zeros((6, 4), np.float32), np.array([0, 1, 10, 0.5])
    plain = gacnn.GaussianMutation(0.1)(zeros, stub(zeros))
    scaled = gacnn.GaussianMutation(0.1, scale=scale)(zeros, stub(zeros))
    np.testing.assert_allclose(scaled, plain * scale, rtol=1e-6)


def test_fan_in_scale_equals_a_naive_one():
    model = network()
    marked = model.with_weights(np.zeros(model.num_weights, np.float32))
    inputs = [2 * 2 * 2, 2, 2 * 3 * 3, 4]
    trained = [layer for layer in marked.weighted_layers if layer.trainable]
    for layer, fan_in in zip(trained, inputs, strict=True):
        for array in layer.trained:
            array[...] = 1 / math.sqrt(fan_in)
    expected = marked.weights / math.sqrt(np.mean(marked.weights.astype(float) ** 2))
    scale = fan_in_scale(model)
    np.testing.assert_allclose(scale, expected, rtol=1e-6)
    assert np.mean(scale.astype(float) ** 2) == pytest.approx(1)
    zeros = np.zeros((2, model.num_weights), np.float32)
    ga = stub(zeros, fitness_func=network_fitness())
    plain = gacnn.GaussianMutation(0.1)(zeros, stub(zeros))
    mutated = gacnn.GaussianMutation(0.1, scale="fan_in")(zeros, ga)
    np.testing.assert_allclose(mutated, plain * scale, rtol=1e-5)


# Annealing


def test_annealed_values():
    for progress, expected in [(0, 2.0), (0.5, 0.2), (1, 0.02), (3, 0.02)]:
        assert annealed(2.0, 0.02, SimpleNamespace(progress=progress)) == pytest.approx(expected)
    assert annealed(2.0, None, SimpleNamespace(progress=0.5)) == 2.0
    plain = SimpleNamespace(generations_completed=5, num_generations=10)
    assert annealed(2.0, 0.02, plain) == pytest.approx(0.2)
    assert annealed(1, 4, SimpleNamespace(generations_completed=0, num_generations=0)) == 1


@KINDS
def test_sigma_falls_over_the_run(kind):
    before, spreads = [], []
    ga = make(
        kind,
        num_generations=4,
        num_genes=3000,
        sol_per_pop=6,
        mutation_type=gacnn.GaussianMutation(1.0, 0.0001),
        on_crossover=lambda ga, offspring: before.append(offspring.copy()),
        on_mutation=lambda ga, offspring: spreads.append(np.std(offspring - before[-1])),
    )
    ga.run()
    np.testing.assert_allclose(spreads, [1, 0.1, 0.01, 0.001], rtol=0.05)


def test_every_run_is_annealed_anew():
    seen = []
    listen = gacnn.LambdaCallback(on_mutation=lambda ga, offspring: seen.append(ga.progress))
    ga = make(num_generations=4, callbacks=[listen])
    ga.run()
    ga.run()
    assert seen == [0, 0.25, 0.5, 0.75] * 2
    assert ga.progress == 1


def test_progress_follows_a_time_limit():
    ga = make(num_generations=10**9, callbacks=[gacnn.TimeLimit(0.2)])
    seen = []
    ga.on_mutation = lambda ga, offspring: seen.append(ga.progress)
    ga.run()
    assert seen == sorted(seen)
    assert 0 <= seen[0] < 1
    assert 0.5 < ga.progress <= 1


def test_learning_rate_falls_over_the_run():
    operator = gacnn.WeightedRecombination("fitness", 1.0, 0.01)
    parents, steps = normal(6, 4), []
    for progress in (0, 0.5, 1):
        operator.restore({"centre": np.zeros(4, np.float32)})
        centre = operator(parents, (1, 4), stub(parents, progress=progress))[0]
        steps.append(np.linalg.norm(centre))
    np.testing.assert_allclose(steps, steps[0] * np.array([1, 0.1, 0.01]), rtol=1e-4)


# Self-adaptation


@pytest.mark.parametrize(
    "kept",
    [
        {"keep_elitism": 2},
        {"keep_elitism": 0, "keep_parents": -1},
        {"keep_elitism": 0, "keep_parents": 2},
        {"keep_elitism": 0, "keep_parents": 0},
    ],
)
@pytest.mark.parametrize("selection", ["truncation", "tournament"])
@KINDS
def test_every_solution_takes_its_sigma_along(kind, kept, selection):
    mutation = gacnn.SelfAdaptiveMutation(learning_rate=0)
    ga = make(
        kind,
        mutation_type=mutation,
        parent_selection_type=selection,
        num_generations=1,
        crossover_type="uniform",
        **kept,
    )
    mutation = ga.mutation_type
    mutation.sigmas = np.linspace(0.1, 0.8, 8)
    for _ in range(4):
        sigmas, population = mutation.sigmas.copy(), ga.population.copy()
        parents = []
        ga.on_parents = lambda ga, _: parents.extend(ga.last_generation_parents_indices)  # noqa: B023 # called in this turn only
        ga.run()
        num_kept = len(population) - ga.num_offspring
        assert mutation.sigmas.shape == (8,)
        for row in range(num_kept):
            owners = (population == ga.population[row]).all(axis=1)
            assert mutation.sigmas[row] in sigmas[owners]
        inherited = [sigmas[parents[i % 4]] for i in range(ga.num_offspring)]
        np.testing.assert_array_equal(mutation.sigmas[num_kept:], inherited)


def test_children_are_disturbed_with_their_own_sigma():
    population = np.zeros((3, 5000), np.float32)
    operator = gacnn.SelfAdaptiveMutation(learning_rate=0)
    operator.restore({"sigmas": np.array([0.01, 0.1, 1.0])})
    mutated = operator(population, stub(population, [2, 0]))
    np.testing.assert_allclose(mutated.std(axis=1), [1, 0.01, 1], rtol=0.05)


def test_sigmas_are_log_normal_and_bounded():
    population = np.zeros((3000, 4), np.float32)
    operator = gacnn.SelfAdaptiveMutation(0.2, minimum=0)
    operator(population, stub(population))
    assert stats.kstest(np.log(operator.sigmas / 0.2) / 4**-0.5, "norm").pvalue > 1e-4
    operator = gacnn.SelfAdaptiveMutation(0.2, learning_rate=3.0, minimum=0.1)
    operator(population, stub(population))
    assert operator.sigmas.min() == 0.1


# Cumulative step-size adaptation and separable covariance, from the papers


class NaiveStrategy:
    """CSA with the constants of Hansen 2016, and the diagonal update of Ros & Hansen 2008."""

    def __init__(self, mean, sigma, separable):
        n = len(mean)
        self.m, self.sigma, self.separable = list(map(float, mean)), sigma, separable
        self.ps, self.pc, self.variance = [0.0] * n, [0.0] * n, [1.0] * n

    def tell(self, mean, ranked, w):
        n, m, old = len(self.m), self.m, self.sigma
        mu_eff = sum(w) ** 2 / sum(weight**2 for weight in w)
        c_s = (mu_eff + 2) / (n + mu_eff + 5)
        d_s = 1 + 2 * max(0, math.sqrt((mu_eff - 1) / (n + 1)) - 1) + c_s
        y = [(mean[i] - m[i]) / old for i in range(n)]
        factor = math.sqrt(c_s * (2 - c_s) * mu_eff)
        for i in range(n):
            z = y[i] / math.sqrt(self.variance[i])
            self.ps[i] = (1 - c_s) * self.ps[i] + factor * z
        length = math.sqrt(sum(p * p for p in self.ps))
        chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        self.sigma = old * math.exp(min(1, c_s / d_s * (length / chi - 1)))
        if self.separable:
            c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
            c_1 = min(1, (n + 2) / 3 * 2 / ((n + 1.3) ** 2 + mu_eff))
            c_mu = (n + 2) / 3 * 2 * (mu_eff - 2 + 1 / mu_eff) / ((n + 2) ** 2 + mu_eff)
            c_mu = min(1 - c_1, c_mu)
            for i in range(n):
                self.pc[i] = (1 - c_c) * self.pc[i]
                self.pc[i] += math.sqrt(c_c * (2 - c_c) * mu_eff) * y[i]
                rank_mu = sum(
                    weight * ((x[i] - m[i]) / old) ** 2 for weight, x in zip(w, ranked, strict=True)
                )
                self.variance[i] *= 1 - c_1 - c_mu
                self.variance[i] += c_1 * self.pc[i] ** 2 + c_mu * rank_mu
        self.m = list(map(float, mean))


@pytest.mark.parametrize("weights", ["log", "equal"])
@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(("genes", "num_parents"), [(6, 4), (1, 1), (3, 20)])
def test_paths_equal_a_naive_transcription(weights, separable, shuffled, genes, num_parents):
    recombination = gacnn.WeightedRecombination(weights)
    w = recombination.rank_weights(num_parents).tolist()
    mutation = (gacnn.SeparableMutation if separable else gacnn.CumulativeMutation)(0.3)
    rng = np.random.default_rng(0)
    population = normal(2 * num_parents, genes)
    naive = None
    for _ in range(8):
        fitness = rng.normal(size=len(population))
        ranked = np.argsort(-fitness)[:num_parents]
        indices = rng.permutation(ranked) if shuffled else ranked
        ga = stub(
            population, indices, last_generation_fitness=fitness, crossover_type=recombination
        )
        offspring = recombination(population[indices], population.shape, ga)
        if naive is None:
            naive = NaiveStrategy(offspring[0], 0.3, separable)
        else:
            naive.tell(offspring[0].astype(float), population[ranked].astype(float), w)
        population = mutation(offspring, ga)
        assert mutation.present_sigma == pytest.approx(naive.sigma, rel=1e-3)
        np.testing.assert_allclose(mutation.path, naive.ps, rtol=1e-3, atol=1e-4)
        if separable:
            np.testing.assert_allclose(mutation.variances, naive.variance, rtol=1e-3)
            np.testing.assert_allclose(mutation.variance_path, naive.pc, rtol=1e-3, atol=1e-4)


def test_cumulative_noise_has_the_present_sigma_and_variances():
    centre = np.zeros((4, 9000), np.float32)
    ga = stub(centre, crossover_type=gacnn.WeightedRecombination())
    first = gacnn.CumulativeMutation(0.3, mirrored=True)(centre, ga)
    assert first.std() == pytest.approx(0.3, rel=0.05)
    np.testing.assert_array_equal(first[1], -first[0])


@pytest.mark.parametrize("name", PATHS)
def test_sigma_shrinks_at_a_top_and_grows_on_a_slope(name):
    def slope(ga, solution, index):
        return float(np.sum(solution))

    sigmas = {}
    for fitness in (slope, sphere):
        ga = make(
            fitness_func=fitness,
            mutation_type=name,
            num_generations=100,
            sol_per_pop=12,
            parent_selection_type="truncation",
            keep_elitism=0,
            keep_parents=0,
        )
        ga.run()
        sigmas[fitness] = ga.mutation_type.present_sigma
    assert sigmas[slope] > 1
    assert sigmas[sphere] < 0.05


def test_separable_variances_follow_the_scale_of_the_genes():
    def ellipsoid(ga, solution, index):
        return -float(np.sum(np.array([1, 1, 1e4, 1e4]) * np.square(solution)))

    ga = make(
        fitness_func=ellipsoid,
        num_genes=4,
        sol_per_pop=12,
        num_parents_mating=6,
        mutation_type="separable",
        num_generations=150,
        parent_selection_type="truncation",
        keep_elitism=0,
        keep_parents=0,
    )
    ga.run()
    variances = ga.mutation_type.variances
    assert variances[:2].min() > 20 * variances[2:].max()


# Gene spaces


SPACES = [
    ([-2, -1, 0.5, 3], np.float32, [-2, -1, 0.5, 3]),
    (range(-3, 4), int, list(range(-3, 4))),
    (range(-3, 4), np.float32, list(range(-3, 4))),
    ({"low": -1, "high": 2, "step": 0.5}, np.float64, [-1, -0.5, 0, 0.5, 1, 1.5]),
    ({"low": -1, "high": 1}, np.float32, None),
    ({"low": -4, "high": 5}, np.int8, list(range(-4, 6))),
    (None, np.int16, list(range(-50, 50))),
]


@pytest.mark.parametrize(("space", "dtype", "allowed"), SPACES)
@pytest.mark.parametrize("name", MUTATIONS)
@KINDS
def test_genes_stay_in_the_gene_space(kind, name, space, dtype, allowed):
    mutation = OPERATORS["mutation_type"][name](2.0)
    crossover = "recombination" if name in PATHS else "blend"
    ga = make(
        kind, mutation_type=mutation, crossover_type=crossover, gene_space=space, gene_type=dtype
    )
    first = ga.population.copy()
    ga.run()
    assert ga.population.dtype == np.dtype(dtype)
    if allowed is None:
        assert ga.population.min() >= -1
        assert ga.population.max() <= 1
    else:
        assert np.isin(ga.population, allowed).all()
    assert (ga.population != first).any()


@pytest.mark.parametrize(
    ("space", "dtype", "genes", "expected"),
    [
        ([3, -1, 0], np.float32, [-9, -0.6, -0.4, 1.4, 1.6, 9], [-1, -1, 0, 0, 3, 3]),
        ([5], np.float64, [-9.0, 9.0], [5, 5]),
        (range(0, 10, 5), np.int64, [2.4, 2.6, 99], [0, 5, 5]),
        ({"low": 0, "high": 1, "step": 0.25}, np.float32, [0.3, 5, -5], [0.25, 0.75, 0]),
        ({"low": -1, "high": 1}, np.float32, [-2, 0.3, 2], [-1, 0.3, 1]),
        ({"low": 0.5, "high": 2.5}, np.int32, [-2, 1.4, 9], [1, 1, 2]),
        (None, np.uint8, [-3.2, 1.6, 300], [0, 2, 255]),
        (None, np.float16, [-3.25, 1.5], [-3.25, 1.5]),
    ],
)
def test_nearest_allowed_values(space, dtype, genes, expected):
    ga = stub(np.zeros((2, 2), dtype), gene_space=space)
    fitted = fit_to_space(np.array(genes), ga)
    assert fitted.dtype == dtype
    np.testing.assert_array_equal(fitted, np.array(expected, dtype))
    if space is not None:
        low, high = space_bounds(ga)
        assert low <= min(fitted)
        assert max(fitted) <= high


@settings(max_examples=50)
@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=6), st.lists(st.floats(-60, 60), min_size=1)
)
def test_nearest_value_is_nearest(space, genes):
    fitted = fit_to_space(np.array(genes), stub(np.zeros((1, 1)), gene_space=space))
    for gene, value in zip(genes, fitted, strict=True):
        assert value in space
        assert abs(value - gene) == min(abs(each - gene) for each in space)


@KINDS
def test_centre_of_a_finite_space_is_kept_exactly(kind):
    """Rounded, a small step of the centre would be lost in every generation."""
    seen = []
    ga = make(
        kind,
        gene_space=[-1, 0, 1],
        gene_type=np.float32,
        crossover_type=gacnn.WeightedRecombination("fitness", 0.1),
        mutation_type=gacnn.GaussianMutation(0.4),
        on_crossover=lambda ga, offspring: seen.append(offspring[0].copy()),
    )
    ga.run()
    assert np.isin(ga.population, [-1, 0, 1]).all()
    assert not np.isin(seen[-1], [-1, 0, 1]).all()


@KINDS
def test_centre_of_integers_is_rounded_not_cut_off(kind):
    population = np.full((8, 3), -7)
    population[:4] = [[2, 5, -3], [3, 5, -3], [3, 6, -4], [3, 5, -4]]
    ga = make(
        kind,
        fitness_func=lambda ga, solution, index: 1.0 if solution[0] > 0 else -9.0,
        initial_population=population,
        gene_type=int,
        parent_selection_type="truncation",
        crossover_type=gacnn.WeightedRecombination("equal"),
        mutation_type=gacnn.GaussianMutation(0),
        num_generations=1,
        keep_elitism=0,
        keep_parents=0,
    )
    ga.crossover_type.centre = np.zeros(3)
    ga.run()
    np.testing.assert_array_equal(ga.population, [[3, 5, -4]] * 8)  # of 2.75, 5.25, -3.5


@KINDS
def test_without_a_mutation_that_fits_the_centre_is_an_allowed_value(kind):
    ga = make(
        kind,
        gene_space=[-1, 0, 1],
        gene_type=np.float32,
        crossover_type="recombination",
        mutation_type=None,
    )
    ga.run()
    assert np.isin(ga.population, [-1, 0, 1]).all()


# Checkpoints


@pytest.mark.parametrize("name", MUTATIONS)
def test_killed_run_goes_on_with_the_state_of_its_operators(tmp_path, name):
    extra = {"final_sigma": 0.01} if name in ("gaussian", "mirrored") else {}
    plug = []

    def pull(ga):
        if plug and ga.generations_completed == 4:
            raise KeyError(plug.pop())

    given = {
        "num_generations": 9,
        "crossover_type": gacnn.WeightedRecombination("log", 1.0, 0.5, weight_decay=0.01),
        "mutation_type": OPERATORS["mutation_type"][name](0.2, **extra),
        "parent_selection_type": "truncation",
        "on_generation": pull,
    }
    average = gacnn.WeightAverage()
    whole = make(**given, callbacks=[average])
    whole.run()
    plug.append("out")
    checkpoint = gacnn.Checkpoint(tmp_path / "c")
    with pytest.raises(KeyError):
        make(**given, callbacks=[gacnn.WeightAverage(), checkpoint]).run()
    again = gacnn.WeightAverage()
    rest = gacnn.resume(
        tmp_path / "c", fitness_func=sphere, on_generation=pull, callbacks=[again, checkpoint]
    )
    assert rest.generations_completed == 3
    rest.run()
    np.testing.assert_array_equal(rest.population, whole.population)
    np.testing.assert_array_equal(again.solution, average.solution)
    for before, after in zip(whole.operators(), rest.operators(), strict=True):
        assert type(before) is type(after)
        assert before.settings() == after.settings()
        for key, value in before.state().items():
            np.testing.assert_array_equal(after.state()[key], value)


def test_checkpoint_of_another_operator_says_what_differs(tmp_path):
    settings = {"mutation_type": gacnn.GaussianMutation(0.2), "callbacks": []}
    make(**settings | {"callbacks": [gacnn.Checkpoint(tmp_path / "c")]}).run()
    with pytest.raises(ValueError, match=r"mutation_type was .*0\.2.* and is .*0\.3"):
        gacnn.resume(tmp_path / "c", fitness_func=sphere, mutation_type=gacnn.GaussianMutation(0.3))


def test_operator_without_a_name_cannot_be_kept(tmp_path):
    class Mine(gacnn.GaussianMutation):
        pass

    ga = make(mutation_type=Mine(), callbacks=[gacnn.Checkpoint(tmp_path / "c")])
    with pytest.raises(TypeError, match="has no name, so a checkpoint cannot keep it"):
        ga.run()
    make(mutation_type=Mine()).run()


# WeightAverage


def test_weight_average_equals_a_naive_one():
    populations = []

    class Record(gacnn.Callback):
        def on_generation(self, ga):
            populations.append(ga.population.mean(axis=0))

    average = gacnn.WeightAverage(share=0.25)
    ga = make(num_generations=12, mutation_type="gaussian", callbacks=[Record(), average])
    ga.run()
    expected = populations[0]
    for number, present in enumerate(populations[1:], 1):
        weight = 1 / (1 + 0.25 * number)
        expected = (1 - weight) * expected + weight * present
    np.testing.assert_allclose(average.solution, expected, rtol=1e-6)


def test_weight_average_takes_the_place_of_the_worst_with_its_fitness():
    before = []

    class Before(gacnn.Callback):
        def finish(self, ga):
            before.append((ga.population.copy(), ga.last_generation_fitness.copy()))

    average = gacnn.WeightAverage()
    ga = make(mutation_type="gaussian", callbacks=[Before(), average])
    ga.run()
    population, fitness = before[0]
    worst = fitness.argmin()
    population[worst], fitness[worst] = average.solution, sphere(None, average.solution, 0)
    np.testing.assert_array_equal(ga.population, population)
    np.testing.assert_allclose(ga.last_generation_fitness, fitness)


def test_share_1_is_the_mean_of_populations_with_falling_weights():
    average = gacnn.WeightAverage(share=1)
    for value in (1.0, 2.0, 6.0):
        average.on_generation(stub(np.full((3, 2), value)))
    np.testing.assert_allclose(average.solution, [3, 3])  # all generations alike


def test_weight_average_fits_the_gene_space():
    average = gacnn.WeightAverage()
    ga = make(gene_space=[-1, 0, 1], gene_type=int, mutation_type="gaussian", callbacks=[average])
    ga.run()
    assert np.isin(average.solution, [-1, 0, 1]).all()
    assert average.solution.dtype == ga.population.dtype


@pytest.mark.parametrize("share", [0, -1, 1.5, np.nan])
def test_bad_share(share):
    with pytest.raises(ValueError, match=r"share must be .*, not"):
        gacnn.WeightAverage(share)


# Bad input


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "message"),
    [
        (gacnn.WeightedRecombination, {"weights": "rank"}, ValueError, "weights.*'log'.*'rank'"),
        (gacnn.WeightedRecombination, {"learning_rate": -1}, ValueError, "learning_rate.*-1"),
        (
            gacnn.WeightedRecombination,
            {"final_learning_rate": 0},
            ValueError,
            "final_learning_rate must be above 0, not 0",
        ),
        (gacnn.WeightedRecombination, {"weight_decay": -0.1}, ValueError, "weight_decay.*-0.1"),
        (gacnn.BlendCrossover, {"alpha": -0.5}, ValueError, "alpha must be at least 0, not -0.5"),
        (gacnn.BlendCrossover, {"alpha": "wide"}, TypeError, "alpha must hold real numbers"),
        (gacnn.GaussianMutation, {"sigma": -1}, ValueError, "sigma must be at least 0, not -1"),
        (gacnn.GaussianMutation, {"sigma": np.nan}, ValueError, "sigma must be a finite number"),
        (gacnn.GaussianMutation, {"sigma": 0, "final_sigma": 0.1}, ValueError, "sigma.*above 0"),
        (gacnn.GaussianMutation, {"final_sigma": -1}, ValueError, "final_sigma.*not -1"),
        (gacnn.GaussianMutation, {"probability": 0}, ValueError, "probability.*not 0"),
        (gacnn.GaussianMutation, {"probability": 1.1}, ValueError, "probability.*not 1.1"),
        (gacnn.GaussianMutation, {"scale": "fan"}, ValueError, "scale.*'fan_in', not 'fan'"),
        (gacnn.GaussianMutation, {"scale": [[1.0]]}, ValueError, r"scale.*genes.*not \(1, 1\)"),
        (gacnn.GaussianMutation, {"scale": [np.inf]}, ValueError, "scale must be finite"),
        (gacnn.SelfAdaptiveMutation, {"sigma": 0}, ValueError, "sigma must be above 0, not 0"),
        (gacnn.SelfAdaptiveMutation, {"learning_rate": -1}, ValueError, "learning_rate.*-1"),
        (gacnn.SelfAdaptiveMutation, {"minimum": -1}, ValueError, "minimum.*-1"),
        (gacnn.CumulativeMutation, {"sigma": 0}, ValueError, "sigma must be above 0, not 0"),
        (gacnn.SeparableMutation, {"sigma": -1}, ValueError, "sigma must be at least 0, not -1"),
    ],
)
def test_bad_arguments(kind, arguments, error, message):
    with pytest.raises(error, match=message):
        kind(**arguments)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"mutation_type": gacnn.GaussianMutation},
            TypeError,
            r"mutation_type must be an operator, not its class: write GaussianMutation\(…\)",
        ),
        (
            {"crossover_type": gacnn.GaussianMutation()},
            TypeError,
            "crossover_type cannot be GaussianMutation.*which is for mutation_type",
        ),
        (
            {"parent_selection_type": gacnn.BlendCrossover()},
            TypeError,
            "parent_selection_type cannot be BlendCrossover.*which is for crossover_type",
        ),
    ],
)
def test_operator_in_the_wrong_place(changes, error, message):
    with pytest.raises(error, match=message):
        make(**changes)


TWO_OBJECTIVES = {
    "fitness_func": lambda ga, solution, index: [solution[0], solution[1]],
    "parent_selection_type": "nsga2",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"crossover_type": "uniform", "mutation_type": gacnn.CumulativeMutation()},
            "CumulativeMutation needs crossover_type=\"recombination\", not 'uniform'",
        ),
        (
            {
                "crossover_type": gacnn.WeightedRecombination("fitness"),
                "mutation_type": "separable",
            },
            'SeparableMutation needs weights="log" or "equal"',
        ),
        (
            {"crossover_type": "recombination", **TWO_OBJECTIVES},
            'needs one objective, not 2: choose another crossover_type, such as "uniform"',
        ),
        ({"crossover_type": "filter"}, "FilterCrossover needs the layers.*give it model=…"),
        ({"crossover_type": "layer"}, "LayerCrossover needs the layers.*GACNN.fitness"),
        (
            {"crossover_type": gacnn.FilterCrossover(network())},
            "model has .* trainable weights, but solutions 6 genes",
        ),
        (
            {"mutation_type": gacnn.GaussianMutation(scale=[1.0, 2.0])},
            "scale must have a factor for each of 6 genes",
        ),
        (
            {"mutation_type": gacnn.GaussianMutation(scale="fan_in")},
            "GaussianMutation needs the layers",
        ),
        (
            {"mutation_type": "gaussian", "gene_type": [float, int, float, int, float, int]},
            "gene_type must be one type for all genes",
        ),
        (
            {"mutation_type": "gaussian", "gene_space": [[0, 1]] * 3 + [[5, 6]] * 3},
            "gene_space must be the same for all genes",
        ),
        (
            {"crossover_type": "recombination", "gene_space": [{"low": 0, "high": 1}] * 6},
            "gene_space must be the same for all genes",
        ),
    ],
)
@KINDS
def test_settings_that_an_operator_cannot_work_with(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        make(kind, **changes).run()


@pytest.mark.parametrize("mutation", ["csa", "separable"])
def test_learning_rate_does_not_shorten_the_path(mutation):
    sigmas = []
    for rate in (1.0, 0.3):
        ga = gacnn.GA(
            num_generations=2,
            num_parents_mating=6,
            initial_population=np.random.default_rng(0).normal(size=(12, 20)),
            fitness_func=lambda ga, solution, index: -float(np.square(solution).sum()),
            gene_type=np.float32,
            keep_elitism=0,
            keep_parents=0,
            parent_selection_type="truncation",
            crossover_type=gacnn.WeightedRecombination("log", rate),
            mutation_type=mutation,
            random_seed=0,
            suppress_warnings=True,
        )
        ga.run()
        sigmas.append(ga.mutation_type.present_sigma)
    assert sigmas[0] == pytest.approx(sigmas[1], rel=1e-5)
    assert sigmas[0] != pytest.approx(0.05)
