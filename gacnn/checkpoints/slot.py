"""A path that holds one whole file at any time."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if sys.platform == "linux":
    import fcntl

_CHUNK = 2**22  # bytes that are written at a time


class Slot:
    """A path that holds one whole file at any time, written anew again and again.

    The file before it is kept as a spare, and the next is written over its blocks, synced and
    renamed: half the time of a new file, for which the file system finds room each time. A spare
    that somebody still reads, or has linked to, is left to him.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.realpath(path))
        self.spare = self.path.with_name(f".{self.path.name}.spare")
        self._old = self.path.with_name(f".{self.path.name}.old")

    def write(self, parts: list[bytes | memoryview]) -> None:
        """Replace the file by these parts; raises OSError and leaves it where that fails."""
        with os.fdopen(self._open_spare(), "wb") as file:
            for part in parts:
                for start in range(0, len(part), _CHUNK):
                    file.write(part[start : start + _CHUNK])
                    _start_sync(file.fileno(), file.tell())
            file.truncate()
            file.flush()
            getattr(os, "fdatasync", os.fsync)(file.fileno())
        self._old.unlink(missing_ok=True)
        try:
            os.link(self.path, self._old)
        except OSError:  # there is none, or no such links on this file system
            os.replace(self.spare, self.path)
        else:
            os.replace(self.spare, self.path)
            os.replace(self._old, self.spare)

    def _open_spare(self) -> int:
        handle = os.open(self.spare, os.O_RDWR | os.O_CREAT, 0o666)
        if os.fstat(handle).st_nlink == 1 and not _is_read(handle):
            return handle
        os.close(handle)
        self.spare.unlink()
        return os.open(self.spare, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)

    def release(self) -> None:
        """Remove the spare."""
        for path in (self.spare, self._old):
            path.unlink(missing_ok=True)


def _start_sync(handle: int, end: int) -> None:
    """Have the chunk that ends there put on disk without waiting: Linux does when so advised."""
    if end > _CHUNK and hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, end - _CHUNK, _CHUNK, os.POSIX_FADV_DONTNEED)


def _is_read(handle: int) -> bool:
    """Tell whether anyone else has the file open, as far as is known: only Linux tells."""
    if sys.platform != "linux":
        return True
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # which, unlike SIGIO, ends no process
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return True
    return False
