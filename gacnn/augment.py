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
class Rotate:
    """Turns every image around its middle, by up to `degrees` to either side.

    Angles are uniform, values between pixels are interpolated bilinearly, and zeros come in at the
    corners.

    Examples:
        >>> images = np.ones((10, 8, 8, 3))
        >>> gacnn.augment.Rotate(20)(images, np.random.default_rng(0)).shape
        (10, 8, 8, 3)
    """

    degrees: float = 15.0

    def __post_init__(self) -> None:
        checks.number(self.degrees, "degrees", 0)

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return images (N, height, width, channels), float32."""
        _check_images(images, "Rotate")
        angles = np.radians(rng.uniform(-self.degrees, self.degrees, len(images)))
        cosine, sine = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
        height, width = images.shape[1:3]
        rows = np.arange(height)[:, None] - (height - 1) / 2
        columns = np.arange(width) - (width - 1) / 2
        return sampled(
            images,
            cosine * rows + sine * columns + (height - 1) / 2,
            cosine * columns - sine * rows + (width - 1) / 2,
        )


@dataclass(frozen=True)
class Crop:
    """Cuts a part out of every image, at a random place, and enlarges it to the image's size.

    The part's sides are uniform from `smallest`, a share above 0, to the whole; values between
    pixels are interpolated bilinearly.

    Examples:
        >>> images = np.ones((10, 8, 8, 3))
        >>> float(gacnn.augment.Crop(0.5)(images, np.random.default_rng(0)).min())
        1.0
    """

    smallest: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < checks.number(self.smallest, "smallest") <= 1:
            raise ValueError(f"smallest must be above 0 and at most 1, not {self.smallest!r}")

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return images (N, height, width, channels), float32."""
        _check_images(images, "Crop")
        share = rng.uniform(self.smallest, 1, (len(images), 1, 1))
        top, left = rng.random((2, len(images), 1, 1)) * (1 - share)
        height, width = images.shape[1:3]
        rows = top * (height - 1) + share * np.arange(height)[:, None]
        columns = left * (width - 1) + share * np.arange(width)
        return sampled(images, rows, columns)


@dataclass(frozen=True)
class Light:
    """Makes every image brighter or darker, and its contrast stronger or weaker.

    Up to `brightness` is added to all pixels, or taken off; their distance from the image's mean is
    multiplied by up to 1 + `contrast`, or down to 1 less that. Both are uniform; nothing is cut off
    at black and white.

    Examples:
        >>> images = np.full((10, 8, 8, 3), 0.5)
        >>> changed = gacnn.augment.Light(0.1)(images, np.random.default_rng(0))
        >>> bool((abs(changed - images) <= 0.1).all())
        True
    """

    brightness: float = 0.2
    contrast: float = 0.2

    def __post_init__(self) -> None:
        checks.number(self.brightness, "brightness", 0)
        if not 0 <= checks.number(self.contrast, "contrast") <= 1:
            raise ValueError(f"contrast must be from 0 to 1, not {self.contrast!r}")

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return images (N, height, width, channels), float32."""
        _check_images(images, "Light")
        images = images.astype(np.float32, copy=False)
        shape = (len(images), 1, 1, 1)
        added = rng.uniform(-self.brightness, self.brightness, shape).astype(np.float32)
        factor = rng.uniform(1 - self.contrast, 1 + self.contrast, shape).astype(np.float32)
        mean = images.mean(axis=(1, 2, 3), keepdims=True)
        changed: Array = (images - mean) * factor + (mean + added)
        return changed


def sampled(images: Array, rows: Array, columns: Array) -> Array:
    """Return images (N, height, width, channels) read at rows and columns, bilinearly.

    rows, columns: places of pixels, which broadcast to (N, height, width); beyond the edges there
    are zeros.
    """
    number, height, width = images.shape[:3]
    padded = np.pad(images.astype(np.float32, copy=False), ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = np.broadcast_arrays(rows, columns, np.empty((number, height, width)))[:2]
    rows = np.clip(rows, -1, height) + 1  # in the padded image
    columns = np.clip(columns, -1, width) + 1
    top = np.minimum(rows.astype(np.intp), height)
    left = np.minimum(columns.astype(np.intp), width)
    down = (rows - top).astype(np.float32)[..., None]
    right = (columns - left).astype(np.float32)[..., None]
    image = np.arange(number)[:, None, None]
    upper = (1 - right) * padded[image, top, left] + right * padded[image, top, left + 1]
    lower = (1 - right) * padded[image, top + 1, left] + right * padded[image, top + 1, left + 1]
    read: Array = (1 - down) * upper + down * lower
    return read


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
