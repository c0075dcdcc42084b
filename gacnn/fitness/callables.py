"""Functions as metrics: one's own, and those of scikit-learn, which have another order."""

from __future__ import annotations

import functools
import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cnn import checks
from gacnn.types import Array

Function = Callable[..., Any]

_TRUE = {"y", "y_true", "ytrue", "true", "truth", "target", "targets", "label", "labels", "actual"}


def is_of_sklearn(metric: Any) -> bool:
    """Tell whether a metric, or that which it is a partial of, is of sklearn.metrics."""
    module = getattr(_core(metric), "__module__", None) or type(metric).__module__
    return module == "sklearn.metrics" or module.startswith("sklearn.metrics.")


def _core(metric: Any) -> Any:
    while isinstance(metric, functools.partial):
        metric = metric.func
    return metric


def takes_sample_weight(metric: Function) -> bool:
    """Tell whether a function has a parameter of that name."""
    return "sample_weight" in _parameters(metric)


def _parameters(metric: Function) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(metric).parameters
    except (TypeError, ValueError):  # of one that is written in C
        return {}


# One's own


def check_own(metric: Function, name: str) -> None:
    """Raise TypeError or ValueError for what cannot be called as metric(outputs, y)."""
    if isinstance(metric, type):
        raise TypeError(f"metric must be a function, not a class: write {name}(…)")
    parameters = _parameters(metric)
    try:
        inspect.signature(metric).bind(None, None)
    except TypeError as error:
        raise TypeError(f"metric is called as {name}(outputs, y), but {error}") from error
    except ValueError:  # of one that is written in C
        return
    first, second = [*parameters, "", ""][:2]
    if first.lower() in _TRUE and second and second.lower() not in _TRUE:
        raise ValueError(
            f"metric is called with (outputs, y), but {name} takes ({first}, {second}); give "
            f"metric=lambda outputs, y: {name}(y, outputs)"
        )


def own_score(metric: Function, outputs: Array, y: Array, weights: Array | None) -> float:
    """Return what a metric says of the outputs of one network: see `gacnn.Fitness`."""
    values, targets = column(outputs), column(y)
    try:
        how = {} if weights is None else {"sample_weight": weights}
        score = number(metric(values, targets, **how))
        if values.ndim == 2 and targets.ndim == 1 and len(values) in (1, values.shape[1]):
            _check_broadcast(metric, values, targets, how)
        if score > 0 and _LOSS.search(getattr(_core(metric), "__name__", "")):
            _warn_of_loss(_core(metric).__name__)
        return score
    except Exception as error:
        given = f"outputs {values.shape} of a network and y {targets.shape}"
        error.add_note(f"{given}{_cure(error, values, targets)}")
        raise


def _check_broadcast(metric: Function, outputs: Array, y: Array, how: dict[str, Array]) -> None:
    """Raise ValueError where (N, outputs) and (N,) went together by the luck of their numbers.

    With other numbers of images it would not have: one image, or as many as there are outputs.
    """
    images, number_of_outputs = outputs.shape
    rows = np.arange(number_of_outputs + 1) % images
    wider = f"({len(rows)},{number_of_outputs})", f"({len(rows)},)"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            metric(column(outputs[rows]), column(y[rows]), **{n: a[rows] for n, a in how.items()})
    except ValueError as error:
        if "broadcast" in str(error) and all(shape in str(error) for shape in wider):
            raise ValueError(
                f"it takes {number_of_outputs} outputs an image and one y for the same, which goes "
                f"unnoticed with a batch of {images}"
            ) from error
    except Exception:  # noqa: BLE001 # what a metric makes of other numbers is its own affair
        return


_LOSS = re.compile(r"(loss|error|cost|mse|rmse|mae|distance|divergence)$", re.IGNORECASE)


def _warn_of_loss(name: str) -> None:
    checks.warn(
        f"metric is maximised, and {name} sounds as if it were less for better networks; if so, "
        f"give metric=lambda outputs, y: -{name}(outputs, y); if not, give it another name"
    )


def column(array: Array) -> Array:
    """Return a read-only view of an array (N, …), without its axis of one column: (N,)."""
    view = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array.view()
    view.flags.writeable = False
    return view


def number(value: Any) -> float:
    """Return the number that a metric gave; TypeError for anything else."""
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "buif":
        given = f"an array of the shape {array.shape}" if array.size > 1 else repr(value)
        raise TypeError(f"one number is wanted, not {given}")
    return float(array.reshape(())[()])


def _cure(error: Exception, outputs: Array, y: Array) -> str:
    if "read-only" in str(error):
        return ", which cannot be changed: change a copy"
    if isinstance(error, IndexError) and outputs.ndim == 1:
        return ": of one output there is no axis, so leave out [:, 0]"
    if outputs.ndim == 2 and y.ndim == 1:
        return "; for labels take outputs.argmax(axis=1)"
    if outputs.ndim == 1 and y.dtype.kind in "bui":
        return "; for labels take outputs > 0.5"
    return ""


