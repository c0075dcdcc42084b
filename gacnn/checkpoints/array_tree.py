"""A file of one tree of values and arrays, quick to write and checked bit by bit when read.

Layout: `_HEAD` (magic, size of the file, size of the JSON, checksum of these and the JSON), the
JSON with the tree and a table of dtype, shape and checksum of the arrays, their bytes. Nothing
in it is executed.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gacnn.types import Array

if sys.platform == "linux":
    pass

Bytes = NDArray[np.uint8]

_MAGIC = b"\x89gacnn1\n"
_HEAD = struct.Struct("<8sQQ32s")
_ROW = 1024  # words of 8 bytes
_ROWS = 128  # that are summed at a time, and stay in a cache meanwhile
_TYPES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(bool, int, float, object),
        *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
        *(np.float16, np.float32, np.float64),
    )
}


def named_type(name: str) -> Any:
    """Return the type of numbers of that name."""
    return _TYPES[name]


def pack(tree: Any) -> list[bytes | memoryview]:
    """Return the parts of a file that holds the tree.

    A tree is of None, bool, int, float, str, list, tuple, dict with str keys, NumPy scalars and
    arrays of numbers, object arrays of numbers too. Raises TypeError for anything else.
    """
    arrays: list[Array] = []
    encoded = _encode(tree, arrays)
    parts = [_bytes_of(array) for array in arrays]
    table = [
        [array.dtype.str, array.shape, _checksum(part)]
        for array, part in zip(arrays, parts, strict=True)
    ]
    text = json.dumps({"tree": encoded, "arrays": table}).encode()
    size = _HEAD.size + len(text) + sum(part.size for part in parts)
    head = _HEAD.pack(_MAGIC, size, len(text), _head_checksum(size, text))
    return [head + text, *(part.data for part in parts)]


def unpack(data: bytes) -> Any:
    """Return the tree of a file's bytes; raises ValueError for what `pack` has not made."""
    if data[: len(_MAGIC)] != _MAGIC or len(data) < _HEAD.size:
        raise ValueError("it is not a checkpoint of gacnn")
    _, size, length, checksum = _HEAD.unpack_from(data)
    if size != len(data):
        raise ValueError(f"it should have {size:,} bytes, but has {len(data):,}")
    text = data[_HEAD.size : _HEAD.size + length]
    if _head_checksum(size, text) != checksum:
        raise ValueError("its checksum is wrong")
    content = json.loads(text)
    return _decode(content["tree"], _read_arrays(data, _HEAD.size + length, content["arrays"]))


def _head_checksum(size: int, text: bytes) -> bytes:
    return hashlib.blake2b(struct.pack("<QQ", size, len(text)) + text, digest_size=32).digest()


def _read_arrays(data: bytes, start: int, table: list[list[Any]]) -> list[Array]:
    arrays = []
    for code, shape, checksum in table:
        dtype = np.dtype(code)
        end = start + dtype.itemsize * int(np.prod(shape, dtype=object))
        part = np.frombuffer(data[start:end], np.uint8).copy()
        if _checksum(part) != checksum:
            raise ValueError("the checksum of an array is wrong")
        arrays.append(part.view(dtype).reshape(shape))
        start = end
    return arrays


def _bytes_of(array: Array) -> Bytes:
    if array.dtype.kind not in "biufcSU":
        raise TypeError(f"an array of {array.dtype} cannot be stored")
    return np.asarray(array, order="C").reshape(-1).view(np.uint8)


def _checksum(part: Bytes) -> str:
    """Return a checksum that is quick: of the sums of 64-bit words, in rows and in columns."""
    rest = part.size // (8 * _ROW) * (8 * _ROW)
    words = part[:rest].view(np.uint64).reshape(-1, _ROW)
    rows, columns = np.empty(len(words), np.uint64), np.zeros(_ROW, np.uint64)
    for start in range(0, len(words), _ROWS):
        block = words[start : start + _ROWS]
        block.sum(axis=1, out=rows[start : start + _ROWS])
        columns += block.sum(axis=0)
    sums = rows.tobytes() + columns.tobytes() + part[rest:].tobytes()
    return hashlib.blake2b(sums, digest_size=16).hexdigest()


def _encode(value: Any, arrays: list[Array]) -> Any:
    """Return the value for JSON; what JSON lacks becomes a dict with one key that begins with $."""
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return {"$objects": _encode(_split_types(value), arrays)}
        arrays.append(value)
        return {"$array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return {"$scalar": _encode(np.asarray(value), arrays)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [_encode(item, arrays) for item in value]}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key.startswith("$"):
                raise TypeError(f"the key {key!r} of a dict cannot be stored; keys are strings")
        return {key: _encode(item, arrays) for key, item in value.items()}
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be stored")


def _decode(value: Any, arrays: list[Array]) -> Any:
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]]
    decoded = {key: _decode(item, arrays) for key, item in value.items()}
    if "$objects" in value:
        return _join_types(**decoded["$objects"])
    if "$scalar" in value:
        return decoded["$scalar"][()]
    return tuple(decoded["$tuple"]) if "$tuple" in value else decoded


def _split_types(array: Array) -> dict[str, Any]:
    """Return an array of objects as one array for each type of number in it."""
    numbers = array.ravel().tolist()
    kinds = sorted({type(number) for number in numbers}, key=lambda kind: kind.__name__)
    for kind in kinds:
        if _TYPES.get(kind.__name__) is not kind:
            raise TypeError(f"numbers of type {kind.__name__} cannot be stored")
    codes = np.array([kinds.index(type(number)) for number in numbers], np.uint8)
    values = [np.array([n for n in numbers if type(n) is kind], dtype=kind) for kind in kinds]
    names = [kind.__name__ for kind in kinds]
    return {"types": names, "codes": codes.reshape(array.shape), "values": values}


def _join_types(types: list[str], codes: Array, values: list[Array]) -> Array:
    joined = np.empty(codes.shape, dtype=object)
    for code, (name, numbers) in enumerate(zip(types, values, strict=True)):
        each = numbers.tolist() if _TYPES[name] in (bool, int, float) else numbers
        joined[codes == code] = np.fromiter(each, dtype=object, count=len(numbers))
    return joined
