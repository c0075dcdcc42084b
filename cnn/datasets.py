"""Images and labels from files and folders: float32 (N, height, width, channels) in [0, 1]."""

from __future__ import annotations

import gzip
import math
import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.images import load_image_folder as _load_image_folder
from cnn.images import load_images
from cnn.types import FilePath

__all__ = ["Dataset", "load_digits", "load_idx", "load_image_folder", "load_images", "load_npz"]


_Named = tuple[str, NDArray[Any]]  # an array, and before it what errors call it
_NPZ_NAMES = {"x_train", "y_train", "x_test", "y_test", "x", "y", "class_names"}
_DEFLATE = 1032  # the most bytes that zip and gzip make of one
_CLASSES = 2**16  # labels from here on are no numbers of classes


class Dataset(NamedTuple):
    """Images and their labels.

    X: float32 (N, height, width, channels) in [0, 1]; y: labels (N,), integers from 0;
    class_names: a name for each label.
    """

    X: NDArray[np.float32]
    y: NDArray[np.intp]
    class_names: tuple[str, ...]


def load_digits() -> Dataset:
    """Return scikit-learn's 1,797 handwritten digits of 8 x 8 pixels.

    Raises ImportError without scikit-learn.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        needs = "load_digits needs scikit-learn: pip install 'gacnn[sklearn]'"
        raise ImportError(needs) from error
    digits = datasets.load_digits()
    images = (digits.images[..., None] / 16).astype(np.float32)
    return Dataset(images, digits.target.astype(np.intp), tuple(map(str, range(10))))


def load_image_folder(
    path: FilePath,
    size: int | tuple[int, int] | None = None,
    *,
    channels: int | None = None,
    verbose: bool = True,
) -> Dataset:
    """Return the images of a folder that has one sub-folder for each class.

    The classes are the names of the sub-folders, sorted; images may lie in folders below these.
    Reads BMP, GIF, JPEG, PNG, PPM, TIFF and WebP files, by what is in them, not by their names; of
    an animation the first frame. Images are turned as their EXIF data say, and transparent parts
    are white.

    size: (height, width), or one number for both, that the images are resized to; None takes them
    as they are, if all have the same size. channels: 1 for grey, 3 for colour; None for grey only
    if all images are. verbose: whether a long load shows its progress.

    What is no image, cannot be read or decoded, or is too large to be an honest picture is left
    out with one UserWarning that names it; hidden files, and files beside the sub-folders, are
    left out. Raises ValueError for a class without images, images of different sizes and a size of
    more than 2**26 pixels, NotADirectoryError for a path that is no folder, and ImportError
    without Pillow.
    """
    images, labels, names = _load_image_folder(path, size, channels=channels, verbose=verbose)
    return Dataset(images, labels, names)


def load_npz(path: FilePath) -> tuple[Dataset, Dataset | None]:
    """Return the images to train on and, if the file has any, those to test on.

    path: an .npz file of x_train, y_train, x_test and y_test as Keras has them, or of x and y (X
    and Y as well). Images are (N, height, width) or (N, height, width, channels): integers from 0
    to 255, or numbers in [0, 1]. Labels are (N,) or (N, 1): integers from 0, or strings. Names of
    the classes may be in class_names; without, strings are numbered in alphabetical order.

    Raises FileNotFoundError, or another OSError, and ValueError, with the path, for a file that is
    damaged, pickled, or holds something else. Nothing in it is executed.
    """
    path = Path(path)
    arrays, others = _npz_arrays(path)
    keys = [("x_train", "y_train") if "x_train" in arrays else ("x", "y")]
    if "x_test" in arrays or "y_test" in arrays:
        keys.append(("x_test", "y_test"))
    if not all(x in arrays and y in arrays for x, y in keys):
        raise ValueError(
            f"{path} must hold x_train, y_train, x_test and y_test, or x and y, "
            f"but it holds {', '.join([*arrays, *others]) or 'nothing'}"
        )
    named = {name: (f"{name} of {path}", array) for name, array in arrays.items()}
    return _datasets([(named[x], named[y]) for x, y in keys], named.get("class_names"))


def load_idx(folder: FilePath) -> tuple[Dataset, Dataset | None]:
    """Return the images to train on and, if they are there, those to test on, of IDX files.

    folder: holds train-images-idx3-ubyte and train-labels-idx1-ubyte, and for the test images
    t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, as MNIST, Fashion-MNIST and KMNIST are
    handed out; also with .gz at the end, or a dot before idx, and idx4 for images with channels.
    Source of the format: LeCun, Cortes & Burges, The MNIST database.

    Raises FileNotFoundError, or another OSError, and ValueError, with the path, for a file that
    is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder of IDX files")
    pairs = []
    for split in ("train", "t10k"):
        images, labels = (_idx_file(folder, f"{split}-{kind}") for kind in ("images", "labels"))
        if images and labels:
            pairs.append(((f"{images}", _read_idx(images)), (f"{labels}", _read_idx(labels))))
        elif images or labels or split == "train":
            missing = f"{split}-labels-idx1" if images else f"{split}-images-idx3"
            raise FileNotFoundError(
                f"{folder} has no {missing}-ubyte, nor one with .gz at the end or a dot before idx"
            )
    return _datasets(pairs, None)


# Arrays of files


