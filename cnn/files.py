"""Files of arrays and JSON in one .npz, never pickle, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` when all is written, and otherwise leaves it.

    Written next to it, synced to disk and renamed; a symbolic link stays one. Raises OSError, with
    the path, where that cannot be done.
    """
    target, name = Path(os.path.realpath(path)), None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        os.chmod(name, _file_mode(target))
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException as error:
        if name is not None:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _of_file(error, os.fspath(path)) from error
        raise


def _of_file(error: OSError, path: str) -> OSError:
    """Return the same error of another file."""
    if error.errno is None:  # NumPy's, of a full disk
        return OSError(f"{path} cannot be written: {error}")
    return type(error)(error.errno, error.strerror, path)


def _file_mode(target: Path) -> int:
    """Permissions of the file that is there, or those of a new one."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def save_arrays(
    path: str | os.PathLike[str], header: dict[str, Any], arrays: dict[str, Any]
) -> None:
    """Write named arrays and a JSON header to an .npz file, whole or not at all."""
    with replacing(path) as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


def load_arrays(
    path: str | os.PathLike[str], format_name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what `save_arrays` wrote: the header and the arrays.

    Raises FileNotFoundError or another OSError where there is no file to read, and ValueError,
    with the path, for one that is damaged or not of this format. Nothing in it is executed.
    """
    with open(path, "rb") as file:
        try:
            return _read(file, format_name)
        except Exception as error:
            raise ValueError(
                f"{os.fspath(path)} is damaged or not a file of {format_name!r}: {error!r}"
            ) from error


def _read(file: IO[bytes], format_name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    with zipfile.ZipFile(file) as archive:
        if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
            raise ValueError("it is compressed, which this format is not")
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    header = json.loads(str(arrays.pop("header")[()]))
    if not isinstance(header, dict) or header.get("format") != format_name:
        raise ValueError(f"its format is not {format_name!r}")
    return header, arrays
