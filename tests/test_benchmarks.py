"""The benchmark that is kept for a GPU runs, in small, without one; learning.py's cases fit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gacnn.gacnn import GACNN
from gacnn.operators.nesting import checked_counts

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_the_benchmark_of_accelerators_in_small():
    pytest.importorskip("torch")
    command = [sys.executable, str(BENCHMARKS / "accelerator.py"), "--smoke"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    first, *lines = run.stdout.splitlines()
    assert "(CPU), torch" in first
    assert sum("networks x 3 images of" in line for line in lines) == 12
    assert "times their sum" in lines[-1]
    assert sum("  this project" in line and "x NumPy" in line for line in lines) == 12
    assert "not measured  no variant" not in run.stdout


@pytest.fixture
def tasks(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import learning_tasks

    return learning_tasks


def test_strategies_of_learning_fit_their_networks(tasks):
    for case, task in tasks.STRATEGIES.items():
        model, options = task.model(0), task.options(1.0)
        members, nested = options["num_solutions"], options["mutation_type"].nested
        if nested:
            assert checked_counts(nested, model, members, mirrored=True) == nested
        cost = members * options["batch_size"] * options["num_generations"]
        assert 0.99 * task.evaluations < cost <= task.evaluations, case
        GACNN(model, members).training(*images(model), **given(options))  # refuses wrong settings


def images(model):
    """Fewest images that a batch can be drawn from."""
    rng = np.random.default_rng(0)
    return rng.random((300, *model.input_shape), np.float32), np.arange(300) % 10


def given(options):
    return {name: value for name, value in options.items() if name != "num_solutions"}


def test_standardised_channels_have_mean_0_and_deviation_1(tasks):
    X = np.random.default_rng(0).random((50, 4, 4, 3), np.float32) * [1, 2, 3] + 5
    data = tasks.standardised(tasks.Data(X, None, X[:7], None))
    np.testing.assert_allclose(data.X.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(data.X.std((0, 1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(data.X_test, data.X[:7], atol=1e-5)
