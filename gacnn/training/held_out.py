"""Which data are held out of a training."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn import Model, checks
from gacnn.types import Array

VALIDATION = 0.1  # share of the images that are held out, where there are enough


ENOUGH_IMAGES = 200


def hold_out(
    model: Model, X: ArrayLike, y: ArrayLike, validation: Any, random_seed: int
) -> tuple[ArrayLike, ArrayLike, tuple[Any, Any] | None]:
    """Return the data to train on, and those held out: given, a share, or None.

    "auto" holds out a tenth of 200 images or more.
    """
    if np.ndim(y) == 0:
        raise ValueError(f"y must have one entry for each image, not {y!r}")
    checks.unmasked(y, "y")
    if isinstance(validation, str):
        if validation != "auto":
            raise ValueError(
                f'validation must be "auto", a share, (X, y) or None, not {validation!r}'
            )
        validation = VALIDATION if len(np.asarray(y)) >= ENOUGH_IMAGES else None
    if validation is None:
        return X, y, None
    if isinstance(validation, tuple) and len(validation) == 2:
        return X, y, validation
    if isinstance(validation, bool) or not isinstance(validation, numbers.Real):
        kind = type(validation).__name__
        raise ValueError(f"validation must be a share between 0 and 1, or (X, y), not a {kind}")
    images, targets = model.check_images(X, "X"), np.asarray(y)
    if targets.shape[:1] != images.shape[:1]:
        raise ValueError(
            f"y must have one entry for each of {len(images)} images, not {targets.shape}"
        )
    share = float(validation)
    number = max(1, round(share * len(images))) if 0 < share < 1 else len(images)
    if number >= len(images):
        raise ValueError(
            f"validation must be a share between 0 and 1 that leaves some of {len(images)} images "
            f"to train on, or (X, y), not {share}"
        )
    out = stratified(targets, number, random_seed)
    return images[~out], targets[~out], (images[out], targets[out])


def stratified(targets: Array, number: int, random_seed: int) -> NDArray[np.bool_]:
    """Return a mask (N,) that is True for `number` entries; of labels, the same share of each."""
    order = np.random.default_rng(random_seed).permutation(len(targets))
    if targets.ndim == 1:
        order = order[np.argsort(targets[order], kind="stable")]
    out = np.zeros(len(targets), bool)
    out[order[((np.arange(number) + 0.5) * len(targets) / number).astype(int)]] = True
    return out
