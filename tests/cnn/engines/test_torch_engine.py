"""TorchEngine beside NumPy's engine, on PyTorch's CPU device and in the blocks of a GPU there."""

import gc
import shutil
import threading

import naive
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn
from cnn.engines.engine import engine_for
from cnn.engines.families import have_images_of_their_own
from cnn.engines.operations import listed
from cnn.engines.torch import devices, held, kernels, plans, population, sending
from cnn.engines.torch.lowering import Products
from cnn.layers.layer import Layer, Operation
from cnn.layers.window import Window

torch = pytest.importorskip("torch")

KIB, MIB = 2**10, 2**20
CPU = cnn.TorchEngine("cpu")
BATCHED = cnn.TorchEngine("cpu", products="batched")
ENGINES = pytest.mark.parametrize("engine", [CPU, BATCHED], ids=["grouped", "batched"])
LAYERS = [
    cnn.Input2D((15, 14, 3)),
    cnn.Conv2D(5, 3, activation_function="relu"),
    cnn.MaxPooling2D(3, stride=2),
    cnn.Conv2D(7, (3, 2), activation_function="tanh", padding="same"),
    cnn.AveragePooling2D(2, padding="same"),
    cnn.Flatten(),
    cnn.Dense(6),
    cnn.Dense(3, activation_function="softmax"),
]
FLAT = [cnn.Input1D(30), cnn.Dense(20, activation_function="tanh"), cnn.Dense(3)]
HALF_FIXED = [
    cnn.Input2D((9, 8, 2)),
    cnn.Conv2D(4, 3, activation_function="relu"),
    cnn.Conv2D(3, 2, trainable=False),
    cnn.MaxPooling2D(2),
    cnn.Conv2D(6, 2, use_bias=False),
    cnn.Flatten(),
    cnn.Dense(3),
]


class GpuBlocks(cnn.TorchEngine):
    """The engine on a CPU that takes the way of a GPU: images there, all in this thread."""

    def _evaluate(self, program, images, rows, weights, results, threads, memory_limit):
        device = torch.device("cpu")
        own = have_images_of_their_own(images, program.input_shape)
        choices = population.Choices(device, torch.float32, Products("batched"), False, None, own)
        population.evaluate(
            program,
            held.blocks_on(images, device, torch.float32, rows, own=own),
            weights,
            results,
            choices=choices,
            threads=threads,
            memory_limit=memory_limit,
        )


ALL = st.sampled_from([CPU, BATCHED, GpuBlocks("cpu")])


@pytest.fixture(autouse=True)
def eager_threads(monkeypatch):
    """Threads share even the small work of tests."""
    monkeypatch.setattr(plans, "THREAD_FLOATS", 1)


def case(layers, members, number):
    """A model, images and a population."""
    model = networks.filled(cnn.Model(layers, random_seed=0))
    return model, networks.images_for(model, number), networks.vectors_for(model, members)


def forward(model, X, vectors, engine, memory_limit):
    """The outputs in that memory, or in as little as it takes."""
    try:
        return model.forward(X, vectors, engine=engine, memory_limit=memory_limit)
    except ValueError as error:
        needed = int(str(error).split("memory_limit must be at least ")[1].split()[0])
    return model.forward(X, vectors, engine=engine, memory_limit=needed)


# The numbers


@settings(max_examples=200, deadline=None)
@given(networks.networks(), st.integers(1, 9), st.integers(1, 40), ALL, st.data())
def test_random_networks(model, members, number, engine, data):
    X, vectors = networks.images_for(model, number), networks.vectors_for(model, members)
    limit = data.draw(st.sampled_from([16 * KIB, 128 * KIB, 256 * MIB]))
    outputs = forward(model, X, vectors, engine, limit)
    naive.assert_close(outputs, model.forward(X, vectors))


@settings(max_examples=50, deadline=None)
@given(networks.networks(exact=True), st.integers(1, 4), ALL)
def test_random_networks_of_small_integers_to_the_last_bit(model, number, engine):
    X, vectors = networks.images_for(model, number, True), networks.vectors_for(model, 3, True)
    outputs = model.forward(X, vectors, engine=engine)
    np.testing.assert_array_equal(outputs, naive.population(model, X, vectors))


