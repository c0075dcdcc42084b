"""What pixels mean: decided by range and type together, said, and kept to."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

from cnn import checks
from cnn.datasets import Dataset, Scale

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (20, 5, 4, 1), np.uint8)
MASKS = RNG.integers(0, 2, (20, 5, 4, 1))
SHARES = RNG.random((20, 5, 4, 1))


@pytest.mark.parametrize(
    ("pixels", "scale", "words"),
    [
        (BYTES, Scale(0, 255), "bytes, divided by 255"),
        (BYTES.astype(np.int64), Scale(0, 255), "bytes, divided by 255"),
        (BYTES.astype(np.float32), Scale(0, 255), "bytes, divided by 255"),
        (SHARES, Scale(0, 1), "numbers from 0 to 1, left as they are"),
        (SHARES.astype(np.float16), Scale(0, 1), "numbers from 0 to 1, left as they are"),
        (MASKS, Scale(0, 1), "numbers from 0 to 1, left as they are"),
        (MASKS.astype(bool), Scale(0, 1), "numbers from 0 to 1, left as they are"),
        (MASKS.astype(np.uint8), Scale(0, 1), "numbers from 0 to 1, left as they are"),
        (BYTES * np.uint16(257), Scale(0, 65535), "numbers of 16 bits, divided by 65,535"),
        (BYTES * 0, Scale(0, 255), "bytes, divided by 255"),
        (SHARES * 0, Scale(0, 1), "numbers from 0 to 1, left as they are"),
    ],
)
def test_ordinary_pixels_are_told_apart_without_a_warning(pixels, scale, words):
    assert Scale.of(pixels, "X") == scale
    assert str(scale) == words
    expected = pixels.astype(float) / scale.white
    found = scale.apply(pixels, "X")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "scale", "doubt"),
    [
        (MASKS * 2 - 1, Scale(-1, 1), "int64 from -1 to 1, with negative"),
        (SHARES * 2 - 1, Scale(-1, 1), "numbers from -1 to 1, moved to 0 to 1"),
        (BYTES * 16.01, Scale(0, 4095), "which 12 bits hold"),
        (BYTES.astype(np.uint16) * 16, Scale(0, 4095), "of 12 bits, divided by 4,095"),
        (BYTES.astype(np.uint32) * 2**24, Scale(0, 2**32 - 1), "of 32 bits"),
        (BYTES.astype(np.uint16), Scale(0, 255), "of which bytes need 8 bits"),
        (MASKS.astype(np.uint16), Scale(0, 1), "0 and 1 need no 16 bits"),
        (np.arange(17), Scale(0, 255), "int64 from 0 to 16, far from white"),
        (SHARES * 255, Scale(0, 255), "with fractions"),
        (SHARES / 255, Scale(0, 1), "far from white"),
    ],
)
def test_what_is_not_certain_is_said_with_the_cure(pixels, scale, doubt):
    with pytest.warns(UserWarning, match=doubt) as caught:
        assert Scale.of(pixels, "X") == scale
    (warning,) = caught
    assert "say so by scale=cnn.datasets.Scale(" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    ("pixels", "complaint"),
    [
        (SHARES * 5.2 - 2.1, r"such as scale=cnn\.datasets\.Scale\(-2"),
        (SHARES - 0.5, r"Scale\(-0\."),
        (SHARES * 10, r"Scale\(0"),
        (SHARES * 1.02, "clip it by np.clip"),
        (BYTES.astype(np.int16) - 128, r"int16 from -128 .*Scale\(-128, 127\)"),
        (BYTES * 1e30, r"float64 from 0 to 2\.5"),
        (np.array([0, np.nan]), "finite in float32, but it is float64 from nan"),
        (np.array([0, 1e39]), "finite in float32"),
        (np.zeros((0, 4)), r"X is empty: its shape is \(0, 4\)"),
    ],
)
def test_what_is_unlikely_is_refused_with_the_cure(pixels, complaint):
    with pytest.raises(ValueError, match=complaint):
        Scale.of(pixels, "X")


def test_new_pixels_are_scaled_as_those_before():
    np.testing.assert_array_equal(
        Scale(0, 255).apply([[0, 51, 255]], "X"), np.float32([[0, 0.2, 1]])
    )
    np.testing.assert_allclose(Scale(-1, 1).apply([-1, 0, 1], "X"), [0, 0.5, 1])
    np.testing.assert_allclose(Scale(255, 0).apply([0, 255], "X"), [1, 0])  # ink on paper
    given = np.float32([[0.5]])
    assert not np.shares_memory(Scale(0, 1).apply(given, "X"), given)
    assert Scale(0, 1).apply([1.0000001], "X") == pytest.approx(1)


@pytest.mark.parametrize(
    ("scale", "pixels", "cure"),
    [
        (Scale(0, 1), BYTES, "X must be .* numbers from 0 to 1, .* uint8 from .* divide it by 255"),
        (Scale(0, 255), SHARES, "bytes, divided by 255, but it is float64 .* multiply it by 255"),
        (Scale(0, 255), MASKS.astype(bool), "bool from 0 to 1; multiply it by 255"),
        (Scale(0, 255), BYTES * np.uint16(257), "uint16 from .* divide it by 257"),
        (Scale(0, 65535), BYTES, "multiply it by 257"),
        (Scale(0, 4095), BYTES, "multiply it by 16.0588"),
        (Scale(0, 16), SHARES, "multiply it by 16"),
        (Scale(0, 16), BYTES, "divide it by 15.9375"),
        (Scale(0, 255), BYTES - 100.0, r"or the scale it has, scale=cnn\.datasets\.Scale\(black=-"),
        (Scale(-1, 1), BYTES, "give it in these numbers"),
        (Scale(0, 255), np.array([np.nan]), "finite"),
    ],
)
def test_new_pixels_that_cannot_be_meant_so_are_refused(scale, pixels, cure):
    with pytest.raises(ValueError, match=cure):
        scale.apply(pixels, "X")


@pytest.mark.parametrize(
    ("scale", "pixels"),
    [
        (Scale(0, 255), MASKS),
        (Scale(0, 65535), BYTES.astype(np.int64)),
        (Scale(0, 1), SHARES / 255),
        (Scale(-1, 1), SHARES),
    ],
)
def test_new_pixels_that_are_far_from_white_are_said(scale, pixels):
    with pytest.warns(UserWarning, match=r"X is .*: taken as .* all the same; .*scale="):
        scale.apply(pixels, "X")


def test_a_scale_is_stored_as_json():
    scale = Scale(0, 4095)
    again = Scale(**json.loads(json.dumps(dataclasses.asdict(scale))))
    assert again == scale == pickle.loads(pickle.dumps(scale))


@pytest.mark.parametrize("wrong", [(1, 1), (0, np.inf), (np.nan, 1), ([0, 1], 2)])
def test_scales_that_mean_nothing(wrong):
    with pytest.raises(ValueError, match=r"black|white"):
        Scale(*wrong)


def test_masked_pixels_are_refused():
    masked = np.ma.masked_less(BYTES.astype(float), 100)
    for check in (Scale(0, 255).apply, Scale.of, checks.real):
        with pytest.raises(ValueError, match=r"X is a masked array.* X\.filled\(…\)"):
            check(masked, "X")
    assert checks.real(np.ma.masked_array(BYTES), "X").shape == BYTES.shape  # nothing is masked


def test_a_dataset_is_a_tuple_of_three_that_keeps_its_scale():
    data = Dataset(np.float32(SHARES), np.arange(20), tuple("abc"), Scale(0, 16))
    X, y, names = data
    assert (X is data.X, y is data.y, names) == (True, True, ("a", "b", "c"))
    assert data._replace(y=y[:2]).scale == Scale(0, 16)
    assert data._replace(scale=Scale(0, 4)).scale == Scale(0, 4)
    assert pickle.loads(pickle.dumps(data)).scale == Scale(0, 16)
    assert Dataset(X, y, names).scale == Scale(0, 1)


# Layout


@pytest.mark.parametrize("shape", [(9, 3, 32, 32), (9, 1, 28, 28), (9, 3, 8, 8)])
def test_channels_first_are_refused_with_the_transpose(shape):
    with pytest.raises(ValueError, match=r"np\.moveaxis\(images, 1, -1\) makes them so"):
        checks.channels_last(np.zeros(shape), "X")


@pytest.mark.parametrize("shape", [(9, 3, 32, 48), (9, 1, 64, 32), (9, 4, 16, 16), (9, 2, 9, 9)])
def test_what_may_be_channels_first_is_said(shape):
    with pytest.warns(UserWarning, match=rf"taken as {shape[1]} rows of {shape[2]} pixels"):
        checks.channels_last(np.zeros(shape), "X")


@pytest.mark.parametrize(
    "shape",
    [
        (9, 32, 32, 3), (9, 28, 28, 1), (9, 8, 8, 8), (9, 3, 32, 3), (9, 3, 3, 3), (9, 4, 4, 64),
        (9, 1, 128, 9), (9, 1, 500, 22), (9, 28, 28), (9, 3), (3, 32, 32), (9, 5, 5, 5),
    ],
)  # fmt: skip
def test_honest_images_pass(shape):
    array = np.zeros(shape)
    assert checks.channels_last(array, "X") is array
