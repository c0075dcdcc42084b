"""Time of a population whose members differ from one layer on, beside one that differs throughout.

    python benchmarks/shared_layers.py [--images N] [--repeats N]

64 networks with the architecture of the longest MNIST run; medians in milliseconds, all kinds of
population in turn. layerwise: the mean over the layers, as often as layerwise mutation draws them.
"""

import argparse
import time

import numpy as np
from learning_tasks import large_mnist_network

from gacnn.strategy import layer_chances, layer_slices

MEMBERS = 64


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    model = large_mnist_network(0)
    X = rng.random((options.images, *model.input_shape), np.float32)
    noise = 0.05 * rng.standard_normal((MEMBERS, model.num_weights), np.float32)
    populations = [model.weights + noise]
    for genes in layer_slices(model):
        population = np.repeat(model.weights[None], MEMBERS, axis=0)
        population[:, genes] += noise[:, genes]
        populations.append(population)
    times = np.empty((options.repeats, len(populations)))
    for row in times:
        for position, population in enumerate(populations):
            start = time.perf_counter()
            model.log_proba(X, population)
            row[position] = 1000 * (time.perf_counter() - start)
    everywhere, *layers = np.median(times, axis=0)
    print("| members differ in | ms | ratio |\n|---|---|---|")
    rows = [("all layers", everywhere)]
    rows += [(str(layer), ms) for layer, ms in zip(model.trainable_layers, layers, strict=True)]
    rows += [("layerwise", float(layer_chances(model) @ layers))]
    for name, ms in rows:
        print(f"| {name} | {ms:.1f} | {everywhere / ms:.1f} |")


if __name__ == "__main__":
    main()
