"""What a training will do and cost, said before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnn import tables
from gacnn.fitness.metrics import name_of
from gacnn.operators.crossover import WeightedRecombination
from gacnn.operators.mutation import GaussianMutation
from gacnn.operators.names import OPERATORS
from gacnn.operators.operator import Operator


@dataclass(frozen=True)
class Distribution:
    """What a generation costs on the workers of an executor, and what it costs here.

    workers: those that have done a task; tasks of a generation; sent, received: bytes of a
    generation, those of vectors and batches, and of scores; data: bytes that travel once to each
    worker; seconds, seconds_here: of a generation there, and with the same shards in this process.
    """

    workers: int
    tasks: int
    sent: int
    received: int
    data: int
    seconds: float
    seconds_here: float

    @property
    def pays(self) -> bool:
        """Whether the workers are quicker than this process."""
        return self.seconds < self.seconds_here

    def __str__(self) -> str:
        workers = "1 worker" if self.workers == 1 else f"{self.workers:,} workers"
        tasks = "1 task" if self.tasks == 1 else f"{self.tasks:,} tasks"
        verdict = "" if self.pays else ": slower there, so leave the executor out"
        return (
            f"a generation is {tasks}, {size(self.sent)} out and {size(self.received)} back, "
            f"and once {size(self.data)} of data to each worker; it takes {workers} "
            f"{_short(self.seconds)}, and {_short(self.seconds_here)} here{verdict}"
        )


@dataclass(frozen=True)
class Plan:
    """What `GACNN.train` will do and cost.

    The last three come from the time of a few generations. They are None until any have been
    timed, but for what no time limit leaves open.

    Args:
        num_weights: genes of a solution.
        num_solutions: networks of the population.
        population_bytes: what the population takes.
        num_images: images to train on.
        num_validation: images that are held out.
        batch_size: images of a generation.
        sampling: how they are drawn, "uniform" or "importance".
        num_generations: at most; None where only the time limit ends the run.
        time_limit: seconds, or None.
        patience: generations without improvement that end the run; None for any number.
        settings: those that `gacnn.GA` will be given, operators with all of theirs.
        likely_generations: those for which the limits leave time.
        image_evaluations: networks times images over these, validation included.
        seconds: how long they take.
        distribution: what `GACNN.plan` has found out about the workers of an executor.
        fixed_layers: layers at the beginning that are the same for all networks.
        kept_bytes: what they return for all images, computed once; 0 where it is not kept.
        head: how the last layer begins: "ridge", or "evolved" like all others.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)], random_seed=0)
        >>> X, y = np.eye(2), np.arange(2)
        >>> plan = gacnn.GACNN(model, 8, random_seed=0).plan(X, y, num_generations=100)
        >>> plan.num_weights, plan.image_evaluations
        (6, 1618)
    """

    num_weights: int
    num_solutions: int
    population_bytes: int
    num_images: int
    num_validation: int
    batch_size: int
    sampling: str
    num_generations: int | None
    time_limit: float | None
    patience: int | None
    settings: dict[str, Any]
    likely_generations: int | None
    image_evaluations: int | None
    seconds: float | None
    distribution: Distribution | None = None
    fixed_layers: int = 0
    kept_bytes: int = 0
    head: str = "evolved"

    def __str__(self) -> str:
        lines = [
            f"{self.num_solutions} networks of {self.num_weights:,} weights "
            f"({size(self.population_bytes)}); {self.num_images:,} images to train on, "
            f"{self.num_validation:,} to validate",
            f"{self._generations()} on batches of {self.batch_size:,}, {_DRAWN[self.sampling]}",
        ]
        if self.patience is not None:
            lines[1] += f"; stops after {self.patience:,} without improvement"
        lines.append(in_words(self.settings))
        lines += [self._fixed()] if self.fixed_layers else []
        lines += [f"the last layer begins {_SOLVED}"] if self.head == "ridge" else []
        lines += [] if self.distribution is None else [str(self.distribution)]
        return "\n".join([*lines, *([] if self.seconds is None else [self.estimate])])

    @property
    def estimate(self) -> str:
        """What the run is likely to cost, in a line; empty until some of it has been timed."""
        if self.seconds is None or self.image_evaluations is None:
            return ""
        evaluations = f"{counted(self.image_evaluations)} image evaluations"
        if self.likely_generations != self.num_generations:
            evaluations = f"about {self.likely_generations:,} generations, about {evaluations}"
        return f"{evaluations}, about {duration(self.seconds)}"

    def _fixed(self) -> str:
        first = "layer is" if self.fixed_layers == 1 else f"{self.fixed_layers} layers are"
        how = "computed in every generation, for augmented images or want of memory"
        if self.kept_bytes:
            how = f"computed once, {size(self.kept_bytes)} kept"
        return f"the first {first} fixed: {how}"

    def _generations(self) -> str:
        if self.time_limit is None:
            return f"{self.num_generations:,} generations"
        limit = duration(self.time_limit)
        if self.num_generations is None:
            return f"as many generations as {limit} allow"
        return f"at most {self.num_generations:,} generations, or {limit},"

    def _repr_html_(self) -> str:
        rows = {
            "networks": f"{self.num_solutions:,} of {self.num_weights:,} weights",
            "memory": size(self.population_bytes),
            "images to train on": f"{self.num_images:,}",
            "images to validate on": f"{self.num_validation:,}",
            "batch": f"{self.batch_size:,}, {_DRAWN[self.sampling]}",
            "generations": self._generations().replace(" generations", "").rstrip(","),
            "patience": "none" if self.patience is None else f"{self.patience:,}",
            "method": in_words(self.settings),
            **({"fixed layers": self._fixed()} if self.fixed_layers else {}),
            **({"last layer": f"begins {_SOLVED}"} if self.head == "ridge" else {}),
            **{name: described(self.settings[name]) for name in OPERATORS},
            **({} if self.distribution is None else {"workers": str(self.distribution)}),
            "estimate": self.estimate or "none yet",
        }
        return tables.as_html((), rows.items(), names=2)


_SOLVED = "as ridge regression solves it"
_DRAWN = {"uniform": "drawn evenly", "importance": "drawn by importance"}


def described(operator: Any) -> str:
    """Return an operator as its name, or with its settings."""
    return operator if isinstance(operator, str) else repr(operator)


def in_words(settings: dict[str, Any]) -> str:
    """Return in a line what makes a generation, for those who have not read PyGAD's names."""
    crossover, mutation = settings["crossover_type"], settings["mutation_type"]
    if isinstance(crossover, WeightedRecombination):
        parts = ["evolution strategy"]
        by_rank = crossover.weights != "fitness"
        parts += [f"the best {settings['num_parents_mating']} as parents"] if by_rank else []
        parts.append(_of_mutation(mutation).removeprefix("gaussian mutation, "))
        rate = _falling(crossover.learning_rate, crossover.final_learning_rate)
        return ", ".join([*parts, f"learning rate {rate}"])
    selection = _name("parent_selection_type", settings["parent_selection_type"])
    parts = [f"genetic algorithm, {settings['num_parents_mating']} parents by {selection}"]
    parts.append(f"crossover {_name('crossover_type', crossover)}")
    return ", ".join([*parts, _of_mutation(mutation)])


