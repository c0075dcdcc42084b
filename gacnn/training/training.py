"""A training: what `GACNN.train` chooses where nothing is said, its callbacks and its run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import Engine, Model, checks
from cnn.inputs import InputRange
from gacnn.algorithm.events import checked_callbacks
from gacnn.algorithm.ga import GA
from gacnn.algorithm.state import complete
from gacnn.callbacks.average import WeightAverage
from gacnn.callbacks.callback import ENDLESS, Callback
from gacnn.callbacks.history import ACCURACY, History
from gacnn.callbacks.progress import ProgressBar
from gacnn.callbacks.ridge_head import RidgeHead, check_solvable, values_of
from gacnn.callbacks.stopping import EarlyStopping, TimeLimit
from gacnn.callbacks.validation import Validation, candidate, validation_interval
from gacnn.checkpoints.checkpoint import Checkpoint
from gacnn.checkpoints.checkpoint import resume as resume_checkpoint
from gacnn.fitness.batches import Augmentation, checked_batch_size
from gacnn.fitness.fitness import Fitness
from gacnn.fitness.metrics import Metric, Share, measure_of
from gacnn.fitness.scoring import WORST
from gacnn.fitness.weights import ClassWeight, labels_to_weigh, weights_of_classes
from gacnn.operators.crossover import WeightedRecombination
from gacnn.operators.gene_space import is_nested, rounded_to_space
from gacnn.operators.names import OPERATORS, resolved
from gacnn.training.arguments import (
    check_auto,
    check_gene_type,
    check_names,
    check_reach,
    check_thresholds,
    generations,
    warn_of_earlier,
    warn_of_lone,
    warn_of_missing,
    warn_of_same,
    warn_of_size,
)
from gacnn.training.defaults import (
    HEADS,
    default_batch_size,
    default_patience,
    default_sampling,
    has_steps,
    size_of_inputs,
    strategy_settings,
)
from gacnn.training.forecast import (
    MOMENTS,
    Clock,
    Forecast,
    seconds_of_looks,
    seconds_per_generation,
)
from gacnn.training.held_out import CheckedSamples, Samples, are_labels, hold_out
from gacnn.training.plan import Distribution, Plan
from gacnn.training.preparation import Preparation, seconds_of_features
from gacnn.training.result import Result
from gacnn.types import Array

LOOKS = 4  # at the validation data, at least, before patience is over


class Training:
    """A run of `GACNN.train`: its data, settings and callbacks."""

    def __init__(
        self,
        model: Model,
        num_solutions: int,
        X: ArrayLike,
        y: ArrayLike,
        /,
        *,
        num_generations: int | None = None,
        time_limit: float | None = None,
        validation: Any = "auto",
        metric: Metric | Sequence[Metric] = "cross_entropy",
        batch_size: int | str | None = "auto",
        sampling: str = "auto",
        augment: Augmentation | None = None,
        patience: int | str | None = "auto",
        head: str = "evolved",
        engine: str | Engine | None = None,
        device: str | None = None,
        threads: int | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        memory_limit: int | None = None,
        executor: Any = None,
        shard: int | str | None = None,
        **settings: Any,
    ) -> None:
        check_names(settings, Training.__init__, Training.run)
        self.model, self.num_solutions = model, num_solutions
        self.seed = settings.get("random_seed")
        if self.seed is not None:
            self.seed = checks.whole(self.seed, "random_seed", minimum=0)
        check_gene_type(settings.get("gene_type", np.float32))
        self.metrics: list[Any] = list(metric) if isinstance(metric, list | tuple) else [metric]
        self.one_objective = not isinstance(metric, list | tuple)
        data, held_out = self._split(Samples(X, y, sample_weight), class_weight, validation)
        if isinstance(batch_size, str):
            check_auto(batch_size, "batch_size", "a number of images or None, all")
        elif batch_size is not None:
            batch_size = checked_batch_size(batch_size, len(data.X))
        input_size = size_of_inputs(model, data)
        self.head = self._checked_head(head, settings)
        self.settings = strategy_settings(
            num_solutions,
            model,
            settings,
            one_objective=self.one_objective,
            input_size=input_size,
            num_samples=len(data.X),
            batch_size=batch_size,
            metric=metric,
            solved=self.head == "ridge",
        )
        shared: dict[str, Any] = {
            "engine": engine,
            "device": device,
            "threads": threads,
            "memory_limit": memory_limit,
            "class_weight": _weights_of_classes(class_weight, model, data.y),
        }
        more = {"augment": augment, "executor": executor, "shard": shard, **shared}
        self.fitness = self._fitness(data, metric, batch_size, sampling, more)
        if self.fitness.reevaluates:
            check_reach(self.settings.get("stop_criteria"), held_out is not None)
        limit = math.inf if time_limit is None else checks.number(time_limit, "time_limit", 0)
        self.time_limit = TimeLimit(limit)
        self.num_generations = generations(num_generations, time_limit)
        self._set_average()
        warn_of_size(self.fitness.X, input_size)
        warn_of_same(self.fitness.X)
        if are_labels(model, y, self._targets):
            warn_of_missing(model, y)
        if model.input_range is not None:
            cure = "give it in the numbers of that training, or train a new network"
            model.input_range.check(self.fitness.X, "X", cure)
        self.input_range = InputRange.of(self.fitness.X)
        follows = held_out is not None or not self.fitness.reevaluates
        self.patience = self._patience(patience, follows)
        self.validation = None if held_out is None else self._validation(held_out, metric, shared)
        if self.validation is not None and isinstance(validation, tuple):
            seen = self.validation.fitness.X
            self.input_range.check(seen, "validation", "prepare both alike")

    def _checked_head(self, head: str, settings: dict[str, Any]) -> str:
        """Return where the last layer begins: "evolved" or "ridge", which "auto" is if it can."""
        checks.one_of(head, "head", HEADS)
        if head == "evolved":
            return head
        space, gene_type = settings.get("gene_space"), settings.get("gene_type", np.float32)
        is_whole = has_steps(None, gene_type)
        is_free = space is None and not is_whole
        try:
            check_solvable(self.model, self.metrics, values_of(space, is_whole=is_whole))
        except ValueError:
            if head == "ridge":
                raise
            return "evolved"
        return "ridge" if head == "ridge" or is_free else "evolved"

    @property
    def _targets(self) -> set[str]:
        """What the metrics compare outputs with: labels or values."""
        return {measure_of(each).targets for each in self.metrics}

    def _split(
        self, data: Samples, class_weight: ClassWeight | None, validation: Any
    ) -> tuple[CheckedSamples, Samples | CheckedSamples | None]:
        """Return the data to train on, and those held out, if any are."""
        labels = are_labels(self.model, data.y, self._targets)
        if labels:
            warn_of_lone(self.model, data.y)
        return hold_out(self.model, data, validation, self.seed or 0, class_weight, labels=labels)

    def _fitness(
        self,
        data: CheckedSamples,
        metric: Metric | Sequence[Metric],
        batch_size: int | str | None,
        sampling: str,
        options: dict[str, Any],
    ) -> Fitness:
        """Return the fitness on the data; options: of `gacnn.Fitness`."""
        X, y, sample_weight = data
        if isinstance(batch_size, str):
            mutation = self.settings["mutation_type"]
            batch_size = default_batch_size(len(data.X), self.model, mutation, metric)
        if isinstance(sampling, str) and sampling == "auto":
            sampling = default_sampling(metric, batch_size)
        drawn = {**options, "batch_size": batch_size, "sampling": sampling}
        return Fitness(
            self.model, X, y, metric, sample_weight=sample_weight, random_seed=self.seed, **drawn
        )

    def _set_average(self) -> None:
        """Settle whether the result is an average of generations, or the best on all data."""
        crossover = resolved("crossover_type", self.settings["crossover_type"])
        self.recombines = isinstance(crossover, WeightedRecombination)
        self.average = WeightAverage() if self.recombines and self.one_objective else None
        self.fitness.ranks_on_all = self.average is None  # otherwise that is the result

    def _validation(
        self,
        held_out: Samples | CheckedSamples,
        metric: Metric | Sequence[Metric],
        options: dict[str, Any],
    ) -> Validation:
        """Return what looks at the held-out data, often enough for patience."""
        X, y, sample_weight = held_out
        judges = "labels" in self._targets
        weighs = sample_weight is not None or options["class_weight"] is not None
        measured = [*self.metrics, Share() if weighs else "accuracy"] if judges else metric
        try:
            scores = Fitness(self.model, X, y, measured, sample_weight=sample_weight, **options)
        except (TypeError, ValueError) as error:
            error.add_note("in the data to validate on")
            raise
        every = validation_interval(
            len(scores.X), self.num_solutions, self.fitness.images_per_network
        )
        if self.patience is not None:
            every = min(every, max(1, self.patience // LOOKS))
        return Validation(scores, self.average, every, judges=judges)

    @property
    def fitness_is_known(self) -> bool:
        """Whether all that a network is chosen by is its fitness, on all data."""
        return self.validation is None and not self.fitness.reevaluates

    @property
    def _num_ranked(self) -> int:
        """How many networks are scored on all images when the run ends, to rank them."""
        ranks = self.fitness.ranks_on_all and self.fitness.reevaluates
        return self.num_solutions if ranks else 0

    def _patience(self, patience: int | str | None, follows: bool) -> int | None:
        if isinstance(patience, str):
            check_auto(patience, "patience", "a number of generations or None, never")
            follows = follows and self.one_objective
            return default_patience(self.num_generations) if follows else None
        if patience is not None and not self.one_objective:
            raise ValueError("patience needs one metric to follow, not a list; give None")
        return None if patience is None else checks.whole(patience, "patience")

    def plan(
        self,
        seconds: float | None = None,
        distribution: Distribution | None = None,
        *,
        done: int = 0,
        spent: float = 0.0,
    ) -> Plan:
        """Return what a run will do and, where a generation takes so many seconds, its cost.

        done, spent: generations and seconds that are over.
        """
        num_validation = 0 if self.validation is None else len(self.validation.fitness.X)
        limited = self.time_limit.seconds < math.inf
        generations: int | None = None if limited else self.num_generations
        if seconds is not None:
            allowed = max(1, done + (self.time_limit.seconds - spent) / seconds)
            generations = math.ceil(min(self.num_generations, allowed))  # the last one ends
        evaluations = None if generations is None else self._evaluations(generations)
        return Plan(
            num_weights=self.model.num_weights,
            num_solutions=self.num_solutions,
            population_bytes=4 * self.num_solutions * self.model.num_weights,
            num_images=len(self.fitness.X),
            num_validation=num_validation,
            batch_size=self.fitness.images_per_network,
            sampling="uniform" if self.fitness.sampler is None else "importance",
            num_generations=self.num_generations if self.num_generations < ENDLESS else None,
            time_limit=self.time_limit.seconds if limited else None,
            patience=self.patience,
            settings={**self.settings, **self._operators},
            likely_generations=generations,
            image_evaluations=evaluations,
            seconds=None
            if seconds is None or generations is None
            else min(self.time_limit.seconds, spent + max(0, generations - done) * seconds),
            distribution=distribution,
            fixed_layers=self.model.fixed_layers,
            kept_bytes=sum(each.scorer.kept_bytes for each in self._fitnesses),
            head=self.head,
        )

    @property
    def _operators(self) -> dict[str, Any]:
        """The operators of the settings, those of this package as objects."""
        return {name: resolved(name, self.settings[name]) for name in OPERATORS}

    def tried_plan(self, population: Array) -> Plan:
        """Return the plan with its cost, from a few generations of a copy of the population."""
        looks = seconds_of_looks(self.validation, population)
        seconds = seconds_per_generation(self.fitness, population, self.settings)
        shards = self.fitness.shards
        prepared = seconds_of_features(self._fitnesses)
        if shards is None or shards.workers is None:
            return self.plan(seconds + looks, spent=prepared)
        here = seconds_per_generation(self.fitness.on(None), population, self.settings)
        workers, data = len(shards.answered), shards.data_bytes
        distribution = Distribution(workers, *shards.journey, data, seconds, here)
        return self.plan(seconds + looks, distribution, spent=prepared)

    def _evaluations(self, generations: int) -> int:
        """Return how many images go through a network in a run of so many generations."""
        networks = (generations + 1) * self.num_solutions
        networks += self.average is not None and generations > 0
        images = networks * self.fitness.images_per_network
        passes = self._num_ranked + 1 + (self.head == "ridge")  # 1 for the score
        images += passes * len(self.fitness.X)
        if self.validation is not None:
            looks = self.validation.planned(generations)
            images += looks * len(self.validation.fitness.X)
        return images

    def run(
        self,
        vectors: list[Array],
        *,
        callbacks: Sequence[Callback] = (),
        checkpoint: Checkpoint | None = None,
        resume: bool = False,
        verbose: bool = True,
    ) -> Result:
        """Evolve the population of the vectors and return the outcome."""
        if resume and checkpoint is None:
            raise ValueError("resume=True needs a checkpoint to go on from: give its path")
        listed = checked_callbacks(callbacks)
        if checkpoint is not None and not resume:
            warn_of_earlier(checkpoint)
        if self.fitness.reevaluates:
            check_thresholds(listed, self.validation is not None)
        bar = ProgressBar(disable=not verbose)
        clock = self._clock(bar)
        given = {
            **self.settings,
            "fitness_func": self.fitness,
            "initial_population": vectors,
            "callbacks": self._listeners(listed, clock, bar, checkpoint),
        }
        self._fit_to_space(vectors)
        ga = self._resumed(checkpoint, given) if resume and checkpoint is not None else None
        if ga is None:
            ga = GA(num_generations=self.num_generations, **given)
        if verbose:
            print(self.plan())
        with ExitStack() as stack:
            for each in self._fitnesses:
                stack.enter_context(each.keeping_features())
            _run(ga, checkpoint)
            if verbose:
                self._say_end(ga)
            return self._result(ga, self.plan(clock.seconds, spent=ga.start_seconds))

    def _clock(self, bar: ProgressBar) -> Clock:
        """Return what times the run, and tells the bar what it will cost."""
        limit = self.time_limit.seconds
        moments = [min(soon, share * limit) for soon, share in MOMENTS]
        return Clock(Forecast(self.plan, bar).tell, moments)

    def _say_end(self, ga: GA) -> None:
        """Say where patience has ended the run, which no number tells."""
        if self.stopping is not None and self.stopping.is_over(self.stopping.state()):
            print(
                f"ended after generation {ga.generations_completed:,}: {self.patience:,} without "
                "improvement"
            )

    @property
    def _fitnesses(self) -> list[Fitness]:
        """The fitness on the data to train on and, if there are any, on those held out."""
        held_out = [] if self.validation is None else [self.validation.fitness]
        return [self.fitness, *held_out]

    def _fit_to_space(self, vectors: list[Array]) -> None:
        """Move solutions into a gene space that all genes share, unless none will be kept."""
        settings = self.settings
        space = settings.get("gene_space")
        whole = has_steps(None, settings["gene_type"])
        kept = settings.get("keep_elitism", 1) or settings.get("keep_parents", -1)
        replaced = self.recombines and not kept and self.num_generations
        if (space is None and not whole) or is_nested(space) or replaced:
            return
        rng = np.random.default_rng(self.seed)
        for vector in vectors:
            vector[...] = rounded_to_space(vector, space, rng, whole=whole)

    def _resumed(self, checkpoint: Checkpoint, given: dict[str, Any]) -> GA | None:
        """Return the GA of a checkpoint, if there is one.

        Nothing is left to do where time or patience is over.
        """
        generations, follow = self.num_generations, checkpoint.follow
        try:
            ga = resume_checkpoint(
                checkpoint.path, num_generations=generations, follow=follow, **given
            )
        except FileNotFoundError:
            return None
        except ValueError as error:
            error.add_note(
                "train must be told the same as before, apart from a longer num_generations or "
                "time_limit: which of the two is given decides the default of patience"
            )
            raise
        with complete("the checkpoint"):
            over = self.stopping and self.stopping.is_over(ga.kept_state(self.stopping))
        if over or ga.seconds_before >= self.time_limit.seconds:
            ga.num_generations = 0
        return ga

    def _listeners(
        self,
        callbacks: list[Callback],
        clock: Clock,
        bar: ProgressBar,
        checkpoint: Checkpoint | None,
    ) -> list[Callback]:
        looks = self.validation
        judged = looks is not None and looks.judges
        self.history = History(
            validation=None if looks is None else looks.latest,
            measures={ACCURACY: looks.latest_accuracy} if looks is not None and judged else None,
        )
        self.stopping = None
        best_is_known = self.fitness_is_known and self.one_objective
        if best_is_known or self.patience is not None:
            self.stopping = EarlyStopping(
                ENDLESS if self.patience is None else self.patience,
                monitor="fitness" if looks is None else "validation",
                restore_best=best_is_known,
            )
        solved = RidgeHead(every=None) if self.head == "ridge" else None
        prepared = Preparation(
            self._fitnesses, None if bar.disable else bar.say, self.time_limit.seconds
        )
        first = (prepared, clock, self.average, self.validation, self.history, solved)
        last = (self.stopping, self.time_limit, bar, checkpoint)
        return [each for each in (*first, *callbacks, *last) if each is not None]

    def _result(self, ga: GA, plan: Plan) -> Result:
        vector = candidate(ga, None if self.fitness_is_known else self.average)
        score = accuracy = None
        if self.validation is not None:
            self.validation.rate(vector)
            score, accuracy = self.validation.score, self.validation.accuracy
            if self.validation.vector is not None:
                score, vector = self.validation.best_score, self.validation.vector
                accuracy = self.validation.best_accuracy
        vector, on_all = self._with_numbers(ga, np.asarray(vector))
        winner = self.model.with_weights(np.array(vector, np.float32))
        winner.input_range = self.input_range
        return Result(winner, on_all, score, self.history, ga, plan, self._spent(ga), accuracy)

    def _with_numbers(self, ga: GA, vector: Array) -> tuple[Array, Any]:
        """Return the solution and its score on all data, or the best whose outputs are numbers."""
        for chosen in (vector[None], ga.population):
            scores = self.fitness.full(chosen)
            best = ga.sort_solutions_nsga2(scores, find_best_solution=True)[0]
            if (scores[best] > WORST).all():
                return np.asarray(chosen[best]), scores[best]
        raise ValueError(
            "no network of the last population gives finite numbers for all images: their weights "
            "are too large; begin with smaller ones, or a smaller spread and learning rate; or the "
            "metric is -inf for all of them"
        )

    def _spent(self, ga: GA) -> int:
        """Return how many images have gone through a network."""
        evaluations = int(ga.num_fitness_evaluations) - self._num_ranked
        images = evaluations * self.fitness.images_per_network
        images += (self._num_ranked + 1) * len(self.fitness.X)  # 1 for the score
        if self.validation is not None:
            images += self.validation.evaluations * len(self.validation.fitness.X)
        return images + sum(each.image_evaluations for each in ga.callbacks)


def _run(ga: GA, checkpoint: Checkpoint | None) -> None:
    """Run it; where workers are lost, the error tells where the checkpoint is."""
    try:
        ga.run()
    except ConnectionError as error:
        if checkpoint is not None and checkpoint.path.exists():
            error.add_note(f"the checkpoint is {checkpoint.path}")
        raise


def _weights_of_classes(
    class_weight: ClassWeight | None, model: Model, y: ArrayLike
) -> dict[int, float] | None:
    """Return the weight of each class of the model, of those that are said or "balanced"."""
    if class_weight is None:
        return None
    return weights_of_classes(class_weight, labels_to_weigh(model, y), model.num_classes)
