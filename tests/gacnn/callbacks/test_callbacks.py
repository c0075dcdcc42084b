"""The lifecycle of gacnn.GA: events, callbacks, Ctrl-C, networks, batches."""

import copy
import csv
import inspect
import io
import os
import pickle
import signal
import threading
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pygad
import pytest
from numpy.typing import NDArray
from watch import Watch

import gacnn
from gacnn.algorithm.ga import GA
from gacnn.algorithm.ties import Vector
from gacnn.callbacks.callback import EVENTS, Callback, LambdaCallback
from gacnn.callbacks.history import History
from gacnn.callbacks.progress import ProgressBar, _Course
from gacnn.callbacks.stopping import EarlyStopping, TimeLimit

Array = NDArray[Any]

SMALL: dict[str, Any] = {
    "num_generations": 5,
    "num_parents_mating": 4,
    "sol_per_pop": 8,
    "num_genes": 4,
    "random_seed": 2,
    "suppress_warnings": True,
}
TRACE = ["on_start()"]
TRACE += 3 * [f"{name}()" for name in EVENTS[1:-1]] + ["on_stop()"]


def total(ga: Any, solution: Array, index: Any) -> float:
    return float(np.sum(solution))


def build(*callbacks: Callback, cls: type = GA, **settings: Any) -> Any:
    if cls is GA:
        settings["callbacks"] = callbacks
    return cls(**{"fitness_func": total, **SMALL, **settings})


class Values(gacnn.Evaluator):
    """An evaluator whose batches are genes: a batch of 2 of the 4 that count."""

    def __init__(self) -> None:
        self.batch = np.arange(2)
        self.batches: list[tuple[int, ...]] = []
        self.scored: list[int] = []

    def draw(self, rng: np.random.Generator) -> None:
        self.batch = rng.choice(4, 2, replace=False)

    def __call__(self, vectors: Array) -> Array:
        self.batches.append(tuple(self.batch))
        self.scored.append(len(vectors))
        return vectors[:, self.batch].sum(axis=1)

    def on_all(self, vectors: Array) -> Array:
        return vectors.sum(axis=1)


def tracing(names: list[str], prefix: str = "") -> dict[str, Any]:
    """A function for every event, which notes that it was called."""

    def function(event: str) -> Any:
        return lambda *values: names.append(f"{prefix}{event}()")

    return {event: function(event) for event in EVENTS}


def readme_run(**how: Any) -> None:
    """The lifecycle example of NumPyCNN's README."""
    function_inputs = [4, -2, 3.5, 5, -11, -4.7]

    def fitness_func(ga: Any, solution: Array, solution_idx: Any) -> float:
        return float(1.0 / (np.abs(np.sum(solution * function_inputs) - 44) + 0.000001))

    GA(
        num_generations=3,
        num_parents_mating=5,
        fitness_func=fitness_func,
        sol_per_pop=10,
        num_genes=len(function_inputs),
        suppress_warnings=True,
        **how,
    ).run()


def test_readme_trace_of_functions() -> None:
    names: list[str] = []
    readme_run(**tracing(names))
    assert names == TRACE


def test_readme_trace_of_methods() -> None:
    class Tracer:
        def __init__(self) -> None:
            self.names: list[str] = []

    def method(event: str) -> Any:
        arity = len(inspect.signature(getattr(Callback, event)).parameters)
        if arity == 2:
            return lambda self, ga: self.names.append(f"{event}()")
        return lambda self, ga, value: self.names.append(f"{event}()")

    tracer = type("Full", (Tracer,), {event: method(event) for event in EVENTS})()
    readme_run(**{event: getattr(tracer, event) for event in EVENTS})
    assert tracer.names == TRACE


def test_readme_trace_of_callbacks() -> None:
    names: list[str] = []
    readme_run(callbacks=[LambdaCallback(**tracing(names))])
    assert names == TRACE


def test_functions_come_first_and_then_callbacks_in_order() -> None:
    names: list[str] = []
    callbacks = [LambdaCallback(**tracing(names, prefix)) for prefix in ("b ", "c ")]
    readme_run(**tracing(names, "a "), callbacks=callbacks)
    assert names == [f"{prefix} {event}" for event in TRACE for prefix in "abc"]


