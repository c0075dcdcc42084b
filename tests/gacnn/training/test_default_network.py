"""The network that is taken where none is given."""

import numpy as np
import pytest

import gacnn
from cnn import patches
from gacnn.training.default_network import LARGEST_POOLED, _cells, default_layers


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


@pytest.fixture(autouse=True)
def few_patches(monkeypatch):
    """Filters of fewer patches, which take less time."""
    monkeypatch.setattr(patches, "PATCHES", 3000)


def images(number, *shape):
    return np.cumsum(np.random.default_rng(0).random((number, *shape), np.float32), axis=1)


@pytest.mark.parametrize("shape", [(16, 16, 1), (28, 28, 1), (33, 40, 3), (5, 9, 2)])
def test_a_first_layer_from_the_data_leaves_the_output_layer_to_evolve(shape):
    X = images(40, *shape)
    model = gacnn.default_network(shape, 7, 0, images=X, first_layer="data")
    assert len(model.trainable_layers) == 1
    assert model.fixed_layers == len(model.layers) - 2  # input and output
    outputs = model.layers[-2].layer_output_size
    assert model.num_weights == 7 * (outputs + 1) <= 7 * 513
    assert not model.weights.any()
    features = model.cut(len(model.layers) - 1)[0].forward(X)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-3)
    assert np.square(features).mean() == pytest.approx(1, abs=1e-3)


def test_the_first_layer_is_from_the_data_where_images_are_many_and_large():
    many, few = images(5000, 16, 16, 1), images(4999, 16, 16, 1)
    small = images(5000, 15, 16, 1)

    def fixed(X, **settings):
        return gacnn.default_network(X.shape[1:], 3, 0, images=X, **settings).fixed_layers > 0

    assert fixed(many)
    assert not fixed(many, first_layer="evolved")
    assert not fixed(few)
    assert not fixed(small)
    assert gacnn.default_network((16, 16, 1), 3, 0).fixed_layers == 0


def test_a_first_layer_from_the_images_is_announced(capsys):
    X = images(30, 16, 16, 1)
    shape = X.shape[1:], 3, 0
    gacnn.default_network(*shape, images=X, first_layer="data")
    gacnn.default_network(*shape, images=X, first_layer="evolved", verbose=True)
    assert not capsys.readouterr().out
    gacnn.default_network(*shape, images=X, first_layer="data", verbose=True)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("making a first layer from the images: 256 filters of 7 x 7 pixels")
    assert second.startswith("made in ")


def test_the_same_seed_gives_the_same_filters():
    X = images(30, 16, 16, 1)
    one, same, other = (
        gacnn.default_network((16, 16, 1), 3, seed, images=X, first_layer="data").fixed_weights
        for seed in (1, 1, 2)
    )
    assert one.tolist() == same.tolist() != other.tolist()


def test_a_first_layer_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="needs the images"):
        gacnn.default_network((8, 8, 1), 3, first_layer="data")
    with pytest.raises(ValueError, match="images must have the shape"):
        gacnn.default_network((8, 8, 1), 3, images=images(9, 7, 8, 1))
    with pytest.raises(ValueError, match="for images, not for rows"):
        default_layers((5,), np.ones((3, 5)), first_layer="data")
    with pytest.raises(ValueError, match="first_layer must be one of 'auto', 'data', 'evolved'"):
        gacnn.default_network((8, 8, 1), 3, first_layer="none")


@pytest.mark.parametrize("positions", [1, 2, 3, 4, 8, 22, 26, 27])
def test_cells_cover_all_positions(positions):
    window, stride = _cells(positions)
    cells = min(3, positions)
    assert (positions - window) // stride + 1 == cells
    assert (cells - 1) * stride + window == positions
    assert stride <= window
