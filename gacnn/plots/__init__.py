"""Pictures of runs and of networks, drawn into Axes; needs matplotlib (pip install 'gacnn[plot]').

Every function takes Matplotlib Axes, or makes a figure where it gets none, and returns the Axes.
None of them shows or saves anything.
"""

from gacnn.plots.networks import confusion_matrix, feature_maps, filters, wrong_predictions
from gacnn.plots.occlusion import occlusion
from gacnn.plots.runs import diversity, fitness, pareto_front

__all__ = [
    "confusion_matrix",
    "diversity",
    "feature_maps",
    "filters",
    "fitness",
    "occlusion",
    "pareto_front",
    "wrong_predictions",
]