def _npz_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Return the arrays of an .npz file that mean something, by name, and the other names."""
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _known_arrays(archive, path.stat().st_size * _DEFLATE)
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(
                f"{path} is damaged or no .npz file of arrays: {error}; "
                "write one by np.savez(path, x_train=…, y_train=…)"
            ) from error


def _known_arrays(archive: zipfile.ZipFile, most: int) -> tuple[dict[str, NDArray[Any]], list[str]]:
    arrays, others = {}, []
    for member in archive.namelist():
        name = member.removesuffix(".npy")
        name = name.lower() if len(name) == 1 else name
        if name in arrays:
            raise ValueError(f"it holds {name} and {name.upper()}")
        if name in _NPZ_NAMES:
            arrays[name] = _npy(archive, member, most)
        else:
            others.append(name)
    return arrays, others


def _npy(archive: zipfile.ZipFile, name: str, most: int) -> NDArray[Any]:
    """Return an array, if its header promises no more bytes than it has, nor more than `most`."""
    with archive.open(name) as file:
        shape, dtype = _npy_header(file)
        if dtype.hasobject:
            raise ValueError(f"{name} holds pickled objects, which could execute code")
        size = math.prod(shape) * max(dtype.itemsize, 1)
        if size > min(archive.getinfo(name).file_size, most):
            raise ValueError(f"{name} is truncated")
    with archive.open(name) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _idx_file(folder: Path, kind: str) -> Path | None:
    pattern = re.compile(rf"{kind}[-.]idx[134]-ubyte(\.gz)?")
    named = (file for file in sorted(folder.iterdir()) if pattern.fullmatch(file.name))
    return next((file for file in named if file.is_file()), None)


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Return an array: two zeros, type 8, dimensions, big-endian sizes, then bytes."""
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            return _idx_array(file, path.stat().st_size * (_DEFLATE if packed else 1))
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged or no IDX file: {error}; download it again") from error


def _idx_array(file: Any, most: int) -> NDArray[np.uint8]:
    """Read an array of at most so many bytes."""
    head = file.read(4)
    if len(head) < 4 or head[:3] != b"\0\0\x08":
        found = head.hex(" ") or "nothing"
        raise ValueError(f"it begins with {found}, not with 00 00 08 and its dimensions")
    sizes = file.read(4 * head[3])
    shape = np.frombuffer(sizes, ">u4", len(sizes) // 4).tolist()
    number = math.prod(shape)
    if len(sizes) < 4 * head[3] or number > most:
        raise ValueError("it is truncated")
    data = file.read(number + 1)
    if len(data) != number:
        raise ValueError(f"it is {'truncated' if len(data) < number else 'too long'}")
    return np.frombuffer(data, np.uint8).reshape(shape)


# Checks


def _datasets(
    pairs: list[tuple[_Named, _Named]], class_names: _Named | None
) -> tuple[Dataset, Dataset | None]:
    """Return what to train on and what to test on, of arrays of images and of labels."""
    images = [_images(*x) for x, _ in pairs]
    labels = [_labels(*y, len(X)) for X, (_, y) in zip(images, pairs, strict=True)]
    if images[0].shape[1:] != images[-1].shape[1:]:
        raise ValueError(
            f"{pairs[-1][0][0]} must hold images of {images[0].shape[1:]} (height, width, "
            f"channels), as {pairs[0][0][0]} does, not of {images[-1].shape[1:]}"
        )
    if len({y.dtype.kind for y in labels}) > 1:
        raise ValueError(
            f"{pairs[0][1][0]} and {pairs[-1][1][0]} must both be numbers or both strings"
        )
    names = _class_names(np.unique(np.concatenate(labels)), class_names)
    train, *test = (
        Dataset(X, _numbered(y, names), names) for X, y in zip(images, labels, strict=True)
    )
    return train, test[0] if test else None


def _images(name: str, images: NDArray[Any]) -> NDArray[np.float32]:
    if images.ndim not in (3, 4) or images.size == 0 or images.dtype.kind not in "buif":
        raise ValueError(
            f"{name} must be numbers (N, height, width) or (N, height, width, channels), "
            f"not {images.dtype} of the shape {images.shape}"
        )
    images = images[..., None] if images.ndim == 3 else images
    lowest, highest = images.min(), images.max()
    scale = 255 if images.dtype.kind in "ui" else 1
    if not (lowest >= 0 and highest <= scale):
        raise ValueError(
            f"{name} must be integers from 0 to 255 or numbers from 0 to 1, but it is "
            f"{images.dtype} from {lowest} to {highest}"
        )
    X = images.astype(np.float32)
    X /= scale
    return X


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


def _class_names(found: NDArray[Any], class_names: _Named | None) -> tuple[str, ...]:
    """Return a name for each class, where these labels are found."""
    strings = found.dtype.kind == "U"
    if class_names is None:
        return tuple((found if strings else np.arange(found.max() + 1).astype(str)).tolist())
    title, given = class_names
    names = tuple(np.ravel(given).astype(str).tolist())
    if len(set(names)) < len(names):
        raise ValueError(f"{title} must be different names, not {', '.join(names)}")
    unnamed = set(found.tolist()) - set(names if strings else range(len(names)))
    if unnamed:
        raise ValueError(f"{title} has {len(names)} names, but none for the label {min(unnamed)}")
    return names


def _numbered(y: NDArray[Any], names: tuple[str, ...]) -> NDArray[np.intp]:
    if y.dtype.kind != "U":
        return y
    labels, numbers = np.unique(y, return_inverse=True)
    return np.array([names.index(label) for label in labels], np.intp)[numbers]