def _of_mutation(mutation: Any) -> str:
    name = _name("mutation_type", mutation)
    if isinstance(mutation, GaussianMutation):
        nested = "nested " if mutation.nested is not False else ""
        span = " in the span of inputs" if mutation.input_span else ""
        noise = f"{nested}noise{span}, " if nested or span else ""
        sigma = _falling(mutation.sigma, mutation.final_sigma)
        return f"gaussian mutation, {noise}sigma {sigma}"
    return f"{name} mutation"


def _name(setting: str, operator: Any) -> str:
    """Return the name by which `gacnn.GA` takes an operator."""
    known = {kind: name for name, kind in OPERATORS[setting].items()}
    return name_of(operator) if not isinstance(operator, Operator) else _own(operator, known)


def _own(operator: Operator, known: dict[type[Operator], str]) -> str:
    return known.get(type(operator), type(operator).__name__).replace("_", "-")


def _falling(first: float, last: float | None) -> str:
    return f"{first:.2g}" if last is None else f"{first:.2g} falling to {last:.2g}"


def counted(number: int) -> str:
    """Return a number, of a million or more in millions."""
    return f"{number / 1e6:,.1f} million" if number >= 10**6 else f"{number:,}"


def size(number: int) -> str:
    """Return bytes in larger units."""
    for length, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= length:
            return f"{number / length:,.1f} {unit}"
    return f"{number} bytes"


def _short(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def duration(seconds: float) -> str:
    """Return seconds in words: of a short time with a decimal, of a long one in larger units."""
    for unit, length, least in (("hour", 3600, 7200), ("minute", 60, 120)):
        if seconds >= least:
            return f"{seconds / length:,.1f}".removesuffix(".0") + f" {unit}s"
    number = (f"{seconds:,.1f}" if seconds < 9.95 else f"{seconds:,.0f}").removesuffix(".0")
    return f"{number} second{'' if number == '1' else 's'}"
