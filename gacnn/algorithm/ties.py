"""Networks that are tied to the population of a run: they show its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnn import Model, layers_weights_as_vector
from cnn.model import check_model
from gacnn.types import Array


class Vector(np.ndarray[Any, Any]):
    """A network's weights (num_weights,), which remember the population they came from.

    `networks_array` is the array (P, num_weights) that the networks of the population view.
    `gacnn.GA`, given such rows as its `initial_population`, keeps the networks equal to its own
    population.
    """

    networks_array: Array | None = None


def population_as_vectors(population_networks: Sequence[Model]) -> list[Array]:
    """Return the trained weights (num_weights,) of each network, as a list.

    Given to `gacnn.GA`, those of all networks of a `GACNN` tie the networks to it.
    """
    check_networks(population_networks)
    vectors = [layers_weights_as_vector(each, initial=False) for each in population_networks]
    base = population_networks[0].weights.base
    if not _are_rows(population_networks, base):
        return list(vectors)
    tied = [vector.view(Vector) for vector in vectors]
    for vector in tied:
        vector.networks_array = base
    return list(tied)


def check_networks(population_networks: Any) -> None:
    """Raise TypeError or ValueError for what is no list of networks."""
    if not isinstance(population_networks, list | tuple):
        raise TypeError(
            f"population_networks must be a list of models, not {population_networks!r}"
        )
    if not population_networks:
        raise ValueError("population_networks is empty; give at least one model")
    for position, network in enumerate(population_networks):
        check_model(network, f"population_networks[{position}]")


def _are_rows(networks: Sequence[Model], array: Array | None) -> bool:
    """Tell whether the networks view the rows of the array, all of them and in their order."""
    if array is None or array.ndim != 2 or len(array) != len(networks):
        return False
    return all(
        network.weights.base is array and network.weights.ctypes.data == row.ctypes.data
        for network, row in zip(networks, array, strict=True)
    )


def networks_of(population: Any) -> Array | None:
    """Return the array of the networks that a population, or the rows of a list, came from."""
    rows = population if isinstance(population, list | tuple) else [population]
    return rows[0].networks_array if rows and isinstance(rows[0], Vector) else None


def write_networks(networks: Array | None, population: Array) -> None:
    """Make tied networks equal to the population; ValueError where their number is another."""
    if networks is None:
        return
    if networks.shape != population.shape:
        raise ValueError(
            f"the population has the shape {population.shape}, but its networks "
            f"{networks.shape}: give GACNN num_solutions={len(population)}, or initial_population "
            "one row for each network, or np.asarray(…) of it to leave the networks alone"
        )
    networks[...] = population
