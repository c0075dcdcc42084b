"""Images of each member's own, (members, images, …), as games have them."""

import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import EAGER

import cnn

MIB = 2**20
DEEP = [
    cnn.Input2D((15, 14, 3)),
    cnn.Conv2D(5, 3, activation_function="relu", stride=2),
    cnn.Conv2D(7, (3, 2), activation_function="tanh", padding="same", trainable=False),
    cnn.MaxPooling2D(2),
    cnn.Flatten(),
    cnn.Dense(6),
    cnn.Dense(3, activation_function="softmax"),
]
FLAT = [cnn.Input1D(30), cnn.Dense(20, activation_function="tanh"), cnn.Dense(3)]
CASES = pytest.mark.parametrize("layers", [DEEP, FLAT], ids=["deep", "flat"])


def case(layers, members, number):
    """A model, images of each member's own, and a population."""
    model = networks.filled(cnn.Model(layers, random_seed=0))
    X = networks.own_images_for(model, members, number)
    return model, X, networks.vectors_for(model, members)


def one_by_one(model, X, vectors, **options):
    """The outputs (members, images, …), a member at a time, by shared images."""
    return np.concatenate(
        [model.forward(own, vectors[p : p + 1], **options) for p, own in enumerate(X)]
    )


def assert_close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * max(1, np.abs(wanted).max()))


@settings(max_examples=200, deadline=None)
@given(networks.networks(), st.integers(1, 9), st.integers(1, 40))
def test_random_networks(model, members, number):
    X = networks.own_images_for(model, members, number)
    vectors = networks.vectors_for(model, members)
    assert_close(model.forward(X, vectors), one_by_one(model, X, vectors))


@settings(max_examples=100, deadline=None)
@given(networks.networks(exact=True), st.integers(1, 4), st.integers(1, 4))
def test_random_networks_of_small_integers_to_the_last_bit(model, members, number):
    X = np.rint(networks.own_images_for(model, members, number))
    vectors = networks.vectors_for(model, members, exact=True)
    np.testing.assert_array_equal(model.forward(X, vectors), one_by_one(model, X, vectors))


@CASES
@pytest.mark.parametrize(("members", "number"), [(1, 1), (1, 300), (13, 131), (64, 1), (7, 257)])
def test_any_number_of_threads_gives_the_same_bits(layers, members, number):
    model, X, vectors = case(layers, members, number)
    outputs = model.forward(X, vectors, threads=1)
    assert_close(outputs, one_by_one(model, X, vectors))
    for threads in (2, 5):
        again = model.forward(X, vectors, threads=threads, engine=EAGER)
        np.testing.assert_array_equal(again, outputs)


@CASES
@pytest.mark.parametrize("size", [4, 12])
def test_families_see_each_their_own(layers, size):
    model, X, vectors = case(layers, 12, 9)
    sizes = [size, *[1] * (len(model.trainable_layers) - 1)]
    vectors = networks.in_families(model, vectors, sizes)
    outputs = model.forward(X, vectors)
    assert_close(outputs, one_by_one(model, X, vectors))
    everybody = np.repeat(vectors[:1], 12, axis=0)
    assert_close(model.forward(X, everybody), one_by_one(model, X, everybody))


@CASES
@pytest.mark.parametrize("limit", [1, 10**5, 10**6])
@pytest.mark.filterwarnings("ignore:one image needs")
def test_any_amount_of_memory(layers, limit):
    model, X, vectors = case(layers, 11, 33)
    for kind in (np.float32, np.float64):  # float64 is copied, some members at a time
        outputs = model.forward(X, vectors.astype(kind), memory_limit=limit)
        assert_close(outputs, one_by_one(model, X, vectors))


def test_members_that_see_the_same_are_as_with_shared_images():
    model, X, vectors = case(DEEP, 6, 5)
    shared = np.broadcast_to(X[0], X.shape)
    assert_close(model.forward(shared, vectors), model.forward(X[0], vectors))


@CASES
def test_permuted_members_give_permuted_results(layers):
    model, X, vectors = case(layers, 9, 5)
    order = np.random.default_rng(0).permutation(9)
    assert_close(model.forward(X[order], vectors[order]), model.forward(X, vectors)[order])


@CASES
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float64])
def test_images_of_any_real_type_and_layout(layers, dtype):
    model, X, vectors = case(layers, 4, 6)
    typed = (3 * X).clip(0, 5).astype(dtype)
    wanted = one_by_one(model, typed, vectors)
    assert_close(model.forward(typed, vectors), wanted)
    assert_close(model.forward(np.asfortranarray(typed), vectors), wanted)
    assert_close(model.forward(typed[:, ::-1], vectors), wanted[:, ::-1])
    assert_close(model.forward(typed.tolist(), vectors.tolist()), wanted)


@CASES
def test_images_and_vectors_stay_as_they_were(layers):
    model, X, vectors = case(layers, 3, 4)
    X.setflags(write=False)
    vectors.setflags(write=False)
    before = X.copy()
    model.forward(X, vectors)
    np.testing.assert_array_equal(X, before)


def test_a_network_of_its_input_alone_gives_the_images():
    model = cnn.Model([cnn.Input2D((3, 4, 2))])
    X = networks.own_images_for(model, 5, 2)
    np.testing.assert_array_equal(model.forward(X, np.zeros((5, 0))), X)
    model = cnn.Model([cnn.Input1D(3), cnn.ReLU()])
    X = networks.own_images_for(model, 5, 2)
    np.testing.assert_array_equal(model.forward(X, np.zeros((5, 0))), X.clip(0))


@CASES
def test_log_probabilities(layers):
    model, X, vectors = case(layers, 5, 7)
    got = model.log_proba(X, vectors)
    alone = [model.log_proba(own, vectors[p : p + 1]) for p, own in enumerate(X)]
    assert_close(got, np.concatenate(alone))


@CASES
def test_what_does_not_fit_says_which_axis_is_that_of_the_members(layers):
    model, X, vectors = case(layers, 6, 5)
    first = "first axis is that of the members, as many as there are vectors: 6"
    for call in (model.forward, model.log_proba):
        with pytest.raises(ValueError, match=rf"\(6, any, .*\(members, .*{first}$"):
            call(X[:4], vectors)
        with pytest.raises(ValueError, match=rf"{first}, np.swapaxes\(X, 0, 1\) puts it there"):
            call(X.swapaxes(0, 1), vectors)
        with pytest.raises(ValueError, match=first):
            call(X[..., :-1], vectors)
        with pytest.raises(ValueError, match="X is empty"):
            call(X[:, :0], vectors)
        with pytest.raises(ValueError, match="vectors must have the shape"):
            call(X, vectors[:, 1:])
        broken = X.copy()
        broken[3, 2].flat[0] = np.nan
        with pytest.raises(ValueError, match=r"X\[3\] holds NaN"):
            call(broken, vectors)


@CASES
@pytest.mark.parametrize("method", ["forward", "log_proba", "predict", "predict_proba"])
def test_own_weights_see_images_for_all(layers, method):
    model, X, _ = case(layers, 6, 5)
    with pytest.raises(ValueError, match=r"member's own, .* forward takes with vectors"):
        getattr(model, method)(X)
