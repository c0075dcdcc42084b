"""Populations of convolutional networks, evolved by PyGAD's genetic algorithm at array speed."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import cnn
from cnn import __version__ as __version__
from gacnn import augment, gacnn
from gacnn.algorithm.ga import GA
from gacnn.algorithm.ga import load as load  # for `import gacnn as pygad`
from gacnn.algorithm.ties import population_as_vectors
from gacnn.callbacks.average import WeightAverage
from gacnn.callbacks.callback import Callback, LambdaCallback
from gacnn.callbacks.history import History
from gacnn.callbacks.live_plot import LivePlot
from gacnn.callbacks.progress import ProgressBar
from gacnn.callbacks.ridge_head import RidgeHead, with_ridge_head
from gacnn.callbacks.stopping import EarlyStopping, TimeLimit
from gacnn.checkpoints.checkpoint import Checkpoint, resume
from gacnn.fitness.evaluator import Evaluator
from gacnn.fitness.fitness import Fitness
from gacnn.fitness.metrics import CrossEntropy, MetricError
from gacnn.gacnn import GACNN, population_as_matrices
from gacnn.operators.crossover import (
    BlendCrossover,
    FilterCrossover,
    LayerCrossover,
    WeightedRecombination,
)
from gacnn.operators.log_uniform import LogUniformMutation
from gacnn.operators.mutation import (
    CumulativeMutation,
    GaussianMutation,
    MirroredMutation,
    SelfAdaptiveMutation,
    SeparableMutation,
)
from gacnn.operators.nesting import fan_in_scale
from gacnn.operators.operator import Crossover, Mutation, Selection
from gacnn.operators.run import Run
from gacnn.operators.selection import TruncationSelection
from gacnn.training.default_network import default_network
from gacnn.training.plan import Plan
from gacnn.training.result import Result

if TYPE_CHECKING:
    from gacnn.estimator import CNNClassifier as CNNClassifier
    from gacnn.estimator import CNNRegressor as CNNRegressor

__all__ = [  # without the estimators, so that a star import works where scikit-learn is missing
    "GA",
    "GACNN",
    "BlendCrossover",
    "Callback",
    "Checkpoint",
    "CrossEntropy",
    "Crossover",
    "CumulativeMutation",
    "EarlyStopping",
    "Evaluator",
    "FilterCrossover",
    "Fitness",
    "GaussianMutation",
    "History",
    "LambdaCallback",
    "LayerCrossover",
    "LivePlot",
    "LogUniformMutation",
    "MetricError",
    "MirroredMutation",
    "Mutation",
    "Plan",
    "ProgressBar",
    "Result",
    "RidgeHead",
    "Run",
    "Selection",
    "SelfAdaptiveMutation",
    "SeparableMutation",
    "TimeLimit",
    "TruncationSelection",
    "WeightAverage",
    "WeightedRecombination",
    "augment",
    "cnn",
    "default_network",
    "fan_in_scale",
    "gacnn",
    "population_as_matrices",
    "population_as_vectors",
    "resume",
    "with_ridge_head",
]

_ESTIMATORS = ("CNNClassifier", "CNNRegressor")


def __getattr__(name: str) -> Any:
    """Load scikit-learn only for those who ask for an estimator."""
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from gacnn import estimator
    except ImportError as error:
        needs = f"gacnn.{name} needs scikit-learn: pip install 'gacnn[sklearn]'"
        raise ImportError(needs) from error
    return getattr(estimator, name)


def __dir__() -> list[str]:
    """Return what is public, the estimators where scikit-learn is installed."""
    return sorted([*__all__, "__version__", *(_ESTIMATORS if find_spec("sklearn") else ())])
