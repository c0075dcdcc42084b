"""Pictures in files as arrays, with Pillow."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnn import checks
from cnn.types import FilePath

Pixels = NDArray[np.float32]
Picture = NDArray[np.uint8]
Sides = tuple[int, int]
T = TypeVar("T")

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # none that runs other programs
_LARGEST = 2**26  # pixels of a size to resize to
_NAMED = 5  # files that a warning names


class ImageFileError(ValueError):
    """A file that cannot be read as an image: its path and the reason."""

    def __init__(self, path: Path, reason: object) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be read as an image: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:  # so that it comes back from another process
        return type(self), (self.path, self.reason)


def load_images(
    paths: Iterable[FilePath],
    size: int | Sides | None = None,
    *,
    channels: int | None = None,
) -> Pixels:
    """Return images of files, float32 (N, height, width, channels) in [0, 1].

    size and channels: as for `load_image_folder`. Raises FileNotFoundError, or another OSError,
    and ValueError for a file that is no image, or damaged, or of another size than the others.
    """
    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"paths must be a list of files, not {paths!r}; give [{paths!r}]")
    files = [Path(path) for path in paths]
    if not files:
        raise ValueError("paths is empty; give at least one file")
    images = _Images(len(files), size, channels)
    for file in files:
        images.add(file)
    return images.pixels()


def load_image_folder(
    path: FilePath,
    size: int | Sides | None,
    *,
    channels: int | None,
    verbose: bool,
) -> tuple[Pixels, NDArray[np.intp], tuple[str, ...]]:
    """Return images, labels and class names: see `cnn.datasets.load_image_folder`."""
    folder = Path(path)
    classes = _class_folders(folder)
    files = [(file, label) for label, each in enumerate(classes) for file in _files(each)]
    _check_classes(classes, [label for _, label in files], [])
    images = _Images(len(files), size, channels)
    labels: list[int] = []
    bad: list[ImageFileError] = []
    for file, label in _progress(files, verbose):
        try:
            images.add(file)
        except ImageFileError as error:
            bad.append(error)
        except OSError as error:
            bad.append(ImageFileError(file, error.strerror))
        else:
            labels.append(label)
    _check_classes(classes, labels, bad)
    _warn(folder, bad, len(files))
    names = tuple(each.name for each in classes)
    return images.pixels(), np.array(labels, np.intp), names


class _Images:
    """Images of one size in one array, in which there is room for so many."""

    def __init__(self, room: int, size: int | Sides | None, channels: int | None) -> None:
        self.room = room
        self.sides = None if size is None else checks.pair(size, "size")
        self.channels = checks.one_of(channels, "channels", [None, 1, 3])
        self.files: list[Path] = []
        if self.sides and math.prod(self.sides) > _LARGEST:
            raise ValueError(f"size must be {_LARGEST:,} pixels at most, not {_by(self.sides)}")

    def add(self, file: Path) -> None:
        """Decode a file; ValueError if its size differs from that of those before."""
        picture = _decoded(file, self.sides, self.channels)
        if not self.files:
            self._all = self._empty(picture)
        elif picture.shape[:2] != self._all.shape[1:3]:
            raise ValueError(
                f"{self.files[0]} is {_by(self._all.shape[1:3])} pixels and {file} "
                f"{_by(picture.shape)}; give a size=(height, width) to make them one"
            )
        if picture.shape[2] > self._all.shape[3]:  # the first in colour, after grey ones
            self._all = np.repeat(self._all, 3, axis=3)
        np.divide(picture, 255, out=self._all[len(self.files)], dtype=np.float32)
        self.files.append(file)

    def pixels(self) -> Pixels:
        return self._all[: len(self.files)]

    def _empty(self, picture: Picture) -> Pixels:
        height, width, channels = picture.shape
        try:
            return np.empty((self.room, height, width, self.channels or channels), np.float32)
        except MemoryError as error:
            raise MemoryError(
                f"{self.room} images of {_by(picture.shape)} pixels do not fit into memory; "
                "give a smaller size"
            ) from error


def _by(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"


# Folders


def _class_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        kind = "a file" if folder.exists() else "not there"
        raise NotADirectoryError(
            f"{folder} must be a folder with one sub-folder of images for each class, but it is "
            f"{kind}"
        )
    classes = sorted(
        each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")
    )
    if not classes:
        raise ValueError(
            f"{folder} has no sub-folders; put the images of each class into one, such as "
            f"{folder / 'cats'} and {folder / 'dogs'}"
        )
    return classes


def _files(folder: Path) -> Iterator[Path]:
    """Files of a folder and those below it that are not hidden, in order."""

    def fail(error: OSError) -> None:
        raise error

    for where, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(where, name) for name in sorted(names) if not name.startswith("."))


def _check_classes(classes: list[Path], labels: list[int], bad: list[ImageFileError]) -> None:
    filled = set(labels)
    for label, folder in enumerate(classes):
        if label not in filled:
            reasons = [f": {each}" for each in bad if folder in each.path.parents]
            raise ValueError(
                f"{folder} holds no image that can be read{(reasons or [''])[0]}; "
                "put some in, or remove the folder"
            )


def _warn(folder: Path, bad: list[ImageFileError], files: int) -> None:
    if bad:
        named = "; ".join(
            f"{each.path.relative_to(folder)}: {each.reason}" for each in bad[:_NAMED]
        )
        more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        warnings.warn(
            f"left out {len(bad)} of {files} files of {folder}: {named}{more}", stacklevel=4
        )


def _progress(items: Sequence[T], verbose: bool) -> Iterable[T]:
    from tqdm.auto import tqdm

    bar: Iterable[T] = tqdm(items, unit="image", delay=1, leave=False, disable=not verbose)
    return bar


# Images


def _pillow() -> Any:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError("images need Pillow: pip install 'gacnn[images]'") from error
    return Image, ImageOps


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an image, of which nothing is decoded yet; what then fails is an ImageFileError."""
    Image, _ = _pillow()
    if path.exists() and not path.is_file():  # a pipe would never end
        raise ImageFileError(path, "it is no file")
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of trifles
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        if not file.read(1):
            raise ImageFileError(path, "it is empty")
        try:
            with Image.open(file, formats=_FORMATS) as image:
                yield image
        except (ImageFileError, MemoryError):
            raise
        except Image.UnidentifiedImageError as error:
            raise ImageFileError(
                path, f"it is no kind of image among {', '.join(_FORMATS)}"
            ) from error
        except Exception as error:
            raise ImageFileError(path, error) from error


def _decoded(path: Path, sides: Sides | None, channels: int | None) -> Picture:
    """Return an image, (height, width, 1) if it is grey or to be so, else (height, width, 3)."""
    Image, ImageOps = _pillow()
    with _opened(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith(("I", "F")):
            image = Image.fromarray(_bytes(path, np.asarray(image)))
        grey = image.mode in ("1", "L", "LA")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            ground = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(ground, image)
        image = image.convert("L" if grey or channels == 1 else "RGB")
        if sides and image.size != sides[::-1]:
            image = image.resize(sides[::-1], Image.Resampling.BILINEAR)
        return np.atleast_3d(np.asarray(image))


def _bytes(path: Path, values: NDArray[Any]) -> Picture:
    """Return pixels of 16 bits as pixels of 8."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() >= 2**16:
        raise ImageFileError(path, "its pixels have neither 8 nor 16 bits")
    return np.rint(values / 257).astype(np.uint8)
