"""What checkpoints cost a run: their share of its time, and the bytes that they write.

    python benchmarks/checkpoint_cost.py [GENERATIONS …] [--every N] [--seconds S] [--folder FOLDER]

50 generations are those of a training on digits (1,370 weights, 64 networks), more are those of a
network of 22 weights, 8 of them, with a History and all best solutions saved; by default 50,
10,000 and 100,000. `share` is the time in `Checkpoint` over that of the run, `in all` what Linux
counted as written, `first` and `last` are medians over a tenth of the run, or ten generations: of
a generation without its checkpoint, and of a write.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from sys import path
from typing import Any

import numpy as np

path.insert(0, str(Path(__file__).resolve().parents[1]))

import cnn
import gacnn  # found through the line above
from cnn import datasets


class Timed(gacnn.Checkpoint):
    """A checkpoint that notes how long the generations and the writes take."""

    def __init__(self, path: Path, **how: Any) -> None:
        super().__init__(path, **how)
        self.generations: list[float] = []
        self.writes: list[float] = []
        self.spent = 0.0

    def on_start(self, ga: Any) -> None:
        self._timed(super().on_start, ga)
        self._since = time.perf_counter()

    def commit(self, ga: Any) -> None:
        if not ga.has_ended:
            self.generations.append(time.perf_counter() - self._since)
        before = self._written
        took = self._timed(super().commit, ga)
        if self._written != before:
            self.writes.append(took)
        self._since = time.perf_counter()

    def close(self) -> None:
        self._timed(super().close)

    def _timed(self, function: Any, *values: Any) -> float:
        start = time.perf_counter()
        function(*values)
        took = time.perf_counter() - start
        self.spent += took
        return took


def written() -> int:
    """Return the bytes that this process has had written to disk."""
    return int(Path("/proc/self/io").read_text().split("\nwrite_bytes: ")[1].split()[0])


def train(generations: int, checkpoint: Timed) -> None:
    digits = datasets.load_digits()
    model = gacnn.default_network((8, 8, 1), 10, random_seed=0)
    gacnn.GACNN(model, random_seed=0).train(
        digits.X, digits.y, num_generations=generations, checkpoint=checkpoint, verbose=False
    )


def evolve(generations: int, checkpoint: Timed) -> None:
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0])
    hidden = cnn.Dense(4, activation_function="tanh")
    model = cnn.Model([cnn.Input1D(2), hidden, cnn.Dense(2)], random_seed=0)
    gacnn.GA(
        num_generations=generations,
        num_parents_mating=4,
        initial_population=gacnn.GACNN(model, 8, random_seed=0).population,
        fitness_func=gacnn.Fitness(model, X, y, threads=1),
        save_best_solutions=True,
        random_seed=0,
        suppress_warnings=True,
        callbacks=[gacnn.History(), checkpoint],
    ).run()


def milliseconds(times: list[float]) -> list[float]:
    """Return medians of the first and the last ones."""
    part = max(10, len(times) // 10)
    return [1e3 * statistics.median(each) for each in (times[1:part], times[-part:])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("generations", type=int, nargs="*", default=[50, 10_000, 100_000])
    parser.add_argument("--every", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--folder", help="where to write; by default a temporary folder")
    options = parser.parse_args()
    print("generations  seconds  writes   share  in all, MB  generation, ms    write, ms")
    print("                                                   first     last  first   last")
    for number in options.generations:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            how = {"every": options.every, "seconds": options.seconds}
            checkpoint = Timed(Path(folder, "run"), **how)
            bytes_before, start = written(), time.perf_counter()
            (train if number <= 50 else evolve)(number, checkpoint)
            took = time.perf_counter() - start
            print(
                f"{number:11,}  {took:7.1f}  {len(checkpoint.writes):6,}  "
                f"{checkpoint.spent / took:6.1%}  {(written() - bytes_before) / 1e6:10.1f}  "
                "{:7.3f}  {:7.3f}  {:5.1f}  {:5.1f}".format(
                    *milliseconds(checkpoint.generations), *milliseconds(checkpoint.writes)
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
