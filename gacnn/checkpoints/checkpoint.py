"""Checkpoints: all that a run of `gacnn.GA` needs to go on, in a file of arrays and JSON."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from cnn import checks
from gacnn.algorithm.events import checked_callbacks
from gacnn.algorithm.ga import GA
from gacnn.algorithm.state import complete
from gacnn.callbacks.callback import Callback
from gacnn.checkpoints import store
from gacnn.checkpoints.identity import check_same, identity_of, setting_of, shown
from gacnn.fitness.fitness import Fitness
from gacnn.operators.names import OPERATORS, resolved
from gacnn.operators.run import Run
from gacnn.types import FilePath

SECONDS = 1.0  # from one write to the next, where nothing is said
COST = 0.027  # and the share of a run's time that all writes take, at most
KEEPING = 0.003  # and that which copies in memory take, for a run that an exception ends
MINUTE = 60.0


class Checkpoint(Callback):
    """Keeps files from which `gacnn.resume` goes on as if nothing had happened.

    Written when all other callbacks have been called: after the first generation, which shows
    what cannot be kept or written, and always after the last, also where Ctrl-C or SIGTERM has
    ended the run. With nothing else said a second passes from one write to the next, or so much
    more that all take 3 % of the run's time; a kill costs what has been done since. In between a
    copy is made in memory, after every generation that takes 300 times as long as that: it is
    written when an exception ends the run, in a callback, a fitness function or elsewhere.

    `path` is a whole checkpoint at any time, also after a power loss: it is written to a file next
    to it, synced to disk and renamed. It holds the population, its fitness, the state of the random
    generators and of the callbacks, the settings, and the fingerprint of a fitness function that
    has one; functions by name only. What grows is appended to files that belong to it:
    `path`.best.jsonl, `path`.history.jsonl with the columns of a `History`, and with PyGAD's
    `save_solutions` and `save_best_solutions` more. While the run goes on there are
    `.{name}.spare`, the checkpoint before it, and `.{name}.lock`, which says whose the path is.

    Args:
        path: of the file; a symbolic link stays one, and the file that it leads to is replaced.
        every: generations from one write to the next, whatever they cost; None for any number.
        seconds: that pass before the next write, whatever it costs; None for 1.0, or for none
            where `every` is given. Both hold where both are given; 0.0 is for every generation.
        follow: False refuses a path that is a symbolic link, as one should be in a folder that
            may be a stranger's.

    Raises:
        FileNotFoundError: when a run starts, where there is no such folder.
        OSError: when a run starts, where nothing can be written, or for what is no file.
        ValueError: when a run starts, where another run has the path, saying which, and for a file
            that is no checkpoint, which is not written over.

    Examples:
        >>> def fitness(ga, solution, index):
        ...     return -sum(solution**2)
        >>> ga = gacnn.GA(
        ...     num_generations=20,
        ...     num_parents_mating=4,
        ...     fitness_func=fitness,
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     callbacks=[gacnn.Checkpoint("run.npz")],
        ... )
        >>> ga.run()
        >>> longer = gacnn.resume("run.npz", fitness_func=fitness, num_generations=30)
        >>> longer.run()
        >>> longer.generations_completed
        30
    """

    is_part_of_run = False

    def __init__(
        self,
        path: FilePath,
        every: int | None = None,
        seconds: float | None = None,
        *,
        follow: bool = True,
    ) -> None:
        self.path = checks.path(path, "path")
        self.follow = follow
        self._cost = COST if every is None and seconds is None else math.inf
        if seconds is None:
            seconds = SECONDS if every is None else 0.0
        self.every = 1 if every is None else checks.whole(every, "every")
        self.seconds = checks.number(seconds, "seconds", 0)
        self._store = store.Store(self.path, follow)
        self._written: int | None = None

    def on_start(self, ga: Run) -> None:
        """Begin another run."""
        self._store.open(identity_of(ga))
        self._written = None
        self._began = self._next = self._next_copy = time.monotonic()
        self._spent = [0.0, 0.0]

    def commit(self, ga: Run) -> None:
        """Write if it is time."""
        done, start = ga.generations_completed, time.monotonic()
        due = ga.has_ended or (done % self.every == 0 and start >= self._next)
        if self._written == done:
            return
        if due:
            rows = self._store.write(ga.state())
            self._written = done
            self._next = self._due(start, time.monotonic(), rows)
        elif start >= self._next_copy:
            self._store.keep(ga.state())
            end = time.monotonic()
            self._next_copy = end + (end - start) / KEEPING

    def _due(self, start: float, end: float, rows: float) -> float:
        """Return when to write again, after a write from start to end.

        rows: seconds of it that waiting does not save. Where they alone are more than the share,
        as with `save_solutions`, it waits for a minute, not for ever longer.
        """
        dues = []
        for kind, took in enumerate((end - start, end - start - rows)):
            self._spent[kind] += took
            # Another one, and the last, are to be paid out of the time by then.
            paid = self._began + (self._spent[kind] + 2 * took) / self._cost
            dues.append(max(end + took / self._cost, paid))
        return max(end + self.seconds, min(dues[0], max(dues[1], end + MINUTE)))

    def close(self) -> None:
        """Write what an exception has kept from being written, and let others have the path."""
        self._store.close()


def resume(
    path: FilePath,
    *,
    fitness_func: Any,
    callbacks: Iterable[Callback] = (),
    num_generations: int | None = None,
    follow: bool = True,
    executor: Any = None,
    **settings: Any,
) -> GA:
    """Return the GA of a checkpoint; its `run()` goes on as if it had never been left.

    Where the file is missing or damaged, as after a power loss on a disk that does not keep what
    it says, and the copy before it is whole, that is taken, with a warning. The callbacks take up
    their state when the GA runs, after `on_start`. Not kept, because no later generation depends
    on it: `initial_population` (it is now the population of the checkpoint), the last offspring,
    and parents that are not in the population.

    Args:
        path: what `Checkpoint` was given.
        fitness_func: the same again, as must be whatever else of the settings are functions:
            functions of the same names.
        callbacks: of the same kinds; a ProgressBar or a Checkpoint more or less makes no other
            run.
        num_generations: in all, where it shall be another number than before; without it a run
            that a callback or criterion has stopped stays so, and `run()` only ends it.
        follow: as for `Checkpoint`.
        executor: who shall score from now on, where that is not what `fitness_func` says; for a
            `Fitness` of shards (its `shard`), with the same bits.
        settings: others of the GA, which must be the same, apart from logger,
            parallel_processing, suppress_warnings, and an `initial_population` of a GACNN, whose
            networks are then tied to the GA.

    Returns:
        The GA, ready to run.

    Raises:
        FileNotFoundError: where there is none.
        ValueError: for a file that is damaged, foreign, of another version or of another run,
            saying what differs.
        TypeError: for an unknown setting, or an executor for another kind of fitness.
    """
    if executor is not None:
        if not isinstance(fitness_func, Fitness):
            raise TypeError(
                "executor is for a fitness_func that is a gacnn.Fitness, not "
                f"{type(fitness_func).__name__}"
            )
        fitness_func = fitness_func.on(executor)
    identity, stored = store.read(path, follow)
    callbacks = checked_callbacks(callbacks)
    given = {"fitness_func": fitness_func, **settings}
    given |= {name: resolved(name, given[name]) for name in OPERATORS.keys() & given.keys()}
    with complete(os.fspath(path)):
        check_same(path, identity, given, callbacks)
        merged = {name: setting_of(kept) for name, kept in identity["settings"].items()} | given
        population = merged.pop("initial_population", None)
        merged["num_generations"] = _generations_left(stored, num_generations)
        merged["initial_population"] = stored["population"][: merged["sol_per_pop"]]
        ga = _built(path, callbacks, merged)
        ga.restore(stored)
    ga.tie(population)
    return ga


def _built(path: FilePath, callbacks: list[Callback], settings: dict[str, Any]) -> GA:
    """Return the GA of these settings; words of a stranger's in an error steer no terminal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # all has been said when the GA was built first
            return GA(callbacks=callbacks, **settings)
    except (TypeError, ValueError) as error:
        if str(error).isprintable():
            raise
        reason = checks.printable(error, "\n")
    raise ValueError(f"{os.fspath(path)} is damaged, or of another version: {reason}")


def describe(path: FilePath, follow: bool = True) -> dict[str, Any]:
    """Return what a checkpoint holds, for people: generations, solutions, fitness, operators.

    Raises OSError where there is no file to read, and ValueError for one that is no checkpoint.
    """
    identity, stored = store.read(path, follow)
    with complete(os.fspath(path)):
        fitness = np.asarray(stored["last_generation_fitness"])
        return {
            "generations": int(stored["generations_completed"]),
            "seconds": round(float(stored["seconds"]), 1),
            "solutions": len(stored["population"]),
            "genes": stored["population"].shape[1],
            "best_fitness": fitness.max(axis=0).tolist(),
            **{name: shown(identity["settings"][name]) for name in OPERATORS},
        }


def _generations_left(stored: dict[str, Any], num_generations: int | None) -> int:
    done, course = int(stored["generations_completed"]), stored["course"]
    if num_generations is None:
        return 0 if course["has_stopped"] else course["until"] - done
    total = checks.whole(num_generations, "num_generations", minimum=0)
    if total < done:
        raise ValueError(f"num_generations must be at least the {done} done already, not {total}")
    return total - done