@settings(max_examples=50, deadline=None)
@given(networks.networks(), st.data(), ALL)
def test_families_in_random_networks(model, data, engine):
    number = len(model.trainable_layers)
    sizes = np.cumprod(data.draw(st.lists(st.integers(1, 3), min_size=number, max_size=number)))
    members = int(sizes[-1]) * data.draw(st.integers(1, 3)) if number else 3
    X, vectors = networks.images_for(model, 9), networks.vectors_for(model, members)
    vectors = networks.in_families(model, vectors, [int(size) for size in sizes[::-1]])
    limit = data.draw(st.sampled_from([16 * KIB, 128 * KIB, 256 * MIB]))
    outputs = forward(model, X, vectors, engine, limit)
    naive.assert_close(outputs, model.forward(X, vectors))


@settings(max_examples=80, deadline=None)
@given(networks.networks(), st.integers(1, 6), st.integers(1, 20), ALL, st.data())
def test_images_of_their_own_in_random_networks(model, members, number, engine, data):
    X, vectors = (
        networks.own_images_for(model, members, number),
        networks.vectors_for(model, members),
    )
    limit = data.draw(st.sampled_from([16 * KIB, 128 * KIB, 256 * MIB]))
    outputs = forward(model, X, vectors, engine, limit)
    naive.assert_close(outputs, model.forward(X, vectors))


@ENGINES
def test_images_of_their_own_go_up_every_time(engine):
    model, _, vectors = case(LAYERS, 4, 1)
    X = networks.own_images_for(model, 4, 3)
    with engine.session():
        before = model.forward(X, vectors, engine=engine)
        assert not held._held
        X[...] = X[::-1].copy()  # the next frame of a game, in the same array
        after = model.forward(X, vectors, engine=engine)
    naive.assert_close(after, model.forward(X, vectors))
    assert np.abs(after - before).max() > 0.01


@ENGINES
@pytest.mark.parametrize("layers", [LAYERS, FLAT, HALF_FIXED])
@pytest.mark.parametrize("number", [1, 70])
def test_populations_in_families(engine, layers, number):
    model, X, vectors = case(layers, 24, number)
    for sizes in ((24, 12, 4, 1), (24, 24, 24, 24), (12, 4, 2, 2), (4, 2, 1, 1)):
        alike = networks.in_families(model, vectors, sizes[: len(model.trainable_layers)])
        for limit in (600_000, 256 * MIB):
            outputs = model.forward(X, alike, engine=engine, memory_limit=limit)
            naive.assert_close(outputs, model.forward(X, alike))


def test_log_probabilities_are_exact_where_the_probability_rounds_to_0():
    X = np.array([[1.0, -1.0]], np.float32)
    for layers, wanted in (
        ([cnn.Dense(2, activation_function="softmax", use_bias=False)], [[-200.0, 0.0]]),
        ([cnn.Dense(1, activation_function="sigmoid", use_bias=False)], [[-200.0, 0.0]]),
    ):
        model = cnn.Model([cnn.Input1D(2), *layers])
        model.weights = [-100, 100, 0, 0] if model.num_weights == 4 else [200, 0]
        for engine in (CPU, cnn.TorchEngine("cpu", precision="bfloat16")):
            np.testing.assert_array_equal(model.log_proba(X, engine=engine), wanted)


@settings(max_examples=50, deadline=None)
@given(networks.networks(), ALL)
def test_log_proba_predict_and_predict_proba(model, engine):
    X = networks.images_for(model, 12)
    try:
        wanted = model.log_proba(X)
    except ValueError:
        return
    naive.assert_close(model.log_proba(X, engine=engine), wanted)
    naive.assert_close(model.predict_proba(X, engine=engine), model.predict_proba(X))
    assert (model.predict(X, engine=engine) == model.predict(X)).mean() > 0.9  # ties


def test_bfloat16_is_near():
    model, X, vectors = case(LAYERS, 5, 9)
    outputs = model.forward(X, vectors, engine=cnn.TorchEngine("cpu", precision="bfloat16"))
    assert outputs.dtype == np.float32
    assert 1e-4 < np.abs(outputs - model.forward(X, vectors)).max() < 0.1


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of PyTorch's own
def test_compiled_networks():
    engine = cnn.TorchEngine("cpu", compiled=True)
    model, X, vectors = case(LAYERS, 5, 9)
    outputs = model.forward(X, vectors, engine=engine)
    naive.assert_close(outputs, model.forward(X, vectors))
    np.testing.assert_array_equal(model.forward(X, vectors, engine=engine, threads=1), outputs)


