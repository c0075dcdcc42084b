"""Augmentation: changed copies of images for the fitness, so that networks learn what matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnn import checks
from gacnn.types import Array


@dataclass(frozen=True)
class Shift:
    """Moves every image by up to `pixels` along both axes, also by parts of a pixel.

    Distances are uniform, values between pixels are interpolated bilinearly, and zeros come in at
    the edges. Raises ValueError for a negative distance.

    Examples:
        >>> images = np.ones((10, 8, 8, 1))
        >>> gacnn.augment.Shift(2)(images, np.random.default_rng(0)).shape
        (10, 8, 8, 1)
    """

    pixels: float = 1.0

    def __post_init__(self) -> None:
        checks.number(self.pixels, "pixels", 0)

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return images (N, height, width, channels), float32."""
        _check_images(images, "Shift")
        images = images.astype(np.float32, copy=False)
        for axis in (1, 2):
            distances = rng.uniform(-self.pixels, self.pixels, len(images))
            images = shifted(images, distances, axis)
        return images


def _check_images(images: Array, name: str) -> None:
    if images.ndim != 4:
        raise ValueError(
            f"augment={name}(…) needs images (N, height, width, channels), not {images.shape}"
        )


def shifted(images: Array, distances: Array, axis: int) -> Array:
    """Return images (N, height, width, channels) moved along an axis by distances (N,)."""
    length = images.shape[axis]
    distances = np.clip(distances, -length, length)  # further away, nothing of an image is left
    floor = np.floor(distances)
    share = (distances - floor).astype(np.float32).reshape(-1, 1, 1, 1)
    margin = int(np.abs(floor).max(initial=0)) + 1
    wide = np.pad(images, [(margin, margin) if each == axis else (0, 0) for each in range(4)])
    # of every image, what lies from one place before its first pixel's source on
    shape = list(images.shape)
    shape[axis] += 1
    windows = np.lib.stride_tricks.as_strided(
        wide,
        (len(images), 2 * margin, *shape[1:]),
        (wide.strides[0], wide.strides[axis], *wide.strides[1:]),
        writeable=False,
    )
    taken = windows[np.arange(len(images)), margin - 1 - floor.astype(np.intp)]
    every = (slice(None),) * axis
    nearer, further = taken[(*every, slice(1, None))], taken[(*every, slice(-1))]
    moved: Array = (1 - share) * nearer + share * further
    return moved


@dataclass(frozen=True)
class Flip:
    """Mirrors every image left to right with the given probability.

    Examples:
        >>> image = np.array([[1, 2, 3]])[None, ..., None]
        >>> gacnn.augment.Flip(1.0)(image, np.random.default_rng(0)).ravel().tolist()
        [3, 2, 1]
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= checks.number(self.probability, "probability") <= 1:
            raise ValueError(f"probability must be from 0 to 1, not {self.probability!r}")

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return images (N, height, width, channels)."""
        _check_images(images, "Flip")
        chosen = rng.random(len(images)) < self.probability
        return np.where(chosen[:, None, None, None], images[:, :, ::-1], images)


@dataclass(frozen=True)
class Compose:
    """Several augmentations, one after the other.

    Examples:
        >>> gacnn.augment.Compose(gacnn.augment.Shift(1), gacnn.augment.Flip())
        Compose(Shift(pixels=1), Flip(probability=0.5))
    """

    steps: tuple[Callable[[Array, np.random.Generator], Array], ...]

    def __init__(self, *steps: Callable[[Array, np.random.Generator], Array]) -> None:
        for position, step in enumerate(steps):
            if not callable(step):
                raise TypeError(
                    f"steps[{position}] must be callable as step(images, rng), not {step!r}"
                )
        object.__setattr__(self, "steps", steps)

    def __repr__(self) -> str:  # a function by its name, for the fingerprint of a fitness
        names = (getattr(step, "__name__", None) or repr(step) for step in self.steps)
        return f"Compose({', '.join(names)})"

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return images (N, height, width, channels)."""
        for step in self.steps:
            images = step(images, rng)
        return images
