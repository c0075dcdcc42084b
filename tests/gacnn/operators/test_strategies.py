"""The operators of evolution strategies: in both genetic algorithms, gene spaces, bad input."""

import copy
import inspect

import numpy as np
import pygad
import pytest
from algorithms import KINDS, MUTATIONS, NAMES, PATHS, make, network, network_fitness, sphere, stub
from hypothesis import given, settings
from hypothesis import strategies as st

import gacnn
from gacnn.operators.gene_space import fit_to_space, rounded_to_space, space_bounds
from gacnn.operators.names import OPERATORS, name_of
from gacnn.operators.operator import generator

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


@pytest.mark.parametrize(
    "operators",
    [
        {"crossover_type": gacnn.WeightedRecombination()},
        {"mutation_type": gacnn.SelfAdaptiveMutation()},
        {
            "crossover_type": gacnn.WeightedRecombination(),
            "mutation_type": gacnn.SeparableMutation(),
        },
    ],
)
@KINDS
def test_operators_forget_an_earlier_run(kind, operators):
    def run(operators, genes):
        ga = kind(
            num_generations=3,
            num_parents_mating=4,
            sol_per_pop=8,
            num_genes=genes,
            fitness_func=sphere,
            random_seed=0,
            suppress_warnings=True,
            **operators,
        )
        ga.run()
        return ga

    fresh = run(copy.deepcopy(operators), 6)
    used = run(operators, 9)
    again = {name: getattr(used, name) for name in operators}
    np.testing.assert_array_equal(run(again, 6).population, fresh.population)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", MUTATIONS)
def test_type_of_the_genes_stays(name, dtype):
    ga = make(mutation_type=name, gene_type=dtype)
    ga.run()
    assert ga.population.dtype == dtype
    assert np.isfinite(ga.population).all()


@KINDS
def test_integers_stay_below_the_end_of_an_interval(kind):
    space, mutation = {"low": 0, "high": 3}, gacnn.GaussianMutation(2.0)
    ga = make(kind, gene_type=int, gene_space=space, mutation_type=mutation)
    ga.run()
    assert set(np.unique(ga.population)) == {0, 1, 2}
    assert rounded_to_space(np.full(9, 7.0), space, np.random.default_rng(0), whole=True).max() == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crossover_type": "blend", "mutation_type": "random"}, "not for BlendCrossover"),
        ({"mutation_type": "gaussian"}, "not for GaussianMutation: take another"),
    ],
)
def test_constraints_of_genes_do_not_go_unheard(changes, message):
    constraint = [lambda solution, values: [v for v in values if v > 0]] * 6
    make(mutation_type="random", gene_constraint=constraint, init_range_low=0.1)
    with pytest.raises(
        ValueError, match=f"gene_constraint is for PyGAD's own operators, {message}"
    ):
        make(gene_constraint=constraint, init_range_low=0.1, **changes)


def test_probability_of_crossover_does_not_go_unheard():
    make(crossover_type="blend", crossover_probability=0.5)
    with pytest.raises(ValueError, match=r"crossover_probability is for .*not for WeightedRecomb"):
        make(crossover_type="recombination", crossover_probability=0.5)


@pytest.mark.parametrize(
    "rate", [{"mutation_num_genes": 1}, {"mutation_percent_genes": 20}, {"mutation_probability": 1}]
)
def test_mutation_rates_of_pygad_do_not_go_unheard(rate):
    make(mutation_type="random", **rate)
    with pytest.raises(ValueError, match=f"{next(iter(rate))} is for PyGAD's own.*probability="):
        make(mutation_type="gaussian", **rate)


@pytest.mark.parametrize(
    "setting",
    [
        {"random_mutation_min_val": -0.01},
        {"random_mutation_max_val": [0.1] * 6},
        {"mutation_by_replacement": True},
        {"mutation_probability": np.full(6, 0.1)},
    ],
)
def test_ranges_of_pygads_mutations_do_not_go_unheard(setting):
    with pytest.raises(ValueError, match=f"{next(iter(setting))} is for PyGAD's own operators"):
        make(mutation_type="gaussian", **setting)


