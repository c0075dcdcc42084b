"""An error is raised, and not printed as well."""

import logging

import pytest

import gacnn


def evolve(fitness=lambda ga, solution, index: 0.0, **settings):
    gacnn.GA(
        num_generations=2,
        num_parents_mating=2,
        fitness_func=fitness,
        sol_per_pop=4,
        num_genes=3,
        suppress_warnings=True,
        **settings,
    ).run()


def broken(ga, solution, index):
    raise ValueError("a mistake in the fitness")


@pytest.mark.parametrize("settings", [{"fitness": broken}, {"mutation_type": "gausian"}])
def test_pygads_own_logger_prints_no_error(settings, capfd):
    with pytest.raises((TypeError, ValueError)):
        evolve(**settings)
    assert capfd.readouterr() == ("", "")


def test_a_logger_of_the_users_gets_errors(caplog):
    with pytest.raises(ValueError, match="a mistake"), caplog.at_level(logging.ERROR):
        evolve(broken, logger=logging.getLogger("mine"))
    assert "a mistake in the fitness" in caplog.text


def test_pygads_own_logger_is_left_as_it_was():
    evolve()
    with pytest.raises(ValueError, match="a mistake"):
        evolve(broken)
    assert logging.getLogger("pygad.utils.validation").filters == []
