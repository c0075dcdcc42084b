"""A picture of a run that follows it, for notebooks."""

from __future__ import annotations

import time
from typing import Any

from cnn import checks
from gacnn.callbacks.callback import Callback
from gacnn.callbacks.history import History
from gacnn.callbacks.progress import in_notebook
from gacnn.operators.run import Run


class LivePlot(Callback):
    """Draws the fitness while the run goes on, below a notebook's cell.

    It shows the first `History` among the callbacks, which a training has, or notes the course
    itself. Outside a notebook it keeps `figure` up to date, and shows nothing. Needs matplotlib.

    seconds: between two pictures, since drawing takes about a fifth of one.

    Examples:
        >>> X, y = np.eye(4), np.array([0, 1, 0, 1])
        >>> model = cnn.Model([cnn.Input1D(4), cnn.Dense(2)], random_seed=0)
        >>> live = gacnn.LivePlot()
        >>> networks = gacnn.GACNN(model, 8, random_seed=0)
        >>> result = networks.train(X, y, num_generations=5, callbacks=[live], verbose=False)
        >>> live.figure.axes[0].get_ylabel()
        'cross entropy'
    """

    is_part_of_run = False

    def __init__(self, seconds: float = 2.0) -> None:
        self.seconds = checks.number(seconds, "seconds", 0)
        self.figure: Any = None
        self._history = History()
        self._handle: Any = None
        self._is_own, self._drawn, self._shown = True, 0.0, 0

    def on_start(self, ga: Run) -> None:
        """Begin a picture; ImportError without matplotlib."""
        others = [each for each in ga.callbacks if isinstance(each, History)]
        self._is_own = not others
        self._history = others[0] if others else History()
        self._drawn, self._shown, self._handle = time.monotonic(), 0, None
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("LivePlot needs matplotlib: pip install 'gacnn[plot]'") from error
        self.figure = Figure(figsize=(7, 4), layout="constrained")

    def on_generation(self, ga: Run) -> None:
        """Draw anew, if it is time."""
        if self._is_own:
            self._history.on_start(ga)
            self._history.on_generation(ga)
        if time.monotonic() - self._drawn >= self.seconds:
            self._draw()
            self._drawn = time.monotonic()

    def close(self) -> None:
        """Draw the whole run."""
        if len(self._history) > self._shown:
            self._draw()

    def _draw(self) -> None:
        self._shown = len(self._history)
        self.figure.clear()
        self._history.plot(self.figure.add_subplot())
        if not in_notebook():
            return
        from IPython.display import display as shown

        display: Any = shown  # which has no types
        if self._handle is None:
            self._handle = display(self.figure, display_id=True)
        else:
            self._handle.update(self.figure)
