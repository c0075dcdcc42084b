"""GACNN: a population of networks as one array, its fitness, and the short way to train it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import (
    Engine,
    Model,
    checks,
    layers_weights_as_matrix,
    update_layers_trained_weights,
)
from cnn.model import check_model
from gacnn.algorithm.events import checked_callbacks
from gacnn.algorithm.ties import check_networks as _check_networks
from gacnn.algorithm.ties import population_as_vectors
from gacnn.callbacks.callback import Callback
from gacnn.checkpoints.checkpoint import Checkpoint
from gacnn.fitness.batches import Augmentation
from gacnn.fitness.fitness import Fitness
from gacnn.fitness.metrics import Metric
from gacnn.fitness.weights import ClassWeight
from gacnn.training.defaults import NUM_SOLUTIONS
from gacnn.training.plan import Plan
from gacnn.training.result import Result
from gacnn.training.training import Training
from gacnn.types import Array


def population_as_matrices(
    population_networks: Sequence[Model], population_vectors: Sequence[ArrayLike] | Array
) -> list[Array]:
    """Return, for each network and its vector, the vector as arrays of the layers' weights."""
    _check_networks(population_networks)
    vectors: Any = population_vectors
    if not isinstance(vectors, list | tuple) and np.ndim(vectors) == 0:
        raise TypeError(f"population_vectors must be a list of vectors, not {population_vectors!r}")
    if len(population_networks) != len(population_vectors):
        raise ValueError(
            f"population_vectors must hold a vector for each of {len(population_networks)} "
            f"networks, not {len(population_vectors)}"
        )
    try:
        return [
            layers_weights_as_matrix(network, vector)
            for network, vector in zip(population_networks, population_vectors, strict=True)
        ]
    except (TypeError, ValueError) as error:
        error.add_note("of population_vectors")
        raise


