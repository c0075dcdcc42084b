"""Rows that were scored before are found as tuples are."""

from typing import Any

import numpy as np
import pytest

from gacnn.algorithm import known_rows
from gacnn.algorithm.known_rows import SolutionIndex, find_rows
from gacnn.types import Array


def naive_matches(rows: Array, table: list[Any]) -> dict[int, int]:
    values = [tuple(row) for row in table]
    return {i: values.index(tuple(row)) for i, row in enumerate(rows) if tuple(row) in values}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int64])
@pytest.mark.parametrize("num_genes", [1, 3, 16, 33, 100])
def test_rows_are_found_as_tuples_are(dtype: Any, num_genes: int) -> None:
    rng = np.random.default_rng(num_genes)
    table = np.zeros((12, num_genes), dtype=dtype)
    table[np.arange(12), rng.integers(num_genes, size=12)] = rng.integers(2, size=12)
    rows = np.concatenate([table[rng.integers(12, size=8)], table[:2] * -1, np.eye(2, num_genes)])
    rows = rows.astype(dtype)
    history = SolutionIndex(num_genes)
    lists = [list(row) for row in table]
    history.extend(lists, 5)
    history.extend(lists, 12)
    expected = naive_matches(rows, lists)
    assert len(expected) >= 8
    assert find_rows(rows, table) == expected
    assert history.find_rows(rows) == expected
    assert history.find_rows(rows) == expected


def test_rows_with_nan_are_never_found() -> None:
    rows = np.array([[np.nan, 1.0], [0.0, 1.0]])
    history = SolutionIndex(2)
    history.extend(rows.tolist(), 2)
    assert find_rows(rows, rows) == history.find_rows(rows) == {1: 1}


def test_rows_that_differ_in_one_gene_are_told_apart() -> None:
    rows = np.tile(np.random.default_rng(0).random(1000, dtype=np.float32), (2, 1))
    rows[1, 501] += 1
    assert find_rows(rows, rows[::-1].copy()) == {0: 1, 1: 0}


def test_rows_with_the_same_digest_are_told_apart() -> None:
    rows = np.zeros((2, 500), dtype=np.int32)
    rows[0, 100], rows[1, 200] = 2 * 200 + 1, 2 * 100 + 1
    assert len(set(known_rows._digests(rows).tolist())) == 1
    assert find_rows(rows, rows[::-1].copy()) == {0: 1, 1: 0}


def test_an_index_is_of_the_history_it_was_made_from() -> None:
    history = [[1.0, 2.0], [3.0, 4.0]]
    index = SolutionIndex(2)
    assert index.is_of(history, 2) is False
    index.extend(history, 2)
    assert index.is_of(history, 2)
    history.append([5.0, 6.0])
    assert index.is_of(history, 3)
    assert not index.is_of(list(history), 3)
    assert not index.is_of(history, 1)
    del history[0]
    assert not index.is_of(history, 2)
