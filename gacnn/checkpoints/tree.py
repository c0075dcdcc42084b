"""Trees of values and arrays as JSON and a list of arrays, and the parts of them that grow."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gacnn.types import Array, Growing

_TYPES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(bool, int, float, object),
        *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
        *(np.float16, np.float32, np.float64),
    )
}
_PLAIN = {bool, int, float, str, type(None)}  # of which JSON needs no encoding
_dumps = json.JSONEncoder().encode


def named_type(name: str) -> Any:
    """Return the type of numbers of that name."""
    return _TYPES[name]


class Encoded(NamedTuple):
    """A tree for JSON, and what of it is no JSON: arrays in their order, growing parts by name."""

    tree: Any
    arrays: list[Array]
    growing: dict[str, Growing]

    @classmethod
    def of(cls, tree: dict[str, Any]) -> Encoded:
        """Encode a tree, whose arrays and columns are not copied."""
        arrays: list[Array] = []
        growing: dict[str, Growing] = {}
        return cls(encode(tree, arrays, growing), arrays, growing)

    def copied(self) -> Encoded:
        """Return what stays as it is now, whatever becomes of the arrays and the columns."""
        growing = {name: part.as_of_now() for name, part in self.growing.items()}
        return Encoded(self.tree, [array.copy() for array in self.arrays], growing)


def encode(value: Any, arrays: list[Array], growing: dict[str, Growing] | None = None) -> Any:
    """Return a tree for JSON; its arrays, and its growing parts by name, are added to the others.

    A tree is of None, bool, int, float, str, list, tuple, dict with str keys, NumPy scalars,
    arrays of numbers or text, arrays of objects that are numbers, and `Growing`, which can hold
    no other. What JSON lacks becomes a dict with one key that begins with $.

    Raises TypeError for anything else.
    """
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays)
    if isinstance(value, np.generic):
        return {"$scalar": _encode_array(np.asarray(value), arrays)}
    if isinstance(value, Growing) and growing is not None:
        return {"$growing": _add(value, growing)}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [encode(item, arrays, growing) for item in value]
    if type(value) is tuple:
        return {"$tuple": [encode(item, arrays, growing) for item in value]}
    if type(value) is dict:
        for key in value:
            if type(key) is not str or key.startswith("$"):
                raise TypeError(f"the key {key!r} of a dict cannot be stored; keys are strings")
        return {key: encode(item, arrays, growing) for key, item in value.items()}
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be stored")


def _add(part: Growing, growing: dict[str, Growing]) -> str:
    """Add a part by its name, or where that is taken with a number before its suffix."""
    stem, dot, suffix = part.name.partition(".")
    name, number = part.name, 1
    while name in growing:
        number += 1
        name = f"{stem}-{number}{dot}{suffix}"
    growing[name] = part
    return name


def _encode_array(array: Array, arrays: list[Array]) -> Any:
    if array.dtype == object:
        return {"$objects": encode(_split_types(array), arrays)}
    if array.dtype.kind not in "biufcSU" or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"a {type(array).__name__} of {array.dtype} cannot be stored")
    arrays.append(array)
    return {"$array": [array.dtype.str, list(array.shape)]}


def decode(value: Any, take: Callable[[str, list[int]], Array], growing: dict[str, Growing]) -> Any:
    """Return the tree that was encoded; `take(dtype, shape)` returns the next array."""
    if isinstance(value, list):
        return [decode(item, take, growing) for item in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return take(*value["$array"])
    if "$growing" in value:
        return growing[value["$growing"]]
    decoded = {key: decode(item, take, growing) for key, item in value.items()}
    if "$objects" in value:
        return _join_types(**decoded["$objects"])
    if "$scalar" in value:
        return decoded["$scalar"][()]
    if "$tuple" in value:
        return tuple(decoded["$tuple"])
    if any(key.startswith("$") for key in decoded):
        raise ValueError(f"it holds something unknown, {next(iter(decoded))!r}")
    return decoded


def _split_types(array: Array) -> dict[str, Any]:
    """Return an array of objects as one array for each type of number in it."""
    numbers = array.ravel().tolist()
    kinds = sorted({type(number) for number in numbers}, key=lambda kind: kind.__name__)
    for kind in kinds:
        if kind is object or _TYPES.get(kind.__name__) is not kind:
            raise TypeError(f"objects of type {kind.__name__} in an array cannot be stored")
    codes = np.array([kinds.index(type(number)) for number in numbers], np.uint8)
    try:
        values = [np.array([n for n in numbers if type(n) is kind], dtype=kind) for kind in kinds]
    except OverflowError:
        raise TypeError("an int of more than 64 bits in an array cannot be stored") from None
    names = [kind.__name__ for kind in kinds]
    return {"types": names, "codes": codes.reshape(array.shape), "values": values}


def _join_types(types: list[str], codes: Array, values: list[Array]) -> Array:
    joined = np.empty(codes.shape, dtype=object)
    for code, (name, numbers) in enumerate(zip(types, values, strict=True)):
        each = numbers.tolist() if _TYPES[name] in (bool, int, float) else numbers
        joined[codes == code] = np.fromiter(each, dtype=object, count=len(numbers))
    return joined


def text(part: Growing, start: int, stop: int) -> bytes:
    """Return rows as bytes: records, or lines of JSON, each followed by that of its arrays."""
    if part.record is None:
        return b"".join(_lines(part, start, stop))
    table = np.empty(stop - start, part.record)
    for name, column in part.columns.items():
        table[name] = column[start:stop]
    return table.tobytes()


def _lines(part: Growing, start: int, stop: int) -> Iterator[bytes]:
    columns = [column[start:stop] for column in part.columns.values()]
    names = list(part.columns)
    is_json = not any(name.startswith("$") for name in names)
    for cells in zip(*columns, strict=True):
        row = dict(zip(names, cells, strict=True))
        arrays: list[Array] = []
        line = _dumps(
            row if is_json and _PLAIN.issuperset(map(type, cells)) else encode(row, arrays)
        )
        yield b"".join([line.encode(), b"\n", *(array.tobytes() for array in arrays)])


def record_of(described: list[list[Any]] | None) -> np.dtype[Any] | None:
    """Return the type of rows whose `descr` went through JSON; ValueError for none of numbers."""
    if described is None:
        return None
    fields = [(name, kind, tuple(*shape)) for name, kind, *shape in described]
    if any(np.dtype(kind).kind not in "biuf" for _, kind, _ in fields):
        raise ValueError("its rows are no numbers")
    return np.dtype(fields)


def rows(data: bytes, record: np.dtype[Any] | None) -> Iterator[dict[str, Any]]:
    """Return the rows of which that is the text."""
    if record is not None:
        table = np.frombuffer(bytearray(data), record)
        yield from ({name: row[name] for name in record.names or ()} for row in table)
        return
    stream = io.BytesIO(data)

    def take(dtype: str, shape: list[int]) -> Array:
        size = np.dtype(dtype).itemsize * math.prod(shape)
        return np.ndarray(tuple(shape), dtype, bytearray(stream.read(size)))

    while text := stream.readline():
        yield decode(json.loads(text), take, {})
