"""The scikit-learn estimators: scikit-learn's own checks, images, settings, and what fits not."""

import copy
import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import cnn
import gacnn
from cnn import patches

pytest.importorskip("sklearn")

import joblib
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import AdaBoostClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from gacnn import CNNClassifier, CNNRegressor
from gacnn.training.default_network import default_layers

# All of them; two may differ by a rounding, and one by where roundings lead a search. The one
# for data frames needs pandas.
ROUNDING = {
    "check_methods_sample_order_invariance": "float32 sums differ by where BLAS has their row",
    "check_methods_subset_invariance": "float32 sums differ by where BLAS has their row",
    "check_sample_weight_equivalence_on_dense_data": "float32 sums of repeated samples round so",
}


@parametrize_with_checks(
    [CNNClassifier(num_generations=50), CNNRegressor(num_generations=50)],
    expected_failed_checks=lambda _: ROUNDING,
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


# Data and networks


QUICK = {"num_generations": 20, "num_solutions": 16, "random_state": 0}


def images(number=60, shape=(6, 5), seed=0):
    """Images of three named classes that differ in brightness, as bytes."""
    rng = np.random.default_rng(seed)
    kind = np.arange(number) % 3
    brightness = 60 * kind.reshape(-1, *[1] * len(shape))
    noise = rng.integers(0, 100, (number, *shape))
    return (noise + brightness).astype(np.uint8), np.array(["dark", "grey", "light"])[kind]


def test_series_are_taken_where_the_network_begins_with_them():
    X, y = images(shape=(20, 2))
    layers = [cnn.Conv1D(4, 3, activation_function="relu"), cnn.GlobalMaxPooling1D()]
    fitted = classifier(cnn.Input1D((20, 2)), *layers).fit(X, y)
    assert fitted.input_shape_ == (20, 2)
    expected = fitted.predict_proba(X)
    np.testing.assert_array_equal(fitted.predict_proba(X.reshape(60, 40)), expected)
    np.testing.assert_allclose(fitted.as_model().forward(X), expected, rtol=1e-3, atol=1e-4)
    with refuses(ValueError, "inputs of the shape (20, 2), or rows of 40 features"):
        fitted.predict(X.transpose(0, 2, 1))
    with refuses(ValueError, "needs a series", "begin with Input1D((length, channels))"):
        classifier(*layers).fit(X, y)


def test_images_of_few_columns_may_be_series():
    X, y = images(shape=(20, 2))
    with pytest.warns(UserWarning, match=r"grey images of 20 x 2 .*cnn.Input1D\(\(20, 2\)\)"):
        classifier().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(input_shape=(20, 2)).fit(X, y)
        classifier().fit(*images(shape=(6, 5)))


def classifier(*layers, **settings):
    """A classifier that takes no time, of these layers if there are any."""
    return CNNClassifier(list(layers) or None, **{**QUICK, **settings})


def regressor(*layers, **settings):
    return CNNRegressor(list(layers) or None, **{**QUICK, **settings})


def kinds_of(estimator):
    return [type(layer) for layer in estimator.model_.layers]


def test_ctrl_c_ends_a_search_around_it():
    X, y = images()

    def interrupt(ga):
        if ga.generations_completed == 3:
            os.kill(os.getpid(), signal.SIGINT)

    estimator = classifier(settings={"on_generation": interrupt})
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert estimator.n_generations_ in (3, 4)
    assert estimator.predict(X).shape == y.shape


# Inputs


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (1, 7), (40, 13)])
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, np.float64])
def test_images(shape, kind):
    X, y = images(shape=shape)
    fitted = classifier(num_generations=60).fit(X.astype(kind), y)
    assert fitted.score(X, y) > 0.9
    assert fitted.input_shape_ == (*shape, 1)[:3]
    assert fitted.n_features_in_ == np.prod(shape)
    assert fitted.classes_.tolist() == ["dark", "grey", "light"]


def test_rows_with_an_input_shape_are_images():
    X, y = images(shape=(6, 5, 2))
    rows = X.reshape(len(X), -1)
    of_images = classifier().fit(X, y)
    expected = of_images.predict_proba(X)
    for estimator in (
        classifier(input_shape=(6, 5, 2)),
        classifier(cnn.Input2D((6, 5, 2)), *default_layers((6, 5, 2))),
    ):
        fitted = estimator.fit(rows, y)
        assert fitted.input_shape_ == (6, 5, 2)
        assert fitted.n_features_in_ == 60
        np.testing.assert_array_equal(fitted.predict_proba(rows), expected)
        np.testing.assert_array_equal(fitted.predict_proba(X), expected)
    np.testing.assert_array_equal(of_images.predict_proba(rows), expected)


def test_inputs_of_the_network_are_standardised():
    X, y = images()
    fitted = classifier().fit(X, y)
    inputs = ((X - X.mean()) / X.std())[..., None]
    expected = fitted.model_.predict_proba(inputs)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-5)
    rows = X.reshape(len(X), -1) * np.logspace(-8, 8, 30)
    rows[:, 3] = 7
    fitted = classifier().fit(rows, y)
    deviation = np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1)
    expected = fitted.model_.predict_proba((rows - rows.mean(axis=0)) / deviation)
    np.testing.assert_allclose(fitted.predict_proba(rows), expected, atol=1e-5)


