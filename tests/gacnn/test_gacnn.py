"""The population manager, the recipe of pygad.gacnn's documentation, and training."""

import copy
import pickle

import numpy as np
import pygad
import pytest

import cnn
import gacnn
from gacnn.training.held_out import Samples, hold_out


def network(seed=0):
    layers = [
        cnn.Input2D((6, 6, 1)),
        cnn.Conv2D(2, 3, activation_function="relu"),
        cnn.Flatten(),
        cnn.Dense(3, activation_function="softmax"),
    ]
    return cnn.Model(layers, random_seed=seed)


def data(number=60, seed=0):
    """Images of three classes that differ in brightness."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, number)
    return (rng.random((number, 6, 6, 1)) + y[:, None, None, None]).astype(np.float32), y


def test_members_are_drawn_independently_and_the_first_is_the_model():
    model = network()
    manager = gacnn.GACNN(model, 5, random_seed=3)
    np.testing.assert_array_equal(manager.population[0], model.weights)
    assert len(np.unique(manager.population, axis=0)) == 5
    again = gacnn.GACNN(model, 5, random_seed=3)
    np.testing.assert_array_equal(again.population, manager.population)
    assert not np.array_equal(gacnn.GACNN(model, 5).population[1], manager.population[1])


def test_one_seed_for_model_and_population_makes_no_twins():
    assert len(np.unique(gacnn.GACNN(network(seed=7), 5, random_seed=7).population, axis=0)) == 5


def test_members_near_the_model_for_fine_tuning():
    model = network()
    manager = gacnn.GACNN(model, 400, spread=0.1, random_seed=0)
    noise = manager.population[1:] - model.weights
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    np.testing.assert_array_equal(gacnn.GACNN(model, 3, spread=0).population[2], model.weights)


def test_networks_are_views_of_one_array():
    manager = gacnn.GACNN(network(), 4)
    manager.population[2] = 7
    assert (manager.population_networks[2].weights == 7).all()
    assert (manager.population_networks[2].network_layers[0].trained_weights == 7).all()
    manager.population_networks[1].network_layers[0].trained_weights = np.ones((2, 3, 3, 1))
    assert (manager.population[1, :18] == 1).all()


def test_vectors_and_matrices_round_trip():
    manager = gacnn.GACNN(network(), 4)
    vectors = gacnn.population_as_vectors(manager.population_networks)
    np.testing.assert_array_equal(vectors, manager.population)
    doubled = 2 * np.array(vectors)
    matrices = gacnn.population_as_matrices(manager.population_networks, doubled)
    manager.update_population_trained_weights(matrices)
    np.testing.assert_array_equal(manager.population, doubled)
    np.testing.assert_array_equal(manager.population_as_vectors(), doubled)


@pytest.mark.parametrize(
    "settings",
    [
        {"keep_parents": -1, "keep_elitism": 0},
        {"keep_parents": 2, "keep_elitism": 0},
        {"keep_parents": 0, "keep_elitism": 0},
        {"keep_elitism": 1},
        {"keep_elitism": 3},
    ],
)
@pytest.mark.parametrize("form", [list.copy, tuple], ids=["copy", "tuple"])
def test_pygad_recipe_scores_the_solution_that_it_is_asked_about(settings, form):
    """Recipe of pygad.gacnn's documentation, with its imports changed to these two packages."""
    import gacnn as pygad

    data_inputs, data_outputs = data()
    asked = []

    def fitness_func(ga_instance, solution, sol_idx):
        network = GACNN_instance.population_networks[sol_idx]
        asked.append((network.weights.copy(), np.array(solution, np.float32)))
        predictions = network.predict(data_inputs=data_inputs)
        correct_predictions = np.where(predictions == data_outputs)[0].size
        return (correct_predictions / data_outputs.size) * 100

    def callback_generation(ga_instance):
        population_matrices = pygad.gacnn.population_as_matrices(
            population_networks=GACNN_instance.population_networks,
            population_vectors=ga_instance.population,
        )
        GACNN_instance.update_population_trained_weights(
            population_trained_weights=population_matrices
        )

    input_layer = pygad.cnn.Input2D(input_shape=data_inputs.shape[1:])
    conv_layer1 = pygad.cnn.Conv2D(
        num_filters=2, kernel_size=3, previous_layer=input_layer, activation_function="relu"
    )
    average_pooling_layer = pygad.cnn.AveragePooling2D(
        pool_size=2, previous_layer=conv_layer1, stride=2
    )
    flatten_layer = pygad.cnn.Flatten(previous_layer=average_pooling_layer)
    dense_layer2 = pygad.cnn.Dense(
        num_neurons=3, previous_layer=flatten_layer, activation_function="softmax"
    )
    model = pygad.cnn.Model(last_layer=dense_layer2, epochs=1, learning_rate=0.01)
    GACNN_instance = pygad.gacnn.GACNN(model=model, num_solutions=6)
    population_vectors = pygad.gacnn.population_as_vectors(
        population_networks=GACNN_instance.population_networks
    )
    ga_instance = pygad.GA(
        num_generations=4,
        num_parents_mating=2,
        initial_population=form(population_vectors),
        fitness_func=fitness_func,
        mutation_percent_genes=10,
        parent_selection_type="sss",
        crossover_type="single_point",
        mutation_type="random",
        on_generation=callback_generation,
        random_seed=1,
        **settings,
    )
    ga_instance.run()

    assert len(asked) > 6
    for used, given in asked:
        np.testing.assert_array_equal(used, given)
    expected = [
        100 * np.mean(model.with_weights(v.astype(np.float32)).predict(data_inputs) == data_outputs)
        for v in ga_instance.population
    ]
    np.testing.assert_allclose(ga_instance.last_generation_fitness, expected)
    _, fitness, index = ga_instance.best_solution(ga_instance.last_generation_fitness)
    predictions = GACNN_instance.population_networks[index].predict(data_inputs=data_inputs)
    assert 100 * np.mean(predictions == data_outputs) == pytest.approx(fitness)


