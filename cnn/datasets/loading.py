"""Images and labels from files and folders: float32 (N, height, width, channels) in [0, 1]."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cnn import checks
from cnn.checks import printable
from cnn.datasets.array_files import Arrays, Named, idx_below, idx_sets, read_idx, read_npz
from cnn.datasets.images import How, Loaded, load_folder
from cnn.datasets.names import in_order, say_alike, say_missing
from cnn.scale import UNIT, Range, Scale, decided, given, joined
from cnn.types import FilePath

_CLASSES = 2**16  # labels from here on are no numbers of classes
_GAPS = 10  # times as many classes as there are labels: then these are hardly counted from 0


class _Fields(NamedTuple):
    X: NDArray[np.float32]
    y: NDArray[np.intp]
    class_names: tuple[str, ...]


class Dataset(_Fields):
    """Images and their labels, a tuple of three.

    Args:
        X: float32 (N, height, width, channels) in [0, 1].
        y: labels (N,), integers from 0.
        class_names: a name for each label.
        scale: what the pixels were before, to load other images alike; beside the tuple.
    """

    scale: Scale

    def __new__(
        cls,
        X: NDArray[np.float32],
        y: NDArray[np.intp],
        class_names: tuple[str, ...],
        scale: Scale = UNIT,
    ) -> Self:
        made = super().__new__(cls, X, y, class_names)
        made.scale = scale
        return made

    def _replace(self, **changes: Any) -> Self:
        return type(self)(**{**self._asdict(), "scale": self.scale, **changes})


class Splits(NamedTuple):
    """Images to train on, to validate on and to test on; None where there are none."""

    train: Dataset
    validation: Dataset | None
    test: Dataset | None


def load_digits() -> Dataset:
    """Return scikit-learn's 1,797 handwritten digits of 8 x 8 pixels.

    Raises ImportError without scikit-learn.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        needs = "load_digits needs scikit-learn: pip install 'gacnn[sklearn]'"
        raise ImportError(needs) from error
    digits, scale = datasets.load_digits(), Scale(0, 16)
    images = scale.apply(digits.images[..., None], "digits")
    return Dataset(images, digits.target.astype(np.intp), tuple(map(str, range(10))), scale)


def load_image_folder(
    path: FilePath,
    size: int | tuple[int, int] | None = None,
    *,
    channels: int | None = None,
    scale: Scale | None = None,
    max_pixels: int | None = None,
    verbose: bool = True,
) -> Dataset:
    """Return the images of a folder that has one sub-folder for each class.

    The classes are the names of the sub-folders, in alphabetical order, or where all are numbers
    in that of these; images may lie in folders below these,
    also in links to folders. Where the sub-folders are splits, such as train/ and val/ with the
    classes inside, those of train/ are returned, with a warning: `load_splits` returns all. Reads
    BMP, GIF, JPEG, PNG, PPM, TIFF and WebP files, by what is in them, not by their names; of an
    animation the first frame. Images are turned as their EXIF data say, and transparent parts are
    white. Pixels of 16 and 32 bits keep their levels.

    Args:
        path: the folder.
        size: (height, width), or one number for both, that the images are resized to; None takes
            them as they are, if all have the same size.
        channels: 1 for grey, 3 for colour; None for grey only if all images are.
        scale: what is black and white in pictures of more than 8 bits, or of no more levels than
            it has; None decides by their range and type. Other pictures are of bytes.
        max_pixels: of an image, as more may be a trap that fills the memory; None for Pillow's
            limit, 89 million.
        verbose: whether a long load shows its progress.

    What is no image, cannot be read or decoded, or is too large to be an honest picture is left
    out with one UserWarning that names it; hidden files, those that systems leave, such as
    thumbnails, and files beside the sub-folders, are left out. Raises ValueError for a class
    without images, images of different sizes and a size of more than 2**26 pixels,
    NotADirectoryError for a path that is no folder, and ImportError without Pillow.
    """
    how = How(size, channels, scale, max_pixels)
    return _splits_of(load_folder(path, how, verbose=verbose, every_split=False)).train


def load_npz(
    path: FilePath, *, scale: Scale | None = None, memory_limit: int | None = None
) -> tuple[Dataset, Dataset | None]:
    """Return the images to train on and, if the file has any, those to test on.

    Args:
        path: an .npz file of x_train, y_train, x_test and y_test as Keras has them, or of x and
            y; x_val and y_val are for `load_splits`. The names may be written otherwise:
            X_train, train_images, y_valid, test_labels. Images are (N, height, width) or (N,
            height, width, channels): bytes, numbers in [0, 1], or of 10 to 32 bits. Labels are
            (N,) or (N, 1): integers from 0, or strings. Names of the classes may be in
            class_names; without, strings are numbered in alphabetical order, or where all are
            numbers in that of these.
        scale: what is black and white; None decides by range and type of all images in the file.
        memory_limit: bytes that the file may take in memory, as more may be a trap; None for 1
            GiB, or 64 times the size of the file if that is more.

    Warns of arrays that are not used, and where the meaning of the pixels or of labels is not
    certain: names that hardly differ, "nan", numbers such as years. Raises
    FileNotFoundError, or another OSError, and ValueError, with the path, for a file that is
    damaged, pickled, or holds something else. Nothing in it is executed.
    """
    splits = _npz(path, scale, memory_limit)
    if splits.validation is not None:
        checks.warn(
            f"{printable(path)} holds images to validate on, which load_npz does not return; "
            "load_splits does"
        )
    return splits.train, splits.test


