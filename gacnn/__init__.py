"""Populations of convolutional networks, evolved by PyGAD's genetic algorithm at array speed."""

import cnn
from gacnn import gacnn
from gacnn.callbacks import (
    Callback,
    EarlyStopping,
    History,
    LambdaCallback,
    ProgressBar,
    TimeLimit,
)
from gacnn.checkpoint import Checkpoint, resume
from gacnn.evaluate import Fitness, MetricError
from gacnn.ga import GA
from gacnn.gacnn import GACNN, Result, population_as_matrices, population_as_vectors

__all__ = [
    "GA",
    "GACNN",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "Fitness",
    "History",
    "LambdaCallback",
    "MetricError",
    "ProgressBar",
    "Result",
    "TimeLimit",
    "cnn",
    "gacnn",
    "population_as_matrices",
    "population_as_vectors",
    "resume",
]
