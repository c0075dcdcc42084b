"""The settings that `GACNN.train` chooses where nothing is said."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cnn import Model
from cnn.summary import multiplications_of
from gacnn.callbacks.callback import ENDLESS
from gacnn.fitness.layer_inputs import sees_more
from gacnn.fitness.metrics import is_cross_entropy
from gacnn.operators.crossover import WeightedRecombination
from gacnn.operators.gene_space import is_nested, space_values
from gacnn.operators.log_uniform import LogUniformMutation
from gacnn.operators.mutation import CumulativeMutation, GaussianMutation
from gacnn.operators.names import OPERATORS, resolved
from gacnn.training.held_out import CheckedSamples

NUM_SOLUTIONS = 64
NUM_GENERATIONS = 2000
BATCH_SIZE, SMALL_BATCH_SIZE, SPANNED_BATCH_SIZE = 128, 64, 32
MUCH_WORK = 8  # multiplications for an image and weight, from which on images cost most of the time
FEWER_DIRECTIONS = 0.75  # of the weights: then they pay for the noise of a smaller batch
FEW_WEIGHTS = 24
ENOUGH_TO_NEST = 32  # of fewer networks an early layer would have a few versions only
USUAL_SIZE = 0.5  # root mean square of inputs, as of images from 0 to 1
MANY_SAMPLES = 10_000
LARGE_INPUTS = 5.0  # likewise, from which on a training warns
LOOKED_AT, LOOKED_AT_BEHIND = 1000, 100  # samples that tell it, and those for fixed layers


class _Steps(NamedTuple):
    """How large the steps of an evolution strategy are, and how they fall: first over last.

    sigma, rate: in those of `default_sigma` and `default_learning_rate`; decay: of the weights;
    free: whether genes may be any number, so that noise is scaled from layer to layer.
    """

    sigma_fall: float
    rate_fall: float
    decay: float = 0.0
    sigma: float = 1.0
    rate: float = 1.0
    free: bool = False


NETWORK = _Steps(1, 14, 5e-4, free=True)
NETWORK_OF_MANY = NETWORK._replace(sigma_fall=3)  # samples
HEAD = _Steps(1, 20, 1e-3, sigma=0.5, rate=0.25, free=True)
SPANNED_HEAD = HEAD._replace(decay=2e-4)  # no walk in directions that matter little
SOLVED_HEAD = SPANNED_HEAD._replace(rate=1 / 16)
BOUNDED = _Steps(1, 14)
STEPPED = _Steps(8, 4)  # a falling sigma shortens the steps of the centre as well

HEADS = "auto", "evolved", "ridge"  # how the last layer begins


def default_batch_size(
    num_images: int, model: Model, mutation: Any, metric: Any = "cross_entropy"
) -> int | None:
    """Return how many images a generation has; None, all, where they are fewer than 256.

    32 where the metric is cross-entropy or mse and noise in the span of inputs then has three
    quarters of the directions that weights have, or less. Otherwise 128, or 64 with nested noise
    where a network has eight multiplications or more for each weight: then images cost most of the
    time, otherwise what a generation takes for itself.

    Args:
        num_images: how many there are to train on.
        model: the network.
        mutation: what disturbs its weights.
        metric: what is maximised.
    """
    if num_images < 2 * BATCH_SIZE:
        return None
    if not isinstance(mutation, GaussianMutation):
        return BATCH_SIZE
    directions = num_directions(model, SPANNED_BATCH_SIZE if mutation.input_span else None)
    if directions <= FEWER_DIRECTIONS * model.num_weights and is_smooth(metric):
        return SPANNED_BATCH_SIZE
    work = sum(multiplications_of(layer) for layer in model.trainable_layers)
    is_small = mutation.nested is not False and work >= MUCH_WORK * model.num_weights
    return SMALL_BATCH_SIZE if is_small else BATCH_SIZE


def is_smooth(metric: Any) -> bool:
    """Tell whether every image changes a metric a little, as in cross-entropy and mse."""
    return is_cross_entropy(metric) or (isinstance(metric, str) and metric == "mse")


def default_sampling(metric: Any, batch_size: int | None) -> str:
    """Return "importance" for batches that are scored by cross-entropy, otherwise "uniform"."""
    return "importance" if is_cross_entropy(metric) and batch_size is not None else "uniform"


def default_patience(num_generations: int) -> int | None:
    """Return a third of the generations, at least 50, or None where their number is open."""
    return max(50, num_generations // 3) if num_generations < ENDLESS else None


def default_sigma(directions: int, gene_space: Any = None, gene_type: Any = float) -> float:
    """Return 4 / sqrt(n), from 0.02 to 0.1; 0.4 of the least step where genes have steps.

    Noise of 4 / sqrt(n) in each of n directions moves a network equally far whatever its size.
    directions: n, as for `default_learning_rate`.
    """
    if has_steps(gene_space, gene_type):
        values = space_values(gene_space)
        least = 1.0 if values is None else float(np.diff(values).min())
        return 0.4 * least
    return _short(min(0.1, max(0.02, 4 / math.sqrt(directions))))


def has_steps(gene_space: Any, gene_type: Any) -> bool:
    """Tell whether genes take some values only: those of a finite space, or integers."""
    values = space_values(gene_space)
    if values is not None:
        return len(values) > 1
    return not isinstance(gene_type, list | tuple) and np.dtype(gene_type).kind in "iu"


def default_learning_rate(num_solutions: int, directions: int) -> float:
    """Return 12.5 sqrt(P / n), at most 6: the first; the last is a fourteenth of it.

    P directions out of n tell the less about the gradient the fewer they are. directions: n, the
    weights, or fewer where noise is in the span of inputs, see `num_directions`.
    """
    return _short(min(6.0, 12.5 * math.sqrt(num_solutions / directions)))


def num_directions(model: Model, images: int | None) -> int:
    """Return how many directions noise has in the span of what layers take of so many images."""
    count = 0
    for layer in model.trainable_layers:
        sizes = [math.prod(shape) for shape in layer.weight_shapes()]
        spans = images is not None and sees_more(layer, images)
        count += images * layer.fans()[1] if images is not None and spans else sum(sizes)
    return count


def _short(number: float) -> float:
    """Return a number of three digits, which is easier to read."""
    return float(f"{number:.3g}")


def size_of_inputs(model: Model, data: CheckedSamples) -> float:
    """Return the root mean square of what the first layer that evolves gets, of some samples."""
    number = LOOKED_AT_BEHIND if model.fixed_layers else LOOKED_AT
    X, _, weights = data.rows(slice(None, None, -(-len(data.X) // number)))
    if model.fixed_layers:
        X = model.cut(1 + model.fixed_layers)[0].forward(X)
    squares = np.square(X, dtype=np.float64).reshape(len(X), -1).mean(axis=1)
    counts = weights is not None and weights.any()
    return math.sqrt(np.average(squares, weights=weights if counts else None))


def strategy_settings(
    num_solutions: int,
    model: Model,
    settings: dict[str, Any],
    *,
    one_objective: bool,
    input_size: float = USUAL_SIZE,
    num_samples: int = 0,
    batch_size: int | str | None = "auto",
    metric: Any = "cross_entropy",
    solved: bool = False,
) -> dict[str, Any]:
    """Return settings of `gacnn.GA`: those given, and good ones for the others.

    Without an operator among them, and for more than 24 weights: an evolution strategy, with
    recombination by fitness and mirrored Gaussian mutation; the learning rate falls, nothing is
    kept. Where dense layers take more inputs than a batch has images, their noise is in the
    span of what they take (`GaussianMutation`, input_span). Sigma falls to a third from 10,000
    samples on; noise that stays keeps a network from learning fewer by heart. The noise is
    nested where several layers evolve and there are 32, 36, 40 … solutions; then inputs of more
    than a half in the root mean square, which carry the more of the first layer's noise, have a
    smaller sigma, down to a tenth of it. With fewer parents than solutions, recombination by
    rank. For fewer weights a wide search: tournaments of two, uniform crossover, log-uniform
    mutation with sigmas from 2 to 0.003 (where genes have steps, from 2 of the least to 0.4),
    two elites. With "csa" or "separable", or a recombination: the better half as parents,
    mirrored mutation, nothing kept. With other operators, or several objectives: truncation of
    the best quarter (or NSGA-II), uniform crossover, self-adaptive mutation, two elites.

    Where genes have steps, sigma is 0.4 of the least one, and falls to an eighth in the evolution
    strategy, the learning rate to a quarter; with any gene space noise is plain. Where all layers
    but the last are fixed, no layers make up for each other, and the noise of large steps is all
    that they leave: sigma is half of that of a network and stays, the learning rate is a quarter,
    and falls to a twentieth; with noise in the span of inputs the weight decay is a fifth, and the
    learning rate of a last layer that begins solved a quarter of that.

    Args:
        num_solutions: networks of the population.
        model: the network, whose weights are their genes.
        settings: what was named, as for `gacnn.GA`.
        one_objective: whether there is one metric and not a list of them.
        input_size: the root mean square of the inputs, see `size_of_inputs`.
        num_samples: how many there are to train on.
        batch_size: how many of them a generation has, None for all; "auto" for the default.
        metric: what is maximised.
        solved: whether the last layer begins as ridge regression solves it.
    """
    num_weights = model.num_weights
    common = {"gene_type": np.float32, "save_best_solutions": False, "suppress_warnings": True}
    settings = {**common, **settings}
    crossover = resolved("crossover_type", settings.get("crossover_type"))
    mutation = resolved("mutation_type", settings.get("mutation_type"))
    free = one_objective and not OPERATORS.keys() & settings.keys()
    many = free and num_weights > FEW_WEIGHTS
    recombines = isinstance(crossover, WeightedRecombination)
    if many and settings.get("num_parents_mating", num_solutions) == num_solutions:
        sizes = _Sizes(num_solutions, num_samples, batch_size, input_size)
        chosen = _evolution_strategy(model, settings, sizes, metric, solved=solved)
    elif many or recombines or (crossover is None and isinstance(mutation, CumulativeMutation)):
        by_fitness = recombines and crossover.weights == "fitness"
        chosen = {
            **_NOTHING_KEPT,
            "num_parents_mating": num_solutions if by_fitness else max(2, num_solutions // 2),
            "crossover_type": "recombination",
            "mutation_type": GaussianMutation(
                default_sigma(num_weights, settings.get("gene_space"), settings["gene_type"]),
                mirrored=True,
            ),
        }
    else:
        chosen = {
            "num_parents_mating": max(2, num_solutions // 4),
            "keep_elitism": min(2, num_solutions - 1),
            "parent_selection_type": "truncation" if one_objective else "nsga2",
            "crossover_type": "uniform",
            "mutation_type": "self_adaptive",
        }
        if free:
            wide = {"parent_selection_type": "tournament", "K_tournament": 2}
            chosen |= {**wide, "mutation_type": _at_all_scales(num_weights, settings)}
    return _stepped({**chosen, **settings}, num_weights)


def _at_all_scales(num_weights: int, settings: dict[str, Any]) -> LogUniformMutation:
    """Return the mutation of a wide search, none of whose sigmas is lost in rounding."""
    space, gene_type = settings.get("gene_space"), settings["gene_type"]
    if is_nested(space) or not has_steps(space, gene_type):
        return LogUniformMutation()
    least = default_sigma(num_weights, space, gene_type)
    return LogUniformMutation(5 * least, least)


def _stepped(settings: dict[str, Any], num_weights: int) -> dict[str, Any]:
    """Return settings whose mutation, where it is a name and genes have steps, is wide enough."""
    space, gene_type = settings.get("gene_space"), settings["gene_type"]
    name = settings["mutation_type"]
    known = OPERATORS["mutation_type"].get(name.lower()) if isinstance(name, str) else None
    if known is None or is_nested(space) or not has_steps(space, gene_type):
        return settings
    sigma = default_sigma(num_weights, space, gene_type)
    return {**settings, "mutation_type": known(sigma)}  # type: ignore[call-arg] # the first of all


_NOTHING_KEPT = {"keep_elitism": 0, "keep_parents": 0, "parent_selection_type": "truncation"}


class _Sizes(NamedTuple):
    """How large a training is: arguments of `strategy_settings`."""

    solutions: int
    samples: int
    batch: int | str | None
    inputs: float


def _evolution_strategy(
    model: Model, settings: dict[str, Any], sizes: _Sizes, metric: Any, *, solved: bool
) -> dict[str, Any]:
    space, gene_type = settings.get("gene_space"), settings["gene_type"]
    steps = _steps(model, space, gene_type, sizes.samples)
    nested = steps.free and _can_nest(sizes.solutions, model, settings)
    noise = GaussianMutation(
        scale="fan_in" if steps.free else None,
        mirrored=True,
        nested=nested,
        input_span=steps.free,
    )
    images = sizes.batch
    if isinstance(images, str):
        images = default_batch_size(sizes.samples, model, noise, metric)
    directions = num_directions(model, (images or sizes.samples or None) if steps.free else None)
    spans = directions < model.num_weights
    if spans and steps is HEAD:
        steps = SOLVED_HEAD if solved else SPANNED_HEAD
    sigma = steps.sigma * default_sigma(directions, space, gene_type)
    if nested:
        sigma *= USUAL_SIZE / min(max(USUAL_SIZE, sizes.inputs), LARGE_INPUTS)
    sigma = _short(sigma)
    final_sigma = _short(sigma / steps.sigma_fall) if steps.sigma_fall > 1 else None
    rate = _short(steps.rate * default_learning_rate(sizes.solutions, directions))
    return {
        **_NOTHING_KEPT,
        "num_parents_mating": sizes.solutions,
        "crossover_type": WeightedRecombination(
            "fitness", rate, _short(rate / steps.rate_fall), weight_decay=steps.decay
        ),
        "mutation_type": replace(
            noise,
            sigma=sigma,
            final_sigma=final_sigma,
            input_span=spans,
        ),
    }


def _steps(model: Model, space: Any, gene_type: Any, num_samples: int) -> _Steps:
    if has_steps(space, gene_type):
        return STEPPED
    if space is not None:
        return BOUNDED
    if model.fixed_layers and len(model.trainable_layers) == 1:
        return HEAD
    return NETWORK if num_samples < MANY_SAMPLES else NETWORK_OF_MANY


def _can_nest(num_solutions: int, model: Model, settings: dict[str, Any]) -> bool:
    """Tell whether all solutions are offspring, enough of them to share layers, and in pairs."""
    kept = any(settings.get(name, 0) for name in ("keep_elitism", "keep_parents"))
    enough = num_solutions >= ENOUGH_TO_NEST and num_solutions % 4 == 0
    return len(model.trainable_layers) > 1 and enough and not kept
