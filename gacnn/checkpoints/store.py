"""A checkpoint's files, of which a whole copy is on disk at any time.

`path` is an .npz of arrays and a JSON header with the state, replaced by rename at every write;
`np.load` reads it. `path` + "." + name holds the rows of a `Growing`, and is appended to: the
.npz says how many of its bytes count, and no byte that counts is ever changed. Rows that cannot
be appended, because others are there, are in the .npz until it alone is on disk. While a run
goes on `.{name}.spare` is the .npz before, and `.{name}.lock` says whose the path is.

Damage is noticed by the CRC-32 of the .npz and by a BLAKE2b of the rows. A stranger's files are
read without executing anything, and no link in his folder is followed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from cnn import checks, files
from gacnn.checkpoints import tree as trees
from gacnn.checkpoints.lock import Lock
from gacnn.types import Array, FilePath, Growing

FORMAT = "gacnn checkpoint 2"
_MANY = 1024  # rows that are written at a time
_OLDER = b"\x89gacnn1\n"  # how a file of format 1 begins


class Store:
    """A path that holds a whole checkpoint at any time, written again and again.

    follow: whether a path that is a symbolic link stands for the file it leads to, or is refused,
    as it should be in a folder that may be a stranger's.
    """

    def __init__(self, path: FilePath, follow: bool = True) -> None:
        self.path = path
        self.follow = follow
        self._lock: Lock | None = None
        self._kept: trees.Encoded | None = None

    def open(self, identity: dict[str, Any]) -> None:
        """Keep the path for this run; what is there stays until the first `write`.

        identity: for JSON; what a resumed run must have in common with this one.

        Raises ValueError where another run keeps it, saying which, and for a file that is no whole
        checkpoint of this version: it is not written over. OSError where nothing can be written,
        and for what is no file.
        """
        self._target = files.writable(self.path, self.follow)
        folder = self._target.parent
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder} for {self._target.name}")
        self._spare = _beside(self._target, "spare")
        files.replaceable(self._spare, follow=False)
        self._identity = json.loads(json.dumps(identity))
        self._written = False
        lock = Lock(_beside(self._target, "lock"), os.fspath(self.path))
        with self._errors():
            lock.acquire()
        try:
            self._rows = _rows_there(self._target, self.path)
            self._before = list(self._rows.values())
            files.sweep(self._target)
        except BaseException:
            lock.release()
            raise
        self._lock = lock

    def write(self, tree: dict[str, Any]) -> float:
        """Replace the checkpoint by this tree; OSError where that fails, and it stays.

        Returns how many of the seconds that it took went into new rows, and would be as many if
        they were written later. Raises TypeError for what no tree can hold.
        """
        self._kept = None
        return self._write(trees.Encoded.of(tree))

    def keep(self, tree: dict[str, Any]) -> None:
        """Copy a tree in memory: `close` writes it, unless a later one has been written."""
        self._kept = trees.Encoded.of(tree).copied()

    def _write(self, encoded: trees.Encoded) -> float:
        if self._lock is None or not self._lock.is_held:
            raise ValueError(
                f"{os.fspath(self.path)} belongs to a run of another process, which this one was "
                "forked from; give a Checkpoint of another path to what shall go on here"
            )
        tree, arrays, growing = encoded
        arrays = list(arrays)
        rows = {
            name: self._rows.get(name) or _Rows(_rows_path(self._target, name)) for name in growing
        }
        with self._errors():
            records = {name: rows[name].put(part, arrays) for name, part in growing.items()}
            seconds = sum(rows[name].seconds for name in growing)
            named = {str(number): array for number, array in enumerate(arrays)}
            header = {"format": FORMAT, "identity": self._identity, "arrays": list(named)}
            header |= {"tree": tree, "growing": records}
            self._keep_spare()
            files.save_arrays(self._target, header, named, follow=False)
        self._rows |= rows
        for each in self._rows.values():
            each.commit()
        self._written = True
        return seconds

    def _keep_spare(self) -> None:
        if not self._written:  # what is there may be damaged, and the spare the only copy
            return
        self._spare.unlink(missing_ok=True)
        with suppress(OSError):  # not every file system has such links
            os.link(self._target, self._spare)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Name the path in an OSError of no file, as of a full disk, or of the lock."""
        try:
            yield
        except OSError as error:
            if error.filename is None or os.fspath(error.filename).endswith(".lock"):
                raise files.of_file(error, self.path) from error
            raise

    def close(self) -> None:
        """Write what was kept, remove the second copy, and let others have the path."""
        if self._lock is None or not self._lock.is_held:
            return
        if self._kept is not None:
            self._write_kept(self._kept)
        if self._written:
            self._spare.unlink(missing_ok=True)
            for rows in self._before:
                rows.remove_unused()
        self._lock.release()
        self._lock = None

    def _write_kept(self, kept: trees.Encoded) -> None:
        """Write it, or warn: an exception that ends the run is on its way, and says more."""
        self._kept = None
        try:
            self._write(kept)
        except (OSError, MemoryError) as error:
            checks.warn(f"{os.fspath(self.path)} stays as it was some generations ago: {error}")