# Of scikit-learn


class _Kind(NamedTuple):
    """What a function of scikit-learn is called with, as a line that calls it has it."""

    on: str
    targets: str
    prediction: str


_LABELS = _Kind("log_proba", "labels", "outputs.argmax(axis=1)")
_PROBABILITIES = _Kind("log_proba", "labels", "outputs")
_VALUES = _Kind("outputs", "values", "outputs")

_SCORES = dict.fromkeys(
    ("accuracy_score", "balanced_accuracy_score", "cohen_kappa_score", "f1_score", "fbeta_score",
     "jaccard_score", "matthews_corrcoef", "precision_score", "recall_score",
     "adjusted_mutual_info_score", "adjusted_rand_score", "completeness_score",
     "fowlkes_mallows_score", "homogeneity_score", "mutual_info_score",
     "normalized_mutual_info_score", "rand_score", "v_measure_score"), _LABELS,
) | dict.fromkeys(
    ("average_precision_score", "d2_brier_score", "d2_log_loss_score", "roc_auc_score",
     "top_k_accuracy_score"), _PROBABILITIES,
) | dict.fromkeys(
    ("d2_absolute_error_score", "d2_pinball_score", "d2_tweedie_score",
     "explained_variance_score", "r2_score"), _VALUES,
)  # fmt: skip
_LOSSES = {
    **dict.fromkeys(("zero_one_loss", "hamming_loss"), _LABELS),
    **dict.fromkeys(("log_loss", "brier_score_loss"), _PROBABILITIES),
}
_MANY_CLASSES = {  # arguments that more than two classes need, where they are not given
    **dict.fromkeys(
        ("f1_score", "fbeta_score", "jaccard_score", "precision_score", "recall_score"),
        'average="macro"',
    ),
    "roc_auc_score": 'multi_class="ovr"',
}


def sklearn_kind(metric: Any) -> _Kind:
    """Return what a function of scikit-learn is called with, if greater is better.

    ValueError or TypeError for all others of sklearn.metrics, with the line to write.
    """
    function = _core(metric)
    if not inspect.isfunction(inspect.unwrap(function)):
        raise TypeError(
            f"metric cannot be {metric!r}, which is called with an estimator; give the function "
            "that it is made of, such as functools.partial(f1_score, average='macro')"
        )
    name = function.__name__
    if isinstance(metric, functools.partial) and metric.args:
        raise ValueError(f"metric must be a partial of {name} by names only, not {metric!r}")
    if name in _SCORES:
        return _SCORES[name]
    if name.endswith(("_loss", "_error", "_deviance")):
        kind = _LOSSES.get(name, _VALUES)
        raise ValueError(
            f"metric is maximised, but {name} is less for better networks; give "
            f"metric=lambda outputs, y: -{name}(y, {kind.prediction})"
        )
    raise ValueError(
        f"metric cannot be {name}, which does not score labels or values by one number; give a "
        "callable(outputs, y) that returns one"
    )


def sklearn_score(metric: Function, outputs: Array, y: Array, weights: Array | None) -> float:
    """Return a score of one network, of its log-probabilities (N, classes) or values."""
    name, known = _core(metric).__name__, _parameters(metric)
    how: dict[str, Any] = {} if weights is None else {"sample_weight": weights}
    kind = _SCORES[name]
    if kind is _VALUES:
        prediction, targets = outputs.astype(np.float64), y
        return _called(metric, column(targets), column(prediction), how)
    classes = outputs.shape[1]
    _check_many_classes(metric, name, classes)
    if kind is _LABELS:
        return _called(metric, y, outputs.argmax(axis=1), how)
    prediction = np.exp(outputs.astype(np.float64))
    prediction /= prediction.sum(axis=1, keepdims=True)
    if "labels" in known and known["labels"].default is None:
        how["labels"] = np.arange(classes)
    return _called(metric, y, prediction[:, 1] if classes == 2 else prediction, how)


def _check_many_classes(metric: Function, name: str, classes: int) -> None:
    needed = _MANY_CLASSES.get(name)
    given = metric.keywords if isinstance(metric, functools.partial) else {}
    if needed and classes > 2 and needed.partition("=")[0] not in given:
        raise ValueError(f"for {classes} classes give functools.partial({name}, {needed})")


def _called(metric: Function, y: Array, prediction: Array, how: dict[str, Any]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that a network never names, or a batch lacks
        try:
            return number(metric(y, prediction, **how))
        except Exception as error:
            error.add_note(f"y {y.shape} and predictions {prediction.shape}")
            raise
