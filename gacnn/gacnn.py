"""GACNN: a population of networks as one array, its fitness, and the short way to train it."""

from __future__ import annotations

import json
import math
import numbers
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn import (
    Model,
    checks,
    layers_weights_as_matrix,
    layers_weights_as_vector,
    update_layers_trained_weights,
)
from gacnn.callbacks import ENDLESS, Callback, History, ProgressBar, TimeLimit
from gacnn.checkpoint import Checkpoint
from gacnn.checkpoint import resume as resume_checkpoint
from gacnn.evaluate import Fitness, Metric
from gacnn.ga import GA, checked

Numbers = NDArray[Any]


class Vector(np.ndarray[Any, Any]):
    """A network's weights (num_weights,), which remember the population they came from.

    `networks_array` is the array (P, num_weights) that the networks of the population view.
    `gacnn.GA`, given such rows as its `initial_population`, keeps the networks equal to its own
    population.
    """

    networks_array: Numbers | None = None


def population_as_vectors(population_networks: Sequence[Model]) -> list[Numbers]:
    """Return the trained weights (num_weights,) of each network, as a list.

    Given to `gacnn.GA`, those of all networks of a `GACNN` tie the networks to it.
    """
    vectors = [layers_weights_as_vector(each, initial=False) for each in population_networks]
    base = population_networks[0].weights.base
    if not _are_rows(population_networks, base):
        return list(vectors)
    tied = [vector.view(Vector) for vector in vectors]
    for vector in tied:
        vector.networks_array = base
    return list(tied)


def _are_rows(networks: Sequence[Model], array: Numbers | None) -> bool:
    """Tell whether the networks view the rows of the array, all of them and in their order."""
    if array is None or array.ndim != 2 or len(array) != len(networks):
        return False
    return all(
        network.weights.base is array and network.weights.ctypes.data == row.ctypes.data
        for network, row in zip(networks, array, strict=True)
    )


def population_as_matrices(
    population_networks: Sequence[Model], population_vectors: Sequence[ArrayLike] | Numbers
) -> list[Numbers]:
    """Return, for each network and its vector, the vector as arrays of the layers' weights."""
    if len(population_networks) != len(population_vectors):
        raise ValueError(
            f"population_vectors must hold a vector for each of {len(population_networks)} "
            f"networks, not {len(population_vectors)}"
        )
    return [
        layers_weights_as_matrix(network, vector)
        for network, vector in zip(population_networks, population_vectors, strict=True)
    ]


