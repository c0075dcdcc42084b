"""Time of images of each network's own, beside a loop over the networks, and beside shared images.

    python benchmarks/own_images.py [--repeats N] [--engine NAME]

Sizes as games have them, and one of MNIST; medians in milliseconds, all three in turn.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np

import cnn
from cnn.types import Array


def convolution(filters: int, size: int, stride: int = 1) -> cnn.Conv2D:
    """Return a convolution with relu."""
    return cnn.Conv2D(filters, size, activation_function="relu", stride=stride)


CASES = {
    "10 x 10, one convolution, 64 x 1": (
        [cnn.Input2D((10, 10)), convolution(8, 3), cnn.MaxPooling2D(2), cnn.Flatten()],
        *(64, 1),
    ),
    "the same, 64 x 16": (
        [cnn.Input2D((10, 10)), convolution(8, 3), cnn.MaxPooling2D(2), cnn.Flatten()],
        *(64, 16),
    ),
    "84 x 84 x 4, Atari's network, 32 x 4": (
        [cnn.Input2D((84, 84, 4)), convolution(16, 8, 4), convolution(32, 4, 2), cnn.Flatten()],
        *(32, 4),
    ),
    "28 x 28, two convolutions, 64 x 100": (
        [
            cnn.Input2D((28, 28)),
            *(convolution(8, 5), cnn.MaxPooling2D(2)),
            *(convolution(16, 5), cnn.MaxPooling2D(2)),
            cnn.Flatten(),
        ],
        *(64, 100),
    ),
    "4 numbers, dense, 64 x 16": (
        [cnn.Input1D(4), cnn.Dense(16, activation_function="tanh")],
        *(64, 16),
    ),
}


def medians(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Return milliseconds of each call, the median of turns in which all are made."""
    times = np.empty((repeats + 1, len(calls)))
    for row in times:
        for position, call in enumerate(calls):
            start = time.perf_counter()
            call()
            row[position] = 1000 * (time.perf_counter() - start)
    return [float(value) for value in np.median(times[1:], axis=0)]  # the first turn warms up


def loop(forward: Callable[..., Array], each: list[tuple[Array, Array]]) -> None:
    """Run the images of each network through it, one network after the other."""
    for images, vector in each:
        forward(images, vector)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--engine", default="numpy")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| networks x images | own images | a loop | shared images |\n|---|---|---|---|")
    for name, (layers, members, number) in CASES.items():
        model = cnn.Model([*layers, cnn.Dense(4, activation_function=None)], random_seed=0)
        vectors = np.stack([model.draw_weights(rng) for _ in range(members)])
        X = rng.random((members, number, *model.input_shape), np.float32)

        each = list(zip(X, vectors[:, None], strict=True))
        forward = partial(model.forward, engine=options.engine)
        calls = [
            partial(forward, X, vectors),
            partial(loop, forward, each),
            partial(forward, X[0], vectors),
        ]
        row = [f"{milliseconds:.2f}" for milliseconds in medians(calls, options.repeats)]
        print(f"| {name} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
