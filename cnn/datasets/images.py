"""Pictures in files and folders as arrays of one size and scale."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnn import checks
from cnn.checks import printable
from cnn.datasets import folders
from cnn.datasets.picture_files import ImageFileError, Picture, Sides, decoded
from cnn.scale import BYTES, UNIT, Range, Scale, decided, given, joined
from cnn.types import FilePath

Pixels = NDArray[np.float32]
T = TypeVar("T")

_LARGEST = 2**26  # pixels of a size to resize to
_NAMED = 5  # files that a warning names


class How(NamedTuple):
    """How pictures are read: see `cnn.datasets.load_image_folder`."""

    size: int | Sides | None = None
    channels: int | None = None
    scale: Scale | None = None
    max_pixels: int | None = None


class Loaded(NamedTuple):
    """Images and labels by split, the names of the classes, and the scale of the pixels."""

    splits: dict[str, tuple[Pixels, NDArray[np.intp]]]
    class_names: tuple[str, ...]
    scale: Scale


def load_images(
    paths: Iterable[FilePath],
    size: int | Sides | None = None,
    *,
    channels: int | None = None,
    scale: Scale | None = None,
    max_pixels: int | None = None,
) -> Pixels:
    """Return images of files, float32 (N, height, width, channels) in [0, 1].

    Args:
        paths: of the files, in the order of the images.
        size, channels, scale, max_pixels: as for `load_image_folder`.

    Returns:
        The images, with the scale that they had.

    Raises:
        FileNotFoundError: a file is not there; another OSError for one that cannot be read.
        ValueError: a file is no image, or damaged, or of another size than the others.
    """
    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"paths must be a list of files, not {paths!r}; give [{paths!r}]")
    files = [Path(path) for path in paths]
    if not files:
        raise ValueError("paths is empty; give at least one file")
    images = _Images(len(files), How(size, channels, scale, max_pixels))
    for file in files:
        images.add(file)
    return images.pixels()


def load_folder(path: FilePath, how: How, *, verbose: bool, every_split: bool) -> Loaded:
    """Return the images of a folder: see `cnn.datasets.load_image_folder` and `load_splits`."""
    found = folders.split_folders(Path(path))
    if len(found) > 1 and not every_split:
        rest = ", ".join(printable(folder.name) for folder in list(found.values())[1:])
        checks.warn(
            f"loaded {printable(found['train'])}, and not {rest}: load_splits loads all of them"
        )
        found = {"train": found["train"]}
    train = folders.split_of(found["train"])
    splits = {"train": train} | {
        part: folders.split_of(folder, train.names)
        for part, folder in found.items()
        if part != "train"
    }
    return _loaded(Path(path), splits, how, verbose)


def _loaded(path: Path, splits: dict[str, folders.Split], how: How, verbose: bool) -> Loaded:
    files = [(file, label, part) for part, each in splits.items() for file, label in each.files]
    for split in splits.values():
        _check_classes(split, [label for _, label in split.files], [])
    images = _Images(len(files), how)
    read, bad = _read(images, files, verbose)
    parts, start = {}, 0
    for part, split in splits.items():
        labels = [label for label, of in read if of == part]
        _check_classes(split, labels, bad)
        parts[part] = slice(start, start + len(labels)), np.array(labels, np.intp)
        start += len(labels)
    _warn(path, bad, len(files))
    pixels = images.pixels()
    if how.scale not in (None, images.scale):
        checks.warn(
            f"{printable(path)} holds pictures of 8 bits: taken as {images.scale}, not as the "
            f"scale says, {how.scale}"
        )
    arrays = {part: (pixels[rows], labels) for part, (rows, labels) in parts.items()}
    return Loaded(arrays, splits["train"].names, images.scale)


def _read(
    images: _Images, files: list[tuple[Path, int, str]], verbose: bool
) -> tuple[list[tuple[int, str]], list[ImageFileError]]:
    """Add the files that can be read; return the label and split of these, and the others."""
    read, bad = [], []
    for file, label, part in _progress(files, verbose):
        try:
            images.add(file)
        except ImageFileError as error:
            bad.append(error)
        except OSError as error:
            bad.append(ImageFileError(file, error.strerror))
        else:
            read.append((label, part))
    return read, bad


class _Images:
    """Images of one size in one array, in which there is room for so many."""

    def __init__(self, room: int, how: How) -> None:
        self.room, self.given = room, given(how.scale)
        self.sides = None if how.size is None else checks.pair(how.size, "size")
        self.channels = checks.one_of(how.channels, "channels", [None, 1, 3])
        self.max_pixels = how.max_pixels
        if self.max_pixels is not None:
            checks.whole(self.max_pixels, "max_pixels")
        if self.sides and math.prod(self.sides) > _LARGEST:
            raise ValueError(f"size must be {_LARGEST:,} pixels at most, not {_by(self.sides)}")
        self.files: list[Path] = []
        self.found: list[Range] = []
        self.deep: list[int] = []  # the images of more than 8 bits
        self.light: dict[int, Pixels] = {}

    def add(self, file: Path) -> None:
        """Decode a file; ValueError if its size differs from that of those before."""
        picture = decoded(file, self.sides, self.channels, self.max_pixels)
        pixels, number = picture.pixels, len(self.files)
        if not self.files:
            self._all = self._empty(picture)
        elif pixels.shape[:2] != self._all.shape[1:3]:
            raise ValueError(
                f"{printable(self.files[0])} is {_by(self._all.shape[1:3])} pixels and "
                f"{printable(file)} {_by(pixels.shape)}; give a size=(height, width) to make them "
                "one"
            )
        if pixels.shape[2] > self._all.shape[3]:  # the first in colour, after grey ones
            self._all = np.repeat(self._all, 3, axis=3)
        self._all[number] = pixels
        if picture.deep:
            self.deep.append(number)
        if picture.light is not None:
            self.light[number] = picture.light
        self.found.append(picture.found)
        self.files.append(file)

    def pixels(self) -> Pixels:
        """Return all images in [0, 1]; from then on there is a `scale`."""
        pixels, deep = self._all[: len(self.files)], set(self.deep)
        shallow = [number for number in range(len(pixels)) if number not in deep]
        of_bytes = self._scale_of_bytes(shallow) if shallow else BYTES
        of_deep = self._scale_of_deep(self.deep) if deep else of_bytes
        self.scale = of_deep if not deep else self.given or of_deep
        if shallow and deep:
            for number, image in enumerate(pixels):
                (of_deep if number in deep else of_bytes).applied(image)
        else:
            of_deep.applied(pixels)
        for number, light in self.light.items():
            pixels[number] += light * (of_deep.white / (of_deep.white - of_deep.black))
        return pixels

    def _scale_of_bytes(self, numbers: list[int]) -> Scale:
        """Return 0 to 255, which 8 bits are, unless they hold no more than another scale has."""
        found, scale = joined(self.found[number] for number in numbers), self.given
        if scale is not None:
            if 255 >= scale.black > scale.white >= 0:  # negatives, of which no other kind has these
                scale.check(found, self._named(numbers))
                return scale
            fits = scale.black >= 0 and found.highest <= scale.white <= 255
            return scale if fits else BYTES
        if found.highest != 1:
            return BYTES
        checks.warn(
            f"{self._named(numbers)} of 8 bits hold only 0 and 1: taken as black and white; if "
            "they are almost black, say so by scale=cnn.datasets.Scale(0, 255)"
        )
        return UNIT

    def _scale_of_deep(self, numbers: list[int]) -> Scale:
        """Return the scale of pictures of 16 or 32 bits, which may hold fewer."""
        found, scale = joined(self.found[number] for number in numbers), self.given
        of_bytes = scale is not None and scale.black == 0 and scale.white <= 255
        if scale is None or (of_bytes and "float" not in found.kind):
            return decided(found, self._named(numbers))
        scale.check(found, self._named(numbers))
        return scale

    def _named(self, numbers: list[int]) -> str:
        more = f" and {len(numbers) - 1:,} more" if len(numbers) > 1 else ""
        return f"{printable(self.files[numbers[0]])}{more}"

    def _empty(self, picture: Picture) -> Pixels:
        height, width, channels = picture.pixels.shape
        try:
            return np.empty((self.room, height, width, self.channels or channels), np.float32)
        except MemoryError as error:
            raise MemoryError(
                f"{self.room} images of {_by(picture.pixels.shape)} pixels do not fit into "
                "memory; give a smaller size"
            ) from error


def _by(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"


def _check_classes(split: folders.Split, labels: list[int], bad: list[ImageFileError]) -> None:
    filled = set(labels)
    for folder, label in split.classes.items():
        if label not in filled:
            folders.check_no_idx(split.folder)
            reasons = [f": {each}" for each in bad if folder in each.path.parents]
            raise ValueError(
                f"{printable(folder)} holds no image that can be read{(reasons or [''])[0]}; "
                "put some in, or remove the folder"
            )


def _warn(folder: Path, bad: list[ImageFileError], files: int) -> None:
    if bad:
        named = "; ".join(
            printable(f"{each.path.relative_to(folder)}: {each.reason}") for each in bad[:_NAMED]
        )
        more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        checks.warn(f"left out {len(bad)} of {files} files of {printable(folder)}: {named}{more}")


def _progress(items: Sequence[T], verbose: bool) -> Iterable[T]:
    from tqdm.auto import tqdm

    bar: Iterable[T] = tqdm(items, unit="image", delay=1, leave=False, disable=not verbose)
    return bar
