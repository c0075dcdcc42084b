"""What all tests share."""

import os

import pytest

from cnn.engines.numpy import population

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn skips one of its checks


@pytest.fixture(autouse=True, scope="session")
def _threads_for_small_work():
    """Let threads share even the small work of tests, so that these can find what that breaks."""
    before, population.THREAD_FLOATS = population.THREAD_FLOATS, 1
    yield
    population.THREAD_FLOATS = before
