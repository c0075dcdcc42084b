"""Times the forward pass of a population of networks: this project, PyTorch, JAX and pygad.cnn.

Everything runs in float32 on all cores. The contenders of a case take turns in every round, so that
a noisy moment of the machine hits all of them alike, and the best time of each one counts. A peer
gets images and weights as its own arrays, in its own layout, before the clock starts, and where it
has a choice (layout, images at a time, members at a time) the quickest of its variants is raced.
This project gets NumPy arrays and returns NumPy arrays, all of it inside the clock.

    python benchmarks/population_forward.py --cases digits,mnist --rounds 5 --peers all
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import jax
    import torch

    import cnn

Array = NDArray[np.float32]
Run = Callable[[], Any]
Variants = dict[str, Run]

TOLERANCE = 1e-4
SGEMM = 3000
TURN_SECONDS = 0.2
# Idle BLAS and OpenMP threads spin for a while after a call and would slow the next contender.
SETTLE_SECONDS = 0.05
# A thread that spins for one that cannot run loses many times what the intruder takes.
BUSY_CORES = 0.1


@dataclass(frozen=True)
class Conv:
    filters: int
    size: int


@dataclass(frozen=True)
class Pool:
    kind: Literal["max", "average"]
    size: int
    stride: int


@dataclass(frozen=True)
class Dense:
    neurons: int


@dataclass(frozen=True)
class Case:
    """A network and the size of its population; the last layer ends in softmax, others in relu."""

    name: str
    members: int
    images: int
    input: tuple[int, int, int]
    layers: tuple[Conv | Pool | Dense, ...]

    def weighted(self) -> Iterator[tuple[tuple[int, ...], int, int]]:
        """Of each layer with weights: their shape, the number of biases, FLOP for one image.

        A convolution has (filters, height, width, channels), a dense layer (height, width,
        channels, neurons): what it sees before the image is flattened.
        """
        h, w, c = self.input
        for layer in self.layers:
            match layer:
                case Conv(filters, k):
                    h, w = h - k + 1, w - k + 1
                    yield (filters, k, k, c), filters, 2 * h * w * filters * k * k * c
                    c = filters
                case Pool(_, k, stride):
                    h, w = (h - k) // stride + 1, (w - k) // stride + 1
                case Dense(neurons):
                    yield (h, w, c, neurons), neurons, 2 * h * w * c * neurons
                    h, w, c = 1, 1, neurons

    def flop(self) -> int:
        return self.members * self.images * sum(flop for _, _, flop in self.weighted())

    def draw(self) -> tuple[Array, Array]:
        """Images (N, H, W, C) and vectors (P, genes), the same in every run."""
        rng = np.random.default_rng(0)
        genes = sum(math.prod(shape) + biases for shape, biases, _ in self.weighted())
        X = rng.random((self.images, *self.input), dtype=np.float32)
        vectors = rng.standard_normal((self.members, genes), dtype=np.float32)
        return X, vectors * np.float32(0.1)

    def parameters(self, vectors: Array, channels_first: bool) -> list[Array]:
        """Weights and biases of each layer in turn: (P, F, C, k, k), (P, F), (P, inputs, neurons).

        The inputs of a dense layer are in the order in which an image of that layout flattens.
        """
        parameters, start = [], 0
        weighted = [layer for layer in self.layers if not isinstance(layer, Pool)]
        for layer, (shape, biases, _) in zip(weighted, self.weighted(), strict=True):
            stop = start + math.prod(shape)
            weights = vectors[:, start:stop].reshape(-1, *shape)
            if isinstance(layer, Conv):
                weights = weights.transpose(0, 1, 4, 2, 3)
            else:
                weights = weights.transpose(0, 3, 1, 2, 4) if channels_first else weights
                weights = weights.reshape(len(vectors), -1, biases)
            parameters += [weights.copy(), vectors[:, stop : stop + biases].copy()]
            start = stop + biases
        return parameters


HALVE = Pool("max", 2, 2)
CASES = (
    Case("digits", 64, 1500, (8, 8, 1), (Conv(8, 3), Pool("average", 2, 2), Dense(10))),
    Case("mnist", 64, 1000, (28, 28, 1), (Conv(8, 5), HALVE, Conv(16, 3), HALVE, Dense(10))),
    Case("fruits", 50, 80, (100, 100, 3), (Conv(2, 3), Pool("average", 5, 3), Dense(4))),
    Case(
        *("cifar", 32, 250, (32, 32, 3)),
        (Conv(16, 3), HALVE, Conv(32, 3), HALVE, Dense(64), Dense(10)),
    ),
    Case(
        *("deep", 32, 250, (32, 32, 3)),
        (Conv(8, 3), HALVE, Conv(16, 3), Conv(16, 3), HALVE, Dense(32), Dense(10)),
    ),
    Case("wide", 32, 250, (16, 16, 8), (Conv(48, 3), HALVE, Dense(10))),
)


def cnn_model(case: Case) -> cnn.Model:
    import cnn

    pooling = {"max": cnn.MaxPooling2D, "average": cnn.AveragePooling2D}
    layers: list[Any] = [cnn.Input2D(case.input)]
    for layer in case.layers:
        match layer:
            case Conv(filters, size):
                layers.append(cnn.Conv2D(filters, size, activation_function="relu"))
            case Pool(kind, size, stride):
                layers.append(pooling[kind](size, stride=stride))
            case Dense(neurons):
                if not isinstance(layers[-1], cnn.Dense):
                    layers.append(cnn.Flatten())
                activation = "softmax" if layer is case.layers[-1] else "relu"
                layers.append(cnn.Dense(neurons, activation_function=activation))
    return cnn.Model(layers)


def ours_forward(case: Case, X: Array, vectors: Array) -> Variants:
    return {"": partial(cnn_model(case).forward, X, vectors)}


def ours_predict(case: Case, X: Array, vectors: Array) -> Variants:
    model = cnn_model(case)
    model.weights = vectors[0]
    return {"": partial(model.predict, X)}


def load_torch() -> Any:
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    # Each case and each number of images is one more specialisation of the same function.
    torch._dynamo.config.recompile_limit = 100
    return torch


def torch_network(case: Case, dense: Any, flatten: Any, compiled: bool) -> Any:
    """forward(images, weights and biases in turn), for one member or for all of them in groups."""
    torch = load_torch()
    F = torch.nn.functional
    pooling = {"max": F.max_pool2d, "average": F.avg_pool2d}

    def forward(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        following = iter(parameters)
        for layer in case.layers:
            match layer:
                case Conv():
                    weights, bias = next(following), next(following)
                    groups = x.shape[1] // weights.shape[1]
                    x = F.relu(F.conv2d(x, weights, bias, groups=groups), inplace=True)
                case Pool(kind, size, stride):
                    x = pooling[kind](x, size, stride)
                case Dense():
                    weights, bias = next(following), next(following)
                    x = dense(bias, flatten(x) if x.ndim == 4 else x, weights)
                    x = x if layer is case.layers[-1] else F.relu(x, inplace=True)
        return F.softmax(x, dim=-1)

    return torch.compile(forward, dynamic=False, fullgraph=True) if compiled else forward


def torch_variants(
    run: Callable[..., torch.Tensor], X: Array, layout: Any, counts: Sequence[int]
) -> Variants:
    """The run over all images at once and in pieces, whose feature maps stay in the cache."""
    torch = load_torch()
    images = torch.tensor(X).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    run = torch.inference_mode()(run)
    return {f"{count} pieces": partial(run, images.chunk(count)) for count in counts}


def torch_loop(
    channels_last: bool, compiled: bool, case: Case, X: Array, vectors: Array
) -> Variants:
    torch = load_torch()
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def flatten(x: torch.Tensor) -> torch.Tensor:
        return (x.permute(0, 2, 3, 1) if channels_last else x).flatten(1)

    def member(parts: tuple[Array, ...]) -> list[torch.Tensor]:
        tensors = [torch.tensor(part) for part in parts]
        return [t.contiguous(memory_format=layout) if t.ndim == 4 else t for t in tensors]

    forward = torch_network(case, torch.addmm, flatten, compiled)
    parameters = case.parameters(vectors, channels_first=not channels_last)
    members = [member(parts) for parts in zip(*parameters, strict=True)]

    def run(pieces: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return torch.stack([torch.cat([forward(x, *one) for x in pieces]) for one in members])

    return torch_variants(run, X, layout, (1, 2, 5, 10))


def torch_vmap(case: Case, X: Array, vectors: Array) -> Variants:
    torch = load_torch()
    stacked = [torch.tensor(part) for part in case.parameters(vectors, channels_first=True)]
    forward = torch_network(case, torch.addmm, partial(torch.flatten, start_dim=1), compiled=False)
    members = torch.func.vmap(forward, (None, *(0 for _ in stacked)))

    def run(pieces: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return torch.cat([members(x, *stacked) for x in pieces], dim=1)

    return torch_variants(run, X, torch.contiguous_format, (1, 5, 20))


def torch_grouped(compiled: bool, case: Case, X: Array, vectors: Array) -> Variants:
    """All members side by side in the channels; they share the images of the first convolution."""
    torch = load_torch()

    def flatten(x: torch.Tensor) -> torch.Tensor:
        return x.reshape(len(x), case.members, -1).transpose(0, 1)

    forward = torch_network(case, torch.baddbmm, flatten, compiled)
    parameters = case.parameters(vectors, channels_first=True)
    grouped = []
    for weights, bias in zip(parameters[::2], parameters[1::2], strict=True):
        if weights.ndim == 5:
            grouped += [torch.tensor(weights).flatten(0, 1), torch.tensor(bias).flatten()]
        else:
            grouped += [torch.tensor(weights), torch.tensor(bias)[:, None]]

    def run(pieces: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return torch.cat([forward(x, *grouped) for x in pieces], dim=1)

    return torch_variants(run, X, torch.contiguous_format, (5, 20, 40))


def jax_network(case: Case, layout: str) -> Callable[..., jax.Array]:
    """forward(images, weights and biases in turn), for one member."""
    import jax
    from jax import lax

    def spread(size: int) -> tuple[int, ...]:
        return (1, 1, size, size) if layout == "NCHW" else (1, size, size, 1)

    def forward(x: jax.Array, parameters: list[jax.Array]) -> jax.Array:
        following = iter(parameters)
        for layer in case.layers:
            match layer:
                case Conv():
                    weights, bias = next(following), next(following)
                    numbers = (layout, "OIHW", layout)
                    x = lax.conv_general_dilated(
                        x, weights, (1, 1), "VALID", dimension_numbers=numbers
                    )
                    x = jax.nn.relu(x + (bias[:, None, None] if layout == "NCHW" else bias))
                case Pool("max", size, stride):
                    x = lax.reduce_window(
                        x, -np.inf, lax.max, spread(size), spread(stride), "VALID"
                    )
                case Pool("average", size, stride):
                    x = lax.reduce_window(x, 0.0, lax.add, spread(size), spread(stride), "VALID")
                    x = x / size**2
                case Dense():
                    x = x.reshape(len(x), -1) @ next(following) + next(following)
                    x = x if layer is case.layers[-1] else jax.nn.relu(x)
        return jax.nn.softmax(x)

    return forward


def jax_variants(
    population: Any, sizes: Sequence[int], case: Case, X: Array, vectors: Array
) -> Variants:
    """population(forward, size, images, parameters), jitted, in both layouts and several sizes."""
    import jax
    from jax import numpy as jnp

    def variant(layout: str, size: int) -> Callable[[], jax.Array]:
        jitted = jax.jit(partial(population, jax_network(case, layout), size))
        images = jnp.array(X.transpose(0, 3, 1, 2) if layout == "NCHW" else X)
        parts = [jnp.array(part) for part in case.parameters(vectors, layout == "NCHW")]
        return lambda: jax.block_until_ready(jitted(images, parts))

    layouts = ("NCHW", "NHWC")
    return {f"{layout}, {k} at once": variant(layout, k) for layout in layouts for k in sizes}


def jax_vmap(case: Case, X: Array, vectors: Array) -> Variants:
    import jax

    def population(forward: Any, size: int, images: jax.Array, parameters: Any) -> jax.Array:
        pieces = images.reshape(-1, size, *images.shape[1:])
        members = jax.vmap(forward, (None, 0))
        outputs = jax.lax.map(lambda x: members(x, parameters), pieces)
        return outputs.swapaxes(0, 1).reshape(case.members, case.images, -1)

    sizes = sorted({case.images // math.gcd(case.images, count) for count in (1, 10, 50)})
    return jax_variants(population, sizes, case, X, vectors)


def jax_map(case: Case, X: Array, vectors: Array) -> Variants:
    import jax

    def population(forward: Any, size: int, images: jax.Array, parameters: Any) -> jax.Array:
        return jax.lax.map(partial(forward, images), parameters, batch_size=size)

    return jax_variants(population, (1, 4), case, X, vectors)


def sgemm() -> Run:
    a, b = np.random.default_rng(0).random((2, SGEMM, SGEMM), dtype=np.float32)
    return partial(np.matmul, a, b, out=np.empty_like(a))


@dataclass(frozen=True)
class Contender:
    """One way to evaluate a population; `build` prepares it in one or more variants."""

    name: str
    family: Literal["ours", "torch", "jax", "limit"]
    build: Callable[[Case, Array, Array], Variants]
    compiled: bool = False


LIMIT = Contender(f"sgemm {SGEMM}x{SGEMM}", "limit", lambda *_: {"": sgemm()})
TORCH_LOOPS = (
    Contender("torch loop", "torch", partial(torch_loop, False, False)),
    Contender("torch loop, channels_last", "torch", partial(torch_loop, True, False)),
    Contender("torch loop, compiled", "torch", partial(torch_loop, False, True), True),
    Contender(
        "torch loop, compiled, channels_last", "torch", partial(torch_loop, True, True), True
    ),
)
CONTENDERS = (
    *TORCH_LOOPS,
    Contender("torch grouped", "torch", partial(torch_grouped, False)),
    Contender("torch grouped, compiled", "torch", partial(torch_grouped, True), True),
    Contender("torch vmap", "torch", torch_vmap),
    Contender("jax jit(vmap)", "jax", jax_vmap, True),
    Contender("jax jit(lax.map)", "jax", jax_map, True),
    Contender("this project", "ours", ours_forward),
)


def labels(contender: Contender) -> Contender:
    """The contender with the labels of its first member for an output."""

    def build(case: Case, X: Array, vectors: Array) -> Variants:
        variants = contender.build(case, X, vectors)
        return {name: lambda run=run: run()[0].argmax(1) for name, run in variants.items()}

    return replace(contender, build=build)


PREDICTORS = (*map(labels, TORCH_LOOPS), Contender("this project", "ours", ours_predict))


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def best_of_turn(run: Callable[[], Any]) -> float:
    time.sleep(SETTLE_SECONDS)
    times = [seconds(run)]
    while sum(times) < TURN_SECONDS:
        times.append(seconds(run))
    return min(times)


def other_seconds() -> float:
    """CPU seconds that other processes have used so far, where Linux tells."""
    try:
        with open("/proc/stat") as file:
            ticks = sum(map(int, file.readline().split()[1:4]))
    except OSError:
        return 0.0
    return ticks / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def check(contender: str, outputs: Array, expected: Array) -> None:
    if outputs.shape != expected.shape:
        sys.exit(f"{contender}: shape {outputs.shape}, but {expected.shape} was expected")
    error = np.abs(outputs - expected).max()
    if not error <= TOLERANCE:  # NaN is a disagreement too
        sys.exit(
            f"{contender}: differs by {error:.2g} (limit {TOLERANCE}) from the first contender"
        )


def race(title: str, contenders: Sequence[Contender], case: Case, rounds: int) -> None:
    """Prepare and compare the contenders, let them take turns, print the table and the ratios."""
    X, vectors = case.draw()
    runs: dict[Contender, Callable[[], Any]] = {}
    remarks: dict[Contender, str] = {}
    expected = None
    for contender in contenders:
        print(f"  preparing {contender.name} ...", file=sys.stderr)
        try:
            variants = contender.build(case, X, vectors)
            outputs = {variant: np.asarray(run()) for variant, run in variants.items()}
        except Exception as error:  # a peer may fail to compile in any way
            if contender.family == "ours":
                raise
            remarks[contender] = f"not measured, {type(error).__name__}: {error}".splitlines()[0]
            continue
        for variant, output in outputs.items():
            expected = output if expected is None else expected
            check(f"{case.name}, {contender.name} [{variant}]", output, expected)
        remarks[contender], runs[contender] = min(
            variants.items(), key=lambda item: best_of_turn(item[1])
        )
    runs[LIMIT], remarks[LIMIT] = sgemm(), ""

    best = dict.fromkeys(runs, math.inf)
    others, start = other_seconds(), time.perf_counter()
    for _ in range(rounds):
        for contender, run in runs.items():
            best[contender] = min(best[contender], best_of_turn(run))
    stolen = (other_seconds() - others) / (time.perf_counter() - start)

    limit = 2 * SGEMM**3 / best[LIMIT]
    print(f"\n{title}, {case.flop() / 1e9:.2f} GFLOP")
    for contender in sorted(remarks, key=lambda contender: best.get(contender, math.inf)):
        if contender not in best:
            print(f"  {contender.name:36}{remarks[contender]}")
            continue
        rate = (limit * best[LIMIT] if contender is LIMIT else case.flop()) / best[contender]
        numbers = f"{best[contender]:9.4f} s {rate / 1e9:7.1f} GFLOP/s {rate / limit:6.1%}"
        print(f"  {contender.name:36}{numbers}  {remarks[contender]}")
    peers = sorted((c for c in best if c.family in ("torch", "jax")), key=best.__getitem__)
    ours = next((c for c in best if c.family == "ours"), None)
    for kind, group in (
        ("peer", peers),
        ("peer that needs no compiler", [peer for peer in peers if not peer.compiled]),
    ):
        if ours and group:
            ratio = best[group[0]] / best[ours]
            print(f"  {ratio:.2f} times as fast as the fastest {kind}, {group[0].name}")
    if stolen > BUSY_CORES:
        print(f"  doubtful: other processes kept {stolen:.1f} cores busy meanwhile")


def compare_with_pygad(case: Case, images: int = 3) -> None:
    """Per image and network: pygad.cnn on a few images, this project on the population."""
    import pygad.cnn

    conv, pool, dense = case.layers
    layer = pygad.cnn.Input2D(input_shape=case.input)
    layer = pygad.cnn.Conv2D(conv.filters, conv.size, layer, activation_function="relu")
    layer = pygad.cnn.AveragePooling2D(pool.size, layer, pool.stride)
    layer = pygad.cnn.Dense(dense.neurons, pygad.cnn.Flatten(layer), "softmax")
    model = pygad.cnn.Model(last_layer=layer)
    X, vectors = case.draw()
    theirs = seconds(partial(model.predict, X[:images])) / images
    forward = ours_forward(case, X, vectors)[""]
    mine = min(best_of_turn(forward) for _ in range(3)) / (case.members * case.images)
    print(f"\npygad.cnn, {case.name} network, one image through one network")
    print(
        f"  pygad.cnn {theirs:.3f} s, this project {mine * 1e6:.2f} us: {theirs / mine:.0f} times"
    )


def main() -> None:
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(names), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default="all", choices=("all", "torch", "jax", "none"))
    parser.add_argument("--quick", action="store_true", help="fewer members and images")
    arguments = parser.parse_args()
    wanted = arguments.cases.split(",")
    if not set(wanted) <= set(names):
        parser.error(f"--cases {arguments.cases}: the cases are {', '.join(names)}")

    scale = 5 if arguments.quick else 1
    cases = {
        c.name: replace(c, members=c.members // scale, images=c.images // scale) for c in CASES
    }
    families = ("torch", "jax") if arguments.peers == "all" else (arguments.peers,)

    def chosen(contenders: Sequence[Contender]) -> list[Contender]:
        return [c for c in contenders if c.family in ("ours", *families)]

    for name in wanted:
        case = cases[name]
        title = f"{name}: {case.members} members x {case.images} images of {case.input}"
        race(title, chosen(CONTENDERS), case, arguments.rounds)
    single = replace(cases["mnist"], members=1)
    title = f"predict: {single.images} images through one mnist network, labels"
    race(title, chosen(PREDICTORS), single, arguments.rounds)
    compare_with_pygad(cases["fruits"])


if __name__ == "__main__":
    main()
