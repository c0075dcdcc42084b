"""Evolve a CNN on MNIST: `python examples/mnist.py PATH`.

PATH is Keras' mnist.npz, or a folder with the four IDX files (train-images-idx3-ubyte and so on,
also as .gz). Writes the fitness curve and the network to --out.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cnn
import gacnn
from gacnn import plots

Data = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]

PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
CURE = (
    "MNIST is at https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz, or as "
    "four IDX files at https://yann.lecun.com/exdb/mnist"
)


def load(path: Path) -> Data:
    """Return images (N, 28, 28, 1) in [0, 1] and labels, to train on and to test."""
    if path.is_dir():
        X, y, X_test, y_test = (read_idx(path, part) for part in PARTS)
    elif path.is_file():
        with np.load(path) as file:
            X, y, X_test, y_test = (file[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    else:
        raise SystemExit(f"there is no {path}. {CURE}")
    return X[..., None] / np.float32(255), y, X_test[..., None] / np.float32(255), y_test


def read_idx(folder: Path, part: str) -> NDArray[np.uint8]:
    """Return the array of an IDX file: 2 zeros, type, dimensions, their sizes, then the values."""
    for name in (f"{part}-ubyte", f"{part}-ubyte.gz", part.replace("-idx", ".idx") + "-ubyte"):
        if (folder / name).is_file():
            break
    else:
        raise SystemExit(f"there is no {part}-ubyte or {part}-ubyte.gz in {folder}. {CURE}")
    data = (folder / name).read_bytes()
    data = gzip.decompress(data) if name.endswith(".gz") else data
    dimensions = data[3]
    shape = np.frombuffer(data, ">i4", dimensions, offset=4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    if data[:3] != b"\0\0\x08" or values.size != shape.prod():
        raise SystemExit(f"{folder / name} is truncated, or no IDX file of bytes")
    return values.reshape(shape)


def network() -> cnn.Model:
    """A network of 5,394 weights."""
    return cnn.Model(
        [
            cnn.Input2D((28, 28, 1)),
            cnn.Conv2D(8, 5, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Conv2D(16, 3, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
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

    X, y, X_test, y_test = load(arguments.path)
    result = gacnn.GACNN(network(), random_seed=0).train(X, y, time_limit=arguments.time_limit)
    arguments.out.mkdir(parents=True, exist_ok=True)
    result.model.save(arguments.out / "model.npz")
    plots.fitness(result.history).figure.savefig(arguments.out / "fitness.png", dpi=120)
    accuracy = np.mean(result.model.predict(X_test) == y_test)
    print(
        f"\n{result.image_evaluations / 1e6:.1f} million image evaluations; on {len(X_test)} test "
        f"images, {accuracy:.2%} are right. Results are in {arguments.out}."
    )


if __name__ == "__main__":
    main()
