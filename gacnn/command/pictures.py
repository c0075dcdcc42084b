"""The images that `gacnn predict` is given: files, folders of them, and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cnn import checks
from cnn.checks import printable
from cnn.datasets import Scale
from cnn.datasets.array_files import read_images
from cnn.datasets.folders import files_below
from cnn.datasets.picture_files import is_picture
from cnn.types import AnyArray, Array

SUFFIXES = {  # of what is a picture, or a damaged one; others are looked into
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
}


class Unread(NamedTuple):
    """An image, or several, that are read when they are needed.

    names: what they are called; read: returns them (N, height, width, channels).
    """

    names: list[str]
    read: Callable[[], Array]


def found(
    paths: Sequence[Path],
    read: Callable[[Path], Array],
    shape: tuple[int, ...],
    scale: Scale | None,
    memory_limit: int | None,
) -> Iterator[Unread]:
    """Yield what paths hold, in order; the pictures in and below a folder by name.

    read: reads a picture. shape: of images, (height, width, channels). scale: of the pixels of
    arrays, None for what they seem to be. memory_limit: bytes of an array.
    """
    for path in paths:
        if path.is_dir():
            pictures = _below(path)
            for each in pictures:
                yield Unread([printable(each)], lambda each=each: read(each))  # type: ignore[misc]
            if not pictures:
                yield Unread([printable(path)], lambda path=path: _none(path))  # type: ignore[misc]
        elif path.suffix.lower() == ".npz":
            yield from _of_arrays(path, shape, scale, memory_limit)
        else:
            yield Unread([printable(path)], lambda path=path: read(path))  # type: ignore[misc]


def _none(path: Path) -> Array:
    raise ValueError(f"{printable(path)} holds no picture")


def _of_arrays(
    path: Path, shape: tuple[int, ...], scale: Scale | None, memory_limit: int | None
) -> Iterator[Unread]:
    try:
        images = _array(path, shape, memory_limit)
    except (OSError, ValueError) as error:
        yield Unread([printable(path)], lambda error=error: _raised(error))  # type: ignore[misc]
        return
    names = [f"{printable(path)}[{number}]" for number in range(len(images))]
    shown = printable(path)
    yield Unread(names, lambda: (scale or Scale.of(images, shown)).apply(images, shown))


def _raised(error: Exception) -> Array:
    raise error


def _array(path: Path, shape: tuple[int, ...], memory_limit: int | None) -> AnyArray:
    """Return the images (N, *shape) of an .npz file; nothing in it is executed."""
    images = read_images(path, memory_limit)
    if images.ndim not in (3, 4) or len(images) == 0:
        raise ValueError(
            f"{printable(path)} must hold images (N, height, width) or (N, height, width, "
            f"channels), not {images.shape}"
        )
    images = images[..., None] if images.ndim == 3 else images
    if images.shape[1:] != shape:
        raise ValueError(
            f"{printable(path)} holds images of {images.shape[1:]} (height, width, channels), but "
            f"the run was trained on images of {shape}"
        )
    return images


def _below(folder: Path) -> list[Path]:
    """Return the pictures in and below a folder, as those of a class would be found."""
    real, notes = folder.resolve(), list[str]()
    files = [folder / file.relative_to(real) for file in files_below(real, real.parent, notes)]
    others = [file for file in files if file.suffix.lower() not in SUFFIXES]
    others = sorted(file for file in others if not is_picture(file))
    if others:
        more = f" and {len(others) - 1:,} more" if len(others) > 1 else ""
        notes.append(f"{printable(others[0].relative_to(folder))}{more}, no pictures")
    if notes:
        checks.warn(f"left out in {printable(folder)}: {'; '.join(notes)}")
    return sorted(set(files) - set(others))
