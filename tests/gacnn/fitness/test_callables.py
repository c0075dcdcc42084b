"""Functions as metrics: the shapes they get, scikit-learn's in their order, and their errors."""

import functools

import numpy as np
import pytest

import cnn
import gacnn
from gacnn.fitness.fitness import Fitness
from gacnn.fitness.metrics import MetricError, name_of

metrics = pytest.importorskip("sklearn.metrics")


def network(outputs, activation):
    dense = cnn.Dense(outputs, activation_function=activation)
    return cnn.Model([cnn.Input1D(4), cnn.Dense(5), dense], random_seed=1)


def data(classes=None, number=60):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(number, 4)).astype(np.float32)
    return X, rng.normal(size=number) if classes is None else rng.integers(0, classes, number)


SOFTMAX, SIGMOID, LOGITS = network(3, "softmax"), network(1, "sigmoid"), network(3, None)
LINEAR, LINEAR_2 = network(1, None), network(2, None)


def scored(model, y, metric, **more):
    X, _ = data()
    return Fitness(model, X, y, metric, **more)(model.weights[None])[0]


@pytest.mark.parametrize("model", [LINEAR, SIGMOID])
@pytest.mark.parametrize("shape", [(60,), (60, 1)])
def test_one_output_and_one_column_are_flat(model, shape):
    seen = []
    _, y = data()

    def metric(outputs, targets):
        seen.append((outputs.shape, targets.shape))
        return -np.mean((outputs - targets) ** 2)

    score = scored(model, y.reshape(shape), metric)
    assert seen == [((60,), (60,))]
    assert score == pytest.approx(scored(LINEAR, y, "mse")) or model is SIGMOID
    assert scored(model, y.reshape(shape), ["mse", metric]).tolist() == pytest.approx([score] * 2)


def test_a_column_of_labels_beside_several_outputs_is_flat():
    _, y = data(3)
    shapes = []
    scored(SOFTMAX, y[:, None], lambda o, t: shapes.append((o.shape, t.shape)) or 1.0)
    assert shapes == [((60, 3), (60,))]


CASES = [
    (metrics.accuracy_score, SOFTMAX, 3, "accuracy"),
    (metrics.balanced_accuracy_score, LOGITS, 3, "balanced_accuracy"),
    (functools.partial(metrics.f1_score, average="macro"), SOFTMAX, 3, "f1_macro"),
    (metrics.accuracy_score, SIGMOID, 2, "accuracy"),
    (metrics.balanced_accuracy_score, SIGMOID, 2, "balanced_accuracy"),
]