class GACNN:
    """A population of `num_solutions` networks of one architecture.

    `population` is the array (num_solutions, num_weights), float32; `population_networks` are
    models that view its rows. Member 0 has the weights of `model`.

    Args:
        model: the architecture, and the weights of member 0.
        num_solutions: how many networks, at least two; 64 if not said.
        random_seed: what the population, and a run of `train`, are drawn from; None for others
            every time.
        spread: None draws the other members anew. A number makes them the weights of the model
            plus normal noise of that standard deviation: a population for fine-tuning.

    Raises:
        TypeError: for anything but a `cnn.Model`.
        ValueError: for a model without trainable weights, or fewer than two solutions.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)], random_seed=0)
        >>> networks = gacnn.GACNN(model, 8, random_seed=0)
        >>> networks.population.shape
        (8, 6)
        >>> result = networks.train(np.eye(2), [1, 0], num_generations=100, verbose=False)
        >>> bool(result.score > networks.fitness(np.eye(2), [1, 0])(model.weights[None])[0])
        True
    """

    layout_is_said: bool = False
    """Whether images of few rows and many channels are meant: without it they bring a warning."""

    def __init__(
        self,
        model: Model,
        num_solutions: int = NUM_SOLUTIONS,
        *,
        random_seed: int | None = None,
        spread: float | None = None,
    ) -> None:
        if check_model(model).num_weights == 0:
            raise ValueError("model has no trainable weights, so there is nothing to evolve")
        self.model = model
        self.num_solutions = checks.whole(num_solutions, "num_solutions", minimum=2)
        self.random_seed = (
            None if random_seed is None else checks.whole(random_seed, "random_seed", minimum=0)
        )
        self.spread = None if spread is None else checks.number(spread, "spread", 0)
        try:
            self.population = np.empty((self.num_solutions, model.num_weights), np.float32)
        except ValueError as error:
            raise ValueError(
                f"num_solutions is too large, {self.num_solutions}: {error}"
            ) from error
        self.population_networks = self.create_population()

    def _check_layout(self, X: ArrayLike) -> None:
        if not self.layout_is_said:
            checks.channels_last(checks.real(X, "X"), "X", said=True)

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

    def population_as_vectors(self) -> list[Array]:
        """Return copies of the population's rows, to be the `initial_population` of a GA."""
        return population_as_vectors(self.population_networks)

    def population_as_matrices(self, population_vectors: Any = None) -> list[Array]:
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
        sampling: str = "uniform",
        augment: Augmentation | None = None,
        engine: str | Engine | None = None,
        device: str | None = None,
        threads: int | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        memory_limit: int | None = None,
        executor: Any = None,
        shard: int | str | None = None,
    ) -> Fitness:
        """Return the fitness of such networks on data.

        Args:
            X, y, metric, batch_size, sampling, augment, engine, device, threads, sample_weight,
                class_weight, memory_limit, executor, shard: as for `gacnn.Fitness`.
        """
        self._check_layout(X)
        return Fitness(
            self.model,
            X,
            y,
            metric,
            batch_size=batch_size,
            sampling=sampling,
            augment=augment,
            random_seed=self.random_seed,
            engine=engine,
            device=device,
            threads=threads,
            sample_weight=sample_weight,
            class_weight=class_weight,
            memory_limit=memory_limit,
            executor=executor,
            shard=shard,
        )

    def train(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        num_generations: int | None = None,
        time_limit: float | None = None,
        validation: float | tuple[ArrayLike, ...] | str | None = "auto",
        metric: Metric | Sequence[Metric] = "cross_entropy",
        batch_size: int | str | None = "auto",
        sampling: str = "auto",
        augment: Augmentation | None = None,
        patience: int | str | None = "auto",
        head: str = "evolved",
        callbacks: Sequence[Callback] = (),
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        resume: bool = False,
        verbose: bool = True,
        engine: str | Engine | None = None,
        device: str | None = None,
        threads: int | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        memory_limit: int | None = None,
        executor: Any = None,
        shard: int | str | None = None,
        **settings: Any,
    ) -> Result:
        """Evolve the population on data and return its best network, scores and history.

        With nothing else said, `gacnn.training.defaults` chooses: mirrored mutation with a sigma
        of 4 / sqrt(directions) that falls to a third for 10,000 samples and more, where a weight is
        a direction, and in dense layers of many inputs an image and unit; nested, and less for
        large inputs, where several layers evolve and there are 32, 36, 40 … networks; recombination
        by fitness with a learning rate that falls (`strategy_settings`). The networks of this
        population become those of the last generation. Warns of inputs that are far above 1 or far
        below, because networks hardly learn from them, and of a class of one image.

        Args:
            X, y, metric, augment, sample_weight, class_weight: as for `gacnn.Fitness`.
            num_generations: at most; 2,000, or as many as time_limit allows.
            time_limit: seconds, those included in which the outputs of fixed layers are computed.
            validation: a share of the data to hold out, stratified where y are labels (every class
                keeps an image to train on), (X, y), (X, y, sample_weight) or a `Dataset`, or None;
                "auto" is a tenth of 200 images or more. The networks that are compared on it, after
                every few generations, are averages of the last generations where all offspring are
                one centre's, otherwise the best of each generation; the best one is returned.
                Without it, it is the best of all generations where these were scored on all data,
                otherwise the last average. class_weight holds for these data too.
            batch_size: images a generation, or None for all; "auto" is 32 where directions are then
                three quarters of the weights or fewer and the metric is cross-entropy or mse;
                otherwise 128, 64 with nested noise where a network has eight multiplications or
                more for each weight; all where they are fewer than 256.
            sampling: as for `gacnn.Fitness`; "auto" is by importance where the metric is
                "cross_entropy".
            patience: generations without improvement on the validation data, or without them in
                the fitness on all data, that end the run, or None for never; "auto" is a third
                of num_generations, but at least 50, and None with a time limit alone, with
                mini-batches but no validation, or with several objectives.
            head: how the last layer begins: "evolved" like all others, from what the model has;
                "ridge", as ridge regression on the training images solves it for the layers before
                (see `gacnn.RidgeHead`), and evolves from there; "auto", solved where it can be.
            callbacks: `gacnn.Callback` objects. On mini-batches one good batch says little: a
                threshold there, or stop_criteria="reach_…", is refused with what to write.
            checkpoint: the path of a file that is written at most every second, and costs at most
                3 % of the time, or a `gacnn.Checkpoint` that says otherwise.
            resume: whether to go on from the checkpoint, if it exists, up to num_generations or
                time_limit in all.
            verbose: whether to print the plan and show a progress bar.
            executor, shard: who scores the population, and in which parts, as for `Fitness`; `plan`
                tells whether it pays. Validation stays here.
            engine, device, threads, memory_limit: as for `Model.forward`.
            settings: of `gacnn.GA`.

        Returns:
            The network whose outputs are numbers for all images and that is best, and how it was
            found.

        Raises:
            ValueError, TypeError: for data and settings that do not fit, or where no network gives
                finite outputs, and a checkpoint of another run.
            OSError: where a checkpoint cannot be written.
        """
        training = self.training(
            X,
            y,
            num_generations=num_generations,
            time_limit=time_limit,
            validation=validation,
            metric=metric,
            batch_size=batch_size,
            sampling=sampling,
            augment=augment,
            patience=patience,
            head=head,
            engine=engine,
            device=device,
            threads=threads,
            sample_weight=sample_weight,
            class_weight=class_weight,
            memory_limit=memory_limit,
            executor=executor,
            shard=shard,
            **settings,
        )
        if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
            checkpoint = Checkpoint(checks.path(checkpoint, "checkpoint"))
        return training.run(
            self.population_as_vectors(),
            callbacks=callbacks,
            checkpoint=checkpoint,
            resume=checks.flag(resume, "resume"),
            verbose=checks.flag(verbose, "verbose"),
        )

    def plan(self, X: ArrayLike, y: ArrayLike, **options: Any) -> Plan:
        """Return what `train` would do with the same arguments, and its cost; nothing changes.

        A few generations of a copy are tried, without callbacks, to estimate the seconds.
        """
        checked_callbacks(options.pop("callbacks", ()))
        for name in {"checkpoint", "resume", "verbose"} & options.keys():
            del options[name]
        return self.training(X, y, **options).tried_plan(self.population)

    def training(self, X: ArrayLike, y: ArrayLike, **options: Any) -> Training:
        """Return a training on the data that is ready to run; options: those of `train`.

        Raises what `train` does for data and settings that do not fit.
        """
        self._check_layout(X)
        options.setdefault("random_seed", self.random_seed)
        return Training(self.model, self.num_solutions, X, y, **options)
