"""What all tests share."""

import pytest

from cnn import population


@pytest.fixture(autouse=True, scope="session")
def _threads_for_small_work():
    """Let threads share even the small work of tests, so that these can find what that breaks."""
    before, population.THREAD_FLOATS = population.THREAD_FLOATS, 1
    yield
    population.THREAD_FLOATS = before
