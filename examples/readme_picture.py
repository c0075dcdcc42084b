"""Draw the picture of the README: `python examples/readme_picture.py`.

One run on scikit-learn's digits: its fitness, the filters that it evolved, and all the images that
the network has never seen and takes for another digit.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cnn
import gacnn
from gacnn import plots


def network() -> cnn.Model:
    """A network of 2,730 weights for images of 8 x 8."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.Conv2D(16, 3, padding="same", activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=1,
    )


def evolved(generations: int) -> tuple[gacnn.Result, Any, Any]:
    """Return a run, and images and labels that it has not seen."""
    digits = load_digits()
    images = digits.images[..., np.newaxis] / 16
    X, X_test, y, y_test = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    networks = gacnn.GACNN(network(), random_seed=1)
    shift = gacnn.augment.Shift(0.5)
    return networks.train(X, y, num_generations=generations, augment=shift), X_test, y_test


def drawn(result: gacnn.Result, X: Any, y: Any) -> Any:
    """Return the figure of a run, of its filters, and of the images that it gets wrong."""
    predicted = result.model.predict(X)
    figure, (left, middle, right) = pyplot.subplots(
        1, 3, figsize=(10, 3), width_ratios=(1.5, 1, 1), layout="constrained"
    )
    result.plot(left)
    left.set_title(f"{result.ga.generations_completed:,} generations")
    plots.filters(result.model, ax=middle)
    plots.wrong_predictions(X, y, predicted, ax=right)
    right.set_title(f"wrong: {np.sum(predicted != y)} of {len(y)} unseen")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generations", type=int, default=1500, help="(1500)")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of run.png")
    arguments = parser.parse_args()
    result, X, y = evolved(arguments.generations)
    print(f"{result.model.score(X, y):.1%} of {len(y)} unseen images are right")
    arguments.out.mkdir(parents=True, exist_ok=True)
    drawn(result, X, y).savefig(arguments.out / "run.png", dpi=100)
    print(f"The picture is {arguments.out / 'run.png'}.")


if __name__ == "__main__":
    main()
