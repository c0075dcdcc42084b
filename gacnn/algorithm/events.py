"""The events of a run: who listens to them, and what their answers do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from gacnn.callbacks.callback import Callback

Listener = Callable[..., Any]

_FITNESS = {"last_generation_fitness", "best_solution", "best_solutions_fitness"}
_REPLACEABLE = {"on_fitness", "on_parents", "on_crossover", "on_mutation"}


class Event:
    """PyGAD's attribute for the function of an event: during a run it stands for all listeners."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, ga: Any, owner: type | None = None) -> Any:
        if ga is None:
            return self
        events = ga.__dict__.get("events")
        return ga.__dict__.get(self.name) if events is None else events.hook(self.name)

    def __set__(self, ga: Any, function: Listener | None) -> None:
        ga.__dict__[self.name] = function


class Events:
    """Who listens to a run, and in which order they are called.

    ga: the genetic algorithm; its own functions come before its callbacks. after_generation: what
    PyGAD shall call after a generation, where anyone listens or `must_look` says so.
    """

    def __init__(self, ga: Any, after_generation: Listener, must_look: Callable[[], bool]) -> None:
        self._ga, self._after_generation, self._must_look = ga, after_generation, must_look

    def hook(self, event: str) -> Listener | None:
        """Return what PyGAD shall call at an event: nothing where nobody listens."""
        heard = bool(self.listeners(event))
        if event == "on_generation":
            looks = heard or self._must_look() or self._hears("commit")
            return self._after_generation if looks else None
        return partial(self._tell, event) if heard else None

    def listeners(self, event: str) -> list[Listener]:
        """Return the functions and methods that are called at an event of PyGAD's."""
        own = self._ga.__dict__[event]
        theirs = [getattr(each, event) for each in self._ga.callbacks if _defines(each, event)]
        return theirs if own is None else [own, *theirs]

    def _hears(self, event: str) -> bool:
        return any(_defines(callback, event) for callback in self._ga.callbacks)

    def _tell(self, event: str, ga: Any, *values: Any) -> Any:
        """Call the listeners of an event, each with what the one before made of the value."""
        replacement = None
        for listener in self.listeners(event):
            if replacement is not None:
                passed = replacement[0] if event == "on_parents" else replacement
                values = (np.asarray(passed),)
            answer = call(listener, event, ga, *values)
            if answer is not None and event in _REPLACEABLE:
                replacement = answer
        return replacement

    def told_to_stop(self) -> list[Listener]:
        """Call all listeners of on_generation; return those that say "stop"."""
        listeners = self.listeners("on_generation")
        answers = [(each, call(each, "on_generation", self._ga)) for each in listeners]
        return [
            each for each, answer in answers if isinstance(answer, str) and answer.lower() == "stop"
        ]

    def tell_callbacks(self, event: str) -> None:
        """Call `commit` or `finish` of all callbacks."""
        for callback in self._ga.callbacks:
            if _defines(callback, event):
                call(getattr(callback, event), event, self._ga)


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


def _defines(callback: Callback, event: str) -> bool:
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
