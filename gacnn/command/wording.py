"""Messages in the words of the command line: its options in the place of Python's arguments."""

from __future__ import annotations

import re
from collections.abc import Callable

_OPTIONS = {
    "batch_size": "--batch-size",
    "max_pixels": "--max-pixels",
    "memory_limit": "--memory-limit",
    "num_generations": "--generations",
    "num_solutions": "--population",
    "random_seed": "--seed",
    "time_limit": "--time-limit",
    "validation": "--validation",
}


def in_options(message: str) -> str:
    """Return a message whose cures name options of `gacnn`, not arguments of functions."""
    for pattern, option in _PHRASES.items():
        message = re.sub(pattern, option, message)
    return message


def _scale(found: re.Match[str]) -> str:
    ends = ",".join(each.removesuffix(".0") for each in found.groups())
    return ("--scale=" if ends.startswith("-") else "--scale ") + ends


def _option(found: re.Match[str]) -> str:
    return _OPTIONS[found[1]] + (" " if found[2] == "=" else found[2])


_PHRASES: dict[str, str | Callable[[re.Match[str]], str]] = {
    r"an? size=\(height, width\)": "--size, such as 32, or 32x48 for rows x columns,",
    r"\bsize must be ": "--size must be ",
    r", or \(X, y\), not ": ", not ",
    r"scale=cnn\.datasets\.Scale\(black, white\)": "--scale BLACK,WHITE",
    r"scale=cnn\.datasets\.Scale\((?:black=)?([^,()]+), (?:white=)?([^,()]+)\)": _scale,
    rf"\b({'|'.join(_OPTIONS)})(=| must| is )": _option,
}
