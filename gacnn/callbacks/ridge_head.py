"""The last layer solved, and the rest evolved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import Model, checks
from cnn.model import check_model
from gacnn.callbacks.callback import Callback
from gacnn.fitness.batches import ALL
from gacnn.fitness.fitness import Fitness
from gacnn.fitness.metrics import METRICS, Metric, measure_of, name_of
from gacnn.fitness.ridge import Head, head_position, ridge_head
from gacnn.operators.crossover import WeightedRecombination
from gacnn.operators.gene_space import space_values
from gacnn.operators.operator import positive
from gacnn.operators.run import Run
from gacnn.types import Array


class RidgeHead(Callback):
    """Solves the last dense layer by ridge regression, so that evolution has the others to find.

    After every `every` generations the head with the least squared error is computed for the
    centre of the offspring, on all training images: for labels towards 1 and 0, scaled to the
    least cross-entropy of a softmax, for "mse" towards the values. All offspring have this head,
    without noise, until the next one. It goes with recombination, whose offspring lie around one
    centre. Its images count among those of a training's `image_evaluations`.

    With every=None it is solved once, for the centre of the first population, which is moved
    there, and evolves from then on like all other weights: `GACNN.train(…, head="ridge")`. In a
    finite gene_space the whole population begins with this one head.

    Where gene_space is a list of numbers the weights of the head are of these: each is rounded in
    turn, and those that follow make up for the error. As there is no factor then that fits the
    softmax, give a metric the temperature: gacnn.CrossEntropy(temperature=…).

    Args:
        every: generations from one solution to the next; where all layers before the head are
            fixed it is always the same one. None for the beginning only.
        alpha: what is added to the variance of each feature, times the mean of the variances.

    Raises:
        ValueError: in the run, for a network that ends in no Dense layer, a metric that is neither
            of labels nor "mse", another gene_space than a list of numbers, for labels, and, but
            with every=None, another crossover than recombination.

    Examples:
        >>> layers = [cnn.Input1D(2), cnn.Dense(8), cnn.Dense(2, activation_function="softmax")]
        >>> model = cnn.Model(layers, random_seed=0)
        >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
        >>> head = gacnn.RidgeHead(every=5, alpha=1e-3)
        >>> result = gacnn.GACNN(model, 16, random_seed=0).train(
        ...     X, y, num_generations=20, callbacks=[head], verbose=False
        ... )
        >>> result.model.predict(X).tolist()
        [0, 1, 1, 0]
    """

    def __init__(self, every: int | None = 20, alpha: float = 0.03) -> None:
        self.every = None if every is None else checks.whole(every, "every")
        self.alpha = positive(alpha, "alpha")
        self._forget()

    def _forget(self) -> None:
        self.head: Array | None = None
        self._values: Array | None = None
        self.image_evaluations = 0

    def on_start(self, ga: Run) -> None:
        """Begin anew, and with every=None solve the head; ValueError for a run that has none."""
        self._forget()
        fitness = _fitness_of(ga)
        self._values = values_of(ga.gene_space, is_whole=ga.population.dtype.kind != "f")
        check_solvable(fitness.model, fitness.scorer.metrics, self._values)
        if self.every is None:
            if not ga.generations_completed:
                self._begin(ga.population, fitness)
        elif not isinstance(ga.crossover_type, WeightedRecombination):
            raise ValueError(
                f'RidgeHead needs crossover_type="recombination", not {ga.crossover_type!r}: only '
                "offspring of one centre can share a head; every=None solves it once, to begin with"
            )

    def on_mutation(self, ga: Run, offspring_mutation: Array) -> Array | None:
        """Return the offspring (P, n) with the head, a new one if it is time."""
        if self.every is None:
            return None
        head = self.head
        if head is None or ga.generations_completed % self.every == 0:
            head = self._solve(offspring_mutation, _fitness_of(ga))
        offspring = offspring_mutation.copy()
        offspring[:, -len(head) :] = head
        return offspring

    def _begin(self, population: Array, fitness: Fitness) -> None:
        """Move the population, so that the centre of its heads is the one that is solved."""
        head = self._solve(population, fitness)
        own = population[:, -len(head) :]
        own[:] = head if self._values is not None else own + (head - own.mean(axis=0))

    def _solve(self, vectors: Array, fitness: Fitness) -> Array:
        """Return the head for the centre of vectors (P, n), and note it and what it has cost."""
        centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.head = head = _solved(fitness, centre, self.alpha, self._values).genes
        self.image_evaluations += len(fitness.X)
        return head

    def state(self) -> dict[str, Any]:
        """Return the head, and what it has cost."""
        return {"head": self.head, "image_evaluations": self.image_evaluations}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them up."""
        self.head, self.image_evaluations = state["head"], state["image_evaluations"]


