"""A population in one call: blocks, threads, memory, kinds of numbers, BLAS."""

import os
import threading
import time
import tracemalloc

import naive
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import EAGER
from threadpoolctl import threadpool_limits

import cnn
from cnn.engines.families import weight_arrays
from cnn.engines.numpy import kernels, population
from cnn.engines.numpy import threads as pool

MIB = 2**20
DIGITS = [
    cnn.Input2D((8, 8, 1)),
    cnn.Conv2D(8, 3, activation_function="relu"),
    cnn.AveragePooling2D(2),
    cnn.Flatten(),
    cnn.Dense(10, activation_function="softmax"),
]
DEEP = [
    cnn.Input2D((15, 14, 3)),
    cnn.Conv2D(5, 3, activation_function="relu"),
    cnn.MaxPooling2D(3, stride=2),
    cnn.Conv2D(7, (3, 2), activation_function="tanh", padding="same"),
    cnn.AveragePooling2D(2, padding="same"),
    cnn.Flatten(),
    cnn.Dense(6),
    cnn.Dense(3, activation_function=None),
]
FLAT = [cnn.Input1D(30), cnn.Dense(20, activation_function="tanh"), cnn.Dense(3)]
CASES = pytest.mark.parametrize("layers", [DIGITS, DEEP, FLAT], ids=["digits", "deep", "flat"])
SIZES = pytest.mark.parametrize(
    ("members", "number"), [(1, 1), (1, 300), (5, 7), (13, 131), (37, 33), (64, 1), (7, 257)]
)


def case(layers, members, number):
    """A model, images and a population."""
    model = networks.filled(cnn.Model(layers, random_seed=0))
    return model, networks.images_for(model, number), networks.vectors_for(model, members)


@pytest.mark.parametrize("pool", [2, 3, (1, 4), 5, "global"])
def test_mean_of_dead_units_is_exactly_zero(pool):
    pooling = cnn.GlobalAveragePooling2D() if pool == "global" else cnn.AveragePooling2D(pool)
    layers = [cnn.Input2D((11, 10)), cnn.Conv2D(40, 2, activation_function="relu"), pooling]
    model = cnn.Model(layers, random_seed=0)
    weights = model.weights.copy()
    weights[-40:] = -5 - np.random.default_rng(0).random(40)
    outputs = model.forward(np.random.default_rng(1).random((3, 11, 10, 1)), weights[None])
    np.testing.assert_array_equal(outputs, np.zeros_like(outputs))


@CASES
@SIZES
def test_permuted_members_give_permuted_results(layers, members, number):
    model, X, vectors = case(layers, members, number)
    order = np.random.default_rng(3).permutation(members)
    permuted = model.forward(X, vectors[order])
    naive.assert_close(permuted, model.forward(X, vectors)[order], 2e-6)  # BLAS cares for the row


@CASES
@SIZES
def test_one_member_alone_gives_what_it_gives_in_a_crowd(layers, members, number):
    model, X, vectors = case(layers, members, number)
    together = model.forward(X, vectors)
    assert together.shape == (members, number, *model.output_shape)
    assert together.dtype == np.float32
    for vector, wanted in zip(vectors[::5], together[::5], strict=True):
        naive.assert_close(model.forward(X, vector[None])[0], wanted, 1e-6)


@CASES
@SIZES
def test_images_one_by_one_give_what_they_give_together(layers, members, number):
    model, X, vectors = case(layers, members, number)
    together = model.forward(X, vectors)
    for index in range(0, number, 50):
        alone = model.forward(X[index : index + 1], vectors)
        naive.assert_close(alone[:, 0], together[:, index], 1e-6)


@CASES
@SIZES
def test_any_number_of_threads_gives_the_same_bits(layers, members, number):
    model, X, vectors = case(layers, members, number)
    alone = model.forward(X, vectors, threads=1)
    for threads in (2, 3, 16, None):
        np.testing.assert_array_equal(
            model.forward(X, vectors, engine=EAGER, threads=threads), alone
        )


