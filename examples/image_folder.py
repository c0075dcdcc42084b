"""Evolve a classifier of your own pictures: `python examples/image_folder.py FOLDER`.

FOLDER has one sub-folder for each class, with JPEG or PNG files. Without it, a folder of made-up
pictures of shapes is written to --out and used. A fifth of the pictures is kept to test.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import cnn
import gacnn
from gacnn import augment, plots


def make_pictures(folder: Path) -> None:
    """Write 120 pictures of each shape, in any colour, size and place."""
    rng = np.random.default_rng(0)
    for name in ("circle", "square", "triangle"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(120):
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
            image.save(folder / name / f"{number:03}.png")


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
    parser.add_argument("--size", type=int, default=32, help="pixels of a side (32)")
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
    test, train = np.split(order, [max(1, len(X) // 5)])
    print(f"{len(X)} pictures of {', '.join(names)}")

    # Mirrored and moved, most pictures stay what they are; leave out what does not suit yours.
    result = gacnn.GACNN(network(arguments.size, len(names)), random_seed=0).train(
        X[train],
        y[train],
        augment=augment.Compose(augment.Flip(), augment.Shift(3)),
        time_limit=arguments.time_limit,
    )
    result.model.save(arguments.out / "model.npz")
    predicted = result.model.predict(X[test])
    right = np.mean(predicted == y[test])
    print(f"\nof {len(test)} pictures never seen before, {right:.1%} are right.")

    if right < 1:
        ax = plots.wrong_predictions(X[test], y[test], predicted, names)
        ax.figure.savefig(arguments.out / "wrong.png", dpi=120)
        print(f"The picture is {arguments.out / 'wrong.png'}.")


if __name__ == "__main__":
    main()
