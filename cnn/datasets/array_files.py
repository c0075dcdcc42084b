"""Arrays in .npz and IDX files, of which nothing is executed and nothing believed."""

from __future__ import annotations

import gzip
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn import checks
from cnn.checks import printable

Named = tuple[str, NDArray[Any]]  # an array, and before it what errors call it
Pair = tuple[Named, Named]  # images and labels

_DEFLATE = 1032  # the most bytes that zip and gzip make of one
_ROOM = 2**30  # bytes that any file may become
_PACKED = 64  # times its own size that a file of images may become
_BELOW = 3  # floors below a folder in which IDX files are looked for

_PARTS = {
    "": "",
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_KINDS = {
    **dict.fromkeys(("x", "image", "images"), "images"),
    **dict.fromkeys(("y", "label", "labels"), "labels"),
}
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # by their codes
_CONTENTS = {  # first bytes, and what such a file is
    b"BZh": "packed by bzip2; unpack it by bunzip2",
    b"\xfd7zXZ": "packed by xz; unpack it by unxz",
    b"\x93NUMPY": "a single array, as np.save writes it, without labels; put both into one file",
    b"\x89HDF": "an HDF5 file; read it with h5py",
    b"\xff\xd8": "a picture; give the folder that has one sub-folder of them for each class",
    b"\x89PNG": "a picture; give the folder that has one sub-folder of them for each class",
    b"\x80": "a pickle, which could execute code",
    b"<": "a web page or XML, as a failed download leaves it; download it again",
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file by git lfs pull",
}


class Arrays(NamedTuple):
    """What a file holds: pairs of images and labels by part, "train" first, and names."""

    parts: dict[str, Pair]
    class_names: Named | None = None
    unused: tuple[str, ...] = ()


# .npz


def read_npz(path: Path, memory_limit: int | None) -> Arrays:
    """Return the arrays of an .npz file: see `cnn.datasets.load_npz`."""
    with _opened(path, "x_train=…, y_train=…") as archive:
        return _npz(path, archive, memory_limit)


def read_images(path: Path, memory_limit: int | None) -> NDArray[Any]:
    """Return images without labels: x of an .npz file, or x_test, or else its only array."""
    with _opened(path, "x=…") as archive:
        members = [name for name in archive.namelist() if not name.endswith("/")]
        places = {_place(member): member for member in members}
        named = [places[part, "images"] for part in ("", "test") if (part, "images") in places]
        chosen = (named or members)[:1]
        if not named and len(members) != 1:
            raise ArrayFileError(
                f"{printable(path)} must hold one array of images, x, but it holds "
                f"{', '.join(map(_title, members)) or 'nothing'}"
            )
        _check_room(path, [_header(archive, path, chosen[0])], memory_limit)
        return _npy(archive, chosen[0])


@contextmanager
def _opened(path: Path, arrays: str) -> Iterator[zipfile.ZipFile]:
    """Open an .npz file; what then fails is said to be damage. arrays: what such a file holds."""
    checks.regular_file(path)
    with path.open("rb") as file:
        try:
            if (content := contents(file)) != "zip":
                raise ValueError(f"it is {_words(content)}")
            with zipfile.ZipFile(file) as archive:
                yield archive
        except (MemoryError, ArrayFileError):
            raise
        except Exception as error:
            raise ValueError(
                f"{printable(path)} is damaged or no .npz file of arrays: {printable(error)}; "
                f"write one by np.savez(path, {arrays})"
            ) from error


class ArrayFileError(ValueError):
    """A file that is whole and holds something else than is wanted, or too much."""


def contents(file: IO[bytes]) -> str:
    """Tell "zip", "gzip" or "idx", or in words what a file is, by its first bytes."""
    head = file.read(24)
    file.seek(0)
    kinds = {b"PK\3\4": "zip", b"PK\5\6": "zip", b"\x1f\x8b": "gzip"}
    kinds |= {bytes([0, 0, code]): "idx" for code in _IDX_TYPES}
    for start, kind in kinds.items():
        if head.startswith(start):
            return kind
    known = (words for start, words in _CONTENTS.items() if head.lstrip().startswith(start))
    return next(known, f"something else that begins with {head[:4].hex(' ')}" if head else "empty")


def _words(content: str) -> str:
    packed = {
        "zip": "a zip archive; unpack it",
        "gzip": "packed by gzip; unpack it, or give its folder if it is an IDX file",
        "idx": "an IDX file; give its folder",
    }
    return packed.get(content, content)


def _npz(path: Path, archive: zipfile.ZipFile, memory_limit: int | None) -> Arrays:
    members = [name for name in archive.namelist() if not name.endswith("/")]
    found, class_names, unused = _sorted(path, members)
    used = [*(name for kinds in found.values() for name in kinds.values()), *class_names]
    _check_room(path, [_header(archive, path, name) for name in used], memory_limit)
    if len(found.get("train", ())) < 2:
        raise ArrayFileError(
            f"{printable(path)} must hold x_train, y_train, x_test and y_test, or x and y, "
            f"but it holds {', '.join(map(_title, members)) or 'nothing'}"
        )
    read = {name: (f"{_title(name)} of {printable(path)}", _npy(archive, name)) for name in used}
    parts: dict[str, Pair] = {
        part: (read[found[part]["images"]], read[found[part]["labels"]])
        for part in ("train", "validation", "test")
        if part in found
    }
    return Arrays(parts, read[class_names[0]] if class_names else None, tuple(unused))


def _sorted(
    path: Path, members: list[str]
) -> tuple[dict[str, dict[str, str]], list[str], list[str]]:
    """Return members by part and kind, that of class names, and the titles of the rest."""
    found: dict[str, dict[str, str]] = {}
    class_names, unused = [], []
    for member in members:
        place = _place(member)
        if member.removesuffix(".npy") == "class_names":
            class_names.append(member)
        elif place is None:
            unused.append(_title(member))
        else:
            part, kind = place
            known = found.setdefault(part, {}).setdefault(kind, member)
            if known != member:
                raise ArrayFileError(
                    f"{printable(path)} holds {_title(known)} and {_title(member)}; save one"
                )
    whole = found.pop("", {})  # such as x and y, which mean something where there is no x_train
    if "train" in found:
        unused += [_title(member) for member in whole.values()]
    elif whole:
        found["train"] = whole
    for part in [part for part, kinds in found.items() if len(kinds) < 2 and part != "train"]:
        unused += [f"{_title(member)} (alone)" for member in found.pop(part).values()]
    return found, class_names, unused


def _place(member: str) -> tuple[str, str] | None:
    """Return part and kind of an array by its name, such as X_val, y, train_images."""
    words = member.removesuffix(".npy").lower().split("_")
    pairs = (words, words[::-1]) if len(words) == 2 else [[*words, ""]]
    for kind, part in pairs[: len(words)]:
        if kind in _KINDS and part in _PARTS:
            return _PARTS[part], _KINDS[kind]
    return None


def _title(member: str) -> str:
    return printable(member.removesuffix(".npy"))


def _header(archive: zipfile.ZipFile, path: Path, name: str) -> tuple[int, int]:
    """Return how many numbers of how many bytes an array holds, if that can be true."""
    with archive.open(name) as file:
        shape, dtype = _npy_header(file)
    if dtype.hasobject:
        raise ArrayFileError(
            f"{_title(name)} of {printable(path)} holds pickled objects, which could execute code; "
            "save labels as strings by y.astype(str), and images of one shape by np.stack(X)"
        )
    number, size = math.prod(shape), max(dtype.itemsize, 1)
    most = min(archive.getinfo(name).file_size, path.stat().st_size * _DEFLATE)
    if number * size > most:
        raise ValueError(f"{_title(name)}.npy is truncated")
    return number, size


def _check_room(path: Path, arrays: list[tuple[int, int]], memory_limit: int | None) -> None:
    """Raise ValueError if arrays of so many numbers of so many bytes need more than the limit."""
    size = path.stat().st_size
    limit = max(_ROOM, _PACKED * size) if memory_limit is None else memory_limit
    needed = sum(number * max(width, 4) for number, width in arrays)
    if needed > limit:
        raise ArrayFileError(
            f"{printable(path)} has {size:,} bytes and unpacks to {needed:,} bytes of memory, over "
            f"the limit of {limit:,}; if it is no trap, give memory_limit={needed}"
        )


def _npy(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
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


# IDX

_IDX = re.compile(
    r"(?:(?P<set>.+)-)?(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx[134]-ubyte(?:\.gz)?"
)

Set = dict[str, dict[str, Path]]  # files by part and kind


def read_idx(folder: Path, memory_limit: int | None) -> Arrays:
    """Return the arrays of IDX files: see `cnn.datasets.load_idx`."""
    files = _chosen(folder)
    parts = {}
    for part in ("train", "test"):
        kinds = files.get(part, {})
        if len(kinds) < 2 and (kinds or part == "train"):
            split = "train" if part == "train" else "t10k"
            kind = "images-idx3" if "images" not in kinds else "labels-idx1"
            raise FileNotFoundError(
                f"{printable(folder)} has no {split}-{kind}-ubyte, nor one with .gz at the end or "
                "a dot before idx"
            )
        if kinds:
            images, labels = (_idx(kinds[kind], memory_limit) for kind in ("images", "labels"))
            parts[part] = images, labels
    return Arrays(parts)


def idx_sets(folder: Path) -> dict[Path, Set]:
    """Return the sets of IDX files in a folder, by the folder and the name they begin with."""
    sets: dict[Path, Set] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (match := _IDX.fullmatch(file.name)) and file.is_file():
            place = folder / match["set"] if match["set"] else folder
            part = "train" if match["part"] == "train" else "test"
            sets.setdefault(place, {}).setdefault(part, {}).setdefault(match["kind"], file)
    return sets


def idx_below(folder: Path) -> dict[Path, Set]:
    """Return the sets of IDX files in a folder, or where there is none in those below it."""
    folders = [folder]
    for _ in range(_BELOW + 1):
        sets = {place: files for each in folders for place, files in idx_sets(each).items()}
        if sets:
            return sets
        folders = [each for above in folders for each in _visible_folders(above)]
    return {}


def _visible_folders(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        names = [each.name for each in entries if each.is_dir() and each.name[0] != "."]
    yield from (folder / name for name in sorted(names))


def _chosen(folder: Path) -> Set:
    """Return the only set in or below a folder, or that which the path names in its folder."""
    if not folder.is_dir():
        if not folder.exists() and (files := idx_sets(folder.parent).get(folder)):
            return files
        raise NotADirectoryError(f"{printable(folder)} is no folder of IDX files")
    sets = idx_below(folder)
    others = ", ".join(printable(place) for place in sets if place != folder)
    if folder in sets and others:
        checks.warn(
            f"{printable(folder)} holds other sets of IDX files too; to load one give {others}"
        )
        return sets[folder]
    if len(sets) > 1:
        raise ValueError(
            f"{printable(folder)} holds several sets of IDX files; give one of them: {others}"
        )
    return next(iter(sets.values()), {})


def _idx(path: Path, memory_limit: int | None) -> Named:
    """Return an array: two zeros, its type, dimensions, big-endian sizes, then numbers."""
    try:
        with path.open("rb") as file:
            content = contents(file)
            if content in _CONTENTS.values() or content == "zip":
                raise ArrayFileError(f"{printable(path)} is no IDX file: it is {_words(content)}")
            packed = content == "gzip"
            most = path.stat().st_size * (_DEFLATE if packed else 1)
            return printable(path), _idx_array(
                gzip.open(file) if packed else file, path, most, memory_limit
            )
    except ArrayFileError:
        raise
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{printable(path)} is damaged or no IDX file: {printable(error)}; download it again"
        ) from error


def _idx_array(file: Any, path: Path, most: int, memory_limit: int | None) -> NDArray[Any]:
    """Read an array of at most so many bytes."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES:
        found = head.hex(" ") or "nothing"
        raise ValueError(f"it begins with {found}, not with 00 00 08 and its dimensions")
    sizes, dtype = file.read(4 * head[3]), np.dtype(_IDX_TYPES[head[2]])
    shape = np.frombuffer(sizes, ">u4", len(sizes) // 4).tolist()
    number = math.prod(shape)
    size = number * dtype.itemsize
    if len(sizes) < 4 * head[3] or size > most:
        raise ValueError("it is truncated")
    _check_room(path, [(number, dtype.itemsize)], memory_limit)
    data = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"it is {'truncated' if len(data) < size else 'too long'}")
    return np.frombuffer(data, dtype).reshape(shape)
