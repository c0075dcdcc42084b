"""How much each sample counts: given one by one, by class, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import Model, checks
from gacnn.types import Array

ClassWeight = Mapping[int, float] | str


def checked_sample_weight(sample_weight: ArrayLike | None, number: int) -> Array | None:
    """Return weights (N,) of at least 0, of which one is more; None for None."""
    if sample_weight is None:
        return None
    array = checks.shaped(sample_weight, "sample_weight", (number,), "one weight a sample")
    weights = checks.finite(array, "sample_weight").astype(np.float64)
    if (weights < 0).any():
        raise ValueError(
            f"sample_weight must be at least 0, not {weights.min():g} as sample "
            f"{weights.argmin()} has it"
        )
    if not weights.any():
        raise ValueError("sample_weight is zero for all samples; give one that is more")
    return weights


def weights_of_classes(class_weight: ClassWeight, labels: Array, classes: int) -> dict[int, float]:
    """Return a weight for each class from 0 to classes - 1.

    "balanced": N / (classes in labels · images of the class), as scikit-learn's; 1 for a class
    that a mapping leaves out. Raises TypeError or ValueError for anything else.
    """
    if isinstance(class_weight, str):
        checks.one_of(class_weight, "class_weight", ["balanced"])
        counts = np.bincount(labels, minlength=classes)
        shares = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return dict(enumerate(shares.tolist()))
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            'class_weight must be "balanced", a dict of weights by label, or None, not '
            f"{class_weight!r}"
        )
    unknown = [label for label in class_weight if label not in range(classes)]
    if unknown:
        raise ValueError(
            f"class_weight has a weight for {unknown[0]!r}, but the labels are 0 to {classes - 1}"
        )
    return {
        label: checks.number(class_weight.get(label, 1.0), f"class_weight[{label}]", 0)
        for label in range(classes)
    }


def weights_for(
    model: Model,
    y: Array,
    sample_weight: ArrayLike | None,
    class_weight: ClassWeight | None,
) -> Array | None:
    """Return weights (N,) of mean 1 of the samples, their own times those of their classes."""
    weights = checked_sample_weight(sample_weight, len(y))
    if class_weight is not None:
        labels = labels_to_weigh(model, y)
        by_class = weights_of_classes(class_weight, labels, model.num_classes)
        own: Any = 1.0 if weights is None else weights
        weights = own * np.array(list(by_class.values()))[labels]
        if not weights.any():
            raise ValueError("class_weight leaves no sample a weight above 0; give one that does")
    return None if weights is None else weights / weights.mean()


def labels_to_weigh(model: Model, y: ArrayLike) -> Array:
    """Return y as labels (N,); an error says that class_weight is for these."""
    try:
        model.check_classifies()
        return checks.labels(y, "y", len(np.asarray(y)), model.num_classes)
    except (TypeError, ValueError) as error:
        error.add_note("class_weight is for class labels; of values give a sample_weight")
        raise
