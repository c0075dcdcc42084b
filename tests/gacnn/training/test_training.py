"""What `GACNN.train` and `GACNN.plan` choose where nothing is said, and what they keep to."""

import math
import re
import signal
import time
import warnings

import numpy as np
import pytest

import cnn
import gacnn
from cnn.inputs import InputRange
from gacnn.callbacks import validation
from gacnn.callbacks.callback import ENDLESS
from gacnn.callbacks.validation import validation_interval
from gacnn.training import defaults, forecast, held_out, preparation
from gacnn.training import plan as plan_module
from gacnn.training.defaults import (
    default_batch_size,
    default_learning_rate,
    default_patience,
    default_sigma,
    num_directions,
    strategy_settings,
)
from gacnn.training.held_out import Samples, hold_out
from gacnn.training.training import Training


def network(outputs=3):
    layers = [
        cnn.Input2D((6, 6, 1)),
        cnn.Conv2D(2, 3, activation_function="relu"),
        cnn.Flatten(),
        cnn.Dense(outputs, activation_function="softmax"),
    ]
    return cnn.Model(layers, random_seed=0)


def sized(num_weights):
    """One layer of so many weights."""
    return cnn.Model([cnn.Input1D(num_weights - 1), cnn.Dense(1)], random_seed=0)


def tiny():
    layers = [cnn.Input2D((6, 6, 1)), cnn.GlobalAveragePooling2D(), cnn.Dense(3)]
    return cnn.Model(layers, random_seed=0)


