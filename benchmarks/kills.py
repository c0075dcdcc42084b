"""Kills by SIGKILL, and whether the resumed runs end with the bits of one that was left alone.

    python benchmarks/kills.py [--kills 15] [--seed 0] [--generations 400]

Eight configurations of a run are each killed so often: at a random time, or before a random call
of the system while a checkpoint is written. What is then on disk must be what was said to be
written, or later; and after the last kill the resumed run must equal the whole one, bit for bit.
Exits with 1 where one does not.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cnn
import gacnn  # found through the line above

CALLS = ("open", "link", "replace", "fsync", "unlink", "fstat", "lstat", "chmod", "scandir")


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 240)
    return rng.normal(size=(240, 6, 6, 1)).astype(np.float32) + y[:, None, None, None], y


def network() -> Any:
    convolution = cnn.Conv2D(4, 3, activation_function="relu")
    output = cnn.Dense(3, activation_function="softmax")
    layers = [cnn.Input2D((6, 6)), convolution, cnn.GlobalAveragePooling2D(), output]
    return cnn.Model(layers, random_seed=0)


TRAININGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "two threads, no validation": {"threads": 2, "validation": None},
    "augmented, importance": {"batch_size": 32, "augment": gacnn.augment.Shift(1)},
    "two objectives": {"metric": ["accuracy", "cross_entropy"], "batch_size": None},
    "ternary": {"gene_space": [-1, 0, 1], "save_best_solutions": True},
    "all saved": {"mutation_type": "csa", "save_solutions": True, "validation": None},
    "nested": {
        "mutation_type": gacnn.GaussianMutation(0.1, nested=True, mirrored=True),
        "crossover_type": "recombination",
    },
    "PyGAD's operators": {
        "parent_selection_type": "tournament",
        "crossover_type": "two_points",
        "mutation_type": "adaptive",
        "mutation_percent_genes": [20, 5],
        "save_best_solutions": True,
        "save_solutions": True,
    },
}


class Told(gacnn.Callback):
    """Says which generations are evaluated, and which are on disk."""

    is_part_of_run = False

    def __init__(self, log: Path) -> None:
        self.file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def on_generation(self, ga: Any) -> None:
        os.write(self.file, b"e %d\n" % ga.generations_completed)


class Every(gacnn.Checkpoint):
    """A checkpoint of every generation, that says so."""

    def __init__(self, path: Path, told: Told) -> None:
        super().__init__(path, every=1)
        self.told = told

    def commit(self, ga: Any) -> None:
        super().commit(ga)
        os.write(self.told.file, b"w %d\n" % ga.generations_completed)


def run(how: dict[str, Any], generations: int, folder: Path | None = None) -> Any:
    """Train, from the checkpoint of a folder if there is one."""
    more: dict[str, Any] = {}
    if folder is not None:
        told = Told(folder / "log")
        checkpoint = Every(folder / "run", told)
        more = {"checkpoint": checkpoint, "resume": True, "callbacks": [told]}
    settings = {"num_generations": generations, "patience": None, "verbose": False}
    return gacnn.GACNN(network(), 16, random_seed=1).train(*data(), **settings, **more, **how)


def die_at(call: int) -> None:
    """Kill this process before a call of the system."""
    left = [call]

    def patched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call_or_die(*values: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*values, **options)

        return call_or_die

    for name in CALLS:
        setattr(os, name, patched(getattr(os, name)))


def killed(how: dict[str, Any], generations: int, folder: Path, chance: random.Random) -> bool:
    """Run in a child that is killed; return whether it was before it ended."""
    call = chance.choice([0, chance.randrange(1, 4 * generations)])
    wait = chance.uniform(0.0, 0.004 * generations)
    child = os.fork()
    if child == 0:
        try:
            if call:
                die_at(call)
            run(how, generations, folder)
            os._exit(0)
        finally:
            os._exit(1)
    if not call:
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        raise SystemExit("a run has failed")
    return os.WIFSIGNALED(status)


def last_told(folder: Path) -> tuple[int, int]:
    """Return the last generation that was evaluated, and the last that was written."""
    log = folder / "log"
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    told = {kind: [int(each[2:]) for each in lines if each[0] == kind] for kind in "ew"}
    return max(told["e"], default=0), max(told["w"], default=0)


def found(folder: Path) -> int:
    """Return the generation of the checkpoint, 0 where there is none."""
    from gacnn.checkpoints.checkpoint import describe

    return int(describe(folder / "run")["generations"]) if (folder / "run").exists() else 0


def same(one: Any, other: Any) -> bool:
    histories = [{**each.history.to_dict(), "seconds": None} for each in (one, other)]
    lists = ("best_solutions", "best_solutions_fitness", "solutions", "solutions_fitness")
    return (
        np.array_equal(one.ga.population, other.ga.population)
        and np.array_equal(one.model.weights, other.model.weights)
        and repr(histories[0]) == repr(histories[1])
        and all(np.array_equal(getattr(one.ga, name), getattr(other.ga, name)) for name in lists)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=15, help="of each of eight runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--generations", type=int, default=400, help="of a run")
    options = parser.parse_args()
    chance, total, wrong = random.Random(options.seed), 0, 0
    generations = options.generations
    for name, how in TRAININGS.items():
        with tempfile.TemporaryDirectory() as place:
            folder, kills, lost = Path(place), 0, 0
            for _ in range(options.kills):
                kills += killed(how, generations, folder, chance)
                evaluated, written = last_told(folder)
                lost += not written <= found(folder) <= evaluated
            reached = found(folder)
            equal = same(run(how, generations, folder), run(how, generations))
        total, wrong = total + kills, wrong + lost + (not equal)
        end = "the same bits" if equal else "OTHER BITS"
        print(f"{name:26} {kills:3} kills, {lost} lost, generation {reached:3}: {end}", flush=True)
    print(f"{total} kills, {wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
