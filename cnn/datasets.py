"""Images and labels from files and folders: float32 (N, height, width, channels) in [0, 1]."""

from __future__ import annotations

import gzip
import math
import os
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.images import load_image_folder as _load_image_folder
from cnn.images import load_images

__all__ = ["Dataset", "load_digits", "load_idx", "load_image_folder", "load_images", "load_npz"]

FilePath = str | os.PathLike[str]

_DEFLATE = 1032  # the most bytes that gzip makes of one


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
    Reads what Pillow reads; of an animation the first frame. Images are turned as their EXIF data
    say, and transparent parts are white.

    size: (height, width), or one number for both, that the images are resized to; None takes them
    as they are, if all have the same size. channels: 1 for grey, 3 for colour; None for grey only
    if all images are. verbose: whether a long load shows its progress.

    What is no image, cannot be read or decoded, or is too large to be an honest picture is left
    out with one UserWarning that names it; hidden files are left out. Raises ValueError for a
    class without images, images of different sizes, and a path that is no such folder;
    ImportError without Pillow.
    """
    images, labels, names = _load_image_folder(path, size, channels=channels, verbose=verbose)
    return Dataset(images, labels, names)


def load_npz(path: FilePath) -> tuple[Dataset, Dataset | None]:
    """Return the images to train on and, if the file has any, those to test on.

    path: an .npz file of x_train, y_train, x_test and y_test as Keras has them, or of x and y (X
    and Y as well). Images are (N, height, width) or (N, height, width, channels): integers from 0
    to 255, or numbers in [0, 1]. Labels are (N,) or (N, 1): integers from 0, or strings. Names of
    the classes may be in class_names.

    Raises FileNotFoundError, or another OSError, and ValueError, with the path, for a file that is
    damaged, pickled, or holds something else. Nothing in it is executed.
    """
    arrays = _npz_arrays(Path(path))
    train = arrays.get("x_train", arrays.get("x")), arrays.get("y_train", arrays.get("y"))
    test = arrays.get("x_test"), arrays.get("y_test")
    names = arrays.get("class_names")
    if any(part is None for part in train) or (test[0] is None) != (test[1] is None):
        raise ValueError(
            f"{path} must hold x_train, y_train, x_test and y_test, or x and y, "
            f"but it holds {', '.join(arrays) or 'nothing'}"
        )
    parts = [_dataset(*part, f"{path}") for part in (train, test) if part[0] is not None]
    return _with_names(parts, names, path)


def load_idx(folder: FilePath) -> tuple[Dataset, Dataset | None]:
    """Return the images to train on and, if they are there, those to test on, of IDX files.

    folder: holds train-images-idx3-ubyte and train-labels-idx1-ubyte, and for the test images
    t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, as MNIST, Fashion-MNIST and EMNIST are
    handed out; also with .gz at the end, or a dot before idx. Source of the format: LeCun, Cortes
    & Burges, The MNIST database.

    Raises FileNotFoundError, or another OSError, and ValueError, with the path, for a file that
    is damaged.
    """
    folder = Path(folder)
    parts = []
    for split, needed in (("train", True), ("t10k", False)):
        files = [_idx_file(folder, f"{split}-{kind}") for kind in ("images", "labels")]
        if needed or any(files):
            for file, kind in zip(files, ("images-idx3", "labels-idx1"), strict=True):
                if file is None:
                    raise FileNotFoundError(
                        f"there is no {split}-{kind}-ubyte or {split}-{kind}-ubyte.gz in {folder}"
                    )
            images, labels = (_read_idx(file) for file in files if file is not None)
            parts.append(_dataset(images, labels, f"{files[0]}"))
    return _with_names(parts, None, folder)


# Arrays of files


def _npz_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file by name, those of one letter in lower case."""
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if name.endswith(".npy")]
                arrays = {name[:-4]: _npy(archive, name) for name in names}
        except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ValueError(
                f"{path} is damaged or no .npz file of arrays: {error}; "
                "write one by np.savez(path, x_train=…, y_train=…)"
            ) from error
    return {name.lower() if len(name) == 1 else name: array for name, array in arrays.items()}