def data(number=60, seed=0):
    """Images of three classes that differ in brightness."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, number)
    return (rng.random((number, 6, 6, 1)) + y[:, None, None, None]).astype(np.float32), y


def train(X, y, num_solutions=8, seed=4, **settings):
    manager = gacnn.GACNN(network(), num_solutions, random_seed=seed)
    return manager.train(X, y, **{"num_generations": 6, "verbose": False, **settings})


def the(result, kind):
    return next(each for each in result.ga.callbacks if isinstance(each, kind))


# Defaults


@pytest.mark.parametrize(
    ("weights", "sigma"), [(4, 0.1), (1600, 0.1), (10_000, 0.04), (40_000, 0.02), (10**7, 0.02)]
)
def test_sigma_of_a_network(weights, sigma):
    assert default_sigma(weights) == pytest.approx(sigma)
    assert default_sigma(weights, {"low": -1, "high": 1}) == pytest.approx(sigma)


@pytest.mark.parametrize(
    ("space", "sigma"),
    [
        ([-1, 0, 1], 0.4),
        ([3, 0, 3.5], 0.2),
        (range(0, 9, 3), 1.2),
        ({"low": 0, "high": 1, "step": 0.25}, 0.1),
        ([7], 0.1),
    ],
)
def test_sigma_of_a_finite_gene_space(space, sigma):
    assert default_sigma(1600, space) == pytest.approx(sigma)


def convolution(stride):
    """29 weights; 576 multiplications with stride 1, and 64 with stride 4."""
    conv = cnn.Conv2D(1, 2, stride=stride, padding="same", activation_function="relu")
    layers = [cnn.Input2D((12, 12)), conv, cnn.GlobalAveragePooling2D(), cnn.Dense(12)]
    return cnn.Model(layers, random_seed=0)


@pytest.mark.parametrize(("stride", "small"), [(1, True), (4, False)])
@pytest.mark.parametrize("nested", [False, True, (2, 8)])
def test_batch_size(stride, small, nested):
    mutation = gacnn.GaussianMutation(0.1, nested=nested)
    assert default_batch_size(255, convolution(stride), mutation) is None
    for number in (256, 10**6):
        size = default_batch_size(number, convolution(stride), mutation)
        assert size == (64 if nested and small else 128)
    assert default_batch_size(256, convolution(stride), "random") == 128


@pytest.mark.parametrize(
    ("inputs", "metric", "size"),
    [
        (63, "cross_entropy", 32),  # with a bias twice as many
        (62, "cross_entropy", 128),
        (63, gacnn.CrossEntropy(2), 32),
        (63, "mse", 32),
        (63, "accuracy", 128),
        (63, "f1_macro", 128),
        (63, lambda outputs, y: 0.0, 128),
    ],
)
def test_batches_are_small_where_noise_is_in_the_span_of_many_inputs(inputs, metric, size):
    model = cnn.Model([cnn.Input1D(inputs), cnn.Dense(3)], random_seed=0)
    spanned = gacnn.GaussianMutation(0.1, input_span=True)
    assert default_batch_size(256, model, spanned, metric) == size
    assert default_batch_size(255, model, spanned, metric) is None
    assert default_batch_size(256, model, gacnn.GaussianMutation(0.1), metric) == 128


def test_train_tells_the_metric_and_the_batch():
    rng = np.random.default_rng(0)
    X, y = rng.random((300, 80)), rng.integers(0, 3, 300)
    model = cnn.Model([cnn.Input1D(80), cnn.Dense(3)], random_seed=0)

    def plan(**settings):
        return gacnn.GACNN(model, 16).training(X, y, validation=None, **settings).plan()

    assert plan().batch_size == 32
    assert plan(metric="accuracy").batch_size == 128
    rates = [plan(batch_size=size).settings["crossover_type"].learning_rate for size in (8, 16)]
    assert rates == [default_learning_rate(16, 3 * size) for size in (8, 16)]


@pytest.mark.parametrize(
    ("images", "directions"),
    [
        (None, 40 + 129 + 28 + 10),
        (3, 40 + 3 * 3 + 3 * 4 + 10),
        (8, 40 + 8 * 3 + 28 + 10),
        (22, 40 + 129 + 28 + 10),
    ],
)
def test_directions_are_images_times_units_or_weights(images, directions):
    layers = [cnn.Dense(3), cnn.Dense(7, trainable=False), cnn.Dense(4, use_bias=False)]
    model = cnn.Model(
        [
            cnn.Input2D((7, 7, 1)),
            cnn.Conv2D(4, 3),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(42, trainable=False),
            *layers,
            cnn.Dense(2),
        ],
        random_seed=0,
    )
    assert num_directions(model, images) == directions


@pytest.mark.parametrize(
    ("settings", "size"),
    [({}, 64), ({"crossover_type": "uniform"}, 128), ({"gene_space": [-1, 0, 1]}, 128)],
)
def test_nested_noise_has_smaller_batches(settings, size):
    X, y = np.random.default_rng(0).random((300, 12, 12, 1)), np.arange(300) % 12
    manager = gacnn.GACNN(convolution(1), 32)
    assert manager.training(X, y, validation=None, **settings).plan().batch_size == size


def test_patience():
    assert [default_patience(n) for n in (0, 10, 150, 153, 600)] == [50, 50, 50, 51, 200]
    assert default_patience(ENDLESS) is None


def test_learning_rate_grows_with_the_share_of_directions():
    assert default_learning_rate(64, 6400) == pytest.approx(1.25)
    assert default_learning_rate(256, 6400) == pytest.approx(2.5)
    assert default_learning_rate(64, 100) == 6


def test_a_head_on_fixed_layers_takes_smaller_steps():
    features = cnn.Dense(99, trainable=False)
    head = cnn.Model([cnn.Input1D(4), features, cnn.Dense(64)], random_seed=0)
    assert head.num_weights == 6400
    smaller = strategy_settings(64, head, {}, one_objective=True)
    whole = strategy_settings(64, sized(6400), {}, one_objective=True)
    assert smaller["mutation_type"].sigma == pytest.approx(whole["mutation_type"].sigma / 2)
    assert smaller["mutation_type"].final_sigma is None
    rates = [each["crossover_type"].learning_rate for each in (whole, smaller)]
    assert rates[1] == pytest.approx(rates[0] / 4, rel=0.01)
    assert smaller["crossover_type"].final_learning_rate == pytest.approx(rates[1] / 20, rel=0.01)
    assert smaller["crossover_type"].weight_decay == 1e-3
    stepped = {"gene_space": [-1, 0, 1]}
    assert strategy_settings(64, head, stepped, one_objective=True) == (
        strategy_settings(64, sized(6400), stepped, one_objective=True)
    )


def test_a_head_in_the_span_of_its_inputs_decays_less_and_a_solved_one_walks_less():
    features = cnn.Dense(99, trainable=False)
    model = cnn.Model([cnn.Input1D(4), features, cnn.Dense(64, None, "softmax")], random_seed=0)
    X, y = np.random.default_rng(0).random((400, 4)), np.arange(400) % 64

    def rate(**settings):
        training = gacnn.GACNN(model, 64).training(X, y, validation=None, **settings)
        chosen = training.settings
        assert chosen["mutation_type"].input_span
        assert chosen["mutation_type"].sigma == pytest.approx(default_sigma(32 * 64) / 2, rel=0.01)
        assert chosen["crossover_type"].weight_decay == 2e-4
        return chosen["crossover_type"].learning_rate

    assert rate() == pytest.approx(default_learning_rate(64, 32 * 64) / 4, rel=0.01)
    assert rate(head="auto") == rate(head="ridge") == pytest.approx(rate() / 4, rel=0.01)


@pytest.mark.parametrize("number", [4, 28, 30, 32, 34, 64])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"keep_elitism": 0},
        {"keep_elitism": 1},
        {"keep_parents": 1},
        {"gene_space": [-1, 0, 1]},
        {"gene_space": {"low": -1, "high": 1}},
        {"gene_type": int},
    ],
)
def test_noise_is_nested_where_several_layers_share_the_offspring(number, layers, settings):
    dense = [cnn.Dense(6, activation_function="relu") for _ in range(layers)]
    model = cnn.Model([cnn.Input1D(5), *dense], random_seed=0)
    chosen = strategy_settings(number, model, settings, one_objective=True)
    expected = number in (32, 64) and layers > 1 and settings in ({}, {"keep_elitism": 0})
    assert chosen["mutation_type"].nested is expected


@pytest.mark.parametrize(("size", "share"), [(0, 1), (0.5, 1), (1, 0.5), (2, 0.25), (1e9, 0.1)])
def test_large_inputs_have_less_nested_noise(size, share):
    def sigma(number=32, **settings):
        how = {"one_objective": True, "input_size": size}
        return strategy_settings(number, network(), settings, **how)["mutation_type"].sigma

    assert sigma() == pytest.approx(0.1 * share)
    assert sigma(30) == pytest.approx(0.1)
    assert sigma(gene_space={"low": -1, "high": 1}) == pytest.approx(0.1)
    assert sigma(gene_space=[-1, 0, 1]) == pytest.approx(0.4)


def test_the_size_of_the_inputs_is_that_of_the_data():
    X, y = data()
    X *= 1.5 / np.sqrt(np.square(X).mean())
    mutation = train(X, y, 32).ga.mutation_type
    assert mutation.sigma == pytest.approx(0.1 / 3, rel=0.01)


@pytest.mark.parametrize("scale", [0.01, 1, 255])
def test_behind_fixed_layers_the_size_is_what_they_return(scale):
    X, y = data()
    X = scale * X.reshape(60, -1)
    layers = [cnn.Standardization.of(X), cnn.Dense(8, activation_function="tanh"), cnn.Dense(3)]
    model = cnn.Model([cnn.Input1D(36), *layers], random_seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of numbers that are large, or small
        manager = gacnn.GACNN(model, 32, random_seed=0)
        result = manager.train(X, y, num_generations=2, verbose=False)
    assert result.ga.mutation_type.sigma == pytest.approx(0.1 / 2, rel=0.01)


@pytest.mark.parametrize("kind", [np.uint8, np.float16, np.float64, np.longdouble, bool])
def test_the_size_of_inputs_of_any_type(kind):
    X, y = data()
    X = np.round(X).astype(kind)
    size = defaults.size_of_inputs(network(), held_out.CheckedSamples(X, y, None))
    assert size == pytest.approx(np.sqrt(np.square(X.astype(float)).mean()))


def test_the_size_of_inputs_counts_with_their_weights():
    X, y = data()

    def size(X, weights):
        return defaults.size_of_inputs(network(), held_out.CheckedSamples(X, y, weights))

    weights = np.arange(60) % 3
    assert size(X, weights) == pytest.approx(size(X.repeat(weights, axis=0), None))
    many = np.concatenate([X, np.zeros((5 * defaults.LOOKED_AT, 6, 6, 1), np.float32)])
    assert size(many, np.ones(len(many))) == pytest.approx(size(many, None))
    hidden = np.zeros(len(many))
    hidden[1] = 1.0  # none of those that are looked at counts
    assert 0 < size(many, hidden) < size(X, None)


@pytest.mark.parametrize("validation", [None, 0.25])
def test_data_of_different_lengths(validation):
    X, y = data()
    for one, other, weights in ((X[1:], y, np.ones(60)), (X, y[1:], np.ones(59))):
        with pytest.raises(ValueError, match=r"y must have one entry for each of \d+ images"):
            train(one, other, sample_weight=weights, validation=validation)
    with pytest.raises(ValueError, match="sample_weight must have the shape"):
        train(X, y, sample_weight=np.ones(59), validation=validation)


@pytest.mark.parametrize("number", [32, 36, 64])
def test_nested_noise_is_what_train_chooses(number):
    X, y = data()
    result = train(X, y, number)
    assert result.ga.mutation_type.nested is True
    assert len(np.unique(result.ga.population[:, :20], axis=0)) < number
    assert len(np.unique(result.ga.population, axis=0)) == number


def test_settings_of_the_evolution_strategy():
    chosen = strategy_settings(30, sized(1600), {}, one_objective=True)
    assert chosen["num_parents_mating"] == 30
    assert chosen["keep_elitism"] == chosen["keep_parents"] == 0
    crossover, mutation = chosen["crossover_type"], chosen["mutation_type"]
    assert crossover.weights == "fitness"
    rate = default_learning_rate(30, 1600)
    assert crossover.learning_rate == pytest.approx(rate)
    assert crossover.final_learning_rate == pytest.approx(
        rate / defaults.NETWORK.rate_fall, rel=1e-2
    )
    assert crossover.weight_decay == defaults.NETWORK.decay
    assert mutation.sigma == pytest.approx(0.1)
    assert mutation.final_sigma is None
    assert mutation.mirrored
    assert mutation.scale == "fan_in"
    assert not mutation.input_span
    many = strategy_settings(30, sized(1600), {}, one_objective=True, num_samples=1000)
    assert many["mutation_type"].input_span  # 32 directions
    assert many["crossover_type"].learning_rate == 6
    assert many["mutation_type"].sigma == 0.1
    some = strategy_settings(30, sized(1600), {}, one_objective=True, num_samples=200)
    assert some["crossover_type"].learning_rate == default_learning_rate(30, 200)


def test_fewer_parents_are_recombined_by_rank():
    chosen = strategy_settings(30, sized(1600), {"num_parents_mating": 5}, one_objective=True)
    assert chosen["num_parents_mating"] == 5
    assert chosen["crossover_type"] == "recombination"
    assert chosen["mutation_type"] == gacnn.GaussianMutation(0.1, mirrored=True)


@pytest.mark.parametrize("name", ["gaussian", "Mirrored", "self_adaptive"])
def test_named_mutations_change_genes_that_have_steps(name):
    X, y = data(60)
    changed = []

    def count(ga, offspring):
        changed.append(np.any(offspring != ga.last_generation_offspring_crossover))

    settings = {"gene_space": [-1, 0, 1], "crossover_type": "uniform", "mutation_type": name}
    train(X, y, num_generations=6, on_mutation=count, **settings)
    assert all(changed)
    settings = {"gene_type": int, "crossover_type": "uniform", "mutation_type": name}
    chosen = strategy_settings(8, sized(1600), settings, one_objective=True)
    assert chosen["mutation_type"].sigma == 0.4


def test_settings_with_a_finite_gene_space_neither_scale_nor_decay():
    chosen = strategy_settings(30, sized(1600), {"gene_space": [-1, 0, 1]}, one_objective=True)
    assert chosen["mutation_type"].sigma == pytest.approx(0.4)
    assert chosen["mutation_type"].scale is None
    assert not chosen["mutation_type"].input_span
    assert chosen["crossover_type"].weight_decay == 0


@pytest.mark.parametrize("settings", [{"gene_space": [-2, 0, 2]}, {"gene_type": int}])
def test_noise_falls_until_few_genes_of_the_offspring_jump(settings):
    chosen = strategy_settings(30, sized(1600), settings, one_objective=True)
    mutation, crossover = chosen["mutation_type"], chosen["crossover_type"]
    assert mutation.final_sigma == pytest.approx(mutation.sigma / defaults.STEPPED.sigma_fall)
    rates = crossover.learning_rate, crossover.final_learning_rate
    assert rates[1] == pytest.approx(rates[0] / defaults.STEPPED.rate_fall, rel=1e-2)
    even = strategy_settings(
        30, sized(1600), {"gene_space": {"low": -1, "high": 1}}, one_objective=True
    )
    assert even["mutation_type"].final_sigma is None


@pytest.mark.parametrize(("number", "falls"), [(0, False), (9_999, False), (10_000, True)])
def test_noise_falls_where_there_are_many_samples(number, falls):
    how = {"one_objective": True, "num_samples": number}
    mutation = strategy_settings(30, sized(1600), {}, **how)["mutation_type"]
    assert mutation.final_sigma == (pytest.approx(0.1 / 3, rel=1e-2) if falls else None)
    for settings in ({"gene_space": {"low": -1, "high": 1}}, {"crossover_type": "recombination"}):
        chosen = strategy_settings(30, sized(1600), settings, **how)
        assert chosen["mutation_type"].final_sigma is None


def test_train_counts_the_samples(monkeypatch):
    monkeypatch.setattr(defaults, "MANY_SAMPLES", 40)
    X, y = data()
    assert train(X, y, validation=None).ga.mutation_type.final_sigma is not None
    assert train(X, y, validation=0.4).ga.mutation_type.final_sigma is None


def test_settings_of_integers_neither_scale_nor_decay():
    chosen = strategy_settings(30, sized(1600), {"gene_type": int}, one_objective=True)
    assert chosen["mutation_type"].scale is None
    assert chosen["crossover_type"].weight_decay == 0


@pytest.mark.parametrize("settings", [{"gene_space": [-2, 0, 2]}, {"gene_type": int}])
def test_no_sigma_of_a_wide_search_is_lost_in_rounding(settings):
    mutation = strategy_settings(30, sized(10), settings, one_objective=True)["mutation_type"]
    step = 2 if "gene_space" in settings else 1
    assert mutation.least == pytest.approx(0.4 * step)
    assert mutation.sigma == pytest.approx(2 * step)


@pytest.mark.parametrize("given", [{"mutation_type": "random"}, {"crossover_type": "blend"}])
def test_settings_with_an_operator_given(given):
    chosen = strategy_settings(30, sized(1600), given, one_objective=True)
    others = {
        "parent_selection_type": "truncation",
        "crossover_type": "uniform",
        "mutation_type": "self_adaptive",
        "num_parents_mating": 7,
        "keep_elitism": 2,
    }
    assert {name: chosen[name] for name in others} == others | given


def test_settings_for_few_weights_search_widely():
    few = strategy_settings(30, sized(defaults.FEW_WEIGHTS), {}, one_objective=True)
    assert few["parent_selection_type"] == "tournament"
    assert few["crossover_type"] == "uniform"
    assert few["mutation_type"] == gacnn.LogUniformMutation()
    more = strategy_settings(30, sized(defaults.FEW_WEIGHTS + 1), {}, one_objective=True)
    assert isinstance(more["crossover_type"], gacnn.WeightedRecombination)


def test_settings_for_several_objectives():
    chosen = strategy_settings(30, sized(1600), {}, one_objective=False)
    assert chosen["parent_selection_type"] == "nsga2"
    assert chosen["crossover_type"] == "uniform"


def test_given_settings_come_first():
    given = {"keep_elitism": 1, "num_parents_mating": 30, "gene_type": np.float64}
    chosen = strategy_settings(30, sized(1600), given, one_objective=True)
    assert {name: chosen[name] for name in given} == given
    assert "weights='fitness'" in repr(chosen["crossover_type"])


@pytest.mark.parametrize("num_solutions", [2, 3, 5])
def test_settings_of_small_populations(num_solutions):
    X, y = data(20)
    for given in ({}, {"crossover_type": "uniform"}):
        result = train(X, y, num_solutions, **given)
        assert result.ga.generations_completed == 6


# Held-out data


@pytest.mark.parametrize(("number", "held"), [(199, 0), (200, 20), (1000, 100)])
def test_a_tenth_is_held_out_where_there_are_enough(number, held):
    X, y = data(number)
    plan = gacnn.GACNN(network(), 4).plan(X, y)
    assert (plan.num_images, plan.num_validation) == (number - held, held)
    plan = gacnn.GACNN(network(), 4).plan(X, y, validation=None)
    assert (plan.num_images, plan.num_validation) == (number, 0)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
def test_held_out_images_are_no_training_images(share):
    X, y = data(40)
    train, held_out = hold_out(network(), Samples(X, y), share, 0, labels=True)
    (inner, labels, _), (outer, outer_labels, _) = train, held_out
    assert len(outer) == round(share * 40)
    both = np.concatenate([inner, outer]).reshape(40, -1)
    np.testing.assert_array_equal(np.unique(both, axis=0), np.unique(X.reshape(40, -1), axis=0))
    for image, target in [*zip(inner, labels, strict=True), *zip(outer, outer_labels, strict=True)]:
        place = np.abs(X - image).sum(axis=(1, 2, 3)).argmin()
        assert target == y[place]


def test_held_out_images_depend_on_the_seed_alone():
    X, y = data(40)
    data_ = Samples(X, y)
    held = [hold_out(network(), data_, 0.2, seed, labels=True)[1].X for seed in (1, 1, 2)]
    np.testing.assert_array_equal(held[0], held[1])
    assert not np.array_equal(held[0], held[2])


def test_held_out_share_of_values():
    X, _ = data(40)
    y = np.random.default_rng(0).random((40, 3))
    train, held_out = hold_out(network(), Samples(X, y), 0.25, 0, labels=False)
    assert (len(train.X), len(train.y), len(held_out.X)) == (30, 30, 10)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_every_class_keeps_an_image_to_train_on(share, seed):
    y = np.array([0] * 25 + [1] + [2] * 2 + [3] * 12)
    weights = np.arange(40.0)
    samples = Samples(np.zeros((40, 6, 6, 1)), y, weights)
    train, held_out = hold_out(network(4), samples, share, seed, labels=True)
    assert set(train.y) == {0, 1, 2, 3}
    assert 1 not in held_out.y
    assert len(held_out.y) >= 1
    np.testing.assert_array_equal(y[train.sample_weight.astype(int)], train.y)
    np.testing.assert_array_equal(y[held_out.sample_weight.astype(int)], held_out.y)


def test_a_share_of_classes_of_one_image_is_refused():
    samples = Samples(np.zeros((3, 6, 6, 1)), np.arange(3))
    with pytest.raises(ValueError, match="no class has an image to spare"):
        hold_out(network(), samples, 0.4, 0, labels=True)


def test_values_are_no_classes_of_one_image():
    y = np.random.default_rng(0).random(40)
    model = cnn.Model([cnn.Input1D(3), cnn.Dense(1)], random_seed=0)
    X = np.arange(120).reshape(40, 3) / 120
    gacnn.GACNN(model, 4).train(
        X, y, metric="mse", validation=0.3, num_generations=1, verbose=False
    )


def test_a_class_of_one_image_is_named_once():
    X, y = data(40)
    y[:] = np.arange(40) % 2
    y[7] = 2
    with pytest.warns(UserWarning, match="class 2 has one image") as caught:
        train(X, y, validation=0.2)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize("operators", [{}, {"crossover_type": "uniform"}])
def test_fitness_never_sees_the_held_out_images(operators):
    X, _ = data(40)
    seen = []

    def metric(outputs, targets):
        seen.append(frozenset(targets.tolist()))
        return 0.0

    names = np.arange(40)
    result = train(X, names, metric=metric, validation=0.25, **operators)
    assert len(result.ga.fitness_func.X) == 30
    assert sorted(map(len, set(seen))) == [10, 30]
    assert frozenset.intersection(*seen) == frozenset()


@pytest.mark.parametrize(
    ("images", "solutions", "batch", "every"),
    [(100, 64, 128, 1), (1000, 20, 100, 5), (9, 2, 1, 45)],
)
def test_validation_costs_a_tenth_at_most(images, solutions, batch, every):
    assert validation_interval(images, solutions, batch) == every
    assert images <= validation.VALIDATION_COST * solutions * batch * every


@pytest.mark.parametrize("operators", [{}, {"crossover_type": "uniform"}])
def test_best_network_on_the_validation_data_is_returned(operators):
    X, y = data(90)
    scored = []

    class Watch(gacnn.Callback):
        def on_generation(self, ga):
            scored.append(the_validation.score)

    held = data(40, seed=9)
    watch = Watch()
    manager = gacnn.GACNN(network(), 8, random_seed=4)
    training = Training(network(), 8, X, y, validation=held, num_generations=20, **operators)
    the_validation = training.validation
    result = training.run(manager.population_as_vectors(), callbacks=[watch], verbose=False)
    assert result.validation_score == max(scored)
    again = gacnn.Fitness(result.model, *held).full(result.model.weights[None])[0]
    assert again == pytest.approx(result.validation_score)
    on_all = gacnn.Fitness(result.model, X, y).full(result.model.weights[None])[0]
    assert on_all == pytest.approx(result.score)
    assert result.history["validation"] == scored


def test_validation_that_fails_says_where():
    X, y = data(20)
    calls = []

    def metric(outputs, targets):
        if len(targets) == 5:
            raise KeyError("sensor lost")
        calls.append(1)
        return 0.0

    with pytest.raises(ValueError, match="sensor lost") as caught:
        train(X, y, metric=metric, validation=data(5))
    assert any("on the validation data" in note for note in caught.value.__notes__)


def test_a_dataset_validates_as_its_images_and_labels_do():
    (X, y), held = data(40), data(30, seed=1)
    digits = cnn.datasets.Dataset(*held, ("1", "2", "3"))  # whose names are no weights
    assert train(X, y, validation=digits).validation_score == (
        train(X, y, validation=held).validation_score
    )


def test_validation_data_in_other_numbers_are_named():
    (X, y), (X_held, y_held) = data(40), data(30, seed=1)
    with pytest.warns(UserWarning, match="validation holds far larger numbers"):
        train(X, y, validation=(255 * X_held, y_held))
    with pytest.raises(ValueError, match="y must hold whole numbers") as caught:
        train(X, y, validation=(X_held, y_held + 1))
    assert "in the data to validate on" in caught.value.__notes__


# Stopping


def test_early_stopping_waits_for_a_third_of_the_generations():
    X, y = data(30)

    def flat(outputs, targets):
        return 0.0

    settings = {"metric": flat, "num_generations": 153, "num_solutions": 2}
    for held in (None, 0.25):
        result = train(X, y, **settings, validation=held)
        assert result.plan.patience == 51
        assert result.ga.generations_completed == 52
        result = train(X, y, **settings, validation=held, patience=4)
        assert result.ga.generations_completed == 5
    result = train(X, y, **settings, patience=None)
    assert result.ga.generations_completed == 153


@pytest.mark.parametrize("num_generations", [0, 1, 2])
def test_few_generations_are_all_run(num_generations):
    X, y = data(60)
    result = train(X, y, num_generations=num_generations, validation=0.25)
    assert result.ga.generations_completed == num_generations
    assert np.isfinite(result.score)
    assert result.validation_score is not None


def test_patience_where_nothing_can_be_followed():
    X, y = data(60)
    manager = gacnn.GACNN(network(), 4)
    assert manager.plan(X, y, batch_size=10, validation=None).patience is None
    assert manager.plan(X, y, metric=["accuracy", "cross_entropy"]).patience is None
    assert manager.plan(X, y, time_limit=1).patience is None
    assert manager.plan(X, y, validation=0.2, num_generations=600).patience == 200


def test_time_limit_is_the_end_and_the_progress():
    X, y = data(60)
    shares = []
    listen = gacnn.LambdaCallback(on_generation=lambda ga: shares.append(ga.progress))
    result = train(X, y, num_generations=None, time_limit=0.3, callbacks=[listen])
    assert result.ga.num_generations == ENDLESS
    assert result.plan.num_generations is None
    assert 1 <= result.ga.generations_completed < 10_000
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert result.history["seconds"][-1] >= 0.29  # noted just before the limit is checked


def test_time_limit_of_a_resumed_run_counts_the_time_before(tmp_path):
    X, y = data(60)
    settings = {"num_generations": None, "checkpoint": tmp_path / "c", "validation": 0.2}
    first = train(X, y, time_limit=0.2, **settings)
    before = first.history["seconds"][-1]
    rest = train(X, y, time_limit=before + 0.15, resume=True, **settings)
    assert rest.ga.generations_completed > first.ga.generations_completed
    assert before + 0.14 <= rest.history["seconds"][-1]
    assert rest.history["generation"] == list(range(1, rest.ga.generations_completed + 1))


# The plan


def test_numbers_of_a_plan():
    X, y = data(400)
    plan = gacnn.GACNN(network(), 10).plan(X, y, num_generations=50, batch_size=30, validation=0.1)
    weights = network().num_weights
    assert plan.num_weights == weights
    assert plan.num_solutions == 10
    assert plan.population_bytes == 10 * weights * 4
    assert (plan.num_images, plan.num_validation, plan.batch_size) == (360, 40, 30)
    assert (plan.num_generations, plan.patience) == (50, default_patience(50))
    every = math.ceil(40 / (0.1 * 10 * 30))
    validations = 50 // every + 2  # the first generation, and the end
    assert plan.image_evaluations == (51 * 10 + 1) * 30 + 360 + validations * 40
    assert 0 < plan.seconds < 60
    assert plan.settings["mutation_type"].mirrored


def test_plan_is_about_what_is_spent():
    X, y = data(300)
    for settings in ({}, {"crossover_type": "uniform"}, {"batch_size": None}):
        result = train(X, y, num_generations=40, patience=None, **settings)
        assert result.image_evaluations == pytest.approx(result.plan.image_evaluations, rel=0.15)


@pytest.mark.parametrize("operators", [{}, {"crossover_type": "uniform"}])
def test_image_evaluations_are_those_of_the_fitness(operators):
    X, y = data(100)
    images = [0]

    def metric(outputs, targets):
        images[0] += len(outputs)
        return float(len(outputs)) + float(outputs.sum())

    manager = gacnn.GACNN(network(), 6, random_seed=0)
    settings = {"metric": metric, "batch_size": 20, "validation": None, **operators}
    result = manager.train(X, y, num_generations=5, verbose=False, **settings)
    assert result.image_evaluations == images[0]


@pytest.mark.parametrize("generations", [0, 1, 7])
@pytest.mark.parametrize("operators", [{}, {"mutation_type": "self_adaptive", "keep_elitism": 0}])
def test_plan_tells_the_cost_of_the_run(operators, generations):
    X, y = data(300)
    settings = {"num_generations": generations, "batch_size": 20, "patience": None, **operators}
    manager = gacnn.GACNN(network(), 6, random_seed=0)
    result = manager.train(X, y, verbose=False, **settings)
    assert result.plan.image_evaluations == result.image_evaluations


def test_validation_looks_several_times_before_patience_is_over():
    X, y = data(240)
    held = data(240)
    result = train(X, y, 6, num_generations=60, batch_size=6, validation=held, patience=8)
    scores = result.history["validation"]
    assert len(set(scores[:8])) >= 4


def test_large_inputs_are_warned_of():
    X, y = data(60)
    message = r"X holds numbers of about \d+, and .*divide images"
    with pytest.warns(UserWarning, match=message) as caught:
        gacnn.GACNN(network(), 4).plan(500 * X, y, num_generations=1)
    assert caught[0].filename == __file__


def test_plan_evolves_nothing_and_takes_the_arguments_of_train(tmp_path):
    X, y = data(60)
    manager = gacnn.GACNN(network(), 4, random_seed=0)
    before = manager.population.copy()
    path = tmp_path / "c"
    plan = manager.plan(X, y, checkpoint=path, resume=False, verbose=True, callbacks=[])
    np.testing.assert_array_equal(manager.population, before)
    assert not path.exists()
    assert plan.num_generations == defaults.NUM_GENERATIONS


def test_plan_leaves_the_run_as_it_is():
    X, y = data(300)
    manager = gacnn.GACNN(network(), 6, random_seed=4)
    manager.plan(X, y)
    planned = manager.train(X, y, num_generations=4, verbose=False)
    np.testing.assert_array_equal(
        planned.ga.population, train(X, y, 6, num_generations=4).ga.population
    )


def test_plan_counts_what_operators_take():
    X, y = data(60)

    def slow(offspring, ga):
        time.sleep(0.05)
        return offspring

    told = []
    settings = {"mutation_type": slow, "on_generation": told.append, "num_generations": 8}
    plan = gacnn.GACNN(network(), 4).plan(X, y, **settings)
    assert 0.4 <= plan.seconds < 4
    assert not told  # what is tried is no run


@pytest.mark.parametrize("verbose", [False, True])
def test_a_training_runs_one_genetic_algorithm(verbose, monkeypatch):
    runs = []
    whole = gacnn.GA.run
    monkeypatch.setattr(gacnn.GA, "run", lambda ga: (runs.append(ga), whole(ga)))
    X, y = data(60)
    result = train(X, y, 5, verbose=verbose)
    assert runs == [result.ga]
    assert result.plan.seconds > 0


def test_ctrl_c_while_a_plan_is_made():
    X, y = data(60)
    pressed = []

    def metric(outputs, targets):
        if not pressed:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)
        return float(outputs.sum())

    with pytest.raises(KeyboardInterrupt):
        gacnn.GACNN(network(), 4).plan(X, y, metric=metric, num_generations=1)


def test_plan_of_a_time_limit():
    X, y = data(60)
    manager = gacnn.GACNN(network(), 4)
    plan = manager.plan(X, y, time_limit=90)
    assert plan.seconds == pytest.approx(90, rel=0.05)
    assert plan.num_generations is None
    assert 100 < plan.likely_generations < ENDLESS
    assert plan.image_evaluations == (4 * plan.likely_generations + 5) * 60 + 60
    text = str(plan)
    assert "as many generations as 90 seconds allow on batches of 60" in text
    assert re.search(
        r"about [\d,]+ generations, about [\d,.]+ million image evaluations, about 90 seconds", text
    )
    both = manager.plan(X, y, time_limit=90, num_generations=10**8)
    assert "at most 100,000,000 generations, or 90 seconds, on" in str(both)
    short = manager.plan(X, y, time_limit=0)
    assert (short.likely_generations, short.seconds) == (1, 0)


def test_plan_is_printed_once_when_verbose(capsys):
    X, y = data(60)
    result = train(X, y, verbose=True, validation=0.25, patience=2, num_generations=60)
    printed = capsys.readouterr().out
    *lines, end = printed.splitlines()
    assert lines == str(result.plan).splitlines()[:-1]  # no time for a forecast
    assert end.startswith("ended after generation ")
    weights = network().num_weights
    assert f"8 networks of {weights} weights" in printed
    assert "45 images to train on, 15 to validate" in printed
    assert "60 generations on batches of 45, drawn evenly; stops after 2 without" in printed
    assert re.search(
        r"^evolution strategy, sigma 0\.\d+, learning rate \S+ "
        "falling to",
        printed,
        re.M,
    )
    train(X, y, verbose=False)
    assert capsys.readouterr().out == ""


def test_plan_says_in_words_what_makes_a_generation():
    def words(number=8, **settings):
        plan = gacnn.GACNN(network(), number).training(*data(60), **settings).plan()
        assert plan.settings["num_parents_mating"]
        return str(plan).splitlines()[-1]

    span = {"batch_size": 4}
    for number, settings, noise in (
        (8, {}, ""),
        (32, {}, "nested noise, "),
        (8, span, "noise in the span of inputs, "),
        (32, span, "nested noise in the span of inputs, "),
    ):
        assert re.fullmatch(
            rf"evolution strategy, {noise}sigma 0\.\d+, learning rate [\d.]+ falling to [\d.]+",
            words(number, **settings),
        )
    ranked = words(crossover_type="recombination", mutation_type="csa")
    assert ranked == "evolution strategy, the best 4 as parents, csa mutation, learning rate 1"
    plain = words(crossover_type="uniform")
    assert plain == (
        "genetic algorithm, 2 parents by truncation, crossover uniform, self-adaptive mutation"
    )
    named = gacnn.GACNN(network(), 8).training(*data(60), mutation_type="csa").plan().settings
    assert named["mutation_type"].sigma == 0.05


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1 second"),
        (0.96, "1 second"),
        (5.25, "5.2 seconds"),
        (90, "90 seconds"),
        (600, "10 minutes"),
        (5400, "90 minutes"),
        (9000, "2.5 hours"),
    ],
)
def test_durations(number, text):
    assert plan_module.duration(number) == text


def test_an_end_by_patience_is_said(capsys):
    X, y = data(60)
    settings = {"verbose": True, "num_generations": 50, "metric": lambda outputs, y: 0.0}
    train(X, y, validation=None, patience=3, **settings)
    assert "ended after generation 4: 3 without improvement" in capsys.readouterr().out
    train(X, y, validation=None, patience=50, **settings)
    assert "ended" not in capsys.readouterr().out


def test_forecast_of_a_time_limit_is_told_and_corrected(capsys):
    X, y = data(60)
    train(X, y, verbose=True, num_generations=None, time_limit=1.5, patience=None)
    told = re.findall(r"^(?:now )?about ([\d,]+) generations", capsys.readouterr().out, re.M)
    assert 1 <= len(told) <= 2


def test_a_clock_counts_all_that_lies_between_generations():
    told = []
    clock = forecast.Clock(lambda ga, seconds: told.append(seconds), [0.05, 0.1])
    pause = gacnn.LambdaCallback(on_generation=lambda ga: time.sleep(0.02))
    gacnn.GA(
        num_generations=10,
        num_parents_mating=2,
        fitness_func=lambda ga, solution, index: 0,
        sol_per_pop=4,
        num_genes=3,
        callbacks=[clock, pause],
        suppress_warnings=True,
    ).run()
    assert len(told) == 2
    assert all(0.02 < seconds < 0.1 for seconds in told)


# What comes out


@pytest.mark.parametrize("metric", ["cross_entropy", "accuracy", "f1_macro"])
def test_accuracy_on_validation_data_is_told(metric):
    X, y = data(60)
    result = train(X, y, metric=metric, validation=(X[:30], y[:30]))
    right = np.mean(result.model.predict(X[:30]) == y[:30])
    assert result.validation_accuracy == pytest.approx(right)
    assert f"validation accuracy {100 * right:.1f} %" in repr(result)
    accuracy = result.history["validation_accuracy"]
    assert len(accuracy) == len(result.history)
    if metric == "accuracy":
        assert accuracy == result.history["validation"]


def test_no_accuracy_where_it_means_nothing():
    X, y = data(60)
    result = train(X, np.eye(3)[y], metric="mse", validation=0.25)
    assert result.validation_accuracy is None
    assert "validation_accuracy" not in result.history
    assert train(X, y).validation_accuracy is None


def test_result_without_validation_is_the_average_of_a_strategy():
    X, y = data(60)
    result = train(X, y, batch_size=20)
    np.testing.assert_array_equal(result.model.weights, the(result, gacnn.WeightAverage).solution)
    assert result.validation_score is None


@pytest.mark.parametrize("name", ["recombination", "Recombination"])
def test_recombination_by_name_is_averaged_too(name):
    X, y = data(60)
    result = train(X, y, crossover_type=name, mutation_type="gaussian", batch_size=20)
    np.testing.assert_array_equal(result.model.weights, the(result, gacnn.WeightAverage).solution)


def test_result_of_all_images_is_the_best_of_the_population():
    X, y = data(60)
    result = train(X, y)
    scores = gacnn.Fitness(network(), X, y)(result.ga.population)
    assert result.score == pytest.approx(scores.max())


class Seen(gacnn.Callback):
    """Keeps the best fitness of every generation."""

    def __init__(self):
        self.fitness = []

    def on_generation(self, ga):
        self.fitness.append(ga.last_generation_fitness.max())


@pytest.mark.parametrize("patience", ["auto", None])
def test_result_of_all_images_is_the_best_of_all_generations(patience):
    X, y = data(60)
    seen = Seen()
    jumps = gacnn.WeightedRecombination("fitness", 20.0)  # so far that later ones are worse
    result = train(
        X, y, num_generations=20, crossover_type=jumps, patience=patience, callbacks=[seen]
    )
    best = max(seen.fitness)
    assert best > seen.fitness[-1] + 0.05
    assert result.score == pytest.approx(best)
    assert result.ga.last_generation_fitness.max() == pytest.approx(best)


def test_the_best_network_answers_for_the_result():
    X, y = data(60)
    result = train(X, y)
    np.testing.assert_array_equal(result.predict(X), result.model.predict(X))
    np.testing.assert_array_equal(result.predict_proba(X), result.model.predict_proba(X))
    report = result.evaluate(X, y, ["dark", "grey", "bright"])
    assert report.accuracy == result.model.score(X, y)
    assert "bright" in str(report)
    with pytest.raises(ValueError, match="data_inputs"):
        result.predict(X[0])


def test_several_objectives():
    X, y = data(60)
    result = train(X, y, metric=["accuracy", "cross_entropy"], validation=0.25)
    assert np.shape(result.score) == np.shape(result.validation_score) == (2,)
    assert result.ga.last_generation_fitness.shape == (8, 2)


@pytest.mark.parametrize("space", [[-1, 0, 1], {"low": -0.5, "high": 0.5}])
@pytest.mark.parametrize("held", [None, 0.25])
def test_weights_of_the_result_are_in_the_gene_space(space, held):
    X, y = data(60)
    result = train(X, y, gene_space=space, validation=held)
    for weights in (result.model.weights, result.ga.population):
        if isinstance(space, list):
            assert np.isin(weights, space).all()
        else:
            assert np.abs(weights).max() <= 0.5


@pytest.mark.parametrize("space", [[-1, 0, 1], {"low": -0.05, "high": 0.05}, range(3)])
def test_solutions_that_are_kept_are_in_the_gene_space(space):
    X, y = data(60)
    operators = {"mutation_type": "gaussian", "keep_elitism": 4, "num_generations": 0}
    population = train(X, y, gene_space=space, **operators).ga.population
    if isinstance(space, dict):
        assert np.abs(population).max() == np.float32(0.05)
    else:
        assert np.isin(population, list(space)).all()
        assert 0.01 < np.count_nonzero(population) / population.size < 0.5


@pytest.mark.parametrize("settings", [{"keep_elitism": 2}, {"num_generations": 0}])
def test_elites_of_a_recombination_are_in_the_gene_space(settings):
    X, y = data(60)
    settings = {"gene_space": [-1, 0, 1], "crossover_type": "recombination", **settings}
    result = train(X, y, validation=None, **settings)
    assert np.isin(result.ga.population, [-1, 0, 1]).all()
    assert np.isin(result.model.weights, [-1, 0, 1]).all()


@pytest.mark.parametrize("space", [None, {"low": -1.5, "high": 1.5}])
def test_first_integers_are_drawn_so_that_small_weights_are_not_all_zero(space):
    X, y = data(60)
    settings = {"gene_type": int, "mutation_type": "gaussian", "num_generations": 0}
    population = train(X, y, gene_space=space, **settings).ga.population
    assert population.dtype.kind == "i"
    assert 0.01 < np.count_nonzero(population) / population.size < 0.5
    assert space is None or np.abs(population).max() == 1


def test_few_weights():
    X, y = data(60)
    manager = gacnn.GACNN(tiny(), 12, random_seed=0)
    result = manager.train(X, y, num_generations=20, validation=None, verbose=False)
    assert result.history["best"][-1] > result.history["best"][0]
    assert result.plan.settings["K_tournament"] == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"mutation_type": "csa", "crossover_type": "recombination"},
        {"mutation_type": "separable", "crossover_type": "recombination"},
        {"crossover_type": "filter"},
        {"crossover_type": "layer", "mutation_type": "mirrored"},
        {"crossover_type": "blend", "mutation_type": "self_adaptive"},
    ],
)
def test_every_operator_by_name(settings):
    X, y = data(60)
    result = train(X, y, num_generations=15, patience=None, **settings)
    assert result.ga.generations_completed == 15
    assert max(result.history["best"]) > result.history["best"][0]


@pytest.mark.parametrize("operators", [{}, {"crossover_type": "uniform"}])
def test_threads_change_no_bit(operators):
    X, y = data(300)
    augment = gacnn.augment.Shift(1)
    runs = [
        train(X, y, threads=threads, batch_size=50, augment=augment, **operators)
        for threads in (1, 2)
    ]
    np.testing.assert_array_equal(runs[0].ga.population, runs[1].ga.population)
    np.testing.assert_array_equal(runs[0].model.weights, runs[1].model.weights)
    assert runs[0].history["best"] == runs[1].history["best"]
    assert runs[0].validation_score == runs[1].validation_score


# A killed run


class PowerCut(Exception):  # noqa: N818 # it is no error of the run
    pass


class Plug(gacnn.Callback):
    """Raises once, in the generation after `after`."""

    is_part_of_run = False

    def __init__(self, after, event):
        self.after = after
        setattr(self, event, self.pull)

    def pull(self, ga, *values):
        if ga.generations_completed == self.after:
            raise PowerCut


@pytest.mark.parametrize("event", ["on_generation", "on_mutation", "on_fitness"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"validation": None, "batch_size": None},
        {"augment": gacnn.augment.Compose(gacnn.augment.Shift(1), gacnn.augment.Flip())},
        {"gene_space": [-1, 0, 1]},
        {"mutation_type": "self_adaptive"},
        {"mutation_type": "separable", "crossover_type": "recombination"},
    ],
)
def test_killed_run_goes_on_bit_for_bit(tmp_path, settings, event):
    X, y = data(240)
    settings = {"num_generations": 12, "batch_size": 40, **settings}
    path = tmp_path / "c"
    whole = train(X, y, **settings)
    with pytest.raises(PowerCut):
        train(X, y, checkpoint=path, callbacks=[Plug(5, event)], **settings)
    rest = train(X, y, checkpoint=path, resume=True, **settings)
    assert rest.ga.generations_completed == whole.ga.generations_completed
    np.testing.assert_array_equal(rest.ga.population, whole.ga.population)
    np.testing.assert_array_equal(rest.model.weights, whole.model.weights)
    np.testing.assert_array_equal(rest.ga.last_generation_fitness, whole.ga.last_generation_fitness)
    assert (rest.score, rest.validation_score) == (whole.score, whole.validation_score)
    assert rest.image_evaluations == whole.image_evaluations
    for name in set(whole.history) - {"seconds"}:
        assert rest.history[name] == whole.history[name]


def test_resume_without_a_file_begins(tmp_path):
    X, y = data(60)
    fresh = train(X, y, checkpoint=tmp_path / "c", resume=True)
    np.testing.assert_array_equal(fresh.ga.population, train(X, y).ga.population)
    assert (tmp_path / "c").exists()


def test_resume_of_a_finished_run_gives_its_result(tmp_path):
    X, y = data(240)
    first = train(X, y, checkpoint=tmp_path / "c")
    again = train(X, y, checkpoint=tmp_path / "c", resume=True)
    assert again.ga.generations_completed == first.ga.generations_completed
    np.testing.assert_array_equal(again.model.weights, first.model.weights)
    assert again.validation_score == first.validation_score


def test_resume_of_a_run_that_patience_has_ended_changes_nothing(tmp_path):
    X, y = data(240)
    settings = {"num_generations": 60, "patience": 2, "checkpoint": tmp_path / "c"}
    first = train(X, y, **settings)
    assert first.ga.generations_completed < 60
    for _ in range(2):
        again = train(X, y, resume=True, **settings)
        assert len(again.history) == len(first.history)
        np.testing.assert_array_equal(again.model.weights, first.model.weights)
    longer = train(X, y, resume=True, **{**settings, "patience": 4})
    assert len(longer.history) > len(first.history)


# Bad input


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"validation": "none"}, ValueError, "validation must be .*auto.*not 'none'"),
        ({"validation": 0}, ValueError, "validation must be a share between 0 and 1.*not 0"),
        ({"validation": np.nan}, ValueError, "validation must be a share between 0 and 1.*nan"),
        ({"validation": [1, 2]}, ValueError, "or .X, y, sample_weight., not a list"),
        ({"batch_size": "all"}, ValueError, "batch_size must be .*auto.*not 'all'"),
        (
            {"batch_size": 61},
            ValueError,
            "batch_size must be at most the number of images to train on, 60",
        ),
        ({"patience": "long"}, ValueError, "patience must be .*auto.*not 'long'"),
        ({"patience": 0}, ValueError, "patience must be at least 1, not 0"),
        ({"patience": 2.5}, TypeError, "patience must be an integer, not 2.5"),
        ({"num_generations": 1.5}, TypeError, "num_generations must be an integer, not 1.5"),
        ({"patience": 3, "metric": ["accuracy", "f1_macro"]}, ValueError, "patience needs one"),
        ({"sol_per_pop": 20}, TypeError, "sol_per_pop is settled already"),
        ({"augment": gacnn.augment.Flip}, TypeError, r"not a class: write Flip\(…\)"),
        ({"y": None}, ValueError, "y must have one entry for each image, not None"),
        ({"gene_space": {"low": 0}, "crossover_type": "uniform"}, ValueError, "high"),
        ({"patience": -5}, ValueError, "patience must be at least 1, not -5"),
        ({"time_limit": "1h"}, TypeError, "time_limit must be a number, not '1h'"),
        ({"time_limit": -1}, ValueError, "time_limit must be at least 0, not -1"),
        ({"augment": 3}, TypeError, r"augment must be callable as augment\(images, rng\), not 3"),
        ({"initial_population": []}, TypeError, "initial_population is what train makes itself"),
        ({"mutation_rate": 0.1}, TypeError, "mutation_rate"),
        ({"gene_space": [[0, 1], [1, 2]]}, ValueError, "gene_space must be the same for all"),
        ({"gene_space": [{"low": 0, "high": 1}]}, ValueError, "gene_space must be the same for"),
        ({"y": np.zeros(59, int)}, ValueError, "y must have one entry"),
        ({"y": np.zeros(59, int), "validation": 0.2}, ValueError, "y must have one entry"),
    ],
)
def test_bad_arguments(settings, error, message):
    X, y = data(60)
    with pytest.raises(error, match=message):
        train(X, settings.pop("y", y), **settings)


def test_unknown_setting_is_named_by_plan_and_train():
    X, y = data(20)
    population = gacnn.GACNN(network(), 4)
    for method in (population.plan, population.train):
        with pytest.raises(TypeError, match="has a setting 'mutation_rate'"):
            method(X, y, mutation_rate=3)


def test_resume_after_the_time_limit_changes_nothing(tmp_path):
    X, y = data(60)
    options = {"num_generations": None, "time_limit": 0.2, "checkpoint": tmp_path / "run"}
    first = train(X, y, **options)
    again = train(X, y, resume=True, **options)
    assert again.ga.generations_completed == first.ga.generations_completed
    np.testing.assert_array_equal(again.model.weights, first.model.weights)


def test_resume_with_another_limit_says_what_decides(tmp_path):
    X, y = data(60)
    options = {"validation": 0.25, "checkpoint": tmp_path / "run"}
    train(X, y, num_generations=3, **options)
    with pytest.raises(ValueError, match="callbacks were") as caught:
        train(X, y, num_generations=None, time_limit=1, resume=True, **options)
    assert "patience" in caught.value.__notes__[0]


def test_checkpoint_as_often_as_it_says(tmp_path):
    X, y = data(60)
    saving = gacnn.Checkpoint(tmp_path / "run", every=1000)
    seen = []
    listen = gacnn.LambdaCallback(on_generation=lambda ga: seen.append(saving.path.exists()))
    first = train(X, y, num_generations=4, patience=None, checkpoint=saving, callbacks=[listen])
    assert not any(seen)
    assert saving.path.exists()
    longer = train(
        X, y, num_generations=6, patience=None, checkpoint=saving, callbacks=[listen], resume=True
    )
    assert len(first.history) == 4
    assert len(longer.history) == 6


def test_memory_limit_is_for_all_forwards(monkeypatch, tmp_path):
    X, y = data(60)
    limits, run = set(), cnn.NumpyEngine.run

    def spied(*values, memory_limit, **options):
        limits.add(memory_limit)
        run(*values, memory_limit=memory_limit, **options)

    monkeypatch.setattr(cnn.NumpyEngine, "run", spied)
    train(X, y, validation=0.2, batch_size=20, memory_limit=12_345_678)
    manager = gacnn.GACNN(network(), 8)
    manager.fitness(X, y, memory_limit=12_345_678)(manager.population)
    manager.plan(X, y, memory_limit=12_345_678)
    assert limits == {12_345_678}


@pytest.mark.parametrize("validation", ["auto", 0.2, None])
def test_what_is_masked_is_refused(validation):
    X, y = data(300)
    with pytest.raises(ValueError, match="y is a masked array"):
        train(X, np.ma.masked_equal(y, 1), validation=validation)
    with pytest.raises(ValueError, match="X is a masked array"):
        train(np.ma.masked_greater(X, 1), y, validation=validation)


def test_resume_without_a_checkpoint_begins(tmp_path):
    X, y = data(60)
    result = train(X, y, checkpoint=tmp_path / "run", resume=True)
    assert result.ga.generations_completed == 6


# What was trained on


def test_a_training_notes_the_range_of_its_inputs_in_the_model_it_returns():
    X, y = data(200)
    model = train(X, y, validation=None).model
    median = pytest.approx(np.median(X.max(axis=(1, 2, 3))))
    assert model.input_range[:3] == (X.min(), median, X.max())
    assert network().input_range is None


@pytest.mark.parametrize(
    ("factor", "message"), [(1 / 255, "of at most"), (255, "of about"), (1, None)]
)
def test_inputs_far_from_one_bring_a_warning(factor, message):
    X, y = data()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(X / X.max() * factor, y)
    assert [message in str(each.message) for each in caught] == ([True] if message else [])
    assert all(each.filename == __file__ for each in caught)


# Luck, and networks without numbers


@pytest.mark.parametrize("validation", [0.2, None])
@pytest.mark.parametrize("batch_size", [10, None])
@pytest.mark.parametrize("way", ["criterion", "callback"])
def test_a_lucky_batch_ends_no_training(validation, batch_size, way):
    X, y = data()
    how = {"stop_criteria": "reach_0.9"}
    if way == "callback":
        how = {"callbacks": [gacnn.EarlyStopping(threshold=0.9)]}
    settings = {"metric": "accuracy", "validation": validation, "batch_size": batch_size}
    if batch_size is None:
        train(X, y, **settings, **how)
        return
    cure = 'threshold=0.9, monitor="validation"' if validation else "batch_size=None"
    with pytest.raises(ValueError, match=f"lucky batch; give .*{cure}"):
        train(X, y, **settings, **how)


def test_a_threshold_of_the_validation_ends_a_training_on_batches():
    X, y = data(200)
    stopping = gacnn.EarlyStopping(threshold=0.3, monitor="validation")
    result = train(X, y, metric="accuracy", callbacks=[stopping], num_generations=50)
    assert result.ga.generations_completed < 50
    assert result.validation_score >= 0.3


@pytest.mark.parametrize("metric", ["accuracy", "cross_entropy", ["accuracy", "f1_macro"]])
def test_the_result_gives_numbers(metric):
    X, y = data()
    model = network()
    model.weights = np.full(model.num_weights, 1e30)  # its softmax is NaN
    result = gacnn.GACNN(model, 8, random_seed=0).train(
        X, y, metric=metric, num_generations=3, validation=0.2, verbose=False
    )
    assert np.isfinite(result.model.forward(X)).all()
    with pytest.raises(ValueError, match="no network of the last population gives finite"):
        gacnn.GACNN(model, 8, random_seed=0, spread=0.0).train(
            X, y, metric=metric, num_generations=3, verbose=False
        )


def test_a_device_runs_the_networks_of_all_forwards():
    pytest.importorskip("torch")
    X, y = data(100)
    first, second = (train(X, y, validation=0.2, device="cpu") for _ in range(2))
    np.testing.assert_array_equal(first.ga.population, second.ga.population)
    assert first.ga.evaluator.fingerprint()["engine"] == "torch cpu"
    here = train(X, y, validation=0.2)
    assert first.score == pytest.approx(here.score, rel=1e-4)
    with pytest.raises(ValueError, match=r"device must be 'cpu', 'cuda'.* not 'gpu'"):
        train(X, y, device="gpu")
    with pytest.raises(ValueError, match="device='cpu' is for the engine 'torch', not for 'numpy'"):
        train(X, y, engine="numpy", device="cpu")


def test_a_checkpoint_of_another_device_says_so(tmp_path):
    pytest.importorskip("torch")
    X, y = data(100)
    train(X, y, checkpoint=tmp_path / "run", device="cpu")
    with pytest.raises(ValueError, match="engine of fitness_func was 'torch cpu' and is 'numpy'"):
        train(X, y, checkpoint=tmp_path / "run", resume=True)


def test_an_earlier_checkpoint_that_will_be_replaced_is_named(tmp_path):
    path = tmp_path / "run"

    def trained(**options):
        model = cnn.Model([cnn.Input1D(2), cnn.Dense(2, None, "softmax")], random_seed=0)
        X, y = np.eye(2).repeat(10, axis=0), np.arange(2).repeat(10)
        given = {"num_generations": 2, "validation": None, "verbose": False, **options}
        gacnn.GACNN(model, 4, random_seed=0).train(X, y, checkpoint=path, **given)

    trained()
    with pytest.warns(UserWarning, match="earlier run, and this one begins anew and replaces it"):
        trained()
    trained(resume=True, num_generations=3)
    path.write_bytes(b"")
    trained()
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        trained()


@pytest.mark.parametrize("number", [20, 1500])
def test_samples_that_are_all_the_same_are_named(number):
    model = cnn.Model([cnn.Input1D(2), cnn.Dense(2, None, "softmax")], random_seed=0)
    X, y = np.full((number, 2), 0.5), np.arange(number) % 2
    population = gacnn.GACNN(model, 4, random_seed=0)
    with pytest.warns(UserWarning, match=f"all {number:,} samples to train on are the same"):
        population.plan(X, y, validation=None)
    trained = number - number // 5
    with pytest.warns(UserWarning, match=f"all {trained:,} samples to train on are the same"):
        population.plan(X, y, validation=0.2)
    X[-1] = 0
    population.plan(X, y, validation=None)


def test_rows_of_no_weight_are_left_out_before_all_else():
    X, y = data(400)
    weights = np.zeros(400)
    weights[:30] = 1
    few = train(X, y, sample_weight=weights, validation=0.2)
    assert few.plan.num_images + few.plan.num_validation == 30
    assert few.plan.batch_size == few.plan.num_images
    two = train(X, y, class_weight={0: 0, 1: 1, 2: 2}, validation=0.2)
    assert two.plan.num_images + two.plan.num_validation == (y > 0).sum()
    with pytest.raises(ValueError, match="sample_weight is zero for all samples"):
        train(X, y, sample_weight=0 * weights)


def test_the_accuracy_that_people_are_told_has_no_weights():
    X, y = data(300)
    result = train(X, y, validation=(X, y), class_weight={0: 1, 1: 1, 2: 500})
    assert result.validation_accuracy == pytest.approx(result.model.score(X, y))
    last = result.history["validation_accuracy"][-1]
    assert 0 <= last <= 1


def test_a_network_of_another_scale_is_named():
    X, y = data(60)
    model = train(X, y, num_generations=1).model
    model.input_range = InputRange(0, 250, 255)
    with pytest.warns(UserWarning, match="X holds far smaller numbers than those"):
        gacnn.GACNN(model, 4).train(X, y, num_generations=1, verbose=False)


def test_classes_without_an_image_are_named():
    X, y = data(60)
    with pytest.warns(UserWarning, match="y holds 1 of the 3 classes.* no image of 1, 2, which"):
        train(X[y == 0], y[y == 0])


def test_plans_know_what_the_start_of_a_run_takes(monkeypatch):
    X, y = data(60)
    waits = gacnn.LambdaCallback(on_start=lambda ga: time.sleep(0.4))
    result = train(X, y, num_generations=None, time_limit=0.5, callbacks=[waits])
    done = result.ga.generations_completed
    assert result.plan.likely_generations < 3 * done
    monkeypatch.setattr(preparation, "_seconds", lambda fitness: 40.0)
    fixed = cnn.Model(
        [
            cnn.Input2D((6, 6, 1)),
            cnn.Conv2D(2, 3, trainable=False),
            cnn.Flatten(),
            cnn.Dense(3, activation_function="softmax"),
        ]
    )
    plan = gacnn.GACNN(fixed, 8).plan(X, y, num_generations=10)
    assert plan.seconds > 40
