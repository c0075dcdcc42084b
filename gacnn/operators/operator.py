"""What the operators of evolution strategies share: settings, state, schedules, gene spaces."""

from __future__ import annotations

import dataclasses
import itertools
import math
import numbers
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnn import Model, checks
from cnn.layers.network import split

Array = NDArray[Any]

REST_OF_GENERATION = 16  # of a network's multiplications, one part in so many


class Operator:
    """Base of the operators with settings of their own: dataclasses that PyGAD calls.

    The object is given to `gacnn.GA` or `pygad.GA` in the place of a name; `gacnn.GA` makes a
    copy for itself and also takes the name, for the default settings. What an operator
    remembers from one generation to the next is its `state`, which checkpoints keep.
    """

    setting: ClassVar[str]
    """The setting of `gacnn.GA` that it is for."""

    remembers: ClassVar[tuple[str, ...]] = ()
    """Its attributes that last from one generation to the next, None before a run."""

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make such an operator."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type] # every operator is one
        return {each.name: getattr(self, each.name) for each in fields if each.init}

    def begin(self, ga: Any) -> None:
        """Forget another run, in the first generation of this one."""
        if ga.generations_completed == 0:
            self.restore(dict.fromkeys(self.remembers))

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep: JSON's types and arrays of numbers."""
        return {name: getattr(self, name) for name in self.remembers}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the `state` of a checkpoint."""
        for name in self.remembers:
            setattr(self, name, state[name])


def generator(ga: Any) -> np.random.Generator:
    """Return a new, fast generator for an operator's step, seeded by the GA's own."""
    seed = ga.numpy_random_generator.randint(2**32, size=4, dtype=np.uint32)
    return np.random.Generator(np.random.SFC64(seed))


def annealed(first: float, last: float | None, ga: Any) -> float:
    """Return a value that falls, or grows, exponentially from first to last during the run.

    In `pygad.GA` that is its first run: a second one goes on with the last value.
    """
    if last is None:
        return first
    progress = getattr(ga, "progress", None)
    if progress is None:  # plain pygad.GA
        progress = ga.generations_completed / max(1, ga.num_generations)
    return float(first * (last / first) ** min(1.0, progress))


def positive(value: Any, name: str) -> float:
    """Return a number above 0; ValueError for anything else."""
    number = checks.number(value, name, 0)
    if number == 0:
        raise ValueError(f"{name} must be above 0, not {value!r}")
    return number


def check_schedule(first: Any, last: Any, name: str) -> None:
    """Check two values of `annealed`; only where nothing is annealed may it be 0."""
    if last is None:
        checks.number(first, name, 0)
    else:
        positive(first, name)
        positive(last, f"final_{name}")


def model_of(ga: Any, operator: Operator) -> Model:
    """Return the model that the fitness function of a GA evaluates."""
    model = getattr(ga.fitness_func, "model", None)
    if not isinstance(model, Model):
        raise ValueError(
            f"{type(operator).__name__} needs the layers of the network: take a fitness function "
            "from GACNN.fitness or gacnn.Fitness, or say fitness_func.model = … of your own"
        )
    return model


def fan_in_scale(model: Model) -> Array:
    """Return a factor for each weight (num_weights,): 1 / sqrt(inputs of its unit).

    That is the scale at which the weights are drawn (LeCun et al. 1998, Efficient BackProp), so
    that all layers are disturbed alike; the root of the mean square is 1.
    """
    scale = np.empty(model.num_weights, np.float32)
    layers = model.trainable_layers
    for layer, arrays in zip(layers, split(layers, scale), strict=True):
        fan_in, _ = layer.fans()
        for array in arrays:
            array[...] = fan_in**-0.5
    return np.asarray(scale / np.sqrt(np.square(scale).mean()), np.float32)


def layer_slices(model: Model) -> list[slice]:
    """Return where each trainable layer's weights lie in the vector."""
    sizes = [sum(map(math.prod, layer.weight_shapes())) for layer in model.trainable_layers]
    ends = list(itertools.accumulate(sizes, initial=0))
    return list(itertools.starmap(slice, itertools.pairwise(ends)))


def nested_counts(model: Model, members: int) -> tuple[int, ...]:
    """Return how many versions of each trainable layer a nested population should hold.

    As near as may be to counts proportional to sqrt(weights / cost), which give the estimated
    gradient the least variance for the time if the gradients of all layers are equally large
    (Neyman 1934, On the two different aspects of the representative method). The last layer has
    `members` versions, and every count divides the next, in pairs of opposite noise. cost: a
    layer's multiplications, and for the last one a sixteenth of the whole network's for the rest
    of a generation. Raises ValueError for a number of members that cannot be divided so.
    """
    if members % 4 and len(model.trainable_layers) > 1:
        raise ValueError(
            "nested=True needs a number of offspring that 4 divides, such as 32 or 64, not "
            f"{members}: change the number of solutions, and keep none (keep_elitism=0)"
        )
    layers = model.weighted_layers
    work = np.array([layer.fans()[0] * np.prod(layer.layer_output_size) for layer in layers], float)
    work[-1] += work.sum() / REST_OF_GENERATION
    owner = np.cumsum([layer.trainable for layer in layers])  # fixed layers run with those before
    cost = np.bincount(owner, work)[1:]
    sizes = [each.stop - each.start for each in layer_slices(model)]
    wanted = np.sqrt(sizes / cost)
    wanted *= members / wanted[-1]
    counts = [members]
    for ideal in wanted[-2::-1]:
        distance = np.abs(np.log(np.array(_fewer(counts[0])) / ideal))
        counts.insert(0, _fewer(counts[0])[distance.argmin()])
    return tuple(counts)


