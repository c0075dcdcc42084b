"""Whether a long run stays as it began: 200,000 generations of a tiny network, all callbacks.

    python benchmarks/long_run.py [--generations N] [--folder FOLDER]

History, EarlyStopping, WeightAverage, ProgressBar (to a file), TimeLimit and a Checkpoint follow
a run of 8 networks of 22 weights. In each of 20 parts of it, printed as it ends: the median time
of a generation, the resident memory, the open files, the threads, the bytes of what the progress
bar and the loggers have written in this part, and those of the files of the checkpoint. Only the
rows of the History, and the best fitness, which PyGAD keeps, may grow: 240 and 80 bytes a
generation, and by tracemalloc nothing else does.
"""

import argparse
import logging
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cnn
import gacnn  # found through the line above

PARTS = 20


class Watch(gacnn.Callback):
    """Prints what is used, in every part of a run."""

    is_part_of_run = False

    def __init__(self, part: int, folder: Path, log: Path, out: Any) -> None:
        self.part, self.folder, self.log, self.out = part, folder, log, out
        self.times: list[float] = []
        self.logged = 0

    def on_start(self, ga: Any) -> None:
        self.since = time.perf_counter()

    def on_generation(self, ga: Any) -> None:
        now = time.perf_counter()
        self.times.append(now - self.since)
        self.since = now
        if ga.generations_completed % self.part == 0:
            self.say(ga.generations_completed)
            self.times.clear()

    def say(self, generation: int) -> None:
        status = Path("/proc/self/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
        handles = len(os.listdir("/proc/self/fd"))
        logged, before = self.log.stat().st_size, self.logged
        self.logged = logged
        kept = sum(file.stat().st_size for file in self.folder.glob("run*")) / 1e6
        print(
            f"{generation:11,}  {1e3 * statistics.median(self.times):8.3f}  {resident:8.1f}  "
            f"{handles:5}  {threading.active_count():7}  {logged - before:8,}  {kept:14.1f}",
            file=self.out,
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--generations", type=int, default=200_000)
    parser.add_argument("--folder", help="where to write; by default a temporary folder")
    options = parser.parse_args()
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0])
    hidden = cnn.Dense(4, activation_function="tanh")
    model = cnn.Model([cnn.Input1D(2), hidden, cnn.Dense(2)], random_seed=0)
    fitness = gacnn.Fitness(model, X, y)
    print("generations  ms each  RSS, MiB  files  threads  log, B  checkpoint, MB")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, log = Path(name), Path(name, "log")
        out, sys.stderr = sys.stdout, log.open("w")
        logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
        gacnn.GA(
            num_generations=options.generations,
            num_parents_mating=4,
            initial_population=gacnn.GACNN(model, 8, random_seed=0).population,
            fitness_func=fitness,
            random_seed=0,
            suppress_warnings=True,
            callbacks=[
                gacnn.WeightAverage(),
                gacnn.History(validation=lambda vector: fitness(vector[None])[0]),
                gacnn.EarlyStopping(10**9, monitor="validation"),
                gacnn.TimeLimit(10**6),
                gacnn.ProgressBar(),
                gacnn.Checkpoint(folder / "run"),
                Watch(max(1, options.generations // PARTS), folder, log, out),
            ],
        ).run()


if __name__ == "__main__":
    main()
