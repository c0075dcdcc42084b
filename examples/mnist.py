"""Evolve a CNN on MNIST: `python examples/mnist.py PATH`.

PATH is Keras' mnist.npz, or a folder with the four IDX files (train-images-idx3-ubyte and so on,
also as .gz). Writes the fitness curve and the network to --out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import cnn
import gacnn
from gacnn import plots

CURE = (
    "MNIST is at https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz, or as "
    "four IDX files at https://storage.googleapis.com/cvdf-datasets/mnist/"
)


def load(path: Path) -> tuple[cnn.datasets.Dataset, cnn.datasets.Dataset]:
    """Return the images to train on and to test."""
    read = cnn.datasets.load_idx if path.is_dir() else cnn.datasets.load_npz
    try:
        train, test = read(path)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{error}. {CURE}") from error
    if test is None:
        raise SystemExit(f"{path} has no test images. {CURE}")
    return train, test


def network() -> cnn.Model:
    """A network of 4,074 weights."""
    return cnn.Model(
        [
            cnn.Input2D((28, 28, 1)),
            cnn.Conv2D(8, 5, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Conv2D(16, 5, activation_function="relu"),
            cnn.MaxPooling2D(4, stride=4),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--time-limit", type=float, default=100, help="seconds (100)")
    parser.add_argument("--out", type=Path, default=Path("runs/mnist"), help="results")
    arguments = parser.parse_args()

    train, test = load(arguments.path)
    result = gacnn.GACNN(network(), random_seed=0).train(
        train.X, train.y, time_limit=arguments.time_limit
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    result.model.save(arguments.out / "model.npz")
    plots.fitness(result.history).figure.savefig(arguments.out / "fitness.png", dpi=120)
    accuracy = np.mean(result.model.predict(test.X) == test.y)
    print(
        f"\n{result.image_evaluations / 1e6:.1f} million image evaluations; on {len(test.X)} test "
        f"images, {accuracy:.2%} are right. Results are in {arguments.out}."
    )
    print(f"The picture is {arguments.out / 'fitness.png'}.")


if __name__ == "__main__":
    main()