@settings(max_examples=40, deadline=None)
@given(networks.networks(), st.integers(1, 40), st.integers(1, 150))
def test_properties_of_random_networks(model, members, number):
    X, vectors = networks.images_for(model, number), networks.vectors_for(model, members)
    outputs = model.forward(X, vectors, threads=1)
    np.testing.assert_array_equal(model.forward(X, vectors, engine=EAGER, threads=3), outputs)
    reverse = model.forward(X, np.ascontiguousarray(vectors[::-1]))
    naive.assert_close(reverse[::-1], outputs, 2e-6)  # BLAS treats the last rows differently
    naive.assert_close(model.forward(X[-1:], vectors[-1:]), outputs[-1:, -1:], 2e-6)
    naive.assert_close(model.forward(X, vectors, memory_limit=MIB), outputs, 2e-6)


@CASES
def test_own_weights_are_the_vector_of_one_member(layers):
    model, X, _ = case(layers, 1, 9)
    np.testing.assert_array_equal(model.forward(X), model.forward(X, model.weights[None])[0])


@CASES
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float16, np.float64, "O"])
def test_images_of_any_real_type(layers, dtype):
    model, X, vectors = case(layers, 3, 20)
    X = np.abs(X * 3).astype(dtype)
    np.testing.assert_array_equal(
        model.forward(X, vectors), model.forward(X.astype(np.float32), vectors)
    )


@CASES
def test_images_and_vectors_laid_out_in_any_way(layers):
    model, X, vectors = case(layers, 6, 20)
    wanted = model.forward(X, vectors)
    strided = np.repeat(vectors, 2, axis=0)[::2], np.repeat(vectors, 2, axis=1)[:, ::2]
    swapped = X.astype(">f4"), vectors.astype(">f4")
    for images, rows in [
        (np.asfortranarray(X), np.asfortranarray(vectors)),
        (X.astype(np.float64), vectors.astype(np.float64)),
        (np.flip(X[::-1].copy(), 0), strided[0]),
        (X.tolist(), vectors.tolist()),
        (X, strided[1]),
        swapped,
    ]:
        np.testing.assert_array_equal(model.forward(images, rows), wanted)


@pytest.mark.parametrize("number", [1, 5])
def test_inputs_are_left_as_they_were(number):
    for first in (cnn.Input1D(6), cnn.Input2D((2, 3)), cnn.Input2D((1, 1, 6))):
        for last in (cnn.ReLU(), cnn.Softmax(), cnn.Step()):
            model = cnn.Model([first, last])
            X = networks.images_for(model, number)
            before = X.copy()
            assert not np.array_equal(model.forward(X), X)
            np.testing.assert_array_equal(X, before)
    model, X, vectors = case(DEEP, 4, number)
    before = X.copy(), vectors.copy()
    X.flags.writeable = vectors.flags.writeable = False
    model.forward(X, vectors)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(vectors, before[1])


def test_a_network_without_genes_gives_every_member_the_same():
    layers = [cnn.Input1D(4), cnn.Dense(3, trainable=False)]
    model, X, _ = case(layers, 1, 5)
    assert model.num_weights == 0
    outputs = model.forward(X, np.zeros((3, 0)))
    np.testing.assert_array_equal(outputs, np.stack([model.forward(X)] * 3))


# Layers that all members share

HALF_FIXED = [
    cnn.Input2D((9, 8, 2)),
    cnn.Conv2D(4, 3, activation_function="relu"),
    cnn.Conv2D(3, 2, trainable=False),
    cnn.MaxPooling2D(2),
    cnn.Conv2D(6, 2, use_bias=False),
    cnn.Flatten(),
    cnn.Dense(3, activation_function="softmax"),
]


def alike_before(model, vectors, layer):
    """The vectors with those weights of the first member that lie before a trainable layer."""
    end = sum(a.size for each in model.trainable_layers[:layer] for a in each.trained)
    vectors = vectors.copy()
    vectors[:, :end] = vectors[0, :end]
    return vectors


