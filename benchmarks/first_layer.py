"""The networks of learning.py whose first layer comes from the data, without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from learning_tasks import Array, Data, stored, strategy

import cnn
import gacnn

LOOKED_AT = 10_000  # images that say what features are like
VALUES = [-1, 0, 1]
TERNARY: dict[str, Any] = {"gene_space": VALUES, "metric": gacnn.CrossEntropy(temperature=4)}
MEMORY_LIMIT = 2**31  # bytes; four times as many of features are kept


class FirstLayer(NamedTuple):
    """Fixed features, and the evolution strategy of the head on them. Pairs are first and last.

    size: pixels a side of a filter; filters: how many; cells: a side, in which responses are
    averaged; components: principal ones that are left, or None for all features, standardised;
    mirrored: whether every image is there a second time, mirrored; evaluations: image evaluations
    of the run, or None for 7,000 seconds; rates: None for no run, but ridge regression of the head
    with this alpha; solved: whether the head begins so and evolves from there; shifted: whether it
    is solved for the images and for the same shifted by a pixel to each of four sides; ternary:
    whether all weights are -1, 0 or 1, and features are not standardised.
    """

    file: str
    size: int
    filters: int
    cells: int
    components: int | None
    evaluations: float | None
    rates: tuple[float, float] | None
    sigma: float = 0.03
    decay: float = 5e-4
    num_solutions: int = 128
    batch_size: int = 64
    mirrored: bool = False
    solved: bool = False
    shifted: bool = False
    alpha: float = 0.01
    activation: str = "relu"
    ternary: bool = False
    whitening: float = 0.5
    input_span: bool = False

    def data(self, folder: Path) -> Data:
        """Return the images, mirrored ones behind the others."""
        data = stored(folder / self.file)
        if not self.mirrored:
            return data
        X = np.concatenate([data.X, data.X[:, :, ::-1]])
        return data._replace(X=X, y=np.concatenate([data.y, data.y]))

    def model(self, X: Array, seed: int, device: str | None) -> cnn.Model:
        """Return the network for images X, with a head of zeros."""
        filters = cnn.patch_filters(X, self.size, self.filters, random_seed=seed)
        if self.ternary:
            filters = ternary_filters(*filters)
        convolution = self.filters, self.size, None, self.activation
        stride = -(-(X.shape[1] - self.size + 1) // self.cells)
        layers = [
            cnn.Input2D(X.shape[1:]),
            cnn.Conv2D(*convolution, trainable=False, weights=filters),
            cnn.AveragePooling2D(stride, stride=stride, padding="same"),
            *([] if self.activation == "step" else [cnn.SquareRoot()]),  # steps are -1 and 1
            cnn.Flatten(),
        ]
        if not self.ternary:
            some = X[:: -(-len(X) // LOOKED_AT)]
            layers.append(self._reducing(cnn.Model(layers).forward(some, device=device)))
        inputs = cnn.Model(layers).output_shape[0]
        nothing = np.zeros((inputs, 10)), np.zeros(10)
        return cnn.Model([*layers, cnn.Dense(10, None, "softmax", weights=nothing)])

    def _reducing(self, features: Array) -> Any:
        if self.components is None:
            return cnn.Standardization.of(features)
        weights = cnn.principal_components(features, self.components, whitening=self.whitening)
        return cnn.Dense(self.components, None, None, trainable=False, weights=weights)

    @property
    def begins_solved(self) -> bool:
        """Whether the head is solved before a run, by settings that `train` does not have."""
        return self.rates is None or self.shifted or self.ternary

    @property
    def solved_by_run(self) -> bool:
        """Whether the run solves it, from the features that it keeps."""
        return self.solved and not self.begins_solved

    def solved_on(self, X: Array, y: Array) -> tuple[Array, Array]:
        """Return the images and labels that the head is solved for; what leaves comes round."""
        if not self.shifted:
            return X, y
        sides = (0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)
        return np.concatenate([np.roll(X, side, (1, 2)) for side in sides]), np.tile(y, len(sides))

    def options(self, budget: float) -> dict[str, Any]:
        """Return the arguments of `train` for a share of the cost; nothing is held out."""
        images = self.num_solutions * self.batch_size
        length: dict[str, Any] = {"time_limit": 7000 * budget}
        if self.evaluations is not None:
            length = {"num_generations": int(self.evaluations * budget / images)}
        assert self.rates is not None
        decays, scale = (self.decay, None), None if self.ternary else "fan_in"
        span = {"scale": scale, "input_span": self.input_span}
        return {
            "head": "evolved",
            "callbacks": [gacnn.RidgeHead(None, self.alpha)] if self.solved_by_run else [],
            **strategy(self.rates, (self.sigma, None), decays, self.num_solutions, **span),
            "num_solutions": self.num_solutions,
            "batch_size": self.batch_size,
            "memory_limit": MEMORY_LIMIT,
            **length,
            **(TERNARY if self.ternary else {}),
        }


def ternary_filters(weights: Array, bias: Array) -> tuple[Array, Array]:
    """Return filters (height, width, channels, number) and bias (number,) of -1, 0 and 1.

    Weights of less than 0.7 times a filter's mean magnitude become 0, and the others' mean is the
    unit of the bias (Li, Zhang & Liu 2016, Ternary weight networks).
    """
    axes = (0, 1, 2)
    large = np.abs(weights) > 0.7 * np.abs(weights).mean(axes)
    units = (np.abs(weights) * large).sum(axes) / np.maximum(large.sum(axes), 1)
    return np.sign(weights) * large, np.clip(np.rint(bias / np.maximum(units, 1e-6)), -1, 1)


FIRST_LAYERS = {
    "cifar10-first-47M": FirstLayer(
        *("cifar10.npz", 6, 1600, 3, 2048, 47e6, (0.8, 0.02), 0.1, 1e-4, 64, 8),
        mirrored=True,
        whitening=0.75,
        input_span=True,
    ),
    "cifar10-ridge": FirstLayer("cifar10.npz", 6, 1600, 3, None, None, None, mirrored=True),
    "mnist-ridge": FirstLayer("mnist.npz", 9, 1600, 3, None, None, None, alpha=0.002),
    "mnist-solved-8M": FirstLayer(
        *("mnist.npz", 9, 1024, 3, None, 8e6, (0.08, 0.004), 0.01, 1e-3, 64, 128),
        solved=True,
        shifted=True,
        alpha=0.002,
    ),
    "cifar10-solved-47M": FirstLayer(
        *("cifar10.npz", 6, 1600, 3, None, 47e6, (0.1, 0.005), 0.013, 5e-5, 64, 32),
        mirrored=True,
        solved=True,
        input_span=True,
    ),
    "mnist-first-step": FirstLayer(
        *("mnist.npz", 9, 1024, 3, None, None, None), alpha=0.002, activation="step"
    ),
    "mnist-first-ternary": FirstLayer(
        *("mnist.npz", 9, 1024, 3, None, 8e6, (2.0, 0.2), 0.15, 0.0, 64, 128),
        solved=True,
        alpha=0.002,
        ternary=True,
    ),
    "mnist-first-58M": FirstLayer(
        *("mnist.npz", 9, 1024, 3, 2048, 58e6, (0.8, 0.02), 0.1, 1e-4, 64, 8),
        whitening=0.75,
        input_span=True,
    ),
}
"""The cases of learning.py that have such a first layer."""