def _npy(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Return an array, of which no more is read than the archive says that it holds."""
    with archive.open(name) as file:
        shape, dtype = _npy_header(file)
        if dtype.hasobject:
            raise ValueError(f"{name} holds pickled objects, which could execute code")
        if math.prod(shape) * dtype.itemsize > archive.getinfo(name).file_size:
            raise ValueError(f"{name} is truncated")
    with archive.open(name) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _idx_file(folder: Path, name: str) -> Path | None:
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder of IDX files")
    kind = "idx3" if name.endswith("images") else "idx1"
    for form in (f"{name}-{kind}-ubyte", f"{name}.{kind}-ubyte"):
        for file in (folder / form, folder / f"{form}.gz"):
            if file.is_file():
                return file
    return None


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Return an array: two zeros, type 8, dimensions, big-endian sizes, then bytes."""
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            return _idx_array(file, path.stat().st_size * (_DEFLATE if packed else 1))
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged or no IDX file: {error}") from error


def _idx_array(file: Any, most: int) -> NDArray[np.uint8]:
    """Read an array of at most so many bytes."""
    head = file.read(4)
    if len(head) < 4 or head[:3] != b"\0\0\x08":
        raise ValueError("it does not begin as a file of bytes does")
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


def _dataset(images: Any, labels: Any, path: str) -> Dataset:
    """Return checked images and labels, named by number or by what they are."""
    X = _images(np.asarray(images), path)
    y = np.asarray(labels)
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.shape != (len(X),):
        raise ValueError(
            f"{path} must hold a label for each of {len(X)} images, but its labels have the shape "
            f"{y.shape}"
        )
    if y.dtype.kind in "US":
        names, numbers = np.unique(y.astype(str), return_inverse=True)
        return Dataset(X, numbers.astype(np.intp), tuple(names.tolist()))
    if y.dtype.kind not in "buif" or (y != np.floor(y)).any() or y.min() < 0:
        raise ValueError(f"labels of {path} must be whole numbers from 0, or strings")
    return Dataset(X, y.astype(np.intp), tuple(map(str, range(int(y.max()) + 1))))


def _images(images: NDArray[Any], path: str) -> NDArray[np.float32]:
    if images.ndim not in (3, 4) or images.size == 0 or images.dtype.kind not in "buif":
        raise ValueError(
            f"images of {path} must be numbers (N, height, width) or (N, height, width, channels), "
            f"not {images.dtype} of the shape {images.shape}"
        )
    images = images[..., None] if images.ndim == 3 else images
    lowest, highest = images.min(), images.max()
    scale = 255 if images.dtype.kind in "ui" else 1
    if not (lowest >= 0 and highest <= scale):
        raise ValueError(
            f"images of {path} must be integers from 0 to 255 or numbers from 0 to 1, but they "
            f"are {images.dtype} from {lowest} to {highest}"
        )
    X = images.astype(np.float32)
    X /= scale
    return X


def _with_names(
    parts: list[Dataset], names: NDArray[Any] | None, path: FilePath
) -> tuple[Dataset, Dataset | None]:
    """Give the parts names of classes in common."""
    known = max((part.class_names for part in parts), key=len)
    for part in parts:
        if part.class_names != known[: len(part.class_names)]:
            raise ValueError(
                f"{path} must have the same classes to train and to test on, not "
                f"{', '.join(parts[0].class_names)} and {', '.join(part.class_names)}"
            )
    if names is not None:
        given = tuple(str(name) for name in np.ravel(names))
        if len(given) < len(known):
            raise ValueError(
                f"class_names of {path} has {len(given)} names for {len(known)} classes"
            )
        known = given
    train, *test = (part._replace(class_names=known) for part in parts)
    return train, test[0] if test else None
