"""Evolve a classifier of your own pictures: `python examples/image_folder.py FOLDER`.

FOLDER has one sub-folder for each class, with JPEG or PNG files. Without it, a folder of made-up
pictures of shapes is written to --out and used. A fifth of the pictures is kept to test.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib import pyplot
from PIL import Image, ImageDraw

import cnn
import gacnn


def make_pictures(folder: Path) -> None:
    """Write 60 pictures each of a circle, a square and a triangle in any colour, size and place."""
    rng = np.random.default_rng(0)
    for name in ("circle", "square", "triangle"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(60):
            ground, colour = rng.integers(0, 110, 3), rng.integers(150, 255, 3)
            image = Image.new("RGB", (64, 64), tuple(map(int, ground)))
            draw, radius = ImageDraw.Draw(image), int(rng.integers(14, 22))
            x, y = (int(value) for value in rng.integers(radius, 64 - radius, 2))
            box = (x - radius, y - radius, x + radius, y + radius)
            fill = tuple(map(int, colour))
            if name == "circle":
                draw.ellipse(box, fill=fill)
            elif name == "square":
                draw.rectangle(box, fill=fill)
            else:
                draw.polygon([(x, box[1]), (box[0], box[3]), (box[2], box[3])], fill=fill)
            image.save(folder / name / f"{number:02}.png")


def network(size: int, classes: int) -> cnn.Model:
    """Two small convolutions with max pooling."""
    return cnn.Model(
        [
            cnn.Input2D((size, size, 3)),
            cnn.Conv2D(8, 5, stride=2, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Conv2D(8, 3, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(classes, activation_function="softmax"),
        ],
        random_seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--size", type=int, default=48, help="pixels of a side (48)")
    parser.add_argument("--time-limit", type=float, default=40, help="seconds (40)")
    parser.add_argument("--out", type=Path, default=Path("runs/image_folder"), help="results")
    arguments = parser.parse_args()

    arguments.out.mkdir(parents=True, exist_ok=True)
    folder = arguments.folder
    if folder is None:
        folder = arguments.out / "shapes"
        make_pictures(folder)
    try:
        X, y, names = cnn.datasets.load_image_folder(folder, arguments.size, channels=3)
    except (OSError, ValueError) as error:
        raise SystemExit(error) from error
    order = np.random.default_rng(0).permutation(len(X))
    test, train = np.split(order, [len(X) // 5])
    print(f"{len(X)} pictures of {', '.join(names)}")

    result = gacnn.GACNN(network(arguments.size, len(names)), random_seed=0).train(
        X[train], y[train], time_limit=arguments.time_limit
    )
    result.model.save(arguments.out / "model.npz")
    predicted = result.model.predict(X[test])
    right = predicted == y[test]
    print(f"\nof {len(test)} pictures never seen before, {right.mean():.1%} are right.")

    figure, axes = pyplot.subplots(3, 6, figsize=(9, 5), layout="constrained")
    for ax, index, label, good in zip(axes.flat, test, predicted, right, strict=False):
        ax.imshow(X[index])
        ax.set_title(names[label], color="black" if good else "red", fontsize=9)
    for ax in axes.flat:
        ax.set_axis_off()
    figure.savefig(arguments.out / "predictions.png", dpi=120)


if __name__ == "__main__":
    main()