def load_idx(
    folder: FilePath, *, scale: Scale | None = None, memory_limit: int | None = None
) -> tuple[Dataset, Dataset | None]:
    """Return the images to train on and, if they are there, those to test on, of IDX files.

    Args:
        folder: holds, or a folder below it does, train-images-idx3-ubyte and
            train-labels-idx1-ubyte, and for the test images t10k-images-idx3-ubyte and
            t10k-labels-idx1-ubyte, as MNIST, Fashion-MNIST and KMNIST are handed out; also packed
            by gzip, with a dot before idx, with idx4 for images with channels, of any type of
            numbers, and with names before, as EMNIST has them: of several sets in one folder give
            folder/emnist-letters.
        scale: as for `load_npz`.
        memory_limit: as for `load_npz`.

    Source of the format: LeCun, Cortes & Burges, The MNIST database. Raises FileNotFoundError, or
    another OSError, and ValueError, with the path, for a file that is damaged.
    """
    splits = _idx(folder, scale, memory_limit)
    return splits.train, splits.test


def load_splits(
    path: FilePath,
    size: int | tuple[int, int] | None = None,
    *,
    channels: int | None = None,
    scale: Scale | None = None,
    max_pixels: int | None = None,
    memory_limit: int | None = None,
    verbose: bool = True,
) -> Splits:
    """Return the images to train, to validate and to test on, of whatever is at a path.

    Args:
        path: a file for `load_npz`, by any name; a folder, or set in it, for `load_idx`; or a
            folder for `load_image_folder`, of classes, or of splits such as train/, val/ and test/
            with the classes inside: their names may be written otherwise (Training_set, valid, dev,
            testing), and only classes of train/ may be in the others.
        size, channels, max_pixels: as for `load_image_folder`; for folders of images.
        scale: likewise; one scale, and one number of channels, holds for all splits.
        memory_limit: as for `load_npz` and `load_idx`; for these.
        verbose: whether a long load shows its progress.

    Returns:
        The splits; None for one that is not there.

    Raises:
        OSError, ValueError, TypeError: as these functions do.
    """
    place = Path(path)
    if place.is_dir() and not idx_below(place):
        how = How(size, channels, scale, max_pixels)
        return _splits_of(load_folder(place, how, verbose=verbose, every_split=True))
    if place.is_dir() or place in idx_sets(place.parent):
        return _idx(place, scale, memory_limit)
    return _npz(place, scale, memory_limit)


def _splits_of(loaded: Loaded) -> Splits:
    data = {
        part: Dataset(X, y, loaded.class_names, loaded.scale)
        for part, (X, y) in loaded.splits.items()
    }
    return Splits(data["train"], data.get("validation"), data.get("test"))


def _npz(path: FilePath, scale: Scale | None, memory_limit: int | None) -> Splits:
    return _of_arrays(path, read_npz(Path(path), _limit(memory_limit)), scale)


def _idx(path: FilePath, scale: Scale | None, memory_limit: int | None) -> Splits:
    return _of_arrays(path, read_idx(Path(path), _limit(memory_limit)), scale)


def _limit(memory_limit: int | None) -> int | None:
    return None if memory_limit is None else checks.whole(memory_limit, "memory_limit")


def _of_arrays(path: FilePath, arrays: Arrays, scale: Scale | None) -> Splits:
    """Return images and labels of arrays that are checked."""
    if arrays.unused:
        checks.warn(f"{printable(path)} holds arrays that are not used: {', '.join(arrays.unused)}")
    pairs = arrays.parts
    images = {part: _images(*x, _length(y)) for part, (x, (_, y)) in pairs.items()}
    labels = {part: _labels(*y, len(images[part])) for part, (_, y) in pairs.items()}
    for part, (x, y) in pairs.items():
        _check_alike(pairs["train"][0][0], images["train"], x[0], images[part])
        if labels[part].dtype.kind != labels["train"].dtype.kind:
            raise ValueError(
                f"{pairs['train'][1][0]} and {y[0]} must both be numbers or both strings"
            )
    found = np.unique(np.concatenate(list(labels.values())))
    names = _class_names(found, arrays.class_names, pairs["train"][1][0])
    titles = {part: x[0] for part, (x, _) in pairs.items()}
    scale = given(scale) or _decided(titles, images)
    data = {
        part: Dataset(scale.apply(X, titles[part]), _numbered(labels[part], names), names, scale)
        for part, X in images.items()
    }
    return Splits(data["train"], data.get("validation"), data.get("test"))


