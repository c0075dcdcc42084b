"""Populations of convolutional networks, evolved by PyGAD's genetic algorithm at array speed."""

import cnn
from gacnn import augment, gacnn
from gacnn.callbacks import (
    Callback,
    EarlyStopping,
    History,
    LambdaCallback,
    ProgressBar,
    TimeLimit,
    WeightAverage,
)
from gacnn.checkpoint import Checkpoint, resume
from gacnn.crossover import (
    BlendCrossover,
    FilterCrossover,
    LayerCrossover,
    WeightedRecombination,
)
from gacnn.evaluate import Fitness, MetricError
from gacnn.ga import GA
from gacnn.gacnn import GACNN, population_as_matrices, population_as_vectors
from gacnn.mutation import (
    CumulativeMutation,
    GaussianMutation,
    MirroredMutation,
    SelfAdaptiveMutation,
    SeparableMutation,
)
from gacnn.selection import TruncationSelection
from gacnn.strategy import fan_in_scale
from gacnn.training import Plan, Result

__all__ = [
    "GA",
    "GACNN",
    "BlendCrossover",
    "Callback",
    "Checkpoint",
    "CumulativeMutation",
    "EarlyStopping",
    "FilterCrossover",
    "Fitness",
    "GaussianMutation",
    "History",
    "LambdaCallback",
    "LayerCrossover",
    "MetricError",
    "MirroredMutation",
    "Plan",
    "ProgressBar",
    "Result",
    "SelfAdaptiveMutation",
    "SeparableMutation",
    "TimeLimit",
    "TruncationSelection",
    "WeightAverage",
    "WeightedRecombination",
    "augment",
    "cnn",
    "fan_in_scale",
    "gacnn",
    "population_as_matrices",
    "population_as_vectors",
    "resume",
]