def test_the_rest_is_called_around() -> None:
    names: list[str] = []

    class Rest(Callback):
        def on_generation(self, ga: Any) -> None:
            names.append("on_generation")

        def on_stop(self, ga: Any, last_population_fitness: Array) -> None:
            names.append("on_stop")

        def commit(self, ga: Any) -> None:
            names.append("commit")

        def finish(self, ga: Any) -> None:
            names.append("finish")

        def close(self) -> None:
            names.append("close")

    build(Rest(), num_generations=1).run()
    assert names == ["on_generation", "commit", "commit", "finish", "on_stop", "close"]


def test_pygad_sees_only_hooks_that_somebody_listens_to() -> None:
    seen: dict[str, bool] = {}

    def look(ga: Any) -> None:
        seen.update({event: getattr(ga, event) is not None for event in EVENTS})

    def ignore(ga: Any) -> None:
        pass

    ga = build(LambdaCallback(on_generation=look), TimeLimit(60), Callback(), on_start=ignore)
    ga.run()
    assert [event for event in EVENTS if seen[event]] == ["on_start", "on_generation"]
    assert ga.on_start is ignore
    assert ga.on_generation is None


@pytest.mark.parametrize("settings", [{}, {"save_best_solutions": True, "keep_elitism": 0}])
def test_a_run_with_callbacks_equals_one_without(settings: dict[str, Any]) -> None:
    plain, watched = build(**settings), build(History(), EarlyStopping(50), **settings)
    plain.run()
    watched.run()
    np.testing.assert_array_equal(plain.population, watched.population)
    assert plain.best_solutions_fitness == watched.best_solutions_fitness
    assert plain.num_fitness_evaluations == watched.num_fitness_evaluations


def test_constructor_shows_pygads_parameters_and_callbacks() -> None:
    names = list(inspect.signature(GA).parameters)
    assert names == [*inspect.signature(pygad.GA).parameters, "callbacks"]


@pytest.mark.parametrize("event", ["on_fitness", "on_crossover", "on_mutation"])
def test_replacements_are_passed_on(event: str) -> None:
    given: list[Array] = []

    def replace(ga: Any, value: Array) -> list[Any]:
        return np.full(value.shape, 7.0).tolist()

    def note(ga: Any, value: Array) -> None:
        given.append(value)

    listeners = LambdaCallback(**{event: replace}), LambdaCallback(**{event: note})
    ga = build(*listeners, mutation_type=None)
    ga.num_generations = 1
    ga.run()
    assert all((value == 7).all() for value in given)
    result = ga.best_solutions_fitness[0] if event == "on_fitness" else ga.population[1:]
    assert np.all(result == 7)


def test_replaced_parents_are_passed_on() -> None:
    given: list[Array] = []

    def replace(ga: Any, parents: Array) -> tuple[Array, list[int]]:
        return np.zeros_like(parents), list(range(len(parents)))

    listeners = [LambdaCallback(on_parents=lambda ga, parents: given.append(parents))]
    ga = build(*listeners, on_parents=replace, mutation_type=None, num_generations=1)
    ga.run()
    assert not given[0].any()
    assert not ga.population[1:].any()


def test_stop_ends_the_run_after_all_were_called() -> None:
    seen: list[int] = []
    last = LambdaCallback(on_generation=lambda ga: seen.append(ga.generations_completed))
    stop = LambdaCallback(on_generation=lambda ga: "Stop" if len(seen) == 1 else None)
    ga = build(stop, last)
    ga.run()
    assert seen == [1, 2]
    assert ga.run_completed


@pytest.mark.parametrize("event", EVENTS)
def test_an_error_names_listener_and_event_and_leaves_the_ga_usable(event: str) -> None:
    def fail(*values: Any) -> None:
        raise LookupError("nothing there")

    closed: list[int] = []
    broken = LambdaCallback(**{event: fail})
    broken.close = lambda: closed.append(1)  # type: ignore[method-assign]
    ga = build(broken, save_best_solutions=True)
    with pytest.raises(LookupError, match="nothing there") as caught:
        ga.run()
    assert caught.value.__notes__ == [f"raised by {fail.__qualname__} in {event}"]
    assert closed == [1]
    ga.callbacks.clear()
    ga.run()
    assert ga.run_completed
    scores = [float(np.sum(solution)) for solution in ga.best_solutions]
    assert scores == [float(fitness) for fitness in ga.best_solutions_fitness]


