"""Files of arrays and JSON in one .npz, never pickle, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnn import checks

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

Array = NDArray[Any]
FilePath = str | os.PathLike[str]

_STORED = 0  # zipfile.ZIP_STORED
_ABANDONED = 3600.0  # seconds after which nobody writes to a temporary file any more


@contextmanager
def replacing(path: FilePath, follow: bool = True) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` when all is written, and otherwise leaves it.

    Written next to it, synced to disk and renamed, and the folder synced: even after a power loss
    the old file or the new one is there, whole. The permissions of the old file are kept. A
    symbolic link stays one and the file it leads to is replaced; with `follow=False`, for a name
    in a folder that may be a stranger's, it is refused. Raises OSError, with the path, where that
    cannot be done, for a file that is read-only, and for a folder, a pipe or a device.
    """
    name = None
    try:
        target = writable(path, follow)
        _sweep_once(target)
        name = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
        with open(name, "xb") as file:
            if target.exists():
                handle = file.fileno() if os.chmod in os.supports_fd else name
                os.chmod(handle, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
        sync_folder(target.parent)
    except BaseException as error:
        if name is not None:
            with suppress(OSError):
                name.unlink()
        if isinstance(error, OSError):
            raise of_file(error, path) from error
        raise


def replaceable(path: FilePath, follow: bool = True) -> Path:
    """Return where a file for `path` is to be; OSError if something else than a file is there."""
    # Absolute, for the program may go to another folder.
    target = Path(os.path.realpath(path)) if follow else Path(path).absolute()
    with suppress(FileNotFoundError):
        check_regular(path, os.lstat(target))
    return target


def writable(path: FilePath, follow: bool = True) -> Path:
    """Return the same as `replaceable`; OSError also for a file that may not be written to."""
    target = replaceable(path, follow)
    own = os.access in os.supports_effective_ids
    if target.exists() and not os.access(target, os.W_OK, effective_ids=own):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
    return target


def check_regular(path: FilePath, found: os.stat_result) -> None:
    """Raise OSError, with the path, where no file was found there, but a folder, pipe, device …"""
    if stat.S_ISREG(found.st_mode):
        return
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if stat.S_ISLNK(found.st_mode):
        what = "This is a symbolic link, and here none is followed"
        raise OSError(errno.ELOOP, what, os.fspath(path))
    raise OSError(errno.EINVAL, "This is no file, but a pipe or a device", os.fspath(path))


def of_file(error: OSError, path: FilePath) -> OSError:
    """Return the same error of another file."""
    if error.errno is None:  # NumPy's, of a full disk
        return OSError(f"{os.fspath(path)} cannot be written: {error}")
    return type(error)(error.errno, error.strerror, os.fspath(path))


def sync_folder(folder: Path) -> None:
    """Have the names of a folder's files on disk, where the system can do that."""
    if os.name != "posix":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # it may be written to, but not read
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # as some network file systems say
            raise
    finally:
        os.close(handle)


@lru_cache(maxsize=1024)
def _sweep_once(target: Path) -> None:
    sweep(target, _ABANDONED)


def sweep(target: Path, age: float = 0.0) -> None:
    """Remove the temporary files of `replacing` that killed processes have left beside a target.

    age: how old, in seconds, they are at least; 0.0 is for who knows that nobody else writes.
    """
    ours = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-z_]{{8}}\.tmp")
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if ours.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                written = entry.stat(follow_symlinks=False).st_mtime
                if time.time() - written >= age:
                    os.unlink(entry.path)


def save_arrays(
    path: FilePath, header: dict[str, Any], arrays: dict[str, Any], follow: bool = True
) -> None:
    """Write named arrays and a JSON header to an .npz file, whole or not at all."""
    with replacing(path, follow) as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


def open_regular(path: FilePath) -> IO[bytes]:
    """Open a file to read; OSError, with the path, for a folder, a pipe or a device."""
    check_regular(path, os.stat(path))
    return open(path, "rb")


def load_arrays(
    path: FilePath, format_name: str, names: Collection[str] | None = None
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read what `save_arrays` wrote: the header, and the arrays of these names and no others.

    names: without them the header lists the names under "arrays".

    Raises FileNotFoundError or another OSError where there is no file to read, and ValueError,
    with the path, for one that is damaged, lacks an array, or is not of this format, which ends
    in its number: "gacnn model 1". Nothing in it is executed.
    """
    with open_regular(path) as file:
        try:
            return _read(file, format_name, names)
        except Exception as error:
            reason = str(error) or repr(error)
            raise ValueError(
                f"{os.fspath(path)} is damaged or not a file of {format_name!r}: {reason}"
            ) from error


def format_of(path: FilePath) -> str | None:
    """Return the format of a file of `save_arrays`, by its header; None for any other file.

    Raises OSError where there is no file to read.
    """
    with open_regular(path) as file, suppress(Exception):
        with _opened(file) as archive:
            header = json.loads(str(_array(archive, _item(archive, "header"))[()]))
        return str(header["format"])
    return None


def _read(
    file: IO[bytes], format_name: str, names: Collection[str] | None
) -> tuple[dict[str, Any], dict[str, Array]]:
    if file.read(4) != b"PK\x03\x04":
        raise ValueError("it is no such file")
    with _opened(file) as archive:
        header = json.loads(str(_array(archive, _item(archive, "header"))[()]))
        check_format(header, format_name)
        wanted = header["arrays"] if names is None else names
        items = {name: _item(archive, name) for name in wanted}
        if sum(item.file_size for item in items.values()) > os.fstat(file.fileno()).st_size:
            raise ValueError("its arrays lie one over the other")
        return header, {name: _array(archive, item) for name, item in items.items()}


def check_format(header: Any, format_name: str) -> None:
    """Raise ValueError where a header is not of this format, saying so if it is of a newer one."""
    found = header.get("format") if isinstance(header, dict) else None
    if found == format_name:
        return
    kind, number = format_name.rsplit(" ", 1)
    version = re.fullmatch(rf"{kind} (\d{{1,9}})", str(found))
    if version and int(version[1]) > int(number):
        raise ValueError(
            f"it is of {found!r}, and so of a newer version of gacnn; get that by "
            "`pip install --upgrade gacnn`"
        )
    raise ValueError("its format is another")


def _opened(file: IO[bytes]) -> ZipFile:
    from zipfile import ZipFile  # as late as NumPy loads it

    return ZipFile(file)


def _item(archive: ZipFile, name: str) -> ZipInfo:
    try:
        item = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ValueError(f"it holds no {checks.printable(name)}") from None
    if item.compress_type != _STORED:
        raise ValueError("it is compressed, which this format is not")
    return item


def _array(archive: ZipFile, item: ZipInfo) -> Array:
    with archive.open(item) as member:
        array: Array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):  # at the end, and not before it, the checksum is looked at
            raise ValueError(f"there is more in its {item.filename} than one array")
    return array