def test_scale_of_inputs_and_targets_does_not_matter():
    X, y = load_diabetes(return_X_y=True)
    scores = [
        regressor()
        .fit(X * scale + shift, y * scale + shift)
        .score(X * scale + shift, y * scale + shift)
        for scale, shift in ((1, 0), (1e6, 1e7), (1e-6, 1))
    ]
    assert scores[0] > 0.2
    np.testing.assert_allclose(scores, scores[0], rtol=0.01)


# Networks


@pytest.mark.parametrize(
    ("shape", "weights"),
    [
        ((65,), 1056 + 170),
        ((8, 8, 1), 80 + 1290),
        ((28, 28, 1), 80 + 584 + 3930),
        ((32, 32, 3), 224 + 584 + 5130),
        ((100, 100, 3), 224 + 584 + 2890),
        ((1, 1, 1), 80 + 90),
        ((1, 500, 2), 152 + 584 + 570),
    ],
)
def test_default_network(shape, weights):
    rng = np.random.default_rng(0)
    X, y = rng.random((20, *shape)), np.arange(20) % 10
    fitted = classifier(num_generations=1, num_solutions=2).fit(X, y)
    assert fitted.model_.num_weights == weights
    assert fitted.model_.output_shape == (10,)


def test_rows_of_pixels_are_told_that_their_network_is_dense():
    X, y = np.random.default_rng(0).random((20, 64)), np.arange(20) % 10
    quick = {"num_generations": 1, "num_solutions": 2}
    with pytest.warns(UserWarning, match=r"input_shape=\(8, 8, 1\) makes it a convolutional one"):
        dense = classifier(**quick).fit(X, y)
    said = classifier(cnn.Dense(16, None, "tanh"), **quick).fit(X, y)
    assert said.model_.num_weights == dense.model_.num_weights
    convolves = classifier(**quick, input_shape=(8, 8, 1)).fit(X, y)
    assert isinstance(convolves.model_.layers[1], cnn.Conv2D)
    classifier(**quick).fit(X - 0.5, y)  # no pixels
    classifier(**quick).fit(X[:, :49], y)


@pytest.mark.parametrize(
    ("layers", "added"),
    [
        ([cnn.Conv2D(2, 3)], [cnn.Flatten, cnn.Dense]),
        ([cnn.GlobalMaxPooling2D()], [cnn.Dense]),
        ([cnn.Flatten(), cnn.Dense(3)], [cnn.Dense]),
        ([cnn.Flatten(), cnn.Dense(3, None, "sigmoid")], [cnn.Dense]),
        ([cnn.Flatten(), cnn.Dense(3, None, "softmax")], []),
        ([cnn.Flatten(), cnn.Dense(3, None, None)], []),
        ([cnn.Conv2D(3, 3), cnn.GlobalMaxPooling2D(), cnn.Softmax()], []),
    ],
    ids=str,
)
def test_input_and_output_layers_are_added(layers, added):
    X, y = images()
    for given in (layers, [cnn.Input2D((6, 5)), *layers]):
        before = list(given)
        estimator = classifier(*given)
        first = estimator.fit(X, y).predict_proba(X)
        hidden = [type(layer) for layer in layers]
        assert kinds_of(estimator) == [cnn.Input2D, *hidden, *added]
        assert given == before
        assert estimator.layers[-1].previous_layer is None
        np.testing.assert_array_equal(clone(estimator).fit(X, y).predict_proba(X), first)


def test_linked_layers_are_copied():
    X, y = images()
    first = cnn.Input2D((6, 5))
    linked = [first, cnn.Flatten(first)]
    linked.append(cnn.Dense(3, linked[-1], "softmax"))
    before = linked[-1].trained_weights.copy()
    expected = classifier(*linked).fit(X, y).predict(X)
    np.testing.assert_array_equal(linked[-1].trained_weights, before)
    np.testing.assert_array_equal(clone(classifier(*linked)).fit(X, y).predict(X), expected)


def test_no_hidden_layer():
    X, y = images()
    estimator = classifier(cnn.Input2D((6, 5))).fit(X, y)
    assert kinds_of(estimator) == [cnn.Input2D, cnn.Flatten, cnn.Dense]


def test_single_sigmoid_for_two_classes():
    X, y = images()
    y = np.where(y == "dark", "dark", "bright")
    estimator = classifier(cnn.Flatten(), cnn.Dense(1, None, "sigmoid")).fit(X, y)
    assert kinds_of(estimator) == [cnn.Input2D, cnn.Flatten, cnn.Dense]
    assert estimator.predict_proba(X).shape == (60, 2)
    assert estimator.score(X, y) > 0.8


def test_output_of_a_regressor():
    X, y = images()[0].reshape(60, -1), np.arange(60) % 3
    for layers, number in (([cnn.Dense(4)], 3), ([cnn.Dense(1, None, None)], 2)):
        fitted = CNNRegressor(layers, num_generations=1).fit(X, y)
        assert len(fitted.model_.layers) == number
        assert fitted.model_.last_layer.activation_function is None


# Predictions


