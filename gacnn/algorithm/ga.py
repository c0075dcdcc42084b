"""The genetic algorithm with callbacks, a clean stop and what it takes to resume."""
# mypy: disable-error-code="no-any-return"
# (pygad ships no types, so whatever it returns is Any)

from __future__ import annotations

import inspect
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pygad
from numpy.typing import ArrayLike

from cnn import checks
from cnn.engines.numpy.memory import keep_freed_memory
from gacnn.algorithm.events import (
    Event,
    Events,
    Listener,
    checked_callbacks,
    name_of,
    reads_fitness,
)
from gacnn.algorithm.pygad_steps import errors_said_once
from gacnn.algorithm.state import Remembering
from gacnn.algorithm.ties import networks_of, write_networks
from gacnn.callbacks.callback import Callback
from gacnn.callbacks.stopping import TimeLimit
from gacnn.fitness.evaluator import Evaluator
from gacnn.operators.names import (
    OPERATORS,
    OTHER_SETTINGS,
    check_heeded,
    resolved,
    unknown_operator,
)
from gacnn.operators.operator import Crossover, Mutation, Selection, generator
from gacnn.operators.run import Run
from gacnn.types import Array, FilePath, Indices

_PYGAD = inspect.signature(pygad.GA)


class GA(Remembering, Run):
    """PyGAD's genetic algorithm at array speed, with callbacks; everything else as in `pygad.GA`.

    [PyGAD's documentation](https://pygad.readthedocs.io/en/latest/pygad.html) says more of each
    argument but the last; all of them mean the same here.

    Args:
        num_generations: how many generations a call of `run` adds, at most.
        num_parents_mating: how many parents are selected in every generation.
        fitness_func: a function (ga, solution, index) that returns a number, or a list of numbers
            for several objectives, higher is better; or a `gacnn.Evaluator`, which is called once
            with all the solutions that have to be scored. On mini-batches, a stop criterion
            "reach_…" must hold on all data too, and a function that ends the run by the fitness on
            a better batch is named.
        fitness_batch_size: how many solutions a function is given at a time, with their indices;
            None for one. An evaluator is given all.
        initial_population: solutions (P, n) to begin with, instead of random ones. Vectors as
            `GACNN.population_as_vectors` gives them tie the networks to the algorithm: they equal
            its population whenever the fitness function is called, and after the run.
        sol_per_pop: P, the size of a population that is drawn at random.
        num_genes: n, the length of its solutions.
        init_range_low: least value of the genes drawn; a list has one for each gene.
        init_range_high: greatest value of the genes drawn; a list has one for each gene.
        gene_type: type of the genes, such as float, int or np.float32; [float, 2] also rounds; a
            list has one for each gene.
        parent_selection_type: "sss", "rws", "sus", "rank", "random", "tournament", "nsga2",
            "tournament_nsga2", "nsga3", "tournament_nsga3", "truncation", a function, or a
            `gacnn.Selection`.
        keep_parents: how many parents go on into the next population, -1 or None for all; counts
            only where keep_elitism is 0.
        keep_elitism: how many of the best solutions go on into the next population.
        K_tournament: how many solutions meet in a tournament.
        nsga3_num_divisions: divisions of each objective for the reference points of NSGA-III.
        crossover_type: "single_point", "two_points", "uniform", "scattered", "sbx",
            "recombination", "blend", "filter", "layer", a function, a `gacnn.Crossover`, or None.
        crossover_probability: the chance of a parent to mate; None for 1.
        sbx_crossover_eta: how near the children of "sbx" stay to their parents; larger is nearer.
        mutation_type: "random", "swap", "inversion", "scramble", "adaptive", "polynomial",
            "gaussian", "mirrored", "self_adaptive", "csa", "separable", a function, a
            `gacnn.Mutation`, or None.
        mutation_probability: the chance of a gene to mutate; two for "adaptive", for poor and for
            good solutions.
        polynomial_mutation_eta: how small the steps of "polynomial" are; larger is smaller.
        mutation_by_replacement: whether a drawn value replaces the gene; otherwise it is added.
        mutation_percent_genes: the share of genes that mutate, in percent; "default" is 10. It
            counts where neither mutation_probability nor mutation_num_genes is given.
        mutation_num_genes: how many genes mutate.
        random_mutation_min_val: least value that mutation draws; a list has one for each gene.
        random_mutation_max_val: greatest value that mutation draws.
        gene_space: the values that genes may have: a list or range of them, {"low": …, "high": …}
            with or without "step", or a list of such, one for each gene; None for any.
        gene_constraint: a function of the solution and candidate values for each gene, which
            returns those that it may have; None for a gene without one.
        sample_size: how many values are drawn to find one that fits a constraint or is no
            duplicate.
        allow_duplicate_genes: whether genes of a solution may be equal.
        on_start: called with the algorithm, once, before the first evaluation.
        on_fitness: called with it and the fitness of the population.
        on_parents: called with it and the parents.
        on_crossover: called with it and the offspring of crossover.
        on_mutation: called with it and the mutated offspring.
        on_generation: called with it after every generation; "stop" ends the run.
        on_stop: called with it and the fitness of the last population.
        save_best_solutions: whether `best_solutions` keeps the best of every generation.
        save_solutions: whether `solutions` keeps all of them.
        suppress_warnings: whether PyGAD's warnings are left out.
        stop_criteria: "reach_0.9", "saturate_10", "time_60", "evaluations_1000", or a list of such.
        parallel_processing: threads, or ("process" or "thread", number), that call a function; an
            evaluator has its own.
        random_seed: what all random numbers of the run derive from; None for others every time.
        logger: what PyGAD writes its messages to, errors included; None for the standard output,
            without errors, which are raised.
        gene_categorical: whether the values of genes have no order; a list has one for each gene.
        callbacks: `gacnn.Callback` objects, also the attribute of that name.

    One run calls, in this order: `on_start`; the fitness function; then for every generation
    `on_fitness`, `on_parents`, `on_crossover`, `on_mutation`, the fitness function,
    `on_generation` and `commit`; after the last generation `commit`, `finish` and `on_stop`; and
    `close`, always. At each, the function or method given to PyGAD under that name comes first and
    then the callbacks in the order of the list. A replacement that one returns is what the next is
    given. "stop" from any `on_generation` ends the run, after all were called. An exception in one
    names it and the event in a note; the GA can run again after that.

    Ctrl-C, and SIGTERM, which schedulers send, end the run after the generation in flight as if
    it were the last, with `interrupted` set; a second one raises KeyboardInterrupt or SystemExit
    at once. During the very first evaluation, one more generation follows. SIGTERM is left alone
    where somebody handles it already, and in worker processes, which pools end by it.

    Examples:
        >>> wanted = np.linspace(-1, 1, 10)
        >>> ga = gacnn.GA(
        ...     num_generations=300,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -np.abs(solution - wanted).sum(),
        ...     sol_per_pop=20,
        ...     num_genes=10,
        ...     mutation_type="gaussian",
        ...     random_seed=0,
        ... )
        >>> ga.run()
        >>> solution, fitness, _ = ga.best_solution()
        >>> bool(fitness > -1)
        True
    """

    callbacks: list[Callback]
    """The callbacks, in the order in which they are called; they may be changed between runs."""

    stop_criteria: Any
    _withheld: tuple[list[Any], list[Any]] | None = None  # all criteria, those without "reach"
    _lost: tuple[str, ...] = ()  # what a copy was made without

    events: Events | None = None
    """Who listens, during a run."""

    on_start, on_fitness, on_parents, on_crossover = Event(), Event(), Event(), Event()
    on_mutation, on_generation, on_stop = Event(), Event(), Event()

    __signature__ = _PYGAD.replace(
        parameters=[
            *_PYGAD.parameters.values(),
            inspect.Parameter("callbacks", inspect.Parameter.KEYWORD_ONLY, default=()),
        ]
    )

    if not TYPE_CHECKING:

        def __init__(self, *args, callbacks=(), **settings):
            self._build(args, callbacks, settings)

    else:  # what editors and the reference show: a test compares it with pygad.GA

        def __init__(
            self,
            num_generations: int,
            num_parents_mating: int,
            fitness_func: Evaluator | Callable[..., Any],
            fitness_batch_size: int | None = None,
            initial_population: Sequence[ArrayLike] | Array | None = None,
            sol_per_pop: int | None = None,
            num_genes: int | None = None,
            init_range_low: float | Sequence[float] = -4,
            init_range_high: float | Sequence[float] = 4,
            gene_type: Any = float,
            parent_selection_type: str | Selection | Callable[..., Any] = "sss",
            keep_parents: int | None = None,
            keep_elitism: int = 1,
            K_tournament: int = 3,
            nsga3_num_divisions: int | None = None,
            crossover_type: str | Crossover | Callable[..., Any] | None = "single_point",
            crossover_probability: float | None = None,
            sbx_crossover_eta: float = 30,
            mutation_type: str | Mutation | Callable[..., Any] | None = "random",
            mutation_probability: float | Sequence[float] | None = None,
            polynomial_mutation_eta: float = 20,
            mutation_by_replacement: bool = False,
            mutation_percent_genes: float | Sequence[float] | str = "default",
            mutation_num_genes: int | Sequence[int] | None = None,
            random_mutation_min_val: float | Sequence[float] = -1.0,
            random_mutation_max_val: float | Sequence[float] = 1.0,
            gene_space: Any = None,
            gene_constraint: Sequence[Callable[..., Any] | None] | None = None,
            sample_size: int = 100,
            allow_duplicate_genes: bool = True,
            on_start: Callable[..., Any] | None = None,
            on_fitness: Callable[..., Any] | None = None,
            on_parents: Callable[..., Any] | None = None,
            on_crossover: Callable[..., Any] | None = None,
            on_mutation: Callable[..., Any] | None = None,
            on_generation: Callable[..., Any] | None = None,
            on_stop: Callable[..., Any] | None = None,
            save_best_solutions: bool = False,
            save_solutions: bool = False,
            suppress_warnings: bool = False,
            stop_criteria: str | Sequence[str] | None = None,
            parallel_processing: int | Sequence[Any] | None = None,
            random_seed: int | None = None,
            logger: logging.Logger | None = None,
            gene_categorical: bool | Sequence[bool] | None = None,
            *,
            callbacks: Iterable[Callback] = (),
        ) -> None: ...

    def _build(
        self, args: tuple[Any, ...], callbacks: Iterable[Callback], settings: dict[str, Any]
    ) -> None:
        self.callbacks = checked_callbacks(callbacks)
        for name in settings.keys() - _PYGAD.parameters.keys():
            meant = checks.nearest(name, _PYGAD.parameters.keys(), OTHER_SETTINGS)
            raise TypeError(f"gacnn.GA has no setting {name!r}{meant}")
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
            with errors_said_once():
                super().__init__(*bound.args, **bound.kwargs)
        except TypeError as error:
            raise unknown_operator(error) from None
        self.interrupted_by: int | None = None
        self.remember_settings(bound.arguments)
        write_networks(self._networks, self.population)
        self._warn_of_workers()

    @property
    def progress(self) -> float:
        """The share of the run that is done, from 0 to 1: of the generations, or of a TimeLimit."""
        done = self.generations_completed - self.course.since
        shares = [done / max(1, self.course.until - self.course.since)]
        limits = [each.seconds for each in self.callbacks if isinstance(each, TimeLimit)]
        gone, start = self.seconds, self.start_seconds
        shares += [(gone - start) / (end - start) if end > start else 1.0 for end in limits]
        return min(1.0, max(shares))

    def tie(self, population: Any) -> None:
        """Tie the networks that a population came from, if it came from any."""
        self._networks = networks_of(population)
        write_networks(self._networks, self.population)
        self._warn_of_workers()

    def _warn_of_workers(self) -> None:
        """Warn of processes, whose networks stay as they are when theirs begin."""
        parallel = self.parallel_processing
        if parallel is None or parallel[0] != "process" or self._networks is None:
            return
        if not isinstance(self.fitness_func, Evaluator):
            checks.warn(
                "the networks of a GACNN follow the population in this process, not in those of "
                f"parallel_processing={parallel}: have fitness_func use the solution that it is "
                "given, not the networks; or take threads, or the `fitness` of the GACNN"
            )

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or SIGTERM has ended the run; `interrupted_by` is the signal's number."""
        return self.interrupted_by is not None

    def run(self) -> None:
        """Evolve for `num_generations` generations, or until a callback or criterion says stop."""
        self.warn_of_lost()
        self.interrupted_by = None
        self.begin()
        keep_freed_memory()  # offspring come and go, too
        with ExitStack() as stack:
            for callback in self.callbacks:
                stack.callback(callback.close)
            stack.enter_context(self._reaching_on_all())
            stack.enter_context(self._interruptible())
            stack.enter_context(self.evaluator.session())
            stack.enter_context(self._listened_to())
            stack.enter_context(errors_said_once())
            try:
                super().run()
            except BaseException:
                self.forget_kept()
                raise
        write_networks(self._networks, self.population)

    @contextmanager
    def _reaching_on_all(self) -> Iterator[None]:
        """Keep "reach" from PyGAD, which would end a run by one lucky batch."""
        given = self.stop_criteria
        if self.evaluator.reevaluates and given is not None:
            rest = [each for each in given if each[0] != "reach"]
            self._withheld, self.stop_criteria = (given, rest), rest
        try:
            yield
        finally:
            self.stop_criteria, self._withheld = self.criteria, None

    @property
    def criteria(self) -> list[Any] | None:
        """All stop criteria, those included that PyGAD does not see while it runs.

        A callback that sets `stop_criteria` replaces them all.
        """
        if self._withheld is not None and self.stop_criteria is self._withheld[1]:
            return list(self._withheld[0])
        return cast("list[Any] | None", self.stop_criteria)

    @property
    def _reach(self) -> list[Any]:
        """The criteria that must hold on all data, none where there are no batches."""
        criteria = self.criteria if self._withheld is not None else None
        return [each for each in criteria or () if each[0] == "reach"]

    @contextmanager
    def _listened_to(self) -> Iterator[None]:
        """Let PyGAD call all listeners in the place of its own functions."""

        def counts() -> bool:
            heeds = self.took_up and self.stop_criteria is not None
            return self.interrupted or bool(self._reach) or heeds

        self.events = Events(self, self._after_generation, counts)
        try:
            yield
        finally:
            self.events = None

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let a signal end the run after the generation in flight, and a second one at once."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        before = {number: signal.getsignal(number) for number in _signals() if in_main_thread}
        for number in before:
            signal.signal(number, self._interrupt)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, frame: Any) -> None:
        if self.interrupted:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self.interrupted_by = number
        again = "Ctrl-C" if number == signal.SIGINT else "the signal"
        # Not print(), which might be what was interrupted.
        os.write(2, f"\nStopping after this generation; {again} again stops at once.\n".encode())

    def _after_generation(self, ga: Any) -> str | None:
        """Call the listeners of on_generation and let callbacks save; say whether to stop."""
        assert self.events is not None
        self._count_unchanged()
        told = self.events.told_to_stop()
        if told:
            self._warn_of_luck(told)
        holds = any(map(self._holds, self.stop_criteria or ())) or self._reaches_on_all()
        self.course.has_stopped = bool(told) or holds
        self.events.tell_callbacks("commit")
        return "stop" if self.course.has_stopped or self.interrupted else None

    def _reaches_on_all(self) -> bool:
        """Tell whether a criterion holds for the best of the batch on all data too."""
        held = [each for each in self._reach if self._holds(each)]
        if not held:
            return False
        rows = np.unique(self.last_generation_fitness.argmax(axis=0))
        on_all = self.evaluator.on_all(self.population[rows].astype(self._float_dtype))
        return on_all is None or any(_reached(each, on_all) for each in held)

    def _warn_of_luck(self, listeners: list[Listener]) -> None:
        """Warn of functions that have ended the run by the fitness on a batch that flatters."""
        fitness = self.last_generation_fitness
        names = [name_of(each) for each in listeners if reads_fitness(each)]
        if not names or not self.evaluator.reevaluates or fitness.ndim > 1:
            return
        row = int(fitness.argmax())
        on_all = self.evaluator.on_all(self.population[[row]].astype(self._float_dtype))
        if on_all is not None and on_all[0] < fitness[row]:
            checks.warn(
                f"{names[0]} ends the run with a best fitness of {fitness[row]:.4g} on a batch, "
                f"which is {float(on_all[0]):.4g} on all data; if it goes by the fitness, give "
                "batch_size=None, all images, or callbacks=[gacnn.EarlyStopping(threshold=…)], "
                "which looks at them"
            )

    def _count_unchanged(self) -> None:
        """Count for "saturate" as PyGAD does, which begins anew in a resumed run."""
        if any(criterion[0] == "saturate" for criterion in self.stop_criteria or ()):
            _, best, _ = self.best_solution(pop_fitness=self.last_generation_fitness)
            same = np.array_equal(self.best_solutions_fitness[-1], best)
            self.course.unchanged = self.course.unchanged + 1 if same else 0

    def _holds(self, criterion: list[Any]) -> bool:
        """Tell whether PyGAD will stop for a criterion; errors in one are left to it."""
        kind, *values = criterion
        if kind == "reach":
            return _reached(criterion, self.last_generation_fitness)
        if kind == "saturate":
            return self.course.unchanged >= values[0]
        if kind == "evaluations":
            return self.num_fitness_evaluations >= values[0]
        return self.seconds - self.start_seconds >= values[0]

    # Fitness

    def run_select_parents(self, call_on_parents: bool = True) -> None:
        """Select parents; PyGAD does so without `on_parents` once the loop has ended."""
        if not call_on_parents:
            assert self.events is not None
            self.has_ended = True
            self.events.tell_callbacks("commit")
            changed = self._changed_by_finish()
            on_all = self._fitness_on_all()
            if on_all is not None:
                self.last_generation_fitness = on_all
            else:
                for row in changed:
                    self.last_generation_fitness = self.with_fitness_of(int(row))
        super().run_select_parents(call_on_parents)

    def _changed_by_finish(self) -> Indices:
        """Call `finish` of all callbacks; return the rows it changed without their fitness."""
        assert self.events is not None
        population, fitness = self.population.copy(), self.last_generation_fitness.copy()
        self.events.tell_callbacks("finish")
        now = np.asarray(self.last_generation_fitness)
        if now.shape != fitness.shape:
            return np.array([], np.intp)
        same = (now == fitness).reshape(len(fitness), -1).all(axis=1)
        return np.flatnonzero(same & (self.population != population).any(axis=1))

    def cal_pop_fitness(self) -> Array:
        """Return the fitness (P,) or (P, objectives) of the population, known or evaluated.

        With mini-batches it is that on the generation's batch during a run, and on all data
        otherwise.
        """
        write_networks(self._networks, self.population)
        known = self.fitness_taken_up() if self.is_running else self._fitness_on_all()
        if known is not None:
            return known
        if self.is_running and (self._drawn_for or 0) > self.generations_completed:
            return np.array(self.last_generation_fitness)  # what is drawn is for the next ones
        if self.evaluator.reevaluates and self._drawn_for != self.generations_completed:
            self.evaluator.draw(generator(self))
            self._drawn_for = self.generations_completed if self.is_running else None
        return super().cal_pop_fitness()

    def draw_ahead(self) -> None:
        """Draw what the coming generation is scored on now, before the mutation."""
        if self.evaluator.reevaluates:
            self.evaluator.draw(generator(self))
            self._drawn_for = self.generations_completed + 1

    def with_fitness_of(self, row: int) -> Array:
        """Return the fitness of the population, that of one row evaluated anew."""
        write_networks(self._networks, self.population)
        value = self.fitness_of_row(row)
        known = self.last_generation_fitness
        fitness = known.astype(np.result_type(known, value))
        fitness[row] = value
        return fitness

    def _fitness_on_all(self) -> Array | None:
        """Return the evaluator's fitness on all there is, where that is another."""
        write_networks(self._networks, self.population)
        if not self.evaluator.ranks_on_all:
            return None
        on_all = self.evaluator.on_all(self.population.astype(self._float_dtype))
        if on_all is None:
            return None
        fitness = np.asarray(on_all)
        self.num_fitness_evaluations += len(self.population)
        if fitness.shape[:1] != (len(self.population),):
            raise ValueError(
                "fitness_func.on_all must return one fitness value or one row of objectives for "
                f"each of {len(self.population)} solutions, not an array of shape {fitness.shape}"
            )
        return self.validated(fitness, "fitness_func.on_all", check_shape=False)

    @property
    def _float_dtype(self) -> Any:
        return float if self.population.dtype == object else self.population.dtype

    def __getstate__(self) -> dict[str, Any]:
        """Return what `save` and worker processes get: all but callbacks and networks."""
        lost = [type(each).__name__ for each in self.callbacks]
        lost += ["the tie to the networks of a GACNN"] if self._networks is not None else []
        state = {**super().__getstate__(), "callbacks": [], "_networks": None, "events": None}
        state |= {"stop_criteria": self.criteria, "_withheld": None}
        state.pop("_indexes", None)
        return {**state, "_lost": tuple(lost) or self._lost}

    def save(self, filename: FilePath) -> None:
        """Write the algorithm to a pickle, as `pygad.GA.save` does: .pkl is added to the name."""
        super().save(str(checks.path(filename, "filename")))

    def warn_of_lost(self) -> None:
        """Warn, once, of what a copy of a file or another process lacks."""
        lost, self._lost = self._lost, ()
        if lost and not self.callbacks and self._networks is None:
            checks.warn(
                f"a saved GA has no callbacks and no networks; this one had {', '.join(lost)}: "
                "set ga.callbacks = […] and ga.tie(gacnn_instance.population_as_vectors()) again; "
                "a gacnn.Checkpoint and gacnn.resume keep the state of callbacks"
            )


