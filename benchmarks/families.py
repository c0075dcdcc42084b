"""Time of a population whose members share layers in families, beside one that differs throughout.

    python benchmarks/families.py [--images N] [--repeats N] [--members N]

Networks with the architecture of the longest MNIST run; medians in milliseconds, all populations in
turn. A row's numbers are the versions of each layer; the last two rows have those that nested=True
chooses, and those of that run.
"""

import argparse
import time

import numpy as np
from learning_tasks import wide_mnist_network

from gacnn.operators.nesting import layer_slices, nested_counts


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--members", type=int, default=128)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    model, members = wide_mnist_network(0), options.members
    X = rng.random((options.images, *model.input_shape), np.float32)
    layers = layer_slices(model)
    rows = [(members,) * len(layers)]
    rows += [(1,) * first + (members,) * (len(layers) - first) for first in range(1, len(layers))]
    rows += [nested_counts(model, members), (members // 8, members // 8, members // 2, members)]
    populations = []
    for counts in rows:
        population = np.repeat(model.weights[None], members, axis=0)
        for genes, count in zip(layers, counts, strict=True):
            noise = 0.05 * rng.standard_normal((count, genes.stop - genes.start), np.float32)
            population[:, genes] += noise.repeat(members // count, axis=0)
        populations.append(population)
    times = np.empty((options.repeats, len(populations)))
    for row in times:
        for position, population in enumerate(populations):
            start = time.perf_counter()
            model.log_proba(X, population)
            row[position] = 1000 * (time.perf_counter() - start)
    medians = np.median(times, axis=0)
    print("| versions of each layer | ms | ratio |\n|---|---|---|")
    for counts, milliseconds in zip(rows, medians, strict=True):
        print(f"| {counts} | {milliseconds:.1f} | {medians[0] / milliseconds:.1f} |")


if __name__ == "__main__":
    main()
