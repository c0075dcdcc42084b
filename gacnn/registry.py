"""The operators of evolution strategies by the names that `gacnn.GA` takes, beside PyGAD's own."""

from __future__ import annotations

import copy
from typing import Any

from gacnn.crossover import (
    BlendCrossover,
    FilterCrossover,
    LayerCrossover,
    WeightedRecombination,
)
from gacnn.mutation import (
    CumulativeMutation,
    GaussianMutation,
    MirroredMutation,
    SelfAdaptiveMutation,
    SeparableMutation,
)
from gacnn.selection import TruncationSelection
from gacnn.strategy import Operator

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
        "self_adaptive": SelfAdaptiveMutation,
        "csa": CumulativeMutation,
        "separable": SeparableMutation,
    },
}


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


def name_of(operator: Operator) -> str:
    """Return the name of an operator."""
    for name, kind in OPERATORS[operator.setting].items():
        if kind is type(operator):
            return name
    raise TypeError(f"{operator!r} has no name, so a checkpoint cannot keep it")
