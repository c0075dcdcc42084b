"""Evolve a CNN on CIFAR-10: `python examples/cifar10.py PATH`.

PATH is an .npz file with x_train, y_train, x_test and y_test, as Keras has it, or a folder with
the folders train and test, of a folder of pictures a class. All layers are evolved, with nested
noise: families of networks share their early layers. Writes the fitness curve, the filters and the
network to --out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import cnn
import gacnn
from gacnn import plots

CURE = "CIFAR-10 is at https://www.cs.toronto.edu/~kriz/cifar.html; keras.datasets has it as arrays"
SOLUTIONS = 128


def load(path: Path) -> tuple[cnn.datasets.Dataset, cnn.datasets.Dataset]:
    """Return the images to train on and to test."""
    try:
        splits = cnn.datasets.load_splits(path)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{error}. {CURE}") from error
    if splits.test is None:
        raise SystemExit(f"{path} has no test images. {CURE}")
    return splits.train, splits.test


def network(input_shape: tuple[int, ...], num_classes: int) -> cnn.Model:
    """A network of few weights: 7,146 for images of 32 x 32."""
    return cnn.Model(
        [
            cnn.Input2D(input_shape),
            cnn.Conv2D(16, 5, activation_function="relu"),
            cnn.MaxPooling2D(4, stride=4),
            cnn.Conv2D(32, 3, padding="same", activation_function="relu"),
            cnn.MaxPooling2D(3, stride=3),
            cnn.Flatten(),
            cnn.Dense(num_classes, activation_function="softmax"),
        ],
        random_seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--time-limit", type=float, default=120, help="seconds (120)")
    parser.add_argument("--out", type=Path, default=Path("runs/cifar10"), help="results")
    arguments = parser.parse_args()

    train, test = load(arguments.path)
    mean, deviation = train.X.mean((0, 1, 2)), train.X.std((0, 1, 2))
    result = gacnn.GACNN(
        network(train.X.shape[1:], len(train.class_names)),
        SOLUTIONS,
        random_seed=0,
    ).train(
        (train.X - mean) / deviation,
        train.y,
        batch_size=64,
        augment=gacnn.augment.Flip(),
        num_parents_mating=SOLUTIONS,
        crossover_type=gacnn.WeightedRecombination("fitness", 2.0, 0.2, 3e-4, 5e-5),
        mutation_type=gacnn.GaussianMutation(
            0.03, 0.012, scale="fan_in", mirrored=True, nested=(16, 64, 128)
        ),
        time_limit=arguments.time_limit,
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    result.model.save(arguments.out / "model.npz")
    plots.fitness(result.history).figure.savefig(arguments.out / "fitness.png", dpi=120)
    plots.filters(result.model).figure.savefig(arguments.out / "filters.png", dpi=120)
    accuracy = np.mean(result.model.predict((test.X - mean) / deviation) == test.y)
    print(
        f"\n{result.image_evaluations / 1e6:.1f} million image evaluations; on {len(test.X)} test "
        f"images, {accuracy:.2%} are right. Results are in {arguments.out}."
    )
    print(f"The picture is {arguments.out / 'fitness.png'}.")


if __name__ == "__main__":
    main()