def test_a_failing_fitness_leaves_the_ga_usable() -> None:
    calls: list[int] = []

    def fitness(ga: Any, solution: Array, index: Any) -> float:
        calls.append(1)
        if len(calls) == 20:
            raise RuntimeError("power cut")
        return float(np.sum(solution))

    handler = signal.getsignal(signal.SIGINT)
    ga = build(History(), fitness_func=fitness)
    with pytest.raises(RuntimeError, match="power cut"):
        ga.run()
    assert signal.getsignal(signal.SIGINT) is handler
    done = ga.generations_completed
    ga.run()
    assert ga.generations_completed == done + 5
    np.testing.assert_allclose(ga.last_generation_fitness, ga.population.sum(axis=1))


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (History(), "callbacks must be a list of gacnn.Callback"),
        (3, "callbacks must be a list of gacnn.Callback, not 3"),
        ([History(), print], r"callbacks\[1\] must be a gacnn.Callback, not <built-in"),
        ([History], r"callbacks\[0\] must be a gacnn.Callback, .*; call it to make one"),
    ],
)
def test_callbacks_of_the_wrong_kind(callbacks: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        GA(fitness_func=total, **SMALL, callbacks=callbacks)


def test_a_copy_made_in_a_run_on_batches_keeps_its_criteria(tmp_path: Path) -> None:
    def save(ga: Any) -> None:
        ga.save(tmp_path / "run")

    criteria = ["reach_1e9", "evaluations_1000"]
    ga = build(fitness_func=Values(), stop_criteria=criteria, on_generation=save)
    ga.run()
    saved = gacnn.load(tmp_path / "run").stop_criteria
    assert sorted(saved) == sorted(ga.stop_criteria)
    assert len(saved) == 2


def test_criteria_that_a_callback_has_set_last() -> None:
    def end_at_the_fifth(ga: Any) -> None:
        ga.stop_criteria = [["evaluations", 1.0]]

    ga = build(fitness_func=Values(), stop_criteria="reach_1e9", on_generation=end_at_the_fifth)
    ga.run()
    assert ga.generations_completed == 1
    assert ga.stop_criteria == [["evaluations", 1.0]]


def test_a_callback_may_take_criteria_away() -> None:
    def never(ga: Any) -> None:
        ga.stop_criteria = None

    ga = build(fitness_func=Values(), stop_criteria="reach_-1e9", on_start=never)
    ga.run()
    assert ga.generations_completed == 5
    assert ga.stop_criteria is None


class Rounds(Callback):
    """Changes the last population, and of one row the fitness too, or not."""

    def __init__(self, told: str) -> None:
        self.told = told

    def finish(self, ga: Any) -> None:
        ga.population[:3] = np.round(ga.population[:3] + 1)
        if self.told == "one":
            ga.last_generation_fitness[0] = 77
        elif self.told == "all":
            ga.last_generation_fitness = np.full(len(ga.population), 5.0)


@pytest.mark.parametrize("before", ["none", "average", "early"])
def test_what_finish_changes_behind_another_is_scored_anew(before: str) -> None:
    others: dict[str, list[Callback]] = {
        "none": [],
        "average": [gacnn.WeightAverage()],
        "early": [EarlyStopping(100, restore_best=True)],
    }
    callbacks = [*others[before], Rounds("none")]
    for listed in (callbacks, callbacks[::-1]):
        ga = build(*listed, keep_elitism=0, mutation_type="gaussian")
        ga.run()
        np.testing.assert_allclose(ga.last_generation_fitness, ga.population.sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize("told", ["none", "one", "all"])
def test_what_finish_changes_is_scored_anew_unless_it_says_how_fit_it_is(told: str) -> None:
    asked: list[int] = []

    def fitness(ga: Any, solution: Array, index: Any) -> float:
        asked.append(ga.has_ended)
        return float(np.sum(solution))

    ga = build(Rounds(told), fitness_func=fitness, keep_elitism=0)
    ga.run()
    sums = ga.population.sum(axis=1)
    expected = {"none": sums, "one": [77, *sums[1:]], "all": np.full(8, 5.0)}[told]
    np.testing.assert_allclose(ga.last_generation_fitness, expected)
    assert sum(asked) == {"none": 3, "one": 2, "all": 0}[told]


class TestCtrlC:
    """SIGINT, sent to this very process."""

    @staticmethod
    def press(times: int = 1) -> None:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    @pytest.mark.parametrize("criteria", [None, "saturate_40"])
    def test_ends_the_run_after_the_generation_in_flight(self, criteria: Any) -> None:
        stops: list[int] = []

        def fitness(ga: Any, solution: Array, index: Any) -> float:
            if ga.generations_completed == 2 and not ga.interrupted:
                self.press()
            return float(np.sum(solution))

        handler = signal.getsignal(signal.SIGINT)
        settings = {"fitness_func": fitness, "stop_criteria": criteria}
        ga = build(LambdaCallback(on_stop=lambda ga, fitness: stops.append(1)), **settings)
        before = ga.stop_criteria
        ga.run()
        assert ga.interrupted
        assert ga.generations_completed == 2
        assert stops == [1]
        assert len(ga.best_solutions_fitness) == 3
        assert signal.getsignal(signal.SIGINT) is handler
        assert ga.stop_criteria == before
        ga.fitness_func = total
        ga.run()
        assert not ga.interrupted
        assert ga.generations_completed == 7

    def test_a_copy_of_an_interrupted_run_goes_on_for_all_its_generations(
        self, tmp_path: Path
    ) -> None:
        copies = []

        def save(ga: Any) -> None:
            if ga.generations_completed == 2:
                self.press()
            ga.save(tmp_path / "run")

        ga = build(on_generation=save, on_stop=lambda ga, _: copies.append(copy.deepcopy(ga)))
        ga.run()
        assert ga.generations_completed == 2
        for again in (gacnn.load(tmp_path / "run"), copies[0]):
            assert again.stop_criteria is None
            again.on_generation = again.on_stop = None
            again.run()
            assert again.generations_completed == 7

    def test_a_second_one_ends_it_at_once(self) -> None:
        def fitness(ga: Any, solution: Array, index: Any) -> float:
            if ga.generations_completed == 2:
                self.press(2)
                time.sleep(5)
            return float(np.sum(solution))

        handler = signal.getsignal(signal.SIGINT)
        ga = build(fitness_func=fitness)
        with pytest.raises(KeyboardInterrupt):
            ga.run()
        assert signal.getsignal(signal.SIGINT) is handler
        assert ga.stop_criteria is None

    def test_it_says_what_happens(self, capfd: Any) -> None:
        build(LambdaCallback(on_start=lambda ga: self.press())).run()
        assert "Ctrl-C again stops at once" in capfd.readouterr().err

    def test_other_threads_and_ignored_signals_are_left_alone(self) -> None:
        handlers: list[Any] = []
        look = LambdaCallback(on_start=lambda ga: handlers.append(signal.getsignal(signal.SIGINT)))
        handler = signal.getsignal(signal.SIGINT)
        thread = threading.Thread(target=build(look).run)
        thread.start()
        thread.join()
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            build(look).run()
        finally:
            signal.signal(signal.SIGINT, previous)
        assert handlers == [handler, signal.SIG_IGN]


class TestHistory:
    """Its columns, against what the GA says."""

    def test_a_column_that_is_not_there(self) -> None:
        with pytest.raises(KeyError, match="no column 'accuracy'; it has generation, best, mean"):
            gacnn.History()["accuracy"]

    def test_columns(self) -> None:
        populations: list[Array] = []
        history = History(validation=lambda solution: solution[0])
        ga = build(history, on_generation=lambda ga: populations.append(ga.population.copy()))
        ga.run()
        assert len(history) == 5
        assert history["generation"] == [1, 2, 3, 4, 5]
        fitness = np.array([population.sum(axis=1) for population in populations])
        np.testing.assert_allclose(history["best"], fitness.max(axis=1))
        np.testing.assert_allclose(history["mean"], fitness.mean(axis=1))
        np.testing.assert_allclose(history["std"], fitness.std(axis=1))
        spread = [population.std(axis=0).mean() for population in populations]
        np.testing.assert_allclose(history["diversity"], spread)
        assert history["evaluations"][-1] == ga.num_fitness_evaluations
        assert history["seconds"] == sorted(history["seconds"])
        best = [each[each.sum(axis=1).argmax(), 0] for each in populations]
        assert history["validation"] == best
        assert list(history) == list(history.to_dict())

    def test_further_runs_are_appended(self) -> None:
        history = History()
        ga = build(history)
        ga.run()
        ga.run()
        assert history["generation"] == list(range(1, 11))

    def test_diversity_of_many_genes_is_close(self) -> None:
        history = History()
        ga = build(history, num_genes=5000, num_generations=1)
        ga.run()
        assert history["diversity"] == pytest.approx([ga.population.std(axis=0).mean()], rel=0.05)

    def test_several_objectives(self, tmp_path: Any) -> None:
        def fitness(ga: Any, solution: Array, index: Any) -> list[float]:
            return [float(solution[0]), float(solution[1])]

        history = History()
        ga = build(history, fitness_func=fitness, parent_selection_type="nsga2")
        ga.run()
        assert history["best"][-1] == ga.last_generation_fitness.max(axis=0).tolist()
        history.to_csv(tmp_path / "history.csv")
        with open(tmp_path / "history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [float(row["best_1"]) for row in rows] == [best[1] for best in history["best"]]
        assert list(rows[0])[:5] == ["generation", "best_0", "best_1", "mean_0", "mean_1"]

    def test_infinite_fitness_and_an_empty_history(self, tmp_path: Any) -> None:
        history = History()
        history.to_csv(tmp_path / "empty.csv")
        text = (tmp_path / "empty.csv").read_text()
        assert text.strip() == "generation,best,mean,std,diversity,evaluations,seconds"
        build(history, fitness_func=lambda ga, solution, index: -np.inf).run()
        assert history["best"] == [-np.inf] * 5

    def test_validation_must_be_callable(self) -> None:
        with pytest.raises(TypeError, match=r"validation must be callable, not 0\.2"):
            History(validation=0.2)  # type: ignore[arg-type]


class Terminal(io.StringIO):
    """A standard error that is a terminal of so many columns."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def isatty(self) -> bool:
        return True

    def drawn(self) -> list[str]:
        return [text.strip() for text in self.getvalue().split("\r") if "%|" in text]


@pytest.fixture
def terminal(monkeypatch: Any) -> Any:
    """Return what puts a terminal into the place of standard error."""

    def make(columns: int) -> Terminal:
        terminal = Terminal(columns)
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda file: (columns, 30))
        return terminal

    return make


def validating() -> History:
    return History(
        validation=lambda solution: 0.25, measures={"validation_accuracy": lambda solution: 0.931}
    )


class TestProgressBar:
    def test_shows_fitness_validation_and_accuracy(self, terminal: Any) -> None:
        shown = terminal(120)
        ga = build(validating(), ProgressBar())
        ga.run()
        last = shown.drawn()[-1]
        best = ga.last_generation_fitness.max()
        assert last.startswith("100%|")
        assert "| 5/5, 0:00 left, " in last
        assert f"fitness {best:.4g}, validation 0.25, accuracy 93.1 %" in last

    @pytest.mark.parametrize("columns", [60, 50, 40])
    def test_cuts_nothing_that_matters_off(self, columns: int, terminal: Any) -> None:
        shown = terminal(columns)
        build(validating(), ProgressBar(), num_generations=1200).run()
        last = shown.drawn()[-1]
        assert len(last) <= columns
        assert "1,200" in last
        assert "acc 93.1%" in last
        assert ("val 0.25" in last) == (columns >= 50)

    def test_a_time_limit_goes_from_0_to_100(self, terminal: Any) -> None:
        shown = terminal(120)
        build(ProgressBar(), TimeLimit(0.4), num_generations=10**9).run()
        shares = [int(text.split("%")[0]) for text in shown.drawn()]
        assert shares == sorted(shares)
        assert shares[0] == 0
        assert shares[-1] == 100
        assert any(20 <= share <= 80 for share in shares)
        assert "| generation " in shown.drawn()[-1]

    def test_a_resumed_run_begins_where_it_was(
        self, terminal: Any, tmp_path: Path, capsys: Any
    ) -> None:
        build(gacnn.Checkpoint(tmp_path / "run")).run()
        shown = terminal(80)
        gacnn.resume(
            tmp_path / "run",
            fitness_func=total,
            num_generations=10,
            callbacks=[ProgressBar()],
        ).run()
        assert "goes on after generation 5: 5 to go, 50% are done" in capsys.readouterr().out
        assert shown.drawn()[0].startswith("50%|")
        assert "10/10" in shown.drawn()[-1]

    def test_a_file_gets_a_few_plain_lines(self, capsys: Any) -> None:
        ga = build(validating(), ProgressBar())
        ga.run()
        shown = capsys.readouterr().err
        assert "\r" not in shown
        (line,) = shown.splitlines()
        assert line.startswith("100%, 5/5, 0:00 left, fitness ")
        assert "validation 0.25, accuracy 93.1 %" in line

    def test_an_hour_is_under_a_hundred_lines(self, capsys: Any, monkeypatch: Any) -> None:
        clock = iter(range(10**6))
        fake = types.SimpleNamespace(monotonic=lambda: next(clock))  # a second a generation
        monkeypatch.setattr("gacnn.callbacks.progress.time", fake)
        build(ProgressBar(), num_generations=3600).run()
        assert 60 < len(capsys.readouterr().err.splitlines()) < 100

    def test_is_silent_when_told(self, capfd: Any) -> None:
        build(ProgressBar(disable=True)).run()
        assert capfd.readouterr().err == ""

    def test_is_closed_by_an_error(self, capsys: Any) -> None:
        bar = ProgressBar()
        ga = build(bar, LambdaCallback(on_generation=lambda ga: 1 / 0))
        with pytest.raises(ZeroDivisionError):
            ga.run()
        assert bar._display is None
        ga.callbacks.pop()
        ga.run()
        assert "6/6" in capsys.readouterr().err


def test_a_live_plot_follows_the_run() -> None:
    pytest.importorskip("matplotlib")
    lines: list[int] = []
    live = gacnn.LivePlot(seconds=0)
    watch = LambdaCallback(
        on_generation=lambda ga: lines.append(len(live.figure.axes[0].lines[0].get_xdata()))
    )
    build(live, watch).run()
    assert lines == [1, 2, 3, 4, 5]
    shared = History()
    live = gacnn.LivePlot()
    build(shared, live).run()
    assert live._history is shared
    assert len(live.figure.axes[0].lines[0].get_xdata()) == 5


class TestEarlyStopping:
    @staticmethod
    def run(values: list[float], *callbacks: Callback, **settings: Any) -> Any:
        """Run with a fitness that is the same for all, and given for every generation."""

        def fitness(ga: Any, solution: Array, index: Any) -> float:
            return values[ga.generations_completed]

        settings = {"keep_elitism": 0, "keep_parents": 0, "num_generations": 9} | settings
        ga = build(*callbacks, fitness_func=fitness, **settings)
        ga.run()
        return ga

    def test_patience(self) -> None:
        stopping = EarlyStopping(3)
        ga = self.run([0, 1, 2, 2, 1, 2, 5, 5, 5, 5], stopping)
        assert ga.generations_completed == 5
        assert stopping.best_value == 2

    def test_min_delta(self) -> None:
        ga = self.run([0, 1, 1.2, 1.4, 1.6, 1.8, 2, 2, 2, 2], EarlyStopping(3, min_delta=0.5))
        assert ga.generations_completed == 7

    def test_threshold(self) -> None:
        ga = self.run([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], EarlyStopping(threshold=3))
        assert ga.generations_completed == 3

    def test_validation(self) -> None:
        falling = iter(range(9, 0, -1))
        history = History(validation=lambda solution: next(falling))
        ga = self.run(list(range(10)), history, EarlyStopping(2, monitor="validation"))
        assert ga.generations_completed == 3

    @pytest.mark.parametrize("nothing", [np.nan, None])
    def test_nan_or_none_is_no_improvement(self, nothing: Any) -> None:
        values = iter([nothing, 1, 2, nothing, 3, 2, 1, 0, 0])
        history = History(validation=lambda solution: next(values))
        stopping = EarlyStopping(3, monitor="validation")
        ga = self.run(list(range(10)), history, stopping)
        assert ga.generations_completed == 8
        assert stopping.best_value == 3
        assert np.isnan(history["validation"][0])

    def test_restores_the_best_and_its_fitness(self) -> None:
        stopping = EarlyStopping(2)
        ga = self.run([0, 1, 8, 2, 2, 2, 2, 2, 2, 2], stopping)
        solution, fitness, index = ga.best_solution(ga.last_generation_fitness)
        assert fitness == 8
        np.testing.assert_array_equal(solution, stopping.best_solution)
        np.testing.assert_array_equal(ga.population[index], stopping.best_solution)
        assert ga.best_solutions_fitness[-1] == 8
        assert (ga.last_generation_fitness == 2).sum() == 7

    def test_leaves_the_population_when_told(self) -> None:
        ga = self.run([0, 1, 8, 2, 2, 2, 2, 2, 2, 2], EarlyStopping(2, restore_best=False))
        assert (ga.last_generation_fitness == 2).all()

    def test_every_run_counts_anew(self) -> None:
        ga = build(EarlyStopping(1), fitness_func=lambda ga, solution, index: 1.0)
        ga.run()
        ga.run()
        assert ga.generations_completed == 4

    def test_restored_best_of_batches_is_ranked_on_all_data(self) -> None:
        fitness, stopping = Values(), EarlyStopping(50)
        ga = build(stopping, fitness_func=fitness, keep_elitism=0, num_generations=12)
        ga.run()
        np.testing.assert_allclose(ga.last_generation_fitness, ga.population.sum(axis=1))
        assert (ga.population == stopping.best_solution).all(axis=1).any()

    @pytest.mark.parametrize(
        ("settings", "error", "message"),
        [
            ({}, ValueError, "never stops without patience or threshold"),
            ({"patience": 0}, ValueError, "patience must be at least 1"),
            ({"patience": 2.5}, TypeError, "patience must be an integer"),
            ({"patience": 2, "min_delta": -1}, ValueError, "min_delta must be at least 0"),
            ({"patience": 2, "min_delta": np.inf}, ValueError, "min_delta must be a finite number"),
            ({"threshold": "0.9"}, TypeError, "threshold must be a number"),
            ({"threshold": np.nan}, ValueError, "threshold must be a finite number"),
            ({"patience": 2, "monitor": "loss"}, ValueError, "monitor must be one of"),
        ],
    )
    def test_bad_settings(self, settings: dict[str, Any], error: Any, message: str) -> None:
        with pytest.raises(error, match=message):
            EarlyStopping(**settings)

    def test_validation_needs_a_history_before_it(self) -> None:
        stopping, history = EarlyStopping(2, monitor="validation"), History(lambda solution: 0)
        for callbacks in ([stopping], [History(), stopping], [stopping, history]):
            with pytest.raises(ValueError, match="needs a History"):
                build(*callbacks).run()

    def test_several_objectives_need_a_validation(self) -> None:
        ga = build(
            EarlyStopping(2),
            fitness_func=lambda ga, solution, index: [1.0, 2.0],
            parent_selection_type="nsga2",
        )
        with pytest.raises(ValueError, match="fitness has 2: follow a validation"):
            ga.run()


def test_time_limit() -> None:
    def wait(ga: Any) -> None:
        time.sleep(0.02)

    ga = build(TimeLimit(0.05), on_generation=wait, num_generations=10**9)
    ga.run()
    assert 1 <= ga.generations_completed <= 3
    for bad in (-1, "3", None, [1]):
        with pytest.raises(ValueError, match="seconds must be"):
            TimeLimit(bad)  # type: ignore[arg-type]


def test_a_time_limit_counts_what_on_start_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    shares: list[float] = []
    listen = LambdaCallback(
        on_start=watch.takes(100),
        on_fitness=lambda ga, _: shares.append(ga.progress),
        on_generation=watch.takes(2),
    )
    ga = build(listen, TimeLimit(110), num_generations=10**9)
    ga.run()
    assert ga.generations_completed == 5
    assert (ga.start_seconds, ga.seconds) == (100, 110)
    assert shares == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])  # of the time that there is to evolve


def test_a_time_that_on_start_takes_leaves_one_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    ga = build(TimeLimit(5), on_start=watch.takes(100), num_generations=10**9)
    ga.run()
    assert ga.generations_completed == 1


def test_a_criterion_of_pygad_counts_the_time_after_on_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = Watch(monkeypatch)
    times = {"on_start": watch.takes(100), "on_generation": watch.takes(2)}
    ga = build(num_generations=50, stop_criteria="time_10", **times)
    ga.run()
    assert ga.generations_completed == 5


def test_a_bar_counts_the_generations_of_a_resumed_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, path = Watch(monkeypatch), tmp_path / "run"
    times = {"on_start": watch.takes(100), "on_generation": watch.takes(2)}
    kept = [gacnn.Checkpoint(path, every=1), TimeLimit(250)]
    build(*kept, **times).run()
    courses: list[_Course] = []

    class Watched(Callback):
        is_part_of_run = False

        def on_start(self, ga: Any) -> None:
            courses.append(_Course(ga))

        def on_fitness(self, ga: Any, population_fitness: Array) -> None:
            courses[0].begin()

        def on_generation(self, ga: Any) -> None:
            left, rate = courses[0].left, courses[0]._rate()
            assert left == pytest.approx(250 - ga.seconds)
            assert rate == "0.5 a second" or rate == "2 s each"

    again = {"fitness_func": total, "num_generations": 10**6, **times}
    resumed = gacnn.resume(path, callbacks=[Watched(), TimeLimit(250)], **again)
    resumed.run()
    assert resumed.seconds == 250


def test_lambda_callback_refuses_what_cannot_be_called() -> None:
    with pytest.raises(TypeError, match="on_stop must be callable, not 3"):
        LambdaCallback(on_stop=3)  # type: ignore[arg-type]


def tied(population: Array) -> tuple[list[Any], Array]:
    """Rows of a population that remember the networks they came from, and these."""
    networks = population.astype(np.float32)
    rows = [row.view(Vector) for row in population]
    for row in rows:
        row.networks_array = networks
    return rows, networks


@pytest.mark.parametrize("form", [list, tuple])
@pytest.mark.parametrize("kept", [{"keep_elitism": 2}, {"keep_elitism": 0, "keep_parents": -1}])
def test_networks_are_those_of_the_population(kept: dict[str, int], form: Any) -> None:
    population, networks = tied(np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))

    def by_index(ga: Any, solution: Array, index: int) -> float:
        np.testing.assert_array_equal(networks[index], solution)
        return float(networks[index].sum())

    settings = {"initial_population": form(population), "gene_type": np.float32, **kept}
    ga = build(EarlyStopping(50), fitness_func=by_index, **settings)
    ga.run()
    np.testing.assert_array_equal(networks, ga.population)


def test_networks_that_are_more_or_fewer() -> None:
    population, _ = tied(np.zeros((8, 4)))
    few = population[:5]
    with pytest.raises(ValueError, match=r"has the shape \(5, 4\), but its networks \(8, 4\)"):
        build(initial_population=few)


class TestBatches:
    @pytest.mark.parametrize("mutation", ["random", "adaptive"])
    def test_one_batch_a_generation_and_all_data_at_the_end(self, mutation: str) -> None:
        fitness = Values()
        seen: list[tuple[int, ...]] = []
        settings: dict[str, Any] = {"mutation_type": mutation, "num_generations": 30}
        if mutation == "adaptive":
            settings["mutation_num_genes"] = [2, 1]
        ga = build(
            LambdaCallback(on_generation=lambda ga: seen.append(tuple(fitness.batch))),
            fitness_func=fitness,
            keep_elitism=2,
            **settings,
        )
        ga.run()
        if mutation == "adaptive":  # the offspring are scored on the batch of their parents
            assert fitness.batches[1::2] == fitness.batches[0:-1:2]
            assert fitness.batches[2::2] == seen
        else:
            assert fitness.batches[1:] == seen
            assert set(fitness.scored) == {8}
        assert len(set(seen)) > 5
        full = fitness.on_all(ga.population)
        np.testing.assert_array_equal(ga.last_generation_fitness, full)
        assert ga.best_solution()[1] == full.max()
        assert ga.best_solutions_fitness[-1] == full.max()

    def test_batches_are_the_seeds_and_nobody_elses(self) -> None:
        one, two = Values(), Values()
        build(fitness_func=one).run()
        ga = build(fitness_func=two)
        ga.best_solution()
        ga.run()
        assert one.batches == two.batches

    def test_on_all_must_score_every_solution(self) -> None:
        fitness = Values()
        fitness.on_all = lambda vectors: np.zeros(3)  # type: ignore[method-assign]
        with pytest.raises(ValueError, match=r"for each of 8 solutions, not .* shape \(3,\)"):
            build(fitness_func=fitness).run()


def test_a_ga_that_is_pickled_leaves_its_callbacks_behind() -> None:
    bar = ProgressBar(disable=True)
    ga = build(bar, LambdaCallback(on_start=lambda ga: None))
    ga.run()
    copy = pickle.loads(pickle.dumps(ga))
    assert copy.callbacks == []
    with pytest.warns(UserWarning, match="had ProgressBar, LambdaCallback"):
        copy.run()
    assert copy.generations_completed == 10


def test_worker_processes() -> None:
    ga = build(ProgressBar(disable=True), parallel_processing=["process", 2], num_generations=2)
    ga.run()
    np.testing.assert_allclose(ga.last_generation_fitness, ga.population.sum(axis=1))


@pytest.mark.parametrize("objectives", [1, 2])
def test_pandas_makes_columns_of_a_history(objectives):
    pandas = pytest.importorskip("pandas")
    history = gacnn.History()
    values = np.arange(6.0).reshape(3, 2) if objectives == 2 else np.arange(3.0)
    history.restore({name: values if name == "best" else np.arange(3) for name in history})
    table = pandas.DataFrame(history)
    assert list(table) == list(history)
    assert table["best"].tolist() == history["best"]
    assert len(history) == len(table) == 3
    assert history != gacnn.History()
