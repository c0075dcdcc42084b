"""The network that is taken where none is given."""

import pytest

import gacnn
from gacnn.training.default_network import LARGEST_POOLED, default_layers


@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (2, 3, 1), (8, 8, 1), (28, 28, 1), (33, 9, 3), (100, 100, 3), (480, 640, 3)],
)
def test_any_size_becomes_few_weights(shape):
    model = gacnn.default_network(shape, 7, random_seed=0)
    assert model.input_shape == shape
    assert model.num_classes == 7
    assert model.num_weights < 8_000
    height, width, _ = model.layers[-3].layer_output_size
    assert max(height, width) <= LARGEST_POOLED


def test_the_seed_draws_the_weights():
    one, same, other = (gacnn.default_network((8, 8, 1), 3, seed).weights for seed in (1, 1, 2))
    assert (one == same).all()
    assert not (one == other).all()


def test_rows_become_a_dense_layer():
    assert [type(layer).__name__ for layer in default_layers((5,))] == ["Dense"]
