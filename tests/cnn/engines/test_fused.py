"""The kernel in Triton, beside NumPy's engine: on a GPU, or in Triton's interpreter."""

import os
import subprocess
import sys

import naive
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from cnn.engines.torch import fused  # noqa: E402 # needs Triton

ENGINE = cnn.TorchEngine(products="fused")


@settings(max_examples=60, deadline=None)
@given(networks.networks(), st.integers(1, 6), st.integers(1, 9))
def test_random_networks(model, members, number):
    X, vectors = networks.images_for(model, number), networks.vectors_for(model, members)
    naive.assert_close(model.forward(X, vectors, engine=ENGINE), model.forward(X, vectors))


@settings(max_examples=30, deadline=None)
@given(networks.networks(), st.data())
def test_families_in_random_networks(model, data):
    layers = len(model.trainable_layers)
    sizes = np.cumprod(data.draw(st.lists(st.integers(1, 3), min_size=layers, max_size=layers)))
    members = int(sizes[-1]) * 2 if layers else 3
    X, vectors = networks.images_for(model, 5), networks.vectors_for(model, members)
    vectors = networks.in_families(model, vectors, [int(size) for size in sizes[::-1]])
    naive.assert_close(model.forward(X, vectors, engine=ENGINE), model.forward(X, vectors))


SHAPES = [  # channels, kernel, stride, dilation, padding: flat taps, and runs of them
    (1, 5, 1, 1, "valid"),
    (3, (3, 2), 2, 1, "same"),
    (8, 3, 1, 1, "valid"),
    (16, 3, 1, 2, "same"),
    (20, (1, 3), 1, (1, 2), "valid"),
]
POOLS = [
    [],
    [cnn.MaxPooling2D(2, stride=2)],
    [cnn.AveragePooling2D((2, 3), stride=(2, 3))],
    [cnn.MaxPooling2D(3, stride=2)],
    [cnn.AveragePooling2D(2, padding="same")],
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("pool", POOLS, ids=str)
@pytest.mark.parametrize("activation", [None, "relu", "leaky_relu", "tanh"])
def test_a_convolution_with_what_follows(shape, pool, activation):
    channels, kernel, stride, dilation, padding = shape
    layers = [
        cnn.Input2D((13, 14, channels)),
        cnn.Conv2D(
            5, kernel, stride=stride, dilation=dilation, padding=padding,
            activation_function=activation,
        ),
        *pool,
        cnn.Flatten(),
        cnn.Dense(3, activation_function="softmax"),
    ]  # fmt: skip
    model = networks.filled(cnn.Model(layers, random_seed=0))
    X, vectors = networks.images_for(model, 4), networks.vectors_for(model, 3)
    naive.assert_close(model.forward(X, vectors, engine=ENGINE), model.forward(X, vectors))


def test_what_is_pooled_away_is_never_written():
    layers = [
        cnn.Input2D((10, 10, 2)),
        cnn.Conv2D(4, 3, activation_function="relu"),
        cnn.MaxPooling2D(2, stride=2),
        cnn.Flatten(),
        cnn.Dense(3),
    ]
    model = cnn.Model(layers, random_seed=0)
    program = ENGINE.compile(cnn.engines.operations.listed(model.layers), (10, 10, 2))
    from cnn.engines.torch.lowering import Products
    from cnn.engines.torch.plans import plan_for

    plan = plan_for(program, 3, (3, 3, 3, 3), Products("fused"))
    assert [step.floats for step in plan.own[:3]] == [4 * 4 * 4, 64, 3]
    assert not plan.shared


def test_not_a_number_stays_one():
    maps = torch.zeros((1, 4, 4, 1, 1))
    maps[0, 0, 0] = float("nan")
    maps = maps.to(ENGINE.device)
    one = cnn.layers.window.Window(1)
    after = fused.After("relu", down=2, across=2)
    made = fused.convolve(
        maps, torch.ones((1, 1, 1, 1, 1)).to(maps), rows=one, columns=one, after=after,
        precision="float32",
    )  # fmt: skip
    assert made.isnan().flatten().tolist() == [True, False, False, False]


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from cnn.engines.torch import fused

names = fused._products.arg_names
for kind, flat, mean in (("fp32", True, False), ("fp32", False, True), ("bf16", False, False)):
    shapes = dict(DOWN=4, ACROSS=4, WIDTH=12, CHANNELS=8, TAPS=72, RUN=24, RUNS=3, RUN_BLOCKS=2)
    shapes |= dict(ROW_TAPS=24, ROW_STRIDE=1, COLUMN_STRIDE=1, ROW_DILATION=1, COLUMN_DILATION=1)
    if flat:
        shapes |= dict(RUN=72, RUNS=1, RUN_BLOCKS=5)
    constants = shapes | dict(
        FLAT=flat, FILTERS=16, BIASED=True, ACTIVATION="relu", SLOPE=0.0, POOL_DOWN=2,
        POOL_ACROSS=2, MEAN=mean, PRECISION="ieee" if kind == "bf16" else "tf32x3",
        BLOCK_POSITIONS=64, BLOCK_FILTERS=16, BLOCK_TAPS=16,
    )
    types = {name: "constexpr" if name in constants else "i32" for name in names}
    types |= {name: f"*{kind}" for name in ("maps", "filters", "bias", "out")}
    source = ASTSource(fused._products, types, constexprs=constants)
    assert triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]
"""


def test_it_compiles_for_a_gpu_where_there_is_none():
    environment = {**os.environ, "TRITON_INTERPRET": "0"}
    subprocess.run([sys.executable, "-c", COMPILE], env=environment, check=True, timeout=120)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_only_the_interpreter_runs_it_on_a_cpu(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(ValueError, match="products='fused' is for CUDA, not for device 'cpu'"):
        cnn.TorchEngine("cpu", products="fused")
