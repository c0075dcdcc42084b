"""Pictures in files as arrays, with Pillow."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn import checks

Pixels = NDArray[np.float32]
FilePath = str | os.PathLike[str]

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_ORIENTATION = 0x0112  # EXIF tag; from 5 on, height and width change places
_NAMED = 5  # files that a warning names


class ImageFileError(ValueError):
    """A file that cannot be read as an image: its path and the reason."""

    def __init__(self, path: Path, reason: object) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be read as an image: {reason}")


class _Seen(NamedTuple):
    """What the head of an image file says."""

    path: Path
    size: tuple[int, int]
    grey: bool


def load_images(
    paths: Iterable[FilePath],
    size: int | tuple[int, int] | None = None,
    *,
    channels: int | None = None,
) -> Pixels:
    """Return images of files, float32 (N, height, width, channels) in [0, 1].

    size and channels: as for `load_image_folder`. Raises FileNotFoundError, or another OSError,
    and ValueError for a file that is no image, or damaged, or of another size than the others.
    """
    seen = [_head(Path(path)) for path in paths]
    if not seen:
        raise ValueError("paths is empty; give at least one file")
    pixels = _empty(seen, _sides(size, seen), _channels(channels, seen))
    for image, each in zip(pixels, seen, strict=True):
        image[...] = _decoded(each.path, *image.shape)
    return pixels


def load_image_folder(
    path: FilePath,
    size: int | tuple[int, int] | None,
    *,
    channels: int | None,
    verbose: bool,
) -> tuple[Pixels, NDArray[np.intp], tuple[str, ...]]:
    """Return images, labels and class names: see `cnn.datasets.load_image_folder`."""
    folder = Path(path)
    classes = _class_folders(folder)
    bad: list[ImageFileError] = []
    seen: list[_Seen] = []
    labels: list[int] = []
    for label, its_folder in enumerate(classes):
        for file in _files(its_folder):
            try:
                seen.append(_head(file))
                labels.append(label)
            except (ImageFileError, OSError) as error:
                bad.append(_unreadable(file, error))
    _check_classes(classes, labels, bad)
    pixels = _empty(seen, _sides(size, seen), _channels(channels, seen))
    kept = np.ones(len(seen), bool)
    for number, each in enumerate(_progress(seen, verbose)):
        try:
            pixels[number] = _decoded(each.path, *pixels.shape[1:])
        except (ImageFileError, OSError) as error:
            bad.append(_unreadable(each.path, error))
            kept[number] = False
    numbers = np.array(labels, np.intp)[kept]
    _check_classes(classes, numbers.tolist(), bad)
    _warn(folder, bad)
    return pixels if kept.all() else pixels[kept], numbers, tuple(each.name for each in classes)


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
    for label, folder in enumerate(classes):
        if label not in labels:
            reasons = [f": {each}" for each in bad if folder in each.path.parents]
            raise ValueError(
                f"{folder} holds no image that can be read{(reasons or [''])[0]}; "
                "put some in, or remove the folder"
            )


def _unreadable(path: Path, error: Exception) -> ImageFileError:
    return error if isinstance(error, ImageFileError) else ImageFileError(path, error)


def _warn(folder: Path, bad: list[ImageFileError]) -> None:
    if bad:
        named = "; ".join(
            f"{each.path.relative_to(folder)}: {each.reason}" for each in bad[:_NAMED]
        )
        more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        warnings.warn(f"left out {len(bad)} files of {folder}: {named}{more}", stacklevel=4)


def _progress(seen: Sequence[_Seen], verbose: bool) -> Iterable[_Seen]:
    from tqdm.auto import tqdm

    bar: Iterable[_Seen] = tqdm(seen, unit="image", delay=1, leave=False, disable=not verbose)
    return bar


# Images


def _pillow() -> Any:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError("images need Pillow: pip install 'gacnn[images]'") from error
    return Image, ImageOps


def _opened(path: Path) -> Any:
    """Open an image, of which nothing is decoded yet."""
    Image, _ = _pillow()
    if path.suffix.lower() not in SUFFIXES:
        raise ImageFileError(path, f"{path.suffix or 'a name without suffix'} is no kind of image")
    with path.open("rb") as file:
        if not file.read(1):
            raise ImageFileError(path, "it is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow warns of images that are too large to be honest
        return Image.open(path)


def _head(path: Path) -> _Seen:
    try:
        with _opened(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
            grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
            return _Seen(path, (width, height) if turned else (height, width), grey)
    except (ImageFileError, ImportError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        raise ImageFileError(path, error) from error


def _decoded(path: Path, height: int, width: int, channels: int) -> Pixels:
    """Return an image, float32 (height, width, channels) in [0, 1]."""
    Image, ImageOps = _pillow()
    try:
        with _opened(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits
                image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
            if image.has_transparency_data:
                image = image.convert("RGBA")
                ground = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(ground, image)
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(image, np.float32) / np.float32(255)
            return pixels.reshape(height, width, channels)
    except (ImageFileError, MemoryError, PermissionError):
        raise
    except Exception as error:
        raise ImageFileError(path, error) from error


def _sides(size: int | tuple[int, int] | None, seen: Sequence[_Seen]) -> tuple[int, int]:
    if size is not None:
        return checks.pair(size, "size")
    first = seen[0]
    for each in seen:
        if each.size != first.size:
            raise ValueError(
                f"{first.path} is {_by(first.size)} pixels and {each.path} {_by(each.size)}; "
                "give a size=(height, width) to make them one"
            )
    return first.size


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _channels(channels: int | None, seen: Sequence[_Seen]) -> int:
    if channels is None:
        return 1 if all(each.grey for each in seen) else 3
    return checks.one_of(channels, "channels", [1, 3])


def _empty(seen: Sequence[_Seen], sides: tuple[int, int], channels: int) -> Pixels:
    shape = (len(seen), *sides, channels)
    try:
        return np.empty(shape, np.float32)
    except MemoryError as error:
        raise MemoryError(
            f"{len(seen)} images of {_by(sides)} pixels do not fit into memory; give a smaller size"
        ) from error