def test_mean_of_dead_units_is_exactly_zero():
    layers = [cnn.Input2D((9, 9)), cnn.Conv2D(4, 3, activation_function="relu")]
    for pool in (cnn.AveragePooling2D(3, padding="same"), cnn.GlobalAveragePooling2D()):
        model = cnn.Model([*layers, pool], random_seed=0)
        weights = model.weights.copy()
        weights[-4:] = -50
        outputs = model.forward(np.ones((2, 9, 9, 1)), weights[None], engine=CPU)
        np.testing.assert_array_equal(outputs, np.zeros_like(outputs))


@pytest.mark.parametrize("pool_size", [2, (1, 3), (4, 1), 3])
@pytest.mark.parametrize("padding", ["valid", "same", 1])
@pytest.mark.parametrize("use_bias", [True, False])
def test_few_filters_at_all_places_of_a_window(monkeypatch, pool_size, padding, use_bias):
    together = []
    convolve = kernels.convolve_to_maxima

    def noted(*tensors, **looks):
        together.append(looks["phases"])
        return convolve(*tensors, **looks)

    monkeypatch.setattr(kernels, "convolve_to_maxima", noted)
    layers = [
        cnn.Input2D((12, 13, 2)),
        cnn.Conv2D(4, (3, 2), padding=padding, use_bias=use_bias, activation_function="tanh"),
        cnn.MaxPooling2D(pool_size, stride=pool_size),
        cnn.Flatten(),
    ]
    model, X, vectors = case(layers, 2, 7)
    naive.assert_close(model.forward(X, vectors, engine=CPU), model.forward(X, vectors))
    assert set(together) == (set() if pool_size == 3 else {np.prod(np.broadcast_to(pool_size, 2))})
    wide = cnn.Conv2D(4, 3, stride=2), cnn.Conv2D(4, 2, dilation=2), cnn.Conv2D(9, 2)
    for layer in wide:
        model, X, vectors = case([layers[0], layer, *layers[2:]], 2, 7)
        together.clear()
        naive.assert_close(model.forward(X, vectors, engine=CPU), model.forward(X, vectors))
        assert not together


@pytest.mark.parametrize("pool", ["max_pool2d", "avg_pool2d"])
def test_pooling_keeps_either_order_of_memory(pool):
    maps = torch.randn(4, 9, 8, 3, 5)
    rows, columns = Window(3, 2), Window(2, 2)
    members_first = maps.permute(3, 0, 1, 2, 4).contiguous().permute(1, 2, 3, 0, 4)
    function = getattr(torch.nn.functional, pool)
    pooled = kernels._pooled(maps, function, rows, columns)
    other = kernels._pooled(members_first, function, rows, columns)
    assert torch.equal(pooled, other)
    assert pooled.is_contiguous()
    assert other.permute(3, 0, 1, 2, 4).is_contiguous()
    if pool == "max_pool2d":
        assert torch.equal(pooled, kernels.max_pool(maps, rows=rows, columns=columns))


# A population


@ENGINES
def test_any_number_of_threads_gives_the_same_bits_and_so_does_another_run(engine):
    model, X, vectors = case(LAYERS, 33, 131)
    outputs = model.forward(X, vectors, engine=engine, threads=1)
    for threads in (1, 2, 5, None):
        again = model.forward(X, vectors, engine=engine, threads=threads)
        np.testing.assert_array_equal(again, outputs)


@pytest.mark.parametrize("members", [4096, 16_384])
@pytest.mark.parametrize("engine", [CPU, GpuBlocks("cpu")])
def test_large_populations(members, engine):
    layers = [cnn.Input2D((4, 4)), cnn.Conv2D(2, 2), cnn.Conv2D(2, 2), cnn.Flatten(), cnn.Dense(2)]
    model, X, vectors = case(layers, members, 3)
    outputs = model.forward(X, vectors, engine=engine, memory_limit=4 * MIB)
    naive.assert_close(outputs, model.forward(X, vectors))


