"""Principal components: the singular vectors, in order, with deviations as whitening says."""

import numpy as np
import pytest

import cnn

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(300, 12)) @ RNG.normal(size=(12, 12)) + np.arange(12)


def reduced(number, whitening):
    weights = cnn.principal_components(FEATURES, number, whitening=whitening)
    dense = cnn.Dense(number, None, None, trainable=False, weights=weights)
    return cnn.Model([cnn.Input1D(12), dense]).forward(FEATURES)


def singular():
    standard = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
    left, values, _ = np.linalg.svd(standard, full_matrices=False)
    return left * values, values / np.sqrt(300)


@pytest.mark.parametrize("whitening", [0, 0.5, 1])
def test_outputs_are_the_singular_vectors_up_to_sign_and_scale(whitening):
    outputs, (wanted, deviations) = reduced(5, whitening), singular()
    wanted = wanted[:, :5] / deviations[:5] ** whitening
    wanted /= np.sqrt(np.square(wanted).mean())
    signs = np.sign((outputs * wanted).sum(axis=0))
    np.testing.assert_allclose(outputs * signs, wanted, atol=2e-4)


def test_outputs_have_mean_0_and_mean_square_1_and_no_correlation():
    outputs = reduced(12, 0.5)
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-5)
    assert np.square(outputs).mean() == pytest.approx(1, abs=1e-5)
    products = np.cov(outputs.T)
    np.testing.assert_allclose(products - np.diag(np.diag(products)), 0, atol=1e-4)
    assert (np.diff(np.diag(products)) < 1e-5).all()


def test_a_feature_that_is_always_the_same_takes_no_part():
    features = np.column_stack([FEATURES, np.full(300, 7.0)])
    weights, _ = cnn.principal_components(features, 12)
    assert not weights[12].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((FEATURES, 13), "number must be at most 12"),
        ((FEATURES[:5], 5), "number must be at most 4"),
        ((FEATURES, 0), "number must be at least 1"),
        ((FEATURES[0], 3), "features must have the shape"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        cnn.principal_components(*arguments)
    with pytest.raises(ValueError, match="whitening must be from 0 to 1"):
        cnn.principal_components(FEATURES, 3, whitening=1.5)
