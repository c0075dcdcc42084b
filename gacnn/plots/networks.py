"""Pictures of networks: filters, feature maps, and what they get wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn import Conv2D, Model, checks
from cnn.layers.layer import Layer
from gacnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_TILE = 32  # pixels of a picture in a sheet at least: gaps can then be thin
_GAP = 0.08  # between pictures, of their width
_HEAD = 0.3  # above a picture with a caption, of its width
_LONGEST_NAME = 24  # letters of a class in a confusion matrix
_LARGEST_SIDE = 30.0  # inches; with more classes than fit there cells are smaller
_MOST_NAMES = 250  # along a side
_SMALLEST_PRINT = 4.0  # points; counts that would be smaller are left out


def filters(model: Model, layer: Layer | int = 0, ax: Axes | None = None) -> Axes:
    """Draw the filters of a convolution: positive weights red, negative ones blue.

    layer: the convolution, or its number among those of the model. Filters over three channels
    are shown in colours, grey for a weight of 0; over any other number, a row for each filter and
    a column for each channel. All have one scale. Returns the Axes. Raises ValueError where there
    is no such convolution.

    Examples:
        >>> model = cnn.Model([cnn.Input2D((8, 8)), cnn.Conv2D(6, 3)])
        >>> gacnn.plots.filters(model).get_title()
        '6 filters of 3 x 3'
    """
    conv = _layer_of(model, layer)
    if not isinstance(conv, Conv2D):
        raise ValueError(f"layer must be a Conv2D, because only these have filters, not {conv}")
    weights = np.asarray(conv.trained_weights)  # filters, height, width, channels
    number, height, width, channels = weights.shape
    largest = float(abs(weights).max()) or 1.0
    ax = axes_for(ax, (5, 5))
    if channels == 3:
        _draw_sheet(ax, weights / (2 * largest) + 0.5)
    else:
        tiles = np.moveaxis(weights, 3, 1).reshape(-1, height, width)
        columns = None if channels == 1 else channels
        _draw_sheet(ax, tiles, columns, cmap="coolwarm", vmin=-largest, vmax=largest)
        _draw_scale(ax, largest)
    if channels not in (1, 3):
        ax.set(xlabel=f"{channels} channels", ylabel=f"{number} filters")
    ax.set_title(f"{_counted(number, 'filter')} of {height} x {width}")
    return ax


def _draw_scale(ax: Any, largest: float) -> None:
    """Say beside a sheet which colour is which sign."""
    ticks = [-largest, 0.0, largest]
    names = [f"\N{MINUS SIGN}{largest:.2g}", "0", f"+{largest:.2g}"]
    bar = ax.figure.colorbar(ax.images[-1], ax=ax, shrink=0.6, aspect=15, pad=0.02)
    bar.set_ticks(ticks, labels=names)
    bar.outline.set_visible(False)


def feature_maps(
    model: Model, image: ArrayLike, layer: Layer | int = -1, ax: Axes | None = None
) -> Axes:
    """Draw what a layer makes of an image: a picture for each channel, all on one scale.

    It fills the `layer_output` of all layers.

    Args:
        model: the network.
        image: (height, width, channels).
        layer: any layer that gives maps, or the number of a convolution; the last one if not said.
        ax: where to draw; None for a new figure.

    Returns:
        The Axes.

    Raises:
        ValueError: where there is no such layer.

    Examples:
        >>> model = cnn.Model([cnn.Input2D((8, 8)), cnn.Conv2D(6, 3)])
        >>> gacnn.plots.feature_maps(model, np.ones((8, 8, 1))).get_title()
        '6 maps of 6 x 6, Conv2D'
    """
    shown = _layer_of(model, layer)
    if not isinstance(shown.layer_output_size, tuple):
        raise ValueError(
            f"layer must give maps, but {shown} gives {shown.layer_output_size} flat values; "
            "take one before Flatten"
        )
    if len(shown.layer_output_size) == 2:
        raise ValueError(f"layer must give maps, but {shown} gives series; give a model of images")
    axes = "height, width, channels"
    checks.finite(checks.shaped(image, "image", model.input_shape, axes, "give one"), "image")
    model.feed_sample(image)
    height, width, channels = shown.layer_output_size
    maps = image if shown is model.input_layer else shown.layer_output
    ax = axes_for(ax, (5, 5))
    _draw_sheet(ax, np.moveaxis(np.asarray(maps), 2, 0), cmap="gray")
    ax.set_title(f"{_counted(channels, 'map')} of {height} x {width}, {type(shown).__name__}")
    return ax


def confusion_matrix(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    class_names: Sequence[Any] | None = None,
    normalize: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many images of each class (a row) were taken for which (a column).

    Empty cells are 0; the colour is the square root of the share, so that rare mistakes can be
    seen.

    Args:
        y_true: labels (N,): indices of class_names or, without these, whatever names the classes.
        y_pred: what they were taken for (N,).
        class_names: a name for each class; None for the labels themselves.
        normalize: whether to write shares of the row instead of counts.
        ax: where to draw; None for a new figure.

    Returns:
        The Axes.

    Raises:
        ValueError: for labels of other shapes or without a name.

    Examples:
        >>> ax = gacnn.plots.confusion_matrix(["cat", "dog", "dog"], ["cat", "dog", "cat"])
        >>> [label.get_text() for label in ax.get_xticklabels()]
        ['cat', 'dog']
    """
    normalize = checks.flag(normalize, "normalize")
    true, predicted, names = _labels(y_true, y_pred, class_names)
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (true, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [
        name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in names
    ]
    letters = max(map(len, names))
    beside = 0.07 * letters if letters > 3 else 0.0  # inches that the names take
    side = min(max(5.0, 0.25 * len(names) + 1), _LARGEST_SIDE) + beside
    ax = axes_for(ax, (side, side))
    ax.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    longest = 4 if normalize else len(str(counts.max()))
    room = max(_points(ax)[0] - 72 * beside, 1.0) / len(names)  # points a cell
    size = min(10.0, 1.3 * room / longest)
    if size >= _SMALLEST_PRINT:
        for row, column in np.argwhere(counts):
            text = f"{shares[row, column]:.2f}" if normalize else str(counts[row, column])
            colour = "white" if shares[row, column] > 0.4 else "black"
            ax.text(column, row, text, color=colour, fontsize=size, ha="center", va="center")
    every = math.ceil(len(names) / _MOST_NAMES)  # of many classes, no more than can be read
    ticks, names = range(0, len(names), every), names[::every]
    turned = 90 if letters > 3 else 0
    ax.set_xticks(ticks, names, rotation=turned, parse_math=False)  # names may have a $
    ax.set_yticks(ticks, names, parse_math=False)
    if 0.85 * room < 10:
        ax.tick_params(labelsize=max(_SMALLEST_PRINT, 0.85 * room))
    ax.set(xlabel="predicted", ylabel="true")
    return ax


def wrong_predictions(
    X: ArrayLike,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    class_names: Sequence[Any] | None = None,
    max_images: int = 25,
    ax: Axes | None = None,
) -> Axes:
    """Draw the first images that were taken for another class, with "true → predicted" above.

    Args:
        X: images (N, height, width, channels) with one channel or three, of any range.
        y_true: labels (N,): indices of class_names or, without these, whatever names the classes.
        y_pred: what they were taken for (N,).
        class_names: a name for each class; None for the labels themselves.
        max_images: how many are shown at most.
        ax: where to draw; None for a new figure.

    Returns:
        The Axes.

    Raises:
        ValueError: for other shapes.

    Examples:
        >>> ax = gacnn.plots.wrong_predictions(np.ones((3, 8, 8, 1)), [0, 1, 1], [0, 1, 0])
        >>> ax.get_title()
        '1 of 3 are wrong'
    """
    true, predicted, names = _labels(y_true, y_pred, class_names)
    cure = "one image for each label; grey images are X[..., None]"
    axes = "images, height, width, channels"
    images = checks.shaped(X, "X", (len(true), None, None, None), axes, cure)
    if images.shape[3] not in (1, 3):
        raise ValueError(f"X must have 1 or 3 channels to be drawn, not {images.shape[3]}")
    limit = checks.whole(max_images, "max_images")
    wrong = np.flatnonzero(true != predicted)
    shown = wrong[:limit]
    ax = axes_for(ax, (6, 6))
    ax.set_title(f"{len(wrong):,} of {len(true):,} are wrong")
    if len(wrong) == 0:
        ax.set_axis_off()
        return ax
    tiles = checks.finite(images[shown], "X").astype(float)
    lowest, highest = tiles.min(), tiles.max()
    tiles = (tiles - lowest) / ((highest - lowest) or 1)
    captions = [f"{names[true[index]]} → {names[predicted[index]]}" for index in shown]
    _draw_sheet(ax, tiles if tiles.shape[3] == 3 else tiles[..., 0], None, captions, cmap="gray")
    return ax


def axes_for(ax: Any, figsize: tuple[float, float]) -> Any:
    """Return the Axes given, or without any those of a new figure; TypeError for anything else."""
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("gacnn.plots needs matplotlib: pip install 'gacnn[plot]'") from error
        return pyplot.subplots(figsize=figsize, layout="constrained")[1]
    if not hasattr(ax, "set_title"):
        raise TypeError(f"ax must be Matplotlib Axes, one and not several, not {type(ax).__name__}")
    return ax


def _draw_sheet(
    ax: Any, tiles: Array, columns: int | None = None, captions: Sequence[str] = (), **how: Any
) -> None:
    """Draw tiles (n, height, width), or (n, height, width, 3) of 0 to 1, as one image in a grid.

    Without a number of columns, the one that lets them be largest.
    """
    number, height, width = tiles.shape[:3]
    zoom = -(-_TILE // max(height, width))
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    gap = max(2, round(_GAP * width * zoom))
    head = round(_HEAD * width * zoom) if captions else gap
    down, across = height * zoom + head, width * zoom + gap
    wide, high = _points(ax)

    def scale(columns: int) -> float:  # points a pixel
        return float(min(wide / across / columns, high / down / -(-number // columns)))

    columns = columns or max(range(1, number + 1), key=scale)
    corners = [  # top left
        (index // columns * down + head, index % columns * across + gap) for index in range(number)
    ]
    rows = -(-number // columns)
    below = max(gap, head // 2)  # captions stand above: as much air at the lower edge
    sheet = _assembled(tiles, corners, (rows * down + below, columns * across + gap))
    longest = max(map(len, captions), default=1)
    size = min(11, scale(columns) * min(0.7 * head, 1.5 * across / (longest + 2)))
    for text, (top, left) in zip(captions, corners, strict=bool(captions)):
        middle, bottom = left + width * zoom / 2, top - gap / 2
        ax.text(middle, bottom, text, fontsize=size, ha="center", va="bottom", parse_math=False)
    ax.imshow(sheet, **how)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _assembled(tiles: Array, corners: list[tuple[int, int]], shape: tuple[int, int]) -> Array:
    """Return one image of this shape, transparent between the tiles."""
    if tiles.ndim == 4:
        tiles = np.concatenate([tiles, np.ones_like(tiles[..., :1])], axis=3)
    sheet = np.full((*shape, *tiles.shape[3:]), np.nan if tiles.ndim == 3 else 0.0)
    for tile, (top, left) in zip(tiles, corners, strict=True):
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def _points(ax: Any) -> tuple[float, float]:
    """Return width and height of the Axes in points, as they are before the layout is made."""
    box = ax.get_window_extent()
    return box.width * 72 / ax.figure.dpi, box.height * 72 / ax.figure.dpi


def _layer_of(model: Model, layer: Layer | int) -> Layer:
    """Return a layer of the model, given itself or by its number among the convolutions."""
    if not isinstance(model, Model):
        raise TypeError(
            f"model must be a cnn.Model, not {type(model).__name__}; a Result has one in its "
            "model, a fitted estimator in its model_"
        )
    if isinstance(layer, Layer):
        if not any(layer is each for each in model.layers):
            raise ValueError(f"layer {layer} is not in the model; take one of model.layers")
        return layer
    convolutions = [each for each in model.layers if isinstance(each, Conv2D)]
    number = len(convolutions)
    if not number:
        raise ValueError("model has no Conv2D; give a network that has one")
    if checks.whole(layer, "layer", -number) >= number:
        raise ValueError(
            f"layer must be from {-number} to {number - 1}, the numbers of the model's "
            f"{number} convolutions, not {layer}; or give the layer itself"
        )
    return convolutions[layer]


def _array(labels: ArrayLike, name: str) -> NDArray[Any]:
    try:
        return np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"{name} must hold one label for each image, but {error}") from error


def _labels(
    y_true: ArrayLike, y_pred: ArrayLike, class_names: Sequence[Any] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], list[str]]:
    """Return the labels (N,) as indices of names, and the names."""
    true, predicted = _array(y_true, "y_true"), _array(y_pred, "y_pred")
    if true.ndim != 1 or true.shape != predicted.shape or not len(true):
        raise ValueError(
            "y_true and y_pred must hold one label for each image, with the shape (N,), not "
            f"{true.shape} and {predicted.shape}; of one-hot rows take argmax(axis=1)"
        )
    if class_names is None:
        classes, indices = np.unique(np.concatenate([true, predicted]), return_inverse=True)
        return indices[: len(true)], indices[len(true) :], [str(each) for each in classes]
    if isinstance(class_names, str) or not np.iterable(class_names):
        raise TypeError(f"class_names must be a list of names, not {class_names!r}")
    names = [str(each) for each in class_names]
    for labels, argument in ((true, "y_true"), (predicted, "y_pred")):
        unnamed = labels[~np.isin(labels, np.arange(len(names)))]
        if len(unnamed):
            raise ValueError(
                f"{argument} must hold whole numbers from 0 to {len(names) - 1}, because "
                f"class_names has {len(names)} names, not {unnamed[0]!s}; name all classes"
            )
    return true.astype(np.intp), predicted.astype(np.intp), names


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
