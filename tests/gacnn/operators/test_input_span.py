"""Noise in the span of what dense layers take: beside gradients and naive spans."""

import numpy as np
import pygad
import pytest

import cnn
import gacnn
from gacnn.operators.nesting import fan_in_scale, input_bases, layer_slices

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 6, 6, 1), np.float32), RNG.integers(0, 3, 40)


def network():
    """A layer with fewer weights than images, and two that take more inputs than a batch has."""
    layers = [
        cnn.Input2D((6, 6, 1)),
        cnn.Conv2D(3, 3),
        cnn.Flatten(),
        cnn.Dense(7, activation_function="tanh"),
        cnn.Dense(4, activation_function="tanh", use_bias=False),
        cnn.Dense(3, activation_function="softmax"),
    ]
    return cnn.Model(layers, random_seed=1)


class Watched(gacnn.Fitness):
    """A fitness that notes the batch and the vectors of every call."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.seen = []

    def _on_batch(self, vectors):
        self.seen.append((self.batch.chosen, np.array(vectors)))
        return super()._on_batch(vectors)


class Breaking(gacnn.Callback):
    """Ends a run by an exception."""

    is_part_of_run = False

    def on_generation(self, ga):
        if ga.generations_completed == 4:
            raise RuntimeError("enough")


def evolved(fitness, *, mutation=None, kind=gacnn.GA, generations=3, **settings):
    """The algorithm after a run of an evolution strategy."""
    given = {
        "num_parents_mating": 8,
        "initial_population": np.tile(fitness.model.weights, (8, 1)),
        "gene_type": np.float32,
        "keep_elitism": 0,
        "keep_parents": 0,
        "parent_selection_type": gacnn.TruncationSelection(),
        "crossover_type": gacnn.WeightedRecombination("fitness", 0.1),
        "mutation_type": mutation or gacnn.GaussianMutation(0.1, mirrored=True, input_span=True),
        "random_seed": 0,
        "suppress_warnings": True,
    }
    ga = kind(num_generations=generations, fitness_func=fitness, **{**given, **settings})
    ga.run()
    return ga


def inputs_of(vector, images):
    """What the first two dense layers of the network take."""
    first = vector[layer_slices(network())[1]]
    model = network()
    model.weights = vector
    maps = cnn.Model(model.layers[:3]).forward(images)
    hidden = np.tanh(maps @ first[:-7].reshape(48, 7) + first[-7:])
    return maps, hidden


@pytest.mark.parametrize("nested", [False, (4, 4, 4, 8)])
def test_noise_is_in_the_span_of_the_batch_that_is_scored(nested):
    fitness = Watched(network(), X, Y, batch_size=3)
    mutation = gacnn.GaussianMutation(
        0.1, mirrored=True, scale="fan_in", nested=nested, input_span=True
    )
    evolved(fitness, mutation=mutation)
    assert len(fitness.seen) == 4
    for chosen, vectors in fitness.seen[1:]:
        centre = vectors.mean(axis=0)
        noise = (vectors - centre) / fan_in_scale(network())
        maps, hidden = inputs_of(centre, X[chosen])
        rows = np.ones((3, 1), np.float32)
        first, second = layer_slices(network())[1:3]
        for columns, own, units in ((first, np.hstack([maps, rows]), 7), (second, hidden, 4)):
            matrices = noise[:, columns].reshape(8, -1, units)
            within = own.T @ np.linalg.pinv(own.T) @ matrices
            np.testing.assert_allclose(within, matrices, atol=1e-4)
            assert np.linalg.matrix_rank(matrices[0], tol=1e-4) == 3


def test_layers_with_few_inputs_and_convolutions_have_plain_noise():
    fitness = Watched(network(), X, Y, batch_size=3)
    evolved(fitness)
    _, vectors = fitness.seen[-1]
    noise = vectors - vectors.mean(axis=0)
    for place in (0, 3):
        own = noise[::2, layer_slices(network())[place]]
        assert np.linalg.matrix_rank(own, tol=1e-4) == 4  # of 4 pairs
        assert (own != 0).all()


def test_the_estimate_is_that_of_the_gradient_with_less_noise():
    model = cnn.Model([cnn.Input1D(60), cnn.Dense(3, None, "softmax")], random_seed=0)
    images = np.random.default_rng(1).normal(size=(6, 60)).astype(np.float32)
    labels = np.array([0, 1, 2, 0, 1, 2])
    wrong = model.forward(images) - np.eye(3)[labels]
    gradient = np.vstack([images.T @ wrong, wrong.sum(axis=0)]).ravel()

    def agreement(input_span):
        fitness = gacnn.Fitness(model, images, labels)
        steps = []
        for seed in range(10):
            mutation = gacnn.GaussianMutation(0.01, mirrored=True, input_span=input_span)
            ga = evolved(fitness, mutation=mutation, generations=2, random_seed=seed)
            steps.append(ga.crossover_type.centre - model.weights)
        return np.mean([-step @ gradient / np.linalg.norm(step) for step in steps])

    most = np.linalg.norm(gradient)
    assert agreement(False) < 0.35 * most  # 4 pairs and 183 directions
    assert 0.35 * most < agreement(True) < most  # 18


def test_bases_are_orthonormal_and_follow_the_bias():
    model = network()
    given = [None, RNG.random((5, 48), np.float32), RNG.random((5, 7), np.float32), None]
    bases = input_bases(given, model)
    assert [each if each is None else each.shape for each in bases] == [
        None,
        (49, 5),
        (7, 5),
        None,
    ]
    for basis in bases[1:3]:
        np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-5)


def test_a_row_that_others_make_up_adds_no_direction():
    model = cnn.Model([cnn.Input1D(40), cnn.Dense(3)], random_seed=0)
    rows = RNG.random((4, 40), np.float32)
    rows[2] = rows[0]
    (basis,) = input_bases([rows], model)
    assert np.count_nonzero(np.linalg.norm(basis, axis=0) > 0.5) == 3
    own = np.hstack([rows, np.ones((4, 1))]).T
    np.testing.assert_allclose(own @ np.linalg.pinv(own) @ basis, basis, atol=1e-5)


def test_equal_images_are_no_trouble():
    same = np.repeat(X[:1], 40, axis=0)
    ga = evolved(gacnn.Fitness(network(), same, Y, batch_size=3))
    assert np.isfinite(ga.population).all()
    assert np.ptp(ga.population, axis=0).max() > 0


def test_batches_of_a_run_are_the_same_with_other_threads():
    results = [
        evolved(gacnn.Fitness(network(), X, Y, batch_size=3, threads=threads)).population
        for threads in (1, 2)
    ]
    np.testing.assert_array_equal(*results)


def test_augmented_images_are_those_that_are_scored():
    fitness = gacnn.Fitness(network(), X, Y, batch_size=3, augment=gacnn.augment.Shift(1.0))
    centre = fitness.model.weights
    fitness.draw(np.random.default_rng(3))
    maps = fitness.layer_inputs(centre)[1]
    data = fitness.scorer.data(fitness.batch)
    np.testing.assert_allclose(maps, inputs_of(centre, data.X)[0], atol=1e-5)


@pytest.mark.parametrize("batch_size", [3, None])
def test_a_resumed_run_goes_on_bit_for_bit(tmp_path, batch_size):
    def trained(generations, **more):
        how = {"batch_size": batch_size, "validation": None, "patience": None, "verbose": False}
        manager = gacnn.GACNN(network(), 8, random_seed=0)
        return manager.train(X[:20], Y[:20], num_generations=generations, **how, **more)

    whole = trained(8)
    assert whole.ga.mutation_type.input_span
    path = tmp_path / "run"
    with pytest.raises(RuntimeError, match="enough"):
        trained(8, checkpoint=gacnn.Checkpoint(path), callbacks=[Breaking()])
    rest = trained(8, checkpoint=gacnn.Checkpoint(path), resume=True)
    assert rest.ga.generations_completed == 8
    np.testing.assert_array_equal(rest.ga.population, whole.ga.population)


def test_pygad_itself_scores_all_images():
    ga = evolved(gacnn.Fitness(network(), X[:20], Y[:20]), kind=pygad.GA, fitness_batch_size=8)
    noise = ga.population - ga.population.mean(axis=0)
    own = np.hstack([inputs_of(ga.population.mean(axis=0), X[:20])[0], np.ones((20, 1))]).T
    matrices = noise[:, layer_slices(network())[1]].reshape(8, 49, 7)
    np.testing.assert_allclose(own @ np.linalg.pinv(own) @ matrices, matrices, atol=1e-4)
    with pytest.raises(ValueError, match=r"the coming batch: take gacnn\.GA, .* batch_size=None"):
        evolved(gacnn.Fitness(network(), X, Y, batch_size=3), kind=pygad.GA, fitness_batch_size=8)


def test_who_asks_before_the_evaluation_changes_nothing():
    answers = []

    def ask(ga, offspring):
        answers.append(np.array_equal(ga.cal_pop_fitness(), ga.last_generation_fitness))
        ga.best_solution()

    plain = evolved(gacnn.Fitness(network(), X, Y, batch_size=3))
    asked = evolved(gacnn.Fitness(network(), X, Y, batch_size=3), on_mutation=ask)
    assert answers == [True] * 3
    np.testing.assert_array_equal(asked.population, plain.population)


def test_outputs_that_overflow_are_the_worst_as_without():
    images = X.copy()
    images[7] = 3e38
    with np.errstate(all="ignore"):
        ga = evolved(gacnn.Fitness(network(), images, Y, batch_size=3), generations=20)
    assert np.isfinite(ga.population).all()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([np.ones((2, 40))] * 2, "a list of 1, an array or None for each trainable layer"),
        ([np.ones((2, 39))], r"layer_inputs\[0\] must have the shape .*40"),
        ([np.full((2, 40), np.nan)], r"layer_inputs\[0\] must be finite"),
        (np.ones((1, 2, 40)), "a list of 1"),
    ],
)
def test_inputs_of_an_evaluator_of_ones_own_are_checked(inputs, message):
    class Own(gacnn.Evaluator):
        model = cnn.Model([cnn.Input1D(40), cnn.Dense(3)], random_seed=0)

        def __call__(self, vectors):
            return -np.square(vectors).sum(axis=1)

        def layer_inputs(self, vector):
            return inputs

    with pytest.raises(ValueError, match=message):
        evolved(Own())


def test_what_it_needs_is_said():
    class Sphere(gacnn.Evaluator):
        model = network()

        def __call__(self, vectors):
            return -np.square(vectors).sum(axis=1)

    with pytest.raises(ValueError, match=r"input_span needs a fitness_func that tells .* not Sph"):
        evolved(Sphere())
    fitness = gacnn.Fitness(network(), X, Y, batch_size=3)
    with pytest.raises(ValueError, match='input_span needs crossover_type="recombination"'):
        evolved(fitness, crossover_type="uniform")
    for wrong in ({"probability": 0.5}, {"scale": np.ones(4)}):
        with pytest.raises(ValueError, match="input_span needs noise of all weights"):
            gacnn.GaussianMutation(0.1, input_span=True, **wrong)
    with pytest.raises(TypeError, match="input_span"):
        gacnn.GaussianMutation(0.1, input_span="yes")