def test_vectors_start_any_genetic_algorithm():
    manager = gacnn.GACNN(network(), 4)
    given = [
        manager.population_as_vectors(),
        np.array(manager.population_as_vectors()),
        gacnn.population_as_vectors([network(1), network(2), network(3), network(4)]),
        gacnn.population_as_vectors(manager.population_networks[:3]),
        pickle.loads(pickle.dumps(manager.population_as_vectors())),
    ]
    for kind in (pygad.GA, gacnn.GA):
        for initial in given:
            ga = kind(1, 2, lambda ga, s, i: s.sum(), initial_population=initial)
            ga.run()
            assert ga.generations_completed == 1


def test_average_is_asked_about_with_its_own_network():
    manager = gacnn.GACNN(network(), 5, random_seed=0)
    asked = []

    def fitness(ga, solution, index):
        weights = manager.population_networks[index].weights
        asked.append((weights.copy(), np.array(solution, np.float32)))
        return float(weights.sum())

    ga = gacnn.GA(
        num_generations=4,
        num_parents_mating=2,
        initial_population=manager.population_as_vectors(),
        fitness_func=fitness,
        crossover_type="recombination",
        mutation_type="gaussian",
        callbacks=[gacnn.WeightAverage()],
        suppress_warnings=True,
    )
    ga.run()
    for weights, solution in asked:
        np.testing.assert_array_equal(weights, solution)


