"""Pictures of a run; needs matplotlib (pip install 'gacnn[plot]')."""

from __future__ import annotations

from typing import Any

import numpy as np

from gacnn.callbacks import History


def fitness(history: History, ax: Any = None) -> Any:
    """Draw best, mean and spread of the fitness over the generations, and the validation.

    ax: Matplotlib Axes to draw into, or None for a new figure. Returns the Axes. Raises
    ValueError for a history of several objectives.
    """
    columns = history.to_dict()
    if np.ndim(columns["best"]) > 1:
        objectives = len(columns["best"][0])
        raise ValueError(f"plots.fitness draws one objective, but the history has {objectives}")
    ax = _axes(ax)
    generations = np.asarray(columns["generation"])
    best, mean, std = (np.asarray(columns[name], float) for name in ("best", "mean", "std"))
    ax.plot(generations, best, color="C0", label="best")
    ax.plot(generations, mean, color="C1", linewidth=1, label="mean ± standard deviation")
    ax.fill_between(generations, mean - std, mean + std, color="C1", alpha=0.2, linewidth=0)
    if "validation" in columns:
        ax.plot(generations, columns["validation"], color="C2", label="on validation data")
    shown = mean[np.isfinite(mean)]
    if len(shown) > 20:  # the first generations of a long run are far below the others
        lowest, highest = np.quantile(shown, 0.05), best[np.isfinite(best)].max(initial=0.0)
        ax.set_ylim(lowest - 0.05 * (highest - lowest), highest + 0.05 * (highest - lowest))
    ax.set(xlabel="generation", ylabel="fitness")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    return ax


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("gacnn.plots needs matplotlib: pip install 'gacnn[plot]'") from error
    return pyplot.subplots(figsize=(7, 4), layout="constrained")[1]
