"""Gaussian, self-adaptive and cumulative mutation: beside naive ones."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from algorithms import KINDS, PATHS, make, network, network_fitness, normal, sphere, stub
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import gacnn
from gacnn.operators.nesting import checked_counts, fan_in_scale, layer_slices, nested_counts
from gacnn.operators.noise import normal_noise
from gacnn.operators.operator import annealed
from gacnn.operators.run import run_of

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


# Nested noise

COUNTS = [(2, 2, 4, 16), (4, 4, 8, 16), (16, 16, 16, 16), (2, 4, 16, 16)]


def nested(counts, members, **options):
    """The noise of a nested mutation."""
    model = network()
    zeros = np.zeros((members, model.num_weights), np.float32)
    recombination = gacnn.WeightedRecombination("fitness")
    ga = stub(zeros, fitness_func=network_fitness(), crossover_type=recombination)
    mutated = gacnn.GaussianMutation(1, mirrored=True, nested=counts, **options)(zeros, ga)
    assert (zeros == 0).all()
    return mutated


def test_layers_lie_one_after_the_other():
    model = network()
    ends = [0, 27, 31, 107, 122]
    assert layer_slices(model) == [slice(*pair) for pair in itertools.pairwise(ends)]
    assert ends[-1] == model.num_weights


@pytest.mark.parametrize("counts", COUNTS)
def test_offspring_of_a_family_share_the_noise_of_a_layer(counts):
    noise = nested(counts, 16)
    for genes, count in zip(layer_slices(network()), counts, strict=True):
        versions = noise[:: 16 // count, genes]
        np.testing.assert_array_equal(noise[:, genes], np.repeat(versions, 16 // count, axis=0))
        assert len(np.unique(versions, axis=0)) == count
        np.testing.assert_array_equal(versions[1::2], -versions[::2])
    assert stats.kstest(np.unique(noise[:, -15:]), "norm").pvalue > 1e-4


@pytest.mark.parametrize("counts", COUNTS)
def test_what_other_layers_do_to_the_fitness_cancels(counts):
    noise = nested(counts, 16).astype(float)
    gradient = np.random.default_rng(0).normal(size=noise.shape[1])
    for genes, count in zip(layer_slices(network()), counts, strict=True):
        alone = np.zeros_like(gradient)
        shared = [
            (g, c) for g, c in zip(layer_slices(network()), counts, strict=True) if c == count
        ]
        for other, _ in shared:  # layers that change together are one block
            alone[other] = gradient[other]
        estimate, expected = (noise @ gradient) @ noise, (noise @ alone) @ noise
        np.testing.assert_allclose(estimate[genes], expected[genes], atol=1e-4)


def test_nested_noise_scales_by_fan_in_too():
    plain, scaled = nested((2, 4, 4, 8), 8), nested((2, 4, 4, 8), 8, scale="fan_in")
    np.testing.assert_allclose(scaled, plain * fan_in_scale(network()), rtol=1e-5)


def test_counts_are_chosen_by_weights_and_cost():
    # multiplications: 4 * 4 * 3 of 8 inputs, and 3 * 3 * 2 of 12 in the fixed layer behind it;
    # 3 * 3 * 2 of 2; 18 * 4; 4 * 3 and a sixteenth of all
    costs = [384 + 216, 36, 72, 12 + 720 / 16]
    ideal = [math.sqrt(size / cost) for size, cost in zip([27, 4, 76, 15], costs, strict=True)]
    np.testing.assert_allclose(64 * np.array(ideal) / ideal[-1], [26.5, 41.6, 128.2, 64], rtol=0.01)
    assert nested_counts(network(), 64) == (32, 32, 64, 64)


@given(st.integers(1, 80))
def test_chosen_counts_fit(quarter):
    counts = nested_counts(network(), 4 * quarter)
    assert checked_counts(counts, network(), 4 * quarter, mirrored=True) == counts


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((2, 4, 12), r"a count for each of the 4 trainable layers, not \(2, 4, 12\)"),
        ((2, 2, 4, 8), "end with the number of offspring, 12, not 8"),
        ((1, 2, 4, 12), r"nested\[0\] must be a multiple of 2, not 1: mirrored"),
        (
            (2, 4, 6, 12),
            r"nested\[2\] must be 4, as the one before, or a multiple of 8, not 6: mirrored",
        ),
        ((4, 2, 12, 12), r"nested\[1\] must be 4, .* not 2"),
    ],
)
def test_counts_that_do_not_fit(counts, message):
    with pytest.raises(ValueError, match=message):
        nested(counts, 12)


@pytest.mark.parametrize("value", [None, 8, 3.5, "ab", b"ab", (), [], {2: 4}])
def test_what_nested_is_not(value):
    with pytest.raises(ValueError, match="nested must be True, False, or how many versions"):
        gacnn.GaussianMutation(1, nested=value)


def test_nested_counts_are_whole_numbers():
    with pytest.raises(TypeError, match=r"nested\[1\] must be an integer"):
        gacnn.GaussianMutation(1, nested=(2, "4"))
    assert gacnn.GaussianMutation(1, nested=[2, 4]) == gacnn.GaussianMutation(1, nested=(2, 4))


@pytest.mark.parametrize("members", [1, 30, 31])
def test_offspring_that_cannot_be_divided(members):
    with pytest.raises(ValueError, match=f"4 divides, such as 32 or 64, not {members}: .*keep_eli"):
        nested(True, members)


def test_families_and_pairs_share_which_genes_are_disturbed():
    noise = nested((2, 4, 4, 8), 8, probability=0.5)
    for genes, count in zip(layer_slices(network()), (2, 4, 4, 8), strict=True):
        versions = noise[:: 8 // count, genes]
        np.testing.assert_array_equal(noise[:, genes], np.repeat(versions, 8 // count, axis=0))
        np.testing.assert_array_equal(versions[1::2], -versions[::2])
    assert stats.binomtest(np.count_nonzero(noise[::2, -91:]), 4 * 91, 0.5).pvalue > 1e-4


@KINDS
def test_a_run_with_nested_noise_learns(kind):
    fitness = network_fitness()
    ga = make(
        kind,
        num_generations=150,
        initial_population=[fitness.model.weights] * 16,
        fitness_func=fitness,
        fitness_batch_size=16 if kind is not gacnn.GA else None,
        num_parents_mating=16,
        keep_elitism=0,
        keep_parents=0,
        gene_type=np.float32,
        parent_selection_type="truncation",
        crossover_type=gacnn.WeightedRecombination("fitness"),
        mutation_type=gacnn.GaussianMutation(0.1, scale="fan_in", mirrored=True, nested=True),
    )
    before = float(fitness(fitness.model.weights[None])[0])
    ga.run()
    assert max(ga.last_generation_fitness) > before / 2


# Annealing


def test_annealed_values():
    for progress, expected in [(0, 2.0), (0.5, 0.2), (1, 0.02)]:
        assert annealed(2.0, 0.02, SimpleNamespace(progress=progress)) == pytest.approx(expected)
    assert annealed(2.0, None, SimpleNamespace(progress=0.5)) == 2.0
    plain = SimpleNamespace(generations_completed=5, num_generations=10)
    assert annealed(2.0, 0.02, run_of(plain)) == pytest.approx(0.2)
    plain = SimpleNamespace(generations_completed=30, num_generations=10)
    assert annealed(2.0, 0.02, run_of(plain)) == pytest.approx(0.02)
    plain = SimpleNamespace(generations_completed=0, num_generations=0)
    assert annealed(1, 4, run_of(plain)) == 1


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
    ga.run()
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