def test_probabilities_are_those_of_the_labels():
    X, y = images()
    fitted = classifier(num_generations=5).fit(X, y)
    probabilities = fitted.predict_proba(X)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-15)
    labels = fitted.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(fitted.predict(X), labels)
    assert fitted.score(X, y) == accuracy_score(y, labels)


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 2)])
def test_targets_of_a_regressor(shape):
    X = np.random.default_rng(0).normal(size=(60, 4))
    y = 100 + np.stack([X[:, 0], -X[:, 0]], axis=1).ravel()[: np.prod(shape)].reshape(shape)
    if shape != (60, 2):
        y = (100 + X[:, 0]).reshape(shape)
    fitted = regressor(num_generations=100).fit(X, y)
    predicted = fitted.predict(X)
    assert predicted.shape == shape
    assert predicted.dtype == np.float64
    assert fitted.score(X, y) == r2_score(y, predicted) > 0.9
    np.testing.assert_allclose(fitted.target_scaler_.mean_, y.mean(axis=0))


def test_callable_metric_is_given_what_the_network_learns():
    X, y = images()
    seen = []

    def right(outputs, labels):
        seen.append((*outputs.shape, *np.unique(labels)))
        return (outputs.argmax(axis=1) == labels).mean()

    classifier(metric=right, num_generations=1).fit(X, y)
    assert set(seen) == {(60, 3, 0, 1, 2)}

    def negative_error(outputs, values):
        seen.append((values.mean(), values.std()))
        return -np.abs(outputs - values).mean()

    seen.clear()
    regressor(metric=negative_error, num_generations=1).fit(X, 50 + np.arange(60.0))
    np.testing.assert_allclose(seen, [(0, 1)] * len(seen), atol=1e-12)


# The run


def test_same_random_state_same_bits():
    X, y = images(300)
    expected = classifier(random_state=3).fit(X, y).predict_proba(X)
    for same in ({"random_state": 3, "n_jobs": 2}, {"random_state": 3, "n_jobs": -1}):
        np.testing.assert_array_equal(classifier(**same).fit(X, y).predict_proba(X), expected)
    drawn = [classifier(random_state=np.random.RandomState(1)).fit(X, y) for _ in range(2)]
    np.testing.assert_array_equal(*(each.model_.weights for each in drawn))
    for other in (4, None, np.random.RandomState(1)):
        found = classifier(random_state=other).fit(X, y).predict_proba(X)
        assert np.abs(found - expected).max() > 1e-3


def test_same_generator_goes_on():
    X, y = images()
    estimator = classifier(random_state=np.random.RandomState(1))
    first = estimator.fit(X, y).model_.weights
    assert np.abs(estimator.fit(X, y).model_.weights - first).max() > 1e-3


def test_early_stopping_holds_data_out():
    X, y = images(240)
    assert "validation" in classifier().fit(X, y).history_
    assert "validation" not in classifier(early_stopping=False).fit(X, y).history_
    few = X[:60], y[:60]
    assert "validation" not in classifier().fit(*few).history_
    assert "validation" in classifier(validation_fraction=0.2).fit(*few).history_


def test_patience():
    X, y = images()
    long = {"num_generations": 60, "patience": 1, "metric": "accuracy"}
    stopped = classifier(**long).fit(X, y)
    assert stopped.n_generations_ == len(stopped.history_) < 60
    assert classifier(**long, early_stopping=False).fit(X, y).n_generations_ == 60


@pytest.mark.parametrize("name", ["early_stopping", "warm_start"])
def test_flags_are_no_words(name):
    X, y = images()
    with pytest.raises(TypeError, match=f"{name} must be True or False, not 'False'"):
        classifier(**{name: "False"}).fit(X, y)


def test_time_limit():
    X, y = images()
    assert classifier(num_generations=None, time_limit=0).fit(X, y).n_generations_ == 1


def test_time_limit_counts_the_making_of_a_network(monkeypatch):
    X, y = images()
    limits, make = [], gacnn.estimator.default_layers

    def slow(*arguments, **options):
        time.sleep(0.05)
        return make(*arguments, **options)

    def noted(self, *data, time_limit, **settings):
        limits.append(time_limit)
        return train(self, *data, time_limit=0, **settings)

    train = gacnn.GACNN.train
    monkeypatch.setattr(gacnn.GACNN, "train", noted)
    monkeypatch.setattr(gacnn.estimator, "default_layers", slow)
    for limit in (20, 0.01, None):
        classifier(num_generations=1, time_limit=limit).fit(X, y)
    assert 10 < limits[0] <= 19.95
    assert limits[1:] == [0, None]
    with pytest.raises(TypeError, match="time_limit must be a number, not '1h'"):
        classifier(time_limit="1h").fit(X, y)


@pytest.mark.parametrize("kind", [classifier, regressor])
def test_warm_start_goes_on(kind):
    X, y = images(90)
    y = y if kind is classifier else X[:, 0, 0] / 3 + 9.5
    estimator = kind(warm_start=True, early_stopping=False, num_generations=30).fit(X, y)
    before = copy.deepcopy(estimator)
    estimator.set_params(num_generations=5).fit(X[::-1], y[::-1])
    assert estimator.n_generations_ == 35
    assert estimator.history_["generation"] == list(range(1, 36))
    for name in ("seconds", "evaluations"):
        assert (np.diff(estimator.history_[name]) > 0).all()
    assert estimator.history_["best"][:30] == before.history_["best"]
    assert estimator.history_["best"][30] > before.history_["best"][0]
    moved = np.abs(estimator.model_.weights - before.model_.weights)
    assert 0 < moved.mean() < 0.3 < np.abs(before.model_.weights).mean() * 10
    assert estimator.score(X, y) > before.score(X, y) - 0.1
    assert estimator.set_params(warm_start=False).fit(X, y).n_generations_ == 5


