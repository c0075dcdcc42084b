"""What may be said to `train`, and what is said of it: refusals and warnings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import Model, checks
from cnn.checks import printable
from gacnn.algorithm.ga import GA
from gacnn.callbacks.callback import ENDLESS, Callback
from gacnn.callbacks.stopping import EarlyStopping
from gacnn.checkpoints.checkpoint import Checkpoint
from gacnn.operators.names import OTHER_SETTINGS
from gacnn.training.defaults import LARGE_INPUTS, NUM_GENERATIONS, USUAL_SIZE
from gacnn.training.held_out import lone_classes
from gacnn.types import Array, Indices

SMALL_INPUTS = 0.05  # largest of the inputs below which it does
_NAMED = 5  # classes that a warning names


def check_names(settings: dict[str, Any], *takers: Callable[..., Any]) -> None:
    """Raise TypeError for settings that are no business of train, or unknown.

    takers: functions that take what `train` does beside the settings of `gacnn.GA`.
    """
    for name in {"fitness_func", "initial_population"} & settings.keys():
        raise TypeError(f"{name} is what train makes itself; to give your own use gacnn.GA")
    for name in {"num_solutions", "sol_per_pop", "num_genes"} & settings.keys():
        raise TypeError(f"{name} is settled already: give GACNN its num_solutions")
    known = inspect.signature(GA).parameters.keys()
    own = {name for each in takers for name in inspect.signature(each).parameters} - {"self"}
    for name in settings.keys() - known:
        meant = checks.nearest(name, own | known, OTHER_SETTINGS)
        raise TypeError(f"neither train nor gacnn.GA has a setting {name!r}{meant}")


def check_gene_type(gene_type: Any) -> None:
    """Raise TypeError for what is no type of numbers; of lists PyGAD says what is wrong."""
    if isinstance(gene_type, list | tuple):
        return
    try:
        kind = np.dtype(gene_type).kind
    except TypeError as error:
        raise TypeError(f"gene_type must be a type of numbers, not {gene_type!r}") from error
    if kind not in "iuf" or gene_type is None:
        raise TypeError(f"gene_type must be a type of numbers, not {gene_type!r}")


def generations(num_generations: int | None, time_limit: float | None) -> int:
    """Return how many there are at most: of those said, or of the default."""
    if num_generations is None:
        return NUM_GENERATIONS if time_limit is None else ENDLESS
    return checks.whole(num_generations, "num_generations", minimum=0)


def time_left(time_limit: float | None, spent: float) -> float | None:
    """Return what is left of a time limit after so many seconds; None where there is none."""
    if time_limit is None:
        return None
    return max(0.0, checks.number(time_limit, "time_limit", 0) - spent)


def warn_of_size(X: Array, seen: float) -> None:
    """Warn of inputs that weights of the usual size make far too large, or far too small.

    seen: the root mean square behind the fixed layers, which may make up for that.
    """
    some = X[:1000]
    size, largest = float(np.sqrt(np.square(some, dtype=np.float64).mean())), np.abs(some).max()
    if min(size, seen) > LARGE_INPUTS:
        checks.warn(
            f"X holds numbers of about {size:,.0f}, and networks learn from numbers of about 1: "
            "divide images by their largest value, 255 for bytes, or standardise the columns; and "
            "do the same before predict"
        )
    elif 0 < largest < SMALL_INPUTS and seen < USUAL_SIZE:
        checks.warn(
            f"X holds numbers of at most {largest:.2g}, and networks learn from numbers of about "
            "1: images may have been divided by 255 twice; divide by their largest value once, or "
            "standardise the columns; and do the same before predict"
        )


def warn_of_same(X: Array) -> None:
    """Warn of inputs that are all the same, which nothing can tell apart."""
    if len(X) > 1 and (X[1:1000] == X[0]).all() and (X[1000:] == X[0]).all():
        checks.warn(
            f"all {len(X):,} samples to train on are the same, and no network can tell them apart: "
            "look at how they were read"
        )


def warn_of_missing(model: Model, y: ArrayLike) -> None:
    """Warn of classes of the network that have no image."""
    missing = np.setdiff1d(np.arange(model.num_classes), np.asarray(y))
    if not missing.size:
        return
    number = model.num_classes - missing.size
    only = f"y holds {number} of the {model.num_classes} classes of the network"
    checks.warn(
        f"{only}: there is no image of {_named(model, missing)}, which it will not learn; give "
        "images of all classes, shuffled where they are sorted, or a network of fewer outputs"
    )


def _named(model: Model, classes: Sequence[int] | Indices) -> str:
    """Return the names of classes, of the first few."""
    names = model.class_names or range(model.num_classes)
    more = f" and {len(classes) - _NAMED:,} more" if len(classes) > _NAMED else ""
    return ", ".join(printable(names[number]) for number in classes[:_NAMED]) + more


def warn_of_earlier(checkpoint: Checkpoint) -> None:
    """Warn of a checkpoint that an earlier run has left, and that this one will replace."""
    path = checkpoint.path
    if path.is_file() and path.stat().st_size:  # anything else is refused, or nothing is lost
        checks.warn(
            f"{path} has the checkpoint of an earlier run, and this one begins anew and "
            "replaces it: resume=True goes on with it; or give another path, or remove it"
        )


def warn_of_lone(model: Model, y: ArrayLike) -> None:
    """Warn of classes that have one image."""
    lone = lone_classes(model, y)
    if lone:
        named = _named(model, lone)
        has = f"class {named} has one image" if len(lone) == 1 else f"classes {named} have one each"
        checks.warn(
            f"{has}, from which nothing can be learned that holds for others: add images, or "
            "leave it out; it is not held out"
        )


def check_reach(stop_criteria: Any, validates: bool) -> None:
    """Raise ValueError for a criterion that the fitness on one lucky batch would fulfil."""
    criteria = [stop_criteria] if isinstance(stop_criteria, str) else stop_criteria or ()
    for criterion in (each for each in criteria if str(each).startswith("reach")):
        threshold = str(criterion).partition("_")[2] or "…"
        raise ValueError(
            f"stop_criteria={criterion!r} would end the run by one lucky batch; "
            + _cure_of_luck(threshold, validates)
        )


def check_thresholds(callbacks: Sequence[Callback], validates: bool) -> None:
    """Raise ValueError for callbacks that the fitness on one lucky batch would make stop."""
    for each in callbacks:
        if (
            isinstance(each, EarlyStopping)
            and each.monitor == "fitness"
            and each.threshold is not None
        ):
            raise ValueError(
                f"EarlyStopping(threshold={each.threshold}) would end the run by one lucky batch; "
                + _cure_of_luck(str(each.threshold), validates)
            )


def _cure_of_luck(threshold: str, validates: bool) -> str:
    """Return what to write instead, with validation data or without."""
    if validates:
        stopping = f'gacnn.EarlyStopping(threshold={threshold}, monitor="validation")'
        return f"give callbacks=[{stopping}], or batch_size=None, all images"
    return "give batch_size=None, all images, or validation data to monitor"


def check_auto(value: str, name: str, otherwise: str) -> None:
    """Raise ValueError for a word that is not "auto"."""
    if value != "auto":
        raise ValueError(f'{name} must be "auto", {otherwise}, not {value!r}')
