"""The operators on arrays, beside naive ones and the distributions they promise."""

import itertools
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from gacnn.operators import arrays as operators

Array = NDArray[Any]
DTYPES = [np.float16, np.float32, np.float64, np.int8, np.uint16, np.int32, np.int64]
CROSSOVERS = [
    operators.single_point_crossover,
    operators.two_points_crossover,
    operators.uniform_crossover,
    operators.scattered_crossover,
]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def assert_uniform(values: Array, num_values: int) -> None:
    counts = np.bincount(values, minlength=num_values)
    assert len(counts) == num_values
    assert stats.chisquare(counts).pvalue > 1e-4


# Selection


def test_spin_wheel_finds_the_slice_of_each_pointer() -> None:
    probabilities = np.array([0.5, 0.0, 0.125, 0.375])
    slices = operators.spin_wheel(probabilities, np.array([0.0, 0.124, 0.125, 0.49, 0.5, 0.999]))
    np.testing.assert_array_equal(slices, [2, 2, 3, 3, 0, 0])


def test_spin_wheel_keeps_a_pointer_beyond_a_rounded_sum() -> None:
    tenths = np.full(10, 0.1)
    assert tenths.cumsum()[-1] < 1
    assert operators.spin_wheel(tenths, np.array([np.nextafter(1, 0)])) in range(10)


def test_win_tournaments_picks_the_lowest_rank() -> None:
    ranks = np.array([2, 0, 3, 1])
    candidates = np.array([[0, 2], [2, 3], [1, 1], [3, 0]])
    np.testing.assert_array_equal(operators.win_tournaments(ranks, candidates), [0, 3, 1, 3])


def naive_fronts(fitness: Array) -> list[int]:
    numbers, left = {}, set(range(len(fitness)))
    for number in itertools.count():
        front = {
            i
            for i in left
            if not any(
                (fitness[j] >= fitness[i]).all() and (fitness[j] > fitness[i]).any() for j in left
            )
        }
        numbers |= dict.fromkeys(front, number)
        left -= front
        if not left:
            return [numbers[i] for i in range(len(fitness))]
    raise AssertionError


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_front_numbers_equal_naive_sorting(objectives: int) -> None:
    fitness = generator().integers(0, 6, size=(40, objectives))
    np.testing.assert_array_equal(operators.front_numbers(fitness), naive_fronts(fitness))


@pytest.mark.parametrize("objectives", [2, 3])
def test_front_numbers_of_equal_and_infinite_ones(objectives: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(operators, "_COMPARED", 7 * 40 * objectives)  # a few rows at a time
    values = np.array([-np.inf, -1.5, -0.0, 0.0, 2.0, np.inf])
    for seed in range(20):
        fitness = values[generator(seed).integers(0, 6, size=(40, objectives))]
        np.testing.assert_array_equal(operators.front_numbers(fitness), naive_fronts(fitness))


@pytest.mark.parametrize(("number", "objectives"), [(100_000, 2), (3_000, 3)])
def test_front_numbers_of_many_take_little_memory(number: int, objectives: int) -> None:
    """As those of the best of all generations, when a long run ends."""
    fitness = generator().random((number, objectives))
    tracemalloc.start()
    try:
        operators.front_numbers(fitness)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60e6


def test_crowding_distances_by_hand() -> None:
    fitness = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 2.0], [4.0, 0.0], [0.0, 0.0]])
    distances = operators.crowding_distances(np.array([0, 0, 0, 0, 1]), fitness)
    np.testing.assert_allclose(distances, [np.inf, 3 / 4 + 2 / 4, 3 / 4 + 3 / 4, np.inf, np.inf])


def test_crowding_distances_of_equal_fitness() -> None:
    distances = operators.crowding_distances(np.zeros(4, dtype=int), np.ones((4, 2)))
    np.testing.assert_array_equal(distances, [np.inf, 0, 0, np.inf])


# Crossover