@pytest.mark.parametrize("layers", [DIGITS, DEEP, FLAT, HALF_FIXED])
@pytest.mark.parametrize(("members", "number"), [(2, 300), (5, 7), (33, 131), (64, 1)])
def test_members_that_share_layers_give_what_each_gives_alone(layers, members, number):
    model, X, population = case(layers, members, number)
    for layer in range(len(model.trainable_layers) + 1):
        vectors = alike_before(model, population, layer)
        alone = np.stack([model.forward(X, vector[None])[0] for vector in vectors])
        together = model.forward(X, vectors, threads=1)
        naive.assert_close(together, alone, 2e-6)
        for threads in (2, 3, 16):
            np.testing.assert_array_equal(
                model.forward(X, vectors, engine=EAGER, threads=threads), together
            )
        naive.assert_close(model.forward(X, vectors.astype(np.float64)), alone, 2e-6)
        naive.assert_close(model.forward(X, vectors, memory_limit=2 * MIB), alone, 2e-6)


@pytest.mark.parametrize("layers", [DEEP, FLAT, HALF_FIXED])
@pytest.mark.parametrize("odd", [0, 1, 4, 5])
def test_one_member_of_its_own_is_enough_to_share_nothing(layers, odd):
    model, X, vectors = case(layers, 6, 20)
    vectors = alike_before(model, vectors, 2)
    vectors[odd, 0] += 1
    alone = np.stack([model.forward(X, vector[None])[0] for vector in vectors])
    naive.assert_close(model.forward(X, vectors), alone, 2e-6)


@pytest.mark.parametrize(
    ("layers", "sizes"),
    [
        (DIGITS, (6, 1)),
        (DIGITS, (6, 6)),
        (DEEP, (12, 6, 2, 1)),
        (DEEP, (12, 3, 3, 3)),
        (DEEP, (24, 12, 12, 1)),
        (FLAT, (8, 2)),
        (HALF_FIXED, (12, 4, 2)),
        (HALF_FIXED, (4, 6, 1)),  # the second layer differs where the first does
    ],
)
@pytest.mark.parametrize("number", [1, 7, 300])
def test_members_that_share_layers_with_some_give_what_each_gives_alone(layers, sizes, number):
    model, X, vectors = case(layers, 24, number)
    vectors = networks.in_families(model, vectors, sizes)
    alone = np.stack([model.forward(X, vector[None])[0] for vector in vectors])
    together = model.forward(X, vectors, threads=1)
    naive.assert_close(together, alone, 2e-6)
    for threads in (2, 16):
        np.testing.assert_array_equal(
            model.forward(X, vectors, engine=EAGER, threads=threads), together
        )
    for least in (600_000, MIB, 2 * MIB):
        naive.assert_close(model.forward(X, vectors, memory_limit=least), alone, 2e-6)
    naive.assert_close(model.forward(X, vectors[:-1]), alone[:-1], 2e-6)


def least_memory(model, X, vectors, limit, **options):
    """Run with a limit below what one image needs; return what the warning says, and outputs."""
    population._say_that_more_is_needed.cache_clear()
    with pytest.warns(UserWarning, match="one image needs") as caught:
        outputs = model.forward(X, vectors, memory_limit=limit, engine=EAGER, **options)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    return int(str(caught[0].message).split()[3].replace(",", "")), outputs


@pytest.mark.parametrize("sizes", [(52, 1), (12, 4), (12, 12), (27, 9), (104, 52), (104, 104)])
@pytest.mark.parametrize("number", [1, 3, 40])
def test_families_in_any_amount_of_memory(sizes, number):
    layers = [
        cnn.Input2D((8, 8, 1)),
        cnn.Conv2D(1, 3, activation_function="relu"),
        cnn.Conv2D(32, 3, trainable=False),
        cnn.Flatten(),
        cnn.Dense(3),
    ]
    model, X, vectors = case(layers, 2 * sizes[0] if sizes[0] < 104 else 104, number)
    vectors = networks.in_families(model, vectors, sizes)
    alone = np.stack([model.forward(X, vector[None])[0] for vector in vectors])
    for limit in (1, 10):
        naive.assert_close(least_memory(model, X, vectors, limit)[1], alone, 2e-6)
    least, _ = least_memory(model, X, vectors, 1)
    for limit in np.geomspace(least, 10**8, 20).astype(int):
        outputs = model.forward(X, vectors, threads=1, memory_limit=limit)
        naive.assert_close(outputs, alone, 2e-6)


