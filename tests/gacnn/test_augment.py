"""Augmentations beside SciPy's, and what a fitness does with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

import cnn
import gacnn
from gacnn.augment import Compose, Crop, Flip, Light, Rotate, Shift, sampled, shifted


def images_of(number=6, shape=(7, 5, 2), seed=0):
    return np.random.default_rng(seed).normal(size=(number, *shape)).astype(np.float32)


def network():
    layers = [cnn.Input2D((7, 5, 2)), cnn.Flatten(), cnn.Dense(3, activation_function="softmax")]
    return cnn.Model(layers, random_seed=0)


def by_scipy(image, rows, columns):
    """Zeros come in at the edges, also by parts of a pixel: hence the margin of zeros."""
    wide = np.pad(image.astype(float), ((1, 1), (1, 1), (0, 0)))
    moved = ndimage.shift(wide, (rows, columns, 0), order=1, mode="constant", cval=0)
    return moved[1:-1, 1:-1]


# Shift


@pytest.mark.parametrize("pixels", [0.4, 1.0, 2.5, 9.0])
def test_shift_equals_that_of_scipy(pixels):
    images = images_of()
    got = Shift(pixels)(images, np.random.default_rng(3))
    draws = np.random.default_rng(3)
    rows, columns = (draws.uniform(-pixels, pixels, len(images)) for _ in range(2))
    for image, moved, row, column in zip(images, got, rows, columns, strict=True):
        np.testing.assert_allclose(moved, by_scipy(image, row, column), atol=1e-5)
    assert got.dtype == np.float32
    assert got.shape == images.shape


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-12, 12, width=32), min_size=1, max_size=4),
    st.sampled_from([1, 2]),
    st.integers(1, 8),
    st.integers(1, 8),
)
def test_images_moved_along_an_axis(distances, axis, height, width):
    images = images_of(len(distances), (height, width, 2))
    got = shifted(images, np.array(distances), axis)
    for image, moved, distance in zip(images, got, distances, strict=True):
        way = (distance, 0) if axis == 1 else (0, distance)
        np.testing.assert_allclose(moved, by_scipy(image, *way), atol=1e-4)


@pytest.mark.parametrize("distance", range(-8, 9))
def test_whole_pixels_are_moved_exactly(distance):
    images = images_of(1)
    for axis in (1, 2):
        expected = np.zeros_like(images)
        for target in range(images.shape[axis]):
            if 0 <= target - distance < images.shape[axis]:
                part = np.take(images, target - distance, axis)
                expected[(slice(None),) * axis + (target,)] = part
        np.testing.assert_array_equal(shifted(images, np.array([distance]), axis), expected)


def test_shift_of_0_changes_nothing():
    images = images_of()
    np.testing.assert_array_equal(Shift(0)(images, np.random.default_rng(0)), images)


def test_distances_are_uniform_and_each_image_has_its_own():
    images = np.zeros((800, 9, 9, 1), np.float32)
    images[:, 4, 4] = 1
    moved = Shift(2)(images, np.random.default_rng(0))
    for axis in (1, 2):
        places = (moved[..., 0] * np.moveaxis(np.arange(9)[None, None, :], 2, axis)).sum((1, 2))
        assert stats.kstest(places - 4, stats.uniform(-2, 4).cdf).pvalue > 1e-4


def test_images_of_integers_are_moved_as_floats():
    images = np.arange(18, dtype=np.uint8).reshape(2, 3, 3, 1)
    moved = Shift(0.5)(images, np.random.default_rng(0))
    assert moved.dtype == np.float32
    assert images.dtype == np.uint8
    same = Shift(0.5)(images.astype(np.float32), np.random.default_rng(0))
    np.testing.assert_array_equal(moved, same)


# Flip


def test_flip_mirrors_left_to_right():
    images = images_of()
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(Flip(0)(images, rng), images)
    mirrored = Flip(1)(images, rng)
    for column in range(5):
        np.testing.assert_array_equal(mirrored[:, :, column], images[:, :, 4 - column])


def test_flip_takes_its_share_of_whole_images():
    images = images_of(2000, (1, 2, 1))
    flipped = Flip(0.3)(images, np.random.default_rng(0))
    is_mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((flipped == images).all(axis=(1, 2, 3)) != is_mirrored).all()
    assert stats.binomtest(int(is_mirrored.sum()), 2000, 0.3).pvalue > 1e-4


# Compose


def test_compose_is_one_after_the_other():
    images = images_of()
    got = Compose(Shift(1.5), Flip())(images, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    np.testing.assert_array_equal(got, Flip()(Shift(1.5)(images, rng), rng))
    assert Compose()(images, rng) is images


@pytest.mark.parametrize("augment", [Shift(1.5), Flip(), Compose(Shift(2), Flip())])
def test_the_generator_decides_and_the_images_stay(augment):
    images = images_of()
    before = images.copy()
    first, second = (augment(images, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(images, before)
    assert not np.array_equal(augment(images, np.random.default_rng(2)), first)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Shift(-1), ValueError, "pixels must be at least 0, not -1"),
        (lambda: Shift(np.nan), ValueError, "pixels must be a finite number"),
        (lambda: Shift("far"), TypeError, "pixels must be a number"),
        (lambda: Flip(1.5), ValueError, "probability must be from 0 to 1, not 1.5"),
        (lambda: Flip(-0.1), ValueError, "probability must be from 0 to 1, not -0.1"),
        (
            lambda: Compose([Shift(), Flip()]),
            TypeError,
            r"steps\[0\] must be callable as step\(images, rng\), not \[Shift",
        ),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


# In a fitness


def fitness_with(augment, **changes):
    X, y = images_of(30), np.arange(30) % 3
    return X, y, gacnn.Fitness(network(), X, y, augment=augment, **changes)


def vectors():
    return np.random.default_rng(0).normal(size=(4, network().num_weights)).astype(np.float32)


def test_all_images_are_changed_where_there_is_no_batch_size():
    X, y, fitness = fitness_with(Shift(2))
    assert fitness.reevaluates
    fitness.draw(np.random.default_rng(1))
    changed = Shift(2)(X, np.random.default_rng(1))
    expected = gacnn.Fitness(network(), changed, y)(vectors())
    np.testing.assert_array_equal(fitness(vectors()), expected)
    np.testing.assert_array_equal(fitness(vectors()), expected)


def test_batch_is_drawn_and_then_changed():
    X, y, fitness = fitness_with(Flip(), batch_size=10)
    fitness.draw(np.random.default_rng(1))
    rng = np.random.default_rng(1)
    chosen = rng.choice(30, 10, replace=False)
    images, targets, *_ = fitness.scorer.data(fitness.batch)
    np.testing.assert_array_equal(images, Flip()(X[chosen], rng))
    np.testing.assert_array_equal(targets, y[chosen])


def test_full_uses_the_images_as_they_are():
    X, y, fitness = fitness_with(Shift(2), batch_size=10)
    fitness.draw(np.random.default_rng(1))
    expected = gacnn.Fitness(network(), X, y)(vectors())
    np.testing.assert_array_equal(fitness.full(vectors()), expected)


@pytest.mark.parametrize("batch_size", [None, 10])
def test_augmentation_that_works_in_place_leaves_the_data_alone(batch_size):
    def darken(images, rng):
        images *= 0
        return images

    X, _, fitness = fitness_with(darken, batch_size=batch_size)
    before = X.copy()
    fitness(vectors())
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(fitness.X, before)


def test_bad_augment():
    with pytest.raises(TypeError, match=r"augment must be callable as augment\(images, rng\)"):
        fitness_with(3)


def test_augment_of_another_shape_says_so():
    _, _, fitness = fitness_with(lambda images, rng: images[:, :-1])
    with pytest.raises(ValueError, match=r"augment must return .* same shape, \(\d.* not \(\d"):
        fitness(vectors())


@pytest.mark.parametrize("augment", [Shift(), Flip()])
def test_augmentations_of_images_refuse_rows(augment):
    with pytest.raises(ValueError, match=rf"{type(augment).__name__}\(…\) needs images .*\(4, 3\)"):
        augment(np.ones((4, 3)), np.random.default_rng(0))


def test_fingerprint_tells_augmentations_apart_by_name_and_settings():
    def blur(images, rng):
        return images

    def shown(augment):
        return fitness_with(augment)[2].fingerprint()["augment"]

    assert shown(None) is None
    assert shown(Shift(2)) != shown(Shift(1))
    assert shown(blur) == "blur"
    assert shown(Compose(Shift(2), blur)) == "Compose(Shift(pixels=2), blur)"
    assert "0x" not in shown(Compose(Flip(), Compose(blur)))


def test_run_with_augmentation_goes_on_from_a_checkpoint(tmp_path):
    def make(**changes):
        augment = Compose(Shift(1), Flip())
        return {"fitness_func": fitness_with(augment, batch_size=10)[2], **changes}

    shape = {"sol_per_pop": 6, "num_genes": network().num_weights, "random_seed": 0}
    common = {"num_parents_mating": 3, "suppress_warnings": True, **shape}
    path = tmp_path / "c"
    whole = gacnn.GA(6, **common, **make())
    whole.run()
    gacnn.GA(3, **common, **make(callbacks=[gacnn.Checkpoint(path)])).run()
    rest = gacnn.resume(path, num_generations=6, **make())
    rest.run()
    np.testing.assert_array_equal(rest.population, whole.population)


# Rotate, Crop, Light


def pixel(image, row, column):
    """A pixel between others, by four lines of the definition."""
    total = np.zeros(image.shape[2])
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            total += max(0, 1 - abs(row - i)) * max(0, 1 - abs(column - j)) * image[i, j]
    return total


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_images_read_at_any_places(number, height, width, seed):
    images = images_of(number, (height, width, 2))
    rng = np.random.default_rng(seed)
    rows, columns = rng.uniform(-3, 9, (2, number, height, width))
    got = sampled(images, rows, columns)
    for index in np.ndindex(number, height, width):
        expected = pixel(images[index[0]], rows[index], columns[index])
        np.testing.assert_allclose(got[index], expected, atol=1e-5)


def test_rotation_equals_a_loop():
    images, rng = images_of(4, (6, 9, 1)), np.random.default_rng(3)
    got = Rotate(40)(images, rng)
    angles = np.radians(np.random.default_rng(3).uniform(-40, 40, 4))
    for image, turned, angle in zip(images, got, angles, strict=True):
        for i in range(6):
            for j in range(9):
                y, x = i - 2.5, j - 4
                row = y * np.cos(angle) + x * np.sin(angle) + 2.5
                column = x * np.cos(angle) - y * np.sin(angle) + 4
                np.testing.assert_allclose(turned[i, j], pixel(image, row, column), atol=1e-5)


def test_a_quarter_turn_is_that_of_numpy():
    class Quarter:
        def uniform(self, low, high, size):
            return np.full(size, 90.0)

    images = images_of(2, (5, 5, 3))
    turned = Rotate(90)(images, Quarter())
    np.testing.assert_allclose(turned, np.rot90(images, 1, axes=(1, 2)), atol=1e-5)


def test_crop_equals_a_loop_and_stays_inside():
    images, rng = images_of(4, (6, 9, 2)), np.random.default_rng(3)
    got = Crop(0.5)(images, rng)
    again = np.random.default_rng(3)
    shares = again.uniform(0.5, 1, 4)
    tops, lefts = again.random((2, 4)) * (1 - shares)
    for image, cut, share, top, left in zip(images, got, shares, tops, lefts, strict=True):
        for i in range(6):
            for j in range(9):
                row, column = top * 5 + share * i, left * 8 + share * j
                assert 0 <= row <= 5 + 1e-9
                assert 0 <= column <= 8 + 1e-9
                np.testing.assert_allclose(cut[i, j], pixel(image, row, column), atol=1e-4)


def test_light_equals_a_loop():
    images, rng = images_of(3), np.random.default_rng(3)
    got = Light(0.3, 0.4)(images, rng)
    again = np.random.default_rng(3)
    added, factors = again.uniform(-0.3, 0.3, 3), again.uniform(0.6, 1.4, 3)
    for image, lit, more, factor in zip(images, got, added, factors, strict=True):
        mean = image.mean()
        np.testing.assert_allclose(lit, (image - mean) * factor + mean + more, atol=1e-5)


@pytest.mark.parametrize("same", [Rotate(0), Crop(1), Light(0, 0)])
def test_nothing_changes_where_nothing_may(same):
    images = images_of()
    np.testing.assert_allclose(same(images, np.random.default_rng(0)), images, atol=1e-6)
    assert same(images, np.random.default_rng(0)).dtype == np.float32


@pytest.mark.parametrize("step", [Rotate(), Crop(), Light()])
def test_images_are_left_as_they_were(step):
    images = images_of()
    before = images.copy()
    first = step(images, np.random.default_rng(1))
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(first, step(images, np.random.default_rng(1)))
    with pytest.raises(ValueError, match=f"augment={type(step).__name__}"):
        step(images[0], np.random.default_rng(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rotate(-1), "degrees"),
        (lambda: Crop(0), "smallest must be above 0 and at most 1, not 0"),
        (lambda: Crop(1.5), "smallest must be above 0"),
        (lambda: Light(-0.1), "brightness"),
        (lambda: Light(0.1, 2), "contrast must be from 0 to 1, not 2"),
    ],
)
def test_amounts_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def to_bytes(images, rng):
    return np.rint(255 * images).astype(np.uint8)


@pytest.mark.parametrize("batch_size", [None, 5])
def test_images_that_come_back_in_other_numbers_are_named(batch_size):
    images = np.random.default_rng(0).random((10, 4, 4, 1), np.float32)
    model = cnn.Model([cnn.Input2D((4, 4)), cnn.Flatten(), cnn.Dense(2)], random_seed=0)
    labels = np.arange(10) % 2
    fitness = gacnn.Fitness(model, images, labels, batch_size=batch_size, augment=to_bytes)
    with pytest.warns(
        UserWarning, match=r"numbers up to (1|0\.9\d*), and returned them up to 2\d\d:"
    ):
        fitness(model.weights[None])
