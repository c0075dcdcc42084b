"""Populations of convolutional networks, evolved by PyGAD's genetic algorithm at array speed."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pygad import load as load  # for `import gacnn as pygad`

import cnn
from gacnn import augment, gacnn
from gacnn.callbacks import (
    Callback,
    History,
    LambdaCallback,
    ProgressBar,
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
from gacnn.networks import default_network
from gacnn.plan import Plan
from gacnn.result import Result
from gacnn.selection import TruncationSelection
from gacnn.stopping import EarlyStopping, TimeLimit
from gacnn.strategy import fan_in_scale

if TYPE_CHECKING:
    from gacnn.estimator import CNNClassifier as CNNClassifier
    from gacnn.estimator import CNNRegressor as CNNRegressor

__all__ = [  # without the estimators, so that a star import works where scikit-learn is missing
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
    "default_network",
    "fan_in_scale",
    "gacnn",
    "population_as_matrices",
    "population_as_vectors",
    "resume",
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
    return sorted({*globals(), *(_ESTIMATORS if find_spec("sklearn") else ())})
