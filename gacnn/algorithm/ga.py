"""The genetic algorithm with callbacks, a clean stop and what it takes to resume."""
# mypy: disable-error-code="no-any-return"
# (pygad ships no types, so whatever it returns is Any)

from __future__ import annotations

import inspect
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import pygad

from cnn.engines.numpy.threads import single_threaded_blas
from gacnn.algorithm.events import _REPLACEABLE, Listener, _call, _defines, _Event, checked
from gacnn.algorithm.pygad_steps import Steps, is_evaluator
from gacnn.algorithm.ties import networks_of
from gacnn.callbacks.callback import Callback
from gacnn.callbacks.stopping import TimeLimit
from gacnn.operators.names import OPERATORS, check_heeded, resolved
from gacnn.operators.operator import Operator
from gacnn.types import Array

_PYGAD = inspect.signature(pygad.GA)
_INTERRUPT: list[Any] = ["time", 0.0]  # a stop criterion of PyGAD's that always holds
_TUNABLE = (  # settings that users change while a run goes on
    "num_parents_mating",
    "keep_parents",
    "keep_elitism",
    "K_tournament",
    "crossover_probability",
    "sbx_crossover_eta",
    "mutation_probability",
    "mutation_num_genes",
    "mutation_percent_genes",
    "mutation_by_replacement",
    "polynomial_mutation_eta",
    "random_mutation_min_val",
    "random_mutation_max_val",
)