@pytest.mark.parametrize(
    "operators",
    [
        {"mutation_type": "gaussian"},
        {"crossover_type": "blend", "mutation_type": "random"},
        {"crossover_type": "recombination", "mutation_type": "random"},
    ],
)
def test_categories_are_no_numbers(operators):
    given = {"gene_space": [0, 5, 10], **operators}
    if "gene_categorical" not in inspect.signature(pygad.GA.__init__).parameters:
        pytest.skip("this version of PyGAD has no categories")
    make(gene_categorical=False, **given)
    make(gene_categorical=[False] * 6, **given)
    with pytest.raises(ValueError, match="gene_categorical is for PyGAD's own operators"):
        make(gene_categorical=True, **given)


@pytest.mark.parametrize("name", ["csa", "separable", "gaussian", "mirrored", "self_adaptive"])
def test_without_offspring_nothing_is_disturbed(name):
    ga = make(crossover_type="recombination", mutation_type=name, keep_elitism=8, keep_parents=0)
    assert ga.sol_per_pop == 8
    before = ga.population.copy()
    ga.run()
    assert sorted(ga.population.tolist()) == sorted(before.tolist())


class Parents(gacnn.Selection):
    """A selection that forgets the indices."""

    def select(self, fitness, num_parents, run):
        return run.population[:num_parents]


class Broken(gacnn.Mutation):
    """A mutation with a mistake in it."""

    def mutate(self, offspring, run):
        raise KeyError("rate")


@KINDS
def test_errors_in_operators_of_ones_own_say_whose_they_are(kind):
    with pytest.raises(TypeError, match="select must return two things, parents") as caught:
        make(kind, parent_selection_type=Parents()).run()
    assert caught.value.__notes__[0] == "raised by Parents.select"
    with pytest.raises(KeyError) as caught:
        make(kind, mutation_type=Broken()).run()
    assert caught.value.__notes__[0] == "raised by Broken.mutate"


class Clocked(gacnn.Mutation):
    """A mutation that reads what only gacnn.GA has."""

    def mutate(self, offspring, run):
        return offspring + run.seconds


def test_what_pygad_has_not_is_named():
    make(mutation_type=Clocked()).run()
    with pytest.raises(AttributeError) as caught:
        make(pygad.GA, mutation_type=Clocked()).run()
    assert "only gacnn.GA has seconds, pygad.GA has not" in caught.value.__notes__


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


@given(
    st.lists(st.floats(-3, 3, allow_subnormal=False), min_size=1, unique=True),
    st.floats(-4, 4, allow_subnormal=False),
)
def test_rounding_draws_one_of_two_neighbours_with_the_same_mean(space, gene):
    rounded = rounded_to_space(np.full(4000, gene), space, np.random.default_rng(0))
    inside = np.clip(gene, min(space), max(space))
    below = max(value for value in space if value <= inside)
    above = min(value for value in space if value >= inside)
    assert set(rounded) <= {below, above}
    assert rounded.mean() == pytest.approx(inside, abs=0.1 * (above - below) + 1e-9)


def test_rounding_keeps_allowed_values():
    values = np.array([-1.0, 0.0, 1.0])
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(rounded_to_space(values, [0, 1, -1], rng), values)
    np.testing.assert_array_equal(
        rounded_to_space(3 * values, {"low": -2, "high": 1}, rng), [-2, 0, 1]
    )


