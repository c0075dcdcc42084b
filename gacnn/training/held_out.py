"""Which data are held out of a training."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn import Model, checks
from gacnn.fitness.weights import checked_sample_weight
from gacnn.types import Array

VALIDATION = 0.1  # share of the images that are held out, where there are enough
ENOUGH_IMAGES = 200
FEW_IMAGES = 8  # of the largest class: with less, data are a table and no sample


class Samples(NamedTuple):
    """Data to train on, or to validate on."""

    X: ArrayLike
    y: ArrayLike
    sample_weight: ArrayLike | None = None


class CheckedSamples(NamedTuple):
    """Data as arrays, whose rows can be chosen."""

    X: Array
    y: Array
    sample_weight: Array | None

    def rows(self, chosen: NDArray[np.bool_] | slice) -> CheckedSamples:
        """Return the data of some rows."""
        weights = None if self.sample_weight is None else self.sample_weight[chosen]
        return CheckedSamples(self.X[chosen], self.y[chosen], weights)


def hold_out(
    model: Model,
    data: Samples,
    validation: Any,
    random_seed: int,
    class_weight: Any = None,
    *,
    labels: bool,
) -> tuple[CheckedSamples, Samples | CheckedSamples | None]:
    """Return the data to train on, and those held out: given, a share, or None.

    "auto" holds out a tenth of 200 images or more. Rows that weigh nothing, on their own or by
    their class, are left out. labels: whether y are classes, of which every one keeps an image to
    train on.
    """
    if np.ndim(data.y) == 0:
        raise ValueError(f"y must have one entry for each image, not {data.y!r}")
    checks.unmasked(data.y, "y")
    checked = _counting(_checked(model, data), class_weight)
    if isinstance(validation, str):
        _check_word(validation)
        validation = VALIDATION if len(checked.X) >= ENOUGH_IMAGES else None
    if validation is None:
        return checked, None
    if isinstance(validation, tuple) and len(validation) in (2, 3):
        return checked, Samples(*_without_names(validation))
    _check_number(validation)
    return _divided(checked, float(validation), random_seed, labels=labels)


def _without_names(validation: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return (X, y) or (X, y, sample_weight); a Dataset's third is no weights."""
    from cnn.datasets import Dataset  # as late as there may be one

    return validation[:2] if isinstance(validation, Dataset) else validation


def _check_word(validation: str) -> None:
    if validation != "auto":
        raise ValueError(f'validation must be "auto", a share, (X, y) or None, not {validation!r}')


def _check_number(validation: Any) -> None:
    if isinstance(validation, bool) or not isinstance(validation, numbers.Real):
        kind = type(validation).__name__
        raise ValueError(
            "validation must be a share between 0 and 1, (X, y) or (X, y, sample_weight), not a "
            f"{kind}"
        )


def _checked(model: Model, data: Samples) -> CheckedSamples:
    """Return the data as arrays; ValueError where they are not as many."""
    images, targets = model.check_images(data.X, "X"), np.asarray(data.y)
    if targets.shape[:1] != images.shape[:1]:
        raise ValueError(
            f"y must have one entry for each of {len(images)} images, not {targets.shape}"
        )
    return CheckedSamples(images, targets, checked_sample_weight(data.sample_weight, len(images)))


def _counting(data: CheckedSamples, class_weight: Any) -> CheckedSamples:
    """Return the rows that weigh more than 0; all where none does, which others refuse."""
    counting = np.ones(len(data.X), bool)
    if data.sample_weight is not None:
        counting &= data.sample_weight > 0
    if isinstance(class_weight, Mapping) and data.y.ndim == 1:
        weights = class_weight.items()
        nothing = [label for label, each in weights if isinstance(each, numbers.Real) and not each]
        counting &= ~np.isin(data.y, nothing)
    return data if counting.all() or not counting.any() else data.rows(counting)


def _divided(
    data: CheckedSamples, share: float, random_seed: int, *, labels: bool
) -> tuple[CheckedSamples, CheckedSamples]:
    """Return the data without a share of them, and that share."""
    number = max(1, round(share * len(data.X))) if 0 < share < 1 else len(data.X)
    if number >= len(data.X):
        raise ValueError(
            f"validation must be a share between 0 and 1 that leaves some of {len(data.X)} images "
            f"to train on, or (X, y), not {share}"
        )
    out = stratified(data.y, number, random_seed, labels=labels)
    if not out.any():
        raise ValueError(
            f"validation cannot be a share, {share}: no class has an image to spare; give (X, y) "
            "of other images, or None"
        )
    return data.rows(~out), data.rows(out)


def stratified(targets: Array, number: int, random_seed: int, *, labels: bool) -> NDArray[np.bool_]:
    """Return a mask (N,) that is True for `number` entries; of labels, the same share of each.

    labels: of every class one entry stays False, also where its only one has to.
    """
    order = np.random.default_rng(random_seed).permutation(len(targets))
    if targets.ndim == 1:
        order = order[np.argsort(targets[order], kind="stable")]
    labels = labels and targets.ndim == 1
    if labels:
        _, own, counts = np.unique(targets, return_inverse=True, return_counts=True)
        order = order[counts[own[order]] > 1]
        number = min(number, len(order))
    out = np.zeros(len(targets), bool)
    if number:
        out[order[((np.arange(number) + 0.5) * len(order) / number).astype(int)]] = True
    if labels:
        whole = np.bincount(own[out], minlength=len(counts)) == counts
        first = order[np.unique(own[order], return_index=True)[1]]
        out[first[whole[own[first]]]] = False
    return out


def lone_classes(model: Model, y: ArrayLike) -> list[int]:
    """Return the classes that have one image, where y are labels of the model.

    None in a table of a few rows, such as that of a logical function: all of it is to be learned.
    """
    counts = np.bincount(np.asarray(y).astype(np.intp), minlength=model.num_classes)
    return np.flatnonzero(counts == 1).tolist() if counts.max() >= FEW_IMAGES else []


def are_labels(model: Model, y: ArrayLike, kinds: set[str]) -> bool:
    """Tell whether y (N,) are labels of classes, where metrics take targets of these kinds."""
    array = np.asarray(y)
    if "values" in kinds or array.ndim != 1 or array.dtype.kind not in "buif" or array.size == 0:
        return False
    if "labels" not in kinds and array.dtype.kind == "f":
        return False
    return bool(np.isin(array, np.arange(model.num_classes)).all())