def _fitness_of(ga: Run) -> Fitness:
    """Return the fitness of a run on data; ValueError for another."""
    fitness = ga.evaluator
    if not isinstance(fitness, Fitness):
        raise ValueError(f"RidgeHead needs a gacnn.Fitness on data, not {type(fitness).__name__}")
    return fitness


def values_of(space: Any, *, is_whole: bool) -> Array | None:
    """Return what the genes of a gene_space may be, in ascending order; None for any number.

    is_whole: whether gene_type has whole numbers. ValueError where genes are limited by anything
    else than a finite space.
    """
    if space is None and not is_whole:
        return None
    values = space_values(space)
    if values is None or len(values) < 2:
        raise ValueError(
            "ridge regression gives the head any values, or those of a gene_space that is finite, "
            f"such as [-1, 0, 1], so gene_space={space!r}{' of integers' if is_whole else ''} does "
            "not go with it; let the head evolve"
        )
    return values


def check_solvable(model: Model, metrics: Sequence[Metric], values: Array | None) -> None:
    """Raise ValueError where ridge regression cannot solve the last layer.

    values: what genes may be, or None for any number.
    """
    head_position(model)
    targets = {measure_of(metric).targets for metric in metrics}
    if not targets & {"labels", "values"}:
        named = ", ".join(map(name_of, metrics))
        raise ValueError(
            f'ridge regression knows metrics of labels, and "mse", not {named}; let the head evolve'
        )
    if values is not None and "labels" not in targets:
        raise ValueError(
            'a head of given values, or in a gene_space, is for labels, not for "mse": let it '
            "evolve"
        )


def _solved(fitness: Fitness, vector: Array, alpha: float, values: Array | None) -> Head:
    """Return the head for the other weights of a vector, on all data; of values, unless None."""
    scorer = fitness.scorer
    data = scorer.data(ALL)
    return ridge_head(
        data.model,
        data.X,
        data.y,
        vector,
        alpha,
        data.sample_weight,
        values=values,
        engine=scorer.engine,
        threads=scorer.threads,
        memory_limit=scorer.memory_limit,
    )


def _allowed(values: Sequence[float]) -> Array:
    """Return values in ascending order."""
    array = checks.shaped(values, "values", (None,), "numbers")
    if len(set(array.tolist())) < 2:
        raise ValueError(f"values must be two numbers or more, such as [-1, 0, 1], not {values!r}")
    return np.unique(checks.finite(array, "values")).astype(float)


def with_ridge_head(
    model: Model,
    X: ArrayLike,
    y: ArrayLike,
    metric: str = "cross_entropy",
    *,
    alpha: float = 0.03,
    values: Sequence[float] | None = None,
    device: str | None = None,
) -> Model:
    """Return the network with its last dense layer solved by ridge regression, to begin with.

    `RidgeHead` says how. gacnn.GACNN(solved, spread=0.01) is a population around it.

    Args:
        model: ends in a trainable Dense layer, linear or with softmax.
        X: (N, height, width, channels).
        y: labels (N,), or values (N, outputs) for "mse".
        metric: "cross_entropy" or another name of labels, or "mse".
        alpha: as for `RidgeHead`.
        values: what the weights of the head may be, such as [-1, 0, 1], for labels; None for any
            number. Inputs of the head should then be of about the same size.
        device: where PyTorch runs the layers before it, such as "cuda"; None for NumPy.

    Raises:
        ValueError, TypeError: for data that do not fit the model, and one that has no such head.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2, activation_function="softmax")])
        >>> solved = gacnn.with_ridge_head(model, [[0, 1], [1, 0], [0, 2]], [0, 1, 0])
        >>> solved.predict([[0, 3], [2, 0]]).tolist()
        [0, 1]
    """
    head_position(check_model(model))
    checks.one_of(metric, "metric", list(METRICS))
    allowed = None if values is None else _allowed(values)
    check_solvable(model, [metric], allowed)
    fitness = Fitness(model, X, y, metric, device=device)
    genes = _solved(fitness, model.weights, positive(alpha, "alpha"), allowed).genes
    vector = model.weights.copy()
    vector[-len(genes) :] = genes
    return model.with_weights(vector)
