"""Filters from patches: linear, of unit centres and their negatives, the same for the same seed."""

import numpy as np
import pytest

import cnn
from cnn.patches import spherical_means

RNG = np.random.default_rng(0)
X = np.cumsum(np.cumsum(RNG.normal(size=(40, 12, 10, 3)), axis=1), axis=2)  # neighbours are alike


def test_shapes_and_negatives():
    filters, biases = cnn.patch_filters(X, (5, 3), 16, random_seed=0)
    assert (filters.shape, biases.shape) == ((16, 5, 3, 3), (16,))
    assert filters.dtype == biases.dtype == np.float32
    np.testing.assert_array_equal(filters[8:], -filters[:8])
    np.testing.assert_allclose(biases[:8] + biases[8:], -1, atol=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    one, same, other = (cnn.patch_filters(X, 4, 8, random_seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_brightness_makes_no_difference_and_contrast_is_taken_out():
    filters, biases = cnn.patch_filters(X, 4, 8, random_seed=0)
    assert (
        np.abs(filters.reshape(8, -1).sum(axis=1)).max()
        < 1e-4 * np.abs(filters).sum(axis=(1, 2, 3)).max()
    )
    moved, moved_biases = cnn.patch_filters(3 * X + 7, 4, 8, random_seed=0)
    np.testing.assert_allclose(3 * moved, filters, atol=0.02 * np.abs(filters).max())
    np.testing.assert_allclose(moved_biases, biases, atol=0.02)


def test_responses_to_whitened_patches_have_a_deviation_of_about_one():
    filters, biases = cnn.patch_filters(X, 4, 8, random_seed=0)
    conv = cnn.Conv2D(8, 4, trainable=False, weights=(filters, biases))
    outputs = cnn.Model([cnn.Input2D(X.shape[1:]), conv]).forward(X)
    assert 0.2 < (outputs + 0.5).std() < 3


def test_means_find_directions_that_points_lie_along():
    directions = np.linalg.qr(RNG.normal(size=(6, 6)))[0][:3]
    signs = RNG.choice([-1, 1], 600)[:, None]
    points = signs * directions[RNG.integers(3, size=600)] + 0.01 * RNG.normal(size=(600, 6))
    centres = spherical_means(points.astype(np.float32), 12, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1, rtol=1e-5)
    assert (np.abs(directions @ centres.T).max(axis=1) > 0.99).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, 13, 8), "size must be at most that of the images, 12 x 10"),
        ((X, 4, 7), "number must be even"),
        ((X, 4, 0), "number must be at least 2"),
        ((X[..., 0], 4, 8), r"X must have the shape"),
        ((np.full((5, 6, 6, 1), 0.7), 4, 8), "X has no contrast"),
        ((np.where(np.arange(3) == 1, np.nan, X), 4, 8), "X must be finite"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        cnn.patch_filters(*arguments)
