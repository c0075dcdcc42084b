"""Times the forward pass of a population of networks: this project, PyTorch, JAX and pygad.cnn.

Everything runs in float32 on all cores. The contenders of a case take turns in every round, so that
a noisy moment of the machine hits all of them alike, and the best time of each one counts. A peer
gets images and weights as its own arrays, in its own layout, before the clock starts; where it has
a choice (layout, images at a time) the quickest of its variants is raced, and the table names it.
This project gets NumPy arrays and returns NumPy arrays, all of it inside the clock; its rows are
the engine of NumPy and that of PyTorch on the CPU, as it is and compiled.

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
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    import cnn

Array = NDArray[np.float32]
Run = Callable[[], Any]
Variants = dict[str, Run]

TOLERANCE = 1e-4
SGEMM_SIZE = 3000
SGEMM = f"sgemm {SGEMM_SIZE}x{SGEMM_SIZE}"
OURS = "this project"
OURS_IN_TORCH = "this project, torch"
OURS_COMPILED = "this project, torch compiled"
GROUPED_COMPILED = "torch grouped, compiled"
TURN_SECONDS = 0.2
# Idle BLAS and OpenMP threads spin for a while after a call and would slow the next contender.
SETTLE_SECONDS = 0.05
# What is so many times slower than the fastest gets no turns after its first.
HOPELESS = 20
# Threads that spin for one that cannot run lose many times what the intruder takes.
BUSY_CORES = 0.05


class Conv(NamedTuple):
    filters: int
    size: int


class Pool(NamedTuple):
    kind: Literal["max", "average"]
    size: int
    stride: int


class Dense(NamedTuple):
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

        A convolution has (filters, height, width, channels); a dense layer has (height, width,
        channels, neurons), the shape that it sees before the image is flattened.
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
        weighted = (layer for layer in self.layers if not isinstance(layer, Pool))
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
CIFAR = Conv(16, 3), HALVE, Conv(32, 3), HALVE, Dense(64), Dense(10)
DEEP = Conv(8, 3), HALVE, Conv(16, 3), Conv(16, 3), HALVE, Dense(32), Dense(10)
CASES = (
    Case("digits", 64, 1500, (8, 8, 1), (Conv(8, 3), Pool("average", 2, 2), Dense(10))),
    Case("mnist", 64, 1000, (28, 28, 1), (Conv(8, 5), HALVE, Conv(16, 3), HALVE, Dense(10))),
    Case("fruits", 50, 80, (100, 100, 3), (Conv(2, 3), Pool("average", 5, 3), Dense(4))),
    Case("cifar", 32, 250, (32, 32, 3), CIFAR),
    Case("deep", 32, 250, (32, 32, 3), DEEP),
    Case("wide", 32, 250, (16, 16, 8), (Conv(48, 3), HALVE, Dense(10))),
)


# This project


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


def ours_in_torch(
    case: Case, X: Array, vectors: Array, *, compiled: bool = False, predict: bool = False
) -> Variants:
    import cnn

    engine = cnn.TorchEngine("cpu", compiled=compiled)
    model = cnn_model(case)
    model.weights = vectors[0]
    if predict:
        return {"": partial(model.predict, X, engine=engine)}
    return {"": partial(model.forward, X, vectors, engine=engine)}


# Peers


class Operations(NamedTuple):
    """What a framework gives; every network of a peer is made of these."""

    convolve: Callable[..., Any]  # (images, weights, bias)
    max_pool: Callable[..., Any]  # (images, size, stride)
    average_pool: Callable[..., Any]  # (images, size, stride)
    flatten: Callable[..., Any]
    dense: Callable[..., Any]  # (bias, features, weights), the order of torch.addmm
    relu: Callable[..., Any]
    softmax: Callable[..., Any]


def network(case: Case, do: Operations) -> Callable[..., Any]:
    """forward(images, weights and biases in turn)."""

    def forward(x: Any, *parameters: Any) -> Any:
        following = iter(parameters)
        for layer in case.layers:
            if isinstance(layer, Pool):
                pool = do.max_pool if layer.kind == "max" else do.average_pool
                x = pool(x, layer.size, layer.stride)
                continue
            weights, bias = next(following), next(following)
            if isinstance(layer, Conv):
                x = do.relu(do.convolve(x, weights, bias))
            else:
                x = do.dense(bias, do.flatten(x) if x.ndim == 4 else x, weights)
                x = x if layer is case.layers[-1] else do.relu(x)
        return do.softmax(x)

    return forward


def load_torch() -> Any:
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    # Each case and each number of images is one more specialisation of the same function.
    torch._dynamo.config.recompile_limit = 1000
    torch._dynamo.config.accumulated_recompile_limit = 1000
    return torch


def torch_network(
    case: Case, flatten: Callable[[Tensor], Tensor], dense: Callable[..., Tensor], compiled: bool
) -> Callable[..., Any]:
    """The network for one member, or in groups for all members side by side in the channels."""
    torch = load_torch()
    F = torch.nn.functional

    def convolve(x: Tensor, weights: Tensor, bias: Tensor) -> Any:
        return F.conv2d(x, weights, bias, groups=x.shape[1] // weights.shape[1])

    softmax = partial(F.softmax, dim=-1)
    do = Operations(convolve, F.max_pool2d, F.avg_pool2d, flatten, dense, F.relu_, softmax)
    forward: Callable[..., Any] = network(case, do)
    if compiled:
        forward = torch.compile(forward, dynamic=False, fullgraph=True)
    return forward


def torch_variants(
    run: Callable[..., Tensor], X: Array, layout: Any, counts: Sequence[int]
) -> Variants:
    """The run over all images at once and in pieces, whose feature maps stay in the cache."""
    torch = load_torch()
    images = torch.tensor(X).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    run = torch.inference_mode()(run)
    return {f"{count} pieces": partial(run, images.chunk(count)) for count in counts}


def torch_loop(
    case: Case, X: Array, vectors: Array, *, channels_last: bool = False, compiled: bool = False
) -> Variants:
    torch = load_torch()
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def flatten(x: Tensor) -> Tensor:
        return (x.permute(0, 2, 3, 1) if channels_last else x).flatten(1)

    def tensor(part: Array) -> Any:
        copy = torch.tensor(part)
        return copy.contiguous(memory_format=layout) if part.ndim == 4 else copy

    forward = torch_network(case, flatten, torch.addmm, compiled)
    parameters = case.parameters(vectors, channels_first=not channels_last)
    members = [[tensor(part) for part in parts] for parts in zip(*parameters, strict=True)]

    def run(pieces: Sequence[Tensor]) -> Any:
        return torch.stack([torch.cat([forward(x, *one) for x in pieces]) for one in members])

    return torch_variants(run, X, layout, (1, 4))


def torch_vmap(case: Case, X: Array, vectors: Array) -> Variants:
    torch = load_torch()
    stacked = [torch.tensor(part) for part in case.parameters(vectors, channels_first=True)]
    flatten = partial(torch.flatten, start_dim=1)
    forward = torch_network(case, flatten, torch.addmm, compiled=False)
    members = torch.func.vmap(forward, (None, *(0 for _ in stacked)))

    def run(pieces: Sequence[Tensor]) -> Any:
        return torch.cat([members(x, *stacked) for x in pieces], dim=1)

    return torch_variants(run, X, torch.contiguous_format, (20,))


def torch_grouped(case: Case, X: Array, vectors: Array, *, compiled: bool = False) -> Variants:
    """One convolution for all members; the first one needs no groups, the images are shared."""
    torch = load_torch()

    def flatten(x: Tensor) -> Tensor:
        return x.reshape(len(x), case.members, -1).transpose(0, 1)

    forward = torch_network(case, flatten, torch.baddbmm, compiled)
    stacked = [torch.tensor(part) for part in case.parameters(vectors, channels_first=True)]
    grouped: list[Tensor] = []
    for weights, bias in zip(stacked[::2], stacked[1::2], strict=True):
        convolution = weights.ndim == 5
        grouped.append(weights.flatten(0, 1) if convolution else weights)
        grouped.append(bias.flatten() if convolution else bias[:, None])

    def run(pieces: Sequence[Tensor]) -> Any:
        return torch.cat([forward(x, *grouped) for x in pieces], dim=1)

    return torch_variants(run, X, torch.contiguous_format, (20, 100))


def jax_operations(channels_first: bool) -> Operations:
    import jax
    from jax import lax

    images, kernels = ("NCHW", "OIHW") if channels_first else ("NHWC", "HWIO")

    def over_pixels(size: int) -> tuple[int, ...]:
        return (1, 1, size, size) if channels_first else (1, size, size, 1)

    def convolve(x: Any, weights: Any, bias: Any) -> Any:
        x = lax.conv_general_dilated(
            x, weights, (1, 1), "VALID", dimension_numbers=(images, kernels, images)
        )
        return x + (bias[:, None, None] if channels_first else bias)

    def max_pool(x: Any, size: int, stride: int) -> Any:
        window = over_pixels(size), over_pixels(stride)
        return lax.reduce_window(x, -np.inf, lax.max, *window, "VALID")

    def average_pool(x: Any, size: int, stride: int) -> Any:
        window = over_pixels(size), over_pixels(stride)
        return lax.reduce_window(x, 0.0, lax.add, *window, "VALID") / size**2

    def flatten(x: Any) -> Any:
        return x.reshape(len(x), -1)

    def dense(bias: Any, x: Any, weights: Any) -> Any:
        return x @ weights + bias

    return Operations(convolve, max_pool, average_pool, flatten, dense, jax.nn.relu, jax.nn.softmax)


def jax_population(case: Case, X: Array, vectors: Array, *, mapped: bool) -> Variants:
    """jit of vmap or lax.map over members, in both layouts, over all images and in pieces."""
    import jax

    def variant(channels_first: bool, size: int) -> Run:
        forward = network(case, jax_operations(channels_first))
        images = jax.numpy.array(X.transpose(0, 3, 1, 2) if channels_first else X)
        pieces = images.reshape(-1, size, *images.shape[1:])
        parameters = [
            jax.numpy.array(
                part.transpose(0, 3, 4, 2, 1) if part.ndim == 5 and not channels_first else part
            )
            for part in case.parameters(vectors, channels_first)
        ]

        def members(x: Any, parameters: Any) -> Any:
            if mapped:
                return jax.lax.map(lambda member: forward(x, *member), parameters)
            return jax.vmap(lambda member: forward(x, *member))(parameters)

        @jax.jit
        def population(pieces: Any, parameters: Any) -> Any:
            outputs = jax.lax.map(lambda x: members(x, parameters), pieces)
            return outputs.swapaxes(0, 1).reshape(case.members, case.images, -1)

        return lambda: population(pieces, parameters).block_until_ready()

    sizes = {case.images // math.gcd(case.images, count) for count in (1, 20)}
    return {
        f"{layout}, {size} images": variant(layout == "NCHW", size)
        for layout in ("NCHW", "NHWC")
        for size in sorted(sizes)
    }


# The race


class Contender(NamedTuple):
    name: str
    family: Literal["ours", "torch", "jax"]
    build: Callable[[Case, Array, Array], Variants]
    compiled: bool = False


TORCH_LOOPS = tuple(
    Contender(
        "torch loop" + ", compiled" * compiled + ", channels_last" * channels_last,
        "torch",
        partial(torch_loop, channels_last=channels_last, compiled=compiled),
        compiled,
    )
    for compiled in (False, True)
    for channels_last in (False, True)
)
CONTENDERS = (
    *TORCH_LOOPS,
    Contender("torch grouped", "torch", torch_grouped),
    Contender(GROUPED_COMPILED, "torch", partial(torch_grouped, compiled=True), True),
    Contender("torch vmap", "torch", torch_vmap),
    Contender("jax jit(vmap)", "jax", partial(jax_population, mapped=False), True),
    Contender("jax jit(lax.map)", "jax", partial(jax_population, mapped=True), True),
    Contender(OURS, "ours", ours_forward),
    Contender(OURS_IN_TORCH, "torch", ours_in_torch),
    Contender(OURS_COMPILED, "torch", partial(ours_in_torch, compiled=True)),
)


def labels(contender: Contender) -> Contender:
    """The same contender, whose output is the labels that its first member gives."""

    def build(case: Case, X: Array, vectors: Array) -> Variants:
        def label(run: Run) -> Any:
            return run()[0].argmax(1)

        variants = contender.build(case, X, vectors)
        return {name: partial(label, run) for name, run in variants.items()}

    return contender._replace(build=build)


PREDICTORS = (
    *map(labels, TORCH_LOOPS),
    Contender(OURS, "ours", ours_predict),
    Contender(OURS_IN_TORCH, "torch", partial(ours_in_torch, predict=True)),
    Contender(OURS_COMPILED, "torch", partial(ours_in_torch, compiled=True, predict=True)),
)


def best_of_turn(run: Run) -> float:
    time.sleep(SETTLE_SECONDS)
    times: list[float] = []
    while sum(times) < TURN_SECONDS:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def other_cpu_seconds() -> float:
    """CPU time that other processes have used so far, where Linux tells."""
    try:
        with open("/proc/stat") as file:
            ticks = sum(map(int, file.readline().split()[1:4]))
    except OSError:
        return 0.0
    return ticks / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def prepare(
    contenders: Sequence[Contender], case: Case, whole: bool
) -> tuple[dict[str, tuple[str, Run]], dict[str, str]]:
    """Name -> its quickest variant, warm and compared; and name -> why a peer has none."""
    X, vectors = case.draw()
    ready: dict[str, tuple[str, Run]] = {}
    failed: dict[str, str] = {}
    expected = None
    for name, family, build, _ in contenders:
        try:
            variants = build(case, X, vectors)
            if whole:
                ends = "1 pieces", f" {case.images} images"
                at_once = {name: run for name, run in variants.items() if name.endswith(ends)}
                variants = at_once or variants
            outputs = {variant: np.asarray(run()) for variant, run in variants.items()}
        except Exception as error:  # a peer may fail to import or to compile in any way
            if family == "ours":
                raise
            failed[name] = f"not measured, {type(error).__name__}: {error}".splitlines()[0]
            continue
        for variant, output in outputs.items():
            expected = output if expected is None else expected
            same_shape = output.shape == expected.shape
            distance = np.abs(output - expected).max() if same_shape else math.inf
            if not distance < TOLERANCE:  # NaN disagrees too
                reference = next(iter(ready), name)
                sys.exit(
                    f"{case.name}: {name} {variant} differs from {reference} by {distance:.2g}, "
                    f"more than {TOLERANCE}"
                )
        ready[name] = min(variants.items(), key=lambda item: best_of_turn(item[1]))
    return ready, failed


def race(title: str, contenders: Sequence[Contender], case: Case, rounds: int, whole: bool) -> None:
    """Let the contenders take turns, and print their times and the ratios."""
    print(f"\n{title}, {case.flop() / 1e9:.2f} GFLOP", flush=True)
    ready, failed = prepare(contenders, case, whole)
    a, b = np.random.default_rng(0).random((2, SGEMM_SIZE, SGEMM_SIZE), dtype=np.float32)
    ready[SGEMM] = "the limit", partial(np.matmul, a, b, out=np.empty_like(a))

    best = dict.fromkeys(ready, math.inf)
    others, start = other_cpu_seconds(), time.perf_counter()
    for _ in range(rounds):
        for name, (_, run) in ready.items():
            if best[name] == math.inf or best[name] < HOPELESS * min(best.values()):
                best[name] = min(best[name], best_of_turn(run))
    busy = (other_cpu_seconds() - others) / (time.perf_counter() - start)

    limit = 2 * SGEMM_SIZE**3 / best[SGEMM]
    for name in sorted(best, key=best.__getitem__):
        rate = limit if name == SGEMM else case.flop() / best[name]
        print(
            f"  {name:36}{best[name]:9.4f} s {rate / 1e9:7.1f} GFLOP/s {rate / limit:6.1%}"
            f"  {ready[name][0]}"
        )
    for name, reason in failed.items():
        print(f"  {name:36}{reason}")
    peers = [c for c in contenders if not c.name.startswith(OURS) and c.name in best]
    for kind, group in (
        ("peer", peers),
        ("peer without a compiler", [peer for peer in peers if not peer.compiled]),
    ):
        if group:
            fastest = min(group, key=lambda peer: best[peer.name]).name
            ours = {"numpy": OURS, "torch": OURS_IN_TORCH, "compiled": OURS_COMPILED}
            ratios = ", ".join(
                f"{engine} {best[fastest] / best[name]:.2f}"
                for engine, name in ours.items()
                if name in best
            )
            print(f"  ratio to the fastest {kind} ({fastest}): {ratios}")
    if not peers:
        print("  outputs not compared: no peer ran")
    if busy > BUSY_CORES:
        print(f"  doubtful: other processes kept {busy:.2f} cores busy meanwhile")


def compare_with_pygad(case: Case, conv: Conv, pool: Pool, dense: Dense, images: int = 3) -> None:
    """Time one image through one network: pygad.cnn on a few, this project on the population."""
    import pygad.cnn

    layer = pygad.cnn.Input2D(case.input)
    layer = pygad.cnn.Conv2D(conv.filters, conv.size, layer, "relu")
    layer = pygad.cnn.AveragePooling2D(pool.size, layer, pool.stride)
    layer = pygad.cnn.Dense(dense.neurons, pygad.cnn.Flatten(layer), "softmax")
    model = pygad.cnn.Model(layer)
    X, vectors = case.draw()
    theirs = best_of_turn(partial(model.predict, X[:images])) / images
    (forward,) = ours_forward(case, X, vectors).values()
    forward()
    mine = min(best_of_turn(forward) for _ in range(3)) / (case.members * case.images)
    print(f"\n{case.name}: one image through one network")
    print(f"  pygad.cnn {theirs:.3f} s, this project {mine:.3g} s, ratio {theirs / mine:.0f}")


def main() -> None:
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(names), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default="all", choices=("all", "torch", "jax", "none"))
    parser.add_argument(
        "--whole",
        action="store_true",
        help="give the peers all images at once, as they are mostly called, and leave out the "
        "compiled grouped convolution; without it they also get pieces that fit their cache",
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the members and images")
    arguments = parser.parse_args()
    wanted = arguments.cases.split(",")
    if not set(wanted) <= set(names):
        parser.error(f"--cases {arguments.cases}: the cases are {', '.join(names)}")
    if arguments.rounds < 1:
        parser.error(f"--rounds {arguments.rounds}: at least 1 is needed")

    scale = 5 if arguments.quick else 1
    cases = {
        c.name: replace(c, members=c.members // scale, images=c.images // scale) for c in CASES
    }
    families = ("torch", "jax") if arguments.peers == "all" else (arguments.peers,)

    def race_of(contenders: Sequence[Contender], title: str, case: Case) -> None:
        chosen = [c for c in contenders if c.family in ("ours", *families)]
        if arguments.whole:
            chosen = [c for c in chosen if c.name != GROUPED_COMPILED]
        race(title, chosen, case, arguments.rounds, arguments.whole)

    for case in map(cases.__getitem__, wanted):
        title = f"{case.name}: {case.members} members x {case.images} images of {case.input}"
        race_of(CONTENDERS, title, case)
    single = replace(cases["mnist"], members=1)
    race_of(PREDICTORS, f"predict: labels of {single.images} images, one mnist network", single)
    compare_with_pygad(cases["fruits"], Conv(2, 3), Pool("average", 5, 3), Dense(4))


if __name__ == "__main__":
    main()
