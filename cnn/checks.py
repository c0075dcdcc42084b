"""One vocabulary of checks: each names the argument, what came, what was wanted and the cure."""

from __future__ import annotations

import difflib
import math
import operator
import os
import stat
import sys
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Choice = TypeVar("Choice")


def whole(value: Any, name: str, minimum: int = 1) -> int:
    """Return the value as an int of at least `minimum`."""
    try:
        integer = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        integer = None
    if integer is None:
        raise TypeError(f"{name} must be an integer, not {value!r} ({type(value).__name__})")
    if integer < minimum:
        raise ValueError(f"{name} must be at least {minimum}, not {integer}")
    return integer


def sizes(value: Any, name: str, minimum: int = 1) -> int | tuple[int, int]:
    """Return one integer, or two (vertical, horizontal), of at least `minimum`."""
    if not np.iterable(value) or isinstance(value, str):
        return whole(value, name, minimum)
    integers = [whole(each, name, minimum) for each in value]
    if len(integers) != 2:
        raise ValueError(f"{name} must be one integer or two (vertical, horizontal), not {value!r}")
    return integers[0], integers[1]


def pair(value: Any, name: str, minimum: int = 1) -> tuple[int, int]:
    """Return (vertical, horizontal) of an integer, which stands for both, or of two."""
    size = sizes(value, name, minimum)
    return size if isinstance(size, tuple) else (size, size)


def number(value: ArrayLike, name: str, minimum: float = -math.inf) -> float:
    """Return a finite real number of at least `minimum`."""
    if isinstance(value, str):
        raise TypeError(f"{name} must be a number, not {value!r}")
    array = real(value, name)
    if array.ndim or not np.isfinite(array):
        raise ValueError(f"{name} must be a finite number, not {value!r}")
    if array < minimum:
        raise ValueError(f"{name} must be at least {minimum}, not {value!r}")
    return float(array)


def flag(value: Any, name: str) -> bool:
    """Return True or False; TypeError for what is neither, nor a whole number."""
    if isinstance(value, bool | np.bool_ | int):
        return bool(value)
    raise TypeError(f"{name} must be True or False, not {value!r} ({type(value).__name__})")


