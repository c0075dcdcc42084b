"""Cost of a checkpoint of every generation, beside the plainest way to put its bytes on disk.

    python benchmarks/checkpoint_cost.py [--folder FOLDER]

64 networks of 79,408 float32 genes are checkpointed after every generation of a run; in a second
run np.save and fsync write the population alone to a new file, which is renamed. A generation
takes as long as one of the cifar case. Times are medians over generations, in milliseconds.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from sys import path
from typing import Any

import numpy as np

path.insert(0, str(Path(__file__).resolve().parents[1]))

import gacnn  # found through the line above
from gacnn.algorithm.ga import GA
from gacnn.callbacks.callback import Callback
from gacnn.callbacks.history import History
from gacnn.callbacks.stopping import EarlyStopping
from gacnn.checkpoints.checkpoint import Checkpoint

POPULATION, GENES = 64, 79_408
GENERATION = 0.140  # seconds that a generation of the cifar case takes


class Column(gacnn.Evaluator):
    """Scores a solution by its first gene, in the time that the networks would take."""

    def __call__(self, vectors: Any) -> Any:
        start = time.perf_counter()
        while time.perf_counter() - start < GENERATION:
            vectors[:32] @ vectors[32:].T
        return vectors[:, 0].astype(float)


class TimedCheckpoint(Checkpoint):
    """A checkpoint that notes how long each write took."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seconds: list[float] = []

    def commit(self, ga: Any) -> None:
        start = time.perf_counter()
        super().commit(ga)
        self.seconds.append(time.perf_counter() - start)


class TimedSave(Callback):
    """np.save of the population to a new file, synced and renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: list[float] = []

    def commit(self, ga: Any) -> None:
        start = time.perf_counter()
        new = self.path.with_suffix(".new")
        with open(new, "wb") as file:
            np.save(file, ga.population)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)
        self.seconds.append(time.perf_counter() - start)


def run(generations: int, *callbacks: Callback) -> None:
    GA(
        num_generations=generations,
        num_parents_mating=POPULATION // 2,
        fitness_func=Column(),
        sol_per_pop=POPULATION,
        num_genes=GENES,
        gene_type=np.float32,
        crossover_type="uniform",
        random_seed=1,
        callbacks=callbacks,
    ).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", help="where to write; by default a temporary folder")
    parser.add_argument("--generations", type=int, default=25)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        checkpoint = TimedCheckpoint(Path(folder, "run.checkpoint"))
        plain = TimedSave(Path(folder, "population.npy"))
        run(options.generations, History(), EarlyStopping(10**6), checkpoint)
        run(options.generations, plain)
        size = checkpoint.path.stat().st_size
    # The first two make the files, and the last call, after the last generation, writes nothing.
    cost, beside = (1e3 * np.median(each.seconds[2:-1]) for each in (checkpoint, plain))
    print(
        f"checkpoint of {size:,} bytes  {cost:6.1f} ms, {cost / 10 / GENERATION:.1f} % of a "
        f"generation of {1e3 * GENERATION:.0f} ms"
    )
    print(f"np.save and fsync              {beside:6.1f} ms")


if __name__ == "__main__":
    main()
