"""Checkpoints: all that a run of `gacnn.GA` needs to go on, in a file of arrays and JSON."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from cnn import checks
from gacnn.algorithm.ga import GA
from gacnn.callbacks.callback import Callback
from gacnn.checkpoints import array_tree as container
from gacnn.checkpoints.identity import check_same, identity_of, setting_of, shown
from gacnn.checkpoints.slot import Slot
from gacnn.fitness.fitness import Fitness
from gacnn.operators.names import OPERATORS, resolved
from gacnn.operators.run import Run
from gacnn.types import Array, FilePath


class Checkpoint(Callback):
    """Keeps a file from which `gacnn.resume` goes on as if nothing had happened.

    Written after every `every` generations, and after the last, when all other callbacks have
    been called: to a file next to it, synced to disk and renamed, so that `path` is a whole
    checkpoint at any time. It holds the population, its fitness, the histories (with
    `save_solutions` it grows with every generation), the state of the random generators and of
    the callbacks, the settings, and the fingerprint of a fitness function that has one; functions
    by name only. While the run goes on there is a second file, `.{name}.spare`, with the
    checkpoint before it.

    Raises FileNotFoundError, when a run starts, where there is no such folder.
    """

    is_part_of_run = False

    def __init__(self, path: FilePath, every: int = 1) -> None:
        self.path = Path(path)
        self.every = checks.whole(every, "every")
        self._forget()

    def _forget(self) -> None:
        self._slot = Slot(self.path)
        self._run: Array | None = None
        self._rows = {"solutions": _Rows(), "best_solutions": _Rows()}
        self._written: int | None = None

    def on_start(self, ga: Run) -> None:
        """Begin another run."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {self.path.parent} for {self.path.name}")
        self._forget()
        self._run = np.frombuffer(json.dumps(identity_of(ga)).encode(), np.uint8)

    def commit(self, ga: Run) -> None:
        """Write the file if it is time."""
        done = ga.generations_completed
        due = ga.has_ended or done % self.every == 0
        if not due or self._written == done:
            return
        state = ga.state()
        for name, rows in self._rows.items():
            state[name] = rows.array(state[name], ga.population)
        self._slot.write(container.pack({"run": self._run, **state}))
        self._written = done

    def close(self) -> None:
        """Remove the second file."""
        self._slot.release()


class _Rows:
    """A growing list of solutions as an array; converts only what is new since the last time."""

    def __init__(self) -> None:
        self._lists: list[Any] = []
        self._arrays: list[Array] = []

    def array(self, rows: list[Any], population: Array) -> Array:
        """Return the rows as one array, of which only those that are new are converted."""
        pairs = zip(rows, self._lists, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], pairs))
        self._lists[same:] = rows[same:]
        self._arrays[same:] = [np.array(row, dtype=population.dtype) for row in rows[same:]]
        return np.stack(self._arrays) if self._arrays else population[:0]


def resume(
    path: FilePath,
    *,
    fitness_func: Any,
    callbacks: Iterable[Callback] = (),
    num_generations: int | None = None,
    executor: Any = None,
    **settings: Any,
) -> GA:
    """Return the GA of a checkpoint; its `run()` goes on as if it had never been left.

    fitness_func, callbacks, and whatever else of the settings are functions must be given again:
    functions of the same names, callbacks of the same kinds (a ProgressBar or a Checkpoint more
    or less makes no other run). Other settings may be given, and must be the same, apart from
    logger, parallel_processing, suppress_warnings, and an `initial_population` of a GACNN, whose
    networks are then tied to the GA. num_generations is the number in all, where it shall be
    another than before; without it a run that a callback or criterion has stopped stays so, and
    `run()` only ends it. The callbacks take up their state when it runs, after `on_start`.

    Not kept, because no later generation depends on it: `initial_population` (it is now the
    population of the checkpoint), the last offspring, and parents that are not in the population.

    Args:
        path: the file of the checkpoint.
        fitness_func: that of the run.
        callbacks: those of the run.
        num_generations: in all; None for as many as before.
        executor: who shall score from now on, where that is not what `fitness_func` says; for a
            `Fitness` of shards (its `shard`), with the same bits.
        settings: others, that must be the same.

    Returns:
        The GA, ready to run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, foreign or of another run; the message says what differs.
        TypeError: a setting is unknown, or executor is given for another kind of fitness.
    """
    if executor is not None:
        if not isinstance(fitness_func, Fitness):
            raise TypeError(
                "executor is for a fitness_func that is a gacnn.Fitness, not "
                f"{type(fitness_func).__name__}"
            )
        fitness_func = fitness_func.on(executor)
    stored = _read(path)
    callbacks = list(callbacks)
    identity = json.loads(stored.pop("run").tobytes())
    given = {"fitness_func": fitness_func, **settings}
    given |= {name: resolved(name, given[name]) for name in OPERATORS.keys() & given.keys()}
    check_same(path, identity, given, callbacks)
    merged = {name: setting_of(kept) for name, kept in identity["settings"].items()} | given
    population = merged.pop("initial_population", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all has been said when the GA was built first
        ga = GA(
            num_generations=_generations_left(stored, num_generations),
            initial_population=stored["population"][: merged["sol_per_pop"]],
            callbacks=callbacks,
            **merged,
        )
    ga.restore(stored)
    ga.tie(population)
    return ga


def describe(path: FilePath) -> dict[str, Any]:
    """Return what a checkpoint holds, for people: generations, solutions, fitness, operators.

    Raises OSError where there is no file to read, and ValueError for one that is no checkpoint.
    """
    stored = _read(path)
    settings = json.loads(stored["run"].tobytes())["settings"]
    fitness = np.asarray(stored["last_generation_fitness"])
    return {
        "generations": int(stored["generations_completed"]),
        "seconds": round(float(stored["seconds"]), 1),
        "solutions": len(stored["population"]),
        "genes": stored["population"].shape[1],
        "best_fitness": fitness.max(axis=0).tolist(),
        **{name: shown(settings[name]) for name in OPERATORS},
    }


def _read(path: FilePath) -> dict[str, Any]:
    with open(path, "rb") as file:
        data = file.read()
    try:
        return dict(container.unpack(data))
    except Exception as error:
        spare = Slot(path).spare
        hint = f"; {spare} may be the one before it" if spare.exists() else ""
        raise ValueError(f"{os.fspath(path)} is damaged or no checkpoint: {error}{hint}") from error


def _generations_left(stored: dict[str, Any], num_generations: int | None) -> int:
    done, course = int(stored["generations_completed"]), stored["course"]
    if num_generations is None:
        return 0 if course["has_stopped"] else course["until"] - done
    total = checks.whole(num_generations, "num_generations", minimum=0)
    if total < done:
        raise ValueError(f"num_generations must be at least the {done} done already, not {total}")
    return total - done
