"""Times a population on a GPU: this project, PyTorch and JAX there, and NumPy on two cores.

The six cases of `population_forward.py` at their sizes, and with 1,024, 4,096 and 16,384 networks.
Every time is of one generation's forward: vectors go up from NumPy and outputs come down to NumPy,
the images are on the device already; the best of some calls, after one that warms up. A peer is
given its weights in its own layout, and images in pieces that fit the memory; of several variants
the quickest counts, and the table names it. NumPy is timed with at most --numpy networks, and its
time for more is their multiple (~). What does not fit the memory says so.

    python benchmarks/accelerator.py                       # minutes on one GPU, most for JAX
    python benchmarks/accelerator.py --cases mnist --members 1024
    python benchmarks/accelerator.py --precision tf32 --cases mnist,cifar
    python benchmarks/accelerator.py --smoke               # seconds, on a CPU: does it run?
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import population_forward as forward
from population_forward import CASES, Array, Case, cnn_model

import cnn
import gacnn
from gacnn.training.defaults import strategy_settings

MEMBERS = 1024, 4096, 16_384
SECONDS = 0.3  # that a variant is timed for, at least
PATIENCE = 20.0  # seconds that its first call may take
TOLERANCE = {"float32": 1e-4, "tf32": 2e-2, "bfloat16": 2e-1}


class Setup(NamedTuple):
    """What the whole run is done with."""

    device: str
    precision: str
    memory: int  # bytes that a piece of the images may take
    numpy_members: int
    peers: str


Run = Callable[[], Any]


def largest(case: Case) -> int:
    """Numbers of the largest maps of one network for one image."""
    height, width, channels = case.input
    sizes = [height * width * channels]
    for layer in case.layers:
        match layer:
            case forward.Conv(filters, size):
                height, width, channels = height - size + 1, width - size + 1, filters
                sizes.append(height * width * channels)
            case forward.Pool(_, size, stride):
                height, width = (height - size) // stride + 1, (width - size) // stride + 1
    return max(sizes)


def pieces(case: Case, setup: Setup) -> Iterator[int]:
    """Images at a time: as many as fit, and an eighth of that."""
    fit = max(1, min(case.images, setup.memory // (12 * largest(case) * case.members)))
    yield from dict.fromkeys((fit, max(1, fit // 8)))


# Contenders: for a case, variants by name, each from NumPy vectors to NumPy outputs


def ours(case: Case, X: Array, vectors: Array, setup: Setup) -> Iterator[tuple[str, Run]]:
    model = cnn_model(case)
    products = ["grouped", "batched"] if setup.device == "cpu" else ["fused", "batched"]
    for kind in products:
        engine = cnn.TorchEngine(setup.device, precision=setup.precision, products=kind)

        def run(engine: cnn.TorchEngine = engine) -> Array:
            return model.forward(X, vectors, engine=engine)

        yield kind, run


def torch_tensors(case: Case, vectors: Array) -> list[Array]:
    return case.parameters(vectors, channels_first=True)


def torch_peer(
    case: Case, X: Array, setup: Setup, parameters: list[Array], function: Any, axis: int
) -> Iterator[tuple[str, Run]]:
    """A function of images and parameters, over the images in pieces."""
    torch = forward.load_torch()
    kind = torch.bfloat16 if setup.precision == "bfloat16" else torch.float32
    images = torch.tensor(X, device=setup.device).permute(0, 3, 1, 2).to(kind)
    host = [torch.tensor(part) for part in parameters]
    for layout in (torch.contiguous_format, torch.channels_last):
        laid = images.contiguous(memory_format=layout)
        for size in pieces(case, setup):

            def run(laid: Any = laid, size: int = size) -> Any:
                with torch.inference_mode():
                    there = [part.to(setup.device, kind) for part in host]
                    outputs = [function(part, *there) for part in laid.split(size)]
                    return torch.cat(outputs, axis).float().cpu().numpy()

            name = "" if layout is torch.contiguous_format else ", channels_last"
            yield f"{size} images{name}", run


def torch_vmap(case: Case, X: Array, vectors: Array, setup: Setup) -> Iterator[tuple[str, Run]]:
    torch = forward.load_torch()
    parameters = torch_tensors(case, vectors)
    flatten = torch.nn.Flatten()
    network = forward.torch_network(case, flatten, torch.addmm, compiled=False)
    members = torch.func.vmap(network, (None, *(0 for _ in parameters)))
    yield from torch_peer(case, X, setup, parameters, members, 1)


def torch_grouped(case: Case, X: Array, vectors: Array, setup: Setup) -> Iterator[tuple[str, Run]]:
    torch = forward.load_torch()

    def flatten(x: Any) -> Any:
        return x.reshape(len(x), case.members, -1).transpose(0, 1)

    grouped = []
    for weights, bias in zip(*[iter(torch_tensors(case, vectors))] * 2, strict=True):
        convolution = weights.ndim == 5
        grouped.append(weights.reshape(-1, *weights.shape[2:]) if convolution else weights)
        grouped.append(bias.reshape(-1) if convolution else bias[:, None])
    network = forward.torch_network(case, flatten, torch.baddbmm, compiled=False)
    yield from torch_peer(case, X, setup, grouped, network, 1)


def jax_population(
    case: Case, X: Array, vectors: Array, setup: Setup, *, mapped: bool
) -> Iterator[tuple[str, Run]]:
    import jax

    if setup.device.startswith("cuda") and jax.default_backend() != "gpu":
        raise RuntimeError("jax sees no GPU: pip install 'jax[cuda12]'")
    names = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}
    jax.config.update("jax_default_matmul_precision", names[setup.precision])
    kind = jax.numpy.bfloat16 if setup.precision == "bfloat16" else jax.numpy.float32
    for channels_first in (False, True):
        network = forward.network(case, forward.jax_operations(channels_first))
        images = jax.numpy.array(X.transpose(0, 3, 1, 2) if channels_first else X, kind)
        host = [
            part.transpose(0, 3, 4, 2, 1) if part.ndim == 5 and not channels_first else part
            for part in case.parameters(vectors, channels_first)
        ]

        def members(x: Any, parameters: Any, network: Any = network) -> Any:
            if mapped:
                return jax.lax.map(lambda member: network(x, *member), parameters)
            return jax.vmap(lambda member: network(x, *member))(parameters)

        compiled, size = jax.jit(members), next(pieces(case, setup))

        def run(
            compiled: Any = compiled, images: Any = images, host: Any = host, size: int = size
        ) -> Array:
            there = [jax.numpy.array(part, kind) for part in host]
            parts = range(0, case.images, size)
            outputs = [compiled(images[first : first + size], there) for first in parts]
            return np.concatenate([np.asarray(part, np.float32) for part in outputs], axis=1)

        yield f"{size} images, {'NCHW' if channels_first else 'NHWC'}", run


def jax_vmap(*arguments: Any) -> Iterator[tuple[str, Run]]:
    return jax_population(*arguments, mapped=False)


def jax_map(*arguments: Any) -> Iterator[tuple[str, Run]]:
    return jax_population(*arguments, mapped=True)


CONTENDERS: dict[str, Callable[..., Iterator[tuple[str, Run]]]] = {
    "this project": ours,
    "jax jit(vmap)": jax_vmap,
    "jax lax.map": jax_map,
    "torch vmap": torch_vmap,
    "torch grouped": torch_grouped,
}


# The race


def timed(run: Run, seconds: float) -> float:
    """Best of some calls, the first of which has been made."""
    times: list[float] = []
    while sum(times) < seconds or len(times) < 2:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def best_variant(
    variants: Iterator[tuple[str, Run]], expected: Array, tolerance: float, seconds: float
) -> tuple[float, str]:
    """Seconds and name of the quickest variant; infinity and the reason where none runs."""
    best, name, reason = math.inf, "", "no variant"
    try:
        for variant, run in variants:
            try:
                start = time.perf_counter()
                outputs = run()[: len(expected)]
                first = time.perf_counter() - start
                distance = float(np.abs(outputs - expected).max())
                if not distance < tolerance:
                    sys.exit(f"{variant} differs from NumPy by {distance:.2g}")
                taken = first if first > PATIENCE else timed(run, seconds)
            except (RuntimeError, MemoryError, ValueError) as error:  # of memory, mostly
                reason = f"{type(error).__name__}: {error}".splitlines()[0][:60]
                continue
            if taken < best:
                best, name = taken, variant
    except (ImportError, RuntimeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:60]
    return best, name or reason


def race(case: Case, setup: Setup, seconds: float) -> None:
    X, vectors = case.draw()
    model = cnn_model(case)
    few = min(case.members, setup.numpy_members)
    expected = model.forward(X, vectors[:few])
    numpy_seconds = timed(lambda: model.forward(X, vectors[:few], threads=2), 0.0)
    numpy_seconds *= case.members / few
    print(f"\n{case.name}: {case.members:,} networks x {case.images:,} images of {case.input}")
    sign = "~" if few < case.members else " "
    print(f"  {'NumPy, two cores':16}{sign}{numpy_seconds:10.4f} s")
    times = {}
    engine = cnn.TorchEngine(setup.device)
    with engine.session():
        for name, build in CONTENDERS.items():
            if setup.peers == "none" and name != "this project":
                continue
            if setup.peers == "torch" and name.startswith("jax"):
                continue
            taken, variant = best_variant(
                build(case, X, vectors, setup), expected, TOLERANCE[setup.precision], seconds
            )
            times[name] = taken
            figures = f"{'not measured':>12}"
            if taken < math.inf:
                rate = case.flop() / taken / 1e9
                figures = (
                    f"{taken:10.4f} s {rate:9.0f} GFLOP/s {numpy_seconds / taken:7.1f} x NumPy"
                )
            print(f"  {name:16} {figures}  {variant}", flush=True)
    mine = times.pop("this project")
    peer = min(times, key=times.__getitem__, default="")
    if mine < math.inf and times.get(peer, math.inf) < math.inf:
        print(f"  ratio to the fastest peer: {times[peer] / mine:.2f} ({peer})")


# A whole generation


def generation(case: Case, setup: Setup, few: int, many: int) -> None:
    """Time the MNIST case's fitness, the GA's own step, and a generation with both.

    A generation takes the difference of two runs over that of their numbers of generations, so
    that what is done once does not count.
    """
    model, images = cnn_model(case), 10 * case.images
    rng = np.random.default_rng(0)
    X, y = rng.random((images, *case.input), np.float32), rng.integers(0, 10, images)
    engine = cnn.TorchEngine(setup.device, precision=setup.precision)
    fitness = gacnn.Fitness(model, X, y, batch_size=case.images, engine=engine, random_seed=0)
    vectors = rng.normal(0, 0.1, (case.members, model.num_weights)).astype(np.float32)

    def score() -> None:
        fitness.draw(rng)
        fitness(vectors)

    class Nothing(gacnn.Evaluator):
        reevaluates = True  # as with batches

        def __init__(self) -> None:
            self.model = model

        def __call__(self, vectors: Array) -> Array:
            return vectors[:, 0]

    def run(generations: int, evaluator: Any) -> float:
        strategy = strategy_settings(case.members, model, {}, one_objective=True)
        ga = gacnn.GA(
            num_generations=generations,
            fitness_func=evaluator,
            initial_population=vectors,
            random_seed=0,
            **strategy,
        )
        start = time.perf_counter()
        ga.run()
        return time.perf_counter() - start

    def each(evaluator: Any) -> float:
        run(few, evaluator)
        return (run(many, evaluator) - run(few, evaluator)) / (many - few)

    with fitness.session():
        score()
        alone = timed(score, 0.5 if many > 10 else 0.0)
    own, whole = each(Nothing()), each(fitness)
    print(
        f"\na generation of {case.members:,} networks x {case.images:,} images: fitness "
        f"{alone * 1e3:.2f} ms, the GA's own step {own * 1e3:.2f} ms, both {whole * 1e3:.2f} ms, "
        f"{whole / (alone + own):.2f} times their sum"
    )


def card(device: str) -> str:
    """Name of the device, and of what it is driven by."""
    import torch

    if device == "cpu":
        return f"{platform.processor() or platform.machine()} (CPU), torch {torch.__version__}"
    properties = torch.cuda.get_device_properties(device)
    return (
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, torch {torch.__version__}, "
        f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    )


def piece_memory(device: str) -> int:
    """A quarter of the device's free memory, or 256 MiB of this machine's."""
    import torch

    return 2**28 if device == "cpu" else int(torch.cuda.mem_get_info(device)[0] // 4)


def main() -> None:
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(names), help="default: %(default)s")
    parser.add_argument("--members", default=",".join(map(str, MEMBERS)))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="float32", choices=TOLERANCE)
    parser.add_argument("--numpy", type=int, default=64, help="networks to time NumPy with")
    parser.add_argument("--peers", choices=("all", "torch", "none"), default="all")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, on the CPU")
    arguments = parser.parse_args()
    chosen = arguments.cases.split(",")
    if not set(chosen) <= set(names):
        parser.error(f"--cases {arguments.cases}: the cases are {', '.join(names)}")
    device = "cpu" if arguments.smoke else arguments.device
    try:
        device = str(cnn.TorchEngine(device, precision=arguments.precision).device)
    except (ImportError, ValueError) as error:
        parser.error(str(error))
    torch = forward.load_torch()
    torch.backends.cudnn.benchmark = True  # of the peers
    torch.backends.cuda.matmul.fp32_precision = torch.backends.cudnn.conv.fp32_precision = (
        "tf32" if arguments.precision == "tf32" else "ieee"
    )
    setup = Setup(
        device, arguments.precision, piece_memory(device), arguments.numpy, arguments.peers
    )
    print(f"{card(device)}, {arguments.precision}")
    for case in CASES:
        if case.name not in chosen:
            continue
        sizes = [case.members, *map(int, filter(None, arguments.members.split(",")))]
        if arguments.smoke:
            case, sizes = replace(case, images=3), [2, 5]
        for members in sizes:
            seconds = 0.0 if arguments.smoke else SECONDS
            race(replace(case, members=members), setup, seconds)
    if "mnist" in chosen:
        case = next(case for case in CASES if case.name == "mnist")
        few, many = (1, 2) if arguments.smoke else (10, 60)
        case = replace(case, images=3) if arguments.smoke else case
        for members in (2,) if arguments.smoke else (case.members, 1024):
            generation(replace(case, members=members), setup, few, many)


if __name__ == "__main__":
    main()