def read(path: FilePath, follow: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the identity and the tree of a checkpoint, its `Growing` with lists as columns.

    Where `path` is missing or damaged and the copy before it is whole, that is taken, with a
    warning that names it.

    Raises FileNotFoundError; another OSError for what is no file or cannot be read; ValueError,
    with the path and the reason, for what is damaged, foreign or of another version.
    """
    copy, problem = _newest(files.replaceable(path, follow), path)
    if problem:
        checks.warn(f"{problem}; so {copy.path}, the one before it, is used")
    try:
        return copy.header["identity"], _tree(copy)
    except Exception as error:
        raise ValueError(f"{os.fspath(path)} is damaged: {error or error!r}") from error


class _Copy(NamedTuple):
    """A whole copy of a checkpoint: its file, and the bytes of each file of rows that count."""

    path: Path
    header: dict[str, Any]
    arrays: dict[str, Array]
    rows: dict[str, bytes]


def _newest(target: Path, path: FilePath) -> tuple[_Copy, str | None]:
    """Return the newest whole copy and, where that is the spare, what is wrong with the other."""
    try:
        return _load(target, target, path), None
    except (FileNotFoundError, ValueError) as error:
        spare = _beside(target, "spare")
        try:
            copy = _load(spare, target, spare)
        except (OSError, ValueError):
            raise error from error.__cause__
        missing = isinstance(error, FileNotFoundError)
        return copy, f"{os.fspath(path)} is missing" if missing else str(error)


def _load(file: Path, target: Path, path: FilePath) -> _Copy:
    """Load a copy, whose rows are beside the target; errors are of the path."""
    files.replaceable(file, follow=False)
    try:
        with files.open_regular(file) as opened:
            if opened.read(len(_OLDER)) == _OLDER:
                raise ValueError(
                    f"{os.fspath(path)} is of an older version of gacnn, which this one cannot go "
                    "on with: finish it with that version, or begin another run elsewhere"
                )
        header, arrays = files.load_arrays(path, FORMAT)
    except OSError as error:
        raise files.of_file(error, path) from error
    try:
        parts = {
            name: _read_rows(_rows_path(target, name), record)
            for name, record in header["growing"].items()
        }
    except Exception as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{os.fspath(path)} is damaged: {reason}") from error
    return _Copy(file, header, arrays, parts)


def _read_rows(path: Path, record: dict[str, Any]) -> bytes:
    size = record["size"]
    if not all(type(record[name]) is int and record[name] >= 0 for name in ("count", "size")):
        raise ValueError(f"what it says of {path} is wrong")
    row = trees.record_of(record["record"])
    if row is not None and row.itemsize * record["count"] != size:
        raise ValueError(f"what it says of {path} is wrong")
    if size == 0:
        return b""
    files.replaceable(path, follow=False)
    with files.open_regular(path) as file:
        data = file.read(size)
    if len(data) < size:
        raise ValueError(f"{path}, which belongs to it, has {len(data):,} bytes and not {size:,}")
    if hashlib.blake2b(data).hexdigest() != record["digest"]:
        raise ValueError(f"{path}, which belongs to it, has another digest")
    return data


def _rows_there(target: Path, path: FilePath) -> dict[str, _Rows]:
    """Return the rows of the checkpoint that is there; ValueError if what is there is none."""
    try:
        copy, _ = _newest(target, path)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        if target.stat().st_size == 0:  # it was made to have the name
            return {}
        cure = "it is not written over: remove it, or give another path"
        raise ValueError(f"{error}; {cure}") from error
    return {
        name: _Rows(
            _rows_path(target, name),
            _Counted(
                record["count"],
                record["size"],
                hashlib.blake2b(copy.rows[name]),
                trees.record_of(record["record"]),
                None,
            ),
        )
        for name, record in copy.header["growing"].items()
    }


def _tree(copy: _Copy) -> dict[str, Any]:
    """Return the tree of a copy."""
    left = iter(copy.header["arrays"])

    def take(dtype: str, shape: list[int]) -> Array:
        array = copy.arrays[next(left)]
        if (array.dtype.str, list(array.shape)) != (dtype, shape):
            raise ValueError("an array is of another shape")
        return array

    records = copy.header["growing"]
    columns: dict[str, dict[str, list[Any]]] = {
        name: {column: [] for column in record["columns"]} for name, record in records.items()
    }
    growing = {name: Growing(name, each) for name, each in columns.items()}
    tree: dict[str, Any] = trees.decode(copy.header["tree"], take, growing)
    for name, record in records.items():
        more = (trees.decode(row, take, {}) for row in record["more"])
        record_type = trees.record_of(record["record"])
        for row in (*trees.rows(copy.rows[name], record_type), *more):
            for column, cell in row.items():
                columns[name][column].append(cell)
    return tree


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{suffix}")


def _rows_path(target: Path, name: str) -> Path:
    return target.with_name(f"{target.name}.{name}")


class _Counted(NamedTuple):
    """What of a file of rows counts for the checkpoint on disk, and the line that ends it."""

    rows: int
    size: int  # in bytes
    hashed: Any  # the state of a BLAKE2b of these bytes
    record: np.dtype[Any] | None  # what each row is, where it is no line
    last: bytes | None  # unknown if another process wrote it


_NOTHING = _Counted(0, 0, hashlib.blake2b(), None, None)


class _Rows:
    """The file of a `Growing`, in which nothing changes that counts for the checkpoint on disk."""

    def __init__(self, path: Path, on_disk: _Counted = _NOTHING) -> None:
        self.path = path
        self._on_disk, self._next = on_disk, _NOTHING
        self.seconds = 0.0  # that the latest rows took
        files.sweep(path)

    def put(self, rows: Growing, arrays: list[Array]) -> dict[str, Any]:
        """Append rows to the file, or put them into what the next checkpoint is to say of them.

        arrays: those of rows that are put into what is returned are added to it.
        """
        self.seconds = 0.0
        self._next = self._append(rows) if self._go_on(rows) else _NOTHING
        count, size, hashed, record, _ = self._next
        more = [trees.encode(rows[number], arrays) for number in range(count, len(rows))]
        digest = hashed.hexdigest()
        counted = {"count": count, "size": size, "digest": digest}
        described = None if record is None else record.descr
        return {"columns": list(rows.columns), **counted, "record": described, "more": more}

    def commit(self) -> None:
        """Note that the next checkpoint is on disk, with what was `put` or with nothing."""
        self._on_disk, self._next = self._next, _NOTHING

    def _go_on(self, rows: Growing) -> bool:
        """Tell whether these rows begin with those of the file: if it is ours, by its last line."""
        count, size, hashed, record, last = self._on_disk
        if count == 0:
            return True
        if record != rows.record:
            return False
        if len(rows) < count or not self.path.is_file() or self.path.stat().st_size < size:
            return False
        if last is not None:
            return trees.text(rows, count - 1, count) == last
        theirs = hashlib.blake2b()
        for text in _parts(rows, 0, count):
            theirs.update(text)
        return bool(theirs.digest() == hashed.digest())

    def _append(self, rows: Growing) -> _Counted:
        count, size, hashed, _, _ = self._on_disk
        if count == len(rows):
            return self._on_disk
        hashed = hashed.copy()
        with self._opened(size) as file:
            start = time.monotonic()
            for text in _parts(rows, count, len(rows)):
                file.write(text)
                hashed.update(text)
                size += len(text)
            self.seconds = time.monotonic() - start
        last = trees.text(rows, len(rows) - 1, len(rows))
        return _Counted(len(rows), size, hashed, rows.record, last)

    @contextmanager
    def _opened(self, size: int) -> Iterator[IO[bytes]]:
        """Open the file behind as many bytes, or anew if there are none."""
        if size == 0:
            with files.replacing(self.path, follow=False) as file:
                yield file
            return
        files.replaceable(self.path, follow=False)
        with open(self.path, "r+b") as file:
            file.truncate(size)  # a kill or a full disk may have left more
            file.seek(size)
            yield file
            file.flush()
            os.fsync(file.fileno())

    def remove_unused(self) -> None:
        """Remove the file if nothing in it counts."""
        if self._on_disk.size == 0:
            self.path.unlink(missing_ok=True)


def _parts(rows: Growing, start: int, stop: int) -> Iterator[bytes]:
    """Return rows as text, many at a time."""
    for first in range(start, stop, _MANY):
        yield trees.text(rows, first, min(first + _MANY, stop))