def calls(monkeypatch, layers, sizes):
    """How many (sets, members) each grouped convolution of one forward pass is called with."""
    seen = []
    convolve = kernels.convolve_in_groups

    def noted(maps, filters, *bias, **looks):
        seen.append((maps.shape[3], len(filters)))
        return convolve(maps, filters, *bias, **looks)

    monkeypatch.setattr(kernels, "convolve_in_groups", noted)
    model, X, vectors = case(layers, 12, 40)
    model.forward(X, networks.in_families(model, vectors, sizes), engine=CPU)
    monkeypatch.undo()
    return seen


def test_a_family_runs_its_layers_once(monkeypatch):
    assert calls(monkeypatch, LAYERS, (12, 12, 1, 1)) == [(1, 1), (1, 1)]
    assert calls(monkeypatch, LAYERS, (12, 4, 1, 1)) == [(1, 1), (1, 3)]
    assert calls(monkeypatch, LAYERS, (4, 2, 1, 1)) == [(1, 3), (3, 6)]


def test_inputs_are_left_as_they_were_and_may_be_of_any_kind():
    for layers in (LAYERS, [cnn.Input1D(6), cnn.ReLU()], [cnn.Input2D((2, 3)), cnn.Step()]):
        model, X, vectors = case(layers, 3, 5)
        for engine in (CPU, GpuBlocks("cpu")):
            before = X.copy(), vectors.copy()
            X.flags.writeable = vectors.flags.writeable = False
            wanted = model.forward(X, vectors)
            naive.assert_close(model.forward(X, vectors, engine=engine), wanted)
            np.testing.assert_array_equal(X, before[0])
            np.testing.assert_array_equal(vectors, before[1])
        for kind in (np.uint8, np.int64, np.float16, ">f4", bool):
            images = np.abs(3 * X).astype(kind)
            for engine in (CPU, GpuBlocks("cpu")):
                outputs = model.forward(images, vectors[::-1], engine=engine)
                naive.assert_close(outputs, model.forward(images, vectors[::-1]))


def test_numbers_that_are_not_finite_are_refused_as_by_numpy():
    model, X, vectors = case(LAYERS, 3, 5)
    X[2, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"X must be finite in float32, but X\[2\]"):
        model.forward(X, vectors, engine=CPU)
    vectors[1, 4] = np.inf
    with pytest.raises(ValueError, match=r"vectors must be finite in float32, but vectors\[1\]"):
        model.forward(X[:2], vectors, device="cpu")


def test_a_limit_too_small_says_what_is_needed():
    model, X, vectors = case(LAYERS, 3, 5)
    for engine in (CPU, GpuBlocks("cpu")):
        with pytest.raises(ValueError, match="memory_limit must be at least") as caught:
            model.forward(X, vectors, engine=engine, memory_limit=10)
        needed = int(str(caught.value).split("at least ")[1].split()[0])
        outputs = model.forward(X, vectors, engine=engine, memory_limit=needed)
        naive.assert_close(outputs, model.forward(X, vectors))