class GA(Steps):
    """PyGAD's genetic algorithm at array speed, with callbacks; everything else as in `pygad.GA`.

    callbacks: a list of `gacnn.Callback`, also the attribute of that name. One run calls, in
    this order: `on_start`; the fitness function; then for every generation `on_fitness`,
    `on_parents`, `on_crossover`, `on_mutation`, the fitness function, `on_generation` and
    `commit`; after the last generation `commit`, `finish` and `on_stop`; and `close`, always.
    At each, the function or method given to PyGAD under that name comes first and then the
    callbacks in the order of the list. A replacement that one returns is what the next is given.
    "stop" from any `on_generation` ends the run, after all were called. An exception in one
    names it and the event in a note; the GA can run again after that.

    Ctrl-C ends the run after the generation in flight as if it were the last, with
    `interrupted` set; a second Ctrl-C raises KeyboardInterrupt at once. During the very first
    evaluation, one more generation follows.

    An `initial_population` with an attribute `networks_array`, as `GACNN` gives it, ties the
    networks to the GA: they equal its population whenever the fitness function is called, and
    after the run. A `fitness_func` may have `draw_batch(rng)`, which is called before every
    evaluation, with the same random numbers throughout a generation; and `full(vectors)`, which
    ranks the last population and answers outside a run (unless it says `ranks_on_all = False`).
    Neither is used where the function says `reevaluate = False`. One that says
    `evaluates_population = True` is called once with all solutions, as an array (P, n), and
    returns (P,), or (P, objectives). A `sampler` of the function is
    told when a run begins (`reset`) and a batch is behind it (`advance`).

    parent_selection_type, crossover_type and mutation_type also take the operators of
    `gacnn.operators`, or their names: "truncation";
    "recombination", "blend", "filter", "layer"; "gaussian", "mirrored", "self_adaptive", "csa",
    "separable".
    """

    stop_criteria: Any

    on_start, on_fitness, on_parents, on_crossover = _Event(), _Event(), _Event(), _Event()
    on_mutation, on_generation, on_stop = _Event(), _Event(), _Event()

    __signature__ = _PYGAD.replace(
        parameters=[
            *_PYGAD.parameters.values(),
            inspect.Parameter("callbacks", inspect.Parameter.KEYWORD_ONLY, default=()),
        ]
    )

    def __init__(self, *args: Any, callbacks: Iterable[Callback] = (), **settings: Any) -> None:
        self.callbacks = checked(callbacks)
        bound = _PYGAD.bind(*args, **settings)
        bound.apply_defaults()
        given = bound.arguments["initial_population"]
        self._networks = networks_of(given)
        if self._networks is not None or isinstance(given, np.ndarray):
            bound.arguments["initial_population"] = np.asarray(given)
        for name in OPERATORS:
            bound.arguments[name] = resolved(name, bound.arguments[name])
        check_heeded(bound.arguments, _PYGAD.parameters)
        try:
            super().__init__(*bound.args, **bound.kwargs)
        except TypeError as error:
            for name in (each for each in OPERATORS if f"Unknown {each}" in str(error)):
                error.add_note(f"gacnn.GA knows beside these: {', '.join(OPERATORS[name])}")
            raise
        self._settings = {**bound.arguments, "initial_population": None}
        self._settings["sol_per_pop"], self._settings["num_genes"] = self.pop_size
        self._built = {name: getattr(self, name) for name in _TUNABLE}
        self._built_operators = [each.settings() for each in self.operators()]
        self._resumed: dict[str, Any] | None = None
        self._batch_seed: Array | None = None
        self._begin()
        self._write_networks()

    def _begin(self) -> None:
        """Set what a run counts to its start."""
        self.interrupted = False
        if self._resumed is None:
            self._since = self.generations_completed
        self._until = self.generations_completed + self.num_generations
        self._unchanged = 0  # generations without a change of the best fitness
        self._has_ended = False  # the loop has: what follows is the ranking and on_stop
        self._has_stopped = False  # by "stop" or a criterion, not by Ctrl-C
        self._took_up = False
        self._batch_generation: int | None = None
        # A run that failed, or was checkpointed, has saved one more solution than fitness.
        self.best_solutions = self.best_solutions[: len(self.best_solutions_fitness)]

    @property
    def seconds_before(self) -> float:
        """How long the run that is about to be resumed has taken; 0.0 if there is none."""
        return 0.0 if self._resumed is None else float(self._resumed["seconds"])

    def kept_state(self, callback: Callback) -> dict[str, Any]:
        """Return what the run that is about to be resumed has kept of a callback."""
        assert self._resumed is not None
        kept = [each for each in self.callbacks if each.is_part_of_run]
        return self._resumed["callbacks"][kept.index(callback)]

    @property
    def seconds(self) -> float:
        """How long the run has taken, before a resume included; 0.0 before it begins."""
        if self.run_start_time is None:
            return 0.0
        return float(time.monotonic() - self.run_start_time)

    @property
    def progress(self) -> float:
        """The share of the run that is done, from 0 to 1: of the generations, or of a TimeLimit."""
        done = self.generations_completed - self._since
        shares = [done / max(1, self._until - self._since)]
        if self.run_start_time is not None:
            limits = [each.seconds for each in self.callbacks if isinstance(each, TimeLimit)]
            shares += [self.seconds / limit for limit in limits if limit > 0]
        return min(1.0, max(shares))

    def operators(self) -> list[Operator]:
        """Return what is an object among selection, crossover and mutation."""
        chosen = (getattr(self, name) for name in OPERATORS)
        return [each for each in chosen if isinstance(each, Operator)]

    @property
    def sampler(self) -> Any:
        """What chooses the images of a batch, and remembers how they went; None without one."""
        return getattr(self.fitness_func, "sampler", None)

    def run(self) -> None:
        """Evolve for `num_generations` generations, or until a callback or criterion says stop.

        With a fitness of whole populations BLAS has one thread until it ends: threads that an
        operator woke would keep the cores busy, waiting, while the fitness needs them.
        """
        self._begin()
        if self.sampler is not None and self._resumed is None:
            self.sampler.reset()
        with ExitStack() as stack:
            for callback in self.callbacks:
                stack.callback(callback.close)
            stack.enter_context(self._interruptible())
            if is_evaluator(self.fitness_func):
                stack.enter_context(single_threaded_blas())
            try:
                super().run()
            except BaseException:
                self._forget_kept()
                raise
        self._write_networks()

    def _forget_kept(self) -> None:
        """Forget which solutions were kept: in a generation cut short their fitness is unsure."""
        self.last_generation_parents = self.last_generation_parents_indices = None
        self.last_generation_elitism = self.last_generation_elitism_indices = None

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let Ctrl-C end the run after the generation in flight, and a second one at once."""
        before = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or before in (None, signal.SIG_IGN):
            yield
            return
        signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            if self.interrupted:
                kept = [each for each in self.stop_criteria if each is not _INTERRUPT]
                self.stop_criteria = kept or None

    def _interrupt(self, signal_number: int, frame: Any) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self.stop_criteria = [*(self.stop_criteria or []), _INTERRUPT]
        # Not print(), which might be what was interrupted.
        os.write(2, b"\nStopping after this generation; Ctrl-C again stops at once.\n")

    def _hook(self, event: str) -> Listener | None:
        """Return what PyGAD shall call at an event: nothing where nobody listens."""
        heard = bool(self._listeners(event))
        if event == "on_generation":
            commits = any(_defines(callback, "commit") for callback in self.callbacks)
            counts = self._took_up and self.stop_criteria is not None
            return self._after_generation if heard or commits or counts else None
        return partial(self._tell, event) if heard else None

    def _listeners(self, event: str) -> list[Listener]:
        own = self.__dict__[event]
        theirs = [getattr(each, event) for each in self.callbacks if _defines(each, event)]
        return theirs if own is None else [own, *theirs]

    def _tell(self, event: str, ga: Any, *values: Any) -> Any:
        """Call the listeners of an event, each with what the one before made of the value."""
        replacement = None
        for listener in self._listeners(event):
            if replacement is not None:
                passed = replacement[0] if event == "on_parents" else replacement
                values = (np.asarray(passed),)
            answer = _call(listener, event, ga, *values)
            if answer is not None and event in _REPLACEABLE:
                replacement = answer
        return replacement

    def _after_generation(self, ga: Any) -> str | None:
        """Call the listeners of on_generation and let callbacks save; say whether to stop."""
        self._count_unchanged()
        answers = [_call(each, "on_generation", ga) for each in self._listeners("on_generation")]
        told = any(isinstance(answer, str) and answer.lower() == "stop" for answer in answers)
        self._has_stopped = told or any(map(self._holds, self.stop_criteria or ()))
        self._commit()
        return "stop" if self._has_stopped else None

    def _count_unchanged(self) -> None:
        """Count for "saturate" as PyGAD does, which begins anew in a resumed run."""
        if any(criterion[0] == "saturate" for criterion in self.stop_criteria or ()):
            _, best, _ = self.best_solution(pop_fitness=self.last_generation_fitness)
            same = np.array_equal(self.best_solutions_fitness[-1], best)
            self._unchanged = self._unchanged + 1 if same else 0

    def _holds(self, criterion: list[Any]) -> bool:
        """Tell whether PyGAD will stop for a criterion; errors in one are left to it."""
        kind, *values = criterion
        if kind == "reach":
            best = np.max(self.last_generation_fitness, axis=0)
            return len(values) in (1, best.size) and bool(np.all(best >= np.array(values)))
        if kind == "saturate":
            return self._unchanged >= values[0]
        if kind == "evaluations":
            return self.num_fitness_evaluations >= values[0]
        late = self.seconds >= values[0]
        return late and criterion is not _INTERRUPT

    def _commit(self) -> None:
        for callback in self.callbacks:
            _call(callback.commit, "commit", self)

    def run_select_parents(self, call_on_parents: bool = True) -> None:
        """Select parents; PyGAD does so without `on_parents` once the loop has ended."""
        if not call_on_parents:
            self._has_ended = True
            self._commit()
            for callback in self.callbacks:
                _call(callback.finish, "finish", self)
            if self._uses("full"):
                self.last_generation_fitness = self._full_fitness()
        super().run_select_parents(call_on_parents)

    def cal_pop_fitness(self) -> Array:
        """Return the fitness (P,) or (P, objectives) of the population, known or evaluated.

        With mini-batches it is that on the generation's batch during a run, and on all data
        otherwise.
        """
        self._write_networks()
        running = getattr(self, "_fitness_run_active", False)
        if running and self._resumed is not None:
            if self.run_start_time is None:  # on_start asks
                return np.asarray(self._resumed["last_generation_fitness"])
            return self._take_up(self._resumed)
        if not running and self._uses("full"):
            return self._full_fitness()
        if self._uses("draw_batch") and self._batch_generation != self.generations_completed:
            self._batch_seed = self.numpy_random_generator.randint(2**32, size=4, dtype=np.uint32)
            self._batch_generation = self.generations_completed if running else None
            if self.sampler is not None:
                self.sampler.advance()
        return super().cal_pop_fitness()

    def _evaluate_fitness(self, population: Array, indices: list[int], **how: bool) -> list[Any]:
        if self._uses("draw_batch"):
            rng = np.random.Generator(np.random.SFC64(self._batch_seed))
            self.fitness_func.draw_batch(rng)
        return super()._evaluate_fitness(population, indices, **how)

    def with_fitness_of(self, row: int) -> Array:
        """Return the fitness of the population, that of one row evaluated anew."""
        self._write_networks()
        value = self._evaluate_fitness(self.population, [row])[0]
        known = self.last_generation_fitness
        fitness = known.astype(np.result_type(known, value))
        fitness[row] = value
        return fitness

    def _uses(self, method: str) -> bool:
        function = self.fitness_func
        if method == "full" and not getattr(function, "ranks_on_all", True):
            return False
        return hasattr(function, method) and getattr(function, "reevaluate", True)

    def _full_fitness(self) -> Array:
        self._write_networks()
        dtype = float if self.population.dtype == object else self.population.dtype
        fitness = np.asarray(self.fitness_func.full(self.population.astype(dtype)))
        self.num_fitness_evaluations += len(self.population)
        if fitness.shape[:1] != (len(self.population),):
            raise ValueError(
                "fitness_func.full must return one fitness value or one row of objectives for "
                f"each of {len(self.population)} solutions, not an array of shape {fitness.shape}"
            )
        return self._validate_population_fitness(fitness, "fitness_func.full", check_shape=False)

    def _write_networks(self) -> None:
        if self._networks is None:
            return
        if self._networks.shape != self.population.shape:
            raise ValueError(
                f"the population has the shape {self.population.shape}, but its networks "
                f"{self._networks.shape}: give GACNN num_solutions={len(self.population)}, or "
                "initial_population one row for each network, or np.asarray(…) of it to leave the "
                "networks alone"
            )
        self._networks[...] = self.population

    def _take_up(self, state: dict[str, Any]) -> Array:
        """Go on where a checkpoint was written; return the fitness that was known there."""
        self._resumed = None
        self._took_up = True
        self._unchanged, self._has_stopped = state["_unchanged"], state["_has_stopped"]
        self._batch_generation = self.generations_completed
        self.num_fitness_evaluations = state["num_fitness_evaluations"]
        self.run_start_time -= state["seconds"]
        self.numpy_random_generator.set_state(state["numpy_random"])
        self.python_random_generator.setstate(state["python_random"])
        kept = [callback for callback in self.callbacks if callback.is_part_of_run]
        for callback, its_state in zip(kept, state["callbacks"], strict=True):
            _call(callback.restore, "restore", its_state)
        if self.sampler is not None:
            self.sampler.restore(state["sampler"])
        return self._validate_population_fitness(state["last_generation_fitness"], "checkpoint")

    def __getstate__(self) -> dict[str, Any]:
        """Return what `save` and worker processes get: all but callbacks and networks."""
        return {**super().__getstate__(), "callbacks": [], "_networks": None}
