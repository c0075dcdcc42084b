"""What fixed layers return is computed before the first generation, and one is told of it."""

import numpy as np
import pytest

import cnn
import gacnn
from gacnn.training import preparation

RNG = np.random.default_rng(0)
X, y = RNG.random((60, 8, 8, 1), np.float32), np.arange(60) % 2


def model(*, fixed=True):
    layers = [
        cnn.Input2D((8, 8, 1)),
        cnn.Conv2D(3, 3, None, "relu", trainable=not fixed),
        cnn.Flatten(),
        cnn.Dense(2, activation_function="softmax"),
    ]
    return cnn.Model(layers, random_seed=0)


@pytest.mark.parametrize("fixed", [True, False])
def test_it_is_computed_before_the_first_generation(fixed, monkeypatch):
    computed, order = [], []
    of = gacnn.fitness.features.Features.computed

    def noted(self, images, *settings):
        computed.append(len(images))
        return of(self, images, *settings)

    monkeypatch.setattr(gacnn.fitness.features.Features, "computed", noted)
    note = gacnn.LambdaCallback(on_start=lambda ga: order.extend(computed))
    networks = gacnn.GACNN(model(fixed=fixed), 4, random_seed=0)
    options = {"num_generations": 3, "validation": 0.25, "callbacks": [note], "verbose": False}
    networks.train(X, y, **options)
    assert order == ([45, 15] if fixed else [])
    assert computed == order


def test_one_is_told_if_it_takes_long(monkeypatch, capsys):
    networks = gacnn.GACNN(model(), 4, random_seed=0)
    networks.train(X, y, num_generations=1)
    assert "now what" not in capsys.readouterr().out
    monkeypatch.setattr(preparation, "LONG", 0.0)
    monkeypatch.setattr(preparation, "MANY", 60)
    networks.train(X, y, num_generations=1)
    assert "now what the fixed layers return: about " in capsys.readouterr().out
    networks.train(X, y, num_generations=1, time_limit=90)
    assert " of 90 seconds\n" in capsys.readouterr().out
    networks.train(X, y, num_generations=1, time_limit=0)
    assert "more than the time limit, so that one generation follows" in capsys.readouterr().out
