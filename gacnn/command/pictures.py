"""The images that `gacnn predict` is given: files, folders of them, and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnn import NumpyEngine
from cnn.checks import printable
from cnn.datasets import Scale
from cnn.types import AnyArray, Array

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_NAMES = ("x", "X", "images", "x_test", "X_test", "test_images")


class Unread(NamedTuple):
    """An image, or several, that are read when they are needed.

    names: what they are called; read: returns them (N, height, width, channels).
    """

    names: list[str]
    read: Callable[[], Array]


def found(
    paths: Sequence[Path],
    read: Callable[[Path], Array],
    scale: Scale | None,
    memory_limit: int | None,
) -> Iterator[Unread]:
    """Yield what paths hold, in order; the pictures in and below a folder by name.

    read: reads a picture. scale: of the pixels of arrays, None for what they seem to be.
    memory_limit: bytes of an array.
    """
    for path in paths:
        if path.is_dir():
            pictures = [each for each in sorted(path.rglob("*")) if each.suffix.lower() in SUFFIXES]
            for each in pictures:
                yield Unread([printable(each)], lambda each=each: read(each))  # type: ignore[misc]
            if not pictures:
                yield Unread([printable(path)], lambda path=path: _none(path))  # type: ignore[misc]
        elif path.suffix.lower() == ".npz":
            yield from _of_arrays(path, scale, memory_limit or NumpyEngine.memory_limit)
        else:
            yield Unread([printable(path)], lambda path=path: read(path))  # type: ignore[misc]


def _none(path: Path) -> Array:
    raise ValueError(
        f"{printable(path)} holds no picture; they end in {', '.join(sorted(SUFFIXES))}"
    )


def _of_arrays(path: Path, scale: Scale | None, memory_limit: int) -> Iterator[Unread]:
    try:
        images = _array(path, memory_limit)
    except (OSError, ValueError) as error:
        yield Unread([printable(path)], lambda error=error: _raised(error))  # type: ignore[misc]
        return
    names = [f"{printable(path)}[{number}]" for number in range(len(images))]
    shown = printable(path)
    yield Unread(names, lambda: (scale or Scale.of(images, shown)).apply(images, shown))


def _raised(error: Exception) -> Array:
    raise error


def _array(path: Path, memory_limit: int) -> AnyArray:
    """Return the images of an .npz file; nothing in it is executed."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = [name for name in _NAMES if name in archive.files] or archive.files
            if len(names) != 1:
                held = ", ".join(map(printable, archive.files)) or "nothing"
                raise ValueError(f"it must hold one array of images, x, but it holds {held}")
            size = archive.zip.getinfo(f"{names[0]}.npy").file_size
            if size > memory_limit:
                raise ValueError(
                    f"its images take {size:,} bytes and --memory-limit is {memory_limit:,}"
                )
            images = archive[names[0]]
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{printable(path)} cannot be read: {printable(error)}") from error
    if images.ndim not in (3, 4):
        raise ValueError(
            f"{printable(path)} must hold images (N, height, width) or (N, height, width, "
            f"channels), not {images.shape}"
        )
    channels: AnyArray = images[..., None] if images.ndim == 3 else images
    return channels
