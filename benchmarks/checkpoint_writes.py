"""Time and bytes of the writes of a checkpoint, beside the plainest way to do the same.

    python benchmarks/checkpoint_writes.py [--folder FOLDER]

64 solutions of three sizes and a history are written after every generation by
`gacnn.checkpoints.store`; np.save, fsync and rename write the population alone. Times are medians
in milliseconds, bytes are those that Linux counted, by write. At last a history of 100,000
generations is written by 1,000 writes, as of a run of 17 minutes that is checkpointed each second.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from sys import path
from typing import Any

import numpy as np

path.insert(0, str(Path(__file__).resolve().parents[1]))

from gacnn.checkpoints.store import Store, read  # through the line above
from gacnn.types import Growing

POPULATION, WRITES = 64, 25
COLUMNS = ("generation", "best", "mean", "std", "diversity", "evaluations", "seconds")


def written() -> int:
    """Return the bytes that this process has had written to disk."""
    return int(Path("/proc/self/io").read_text().split("\nwrite_bytes: ")[1].split()[0])


class History:
    """Columns as `gacnn.History` keeps them."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.rng = np.random.default_rng(1)

    def grow(self, rows: int) -> Growing:
        for _ in range(rows):
            self.columns["generation"].append(len(self.columns["generation"]) + 1)
            for name, number in zip(COLUMNS[1:], self.rng.random(6).tolist(), strict=True):
                self.columns[name].append(number)
        return Growing("history.jsonl", self.columns)


def tree(population: Any, history: Growing) -> dict[str, Any]:
    key = np.random.RandomState(1).get_state(legacy=False)
    fitness = population[:, 0].astype(float)
    return {"population": population, "fitness": fitness, "rng": key, "history": history}


def save(path: Path, population: Any) -> None:
    """Write the population in the plainest way."""
    with open(path.with_suffix(".new"), "wb") as file:
        np.save(file, population)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path.with_suffix(".new"), path)


def measured(write: Callable[[int], Any], times: int) -> tuple[float, float]:
    """Return the median in milliseconds, and the megabytes a time."""
    seconds, before = [], written()
    for number in range(times):
        start = time.perf_counter()
        write(number)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds), (written() - before) / times / 1e6


def compared(folder: Path, genes: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return what a write of the store costs, and one in the plainest way."""
    rng, history = np.random.default_rng(1), History()
    populations = [rng.random((POPULATION, genes), np.float32) for _ in range(2)]
    store = Store(folder / f"{genes}")
    store.open({})
    ours = measured(lambda n: store.write(tree(populations[n % 2], history.grow(1))), WRITES)
    store.close()
    plain = measured(lambda n: save(folder / "plain.npy", populations[n % 2]), WRITES)
    return ours, plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", help="where to write; by default a temporary folder")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as name:
        folder = Path(name)
        print("weights  store: ms, MB  np.save: ms, MB")
        for genes in (1_370, 11_274, 79_408):
            ours, plain = compared(folder, genes)
            print("{:7,}  {:9.1f} {:6.2f}  {:9.1f} {:6.2f}".format(genes, *ours, *plain))
        history, population = History(), np.zeros((POPULATION, 1_370), np.float32)
        store = Store(folder / "long")
        store.open({})
        before = written()
        for _ in range(1_000):
            store.write(tree(population, history.grow(100)))
        store.close()
        start = time.perf_counter()
        rows = len(read(folder / "long")[1]["history"])
        took = time.perf_counter() - start
        print(f"{rows:,} generations: {(written() - before) / 1e6:,.0f} MB, read in {took:.1f} s")


if __name__ == "__main__":
    main()