def test_warm_start_keeps_the_scale_of_the_first_data():
    X, y = images()
    estimator = classifier(warm_start=True).fit(X, y)
    scaler = estimator.input_scaler_
    assert estimator.fit(X // 2, y).input_scaler_ is scaler


def test_history_of_runs_that_validate_and_do_not():
    X, y = images(240)
    estimator = classifier(warm_start=True, early_stopping=False).fit(X, y)
    history = estimator.set_params(early_stopping=True).fit(X, y).history_
    assert np.isnan(history["validation"]).tolist() == [True] * 20 + [False] * 20
    history = estimator.set_params(early_stopping=False).fit(X, y).history_
    assert len(history) == 60
    assert "validation" not in history


def test_verbose(capsys):
    X, y = images()
    classifier().fit(X, y)
    assert capsys.readouterr() == ("", "")
    classifier(verbose=True).fit(X, y)
    printed = capsys.readouterr()
    assert "16 networks of" in printed.out
    assert "20/20" in printed.err


def test_settings_are_those_of_train():
    X, y = images()
    seen = []
    watch = gacnn.LambdaCallback(on_generation=lambda ga: seen.append(ga.population.shape))
    settings = {"gene_space": [-1, 0, 1], "callbacks": [watch]}
    fitted = classifier(settings=settings, num_generations=3).fit(X, y)
    assert set(fitted.model_.weights) <= {-1, 0, 1}
    assert seen == [(16, fitted.model_.num_weights)] * 3


# scikit-learn's tools


def test_pipeline_and_search():
    X, y = images(90)
    rows = X.reshape(90, -1)
    pipeline = make_pipeline(StandardScaler(), classifier(input_shape=(6, 5)))
    assert cross_val_score(pipeline, rows, y, cv=3).mean() > 0.8
    grid = {
        "cnnclassifier__num_solutions": [4, 8],
        "cnnclassifier__layers": [None, [cnn.Conv2D(2, 3)], [cnn.Flatten(), cnn.Dense(4)]],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(rows, y)
    assert search.best_score_ > 0.6
    assert len(search.cv_results_["params"]) == 6
    assert [layer.previous_layer for layer in grid["cnnclassifier__layers"][2]] == [None, None]


def test_cross_validation_of_images():
    X, y = images(90)
    assert cross_val_score(classifier(), X, y, cv=3).mean() > 0.8


def test_clone_copies_the_layers():
    estimator = classifier(cnn.Conv2D(2, 3), metric="accuracy", settings={"K_tournament": 4})
    twin = clone(estimator)
    assert repr(twin.get_params()) == repr(estimator.get_params())
    assert twin.layers[0] is not estimator.layers[0]
    with pytest.raises(NotFittedError):
        twin.predict(images()[0])


def through_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "copied", [lambda each: pickle.loads(pickle.dumps(each)), through_joblib, copy.deepcopy]
)
@pytest.mark.parametrize("kind", [classifier, regressor])
def test_copies_of_a_fitted_estimator(copied, kind):
    X, y = images(2000)
    y = y if kind is classifier else X.mean(axis=(1, 2))
    fitted = kind(cnn.Conv2D(2, 3), cnn.Flatten(), warm_start=True).fit(X, y)
    assert len(pickle.dumps(fitted)) < 30_000 < X.nbytes
    twin = copied(fitted)
    np.testing.assert_array_equal(twin.predict(X), fitted.predict(X))
    assert twin.history_.to_dict() == fitted.history_.to_dict()
    assert twin.fit(X, y).n_generations_ == 40


def test_plot_draws_the_history():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    X, y = images()
    fitted = classifier().fit(X, y)
    ax = Figure().subplots()
    assert fitted.plot(ax=ax) is ax
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fitted.history_["best"])


# What does not fit


