"""Pictures of a run: fitness, diversity, the front of two objectives; shown as `gacnn.plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn import checks
from gacnn.operators.arrays import front_numbers
from gacnn.plots.networks import (
    axes_for,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Column = NDArray[np.float64]
Table = dict[str, Column]

_X_LABELS = {"generation": "generation", "evaluations": "networks evaluated", "seconds": "seconds"}
_ACCURACY = "validation_accuracy"
_POINTS = 400  # of a smoothed curve, at most
_SIZE = (7, 4)
_LONGEST = 2**31  # generations
_MARK = "\N{ZERO WIDTH SPACE}"  # before a name that begins with _, until the legend is made


class _Curve(NamedTuple):
    """A line and the borders of the band around it, which are the line itself for one run."""

    x: Column
    low: Column
    middle: Column
    high: Column


def fitness(
    history: Any,
    ax: Axes | None = None,
    label: str | None = None,
    *,
    x: str = "generation",
    smooth: int | None = None,
) -> Axes:
    """Draw the fitness over a run: the best, the mean with its deviation, and the validation.

    A rise at the beginning is cut off where it would flatten all the rest. The accuracy on
    validation data of a single run without a name has an axis of its own, at the right.

    Args:
        history: a `gacnn.History`; a list of them, repeated runs, of which medians and quartiles
            are drawn; or a mapping of names to either, a colour each.
        ax: where to draw; None for a new figure.
        label: a name for a single one, so that another call can add the next to the same Axes.
        x: "generation", "evaluations" or "seconds".
        smooth: how many generations a running median spans, 1 for none; None for a fiftieth of the
            run. What it smooths stays faintly visible.

    Returns:
        The Axes.

    Raises:
        ValueError: for a history that is empty or of several objectives.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)], random_seed=0)
        >>> networks = gacnn.GACNN(model, 8, random_seed=0)
        >>> result = networks.train(np.eye(2), [1, 0], num_generations=10, verbose=False)
        >>> gacnn.plots.fitness(result.history).get_ylabel()
        'fitness'
    """
    runs = _runs(history, label, x)
    span = None if smooth is None else min(checks.whole(smooth, "smooth"), _LONGEST)
    for table in chain(*runs.values()):
        for name in {"best", "validation"} & table.keys():
            if table[name].ndim > 1:
                raise ValueError(
                    f"fitness draws one objective, but {name!r} in the history has "
                    f"{table[name].shape[1]}; plots.pareto_front(ga) draws two"
                )
    ax = axes_for(ax, _SIZE)
    before = ax.get_ylim() if ax.lines else None
    shown = [_draw_run(ax, name, tables, x, span) for name, tables in runs.items()]
    _set_limits(ax, np.concatenate(shown), before)
    title = None if None in runs else _explanation(runs)
    handles = list(ax.get_legend_handles_labels()[0])
    if None in runs and _ACCURACY in runs[None][0] and len(runs[None]) == 1:
        handles.append(_draw_accuracy(ax, runs[None][0], x))
    legend = ax.legend(
        handles=handles, loc="lower right", title=title, title_fontsize="small", alignment="left"
    )
    _plain(legend)
    ax.set(xlabel=_X_LABELS[x], ylabel="fitness")
    ax.grid(alpha=0.3)
    return ax


def diversity(
    history: Any, ax: Axes | None = None, label: str | None = None, *, x: str = "generation"
) -> Axes:
    """Draw how much the solutions of a population differ over a run: its `History`'s diversity.

    Args:
        history: a `gacnn.History`, a list of them, or a mapping of names, as for `fitness`.
        ax: where to draw; None for a new figure.
        label: a name for a single one.
        x: "generation", "evaluations" or "seconds".

    Returns:
        The Axes.

    Raises:
        ValueError: for a history that is empty.
    """
    runs = _runs(history, label, x)
    ax = axes_for(ax, _SIZE)
    for name, tables in runs.items():
        label = None if name is None else _shown_name(name)
        _draw_column(ax, tables, "diversity", x, 1, label=label)
    ax.set_ylim(bottom=0)
    ax.set(xlabel=_X_LABELS[x], ylabel="diversity: standard deviation of a gene")
    ax.grid(alpha=0.3)
    if None not in runs:
        _plain(ax.legend())
    return ax


def pareto_front(
    fitness: Any, labels: Sequence[str] = ("objective 1", "objective 2"), ax: Axes | None = None
) -> Axes:
    """Draw solutions by two objectives, and the front of those that none surpasses in both.

    fitness: (P, 2), higher is better, or a `gacnn.GA` after its run, or a `Result`. The steps
    of the front border what its solutions surpass. Returns the Axes. Raises ValueError for
    another number of objectives.

    Examples:
        >>> ax = gacnn.plots.pareto_front(np.array([[1, 0], [0, 1], [0, 0]]), ["speed", "score"])
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('speed', 'score')
    """
    ga = getattr(fitness, "ga", fitness)
    values = checks.real(getattr(ga, "last_generation_fitness", ga), "fitness")
    if values.ndim != 2 or values.shape[1] != 2:
        raise ValueError(
            "fitness must have the shape (solutions, 2), for two objectives, not "
            f"{values.shape}; of more choose two: fitness[:, [0, 1]]"
        )
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) == 0:
        raise ValueError("fitness has no solution with finite objectives; give at least one")
    if not isinstance(labels, list | tuple) or len(labels) != 2:
        raise ValueError(f"labels must be two, one for each objective, not {labels!r}")
    front = np.unique(values[front_numbers(values) == 0], axis=0)  # sorted by the first
    ax = axes_for(ax, (5, 4))
    ax.plot(*values.T, "o", color="grey", alpha=0.3, markersize=4, label="solutions")
    ax.plot(*front.T, "o-", drawstyle="steps-pre", markersize=4, label="front")
    ax.set_xlabel(str(labels[0]), parse_math=False)
    ax.set_ylabel(str(labels[1]), parse_math=False)
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def _runs(history: Any, label: str | None, x: str) -> dict[str | None, list[Table]]:
    """Return the columns of one or more runs by name; None is the name of what has none."""
    checks.one_of(x, "x", tuple(_X_LABELS))
    if not isinstance(history, Mapping) or hasattr(history, "to_dict"):
        return {None if label is None else str(label): _tables(history, "history")}
    if label is not None:
        raise ValueError(f"label names a single history, not a mapping, which has names: {label!r}")
    if not history:
        raise ValueError("history is an empty mapping; give at least one run")
    return {str(name): _tables(value, f"history[{name!r}]") for name, value in history.items()}


def _tables(histories: Any, name: str) -> list[Table]:
    if not isinstance(histories, list | tuple):
        return [_table(histories, name)]
    if not histories:
        raise ValueError(f"{name} is an empty list; give at least one gacnn.History")
    return [_table(each, f"{name}[{index}]") for index, each in enumerate(histories)]


def _table(history: Any, name: str) -> Table:
    if not hasattr(history, "to_dict"):
        raise TypeError(
            f"{name} must be a gacnn.History, or a list or a mapping of them, not "
            f"{type(history).__name__}; a Result has one in its history"
        )
    table = {key: np.asarray(column, float) for key, column in history.to_dict().items()}
    if len(table["generation"]) == 0:
        raise ValueError(f"{name} is empty; run a gacnn.GA with it among its callbacks first")
    return table


def _draw_run(ax: Any, name: str | None, tables: list[Table], x: str, span: int | None) -> Column:
    """Draw a run, or repeated ones; return the values that the limits ought to enclose."""
    unnamed = "best"
    if len(tables) > 1:
        unnamed = f"best: median and quartiles of {len(tables)} runs"
    label = unnamed if name is None else _shown_name(name)
    best, colour = _draw_column(ax, tables, "best", x, span, label=label)
    shown = [best.low, best.high]
    if len(tables) == 1:
        mean, std = (_curve(tables, column, x, span).middle for column in ("mean", "std"))
        _draw_band(ax, best.x, mean - std, mean + std, "C1" if name is None else colour)
        if name is None:
            ax.plot(best.x, mean, color="C1", linewidth=1, label="mean ± standard deviation")
        shown.append(mean)
    if all("validation" in table for table in tables):
        unlike, like = {"color": "C2", "label": "on validation data"}, {"color": colour}
        style = unlike if name is None else {**like, "linestyle": "--"}
        validation, _ = _draw_column(ax, tables, "validation", x, span, **style)
        shown += [validation.low, validation.high]
    return np.concatenate(shown)


def _draw_accuracy(ax: Any, table: Table, x: str) -> Any:
    """Draw the accuracy on validation data at the right; return its line."""
    right = ax.twinx()
    (line,) = right.plot(
        table[x], 100 * table[_ACCURACY], color="C3", linewidth=1, label="accuracy, at the right"
    )
    right.set_ylim(0, 100)
    right.set_ylabel("accuracy on validation data, %")
    return line


def _draw_column(
    ax: Any, tables: list[Table], column: str, x: str, span: int | None, **style: Any
) -> tuple[_Curve, str]:
    """Draw a column of a run, faintly what is smoothed, or of several with a band."""
    curve = _curve(tables, column, x, span)
    (line,) = ax.plot(curve.x, curve.middle, **style)
    colour = line.get_color()
    if len(tables) > 1:
        _draw_band(ax, curve.x, curve.low, curve.high, colour)
    elif _half_span(tables[0][x], span):
        raw = tables[0][column]
        ax.plot(tables[0][x], raw, color=colour, alpha=0.25, linewidth=0.7, zorder=1)
    return curve, colour


def _shown_name(name: str) -> str:
    """Return the name of a run as a label that Matplotlib shows: it hides those that begin by _."""
    return _MARK + name if name.startswith("_") else name


def _plain(legend: Any) -> None:
    """Show the names of runs as they are: a $ in them begins no formula."""
    for text in legend.get_texts():
        text.set_text(text.get_text().removeprefix(_MARK))
        text.set_parse_math(False)


def _draw_band(ax: Any, x: Column, low: Column, high: Column, colour: str) -> None:
    ax.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)


def _curve(tables: list[Table], column: str, x: str, span: int | None) -> _Curve:
    """Return a column of a run, smoothed; of several the median and quartiles at common x."""
    curves = [_smoothed(table[x], table[column], span) for table in tables]
    if len(curves) == 1:
        places, values = curves[0]
        return _Curve(places, values, values, values)
    first, last = max(places[0] for places, _ in curves), min(places[-1] for places, _ in curves)
    if first >= last:
        raise ValueError("runs must overlap to be drawn as one curve: draw them one by one")
    common = np.linspace(first, last, min(len(places) for places, _ in curves))
    aligned = [np.interp(common, *curve) for curve in curves]
    with np.errstate(invalid="ignore"):  # a fitness may be -inf
        return _Curve(common, *np.quantile(aligned, (0.25, 0.5, 0.75), axis=0))


def _smoothed(x: Column, values: Column, span: int | None) -> tuple[Column, Column]:
    """Return a running median at some of the x.

    Near the beginning it spans fewer values, as many before as after: a rise stays where it is.
    """
    last = len(values) - 1
    half = _half_span(values, span)
    if half == 0:
        return x, values
    places = np.unique(np.linspace(0, last, _POINTS).astype(int))
    reach = np.minimum(half, places)
    windows = zip(places - reach, places + reach + 1, strict=True)
    return x[places], np.array([np.median(values[start:end]) for start, end in windows])


def _half_span(values: Column, span: int | None) -> int:
    return (len(values) // 50 if span is None else span) // 2


def _explanation(runs: Mapping[str | None, list[Table]]) -> str:
    """Return what the lines of named runs are."""
    tables = list(chain(*runs.values()))
    several = len(tables) > len(runs)
    validates = any("validation" in table for table in tables)
    return (
        ("line: median of the best\n" if several else "line: best\n")
        + ("dashed: on validation data\n" if validates else "")
        + ("band: quartiles" if several else "band: mean ± standard deviation")
    )


def _set_limits(ax: Any, values: Column, before: tuple[float, float] | None) -> None:
    """Enclose the values, but the lowest only if they leave a quarter of the room to the others.

    before: limits for what was drawn earlier, which stays inside.
    """
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return
    lowest, usual, highest = np.quantile(values, (0, 0.05, 1))
    if 0 < highest - usual < (highest - lowest) / 4:
        lowest = usual
    margin = 0.05 * (highest - lowest) or 0.5
    limits = [lowest - margin, highest + margin, *(before or ())]
    ax.set_ylim(min(limits), max(limits))