@pytest.mark.parametrize("crossover", CROSSOVERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("num_genes", [1, 2, 8, 13])
def test_offspring_take_each_gene_from_one_of_two_parents(
    crossover: Callable[..., Array], dtype: Any, num_genes: int
) -> None:
    parents = generator(1).integers(0, 100, size=(4, num_genes)).astype(dtype)
    given = parents.copy()
    offspring = crossover(parents, 9, generator())
    np.testing.assert_array_equal(parents, given)
    assert offspring.dtype == dtype
    assert offspring.shape == (9, num_genes)
    turns = np.arange(9)
    first, second = parents[turns % 4], parents[(turns + 1) % 4]
    assert ((offspring == first) | (offspring == second)).all()


@pytest.mark.parametrize("crossover", CROSSOVERS)
def test_crossover_keeps_every_bit(crossover: Callable[..., Array]) -> None:
    special = np.array([[np.nan, -0.0, np.inf, 5e-324]] * 2)
    offspring = crossover(special, 5, generator())
    np.testing.assert_array_equal(
        offspring.view(np.uint64), special[:1].view(np.uint64).repeat(5, 0)
    )


@pytest.mark.parametrize("crossover", CROSSOVERS)
def test_crossover_of_no_offspring(crossover: Callable[..., Array]) -> None:
    assert crossover(np.ones((2, 3)), 0, generator()).shape == (0, 3)


def test_uniform_crossover_tosses_a_fair_coin_for_every_gene() -> None:
    parents = np.repeat(np.float32([[0], [1]]), 11, axis=1)
    coins = operators.uniform_crossover(parents, 20_000, generator())[::2]
    assert_uniform(np.ravel(coins).astype(int), 2)
    patterns = coins[:, [0, 3, 7, 8, 10]].astype(int) @ (2 ** np.arange(5))
    assert_uniform(patterns, 32)


def test_uniform_crossover_in_several_blocks() -> None:
    parents = generator().random((3, 3 * operators._BLOCK_GENES // 2), dtype=np.float32)
    offspring = operators.uniform_crossover(parents, 4, generator())
    shares = [(child == parents[k % 3]).mean() for k, child in enumerate(offspring)]
    np.testing.assert_allclose(shares, 0.5, atol=0.01)


def test_single_point_is_uniform() -> None:
    parents = np.repeat([[0], [1]], 6, axis=1)
    offspring = operators.single_point_crossover(parents, 12_000, generator())[::2]
    assert (np.diff(offspring, axis=1) >= 0).all()
    assert_uniform(np.sum(offspring == 0, axis=1), 6)


def test_two_points_are_a_uniform_pair() -> None:
    parents = np.repeat([[0], [1]], 4, axis=1)
    offspring = operators.two_points_crossover(parents, 20_000, generator())[::2]
    runs = [(child.argmax(), child.sum()) for child in offspring]
    pairs = sorted(set(runs))
    assert len(pairs) == 10
    assert_uniform(np.array([pairs.index(run) for run in runs]), 10)


def test_mating_pairs_with_a_probability_are_uniform() -> None:
    first, second = operators.mating_pairs(30_000, 4, generator(), probability=1.0)
    assert (first != second).all()
    pairs = {pair: i for i, pair in enumerate(itertools.permutations(range(4), 2))}
    chosen = [pairs[pair] for pair in zip(first.tolist(), second.tolist(), strict=True)]
    assert_uniform(np.array(chosen), 12)


def test_mating_pairs_when_none_is_willing() -> None:
    first, second = operators.mating_pairs(5, 3, generator(), probability=0.0)
    np.testing.assert_array_equal(first, [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(second, first)


# Mutation


@given(
    num_genes=st.integers(1, 200),
    shares=st.lists(st.floats(0, 1), min_size=0, max_size=8),
    seed=st.integers(0, 1000),
)
def test_choose_genes_takes_the_count_of_every_row(
    num_genes: int, shares: list[float], seed: int
) -> None:
    counts = np.array([round(share * num_genes) for share in shares], dtype=int)
    genes = operators.choose_genes(counts, num_genes, generator(seed))
    assert (np.diff(genes) > 0).all()
    np.testing.assert_array_equal(np.bincount(genes // num_genes, minlength=len(counts)), counts)


@pytest.mark.parametrize(
    ("num_genes", "count"), [(5, 1), (5, 2), (6, 3), (7, 6), (40, 2), (200, 1)]
)
def test_choose_genes_takes_every_set_alike(num_genes: int, count: int) -> None:
    sets = {genes: i for i, genes in enumerate(itertools.combinations(range(num_genes), count))}
    rows = 20 * len(sets)
    genes = operators.choose_genes(np.full(rows, count), num_genes, generator())
    chosen = (genes % num_genes).reshape(rows, count).tolist()
    assert_uniform(np.array([sets[tuple(row)] for row in chosen]), len(sets))


def test_choose_genes_takes_all_genes_alike_whatever_other_rows_need() -> None:
    counts = np.tile([1, 30, 0, 300], 400)
    genes = operators.choose_genes(counts, 1000, generator())
    rows, columns = np.divmod(genes, 1000)
    for kind in (0, 1, 3):
        assert_uniform(columns[rows % 4 == kind] // 40, 25)


def test_choose_genes_refuses_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="cannot choose 5 different genes out of 4"):
        operators.choose_genes(np.array([1, 5]), 4, generator())


def test_gene_counts() -> None:
    np.testing.assert_array_equal(operators.gene_counts(3, 10, generator(), 4), [4, 4, 4])
    each = operators.gene_counts(2, 10, generator(), np.array([1, 5]))
    np.testing.assert_array_equal(each, [1, 5])
    counts = operators.gene_counts(9000, 4, generator(), None, probability=0.3)
    expected = stats.binom.pmf(range(5), 4, 0.3) * 9000
    assert stats.chisquare(np.bincount(counts, minlength=5), expected).pvalue > 1e-4


def test_random_mutation_changes_only_the_chosen_genes() -> None:
    offspring = generator().random((5, 50), dtype=np.float32)
    before, counts = offspring.copy(), np.array([0, 1, 5, 49, 50])
    mutated = operators.random_mutation(
        offspring, counts, lambda values, genes, rng: values + 1, generator()
    )
    assert mutated is offspring
    assert mutated.dtype == np.float32
    np.testing.assert_array_equal(np.sum(mutated != before, axis=1), counts)


def test_random_mutation_by_nothing_returns_the_offspring() -> None:
    offspring = generator().random((4, 30))
    before = offspring.copy()

    def add_nothing(values: Array, genes: Array, rng: np.random.Generator) -> Array:
        return values + operators.uniform_values(0.0, 0.0, len(values), rng)

    operators.random_mutation(offspring, np.full(4, 9), add_nothing, generator())
    np.testing.assert_array_equal(offspring, before)


def test_uniform_values() -> None:
    values = operators.uniform_values(-2, 3, 20_000, generator())
    assert stats.kstest(values, stats.uniform(-2, 5).cdf).pvalue > 1e-4
    each = operators.uniform_values(np.arange(3.0), np.arange(3.0) + 0.5, 3, generator())
    assert (np.floor(each) == [0, 1, 2]).all()


def test_other_values_are_uniform_among_the_others() -> None:
    allowed = np.float32([-1, 0, 2])
    present = np.repeat(np.float32([-1, 0, 2, 1, -5, 9]), 3000)
    drawn = operators.other_values(allowed, present, np.arange(0), generator())
    assert drawn.dtype == np.float32
    for value in np.unique(present):
        options = allowed[allowed != value]
        assert_uniform(np.searchsorted(options, drawn[present == value]), len(options))
        assert np.isin(drawn[present == value], options).all()


def test_other_values_of_a_single_one() -> None:
    drawn = operators.other_values(np.array([3]), np.array([3, 4]), np.arange(0), generator())
    np.testing.assert_array_equal(drawn, [3, 3])


@pytest.mark.parametrize("arrangement", ["swap", "inversion", "scramble"])
@pytest.mark.parametrize("size", [0, 1, 2, 5, 8])
def test_rearrange_moves_genes_within_their_set(arrangement: str, size: int) -> None:
    offspring = np.arange(30.0).reshape(3, 10)
    eligible = [row * 10 + np.arange(1, 1 + size) for row in range(3)]
    moved = operators.rearrange(offspring.copy(), eligible, arrangement, generator())
    np.testing.assert_array_equal(np.sort(moved, axis=1), offspring)
    outside = np.r_[0, 1 + size : 10]
    np.testing.assert_array_equal(moved[:, outside], offspring[:, outside])
    if arrangement == "inversion":
        np.testing.assert_array_equal(moved[:, 1 : 1 + size], offspring[:, 1 : 1 + size][:, ::-1])
    if arrangement == "swap":
        assert (np.sum(moved != offspring, axis=1) == size // 2 * 2).all()


def test_random_pairs_are_uniform() -> None:
    first, second = (operators.random_pairs(20_000, 5, generator()) % 5).T
    assert (first != second).all()
    assert_uniform(first * 4 + second - (second > first), 20)


@pytest.mark.parametrize("num_genes", [2, 3, 7, 8])
def test_random_halves_lie_in_their_row(num_genes: int) -> None:
    halves = operators.random_halves(500, num_genes, generator())
    assert halves.shape == (500, num_genes // 2)
    assert (halves // num_genes == np.arange(500)[:, None]).all()
