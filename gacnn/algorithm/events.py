"""The events of a run: who listens to them, and what their answers do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gacnn.callbacks.callback import Callback

Listener = Callable[..., Any]

_FITNESS = {"last_generation_fitness", "best_solution", "best_solutions_fitness"}
REPLACEABLE = {"on_fitness", "on_parents", "on_crossover", "on_mutation"}


class Event:
    """PyGAD's attribute for the function of an event: during a run it stands for all listeners."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, ga: Any, owner: type | None = None) -> Any:
        if ga is None:
            return self
        return ga.hook(self.name) if ga.is_running else ga.__dict__.get(self.name)

    def __set__(self, ga: Any, function: Listener | None) -> None:
        ga.__dict__[self.name] = function


def checked_callbacks(callbacks: Any) -> list[Callback]:
    """Return the callbacks as a list; TypeError for anything else."""
    if isinstance(callbacks, Callback | str) or not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a list of gacnn.Callback, not {callbacks!r}")
    try:
        listed = list(callbacks)
    except TypeError as error:  # an array of no axis
        raise TypeError(f"callbacks must be a list of gacnn.Callback, not {callbacks!r}") from error
    for position, callback in enumerate(listed):
        if not isinstance(callback, Callback):
            cure = "; call it to make one" if isinstance(callback, type) else ""
            raise TypeError(
                f"callbacks[{position}] must be a gacnn.Callback, not {callback!r}{cure}"
            )
    return listed


def defines(callback: Callback, event: str) -> bool:
    """Tell whether a callback has a method of its own for an event."""
    method = getattr(getattr(callback, event), "__func__", None)
    return method is not getattr(Callback, event)


def call(listener: Listener, event: str, *values: Any) -> Any:
    """Call a listener; an exception names it and the event in a note."""
    try:
        return listener(*values)
    except Exception as error:
        error.add_note(f"raised by {name_of(listener)} in {event}")
        raise


def name_of(listener: Listener) -> str:
    """Return the name of a function, or of the class of an object."""
    return str(getattr(listener, "__qualname__", type(listener).__qualname__))


def reads_fitness(listener: Listener) -> bool:
    """Tell whether a function of the user's names the fitness of the generation."""
    code = getattr(listener, "__code__", None)
    own = getattr(listener, "__module__", None) or ""
    return code is not None and own.split(".")[0] != "gacnn" and bool(_FITNESS & {*code.co_names})
