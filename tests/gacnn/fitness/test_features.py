"""What fixed leading layers return is computed once a run, and changes no score."""

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import networks
import numpy as np
import pytest

import cnn
import gacnn
from gacnn.fitness import features as module
from gacnn.fitness.batches import ALL

RNG = np.random.default_rng(0)
X = RNG.random((60, 8, 8, 1), np.float32)
y = RNG.integers(0, 3, 60)


def model(*, trainable=False):
    layers = [
        cnn.Input2D((8, 8, 1)),
        cnn.Conv2D(4, 3, None, "relu", trainable=trainable),
        cnn.AveragePooling2D(2),
        cnn.SquareRoot(),
        cnn.Flatten(),
        cnn.Standardization(),
        cnn.Dense(5, None, "tanh"),
        cnn.Dense(3, None, "softmax"),
    ]
    return networks.filled(cnn.Model(layers, random_seed=0))


VECTORS = networks.vectors_for(model(), 6)


@pytest.fixture
def computed(monkeypatch):
    """How many images the fixed layers were run on, each time."""
    numbers, run = [], module.Features.computed

    def counting(self, images, *rest):
        numbers.append(len(images))
        return run(self, images, *rest)

    monkeypatch.setattr(module.Features, "computed", counting)
    return numbers


def without(fitness):
    """The scores of the vectors where nothing is kept."""
    return replace(fitness.scorer, features=None)(VECTORS, ALL).fitness


def test_layers_that_are_fixed_are_counted():
    assert model().fixed_layers == 5
    assert model(trainable=True).fixed_layers == 0
    pooled = [cnn.Input2D((4, 4)), cnn.MaxPooling2D(2), cnn.Flatten(), cnn.Dense(3)]
    assert cnn.Model(pooled).fixed_layers == 0
    assert cnn.Model([cnn.Input1D(3), cnn.Dense(2, trainable=False)]).fixed_layers == 1


def test_the_parts_of_a_cut_model_do_what_the_whole_does():
    whole = model()
    for position in range(1, 8):
        front, rest = whole.cut(position)
        own = front.num_weights
        between = front.forward(X, VECTORS[:1, :own])[0]
        outputs = rest.forward(between, VECTORS[:1, own:])
        np.testing.assert_allclose(outputs, whole.forward(X, VECTORS[:1]), rtol=2e-5, atol=1e-6)


def test_the_parts_share_the_weights():
    whole = model()
    front, rest = whole.cut(6)
    whole.weights = np.arange(whole.num_weights)
    whole.layers[1].trained_weights = 7 * np.ones((4, 3, 3, 1))
    assert rest.weights.tolist() == whole.weights.tolist()
    assert (front.layers[1].trained_weights == 7).all()


@pytest.mark.parametrize("metric", ["cross_entropy", "accuracy", "f1_macro"])
def test_scores_are_those_without_features(metric):
    fitness = gacnn.Fitness(model(), X, y, metric)
    np.testing.assert_allclose(fitness(VECTORS), without(fitness), rtol=1e-5)


def test_nothing_is_kept_where_it_takes_too_much_or_images_are_augmented():
    assert gacnn.Fitness(model(), X, y, memory_limit=2160).scorer.features is not None
    assert gacnn.Fitness(model(), X, y, memory_limit=2159).scorer.features is None
    augmented = gacnn.Fitness(model(), X, y, augment=gacnn.augment.Flip())
    assert augmented.scorer.features is None
    assert gacnn.Fitness(model(trainable=True), X, y).scorer.features is None


def test_features_are_computed_once_a_session(computed):
    fitness = gacnn.Fitness(model(), X, y, batch_size=10)
    with fitness.session():
        for _ in range(3):
            fitness.draw(RNG)
            fitness(VECTORS)
            fitness.full(VECTORS)
    assert computed == [60]


