"""The types of arrays, files and growing tables that signatures name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.types import FilePath as FilePath

Array = NDArray[Any]
"""An array of numbers: genes, fitness, images."""

Indices = NDArray[np.intp]
"""Places in a population or among images, integers from 0 on."""

_NAME = re.compile(r"\w[\w.-]{0,63}", re.ASCII)


class Growing:
    """Columns of one length that only grow at their end, so that only new rows are written.

    Rows without arrays are lines of JSON, which `pandas.read_json(path, lines=True)` reads; those
    of a record are its bytes, which `numpy.fromfile(path, record)` reads, and cost least.

    Args:
        name: what the file of the rows is called, after the checkpoint: "history.jsonl".
        columns: sequences by name, kept and not copied; their cells are trees.
        record: type of the rows where all are numbers, with a field for each column.

    Raises:
        ValueError: a name that is none of a file, columns that differ in length or from the
            fields of the record.
    """

    def __init__(
        self,
        name: str,
        columns: Mapping[str, Sequence[Any]],
        record: np.dtype[Any] | None = None,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"name must be letters, digits, _, - and dots, not {name!r}")
        if len({len(column) for column in columns.values()}) > 1:
            lengths = {name: len(column) for name, column in columns.items()}
            raise ValueError(f"columns must have one length, not {lengths}")
        if record is not None and record.names != tuple(columns):
            raise ValueError(f"record must have the fields {tuple(columns)}, not {record.names}")
        self.name = name
        self.columns = columns
        self.record = record
        self._length: int | None = None

    def __len__(self) -> int:
        if self._length is not None:
            return self._length
        return min(map(len, self.columns.values()), default=0)

    def as_of_now(self) -> Growing:
        """Return the same rows, to which none are added when the columns grow."""
        rows = Growing(self.name, self.columns, self.record)
        rows._length = len(self)
        return rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {name: column[row] for name, column in self.columns.items()}