def load(filename: FilePath) -> Any:
    """Return what `GA.save` wrote; warns of what is not in the file, its callbacks and networks.

    As `pygad.load`, it adds .pkl to the name, and executes what the file says: load only files
    that you trust. Raises FileNotFoundError, or ValueError for a file that cannot be read.
    """
    path = f"{checks.path(filename, 'filename')}.pkl"
    try:
        ga = pygad.load(path.removesuffix(".pkl"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} is not there: load adds .pkl to the name that save was given"
        ) from error
    except BaseException as error:  # noqa: BLE001 # PyGAD raises it itself, whatever is wrong
        reason = error.__context__
        if not isinstance(reason, Exception):  # such as Ctrl-C
            raise (reason or error) from None
        raise ValueError(
            f"{path} cannot be read: {type(reason).__name__}: {reason}; it needs the functions "
            "that it was saved with, and their packages"
        ) from reason
    if isinstance(ga, GA):
        ga.warn_of_lost()
    return ga


def _reached(criterion: list[Any], fitness: Array) -> bool:
    """Tell whether a "reach" holds: the best of each objective is its value, or more."""
    best, values = np.max(fitness, axis=0), criterion[1:]
    return len(values) in (1, best.size) and bool(np.all(best >= np.array(values)))


def _signals() -> Iterator[int]:
    """Yield the signals that end a run: Ctrl-C unless it is ignored, SIGTERM if nobody heeds it."""
    if signal.getsignal(signal.SIGINT) not in (None, signal.SIG_IGN):
        yield signal.SIGINT
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and not _is_worker():
        yield signal.SIGTERM


def _is_worker() -> bool:
    """Tell whether another process has started this one to work for it."""
    import multiprocessing  # as late as it is needed

    return multiprocessing.current_process().name != "MainProcess"