def _decided(titles: dict[str, str], images: dict[str, NDArray[Any]]) -> Scale:
    """Return the one scale of all parts, or that of the first where they are of several types."""
    found = [Range.of(X, titles[part]) for part, X in images.items()]
    alike = len({each.kind for each in found}) == 1
    return decided(joined(found) if alike else found[0], next(iter(titles.values())))


def _length(labels: NDArray[Any]) -> int:
    return len(labels) if labels.ndim else 0


# Checks


def _check_alike(name: str, images: NDArray[Any], other: str, others: NDArray[Any]) -> None:
    if images.shape[1:] != others.shape[1:]:
        raise ValueError(
            f"{other} must hold images of {images.shape[1:]} (height, width, channels), as "
            f"{name} does, not of {others.shape[1:]}"
        )


def _images(name: str, images: NDArray[Any], labels: int) -> NDArray[Any]:
    """Return images (N, height, width, channels) of real numbers, where there are N labels."""
    if images.ndim not in (3, 4) or images.size == 0 or images.dtype.kind not in "buif":
        raise ValueError(
            f"{name} must be numbers (N, height, width) or (N, height, width, channels), "
            f"not {images.dtype} of the shape {images.shape}{_reshaped(images)}"
        )
    if images.shape[0] != labels == images.shape[-1]:
        raise ValueError(
            f"{name} must hold the images along its first axis, not its last: it has the shape "
            f"{images.shape} for {labels} labels; np.moveaxis(images, -1, 0) makes it so"
        )
    return checks.channels_last(images[..., None] if images.ndim == 3 else images, name)


def _reshaped(images: NDArray[Any]) -> str:
    """Return what makes images of rows of pixels, or nothing."""
    if images.ndim != 2 or images.dtype.kind not in "buif":
        return ""
    side = math.isqrt(images.shape[1])
    if side > 1 and side**2 == images.shape[1]:
        return f"; if its rows are images, images.reshape(-1, {side}, {side}) makes it so"
    return "; if its rows are images, images.reshape(-1, height, width) makes it so"


def _labels(name: str, labels: NDArray[Any], images: int) -> NDArray[Any]:
    """Return labels (N,), integers from 0 or strings."""
    y = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if y.shape != (images,):
        raise ValueError(
            f"{name} must hold a label for each of {images} images, not the shape {y.shape}; "
            "of one-hot labels take argmax(axis=1)"
        )
    if y.dtype.kind == "U":
        return y
    if y.dtype.kind not in "buif" or not np.isin(y, np.arange(_CLASSES)).all():
        raise ValueError(f"{name} must be whole numbers from 0 to {_CLASSES - 1}, or strings")
    return y.astype(np.intp)


def _class_names(found: NDArray[Any], class_names: Named | None, y: str) -> tuple[str, ...]:
    """Return a name for each class, where these labels are found; warns where they are doubtful.

    y: what messages call the labels.
    """
    strings = found.dtype.kind == "U"
    if strings:
        say_alike(found.tolist(), y)
        say_missing(found.tolist(), y)
    if class_names is None:
        if strings:
            return tuple(in_order(found.tolist()))
        _say_gaps(found, y)
        return tuple(np.arange(found.max() + 1).astype(str).tolist())
    title, given = class_names
    names = tuple(np.ravel(given).astype(str).tolist())
    if len(set(names)) < len(names):
        listed = ", ".join(map(printable, names))
        raise ValueError(f"{title} must be different names, not {listed}")
    unnamed = set(found.tolist()) - set(names if strings else range(len(names)))
    if unnamed:
        raise ValueError(
            f"{title} has {len(names)} names, but none for the label {printable(min(unnamed))}"
        )
    return names


def _say_gaps(found: NDArray[Any], y: str) -> None:
    """Warn of numbers of which most, from 0 on, are no label, such as years."""
    classes = int(found.max()) + 1
    if classes > _GAPS * len(found):
        checks.warn(
            f"{y} holds {len(found)} different numbers, which makes {classes:,} classes, from 0 to "
            f"{classes - 1:,}; to make one of each number save y.astype(str)"
        )


def _numbered(y: NDArray[Any], names: tuple[str, ...]) -> NDArray[np.intp]:
    if y.dtype.kind != "U":
        return y
    labels, numbers = np.unique(y, return_inverse=True)
    return np.array([names.index(label) for label in labels], np.intp)[numbers]
