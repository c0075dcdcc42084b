"""The operators of evolution strategies by the names that `gacnn.GA` takes, beside PyGAD's own."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from inspect import Parameter
from typing import Any

import numpy as np

from cnn import checks
from gacnn.operators.crossover import (
    BlendCrossover,
    FilterCrossover,
    LayerCrossover,
    WeightedRecombination,
)
from gacnn.operators.log_uniform import LogUniformMutation
from gacnn.operators.mutation import (
    CumulativeMutation,
    GaussianMutation,
    GaussianNoise,
    MirroredMutation,
    SelfAdaptiveMutation,
    SeparableMutation,
)
from gacnn.operators.operator import Operator
from gacnn.operators.selection import TruncationSelection

OPERATORS: dict[str, dict[str, type[Operator]]] = {
    "parent_selection_type": {"truncation": TruncationSelection},
    "crossover_type": {
        "recombination": WeightedRecombination,
        "blend": BlendCrossover,
        "filter": FilterCrossover,
        "layer": LayerCrossover,
    },
    "mutation_type": {
        "gaussian": GaussianMutation,
        "mirrored": MirroredMutation,
        "log_uniform": LogUniformMutation,
        "self_adaptive": SelfAdaptiveMutation,
        "csa": CumulativeMutation,
        "separable": SeparableMutation,
    },
}

OTHER_SETTINGS = {  # words of other libraries for settings of GA and train
    **dict.fromkeys(("epochs", "generations", "max_iter", "iterations"), "num_generations"),
    **dict.fromkeys(("seed", "random_state"), "random_seed"),
    **dict.fromkeys(("loss", "scoring", "metrics", "score"), "metric"),
    **dict.fromkeys(("validation_split", "validation_data", "validation_fraction"), "validation"),
    **dict.fromkeys(("early_stopping", "n_iter_no_change"), "patience"),
    **dict.fromkeys(("n_jobs", "workers", "num_threads"), "threads"),
    **dict.fromkeys(("population_size", "pop_size", "num_solutions"), "sol_per_pop"),
    **dict.fromkeys(("population", "initial_solutions"), "initial_population"),
    **dict.fromkeys(("weights", "sample_weights"), "sample_weight"),
    **dict.fromkeys(("fitness", "fitness_function"), "fitness_func"),
    **dict.fromkeys(("elitism", "num_elites"), "keep_elitism"),
    **dict.fromkeys(("mutation_rate",), "mutation_probability"),
    **dict.fromkeys(("crossover_rate",), "crossover_probability"),
    **dict.fromkeys(("timeout", "max_time"), "time_limit"),
}

_RATES = ("mutation_probability", "mutation_percent_genes", "mutation_num_genes")
_RANGES = ("random_mutation_min_val", "random_mutation_max_val", "mutation_by_replacement")


def resolved(setting: str, value: Any) -> Any:
    """Return the operator for a name of `OPERATORS`, a copy of an operator, anything else as is.

    Raises TypeError for an operator that is given where another kind belongs, or as a class.
    """
    known = OPERATORS[setting]
    if isinstance(value, str):
        return known[value.lower()]() if value.lower() in known else value
    if isinstance(value, type) and issubclass(value, Operator):
        raise TypeError(f"{setting} must be an operator, not its class: write {value.__name__}(…)")
    if not isinstance(value, Operator):
        return value
    if value.setting != setting:
        raise TypeError(f"{setting} cannot be {value!r}, which is for {value.setting}")
    return copy.deepcopy(value)


def unknown_operator(error: TypeError) -> TypeError:
    """Return PyGAD's error of a name that it does not know with the names that there are."""
    found = re.match(r"Unknown (\w+) '(.*)'\. Supported names are \[(.*)\]", str(error), re.DOTALL)
    if found is None or found[1] not in OPERATORS:
        return error
    setting, name, theirs = found.groups()
    names = [*re.findall(r"'(\w+)'", theirs), *OPERATORS[setting]]
    return TypeError(
        f"{setting} must be one of {', '.join(map(repr, names))}, an operator of gacnn or a "
        f"function, not {name!r}{checks.nearest(name, names, _OTHER_NAMES)}"
    )


_OTHER_NAMES = {
    **dict.fromkeys(("roulette", "roulette_wheel"), "rws"),
    **dict.fromkeys(("steady_state", "steady-state"), "sss"),
    **dict.fromkeys(("normal", "gauss"), "gaussian"),
    **dict.fromkeys(("cma", "cmaes", "cma-es", "cma_es"), "csa"),
    **dict.fromkeys(("weighted", "mean", "intermediate"), "recombination"),
    **dict.fromkeys(("one_point", "onepoint", "singlepoint"), "single_point"),
    **dict.fromkeys(("two_point", "twopoint"), "two_points"),
}


def check_heeded(settings: dict[str, Any], parameters: Mapping[str, Parameter]) -> None:
    """Raise ValueError for settings of PyGAD's own operators that those chosen do not heed.

    parameters: those of `pygad.GA`, for their defaults.
    """
    crossover, mutation = settings["crossover_type"], settings["mutation_type"]
    unheeded: list[tuple[str, Any, str]] = []
    if isinstance(mutation, GaussianNoise):
        cure = "it disturbs all genes, but for GaussianMutation(probability=…)"
        unheeded += [(name, mutation, cure) for name in _RATES]
        cure = "how far it moves a gene is its own setting; see its documentation"
        unheeded += [(name, mutation, cure) for name in _RANGES]
    if isinstance(crossover, WeightedRecombination):
        cure = "all offspring are one mean of the parents"
        unheeded.append(("crossover_probability", crossover, cure))
    for operator in (crossover, mutation):
        if isinstance(operator, Operator):
            cure = "take another crossover_type and mutation_type"
            unheeded.append(("gene_constraint", operator, cure))
        if isinstance(operator, GaussianNoise | WeightedRecombination | BlendCrossover):
            cure = "it takes categories for numbers; take another crossover_type and mutation_type"
            unheeded.append(("gene_categorical", operator, cure))
    for name, operator, cure in unheeded:
        if name in parameters and _is_given(settings[name], parameters[name].default):
            kind = type(operator).__name__
            raise ValueError(f"{name} is for PyGAD's own operators, not for {kind}: {cure}")


def _is_given(value: Any, default: Any) -> bool:
    """Tell whether a setting, for all genes or for each, is neither its default nor False."""
    values = np.asarray(value, dtype=object)
    return any(each is not False and each is not None and each != default for each in values.flat)


def name_of(operator: Operator) -> str | None:
    """Return the name of an operator, or None for one that users have written."""
    named = OPERATORS[operator.setting].items()
    return next((name for name, kind in named if kind is type(operator)), None)
