"""One vocabulary of checks: each names the argument, what came, what was wanted and the cure."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Choice = TypeVar("Choice")


def whole(value: object, name: str, minimum: int = 1) -> int:
    """Return the value as an int of at least `minimum`."""
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, not {value!r} ({type(value).__name__})")
    number = operator.index(value)
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, not {number}")
    return number


def pair(value: object, name: str, minimum: int = 1) -> tuple[int, int]:
    """Return (vertical, horizontal) of an integer, which stands for both, or of two."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 2:
            raise ValueError(f"{name} must be one integer or two (vertical, horizontal): {value!r}")
        return whole(value[0], name, minimum), whole(value[1], name, minimum)
    number = whole(value, name, minimum)
    return number, number


def one_of(value: Choice, name: str, choices: Collection[Choice]) -> Choice:
    """Return the value if it is among the choices."""
    if not any(value is choice or value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {listed}, not {value!r}")
    return value


def real(value: ArrayLike, name: str) -> NDArray[Any]:
    """Return an array of real numbers (bool, integer or float)."""
    array = np.asarray(value)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must hold real numbers, but {error}") from error
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    return array


def shaped(
    value: ArrayLike, name: str, shape: tuple[int | None, ...], axes: str, cure: str = ""
) -> NDArray[Any]:
    """Return an array of real numbers of this shape, where None stands for any length but 0."""
    array = real(value, name)
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{name} must have the shape ({wanted}) = ({axes}), not {array.shape}"
            + (f"; {cure}" if cure else "")
        )
    if array.size == 0:
        raise ValueError(f"{name} is empty: its shape is {array.shape}; give at least one")
    return array


def finite(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the array if it holds no NaN and no infinity, in float32 neither."""
    if array.dtype.kind == "f" and not _all_finite(array):
        row = int(np.argwhere(~np.isfinite(array.astype(np.float32)))[0][0])
        raise ValueError(
            f"{name} must be finite in float32, but {name}[{row}] holds "
            f"{array[row] if array.ndim == 1 else 'NaN, an infinity or a number over 3.4e38'}; "
            "remove or replace it"
        )
    return array


def _all_finite(array: NDArray[Any]) -> bool:
    with np.errstate(all="ignore"):
        # The sum is quick, and finite only if all numbers are.
        if math.isfinite(array.sum(dtype=array.dtype)) and array.dtype.itemsize <= 4:
            return True
        return bool(np.isfinite(array.astype(np.float32, copy=False)).all())


def labels(value: ArrayLike, name: str, number: int, classes: int) -> NDArray[np.intp]:
    """Return class labels (number,) as integers from 0 to classes - 1."""
    array = shaped(value, name, (number,), "one label an image")
    whole_numbers = array.astype(np.intp) if np.isfinite(array).all() else None
    if whole_numbers is None or (whole_numbers != array).any():
        raise ValueError(f"{name} must hold whole numbers, one class label an image")
    low, high = int(whole_numbers.min()), int(whole_numbers.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name} must hold labels from 0 to {classes - 1} (the network has {classes} outputs), "
            f"not {low if low < 0 else high}"
        )
    return whole_numbers
