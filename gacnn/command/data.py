"""The images that the command line is told to use."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn import datasets
from cnn.checks import printable
from cnn.datasets import Dataset
from cnn.datasets.array_files import idx_below
from gacnn.command.settings import Settings
from gacnn.training.held_out import stratified

DIGITS = "digits"  # scikit-learn's, as the name of data


Data = datasets.Splits


def load(settings: Settings, scale: datasets.Scale | None = None) -> Data:
    """Return the images to train, to validate and to test on; None where there shall be none.

    Data with test images of their own keep them, and images to validate on beside these; alone
    those are what to test on. Of other data test_share is drawn, by the seed, the same share of
    every class. Raises ValueError for images of another size than was wanted, and where fewer than
    two classes are left to train on; warns of others that are not.
    """
    data, validation, test = parts(
        settings.data,
        settings.size,
        scale=scale,
        max_pixels=settings.max_pixels,
        memory_limit=settings.memory_limit,
    )
    height, width = data.X.shape[1:3]
    if settings.size not in (None, (height, width)):
        raise ValueError(
            f"--size is for folders of images; those of {settings.data} are {height} x {width}"
        )
    if test is None:
        test, validation = validation, None
    if test is None and settings.test_share > 0:
        number = max(1, round(settings.test_share * len(data.y)))
        out = stratified(data.y, number, settings.random_seed, labels=True)
        if out.any():
            data, test = _part(data, ~out), _part(data, out)
    _check_classes(data, settings.data)
    return Data(data, validation, test)


def check_apart(run: Path, data: str) -> None:
    """Raise ValueError for a run in the folder of its pictures, where it would be a class."""
    place = Path(data)
    if data == DIGITS or not place.is_dir() or idx_below(place):
        return
    if run.resolve().is_relative_to(place.resolve()):
        raise ValueError(
            f"--out {printable(run)} is inside of {printable(data)}, where it would be taken for a "
            "class; give a folder elsewhere"
        )


def _check_classes(data: Dataset, source: str) -> None:
    found = np.unique(data.y)
    if len(found) < 2:
        raise ValueError(
            f"{source} leaves images of {len(found)} class to train on, and it takes two; "
            "add images of others, or set fewer aside by --test-share"
        )


def parts(
    data: str,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    scale: datasets.Scale | None = None,
    max_pixels: int | None = None,
    memory_limit: int | None = None,
) -> Data:
    """Load what `gacnn train DATA` names.

    Args:
        data: "digits" or a path, for `cnn.datasets.load_splits`.
        size, channels, max_pixels: of the images of a folder.
        scale: of the pixels of a run, None for what they seem to be.
        memory_limit: bytes that a packed file may take.
    """
    if data == DIGITS:
        return Data(datasets.load_digits(), None, None)
    return datasets.load_splits(
        data,
        size,
        channels=channels,
        scale=scale,
        max_pixels=max_pixels,
        memory_limit=memory_limit,
    )


def _checksum(data: Data) -> int:
    """Return a number that tells data from others."""
    number = 0
    for part in data:
        if part is not None:
            names = repr(part.class_names).encode()
            for values in (part.X, part.y, np.frombuffer(names, np.uint8)):
                number = zlib.crc32(np.ascontiguousarray(values).data, number)
    return number


def _part(data: Dataset, chosen: NDArray[np.bool_]) -> Dataset:
    return data._replace(X=data.X[chosen], y=data.y[chosen])


def numbered(data: Dataset, names: list[str]) -> NDArray[np.intp]:
    """Return labels as numbers of the classes of a run; ValueError for classes it has not."""
    found = [data.class_names[number] for number in np.unique(data.y)]
    unknown = [name for name in found if name not in names]
    if unknown:
        raise ValueError(
            f"the data have the classes {', '.join(map(printable, unknown))}, which the run does "
            f"not know; it knows {', '.join(map(printable, names))}"
        )
    numbers = [names.index(name) if name in names else -1 for name in data.class_names]
    return np.array(numbers)[data.y]
