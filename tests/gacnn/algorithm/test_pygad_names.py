"""What PyGAD keeps to itself and is used all the same: in one file, by names that are there."""

import ast
from pathlib import Path

import numpy as np
import pygad
import pytest

import gacnn

PACKAGE = Path(gacnn.__file__).parent
STEPS = PACKAGE / "algorithm" / "pygad_steps.py"
METHODS = {
    "_apply_permutation_mutation",
    "_build_initial_population",
    "_convert_initial_population_range_values",
    "_evaluate_fitness",
    "_finite_gene_space_length",
    "_finite_gene_space_value",
    "_refresh_num_offspring",
    "_validate_callable_parameter",
    "_validate_fitness_value",
    "_validate_initial_population_shape",
    "_validate_population_fitness",
}
ATTRIBUTES = {"_fitness_run_active", "_fitness_value_shape", "_saved_population_sizes"}


def private_names(path):
    """Names with a leading underscore that a file reads or sets on any object, or as a string."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
        if isinstance(name, str) and name.startswith("_") and not name.startswith("__"):
            yield name


@pytest.fixture(scope="module")
def after_a_run():
    ga = pygad.GA(
        num_generations=1,
        num_parents_mating=2,
        fitness_func=lambda ga, solution, index: float(np.sum(solution)),
        sol_per_pop=4,
        num_genes=3,
        suppress_warnings=True,
        save_solutions=True,
    )
    ga.run()
    return ga


@pytest.mark.parametrize("name", sorted(METHODS | ATTRIBUTES))
def test_pygad_has_the_name(name, after_a_run):
    assert hasattr(after_a_run, name), f"PyGAD {pygad.__version__} has no {name}"


def test_the_names_are_those_that_are_used(after_a_run):
    theirs = {name for name in dir(after_a_run) if name.startswith("_")}
    assert set(private_names(STEPS)) & theirs == METHODS | ATTRIBUTES


def test_no_other_file_uses_them(after_a_run):
    theirs = {name for name in dir(after_a_run) if name.startswith("_")} - set(dir(object))
    for path in PACKAGE.rglob("*.py"):
        if path != STEPS:
            used = set(private_names(path)) & theirs
            assert not used, f"{path} uses {sorted(used)} of PyGAD"