def test_outside_of_a_session_nothing_is_kept(computed):
    fitness = gacnn.Fitness(model(), X.copy(), y, batch_size=10)
    fitness.draw(RNG)
    assert fitness(VECTORS).tolist() == fitness(VECTORS).tolist()  # the batch is kept
    before = fitness.full(VECTORS)
    fitness.X[...] = 0
    assert (fitness.full(VECTORS) != before).all()
    assert computed == [10, 60, 60]


@pytest.mark.parametrize("shard", [2, "auto"])
def test_shards_give_the_same_bits_here_and_in_threads(shard, computed):
    here = gacnn.Fitness(model(), X, y, shard=shard)
    scores = here(VECTORS)
    with ThreadPoolExecutor(2) as executor:
        assert here.on(executor)(VECTORS).tolist() == scores.tolist()
    assert computed == [60, 60]


def test_processes_compute_their_own_features_once(computed):
    fitness = gacnn.Fitness(model(), X, y, batch_size=20, shard=3)
    with ProcessPoolExecutor(1) as executor:
        there = fitness.on(executor)
        with there.session():
            for _ in range(2):
                there.draw(np.random.default_rng(5))
                scores = there(VECTORS)
    fitness.draw(np.random.default_rng(5))
    np.testing.assert_allclose(scores, fitness(VECTORS), rtol=1e-5)


def test_a_copy_in_another_process_keeps_what_it_has_computed(computed):
    features = pickle.loads(pickle.dumps(gacnn.Fitness(model(), X, y).scorer.features))
    settings = cnn.NumpyEngine(), 1, 2**28
    _, first = features.of(None, *settings)
    assert features.of(None, *settings)[1] is first
    assert features.of(np.array([3, 1]), *settings)[1].tolist() == first[[3, 1]].tolist()
    assert computed == [60]


def test_a_training_computes_them_once_and_says_so(computed, capsys):
    networks_ = gacnn.GACNN(model(), 8, random_seed=0)
    result = networks_.train(X, y, num_generations=5, batch_size=10, validation=0.25)
    assert sorted(computed) == [15, 45]
    said = "the first 5 layers are fixed: computed once, 8.4 KiB kept"
    assert said in str(result.plan)
    assert said in capsys.readouterr().out
    assert result.model.predict(X).shape == (60,)
    scores = gacnn.Fitness(model(), X, y).full(result.model.weights[None])
    assert np.isfinite(scores).all()


def test_a_training_without_memory_for_them_gives_nearly_the_same(monkeypatch):
    options = {"num_generations": 5, "batch_size": 10, "verbose": False}
    kept = gacnn.GACNN(model(), 8, random_seed=0).train(X, y, **options)
    monkeypatch.setattr(module, "KEPT", 0)
    other = gacnn.GACNN(model(), 8, random_seed=0).train(X, y, **options)
    assert "computed in every generation" in str(other.plan)
    np.testing.assert_allclose(other.model.weights, kept.model.weights, rtol=1e-3, atol=1e-4)


def test_the_engine_of_pytorch_keeps_them_too(computed):
    pytest.importorskip("torch")
    fitness = gacnn.Fitness(model(), X, y, engine="torch")
    with fitness.session():
        scores = [fitness(VECTORS) for _ in range(2)]
    np.testing.assert_allclose(scores[0], without(fitness), rtol=1e-4)
    assert scores[0].tolist() == scores[1].tolist()
    assert computed == [60]


def test_a_run_with_them_goes_on_bit_for_bit(tmp_path):
    def trained(*callbacks, **more):
        networks_ = gacnn.GACNN(model(), 8, random_seed=0)
        options = {"num_generations": 6, "batch_size": 10, "validation": 0.25, "verbose": False}
        return networks_.train(X, y, callbacks=callbacks, **options, **more)

    class Stop(gacnn.Callback):
        is_part_of_run = False

        def on_generation(self, ga):
            return "stop" if ga.generations_completed == 3 else None

    path = tmp_path / "run"
    assert trained(Stop(), checkpoint=path).ga.generations_completed == 3
    again = trained(checkpoint=path, resume=True)
    assert again.model.weights.tolist() == trained().model.weights.tolist()