@pytest.mark.parametrize(("metric", "model", "classes", "own"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_of_labels(metric, model, classes, own, weighted):
    _, y = data(classes)
    weights = np.arange(60) % 4 if weighted else None
    ours = scored(model, y, own, sample_weight=weights)
    assert scored(model, y, metric, sample_weight=weights) == pytest.approx(ours)


def test_scores_of_probabilities():
    X, y = data(2)
    proba = SIGMOID.forward(X)[:, 0]
    assert scored(SIGMOID, y, metrics.roc_auc_score) == metrics.roc_auc_score(y, proba)
    X, y = data(3)
    ovr = functools.partial(metrics.roc_auc_score, multi_class="ovr")
    expected = ovr(y, SOFTMAX.predict_proba(X).astype(float))
    assert scored(SOFTMAX, y, ovr) == pytest.approx(expected)
    top = functools.partial(metrics.top_k_accuracy_score, k=2)
    assert scored(LOGITS, y, top) == pytest.approx(top(y, LOGITS.predict_proba(X)))


@pytest.mark.parametrize("model", [LINEAR, LINEAR_2])
def test_scores_of_values(model):
    X, y = data()
    y = y if model is LINEAR else np.stack([y, y**2], axis=1)
    expected = metrics.r2_score(y, model.forward(X))
    assert scored(model, y, metrics.r2_score) == pytest.approx(expected, rel=1e-5)
    assert expected != pytest.approx(metrics.r2_score(model.forward(X), y))


def minus_log_loss(outputs, y):
    return -metrics.log_loss(y, outputs, labels=range(3))


def test_the_line_to_write_for_a_loss_is_right():
    _, y = data(3)
    assert scored(SOFTMAX, y, minus_log_loss) == pytest.approx(
        scored(SOFTMAX, y, "cross_entropy"), rel=1e-5
    )


def mean_error(y_true, y_pred):
    return -np.abs(y_true - y_pred).mean()


class Shapes:
    """Called like a function, but with one argument."""

    def __call__(self, outputs):
        return 1.0


REFUSED = [
    (metrics.mean_squared_error, r"-mean_squared_error\(y, outputs\)"),
    (functools.partial(metrics.mean_absolute_error, multioutput="raw_values"), "less for better"),
    (metrics.log_loss, r"-log_loss\(y, outputs\)"),
    (metrics.zero_one_loss, r"y, outputs.argmax\(axis=1\)"),
    (metrics.mean_gamma_deviance, "less for better"),
    (metrics.confusion_matrix, "one number"),
    (metrics.classification_report, "one number"),
    (metrics.make_scorer(metrics.accuracy_score), "called with an estimator"),
    (metrics.get_scorer("f1_macro"), "called with an estimator"),
    (functools.partial(metrics.f1_score, [0]), "by names"),
    (mean_error, r"mean_error\(y, outputs\)"),
    (Shapes(), "too many positional arguments"),
    (Shapes, "not a class"),
    ("f1", "did you mean 'f1_macro'"),
    ("acuracy", "did you mean 'accuracy'"),
    ("neg_mean_squared_error", "did you mean 'mse'"),
]


@pytest.mark.parametrize(("metric", "message"), REFUSED)
def test_what_is_refused_says_the_line_to_write(metric, message):
    X, y = data(3)
    with pytest.raises((TypeError, ValueError), match=message):
        Fitness(SOFTMAX, X, y, metric)


def in_place(outputs, y):
    y -= 1
    return 0.0


FAILING = [
    (
        lambda o, t: np.mean(o - t),
        r"outputs \(60, 3\) .* y \(60,\); for labels take outputs.argmax",
    ),
    (in_place, "read-only.*change a copy"),
    (
        lambda o, t: o.argmax(axis=1) == t,
        r"one number is wanted, not an array of the shape \(60,\)",
    ),
    (lambda o, t: None, "one number is wanted, not None"),
    (metrics.precision_score, r'functools.partial\(precision_score, average="macro"\)'),
    (metrics.roc_auc_score, 'multi_class="ovr"'),
]


@pytest.mark.parametrize(("metric", "message"), FAILING)
def test_what_fails_says_what_it_was_given(metric, message):
    _, y = data(3)
    before = y.copy()
    with pytest.raises(MetricError, match=message):
        scored(SOFTMAX, y, metric)
    np.testing.assert_array_equal(y, before)


def test_labels_of_one_sigmoid_are_named_too():
    _, y = data(2)
    with pytest.raises(MetricError, match=r"outputs \(60,\) .*outputs > 0.5"):
        scored(SIGMOID, y, lambda outputs, y: outputs == y)
    with pytest.raises(MetricError, match=r"leave out \[:, 0\]"):
        scored(SIGMOID, y, lambda outputs, y: float(np.mean(outputs[:, 0] - y)))


def squared_loss(outputs, y):
    return float(np.square(outputs.argmax(axis=1) - y).mean())


def cost(outputs, y):
    return -squared_loss(outputs, y)


def test_what_sounds_like_a_loss_and_grows_brings_a_warning():
    _, y = data(3)
    with pytest.warns(
        UserWarning, match=r"squared_loss sounds .*: -squared_loss\(outputs, y\)"
    ) as caught:
        scored(SOFTMAX, y, squared_loss)
    assert caught[0].filename == __file__
    assert scored(SOFTMAX, y, cost) < 0


def test_a_warning_out_of_a_run_is_at_the_line_of_the_user():
    X, y = data(3)
    with pytest.warns(UserWarning, match="squared_loss sounds") as caught:
        gacnn.GACNN(SOFTMAX, 6).train(X, y, metric=squared_loss, num_generations=1, verbose=False)
    assert {each.filename for each in caught} == {__file__}


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (data()[0], np.array(["a", "b", "c"] * 20), r"np\.unique\(y, return_inverse=True\)"),
        (np.array([*data()[0], None], object)[:-1], np.arange(60) % 3, r"np\.stack\(X\)"),
    ],
)
def test_cures_for_labels_and_images_in_objects(X, y, message):
    with pytest.raises(TypeError, match=message):
        Fitness(SOFTMAX, X, y)


# As many images as outputs


def squared(outputs, y):
    return -float(np.mean((outputs - y) ** 2))


@pytest.mark.parametrize("images", [1, 3])
def test_outputs_and_y_that_go_together_by_their_number(images):
    model = cnn.Model([cnn.Input1D(2), cnn.Dense(3)], random_seed=0)
    X, y = np.ones((images, 2)), np.arange(images)
    fitness = gacnn.Fitness(model, X, y, squared)
    message = rf"takes 3 outputs an image and one y.*a batch of {images}; it was given outputs"
    with pytest.raises(gacnn.MetricError, match=message):
        fitness(model.weights[None])


@pytest.mark.parametrize(
    "metric",
    [
        lambda outputs, y: float(outputs[np.arange(len(y)), y].mean()),
        lambda outputs, y: float((outputs.argmax(axis=1) == y).mean()),
        lambda outputs, y: float((outputs - y[:, None]).mean()),
        lambda outputs, y: float((outputs * np.ones((3, 3))).mean()),  # of these images alone
    ],
)
def test_as_many_images_as_outputs_are_no_harm(metric):
    model = cnn.Model([cnn.Input1D(2), cnn.Dense(3)], random_seed=0)
    fitness = gacnn.Fitness(model, np.ones((3, 2)), [0, 1, 2], metric)
    (outputs,) = model.forward(np.ones((3, 2)), model.weights[None])
    assert fitness(model.weights[None]) == metric(outputs, np.arange(3))


def right(outputs, y):
    return float(np.mean(outputs.argmax(axis=1) == y))


def through(outputs, y, how, note=None):
    return how(outputs, y)


class Note:
    """An object that shows itself with an address in it."""

    def __repr__(self):
        return f"Note({object()})"


def test_names_of_metrics_have_no_addresses():
    metric = functools.partial(through, how=right, note=Note())
    assert name_of(metric) == "partial(through, how=right, note=Note(<object object>))"
    assert name_of(functools.partial(through, how=functools.partial(right))) == (
        "partial(through, how=partial(right))"
    )
