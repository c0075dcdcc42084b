"""Runs side by side: a table, and their course in one picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnn import checks, files, tables
from cnn.checks import printable
from gacnn import plots
from gacnn.command.run_folder import RunFolder

_RIGHT = ("right on validation", "right on test images")


class Course:
    """The history.csv of a run, as `gacnn.plots` takes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            raise ValueError(f"{path} has no generation")
        try:
            self.columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def to_dict(self) -> dict[str, list[float]]:
        """Return the columns by name."""
        return self.columns


def table(folders: Sequence[RunFolder]) -> str:
    """Return what came out of runs, a line each; "-" for what one has not."""
    header = ("run", "generations", "seconds", "validation score", *_RIGHT)
    rows = []
    for folder in folders:
        folder.settings()  # or says that it is none of a run
        results = folder.results() or {}
        rows.append(
            (
                str(folder.path),
                _number(results.get("generations"), ","),
                _number(results.get("seconds"), ",.1f"),
                _number(results.get("validation_score"), ".4g"),
                _number(results.get("validation_accuracy"), ".1%"),
                _number(results.get("test_accuracy"), ".1%"),
            )
        )
    return tables.as_text(header, rows, names=1)


def _number(value: Any, how: str) -> str:
    return "-" if value is None else format(value, how)


def draw(folders: Sequence[RunFolder], path: Path, x: str) -> None:
    """Draw the fitness of the runs that have ended; ImportError without matplotlib.

    Raises ValueError where none has.
    """
    histories = {str(folder.path): folder.path / "history.csv" for folder in folders}
    running = [name for name, path in histories.items() if not path.exists()]
    if running:
        text = (
            f"{', '.join(map(printable, running))}: not ended yet, so that there is no history.csv"
        )
        if len(running) == len(histories):
            raise ValueError(f"{text}; compare runs that have, or end them by gacnn resume RUN")
        checks.warn(
            f"{text}; not in the picture; gacnn resume RUN goes on with one that was killed"
        )
    ended = {name: path for name, path in histories.items() if name not in running}
    courses = {name: Course(path) for name, path in ended.items()}
    figure: Any = plots.fitness(courses, x=x).figure
    from matplotlib import pyplot  # which has drawn

    try:
        with files.replacing(path) as file:
            figure.savefig(file, format=path.suffix[1:] or "png", dpi=120)
    finally:
        pyplot.close(figure)
