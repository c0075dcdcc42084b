"""Noise and passes over large populations: in blocks, by threads, beside naive ones."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import cnn
import gacnn
from cnn.engines.numpy.threads import available_threads
from gacnn.operators import blocks as module
from gacnn.operators import noise as noises
from gacnn.operators.blocks import (
    BLOCK,
    blocks,
    copies_of,
    differing,
    rows_of,
    threads_of,
    weighted_sum,
)
from gacnn.operators.noise import Versions, add_noise, normal_noise

LARGE = (64, BLOCK // 16)  # four blocks, or two of mirrored noise


@pytest.fixture
def small_blocks(monkeypatch):
    for each in (module, noises):
        monkeypatch.setattr(each, "BLOCK", 64)


@given(st.integers(0, 5000), st.integers(0, 10**6))
def test_blocks_cover_all_rows_in_order(length, width):
    covered = [row for block in blocks(length, width) for row in range(length)[block]]
    assert covered == list(range(length))
    assert all((b.stop - b.start - 1) * width <= BLOCK for b in blocks(length, width))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("probability", [1.0, 0.3])
def test_noise_is_the_same_for_any_number_of_threads(mirrored, probability):
    genes = np.random.default_rng(0).random(LARGE, np.float32)
    how = {"mirrored": mirrored, "probability": probability}
    one, two, five = (
        add_noise(genes, np.random.default_rng(1), [0.1], threads=threads, **how)
        for threads in (1, 2, 5)
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, five)


def test_noise_of_all_blocks_is_normal_and_differs():
    noise = normal_noise(LARGE, np.random.default_rng(2))
    for block in blocks(*LARGE):
        assert stats.kstest(noise[block].ravel()[:20_000], "norm").pvalue > 1e-4
    correlations = np.corrcoef(noise) - np.eye(len(noise))
    assert np.abs(correlations).max() < 6 / np.sqrt(LARGE[1])


def test_mirrored_noise_of_several_blocks_cancels():
    noise = normal_noise((65, LARGE[1]), np.random.default_rng(3), mirrored=True)
    np.testing.assert_array_equal(noise[1::2], -noise[:-1:2])
    assert len(np.unique(noise[:, 0])) == 65


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from([2, 4, 8])), min_size=1, max_size=4),
    st.booleans(),
    st.integers(1, 3),
    st.integers(0, 9),
)
def test_versions_are_shared_as_said(layers, mirrored, threads, seed):
    ends = np.cumsum([0, *(size for size, _ in layers)])
    versions = [
        Versions(slice(a, b), count)
        for a, b, (_, count) in zip(ends[:-1], ends[1:], layers, strict=True)
    ]
    genes = np.random.default_rng(seed).random((8, ends[-1]), np.float32)
    by_gene = np.random.default_rng(seed).random(ends[-1], np.float32) + np.float32(0.5)
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(module, "BLOCK", 64)
        patched.setattr(noises, "BLOCK", 64)
        disturbed = add_noise(
            genes,
            np.random.default_rng(seed),
            [np.float32(2), by_gene],
            mirrored=mirrored,
            versions=versions,
            threads=threads,
        )
    noise = (disturbed - genes) / (2 * by_gene)
    for columns, count, _ in versions:
        own = noise[:: 8 // count, columns]
        np.testing.assert_allclose(own.repeat(8 // count, axis=0), noise[:, columns], atol=1e-5)
        if mirrored:
            np.testing.assert_allclose(own[1::2], -own[::2], atol=1e-5)
        distinct = own[::2] if mirrored else own
        assert len(np.unique(distinct.round(4))) > 0.9 * distinct.size  # rounded, a few may meet


def test_each_member_has_a_factor_of_its_own(small_blocks):
    deviations = np.arange(20, dtype=np.float32)[:, None]
    noisy = add_noise(np.zeros((20, 9)), np.random.default_rng(4), [deviations], threads=2)
    drawn = add_noise(np.zeros((20, 9)), np.random.default_rng(4), threads=2)
    np.testing.assert_allclose(noisy, deviations * drawn, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 5), (40, 3), (1, 200), (0, 4)])
@pytest.mark.parametrize("threads", [1, 3])
def test_rows_copies_and_sums_beside_numpy(small_blocks, shape, threads):
    rng = np.random.default_rng(5)
    genes = rng.integers(-9, 9, shape).astype(np.float32)
    order = rng.permutation(shape[0])
    np.testing.assert_array_equal(rows_of(genes, order, threads), genes[order])
    row = genes.sum(axis=0)
    np.testing.assert_array_equal(copies_of(row, 6, threads), np.repeat(row[None], 6, axis=0))
    if len(genes):
        weights = rng.integers(-9, 9, shape[0]).astype(np.float32)
        genes[:, 0] = 1
        np.testing.assert_array_equal(weighted_sum(weights, genes, threads), weights @ genes)
        differ = (genes != genes[0]).any(axis=0)
        np.testing.assert_array_equal(differing(genes, threads), differ)


def test_operators_use_as_many_threads_as_the_fitness():
    model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)])
    X, y = np.zeros((4, 2)), [0, 1, 0, 1]

    def used(**settings):
        return threads_of(SimpleNamespace(evaluator=gacnn.Fitness(model, X, y, **settings)))

    assert [used(threads=1), used(threads=3)] == [1, 3]
    assert used() == used(threads=1, executor=ThreadPoolExecutor(1)) == available_threads()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_large_run_has_the_same_bits_with_any_number_of_threads(threads):
    class Sphere(gacnn.Evaluator):
        def __call__(self, vectors):
            return -np.rint(8 * vectors[:, :50]).sum(axis=1)

    class Known(Sphere):
        pass

    Known.threads = threads

    def run(fitness):
        ga = gacnn.GA(
            num_generations=3,
            num_parents_mating=64,
            fitness_func=fitness,
            initial_population=np.zeros((64, BLOCK // 16), np.float32),
            gene_type=np.float32,
            keep_elitism=0,
            keep_parents=0,
            parent_selection_type="truncation",
            crossover_type=gacnn.WeightedRecombination("fitness", 0.5, weight_decay=0.01),
            mutation_type=gacnn.GaussianMutation(0.1, mirrored=True),
            random_seed=0,
        )
        ga.run()
        return ga.population

    np.testing.assert_array_equal(run(Known()), run(Sphere()))


# No copies of what is new


class Reusing(gacnn.Mutation):
    """Writes all offspring to the same array."""

    def mutate(self, offspring, run):
        if not hasattr(self, "own"):
            self.own = np.empty_like(offspring)
        np.add(offspring, 1, out=self.own)
        return self.own


class InPlace(gacnn.Mutation):
    """Changes the offspring that it is given."""

    def mutate(self, offspring, run):
        offspring += 1
        return offspring


def steps(mutation, **settings):
    return gacnn.GA(
        num_generations=3,
        num_parents_mating=6,
        fitness_func=lambda ga, solution, index: float(solution.sum()),
        initial_population=np.arange(120, dtype=np.float32).reshape(6, 20),
        gene_type=np.float32,
        parent_selection_type="truncation",
        crossover_type="recombination",
        mutation_type=mutation,
        random_seed=0,
        **settings,
    )


@pytest.mark.parametrize("settings", [{"keep_elitism": 0, "keep_parents": 0}, {"keep_elitism": 2}])
def test_arrays_that_operators_keep_are_copied(settings):
    populations = []
    reusing = steps(
        Reusing(), on_generation=lambda ga: populations.append(ga.population), **settings
    )
    reusing.run()
    in_place = steps(InPlace(), **settings)
    in_place.run()
    np.testing.assert_array_equal(reusing.population, in_place.population)
    assert all(not np.shares_memory(each, reusing.mutation_type.own) for each in populations)


class Watched(gacnn.GaussianMutation):
    """Keeps what it returns."""

    returned = None

    def mutate(self, offspring, run):
        self.returned = super().mutate(offspring, run)
        return self.returned


class New(Watched):
    """Says that it does not."""

    returns_new = True


NOTHING_KEPT = {"keep_elitism": 0, "keep_parents": 0}


def test_only_what_is_said_to_be_new_is_not_copied():
    new, other = (steps(kind(0.1), **NOTHING_KEPT) for kind in (New, Watched))
    new.run()
    other.run()
    assert new.population is new.mutation_type.returned
    assert not np.shares_memory(other.population, other.mutation_type.returned)
    np.testing.assert_array_equal(new.population, other.population)


@pytest.mark.parametrize("mutation", ["random", "swap", "polynomial", "gaussian", InPlace()])
@pytest.mark.parametrize("crossover", ["single_point", "uniform", "recombination"])
@pytest.mark.parametrize("kept", [NOTHING_KEPT, {"keep_elitism": 0, "keep_parents": -1}, {}])
def test_what_callbacks_keep_stays_as_it_was(crossover, mutation, kept):
    seen, then = [], []

    def keep(ga, genes):
        seen.append(genes)
        then.append(genes.copy())

    ga = gacnn.GA(
        num_generations=4,
        num_parents_mating=4,
        fitness_func=lambda ga, solution, index: float(-np.abs(solution).sum()),
        sol_per_pop=6,
        num_genes=20,
        crossover_type=crossover,
        mutation_type=mutation,
        on_parents=keep,
        on_crossover=keep,
        on_mutation=keep,
        callbacks=[gacnn.WeightAverage()],
        random_seed=0,
        **kept,
    )
    ga.run()
    for array, copy in zip(seen, then, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("threads", ["auto", -1, 0, 2.5])
def test_threads_of_ones_own_that_are_no_number_are_named(threads):
    class Odd(gacnn.Evaluator):
        def __call__(self, vectors):
            return vectors[:, 0]

    Odd.threads = threads
    ga = gacnn.GA(
        num_generations=1,
        num_parents_mating=4,
        fitness_func=Odd(),
        sol_per_pop=4,
        num_genes=20,
        mutation_type="gaussian",
    )
    with pytest.raises((ValueError, TypeError), match=r"fitness_func\.threads"):
        ga.run()


@settings(max_examples=30)
@given(st.integers(2, 12), st.integers(1, 5), st.sampled_from([2, 4, 8]), st.booleans())
def test_noise_with_a_basis_is_in_its_span(inputs, units, count, mirrored):
    rng = np.random.default_rng(inputs)
    basis = np.linalg.qr(rng.normal(size=(inputs, inputs // 2 or 1)))[0].astype(np.float32)
    plain, spanned = slice(0, 3), slice(3, 3 + inputs * units)
    versions = [Versions(plain, count), Versions(spanned, count, basis)]
    genes = np.zeros((8, spanned.stop), np.float32)
    noise = add_noise(genes, rng, mirrored=mirrored, versions=versions)[:, spanned]
    matrices = noise.reshape(8, inputs, units)
    np.testing.assert_allclose(basis @ (basis.T @ matrices), matrices, atol=1e-5)
    assert len(np.unique(matrices[:, 0, 0])) == count


def test_noise_with_a_basis_is_normal_in_it():
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 4)))[0].astype(np.float32)
    genes = np.zeros((200, 30 * 5), np.float32)
    versions = [Versions(slice(0, 150), 200, basis)]
    noise = add_noise(genes, np.random.default_rng(1), versions=versions)
    drawn = np.einsum("ir,piu->pru", basis, noise.reshape(200, 30, 5))
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-4