@pytest.mark.filterwarnings("ignore:weights=.fitness. estimates")
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

    def mutate(offspring, ga):  # the first centre is no mean
        return population.copy() if ga.generations_completed == 0 else offspring

    ga = make(
        kind,
        fitness_func=lambda ga, solution, index: 1.0 if solution[0] > 0 else -9.0,
        initial_population=population,
        gene_type=int,
        parent_selection_type="truncation",
        crossover_type=gacnn.WeightedRecombination("equal"),
        mutation_type=mutate,
        num_generations=2,
        keep_elitism=0,
        keep_parents=0,
    )
    ga.run()
    np.testing.assert_allclose(ga.crossover_type.centre, [2.75, 5.25, -3.5])
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
    checkpoint = gacnn.Checkpoint(tmp_path / "c", every=1)
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


class Drifting(gacnn.Mutation):
    """An operator as a user writes one: no dataclass, with settings and a memory."""

    remembers = ("drift",)

    def __init__(self, rate):
        self.rate = rate
        self.drift = None

    def settings(self):
        return {"rate": self.rate}

    def mutate(self, offspring, run):
        rng = generator(run)
        before = 0.0 if self.drift is None else self.drift
        self.drift = 0.9 * before + rng.normal(size=offspring.shape[1])
        noise = rng.normal(size=offspring.shape)
        return (offspring + self.rate * (self.drift + noise)).astype(offspring.dtype)


def test_an_operator_of_ones_own_resumes_bit_for_bit(tmp_path):
    def build(generations, **more):
        return make(mutation_type=Drifting(0.1), num_generations=generations, **more)

    whole = build(10)
    whole.run()
    build(5, callbacks=[gacnn.Checkpoint(tmp_path / "c")]).run()
    rest = gacnn.resume(
        tmp_path / "c", fitness_func=sphere, mutation_type=Drifting(0.1), num_generations=10
    )
    rest.run()
    np.testing.assert_array_equal(rest.population, whole.population)
    np.testing.assert_array_equal(rest.mutation_type.drift, whole.mutation_type.drift)


def test_an_operator_of_ones_own_must_be_given_again_and_be_the_same(tmp_path):
    make(mutation_type=Drifting(0.1), callbacks=[gacnn.Checkpoint(tmp_path / "c")]).run()
    with pytest.raises(ValueError, match=r"mutation_type was .*Drifting\(rate=0.1\) and is not"):
        gacnn.resume(tmp_path / "c", fitness_func=sphere)
    with pytest.raises(ValueError, match=r"Drifting\(rate=0.1\) and is .*Drifting\(rate=0.2\)"):
        gacnn.resume(tmp_path / "c", fitness_func=sphere, mutation_type=Drifting(0.2))


def test_an_operator_forgets_another_run():
    operator = Drifting(0.1)
    first, second = make(mutation_type=operator), make(mutation_type=operator)
    first.run()
    second.run()
    np.testing.assert_array_equal(first.population, second.population)


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


def test_weight_average_begins_anew_with_every_run():
    average = gacnn.WeightAverage()
    make(callbacks=[average], random_seed=1).run()
    make(callbacks=[average]).run()
    once = gacnn.WeightAverage()
    make(callbacks=[once]).run()
    np.testing.assert_array_equal(average.solution, once.solution)


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
        (
            gacnn.WeightedRecombination,
            {"final_weight_decay": 1e-5},
            ValueError,
            "^weight_decay must be above 0",
        ),
        (gacnn.BlendCrossover, {"alpha": -0.5}, ValueError, "alpha must be at least 0, not -0.5"),
        (gacnn.BlendCrossover, {"alpha": "wide"}, TypeError, "alpha must be a number"),
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
        (
            {"mutation_type": gacnn.GaussianMutation(nested=(2, 8)), "crossover_type": "uniform"},
            'nested needs crossover_type="recombination", not',
        ),
        ({"crossover_type": "filter"}, "FilterCrossover needs the layers.*gacnn.Evaluator a model"),
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
@pytest.mark.filterwarnings("ignore:weights=.fitness. estimates")
@KINDS
def test_settings_that_an_operator_cannot_work_with(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        make(kind, **changes).run()
