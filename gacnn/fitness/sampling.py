"""Which images a mini-batch holds: drawn evenly, or the more often the worse they go."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn import checks
from gacnn.types import Array


class ImportanceSampling:
    """Draws images in proportion to how wrong the networks were on them when they saw them last.

    The error of an image is 1 - p, where p is the probability of its label, a mean over the
    population; before it is seen, that of a guess. An image is drawn with probability
    (1 - share) / N + share · error / sum of errors, and weighs the reciprocal, so that the
    weighted mean over a batch estimates the mean over all N images, with less variance than an
    even draw once most images are right. Batches are drawn systematically: an image that is
    expected k times comes floor(k) or ceil(k) times. Sources: Zhao & Zhang 2015, Stochastic
    optimization with importance sampling, arXiv:1401.2753; Katharopoulos & Fleuret 2018, Not all
    samples are created equal, arXiv:1803.00942.

    What `note` is told counts from the next `advance` on, so that a batch depends on the
    generator and on earlier batches only.

    Args:
        num_images: N.
        num_classes: of which a guess is right one time in so many.
        share: how much of a batch goes by the errors, from 0 to below 1; the rest is even.
        weights: how much each image counts (N,), of mean 1; its error is then taken times that.

    Examples:
        >>> sampling = gacnn.fitness.sampling.ImportanceSampling(num_images=4, num_classes=2)
        >>> sampling.note(np.arange(4), np.array([0, 0, 0, 1]))  # the last one is still wrong
        >>> sampling.advance()
        >>> chosen, weights = sampling.draw(np.random.default_rng(0), 100)
        >>> np.bincount(chosen).tolist()
        [5, 5, 5, 85]
    """

    def __init__(
        self,
        num_images: int,
        num_classes: int,
        share: float = 0.8,
        *,
        weights: Array | None = None,
    ) -> None:
        self.share = checks.number(share, "share", 0)
        if self.share >= 1:
            raise ValueError(f"share must be below 1, or images may never be drawn, not {share!r}")
        self.errors = np.empty(num_images, np.float32)
        self._guess = 1 - 1 / num_classes
        self.weights = weights
        self.reset()

    def reset(self) -> None:
        """Forget all errors, for a new run."""
        self.errors[:] = self._guess if self.weights is None else self._guess * self.weights
        self._noted: tuple[Array, Array] | None = None

    def draw(self, rng: np.random.Generator, batch_size: int) -> tuple[Array, Array]:
        """Return the indices (batch_size,) of images, and their weights, of mean 1 on average."""
        number = len(self.errors)
        total = self.errors.sum(dtype=np.float64)
        probability = np.full(number, 1 / number)
        if total > 0:
            probability += self.share * (self.errors / total - 1 / number)
        reached = np.cumsum(probability)
        points = (np.arange(batch_size) + rng.random()) / batch_size * reached[-1]
        chosen = np.minimum(np.searchsorted(reached, points, side="right"), number - 1)
        return chosen, 1 / (number * probability[chosen])

    def note(self, images: Array, errors: Array) -> None:
        """Keep the errors (batch_size,) of images for the next `advance`."""
        own = errors if self.weights is None else errors * self.weights[images]
        self._noted = images, np.asarray(own, np.float32)

    def advance(self) -> None:
        """Take up what was noted."""
        if self._noted is not None:
            images, errors = self._noted
            self.errors[images] = errors
            self._noted = None

    def state(self) -> dict[str, Any]:
        """Return the errors, and those not yet taken up."""
        return {"errors": self.errors, "noted": self._noted}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them up again."""
        self.errors, self._noted = state["errors"].copy(), state["noted"]
