"""Gene spaces: which values genes may have, and how values get there."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from cnn import checks
from gacnn.operators.run import Run
from gacnn.types import Array


def space_bounds(run: Run) -> tuple[float, float] | None:
    """Return the least and the greatest value of the gene space, or None if there is none."""
    values = _allowed_values(run)
    if values is not None:
        return float(values[0]), float(values[-1])
    space = run.gene_space
    return None if space is None else (float(space["low"]), float(space["high"]))


def fit_to_space(genes: Array, run: Run) -> Array:
    """Return genes (…, n) as the population may hold them: the nearest allowed values.

    The gene space may be None, an interval, or the same list of numbers or steps for all genes;
    ValueError for one that differs between genes.
    """
    values = _allowed_values(run)
    dtype = run.population.dtype
    if values is not None:
        middles = (values[1:] + values[:-1]) / 2
        return values[np.searchsorted(middles, genes)].astype(dtype, copy=False)
    if dtype.kind in "iu":
        genes = np.clip(np.rint(genes), np.iinfo(dtype).min, np.iinfo(dtype).max)
    if run.gene_space is not None:
        low, high = run.gene_space["low"], run.gene_space["high"]
        if dtype.kind in "iu":
            low, high = np.ceil(low), np.ceil(high) - 1  # PyGAD draws integers below high
        genes = np.clip(genes, low, high)
    return genes.astype(dtype, copy=False)


def rounded_to_space(
    genes: Array, space: Any, rng: np.random.Generator, *, whole: bool = False
) -> Array:
    """Return genes (…, n) as a gene space, or None, has them, the same on average.

    Of the two nearest values of a finite space, or where genes are `whole` numbers, one is drawn,
    the nearer the more often: the small first weights of a network would all become the value next
    to 0 otherwise. An interval clips.
    """
    values = space_values(space)
    if values is None:
        bounds = space or {}
        least, greatest = bounds.get("low", -np.inf), bounds.get("high", np.inf)
        if not whole:
            return np.clip(genes, least, greatest)
        genes = np.clip(genes, np.ceil(least), np.ceil(greatest) - 1)
        low, high = np.floor(genes), np.ceil(genes)
    else:
        genes = np.clip(genes, values[0], values[-1])
        above = np.searchsorted(values, genes)
        low, high = values[np.maximum(above - 1, 0)], values[above]
    drawn: Array = np.where(genes - low > rng.random(genes.shape) * (high - low), high, low)
    return drawn


def is_nested(space: Any) -> bool:
    """Tell whether a gene space differs between genes."""
    several = isinstance(space, list | tuple | np.ndarray)
    return several and not all(isinstance(value, numbers.Real) for value in space)


def _allowed_values(run: Run) -> Array | None:
    if run.population.dtype == object:
        raise ValueError(
            "gene_type must be one type for all genes with an operator of an evolution strategy"
        )
    return space_values(run.gene_space)


def space_values(space: Any) -> Array | None:
    """Return the values of a finite gene space, sorted, or None for an interval or no space."""
    if space is None or (isinstance(space, dict) and "step" not in space):
        return None
    if isinstance(space, dict):
        space = _steps(space)
    try:
        values = np.asarray(list(space), float)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if values.ndim != 1 or np.isnan(values).any():
        raise ValueError(
            "gene_space must be the same for all genes (a list of numbers, a range, or low and "
            "high) with an operator of an evolution strategy"
        )
    return np.unique(values)


def _steps(space: dict[str, Any]) -> Array:
    """Return the values of low, high and step; ValueError where there are none."""
    try:
        values = np.arange(*(checks.number(space[name], name) for name in ("low", "high", "step")))
    except (KeyError, TypeError, ValueError, ZeroDivisionError, MemoryError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(
            f"gene_space must have low, high and a step, not {space}: {reason}"
        ) from error
    if not values.size:
        raise ValueError(f"gene_space has no values between low and high: {space}")
    return values
