"""Which solutions were scored before: rows of a population among those that are known."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from gacnn.types import Array


def find_rows(rows: Array, table: Array) -> dict[int, int]:
    """Return which of `rows` (P, n) equal a row of `table` (T, n), and the first it equals.

    A few genes tell most pairs apart, a sum of all of them nearly all others.
    """
    probes = _probes(rows.shape[1])
    alike = (rows[:, None, probes] == table[None, :, probes]).all(axis=2)
    mine, theirs = alike.any(axis=1), alike.any(axis=0)
    alike[np.ix_(mine, theirs)] &= _digests(rows[mine])[:, None] == _digests(table[theirs])
    found: dict[int, int] = {}
    for row, match in np.argwhere(alike).tolist():
        if row not in found and np.array_equal(rows[row], table[match]):
            found[row] = match
    return found


def _probes(num_genes: int) -> range:
    return range(0, num_genes, max(1, num_genes // 16))


def _digests(rows: Array) -> Array:
    """Return a number for each row, the same for equal rows, in exact modular arithmetic."""
    words = (rows + 0).view(f"u{rows.itemsize}")  # -0.0 becomes 0.0
    weights = np.arange(1, 2 * words.shape[1], 2, dtype=np.uint32) * np.uint32(0x9E3779B1)
    digests: Array = (words * weights).sum(axis=1, dtype=np.result_type(words, weights))
    return digests


class SolutionIndex:
    """Finds rows among the lists of solutions that PyGAD keeps, as they grow.

    A few genes sort the solutions into groups; all genes are compared only within a group, and
    read only once.
    """

    def __init__(self, num_genes: int) -> None:
        self.size = 0
        self._solutions: Sequence[Any] = ()
        self._last: Any = None
        self._probe = itemgetter(*_probes(num_genes))
        self._groups: dict[Hashable, tuple[deque[tuple[int, Any]], dict[Hashable, int]]] = {}

    def is_of(self, solutions: Sequence[Any], size: int) -> bool:
        """Tell whether what is indexed is the beginning of the first `size` of the solutions."""
        if solutions is not self._solutions or self.size > size:
            return False
        return self.size == 0 or solutions[self.size - 1] is self._last

    def extend(self, solutions: Sequence[Any], size: int) -> None:
        """Add the `solutions` from the present size on up to `size`."""
        for index in range(self.size, size):
            solution = solutions[index]
            unread, _ = self._groups.setdefault(self._probe(solution), (deque(), {}))
            unread.append((index, solution))
        self.size, self._solutions = size, solutions
        self._last = solutions[size - 1] if size else None

    def find_rows(self, rows: Array) -> dict[int, int]:
        """Return which of `rows` (P, n) equal a solution, and the first each equals."""
        found = {index: self._find(row) for index, row in enumerate(rows)}
        return {index: match for index, match in found.items() if match is not None}

    def _find(self, row: Array) -> int | None:
        if not (group := self._groups.get(self._probe(row))):
            return None
        unread, first = group
        values = tuple(row.tolist())
        while values not in first and unread:
            index, solution = unread.popleft()
            first.setdefault(tuple(solution), index)
        return first.get(values)