def test_networks_in_another_order_are_not_tied():
    manager = gacnn.GACNN(network(), 4)
    before = manager.population.copy()
    vectors = gacnn.population_as_vectors(manager.population_networks[::-1])
    gacnn.GA(2, 2, lambda ga, s, i: s.sum(), initial_population=vectors).run()
    np.testing.assert_array_equal(manager.population, before)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_copy_has_networks_of_its_own(copied):
    manager = gacnn.GACNN(network(), 4, random_seed=0)
    before = manager.population.copy()
    X, y = data()
    twin = copied(manager)
    twin.train(X, y, num_generations=2, verbose=False)
    np.testing.assert_array_equal(twin.population_as_vectors(), twin.population)
    np.testing.assert_array_equal(manager.population, before)


def test_two_solutions_evolve():
    X, y = data()
    result = gacnn.GACNN(network(), 2, random_seed=0).train(X, y, num_generations=30, verbose=False)
    assert result.history["best"][-1] > result.history["best"][0]


def test_share_held_out_has_the_classes_in_proportion():
    samples = Samples(np.zeros((120, 6, 6, 1)), np.repeat([0, 1, 2], 40))
    _, (_, y, _) = hold_out(network(), samples, 0.1, 0, labels=True)
    assert np.bincount(y).tolist() == [4, 4, 4]


def test_resume_refuses_other_validation_data(tmp_path):
    X, y = data(60)
    settings = {"num_generations": 2, "checkpoint": tmp_path / "c", "verbose": False}
    gacnn.GACNN(network(), 6).train(X, y, validation=data(20, seed=1), **settings)
    with pytest.raises(ValueError, match="validation data are not those"):
        gacnn.GACNN(network(), 6).train(X, y, validation=data(20, seed=2), resume=True, **settings)


def test_unseeded_training_with_a_share_goes_on(tmp_path):
    X, y = data(60)
    settings = {"num_generations": 2, "checkpoint": tmp_path / "c", "validation": 0.2}
    gacnn.GACNN(network(), 6).train(X, y, verbose=False, **settings)
    settings["num_generations"] = 4
    result = gacnn.GACNN(network(), 6).train(X, y, verbose=False, resume=True, **settings)
    assert result.ga.generations_completed == 4


def test_train_learns_and_returns_the_best():
    X, y = data(120)
    manager = gacnn.GACNN(network(), 20, random_seed=0)
    result = manager.train(X, y, num_generations=300, verbose=False)
    assert len(result.history) == 300
    assert result.validation_score is None
    full = gacnn.Fitness(result.model, X, y)(result.ga.population)
    assert result.score == pytest.approx(full.max())
    assert np.mean(result.model.predict(X) == y) > 0.9


def test_train_with_batches_and_other_operators_returns_the_best_on_all_data():
    X, y = data(120)
    manager = gacnn.GACNN(network(), 20, random_seed=0)
    result = manager.train(
        X, y, num_generations=10, batch_size=10, crossover_type="uniform", verbose=False
    )
    full = gacnn.Fitness(result.model, X, y)(result.ga.population)
    np.testing.assert_allclose(result.ga.last_generation_fitness, full, rtol=1e-6)
    assert result.score == pytest.approx(full.max())


@pytest.mark.parametrize("share", [0.25, "given"])
def test_train_with_validation_returns_the_best_on_it(share):
    X, y = data(120)
    validation = data(40, seed=9) if share == "given" else share
    manager = gacnn.GACNN(network(), 20, random_seed=0)
    result = manager.train(X, y, num_generations=10, validation=validation, verbose=False)
    assert result.validation_score == max(result.history["validation"])
    if share == "given":
        score = gacnn.Fitness(result.model, *validation).full(result.model.weights[None])[0]
        assert score == pytest.approx(result.validation_score)


def test_train_is_decided_by_the_seed_and_not_by_threads():
    X, y = data(120)
    settings = {"num_generations": 5, "batch_size": 30, "validation": 0.2, "verbose": False}
    runs = [
        gacnn.GACNN(network(), 12, random_seed=4).train(X, y, threads=threads, **settings)
        for threads in (1, 2, 3)
    ]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.ga.population, runs[0].ga.population)
        np.testing.assert_array_equal(run.model.weights, runs[0].model.weights)
        assert run.history["best"] == runs[0].history["best"]