def test_families_of_equal_ones_are_seen_for_what_they_are():
    model, _, vectors = case(DIGITS, 12, 5)
    vectors = vectors[[0, 0, 0, 0, 4, 4, 5, 5, 0, 0, 7, 7]]
    first, *_ = weight_arrays(model.weighted_layers, vectors)
    np.testing.assert_array_equal(
        first[:, None], vectors[::2, : first[0].size].reshape(6, 1, *first.shape[1:])
    )


@settings(max_examples=30, deadline=None)
@given(networks.networks(), st.data())
def test_families_in_random_networks(model, data):
    number = len(model.trainable_layers)
    sizes = np.cumprod(data.draw(st.lists(st.integers(1, 3), min_size=number, max_size=number)))
    members = int(sizes[-1]) * data.draw(st.integers(1, 3)) if number else 3
    X, vectors = networks.images_for(model, 9), networks.vectors_for(model, members)
    vectors = networks.in_families(model, vectors, [int(size) for size in sizes[::-1]])
    alone = np.stack([model.forward(X, vector[None])[0] for vector in vectors])
    naive.assert_close(model.forward(X, vectors), alone, 2e-6)


def convolutions(monkeypatch, layers, vectors_of):
    """How many (sets of patches, members) each convolution of one forward pass is called with."""
    model, X, vectors = case(layers, 12, 40)
    calls = []
    convolve = kernels.convolve

    def noted(patches, weights):
        calls.append((len(patches), len(weights)))
        return convolve(patches, weights)

    monkeypatch.setattr(kernels, "convolve", noted)
    cnn.Model(model.layers).forward(X, vectors_of(model, vectors))
    monkeypatch.undo()
    return calls


def test_shared_layers_run_once(monkeypatch):
    for layer, expected in [(0, {12}), (1, {1, 12}), (2, {1}), (4, {1})]:
        calls = convolutions(monkeypatch, DEEP, lambda m, v, end=layer: alike_before(m, v, end))
        assert {members for _, members in calls} == expected


def test_a_family_runs_its_layers_once(monkeypatch):
    calls = convolutions(monkeypatch, DEEP, lambda m, v: networks.in_families(m, v, (6, 2, 1, 1)))
    assert calls == [(1, 2), (2, 6)]


# Large dense layers: features of several pieces of maps are joined