def test_without_memory_on_the_device_smaller_blocks_are_tried(monkeypatch):
    model, X, vectors = case(LAYERS, 12, 40)
    sizes = []

    def entering(images, most):
        sizes.append(images.shape[1])
        if images.shape[1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return images.permute(1, 2, 3, 0, 4)

    monkeypatch.setattr(kernels, "enter", lambda images: entering(images, 7))
    outputs = model.forward(X, vectors, engine=GpuBlocks("cpu"))
    naive.assert_close(outputs, model.forward(X, vectors))
    assert sizes[0] == 40
    assert max(sizes[-6:]) <= 7
    monkeypatch.setattr(kernels, "enter", lambda images: entering(images, 0))
    with pytest.raises(MemoryError, match=r"device 'cpu' has .* one image, \d+ bytes; give fewer"):
        model.forward(X, vectors, engine=GpuBlocks("cpu"))


def test_operations_that_are_not_known_are_refused_with_the_layer():
    class Odd(Layer):
        def output_shape(self, shape, previous):
            return shape

        def operations(self):
            yield Operation("odd", self)

    model = cnn.Model([cnn.Input2D((4, 4)), Odd()])
    wanted = r"engine 'torch cpu' cannot run Odd\(\): it knows no operation 'odd'"
    with pytest.raises(ValueError, match=wanted):
        model.forward(np.zeros((1, 4, 4, 1)), engine=CPU)
    operations = listed(cnn.Model(LAYERS).layers)
    operations[2] = operations[2]._replace(inputs=(0,))
    with pytest.raises(ValueError, match="engine 'torch cpu' runs chains only"):
        CPU.compile(operations, (15, 14, 3))


# PyTorch's settings


def torch_settings():
    return torch.get_num_threads(), devices._settings()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_settings_of_torch_are_left_as_they_were(threads, monkeypatch):
    model, X, vectors = case(LAYERS, 33, 131)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("medium")
    wanted = torch_settings()
    inside = []
    try:
        multiply = kernels.multiply
        monkeypatch.setattr(
            kernels, "multiply", lambda *all: inside.append(torch_settings()) or multiply(*all)
        )
        cnn.Model(model.layers).forward(X, vectors, engine=CPU, threads=2)
        assert torch_settings() == wanted
        callers = [
            threading.Thread(target=lambda: model.forward(X, vectors, engine=CPU, threads=2))
            for _ in range(4)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert torch_settings() == wanted
        monkeypatch.setattr(kernels, "flatten", lambda maps: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cnn.Model(model.layers).forward(X, vectors, engine=CPU, threads=2)
        assert torch_settings() == wanted
    finally:
        torch.set_num_threads(before)
        torch.set_float32_matmul_precision("highest")
    assert {number for number, _ in inside} == {1}
    assert {inner["product"] for _, inner in inside} == {"ieee"}


@pytest.mark.parametrize("tf32", [True, False])
def test_tf32_is_taken_where_it_is_asked_for(tf32):
    with devices.settings(tf32=tf32, benchmark=tf32):
        inside = devices._settings()
    assert inside["cuda product"] == inside["cuda convolution"] == ("tf32" if tf32 else "ieee")
    assert inside["benchmark"] == tf32 != inside["deterministic"]


# Images that stay on the device


def test_images_go_up_once_a_session_and_are_forgotten_with_their_array():
    device, images = torch.device("cpu"), np.zeros((3, 4), np.float32)
    first = held.on_device(images, device, np.float32)
    assert held.on_device(images, device, np.float32) is not first
    with CPU.session():
        kept = held.on_device(images, device, np.float32)
        with cnn.TorchEngine("cpu", precision="bfloat16").session():
            assert held.on_device(images, device, np.float32) is kept
        assert held.on_device(images, device, np.float32) is kept
        assert held.on_device(images.copy(), device, np.float32) is not kept
        gc.collect()
        assert len(held._held) == 1
        del images
        gc.collect()
        assert not held._held
        held.on_device(first.numpy(), device, np.float32)
    assert not held._held


def test_bytes_go_up_as_bytes():
    device = torch.device("cpu")
    for dtype, there in ((np.uint8, torch.uint8), (np.float64, torch.float32)):
        images = np.zeros((2, 3), dtype)
        with CPU.session():
            held.blocks_on(images, device, torch.float32)
            ((_, tensor),) = held._held.values()
        assert tensor.dtype == there


# Which engine


def test_engines_of_the_same_settings_are_equal_and_share_programs():
    model, X, _ = case(LAYERS, 1, 3)
    model.forward(X, engine="torch", device="cpu")
    model.forward(X, device="cpu")
    model.forward(X, engine=cnn.TorchEngine("cpu"))
    assert len(model._programs) == 1
    assert isinstance(CPU, cnn.Engine)
    assert cnn.TorchEngine("cpu:0") == CPU == cnn.TorchEngine(torch.device("cpu"))


def test_names_tell_what_decides_the_bits():
    names = {
        "torch cpu": CPU,
        "torch cpu batched": BATCHED,
        "torch cpu bfloat16": cnn.TorchEngine("cpu", precision="bfloat16"),
        "torch cpu compiled": cnn.TorchEngine("cpu", compiled=True),
        "torch cpu benchmark": cnn.TorchEngine("cpu", benchmark=True),
    }
    assert {engine.name for engine in names.values()} == set(names)
    assert all(engine.name == name for name, engine in names.items())


def test_device_is_the_short_way_and_must_agree_with_the_engine():
    assert engine_for(None, "cpu") == engine_for("torch", "cpu") == engine_for(CPU, "cpu") == CPU
    assert engine_for(BATCHED, "cpu") == BATCHED
    assert engine_for(None, None) == engine_for("numpy", None) == cnn.NumpyEngine()
    with pytest.raises(ValueError, match="device='cpu' is for the engine 'torch', not for 'numpy'"):
        engine_for("numpy", "cpu")
    model, X, _ = case(LAYERS, 1, 3)
    with pytest.raises(ValueError, match="leave out one of the two"):
        model.predict(X, engine=cnn.NumpyEngine(), device="cpu")


def test_a_device_beside_an_engine_on_another(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert cnn.TorchEngine().device == "cuda"
    assert cnn.TorchEngine("cuda:1").products in ("batched", "fused")
    assert cnn.TorchEngine("cuda", precision="tf32", products="batched").name == (
        "torch cuda tf32 batched"
    )
    with pytest.raises(ValueError, match="device='cuda' is not that of the engine, 'cpu'"):
        engine_for(CPU, "cuda")
    with pytest.raises(ValueError, match="compiled=True is for device \"cpu\", not 'cuda'"):
        cnn.TorchEngine("cuda", products="batched", compiled=True)
    with pytest.raises(ValueError, match="'cuda:2' does not exist; this machine has 'cuda:0', 'cu"):
        cnn.TorchEngine("cuda:2")


@pytest.mark.parametrize("device", ["gpu", "", 3, "cuda:x", "meta"])
def test_devices_that_are_none(device):
    with pytest.raises(ValueError, match="device must be 'cpu', 'cuda', 'cuda:1' and so on or 'mp"):
        cnn.TorchEngine(device)


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    with pytest.raises(ValueError, match=r"'cuda' needs a PyTorch that was built for CUDA.*'cpu'"):
        case(LAYERS, 1, 3)[0].forward(np.zeros((1, 15, 14, 3)), device="cuda")
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"'cuda:1' needs a CUDA GPU and its driver.*'cpu'"):
        cnn.TorchEngine("cuda:1")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'mps' is a GPU of Apple's, and there is none"):
        cnn.TorchEngine("mps")
    assert cnn.TorchEngine().device == "cpu"


def test_bad_settings():
    with pytest.raises(ValueError, match="precision must be one of 'float32', 'tf32', 'bfloat16'"):
        cnn.TorchEngine("cpu", precision="float16")
    with pytest.raises(ValueError, match="precision 'tf32' is one of CUDA's, not of device 'cpu'"):
        cnn.TorchEngine("cpu", precision="tf32")
    with pytest.raises(ValueError, match="products must be one of 'grouped', 'batched', 'fused'"):
        cnn.TorchEngine("cpu", products="fast")
    with pytest.raises(ValueError, match="compiled must be one of True, False, not 'yes'"):
        cnn.TorchEngine("cpu", compiled="yes")


# Weights on their way


@pytest.mark.parametrize("step", [1, 3])
def test_views_of_vectors_go_up_as_one_block(step):
    vectors = np.random.default_rng(0).random((60, 37), np.float32)
    views = [vectors[::step, :12].reshape(-1, 3, 4), vectors[:, 12:30].reshape(60, 6, 3)]
    flat, offsets = sending._block(views)
    assert np.shares_memory(flat, vectors)
    for view, offset in zip(views, offsets, strict=True):
        steps = [stride // 4 for stride in view.strides]
        found = torch.from_numpy(flat).as_strided(view.shape, steps, offset)
        np.testing.assert_array_equal(found.numpy(), view)


def test_what_is_no_block_goes_up_by_itself():
    vectors = np.zeros((60, 37), np.float32)
    few = [vectors[:, :3]]  # the block would be twelve times as large
    fixed = vectors[:]
    fixed.flags.writeable = False
    for views in (few, [fixed], [vectors.astype(np.float64)], [vectors[::-1]]):
        assert sending._block(views) == (None, [])
