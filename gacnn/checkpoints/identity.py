"""What tells a run from another: its settings, its fitness, its callbacks."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from cnn import Model
from cnn.checks import printable
from gacnn.callbacks.callback import Callback
from gacnn.checkpoints.tree import named_type
from gacnn.fitness.evaluator import Evaluator
from gacnn.operators.names import OPERATORS, name_of
from gacnn.operators.operator import Operator
from gacnn.operators.run import Run
from gacnn.types import FilePath

_NOT_KEPT = {"num_generations", "initial_population", "logger"}


_FREE = _NOT_KEPT | {"parallel_processing", "suppress_warnings"}  # a resume may change them


def identity_of(run: Run) -> dict[str, Any]:
    """Return what a resumed run must have in common with this one, for JSON."""
    settings = {name: value for name, value in run.settings.items() if name not in _NOT_KEPT}
    return {
        "settings": {name: _plain(value, name) for name, value in settings.items()},
        "fingerprint": _fingerprint(run.evaluator),
        "callbacks": _kinds(run.callbacks),
    }


def _fingerprint(evaluator: Any) -> Any:
    if not isinstance(evaluator, Evaluator):
        return None
    return json.loads(json.dumps(_plain(evaluator.fingerprint(), "fingerprint")))


def _kinds(callbacks: Iterable[object]) -> list[str]:
    listed = [each for each in callbacks if isinstance(each, Callback)]
    return [type(each).__qualname__ for each in listed if each.is_part_of_run]


def _plain(value: Any, name: str) -> Any:
    """Return a setting for JSON: arrays and tuples as lists, functions and types by name."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item, name) for key, item in value.items()}
    if isinstance(value, range):
        return {"$range": [value.start, value.stop, value.step]}
    if isinstance(value, type):
        return {"$type": value.__name__}
    if isinstance(value, Operator):
        known, settings = name_of(value), _plain(value.settings(), name)
        if known is None:  # to be given again, like a function
            return {"$own": [f"{type(value).__module__}.{type(value).__qualname__}", settings]}
        return {"$operator": [value.setting, known, settings]}
    if isinstance(value, Model):  # to be given again, like a function
        return {"$function": f"a model of {value.num_weights:,} weights"}
    if callable(value):
        return {"$function": _function_name(value)}
    raise TypeError(f"{name} holds {value!r}, which a checkpoint cannot keep")


def _function_name(function: Any) -> str:
    if isinstance(function, partial):
        return f"partial of {_function_name(function.func)}"
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def setting_of(plain: Any) -> Any:
    """Return the setting that `_plain` was given, functions aside."""
    if isinstance(plain, list):
        return [setting_of(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if "$range" in plain:
        return range(*plain["$range"])
    if "$type" in plain:
        return named_type(plain["$type"])
    if "$operator" in plain:
        kind, name, settings = plain["$operator"]
        return _operator(OPERATORS[kind][name], setting_of(settings))
    return {key: setting_of(item) for key, item in plain.items()}


def _operator(made: Any, settings: dict[str, Any]) -> Any:
    unknown = settings.keys() - inspect.signature(made).parameters
    if unknown:
        raise ValueError(
            f"the checkpoint is of another version: its {made.__name__} has "
            f"{printable(', '.join(sorted(unknown)))}"
        )
    return made(**settings)


def _renewed(plain: Any, name: str) -> Any:
    """Return a setting of a checkpoint, where it is an operator, with all that it now has."""
    is_operator = isinstance(plain, dict) and "$operator" in plain
    return _plain(setting_of(plain), name) if is_operator else plain


def _has_function(plain: Any) -> bool:
    if isinstance(plain, dict):
        own = "$function" in plain or "$own" in plain
        return own or any(map(_has_function, plain.values()))
    return isinstance(plain, list) and any(map(_has_function, plain))


def check_same(
    path: FilePath, identity: dict[str, Any], given: dict[str, Any], callbacks: list[Callback]
) -> None:
    """Raise an error that lists what differs between a checkpoint and what is to go on."""
    kept = identity["settings"]
    unknown = given.keys() - kept.keys() - _FREE
    if unknown:
        raise TypeError(f"gacnn.GA has no setting {', '.join(sorted(unknown))}")
    differences = [
        f"{name} was {shown(kept[name])} and is {shown(_plain(value, name))}"
        for name, value in given.items()
        if name not in _FREE and _differ(_plain(value, name), _renewed(kept[name], name))
    ]
    differences += [
        f"{name} was {shown(value)} and is not given"
        for name, value in kept.items()
        if name not in given and _has_function(value)
    ]
    kinds = _kinds(callbacks)
    if kinds != identity["callbacks"]:
        differences.append(f"callbacks were {identity['callbacks']} and are {kinds}")
    differences += _fingerprints_differ(identity["fingerprint"], given["fitness_func"])
    if differences:
        listed = printable("; ".join(differences))  # as a stranger may have written them
        raise ValueError(f"{os.fspath(path)} is of another run: {listed}")


def _differ(before: Any, now: Any) -> bool:
    """Tell whether two values for JSON are others; NaN is NaN."""
    return bool(before != now) and json.dumps(before) != json.dumps(now)


def _fingerprints_differ(before: Any, fitness_func: Any) -> list[str]:
    now = _fingerprint(fitness_func)
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [] if before == now else ["only one of the two fitness functions has a fingerprint"]
    return [
        _of_data(key, before.get(key), now.get(key))
        or f"{key} of fitness_func was {shown(before.get(key))} and is {shown(now.get(key))}"
        for key in before | now
        if _differ(before.get(key), now.get(key))
    ]


def _of_data(key: str, before: Any, now: Any) -> str:
    """Return how the data of a `Fitness` differ, of which shape and checksum are known."""
    known = key in ("images", "targets") and isinstance(before, list) and isinstance(now, list)
    if not known or len(before) != 2 or before[:1] != now[:1]:
        return ""
    return f"{key} of fitness_func are others of the same shape, or of another type or order"


def shown(plain: Any) -> str:
    """Return a setting as a message shows it."""
    text = repr(plain)
    if isinstance(plain, dict) and "$function" in plain:
        text = plain["$function"]
    elif isinstance(plain, dict) and "$own" in plain:
        name, settings = plain["$own"]
        text = f"{name}({', '.join(f'{key}={value!r}' for key, value in settings.items())})"
    elif isinstance(plain, dict) and "$operator" in plain:
        given = plain["$operator"][2].values()
        functions = [each["$function"] for each in given if _has_function(each)]
        text = " with ".join([repr(setting_of(plain)), *functions])
    return printable(text if len(text) <= 200 else text[:200] + " …")