def _fewer(count: int) -> list[int]:
    """Return the even numbers that divide one an even number of times, and itself."""
    return [*(n for n in range(2, count, 2) if count % (2 * n) == 0), count]


def checked_counts(
    counts: Sequence[int], model: Model, members: int, *, mirrored: bool
) -> tuple[int, ...]:
    """Return the versions of each layer that a user named; ValueError where they do not fit."""
    number, pair = len(model.trainable_layers), 2 if mirrored else 1
    if len(counts) != number:
        raise ValueError(
            f"nested must have a count for each of the {number} trainable layers, not {counts!r}"
        )
    if counts[-1] != members:
        raise ValueError(
            f"nested must end with the number of offspring, {members}, not {counts[-1]}: every "
            "one has a last layer of its own"
        )
    before = 1
    for position, count in enumerate(counts):
        if count % (pair * before) and (position == 0 or count != before):
            same = f"{before}, as the one before, or " if position else ""
            raise ValueError(
                f"nested[{position}] must be {same}a multiple of {pair * before}, not {count}"
                + (": mirrored noise comes in pairs" if mirrored else "")
            )
        before = count
    return tuple(counts)


def space_bounds(ga: Any) -> tuple[float, float] | None:
    """Return the least and the greatest value of the gene space, or None if there is none."""
    values = _allowed_values(ga)
    if values is not None:
        return float(values[0]), float(values[-1])
    space = ga.gene_space
    return None if space is None else (float(space["low"]), float(space["high"]))


def fit_to_space(genes: Array, ga: Any) -> Array:
    """Return genes (…, n) as the population may hold them: the nearest allowed values.

    The gene space may be None, an interval, or the same list of numbers or steps for all genes;
    ValueError for one that differs between genes.
    """
    values = _allowed_values(ga)
    dtype = ga.population.dtype
    if values is not None:
        middles = (values[1:] + values[:-1]) / 2
        return values[np.searchsorted(middles, genes)].astype(dtype, copy=False)
    if dtype.kind in "iu":
        genes = np.clip(np.rint(genes), np.iinfo(dtype).min, np.iinfo(dtype).max)
    if ga.gene_space is not None:
        low, high = ga.gene_space["low"], ga.gene_space["high"]
        if dtype.kind in "iu":
            low, high = np.ceil(low), np.ceil(high) - 1  # PyGAD draws integers below high
        genes = np.clip(genes, low, high)
    return genes.astype(dtype, copy=False)


def rounded_to_space(
    genes: Array, space: Any, rng: np.random.Generator, *, whole: bool = False
) -> Array:
    """Return genes (…, n) as a gene space, or None, has them, the same on average.

    Of the two nearest values of a finite space, or where genes are `whole` numbers, one is drawn,
    the nearer the more often: the small first weights of a network would all become the value next
    to 0 otherwise. An interval clips.
    """
    values = space_values(space)
    if values is None:
        bounds = space or {}
        least, greatest = bounds.get("low", -np.inf), bounds.get("high", np.inf)
        if not whole:
            return np.clip(genes, least, greatest)
        genes = np.clip(genes, np.ceil(least), np.ceil(greatest) - 1)
        low, high = np.floor(genes), np.ceil(genes)
    else:
        genes = np.clip(genes, values[0], values[-1])
        above = np.searchsorted(values, genes)
        low, high = values[np.maximum(above - 1, 0)], values[above]
    drawn: Array = np.where(genes - low > rng.random(genes.shape) * (high - low), high, low)
    return drawn


def is_nested(space: Any) -> bool:
    """Tell whether a gene space differs between genes."""
    several = isinstance(space, list | tuple | np.ndarray)
    return several and not all(isinstance(value, numbers.Real) for value in space)


def _allowed_values(ga: Any) -> Array | None:
    if ga.population.dtype == object:
        raise ValueError(
            "gene_type must be one type for all genes with an operator of an evolution strategy"
        )
    return space_values(ga.gene_space)


def space_values(space: Any) -> Array | None:
    """Return the values of a finite gene space, sorted, or None for an interval or no space."""
    if space is None or (isinstance(space, dict) and "step" not in space):
        return None
    if isinstance(space, dict):
        space = np.arange(space["low"], space["high"], space["step"])
    try:
        values = np.asarray(list(space), float)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if values.ndim != 1 or np.isnan(values).any():
        raise ValueError(
            "gene_space must be the same for all genes (a list of numbers, a range, or low and "
            "high) with an operator of an evolution strategy"
        )
    return np.unique(values)