def refuses(error, *parts):
    """Expect the error, with each of these texts in its message, in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(map(re.escape, parts)))


def test_before_fit():
    X, _ = images()
    for call in (
        classifier().predict,
        classifier().predict_proba,
        regressor().predict,
        lambda X: classifier().plot(),
    ):
        with pytest.raises(NotFittedError):
            call(X)


def test_images_of_another_shape_at_predict():
    X, y = images()
    for fitted in (classifier().fit(X, y), regressor().fit(X, np.arange(60))):
        for wrong in (X[:, :5], X.transpose(0, 2, 1), np.stack([X, X], axis=-1)):
            with refuses(
                ValueError, "inputs of the shape (6, 5, 1)", "30 features", str(wrong.shape)
            ):
                fitted.predict(wrong)
        with refuses(ValueError, "has the shape (6, 5, 1); one image alone is X[None]"):
            fitted.predict(X[0, ..., None])
        with refuses(ValueError, "X has 29 features", "expecting 30 features"):
            fitted.predict(X.reshape(60, -1)[:, 1:])
        with refuses(ValueError, "Expected 2D array, got 1D array"):
            fitted.predict(X[0, 0])
        with refuses(
            ValueError, "X must be rows", "or images", f"not of the shape {(1, *X.shape, 1)}"
        ):
            fitted.predict(X[None, ..., None])
        with refuses(ValueError, "Found array with 0 sample(s)"):
            fitted.predict(X[:0])
    with refuses(ValueError, "inputs of the shape (30,)", "X has the shape (60, 6, 5)"):
        classifier().fit(X.reshape(60, -1), y).predict(X)


def test_images_that_are_not_finite():
    X, y = images()
    X = X.astype(float)
    X[3, 2, 1] = np.nan
    with refuses(ValueError, "Input X contains NaN"):
        classifier().fit(X, y)


def test_input_shape_that_does_not_fit():
    X, y = images()
    rows = X.reshape(60, -1)
    with refuses(ValueError, "inputs of the shape (5, 5, 1)", "25 features", "(60, 30)"):
        classifier(input_shape=(5, 5)).fit(rows, y)
    with refuses(ValueError, "inputs of the shape (5, 6, 1)", "(60, 6, 5)"):
        classifier(input_shape=(5, 6)).fit(X, y)
    with refuses(ValueError, "input_shape must be (height, width) or"):
        classifier(input_shape=30).fit(rows, y)
    with refuses(ValueError, "input_shape is (6, 5, 1)", "begin with Input2D", "leave one"):
        classifier(cnn.Input2D((5, 6)), cnn.Flatten(), input_shape=(6, 5)).fit(rows, y)


def test_layers_that_do_not_fit():
    X, y = images()
    with refuses(ValueError, "layers end in Dense(num_neurons=5", "(5,)", "y needs 3", "leave it"):
        classifier(cnn.Flatten(), cnn.Dense(5, None, "softmax")).fit(X, y)
    with refuses(ValueError, "outputs of (1,)", "y needs 3"):
        classifier(cnn.Flatten(), cnn.Dense(1, None, "sigmoid")).fit(X, y)
    with refuses(ValueError, "outputs of (1,)", "y needs 2"):
        CNNRegressor([cnn.Dense(1, None, None)]).fit(X.reshape(60, -1), np.ones((60, 2)))
    with refuses(ValueError, "labels need two outputs or more, or a single sigmoid"):
        classifier(cnn.Flatten(), cnn.Dense(1, None, None)).fit(X, y == "dark")
    with refuses(ValueError, "Dense(num_neurons=5) needs a flat input", "put Flatten() before"):
        classifier(cnn.Dense(5)).fit(X, y)
    for wrong in ("layers", cnn.Dense(3), [cnn.Dense], 3):
        with refuses(TypeError, "layers must be a list of layers of cnn, or None, not "):
            CNNClassifier(wrong).fit(X, y)


def test_fit_that_fails_leaves_nothing_that_predicts():
    X, y = images()
    estimator = classifier().fit(X, y)
    with refuses(TypeError, "num_generations must be"):
        estimator.set_params(num_generations="many").fit(2 * X, y)
    with pytest.raises(NotFittedError):
        estimator.predict(X)


@pytest.mark.parametrize(
    ("label", "cure"),
    [
        (np.eye(3)[np.arange(60) % 3], r"take y\.argmax\(axis=1\)"),
        (np.array(["cat", "dog", None] * 20, object), r"20 of 60 .* y\[2\] = None; leave them"),
        (np.array(["cat", "dog", np.nan] * 20, object), r"20 of 60 .* y\[2\] = nan; leave them"),
    ],
)
def test_labels_that_are_none_or_several(label, cure):
    with pytest.raises(ValueError, match=cure):
        classifier().fit(images()[0], label)


def test_one_class():
    X, y = images()
    with refuses(ValueError, "y must hold two classes or more, but it holds one class, dark"):
        classifier().fit(X[::3], y[::3])


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1, "some", None, float("nan")])
def test_validation_fraction_that_is_none(share):
    with refuses(ValueError, "validation_fraction must be", f"not {share!r}", "early_stopping"):
        classifier(validation_fraction=share).fit(*images())


def test_warm_start_with_other_data():
    X, y = images()
    estimator = classifier(warm_start=True).fit(X, y)
    with refuses(ValueError, "warm_start needs the classes of the first fit", "'grey'"):
        estimator.fit(X, np.where(y == "dark", "black", y))
    with refuses(ValueError, "inputs of the shape (6, 5, 1)", "(60, 5, 5)"):
        estimator.fit(X[:, 1:], y)
    estimator = regressor(warm_start=True).fit(X, np.ones(60))
    with refuses(ValueError, "warm_start needs targets of the shape of the first fit, ()", "(2,)"):
        estimator.fit(X, np.ones((60, 2)))


@pytest.mark.parametrize("name", ["num_solutions", "num_generations", "batch_size", "patience"])
def test_settings_that_train_refuses(name):
    with refuses((TypeError, ValueError), f"{name} must be"):
        classifier(**{name: "many"}).fit(*images(240))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"metric": "accuracy"}, "settings must not hold 'metric', which has a parameter"),
        ({"threads": 2}, "settings must not hold 'threads'"),
        ([1], "settings must be a dict of arguments of GACNN.train, not [1]"),
        ({"speed": 1}, "neither train nor gacnn.GA has a setting 'speed'"),
    ],
)
def test_settings_that_are_none(settings, complaint):
    with refuses(TypeError, complaint):
        classifier(settings=settings).fit(*images())


# Without scikit-learn


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_importing_gacnn_loads_no_scikit_learn():
    assert python("import gacnn, sys; print('sklearn' in sys.modules)") == "False"


@pytest.mark.parametrize("name", ["CNNClassifier", "CNNRegressor"])
def test_scikit_learn_is_missing(name, monkeypatch):
    for module in [each for each in sys.modules if each.split(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "gacnn.estimator")
    monkeypatch.delattr(gacnn, "estimator")
    needs = f"gacnn.{name} needs scikit-learn: pip install 'gacnn[sklearn]'"
    with pytest.raises(ImportError, match=re.escape(needs)):
        getattr(gacnn, name)
    assert name not in dir(gacnn)


def test_names_of_the_package():
    assert {"CNNClassifier", "CNNRegressor", "GACNN"} <= set(dir(gacnn))
    assert not hasattr(gacnn, "CNNTransformer")


# Learning


def test_digits():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0, stratify=y)
    fitted = CNNClassifier(input_shape=(8, 8), num_generations=300, random_state=0).fit(X, y)
    assert fitted.score(X_test, y_test) > 0.9


def test_diabetes():
    X, y = load_diabetes(return_X_y=True)
    scores = cross_val_score(CNNRegressor(num_generations=100, random_state=0), X, y, cv=3)
    assert scores.mean() > 0.3


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
def test_what_is_masked_is_refused(kind):
    X, y = np.random.default_rng(0).random((30, 4)), np.arange(30) % 3
    estimator = kind(num_generations=2, num_solutions=4)
    with pytest.raises(ValueError, match="X is a masked array"):
        estimator.fit(np.ma.masked_greater(X, 0.5), y)
    with pytest.raises(ValueError, match="y is a masked array"):
        estimator.fit(X, np.ma.masked_equal(y, 1))
    estimator.fit(X, y)
    with pytest.raises(ValueError, match="X is a masked array"):
        estimator.predict(np.ma.masked_greater(X, 0.5))


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
def test_memory_limit(kind, monkeypatch):
    X, y = np.random.default_rng(0).random((30, 4)), np.arange(30) % 3
    limits, run = set(), cnn.NumpyEngine.run

    def spied(*values, memory_limit, **options):
        limits.add(memory_limit)
        run(*values, memory_limit=memory_limit, **options)

    monkeypatch.setattr(cnn.NumpyEngine, "run", spied)
    kind(num_generations=2, num_solutions=4, memory_limit=12_345_678).fit(X, y).predict(X)
    assert limits == {12_345_678}


# What is outside of what was fitted


@pytest.mark.parametrize("shape", [(6, 5, 1), (6, 5)])
@pytest.mark.parametrize("factor", [255, 1 / 255])
def test_inputs_of_another_scale_bring_one_warning(shape, factor):
    X, y = images(shape=shape)
    fitted = classifier().fit(X, y)
    fitted.predict(X)
    for method in (fitted.predict, fitted.predict_proba):
        with pytest.warns(
            UserWarning, match=f"X holds far {'larg' if factor > 1 else 'small'}er"
        ) as caught:
            method(X * float(factor))
        assert len(caught) == 1
        assert caught[0].filename == __file__


def test_a_regressor_warns_too():
    X, _ = images()
    fitted = regressor().fit(X, np.arange(60.0))
    with pytest.warns(UserWarning, match="X holds far smaller numbers") as caught:
        fitted.predict(X / 255)
    assert len(caught) == 1


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_rows_without_finite_outputs_are_refused_by_number(kind):
    X, y = images()
    fitted = classifier().fit(X, y) if kind == "classifier" else regressor().fit(X, np.arange(60.0))
    fitted.model_.weights = np.full(fitted.model_.num_weights, 1e30)
    with pytest.raises(ValueError, match=r"no finite outputs for X\[\d+\] \(\d+ of 60 rows\)"):
        fitted.predict(X)


def test_channels_first_is_refused_unless_it_is_said():
    X, y = np.random.default_rng(0).random((12, 3, 9, 9)), np.arange(12) % 2
    with pytest.raises(ValueError, match=r"np\.moveaxis"):
        classifier().fit(X, y)
    assert classifier(input_shape=(3, 9, 9)).fit(X, y).input_shape_ == (3, 9, 9)


# Weights


def test_weights_of_samples_and_classes():
    rng = np.random.default_rng(0)
    rare = rng.random(300) < 0.1
    X = rng.normal(size=(300, 4)) + 0.8 * rare[:, None]
    y = np.where(rare, "sick", "well")

    def recall(estimator, **weights):
        return np.mean(estimator.fit(X, y, **weights).predict(X[rare]) == "sick")

    plain = recall(classifier(num_generations=60))
    assert plain + 0.2 < recall(classifier(num_generations=60), sample_weight=np.where(rare, 9, 1))
    for weights in ("balanced", {"sick": 9.0}):
        assert plain + 0.2 < recall(classifier(num_generations=60, class_weight=weights))
    with pytest.raises(ValueError, match="class_weight has a weight for 'ill', but y holds"):
        classifier(class_weight={"ill": 1}).fit(X, y)
    with pytest.raises(TypeError, match="settings must not hold 'class_weight'"):
        classifier(settings={"class_weight": "balanced"}).fit(X, y)


def test_boosting():
    X, y = images()
    boosted = AdaBoostClassifier(classifier(num_generations=5), n_estimators=3, random_state=0)
    assert boosted.fit(X.reshape(60, -1), y).score(X.reshape(60, -1), y) > 0.5


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
def test_a_weight_of_two_is_a_sample_that_comes_twice(kind):
    """Also in the standardisation: scikit-learn's own check asks for more than float32 has."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(3, 2, (40, 4)), rng.integers(0, 2, 40)
    weights = np.repeat([0, 1, 2, 3], 10)
    how = {"num_generations": 10, "early_stopping": False, "batch_size": None, "random_state": 0}
    weighted = kind(**how).fit(X, y, sample_weight=weights)
    repeated = kind(**how).fit(X.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_allclose(weighted.input_scaler_.mean_, repeated.input_scaler_.mean_)
    np.testing.assert_allclose(weighted.input_scaler_.scale_, repeated.input_scaler_.scale_)
    predict = "predict" if kind is CNNRegressor else "predict_proba"
    both = [getattr(fitted, predict)(X) for fitted in (weighted, repeated)]
    np.testing.assert_allclose(*both, atol=1e-4)


def test_weights_of_images_count_for_all_their_pixels():
    X, y = images()
    weights = np.arange(len(X))
    fitted = CNNClassifier(**QUICK).fit(X, y, sample_weight=weights)
    mean = np.average(X.mean(axis=(1, 2)), weights=weights)
    np.testing.assert_allclose(fitted.input_scaler_.mean_, mean, rtol=1e-5)


def test_multilabel_targets_are_called_so():
    X, _ = images()
    several = np.tile([[0, 1, 1], [1, 0, 0]], (len(X) // 2, 1))
    message = r"y is multilabel \(y\[0\] marks 2 classes\).*a network for each column"
    with pytest.raises(ValueError, match=message):
        CNNClassifier(**QUICK).fit(X, several)


def test_a_regressor_weighs_too():
    X = np.random.default_rng(0).normal(size=(80, 1))
    y = np.where(np.arange(80) % 2, X[:, 0], -X[:, 0])
    weights = np.where(np.arange(80) % 2, 1.0, 0.0)
    fitted = regressor(num_generations=80).fit(X, y, sample_weight=weights)
    assert fitted.score(X, y, sample_weight=weights) > 0.9


# Elsewhere


def fits():
    X, y = images(shape=(6, 5, 2))
    rows = X.reshape(60, -1).astype(float)
    same = [cnn.Conv2D(3, 3, padding="same"), cnn.Flatten()]
    two = np.where(y == "dark", "dark", "light")
    sigmoid = cnn.Dense(1, activation_function="sigmoid")
    yield "images", classifier().fit(X, y), X
    yield "padding", classifier(*same).fit(X, y), X
    yield "rows", classifier().fit(rows, y), rows
    yield "rows without Dense first", classifier(cnn.Tanh(), cnn.Dense(4)).fit(rows, y), rows
    yield "without bias", classifier(cnn.Flatten(), cnn.Dense(4, use_bias=False)).fit(X, y), X
    yield "rows as images", classifier(input_shape=(6, 5, 2)).fit(rows, y), X
    yield "one sigmoid", classifier(cnn.Flatten(), sigmoid).fit(X, two), X
    values = np.stack([X.mean(axis=(1, 2, 3)), np.arange(60)], axis=1)
    yield "values", regressor().fit(X, values), X
    yield "a value", regressor().fit(rows, values[:, 0]), rows


@pytest.fixture(scope="module")
def fitted():
    return {name: (estimator, X.astype(np.float32)) for name, estimator, X in fits()}


NAMES = ["images", "padding", "rows", "rows without Dense first", "without bias"]
NAMES += ["rows as images", "one sigmoid", "values", "a value"]


@pytest.mark.parametrize("name", NAMES)
def test_as_a_model_it_takes_what_the_estimator_takes(fitted, name, tmp_path):
    estimator, X = fitted[name]
    rows = X.reshape(60, -1) if name.startswith("rows") else X
    model = estimator.as_model()
    outputs = model.forward(X)
    if isinstance(estimator, CNNRegressor):
        np.testing.assert_allclose(outputs.squeeze(), estimator.predict(rows), rtol=1e-3, atol=1e-2)
    else:
        np.testing.assert_allclose(
            model.predict_proba(X), estimator.predict_proba(rows), rtol=1e-3, atol=1e-4
        )
        assert model.class_names == tuple(estimator.classes_)
        names = np.array(model.class_names)[model.predict(X)]
        assert (names == estimator.predict(rows)).mean() > 0.98
    estimator.save(tmp_path / "model.npz")
    again = cnn.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.forward(X), outputs)
    assert again.class_names == model.class_names
    with pytest.warns(UserWarning, match="far smaller numbers"):
        again.forward(X / 1000)


@pytest.mark.parametrize("name", NAMES)
def test_exports_take_the_estimator(fitted, name, tmp_path):
    onnx = pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    estimator, X = fitted[name]
    cnn.to_onnx(estimator, tmp_path / "model.onnx")
    read = onnx.load(tmp_path / "model.onnx")
    session = reference.ReferenceEvaluator(read)
    (outputs,) = session.run(None, {session.input_names[0]: X})
    np.testing.assert_allclose(outputs, estimator.as_model().forward(X), rtol=1e-3, atol=1e-4)
    known = {each.key: each.value for each in read.metadata_props}
    if isinstance(estimator, CNNClassifier):
        assert json.loads(known["class_names"]) == estimator.classes_.tolist()


@pytest.mark.parametrize("name", ["X", "y"])
def test_a_network_of_large_offsets_is_said_to_round_them(name):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    offset = 1.7e9 if name == "X" else 0  # as timestamps have
    estimator = regressor().fit(X + offset, y + 1.7e9 - offset)
    with pytest.warns(UserWarning, match=f"{name} has numbers of about 1.7e.09 that differ by"):
        estimator.as_model()


def test_an_estimator_that_is_not_fitted_is_not_exported(tmp_path):
    with pytest.raises(NotFittedError):
        cnn.to_onnx(CNNClassifier(), tmp_path / "model.onnx")
    with pytest.raises(TypeError, match=r"must be a cnn\.Model, not"):
        cnn.to_onnx(CNNClassifier, tmp_path / "model.onnx")


def test_the_first_layer_comes_from_the_data_if_that_is_said_or_they_are_many(monkeypatch):
    monkeypatch.setattr(patches, "PATCHES", 3000)
    rng = np.random.default_rng(0)
    X, y = rng.random((5000, 16, 16), np.float32), np.arange(5000) % 2
    quick = {"num_generations": 1, "num_solutions": 2}

    def fixed(number=5000, **settings):
        return classifier(**quick, **settings).fit(X[:number], y[:number]).model_.fixed_layers > 0

    assert fixed()
    assert not fixed(first_layer="evolved")
    assert not fixed(augment=gacnn.augment.Flip())
    assert not fixed(200)
    assert fixed(200, first_layer="data")
    small = classifier(cnn.Conv2D(2, 3), **quick).fit(X, y)
    assert small.model_.fixed_layers == 0
    regressor = gacnn.CNNRegressor(**quick, random_state=0).fit(X, y)
    assert regressor.model_.fixed_layers == 0


def test_the_last_layer_behind_a_first_one_from_the_data_is_solved_to_begin_with(monkeypatch):
    monkeypatch.setattr(patches, "PATCHES", 3000)
    rng = np.random.default_rng(0)
    X = rng.random((300, 16, 16), np.float32)
    y = (X[:, :8].mean((1, 2)) > X[:, 8:].mean((1, 2))).astype(int)
    quick = {"num_generations": 1, "num_solutions": 2, "first_layer": "data"}

    def accuracy(**settings):
        return classifier(**quick, **settings).fit(X, y).score(X, y)

    assert accuracy() > 0.9
    assert accuracy(settings={"head": "evolved"}) < 0.8
    ternary = classifier(**quick, settings={"gene_space": [-1, 0, 1]}).fit(X, y)
    assert set(np.unique(ternary.model_.weights)) <= {-1, 0, 1}
    again = classifier(**quick, warm_start=True).fit(X, y)
    before = again.model_.weights
    again.fit(X, 1 - y)  # of which a solved head would be the opposite
    assert np.corrcoef(again.model_.weights, before)[0, 1] > 0.5


def seen_by_augment(X, y, *layers):
    """The images that `augment` is given, and what `fit` makes of them."""
    seen = []

    def note(images, rng):
        seen.append(images.copy())
        return images

    estimator = classifier(*layers, augment=note, num_generations=3).fit(X, y)
    return np.concatenate(seen), estimator


def test_augment_is_given_the_images_of_fit():
    X, y = images(90)
    X = 100 + X.astype(float)
    seen, _ = seen_by_augment(X, y)
    assert X.min() - 1 < seen.min() < seen.max() < X.max() + 1
    rows = X.reshape(len(X), -1) * np.linspace(1, 50, X[0].size)
    seen, _ = seen_by_augment(rows, y, cnn.Dense(3, activation_function="softmax"))
    np.testing.assert_allclose(seen.max(axis=0), rows.max(axis=0), rtol=0.3)


def test_an_augmentation_that_knows_the_numbers_of_the_images():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = np.full((120, 8, 8, 1), 0.9)
    X[:, :5] = np.where(y, 0.1, 0.3)[:, None, None, None]
    X += rng.normal(0, 0.02, X.shape)

    def noise(images, rng):
        return np.clip(images + rng.normal(0, 0.02, images.shape), 0, 1)

    layers = [cnn.AveragePooling2D(4), cnn.Flatten()]
    estimator = classifier(*layers, augment=noise, num_generations=150)
    assert estimator.fit(X, y).score(X, y) > 0.95


def test_a_warm_start_on_other_numbers_is_warned_of_once():
    X, y = images()
    estimator = classifier(warm_start=True).fit(X / 255, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, y)
    assert len([each for each in caught if "larger numbers" in str(each.message)]) == 1


def test_an_augmentation_is_known_by_its_settings_alone():
    X, y = images()
    seen = classifier(augment=gacnn.augment.Shift(1), num_generations=2).fit(X, y)
    augment = seen._augment()
    assert repr(augment) == f"Unscaled(augment={gacnn.augment.Shift(1)!r})"


def test_labels_of_two_classes_may_be_a_column():
    X, y = images()
    y = (y == y[0]).astype(int)
    with pytest.warns(UserWarning, match="column-vector y"):
        column = classifier().fit(X, y[:, None])
    np.testing.assert_array_equal(column.predict(X), classifier().fit(X, y).predict(X))
