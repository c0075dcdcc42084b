"""What a network looks at: its output while parts of an image are covered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import Model, checks
from gacnn.plots.networks import axes_for
from gacnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PATCHES = 6  # across the shorter side of an image, where no size is given


def occlusion(
    model: Model,
    image: ArrayLike,
    label: int | None = None,
    size: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a network looks at: how much of a class's probability is lost where it is covered.

    A square of the image's mean colour is moved over the image; red is what speaks for the class,
    blue what speaks against it (Zeiler & Fergus 2014, Visualizing and understanding convolutional
    networks). All covered images take one forward pass.

    Args:
        model: a network that tells classes apart.
        image: (height, width, channels).
        label: the class; None for the one that the network predicts.
        size: pixels of the square's side; None for a sixth of the image's shorter one.
        ax: where to draw; None for a new figure.

    Returns:
        The Axes.

    Raises:
        ValueError: for an image, a label or a size that does not fit the network.

    Examples:
        >>> model = cnn.Model([cnn.Input2D((8, 8)), cnn.Flatten(), cnn.Dense(3)], random_seed=0)
        >>> ax = gacnn.plots.occlusion(model, np.ones((8, 8, 1)), label=2)
        >>> ax.get_title().startswith("what speaks for 2 (")
        True
    """
    cure = "give one image, not a batch"
    one = checks.shaped(image, "image", model.input_shape, "height, width, channels", cure)
    shown = checks.finite(one[None], "image")[0].astype(np.float32)
    if shown.ndim != 3 or shown.shape[2] not in (1, 3):
        raise ValueError(f"image must have 1 or 3 channels to be drawn, not {shown.shape}")
    probabilities = model.predict_proba(shown[None])[0]
    label = int(probabilities.argmax()) if label is None else checks.whole(label, "label", 0)
    if label >= len(probabilities):
        raise ValueError(f"label must be one of {len(probabilities)} classes, not {label}")
    shorter = min(shown.shape[:2])
    size = (
        min(shorter, max(2, round(shorter / PATCHES)))
        if size is None
        else checks.whole(size, "size")
    )
    if size > shorter:
        raise ValueError(f"size must be at most {shorter}, the shorter side, not {size}")
    lost = occlusion_map(model, shown, label, size)
    ax = axes_for(ax, (5, 4))
    lowest, highest = shown.min(), shown.max()
    grey = ((shown - lowest) / ((highest - lowest) or 1)).mean(axis=2)
    largest = float(abs(lost).max()) or 1.0
    ax.imshow(grey, cmap="gray")
    over: Any = ax.imshow(
        lost, cmap="coolwarm", vmin=-largest, vmax=largest, alpha=0.8 * abs(lost) / largest
    )
    scale: Any = ax.figure.colorbar(over, ax=ax, label="probability lost when covered", shrink=0.8)
    scale.solids.set_alpha(0.8)
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"what speaks for {label} ({probabilities[label]:.0%})")
    return ax


def occlusion_map(model: Model, image: Array, label: int, size: int) -> Array:
    """Return, for every pixel (height, width), the mean probability lost by squares that cover it.

    Squares of size pixels lie half of that apart, and end at the borders.
    """
    height, width = image.shape[:2]
    corners = [(top, left) for top in _starts(height, size) for left in _starts(width, size)]
    images = np.repeat(image[None], len(corners) + 1, axis=0)  # the last one is not covered
    for covered, (top, left) in zip(images[:-1], corners, strict=True):
        covered[top : top + size, left : left + size] = image.mean(axis=(0, 1))
    probabilities = model.predict_proba(images)[:, label]
    lost, times = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for (top, left), share in zip(corners, probabilities[-1] - probabilities[:-1], strict=True):
        lost[top : top + size, left : left + size] += share
        times[top : top + size, left : left + size] += 1
    mean: Array = lost / times
    return mean


def _starts(length: int, size: int) -> list[int]:
    return sorted({*range(0, length - size + 1, max(1, size // 2)), length - size})