class GACNN:
    """A population of `num_solutions` networks of one architecture.

    `population` is the array (num_solutions, num_weights), float32; `population_networks` are
    models that view its rows. Member 0 has the weights of `model`. The others are drawn anew, or,
    with `spread`, are its weights plus normal noise of that standard deviation: a population for
    fine-tuning. Raises TypeError and ValueError for anything but a model with trainable weights
    and two solutions or more.
    """

    def __init__(
        self,
        model: Model,
        num_solutions: int,
        *,
        random_seed: int | None = None,
        spread: float | None = None,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"model must be a cnn.Model, not {type(model).__name__}")
        if model.num_weights == 0:
            raise ValueError("model has no trainable weights, so there is nothing to evolve")
        self.model = model
        self.num_solutions = checks.whole(num_solutions, "num_solutions", minimum=2)
        if random_seed is not None:
            checks.whole(random_seed, "random_seed", minimum=0)
        self.random_seed = random_seed
        self.spread = None if spread is None else checks.number(spread, "spread", 0)
        self.population = np.empty((self.num_solutions, model.num_weights), np.float32)
        self.population_networks = self.create_population()

    def create_population(self) -> list[Model]:
        """Draw the population anew and return its networks, views of `population`."""
        seed = None if self.random_seed is None else [self.random_seed, 1]  # not the model's own
        rng = np.random.default_rng(seed)
        self.population[0] = self.model.weights
        if self.spread is None:
            for member in self.population[1:]:
                member[:] = self.model.draw_weights(rng)
        else:
            noise = rng.standard_normal(self.population[1:].shape, np.float32)
            self.population[1:] = self.model.weights + np.float32(self.spread) * noise
        return self._networks()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.population_networks = self._networks()

    def _networks(self) -> list[Model]:
        return [self.model.with_weights(member) for member in self.population]

    def population_as_vectors(self) -> list[Numbers]:
        """Return copies of the population's rows, to be the `initial_population` of a GA."""
        return population_as_vectors(self.population_networks)

    def population_as_matrices(self, population_vectors: Any = None) -> list[Numbers]:
        """Return, for each network, the arrays of its layers' weights, or those of the vectors."""
        vectors = self.population if population_vectors is None else population_vectors
        return population_as_matrices(self.population_networks, vectors)

    def update_population_trained_weights(self, population_trained_weights: Sequence[Any]) -> None:
        """Give every network new trained weights: arrays as `population_as_matrices` returns."""
        if len(population_trained_weights) != self.num_solutions:
            raise ValueError(
                f"population_trained_weights must hold the weights of {self.num_solutions} "
                f"networks, not {len(population_trained_weights)}"
            )
        for network, weights in zip(
            self.population_networks, population_trained_weights, strict=True
        ):
            update_layers_trained_weights(network, weights)

    def fitness(
        self,
        X: ArrayLike,
        y: ArrayLike,
        metric: Metric | Sequence[Metric] = "cross_entropy",
        *,
        batch_size: int | None = None,
        threads: int | None = None,
    ) -> Fitness:
        """Return the fitness of such networks on data: see `gacnn.Fitness`."""
        return Fitness(
            self.model,
            X,
            y,
            metric,
            batch_size=batch_size,
            random_seed=self.random_seed,
            threads=threads,
        )

    def train(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        num_generations: int | None = None,
        time_limit: float | None = None,
        validation: float | tuple[ArrayLike, ArrayLike] | None = None,
        metric: Metric | Sequence[Metric] = "cross_entropy",
        batch_size: int | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        verbose: bool = True,
        threads: int | None = None,
        **settings: Any,
    ) -> Result:
        """Evolve the population on data and return its best network, scores and history.

        X, y, metric, batch_size: as for `fitness`. The run ends after num_generations (100 where
        no time_limit is given) or time_limit seconds. validation: a share of the data to hold
        out, stratified where y are labels, or (X, y); the best network is then the best on it
        among the best of each generation, otherwise (and with a list of metrics) PyGAD's best of
        the last population on all data.
        checkpoint: a file that is written after every generation; with resume=True the run goes
        on from it, if it exists, for as long again. verbose shows a progress bar. Other settings
        go to `gacnn.GA`; `DEFAULTS` hold where nothing else is said. The networks of this
        population become those of the last generation.
        """
        for name in {"fitness_func", "initial_population"} & settings.keys():
            raise TypeError(f"{name} is what train makes itself; to give your own use gacnn.GA")
        if resume and checkpoint is None:
            raise ValueError("resume=True needs a checkpoint to go on from: give its path")
        callbacks = checked(callbacks)
        seed = settings.setdefault("random_seed", self.random_seed)
        X, y, held_out = _hold_out(self.model, X, y, validation, seed or 0)
        fitness = self.fitness(X, y, metric, batch_size=batch_size, threads=threads)
        best = _BestOnValidation(held_out and self.fitness(*held_out, metric, threads=threads))
        history = History(validation=best.score if held_out else None)
        limit = TimeLimit(math.inf if time_limit is None else time_limit)
        listeners = [best, history, *callbacks, limit, ProgressBar(disable=not verbose)]
        if checkpoint is not None:
            listeners.append(Checkpoint(checkpoint))
        given = {
            **DEFAULTS,
            "num_parents_mating": max(2, self.num_solutions // 4),
            "keep_elitism": min(2, self.num_solutions - 1),
            **settings,
            "fitness_func": fitness,
            "initial_population": self.population_as_vectors(),
            "callbacks": listeners,
        }
        if num_generations is None:
            num_generations = 100 if time_limit is None else ENDLESS
        if resume and checkpoint is not None and os.path.exists(checkpoint):
            ga = resume_checkpoint(checkpoint, **given)
            ga.num_generations = checks.whole(num_generations, "num_generations")
            limit.seconds += ga.seconds_before
        else:
            ga = GA(num_generations=num_generations, **given)
        ga.run()
        return _result(self.model, ga, fitness, best, history)


DEFAULTS: dict[str, Any] = {
    "gene_type": np.float32,
    "parent_selection_type": "sss",
    "crossover_type": "uniform",
    "mutation_type": "random",
    "mutation_percent_genes": 10,
    "random_mutation_min_val": -0.3,
    "random_mutation_max_val": 0.3,
    "save_best_solutions": False,
    "suppress_warnings": True,
}


@dataclass(frozen=True)
class Result:
    """What a training gives: the best network and how it was found.

    score: its fitness on all training data; validation_score: that on the held-out data, or
    None; history: a `gacnn.History`; ga: the `gacnn.GA` after its run.
    """

    model: Model
    score: Any
    validation_score: Any
    history: History
    ga: GA


class _BestOnValidation(Callback):
    """Scores vectors on held-out data, where there are any, and keeps the best."""

    def __init__(self, fitness: Fitness | None) -> None:
        self.fitness = fitness
        self.best_score: Any = None
        self.vector: Numbers | None = None

    def score(self, vector: Numbers) -> Any:
        """Return the score of a vector (num_weights,), and keep it if it is the best so far."""
        assert self.fitness is not None
        try:
            score = self.fitness.full(vector[None])[0]
        except Exception as error:
            error.add_note("on the validation data, for the best solution of the generation")
            raise
        if np.ndim(score) == 0 and (self.best_score is None or score > self.best_score):
            self.best_score, self.vector = float(score), vector.copy()
        return score

    def _data(self) -> str:
        return json.dumps(self.fitness and self.fitness.fingerprint(), sort_keys=True)

    def state(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "vector": self.vector, "data": self._data()}

    def restore(self, state: dict[str, Any]) -> None:
        if state["data"] != self._data():
            raise ValueError("the validation data are not those of the checkpoint; give the same")
        self.best_score, self.vector = state["best_score"], state["vector"]


def _result(
    model: Model, ga: GA, fitness: Fitness, best: _BestOnValidation, history: History
) -> Result:
    vector, _, _ = ga.best_solution(pop_fitness=ga.last_generation_fitness)
    validation_score = None
    if best.fitness is not None:
        last_score = best.score(vector)
        vector = vector if best.vector is None else best.vector
        validation_score = last_score if best.best_score is None else best.best_score
    winner = model.with_weights(np.array(vector, np.float32))
    return Result(winner, fitness.full(vector[None])[0], validation_score, history, ga)


def _hold_out(
    model: Model, X: ArrayLike, y: ArrayLike, validation: Any, random_seed: int
) -> tuple[ArrayLike, ArrayLike, tuple[Any, Any] | None]:
    """Return the data to train on, and those held out: given, a share, or None."""
    if validation is None:
        return X, y, None
    if isinstance(validation, tuple) and len(validation) == 2:
        return X, y, validation
    if isinstance(validation, bool) or not isinstance(validation, numbers.Real):
        kind = type(validation).__name__
        raise ValueError(f"validation must be a share between 0 and 1, or (X, y), not a {kind}")
    images, targets = model.check_images(X, "X"), np.asarray(y)
    if targets.shape[:1] != images.shape[:1]:
        raise ValueError(
            f"y must have one entry for each of {len(images)} images, not {targets.shape}"
        )
    share = float(validation)
    number = max(1, round(share * len(images))) if 0 < share < 1 else len(images)
    if number >= len(images):
        raise ValueError(
            f"validation must be a share between 0 and 1 that leaves some of {len(images)} images "
            f"to train on, or (X, y), not {share}"
        )
    order = np.random.default_rng(random_seed).permutation(len(images))
    if targets.ndim == 1:  # labels: the same share of every class
        order = order[np.argsort(targets[order], kind="stable")]
    out = np.zeros(len(images), bool)
    out[order[((np.arange(number) + 0.5) * len(images) / number).astype(int)]] = True
    return images[~out], targets[~out], (images[out], targets[out])
