"""Batches: which images a generation is scored on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from cnn import checks
from gacnn.fitness.sampling import ImportanceSampling
from gacnn.types import Array, Indices

Augmentation = Callable[[Array, "np.random.Generator"], Array]
"""What changes the images of a batch: a function of images (N, height, width, channels) and a
generator that returns images of the same shape, such as `gacnn.augment.Shift`."""


class Batch(NamedTuple):
    """Which images, how much each counts in a mean, and what changes them: small, to travel.

    chosen: indices (N,), or None for all images; weights: (N,), of mean 1 on average, or None
    where all count alike; generator: the state of the generator that the augmentation draws from,
    or None where nothing changes the images.
    """

    chosen: Indices | None = None
    weights: Array | None = None
    generator: dict[str, Any] | None = None


ALL = Batch()
_FAR = 12.0  # times larger or smaller than before: no augmentation does that


def drawn(
    rng: np.random.Generator,
    num_images: int,
    batch_size: int | None,
    sampler: ImportanceSampling | None,
    *,
    augmented: bool,
) -> Batch:
    """Return a new batch of so many images, or of all for None."""
    chosen, weights = None, None
    if batch_size is not None and sampler is not None:
        chosen, weights = sampler.draw(rng, batch_size)
    elif batch_size is not None:
        chosen = rng.choice(num_images, batch_size, replace=False)
    return Batch(chosen, weights, dict(rng.bit_generator.state) if augmented else None)


def generator_of(state: dict[str, Any]) -> np.random.Generator:
    """Return a generator in this state."""
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = state
    return np.random.Generator(bits)


def changed(images: Array, augment: Augmentation, rng: np.random.Generator) -> Array:
    """Return the images augmented; ValueError if their shape is then another.

    Warns where their numbers are of another size, such as bytes of numbers from 0 to 1.
    """
    shape, before = images.shape, _largest(images)  # it may change them in place
    result = np.asarray(augment(images, rng))
    if result.shape != shape:
        raise ValueError(
            f"augment must return images of the same shape, {shape}, not {result.shape}"
        )
    after = _largest(result)
    if after > before * _FAR > 0 or 0 < after < before / _FAR:
        checks.warn(
            f"augment was given images of numbers up to {before:.3g}, and returned them up to "
            f"{after:.3g}: networks would learn from others than they see later; return the images "
            "in the numbers that they had"
        )
    return result


def _largest(images: Array) -> float:
    return max(abs(float(images.max())), abs(float(images.min())))


@dataclass(frozen=True, eq=False)
class Unscaled:
    """An augmentation of images before they were standardised, for those that are.

    mean, scale: of all numbers, (1,), or of each of the numbers of an image, (number,).
    """

    augment: Augmentation
    mean: Array = field(repr=False)  # which the data know
    scale: Array = field(repr=False)

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return the images (N, …) augmented."""
        columns = (len(images), -1) if len(self.mean) > 1 else images.shape
        raw = images.reshape(columns) * self.scale + self.mean
        result = changed(raw.reshape(images.shape), self.augment, rng)
        return ((result.reshape(columns) - self.mean) / self.scale).reshape(images.shape)


def checked_augmentation(augment: Any) -> Augmentation | None:
    """Return what can be called as augment(images, rng), or None; TypeError for anything else."""
    if isinstance(augment, type):
        raise TypeError(f"augment must be an object, not a class: write {augment.__name__}(…)")
    if augment is not None and not callable(augment):
        raise TypeError(f"augment must be callable as augment(images, rng), not {augment!r}")
    with suppress(ValueError):  # of one that is written in C
        try:
            augment is None or inspect.signature(augment).bind(None, None)
        except TypeError as error:
            raise TypeError(f"augment is called as augment(images, rng), but {error}") from error
    return augment  # type: ignore[no-any-return] # whatever can be called


def checked_batch_size(batch_size: Any, num_images: int) -> int:
    """Return a number of images that there are."""
    size = checks.whole(batch_size, "batch_size")
    if size > num_images:
        raise ValueError(
            f"batch_size must be at most the number of images to train on, {num_images}, not {size}"
        )
    return size
