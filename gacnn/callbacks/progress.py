"""A bar that shows how a run gets on."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm

from gacnn.callbacks.callback import ENDLESS, Callback
from gacnn.callbacks.history import _short, validating_history
from gacnn.operators.run import Run


class ProgressBar(Callback):
    """A bar of the generations with the best fitness, and the validation of a `History`.

    It is tqdm's, in a terminal or a notebook. `disable=True` shows nothing.

    Examples:
        >>> ga = gacnn.GA(
        ...     num_generations=5,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     callbacks=[gacnn.ProgressBar()],
        ... )
        >>> ga.run()
    """

    is_part_of_run = False

    def __init__(self, *, disable: bool = False) -> None:
        self.disable = disable
        self._bar: Any = None

    def on_start(self, ga: Run) -> None:
        """Show the bar."""
        if self.disable:  # tqdm would take locks all the same
            return
        last = ga.generations_completed + ga.num_generations
        self._bar = tqdm(
            total=None if last >= ENDLESS else last,
            initial=ga.generations_completed,
            unit="generation",
            dynamic_ncols=True,
        )

    def on_generation(self, ga: Run) -> None:
        """Move on by a generation."""
        if self._bar is None:
            return
        shown = {"fitness": ga.last_generation_fitness.max(axis=0)}
        history = validating_history(ga)
        if history is not None and len(history):
            shown["validation"] = history["validation"][-1]
        text = ", ".join(f"{name} {_short(value)}" for name, value in shown.items())
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(ga.generations_completed - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
