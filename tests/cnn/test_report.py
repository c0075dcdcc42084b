"""Reports: against scikit-learn, and what they say where there is nothing to tell."""

import numpy as np
import pytest

import cnn
from cnn.report import of_labels


def model(classes=4):
    layers = [cnn.Input1D(classes), cnn.Dense(classes, use_bias=False)]
    network = cnn.Model(layers)
    network.weights = np.eye(classes).ravel()
    return network


def labels(seed=0, number=60, classes=4):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, number), rng.integers(0, classes, number)


def test_report_equals_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    true, said = labels()
    report = model().evaluate(np.eye(4)[said], true)
    np.testing.assert_array_equal(report.confusion, metrics.confusion_matrix(true, said))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(true, said)
    np.testing.assert_allclose(report.precision, precision)
    np.testing.assert_allclose(report.recall, recall)
    np.testing.assert_allclose(report.f1, f1)
    np.testing.assert_array_equal(report.support, support)
    assert report.accuracy == pytest.approx(metrics.accuracy_score(true, said))
    assert model().score(np.eye(4)[said], true) == report.accuracy


def test_classes_without_images_or_predictions_are_said_so():
    report = of_labels(np.array([0, 0, 1]), np.array([0, 0, 0]), ["a", "b", "c"])
    lines = [line.split() for line in str(report).splitlines()]
    assert lines[2] == ["a", "2", "100.0%", "66.7%", "80.0%"]
    assert lines[3] == ["b", "1", "0.0%", "-", "0.0%"]
    assert lines[4] == ["c", "0", "-", "-", "-"]
    assert lines[6] == ["all,", "mean", "3", "50.0%", "66.7%", "40.0%"]
    assert repr(report) == "<Report: 66.7% of 3 images are right>"
    assert '<td style="text-align: left">b</td>' in report._repr_html_()


def test_images_of_no_class_are_wrong():
    report = of_labels(np.array([0, 1, 1, 1]), np.array([0, -1, 1, -1]), ["a", "b"])
    assert report.accuracy == 0.5
    np.testing.assert_array_equal(report.support, [1, 3])
    np.testing.assert_allclose(report.recall, [1, 1 / 3])
    np.testing.assert_allclose(report.precision, [1, 1])
    np.testing.assert_allclose(report.f1, [1, 0.5])


def test_names_and_labels_that_do_not_fit():
    with pytest.raises(ValueError, match="class_names must name the 4 classes, not 2"):
        model().evaluate(np.eye(4), range(4), ["a", "b"])
    with pytest.raises(ValueError, match="y"):
        model().score(np.eye(4), [0, 1, 2, 4])
    regression = cnn.Model([cnn.Input1D(2), cnn.Dense(1, activation_function=None)])
    with pytest.raises(ValueError, match="for regression use forward"):
        regression.score(np.eye(2), [0.5, 1.5])


def test_names_of_classes_reach_no_terminal_raw():
    report = str(model(2).evaluate(np.eye(2), [0, 1], ["a\x1b[31m", "b\nc"]))
    assert "\x1b" not in report
    assert r"a\x1b[31m" in report
    assert r"b\nc" in report