def path(value: Any, name: str) -> Path:
    """Return the path of a file or folder; TypeError for what is none."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, not {value!r} ({type(value).__name__})")
    if not os.fspath(value):
        raise ValueError(f"{name} must be a path, not an empty one")
    return Path(value)


def one_of(
    value: Choice, name: str, choices: Collection[Choice], others: Mapping[str, Any] | None = None
) -> Choice:
    """Return the value if it is among the choices.

    others: names that are none of them, and what is meant by them.
    """
    if not any(value is choice or (np.isscalar(value) and value == choice) for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        meant = nearest(value, choices, others)
        raise ValueError(f"{name} must be one of {listed}, not {value!r}{meant}")
    return value


def nearest(
    value: object, choices: Collection[Any], others: Mapping[str, Any] | None = None
) -> str:
    """Return "; did you mean …?" with the choice nearest to a mistyped name, or nothing."""
    if not isinstance(value, str):
        return ""
    word, known = value.lower(), others or {}
    if word in known and known[word] in choices:
        return f"; did you mean {known[word]!r}?"
    names = {each.lower(): each for each in choices if isinstance(each, str)}
    found = difflib.get_close_matches(word, names, 1)
    return f"; did you mean {names[found[0]]!r}?" if found else ""


def unmasked(value: ArrayLike, name: str) -> NDArray[Any]:
    """Return an array of anything, of which nothing is masked: NumPy would drop the mask."""
    if "numpy.ma" in sys.modules and np.ma.is_masked(value):  # without it there is no such array
        raise ValueError(
            f"{name} is a masked array, and its masked values are no numbers; leave such rows out, "
            f"or say by {name}.filled(…) which numbers take their place"
        )
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array, with rows of one length: {error}") from error


def real(value: ArrayLike, name: str) -> NDArray[Any]:
    """Return an array of real numbers (bool, integer or float), of which none is masked."""
    array = unmasked(value, name)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (OverflowError, TypeError, ValueError) as error:
            raise TypeError(
                f"{name} must hold real numbers, but {error}{_stack(array, name)}"
            ) from error
    if array.dtype.kind not in "buif":
        cure = ""
        if array.dtype.kind in "US" and array.ndim == 1:
            cure = (
                f"; of names of classes np.unique({name}, return_inverse=True)[1] makes numbers, "
                "of all data at once"
            )
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}{cure}")
    return array


def _stack(array: NDArray[Any], name: str) -> str:
    """Return what makes one array of a column of arrays, such as a pandas Series of images."""
    if array.ndim == 1 and array.size and np.ndim(array[0]):
        return f"; if it is a column of arrays of one shape, np.stack({name}) makes one of them"
    return ""


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
        wanted += "," if len(shape) == 1 else ""
        raise ValueError(
            f"{name} must have the shape ({wanted}) = ({axes}), not {array.shape}"
            + (f"; {cure}" if cure else "")
        )
    if any(want is None and got == 0 for want, got in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} is empty: its shape is {array.shape}; give at least one")
    return array


def finite(array: NDArray[Any], name: str, first: int = 0) -> NDArray[Any]:
    """Return the array if it holds no NaN and no infinity, in float32 neither.

    `first`: the index of its first row in what the user gave.
    """
    if array.dtype.kind == "f" and not _all_finite(array):
        row = next(row for row, values in enumerate(array) if not _all_finite(values))
        raise ValueError(
            f"{name} must be finite in float32, but {name}[{first + row}] holds "
            f"{array[row] if array.ndim == 1 else 'NaN, an infinity or a number over 3.4e38'}; "
            "remove or replace it"
        )
    return array


def _all_finite(array: NDArray[Any]) -> bool:
    if array.size == 0:
        return True
    with np.errstate(all="ignore"):
        if array.dtype == np.float32 and np.isfinite(array.sum()):
            return True  # neither NaN nor infinity is lost in a sum
        # No copy: a NaN anywhere makes both NaN.
        extremes = np.array([array.min(), array.max()]).astype(np.float32)
    return bool(np.isfinite(extremes).all())


def labels(value: ArrayLike, name: str, images: int, classes: int) -> NDArray[np.intp]:
    """Return class labels (images,) as integers from 0 to classes - 1."""
    array = shaped(value, name, (images,), "one label an image", _one_label(value, name))
    wrong = array[~np.isin(array, np.arange(classes))]
    if wrong.size:
        raise ValueError(
            f"{name} must hold whole numbers from 0 to {classes - 1}, because the network has "
            f"{classes} classes, not {wrong[0]}; number the classes from 0"
        )
    return array.astype(np.intp)


def _one_label(value: ArrayLike, name: str) -> str:
    """Return how labels that are no (N,) become one for each image."""
    array = real(value, name)
    if array.ndim != 2 or array.shape[1] == 1:
        return f"of a column take {name}[:, 0]"
    return several_labels(array, name) or f"of one-hot {name} take {name}.argmax(axis=1)"


def several_labels(array: NDArray[Any], name: str) -> str:
    """Return what to do with multilabel targets (N, labels), rows of 0 and 1; nothing for others.

    Rows with a single 1 each are one-hot labels.
    """
    if array.ndim != 2 or array.dtype.kind not in "buif" or not np.isin(array, (0, 1)).all():
        return ""
    marked = array.sum(axis=1)
    if (marked == 1).all():
        return ""
    row = int((marked != 1).argmax())
    return (
        f"{name} is multilabel ({name}[{row}] marks {int(marked[row])} classes), and a classifier "
        "gives an image one label: train a network for each column, or one of sigmoid outputs with "
        'metric="mse"'
    )


def channels_last(array: NDArray[Any], name: str, *, said: bool = False) -> NDArray[Any]:
    """Return images (N, height, width, channels), if they are not (N, channels, height, width).

    Raises ValueError for 1 or 3 rows of square images, such as (N, 3, 32, 32): rows as wide as
    they have channels are no coincidence. Warns where images of few rows and many channels may be
    meant, and where they are `said` to be, as by a network for such images. Other shapes pass.
    """
    if array.ndim != 4:
        return array
    _, first, second, last = array.shape
    if first > 4 or min(second, last) < 8 or max(second, last) > 4 * min(second, last):
        return array
    doubt = (
        f"{name} of the shape {array.shape} looks like (N, channels, height, width), but images "
        f"are (N, height, width, channels): "
    )
    cure = "np.moveaxis(images, 1, -1) makes them so"
    if first in (1, 3) and second == last and not said:
        raise ValueError(doubt + cure)
    warn(f"{doubt}taken as {first} rows of {second} pixels with {last} channels; {cure}")
    return array


def printable(name: object, also: str = "") -> str:
    """Return a name as text for a message: what would steer a terminal is shown as an escape.

    also: characters that stay as they are, such as newlines between the lines of a report.
    """
    return "".join(
        character
        if character.isprintable() or character in also
        else character.encode("unicode_escape").decode("ascii")
        for character in str(name)
    )


def regular_file(path: str | os.PathLike[str]) -> None:
    """Raise an OSError or ValueError that names the path, unless it is a file, or a link to one.

    Opening a pipe would wait forever, and a device may never end.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{printable(path)} is a folder, and a file is wanted")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{printable(path)} is a pipe or device, and a file is wanted")


def warn(message: str) -> None:
    """Warn at the line of the user that led here: the first outside of these packages and PyGAD."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_own(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _is_own(module: str) -> bool:
    return module.partition(".")[0] in ("cnn", "gacnn", "pygad")  # whose loop calls gacnn