def test_train_with_batches_returns_the_average_of_the_last_generations():
    X, y = data(120)
    manager = gacnn.GACNN(network(), 20, random_seed=0)
    result = manager.train(X, y, num_generations=10, batch_size=10, validation=None, verbose=False)
    average = next(c for c in result.ga.callbacks if isinstance(c, gacnn.WeightAverage))
    np.testing.assert_array_equal(result.model.weights, average.solution)
    assert (result.ga.population == average.solution).all(axis=1).any()


@pytest.mark.parametrize("operators", [{}, {"crossover_type": "uniform"}])
def test_train_stops_and_goes_on(tmp_path, operators):
    X, y = data(120)
    path = tmp_path / "checkpoint"
    settings = {"validation": 0.2, "batch_size": 30, "verbose": False, **operators}

    def manager():
        return gacnn.GACNN(network(), 12, random_seed=4)

    plug = [True]

    def pull_the_plug(ga):
        if ga.generations_completed == 5 and plug:
            raise RuntimeError(plug.pop())

    settings |= {"num_generations": 9, "on_generation": pull_the_plug}
    with pytest.raises(RuntimeError):
        manager().train(X, y, checkpoint=path, **settings)
    rest = manager().train(X, y, checkpoint=path, resume=True, **settings)
    whole = manager().train(X, y, **settings)
    assert rest.ga.generations_completed == 9
    np.testing.assert_array_equal(rest.ga.population, whole.ga.population)
    assert rest.history["best"] == whole.history["best"]
    assert rest.validation_score == whole.validation_score
    np.testing.assert_array_equal(rest.model.weights, whole.model.weights)


def test_time_limit_ends_a_run():
    X, y = data()
    result = gacnn.GACNN(network(), 8).train(X, y, time_limit=0.2, verbose=False)
    assert result.ga.generations_completed >= 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, 4), TypeError, r"model must be a cnn\.Model, not int"),
        ((network(), 1), ValueError, "num_solutions must be at least 2"),
        ((network(), 2.5), TypeError, "num_solutions must be an integer"),
    ],
)
def test_bad_managers(arguments, error, message):
    with pytest.raises(error, match=message):
        gacnn.GACNN(*arguments)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"validation": 1.5}, ValueError, "validation must be a share"),
        ({"validation": True}, ValueError, "validation must be a share"),
        ({"validation": 0.999}, ValueError, "leaves some of 60 images"),
        ({"validation": (1, 2, 3, 4)}, ValueError, "not a tuple"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
        ({"metric": "acc"}, ValueError, "metric must be one of"),
        ({"batch_size": 10**6}, ValueError, "batch_size must be at most"),
        ({"callbacks": [print]}, TypeError, "callbacks"),
        ({"num_generations": -1}, ValueError, "num_generations"),
        ({"time_limit": -1}, ValueError, "time_limit"),
        ({"resume": True}, ValueError, "checkpoint"),
        ({"fitness_func": max}, TypeError, "fitness_func"),
    ],
)
def test_bad_training(settings, error, message):
    X, y = data()
    with pytest.raises(error, match=message):
        gacnn.GACNN(network(), 8).train(X, y, verbose=False, **settings)


def test_fitness_that_fails_leaves_the_ga_usable():
    X, y = data()
    fail = [False]

    def metric(outputs, targets):
        if fail[0]:
            raise RuntimeError("sensor lost")
        return np.mean(outputs.argmax(axis=1) == targets)

    manager = gacnn.GACNN(network(), 8, random_seed=0)
    result = manager.train(X, y, metric=metric, num_generations=2, verbose=False)
    fail[0] = True
    with pytest.raises(ValueError, match="sensor lost"):
        result.ga.run()
    fail[0] = False
    result.ga.run()
    assert np.isfinite(result.ga.last_generation_fitness).all()