LARGE_DENSE = [
    cnn.Input2D((24, 24, 2)),
    cnn.Conv2D(16, 3, activation_function="relu"),
    cnn.Flatten(),
    cnn.Dense(64, activation_function="tanh"),
    cnn.Dense(3, activation_function="softmax"),
]


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of three images at most, and every dense layer counts as a large one."""
    monkeypatch.setattr(population, "LARGE_DENSE", 1)
    monkeypatch.setattr(population, "DENSE_IMAGES", 20)
    monkeypatch.setattr(population, "TASKS", 2)
    monkeypatch.setattr(population, "BLOCK_IMAGES", (3, 3))


def images_of_products(monkeypatch, layers, members, number, **options):
    """How many images each product of a dense layer has in one forward pass, and the outputs."""
    model, X, vectors = case(layers, members, number)
    calls = []
    dense = kernels.dense

    def noted(features, weights):
        calls.append(features.shape[-1])
        return dense(features, weights)

    with monkeypatch.context() as patch:
        patch.setattr(kernels, "dense", noted)
        outputs = cnn.Model(model.layers).forward(X, vectors, **options)
    some = np.r_[0, number // 2, number - 1]
    naive.assert_close(outputs[:, some], naive.population(model, X[some], vectors), 1e-5)
    return calls


@pytest.mark.parametrize("members", [1, 3])
def test_large_dense_layers_take_many_images_at_once(monkeypatch, members):
    calls = images_of_products(monkeypatch, LARGE_DENSE, members, 12 * 128 + 5)
    assert set(calls) == {128, 5}
    few = images_of_products(monkeypatch, LARGE_DENSE, members, 300)
    assert max(few) == 64  # as maps have it: there is work for all threads
    limited = images_of_products(monkeypatch, LARGE_DENSE, members, 1541, memory_limit=4 * MIB)
    assert max(limited) < 128


def test_small_dense_layers_take_what_fits_the_cache(monkeypatch):
    assert max(images_of_products(monkeypatch, DEEP, 1, 1541)) == 256


@pytest.mark.parametrize("layers", [DIGITS, DEEP, FLAT, HALF_FIXED])
@pytest.mark.parametrize(("members", "number"), [(1, 50), (5, 7), (33, 131)])
def test_pieces_give_what_whole_blocks_give(monkeypatch, small_pieces, layers, members, number):
    assert max(images_of_products(monkeypatch, layers, 1, 50)) > 3
    model, X, vectors = case(layers, members, number)
    for layer in range(len(model.trainable_layers) + 1):
        alike = alike_before(model, vectors, layer)
        alone = naive.population(model, X, alike[[0, -1]])
        outputs = model.forward(X, alike, threads=1)
        naive.assert_close(outputs[[0, -1]], alone, 1e-5)
        np.testing.assert_array_equal(model.forward(X, alike, engine=EAGER, threads=3), outputs)
        naive.assert_close(model.forward(X, alike, memory_limit=2 * MIB), outputs, 2e-6)


def test_pieces_of_images_of_each_members_own(small_pieces):
    model, X, vectors = case(DEEP, 3, 60)
    own = X.reshape(3, 20, *X.shape[1:])
    alone = [model.forward(*pair)[0] for pair in zip(own, vectors[:, None], strict=True)]
    naive.assert_close(model.forward(own, vectors), np.stack(alone), 2e-6)


@pytest.mark.parametrize("limit", [4 * MIB, 8 * MIB, 32 * MIB])
@pytest.mark.parametrize(
    ("layers", "members", "shared"),
    [
        (LARGE_DENSE, 1, 0),
        (LARGE_DENSE, 3, 0),
        (LARGE_DENSE, 3, 1),
        (LARGE_DENSE, 3, 2),
        (LARGE_DENSE, 3, 3),
        ([cnn.Input2D((28, 28, 1)), cnn.Conv2D(64, 5), cnn.Flatten(), cnn.Dense(10)], 1, 0),
    ],
)
def test_a_task_that_joins_takes_no_more_than_it_says(monkeypatch, layers, members, shared, limit):
    model, X, vectors = case(layers, members, 1541)
    vectors = alike_before(model, vectors, shared)
    chosen = []
    choose = population.choose_blocks

    def noted(*arguments, **options):
        chosen.append(choose(*arguments, **options))
        return chosen[-1]

    monkeypatch.setattr(population, "choose_blocks", noted)
    model.forward(X[:1], vectors)
    tracemalloc.start()
    try:
        outputs = model.forward(X, vectors, memory_limit=limit, threads=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    blocks = chosen[-1]
    held = blocks.images * blocks.members * 8 * model.output_shape[0]  # outputs of a task
    assert peak - outputs.nbytes < 1.05 * blocks.bytes + 2 * held + 200_000


def test_a_task_has_no_more_images_than_there_are(monkeypatch):
    layers = [cnn.Input2D((28, 28, 1)), cnn.Conv2D(64, 5), cnn.Flatten(), cnn.Dense(10)]
    assert set(images_of_products(monkeypatch, layers, 96, 16)) == {16}


def test_pieces_of_families(small_pieces):
    model, X, vectors = case(HALF_FIXED, 24, 50)
    for sizes in [(12, 4, 2), (24, 1, 1), (24, 24, 1), (24, 24, 24)]:
        alike = networks.in_families(model, vectors, sizes)
        alone = np.stack([model.forward(X, vector[None])[0] for vector in alike])
        naive.assert_close(model.forward(X, alike), alone, 2e-6)


# Threads


def of_cnn():
    """The threads that wait for work."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("cnn")}


