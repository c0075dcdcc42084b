"""A lock that one process holds, and that goes when the process does."""

from __future__ import annotations

import errno
import os
import platform
import time
import weakref
from contextlib import suppress
from pathlib import Path

from cnn import checks, files

_FLAGS = os.O_RDWR | os.O_CREAT
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}


class Lock:
    """Keeps what a path belongs to for one run, until it lets go or its process ends.

    path: of the file that is locked, and says who holds it. what: what it keeps, for messages.
    Processes that the holder forks do not hold it.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what
        self._handle: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds it: one that the holder has forked does not."""
        return self._handle is not None

    def acquire(self) -> None:
        """Take it, at once or never.

        Raises ValueError, saying who holds it, and OSError where its file cannot be made, or is
        a symbolic link or no file. Warns where the file system knows no locks.
        """
        while self._handle is None:
            files.replaceable(self.path, follow=False)
            handle = os.open(self.path, _FLAGS, 0o666)
            try:
                files.check_regular(self.path, os.fstat(handle))
                self._lock(handle)
                if self._is_of(handle):
                    _write(handle)
                    self._handle = handle
            finally:
                if self._handle is None:
                    os.close(handle)
        _HELD.add(self)

    def _lock(self, handle: int) -> None:
        from filelock import lock_descriptor  # where it is used: not every run is kept

        try:
            is_free = lock_descriptor(handle, blocking=False)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            checks.warn(
                f"no file can be locked beside {self.what}: see to it that no second run "
                "writes there, or give a path on another file system"
            )
            return
        if not is_free:
            raise ValueError(
                f"{self.what} is being written by {_holder(handle)}; wait until it ends, stop it "
                "by Ctrl-C there, or give another path"
            )

    def _is_of(self, handle: int) -> bool:
        """Tell whether that is still the file of the path: who held it may have removed it."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(handle), os.lstat(self.path))
        return False

    def release(self) -> None:
        """Let go, and remove the file."""
        if self._handle is None:
            return
        if self._is_of(self._handle):
            with suppress(OSError):
                os.unlink(self.path)
        self._forget()

    def _forget(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


_HELD: weakref.WeakSet[Lock] = weakref.WeakSet()


def _forget_all() -> None:
    """Let a child that was forked hold nothing: its parent may end before it does."""
    for lock in list(_HELD):
        lock._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _write(handle: int) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    os.ftruncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {platform.node()}, since {since}".encode())


def _holder(handle: int) -> str:
    text = b""
    with suppress(OSError):  # Windows does not let others read what is locked
        text = os.read(handle, 200)
    return "".join(filter(str.isprintable, text.decode(errors="replace"))) or "another run"