def test_threads_are_kept_for_the_next_population_and_do_not_grow_in_number():
    model, X, vectors = case(DIGITS, 64, 3000)
    model.forward(X, vectors, engine=EAGER, threads=3)
    before = of_cnn()
    for _ in range(300):
        pool.work_at(lambda place: None, range(8), 3)
    model.forward(X, vectors, engine=EAGER, threads=3)
    assert before
    assert before <= of_cnn()
    assert len(of_cnn()) <= pool.available_threads()


@pytest.mark.parametrize("guilty", [True, False])
@pytest.mark.parametrize("threads", [2, 5])
def test_an_error_in_any_thread_ends_the_work_and_is_raised(guilty, threads):
    done, caller = [], threading.current_thread()

    def task(place):
        done.append(place)
        if (threading.current_thread() is caller) == guilty:
            raise OSError("in a thread")
        time.sleep(0.001)

    with pytest.raises(OSError, match="in a thread"):
        pool.work_at(task, range(5000), threads)
    assert len(done) < 5000


def test_callers_in_several_threads_share_the_helpers():
    model, X, vectors = case(DIGITS, 64, 3000)
    wanted, outputs = model.forward(X, vectors, threads=1), []
    callers = [
        threading.Thread(
            target=lambda: outputs.append(model.forward(X, vectors, engine=EAGER, threads=2))
        )
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(outputs) == 4
    for each in outputs:
        np.testing.assert_array_equal(each, wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    model, X, vectors = case(DIGITS, 64, 3000)
    model.forward(X, vectors, engine=EAGER, threads=3)
    child = os.fork()
    if child == 0:
        try:
            threading.Timer(60, os._exit, [8]).start()  # where it hangs
            model.forward(X, vectors, engine=EAGER, threads=3)
            os._exit(7)
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


# Memory

WIDE = [cnn.Input2D((32, 32, 4)), cnn.Conv2D(32, 3, padding="same"), cnn.LeakyReLU(), cnn.Flatten()]
STRIDED = [cnn.Input2D((64, 64, 3)), cnn.Conv2D(2, 1, stride=7), cnn.Flatten(), cnn.Dense(3)]
MANY = [cnn.Input2D((32, 32, 4)), cnn.MaxPooling2D(3), cnn.Flatten(), cnn.Dense(250), cnn.Softmax()]
LONG = [cnn.Input1D(20_000), cnn.Dense(1)]


@pytest.mark.parametrize(
    ("layers", "members", "number"),
    [
        (DIGITS, 500, 64),
        (DIGITS, 4, 20_000),
        (STRIDED, 8, 400),
        (LONG, 8, 500),
        (LONG, 200, 9),
        (WIDE, 2, 40),
        (MANY, 60, 150),
        (LARGE_DENSE, 1, 2000),
        (LARGE_DENSE, 3, 300),
    ],
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 40])
def test_memory_stays_under_the_limit(layers, members, number, kind, threads):
    model, X, vectors = case(layers, members, number)
    X, vectors = X.astype(kind), vectors.astype(kind)
    model.forward(X[:1], vectors[:1])
    tracemalloc.start()
    try:
        outputs = model.forward(X, vectors, memory_limit=4 * MIB, engine=EAGER, threads=threads)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - outputs.nbytes < 4 * MIB


@pytest.mark.parametrize("threads", [1, 3])
def test_a_limit_too_small_is_said_once_and_gone_beyond(threads):
    model, X, vectors = case(DEEP, 3, 5)
    wanted = model.forward(X, vectors)
    needed, outputs = least_memory(model, X, vectors, 10, threads=threads)
    naive.assert_close(outputs, wanted, 1e-6)
    naive.assert_close(model.forward(X, vectors, memory_limit=10), wanted, 1e-6)  # silently
    naive.assert_close(model.forward(X, vectors, memory_limit=needed), wanted, 1e-6)


def test_a_limit_too_small_is_exceeded_by_one_block(monkeypatch):
    model, X, vectors = case(WIDE, 2, 40)
    needed, _ = least_memory(model, X, vectors, MIB // 4)
    tracemalloc.start()
    try:
        outputs = model.forward(X, vectors, memory_limit=MIB // 4, engine=EAGER, threads=3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - outputs.nbytes < 1.1 * needed


# Numbers without end


@pytest.mark.filterwarnings("ignore:the network gives no finite outputs")
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "softmax", "leaky_relu", "step"])
@pytest.mark.parametrize("size", [1e-300, 1e-38, 1e30, 3e38])
def test_no_floating_point_warning_escapes(activation, size):
    layers = [*DEEP[:-1], cnn.Dense(3, activation_function=activation)]
    model, X, vectors = case(layers, 3, 5)
    X, vectors = np.sign(X) * np.float64(size), np.sign(vectors) * np.float64(size)
    with np.errstate(all="raise"):
        model.forward(X, vectors, engine=EAGER, threads=2)
        model.weights = vectors[0]
        model.predict_proba(X)
        model.log_proba(X)
        model.feed_sample(X[0])


# BLAS


def blas_threads():
    """Threads of NumPy's BLAS; SciPy brings another one, if a test before imported it."""
    known = pool._blas().info()
    return [each["num_threads"] for each in known if each["user_api"] == "blas"]


@pytest.fixture
def two_blas_threads():
    """BLAS with two threads, as a user may have set it."""
    with threadpool_limits(2, user_api="blas"):
        if not set(blas_threads()) - {1}:
            pytest.skip("this BLAS has one thread only")
        yield blas_threads()


@pytest.fixture
def dense(monkeypatch):
    """A list of functions that the product of a Dense layer calls first, in models built now."""
    calls, product = [], kernels.dense

    def patched(features, weights):
        for call in calls:
            call()
        return product(features, weights)

    monkeypatch.setattr(kernels, "dense", patched)
    return calls


def test_blas_has_one_thread_inside_and_its_own_number_after(two_blas_threads, dense):
    seen = []
    dense.append(lambda: seen.append(blas_threads()))
    model, X, vectors = case(FLAT, 3, 5)
    model.forward(X, vectors)
    assert seen
    assert all(set(threads) == {1} for threads in seen)
    assert blas_threads() == two_blas_threads


@pytest.mark.parametrize("threads", [1, 2])
def test_blas_is_given_back_after_an_exception(two_blas_threads, dense, threads):
    def fail():
        raise KeyError("on purpose")

    dense.append(fail)
    model, X, vectors = case(FLAT, 30, 500)
    with pytest.raises(KeyError, match="on purpose"):
        model.forward(X, vectors, engine=EAGER, threads=threads)
    assert blas_threads() == two_blas_threads


def test_blas_is_given_back_after_two_calls_at_once(two_blas_threads, dense):
    together = threading.Barrier(2, timeout=20)
    model, X, vectors = case([cnn.Input1D(30), cnn.Dense(3)], 1, 5)
    wanted = model.forward(X, vectors)
    dense.append(together.wait)
    model = case([cnn.Input1D(30), cnn.Dense(3)], 1, 5)[0]
    outputs = []
    callers = [
        threading.Thread(target=lambda: outputs.append(model.forward(X, vectors))) for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [np.array_equal(output, wanted) for output in outputs] == [True, True]
    assert blas_threads() == two_blas_threads


def test_callers_may_leave_in_any_order(two_blas_threads):
    first, second = pool.single_threaded_blas(), pool.single_threaded_blas()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas_threads()) == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == two_blas_threads
